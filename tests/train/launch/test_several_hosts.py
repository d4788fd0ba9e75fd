"""Jobs of two hosts: two launchers on this machine, each with the description of hosts that SageMaker would give it."""

import csv
import functools
import hashlib
import json
import os
import shutil
import signal
import subprocess
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from container import artifact, gpu
from container.contract.metric_lines import EvaluationLine, read_line
from container.train import program
from container.train.launch import torchrun
from container.train.launch.hosts import PATIENCE_S
from container.train.launch.torchrun import free_port
from tests.conftest import write_image_folder
from tests.train.conftest import SMALL, JobDirectory, Result
from tests.train.data.test_channels_shards import labelled, write_shard
from tests.train.forked_job import ForkedJob, end_each, run_forked, run_program, run_ranks, start_ranks
from tests.train.launch.test_launcher import read_until
from tests.train.profiler.test_profiler import check_steps, read_lines, read_steps

FIRST, SECOND = NAMES = ("127.0.0.1", "localhost")
VALUES = {**SMALL, "epochs": "3", "seed": "5", "num-workers": "1"}


def describe_hosts(job: JobDirectory, current: str, names: tuple[str, ...] = NAMES) -> None:
    fields = {"current_host": current, "hosts": names, "network_interface_name": "lo"}
    (job.base / "input" / "config" / "resourceconfig.json").write_text(json.dumps(fields))


class Hosts:
    """The same job on two hosts, each with its own disk."""

    def __init__(self, base: Path, data: Path) -> None:
        self.first, self.second = self.both = [JobDirectory(base / name) for name in NAMES]
        for job, name in zip(self.both, NAMES, strict=True):
            job.channel("train", data)
            (job.base / "checkpoints").mkdir()
            describe_hosts(job, name)

    def start(self, values: Mapping[str, object] = VALUES) -> list[subprocess.Popen[str]]:
        port = str(free_port())
        for job in self.both:
            job.environment = {"MASTER_PORT": port}
            job.hyperparameters(values)
        return [job.start() for job in self.both]

    def run(self, values: Mapping[str, object] = VALUES) -> list[Result]:
        return ended(self.start(values))

    def fork(self, values: Mapping[str, object]) -> list[ForkedJob]:
        """Start both jobs without launcher and toolkit; torchrun starts their processes as it always does."""
        port = free_port()
        for job in self.both:
            job.hyperparameters(values)
        return [ForkedJob(job, AsHost(port)) for job in self.both]


@dataclass(frozen=True)
class AsHost:
    """Makes a forked job one host of several, which connect to each other at a port."""

    port: int
    patience_s: float = PATIENCE_S

    def __call__(self) -> None:
        os.environ["MASTER_PORT"] = str(self.port)
        torchrun.run_processes = functools.partial(torchrun.run_processes, patience_s=self.patience_s)


def ended(processes: list[subprocess.Popen[str]]) -> list[Result]:
    outputs = [process.communicate() for process in processes]
    return [Result(process.returncode, *output) for process, output in zip(processes, outputs, strict=True)]


def digest(job: JobDirectory) -> str:
    return hashlib.sha256((job.model / "model.safetensors").read_bytes()).hexdigest()


