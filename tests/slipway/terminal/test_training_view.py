"""What a running job shows, on a terminal and elsewhere."""

import io

from rich.console import Console

from container.contract.hyperparameters import TrainConfig
from container.train.loop.budget import Costs, describe
from slipway.terminal.training_view import BarView, LineView

LINES = (
    "weights=none: resnet18 starts from random weights",
    "skipped: the picture a.jpg is empty (0 bytes)",
    "Train Epoch: 1 [8/16 (50%)], Loss: 1.500000",
    "Train Epoch: 1 [16/16 (100%)], Loss: 1.250000",
    "EVAL: Average loss: 0.7500, Accuracy: 3/4 (75.00%)",
    "TEST: Average loss: 0.5000, Accuracy: 4/4 (100.00%)",
)


def _line_view(*, verbose: bool) -> str:
    file = io.StringIO()
    with LineView(Console(file=file, highlight=False, soft_wrap=True), 2, verbose=verbose) as view:
        for line in LINES:
            view.show(line)
    return file.getvalue()


def test_plain_lines_are_the_notes_and_one_for_each_epoch():
    assert _line_view(verbose=False).splitlines() == [
        LINES[0],
        "epoch 1/2  loss 1.2500  evaluation loss 0.7500  accuracy 75.00 %",
    ]


def test_with_a_budget_the_epochs_are_those_that_it_has_time_for():
    file = io.StringIO()
    view = LineView(Console(file=file, highlight=False, soft_wrap=True), 20, verbose=False)
    view.show(describe(TrainConfig(epochs=9, probe="first"), Costs(train=0.012, read=0.001, ending=5), 571))
    view.show("EVAL: Average loss: 0.9000, Accuracy: 2/4 (50.00%)")
    for epoch in (1, 2):
        view.show(f"Train Epoch: {epoch} [16/16 (100%)], Loss: 1.250000")
        view.show(LINES[4])
        view.show("budget: there is time for 2 epochs in all")
    lines = [line.partition("  ")[0] for line in file.getvalue().splitlines()]
    assert [line for line in lines if "budget" not in line] == ["linear probe", "epoch 1/9", "epoch 2/2"]
    view.show(describe(TrainConfig(probe="only"), Costs(train=0.012, read=0.001, ending=5), 571))
    assert view.epochs == 0


def test_verbose_lines_are_the_jobs_own():
    assert _line_view(verbose=True).splitlines() == list(LINES)


def test_a_failure_is_left_to_the_command():
    file = io.StringIO()
    view = LineView(Console(file=file), 2, verbose=False)
    for line in ("train: no pictures", "Traceback (most recent call last):", "ValueError"):
        view.show(line)
    assert file.getvalue() == ""


def test_square_brackets_are_no_markup():
    file = io.StringIO()
    LineView(Console(file=file, soft_wrap=True), 2, verbose=True).show("[bold]x[/bold] [1/2]")
    assert file.getvalue() == "[bold]x[/bold] [1/2]\n"


def test_on_a_terminal_a_bar_has_the_loss_and_the_accuracy():
    file = io.StringIO()
    console = Console(file=file, force_terminal=True, width=120)
    with BarView(console, 2, verbose=False) as view:
        for line in LINES[:4]:
            view.show(line)
        view.bar.refresh()
        halfway = file.getvalue()
        view.show(LINES[4])
        view.show("Train Epoch: 2 [8/16 (50%)], Loss: 1.000000")
        view.bar.refresh()
        later = file.getvalue()[len(halfway) :]
    assert "epoch 1/2" in halfway
    assert "50%" in halfway
    assert "loss 1.2500" in halfway
    assert "75%" in later
    assert "accuracy 75.0 %" in later
