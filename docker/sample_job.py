"""Writes the sample data and the hyperparameters of a small job below /opt/ml, for docker/compose.yaml.

    python docker/sample_job.py

EPOCHS in the environment is the number of epochs.
"""

import json
import os
from pathlib import Path

from slipway.sample import write_sample

_INPUT = Path("/opt/ml/input")

_SMALL = {"model-type": "resnet18", "weights": "none", "image-size": "32", "augmentation": "light", "export": "true"}


def main() -> None:
    """Write both."""
    write_sample(_INPUT / "data")
    values = {**_SMALL, "epochs": os.environ.get("EPOCHS", "4")}
    (_INPUT / "config").mkdir(exist_ok=True)
    (_INPUT / "config" / "hyperparameters.json").write_text(json.dumps(values))


if __name__ == "__main__":
    main()
