#!/usr/bin/env bash
# The build stage: pip, a compiler, the locks split into layers, and wheels of packages that are source only.
set -euo pipefail
source "$(dirname "$0")/apt.sh"
source "$(dirname "$0")/pip.sh"

packages=(gcc libc6-dev)
! python_is_debians || packages+=(python3-dev python3-venv)
apt_install "${packages[@]}"
"$(readlink -f "$(command -v python3)")" -m venv /opt/tools
cd /tmp
python3 split_locks.py train.lock serve.lock smdebug.lock serve-cpu.lock /opt/layers

pip=(/opt/tools/bin/python -m pip --quiet --disable-pip-version-check --no-input)
"${pip[@]}" install --no-deps --require-hashes --requirement /opt/layers/tools/requirements.txt
for layer in train serve smdebug; do
	# -g0: debugging information would contain the name of a temporary directory. -D: pyinstrument-cext calls a function
	# that Python 3.13 removed; the other one does the same.
	SOURCE_DATE_EPOCH=315532800 CFLAGS="-g0 -DPyEval_CallObject=PyObject_CallObject" \
		"${pip[@]}" wheel --no-deps --no-build-isolation --require-hashes \
		--requirement "/opt/layers/$layer-sources/requirements.txt" --wheel-dir "/opt/layers/$layer/wheels"
done
# Files that later stages mount must be the same after a rebuild, or those stages would be rebuilt too.
find /opt/tools -name __pycache__ -prune -exec rm -rf {} +
