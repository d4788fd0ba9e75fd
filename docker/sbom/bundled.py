"""What Python wheels hold of others, such as a C library or Rust crates, where they say so (PEP 770)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cyclonedx.model.component import Component


def is_foreign(entry: dict[str, Any]) -> bool:
    """Whether the entry is somebody else's code of a known version that the wheel was shipped with."""
    purl = entry.get("purl", "")
    own = purl.startswith("pkg:pypi/") or "download_url=file:" in purl
    return not own and "version" in entry and entry.get("scope") != "excluded"


def bundled_components(dist_info: Path) -> Iterator[Component]:
    """Name, version, purl, scope and licences of what the CycloneDX files in the package's sboms/ folder list."""
    for file in sorted((dist_info / "sboms").glob("*.json")):
        for entry in json.loads(file.read_text()).get("components", []):
            if is_foreign(entry):
                kept = {key: entry[key] for key in ("name", "version", "purl", "scope", "licenses") if key in entry}
                reference = entry.get("purl", f"bundled:{entry['name']}@{entry['version']}")
                yield Component.from_json({"type": "library", "bom-ref": reference, **kept})
