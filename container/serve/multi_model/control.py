"""How the front has the supervisor load, unload and list models: one question and one answer, a line of JSON each,
over a Unix socket in the run directory, which only this user can reach."""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from container.serve.logs import event
from container.serve.multi_model.memory import FullError
from container.serve.replies import BUG, RequestError

logger = logging.getLogger(__name__)

Fields = Mapping[str, str]
Handler = Callable[[Fields], Awaitable[Fields]]

_ADDRESS = "ask.sock"
_GONE = RequestError(503, "the server cannot load or unload models at the moment; try again")

# A list of many models with long names.
_LONGEST_LINE = 64 * 1024 * 1024


@asynccontextmanager
async def answering(run_dir: Path, handler: Handler) -> AsyncIterator[None]:
    """Answer questions by `handler`, whose `RequestError`s travel back. A question is worked on to its end, whether
    anybody waits for the answer or not."""
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
        return  # The front has gone.
    finally:
        writer.close()


async def ask(run_dir: Path, **question: str) -> Fields:
    """Ask the supervisor.

    Raises:
        RequestError: The supervisor's refusal; 503 where it does not answer.
        FullError: There would be room if another model went.
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
