"""`serve`: the supervisor's command.

    python -m container.serve.supervisor            serve the model in SAGEMAKER_BASE_DIR/model
    python -m container.serve.supervisor --check    load it, make one prediction, and describe it

After SIGTERM or SIGINT, accepted requests are answered and everything is stopped; a second signal stops at once.
"""

import os

from container.first_process import exit_on_signals

if os.getpid() == 1:
    exit_on_signals()  # before the other imports, which are slow

import argparse
import sys

from container.contract.errors import UserError
from container.serve.settings import logs, output
from container.serve.settings.config import ServeConfig
from container.serve.settings.variables import VARIABLES
from container.serve.supervisor import checks
from container.serve.supervisor.supervisor import serve


def main() -> None:
    """Run the `serve` command."""
    arguments = _parser().parse_args()
    try:
        config = ServeConfig.from_environment()
        logs.configure(config.log_level, form=config.log_format)
        checks.warn_of_unknown_settings()
        if arguments.check:
            # Only here: it imports torch.
            from container.serve.model_check import check

            sys.stdout.write(check(config))
            return
        code = serve(config)
        output.flush_quietly()
        sys.exit(code)
    except UserError as error:
        output.flush_quietly()
        sys.stderr.write(f"serve: {error}\n")
        sys.exit(1)


def _parser() -> argparse.ArgumentParser:
    table = "\n".join(f"  {variable.names[0]} ({variable.default})" for variable in VARIABLES)
    parser = argparse.ArgumentParser(
        prog="serve",
        description="Serve the model in SAGEMAKER_BASE_DIR/model: GET /ping, POST /invocations.",
        epilog=f"Settings are environment variables (default in brackets), explained in docs/serving.md:\n{table}\n\n"
        "example: SAGEMAKER_BASE_DIR=job SAGEMAKER_BIND_TO_PORT=8081 serve",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="load the model, make one prediction, describe the model, and exit with 0 or 1",
    )
    return parser


if __name__ == "__main__":
    main()
