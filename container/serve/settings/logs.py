"""The server's log on standard output: one line per event, as key=value or as JSON."""

import json
import logging
import math
import sys
import time
from collections.abc import Mapping
from typing import Literal, TextIO

LogFormat = Literal["text", "json"]

_BARE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.:/+-*;@,[]()%")


class Event(str):
    """A line of `key=value` that keeps its fields, for JSON."""

    name: str
    fields: Mapping[str, object]


def configure(level: int, stream: TextIO | None = None, form: LogFormat = "text") -> None:
    """Send every logger's records to `stream` (standard output by default), in one format.

    A stack trace from another process goes into a record as `extra={"trace": …}`.
    """
    handler = logging.StreamHandler(stream or sys.stdout)
    handler.setFormatter(JsonFormatter() if form == "json" else _TextFormatter())
    # Otherwise each line would print a stack trace once the log's reader has gone (`slipway serve … | head`).
    logging.raiseExceptions = False
    logging.basicConfig(handlers=[handler], level=level, force=True)
    # Its debug lines quote what is in pictures.
    logging.getLogger("PIL").setLevel(max(level, logging.INFO))


def event(name: str, **fields: object) -> Event:
    """Make the line `event=name key=value ...`; values with a space or a quote are quoted, None is omitted."""
    kept = {key: value for key, value in fields.items() if value is not None}
    line = Event(" ".join(f"{key}={_quote(str(value))}" for key, value in ({"event": name} | kept).items()))
    line.name, line.fields = name, kept
    return line


def json_line(level: str, at: float, fields: Mapping[str, object]) -> str:
    """Make a line of the log in JSON: ASCII, without the newline.

    Args:
        level: A level's name, such as INFO.
        at: The time, seconds since 1970.
        fields: `event` and its fields; a value that JSON has no form for is written as text.
    """
    plain = {key: _plain(value) for key, value in fields.items()}
    return json.dumps({"time": _iso(at), "level": level, **plain}, default=str)


def _iso(at: float) -> str:
    """Format a time as ISO 8601 in UTC, so that the lines of several machines sort."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(at)) + f".{int(at * 1000) % 1000:03d}Z"


def _plain(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value if isinstance(value, (bool, int, list, dict)) else str(value)


def _quote(text: str) -> str:
    if text and _BARE.issuperset(text):
        return text
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(char if char.isprintable() else repr(char)[1:-1] for char in escaped) + '"'


class _TextFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s level=%(levelname)s %(message)s")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802
        return _iso(record.created)

    def format(self, record: logging.LogRecord) -> str:
        line, trace = super().format(record), getattr(record, "trace", "")
        return f"{line}\n{trace.rstrip()}" if trace else line


class JsonFormatter(logging.Formatter):
    """One JSON object per record; a stack trace is its field `trace`."""

    def format(self, record: logging.LogRecord) -> str:
        fields: dict[str, object] = (
            {"event": record.msg.name, **record.msg.fields}
            if isinstance(record.msg, Event)
            else {"event": "log", "logger": record.name, "message": record.getMessage()}
        )
        trace = self.formatException(record.exc_info) if record.exc_info else getattr(record, "trace", "")
        if trace:
            fields["trace"] = trace
        return json_line(record.levelname, record.created, fields)
