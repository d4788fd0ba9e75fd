"""Makes check pictures for a model of which none are stored."""

import numpy as np
import torch
from torch import nn

from container.graph.check_pictures import CheckPictures, drawn_squares
from container.preprocessing import Preprocessing


def check_by_torch(model: nn.Module, preprocessing: Preprocessing) -> CheckPictures:
    """Draw pictures, and compute the network's outputs for them on the CPU in float32."""
    squares = drawn_squares(preprocessing.size)
    with torch.inference_mode():
        logits = model(preprocessing.normalize(torch.from_numpy(squares))).numpy()
    return CheckPictures(squares=squares, logits=np.asarray(logits, np.float32))
