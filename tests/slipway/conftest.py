"""Small data sets, and the `slipway` command as a process and in this one."""

import fcntl
import io
import json
import os
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from slipway.cli import main
from tests.images.registry import aws_api
from tests.slipway.slipway_runs import EPOCHS, SMALL, Slipway, Trained

if TYPE_CHECKING:
    from tests.slipway.sagemaker_account import DryAccount

COLOURS = {"red": (220, 30, 30), "green": (30, 200, 40), "blue": (30, 40, 220)}


@pytest.fixture(scope="session")
def slipway() -> Slipway:
    """Run `slipway ARGUMENTS` to its end: `slipway("data", "sample", folder, cwd=…, env=…)`."""

    def run(
        *arguments: object, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "slipway", *map(str, arguments)],
            cwd=cwd,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
        )

    return run


@pytest.fixture
def slipway_here(monkeypatch: pytest.MonkeyPatch) -> Slipway:
    """Runs the command in this process, which imports the SDK once: for dry runs and refusals, which start nothing."""

    def run(
        *arguments: object, cwd: Path | None = None, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        out, errors = io.StringIO(), io.StringIO()
        handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
        with monkeypatch.context() as here, redirect_stdout(out), redirect_stderr(errors):
            here.setattr(sys, "argv", ["slipway", *map(str, arguments)])
            for name, value in (env or {}).items():
                here.setenv(name, value)
            if cwd:
                here.chdir(cwd)
            try:
                with pytest.raises(SystemExit) as ended:
                    main()
            finally:
                for number, handler in handlers.items():
                    signal.signal(number, handler)
        code = ended.value.code or 0
        assert isinstance(code, int)
        return subprocess.CompletedProcess(arguments, code, out.getvalue(), errors.getvalue())

    return run


@pytest.fixture
def nobody(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, and neither credentials nor settings; whatever is sent meets a closed port."""
    for name in list(os.environ):
        if name.startswith(("AWS_", "SLIPWAY_")):
            monkeypatch.delenv(name)
    for name, value in {
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
        "XDG_CONFIG_HOME": str(tmp_path),
        "COLUMNS": "500",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def shared() -> "DryAccount":
    from tests.slipway.sagemaker_account import DryAccount  # which imports the SDK: seconds

    return DryAccount()


@pytest.fixture
def account(shared: "DryAccount", monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> "DryAccount":
    """No settings of whoever runs the tests, and no requests yet."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    return shared.reset()


def paint(path: Path, colour: tuple[int, int, int], seed: int, size: tuple[int, int] = (48, 40)) -> Path:
    """Write a noisy picture of one colour: easy to learn, and no two are equal."""
    noise = np.random.default_rng(seed).normal(0, 12, (size[1], size[0], 3))
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray((np.array(colour) + noise).clip(0, 255).astype(np.uint8)).save(path)
    return path


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that the first of the tests' processes makes for all of them; they must not change it."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    with folder.with_suffix(".lock").open("a+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        lock.seek(0)
        if not lock.read():
            make(folder)
            lock.write("made")
    return folder


@pytest.fixture(scope="session")
def colours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound data set of three colours, with the folder names of the seed project (valid)."""

    def make(root: Path) -> None:
        seed = 0
        for split, count in (("train", 8), ("valid", 3), ("test", 3)):
            for label, colour in COLOURS.items():
                for number in range(count):
                    seed += 1
                    paint(root / split / label / f"{number}.png", colour, seed)

    return made_once(tmp_path_factory, "colours", make)


@pytest.fixture(scope="session")
def flawed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set with one of every flaw that `slipway data explore` looks for."""
    root = tmp_path_factory.mktemp("data") / "flawed"
    for label, colour, count in (
        ("many", COLOURS["red"], 9),
        ("few<b>_of_a_breed_with_a_name_longer_than_a_phone_is_wide", COLOURS["blue"], 3),
    ):
        for number in range(count):
            paint(root / "train" / label / f"{number}.png", colour, seed=number, size=(40 + 10 * number, 40))
    for label, colour in (("many", COLOURS["red"]), ("rare", COLOURS["green"])):
        paint(root / "valid" / label / "0.png", colour, seed=100)
    train = root / "train" / "many"
    (root / "valid" / "many" / "leak.png").write_bytes((train / "0.png").read_bytes())
    (root / "train" / "few<b>_of_a_breed_with_a_name_longer_than_a_phone_is_wide" / "contradiction.png").write_bytes(
        (train / "1.png").read_bytes()
    )
    Image.open(train / "2.png").save(train / "resaved.bmp")
    (train / "empty.png").touch()
    (train / "cut.png").write_bytes((train / "3.png").read_bytes()[:200])
    (train / "notes.txt").write_text("not a picture")
    (root / "train" / "empty folder").mkdir()
    return root


@pytest.fixture(scope="session")
def trained(colours, slipway, tmp_path_factory) -> Trained:
    """`slipway train` on the sound data set."""

    def make(root: Path) -> None:
        settings = (*SMALL, "--export", "true", "--epochs", EPOCHS, "--opt-learning-rate", 1e-2, "--seed", 1)
        done = slipway("train", colours, "--job-dir", root / "job", *settings)
        assert done.returncode == 0, done.stderr
        (root / "said.json").write_text(json.dumps([done.args, done.returncode, done.stdout, done.stderr]))

    root = made_once(tmp_path_factory, "trained", make)
    return Trained(root / "job", subprocess.CompletedProcess(*json.loads((root / "said.json").read_text())))


@pytest.fixture(scope="session")
def aws_address() -> Iterator[str]:
    """A server that answers as AWS does, by moto."""
    with aws_api() as address:
        yield address


@pytest.fixture
def aws_account(aws_address, monkeypatch, tmp_path) -> str:
    """An empty account in eu-west-1, as whom and where everything is called; its address."""
    urllib.request.urlopen(urllib.request.Request(f"{aws_address}/moto-api/reset", method="POST")).close()
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_ENDPOINT_URL": aws_address,
        "AWS_ACCESS_KEY_ID": "unused",
        "AWS_SECRET_ACCESS_KEY": "unused",
        "AWS_REGION": "eu-west-1",
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "NO_PROXY": "*",
    }.items():
        monkeypatch.setenv(name, value)
    return aws_address
