import pytest

from container.contract.errors import HyperparameterError
from container.networks.check import check_smaller_sizes


@pytest.mark.parametrize("network", ["resnet18", "convnext_atto", "tf_efficientnet_lite0"])
def test_a_convolutional_network_takes_smaller_pictures(network: str):
    check_smaller_sizes(network, [128, 160, 224])


@pytest.mark.parametrize("network", ["vit_tiny_patch16_224", "swin_tiny_patch4_window7_224"])
def test_a_network_of_one_input_size_is_refused(network: str):
    with pytest.raises(HyperparameterError, match=rf"progressive-sizes .* {network}, .* does not take 160 x 160"):
        check_smaller_sizes(network, [160, 224])
