#!/usr/bin/env bash
# Installs a list of locked packages as one layer: /media/requirements.txt, and /media/wheels if there are any. With an
# argument, into a virtual environment of that name, which it creates.
set -euo pipefail
source "$(dirname "$0")/settle.sh"
source "$(dirname "$0")/pip.sh"

readonly environment=${1:-/opt/slipway}
readonly python=$environment/bin/python
# Bytecode that Python writes by itself contains the time, and would not be rewritten below.
export PYTHONDONTWRITEBYTECODE=1
[[ -x $python ]] || /opt/slipway/bin/python -m venv --without-pip "$environment"
pip_install "${from_index[@]}" --requirement /media/requirements.txt
wheels=(/media/wheels/*.whl)
[[ ! -f ${wheels[0]} ]] || pip_install --no-index "${wheels[@]}"

packages=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
# All environments import the program.
[[ $environment == /opt/slipway ]] || echo /opt/slipway/program >"$packages/slipway.pth"
cd "$packages"
new() {
	find . -cnewer "$stamp" "$@"
}

# Files for building and testing.
new -type f \( -name '*.a' -o -name '*.bc' -o -name '*.h' -o -name '*.hpp' -o -name '*.cuh' -o -name '*.cmake' \) \
	-delete
new -depth -type d \( -name tests -o -name test -o -path ./torch/include -o -path './nvidia/*/include' \
	-o -path ./torch/share -o -path ./numpy/_core/include -o -path ./torch/bin/protoc\* \) -exec rm -rf {} +
rm -f torch/bin/protoc* torch/bin/*_test
# An alternative compiler and a solver for several GPUs: PyTorch neither links nor opens them.
rm -f nvidia/*/lib/libnvrtc*.alt.so* nvidia/*/lib/libcusolverMg.so*
# OpenVINO's plugins for other devices than CPUs, and its readers of other formats than ONNX, torch's and its own.
rm -f openvino/libs/libopenvino_{intel_gpu_plugin,intel_npu_plugin,auto_plugin,auto_batch_plugin,hetero_plugin}.so \
	openvino/libs/libopenvino_{gguf,jax,paddle,tensorflow,tensorflow_lite}_frontend.so.* \
	openvino/libs/libopenvino_c.so.* openvino/libs/cache.json
# Manuals and Jupyter extensions.
rm -rf "$environment/share" "$environment/include"
# Records of the installation, which may contain the index's address.
new -path '*.dist-info/*' \( -name direct_url.json -o -name REQUESTED -o -name INSTALLER \) -delete

# Bytecode, because containers may not be able to write it; not checked against file times.
new -type f -name '*.py' | LC_ALL=C sort >/dev/shm/sources
PYTHONHASHSEED=0 "$python" -m compileall -qq --invalidation-mode unchecked-hash -i /dev/shm/sources || true
settle
