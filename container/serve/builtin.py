"""Answering a batch of requests with the built-in functions: pictures of all of them go through the model together."""

import itertools
import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np
import torch

from container.errors import PictureError
from container.serve.accept import choose
from container.serve.config import ServeConfig
from container.serve.decode import Pictures, Pixels, decode
from container.serve.encode import Probabilities, encode
from container.serve.logs import event
from container.serve.predictor import Predictor
from container.serve.replies import BUG, TOO_LATE, Reply, Request, RequestError

logger = logging.getLogger(__name__)


@dataclass
class _Job:
    """A request whose body and Accept are in order, and what has become of it so far."""

    request: Request
    offer: str
    pictures: Pictures
    error: RequestError | None = None
    rows: list[Probabilities] = field(default_factory=list)

    def fail(self, error: RequestError) -> None:
        """The first error is the one that is told."""
        self.error = self.error or error


_Item = tuple[_Job, int]
_Chunk = tuple[list[_Item], list[Future[Pixels]]]


class BuiltIn:
    """The functions that apply where the user brings no inference.py."""

    def __init__(self, predictor: Predictor, config: ServeConfig, *, threads: int) -> None:
        self._predictor = predictor
        self._config = config
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="decode")

    def probe(self) -> None:
        """One forward pass, as a sign of life."""
        self._predictor.probabilities([self._predictor.blank()])

    def answer(self, requests: Sequence[Request]) -> list[Reply]:
        """Answer every request, each with a status of its own, in order.

        A request with a bad picture fails alone. Requests with many pictures are cut up: at most `batch_size` pictures
        are in a forward pass, and at most twice that many are decoded at once.
        """
        opened = [self._open(request) for request in requests]
        jobs = [job for job in opened if isinstance(job, _Job)]
        items = ((job, number) for job in jobs for number in range(len(job.pictures.items)))
        for chunk in self._decoded(items):
            self._predict(chunk)
        return [self._close(job) if isinstance(job, _Job) else job for job in opened]

    def _open(self, request: Request) -> _Job | Reply:
        head = request.head
        try:
            offer = choose(head.accept, self._config.default_accept)
            return _Job(request, offer, decode(head.content_type, request.body, self._config.max_pictures))
        except RequestError as error:
            return Reply.failure(error, head.request_id)
        except Exception:
            logger.exception(event("bug", id=head.request_id))
            return Reply.failure(BUG, head.request_id)

    def _decoded(self, items: Iterable[_Item]) -> Iterator[_Chunk]:
        """Chunks of items with their squares; the next chunk is decoded while the caller works on this one."""
        ahead: _Chunk | None = None
        for chunk in _chunks(items, self._config.batch_size):
            current = (chunk, [self._pool.submit(self._square, job, number) for job, number in chunk])
            if ahead:
                yield ahead
            ahead = current
        if ahead:
            yield ahead

    def _square(self, job: _Job, number: int) -> Pixels:
        if job.error:
            raise job.error
        if time.monotonic() > job.request.head.deadline:
            raise TOO_LATE
        return self._predictor.square(job.pictures.items[number])

    def _predict(self, chunk: _Chunk) -> None:
        good: list[tuple[_Job, Pixels]] = []
        for (job, number), square in zip(*chunk, strict=True):
            try:
                good.append((job, square.result()))
            except PictureError as error:
                where = f"picture {number}: " if job.pictures.many else ""
                job.fail(RequestError(422, f"{where}{error}"))
            except RequestError as error:
                job.fail(error)
            except Exception:
                logger.exception(event("bug", id=job.request.head.request_id))
                job.fail(BUG)
        if good:
            self._forward([job for job, _ in good], [pixels for _, pixels in good])

    def _forward(self, jobs: list[_Job], squares: list[Pixels]) -> None:
        try:
            rows = self._predictor.probabilities(squares)
        except torch.OutOfMemoryError:
            logger.exception(event("out-of-memory", pictures=len(squares)))
            torch.cuda.empty_cache()
            for job in jobs:
                job.fail(RequestError(503, "the device has too little memory free; try again"))
            return
        except Exception:
            logger.exception(event("bug", pictures=len(squares)))
            for job in jobs:
                job.fail(BUG)
            return
        for job, row in zip(jobs, rows, strict=True):
            job.rows.append(row)
            if not np.isfinite(row).all():
                job.fail(RequestError(500, "the model's answer to this picture is not a number"))

    def _close(self, job: _Job) -> Reply:
        if job.error:
            return Reply.failure(job.error, job.request.head.request_id)
        body = encode(
            np.stack(job.rows),
            self._predictor.card.classes,
            job.offer,
            k=self._config.top_k,
            many=job.pictures.many,
        )
        return Reply(status=200, content_type=job.offer.partition(";")[0], body=body)


def _chunks(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    source = iter(items)
    while chunk := list(itertools.islice(source, size)):
        yield chunk
