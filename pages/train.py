"""Train: choose hyperparameters, train a model or race both, watch them learn."""

from dataclasses import dataclass, field

import streamlit as st

from mnist_models.errors import UnavailableError
from mnist_models.runs.tables import NAME_CHARACTERS, StoreError
from mnist_models.settings.hyperparameters import NETWORKS
from pages.parts import large_type, page, selection, visitors
from pages.parts.train import bets, form, images, network, projector, share, watch

# In large type, the smallest width of a column of the form.
FORM_PX = 230
NAME = "run-name"
# In the session: the press of the button that is being answered.
PRESS = "train-press"


@dataclass
class Press:
    """One press of the button that starts. It is told once, and what a device says of itself, a
    moment after a page has opened, ends a redrawing anywhere: what is kept here is done once."""

    run_ids: list[str] = field(default_factory=list)


@page.guarded
def main() -> None:
    """The page."""
    alone, has_come = projector.begin(share.SCRIPT)
    if not alone:
        st.header("Train a model")
    share.follow_link(has_come)
    try:
        listed = watch.entries()
    except StoreError as error:
        st.error(page.plain(error))
        listed = {}
    run_id = watch.follow_address(listed)
    if alone:
        projector.leave()
        if run_id:
            watch.draw(listed[run_id], alone=True)
        return
    choose_and_start(watch.told(listed[run_id]) if run_id and watch.is_chosen() else None)
    if listed:
        watch.choose(listed, run_id)
    if run_id:
        watch.draw(listed[run_id], alone=False)
    share.import_run(show_imported)
    st.caption("Training goes on when you leave this page.")
    visitors.know()


def show_imported(run_id: str) -> None:
    """Watches an imported run at once."""
    watch.show(run_id)
    st.rerun()


@st.fragment
@page.guarded
def choose_and_start(watched: str | None) -> None:
    """The button that starts, the form, and the network that it describes. A fragment: moving a
    slider redraws this and nothing else.

    Args:
        watched: What is being trained, if the visitor watches that instead.
    """
    chosen = form.read()
    from_file = chosen.learning.file_start if chosen.learning else None
    with form.panel(f"**Settings** · watching: {watched}" if watched else "**Settings**"):
        start_row = st.container(horizontal=True, vertical_alignment="bottom")
        left, right = large_type.columns([1, 1.1], FORM_PX)
    with right:
        if chosen.problems:
            st.error(" ".join(problem.sentence for problem in chosen.problems))
        elif chosen.is_race:
            network.count_both(chosen.entrants)
        elif from_file:
            network.show_from_file(from_file)
        else:
            network.count(*chosen.entrants.values())
    with start_row:
        start(chosen)
    with right:
        if chosen.is_race and not chosen.problems:
            network.show_both(chosen.entrants)
        elif not chosen.problems and not from_file:
            network.show(*chosen.entrants.values())
    with left:
        form.draw(chosen)
    share.keep_address(chosen)
    with right:
        if chosen.entrants:
            share.settings(chosen)
            source = chosen.learning.material.source if chosen.learning else None
            images.show_samples(next(iter(chosen.entrants.values())), source)
    if press := st.session_state.get(PRESS):
        begin(chosen, press)


def start(chosen: form.Form) -> None:
    """What is trained, the bet on a race, the name, and the button that starts.

    Args:
        chosen: The form.
    """
    if st.session_state.pop("run-has-begun", False):  # the next one has a name and a bet of its own
        st.session_state[NAME], st.session_state[bets.BET] = "", None
    form.choose_kind()
    if chosen.is_race:
        bets.place()
    st.text_input(
        "Name of the run",
        placeholder="optional",
        max_chars=NAME_CHARACTERS,
        key=NAME,
        persist_state="session",
    )
    label = (
        "Race both"
        if chosen.is_race
        else f"Train this {NETWORKS[st.session_state['network']].title}"
    )
    st.button(
        label,
        type="primary",
        icon=":material/flag:" if chosen.is_race else ":material/play_arrow:",
        # Until the device has said whose run it will be, which takes a moment.
        disabled=not chosen.entrants or not visitors.me().is_known,
        key="train-start",
        on_click=_press,
    )


def _press() -> None:
    st.session_state[PRESS] = Press()


def begin(chosen: form.Form, press: Press) -> None:
    """Starts what was chosen, once, and shows it.

    Args:
        chosen: The form.
        press: What this answers.
    """
    name = st.session_state[NAME].strip() or None
    rights = visitors.rights()
    try:
        if press.run_ids:
            pass  # The redrawing that started them was ended before it could show them.
        elif chosen.is_race:
            press.run_ids = rights.race(chosen.entrants.values(), name)
        else:
            (hyperparameters,) = chosen.entrants.values()
            material = chosen.learning.loaded() if chosen.learning else None
            press.run_ids = [rights.start(hyperparameters, name, material)]
    except UnavailableError as error:
        del st.session_state[PRESS]
        st.error(page.plain(error))
        return
    first = press.run_ids[0]
    selection.select_when_finished(dict(zip(chosen.entrants, press.run_ids, strict=True)))
    if chosen.is_race:
        bets.keep(first, st.session_state[bets.BET])
    watch.show(first)
    st.session_state["run-has-begun"] = True
    del st.session_state[PRESS]
    st.rerun()


main()
