"""The parts of a comparison that need no training: variants, warnings, the table."""

import io
import json
import re
import struct
from dataclasses import replace

import pytest

from container.contract.errors import HyperparameterError
from container.contract.hyperparameters import TrainConfig
from slipway.compare import Result, compare, make_variants, parse_choices
from slipway.compare.result import Epoch, Tensors, read_result, read_tensors
from slipway.compare.table import rows
from slipway.errors import ComparisonError
from slipway.terminal.durations import duration


def result(name: str = "resnet18", **changes: object) -> Result:
    losses = ((1, 0.9, 0.8, 71.0), (2, 0.5, 0.4, 88.0), (3, 0.3, 0.5, 87.0))
    made = Result(
        name=name,
        job=f"jobs/{name}",
        place="cpu, 2 CPUs",
        settings=TrainConfig(model_type=name).to_strings(),
        pictures={"train": 100, "validation": 10, "test": 10, "unreadable": 0},
        classes=("cat", "dog"),
        versions={"torch": "2.9.0"},
        epochs=tuple(
            Epoch(epoch=number, train_loss=train, eval_loss=loss, eval_accuracy=accuracy, train_s=4.0 * number)
            for number, train, loss, accuracy in losses
        ),
        best_epoch=2,
        test_accuracy=90.0,
        test_loss=0.35,
        tensors=Tensors(parameters=11_200_000, file_bytes=44_800_000),
    )
    return replace(made, **changes)


def test_variants_are_every_combination_in_the_order_given():
    variants = make_variants({"model-type": ["resnet18", "resnet34"], "batch-size": ["8", "16"]}, {"epochs": "3"})
    assert [variant.name for variant in variants] == [
        "resnet18, batch-size 8", "resnet18, batch-size 16", "resnet34, batch-size 8", "resnet34, batch-size 16",
    ]  # fmt: skip
    assert variants[0].hyperparameters == {"epochs": "3", "model-type": "resnet18", "batch-size": "8"}
    assert variants[3].slug == "resnet34-batch-size-16"


def test_spaces_and_empty_values_do_not_count():
    assert parse_choices("seed = 1, 2,") == ("seed", ("1", "2"))


def test_values_are_checked_before_anything_runs():
    with pytest.raises(HyperparameterError, match="batch-size is '-1'; it must be a whole number"):
        make_variants({"batch-size": ["8", "-1"]}, {})


def test_equal_jobs_have_no_warnings_and_share_their_settings():
    comparison = compare([result("resnet18"), result("resnet34")])
    assert comparison.warnings == ()
    assert comparison.shared["batch-size"] == "64"
    assert "model-type" not in comparison.shared


@pytest.mark.parametrize(
    ("changes", "warning"),
    [
        (
            {"settings": TrainConfig(model_type="resnet34", epochs=3).to_strings()},
            "epochs differs: 20 in resnet18; 3 in",
        ),
        ({"pictures": {"train": 90}}, "The data differs: pictures in train are 100 in resnet18; 90 in resnet34"),
        ({"classes": ("cat", "cow")}, r"The data differs: the classes are not the same ones \(2 in resnet18; 2 in"),
        ({"versions": {"torch": "2.8.0"}}, "The version of torch differs: 2.9.0 in resnet18; 2.8.0 in resnet34"),
        ({"versions": {}}, "The version of torch differs: 2.9.0 in resnet18; none in resnet34"),
        ({"place": "cuda (T4)"}, "Times cannot be compared, .*: cpu, 2 CPUs in resnet18; cuda"),
        ({"test_accuracy": None}, "resnet34 was stopped before its test"),
    ],
)
def test_what_makes_a_comparison_unfair_is_said(changes, warning):
    warnings = compare([result("resnet18"), result("resnet34", **changes)]).warnings
    assert any(re.match(warning, text) for text in warnings), warnings


def test_what_does_not_change_the_result_is_no_warning():
    other = TrainConfig(model_type="resnet34", num_workers=3).to_strings()
    assert compare([result("resnet18"), result("resnet34", settings=other)]).warnings == ()


