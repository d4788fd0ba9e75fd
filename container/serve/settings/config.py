"""The server's settings: environment variables, read and checked once into a frozen dataclass."""

import logging
import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from container import gpu
from container.contract.errors import ServeError
from container.contract.paths import MlPaths
from container.serve.settings.logs import LogFormat
from container.serve.settings.parsing import HOST, PORT, SettingsReader
from container.serve.settings.variables import (
    ACCEPT,
    BASE_DIR,
    BATCH_DELAY,
    BATCH_SIZE,
    DEADLINE,
    DECODE_MEMORY,
    DECODE_SECONDS,
    DRAIN,
    EMF,
    EMF_INTERVAL,
    ENGINE,
    EVICT,
    INNER_PORTS,
    INSTALL_REQUIREMENTS,
    KSERVE,
    LOG_FORMAT,
    LOG_LEVEL,
    MAX_PAYLOAD,
    MAX_PICTURES,
    MAX_PIXELS_PER_PICTURE,
    MAX_REQUESTS,
    MEMORY,
    METRICS_HOST,
    METRICS_PORT,
    MODEL_DIR,
    MODEL_NAME,
    MULTI_MODEL,
    OPENAPI,
    OUT_OF_DISTRIBUTION,
    PRECISION,
    PROGRAM,
    REJECT_BELOW,
    STARTUP_TIMEOUT,
    TOP_K,
    VM_ARGUMENTS,
    WORKERS,
)
from container.torchscript import find_torchscript

MEBIBYTE = 1024 * 1024

# multi-model-server reads a port as a signed 16-bit number.
HIGHEST_INNER_PORT = 32766


@dataclass(frozen=True, kw_only=True)
class ServeConfig:
    """Every setting of a server, checked."""

    model_dir: Path
    multi_model: bool
    """Whether many models are loaded on request from `models_dir`; `model_dir` is then one of them, or unused."""
    models_dir: Path
    memory_limit_bytes: int | None
    """The memory that many models may take; None: all that this process may use."""
    evict: bool
    """Whether to unload idle models for a new one that would not fit."""
    user_program: Path | None
    """The user's inference script in model/code, if any."""
    torchscript: Path | None
    """The TorchScript archive, if the model is one."""
    install_requirements: bool
    """Whether to install `requirements` before the script is loaded."""
    host: str
    port: int
    inner_ports: range
    max_body_bytes: int
    batch_size: int
    batch_delay_ms: int
    workers: int | None
    """Worker processes; None: one per GPU, or one."""
    use_cuda: bool
    engine: str
    """What runs the network: auto, or the name of an engine."""
    precision: str
    """How a CPU multiplies: auto, fp32, bf16 or int8."""
    deadline_s: float
    drain_s: float
    startup_timeout_s: float
    max_requests: int
    max_pictures: int
    max_pixels: int
    decode_s: float
    decode_memory_bytes: int | None
    """Memory for decoding; None: depends on the machine's memory."""
    top_k: int
    reject_below: str
    """off, auto, or a probability."""
    distance_above: str
    """off, auto, or a distance."""
    default_accept: str
    log_level: int
    log_format: LogFormat
    metrics_port: int | None
    metrics_host: str
    emf_namespace: str | None
    emf_interval_s: float
    openapi: bool
    """Whether to publish a description of the routes."""
    kserve: bool
    """Whether to answer the Open Inference Protocol."""
    model_name: str
    """The name of a single model in that protocol."""
    vm_arguments: tuple[str, ...]

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ, model_dir: Path | None = None) -> Self:
        """Read and check all of `VARIABLES`. An empty value counts as unset: the SDK sets such ones.

        Args:
            environment: The variables.
            model_dir: With many models, the directory of the one in question.

        Raises:
            ServeError: A value is not allowed; the message names the variable, its value, and what is allowed.
            DriverError: The same, for `SLIPWAY_USE_CUDA`.
        """
        settings = SettingsReader(environment)
        port, metrics_port = settings.read(PORT), settings.read(METRICS_PORT)
        if metrics_port and metrics_port == port:
            raise ServeError(f"{METRICS_PORT.names[0]} is {str(port)!r}; it must differ from the public port")
        # Absolute, because the server's processes have working directories of their own.
        paths = MlPaths(Path(settings.read(BASE_DIR)).absolute())
        multi_model = settings.read(MULTI_MODEL)
        given = _model_dir(settings, multi_model=multi_model)
        directory = model_dir or given or (None if multi_model else paths.model)  # None: known once a model is loaded
        program = _program(settings, directory) if directory else None
        torchscript = find_torchscript(directory) if directory else None
        return cls(
            model_dir=directory or paths.model,
            multi_model=multi_model,
            models_dir=paths.models,
            memory_limit_bytes=_bytes(settings.given(MEMORY)),
            evict=settings.read(EVICT) == "lru",
            user_program=program,
            torchscript=torchscript,
            install_requirements=_install_requirements(settings, multi_model=multi_model),
            host=settings.read(HOST),
            port=port,
            inner_ports=_inner_ports(settings),
            max_body_bytes=settings.read(MAX_PAYLOAD) * MEBIBYTE,
            batch_size=settings.given(BATCH_SIZE) or (1 if program or torchscript else 8),
            batch_delay_ms=settings.read(BATCH_DELAY),
            workers=settings.given(WORKERS),
            use_cuda=gpu.is_wanted(environment),
            engine=settings.read(ENGINE),
            precision=settings.read(PRECISION),
            deadline_s=settings.read(DEADLINE),
            drain_s=settings.read(DRAIN),
            startup_timeout_s=settings.read(STARTUP_TIMEOUT),
            max_requests=settings.read(MAX_REQUESTS),
            max_pictures=settings.read(MAX_PICTURES),
            max_pixels=settings.read(MAX_PIXELS_PER_PICTURE),
            decode_s=settings.read(DECODE_SECONDS),
            decode_memory_bytes=_bytes(settings.given(DECODE_MEMORY)),
            top_k=settings.read(TOP_K),
            reject_below=settings.read(REJECT_BELOW),
            distance_above=settings.read(OUT_OF_DISTRIBUTION),
            default_accept=settings.read(ACCEPT),
            log_level=_log_level(settings),
            log_format="json" if settings.read(LOG_FORMAT) == "json" else "text",
            metrics_port=metrics_port or None,
            metrics_host=settings.read(METRICS_HOST),
            emf_namespace=_namespace(settings),
            emf_interval_s=settings.read(EMF_INTERVAL),
            openapi=settings.read(OPENAPI),
            kserve=settings.read(KSERVE),
            model_name=settings.read(MODEL_NAME),
            vm_arguments=_vm_arguments(settings),
        )

    @property
    def own_code(self) -> bool:
        """Whether the model brings code of its own, which answers one request at a time."""
        return bool(self.user_program or self.torchscript)

    @property
    def requirements(self) -> Path | None:
        """The requirements file beside the user's inference script, if any."""
        file = self.model_dir / "code" / "requirements.txt"
        return file if self.user_program and file.is_file() else None


