"""push.sh's command line, with an exit code for each kind of failure."""

import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from types import FrameType
from typing import NoReturn

import click

from container.contract.errors import UserError
from container.full_disk import is_disk_full
from slipway.aws.connection import Aws, Service
from slipway.errors import CredentialsError, EngineError, ServiceError, SpaceError, UnreachableError
from slipway.options.result import Result, json_option, result
from slipway.push.engine import NAME, BuiltImage, Interrupted, built_image
from slipway.push.manifest import Manifest
from slipway.push.registry import Registry
from slipway.push.repository import (
    MOVING_TAGS,
    UNTAGGED_DAYS,
    Repository,
    allow_pull,
    create_repository,
    find_repository,
    finish_repository,
)
from slipway.push.upload import upload
from slipway.settings.pushed_images import CPU_TARGET, CUDA_VERSIONS, PushedImage, record_images, variant_target

_TARGETS = ("train", "serve")
_CHOICES = (*_TARGETS, CPU_TARGET, "all")

_EPILOG = """
\b
Examples:
  ./push.sh --dry-run
  ./push.sh --region eu-central-1
  ./push.sh train --repository team/slipway --allow-account 111122223333

\b
Exit codes:
  0  pushed, or already there
  1  another failure: the line on the standard error says which
  2  wrong usage, or no region
  3  AWS credentials are missing, invalid or expired
  4  the credentials do not allow it; the line names the least actions needed
  5  AWS or the registry cannot be reached, or fails
  6  a disk is full
  7  Docker is not there or not running, or the image is not built
  129, 130, 143  interrupted; run it again: it resumes where it stopped
"""


@dataclass(frozen=True, kw_only=True)
class _Options:
    repository: str
    account: str | None
    allowed: Sequence[str]
    name: str


@click.command(context_settings={"help_option_names": ["-h", "--help"]}, epilog=_EPILOG)
@click.argument("target", type=click.Choice(_CHOICES), default="all", metavar=f"[{'|'.join(_CHOICES)}]")
@click.option(
    "--cuda",
    type=click.Choice([str(cuda) for cuda in sorted(CUDA_VERSIONS)]),
    default=str(CUDA_VERSIONS[0]),
    show_default=True,
    help="Push the images that ./build.sh --cuda made: train-cuda12 and serve-cuda12.",
)
@click.option(
    "--repository", metavar="NAME", default=NAME, show_default=True, help="Repository in ECR, for all images."
)
@click.option(
    "--region", metavar="REGION", help="AWS region.  [default: AWS_REGION, AWS_DEFAULT_REGION, the profile's]"
)
@click.option("--account", metavar="ID", help="Account that owns the repository.  [default: that of the credentials]")
@click.option(
    "--allow-account",
    "allowed",
    metavar="ID",
    multiple=True,
    help="Let this account pull: needed where the role of a SageMaker job or endpoint belongs to another account than "
    "the repository. The role itself needs the same actions in its own account. Repeatable.",
)
@click.option(
    "--name", metavar="NAME", default=NAME, show_default=True, help="Local name of the images, from ./build.sh --name."
)
@click.option("--profile", metavar="NAME", help="Profile of ~/.aws/config.  [default: AWS_PROFILE]")
@click.option(
    "--dry-run", is_flag=True, help="Only print what would be created, tagged and pushed; needs no credentials."
)
@json_option("the addresses of the images")
def push(
    target: str,
    cuda: str,
    repository: str,
    region: str | None,
    account: str | None,
    allowed: tuple[str, ...],
    name: str,
    profile: str | None,
    dry_run: bool,
    as_json: bool,
) -> None:
    """Push the images that ./build.sh made to Amazon ECR, for SageMaker to pull.

    Makes the repository if it is missing. Each image gets the tag of its revision, which stays, and a tag that moves to
    what was pushed last (train, serve, serve-cpu, train-cuda12, serve-cuda12). `all` is train and serve; serve-cpu is
    the serving image for CPUs, which `slipway deploy` then takes for instances without GPUs. Layers that the registry
    has are not sent again. The addresses are written to ~/.config/slipway/images.json; `slipway images` shows them. The
    credentials are found as boto3 finds them.
    """
    for number in filter(None, (account, *allowed)):
        if not (len(number) == 12 and number.isdecimal()):
            raise click.UsageError(f"an account is twelve digits, such as 111122223333, and not {number!r}")
    if target == CPU_TARGET and int(cuda) != CUDA_VERSIONS[0]:
        raise click.UsageError(f"{CPU_TARGET} has no CUDA; leave --cuda out")
    targets = [variant_target(one, int(cuda)) for one in (_TARGETS if target == "all" else (target,))]
    options = _Options(repository=repository, account=account, allowed=allowed, name=name)
    with result(as_json) as answer:
        if dry_run:
            _describe(Aws(region, profile), targets, options, answer)
        else:
            images = [built_image(one, name) for one in targets]
            _push(Aws(region, profile), images, options, answer)


def _push(aws: Aws, images: Sequence[BuiltImage], options: _Options, answer: Result) -> None:
    ecr = aws.service("ecr")
    account = options.account or _own_account(aws)
    click.echo(f"region {aws.region}, account {account}")
    repository = _open_repository(ecr, options)
    if options.allowed:
        changed = allow_pull(ecr, options.repository, options.account, aws.partition, options.allowed)
        click.echo(f"  {', '.join(options.allowed)} may {'now ' if changed else ''}pull")
    token = str(ecr.call("GetAuthorizationToken")["authorizationData"][0]["authorizationToken"])
    host, _, name = repository.uri.partition("/")
    registry = Registry(host, name, token, aws.ca_bundle)
    done = []
    for image in images:
        started = time.monotonic()
        click.echo(f"== {image.target}: {image.name} ({_size(image.size)} unpacked)")
        manifest = upload(image, repository, registry, token, click.echo)
        layers = manifest.layer_sizes
        click.echo(f"  {len(layers)} layers, {_size(sum(layers))} compressed, {time.monotonic() - started:.0f} s")
        done.append(_record(image, manifest, repository, aws.region))
        answer.add(images=[asdict(pushed) for pushed in done])
    click.echo("== pushed")
    for pushed in done:
        click.echo(f"{pushed.target}  {pushed.uri}")
        click.echo(f"{' ' * len(pushed.target)}  {pushed.digest_uri}")
    click.echo("Next: give them to SageMaker as image_uri")


