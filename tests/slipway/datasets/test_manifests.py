"""Folders with a manifest in the commands: explore, upload, train."""

import json
import shutil

import boto3
import pytest
from click.testing import CliRunner

from container.contract.errors import DataError
from slipway.cli import cli
from slipway.explore import examine, look_at, render_page, scan
from slipway.upload import upload
from tests.slipway.conftest import COLOURS, paint
from tests.slipway.slipway_runs import EPOCHS, SMALL

REGION = "eu-west-1"


@pytest.fixture
def kaggle(tmp_path):
    """Pictures as Kaggle gives them: labels.csv, train/ with labelled pictures, and test/ without."""
    folder = tmp_path / "kaggle"
    rows = ["id,breed"]
    for number, (label, colour) in enumerate([*COLOURS.items()] * 2):
        paint(folder / "train" / f"{number:03d}.png", colour, seed=number)
        rows.append(f"{number:03d},{label}")
    paint(folder / "test" / "900.png", COLOURS["red"], seed=900)
    (folder / "labels.csv").write_text("\n".join(rows))
    return folder


def run(*arguments: object) -> str:
    done = CliRunner().invoke(cli, [*map(str, arguments)])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


def test_explore_takes_the_labels_and_names_the_differences(kaggle, tmp_path):
    text = run("data", "explore", kaggle, "--weights", "none", "--output", tmp_path / "page.html")
    assert "all: 6 pictures, 3 classes" in text
    assert "notice: all: labels.csv: the files are taken from 'id', the labels from 'breed'." in text
    assert "notice: all: 1 file left out, as labels.csv does not name them: test/900.png." in text
    assert "the manifest does not name it; training ignores it" in (tmp_path / "page.html").read_text()
    with (kaggle / "labels.csv").open("a") as file:
        file.write("\n777,red\n")
    (kaggle / "train" / "000.png").write_bytes(b"")
    dataset = scan(kaggle)
    findings = examine(dataset)
    assert findings.counts["all"] == {"blue": 2, "green": 2, "red": 1}
    problems = [remark.text for remark in findings.remarks if remark.level == "problem"]
    assert problems[0] == (
        f"{kaggle}/labels.csv names 1 file of 7 that is not below its folder: 777 (line 8). "
        "Training refuses that: add the files, or remove their lines."
    )
    assert problems[1].startswith("1 file cannot be read")
    assert "train/000.png" in render_page(dataset, findings, look_at(dataset, embeddings=False))


def test_explore_tells_classes_by_manifests_and_folders_alike(colours, tmp_path):
    data = shutil.copytree(colours, tmp_path / "data")
    rows = [f"{path.relative_to(data / 'valid')},{path.parent.name}" for path in (data / "valid").glob("*/*.png")]
    (data / "valid" / "labels.csv").write_text("\n".join(["file,label", *rows]))
    by_folders, by_manifest = (examine(scan(folder)) for folder in (colours, data))
    assert by_manifest.counts == by_folders.counts
    assert by_manifest.missing == by_folders.missing


def test_upload_sends_the_manifest_and_what_it_names(kaggle, aws_account):
    text = run("data", "upload", kaggle, "s3://my-dogs", "--dry-run")
    assert "s3://my-dogs/dogImages/labels.csv" in text
    assert "note: skipped 1 files that no manifest names, the first " in text
    assert "7 files, " in text
    configuration = {"LocationConstraint": REGION}
    s3 = boto3.client("s3", region_name=REGION)
    s3.create_bucket(Bucket="my-dogs", CreateBucketConfiguration=configuration)
    done = upload(kaggle, "s3://my-dogs/data", region=REGION)
    assert (done.sent, done.unnamed) == (7, [kaggle / "test" / "900.png"])
    keys = [item["Key"] for item in s3.list_objects_v2(Bucket="my-dogs")["Contents"]]
    assert keys == ["data/labels.csv", *(f"data/train/{number:03d}.png" for number in range(6))]
    (kaggle / "train" / "003.png").unlink()
    with pytest.raises(DataError, match=r"labels.csv names 1 file of 6 that is not below its folder: 003 .line 5."):
        upload(kaggle, "s3://my-dogs/data", region=REGION)


def test_each_split_may_have_a_manifest_of_its_own(kaggle, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(kaggle, data / "train")
    paint(data / "valid" / "x" / "1.png", COLOURS["red"], seed=1)
    (data / "notes.txt").write_text("sent, as it lies beside the channels")
    text = run("data", "upload", data, "s3://my-dogs", "--dry-run")
    sent = [line.partition("dogImages/")[2].partition(" ")[0] for line in text.splitlines() if "dogImages/" in line]
    assert sent == ["notes.txt", "train/labels.csv", *(f"train/train/00{n}.png" for n in range(6)), "valid/x/1.png"]


def test_a_model_by_manifests_equals_that_by_class_folders(trained, colours, slipway, tmp_path):
    data = tmp_path / "data"
    for split in ("train", "valid", "test"):
        lines = []
        for file in sorted((colours / split).glob("*/*.png")):
            (data / split / "pictures" / f"of {file.parent.name}").mkdir(parents=True, exist_ok=True)
            copy = shutil.copy(file, data / split / "pictures" / f"of {file.parent.name}" / file.name)
            address = f"s3://my-dogs/{copy.relative_to(data)}"
            about = {"class-name": file.parent.name, "type": "groundtruth/image-classification"}
            lines.append(json.dumps({"source-ref": address, "colour": 0, "colour-metadata": about}) + "\n")
        (data / split / "output.manifest").write_text("".join(reversed(lines)))
    job = tmp_path / "job"
    options = (*SMALL, "--epochs", EPOCHS, "--opt-learning-rate", 1e-2, "--seed", 1)
    done = slipway("train", data, "--job-dir", job, *options)
    assert done.returncode == 0, done.stderr
    weights = [(each / "model" / "model.safetensors").read_bytes() for each in (job, trained.directory)]
    assert weights[0] == weights[1]
    assert (
        "the train channel: output.manifest: the files are taken from 'source-ref'" in (job / "train.log").read_text()
    )


def test_a_kaggle_folder_is_one_channel_and_wrong_lines_are_refused(kaggle, slipway, tmp_path):
    with (kaggle / "labels.csv").open("a") as file:
        file.write("\n001,red\n")
    done = slipway("train", kaggle, "--job-dir", tmp_path / "job", *SMALL)
    assert done.returncode == 1
    assert f"{kaggle}/labels.csv gives train/001.png two labels: green (line 3) and red (line 8)" in done.stderr
    (kaggle / "labels.csv").write_text("001,red\n")
    done = slipway("train", kaggle, "--job-dir", tmp_path / "job", *SMALL)
    assert "labels.csv is not taken as a manifest: its first line is 001,red; a manifest's is the header" in done.stderr
