"""The servers that ours is compared with, each started as its documentation says."""

import json
import sys
from pathlib import Path

from bench.serving.ours import worker_environment
from bench.serving.server import Launch, StartError, free_port
from bench.serving.workload import CLASSES, Workload
from container.serve.mms.java import find_java

BATCH_SIZE = 8
BATCH_WITHIN_S = 0.005
_HERE = Path(__file__).parent
TRITON = _HERE.parents[1] / ".venv-triton" / "bin" / "python"
"""The Python of the environment that has Triton."""


def seed(workload: Workload) -> Launch:
    """Configure a handler like the seed project's, under unmodified sagemaker-inference and multi-model-server."""
    code = workload.folder / "seed" / "model" / "code"
    code.mkdir(exist_ok=True)
    (code / "inference.py").write_text((_HERE / "seed_inference.py").read_text())
    port = free_port()
    return Launch(
        name="seed",
        command=[sys.executable, "-m", "bench.serving.seed_server"],
        environment={
            **_plain(workload),
            **_java(),
            "SAGEMAKER_BASE_DIR": str(workload.folder / "seed"),
            "SAGEMAKER_BIND_TO_PORT": str(port),
        },
        port=port,
        ping="/ping",
        path="/invocations",
        content_type="image/jpeg",
        bodies=workload.pictures,
        reading="squash",
        top_class=lambda body: int(json.loads(body)),
    )


def litserve(workload: Workload) -> Launch:
    """Configure LitServe around our decoding and our engine."""
    return _litserve(
        workload,
        "litserve",
        "bench.serving.litserve_ours",
        {**worker_environment(), "BENCH_BASE_DIR": str(workload.folder / "ours")},
        "image/jpeg",
        workload.pictures,
    )


def litserve_plain(workload: Workload) -> Launch:
    """Configure LitServe as its users write it: base64 in JSON, Pillow, torchvision, plain torch."""
    return _litserve(
        workload, "litserve_plain", "bench.serving.litserve_plain", {}, "application/json", workload.json_bodies
    )


def _litserve(
    workload: Workload, name: str, module: str, environment: dict[str, str], content_type: str, bodies: list[Path]
) -> Launch:
    port = free_port()
    return Launch(
        name=name,
        command=[sys.executable, "-m", module],
        environment={
            **_plain(workload),
            **environment,
            **_batching(port),
        },
        port=port,
        ping="/health",
        path="/predict",
        content_type=content_type,
        bodies=bodies,
        reading="ours" if name == "litserve" else "crop",
        top_class=_first_index if name == "litserve" else _class_field,
    )


def triton(workload: Workload) -> Launch:
    """Configure Triton around our decoding and our engine; it has an environment of its own, `.venv-triton`."""
    if not TRITON.exists():
        raise StartError("triton is not installed; `docker/venv.sh triton` installs it in .venv-triton")
    port = free_port()
    return Launch(
        name="triton",
        command=[str(TRITON), "-m", "bench.serving.triton_ours"],
        environment={
            **worker_environment(),
            **_batching(port),
            "BENCH_BASE_DIR": str(workload.folder / "ours"),
        },
        port=port,
        ping="/v2/models/model/ready",
        path="/v2/models/model/infer",
        content_type="application/octet-stream",
        bodies=workload.pictures,
        reading="ours",
        # Triton's own description of the answer comes first.
        top_class=lambda body: _first_index(body[body.index(b'{"predictions"') :]),
        # The whole body is the model's input, without a description in JSON before it.
        headers={"Inference-Header-Content-Length": "0"},
    )


def torchserve(workload: Workload) -> Launch:
    """Configure TorchServe with a handler as its users write it, and batching."""
    store = workload.folder / "torchserve"
    model = store / "model"
    (model / "MAR-INF").mkdir(parents=True, exist_ok=True)
    (model / "handler.py").write_text((_HERE / "torchserve_handler.py").read_text())
    # What torch-model-archiver writes for an archive of the format "no-archive".
    manifest = {
        "createdOn": "01/01/2000 00:00:00",
        "runtime": "python",
        "model": {"modelName": "model", "handler": "handler.py", "modelVersion": "1.0"},
        "archiverVersion": "0.12.0",
    }
    (model / "MAR-INF" / "MANIFEST.json").write_text(json.dumps(manifest))
    port = free_port()
    models = {
        "model": {
            "1.0": {
                "marName": "model",
                "minWorkers": 1,
                "maxWorkers": 1,
                "batchSize": BATCH_SIZE,
                "maxBatchDelay": round(1000 * BATCH_WITHIN_S),
                "responseTimeout": 120,
            }
        }
    }
    settings = {
        "inference_address": f"http://127.0.0.1:{port}",
        "management_address": f"http://127.0.0.1:{free_port()}",
        "metrics_address": f"http://127.0.0.1:{free_port()}",
        "grpc_inference_port": free_port(),
        "grpc_management_port": free_port(),
        "disable_token_authorization": "true",
        "disable_system_metrics": "true",
        "model_store": store,
        "load_models": "model",
        "models": json.dumps(models),
        "job_queue_size": 1000,
    }
    (store / "config.properties").write_text("".join(f"{name}={value}\n" for name, value in settings.items()))
    return Launch(
        name="torchserve",
        command=[
            str(Path(sys.executable).parent / "torchserve"),
            "--start",
            "--foreground",
            "--ncs",
            "--disable-token-auth",
            "--model-store",
            str(store),
            "--ts-config",
            str(store / "config.properties"),
        ],
        environment={**_plain(workload), **_java()},
        port=port,
        ping="/ping",
        path="/predictions/model",
        content_type="image/jpeg",
        bodies=workload.pictures,
        reading="crop",
        top_class=_class_field,
    )


RIVALS = {
    "seed": seed,
    "litserve": litserve,
    "triton": triton,
    "litserve_plain": litserve_plain,
    "torchserve": torchserve,
}


def _plain(workload: Workload) -> dict[str, str]:
    """Return the environment of the programs that use plain torch."""
    return {
        "BENCH_WEIGHTS": str(workload.folder / "seed" / "model" / "model.pth"),
        "BENCH_MODEL": workload.architecture,
        "BENCH_IMAGE_SIZE": str(workload.image_size),
        "BENCH_CLASSES": str(CLASSES),
    }


def _batching(port: int) -> dict[str, str]:
    """Return the environment of the programs that batch requests themselves."""
    return {
        "BENCH_PORT": str(port),
        "BENCH_BATCH_SIZE": str(BATCH_SIZE),
        "BENCH_BATCH_WITHIN_S": str(BATCH_WITHIN_S),
    }


def _java() -> dict[str, str]:
    """Return JAVA_HOME, where both Java servers look for Java."""
    program = find_java().program.resolve()
    if program.name != "java":
        raise StartError(f"{program} is not Java")
    return {"JAVA_HOME": str(program.parents[1])}


def _first_index(body: bytes) -> int:
    return int(json.loads(body)["predictions"][0]["index"])


def _class_field(body: bytes) -> int:
    return int(json.loads(body)["class"])
