"""A worker's pool of decoder processes (see decoder_process.py)."""

import json
import os
import queue
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from multiprocessing.connection import Connection

import numpy as np

from container.contract.errors import PictureError
from container.serve.protocol.replies import TOO_LATE
from container.serve.settings.config import MEBIBYTE
from container.serve.worker.decoder_process import SHORT_OF_MEMORY, Order, Outcome
from container.serve.worker.request_body import Pixels

# Otherwise glibc keeps a large picture's memory for the next one.
_ENVIRONMENT = {"MALLOC_MMAP_THRESHOLD_": str(MEBIBYTE), "MALLOC_TRIM_THRESHOLD_": str(MEBIBYTE)}


class DecoderPool:
    """Starts decoder processes on demand, and replaces those that ended.

    Args:
        most: Most processes at once.
        memory_bytes: Memory for all pictures decoded at the same time, and so for one.
        ready: Start one process now and keep it; the others exit when idle.
    """

    def __init__(self, most: int, *, memory_bytes: int, ready: bool) -> None:
        self._memory = _Memory(memory_bytes)
        # Last in, first out: the other processes stay idle and can exit.
        self._free: queue.LifoQueue[_DecoderProcess | None] = queue.LifoQueue()
        for _ in range(most - 1):
            self._free.put(None)
        self._free.put(_DecoderProcess(stays=True) if ready else None)

    def decode(self, order: Order, data: bytes, *, deadline: float) -> Pixels:
        """Decode a file in one of the processes.

        Args:
            order: What to decode the file into.
            data: The file.
            deadline: By `time.monotonic()`.

        Returns:
            RGB, shape (height, width, 3).

        Raises:
            PictureError: The picture cannot be decoded, or exceeds a limit.
            MemoryError: There is too little memory at the moment.
            RequestError: 504, the deadline passed.
        """
        decoder = self._free.get()
        try:
            if decoder is None or decoder.has_ended:
                decoder = _DecoderProcess(stays=bool(decoder and decoder.stays))
            found = decoder.begin(order, data, deadline)
            with self._memory.taken(found.memory_bytes):
                return decoder.finish(deadline)
        except PictureError:
            raise
        except BaseException:
            if decoder:
                decoder.end()
            raise
        finally:
            self._free.put(decoder)


class _Memory:
    """The memory budget shared by all pictures being decoded."""

    def __init__(self, most: int) -> None:
        self._left = most
        self._changed = threading.Condition()

    @contextmanager
    def taken(self, wanted: int) -> Iterator[None]:
        """Wait until this many bytes are free, and reserve them meanwhile."""
        with self._changed:
            self._changed.wait_for(lambda: self._left >= wanted)
            self._left -= wanted
        try:
            yield
        finally:
            with self._changed:
                self._left += wanted
                self._changed.notify_all()


class _DecoderProcess:
    """One decoder process; one that `stays` does not exit when idle."""

    def __init__(self, *, stays: bool) -> None:
        self.stays = stays
        self._seconds = 0.0
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "container.serve.worker.decoder_process",
                    str(theirs.fileno()),
                    *(["--stay"] if stays else []),
                ],
                env={**os.environ, **_ENVIRONMENT},
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        self._connection = Connection(ours.detach())

    @property
    def has_ended(self) -> bool:
        """Whether the process has exited, as it does when idle."""
        return self._process.poll() is not None

    def begin(self, order: Order, data: bytes, deadline: float) -> Outcome:
        """Send a file and learn what decoding it takes.

        Raises:
            PictureError: The header cannot be read, or the process crashed over it.
            MemoryError: The process was killed, as when the container is out of memory.
        """
        self._seconds = order.seconds
        return self._ask([json.dumps(asdict(order)).encode(), data], deadline)

    def finish(self, deadline: float) -> Pixels:
        """Decode the file that `begin` sent; raises the same errors."""
        outcome = self._ask([b"go on"], deadline)
        pixels = np.frombuffer(self._connection.recv_bytes(), np.uint8)
        return pixels.reshape(outcome.height, outcome.width, 3)

    def _ask(self, messages: Sequence[bytes], deadline: float) -> Outcome:
        try:
            for message in messages:
                self._connection.send_bytes(message)
            if not self._connection.poll(max(0.0, deadline - time.monotonic())):
                raise TOO_LATE.anew()
            outcome = Outcome(**json.loads(self._connection.recv_bytes()))
        except (EOFError, OSError):
            raise self._reason() from None
        if outcome.error:
            raise PictureError(outcome.error)
        return outcome

    def _reason(self) -> Exception:
        """Turn the process's exit code into an error."""
        code = self._process.wait()
        if code in (-signal.SIGKILL, SHORT_OF_MEMORY):
            return MemoryError()
        if code == -signal.SIGPROF:
            return PictureError(
                f"the picture takes more than {self._seconds:g} seconds to decode; send a smaller or a simpler one"
            )
        if code < 0:
            return PictureError(f"the picture cannot be decoded: its decoder crashed ({signal.Signals(-code).name})")
        return RuntimeError(f"a decoder process ended with exit code {code}")

    def end(self) -> None:
        """Kill the process."""
        self._process.kill()
        self._process.wait()
        self._connection.close()
