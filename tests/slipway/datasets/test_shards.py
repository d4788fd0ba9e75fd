"""What the command line does with a folder of tar shards."""

import tarfile
from pathlib import Path

import pytest

from container.contract.errors import DataError
from slipway.datasets.folder import classes_of
from slipway.options.channels import local_channels


def test_training_takes_shards_and_exploring_says_that_it_does_not(tmp_path: Path):
    train = tmp_path / "train"
    train.mkdir()
    with tarfile.open(train / "0.tar", "w"):
        pass
    assert local_channels(tmp_path, {}, None) == {"train": train}
    with pytest.raises(DataError, match="holds tar shards, which training reads and this command does not"):
        classes_of(train)
