"""A network that somebody brought, on the pages: what it is, how it is fed, and why it was wrong on
their own digit."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import streamlit as st
from PIL import Image
from streamlit.delta_generator import DeltaGenerator

from mnist_models.data.preprocessing import Preparation
from mnist_models.errors import UnavailableError
from mnist_models.imports.feeding import BY_HAND, Feeding, wanted
from mnist_models.imports.recipe import recipe
from mnist_models.runs.tables import Run
from mnist_models.settings.hyperparameters import NETWORKS
from pages.parts import canvas, large_type, page, resources, selection, visitors
from pages.parts.lessons import cached

PICTURE_PX = 140
# In the session: the run that is to be fed otherwise, and how, until that is done.
ASKED = "feed-by-hand"


def diagnosis(run_id: str) -> None:
    """What was found out about a network from a file: in sentences, and all ways to feed it that
    were tried, of which another one can be chosen by hand."""
    run = resources.store().run(run_id)
    card = run.imported
    assert card is not None  # it came from a file
    st.markdown(
        f"**{page.plain(run.label)}** is in every list of models, as a "
        f"{NETWORKS[run.network].title}."
    )
    *what_it_is, how_good = card["said"]
    for sentence in what_it_is:
        st.markdown(page.plain(sentence))
    if run.source:
        st.markdown(f"It learned from {page.plain(run.source)}.")
    _choose_by_hand(run)
    st.markdown(page.plain(how_good))
    if _has_choice(card):
        _show_tried(card)
    export(run)
    if st.button(
        "Why is it wrong on my digit?", icon=":material/help_center:", key=f"see-why-{run_id}"
    ):
        selection.select(run)
        st.session_state[_panel_key(run_id)] = True
        st.switch_page("app.py")


def export(run: Run) -> None:
    """The button that saves such a network as a run's file."""
    st.download_button(
        "Export (.zip)",
        lambda: resources.exported([run.id]),
        file_name=f"{run.network}-{run.id}.zip",
        icon=":material/download:",
        key=f"export-{run.id}",
        on_click="ignore",
        help="Its own file, what was found out about it, and how it is fed: imported on another "
        "machine, it is the same model there.",
    )


def _has_choice(card: Mapping[str, Any]) -> bool:
    """Whether a network was tried in several ways: one that was trained here is fed as it was
    then."""
    return len(card["tried"]) > 1


def _show_tried(card: Mapping[str, Any]) -> None:
    """All ways to feed a network that were tried, folded."""
    with st.expander("Every way to feed it that was tried"):
        st.caption(
            "Test accuracy of each, on up to 1,000 test images; those that read far worse than the "
            "best, or with a far higher loss, were tried on 100. Of those within half a point of "
            "the best, the one with the lowest loss is chosen. If even the best reads fewer than "
            "nine digits of ten, the loss says little: then it is the most common way among those "
            "that are as good but for chance."
        )
        st.dataframe(
            {
                "Fed": [trial["title"] for trial in card["tried"]],
                "Test accuracy": [100 * trial["test_accuracy"] for trial in card["tried"]],
                "Training accuracy": [100 * trial["train_accuracy"] for trial in card["tried"]],
                "Loss": [trial["loss"] for trial in card["tried"]],
            },
            column_config={
                "Test accuracy": st.column_config.NumberColumn(format="%.1f%%"),
                "Training accuracy": st.column_config.NumberColumn(format="%.1f%%"),
                "Loss": st.column_config.NumberColumn(format="%.3f"),
            },
            hide_index=True,
            alt="Ways to feed the model",
        )


