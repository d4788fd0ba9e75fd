# shellcheck shell=bash
# For build.sh: explains in a sentence why a build failed.

# Prints the cause, from the build's output in the file $1; the base image was $2.
diagnose() {
	local log=$1 base=$2
	says() {
		grep --quiet --ignore-case --extended-regexp "$1" "$log"
	}
	if says 'slipway-build: '; then # the messages of docker/layers are the most specific
		sed -n 's/.*slipway-build: //p' "$log" | tail -1
	elif says 'no space left on device'; then
		echo "the disk is full; docker system df shows what Docker uses, docker builder prune removes the build cache"
	elif says 'ERROR.* \[internal\] load metadata|failed to (resolve source|do request)|pull access denied'; then
		echo "the base image $base is not on this machine and cannot be pulled; docker/base.sh makes one:" \
			"docker/base.sh && ./build.sh --base-image slipway-base:trixie"
	elif says 'certificate.verify.failed|certificate verification failed|self.signed certificate'; then
		echo "a server's certificate is not trusted; add the certificates of your proxy or index: --ca-bundle FILE"
	elif says 'do not match the hashes'; then
		echo "the package index has other files than docker/*.lock pin; use another index: --pip-config FILE"
	elif says 'temporary failure|could not resolve|connection (refused|timed out)|network is unreachable'; then
		echo "the build cannot download packages; try --network host, set HTTPS_PROXY, or use your own mirrors:" \
			"--pip-config FILE, --apt-sources FILE"
	elif says 'no matching distribution found'; then
		echo "the package index lacks a package that docker/*.lock pins; the lines above name it"
	else
		echo "the lines above say why"
	fi
}
