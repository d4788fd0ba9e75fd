"""Runs `container.rules` in the environment of smdebug."""

import os
from collections.abc import Sequence

from slipway.debug.environment import CHECKOUT, smdebug_python
from slipway.processes.process import child_process

# After the environment's own packages: those next to an installed `container` have other versions.
_START = "import sys; sys.path.append({root!r}); from container.rules.__main__ import main; sys.exit(main())"


def run_rules(arguments: Sequence[str], *, region: str | None, profile: str | None) -> int:
    """Run the program; its output goes to this process's output.

    Args:
        arguments: For `container.rules`.
        region, profile: AWS region and profile, for a trial in S3.

    Returns:
        Its exit code.

    Raises:
        JobError: There is no environment with smdebug.
    """
    # The packages of another Python would come first.
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    if region:
        environment |= {"AWS_REGION": region, "AWS_DEFAULT_REGION": region}
    if profile:
        environment["AWS_PROFILE"] = profile
    command = [str(smdebug_python()), "-P", "-c", _START.format(root=str(CHECKOUT)), *arguments]
    with child_process(command, environment) as child:
        return child.wait()
