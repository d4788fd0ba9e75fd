"""What is said where an SDK is not installed, or not as it should be: one paragraph, with what to do."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.serve.server_process import REPOSITORY


def said_by(folder: Path, code: str, packages: Mapping[str, str]) -> str:
    """Run the code where the metadata of these packages are found, and of no others; return its error's last line."""
    for name, version in packages.items():
        metadata = folder / f"{name.replace('-', '_')}-{version}.dist-info" / "METADATA"
        metadata.parent.mkdir()
        metadata.write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    # Without site-packages: nothing of these is imported before the error.
    environment = {**os.environ, "PYTHONPATH": f"{folder}{os.pathsep}{REPOSITORY}"}
    done = subprocess.run([sys.executable, "-S", "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 1
    return done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("packages", "said"),
    [
        (
            {"sagemaker": "2.257.7", "sagemaker-core": "2.27.0"},
            "parts of both versions of the SageMaker SDK are installed (sagemaker 2.257.7 and sagemaker-core 2.27.0), "
            "which overwrite each other's files; remove both, and install one: pip uninstall sagemaker ",
        ),
        ({"sagemaker": "2.257.7", "sagemaker-core": "1.0.78", "sagemaker-train": "1.27.0"}, "parts of both versions"),
        ({"sagemaker": "3.27.0"}, "half installed: sagemaker 3.27.0 without sagemaker-core and sagemaker-train; pip "),
        ({"sagemaker-core": "2.27.0"}, "half installed: sagemaker-core 2.27.0 without sagemaker-train; pip install"),
        ({"sagemaker-train": "1.27.0"}, "half installed: sagemaker-train 1.27.0 without sagemaker-core; pip install"),
        ({"sagemaker": "1.72.1"}, "sagemaker 1.72.1 is installed, and Slipway's classes are for version 2 of the "),
        ({"sagemaker": "2.100.0"}, "sagemaker 2.100.0 is installed, and Slipway's classes are for version 2 of the "),
        ({"sagemaker": "4.0.0", "sagemaker-core": "3.0.0"}, "sagemaker 4.0.0 is installed, and Slipway's classes are"),
    ],
)
def test_an_sdk_that_is_neither_of_the_two_is_one_clear_sentence(tmp_path, packages, said):
    assert said in said_by(tmp_path, "import slipway; slipway.Estimator", packages)


VERSION_2, VERSION_3 = {"sagemaker": "2.257.7"}, {"sagemaker-core": "2.27.0", "sagemaker-train": "1.27.0"}


@pytest.mark.parametrize(
    ("module", "packages", "said"),
    [
        ("slipway.sdk2.model", {}, "slipway.sdk2 needs version 2 of the SageMaker SDK, and none is installed; pip "),
        ("slipway.sdk3.model", {}, "slipway.sdk3 needs version 3 of the SageMaker SDK, and none is installed; pip "),
        ("slipway.sdk3.model", VERSION_2, "version 2 is installed; the two cannot be installed together: pip uninst"),
        ("slipway.sdk2.model", VERSION_3, "version 3 is installed; the two cannot be installed together: pip uninst"),
    ],
)
def test_the_classes_for_an_sdk_that_is_not_there_say_how_to_get_it(tmp_path, module, packages, said):
    text = said_by(tmp_path, f"import {module}", packages)
    assert text.startswith("ImportError: ")
    assert said in text
    assert f"pip install 'slipway[{'sdk3' if 'sdk3' in module else 'sdk2'}]'" in text


@pytest.mark.parametrize(
    ("module", "name", "asked"),
    [
        ("training.estimator", "Estimator", "to_trainer"),
        ("tuning.tuner", "Tuner", "tuner"),
        ("hosting.model", "Model", "resource"),
        ("hosting.predictor", "Predictor", "resource"),
        ("batch_transform.transformer", "Transformer", "resource"),
    ],
)
def test_what_only_version_3_has_says_so(module, name, asked):
    code = f"from slipway.{module} import {name}; object.__new__({name}).{asked}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    said = done.stderr.splitlines()[-1]
    assert said.startswith(f"AttributeError: {name}.{asked} needs version 3 of the SageMaker SDK, and version 2 is ")
    assert "pip install 'slipway[sdk3]'" in said
