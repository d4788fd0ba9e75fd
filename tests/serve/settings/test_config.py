"""Settings: one table, defaults, the toolkit's names, and what a bad value is answered with."""

import re
from pathlib import Path

import pytest

from container.contract.errors import ServeError
from container.serve.settings.config import ServeConfig
from container.serve.settings.variables import VARIABLES

REPOSITORY = Path(__file__).parents[3]


def config(**settings: str) -> ServeConfig:
    return ServeConfig.from_environment({"SAGEMAKER_BASE_DIR": "/nowhere", **settings})


def test_the_defaults() -> None:
    default = ServeConfig.from_environment({})
    assert default.model_dir == Path("/opt/ml/model")
    assert (default.host, default.port) == ("0.0.0.0", 8080)
    assert default.max_body_bytes == 25 * 1024 * 1024
    assert (default.batch_size, default.batch_delay_ms, default.workers) == (8, 0, None)
    assert (default.deadline_s, default.drain_s) == (55, 25)
    assert (default.top_k, default.max_pixels) == (5, 100_000_000)
    assert default.user_program is None
    assert (default.metrics_port, default.metrics_host, default.emf_namespace) == (None, "127.0.0.1", None)
    assert default.log_format == "text"


def test_empty_values_are_none() -> None:
    """The SDK sets variables that it has nothing to say about to the empty string."""
    names = [name for variable in VARIABLES for name in variable.names]
    assert ServeConfig.from_environment(dict.fromkeys(names, "")) == ServeConfig.from_environment({})


@pytest.mark.parametrize(
    ("settings", "field", "value"),
    [
        ({"SAGEMAKER_BIND_TO_PORT": "8090"}, "port", 8090),
        ({"SAGEMAKER_SAFE_PORT_RANGE": "25000-26000"}, "inner_ports", range(25000, 26001)),
        ({"SAGEMAKER_SAFE_PORT_RANGE": "25000-65535"}, "inner_ports", range(25000, 32767)),
        ({"SAGEMAKER_MAX_PAYLOAD_IN_MB": "100"}, "max_body_bytes", 100 * 1024 * 1024),
        ({"SAGEMAKER_TS_BATCH_SIZE": "16"}, "batch_size", 16),
        ({"SLIPWAY_BATCH_SIZE": "4", "SAGEMAKER_TS_BATCH_SIZE": "16"}, "batch_size", 4),
        ({"SAGEMAKER_TS_MAX_BATCH_DELAY": "20"}, "batch_delay_ms", 20),
        ({"SAGEMAKER_MODEL_SERVER_WORKERS": "2"}, "workers", 2),
        ({"SAGEMAKER_MODEL_SERVER_TIMEOUT": "30"}, "deadline_s", 30),
        ({"SAGEMAKER_MODEL_SERVER_TIMEOUT": "30", "SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS": "9.5"}, "deadline_s", 9.5),
        ({"SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT": "text/csv"}, "default_accept", "text/csv"),
        ({"SAGEMAKER_MULTI_MODEL": "True"}, "multi_model", True),
        ({"SLIPWAY_MEMORY_MB": "2048"}, "memory_limit_bytes", 2**31),
        ({"SLIPWAY_EVICT": "lru"}, "evict", True),
        ({"SLIPWAY_REJECT_BELOW": "AUTO"}, "reject_below", "auto"),
        ({"SLIPWAY_REJECT_BELOW": "0.5"}, "reject_below", "0.5"),
        ({"SLIPWAY_OUT_OF_DISTRIBUTION": "3.25"}, "distance_above", "3.25"),
        ({"SLIPWAY_METRICS_PORT": "9090"}, "metrics_port", 9090),
        ({"SLIPWAY_METRICS_PORT": "0"}, "metrics_port", None),
        ({"SLIPWAY_LOG_FORMAT": "JSON"}, "log_format", "json"),
        ({"SLIPWAY_OPENAPI": "true"}, "openapi", True),
        ({"SLIPWAY_KSERVE": "true"}, "kserve", True),
        ({"SLIPWAY_MODEL_NAME": "dogs"}, "model_name", "dogs"),
        ({"SLIPWAY_MODEL_DIR": "/mnt/models"}, "model_dir", Path("/mnt/models")),
        ({"SLIPWAY_EMF": "Dogs/Serving"}, "emf_namespace", "Dogs/Serving"),
        ({"SAGEMAKER_CONTAINER_LOG_LEVEL": "debug"}, "log_level", 10),
        ({"SAGEMAKER_CONTAINER_LOG_LEVEL": "30"}, "log_level", 30),
        ({"SAGEMAKER_MODEL_SERVER_VMARGS": "-Xms1g '-Da=b c'"}, "vm_arguments", ("-Xms1g", "-Da=b c")),
    ],
)
def test_settings(settings: dict[str, str], field: str, value: object) -> None:
    assert getattr(config(**settings), field) == value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("SAGEMAKER_BIND_TO_PORT", "65536"),
        ("SAGEMAKER_SAFE_PORT_RANGE", "40000-50000"),
        ("SAGEMAKER_SAFE_PORT_RANGE", "20000"),
        ("SAGEMAKER_SAFE_PORT_RANGE", "20000-20000"),
        ("SAGEMAKER_MAX_PAYLOAD_IN_MB", "0"),
        ("SLIPWAY_BATCH_SIZE", "8.5"),
        ("SAGEMAKER_TS_BATCH_SIZE", "-1"),
        ("SLIPWAY_BATCH_DELAY_MS", "-1"),
        ("SAGEMAKER_MODEL_SERVER_WORKERS", "lots"),
        ("SLIPWAY_DEADLINE_S", "nan"),
        ("SLIPWAY_DRAIN_S", "inf"),
        ("SLIPWAY_MAX_REQUESTS", "0"),
        ("SAGEMAKER_CONTAINER_LOG_LEVEL", "loud"),
        ("SAGEMAKER_MODEL_SERVER_VMARGS", "'"),
        ("SLIPWAY_METRICS_PORT", "65536"),
        ("SLIPWAY_METRICS_PORT", "8080"),
        ("SLIPWAY_LOG_FORMAT", "xml"),
        ("SLIPWAY_EMF", "AWS/SageMaker"),
        ("SLIPWAY_EMF", "a\nb"),
        ("SLIPWAY_EMF_S", "0"),
        ("SAGEMAKER_MULTI_MODEL", "yes"),
        ("SLIPWAY_MEMORY_MB", "0"),
        ("SLIPWAY_EVICT", "all"),
        ("SLIPWAY_REJECT_BELOW", "1.5"),
        ("SLIPWAY_REJECT_BELOW", "nan"),
        ("SLIPWAY_OUT_OF_DISTRIBUTION", "on"),
        ("SLIPWAY_OUT_OF_DISTRIBUTION", "inf"),
        ("SLIPWAY_OUT_OF_DISTRIBUTION", "-1"),
        ("SAGEMAKER_PROGRAM", "nowhere.py"),
        ("SAGEMAKER_PROGRAM", "../../etc/passwd"),
        ("SLIPWAY_INSTALL_REQUIREMENTS", "yes"),
    ],
)
def test_a_bad_value_is_named(name: str, value: str) -> None:
    with pytest.raises(ServeError, match=re.escape(f"{name} is {value!r}")):
        config(**{name: value})


