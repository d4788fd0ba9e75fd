"""The worst mistakes: the test pictures with the highest loss, found during the test and kept as thumbnails."""

import json
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path

import torch
from PIL import Image

from container.atomic_file import write_atomically
from container.contract.errors import PictureError
from container.folder import printable
from container.picture import read_picture
from container.train.data.channels import Sample

logger = logging.getLogger(__name__)

FOLDER = "mistakes"
MOST = 24
SIDE = 160
"""Longer side of a thumbnail, pixels, at most."""

Wrong = tuple[float, int, int, float, float]
"""Loss, index in the test split, predicted class, its probability, that of the true class."""


class WrongPictures:
    """Observes an evaluation. Nothing is copied off the device before its end."""

    def __init__(self) -> None:
        self._batches: list[torch.Tensor] = []

    def observe(self, logits: torch.Tensor, targets: torch.Tensor) -> None:
        """Keep what a batch's losses need: logits, float32 (N, classes), and targets, int64 (N,)."""
        logarithms = logits.double().log_softmax(1)
        best, predicted = logarithms.max(1)
        true = logarithms.gather(1, targets[:, None])[:, 0]
        self._batches.append(torch.stack([true, best, predicted.double(), targets.double()]))

    def predicted(self) -> list[int]:
        """List the predicted class of each picture, in the order seen."""
        return torch.cat(self._batches, 1)[2].int().tolist() if self._batches else []

    def worst(self, *, rank: int, size: int) -> list[Wrong]:
        """Find the mistakes with the highest loss, at most `MOST`.

        Args:
            rank: This process's rank: it was shown every `size`-th picture, from this index on.
            size: The number of processes that share the pictures.
        """
        if not self._batches:
            return []
        true, best, predicted, targets = torch.cat(self._batches, 1).cpu()
        wrong = (predicted != targets).nonzero()[:, 0]
        order = wrong[true[wrong].argsort()][:MOST].tolist()
        return [
            (
                -float(true[number]),
                number * size + rank,
                int(predicted[number]),
                float(best[number].exp()),
                float(true[number].exp()),
            )
            for number in order
        ]


def write_mistakes(
    directory: Path, found: Sequence[Sequence[Wrong]], samples: Sequence[Sample], classes: Sequence[str]
) -> None:
    """Write mistakes/mistakes.json and its thumbnails below the job's output data, if there are any. A failed write is
    a warning.

    Args:
        directory: The job's output data.
        found: The mistakes that each process found.
        samples: The test split.
        classes: Class names, in the order of the model's outputs.
    """
    worst = sorted((wrong for of_process in found for wrong in of_process), reverse=True)
    try:
        write_pictures(directory / FOLDER, [(wrong, samples[wrong[1]]) for wrong in worst], classes, "worst mistakes")
    except OSError as error:
        logger.warning("the worst mistakes cannot be kept: %s; the training report omits them", error)


def write_pictures(folder: Path, found: Sequence[tuple[Wrong, Sample]], classes: Sequence[str], what: str) -> None:
    """Write the first `MOST` pictures as thumbnails, and NAME/NAME.json about them, in place of an earlier job's.

    Args:
        folder: NAME is its own.
        found: Which, and what was predicted.
        classes: Class names, in the order of the model's outputs.
        what: What they are called in messages.

    Raises:
        OSError: They cannot be written.
    """
    shutil.rmtree(folder, ignore_errors=True)  # an earlier job's
    entries: list[dict[str, object]] = []
    for (loss, _, predicted, probability, probability_true), sample in found[:MOST]:
        name = f"{len(entries):03d}.jpg"
        try:
            picture = read_picture(sample.path, shrink_to=SIDE)
        except PictureError as error:
            logger.warning("left out of the %s: %s", what, error)
            continue
        folder.mkdir(parents=True, exist_ok=True)
        _save(picture, folder / name)
        entries.append(
            {
                "file": name,
                "path": f"{classes[sample.target]}/{printable(sample.path.name)}",
                "true": classes[sample.target],
                "predicted": classes[predicted],
                "probability": probability,
                "probability_true": probability_true,
                "loss": loss,
            }
        )
    if entries:
        text = json.dumps({"format_version": 1, folder.name: entries}, indent=2, ensure_ascii=False) + "\n"
        write_atomically(folder / f"{folder.name}.json", lambda path: path.write_text(text, encoding="utf-8"))


def _save(picture: Image.Image, path: Path) -> None:
    picture.thumbnail((SIDE, SIDE), Image.Resampling.BICUBIC)
    picture.save(path, "JPEG", quality=80)
