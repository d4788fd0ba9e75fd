"""Default model_fn, input_fn, predict_fn and output_fn, for a user's inference.py that replaces only some of them."""

import json
import time
from collections.abc import Container
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from sagemaker_inference.default_inference_handler import DefaultInferenceHandler
from torch import nn

from container.artifact import load
from container.contract.model_files import CARD
from container.graph.probabilities import softmax
from container.model_card import read_card
from container.preprocessing import Preprocessing
from container.serve.protocol.accept import CSV, JSON, choose_plain, default_for, negotiate
from container.serve.protocol.replies import RequestError
from container.serve.settings.config import ServeConfig
from container.serve.worker.engine.eager import normalized
from container.serve.worker.numeric import read_numbers
from container.serve.worker.picture_reader import PictureReader
from container.serve.worker.pixels import square
from container.serve.worker.request_body import Pixels, decode
from container.serve.worker.response_body import encode
from container.torchscript import load_torchscript

_NOT_EXPLAINED = RequestError(
    400,
    "this model runs code of its own (inference.py or TorchScript), which cannot be explained; send no `explain`",
)
_NOT_A_NUMBER = RequestError(500, "the model's answer is not a number")
_ONLY_JSON = RequestError(406, f"the model's answer is not a table of values; it is available as {JSON} only")


def _refuse_constant(_name: str) -> None:
    """Refuse NaN and infinities, which are not JSON although Python writes them."""
    raise _NOT_A_NUMBER.anew()


class DefaultFunctions:
    """The default inference handler of sagemaker-inference; handles one request at a time."""

    def __init__(self, config: ServeConfig, device: torch.device) -> None:
        self._config = config
        self._device = device
        has_card = (config.model_dir / CARD).is_file()
        card = read_card(config.model_dir) if has_card else None
        self._preprocessing = card.preprocessing if card else Preprocessing()
        self._classes = card.classes if card else None
        self.content_type: str | None = None
        """Content-Type of the current request."""
        self.accept: str | None = None
        """Accept header of the current request."""
        self.attributes: str | None = None
        """X-Amzn-SageMaker-Custom-Attributes header of the current request."""
        self.many = False
        """Whether the current request holds a list of pictures; set by `default_input_fn` for `default_output_fn`."""
        self.numeric = False
        """Whether the current request holds numbers; set by `default_input_fn` for the other functions."""
        self._takes_numbers = True
        """Whether bodies of numbers are accepted; False for our own networks, which take pictures."""
        self._ready: object = None
        """The network already moved to the device and set to evaluation mode."""

    @cached_property
    def _reader(self) -> PictureReader:
        """Created on first use, because loading the model sets the preprocessing."""
        return PictureReader(self._preprocessing, self._config)

    def default_model_fn(self, model_dir: str) -> nn.Module:
        """Load the model directory's network, or a TorchScript archive, onto the device in evaluation mode."""
        if self._config.torchscript:
            return load_torchscript(self._config.torchscript, self._device)
        self._takes_numbers = False
        model, card = load(Path(model_dir))
        self._preprocessing = card.preprocessing
        self._classes = card.classes
        return model.to(self._device).to(memory_format=torch.channels_last).eval()

    def default_input_fn(self, input_data: bytes | str, content_type: str | None) -> torch.Tensor:
        """Turn the request's pictures into the network's input: float32 (N, 3, size, size), on the device.

        If the network is not one of ours, a body of numbers becomes a tensor unchanged.
        """
        body = input_data.encode() if isinstance(input_data, str) else input_data
        numbers = read_numbers(content_type, body) if self._takes_numbers else None
        if numbers is not None:
            self.numeric = True
            return torch.from_numpy(numbers).to(self._device)
        pictures = decode(content_type, body, self._config.max_pictures)
        if any(pictures.explain):
            raise _NOT_EXPLAINED.anew()
        self.many = pictures.many
        deadline = time.monotonic() + self._config.deadline_s
        squares = [self._reader.square(item, deadline) for item in pictures.items]
        return normalized(squares, self._preprocessing, self._device)

    def default_predict_fn(self, data: Any, model: Any) -> Any:
        """Compute probabilities of shape (N, classes), float32, on the CPU; for numbers, the network's raw output.

        `data` is the result of `default_input_fn`, a PIL picture, an array of pixels (height, width, 3), or a list of
        either.
        """
        if isinstance(model, nn.Module) and model is not self._ready:
            self._ready = model.to(self._device).eval()
        if self.numeric:
            # Not inference_mode: the user's output_fn may change the output in place.
            with torch.no_grad():
                return model(data)
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
        """Encode the answer as the server does without user code.

        For pictures, a tensor or array of shape (N, classes) is taken as probabilities; anything else is written by
        sagemaker-inference's own encoder (JSON, CSV, .npy).
        """
        tensor = prediction.detach().cpu() if isinstance(prediction, torch.Tensor) else None
        if self.numeric:
            return self._plain(prediction if tensor is None else tensor.tolist())
        values = prediction if tensor is None else tensor.numpy()
        if not (isinstance(values, np.ndarray) and values.ndim == 2 and values.size):
            return self._plain(values)
        if not np.isfinite(values).all():
            raise _NOT_A_NUMBER.anew()
        form = negotiate(self.accept, default_for(self.content_type, self._config.default_accept), self.attributes)
        if form.explain:
            raise _NOT_EXPLAINED.anew()
        offer = form.offer
        classes = self._classes
        if classes is None or len(classes) != values.shape[1]:
            classes = tuple(str(index) for index in range(values.shape[1]))
        many = self.many or len(values) > 1
        body = encode(values.astype(np.float32), classes, offer, k=self._config.top_k, many=many)
        return body, offer.partition(";")[0]

    def _plain(self, values: Any) -> tuple[bytes, str]:
        offer = choose_plain(self.accept, self._config.default_accept)
        if offer != JSON and not _is_table(values, (1, 2) if offer == CSV else range(64)):
            raise _ONLY_JSON.anew()
        body, _ = DefaultInferenceHandler().default_output_fn(values, offer)
        if offer == JSON:
            json.loads(body, parse_constant=_refuse_constant)
        return body, offer


def _is_table(values: Any, dimensions: Container[int]) -> bool:
    """Whether `values` is an array of plain values; anything else would be pickled into a .npy file."""
    try:
        array = np.asarray(values)
    except (TypeError, ValueError):
        return False
    return array.dtype.kind != "O" and array.ndim in dimensions
