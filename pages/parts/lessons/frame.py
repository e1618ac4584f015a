"""What lessons share: the digit, the two models and a link to all of it, with which they begin; and
how a prediction is shown."""

import functools
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from mnist_models.data import dataset, strokes
from mnist_models.data.dataset import CLASS_COUNT, IMAGE_SIZE_PX
from mnist_models.data.preprocessing import prepare_ink
from mnist_models.data.probabilities import answer, in_words
from mnist_models.runs import pretrained
from mnist_models.runs.tables import Run
from mnist_models.settings import links
from mnist_models.settings.hyperparameters import NETWORKS, HyperparametersError
from pages.parts import addresses, canvas, large_type, memory, page, resources, selection
from pages.parts.lessons import ready_made

# A 4 of the test set, for visitors who come without a drawing: of this one, too, the CNN of the
# same training recognises more when it is moved.
EXAMPLE = 109
DIGIT_PX = 48
# A drawing in a link: one letter per pixel from paper to ink, row by row.
SHADES = "0123456789abcdef"
BROUGHT = "A drawing that came with a link."
NO_READING, WAITING = "–", "Waiting for a digit."
# In a link, beside the page's own settings.
HIDE, LARGE = "hide", "large"
MOST_NAMED = 12
DIGIT = ("digit", "ink", "strokes", "label")
# In the session: the page, and what its address said when it was opened.
OPENED = "lesson-link"


class Setting(NamedTuple):
    """What a link can set on a lesson's page.

    Attributes:
        name: Its name in a link, which stays when the key of the widget changes: shared links use
            it.
        allowed: Every value that a link can give it.
    """

    name: str
    allowed: Sequence[Any]


# By the key of the widget, or of the session.
Settings = Mapping[str, Setting]


def begin(script: str, settings: Settings) -> bool:
    """Begins a lesson's page, down to its heading, and follows the link by which the visitor came,
    if there is one.

    Args:
        script: The page.
        settings: What a link can set on it.

    Returns:
        Whether this is the first time since the visitor came that the lesson itself is drawn.
    """
    query = {name: text for name, text in st.query_params.items() if name not in (HIDE, LARGE)}
    # Where Back leads, and what the browser tells where it was opened with no query.
    is_own = addresses.is_kept(script, st.query_params.to_dict(), page.has_come(script))
    is_news = not is_own and (script, query) != st.session_state.get(OPENED)
    if is_news and st.query_params.get(LARGE) == "1":
        large_type.switch_on()
    has_come = page.begin(script, navigation=not is_presented())
    if is_news:
        ready_made.hide(query.get(ready_made.NAME))
    st.session_state[OPENED] = script, query
    if is_news or has_come:
        # The session has the settings of each lesson; the models are the same for all of them.
        problems = _follow(selection.of_address(query) if is_own else query, settings)
        # Visitors who go back to a lesson from the Draw page bring what they have drawn there.
        has_drawn = canvas.board().preparation is not None and canvas.board().label is None
        if is_news or not has_drawn:
            problems += _show_digit(query)
        st.session_state["lesson-problems"] = problems
    for problem in st.session_state["lesson-problems"]:
        st.warning(page.plain(f"A part of this link cannot be used. {problem}"))
    st.session_state["lesson-is-new"] = has_come or st.session_state.get("lesson-is-new", False)
    if (name := query.get(ready_made.NAME)) in ready_made.LESSONS:
        ready_made.introduce(name)  # which may end this run before the lesson
    else:
        title, _ = page.LESSONS[script]
        st.header(title)
    return st.session_state.pop("lesson-is-new")


def is_presented() -> bool:
    """Whether the page was opened by a link that hides the controls."""
    return st.query_params.get(HIDE) == "1"


def _follow(query: Mapping[str, str], settings: Settings) -> list[str]:
    """Does what a link says; what of it cannot be done, a sentence each."""
    try:
        links.read_version(query)
    except HyperparametersError as error:
        return [str(error)]
    keys = {setting.name: key for key, setting in settings.items()}
    problems = []
    for name, text in query.items():
        if name in (selection.ADDRESS, *NETWORKS):
            problems += selection.follow({name: text})
        elif name in (*DIGIT, links.VERSION_NAME):
            continue
        elif name == ready_made.VOTE:
            problems += ready_made.follow_vote(query.get(ready_made.NAME), text)
        elif name in keys:
            options = {links.to_text(option): option for option in settings[keys[name]].allowed}
            if text in options:
                st.session_state[keys[name]] = options[text]
            else:
                problems.append(
                    f"{name} cannot be {text[:40]!r}; allowed is {_allowed(list(options))}."
                )
        elif name == ready_made.NAME:
            if text not in ready_made.LESSONS:
                problems.append(
                    f"There is no lesson {text[:40]!r}; there are {', '.join(ready_made.LESSONS)}."
                )
        else:
            problems.append(
                f"This page has no {name[:40]!r}; it has {', '.join(['digit', *NETWORKS, *keys])}."
            )
    return problems


