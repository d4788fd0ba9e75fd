"""The environment variables that the server reads: names, defaults, ranges and meanings."""

import math
from typing import Any

from container import gpu
from container.contract.fields import Field
from container.picture_limits import MAX_PIXELS
from container.serve.settings.parsing import FLAG, HOST, PORT, TEXT, Variable


def _is_distance(text: str) -> bool:
    try:
        return text in ("off", "auto") or 0 <= float(text) < math.inf
    except ValueError:
        return False


def _is_threshold(text: str) -> bool:
    return _is_distance(text) and (text in ("off", "auto") or float(text) <= 1)


INNER_PORTS = Variable(
    ("SAGEMAKER_SAFE_PORT_RANGE",),
    "20000-32000",
    TEXT,
    "Ports, as FROM-TO, of which multi-model-server gets two free ones on the loopback address.",
)
MAX_PAYLOAD = Variable(
    ("SAGEMAKER_MAX_PAYLOAD_IN_MB",),
    "25",
    Field(int, 1, 1024, unit="MiB"),
    "MiB; a longer request body is refused (413).",
)
BATCH_SIZE = Variable(
    ("SLIPWAY_BATCH_SIZE", "SAGEMAKER_TS_BATCH_SIZE"),
    "8, or 1 with inference.py or TorchScript",
    Field(int, 1, 1024),
    "Requests that go through the model together, and pictures of one forward pass.",
)
BATCH_DELAY = Variable(
    ("SLIPWAY_BATCH_DELAY_MS", "SAGEMAKER_TS_MAX_BATCH_DELAY"),
    "0",
    Field(int, 0, 10_000, unit="milliseconds"),
    "How long the first request of a batch waits for others while the model is idle, in milliseconds. Requests "
    "that arrive while the model is busy are batched anyway.",
)
WORKERS = Variable(
    ("SLIPWAY_WORKERS", "SAGEMAKER_MODEL_SERVER_WORKERS"),
    "one per GPU, else 1",
    Field(int, 1, 64),
    "Processes that hold the model.",
)
USE_CUDA = Variable((gpu.SWITCH,), "true", FLAG, "Use the GPU if there is one; false serves on the CPU.")
PLAIN = "torch"
ENGINE = Variable(
    ("SLIPWAY_ENGINE",),
    "auto",
    Field(str, choices=("auto", PLAIN, "cuda-graphs", "onnxruntime", "tensorrt")),
    "What runs the network, where its outputs match torch's. auto: OpenVINO on a CPU; on a GPU the fastest that is "
    "installed of cuda-graphs, onnxruntime and tensorrt, in half precision. torch: plain torch in float32.",
)
PRECISION = Variable(
    ("SLIPWAY_PRECISION",),
    "auto",
    Field(str, choices=("auto", "fp32", "bf16", "int8")),
    "How a CPU multiplies. auto: the fastest that the CPU and the model have and that agrees with torch: int8, bf16, "
    "fp32. What cannot be had is said in the log, and the next is taken.",
)
DEADLINE = Variable(
    (
        "SLIPWAY_DEADLINE_S",
        "SAGEMAKER_MODEL_SERVER_TIMEOUT_SECONDS",
        "SAGEMAKER_MODEL_SERVER_TIMEOUT",
        "SAGEMAKER_TS_RESPONSE_TIMEOUT",
    ),
    "55",
    Field(float, 1, 3600, unit="seconds"),
    "Seconds after which a request is answered 504, and a worker that is still busy with it is replaced.",
)
DRAIN = Variable(
    ("SLIPWAY_DRAIN_S",),
    "25",
    Field(float, 0, 3600, unit="seconds"),
    "Seconds that accepted requests get to finish after SIGTERM.",
)
STARTUP_TIMEOUT = Variable(
    ("SAGEMAKER_STARTUP_TIMEOUT",),
    "600",
    Field(float, 1, 36_000, unit="seconds"),
    "Seconds after which a server that is still not ready gives up.",
)
MAX_REQUESTS = Variable(
    ("SLIPWAY_MAX_REQUESTS",), "128", Field(int, 1, 100_000), "Requests held at once; one more is answered 503."
)
MAX_PICTURES = Variable(("SLIPWAY_MAX_PICTURES",), "1000", Field(int, 1, 1_000_000), "Pictures in one request.")
MAX_PIXELS_PER_PICTURE = Variable(
    ("SLIPWAY_MAX_PIXELS",),
    str(MAX_PIXELS),
    Field(int, 1, 1_000_000_000),
    "Width times height above which a picture is refused (422) before it is decoded.",
)
DECODE_SECONDS = Variable(
    ("SLIPWAY_DECODE_S",),
    "5",
    Field(float, 1, 3600, unit="seconds"),
    "Seconds of CPU time after which decoding an unusual picture (not JPEG, or with many scans) is given up (422).",
)
DECODE_MEMORY = Variable(
    ("SLIPWAY_DECODE_MEMORY_MB",),
    "400, or a quarter of the memory",
    Field(int, 16, 100_000, unit="MiB"),
    "MiB that decoding an unusual picture may take; one that would take more is refused (422).",
)
TOP_K = Variable(
    ("SLIPWAY_TOP_K",), "5", Field(int, 1, 100_000), "Classes named in an answer, the most probable first."
)
REJECT_BELOW = Variable(
    ("SLIPWAY_REJECT_BELOW",),
    "off",
    Field(str, form=_is_threshold, described="off, auto, or a number from 0 to 1"),
    "Answers in JSON say `rejected: true` where the best class's probability is below this number, from 0 to 1. auto: "
    "the one that training chose, with which half as many of the answers are wrong. off: answers do not say.",
)
OUT_OF_DISTRIBUTION = Variable(
    ("SLIPWAY_OUT_OF_DISTRIBUTION",),
    "off",
    Field(str, form=_is_distance, described="off, auto, or a number from 0 on"),
    "Answers in JSON say `out_of_distribution: true` where a picture is unlike the training data: the distance of "
    "its logits from typical ones is above this number. auto: the one that training chose, which 5 % of the validation "
    "pictures exceed. off: answers do not say.",
)
ACCEPT = Variable(
    ("SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT",),
    "application/json",
    TEXT,
    "The answer's type for a request without Accept; its `format` applies to every type that has one.",
)
PROGRAM = Variable(
    ("SAGEMAKER_PROGRAM",),
    "inference.py",
    TEXT,
    "The file in model/code, or in a folder there, whose functions replace the built-in ones.",
)
INSTALL_REQUIREMENTS = Variable(
    ("SLIPWAY_INSTALL_REQUIREMENTS",),
    "false",
    FLAG,
    "true: install code/requirements.txt with pip before the model's own code is loaded; the server exits if that "
    "fails. Only with one model.",
)
BASE_DIR = Variable(
    ("SAGEMAKER_BASE_DIR",), "/opt/ml", TEXT, "The directory that holds model/, or models/ for many models."
)
MODEL_DIR = Variable(
    ("SLIPWAY_MODEL_DIR",),
    "model/ in the base directory",
    TEXT,
    "The directory of the model, such as KServe's /mnt/models. Only with one model.",
)
MULTI_MODEL = Variable(
    ("SAGEMAKER_MULTI_MODEL",), "false", FLAG, "true: start without a model, and load and unload models on request."
)
MEMORY = Variable(
    ("SLIPWAY_MEMORY_MB",),
    "what the container or machine has",
    Field(int, 1, 10**8, unit="MiB"),
    "MiB of memory that many models and the server may take together; a model that would not fit is refused (507).",
)
EVICT = Variable(
    ("SLIPWAY_EVICT",),
    "none",
    Field(str, choices=("none", "lru")),
    "lru: to make room for a model, unload idle ones, the least recently used first, before refusing it. On "
    "SageMaker leave it at none: SageMaker does that itself.",
)
LOG_LEVEL = Variable(
    ("SAGEMAKER_CONTAINER_LOG_LEVEL",), "20", TEXT, "10 debug, 20 info, 30 warning, 40 error; 0 to 50."
)
LOG_FORMAT = Variable(
    ("SLIPWAY_LOG_FORMAT",),
    "text",
    Field(str, choices=("text", "json")),
    "text: lines of key=value; json: one JSON object per line.",
)
METRICS_PORT = Variable(
    ("SLIPWAY_METRICS_PORT",),
    "0",
    Field(int, 0, 65535),
    "The port of GET /metrics for Prometheus; 0 disables it. If the port is taken, the log says so and the server "
    "starts without it.",
)
METRICS_HOST = Variable(
    ("SLIPWAY_METRICS_HOST",),
    "127.0.0.1",
    TEXT,
    "The address that the metrics port is bound to. Unauthenticated: anyone who can reach this address can read "
    "the metrics.",
)
EMF = Variable(
    ("SLIPWAY_EMF",),
    "none",
    TEXT,
    "A CloudWatch namespace: write metrics for it to the log, in CloudWatch's embedded metric format.",
)
EMF_INTERVAL = Variable(
    ("SLIPWAY_EMF_S",), "60", Field(float, 1, 3600, unit="seconds"), "Seconds between those metrics."
)
OPENAPI = Variable(
    ("SLIPWAY_OPENAPI",),
    "false",
    FLAG,
    "true: GET /openapi.json on the public port describes the routes, in OpenAPI 3.1.",
)
KSERVE = Variable(
    ("SLIPWAY_KSERVE",),
    "false",
    FLAG,
    "true: also answer KServe's Open Inference Protocol (version 2), below /v2 on the public port.",
)
MODEL_NAME = Variable(
    ("SLIPWAY_MODEL_NAME",), "model", TEXT, "The model's name in that protocol; many models have names of their own."
)
VM_ARGUMENTS = Variable(
    ("SAGEMAKER_MODEL_SERVER_VMARGS",), "none", TEXT, "More options for multi-model-server's Java, after our own."
)

VARIABLES: tuple[Variable[Any], ...] = (
    PORT, HOST, INNER_PORTS, MAX_PAYLOAD, BATCH_SIZE, BATCH_DELAY, WORKERS, USE_CUDA, ENGINE, PRECISION, DEADLINE,
    DRAIN, STARTUP_TIMEOUT, MAX_REQUESTS, MAX_PICTURES, MAX_PIXELS_PER_PICTURE, DECODE_SECONDS, DECODE_MEMORY, TOP_K,
    REJECT_BELOW, OUT_OF_DISTRIBUTION,
    ACCEPT, PROGRAM, INSTALL_REQUIREMENTS, BASE_DIR, MODEL_DIR, MULTI_MODEL, MEMORY, EVICT, LOG_LEVEL, LOG_FORMAT,
    METRICS_PORT, METRICS_HOST, EMF, EMF_INTERVAL, OPENAPI, KSERVE, MODEL_NAME, VM_ARGUMENTS,
)  # fmt: skip
