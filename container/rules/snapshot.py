"""Opening of smdebug's trials, truncated ones too: what is readable is read, and nothing waits.

smdebug waits for training, and if the job was killed, for ever. Unless it is followed, a trial is opened as it is now,
in the state that smdebug gives a trial whose training has ended.
"""

import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from smdebug.core.access_layer.s3handler import ReadObjectRequest, S3Handler
from smdebug.core.access_layer.utils import has_training_ended
from smdebug.core.index_reader import LocalIndexReader, S3IndexReader
from smdebug.core.s3_utils import list_s3_objects
from smdebug.core.tfrecord.tensor_reader import TensorReader
from smdebug.core.utils import is_s3
from smdebug.exceptions import IndexReaderException, TensorUnavailableForStep
from smdebug.trials.local_trial import LocalTrial
from smdebug.trials.s3_trial import S3Trial

from container.contract.errors import RuleError

Say = Callable[[str], None]

_PARTS = ("collections", "index", "events")
_POLL_S = 2.0
_SILENCE_S = 60.0
# The errors of a file that ends too early or holds something else; NameError, because smdebug raises an exception that
# it has not imported.
_DAMAGED = (struct.error, DecodeError, IndexError, KeyError, NameError, TypeError, ValueError, OSError)


class _Lenient:
    """A reader that skips damaged files, keeps their names, and reads a value once for all rules of a step."""

    def __init__(self, path: str, damaged: set[str]) -> None:
        super().__init__(path)  # type: ignore[call-arg]  # of the reader that it is mixed into
        self.damaged = damaged
        self._file, self._values = "", dict[int, Any]()

    def fetch_tensor_value(self, tensor_location: Any) -> Any:
        file, start = str(tensor_location.event_file_name), int(tensor_location.start_idx)
        if file != self._file:
            self._file, self._values = file, {}
        if start not in self._values:
            try:
                self._values[start] = self.read(tensor_location)
            except TensorUnavailableForStep:
                self.damaged.add(file)
                raise
            except _DAMAGED as error:
                self.damaged.add(file)
                raise TensorUnavailableForStep(tensor_location.tensorname, tensor_location.mode_step) from error
        return self._values[start]

    def read(self, tensor_location: Any) -> Any:
        """Read a value from its file."""
        return super().fetch_tensor_value(tensor_location)  # type: ignore[misc]

    def _update_tensors_from_json(self, known: Any, step: int, response: bytes, path: str, worker: str) -> Any:
        try:
            return super()._update_tensors_from_json(known, step, response, path, worker)  # type: ignore[misc]
        except (IndexReaderException, *_DAMAGED):
            self.damaged.add(f"the index of step {step} of {worker}")
            return known


class _LocalReader(_Lenient, LocalIndexReader):  # type: ignore[misc]
    pass


class _S3Reader(_Lenient, S3IndexReader):  # type: ignore[misc]
    """Makes one request for each step, where smdebug lists all files and makes one for each value."""

    def __init__(self, path: str, damaged: set[str]) -> None:
        super().__init__(path, damaged)
        self._whole: tuple[str, bytes] = ("", b"")

    def read(self, tensor_location: Any) -> Any:
        file, start = str(tensor_location.event_file_name), int(tensor_location.start_idx)
        if file != self._whole[0]:
            _, bucket, key = is_s3(file)
            keys, _ = list_s3_objects(bucket, f"{key.rpartition('/')[0]}/", None, "")
            self._whole = file, bytes(S3Handler.get_objects([ReadObjectRequest(file)])[0]) if key in keys else b""
        record = self._whole[1][start : start + int(tensor_location.length)]
        return list(TensorReader(record).read_tensors())[0][2]  # noqa: RUF015 - none is an IndexError


class _Trial:
    """The additions to smdebug's trials."""

    reader: Any

    def __init__(self, *, waits: bool, **arguments: Any) -> None:
        self.waits = waits
        self.damaged: set[str] = set()
        super().__init__(**arguments)

    def _load_collections(self) -> None:
        self.index_reader = self.reader(self.path, self.damaged)  # type: ignore[attr-defined]
        super()._load_collections()  # type: ignore[misc]

    def _read_collections(self, collection_files: Any) -> None:
        super()._read_collections(collection_files)  # type: ignore[misc]
        if not self.waits or has_ended(self):
            workers: int = self.num_workers  # type: ignore[has-type]
            self.num_workers = min(workers, len(collection_files))


