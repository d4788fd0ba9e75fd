"""What a model that does not fit is told, and which model is idle longest."""

import asyncio
from collections.abc import Sequence

import pytest

from container.serve.client import DownError
from container.serve.config import MEBIBYTE
from container.serve.lane import Lane, Limits
from container.serve.multi_model.memory import Budget, FullError
from container.serve.multi_model.traffic import Traffic
from container.serve.replies import Reply, RequestError
from container.serve.state import HeldModel

PLENTY = 10**12


@pytest.fixture
def budget() -> Budget:
    made = Budget(1000 * MEBIBYTE)
    made.fixed = 100 * MEBIBYTE
    return made


def test_a_model_that_would_fit_if_another_went_is_full(budget: Budget):
    budget.reserve("a", 600 * MEBIBYTE, PLENTY)
    with pytest.raises(FullError, match="unload one") as caught:
        budget.reserve("b", 600 * MEBIBYTE, PLENTY)
    assert caught.value.status == 507
    budget.release("a")
    budget.reserve("b", 600 * MEBIBYTE, PLENTY)


def test_a_model_that_never_fits_is_no_reason_to_unload_others(budget: Budget):
    with pytest.raises(RequestError, match="needs about 5000 MiB, and 900 MiB are there") as caught:
        budget.reserve("giant", 5000 * MEBIBYTE, PLENTY)
    assert caught.value.status == 507
    assert not isinstance(caught.value, FullError)


async def nobody(_parts: Sequence[bytes]) -> list[Reply]:
    raise DownError


def test_a_model_that_was_just_loaded_is_not_the_one_that_is_idle_longest():
    async def used_at() -> tuple[float, float]:
        limits = Limits(workers=1, batch_size=1, delay_s=0)
        traffic = Traffic(lambda _key, _size: Lane(limits, nobody))
        models = [HeldModel(key=key, url="", batch_size=1, accepting=True) for key in ("old", "new")]
        old = traffic.lane(models[0])
        with old.held():
            pass
        return old.used_at, traffic.lane(models[1]).used_at

    old, new = asyncio.run(used_at())
    assert old < new
