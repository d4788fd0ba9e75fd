"""docker/audit.sh: no green without having looked, and no finding left out without a reason and an end."""

import json
import os
import socket
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

AUDIT = Path(__file__).parents[1] / "docker" / "audit.sh"
FINDING = {
    "id": "PYSEC-2021-66",
    "aliases": ["CVE-2020-28493"],
    "summary": "A regular expression takes quadratic time",
    "affected": [
        {
            "package": {"name": "jinja2", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.11.3"}]}],
        }
    ],
}


class OsvStandIn(BaseHTTPRequestHandler):
    """OSV's query API with one vulnerability in it, where the internet is not to be had."""

    def do_POST(self) -> None:
        query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        vulnerable = query == {"package": {"name": "jinja2", "ecosystem": "PyPI"}, "version": "2.11.2"}
        body = json.dumps({"vulns": [FINDING]} if vulnerable else {}).encode()
        self.send_response(503 if query["package"]["name"] == "busy" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Not into the tests' output."""


@pytest.fixture(scope="module")
def osv() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), OsvStandIn) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}/v1/query"
        server.shutdown()


@pytest.fixture
def closed_port() -> Iterator[int]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()[1]


@pytest.fixture
def lock(tmp_path: Path):
    def write(*requirements: str) -> Path:
        file = tmp_path / "some.lock"
        file.write_text("".join(f"{requirement} \\\n    --hash=sha256:{'0' * 64}\n" for requirement in requirements))
        return file

    return write


def audit(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    direct = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    command = [str(argument) for argument in (AUDIT, *arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=direct | environment)


def test_a_vulnerable_package_is_in_the_table_with_the_version_that_mends_it(osv: str, lock):
    result = audit("--osv-url", osv, lock("jinja2==2.11.2", "markupsafe==3.0.3"))
    assert result.returncode == 1, result.stderr
    header, row = result.stdout.splitlines()
    assert header.split() == ["package", "version", "vulnerability", "fixed", "in", "locks"]
    assert row.split() == ["jinja2", "2.11.2", "PYSEC-2021-66,", "CVE-2020-28493", "2.11.3", "some"]


def test_packages_without_a_vulnerability_pass(osv: str, lock):
    result = audit("--osv-url", osv, lock("jinja2==3.1.6", "markupsafe==3.0.3"))
    assert (result.returncode, result.stdout) == (0, "No known vulnerability in 2 locked packages\n")


@pytest.mark.parametrize("name", ["PYSEC-2021-66", "CVE-2020-28493"])
def test_an_explained_finding_passes_until_its_day(osv: str, lock, tmp_path: Path, name: str):
    today = datetime.now(UTC).date()
    ignore = tmp_path / "ignore.txt"
    # A week to either side: the day may change while this runs.
    ignore.write_text(f"# why\n\n{name} {today + timedelta(days=7)} only trusted templates are rendered\n")
    result = audit("--osv-url", osv, "--ignore", ignore, lock("jinja2==2.11.2"))
    assert result.returncode == 0, result.stderr
    assert "1 explained" in result.stdout

    past = today - timedelta(days=7)
    ignore.write_text(f"{name} {past} only trusted templates are rendered\n")
    result = audit("--osv-url", osv, "--ignore", ignore, lock("jinja2==2.11.2"))
    assert result.returncode == 1
    assert f"{name} was ignored until {past}: review it again" in result.stderr
    assert "PYSEC-2021-66" in result.stdout


@pytest.mark.parametrize("line", ["CVE-2020-28493 2999-01-01", "CVE-2020-28493 no template is rendered here"])
def test_an_ignored_finding_without_reason_or_day_is_refused(lock, tmp_path: Path, line: str):
    ignore = tmp_path / "ignore.txt"
    ignore.write_text(f"# why\n{line}\n")
    result = audit("--ignore", ignore, lock("jinja2==2.11.2"))
    assert result.returncode == 2
    assert f"{ignore}, line 2: '{line}' is not ID, UNTIL" in result.stderr


def test_an_unreachable_database_is_one_line_and_a_code_of_its_own(lock, closed_port: int):
    address = f"http://127.0.0.1:{closed_port}"
    for result in (
        audit("--osv-url", f"{address}/v1/query", lock("jinja2==2.11.2")),
        audit(lock("jinja2==2.11.2"), HTTPS_PROXY=address),
    ):
        assert (result.returncode, result.stdout) == (3, "")
        assert "the vulnerability data of" in result.stderr
        assert "refused" in result.stderr
        assert len(result.stderr.splitlines()) == 1


def test_a_database_that_cannot_answer_is_no_pass(osv: str, lock):
    result = audit("--osv-url", osv, lock("busy==1.0"))
    assert result.returncode == 3
    assert "503" in result.stderr


def test_packages_that_the_database_does_not_know_are_no_pass(monkeypatch: pytest.MonkeyPatch, capsys):
    """As behind a mirror that has PyPI's packages but not its JSON API; pip-audit itself then exits 0."""
    monkeypatch.syspath_prepend(AUDIT.parent)
    import audit as module

    result = module.Result()
    result.add("train", [{"name": "jinja2", "skip_reason": "Dependency not found on PyPI and could not be audited"}])
    assert module.report(result, {}, everything=True) == 3
    assert "packages that the database does not know: 1 (jinja2)" in capsys.readouterr().err


def test_a_line_of_the_ignore_file_that_nothing_needs_is_noticed(monkeypatch: pytest.MonkeyPatch, capsys):
    monkeypatch.syspath_prepend(AUDIT.parent)
    import audit as module

    until = datetime.now(UTC).date() + timedelta(days=7)
    assert module.report(module.Result(), {"CVE-2020-28493": until}, everything=True) == 0
    assert "CVE-2020-28493 is ignored but no longer found" in capsys.readouterr().err


def test_what_is_no_lock_is_wrong_usage(tmp_path: Path):
    missing = audit(tmp_path / "missing.lock")
    assert missing.returncode == 2
    assert f"there is no lock {tmp_path / 'missing.lock'}" in missing.stderr

    loose = tmp_path / "loose.lock"
    loose.write_text("jinja2\n")
    result = audit(loose)
    assert result.returncode == 2
    assert "is not a lock with hashes" in result.stderr


def test_wrong_options_are_refused_with_a_pointer_to_the_help(tmp_path: Path):
    for arguments in (["--servcie", "osv"], ["--service", "snyk"], ["--service", "pypi", "--osv-url", "http://x"]):
        result = audit(*arguments)
        assert result.returncode == 2
        assert "docker/audit.sh --help" in result.stderr
    assert "Exit codes" in audit("--help").stdout
