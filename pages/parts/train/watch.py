"""Watching a run, or the two of a race: its progress, its controls, its curves, and how it
ended."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import streamlit as st

from mnist_models.data import dataset
from mnist_models.errors import UnavailableError
from mnist_models.runs import race
from mnist_models.runs.tables import Run, RunState, UnknownRunError
from mnist_models.settings.hyperparameters import NETWORKS, Hyperparameters, number
from mnist_models.training.progress import Curve, planned_images
from pages.parts import imported, large_type, page, report, resources, selection, visitors
from pages.parts.charts import learning_curves
from pages.parts.train import before_after, bets, class_digits, form, network, projector, share

if TYPE_CHECKING:  # importing it imports Dask
    from mnist_models.runs.engine import Live

REDRAW_S = 0.95
# The bar moves in steps of this share: a browser animates each of them for half a second.
BAR_STEP = 0.05
# In large type, the smallest width of each chart of the two.
CURVE_PX = 300
# In the session: why the last button that was pressed changed nothing, a sentence.
PROBLEM = "train-problem"
# In the session: who the visitor was when a run was shown that nobody had chosen.
SHOWN_TO = "train-shown-to"
Entries = Mapping[str, Sequence[Run]]


def entries() -> Entries:
    """All runs by the id that stands for them in the list: those of a race together by the id of
    the first of them; the newest come first.

    Raises:
        StoreError: The store cannot be used.
    """
    together: dict[str, list[Run]] = {}
    for run in reversed(resources.store().runs()):
        if not run.has_learned_here:  # nobody watched it learn
            continue
        together.setdefault(run.race or run.id, []).append(run)
    return {racers[0].id: racers for racers in reversed(together.values())}


def follow_address(listed: Entries) -> str | None:
    """Goes to the run in the address, or in the session, and keeps the address true.

    Returns:
        The id of the entry to watch: that one, or else the visitor's newest, those in progress
        first; None if there is none.
    """
    firsts = {run.id: first for first, racers in listed.items() for run in racers}
    asked = st.query_params.get("run")
    if asked is not None and asked not in firsts:
        st.warning(
            "The run in the address is not here; it may have been deleted."
            + " Another one is shown." * bool(firsts)
        )
    # A link was followed, or the browser went back.
    if asked in firsts and asked != st.session_state.get("run-in-address"):
        bets.keep(firsts[asked], st.query_params.get(bets.BET))
        show(asked)
    if not firsts:
        return None
    me = visitors.me()
    if not is_chosen() and st.session_state.get(SHOWN_TO) != me.id:
        # It was shown before the device had told whose runs are to be shown.
        st.session_state.pop("run", None)
    st.session_state[SHOWN_TO] = me.id
    mine = {first: racers for first, racers in listed.items() if me.owns(racers[0])}
    newest = next(
        (first for first, racers in mine.items() if any(run.in_progress for run in racers)),
        next(iter(mine), None),
    )
    run_id = firsts.get(st.session_state.get("run") or asked or "", newest)
    if run_id is None:
        return None
    st.session_state["run"] = run_id
    # Only a run that was chosen or started goes into the address: a link to settings stays one.
    if is_chosen():
        st.session_state["run-in-address"] = run_id
        bet = bets.on(run_id)
        address = {
            **{name: text for name, text in st.query_params.items() if name != bets.BET},
            "run": run_id,
            **({bets.BET: bet} if bet else {}),
        }
        # At once: each change is a step of the browser's history.
        if address != st.query_params.to_dict():
            st.query_params.from_dict(address)
    return run_id


def is_chosen() -> bool:
    """Whether this visitor has chosen or started the run that is shown."""
    return st.session_state.get("run-was-chosen", False)


def choose(listed: Entries, run_id: str | None) -> None:
    """The list of runs, the visitor's or everybody's, of which the selected one is watched.

    Args:
        listed: All entries.
        run_id: The one that is selected, if one is.
    """
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        is_listed = visitors.whose(run for racers in listed.values() for run in racers)
        listed = {
            first: racers
            for first, racers in listed.items()
            if first == run_id or is_listed(racers[0])
        }
        _list(listed, run_id)
        _stop_all(listed)


def _list(listed: Entries, run_id: str | None) -> None:
    # Another list for each run: what a browser still tells of the one before, once another run is
    # shown, is not a choice.
    key = f"run-list-{run_id}"
    st.session_state[key] = run_id

    def choose_another() -> None:
        if st.session_state.get("run") == run_id:
            show(st.session_state[key])

    st.selectbox(
        "Run",
        listed,
        # Else a browser tells, with whatever is changed next, that the first is chosen.
        index=0 if run_id else None,
        key=key,
        format_func=lambda run_id: _title(listed[run_id]),
        on_change=choose_another,
        placeholder="Watch a run",
        label_visibility="collapsed",
    )


def _stop_all(listed: Entries) -> None:
    """For a teacher, while anybody else trains: the end of all trainings."""
    me = visitors.me()
    others = [
        run for racers in listed.values() for run in racers if run.in_progress and not me.owns(run)
    ]
    if me.is_teacher and others:
        st.button(
            "Stop all trainings",
            icon=":material/front_hand:",
            key="stop-all",
            on_click=page.attempt,
            args=[PROBLEM, visitors.rights().stop_all],
        )


def draw(runs: Sequence[Run], *, alone: bool) -> None:
    """A run, or the two of a race, as it is now.

    Args:
        runs: One entry of the list.
        alone: Whether the page shows nothing else.
    """
    in_progress = any(run.in_progress for run in runs)
    # How often a fragment redraws itself is fixed when it is defined.
    st.fragment(_panel, run_every=REDRAW_S if in_progress else None)(
        [run.id for run in runs], in_progress, alone
    )


def show(run_id: str) -> None:
    """Selects the run to be watched from the next time the page is drawn, instead of the form."""
    st.session_state["run"] = run_id
    st.session_state["run-was-chosen"] = True
    form.fold()


def told(runs: Sequence[Run]) -> str:
    """What is being trained, or was, in a few words of Markdown."""
    titles = " vs ".join(NETWORKS[run.network].title for run in runs)
    try:
        counts = " and ".join(
            f"{run.parameters or network.parameters(run.hyperparameters):,}" for run in runs
        )
        budget = race.Budget.of(runs[0].training)
    except UnavailableError:  # the panel of the run says why
        return titles
    unit = budget.kind if budget.amount > 1 else budget.kind.removesuffix("s")
    return f"{titles}, {counts} parameters, {budget.amount:,} {unit}"


def _title(runs: Sequence[Run]) -> str:
    # Nothing that changes while it is shown: a list does not notice when one of its labels does.
    when = f"{runs[0].created_at.astimezone():%d %b %H:%M}"
    if not runs[0].race:
        return f"{runs[0].label} · {when}"
    titles = " vs ".join(NETWORKS[run.network].title for run in runs)
    names = {run.name for run in runs}
    # A class begins many races within a minute; a list takes two of one label for the same.
    name = f"{names.pop() if len(names) == 1 else 'Race'} {runs[0].id[:4]}"
    return f"{name}: {titles} · {when}"


@page.guarded
def _panel(run_ids: Sequence[str], was_in_progress: bool, alone: bool) -> None:
    """The runs as they are now: progress, curves, controls, outcomes and test results."""
    engine, store = resources.engine(), resources.store()
    # Before the store is read: the engine forgets a run only once its end is stored.
    lives = {run_id: engine.live(run_id) for run_id in run_ids}
    try:
        runs = [store.run(run_id) for run_id in run_ids]
    except UnknownRunError:
        st.rerun()  # the whole page, because one was deleted
    curves = {run.id: engine.curve(run.id) for run in runs}
    in_progress = [run for run in runs if run.in_progress]
    if was_in_progress and not in_progress:
        st.rerun()  # the whole page: nothing needs to be redrawn again and again any more
    if in_progress:
        for column, run in zip(st.columns(len(runs)), runs, strict=True):
            with column:
                _progress(run, lives[run.id], curves[run.id], len(runs) > 1)
    if alone:
        _accuracies(runs, curves)
    if len(runs) > 1:
        _verdict(runs, curves)
    if not in_progress and not alone:  # else below the curves, which stay where they are
        _outcomes(runs)
    drawn = [run for run in runs if curves[run.id].points]
    # Above the curves, which fill a phone's screen.
    page.show_problem(PROBLEM)
    if going := [(run, live) for run in in_progress if (live := lives[run.id])]:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            _controls(going)
    charts = st.container(key="curves")
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        axis, log = _options() if drawn else ("", False)
        if not alone:
            projector.enter(runs[0].id)
    with charts:
        if drawn:
            _charts(drawn, curves, axis, log)
        else:
            st.info(
                "The curves appear with the first batches."
                if in_progress
                else "The run ended before the first point of its curve."
            )
    if len(runs) > 1:
        _bet(runs)
    if drawn:
        _findings(drawn, curves)
    if not alone:
        if in_progress:
            _outcomes([run for run in runs if not run.in_progress])
        for run in runs:
            if run.readable:
                _test_results(run)


def _accuracies(runs: Sequence[Run], curves: Mapping[str, Curve]) -> None:
    """The accuracy of each model, large: on the validation images while it is trained, on the test
    images at the end."""
    for column, run in zip(st.columns(len(runs)), runs, strict=True):
        title, value = NETWORKS[run.network].title, "–"
        ends = curves[run.id].epochs
        if run.readable:
            label, value = f"{title}: test accuracy", f"{run.measured.test_accuracy:.2%}"
        elif ends and ends[-1].validation_accuracy is not None:
            label = f"{title}: validation accuracy after epoch {number(round(ends[-1].epoch, 2))}"
            value = f"{ends[-1].validation_accuracy:.2%}"
        else:
            label = f"{title}: validation accuracy"
        column.metric(label, value)


def _verdict(runs: Sequence[Run], curves: Mapping[str, Curve]) -> None:
    """Who has won a race, once both are trained; and the bet on it."""
    if not all(run.readable for run in runs):
        return
    predictions = [resources.predictions(run.id) for run in runs]
    labels = dataset.load().test.labels
    changed = any(curves[run.id].changes for run in runs)
    sentence = race.verdict(runs, predictions, labels, changed=changed)
    if bet := bets.on(runs[0].id):
        sentence += f"  \n{race.settled(bet, race.winner(runs, predictions, labels))}"
    st.success(sentence, icon=":material/flag:")


def _bet(runs: Sequence[Run]) -> None:
    """The bet on a race that is not over."""
    if (bet := bets.on(runs[0].id)) and any(run.in_progress for run in runs):
        st.markdown(f"Who will win? The bet: **{race.BETS[bet]}**.")


def _outcomes(over: Sequence[Run]) -> None:
    """How finished runs have ended, and what can be done with them."""
    in_race = any(run.race for run in over)
    both_trained = len(over) > 1 and all(run.readable for run in over)
    if both_trained and st.button(
        "Compare them, digit by digit", icon=":material/compare:", key="compare-them"
    ):
        pair = dict(zip(("first", "second"), (run.id for run in over), strict=True))
        st.switch_page("pages/compare.py", query_params=pair)
    if both_trained:
        share.export_race(over)
    for column, run in zip(st.columns(len(over)) if over else [], over, strict=True):
        with column:
            _outcome(run, in_race)
    for run in over:
        if run.readable and run.source:
            before_after.draw(run)


def _progress(run: Run, live: Live | None, curve: Curve, in_race: bool) -> None:
    """A progress bar with what is happening.

    Args:
        run: The run.
        live: Its state in the engine; None when another process trains it.
        curve: Its curve so far.
        in_race: Whether it is one of two.
    """
    hyperparameters = run.training
    title = f"**{hyperparameters.title}** · " if in_race else ""
    epochs = curve.points[-1].epoch if curve.points else 0.0
    seconds = curve.seconds[-1] if curve.seconds else 0.0
    done, budget = _share_done(hyperparameters, epochs, seconds)
    if not run.in_progress:
        done, text = 1.0, f"{run.state}."
    elif live is None:
        text = f"Training in another process: epoch {number(round(epochs, 2))} of {budget}."
    elif live.unkept:
        done, text = 1.0, "Trained, but not saved yet."
        st.warning(
            f"This model is trained, but could not be saved. {page.plain(live.unkept)} Until then "
            "it is held in memory, and saving is tried again every few "
            "seconds: leave the app running."
        )
    elif live.state == RunState.QUEUED and live.position:
        text = (
            f"Waiting: number {live.position} in the queue. Models that can train at once: "
            f"{live.places or 'none at the moment'}; a paused one makes room after a while."
        )
    elif live.latest is None and live.paused_at:
        text = "Ready to start."
    elif live.latest is None:
        text = "Starting: the model is being built and compiled."
    elif live.state == RunState.MEASURING:
        text = "Computing the test accuracy on 10,000 images."
        if run.source and run.source.leaves_each_out:
            text += f" Then one more model is trained for each of {run.source.writers} writers."
    else:
        latest = live.latest
        done, _ = _share_done(hyperparameters, latest.epoch, latest.elapsed_s)
        if live.paused_at:
            doing = "paused"
        else:
            left = (
                f", about {_duration(latest.remaining_s)} left"
                if latest.remaining_s is not None
                else ""
            )
            doing = f"{latest.images_per_s:,.0f} images per second{left}"
        text = (
            f"Epoch {latest.epoch:.2f} of {budget} · {doing} · {_duration(latest.elapsed_s)} so "
            f"far · learning rate {latest.learning_rate:.2g}"
        )
    st.progress(math.floor(done / BAR_STEP) * BAR_STEP, title + text)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"


def _share_done(
    hyperparameters: Hyperparameters, epochs: float, seconds: float
) -> tuple[float, str]:
    """How much of the training is done.

    Returns:
        The share, 0 to 1, and the whole, such as "5" (epochs).
    """
    budget = race.Budget.of(hyperparameters)
    shares = {
        "epochs": (epochs / budget.amount, f"{budget.amount}"),
        "seconds": (seconds / budget.amount, f"as many as {budget.amount} s allow"),
        "images": (
            epochs * hyperparameters.train_images / planned_images(hyperparameters),
            f"{planned_images(hyperparameters) / hyperparameters.train_images:.2f} "
            f"({budget.amount:,} images)",
        ),
    }
    done, of = shares[budget.kind]
    return min(1.0, done), of


def _controls(going: Sequence[tuple[Run, Live]]) -> None:
    """The controls of runs in progress of this app; those of a race have them together."""
    learning = [
        (run, live) for run, live in going if live.latest and live.state == RunState.RUNNING
    ]
    stopping = all(live.wanted.stop for _, live in going)
    holding = any(live.wanted.hold_at is not None for _, live in learning)
    if all(live.state == RunState.MEASURING for _, live in going):
        return
    if not all(visitors.me().may_change(run) for run, _ in going):
        st.caption("Somebody else's run: you can watch it, and copy its settings (Export).")
        return
    off = stopping or not learning
    if holding:
        st.button(
            "Resume",
            icon=":material/play_arrow:",
            disabled=off,
            key="train-resume",
            on_click=_control,
            args=[learning],
            kwargs={"hold_at": None},
        )
    else:
        st.button(
            "Pause",
            icon=":material/pause:",
            disabled=off,
            key="train-pause",
            on_click=_control,
            args=[learning],
            kwargs={"hold_at": 0},
        )
    st.button(
        "Step one epoch",
        icon=":material/skip_next:",
        disabled=off,
        key="train-step",
        on_click=_step,
        args=[learning],
    )
    st.button(
        "Stopping …" if stopping else "Stop",
        icon=":material/stop:",
        disabled=stopping,
        key="train-stop",
        on_click=_control,
        args=[going],
        kwargs={"stop": True},
    )
    if learning:
        with st.popover("Learning rate", icon=":material/speed:", key="train-rate"):
            for run, live in learning:
                _learning_rate(run, live)


def _control(going: Sequence[tuple[Run, Live]], **wanted: Any) -> None:
    page.attempt(PROBLEM, visitors.rights().control, [run.id for run, _ in going], **wanted)


def _step(going: Sequence[tuple[Run, Live]]) -> None:
    """Trains to the end of the epoch that has begun, or of the next one if one has just ended."""
    for run, live in going:
        if live.latest:
            _control([(run, live)], hold_at=int(live.latest.epoch) + 1)


def _learning_rate(run: Run, live: Live) -> None:
    rate = live.wanted.learning_rate or run.training.learning_rate
    choice = NETWORKS[run.network].choices()["learning_rate"]
    # Another widget for each rate, so that it also shows what another visitor has chosen.
    key = f"rate-{run.id}-{number(rate)}"
    st.select_slider(
        f"Highest learning rate of the {NETWORKS[run.network].title}",
        sorted({*choice.stops, rate}),
        rate,
        format_func=number,
        key=key,
        on_change=_change_rate,
        args=[run.id, key],
        help="Applies from now on. The schedule continues below this rate, and "
        "the curves mark the change.",
    )


def _change_rate(run_id: str, key: str) -> None:
    page.attempt(PROBLEM, visitors.rights().control, [run_id], learning_rate=st.session_state[key])


def _outcome(run: Run, in_race: bool) -> None:
    """How a run ended, its test accuracy, and what to do with it."""
    if in_race:
        st.markdown(f"**{NETWORKS[run.network].title}**")
    match run.state:
        case RunState.FAILED:
            st.error(page.plain(run.error))
        case RunState.INTERRUPTED:
            st.warning(
                "The app was ended during this run, so the model was not saved. This "
                "is its curve until then."
            )
        case RunState.STOPPED:
            st.info(f"Stopped after {run.epochs:.2f} epochs. The model as of then was saved.")
    if run.readable:
        result = run.measured
        with st.container(horizontal=True):
            st.metric("Test accuracy", f"{result.test_accuracy:.2%}", width="content")
            st.metric("Test loss", f"{result.test_loss:.3f}", width="content")
        st.caption(
            f"{result.parameters:,} parameters · {number(round(result.epochs, 2))} epochs, "
            f"{run.images_seen:,} images in {result.elapsed_s:.1f} s · test accuracy: share of "
            "MNIST's 10,000 test images classified correctly"
        )
    suffix = f"-{run.network}" if in_race else ""
    with st.container(horizontal=True):
        if run.readable and st.button(
            "Try it on Draw", icon=":material/draw:", type="primary", key=f"draw-for{suffix}"
        ):
            selection.select(run)
            st.switch_page("app.py")
        if st.button(
            "Copy its settings",
            icon=":material/tune:",
            key=f"use-run{suffix}",
            on_click=_copy,
            args=[run],
        ):
            st.rerun()
        if not run.imported:
            share.export(run, suffix)
        elif run.readable:
            imported.export(run)


def _copy(run: Run) -> None:
    """Sets the form to what a run was trained with, and from."""
    form.fill(run.training)
    class_digits.follow(run.network, run.source.in_link if run.source else None)


def _test_results(run: Run) -> None:
    """The results of a model on the test set: report, confusion matrix, images."""
    panel = st.expander(
        f"Test results of the {NETWORKS[run.network].title}",
        on_change="rerun",
        key=f"readings-{run.network}",
    )
    if not panel.open:
        return
    with panel:
        report.per_digit([run], f"report-{run.network}")
        report.confusion([run], f"confusion-{run.network}")
        st.markdown("**All test images in their order**")
        report.gallery(np.arange(dataset.TEST_COUNT), [run], f"digits-{run.network}")


def _options() -> tuple[str, bool]:
    """What the curves are drawn over, a key of learning_curves.AXES, and whether the loss has a
    logarithmic scale."""
    axis = st.segmented_control(
        "x axis",
        learning_curves.AXES,
        format_func=lambda name: learning_curves.AXES[name].capitalize(),
        default="epochs",
        required=True,
        key="axis",
        persist_state="session",
        label_visibility="collapsed",
        wrap=True,
    )
    return axis, st.toggle("Log-scale loss", key="log", persist_state="session")


def _charts(drawn: Sequence[Run], curves: Mapping[str, Curve], axis: str, log: bool) -> None:
    """Loss and accuracy over the course of training, side by side where there is room.

    Args:
        drawn: The runs that have points.
        curves: Of each run.
        axis, log: See _options.
    """
    lines = [
        learning_curves.Drawn(
            NETWORKS[run.network].title if run.race else run.label,
            run.network,
            curves[run.id],
            run.values["train_images"],
        )
        for run in drawn
    ]
    of = " and ".join(line.label for line in lines)
    going = [run for run in drawn if run.in_progress]
    quantities = ("loss", "accuracy")
    columns = large_type.columns([1] * len(quantities), CURVE_PX)
    for column, quantity in zip(columns, quantities, strict=True):
        spec = learning_curves.curves(
            lines, quantity, axis, log=log, end=_end(going, axis), live=bool(going)
        )
        with column:
            large_type.chart(spec, key=f"{quantity}-chart", alt=f"{quantity.capitalize()} of {of}")


def _findings(drawn: Sequence[Run], curves: Mapping[str, Curve]) -> None:
    """What the curves show in words, and how to read them."""
    for run in drawn:
        finding = learning_curves.finding(curves[run.id], is_over=not run.in_progress)
        st.markdown(f"**{NETWORKS[run.network].title}**: {finding}" if len(drawn) > 1 else finding)
    counts = [_batches(curves[run.id].batches_per_point, run.values["batch_size"]) for run in drawn]
    st.caption(
        f"Training: a smoothed line over raw points ({' and '.join(dict.fromkeys(counts))}), "
        "measured while learning, with dropout and augmentation if chosen. Validation: all "
        "held-back images at the end of each epoch, without both, so it can look better than "
        "training; the ring marks the best epoch."
    )


def _batches(per_point: int, size: int) -> str:
    """What a raw point of a curve is the mean of."""
    return (
        f"each a batch of {size}"
        if per_point == 1
        else f"each the mean of {per_point} batches of {size}"
    )


def _end(runs: Sequence[Run], axis: str) -> float | None:
    """Where the x-axis ends, if that is known before training has ended; None if only the curves
    show it."""
    budgets = [(run.training, race.Budget.of(run.training)) for run in runs]
    by_axis: dict[str, list[float]] = {
        "epochs": [
            planned_images(hp) / hp.train_images
            for hp, budget in budgets
            if budget.kind != "seconds"
        ],
        "seconds": [budget.amount for _, budget in budgets if budget.kind == "seconds"],
        "images": [planned_images(hp) for hp, budget in budgets if budget.kind != "seconds"],
    }
    return max(by_axis[axis], default=None)