def _own_account(aws: Aws) -> str:
    return str(aws.service("sts").call("GetCallerIdentity")["Account"])


def _open_repository(ecr: Service, options: _Options) -> Repository:
    repository = find_repository(ecr, options.repository, options.account)
    if repository is None:
        repository = create_repository(ecr, options.repository, options.account)
        click.echo(f"repository {options.repository}: created")
        if repository.can_move("train-0123456789ab"):
            click.echo("  note: this endpoint of ECR cannot make only some tags immutable, so all of them can be moved")
        return repository
    click.echo(f"repository {options.repository}: there; its settings are left as they are")
    if finish_repository(ecr, options.repository, options.account):
        click.echo("  a run that was interrupted had made it: it now has its lifecycle rule")
    for difference in repository.differences:
        click.echo(f"  note: {difference}")
    return repository


def _record(image: BuiltImage, manifest: Manifest, repository: Repository, region: str) -> PushedImage:
    pushed = PushedImage(
        target=image.target,
        uri=f"{repository.uri}:{image.tag}",
        digest_uri=f"{repository.uri}@{manifest.digest}",
        region=region,
        account=repository.account,
        revision=image.revision,
        pushed=datetime.now(UTC).isoformat(timespec="seconds"),
        labels={name: value for name, value in image.labels.items() if name.startswith(f"{NAME}.")},
    )
    try:
        click.echo(f"  written to {record_images([pushed])}")
    except OSError as error:
        kind = SpaceError if is_disk_full(error) else ServiceError
        raise kind(
            f"{pushed.uri} is pushed, but that cannot be recorded: {error.filename or 'images.json'}: "
            f"{error.strerror}; fix that and run it again"
        ) from error
    return pushed


def _describe(aws: Aws, targets: Sequence[str], options: _Options, answer: Result) -> None:
    """Print what a run would do, as far as credentials and Docker allow; change nothing."""
    account, repository, known = options.account or "<account>", None, True
    try:
        account = options.account or _own_account(aws)
        repository = find_repository(aws.service("ecr"), options.repository, options.account)
    except (CredentialsError, UnreachableError) as error:
        known = False
        click.echo(f"note: AWS was not asked: {error}")
    uri = repository.uri if repository else f"{aws.registry_host(account)}/{options.repository}"
    click.echo(f"region {aws.region}, account {account}")
    if repository is not None:
        click.echo(f"repository {options.repository}: is there; its settings would be left as they are")
        for difference in repository.differences:
            click.echo(f"  note: {difference}")
    else:
        click.echo(
            f"repository {options.repository}: would be created{'' if known else ' if it is missing'}: scan on push; "
            f"tags cannot be changed, except {', '.join(MOVING_TAGS)}; images without a tag are removed after "
            f"{UNTAGGED_DAYS} days"
        )
    for number in options.allowed:
        click.echo(f"  would let {number} pull")
    planned = [{"target": target, "uri": _describe_image(target, options.name, uri)} for target in targets]
    answer.add(region=aws.region, account=account, planned=planned)
    click.echo("Nothing was changed.")


def _describe_image(target: str, name: str, uri: str) -> str:
    """Print what would become of an image; return its address."""
    try:
        image = built_image(target, name)
    except EngineError as error:
        click.echo(f"note: {error}")
        click.echo(f"== {target}: {name}:{target}")
        tag = f"{target}-<revision>"
    else:
        click.echo(f"== {target}: {image.name} ({_size(image.size)} unpacked)")
        tag = image.tag
    click.echo(f"  would be pushed, unless it is there, as {uri}:{tag}")
    click.echo(f"  would be tagged {uri}:{target}")
    return f"{uri}:{tag}"


def _size(count: float) -> str:
    """Format a number of bytes."""
    for unit in ("B", "kB", "MB"):
        if count < 1000:
            return f"{count:.3g} {unit}"
        count /= 1000
    return f"{count:.3g} GB"


def main() -> None:
    """Run the command."""
    # Unwind as Ctrl-C does, so that the password is removed.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    try:
        push.main(prog_name="./push.sh", standalone_mode=False)
    except click.ClickException as error:
        _fail(f"{error.format_message()}; ./push.sh --help says more", error.exit_code)
    except click.Abort:
        _interrupted(signal.SIGINT)
    except Interrupted as interrupted:
        _interrupted(interrupted.number)
    except ServiceError as error:
        _fail(str(error), error.exit_code)
    except UserError as error:
        _fail(str(error), ServiceError.exit_code)
    except OSError as error:
        if not is_disk_full(error):
            raise
        _fail(
            f"{error.filename or 'the disk'}: {error.strerror}; free some space and run it again", SpaceError.exit_code
        )


def _interrupt(number: int, _frame: FrameType | None) -> NoReturn:
    raise Interrupted(number)


def _interrupted(number: int) -> NoReturn:
    _fail("interrupted; run it again: it resumes where it stopped", 128 + number)


def _fail(message: str, code: int) -> NoReturn:
    click.echo(f"push: {' '.join(message.split())}", err=True)
    sys.exit(code)
