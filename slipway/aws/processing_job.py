"""Waits for a processing job."""

import time
from collections.abc import Callable

from slipway.aws.cloud_logs import PROCESSING_GROUP, LogFollower
from slipway.aws.console_address import console_address
from slipway.aws.permissions import missing_permission
from slipway.aws.refusals import explained
from slipway.aws.session import AnySession
from slipway.errors import RemoteJobError, ServiceError

POLL_S = 10.0


def wait_for_processing_job(
    session: AnySession,
    name: str,
    kind: str,
    *,
    show: Callable[[str], None] | None = None,
    poll_s: float = POLL_S,
    also: str = "slipway stop {name} ends it",
) -> None:
    """Wait until a processing job has ended.

    Args:
        session: Credentials and region.
        name: The job's name.
        kind: What kind of job it is, for the message about its failure.
        show: Called with each line of its log; None: the log is not read.
        poll_s: Seconds between polls.
        also: How the sentence that it still runs and costs money goes on, about {name}.

    Raises:
        RemoteJobError: The job failed or was stopped, or the wait was interrupted; the message has what to do.
        ServiceError: AWS refuses.
    """
    page = console_address("processing job", name, session.boto_region_name)
    running = f"the processing job {name} still runs and costs money, {also.format(name=name)}. {page}"
    follower = LogFollower(session.boto_session, PROCESSING_GROUP, name) if show else None
    try:
        while True:
            with explained(f"looking at the processing job {name}"):
                found = session.sagemaker_client.describe_processing_job(ProcessingJobName=name)
            if follower and show:
                for line in follower.new_lines():
                    show(line)
            if found["ProcessingJobStatus"] in ("Completed", "Failed", "Stopped"):
                break
            time.sleep(poll_s)
    except ServiceError as error:
        error.args = (f"{error}\nIf it has not ended, {running}",)
        raise
    except KeyboardInterrupt:
        raise RemoteJobError(f"stopped waiting; {running}") from None
    if found["ProcessingJobStatus"] != "Completed":
        told = found.get("ExitMessage") or found.get("FailureReason") or found["ProcessingJobStatus"]
        reason = " ".join(str(told).split())
        if missing := missing_permission(reason):
            reason += f"\nThe missing permission: {missing}"
        raise RemoteJobError(f"the {kind} job {name} did not complete: {reason}\nslipway logs {name}; {page}")
