"""The server's settings: environment variables, parsed and checked once into a frozen dataclass."""

import logging
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from container import gpu
from container.errors import ServeError
from container.paths import MlPaths
from container.picture import MAX_PIXELS
from container.serve.logs import LogFormat
from container.serve.settings import HOST, PORT, Settings, Variable

MEBIBYTE = 1024 * 1024

# multi-model-server reads a port as a signed 16-bit number.
HIGHEST_INNER_PORT = 32766


INNER_PORTS = Variable(
    ("SAGEMAKER_SAFE_PORT_RANGE",),
    "20000-32000",
    "Ports, as FROM-TO, of which two free ones are taken for multi-model-server on the loopback address.",
)
MAX_PAYLOAD = Variable(
    ("SAGEMAKER_MAX_PAYLOAD_IN_MB",), "25", "MiB; a longer request body is refused (413); 1 to 1024."
)
BATCH_SIZE = Variable(
    ("SLIPWAY_BATCH_SIZE", "SAGEMAKER_TS_BATCH_SIZE"),
    "8, or 1 with inference.py",
    "Requests that go through the model together, and pictures of one forward pass; 1 to 1024.",
)
BATCH_DELAY = Variable(
    ("SLIPWAY_BATCH_DELAY_MS", "SAGEMAKER_TS_MAX_BATCH_DELAY"),
    "0",
    "How long the first request of a batch waits for others while the model is idle, milliseconds; 0 to 10000. "
    "Requests that arrive while the model is busy are batched anyway.",
)
WORKERS = Variable(
    ("SLIPWAY_WORKERS", "SAGEMAKER_MODEL_SERVER_WORKERS"),
    "one per GPU, else 1",
    "Processes that hold the model; 1 to 64.",
)
USE_CUDA = Variable((gpu.SWITCH,), "true", "Use the GPU where there is one; false serves on the CPU.")
ENGINE = Variable(
    ("SLIPWAY_ENGINE",),
    "auto",
    "torch: run the network by plain torch in float32. auto: by OpenVINO on a CPU and by CUDA graphs in half precision "
    "on a GPU, where their outputs are torch's.",
)
DEADLINE = Variable(
    (
        "SLIPWAY_DEADLINE_S",
        "SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS",
        "SAGEMAKER_MODEL_SERVER_TIMEOUT",
        "SAGEMAKER_TS_RESPONSE_TIMEOUT",
    ),
    "55",
    "Seconds after which a request is answered 504, and a worker that is still busy with it is replaced; 1 to 3600.",
)
DRAIN = Variable(("SLIPWAY_DRAIN_S",), "25", "Seconds that accepted requests get to finish after SIGTERM; 0 to 3600.")
STARTUP_TIMEOUT = Variable(
    ("SAGEMAKER_STARTUP_TIMEOUT",), "600", "Seconds after which a server that is still not ready gives up; 1 to 36000."
)
MAX_REQUESTS = Variable(
    ("SLIPWAY_MAX_REQUESTS",), "128", "Requests held at once; one more is answered 503; 1 to 100000."
)
MAX_PICTURES = Variable(("SLIPWAY_MAX_PICTURES",), "1000", "Pictures in one request; 1 to 1000000.")
MAX_PIXELS_PER_PICTURE = Variable(
    ("SLIPWAY_MAX_PIXELS",),
    str(MAX_PIXELS),
    "Width times height above which a picture is refused (422) before it is decoded; 1 to 1000000000.",
)
TOP_K = Variable(("SLIPWAY_TOP_K",), "5", "Classes named in an answer, the most probable first; 1 to 100000.")
ACCEPT = Variable(
    ("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT",),
    "application/json",
    "The answer's type where a request has no Accept; its `format` holds for every type that has it.",
)
PROGRAM = Variable(
    ("SAGEMAKER_PROGRAM",), "inference.py", "The file in model/code whose functions replace the built-in ones."
)
BASE_DIR = Variable(("SAGEMAKER_BASE_DIR",), "/opt/ml", "The directory that holds model/, or models/ for many models.")
MULTI_MODEL = Variable(
    ("SAGEMAKER_MULTI_MODEL",), "false", "true: start without a model, and load and unload models on request."
)
MEMORY = Variable(
    ("SLIPWAY_MEMORY_MB",),
    "what the container or machine has",
    "MiB of memory that many models and the server may take together; a model that would not fit is refused (507); "
    "1 to 100000000.",
)
EVICT = Variable(
    ("SLIPWAY_EVICT",),
    "none",
    "lru: where a model would not fit, unload idle ones, the least recently used first, before it is refused. On "
    "SageMaker leave it at none: SageMaker does that itself.",
)
LOG_LEVEL = Variable(("SAGEMAKER_CONTAINER_LOG_LEVEL",), "20", "10 debug, 20 info, 30 warning, 40 error; 0 to 50.")
LOG_FORMAT = Variable(("SLIPWAY_LOG_FORMAT",), "text", "text: lines of key=value; json: one JSON object per line.")
METRICS_PORT = Variable(
    ("SLIPWAY_METRICS_PORT",),
    "0",
    "The port of GET /metrics for Prometheus; 0: none. It may not be had: the log says so.",
)
METRICS_HOST = Variable(
    ("SLIPWAY_METRICS_HOST",),
    "127.0.0.1",
    "The address that the port of the metrics is bound to. They are for you alone: whoever reaches it may read them.",
)
EMF = Variable(
    ("SLIPWAY_EMF",),
    "none",
    "A namespace of CloudWatch: metrics go into the log for it, in CloudWatch's embedded metric format.",
)
EMF_INTERVAL = Variable(("SLIPWAY_EMF_S",), "60", "Seconds from one such line to the next; 1 to 3600.")
OPENAPI = Variable(
    ("SLIPWAY_OPENAPI",), "false", "true: GET /openapi.json on the public port describes the routes, in OpenAPI 3.1."
)
VM_ARGUMENTS = Variable(
    ("SAGEMAKER_MODEL_SERVER_VMARGS",), "none", "More options for multi-model-server's Java, after our own."
)

