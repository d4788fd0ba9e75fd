"""The program that exports a model; `slipway export` starts it.

    python -m container.export DIR [--format onnx|openvino|torchscript] [--int8] [--data CHANNEL]

DIR is a model directory, CHANNEL a folder with a folder for each class or a manifest. Exit codes: 0 exported, 1 it
cannot be, 2 wrong usage.
"""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from container.channel import Channel, names, read_channel
from container.contract.errors import ExportError, UserError
from container.contract.model_files import CARD, GRAPH
from container.export.int8 import WANTED_PICTURES, check_pictures_suffice
from container.export.pictures import Pictures, read_pictures
from container.imports import uncollected
from container.model_card import ModelCard, read_card

FORMATS = ("onnx", "openvino", "torchscript")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the program; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m container.export", description="Export a model.")
    parser.add_argument("directory", type=Path, metavar="DIR", help="model directory")
    parser.add_argument("--format", choices=FORMATS, default="onnx", help="form of the graph; default: %(default)s")
    parser.add_argument("--int8", action="store_true", help="also quantise to 8 bits; needs --data")
    parser.add_argument("--data", type=Path, metavar="CHANNEL", help="validation pictures")
    options = parser.parse_args(arguments)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # `slipway export` passes Ctrl-C on as that
    try:
        _export(options.directory, options.format, options.data, int8=options.int8)
    except UserError as error:
        print(f"Error: {error}", file=sys.stderr)  # noqa: T201 - this is a program's output
        return 1
    except OSError as error:
        print(f"Error: {options.directory} cannot be written: {error.strerror or error}", file=sys.stderr)  # noqa: T201
        return 1
    except KeyboardInterrupt:
        return 130
    return 0


def _export(directory: Path, form: str, data: Path | None, *, int8: bool) -> None:
    if int8 and form == "torchscript":
        raise ExportError("TorchScript has no INT8 form here; leave --int8 out, or export onnx or openvino")
    if int8 and data is None:
        raise ExportError(
            "INT8 needs validation pictures to choose its ranges and to prove itself: name them with --data"
        )
    pictures = _pictures(directory, data) if data and form != "torchscript" else None
    if int8 and pictures:
        check_pictures_suffice(pictures.targets)
    # Only now: torch takes seconds to import, and what cannot be should fail at once.
    with uncollected():
        from container.export.export import export
        from container.export.formats import onnx_to_openvino, write_torchscript
    if form == "torchscript":
        _say(f"wrote {write_torchscript(directory)}")
        return
    card = export(directory, pictures, int8=int8, told=_say)
    if int8 and (failed := card.export.get("int8_failed")):
        raise ExportError(f"{failed}; {GRAPH} was written")
    if form == "openvino":
        _say(f"wrote {onnx_to_openvino(directory)}")


def _pictures(directory: Path, data: Path) -> Pictures:
    card = _card(directory)
    channel = read_channel("data", data)
    unknown = sorted(set(channel.classes) - set(card.classes))
    if unknown or not channel.classes:
        raise ExportError(
            f"{data} has no class of the model: it has {names(sorted(channel.classes)) or 'no class folders'}"
            if not set(channel.classes) & set(card.classes)
            else f"{data} has classes that the model does not know: {names(unknown)}"
        )
    for note in channel.notes:
        _say(note)
    return read_pictures(_listed(channel, card.classes), card.preprocessing, WANTED_PICTURES)


def _card(directory: Path) -> ModelCard:
    if (directory / CARD).is_file():
        return read_card(directory)
    with uncollected():
        from container.artifact import load
    return load(directory)[1]


def _listed(channel: Channel, classes: Sequence[str]) -> list[tuple[Path, int]]:
    index = {name: place for place, name in enumerate(classes)}
    return [(path, index[name]) for name, paths in channel.classes.items() for path in paths]


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - this is a program's output


if __name__ == "__main__":
    sys.exit(main())
