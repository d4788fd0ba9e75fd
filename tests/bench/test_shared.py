"""The benchmark of training beside a busy program: its ratios, and one side of it at its smallest."""

import json
from pathlib import Path

from bench.shared.results import results, table
from tests.forked_main import run_main

RATES = {
    ("ours", False): [40.0, 44.0],
    ("ours", True): [18.0, 22.0],
    ("all_threads", False): [50.0, 40.0],
    ("all_threads", True): [10.0, 10.0],
    ("all_threads_short", False): [30.0, 30.0],
    ("all_threads_short", True): [5.0, 5.0],
    ("all_threads_asleep", False): [20.0, 20.0],
    ("all_threads_asleep", True): [4.0, 4.0],
    ("one_thread", False): [25.0, 25.0],
    ("one_thread", True): [21.0, 21.0],
    ("one_cpu", False): [20.0, 20.0],
    ("plain", False): [8.0, 8.0],
    ("plain", True): [2.0, 2.0],
}


def test_ratios_are_taken_within_a_round():
    found = results(RATES)
    assert found["busy_to_one_cpu"] == 1.0
    assert found["best_setting"] == "ours, a thread for each CPU"
    assert found["quiet_to_best_setting"] == 0.95
    assert found["busy_to_best_peer"] == 10.0
    assert found["images_per_s"]["ours"] == {"quiet": 42.0, "busy": 20.0}
    text = table({"model": "resnet50", "image_size": 64, "batch_size": 16, "rounds": 2, "device": "a CPU", **found})
    assert "ours on one CPU alone" in text
    assert "timm" not in text.partition("target")[0], "it was not there"


def test_a_side_counts_its_pictures(generated: Path):
    task = {"side": "ours", "model": "test_resnet", "image_size": 32, "batch_size": 4, "pictures": 8}
    timing = {"directory": str(generated), "warm_up_s": 0, "seconds": 0.1}
    done = run_main("bench.shared.side", json.dumps({**task, **timing}))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["images_per_s"] > 0
