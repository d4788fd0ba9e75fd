"""Steps of SageMaker Pipelines: with a PipelineSession of either SDK, a job's request becomes a step's arguments."""

import sys
from collections.abc import Callable, Mapping
from typing import Any

_TUNE = {"sagemaker.workflow.pipeline_context": "create_tuning_job", "sagemaker.core.workflow.pipeline_context": "tune"}
"""The modules of the SDKs' PipelineSession, and what each calls the start of a tuning job."""


def in_pipeline(session: Any) -> bool:
    """Whether a session is a PipelineSession, which starts nothing."""
    return _module(session) is not None


def is_variable(value: object) -> bool:
    """Whether a value is only known when the pipeline runs: a parameter, or the property of a step."""
    return hasattr(value, "expr")


def step_arguments(job: Any, caller: str, request: Mapping[str, Any]) -> Any:
    """Return the step_args of a TrainingStep, TuningStep or TransformStep.

    Args:
        job: The Estimator, Tuner or Transformer, whose session is a PipelineSession.
        caller: Name of the SDK's method that would start the job: train, tune or transform.
        request: The job's request.
    """
    module = _module(job.sagemaker_session)
    assert module is not None
    caller = _TUNE[module.__name__] if caller == "tune" else caller

    def hand_over(job: Any) -> None:
        job.sagemaker_session._intercept_create_request(dict(request), None, caller)

    return module._StepArguments(caller, hand_over, job)


def model_step_arguments(model: Any, compose: Callable[[], Mapping[str, Any]]) -> Any:
    """Return the step_args of a ModelStep that creates a model.

    Args:
        model: The Model, whose session is a PipelineSession.
        compose: Returns the request of CreateModel; a script in it may need a step of its own.
    """
    session = model.sagemaker_session
    session.init_model_step_arguments(model)
    session._intercept_create_request(dict(compose()), None, "create_model")
    found, session.context = session.context, None
    return found


def _module(session: Any) -> Any:
    # Whoever has made such a session has imported its module.
    loaded = filter(None, map(sys.modules.get, _TUNE))
    return next((module for module in loaded if isinstance(session, module.PipelineSession)), None)