def _allowed(options: Sequence[str]) -> str:
    """All of a few options, the ends of many."""
    return (
        f"one of {', '.join(options)}"
        if len(options) <= MOST_NAMED
        else f"one of {options[0]}, {options[1]} … {options[-1]}"
    )


def _show_digit(query: Mapping[str, str]) -> list[str]:
    """Puts the digit of a link on the visitor's canvas.

    Returns:
        What is wrong with it, a sentence each.
    """
    if "digit" in query:
        text = query["digit"]
        if not (
            text.isascii() and text.isdecimal() and len(text) < 6 and int(text) < dataset.TEST_COUNT
        ):
            return [
                f"digit cannot be {text[:40]!r}; allowed is a whole number from 0 to "
                f"{dataset.TEST_COUNT - 1}."
            ]
        canvas.lend(lambda: canvas.show_test_digit(int(text)))
    elif "ink" in query or "strokes" in query:
        label = query.get("label", "")
        if label not in [str(digit) for digit in range(CLASS_COUNT)]:
            return [f"label cannot be {label[:40]!r}; allowed is a digit from 0 to 9."]
        drawing, image = (
            strokes.from_text(query.get("strokes", "")),
            _from_text(query.get("ink", "")),
        )
        if drawing:
            canvas.lend(lambda: canvas.show_strokes(drawing.strokes, BROUGHT, int(label)))
        elif image is not None:
            canvas.lend(lambda: canvas.board().show(prepare_ink(image), BROUGHT, int(label)))
        else:
            return ["Its drawing is damaged; draw the digit again and copy a new link."]
    return []


def _digit_query(image: np.ndarray, label: int) -> dict[str, str]:
    """The digit as a part of a link: the index of a test image, or else its strokes, or else its
    pixels."""
    board = canvas.board()
    if board.index is not None:
        return {"digit": str(board.index)}
    drawn = strokes.to_text(strokes.from_canvas(board.drawing["objects"]))
    return ({"strokes": drawn} if drawn else {"ink": to_text(image)}) | {"label": str(label)}


