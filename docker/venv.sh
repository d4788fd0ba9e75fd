#!/usr/bin/env bash
# Makes the project's virtual environment, .venv, or does nothing when it is up to date. For demo.sh and test.sh.
set -euo pipefail
cd "$(dirname "$0")/.."

lock=docker/dev.lock
stamp=.venv/.slipway-lock
want=$(cat "$lock" pyproject.toml | sha256sum)
if [[ -f $stamp && $(<"$stamp") == "$want" ]]; then
	exit 0
fi

python=
for candidate in "${PYTHON-}" python3.12 python3.11 python3 python; do
	if [[ -n $candidate ]] && "$candidate" -c 'import sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))' 2>/dev/null; then
		python=$candidate
		break
	fi
done
if [[ -z $python ]]; then
	echo "Slipway needs Python 3.11 or 3.12 with its venv module, and found neither on PATH." >&2
	echo "Install one (on Debian: apt-get install python3 python3-venv), or name it: PYTHON=/path/to/python3.12" >&2
	exit 1
fi

echo "Setting up .venv with $("$python" --version) (once; about 3 GB to download)"
rm -rf .venv # a half-made one is of no use
if ! "$python" -m venv .venv; then
	echo "Could not make .venv; on Debian, apt-get install python3-venv" >&2
	exit 1
fi
pip=(.venv/bin/python -m pip --disable-pip-version-check)
quiet=(--quiet)
[[ ! -t 1 ]] || quiet=() # pip's progress bars, where someone looks on
if ! "${pip[@]}" install "${quiet[@]}" --require-hashes --requirement "$lock"; then
	echo "Installing the locked packages failed; the lines above say why." >&2
	echo "sagemaker-training is compiled on this machine: a C compiler and Python's headers must be there" >&2
	echo "(on Debian: apt-get install gcc python3-dev)." >&2
	exit 1
fi
"${pip[@]}" install --quiet --no-deps --no-build-isolation --editable .
echo "$want" >"$stamp"
