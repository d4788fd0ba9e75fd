"""Names of models in the metrics stay few."""

from container.serve.watch.metrics import Metrics
from container.serve.watch.model_labels import OTHER, UNKNOWN, ModelLabels
from container.serve.watch.request_record import Levels, RequestRecord

LEVELS = Levels(in_flight=lambda: 0, waiting=lambda: 0, held_bytes=lambda: 0, ready=lambda: True)


def test_unloaded_models_make_room_for_others() -> None:
    loaded = {f"m{number}" for number in range(150)}
    labels = ModelLabels(lambda: loaded)
    forgotten: list[str] = []
    labels.forget = forgotten.append
    found = [labels.label(f"m{number}") for number in range(150)]
    assert found[:100] == [f"m{number}" for number in range(100)]
    assert set(found[100:]) == {OTHER}
    assert labels.label("nobody") == UNKNOWN
    loaded -= {"m0", "m1"}
    assert labels.label("m120") == "m120"
    assert sorted(forgotten) == ["m0", "m1"]
    assert labels.label("m0") == UNKNOWN


def test_the_series_of_a_model_that_is_gone_are_dropped() -> None:
    loaded = {f"m{number}" for number in range(100)}
    labels = ModelLabels(lambda: loaded)
    metrics = Metrics(LEVELS, labels)

    def note(name: str) -> None:
        metrics.note(RequestRecord(route="invocations", model=name))

    for name in loaded:
        note(name)
    loaded.remove("m5")
    loaded.add("new")
    note("new")
    [family] = [family for family in metrics.registry.collect() if family.name == "slipway_requests"]
    assert {sample.labels["model"] for sample in family.samples} == loaded


def test_a_long_name_is_cut() -> None:
    labels = ModelLabels(lambda: {"a" * 1000})
    assert labels.label("a" * 1000) == "a" * 100 + "…"
