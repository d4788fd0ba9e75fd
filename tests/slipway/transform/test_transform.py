"""Batch transform: the requests, the join of answers and names, and a folder on this machine."""

import csv
import json
import os
from pathlib import Path

import boto3
import pytest
from sagemaker.workflow.parameters import ParameterString
from sagemaker.workflow.pipeline_context import PipelineSession

import slipway
from container.contract.errors import DataError
from slipway import Estimator, Model, local_session
from slipway.aws.connection import Aws
from slipway.aws.dry_run import DryRun
from slipway.aws.s3_address import S3Address
from slipway.aws.session import aws_session
from slipway.batch_transform.labels import Tally, labels_from
from slipway.batch_transform.outputs import rows_in_s3
from slipway.batch_transform.pictures import Load, Picture, load_for
from slipway.batch_transform.predictions_file import Row, require_absent, write_predictions
from slipway.batch_transform.transformer import Transformer
from slipway.errors import RemoteJobError, SettingError, TransformError
from tests.slipway.conftest import paint

REGION = "eu-west-1"
IMAGE = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/slipway:serve"
ROLE = "arn:aws:iam::123456789012:role/slipway-execution"
MB = 1024 * 1024


@pytest.mark.parametrize(
    ("sizes", "load"),
    [
        ([10], Load(6, 16)),
        ([6 * MB, 1], Load(6, 16)),
        ([6 * MB + 1], Load(7, 14)),
        ([40 * MB], Load(40, 2)),
        ([100 * MB], Load(100, 1)),
        ([], Load(6, 16)),
    ],
)
def test_payload_and_concurrency_follow_the_largest_picture(sizes, load):
    found = load_for([Picture(str(size), size) for size in sizes])
    assert found == load
    assert found.max_payload_mb * found.max_concurrent <= 100


ROWS = [
    Row("a.jpg", "Beagle,0.9\n"),
    Row("sub/b, c.jpg", '"Shih-Tzu, small",0.5\n'),
    Row("bad.jpg", None, "not a picture"),
]


def test_a_csv_file_has_the_names_and_the_reasons(tmp_path):
    assert write_predictions(tmp_path / "out" / "p.csv", ROWS, "csv") == 1
    with (tmp_path / "out" / "p.csv").open(newline="") as file:
        assert list(csv.DictReader(file)) == [
            {"image": "a.jpg", "label": "Beagle", "probability": "0.9", "error": ""},
            {"image": "sub/b, c.jpg", "label": "Shih-Tzu, small", "probability": "0.5", "error": ""},
            {"image": "bad.jpg", "label": "", "probability": "", "error": "not a picture"},
        ]
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["p.csv"]


def test_a_json_lines_file_has_them_too_whatever_a_users_own_code_answers(tmp_path):
    rows = [Row("a.jpg", '{"predictions": []}\n'), Row("b.jpg", "[1, 2]"), Row("c.jpg", "words"), Row("d", None, "no")]
    assert write_predictions(tmp_path / "p.jsonl", rows, "jsonl") == 1
    assert [json.loads(line) for line in (tmp_path / "p.jsonl").read_text().splitlines()] == [
        {"image": "a.jpg", "predictions": []},
        {"image": "b.jpg", "answer": [1, 2]},
        {"image": "c.jpg", "answer": "words"},
        {"image": "d", "error": "no"},
    ]


@pytest.mark.parametrize(
    ("form", "beagle", "share"),
    [
        ("csv", "Beagle,0.9\n", "2 of 3 labelled pictures are predicted right (66.67 %)"),
        ("jsonl", '{"predictions": [{"label": "Beagle"}]}', "2 of 3 labelled pictures are predicted right (66.67 %)"),
        ("jsonl", "own words", "0 of 3 labelled pictures are predicted right (0.00 %)"),
    ],
)
def test_labels_of_a_manifest_stand_beside_the_predictions(form, beagle, share, tmp_path):
    names = [f"test/{number}.jpg" for number in range(5)]
    manifest = tmp_path / "output.manifest"
    manifest.write_text(
        "".join(
            json.dumps({"source-ref": f"s3://my-dogs/dogImages/test/{number}.jpg", "label": label}) + "\n"
            for number, label in enumerate(["Beagle", "Beagle", "Borzoi", "Beagle"])
        )
    )
    tally = Tally(form=form, labels=labels_from(manifest, names))
    rows = [*(Row(name, beagle) for name in names[:3]), Row(names[3], None, "bad"), Row(names[4], beagle)]
    assert write_predictions(tmp_path / "p", tally.add(rows), form, labelled=True) == 1
    assert tally.describe() == share
    text = (tmp_path / "p").read_text()
    if form == "csv":
        written = [row["expected"] or None for row in csv.DictReader(text.splitlines())]
    else:
        written = [json.loads(line).get("expected") for line in text.splitlines()]
    assert written == ["Beagle", "Beagle", "Borzoi", "Beagle", None]
    with pytest.raises(DataError, match=r"names none of the pictures, but, for example, s3://my-dogs/dogImages/test/0"):
        labels_from(manifest, ["elsewhere.jpg"])


