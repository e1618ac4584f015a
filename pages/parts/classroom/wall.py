"""What a class has written, for a projector: every digit with what both models make of it, how
accurate they are on this class, and how its digits differ from MNIST's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import streamlit as st
from PIL import Image

from mnist_models.data import strokes
from mnist_models.data.dataset import CLASS_COUNT
from mnist_models.data.preprocessing import prepare_picture
from mnist_models.handwriting import differences, means, traits
from mnist_models.handwriting.collection import Collection
from mnist_models.runs import comparison
from mnist_models.runs.class_tables import ClassCollection
from mnist_models.runs.classes import Given, gathered
from mnist_models.runs.tables import Run
from mnist_models.settings.hyperparameters import NETWORKS
from pages.parts import canvas, large_type, page, resources, visitors
from pages.parts.charts import model_comparison
from pages.parts.charts.palette import COLORS
from pages.parts.classroom import fooling, readings
from pages.parts.classroom.pictures import mosaic, small_picture
from pages.parts.components import component

# The page looks so often whether there is something new.
LOOK_EVERY_S = 2
# So many of the newest digits hang on the wall: more than a projector shows.
MOST_TILES = 240
MEANS_PX = 560
STYLES = Path(__file__).with_name("wall.css")
# In the session: what was last computed, the filter, the digit that is open.
SEEN, FILTER, OPENED, WALL = "wall-seen", "wall-filter", "wall-opened", "wall"
FILTERS = {
    "All": lambda dnn, cnn: np.ones_like(dnn),
    "Misclassified": lambda dnn, cnn: ~(dnn & cnn),
    "Only the DNN is wrong": lambda dnn, cnn: ~dnn & cnn,
    "Only the CNN is wrong": lambda dnn, cnn: dnn & ~cnn,
}


class Seen(NamedTuple):
    """What is known of a collection.

    Attributes:
        state: Which collection, as of which change, with which models.
        given: Its digits.
        digits: The same as arrays.
        read: By kind of model, the most probable digit of each, uint8 (N,).
        right: By kind of model, whether that is the label, bool (N,).
    """

    state: tuple
    given: list[Given]
    digits: Collection
    read: dict[str, np.ndarray]
    right: dict[str, np.ndarray]


def show(collection: ClassCollection, runs: Mapping[str, Run]) -> None:
    """The wall, which redraws itself while the collection is open."""
    refresh_s = LOOK_EVERY_S if collection.is_open else None
    st.fragment(page.guarded(_show), run_every=refresh_s)(collection.id, runs)


def _show(collection_id: str, runs: Mapping[str, Run]) -> None:
    seen = _look(collection_id, runs)
    writers = len(np.unique(seen.digits.writers))
    if not seen.given:
        st.info("Nobody has written a digit yet. They appear here as they come.")
        return
    for column, (network, run) in zip(st.columns(len(runs)), runs.items(), strict=True):
        with column:
            _accuracy(network, run, differences.share(seen.right[network], seen.digits.writers))
    st.markdown(f"By {writers} writer{'s' * (writers != 1)}: {_tally(seen.right)}")
    chosen = st.segmented_control(
        "Which digits",
        FILTERS,
        default="All",
        required=True,
        key=FILTER,
        persist_state="session",
        label_visibility="collapsed",
    )
    _tiles(seen, FILTERS[chosen](*seen.right.values()))
    _opened(seen, runs)
    for title, draw in (
        ("Confusion matrices", _confusion),
        ("Accuracy of each digit", _by_digit),
        ("How this class writes, beside MNIST", _differences),
    ):
        panel = st.expander(title, key=f"wall-{title}", on_change="rerun")
        if panel.open:
            with panel:
                draw(seen, runs)
    fooling.results(collection_id)


def _look(collection_id: str, runs: Mapping[str, Run]) -> Seen:
    """What is known of the collection now; computed anew only where something has changed."""
    state = (
        collection_id,
        resources.classes().changes(collection_id),
        *(run.id for run in runs.values()),
    )
    seen: Seen | None = st.session_state.get(SEEN)
    if seen is None or seen.state != state:
        given = resources.classes().given(collection_id)
        digits = gathered(given)
        read = {network: readings.of(run.id, given) for network, run in runs.items()}
        right = {network: found == digits.labels for network, found in read.items()}
        seen = st.session_state[SEEN] = Seen(state, given, digits, read, right)
    return seen


def _accuracy(network: str, run: Run, right: differences.Share) -> None:
    low, high = right.interval
    st.metric(f"{NETWORKS[network].title}: accuracy on this class", f"{right.value:.1%}")
    st.caption(
        f"{right.count:,} of {right.of:,}. Of other digits of such writers, between {low:.1%} and "
        f"{high:.1%} (95% interval). On MNIST's 10,000 test images: "
        f"{run.measured.test_accuracy:.2%}."
    )


def _tally(right: Mapping[str, np.ndarray]) -> str:
    counts = Counter(
        comparison.box(bool(first), bool(second))
        for first, second in zip(*right.values(), strict=True)
    )
    titles = [NETWORKS[network].title for network in right]
    return comparison.tally({box: counts[box] for box in comparison.Box}, *titles)


def _tiles(seen: Seen, chosen: np.ndarray) -> None:
    shown = np.flatnonzero(chosen)[::-1][:MOST_TILES]
    tiles = [_tile(seen, place) for place in shown.tolist()]
    styles = STYLES.read_text(encoding="utf-8")
    component("classroom/wall", html='<div class="wall"></div>', css=styles)(
        key=WALL, data={"tiles": tiles}, on_opened_change=_open
    )
    wrong = " and ".join(
        f":{color}-badge[{NETWORKS[network].title}]"
        for network, color in zip(seen.read, ("orange", "blue"), strict=True)
    )
    st.caption(
        f"In the corner above, the digit that was asked for; below, what a model that is wrong "
        f"reads: {wrong}. Press a digit to open it."
        + f" The newest {MOST_TILES} of {int(chosen.sum()):,} are shown."
        * bool(chosen.sum() > MOST_TILES)
    )


def _tile(seen: Seen, place: int) -> dict:
    drawing, nickname = seen.given[place]
    read = {NETWORKS[network].title: int(digits[place]) for network, digits in seen.read.items()}
    said = ", ".join(f"the {title} reads {digit}" for title, digit in read.items())
    return {
        "number": drawing.number,
        "picture": small_picture(drawing.image),
        "label": str(drawing.label),
        "said": f"{drawing.label} by {nickname}: {said}",
        "wrong": [
            [str(digits[place]), COLORS[network]]
            for network, digits in seen.read.items()
            if digits[place] != drawing.label
        ],
    }


def _open() -> None:
    st.session_state[OPENED] = st.session_state[WALL].opened


def _opened(seen: Seen, runs: Mapping[str, Run]) -> None:
    """The digit that was pressed, and where it can be taken."""
    places = {one.drawing.number: place for place, one in enumerate(seen.given)}
    place = places.get(st.session_state.get(OPENED, 0))
    if place is None:
        return
    drawing, nickname = seen.given[place]
    with st.container(border=True, horizontal=True, vertical_alignment="center", gap="medium"):
        st.image(canvas.enlarged(seen.given[place].image, 140), width=large_type.px(140))
        with st.container():
            read = " · ".join(
                f"{NETWORKS[network].title} reads **{digits[place]}**"
                for network, digits in seen.read.items()
            )
            st.markdown(f"A **{drawing.label}** by {page.plain(nickname)}. {read}")
            with st.container(horizontal=True, gap="small"):
                if st.button("Open on Draw", icon=":material/draw:", key="wall-draw"):
                    _take_along(seen.given[place])
                    st.switch_page("app.py")
                with st.popover("Open in a lesson", icon=":material/school:"):
                    for script, (title, icon) in page.LESSONS.items():
                        if st.button(title, icon=icon, type="tertiary", key=f"wall-{script}"):
                            _take_along(seen.given[place])
                            st.switch_page(script)
                if visitors.me().is_teacher:
                    _correct(seen.given[place])


def _take_along(one: Given) -> None:
    """Puts a digit on the visitor's canvas, as it was drawn."""
    origin = (
        f"Written by {one.nickname}, who was asked for {comparison.a_digit(one.drawing.label)}."
    )
    drawn = strokes.from_text(one.drawing.strokes) if one.drawing.strokes else None
    objects = canvas.objects_of(drawn.strokes) if drawn else None
    # What the models see is what they saw when it was given, to the pixel.
    seen = replace(prepare_picture(Image.fromarray(one.image)), image=one.image)
    canvas.board().show(seen, origin, one.drawing.label, objects=objects)


