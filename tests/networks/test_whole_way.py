"""Each of the networks that the manual names, the whole way on small pictures: trained, saved, served and explained."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from container import artifact
from container.contract.hyperparameters import TrainConfig
from container.export.export import export
from container.model_card import ModelCard
from container.networks.batch_norm import fewest_pictures
from container.networks.build import build_model
from container.networks.check import check_network
from container.networks.head import head_names
from container.networks.inputs import preprocessing_for
from container.networks.pretrained import landmark, load_pretrained
from container.networks.weights_file import read_state_dict
from container.serve.settings.config import ServeConfig
from container.serve.worker.engine.eager import Eager
from container.serve.worker.predictor import Predictor
from container.train.debugger.hook import Hook
from container.train.debugger.modes import ModeKeys
from container.train.debugger.reduction_config import ReductionConfig
from container.train.debugger.save_config import SaveConfig
from container.train.debugger.session import Debugger
from container.train.device import Device
from container.train.launch.distributed import World
from container.train.launch.hosts import Rank
from container.train.loop.optimizer import make_optimizer
from container.train.loop.stepper import Stepper
from tests.networks import NETWORKS

CLASSES = ("cat", "dog", "bird")
CPU = Device(torch_device=torch.device("cpu"), amp_dtype=None, workers=0)


@dataclass(frozen=True)
class Trained:
    """A network after a step of its head alone and one of all layers."""

    name: str
    model: nn.Module
    directory: Path
    at_first: dict[str, torch.Tensor]
    after_head_only: dict[str, torch.Tensor]
    losses: list[float]
    saved_by_debugger: set[str]

    @property
    def head(self) -> set[str]:
        return set(head_names(self.name, self.model))


def copied(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


@pytest.fixture(scope="module", params=NETWORKS)
def trained(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Trained]:
    name, size = request.param, NETWORKS[request.param]
    directory = tmp_path_factory.mktemp("network")
    preprocessing = preprocessing_for(name, size)
    torch.manual_seed(0)
    model = build_model(name, len(CLASSES), image_size=size).to(memory_format=torch.channels_last)
    hook = Hook(
        directory / "trial",
        save_config=SaveConfig(save_interval=1),
        include_collections=["gradients"],
        reduction_config=ReductionConfig(norms=["l2"]),
    )
    hook.register_module(model)
    hook.set_mode(ModeKeys.TRAIN)
    optimizer = make_optimizer(model, TrainConfig(model_type=name, recipe="seed", opt_learning_rate=1e-3))
    stepper = Stepper(
        model,
        optimizer,
        world=World(Rank()),
        device=CPU,
        preprocessing=preprocessing,
        head=head_names(name, model),
        debugger=Debugger(hook),
    )
    batch = torch.randint(0, 256, (4, size, size, 3), dtype=torch.uint8), torch.tensor([0, 1, 2, 0])
    states, losses = [copied(model)], []
    for epoch, head_only in ((1, True), (2, False)):
        stepper.begin_epoch(epoch, count=1, head_only=head_only)
        with stepper.step(batch, 4.0):
            pass
        losses += [each.loss for each in stepper.losses.read()]
        states.append(copied(model))
    hook.close()
    index = [json.loads(file.read_text()) for file in (directory / "trial" / "index").rglob("*.json")]
    names = {entry["tensorname"] for step in index for entry in step["tensor_payload"]}
    card = ModelCard(architecture=name, classes=CLASSES, preprocessing=preprocessing)
    artifact.save(directory / "model", model.state_dict(), card)
    export(directory / "model", None, int8=False, told=print)
    yield Trained(name, model.eval(), directory / "model", states[0], states[1], losses, names)
    (directory / "model" / "model.safetensors").unlink()


def test_a_head_only_epoch_trains_the_classifier_and_nothing_else(trained: Trained):
    changed = {
        name for name, value in trained.after_head_only.items() if not torch.equal(value, trained.at_first[name])
    }
    assert changed == trained.head
    assert len(trained.head) == 2


def test_other_epochs_train_every_layer(trained: Trained):
    before = trained.after_head_only
    parameters = [name for name, value in trained.model.named_parameters() if torch.equal(value, before[name])]
    # A bias whose gradient is zero, as that of an attention's keys, does not move.
    assert [name for name in parameters if not name.endswith("bias")] == []
    assert np.isfinite(trained.losses).all()


def test_the_debugger_saves_the_gradients_by_the_layers_names(trained: Trained):
    root = type(trained.model).__name__
    wanted = {f"smdebug/reductions/l2/gradient/{root}_{name}" for name, _ in trained.model.named_parameters()}
    assert trained.saved_by_debugger >= wanted


def test_its_exported_graph_is_served_with_the_same_numbers(trained: Trained):
    variables = {"SLIPWAY_USE_CUDA": "false", "SLIPWAY_PRECISION": "fp32"}
    predictor = Predictor.load(ServeConfig.from_environment(variables, model_dir=trained.directory))
    assert (predictor.engine.name, predictor.engine.precision) == ("openvino", "f32")
    size = NETWORKS[trained.name]
    squares = list(np.random.default_rng(1).integers(0, 256, (3, size, size, 3), dtype=np.uint8))
    batch = predictor.card.preprocessing.normalize(torch.from_numpy(np.stack(squares)))
    with torch.inference_mode():
        wanted = trained.model(batch).softmax(1).numpy()
    assert predictor.probabilities(squares) == pytest.approx(wanted, abs=1e-4)


def test_the_saved_model_is_explained_cell_by_cell(trained: Trained):
    model, card = artifact.load(trained.directory)
    eager = Eager(model, card, torch.device("cpu"))
    size = NETWORKS[trained.name]
    squares = list(np.random.default_rng(2).integers(0, 256, (4, size, size, 3), dtype=np.uint8))
    heat = eager.heat(squares, [0, 1, 2, 0])
    cells = heat.shape[1]
    assert heat.shape == (4, cells, cells)
    assert cells >= 2
    assert heat.max() == 1, "at least one of the pictures has heat"
    assert heat.min() >= 0


def test_its_weights_start_a_network_of_other_classes(trained: Trained):
    model = build_model(trained.name, 5, image_size=NETWORKS[trained.name])
    own = copied(model)
    tensors = read_state_dict(trained.directory / "model.safetensors", landmark(trained.name, model))
    load_pretrained(model, tensors, trained.name)
    for name, value in model.state_dict().items():
        assert torch.equal(value, own[name] if name in trained.head else tensors[name]), name


def test_it_takes_its_own_size_and_at_least_one_picture(trained: Trained):
    check_network(trained.name, preprocessing_for(trained.name).size)
    normalizes = any(isinstance(module, nn.BatchNorm2d) for module in trained.model.modules())
    model = trained.model.train()
    fewest = fewest_pictures(model, NETWORKS[trained.name])
    model.eval()
    assert fewest == (2 if normalizes else 1)
