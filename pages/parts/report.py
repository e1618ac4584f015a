"""How well one or two networks read: the confusion matrix, a report for each digit, and the digits
themselves.

Every function here takes one run or two, all readable, and a `key` of its own for each place where
it is used. Their parts are fragments: a click redraws one of them and nothing else.
"""

import functools
import io
from collections.abc import Sequence

import numpy as np
import streamlit as st

from mnist_models.data import dataset
from mnist_models.runs import comparison
from mnist_models.runs.comparison import Box
from mnist_models.runs.tables import Run
from mnist_models.settings.hyperparameters import NETWORKS
from pages.parts import canvas, large_type, page, resources, selection
from pages.parts.charts import model_comparison

MEASURES = {
    "precision": ("Precision", "the share right of what was read as this digit"),
    "recall": ("Recall", "the share of this digit that was read right"),
    "f1": ("F1", "the harmonic mean of precision and recall"),
}
# Who is right in each box: the first, the second.
RIGHT = {
    Box.BOTH: (True, True),
    Box.FIRST: (True, False),
    Box.SECOND: (False, True),
    Box.NEITHER: (False, False),
}
GALLERY_PAGE = 24
DIGIT_PX = 84
TILE_PX = 104


def names(runs: Sequence[Run]) -> list[str]:
    """What sentences call the networks, after "the": DNN and CNN, or first DNN and second DNN."""
    titles = [NETWORKS[run.network].title for run in runs]
    if len(set(titles)) == len(titles):
        return titles
    return [f"{place} {title}" for place, title in zip(("first", "second"), titles, strict=True)]


def _of(runs: Sequence[Run], key: str) -> str:
    """The key for these runs: a list does not notice when only its labels change, so that others
    need another list."""
    return "-".join([key, *(run.id for run in runs)])


def _capital(name: str) -> str:
    return name[0].upper() + name[1:]


@st.fragment
@page.guarded
def confusion(runs: Sequence[Run], key: str) -> None:
    """The confusion matrix of each, and the digits of one cell, which a click or the list
    chooses."""
    key = _of(runs, key)
    evaluations, called = [resources.evaluation(run.id) for run in runs], names(runs)
    normalised = st.toggle(
        "As shares of each true digit", key=f"{key}-normalised", persist_state="session"
    )
    found = [
        (place, *cell)
        for place, evaluation in enumerate(evaluations)
        for cell in comparison.cells(evaluation.confusion)
    ]
    found.sort(key=lambda cell: (cell[1] == cell[2], -cell[3] if cell[1] != cell[2] else cell[1]))
    cells = {(place, digit, read): count for place, digit, read, count in found}
    chosen, version = f"{key}-cell", st.session_state.setdefault(f"{key}-version", 0)
    if st.session_state.get(chosen) not in cells:
        st.session_state[chosen] = next(iter(cells))
    place, digit, read = st.session_state[chosen]
    for index, column in enumerate(st.columns(len(runs), gap="medium")):
        with column:
            st.markdown(comparison.confused(evaluations[index].confusion, called[index]))
            chart = model_comparison.confusion(
                runs[index].network,
                evaluations[index].confusion,
                normalised=normalised,
                marked=(digit, read) if index == place else None,
                version=version,
            )
            matrix = f"{key}-matrix-{index}"
            large_type.chart(
                chart.spec,
                chart.rows,
                key=matrix,
                alt=f"Confusion matrix of the {called[index]}",
                on_select=functools.partial(
                    _clicked, matrix, chosen, f"{key}-version", functools.partial(_cell, index)
                ),
            )
    st.caption(
        "Rows are what the digits are, columns what they were read as: the grey diagonal is right, "
        "the rest are mistakes, the more of them the stronger the colour. Click a cell, or choose "
        "one here, to see its digits."
    )
    place, digit, read = st.selectbox(
        "Digits of this cell",
        cells,
        key=chosen,
        persist_state="session",
        on_change=_count_up,
        args=[f"{key}-version"],
        format_func=lambda cell: _cell_label(called[cell[0]], *cell[1:], cells[cell]),
    )
    labels = dataset.load().test.labels
    gallery(
        comparison.in_cell(resources.predictions(runs[place].id), labels, digit, read),
        runs,
        f"{key}-cell-digits",
    )


