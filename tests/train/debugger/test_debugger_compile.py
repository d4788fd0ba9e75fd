"""Networks under torch.compile: steps that save what modules put out run eagerly, all others as one graph."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from container.train.debugger.hook import Hook
from container.train.debugger.modes import ModeKeys
from container.train.debugger.save_config import SaveConfig
from tests.train.debugger.trial_reader import read


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.body, self.relu, self.head = nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2)

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        output: torch.Tensor = self.head(self.relu(self.body(inputs)))
        return output


class Backend:
    """Counts its graphs, and how often they run."""

    def __init__(self) -> None:
        self.graphs = self.runs = 0

    def __call__(self, graph: torch.fx.GraphModule, _inputs: object) -> Callable[..., Any]:
        self.graphs += 1

        def run(*inputs: Any) -> Any:
            self.runs += 1
            return graph.forward(*inputs)

        return run


def compiled_around(model: nn.Module, backend: Backend) -> nn.Module:
    return torch.compile(model, backend=backend)  # type: ignore[return-value]


def compiled_in_place(model: nn.Module, backend: Backend) -> nn.Module:
    model.compile(backend=backend)
    return model


@pytest.fixture
def hook(tmp_path: Path) -> Hook:
    """Saves losses of each step, gradients and a module's outputs of every second."""
    torch._dynamo.reset()
    torch.manual_seed(0)
    hook = Hook(
        tmp_path / "trial",
        save_config=SaveConfig(save_interval=2),
        include_collections=["gradients"],
        include_regex=["^relu_output"],
    )
    hook.get_collection("losses").save_config = SaveConfig(save_interval=1)
    return hook


def steps(network: nn.Module, model: Net, hook: Hook, backend: Backend) -> tuple[dict[str, Any], dict[str, int]]:
    """Five of training and four of evaluation: what must have been saved of them, and how often each ran the graph."""
    criterion = nn.CrossEntropyLoss()
    hook.register_loss(criterion)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    expected: dict[str, Any] = {}
    runs: dict[str, int] = {}
    for mode, count in ((ModeKeys.TRAIN, 5), (ModeKeys.EVAL, 4)):
        hook.set_mode(mode)
        for step in range(count):
            inputs, targets = torch.randn(5, 4), torch.tensor([0, 1, 0, 1, 1])
            relu = nn.functional.linear(inputs, model.body.weight, model.body.bias).relu()
            before = backend.runs
            with torch.set_grad_enabled(mode is ModeKeys.TRAIN):
                loss = criterion(network(inputs), targets)
            runs[f"{mode.name} {step}"] = backend.runs - before
            expected[f"{mode.name} {step} CrossEntropyLoss_output_0"] = loss.item()
            if step % 2 == 0:
                expected[f"{mode.name} {step} relu_output_0"] = relu.tolist()
            if mode is ModeKeys.TRAIN:
                optimizer.zero_grad()
                loss.backward()
                if step % 2 == 0:
                    assert model.head.bias.grad is not None
                    expected[f"TRAIN {step} gradient/Net_head.bias"] = model.head.bias.grad.tolist()
                optimizer.step()
    hook.close()
    return expected, runs


@pytest.mark.parametrize("compiled", [compiled_around, compiled_in_place])
def test_only_steps_that_save_outputs_run_eagerly(
    tmp_path: Path, hook: Hook, compiled: Callable[[nn.Module, Backend], nn.Module]
):
    model, backend = Net(), Backend()
    network = compiled(model, backend)
    hook.register_module(network)
    expected, runs = steps(network, model, hook, backend)
    assert runs == {step: int(step.split()[1]) % 2 for step in runs}
    assert backend.graphs == 2  # with gradients and without
    network(torch.randn(5, 4))
    assert backend.runs == sum(runs.values()) + 1, "it stays eager after the last step"
    found = read(tmp_path / "trial")
    assert {key: found[key].value for key in expected} == expected
    assert {key for key in found if "gradient/" not in key} == {key for key in expected if "gradient/" not in key}


def test_a_network_compiled_after_it_was_registered_saves_all_but_outputs(
    tmp_path: Path, hook: Hook, caplog: pytest.LogCaptureFixture
):
    model, backend = Net(), Backend()
    hook.register_module(model)
    expected, runs = steps(compiled_around(model, backend), model, hook, backend)
    assert set(runs.values()) == {1}
    assert caplog.text.count("pass register_module what torch.compile returned") == 1
    found = read(tmp_path / "trial")
    without_outputs = {key: value for key, value in expected.items() if "relu_output" not in key}
    assert {key: found[key].value for key in without_outputs} == without_outputs
    assert {key for key in found if "gradient/" not in key} == {key for key in without_outputs if "gradient" not in key}