def test_a_file_that_is_there_or_cannot_be_written_is_refused(tmp_path):
    (tmp_path / "p.csv").write_text("mine")
    with pytest.raises(TransformError, match="already exists; name another file with --predictions"):
        require_absent(tmp_path / "p.csv")
    with pytest.raises(TransformError, match="cannot be written"):
        write_predictions(tmp_path / "p.csv" / "below.csv", ROWS, "csv")


@pytest.fixture
def bucket(aws_account):
    s3 = boto3.client("s3", region_name=REGION)
    s3.create_bucket(Bucket="my-dogs", CreateBucketConfiguration={"LocationConstraint": REGION})
    for name in ("1.jpg", "sub/2 ä.jpg", "3.jpg", "empty/"):
        s3.put_object(Bucket="my-dogs", Key=f"pictures/{name}", Body=b"picture")
    s3.put_object(Bucket="my-dogs", Key="pictures2/other.jpg", Body=b"picture")
    return s3


def answer(s3, key):
    s3.put_object(Bucket="my-dogs", Key=key, Body=json.dumps({"predictions": [{"label": key}]}).encode())


def transformer(form="jsonl"):
    session = aws_session(Aws(REGION, None))
    session.sagemaker_client.create_model(ModelName="dogs", ExecutionRoleArn=ROLE, PrimaryContainer={"Image": IMAGE})
    return Transformer("dogs", instance_type="ml.c7i.xlarge", form=form, sagemaker_session=session, tags={"team": "v"})


def test_a_job_is_described_as_it_was_asked_for_and_its_outputs_are_joined(bucket, tmp_path):
    job = transformer()
    (tmp_path / "labels.csv").write_text("file,label\nsub/2 ä.jpg,Beagle\n4.jpg,Borzoi\n")
    job.transform("s3://my-dogs/pictures", job_name="t1", labels=tmp_path / "labels.csv")
    described = job.sagemaker_session.sagemaker_client.describe_transform_job(TransformJobName="t1")
    assert described["TransformInput"]["DataSource"]["S3DataSource"]["S3Uri"] == "s3://my-dogs/pictures/"
    assert described["TransformOutput"] == {"S3OutputPath": "s3://my-dogs/jobs/t1", "Accept": "application/jsonlines"}
    assert (described["MaxPayloadInMB"], described["MaxConcurrentTransforms"]) == (6, 16)
    answer(bucket, "jobs/t1/1.jpg.out")
    answer(bucket, "jobs/t1/pictures/sub/2 ä.jpg.out")  # with the whole key, as in the reference's example
    logs = boto3.client("logs", region_name=REGION)
    logs.create_log_group(logGroupName="/aws/sagemaker/TransformJobs")
    logs.create_log_stream(logGroupName="/aws/sagemaker/TransformJobs", logStreamName="t1/i-1/data-log")
    lines = ("MaxPayloadInMB=6", "my-dogs/pictures/3.jpg: ClientError: 422", "my-dogs/pictures/3.jpg: Message:")
    logs.put_log_events(
        logGroupName="/aws/sagemaker/TransformJobs",
        logStreamName="t1/i-1/data-log",
        logEvents=[
            {"timestamp": 1_790_000_000_000 + number, "message": f"2026-01-01T00:00:00:[sagemaker logs]: {line}"}
            for number, line in enumerate(lines)
        ],
    )
    path = tmp_path / "p.jsonl"
    assert job.write_predictions(path) == 1
    rows = {row["image"]: row for row in map(json.loads, path.read_text().splitlines())}
    assert sorted(rows) == ["1.jpg", "3.jpg", "sub/2 ä.jpg"]
    assert {name: row.get("expected") for name, row in rows.items() if "expected" in row} == {"sub/2 ä.jpg": "Beagle"}
    assert rows["1.jpg"]["predictions"] == [{"label": "jobs/t1/1.jpg.out"}]
    assert rows["sub/2 ä.jpg"]["predictions"] == [{"label": "jobs/t1/pictures/sub/2 ä.jpg.out"}]


