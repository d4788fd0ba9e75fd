"""One line per event, key=value: what the server writes to its standard output."""

import logging
import sys
import time
from typing import TextIO

_BARE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:/+-*;@,[]()%")


def configure(level: int, stream: TextIO | None = None) -> None:
    """Send every logger's records to `stream` (standard output by default), in one format."""
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(_Formatter("%(asctime)s level=%(levelname)s %(message)s"))
    # Where the log's reader has gone (`slipway serve … | head`), every line would print a stack trace.
    logging.raiseExceptions = False
    logging.basicConfig(handlers=[handler], level=level, force=True)


def event(name: str, **fields: object) -> str:
    """`event=name key=value ...`; a value that holds a space or a quote is quoted, and None is left out."""
    pairs = {"event": name} | {key: value for key, value in fields.items() if value is not None}
    return " ".join(f"{key}={_quote(str(value))}" for key, value in pairs.items())


def _quote(text: str) -> str:
    if text and _BARE.issuperset(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(char if char.isprintable() else repr(char)[1:-1] for char in escaped) + '"'


class _Formatter(logging.Formatter):
    """ISO 8601 times in UTC, so that the lines of several machines sort."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        seconds = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        return f"{seconds}.{int(record.msecs):03d}Z"
