"""CreateTrainingJob: the definition of a training job, and its request."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from slipway.requests.values import without_none

Part = Mapping[str, Any]
"""A part of a request in the form of AWS's API."""

DAY_S = 24 * 60 * 60


@dataclass(frozen=True, kw_only=True)
class TrainingJobRequest:
    """A training job's definition; the fields have the names of `Estimator`'s arguments."""

    job_name: str
    image_uri: str
    role: str
    output_path: str
    """S3 prefix; SageMaker adds the job's name."""
    channels: Sequence[Part] = ()
    hyperparameters: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] | None = None
    metric_definitions: Sequence[Part] | None = None
    tags: Sequence[Part] | None = None
    experiment_config: Mapping[str, str] | None = None

    instance_type: str | None = None
    instance_count: int | None = 1
    instance_groups: Sequence[Part] | None = None
    """Instead of type and count."""
    volume_size: int = 30
    """GB of each instance's disk."""
    volume_kms_key: str | None = None
    keep_alive_period_in_seconds: int | None = None
    training_plan: str | None = None
    instance_placement_config: Part | None = None

    max_run: int = DAY_S
    """Seconds."""
    use_spot_instances: bool = False
    max_wait: int | None = None
    """Seconds, including the wait for spot instances."""
    max_retry_attempts: int | None = None
    checkpoint_s3_uri: str | None = None
    checkpoint_local_path: str | None = None

    subnets: Sequence[str] | None = None
    security_group_ids: Sequence[str] | None = None
    enable_network_isolation: bool = False
    encrypt_inter_container_traffic: bool = False
    output_kms_key: str | None = None
    disable_output_compression: bool = False

    input_mode: str = "File"
    container_entry_point: Sequence[str] | None = None
    container_arguments: Sequence[str] | None = None
    training_repository_access_mode: str | None = None
    training_repository_credentials_provider_arn: str | None = None
    enable_sagemaker_metrics: bool | None = None
    enable_infra_check: bool | None = None
    enable_remote_debug: bool | None = None
    enable_session_tag_chaining: bool | None = None

    tensorboard_output_config: Part | None = None
    debugger: Part = field(default_factory=dict)
    """The request's members for SageMaker's Debugger and profiler; see `slipway.training.debugger_request`."""

    def request(self) -> dict[str, Any]:
        """Return the parameters of CreateTrainingJob."""
        return {
            **without_none(
                {
                    "TrainingJobName": self.job_name,
                    **self.common_members(),
                    "HyperParameters": dict(self.hyperparameters) or None,
                    "ResourceConfig": {**self.instances(), **self._warm_pool()},
                    "Tags": self.tags,
                    "ExperimentConfig": self.experiment_config or None,
                    "TensorBoardOutputConfig": self.tensorboard_output_config,
                    "InfraCheckConfig": _flag("EnableInfraCheck", self.enable_infra_check),
                    "RemoteDebugConfig": _flag("EnableRemoteDebug", self.enable_remote_debug),
                    "SessionChainingConfig": _flag("EnableSessionTagChaining", self.enable_session_tag_chaining),
                }
            ),
            "AlgorithmSpecification": self._algorithm(),
            **self.debugger,
        }

    def common_members(self) -> dict[str, Any]:
        """Return the members that a tuning job's training jobs have too."""
        checkpoints = {"S3Uri": self.checkpoint_s3_uri, "LocalPath": self.checkpoint_local_path}
        outputs = {
            "S3OutputPath": self.output_path,
            "KmsKeyId": self.output_kms_key,
            "CompressionType": "NONE" if self.disable_output_compression else None,
        }
        return without_none(
            {
                "AlgorithmSpecification": without_none(
                    {
                        "TrainingInputMode": self.input_mode,
                        "TrainingImage": self.image_uri,
                        "MetricDefinitions": self.metric_definitions,
                    }
                ),
                "RoleArn": self.role,
                "InputDataConfig": list(self.channels) or None,
                "OutputDataConfig": without_none(outputs),
                "StoppingCondition": without_none(
                    {"MaxRuntimeInSeconds": self.max_run, "MaxWaitTimeInSeconds": self.max_wait or None}
                ),
                "Environment": self.environment,
                "VpcConfig": self.vpc(),
                "EnableNetworkIsolation": self.enable_network_isolation or None,
                "EnableInterContainerTrafficEncryption": self.encrypt_inter_container_traffic or None,
                "EnableManagedSpotTraining": self.use_spot_instances or None,
                "CheckpointConfig": without_none(checkpoints) if self.checkpoint_s3_uri else None,
                "RetryStrategy": {"MaximumRetryAttempts": self.max_retry_attempts} if self.max_retry_attempts else None,
            }
        )

    def instances(self) -> dict[str, Any]:
        """Return the instances and their disks."""
        groups = list(self.instance_groups or ())
        return without_none(
            {
                "InstanceType": None if groups else self.instance_type,
                "InstanceCount": None if groups else self.instance_count,
                "InstanceGroups": groups or None,
                "VolumeSizeInGB": self.volume_size,
                "VolumeKmsKeyId": self.volume_kms_key,
            }
        )

    def vpc(self) -> dict[str, Any] | None:
        """Return the VPC; None if there is none."""
        if not (self.subnets and self.security_group_ids):
            return None
        return {"Subnets": list(self.subnets), "SecurityGroupIds": list(self.security_group_ids)}

    def _warm_pool(self) -> dict[str, Any]:
        return without_none(
            {
                "KeepAlivePeriodInSeconds": self.keep_alive_period_in_seconds,
                "TrainingPlanArn": self.training_plan,
                "InstancePlacementConfig": self.instance_placement_config,
            }
        )

    def _algorithm(self) -> dict[str, Any]:
        credentials = self.training_repository_credentials_provider_arn
        registry = {
            "TrainingRepositoryAccessMode": self.training_repository_access_mode,
            "TrainingRepositoryAuthConfig": {"TrainingRepositoryCredentialsProviderArn": credentials}
            if credentials
            else None,
        }
        return without_none(
            {
                **self.common_members()["AlgorithmSpecification"],
                "ContainerEntrypoint": self.container_entry_point,
                "ContainerArguments": self.container_arguments,
                "TrainingImageConfig": without_none(registry) if self.training_repository_access_mode else None,
                "EnableSageMakerMetricsTimeSeries": self.enable_sagemaker_metrics,
            }
        )


def _flag(member: str, value: bool | None) -> dict[str, bool] | None:
    return None if value is None else {member: value}
