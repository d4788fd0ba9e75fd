"""Publishes the server state: to the front in a file, and in the log."""

import logging
from dataclasses import replace
from pathlib import Path

from container.serve.protocol.state import ServerState
from container.serve.settings.logs import event

logger = logging.getLogger(__name__)

_NO_ROOM = "there is no room left for temporary files"


class Publication:
    """To be called twice a second and whenever the state changes."""

    def __init__(self, run_dir: Path) -> None:
        self._run_dir = run_dir
        self._logged: tuple[bool, str] | None = None
        self._trouble = ""

    def __call__(self, state: ServerState) -> None:
        """Publish the state; never raises."""
        if self._trouble and not state.ready:
            # A part that has ended cannot be started before there is room.
            state = replace(state, reason=f"{state.reason}; {_NO_ROOM}")
        try:
            trouble = "" if state.write(self._run_dir) else _NO_ROOM
        except OSError as error:
            # The front takes silence for not ready.
            trouble = str(error)
        if trouble and trouble != self._trouble:
            logger.error(event("disk-full", directory=self._run_dir, why=trouble))
        elif self._trouble and not trouble:
            logger.info(event("disk-has-room", directory=self._run_dir))
        self._trouble = trouble
        if self._logged != (state.ready, state.reason):
            logger.info(event("ready" if state.ready else "not-ready", reason=state.reason or None))
        self._logged = (state.ready, state.reason)
