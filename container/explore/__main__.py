"""The program of `slipway data explore` in a SageMaker Processing job: writes this instance's part.

    python -m container.explore NETWORK WEIGHTS

WEIGHTS is default, none, or a file's name below /opt/ml/processing/input/weights. The pictures are all files below
/opt/ml/processing/input/data; the part goes below /opt/ml/processing/output, into a folder with the instance's name.
An error is one line on standard error and in /opt/ml/output/message, and the exit code is 1.
"""

import json
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from container.contract.errors import DataError, UserError, WeightsError
from container.contract.networks import EMBEDDING
from container.contract.paths import MlPaths
from container.cpus import available_cpus, threads_asked_for
from container.explore.facts import Facts, read_facts
from container.explore.part import EMBEDDINGS, Summary, write_facts, write_summary
from container.folder import list_files
from container.imports import uncollected

_SAY_EVERY = 1_000
_AT_A_TIME = 1_024


def main(arguments: Sequence[str]) -> int:
    """Write the part, and return the exit code."""
    base = MlPaths.from_environment().base
    try:
        network, weights = arguments
        _explore(base, network, weights)
    except UserError as error:
        sys.stderr.write(f"{error}\n")
        message = base / "output" / "message"
        message.parent.mkdir(parents=True, exist_ok=True)
        message.write_text(str(error), encoding="utf-8")
        return 1
    return 0


def _explore(base: Path, network: str, weights: str) -> None:
    host, hosts = _hosts(base)
    data, folder = base / "processing" / "input" / "data", base / "processing" / "output" / host
    folder.mkdir(parents=True, exist_ok=True)
    # An instance gets no files if there are fewer than instances.
    files = list_files(data).files if data.is_dir() else ()
    names = [file.relative_to(data).as_posix() for file in files]
    _say(f"{host}, {hosts.index(host) + 1} of {len(hosts)}: {len(files):,} files")
    readable = write_facts(folder, zip(names, _read(files), strict=True))
    text = _embed(base, [data / name for name in readable], network, weights, folder / EMBEDDINGS)
    write_summary(folder, Summary(hosts=hosts, files=len(files), text=text))
    _say(f"{host}: {len(readable):,} pictures, {len(files) - len(readable):,} files that are none; {text}")


def _hosts(base: Path) -> tuple[str, list[str]]:
    file = base / "config" / "resourceconfig.json"
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        host, hosts = str(found["current_host"]), sorted(map(str, found["hosts"]))
    except FileNotFoundError:
        return "algo-1", ["algo-1"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"{file} does not name the job's instances as SageMaker does: {error}") from error
    if host not in hosts:
        raise DataError(f"{file} names {host} as this instance, which is not among {', '.join(hosts)}")
    return host, hosts


def _read(files: Sequence[Path]) -> Iterator[Facts | str]:
    done = 0
    with ThreadPoolExecutor(available_cpus()) as pool:
        # Few are in memory at a time: each has an outline.
        for start in range(0, len(files), _AT_A_TIME):
            for found in pool.map(read_facts, files[start : start + _AT_A_TIME]):
                yield found
                done += 1
                if done % _SAY_EVERY == 0 or done == len(files):
                    _say(f"read {done:,} of {len(files):,} files")


def _embed(base: Path, paths: Sequence[Path], network: str, weights: str, output: Path) -> str:
    """Embed the pictures, and return what by, or why not."""
    if weights == "none":
        return "embeddings were not asked for"
    if not paths:
        return "there are no pictures"
    named = weights != "default"
    with uncollected():
        import torch

        from container.embed.files import embed_files
        from container.embed.network import load_network
    torch.set_num_threads(threads_asked_for() or available_cpus())
    try:
        loaded = load_network(network, base / "processing" / "input" / "weights" / weights if named else None)
    except WeightsError as error:
        if named or network != EMBEDDING:
            raise
        return str(error)
    text = f"{network}, {loaded.source}"

    def advance(done: int) -> None:
        if done % _SAY_EVERY < 16 or done == len(paths):
            _say(f"embedded {done:,} of {len(paths):,} pictures")

    embed_files(loaded, paths, output, advance)
    return text


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - the job's log


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
