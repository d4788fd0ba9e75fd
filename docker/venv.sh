#!/usr/bin/env bash
# Creates the project's virtual environment, .venv, unless it is up to date. For demo.sh and test.sh.
# `docker/venv.sh host` creates .venv-host with only what push.sh needs; `docker/venv.sh smdebug` creates .venv-smdebug
# for the debugger's rules, `docker/venv.sh triton` .venv-triton for bench.serve, and `docker/venv.sh sdk3` .venv-sdk3 for
# tests, because smdebug and PyTriton require older packages and version 3 of the SageMaker SDK excludes version 2.
set -euo pipefail
cd "$(dirname "$0")/.."

venv=.venv lock=docker/dev.lock size="3.6 GB"
case ${1-} in
host) venv=.venv-host lock=docker/host.lock size="20 MB" ;;
smdebug) venv=.venv-smdebug lock=docker/smdebug.lock size="50 MB" ;;
sdk3) venv=.venv-sdk3 lock=tests/images/sdk3.lock size="220 MB" ;;
triton)
	venv=.venv-triton lock=docker/triton.lock size="160 MB"
	PYTHON=${PYTHON-/usr/bin/python3} # Triton loads libpython, whose version must be the same
	;;
esac
stamp=$venv/.slipway # checksums of the lock, and of the project's files, that it was made from
pip=("$venv/bin/python" -m pip --disable-pip-version-check)
want_lock=$(sha256sum <"$lock")
want_project=$(cat pyproject.toml docker/layers/java_archive.py | sha256sum)

install_project() {
	if [[ $venv == .venv ]]; then
		install_editable
	fi
	if [[ $venv == .venv && ! -f $venv/share/slipway-java/model-server.jsa ]]; then
		"$venv/bin/python" docker/layers/java_archive.py || true # servers also start without it, a second slower
	fi
	printf '%s\n' "$want_lock" "$want_project" >"$stamp"
}
install_editable() {
	"${pip[@]}" install --quiet --no-deps --no-build-isolation --editable . 2>/dev/null ||
		"${pip[@]}" install --no-deps --no-build-isolation --editable . # again, to show the error
}

{ read -r have_lock && read -r have_project; } 2>/dev/null <"$stamp" || true
if [[ ${have_lock-} == "$want_lock" ]]; then
	[[ ${have_project-} == "$want_project" ]] || install_project
	exit 0
fi

python=
for candidate in "${PYTHON-}" python3.12 python3.11 python3.13 python3 python; do
	# The base interpreter of an active virtual environment, since that may be the one removed below.
	if [[ -n $candidate ]] && python=$("$candidate" -c 'import sys, venv
sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13) or print(sys._base_executable))' 2>/dev/null); then
		break
	fi
	python=
done
if [[ -z $python ]]; then
	echo "Slipway needs Python 3.11, 3.12 or 3.13 with the venv module, but found none of them on PATH." >&2
	echo "Install one (on Debian: apt-get install python3 python3-venv), or name it: PYTHON=/path/to/python3.13" >&2
	exit 1
fi

echo "Setting up $venv with $("$python" --version) (once; about $size to download)"
rm -rf "$venv" # an incomplete one is useless
if ! "$python" -m venv "$venv"; then
	echo "Could not create $venv; on Debian, apt-get install python3-venv" >&2
	exit 1
fi
quiet=(--quiet)
[[ ! -t 1 ]] || quiet=() # progress bars on a terminal
# pyinstrument-cext calls a function that Python 3.13 removed; the other one does the same.
[[ $venv != .venv-smdebug ]] || export CFLAGS="${CFLAGS-} -DPyEval_CallObject=PyObject_CallObject"
# --no-deps: the lock is complete except for what docker/lock.sh omits, which pip would add. --no-compile: most modules
# are never imported.
locked=("${quiet[@]}" --no-deps --require-hashes --requirement "$lock")
# uv is several times as fast, but knows nothing of an index that pip was told to use instead.
install_with_uv() {
	command -v uv >/dev/null && ! "${pip[@]}" config list | grep '[.]index-url=' >/dev/null &&
		UV_HTTP_TIMEOUT=${UV_HTTP_TIMEOUT-180} uv pip install --python "$venv/bin/python" "${locked[@]}"
}
if ! install_with_uv && ! "${pip[@]}" install --no-compile "${locked[@]}"; then
	echo "Installing the locked packages failed; the lines above say why." >&2
	if [[ $venv == .venv ]]; then
		echo "sagemaker-training is compiled on this machine, which needs a C compiler and Python's headers" >&2
		echo "(on Debian: apt-get install gcc python3-dev)." >&2
	fi
	exit 1
fi
install_project
