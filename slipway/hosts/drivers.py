"""The NVIDIA drivers of SageMaker's GPU hosts, by use and instance family, as AWS publishes them. Read on 2026-11-30.

Sources:
- The host images (AMIs) and their drivers: SageMaker's API in botocore 1.44.5, `ProductionVariant.InferenceAmiVersion`
  and `TransformResources.TransformAmiVersion`.
- The drivers of hosts without a named AMI, and which families take one: AWS's developer guide, "Best practices to
  minimize interruptions during GPU driver upgrades" (inference-gpu-drivers), and for the families that its stored
  copies lack the reading of it in github.com/autogluon/autogluon-cloud/pull/270 of 2026-09-18 and in
  github.com/awslabs/ml-container-creator, servers/lib/catalogs/fleet-drivers.json of 2026-09-10.
- Training hosts: AWS publishes no driver, and a job cannot name one.
- Compute capabilities: NVIDIA's list of CUDA GPUs; of the images, torch.cuda.get_arch_list() in each: from sm_75 on in
  torch 2.14.1 for CUDA 13.0, from sm_70 on in torch 2.10.0 for CUDA 12.8.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from slipway.checks.instance_type import Use


@dataclass(frozen=True)
class Host:
    """A host image, and the major version of its driver."""

    ami: str | None
    """None: the one that SageMaker takes by itself."""
    driver: int | None
    """None: AWS does not publish it."""


ENDPOINT_AMIS = (
    Host("al2-ami-sagemaker-inference-gpu-2", 535),
    Host("al2-ami-sagemaker-inference-gpu-2-1", 535),
    Host("al2-ami-sagemaker-inference-gpu-3-1", 550),
    Host("al2023-ami-sagemaker-inference-gpu-4-1", 580),
)
TRANSFORM_AMIS = (
    Host("al2-ami-sagemaker-batch-gpu-470", 470),
    Host("al2-ami-sagemaker-batch-gpu-535", 535),
)


@dataclass(frozen=True, kw_only=True)
class Family:
    """The instances of one family."""

    gpu: str
    capability: tuple[int, int]
    """Compute capability."""
    endpoint: int | None = None
    """Driver of an endpoint's host without an AMI; None: AWS does not publish it."""
    endpoint_amis: tuple[Host, ...] = ()
    """The AMIs that an endpoint may name."""
    transform: int | None = None
    """Driver of a batch transform job's host without an AMI; None: AWS does not publish it."""
    transform_amis: tuple[Host, ...] = ()
    arm: bool = False
    """Whether the processor is ARM, for which no image with CUDA is built."""

    def hosts(self, use: Use) -> tuple[Host, ...]:
        """List the hosts for a use, the one without an AMI first."""
        if use == "endpoint":
            return Host(None, self.endpoint), *self.endpoint_amis
        if use == "transform":
            return Host(None, self.transform), *self.transform_amis
        return (Host(None, None),)


_ALL, _NEWEST, _BATCH = ENDPOINT_AMIS, ENDPOINT_AMIS[-1:], TRANSFORM_AMIS

FAMILIES: Mapping[str, Family] = {
    "p2": Family(gpu="K80", capability=(3, 7), endpoint=470, transform=470),
    "p3": Family(gpu="V100", capability=(7, 0), endpoint=470, transform=470),
    "p3dn": Family(gpu="V100", capability=(7, 0)),
    "g4dn": Family(gpu="T4", capability=(7, 5), endpoint=470, endpoint_amis=_ALL, transform=470, transform_amis=_BATCH),
    "g5": Family(gpu="A10G", capability=(8, 6), endpoint=470, endpoint_amis=_ALL, transform=470, transform_amis=_BATCH),
    "g6": Family(gpu="L4", capability=(8, 9), endpoint=535, endpoint_amis=_ALL, transform_amis=_BATCH),
    "g6e": Family(gpu="L40S", capability=(8, 9), endpoint=535, endpoint_amis=_ALL),
    "g7": Family(gpu="RTX PRO 4500", capability=(12, 0), endpoint_amis=_NEWEST),
    "g7e": Family(gpu="RTX PRO 6000", capability=(12, 0), endpoint_amis=_NEWEST),
    "p4d": Family(gpu="A100", capability=(8, 0), endpoint=470, endpoint_amis=_ALL),
    "p4de": Family(gpu="A100", capability=(8, 0), endpoint=470, endpoint_amis=_ALL),
    "p5": Family(gpu="H100", capability=(9, 0), endpoint=535, endpoint_amis=_ALL),
    "p5e": Family(gpu="H200", capability=(9, 0), endpoint=550, endpoint_amis=_ALL),
    "p5en": Family(gpu="H200", capability=(9, 0), endpoint=550, endpoint_amis=_ALL),
    "p6-b200": Family(gpu="B200", capability=(10, 0), endpoint=580),
    "p6-b300": Family(gpu="B300", capability=(10, 3)),
    "p6e-gb200": Family(gpu="GB200", capability=(10, 0), arm=True),
}
"""Every family with NVIDIA GPUs that SageMaker lists; see the sources above."""


@dataclass(frozen=True, kw_only=True)
class Cuda:
    """What the images for one CUDA need of a host."""

    driver: int
    """Oldest driver, by its major version: within a CUDA's major version, a driver runs every minor one."""
    capability: tuple[int, int]
    """Oldest compute capability that the locked PyTorch has kernels for: torch.cuda.get_arch_list()."""


CUDAS: Mapping[int, Cuda] = {13: Cuda(driver=580, capability=(7, 5)), 12: Cuda(driver=525, capability=(7, 0))}
"""The variants by CUDA's major version, the default first. Source of the drivers: NVIDIA's "CUDA Compatibility"."""
