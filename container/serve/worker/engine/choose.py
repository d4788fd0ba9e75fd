"""Chooses a model's engine: the fastest one whose outputs agree with torch's."""

import logging
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from container.contract.errors import ArtifactError
from container.contract.model_files import INT8_GRAPH
from container.graph.check_pictures import CheckPictures
from container.imports import uncollected
from container.model_card import ModelCard
from container.serve.settings.logs import event
from container.serve.settings.variables import ENGINE
from container.serve.worker.engine.engine import Engine
from container.serve.worker.loaded_torch import has_torch, require_torch

if TYPE_CHECKING:
    import torch
    from torch import nn

    from container.serve.worker.engine.cuda_graphs import Graphs as CudaGraphs
    from container.serve.worker.engine.eager import Eager
    from container.serve.worker.engine.graphs import Graphs

logger = logging.getLogger(__name__)

_WORTHWHILE = 0.9


def on_cpu(model_dir: Path, *, plain: bool, precision: str, threads: int) -> tuple[Engine, ModelCard]:
    """Load a model onto the CPU. torch is imported only where the model needs it, or `plain`.

    Args:
        model_dir: The model directory.
        plain: Use plain torch.
        precision: SLIPWAY_PRECISION.
        threads: For OpenVINO; torch has its own setting.

    Raises:
        ArtifactError: A file or field is missing or wrong, or nothing here computes the model right.
        ServeError: `plain`, without torch.
    """
    if plain:
        require_torch(f"{ENGINE.names[0]}=torch")
    if not plain and find_spec("openvino"):
        from container.serve.worker.engine.graphs import read_graphs

        if graphs := read_graphs(model_dir):
            for candidate, why in _candidates(graphs, precision, threads):
                if _agrees(candidate, graphs.check):
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


def on_gpu(model_dir: Path, device: "torch.device", *, plain: bool, batch_size: int) -> tuple[Engine, ModelCard]:
    """Load a model onto a GPU.

    Args:
        model_dir: The model directory.
        device: The GPU.
        plain: Use plain torch.
        batch_size: Most pictures in a forward pass.

    Raises:
        ArtifactError: As `on_cpu`.
    """
    if not plain:
        from container import artifact

        model, card = artifact.load(model_dir)
        if engine := _cuda_graphs(model, card, device, batch_size):
            return engine, card
        del model  # frees its memory
    return eager(model_dir, str(device))


def _cuda_graphs(model: "nn.Module", card: ModelCard, device: "torch.device", batch_size: int) -> "CudaGraphs | None":
    """Capture CUDA graphs; None if that fails, or if their outputs disagree with torch's."""
    from container.serve.worker.engine.cuda_graphs import Graphs
    from container.serve.worker.engine.torch_check import check_by_torch

    check = check_by_torch(model, card.preprocessing)
    try:
        engine = Graphs(model, card.preprocessing, device, batch_size=batch_size)
        return engine if _agrees(engine, check) else None
    except RuntimeError as error:
        # Plain torch is slower, but may work; on a broken GPU it fails too.
        logger.warning(event("engine-refused", engine=Graphs.name, why=str(error).partition("\n")[0]))
        return None


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


def _agrees(engine: Engine, check: CheckPictures) -> bool:
    """Whether an engine's outputs equal torch's, up to rounding."""
    why = check.disagreement(engine.logits(list(check.squares)), engine.precision)
    if why:
        logger.warning(event("engine-refused", engine=engine.name, precision=engine.precision, why=why))
    return not why
