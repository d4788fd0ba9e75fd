"""`slipway tune` on this machine: trials through the real launcher, interrupted, pruned, failed, and gone on with."""

import json
import re
import shutil
import signal
import subprocess
import sys
import tarfile

import optuna
import pytest
import yaml

from container.contract.errors import UserError
from slipway.datasets.folder import find_splits
from slipway.options.exit_codes import ExitCode
from slipway.requests.objective import objective
from slipway.requests.search_space import parse_range
from slipway.tune.journal import lock_study, open_study, read_study
from slipway.tune.study import run_study
from slipway.tuning.plan import Plan, keep_plan, read_plan
from tests.slipway.slipway_runs import descendants, still_running

QUICK = ("--weights", "none", "--image-size", "32")
SMALL = ("--model-type", "resnet18", *QUICK)
GRID = (
    *QUICK, "--epochs", 2, "--opt-learning-rate", 1e-3, "--strategy", "Grid",
    "--range", "model-type=test_resnet,test_vit", "--range", "batch-size=8,1000",
)  # fmt: skip


@pytest.fixture(scope="module")
def grid(colours, slipway, tmp_path_factory):
    """A study of four trials, of which two must fail: there are only 24 pictures."""
    directory = tmp_path_factory.mktemp("studies") / "grid"
    done = slipway("tune", colours, *GRID, "--study-dir", directory)
    assert done.returncode == 0, done.stderr
    return directory, done.stdout


def test_trials_are_ranked_and_the_failed_ones_have_their_reason(grid):
    _, output = grid
    table = output[output.index("   trial") :].splitlines()
    titles = ["trial", "eval_loss_epoch", "model-type", "batch-size", "epochs", "run", "time", "status"]
    assert table[0].split() == titles
    ended = [line.split() for line in table[1:3]]
    assert [row[0] for row in ended] == ["1", "2"]
    assert float(ended[0][2]) <= float(ended[1][2])
    assert {(row[3], row[4]) for row in ended} == {("test_resnet", "8"), ("test_vit", "8")}
    assert all(line.endswith("failed") for line in table[3:5])
    assert len(re.findall(r"^trial-\d+ failed: training failed \(exit code 1\): .*batch-size", output, re.M)) == 2


def test_only_the_best_trial_keeps_its_model_and_it_is_packed(grid):
    directory, output = grid
    (kept,) = [path.parent.parent for path in directory.glob("*/model/model.safetensors")]
    assert re.search(rf"^Best: {kept.name}, eval_loss_epoch [\d.]+$", output, re.M)
    assert f"Next: slipway serve {kept}" in output
    with tarfile.open(kept / "output" / "model.tar.gz") as tar:
        assert {"model.json", "model.onnx"} <= {*tar.getnames()}
    assert output.count("exported model.onnx") == 1
    for log in directory.glob("*/train.log"):
        assert "exported" not in log.read_text(), "the trials themselves export nothing"
    assert len(list(directory.glob("*/output/data/metrics.jsonl"))) == 2


def test_the_page_and_the_report_of_a_study(grid, slipway_here, tmp_path):
    directory, _ = grid
    assert (directory / "tuning.html").is_file()
    done = slipway_here("tune", "--report", directory, "--output", tmp_path / "again.html")
    assert done.returncode == 0, done.stderr
    assert "Best: trial-" in done.stdout
    assert "training-report.html" in (tmp_path / "again.html").read_text()


def test_with_json_the_standard_output_is_the_trials_alone(grid, slipway_here, tmp_path):
    directory, _ = grid
    done = slipway_here("tune", "--report", directory, "--json", "--output", tmp_path / "again.html")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["objective"] == {"metric": "eval_loss_epoch", "goal": "Minimize"}
    assert found["best"] == found["trials"][0]["name"]
    assert {trial["status"] for trial in found["trials"]} == {"completed", "failed"}
    assert "Best: trial-" in done.stderr


