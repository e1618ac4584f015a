"""Compare: all that was trained in one table, and two networks side by side, down to the digits
that they misread."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from mnist_models.runs import comparison
from mnist_models.runs.tables import NAME_CHARACTERS, Run, StoreError
from mnist_models.settings.hyperparameters import NETWORKS, Choice, value_label
from pages.parts import large_type, page, report, resources
from pages.parts.charts import learning_curves

REFRESH_S = 5
MOST_CURVES = 8
TABLE_PX, NAME_PX = 420, 200
# The table and the curves fill a window; the rest, some two hundred elements, can come when they
# are there.
TABLE_FIRST_S = 0.15
# The two that are compared, as the address and the session name them.
PLACES = {"first": "First network", "second": "Second network"}
Runs = Mapping[str, Run]


@page.guarded
def main() -> None:
    """The page."""
    come = page.begin("pages/compare.py")
    st.header("Compare what was trained")
    st.markdown(
        "Every network that was trained here, and those that ship. Tick runs in the table to see "
        "their curves on one chart; below, two networks stand side by side, down to the single "
        "digits that one of them misreads."
    )
    try:
        runs = all_runs()
    except StoreError as error:
        st.error(page.plain(error))
        runs = {run.id: run for run in resources.store().pretrained_runs()}
    else:
        with st.container(key="runs"):
            # A fragment redraws itself as often as was fixed when it was defined: only while
            # something is being trained.
            refresh_s = REFRESH_S if any(run.in_progress for run in runs.values()) else None
            st.fragment(page.guarded(table_and_curves), run_every=refresh_s)(_seen(runs))
    page.let_browser_draw(TABLE_FIRST_S)
    st.subheader("Two networks side by side")
    pair = choose_two({run.id: run for run in runs.values() if run.readable}, come)
    if len(pair) == 1:
        st.info(
            "These are one and the same network, so it is shown alone. Choose two different ones "
            "to compare them."
        )
    else:
        st.markdown("#### Where they part")
        report.four_boxes(*pair, "parting")
    st.markdown("#### What they confuse")
    report.confusion(pair, "confusion")
    st.markdown("#### Digit by digit")
    report.per_digit(pair, "digits")
    resources.prepare()


def all_runs() -> dict[str, Run]:
    """Every run by its id: those in progress, then the best reader first, then those that came to
    nothing."""
    runs = [*resources.store().runs(), *resources.store().pretrained_runs()]
    runs.sort(key=lambda run: (not run.in_progress, not run.readable, -(run.test_accuracy or 0)))
    return {run.id: run for run in runs}


def _seen(runs: Runs) -> set[tuple]:
    """What the rest of the page shows of the runs: when it changes, all of it has to be drawn
    anew."""
    return {(run.id, run.name, run.readable, run.in_progress) for run in runs.values()}


def table_and_curves(seen: set[tuple]) -> None:
    """The table of runs, what can be done with them, and the curves of those that are ticked."""
    runs = all_runs()
    if _seen(runs) != seen:
        st.rerun()
    listed = filtered(runs)
    ticked = table(listed)
    actions(ticked)
    with st.container(key="curves"):
        curves(
            ticked or [comparison.best(list(runs.values()), network) for network in NETWORKS],
            bool(ticked),
        )


def filtered(runs: Runs) -> list[Run]:
    """The runs whose name has a text in it and whose network is chosen; both are asked for here."""
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    text = left.text_input(
        "Names with", placeholder="part of a name", key="compare-text", persist_state="session"
    ).strip()
    networks = right.pills(
        "Networks",
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
    """The table; returns the runs that are ticked in it."""
    wanted: set[str] = st.session_state.setdefault("compare-ticked", set())
    if not runs:
        st.info(
            "No run has this text in its name and is one of these networks. "
            "Shorten the text to see more."
        )
        return []
    ids = [run.id for run in runs]
    # Ticks belong to rows: a table with other rows is another table, which begins with those of its
    # runs that are ticked.
    shown_ids, version = st.session_state.get("compare-table", ([], 0))
    if ids != shown_ids:
        version += 1
        st.session_state["compare-table"] = ids, version
    settings = [comparison.settings(run) for run in runs]
    columns, config = _columns(runs, settings)
    best = max(
        (run for run in runs if run.readable), key=lambda run: run.test_accuracy, default=None
    )
    text = f"{len(runs):,} run{'s' * (len(runs) != 1)}"
    if best:
        text += (
            f"; the best, {page.plain(best.label)}, reads **{best.test_accuracy:.2%}** "
            "of the test digits right"
        )
    st.markdown(
        text
        + ". Of their hyperparameters, the table has those in which they differ." * (len(runs) > 1)
    )
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
    # What the filter hides stays ticked for when it is listed again.
    st.session_state["compare-ticked"] = (wanted - set(ids)) | {run.id for run in ticked}
    return ticked


def _columns(
    runs: Sequence[Run], settings: Sequence[dict[str, Any] | None]
) -> tuple[dict[str, list], dict[str, Any]]:
    """The columns of the table, and how each is written."""
    number, text = st.column_config.NumberColumn, st.column_config.TextColumn
    columns = {
        "Name": [run.label for run in runs],
        "Network": [NETWORKS[run.network].title for run in runs],
        "State": [str(run.state) for run in runs],
        "Test accuracy": [run.test_accuracy and 100 * run.test_accuracy for run in runs],
        "Test loss": [run.test_loss for run in runs],
        "Parameters": [run.parameters for run in runs],
        "Epochs trained": [run.epochs for run in runs],
        "Training, s": [run.elapsed_s for run in runs],
        "Trained": [run.created_at.astimezone() for run in runs],
    }
    config = {
        "Name": text(pinned=True, width=large_type.px(NAME_PX)),
        "Test accuracy": number(
            format="%.2f%%", help="The share of the 10,000 test digits read right"
        ),
        "Test loss": number(
            format="%.4f",
            help="Mean cross-entropy over the 10,000 test digits, in nats; lower is better",
        ),
        "Parameters": number(format="localized"),
        "Epochs trained": number(format="%.2f", help="Passes over the training images"),
        "Training, s": number(format="%.1f", help="From the first batch to the last one"),
        "Trained": st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm"),
    }
    for name, choice in comparison.differing(settings).items():
        values = [values and values.get(name) for values in settings]
        label = (
            f"{choice.label}, {choice.unit}"
            if choice.unit and not choice.max_count
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
    """A hyperparameter in a cell: numbers as they are, so that they can be sorted, the rest in
    words."""
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
    """What can be done with the runs that are ticked; a deletion can be undone in the same
    place."""
    ids = [run.id for run in ticked]
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
        with st.popover("Rename", icon=":material/edit:", disabled=len(ticked) != 1, key="rename"):
            if len(ticked) == 1:
                _ask_for_name(ticked[0])
        st.button(
            f"Delete {len(ids)} runs" if len(ids) > 1 else "Delete",
            icon=":material/delete:",
            disabled=not ids,
            key="delete-runs",
            on_click=_delete,
            args=[ids, what],
        )
        if kept := resources.store().deleted():
            with st.popover(
                "Recently deleted", icon=":material/restore_from_trash:", key="deleted-runs"
            ):
                st.caption("Kept for a day.")
                for run in kept:
                    st.button(
                        f"Bring back {page.plain(run.label)}",
                        icon=":material/undo:",
                        key=f"restore-{run.id}",
                        on_click=_try,
                        args=[resources.store().restore, [run.id]],
                    )
        if deleted := st.session_state.get("compare-deleted"):
            st.markdown(f"Deleted {deleted[1]}.", width="content")
            st.button("Undo", icon=":material/undo:", key="undo-delete", on_click=_undo)
        elif not ids:
            st.caption(
                "Tick one run to rename it, two to compare, any to delete or to see their curves. "
                "On a keyboard, Shift and the space bar tick a run.",
                width="content",
            )
    problem, then_ticked = st.session_state.get("compare-problem", ("", None))
    if then_ticked == st.session_state["compare-ticked"]:  # until something else is done
        st.error(page.plain(problem))
    if st.session_state.pop("compare-redraw", False):
        st.rerun()


def _ask_for_name(run: Run) -> None:
    key = f"new-name-{run.id}"
    st.session_state.setdefault(key, run.name)
    st.text_input("New name", max_chars=NAME_CHARACTERS, key=key)
    st.button("Rename", key="rename-run", on_click=_rename, args=[run.id, key], type="primary")


def _rename(run_id: str, key: str) -> None:
    if not _try(resources.store().rename, run_id, st.session_state[key]):
        del st.session_state[key]


def _delete(run_ids: Sequence[str], what: str) -> None:
    if _try(resources.store().delete, run_ids):
        st.session_state["compare-deleted"] = run_ids, what


def _undo() -> None:
    run_ids, _ = st.session_state["compare-deleted"]
    if _try(resources.store().restore, run_ids):
        del st.session_state["compare-deleted"]
        st.session_state["compare-ticked"] |= set(run_ids)


def _try(change, *args: Any) -> bool:
    """Changes the store; what is wrong with that is told on the page. Whether it was done."""
    st.session_state.pop("compare-problem", None)
    try:
        change(*args)
    except StoreError as error:
        st.session_state["compare-problem"] = str(error), st.session_state["compare-ticked"]
        return False
    return True


def _compare(run_ids: Sequence[str]) -> None:
    for place, run_id in zip(PLACES, run_ids, strict=True):
        st.session_state[f"compare-{place}"] = run_id
    _show_in_address()
    st.session_state["compare-redraw"] = True


def curves(runs: Sequence[Run], ticked: bool) -> None:
    """Loss and accuracy of these runs over their trainings, and what to see in them in words."""
    drawn, problems = [], []
    for run in runs[:MOST_CURVES]:
        try:
            curve = (
                resources.engine().curve(run.id)
                if run.in_progress
                else resources.ended_curve(run.id)
            )
            drawn.append(
                learning_curves.Drawn(
                    run.label, run.network, curve, run.hyperparameters.train_images
                )
            )
        except StoreError as error:
            problems.append(str(error))
    drawn = [one for one in drawn if one.curve.points]
    if problems:
        st.warning(page.plain(" ".join(problems)))
    if len(runs) > MOST_CURVES:
        st.caption(
            f"The first {MOST_CURVES} of the {len(runs):,} ticked runs are drawn: more could not "
            "be told apart."
        )
    if not drawn:
        st.info("No curve was kept of what is ticked. Tick another run.")
        return
    whose = (
        "the runs that are ticked" if ticked else "the best of each network, until runs are ticked"
    )
    st.markdown(
        f"Curves of {whose}. "
        + comparison.reached({f"**{page.plain(one.label)}**": one.curve for one in drawn})
    )
    with st.container(horizontal=True, vertical_alignment="bottom", gap="medium"):
        axis = st.segmented_control(
            "Over",
            list(learning_curves.AXES),
            format_func=learning_curves.AXES.__getitem__,
            default=next(iter(learning_curves.AXES)),
            required=True,
            key="compare-axis",
            persist_state="session",
            wrap=True,
        )
        log = st.toggle("Logarithmic loss", key="compare-log", persist_state="session")
    for column, quantity in zip(st.columns(2, gap="medium"), ("loss", "accuracy"), strict=True):
        with column:
            spec = learning_curves.curves(drawn, quantity, axis, log=log)
            large_type.chart(spec, key=f"compare-{quantity}", alt=f"The {quantity} of these runs")


def choose_two(runs: Runs, come: bool) -> list[Run]:
    """Two lists of the networks that can read, and in the address which were chosen; returns both,
    or one if it was chosen twice. come: the visitor has just come from elsewhere."""
    best = [comparison.best(list(runs.values()), network).id for network in NETWORKS]
    defaults = dict(zip(PLACES, best, strict=True))
    _take_from_address(runs, defaults, come)
    titles = {run.id: _title(run) for run in runs.values()}
    # A list does not notice when the title that it shows is another one: with other titles it has
    # to be another list.
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
    if _address() != pair and (
        any(_address()) or pair != tuple(best)
    ):  # the address of the default pair needs no names
        _show_in_address()
    return [runs[run_id] for run_id in dict.fromkeys(pair)]


def _choose(place: str, key: str) -> None:
    st.session_state[f"compare-{place}"] = st.session_state[key]
    _show_in_address()


def _title(run: Run) -> str:
    return f"{run.label} · {NETWORKS[run.network].title} · {run.test_accuracy:.2%}"


def _take_from_address(runs: Runs, defaults: Mapping[str, str], come: bool) -> None:
    """Follows a link, or the browser's Back, to the two that the address names."""
    asked = _address()
    if asked == st.session_state.get("compare-address") or (come and not any(asked)):
        return
    st.session_state["compare-address"] = asked
    for place, run_id in zip(PLACES, asked, strict=True):
        st.session_state[f"compare-{place}"] = run_id if run_id in runs else defaults[place]
    if any(run_id and run_id not in runs for run_id in asked):
        st.warning(
            "The address names a run that is not here or cannot read digits; it may have been "
            "deleted. The best one is shown."
        )


def _address() -> tuple[str | None, ...]:
    return tuple(st.query_params.get(place) for place in PLACES)


def _show_in_address() -> None:
    st.query_params.update({place: st.session_state[f"compare-{place}"] for place in PLACES})
    st.session_state["compare-address"] = _address()


main()