class _LocalTrial(_Trial, LocalTrial):  # type: ignore[misc]
    reader = _LocalReader


class _S3Trial(_Trial, S3Trial):  # type: ignore[misc]
    reader = _S3Reader


def find_trial(path: str) -> str:
    """Find the directory of the tensors: the one named, or output/tensors in it.

    Raises:
        RuleError: There is no such directory, or no trial in it.
    """
    if path.startswith("s3://"):
        return path.rstrip("/")
    named = Path(path).expanduser()
    if not named.is_dir():
        raise RuleError(
            f"there is no directory {path}; name the tensors directory that the debugger's hook wrote, a job directory "
            "of slipway train, or an S3 address"
        )
    for directory in (named, named / "output" / "tensors"):
        if any((directory / part).is_dir() for part in _PARTS):
            return str(directory)
    found = ", ".join(sorted(entry.name for entry in named.iterdir())[:6]) or "nothing"
    raise RuleError(
        f"{path} is not a trial: it has no {', '.join(_PARTS[:-1])} or {_PARTS[-1]} folder, nor has its "
        f"output/tensors. It holds: {found}. A job writes tensors with the hyperparameter debug=true"
    )


def open_trial(path: str, *, follow: bool, say: Say) -> Any:
    """Open a trial for rules.

    Args:
        path: From `find_trial`, local or in S3.
        follow: Wait for what training has not written yet.
        say: Called with a line about what is waited for.

    Raises:
        RuleError: It holds no collections file and no step, or S3 refuses.
    """
    try:
        return _open(path, follow, say)
    except RuleError:
        raise
    except Exception as error:  # what boto3 raises cannot be imported here: it is the host side's
        if type(error).__module__.partition(".")[0] not in ("botocore", "boto3"):
            raise
        raise RuleError(f"{path} cannot be read: {error}") from error


def _open(path: str, follow: bool, say: Say) -> Any:
    remote, bucket, prefix = is_s3(path)
    started = time.monotonic()
    waiting = False
    while not _has_collections(path):
        if not follow or has_training_ended(path):
            raise RuleError(
                f"{path} holds no collections/…_collections.json, which the debugger's hook writes at its first step; "
                "either no step has been saved yet (--follow waits for one), or it is not a trial"
            )
        if not waiting and time.monotonic() - started > _SILENCE_S:
            waiting = True
            say(f"waiting for the first step in {path}; Ctrl-C ends")
        time.sleep(_POLL_S)
    trial: Any
    try:
        if remote:
            trial = _S3Trial(waits=follow, name=prefix, bucket_name=bucket, prefix_name=prefix)
        else:
            trial = _LocalTrial(waits=follow, name=Path(path).name, dirname=path)
    except _DAMAGED as error:
        raise RuleError(f"the collections file of {path} is damaged: {error!r}") from error
    if not follow:
        freeze(trial)
    return trial


def freeze(trial: Any) -> None:
    """End a trial where it is, so that smdebug neither waits nor looks for more.

    Raises:
        RuleError: It holds no step.
    """
    trial.loaded_all_steps = True
    steps = trial.steps(show_incomplete_steps=True)
    if not steps:
        damaged = f"; {len(trial.damaged)} index files are damaged" if trial.damaged else ""
        raise RuleError(
            f"{trial.path} holds no step that can be read{damaged}; training may have ended before the first"
        )
    trial.last_complete_step = steps[-1]


def has_ended(trial: Any) -> bool:
    """Whether the trial is marked as ended."""
    return bool(has_training_ended(trial.path))


def _has_collections(path: str) -> bool:
    remote, bucket, prefix = is_s3(path)
    if remote:
        # smdebug's own listing ignores a bucket that does not exist.
        found = S3Handler.client().list_objects_v2(Bucket=bucket, Prefix=f"{prefix.rstrip('/')}/collections/")
        return any(entry["Key"].endswith("_collections.json") for entry in found.get("Contents", ()))
    return any((Path(path) / "collections").glob("*/*_collections.json"))
