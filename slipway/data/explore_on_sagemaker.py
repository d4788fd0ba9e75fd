"""`slipway data explore --instance-type`: the instances of a processing job read the pictures, each its share.

What they found is small beside the pictures, and is merged here: the page is written here, and comparing needs all
parts at once, on however many instances they were made.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import click

from slipway.aws.connection import Aws
from slipway.aws.console_address import console_address
from slipway.aws.dry_run import DryRun
from slipway.aws.refusals import explained
from slipway.aws.session import AwsSession, is_local
from slipway.aws.tags import with_own_tag
from slipway.checks.bucket import output_bucket
from slipway.checks.inputs import check_channels
from slipway.checks.instance_type import check_instance_type
from slipway.checks.request import check_image, check_role
from slipway.hosts.fit import image_for
from slipway.options.aws import (
    Decorator,
    dry_run_option,
    profile_option,
    region_option,
    require_in_s3,
    role_option,
    show_requests,
    training_image_option,
)
from slipway.options.cloud import CLOUD_NAMES, CloudOptions, cloud_options
from slipway.options.names import job_name
from slipway.requests.missing import Missing
from slipway.requests.names import new_name
from slipway.requests.processing_job import ProcessingJob
from slipway.settings.slipway_toml import Settings
from slipway.terminal.console import progress_bar, say

if TYPE_CHECKING:
    from slipway.explore import Contents, Dataset
    from slipway.explore.bucket import Bucket
    from slipway.explore.scan import Picture

Show = Callable[["Dataset", Callable[[], "Contents"], "Callable[[Sequence[Picture]], None]"], None]

_PROGRAM = ("python", "-m", "container.explore")

_OPTIONS: tuple[Decorator, ...] = (
    click.option(
        "--instance-type",
        metavar="TYPE",
        callback=lambda _context, _parameter, value: None if value in ("", "here") else value,
        help="Read the pictures on SageMaker, such as ml.c7i.4xlarge; here: on this machine, the default.",
    ),
    click.option(
        "--instance-count",
        type=click.IntRange(1),
        default=1,
        show_default=True,
        help="Number of instances, which share the pictures.",
    ),
    click.option(
        "--parts",
        metavar="S3_ADDRESS",
        help="Write the page from what an earlier job wrote there, without another job.",
    ),
    click.option("--name", metavar="NAME", callback=job_name, help="Name of the job.  [default: made from the time]"),
    training_image_option,
    role_option,
    region_option,
    profile_option,
    dry_run_option,
    click.option(
        "--max-run", type=click.IntRange(1), metavar="SECONDS", help="Stop the job after this time.  [default: 1 day]"
    ),
    click.option(
        "--volume-size",
        type=click.IntRange(1),
        default=100,
        show_default=True,
        metavar="GB",
        help="Disk of each instance, which holds its share of the pictures.",
    ),
    cloud_options,
)

NOT_HERE = (*CLOUD_NAMES, "instance_count", "parts", "name", "dry_run", "max_run", "volume_size")
"""Options that need an instance type."""


@dataclass(kw_only=True)
class ExploreOptions:
    """The options of `slipway data explore` for SageMaker."""

    data: str
    instance_type: str | None
    instance_count: int
    parts: str | None
    name: str | None
    image: str | None
    role: str | None
    region: str | None
    profile: str | None
    dry_run: bool
    max_run: int | None
    volume_size: int
    cloud: CloudOptions

    @classmethod
    def take(cls, given: dict[str, Any], data: str) -> Self:
        """Remove these options from a command's, and return them."""
        return cls(data=data, **{field.name: given.pop(field.name) for field in fields(cls) if field.name != "data"})


