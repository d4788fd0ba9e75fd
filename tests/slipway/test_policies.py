"""What holds for the whole host side: it is light, and its surface changes on purpose only."""

import pkgutil
import subprocess
import sys

import click
import pytest

import slipway
from container.train.hyperparameters import HYPERPARAMETERS
from slipway.cli import cli

HEAVY = ("torch", "torchvision", "sagemaker_training", "sagemaker_inference", "mms", "plotly", "sklearn", "optuna")

FLAGS = {
    "data sample": ["DIRECTORY"],
    "data explore": ["DIRECTORY", "--output"],
    "train": ["DATA_DIR", "--train", "--validation", "--test", "--job-dir", "--verbose"]
    + [f"--{row.name}" for row in HYPERPARAMETERS],
    "serve": ["MODEL", "--port", "--host"],
    "predict": ["IMAGE…", "--url", "--top", "--json"],
    "images": ["--json"],
}


def _modules() -> list[str]:
    found = pkgutil.walk_packages(slipway.__path__, "slipway.")
    return [module.name for module in found if not module.name.endswith("__main__")]


def _commands(group: click.Group, prefix: str = "") -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}
    for name, command in group.commands.items():
        found |= _commands(command, f"{name} ") if isinstance(command, click.Group) else {prefix + name: command}
    return found


def test_no_module_imports_a_heavy_package():
    script = f"import sys, {', '.join(_modules())}; print(*sorted(set({HEAVY!r}) & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_the_flags_are_the_frozen_ones():
    found = {
        name: [
            parameter.opts[0]
            if isinstance(parameter, click.Option)
            else parameter.make_metavar(click.Context(command)).strip("[]")
            for parameter in command.params
        ]
        for name, command in _commands(cli).items()
    }
    assert found == FLAGS


@pytest.mark.parametrize("arguments", [[], ["data"], *(name.split() for name in FLAGS)], ids=" ".join)
def test_every_command_has_a_help_with_an_example(arguments, slipway):
    done = slipway(*arguments, "--help")
    assert done.returncode == 0
    assert "Example" in done.stdout
    assert "  slipway " in done.stdout


def test_the_version_is_the_packages(slipway):
    done = slipway("--version")
    assert done.stdout.strip().startswith("slipway, version ")
