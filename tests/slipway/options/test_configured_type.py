"""An instance type in slipway.toml is for data in S3; folders of this machine are still used on this machine."""

import pytest


@pytest.fixture
def folder(tmp_path):
    """A folder with a slipway.toml, and data that stops a job here before it starts."""
    lines = "".join(
        f'[{name}]\ninstance-type = "ml.g4dn.xlarge"\n' for name in ("train", "tune", "compare", "transform")
    )
    (tmp_path / "slipway.toml").write_text(lines)
    (tmp_path / "dogs" / "pictures").mkdir(parents=True)
    return tmp_path


COMMANDS = pytest.mark.parametrize(
    ("command", "stopped_by"),
    [
        (("train",), "there is no train folder in dogs"),
        (("tune",), "there is no train folder in dogs"),
        (("compare",), "there is no train folder in dogs"),
        (("transform", "--model", "dogs-job"), "there is nothing below dogs"),
    ],
)


@COMMANDS
def test_a_folder_is_used_on_this_machine_and_that_is_said(slipway_here, folder, command, stopped_by):
    name, *further = command
    done = slipway_here(name, "dogs", *further, cwd=folder)
    assert "note: dogs is on this machine, and so the command runs here" in done.stderr
    assert stopped_by in done.stderr


@COMMANDS
def test_here_is_this_machine_too(slipway_here, folder, command, stopped_by):
    name, *further = command
    done = slipway_here(name, "dogs", *further, "--instance-type", "here", cwd=folder)
    assert "note:" not in done.stderr
    assert stopped_by in done.stderr


@pytest.mark.parametrize("command", ["train", "tune", "compare"])
def test_data_in_s3_is_trained_on_with_the_configured_type(slipway_here, folder, command):
    done = slipway_here(command, "s3://my-dogs/dogImages", "--dry-run", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert '"InstanceType": "ml.g4dn.xlarge"' in done.stdout


def test_a_type_on_the_command_line_is_for_sagemaker_whatever_the_data(slipway_here, folder):
    done = slipway_here("tune", "dogs", "--instance-type", "ml.g4dn.xlarge", cwd=folder)
    assert done.returncode == 2
    assert "dogs is not an S3 address; upload it first" in done.stderr
