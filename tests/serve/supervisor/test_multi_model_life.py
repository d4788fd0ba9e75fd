"""Many models while parts of the server end, requests overlap, and memory is short."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from container.artifact import save
from container.model_card import ModelCard
from container.networks.build import build_model
from container.preprocessing import Preprocessing
from tests.serve.conftest import remove_network
from tests.serve.many_models import MULTI, ManyModels, put_code, put_model
from tests.serve.server_process import Answer, ServerProcess, await_true
from tests.serve.supervisor.test_life import SLEEPER, Held, has_ended

NAMES = ("a", "b", "c")


@pytest.fixture(scope="module")
def base(model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("many")
    for name in NAMES:
        put_model(directory, name, model_dir)
    put_code(directory, "sleeper", SLEEPER)
    return directory


@pytest.fixture(scope="module")
def shared(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManyModels]:
    server = ServerProcess(base, tmp_path_factory.mktemp("log"), **MULTI)
    try:
        yield ManyModels(server, base)
        assert server.stop() == 0, server.log + server.errors
    finally:
        server.kill()


@pytest.fixture
def many(shared: ManyModels) -> Iterator[ManyModels]:
    """The shared server, ready, without a model."""
    shared.server.await_ready()
    yield shared
    shared.server.await_ready()
    shared.unload_all()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as executor:
        yield executor


def sleep(many: ManyModels, seconds: float) -> Answer:
    return many.invoke("sleeper", str(seconds), "text/csv")


def worker_of(many: ManyModels, answer: Answer) -> int:
    return many.server.worker_of(answer)


def memory_bytes(pids: set[int]) -> int:
    """What processes have of main memory, shared pages in part."""
    lines = [line.split() for pid in pids for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()]
    return sum(int(line[1]) * 1024 for line in lines if line[0] == "Pss:")


def test_unloading_frees_memory_and_ends_processes_before_it_is_answered(many: ManyModels):
    # What Java and the others take once, for the first model, is not what a model takes.
    many.load(NAMES[0])
    many.unload_all()
    before = many.processes
    bytes_before = memory_bytes(before)
    for name in NAMES:
        many.load(name)
    during = many.processes
    bytes_during = memory_bytes(during)
    assert bytes_during > bytes_before + len(NAMES) * 45e6, "the tensors of a ResNet-18"
    many.unload_all()
    assert many.processes == before
    assert memory_bytes(before) < bytes_before + 0.2 * (bytes_during - bytes_before)


def test_a_model_is_loaded_once_whoever_asks_for_it_meanwhile(many: ManyModels, pool):
    answers = list(pool.map(many.load, ["a"] * 6))
    assert sorted(answer.status for answer in answers) == [200] + [409] * 5
    assert many.names == ["a"]
    answers = list(pool.map(many.unload, ["a"] * 6))
    assert sorted(answer.status for answer in answers) == [200] + [404] * 5
    assert many.names == []


def test_a_worker_that_ends_is_replaced(many: ManyModels, picture: bytes):
    many.load("a")
    worker = worker_of(many, many.invoke("a", picture))
    os.kill(worker, signal.SIGKILL)
    again = await_true(lambda: (answer := many.invoke("a", picture)).status == 200 and answer, "it is back")
    assert worker_of(many, again) != worker
    assert many.server.ping().status == 200


def test_the_process_that_a_models_workers_are_forked_from_is_replaced(many: ManyModels, picture: bytes):
    many.load("a")
    many.load("b")
    other = worker_of(many, many.invoke("b", picture))
    worker = worker_of(many, many.invoke("a", picture))
    os.kill(parent(worker), signal.SIGKILL)
    await_true(lambda: len(many.server.events("model-reload")) and has_ended(worker), "it is noticed")
    await_true(lambda: many.invoke("a", picture).status == 200, "it is back")
    assert worker_of(many, many.invoke("b", picture)) == other


@pytest.mark.parametrize("part", ["multi-model-server", "preloaded"])
def test_a_part_that_ends_is_started_again_with_all_models(part: str, many: ManyModels, picture: bytes):
    for name in NAMES:
        many.load(name)
    workers = {worker_of(many, many.invoke(name, picture)) for name in NAMES}
    java = int(many.server.events("model-server")[-1]["pid"])
    os.kill(java if part == "multi-model-server" else parent(parent(min(workers))), signal.SIGKILL)
    await_true(lambda: many.server.ping().status == 503, "ping notices")
    assert many.invoke("a", picture).status == 503
    many.server.await_ready()
    assert many.names == list(NAMES), "SageMaker believes them to be there"
    for name in NAMES:
        answer = await_true(lambda n=name: (a := many.invoke(n, picture)).status != 503 and a, "it is back")
        assert answer.status == 200
    assert not workers & many.server.descendants()


def test_a_model_that_cannot_come_back_is_not_listed(many: ManyModels, model_dir: Path, picture: bytes):
    directory = put_model(many.base, "gone", model_dir)
    many.load("gone")
    many.load("a")
    remove_network(directory)
    os.kill(parent(worker_of(many, many.invoke("gone", picture))), signal.SIGKILL)
    await_true(lambda: many.names == ["a"], "it is given up")
    assert many.invoke("gone", picture).status == 404
    assert "model.safetensors" in many.server.events("model-lost")[-1]["why"]


# From here on the shared server has imported torch.


def test_timm_is_imported_with_the_first_network_that_has_no_graph_and_shared(
    many: ManyModels, picture: bytes, tmp_path: Path
):
    card = ModelCard(architecture="test_resnet", classes=("cat", "dog"), preprocessing=Preprocessing.for_size(32))
    save(tmp_path / "files", build_model("test_resnet", 2).state_dict(), card)
    for name in ("timm-1", "timm-2"):
        put_model(many.base, name, tmp_path / "files")
    many.load("a")
    preloaded = parent(parent(worker_of(many, many.invoke("a", picture))))
    before = imports_torch(preloaded)
    for name in ("timm-1", "timm-2"):
        assert many.load(name).status == 200
        assert many.invoke(name, picture).status == 200
    free = [int(event["free_mb"]) for event in many.server.events("model-loaded")[-2:]]
    taken = [int(event["memory_mb"]) for event in many.server.events("model-loaded")[-2:]]
    assert imports_torch(preloaded)
    if not before:  # no test before this one has loaded such a network
        assert free[0] - free[1] == pytest.approx(taken[1], abs=8), "what is shared has been counted once, before"


def imports_torch(pid: int) -> bool:
    return "libtorch_cpu" in Path(f"/proc/{pid}/maps").read_text()


def test_unloading_lets_requests_finish_and_takes_no_more(many: ManyModels, pool):
    assert many.load("sleeper").status == 200
    held = [pool.submit(sleep, many, seconds) for seconds in (1.01, 0.2, 0.2)]
    await_true(lambda: "sleeping 1.01 s" in many.server.log, "a request is worked on")
    unloading = pool.submit(many.unload, "sleeper")
    await_true(lambda: sleep(many, 0).status == 404, "no more are taken")
    answers = [request.result() for request in held]
    assert answers[0].status == 200
    assert all(answer.status in (200, 404) for answer in answers)
    assert unloading.result().status == 200
    assert sleep(many, 0).status == 404


def test_sigterm_answers_what_was_accepted(base: Path, start_server, picture: bytes):
    many = ManyModels(start_server(base, **MULTI), base)
    many.server.await_ready()
    for name in ("a", "b"):
        assert many.load(name).status == 200
    worker = worker_of(many, many.invoke("a", picture))
    os.kill(worker, signal.SIGSTOP)
    accepted = [Held(many.server, picture, "/models/a/invoke") for _ in range(3)]
    descendants = many.server.descendants()
    many.server.process.send_signal(signal.SIGTERM)
    await_true(lambda: many.server.events("draining"), "the drain begins")
    for answer in (many.server.ping(), many.invoke("b", picture), many.load("c"), many.unload("a")):
        assert (answer.status, answer.error) == (503, "the server is stopping")
    os.kill(worker, signal.SIGCONT)
    assert [request.answer().status for request in accepted] == [200] * 3
    assert many.server.process.wait() == 0
    assert many.server.left_behind() == []
    assert [pid for pid in descendants if Path(f"/proc/{pid}").exists()] == []


def budget_mb(many: ManyModels, for_models: int) -> str:
    """A setting that leaves so many MiB for models, by what the server says it takes without one."""
    [said] = many.server.events("memory")[:1]
    heap = int(many.server.events("model-server")[0]["heap_mb"])
    processes = int(said["server_mb"]) - heap - 128 - int(said["limit_mb"]) // 8
    # Below 2 GiB: 256 of heap, 128 beside it, and an eighth for bodies.
    return str(round((256 + 128 + processes + for_models) / 0.875))


def test_507_when_memory_is_short_until_a_model_is_unloaded(many: ManyModels, base: Path, start_server, picture: bytes):
    small = ManyModels(start_server(base, **MULTI, SLIPWAY_MEMORY_MB=budget_mb(many, 400)), base)
    small.server.await_ready()
    answers = [small.load(str(number), small.url("a")) for number in range(6)]
    refused = [answer for answer in answers if answer.status != 200]
    assert 1 <= len(refused) <= 4
    assert {answer.status for answer in refused} == {507}
    assert "there is too little memory for this model: it needs about" in refused[0].error
    names = small.names
    assert len(names) == 6 - len(refused)
    assert [small.invoke(name, picture).status for name in names] == [200] * len(names)
    small.unload(names[0])
    assert small.load("new", small.url("a")).status == 200


def test_the_model_used_least_recently_makes_room_where_that_is_wanted(
    many: ManyModels, base: Path, start_server, picture: bytes
):
    settings = {"SLIPWAY_MEMORY_MB": budget_mb(many, 400), "SLIPWAY_EVICT": "lru"}
    small = ManyModels(start_server(base, **MULTI, **settings), base)
    small.server.await_ready()
    assert small.load("used", small.url("a")).status == 200
    for number in range(5):
        assert small.invoke("used", picture).status == 200
        assert small.load(str(number), small.url("a")).status == 200
    assert {"used", "4"} <= set(small.names)
    assert "0" not in small.names
    put_model(base, "large").joinpath("weights").write_bytes(b"")
    os.truncate(base / "models" / "large" / "model" / "weights", 2**40)
    (base / "models" / "large" / "model" / "model.pth").touch()
    before = small.names
    answer = small.load("large")
    assert (answer.status, small.names) == (507, before), "larger than all memory: nothing goes for it"


def test_a_model_whose_code_takes_all_memory_is_a_507(many: ManyModels):
    put_code(many.base, "greedy", "import torch\n\ndef model_fn(model_dir):\n    return torch.empty(2**60)\n")
    answer = many.load("greedy")
    assert answer.status == 507
    assert "DefaultCPUAllocator" in answer.error


def test_a_model_whose_worker_is_killed_while_it_loads_is_a_507(many: ManyModels):
    code = "import os, signal\n\ndef model_fn(model_dir):\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    put_code(many.base, "killed", code)
    answer = many.load("killed")
    assert answer.status == 507
    assert "a worker ended while it loaded the model" in answer.error


def test_a_model_that_takes_too_long(base: Path, start_server):
    put_code(base, "slow", "import time\n\ndef model_fn(model_dir):\n    time.sleep(3600)\n")
    many = ManyModels(start_server(base, **MULTI, SAGEMAKER_STARTUP_TIMEOUT="2"), base)
    many.server.await_ready()
    for _ in range(2):  # the second time too: the name is free again
        answer = many.load("slow")
        assert (answer.status, answer.error) == (504, "the model was not loaded within 2 seconds")
        assert many.names == []


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