def test_json_of_a_sweep_is_wrong_usage(slipway_here):
    done = slipway_here("tune", "s3://my-dogs/dogImages", "--wandb", "--json")
    assert done.returncode == 2
    assert "--json prints the trials, and a sweep has none yet" in done.stderr


def test_a_trials_objective_is_that_of_the_best_epoch_whose_model_is_kept(grid):
    directory, output = grid
    best = read_study(directory).best
    assert best.objective == min(best.curve)
    assert f"  {read_study(directory).chance}\n" in output
    assert re.search(r"\b\d+ test pictures\b", output)
    card = json.loads((directory / best.name / "model" / "model.json").read_text())
    assert card["training"]["evaluation"]["eval_loss"] == pytest.approx(best.objective)


def test_other_settings_do_not_get_into_a_study(grid, colours, slipway_here):
    directory, _ = grid
    done = slipway_here(
        "tune", colours, *SMALL, "--range", "batch-size=8,12", "--strategy", "Grid", "--study-dir", directory
    )
    assert done.returncode == 1
    assert f"the study in {directory} has other settings: ranges, " in done.stderr
    assert "batch-size was 8,1000 and is 8,12" in done.stderr


def test_the_same_study_tries_again_what_failed_and_nothing_else(grid, colours, tmp_path):
    directory, _ = grid
    again, told = shutil.copytree(directory, tmp_path / "study", symlinks=True), []
    run_study(read_plan(again), 4, find_splits(colours), again, say=told.append)
    assert [line.partition(" ")[2] for line in told if " with " in line] == [
        "trial-004: training with model-type test_resnet, batch-size 1000",
        "trial-005: training with model-type test_vit, batch-size 1000",
    ]


def test_two_processes_cannot_run_one_study(grid):
    directory, _ = grid
    with (
        lock_study(directory),
        pytest.raises(UserError, match="another process is running the study"),
        lock_study(directory),
    ):
        pass


def test_ctrl_c_keeps_the_trial_and_the_same_command_goes_on_with_it(colours, tmp_path):
    study = tmp_path / "study"
    command = [sys.executable, "-m", "slipway", "tune", colours, *SMALL, "--batch-size", "8", "--verbose"]
    command += ["--range", "epochs=9000:9999", "--max-jobs", "2", "--study-dir", study]
    command += ["--opt-learning-rate", "1e-3", "--opt-weight-decay", "1e-4", "--checkpoint-every", "10000"]

    def run_until(text: str, number: signal.Signals) -> str:
        with subprocess.Popen(list(map(str, command)), stdout=-1, stderr=-1, text=True) as process:
            seen = []
            for line in process.stdout:
                seen.append(line)
                if text in line:
                    break
            started = descendants(process)
            process.send_signal(number)
            rest, errors = process.communicate()
        assert process.returncode == 128 + number, errors
        assert started
        assert not still_running(started)
        assert "Stopped; 0 of 2 trials have finished." in rest
        assert f"Next: the same command with --study-dir {study} continues from there" in rest
        return "".join(seen)

    first = run_until("EVAL: ", signal.SIGINT)
    assert "[1/2] trial-000: training with epochs 9" in first
    second = run_until("sagemaker-training-toolkit", signal.SIGTERM)
    assert "[1/2] trial-000: resuming with epochs 9" in second
    assert first.splitlines()[1] == second.splitlines()[1].replace("resuming", "training")
    (trial,) = read_study(study).trials
    assert trial.status == "running"


@pytest.fixture
def plan() -> Plan:
    space = dict([parse_range("opt-learning-rate=1e-5:1e-4")])
    fixed = {"model-type": "test_resnet", "weights": "none", "image-size": "32", "batch-size": "8", "epochs": "5000"}
    return Plan(
        objective=objective("eval_loss_epoch"),
        strategy="Bayesian",
        space=space,
        fixed={**fixed, "checkpoint-every": "10000", "export": "false"},
        seed=0,
        early_stopping=True,
    )


