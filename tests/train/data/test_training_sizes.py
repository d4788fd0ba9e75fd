import pytest

from container.train.data.training_sizes import TrainingSizes


@pytest.mark.parametrize(
    ("full", "start", "epochs", "sides"),
    [
        (224, 1.0, 3, [224, 224, 224]),
        (224, 0.5, 8, [96, 96, 128, 128, 160, 160, 224, 224]),
        (224, 0.6, 3, [128, 160, 224]),
        (224, 0.9, 5, [192, 192, 192, 224, 224]),
        (100, 0.5, 4, [32, 64, 96, 100]),
        (64, 0.25, 2, [32, 64]),
    ],
)
def test_pictures_grow_to_full_size_in_stages(full: int, start: float, epochs: int, sides: list[int]):
    sizes = TrainingSizes(full=full, start=start, epochs=epochs)
    assert [sizes.at(epoch) for epoch in range(1, epochs + 1)] == sides


def test_the_stages_are_described():
    assert TrainingSizes(full=100, start=0.5, epochs=4).describe() == (
        "32 pixels from epoch 1, 64 pixels from epoch 2, 96 pixels from epoch 3, 100 pixels from epoch 4"
    )
    assert TrainingSizes(full=224).describe() == ""
