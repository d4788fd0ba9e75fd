"""Our decoding and our engine in one process, for the benchmarks' limit and for other servers around them."""

import time
from collections.abc import Sequence

LONG_S = 1e6
"""Deadline of a request that does not come through the front, in seconds from now."""


class Functions:
    """A worker's decoding and engine in this process, without multi-model-server.

    Args:
        base_dir: Directory that holds `model`.
        settings: Environment variables of the server.
    """

    def __init__(self, base_dir: str, **settings: str) -> None:
        from container.serve.settings.config import ServeConfig
        from container.serve.worker.builtin import BuiltIn
        from container.serve.worker.predictor import Predictor

        config = ServeConfig.from_environment({"SAGEMAKER_BASE_DIR": base_dir, **settings})
        self.batch_size = config.batch_size
        self.predictor = Predictor.load(config)
        self._functions = BuiltIn(self.predictor, config)

    def answer(self, bodies: Sequence[bytes]) -> list[bytes]:
        """Answer JPEG files; returns the answers' bodies, in order.

        Raises:
            ValueError: One was not answered.
        """
        from container.serve.protocol.replies import Request, RequestHead

        head = RequestHead(
            request_id="bench", content_type="image/jpeg", accept=None, deadline=time.monotonic() + LONG_S
        )
        replies = self._functions.answer([Request(head, body) for body in bodies])
        if wrong := [reply for reply in replies if reply.status != 200]:
            raise ValueError(f"{len(wrong)} of {len(replies)} pictures were not answered: {wrong[0].body.decode()}")
        return [reply.body for reply in replies]