def test_a_trial_that_falls_behind_the_median_is_stopped_early(plan, colours, trained, tmp_path):
    channels, study, told = find_splits(colours), tmp_path / "study", []
    keep_plan(plan, channels, study)
    for _ in range(4):
        open_study(study, plan).add_trial(
            optuna.create_trial(
                params={"opt-learning-rate": 5e-5},
                distributions={"opt-learning-rate": optuna.distributions.FloatDistribution(1e-5, 1e-4, log=True)},
                intermediate_values=dict.fromkeys(range(1, 9), 1e-06),
                value=1e-6,
            )
        )
    best = shutil.copytree(trained.directory / "model", study / "trial-000" / "model")
    (best / "model.onnx").unlink()
    run = run_study(plan, 5, channels, study, say=told.append)
    pruned = run.tuning.trials[4]
    assert pruned.status == "stopped early"
    assert 2 <= len(pruned.curve) < 5000
    assert re.fullmatch(r"\[5/5\] trial-004: eval_loss_epoch [\d.]+, stopped early after \d+ epochs", told[-1])
    assert run.best_job.path == study / "trial-000"
    assert not (best / "model.onnx").exists(), "export is false"


def test_a_study_whose_trials_all_fail_says_why_and_has_values_of_the_ranges(colours, slipway, tmp_path):
    study = tmp_path / "study"
    done = slipway(
        *("tune", colours, *SMALL, "--batch-size", 1000, "--max-jobs", 9, "--study-dir", study),
        *("--strategy", "Random", "--range", "opt-weight-decay=0:0.3", "--range", "mixup=0,0.2"),
    )
    assert done.returncode == ExitCode.JOB_FAILED
    assert "The first 3 trials all failed; no more are started." in done.stdout
    assert re.search(
        r"Error: every trial of the study in .* failed; the last one, trial-002: .*batch-size", done.stderr
    )
    assert "Traceback" not in done.stderr
    for trial in read_study(study).trials:
        written = json.loads((study / trial.name / "input/config/hyperparameters.json").read_text())
        assert 0 <= float(written["opt-weight-decay"]) <= 0.3
        assert float(written["mixup"]) in (0, 0.2)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ((), 2, "Name the data"),
        (("DATA", "--dry-run"), 2, "--dry-run is for SageMaker: add --instance-type"),
        (("DATA", "--range", "epoch=1:2"), 1, "there is no hyperparameter epoch; did you mean epochs"),
        (
            ("DATA", "--range", "model-type=resnet18,test_rennet", "--weights", "none"),
            1,
            "no network 'test_rennet' in timm .*; the nearest are test_resnet",
        ),
        (("DATA", "--weights", "none", "--range", "probe=off,first"), 1, "probe is first, but weights is none"),
        (("DATA", "--range", "epochs=1:2", "--range", "epochs=3:4"), 1, "has two ranges"),
        (("DATA", "--objective", "test_loss"), 1, "on this machine the objective is one of eval_loss_epoch, eval_acc"),
        (("DATA", "--strategy", "Hyperband", "--early-stopping", "Auto"), 1, "Hyperband stops trials itself"),
        (("DATA", "--study-dir", "/proc/study"), 1, "the study directory /proc/study cannot be written"),
        (("DATA", "--study-dir", "DATA"), 1, "holds something other than a study .test, train, valid."),
        (("DATA", "--wandb", "--output", "/proc/sweep.yaml"), 1, "/proc/sweep.yaml cannot be written"),
        (
            ("DATA", "--wandb", "--objective", "test_loss"),
            1,
            "a sweep needs a metric that is logged after each epoch",
        ),
        (
            ("DATA", "--instance-type", "ml.m5.large", "--region", "us-east-1"),
            2,
            "is not an S3 address; upload it first",
        ),
        (("DATA", "--instance-type", "local", "--image", "slipway:train"), 1, "local mode has no tuning jobs"),
        (("--report", "DATA"), 1, "study.json cannot be read as a study's"),
    ],
)
def test_what_cannot_be_is_refused_with_one_paragraph(arguments, code, message, colours, slipway_here, tmp_path):
    given = [colours if argument == "DATA" else argument for argument in arguments]
    done = slipway_here("tune", *given, cwd=tmp_path)
    assert done.returncode == code
    assert re.search(message, done.stderr), done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.iterdir())


