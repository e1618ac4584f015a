"""How TensorFlow and Keras are imported: with a sentence where this machine cannot, and without
TensorFlow's notes about the processor.

The notes go to the process's standard error, past Python, whatever TensorFlow's log level. While
the import runs, a small process of its own reads standard error and passes on all that others
write there at once. The notes are held back; they appear after all when the import fails, even
when it takes this process down with it.
"""

import os
import platform
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import psutil

from mnist_models.errors import UnavailableError

# TensorFlow's packages for x86 processors use AVX in every function; without it they crash.
CPU_INFO = Path("/proc/cpuinfo")
# A container's limit, where there is one: cgroup version 2.
MEMORY_LIMIT, MEMORY_USED = (
    Path("/sys/fs/cgroup", name) for name in ("memory.max", "memory.current")
)
# What importing TensorFlow and classifying one image take, measured, rounded down: the machine may
# still swap something out.
LEAST_MEMORY_MB = 400

# Each note: a line of TensorFlow's own logger, or one that belongs to such a line.
_NOTE = (
    rb"(I|W|E)\d{4} [\d:.]+ +\d+ \S+\.cc:\d+\] "
    rb"|WARNING: All log messages before absl::InitializeLog"
    rb"|To enable the following instructions: "
)
_DONE = b"\0imported\n"
_FILTER = f"""
import re, sys
note, held = re.compile({_NOTE!r}), []
out = sys.stderr.buffer
for line in sys.stdin.buffer:
    if line.endswith({_DONE!r}):
        line, held = line.removesuffix({_DONE!r}), []
    elif note.match(line):
        held.append(line)
        continue
    out.write(line)
    out.flush()
out.writelines(held)
out.flush()
"""


class TensorFlowError(UnavailableError):
    """TensorFlow cannot be used on this machine."""


def load() -> None:
    """Imports TensorFlow and Keras, seconds of work. Programs call this once, before anything that
    needs them; a second call returns at once.

    Raises:
        TensorFlowError: The machine cannot, or the installation is broken.
    """
    if problem := machine_problem():
        raise TensorFlowError(problem)
    # TensorFlow reads this while it is imported; without it, it warns of graphics cards.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    if "keras" in sys.modules:
        return
    with _without_notes():
        try:
            import keras

            keras.ops.zeros(1)  # the last notes come with the first operation
        except Exception as error:  # a broken installation raises nearly anything
            raise TensorFlowError(
                f"TensorFlow cannot be imported ({type(error).__name__}: {_first_line(error)}). "
                "Install the requirements again, in a fresh environment, and restart the app."
            ) from error


def machine_problem() -> str | None:
    """Why TensorFlow cannot work on this machine, a sentence; None where nothing is known."""
    is_x86 = platform.machine().lower() in ("x86_64", "amd64")
    if is_x86 and CPU_INFO.exists() and "avx" not in CPU_INFO.read_text().split():
        return (
            "This machine's processor has no AVX instructions, which TensorFlow needs. Run the "
            "app on a computer built after 2012, or give a virtual machine the host's processor."
        )
    if (free_mb := free_memory_mb()) < LEAST_MEMORY_MB:
        return (
            f"Only {free_mb:,.0f} MB of memory are free, and TensorFlow needs about "
            f"{LEAST_MEMORY_MB} MB to start. Close other programs, or give the container more "
            "memory, and restart the app."
        )
    return None


def free_memory_mb() -> float:
    """The memory that this process can still get, swap included, within its container's limit."""
    free = psutil.virtual_memory().available + psutil.swap_memory().free
    with suppress(OSError, ValueError):  # no container, or one without a limit ("max")
        free = min(free, int(MEMORY_LIMIT.read_text()) - int(MEMORY_USED.read_text()))
    return free / 1e6


@contextmanager
def _without_notes() -> Iterator[None]:
    """Sends standard error through the filter meanwhile."""
    sys.stderr.flush()
    passing = subprocess.Popen([sys.executable, "-S", "-c", _FILTER], stdin=subprocess.PIPE)
    assert passing.stdin
    kept = os.dup(2)
    os.dup2(passing.stdin.fileno(), 2)
    try:
        yield
        sys.stderr.flush()
        os.write(2, _DONE)
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        passing.stdin.close()
        # It ends when nobody can write to it any more; a process that another thread started
        # meanwhile still can.
        threading.Thread(target=passing.wait, name="wait for the filter", daemon=True).start()


def _first_line(error: BaseException) -> str:
    return (str(error).strip().splitlines() or ["no reason given"])[0]
