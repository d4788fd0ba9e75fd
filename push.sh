#!/usr/bin/env bash
# Pushes the built images to Amazon ECR, with slipway/push; see ./push.sh --help.
set -euo pipefail
cd "$(dirname "$0")"

python=.venv/bin/python
if ! "$python" -c 'import botocore, click' 2>/dev/null; then
	docker/venv.sh host
	python=.venv-host/bin/python
fi
exec "$python" -m slipway.push "$@"
