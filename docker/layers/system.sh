#!/usr/bin/env bash
# Installs Python, certificates and the user's packages, and creates SageMaker's mount points.
set -euo pipefail
source "$(dirname "$0")/apt.sh"
source "$(dirname "$0")/settle.sh"

python_version() {
	python3 -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null
}

command -v apt-get >/dev/null || {
	echo "slipway-build: the base image has no apt-get; use one based on Debian or Ubuntu" >&2
	exit 1
}
packages=(ca-certificates "$@")
# A base with its own Python, such as python:3.12-slim-trixie, keeps it.
python_version >/dev/null || packages+=(python3)
apt_install "${packages[@]}"

case $(python_version) in
3.11 | 3.12 | 3.13) ;;
*)
	echo "slipway-build: the base image has Python $(python_version); Slipway needs 3.11, 3.12 or 3.13," \
		"as in debian:trixie-slim or python:3.12-slim-trixie" >&2
	exit 1
	;;
esac
# A virtual environment, because pip must not change Debian's Python. pip itself is among the locked packages.
python3 -m venv --without-pip /opt/slipway
rm -r /opt/slipway/include
mkdir /opt/slipway/program /opt/slipway/weights

# SageMaker runs containers as root. Elsewhere any user works, by this name or a bare number.
echo 'slipway:x:10001:' >>/etc/group
echo 'slipway:x:10001:10001:Slipway:/tmp:/usr/sbin/nologin' >>/etc/passwd
mkdir -p /opt/ml/input/config /opt/ml/input/data /opt/ml/model /opt/ml/output/data /opt/ml/code
chmod -R a+rwX /opt/ml
settle