def _correct(one: Given) -> None:
    """For a teacher: another label, or out of view."""
    number, me, key = one.drawing.number, visitors.me(), f"label-{one.drawing.number}"

    def relabel() -> None:
        if (label := st.session_state[key]) is not None:
            resources.classes().relabel(number, label, me)

    with st.popover("Correct", icon=":material/edit:"):
        st.pills(
            "It is rather a",
            range(CLASS_COUNT),
            default=one.drawing.label,
            key=key,
            on_change=page.guarded(relabel),
        )
        st.button(
            "Hide it",
            icon=":material/visibility_off:",
            key=f"hide-{number}",
            help="From everybody, and from all that is computed.",
            on_click=page.guarded(resources.classes().set_hidden),
            args=[number, me],
            kwargs={"is_hidden": True},
        )


def _confusion(seen: Seen, runs: Mapping[str, Run]) -> None:
    for column, network in zip(st.columns(len(runs), gap="medium"), runs, strict=True):
        counts = np.zeros((CLASS_COUNT, CLASS_COUNT), int)
        np.add.at(counts, (seen.digits.labels, seen.read[network]), 1)
        with column:
            title = NETWORKS[network].title
            st.markdown(comparison.confused(counts, title))
            chart = model_comparison.confusion(network, counts, normalised=False)
            large_type.chart(
                chart.spec,
                chart.rows,
                key=f"wall-confusion-{network}",
                alt=f"Confusion matrix of the {title} on this class",
            )


