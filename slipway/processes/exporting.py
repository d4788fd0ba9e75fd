"""Runs the program that exports a model, on a directory or on the content of an archive."""

import os
import sys
import tempfile
from pathlib import Path

from slipway.datasets.folder import find_splits
from slipway.errors import JobError
from slipway.files.archive import pack_model, unpack_model
from slipway.processes.job import require_installed
from slipway.processes.process import child_process
from slipway.processes.serving import model_files_directory


def export_model(model: Path, *, form: str, int8: bool, pictures: Path | None) -> tuple[int, Path]:
    """Export a model where it lies; its output goes to this process's output.

    Args:
        model: A model.tar.gz, a model directory, or a job directory.
        form: onnx, openvino or torchscript.
        int8: Also quantise.
        pictures: A folder with class folders or a manifest.

    Returns:
        The program's exit code, and the directory or archive that holds the result.

    Raises:
        JobError: There is no such path, or no model, or a package is missing.
        ArchiveError: The archive is damaged, or cannot be written.
    """
    if not model.exists():
        raise JobError(f"there is no {model}; name a model.tar.gz, a model directory, or a job directory")
    require_installed("torch", "onnx", "onnxscript", "openvino", *(["nncf"] if int8 else []))
    arguments = [f"--format={form}", *["--int8"] * int8, *([f"--data={pictures}"] if pictures else [])]
    if model.is_dir():
        directory = model_files_directory(model)
        return _run(directory, arguments), directory
    with tempfile.TemporaryDirectory(prefix="slipway-export-", ignore_cleanup_errors=True) as scratch:
        unpack_model(model, Path(scratch))
        code = _run(Path(scratch), arguments)
        if code == 0:
            pack_model(Path(scratch), model)
        return code, model


def _run(directory: Path, arguments: list[str]) -> int:
    command = [sys.executable, "-m", "container.export", str(directory), *arguments]
    with child_process(command, dict(os.environ)) as child:
        return child.wait()


def validation_folder(data: Path) -> Path:
    """Find the pictures to export with: a data folder's validation split, else its test split, else itself.

    Raises:
        DataError: The folder is missing or a file.
    """
    splits = find_splits(data)
    return splits.get("validation") or splits.get("test") or splits.get("train") or data
