"""How accurate one or two models are: confusion matrix, per-digit report, and the test images.

Every function here takes one run or two, all readable, and a `key` of its own for each place where
it is used. They are fragments: a click redraws one of them and nothing else.
"""

import functools
import io
from collections.abc import Callable, Sequence
from typing import Any

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
    "precision": ("Precision", "the share of correct ones among all predictions of this digit"),
    "recall": ("Recall", "the share of this digit's images that were classified correctly"),
    "f1": ("F1", "the harmonic mean of precision and recall"),
}
# Whether each of the two models is correct, in each box.
RIGHT = {
    Box.BOTH: (True, True),
    Box.FIRST: (True, False),
    Box.SECOND: (False, True),
    Box.NEITHER: (False, False),
}
GALLERY_PAGE = 24
DIGIT_PX = 84
TILE_PX = 104
# The width of the per-digit report of two models; without room for it, it is below its chart.
TABLE_PX = 560


def names(runs: Sequence[Run]) -> list[str]:
    """The models' names in sentences, after "the": DNN and CNN, or first DNN and second DNN."""
    titles = [NETWORKS[run.network].title for run in runs]
    if len(set(titles)) == len(titles):
        return titles
    return [f"{place} {title}" for place, title in zip(("first", "second"), titles, strict=True)]


def _of(runs: Sequence[Run], key: str) -> str:
    """A key for these runs: a list does not notice when only its labels change, so other runs need
    another list."""
    return "-".join([key, *(run.id for run in runs)])


def _capital(name: str) -> str:
    return name[0].upper() + name[1:]


@st.fragment
@page.guarded
def confusion(runs: Sequence[Run], key: str) -> None:
    """The confusion matrix of each model, and the test images of one cell, chosen by a click or in
    a list."""
    key = _of(runs, key)
    evaluations, called = [resources.evaluation(run.id) for run in runs], names(runs)
    normalised = st.toggle("Normalise rows", key=f"{key}-normalised", persist_state="session")
    found = [
        (place, cell.digit, cell.read, cell.images)
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
        "Rows are the actual digits, columns the predicted ones: the grey diagonal is correct, "
        "everything else a mistake, and a stronger colour means more of them. Click a cell, or "
        "choose one here, to see its test images."
    )
    place, digit, read = st.selectbox(
        "Digits in this cell",
        cells,
        key=chosen,
        persist_state="session",
        on_change=_count_up,
        args=[f"{key}-version"],
        format_func=lambda cell: _cell_label(called[cell[0]], cell[1], cell[2], cells[cell]),
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
    what = f"{digit} correct" if digit == read else f"{digit} predicted as {read}"
    return f"{_capital(name)}: {what} ({digits})"


def _clicked(chart: str, chosen: str, version: str, to_value: Callable[[Any], Any]) -> None:
    """Chooses the cell of a chart that was clicked, in the list beside it.

    Args:
        chart, chosen, version: The keys of the chart, the list, and the number of choices so far.
        to_value: From the fields of a cell to the value in the list.
    """
    if picked := st.session_state[chart].selection["cell"]:
        st.session_state[chosen] = to_value(picked[0])
        _count_up(version)


def _count_up(version: str) -> None:
    st.session_state[version] += 1


@st.fragment
@page.guarded
def four_boxes(first: Run, second: Run, key: str) -> None:
    """How many test images both models classify correctly, only one, or neither; and the images of
    one of these boxes."""
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
            alt="Test images that both classify correctly, only one, or neither",
            on_select=functools.partial(_clicked, f"{key}-boxes", chosen, f"{key}-version", _box),
        )
    with right:
        titles = dict(
            zip(
                Box,
                ("Both correct", f"Only {one} correct", f"Only {other} correct", "Both wrong"),
                strict=True,
            )
        )
        box = st.pills(
            "Digits in this box",
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
            "Click a box, or choose one here, to see its test images: the most "
            "confident mistakes come first."
        )
    assert box is not None  # it is required
    gallery(boxes[box], runs, f"{key}-box-digits")


def _box(fields: dict[str, bool]) -> Box:
    (box,) = (box for box, right in RIGHT.items() if right == (fields["first"], fields["second"]))
    return box


