"""What a model that does not fit is told, and which model is idle longest."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from container.serve.front.batcher import Batcher, Limits
from container.serve.front.batchers import Batchers
from container.serve.mms.client import DownError
from container.serve.protocol.replies import Reply, RequestError
from container.serve.protocol.state import LatestState, ModelState, ServerState
from container.serve.settings.config import MEBIBYTE
from container.serve.supervisor.model_memory import Budget, FullError

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


def test_a_model_that_was_just_loaded_is_not_the_one_that_is_idle_longest(tmp_path: Path):
    async def used_at() -> tuple[float, float]:
        limits = Limits(workers=1, batch_size=1, delay_s=0)
        batchers = Batchers(lambda _key, _size: Batcher(limits, nobody), LatestState(tmp_path))
        models = [ModelState(key=key, url="", batch_size=1, accepting=True) for key in ("old", "new")]
        old = batchers.of(models[0])
        with old.held():
            pass
        return old.used_at, batchers.of(models[1]).used_at

    old, new = asyncio.run(used_at())
    assert old < new


def test_requests_reach_a_model_that_accepts_them_and_is_not_leaving(tmp_path: Path):
    """The same for the one model of a server and for many."""

    def publish(*, accepting: bool, **models: ModelState) -> None:
        ServerState(ready=True, accepting=accepting, reason="no", inference_port=1, models=models).write(tmp_path)
        state(fresh=True)

    def refusal(name: str) -> int:
        with pytest.raises(RequestError) as caught:
            batchers.find(name)
        return caught.value.status

    state = LatestState(tmp_path)
    batchers = Batchers(lambda _key, _size: Batcher(Limits(workers=1, batch_size=1, delay_s=0), nobody), state)
    model = ModelState(key="m1", url="", batch_size=1, accepting=True)
    publish(accepting=False, a=model)
    assert refusal("a") == 503
    publish(accepting=True, a=model, b=replace(model, key="m2", accepting=False))
    assert batchers.find("a") is batchers.find("a")
    assert (refusal("b"), refusal("c")) == (503, 404)
    with batchers.leaving("a"):
        assert refusal("a") == 404
    old = batchers.find("a")
    batchers.forget(model)
    assert batchers.find("a") is not old
