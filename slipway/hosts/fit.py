"""Chooses the host image, and among the pushed images the one that runs there, or says what does."""

import logging
import re
from typing import Literal

from slipway.checks.instance_type import Use, has_gpu
from slipway.errors import SettingError
from slipway.hosts.drivers import CUDAS, ENDPOINT_AMIS, FAMILIES, TRANSFORM_AMIS, Cuda, Family, Host
from slipway.settings.pushed_images import CUDA_LABEL, PushedImage, find_image, last_pushed, read_images, variant_target
from slipway.settings.slipway_toml import Settings

_LOG = logging.getLogger(__name__)

_USES = {"training": "a training job", "endpoint": "an endpoint", "transform": "a batch transform job"}
_COMMON = ("ml.g4dn.xlarge", "ml.g5.xlarge", "ml.g6.xlarge", "ml.p5.48xlarge")


def cuda_of(image: str) -> int | None:
    """Find the major version of CUDA that an image is for, by its tag or what push.sh recorded; None if unknown."""
    tag = image.rpartition(":")[2]
    if named := re.match(r"(?:train|serve)-cuda(\d+)(?:-|$)", tag):
        return int(named[1])
    pushed = _pushed(image)
    return int(pushed.labels[CUDA_LABEL].partition(".")[0]) if pushed and CUDA_LABEL in pushed.labels else None


def host_for(use: Use, instance_type: str, cuda: int | None) -> Host | None:
    """Choose the host image for an image's CUDA.

    Args:
        use: What the instances are for.
        instance_type: A type with GPUs.
        cuda: Major version of the image's CUDA; None: unknown.

    Returns:
        SageMaker's own choice where its driver is new enough, else the newest AMI of the same CUDA, else any with a
        driver that is new enough; a `Host` without a driver where AWS does not publish it; None if nothing can run it.
    """
    family = _family(instance_type)
    if family is None:
        return Host(None, None)  # newer than the table
    default, *amis = family.hosts(use)
    need = _need(cuda)
    if need is None:
        return max(amis, key=lambda ami: ami.driver or 0, default=default)
    if not _has_code(instance_type, need):
        return None
    fitting = [host for host in (default, *amis) if host.driver is not None and host.driver >= need.driver]
    if default in fitting or (default.driver is None and not amis):
        return default
    same = [host for host in fitting if _newest_cuda(host) == cuda]
    return max(same or fitting, key=lambda host: host.driver or 0, default=None)


def choose_ami(use: Use, instance_type: str | None, image: str, named: str | None = None) -> str | None:
    """Choose the host image's name for the request.

    Args:
        use: What the instances are for.
        instance_type: None for serverless.
        image: Address of the image.
        named: The user's choice, which is checked.

    Returns:
        None: SageMaker's own choice.

    Raises:
        SettingError: The image cannot run there; the message names a pair that can. Or it is the training image where
            a serving image is needed, or the other way round.
    """
    if not (isinstance(image, str) and isinstance(instance_type, str | None)):
        return named  # a pipeline's parameters
    _check_target(use, image)
    if instance_type is None or not has_gpu(instance_type):
        return named
    cuda = cuda_of(image)
    host = host_for(use, instance_type, cuda)
    if cuda is not None and (need := _need(cuda)):
        of_named = next((ami for ami in (*ENDPOINT_AMIS, *TRANSFORM_AMIS) if ami.ami == named), None)
        too_old = of_named.driver is not None and of_named.driver < need.driver if of_named else False
        if too_old or (host is None and not (named and _has_code(instance_type, need))):
            raise SettingError(_refusal(use, instance_type, image, cuda, of_named if too_old else None))
        if host and host.driver is None and not named and cuda != min(CUDAS):
            _LOG.warning(
                "AWS does not publish the driver of %s on %s, and %s needs %d or later; the image for CUDA %d needs "
                "%d: ./build.sh --cuda %d && ./push.sh --cuda %d",
                *(_USES[use], instance_type, image, need.driver, min(CUDAS), CUDAS[min(CUDAS)].driver),
                *(min(CUDAS), min(CUDAS)),
            )
    return named or (host.ami if host else None)