VARIABLES = (
    PORT, HOST, INNER_PORTS, MAX_PAYLOAD, BATCH_SIZE, BATCH_DELAY, WORKERS, USE_CUDA, ENGINE, DEADLINE, DRAIN,
    STARTUP_TIMEOUT, MAX_REQUESTS, MAX_PICTURES, MAX_PIXELS_PER_PICTURE, TOP_K, ACCEPT, PROGRAM, BASE_DIR, MULTI_MODEL,
    MEMORY, EVICT, LOG_LEVEL, LOG_FORMAT, METRICS_PORT, METRICS_HOST, EMF,
    EMF_INTERVAL, OPENAPI, VM_ARGUMENTS,
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """Every setting of a server, checked."""

    model_dir: Path
    multi_model: bool
    """Many models, loaded on request from `models_dir`; `model_dir` is then one of them, or not there."""
    models_dir: Path
    memory_limit_bytes: int | None
    """For many models; None: all that this process may use."""
    evict: bool
    """Unload idle models for a new one that would not fit."""
    user_program: Path | None
    """The user's inference script in model/code, where there is one."""
    host: str
    port: int
    inner_ports: range
    max_body_bytes: int
    batch_size: int
    batch_delay_ms: int
    workers: int | None
    """None: one per GPU, or one."""
    use_cuda: bool
    plain_torch: bool
    """Run the network by plain torch."""
    deadline_s: float
    drain_s: float
    startup_timeout_s: float
    max_requests: int
    max_pictures: int
    max_pixels: int
    top_k: int
    default_accept: str
    log_level: int
    log_format: LogFormat
    metrics_port: int | None
    metrics_host: str
    emf_namespace: str | None
    emf_interval_s: float
    openapi: bool
    """Describe the routes to whoever asks."""
    vm_arguments: tuple[str, ...]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ, model_dir: Path | None = None) -> Self:
        """Read and check all of `VARIABLES`. An empty value counts as none: the SDK sets such ones.

        Args:
            environment: The variables.
            model_dir: The one of many models that is meant.

        Raises:
            ServeError: Names the variable, its value, and what it may be.
            DriverError: The same of `SLIPWAY_USE_CUDA`.
        """
        settings = Settings(environment)
        port, metrics_port = settings.integer(PORT, 0, 65535), settings.integer(METRICS_PORT, 0, 65535)
        if metrics_port and metrics_port == port:
            raise ServeError(f"{METRICS_PORT.names[0]} is {str(port)!r}; it must be another than the public port")
        # Absolute, because the parts of the server work in directories of their own.
        paths = MlPaths(Path(settings.text(BASE_DIR)).absolute())
        multi_model = settings.choice(MULTI_MODEL, {"true": True, "false": False})
        # Which program a model has is known when it is loaded.
        program = None if multi_model and model_dir is None else _program(settings, model_dir or paths.model)
        return cls(
            model_dir=model_dir or paths.model,
            multi_model=multi_model,
            models_dir=paths.models,
            memory_limit_bytes=settings.integer(MEMORY, 1, 10**8) * MEBIBYTE if settings.is_set(MEMORY) else None,
            evict=settings.choice(EVICT, {"none": False, "lru": True}),
            user_program=program,
            host=settings.text(HOST),
            port=port,
            inner_ports=_inner_ports(settings),
            max_body_bytes=settings.integer(MAX_PAYLOAD, 1, 1024) * MEBIBYTE,
            batch_size=settings.integer(BATCH_SIZE, 1, 1024, default=1 if program else 8),
            batch_delay_ms=settings.integer(BATCH_DELAY, 0, 10000),
            workers=settings.integer(WORKERS, 1, 64) if settings.is_set(WORKERS) else None,
            use_cuda=gpu.is_wanted(environment),
            plain_torch=settings.choice(ENGINE, {"auto": False, "torch": True}),
            deadline_s=settings.number(DEADLINE, 1, 3600),
            drain_s=settings.number(DRAIN, 0, 3600),
            startup_timeout_s=settings.number(STARTUP_TIMEOUT, 1, 36000),
            max_requests=settings.integer(MAX_REQUESTS, 1, 100_000),
            max_pictures=settings.integer(MAX_PICTURES, 1, 1_000_000),
            max_pixels=settings.integer(MAX_PIXELS_PER_PICTURE, 1, 1_000_000_000),
            top_k=settings.integer(TOP_K, 1, 100_000),
            default_accept=settings.text(ACCEPT),
            log_level=_log_level(settings),
            log_format=settings.choice(LOG_FORMAT, {"text": "text", "json": "json"}),
            metrics_port=metrics_port or None,
            metrics_host=settings.text(METRICS_HOST),
            emf_namespace=_namespace(settings),
            emf_interval_s=settings.number(EMF_INTERVAL, 1, 3600),
            openapi=settings.choice(OPENAPI, {"true": True, "false": False}),
            vm_arguments=_vm_arguments(settings),
        )


