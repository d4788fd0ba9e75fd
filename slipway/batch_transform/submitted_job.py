"""The latest job of a Transformer: waiting for it, stopping it, and reading its predictions."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from slipway.aws.cloud_logs import TRANSFORM_GROUP, LogFollower
from slipway.aws.console_address import console_address
from slipway.aws.permissions import missing_permission
from slipway.aws.refusals import explained
from slipway.aws.s3_address import S3Address
from slipway.aws.session import AnySession, is_local
from slipway.batch_transform.labels import Tally
from slipway.batch_transform.outputs import count_outputs, rows_below, rows_in_s3
from slipway.batch_transform.pictures import Picture
from slipway.batch_transform.predictions_file import Format, Row, write_predictions
from slipway.errors import RemoteJobError, ServiceError, TransformError
from slipway.installed_sdk import OnVersion3

Advance = Callable[[int, int], None]
_ENDED = ("Completed", "Failed", "Stopped")
_POLL_S = 20.0


class SubmittedJob(OnVersion3):
    """A transform job that was started, with its pictures in order."""

    if TYPE_CHECKING:
        sagemaker_session: AnySession
        instance_type: str
        output_path: str | None
        form: Format
        _current_job_name: str | None
        _pictures: list[Picture]
        _labels: Mapping[str, str]
        _refused: Mapping[str, str]
        _data: str

    def wait_for_pictures(
        self,
        advance: Advance = lambda done, total: None,
        poll_s: float = _POLL_S,
        *,
        show: Callable[[str], None] | None = None,
    ) -> None:
        """Wait until the job has ended.

        Args:
            advance: Called with the number of pictures predicted so far, and the total.
            poll_s: Seconds between polls.
            show: Called with each line of the job's log; None: the log is not read.

        Raises:
            RemoteJobError: The job failed or was stopped; the predictions that exist can still be read.
            TransformError: The wait was interrupted.
            ServiceError: AWS refuses.
        """
        name, region = self.job_name, self.sagemaker_session.boto_region_name
        where = f"slipway logs {name}; {console_address('transform job', name, region)}"
        follower = LogFollower(self.sagemaker_session.boto_session, TRANSFORM_GROUP, name) if show else None
        try:
            while True:
                found = self._description()
                if follower and show:
                    for line in follower.new_lines():
                        show(line)
                if found["TransformJobStatus"] in _ENDED:
                    break
                advance(count_outputs(self._s3(), str(self.output_path)), len(self._pictures))
                time.sleep(poll_s)
        except ServiceError as error:
            error.args = (
                f"{error}\nThe transform job {name} may still be running, and costs money then: slipway stop {name} "
                f"ends it. {where}",
            )
            raise
        except KeyboardInterrupt:
            raise TransformError(
                f"stopped waiting; the transform job {name} still runs and costs money: slipway stop {name} ends it. "
                f"{where}"
            ) from None
        if found["TransformJobStatus"] != "Completed":
            how = "failed" if found["TransformJobStatus"] == "Failed" else "was stopped"
            reason = " ".join(str(found.get("FailureReason") or "no reason is given").split())
            if missing := missing_permission(reason):
                reason += f"\nThe missing permission: {missing}"
            raise RemoteJobError(f"the transform job {name} {how}: {reason}\n{where}")

    def wait(self, logs: bool = True) -> None:
        """Wait until the last job has ended, and print its log.

        Raises:
            UserError: As for `wait_for_pictures`.
        """
        self.wait_for_pictures(show=print if logs else None)

    def stop_transform_job(self, wait: bool = True) -> None:
        """Stop the last job.

        Args:
            wait: Wait until it has stopped.

        Raises:
            TransformError: There was no job, or the wait was interrupted.
            ServiceError: AWS refuses.
        """
        name = self.job_name
        with explained(f"stopping the transform job {name}"):
            self.sagemaker_session.sagemaker_client.stop_transform_job(TransformJobName=name)
        if wait:
            with suppress(RemoteJobError):
                self.wait_for_pictures()

    @property
    def job_name(self) -> str:
        """Name of the last job.

        Raises:
            TransformError: There was none.
        """
        if self._current_job_name is None:
            raise _no_job()
        return self._current_job_name

    @property
    def picture_count(self) -> int:
        """Number of pictures of the last job."""
        return len(self._pictures)

    @property
    def labels(self) -> Mapping[str, str]:
        """Labels of the last job's pictures, by name; empty without a manifest."""
        return self._labels

    def _description(self) -> Mapping[str, Any]:
        with explained(f"looking at the transform job {self.job_name}"):
            found: Mapping[str, Any] = self.sagemaker_session.sagemaker_client.describe_transform_job(
                TransformJobName=self.job_name
            )
        return found

    def _s3(self) -> Any:
        return self.sagemaker_session.boto_session.client("s3")

    def rows(self) -> Iterator[Row]:
        """Yield a row for each picture of the last job, in the order of the pictures' names.

        Raises:
            TransformError: There was no job.
            ServiceError: AWS refuses.
        """
        if not self._pictures:
            raise _no_job()
        names = [picture.name for picture in self._pictures]
        if is_local(self.instance_type):
            return rows_below(Path(str(self.output_path).removeprefix("file://")), names, self._refused)
        return rows_in_s3(
            self.sagemaker_session.boto_session,
            job=self.job_name,
            source=S3Address.parse(self._data),
            output=S3Address.parse(str(self.output_path)),
            names=names,
        )

    def write_predictions(self, path: Path | str) -> int:
        """Write the last job's answers, with the pictures' names, to one file; see predictions_file.

        Returns:
            The number of pictures without an answer; the file has the reasons.

        Raises:
            TransformError: There was no job, or the file cannot be written.
            ServiceError: AWS refuses.
        """
        rows = Tally(form=self.form, labels=self._labels).add(self.rows())
        return write_predictions(Path(path), rows, self.form, labelled=bool(self._labels))


def _no_job() -> TransformError:
    return TransformError("there was no job yet; call transform() first")
