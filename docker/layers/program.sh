#!/usr/bin/env bash
# Lays out the program for each image, below /opt/program/<image>, as it will be below /opt/slipway.
set -euo pipefail
source "$(dirname "$0")/settle.sh"

declare -A parts=([train]="contract embed explore export graph manifest networks page report rules train" [serve]="contract graph networks serve")
for image in train:container.train.launcher serve:container.serve.supervisor.__main__; do
	name=${image%%:*} module=${image#*:} root=/opt/program/${image%%:*}
	packages=$root/lib/$(basename "$(dirname "$(echo /opt/slipway/lib/python3*/site-packages)")")/site-packages
	mkdir -p "$root/bin" "$root/program/container" "$packages"
	cp -R "$(dirname "$0")/container/"*.py "$root/program/container/"
	for part in ${parts[$name]}; do
		cp -R "$(dirname "$0")/container/$part" "$root/program/container/"
	done
	echo /opt/slipway/program >"$packages/slipway.pth"
	# The smdebug API, for scripts not started by the launcher.
	[[ $name != train ]] || echo /opt/slipway/program/container/train/debugger/api >>"$packages/slipway.pth"
	printf '%s\n' '#!/opt/slipway/bin/python' 'import sys' "from $module import main" 'sys.exit(main())' >"$root/bin/$name"
	chmod -R u=rwX,go=rX "$root"
	chmod 0755 "$root/bin/$name"
	(cd "$root/program" && PYTHONHASHSEED=0 /opt/slipway/bin/python -m compileall -q --invalidation-mode unchecked-hash \
		-p /opt/slipway/program .)
done
settle
