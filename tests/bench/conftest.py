"""The pictures that benchmarks generate, and a model for those that ask a server."""

import os
import pickle
from pathlib import Path

import pytest

from bench.serving.workload import Workload
from tests.slipway.conftest import made_once


@pytest.fixture(scope="session")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which all test processes share the pictures that benchmarks generate."""
    base = tmp_path_factory.getbasetemp()
    return (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "generated"


@pytest.fixture(scope="session")
def workload(generated: Path, tmp_path_factory: pytest.TempPathFactory) -> Workload:
    """The model and pictures of the serving benchmarks, made once for all test processes."""

    def make(folder: Path) -> None:
        made = Workload.make(folder, "test_resnet", 32, pictures=16, kept=generated, told=print)
        (folder / "workload").write_bytes(pickle.dumps(made))

    made: Workload = pickle.loads((made_once(tmp_path_factory, "workload", make) / "workload").read_bytes())
    return made
