"""What goes wrong between a command and AWS: one clear paragraph each, and nothing left running unmentioned.

Local servers answer as AWS and as a proxy do; what asks them is the real botocore.
"""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from slipway.aws.connection import Aws
from slipway.aws.refusals import AwsError
from slipway.aws.session import AwsSession
from slipway.aws.training_job import failure_text
from slipway.errors import DeniedError
from slipway.training.estimator import Estimator, StartedJob
from slipway.tuning.tuner import Tuner
from tests.slipway.sagemaker_account import IMAGE, REGION, ROLE

NOT_AUTHORIZED = (
    "User: arn:aws:iam::111122223333:user/me is not authorized to perform: iam:PassRole on resource: "
    f"{ROLE} because no identity-based policy allows the iam:PassRole action"
)


@contextmanager
def answering(*answers: tuple[int, dict[str, str]]) -> Iterator[str]:
    """Address of a server that gives these answers one after another, and the last one from then on."""
    left = list(answers)

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length", 0)))
            status, body = left.pop(0) if len(left) > 1 else left[0]
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_CONNECT = do_POST  # noqa: N815 (http.server's name)

        def log_message(self, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def refused(code: str, message: str = "because") -> tuple[int, dict[str, str]]:
    return 400, {"__type": code, "message": message}


@pytest.fixture(autouse=True)
def me(nobody, monkeypatch):
    """Credentials that look real."""
    for name, value in {"ACCESS_KEY_ID": "AKIDEXAMPLE", "SECRET_ACCESS_KEY": "secret", "REGION": REGION}.items():
        monkeypatch.setenv(f"AWS_{name}", value)
    for name in ("HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)


def paragraph(done) -> str:
    assert done.returncode == 3, done.stderr
    assert done.stdout == ""
    assert done.stderr.count("Error:") == 1
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (refused("ExpiredTokenException"), "sagemaker:ListEndpoints: the AWS credentials have expired"),
        (refused("UnrecognizedClientException"), "the region is not theirs: it may not be enabled for the account"),
        (refused("OptInRequired"), "--region names another"),
        (
            refused("ThrottlingException", "Rate exceeded"),
            "AWS throttles these calls (ThrottlingException), also after",
        ),
        (
            refused("AccessDeniedException", NOT_AUTHORIZED),
            f"arn:aws:iam::111122223333:user/me lacks iam:PassRole on {ROLE}",
        ),
    ],
    ids=["expired", "wrong region", "not enabled", "throttled", "denied"],
)
def test_a_refusal_is_one_paragraph_that_says_what_to_do(slipway_here, monkeypatch, answer, said):
    with answering(answer) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        assert said in paragraph(slipway_here("endpoints"))


def test_missing_credentials_are_said_before_any_call(slipway_here, monkeypatch):
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    assert "no working AWS credentials were found" in paragraph(slipway_here("endpoints"))


def test_a_throttled_call_is_tried_again_with_a_note(slipway_here, monkeypatch):
    with answering(refused("ThrottlingException", "Rate exceeded"), (200, {"Endpoints": []})) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        done = slipway_here("endpoints")
    assert done.returncode == 0, done.stderr
    assert "note: AWS throttles sagemaker:ListEndpoints (ThrottlingException); trying again" in done.stderr
    assert "No Slipway endpoints" in done.stdout


def test_a_proxy_that_cannot_be_reached_is_named(slipway_here, monkeypatch):
    # The digits of an HTTP status in the port say nothing.
    proxy = "http://me:secret@127.0.0.1:407"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://127.0.0.1:9")
    monkeypatch.setenv("HTTPS_PROXY", proxy)
    said = paragraph(slipway_here("endpoints"))
    assert "(HTTPS_PROXY) cannot be reached" in said
    assert "secret" not in said


def test_a_proxy_that_wants_a_password_is_named(slipway_here, monkeypatch):
    with answering((407, {})) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", "https://127.0.0.1:9")
        monkeypatch.setenv("HTTPS_PROXY", proxy)
        assert "(HTTPS_PROXY) wants a name and a password (407)" in paragraph(slipway_here("endpoints"))


def test_a_name_in_use_is_said_with_what_to_do(monkeypatch):
    for code, message in (
        ("ResourceInUse", "Job name must be unique within an AWS account and region."),
        ("ValidationException", 'Cannot create already existing endpoint "arn:dogs".'),
    ):
        with answering(refused(code, message)) as address:
            monkeypatch.setenv("AWS_ENDPOINT_URL", address)
            with pytest.raises(AwsError, match=r"a name is in use already: .*Choose another one"):
                Aws(REGION, None).service("sagemaker").call(
                    "CreateEndpoint", EndpointName="dogs", EndpointConfigName="dogs"
                )


def test_the_permission_that_a_jobs_role_lacks_is_named():
    reason = (
        f"ClientError: Data download failed: User: {ROLE.replace(':role/', ':assumed-role/')}/SageMaker is not "
        "authorized to perform: s3:GetObject on resource: arn:aws:s3:::my-dogs/1.jpg because no policy allows it"
    )
    description = {"TrainingJobName": "dogs", "TrainingJobStatus": "Failed", "FailureReason": reason}
    said = failure_text(description, REGION)
    assert "The missing permission: " in said
    assert "lacks s3:GetObject on arn:aws:s3:::my-dogs/1.jpg; docs/iam.md" in said


def test_a_wait_that_is_refused_says_what_still_runs(monkeypatch):
    with answering(refused("AccessDeniedException", "no")) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        session = AwsSession(Aws(REGION, None))
        tuner = Tuner(Estimator(ROLE, "ml.c7i.xlarge", image_uri=IMAGE, sagemaker_session=session))
        tuner.latest_tuning_job = StartedJob("dogs")
        with pytest.raises(DeniedError, match=r"(?s)If it has not ended, the tuning job dogs still runs.*slipway stop"):
            tuner.wait()
