"""The lock files: what is installed is what was resolved, to the hash, and nothing says where from."""

import re
from pathlib import Path

import pytest

DOCKER = Path(__file__).parents[1] / "docker"
NAMES = ("train", "serve", "train-cuda12", "serve-cuda12", "serve-cpu", "host", "smdebug", "triton", "dev")
LOCKS = {name: DOCKER / f"{name}.lock" for name in NAMES}
LOCKS |= {"sdk3": Path(__file__).parent / "images" / "sdk3.lock"}


def inputs(name: str) -> list[str]:
    """The lines of the .in files that a lock is made from."""
    target, _, cuda = name.partition("-cuda")
    files = [LOCKS[target].with_suffix(".in")]
    if target in ("train", "serve"):
        files.append(DOCKER / f"cuda{cuda or 13}.in")
    return [line for file in files for line in file.read_text().splitlines()]


def pins(name: str) -> dict[str, set[str]]:
    """Package to versions; there are several where they depend on the Python version."""
    found: dict[str, set[str]] = {}
    for package, version in re.findall(r"^([a-z0-9._-]+)==([^ \\]+)", LOCKS[name].read_text(), re.M):
        found.setdefault(package, set()).add(version)
    return found


@pytest.mark.parametrize("name", LOCKS)
def test_every_package_is_pinned_with_hashes_and_without_an_address(name: str):
    text = LOCKS[name].read_text()
    assert "://" not in text
    requirements = re.split(r"\n(?=[a-z0-9])", re.sub(r"^\s*#.*\n", "", text, flags=re.M))
    assert len(requirements) > 10
    for requirement in requirements:
        assert "==" in requirement.splitlines()[0]
        assert "--hash=sha256:" in requirement, requirement.splitlines()[0]


@pytest.mark.parametrize("name", ["train", "serve", "serve-cpu", "host"])
def test_the_locked_packages_are_those_that_the_tests_run_with(name: str):
    dev = pins("dev")
    assert {package: versions for package, versions in pins(name).items() if not versions <= dev[package]} == {}


@pytest.mark.parametrize("target", ["train", "serve"])
def test_the_images_for_both_cudas_differ_in_torch_and_what_it_requires_alone(target: str):
    ours, other = pins(target), pins(f"{target}-cuda12")
    differing = {package for package in ours | other if ours.get(package) != other.get(package)}
    of_torch = re.compile(r"torch|torchvision|triton|cuda-.*|nvidia-.*")
    assert [package for package in differing if not of_torch.fullmatch(package)] == []
    cudas = {package.rpartition("-")[2] for package in differing if package.endswith(("-cu12", "-cu13"))}
    assert cudas == {"cu12", "cu13"}
    assert "nvidia-cuda-runtime-cu12" in other


def test_both_serving_images_have_the_same_packages_as_far_as_the_smaller_has_them():
    """An audit of serve.lock covers both, then."""
    assert pins("serve-cpu").items() <= pins("serve").items()


@pytest.mark.parametrize("name", LOCKS)
def test_every_bound_says_why(name: str):
    for line in inputs(name):
        if re.search(r"[=<>]=|<", line.split("#")[0]):
            assert re.search(r"#.{10,}", line), f"{line} has no reason beside it"


def test_every_lock_answers_its_in_file():
    """A package added to an .in file without running docker/lock.sh is noticed here, not in a half-made image."""
    for name in LOCKS:
        locked = pins(name)
        for line in inputs(name):
            if package := re.match(r"[a-z0-9][a-z0-9-]*", line.split("#")[0]):
                assert package[0] in locked, f"{package[0]} is in {name}.in and not in {name}.lock"
