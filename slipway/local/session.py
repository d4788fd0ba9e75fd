"""A session for local mode without an SDK, which needs neither credentials nor a region."""

from collections.abc import Callable
from functools import cached_property
from typing import Any

from slipway.aws.connection import Aws
from slipway.aws.session import AwsSession, local_region
from slipway.local.serving import PORT


class DockerSession(AwsSession):
    """A session whose endpoints are containers on this machine.

    Args:
        serving_port: Port of this machine at which an endpoint answers.
        show: Called with each line of the containers' output; None: it is not shown.
    """

    local_mode = True

    def __init__(self, serving_port: int = PORT, show: Callable[[str], None] | None = None) -> None:
        super().__init__(Aws(local_region(), None))
        self.config = {"local": {"serving_port": serving_port}}
        self._show = show or (lambda _line: None)

    @cached_property
    def sagemaker_client(self) -> Any:
        """Stands for the client of SageMaker."""
        from slipway.local.client import LocalSageMaker  # only here, with the Docker SDK

        return LocalSageMaker(self.config["local"]["serving_port"], self._show)

    @property
    def sagemaker_runtime_client(self) -> Any:
        """Stands for the client of SageMaker's endpoints."""
        return self.sagemaker_client


def local_session(**local: Any) -> DockerSession:
    """Create a session for local mode: containers on this machine, which need Docker and no account.

    Args:
        local: Arguments of `DockerSession`, such as serving_port.
    """
    return DockerSession(**local)
