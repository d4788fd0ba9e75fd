"""Grad-CAM's numbers against independent ones, and how heat is brought from the network's square to the picture."""

import io

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from container.networks.build import build_model
from container.networks.explained import ExplainedLayer, explained_layer
from container.preprocessing import Preprocessing
from container.serve.protocol.explain_request import LARGEST
from container.serve.worker.explain import paint, shown_picture
from container.serve.worker.grad_cam import grad_cam


def frozen(model: nn.Module) -> nn.Module:
    return model.eval().requires_grad_(False)


def test_the_heat_of_a_network_that_can_be_derived_by_hand() -> None:
    class Sum(nn.Module):
        """Class 0 is twice the mean of channel 0 less that of channel 1; class 1 the mean of channel 2."""

        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Identity()

        def forward(self, batch: torch.Tensor) -> torch.Tensor:
            red, green, blue = self.layer(batch).mean(dim=(2, 3)).unbind(1)
            return torch.stack([2 * red - green, blue], dim=1)

    picture = torch.zeros(3, 2, 2)
    picture[0] = torch.tensor([[4.0, 2.0], [1.0, 0.0]])
    picture[1] = torch.tensor([[0.0, 4.0], [0.0, 3.0]])
    heat = grad_cam(Sum(), ExplainedLayer("layer"), torch.stack([picture, picture]), [0, 1])
    # 2 * red - green = [[8, 0], [2, -3]], the negative cut off, the strongest made 1; there is nothing blue at all.
    assert heat.tolist() == [[[1.0, 0.0], [0.25, 0.0]], [[0.0, 0.0], [0.0, 0.0]]]


@pytest.mark.parametrize(("layer", "size"), [("layer4", 96), ("layer3", 64), ("layer2", 32)])
def test_the_heat_is_that_of_an_independent_derivative(layer: str, size: int) -> None:
    torch.manual_seed(1)
    model = frozen(build_model("resnet18", 5))
    batch = torch.randn(3, 3, size, size)
    classes = [4, 0, 2]
    found = grad_cam(model, ExplainedLayer(layer), batch, classes)

    parts = [*list(model.children())[:-1], nn.Flatten(), model.fc]
    after = 1 + [name for name, _ in model.named_children()].index(layer)
    tail = nn.Sequential(*parts[after:])
    output = nn.Sequential(*parts[:after])(batch)
    for row, index in enumerate(classes):
        derivative = torch.func.jacrev(lambda values: tail(values[None])[0])(output[row])[index]
        heat = np.einsum("k,kij->ij", derivative.mean((1, 2)).numpy(), output[row].numpy()).clip(min=0)
        assert found[row] == pytest.approx(heat / max(heat.max(), 1e-30), abs=1e-4)
    assert found.max(axis=(1, 2)).sum() >= 1, "at least one of the pictures has heat"


def test_half_precision_gives_the_same_heat_in_full_precision() -> None:
    torch.manual_seed(1)
    model = frozen(build_model("resnet18", 3))
    batch = torch.randn(2, 3, 96, 96)
    wanted = grad_cam(model, ExplainedLayer("layer4"), batch, [0, 1])
    found = grad_cam(model.bfloat16(), ExplainedLayer("layer4"), batch.bfloat16(), [0, 1])
    assert found.dtype == np.float32
    assert found == pytest.approx(wanted, abs=0.1)


def test_nothing_stays_on_the_network_and_nothing_before_the_layer_is_kept() -> None:
    model = frozen(build_model("resnet18", 3))
    grad_cam(model, ExplainedLayer("layer4"), torch.randn(1, 3, 96, 96), [0])
    assert not model.layer4._forward_hooks
    assert not model(torch.randn(1, 3, 96, 96)).requires_grad


@pytest.mark.parametrize(
    ("size", "layer"), [(224, "layer4"), (384, "layer4"), (96, "layer4"), (64, "layer3"), (32, "layer2"), (8, "layer1")]
)
def test_a_small_input_is_explained_by_an_earlier_stage(size: int, layer: str) -> None:
    assert explained_layer("resnet18", build_model("resnet18", 2), size).name == layer


# From the network's square to the picture


HEAT = np.array([[1, 0], [0, 0.5]], np.float32)


def test_heat_lies_on_the_cropped_square_and_the_border_has_none() -> None:
    grey = Image.new("RGB", (200, 100), (100, 100, 100))
    crop = Preprocessing(size=80, short_side=100)
    assert crop.box(200, 100) == (60, 10, 140, 90)
    heat = np.asarray(paint(grey, HEAT, crop, "map"))
    assert (heat.shape, heat.dtype) == ((100, 200), np.uint8)
    assert heat[10:30, 60:80].min() == 255, "the first cell's upper left quarter"
    assert heat[89, 139] == 128
    outside = np.ones_like(heat, bool)
    outside[10:90, 60:140] = False
    assert heat[outside].max() == 0

    overlay = np.asarray(paint(grey, HEAT, crop, "overlay"))
    assert (overlay[outside] == 40).all(), "what the network did not see is dark"
    assert overlay[85, 65].tolist() == [100, 100, 100], "no heat leaves the picture as it is"
    red, green, _ = overlay[12, 62].tolist()
    assert red > 150 > green


def test_heat_lies_on_the_whole_picture_where_it_is_squashed() -> None:
    heat = np.asarray(paint(Image.new("RGB", (200, 100)), HEAT, Preprocessing(resize="squash"), "map"))
    assert (heat[0, 0], heat[99, 0], heat[99, 199]) == (255, 0, 128)


@pytest.mark.parametrize("size", [(1, 300), (300, 1), (1, 1)])
@pytest.mark.parametrize("preprocessing", [Preprocessing(), Preprocessing(resize="squash")])
def test_thin_pictures(size: tuple[int, int], preprocessing: Preprocessing) -> None:
    for view in ("map", "overlay"):
        assert paint(Image.new("RGB", size), HEAT, preprocessing, view).size == size


def test_the_shown_picture_is_upright_whole_and_bounded() -> None:
    turned = Image.Exif()
    turned[0x0112] = 6
    data = io.BytesIO()
    Image.new("RGB", (1200, 600)).save(data, "JPEG", exif=turned)
    file = data.getvalue()
    assert shown_picture(file, 512, 10**6).size == (256, 512)
    assert shown_picture(file, LARGEST, 10**6).size == (512, 1024)
    assert shown_picture(np.zeros((30, 20, 3), np.uint8), 512, 10**6).size == (20, 30), "never enlarged"
