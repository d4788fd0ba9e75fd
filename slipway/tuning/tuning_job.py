"""Reads a tuning job on SageMaker: its progress and its trials."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from slipway.aws.connection import Service
from slipway.aws.console_address import console_address
from slipway.errors import RemoteJobError
from slipway.requests.objective import Objective
from slipway.requests.search_space import read_value
from slipway.tuning.trial import Status, Trial, Tuning

_ENDED = ("Completed", "Failed", "Stopped")
_STATUS: Mapping[str, Status] = {"Completed": "completed", "Failed": "failed", "InProgress": "running"}


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The progress of a tuning job."""

    status: str
    ended: bool
    done: int
    """Number of training jobs that have ended, whether completed, stopped or failed."""
    running: int
    total: int
    best: Trial | None
    failure: str
    """SageMaker's reason if the tuning job failed."""

    def __str__(self) -> str:
        line = f"{self.done} of {self.total} training jobs done, {self.running} running"
        if self.best is None or self.best.objective is None:
            return line
        return f"{line}, best so far {self.best.objective:.4f} ({self.best.name})"


class TuningJob:
    """A tuning job, read from the API.

    Args:
        name: Name of the tuning job.
        service: Client of SageMaker.
        region: Region, for console addresses.
    """

    def __init__(self, name: str, service: Service, region: str) -> None:
        self.name = name
        self._service = service
        self._region = region

    @property
    def address(self) -> str:
        """Address of its page in the AWS console."""
        return console_address("tuning job", self.name, self._region)

    @property
    def still_running(self) -> str:
        """Say how to follow or stop the job, for a user who no longer waits."""
        return (
            f"the tuning job {self.name} still runs and costs money: slipway tune --report "
            f"{self.name} shows its trials, slipway stop {self.name} ends it. "
            f"{self.address}"
        )

    def describe(self) -> Mapping[str, Any]:
        """Return DescribeHyperParameterTuningJob's answer.

        Raises:
            ServiceError: There is no such job, or AWS refuses.
        """
        return self._service.call("DescribeHyperParameterTuningJob", HyperParameterTuningJobName=self.name)

    def progress(self) -> Progress:
        """Read the progress.

        Raises:
            ServiceError: As for `describe`.
        """
        answer = self.describe()
        counters = answer["TrainingJobStatusCounters"]
        best = answer.get("BestTrainingJob")
        return Progress(
            status=answer["HyperParameterTuningJobStatus"],
            ended=answer["HyperParameterTuningJobStatus"] in _ENDED,
            done=sum(counters.get(state, 0) for state in ("Completed", "NonRetryableError", "Stopped")),
            running=counters.get("InProgress", 0),
            total=answer["HyperParameterTuningJobConfig"]["ResourceLimits"]["MaxNumberOfTrainingJobs"],
            best=self._trial(best) if best else None,
            failure=answer.get("FailureReason", ""),
        )

    def trials(self) -> list[Trial]:
        """List all training jobs so far, in the order in which they were started.

        Raises:
            ServiceError: As for `describe`.
        """
        summaries = self._service.pages(
            "ListTrainingJobsForHyperParameterTuningJob",
            "TrainingJobSummaries",
            HyperParameterTuningJobName=self.name,
        )
        ordered = sorted(summaries, key=lambda summary: (summary["CreationTime"], summary["TrainingJobName"]))
        return [self._trial(summary) for summary in ordered]

    def tuning(self) -> Tuning:
        """Read the job with all its trials.

        Raises:
            ServiceError: As for `describe`.
        """
        answer = self.describe()
        config = answer["HyperParameterTuningJobConfig"]
        wanted = config["HyperParameterTuningJobObjective"]
        return Tuning(
            name=self.name,
            objective=Objective(wanted["MetricName"], wanted["Type"]),
            strategy=config["Strategy"],
            trials=self.trials(),
            best_name=answer.get("BestTrainingJob", {}).get("TrainingJobName", ""),
        )

    def failure(self, progress: Progress) -> RemoteJobError:
        """Build the error for a tuning job without a result, with its own reason and those of its training jobs."""
        failed = [trial for trial in self.trials() if trial.status == "failed"]
        reasons = "; ".join(f"{trial.name}: {trial.reason or 'no reason given'}" for trial in failed[:3])
        more = f"; and {len(failed) - 3} more" if len(failed) > 3 else ""
        own = f": {progress.failure}" if progress.failure else ""
        of_jobs = f" Training jobs that failed: {reasons}{more}." if failed else ""
        return RemoteJobError(
            f"the tuning job {self.name} ended ({progress.status}) without a best training job{own}.{of_jobs} "
            f"See {self.address}"
        )

    def _trial(self, summary: Mapping[str, Any]) -> Trial:
        metric = summary.get("FinalHyperParameterTuningJobObjectiveMetric")
        values: Mapping[str, str] = summary["TunedHyperParameters"]
        status = _STATUS.get(summary["TrainingJobStatus"], "stopped")
        # A job that early stopping ended is Stopped with an objective; one that a user or a limit stopped has none.
        if status == "stopped" and metric is not None:
            status = "stopped early"
        return Trial(
            name=summary["TrainingJobName"],
            hyperparameters={name: read_value(name, text) for name, text in values.items()},
            status=status,
            objective=metric["Value"] if metric else None,
            duration_s=_seconds(summary.get("TrainingStartTime"), summary.get("TrainingEndTime")),
            reason=summary.get("FailureReason", ""),
            address=console_address("training job", summary["TrainingJobName"], self._region),
        )


def _seconds(start: datetime | None, end: datetime | None) -> float | None:
    return (end - start).total_seconds() if start and end else None