def _bytes(mebibytes: int | None) -> int | None:
    return None if mebibytes is None else mebibytes * MEBIBYTE


def _program(settings: SettingsReader, model_dir: Path) -> Path | None:
    name, value = settings.found(PROGRAM)
    code = model_dir / "code"
    # The stock containers also accept the name of a module.
    for program in (code / value, code / f"{value}.py"):
        inside = not Path(value).is_absolute() and ".." not in Path(value).parts
        if inside and program.suffix == ".py" and program.is_file():
            return program
    if settings.is_set(PROGRAM):
        raise ServeError(f"{name} is {value!r}; there is no such Python file in {code}")
    return None


def _model_dir(settings: SettingsReader, *, multi_model: bool) -> Path | None:
    name, value = settings.found(MODEL_DIR)
    if not settings.is_set(MODEL_DIR):
        return None
    if multi_model:
        raise ServeError(f"{name} is {value!r}, and {MULTI_MODEL.names[0]} is 'true'; many models have their own urls")
    return Path(value).absolute()


def _install_requirements(settings: SettingsReader, *, multi_model: bool) -> bool:
    wanted = settings.read(INSTALL_REQUIREMENTS)
    if wanted and multi_model:
        raise ServeError(
            f"{INSTALL_REQUIREMENTS.names[0]} is 'true', and {MULTI_MODEL.names[0]} too; packages are installed for "
            "one model only, so build them into the image"
        )
    return wanted


def _inner_ports(settings: SettingsReader) -> range:
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


def _vm_arguments(settings: SettingsReader) -> tuple[str, ...]:
    name, value = settings.found(VM_ARGUMENTS)
    try:
        return tuple(shlex.split(value)) if settings.is_set(VM_ARGUMENTS) else ()
    except ValueError as error:
        raise ServeError(f"{name} is {value!r}; it must be options as in a shell: {error}") from error


def _namespace(settings: SettingsReader) -> str | None:
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


def _log_level(settings: SettingsReader) -> int:
    name, value = settings.found(LOG_LEVEL)
    if (named := logging.getLevelNamesMapping().get(value.upper())) is not None:
        return named
    if not (value.isascii() and value.isdigit() and int(value) <= logging.CRITICAL):
        raise ServeError(f"{name} is {value!r}; it must be a number from 0 to 50, or a name such as INFO")
    return int(value)