def _cell(place: int, fields: dict[str, str]) -> tuple[int, int, int]:
    return place, int(fields["digit"]), int(fields["read"])


def _cell_label(name: str, digit: int, read: int, count: int) -> str:
    digits = "1 digit" if count == 1 else f"{count:,} digits"
    what = f"{digit} read right" if digit == read else f"{digit} read as {read}"
    return f"{_capital(name)}: {what}: {digits}"


def _clicked(chart: str, chosen: str, version: str, of) -> None:
    """Has the list choose the cell of a chart that was clicked; `of` makes the list's value of the
    cell's fields."""
    if picked := st.session_state[chart].selection["cell"]:
        st.session_state[chosen] = of(picked[0])
        _count_up(version)


def _count_up(version: str) -> None:
    st.session_state[version] += 1


@st.fragment
@page.guarded
def four_boxes(first: Run, second: Run, key: str) -> None:
    """How many test digits both networks read right, only one, or neither; and the digits of one of
    these boxes."""
    runs = (first, second)
    key = _of(runs, key)
    one, other = names(runs)
    labels = dataset.load().test.labels
    boxes = comparison.boxes(
        resources.predictions(first.id), resources.predictions(second.id), labels
    )
    counts = {box: len(indexes) for box, indexes in boxes.items()}
    chosen, version = f"{key}-box", st.session_state.setdefault(f"{key}-version", 0)
    st.session_state.setdefault(chosen, Box.SECOND)
    st.markdown(comparison.verdict(counts, one, other))
    left, right = st.columns([1, 1], gap="medium", vertical_alignment="center")
    with left:
        chart = model_comparison.four_boxes(
            {RIGHT[box]: count for box, count in counts.items()},
            (_capital(one), _capital(other)),
            (first.network, second.network),
            RIGHT[st.session_state[chosen]],
            version,
        )
        large_type.chart(
            chart.spec,
            chart.rows,
            key=f"{key}-boxes",
            alt="How many test digits both read right, only one, or neither",
            on_select=functools.partial(_clicked, f"{key}-boxes", chosen, f"{key}-version", _box),
        )
    with right:
        titles = dict(
            zip(
                Box,
                ("Both right", f"Only {one} right", f"Only {other} right", "Both wrong"),
                strict=True,
            )
        )
        box = st.pills(
            "Digits of this box",
            list(Box),
            format_func=lambda box: f"{titles[box]}: {counts[box]:,}",
            required=True,
            key=chosen,
            persist_state="session",
            on_change=_count_up,
            args=[f"{key}-version"],
            wrap=True,
        )
        st.caption(
            "Click a box, or choose one here, to see its digits: the most "
            "confident mistakes come first."
        )
    gallery(boxes[box], runs, f"{key}-box-digits")


def _box(fields: dict[str, bool]) -> Box:
    (box,) = (box for box, right in RIGHT.items() if right == (fields["first"], fields["second"]))
    return box


@st.fragment
@page.guarded
def per_digit(runs: Sequence[Run], key: str) -> None:
    """Precision, recall and F1 of each digit, side by side, and how far the probabilities can be
    believed."""
    reports, called = (
        [resources.evaluation(run.id).digits for run in runs],
        [_capital(name) for name in names(runs)],
    )
    measure = st.segmented_control(
        "Measure in the chart",
        list(MEASURES),
        format_func=lambda name: MEASURES[name][0],
        required=True,
        default="f1",
        key=f"{key}-measure",
        persist_state="session",
    )
    title, meaning = MEASURES[measure]
    values = [[getattr(report, measure) for report in digits] for digits in reports]
    hardest = " and ".join(
        f"for the {name} it is **{np.argmin(found)}** ({min(found):.2%})"
        for name, found in zip(names(runs), values, strict=True)
    )
    st.markdown(f"{title} is {meaning}. The digit where it is lowest: {hardest}.")
    # One alone stands in a narrow column of its page.
    left, right = (
        st.columns([1, 1.3], gap="medium") if len(runs) > 1 else (st.container(), st.container())
    )
    with left:
        large_type.chart(
            model_comparison.by_digit(
                values, tuple(called), tuple(run.network for run in runs), title
            ),
            key=f"{key}-chart",
            alt=f"{title} of each digit",
        )
    with right:
        columns = {"Digit": [str(digit) for digit in range(dataset.CLASS_COUNT)]}
        config = {}
        for name, (label, help_text) in MEASURES.items():
            for network, digits in zip(called, reports, strict=True):
                column = f"{label} {network}" if len(runs) > 1 else label
                columns[column] = [100 * getattr(report, name) for report in digits]
                config[column] = st.column_config.NumberColumn(
                    format="%.2f%%", help=_capital(help_text)
                )
        columns["Test digits"] = [report.support for report in reports[0]]
        config["Digit"] = st.column_config.TextColumn(pinned=True)
        config["Test digits"] = st.column_config.NumberColumn(
            format="localized", help="How many of the 10,000 are this digit"
        )
        st.dataframe(
            columns,
            hide_index=True,
            height="content",
            column_config=config,
            key=f"{key}-table",
            alt="Report for each digit",
        )
    for name, run in zip(called, runs, strict=True):
        st.caption(_calibration(name, run))


