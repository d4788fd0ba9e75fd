"""What records may look like: SageMaker's, cut off in the middle, damaged, of another version."""

import json
from pathlib import Path

import pytest

from container.contract.errors import ReportError
from container.report.analyses import analyse
from container.report.profile_reading import read_profile
from container.report.training_record import read_training
from tests.report.records import T0, PlannedJob, write_system, write_training

# As a job on SageMaker left them: two cores, one GPU, and what the agent samples beside them.
SAGEMAKER = """\
{"Type":"memory","Name":"MemoryUsedPercent","Dimension":"","Value":6.18,"NodeId":"algo-1","Timestamp":1733636919.508406}
{"Type":"i/o","Name":"IOPS","Dimension":"","Value":0,"NodeId":"algo-1","Timestamp":1733636920.00899}
{"Type":"i/o","Name":"ReadThroughputInBytesPerSecond","Dimension":"","Value":8970700.56,"NodeId":"algo-1","Timestamp":1733636920.00899}
{"Type":"cpu","Name":"cpu0","Dimension":"CPUUtilization","Value":98,"NodeId":"algo-1","Timestamp":1733636920.00909}
{"Type":"cpu","Name":"cpu0","Dimension":"I/OWaitPercentage","Value":14,"NodeId":"algo-1","Timestamp":1733636920.00909}
{"Type":"cpu","Name":"cpu1","Dimension":"CPUUtilization","Value":89.58,"NodeId":"algo-1","Timestamp":1733636920.00909}
{"Type":"network","Name":"ReceiveBytesPerSecond","Dimension":"Algorithm","Value":0,"NodeId":"algo-1","Timestamp":1733636920.013693}
{"Type":"gpu","Name":"gpu0","Dimension":"GPUUtilization","Value":37,"NodeId":"algo-1","Timestamp":1733636920.02}
"""


def test_sagemakers_system_metrics_are_read_as_its_agent_writes_them(tmp_path: Path):
    file = tmp_path / "system" / "incremental" / "2024120805" / "1733636880.algo-1.json"
    file.parent.mkdir(parents=True)
    file.write_text(SAGEMAKER)
    profile = read_profile(tmp_path)
    assert not profile.own
    assert profile.has_gpu
    (core,) = profile.select("cpu", "CPUUtilization", "cpu0")
    assert (core.node, core.times.tolist(), core.values.tolist()) == ("algo-1", [1733636920.00909], [98])
    assert profile.select("i/o", name="ReadThroughputInBytesPerSecond")[0].values[0] == 8970700.56
    assert profile.select("memory")[0].name == "MemoryUsedPercent"


def test_a_job_of_sagemakers_with_an_idle_gpu_is_judged_without_its_settings(tmp_path: Path):
    system = {
        ("gpu", "gpu0", "GPUUtilization"): lambda share: 0.0 if share < 0.2 else 30.0,
        ("gpu", "gpu0", "GPUMemoryUtilization"): lambda share: 85.0,
        ("cpu", "cpu0", "CPUUtilization"): lambda share: 60.0,
    }
    write_system(tmp_path, system, T0, T0 + 60, 0.5)
    # smdebug's timeline of steps, whose file has not been closed.
    events = [
        {"name": "process_name", "ph": "M", "pid": 0, "args": {"start_time_since_epoch_in_micros": int(T0 * 1e6)}}
    ]
    for number in range(40):
        event = {"name": "Step:ModeKeys.TRAIN", "pid": 1, "ph": "X", "ts": 12_000_000 + number * 1_000_000}
        events.append({**event, "dur": 900_000, "args": {"pid": 9, "step_num": str(number)}})
    timeline = (
        tmp_path / "framework" / "pevents" / "2023111422" / f"{int((T0 + 52) * 1e6)}_9-algo-1_pythontimeline.json"
    )
    timeline.parent.mkdir(parents=True)
    timeline.write_text("[\n" + ",\n".join(json.dumps(event) for event in events) + ',\n{"name": "Step:Mo')
    profile = read_profile(tmp_path)
    assert profile.training_started == pytest.approx(T0 + 12)
    assert profile.steps[0].wall.tolist() == pytest.approx([0.9] * 40)
    findings = {finding.rule: finding for finding in analyse(profile)}
    assert [rule for rule, finding in findings.items() if finding.fired] == ["LowGPUUtilization"]
    assert findings["Dataloader"].status == "no data"