def files(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def trainer(job: JobDirectory, rank: str) -> psutil.Process:
    """The process of a rank; those that read its pictures are its children."""
    found = [process for process in job.processes() if process.environ().get("RANK") == rank]
    return next(process for process in found if process.parent() not in found)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = write_image_folder(tmp_path_factory.mktemp("data") / "train", {"blue": 16, "green": 16, "red": 25})
    (directory / "red" / "broken.png").write_text("no picture")
    return directory


@pytest.fixture(scope="module")
def shards(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same pictures in three tar shards."""
    directory = tmp_path_factory.mktemp("shards") / "train"
    files = sorted(data.glob("*/*.png"))
    for number in range(3):
        part = files[20 * number : 20 * (number + 1)]
        members = [(f"{file.parent.name}/{name}", text) for file in part for name, text in labelled(file, "cls")]
        write_shard(directory / f"{number}.tar", members)
    return directory


@pytest.fixture(scope="module")
def finished(data: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Hosts, list[Result]]:
    hosts = Hosts(tmp_path_factory.mktemp("finished"), data)
    results = hosts.run()
    assert [result.code for result in results] == [0, 0], results
    return hosts, results


@pytest.fixture
def hosts(data: Path, tmp_path: Path) -> Iterator[Hosts]:
    made = Hosts(tmp_path, data)
    yield made
    ForkedJob.end_all()
    for job in made.both:
        for process in job.processes():
            process.kill()


def test_two_hosts_train_one_model_and_the_first_writes_it(finished: tuple[Hosts, list[Result]]):
    hosts, results = finished
    assert files(hosts.first.model) == ["model.json", "model.safetensors"]
    assert len(hosts.first.metrics()) == 4
    assert len(files(hosts.first.base / "checkpoints")) == 4
    assert files(hosts.second.model) == files(hosts.second.data) == files(hosts.second.base / "checkpoints") == []
    for job, result in zip(hosts.both, results, strict=True):
        assert not (job.base / "output" / "failure").exists()
        assert job.processes() == []
        assert "training on 2 hosts with 1 process each" in result.stdout
        assert f"the metrics are in the log of {FIRST}\n" in result.stdout
    assert [read_line(line) for line in results[1].stdout.splitlines() if read_line(line)] == []


def test_every_picture_counts_once(finished: tuple[Hosts, list[Result]]):
    hosts, (first, _) = finished
    pictures = artifact.read_card(hosts.first.model).training["pictures"]
    assert pictures == {"train": 47, "validation": 7, "test": 3, "unreadable": 1}
    metrics = [read_line(line) for line in first.stdout.splitlines()]
    evaluations = [line for line in metrics if isinstance(line, EvaluationLine)]
    assert [(line.phase, line.total) for line in evaluations] == [("EVAL", 7)] * 3 + [("TEST", 3)]
    assert first.stdout.count("Train Epoch: 2 [47/47 (100%)], Loss: ") == 1
    assert first.stdout.count("skipped: ") == 1
    rows = list(csv.DictReader((hosts.first.data / "unreadable.csv").open()))
    assert [Path(row["path"]).name for row in rows] == ["broken.png"]
    mistakes = hosts.first.data / "mistakes" / "mistakes.json"
    kept = json.loads(mistakes.read_text())["mistakes"] if mistakes.exists() else []
    assert len(kept) == evaluations[-1].total - evaluations[-1].correct


def test_the_first_host_has_what_both_recorded(finished: tuple[Hosts, list[Result]]):
    hosts, _ = finished
    profile = hosts.first.data / "profile"
    steps = [read_steps(profile, rank) for rank in (0, 1)]
    for of_rank in steps:
        check_steps(of_rank)
    # 47 pictures, of which each step's are shared out.
    assert [[step["pictures"] for step in of_rank[:6]] for of_rank in steps] == [[4] * 6, [4] * 5 + [3]]
    assert [step["step"] for step in steps[1]] == list(range(1, 19))
    facts = json.loads((profile / "profile.json").read_text())
    assert facts["processes"] == [
        {"rank": 0, "node": "algo-1", "local_rank": 0},
        {"rank": 1, "node": "algo-2", "local_rank": 0},
    ]
    nodes = {line["NodeId"] for file in (profile / "system").rglob("*.json") for line in read_lines(file)}
    assert nodes == {"algo-1", "algo-2"}
    phases = [{line["name"] for line in read_lines(profile / "phases" / f"rank-0000{rank}.jsonl")} for rank in (0, 1)]
    assert {"evaluation", "test"} <= phases[0] & phases[1]
    assert '<section id="processes">' in (hosts.first.data / "profiler-report.html").read_text()


def test_a_stop_on_one_host_stops_both_and_the_job_goes_on_as_if_it_had_not_been(
    hosts: Hosts, finished: tuple[Hosts, list[Result]], shards: Path
):
    """And as if its pictures were in folders, since it reads them from shards."""
    for job in hosts.both:
        (job.base / "input" / "data" / "train").unlink()
        job.channel("train", shards)
    first, second = start_ranks(hosts.both, VALUES)
    read_until(first.log, "Train Epoch: 2 [16/")
    second.signal(signal.SIGTERM)
    stopped = end_each([first, second])
    assert [result.code for result in stopped] == [0, 0], stopped
    assert "stopped on request; the model directory holds the best model so far" in stopped[0].stdout
    assert artifact.read_card(hosts.first.model).training["evaluation"]["epoch"] == 1
    assert not any((job.base / "output" / "failure").exists() for job in hosts.both)

    # The second host's disk is a new one; the first's checkpoints came back.
    shutil.rmtree(hosts.second.base / "checkpoints")
    again = run_ranks(hosts.both, VALUES)
    assert [result.code for result in again] == [0, 0], again
    assert "resuming from the checkpoint of epoch 2, step " in again[0].stdout
    whole, _ = finished
    assert digest(hosts.first) == digest(whole.first)
    for ours, theirs in zip(hosts.first.metrics(), whole.first.metrics(), strict=True):
        for name in ("epoch", "train_loss", "eval_loss", "eval_accuracy", "test_accuracy"):
            assert ours.get(name) == theirs.get(name)

    # One host alone goes on from there as well.
    describe_hosts(hosts.first, "algo-1", ("algo-1",))
    alone = run_program(hosts.first, {**VALUES, "epochs": "4"})
    assert alone.code == 0, alone.log
    assert "resuming from the checkpoint of epoch 4, step 0" in alone.stdout
    assert len(hosts.first.metrics()) == 5


def test_a_host_whose_process_is_killed_names_the_cause_and_the_other_names_the_host(hosts: Hosts):
    jobs = hosts.fork({**VALUES, "epochs": "50"})
    read_until(jobs[0].log, "Train Epoch: 1 [")
    trainer(hosts.second, "1").kill()
    first, second = end_each(jobs)
    assert second.code == 137, second.log
    assert hosts.second.failure.startswith(f"rank 1 on {SECOND}: the training process was killed by SIGKILL")
    assert first.code == 1, first.log
    assert hosts.first.failure.startswith(f"{FIRST} lost its connection to {SECOND}: ")
    assert "If the job failed there first, the log there says why" in hosts.first.failure
    assert "ChildFailedError" not in first.log + second.log
    assert [job.processes() for job in hosts.both] == [[], []]


def test_hosts_with_different_pictures_are_told_to_take_all(hosts: Hosts, data: Path):
    (hosts.second.base / "input" / "data" / "train").unlink()
    shutil.copytree(data, hosts.second.base / "input" / "data" / "train")
    (hosts.second.base / "input" / "data" / "train" / "blue" / "000.png").unlink()
    ended = run_ranks(hosts.both, VALUES)
    assert [result.code for result in ended] == [1, 1], ended
    for job in hosts.both:
        assert job.failure.startswith(
            "the hosts of this job have different pictures (train pictures by process: 47, 46): give every host the"
        )


@pytest.mark.parametrize(
    ("names", "line"),
    [(NAMES, "training on 2 hosts"), (("absent.invalid", SECOND), "waiting for absent.invalid, whose name has no")],
    ids=["another host", "a name"],
)
def test_a_job_ends_at_sigterm_while_it_waits(hosts: Hosts, names: tuple[str, ...], line: str):
    describe_hosts(hosts.second, SECOND, names)
    hosts.second.hyperparameters(VALUES)
    job = ForkedJob(hosts.second, AsHost(free_port()))
    read_until(job.log, line)
    job.signal(signal.SIGTERM)
    assert job.end()[0] == 143


def test_a_host_that_does_not_come_is_given_up(hosts: Hosts):
    hosts.first.hyperparameters(VALUES)
    code, log = run_forked(hosts.first, AsHost(free_port(), patience_s=1))
    assert code == 1, log
    failure = hosts.first.failure
    assert failure.startswith(f"the hosts of the job ({FIRST}, {SECOND}) did not all connect to {FIRST}, port ")
    assert "security groups of the job let its hosts reach each other" in failure


# As in AWS's own two-host test of its PyTorch containers: ranks from SM_HOSTS, gradients averaged by hand.
_BY_HAND = """
import json, os, pathlib
import torch
import torch.distributed as dist

hosts = json.loads(os.environ["SM_HOSTS"])
rank = hosts.index(os.environ["SM_CURRENT_HOST"])
dist.init_process_group(backend="gloo", rank=rank, world_size=len(hosts))
torch.manual_seed(0)
model = torch.nn.Linear(3, 1)
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for step in range(5):
    optimizer.zero_grad()
    model(torch.randn(4, 3) + rank).pow(2).mean().backward()
    for parameter in model.parameters():
        dist.all_reduce(parameter.grad, op=dist.ReduceOp.SUM)
        parameter.grad /= dist.get_world_size()
    optimizer.step()
pathlib.Path(os.environ["SM_MODEL_DIR"], "weights").write_text(str(model.weight.tolist()))
"""

_BY_TORCHRUN = """
import os
import torch
import torch.distributed as dist

dist.init_process_group("gloo")
rank, size = dist.get_rank(), dist.get_world_size()
total = torch.tensor(rank + 1)
dist.all_reduce(total)
print(f"rank {rank} of {size}, local {os.environ['LOCAL_RANK']}, total {int(total)}")
dist.barrier()
dist.destroy_process_group()
"""


def script(hosts: Hosts, code: str, **values: object) -> dict[str, object]:
    """Hyperparameters of jobs that run a user's script, as SDK v2 sends them."""
    source = hosts.first.base.parent / "source"
    source.mkdir()
    (source / "user.py").write_text(code)
    return {"sagemaker_program": '"user.py"', "sagemaker_submit_directory": json.dumps(str(source)), **values}


def test_a_script_that_connects_its_hosts_itself_finds_the_first(hosts: Hosts):
    results = hosts.run(script(hosts, _BY_HAND))
    assert [result.code for result in results] == [0, 0], results
    weights = {(job.model / "weights").read_text() for job in hosts.both}
    assert len(weights) == 1, "both have the same"


def test_a_script_that_torch_distributed_is_asked_for_is_run_by_torchrun(hosts: Hosts):
    values = {"sagemaker_torch_distributed_enabled": "true", "sagemaker_instance_type": '"ml.c5.xlarge"'}
    results = hosts.run(script(hosts, _BY_TORCHRUN, **values))
    assert [result.code for result in results] == [0, 0], results
    for rank, result in enumerate(results):
        assert f"rank {rank} of 2, local 0, total 3\n" in result.stdout


def test_the_exception_of_a_script_that_torchrun_runs_is_the_cause(hosts: Hosts):
    describe_hosts(hosts.first, "algo-1", ("algo-1",))
    hosts.first.hyperparameters(
        script(hosts, 'raise ValueError("label 12 of 10")', sagemaker_pytorch_ddp_enabled="true")
    )
    (result,) = ended([hosts.first.start()])
    assert result.code == 1, result.log
    assert hosts.first.failure.startswith("ValueError: label 12 of 10\n")
    assert hosts.first.processes() == []


def test_sigterm_reaches_a_script_that_torchrun_runs(hosts: Hosts):
    describe_hosts(hosts.first, "algo-1", ("algo-1",))
    code = """
        import signal, sys
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(5))
        print("ready", flush=True)
        while True: signal.pause()
        """
    values = script(hosts, textwrap.dedent(code), sagemaker_torch_distributed_enabled="true")
    hosts.first.hyperparameters(values)
    process = hosts.first.start()
    read_until(process.stdout, "ready")
    process.send_signal(signal.SIGTERM)
    assert ended([process])[0].code == 5
    assert hosts.first.failure.startswith("the training script ended with exit code 5")
    assert "container.train" not in hosts.first.failure


def two_devices() -> None:
    """Report two GPUs, so that the job starts two processes; they train on the CPU."""
    program.gpu.look = lambda **_: gpu.Gpus(count=2, text="two")  # type: ignore[attr-defined]


@pytest.fixture
def host(hosts: Hosts) -> JobDirectory:
    """A job on a single host, which starts two processes."""
    describe_hosts(hosts.first, "algo-1", ("algo-1",))
    return hosts.first


def test_a_process_that_is_killed_is_the_cause_and_not_what_the_others_saw(host: JobDirectory):
    host.hyperparameters({**VALUES, "epochs": "50"})
    job = ForkedJob(host, two_devices)
    read_until(job.log, "Train Epoch: 1 [")
    trainer(host, "1").kill()
    code, log = job.end()
    assert code == 137, log
    assert host.failure.startswith("rank 1 on algo-1: the training process was killed by SIGKILL (exit code 137). Most")


def test_a_batch_too_small_for_the_processes_names_one_that_fits(host: JobDirectory):
    ended = run_ranks([host, host], {**VALUES, "batch-size": "3"})
    assert [result.code for result in ended] == [1, 1], ended
    assert host.failure == (
        "hyperparameter batch-size is 3, for all of the job's 2 processes together; each needs two pictures for batch "
        "normalisation: choose at least 4, or fewer instances"
    )
