"""push.sh's command line, where neither Docker nor AWS is needed; tests/images/test_push.py pushes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture
def push(tmp_path):
    """Run push.sh without credentials, and with no Docker on PATH."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("bash", "dirname", "env"):
        (programs / name).symlink_to(f"/usr/bin/{name}")

    def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        clean = {"PATH": str(programs), "HOME": str(tmp_path), "AWS_EC2_METADATA_DISABLED": "true"}
        return subprocess.run(
            [ROOT / "push.sh", *arguments], env=clean | environment, capture_output=True, text=True, cwd=tmp_path
        )

    return run


@pytest.mark.parametrize(
    ("region", "suffix"),
    [("eu-west-1", "amazonaws.com"), ("cn-north-1", "amazonaws.com.cn"), ("us-gov-west-1", "amazonaws.com")],
)
def test_a_dry_run_needs_neither_credentials_nor_docker(region, suffix, push, tmp_path):
    done = push("--dry-run", "--region", region, "--repository", "team/images")
    assert (done.returncode, done.stderr) == (0, "")
    uri = f"<account>.dkr.ecr.{region}.{suffix}/team/images"
    assert f"region {region}, account <account>\n" in done.stdout
    assert "repository team/images: would be created if it is missing: scan on push" in done.stdout
    for target in ("train", "serve"):
        assert f"would be pushed, unless it is there, as {uri}:{target}-<revision>\n" in done.stdout
        assert f"would be tagged {uri}:{target}\n" in done.stdout
    assert done.stdout.endswith("Nothing was changed.\n")
    assert [path.name for path in tmp_path.iterdir()] == ["bin"]


def test_a_dry_run_shows_the_account_that_was_named(push):
    done = push("serve", "--dry-run", "--account", "111122223333", AWS_REGION="eu-west-1")
    assert "111122223333.dkr.ecr.eu-west-1.amazonaws.com/slipway:serve\n" in done.stdout
    assert ":train" not in done.stdout


def test_the_images_for_another_cuda_have_tags_that_name_it(push):
    done = push("--cuda", "12", "--dry-run", "--region", "eu-west-1")
    for target in ("train-cuda12", "serve-cuda12"):
        assert f"/slipway:{target}-<revision>\n" in done.stdout
        assert f"would be tagged <account>.dkr.ecr.eu-west-1.amazonaws.com/slipway:{target}\n" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["tarin", "--dry-run"], 2, "'tarin' is not one of 'train', 'serve', 'serve-cpu', 'all'"),
        (["--dryrun"], 2, "No such option"),
        (["--cuda", "11", "--dry-run"], 2, "'11' is not one of '12', '13'"),
        (["serve-cpu", "--cuda", "12", "--dry-run"], 2, "serve-cpu has no CUDA; leave --cuda out"),
        (["--dry-run", "--account", "1234"], 2, "an account is twelve digits, such as 111122223333, and not '1234'"),
        (["--dry-run", "--allow-account", "x"], 2, "an account is twelve digits"),
        (["--dry-run"], 2, "no region is named; add --region"),
        (["--dry-run", "--region", "mars-1"], 2, "AWS has no region 'mars-1'"),
        (["--dry-run", "--region", "us-east-1", "--profile", "none"], 3, r"could not be found; --profile"),
        (["--region", "us-east-1"], 7, "there is no docker on PATH; install Docker"),
    ],
)
def test_a_failure_is_one_line_and_its_own_exit_code(arguments, code, message, push):
    done = push(*arguments)
    assert done.returncode == code
    assert done.stderr.startswith("push: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_the_help_has_an_example_the_exit_codes_and_all_options(push):
    done = push("--help")
    assert done.returncode == 0
    assert "  ./push.sh --dry-run\n" in done.stdout
    assert "  7  Docker is not there or not running, or the image is not built\n" in done.stdout
    for option in ("--cuda", "--repository", "--region", "--account", "--allow-account", "--profile", "--dry-run"):
        assert f"  {option}" in done.stdout


def test_it_needs_nothing_that_training_and_serving_need():
    heavy = ("torch", "numpy", "PIL", "psutil", "boto3", "rich")
    script = f"import sys, slipway.push.command; print(*sorted(set({heavy!r}) & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.split() == []
