"""The soak, at its smallest, and what it makes of samples and faults."""

import json
from pathlib import Path

from bench.serving.faults import HARMLESS, KINDS, Fault, schedule
from bench.serving.load import LOST, Samples
from bench.serving.workload import Workload
from bench.soak_results import results, table
from tests.bench.made_before import MadeBefore
from tests.forked_main import run_main


def test_a_short_soak_kills_a_worker_and_finds_no_error_elsewhere(workload: Workload, tmp_path: Path):
    written, page = tmp_path / "result.json", tmp_path / "page.html"
    options = ["--quick", "--rate=4", f"--json={written}", f"--page={page}"]
    done = run_main("bench.soak", *options, plant=MadeBefore(workload))
    assert done.returncode == 0, done.stdout + done.stderr
    result = json.loads(written.read_text())
    assert result["errors_outside_faults"] == 0
    assert result["problems"] == []
    phases = {phase["phase"]: phase for phase in result["phases"]}
    assert phases.keys() == {"no fault", "worker", "slow clients", "bad pictures"}
    assert set(phases["bad pictures"]["own_statuses"]) <= {"400", "415", "422"}
    assert result["requests"] == sum(phase["requests"] for phase in result["phases"])
    assert result["memory_worker_end_mb"] > 0
    assert "errors outside of faults: 0" in done.stdout
    assert "Memory" in page.read_text()


def samples(*rows: tuple[float, float, int]) -> Samples:
    made = Samples()
    for row in rows:
        made.add(*row)
    return made


MEMORY = [(float(second), {"worker": 1_000_000 * second, "front": 5_000_000}) for second in range(301)]


def test_failures_while_a_part_is_gone_are_no_errors_and_time_the_recovery():
    fault = Fault("worker", start=10, end=20)
    load = samples((1, 2, 200), (9.5, 11, 503), (12, 13, LOST), (14, 14.5, 200), (15, 15.1, 200), (30, 31, 200))
    pings = [(9.0, True), (10.1, False), (12.0, False), (13.0, True)]
    result = results(load, [fault], pings, MEMORY)
    assert result["errors_outside_faults"] == 0
    assert result["errors_within_faults"] == 2
    assert [phase["requests"] for phase in result["phases"]] == [2, 4]
    assert result["phases"][1]["statuses"] == {"200": 2, "503": 1, "lost": 1}
    assert result["phases"][1]["recovered_answers_s"] == 4.5
    assert result["phases"][1]["recovered_ping_s"] == 3


def test_a_failure_elsewhere_is_an_error_also_beside_slow_clients():
    faults = [Fault("slow clients", start=10, end=20), Fault("front", start=40, end=50)]
    load = samples((1, 2, 200), (11, 12, 503), (30, 31, 504), (41, 42, 503))
    result = results(load, faults, [], MEMORY)
    assert result["errors_outside_faults"] == 2
    shown = table(result | {"model": "m", "image_size": 8, "engine": "e", "device": "d", "minutes": 1,
                            "rate_per_s": 1, "capacity_per_s": 2, "load_percent": 50})  # fmt: skip
    assert "errors outside of faults: 2 (none is allowed)" in shown


def test_memory_is_told_from_the_times_without_faults():
    result = results(samples((1, 2, 200)), [Fault("burst", start=100, end=200)], [], MEMORY)
    assert result["memory_worker_mb_per_h"] == 3600
    assert result["memory_front_mb_per_h"] == 0
    assert result["memory_all_start_mb"] < result["memory_all_end_mb"]


def test_the_schedule_is_the_seeds_and_spares_the_supervisors_patience():
    planned = schedule(1200, KINDS, seed=3)
    assert planned == schedule(1200, KINDS, seed=3)
    assert planned != schedule(1200, KINDS, seed=4)
    assert [at for at, _ in planned] == sorted(at for at, _ in planned)
    for kind in KINDS:
        times = [at for at, planned_kind in planned if planned_kind == kind]
        assert len(times) == 4
        assert sum(at < 600 for at in times) == 2
    assert {kind for _, kind in schedule(60, HARMLESS, seed=0)} == set(HARMLESS)
