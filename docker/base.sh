#!/usr/bin/env bash
set -euo pipefail

usage() {
	cat <<'TEXT'
Usage: docker/base.sh [--tag NAME] [--suite SUITE] [--mirror URL]

Makes a small Debian image with mmdebstrap, for build.sh on machines that cannot pull one. Like debian:trixie-slim, it
has the required packages, without documentation and translations.

  --tag NAME      the image's name (default: slipway-base:SUITE)
  --suite SUITE   Debian's release (default: trixie, which has Python 3.13; bookworm has 3.11)
  --mirror URL    a Debian mirror, or a day of snapshot.debian.org for reproducible packages
                  (default: Debian's own, with updates and security)

Needs root, Docker and mmdebstrap (apt-get install mmdebstrap).

Example:
  docker/base.sh && ./build.sh --base-image slipway-base:trixie
TEXT
}

die() {
	echo "docker/base.sh: $*" >&2
	exit 1
}

suite=trixie mirror='' tag=''
while (($#)); do
	case $1 in
	--tag | --suite | --mirror)
		[[ -n ${2-} ]] || die "$1 needs a value"
		declare "${1#--}=$2"
		shift
		;;
	-h | --help) usage && exit 0 ;;
	*) usage >&2 && exit 2 ;;
	esac
	shift
done
command -v docker >/dev/null || die "docker is not on PATH; install Docker: docs/images.md"
command -v mmdebstrap >/dev/null || die "mmdebstrap is not on PATH; install it with: apt-get install mmdebstrap"
: "${tag:=slipway-base:$suite}"
mirror=${mirror%/}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# Without a mirror, mmdebstrap uses all three of Debian's own.
sources=()
if [[ -n $mirror ]]; then
	sources+=("deb $mirror $suite main")
	if [[ $mirror != *snapshot.debian.org* ]]; then
		sources+=("deb $mirror $suite-updates main" "deb ${mirror%/debian}/debian-security $suite-security main")
	fi
fi
# shellcheck disable=SC2016 # $1 is mmdebstrap's
# Reproducible: mmdebstrap sets every file's time to this, and files that name this host are removed.
SOURCE_DATE_EPOCH=315532800 mmdebstrap --quiet --variant=minbase \
	--aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Languages "none"' \
	--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-include=/usr/share/doc/*/copyright' \
	--dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
	--dpkgopt='path-exclude=/usr/share/info/*' \
	--customize-hook='rm -f "$1/etc/hostname"; : >"$1/etc/hosts"; : >"$1/etc/resolv.conf"' \
	"$suite" "$work/base.tar" "${sources[@]}" || die "mmdebstrap failed; the lines above say why"
docker import --change 'CMD ["bash"]' "$work/base.tar" "$tag" >/dev/null
echo "$tag $(docker image inspect --format '{{.Id}} {{.Size}} bytes' "$tag")"
