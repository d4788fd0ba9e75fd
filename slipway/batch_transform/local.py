"""Transform jobs in the SDK's local mode: shows the container's errors, and always stops it."""

import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout, suppress
from subprocess import SubprocessError
from typing import Any

from urllib3.exceptions import HTTPError

from slipway.errors import RemoteJobError
from slipway.hosting.local import require_free_port
from slipway.local.sdk_local_mode import ContainerLines

_LAST_LINES = 5


@contextmanager
def transform_here(
    session: Any, name: str, answered: Callable[[int], None], show: Callable[[str], None] | None = None
) -> Iterator[None]:
    """Run a transform job of local mode in the body.

    Args:
        session: A session of local mode.
        name: Name of the job.
        answered: Called with the number of requests that the container has answered so far.
        show: Called with the container's lines.

    Raises:
        SettingError: Something else listens at the container's port.
        RemoteJobError: The container did not start, or exited; the message has its last lines.
    """
    require_free_port(session)
    last: deque[str] = deque(maxlen=_LAST_LINES)

    def take(line: str) -> None:
        last.append(line)
        if show is not None:
            show(line)

    runtime, hook = session.sagemaker_runtime_client, threading.excepthook
    session.sagemaker_runtime_client = _Counted(runtime, answered)
    threading.excepthook = _without_docker(hook)
    output = ContainerLines(take)
    try:
        with redirect_stdout(output):
            try:
                yield
            except BaseException:
                # The container's thread writes until the container has been stopped.
                output.of_compose += _stop(session, name)
                raise
    # ImportError: the SDK finds no Docker Compose.
    except (RuntimeError, OSError, ImportError, HTTPError) as error:
        said = " / ".join(filter(None, last or output.of_compose[-_LAST_LINES:]))
        reason = " ".join(str(error).split())
        words = f"; its container's last output: {said}" if said else ""
        raise RemoteJobError(f"the transform job {name} failed in local mode: {reason}{words}") from error
    finally:
        session.sagemaker_runtime_client, threading.excepthook = runtime, hook


class _Counted:
    """The SDK's client of the container, which also counts the answered requests."""

    def __init__(self, client: Any, answered: Callable[[int], None]) -> None:
        self._client = client
        self._answered = answered
        self._count = 0

    def invoke_endpoint(self, *arguments: Any, **named: Any) -> Any:
        answer = self._client.invoke_endpoint(*arguments, **named)
        self._count += 1
        self._answered(self._count)
        return answer


def _without_docker(hook: Callable[[threading.ExceptHookArgs], Any]) -> Callable[[threading.ExceptHookArgs], None]:
    """Build a threading hook that suppresses the SDK's exception when Docker Compose fails."""

    def filtered(arguments: threading.ExceptHookArgs) -> None:
        if not isinstance(arguments.exc_value, RuntimeError) or "Failed to run" not in str(arguments.exc_value):
            hook(arguments)

    return filtered


def _stop(session: Any, name: str) -> list[str]:
    """Stop a job's container; return Docker Compose's own messages."""
    job = session.sagemaker_client._transform_jobs.get(name)
    container = job and job.container
    if not (container and container.container):
        return []
    with suppress(OSError, RuntimeError, SubprocessError):
        container.stop_serving()
    process = container.container.process
    text: str = process.stderr.read().decode(errors="replace") if process is not None else ""
    return [line.strip() for line in text.splitlines() if line.strip()]
