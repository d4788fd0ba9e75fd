"""What the commands do with --instance-type local: they run the images in Docker on this machine, without an SDK."""

import re
import shlex
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from slipway.batch_transform.predictions_file import ACCEPT, Format, Row
from slipway.errors import JobError, SettingError
from slipway.options.aws import given_options
from slipway.settings.slipway_toml import Settings
from slipway.terminal.console import progress_bar, say, say_place
from slipway.terminal.job_log import JobLog

if TYPE_CHECKING:
    from slipway.aws.connection import Aws
    from slipway.deploy.options import DeployOptions
    from slipway.local import Trained

_JOBS = Path("slipway-jobs")
_INTERRUPTED = 130
_NOT_HERE = ("kms_key", "subnets", "security_groups", "tags", "bucket", "no_wait")
NOT_FOR_TRAINING = (*_NOT_HERE, "spot", "rules", "tensorboard", "keep_alive", "max_run", "volume_size")
_NOT_FOR_SERVING = (*_NOT_HERE, "serverless", "asynchronous", "autoscale", "capture", "update", "network_isolation")
_NOT_FOR_TRANSFORM = (*_NOT_HERE, "instance_count", "output", "name", "network_isolation")
_HOST = re.compile(r"^algo-\d+ \| ")


def local_image(target: Literal["train", "serve"], named: str | None) -> str:
    """Choose the image: the named one, else Settings', else the one that build.sh built."""
    from slipway.settings.pushed_images import BUILT_NAME

    named = named or getattr(Settings.read(), f"{target}_image")
    return named or f"{BUILT_NAME}:{target}"


def train_in_docker(
    options: Any,
    data: str | None,
    named: Mapping[str, str],
    hyperparameters: Mapping[str, str],
    job_dir: Path | None,
    log: JobLog,
    *,
    slug: str,
    verbose: bool,
) -> None:
    """Run a training job, and say where its outputs are; exits with 130 if Ctrl-C stopped it.

    Args:
        options: The command's SageMakerOptions.
        data: Folder or S3 address with a folder for each channel.
        named: Folders or addresses by channel; they override those below `data`.
        hyperparameters: Those of the job.
        job_dir: A new or empty folder for the outputs; None: slipway-jobs/JOB.
        log: Shows the log.
        slug: The network's name in that of the job.
        verbose: Show which host each line is from.

    Raises:
        UserError: As `slipway.local.train`, or an option is not for local mode.
    """
    refuse_given(NOT_FOR_TRAINING, "runs the job until it ends")
    name = options.name or _named_now(f"slipway-{slug}")
    jobs = DockerJobs.planned(options, data, named, region=options.region, profile=options.aws_profile)
    directory = new_directory(job_dir or _JOBS / name, "--job-dir")
    say(f"Starting the job {name} in Docker")

    def show(line: str) -> None:
        log.show(line if verbose else _HOST.sub("", line))

    try:
        trained = jobs.train(name, hyperparameters, directory, show)
    except KeyboardInterrupt:
        say("Stopped at once; nothing is kept")
        sys.exit(_INTERRUPTED)
    log.print_test()
    if trained.stopped:
        say(f"Stopped. The best model so far is {trained.model}" if trained.model else "Stopped before the first model")
        sys.exit(_INTERRUPTED)
    say_place("model", trained.model)
    say_place("outputs", trained.output)
    say(f"Next: slipway serve {shlex.quote(str(trained.model))}, and in another terminal: slipway predict PICTURE")


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

        aws = _aws(region, profile, data, *named.values())
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


