"""The repository in ECR, through moto's server."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from slipway.aws.connection import Aws, Service
from slipway.push.repository import (
    Repository,
    allow_pull,
    create_repository,
    find_repository,
    finish_repository,
    with_pull,
)
from tests.images.registry import ACCOUNT, REGION, aws_api


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with aws_api() as address:
        yield address


@pytest.fixture
def ecr(address: str, monkeypatch: pytest.MonkeyPatch) -> Service:
    for name, value in {
        "AWS_ENDPOINT_URL_ECR": address,
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "NO_PROXY": "*",
    }.items():
        monkeypatch.setenv(name, value)
    return Aws(REGION, None).service("ecr")


def test_a_missing_repository_is_none(ecr):
    assert find_repository(ecr, "none-such", None) is None


def test_a_new_repository_is_scanned_fixes_revisions_and_forgets_what_has_no_tag(ecr):
    made = create_repository(ecr, "made", None)
    assert find_repository(ecr, "made", None) == made
    assert made == Repository(
        uri=f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com/made",
        account=ACCOUNT,
        mutability="IMMUTABLE_WITH_EXCLUSION",
        exceptions=("train", "serve", "serve-cpu", "*-cuda12", "*-dirty"),
        scans=True,
    )
    assert made.differences == []
    policy = json.loads(ecr.call("GetLifecyclePolicy", repositoryName="made")["lifecyclePolicyText"])
    (rule,) = policy["rules"]
    assert rule["selection"]["tagStatus"] == "untagged"
    assert rule["action"] == {"type": "expire"}


def test_an_interrupted_runs_work_is_finished_and_other_repositories_left_alone(ecr):
    ecr.call("CreateRepository", repositoryName="half-made")
    assert finish_repository(ecr, "half-made", None)
    assert "untagged" in ecr.call("GetLifecyclePolicy", repositoryName="half-made")["lifecyclePolicyText"]
    assert not finish_repository(ecr, "half-made", None)

    ecr.call("CreateRepository", repositoryName="in-use")
    manifest = {"schemaVersion": 2, "mediaType": "application/vnd.docker.distribution.manifest.v2+json"}
    manifest |= {"config": {"digest": f"sha256:{'0' * 64}", "size": 1}, "layers": []}
    ecr.call("PutImage", repositoryName="in-use", imageTag="theirs", imageManifest=json.dumps(manifest))
    assert not finish_repository(ecr, "in-use", None)


class OlderEcr(BaseHTTPRequestHandler):
    """Stands for an endpoint of ECR that knows no exceptions to fixed tags."""

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, answer = 200, {}
        if self.headers["X-Amz-Target"].endswith("CreateRepository"):
            answer = {"repository": {"repositoryUri": "host/name", "registryId": ACCOUNT, **asked}}
            if asked["imageTagMutability"] not in ("MUTABLE", "IMMUTABLE"):
                status, answer = 400, {"__type": "InvalidParameterException", "message": "not one of the enum"}
        body = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        pass


def test_where_ecr_knows_no_exceptions_all_tags_can_be_moved(ecr, monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), OlderEcr)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("AWS_ENDPOINT_URL_ECR", f"http://127.0.0.1:{server.server_port}")
    made = create_repository(Aws(REGION, None).service("ecr"), "older", None)
    server.shutdown()
    server.server_close()
    assert made.mutability == "MUTABLE"
    assert made.scans
    assert made.can_move("train")


@pytest.mark.parametrize(
    ("mutability", "exceptions", "moves", "stays"),
    [
        ("MUTABLE", (), ["train", "train-0123456789ab"], []),
        ("IMMUTABLE", (), [], ["train", "train-0123456789ab-dirty"]),
        (
            "IMMUTABLE_WITH_EXCLUSION",
            ("train", "*-dirty"),
            ["train", "train-0123456789ab-dirty"],
            ["serve", "train-0123456789ab"],
        ),
        ("MUTABLE_WITH_EXCLUSION", ("train-*",), ["train"], ["train-0123456789ab"]),
    ],
)
def test_a_tag_moves_as_the_repository_has_it(mutability, exceptions, moves, stays):
    repository = Repository("host/name", ACCOUNT, mutability, exceptions, scans=True)
    assert all(map(repository.can_move, moves))
    assert not any(map(repository.can_move, stays))


@pytest.mark.parametrize(
    ("settings", "differences"),
    [
        (
            {},
            ["it does not scan images on push", "tags of revisions can be moved by others"],
        ),
        (
            {"imageTagMutability": "IMMUTABLE", "imageScanningConfiguration": {"scanOnPush": True}},
            ["its tags cannot be moved, so that train and serve stay where they are"],
        ),
    ],
    ids=["default", "immutable"],
)
def test_how_anothers_repository_differs_is_said(settings, differences, ecr, request):
    name = f"others-{request.node.callspec.id}"
    ecr.call("CreateRepository", repositoryName=name, **settings)
    found = find_repository(ecr, name, None)
    assert found is not None
    assert found.differences == differences


def test_accounts_are_added_to_those_that_may_pull(ecr):
    create_repository(ecr, "shared", None)
    assert allow_pull(ecr, "shared", None, "aws", ["111122223333"])
    assert allow_pull(ecr, "shared", None, "aws", ["444455556666"])
    assert not allow_pull(ecr, "shared", None, "aws", ["111122223333"])
    policy = json.loads(ecr.call("GetRepositoryPolicy", repositoryName="shared")["policyText"])
    (statement,) = policy["Statement"]
    assert statement["Effect"] == "Allow"
    assert statement["Principal"] == {"AWS": ["arn:aws:iam::111122223333:root", "arn:aws:iam::444455556666:root"]}
    assert statement["Action"] == [
        "ecr:BatchCheckLayerAvailability",
        "ecr:BatchGetImage",
        "ecr:GetDownloadUrlForLayer",
    ]


def test_statements_of_others_stay():
    other = {"Sid": "theirs", "Effect": "Deny", "Principal": "*", "Action": "ecr:DeleteRepository"}
    policy = with_pull({"Version": "2008-10-17", "Id": "x", "Statement": other}, ["arn:aws-cn:iam::111122223333:root"])
    assert policy["Version"] == "2008-10-17"
    assert policy["Id"] == "x"
    assert policy["Statement"][0] == other
    assert policy["Statement"][1]["Principal"] == {"AWS": ["arn:aws-cn:iam::111122223333:root"]}
