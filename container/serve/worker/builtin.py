"""Answers a batch of requests with the built-in functions; the pictures of all requests share forward passes."""

import base64
import json
import logging
import math
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import replace
from operator import itemgetter

import numpy as np

from container.contract.errors import PictureError
from container.model_card import ModelCard
from container.out_of_memory import is_out_of_memory
from container.serve.protocol.accept import EXPLAINED, JSON, default_for, negotiate
from container.serve.protocol.explain_request import MAX_EXPLAINED
from container.serve.protocol.open_inference import OpenInference
from container.serve.protocol.replies import BUG, NO_MEMORY, PENDING, TOO_LATE, Reply, Request, RequestError
from container.serve.settings.config import MEBIBYTE, ServeConfig
from container.serve.settings.logs import event
from container.serve.settings.parsing import Variable
from container.serve.settings.variables import OUT_OF_DISTRIBUTION, REJECT_BELOW
from container.serve.worker.explain import Heat, paint, png
from container.serve.worker.job import Job, Ready
from container.serve.worker.loaded_torch import free_memory_after
from container.serve.worker.open_inference.metadata import metadata
from container.serve.worker.open_inference.request import read_request
from container.serve.worker.picture_reader import NotCheapError, PictureReader
from container.serve.worker.predictor import Predictor
from container.serve.worker.request_body import Pictures, decode
from container.serve.worker.response_body import Explanation, Probabilities, encode

logger = logging.getLogger(__name__)

# Limits in base64 for a whole batch and for one request; SageMaker accepts no larger answer.
_EXPLANATION_BYTES, _EXPLANATION_BYTES_EACH = 128 * MEBIBYTE, 16 * MEBIBYTE