def _program(settings: Settings, model_dir: Path) -> Path | None:
    name, value = settings.found(PROGRAM)
    program = model_dir / "code" / value
    if program.is_file() and program.parent == model_dir / "code":
        return program
    if settings.is_set(PROGRAM):
        raise ServeError(f"{name} is {value!r}; there is no such file in {model_dir / 'code'}")
    return None


def _inner_ports(settings: Settings) -> range:
    name, value = settings.found(INNER_PORTS)
    first, _, last = value.partition("-")
    if not (first.isascii() and first.isdigit() and last.isascii() and last.isdigit()):
        raise ServeError(f"{name} is {value!r}; it must be two port numbers, as in 20000-32000")
    ports = range(max(1, int(first)), min(HIGHEST_INNER_PORT, int(last)) + 1)
    if len(ports) < 2:
        raise ServeError(
            f"{name} is {value!r}; it must hold at least two ports up to {HIGHEST_INNER_PORT}, "
            "the highest that multi-model-server can use"
        )
    return ports


def _vm_arguments(settings: Settings) -> tuple[str, ...]:
    name, value = settings.found(VM_ARGUMENTS)
    try:
        return tuple(shlex.split(value)) if settings.is_set(VM_ARGUMENTS) else ()
    except ValueError as error:
        raise ServeError(f"{name} is {value!r}; it must be options as in a shell: {error}") from error


def _namespace(settings: Settings) -> str | None:
    name, value = settings.found(EMF)
    if not settings.is_set(EMF):
        return None
    # Source: MetricName and Namespace in the reference of CloudWatch's PutMetricData.
    if not re.fullmatch(r"[A-Za-z0-9_./#: -]{1,255}", value) or value.startswith((":", "AWS/")):
        raise ServeError(
            f"{name} is {value!r}; it must be a namespace of your own: up to 255 letters, digits, spaces and any of "
            "._-/#:, not beginning with AWS/ or a colon"
        )
    return value


def _log_level(settings: Settings) -> int:
    name, value = settings.found(LOG_LEVEL)
    named = logging.getLevelNamesMapping().get(value.upper())
    if named is not None:
        return named
    if not (value.isascii() and value.isdigit() and int(value) <= logging.CRITICAL):
        raise ServeError(f"{name} is {value!r}; it must be a number from 0 to 50, or a name such as INFO")
    return int(value)
