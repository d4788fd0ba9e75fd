"""What is in the images, and what is not."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from pip._internal.models.index import PyPI

from tests.images.containers import Docker, Images
from tests.images.saved_layers import Layer, read_layers, read_saved

TARGETS = ("train", "serve")
_LEFT_OUT = tuple(
    f"requires {name}, which is not installed." for name in ("triton", "openvino-telemetry", "huggingface-hub")
)
PUBLIC = re.compile(
    rf"{re.escape(PyPI.netloc)}|{re.escape(PyPI.file_storage_domain)}|\w+\.debian\.org|localhost|127.0.0.1|/"
)

# What an installation or a build leaves, by path.
UNWANTED = {
    "an index address": r"(^|/)(pip\.conf|pip\.ini|direct_url\.json|sources\.list\.d/slipway.*)$",
    "credentials": r"(^|/)(\.netrc|\.pypirc|\.npmrc|\.git-credentials|\.aws/.*|\.docker/config\.json)$",
    "a secret": r"^(run/secrets|dev/shm)/.+",
    "a cache": r"(^|/)\.cache/|^var/cache/apt/.+\.(bin|deb)$|^var/lib/apt/lists/.+(_|Packages|Release)",
    "a temporary file": r"^(var/)?tmp/.+",
    "a file of a lower layer taken away": r"(^|/)\.wh\.(?!\.wh\.\.opq$)",  # that is a mark of new directories
    "a static library": r"^opt/slipway[^/]*/.*\.a$",
    "a header": r"^opt/slipway[^/]*/.*\.(h|hpp|cuh)$",
    "a test": r"^opt/slipway[^/]*/lib/.*/site-packages/(.*/)?tests?/",
    "a file of this repository": r"(^|/)(\.git|Dockerfile|(train|serve|serve-cpu|smdebug)\.lock)$",
}

START_JAVA_WITH_ITS_ARCHIVE = """if True:
    import subprocess, tempfile
    from pathlib import Path
    from container.serve.mms import java, model_server
    from container.serve.settings.config import ServeConfig
    ports, run = model_server.InnerPorts(20001, 20002), Path(tempfile.mkdtemp())
    model_server.write_files(run, ports, ServeConfig.from_environment({}), gpus=0, threads=1)
    extra = ("-Xshare:on",)
    command = model_server.command(java.find_java(), run, heap=256 << 20, cpus=1, extra=extra)
    print(subprocess.run([*command, "--help"], capture_output=True, text=True).stdout)
