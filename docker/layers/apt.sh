# shellcheck shell=bash
# For the other scripts of this folder: installs Debian packages, through the user's mirror and certificates if given.
# Those come as build secrets, so that no layer and no history contains an address.

apt_install() {
	# Without a pseudo-terminal, dpkg's errors go to standard error, and are shown.
	local apt=(apt-get --quiet=2 --yes --no-install-recommends -o Dpkg::Use-Pty=0)
	if [[ -f /dev/shm/apt_sources ]]; then
		apt+=(-o Dir::Etc::SourceList=/dev/shm/apt_sources -o Dir::Etc::SourceParts=/dev/null)
	fi
	[[ ! -f /dev/shm/ca ]] || apt+=(-o Acquire::https::CaInfo=/dev/shm/ca)
	export DEBIAN_FRONTEND=noninteractive
	"${apt[@]}" update
	"${apt[@]}" install "$@" >/dev/null
	# Removes indexes, logs and backups, which a container does not need and which differ every day. Files that the base
	# may contain are emptied, not removed: a removed file leaves a whiteout with the time in the layer.
	find /var/lib/apt/lists -type f ! -name lock -delete
	find /var/log /var/lib/dpkg /var/cache/debconf -type f \( -path '/var/log/*' -o -name '*-old' \) \
		-exec truncate --size=0 {} +
	rm -rf /var/cache/apt/*.bin /var/cache/apt/archives/*.deb /var/cache/ldconfig/*
}

# Whether Python is Debian's, whose headers and venv module are separate packages.
python_is_debians() {
	[[ $(readlink -f "$(command -v python3)") == /usr/bin/* ]]
}
