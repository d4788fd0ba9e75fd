#!/usr/bin/env bash
set -euo pipefail

usage() {
	cat <<'TEXT'
Usage: ./build.sh [train|serve|all] [OPTION...]

Builds the training and the serving image (default: both), tagged slipway:<target>-<git revision> and slipway:<target>.
The revision gets "-dirty" if the images' sources have uncommitted changes.

  --base-image IMAGE       a Debian or Ubuntu with apt-get (default: debian:trixie-slim); docker/base.sh makes one if
                           none can be pulled
  --weights NAME|FILE|DIR  include pretrained weights in the training image: those that torchvision or timm downloads
                           for a network (resnet50, convnext_tiny.in12k_ft_in1k); a .pth, .pt or .safetensors file of
                           a ResNet, or of any network as NETWORK=FILE; or a folder of timm's on the Hugging Face hub
  --cuda 12|13             CUDA of the images with torch (default: 13). 13 needs NVIDIA driver 580 on the host, 12 needs
                           525, and its images are slipway:train-cuda12 and slipway:serve-cuda12
  --cpu                    with the target serve: the image for CPUs, slipway:serve-cpu, 0.5 GB and without torch; it
                           serves models that have a model.onnx, and no inference.py
  --platform PLATFORM      with --cpu: linux/arm64, on such a machine (default: linux/amd64)
  --compiler               add Triton and g++ to the training image, for the hyperparameter compile (1.1 GB more)
  --name NAME              the images' name, before the colon (default: slipway)
  --system-packages "A B"  more Debian packages for both images
  --network MODE           network of the build steps, as in `docker build` (host helps behind some proxies)
  --ca-bundle FILE         certificates of a proxy or a private index
  --pip-config FILE        a pip.conf with a private index
  --apt-sources FILE       a sources.list with a private Debian mirror

The last three are build secrets: neither the files nor their content get into the images. HTTP_PROXY, HTTPS_PROXY and
NO_PROXY are passed on. The build's output is kept in .build/<target>.log.

Example:
  ./build.sh && ./push.sh
TEXT
}

die() {
	echo "build.sh: $*" >&2
	exit 1
}

wrong_usage() {
	echo "build.sh: $*; see ./build.sh --help" >&2
	exit 2
}

targets=() name=slipway base=debian:trixie-slim weights='' compiler=false cpu=false cuda=''
platform=linux/amd64 system_packages='' network='' ca_bundle='' pip_config='' apt_sources=''
while (($#)); do
	case $1 in
	train | serve) targets+=("$1") ;;
	all) targets+=(train serve) ;;
	--compiler) compiler=true ;;
	--cpu) cpu=true ;;
	--name | --base-image | --cuda | --platform | --weights | --system-packages | --network | --ca-bundle | \
		--pip-config | --apt-sources)
		[[ -n ${2-} ]] || wrong_usage "$1 needs a value"
		option=${1#--}
		[[ $option != base-image ]] || option=base
		declare "${option//-/_}=$2"
		shift
		;;
	-h | --help) usage && exit 0 ;;
	-*) wrong_usage "unknown option $1" ;;
	*) wrong_usage "unknown target $1; the targets are train, serve and all" ;;
	esac
	shift
done
if [[ $cpu == true ]]; then
	[[ ${targets[*]} == serve ]] || wrong_usage "--cpu is for the serving image alone: ./build.sh serve --cpu"
	[[ -z $cuda ]] || wrong_usage "--cuda is for the images with torch; the one for CPUs has no CUDA"
	targets=(serve-cpu)
elif [[ $platform != linux/amd64 ]]; then
	wrong_usage "--platform is '$platform'; only the image for CPUs (serve --cpu) is built for another than linux/amd64"
fi
[[ $platform == linux/@(amd64|arm64) ]] ||
	wrong_usage "--platform is '$platform'; it must be linux/amd64 or linux/arm64"
