"""A folder of pictures on its way to S3."""

import base64
import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import boto3
import pytest

from container.contract.errors import DataError
from slipway.aws.connection import Aws
from slipway.aws.dry_run import DryRun
from slipway.errors import SettingError, UploadError
from slipway.upload import upload
from slipway.upload.content import MAX_PARTS, PART_BYTES, checksum_of
from slipway.upload.transfer import Upload, destination
from slipway.upload.walk import LocalFile, Unsent, walk
from tests.serve.server_process import PATIENCE_S

REGION = "eu-west-1"


@pytest.fixture
def bucket(aws_account):
    """The account's one bucket."""
    configuration = {"LocationConstraint": REGION}
    boto3.client("s3", region_name=REGION).create_bucket(Bucket="my-dogs", CreateBucketConfiguration=configuration)
    return "my-dogs"


@pytest.fixture
def dogs(tmp_path):
    folder = tmp_path / "dogs"
    for name in ("train/Beagle/1.jpg", "train/Beagle/sub/2.jpg", "train/Beagle0/3.jpg", "valid/Beagle/ä b+c%.jpg"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(f"picture {name}".encode())
    (folder / "train" / ".DS_Store").write_bytes(b"hidden")
    (folder / "__MACOSX").mkdir()
    (folder / "__MACOSX" / "._1.jpg").write_bytes(b"hidden")
    return folder


def keys(bucket):
    found = boto3.client("s3", region_name=REGION).list_objects_v2(Bucket=bucket).get("Contents", [])
    return [item["Key"] for item in found]


def test_a_bucket_alone_gets_the_data_below_dogimages_with_the_folder_names_kept(dogs, bucket):
    done = upload(dogs, f"s3://{bucket}")
    assert (done.sent, done.kept, done.failed) == (4, 0, False)
    assert done.leftovers == {"__MACOSX": 1, ".DS_Store": 1}
    assert keys(bucket) == [
        "dogImages/train/Beagle/1.jpg",
        "dogImages/train/Beagle/sub/2.jpg",
        "dogImages/train/Beagle0/3.jpg",
        "dogImages/valid/Beagle/ä b+c%.jpg",
    ]


def test_what_is_there_is_not_sent_again_and_what_changed_is(dogs, bucket):
    upload(dogs, f"s3://{bucket}/data/")
    (dogs / "train" / "Beagle" / "1.jpg").write_bytes(b"PICTURE train/Beagle/1.jpg")  # of the same size
    (dogs / "train" / "Beagle0" / "3.jpg").write_bytes(b"longer than before, by far")
    (dogs / "train" / "Beagle" / "4.jpg").write_bytes(b"new")
    told = []
    done = upload(dogs, f"s3://{bucket}/data", advance=lambda files, size: told.append((files, size)))
    assert (done.sent, done.kept) == (3, 2)
    assert told[-1] == (5, done.sent_bytes + done.kept_bytes)
    again = upload(dogs, f"s3://{bucket}/data")
    assert (again.sent, again.kept) == (0, 5)
    body = boto3.client("s3", region_name=REGION).get_object(Bucket=bucket, Key="data/train/Beagle/1.jpg")["Body"]
    assert body.read() == b"PICTURE train/Beagle/1.jpg"


def test_objects_that_are_no_files_of_the_folder_are_counted_and_stay(dogs, bucket):
    s3 = boto3.client("s3", region_name=REGION)
    for key in (
        "dogImages/a.jpg",
        "dogImages/train/Beagle/0.jpg",
        "dogImages/z.jpg",
        "dogImages/folder/",
        "other/1.jpg",
    ):
        s3.put_object(Bucket=bucket, Key=key, Body=b"")
    assert upload(dogs, f"s3://{bucket}").extra == 3
    assert len(keys(bucket)) == 5 + 4


def test_a_large_file_goes_in_parts_and_is_known_again(dogs, bucket):
    big = dogs / "weights.pth"
    big.write_bytes(os.urandom(PART_BYTES + 1))
    assert upload(big.parent, f"s3://{bucket}/x").sent == 5
    assert upload(big.parent, f"s3://{bucket}/x").kept == 5
    head = boto3.client("s3", region_name=REGION).head_object(Bucket=bucket, Key="x/weights.pth")
    assert head["ETag"].endswith('-2"')


def test_the_checksum_is_s3s_own(tmp_path):
    small, big = tmp_path / "small", tmp_path / "big"
    small.write_bytes(b"abc")
    assert checksum_of(small) == base64.b64encode(hashlib.sha256(b"abc").digest()).decode()
    big.write_bytes(b"x" * PART_BYTES + b"y")
    digests = hashlib.sha256(b"x" * PART_BYTES).digest() + hashlib.sha256(b"y").digest()
    assert checksum_of(big) == base64.b64encode(hashlib.sha256(digests).digest()).decode()


def test_every_request_carries_the_checksum_and_the_key_to_encrypt_with(dogs):
    (dogs / "weights.pth").write_bytes(b"0" * (PART_BYTES + 1))
    aws = Aws(REGION, None)
    dry_run = DryRun(answers={"CreateMultipartUpload": {"UploadId": "u1"}, "UploadPart": {"ETag": "e"}})
    dry_run.attach(aws)
    Upload(dogs, destination("s3://my-dogs"), aws, kms_key="alias/dogs").run()
    puts = [request.parameters for request in dry_run.writes if request.operation == "PutObject"]
    assert len(puts) == 4
    for put in puts:
        assert put["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(put["Body"].getvalue()).digest()).decode()
        assert (put["ServerSideEncryption"], put["SSEKMSKeyId"]) == ("aws:kms", "alias/dogs")
    parts = [
        request.operation for request in dry_run.writes if "Part" in request.operation or "Multi" in request.operation
    ]
    assert parts == ["CreateMultipartUpload", "UploadPart", "UploadPart", "CompleteMultipartUpload"]


def test_what_cannot_be_sent_is_named_and_the_rest_is_sent(dogs, bucket):
    train = dogs / "train"
    (train / "gone.jpg").symlink_to(dogs / "nowhere")
    (train / "link.jpg").symlink_to(train / "Beagle" / "1.jpg")
    (train / "round").symlink_to(dogs, target_is_directory=True)
    (train / "empty").mkdir()
    (train / ("n" * 250)).mkdir()
    deep = train.joinpath(*["n" * 250] * 4)
    deep.mkdir(parents=True)
    (deep / "1.jpg").write_bytes(b"")
    os.mkfifo(train / "pipe")
    (train / os.fsdecode(b"caf\xe9.jpg")).write_bytes(b"latin")
    done = upload(dogs, f"s3://{bucket}")
    assert done.sent == 5  # the link to a file is one
    assert {item.path.name: item.reason for item in done.unsent if not item.harmless} == {
        "gone.jpg": "is a link to nothing",
        "round": "is a link to a folder that holds it",
        "1.jpg": "its key would be longer than S3's 1024 bytes",
        "pipe": "is not a regular file",
        os.fsdecode(b"caf\xe9.jpg"): "its name is not UTF-8, as S3 wants it; rename it",
    }
    assert [item.path.name for item in done.unsent if item.harmless] == ["empty"]


def test_what_vanishes_meanwhile_is_named(tmp_path):
    with pytest.raises(UploadError, match="cannot be read: No such file"):
        checksum_of(tmp_path / "gone.jpg")
    [unsent] = walk(tmp_path / "gone")
    assert unsent.reason == "the folder cannot be read: No such file or directory"


def test_a_file_that_is_too_large_is_refused(tmp_path):
    with (tmp_path / "huge").open("wb") as file:
        file.truncate(PART_BYTES * MAX_PARTS + 1)  # a hole, which takes no space
    with pytest.raises(UploadError, match="is larger than 168 GB"):
        checksum_of(tmp_path / "huge")


def test_the_order_is_that_of_s3(tmp_path):
    for name in ("a.png", "a/1.png", "a0.png", "A/z.png", "é.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    names = [item.name for item in walk(tmp_path) if isinstance(item, LocalFile)]
    assert names == sorted(names, key=str.encode) == ["A/z.png", "a.png", "a/1.png", "a0.png", "é.png"]


def test_a_folder_without_files_is_refused(tmp_path, bucket):
    (tmp_path / "dogs").mkdir()
    with pytest.raises(UploadError, match="holds no files; name the folder that holds the pictures"):
        upload(tmp_path / "dogs", f"s3://{bucket}")


def test_a_missing_folder_bucket_or_region_is_named(dogs, bucket):
    with pytest.raises(DataError, match="there is no folder"):
        upload(dogs / "none", f"s3://{bucket}")
    with pytest.raises(SettingError, match="is not an S3 address"):
        upload(dogs, bucket)
    with pytest.raises(UploadError, match=r"there is no bucket no-dogs; .*aws s3 mb s3://no-dogs --region eu-west-1"):
        upload(dogs, "s3://no-dogs")
    with pytest.raises(UploadError, match=r"is in eu-west-1, not in us-east-2.*give --region eu-west-1"):
        upload(dogs, f"s3://{bucket}", region="us-east-2")


def test_the_command_says_what_it_did_and_what_comes_next(dogs, bucket, slipway):
    (dogs / "train" / "gone.jpg").symlink_to(dogs / "nowhere")
    (dogs / "train" / "empty").mkdir()
    done = slipway("data", "upload", dogs, f"s3://{bucket}", env={"XDG_CONFIG_HOME": str(dogs.parent)})
    assert done.returncode == 1
    assert "Training there needs one thing more: no training image is named; give --image" in done.stdout
    assert f"s3://{bucket}/dogImages: 4 files sent" in done.stdout
    assert "empty is an empty folder" in done.stdout
    assert f"Next: slipway train s3://{bucket}/dogImages --instance-type" in done.stdout
    assert "gone.jpg: is a link to nothing" in done.stderr


def test_json_has_the_address_the_counts_and_what_comes_next(dogs, bucket, slipway_here):
    (dogs / "train" / "gone.jpg").symlink_to(dogs / "nowhere")
    done = slipway_here("data", "upload", dogs, f"s3://{bucket}", "--json", env={"XDG_CONFIG_HOME": str(dogs.parent)})
    assert done.returncode == 1
    found = json.loads(done.stdout)
    assert (found["place"], found["sent"], found["kept"]) == (f"s3://{bucket}/dogImages", 4, 0)
    assert [Path(one["path"]).name for one in found["failed"]] == ["gone.jpg"]
    assert found["next"] == [f"slipway train s3://{bucket}/dogImages --instance-type ml.g4dn.xlarge"]
    assert any("no training image is named" in text for text in found["missing"])


def test_a_dry_run_lists_and_calls_nobody(dogs, slipway):
    (dogs / "train" / "gone.jpg").symlink_to(dogs / "nowhere")
    nobody = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ACCESS_KEY_ID": "", "AWS_REGION": ""}
    done = slipway("data", "upload", dogs, "s3://my-dogs", "--dry-run", env=nobody)
    assert "note: skipped, left behind by systems and tools: 1 __MACOSX, 1 .DS_Store\n" in done.stdout
    assert done.returncode == 0, done.stderr
    assert "s3://my-dogs/dogImages/train/Beagle/1.jpg  26 bytes" in done.stdout
    assert "4 files, 0.0 MB; nothing was sent" in done.stdout
    assert "gone.jpg: is a link to nothing" in done.stderr


class SlowS3(BaseHTTPRequestHandler):
    """S3 as far as an upload of one large file needs it; its second part never arrives."""

    aborted, second_part, over = threading.Event(), threading.Event(), threading.Event()
    protocol_version = "HTTP/1.1"

    def _answer(self, body: str = "", **headers: str) -> None:
        self.send_response(200)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body.encode())

    def do_HEAD(self):
        self._answer(**{"x-amz-bucket-region": REGION})

    def do_GET(self):
        self._answer("<ListBucketResult/>")

    def do_POST(self):
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self._answer("<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>")

    def do_PUT(self):
        self.rfile.read(int(self.headers["Content-Length"]))
        if "partNumber=2" in self.path:
            self.second_part.set()
            self.over.wait()
        self._answer(ETag='"e"')

    def do_DELETE(self):
        self.aborted.set()
        self._answer()

    def log_message(self, *arguments):
        pass


def test_ctrl_c_takes_back_a_half_sent_file_and_says_how_to_go_on(tmp_path, aws_account):
    (tmp_path / "weights.pth").write_bytes(b"0" * (3 * PART_BYTES))
    server = ThreadingHTTPServer(("127.0.0.1", 0), SlowS3)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    command = [sys.executable, "-m", "slipway", "data", "upload", tmp_path, "s3://my-dogs/x"]
    environment = {**os.environ, "AWS_ENDPOINT_URL": f"http://127.0.0.1:{server.server_port}"}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        assert SlowS3.second_part.wait(PATIENCE_S)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        assert any("waiting for transfers in progress" in line for line in process.stderr)
        SlowS3.over.set()
        _, errors = process.communicate()
    finally:
        SlowS3.over.set()
        process.kill()
        server.shutdown()
        server.server_close()
    assert process.returncode == 130
    assert "interrupted; 0 files were uploaded and remain in s3://my-dogs/x" in errors
    assert SlowS3.aborted.is_set()


def test_a_file_that_changes_while_it_is_sent_leaves_no_object(tmp_path, bucket):
    big = tmp_path / "weights.pth"
    big.write_bytes(b"0" * (PART_BYTES + 1))

    def grow(_files, _size):
        with big.open("ab") as file:
            file.write(b"more")

    done = Upload(tmp_path, destination(f"s3://{bucket}"), Aws(REGION, None)).run(grow)
    assert done.unsent == [Unsent(big, "was changed while it was read")]
    assert keys(bucket) == []
    left = boto3.client("s3", region_name=REGION).list_multipart_uploads(Bucket=bucket)
    assert "Uploads" not in left
