"""What the front takes on, and in which order it goes on to the model."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from container.serve.gate import Gate, Window
from container.serve.replies import RequestError


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(20):
            await test()

    asyncio.run(main())


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def test_the_gate_refuses_one_request_too_many_and_one_byte_too_many() -> None:
    async def test() -> None:
        gate = Gate(max_requests=2, max_bytes=10)
        gate.enter()
        gate.enter()
        with pytest.raises(RequestError, match="holds 2 requests") as caught:
            gate.enter()
        assert caught.value.status == 503
        gate.take(10)
        with pytest.raises(RequestError) as caught:
            gate.take(1)
        assert caught.value.status == 503
        gate.leave(10)
        gate.enter()
        gate.take(10)

    run(test)


def test_the_gate_tells_when_it_is_empty() -> None:
    async def test() -> None:
        gate = Gate(max_requests=2, max_bytes=10)
        await gate.until_empty()
        gate.enter()
        empty = asyncio.create_task(gate.until_empty())
        await settle()
        assert not empty.done()
        gate.leave(0)
        await empty

    run(test)


class Passing:
    """Requests that go through a window and stay there until they are told to leave."""

    def __init__(self, window: Window) -> None:
        self._window = window
        self.inside: list[int] = []
        self.tasks: list[asyncio.Task[None]] = []
        self._leave: list[asyncio.Event] = []

    async def send(self, *sizes: int) -> None:
        for size in sizes:
            number = len(self.tasks)
            self._leave.append(asyncio.Event())
            self.tasks.append(asyncio.create_task(self._pass(number, size)))
        await settle()

    async def _pass(self, number: int, size: int) -> None:
        async with self._window.slot(size):
            self.inside.append(number)
            await self._leave[number].wait()
        self.inside.remove(number)

    async def leave(self, number: int) -> None:
        self._leave[number].set()
        await settle()

    async def cancel(self, number: int) -> None:
        self.tasks[number].cancel()
        await settle()
        if number in self.inside:
            self.inside.remove(number)


def test_the_window_lets_through_in_order() -> None:
    async def test() -> None:
        passing = Passing(Window(max_requests=2, max_bytes=100))
        await passing.send(1, 1, 1, 1)
        assert passing.inside == [0, 1]
        await passing.leave(1)
        assert passing.inside == [0, 2]

    run(test)


def test_the_window_counts_bytes_and_lets_a_giant_through_alone() -> None:
    async def test() -> None:
        passing = Passing(Window(max_requests=9, max_bytes=100))
        await passing.send(60, 60, 1, 500, 1)
        assert passing.inside == [0], "the second does not fit, and nobody overtakes it"
        await passing.leave(0)
        assert passing.inside == [1, 2]
        await passing.leave(1)
        await passing.leave(2)
        assert passing.inside == [3]
        await passing.leave(3)
        assert passing.inside == [4]

    run(test)


def test_one_that_leaves_the_queue_is_forgotten() -> None:
    async def test() -> None:
        passing = Passing(Window(max_requests=1, max_bytes=100))
        await passing.send(1, 1, 1)
        await passing.cancel(1)
        assert passing.inside == [0]
        await passing.leave(0)
        assert passing.inside == [2]
        await passing.cancel(2)
        await passing.send(1)
        assert passing.inside == [3]

    run(test)


def test_one_cancelled_at_the_moment_of_its_turn_gives_the_turn_on() -> None:
    async def test() -> None:
        passing = Passing(Window(max_requests=1, max_bytes=100))
        await passing.send(1, 1, 1)
        # The first leaves and the second is cancelled before the second has run.
        passing.tasks[0].cancel()
        await asyncio.sleep(0)
        passing.tasks[1].cancel()
        await settle()
        assert 2 in passing.inside

    run(test)
