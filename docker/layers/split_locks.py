"""Splits the locks by the images' layers: one requirements.txt for each.

    python3 split_locks.py train.lock serve.lock smdebug.lock serve-cpu.lock DIRECTORY

Packages of both images go into shared layers, NVIDIA's libraries first, since they change least and are largest. Those
of smdebug.lock are one layer, since they are an environment of their own, and so are those of serve-cpu.lock, whose
image has none of the others.
"""

import re
import sys
from collections.abc import Mapping
from pathlib import Path

# On the index only as source; the build stage makes wheels of them.
SOURCE_ONLY = frozenset(("inotify-simple", "pyinstrument-cext", "sagemaker-inference", "sagemaker-training"))
# For torch.compile; installed together with a compiler (build.sh --compiler).
COMPILER = frozenset(("triton",))
TORCH = frozenset(("torch", "torchvision"))
# For building those wheels.
TOOLS = frozenset(("setuptools",))


def read_lock(text: str) -> dict[str, str]:
    """Map each requirement (name and version) to its lines, with hashes and without comments."""
    lines = "\n".join(line for line in text.splitlines() if line and not line.lstrip().startswith("#"))
    requirements = re.split(r"\n(?=\S)", lines)
    return {requirement.split(" ", 1)[0]: requirement for requirement in requirements}


def split(
    train: Mapping[str, str], serve: Mapping[str, str], smdebug: Mapping[str, str], serve_cpu: Mapping[str, str]
) -> dict[str, list[str]]:
    """Map each layer to its requirements, in the locks' order."""
    layers: dict[str, list[str]] = {}
    for requirement, lines in {**serve, **train}.items():
        name = requirement.partition("==")[0]
        if requirement in train and requirement in serve:
            layer = "cuda" if name.startswith(("nvidia-", "cuda-")) else "torch" if name in TORCH else "shared"
        else:
            layer = "train" if requirement in train else "serve"
        if name in COMPILER:
            layer = "compiler"
        if name in SOURCE_ONLY:
            layer += "-sources"
        layers.setdefault(layer, []).append(lines)
        if name in TOOLS:
            layers.setdefault("tools", []).append(lines)
    for requirement, lines in smdebug.items():
        sources = requirement.partition("==")[0] in SOURCE_ONLY
        layers.setdefault("smdebug-sources" if sources else "smdebug", []).append(lines)
    layers["serve-cpu"] = list(serve_cpu.values())
    return layers


def main() -> None:
    *locks, directory = (Path(argument) for argument in sys.argv[1:])
    for layer, requirements in split(*(read_lock(lock.read_text()) for lock in locks)).items():
        (directory / layer).mkdir(parents=True)
        (directory / layer / "requirements.txt").write_text("\n".join(sorted(requirements)) + "\n")


if __name__ == "__main__":
    main()
