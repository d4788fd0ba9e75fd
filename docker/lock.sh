#!/usr/bin/env bash
set -euo pipefail

usage() {
	cat <<'TEXT'
Usage: docker/lock.sh [--upgrade]

Writes docker/{dev,train,serve,serve-cpu,host,smdebug}.lock and tests/images/sdk3.lock from the .in files beside them:
all packages for all platforms, with hashes and without index addresses. Locked versions are kept; --upgrade takes the
newest ones that fit.
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
# dev includes the other three, which are then constrained to its versions. jsonschema's optional check of IRIs builds a
# parser on import, in 1.5 s, and the SDK imports jsonschema; so it is omitted.
compile "${upgrade[@]}" dev.in --no-emit-package rfc3987-syntax --no-emit-package lark --output-file dev.lock
for target in train host; do
	# OpenVINO and NNCF require it and work without; it sends usage data.
	compile "$target.in" --constraint dev.lock --no-emit-package openvino-telemetry --output-file "$target.lock"
done
# Required, but unused: triton is for torch.compile, openvino-telemetry for OpenVINO's tools, and huggingface-hub, with
# what it requires, for timm's downloads.
unused=(triton openvino-telemetry)
unused+=(huggingface-hub hf-xet httpx2 httpcore2 httpx2-jsfetch anyio idna truststore packaging tqdm colorama)
for target in serve serve-cpu; do
	compile "$target.in" --constraint dev.lock "${unused[@]/#/--no-emit-package=}" --output-file "$target.lock"
done
compile "${upgrade[@]}" ../tests/images/sdk3.in --output-file ../tests/images/sdk3.lock
# Deliberately older packages, in an environment of their own.
compile "${upgrade[@]}" smdebug.in --output-file smdebug.lock
