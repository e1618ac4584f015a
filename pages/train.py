"""Train: choose hyperparameters, train a network, watch it learn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import streamlit as st

from mnist_models.hyperparameters import NETWORKS, Hyperparameters, number
from mnist_models.progress import Curve
from mnist_models.runs import Run, RunState, StoreError
from pages.parts import charts, form, page, resources

if TYPE_CHECKING:  # importing it imports Dask
    from mnist_models.engine import Live

REDRAW_S = 0.5


def main() -> None:
    """The page."""
    page.begin("pages/train.py")
    st.header("Train a network, and watch it learn")
    st.markdown(
        "Move the sliders, start the training, and watch the loss fall. The network is yours to draw for as soon as it is "
        "done; the training goes on when you leave this page."
    )
    left, right = st.columns([1.6, 1], gap="large")
    with left:
        choose_and_start()
    with right:
        try:
            watch()
        except StoreError as error:
            st.error(page.plain(error))


@st.fragment
def choose_and_start() -> None:
    """The form, what it builds, and the button. A fragment: moving a slider redraws this and nothing else."""
    left, right = st.columns([1.3, 1], gap="medium")
    with left:
        chosen = form.show()
    with right:
        name = st.text_input("Name of the run", placeholder="optional", max_chars=40, key="run-name", persist_state="session")
        start = st.button(
            f"Train this {NETWORKS[st.session_state['network']].title}", type="primary", icon=":material/play_arrow:",
            disabled=chosen.hyperparameters is None, key="train-start", width="stretch",
        )  # fmt: skip
        if chosen.hyperparameters:
            network_summary(chosen.hyperparameters)
        else:
            st.error(" ".join(problem.sentence for problem in chosen.problems))
    if start:
        try:
            run_id = resources.engine().start(chosen.hyperparameters, name.strip() or None)
        except StoreError as error:
            st.error(page.plain(error))
            return
        st.session_state["reads-next"] = st.session_state.get("reads-next", {}) | {chosen.hyperparameters.network: run_id}
        _choose(run_id)
        st.rerun()


def network_summary(hyperparameters: Hyperparameters) -> None:
    """The list of layers with output shapes and parameter counts, and the total."""
    with resources.while_loading():
        layers = resources.layers(hyperparameters)
    total = sum(layer.parameters for layer in layers)
    st.metric("Parameters, all layers", f"{total:,}")
    st.dataframe(
        {
            "Layer": [layer.name for layer in layers],
            "Output shape": [" × ".join(map(str, layer.shape)) for layer in layers],
            "Parameters": [layer.parameters for layer in layers],
        },
        hide_index=True,
        height="content",
        column_config={"Parameters": st.column_config.NumberColumn(format="localized")},
        key="layers",
    )


def watch() -> None:
    """One run, chosen from all, as it is at this moment."""
    runs = {run.id: run for run in resources.store().runs()}
    if not runs:
        st.info("No network was trained here yet. Start one above, and its curves appear here.", icon=":material/show_chart:")
        return
    asked = st.query_params.get("run")
    if asked is not None and asked not in runs:
        st.warning("There is no such run here; it may have been deleted. Another one is shown.")
    newest = next((run.id for run in runs.values() if run.in_progress), next(iter(runs)))
    if asked in runs and asked != st.session_state.get("run-in-address"):  # a link, or the browser's Back
        st.session_state["run"] = asked
    st.session_state.setdefault("run", newest)
    if st.session_state["run"] not in runs:
        st.session_state["run"] = newest
    run_id = st.selectbox(
        "Run", runs, key="run", persist_state="session", on_change=lambda: _choose(st.session_state["run"]),
        format_func=lambda run_id: _title(runs[run_id]),
    )  # fmt: skip
    _show_in_address(run_id)
    # A fragment redraws itself as often as was fixed when it was defined, so that depends on whether there is news to come.
    st.fragment(guarded_panel, run_every=REDRAW_S if runs[run_id].in_progress else None)(run_id, runs[run_id].in_progress)


def _choose(run_id: str) -> None:
    st.session_state["run"] = run_id
    _show_in_address(run_id)


def _show_in_address(run_id: str) -> None:
    st.session_state["run-in-address"] = run_id
    if st.query_params.get("run") != run_id:  # each change is a step of the browser's history
        st.query_params["run"] = run_id


def _title(run: Run) -> str:
    # What never changes: a list does not notice when one of its labels does.
    return f"{run.label} · {run.created_at.astimezone():%d %b %H:%M}"


def guarded_panel(run_id: str, was_in_progress: bool) -> None:
    """The run panel, or why there is none: what goes wrong in a fragment never reaches the page that called it."""
    try:
        run_panel(run_id, was_in_progress)
    except StoreError as error:
        st.error(page.plain(error))


def run_panel(run_id: str, was_in_progress: bool) -> None:
    """Where the run stands, its curves, and what can be done with it."""
    live = resources.engine().live(run_id)  # before the store: the engine forgets a run only after its end is kept
    run = resources.store().run(run_id)
    if was_in_progress and not run.in_progress:
        st.rerun()  # the whole page: nothing needs to be redrawn every half second any more
    curve = resources.engine().curve(run_id)
    if run.in_progress:
        progress(run, live, curve)
    else:
        result(run)
    with st.container(key="curves"):
        curves(run, curve)


def progress(run: Run, live: Live | None, curve: Curve) -> None:
    """A progress bar with what is happening, and the button to stop. live: None when another process trains it."""
    total = run.hyperparameters.epochs
    left, right = st.columns([3, 1], vertical_alignment="center")
    with left:
        if live is None:
            st.progress(_done(curve, total), f"Training in another process: epoch {_epoch(curve):.2f} of {total}.")
        elif live.state == RunState.QUEUED and live.position:
            st.progress(0.0, f"Waiting: {live.position} in the queue.")
        elif live.latest is None:
            st.progress(0.0, "Starting: the network is being built and compiled.")
        elif live.state == RunState.MEASURING:
            st.progress(_done(curve, total), "Reading the 10,000 test digits.")
        else:
            latest = live.latest
            remaining = f", about {latest.remaining_s:.0f} s left" if latest.remaining_s is not None else ""
            st.progress(
                min(1.0, latest.epoch / total),
                f"Epoch {latest.epoch:.2f} of {total} · {latest.images_per_s:,.0f} images a second · "
                f"{latest.elapsed_s:.0f} s so far{remaining}",
            )
    with right:
        if live:
            st.button(
                "Stopping" if live.stopping else "Stop", icon=":material/stop:", disabled=live.stopping, key="train-stop",
                on_click=resources.engine().stop, args=[run.id], width="stretch",
            )  # fmt: skip


def _epoch(curve: Curve) -> float:
    return curve.points[-1].epoch if curve.points else 0.0


def _done(curve: Curve, total: int) -> float:
    return min(1.0, _epoch(curve) / total)


def result(run: Run) -> None:
    """How the run ended, and what can be done with it."""
    match run.state:
        case RunState.FAILED:
            st.error(page.plain(run.error))
        case RunState.INTERRUPTED:
            st.warning(
                "The app was ended while this network was being trained, so it was not kept; this is its curve until then."
            )
        case RunState.STOPPED:
            st.info(f"Stopped after {run.epochs:.2f} epochs. What it had learned by then was kept and can read digits.")
    if run.readable:
        accuracy, loss, draw = st.columns([1.2, 1, 1], vertical_alignment="center")
        accuracy.metric("Test digits read right", f"{run.test_accuracy:.2%}")
        loss.metric("Test loss", f"{run.test_loss:.3f}")
        if draw.button("Draw for it", icon=":material/draw:", type="primary", key="draw-for", width="stretch"):
            st.session_state[f"reads-{run.network}"] = run.id
            st.session_state.get("reads-next", {}).pop(run.network, None)
            st.switch_page("app.py")
        st.caption(
            f"{run.parameters:,} parameters · {number(round(run.epochs, 2))} epochs in {run.elapsed_s:.1f} s · "
            "measured on MNIST's 10,000 test digits"
        )
    if st.button(
        "Use its hyperparameters", icon=":material/tune:", key="use-run", on_click=form.fill, args=[run.hyperparameters]
    ):
        st.rerun()


def curves(run: Run, curve: Curve) -> None:
    """Loss and accuracy over the epochs, with what to see in them in words."""
    if not curve.points:
        st.info(
            "The curves appear with the first batches." if run.in_progress else "It ended before the first point of its curve."
        )
        return
    for quantity in ("loss", "accuracy"):
        spec = charts.training_curve(run.network, curve, quantity, run.hyperparameters.epochs)
        st.vega_lite_chart(spec=spec, key=f"{quantity}-chart")
    st.markdown(charts.finding(curve))
    count, size = curve.batches_per_point, run.hyperparameters.batch_size
    batches = f"{count} batches of {size} images" if count > 1 else f"one batch of {size} images"
    st.caption(
        f"Training: each point is the mean of {batches}, measured while learning from them, with dropout and augmentation on. "
        "Validation: all held-back images at the end of each epoch, with both off: so it can look better than training."
    )


main()
