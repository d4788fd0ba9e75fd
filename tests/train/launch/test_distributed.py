"""Several processes learn what one would, and agree on everything."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from container.networks.build import build_model
from container.preprocessing import Preprocessing
from container.train.data.order import TrainOrder
from container.train.device import Device
from container.train.launch.distributed import World, is_lost_peer
from container.train.launch.hosts import Rank
from container.train.launch.stopping import Interrupted, Stop
from container.train.loop.evaluate import evaluate
from container.train.loop.stepper import Stepper
from tests.train.ranks import on_ranks

CPU = Device(torch_device=torch.device("cpu"), amp_dtype=None, workers=0)
SIZE = 32
PICTURES = 19  # with batches of 7: 7, 7, 5; two processes get 4 and 3, 4 and 3, 3 and 2
BATCH = 7
WEIGHTS = torch.tensor([0.25, 1.0, 4.0])


def learn(world: World) -> dict[str, Any]:
    """An epoch and an evaluation of a network whose batch normalisation keeps its statistics, with class weights and
    label smoothing."""
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
    # Not AdamW, whose first steps depend on the gradients' signs alone.
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    stepper = Stepper(
        model,
        optimizer,
        world=world,
        device=CPU,
        preprocessing=Preprocessing.for_size(SIZE),
        class_weights=WEIGHTS,
        label_smoothing=0.1,
    )
    stepper.begin_epoch(1, count=order.steps())
    model.eval()
    losses = []
    for batch, keys in zip(shares, whole, strict=True):
        with stepper.step(batch, float(WEIGHTS[targets[[i for _, i in keys]]].sum())) as logged:
            losses += [each.loss for each in logged]
    mine = slice(world.rank, None, world.size)
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
        "tensors": model.state_dict(),
        "losses": losses,
        "pictures": [len(keys) for keys in whole],
        "evaluation": result.loss,
        "confusion": result.confusion,
    }


def test_two_processes_learn_what_one_does(tmp_path: Path):
    """Of the same batches, though the weights of their pictures' classes are not spread evenly."""
    one = learn(World(Rank()))
    first, second = on_ranks(learn, 2, tmp_path)
    assert one["pictures"] == first["pictures"] == second["pictures"] == [7, 7, 5]
    for name, value in first["tensors"].items():
        assert torch.equal(value, second["tensors"][name]), name
        torch.testing.assert_close(value, one["tensors"][name], rtol=1e-4, atol=1e-5, msg=name)
    assert first["losses"] == second["losses"] == pytest.approx(one["losses"], rel=1e-4)
    assert first["evaluation"] == second["evaluation"] == pytest.approx(one["evaluation"], rel=1e-4)
    assert torch.equal(first["confusion"], second["confusion"])
    assert first["confusion"].sum() == PICTURES


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
