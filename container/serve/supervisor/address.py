"""The directory that a request to load a model names."""

import re
from pathlib import Path

from container.contract.model_files import GRAPH, INT8_NUMBERS, TENSORS
from container.serve.protocol.replies import RequestError

_ONE_NETWORK = (TENSORS, GRAPH, INT8_NUMBERS)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


def checked_directory(url: str, models_dir: Path) -> Path:
    """Resolve a `url` to a directory, through all symbolic links. Nothing is ever fetched.

    Raises:
        RequestError: 400, it is not an absolute path that resolves to one below `models_dir`; 404, there is nothing;
            422, it is not a directory.
    """
    refusal = RequestError(400, f"url must be a path below {models_dir}, where SageMaker puts the models")
    if "\0" in url or _SCHEME.match(url) or not url.startswith("/") or ".." in url.split("/"):
        raise refusal
    try:
        directory = Path(url).resolve()
        root = models_dir.resolve()
        if root not in directory.parents:
            raise refusal
        directory.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise RequestError(404, f"there is nothing at {url}") from None
    except (OSError, ValueError, RuntimeError):
        # A loop of links, a name that is too long, a directory that may not be read.
        raise refusal from None
    if not directory.is_dir():
        raise RequestError(422, f"{url} is a file; it must be the directory that the model archive was unpacked to")
    return directory


def size_bytes(directory: Path) -> int:
    """Total size of a model directory's files; tensors and graphs are one network, of which the largest counts."""
    sizes = {path: path.stat().st_size for path in directory.rglob("*") if path.is_file()}
    network = [size for path, size in sizes.items() if path.parent == directory and path.name in _ONE_NETWORK]
    return sum(sizes.values()) - sum(network) + max(network, default=0)
