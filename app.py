"""Draw: one canvas, two models, their predictions side by side."""

from __future__ import annotations

import io
from contextlib import suppress

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from mnist_models.data.numbers import is_page
from mnist_models.data.pictures import PAGE_SIZE_PX, SUFFIXES, PictureError, open_picture
from mnist_models.data.preprocessing import Preparation, ink_of_digits, prepare_found
from mnist_models.errors import UnavailableError
from mnist_models.models.reader import Prediction
from mnist_models.runs.tables import Run
from mnist_models.settings.hyperparameters import NETWORKS
from pages.parts import (
    addresses,
    canvas,
    example,
    imported,
    memory,
    outcome,
    page,
    resources,
    selection,
    several,
    uploads,
)
from pages.parts.lessons import ready_made
from pages.parts.live import reading

SCRIPT = "app.py"
PICTURE_MB = 20
# A browser needs this long to show two digits, and twice as long if everything else arrives at the
# same time.
DIGITS_FIRST_S = 0.05


@page.guarded
def main() -> None:
    """The page."""
    has_come = page.begin(SCRIPT)
    if has_come:
        st.session_state["picture_problem"] = None
        canvas.take_back()
        canvas.board().send(canvas.board().drawing)
    st.header("Draw a digit. Two networks try to read it.")
    page.link_back()
    todays_lesson()
    selection.follow_address(SCRIPT, has_come)
    with st.container(horizontal=True, vertical_alignment="center", key="models"):
        runs = selection.choose("best")
    left, *right = st.columns([1.25, 1, 1], gap="medium")
    cards = {
        network: column.container(border=True)
        for network, column in zip(NETWORKS, right, strict=True)
    }
    places = {network: card.container() for network, card in cards.items()}
    for network, card in cards.items():
        run = runs[network]
        with card:
            reading.bars(network)
            st.caption(
                f"{run.parameters:,} parameters · test accuracy {run.measured.test_accuracy:.2%}"
                f"{reading.when(run)}"
            )
    below, seen = st.container(), st.container()
    why = imported.ask_why(runs)
    with left:
        draw_and_read(runs, places, below, why)
        brush_and_picture()
    with seen:
        st.subheader("What the models see")
        st.caption("Every drawing is prepared as the images of MNIST were.")
        reading.steps()
    # Below what a visitor came for: on a phone it would fill the first screen.
    st.markdown(
        "A **fully connected network** (DNN, as many courses call it) connects every pixel to "
        "every unit; a **convolutional network** (CNN) looks for small patterns wherever they are. "
        "Both were trained on the same handwritten digits. Draw as you like, and "
        "see where they disagree."
    )
    selection.explain()
    st.page_link(
        "pages/lessons.py", label="Ready-made lessons for a class", icon=":material/school:"
    )
    canvas.watch_pen()
    addresses.keep(SCRIPT, selection.in_address())
    reading.follow(runs)
    resources.prepare()


def todays_lesson() -> None:
    """The link to the lesson that a teacher has put here, if one has."""
    with suppress(UnavailableError):  # without a store there is none
        name = resources.classes().announced()
        if name in ready_made.LESSONS:
            ready_made.link(name, f"Today's lesson: {ready_made.LESSONS[name].short_title}")


