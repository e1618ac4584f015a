"""Which training digits look like this one to a network: the nearest as pictures, and a map of
many."""

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
    """What each network finds most like the image, in its last hidden layer."""
    train = dataset.load().train
    for column, (network, known) in zip(
        st.columns(len(found), gap="medium"), found.items(), strict=True
    ):
        features = cached.last_hidden(runs[network].id)(image[np.newaxis])
        nearest = known.nearest(features[0])
        with column:
            st.markdown(f"**{NETWORKS[network].title}**: {words(known, features, nearest)}")
            st.image(
                # Twice as fine as they are shown, for fine screens.
                [canvas.enlarged(train.images[index], 2 * PICTURE_PX) for index in nearest],
                [f"a {train.labels[index]}" for index in nearest],
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
                alt=f"Training digits as the {NETWORKS[network].title} sees them, "
                "and this digit as a star",
            )
            count, width = known.features.shape
            st.caption(
                f"Each number is one of {len(drawn)} training digits, the star is your digit, "
                f"rings mark the nine nearest of {count:,}. The map shows two directions of the "
                f"{width:,} of its last hidden layer, {sum(known.shares):.0%} of the variance. In "
                f"memory, once for all visitors: {known.features.nbytes / 1e6:.1f} MB."
            )


def words(known: Known, features: np.ndarray, nearest: np.ndarray) -> str:
    """Which digits are near. features: floats (1, width), of the image. nearest: which training
    digits, int (9,)."""
    labels = dataset.load().train.labels
    (most, count), *others = Counter(labels[nearest].tolist()).most_common()
    if others:
        rest = " and ".join(f"{some} as {digit}" for digit, some in others)
        text = f"of the nine digits nearest to this one, {count} are labelled **{most}**, {rest}."
    else:
        text = f"all nine of the digits nearest to this one are labelled **{most}**."
    mapped = known.features[:MAPPED]
    places, (here,), labels = known.on_map(mapped), known.on_map(features), labels[: len(mapped)]
    away = {
        digit: float(np.linalg.norm(places[labels == digit].mean(axis=0) - here))
        for digit in range(CLASS_COUNT)
        if digit in labels
    }
    by = min(away, key=away.__getitem__)
    text += f" On the map, it lies nearest to the middle of the {by}s"
    return text + (
        "." if by == most else ": two directions do not show all that tells digits apart."
    )


def _dots(known: Known, indices: np.ndarray) -> list[charts.Dot]:
    train = dataset.load().train
    return [
        charts.Dot(
            round(x, 3),
            round(y, 3),
            int(train.labels[index]),
            frame.address(train.images[index].tobytes()),
        )
        for index, (x, y) in zip(
            indices, known.on_map(known.features[indices]).tolist(), strict=True
        )
    ]
