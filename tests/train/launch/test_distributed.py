"""Several processes learn what one would, and agree on everything."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from container.contract.hyperparameters import TrainConfig
from container.networks.build import build_model
from container.preprocessing import Preprocessing
from container.train.data.order import TrainOrder
from container.train.device import Device
from container.train.launch.distributed import World, is_lost_peer
from container.train.launch.hosts import Rank
from container.train.launch.stopping import Interrupted, Stop
from container.train.loop.averaging import AveragedWeights
from container.train.loop.evaluate import evaluate
from container.train.loop.mixing import Mixing
from container.train.loop.optimizer import make_optimizer
from container.train.loop.stepper import Stepper
from tests.train.ranks import on_ranks

CPU = Device(torch_device=torch.device("cpu"), amp_dtype=None, workers=0)
SIZE = 32
PICTURES = 19  # with batches of 7: 7, 7, 5; two processes get 4 and 3, 4 and 3, 3 and 2
BATCH = 7
WEIGHTS = torch.tensor([0.25, 1.0, 4.0])
MIXINGS = [Mixing(mixup=0.8, cutmix=1, seed=4, rank=rank) for rank in range(2)]


MODERN = {"recipe": "modern", "optimizer": "sgd", "ema-decay": "0.9", "clip-grad": "0.5", "layer-decay": "0.5"}


def learn_both(world: World) -> list[dict[str, Any]]:
    # Not AdamW, whose first steps depend on the gradients' signs alone.
    return [learn(world, {"optimizer": "sgd"}), learn(world, MODERN)]


def learn(world: World, values: Mapping[str, str]) -> dict[str, Any]:
    """An epoch and an evaluation of a network whose batch normalisation keeps its statistics, as after a probe, with
    class weights and label smoothing."""
    config = TrainConfig.from_strings(values)
    torch.manual_seed(0)
    pictures = torch.randint(0, 256, (PICTURES, SIZE, SIZE, 3), dtype=torch.uint8)
    targets = torch.randint(0, 3, (PICTURES,))
    torch.manual_seed(world.rank)
    model = build_model("resnet18", 3)
    if world.rank == 0:
        torch.manual_seed(1)
        model = build_model("resnet18", 3)
    order = TrainOrder(count=PICTURES, batch_size=BATCH, seed=4, rank=world.rank, size=world.size)
    shares = [(pictures[[i for _, i in keys]], targets[[i for _, i in keys]]) for keys in order.share(1)]
    whole = order.whole(1)
    averages = AveragedWeights(model, config.ema_decay)
    stepper = Stepper(
        model,
        make_optimizer(model, config),
        world=world,
        device=CPU,
        preprocessing=Preprocessing.for_size(SIZE),
        class_weights=WEIGHTS,
        label_smoothing=0.1,
        clip_grad=config.clip_grad,
        averages=averages,
        keeps_statistics=True,
    )
    stepper.begin_epoch(1, count=order.steps())
    losses = []
    for batch, keys in zip(shares, whole, strict=True):
        with stepper.step(batch, float(WEIGHTS[targets[[i for _, i in keys]]].sum())) as logged:
            losses += [each.loss for each in logged]
    mixed = Stepper(
        model,
        torch.optim.SGD(model.parameters(), lr=0.0),
        world=world,
        device=CPU,
        preprocessing=Preprocessing.for_size(SIZE),
        class_weights=WEIGHTS,
        mixing=MIXINGS[world.rank],
        keeps_statistics=True,
    )
    mixed.begin_epoch(1, count=1)
    with mixed.step(shares[0], float(WEIGHTS[targets[[i for _, i in whole[0]]]].sum())) as logged:
        mixed_losses = [each.loss for each in logged]
    mine = slice(world.rank, None, world.size)
    with averages.in_place():
        tensors = {name: value.clone() for name, value in model.state_dict().items()}
        result = evaluate(
            model,
            [(pictures[mine], targets[mine])],
            class_count=3,
            preprocessing=Preprocessing.for_size(SIZE),
            device=CPU,
            class_weights=WEIGHTS,
            stop=Stop(),
            world=world,
        )
    return {
        "tensors": tensors,
        "losses": losses,
        "first share": shares[0],
        "mixed losses": mixed_losses,
        "pictures": [len(keys) for keys in whole],
        "evaluation": result.loss,
        "confusion": result.confusion,
    }


Learnt = list[dict[str, Any]]


@pytest.fixture(scope="module")
def two(tmp_path_factory: pytest.TempPathFactory) -> tuple[Learnt, Learnt]:
    """What each of two processes learns, with both recipes."""
    first, second = on_ranks(learn_both, 2, tmp_path_factory.mktemp("ranks"))
    return first, second


def test_two_processes_learn_what_one_does(two: tuple[Learnt, Learnt]):
    """The batches are the same, and their class weights are not spread evenly; with both recipes."""
    for one, first, second in zip(learn_both(World(Rank())), *two, strict=True):
        check_alike(one, first, second)


def check_alike(one: dict[str, Any], first: dict[str, Any], second: dict[str, Any]) -> None:
    assert one["pictures"] == first["pictures"] == second["pictures"] == [7, 7, 5]
    for name, value in first["tensors"].items():
        assert torch.equal(value, second["tensors"][name]), name
        torch.testing.assert_close(value, one["tensors"][name], rtol=1e-4, atol=1e-5, msg=name)
    assert first["losses"] == second["losses"] == pytest.approx(one["losses"], rel=1e-4)
    assert first["evaluation"] == second["evaluation"] == pytest.approx(one["evaluation"], rel=1e-4)
    assert torch.equal(first["confusion"], second["confusion"])
    assert first["confusion"].sum() == PICTURES


def test_each_process_mixes_its_share_and_the_loss_is_that_of_soft_targets(two: tuple[Learnt, Learnt]):
    seed = [recipes[0] for recipes in two]
    model = build_model("resnet18", 3)
    model.load_state_dict(seed[0]["tensors"])
    model.eval()
    total = weight = 0.0
    for found, mixing in zip(seed, MIXINGS, strict=True):
        pictures, targets = found["first share"]
        mix = mixing.draw(1, 1, SIZE)
        inputs = mix.pictures(Preprocessing.for_size(SIZE).normalize(pictures))
        own = nn.functional.one_hot(targets, 3).double()
        soft = mix.share * own + (1 - mix.share) * own.roll(1, 0)
        with torch.no_grad():
            total -= float((soft * WEIGHTS * model(inputs).double().log_softmax(1)).sum())
        weight += float((soft * WEIGHTS).sum())
    assert seed[0]["mixed losses"] == seed[1]["mixed losses"] == [pytest.approx(total / weight, rel=1e-4)]


def agree(world: World) -> dict[str, Any]:
    stop = Stop()
    steps = 0
    wished = []
    try:
        while True:
            steps += 1
            stop.requested = world.rank == 1 and steps >= 3
            wished.append(world.check(stop, wish=steps == 2 and world.rank == 0))
    except Interrupted:
        pass
    module = nn.BatchNorm1d(2)
    module.running_mean = torch.full((2,), float(world.rank))
    world.equalize_buffers(module)
    return {
        "steps": steps,
        "wished": wished,
        "any": [world.any(world.rank == 1), world.any(False)],
        "sum": world.sum(torch.tensor([1.0, world.rank])),
        "shared": world.share({"from": world.rank, "tensor": torch.arange(3)}, source=1),
        "nothing": world.share(None),
        "gathered": world.gather(["rank", world.rank]),
        "mean": module.running_mean,
    }


def test_processes_agree(tmp_path: Path):
    first, second = on_ranks(agree, 2, tmp_path)
    assert first["steps"] == second["steps"] == 4, "one step after the one in which one of them was asked to end"
    assert first["wished"] == second["wished"] == [False, False, True]
    assert first["any"] == second["any"] == [True, False]
    assert first["sum"].tolist() == second["sum"].tolist() == [2.0, 1.0]
    assert first["shared"]["from"] == second["shared"]["from"] == 1
    assert first["shared"]["tensor"].tolist() == [0, 1, 2]
    assert first["nothing"] is second["nothing"] is None
    assert first["gathered"] == second["gathered"] == [["rank", 0], ["rank", 1]]
    assert first["mean"].tolist() == second["mean"].tolist() == [0.0, 0.0]


def test_one_process_alone_is_a_world_too():
    world = World(Rank())
    model = nn.Linear(1, 1)
    assert world.is_first
    assert world.parallel(model) is model
    assert world.share("value") == "value"
    assert world.gather("value") == ["value"]
    assert world.any(True)
    stop = Stop()
    world.check(stop)
    stop.requested = True
    with pytest.raises(Interrupted):
        world.check(stop)


@pytest.mark.parametrize(("count", "size", "batch"), [(50, 4, 16), (50, 3, 10), (19, 2, 7), (16, 2, 4), (9, 4, 8)])
def test_processes_share_a_batch_without_overlap(count: int, size: int, batch: int):
    """Whatever their number, each step has the same pictures, unless one would be left with a single one."""
    alone = TrainOrder(count=count, batch_size=batch, seed=1).share(1)
    orders = [TrainOrder(count=count, batch_size=batch, seed=1, rank=rank, size=size) for rank in range(size)]
    shares = [order.share(1) for order in orders]
    assert {order.steps() for order in orders} == {len(share) for share in shares} == {len(shares[0])}
    for step, parts in enumerate(zip(*shares, strict=True)):
        keys = [key for part in parts for key in part]
        assert sorted(keys) == sorted(alone[step])
        assert min(map(len, parts)) >= 2
    left = alone[len(shares[0]) :]
    assert len(left) <= 1
    assert all(len(keys) < 2 * size for keys in left)


@pytest.mark.parametrize(
    ("error", "elsewhere"),
    [
        (RuntimeError("[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:547] Connection closed by peer"), True),
        (torch.distributed.DistBackendError("NCCL error: remote process exited"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ConnectionResetError("Connection reset by peer"), False),
    ],
)
def test_another_process_s_end_is_told_from_an_own_failure(error: Exception, elsewhere: bool):
    assert is_lost_peer(error) is elsewhere
