"""Image manifests in the only form that SageMaker takes: Docker's schema 2, one image, gzip layers.

SageMaker refuses OCI manifests and indexes ("Unsupported manifest media type"), which newer engines push. The two
forms differ in names only, so one can be converted to the other without touching a layer.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from slipway.errors import ServiceError

SCHEMA_2 = "application/vnd.docker.distribution.manifest.v2+json"
OCI = "application/vnd.oci.image.manifest.v1+json"
INDEXES = ("application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.oci.image.index.v1+json")
MEDIA_TYPES = (SCHEMA_2, OCI, *INDEXES)

_CONFIG = "application/vnd.docker.container.image.v1+json"
_OCI_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.docker.image.rootfs.diff.tar.gzip"
_OCI_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


@dataclass(frozen=True)
class Manifest:
    """A manifest as the registry stores it."""

    media_type: str
    body: bytes

    @property
    def digest(self) -> str:
        return f"sha256:{hashlib.sha256(self.body).hexdigest()}"

    @property
    def content(self) -> Mapping[str, Any]:
        try:
            content = json.loads(self.body)
        except ValueError as error:
            raise ServiceError(f"the registry's manifest {self.digest} is not JSON ({error})") from error
        if not isinstance(content, dict):
            raise ServiceError(f"the registry's manifest {self.digest} is not a JSON object")
        return content

    @property
    def config_digest(self) -> str:
        """Digest of the configuration, which docker calls the image's ID."""
        return str(self.content["config"]["digest"])

    @property
    def layer_sizes(self) -> list[int]:
        """Compressed size of each layer in bytes."""
        return [int(layer["size"]) for layer in self.content["layers"]]


def image_of_index(index: Manifest) -> str:
    """Find the digest of the linux/amd64 image in an index; attestations, which have no platform, are skipped.

    Raises:
        ServiceError: There is no such image, or more than one.
    """
    platforms = [(entry.get("platform", {}), str(entry["digest"])) for entry in index.content["manifests"]]
    found = [digest for platform, digest in platforms if _name(platform) == "linux/amd64"]
    if len(found) != 1:
        names = ", ".join(_name(platform) for platform, _ in platforms)
        raise ServiceError(
            f"what was pushed is an index of {names or 'nothing'}, and SageMaker needs one linux/amd64 image; build it "
            "with ./build.sh"
        )
    return found[0]


def _name(platform: Mapping[str, Any]) -> str:
    return f"{platform.get('os')}/{platform.get('architecture')}"


def to_schema_2(manifest: Manifest) -> Manifest:
    """Convert a manifest to Docker's form; return it unchanged if it has that form already.

    Raises:
        ServiceError: It is not an image, or has layers that Docker's form cannot name.
    """
    content = manifest.content
    if manifest.media_type not in (SCHEMA_2, OCI):
        raise ServiceError(
            f"what was pushed is of the type {manifest.media_type}, which is not an image; see ./build.sh"
        )
    config, layers = content["config"], content["layers"]
    if config["mediaType"] not in (_CONFIG, _OCI_CONFIG):
        raise ServiceError(f"what was pushed is not an image: its configuration is of the type {config['mediaType']}")
    for layer in layers:
        if layer["mediaType"] not in (_LAYER, _OCI_LAYER):
            raise ServiceError(
                f"layer {layer['digest']} is of the type {layer['mediaType']}, and SageMaker takes gzip layers only; "
                "build again with ./build.sh, and without compression=zstd in the builder's settings"
            )
    if manifest.media_type == SCHEMA_2:
        return manifest
    converted = {
        "schemaVersion": 2,
        "mediaType": SCHEMA_2,
        "config": _descriptor(config, _CONFIG),
        "layers": [_descriptor(layer, _LAYER) for layer in layers],
    }
    return Manifest(SCHEMA_2, json.dumps(converted, indent=3).encode())


def _descriptor(source: Mapping[str, Any], media_type: str) -> dict[str, Any]:
    return {"mediaType": media_type, "size": source["size"], "digest": source["digest"]}
