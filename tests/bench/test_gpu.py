"""The measurements on a GPU, at their smallest and without one."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from bench.gpu.parts import PARTS, Part
from bench.gpu.summary import TARGETS, summary
from tests.forked_main import run_main
from tests.rules.environment import ROOT

MEASURED = {
    "machine_and_tests": {"machine", "test"},
    "training": {"step", "loops", "seed_loop", "profile", "step_graphed", "step_compiled"},
    "decoding": {"decode_on_a_core", "load_on_a_core", "load_on_all_cores", "decode_by_nvjpeg", "step_with_copies"},
    "overhead": {"overhead"},
    "serving": {"engine", "worker", "workers"},
    "interruption": {"interruption"},
}


def gpu_sh(*arguments: object, **settings: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [ROOT / "bench" / "gpu.sh", *map(str, arguments)],
        env={**os.environ, "PYTHON": sys.executable, **settings},
        capture_output=True,
        text=True,
    )


def measurements(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


def check(part: Part, found: list[dict[str, Any]], text: str) -> None:
    assert {measured["name"] for measured in found} >= MEASURED[part.module]
    assert not any("error" in measured for measured in found), found
    assert f"## {found[-1]['name']}" in text


def test_a_part_runs_without_a_gpu(tmp_path: Path):
    """Run one part through bench/gpu.sh, with its files, summary and log."""
    [part] = [part for part in PARTS if part.module == "overhead"]
    # Longer than the nine minutes of a GPU: other work may share the machine.
    done = gpu_sh("--device", "cpu", "--quick", "--only", part.module, "--seconds", "880", tmp_path / "out")
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [part.file, "log.txt", "summary.md"]
    text = (tmp_path / "out" / "summary.md").read_text()
    assert text in done.stdout
    check(part, measurements(tmp_path / "out" / part.file), text)


def test_everything_else_runs_without_a_gpu(tmp_path: Path):
    parts = [part for part in PARTS if part.module != "overhead"]
    for part in parts:
        options = (f"--scratch={tmp_path}", "--device=cpu", "--quick", f"--ends-at={time.monotonic() + 880}")
        without = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "KINETO_LOG_LEVEL": "99"}
        done = run_main("bench.gpu.part", part.module, f"--file={tmp_path / part.file}", *options, env=without)
        found = measurements(tmp_path / part.file)
        assert done.returncode == 0, found or done.stderr
        check(part, found, summary(found, [], heading="H", quick=True))
    gone_on = measurements(tmp_path / PARTS[-1].file)[0]
    assert gone_on["resumed_at"].startswith("the checkpoint of epoch ")
    assert set(gone_on["resumed_to_uninterrupted"].values()) == {0.0}, "on a CPU the two are the same"


def test_a_part_whose_time_is_over_is_ended_and_named(tmp_path: Path):
    """Also what it has started."""
    done = gpu_sh("--device", "cpu", "--quick", "--only", "training", "--seconds", "10", tmp_path)
    assert done.returncode == 1
    assert "- training: killed, its time was over" in (tmp_path / "summary.md").read_text()
    commands = [process.info["cmdline"] or [] for process in psutil.process_iter(["cmdline"])]
    assert not [command for command in commands if str(tmp_path) in " ".join(command)]


def test_sigterm_leaves_a_summary_of_what_was_measured(tmp_path: Path):
    command = [sys.executable, "-m", "bench.gpu", "--device=cpu", "--quick", "--only=machine_and_tests", str(tmp_path)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    file = tmp_path / "1-machine-and-tests.jsonl"
    while not (file.exists() and file.read_text().endswith("\n")):
        assert process.poll() is None
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    output, _ = process.communicate()
    assert process.returncode == 1
    assert "stopped by SIGTERM" in output
    assert "## machine" in (tmp_path / "summary.md").read_text()


def test_without_a_gpu_it_says_so(tmp_path: Path):
    done = gpu_sh(tmp_path / "out", SLIPWAY_USE_CUDA="true", CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 1
    assert "there is no GPU" in done.stderr
    assert "--device cpu --quick" in done.stderr
    assert not (tmp_path / "out").exists()
    done = gpu_sh("--device", "cpu", tmp_path / "out")
    assert done.returncode == 2
    assert "--device cpu needs --quick" in done.stderr


def test_targets_are_judged_where_they_are_measured():
    found = [
        {"name": "loops", "batch_size": 256, "cache_to_limit": 0.96, "files_to_limit": 0.5, "cache_images_per_s": 80},
        {"name": "seed_loop", "images_per_s": 8.0},
        {"name": "overhead", "profiler": 1.02, "hook_default_100": 1.01},
        {"name": "test", "test": "one", "outcome": "failure", "why": "a | b\nc"},
    ]
    text = summary(found, ["serving: not run, the time was over"], heading="H", quick=False)
    assert "- serving: not run, the time was over" in text
    rows = [line for line in text.splitlines() if any(line.startswith(f"| {target.words} |") for target in TARGETS)]
    verdicts = [row.split(" | ")[2:] for row in rows]
    assert [(value, verdict.strip(" |")) for value, verdict in verdicts] == [
        ("1", "**missed**"),
        ("0.96", "reached"),
        ("0.5", "**missed**"),
        ("10", "reached"),
        ("not measured", ""),
        ("1.02", "**missed**"),
        ("1.01", "reached"),
        ("not measured", ""),
    ]
    assert "| one | failure | a / b c |" in text
    assert "missed" not in summary(found, [], heading="H", quick=True), "numbers of a trial mean nothing"
