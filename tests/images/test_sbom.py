"""docker/sbom.sh: the document says what is in the image, no more and no less."""

import hashlib
import importlib
import json
import os
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL
from packaging.utils import canonicalize_name

from tests.images.containers import Docker, Images
from tests.test_locks import pins

SBOM = Path(__file__).parents[2] / "docker" / "sbom.sh"
ENVIRONMENTS = {"train": ("slipway", "slipway-smdebug"), "serve": ("slipway",)}
Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def sbom(docker: Docker) -> Run:
    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        path = f"{Path(docker.program).parent}{os.pathsep}{os.environ['PATH']}"
        command = [str(argument) for argument in (SBOM, *arguments)]
        return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "PATH": path})

    return run


@pytest.fixture(scope="module", params=["train", "serve"])
def target(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def image(images: Images, target: str) -> str:
    return getattr(images, target)


@pytest.fixture(scope="module")
def file(sbom: Run, image: str, target: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("sbom")
    result = sbom(target, "--image", image, "--output", output)
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    assert result.stdout.startswith(f"{output / target}.cdx.json  {image}: Debian packages ")
    return output / f"{target}.cdx.json"


@pytest.fixture(scope="module")
def document(file: Path) -> dict[str, Any]:
    return json.loads(file.read_text())


def purls(document: dict[str, Any], kind: str) -> Iterator[PackageURL]:
    for component in document["components"]:
        if component.get("purl", "").startswith(f"pkg:{kind}/"):
            yield PackageURL.from_string(component["purl"])


def test_it_is_valid_cyclonedx(file: Path):
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(file.read_text()) is None


def test_it_names_the_image_by_digest_and_revision(document: dict[str, Any], docker: Docker, image: str):
    inspected = docker.inspect(image)
    component = document["metadata"]["component"]
    assert component["name"] == image
    assert component["hashes"] == [{"alg": "SHA-256", "content": inspected["Id"].removeprefix("sha256:")}]
    assert component["version"] == inspected["Config"]["Labels"]["org.opencontainers.image.revision"]
    assert document["metadata"]["timestamp"][:19] == inspected["Created"][:19]


def test_its_python_packages_are_those_of_pip_list(document: dict[str, Any], docker: Docker, image: str, target: str):
    installed = set()
    for environment in ENVIRONMENTS[target]:
        pip = ["-m", "pip", "--python", f"/opt/{environment}/bin/python", "list", "--format=json"]
        listed = docker("run", "--rm", "--network=none", "--entrypoint=python", image, *pip)
        installed |= {(canonicalize_name(package["name"]), package["version"]) for package in json.loads(listed)}
    found = {(canonicalize_name(purl.name), purl.version) for purl in purls(document, "pypi")}
    assert found == installed
    cuda = docker.inspect(image)["Config"]["Labels"]["slipway.cuda.version"]
    lock = f"{target}-cuda12" if cuda.startswith("12") else target
    assert ("torch", *pins(lock)["torch"]) in found
    assert (("smdebug", *pins("smdebug")["smdebug"]) in found) == (target == "train")


def test_its_debian_packages_are_those_of_dpkg(document: dict[str, Any], docker: Docker, image: str):
    dpkg = docker(
        "run", "--rm", "--network=none", "--entrypoint=dpkg-query", image,
        "--show", "--showformat", "${Package} ${Version} ${Architecture}\n",
    )  # fmt: skip
    found = {f"{purl.name} {purl.version} {purl.qualifiers['arch']}" for purl in purls(document, "deb")}
    assert found == set(dpkg.splitlines())
    # Scanners find the distribution's data by this.
    assert [it["name"] for it in document["components"] if it["type"] == "operating-system"] == ["debian"]


def test_a_debian_package_names_its_source_and_licences(document: dict[str, Any]):
    libssl = next(it for it in document["components"] if it.get("purl", "").startswith("pkg:deb/debian/libssl3"))
    assert PackageURL.from_string(libssl["purl"]).qualifiers["upstream"] == "openssl"
    assert {"license": {"name": "Apache-2.0"}} in libssl["licenses"]


def test_libraries_inside_wheels_are_listed_and_held_by_their_package(document: dict[str, Any]):
    holds = {entry["ref"]: entry.get("dependsOn", []) for entry in document["dependencies"]}
    pillow = next(component for component in document["components"] if component["name"] == "pillow")
    assert any("libjpeg-turbo" in reference for reference in holds[pillow["bom-ref"]])


def test_libraries_that_a_wheel_does_not_declare_are_listed_by_their_files(document: dict[str, Any], target: str):
    names = {component["name"]: component for component in document["components"]}
    assert "libscipy_openblas64_" in names
    if target == "train":
        assert names["libavcodec"]["description"] == "part of FFmpeg"
        assert "libssl" not in names, "auditwheel declares AlmaLinux's package"


def test_every_component_has_a_version_and_none_a_path_of_the_machine_that_wrote_it(document: dict[str, Any]):
    assert [component["name"] for component in document["components"] if not component.get("version")] == []
    assert str(SBOM.parent) not in json.dumps(document)
    assert "file:/" not in json.dumps(document)


def test_java_is_in_the_serving_image_only_and_its_servers_contents_are_known(document: dict[str, Any], target: str):
    maven = {f"{purl.namespace}:{purl.name}" for purl in purls(document, "maven")}
    platforms = [component["name"] for component in document["components"] if component["type"] == "platform"]
    # A jar that does not say what it holds would be listed as a file.
    assert [component["name"] for component in document["components"] if component["type"] == "file"] == []
    if target == "train":
        assert (maven, platforms) == (set(), [])
    else:
        assert platforms == ["openjdk"]
        assert {
            "io.netty:netty-codec-http",
            "org.apache.logging.log4j:log4j-core",
            "com.google.code.gson:gson",
        } <= maven


def test_the_same_image_gives_the_same_document(sbom: Run, file: Path, image: str, target: str, tmp_path: Path):
    assert sbom(target, "--image", image, "--output", tmp_path).returncode == 0
    assert (tmp_path / file.name).read_bytes() == file.read_bytes()


def test_an_image_that_is_not_built_is_one_clear_line(sbom: Run, tmp_path: Path):
    result = sbom("serve", "--image", "slipway:never-built", "--output", tmp_path)
    assert result.returncode == 1
    assert result.stderr == (
        "docker/sbom.sh: there is no image slipway:never-built; build it with ./build.sh serve, "
        "or name another with --image\n"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["trian"], "unknown argument trian"),
        (["--image"], "--image needs a value"),
        (["all", "--image", "slipway:train"], "--image is one image: say whether it is train or serve"),
    ],
)
def test_wrong_usage_is_refused(sbom: Run, arguments: list[str], message: str):
    result = sbom(*arguments)
    assert result.returncode == 2
    assert result.stderr == f"docker/sbom.sh: {message}; see docker/sbom.sh --help\n"


