"""Runs pip-audit for audit.sh on each lock, omits explained findings, and distinguishes all outcomes.

pip-audit alone says "No known vulnerabilities found" and exits 0 even if the database knows none of the packages, as
behind a package mirror without PyPI's JSON API.
"""

import argparse
import json
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

DOCKER = Path(__file__).parent
LOCKS = tuple(
    DOCKER / f"{name}.lock"
    for name in ("train", "train-cuda12", "serve", "serve-cuda12", "host", "smdebug", "triton", "dev")
)
NONE, FOUND, WRONG, NOT_LOOKED_UP = range(4)


class AuditError(Exception):
    """The audit cannot be done; carries the exit code."""

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


@dataclass(frozen=True)
class Finding:
    """A known vulnerability of a locked package."""

    package: str
    version: str
    vulnerability: str
    aliases: tuple[str, ...]
    fixed_in: tuple[str, ...]

    @property
    def names(self) -> set[str]:
        """All ids by which an ignore file may name it."""
        return {self.vulnerability, *self.aliases}


@dataclass
class Result:
    """Findings, and packages that could not be looked up, with the locks that contain them."""

    findings: dict[Finding, list[str]] = field(default_factory=dict)
    unknown: dict[str, list[str]] = field(default_factory=dict)
    looked_up: set[tuple[str, str]] = field(default_factory=set)

    def add(self, lock: str, dependencies: Sequence[Mapping[str, Any]]) -> None:
        """Add pip-audit's answer for a lock."""
        for dependency in dependencies:
            if "skip_reason" in dependency:
                self.unknown.setdefault(dependency["name"], []).append(lock)
                continue
            self.looked_up.add((dependency["name"], dependency["version"]))
            for found in dependency["vulns"]:
                aliases, fixed_in = tuple(sorted(found["aliases"])), tuple(found["fix_versions"])
                finding = Finding(dependency["name"], dependency["version"], found["id"], aliases, fixed_in)
                self.findings.setdefault(finding, []).append(lock)


def read_ignored(file: Path) -> dict[str, date]:
    """Read until when each vulnerability is ignored, in the format that audit-ignore.txt explains.

    Raises:
        AuditError: A line lacks its date or reason, or the file cannot be read.
    """
    ignored: dict[str, date] = {}
    try:
        lines = file.read_text().splitlines()
    except OSError as error:
        raise AuditError(f"the ignore file {file} cannot be read: {error.strerror}", WRONG) from error
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            vulnerability, until, _reason = line.split(maxsplit=2)
            ignored[vulnerability] = date.fromisoformat(until)
        except ValueError as error:
            raise AuditError(
                f"{file}, line {number}: {line.strip()!r} is not ID, UNTIL (2026-12-31) and REASON; "
                "an ignored finding needs a reason and an end date",
                WRONG,
            ) from error
    return ignored


def pip_audit(lock: Path, *options: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("pip-audit")
    fixed = ("--require-hashes", "--disable-pip", "--progress-spinner", "off", "--format", "json")
    return subprocess.run(
        [str(program), *fixed, *options, "--requirement", str(lock)], capture_output=True, text=True, check=False
    )


def cause(stderr: str) -> str:
    """Extract why pip-audit failed: its first error line, or the last error with a message in a stack trace."""
    if match := re.search(r"^ERROR:[\w.]+:(.+)$", stderr, re.MULTILINE):
        return match[1]
    errors = re.findall(r"^[\w.]+(?:Error|Exception): (.+)$", stderr, re.MULTILINE) or ["no reason given"]
    return re.sub(r"^.*\(Caused by (.*)\)$", r"\1", errors[-1])


def audit(lock: Path, service: Sequence[str]) -> list[dict[str, Any]]:
    """Audit a lock; returns each package with its vulnerabilities, or with the reason why it was skipped.

    Raises:
        AuditError: The lock is invalid, or the database cannot be reached.
    """
    if not lock.is_file():
        raise AuditError(f"there is no lock {lock}", WRONG)
    # pip-audit's exit code is 1 for everything; a dry run fails only because of the lock.
    readable = pip_audit(lock, "--dry-run")
    if readable.returncode:
        raise AuditError(f"{lock} is not a lock with hashes: {cause(readable.stderr)}", WRONG)
    answer = pip_audit(lock, *service)
    try:
        return list(json.loads(answer.stdout)["dependencies"])
    except ValueError as error:
        raise AuditError(
            f"the vulnerability data of {service[1]} is unavailable: {cause(answer.stderr)}; "
            "use the other --service, set HTTPS_PROXY, or run this where it can be reached",
            NOT_LOOKED_UP,
        ) from error


def table(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return "\n".join(line.rstrip() for line in lines)


def report(result: Result, ignored: Mapping[str, date], everything: bool) -> int:
    """Print the findings and outdated lines of the ignore file; returns the exit code."""
    today = datetime.now(UTC).date()
    valid = {name for name, until in ignored.items() if today < until}
    found = {name for finding in result.findings for name in finding.names}
    for name in sorted(ignored.keys() - valid):
        sys.stderr.write(f"docker/audit.sh: {name} was ignored until {ignored[name]}: review it again\n")
    if everything and not result.unknown:
        for name in sorted(valid - found):
            sys.stderr.write(f"docker/audit.sh: {name} is ignored but no longer found: remove its line\n")

    left = {finding: locks for finding, locks in result.findings.items() if not finding.names & valid}
    if left:
        rows = [("package", "version", "vulnerability", "fixed in", "locks")]
        for finding, locks in sorted(left.items(), key=lambda item: (item[0].package, item[0].vulnerability)):
            identity = ", ".join((finding.vulnerability, *finding.aliases))
            fixed_in = ", ".join(finding.fixed_in) or "none"
            rows.append((finding.package, finding.version, identity, fixed_in, ", ".join(locks)))
        sys.stdout.write(table(rows) + "\n")
    if result.unknown:
        names = ", ".join(sorted(result.unknown)[:5]) + (", …" if len(result.unknown) > 5 else "")
        sys.stderr.write(
            f"docker/audit.sh: packages that the database does not know: {len(result.unknown)} ({names}), so they are "
            "not audited. Behind a mirror of PyPI that may be every package: use --service osv\n"
        )
    if left:
        return FOUND
    if result.unknown:
        return NOT_LOOKED_UP
    hidden = len(result.findings)
    explained = f"; {hidden} explained in the ignore file" if hidden else ""
    sys.stdout.write(f"No known vulnerability in {len(result.looked_up)} locked packages{explained}\n")
    return NONE


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="docker/audit.sh", usage="see docker/audit.sh --help", add_help=False, allow_abbrev=False
    )
    parser.add_argument("--service", choices=("pypi", "osv"))
    parser.add_argument("--osv-url")
    parser.add_argument("--ignore", type=Path, default=DOCKER / "audit-ignore.txt")
    parser.add_argument("locks", nargs="*", type=Path)
    arguments = parser.parse_args()
    if arguments.osv_url and arguments.service == "pypi":
        parser.error("--osv-url goes with --service osv")
    service = ["--vulnerability-service", arguments.service or ("osv" if arguments.osv_url else "pypi")]
    if arguments.osv_url:
        service += ["--osv-url", arguments.osv_url]
    result = Result()
    try:
        ignored = read_ignored(arguments.ignore)
        for lock in arguments.locks or LOCKS:
            result.add(lock.stem, audit(lock, service))
    except AuditError as error:
        sys.stderr.write(f"docker/audit.sh: {error}\n")
        return error.exit_code
    return report(result, ignored, everything=not arguments.locks)


if __name__ == "__main__":
    sys.exit(main())
