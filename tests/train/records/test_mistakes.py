"""The worst mistakes of a test: which they are, by one process or several, and what is kept of them."""

import json
import logging
from pathlib import Path

import pytest
import torch
from PIL import Image

from container.train.data.channels import Sample
from container.train.records.mistakes import MOST, SIDE, WrongPictures, write_mistakes
from tests.conftest import picture

CLASSES = ("blue", "green", "red")
COUNT = 100


@pytest.fixture(scope="module")
def scores() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    return torch.randn(COUNT, 3, generator=generator) * 3, torch.randint(0, 3, (COUNT,), generator=generator)


def test_the_worst_are_those_with_the_highest_loss_however_many_processes_share_them(
    scores: tuple[torch.Tensor, torch.Tensor],
):
    logits, targets = scores
    probabilities = logits.double().softmax(1)
    expected = sorted(
        (
            (-float(probabilities[index, target].log()), index, int(probabilities[index].argmax()))
            for index, target in enumerate(targets.tolist())
            if int(probabilities[index].argmax()) != target
        ),
        reverse=True,
    )[:MOST]
    assert len(expected) == MOST
    for size in (1, 3):
        found = []
        for rank in range(size):
            wrong = WrongPictures()
            for share_logits, share_targets in zip(
                logits[rank::size].split(16), targets[rank::size].split(16), strict=True
            ):
                wrong.observe(share_logits, share_targets)
            found += wrong.worst(rank=rank, size=size)
        worst = sorted(found, reverse=True)[:MOST]
        assert [(index, predicted) for _, index, predicted, _, _ in worst] == [entry[1:] for entry in expected]
        assert [loss for loss, *_ in worst] == pytest.approx([entry[0] for entry in expected])


def test_what_is_kept_can_be_shown(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    samples = []
    for index, name in enumerate(CLASSES):
        path = tmp_path / "test" / name / f"{index}.png"
        path.parent.mkdir(parents=True)
        picture(name, (200, 40, 40), size=400).save(path)
        samples.append(Sample(path, index))
    (tmp_path / "test" / "red" / "2.png").write_bytes(b"damaged since")
    found = [[(3.0, 0, 1, 0.9, 0.05)], [(4.0, 1, 2, 0.97, 0.02), (2.0, 2, 0, 0.6, 0.1)]]
    with caplog.at_level(logging.WARNING):
        write_mistakes(tmp_path, found, samples, CLASSES)
    assert "left out of the worst mistakes" in caplog.text
    entries = json.loads((tmp_path / "mistakes" / "mistakes.json").read_text())["mistakes"]
    assert [(entry["true"], entry["predicted"], entry["path"]) for entry in entries] == [
        ("green", "red", "green/1.png"),
        ("blue", "green", "blue/0.png"),
    ]
    with Image.open(tmp_path / "mistakes" / entries[0]["file"]) as kept:
        assert (kept.format, kept.size) == ("JPEG", (SIDE, SIDE))


def test_a_directory_that_cannot_be_written_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    picture("one", (200, 40, 40)).save(tmp_path / "one.png")
    with caplog.at_level(logging.WARNING):
        write_mistakes(Path("/proc"), [[(3.0, 0, 1, 0.9, 0.05)]], [Sample(tmp_path / "one.png", 0)], CLASSES)
    assert "the worst mistakes cannot be kept" in caplog.text


def test_no_mistakes_leave_nothing(tmp_path: Path):
    (tmp_path / "mistakes").mkdir()  # an earlier job's
    write_mistakes(tmp_path, [[]], [], CLASSES)
    assert list(tmp_path.iterdir()) == []
