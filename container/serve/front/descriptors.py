"""The limit on connections: each takes a file descriptor, and every request that is held another one."""

import logging
import resource

from container.serve.settings.logs import event

logger = logging.getLogger(__name__)

# Far more than any load balancer keeps open; each takes some memory, even when idle.
_MOST = 10_000

# Descriptors for everything but clients: logs, multi-model-server, the state file.
_RESERVED = 64

_EXPECTED = 1024


def connection_limit(requests: int) -> int:
    """Raise the soft limit on open files, and return how many connections that leaves room for.

    Args:
        requests: How many may be held at once.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    reserved = _RESERVED + requests
    wanted = _MOST + reserved
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        soft = wanted
    if soft == resource.RLIM_INFINITY:
        soft = wanted
    limit = max(1, min(_MOST, soft - reserved))
    if limit < _EXPECTED:
        logger.warning(
            event("few-files", connections=limit, fix="raise the limit on open files, for instance ulimit -n 4096")
        )
    return limit