def test_an_engine_that_does_not_answer_is_one_clear_line(docker: Docker, tmp_path: Path):
    environment = {**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    environment["PATH"] = f"{Path(docker.program).parent}{os.pathsep}{environment['PATH']}"
    result = subprocess.run([SBOM, "train"], capture_output=True, text=True, env=environment)
    assert result.returncode == 1
    assert result.stderr.startswith("docker/sbom.sh: the Docker engine does not answer")
    assert len(result.stderr.splitlines()) == 1


@pytest.fixture
def java(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(SBOM.parent / "sbom")
    return importlib.import_module("java")


def write_jar(file: Path, entries: dict[str, str]) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file, "w") as archive:
        for name, text in entries.items():
            archive.writestr(name, text)


def test_a_jar_of_ones_own_is_listed_by_its_pom(java: ModuleType, tmp_path: Path):
    pom = "#Generated\ngroupId=org.example\nartifactId=handler\nversion=1.2.3\n"
    write_jar(tmp_path / "opt/own.jar", {"META-INF/maven/org.example/handler/pom.properties": pom})
    (library,) = java.java_libraries(tmp_path)
    assert library.purl.to_string() == "pkg:maven/org.example/handler@1.2.3"
    assert [it.location for it in library.evidence.occurrences] == ["/opt/own.jar"]


def test_a_jar_that_does_not_say_what_it_holds_is_listed_as_a_file(java: ModuleType, tmp_path: Path):
    write_jar(tmp_path / "opt/silent.jar", {"Main.class": ""})
    (file,) = java.java_libraries(tmp_path)
    digest = hashlib.sha256((tmp_path / "opt/silent.jar").read_bytes()).hexdigest()
    assert (file.type.value, file.name, [it.content for it in file.hashes]) == ("file", "silent.jar", [digest])
