"""Chooses a model's engine: the fastest one whose outputs agree with torch's. gpu_engines.py has those for a GPU."""

import logging
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from container.contract.errors import ArtifactError
from container.contract.model_files import INT8_GRAPH
from container.imports import uncollected
from container.model_card import ModelCard
from container.serve.settings.logs import event
from container.serve.settings.variables import ENGINE, PLAIN
from container.serve.worker.engine.agrees import agrees
from container.serve.worker.engine.engine import Engine
from container.serve.worker.loaded_torch import has_torch, require_torch

if TYPE_CHECKING:
    import torch

    from container.serve.worker.engine.eager import Eager
    from container.serve.worker.engine.graphs import Graphs

logger = logging.getLogger(__name__)

_WORTHWHILE = 0.9


def on_cpu(model_dir: Path, *, engine: str, precision: str, threads: int) -> tuple[Engine, ModelCard]:
    """Load a model onto the CPU. torch is imported only where the model needs it, or is asked for.

    Args:
        model_dir: The model directory.
        engine: SLIPWAY_ENGINE.
        precision: SLIPWAY_PRECISION.
        threads: For OpenVINO; torch has its own setting.

    Raises:
        ArtifactError: A file or field is missing or wrong, or nothing here computes the model right.
        ServeError: Plain torch is asked for, and there is no torch.
    """
    if engine == PLAIN:
        require_torch(f"{ENGINE.names[0]}={PLAIN}")
    elif engine != "auto":
        logger.warning(event("engine-refused", engine=engine, why="it needs a GPU; the fastest one for a CPU is taken"))
    if engine != PLAIN and find_spec("openvino"):
        from container.serve.worker.engine.graphs import read_graphs

        if graphs := read_graphs(model_dir):
            for candidate, why in _candidates(graphs, precision, threads):
                if agrees(candidate, graphs.check):
                    logger.info(event("engine", engine=candidate.name, precision=candidate.precision, why=why))
                    return candidate, graphs.card
        if not has_torch():
            raise ArtifactError(
                f"no engine of this server computes the model in {model_dir} as torch did when it was exported; export "
                "it again with slipway export, or use the image that has torch"
            )
    return eager(model_dir, "cpu")


def _candidates(graphs: "Graphs", precision: str, threads: int) -> Iterator[tuple[Engine, str]]:
    """Compile a model's graphs one by one, the fastest on this CPU first, each with why it is tried."""
    from container.graph.cpu_features import has_bf16_products, has_int8_products
    from container.graph.openvino_engine import OpenVino

    if precision in ("auto", "int8"):
        missing = (
            "the model has no INT8 graph; slipway export --int8 makes one"
            if graphs.int8 is None
            else "this CPU has no 8-bit dot products (VNNI, AMX)"
            if not has_int8_products()
            else ""
        )
        if not missing and (precision == "int8" or _pays(graphs.card)):
            yield OpenVino(graphs.int8, precision="int8", threads=threads), "INT8 graph, and 8-bit dot products"
        elif precision == "int8":
            logger.warning(event("engine-refused", engine=OpenVino.name, precision="int8", why=missing))
    if precision != "fp32":
        if has_bf16_products():
            yield OpenVino(graphs.full, precision="bf16", threads=threads), "this CPU multiplies in bf16"
        elif precision == "bf16":
            why = "this CPU does not multiply in bf16 (AVX512-BF16, AMX)"
            logger.warning(event("engine-refused", engine=OpenVino.name, precision="bf16", why=why))
    reason = "SLIPWAY_PRECISION=fp32" if precision == "fp32" else "nothing faster fits this CPU and model"
    yield OpenVino(graphs.full, precision="f32", threads=threads), reason


def _pays(card: ModelCard) -> bool:
    """Whether INT8 was clearly faster where it was made; small networks may gain nothing."""
    facts = card.export[INT8_GRAPH]
    return bool(facts["int8_ms"] <= _WORTHWHILE * facts["float_ms"])


def on_gpu(
    model_dir: Path, device: "torch.device", *, engine: str, batch_size: int, trials: bool
) -> tuple[Engine, ModelCard]:
    """Load a model onto a GPU.

    Args:
        model_dir: The model directory.
        device: The GPU.
        engine: SLIPWAY_ENGINE.
        batch_size: Most pictures in a forward pass.
        trials: Whether there is time to try several engines.

    Raises:
        ArtifactError: As `on_cpu`.
    """
    if engine != PLAIN:
        from container.serve.worker.engine.gpu_engines import choose_on_gpu

        if found := choose_on_gpu(model_dir, device, engine=engine, batch_size=batch_size, trials=trials):
            return found
    return eager(model_dir, str(device))


def eager(model_dir: Path, device: str) -> "tuple[Eager, ModelCard]":
    """Load a model in plain torch onto any device.

    Raises:
        ArtifactError: As `on_cpu`.
    """
    with uncollected():
        import torch

        from container import artifact
        from container.serve.worker.engine.eager import Eager

    model, card = artifact.load(model_dir)
    return Eager(model, card, torch.device(device)), card
