"""The benchmark of loading alone, at its smallest."""

import json
import math
from pathlib import Path

import pytest

from bench.loader import __main__ as loader
from bench.loader.contenders import CONTENDERS, OURS
from tests.forked_main import run_main
from tests.train.forked_job import PackagesIn


def test_it_measures_every_loader_that_is_installed(generated: Path, tmp_path: Path):
    (tmp_path / "webdataset.py").write_text("raise ImportError('half of it is missing')")
    written = tmp_path / "result.json"
    written_to = (f"--directory={generated}", f"--json={written}")
    done = run_main("bench.loader.__main__", "--quick", *written_to, plant=PackagesIn(tmp_path))
    assert done.returncode == 0, done.stderr
    assert "left out: webdataset, from tar shards; half of it is missing: pip install webdataset\n" in done.stderr
    result = json.loads(written.read_text())
    assert result["pictures"] == 8
    assert str(result["device"]) in done.stdout
    measured = result["loaders"]
    assert {*OURS, "torchvision"} <= set(measured)
    for name, contender in CONTENDERS.items():
        if name not in measured:
            assert f"left out: {contender.label}; " in done.stderr
            continue
        speed = measured[name]["pictures_per_cpu_s"]
        assert math.isfinite(speed)
        assert speed > 0
        assert f"{contender.label:44}{speed:8.1f}  " in done.stdout
        for ours in OURS:
            assert measured[name][f"{ours}_vs"] == pytest.approx(
                measured[ours]["pictures_per_cpu_s"] / speed, rel=0.01, abs=0.001
            )
    for kind in ("files", "shards"):
        cost = result["listing"][kind]
        assert cost["bytes"] > 100
        assert f"{cost['cpu_us']} µs of CPU and {cost['bytes']} bytes" in done.stdout


def test_fewer_pictures_than_a_batch_are_refused(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        loader.main(["--pictures=8"])
    assert "--pictures must be at least 4" in capsys.readouterr().err
