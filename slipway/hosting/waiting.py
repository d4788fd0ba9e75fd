"""Waits for an endpoint, and explains why it does not come into service."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from slipway.aws.cloud_logs import LogFollower, endpoint_group
from slipway.aws.console_address import console_address, log_address
from slipway.aws.permissions import missing_permission
from slipway.errors import EndpointError, ServiceError
from slipway.hosting.endpoint import require_endpoint

if TYPE_CHECKING:
    from slipway.aws.session import AnySession

_POLL_S = 10.0
_LAST_LINES = 10
_UNDER_WAY = ("Creating", "Updating", "SystemUpdating", "RollingBack")


def wait_until_in_service(
    session: "AnySession", name: str, *, show: Callable[[str], None] | None = None, poll_s: float = _POLL_S
) -> None:
    """Wait until an endpoint serves.

    Args:
        session: Credentials and region.
        name: Name of the endpoint.
        show: Called with the console address, and with a line whenever the status changes.
        poll_s: Seconds between polls.

    Raises:
        EndpointError: The endpoint or its update failed (the message has SageMaker's reason and the last log lines),
            it was deleted, or the wait was interrupted.
        ServiceError: AWS refuses.
    """
    show = show or (lambda line: None)
    started, last = time.monotonic(), ""
    try:
        show(f"endpoint {name}: {console_address('endpoint', name, session.boto_region_name)}")
        while True:
            description = require_endpoint(session, name)
            # A dry run's answer has none.
            status = description.get("EndpointStatus", "InService")
            if status != last:
                show(f"endpoint {name}: {status} after {time.monotonic() - started:.0f} s")
            last = status
            if status not in _UNDER_WAY:
                break
            time.sleep(poll_s)
    except ServiceError as error:
        raise _and_still_there(error, name) from error
    except KeyboardInterrupt:
        raise EndpointError(
            f"stopped waiting; the endpoint {name} is still being created or updated, and costs money until it is "
            f"deleted. {how_to_delete(name)} {console_address('endpoint', name, session.boto_region_name)}"
        ) from None
    # After an update that was rolled back, it serves as before, and has a reason.
    if status != "InService" or description.get("FailureReason"):
        raise EndpointError(_failure(session, name, description))


def _failure(session: "AnySession", name: str, description: Mapping[str, Any]) -> str:
    status = description["EndpointStatus"]
    reason = " ".join(str(description.get("FailureReason") or f"its status is {status}").split())
    if missing := missing_permission(reason):
        reason += f"\nThe missing permission: {missing}"
    try:
        lines = LogFollower(session.boto_session, endpoint_group(name)).last_lines(_LAST_LINES)
    except ServiceError as error:
        lines = [f"(its log cannot be read: {error})"]
    said = "\n".join(f"  {line}" for line in lines) or "  (it has logged nothing: the container did not start)"
    whole_log = log_address(endpoint_group(name), session.boto_region_name)
    if status == "InService":
        what, left = f"the update of the endpoint {name} failed: {reason}", "It serves as it did before the update."
    else:
        what = f"the endpoint {name} did not come into service: {reason}"
        left = f"The endpoint, its configuration and its model are still there. {how_to_delete(name)}"
    return f"{what}\nThe last lines of its log:\n{said}\nThe whole log: {whole_log}\n{left}"


def how_to_delete(name: str) -> str:
    """A sentence on how to delete an endpoint."""
    return f"To remove it with its configuration and model: slipway deploy --delete {name}"


@contextmanager
def still_there(name: str) -> Iterator[None]:
    """Add to a ServiceError in the body that the endpoint exists.

    Raises:
        ServiceError: The body's, with that in its message.
    """
    try:
        yield
    except ServiceError as error:
        raise _and_still_there(error, name) from error


def _and_still_there(error: ServiceError, name: str) -> ServiceError:
    error.args = (f"{error}\nThe endpoint {name} exists or is being created, and costs money. {how_to_delete(name)}",)
    return error
