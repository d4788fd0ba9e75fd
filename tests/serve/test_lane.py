"""How requests become bundles: what is sent when, by a lane whose workers answer when the test says so."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import pytest

from container.serve.client import DownError
from container.serve.lane import Lane, Limits, Waiting
from container.serve.replies import Reply, RequestError

HOUR = 3600.0


class Workers:
    """What has been sent to them; each bundle is answered on request."""

    def __init__(self) -> None:
        self.bundles: list[list[str]] = []
        self._answers: list[asyncio.Future[list[Reply]]] = []

    async def send(self, parts: Sequence[bytes]) -> list[Reply]:
        self.bundles.append([part.decode() for part in parts])
        self._answers.append(asyncio.get_running_loop().create_future())
        return await self._answers[-1]

    async def answer(self, number: int) -> None:
        names = self.bundles[number]
        replies = [Reply(status=200, content_type="text/plain", body=name.encode()) for name in names]
        self._answers[number].set_result(replies)
        await settle()

    async def fail(self, number: int, error: Exception) -> None:
        self._answers[number].set_exception(error)
        await settle()


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def run(test: Callable[[Workers], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(20):
            await test(Workers())

    asyncio.run(main())


def lane_of(workers: Workers, *, count: int = 1, batch: int = 4, delay_s: float = 0.0) -> Lane:
    return Lane(Limits(workers=count, batch_size=batch, delay_s=delay_s), workers.send)


def put(lane: Lane, names: str, *, seconds: float = HOUR) -> list[Waiting]:
    return [lane.put(name.encode(), time.monotonic() + seconds) for name in names]


def test_a_free_worker_gets_what_has_come_together_at_once() -> None:
    async def test(workers: Workers) -> None:
        lane = lane_of(workers)
        [alone] = put(lane, "a")
        await settle()
        assert workers.bundles == [["a"]]
        await workers.answer(0)
        assert (await alone.answer).body == b"a"
        put(lane, "bcd")
        await settle()
        assert workers.bundles == [["a"], ["b", "c", "d"]]

    run(test)


def test_while_all_workers_are_busy_requests_wait_and_only_a_full_bundle_goes_ahead() -> None:
    async def test(workers: Workers) -> None:
        lane = lane_of(workers)
        put(lane, "a")
        await settle()
        put(lane, "bcd")
        await settle()
        assert workers.bundles == [["a"]], "three are no full bundle"
        put(lane, "e")
        await settle()
        assert workers.bundles == [["a"], ["b", "c", "d", "e"]]
        put(lane, "fghijk")
        await settle()
        assert (len(workers.bundles), lane.waiting) == (2, 6), "one bundle ahead, no more"
        await workers.answer(0)
        assert workers.bundles[2:] == [["f", "g", "h", "i"]]
        await workers.answer(1)
        await workers.answer(2)
        assert workers.bundles[3:] == [["j", "k"]], "a worker is free: what waits goes, full or not"

    run(test)


def test_every_worker_has_its_bundle() -> None:
    async def test(workers: Workers) -> None:
        lane = lane_of(workers, count=2)
        for name in "abc":
            put(lane, name)
            await settle()
        assert workers.bundles == [["a"], ["b"]]
        await workers.answer(1)
        assert workers.bundles == [["a"], ["b"], ["c"]]

    run(test)


def test_one_that_is_cancelled_while_it_waits_reaches_no_worker() -> None:
    async def test(workers: Workers) -> None:
        lane = lane_of(workers)
        put(lane, "a")
        await settle()
        b, c = put(lane, "bc")
        b.answer.cancel()
        await settle()
        assert lane.waiting == 1
        await workers.answer(0)
        assert workers.bundles == [["a"], ["c"]]
        await workers.answer(1)
        assert (await c.answer).body == b"c"

    run(test)


def test_one_whose_deadline_passes_while_it_waits_is_answered_504_and_reaches_no_worker() -> None:
    async def test(workers: Workers) -> None:
        lane = lane_of(workers)
        put(lane, "a")
        await settle()
        [late] = put(lane, "b", seconds=0.01)
        with pytest.raises(RequestError) as caught:
            await late.answer
        assert caught.value.status == 504
        await workers.answer(0)
        assert workers.bundles == [["a"]]

    run(test)


def test_with_a_delay_an_idle_worker_waits_for_a_full_bundle_as_long() -> None:
    async def test(workers: Workers) -> None:
        lane = lane_of(workers, batch=2, delay_s=HOUR)
        put(lane, "a")
        await settle()
        assert workers.bundles == []
        put(lane, "b")
        await settle()
        assert workers.bundles == [["a", "b"]]
        soon = lane_of(workers, batch=2, delay_s=0.01)
        [alone] = put(soon, "c")
        while len(workers.bundles) < 2:
            await asyncio.sleep(0.001)
        assert time.monotonic() >= alone.since + 0.01

    run(test)


def test_an_error_is_that_of_its_bundle_alone_and_what_waits_is_kept() -> None:
    async def test(workers: Workers) -> None:
        lane = lane_of(workers)
        [lost] = put(lane, "a")
        await settle()
        [kept] = put(lane, "b")
        await workers.fail(0, RequestError(503, "gone"))
        with pytest.raises(RequestError, match="gone"):
            await lost.answer
        await workers.answer(1)
        assert (await kept.answer).status == 200

    run(test)


def test_what_nobody_has_got_is_sent_again_first() -> None:
    async def test(workers: Workers) -> None:
        lane = lane_of(workers, batch=2)
        [first] = put(lane, "a")
        await settle()
        put(lane, "b")
        await workers.fail(0, DownError())
        while len(workers.bundles) < 2:
            await asyncio.sleep(0.001)
        assert workers.bundles[1] == ["a", "b"]
        await workers.answer(1)
        assert (await first.answer).body == b"a"

    run(test)


def test_what_could_not_be_answered_in_time_is_refused_at_once_with_when_it_could() -> None:
    async def test(workers: Workers) -> None:
        lane = lane_of(workers, batch=1)
        put(lane, "abc")
        await settle()
        await asyncio.sleep(0.05)
        await workers.answer(0)
        with pytest.raises(RequestError, match="2 requests are before this one") as caught:
            put(lane, "d", seconds=0.1)
        assert caught.value.status == 503
        assert caught.value.retry_after_s >= 1
        put(lane, "e")
        assert lane.waiting + lane.sent == 3

    run(test)


def test_one_that_nobody_is_before_is_tried_however_slow_the_model_was() -> None:
    async def test(workers: Workers) -> None:
        lane = lane_of(workers, batch=1)
        put(lane, "ab")
        await settle()
        await asyncio.sleep(0.05)
        await workers.answer(0)
        await workers.answer(1)
        assert lane.waiting + lane.sent == 0
        put(lane, "c", seconds=0.001)
        assert lane.waiting + lane.sent == 1

    run(test)


def test_shared_errors_do_not_grow() -> None:
    """An exception that is raised again keeps what it was raised through before."""
    shared = RequestError(503, "gone")

    async def test(workers: Workers) -> None:
        lane = lane_of(workers, batch=1)
        for number in range(5):
            [lost] = put(lane, "a")
            await settle()
            await workers.fail(number, shared.anew())
            with pytest.raises(RequestError):
                await lost.answer
        assert shared.__traceback__ is None

    run(test)