def test_the_users_script_is_found_and_makes_batches_of_one(tmp_path: Path) -> None:
    """The stock transformer takes requests one by one: a batch would only make its first wait for its last."""
    code = tmp_path / "model" / "code"
    code.mkdir(parents=True)
    (code / "inference.py").touch()
    found = config(SAGEMAKER_BASE_DIR=str(tmp_path))
    assert (found.user_program, found.batch_size) == (code / "inference.py", 1)
    assert config(SAGEMAKER_BASE_DIR=str(tmp_path), SLIPWAY_BATCH_SIZE="4").batch_size == 4


@pytest.mark.parametrize("name", ["own.py", "own", "handlers/own.py", "handlers/own"])
def test_a_script_may_lie_in_a_folder_and_be_named_as_a_module(tmp_path: Path, name: str) -> None:
    script = tmp_path / "model" / "code" / Path(name).parent / "own.py"
    script.parent.mkdir(parents=True)
    script.touch()
    assert config(SAGEMAKER_BASE_DIR=str(tmp_path), SAGEMAKER_PROGRAM=name).user_program == script
    with pytest.raises(ServeError, match="there is no such Python file"):
        config(SAGEMAKER_BASE_DIR=str(tmp_path), SAGEMAKER_PROGRAM=str(script))


def test_of_many_models_each_has_its_own_script(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "inference.py").touch()
    settings = {"SAGEMAKER_MULTI_MODEL": "true", "SAGEMAKER_PROGRAM": "inference.py"}
    assert config(**settings).user_program is None, "there is no model yet"
    found = ServeConfig.from_environment(settings, model_dir=tmp_path)
    assert (found.model_dir, found.user_program, found.batch_size) == (tmp_path, tmp_path / "code" / "inference.py", 1)


def test_the_documents_table_is_this_one() -> None:
    text = (REPOSITORY / "docs" / "serving.md").read_text()
    rows = re.findall(r"^\| (`[A-Z].*?) \| (.*?) \| (.*?) \|$", text, re.MULTILINE)
    wanted = [
        (", ".join(f"`{name}`" for name in variable.names), f"`{variable.default}`", variable.meaning)
        for variable in VARIABLES
    ]
    assert rows == wanted


def test_a_directory_for_one_model_is_not_for_many() -> None:
    with pytest.raises(ServeError, match="SLIPWAY_MODEL_DIR is '/mnt/models', and SAGEMAKER_MULTI_MODEL is 'true'"):
        config(SLIPWAY_MODEL_DIR="/mnt/models", SAGEMAKER_MULTI_MODEL="true")
