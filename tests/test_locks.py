"""The lock files: what is installed is what was resolved, to the hash, and nothing says where from."""

import re
from pathlib import Path

import pytest

DOCKER = Path(__file__).parents[1] / "docker"
LOCKS = {name: DOCKER / f"{name}.lock" for name in ("train", "serve", "serve-cpu", "host", "smdebug", "dev")}
LOCKS |= {"sdk3": Path(__file__).parent / "images" / "sdk3.lock"}


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


def test_both_serving_images_have_the_same_packages_as_far_as_the_smaller_has_them():
    """An audit of serve.lock covers both, then."""
    assert pins("serve-cpu").items() <= pins("serve").items()


@pytest.mark.parametrize("name", LOCKS)
def test_every_bound_says_why(name: str):
    for line in LOCKS[name].with_suffix(".in").read_text().splitlines():
        if re.search(r"[=<>]=|<", line.split("#")[0]):
            assert re.search(r"#.{10,}", line), f"{line} has no reason beside it"


def test_every_lock_answers_its_in_file():
    """A package added to an .in file without running docker/lock.sh is noticed here, not in a half-made image."""
    for name in LOCKS:
        locked = pins(name)
        for line in LOCKS[name].with_suffix(".in").read_text().splitlines():
            if package := re.match(r"[a-z0-9][a-z0-9-]*", line.split("#")[0]):
                assert package[0] in locked, f"{package[0]} is in {name}.in and not in {name}.lock"
