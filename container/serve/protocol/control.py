"""The control socket, by which the front has the supervisor load, unload and list models.

One request and one answer, each a line of JSON, over a Unix socket in the run directory that only this user can reach.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from container.serve.protocol.replies import BUG, FullError, RequestError
from container.serve.settings.logs import event

logger = logging.getLogger(__name__)

Fields = Mapping[str, str]
Handler = Callable[[Fields], Awaitable[Fields]]

_ADDRESS = "ask.sock"
_GONE = RequestError(503, "the server cannot load or unload models at the moment; try again")

# Enough for a list of many models with long names.
_LONGEST_LINE = 64 * 1024 * 1024


@asynccontextmanager
async def answering(run_dir: Path, handler: Handler) -> AsyncIterator[None]:
    """Answer requests with `handler`, until the context is left; its `RequestError`s are sent back.

    A request is finished whether or not its client still waits.
    """
    tasks: set[asyncio.Task[None]] = set()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(_answer(reader, writer, handler))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    async with await asyncio.start_unix_server(accept, run_dir / _ADDRESS, limit=_LONGEST_LINE):
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, handler: Handler) -> None:
    try:
        question = json.loads(await reader.readline())
        try:
            answer: dict[str, object] = {"status": 200, "fields": dict(await handler(question))}
        except RequestError as error:
            answer = {"status": error.status, "message": error.message, "full": isinstance(error, FullError)}
        except Exception:
            logger.exception(event("bug"))
            answer = {"status": BUG.status, "message": BUG.message}
        writer.write(json.dumps(answer).encode() + b"\n")
        await writer.drain()
    except (ConnectionError, ValueError):
        return  # The front has ended.
    finally:
        writer.close()


async def ask(run_dir: Path, **question: str) -> Fields:
    """Send the supervisor a request.

    Raises:
        RequestError: The supervisor's refusal; 503 if it does not answer.
        FullError: The same, where unloading another model would make room.
    """
    try:
        reader, writer = await asyncio.open_unix_connection(run_dir / _ADDRESS, limit=_LONGEST_LINE)
        try:
            writer.write(json.dumps(question).encode() + b"\n")
            await writer.drain()
            line = await reader.readline()
        finally:
            writer.close()
    except OSError:
        raise _GONE.anew() from None
    if not line:
        raise _GONE.anew()
    answer = json.loads(line)
    if answer["status"] != 200:
        raise (FullError if answer.get("full") else RequestError)(answer["status"], answer["message"])
    fields: Fields = answer["fields"]
    return fields
