#!/usr/bin/env bash
set -euo pipefail

usage() {
	cat <<'TEXT'
Usage: docker/sbom.sh [train|serve|all] [--image NAME] [--output DIR]

Writes a built image's software bill of materials (CycloneDX 1.6, JSON): Debian packages, Python packages, the libraries
inside their wheels, and the Java libraries and runtime. The same image gives the same file.

  train, serve, all   which image (default: all)
  --image NAME        the image, if it is not slipway:train or slipway:serve; not with all
  --output DIR        directory for train.cdx.json and serve.cdx.json (default: .build/sbom)

Example: docker/sbom.sh serve --image slipway:serve-1f0c2a9b7d3e

Needs Docker and .venv (created by docker/venv.sh). docs/security.md says how to read and scan the files.
TEXT
}

fail() {
	echo "docker/sbom.sh: $1" >&2
	exit 1
}

wrong_usage() {
	echo "docker/sbom.sh: $1; see docker/sbom.sh --help" >&2
	exit 2
}

targets=() image='' output=''
while (($#)); do
	case $1 in
	train | serve) targets+=("$1") ;;
	all) targets+=(train serve) ;;
	--image | --output)
		[[ -n ${2-} ]] || wrong_usage "$1 needs a value"
		printf -v "${1#--}" %s "$2"
		shift
		;;
	-h | --help) usage && exit 0 ;;
	*) wrong_usage "unknown argument $1" ;;
	esac
	shift
done
((${#targets[@]})) || targets=(train serve)
[[ -z $image || ${#targets[@]} == 1 ]] || wrong_usage "--image is one image: say whether it is train or serve"

root=$(cd "$(dirname "$0")/.." && pwd)
output=${output:-$root/.build/sbom}
readonly python=$root/.venv/bin/python
[[ -x $python && -x $root/.venv/bin/cyclonedx-py ]] || fail ".venv is missing or outdated; create it with docker/venv.sh"
command -v docker >/dev/null || fail "there is no docker on PATH; install Docker (on Debian: apt-get install docker.io)"
docker version >/dev/null 2>&1 ||
	fail "the Docker engine does not answer; start it, or name it with DOCKER_HOST: $(docker version 2>&1 | tail -1)"
mkdir -p "$output" 2>/dev/null || fail "cannot write to $output"
work=$(mktemp --directory)
trap 'rm -rf "$work"' EXIT

in_image() {
	docker run --rm --network none --user 0 --entrypoint "$1" "${@:2}"
}

# Extracts the packages' own records and the Java files from the image, which needs no extra tool.
extract() {
	local target=$1 image=$2 into=$3
	mkdir -p "$into/root"
	docker image inspect "$image" >"$into/image.json" 2>/dev/null ||
		fail "there is no image $image; build it with ./build.sh $target, or name another with --image"
	# shellcheck disable=SC2016 # dpkg-query's fields
	in_image dpkg-query "$image" --show --showformat \
		'${db:Status-Status}\t${Package}\t${Version}\t${Architecture}\t${source:Package}\t${source:Version}\n' \
		>"$into/packages.tsv" || fail "cannot list the Debian packages of $image"
	in_image sh "$image" -c '
		{
			find / -xdev -type f -name "*.jar"
			find / -xdev -path "*/lib/jrt-fs.jar" -execdir readlink -f ../release \;
			find /opt/slipway*/lib/python3.*/site-packages -maxdepth 1 \( -name "*.dist-info" -o -name "*.egg-info" \)
			ls -d /usr/lib/os-release /usr/share/doc/*/copyright
		} | sed "s,^/,," | tar --create --dereference --directory / --files-from -' |
		tar --extract --directory "$into/root" || fail "cannot read the packages in $image"
	# cyclonedx-py reads environments, so each of the image's is recreated with only its records.
	local found environment
	for found in "$into"/root/opt/slipway*; do
		environment=$into/environments/${found##*/}
		"$python" -m venv --without-pip "$environment"
		mv "$found"/lib/python3.*/site-packages/*-info "$environment"/lib/python3.*/site-packages/
		env -u PYTHONPATH "$root/.venv/bin/cyclonedx-py" environment --output-reproducible \
			--output-file "$environment.json" "$environment"
	done
}

for target in "${targets[@]}"; do
	name=${image:-slipway:$target}
	extract "$target" "$name" "$work/$target"
	"$python" "$root/docker/sbom/assemble.py" "$name" "$work/$target" "$output/$target.cdx.json"
done
