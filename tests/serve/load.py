"""Clients that post a picture again and again, and note what each of them saw and when."""

import http.client
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Event, Thread

from tests.serve.server_process import Answer, ServerProcess, await_true


@dataclass(frozen=True)
class Seen:
    """What became of one request."""

    began: float
    """`time.monotonic()`."""
    ended: float
    answer: Answer | None
    """None: the connection broke, or there was none to be had."""
    fault: str = ""
    """Then, the name of the error."""

    @property
    def outcome(self) -> int | str:
        return self.answer.status if self.answer else self.fault


class Load:
    """The clients of one server, while they run and afterwards."""

    def __init__(self, server: ServerProcess, body: bytes, *, clients: int, content_type: str) -> None:
        self._server = server
        self._body = body
        self._content_type = content_type
        self._stop = Event()
        self._threads = [Thread(target=self._post_again_and_again) for _ in range(clients)]
        self.seen: list[Seen] = []

    def _post_again_and_again(self) -> None:
        while not self._stop.is_set():
            began = time.monotonic()
            answer, fault = None, ""
            try:
                answer = self._server.post(self._body, self._content_type)
            except (OSError, http.client.HTTPException) as error:
                fault = type(error).__name__
            self.seen.append(Seen(began, time.monotonic(), answer, fault))
            # As Retry-After asks, though sooner: so that little time passes before the server is found well again.
            # After an answer as long as it took, which leaves the server's other parts half of the time.
            refused = answer is None or answer.status == 503
            self._stop.wait(0.05 if refused else time.monotonic() - began)

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def since(self, moment: float) -> list[Seen]:
        """Requests that began after a moment."""
        return [seen for seen in list(self.seen) if seen.began > moment]

    def await_answers(self, count: int, since: float) -> None:
        """Until so many requests that began after a moment were answered with 200."""
        await_true(
            lambda: sum(seen.outcome == 200 for seen in self.since(since)) >= count,
            f"{count} requests are answered; the outcomes are {self.outcomes}",
        )

    @property
    def outcomes(self) -> Counter[int | str]:
        return Counter(seen.outcome for seen in list(self.seen))

    def check_refusals(self) -> None:
        """Every 503 says why and when to come again, and tells nothing else."""
        for seen in self.seen:
            if seen.answer and seen.answer.status == 503:
                assert int(seen.answer.headers["retry-after"]) >= 1
                assert "Traceback" not in seen.answer.error


@contextmanager
def load(server: ServerProcess, body: bytes, *, clients: int = 4, content_type: str = "image/jpeg") -> Iterator[Load]:
    """Load on a server; it has answered every client once when this begins."""
    running = Load(server, body, clients=clients, content_type=content_type)
    began = time.monotonic()
    running.start()
    try:
        running.await_answers(clients, since=began)
        yield running
    finally:
        running.stop()
    running.check_refusals()
