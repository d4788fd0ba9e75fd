"""`python -m container.rules`: chosen rules, rules of one's own, what is missing, wrong, or cut off."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.rules.environment import run_python

# One process for all calls, because smdebug takes a second to import.
RUN_ALL = """
import contextlib, io, json, sys
from pathlib import Path
from container.rules.__main__ import main
from tests.rules import faults, trials

directory = Path(sys.argv[1])
trials.write(directory / "sound", faults.nothing, reduced=False)
trials.write(directory / "cut", faults.with_nan, reduced=False, ended=False)
exec((directory / "prepare.py").read_text())
ran = {}
for name, arguments in json.loads(sys.argv[2]).items():
    output, errors = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.redirect_stderr(errors):
        code = main([argument.replace("DIRECTORY", str(directory)) for argument in arguments])
    ran[name] = [code, output.getvalue(), errors.getvalue()]
json.dump(ran, sys.stdout)
"""
OWN_RULES = """
from smdebug.rules import Rule
from beside import NAME

class LossAbove(Rule):
    def __init__(self, base_trial, threshold=10.0):
        super().__init__(base_trial)
        self.threshold = float(threshold)

    def invoke_at_step(self, step):
        print("looking at", step)
        return any(
            self.base_trial.tensor(name).value(step) > self.threshold
            for name in self.base_trial.tensor_names(step=step, collection="losses")
        )

class AsSmdebugHasIt(LossAbove):
    def __init__(self, base_trial):
        Rule.__init__(self, base_trial, action_str="")
        self.threshold = 2.0

class Broken(Rule):
    def invoke_at_step(self, step):
        return self.base_trial.nothing
