"""Addresses of AWS's own images, which are in an account of AWS's in each region."""

from collections.abc import Mapping


def regional_image(accounts: Mapping[str, str], region: str, image: str) -> str | None:
    """Return the address of an image in a region's registry; None in a region without one.

    Args:
        accounts: AWS's account by region.
        region: The region.
        image: Repository and tag.
    """
    account = accounts.get(region)
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return account and f"{account}.dkr.ecr.{region}.{suffix}/{image}"
