"""What the hook saves around optimizers: their state, gradients that they unscale themselves, frozen parameters."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.optimizer import _global_optimizer_pre_hooks

from container.train.debugger.api.smdebug import pytorch as smd
from tests.train.debugger.trial_reader import read


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))


def step(model: nn.Module) -> torch.Tensor:
    loss: torch.Tensor = nn.functional.cross_entropy(model(torch.randn(5, 4)), torch.tensor([0, 1, 0, 1, 1]))
    return loss


def new_hook(directory: Path, *collections: str) -> smd.Hook:
    hook = smd.Hook(directory, save_config=smd.SaveConfig(save_interval=1), include_collections=collections)
    hook.set_mode(smd.modes.TRAIN)
    return hook


@pytest.mark.parametrize(
    ("optimizer_class", "options", "state"),
    [
        (torch.optim.AdamW, {"lr": 0.1}, {"exp_avg", "exp_avg_sq", "step"}),
        (torch.optim.SGD, {"lr": 0.1, "momentum": 0.9}, {"momentum_buffer"}),
    ],
)
def test_the_state_of_an_optimizer_is_that_before_its_step(
    tmp_path: Path, optimizer_class: type[torch.optim.Optimizer], options: dict[str, float], state: set[str]
):
    model = network()
    optimizer = optimizer_class(model.parameters(), **options)  # type: ignore[call-arg]
    hook = new_hook(tmp_path, "optimizer_variables")
    hook.register_module(model)
    expected: dict[str, Any] = {}
    for number in range(3):
        optimizer.zero_grad()
        step(model).backward()
        for name, parameter in model.named_parameters():
            for key, value in optimizer.state[parameter].items():
                expected[f"TRAIN {number} optimizer/{key}/Sequential_{name}"] = value.tolist()
        optimizer.step()
    hook.close()
    found = {key: saved.value for key, saved in read(tmp_path).items()}
    assert {key.split("/")[1] for key in found} == state
    assert found == expected
    assert not any(key.startswith("TRAIN 0") for key in found), "there is none before the first step"


def test_a_fused_optimizer_s_gradients_are_saved_unscaled(tmp_path: Path):
    """GradScaler leaves the unscaling to it: the gradients are still scaled where it begins."""
    model, alike = network(), network()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1, fused=True)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024)
    hook = new_hook(tmp_path, "gradients")
    hook.register_module(model)
    expected: dict[str, Any] = {}
    for number in range(3):
        alike.load_state_dict(model.state_dict())
        inputs, targets = torch.randn(5, 4), torch.tensor([0, 1, 0, 1, 1])
        of_step = torch.autograd.grad(nn.functional.cross_entropy(alike(inputs), targets), list(alike.parameters()))
        for (name, _), gradient in zip(alike.named_parameters(), of_step, strict=True):
            expected[f"TRAIN {number} gradient/Sequential_{name}"] = gradient.tolist()
        optimizer.zero_grad()
        scaler.scale(nn.functional.cross_entropy(model(inputs), targets)).backward()
        scaled = model[2].bias.grad
        assert isinstance(scaled, torch.Tensor)
        assert scaled.tolist() == [1024 * value for value in expected[f"TRAIN {number} gradient/Sequential_2.bias"]]
        scaler.step(optimizer)
        scaler.update()
    hook.close()
    assert {key: saved.value for key, saved in read(tmp_path).items()} == expected


def test_frozen_parameters_have_weights_and_no_gradients(tmp_path: Path):
    model = network()
    model[0].requires_grad_(False)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    hook = new_hook(tmp_path, "weights", "gradients")
    hook.register_module(model)
    for number in range(2):
        if number == 1:
            model[0].requires_grad_(True)
        optimizer.zero_grad()
        step(model).backward()
        optimizer.step()
    hook.close()
    gradients = {f"TRAIN 0 gradient/Sequential_2.{kind}" for kind in ("weight", "bias")}
    gradients |= {f"TRAIN 1 gradient/Sequential_{layer}.{kind}" for layer in (0, 2) for kind in ("weight", "bias")}
    weights = {f"TRAIN {number} Sequential_{layer}.weight" for number in (0, 1) for layer in (0, 2)}
    assert set(read(tmp_path)) == gradients | weights


def test_a_hook_that_is_switched_off_leaves_no_trace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("USE_SMDEBUG", "0")
    model, criterion = network(), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    of_all_optimizers = dict(_global_optimizer_pre_hooks)
    hook = new_hook(tmp_path / "trial", "weights", "gradients")
    hook.register_hook(model)
    hook.register_loss(criterion)
    hook.save_scalar("number", 1)
    hook.save_tensor("tensor", torch.ones(2))
    step(model).backward()
    optimizer.step()
    for module in (*model.modules(), criterion):
        assert not module._forward_pre_hooks
        assert not module._forward_hooks
    assert dict(_global_optimizer_pre_hooks) == of_all_optimizers
    assert smd.get_hook(create_if_not_exists=True) is None
    hook.close()
    assert not (tmp_path / "trial").exists()


def test_a_network_registered_twice_takes_each_step_once(tmp_path: Path):
    model = network()
    hook = new_hook(tmp_path, "weights")
    hook.register_module(model)
    hook.register_hook(model)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    for _ in range(2):
        step(model).backward()
        optimizer.step()
        optimizer.zero_grad()
    hook.close()
    assert {saved.step for saved in read(tmp_path).values()} == {0, 1}


def test_a_closed_hook_leaves_the_network_as_it_was(tmp_path: Path):
    model = network()
    of_all_optimizers = dict(_global_optimizer_pre_hooks)
    hook = new_hook(tmp_path, "default")
    hook.get_collection("default").include("output")
    hook.register_module(model)
    step(model)
    assert any(module._forward_hooks for module in model.modules())
    hook.close()
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert dict(_global_optimizer_pre_hooks) == of_all_optimizers


def test_the_hook_of_a_process_is_the_one_made_last(tmp_path: Path):
    hook = smd.Hook(tmp_path)
    try:
        assert smd.get_hook() is hook
    finally:
        smd.del_hook()
    assert smd.get_hook() is None
