#!/usr/bin/env bash
set -euo pipefail

usage() {
	cat <<'TEXT'
Usage: docker/lock.sh [--upgrade]

Writes docker/{dev,train,serve,serve-cpu,host,smdebug,triton}.lock, docker/{train,serve}-cuda12.lock and
tests/images/sdk3.lock from the .in files beside them: all packages for all platforms, with hashes and without index
addresses. Locked versions are kept; --upgrade takes the newest ones that fit, and prints what changed and which upper
bounds hold back a newer release, with their reasons.
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

# Prints the locked packages: NAME VERSION.
pins() {
	sed -n -E 's/^([a-z0-9._-]+)==([^ ]+).*/\1 \2/p' ./*.lock | sort --unique
}
before=$(pins)

# Prints the newest release that meets a requirement, whatever other packages require.
newest() {
	uv pip compile --quiet --no-deps --no-header --no-annotate --no-python-downloads --python-version 3.13 - <<<"$1"
}

# Prints a line with an upper bound and its reason, and whether it holds back a newer release.
judge() {
	local requirement=${1%%#*} free
	free=$(newest "${requirement%%[ ,=<>]*}")
	if [[ $free == "$(newest "$requirement")" ]]; then
		echo "$1 (holds nothing back)"
	else
		echo "$1 (holds back ${free#*==})"
	fi
}

compile() {
	uv pip compile --quiet --universal --generate-hashes --python-version 3.11 --no-emit-index-url \
		--custom-compile-command docker/lock.sh "$@"
}
# dev includes the other three, which are then constrained to its versions. jsonschema's optional check of IRIs builds a
# parser on import, in 1.5 s, and the SDK imports jsonschema; so it is omitted.
compile "${upgrade[@]}" dev.in --no-emit-package rfc3987-syntax --no-emit-package lark --output-file dev.lock
compile host.in --constraint dev.lock --output-file host.lock
# The images for CUDA 12 have another torch, with what it requires; all else is as in the others.
# The name is fixed because uv writes it into the locks.
constraints=../.build/cuda12-constraints.txt
mkdir -p ../.build
not_numpy=../.build/triton-constraints.txt
trap 'rm -f "$constraints" "$not_numpy"' EXIT
awk '/^[^ #]/ { other = /^(torch|torchvision|triton|cuda-(bindings|toolkit)|nvidia-[a-z0-9-]+)==/ && !/^nvidia-ml-py==/ } !other' \
	dev.lock >"$constraints"
# Required, but unused: triton is for torch.compile, openvino-telemetry for OpenVINO's tools, and huggingface-hub, with
# what it requires, for timm's downloads.
unused=(triton openvino-telemetry)
unused+=(huggingface-hub hf-xet httpx2 httpcore2 httpx2-jsfetch anyio idna truststore packaging tqdm colorama)
compile serve-cpu.in --constraint dev.lock "${unused[@]/#/--no-emit-package=}" --output-file serve-cpu.lock
for cuda in 13 12; do
	suffix='' given=dev.lock
	((cuda == 13)) || suffix=-cuda$cuda given=$constraints
	# OpenVINO and NNCF require openvino-telemetry and work without; it sends usage data.
	compile train.in "cuda$cuda.in" --constraint "$given" --no-emit-package openvino-telemetry \
		--output-file "train$suffix.lock"
	compile serve.in "cuda$cuda.in" --constraint "$given" "${unused[@]/#/--no-emit-package=}" \
		--output-file "serve$suffix.lock"
done
compile "${upgrade[@]}" ../tests/images/sdk3.in --output-file ../tests/images/sdk3.lock
# Deliberately older packages, in environments of their own.
compile "${upgrade[@]}" smdebug.in --output-file smdebug.lock
awk '/^[^ #]/ { other = /^numpy==/ } !other' serve-cpu.lock >"$not_numpy"
compile "${upgrade[@]}" triton.in --constraint "$not_numpy" --no-emit-package openvino-telemetry \
	--output-file triton.lock
if ((${#upgrade[@]})); then
	echo "Locked packages that changed (-: before, +: now):"
	diff --unified=0 <(echo "$before") <(pins) | grep -E '^[-+][a-z]' || echo "none"
	echo "Upper bounds:"
	grep -hE '^[^#]*(==|<)' ./*.in ../tests/images/sdk3.in | while IFS= read -r line; do judge "$line"; done
fi
