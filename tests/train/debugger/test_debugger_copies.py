"""What the debugger's hook copies: a tensor once a step, unless it has changed in between."""

from pathlib import Path

import torch
from torch import nn

from container.contract.paths import MlPaths
from container.train.debugger.configuration import parse
from container.train.debugger.hook import Hook
from container.train.debugger.modes import ModeKeys
from container.train.debugger.reserve import reserve
from container.train.debugger.snapshot import Camera, Snapshot, StepSnapshots
from tests.train.debugger.trial_reader import read


def taken(camera: Camera, tensor: torch.Tensor, step: StepSnapshots) -> Snapshot:
    wanted = Snapshot(name="x", shape=tuple(tensor.shape), save_shape=False, whole=None, save_whole=True, reductions=[])
    camera.take(tensor, None, wanted, step)
    return wanted


def test_what_one_module_puts_out_and_the_next_takes_in_is_copied_once():
    camera, step, tensor = Camera(board=False), StepSnapshots(step=0, mode=ModeKeys.TRAIN, mode_step=0), torch.ones(4)
    first, second = taken(camera, tensor, step), taken(camera, tensor, step)
    assert second.whole is first.whole
    assert step.bytes == 16
    assert step.bytes_to_write == 32


def test_what_was_changed_in_place_is_copied_again():
    camera, step, tensor = Camera(board=False), StepSnapshots(step=0, mode=ModeKeys.TRAIN, mode_step=0), torch.ones(4)
    before = taken(camera, tensor, step)
    after = taken(camera, tensor.add_(1), step)
    assert before.whole is not None
    assert after.whole is not None
    assert (before.whole.tolist(), after.whole.tolist()) == ([1] * 4, [2] * 4)


def test_tensors_without_a_version_are_copied_each_time():
    camera, step = Camera(board=False), StepSnapshots(step=0, mode=ModeKeys.EVAL, mode_step=0)
    with torch.inference_mode():
        tensor = torch.ones(4)
        before = taken(camera, tensor, step)
        after = taken(camera, tensor.add_(1), step)
    assert before.whole is not None
    assert after.whole is not None
    assert (before.whole.tolist(), after.whole.tolist()) == ([1] * 4, [2] * 4)


def test_activations_that_change_in_place_are_saved_as_they_were_step_after_step(tmp_path: Path):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 3), nn.ReLU(inplace=True), nn.Linear(3, 2))
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    settings = {"HookParameters": {"save_interval": "1", "include_regex": "_(input|output)_"}}
    paths = MlPaths(tmp_path)
    hook = Hook.from_settings(parse({**settings, "LocalPath": str(tmp_path / "trial")}, paths))
    hook.register_module(model)
    hook.set_mode(ModeKeys.TRAIN)
    expected: dict[str, object] = {}
    for step in range(3):
        inputs = torch.randn(5, 4)
        linear = nn.functional.linear(inputs, model[0].weight, model[0].bias)
        expected[f"TRAIN {step} 0_output_0"] = linear.tolist()
        for name in ("1_input_0", "1_output_0", "2_input_0"):
            expected[f"TRAIN {step} {name}"] = linear.relu().tolist()
        optimizer.zero_grad()
        model(inputs).sum().backward()
        optimizer.step()
    hook.close()
    found = read(tmp_path / "trial")
    assert {key: found[key].value for key in expected} == expected


def test_room_that_is_reserved_is_no_content(tmp_path: Path):
    path = tmp_path / "file"
    with path.open("wb") as file:
        reserve(file.fileno(), 2**20)
        file.write(b"content")
    assert path.read_bytes() == b"content"
