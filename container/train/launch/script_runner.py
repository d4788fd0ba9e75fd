"""The `distribution=` argument of version 2 of the SageMaker SDK, which it sends as hyperparameters of its own: how to
start a user's script."""

import shutil
from collections.abc import Mapping
from enum import Enum
from pathlib import Path

from container.contract.errors import HyperparameterError

_TORCHRUN = ("sagemaker_torch_distributed_enabled", "sagemaker_pytorch_ddp_enabled")
_MPI = "sagemaker_mpi_enabled"
# The toolkit's own MPI runner starts it from there.
_SSHD = Path("/usr/sbin/sshd")

_INSTEAD = (
    'use distribution={"torch_distributed": {"enabled": True}}, which starts the script by torchrun, once for each GPU '
    "of all hosts"
)
_REFUSED = {
    "sagemaker_distributed_dataparallel_enabled": "SageMaker's data parallel library (smdistributed), which exists "
    "only in AWS's own containers",
    "sagemaker_parameter_server_enabled": "parameter servers, which are TensorFlow's",
    "sagemaker_multi_worker_mirrored_strategy_enabled": "MultiWorkerMirroredStrategy, which is TensorFlow's",
    "sagemaker_pytorch_xla_multi_worker_enabled": "PyTorch/XLA, which this image does not have",
}


class Runner(Enum):
    """How a user's script is started."""

    PLAIN = "one process on each host"
    TORCHRUN = "torchrun, with a process for each GPU"
    MPI = "mpirun"


def choose_runner(parameters: Mapping[str, object], hyperparameters: Mapping[str, object]) -> Runner:
    """Choose the runner that the job asks for.

    Args:
        parameters: The SDK's own hyperparameters, whose names begin with `sagemaker_`.
        hyperparameters: All others.

    Raises:
        HyperparameterError: The job asks for something that this image does not have.
    """
    for name, what in _REFUSED.items():
        if _is_on(parameters.get(name)):
            raise HyperparameterError(f"the job asks for {what} (hyperparameter {name}); {_INSTEAD}")
    if isinstance(hyperparameters.get("mp_parameters"), Mapping):
        raise HyperparameterError(
            "the job asks for SageMaker's model parallel library (hyperparameter mp_parameters), which exists only in "
            f"AWS's own containers; {_INSTEAD}, and FullyShardedDataParallel for a model too large for one GPU"
        )
    if _is_on(parameters.get(_MPI)):
        missing = [
            name for name, there in (("mpirun", shutil.which("mpirun")), (str(_SSHD), _SSHD.exists())) if not there
        ]
        if missing:
            raise HyperparameterError(
                f"the job asks for MPI (hyperparameter {_MPI}), and this image has no {' and no '.join(missing)}; "
                f"{_INSTEAD}"
            )
        return Runner.MPI
    return Runner.TORCHRUN if any(_is_on(parameters.get(name)) for name in _TORCHRUN) else Runner.PLAIN


def _is_on(value: object) -> bool:
    return str(value).strip().lower() in ("true", "1")
