"""The engines for a GPU: CUDA graphs, and ONNX Runtime and TensorRT where they are installed."""

import logging
from functools import partial
from pathlib import Path
from typing import Any

import torch

from container import artifact, gpu
from container.contract.model_files import GRAPH
from container.graph.current import why_not_usable
from container.model_card import ModelCard
from container.serve.settings.logs import event
from container.serve.settings.variables import ENGINE
from container.serve.worker.engine import onnx_runtime
from container.serve.worker.engine.agrees import agrees
from container.serve.worker.engine.cuda_graphs import NAME as CUDA_GRAPHS
from container.serve.worker.engine.cuda_graphs import Graphs
from container.serve.worker.engine.engine import Engine
from container.serve.worker.engine.onnx_runtime import OnnxRuntime
from container.serve.worker.engine.torch_check import check_by_torch
from container.serve.worker.engine.trials import Candidate, Trials, place_beside

logger = logging.getLogger(__name__)


def choose_on_gpu(
    model_dir: Path, device: torch.device, *, engine: str, batch_size: int, trials: bool
) -> tuple[Engine, ModelCard] | None:
    """Load the fastest engine of those that compute the model right, or the one that is asked for.

    Args:
        model_dir: The model directory.
        device: The GPU; tests have a CPU in its place.
        engine: SLIPWAY_ENGINE.
        batch_size: Most pictures in a forward pass.
        trials: Whether there is time to try several engines.

    Returns:
        The engine and the model's card; None if only plain torch is left.

    Raises:
        ArtifactError: A file or field of the model directory is missing or wrong.
    """
    model, card = artifact.load(model_dir)
    check = check_by_torch(model, card.preprocessing)
    folder = place_beside(model_dir)
    candidates = [Candidate(CUDA_GRAPHS, partial(Graphs, model, card.preprocessing, device, batch_size=batch_size))]
    no_graph = why_not_usable(model_dir, card)
    installed = onnx_runtime.installed(device)
    for name in installed:
        if no_graph:
            if engine in {"auto", name}:
                logger.warning(event("engine-refused", engine=name, why=no_graph))
            continue
        load = partial(
            OnnxRuntime, name, model_dir / GRAPH, device, batch_size=batch_size, cache=folder / "tensorrt-cache"
        )
        candidates.append(Candidate(name, load))
    compared = Trials(
        folder=folder,
        about=_about(card, device, batch_size, [each.name for each in candidates]),
        agrees=partial(agrees, check=check),
        square=check.squares[0],
        batch_size=batch_size,
        allowed=trials,
    )
    if engine == "auto":
        found = compared.choose(candidates)
    else:
        asked = [each for each in candidates if each.name == engine]
        if not asked and engine not in installed:
            logger.warning(
                event("engine-refused", engine=engine, why="onnxruntime-gpu and onnx are not both installed")
            )
        found = compared.first_right(asked, f"{ENGINE.names[0]}={engine}")
        found = found or compared.choose([each for each in candidates if each.name != engine])
    candidates.clear()
    torch.cuda.empty_cache()  # of the engines that were not chosen
    return (found, card) if found else None


def _about(card: ModelCard, device: torch.device, batch_size: int, names: list[str]) -> dict[str, Any]:
    """Name what the engines' times depend on."""
    driver = gpu.find_driver()
    return {
        "model": card.export.get("tensors", ""),
        "gpu": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "driver": driver.version if driver else "",
        "torch": torch.__version__,
        "onnxruntime": onnx_runtime.version() if len(names) > 1 else "",
        "engines": names,
        "batch_size": batch_size,
    }
