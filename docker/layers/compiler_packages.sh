#!/usr/bin/env bash
# Installs Triton and PyTorch's headers, which the other layers omit, and which torch.compile compiles with.
set -euo pipefail
source "$(dirname "$0")/settle.sh"
source "$(dirname "$0")/pip.sh"

packages=$(/opt/slipway/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
pip_install "${from_index[@]}" --requirement /media/compiler/requirements.txt
pip_install "${from_index[@]}" --requirement /media/torch/requirements.txt --target /tmp/torch
mv /tmp/torch/torch/include "$packages/torch/include"
settle
