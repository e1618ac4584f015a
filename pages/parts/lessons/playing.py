"""A slider that plays: a button moves it to its end, one step after another, and stops it."""

import bisect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from pages.parts import page


@dataclass(frozen=True)
class Player:
    """The state of a slider that plays. It lives in the session.

    Attributes:
        key: Of the slider.
        tick_s: The time from one step to the next, in seconds.
    """

    key: str
    tick_s: float

    @property
    def _key(self) -> str:
        """In the session: how far it has come while it plays, else None."""
        return f"{self.key}-played"

    @property
    def is_playing(self) -> bool:
        """Whether it plays now."""
        return st.session_state.get(self._key) is not None

    def go_to(self, value: Any) -> None:
        """Stops at a value of the slider."""
        st.session_state[self.key], st.session_state[self._key] = value, None

    def stop(self) -> None:
        """Stops where it is."""
        st.session_state[self._key] = None

    def fragment(self, draw: Callable[..., None], *arguments: Any) -> None:
        """Draws a part of the page that is redrawn with every step.

        Args:
            draw: Draws it, and calls `choose`.
            arguments: Its arguments.
        """
        was_playing = self.is_playing

        def drawn() -> None:
            # How often a fragment redraws itself is fixed when it is defined.
            if self.is_playing != was_playing:
                st.rerun()
            draw(*arguments)

        st.fragment(page.guarded(drawn), run_every=self.tick_s if was_playing else None)()

    def choose(
        self,
        values: Sequence[Any],
        slider: Callable[[bool], Any],
        on_play: Callable[[], None] | None = None,
    ) -> None:
        """Draws the button beside the slider, after taking the next step if it plays.

        Args:
            values: Of the steps, in order; what the slider says may lie between two of them.
            slider: Draws the slider with the player's key, disabled if its argument says so.
            on_play: What to do before it plays.
        """
        played = st.session_state.get(self._key)
        if played is not None:
            following = bisect.bisect(values, played)
            if following == len(values):
                self.go_to(values[-1])
                st.rerun()
            # The browser may still send the slider's position of before.
            st.session_state[self.key] = st.session_state[self._key] = values[following]
        with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
            if played is not None:
                st.button(
                    "Stop",
                    icon=":material/stop:",
                    on_click=self.go_to,
                    args=[st.session_state[self.key]],
                    key=f"{self.key}-stop",
                )
            else:
                st.button(
                    "Play",
                    icon=":material/play_arrow:",
                    type="primary",
                    on_click=self._play,
                    args=[values, on_play],
                    key=f"{self.key}-play",
                )
            slider(played is not None)

    def _play(self, values: Sequence[Any], on_play: Callable[[], None] | None) -> None:
        """Starts from the value that is shown, or from the first if that is the last."""
        if on_play:
            on_play()
        shown = st.session_state[self.key]
        st.session_state[self._key] = values[0] if shown >= values[-1] else shown
