"""The one form of a manifest that SageMaker takes, made of the others."""

import json

import pytest

from slipway.errors import ServiceError
from slipway.push.manifest import INDEXES, OCI, SCHEMA_2, Manifest, image_of_index, to_schema_2

GZIP = "application/vnd.oci.image.layer.v1.tar+gzip"
CONFIG = "application/vnd.oci.image.config.v1+json"


def oci(layer: str = GZIP, config: str = CONFIG) -> Manifest:
    content = {
        "schemaVersion": 2,
        "mediaType": OCI,
        "config": {"mediaType": config, "size": 7, "digest": "sha256:c"},
        "layers": [{"mediaType": layer, "size": 5, "digest": "sha256:l", "annotations": {"a": "b"}}],
    }
    return Manifest(OCI, json.dumps(content).encode())


def index(*platforms: str) -> Manifest:
    entries = []
    for number, platform in enumerate(platforms):
        system, _, architecture = platform.partition("/")
        entries.append({"digest": f"sha256:{number}", "platform": {"os": system, "architecture": architecture}})
    return Manifest(INDEXES[1], json.dumps({"schemaVersion": 2, "manifests": entries}).encode())


def test_an_oci_image_becomes_dockers_schema_2_with_the_same_blobs():
    converted = to_schema_2(oci())
    assert converted.media_type == SCHEMA_2
    assert converted.content == {
        "schemaVersion": 2,
        "mediaType": "application/vnd.docker.distribution.manifest.v2+json",
        "config": {
            "mediaType": "application/vnd.docker.container.image.v1+json",
            "size": 7,
            "digest": "sha256:c",
        },
        "layers": [{"mediaType": "application/vnd.docker.image.rootfs.diff.tar.gzip", "size": 5, "digest": "sha256:l"}],
    }
    assert (converted.config_digest, converted.layer_sizes) == ("sha256:c", [5])


def test_an_image_in_that_form_is_left_to_the_byte():
    converted = to_schema_2(oci())
    assert to_schema_2(converted) is converted


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (oci(layer="application/vnd.oci.image.layer.v1.tar+zstd"), r"layer sha256:l .*takes gzip layers only; build"),
        (oci(layer="application/vnd.in-toto+json"), "layer sha256:l is of the type application/vnd.in-toto"),
        (oci(config="application/vnd.oci.empty.v1+json"), "is not an image: its configuration is of the type .*empty"),
        (index("linux/amd64"), "index.v1.json, which is not an image"),
        (Manifest(OCI, b"<html>"), "is not JSON"),
        (Manifest(OCI, b"[]"), "is not a JSON object"),
    ],
    ids=["zstd", "attestation", "artefact", "index", "page", "list"],
)
def test_what_cannot_be_an_image_for_sagemaker_is_named(manifest, message):
    with pytest.raises(ServiceError, match=message):
        to_schema_2(manifest)


def test_of_an_index_the_image_is_taken_and_the_attestation_is_not():
    assert image_of_index(index("unknown/unknown", "linux/amd64")) == "sha256:1"


@pytest.mark.parametrize(
    ("platforms", "message"),
    [
        (["linux/arm64", "unknown/unknown"], "an index of linux/arm64, unknown/unknown, and SageMaker needs one"),
        (["linux/amd64", "linux/amd64"], "an index of linux/amd64, linux/amd64, and"),
        ([], "an index of nothing"),
    ],
)
def test_an_index_without_one_such_image_is_named(platforms, message):
    with pytest.raises(ServiceError, match=message):
        image_of_index(index(*platforms))
