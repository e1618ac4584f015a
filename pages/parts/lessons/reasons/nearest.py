"""The training digits nearest to this one in a model's last hidden layer: as images, and on a map
of many."""

from collections import Counter
from collections.abc import Mapping

import numpy as np
import streamlit as st

from mnist_models.data import dataset
from mnist_models.data.dataset import CLASS_COUNT
from mnist_models.explain.neighbours import MAPPED, Known
from mnist_models.runs.tables import Run
from mnist_models.settings.hyperparameters import NETWORKS
from pages.parts import canvas, large_type
from pages.parts.lessons import cached, charts, frame

PICTURE_PX = 56
DRAWN = 500


def show(found: Mapping[str, Known], image: np.ndarray, runs: Mapping[str, Run]) -> None:
    """The nearest training digits of each model.

    Args:
        found: What each model whose layers are known made of the training digits, by kind.
        image: The digit, uint8 (28, 28).
        runs: The two models, by kind.
    """
    train = dataset.load().train
    for column, (network, known) in zip(
        st.columns(len(found), gap="medium"), found.items(), strict=True
    ):
        features = cached.last_hidden(runs[network].id)(image[np.newaxis])
        nearest = known.nearest(features[0])
        with column:
            st.markdown(f"**{NETWORKS[network].title}**: {words(known, features, nearest)}")
            st.image(
                # Twice the size at which they are shown, for high-resolution screens.
                [canvas.enlarged(train.images[index], 2 * PICTURE_PX) for index in nearest],
                [str(train.labels[index]) for index in nearest],
                width=PICTURE_PX,
                alt=[f"Training digit {index + 1:,}" for index in nearest],
            )
            drawn = np.arange(min(DRAWN, len(known.features)))
            large_type.chart(
                charts.digit_map(
                    network,
                    _dots(known, drawn),
                    _dots(known, nearest),
                    tuple(known.on_map(features)[0].tolist()),
                ),
                key=f"map-{network}",
                alt=f"Training digits in the last hidden layer of the {NETWORKS[network].title}, "
                "and this digit as a star",
            )
            count, width = known.features.shape
            st.caption(
                f"Each number is the label of one of {len(drawn)} training digits, the star is "
                f"your digit, and rings mark the nine nearest of {count:,}. The map shows two "
                f"directions out of {width:,} in the model's last hidden layer, with "
                f"{sum(known.shares):.0%} of the variance."
            )


def words(known: Known, features: np.ndarray, nearest: np.ndarray) -> str:
    """Which digits are near, in words.

    Args:
        known: What the model made of the training digits.
        features: Of the image, floats (1, width).
        nearest: The indices of the nearest training digits, int (9,).
    """
    labels = dataset.load().train.labels
    (most, count), *others = Counter(labels[nearest].tolist()).most_common()
    if others:
        rest = " and ".join(f"{some} the label {digit}" for digit, some in others)
        text = f"of the nine nearest digits, {count} have the label **{most}**, {rest}."
    else:
        text = f"all nine nearest digits have the label **{most}**."
    mapped = known.features[:MAPPED]
    places, (here,), labels = known.on_map(mapped), known.on_map(features), labels[: len(mapped)]
    distances = {
        digit: float(np.linalg.norm(places[labels == digit].mean(axis=0) - here))
        for digit in range(CLASS_COUNT)
        if digit in labels
    }
    closest = min(distances, key=distances.__getitem__)
    text += f" On the map, it is closest to the centre of the {closest}s"
    return text + (
        "." if closest == most else ": two directions do not show everything that separates digits."
    )


def _dots(known: Known, indices: np.ndarray) -> list[charts.Dot]:
    train = dataset.load().train
    return [
        charts.Dot(
            round(x, 3),
            round(y, 3),
            int(train.labels[index]),
            frame.data_url(train.images[index].tobytes()),
        )
        for index, (x, y) in zip(
            indices, known.on_map(known.features[indices]).tolist(), strict=True
        )
    ]
