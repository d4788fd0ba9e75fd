"""What holds for the whole host side: it is light, and its surface changes on purpose only."""

import pkgutil
import subprocess
import sys

import click
import pytest

import slipway
from container.contract.hyperparameters import HYPERPARAMETERS
from slipway.cli import cli

HEAVY = ("torch", "torchvision", "sagemaker_training", "sagemaker_inference", "mms", "sklearn", "optuna")

AWS = ["--region", "--profile"]
CLOUD = ["--bucket", "--subnet", "--security-group", "--network-isolation", "--kms-key", "--tag"]

FLAGS = {
    "data sample": ["DIRECTORY"],
    "data explore": [
        "DIRECTORY",
        "--output",
        "--write",
        "--model-type",
        "--weights",
        "--instance-type",
        "--instance-count",
        "--parts",
        "--name",
        "--image",
        "--role",
        *AWS,
        "--dry-run",
        "--max-run",
        "--volume-size",
        *CLOUD,
    ],
    "data clean": ["DIRECTORY", "--from", "--output"],
    "data upload": ["DIRECTORY", "S3_ADDRESS", "--kms-key", "--dry-run", "--json", "--region", "--profile"],
    "train": ["DATA", "--train", "--validation", "--test", "--job-dir", "--verbose", "--json"]
    + ["--instance-type", "--name", "--instance-count", "--spot", "--image", "--role", "--region", "--aws-profile"]
    + ["--dry-run", "--no-wait", "--max-run", "--volume-size", *CLOUD]
    + ["--keep-alive", "--tensorboard", "--rule", "--price-per-hour"]
    + [f"--{row.name}" for row in HYPERPARAMETERS],
    "compare": ["DATA…", "--models", "--vary", "--comparison-dir", "--job", "--verbose", "--json"]
    + [
        "--instance-type",
        "--max-parallel",
        "--spot",
        "--name",
        "--image",
        *CLOUD,
        "--max-run",
        "--role",
        *AWS,
        "--dry-run",
    ]
    + [f"--{row.name}" for row in HYPERPARAMETERS if row.name not in ("model-type", "profile", "debug")],
    "tune": ["DATA", "--range", "--strategy", "--objective", "--max-jobs", "--max-parallel", "--early-stopping"]
    + [
        "--warm-start",
        "--transfer",
        "--study-dir",
        "--keep-models",
        "--verbose",
        "--wandb",
        "--report",
        "--json",
        "--output",
    ]
    + ["--instance-type", "--spot", "--name", "--image", *CLOUD, "--max-run", "--no-wait", "--role", *AWS]
    + ["--dry-run"]
    + [f"--{row.name}" for row in HYPERPARAMETERS if row.name not in ("wandb", "profile", "debug")],
    "serve": ["MODEL", "--port", "--host"],
    "predict": ["IMAGE…", "--url", "--endpoint", "--target-model", "--top", "--explain", "--json", *AWS],
    "deploy": [
        "MODEL",
        "--instance-type",
        "--name",
        "--instance-count",
        "--serverless",
        "--memory",
        "--max-concurrency",
        "--async",
        "--output",
        "--variant",
        "--multi-model",
        "--autoscale",
        "--invocations-per-minute",
        "--capture",
        "--update",
        "--rollout",
        "--alarm",
        "--no-wait",
        "--image",
        "--role",
        *CLOUD,
        "--port",
        "--shift",
        "--delete",
        "--json",
        *AWS,
        "--dry-run",
    ],
    "export": ["MODEL", "--format", "--int8", "--data"],
    "images": ["--json"],
    "stop": ["JOB", "--json", *AWS],
    "endpoints": ["--json", *AWS],
    "download": ["JOB|ENDPOINT", "--to", "--json", *AWS],
    "report": ["RECORDS", "--output", "--kind", "--pdf", *AWS],
    "debug": [
        "TRIAL",
        "--rule",
        "--parameter",
        "--start-step",
        "--end-step",
        "--follow",
        "--json",
        "--output",
        "--list",
        *AWS,
    ],
    "jobs": ["--kind", "--days", "--limit", "--json", "--region", "--profile"],
    "logs": ["JOB", "--endpoint", "--follow", "--lines", "--region", "--profile"],
    "transform": [
        "PICTURES",
        "--model",
        "--instance-type",
        "--instance-count",
        "--output",
        "--format",
        "--predictions",
        "--labels",
        "--name",
        "--json",
        *CLOUD,
        "--image",
        "--role",
        "--region",
        "--profile",
        "--dry-run",
    ],
    "clean": [
        "--endpoints",
        "--models",
        "--logs",
        "--outputs",
        "--stop-jobs",
        "--older-than",
        "--yes",
        "--dry-run",
        "--json",
        "--region",
        "--profile",
    ],
    "doctor": ["--instance-type", "--role", "--bucket", *AWS, "--json"],
    "init": ["--bucket", "--role-name", "--repository", "--yes", "--dry-run", "--json", *AWS],
    "completion": ["{bash|zsh|fish}"],
}


def _modules() -> list[str]:
    # The SDK of version 3 cannot be installed beside version 2.
    found = pkgutil.walk_packages(slipway.__path__, "slipway.")
    names = [module.name for module in found if not module.name.endswith("__main__")]
    return [name for name in names if not name.startswith("slipway.sdk3")]


def _commands(group: click.Group, prefix: str = "") -> dict[str, click.Command]:
    found: dict[str, click.Command] = {}
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        found |= _commands(command, f"{name} ") if isinstance(command, click.Group) else {prefix + name: command}
    return found


def test_no_module_imports_a_heavy_package():
    script = f"import sys, {', '.join(_modules())}; print(*sorted(set({HEAVY!r}) & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_help_waits_for_no_package_that_only_the_work_needs():
    slow = ("boto3", "botocore", "numpy", "PIL", "rich", "sagemaker")
    commands = [name for name in _modules() if name.endswith(".command") or name.startswith("slipway.options")]
    script = f"import sys, {', '.join(commands)}; print(*sorted(set({slow!r}) & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_a_command_imports_no_other_command():
    script = "import sys; from slipway.cli import main; sys.argv[1:] = ['jobs', '--help']; main()"
    end = "import atexit, sys; atexit.register(lambda: print(*[n for n in sys.modules if n.endswith('.command')]))"
    done = subprocess.run([sys.executable, "-c", f"{end}; {script}"], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].split() == ["slipway.jobs.command"]


def test_the_help_lists_all_commands(slipway):
    listed = slipway("--help").stdout.partition("Commands:")[2]
    assert {line.split()[0] for line in listed.splitlines() if line.startswith("  ")} >= {n.split()[0] for n in FLAGS}
    assert "  jobs        List jobs on SageMaker." in listed


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
