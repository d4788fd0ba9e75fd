"""`slipway data explore s3://…`: the job that is asked for, its program, and the page from all instances' parts."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image, ImageOps

from container.embed.files import embed_files
from container.embed.network import load_network
from container.explore.__main__ import main
from container.explore.part import read_part
from container.networks.build import build_model
from slipway.aws.connection import Aws
from tests.slipway.explore.scenes import scene_folder

ROLE = "arn:aws:iam::111122223333:role/slipway-execution"
IMAGE = "111122223333.dkr.ecr.eu-west-1.amazonaws.com/slipway:train"
ASKED = ("data", "explore", "s3://my-dogs/dogs", "--instance-type", "ml.c7i.xlarge")


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Scenes with a mirrored copy, which gets into another shard, equal files, and one that cannot be read."""
    root = scene_folder(tmp_path_factory.mktemp("data") / "dogs", per_class=12)
    train = root / "train"
    ImageOps.mirror(Image.open(train / "blue" / "0.png")).save(train / "red" / "mirrored.png")
    (root / "test" / "green" / "copy.png").write_bytes((train / "green" / "1.png").read_bytes())
    (train / "red" / "empty.png").touch()
    (train / "red" / "notes.txt").write_text("not a picture")
    return root


def write_hosts(base: Path, host: str, hosts: list[str]) -> None:
    (base / "config").mkdir(parents=True, exist_ok=True)
    (base / "config" / "resourceconfig.json").write_text(json.dumps({"current_host": host, "hosts": hosts}))


def run_host(base: Path, host: str, hosts: list[str], weights: str = "none") -> subprocess.CompletedProcess[str]:
    write_hosts(base, host, hosts)
    return subprocess.run(
        [sys.executable, "-m", "container.explore", "test_resnet", weights],
        env={**os.environ, "SAGEMAKER_BASE_DIR": str(base)},
        capture_output=True,
        text=True,
    )


