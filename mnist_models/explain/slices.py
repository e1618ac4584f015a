"""Work that is done a slice at a time, by those who wait for its result: when nobody does, it
rests."""

import threading
import time
from collections.abc import Callable, Generator
from typing import Generic, TypeVar

Result = TypeVar("Result")


class Sliced(Generic[Result]):
    """Work that several may wait for and that is done once.

    Attributes:
        share: How much of it is done, 0 to 1.
        result: What came of it; None until it is over.
        is_over: Whether it is.
    """

    def __init__(
        self, begin: Callable[[], Generator[float, None, Result]], known: Result | None = None
    ) -> None:
        """Prepares the work; nothing is done yet.

        Args:
            begin: Called when the first slice is done; what it returns yields after each step what
                share of the work is done, and returns the result. A step should take less than a
                slice does. Work that failed begins again with the next slice.
            known: The result, where the work was done before.
        """
        self._begin, self._lock = begin, threading.Lock()
        self._steps: Generator[float, None, Result] | None = None
        self.result, self.is_over = known, known is not None
        self.share = float(self.is_over)

    def go_on(self, seconds: float) -> None:
        """Works for about this long, at least one step. Those who come while another one works at
        it leave it to them."""
        if not self._lock.acquire(blocking=False):
            return
        deadline = time.monotonic() + seconds
        try:
            if self.is_over:
                return
            steps = self._steps = self._steps or self._begin()
            while True:
                self.share = next(steps)
                if time.monotonic() >= deadline:
                    break
        except StopIteration as end:
            self.share, self.result, self.is_over = 1.0, end.value, True
            self._steps = None  # and with it all that the work needed
        except BaseException:
            self._steps, self.share = None, 0.0
            raise
        finally:
            self._lock.release()
