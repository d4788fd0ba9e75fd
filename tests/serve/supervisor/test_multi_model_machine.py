"""Any sequence of calls to a server with many models, some of them at once, does what a table of models would."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import NamedTuple

import pytest
from hypothesis import HealthCheck, Phase, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from tests.serve.conftest import StartServer, remove_network
from tests.serve.many_models import MULTI, ManyModels, put_code, put_model
from tests.serve.server_process import Answer, ServerProcess
from tests.serve.supervisor.test_multi_model_life import budget_mb

NAMES = ("a", "b", "ä/b")
# By the directory below models/: the first is a network, the others answer with their own place.
GOOD = ("network", "code-1", "code-2")
# What a url that cannot be loaded is answered.
WRONG = {"nowhere": 404, "file": 422, "incomplete": 422, "damaged": 422, "/etc": 400, "s3://models/a": 400}
# Of these it is found out only by loading them.
SLOW = ("damaged",)

# Of a model: its worker, what that is forked from, and multi-model-server's stand-in.
PROCESSES = 3

CODE = "def model_fn(model_dir):\n    return model_dir\n\ndef transform_fn(model, body, content_type, accept):\n"


class Call(NamedTuple):
    """What is asked about one name."""

    verb: str
    name: str
    model: str = ""
    """Of a load: what is at its url."""


class Said(NamedTuple):
    """What came back: the status, and of an invocation or a GET which model it was."""

    status: int
    model: str = ""


def ends(before: str | None, calls: Sequence[tuple[Call, Said]]) -> set[str | None]:
    """What may be loaded after calls about one name that were made at once: the ends of all orders in which each call
    does what it said. None: nothing is loaded; empty: no order explains what they said."""
    if not calls:
        return {before}
    found: set[str | None] = set()
    busy = any(call.model in SLOW and said.status == 422 for call, said in calls)
    for place, (call, said) in enumerate(calls):
        for expected, after in outcomes(call, before, busy=busy):
            if said == expected:
                found |= ends(after, [*calls[:place], *calls[place + 1 :]])
    return found


def outcomes(call: Call, before: str | None, *, busy: bool = False) -> list[tuple[Said, str | None]]:
    """What a call may say where `before` is loaded, and what is loaded after it.

    Args:
        call: The call.
        before: What the name stands for; None: nothing.
        busy: A load of the same name that fails may be under way.
    """
    if call.verb == "load":
        refused = [(Said(409), before)] if before or busy else []
        taken = (Said(WRONG[call.model]), None) if call.model in WRONG else (Said(200), call.model)
        return refused if before else [taken, *refused]
    if before is None:
        return [(Said(404), None)]
    return [(Said(200), None)] if call.verb == "unload" else [(Said(200, before), before)]


class Machine(RuleBasedStateMachine):
    """Calls to one server; `loaded` is what has to be there."""

    def __init__(self, many: ManyModels, picture: bytes) -> None:
        super().__init__()
        self.many = many
        self.picture = picture
        self.loaded: dict[str, str] = {}
        self.without = many.processes

    calls = st.one_of(
        st.builds(Call, st.just("load"), st.sampled_from(NAMES), st.sampled_from(GOOD)),
        st.builds(Call, st.just("load"), st.sampled_from(NAMES), st.sampled_from(sorted(WRONG))),
        st.builds(Call, st.sampled_from(["unload", "invoke", "get"]), st.sampled_from(NAMES)),
    )

    @rule(call=calls)
    def one(self, call: Call) -> None:
        before = self.loaded.get(call.name)
        [(expected, after)] = outcomes(call, before)
        assert self.make(call) == expected
        self.is_now(call.name, after)

    @rule(names=st.permutations(NAMES), models=st.lists(st.sampled_from(GOOD), min_size=3, max_size=3))
    def load_all(self, names: list[str], models: list[str]) -> None:
        """So that sequences do not spend their length on that."""
        for name, model in zip(names, models, strict=True):
            self.one(Call("load", name, model))

    @rule(size=st.integers(1, len(NAMES) + 1))
    def pages(self, size: int) -> None:
        token, seen = "", []
        for _ in range(len(self.loaded) + 1):
            page = self.many.server.request("GET", f"/models?page_size={size}&next_page_token={token}").json
            assert len(page["models"]) <= size
            seen += [(model["modelName"], self.model_at(model["modelUrl"])) for model in page["models"]]
            if not (token := page.get("nextPageToken", "")):
                break
        assert not token
        assert seen == sorted(self.loaded.items())

    @rule(calls=st.lists(calls, min_size=2, max_size=6))
    def at_once(self, calls: list[Call]) -> None:
        self.explain(calls, self.make_at_once(calls))

    @rule(name=st.sampled_from(NAMES), models=st.lists(st.sampled_from(GOOD), min_size=2, max_size=5))
    def load_one_name_at_once(self, name: str, models: list[str]) -> None:
        calls = [Call("load", name, model) for model in models]
        said = self.make_at_once(calls)
        if name not in self.loaded:
            assert sorted(answer.status for answer in said) == [200] + [409] * (len(models) - 1)
        self.explain(calls, said)

    @rule(name=st.sampled_from(NAMES), times=st.integers(2, 5))
    def unload_one_name_at_once(self, name: str, times: int) -> None:
        calls = [Call("unload", name)] * times + [Call("invoke", name)] * 2
        said = self.make_at_once(calls)
        if name in self.loaded:
            assert sorted(answer.status for answer in said[:times]) == [200] + [404] * (times - 1)
        self.explain(calls, said)

    def make_at_once(self, calls: Sequence[Call]) -> list[Said]:
        start = Barrier(len(calls))

        def make(call: Call) -> Said:
            start.wait()
            return self.make(call)

        with ThreadPoolExecutor(len(calls)) as pool:
            return list(pool.map(make, calls))

    def explain(self, calls: Sequence[Call], said: Sequence[Said]) -> None:
        """Some order of the calls leads to what they said and to what is loaded now."""
        note(f"said: {said}")
        now = self.listed()
        for name in NAMES:
            about = [(call, answer) for call, answer in zip(calls, said, strict=True) if call.name == name]
            assert now.get(name) in ends(self.loaded.get(name), about), (name, self.loaded.get(name), about)
        self.loaded = now

    def is_now(self, name: str, model: str | None) -> None:
        self.loaded.pop(name, None)
        if model:
            self.loaded[name] = model

    def make(self, call: Call) -> Said:
        match call.verb:
            case "load":
                return told(self.many.load(call.name, self.url(call.model)))
            case "unload":
                return told(self.many.unload(call.name))
            case "get":
                return told(self.many.get(call.name), lambda answer: self.model_at(answer.json["modelUrl"]))
            case _:
                return told(self.many.invoke(call.name, self.picture), self.who_answered)

    def who_answered(self, answer: Answer) -> str:
        if answer.headers["content-type"] == "application/json" and b"predictions" in answer.body:
            return "network"
        return self.model_at(answer.body.decode())

    def url(self, model: str) -> str:
        if model == "file":
            return str(self.many.base / "models" / "file.tar.gz")
        return model if "/" in model else self.many.url(model)

    def model_at(self, url: str) -> str:
        return Path(url).parent.name

    def listed(self) -> dict[str, str]:
        models = self.many.server.request("GET", "/models").json["models"]
        return {model["modelName"]: self.model_at(model["modelUrl"]) for model in models}

    @invariant()
    def every_model_has_its_processes_and_nothing_else_has(self) -> None:
        """Now, without waiting: a DELETE is answered when they are gone."""
        assert len(self.many.processes - self.without) == PROCESSES * len(self.loaded), self.loaded
        assert self.many.processes >= self.without

    @invariant()
    def what_is_listed_is_what_is_loaded(self) -> None:
        assert self.listed() == self.loaded
        assert self.many.server.ping().status == 200

    def teardown(self) -> None:
        self.many.unload_all()
        assert self.many.processes == self.without


def told(answer: Answer, model: Callable[[Answer], str] = lambda _: "") -> Said:
    """The form of an error is checked on the way."""
    if answer.status != 200:
        assert answer.error
    return Said(answer.status, model(answer) if answer.status == 200 else "")


@pytest.fixture(scope="module")
def many(model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ManyModels]:
    base = tmp_path_factory.mktemp("many")
    put_model(base, "network", model_dir)
    for name in GOOD[1:]:
        put_code(base, name, CODE + "    return model")
    remove_network(put_model(base, "incomplete", model_dir))
    damaged = put_model(base, "damaged", model_dir) / "model.safetensors"
    damaged.unlink()
    damaged.write_bytes(b"damaged")
    (base / "models" / "file.tar.gz").touch()
    server = ServerProcess(base, tmp_path_factory.mktemp("log"), **MULTI)
    try:
        server.await_ready()
        yield ManyModels(server, base)
        assert "event=bug" not in server.log
        assert "event=still-there" not in server.log
        assert server.stop() == 0, server.log + server.errors
        assert server.errors == ""
    finally:
        server.kill()


# A shorter sequence is not worth the time that it takes to find it on a real server.
BOUNDED = settings(
    max_examples=3,
    stateful_step_count=12,
    derandomize=True,
    database=None,
    deadline=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def test_any_sequence_of_calls_some_at_once_does_what_a_table_would(many: ManyModels, picture: bytes) -> None:
    run_state_machine_as_test(lambda: Machine(many, picture), settings=BOUNDED)


class Short(RuleBasedStateMachine):
    """Loads of more models than there is memory for; `used` has those that must be there, the one first that was used
    least recently."""

    def __init__(self, many: ManyModels, picture: bytes, *, evict: bool, seen: Counter[str]) -> None:
        super().__init__()
        self.many = many
        self.picture = picture
        self.evict = evict
        self.seen = seen
        self.used: list[str] = []
        self.without = many.processes

    names = st.sampled_from("abcdef")

    @rule(name=names)
    def load(self, name: str) -> None:
        status = self.many.load(name, self.many.url("network")).status
        self.seen[f"load {status}"] += 1
        if name in self.used:
            assert status == 409
            return
        assert status in ((200,) if self.evict else (200, 507))
        if status == 507:
            assert self.used, "one model fits"
            return
        gone = len(self.used) + 1 - len(self.many.names)
        assert not gone or self.evict
        self.seen["evicted"] += gone
        self.used = [*self.used[gone:], name]

    @rule(name=names)
    def invoke(self, name: str) -> None:
        assert self.many.invoke(name, self.picture).status == (200 if name in self.used else 404)
        if name in self.used:
            self.used.remove(name)
            self.used.append(name)

    @rule(name=names)
    def unload(self, name: str) -> None:
        assert self.many.unload(name).status == (200 if name in self.used else 404)
        if name in self.used:
            self.used.remove(name)

    @rule(loads=st.lists(names, min_size=2, max_size=3, unique=True), invocations=st.lists(names, max_size=3))
    def at_once(self, loads: list[str], invocations: list[str]) -> None:
        with ThreadPoolExecutor(6) as pool:
            loading = [pool.submit(self.many.load, name, self.many.url("network")) for name in loads]
            asking = [pool.submit(self.many.invoke, name, self.picture) for name in invocations]
        assert {asked.result().status for asked in asking} <= {200, 404}
        statuses = [load.result().status for load in loading]
        assert set(statuses) <= {200, 409, 507}
        there = {*self.used, *(name for name, status in zip(loads, statuses, strict=True) if status == 200)}
        now = self.many.names
        assert there >= {*now} if self.evict else there == {*now}
        # In which order they were used is not known: from now on it is this.
        self.used = now
        for name in self.used:
            assert self.many.invoke(name, self.picture).status == 200

    @invariant()
    def what_is_listed_is_what_is_loaded(self) -> None:
        assert self.many.names == sorted(self.used)
        assert len(self.many.processes - self.without) == PROCESSES * len(self.used)

    def teardown(self) -> None:
        self.many.unload_all()
        assert self.many.processes == self.without


@pytest.mark.parametrize("evict", [False, True], ids=["refuse", "evict"])
def test_where_memory_is_short_a_model_is_refused_or_the_least_used_ones_go(
    evict: bool, many: ManyModels, start_server: StartServer, picture: bytes
) -> None:
    setting = {"SLIPWAY_EVICT": "lru"} if evict else {}
    small = ManyModels(start_server(many.base, **MULTI, **setting, SLIPWAY_MEMORY_MB=budget_mb(many, 250)), many.base)
    small.server.await_ready()
    seen: Counter[str] = Counter()
    run_state_machine_as_test(lambda: Short(small, picture, evict=evict, seen=seen), settings=BOUNDED)
    assert seen["load 507"] == 0 < seen["evicted"] if evict else seen["load 507"] > 0
    assert "event=bug" not in small.server.log