[[ ${#targets[@]} -gt 0 ]] || targets=(train serve)
: "${cuda:=13}"
[[ $cuda == 1[23] ]] || wrong_usage "--cuda is '$cuda'; the images are built for 13 (NVIDIA driver 580 or later) or 12 (525)"
# In the names of the locks and the tags; those for CUDA 13, the default, have none.
suffix=''
[[ $cuda == 13 ]] || suffix=-cuda$cuda

for file in "$ca_bundle" "$pip_config" "$apt_sources"; do
	[[ -z $file || -r $file ]] || die "$file cannot be read"
done
[[ $name =~ ^[a-z0-9][a-z0-9./_-]*$ ]] ||
	wrong_usage "--name is '$name'; it must be an image name, such as team/slipway"
[[ $system_packages =~ ^[a-z0-9.+\ -]*$ ]] ||
	wrong_usage "--system-packages is '$system_packages'; it must be names of Debian packages"
network_of_file='' weights_path=''
if [[ $weights == *=* ]]; then
	network_of_file=${weights%%=*} weights_path=${weights#*=}
elif [[ -d $weights || $weights == */* || $weights =~ \.(pth|pt|bin|safetensors)$ ]]; then
	weights_path=$weights
fi
[[ -z $weights_path || -r $weights_path ]] || die "$weights_path, given with --weights, cannot be read"
# What must be a network's name: all of it, or what is before a =.
name_given=$weights
[[ -z $weights_path ]] || name_given=$network_of_file
if [[ ! $name_given =~ ^([a-z0-9][a-z0-9_]*(\.[a-z0-9_]+)?)?$ ]]; then
	wrong_usage "--weights is '$weights'; it must be a network's name, a file, NETWORK=FILE or a folder"
fi
weights_path=${weights_path:+$(realpath "$weights_path")}
ca_bundle=${ca_bundle:+$(realpath "$ca_bundle")} pip_config=${pip_config:+$(realpath "$pip_config")}
apt_sources=${apt_sources:+$(realpath "$apt_sources")}
cd "$(dirname "$0")"

source docker/engine.sh
source docker/diagnose.sh
find_builder

# The images' sources; a changed manual, for example, does not make a new image.
readonly INPUTS=(container docker .dockerignore build.sh pyproject.toml)
if [[ -e .git ]] && revision=$(git rev-parse --verify --quiet HEAD 2>/dev/null); then
	created=$(git show --no-patch --format=%cI HEAD)
	SOURCE_DATE_EPOCH=$(git show --no-patch --format=%ct HEAD)
	export SOURCE_DATE_EPOCH
	tag=${revision:0:12}
	if [[ -n $(git status --porcelain -- "${INPUTS[@]}") ]]; then
		echo "build.sh: warning: there are uncommitted changes; the images are tagged -dirty" >&2
		tag+=-dirty revision+=-dirty
	fi
else
	echo "build.sh: warning: this is not a git checkout; the images are tagged unknown-dirty" >&2
	tag=unknown-dirty revision=unknown created=''
fi
# Prints the locked version of a package; NVIDIA's packages for CUDA 12 have a suffix.
locked() {
	sed -n -E "s/^$1(-cu12)?==([^ ;]*).*/\2/p" "docker/train$suffix.lock"
}
cuda_version=$(locked nvidia-cuda-runtime)
[[ $cuda_version == "$cuda".* ]] ||
	die "docker/train$suffix.lock has CUDA $cuda_version; docker/cuda$cuda.in must name a torch that is built for CUDA $cuda"
# Within a major version, a driver runs every minor one.
driver=580
[[ $cuda == 13 ]] || driver=525
labels=(
	org.opencontainers.image.version="$(sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)"
	org.opencontainers.image.revision="$revision"
	org.opencontainers.image.licenses=Apache-2.0
	org.opencontainers.image.base.name="$base"
)
[[ $cpu == true ]] || labels+=(
	slipway.torch.version="$(locked torch)"
	slipway.cuda.version="$(cut -d. -f1,2 <<<"$cuda_version")"
	slipway.nvidia-driver.minimum="$driver"
)
[[ -z $created ]] || labels+=(org.opencontainers.image.created="$created")
# The repository's web address, without credentials.
source=$(git remote get-url origin 2>/dev/null |
	sed -n -E 's#^git@([^:]+):#https://\1/#; s#^https://([^/@]*@)?#https://#p') || true
[[ -z $source ]] || labels+=(org.opencontainers.image.source="${source%.git}")

arguments=(--progress plain --platform "$platform" --file docker/Dockerfile --build-arg "BASE_IMAGE=$base"
	--build-arg "COMPILER=$compiler" --build-arg "CUDA_SUFFIX=$suffix" --build-arg "SYSTEM_PACKAGES=$system_packages")
[[ $cpu == false ]] || arguments+=(--build-arg SERVE=serve-cpu)
for variable in HTTP_PROXY HTTPS_PROXY NO_PROXY http_proxy https_proxy no_proxy; do
	[[ -z ${!variable-} ]] || arguments+=(--build-arg "$variable")
done
[[ -z $network ]] || arguments+=(--network "$network")
[[ -z $ca_bundle ]] || arguments+=(--secret "id=ca,src=$ca_bundle")
[[ -z $pip_config ]] || arguments+=(--secret "id=pip_conf,src=$pip_config")
[[ -z $apt_sources ]] || arguments+=(--secret "id=apt_sources,src=$apt_sources")
rm -rf .build/weights
mkdir -p .build/weights
if [[ -n $weights_path ]]; then
	trap 'rm -rf .build/weights' EXIT
	[[ ! -d $weights_path ]] || weights_path+=/.
	cp --recursive --dereference --reflink=auto "$weights_path" .build/weights/
	arguments+=(--build-arg WEIGHTS=true --build-arg "WEIGHTS_FROM=given /media $network_of_file")
elif [[ -n $weights ]]; then
	arguments+=(--build-arg WEIGHTS=true --build-arg "WEIGHTS_FROM=download $weights")
fi

[[ -z $suffix ]] || targets=("${targets[@]/%/$suffix}")
for target in "${targets[@]}"; do
	log=.build/$target.log
	echo "== building $name:$target-$tag"
	label_arguments=()
	for label in "${labels[@]}" "org.opencontainers.image.title=slipway-${target%"$suffix"}"; do
		label_arguments+=(--label "$label")
	done
	if ! "${builder[@]}" "${arguments[@]}" "${label_arguments[@]}" --target "${target%%-*}" \
		--tag "$name:$target-$tag" --tag "$name:$target" . 2>&1 | tee "$log"; then
		die "the $target image was not built: $(diagnose "$log" "$base") (all of the output: $log)"
	fi
done

printf '\n%-42s %9s  %s\n' IMAGE SIZE ID
for target in "${targets[@]}"; do
	read -r id size < <("${builder[0]}" image inspect --format '{{.Id}} {{.Size}}' "$name:$target-$tag")
	printf '%-42s %6d MB  %s\n' "$name:$target-$tag" $((size / 1000000)) "$id"
done
next=''
[[ $cpu == false ]] || next=" serve-cpu"
[[ -z $suffix ]] || next=" --cuda $cuda"
echo "Also tagged: ${targets[*]/#/$name:}. Next: ./push.sh$next"