def test_a_dry_run_prints_the_tuning_job_and_needs_no_credentials(slipway_here, tmp_path):
    done = slipway_here(
        *("tune", "s3://my-dogs/dogImages", "--instance-type", "ml.g4dn.xlarge", "--dry-run", "--region", "us-east-1"),
        *("--role", "arn:aws:iam::111122223333:role/slipway", "--model-type", "resnet18", "--seed", 3),
        *("--image", "111122223333.dkr.ecr.us-east-1.amazonaws.com/slipway:train", "--range", "epochs=5:10"),
        *("--warm-start", "earlier", "--max-jobs", 4),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout[done.stdout.index("{") :])["sagemaker:CreateHyperParameterTuningJob"]
    config = made["HyperParameterTuningJobConfig"]
    assert config["ResourceLimits"] == {"MaxNumberOfTrainingJobs": 4, "MaxParallelTrainingJobs": 2}
    assert [entry["Name"] for entry in config["ParameterRanges"]["IntegerParameterRanges"]] == ["epochs"]
    assert config["RandomSeed"] == 3
    assert made["WarmStartConfig"]["WarmStartType"] == "IdenticalDataAndAlgorithm"
    assert made["TrainingJobDefinition"]["StaticHyperParameters"] == {"model-type": "resnet18", "seed": "3"}


def test_a_sweep_is_what_weights_and_biases_reads_and_its_command_trains(colours, slipway, tmp_path):
    # Only here: importing it takes each process that collects the tests four seconds.
    from wandb.sdk.launch.sweeps.utils import create_sweep_command_args, load_sweep_config

    done = slipway(
        *("tune", colours, "--wandb", *QUICK, "--batch-size", 8, "--export", "false", "--max-jobs", 5),
        *("--model-type", "test_vit", "--range", "drop-path=0:0.3", "--range", "augmentation=light,none"),
        *("--range", "epochs=1:3", "--range", "opt-learning-rate=1e-4:1e-3"),
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "Next: wandb sweep --project slipway sweep.yaml" in done.stdout
    sweep = load_sweep_config(str(tmp_path / "sweep.yaml"))
    assert sweep == yaml.safe_load((tmp_path / "sweep.yaml").read_text())
    assert (sweep["method"], sweep["run_cap"]) == ("bayes", 5)
    assert sweep["metric"] == {"name": "eval_loss_epoch", "goal": "minimize"}
    assert sweep["early_terminate"] == {"type": "hyperband", "min_iter": 1, "eta": 3}
    assert sweep["parameters"] == {
        "epochs": {"distribution": "int_uniform", "min": 1, "max": 3},
        "opt-learning-rate": {"distribution": "log_uniform_values", "min": 1e-4, "max": 1e-3},
        "augmentation": {"values": ["light", "none"]},
        "drop-path": {"distribution": "uniform", "min": 0, "max": 0.3},
    }
    assert sweep["command"][:3] == ["${env}", "${program}", "train"]
    # What the agent makes of it.
    chosen = {"epochs": 1, "opt-learning-rate": 3.2e-4, "augmentation": "none", "drop-path": 0.1}
    given = {"args": {name: {"value": value} for name, value in chosen.items()}}
    arguments = create_sweep_command_args(given)["args"]
    done = slipway(*sweep["command"][2:-1], *arguments, cwd=tmp_path, env={"WANDB_MODE": "offline"})
    assert done.returncode == 0, done.stderr
    assert "epoch 1/1" in done.stdout
