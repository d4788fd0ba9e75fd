"""Endpoints in local mode: one container on this machine, for as long as the process lives."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from slipway.errors import EndpointError, SettingError

if TYPE_CHECKING:
    from slipway.aws.session import AnySession

_PORT = 8080


def serving_port(session: "AnySession") -> int:
    """Return the port of local mode's container on this machine."""
    local = (getattr(session, "config", None) or {}).get("local", {})
    return int(local.get("serving_port") or _PORT)


def answers(port: int) -> bool:
    """Whether something listens at a port of this machine."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def require_free_port(session: "AnySession") -> None:
    """Raise a SettingError if something else listens at the port, which the SDK would take for the container."""
    if answers(port := serving_port(session)):
        raise SettingError(
            f"something else answers at port {port} of this machine already, perhaps another endpoint of local mode or "
            "slipway serve; stop it, or give another port: --port, local_session(serving_port=8081)"
        )


@contextmanager
def started_here(session: "AnySession", name: str) -> Iterator[None]:
    """Stop the container if it does not come into service in the body.

    Raises:
        EndpointError: The container failed; its output, with the reason, is on the terminal by then.
    """
    try:
        yield
    except KeyboardInterrupt:
        _stop(session, name)
        raise
    # ImportError: the SDK finds no Docker Compose.
    except (RuntimeError, OSError, ImportError) as error:
        _stop(session, name)
        text = " ".join(str(error).split())
        raise EndpointError(
            f"the serving container did not start ({text}); its output above says why. It has been stopped again"
        ) from error


def _stop(session: "AnySession", name: str) -> None:
    from botocore.exceptions import ClientError

    with suppress(ClientError):
        session.sagemaker_client.delete_endpoint(EndpointName=name)