"""
"""-Xshare:on ends Java where the archive is of no use."""


def image_name(images: Images, target: str) -> str:
    return str(getattr(images, target))


def private_addresses() -> set[str]:
    """Hosts and paths through which this machine reaches packages, as pip, apt and the proxy settings name them."""
    texts = [
        value for name, value in os.environ.items() if re.search(r"proxy|index_url|find_links|pip_cert", name, re.I)
    ]
    pip = [sys.executable, "-m", "pip", "config", "list"]
    texts.append(subprocess.run(pip, capture_output=True, text=True).stdout)
    texts += [path.read_text() for path in Path("/etc/apt").rglob("*") if path.suffix in (".list", ".sources", ".conf")]
    found = set()
    for address in re.findall(r"[a-z]+://[^\s'\",;]+", "\n".join(texts)):
        parts = urlsplit(address)
        found.add(parts.path if parts.scheme == "file" else parts.hostname or "")
    return {address for address in found if address and not PUBLIC.fullmatch(address)}


@pytest.fixture(scope="module")
def layers(docker: Docker, images: Images) -> dict[str, list[Layer]]:
    search = {
        # Begins with a letter, not with \b, which takes twenty times as long to search for.
        "an AWS key": re.compile(rb"A(?<!\wA)[KS]IA[0-9A-Z]{16}\b(?<!EXAMPLE)"),
        "a private key": re.compile(rb"-----BEGIN ([A-Z]+ )?PRIVATE KEY-----\r?\n[A-Za-z0-9+/=]{40}"),
        **{address: re.compile(re.escape(address.encode())) for address in private_addresses()},
    }
    read = read_layers(docker, [images.train, images.serve], search)
    return {target: read[image_name(images, target)] for target in TARGETS}


_CHANGES = "rm /etc/debian_version && mkdir /made && echo AKIAABCDEFGHIJKLMNOP >/made/file && ln /made/file /made/link"


def test_the_engines_directories_hold_what_it_saves(docker: Docker, images: Images, tmp_path: Path):
    """Also what a layer takes away, and a file with two names."""
    base = docker.inspect(images.train)["Config"]["Labels"]["org.opencontainers.image.base.name"]
    (tmp_path / "Dockerfile").write_text(f"FROM {base}\nRUN {_CHANGES}\n")
    name = "slipway-test-layers:changed"
    search = {"a key": re.compile(rb"AKIA[0-9A-Z]{16}")}
    docker("build", "--quiet", "--network=none", f"--tag={name}", str(tmp_path))
    try:
        found, saved = (read(docker, [name], search)[name] for read in (read_layers, read_saved))
    finally:
        docker("image", "rm", name)
    assert [facts(layer) for layer in found] == [facts(layer) for layer in saved]
    assert {"etc/.wh.debian_version", "made/link"} <= {*found[-1].names}
    assert found[-1].found == ["a key in made/file"]


def facts(layer: Layer) -> tuple[list[str], list[int]]:
    """Without the marks of new directories, and what is empty, as the marks of what was taken away are when saved."""
    names = [name for name in layer.names if name != "." and not name.endswith("/.wh..wh..opq")]
    return sorted(names), sorted(filter(None, layer.file_bytes))


@pytest.mark.parametrize("target", TARGETS)
def test_no_layer_holds_what_only_the_build_needed(layers: dict[str, list[Layer]], target: str):
    unwanted = [
        f"{what}: {name}"
        for layer in layers[target]
        for name in layer.names
        for what, pattern in UNWANTED.items()
        if re.search(pattern, name)
    ]
    assert unwanted == []
    assert [found for layer in layers[target] for found in layer.found] == []


def test_the_large_layers_are_the_same_in_both_images(layers: dict[str, list[Layer]]):
    train, serve = layers["train"], layers["serve"]
    shared = [layer for layer, other in zip(train, serve, strict=False) if layer is other]
    assert shared == train[: len(shared)] == serve[: len(shared)], "the shared ones are the lowest"
    own = [*train[len(shared) :], *serve[len(shared) :]]
    assert max(layer.size for layer in own) < 600e6 < 2e9 < max(layer.size for layer in shared)
    assert sum(layer.size for layer in shared) > 4 * sum(layer.size for layer in own[:-1])


@pytest.mark.parametrize("target", TARGETS)
def test_the_program_is_the_last_layer_and_small(layers: dict[str, list[Layer]], target: str):
    program = layers[target][-1]
    assert program.size < 4e6
    assert f"opt/slipway/bin/{target}" in program.names
    assert "opt/slipway/program/container/artifact.py" in program.names
    assert not any(
        "/program/" in name for layer in layers[target][:-1] for name in layer.names if not name.endswith("/")
    )


@pytest.mark.parametrize("target", TARGETS)
def test_the_history_names_no_address(docker: Docker, images: Images, target: str):
    history = docker("history", "--no-trunc", "--format={{.CreatedBy}}", image_name(images, target))
    assert "://" not in history
    assert not [address for address in private_addresses() if address in history]


@pytest.mark.parametrize("target", TARGETS)
def test_an_image_is_smaller_than_what_a_gpu_instance_takes_easily(docker: Docker, images: Images, target: str):
    assert docker.inspect(image_name(images, target))["Size"] < 8e9


@pytest.mark.parametrize("target", TARGETS)
def test_the_labels_say_what_is_inside(docker: Docker, images: Images, target: str):
    image = image_name(images, target)
    labels = docker.inspect(image)["Config"]["Labels"]
    code = "import json, torch; print(json.dumps([torch.__version__.partition('+')[0], torch.version.cuda]))"
    torch_version, cuda = json.loads(docker("run", "--rm", "--network=none", image, "python", "-c", code))
    assert labels["slipway.torch.version"] == torch_version
    assert labels["slipway.cuda.version"] == cuda
    assert labels["slipway.nvidia-driver.minimum"] == {"12": "525", "13": "580"}[cuda.partition(".")[0]]
    assert labels["org.opencontainers.image.title"] == f"slipway-{target}"
    assert re.fullmatch(r"[0-9a-f]{40}(-dirty)?|unknown", labels["org.opencontainers.image.revision"])
    for name in ("version", "licenses", "base.name"):
        assert labels[f"org.opencontainers.image.{name}"]


def test_the_serving_image_tells_sagemaker_what_it_can(docker: Docker, images: Images):
    labels = docker.inspect(images.serve)["Config"]["Labels"]
    assert labels["com.amazonaws.sagemaker.capabilities.accept-bind-to-port"] == "true"
    assert labels["com.amazonaws.sagemaker.capabilities.multi-models"] == "true"
    assert docker.inspect(images.serve)["Config"]["Healthcheck"]["Test"][0] == "CMD"


def test_java_starts_with_the_archive_of_its_classes(docker: Docker, images: Images):
    ended = docker.run("--network=none", images.serve, "python", "-c", START_JAVA_WITH_ITS_ARCHIVE)
    assert "--mms-config-file" in ended.stdout


def test_the_archive_of_javas_classes_is_the_same_when_it_is_made_again(docker: Docker, images: Images):
    """test_build.py finds this layer in the build's cache."""
    made = "/opt/slipway/share/slipway-java/model-server.jsa"
    again = f"sha256sum {made} && python /mnt/java_archive.py && sha256sum {made}"
    script = Path(__file__).parents[2] / "docker" / "layers" / "java_archive.py"
    mount = f"--volume={script}:/mnt/java_archive.py:ro"
    ended = docker.run("--network=none", mount, images.serve, "bash", "-c", again)
    assert ended.code == 0, ended.log
    first, second = ended.stdout.splitlines()
    assert first == second


