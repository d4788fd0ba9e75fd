"""`slipway report`: which records it takes, what it prints, and what it says where there are none; S3 by moto."""

import os
import shutil
import tarfile
from pathlib import Path

import boto3
import pytest

from tests.report.records import PlannedJob, write_probabilities, write_training
from tests.report.test_analyses import a_loader_that_sleeps

REGION = "eu-west-1"


@pytest.fixture(scope="module")
def job_directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A job directory of `slipway train` whose DataLoader workers were slow."""
    directory = tmp_path_factory.mktemp("jobs") / "dogs"
    data = write_training(directory / "output" / "data")
    write_probabilities(data)
    job = PlannedJob()
    a_loader_that_sleeps(job)
    job.write(data / "profile")
    return directory


@pytest.fixture
def bucket(aws_account) -> str:
    """The account's one bucket."""
    configuration = {"LocationConstraint": REGION}
    boto3.client("s3", region_name=REGION).create_bucket(Bucket="my-dogs", CreateBucketConfiguration=configuration)
    return "my-dogs"


def test_a_job_directory_gets_both_pages_beside_its_records(slipway, job_directory: Path):
    done = slipway("report", job_directory)
    assert done.returncode == 0, done.stderr
    data = job_directory / "output" / "data"
    rule, *files = done.stdout.splitlines()
    assert rule.startswith("Dataloader: ")
    assert "set num-workers=4 (now 2); at best " in rule
    assert files == [f"  profiler {data / 'profiler-report.html'}", f"  training {data / 'training-report.html'}"]
    for name, other in (("profiler", "training"), ("training", "profiler")):
        assert f'<a href="{other}-report.html">' in (data / f"{name}-report.html").read_text()


def test_one_page_elsewhere(slipway, job_directory: Path, tmp_path: Path):
    done = slipway("report", job_directory / "output" / "data", "--kind", "training", "--output", tmp_path / "pages")
    assert done.stdout == f"  training {tmp_path / 'pages' / 'training-report.html'}\n"
    assert [path.name for path in (tmp_path / "pages").iterdir()] == ["training-report.html"]


def test_the_pages_as_pdf_files(slipway, job_directory: Path, tmp_path: Path):
    if not any(map(shutil.which, ("chromium", "google-chrome"))) and not os.environ.get("CI"):
        pytest.skip("no Chromium; on Debian: apt-get install chromium")
    done = slipway("report", job_directory, "--pdf", "--output", tmp_path)
    assert done.returncode == 0, done.stderr
    for name in ("profiler-report", "training-report"):
        assert f"  PDF      {tmp_path / name}.pdf" in done.stdout
        assert (tmp_path / f"{name}.pdf").read_bytes().startswith(b"%PDF-")


def test_without_a_browser_there_is_no_pdf_and_one_sentence(slipway, job_directory: Path, tmp_path: Path):
    done = slipway("report", job_directory, "--pdf", "--output", tmp_path, env={"PATH": str(tmp_path)})
    assert done.returncode == 1
    assert done.stderr.startswith("Error: --pdf needs Chromium or Chrome on PATH, and there is none; install it")
    assert list(tmp_path.iterdir()) == []


def test_an_archive_of_the_outputs(slipway, job_directory: Path, tmp_path: Path):
    with tarfile.open(tmp_path / "output.tar.gz", "w:gz") as tar:
        tar.add(job_directory / "output" / "data", ".")
        tar.add(__file__, "profile/../../escaped.py")
    done = slipway("report", "output.tar.gz", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert {path.name for path in tmp_path.glob("*.html")} == {"profiler-report.html", "training-report.html"}
    assert "expected calibration error" in (tmp_path / "training-report.html").read_text()


def test_a_profiler_output_in_s3(slipway, bucket: str, tmp_path: Path):
    """What SageMaker's profiler leaves of a job that knows nothing of Slipway: the system alone."""
    PlannedJob(device="cuda").write(tmp_path / "profile")
    s3 = boto3.client("s3", region_name=REGION)
    for file in (tmp_path / "profile" / "system").rglob("*.json"):
        s3.upload_file(str(file), bucket, f"jobs/dogs-1/profiler-output/{file.relative_to(tmp_path / 'profile')}")
    address = f"s3://{bucket}/jobs/dogs-1/profiler-output"
    done = slipway("report", address, "--output", "pages", "--region", REGION, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "No rule fired.\n  profiler pages/profiler-report.html\n"
    assert "OverallSystemUsage" in (tmp_path / "pages" / "profiler-report.html").read_text()


def test_an_archive_in_s3(slipway, job_directory: Path, bucket: str, tmp_path: Path):
    with tarfile.open(tmp_path / "output.tar.gz", "w:gz") as tar:
        tar.add(job_directory / "output" / "data", ".")
    s3 = boto3.client("s3", region_name=REGION)
    s3.upload_file(str(tmp_path / "output.tar.gz"), bucket, "jobs/dogs-1/output/output.tar.gz")
    done = slipway("report", f"s3://{bucket}/jobs/dogs-1/output/output.tar.gz", "--region", REGION, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "training-report.html").is_file()


@pytest.mark.parametrize(
    ("address", "code", "says"),
    [
        ("s3://my-dogs/jobs/absent/profiler-output", 1, "there is nothing below s3://my-dogs/jobs/absent/profiler"),
        ("s3://my-dogs/jobs/absent/output.tar.gz", 1, "s3://my-dogs/jobs/absent/output.tar.gz does not exist"),
        ("s3://no-such-bucket-of-dogs/x", 3, "there is no bucket"),
        ("s3://", 1, "is not an S3 address"),
    ],
)
def test_an_address_with_nothing_there(slipway, bucket: str, address: str, code: int, says: str):
    done = slipway("report", address, "--region", REGION)
    assert done.returncode == code
    assert says in done.stderr
    assert done.stdout == ""


def test_a_folder_without_records(slipway, tmp_path: Path):
    (tmp_path / "notes.txt").write_text("nothing")
    done = slipway("report", tmp_path)
    assert done.returncode == 1
    assert "holds no records of a job" in done.stderr
    assert "It holds: notes.txt" in done.stderr
    done = slipway("report", tmp_path / "absent")
    assert "there is no directory" in done.stderr


def test_a_file_that_is_no_archive(slipway, tmp_path: Path):
    (tmp_path / "output.tar.gz").write_text("nothing")
    done = slipway("report", tmp_path / "output.tar.gz")
    assert done.returncode == 1
    assert "cannot be read as an output.tar.gz" in done.stderr


def test_a_page_that_cannot_be_written(slipway, job_directory: Path):
    done = slipway("report", job_directory, "--output", "/proc/pages")
    assert done.returncode == 1
    assert "name another folder with --output" in done.stderr


def test_a_report_that_there_are_no_records_for(slipway, tmp_path: Path):
    write_training(tmp_path)
    done = slipway("report", tmp_path, "--kind", "profiler")
    assert done.returncode == 1
    assert "omit --kind profiler" in done.stderr
