"""Starts a process of the model server, whose output goes to the server's log."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from container.processes import die_with_parent
from container.serve.settings import output
from container.serve.settings.config import ServeConfig


async def start_process(
    command: Sequence[str], config: ServeConfig, run_dir: Path, environment: Mapping[str, str]
) -> asyncio.subprocess.Process:
    """Start a process that leads a group of its own and ends with this one.

    Args:
        command: The program and its arguments.
        config: The settings, for the log's format.
        run_dir: Its working directory.
        environment: Its variables.
    """
    written = output.descriptor(config.log_format, "model-server")
    return await asyncio.create_subprocess_exec(
        *command,
        env=environment,
        cwd=run_dir,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=written,
        stderr=written,
        start_new_session=True,
        preexec_fn=die_with_parent,
    )
