"""What is in the layers of an image, one by one: `docker save`, read as it streams."""

import json
import re
import subprocess
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO

from tests.images.containers import Docker

# Addresses and keys are in small files; the large ones are libraries.
_SEARCHED_BYTES = 1024 * 1024


@dataclass(frozen=True)
class Layer:
    names: list[str] = field(default_factory=list)
    found: list[str] = field(default_factory=list)
    """What was searched for, and in which file."""
    file_bytes: list[int] = field(default_factory=list)

    @property
    def size(self) -> int:
        return sum(self.file_bytes)


def read_layers(docker: Docker, images: list[str], search: Mapping[str, re.Pattern[bytes]]) -> dict[str, list[Layer]]:
    """Image to its layers, the lowest first. An image that shares a layer with another has the same object."""
    layers: dict[str, Layer] = {}
    links: dict[str, str] = {}
    manifest = []
    with subprocess.Popen([docker.program, "save", *images], stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        with tarfile.open(fileobj=process.stdout, mode="r|") as archive:
            for member in archive:
                content = archive.extractfile(member) if member.isfile() else None
                if member.issym():  # engines before 25: a layer that is the same as another
                    links[member.name] = member.linkname.removeprefix("../")
                elif content and member.name == "manifest.json":
                    manifest = json.load(content)
                elif content and (member.name.endswith("/layer.tar") or member.name.startswith("blobs/sha256/")):
                    layers[member.name] = _read_layer(content, search)
        assert process.wait() == 0
    return {
        name: [layers[links.get(layer, layer)] for layer in image["Layers"]]
        for image in manifest
        for name in image["RepoTags"]
    }


def _read_layer(content: IO[bytes], search: Mapping[str, re.Pattern[bytes]]) -> Layer:
    layer = Layer()
    try:
        with tarfile.open(fileobj=content, mode="r|*") as archive:
            for member in archive:
                layer.names.append(member.name.removeprefix("./"))
                if not member.isfile():
                    continue
                layer.file_bytes.append(member.size)
                file = archive.extractfile(member) if member.size <= _SEARCHED_BYTES else None
                text = file.read() if file else b""
                layer.found.extend(
                    f"{what} in {member.name}" for what, pattern in search.items() if pattern.search(text)
                )
    except tarfile.ReadError:  # in an archive of engines from 25 on, configurations lie beside the layers
        return layer
    return layer
