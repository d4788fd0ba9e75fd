"""The background writer of a trial: a thread, a queue, and a budget of bytes that may wait in it."""

import json
import logging
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from container.atomic_file import write_atomically
from container.best_effort import BestEffort
from container.train.debugger.event_file import write_tensor
from container.train.debugger.reductions import reduce, saved_name
from container.train.debugger.reserve import reserve
from container.train.debugger.snapshot import Snapshot, StepSnapshots

logger = logging.getLogger(__name__)

BUDGET_BYTES = 2**30
END = "training_job_end.ts"


class TrialWriter:
    """Takes the snapshots of steps, and returns at once unless `budget_bytes` of them wait for the disk.

    A failed write is one warning; no step is written after it, and training goes on.
    """

    def __init__(
        self,
        directory: Path,
        worker: str,
        collections: Callable[[], dict[str, Any]],
        *,
        board: Any = None,
        budget_bytes: int = BUDGET_BYTES,
    ) -> None:
        self.directory, self.worker = directory, worker
        self._attempt = BestEffort(
            f"the debugger cannot write to {directory}; training goes on without it", Exception, keep_going=True
        )
        self._collections, self._described = collections, ""
        self._board = board
        self._budget_bytes = budget_bytes
        self._waiting: deque[StepSnapshots | None] = deque()
        self._bytes = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._warned = False

    def put(self, step: StepSnapshots) -> None:
        """Queue a step; wait only while earlier ones use up the budget."""
        if self._attempt.over:
            return
        with self._changed:
            if self._bytes and self._bytes + step.bytes > self._budget_bytes:
                if not self._warned:
                    logger.warning(
                        "the debugger saves more than can be written to %s, and training waits for it: save less "
                        "often, fewer collections, or reductions",
                        self.directory,
                    )
                    self._warned = True
                self._changed.wait_for(lambda: not self._bytes or self._bytes + step.bytes <= self._budget_bytes)
            self._waiting.append(step)
            self._bytes += step.bytes
            self._changed.notify_all()
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="debugger", daemon=True)
            self._thread.start()

    def close(self, *, mark_end: bool) -> None:
        """Write the queued steps, the collections, and with `mark_end` the file that marks the trial as ended."""
        if self._thread is not None:
            with self._changed:
                self._waiting.append(None)
                self._changed.notify_all()
            self._thread.join()
            self._thread = None
        self._attempt(self._describe)
        if mark_end:
            self._attempt((self.directory / END).touch)

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                step = self._waiting[0]
            if step is None:
                return
            if not self._attempt.over:
                self._attempt(partial(self._write, step))
            with self._changed:
                self._waiting.popleft()
                self._bytes -= step.bytes
                step.release()
                self._changed.notify_all()

    def _write(self, step: StepSnapshots) -> None:
        for device, event in step.copied.items():
            with torch.cuda.device(device):
                event.synchronize()
        name = f"{step.step:012d}_{self.worker}"
        events = Path("events") / f"{step.step:012d}" / f"{name}.tfevents"
        index = self.directory / "index" / f"{step.step // 1000:09d}" / f"{name}.json"
        payload: list[dict[str, Any]] = []
        shapes = [
            {"tensorname": tensor.name, "originalname": tensor.name, "shape": list(tensor.shape)}
            for tensor in step.tensors
            if tensor.save_shape
        ]

        def write(path: Path) -> None:
            with path.open("wb", buffering=2**16) as file:
                reserve(file.fileno(), step.bytes_to_write)
                for tensor in step.tensors:
                    for saved, value in values(tensor):
                        start, length = write_tensor(
                            file,
                            saved,
                            value,
                            step=step.step,
                            mode=step.mode.value,
                            mode_step=step.mode_step,
                        )
                        payload.append({"tensorname": saved, "start_idx": start, "length": length})

        (self.directory / events).parent.mkdir(parents=True, exist_ok=True)
        index.parent.mkdir(parents=True, exist_ok=True)
        _replace(self.directory / events, write)
        self._describe()
        meta = {"mode": step.mode.name, "mode_step": step.mode_step, "event_file_name": str(events)}
        content = json.dumps({"meta": meta, "tensor_payload": payload, "shape_payload": shapes})
        # Last: readers find a step by its index.
        _replace(index, lambda path: path.write_text(content))
        if self._board is not None:
            self._board.write(step)

    def _describe(self) -> None:
        content = json.dumps(self._collections())
        file = self.directory / "collections" / f"{0:09d}" / f"{self.worker}_collections.json"
        if content != self._described or not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(file, lambda path: path.write_text(content))
            self._described = content


def values(tensor: Snapshot) -> list[tuple[str, np.ndarray]]:
    """Return the names and values to write of a tensor: C-contiguous arrays; a scalar is an array of one element."""
    found = []
    for number, (name, absolute) in enumerate(tensor.reductions):
        if tensor.reduced is not None:
            value = tensor.reduced[number]
        elif tensor.whole is not None:
            value = reduce(tensor.whole, name, absolute)
        found.append((saved_name(tensor.name, name, absolute), value.numpy()))
    if tensor.save_whole and tensor.whole is not None:
        found.append((tensor.name, tensor.whole.numpy()))
    return found


def _replace(path: Path, write: Callable[[Path], object]) -> None:
    # Not write_atomically: its fsync takes longer than the writing, and a trial does not outlive its host.
    temporary = path.with_name(f"{path.name}.tmp")
    write(temporary)
    temporary.replace(path)
