#!/usr/bin/env bash
# One list of locked packages as one layer: /media/requirements.txt, and /media/wheels where there are any. With an
# argument, in a virtual environment of that name, which it makes.
set -euo pipefail
source "$(dirname "$0")/settle.sh"
source "$(dirname "$0")/pip.sh"

readonly environment=${1:-/opt/slipway}
readonly python=$environment/bin/python
# What Python compiles by itself has the time in it, and would be passed over below.
export PYTHONDONTWRITEBYTECODE=1
[[ -x $python ]] || /opt/slipway/bin/python -m venv --without-pip "$environment"
pip_install "${from_index[@]}" --requirement /media/requirements.txt
wheels=(/media/wheels/*.whl)
[[ ! -f ${wheels[0]} ]] || pip_install --no-index "${wheels[@]}"

packages=$("$python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
# The program is for all environments.
[[ $environment == /opt/slipway ]] || echo /opt/slipway/program >"$packages/slipway.pth"
cd "$packages"
new() {
	find . -cnewer "$stamp" "$@"
}

# What is there for building and testing other things.
new -type f \( -name '*.a' -o -name '*.bc' -o -name '*.h' -o -name '*.hpp' -o -name '*.cuh' -o -name '*.cmake' \) \
	-delete
new -depth -type d \( -name tests -o -name test -o -path ./torch/include -o -path './nvidia/*/include' \
	-o -path ./torch/share -o -path ./numpy/_core/include -o -path ./torch/bin/protoc\* \) -exec rm -rf {} +
rm -f torch/bin/protoc* torch/bin/*_test
# A second compiler that only --nvrtc-alternative asks for, and solvers that spread over several GPUs: nothing of
# PyTorch links or opens them.
rm -f nvidia/cu*/lib/libnvrtc*.alt.so* nvidia/cu*/lib/libcusolverMg.so*
# What OpenVINO has for other devices than a CPU, and for reading other programs' models.
rm -f openvino/libs/libopenvino_{intel_gpu_plugin,intel_npu_plugin,auto_plugin,auto_batch_plugin,hetero_plugin}.so \
	openvino/libs/libopenvino_*_frontend.so.* openvino/libs/libopenvino_c.so.* openvino/libs/cache.json
# Manuals, and extensions of Jupyter.
rm -rf "$environment/share" "$environment/include"
# How it was installed says where from.
new -path '*.dist-info/*' \( -name direct_url.json -o -name REQUESTED -o -name INSTALLER \) -delete

# Compiled here, because nobody may be able to write there later; bound to no file time.
new -type f -name '*.py' | LC_ALL=C sort >/dev/shm/sources
PYTHONHASHSEED=0 "$python" -m compileall -qq --invalidation-mode unchecked-hash -i /dev/shm/sources || true
settle