@pytest.mark.parametrize("target", TARGETS)
def test_the_configuration_is_what_sagemaker_and_nvidias_toolkit_read(docker: Docker, images: Images, target: str):
    config = docker.inspect(image_name(images, target))["Config"]
    environment = dict(entry.split("=", 1) for entry in config["Env"])
    assert environment["NVIDIA_VISIBLE_DEVICES"] == "all"
    assert environment["NVIDIA_DRIVER_CAPABILITIES"] == "compute,utility"
    assert "NVIDIA_REQUIRE_CUDA" not in environment, "the image says itself which driver it needs"
    assert config["Entrypoint"] is None
    assert config["Cmd"] == [target]


@pytest.mark.parametrize("target", TARGETS)
def test_nothing_is_missing_but_what_is_left_out_on_purpose(docker: Docker, images: Images, target: str):
    """triton, which torch asks for and only torch.compile needs, with a compiler (build.sh --compiler); what OpenVINO's
    tools send home; and what timm downloads with, in the serving image."""
    image = image_name(images, target)
    ended = docker.run("--network=none", image, "python", "-m", "pip", "check")
    assert [line for line in ended.stdout.splitlines() if not line.endswith(_LEFT_OUT)] == []
    found = docker.run("--network=none", image, "sh", "-c", "command -v gcc g++ cc c++ clang ld make; true")
    assert (found.code, found.log) == (0, "")


def test_the_rules_have_the_real_smdebug_in_an_environment_of_their_own(
    docker: Docker, images: Images, layers: dict[str, list[Layer]]
):
    holding = [layer for layer in layers["train"] if "opt/slipway-smdebug/bin/python" in layer.names]
    assert len(holding) == 1
    assert holding[0].size < 300e6
    assert {name.split("/")[0] for name in holding[0].names} <= {"opt", "tmp"}
    assert not any("slipway-smdebug" in name for layer in layers["serve"] for name in layer.names)
    pip = ["-m", "pip", "--python", "/opt/slipway-smdebug/bin/python", "check"]
    assert "No broken requirements" in docker.run("--network=none", images.train, "python", *pip).stdout
    rules = ["/opt/slipway-smdebug/bin/python", "-m", "container.rules", "/nowhere"]
    ended = docker.run("--network=none", "--user=10001", "--read-only", images.train, *rules)
    assert (ended.code, ended.stdout) == (1, "")
    assert ended.stderr.startswith("Error: there is no directory /nowhere"), "smdebug itself was imported"


@pytest.mark.parametrize("target", TARGETS)
def test_the_image_trusts_debians_authorities_and_no_other(docker: Docker, images: Images, target: str):
    script = (
        "bundle() { grep -hv -e '^-' \"$@\" | sort | sha256sum; };"
        " bundle /etc/ssl/certs/ca-certificates.crt; bundle /usr/share/ca-certificates/mozilla/*.crt"
    )
    trusted, debians = docker(
        "run", "--rm", "--network=none", image_name(images, target), "bash", "-c", script
    ).splitlines()
    assert trusted == debians
