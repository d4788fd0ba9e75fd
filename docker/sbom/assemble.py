"""Makes a CycloneDX document from what ../sbom.sh has extracted from an image.

    python assemble.py IMAGE DIRECTORY FILE

DIRECTORY holds image.json (docker image inspect), packages.tsv (dpkg-query), root/ (files of the image) and, below
environments/, for each of the image's virtual environments NAME/ (with the records of its Python packages) and
NAME.json (cyclonedx-py's output).
"""

import json
import sys
import uuid
import zipfile
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Any

from bundled import bundled_components
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from debian import debian_packages, operating_system, read_os_release
from java import java_libraries, java_runtimes
from packaging.utils import canonicalize_name

REVISION = "org.opencontainers.image.revision"


class Document:
    """The growing document: each component once, and what contains it."""

    def __init__(self, bom: Bom, image: Component) -> None:
        self.bom = bom
        self.image = image
        self.by_reference = {component.bom_ref.value: component for component in bom.components}
        bom.metadata.component = image
        bom.register_dependency(image, list(bom.components))

    def add(self, components: Iterable[Component], holder: Component | None = None) -> int:
        """Add components of a holder (by default the image); returns how many were new."""
        before = len(self.by_reference)
        kept = [self.by_reference.setdefault(component.bom_ref.value, component) for component in components]
        self.bom.components.update(kept)
        self.bom.register_dependency(holder or self.image, kept)
        return len(self.by_reference) - before

    def add_environment(self, read: Bom) -> dict[str, Component]:
        """Add an environment's components from cyclonedx-py; returns its packages by their canonical names."""
        packages = {component.bom_ref.value: component for component in read.components}
        self.add(packages.values())
        for entry in list(read.dependencies):
            if holder := packages.get(entry.ref.value):
                self.add((packages[it.ref.value] for it in entry.dependencies), holder)
        return {canonicalize_name(component.name): component for component in packages.values()}


def image_component(name: str, inspected: dict[str, Any]) -> Component:
    """Describe the image: its name, git revision, digest (of its configuration) and labels."""
    digest = inspected["Id"].removeprefix("sha256:")
    labels = inspected["Config"].get("Labels") or {}
    return Component(
        type=ComponentType.CONTAINER,
        name=name,
        version=labels.get(REVISION),
        bom_ref="image",
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=digest)],
        properties=[Property(name=key, value=value) for key, value in labels.items()],
    )


def assemble(name: str, directory: Path) -> tuple[Bom, dict[str, int]]:
    """Assemble the document; returns it and the number of components of each kind."""
    root = directory / "root"
    inspected = json.loads((directory / "image.json").read_text())[0]
    files = sorted((directory / "environments").glob("*.json"))
    read = [Bom.from_json(json.loads(file.read_text())) for file in files]
    bom = read[0]
    # Derived from the image, so that the same image gives the same document.
    bom.serial_number = uuid.uuid5(uuid.NAMESPACE_URL, inspected["Id"])
    bom.metadata.timestamp = datetime.fromisoformat(inspected["Created"])
    document = Document(bom, image_component(name, inspected))
    python = {file.with_suffix(""): document.add_environment(it) for file, it in zip(files, read, strict=True)}

    release = read_os_release(root)
    document.add([operating_system(release)])
    listing = (directory / "packages.tsv").read_text()
    counts = {"Debian packages": document.add(debian_packages(listing, root, release))}
    counts["Python packages"] = len({it.bom_ref.value for packages in python.values() for it in packages.values()})
    counts["libraries in wheels"] = sum(
        document.add(bundled_components(dist_info), packages[canonicalize_name(dist_info.name.split("-")[0])])
        for environment, packages in python.items()
        for dist_info in sorted(environment.rglob("*.dist-info"))
    )
    counts["Java libraries"] = document.add(java_libraries(root))
    counts["Java runtimes"] = document.add(java_runtimes(root))
    return bom, counts


def main() -> None:
    name, directory, file = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3])
    try:
        bom, counts = assemble(name, directory)
    except (KeyError, ValueError, zipfile.BadZipFile) as error:
        sys.exit(f"docker/sbom.sh: the package records of {name} cannot be read: {error!r}")
    text = make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string(indent=2) + "\n"
    if invalid := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        sys.exit(f"docker/sbom.sh: the document of {name} is not valid CycloneDX: {invalid}")
    unfinished = file.with_suffix(".unfinished")
    unfinished.write_text(text)
    unfinished.replace(file)
    sys.stdout.write(f"{file}  {name}: {', '.join(f'{what} {count}' for what, count in counts.items())}\n")


if __name__ == "__main__":
    main()
