"""multi-model-server's configuration, its logging, and the Java command line.

Its own start script is not used, because it keeps one process-id file for the whole machine.
"""

import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from container.serve.mms import fork_server
from container.serve.mms.java import Java
from container.serve.settings.config import MEBIBYTE, ServeConfig
from container.serve.settings.logs import LogFormat

HANDLER = "container.serve.worker.service:handle"

FORKED_FROM = "container.serve.mms.stand_in"
"""The module that multi-model-server runs for each of many models."""

# Scores of a thousand pictures and classes are 4 MB; a user's output_fn may return more.
MAX_REPLY_BYTES = 256 * MEBIBYTE

# To a worker: the heads of the largest batch, each with the longest headers allowed.
MAX_MESSAGE_BYTES = 32 * MEBIBYTE

# These would override the configuration below.
REMOVED_VARIABLES = ("MMS_CONFIG_FILE", "MODEL_SERVER_HOME")

_NEVER_S = 2**31 - 1

# Drops what multi-model-server logs about a worker's life; keeps what the worker itself writes.
_CHATTER = (
    r"^(attachIOStreams|terminateIOStreams|Stopped Scanner|\[PID\]|MMS worker started|Python runtime|Listening on port|"
    r"Connection accepted|model_service_worker started|Frontend disconnected).*|"
    r".*( level=INFO |&quot;message&quot;: &quot;)Model \S+ loaded io_fd.*"
)

# Fields as in logs.py, without Java's stack traces.
_PATTERNS: dict[LogFormat, str] = {
    "text": "%d{yyyy-MM-dd'T'HH:mm:ss.SSS'Z'}{UTC} level=%p event=model-server-error message=&quot;%m&quot;%n",
    "json": "{&quot;time&quot;: &quot;%d{yyyy-MM-dd'T'HH:mm:ss.SSS'Z'}{UTC}&quot;, &quot;level&quot;: &quot;%p&quot;, "
    "&quot;event&quot;: &quot;model-server-error&quot;, &quot;message&quot;: &quot;%enc{%m}{JSON}&quot;}%n",
}

_LOGGING = """<?xml version="1.0" encoding="UTF-8"?>
<Configuration status="error" shutdownHook="disable">
  <Appenders>
    <Console name="own" target="SYSTEM_OUT">
      <PatternLayout alwaysWriteExceptions="false" pattern="@PATTERN@"/>
    </Console>
    <Console name="worker" target="SYSTEM_OUT">
      <RegexFilter regex="@CHATTER@" onMatch="DENY" onMismatch="ACCEPT"/>
      <PatternLayout pattern="%m%n"/>
    </Console>
  </Appenders>
  <Loggers>
    <Logger name="ACCESS_LOG" level="off"/>
    <Logger name="MODEL_METRICS" level="off"/>
    <Logger name="MMS_METRICS" level="off"/>
    <Logger name="org.apache" level="off"/>
    <Logger name="com.amazonaws.ml.mms.wlm.WorkerLifeCycle" level="info" additivity="false">
      <AppenderRef ref="worker"/>
    </Logger>
    <Root level="error"><AppenderRef ref="own"/></Root>
  </Loggers>
</Configuration>
"""


def place_in_store(run_dir: Path, key: str) -> Path:
    """Make the directory that multi-model-server takes for the model `key`; the model itself is elsewhere."""
    directory = run_dir / "store" / key
    directory.mkdir(parents=True, exist_ok=True)
    return directory


