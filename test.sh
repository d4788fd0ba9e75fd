#!/usr/bin/env bash
set -euo pipefail

usage() {
	cat <<'TEXT'
Usage: ./test.sh [PYTEST-ARGUMENT...]

Sets up .venv and .venv-smdebug, checks formatting, lint, types and shell scripts, and runs the tests. With arguments,
it only runs pytest with those, without the checks:  ./test.sh tests/serve -k ping
Tests that need a browser (Debian's chromium), or Docker and the images (./build.sh), are skipped without them, except
under CI=true; tests marked gpu are skipped if torch finds no GPU.
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
# One thread per process: tests run in parallel, and threads that share cores mostly wait for each other.
export OMP_NUM_THREADS=1
# Hundreds of processes import torch, which takes twice as long where none may keep what it compiled.
unset PYTHONDONTWRITEBYTECODE

if (($# > 0)); then
	exec pytest "$@"
fi

echo "== checks"
ruff format --check --quiet .
ruff check --quiet .
lint-imports --no-logo --no-cache
mapfile -t scripts < <(git ls-files '*.sh' .ci)
shellcheck "${scripts[@]}"
shfmt --diff "${scripts[@]}"
hadolint docker/Dockerfile
python -m pip check
echo "== tests"
# mypy and the images' tests run beside the others; their output is shown at the end. The images' tests run one after the
# other and take longest, and all containers together get the time of one process; hence the others' niceness.
# The tests of a file share what they have trained or started, hence loadfile; the order of the folders does not leave
# the longest tests to the end.
logs=$(mktemp --directory)
trap 'rm -rf "$logs"' EXIT
nice mypy >"$logs/types" 2>&1 &
types=$!
pytest --durations=10 tests/images >"$logs/images" 2>&1 &
images=$!
failed=0
# One more than there are cores, since many tests wait for a server or a browser. nproc alone would count threads of
# OpenMP's.
processes=$(($(env --unset=OMP_NUM_THREADS nproc) + 1))
nice -n 5 pytest --numprocesses="$processes" --maxprocesses=4 --dist=loadfile --no-loadscope-reorder --durations=50 \
	--ignore=tests/images || failed=1
wait "$types" || failed=1
echo "== types"
cat "$logs/types"
wait "$images" || failed=1
echo "== tests of the images"
cat "$logs/images"
exit "$failed"
