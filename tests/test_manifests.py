"""The Kubernetes manifests in the manual agree with the server."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from container.serve.protocol.open_inference import LIVE, READY
from container.serve.settings.config import ServeConfig

PAGE = Path(__file__).parents[1] / "docs" / "kubernetes.md"
BLOCKS = re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
DEPLOYMENT, SERVICE, INFERENCE_SERVICE = (manifest for block in BLOCKS for manifest in yaml.safe_load_all(block))
POD = DEPLOYMENT["spec"]["template"]["spec"]
PODS = pytest.mark.parametrize("pod", [POD, INFERENCE_SERVICE["spec"]["predictor"]], ids=["Deployment", "KServe"])

# KServe's own.
FOREIGN = {"STORAGE_URI", "PROTOCOL"}


def config(pod: dict[str, Any]) -> ServeConfig:
    [container] = pod["containers"]
    environment = {variable["name"]: variable["value"] for variable in container["env"]}
    return ServeConfig.from_environment(environment)


@PODS
def test_the_servers_settings_are_what_the_rest_relies_on(pod: dict[str, Any]) -> None:
    [container] = pod["containers"]
    settings = config(pod)
    assert (settings.kserve, settings.model_name, settings.model_dir) == (True, "dogs", Path("/mnt/models"))
    named = {variable["name"] for variable in container["env"]}
    known = re.findall(r"`(SLIPWAY_\w+)`", (PAGE.parent / "serving.md").read_text())
    assert named <= {*known} | FOREIGN
    ports = [port["containerPort"] for port in container["ports"]]
    assert ports == [port for port in (settings.port, settings.metrics_port) if port]
    assert container["resources"]["requests"] == container["resources"]["limits"]


@PODS
def test_the_probes_ask_the_servers_own_routes(pod: dict[str, Any]) -> None:
    [container] = pod["containers"]
    asked = {name: probe["httpGet"]["path"] for name, probe in container.items() if name.endswith("Probe")}
    wanted = {"startupProbe": READY, "readinessProbe": READY, "livenessProbe": LIVE}
    assert asked["readinessProbe"] == READY
    assert asked.items() <= wanted.items()


def test_a_pod_has_the_time_to_drain() -> None:
    [container] = POD["containers"]
    _, pause = container["lifecycle"]["preStop"]["exec"]["command"]
    assert POD["terminationGracePeriodSeconds"] > float(pause) + config(POD).drain_s


def test_the_service_finds_the_pods() -> None:
    labels = DEPLOYMENT["spec"]["template"]["metadata"]["labels"]
    assert labels == DEPLOYMENT["spec"]["selector"]["matchLabels"] == SERVICE["spec"]["selector"]
    [port] = SERVICE["spec"]["ports"]
    [container] = POD["containers"]
    assert port["targetPort"] == container["ports"][0]["name"]


def test_every_mount_has_its_volume() -> None:
    [container] = POD["containers"]
    mounts = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    assert {*mounts} == {volume["name"] for volume in POD["volumes"]}
    assert mounts == {"model": str(config(POD).model_dir), "temporary": "/tmp"}
