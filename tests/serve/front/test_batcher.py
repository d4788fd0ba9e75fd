"""How requests become batches: what is sent when, by a batcher whose workers answer when the test says so."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence

import pytest

from container.serve.front.batcher import Batcher, Limits, Waiting
from container.serve.mms.client import DownError, LostError
from container.serve.protocol.replies import PENDING, Reply, RequestError

HOUR = 3600.0


class Workers:
    """What has been sent to them; each batch is answered on request."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self._answers: list[asyncio.Future[list[Reply]]] = []

    async def send(self, parts: Sequence[bytes]) -> list[Reply]:
        self.batches.append([part.decode() for part in parts])
        self._answers.append(asyncio.get_running_loop().create_future())
        return await self._answers[-1]

    async def answer(self, number: int) -> None:
        names = self.batches[number]
        replies = [Reply(status=200, content_type="text/plain", body=name.encode()) for name in names]
        self._answers[number].set_result(replies)
        await settle()

    async def answer_all_but(self, number: int, slow: str) -> None:
        replies = [
            PENDING if name == slow else Reply(status=200, content_type="text/plain", body=name.encode())
            for name in self.batches[number]
        ]
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


def batcher_of(workers: Workers, *, count: int = 1, batch: int = 4, delay_s: float = 0.0) -> Batcher:
    return Batcher(Limits(workers=count, batch_size=batch, delay_s=delay_s), workers.send)


def put(batcher: Batcher, names: str, *, seconds: float = HOUR) -> list[Waiting]:
    return [batcher.put(name.encode(), time.monotonic() + seconds) for name in names]


def test_a_free_worker_gets_what_has_come_together_at_once() -> None:
    async def test(workers: Workers) -> None:
        batcher = batcher_of(workers)
        [alone] = put(batcher, "a")
        await settle()
        assert workers.batches == [["a"]]
        await workers.answer(0)
        assert (await alone.answer).body == b"a"
        put(batcher, "bcd")
        await settle()
        assert workers.batches == [["a"], ["b", "c", "d"]]

    run(test)


def test_while_all_workers_are_busy_requests_wait_and_only_a_full_batch_goes_ahead() -> None:
    async def test(workers: Workers) -> None:
        batcher = batcher_of(workers)
        put(batcher, "a")
        await settle()
        put(batcher, "bcd")
        await settle()
        assert workers.batches == [["a"]], "three are no full batch"
        put(batcher, "e")
        await settle()
        assert workers.batches == [["a"], ["b", "c", "d", "e"]]
        put(batcher, "fghijk")
        await settle()
        assert (len(workers.batches), batcher.waiting) == (2, 6), "one batch ahead, no more"
        await workers.answer(0)
        assert workers.batches[2:] == [["f", "g", "h", "i"]]
        await workers.answer(1)
        await workers.answer(2)
        assert workers.batches[3:] == [["j", "k"]], "a worker is free: what waits goes, full or not"

    run(test)


def test_every_worker_has_its_batch() -> None:
    async def test(workers: Workers) -> None:
        batcher = batcher_of(workers, count=2)
        for name in "abc":
            put(batcher, name)
            await settle()
        assert workers.batches == [["a"], ["b"]]
        await workers.answer(1)
        assert workers.batches == [["a"], ["b"], ["c"]]

    run(test)


def test_one_that_is_cancelled_while_it_waits_reaches_no_worker() -> None:
    async def test(workers: Workers) -> None:
        batcher = batcher_of(workers)
        put(batcher, "a")
        await settle()
        b, c = put(batcher, "bc")
        b.answer.cancel()
        await settle()
        assert batcher.waiting == 1
        await workers.answer(0)
        assert workers.batches == [["a"], ["c"]]
        await workers.answer(1)
        assert (await c.answer).body == b"c"

    run(test)


def test_one_whose_deadline_passes_while_waiting_gets_504_and_reaches_no_worker() -> None:
    async def test(workers: Workers) -> None:
        batcher = batcher_of(workers)
        put(batcher, "a")
        await settle()
        [late] = put(batcher, "b", seconds=0.01)
        with pytest.raises(RequestError) as caught:
            await late.answer
        assert caught.value.status == 504
        await workers.answer(0)
        assert workers.batches == [["a"]]

    run(test)