def to_text(image: np.ndarray) -> str:
    """An image, uint8 (28, 28), as a link has it: in 16 shades, without the paper after the last
    ink."""
    return "".join(SHADES[shade] for shade in (image.astype(int).ravel() + 8) // 17).rstrip("0")


def _from_text(text: str) -> np.ndarray | None:
    """The image, uint8 (28, 28), that `to_text` wrote; None where it wrote none with ink on it."""
    if not text.strip("0") or set(text) - set(SHADES) or len(text) > IMAGE_SIZE_PX**2:
        return None
    shades = [17 * SHADES.index(letter) for letter in text.ljust(IMAGE_SIZE_PX**2, "0")]
    return np.array(shades, np.uint8).reshape(IMAGE_SIZE_PX, IMAGE_SIZE_PX)


class Stage(NamedTuple):
    """What a lesson is about.

    Attributes:
        image: The digit as both models see it, uint8 (28, 28).
        label: Which digit it is, 0 to 9.
        runs: The two models, by kind.
        controls: The line in which all of this can be changed.
    """

    image: np.ndarray
    label: int
    runs: Mapping[str, Run]
    controls: DeltaGenerator


def set_stage(notice: str) -> Stage:
    """Draws one line of controls, so that the rest of the screen is for what they control: the
    digit, which is the one on the visitor's canvas or an example; the two models, a class meets
    those that were trained alike; and what to notice.

    Args:
        notice: What the page does, what to notice and what to try; folded away.
    """
    controls = line_of_controls()
    with controls:
        image, label = _digit()
        runs = choose_models()
        explain(notice)
    return Stage(image, label, runs, controls)


def choose_models() -> dict[str, Run]:
    """The two models, by kind, chosen among the controls."""
    return selection.choose("same", fixed=is_presented())


def keep_address(script: str, settings: Settings, values: Mapping[str, Any]) -> None:
    """Has the browser's address say how the lesson is now; to be called where a page changes most
    often.

    Args:
        script: The page.
        settings: What a link can set on this page.
        values: What is set now, of all that matters now, by the keys of the settings.
    """
    _, opened = st.session_state[OPENED]
    board = canvas.board()
    query = {links.VERSION_NAME: str(links.VERSION)}
    if board.index is not None:
        query["digit"] = str(board.index)
    elif board.origin == BROUGHT:
        query |= {name: opened[name] for name in DIGIT if name in opened}
    # A drawing of the visitor's own would be too long for an address: their device remembers it.
    query |= selection.in_address() or selection.of_address(opened)
    query |= ready_made.in_address(opened.get(ready_made.NAME))
    query |= _settings_query(settings, values)
    is_on = {HIDE: is_presented(), LARGE: large_type.is_on()}
    addresses.keep(script, query | {name: "1" for name in is_on if is_on[name]})


def _settings_query(settings: Settings, values: Mapping[str, Any]) -> dict[str, str]:
    return {settings[key].name: links.to_text(value) for key, value in values.items()}


def line_of_controls() -> DeltaGenerator:
    """The container of a lesson's controls, side by side."""
    return st.container(
        horizontal=True, vertical_alignment="center", gap="small", key="lesson-controls"
    )


def explain(notice: str) -> None:
    """What the page does, what to notice and what to try; folded away."""
    if not is_presented():
        with st.popover("What to notice", icon=":material/lightbulb:", key="lesson-notice"):
            st.markdown(notice)


def _digit() -> tuple[np.ndarray, int]:
    """The digit on the visitor's canvas, or an example.

    Returns:
        The image as both models see it, uint8 (28, 28), and its label. The label of a drawing is
        asked for here: only the visitor knows it.
    """
    memory.bring_back()
    if canvas.board().preparation is None:
        canvas.show_for_now(lambda: canvas.show_test_digit(EXAMPLE))
    board = canvas.board()
    assert board.preparation is not None  # an example is shown where there was none
    image = board.preparation.image
    key = f"lesson-label-{hashlib.sha1(image.tobytes()).hexdigest()}"
    known = board.told if board.label is None else board.label
    expected = guess(image) if known is None else known
    label = st.session_state.get(key, expected)  # as chosen in the list below
    st.image(canvas.enlarged(image, DIGIT_PX), width=DIGIT_PX, alt="The digit as the models see it")
    if is_presented():
        st.markdown(f"True digit: **{label}**")
        return image, label
    with st.popover(f"True digit: {label}", key="lesson-digit"):
        st.caption(
            "Your drawing, as both models see it."
            if board.label is None
            else board.origin.split(". ")[0] + "."
        )
        label = st.selectbox(
            "True digit", range(CLASS_COUNT), index=expected, key=key, persist_state="session"
        )
        draw_one()
    st.button(
        "Example",
        icon=":material/casino:",
        on_click=canvas.show_any_test_digit,
        key="lesson-example",
    )
    return image, label


def draw_one() -> None:
    """A button that leads to an empty canvas, from where a link leads back here."""
    if st.button("Draw one", icon=":material/draw:", key="lesson-draw"):
        canvas.board().clear()
        script, query = st.session_state[OPENED]
        page.remember_way_back(script, addresses.kept(script) or query)
        st.switch_page("app.py")


def guess(image: np.ndarray) -> int:
    """The prediction of the pretrained CNN: nearly always the digit that was meant."""
    return resources.classifier(pretrained.PREFIX + list(NETWORKS)[-1]).read(image).digit


def show_prediction(
    label: str, probabilities: np.ndarray | None, confidence_threshold: float
) -> None:
    """What a model says, and how probable it finds that.

    Args:
        label: Whose prediction it is.
        probabilities: Of the ten digits, floats (10,); None where there is no digit.
        confidence_threshold: Below it, the model is not sure.
    """
    said, how_probable = (
        (NO_READING, WAITING)
        if probabilities is None
        else (
            answer(probabilities, confidence_threshold),
            in_words(probabilities, confidence_threshold),
        )
    )
    st.metric(label, said, how_probable, delta_color="off", delta_arrow="off")


def present(script: str, stage: Stage, settings: Settings, values: Mapping[str, Any]) -> None:
    """Presenting the lesson: large type, and a link to the lesson as it is now; among the controls.

    Args:
        script: The page.
        stage: The digit and the selected models.
        settings: What a link can set on this page.
        values: What is set now, of all that matters now, by the keys of the settings.
    """
    with stage.controls:
        memory.keep()
    # All that matters is named, whatever is the default: defaults change.
    query = {links.VERSION_NAME: str(links.VERSION), **_digit_query(stage.image, stage.label)}
    query |= {network: run.id for network, run in stage.runs.items()}
    if (name := st.query_params.get(ready_made.NAME)) in ready_made.LESSONS:
        query[ready_made.NAME] = name
    query |= _settings_query(settings, values)
    if is_presented():
        stage.controls.page_link(
            script, label="Show controls", icon=":material/tune:", query_params=query
        )
        return
    # Opening it reruns its surroundings, so that the link also has what was set elsewhere on the
    # page.
    popover = stage.controls.popover(
        "Present", icon=":material/present_to_all:", key="lesson-present", on_change="rerun"
    )
    with popover:
        large_type.choose()
        st.markdown(
            "This link opens the lesson for the class as it is now: the digit, the models, and "
            "the settings of this page."
        )
        if st.toggle("Without the controls", key="lesson-hide", persist_state="session"):
            query[HIDE] = "1"
        address = addresses.of_page(script, query)
        addresses.show(address, "this lesson", is_seen=bool(popover.open))
        addresses.explain()


@functools.lru_cache(maxsize=4096)
def data_url(pixels: bytes) -> str:
    """A data URL of a digit, as dark ink on white, enlarged twice.

    Args:
        pixels: The bytes of a uint8 (28, 28) image.
    """
    image = np.frombuffer(pixels, np.uint8).reshape(IMAGE_SIZE_PX, IMAGE_SIZE_PX)
    return canvas.data_address(canvas.enlarged(image, 2 * IMAGE_SIZE_PX))
