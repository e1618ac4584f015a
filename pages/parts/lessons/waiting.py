"""Results that take longer than a click should: a bar shows their progress, and the work ends when
the visitor leaves."""

from collections.abc import Callable, Mapping
from typing import Any

import streamlit as st

from mnist_models.explain.slices import Sliced
from pages.parts import page

# A slice is short, so that other visitors get their turn; a turn is longer, so that this visitor
# can use the rest of the page meanwhile.
SLICE_S = 0.3
TURN_S = 0.4


def until_over(
    works: Mapping[str, Sliced],
    doing: str,
    show: Callable[[dict[str, Any]], None],
    meanwhile: Callable[[], None] | None = None,
) -> None:
    """Shows results as soon as they are there, and until then a progress bar.

    Args:
        works: The work to be done, by any names; without any, nothing is shown.
        doing: The text of the progress bar.
        show: Draws the results, by the same names.
        meanwhile: Draws what is known so far, before the first slice of work; by default nothing
            is drawn until the work is done.
    """
    if not works:
        return
    if not meanwhile:
        go_on(works)
    is_over = all_over(works)
    # How often a fragment redraws itself is fixed when it is defined.
    st.fragment(_turn, run_every=None if is_over else TURN_S)(
        works, doing, show, meanwhile, is_over
    )


@page.guarded
def _turn(
    works: Mapping[str, Sliced],
    doing: str,
    show: Callable[[dict[str, Any]], None],
    meanwhile: Callable[[], None] | None,
    was_over: bool,
) -> None:
    if was_over:
        show({name: work.result for name, work in works.items()})
        return
    if meanwhile:
        meanwhile()
    st.progress(share(works), doing)
    go_on(works)  # last, so that the browser draws the rest in the meantime
    if all_over(works):
        st.rerun()  # the whole page: nothing needs to be redrawn again and again any more


def go_on(works: Mapping[str, Sliced]) -> None:
    """Gives a slice of time to all work that is not done, in equal parts."""
    unfinished = [work for work in works.values() if not work.is_over]
    for work in unfinished:
        work.go_on(SLICE_S / len(unfinished))


def share(works: Mapping[str, Sliced]) -> float:
    """How much of the work is done, 0 to 1."""
    return sum(work.share for work in works.values()) / max(len(works), 1)


def all_over(works: Mapping[str, Sliced]) -> bool:
    """Whether all of the work is done."""
    return all(work.is_over for work in works.values())