class BuiltIn:
    """The functions used when the user brings no inference.py."""

    def __init__(self, predictor: Predictor, config: ServeConfig) -> None:
        self._predictor = predictor
        self._config = config
        self._reject_below = _threshold(config.reject_below, predictor.card, "reject_below", REJECT_BELOW)
        self._distance_above = _threshold(config.distance_above, predictor.card, "distance_above", OUT_OF_DISTRIBUTION)
        self._reader = PictureReader(predictor.card.preprocessing, config)
        self._threads = ThreadPoolExecutor(self._reader.threads, thread_name_prefix="read")
        # Threads that wait for decoder processes, so that cheap pictures do not wait for costly ones.
        self._waiting_threads = ThreadPoolExecutor(self._reader.threads, thread_name_prefix="read-apart")
        self._unfinished: dict[str, Job] = {}
        """Requests whose time slice ran out before they were done, by request id."""

    def probe(self) -> None:
        """Run one forward pass to show that the model works."""
        self._predictor.prove()

    def answer(self, requests: Sequence[Request]) -> list[Reply]:
        """Answer every request, each with its own status, in order.

        A request with a bad picture fails alone. Large requests are split: a forward pass takes at most `batch_size`
        pictures, and at most twice that many are decoded ahead. A request that takes longer than its `slice_s` is
        answered `PENDING`: decoding goes on, and the request continues when it is sent again.
        """
        began = time.monotonic()
        opened = [self._resumed(request) or self._open(request) for request in requests]
        jobs = [job for job in opened if isinstance(job, Job)]
        self._work(jobs)
        for job in jobs:
            if not job.done:
                job.taken = job.taken or began
                self._unfinished[job.request.head.request_id] = job
        self._drop_late()
        return [self._close(job) if isinstance(job, Job) else job for job in opened]

    def _drop_late(self) -> None:
        """Drop unfinished requests whose deadline has passed."""
        for name, job in list(self._unfinished.items()):
            if time.monotonic() > job.request.head.deadline:
                job.fail(TOO_LATE.anew())
                del self._unfinished[name]

    def _resumed(self, request: Request) -> Job | None:
        return self._unfinished.pop(request.head.request_id, None)

    def _work(self, jobs: list[Job]) -> None:
        """Run jobs through the model until they are done or the shortest time slice ends."""
        end = time.monotonic() + min((job.request.head.slice_s or math.inf for job in jobs), default=0.0)
        while active := [job for job in jobs if not job.done]:
            self._read_ahead(active)
            if ready := self._next(active, end):
                self._predict(ready)
            if time.monotonic() > end:
                return

    def _read_ahead(self, jobs: Sequence[Job]) -> None:
        """Start decoding pictures, equally many of each job."""
        most = -(-2 * self._config.batch_size // len(jobs))
        for job in jobs:
            while len(job.reading) < most and job.submitted < len(job.pictures.items):
                number = job.submitted
                cheap = self._reader.is_cheap(job.pictures.items[number])
                threads = self._threads if cheap else self._waiting_threads
                job.reading.append((number, threads.submit(self._read, job, number, cheap=cheap)))
                job.submitted += 1

    def _next(self, jobs: Iterable[Job], end: float) -> list[tuple[Job, Ready]]:
        """Wait for the next batch of decoded pictures; each job's come in order."""
        # The first of each job before the second of any, so that no job waits for another's slow pictures.
        entries = [(place, job, *entry) for job in jobs for place, entry in enumerate(job.reading)]
        first = [entry[1:] for entry in sorted(entries, key=itemgetter(0))][: self._config.batch_size]
        patience = end - time.monotonic()
        wait([future for _, _, future in first], None if math.isinf(patience) else max(0.0, patience))
        ready = []
        for job, number, future in first:
            if job.error or not job.reading or job.reading[0][0] != number or not future.done():
                continue
            try:
                result = future.result()
            except NotCheapError:
                future = self._waiting_threads.submit(self._read, job, number, cheap=False)
                job.reading[0] = number, future
                continue
            except Exception as error:  # noqa: BLE001 - logged, or reported to the client
                job.fail(_reading_error(job, number, error))
                continue
            job.reading.popleft()
            ready.append((job, result))
        return [(job, result) for job, result in ready if not job.error]

    def _open(self, request: Request) -> Job | Reply:
        head = request.head
        try:
            if head.open_inference:
                return self._open_inference(request, head.open_inference)
            default = default_for(head.content_type, self._config.default_accept)
            form = negotiate(head.accept, default, head.attributes)
            pictures = decode(head.content_type, request.body, self._config.max_pictures, form.explain)
            return Job(request, form.offer, pictures, self._explained_classes(pictures, form.offer))
        except RequestError as error:
            return Reply.failure(error, head.request_id)
        except Exception as error:  # noqa: BLE001 - it is logged
            return Reply.failure(_unforeseen(error, id=head.request_id), head.request_id)

    def _open_inference(self, request: Request, asked: OpenInference) -> Job | Reply:
        if asked.metadata:
            fields = metadata(asked.model, self._predictor.card)
            return Reply(status=200, content_type=JSON, body=json.dumps(fields).encode())
        pictures, answer = read_request(asked, request.body, self._config.max_pictures)
        return Job(request, JSON, pictures, [], answer)

    def _explained_classes(self, pictures: Pictures, offer: str) -> list[int | None]:
        wishes = [wish for wish in pictures.explain if wish]
        if wishes and offer not in EXPLAINED:
            raise RequestError(406, f"explanations come with {' and '.join(EXPLAINED)} only, not with {offer}")
        if len(wishes) > MAX_EXPLAINED:
            raise RequestError(413, f"{len(wishes)} pictures are to be explained; at most {MAX_EXPLAINED} in a request")
        classes = self._predictor.card.classes
        return [wish.class_index(classes) if wish else None for wish in pictures.explain]

    def _read(self, job: Job, number: int, *, cheap: bool) -> Ready:
        """Decode one picture; runs in a thread."""
        start = time.monotonic()
        deadline = job.request.head.deadline
        if start > deadline:
            raise TOO_LATE.anew()
        wish = job.pictures.explain[number] if job.pictures.explain else None
        item, size = job.pictures.items[number], wish.size if wish else None
        square, shown = self._reader.read(item, size) if cheap else self._reader.read_in_decoder(item, size, deadline)
        return Ready(number, square, time.monotonic() - start, shown)

    def _predict(self, ready: list[tuple[Job, Ready]]) -> None:
        try:
            self._forward(ready)
        except Exception as error:  # noqa: BLE001 - it is logged
            failure = _unforeseen(error, pictures=len(ready))
            for job, _ in ready:
                job.fail(failure)

    def _forward(self, ready: list[tuple[Job, Ready]]) -> None:
        """Run a forward pass, and a second one for the pictures to be explained."""
        start = time.monotonic()
        rows, distances = self._predictor.predict([picture.square for _, picture in ready])
        explanations = self._explanations(ready, rows)
        seconds = time.monotonic() - start
        for job in {id(job): job for job, _ in ready}.values():
            job.forward_s += seconds
        for place, ((job, picture), row) in enumerate(zip(ready, rows, strict=True)):
            job.decode_s += picture.seconds
            job.rows.append(row)
            if distances is not None:
                job.distances.append(float(distances[place]))
            if not np.isfinite(row).all():
                job.fail(RequestError(500, "the model's answer to this picture is not a number"))
            self._keep(job, explanations.get(place))

    def _explanations(self, ready: list[tuple[Job, Ready]], rows: Probabilities) -> dict[int, Explanation | None]:
        """Make the requested explanations, by position in `ready`."""
        places = [place for place, (_, picture) in enumerate(ready) if picture.shown]
        if not places:
            return {}
        asked = [ready[place] for place in places]
        wanted = [job.classes[picture.number] for job, picture in asked]
        classes = [
            int(rows[place].argmax()) if index is None else index for place, index in zip(places, wanted, strict=True)
        ]
        heat = self._predictor.explainer.heat([picture.square for _, picture in asked], classes)
        return dict(zip(places, self._threads.map(self._explain, asked, classes, heat), strict=True))

    def _explain(self, asked: tuple[Job, Ready], index: int, heat: Heat) -> Explanation | None:
        job, picture = asked
        wish = job.pictures.explain[picture.number] if picture.shown else None
        if not (picture.shown and wish):
            return None
        card = self._predictor.card
        file = png(paint(picture.shown, heat, card.preprocessing, wish.view))
        return Explanation(
            label=card.classes[index],
            index=index,
            method=self._predictor.explainer.method,
            layer=self._predictor.explainer.layer,
            width=picture.shown.width,
            height=picture.shown.height,
            image=base64.b64encode(file).decode(),
        )

    def _keep(self, job: Job, explanation: Explanation | None) -> None:
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

    def _out_of_distribution(self, job: Job) -> list[bool]:
        limit = self._distance_above
        return [] if limit is None else [distance > limit for distance in job.distances]

    def _close(self, job: Job) -> Reply:
        start = time.monotonic()
        if not job.done:
            return PENDING
        if job.error:
            return replace(Reply.failure(job.error, job.request.head.request_id), work=job.work())
        rows, classes = np.stack(job.rows), self._predictor.card.classes
        if job.answer:
            reply = job.answer.encode(rows, classes)
        else:
            body = encode(
                rows,
                classes,
                job.offer,
                k=self._config.top_k,
                reject_below=self._reject_below,
                out_of_distribution=self._out_of_distribution(job),
                many=job.pictures.many,
                explanations=job.explanations if any(job.explanations) else (),
            )
            reply = Reply(status=200, content_type=job.offer.partition(";")[0], body=body)
        return replace(reply, work=job.work(time.monotonic() - start))


def _threshold(asked: str, card: ModelCard, name: str, variable: Variable[str]) -> float | None:
    """Read a threshold: a number, or the one that training chose; None if answers say nothing of it."""
    if asked != "auto":
        return None if asked == "off" else float(asked)
    if name not in card.calibration:
        why = f"training chose no {name} (docs/training.md); give {variable.names[0]} a number"
        logger.warning(event("no-threshold", variable=variable.names[0], why=why))
    return card.calibration.get(name)


def _unforeseen(error: Exception, **about: object) -> RequestError:
    """Log an error that is not the request's fault, and choose the answer."""
    short = is_out_of_memory(error)
    logger.error(event("out-of-memory" if short else "bug", **about), exc_info=error)
    if short:
        free_memory_after(error)
    return NO_MEMORY if short else BUG


def _reading_error(job: Job, number: int, error: Exception) -> RequestError:
    if isinstance(error, PictureError):
        where = f"picture {number}: " if job.pictures.many else ""
        return RequestError(422, f"{where}{error}")
    return error if isinstance(error, RequestError) else _unforeseen(error, id=job.request.head.request_id)
