"""Runs all checks: those of this machine, and with credentials those of the account."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain

from slipway.doctor.account import Account, check_bucket, check_pushed, find_account
from slipway.doctor.docker import check_docker
from slipway.doctor.finding import Check, Finding, run_checks
from slipway.doctor.gpu import check_gpu
from slipway.doctor.python import check_python
from slipway.doctor.quotas import check_quotas
from slipway.doctor.role import check_execution_role
from slipway.doctor.settings import check_settings, instance_types
from slipway.errors import ImagesFileError
from slipway.settings.pushed_images import BUILT_NAME, read_images

HERE, AWS = "This machine", "AWS"
"""The groups of findings."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What is set up and to be checked."""

    region: str | None = None
    profile: str | None = None
    role: str | None = None
    bucket: str | None = None
    instance_types: tuple[str, ...] = ()
    """Instance types beside those of slipway.toml."""
    validate: Callable[[], object] = lambda: None
    """Raises a SettingsFileError if a command does not take slipway.toml."""


def examine(asked: Asked) -> Mapping[str, list[Finding]]:
    """Run all checks, side by side, and return the findings by group."""
    accounts: list[Account] = []

    def identify() -> list[Finding]:
        wanted = any((asked.profile, asked.role, asked.bucket))
        found, account = find_account(asked.region, asked.profile, wanted=wanted)
        accounts.extend([account] if account else [])
        return found

    checks = (
        Check(name="Python", run=check_python),
        Check(name="Docker", run=check_docker, limit_s=60),
        Check(name="GPU", run=check_gpu, limit_s=60),
        Check(name="slipway.toml", run=lambda: check_settings(asked.validate)),
        Check(name="credentials", run=identify),
    )
    *here, there = run_checks(checks)
    beyond = run_checks(_account_checks(asked, accounts[0])) if accounts else []
    return {HERE: [*chain.from_iterable(here)], AWS: [*chain(there, *beyond)]}


def _account_checks(asked: Asked, account: Account) -> tuple[Check, ...]:
    wanted = dict.fromkeys((kind, use) for kind in asked.instance_types for use in ("training", "endpoint"))
    return (
        Check(name="bucket", run=lambda: check_bucket(account, asked.bucket)),
        Check(
            name="role",
            run=lambda: check_execution_role(account, asked.role, asked.bucket, _repository(account)),
            limit_s=60,
        ),
        Check(name="images in ECR", run=lambda: check_pushed(account)),
        # Thousands of quotas, a hundred at a time.
        Check(name="quotas", run=lambda: check_quotas(account, {**instance_types(), **wanted}), limit_s=60),
    )


def _repository(account: Account) -> str:
    """Name of the repository that push.sh pushed to in this region, else its default."""
    try:
        return next((image.repository for image in read_images() if image.region == account.aws.region), BUILT_NAME)
    except ImagesFileError:
        return BUILT_NAME  # the check of the images reports it
