"""Compare: two models side by side, down to the test images that they misclassify; and all runs in
one table."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import streamlit as st

from mnist_models.errors import UnavailableError
from mnist_models.runs import comparison
from mnist_models.runs.tables import NAME_CHARACTERS, Run, StoreError
from mnist_models.settings.hyperparameters import NETWORKS, Choice, value_label
from pages.parts import imported, large_type, page, report, resources, visitors
from pages.parts.charts import learning_curves

REFRESH_S = 5
MOST_CURVES = 8
TABLE_PX, NAME_PX = 420, 200
# The first comparison fills a window; the rest, some hundred elements, can follow.
BOXES_FIRST_S = 0.15
# The table is folded until it is asked for.
PANEL = "runs-panel"
# The two models, by their names in the address and in the session.
PLACES = {"first": "First model", "second": "Second model"}
Runs = Mapping[str, Run]


@page.guarded
def main() -> None:
    """The page."""
    has_come = page.begin("pages/compare.py")
    st.header("Compare models")
    try:
        runs = all_runs()
        store_problem = None
    except StoreError as error:
        runs = {run.id: run for run in resources.store().pretrained_runs()}
        store_problem = page.plain(error)
    pair = choose_two({run.id: run for run in runs.values() if run.readable}, has_come)
    if store_problem:
        st.error(store_problem)
    else:
        with st.container(key="runs"):
            # How often a fragment redraws itself is fixed when it is defined: here, only while a
            # run is in progress.
            refresh_s = REFRESH_S if any(run.in_progress for run in runs.values()) else None
            st.fragment(page.guarded(table_and_curves), run_every=refresh_s)(_seen(runs), pair)
    for run in pair:
        if run.imported:
            with st.expander(f"What {page.plain(run.label)} is, and how it is fed"):
                imported.diagnosis(run.id)
    if len(pair) == 1:
        st.info(
            "This is one and the same model, so it is shown alone. Choose two "
            "different models to compare them."
        )
    else:
        st.markdown("#### Where they disagree")
        report.four_boxes(*pair, "parting")
    page.let_browser_draw(BOXES_FIRST_S)
    st.markdown("#### Confusion matrices")
    report.confusion(pair, "confusion")
    st.markdown("#### Digit by digit")
    report.per_digit(pair, "digits")
    visitors.know()
    resources.prepare()


def all_runs() -> dict[str, Run]:
    """Every run by its id: first those in progress, then by test accuracy, then those without a
    model."""
    runs = [*resources.store().runs(), *resources.store().pretrained_runs()]
    runs.sort(key=lambda run: (not run.in_progress, not run.readable, -(run.test_accuracy or 0)))
    return {run.id: run for run in runs}


def _seen(runs: Runs) -> set[tuple]:
    """What the rest of the page shows of the runs: when it changes, the whole page is redrawn."""
    return {(run.id, run.name, run.readable, run.in_progress) for run in runs.values()}


def table_and_curves(seen: set[tuple], pair: Sequence[Run]) -> None:
    """The table of runs, what can be done with them, and the curves of the ticked ones, or else of
    the two that are compared; all of it folded at first."""
    runs = all_runs()
    if _seen(runs) != seen:
        st.rerun()
    panel = st.expander(
        "All runs in one table: their curves, rename, delete", key=PANEL, on_change="rerun"
    )
    if panel.open:
        with panel:
            is_listed = visitors.whose(runs.values())
            ticked = table([run for run in filtered(runs) if is_listed(run)])
            actions(ticked)
            with st.container(key="curves"):
                curves(ticked or pair, bool(ticked))
    if st.session_state.pop("compare-redraw", False):
        st.rerun()


def filtered(runs: Runs) -> list[Run]:
    """The runs that match a name and a kind of model, both chosen here."""
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    text = left.text_input(
        "Filter by name", placeholder="part of a name", key="compare-text", persist_state="session"
    ).strip()
    networks = right.pills(
        "Models",
        list(NETWORKS),
        format_func=lambda network: NETWORKS[network].title,
        selection_mode="multi",
        key="compare-networks",
        persist_state="session",
    )
    return [
        run
        for run in runs.values()
        if text.casefold() in run.label.casefold() and (not networks or run.network in networks)
    ]


def table(runs: Sequence[Run]) -> list[Run]:
    """Draws the table.

    Returns:
        The runs that are ticked in it.
    """
    wanted: set[str] = st.session_state.setdefault("compare-ticked", set())
    if not runs:
        st.info("No run matches this name and these models. Shorten the name to see more.")
        return []
    ids = [run.id for run in runs]
    # Ticks belong to rows: a table with other rows is another table, which starts with its own runs
    # ticked.
    shown_ids, version = st.session_state.get("compare-table", ([], 0))
    if ids != shown_ids:
        version += 1
        st.session_state["compare-table"] = ids, version
    settings = [comparison.settings(run) for run in runs]
    columns, config = _columns(runs, settings)
    best = max(
        (run for run in runs if run.readable),
        key=lambda run: run.measured.test_accuracy,
        default=None,
    )
    text = f"{len(runs):,} run{'s' * (len(runs) != 1)}"
    if best:
        text += (
            f"; highest test accuracy **{best.measured.test_accuracy:.2%}** "
            f"({page.plain(best.label)})"
        )
    st.markdown(text + ". Only hyperparameters that differ are shown." * (len(runs) > 1))
    ticks = st.dataframe(
        columns,
        hide_index=True,
        column_config=config,
        height=large_type.px(min(TABLE_PX, 37 + 35 * len(runs))),
        alt="Runs",
        key=f"runs-table-{version}",
        on_select="rerun",
        selection_mode="multi-row",
        selection_default={
            "selection": {"rows": [row for row, run_id in enumerate(ids) if run_id in wanted]}
        },
    )
    ticked = [runs[row] for row in ticks.selection.rows if row < len(runs)]
    # Hidden runs stay ticked until they are listed again.
    st.session_state["compare-ticked"] = (wanted - set(ids)) | {run.id for run in ticked}
    return ticked


def _columns(
    runs: Sequence[Run], settings: Sequence[dict[str, Any] | None]
) -> tuple[dict[str, list[Any]], dict[str, Any]]:
    """The columns of the table, and the format of each."""
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    columns: dict[str, list[Any]] = {
        "Name": [run.label for run in runs],
        "Model": [NETWORKS[run.network].title for run in runs],
        "State": [str(run.state) for run in runs],
        "Test accuracy": [run.test_accuracy and 100 * run.test_accuracy for run in runs],
        "Test loss": [run.test_loss for run in runs],
        "Parameters": [run.parameters for run in runs],
        "Epochs trained": [run.epochs for run in runs],
        "Training time (s)": [run.elapsed_s for run in runs],
        "Started": [run.created_at.astimezone() for run in runs],
    }
    config: dict[str, Any] = {
        "Name": text(pinned=True, width=large_type.px(NAME_PX)),
        "Test accuracy": number(
            format="%.2f%%", help="Share of the 10,000 test images classified correctly"
        ),
        "Test loss": number(
            format="%.4f",
            help="Mean cross-entropy over the 10,000 test images, in nats; lower is better",
        ),
        "Parameters": number(format="localized"),
        "Epochs trained": number(format="%.2f", help="Passes over the training images"),
        "Training time (s)": number(format="%.1f", help="From the first batch to the last one"),
        "Started": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm"),
    }
    if any(run.source for run in runs):
        columns["Learned from"] = [
            str(run.source or "MNIST") if run.source or run.has_learned_here else None
            for run in runs
        ]
    for name, choice in comparison.differing(settings).items():
        values = [values and values.get(name) for values in settings]
        label = (
            f"{choice.label} ({choice.unit})"
            if choice.unit and not choice.max_count and choice.unit not in choice.label.lower()
            else choice.label
        )
        columns[label] = [_written(choice, value) for value in values]
        if _is_number(choice):
            config[label] = number(format="percent" if choice.percent else "localized")
    return columns, config


def _is_number(choice: Choice) -> bool:
    return (
        not choice.max_count
        and isinstance(choice.default, int | float)
        and not isinstance(choice.default, bool)
    )


def _written(choice: Choice, value: Any) -> Any:
    """A hyperparameter in a cell: numbers as they are, so that they can be sorted, everything else
    in words."""
    if choice.name.startswith("budget") and not value:  # no limit
        return None
    if value is None or _is_number(choice):
        return value
    if choice.max_count:
        return ", ".join(map(str, value)) or "none"
    if isinstance(value, bool):
        return "on" if value else "off"
    return value_label(value)


def actions(ticked: Sequence[Run]) -> None:
    """What can be done with the ticked runs; a deletion can be undone in the same place."""
    ids = [run.id for run in ticked]
    # What comes with the app stays as it is; the store says so.
    all_mine = all(run.is_pretrained or visitors.me().may_change(run) for run in ticked)
    what = page.plain(ticked[0].label) if len(ids) == 1 else f"{len(ids)} runs"
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            "Compare the two",
            icon=":material/compare:",
            disabled=sum(run.readable for run in ticked) != 2,
            key="compare-two",
            on_click=_compare,
            args=[[run.id for run in ticked if run.readable]],
        )
        with st.popover(
            "Rename",
            icon=":material/edit:",
            disabled=len(ticked) != 1 or not all_mine,
            key="rename",
        ):
            if len(ticked) == 1:
                _ask_for_name(ticked[0])
        st.button(
            f"Delete {len(ids)} runs" if len(ids) > 1 else "Delete",
            icon=":material/delete:",
            disabled=not ids or not all_mine,
            key="delete-runs",
            on_click=_delete,
            args=[ids, what],
        )
        if kept := visitors.rights().deleted():
            with st.popover(
                "Recently deleted", icon=":material/restore_from_trash:", key="deleted-runs"
            ):
                st.caption("They can be restored for a day.")
                for run in kept:
                    st.button(
                        f"Restore {page.plain(run.label)}",
                        icon=":material/undo:",
                        key=f"restore-{run.id}",
                        on_click=_restore,
                        args=[[run.id]],
                    )
        if deleted := st.session_state.get("compare-deleted"):
            st.markdown(f"Deleted {deleted[1]}.", width="content")
            st.button("Undo", icon=":material/undo:", key="undo-delete", on_click=_undo)
        elif not ids:
            st.caption(
                "Tick one run to rename it, two to compare them, any to delete them or see their "
                "curves. On the keyboard, Shift and the space bar tick a run.",
                width="content",
            )
        elif not all_mine:
            st.caption(
                "Only who started a run, or a teacher, can rename or delete it.", width="content"
            )
    problem, then_ticked = st.session_state.get("compare-problem", ("", None))
    if then_ticked == st.session_state["compare-ticked"]:  # until something else is done
        st.error(page.plain(problem))


def _ask_for_name(run: Run) -> None:
    key = f"new-name-{run.id}"
    st.session_state.setdefault(key, run.name)
    st.text_input("New name", max_chars=NAME_CHARACTERS, key=key)
    st.button("Rename", key="rename-run", on_click=_rename, args=[run.id, key], type="primary")


def _rename(run_id: str, key: str) -> None:
    if not _try(visitors.rights().rename, run_id, st.session_state[key]):
        del st.session_state[key]


def _delete(run_ids: Sequence[str], what: str) -> None:
    if _try(visitors.rights().delete, run_ids):
        st.session_state["compare-deleted"] = run_ids, what


def _restore(run_ids: Sequence[str]) -> None:
    _try(visitors.rights().restore, run_ids)


def _undo() -> None:
    run_ids, _ = st.session_state["compare-deleted"]
    if _try(visitors.rights().restore, run_ids):
        del st.session_state["compare-deleted"]
        st.session_state["compare-ticked"] |= set(run_ids)


def _try(change: Callable[..., object], *args: Any) -> bool:
    """Changes the store; a problem is shown on the page.

    Returns:
        Whether the change was made.
    """
    st.session_state.pop("compare-problem", None)
    try:
        change(*args)
    except UnavailableError as error:
        st.session_state["compare-problem"] = str(error), st.session_state["compare-ticked"]
        return False
    return True


def _compare(run_ids: Sequence[str]) -> None:
    for place, run_id in zip(PLACES, run_ids, strict=True):
        st.session_state[f"compare-{place}"] = run_id
    _show_in_address()
    st.session_state[PANEL] = False  # the comparison is below
    st.session_state["compare-redraw"] = True


def curves(runs: Sequence[Run], ticked: bool) -> None:
    """Loss and accuracy of these runs, and what they show in words.

    Args:
        runs: The runs.
        ticked: Whether they are the ticked ones, rather than the two that are compared.
    """
    drawn, problems = [], []
    for run in runs[:MOST_CURVES]:
        try:
            curve = (
                resources.engine().curve(run.id)
                if run.in_progress
                else resources.ended_curve(run.id)
            )
            drawn.append(
                learning_curves.Drawn(run.label, run.network, curve, run.training.train_images)
            )
        except StoreError as error:
            problems.append(str(error))
    drawn = [one for one in drawn if one.curve.points]
    if problems:
        st.warning(page.plain(" ".join(problems)))
    if len(runs) > MOST_CURVES:
        st.caption(
            f"Only the first {MOST_CURVES} of the {len(runs):,} ticked runs are drawn: more lines "
            "could not be told apart."
        )
    if not drawn:
        st.info("There is no curve of these runs. Tick another run.")
        return
    shown = (
        "Curves of the ticked runs."
        if ticked
        else "Curves of the models that are compared. Tick runs to change."
    )
    st.markdown(
        f"{shown} "
        + comparison.reached({f"**{page.plain(one.label)}**": one.curve for one in drawn})
    )
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        axis = st.segmented_control(
            "x axis",
            list(learning_curves.AXES),
            format_func=learning_curves.AXES.__getitem__,
            default=next(iter(learning_curves.AXES)),
            required=True,
            key="compare-axis",
            persist_state="session",
            wrap=True,
        )
        log = st.toggle("Log-scale loss", key="compare-log", persist_state="session")
    for column, quantity in zip(st.columns(2, gap="medium"), ("loss", "accuracy"), strict=True):
        with column:
            spec = learning_curves.curves(drawn, quantity, axis, log=log)
            large_type.chart(spec, key=f"compare-{quantity}", alt=f"The {quantity} of these runs")


def choose_two(runs: Runs, has_come: bool) -> list[Run]:
    """Chooses two models in two lists, and shows them in the address.

    Args:
        runs: The readable runs, by id.
        has_come: Whether the visitor has just come from elsewhere.

    Returns:
        Both runs, or one if it was chosen twice.
    """
    best = [comparison.best(list(runs.values()), network).id for network in NETWORKS]
    defaults = dict(zip(PLACES, best, strict=True))
    _take_from_address(runs, defaults, has_come)
    titles = {run.id: _title(run) for run in runs.values()}
    # A list does not notice when one of its titles changes: with other titles it has to be another
    # list.
    version = zlib.crc32(repr(titles).encode())
    for place, column in zip(PLACES, st.columns(2, gap="medium"), strict=True):
        if st.session_state.get(f"compare-{place}") not in runs:
            st.session_state[f"compare-{place}"] = defaults[place]
        key = f"{place}-of-{version:x}"
        if st.session_state.get(key) != st.session_state[f"compare-{place}"]:
            st.session_state[key] = st.session_state[f"compare-{place}"]
        column.selectbox(
            PLACES[place],
            titles,
            format_func=titles.__getitem__,
            key=key,
            on_change=_choose,
            args=[place, key],
        )
    pair = tuple(st.session_state[f"compare-{place}"] for place in PLACES)
    # The address of the default pair needs no names.
    if _address() != pair and (any(_address()) or pair != tuple(best)):
        _show_in_address()
    return [runs[run_id] for run_id in dict.fromkeys(pair)]


def _choose(place: str, key: str) -> None:
    st.session_state[f"compare-{place}"] = st.session_state[key]
    _show_in_address()


def _title(run: Run) -> str:
    return f"{run.label} · {NETWORKS[run.network].title} · {run.measured.test_accuracy:.2%}"


def _take_from_address(runs: Runs, defaults: Mapping[str, str], has_come: bool) -> None:
    """Follows a link, or the browser's Back, to the two models in the address."""
    asked = _address()
    if asked == st.session_state.get("compare-address") or (has_come and not any(asked)):
        return
    st.session_state["compare-address"] = asked
    for place, run_id in zip(PLACES, asked, strict=True):
        st.session_state[f"compare-{place}"] = run_id if run_id in runs else defaults[place]
    if any(run_id and run_id not in runs for run_id in asked):
        st.warning(
            "The address names a run that is not here or has no model; it may have been deleted. "
            "The best one is shown instead."
        )


def _address() -> tuple[str | None, ...]:
    return tuple(st.query_params.get(place) for place in PLACES)


def _show_in_address() -> None:
    st.query_params.update({place: st.session_state[f"compare-{place}"] for place in PLACES})
    st.session_state["compare-address"] = _address()


main()