@st.fragment
@page.guarded
def per_digit(runs: Sequence[Run], key: str) -> None:
    """Precision, recall and F1 of each digit, side by side, and how far the probabilities can be
    trusted."""
    reports = [resources.evaluation(run.id).digits for run in runs]
    called = [_capital(name) for name in names(runs)]
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
        f"**{np.argmin(found)}** for the {name} ({min(found):.2%})"
        for name, found in zip(names(runs), values, strict=True)
    )
    st.markdown(f"{title} is {meaning}. The digit with the lowest value: {hardest}.")
    grid = st.grid(2 if len(runs) > 1 else 1, min_column_width=large_type.px(TABLE_PX))
    with grid.cell():
        large_type.chart(
            model_comparison.by_digit(
                values, tuple(called), tuple(run.network for run in runs), title
            ),
            key=f"{key}-chart",
            alt=f"{title} of each digit",
        )
    with grid.cell():
        columns: dict[str, list[Any]] = {
            "Digit": [str(digit) for digit in range(dataset.CLASS_COUNT)]
        }
        config = {}
        for name, (label, help_text) in MEASURES.items():
            for network, digits in zip(called, reports, strict=True):
                column = f"{label} {network}" if len(runs) > 1 else label
                columns[column] = [100 * getattr(report, name) for report in digits]
                config[column] = st.column_config.NumberColumn(
                    format="%.2f%%", help=_capital(help_text)
                )
        columns["Test images"] = [report.support for report in reports[0]]
        config["Digit"] = st.column_config.TextColumn(pinned=True)
        config["Test images"] = st.column_config.NumberColumn(
            format="localized", help="The number of the 10,000 test images with this label"
        )
        st.dataframe(
            columns,
            hide_index=True,
            height="content",
            column_config=config,
            key=f"{key}-table",
            alt="Per-digit report",
        )
    for name, run in zip(called, runs, strict=True):
        st.caption(_calibration(name, run))


def _calibration(name: str, run: Run) -> str:
    """How far the probabilities of a model can be trusted, a sentence."""
    evaluation = resources.evaluation(run.id)
    return (
        f"{name}: on average, the probability of a prediction differs by "
        f"{evaluation.calibration_error:.2%} from the share of such predictions that are correct "
        "(expected calibration error); before temperature scaling (T = "
        f"{run.measured.temperature:.2f}, fitted on the validation images) by "
        f"{evaluation.untempered_calibration_error:.2%}."
    )


@st.fragment
@page.guarded
def gallery(indexes: np.ndarray, runs: Sequence[Run], key: str) -> None:
    """Test images with their predictions, a page at a time; each can be opened on Draw.

    Args:
        indexes: Of the test images, int (N,).
        runs: The models.
        key: Of the widgets.
    """
    if not len(indexes):
        st.caption("There are no such test images.")
        return
    these = (tuple(run.id for run in runs), len(indexes), *map(int, indexes[:GALLERY_PAGE]))
    if st.session_state.get(key, ((), 0))[0] != these:  # other images than before
        st.session_state[key] = these, GALLERY_PAGE
    shown = min(st.session_state[key][1], len(indexes))
    labels = dataset.load().test.labels
    called = [name.split()[0] for name in names(runs)]
    predictions = [resources.predictions(run.id) for run in runs]
    st.caption(
        "The actual digit, and each model's prediction with its probability. The button with the "
        "number of the test image opens it on Draw."
    )
    with st.container(horizontal=True, gap="small", key=f"{key}-tiles"):
        for index in map(int, indexes[:shown]):
            lines = [f"actual **{labels[index]}**"]
            for name, found in zip(called, predictions, strict=True):
                mark = "✓" if found.digits[index] == labels[index] else "✗"
                lines.append(f"{name}: {found.digits[index]} {mark} {found.confidences[index]:.1%}")
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
                    _select(runs, [found.digits[index] == labels[index] for found in predictions])
                    st.switch_page("app.py")
    if shown < len(indexes):
        more = min(GALLERY_PAGE, len(indexes) - shown)
        st.button(
            f"Show {more} more ({len(indexes):,} in total)",
            icon=":material/expand_more:",
            key=f"{key}-more",
            on_click=_show_more,
            args=[key],
        )


def _select(runs: Sequence[Run], right: Sequence[bool]) -> None:
    """Selects these models for the Draw page; of two of one kind, the one that is wrong."""
    for run, _ in sorted(zip(runs, right, strict=True), key=lambda pair: not pair[1]):
        selection.select(run)


def _show_more(key: str) -> None:
    these, shown = st.session_state[key]
    st.session_state[key] = these, shown + GALLERY_PAGE


@functools.lru_cache(maxsize=2000)
def _picture(index: int) -> bytes:
    """A test image as a PNG, dark ink on white paper, at twice the size shown, for high-resolution
    screens."""
    png = io.BytesIO()
    canvas.enlarged(dataset.load().test.images[index], 2 * DIGIT_PX).save(png, "PNG")
    return png.getvalue()