def serve_in_docker(model: str, options: "DeployOptions", region: str | None, profile: str | None) -> None:
    """Serve a model until Ctrl-C.

    Raises:
        UserError: As `slipway.local.serve`, or an option is not for local mode.
    """
    from slipway.local import serve

    refuse_given((*_NOT_FOR_SERVING, "instance_count"), "is one container that serves until Ctrl-C")
    gpu, aws = options.instance_type == "local_gpu", _aws(region, profile, model)
    definition = _definition(options.name or _named_now("slipway"), model, options.image)
    try:
        with serve(definition, port=options.port, gpu=gpu, show=say, aws=aws) as endpoint:
            say(f"Serving {model} in Docker at {endpoint.url}; Ctrl-C stops it")
            say(f"Next, in another terminal: slipway predict PICTURE --url {endpoint.url}")
            try:
                endpoint.wait()
            except KeyboardInterrupt:
                say("Stopping")
    except KeyboardInterrupt:
        say("Stopped before it served")
        sys.exit(_INTERRUPTED)


@contextmanager
def predicted_in_docker(
    pictures: str,
    model: str,
    instance_type: str,
    *,
    form: Format,
    labels: Path | None,
    image: str | None,
    region: str | None,
    profile: str | None,
) -> Iterator[tuple[Iterator[Row], Mapping[str, str]]]:
    """Run a transform job, and yield a row for each picture, with the labels of its manifest.

    Args:
        pictures: A folder.
        model: A model of this machine, or in S3.
        instance_type, form, labels, image, region, profile: The command's options.

    Raises:
        UserError: As `slipway.local.transform`, or there are no pictures.
    """
    from slipway.batch_transform.labels import local_pictures
    from slipway.batch_transform.outputs import rows_below
    from slipway.batch_transform.pictures import Picture, load_for
    from slipway.inference.invocations import ANY_PICTURE
    from slipway.local import transform

    refuse_given(_NOT_FOR_TRANSFORM, "is one container that writes the predictions' file")
    if pictures.startswith("s3://"):
        raise SettingError(
            f"instance type {instance_type} is for pictures in a folder of this machine, not for {pictures}"
        )
    if not model.startswith("s3://") and not Path(model).exists():
        raise SettingError(f"there is no {model}; in local mode the model is one of this machine or in S3")
    found = local_pictures(Path(pictures), labels)
    load = load_for([Picture(file.name, file.stat().st_size) for file in found.files])
    name = _named_now("slipway-transform")
    say(f"Predicting the pictures below {pictures} in Docker")
    with tempfile.TemporaryDirectory(prefix="slipway-transform-") as scratch, progress_bar("predicting") as advance:
        request = {
            "TransformJobName": name,
            "ModelName": name,
            "BatchStrategy": "SingleRecord",
            "MaxPayloadInMB": load.max_payload_mb,
            "MaxConcurrentTransforms": load.max_concurrent,
            "TransformInput": {
                "DataSource": {"S3DataSource": {"S3DataType": "S3Prefix", "S3Uri": f"file://{found.folder}"}},
                "ContentType": ANY_PICTURE,
            },
            "TransformOutput": {"S3OutputPath": f"file://{scratch}", "Accept": ACCEPT[form]},
            "TransformResources": {"InstanceType": instance_type, "InstanceCount": 1},
        }
        refused = transform(
            request,
            _definition(name, model, image),
            names=found.names,
            answered=lambda done: advance(done, len(found.names)),
            aws=_aws(region, profile, model),
        )
        yield rows_below(Path(scratch), found.names, refused), found.labels


def refuse_given(names: Sequence[str], what: str) -> None:
    """Refuse options of the command line that local mode has not; slipway.toml and the environment are for all runs."""
    if given := given_options(names):
        raise click.UsageError(f"local mode {what}; it has no {', '.join(given)}.")


def _definition(name: str, model: str, image: str | None) -> dict[str, Any]:
    address = model if model.startswith("s3://") else f"file://{Path(model).absolute()}"
    return {
        "ModelName": name,
        "PrimaryContainer": {"Image": local_image("serve", image), "ModelDataUrl": address},
    }


def _aws(region: str | None, profile: str | None, *addresses: str | None) -> "Aws | None":
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


def _named_now(base: str) -> str:
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
