"""What clients send is not in the log: no picture's bytes, in no form; and a header's text is bounded and escaped."""

import base64
import json
from pathlib import Path

import pytest

from tests.serve.server_process import await_true

MARK = "SLIPWAYPRIVATE"
BOUNDARY = "edge"


def multipart(body: bytes, name: str) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="image"; filename="{name}"\r\n\r\n'
    return head.encode() + body + f"\r\n--{BOUNDARY}--\r\n".encode()


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_picture_is_in_the_log(base_dir: Path, start_server, picture: bytes, form: str) -> None:
    """At the most talkative level, with pictures that can be read and such that cannot."""
    server = start_server(
        base_dir, SLIPWAY_LOG_FORMAT=form, SAGEMAKER_CONTAINER_LOG_LEVEL="10", SLIPWAY_EMF="Test", SLIPWAY_EMF_S="1"
    )
    server.await_ready()
    # A comment in a JPEG, which decoders skip; and bytes that are no picture.
    good = picture[:2] + b"\xff\xfe" + (2 + len(MARK)).to_bytes(2, "big") + MARK.encode() + picture[2:]
    bad = MARK.encode() * 20
    encoded = base64.b64encode(bad).decode()
    tiff = b"II*\x00\x08\x00\x00\x00\x01\x00\x0e\x01\x02\x00\x0f\x00\x00\x00\x1a\x00\x00\x00\x00\x00\x00\x00" + bad
    form_type = f"multipart/form-data; boundary={BOUNDARY}"
    assert server.post(good).status == 200
    assert server.post(json.dumps({"image": base64.b64encode(good).decode()}), "application/json").status == 200
    assert server.post(multipart(good, f"{MARK}.jpg"), form_type).status == 200
    wrong = [
        server.post(bad),
        server.post(tiff),
        server.post(bad, "application/x-npy"),
        server.post(json.dumps({"image": encoded}), "application/json"),
        server.post(json.dumps({encoded: 1}), "application/json"),
        server.post(f'{{"image": "{encoded}', "application/json"),
        server.post(json.dumps({"image": MARK}), "application/json"),
        server.post(multipart(bad, f"{MARK}.jpg"), form_type),
        server.post(multipart(good, f"{MARK}.jpg")[:-9], form_type),
        server.post(bad, form_type),
        server.post(good, f"image/{encoded[:200]}", encoded[:500]),
        server.post(good, accept=encoded * 20),
        server.post(good, accept=f"application/json;explain={encoded[:100]}"),
        server.request(
            "POST", "/invocations", good, {"X-Amzn-SageMaker-Custom-Attributes": f"explain={encoded[:300]}"}
        ),
        server.request("POST", f"/invocations?picture={encoded}", good),
        server.request(
            "POST", "/invocations", good, {"Cookie": encoded, "X-Picture": encoded, "Content-Encoding": MARK}
        ),
    ]
    await_true(lambda: wrong[-1].headers["x-request-id"] in server.log, "the last one is logged")
    assert server.stop() == 0
    for told in (MARK, encoded[:12], encoded[13:30], base64.b64encode(good).decode()[:40], repr(bad[:8])[2:-1]):
        assert told not in server.log, [line for line in server.log.splitlines() if told in line][:3]
    assert server.errors == ""


def test_what_is_logged_of_a_request_is_bounded_and_escaped(base_dir: Path, start_server) -> None:
    server = start_server(base_dir)
    path = '/"%0a%1b[31m%e2%80%a8level=ERROR' + "a" * 5000
    answer = server.request("GET", path)
    assert answer.status == 404
    [line] = await_true(lambda: server.request_lines(answer), "it is logged")
    assert line["path"].startswith('"/\\"\\n\\x1b[31m\\u2028level=ERROR')
    assert len(line["path"]) < 140
    assert all(char.isprintable() for char in server.log.replace("\n", ""))
