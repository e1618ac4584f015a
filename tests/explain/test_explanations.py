"""What counted in a digit, and what would change its reading: against slow oracles."""

import itertools

import numpy as np
import pytest

from mnist_models.data import dataset
from mnist_models.data.probabilities import digits_of
from mnist_models.explain import explanations
from mnist_models.explain.slices import Sliced
from mnist_models.models import networks
from mnist_models.models.classifier import Classifier
from mnist_models.settings.hyperparameters import CnnHyperparameters, DnnHyperparameters

IMAGE = dataset.load().test.images[1]
SHAPES = {
    "one dense layer": DnnHyperparameters(hidden_units=(16,)),
    "dropout, tanh, no batch norm": DnnHyperparameters(
        hidden_units=(16, 12), activation="tanh", batch_norm=False, dropout=0.3
    ),
    "no dense head, large stride and kernel": CnnHyperparameters(
        conv_layers=("4x7/3",), dense_units=(), activation="gelu", dropout=0.2
    ),
    "pooling and batch norm": CnnHyperparameters(
        conv_layers=("4x3/2+pool2", "6x3"), dense_units=(8,)
    ),
}


@pytest.fixture(scope="module", params=SHAPES)
def network(request):
    """An untrained network whose normalisation and biases have learned something: as it starts,
    much would be 0."""
    network = networks.build(SHAPES[request.param])
    random = np.random.default_rng(0)
    for layer in network.layers:
        for variable in layer.variables:
            if variable.name in ("bias", "beta", "moving_mean"):
                variable.assign(random.normal(0, 0.3, variable.shape))
            elif variable.name in ("gamma", "moving_variance"):
                variable.assign(random.uniform(0.5, 1.5, variable.shape))
    return network


def done(steps):
    work = Sliced(lambda: steps)
    work.go_on(120)
    assert work.is_over
    return work.result


def odds_of(row, digit):
    return np.log10(
        row[digit] / sum(probability for other, probability in enumerate(row) if other != digit)
    )


def test_odds_tell_how_many_times_as_probable_as_all_others_as_powers_of_ten():
    probabilities = np.array([[0.9, 0.1, *[0.0] * 8], [0.001, 0.999, *[0.0] * 8]], np.float32)
    np.testing.assert_allclose(
        explanations.log_odds(probabilities, 1), [np.log10(1 / 9), np.log10(999)], rtol=1e-4
    )


def test_odds_of_what_is_certain_are_finite():
    certain = np.eye(10, dtype=np.float32)
    assert np.isfinite(explanations.log_odds(certain, 3)).all()


@pytest.mark.parametrize(("side_px", "ink"), [(3, 0), (7, 255)])
def test_a_square_covers_each_pixel_in_turn_and_is_cut_off_at_the_edge(side_px, ink):
    images = explanations.covered(IMAGE, side_px, ink)
    assert images.shape == (784, 28, 28) and images.dtype == np.uint8
    for place in (0, 27, 395, 783):
        row, column = divmod(place, 28)
        expected = IMAGE.copy()
        for y, x in itertools.product(range(28), range(28)):
            if abs(y - row) <= side_px // 2 and abs(x - column) <= side_px // 2:
                expected[y, x] = ink
        np.testing.assert_array_equal(images[place], expected)


@pytest.mark.parametrize("ink", [0, 255])
def test_covering_tells_what_reading_each_cover_by_itself_tells(network, ink):
    reader = Classifier(network)
    found = done(explanations.occlusion(reader.probabilities, IMAGE, 5, ink))
    before = reader.read(IMAGE)
    for place in range(0, 784, 37):
        row, column = divmod(place, 28)
        image = IMAGE.copy()
        image[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3] = ink
        after = reader.read(image).probabilities
        np.testing.assert_allclose(found.probabilities[place], after, atol=1e-5)
        fall = odds_of(before.probabilities, before.digit) - odds_of(after, before.digit)
        assert found.falls[row, column] == pytest.approx(fall, abs=1e-4)
    assert np.ptp(found.falls) > 0


