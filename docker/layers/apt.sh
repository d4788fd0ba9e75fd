# shellcheck shell=bash
# For the other scripts of this folder: Debian packages, through the user's mirror and certificates where given.
# What apt needs to know comes as build secrets, so that no layer and no history holds an address.

apt_install() {
	# Without a terminal of its own, dpkg's errors stay errors and are seen.
	local apt=(apt-get --quiet=2 --yes --no-install-recommends -o Dpkg::Use-Pty=0)
	if [[ -f /dev/shm/apt_sources ]]; then
		apt+=(-o Dir::Etc::SourceList=/dev/shm/apt_sources -o Dir::Etc::SourceParts=/dev/null)
	fi
	[[ ! -f /dev/shm/ca ]] || apt+=(-o Acquire::https::CaInfo=/dev/shm/ca)
	export DEBIAN_FRONTEND=noninteractive
	"${apt[@]}" update
	"${apt[@]}" install "$@" >/dev/null
	# Indexes, logs and second copies: of no use to a running container, and different every day. What the base may
	# hold too is emptied, not removed: a removed file leaves a mark in the layer that bears the time.
	find /var/lib/apt/lists -type f ! -name lock -delete
	find /var/log /var/lib/dpkg /var/cache/debconf -type f \( -path '/var/log/*' -o -name '*-old' \) \
		-exec truncate --size=0 {} +
	rm -rf /var/cache/apt/*.bin /var/cache/apt/archives/*.deb /var/cache/ldconfig/*
}

# Whether Python is the system's own, whose headers and venv module are packages of the system.
python_is_debians() {
	[[ $(readlink -f "$(command -v python3)") == /usr/bin/* ]]
}
