"""A job that is killed again and again ends as if it had not been."""

import hashlib
import os
import re
import secrets
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TextIO

import pytest

from tests.train.conftest import TINY, JobDirectory
from tests.train.forked_job import ForkedJob, kill_all, run_forked

Folder = Callable[..., Path]
Tell = Callable[[str], None]

KILLS = 20
SETTINGS = {
    **TINY,
    "epochs": "3",
    "num-workers": "1",
    "use-cuda": "false",
    "seed": "5",
    "checkpoint-minutes": "0.00001",  # after every step
}
# What happens in a job: it says something, or opens, renames or removes a file. Of each: how many jobs are killed
# there, and how often it may have happened by then.
PLACES = {
    r"says (GPU|\d+ classes|cached|device|resuming)|unreadable\.csv": (3, 5),
    r"says Train Epoch": (6, 2),
    r"/checkpoints/\.?checkpoint-": (6, 6),
    r"says Train Epoch.*\(100%\)": (2, 1),
    r"/model/\.model\.": (1, 6),
}
AT_THE_END = r"says TEST|/(confusion_matrix|per_class|job|mistakes|training-report)\."
# Where it has come that far without what it was to be killed at, it is killed here.
LAST = r"os\.rename .*/training-report\.html"
LATER_S = 0.03


@dataclass(frozen=True)
class Death:
    """All of a job's processes are killed by SIGKILL."""

    place: str
    """Pattern of events."""
    count: int
    """At so many of them."""
    later_s: float
    """The time from then on."""

    def __call__(self) -> None:
        program, left = os.getpid(), self.count

        def tell(event: str) -> None:
            nonlocal left
            if os.getpid() != program or left < 0:
                return
            left -= bool(re.search(self.place, event))
            if left == 0 or re.search(LAST, event):
                left = -1
                # The process does not end before this thread has.
                threading.Timer(self.later_s, kill_all).start()

        sys.stdout = Told(sys.stdout, tell)  # type: ignore[assignment]

        def audit(name: str, arguments: tuple[object, ...]) -> None:
            if name in ("open", "os.rename", "os.remove"):
                tell(f"{name} {' '.join(map(str, arguments))}")

        sys.addaudithook(audit)


class Told:
    """Standard output."""

    def __init__(self, stream: TextIO, tell: Tell) -> None:
        self._stream = stream
        self._tell = tell

    def write(self, text: str) -> int:
        written = self._stream.write(text)
        self._stream.flush()
        self._tell(f"says {text}")
        return written

    def flush(self) -> None:
        self._stream.flush()


def draw_deaths(random: Random) -> list[Death]:
    places = [(place, most) for place, (times, most) in PLACES.items() for _ in range(times)]
    random.shuffle(places)
    places += [(AT_THE_END, 6)] * (KILLS - len(places))
    return [Death(place, random.randint(1, most), random.uniform(0, LATER_S)) for place, most in places]


def outcome(job: JobDirectory, log: str) -> dict[str, object]:
    return {
        "model": hashlib.sha256((job.model / "model.safetensors").read_bytes()).hexdigest(),
        "metrics": [
            {name: value for name, value in record.items() if "seconds" not in name} for record in job.metrics()
        ],
        "test": re.findall("^TEST: .*", log, re.MULTILINE),
        "confusion": (job.data / "confusion_matrix.csv").read_text(),
        "files": [
            sorted(path.name for path in folder.iterdir()) for folder in (job.model, job.base / "checkpoints", job.data)
        ],
    }


@pytest.fixture(autouse=True)
def nothing_left() -> Iterator[None]:
    yield
    ForkedJob.end_all()


def test_a_job_that_is_killed_twenty_times_at_random_ends_as_if_it_had_not_been(image_folder: Folder, tmp_path: Path):
    seed = secrets.randbits(32)
    sys.stdout.write(f"moments drawn with seed {seed}\n")
    channels = {"train": {"red": 24, "green": 12, "blue": 12}, "validation": {"red": 8, "green": 8, "blue": 8}}
    channels["test"] = channels["validation"]
    folders = {name: image_folder(name, **counts) for name, counts in channels.items()}
    whole, killed = (JobDirectory(tmp_path / name) for name in ("whole", "killed"))
    for job in (whole, killed):
        for name, folder in folders.items():
            job.channel(name, folder)
        job.hyperparameters(SETTINGS)
        (job.base / "checkpoints").mkdir()

    code, log = run_forked(whole)
    assert code == 0, log
    expected = outcome(whole, log)

    logs = []
    for death in draw_deaths(Random(seed)):
        code, log = run_forked(killed, death)
        sys.stdout.write(f"{death}: {log.splitlines()[-1:]}\n")
        assert code == -signal.SIGKILL, log
        logs.append(log)
    code, log = run_forked(killed)
    assert code == 0, log
    assert "Traceback" not in "".join(logs) + log

    resumed_at = re.findall(r"resuming from the checkpoint of epoch \d+, step (\d+)", "".join(logs))
    assert sum(step != "0" for step in resumed_at) >= 3
    assert outcome(killed, log) == expected
