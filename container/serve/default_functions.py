"""Our model_fn, input_fn, predict_fn and output_fn, for a user's inference.py that replaces only some of them."""

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from sagemaker_inference.default_inference_handler import DefaultInferenceHandler
from torch import nn

from container.artifact import load
from container.model_card import CARD, read_card
from container.preprocessing import Preprocessing
from container.serve.accept import negotiate
from container.serve.config import ServeConfig
from container.serve.decode import Pixels, decode
from container.serve.encode import encode
from container.serve.engine.eager import normalized
from container.serve.pixels import square
from container.serve.predictor import softmax
from container.serve.replies import RequestError

_NOT_EXPLAINED = RequestError(
    400, "this model answers by code of its own (inference.py), of which no explanation is made; send no `explain`"
)


class DefaultFunctions:
    """What sagemaker-inference calls a default inference handler; one request at a time."""

    def __init__(self, config: ServeConfig, device: torch.device) -> None:
        self._config = config
        self._device = device
        has_card = (config.model_dir / CARD).is_file()
        card = read_card(config.model_dir) if has_card else None
        self._preprocessing = card.preprocessing if card else Preprocessing()
        self._classes = card.classes if card else None
        self.attributes: str | None = None
        """What the request at hand has in X-Amzn-SageMaker-Custom-Attributes."""
        self.many = False
        """Whether the request at hand held a list of pictures; `default_input_fn` says so to `default_output_fn`."""

    def default_model_fn(self, model_dir: str) -> nn.Module:
        """The network of the model directory, in evaluation mode, on the device."""
        model, card = load(Path(model_dir))
        self._preprocessing = card.preprocessing
        self._classes = card.classes
        return model.to(self._device).eval()

    def default_input_fn(self, input_data: bytes | str, content_type: str | None) -> torch.Tensor:
        """The request's pictures as the network takes them: float32 (N, 3, size, size), on the device."""
        body = input_data.encode() if isinstance(input_data, str) else input_data
        pictures = decode(content_type, body, self._config.max_pictures)
        if any(pictures.explain):
            raise _NOT_EXPLAINED.anew()
        self.many = pictures.many
        squares = [square(item, self._preprocessing, self._config.max_pixels) for item in pictures.items]
        return normalized(squares, self._preprocessing, self._device)

    def default_predict_fn(self, data: Any, model: nn.Module) -> torch.Tensor:
        """Probabilities of shape (N, classes), float32, in main memory.

        `data` is what `default_input_fn` makes, or a PIL picture, or an array of pixels (height, width, 3), or a list
        of either.
        """
        batch = data if isinstance(data, torch.Tensor) else self._to_batch(data)
        with torch.inference_mode():
            return torch.from_numpy(softmax(model(batch.to(self._device)).float().cpu().numpy()))

    def _to_batch(self, data: Any) -> torch.Tensor:
        squares = [self._to_square(item) for item in (data if isinstance(data, list) else [data])]
        return normalized(squares, self._preprocessing, self._device)

    def _to_square(self, item: Any) -> Pixels:
        if isinstance(item, Image.Image):
            return self._preprocessing.to_array(item.convert("RGB"))
        if isinstance(item, np.ndarray) and item.dtype == np.uint8:
            return square(item, self._preprocessing, self._config.max_pixels)
        raise TypeError(
            f"input_fn returned {type(item).__name__}; the built-in predict_fn takes a tensor (N, 3, height, width), "
            "PIL pictures or uint8 arrays (height, width, 3)"
        )

    def default_output_fn(self, prediction: Any, accept: str) -> tuple[bytes, str]:
        """The answer as the server gives it without any code of the user's.

        A tensor or array of shape (N, classes) is taken for probabilities; anything else is written by
        sagemaker-inference's own encoder (JSON, CSV, .npy).
        """
        values = prediction.detach().cpu().numpy() if isinstance(prediction, torch.Tensor) else prediction
        if not (isinstance(values, np.ndarray) and values.ndim == 2 and values.size):
            body, content_type = DefaultInferenceHandler().default_output_fn(values, accept)
            return body, content_type
        form = negotiate(accept, self._config.default_accept, self.attributes)
        if form.explain:
            raise _NOT_EXPLAINED.anew()
        offer = form.offer
        classes = self._classes
        if classes is None or len(classes) != values.shape[1]:
            classes = tuple(str(index) for index in range(values.shape[1]))
        many = self.many or len(values) > 1
        body = encode(values.astype(np.float32), classes, offer, k=self._config.top_k, many=many)
        return body, offer.partition(";")[0]