def test_jobs_of_one_architecture_are_told_apart_by_their_folders():
    comparison = compare([result(job="jobs/first"), result(job="jobs/second")])
    assert [one.name for one in comparison.results] == ["first", "second"]


def test_the_best_is_the_most_accurate_of_those_that_were_tested():
    untested = result("resnet34", test_accuracy=None)
    assert compare([untested]).best is None
    best = compare([untested, result("resnet50", test_accuracy=80.0), result("resnet18")]).best
    assert best is not None
    assert best.name == "resnet18"


def test_figures_come_from_the_best_epoch_and_speed_from_the_median_one():
    one = result()
    assert (one.best.eval_accuracy, one.best.eval_loss) == (88.0, 0.4)
    assert one.training_s == 24.0
    assert one.pictures_per_s == 100 / 8


def test_a_linear_probe_counts_for_the_speed_only_where_no_epoch_follows():
    probe = Epoch(epoch=0, train_loss=0.9, eval_loss=0.8, eval_accuracy=71.0, train_s=50.0)
    assert result(epochs=(probe, *result().epochs)).pictures_per_s == 100 / 8
    assert result(epochs=(probe,), best_epoch=0).pictures_per_s == 100 / 50


def test_the_table_has_a_row_for_each_result():
    _, found = rows([result(), result("resnet152", test_accuracy=None)])
    assert found[0] == (
        "resnet18", "90.00 %", "88.00 %", "0.4000", "2 of 3", "11.2 M", "44.8 MB", "24.0 s", "12.5",
    )  # fmt: skip
    assert "not tested" in found[1]


def test_billable_time_is_a_column_where_jobs_were_billed():
    titles, found = rows([result(billable_s=3600.0)])
    assert titles[-1] == "billable time"
    assert found[0][-1] == "1 h 00 min"


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (59.9, "59.9 s"), (245, "4 min 05 s"), (7800, "2 h 10 min")]
)
def test_durations_are_short(seconds, text):
    assert duration(seconds) == text


def test_only_what_is_learnt_counts_as_a_parameter():
    header = json.dumps(
        {
            "__metadata__": {"format": "pt"},
            "conv1.weight": {"dtype": "F32", "shape": [64, 3, 7, 7], "data_offsets": [0, 37632]},
            "bn1.running_mean": {"dtype": "F32", "shape": [64], "data_offsets": [37632, 37888]},
            "bn1.num_batches_tracked": {"dtype": "I64", "shape": [], "data_offsets": [37888, 37896]},
        }
    ).encode()
    tensors = read_tensors(io.BytesIO(struct.pack("<Q", len(header)) + header), 40_000)
    assert tensors == Tensors(parameters=64 * 3 * 7 * 7, file_bytes=40_000)


CARD = {
    "architecture": "resnet18",
    "classes": ["cat", "dog"],
    "training": {
        "hyperparameters": {},
        "pictures": {"train": 10},
        "versions": {},
        "evaluation": {"epoch": 1},
    },
}
EPOCH = {"epoch": 1, "train_loss": 1.0, "eval_loss": 1.0, "eval_accuracy": 50.0, "train_seconds": 2.0}


def read(card: dict[str, object], metrics: list[dict[str, object]]) -> Result:
    return read_result(
        job="jobs/first", place="cpu", card=card, metrics=metrics, tensors=Tensors(parameters=1, file_bytes=4)
    )


def test_a_job_that_was_stopped_before_its_test_has_the_figures_of_its_epochs():
    found = read(CARD, [EPOCH])
    assert (found.test_accuracy, found.best_epoch, found.pictures_per_s) == (None, 1, 5.0)


def test_a_job_without_an_epoch_has_nothing_to_compare():
    with pytest.raises(ComparisonError, match="jobs/first was stopped before its first epoch had ended"):
        read(CARD, [])


def test_a_model_of_another_program_is_named():
    with pytest.raises(ComparisonError, match=r"jobs/first holds a model that Slipway did not train .*'training'"):
        read({"architecture": "resnet18"}, [EPOCH])
