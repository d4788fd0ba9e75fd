"""The debugger hook, read by the real smdebug in its own environment (docker/venv.sh smdebug)."""

from typing import Any

import pytest
import torch
from torch import nn

from container.contract.errors import DebuggerError
from container.contract.paths import MlPaths
from container.train.debugger.configuration import parse
from container.train.debugger.hook import Hook
from container.train.debugger.modes import ModeKeys
from container.train.debugger.reduction_config import ReductionConfig
from container.train.debugger.save_config import SaveConfig
from tests.train.conftest import SMALL
from tests.train.debugger.trial_reader import read
from tests.train.forked_job import run_program


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))


def test_a_step_of_accumulated_scaled_gradients_is_saved_once_and_unscaled(tmp_path):
    model, criterion = network(), nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024)
    hook = Hook(
        tmp_path / "trial",
        save_config=SaveConfig(save_interval=1),
        include_collections=["weights", "gradients"],
        include_regex=["^1_output"],
    )
    hook.register_module(model)
    hook.register_loss(criterion)
    hook.set_mode(ModeKeys.TRAIN)
    expected: dict[str, Any] = {}
    for step in range(3):
        optimizer.zero_grad()
        for number in range(2):
            inputs, targets = torch.randn(5, 4), torch.tensor([0, 1, 0, 1, 1])
            loss = criterion(model(inputs), targets)
            expected[f"TRAIN {step} CrossEntropyLoss_output_{number}"] = loss.item()
            scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None
            expected[f"TRAIN {step} gradient/Sequential_{name}"] = parameter.grad.tolist()
            if name.endswith("weight"):
                expected[f"TRAIN {step} Sequential_{name}"] = parameter.tolist()
        scaler.step(optimizer)
        scaler.update()
    hook.set_mode(ModeKeys.EVAL)
    with torch.no_grad():
        loss = criterion(model(inputs), targets)
    expected["EVAL 0 CrossEntropyLoss_output_0"] = loss.item()
    hook.close()
    found = {key: saved.value for key, saved in read(tmp_path / "trial").items()}
    assert {key: found[key] for key in expected} == expected
    beyond = {key for key in found.keys() - expected.keys() if not key.split()[-1].startswith("1_output_")}
    assert beyond == {"EVAL 0 Sequential_0.weight", "EVAL 0 Sequential_2.weight"}


def test_a_compiled_network_stays_in_one_piece(tmp_path):
    graphs = 0

    def count(graph: torch.fx.GraphModule, _inputs: object) -> Any:
        nonlocal graphs
        graphs += 1
        return graph.forward

    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    hook = Hook(
        tmp_path / "trial",
        save_config=SaveConfig(save_interval=2),
        include_collections=["gradients"],
        reduction_config=ReductionConfig(norms=["l2"]),
    )
    hook.register_module(model)
    hook.set_mode(ModeKeys.TRAIN)
    compiled = torch.compile(model, backend=count)
    norms = []
    for _ in range(4):
        optimizer.zero_grad()
        compiled(torch.randn(5, 4)).sum().backward()
        norms.append(float(torch.linalg.vector_norm(model[0].weight.grad)))
        optimizer.step()
    hook.close()
    assert graphs == 1
    found = read(tmp_path / "trial")
    for step in (0, 2):
        assert found[f"TRAIN {step} gradient/Sequential_0.weight"].reductions["l2"] == norms[step]
    assert not any(key.startswith(("TRAIN 1 ", "TRAIN 3 ")) for key in found)


def test_what_cannot_be_written_is_a_warning(tmp_path, caplog):
    (tmp_path / "trial").write_text("in the way")
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    hook = Hook(tmp_path / "trial", save_config=SaveConfig(save_interval=1), include_collections=["weights"])
    hook.register_module(model)
    model(torch.randn(5, 4)).sum().backward()
    optimizer.step()
    hook.close()
    assert "training goes on without it" in caplog.text


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ([], "not a JSON object"),
        ({"HookParameters": {"save_interval": "often"}}, "save_interval is 'often'"),
        ({"HookParameters": {"reductions": "median"}}, "no reduction median"),
        ({"CollectionConfigurations": [{}]}, "no CollectionName"),
        ({"HookParameters": {"include_regex": "("}}, "not a regular expression"),
    ],
)
def test_a_wrong_configuration_is_named(tmp_path, content, complaint):
    with pytest.raises(DebuggerError, match=complaint):
        parse(content, MlPaths(tmp_path))


def test_an_unknown_collection_is_passed_over_by_name(tmp_path):
    settings = parse({"CollectionConfigurations": [{"CollectionName": "gradiens"}]}, MlPaths(tmp_path))
    assert "there is no collection gradiens" in settings.unknown[0]
    assert settings.collections == ()


def test_a_job_with_debug_leaves_a_trial(job, image_folder):
    job.channel("train", image_folder("train", red=20, blue=20))
    done = run_program(job, {**SMALL, "epochs": "2", "debug": "true"})
    assert done.code == 0, done.log
    assert "without" not in done.log
    found = read(job.base / "output" / "tensors")
    losses = [key for key in found if key.endswith("CrossEntropyLoss_output_0")]
    steps_of_epoch = len([key for key in losses if key.startswith("TRAIN")]) // 2
    epoch = ["TRAIN"] * steps_of_epoch + ["EVAL"]
    assert [key.split()[0] for key in sorted(losses, key=lambda key: found[key].step)] == epoch * 2
    gradient = found["TRAIN 0 gradient/ResNet_conv1.weight"]
    assert gradient.reductions["l2"] > 0
    assert len(found["TRAIN 0 labels"].value) == 8


def test_smdebug_core_collection_has_the_collections_of_the_hook():
    from container.train.debugger import collection
    from container.train.debugger.api.smdebug.core import collection as api

    assert api.Collection is collection.Collection
    assert api.CollectionKeys.SM_METRICS == "sm_metrics"
    assert {"losses", "metrics", "sm_metrics"} == api.SCALAR_COLLECTIONS


def test_a_scalar_for_sagemaker_is_in_the_collection_sm_metrics(tmp_path):
    model = network()
    hook = Hook(tmp_path / "trial", save_config=SaveConfig(save_interval=1), include_collections=["sm_metrics"])
    hook.register_module(model)
    hook.set_mode(ModeKeys.TRAIN)
    model(torch.randn(2, 4)).sum().backward()
    hook.save_scalar("accuracy", 0.75, sm_metric=True)
    hook.save_scalar("unrelated", 1.0)
    hook.close()
    assert hook.get_collection("sm_metrics").tensor_names == {"scalar/accuracy"}
    found = read(tmp_path / "trial")
    assert {key.split()[-1]: saved.value for key, saved in found.items()} == {
        "scalar/accuracy": [0.75],
        "scalar/unrelated": [1.0],
    }