def _by_digit(seen: Seen, runs: Mapping[str, Run]) -> None:
    titles = tuple(NETWORKS[network].title for network in runs)
    labels = seen.digits.labels
    written = [digit for digit in range(CLASS_COUNT) if (labels == digit).any()]
    shares = [
        [right[labels == digit].mean() if digit in written else 0.0 for digit in range(CLASS_COUNT)]
        for right in seen.right.values()
    ]
    hardest = " and ".join(
        f"**{min(written, key=found.__getitem__)}** for the {title}"
        for title, found in zip(titles, shares, strict=True)
    )
    st.markdown(f"The digit that is read right least often: {hardest}.")
    large_type.chart(
        model_comparison.by_digit(shares, titles, tuple(runs), "Accuracy"),
        key="wall-digits",
        alt="Accuracy of each digit on this class",
    )
    if missing := sorted(set(range(CLASS_COUNT)) - set(written)):
        st.caption(f"Nobody has written {', '.join(map(str, missing))} yet: shown as 0.")


def _differences(seen: Seen, runs: Mapping[str, Run]) -> None:
    here, there = traits.measure(seen.digits.images, seen.digits.labels), traits.of_mnist()
    st.markdown("The mean of all digits of a kind: this class above, MNIST below.")
    st.image(
        mosaic(
            np.concatenate(
                [
                    np.nan_to_num(found).round().astype(np.uint8)
                    for found in (
                        means.mean_digits(seen.digits.images, seen.digits.labels),
                        means.of_mnist(),
                    )
                ]
            ),
            CLASS_COUNT,
        ),
        width=large_type.px(MEANS_PX),
        alt="The mean digits of the class, above those of MNIST",
    )
    st.markdown(
        f"Strokes are {np.median(here.stroke_px):.1f} pixels wide here, "
        f"{np.median(there.stroke_px):.1f} in MNIST (of 28); digits lean "
        f"{np.median(here.slant_deg):.0f}° to the right here, {np.median(there.slant_deg):.0f}° in "
        "MNIST (medians)."
    )
    found = differences.from_mnist(here, seen.digits.writers)
    clear = [row for row in found if row.is_clear]
    st.markdown(
        "\n".join(f"- {row.said()}" for row in clear)
        or "No habit of this class differs from MNIST by more than chance would explain."
    )
    costs = [
        cost.said(NETWORKS[network].title)
        for network, right in seen.right.items()
        for cost in differences.costs(here, seen.digits.writers, right)
        if cost.is_clear
    ]
    if costs:
        st.markdown("What that costs:\n" + "\n".join(f"- {cost}" for cost in costs))
    if rest := [row.said() for row in found if not row.is_clear]:
        with st.expander("What may be chance"):
            st.markdown("\n".join(f"- {said}" for said in rest))
