"""The `slipway` command: parses arguments, calls the host side's functions, prints what happened.

An error that the user can fix is one paragraph on the standard error; slipway/exit_codes.py has the exit codes.
"""

import signal
import sys
from types import FrameType

import click

from container.contract.errors import UserError
from slipway.cli.clean import clean
from slipway.cli.compare import compare
from slipway.cli.completion import completion
from slipway.cli.console import colour, complain
from slipway.cli.data import data
from slipway.cli.debug import debug
from slipway.cli.defaults import defaults_from_file
from slipway.cli.deploy import deploy
from slipway.cli.doctor import doctor
from slipway.cli.download import download
from slipway.cli.endpoints import endpoints
from slipway.cli.export import export
from slipway.cli.images import images
from slipway.cli.init import init
from slipway.cli.jobs import jobs
from slipway.cli.logs import logs
from slipway.cli.predict import predict
from slipway.cli.report import report
from slipway.cli.serve import serve
from slipway.cli.stop import stop
from slipway.cli.train import train
from slipway.cli.transform import transform
from slipway.cli.tune import tune
from slipway.errors import SettingsFileError
from slipway.exit_codes import ExitCode, exit_code


@click.group(
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
        context.default_map = defaults_from_file(cli)
    except SettingsFileError:
        # Which says what is wrong with the file, beside the rest.
        if context.invoked_subcommand != doctor.name:
            raise


for command in (
    data,
    train,
    serve,
    predict,
    deploy,
    export,
    images,
    compare,
    report,
    debug,
    jobs,
    logs,
    stop,
    endpoints,
    download,
    tune,
    transform,
    clean,
    doctor,
    init,
    completion,
):
    cli.add_command(command)


def main() -> None:
    """Run the command; the console entry point."""
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
