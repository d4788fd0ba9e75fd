"""Where and as whom, and what AWS's refusals are turned into."""

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from slipway.aws.connection import Aws
from slipway.aws.refusals import AwsError
from slipway.errors import CredentialsError, DeniedError, ServiceError, SettingError, UnreachableError


@contextmanager
def refusing(status: int, code: str, message: str) -> Iterator[str]:
    """Address of a server that refuses every call in the words of AWS: JSON for ECR, XML for STS."""

    class Refusal(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            if "X-Amz-Target" in self.headers:
                body = json.dumps({"__type": code, "message": message})
            else:
                error = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>"
                body = f"<ErrorResponse>{error}<RequestId>1</RequestId></ErrorResponse>"
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Refusal)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def settings(tmp_path, monkeypatch):
    """No settings but these."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name, value in {
        "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "credentials"),
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": "*",
    }.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "config").write_text("[profile work]\nregion = eu-west-1\nca_bundle = /office.pem\n")


@pytest.mark.parametrize(
    ("service", "operation", "status", "code", "kind", "message"),
    [
        (
            "sts",
            "GetCallerIdentity",
            403,
            "ExpiredToken",
            CredentialsError,
            r"sts:GetCallerIdentity: the AWS credentials have expired \(ExpiredToken\); sign in again",
        ),
        ("ecr", "GetAuthorizationToken", 400, "ExpiredTokenException", CredentialsError, "have expired"),
        ("sts", "GetCallerIdentity", 403, "InvalidClientTokenId", CredentialsError, "rejects these credentials"),
        ("ecr", "DescribeRepositories", 400, "UnrecognizedClientException", CredentialsError, "rejects these"),
        ("sts", "GetCallerIdentity", 403, "SignatureDoesNotMatch", CredentialsError, "this machine's clock may be"),
        (
            "ecr",
            "CreateRepository",
            400,
            "AccessDeniedException",
            DeniedError,
            r"ecr:CreateRepository is not allowed to these credentials \(because\); pushing needs "
            r"ecr:GetAuthorizationToken on \*, and on the repository ecr:DescribeRepositories, ecr:CreateRepository, ",
        ),
        ("ecr", "SetRepositoryPolicy", 400, "AccessDeniedException", DeniedError, "ecr:SetRepositoryPolicy$"),
        ("ecr", "CreateRepository", 400, "LimitExceededException", AwsError, "AWS refused it: because"),
        ("ecr", "DescribeRepositories", 500, "ServerException", UnreachableError, "an internal error"),
    ],
)
def test_a_refusal_says_what_was_called_and_what_to_do(service, operation, status, code, kind, message, monkeypatch):
    given = {
        "CreateRepository": {"repositoryName": "slipway"},
        "SetRepositoryPolicy": {"repositoryName": "slipway", "policyText": "{}"},
    }
    with refusing(status, code, "because") as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        with pytest.raises(kind, match=message) as caught:
            Aws("us-east-1", None).service(service).call(operation, **given.get(operation, {}))
    assert type(caught.value) is kind


def test_the_exit_codes_are_the_documented_ones():
    kinds = (ServiceError, SettingError, CredentialsError, DeniedError, UnreachableError)
    assert [kind.exit_code for kind in kinds] == [1, 2, 3, 4, 5]


def test_an_endpoint_that_does_not_answer_is_named(monkeypatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL_ECR", f"http://127.0.0.1:{taken.getsockname()[1]}")
        with pytest.raises(
            UnreachableError, match=r"ecr:DescribeRepositories: AWS does not answer .*check the network"
        ):
            Aws("us-east-1", None).service("ecr").call("DescribeRepositories")


def test_missing_credentials_are_named(monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    with pytest.raises(CredentialsError, match=r"no working AWS credentials were found .*sign in again"):
        Aws("us-east-1", None).service("ecr").call("DescribeRepositories")


def test_half_of_the_credentials_are_named(monkeypatch):
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    with pytest.raises(CredentialsError, match=r"Partial credentials.*sign in again"):
        Aws("us-east-1", None).service("ecr").call("DescribeRepositories")


def test_an_unknown_profile_is_named():
    with pytest.raises(CredentialsError, match=r"\(none-such\) could not be found; --profile and AWS_PROFILE name"):
        Aws("us-east-1", "none-such")


@pytest.mark.parametrize(
    ("option", "profile", "environment", "region"),
    [
        ("us-east-2", "work", {"AWS_REGION": "us-west-1"}, "us-east-2"),
        (None, "work", {"AWS_REGION": "us-west-1", "AWS_DEFAULT_REGION": "us-west-2"}, "us-west-1"),
        (None, "work", {"AWS_DEFAULT_REGION": "us-west-2"}, "us-west-2"),
        (None, "work", {}, "eu-west-1"),
        (None, None, {"AWS_PROFILE": "work"}, "eu-west-1"),
    ],
)
def test_the_region_is_the_nearest_that_is_named(option, profile, environment, region, monkeypatch):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert Aws(option, profile).region == region


@pytest.mark.parametrize(
    ("region", "message"),
    [(None, "no region is named; add --region"), ("mars-1", "AWS has no region 'mars-1'")],
)
def test_a_region_that_is_missing_or_unknown_is_named(region, message):
    with pytest.raises(SettingError, match=message):
        Aws(region, None)


@pytest.mark.parametrize(
    ("region", "partition", "host"),
    [
        ("eu-west-1", "aws", "111122223333.dkr.ecr.eu-west-1.amazonaws.com"),
        ("cn-north-1", "aws-cn", "111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn"),
        ("us-gov-west-1", "aws-us-gov", "111122223333.dkr.ecr.us-gov-west-1.amazonaws.com"),
    ],
)
def test_the_registry_is_where_its_partition_has_it(region, partition, host):
    aws = Aws(region, None)
    assert aws.partition == partition
    assert aws.registry_host("111122223333") == host


def test_certificates_are_those_of_the_profile_or_the_environment(monkeypatch):
    monkeypatch.delenv("AWS_CA_BUNDLE", raising=False)
    assert Aws(None, "work").ca_bundle == "/office.pem"
    assert Aws("us-east-1", None).ca_bundle is None
    monkeypatch.setenv("AWS_CA_BUNDLE", "/other.pem")
    assert Aws(None, "work").ca_bundle == "/other.pem"
