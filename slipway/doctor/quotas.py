"""Checks the account's quotas of instances; a quota of 0 is the most common reason for which a first job is refused."""

from collections.abc import Collection, Iterator
from typing import Any

from slipway.doctor.account import Account
from slipway.doctor.finding import Finding

_KINDS = {
    "training": "training job",
    "spot training": "spot training job",
    "endpoint": "endpoint",
    "transform": "transform job",
}


def check_quotas(account: Account, wanted: Collection[tuple[str, str]]) -> Iterator[Finding]:
    """Find how many instances of each type the account may use at once.

    Args:
        account: Credentials and account.
        wanted: Instance types, each with its use: training, spot training, endpoint or transform.
    """
    if not wanted:
        text, remedy = "not checked; no instance type is named", "slipway doctor --instance-type ml.g4dn.xlarge"
        yield Finding(name="quotas", status="absent", text=text, remedy=remedy)
        return
    service = account.aws.service("service-quotas", quick=True)
    names = {f"{kind} for {_KINDS[use]} usage" for kind, use in wanted}
    found: dict[str, Any] = {
        quota["QuotaName"]: quota
        for quota in service.pages("ListServiceQuotas", "Quotas", ServiceCode="sagemaker")
        if quota["QuotaName"] in names
    }
    for kind, use in wanted:
        name = f"{kind} for {_KINDS[use]} usage"
        quota = found.get(name)
        if quota is None:
            text = f"{kind} for {use}: there is no such quota in {account.aws.region}"
            yield Finding(name="quota", status="unknown", text=text, remedy="check the name, or take another type")
        elif quota["Value"] < 1:
            code = quota.get("QuotaCode", "")
            text = f"{kind} for {use}: 0 instances, so that SageMaker refuses to start one"
            yield Finding(name="quota", status="failed", text=text, remedy=_ask_for_more(account, name, code))
        else:
            yield Finding(name="quota", status="ok", text=f"{kind} for {use}: {quota['Value']:.0f} at once")


def _ask_for_more(account: Account, name: str, code: str) -> str:
    request = "aws service-quotas request-service-quota-increase --service-code sagemaker"
    return f"ask for {name!r}: {request} --quota-code {code} --desired-value 1 --region {account.aws.region}"