@st.fragment
def draw_and_read(
    runs: dict[str, Run],
    places: dict[str, DeltaGenerator],
    below: DeltaGenerator,
    why: dict[str, DeltaGenerator],
) -> None:
    """The canvas, and both predictions. A fragment: a stroke redraws this and nothing else.

    Args:
        runs: The two models, by kind.
        places: Where the prediction of each is shown, by kind.
        below: Where the page shows the digits, if there are several.
        why: Where it shows why a model read the drawing wrong, by the ids of those asked about.
    """
    if selection.has_news():
        st.rerun()
    memory.bring_back()
    canvas_and_device = st.container(key="canvas", gap=None)
    with canvas_and_device:
        example.play(runs)
        preparation = canvas.draw(st.session_state.get("brush", canvas.BRUSH_PX))
    # Both digits come before everything else: they are what the visitor is waiting for.
    predictions: dict[str, Prediction | None] = {}
    problems = []
    for network, run in runs.items():
        try:
            predictions[network] = read(run, preparation)
        except UnavailableError as error:
            predictions[network] = None
            problems.append(str(error))
    if digits := several.find(runs, preparation, predictions):
        predictions = dict.fromkeys(runs)
    for network, place in places.items():
        with place, st.container(key=reading.prediction_key(network)):
            st.metric(
                f"{NETWORKS[network].title} reads",
                digits.said(network) if digits else reading.answer(predictions[network]),
            )
    with canvas_and_device:
        reading.tell(
            {runs[network].id: found for network, found in predictions.items()},
            preparation,
            {runs[network].id: digits.said(network) for network in runs} if digits else None,
        )
    if preparation:
        page.let_browser_draw(DIGITS_FIRST_S)
    board = canvas.board()
    with st.container(horizontal=True, gap="xsmall"):
        canvas.undo_button(board, "undo")
        st.button(
            "Clear",
            icon=":material/delete:",
            on_click=_clear,
            disabled=not board.drawing["objects"],
            key="clear",
        )
        st.button("Example", icon=":material/casino:", on_click=_example, key="example")
    # Both models often have the same problem: it is shown once.
    for text in dict.fromkeys(problems):
        st.error(page.plain(text))
    if problem := st.session_state.get("picture_problem"):
        st.error(page.plain(problem))
    if origin := board.origin:
        st.caption(page.plain(origin))
    found = {network: prediction for network, prediction in predictions.items() if prediction}
    run_ids = {network: run.id for network, run in runs.items()}
    if digits:
        several.agreement(digits)
    if len(found) == len(places):
        outcome.agreement(found)
        if preparation:
            several.hint(preparation, found)
            if board.label is None:
                outcome.ask(run_ids, found, preparation.image)
            outcome.see_why(run_ids, found, preparation.image)
    outcome.tally(run_ids)
    # Written to in any case: a fragment may not begin to write to a place outside of it later.
    with below.container():
        if digits:
            several.show(digits)
    for run_id, place in why.items():
        with place:
            imported.show_why(run_id, None if digits else preparation)
    with canvas_and_device:
        memory.keep()


def brush_and_picture() -> None:
    """The width of the brush, and the upload of a photo."""
    st.slider(
        "Brush width",
        4,
        40,
        canvas.BRUSH_PX,
        key="brush",
        format="%d px",
        persist_state="session",
        help=f"In pixels of the {canvas.SIZE_PX}×{canvas.SIZE_PX} canvas. {canvas.BRUSH_PX} is "
        "close to MNIST's pen.",
    )
    with st.popover("Upload a photo", icon=":material/upload:"):
        st.file_uploader(
            "Photo or scan of a digit, a number or a page of digits",
            type=list(SUFFIXES),
            max_upload_size=PICTURE_MB,
            key="picture",
            on_change=_uploaded,
        )


def _clear() -> None:
    st.session_state["picture_problem"] = None
    canvas.board().clear()


def _example() -> None:
    st.session_state["picture_problem"] = None
    canvas.show_any_test_digit()


def _uploaded() -> None:
    file = st.session_state["picture"]
    if not uploads.is_new(file):
        return
    st.session_state["picture_problem"] = None
    content = uploads.take(file)
    try:
        ink = ink_of_digits(open_picture(io.BytesIO(content)))
        if is_page(ink):
            ink = ink_of_digits(open_picture(io.BytesIO(content), PAGE_SIZE_PX))
    except PictureError as error:
        st.session_state["picture_problem"] = f"{file.name}: {error}"
    else:
        canvas.board().show(prepare_found(ink), f"From {file.name}. You can draw on top of it.")


def read(run: Run, preparation: Preparation | None) -> Prediction | None:
    """The model's prediction for the drawing; None if the canvas is blank.

    Raises:
        UnavailableError: The model cannot be loaded.
    """
    if not preparation:
        return None
    with resources.while_loading([run]):
        classifier = resources.classifier(run.id)
    return classifier.read(preparation.image)


main()
