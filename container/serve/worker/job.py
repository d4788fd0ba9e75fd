"""A request in progress in a worker: its decoded pictures and the answers so far."""

from collections import deque
from concurrent.futures import Future
from dataclasses import dataclass, field

from PIL import Image

from container.serve.protocol.replies import Request, RequestError, Work
from container.serve.worker.open_inference.answer import OpenInferenceAnswer
from container.serve.worker.request_body import Pictures, Pixels
from container.serve.worker.response_body import Explanation, Probabilities


@dataclass(frozen=True)
class Ready:
    """A decoded picture."""

    number: int
    square: Pixels
    seconds: float
    shown: Image.Image | None
    """The whole picture, if it is to be explained."""


@dataclass
class Job:
    """A valid request and its progress."""

    request: Request
    offer: str
    pictures: Pictures
    classes: list[int | None]
    """The class to explain for each picture; None: the most probable one."""
    answer: OpenInferenceAnswer | None = None
    """Encodes the answer, in place of `offer`, to a request by the Open Inference Protocol."""
    taken: float = 0.0
    """When work on it began, if that was in an earlier time slice; else 0."""
    submitted: int = 0
    """Number of pictures handed to a thread."""
    reading: deque[tuple[int, Future[Ready]]] = field(default_factory=deque)
    """Submitted pictures that have not been through the model, with their numbers."""
    error: RequestError | None = None
    rows: list[Probabilities] = field(default_factory=list)
    distances: list[float] = field(default_factory=list)
    explanations: list[Explanation | None] = field(default_factory=list)
    explanation_bytes: int = 0
    decode_s: float = 0.0
    forward_s: float = 0.0

    @property
    def done(self) -> bool:
        """Whether it can be answered."""
        return self.error is not None or len(self.rows) == len(self.pictures.items)

    def fail(self, error: RequestError) -> None:
        """Stop the job and keep its first error as the answer."""
        self.error = self.error or error
        for _, future in self.reading:
            future.cancel()
        self.reading.clear()

    def work(self, encode_s: float | None = None) -> Work:
        """Summarise the job for the metrics."""
        return Work(
            taken=self.taken,
            decode=self.decode_s or None,
            forward=self.forward_s or None,
            encode=encode_s,
            pictures=len(self.rows),
        )
