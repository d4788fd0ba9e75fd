#!/usr/bin/env bash
set -euo pipefail

usage() {
	cat <<'TEXT'
Usage: docker/audit.sh [--service pypi|osv] [--osv-url URL] [--ignore FILE] [LOCK...]

Looks up every locked package in a database of known vulnerabilities, with pip-audit. The default locks are
docker/{train,train-cuda12,serve,serve-cuda12,host,smdebug,triton,dev}.lock.

  --service NAME   pypi (PyPI's JSON API), the default, or osv (api.osv.dev)
  --osv-url URL    another OSV API, such as a mirror's; only with osv
  --ignore FILE    explained findings (default: docker/audit-ignore.txt)

Exit codes: 0 no known vulnerability; 1 vulnerabilities, listed in a table; 2 wrong usage, lock or ignore file;
3 packages that could not be looked up.

Example: docker/audit.sh docker/serve.lock

Needs .venv (created by docker/venv.sh). docs/security.md says what to do about a finding.
TEXT
}

case ${1-} in -h | --help) usage && exit 0 ;; esac
root=$(cd "$(dirname "$0")/.." && pwd)
[[ -x $root/.venv/bin/pip-audit ]] || {
	echo "docker/audit.sh: .venv is missing or outdated; create it with docker/venv.sh" >&2
	exit 2
}
exec "$root/.venv/bin/python" "$root/docker/audit.py" "$@"
