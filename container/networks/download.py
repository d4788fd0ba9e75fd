"""Downloads pretrained weights, or finds them in the cache of an earlier download."""

import logging
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch
import torchvision.models

from container.contract.networks import is_resnet
from container.networks import timm_network

logger = logging.getLogger(__name__)

_CONNECT_S = 10.0
_FILES = ("model.safetensors", "pytorch_model.bin")


def download(architecture: str) -> tuple[str, Path] | None:
    """Download a network's pretrained weights: torchvision's of a ResNet, else those that timm names, most of them on
    the Hugging Face hub.

    Returns:
        What they are called, and the file in its cache; None if there are none, or no network. The log says why.

    Raises:
        HyperparameterError: timm has no such network.
    """
    if is_resnet(architecture):
        weights = torchvision.models.get_model_weights(architecture).DEFAULT
        return _from_url("torchvision's ImageNet weights", weights.url)
    found = timm_network.configuration(architecture)
    if found.hf_hub_id:
        return _from_hub(found.hf_hub_id, found.hf_hub_filename)
    if found.url and not found.custom_load:
        return _from_url(f"the weights at {found.url}", found.url)
    logger.info("timm knows no pretrained weights of %s", architecture)
    return None


def _from_url(name: str, url: str) -> tuple[str, Path] | None:
    try:
        with _short_timeout():
            torch.hub.load_state_dict_from_url(url, progress=False, check_hash=True, weights_only=True)
    except (OSError, RuntimeError) as error:  # no network, a read-only cache, a damaged download
        logger.info("%s could not be downloaded: %s", name, error)
        return None
    return name, Path(torch.hub.get_dir(), "checkpoints", Path(url).name)


@contextmanager
def _short_timeout() -> Iterator[None]:
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(_CONNECT_S)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _from_hub(repository: str, given: str | None) -> tuple[str, Path] | None:
    # Slow to import, and in the training image alone.
    from huggingface_hub import constants, get_session

    name, files = f"{repository} of the Hugging Face hub", (given,) if given else _FILES
    try:
        found = _find_on_hub(repository, files, cached=True)
        if found is None:
            # One short attempt: the library would retry for half a minute.
            get_session().head(constants.ENDPOINT, timeout=_CONNECT_S)
            found = _find_on_hub(repository, files, cached=False)
    except Exception as error:  # noqa: BLE001 - they are those of whatever HTTP library the hub's one uses
        logger.info("%s could not be downloaded: %s", name, str(error).partition("\n")[0])
        return None
    return (name, found) if found else None


def _find_on_hub(repository: str, files: Sequence[str], *, cached: bool) -> Path | None:
    """Download the first of the files that the repository has; `cached` only looks in the cache."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    name, _, revision = repository.partition("@")
    for file in files:
        try:
            path = hf_hub_download(name, file, revision=revision or None, local_files_only=cached)
            return Path(str(path))
        except EntryNotFoundError as error:
            if isinstance(error, LocalEntryNotFoundError) and not cached:
                raise  # there is no network, whatever the repository has
    return None