def test_the_gradient_comes_with_the_odds_that_are_read(network):
    odds, _ = explanations.gradient_of(network)(np.stack([IMAGE, np.zeros_like(IMAGE)]), 4)
    read = Classifier(network).probabilities(np.stack([IMAGE, np.zeros_like(IMAGE)]))
    np.testing.assert_allclose(odds, [odds_of(row.astype(float), 4) for row in read], atol=1e-4)


def test_the_gradient_is_that_of_small_differences(network):
    gradient = explanations.gradient_of(network)
    # Noise: on even paper, pooled pixels are all the strongest at once, and there a network has no
    # gradient.
    random = np.random.default_rng(0)
    image = random.uniform(0, 255, IMAGE.shape).astype(np.float32)
    _, (slopes,) = gradient(image[np.newaxis], 3)
    directions = random.choice([-1.0, 1.0], (20, *IMAGE.shape)).astype(np.float32)
    above, _ = gradient(image + directions / 64, 3)
    below, _ = gradient(image - directions / 64, 3)
    told = (slopes * directions).sum(axis=(1, 2))
    errors = np.abs((above - below) * 32 - told)
    # A few directions switch a unit on or off on the way.
    assert np.median(errors) < 0.01 * told.std() and errors.max() < 0.15 * told.std()


def test_what_the_pixels_count_sums_to_what_the_ink_adds(network):
    found = done(explanations.integrated_gradients(explanations.gradient_of(network), IMAGE, 2))
    assert found.counted.sum() == pytest.approx(
        found.whole - found.blank, abs=0.02 + 0.02 * abs(found.whole - found.blank)
    )
    assert not found.counted[IMAGE == 0].any()
    read = Classifier(network).probabilities(np.stack([np.zeros_like(IMAGE), IMAGE])).astype(float)
    assert (found.blank, found.whole) == pytest.approx([odds_of(row, 2) for row in read], abs=1e-4)


