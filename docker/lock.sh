#!/usr/bin/env bash
set -euo pipefail

usage() {
	cat <<'TEXT'
Usage: docker/lock.sh [--upgrade]

Writes docker/{dev,train,serve,host,smdebug}.lock and tests/images/sdk3.lock from the .in files beside them: every
package of every platform, with hashes and without any index address. Versions already locked are kept; --upgrade takes
the newest that fit.
Needs uv on PATH (pip install uv).
TEXT
}

upgrade=()
case "${1-}" in
"") ;;
--upgrade) upgrade=(--upgrade) ;;
-h | --help) usage && exit 0 ;;
*) usage >&2 && exit 2 ;;
esac
cd "$(dirname "$0")"
command -v uv >/dev/null || {
	echo "docker/lock.sh: uv is not on PATH; install it with: pip install uv" >&2
	exit 1
}

compile() {
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url \
		--custom-compile-command docker/lock.sh "$@"
}
# dev holds the other three; they are then constrained to its versions.
compile "${upgrade[@]}" dev.in --output-file dev.lock
for target in train host; do
	compile "$target.in" --constraint dev.lock --output-file "$target.lock"
done
# What is asked for, but not used: triton is torch.compile's, and telemetry is what OpenVINO's tools send home.
compile serve.in --constraint dev.lock --no-emit-package triton --no-emit-package openvino-telemetry \
	--output-file serve.lock
compile "${upgrade[@]}" ../tests/images/sdk3.in --output-file ../tests/images/sdk3.lock
# Older packages than the others', on purpose: an environment of its own.
compile "${upgrade[@]}" smdebug.in --output-file smdebug.lock
