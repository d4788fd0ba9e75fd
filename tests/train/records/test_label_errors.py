"""Probable label errors: found by confident learning, listed, and kept as thumbnails."""

import csv
import json
from pathlib import Path

import numpy as np
import torch

from container.confident_learning import find_label_errors
from container.report.training_record import _read_pictures
from container.train.data.channels import Sample
from container.train.launch.distributed import World
from container.train.launch.hosts import Rank
from container.train.records.label_errors import Predicted, write_label_errors
from container.train.records.logits import Logits
from tests.conftest import picture

CLASSES = ("blue", "green", "red")


def test_a_class_has_a_threshold_of_its_own():
    """Class 1 is predicted with little confidence, so that less of it is enough than of class 0."""
    probabilities = np.array([[0.9, 0.1], [0.95, 0.05], [0.4, 0.6], [0.45, 0.55], [0.42, 0.58], [0.3, 0.7], [0.7, 0.3]])
    labels = np.array([0, 0, 1, 1, 1, 0, 1])
    found = find_label_errors(probabilities, labels)
    # The last is below the 0.72 that pictures labelled 0 have in the mean.
    assert found.indices.tolist() == [5]
    assert found.suggested.tolist() == [1]
    assert found.margins.tolist() == [0.7 - 0.3]
    assert find_label_errors(probabilities, labels, share=0.9).indices.tolist() == [5, 6]


def test_planted_errors_are_found_in_both_splits_and_shown(tmp_path: Path):
    generator = np.random.default_rng(0)
    splits = []
    for split, wrong in (("validation", 3), ("test", 7)):
        samples = []
        for index in range(30):
            path = tmp_path / split / CLASSES[index % 3] / f"{index}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture(CLASSES[index % 3], (200, 40, 40), size=40).save(path)
            samples.append(Sample(path, index % 3))
        targets = np.array([sample.target for sample in samples])
        logits = generator.normal(0, 0.3, (30, 3)) + 4 * np.eye(3)[targets]
        logits[wrong] = 4 * np.eye(3)[(targets[wrong] + 1) % 3]
        splits.append(Predicted(split, logits, targets, samples))
    (tmp_path / "output").mkdir()
    write_label_errors(tmp_path / "output", splits, CLASSES)
    with (tmp_path / "output" / "label_errors.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert {(row["split"], Path(row["path"]).name, row["label"], row["suggestion"]) for row in rows} == {
        ("validation", "3.png", "blue", "green"),
        ("test", "7.png", "green", "red"),
    }
    shown = json.loads((tmp_path / "output" / "label-errors" / "label-errors.json").read_text())["label-errors"]
    assert [(entry["true"], entry["predicted"]) for entry in shown] == [
        (row["label"], row["suggestion"]) for row in rows
    ]
    assert len(_read_pictures(tmp_path / "output" / "label-errors")) == 2


def test_where_nothing_is_wrong_the_list_is_empty(tmp_path: Path):
    targets = np.arange(30) % 3
    samples = [Sample(tmp_path / f"{index}.png", int(target)) for index, target in enumerate(targets)]
    write_label_errors(tmp_path, [Predicted("test", 5 * np.eye(3)[targets], targets, samples)], CLASSES)
    assert (tmp_path / "label_errors.csv").read_text() == "split,path,label,suggestion,margin\n"
    assert not (tmp_path / "label-errors").exists()


def test_places_are_those_of_the_pictures_that_are_kept():
    kept = Logits(pictures=10, classes=2)
    for part in torch.arange(10).split(4):
        kept.observe(part[:, None].float().expand(-1, 2), part)
    assert kept.places(World(Rank())).tolist() == kept.gather(World(Rank()))[1].tolist() == list(range(10))