def sagemaker_options(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options of `ExploreOptions` to a command."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def explore_on_sagemaker(options: ExploreOptions, network: str, weights: str | None, show: Show) -> None:
    """Start the job, wait for it, merge its parts and show them.

    Args:
        options: With an instance type, or the address of parts.
        network: The hyperparameter model-type.
        weights: S3 address of its weights, none, or None for those that the image has.
        show: Writes the page of a data set, of what it is compared to when called, and of the pictures fetched.

    Raises:
        UserError: Data, options or role cannot be used, the job failed, or AWS refuses.
    """
    if is_local(options.instance_type):
        raise click.UsageError(
            f"--instance-type is {options.instance_type}; on this machine, data explore runs without it."
        )
    require_in_s3(options.data)
    if weights not in (None, "none") and not str(weights).startswith("s3://"):
        raise click.UsageError(f"--weights is {weights}; on SageMaker it is an S3 address, or none.")
    recorded = DryRun() if options.dry_run else None
    missing = Missing(dry_run=options.dry_run)
    session = missing.session(options.region, options.profile, recorded)
    aws = Aws(session.boto_region_name, options.profile or Settings.read().profile)
    with tempfile.TemporaryDirectory(prefix="slipway-explore-", ignore_cleanup_errors=True) as folder:
        from slipway.explore.bucket import Bucket

        bucket = Bucket(options.data, Path(folder, "data"), aws)
        bucket.folder.mkdir()
        place = options.parts
        if place is None:
            job = _request(options, session, missing, str(bucket.place), network, weights)
            if recorded is None:
                check_channels(session, {"data": str(bucket.place)})
                _list(bucket)
            with explained("starting the processing job"):
                session.sagemaker_client.create_processing_job(**job.request())
            if recorded is not None:
                show_requests(recorded, missing)
                return
            place = job.outputs["parts"][0]
            _wait(session, job.name, options.data, place)
        else:
            if options.dry_run:
                raise click.UsageError("--dry-run shows requests for a job, and --parts starts none.")
            _list(bucket)
        _merge(bucket, place, Path(folder, "parts"), aws, show)


def _list(bucket: "Bucket") -> None:
    from slipway.explore.scan import list_splits

    say(f"{bucket.place}: {bucket.list_names():,} files")
    with bucket.errors_named():
        list_splits(bucket.folder)


def _request(
    options: ExploreOptions, session: AwsSession, missing: Missing, data: str, network: str, weights: str | None
) -> ProcessingJob:
    region, cloud = session.boto_region_name, options.cloud
    instance_type = check_instance_type(options.instance_type, "processing")
    image = image_for("train", options.image, region, "training", instance_type)
    role, image = missing.role(options.role), missing.image("train", image, region)
    missing.require()
    check_image(session, image)
    name = options.name or new_name("slipway-explore")
    inputs = {"data": (data, "input/data")}
    given = weights or "default"
    if given.startswith("s3://"):
        inputs["weights"] = (given, "input/weights")
        given = given.rpartition("/")[2]
    network_config = {
        **({"EnableNetworkIsolation": True} if cloud.network_isolation else {}),
        **(
            {"VpcConfig": {"Subnets": list(cloud.subnets), "SecurityGroupIds": list(cloud.security_groups)}}
            if cloud.subnets or cloud.security_groups
            else {}
        ),
    }
    return ProcessingJob(
        name=name,
        role=check_role(role),
        image=image,
        instance_type=instance_type,
        instance_count=options.instance_count,
        volume_gb=options.volume_size,
        inputs=inputs,
        sharded=("data",),
        outputs={"parts": (f"s3://{output_bucket(cloud.bucket, {'train': data})}/jobs/{name}/parts", "output")},
        upload="EndOfJob",
        entry_point=_PROGRAM,
        arguments=(network, given),
        tags=with_own_tag(cloud.api_tags()),
        max_run=options.max_run,
        kms_key=cloud.kms_key,
        volume_key=cloud.volume_key(instance_type),
        network=network_config or None,
    )


def _wait(session: AwsSession, name: str, data: str, place: str) -> None:
    from slipway.aws.processing_job import wait_for_processing_job

    say(f"Started the processing job {name}")
    say(f"  console: {console_address('processing job', name, session.boto_region_name)}")
    later = f"slipway data explore {data} --parts {place} writes the page once it has ended"
    wait_for_processing_job(
        session, name, "processing", show=say, also="slipway stop {name} ends it; " + later.replace("{", "{{")
    )


def _merge(bucket: "Bucket", place: str, folder: Path, aws: Aws, show: Show) -> None:
    from slipway.aws.s3_folder import download_folder
    from slipway.explore import Contents, compare
    from slipway.explore.parts import Parts

    with progress_bar("downloading parts") as advance:
        download_folder(place, folder, aws, advance=advance)
    parts = Parts(folder)
    with progress_bar("merging parts") as advance:
        dataset = parts.dataset(bucket, advance)

    def contents() -> Contents:
        say("Comparing the pictures")
        with progress_bar("comparing pictures") as advance:
            return compare(dataset, parts.embedded(dataset), advance)

    show(dataset, contents, bucket.fetch)
