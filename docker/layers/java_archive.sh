#!/usr/bin/env bash
# See java_archive.py.
set -euo pipefail
source "$(dirname "$0")/settle.sh"

PYTHONDONTWRITEBYTECODE=1 /opt/slipway/bin/python "$(dirname "$0")/java_archive.py"
settle
