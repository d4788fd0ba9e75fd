"""The model in a worker: turns pictures into probabilities on one device."""

import logging
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Self

import numpy as np

from container import gpu
from container.contract.errors import ArtifactError
from container.cpus import available_cpus, threads_asked_for
from container.first_line import first_line
from container.graph.probabilities import distance, softmax
from container.model_card import ModelCard
from container.serve.settings.config import ServeConfig
from container.serve.settings.logs import event
from container.serve.worker.engine import choose
from container.serve.worker.engine.engine import Engine
from container.serve.worker.explain import Explainer
from container.serve.worker.loaded_torch import has_torch
from container.serve.worker.occlusion import Occlusion
from container.serve.worker.request_body import Pixels
from container.serve.worker.response_body import Probabilities

if TYPE_CHECKING:
    from container.serve.worker.engine.eager import Eager

logger = logging.getLogger(__name__)


class Predictor:
    """A network on its device, with its preprocessing."""

    def __init__(self, engine: Engine, card: ModelCard, eager: "Callable[[], Eager]") -> None:
        """
        Args:
            engine: Runs the network.
            card: The model's.
            eager: Loads the same network in plain torch, for explanations; called for the first one.
        """
        self.engine = engine
        self.card = card
        self._load_eager = eager
        self._eager: Eager | None = None

    @classmethod
    def load(cls, config: ServeConfig, gpu_id: int | None = None) -> Self:
        """Load a model directory and run it once, so that the first request is not slower than others.

        Args:
            config: The server's settings.
            gpu_id: Index of the GPU, if one is used.

        Raises:
            ArtifactError: A file or field is missing or wrong, or the model's outputs are not numbers.
            DriverError: There is a GPU, but torch cannot use it.
        """
        if config.use_cuda and gpu.look().count:
            from container.serve.worker.device import choose_device

            device = choose_device(gpu_id, use_cuda=True)
            # With many models, a client waits for the load.
            engine, card = choose.on_gpu(
                config.model_dir,
                device,
                engine=config.engine,
                batch_size=config.batch_size,
                trials=not config.multi_model,
            )
        else:
            threads = threads_asked_for() or available_cpus()
            engine, card = choose.on_cpu(
                config.model_dir, engine=config.engine, precision=config.precision, threads=threads
            )

        def load_eager() -> "Eager":
            from container.serve.worker.engine.eager import Eager

            return engine if isinstance(engine, Eager) else choose.eager(config.model_dir, engine.device)[0]

        predictor = cls(engine, card, load_eager)
        predictor.prove()
        return predictor

    def prove(self) -> None:
        """Make one prediction, to show that the model works.

        Raises:
            ArtifactError: The outputs are NaN or infinite, as all others will be.
        """
        if not np.isfinite(self.probabilities([self.blank()])).all():
            raise ArtifactError(
                "the model's outputs are not numbers (NaN or infinity): its training diverged, or its weights are "
                "damaged; deploy an earlier checkpoint, or train it again with a lower learning rate"
            )

    def blank(self) -> Pixels:
        """Make a black square of the network's input size, for warm-ups."""
        size = self.card.preprocessing.size
        return np.zeros((size, size, 3), np.uint8)

    def probabilities(self, squares: Sequence[Pixels]) -> Probabilities:
        """Run one forward pass; returns calibrated probabilities, shape (len(squares), classes)."""
        return self.predict(squares)[0]

    def predict(self, squares: Sequence[Pixels]) -> tuple[Probabilities, Probabilities | None]:
        """Run one forward pass; returns calibrated probabilities, (N, classes), and distances, (N,).

        The larger a picture's distance, the more it is unlike the training data; None if training found no typical
        logits.
        """
        logits = self.engine.logits(squares)
        if self.engine.precision == "f16" and not np.isfinite(logits).all():
            # float16 overflows at 65,504, which some pictures exceed within the network.
            logits = self._plain.logits(squares)
        typical = self.card.typical_logits
        probabilities = softmax(logits / np.float32(self.card.temperature))
        return probabilities, distance(logits, typical) if typical else None

    @cached_property
    def explainer(self) -> Explainer:
        """Grad-CAM in plain torch; where torch or the tensors are missing, or timm names no layer, occlusion."""
        why = "this server has no torch"
        if has_torch():
            try:
                layer = self._plain.layer
                logger.info(event("explainer", method=self._plain.method, layer=layer))
                return self._plain
            except ArtifactError as error:
                why = first_line(error)
        logger.info(event("explainer", method=Occlusion.method, why=why))
        return Occlusion(self.engine, self.card.preprocessing)

    @property
    def _plain(self) -> "Eager":
        if self._eager is None:
            self._eager = self._load_eager()
        return self._eager
