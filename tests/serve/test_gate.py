"""What the front takes on, and how many bytes of it go on."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack

import pytest

from container.serve.gate import Gate, Held
from container.serve.replies import RequestError


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(20):
            await test()

    asyncio.run(main())


def test_the_gate_refuses_one_complete_request_too_many_and_one_byte_too_many() -> None:
    async def test() -> None:
        gate = Gate(max_requests=2, max_bytes=10)
        with ExitStack() as arrived:
            for _ in range(2):
                arrived.enter_context(gate.holding()).enter()
            with gate.holding() as third:
                third.take(10)
                with pytest.raises(RequestError, match="holds 2 requests") as caught:
                    third.enter()
                assert caught.value.status == 503
                with pytest.raises(RequestError) as caught:
                    third.take(1)
                assert caught.value.status == 503
        with gate.holding() as again:
            again.take(10)
            again.enter()

    run(test)


def test_what_is_still_arriving_takes_no_place() -> None:
    async def test() -> None:
        gate = Gate(max_requests=1, max_bytes=10)
        with ExitStack() as slow:
            arriving: list[Held] = [slow.enter_context(gate.holding()) for _ in range(100)]
            arriving[0].take(1)
            with gate.holding() as quick:
                quick.enter()
            arriving[1].enter()
            assert (gate.requests, gate.arriving) == (1, 99)
        assert (gate.requests, gate.arriving) == (0, 0)

    run(test)


def test_the_gate_tells_when_it_is_empty() -> None:
    async def test() -> None:
        gate = Gate(max_requests=2, max_bytes=10)
        await gate.until_empty()
        with gate.holding() as held:
            empty = asyncio.create_task(gate.until_empty())
            await asyncio.sleep(0)
            held.enter()
            await asyncio.sleep(0)
            assert not empty.done()
        await empty

    run(test)
