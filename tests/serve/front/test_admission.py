"""What the front takes on, and how many bytes of it go on."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import ExitStack

import pytest

from container.serve.front.admission import AdmissionControl, HeldRequest
from container.serve.protocol.replies import RequestError


def run(test: Callable[[], Awaitable[None]]) -> None:
    async def main() -> None:
        async with asyncio.timeout(20):
            await test()

    asyncio.run(main())


def test_admission_control_refuses_one_request_too_many_and_one_byte_too_many() -> None:
    async def test() -> None:
        admission = AdmissionControl(max_requests=2, max_bytes=10)
        with ExitStack() as arrived:
            for _ in range(2):
                arrived.enter_context(admission.hold()).enter()
            with admission.hold() as third:
                third.take(10)
                with pytest.raises(RequestError, match="holds 2 requests") as caught:
                    third.enter()
                assert caught.value.status == 503
                with pytest.raises(RequestError) as caught:
                    third.take(1)
                assert caught.value.status == 503
        with admission.hold() as again:
            again.take(10)
            again.enter()

    run(test)


def test_what_is_still_arriving_takes_no_place() -> None:
    async def test() -> None:
        admission = AdmissionControl(max_requests=1, max_bytes=10)
        with ExitStack() as slow:
            arriving: list[HeldRequest] = [slow.enter_context(admission.hold()) for _ in range(100)]
            arriving[0].take(1)
            with admission.hold() as quick:
                quick.enter()
            arriving[1].enter()
            assert (admission.requests, admission.arriving) == (1, 99)
        assert (admission.requests, admission.arriving) == (0, 0)

    run(test)


def test_admission_control_tells_when_it_is_empty() -> None:
    async def test() -> None:
        admission = AdmissionControl(max_requests=2, max_bytes=10)
        await admission.until_empty()
        with admission.hold() as held:
            empty = asyncio.create_task(admission.until_empty())
            await asyncio.sleep(0)
            held.enter()
            await asyncio.sleep(0)
            assert not empty.done()
        await empty

    run(test)
