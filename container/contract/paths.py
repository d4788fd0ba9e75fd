"""SageMaker's directories: below /opt/ml, or below SAGEMAKER_BASE_DIR if that is set."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Self


@dataclass(frozen=True)
class MlPaths:
    """The directories of the training and inference contracts, below one base.

    Source: "How Amazon SageMaker Provides Training Information" and "Use Your Own Inference Code
    with Hosting Services" in the SageMaker developer guide. `SAGEMAKER_BASE_DIR` is
    sagemaker-training's own variable.
    """

    base: Path

    @classmethod
    def from_environment(cls) -> Self:
        return cls(Path(os.environ.get("SAGEMAKER_BASE_DIR") or "/opt/ml").absolute())

    @property
    def config(self) -> Path:
        return self.base / "input" / "config"

    @property
    def channels(self) -> Path:
        return self.base / "input" / "data"

    @property
    def model(self) -> Path:
        return self.base / "model"

    @property
    def models(self) -> Path:
        """The directory in which SageMaker puts each model of a multi-model endpoint."""
        return self.base / "models"

    @property
    def code(self) -> Path:
        return self.base / "code"

    @property
    def checkpoints(self) -> Path:
        return self.base / "checkpoints"

    @property
    def output_data(self) -> Path:
        return self.base / "output" / "data"

    @property
    def tensors(self) -> Path:
        """Where the debugger saves tensors unless its configuration names another place."""
        return self.base / "output" / "tensors"

    @property
    def failure(self) -> Path:
        return self.base / "output" / "failure"
