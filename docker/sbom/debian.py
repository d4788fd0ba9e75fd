"""Describes an image's Debian packages as components."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense
from packageurl import PackageURL

# Only short names: in older files the licence's text follows.
LICENCE = re.compile(r"^License:[ \t]*([\w.+/-]+(?:,?[ \t]+(?:and|or|with)\b[^\n]*)?)$", re.MULTILINE)


def read_os_release(root: Path) -> dict[str, str]:
    """Read os-release's fields, such as ID (debian) and VERSION_ID (12)."""
    lines = (root / "usr/lib/os-release").read_text().splitlines()
    return {key: value.strip('"') for key, _, value in (line.partition("=") for line in lines)}


def operating_system(release: Mapping[str, str]) -> Component:
    """Describe the distribution, by which scanners choose their data."""
    return Component(
        type=ComponentType.OPERATING_SYSTEM,
        name=release["ID"],
        version=release.get("VERSION_ID"),
        description=release.get("PRETTY_NAME"),
        bom_ref=f"os:{release['ID']}",
    )


def licences(copyright_file: Path) -> set[str]:
    """Read the short names in a machine-readable copyright file (Debian: copyright-format 1.0); none in others."""
    if not copyright_file.is_file():
        return set()
    text = copyright_file.read_text(errors="replace")
    return set(LICENCE.findall(text)) if text.startswith("Format:") else set()


def debian_packages(listing: str, root: Path, release: Mapping[str, str]) -> Iterator[Component]:
    """Yield a component for each installed package in dpkg-query's listing.

    Args:
        listing: Lines of status, package, version, architecture, source package, source version; tab-separated.
        root: Directory with the image's /usr/share/doc.
        release: The fields of os-release.
    """
    for line in listing.splitlines():
        status, name, version, architecture, source, source_version = line.split("\t")
        if status != "installed":
            continue
        qualifiers = {"arch": architecture, "distro": f"{release['ID']}-{release.get('VERSION_ID', '')}"}
        # Debian's security data is by source package.
        if source != name or source_version != version:
            qualifiers["upstream"] = source if source_version == version else f"{source}@{source_version}"
        purl = PackageURL("deb", release["ID"], name, version, qualifiers)
        yield Component(
            name=name,
            version=version,
            purl=purl,
            bom_ref=purl.to_string(),
            licenses=[DisjunctiveLicense(name=it) for it in licences(root / f"usr/share/doc/{name}/copyright")],
        )
