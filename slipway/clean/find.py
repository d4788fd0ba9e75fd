"""Finds the resources with Slipway's tag, by listing each kind and reading the tags."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from slipway.aws.cloud_logs import TRAINING_GROUP, TRANSFORM_GROUP, endpoint_group
from slipway.aws.connection import Aws
from slipway.aws.in_use import InUse, holds, in_use, model_addresses
from slipway.aws.refusals import AwsError
from slipway.aws.s3_address import S3Address
from slipway.aws.tags import is_ours
from slipway.clean.resource import ORDER, Kind, Resource
from slipway.upload.transfer import DATA_PREFIX

READS = (
    "ListEndpoints",
    "ListEndpointConfigs",
    "ListModels",
    "ListTrainingJobs",
    "ListTransformJobs",
    "ListHyperParameterTuningJobs",
    "ListProcessingJobs",
    "ListTags",
    "DescribeEndpoint",
    "DescribeEndpointConfig",
    "DescribeModel",
    "DescribeTrainingJob",
    "DescribeTransformJob",
    "DescribeScalableTargets",
    "DescribeLogGroups",
    "DescribeLogStreams",
    "ListObjectsV2",
)
"""The API operations that `find` calls."""

_WORKERS = 8
_RUNNING = ("InProgress", "Stopping")


@dataclass(frozen=True, kw_only=True)
class Selection:
    """The kinds and the age of the resources to find."""

    endpoints: bool = True
    """Endpoints with their configurations and autoscaling."""
    models: bool = True
    logs: bool = True
    outputs: bool = True
    stop_jobs: bool = False
    before: datetime | None = None
    """Only resources that were created before this."""

    def takes(self, created: datetime) -> bool:
        """Whether a resource of that age is selected."""
        return self.before is None or created < self.before


@dataclass(frozen=True)
class Found:
    """The resources found, and those that must stay."""

    resources: list[Resource]
    """Resources to delete, in that order."""
    kept: list[str]
    """Notes on selected resources that must stay, with the reason."""


@dataclass(frozen=True)
class _Tagged:
    stem: str
    name: str
    created: datetime
    status: str = ""


def find(aws: Aws, selection: Selection) -> Found:
    """Find the resources with Slipway's tag, and what belongs to them.

    Args:
        aws: Credentials and region.
        selection: The kinds and the age.

    Raises:
        ServiceError: AWS refuses to list.
    """
    return _Search(aws, selection).found()


class _Search:
    def __init__(self, aws: Aws, selection: Selection) -> None:
        self._aws, self._selection = aws, selection
        self._sagemaker, self._s3, self._logs = aws.service("sagemaker"), aws.service("s3"), aws.service("logs")
        self._kept: list[str] = []

    def found(self) -> Found:
        selection = self._selection
        endpoints = self._tagged("Endpoint", "Endpoints")
        jobs = [
            *self._tagged("TrainingJob", "TrainingJobSummaries"),
            *self._tagged("TransformJob", "TransformJobSummaries"),
        ]
        tuning = self._tagged("HyperParameterTuningJob", "HyperParameterTuningJobSummaries")
        models = self._tagged("Model", "Models") if selection.models or selection.outputs else []
        used = in_use(self._sagemaker) if selection.endpoints or selection.models or selection.outputs else InUse()
        leaving = {item.name for item in endpoints if selection.endpoints and selection.takes(item.created)}
        processing = self._tagged("ProcessingJob", "ProcessingJobSummaries")
        resources: list[Resource] = list(self._running([*jobs, *tuning, *processing]))
        if selection.endpoints:
            resources += self._of_endpoints(endpoints)
            configurations = self._tagged("EndpointConfig", "EndpointConfigs")
            resources += self._unused("endpoint configuration", configurations, used.configurations, leaving)
        deleted: dict[str, str] = {}
        if selection.models:
            free = list(self._unused("model", models, used.models, leaving))
            resources += free
            deleted = {model.name: model.used_by for model in free}
        ended = [job for job in jobs if job.status not in _RUNNING]
        if selection.logs:
            resources += self._log_groups(endpoints)
            resources += self._log_streams(ended)
        if selection.outputs:
            resources += self._outputs(ended, deleted)
        resources = [resource for resource in resources if selection.takes(resource.created)]
        return Found(sorted(resources, key=lambda resource: ORDER.index(resource.kind)), self._kept)

    def _tagged(self, stem: str, member: str) -> list[_Tagged]:
        items = list(self._sagemaker.pages(f"List{stem}s", member))
        with ThreadPoolExecutor(_WORKERS) as pool:
            ours = pool.map(lambda item: is_ours(self._sagemaker, item[f"{stem}Arn"]), items)
            return [
                _Tagged(stem, item[f"{stem}Name"], item["CreationTime"], item.get(f"{stem}Status", ""))
                for item, own in zip(items, ours, strict=True)
                if own
            ]

    def _running(self, jobs: Iterable[_Tagged]) -> Iterator[Resource]:
        for job in jobs:
            if job.status not in _RUNNING:
                continue
            if not self._selection.stop_jobs:
                self._kept.append(f"{job.name} is still running and costs money; --stop-jobs stops it")
                continue
            yield Resource(
                kind="running job",
                name=job.name,
                created=job.created,
                detail=job.status,
                costs_now=True,
                parameters={"stem": job.stem, f"{job.stem}Name": job.name},
            )

    def _unused(
        self, kind: Kind, items: Iterable[_Tagged], used: Mapping[str, str], leaving: Collection[str]
    ) -> Iterator[Resource]:
        """Yield the resources that no remaining endpoint uses."""
        for item in items:
            if not self._selection.takes(item.created):
                continue
            endpoint = used.get(item.name, "")
            if endpoint and endpoint not in leaving:
                self._kept.append(f"the {kind} {item.name} stays: the endpoint {endpoint} uses it")
                continue
            parameter = "ModelName" if kind == "model" else "EndpointConfigName"
            parameters = {parameter: item.name}
            yield Resource(kind=kind, name=item.name, created=item.created, used_by=endpoint, parameters=parameters)

    def _of_endpoints(self, endpoints: Iterable[_Tagged]) -> Iterator[Resource]:
        scaling = self._aws.service("application-autoscaling")
        targets = list(scaling.pages("DescribeScalableTargets", "ScalableTargets", ServiceNamespace="sagemaker"))
        for endpoint in endpoints:
            for target in targets:
                if str(target["ResourceId"]).startswith(f"endpoint/{endpoint.name}/variant/"):
                    yield Resource(
                        kind="scaling target",
                        name=target["ResourceId"],
                        created=endpoint.created,
                        parameters={
                            name: target[name] for name in ("ServiceNamespace", "ResourceId", "ScalableDimension")
                        },
                    )
            yield Resource(
                kind="endpoint",
                name=endpoint.name,
                created=endpoint.created,
                detail=endpoint.status,
                costs_now=True,
                parameters={"EndpointName": endpoint.name},
            )

    def _log_groups(self, endpoints: Iterable[_Tagged]) -> Iterator[Resource]:
        for endpoint in endpoints:
            group = endpoint_group(endpoint.name)
            for found in self._logs.pages("DescribeLogGroups", "logGroups", logGroupNamePrefix=group):
                if found["logGroupName"] == group:
                    yield Resource(
                        kind="log group", name=group, created=endpoint.created, parameters={"logGroupName": group}
                    )

    def _log_streams(self, jobs: Iterable[_Tagged]) -> Iterator[Resource]:
        groups = {"TrainingJob": TRAINING_GROUP, "TransformJob": TRANSFORM_GROUP}
        for job in jobs:
            for stream in self._streams(groups[job.stem], f"{job.name}/"):
                yield Resource(
                    kind="log stream",
                    name=stream,
                    created=job.created,
                    parameters={"logGroupName": groups[job.stem], "logStreamName": stream},
                )

    def _streams(self, group: str, prefix: str) -> list[str]:
        try:
            found = self._logs.pages("DescribeLogStreams", "logStreams", logGroupName=group, logStreamNamePrefix=prefix)
            return [stream["logStreamName"] for stream in found]
        except AwsError as error:
            # SageMaker creates the group with the first job.
            if error.code == "ResourceNotFoundException":
                return []
            raise

    def _outputs(self, jobs: Iterable[_Tagged], deleted: Mapping[str, str]) -> Iterator[Resource]:
        models = None
        for job in jobs:
            if not self._selection.takes(job.created):
                continue
            for place in self._places(job):
                listing = list(self._s3.pages("ListObjectsV2", "Contents", Bucket=place.bucket, Prefix=f"{place.key}/"))
                if not listing:
                    continue
                # Describing every model takes long, so only when a deletion could take a model's files.
                models = self._model_files() if models is None else models
                inside = [name for name, found in models.items() if any(holds(place, address) for address in found)]
                if staying := [name for name in inside if name not in deleted]:
                    self._kept.append(f"{place} stays: the model {staying[0]} is in there and is not deleted")
                    continue
                size = sum(item["Size"] for item in listing)
                yield Resource(
                    kind="output",
                    name=str(place),
                    created=job.created,
                    detail=f"{len(listing):,} objects, {size / 1e6:,.1f} MB",
                    used_by=next((deleted[name] for name in inside if deleted[name]), ""),
                    parameters={"Bucket": place.bucket, "Prefix": f"{place.key}/"},
                )

    def _places(self, job: _Tagged) -> list[S3Address]:
        """Addresses of a job's outputs: those that end with its name, which no other job's do."""
        described = self._sagemaker.call(f"Describe{job.stem}", **{f"{job.stem}Name": job.name})
        if job.stem == "TrainingJob":
            place = S3Address.parse(described["OutputDataConfig"]["S3OutputPath"]).below(job.name)
        else:
            place = S3Address.parse(described["TransformOutput"]["S3OutputPath"].rstrip("/"))
        parts = place.key.split("/")
        return [place] if parts[-1] == job.name and DATA_PREFIX not in parts else []

    def _model_files(self) -> Mapping[str, list[str]]:
        """Addresses of the files of each model in the account, whoever created it."""
        names = [item["ModelName"] for item in self._sagemaker.pages("ListModels", "Models")]
        return {name: list(model_addresses(self._sagemaker.call("DescribeModel", ModelName=name))) for name in names}


def older_than(days: float) -> datetime:
    """The time that many days ago."""
    return datetime.fromtimestamp(datetime.now(UTC).timestamp() - days * 86_400, UTC)
