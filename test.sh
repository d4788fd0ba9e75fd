#!/usr/bin/env bash
set -euo pipefail

usage() {
	cat <<'TEXT'
Usage: ./test.sh [PYTEST-ARGUMENT...]

Sets up .venv and .venv-smdebug, checks formatting, lint, types and shell scripts, and runs the tests. With arguments,
runs pytest on those alone, without the checks:  ./test.sh tests/serve -k ping
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
docker/venv.sh smdebug
export PATH="$PWD/.venv/bin:$PATH"
# Threads that share their cores with others wait for each other most of the time, and tests are many processes.
export OMP_NUM_THREADS=1

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
pytest --durations=10 tests/images >"$log" 2>&1 &
images=$!
failed=0
pytest --durations=20 --ignore=tests/images || failed=1
wait "$images" || failed=1
echo "== tests of the images"
cat "$log"
exit "$failed"
