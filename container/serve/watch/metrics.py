"""The front's own metrics, for Prometheus, in seconds and bytes."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.metrics import disable_created_metrics

from container.serve.watch.batches import NewBatches
from container.serve.watch.model_labels import ModelLabels
from container.serve.watch.request_record import Levels, RequestRecord

_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60)
_REQUESTS = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1024)

STAGES = ("receive", "queue", "decode", "forward", "encode")


class Metrics:
    """Observes requests, and exposes metrics of them."""

    def __init__(self, levels: Levels, labels: ModelLabels | None) -> None:
        """
        Args:
            levels: Gauges, read with the metrics.
            labels: The models' labels; None for a server with one model.
        """
        # A creation time for each counter would be one more series, which nobody reads.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._labels = labels
        if labels:
            labels.forget = self._forget_model
        self._batches = NewBatches()
        model = ("model",) if labels else ()
        self._requests = self._counter("slipway_requests", "Requests that are over.", ("route", "status", *model))
        self._duration = self._histogram(
            "slipway_request_duration_seconds",
            "From a request's headers to its answer, of those that were answered and are no /ping.",
            _SECONDS,
            ("route", *model),
        )
        stages = self._histogram(
            "slipway_stage_duration_seconds",
            "Where an invocation's time goes: receive, its body arrives; queue, it waits for a worker; decode, its "
            "pictures, summed over threads; forward, the passes that its pictures are in; encode, its answer.",
            _SECONDS,
            ("stage",),
        )
        self._stages = {stage: stages.labels(stage) for stage in STAGES}
        self._bytes_in = self._counter("slipway_request_bytes", "Bytes of requests' bodies.")
        self._bytes_out = self._counter("slipway_response_bytes", "Bytes of answers' bodies.")
        self._pictures = self._counter("slipway_pictures", "Pictures that went through the model.")
        self._batch_size = self._histogram(
            "slipway_batch_size", "Requests that a worker had at once, observed once for each batch.", _REQUESTS
        )
        self._gauge("slipway_requests_in_flight", "Requests that are held now.", levels.in_flight)
        self._gauge("slipway_requests_waiting", "Of these, those that wait in the front for a worker.", levels.waiting)
        self._gauge("slipway_held_bytes", "Bytes of requests' bodies that are held now.", levels.held_bytes)
        self._gauge("slipway_ready", "1 where /ping is answered 200, else 0.", levels.ready)

    def note(self, record: RequestRecord) -> None:
        """Count one request."""
        model = (self._labels.label(record.model),) if self._labels else ()
        self._requests.labels(record.route, record.status, *model).inc()
        if record.route == "ping":
            return
        self._bytes_in.inc(record.bytes_in)
        for stage, seconds in record.stages().items():
            self._stages[stage].observe(seconds)
        if record.reply is None:
            return
        self._duration.labels(record.route, *model).observe(record.seconds)
        self._bytes_out.inc(len(record.reply.body))
        if record.reply.work:
            self._pictures.inc(record.reply.work.pictures)
        if size := self._batches.size(record.reply):
            self._batch_size.observe(size)

    def _forget_model(self, label: str) -> None:
        """Drop the series of an unloaded model."""
        for metric in (self._requests, self._duration):
            metric.remove_by_labels({"model": label})

    def _counter(self, name: str, meaning: str, labels: tuple[str, ...] = ()) -> Counter:
        return Counter(name, meaning, labels, registry=self.registry)

    def _histogram(
        self, name: str, meaning: str, buckets: tuple[float, ...], labels: tuple[str, ...] = ()
    ) -> Histogram:
        return Histogram(name, meaning, labels, buckets=buckets, registry=self.registry)

    def _gauge(self, name: str, meaning: str, value: Callable[[], float]) -> None:
        Gauge(name, meaning, registry=self.registry).set_function(value)
