#!/usr/bin/env bash
# The system's part: Python, certificates and what the user adds; the places where SageMaker mounts things.
set -euo pipefail
source "$(dirname "$0")/apt.sh"
source "$(dirname "$0")/settle.sh"

python_version() {
	python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

command -v apt-get >/dev/null || {
	echo "slipway-build: the base image has no apt-get; take one made of Debian or Ubuntu" >&2
	exit 1
}
packages=(ca-certificates "$@")
# A base that brings its own Python, as python:3.12-slim does, keeps it.
python_version >/dev/null || packages+=(python3)
apt_install "${packages[@]}"

case $(python_version) in
3.11 | 3.12) ;;
*)
	echo "slipway-build: the base image gives Python $(python_version); Slipway needs 3.11 or 3.12," \
		"as debian:bookworm-slim or python:3.12-slim-bookworm have it" >&2
	exit 1
	;;
esac
# A virtual environment, because Debian's own Python is not pip's to change. pip comes with the locked packages.
python3 -m venv --without-pip /opt/slipway
rm -r /opt/slipway/include
mkdir /opt/slipway/program /opt/slipway/weights

# SageMaker starts containers as root. Elsewhere any user may train and serve, this one or a bare number.
echo 'slipway:x:10001:' >>/etc/group
echo 'slipway:x:10001:10001:Slipway:/tmp:/usr/sbin/nologin' >>/etc/passwd
mkdir -p /opt/ml/input/config /opt/ml/input/data /opt/ml/model /opt/ml/output/data /opt/ml/code
chmod -R a+rwX /opt/ml
settle
