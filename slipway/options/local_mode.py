"""What the commands do with --instance-type local: they run the images in Docker on this machine, without an SDK."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from slipway.errors import JobError
from slipway.options.aws import given_options
from slipway.settings.slipway_toml import Settings

if TYPE_CHECKING:
    from slipway.aws.connection import Aws
    from slipway.local import Trained

NOT_LOCALLY = ("kms_key", "subnets", "security_groups", "tags", "bucket", "no_wait")
NOT_FOR_TRAINING = (*NOT_LOCALLY, "spot", "rules", "tensorboard", "keep_alive", "max_run", "volume_size")


def local_image(target: Literal["train", "serve"], named: str | None) -> str:
    """Choose the image: the named one, else Settings', else the one that build.sh built."""
    from slipway.settings.pushed_images import BUILT_NAME

    named = named or getattr(Settings.read(), f"{target}_image")
    return named or f"{BUILT_NAME}:{target}"


@dataclass(frozen=True, kw_only=True)
class DockerJobs:
    """What training jobs in Docker have in common."""

    image: str
    instance_type: str
    instance_count: int
    network_isolation: bool
    channels: Mapping[str, Any]
    aws: "Aws | None"

    @classmethod
    def planned(
        cls, options: Any, data: str | None, named: Mapping[str, str], *, region: str | None, profile: str | None
    ) -> "DockerJobs":
        """Find the image and the channels.

        Args:
            options: image, instance_type, instance_count and cloud as attributes.
            data: Folder or S3 address with a folder for each channel.
            named: Folders or addresses by channel; they override those below `data`.
            region: Of S3.
            profile: Of `~/.aws/config`, for S3.

        Raises:
            UserError: There is no such folder or address.
        """
        from slipway.checks.inputs import as_channels

        aws = aws_of(region, profile, data, *named.values())
        return cls(
            image=local_image("train", options.image),
            instance_type=options.instance_type,
            instance_count=options.instance_count,
            network_isolation=options.cloud.network_isolation,
            channels=as_channels({**_below(data, aws), **named}, local=True, own_script=False),
            aws=aws,
        )

    def train(
        self, name: str, hyperparameters: Mapping[str, str], directory: Path, show: Callable[[str], None]
    ) -> "Trained":
        """Run a job to its end, as `slipway.local.train` does.

        Args:
            name: Name of the job.
            hyperparameters: Those of the job.
            directory: Folder for the outputs.
            show: Called with each line of the log.
        """
        from slipway.local import train

        request = {
            "TrainingJobName": name,
            "AlgorithmSpecification": {"TrainingImage": self.image, "TrainingInputMode": "File"},
            "HyperParameters": dict(hyperparameters),
            "InputDataConfig": [
                {"ChannelName": channel, "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": address}}}
                for channel, address in self.channels.items()
            ],
            "OutputDataConfig": {"S3OutputPath": f"file://{directory}"},
            "ResourceConfig": {"InstanceType": self.instance_type, "InstanceCount": self.instance_count},
            "EnableNetworkIsolation": self.network_isolation,
        }
        return train(request, show, aws=self.aws)


def refuse_given(names: Sequence[str], what: str) -> None:
    """Refuse options of the command line that local mode has not; slipway.toml and the environment are for all runs."""
    if given := given_options(names):
        raise click.UsageError(f"local mode {what}; it has no {', '.join(given)}.")


def serving_definition(name: str, model: str, image: str | None) -> dict[str, Any]:
    address = model if model.startswith("s3://") else f"file://{Path(model).absolute()}"
    return {
        "ModelName": name,
        "PrimaryContainer": {"Image": local_image("serve", image), "ModelDataUrl": address},
    }


def aws_of(region: str | None, profile: str | None, *addresses: str | None) -> "Aws | None":
    """The credentials and region, if one of the addresses is in S3."""
    if not any(address and address.startswith("s3://") for address in addresses):
        return None
    from slipway.aws.connection import Aws

    settings = Settings.read()
    return Aws(region or settings.region, profile or settings.profile)


def _below(data: str | None, aws: "Aws | None") -> Mapping[str, str]:
    from slipway.aws.session import AwsSession
    from slipway.datasets.folder import data_channels
    from slipway.datasets.s3_channels import find_s3_channels

    if data is None:
        return {}
    if not data.startswith("s3://"):
        return {name: str(path) for name, path in data_channels(Path(data)).items()}
    assert aws is not None
    return find_s3_channels(AwsSession(aws), data)


def named_now(base: str) -> str:
    """Make a name of a job or an endpoint, with the time, as the SDK does."""
    time = datetime.now(UTC).strftime("%Y-%m-%d-%H-%M-%S-%f")[:-3]
    return f"{base[: 62 - len(time)]}-{time}"


def new_directory(path: Path, option: str) -> Path:
    """Make a folder for a job's outputs, which must be empty if it is there.

    Args:
        path: The folder.
        option: The option that names it.

    Raises:
        JobError: It cannot be made, or is not empty.
    """
    directory = path.resolve()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        found = sorted(entry.name for entry in directory.iterdir())
    except OSError as error:
        raise JobError(f"the job directory {directory} cannot be made: {error.strerror}") from error
    if found:
        raise JobError(
            f"{directory} is not empty ({', '.join(found[:4])}), and a job in local mode cannot resume an earlier one; "
            f"give another {option}"
        )
    return directory
