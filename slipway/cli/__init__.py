"""The `slipway` command: parses arguments, calls the host side's functions, prints what happened.

An error that the user can fix is one paragraph on the standard error; slipway/options/exit_codes.py has the exit codes.
"""

import atexit
import gc
import signal
import sys
from types import FrameType

import click

from container.contract.errors import UserError
from slipway.cli.lazy_group import LazyGroup
from slipway.errors import SettingsFileError
from slipway.options.defaults import defaults_from_file
from slipway.options.exit_codes import ExitCode, exit_code
from slipway.terminal.console import colour, complain

_COMMANDS = {
    "data": "Write sample data, explore your own, or upload it to S3.",
    "train": "Fine-tune a ResNet on your pictures.",
    "serve": "Serve a model over HTTP.",
    "predict": "Classify pictures with a running server or an endpoint.",
    "deploy": "Deploy a model to an endpoint.",
    "export": "Export a model: ONNX, OpenVINO, TorchScript, INT8.",
    "images": "List the pushed images.",
    "compare": "Train several models under equal conditions, and compare them.",
    "report": "Write a job's profiler and training reports again.",
    "debug": "Find training problems in a job's saved tensors.",
    "jobs": "List jobs on SageMaker.",
    "logs": "Show the log of a job or an endpoint on SageMaker.",
    "stop": "Stop a job on SageMaker.",
    "endpoints": "List endpoints on SageMaker.",
    "download": "Download the model and the outputs of a job.",
    "tune": "Tune hyperparameters.",
    "transform": "Batch transform: predict many pictures at once.",
    "clean": "Delete what Slipway left on AWS.",
    "doctor": "Say what is here and what is missing.",
    "init": "Create bucket, role and slipway.toml.",
    "completion": "Print a completion script for your shell.",
}
"""Help in one line for each command; the command is in slipway/NAME/command.py."""


@click.group(
    cls=LazyGroup,
    commands_in="slipway",
    short_helps=_COMMANDS,
    context_settings={"help_option_names": ["-h", "--help"], "auto_envvar_prefix": "SLIPWAY", "color": colour()},
    epilog="Example, from nothing to a prediction:\n\n\b\n"
    "  slipway data sample digits\n"
    "  slipway train digits --job-dir digits-job --weights none --image-size 32 --augmentation light \\\n"
    "    --opt-learning-rate 1e-3\n"
    "  slipway serve digits-job\n"
    "  slipway predict digits/test/seven/*.png",
)
@click.version_option(package_name="slipway")
@click.pass_context
def cli(context: click.Context) -> None:
    """Train, tune, serve and query an image classifier: on this machine, in Docker, and on Amazon SageMaker.

    Every option can also be set by an environment variable (SLIPWAY_TRAIN_EPOCHS for train's --epochs) or in
    slipway.toml; see docs/sagemaker.md.
    """
    try:
        context.default_map = defaults_from_file(context)
    except SettingsFileError:
        # Which says what is wrong with the file, beside the rest.
        if context.invoked_subcommand != "doctor":
            raise


def main() -> None:
    """Run the command; the console entry point."""
    # By default the collector looks at every object again and again while botocore's descriptions are read, and once
    # more at the end: a quarter of a dry run's time.
    gc.set_threshold(50_000)
    atexit.register(gc.freeze)
    # Unwind as Ctrl-C does, so that scratch folders are removed and the terminal's cursor is restored.
    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):  # Windows has no SIGHUP
            signal.signal(getattr(signal, name), _exit)
    try:
        code = cli.main(prog_name="slipway", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        code = error.exit_code
    except click.Abort as abort:
        # A prompt without an answer, because the standard input has ended, is no interruption.
        unanswered = isinstance(abort.__context__, EOFError)
        complain("no answer; nothing was changed" if unanswered else "interrupted")
        code = ExitCode.MENDABLE if unanswered else ExitCode.INTERRUPTED
    except UserError as error:
        complain(str(error))
        code = exit_code(error)
    sys.exit(code if isinstance(code, int) else ExitCode.DONE)


def _exit(number: int, _frame: FrameType | None) -> None:
    sys.exit(128 + number)
