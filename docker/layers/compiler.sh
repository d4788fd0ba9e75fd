#!/usr/bin/env bash
# Installs the compiler and Python's headers, which torch.compile uses.
set -euo pipefail
source "$(dirname "$0")/apt.sh"
source "$(dirname "$0")/settle.sh"

packages=(g++)
! python_is_debians || packages+=(python3-dev)
apt_install "${packages[@]}"
settle