"""
CUT_OFF = """
import atexit, shutil
cut = directory / "cut"
last = next((cut / "events" / f"{95:012d}").iterdir())
last.write_bytes(last.read_bytes()[:40])
shutil.rmtree(cut / "events" / f"{20:012d}")
index = next((cut / "index").rglob(f"{30:012d}_*.json"))
index.write_text(index.read_text()[:30])
# A second process of the job, which got no further than to its start.
collections = next((cut / "collections").rglob("*.json"))
collections.write_text(collections.read_text().replace('"num_workers": 1', '"num_workers": 2'))
shutil.copytree(cut / "collections", directory / "no-step" / "collections")
before = {str(path): path.read_bytes() for path in cut.rglob("*") if path.is_file()}
atexit.register(lambda: (directory / "untouched").write_text(
    str(before == {str(path): path.read_bytes() for path in cut.rglob("*") if path.is_file()})
))
"""
OWN = "DIRECTORY/my_rules.py"
CALLS = {
    "chosen": [
        *("DIRECTORY/sound", "--rule=vanishing-gradient", "--rule=AllZero", "--json"),
        *("--parameter=VanishingGradient.threshold=1", "--start-step=12", "--end-step=24"),
    ],
    "lacking": [
        *("DIRECTORY/sound", "--rule=DeadRelu", "--parameter=DeadRelu.tensor_regex=gelu", "--rule=Overfit"),
        *("--end-step=5", "--json"),
    ],
    "own": ["DIRECTORY/sound", f"--rule={OWN}:LossAbove", "--parameter=threshold=2.0", "--json"],
    "own, another form": ["DIRECTORY/sound", f"--rule={OWN}:AsSmdebugHasIt", "--json"],
    "broken": ["DIRECTORY/sound", f"--rule={OWN}:Broken", "--rule=AllZero"],
    "cut off": ["DIRECTORY/cut"],
    "written nowhere": ["DIRECTORY/sound", "--rule=AllZero", "--output=DIRECTORY/nowhere/findings.json"],
}
WRONG = {
    "no such class": ([f"--rule={OWN}:LossAbov"], "my_rules.py has no class LossAbov; did you mean LossAbove?"),
    "no class": ([f"--rule={OWN}:NAME"], "is not a subclass of smdebug.rules.Rule"),
    "no such file": (["--rule=DIRECTORY/my_rule.py:LossAbove"], "my_rules.py?"),
    "no Python": (["--rule=DIRECTORY/wrong.py:Any"], "wrong.py cannot be imported: NameError: name 'undefined'"),
    "no such parameter": (
        [f"--rule={OWN}:LossAbove", "--parameter=treshold=1"],
        "LossAbove has no parameter treshold; did you mean threshold?",
    ),
    "no number": (
        [f"--rule={OWN}:LossAbove", "--parameter=threshold=high"],
        "cannot be made: ValueError: could not convert string to float",
    ),
    "no such rule": (["--rule=Overfits"], "there is no rule Overfits; did you mean Overfit?"),
}
NO_TRIAL = {
    "nothing": "there is no directory",
    "job": "is not a trial: it has no collections, index or events folder, nor has its output/tensors. It holds: model",
    "empty": "holds no collections/…_collections.json",
    "no-step": "holds no step that can be read",
}


@dataclass(frozen=True)
class Ran:
    """How a call ended."""

    code: int
    output: str
    errors: str

    @property
    def rules(self) -> Mapping[str, Mapping[str, Any]]:
        return {result["rule"]: result for result in json.loads(self.output)["rules"]}


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("program")
    (directory / "beside.py").write_text("NAME = 1\n")
    (directory / "my_rules.py").write_text(OWN_RULES)
    (directory / "wrong.py").write_text("undefined\n")
    (directory / "prepare.py").write_text(CUT_OFF)
    (directory / "job" / "model").mkdir(parents=True)
    (directory / "empty" / "events").mkdir(parents=True)
    return directory


@pytest.fixture(scope="module")
def ran(directory: Path) -> Callable[[str], Ran]:
    calls = {
        **CALLS,
        **{name: ["DIRECTORY/sound", *arguments] for name, (arguments, _) in WRONG.items()},
        **{name: [f"DIRECTORY/{name}"] for name in NO_TRIAL},
    }
    done = run_python("-c", RUN_ALL, directory, json.dumps(calls))
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    return lambda name: Ran(*found[name])


def test_rules_parameters_and_steps_are_chosen(ran: Callable[[str], Ran]):
    done = ran("chosen")
    assert (done.code, json.loads(done.output)["steps"]) == (3, 12)
    assert {name: rule["status"] for name, rule in done.rules.items()} == {
        "VanishingGradient": "IssuesFound",
        "AllZero": "NoIssuesFound",
    }
    assert done.rules["VanishingGradient"]["parameters"] == {"threshold": 1.0}
    assert {finding["global_step"] for finding in done.rules["VanishingGradient"]["findings"]} == {12}


def test_a_rule_that_lacks_data_says_what_to_save(ran: Callable[[str], Ran]):
    done = ran("lacking")
    assert done.code == 0
    assert {rule["status"] for rule in done.rules.values()} == {"InsufficientData"}
    assert "debug=true, or a collection of that name" in done.rules["DeadRelu"]["message"]
    assert "losses of the modes TRAIN and EVAL" in done.rules["Overfit"]["message"]


def test_a_rule_of_ones_own_runs_the_same_way(ran: Callable[[str], Ran]):
    done = ran("own")
    assert done.code == 3
    rule = done.rules["LossAbove"]
    assert (rule["status"], rule["parameters"]) == ("IssuesFound", {"threshold": "2.0"})
    finding = rule["findings"][0]
    assert (finding["mode"], finding["step"], finding["last_mode"], finding["last_step"]) == ("TRAIN", 0, "TRAIN", 6)
    assert finding["times"] == 7, "2.3 exp(-step / 50) is above 2"
    assert "looking at 95" in done.errors, "what a rule prints is no part of the result"
    assert ran("own, another form").rules["AsSmdebugHasIt"]["findings"] == [
        finding | {"message": "AsSmdebugHasIt fired", "what": "AsSmdebugHasIt fired"}
    ]


def test_a_rule_that_breaks_is_an_error_and_the_others_are_run(ran: Callable[[str], Ran]):
    done = ran("broken")
    assert done.code == 1
    assert "Error: Broken: the rule failed at step 0: AttributeError" in done.errors
    assert "AllZero  NoIssuesFound" in done.output


@pytest.mark.parametrize("name", [*WRONG, *NO_TRIAL, "written nowhere"])
def test_what_is_wrong_is_one_sentence(ran: Callable[[str], Ran], name: str):
    done = ran(name)
    assert (done.code, done.output) == (1, "")
    assert done.errors.startswith("Error: ")
    assert len(done.errors.splitlines()) == 1
    expected = {**{key: message for key, (_, message) in WRONG.items()}, **NO_TRIAL}
    assert expected.get(name, "nowhere/findings.json cannot be written: No such file or directory") in done.errors


def test_a_trial_that_was_cut_off_is_judged_as_far_as_it_goes(ran: Callable[[str], Ran], directory: Path):
    done = ran("cut off")
    assert (done.code, done.errors) == (3, "")
    assert done.output.startswith(f"{directory / 'cut'}: 95 saved steps; training has not ended, or was cut off")
    assert "Note: files that are damaged or missing were skipped: " in done.output
    for name in (f"{95:012d}_worker_0.tfevents", f"{20:012d}_worker_0.tfevents", "the index of step 30 of worker_0"):
        assert name in done.output
    assert "the tensor holds nan" in done.output
    assert (directory / "untouched").read_text() == "True", "nothing is written into the trial"
