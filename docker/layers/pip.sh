# shellcheck shell=bash
# For the other scripts of this folder: pip, through the user's index and certificates where given. They come as build
# secrets, so that no layer and no history holds an address.

[[ ! -f /dev/shm/pip_conf ]] || export PIP_CONFIG_FILE=/dev/shm/pip_conf
[[ ! -f /dev/shm/ca ]] || export PIP_CERT=/dev/shm/ca

# Installs for the image's Python with the pip of the build stage, which is mounted at /mnt. What it downloads stays in
# the builder's cache. `environment` names another virtual environment than the program's.
pip_install() {
	/mnt/bin/python -m pip --python "${environment:-/opt/slipway}/bin/python" --disable-pip-version-check --no-input \
		--cache-dir /var/tmp/pip install --no-deps --no-compile --root-user-action ignore "$@"
}

# shellcheck disable=SC2034 # for those who source this
readonly from_index=(--require-hashes --only-binary :all:)
