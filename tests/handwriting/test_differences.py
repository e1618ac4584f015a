"""What makes a class different is found where it was made so, and hardly ever by chance."""

import numpy as np
import pytest

from mnist_models.data import dataset, styles
from mnist_models.handwriting import differences, traits
from mnist_models.handwriting.collection import UNKNOWN_WRITER


def sample(count, seed, bars=0.0):
    """A class that writes as MNIST's training digits are written, and crosses this share of its
    7s."""
    train = dataset.load().train
    random = np.random.default_rng(seed)
    chosen = random.choice(len(train), count, replace=False)
    images, labels = train.images[chosen], train.labels[chosen]
    crossed = np.flatnonzero(labels == 7)
    crossed = crossed[random.random(len(crossed)) < bars]
    images[crossed] = styles.with_stroke(images[crossed], styles.bar, random)
    return traits.measure(images, labels), labels, crossed


def unknown(count):
    return np.full(count, UNKNOWN_WRITER)


def named(rows, name):
    (row,) = (row for row in rows if row.trait.name == name)
    return row


def test_crossed_7s_are_what_makes_a_class_different_that_crosses_them():
    here, labels, _ = sample(300, seed=0, bars=0.9)
    rows = differences.from_mnist(here, unknown(300))
    assert rows[0].trait.name == "crossed 7s" and rows[0].is_clear
    sevens = int(np.sum(labels == 7))
    assert rows[0].first.of == sevens and rows[0].second.of > 2000
    assert rows[0].said().startswith("Crossed 7s: ") and rows[0].said().endswith("in MNIST.")
    low, high = rows[0].first.interval
    assert low < rows[0].first.value < high


def test_a_class_that_writes_as_mnist_does_is_hardly_ever_called_different():
    told = [
        row.is_clear
        for seed in range(60)
        for row in differences.from_mnist(sample(300, seed)[0], unknown(300))
    ]
    assert np.mean(told) < 0.02  # one in a hundred by design, and 660 are looked at


def test_a_single_writer_is_not_called_a_class():
    """Thirty crossed 7s by one hand say little about a class; by thirty hands they do."""
    here, *_ = sample(300, seed=0, bars=1.0)
    one, many = np.zeros(300, np.int64), np.arange(300)
    assert named(differences.from_mnist(here, many), "crossed 7s").is_clear
    assert not named(differences.from_mnist(here, one), "crossed 7s").is_clear


def test_what_a_trait_costs_a_model_is_found():
    here, _, crossed = sample(600, seed=1, bars=0.5)
    is_right = np.ones(600, bool)
    is_right[crossed[::2]] = False
    rows = differences.costs(here, unknown(600), is_right)
    assert [row.trait.name for row in rows if row.is_clear] == ["crossed 7s"]
    (place,) = (n for n, one in enumerate(traits.TRAITS) if one.name == "crossed 7s")
    able, shows = here.of(place)
    assert rows[0].first.count == is_right[able[shows]].sum()
    assert rows[0].second.of == np.sum(~shows)
    assert "percentage points fewer" in rows[0].said("DNN") and "The DNN" in rows[0].said("DNN")
    assert "may be chance" in rows[-1].said("DNN")


def test_a_model_that_errs_by_chance_is_hardly_ever_said_to_suffer():
    here, *_ = sample(600, seed=2)
    random = np.random.default_rng(0)
    told = [
        row.is_clear
        for _ in range(100)
        for row in differences.costs(here, unknown(600), random.random(600) < 0.95)
    ]
    assert np.mean(told) < 0.02


@pytest.mark.parametrize("count", [0, 1, 3])
def test_of_a_few_digits_nothing_is_said(count):
    test = dataset.load().test.part(0, count)
    here = traits.measure(*test)
    rows = [
        *differences.from_mnist(here, unknown(count)),
        *differences.costs(here, unknown(count), np.zeros(count, bool)),
    ]
    assert not any(row.is_clear for row in rows)
