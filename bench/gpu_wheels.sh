#!/usr/bin/env bash
set -euo pipefail

usage() {
	cat <<'TEXT'
Usage: bench/gpu_wheels.sh

Collects in .gpu-wheels what bench/gpu.sh needs and a typical GPU machine lacks: wheels for Python 3.12 on Linux
(x86-64), in the versions of docker/dev.lock. Copy the checkout with that folder to the machine, which then needs no
network. Fails if checkout and wheels exceed 64 MB. sagemaker-training has an extension in C, compiled by python3.12 (or
$PYTHON312) if this machine has it, else on the GPU machine.

The GPU machine must have torch, torchvision, timm, numpy, OpenCV, Pillow, scikit-learn, safetensors, psutil,
nvidia-ml-py, uvloop, click, pytest with pytest-timeout, and their dependencies.
TEXT
}

case "${1-}" in
"") ;;
-h | --help) usage && exit 0 ;;
*) usage >&2 && exit 2 ;;
esac
cd "$(dirname "$0")/.."

readonly directory=.gpu-wheels most_bytes=64000000
wheels=(
	simplejpeg                                  # decoding
	boto3 botocore s3transfer jmespath retrying # sagemaker-training's, to the next comment
	gevent greenlet zope-event zope-interface paramiko bcrypt pynacl cryptography cffi pycparser invoke
	multi-model-server                                   # its Python side, for serve --check
	uvicorn httptools python-multipart prometheus-client # the front's
)
platforms=(manylinux_2_28_x86_64 manylinux_2_26_x86_64 manylinux_2_24_x86_64 manylinux_2_17_x86_64 manylinux2014_x86_64
	manylinux1_x86_64)

pip=(python3 -m pip --disable-pip-version-check --quiet)
compiler=
for candidate in "${PYTHON312-}" python3.12 ~/.pyenv/versions/3.12.*/bin/python; do
	if [[ -n $candidate ]] && "$candidate" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 12))' 2>/dev/null; then
		compiler=$candidate
		break
	fi
done

# The locked name and version of a package, as name==version.
locked() {
	grep -m1 -oE "^$1==[^ ;]+" docker/dev.lock || {
		echo "bench/gpu_wheels.sh: docker/dev.lock has no $1" >&2
		return 1
	}
}

rm -rf "$directory"
mkdir "$directory"
requirements=()
for name in "${wheels[@]}"; do
	requirements+=("$(locked "$name")")
done
"${pip[@]}" download --no-deps --only-binary=:all: --python-version 3.12 --implementation cp \
	"${platforms[@]/#/--platform=}" --dest "$directory" "${requirements[@]}"
"${pip[@]}" wheel --no-deps --wheel-dir "$directory" "$(locked inotify-simple)" # pure Python
if [[ -n $compiler ]]; then
	"$compiler" -m pip --disable-pip-version-check --quiet wheel --no-deps --wheel-dir "$directory" \
		"$(locked sagemaker-training)"
else
	"${pip[@]}" download --no-deps --no-binary=:all: --dest "$directory" "$(locked sagemaker-training)"
fi

bytes=$(find "$directory" -type f -printf '%s\n' | awk '{ sum += $1 } END { print sum }')
tree=$(git ls-files -z --cached --others --exclude-standard | xargs -0 stat --format=%s | awk '{ sum += $1 } END { print sum }')
printf '%s: %d packages, %.1f MB; the checkout has %.1f MB beside them\n' "$directory" \
	"$(find "$directory" -type f | wc -l)" "$((bytes / 100000))e-1" "$((tree / 100000))e-1"
if ((bytes + tree > most_bytes)); then
	echo "bench/gpu_wheels.sh: together they are more than $((most_bytes / 1000000)) MB" >&2
	exit 1
fi
