# shellcheck shell=bash
# For the other scripts of this folder: runs pip, with the user's index and certificates if given. Those come as build
# secrets, so that no layer and no history contains an address.

[[ ! -f /dev/shm/pip_conf ]] || export PIP_CONFIG_FILE=/dev/shm/pip_conf
[[ ! -f /dev/shm/ca ]] || export PIP_CERT=/dev/shm/ca

# Installs for the image's Python with the build stage's pip, mounted at /mnt. Downloads stay in the builder's cache.
# `environment` names another virtual environment than the program's.
pip_install() {
	/mnt/bin/python -m pip --python "${environment:-/opt/slipway}/bin/python" --disable-pip-version-check --no-input \
		--cache-dir /var/tmp/pip install --no-deps --no-compile --root-user-action ignore "$@"
}

# shellcheck disable=SC2034 # for those who source this
readonly from_index=(--require-hashes --only-binary :all:)