def test_strokes_go_from_each_point_of_the_grid_to_each_other_one():
    ink = explanations.strokes(2)
    assert ink.shape == (64 * 65 // 2, 28, 28) and ink.dtype == np.uint8
    assert len(np.unique(ink.reshape(len(ink), -1), axis=0)) == len(ink)
    assert ink.any(axis=(1, 2)).all() and not ink[:, [0, 27]].any() and not ink[:, :, [0, 27]].any()


def test_a_stroke_is_two_pixels_wide_with_a_soft_edge():
    points = list(itertools.product(range(3, 25, 3), repeat=2))
    pairs = list(itertools.combinations_with_replacement(points, 2))
    level = explanations.strokes(2)[pairs.index(((9, 6), (9, 18)))]
    np.testing.assert_array_equal(level[7:12, 12], [0, 128, 255, 128, 0])
    wide = explanations.strokes(4)[pairs.index(((9, 6), (9, 18)))]
    np.testing.assert_array_equal(wide[6:13, 12], [0, 128, 255, 255, 255, 128, 0])
    for pair in (pairs[0], pairs[100], pairs[1234]):
        (top, left), (bottom, right) = pair
        along = np.linspace([top, left], [bottom, right], 2001)  # the stroke as many points
        away = [np.hypot(*(along - pixel).T).min() for pixel in np.ndindex(28, 28)]
        expected = 255 * np.clip(1.5 - np.array(away), 0, 1).reshape(28, 28)
        np.testing.assert_allclose(explanations.strokes(2)[pairs.index(pair)], expected, atol=2)


def test_the_tools_add_and_take_ink_where_the_stroke_goes():
    stroke = explanations.strokes(2)[700:701]
    drawn, rubbed = (
        explanations.TOOLS[tool].changed(IMAGE, stroke)[0] for tool in ("pen", "rubber")
    )
    assert (
        (drawn >= IMAGE).all()
        and (drawn >= stroke[0]).all()
        and (drawn[stroke[0] == 0] == IMAGE[stroke[0] == 0]).all()
    )
    assert (rubbed <= IMAGE).all() and not rubbed[stroke[0] == 255].any()
    assert (rubbed[stroke[0] == 0] == IMAGE[stroke[0] == 0]).all()


def test_ink_is_counted_in_pixels_full_of_it():
    after = IMAGE.copy()
    after[0, 0] = 255
    after[27, 27] = 51
    assert explanations.ink_changed_px(IMAGE, after) == pytest.approx(1.2)
    assert explanations.ink_changed_px(after, IMAGE) == pytest.approx(1.2)


@pytest.mark.parametrize("tool", explanations.TOOLS)
def test_no_stroke_that_changes_less_ink_would_have_done_it(network, tool):
    reader = Classifier(network)
    found = done(explanations.smallest_stroke(reader.probabilities, IMAGE, tool))
    digit = reader.read(IMAGE).digit
    images = explanations.TOOLS[tool].changed(
        IMAGE, explanations.strokes(explanations.TOOLS[tool].width_px)
    )
    ink_px = np.array([np.abs(image.astype(int) - IMAGE).sum() / 255 for image in images])
    moved = digits_of(reader.probabilities(images)) != digit
    assert found.among == (ink_px > 0).sum()
    if moved.any():
        assert explanations.ink_changed_px(IMAGE, found.image) == pytest.approx(ink_px[moved].min())
        assert digits_of(found.probabilities) == reader.read(found.image).digit != digit
        assert (
            (ink_px[ink_px > 0] < ink_px[moved].min()).sum()
            <= found.tried - 1
            < (ink_px <= ink_px[moved].min()).sum()
        )
    else:
        assert found.image is None and found.tried == found.among


def test_few_pixels_are_made_ink_or_paper_until_another_digit_is_read(network):
    reader = Classifier(network)
    found = done(
        explanations.few_pixels(reader.probabilities, explanations.gradient_of(network), IMAGE)
    )
    assert (
        reader.read(found.image).digit == digits_of(found.probabilities) != reader.read(IMAGE).digit
    )
    changed = found.image != IMAGE
    assert 1 <= changed.sum() <= found.tried / 32 <= 20
    assert set(found.image[changed].tolist()) <= {0, 255}


def test_of_the_pixels_tried_the_one_that_lowers_the_odds_most_is_kept():
    network = networks.build(SHAPES["one dense layer"])
    reader, batches = Classifier(network), []

    def read(images):
        batches.append(images)
        return reader.probabilities(images)

    image = dataset.load().test.images[10]
    done(explanations.few_pixels(read, explanations.gradient_of(network), image))
    (_, *batches) = batches  # the first reads the digit itself
    assert len(batches) > 1
    digit = reader.read(image).digit
    tried, odds = [image], [odds_of(reader.read(image).probabilities, digit)]
    for images in batches:
        # All differ in one pixel from the one that was kept. It is the one with the lowest odds, or
        # one as low: read by itself, an image has another last bit than among others.
        (kept,) = [
            place
            for place, one in enumerate(tried)
            if ((images != one).sum(axis=(1, 2)) <= 1).all()
        ]
        assert odds[kept] <= min(odds) + 1e-4
        tried, odds = images, [odds_of(reader.read(one).probabilities, digit) for one in images]


@pytest.mark.parametrize("kind", [DnnHyperparameters, CnnHyperparameters])
def test_a_network_that_always_reads_the_same_is_moved_by_nothing(kind):
    network = networks.build(kind(), blank=True)
    read, gradient = Classifier(network).probabilities, explanations.gradient_of(network)
    found = done(explanations.smallest_stroke(read, IMAGE, "rubber"))
    assert found.image is None and found.tried == found.among > 1000
    found = done(explanations.few_pixels(read, gradient, IMAGE))
    assert found.image is None and found.tried == found.among == 640
    assert not done(explanations.occlusion(read, IMAGE, 3, 0)).falls.any()
    assert not done(explanations.integrated_gradients(gradient, IMAGE, 0)).counted.any()


def test_of_scrambled_pixels_each_counts_where_it_was_before():
    network = networks.build(CnnHyperparameters(conv_layers="4x3/2", dense_units="8"))
    reader = Classifier(network, scrambles=True)
    found = done(
        explanations.integrated_gradients(explanations.gradient_of(network, reader.seen), IMAGE, 2)
    )
    scrambled = dataset.scrambled(IMAGE[np.newaxis])[0]
    expected = done(
        explanations.integrated_gradients(explanations.gradient_of(network), scrambled, 2)
    )
    np.testing.assert_allclose(
        dataset.scrambled(found.counted[np.newaxis])[0], expected.counted, atol=1e-5
    )
    assert not found.counted[IMAGE == 0].any()
