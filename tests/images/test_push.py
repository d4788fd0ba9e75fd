"""push.sh: into a real registry, from a real engine, with ECR's API answered by moto."""

import hashlib
import json
import os
import random
import re
import shutil
import signal
import subprocess
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from slipway.aws.connection import Aws
from slipway.push.manifest import OCI, SCHEMA_2
from slipway.push.repository import find_repository
from tests.images.checkout import NAME, Build, commit
from tests.images.containers import Docker
from tests.images.registry import (
    ACCOUNT,
    HOST,
    PASSWORD,
    REGION,
    TOKEN,
    LocalRegistry,
    aws_api,
    local_registry,
    missing_for_a_registry,
    private_engine,
    small_disk,
)
from tests.serve.server_process import await_true

ROOT = Path(__file__).parents[2]
CLEAN, OTHER = "0123456789ab", "ba9876543210"
INDEX = "application/vnd.oci.image.index.v1+json"


@dataclass(frozen=True)
class Pushing:
    """What a test pushes with; `repository` is its own."""

    docker: Docker
    registry: LocalRegistry
    repository: str
    home: Path
    hello: Path

    def build(self, target: str, revision: str, content: bytes = b"", **labels: str) -> str:
        """A small image, named as build.sh names them; its ID."""
        context = self.home / "context"
        shutil.rmtree(context, ignore_errors=True)
        context.mkdir()
        shutil.copy(self.hello, context / "hello")
        (context / "content").write_bytes(content)
        # BuildKit takes a file of the same size and time for the same; the same content shall have the same layer.
        for name in ("hello", "content"):
            moment = zlib.crc32((context / name).read_bytes())
            os.utime(context / name, (moment, moment))
        lines = ["FROM scratch", "COPY hello /hello", "COPY content /content", "ENV LANG=C.UTF-8", 'CMD ["/hello"]']
        lines += [f"LABEL {name.replace('_', '.')}={value}" for name, value in labels.items()]
        lines += [f"LABEL org.opencontainers.image.revision={revision.ljust(40, '0')}"]
        (context / "Dockerfile").write_text("\n".join(lines))
        names = [f"--tag=slipway:{target}-{revision}", f"--tag=slipway:{target}"]
        self.docker("build", "--quiet", *names, str(context))
        return str(self.docker.inspect(f"slipway:{target}")["Id"])

    def environment(self) -> dict[str, str]:
        return {**os.environ, "HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home / "config")}

    def push(self, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """`./push.sh ARGUMENTS` to its end."""
        return subprocess.run(
            [ROOT / "push.sh", "--repository", self.repository, *arguments],
            env=self.environment() | environment,
            capture_output=True,
            text=True,
        )

    def pushed(self, *arguments: str) -> str:
        """What it prints; it must succeed."""
        done = self.push(*arguments)
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
        return done.stdout

    def fails(self, code: int, message: str, *arguments: str, **environment: str) -> str:
        """It must fail with one line; returns the line."""
        done = self.push(*arguments, **environment)
        assert done.returncode == code, done.stdout + done.stderr
        assert re.fullmatch(rf"push: .*{message}.*\n", done.stderr), done.stderr
        return done.stderr

    def manifest(self, tag: str) -> tuple[str, str, dict]:
        """Media type, digest and content of what the registry holds."""
        accept = ", ".join((SCHEMA_2, OCI, INDEX))
        status, headers, body = self.registry.request("GET", f"{self.repository}/manifests/{tag}", Accept=accept)
        assert status == 200, body
        return headers["content-type"], headers["docker-content-digest"], json.loads(body)

    def has(self, tag: str) -> bool:
        return self.registry.request("GET", f"{self.repository}/manifests/{tag}", Accept=SCHEMA_2)[0] == 200

    def written(self) -> list[dict]:
        return json.loads((self.home / "config" / "slipway" / "images.json").read_text())["images"]


@pytest.fixture(scope="module")
def aws() -> Iterator[str]:
    with aws_api() as address:
        yield address


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRegistry]:
    if missing := missing_for_a_registry():
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    with local_registry(tmp_path_factory.mktemp("registry")) as registry:
        yield registry


@pytest.fixture(scope="module")
def engine(registry: LocalRegistry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with private_engine(tmp_path_factory.mktemp("engine")) as address:
        yield address


@pytest.fixture(scope="module")
def hello(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A program that needs nothing of an image."""
    directory = tmp_path_factory.mktemp("hello")
    (directory / "hello.c").write_text('#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n')
    subprocess.run(["gcc", "-static", "-o", directory / "hello", directory / "hello.c"], check=True)
    return directory / "hello"


@pytest.fixture
def credentials(docker: Docker, aws: str, registry: LocalRegistry, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    settings = {
        "AWS_ENDPOINT_URL": aws,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_REGION": REGION,
        "AWS_CA_BUNDLE": str(registry.ca),
        "NO_PROXY": "*",
        "DOCKER_BUILDKIT": "0",  # the old builder, which every docker has, will do here
        "PATH": f"{Path(docker.program).parent}:{os.environ['PATH']}",
    }
    for name, value in settings.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def pushing(
    docker: Docker,
    engine: str,
    hello: Path,
    credentials: None,
    registry: LocalRegistry,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Pushing:
    monkeypatch.setenv("DOCKER_HOST", engine)
    return Pushing(docker, registry, f"team/{tmp_path.name}".lower(), tmp_path, hello)


@pytest.fixture
def both(pushing: Pushing) -> Pushing:
    """Both images, built."""
    pushing.build("train", CLEAN, slipway_torch_version="2.13.0")
    pushing.build("serve", CLEAN)
    return pushing


def test_the_first_push_makes_the_repository_and_writes_down_what_it_pushed(both):
    printed = both.pushed()
    assert f"repository {both.repository}: created" in printed
    for target in ("train", "serve"):
        media_type, digest, content = both.manifest(f"{target}-{CLEAN}")
        assert media_type == content["mediaType"] == SCHEMA_2
        assert both.manifest(target)[1] == digest
        assert f"{target}  {HOST}/{both.repository}:{target}-{CLEAN}\n" in printed
        assert f"{HOST}/{both.repository}@{digest}\n" in printed
    serve, train = both.written()
    assert train["target"] == "train"
    assert serve["target"] == "serve"
    assert train["uri"] == f"{HOST}/{both.repository}:train-{CLEAN}"
    assert (train["region"], train["account"], train["revision"]) == (REGION, ACCOUNT, CLEAN)
    assert train["labels"] == {"slipway.torch.version": "2.13.0"}


def test_what_was_pushed_can_be_pulled_by_its_digest_and_run(both):
    both.pushed("train")
    (train,) = both.written()
    both.docker("image", "rm", "--force", both.docker.inspect("slipway:train")["Id"])
    login = both.home / "login"
    login.mkdir()
    (login / "config.json").write_text(json.dumps({"auths": {HOST: {"auth": TOKEN}}}))
    both.docker("--config", str(login), "pull", train["digest_uri"])
    assert both.docker("run", "--rm", "--network=none", train["digest_uri"]) == "hello"


def test_docker_draws_its_progress_on_a_terminal_and_plain_lines_elsewhere(pushing):
    pushing.build("train", CLEAN, random.Random(3).randbytes(1_000_000))
    command = f"{ROOT}/push.sh train --repository {pushing.repository}"
    terminal = subprocess.run(
        ["script", "--quiet", "--return", "--command", command, "/dev/null"],
        env=pushing.environment(),
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
    )
    assert terminal.returncode == 0, terminal.stdout
    assert "\x1b[" in terminal.stdout
    assert ": Pushed" in terminal.stdout
    pushing.build("train", OTHER, random.Random(4).randbytes(1_000_000))
    printed = pushing.pushed("train")
    assert "\x1b" not in printed
    assert re.search("^  [0-9a-f]{12}: Pushed$", printed, re.M)
    assert re.search("^  [0-9a-f]{12}: Layer already exists$", printed, re.M)


def test_a_second_push_sends_nothing(both):
    both.pushed()
    before = both.registry.blob_bytes
    printed = both.pushed()
    assert printed.count("  already there\n") == 2
    assert both.registry.blob_bytes == before


def test_the_same_image_built_at_another_time_is_there_already(pushing):
    pushing.build("train", CLEAN)
    pushing.pushed("train")
    before = pushing.docker.inspect("slipway:train")["Id"]
    names = [f"--tag=slipway:train-{CLEAN}", "--tag=slipway:train"]
    pushing.docker("build", "--quiet", "--no-cache", *names, str(pushing.home / "context"))
    again = pushing.docker.inspect("slipway:train")["Id"]
    assert again != before
    assert "  already there\n" in pushing.pushed("train")


def test_layers_that_both_images_have_are_sent_once(pushing):
    shared = random.Random(1).randbytes(3_000_000)
    pushing.build("train", CLEAN, shared, role="train")
    pushing.build("serve", CLEAN, shared, role="serve")
    before = pushing.registry.blob_bytes
    pushing.pushed()
    assert pushing.registry.blob_bytes - before < 4_500_000


def test_the_moving_tag_goes_to_the_next_revision_and_the_first_stays(pushing):
    pushing.build("train", CLEAN, b"first")
    pushing.pushed("train")
    first = pushing.manifest("train")[1]
    pushing.build("train", OTHER, b"second")
    pushing.pushed("train")
    second = pushing.manifest("train")[1]
    assert first != second
    assert pushing.manifest(f"train-{CLEAN}")[1] == first
    assert pushing.manifest(f"train-{OTHER}")[1] == second
    (train,) = pushing.written()
    assert train["revision"] == OTHER


def test_a_revisions_tag_is_never_given_to_another_image(pushing):
    pushing.build("train", CLEAN, b"first")
    pushing.pushed("train")
    before = pushing.manifest("train")[1]
    pushing.build("train", CLEAN, b"second")
    pushing.fails(1, f"train-{CLEAN} is not the image built here.*commit something and build again", "train")
    assert pushing.manifest(f"train-{CLEAN}")[1] == pushing.manifest("train")[1] == before


def test_the_tag_of_a_dirty_tree_moves(pushing):
    pushing.build("train", f"{CLEAN}-dirty", b"first")
    pushing.pushed("train")
    pushing.build("train", f"{CLEAN}-dirty", b"second")
    before = pushing.manifest(f"train-{CLEAN}-dirty")[1]
    pushing.pushed("train")
    assert pushing.manifest(f"train-{CLEAN}-dirty")[1] == pushing.manifest("train")[1] != before


def test_a_repository_whose_tags_cannot_be_moved_is_left_so(pushing):
    ecr = Aws(REGION, None).service("ecr")
    ecr.call("CreateRepository", repositoryName=pushing.repository, imageTagMutability="IMMUTABLE")
    pushing.build("train", CLEAN, b"first")
    assert "note: its tags cannot be moved" in pushing.pushed("train")
    first = pushing.manifest("train")[1]
    pushing.build("train", OTHER, b"second")
    assert "warning: the tag train stays on an earlier image" in pushing.pushed("train")
    assert pushing.manifest("train")[1] == first
    assert pushing.has(f"train-{OTHER}")
    repository = find_repository(ecr, pushing.repository, None)
    assert repository is not None
    assert repository.mutability == "IMMUTABLE"


def test_a_dirty_tag_that_cannot_be_moved_is_an_error(pushing):
    ecr = Aws(REGION, None).service("ecr")
    ecr.call("CreateRepository", repositoryName=pushing.repository, imageTagMutability="IMMUTABLE")
    pushing.build("train", f"{CLEAN}-dirty", b"first")
    pushing.pushed("train")
    pushing.build("train", f"{CLEAN}-dirty", b"second")
    pushing.fails(1, r"the repository's tags cannot be moved \(IMMUTABLE\); commit and build again", "train")


def test_another_account_is_allowed_to_pull(both):
    both.pushed("train", "--allow-account", "111122223333", "--allow-account", "444455556666")
    ecr = Aws(REGION, None).service("ecr")
    policy = json.loads(ecr.call("GetRepositoryPolicy", repositoryName=both.repository)["policyText"])
    (statement,) = policy["Statement"]
    assert statement["Principal"] == {"AWS": ["arn:aws:iam::111122223333:root", "arn:aws:iam::444455556666:root"]}


def test_a_dry_run_says_all_and_does_nothing(both):
    before = both.registry.blob_bytes
    printed = both.pushed("--dry-run", "--allow-account", "111122223333")
    uri = f"{HOST}/{both.repository}"
    assert f"repository {both.repository}: would be created: scan on push" in printed
    assert "would let 111122223333 pull" in printed
    for target in ("train", "serve"):
        assert f"would be pushed, unless it is there, as {uri}:{target}-{CLEAN}\n" in printed
        assert f"would be tagged {uri}:{target}\n" in printed
    assert find_repository(Aws(REGION, None).service("ecr"), both.repository, None) is None
    assert both.registry.blob_bytes == before
    assert not (both.home / "config").exists()


def _as_oci(content: dict) -> bytes:
    content = {**content, "mediaType": OCI, "annotations": {"made": "by another engine"}}
    content["config"] = {**content["config"], "mediaType": "application/vnd.oci.image.config.v1+json"}
    kind = "application/vnd.oci.image.layer.v1.tar+gzip"
    content["layers"] = [{**layer, "mediaType": kind} for layer in content["layers"]]
    return json.dumps(content).encode()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def test_an_image_that_an_engine_pushed_as_oci_is_turned_into_dockers_form(both):
    both.pushed("train")
    content = both.manifest(f"train-{CLEAN}")[2]
    both.registry.put_manifest(both.repository, f"train-{CLEAN}", OCI, _as_oci(content))
    assert both.manifest(f"train-{CLEAN}")[0] == OCI
    both.pushed("train")
    media_type, _, converted = both.manifest(f"train-{CLEAN}")
    assert media_type == SCHEMA_2
    assert converted == content
    assert both.manifest("train")[0] == SCHEMA_2


def test_an_index_with_an_attestation_is_replaced_by_its_image(both):
    both.pushed("train")
    content = both.manifest(f"train-{CLEAN}")[2]
    image, statement = _as_oci(content), b'{"predicateType": "https://slsa.dev/provenance/v0.2"}'
    both.registry.put_blob(both.repository, statement, _digest(statement))
    layer = {"mediaType": "application/vnd.in-toto+json", "size": len(statement), "digest": _digest(statement)}
    attestation = json.dumps({**json.loads(image), "layers": [layer]}).encode()
    entries = []
    for body, platform in ((image, "linux/amd64"), (attestation, "unknown/unknown")):
        both.registry.put_manifest(both.repository, _digest(body), OCI, body)
        system, _, architecture = platform.partition("/")
        entries.append(
            {"mediaType": OCI, "size": len(body), "digest": _digest(body)}
            | {"platform": {"os": system, "architecture": architecture}}
        )
    index = json.dumps({"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}).encode()
    both.registry.put_manifest(both.repository, f"train-{CLEAN}", INDEX, index)
    both.pushed("train")
    media_type, _, converted = both.manifest(f"train-{CLEAN}")
    assert media_type == SCHEMA_2
    assert converted == content


def test_the_password_is_seen_nowhere(both, tmp_path):
    seen = tmp_path / "seen"
    seen.mkdir()
    wrapper = seen / "docker"
    wrapper.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$*" >>{seen}/arguments\n'
        f'[ "$1" != push ] || stat -c "%a %n" "$DOCKER_CONFIG" "$DOCKER_CONFIG"/* >>{seen}/files\n'
        f'exec {both.docker.program} "$@"\n'
    )
    wrapper.chmod(0o755)
    (tmp_path / ".docker").mkdir()
    own = tmp_path / ".docker" / "config.json"
    own.write_text('{"auths": {"registry.example": {"auth": "eA=="}}, "credsStore": "none-such"}')
    before = own.read_bytes()
    done = both.push("train", PATH=f"{seen}:{os.environ['PATH']}")
    assert done.returncode == 0, done.stderr
    modes = dict(reversed(line.split(" ", 1)) for line in (seen / "files").read_text().splitlines())
    folder = min(modes, key=len)
    assert modes == {folder: "700", f"{folder}/config.json": "600"}
    assert not Path(folder).exists()
    assert own.read_bytes() == before
    for secret in (PASSWORD, TOKEN):
        assert secret not in done.stdout + done.stderr + (seen / "arguments").read_text()
        for file in tmp_path.rglob("*"):
            assert not file.is_file() or secret.encode() not in file.read_bytes(), file


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_push_finishes_when_it_is_run_again(number, pushing):
    pushing.build("train", CLEAN, random.Random(number).randbytes(150_000_000))
    process = subprocess.Popen(
        [ROOT / "push.sh", "train", "--repository", pushing.repository],
        env=pushing.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    uploads = f"docker/registry/v2/repositories/{pushing.repository}/_uploads/*/data"
    await_true(
        lambda: any(file.stat().st_size > 5_000_000 for file in pushing.registry.storage.glob(uploads)),
        "the largest layer is on its way",
    )
    process.send_signal(number)
    _, errors = process.communicate()
    assert process.returncode == 128 + number
    assert errors == "push: interrupted; run it again: it resumes where it stopped\n"
    assert not pushing.has(f"train-{CLEAN}")
    assert not list(Path("/dev/shm").glob("slipway-*"))
    pushing.pushed("train")
    assert pushing.has(f"train-{CLEAN}")


@pytest.fixture
def stopped(registry: LocalRegistry) -> Iterator[Callable[..., None]]:
    """The registry, stopped; what the fixture gives starts it in another way."""
    registry.stop()
    yield registry.start
    registry.stop()
    registry.start()


def test_a_registry_that_does_not_answer_is_named(both, stopped):
    both.fails(5, rf"{HOST} does not answer \(.*refused\).*run it again", "train")


def test_a_registry_that_does_not_take_the_password_is_named(both, stopped):
    stopped(password="another")
    both.fails(3, f"{HOST} rejects the password that ECR gave", "train")


def test_a_registry_whose_disk_is_full_is_named(pushing, stopped):
    storage = pushing.registry.storage
    pushing.build("train", CLEAN, random.Random(2).randbytes(4_000_000))
    with small_disk(storage, "2m"):
        stopped()
        pushing.fails(5, f"docker push to {HOST}: .*500.*; the registry fails; .*its disk", "train")


def test_a_full_disk_of_ones_own_is_named(both):
    both.pushed("train")
    with small_disk(both.home / "config" / "slipway", "4k"):
        (both.home / "config" / "slipway" / "filler").write_bytes(bytes(4096))
        both.fails(6, r"is pushed, but that cannot be recorded: .*No space left on device", "train")


def test_an_image_that_is_not_built_is_named(pushing):
    pushing.docker.try_("image", "rm", "slipway:serve")
    pushing.fails(7, r"there is no image slipway:serve; build it first: \./build\.sh serve", "serve")


def test_an_image_of_another_name_scheme_is_named(pushing):
    pushing.build("train", CLEAN)
    names = pushing.docker.inspect("slipway:train")["RepoTags"]
    pushing.docker("image", "rm", *(name for name in names if name != "slipway:train"))
    pushing.fails(7, r"slipway:train has no second name with its revision", "train")


def test_a_daemon_that_is_not_running_is_named(pushing):
    pushing.fails(7, r"docker: .*; start Docker, or check DOCKER_HOST", DOCKER_HOST="unix:///nonexistent.sock")


def test_missing_credentials_are_named(both):
    line = both.fails(3, "no working AWS credentials", "train", AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="")
    assert "aws sso login" in line


def leave_out_packages(checkout: Path) -> None:
    """Let build.sh build images of the same form without the layers of packages: compressing those takes minutes, and
    a push treats them as any other layer."""
    dockerfile = checkout / "docker" / "Dockerfile"
    text = dockerfile.read_text()
    for real in ("FROM train-weights-${WEIGHTS} AS train", "FROM ${SERVE}-java AS serve"):
        assert text.count(f"{real}\n") == 1
        text = text.replace(real, f"FROM base AS {real.split()[-1]}")
    dockerfile.write_text(text)
    commit(checkout)


def test_what_build_sh_builds_is_pushed_and_a_changed_line_costs_little(
    docker: Docker, build: Build, checkout: Path, credentials: None, registry: LocalRegistry, tmp_path: Path
):
    built = Pushing(docker, registry, "slipway", tmp_path, tmp_path)
    leave_out_packages(checkout)
    first = build("all")
    assert first.returncode == 0, first.stdout[-2000:] + first.stderr
    try:
        built.pushed("--name", NAME)
        for target in ("train", "serve"):
            media_type, _, content = built.manifest(target)
            assert media_type == SCHEMA_2
            assert len(content["layers"]) == len(docker.inspect(f"{NAME}:{target}")["RootFS"]["Layers"])
        train = next(image for image in built.written() if image["target"] == "train")
        login = tmp_path / "login"
        login.mkdir()
        (login / "config.json").write_text(json.dumps({"auths": {HOST: {"auth": TOKEN}}}))
        docker("--config", str(login), "pull", train["digest_uri"])
        code = "from container.contract.paths import MlPaths; print(MlPaths.__name__)"
        printed = docker("run", "--rm", "--network=none", train["digest_uri"], "python", "-c", code)
        assert printed.splitlines()[-1] == "MlPaths"

        before = registry.blob_bytes
        with (checkout / "container" / "model.py").open("a") as file:
            file.write("# changed\n")
        second = build("all")
        assert second.returncode == 0, second.stdout[-2000:] + second.stderr
        built.pushed("--name", NAME)
        # The program of both images, compiled too; what is below it is 160 MB.
        assert 0 < registry.blob_bytes - before < 2_000_000
    finally:
        for form in ("{{.Repository}}:{{.Tag}}", "{{.Repository}}@{{.Digest}}"):
            names = docker("images", "--digests", "--format", form).split()
            if ours := {name for name in names if name.startswith(HOST) and not name.endswith("<none>")}:
                docker("image", "rm", *sorted(ours))