def test_with_a_delay_an_idle_worker_waits_for_a_full_batch_as_long() -> None:
    async def test(workers: Workers) -> None:
        batcher = batcher_of(workers, batch=2, delay_s=HOUR)
        put(batcher, "a")
        await settle()
        assert workers.batches == []
        put(batcher, "b")
        await settle()
        assert workers.batches == [["a", "b"]]
        soon = batcher_of(workers, batch=2, delay_s=0.01)
        [alone] = put(soon, "c")
        while len(workers.batches) < 2:
            await asyncio.sleep(0.001)
        assert time.monotonic() >= alone.since + 0.01

    run(test)


def test_an_error_is_that_of_its_batch_alone_and_what_waits_is_kept() -> None:
    async def test(workers: Workers) -> None:
        batcher = batcher_of(workers)
        [lost] = put(batcher, "a")
        await settle()
        [kept] = put(batcher, "b")
        await workers.fail(0, RequestError(503, "gone"))
        with pytest.raises(RequestError, match="gone"):
            await lost.answer
        await workers.answer(1)
        assert (await kept.answer).status == 200

    run(test)


def test_what_nobody_has_got_is_sent_again_first() -> None:
    async def test(workers: Workers) -> None:
        batcher = batcher_of(workers, batch=2)
        [first] = put(batcher, "a")
        await settle()
        put(batcher, "b")
        await workers.fail(0, DownError())
        while len(workers.batches) < 2:
            await asyncio.sleep(0.001)
        assert workers.batches[1] == ["a", "b"]
        await workers.answer(1)
        assert (await first.answer).body == b"a"

    run(test)


def test_what_could_not_be_answered_in_time_is_refused_at_once_with_when_it_could() -> None:
    async def test(workers: Workers) -> None:
        batcher = batcher_of(workers, batch=1)
        put(batcher, "abc")
        await settle()
        await asyncio.sleep(0.05)
        await workers.answer(0)
        with pytest.raises(RequestError, match="2 requests are ahead of this one") as caught:
            put(batcher, "d", seconds=0.1)
        assert caught.value.status == 503
        assert caught.value.retry_after_s >= 1
        put(batcher, "e")
        assert batcher.waiting + batcher.sent == 3

    run(test)


def test_one_that_nobody_is_before_is_tried_however_slow_the_model_was() -> None:
    async def test(workers: Workers) -> None:
        batcher = batcher_of(workers, batch=1)
        put(batcher, "ab")
        await settle()
        await asyncio.sleep(0.05)
        await workers.answer(0)
        await workers.answer(1)
        assert batcher.waiting + batcher.sent == 0
        put(batcher, "c", seconds=0.001)
        assert batcher.waiting + batcher.sent == 1

    run(test)


def test_shared_errors_do_not_grow() -> None:
    """An exception that is raised again keeps what it was raised through before."""
    shared = RequestError(503, "gone")

    async def test(workers: Workers) -> None:
        batcher = batcher_of(workers, batch=1)
        for number in range(5):
            [lost] = put(batcher, "a")
            await settle()
            await workers.fail(number, shared.anew())
            with pytest.raises(RequestError):
                await lost.answer
        assert shared.__traceback__ is None

    run(test)


def test_one_that_outlasts_its_slice_is_sent_again_and_the_others_are_answered() -> None:
    async def test(workers: Workers) -> None:
        batcher = batcher_of(workers)
        slow, quick = put(batcher, "ab")
        await settle()
        await workers.answer_all_but(0, "a")
        assert (await quick.answer).body == b"b"
        while len(workers.batches) < 2:
            await asyncio.sleep(0.001)
        assert workers.batches[1] == ["a"]
        await workers.answer(1)
        assert (await slow.answer).body == b"a"

    run(test)


def test_those_that_were_with_a_worker_that_ended_are_sent_again_one_by_one() -> None:
    async def test(workers: Workers) -> None:
        batcher = batcher_of(workers)
        deadly, *others = put(batcher, "abc")
        await settle()
        await workers.fail(0, LostError())
        assert workers.batches[1:] == [["a"]]
        put(batcher, "de")
        await workers.fail(1, LostError())
        with pytest.raises(RequestError, match="ended"):
            await deadly.answer
        await workers.answer(2)
        await workers.answer(3)
        assert workers.batches[2:4] == [["b"], ["c"]]
        assert [(await other.answer).body for other in others] == [b"b", b"c"]
        assert workers.batches[4] == ["d", "e"]

    run(test)
