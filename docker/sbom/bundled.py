"""Finds other projects' code in Python wheels: what a wheel declares (PEP 770), else the shared libraries in it."""

import csv
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cyclonedx.model.component import Component, ComponentType
from packageurl import PackageURL

# As auditwheel renames them: libavcodec-57aca189.so.62.28.102, libopenblasp-r0-59ffcd50.3.15.so.
_LIBRARY = re.compile(r"[^/]+\.libs/(lib.+)[-.]([0-9a-f]{8})((?:\.\d+)*)\.so(?:\.(.+))?")
_FFMPEG = frozenset(("libavcodec", "libavformat", "libavutil", "libswresample", "libswscale"))
_OPENSSL = frozenset(("libcrypto", "libssl"))


def is_foreign(entry: dict[str, Any]) -> bool:
    """Whether the entry is another project's code, of a known version, shipped in the wheel."""
    purl = entry.get("purl", "")
    own = purl.startswith("pkg:pypi/") or "download_url=file:" in purl
    return not own and "version" in entry and entry.get("scope") != "excluded"


def bundled_components(dist_info: Path) -> Iterator[Component]:
    """Yield the components listed by the CycloneDX files in the package's sboms/ folder, and its shared libraries.

    auditwheel declares only the libraries that came from the building machine's packages, not those built for the
    wheel; where the project declares its own too, as Pillow does, the list is complete.
    """
    files = sorted((dist_info / "sboms").glob("*.json"))
    declared = []
    for file in files:
        for entry in json.loads(file.read_text()).get("components", []):
            if is_foreign(entry):
                kept = {key: entry[key] for key in ("name", "version", "purl", "scope", "licenses") if key in entry}
                reference = entry.get("purl", f"bundled:{entry['name']}@{entry['version']}")
                declared.append(entry["name"])
                yield Component.from_json({"type": "library", "bom-ref": reference, **kept})
    complete = any(file.name != "auditwheel.cdx.json" for file in files)
    if not complete and (dist_info / "RECORD").is_file():
        found = shared_libraries((dist_info / "RECORD").read_text())
        yield from (library for library in found if not _is_declared(library.name, declared))


def _is_declared(name: str, declared: list[str]) -> bool:
    """Whether a library is among the packages that auditwheel names: libopenblasp-r0 in openblas-threads."""
    stem = "openssl" if name in _OPENSSL else name.removeprefix("lib")[:6]
    return any(stem in package for package in declared)


def shared_libraries(record: str) -> Iterator[Component]:
    """Yield the libraries that auditwheel put beside a package, by its RECORD.

    The version is that of the file's name, which is the library's ABI rather than its release, or the beginning of the
    file's hash where the name has none.
    """
    for path, *_ in csv.reader(record.splitlines()):
        if not (match := _LIBRARY.fullmatch(path)):
            continue
        name = re.sub(r"(-[0-9a-f]{8})+$", "", match[1])
        version = match[3].lstrip(".") or match[4] or match[2]
        yield Component(
            type=ComponentType.LIBRARY,
            name=name,
            version=version,
            bom_ref=path,
            purl=PackageURL("generic", None, name, version),
            description="part of FFmpeg" if name in _FFMPEG else None,
        )