def run_here(base: Path, host: str, hosts: list[str], weights: str) -> subprocess.CompletedProcess[str]:
    """Run container.explore as one host in this process, which has imported torch."""
    write_hosts(base, host, hosts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SAGEMAKER_BASE_DIR", str(base))
        return subprocess.CompletedProcess([], main(["test_resnet", weights]), stderr="")


def run_job(data: Path, folder: Path, count: int, weights: Path | None = None) -> Path:
    """Share the files out by key, run the program once for each instance, and return what they wrote, together."""
    hosts = [f"algo-{number + 1}" for number in range(count)]
    files = sorted(path for path in data.rglob("*") if path.is_file())
    for number, host in enumerate(hosts):
        base = folder / host
        for file in files[number::count]:
            copy = base / "processing" / "input" / "data" / file.relative_to(data)
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
        if weights:
            (base / "processing" / "input" / "weights").mkdir(parents=True)
            (base / "processing" / "input" / "weights" / weights.name).symlink_to(weights)
        done = run_here(base, host, hosts, weights.name) if weights else run_host(base, host, hosts)
        assert done.returncode == 0, done.stderr
        (base / "processing" / "output" / host).rename(folder / "parts" / host)
    return folder / "parts"


def upload(folder: Path, prefix: str) -> None:
    s3 = Aws(None, None).service("s3")
    for file in folder.rglob("*"):
        if file.is_file():
            s3.call("PutObject", Bucket="my-dogs", Key=f"{prefix}/{file.relative_to(folder)}", Body=file.read_bytes())


@pytest.fixture
def bucket(aws_account, planted):
    place = {"LocationConstraint": "eu-west-1"}
    Aws(None, None).service("s3").call("CreateBucket", Bucket="my-dogs", CreateBucketConfiguration=place)
    upload(planted, "dogs")


@pytest.mark.parametrize("count", [1, 2])
def test_merged_parts_are_what_one_machine_finds(planted, bucket, slipway_here, tmp_path, count):
    (tmp_path / "job" / "parts").mkdir(parents=True)
    parts = run_job(planted, tmp_path / "job", count)
    upload(parts, "jobs/explore/parts")
    read_by = {name: folder.name for folder in parts.iterdir() for name in read_part(folder).facts}
    assert len({read_by["train/blue/0.png"], read_by["train/red/mirrored.png"]}) == count
    there = slipway_here(
        *("data", "explore", "s3://my-dogs/dogs", "--parts", "s3://my-dogs/jobs/explore/parts"),
        *("--output", tmp_path / "there.html", "--write", tmp_path / "there.csv"),
    )
    assert there.returncode == 0, there.stderr
    here = slipway_here(
        *("data", "explore", planted, "--weights", "none"),
        *("--output", tmp_path / "here.html", "--write", tmp_path / "here.csv"),
    )
    assert here.returncode == 0, here.stderr
    assert (tmp_path / "there.csv").read_text() == (tmp_path / "here.csv").read_text()
    assert "train/red/mirrored.png,near-duplicate,red,,train/blue/0.png" in (tmp_path / "there.csv").read_text()
    remarks = [line for line in here.stdout.splitlines() if line.startswith(("problem", "notice", "good", "train"))]
    assert len(remarks) > 3
    assert [line for line in there.stdout.splitlines() if line in remarks] == remarks
    page = (tmp_path / "there.html").read_text()
    assert "s3://my-dogs/dogs/" in page
    assert page.count("data:image/webp") == (tmp_path / "here.html").read_text().count("data:image/webp")


def test_the_command_waits_for_the_job_and_merges_what_it_wrote(planted, bucket, slipway_here, tmp_path):
    (tmp_path / "job" / "parts").mkdir(parents=True)
    upload(run_job(planted, tmp_path / "job", 1), "jobs/explore/parts")
    done = slipway_here(
        *(*ASKED, "--name", "explore", "--role", ROLE, "--image", "registry.example.com/slipway:train"),
        *("--weights", "none", "--output", tmp_path / "there.html"),
    )
    assert done.returncode == 0, done.stderr
    assert "Started the processing job explore" in done.stdout
    assert "processing-jobs/explore" in done.stdout
    assert "labels are probably wrong" in done.stdout or "near-duplicate pairs" in done.stdout
    assert (tmp_path / "there.html").is_file()


def test_embeddings_of_several_instances_are_in_the_pictures_order(planted, tmp_path):
    torch.manual_seed(0)
    weights = tmp_path / "test_resnet.pth"
    torch.save(build_model("test_resnet", 1000).state_dict(), weights)
    network = load_network("test_resnet", weights)
    (tmp_path / "job" / "parts").mkdir(parents=True)
    for folder in run_job(planted, tmp_path / "job", 2, weights).iterdir():
        part = read_part(folder)
        paths = [planted / name for name, facts in part.facts.items() if not isinstance(facts, str)]
        embed_files(network, paths[::-1], tmp_path / "backward.npy", lambda _: None)
        assert part.summary.text == "test_resnet, test_resnet.pth"
        assert np.allclose(part.embeddings, np.load(tmp_path / "backward.npy")[::-1], atol=0.01)


def test_an_instance_without_files_writes_an_empty_part(tmp_path):
    done = run_host(tmp_path, "algo-2", ["algo-1", "algo-2"])
    assert done.returncode == 0, done.stderr
    summary = json.loads((tmp_path / "processing" / "output" / "algo-2" / "part.json").read_text())
    assert summary["files"] == 0


def test_weights_that_cannot_be_used_end_the_job_with_the_reason(planted, tmp_path):
    data = tmp_path / "processing" / "input" / "data"
    data.parent.mkdir(parents=True)
    data.symlink_to(planted)
    done = run_host(tmp_path, "algo-1", ["algo-1"], "absent.pth")
    assert done.returncode == 1
    assert "absent.pth" in (tmp_path / "output" / "message").read_text()
    assert "Traceback" not in done.stderr


def test_a_missing_part_is_named(bucket, slipway_here, tmp_path):
    assert run_host(tmp_path, "algo-1", ["algo-1", "algo-2"]).returncode == 0
    upload(tmp_path / "processing" / "output", "jobs/explore/parts")
    done = slipway_here("data", "explore", "s3://my-dogs/dogs", "--parts", "s3://my-dogs/jobs/explore/parts")
    assert done.returncode != 0
    assert "instances were algo-1, algo-2, but there are parts of algo-1" in done.stderr


def test_the_job_that_is_asked_for(nobody, slipway_here):
    done = slipway_here(
        *(*ASKED, "--instance-count", 3, "--role", ROLE, "--image", IMAGE, "--region", "eu-west-1", "--dry-run"),
        *("--weights", "s3://my-dogs/weights/resnet50.pth", "--model-type", "resnet50", "--subnet", "subnet-1"),
        *("--security-group", "sg-1", "--tag", "team=dogs", "--kms-key", "key", "--max-run", 600, "--name", "explore"),
    )
    assert done.returncode == 0, done.stderr
    [request] = json.loads(done.stdout).values()
    assert request["AppSpecification"] == {
        "ImageUri": IMAGE,
        "ContainerEntrypoint": ["python", "-m", "container.explore"],
        "ContainerArguments": ["resnet50", "resnet50.pth"],
    }
    cluster = request["ProcessingResources"]["ClusterConfig"]
    assert (cluster["InstanceType"], cluster["InstanceCount"]) == ("ml.c7i.xlarge", 3)
    inputs = {each["InputName"]: each["S3Input"] for each in request["ProcessingInputs"]}
    assert inputs["data"]["S3Uri"] == "s3://my-dogs/dogs/"
    assert inputs["data"]["S3DataDistributionType"] == "ShardedByS3Key"
    assert inputs["weights"]["S3DataDistributionType"] == "FullyReplicated"
    [output] = request["ProcessingOutputConfig"]["Outputs"]
    assert output["S3Output"] == {
        "S3Uri": "s3://my-dogs/jobs/explore/parts",
        "LocalPath": "/opt/ml/processing/output",
        "S3UploadMode": "EndOfJob",
    }
    assert request["NetworkConfig"]["VpcConfig"] == {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
    assert request["StoppingCondition"] == {"MaxRuntimeInSeconds": 600}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("s3://my-dogs/dogs",), "is in S3: add --instance-type"),
        (("dogs", "--instance-type", "ml.c7i.xlarge"), "dogs is not an S3 address; upload it first"),
        (("dogs", "--instance-count", "2"), "--instance-count is for SageMaker: add --instance-type"),
        ((*ASKED[2:], "--weights", "w.pth"), "on SageMaker it is an S3 address, or none"),
        (("s3://my-dogs/dogs", "--instance-type", "local"), "on this machine, data explore runs without it"),
        (("s3://my-dogs/dogs", "--instance-type", "ml.c7i.xlarg", "--dry-run"), "did you mean ml.c7i.xlarge"),
        (ASKED[2:], "no execution role is named"),
    ],
)
def test_what_cannot_work_is_said_before_any_call(nobody, slipway_here, arguments, message):
    done = slipway_here("data", "explore", *arguments, env={"AWS_REGION": "eu-west-1"})
    assert done.returncode != 0
    assert message in done.stderr


@pytest.mark.parametrize(
    ("address", "message"),
    [("s3://my-dogs/cats", "nothing is there"), ("s3://nobodys-dogs/dogs", "there is no bucket nobodys-dogs")],
)
def test_data_that_is_not_there(bucket, slipway_here, address, message):
    image = "registry.example.com/slipway:train"
    done = slipway_here(
        "data", "explore", address, "--instance-type", "ml.c7i.xlarge", "--role", ROLE, "--image", image
    )
    assert done.returncode != 0
    assert message in done.stderr