@pytest.mark.parametrize("kind", [Transformer, slipway.Transformer], ids=["no SDK", "version 2"])
def test_a_job_that_was_started_elsewhere_is_attached_to(bucket, tmp_path, kind):
    transformer("csv").transform("s3://my-dogs/pictures", job_name="t1", wait=False)
    bucket.put_object(Bucket="my-dogs", Key="jobs/t1/1.jpg.out", Body=b"Beagle,0.9")
    attached = kind.attach("t1", aws_session(Aws(REGION, None)))
    assert (attached.job_name, attached.form, attached.max_payload) == ("t1", "csv", 6)
    attached.wait(logs=False)
    rows = {row.image: row.answer for row in attached.rows()}
    assert rows == {"1.jpg": "Beagle,0.9", "3.jpg": None, "sub/2 ä.jpg": None}


def test_every_job_has_an_output_of_its_own(bucket):
    job = transformer()
    for name in ("t1", "t2"):
        job.transform("s3://my-dogs/pictures", job_name=name)
        assert job.output_path == f"s3://my-dogs/jobs/{name}"


def test_outputs_without_a_log_say_that_the_reason_is_not_known(bucket):
    [row] = rows_in_s3(
        Aws(REGION, None).boto_session(),
        job="none",
        source=S3Address("my-dogs", "pictures/"),
        output=S3Address("my-dogs", "jobs/none"),
        names=["1.jpg"],
    )
    assert row == Row("1.jpg", None, "SageMaker wrote no output for it, and its log does not say why")


def test_a_failed_job_gives_its_reason_and_where_to_look(aws_account, monkeypatch):
    aws = Aws(REGION, None)
    answers = {
        "ListObjectsV2": {"Contents": [{"Key": "p/1.jpg", "Size": 1}]},
        "DescribeTransformJob": {"TransformJobStatus": "Failed", "FailureReason": "ClientError:\n See job logs"},
    }
    session = aws_session(aws, DryRun(answers=answers))
    job = Transformer("dogs", instance_type="ml.c7i.xlarge", sagemaker_session=session)
    with pytest.raises(
        RemoteJobError, match=r"the transform job t1 failed: ClientError: See job logs\nslipway logs t1"
    ):
        job.transform("s3://my-dogs/p/", job_name="t1")


def test_no_pictures_or_too_large_ones_are_refused_before_anything_is_created(bucket):
    job = transformer()
    with pytest.raises(TransformError, match="there is nothing below s3://my-dogs/none/"):
        job.transform("s3://my-dogs/none")
    large = {"ListObjectsV2": {"Contents": [{"Key": "p/huge.tif", "Size": 101 * MB}]}}
    dry_run = DryRun(answers=large)
    job = Transformer("dogs", instance_type="ml.c7i.xlarge", sagemaker_session=aws_session(Aws(REGION, None), dry_run))
    with pytest.raises(TransformError, match=r"p/huge.tif has 101 MB, and batch transform sends 100 MB at the most"):
        job.transform("s3://my-dogs/p")
    assert dry_run.writes == []
    bucket.put_object(Bucket="my-dogs", Key="pictures/labels.csv", Body=b"file,label")
    with pytest.raises(TransformError, match=r"pictures/labels.csv is no picture, .* slipway transform --labels FILE"):
        transformer().transform("s3://my-dogs/pictures")
    with pytest.raises(TransformError, match="there was no job yet"):
        next(job.rows())


def test_an_instance_type_that_batch_transform_does_not_have_is_refused():
    with pytest.raises(SettingError, match=r"there is no instance type 'ml.p5.48xlarg'"):
        Transformer("dogs", instance_type="ml.p5.48xlarg")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"join_source": "Input"}, "local mode neither filters nor joins; leave out input_filter, output_filter and"),
        ({"split_type": "Line"}, "SplitType is Line; in local mode each file is one request: None"),
        ({"compression_type": "Gzip"}, "CompressionType is Gzip; in local mode each file is one request: None"),
    ],
)
def test_local_mode_refuses_what_it_does_not_do_also_with_pictures_in_s3(bucket, trained, arguments, message):
    model = Model(trained.directory, image_uri="slipway:serve", sagemaker_session=local_session())
    job = Transformer.from_model(model, "local")
    with pytest.raises(SettingError, match=message):
        job.transform("s3://my-dogs/pictures/", job_name="t1", **arguments)
    assert job.picture_count == 3
    assert str(job.output_path) == f"file://{Path('slipway-jobs', 't1').resolve()}"
    with pytest.raises(SettingError, match="local mode transforms in one container; leave out instance_count"):
        Transformer.from_model(model, "local", instance_count=2).transform("s3://my-dogs/pictures/")


