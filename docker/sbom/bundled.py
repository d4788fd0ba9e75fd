"""Finds other projects' code in Python wheels, such as a C library or Rust crates, if declared (PEP 770)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cyclonedx.model.component import Component


def is_foreign(entry: dict[str, Any]) -> bool:
    """Whether the entry is another project's code, of a known version, shipped in the wheel."""
    purl = entry.get("purl", "")
    own = purl.startswith("pkg:pypi/") or "download_url=file:" in purl
    return not own and "version" in entry and entry.get("scope") != "excluded"


def bundled_components(dist_info: Path) -> Iterator[Component]:
    """Yield the components listed by the CycloneDX files in the package's sboms/ folder."""
    for file in sorted((dist_info / "sboms").glob("*.json")):
        for entry in json.loads(file.read_text()).get("components", []):
            if is_foreign(entry):
                kept = {key: entry[key] for key in ("name", "version", "purl", "scope", "licenses") if key in entry}
                reference = entry.get("purl", f"bundled:{entry['name']}@{entry['version']}")
                yield Component.from_json({"type": "library", "bom-ref": reference, **kept})
