#!/usr/bin/env bash
set -euo pipefail

usage() {
	cat <<'TEXT'
Usage: bench/gpu.sh [--device cuda|cpu] [--quick] [--only PART]... OUT

Measures and tests everything that needs an NVIDIA GPU, within nine minutes at most: the tests of tests/gpu, training,
decoding, the cost of profiler and debugger, serving, and a job that is killed and resumed. Each part has its own time
limit, and appends each measurement to its file at once. What cannot run on the machine is named.

  OUT               directory for the results: a file of JSON lines for each part, log.txt, and summary.md with the
                    targets and results
  --device cpu      run the same code without a GPU; only with --quick
  --quick           measure as little as possible, only to see that everything works: two minutes
  --only PART       run only this part; may be given several times
  --help            show this text

It uses .venv if there is one, else python3 (or $PYTHON) with its packages and the wheels that bench/gpu_wheels.sh has
collected in .gpu-wheels. Exit code 1: a test, a measurement or a part failed.

Examples:
  bench/gpu_wheels.sh                                    # on this machine
  bench/gpu.sh results                                   # on the machine with the GPU
  bench/gpu.sh --device cpu --quick results              # without a GPU
TEXT
}

for argument; do
	if [[ $argument == -h || $argument == --help ]]; then
		usage
		exit 0
	fi
done
root=$(cd "$(dirname "$0")/.." && pwd)
paths=("$root")
python=${PYTHON:-python3}
if [[ -z ${PYTHON-} && -x $root/.venv/bin/python ]]; then
	python=$root/.venv/bin/python
elif compgen -G "$root/.gpu-wheels/*.whl" >/dev/null &&
	"$python" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 12))'; then
	site=$(mktemp -d)
	trap 'rm -rf "$site"' EXIT
	install=("$python" -m pip install --quiet --no-index --no-deps --no-compile --no-build-isolation
		--disable-pip-version-check --target "$site")
	"${install[@]}" "$root"/.gpu-wheels/*.whl
	for source in "$root"/.gpu-wheels/*.tar.gz; do
		[[ ! -e $source ]] || "${install[@]}" "$source" || echo "bench/gpu.sh: ${source##*/} cannot be compiled here" >&2
	done
	paths+=("$site")
fi
PYTHONPATH=$(IFS=: && echo "${paths[*]}")${PYTHONPATH:+:$PYTHONPATH}
export PYTHONPATH
export PYTHONUNBUFFERED=1
"$python" -m bench.gpu --seconds "$((535 - SECONDS))" "$@"
