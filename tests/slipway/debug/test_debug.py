"""`slipway debug`: rules over finished, cut off, growing and remote trials."""

import json
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.rules.environment import run_python
from tests.slipway.slipway_runs import Slipway

WRITE = """
import sys
from pathlib import Path
from tests.rules import faults, trials
trials.write(Path(sys.argv[1]) / "sound", faults.nothing, reduced=False)
trials.write(Path(sys.argv[1]) / "faulty", faults.with_nan, reduced=False)
"""


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`sound`, and `faulty` with a NaN in a weight: 96 steps, by smdebug's own writer."""
    directory = tmp_path_factory.mktemp("trials")
    done = run_python("-c", WRITE, directory)
    assert done.returncode == 0, done.stderr
    return directory


def statuses(document: dict[str, Any]) -> dict[str, str]:
    return {result["rule"]: result["status"] for result in document["rules"]}


def content(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


def test_a_sound_trial_is_a_table_and_exit_code_0(slipway: Slipway, trials: Path):
    done = slipway("debug", trials / "sound")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"{trials / 'sound'}: 96 saved steps"
    assert [line.split() for line in lines[2:4]] == [
        ["PoorWeightInitialization", "NoIssuesFound"],
        ["VanishingGradient", "NoIssuesFound"],
    ]
    assert "IssuesFound" not in done.stdout.replace("NoIssuesFound", "")


def test_what_fires_is_shown_written_and_exit_code_3(slipway: Slipway, trials: Path, tmp_path: Path):
    job = tmp_path / "job"
    shutil.copytree(trials / "faulty", job / "output" / "tensors")
    before, output = content(job), tmp_path / "debug-findings.json"
    done = slipway("debug", job, "--output", output)
    assert (done.returncode, done.stderr) == (3, "")
    assert "ExplodingTensor           IssuesFound       1 finding" in done.stdout
    assert "EVAL step 8  Net_high.weight: the tensor holds nan" in done.stdout
    assert "What to do: lower opt-learning-rate" in done.stdout
    assert content(job) == before, "nothing is written into the trial"
    document = json.loads(output.read_text())
    assert (document["format_version"], document["ended"], document["notes"]) == (1, True, [])
    assert statuses(document)["ExplodingTensor"] == "IssuesFound"
    finding = next(result for result in document["rules"] if result["findings"])["findings"][0]
    assert {"step": 8, "mode": "EVAL", "tensor": "Net_high.weight", "value": "nan"}.items() <= finding.items()
    assert "opt-learning-rate" in finding["message"]


def test_a_job_is_followed_to_its_end(slipway: Slipway, trials: Path, tmp_path: Path):
    """Findings are printed while the job still goes on."""
    growing = tmp_path / "job" / "output" / "tensors"
    grow(trials / "faulty", growing, range(70))
    command = [sys.executable, "-m", "slipway", "debug", str(tmp_path / "job"), "--follow", "--rule", "ExplodingTensor"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        first = process.stdout.readline()
        assert first == "ExplodingTensor  EVAL step 8  Net_high.weight  the tensor holds nan\n"
        grow(trials / "faulty", growing, range(70, 96))
        (growing / "training_job_end.ts").touch()
        rest = process.stdout.read()
    assert process.returncode == 3
    assert f"{growing}: 96 saved steps\n" in rest
    assert "(at 2 steps, the last TRAIN step 50)" in rest


def test_following_ends_with_ctrl_c_and_what_was_found(trials: Path, tmp_path: Path):
    growing = tmp_path / "tensors"
    grow(trials / "faulty", growing, range(70))
    command = [sys.executable, "-m", "slipway", "debug", str(growing), "--follow"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("ExplodingTensor")
        process.send_signal(signal.SIGINT)
        rest, errors = process.communicate()
    assert (process.returncode, errors) == (3, "")
    assert "training has not ended, or was cut off" in rest
    assert "ExplodingTensor           IssuesFound" in rest


def grow(whole: Path, part: Path, steps: range) -> None:
    """Copy some steps of a trial, each as the hook writes it: the events before their index."""
    shutil.copytree(whole / "collections", part / "collections", dirs_exist_ok=True)
    for step in steps:
        for folder in ("events", "index"):
            for file in (whole / folder).rglob(f"{step:012d}_*"):
                target = part / file.relative_to(whole)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, target.with_suffix(".unfinished"))
                target.with_suffix(".unfinished").replace(target)


def test_a_trial_in_s3_is_judged_where_it_is(slipway: Slipway, trials: Path, aws_account: str, tmp_path: Path):
    bucket = boto3.resource("s3").create_bucket(
        Bucket="my-dogs", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    part = tmp_path / "part"
    grow(trials / "faulty", part, range(46, 62))
    (part / "training_job_end.ts").touch()
    for file in part.rglob("*"):
        if file.is_file() and not file.match("000000000050/*.tfevents"):
            bucket.upload_file(str(file), f"jobs/dogs-1/debug-output/{file.relative_to(part)}")
    address = "s3://my-dogs/jobs/dogs-1/debug-output"
    done = slipway("debug", address, "--region", "eu-west-1", "--json", "--start-step", 48)
    assert done.returncode == 3, done.stderr
    document = json.loads(done.stdout)
    assert (document["trial"], document["ended"], document["steps"]) == (address, True, 14)
    assert statuses(document)["ExplodingTensor"] == "IssuesFound"
    assert "000000000050_worker_0.tfevents" in document["notes"][0]

    missing = slipway("debug", "s3://no-such-bucket/jobs")
    assert missing.returncode == 1
    assert missing.stderr.startswith("Error: s3://no-such-bucket/jobs cannot be read: ")


def test_without_smdebug_it_says_how_to_get_it(slipway: Slipway, trials: Path, tmp_path: Path):
    named = slipway("debug", trials / "sound", env={"SLIPWAY_SMDEBUG_PYTHON": str(tmp_path / "python")})
    assert named.returncode == 1
    assert f"SLIPWAY_SMDEBUG_PYTHON names {tmp_path / 'python'}, which is not a file" in named.stderr


def test_the_environment_of_a_checkout_is_made_by_the_command_that_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
):
    from slipway.debug import environment
    from slipway.errors import JobError

    monkeypatch.delenv(environment.VARIABLE, raising=False)
    monkeypatch.setattr(environment, "CHECKOUT", tmp_path)
    with pytest.raises(JobError, match=r"docker/venv\.sh smdebug"):
        environment.smdebug_python()
    python = tmp_path / ".venv-smdebug" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.touch()
    assert environment.smdebug_python() == python


def test_the_built_in_rules_are_listed_with_their_parameters(slipway: Slipway):
    done = slipway("debug", "--list")
    assert (done.returncode, done.stderr) == (0, "")
    assert "VanishingGradient: fires if" in done.stdout
    assert "  threshold=1e-07  Smallest mean of a gradient's absolute values." in done.stdout


def test_the_rule_that_the_documentation_shows_works(slipway: Slipway, trials: Path, tmp_path: Path):
    page = (Path(__file__).parents[3] / "docs" / "debugging.md").read_text()
    code = next(block for block in page.split("```python\n")[1:] if "(Rule)" in block).partition("```")[0]
    file = tmp_path / "large_gradient.py"
    file.write_text(code)
    chosen = ("debug", trials / "sound", "--rule", f"{file}:LargeGradient", "--parameter")
    assert slipway(*chosen, "limit=0").returncode == 3
    assert slipway(*chosen, "limit=1e9").returncode == 0
