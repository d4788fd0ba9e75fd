"""A CUDA error in a worker: every later call fails with it, so the worker is replaced; and too little memory in one.

There need be no GPU: the model's own code has torch behave as it does where one was lost.
"""

import io
import resource
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from PIL import Image

from tests.serve.load import load
from tests.serve.server_process import Answer, ServerProcess, await_true, running
from tests.serve.supervisor.test_chaos import AFTERWARDS
from tests.serve.supervisor.test_life import has_ended

MODEL = """
import torch

WORDS = "CUDA error: device-side assert triggered"
device_lost = False

def synchronize(device=None):
    if device_lost:
        raise torch.AcceleratorError(WORDS)

torch.cuda.is_initialized = lambda: True
torch.cuda.synchronize = synchronize

def model_fn(model_dir):
    return None

def input_fn(body, content_type):
    return body

def predict_fn(word, model):
    global device_lost
    device_lost = device_lost or word == "poison"
    synchronize()
    if word == "large":
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
    if word == "larger":
        raise MemoryError
    if word == "largest":
        raise torch.AcceleratorError("CUDA error: out of memory")
    if word == "bad":
        raise ValueError("a bug of the model's own")
    return word

def output_fn(word, accept):
    return word, "text/plain"
"""

# The supervisor gives multi-model-server or the front up when it has ended so often within ten minutes.
MANY = 4


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    code = tmp_path_factory.mktemp("model") / "model" / "code"
    code.mkdir(parents=True)
    (code / "inference.py").write_text(MODEL)
    server = ServerProcess(code.parents[1], tmp_path_factory.mktemp("log"), SLIPWAY_BATCH_SIZE="4")
    with running(server):
        yield server


@pytest.fixture
def server(shared: ServerProcess) -> ServerProcess:
    shared.await_ready()
    return shared


def say(server: ServerProcess, word: str) -> Answer:
    return server.post(word, "text/csv")


def test_a_request_that_loses_the_device_again_and_again_under_load(server: ServerProcess) -> None:
    """Whoever shared its batch is asked to come again, not blamed; the next worker has a device that works, and however
    often that is so, the server goes on."""
    lost = []
    with load(server, b"fine", content_type="text/csv") as clients:
        for _ in range(MANY):
            poisoned = say(server, "poison")
            assert (poisoned.status, poisoned.headers["retry-after"]) == (503, "1")
            assert poisoned.error == "the GPU failed during this request; try again"
            lost.append(server.worker_of(poisoned))
            await_true(lambda: has_ended(lost[-1]), "the worker ends itself")
            await_true(lambda: server.ping().status == 503, "ping notices")
            server.await_ready()
            clients.await_answers(AFTERWARDS, since=time.monotonic())
    assert set(clients.outcomes) <= {200, 503}
    assert len(set(lost)) == MANY
    assert {int(line["worker"]) for line in server.events("device-lost")} == set(lost)
    assert "AcceleratorError: CUDA error: device-side assert triggered" in server.log
    assert server.process.poll() is None


@pytest.mark.parametrize("word", ["large", "larger", "largest"])
def test_503_where_the_models_code_runs_out_of_memory(server: ServerProcess, word: str) -> None:
    worker = server.worker_of(say(server, "fine"))
    answer = say(server, word)
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")
    assert answer.error == "there is too little memory free for this request; try again"
    again = say(server, "fine")
    assert again.status == 200
    assert server.worker_of(again) == worker, "that is no reason to replace it"


def test_500_for_what_is_the_codes_own_fault(server: ServerProcess) -> None:
    assert say(server, "bad").status == 500


def test_503_where_a_picture_needs_more_memory_than_is_free(
    model_dir: Path, tmp_path: Path, start_server, picture: bytes
) -> None:
    """A limit on the address space of the process that decodes stands for a machine without 256 MB to spare."""
    server = start_server(model_dir.parent)
    server.await_ready()
    large = io.BytesIO()
    Image.new("RGB", (8000, 8000)).save(large, "PNG", compress_level=1)
    worker = server.worker_of(server.post(picture))
    [decoder] = [
        child.pid
        for child in psutil.Process(worker).children()
        if "container.serve.worker.decoder_process" in child.cmdline()
    ]
    taken = int(Path(f"/proc/{decoder}/statm").read_text().split()[0]) * resource.getpagesize()
    resource.prlimit(decoder, resource.RLIMIT_AS, (taken + (64 << 20), resource.RLIM_INFINITY))
    refused = server.post(large.getvalue(), "image/png")
    small = server.post(picture)
    assert (refused.status, refused.headers["retry-after"]) == (503, "1")
    assert refused.error == "there is too little memory free for this request; try again"
    assert small.status == 200
    again = server.post(large.getvalue(), "image/png")
    assert (again.status, server.worker_of(again)) == (200, worker)
