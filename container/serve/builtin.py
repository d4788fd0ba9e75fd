"""Answering a batch of requests with the built-in functions: pictures of all of them go through the model together."""

import base64
import itertools
import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
from PIL import Image

from container.errors import PictureError
from container.serve.accept import EXPLAINED, negotiate
from container.serve.config import MEBIBYTE, ServeConfig
from container.serve.decode import Pictures, Pixels, decode
from container.serve.encode import Explanation, Probabilities, encode
from container.serve.explain import METHOD, Heat, paint, png, shown_picture
from container.serve.explain_request import MAX_EXPLAINED
from container.serve.loaded_torch import free_cached_memory, is_out_of_memory
from container.serve.logs import event
from container.serve.predictor import Predictor
from container.serve.replies import BUG, NO_MEMORY, TOO_LATE, Reply, Request, RequestError, Work

logger = logging.getLogger(__name__)

# Of all requests of a batch, and of one of them: SageMaker takes no larger answer, in base64.
_EXPLANATION_BYTES, _EXPLANATION_BYTES_EACH = 128 * MEBIBYTE, 16 * MEBIBYTE


@dataclass
class _Job:
    """A request whose body and Accept are in order, and what has become of it so far."""

    request: Request
    offer: str
    pictures: Pictures
    classes: list[int | None]
    """Of each picture that is to be explained, which class; None: the most probable one."""
    error: RequestError | None = None
    rows: list[Probabilities] = field(default_factory=list)
    explanations: list[Explanation | None] = field(default_factory=list)
    explanation_bytes: int = 0
    decode_s: float = 0.0
    forward_s: float = 0.0

    def fail(self, error: RequestError) -> None:
        """The first error is the one that is told."""
        self.error = self.error or error

    def work(self, encode_s: float | None = None) -> Work:
        """For the metrics."""
        return Work(
            decode=self.decode_s or None, forward=self.forward_s or None, encode=encode_s, pictures=len(self.rows)
        )


@dataclass(frozen=True)
class _Ready:
    """A picture that is decoded."""

    job: _Job
    number: int
    square: Pixels
    decode_s: float
    shown: Image.Image | None
    """What its explanation is painted on; None where none is asked for."""

    @property
    def explained_class(self) -> int | None:
        return self.job.classes[self.number] if self.shown else None


