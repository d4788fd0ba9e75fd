# shellcheck shell=bash
# For build.sh: finds a docker that can build, and checks that its engine answers.

# Sets builder to the build command of the first docker on PATH that can build: a new client needs its buildx plugin, an
# old one includes BuildKit. Exits with a message if there is none.
find_builder() {
	local docker version answer complaint="docker is not on PATH; install Docker (on Debian: apt-get install docker.io)"
	builder=()
	while read -r docker; do
		if "$docker" buildx version >/dev/null 2>&1; then
			# The engine's own builder, so that it finds local base images and stores the result there.
			builder=("$docker" buildx build --builder "$("$docker" context show 2>/dev/null || echo default)" --load)
			# With attestations, the image becomes an index, which SageMaker refuses.
			[[ $("$docker" buildx build --help) != *--provenance* ]] || builder+=(--provenance=false --sbom=false)
			break
		fi
		version=$("$docker" version --format '{{.Client.Version}}' 2>/dev/null || true)
		if [[ ${version%%.*} =~ ^[0-9]+$ ]] && ((${version%%.*} >= 19 && ${version%%.*} < 23)); then
			export DOCKER_BUILDKIT=1
			builder=("$docker" build)
			break
		fi
		complaint="$docker${version:+ $version} cannot build without its buildx plugin; install it (Debian's package is"
		complaint+=" docker-buildx, Docker's docker-buildx-plugin)"
	done < <(type -ap docker)
	((${#builder[@]})) || die "$complaint"
	answer=$("${builder[0]}" version --format '{{.Server.Version}}' 2>&1) || case $answer in
	*"permission denied"*)
		die "no permission to use Docker; join its group (usermod -aG docker $(id -un)) and log in again, or use sudo"
		;;
	*)
		die "the Docker engine is not running or cannot be reached at ${DOCKER_HOST:-its socket};" \
			"start it, for example with: systemctl start docker"
		;;
	esac
}
