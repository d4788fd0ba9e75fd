"""Chooses among the serving images: the one for CPUs has neither torch nor CUDA, and is a tenth of the others."""

import tarfile
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from container.contract.model_files import GRAPH
from slipway.aws.refusals import AwsError, explained
from slipway.aws.s3_address import S3Address
from slipway.checks.instance_type import Use, has_gpu
from slipway.errors import SettingError
from slipway.hosts.fit import pushed_variant
from slipway.processes.serving import model_files_directory
from slipway.settings.pushed_images import CPU_TARGET, read_images

if TYPE_CHECKING:
    from slipway.aws.session import AnySession


class ImageChoice:
    """The choice of a model's image, which waits for the instance type."""

    def __init__(self, *, open_: bool) -> None:
        """
        Args:
            open_: Whether the user leaves the choice to us.
        """
        self._open = open_
        self.files: set[str] | None = None
        """The model's files, where they are known; None: to be read in S3."""

    def for_instances(
        self, image: str, model_data: Any, session: "AnySession", instance_type: str | None, use: Use = "endpoint"
    ) -> str:
        """Choose the image for CPUs if it was pushed, and instances and model can do without torch; with GPUs, the one
        whose CUDA runs on the hosts.

        Args:
            image: The model's image so far.
            model_data: The model's; only an archive in S3 can be looked into.
            session: Credentials and region.
            instance_type: None for a serverless endpoint, which has no GPUs.
            use: What the instances are for.

        Returns:
            The image's address; the first choice without GPUs is kept.

        Raises:
            SettingError: It is the image for CPUs, and the instances have GPUs.
        """
        _check_for_gpus(image, instance_type)
        if not self._open:
            return image
        if has_gpu(instance_type):
            return pushed_variant("serve", use, instance_type, session.boto_region_name) or image
        self._open = False
        found = _pushed(session.boto_region_name)
        if found and isinstance(model_data, str) and model_data.endswith(".tar.gz"):
            if self.files is None:
                self.files = _names_in_s3(session, model_data)
            if not _needs_torch(self.files):
                return found
        return image


def _check_for_gpus(image_uri: str, instance_type: str | None) -> None:
    """Refuse the image for CPUs on an instance with GPUs, which would be paid for and unused.

    Raises:
        SettingError: It is that image on such an instance.
    """
    if has_gpu(instance_type) and _is_for_cpus(image_uri):
        raise SettingError(
            f"{instance_type} has GPUs, and {image_uri} is the image for CPUs, without torch and CUDA; name the other "
            "image (--image serve), or an instance type without GPUs, such as ml.c7i.xlarge"
        )


def _is_for_cpus(image_uri: str) -> bool:
    pushed = {image.digest_uri for image in read_images() if image.target == CPU_TARGET}
    return image_uri.rpartition(":")[2].startswith(CPU_TARGET) or image_uri in pushed


def _pushed(region: str) -> str | None:
    """Look up the image for CPUs that was pushed to a region; None if there is none."""
    found = [image for image in read_images() if image.target == CPU_TARGET and image.region == region]
    return max(found, key=lambda image: image.pushed).uri if found else None


def _needs_torch(names: Collection[str]) -> bool:
    """Whether a model of these files needs torch to be served: it has no exported graph, or code of its own."""
    return GRAPH not in names or any(name.startswith("code/") and name.endswith(".py") for name in names)


def names_here(path: Path) -> set[str]:
    """List the files of a model on this machine: a model directory, a job directory, or an archive."""
    if not path.is_dir():
        with tarfile.open(path) as archive:
            return set(archive.getnames())
    directory = model_files_directory(path)
    return {file.relative_to(directory).as_posix() for file in directory.rglob("*")}


def _names_in_s3(session: "AnySession", address: str) -> set[str]:
    """List the files of an archive in S3, which is read for that; empty if it cannot be read.

    That these credentials may not read it does not mean that SageMaker's role may not.
    """
    place = S3Address.parse(address)
    try:
        with explained(f"reading {place}"):
            body = session.boto_session.client("s3").get_object(Bucket=place.bucket, Key=place.key)["Body"]
            with tarfile.open(fileobj=body, mode="r|gz") as archive:
                return {member.name.removeprefix("./") for member in archive}
    except (AwsError, KeyError, OSError, EOFError, tarfile.TarError):
        return set()
