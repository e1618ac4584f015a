"""A bet on who wins a race: placed before the start, kept beside the race, compared with its
outcome."""

import streamlit as st

from mnist_models.runs import race

# The widget, and the name in the address, where a reload finds the bet again.
BET = "bet"
# In the session: the bet on each race, by the id of its first run.
KEPT = "bets"


def place() -> None:
    """Asks who will win the race that is about to start."""
    st.segmented_control(
        "Who will win?",
        race.BETS,
        format_func=race.BETS.__getitem__,
        key=BET,
        persist_state="session",
        wrap=True,
    )


def keep(run_id: str, bet: str | None) -> None:
    """Keeps a bet, if there is one, on the race with this first run."""
    if bet in race.BETS:
        st.session_state.setdefault(KEPT, {})[run_id] = bet


def on(run_id: str) -> str | None:
    """The bet on the race with this first run, if there is one."""
    return st.session_state.get(KEPT, {}).get(run_id)
