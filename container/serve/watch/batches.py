"""Counting each batch once, though every reply in it has its size."""

from container.serve.protocol.replies import Reply

# Bounds the table: a replaced worker has a new process id.
_MOST_WORKERS = 1024


class NewBatches:
    """Identifies a batch by its worker and when that began with it."""

    def __init__(self) -> None:
        self._last: dict[int, float] = {}

    def size(self, reply: Reply) -> int:
        """The size of the reply's batch if this is the first reply of it, else 0."""
        if reply.worker is None or reply.work is None or reply.batch is None:
            return 0
        if reply.work.taken <= self._last.get(reply.worker, 0.0):
            return 0
        if len(self._last) >= _MOST_WORKERS:
            self._last.clear()
        self._last[reply.worker] = reply.work.taken
        return reply.batch
