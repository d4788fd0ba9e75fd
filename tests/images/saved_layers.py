"""What is in the layers of an image, one by one: from the engine's directories, or from `docker save` as it streams."""

import json
import os
import re
import stat
import subprocess
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
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

    def add(self, text: bytes, name: str, search: Mapping[str, re.Pattern[bytes]]) -> None:
        """Search a file's content."""
        self.found.extend(f"{what} in {name}" for what, pattern in search.items() if pattern.search(text))


def read_layers(docker: Docker, images: list[str], search: Mapping[str, re.Pattern[bytes]]) -> dict[str, list[Layer]]:
    """Image to its layers, the lowest first. An image that shares a layer with another has the same object.

    They are read where the engine keeps them, if it keeps them in directories that can be read: saving two images takes
    it a minute.
    """
    directories = {image: _directories(docker, image) for image in images}
    if not all(directories.values()):
        return read_saved(docker, images, search)
    read = {
        path: _read_directory(path, search)
        for path in dict.fromkeys(path for all_ in directories.values() for path in all_)
    }
    return {image: [read[path] for path in paths] for image, paths in directories.items()}


def _directories(docker: Docker, image: str) -> list[Path]:
    """The directories of an image's layers, the lowest first; none where they cannot be read."""
    driver = docker.inspect(image)["GraphDriver"] or {"Name": "", "Data": {}}
    if driver["Name"] != "overlay2":
        return []
    lower = driver["Data"].get("LowerDir")
    paths = [Path(path) for path in (driver["Data"]["UpperDir"], *(lower.split(":") if lower else ()))]
    return paths[::-1] if all(os.access(path, os.R_OK | os.X_OK) for path in paths) else []


def _read_directory(root: Path, search: Mapping[str, re.Pattern[bytes]]) -> Layer:
    layer = Layer()
    seen: set[int] = set()
    for entry in _entries(root):
        name = os.path.relpath(entry.path, root)
        facts = entry.stat(follow_symlinks=False)
        if stat.S_ISCHR(facts.st_mode) and facts.st_rdev == 0:  # overlayfs's mark of what a layer takes away
            name = str(Path(name).with_name(f".wh.{entry.name}"))
        layer.names.append(name)
        if not stat.S_ISREG(facts.st_mode) or facts.st_ino in seen:
            continue
        seen.add(facts.st_ino)
        layer.file_bytes.append(facts.st_size)
        if facts.st_size <= _SEARCHED_BYTES:
            layer.add(Path(entry.path).read_bytes(), name, search)
    return layer


def _entries(directory: str | Path) -> Iterator[os.DirEntry[str]]:
    with os.scandir(directory) as found:
        for entry in found:
            yield entry
            if entry.is_dir(follow_symlinks=False):
                yield from _entries(entry.path)


def read_saved(docker: Docker, images: list[str], search: Mapping[str, re.Pattern[bytes]]) -> dict[str, list[Layer]]:
    """Read the layers from what `docker save` writes: see `read_layers`."""
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
                layer.add(file.read() if file else b"", member.name, search)
    except tarfile.ReadError:  # in an archive of engines from 25 on, configurations lie beside the layers
        return layer
    return layer