def test_a_pipeline_needs_a_place_for_the_outputs_of_pictures_of_unknown_place():
    session = PipelineSession(boto3.Session(region_name=REGION), default_bucket="my-dogs")
    job = Transformer("dogs", instance_type="ml.c7i.xlarge", sagemaker_session=session)
    with pytest.raises(TransformError, match="the outputs of a pipeline need a place; give output_path='s3://"):
        job.transform(ParameterString("Pictures"))


def test_a_trained_model_has_a_transformer(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    pictures = {"Contents": [{"Key": "dogImages/test/1.jpg", "Size": 1}]}
    recorded = DryRun(answers={"ListObjectsV2": pictures})
    estimator = Estimator(
        ROLE,
        "ml.g4dn.xlarge",
        image_uri=IMAGE.replace("serve", "train"),
        tags={"team": "vision"},
        sagemaker_session=aws_session(Aws(REGION, None), recorded),
    )
    with pytest.raises(SettingError, match="there is no trained model yet"):
        estimator.transformer(1, "ml.c7i.xlarge")
    trained = {"ModelArtifacts": {"S3ModelArtifacts": "s3://my-dogs/jobs/dogs/output/model.tar.gz"}}
    recorded.answers = {"ListObjectsV2": pictures, "DescribeTrainingJob": trained}
    estimator.fit("s3://my-dogs/dogImages/train", wait=False, job_name="dogs")
    job = estimator.transformer(
        2, "ml.c7i.xlarge", form="csv", image_uri=IMAGE, model_name="beagles", env={"SLIPWAY_TOP_K": "3"}, max_payload=9
    )
    assert isinstance(job, Transformer)
    job.transform("s3://my-dogs/dogImages/test", wait=False)
    made = {request.operation: request.parameters for request in recorded.writes}
    assert list(made) == ["CreateTrainingJob", "CreateModel", "CreateTransformJob"]
    model, asked = made["CreateModel"], made["CreateTransformJob"]
    assert (model["ModelName"], model["PrimaryContainer"]["Image"]) == ("beagles", IMAGE)
    assert model["PrimaryContainer"]["ModelDataUrl"] == trained["ModelArtifacts"]["S3ModelArtifacts"]
    assert asked["ModelName"] == "beagles"
    assert asked["TransformResources"] == {"InstanceCount": 2, "InstanceType": "ml.c7i.xlarge"}
    assert asked["TransformOutput"]["Accept"] == "text/csv"
    assert (asked["Environment"], asked["MaxPayloadInMB"]) == ({"SLIPWAY_TOP_K": "3"}, 9)
    assert {tag["Key"] for tag in asked["Tags"]} == {tag["Key"] for tag in model["Tags"]} == {"team", "slipway"}


def test_local_mode_has_no_dry_run(slipway_here, tmp_path):
    done = slipway_here("transform", tmp_path, "--model", "m", "--instance-type", "local", "--dry-run", cwd=tmp_path)
    assert done.returncode == 2
    assert "--dry-run shows requests to AWS, and local mode makes none" in done.stderr


def requests(output):
    decoder, found = json.JSONDecoder(), {}
    while output.strip():
        request, end = decoder.raw_decode(output.lstrip())
        found |= request
        output = output.lstrip()[end:]
    return found


def test_a_dry_run_prints_the_model_and_the_job(slipway_here, tmp_path):
    done = slipway_here(
        *("transform", "s3://my-dogs/dogImages/test", "--model", "s3://my-dogs/jobs/dogs/output/model.tar.gz"),
        *("--instance-type", "ml.c7i.xlarge", "--instance-count", 2, "--format", "csv", "--output", "s3://my-dogs/out"),
        *("--name", "dogs-job", "--subnet", "subnet-1", "--security-group", "sg-1", "--network-isolation"),
        *("--kms-key", "key", "--tag", "team=vision"),
        *("--role", ROLE, "--image", IMAGE, "--region", REGION, "--dry-run"),
        cwd=tmp_path,
        env={"AWS_ENDPOINT_URL": "http://127.0.0.1:1"},
    )
    assert done.returncode == 0, done.stderr
    found = requests(done.stdout)
    model, job = found["sagemaker:CreateModel"], found["sagemaker:CreateTransformJob"]
    assert model["PrimaryContainer"]["ModelDataUrl"] == "s3://my-dogs/jobs/dogs/output/model.tar.gz"
    assert job["ModelName"] == model["ModelName"]
    assert job["TransformInput"]["ContentType"] == "application/x-image"
    assert "SplitType" not in job["TransformInput"]
    assert job["TransformOutput"] == {"S3OutputPath": "s3://my-dogs/out", "Accept": "text/csv", "KmsKeyId": "key"}
    resources = {"InstanceCount": 2, "InstanceType": "ml.c7i.xlarge", "VolumeKmsKeyId": "key"}
    assert (job["TransformJobName"], job["TransformResources"]) == ("dogs-job", resources)
    assert model["VpcConfig"] == {"Subnets": ["subnet-1"], "SecurityGroupIds": ["sg-1"]}
    assert model["EnableNetworkIsolation"] is True
    assert job["BatchStrategy"] == "SingleRecord"
    assert [tag["Key"] for tag in job["Tags"]] == [tag["Key"] for tag in model["Tags"]] == ["team", "slipway"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["s3://b-b/p", "--model", "m"], "pictures or a model in S3 are for SageMaker; add --instance-type"),
        (["{folder}", "--model", "none"], "there is no none; name a model.tar.gz"),
        (["{folder}/none", "--model", "{folder}"], "there is no folder"),
        (["{folder}/empty", "--model", "{folder}"], "there is nothing below"),
        (["{folder}", "--model", "m", "--instance-type", "ml.c7i.xlarge"], "is for pictures in S3, and"),
        (["s3://b-b/p", "--model", "m", "--instance-type", "local"], "is for pictures in a folder of this machine"),
        (["{folder}", "--model", "m", "--instance-type", "local"], "in local mode the model is one of this machine"),
    ],
)
def test_what_does_not_fit_is_said(arguments, message, slipway_here, tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "1.jpg").touch()
    done = slipway_here("transform", *(text.format(folder=tmp_path) for text in arguments), "--image", "slipway:serve")
    assert done.returncode == 1
    assert message in done.stderr


