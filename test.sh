#!/usr/bin/env bash
set -euo pipefail

usage() {
	cat <<'TEXT'
Usage: ./test.sh [PYTEST-ARGUMENT...]

Sets up .venv, checks formatting, lint, types and shell scripts, and runs the tests. With arguments, runs
pytest on those alone, without the checks:  ./test.sh tests/serve -k ping
Tests that need a browser (Debian's chromium) or Docker and the images (./build.sh) are skipped where those are not there,
except under CI=true; tests marked gpu are skipped where torch finds no GPU.
TEXT
}

if [[ ${1-} == -h || ${1-} == --help ]]; then
	usage
	exit 0
fi
cd "$(dirname "$0")"
docker/venv.sh
export PATH="$PWD/.venv/bin:$PATH"

if (($# > 0)); then
	exec pytest "$@"
fi

echo "== checks"
ruff format --check --quiet .
ruff check --quiet .
mypy
mapfile -t scripts < <(git ls-files '*.sh' .ci/run)
shellcheck "${scripts[@]}"
shfmt --diff "${scripts[@]}"
hadolint docker/Dockerfile
python -m pip check
echo "== tests"
# Those of the images wait for Docker most of the time. What they print is shown when both have ended.
log=$(mktemp)
trap 'rm -f "$log"' EXIT
pytest tests/images >"$log" 2>&1 &
images=$!
failed=0
pytest --ignore=tests/images || failed=1
wait "$images" || failed=1
echo "== tests of the images"
cat "$log"
exit "$failed"
