"""A transform job on SageMaker, or in the SDK's local mode: the SDK's Transformer for pictures."""

import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from sagemaker.session import Session
from sagemaker.transformer import Transformer as SdkTransformer
from sagemaker.utils import name_from_base

from slipway.aws.connection import Service
from slipway.aws.console_address import console_address
from slipway.aws.refusals import explained
from slipway.aws.session import is_local, session_for
from slipway.aws.tags import Tags, with_own_tag
from slipway.checks.arguments import refuse_unknown
from slipway.checks.instance_type import check_instance_type
from slipway.checks.s3_address import S3Address
from slipway.errors import RemoteJobError, TransformError
from slipway.invocations import ANY_PICTURE
from slipway.settings import Settings
from slipway.transform.labels import Tally, labels_from, local_pictures
from slipway.transform.local import transform_here
from slipway.transform.outputs import count_outputs, link_name, rows_in_folder, rows_in_s3
from slipway.transform.pictures import Picture, list_pictures, load_for
from slipway.transform.predictions_file import ACCEPT, Format, Row, write_predictions

if TYPE_CHECKING:
    from slipway.deploy.model import Model

Advance = Callable[[int, int], None]
_ENDED = ("Completed", "Failed", "Stopped")
_POLL_S = 20.0


class Transformer(SdkTransformer):  # type: ignore[misc]  # the SDK has no types
    """The SDK's Transformer (version 2); every argument of its still works, by name.

    Args:
        model_name: Name of a model in SageMaker; `from_model` creates one.
        instance_count: Number of instances, which share the pictures.
        instance_type: Such as ml.c7i.xlarge; `local` is the SDK's local mode, with Docker.
        form: Format of the answers: jsonl (the most probable classes) or csv (the most probable one).
        output_path: Where SageMaker writes an object for each picture; None: s3://BUCKET/jobs/JOB, in the pictures'
            bucket. In local mode file://FOLDER.
        tags: Tags in addition to Slipway's.
        region: AWS region; None: Settings', AWS_REGION, else the profile's.
        sagemaker_session: Session to use instead of one for the region.
        sdk_arguments: Further arguments of sagemaker.transformer.Transformer, such as max_payload (MB),
            max_concurrent_transforms, env, output_kms_key, volume_kms_key.

    Raises:
        SettingError: The instance type is missing, or not available for batch transform.
    """

    def __init__(
        self,
        model_name: str,
        instance_count: int = 1,
        instance_type: str | None = None,
        *,
        form: Format = "jsonl",
        output_path: str | None = None,
        tags: Tags = None,
        region: str | None = None,
        sagemaker_session: Session | None = None,
        **sdk_arguments: Any,
    ) -> None:
        refuse_unknown("Transformer", sdk_arguments, (Transformer, "__init__"))
        settings = Settings.read()
        checked = check_instance_type(instance_type, "transform")
        self.form = form
        self._model: Model | None = None
        self._links: tempfile.TemporaryDirectory[str] | None = None
        self._pictures: list[Picture] = []
        self._labels: Mapping[str, str] = {}
        self._data = ""
        self._own_output = output_path is None
        super().__init__(
            model_name,
            instance_count,
            checked,
            # Each picture is one record, and one request.
            strategy=sdk_arguments.pop("strategy", "SingleRecord"),
            accept=sdk_arguments.pop("accept", ACCEPT[form]),
            output_path=output_path,
            tags=with_own_tag(tags),
            base_transform_job_name=sdk_arguments.pop("base_transform_job_name", "slipway-transform"),
            sagemaker_session=sagemaker_session
            or session_for(instance_type, region=region or settings.region, profile=settings.profile),
            **sdk_arguments,
        )

    @classmethod
    def from_model(cls, model: "Model", instance_type: str | None, **arguments: Any) -> Self:
        """Build a Transformer from a `Model`, which is created in SageMaker.

        Args:
            model: The model.
            instance_type: As for `Transformer`.
            arguments: Further arguments of `Transformer`.

        Raises:
            ServiceError: AWS refuses.
        """
        check_instance_type(instance_type, "transform")
        with explained("creating the model"):
            model.create(instance_type=instance_type, tags=with_own_tag(arguments.get("tags")))
        made = cls(str(model.name), instance_type=instance_type, sagemaker_session=model.sagemaker_session, **arguments)
        # In local mode the model's files exist as long as the object.
        made._model = model
        return made

    def transform(
        self,
        data: str,
        content_type: str = ANY_PICTURE,
        job_name: str | None = None,
        *,
        labels: Path | str | None = None,
        wait: bool = True,
        logs: bool = False,
        advance: Advance = lambda done, total: None,
        **sdk_arguments: Any,
    ) -> None:
        """Start the job, and wait for it.

        Args:
            data: Pictures below s3://BUCKET/PREFIX/; in local mode a folder.
            content_type: Content type of the pictures; the containers detect the formats themselves.
            job_name: Name of the job; None: `base_transform_job_name` and the time.
            labels: Manifest with the pictures' labels, to be written beside the predictions; None: in local mode the
                folder's, if it has one.
            wait: Wait until the job has ended; local mode always waits.
            logs: Show logs as the SDK does; in local mode, the container's lines.
            advance: Called with the number of pictures predicted so far, and the total.
            sdk_arguments: Further arguments of the SDK's transform(), such as model_client_config.

        Raises:
            TransformError: There are no pictures, one is too large, or a manifest lies beside them in S3.
            DataError: The manifest cannot be used.
            RemoteJobError: The job failed or was stopped; in local mode, the message has the container's last lines.
            SettingError: Something else listens at the port of local mode's container.
            ServiceError: AWS refuses.
        """
        name = job_name or name_from_base(self.base_transform_job_name)
        with explained("looking for the pictures"):
            self._look_for(data, name, Path(labels) if labels else None)
        load = load_for(self._pictures)
        self.max_payload: int | None = self.max_payload or load.max_payload_mb
        # Local mode sends one request at a time, and warns otherwise.
        concurrent = 1 if is_local(self.instance_type) else load.max_concurrent
        self.max_concurrent_transforms: int | None = self.max_concurrent_transforms or concurrent
        started = nullcontext() if not is_local(self.instance_type) else self._here(name, advance, logs)
        with explained("starting the transform job"), started:
            super().transform(
                self._data, content_type=content_type, job_name=name, wait=False, logs=False, **sdk_arguments
            )
        if wait and not is_local(self.instance_type):
            if logs:
                self.wait(logs=True)
            self.wait_for_pictures(advance)

    def _here(self, name: str, advance: Advance, logs: bool) -> AbstractContextManager[None]:
        total = len(self._pictures)
        return transform_here(
            self.sagemaker_session, name, lambda done: advance(done, total), show=print if logs else None
        )

    def _look_for(self, data: str, name: str, labels: Path | None) -> None:
        if is_local(self.instance_type):
            found = local_pictures(Path(data.removeprefix("file://")), labels)
            self._pictures = [
                Picture(name, file.stat().st_size) for name, file in zip(found.names, found.files, strict=True)
            ]
            self._labels = found.labels
            # The SDK does not look into folders below.
            self._links = tempfile.TemporaryDirectory(prefix="slipway-pictures-")
            for number, file in enumerate(found.files):
                (Path(self._links.name) / link_name(number)).symlink_to(file.resolve())
            self._data = f"file://{self._links.name}"
            if self._own_output:
                raise TransformError("no folder for the outputs is named; give output_path='file://…'")
            return
        address = S3Address.parse(data.rstrip("/") + "/")
        self._data = str(address)
        if self._own_output:
            self.output_path: str | None = f"s3://{address.bucket}/jobs/{name}"
        self._pictures = list_pictures(Service("s3", self.sagemaker_session.boto_session.client("s3")), address)
        self._labels = labels_from(labels, [picture.name for picture in self._pictures]) if labels else {}

    def wait_for_pictures(self, advance: Advance = lambda done, total: None, poll_s: float = _POLL_S) -> None:
        """Wait until the job has ended.

        Raises:
            RemoteJobError: The job failed or was stopped; the predictions that exist can still be read.
            TransformError: The wait was interrupted.
            ServiceError: AWS refuses.
        """
        name, region = self._current_job_name, self.sagemaker_session.boto_region_name
        where = f"slipway logs {name}; {console_address('transform job', name, region)}"
        try:
            while (found := self._description())["TransformJobStatus"] not in _ENDED:
                advance(count_outputs(self._s3(), str(self.output_path)), len(self._pictures))
                time.sleep(poll_s)
        except KeyboardInterrupt:
            raise TransformError(
                f"stopped waiting; the transform job {name} still runs and costs money: aws sagemaker "
                f"stop-transform-job --transform-job-name {name} ends it. {where}"
            ) from None
        if found["TransformJobStatus"] != "Completed":
            how = "failed" if found["TransformJobStatus"] == "Failed" else "was stopped"
            reason = " ".join(str(found.get("FailureReason") or "no reason is given").split())
            raise RemoteJobError(f"the transform job {name} {how}: {reason}\n{where}")

    @property
    def job_name(self) -> str:
        """Name of the last job."""
        return str(self._current_job_name)

    @property
    def picture_count(self) -> int:
        """Number of pictures of the last job."""
        return len(self._pictures)

    @property
    def labels(self) -> Mapping[str, str]:
        """Labels of the last job's pictures, by name; empty without a manifest."""
        return self._labels

    def _description(self) -> Mapping[str, Any]:
        with explained(f"looking at the transform job {self._current_job_name}"):
            found: Mapping[str, Any] = self.sagemaker_session.sagemaker_client.describe_transform_job(
                TransformJobName=self._current_job_name
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
            raise TransformError("there was no job yet; call transform() first")
        names = [picture.name for picture in self._pictures]
        if is_local(self.instance_type):
            return rows_in_folder(Path(str(self.output_path).removeprefix("file://")), names)
        return rows_in_s3(
            self.sagemaker_session.boto_session,
            job=str(self._current_job_name),
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
