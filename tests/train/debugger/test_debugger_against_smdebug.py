"""The same scripts under smdebug's own hook and under ours: what the real smdebug then reads is the same."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from container.train.debugger import api
from tests.rules.environment import ROOT, run_python
from tests.train.debugger.test_debugger_scripts import CONFIGURATION, SCRIPT
from tests.train.debugger.trial_reader import Trial, read_several

# smdebug's environment has no torch; ours lies behind its own packages.
_RUN = """
import json, os, runpy, sys
sys.path.append(sys.argv[1])
for script, directory in json.loads(sys.argv[2]):
    os.environ["SMDEBUG_CONFIG_FILE_PATH"] = f"{directory}/debughookconfig.json"
    sys.argv = [script, "--output-data-dir", directory]
    runpy.run_path(script, run_name="__main__")
"""
SAVE_ALL = {"HookParameters": {"save_all": "true", "save_interval": "2"}}
# At each step: smdebug keeps a scalar back for the next step that saves something, and gives it that step.
EACH_STEP = {
    "HookParameters": {"save_interval": "1"},
    "CollectionConfigurations": [
        *({"CollectionName": name} for name in ("weights", "gradients", "default")),
        {"CollectionName": "labels", "CollectionParameters": {"include_regex": "^labels$"}},
    ],
}
RUNS: dict[str, tuple[Path, dict[str, Any]]] = {
    "collections": (SCRIPT, CONFIGURATION),
    "save_all": (SCRIPT, SAVE_ALL),
    "handed over": (SCRIPT.with_name("functional_script.py"), EACH_STEP),
}


def prepare(side: Path) -> list[str]:
    """Arguments of `_RUN`."""
    for name, (_, configuration) in RUNS.items():
        directory = side / name
        directory.mkdir(parents=True)
        content = {**configuration, "LocalPath": str(directory / "tensors")}
        (directory / "debughookconfig.json").write_text(json.dumps(content))
    packages = Path(torch.__file__).parents[1]
    return [
        "-c",
        _RUN,
        str(packages),
        json.dumps([(str(script), str(side / name)) for name, (script, _) in RUNS.items()]),
    ]


@pytest.fixture(scope="module")
def sides(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """What smdebug's hook left of all runs, and ours: processes are few, because torch and smdebug take seconds."""
    theirs, ours = (tmp_path_factory.mktemp(name) for name in ("theirs", "ours"))
    done = run_python(*prepare(theirs))
    assert done.returncode == 0, done.stderr
    path = os.pathsep.join([*api.__path__, str(ROOT)])
    command = [sys.executable, *prepare(ours)]
    done = subprocess.run(command, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return theirs, ours


@pytest.fixture(scope="module")
def trials(sides: tuple[Path, Path]) -> dict[str, tuple[Trial, Trial]]:
    """Theirs and ours, of each run."""
    found = read_several(*(side / name / "tensors" for side in sides for name in RUNS))
    return dict(zip(RUNS, zip(found[: len(RUNS)], found[len(RUNS) :], strict=True), strict=True))


def test_both_trained_alike(sides: tuple[Path, Path]):
    theirs, ours = (torch.load(side / "collections" / "recording.pt") for side in sides)
    assert theirs.keys() == ours.keys()
    assert all(torch.equal(value, ours[key]) for key, value in theirs.items())


def test_collections_are_saved_bit_by_bit_as_smdebugs_own_hook_does(trials: dict[str, tuple[Trial, Trial]]):
    theirs, ours = trials["collections"]
    assert len(theirs) > 100
    assert ours == theirs


def test_all_tensors_are_saved_bit_by_bit_as_smdebugs_own_hook_does(trials: dict[str, tuple[Trial, Trial]]):
    theirs, ours = trials["save_all"]
    assert len(theirs) > 100
    # smdebug has the collection optimizer_variables for other frameworks only.
    assert {key: saved for key, saved in ours.items() if " optimizer/" not in key} == theirs


def test_what_a_script_hands_over_lies_at_the_same_steps(trials: dict[str, tuple[Trial, Trial]]):
    """Before a step's forward pass and after it, in training and in evaluation, without modes."""
    theirs, ours = trials["handed over"]
    assert {"scalar/number", "labels", "data", "cross_entropy_loss_output_0"} <= {key.split()[-1] for key in theirs}
    assert ours == theirs
