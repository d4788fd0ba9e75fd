#!/usr/bin/env bash
set -euo pipefail

usage() {
	cat <<'TEXT'
Usage: bench/stamps.sh DIR

Lays out real photographs in DIR, a folder for each class, for  python -m bench.accuracy --data DIR: the 238 photographs
of ten kinds of things, cut out on white, that are in Debian's package tuxpaint-stamps-default (GPL-2). Downloads the
package (160 MB); needs apt-get and dpkg-deb.
TEXT
}

case "${1--h}" in
-h | --help) usage && exit 0 ;;
-*) usage >&2 && exit 2 ;;
esac
mkdir -p "$1"
target=$(realpath "$1")
package=$(mktemp --directory)
trap 'rm -rf "$package"' EXIT
cd "$package"
apt-get download --quiet=2 -o APT::Sandbox::User=root tuxpaint-stamps-default
dpkg-deb --extract ./*.deb .
for folder in animals/{birds,fish,mammals} clothes food/{fruit,vegetables} hobbies/music household/tools plants/flowers \
	vehicles; do
	class=$target/$(basename "$folder")
	mkdir -p "$class"
	# Drawings and mirrored copies are no photographs of their own.
	find "usr/share/tuxpaint/stamps/$folder" -name '*.png' ! -path '*cartoon*' ! -name '*_mirror*' \
		-exec cp --target-directory "$class" {} +
done
echo "$(find "$target" -name '*.png' | wc -l) photographs in $target"