def _choose_by_hand(run: Run) -> None:
    """The list of the ways to feed a network that were tried, the one that it wants first; nothing
    where there is no choice."""
    run_id, card = run.id, run.imported
    assert card is not None  # it came from a file
    if not _has_choice(card):
        return
    if st.session_state.get(ASKED, (None, None))[0] == run_id:
        _feed_by_hand(*st.session_state.pop(ASKED))
    measured = wanted(card)
    titles = {measured: f"As measured: {Feeding.kept(card).title}"} | {
        # As many training images were read too.
        place: f"{trial['title']} · {trial['test_accuracy']:.1%} of {trial['images'] // 2:,} test "
        "images"
        for place, trial in enumerate(card["tried"])
        if place != measured
    }
    key = f"feeding-{run_id}"
    # Another visitor may have chosen another one.
    st.session_state[key] = card.get(BY_HAND, measured)

    def ask() -> None:
        st.session_state[ASKED] = run_id, st.session_state[key]

    st.selectbox(
        "It is fed",
        titles,
        format_func=titles.__getitem__,
        key=key,
        on_change=ask,
        disabled=not visitors.me().may_change(run),
        help="Choose another way if you know how it was trained; beside each stands what it read "
        "right when it was tried. From then on every drawing is read so, and the test accuracy is "
        "measured again.",
    )


def _feed_by_hand(run_id: str, place: int) -> None:
    """Has a network fed otherwise, and the page drawn anew with it."""
    try:
        with st.spinner("Reading the 10,000 test images …"):
            resources.feed_by_hand(run_id, place, visitors.rights())
    except UnavailableError as error:
        st.error(page.plain(error))
        return
    cached.forget_readings()
    st.rerun()


def ask_why(runs: Mapping[str, Run]) -> dict[str, DeltaGenerator]:
    """For each of the models that came from a file, a folded part of the page that says why it read
    the drawing wrong, with the choice of how it is fed and the lines of Python that prepare a
    picture so.

    Args:
        runs: The two models, by kind.

    Returns:
        Where `show_why` is to show it, by the ids of those that are unfolded.
    """
    places = {}
    for run in runs.values():
        if run.imported is None:
            continue
        panel = st.expander(
            f"Why was {page.plain(run.label)} wrong on my digit?",
            icon=":material/help_center:",
            key=_panel_key(run.id),
            on_change="rerun",
        )
        if panel.open:
            with panel:
                places[run.id] = st.container()
                _choose_by_hand(run)
                visitors.know()
                with st.expander("Lines of Python that prepare a picture for it"):
                    st.caption("They need NumPy and Pillow only: `model(prepare('my digit.png'))`.")
                    st.code(recipe(Feeding.in_use(run.imported)), language="python")
    return places


def _panel_key(run_id: str) -> str:
    return f"why-{run_id}"


@page.guarded
def show_why(run_id: str, preparation: Preparation | None) -> None:
    """The drawing read by a network from a file, prepared in four ways that are common and wrong,
    and rightly.

    Args:
        run_id: The network's run.
        preparation: The drawing; None when it is blank, or not a single digit.
    """
    with st.container():
        if preparation is None:
            st.info("Draw a single digit on the canvas: it is then read five ways.")
            return
        with resources.while_loading():
            reader = resources.classifier(run_id)
        from mnist_models.imports import mistakes
        from mnist_models.imports.imported import ImportedReader

        assert isinstance(reader, ImportedReader)
        ways = mistakes.five_ways(reader, preparation)
        st.markdown(page.plain(mistakes.explained(ways, canvas.board().known)))
        st.caption(
            "What it is fed, its lowest value white and its highest black, and what it reads, with "
            "the probability of that digit."
        )
        with st.container(horizontal=True, gap="medium"):
            for way in ways:
                said, title = way.prediction, f"{way.title[0].upper()}{way.title[1:]}"
                st.image(
                    _picture(way.fed),
                    f"reads **{said.digit}** ({said.probability:.1%})  \n{title}  \n"
                    f"values {way.fed.min():.3g} to {way.fed.max():.3g}",
                    width=large_type.px(PICTURE_PX),
                    alt=title,
                )


def _picture(fed: np.ndarray) -> Image.Image:
    """What a network is fed, floats (side, side), as a picture, enlarged so that single pixels can
    be seen."""
    least, most = fed.min(), fed.max()
    ink = (fed - least) / (most - least if most > least else 1) * 255
    return canvas.enlarged(ink.round().astype(np.uint8), 2 * PICTURE_PX)