def _calibration(name: str, run: Run) -> str:
    """How far the probabilities of a network can be believed, a sentence."""
    evaluation = resources.evaluation(run.id)
    return (
        f"{name}: the probability of a reading differs from the share of such readings that are "
        f"right by {evaluation.calibration_error:.2%} on average (expected calibration error); by "
        f"{evaluation.untempered_calibration_error:.2%} before its logits were divided by a "
        f"temperature of {run.temperature:.2f}, found on the validation images."
    )


@st.fragment
@page.guarded
def gallery(indexes: np.ndarray, runs: Sequence[Run], key: str) -> None:
    """These of the 10,000 test digits, a page at a time, with what each network read; each can be
    opened on the Draw page."""
    if not len(indexes):
        st.caption("There are no such digits.")
        return
    these = (tuple(run.id for run in runs), len(indexes), *map(int, indexes[:GALLERY_PAGE]))
    if st.session_state.get(key, ((), 0))[0] != these:  # others than before: from the first page on
        st.session_state[key] = these, GALLERY_PAGE
    shown = min(st.session_state[key][1], len(indexes))
    labels = dataset.load().test.labels
    called = [name.split()[0] for name in names(runs)]
    predictions = [resources.predictions(run.id) for run in runs]
    st.caption(
        "What each digit is, what was read and how probable that seemed. The button with the "
        "number of its test image opens it on the Draw page."
    )
    with st.container(horizontal=True, gap="small", key=f"{key}-tiles"):
        for index in map(int, indexes[:shown]):
            lines = [f"is **{labels[index]}**"]
            for name, reading in zip(called, predictions, strict=True):
                mark = "✓" if reading.digits[index] == labels[index] else "✗"
                lines.append(
                    f"{name}: {reading.digits[index]} {mark} {reading.confidences[index]:.1%}"
                )
            with st.container(width=large_type.px(TILE_PX), gap=None):
                st.image(
                    _picture(index),
                    "  \n".join(lines),
                    width=large_type.px(DIGIT_PX),
                    alt=f"Test image {index:,}",
                )
                if st.button(
                    f"No. {index:,}", icon=":material/draw:", type="tertiary", key=f"{key}-{index}"
                ):
                    canvas.show_test_digit(index)
                    _read_with(
                        runs, [reading.digits[index] == labels[index] for reading in predictions]
                    )
                    st.switch_page("app.py")
    if shown < len(indexes):
        more = min(GALLERY_PAGE, len(indexes) - shown)
        st.button(
            f"{more} more of {len(indexes):,}",
            icon=":material/expand_more:",
            key=f"{key}-more",
            on_click=_show_more,
            args=[key],
        )


def _read_with(runs: Sequence[Run], right: Sequence[bool]) -> None:
    """Has these networks read on the Draw page; of two of one kind, the one that misread."""
    for run, _ in sorted(zip(runs, right, strict=True), key=lambda pair: not pair[1]):
        selection.select(run)


def _show_more(key: str) -> None:
    these, shown = st.session_state[key]
    st.session_state[key] = these, shown + GALLERY_PAGE


@functools.lru_cache(maxsize=2000)
def _picture(index: int) -> bytes:
    """A test image as a PNG, dark ink on white paper, twice as fine as it is shown, for fine
    screens."""
    png = io.BytesIO()
    canvas.enlarged(dataset.load().test.images[index], 2 * DIGIT_PX).save(png, "PNG")
    return png.getvalue()
