"""Where push.sh pushes to in tests: ECR's API by moto, and Debian's docker-registry under the name of ECR's registry.

Needs root: for port 443, for a line in /etc/hosts, and for the registry's certificate where Docker looks for it.
"""

import base64
import os
import shutil
import socket
import ssl
import subprocess
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import bcrypt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from moto.server import ThreadedMotoServer

from tests.serve.server_process import await_true

ACCOUNT = "123456789012"
REGION = "us-east-1"
HOST = f"{ACCOUNT}.dkr.ecr.{REGION}.amazonaws.com"
PASSWORD = f"{ACCOUNT}-auth-token"
"""What moto's authorization token holds."""
TOKEN = base64.b64encode(f"AWS:{PASSWORD}".encode()).decode()

_ADDRESS = "127.0.0.77"
_HOSTS = Path("/etc/hosts")
_HOSTS_LINE = f"{_ADDRESS} {HOST} # slipway's tests\n"
_CERTIFICATES = Path("/etc/docker/certs.d")

_CONFIGURATION = """\
version: 0.1
log: {{level: warn}}
storage:
  filesystem: {{rootdirectory: {storage}}}
auth:
  htpasswd: {{realm: test, path: {directory}/htpasswd}}
http:
  addr: {address}:443
  tls: {{certificate: {directory}/registry.crt, key: {directory}/registry.key}}
"""


def missing_for_a_registry() -> str | None:
    """Why no registry can run here; None where one can."""
    if os.geteuid() != 0:
        return "a registry under the name of ECR's needs root"
    if shutil.which("docker-registry") is None:
        return "no docker-registry; on Debian: apt-get install docker-registry"
    if shutil.which("dockerd") is None:
        return "no dockerd on PATH"
    return None


@contextmanager
def aws_api() -> Iterator[str]:
    """Address of a server that answers as AWS does, for an account that is empty at first."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        # Its state is the process's, and an earlier test may have left some.
        reset = urllib.request.Request(f"http://{host}:{port}/moto-api/reset", method="POST")
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(reset):
            yield f"http://{host}:{port}"
    finally:
        server.stop()


class LocalRegistry:
    """docker-registry, which can be stopped and started."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self.ca = directory / "ca.crt"
        self.storage = directory / "storage"
        self._process: subprocess.Popen[bytes] | None = None
        _write_certificates(directory)

    def start(self, *, password: str = PASSWORD) -> None:
        hashed = bcrypt.hashpw(password.encode(), bcrypt.gensalt(4)).decode()
        (self._directory / "htpasswd").write_text(f"AWS:{hashed}\n")
        configuration = self._directory / "registry.yml"
        configuration.write_text(
            _CONFIGURATION.format(storage=self.storage, directory=self._directory, address=_ADDRESS)
        )
        with (self._directory / "registry.log").open("ab") as log:
            self._process = subprocess.Popen(["docker-registry", "serve", configuration], stdout=log, stderr=log)
        await_true(self._answers, "the registry listens")

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._directory / "registry.log").read_text()
        with socket.socket() as probe:
            return probe.connect_ex((_ADDRESS, 443)) == 0

    @property
    def blob_bytes(self) -> int:
        """Size of all layers and manifests."""
        return sum(file.stat().st_size for file in self.storage.glob("docker/registry/v2/blobs/**/data"))

    def request(
        self, method: str, path: str, body: bytes | None = None, **headers: str
    ) -> tuple[int, dict[str, str], bytes]:
        """Status, headers in lower case, and body; `Content_Type=` is the header Content-Type."""
        request = urllib.request.Request(
            path if path.startswith("https") else f"https://{HOST}/v2/{path}",
            body,
            {"Authorization": f"Basic {TOKEN}"} | {name.replace("_", "-"): value for name, value in headers.items()},
            method=method,
        )
        direct = urllib.request.build_opener(
            urllib.request.ProxyHandler({}),
            urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=self.ca)),
        )
        try:
            with direct.open(request) as answer:
                return answer.status, {name.lower(): value for name, value in answer.headers.items()}, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, {}, error.read()

    def put_blob(self, repository: str, content: bytes, digest: str) -> None:
        _, headers, _ = self.request("POST", f"{repository}/blobs/uploads/", b"")
        status, _, body = self.request(
            "PUT", f"{headers['location']}&digest={digest}", content, Content_Type="application/octet-stream"
        )
        assert status == 201, body

    def put_manifest(self, repository: str, reference: str, media_type: str, content: bytes) -> None:
        status, _, body = self.request("PUT", f"{repository}/manifests/{reference}", content, Content_Type=media_type)
        assert status == 201, body


@contextmanager
def local_registry(directory: Path) -> Iterator[LocalRegistry]:
    """A registry that this machine, Docker included, takes for ECR's."""
    registry = LocalRegistry(directory)
    trusted = _CERTIFICATES / HOST / "ca.crt"
    trusted.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(registry.ca, trusted)
    # In place, because /etc/hosts is a mount in containers.
    _HOSTS.write_text(_without_ours(_HOSTS.read_text()) + _HOSTS_LINE)
    try:
        registry.start()
        yield registry
    finally:
        registry.stop()
        _HOSTS.write_text(_without_ours(_HOSTS.read_text()))
        shutil.rmtree(trusted.parent)
        shutil.rmtree(registry.storage, ignore_errors=True)


def _without_ours(hosts: str) -> str:
    return hosts.replace(_HOSTS_LINE, "")


@contextmanager
def private_engine(directory: Path) -> Iterator[str]:
    """DOCKER_HOST of an engine of the test's own, so that slipway:train there is no one else's."""
    address = f"unix://{directory}/docker.sock"
    # A bridge of its own, because an engine without one removes docker0, which is the other engine's.
    bridge = f"slipway{os.getpid() % 10_000_000}"
    subprocess.run(["ip", "link", "add", bridge, "type", "bridge"], check=True)
    subprocess.run(["ip", "address", "add", "192.168.249.1/30", "dev", bridge], check=True)
    command = ["dockerd", "--host", address, "--bridge", bridge, "--iptables=false", "--ip6tables=false"]
    for option, name in (("--data-root", "data"), ("--exec-root", "exec"), ("--pidfile", "pid")):
        command += [option, str(directory / name)]
    with (directory / "dockerd.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:

        def answers() -> bool:
            assert process.poll() is None, (directory / "dockerd.log").read_text()
            with socket.socket(socket.AF_UNIX) as probe:
                return probe.connect_ex(str(directory / "docker.sock")) == 0

        await_true(answers, "the engine listens")
        yield address
    finally:
        process.terminate()
        process.wait()
        subprocess.run(["ip", "link", "delete", bridge], check=True)
        shutil.rmtree(directory / "data", ignore_errors=True)


@contextmanager
def small_disk(directory: Path, size: str) -> Iterator[None]:
    """A file system of that size on a directory while the body runs."""
    directory.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", directory], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", directory], check=True)


def _write_certificates(directory: Path) -> None:
    """ca.crt, and registry.crt and registry.key that it has signed."""
    now = datetime.now(UTC)

    def certificate(
        name: str, key: ec.EllipticCurvePrivateKey, issuer: str, signer: ec.EllipticCurvePrivateKey, *, ca: bool
    ) -> bytes:
        signers = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        builder = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]))
            .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(signers, critical=False)
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        )
        return builder.sign(signer, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    authority, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "ca.crt").write_bytes(certificate("test", authority, "test", authority, ca=True))
    (directory / "registry.crt").write_bytes(certificate("registry", key, "test", authority, ca=False))
    (directory / "registry.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
