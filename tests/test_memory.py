from pathlib import Path

import pytest

from container.memory import available_memory

MEMINFO = "MemTotal: 4000 kB\nMemFree: 1 kB\nMemAvailable: 1000 kB\n"


@pytest.fixture
def meminfo(tmp_path: Path) -> Path:
    file = tmp_path / "meminfo"
    file.write_text(MEMINFO)
    return file


def write(directory: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        (directory / name).parent.mkdir(parents=True, exist_ok=True)
        (directory / name).write_text(text)
    return directory


def test_without_a_limit_it_is_what_the_host_has_left(tmp_path: Path, meminfo: Path):
    assert available_memory(tmp_path / "none", meminfo) == 1_024_000
    version_2 = write(tmp_path / "cgroup", {"memory.max": "max\n", "memory.current": "5\n", "memory.stat": "file 1\n"})
    assert available_memory(version_2, meminfo) == 1_024_000


@pytest.mark.parametrize(
    "files",
    [
        {"memory.max": "600000\n", "memory.current": "500000\n", "memory.stat": "anon 9\ninactive_file 200000\n"},
        {
            "memory/memory.limit_in_bytes": "600000\n",
            "memory/memory.usage_in_bytes": "500000\n",
            "memory/memory.stat": "cache 9\ntotal_inactive_file 200000\n",
        },
    ],
    ids=["version 2", "version 1"],
)
def test_a_container_s_limit_counts_and_pages_of_files_are_free(tmp_path: Path, meminfo: Path, files: dict[str, str]):
    assert available_memory(write(tmp_path / "cgroup", files), meminfo) == 300_000


def test_this_machine_has_memory():
    assert available_memory() > 2**20
