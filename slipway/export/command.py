"""`slipway export`: makes the graphs of a trained model."""

import sys
from pathlib import Path

import click

from slipway.terminal.console import say


@click.command(
    epilog="\b\nExample:\n"
    "  slipway export dogs-job --int8 --data dogs\n"
    "  slipway export dogs-job/output/model.tar.gz --format openvino",
)
@click.argument("model", type=click.Path(path_type=Path))
@click.option(
    "--format",
    "form",
    type=click.Choice(["onnx", "openvino", "torchscript"]),
    default="onnx",
    show_default=True,
    help="Form of the graph; model.onnx is made with openvino too.",
)
@click.option(
    "--int8", is_flag=True, help="Also quantise to 8 bits, for CPUs, if the answers stay right; needs --data."
)
@click.option(
    "--data",
    metavar="FOLDER",
    type=click.Path(path_type=Path),
    help="Pictures to compare and quantise with: a data folder, whose validation split is used, or class folders.",
)
def export(model: Path, form: str, int8: bool, data: Path | None) -> None:
    """Export MODEL, a job directory, a model directory or a model.tar.gz, for servers without torch and other programs.

    model.onnx has one input, pixels: uint8 (N, size, size, 3), and one output, the logits. It is compared with torch
    before it is kept. An archive is packed again with what was made. Training does this by itself at its end, with the
    hyperparameter int8 also for 8 bits.
    """
    from slipway.processes.exporting import export_model, validation_folder

    pictures = validation_folder(data) if data else None
    code, where = export_model(model, form=form, int8=int8, pictures=pictures)
    if code == 0:
        say(f"The model is in {where}")
        say(f"Next: slipway serve {model}")
    sys.exit(code)
