"""One pixel of a feature map, against the same worked out by hand."""

import threading

import numpy as np
import pytest

from mnist_models.data import dataset
from mnist_models.explain.activations import Inspector
from mnist_models.explain.feature_maps import Search, arithmetic, pooled, receptive_field, strongest
from mnist_models.models import networks
from mnist_models.settings.hyperparameters import CnnHyperparameters
from tests.conftest import passed_on_slowly, scrambled

IMAGES = dataset.load().test.images
IMAGE = IMAGES[0]
# Strides 1 to 3, kernels 3 to 7, pooling by 0, 2 and 3.
LAYERS = [
    "4x3,5x3",
    "4x3+pool2,5x5/2",
    "4x5/2+pool3,5x3",
    "4x7/3+pool2,4x3",
    "4x7+pool2,6x5/3+pool2",
    "4x3/3,4x3/2+pool3",
]


def inspector(layers: str, **values) -> Inspector:
    network = networks.build(CnnHyperparameters(conv_layers=layers, dense_units="8", **values))
    return Inspector(scrambled(network))


@pytest.mark.parametrize("batch_norm", [False, True])
@pytest.mark.parametrize(
    ("layers", "activation"),
    list(zip(LAYERS, ["relu", "gelu", "silu", "tanh", "sigmoid", "relu"], strict=True)),
)
def test_the_steps_to_a_pixel_add_up_to_what_is_worked_out_by_hand(layers, activation, batch_norm):
    this = inspector(layers, activation=activation, batch_norm=batch_norm)
    activations, expected = this.activations(IMAGE, 0), passed_on_slowly(this.network, IMAGE)
    for stage in this.convolutions:
        maps = expected[stage.output]
        for row, column in {(0, 0), (len(maps) - 1, 0), (len(maps) // 2, len(maps) - 1)}:
            for index in range(stage.count):
                result = arithmetic(stage, activations, index, row, column)
                place = row, column, index
                assert result.total == pytest.approx(expected[stage.name][place], abs=1e-4)
                assert result.by_channel.sum() + result.bias == pytest.approx(
                    result.total, abs=1e-5
                )
                assert (result.normalisation is not None) == batch_norm
                assert result.summed == pytest.approx(expected[stage.summed][place], abs=1e-4)
                assert result.value == pytest.approx(maps[place], abs=1e-4)


@pytest.mark.parametrize("layers", LAYERS)
def test_a_pixel_sees_exactly_the_pixels_of_the_image_that_change_it(layers):
    """With all weights 1, ink anywhere in what it sees makes a pixel brighter, and ink elsewhere
    does not."""
    this = inspector(layers, batch_norm=False)
    for stage in this.convolutions:
        stage.weights.kernel.assign(np.ones(stage.weights.kernel.shape))
        stage.weights.bias.assign(np.zeros(stage.count))
    lines = 255 * np.eye(28, dtype=np.uint8)
    rows = [this.activations(np.repeat(line[:, np.newaxis], 28, axis=1), 0) for line in lines]
    columns = [this.activations(np.repeat(line[np.newaxis], 28, axis=0), 0) for line in lines]
    for stage in this.convolutions:
        side = len(rows[0].outputs[stage.output])
        for row, column in {(0, 0), (side // 2, side - 1), (side - 1, 0)}:
            field = receptive_field(this.network, stage, row, column)
            for activations_of, first in ((rows, field.top), (columns, field.left)):
                seen = [
                    place
                    for place, activations in enumerate(activations_of)
                    if activations.outputs[stage.output][row, column, 0] > 0
                ]
                assert seen == list(range(first, first + field.side))
            assert field.of(IMAGE).shape == (field.side, field.side)


@pytest.mark.parametrize(
    ("layers", "beyond"), [("4x3+pool2", 0), ("4x3/3+pool2", 1), ("4x3+pool3", 2)]
)
def test_pooling_keeps_the_highest_of_a_square_and_drops_what_is_beyond_the_last_whole_one(
    layers, beyond
):
    this = inspector(layers)
    (stage,), activations = this.convolutions, this.activations(IMAGE, 0)
    maps, size = activations.outputs[stage.output], stage.pool.pool_size[0]
    whole = len(maps) - beyond
    for row in range(len(maps)):
        for column in range(len(maps)):
            kept = pooled(stage, activations, 1, row, column)
            if row >= whole or column >= whole:
                assert kept is None
            else:
                top, left = row - row % size, column - column % size
                assert kept == maps[top : top + size, left : left + size, 1].max()


def test_the_strongest_pixel_is_looked_for_in_the_row_and_the_column_that_were_chosen():
    feature_map = np.array([[1, 5, 2], [9, 3, 4], [0, 6, 8]])
    assert strongest(feature_map) == (1, 0)
    assert strongest(feature_map, row=2) == (2, 2)
    assert strongest(feature_map, column=1) == (2, 1)
    assert strongest(feature_map, row=0, column=0) == (0, 0)


def test_a_search_finds_what_looking_at_each_image_does():
    this = inspector(LAYERS[1])
    search = Search(this, IMAGES[:70], batch_size=32)
    assert search.most_activating(this.convolutions[0], 2, 9) == [] and search.seen == 0
    search.go_on(0)
    assert search.seen == 32 and not search.is_over
    search.go_on(60)
    assert search.seen == 70 and search.is_over
    for stage in this.convolutions:
        found = search.most_activating(stage, 2, 9)
        maps = [this.activations(image, 0).outputs[stage.output][..., 2] for image in IMAGES[:70]]
        expected = sorted((float(feature_map.max()) for feature_map in maps), reverse=True)[:9]
        assert [one.value for one in found] == pytest.approx(expected, abs=1e-5)
        for one in found:
            assert maps[one.index][one.row, one.column] == pytest.approx(one.value, abs=1e-5)


def test_who_search_at_the_same_time_look_at_each_image_once():
    search = Search(inspector(LAYERS[0]), IMAGES[:120], batch_size=10)
    together = [threading.Thread(target=search.go_on, args=[60]) for _ in range(4)]
    for thread in together:
        thread.start()
    for thread in together:
        thread.join()
    found = search.most_activating(search.inspector.convolutions[0], 0, 200)
    assert sorted(one.index for one in found) == list(range(120))