def test_the_last_line_may_be_cut_off(tmp_path: Path):
    directory = PlannedJob(epochs=1).write(tmp_path / "profile")
    files = [directory / "steps" / "rank-00000.jsonl", *(directory / "system").rglob("*.json")]
    for file in files:
        file.write_text(file.read_text()[:-15])
    assert len(read_profile(directory).steps[0]) == 49


def test_a_job_that_was_interrupted_before_its_first_step_has_a_report(tmp_path: Path):
    directory = PlannedJob(epochs=1).write(tmp_path / "profile")
    card = json.loads((directory / "profile.json").read_text())
    (directory / "profile.json").write_text(json.dumps({**card, "training_started": None}))
    (directory / "steps" / "rank-00000.jsonl").unlink()
    assert [finding.rule for finding in analyse(read_profile(directory)) if finding.fired] == []


def test_no_directory(tmp_path: Path):
    with pytest.raises(ReportError, match=r"there is no directory .*/absent; a job writes it with profile=true"):
        read_profile(tmp_path / "absent")


def test_an_empty_directory(tmp_path: Path):
    with pytest.raises(ReportError, match=r"neither profile\.json.* It holds: nothing"):
        read_profile(tmp_path)


def test_another_version(tmp_path: Path):
    directory = PlannedJob(epochs=1).write(tmp_path / "profile")
    (directory / "profile.json").write_text('{"format_version": 2}')
    with pytest.raises(ReportError, match=r"profile\.json: format_version is 2; this version of Slipway reads 1"):
        read_profile(directory)


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("profile.json", "{", "cannot be read as JSON"),
        ("profile.json", "[]", "is not a JSON object"),
        ("profile.json", '{"format_version": 1, "job": ""}', "the field 'started' is missing"),
        ("steps/rank-00000.jsonl", "[1, 2]\n[3]\n", "does not name the columns"),
        ("steps/rank-00000.jsonl", "nonsense\n[1]\n", "line 1 is damaged"),
        (
            "steps/rank-00000.jsonl",
            '{"columns": ["step","epoch","start","wall","pictures"]}\n[1]\n',
            "does not have the 5",
        ),
        ("system/incremental/2023111422/0.algo-1.json", '{"Type": "cpu"}\n', "SageMaker's system metrics"),
    ],
)
def test_damaged_files_are_named(tmp_path: Path, file: str, text: str, says: str):
    directory = PlannedJob(epochs=1).write(tmp_path / "profile")
    (directory / file).write_text(text)
    with pytest.raises(ReportError, match=says) as found:
        read_profile(directory)
    assert file.rpartition("/")[2] in str(found.value)


def test_without_metrics_nothing_was_learnt(tmp_path: Path):
    with pytest.raises(ReportError, match=r"there is no metrics\.jsonl"):
        read_training(tmp_path)


def test_an_untested_job_has_its_curves(tmp_path: Path):
    (tmp_path / "metrics.jsonl").write_text(
        '{"epoch": 1, "train_loss": 2, "eval_loss": 1.5, "eval_accuracy": 40, "learning_rate": 0.001}\n'
    )
    record = read_training(tmp_path)
    assert (record.best_epoch, record.test, record.classes) == (1, {}, ())


@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("metrics.jsonl", '{"epoch": 1}\n', "has no number for train_loss"),
        ("metrics.jsonl", "[1]\n", "a line is not a JSON object"),
        ("confusion_matrix.csv", "t,a,b\na,1,0\n", "was it cut off"),
        ("confusion_matrix.csv", "t,a\na,x\n", "cannot be read as a confusion matrix"),
        ("per_class.csv", "class,size\n", "cannot be read as a table of the classes"),
        ("job.json", '{"format_version": 7}', "format_version is 7"),
        ("mistakes/mistakes.json", '{"format_version": 1}', "is damaged"),
        ("debug-findings.json", '{"format_version": 1, "rules": [{}]}', "is damaged"),
    ],
)
def test_damaged_outputs_are_named(tmp_path: Path, file: str, text: str, says: str):
    write_training(tmp_path)
    (tmp_path / file).write_text(text)
    with pytest.raises(ReportError, match=says) as found:
        read_training(tmp_path)
    assert str(tmp_path / file) in str(found.value)
