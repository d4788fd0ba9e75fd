"""Bodies that are dear to answer, and what becomes of everybody else meanwhile; their bounds are in bench.attack."""

import base64
import io
import json
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from PIL import Image

from bench.hostile import all_bodies, saved, scans
from tests.serve.server_process import Answer, ServerProcess, await_true

BODIES = {body.name: body for body in all_bodies()}
MEBIBYTE = 1024 * 1024


@pytest.fixture(scope="module")
def server(model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServerProcess]:
    running = ServerProcess(model_dir.parent, tmp_path_factory.mktemp("hostile"))
    try:
        running.await_ready()
        yield running
        assert running.stop() == 0, running.log + running.errors
        assert "event=bug" not in running.log
    finally:
        running.kill()


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(8) as threads:
        yield threads


def beside(server: ServerProcess, picture: bytes, sent: Future[Answer]) -> int:
    """Ask for something ordinary until the other is answered; how often."""
    asked = 0
    while not sent.done():
        assert server.post(picture).status == 200
        asked += 1
    return asked


def decoders(server: ServerProcess) -> list[psutil.Process]:
    found = []
    for process in psutil.Process(server.process.pid).children(recursive=True):
        try:
            if "container.serve.worker.decoder_process" in process.cmdline():
                found.append(process)
        except psutil.Error:
            continue
    return found


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [
        ("JPEG, 1,600,000 empty scans", 422, "more than 5 seconds"),
        ("JPEG, progressive, 100 MP", 422, "MiB of memory"),
        ("TIFF, 3,000,000 strips", 422, "the picture"),
        ("WebP of 34 bytes, 100 MP", 422, "10000 x 10000 pixels"),
        ("PNG, RGBA, 100 MP", 422, "MiB of memory"),
        ("PNG, EXIF of 60,000 fields", 200, ""),
        ("8,000,000 empty lists", 413, "values"),
        ("8,000,000 empty JSON Lines", 413, "values"),
        ("450,000 fields", 413, "parts"),
        ("one part of 5,000,000 headers", 400, "form"),
    ],
)
def test_a_dear_body_harms_nobody_else(
    server: ServerProcess, picture: bytes, pool: ThreadPoolExecutor, name: str, status: int, words: str
) -> None:
    body = BODIES[name]
    sent = pool.submit(server.post, body.make(), body.content_type)
    beside(server, picture, sent)
    answer = sent.result()
    assert answer.status == status
    assert words in (answer.error if status != 200 else "")


def test_a_slow_picture_is_worked_on_while_others_are_answered(
    server: ServerProcess, picture: bytes, pool: ThreadPoolExecutor
) -> None:
    sent = pool.submit(server.post, BODIES["JPEG, 1,600,000 empty scans"].make())
    assert beside(server, picture, sent) > 1


def test_a_request_of_many_pictures_lets_others_through_and_is_answered_in_order(
    server: ServerProcess, pictures: list[bytes], pool: ThreadPoolExecutor
) -> None:
    expected = [server.post(picture).json["predictions"] for picture in pictures]
    instances = [{"b64": base64.b64encode(picture).decode()} for picture in pictures * 40]
    sent = pool.submit(server.post, json.dumps({"instances": instances}), "application/json")
    assert beside(server, pictures[0], sent) > 1
    assert sent.result().json["predictions"] == expected * 40


def test_other_formats_are_answered_as_jpeg_is(server: ServerProcess, picture: bytes) -> None:
    pixels = Image.open(io.BytesIO(picture))
    wanted = server.post(picture).json
    for form, options in (("PNG", {}), ("TIFF", {}), ("BMP", {}), ("WEBP", {"lossless": True})):
        assert server.post(saved(pixels, form, **options)).json == wanted
    everything = [server.post(saved(pixels.convert(mode), "PNG")).status for mode in ("L", "P", "RGBA", "1", "I;16")]
    assert everything == [200] * 5


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL])
def test_a_decoder_that_crashes_ends_alone(
    server: ServerProcess, picture: bytes, pool: ThreadPoolExecutor, number: signal.Signals
) -> None:
    png = saved(Image.new("RGB", (50, 50)), "PNG")
    assert server.post(png).status == 200
    sent = pool.submit(server.post, scans(3000, 20_000))

    def at_work() -> psutil.Process | None:
        for process in decoders(server):
            if process.status() == psutil.STATUS_RUNNING:
                return process
        return None

    await_true(at_work, "the picture is being decoded").send_signal(number)
    beside(server, picture, sent)
    answer = sent.result()
    if number == signal.SIGSEGV:
        assert (answer.status, "crashed (SIGSEGV)" in answer.error) == (422, True)
    else:
        assert (answer.status, "memory" in answer.error) == (503, True)
    assert server.post(png).status == 200


def test_memory_is_given_back(server: ServerProcess) -> None:
    def resident() -> int:
        processes = [server.process, *psutil.Process(server.process.pid).children(recursive=True)]
        total = 0
        for process in processes:
            try:
                total += psutil.Process(process.pid).memory_info().rss
            except psutil.Error:
                continue
        return total

    # 143 MiB of pixels, which took 0.7 of the 5 CPU seconds that a picture may take, on a slow machine.
    png = saved(Image.new("RGB", (10_000, 5_000)), "PNG")
    server.post(saved(Image.new("RGB", (50, 50)), "PNG"))
    before = resident()
    assert server.post(png).status == 200
    await_true(lambda: resident() < before + 64 * MEBIBYTE, "the memory is given back")


def test_what_a_server_takes_for_a_picture_can_be_set(
    model_dir: Path, start_server: Callable[..., ServerProcess]
) -> None:
    small = start_server(model_dir.parent, SLIPWAY_DECODE_MEMORY_MB="16")
    small.await_ready()
    refused = small.post(saved(Image.new("RGB", (3000, 2000)), "PNG"))
    assert (refused.status, "the limit is 16 MiB" in refused.error) == (422, True)
    assert small.post(saved(Image.new("RGB", (300, 200)), "PNG")).status == 200
