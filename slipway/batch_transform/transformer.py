"""A batch transform job for pictures, on SageMaker or in local mode."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from slipway.aws.connection import Aws, Service
from slipway.aws.refusals import explained
from slipway.aws.s3_address import S3Address
from slipway.aws.session import AnySession, AwsSession, answered_here, is_local
from slipway.aws.tags import Tags, with_own_tag
from slipway.batch_transform.labels import labels_from, local_pictures
from slipway.batch_transform.pictures import Picture, list_pictures, load_for
from slipway.batch_transform.predictions_file import ACCEPT, Format
from slipway.batch_transform.submitted_job import Advance, SubmittedJob
from slipway.checks.arguments import refuse_unknown
from slipway.checks.instance_type import check_instance_type
from slipway.checks.name import check_name
from slipway.errors import TransformError
from slipway.inference.invocations import ANY_PICTURE
from slipway.requests.configurations import as_request
from slipway.requests.names import new_name
from slipway.requests.pipelines import in_pipeline, is_variable, step_arguments
from slipway.requests.transform_job import TransformJob
from slipway.settings.slipway_toml import Settings

if TYPE_CHECKING:
    from slipway.hosting.model import Model


class Transformer(SubmittedJob):
    """Batch transform of pictures with a model in SageMaker.

    `slipway.Transformer` is this class, or with an SDK installed its subclass for that SDK.

    Args:
        model_name: Name of a model in SageMaker; `from_model` creates one.
        instance_count: Number of instances, which share the pictures.
        instance_type: Such as ml.c7i.xlarge; `local` is local mode, with Docker.
        form: Format of the answers: jsonl (the most probable classes) or csv (the most probable one).
        output_path: Where SageMaker writes an object for each picture; None: s3://BUCKET/jobs/JOB, in the pictures'
            bucket. In local mode file://FOLDER; None: slipway-jobs/JOB.
        tags: Tags in addition to Slipway's.
        region: AWS region; None: Settings', AWS_REGION, else the profile's.
        sagemaker_session: Session to use instead of one for the region.
        strategy: BatchStrategy of the API; each picture is one record, and one request.
        assemble_with: AssembleWith of the API.
        accept: Content type of the answers; None: that of `form`.
        env: Environment of the containers.
        max_payload: Largest request in MB; None: chosen by the largest picture.
        max_concurrent_transforms: Requests at a time to an instance; None: as many as the payload allows.
        base_transform_job_name: Prefix of the jobs' names.
        output_kms_key: Key for the outputs.
        volume_kms_key: Key for the instances' volumes.
        transform_ami_version: Host image of instances with GPUs; None: SageMaker's own choice. `from_model` chooses the
            one whose driver fits the image.
        others: Further arguments of the SDK's class.

    Raises:
        TypeError: An argument is unknown.
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
        sagemaker_session: AnySession | None = None,
        strategy: str | None = "SingleRecord",
        assemble_with: str | None = None,
        accept: str | None = None,
        env: Mapping[str, str] | None = None,
        max_payload: int | None = None,
        max_concurrent_transforms: int | None = None,
        base_transform_job_name: str = "slipway-transform",
        output_kms_key: str | None = None,
        volume_kms_key: str | None = None,
        transform_ami_version: str | None = None,
        **others: Any,
    ) -> None:
        refuse_unknown("Transformer", others, (type(self), "__init__"))
        self.instance_type = check_instance_type(instance_type, "transform")
        self.model_name, self.instance_count = model_name, instance_count
        self.form, self.output_path = form, output_path
        self.tags = with_own_tag(tags)
        self.sagemaker_session = sagemaker_session or self._session(region)
        self.strategy, self.assemble_with = strategy, assemble_with
        self.accept = accept or ACCEPT[form]
        self.env = env
        self.max_payload, self.max_concurrent_transforms = max_payload, max_concurrent_transforms
        self.base_transform_job_name = base_transform_job_name
        self.output_kms_key, self.volume_kms_key = output_kms_key, volume_kms_key
        self.transform_ami_version = transform_ami_version
        self._current_job_name: str | None = None
        self._model: Model | None = None
        self._pictures: list[Picture] = []
        self._labels: Mapping[str, str] = {}
        self._refused: Mapping[str, str] = {}
        self._data, self._own_output = "", output_path is None

    @staticmethod
    def _session(region: str | None) -> AnySession:
        settings = Settings.read()
        return AwsSession(Aws(region or settings.region, settings.profile))

    @classmethod
    def from_model(cls, model: "Model", instance_type: str | None, **arguments: Any) -> Self:
        """Build a Transformer from a `Model`, which is created in SageMaker.

        Args:
            model: The model.
            instance_type: As for `Transformer`.
            arguments: Further arguments of `Transformer`.

        Raises:
            ServiceError: AWS refuses.
            SettingError: The driver of these hosts is too old for the model's image.
        """
        check_instance_type(instance_type, "transform")
        if not is_local(instance_type):
            named = arguments.get("transform_ami_version")
            arguments["transform_ami_version"] = model.choose_host("transform", instance_type, named)
        with explained("creating the model"):
            model.create(instance_type=instance_type, tags=with_own_tag(arguments.get("tags")))
        made = cls(str(model.name), instance_type=instance_type, sagemaker_session=model.sagemaker_session, **arguments)
        # In local mode the model's files exist as long as the object.
        made._model = model
        return made

    @classmethod
    def attach(
        cls, transform_job_name: str, sagemaker_session: AnySession | None = None, *, region: str | None = None
    ) -> Self:
        """Build a Transformer with a job's settings, to wait for it or to read its predictions.

        Args:
            transform_job_name: Name of the job.
            sagemaker_session: As for `Transformer`.
            region: As for `Transformer`.

        Raises:
            ServiceError: There is no such job, or AWS refuses.
            TransformError: The job's pictures are no longer there.
        """
        session = sagemaker_session or cls._session(region)
        with explained(f"looking at the transform job {transform_job_name}"):
            found = session.sagemaker_client.describe_transform_job(TransformJobName=transform_job_name)
        outputs, resources = found["TransformOutput"], found["TransformResources"]
        made = cls(
            found["ModelName"],
            resources["InstanceCount"],
            resources["InstanceType"],
            form="csv" if outputs.get("Accept") == ACCEPT["csv"] else "jsonl",
            output_path=outputs["S3OutputPath"],
            sagemaker_session=session,
            strategy=found.get("BatchStrategy"),
            assemble_with=outputs.get("AssembleWith"),
            accept=outputs.get("Accept"),
            env=found.get("Environment"),
            max_payload=found.get("MaxPayloadInMB"),
            max_concurrent_transforms=found.get("MaxConcurrentTransforms"),
            output_kms_key=outputs.get("KmsKeyId"),
            volume_kms_key=resources.get("VolumeKmsKeyId"),
            transform_ami_version=resources.get("TransformAmiVersion"),
        )
        made._current_job_name = transform_job_name
        source = S3Address.parse(found["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"].rstrip("/") + "/")
        made._data = str(source)
        made._pictures = list_pictures(Service("s3", session.boto_session.client("s3")), source)
        return made

    def transform(
        self,
        data: Any,
        content_type: str = ANY_PICTURE,
        job_name: str | None = None,
        *,
        labels: Path | str | None = None,
        wait: bool = True,
        logs: bool = False,
        advance: Advance = lambda done, total: None,
        data_type: str = "S3Prefix",
        compression_type: str | None = None,
        split_type: str | None = None,
        input_filter: str | None = None,
        output_filter: str | None = None,
        join_source: str | None = None,
        experiment_config: Mapping[str, str] | None = None,
        model_client_config: Mapping[str, Any] | None = None,
        batch_data_capture_config: Any = None,
    ) -> Any:
        """Start the job, and wait for it.

        Args:
            data: Pictures below s3://BUCKET/PREFIX/; in local mode also a folder.
            content_type: Content type of the pictures; the containers detect the formats themselves.
            job_name: Name of the job; None: `base_transform_job_name` and the time.
            labels: Manifest with the pictures' labels, to be written beside the predictions; None: in local mode the
                folder's, if it has one.
            wait: Wait until the job has ended; local mode always waits.
            logs: Print the containers' log while waiting.
            advance: Called with the number of pictures predicted so far, and the total.
            data_type, compression_type, split_type: Members of TransformInput in the API.
            input_filter, output_filter, join_source: DataProcessing of the API.
            experiment_config, model_client_config: ExperimentConfig and ModelClientConfig of the API.
            batch_data_capture_config: DataCaptureConfig of the API, or the SDK's BatchDataCaptureConfig.

        Returns:
            With a PipelineSession of either SDK, the arguments of a TransformStep; else None.

        Raises:
            TransformError: There are no pictures, one is too large, or a manifest lies beside them in S3.
            DataError: The manifest cannot be used.
            RemoteJobError: The job failed or was stopped; in local mode, the message has the container's last lines.
            SettingError: Local mode cannot do what an argument asks for.
            ServiceError: AWS or Docker refuses.
        """
        name = check_name(job_name, "a job") if job_name else new_name(self.base_transform_job_name)
        with self._found(data, name, Path(labels) if labels else None):
            if self._pictures:
                load = load_for(self._pictures)
                self.max_payload = self.max_payload or load.max_payload_mb
                self.max_concurrent_transforms = self.max_concurrent_transforms or load.max_concurrent
            job = TransformJob(
                name=name,
                model=self.model_name,
                data=self._data,
                data_type=data_type,
                content_type=content_type,
                output_path=self.output_path or "",
                accept=self.accept,
                instance_type=self.instance_type,
                instance_count=self.instance_count,
                tags=self.tags,
                strategy=self.strategy,
                max_payload_mb=self.max_payload,
                max_concurrent=self.max_concurrent_transforms,
                environment=self.env,
                compression=compression_type,
                split=split_type,
                assemble=self.assemble_with,
                output_kms_key=self.output_kms_key,
                volume_kms_key=self.volume_kms_key,
                ami=self.transform_ami_version,
                input_filter=input_filter,
                output_filter=output_filter,
                join_source=join_source,
                experiment=experiment_config,
                client=model_client_config,
                capture=as_request(batch_data_capture_config),
            )
            if is_local(self.instance_type):
                self._run_here(job, advance, print if logs else lambda line: None)
                return None
            if in_pipeline(self.sagemaker_session):
                return step_arguments(self, "transform", job.request())
            with explained("starting the transform job"):
                self.sagemaker_session.sagemaker_client.create_transform_job(**job.request())
        self._current_job_name = name
        if wait:
            self.wait_for_pictures(advance, show=print if logs else None)
        return None

    def _run_here(self, job: TransformJob, advance: Advance, show: Callable[[str], None]) -> None:
        from slipway.local import transform  # only here, with the Docker SDK

        names = [picture.name for picture in self._pictures]
        with explained(f"looking for the model {job.model}"):
            model = self.sagemaker_session.sagemaker_client.describe_model(ModelName=job.model)
        self._refused = transform(
            job.request(), model, names=names, answered=lambda done: advance(done, len(names)), show=show
        )
        self._current_job_name = job.name

    @contextmanager
    def _found(self, data: Any, name: str, labels: Path | None) -> Iterator[None]:
        """Find the pictures; in local mode those of S3 are on this machine for as long as the body runs."""
        if is_local(self.instance_type):
            from slipway.local.addresses import on_this_machine

            with on_this_machine(str(data), "the folder of the pictures") as folder:
                found = local_pictures(folder, labels)
                files = zip(found.names, found.files, strict=True)
                self._pictures = [Picture(name, file.stat().st_size) for name, file in files]
                self._labels, self._data = found.labels, f"file://{folder}"
                if self._own_output:
                    self.output_path = f"file://{Path('slipway-jobs', name).resolve()}"
                yield
            return
        if in_pipeline(self.sagemaker_session):
            # They need not be there yet, nor their place be known.
            self._pictures, self._data = [], data
            if self._own_output and is_variable(data):
                raise TransformError("the outputs of a pipeline need a place; give output_path='s3://…'")
            if self._own_output:
                self.output_path = f"s3://{S3Address.parse(data).bucket}/jobs/{name}"
            yield
            return
        with explained("looking for the pictures"):
            address = S3Address.parse(data.rstrip("/") + "/")
            self._data = str(address)
            if self._own_output:
                self.output_path = f"s3://{address.bucket}/jobs/{name}"
            self._pictures = self._below(address)
            self._labels = labels_from(labels, [picture.name for picture in self._pictures]) if labels else {}
        yield

    def _below(self, address: S3Address) -> list[Picture]:
        if answered_here(self.sagemaker_session, "ListObjectsV2"):
            return [Picture("picture.jpg", 1)]  # assumed by a dry run
        return list_pictures(Service("s3", self.sagemaker_session.boto_session.client("s3")), address)

    def delete_model(self) -> None:
        """Delete the model in SageMaker; its archive in S3 stays.

        Raises:
            ServiceError: AWS refuses.
        """
        with explained(f"deleting the model {self.model_name}"):
            self.sagemaker_session.sagemaker_client.delete_model(ModelName=self.model_name)
