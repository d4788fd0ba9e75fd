"""What a model's failure means, with one model and with many."""

import pytest

from container.contract.errors import ServeError
from container.serve.mms.model_server_process import ModelServerEndedError
from container.serve.protocol.replies import FullError
from container.serve.supervisor.failure import Failure, ModelError

ENDS = {Failure.CANNOT_LOAD, Failure.NO_MEMORY, Failure.WORKERS_DIE, Failure.TOO_LATE}
STATUSES = {
    Failure.CANNOT_LOAD: 422, Failure.NO_MEMORY: 507, Failure.WORKER_DIED: 507, Failure.WORKERS_DIE: 507,
    Failure.TOO_LATE: 504, Failure.WARM_UP: 500, Failure.REFUSED: 500, Failure.PART_ENDED: 503, Failure.NO_ROOM: 503,
}  # fmt: skip


@pytest.mark.parametrize("failure", Failure)
def test_every_failure_has_a_meaning_with_one_model_and_with_many(failure: Failure) -> None:
    error = ModelError(failure, "why it is")
    one, many = error.with_one_model(), error.with_many_models()
    assert isinstance(one, ServeError if failure in ENDS else ModelServerEndedError)
    assert many.status == STATUSES[failure]
    assert isinstance(many, FullError) == (failure is Failure.NO_MEMORY), "then another model may make room"
    assert "why it is" in str(one)
    assert "why it is" in many.message


def test_a_failed_warm_up_keeps_its_own_status() -> None:
    assert ModelError(Failure.WARM_UP, "no", status=504).with_many_models().status == 504


def test_the_end_by_the_startup_timeout_says_what_was_missing_and_what_to_set() -> None:
    error = ModelError(Failure.TOO_LATE, "2 seconds", detail="the model is being loaded")
    assert str(error.with_one_model()) == (
        "the server was not ready within 2 seconds (the model is being loaded); "
        "SAGEMAKER_STARTUP_TIMEOUT gives it longer"
    )
    assert error.with_many_models().message == "the model was not loaded within 2 seconds"