_Item = tuple[_Job, int]
_Chunk = tuple[list[_Item], list[Future[_Ready]]]


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
            form = negotiate(head.accept, self._config.default_accept, head.attributes)
            pictures = decode(head.content_type, request.body, self._config.max_pictures, form.explain)
            return _Job(request, form.offer, pictures, self._explained_classes(pictures, form.offer))
        except RequestError as error:
            return Reply.failure(error, head.request_id)
        except Exception as error:  # noqa: BLE001 - it is logged
            return Reply.failure(_unforeseen(error, id=head.request_id), head.request_id)

    def _explained_classes(self, pictures: Pictures, offer: str) -> list[int | None]:
        wishes = [wish for wish in pictures.explain if wish]
        if wishes and offer not in EXPLAINED:
            raise RequestError(406, f"explanations come with {' and '.join(EXPLAINED)} only, not with {offer}")
        if len(wishes) > MAX_EXPLAINED:
            raise RequestError(413, f"{len(wishes)} pictures are to be explained; at most {MAX_EXPLAINED} in a request")
        classes = self._predictor.card.classes
        return [wish.class_index(classes) if wish else None for wish in pictures.explain]

    def _decoded(self, items: Iterable[_Item]) -> Iterator[_Chunk]:
        """Chunks of items with their squares; the next chunk is decoded while the caller works on this one."""
        ahead: _Chunk | None = None
        for chunk in _chunks(items, self._config.batch_size):
            current = (chunk, [self._pool.submit(self._read, job, number) for job, number in chunk])
            if ahead:
                yield ahead
            ahead = current
        if ahead:
            yield ahead

    def _read(self, job: _Job, number: int) -> _Ready:
        if job.error:
            raise job.error.anew()
        if time.monotonic() > job.request.head.deadline:
            raise TOO_LATE.anew()
        start = time.monotonic()
        item = job.pictures.items[number]
        wish = job.pictures.explain[number] if job.pictures.explain else None
        shown = shown_picture(item, wish.size, self._config.max_pixels) if wish else None
        square = self._predictor.square(item)
        return _Ready(job, number, square, time.monotonic() - start, shown)

    def _predict(self, chunk: _Chunk) -> None:
        good: list[_Ready] = []
        for (job, number), ready in zip(*chunk, strict=True):
            try:
                good.append(ready.result())
            except PictureError as error:
                where = f"picture {number}: " if job.pictures.many else ""
                job.fail(RequestError(422, f"{where}{error}"))
            except RequestError as error:
                job.fail(error)
            except Exception as error:  # noqa: BLE001 - it is logged
                job.fail(_unforeseen(error, id=job.request.head.request_id))
        if not good:
            return
        try:
            self._forward(good)
        except Exception as error:  # noqa: BLE001 - it is logged
            _fail_all(good, _unforeseen(error, pictures=len(good)))

    def _forward(self, good: list[_Ready]) -> None:
        """One forward pass, and another one for those pictures that are explained."""
        start = time.monotonic()
        rows = self._predictor.probabilities([ready.square for ready in good])
        explanations = self._explanations(good, rows)
        seconds = time.monotonic() - start
        for job in {id(ready.job): ready.job for ready in good}.values():
            job.forward_s += seconds
        for place, (ready, row) in enumerate(zip(good, rows, strict=True)):
            job = ready.job
            job.decode_s += ready.decode_s
            job.rows.append(row)
            if not np.isfinite(row).all():
                job.fail(RequestError(500, "the model's answer to this picture is not a number"))
            self._keep(job, explanations.get(place))

    def _explanations(self, good: list[_Ready], rows: Probabilities) -> dict[int, Explanation | None]:
        """By place, of those pictures of which one is asked for."""
        places = [place for place, ready in enumerate(good) if ready.shown]
        if not places:
            return {}
        asked = [good[place] for place in places]
        wanted = [ready.explained_class for ready in asked]
        classes = [
            int(rows[place].argmax()) if index is None else index for place, index in zip(places, wanted, strict=True)
        ]
        heat = self._predictor.heat([ready.square for ready in asked], classes)
        return dict(zip(places, self._pool.map(self._explain, asked, classes, heat), strict=True))

    def _explain(self, ready: _Ready, index: int, heat: Heat) -> Explanation | None:
        wish = ready.job.pictures.explain[ready.number] if ready.shown else None
        if not (ready.shown and wish):
            return None
        card = self._predictor.card
        file = png(paint(ready.shown, heat, card.preprocessing, wish.view))
        return Explanation(
            label=card.classes[index],
            index=index,
            method=METHOD,
            layer=self._predictor.explained_layer,
            width=ready.shown.width,
            height=ready.shown.height,
            image=base64.b64encode(file).decode(),
        )

    def _keep(self, job: _Job, explanation: Explanation | None) -> None:
        limit = min(_EXPLANATION_BYTES_EACH, _EXPLANATION_BYTES // self._config.batch_size)
        job.explanation_bytes += len(explanation["image"]) if explanation else 0
        if job.explanation_bytes > limit:
            job.fail(
                RequestError(
                    413,
                    f"the explanations take more than {limit / MEBIBYTE:g} MiB; ask for fewer, for a smaller size, or "
                    'for the view "map"',
                )
            )
        else:
            job.explanations.append(explanation)

    def _close(self, job: _Job) -> Reply:
        start = time.monotonic()
        if job.error:
            return replace(Reply.failure(job.error, job.request.head.request_id), work=job.work())
        body = encode(
            np.stack(job.rows),
            self._predictor.card.classes,
            job.offer,
            k=self._config.top_k,
            many=job.pictures.many,
            explanations=job.explanations if any(job.explanations) else (),
        )
        work = job.work(time.monotonic() - start)
        return Reply(status=200, content_type=job.offer.partition(";")[0], body=body, work=work)


def _unforeseen(error: Exception, **about: object) -> RequestError:
    """What a request is answered with after an error that is none of its own."""
    short = is_out_of_memory(error)
    logger.error(event("out-of-memory" if short else "bug", **about), exc_info=error)
    if short:
        free_cached_memory()
    return NO_MEMORY if short else BUG


def _fail_all(pictures: list[_Ready], error: RequestError) -> None:
    for ready in pictures:
        ready.job.fail(error)


def _chunks(items: Iterable[_Item], size: int) -> Iterator[list[_Item]]:
    source = iter(items)
    while chunk := list(itertools.islice(source, size)):
        yield chunk