def pushed_variant(target: Literal["train", "serve"], use: Use, instance_type: str | None, region: str) -> str | None:
    """Choose among the pushed variants of an image the one for these instances.

    Args:
        target: train or serve.
        use: What the instances are for.
        instance_type: None for serverless.
        region: Region of the image.

    Returns:
        The address of the one for the newest CUDA that surely runs there, else, where AWS does not publish the driver,
        the one that needs the oldest; None where the choice makes no difference, or nothing pushed can run.
    """
    if not isinstance(instance_type, str) or not has_gpu(instance_type):  # a pipeline's parameter is no text
        return None
    hosts = {
        cuda: (address, host)
        for cuda in CUDAS
        if (address := last_pushed(variant_target(target, cuda), region))
        and (host := host_for(use, instance_type, cuda_of(address) or cuda))
    }
    known = [address for address, host in hosts.values() if host.driver is not None]
    return known[0] if known else hosts[min(hosts)][0] if hosts else None


def image_for(
    target: Literal["train", "serve"], named: str | None, region: str, use: Use, instance_type: str | None
) -> str | None:
    """Choose the image for instances in a region, as `find_image` does, and the variant that fits; None: there is none.

    Raises:
        ImagesFileError: images.json is damaged.
    """
    if not (named or getattr(Settings.read(), f"{target}_image")):
        chosen = pushed_variant(target, use, instance_type, region)
        if chosen is not None:
            return chosen
    return find_image(target, named, region)


def _has_code(instance_type: str, need: Cuda) -> bool:
    """Whether an image has code for a type's processor and GPU."""
    family = _family(instance_type)
    return family is None or (not family.arm and family.capability >= need.capability)


def _pushed(image: str) -> PushedImage | None:
    """Find what push.sh recorded of an image, by its address with a revision, a digest or the moving tag."""
    for pushed in read_images():
        if image in (pushed.uri, pushed.digest_uri, f"{pushed.uri.rpartition(':')[0]}:{pushed.target}"):
            return pushed
    return None


def _check_target(use: Use, image: str) -> None:
    pushed, target = _pushed(image), "train" if use == "training" else "serve"
    if pushed and pushed.target.partition("-")[0] != target:
        raise SettingError(f"{image} is the image {pushed.target}, and {_USES[use]} needs {target}; name that")


def _need(cuda: int | None) -> Cuda | None:
    """Return what an image needs of a host; None if its CUDA is unknown, or newer than the table."""
    return CUDAS.get(cuda) if cuda is not None else None


def _family(instance_type: str) -> Family | None:
    return FAMILIES.get(instance_type.split(".")[1])


def _newest_cuda(host: Host) -> int:
    return max((cuda for cuda, need in CUDAS.items() if (host.driver or 0) >= need.driver), default=0)


def _refusal(use: Use, instance_type: str, image: str, cuda: int, named: Host | None) -> str:
    """Say why an image cannot run, and what can."""
    family, need = FAMILIES[instance_type.split(".")[1]], CUDAS[cuda]
    fitting = host_for(use, instance_type, cuda)
    ways = []
    if family.arm:
        reason = f"{instance_type} has ARM processors, and {image} is for linux/amd64"
    elif family.capability < need.capability:
        major, minor = family.capability
        reason = (
            f"{image} (CUDA {cuda}) has no code for {instance_type}'s {family.gpu}, compute capability {major}.{minor}"
        )
    else:
        host = named or max(family.hosts(use), key=lambda host: host.driver or 0)
        whose = host.ami or f"the host of {_USES[use]} on {instance_type}"
        most = " at most" if not named else ""
        reason = (
            f"{image} (CUDA {cuda}) needs NVIDIA driver {need.driver} or later, and {whose} has {host.driver}{most}"
        )
    if fitting:
        ways.append(
            f"the host image {fitting.ami}" if fitting.ami else "no host image, so that SageMaker takes its own"
        )
    target: Literal["train", "serve"] = "train" if use == "training" else "serve"
    for other in CUDAS:
        if other != cuda and (found := host_for(use, instance_type, other)):
            tag = variant_target(target, other)
            with_ami = f" with the host image {found.ami}" if found.ami else ""
            build = f"./build.sh {target} --cuda {other} && ./push.sh {target} --cuda {other}"
            ways.append(f"the image for CUDA {other}{with_ami} ({build}, then --image {tag})")
    if not ways:
        types = [type_ for type_ in _COMMON if host_for(use, type_, cuda)]
        ways += [f"another instance type, such as {types[0] if types else 'ml.c7i.xlarge, which has no GPU'}"]
    return f"{reason}; take {', or '.join(ways)}"