def heap_bytes(memory_bytes: int) -> int:
    """The maximum of Java's heap: requests' bodies do not pass through it, but answers do."""
    return max(256 * MEBIBYTE, min(memory_bytes // 8, 2048 * MEBIBYTE))


@dataclass(frozen=True)
class InnerPorts:
    """The loopback ports of multi-model-server's two APIs."""

    inference: int
    management: int


def write_files(run_dir: Path, ports: InnerPorts, config: ServeConfig, *, gpus: int, threads: int) -> None:
    """Write the files for `command`: the configuration, the logging setup, and an empty model store.

    Args:
        run_dir: The server's run directory.
        ports: Two free ports.
        config: The server's settings.
        gpus: GPUs to spread the workers over; 0 for none.
        threads: Threads that receive and send requests.

    Raises:
        ServeError: multi-model-server is not installed.
    """
    settings = {
        "inference_address": f"http://127.0.0.1:{ports.inference}",
        "management_address": f"http://127.0.0.1:{ports.management}",
        # A worker exits at the deadline (see service.py); this is for one that cannot, and for loading a model.
        "default_response_timeout_seconds": round(max(config.deadline_s + 5, config.startup_timeout_s)),
        "decode_input_request": "false",
        "max_request_size": MAX_MESSAGE_BYTES,
        "max_response_size": MAX_REPLY_BYTES,
        "job_queue_size": config.max_requests + 64,
        "number_of_gpu": gpus,
        "number_of_netty_threads": threads,
        "netty_client_threads": threads,
        "unregister_model_timeout": 10,
        # Every collection starts a Python process.
        "metric_time_interval": _NEVER_S,
    }
    (run_dir / "model-server.properties").write_text("".join(f"{key}={value}\n" for key, value in settings.items()))
    logging_setup = _LOGGING.replace("@CHATTER@", _CHATTER).replace("@PATTERN@", _PATTERNS[config.log_format])
    (run_dir / "log4j2.xml").write_text(logging_setup)
    (run_dir / "store").mkdir(exist_ok=True)
    fork_server.write_home(run_dir / "home", FORKED_FROM if config.multi_model else fork_server.__name__)
    _extract_newer_classes(run_dir / "classes")


def command(java: Java, run_dir: Path, *, heap: int, cpus: int, extra: tuple[str, ...]) -> list[str]:
    """The command that starts multi-model-server on what `write_files` wrote.

    Raises:
        ServeError: multi-model-server is not installed.
    """
    return [
        str(java.program),
        *java.quiet_flags,
        f"-Xmx{heap // MEBIBYTE}m",
        f"-XX:MaxDirectMemorySize={heap // MEBIBYTE}m",
        f"-XX:ActiveProcessorCount={cpus}",
        "-XX:+ExitOnOutOfMemoryError",
        # It only passes messages on: the second compiler would take more CPU time from the model than it gains.
        "-XX:TieredStopAtLevel=1",
        *_archive_flags(java),
        "-XX:-UsePerfData",
        *extra,
        f"-Dmodel_server_home={run_dir / 'home'}",
        f"-Djava.io.tmpdir={run_dir}",
        f"-Dlog4j.configurationFile=file://{run_dir}/log4j2.xml",
        "-cp",
        f"{java.archive / 'newer.jar' if java.archive else run_dir / 'classes'}:{_jar()}",
        "com.amazonaws.ml.mms.ModelServer",
        "--python",
        sys.executable,
        "-f",
        str(run_dir / "model-server.properties"),
        "-s",
        str(run_dir / "store"),
    ]


def _archive_flags(java: Java) -> list[str]:
    """Flags for the archive of classes; Java starts without one that does not fit, and these silence its warning."""
    if not java.archive:
        return []
    return [f"-XX:SharedArchiveFile={java.archive / 'model-server.jsa'}", "-Xlog:disable", "-Xlog:all=error"]


def _jar() -> Path:
    return fork_server.installed_package() / "frontend" / "model-server.jar"


def _extract_newer_classes(directory: Path) -> None:
    """Extract Log4j's classes for newer releases of Java, which the jar holds without marking itself multi-release;
    without them every start warns, and logging is slow."""
    with zipfile.ZipFile(_jar()) as jar:
        for name in jar.namelist():
            _, found, relative = name.partition("META-INF/versions/9/")
            if found and relative.startswith("org/") and relative.endswith(".class"):
                target = directory / relative
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(jar.read(name))
