"""In which lesson two models part most over a digit."""

import numpy as np
import pytest

from mnist_models.data import dataset, shifts
from mnist_models.data.corruptions import CORRUPTIONS
from mnist_models.explain.contrasts import NEAR_PX, Contrast, contrasts, showing

IMAGE, LABEL = dataset.load().test.images[1], int(dataset.load().test.labels[1])


def sees(condition):
    """A model that predicts the digit wherever the condition holds of an image, and else another
    digit."""

    def read(images):
        right = np.array([condition(image) for image in images])
        return np.eye(10, dtype=np.float32)[np.where(right, LABEL, (LABEL + 1) % 10)]

    return read, 0.5


def test_each_share_is_that_of_asking_one_by_one():
    """A model that wants the digit in the upper half, and one that wants much ink."""
    upper = lambda image: image[:14].sum(dtype=int) >= image[14:].sum(dtype=int)  # noqa: E731
    inky = lambda image: image.sum(dtype=int) >= IMAGE.sum(dtype=int)  # noqa: E731
    found = {one.corruption: one for one in contrasts([sees(upper), sees(inky)], IMAGE, LABEL)}
    assert set(found) == {None, *CORRUPTIONS}
    near = [
        image
        for image, (dx, dy) in zip(shifts.moved(IMAGE), shifts.SHIFTS, strict=True)
        if abs(dx) <= NEAR_PX and abs(dy) <= NEAR_PX
    ]
    assert len(near) == 49
    for name, images in {None: near, "cover": CORRUPTIONS["cover"].along(IMAGE)}.items():
        expected = [np.mean([condition(image) for image in images]) for condition in (upper, inky)]
        assert found[name].shares == pytest.approx(tuple(expected), abs=1e-6)


def test_the_widest_gap_comes_first_and_one_for_whoever_is_right_is_taken():
    thick = lambda image: image.sum(dtype=int) > 1.1 * IMAGE.sum(dtype=int)  # noqa: E731
    found = contrasts([sees(thick), sees(lambda image: not thick(image))], IMAGE, LABEL)
    gaps = [abs(one.gap) for one in found]
    assert gaps == sorted(gaps, reverse=True)
    unsure = sees(lambda image: True)[0], 1.5
    assert all(one.shares[0] == 0 for one in contrasts([unsure, unsure], IMAGE, LABEL))
    wide, narrow = Contrast("blur", (0.9, 0.1)), Contrast(None, (0.4, 0.5))
    assert showing([wide, narrow], False, True) is narrow
    assert showing([wide, narrow], True, False) is wide
    assert showing([wide, narrow], False, False) is wide
    assert showing([wide], False, True) is wide  # nothing speaks for the one that is right