def test_a_folder_is_predicted_on_this_machine_and_compared_with_its_labels(trained, slipway, tmp_path):
    pictures = tmp_path / "pictures"
    paint(pictures / "red.png", (220, 30, 30), seed=900)
    paint(pictures / "sub folder" / "grün.png", (30, 200, 40), seed=901)
    (pictures / "bad.png").write_text("not a picture")
    (pictures / "other.txt").write_text("named by no line, and not sent")
    (pictures / "labels.csv").write_text("file,label\nred.png,red\nsub folder/grün.png,blue\nbad.png,red\n")
    done = slipway("transform", pictures, "--model", trained.archive, "--format", "csv", cwd=tmp_path)
    assert done.returncode == 1
    assert "bad.png: the server refused it (422)" in done.stderr
    assert "predictions.csv: 2 of 3 pictures predicted" in done.stdout
    assert "1 of 2 labelled pictures are predicted right (50.00 %)" in done.stdout
    with (tmp_path / "predictions.csv").open(newline="") as file:
        rows = {row["image"]: row for row in csv.DictReader(file)}
    assert rows["red.png"]["label"] == "red"
    assert rows["sub folder/grün.png"]["label"] == "green"
    assert rows["bad.png"]["error"]
    assert {name: row["expected"] for name, row in rows.items()} == {
        "red.png": "red",
        "sub folder/grün.png": "blue",
        "bad.png": "red",
    }
    again = slipway("transform", pictures, "--model", trained.archive, "--format", "csv", cwd=tmp_path)
    assert "predictions.csv already exists" in again.stderr


def test_a_server_that_does_not_start_says_why(trained, slipway, tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    (model / "model.pth").write_bytes(b"not a state dict")
    paint(tmp_path / "pictures" / "red.png", (220, 30, 30), seed=900)
    done = slipway("transform", tmp_path / "pictures", "--model", model, cwd=tmp_path)
    assert done.returncode == 1
    assert "the server did not start; its last output: " in done.stderr
    assert not os.path.lexists(tmp_path / "predictions.jsonl")
