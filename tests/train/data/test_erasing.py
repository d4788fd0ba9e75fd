from random import Random

import numpy as np

from container.train.data.erasing import erase

FILL = (124, 116, 104)


def test_what_is_erased_is_one_rectangle_of_the_usual_size():
    random = Random(0)
    areas, ratios = [], []
    for _ in range(300):
        pixels = np.zeros((64, 64, 3), np.uint8)
        erase(pixels, random, 1.0, FILL)
        rows, columns = np.nonzero((pixels == FILL).all(-1))
        height, width = np.ptp(rows) + 1, np.ptp(columns) + 1
        assert len(rows) == height * width == (pixels != 0).all(-1).sum()
        areas.append(height * width / 64**2)
        ratios.append(width / height)
    assert 0.01 < min(areas) < 0.03
    assert 0.31 < max(areas) < 0.35
    assert min(ratios) < 0.4
    assert max(ratios) > 2.5


def test_the_probability_is_that_of_the_hyperparameter():
    random = Random(1)
    erased = 0
    for _ in range(1000):
        pixels = np.zeros((32, 32, 3), np.uint8)
        erase(pixels, random, 0.25, FILL)
        erased += bool(pixels.any())
    assert 200 < erased < 300
