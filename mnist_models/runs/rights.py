"""Who may change what: every change that a visitor makes to runs goes through here.

Anybody may look at all runs, predict with them, compare them and copy their settings. A run is
changed only by the visitor who started or imported it, or by a teacher.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mnist_models.errors import UnavailableError
from mnist_models.limits import LimitError, limits
from mnist_models.runs.store import RunStore
from mnist_models.runs.tables import Run
from mnist_models.settings.hyperparameters import Hyperparameters
from mnist_models.training.material import Material
from mnist_models.training.progress import planned_images

if TYPE_CHECKING:  # importing it imports Dask
    from mnist_models.runs.engine import Engine

# In the environment: what makes a teacher of whoever gives it.
TEACHER_PASSWORD = "TEACHER_PASSWORD"
# So many wrong passwords may come from one address within so many seconds.
ATTEMPTS, ATTEMPTS_S = 10, 60
NOT_KNOWN = (
    "Your browser has not said yet who you are: wait a moment and try again, or reload the page."
)
SECRET = re.compile(r"[0-9a-f]{32,128}")


class NotAllowedError(UnavailableError):
    """A visitor may not do this. Its text is a sentence for users."""


@dataclass(frozen=True)
class Visitor:
    """Who uses the app, without an account.

    Attributes:
        id: What is kept of the secret of the visitor's device, see `visitor_id`; None as long as
            the device has not told it.
        is_teacher: Whether everything may be done.
    """

    id: str | None = None
    is_teacher: bool = False

    @property
    def is_known(self) -> bool:
        """Whether what this visitor starts can be kept as theirs."""
        return self.is_teacher or self.id is not None

    def owns(self, run: Run) -> bool:
        """Whether it is this visitor's run. Those of versions that did not know visitors, and of
        the command line, are the teacher's."""
        return self.is_teacher if run.visitor is None else run.visitor == self.id

    def may_change(self, run: Run) -> bool:
        return self.is_teacher or self.owns(run)


def visitor_id(secret: str) -> str | None:
    """What the store keeps of a device's secret, from which it cannot be told: 32 hexadecimal
    digits of its SHA-256. None where no device of ours has made it."""
    if not SECRET.fullmatch(secret):
        return None
    return hashlib.sha256(b"mnist-models visitor " + secret.encode()).hexdigest()[:32]


class Teachers:
    """Who has given the teacher's password. One for all visitors; safe to use from several
    threads."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._attempts: dict[str | None, deque[float]] = {}
        self._lock = threading.Lock()

    def __contains__(self, visitor: str | None) -> bool:
        return visitor in self._known

    def admit(self, visitor: str | None, password: str, address: str | None) -> None:
        """Makes a teacher of a visitor who knows the password.

        Args:
            visitor: See Visitor.
            password: What they gave. It is not kept.
            address: From where, so that attempts can be counted; None for this machine.

        Raises:
            NotAllowedError: It is another one, or there were too many attempts, or the device has
                not told who it is.
        """
        with self._lock:
            attempts = self._attempts.setdefault(address, deque())
            now = time.monotonic()
            while attempts and now - attempts[0] > ATTEMPTS_S:
                attempts.popleft()
            if len(attempts) >= ATTEMPTS:
                raise NotAllowedError(
                    f"There were {ATTEMPTS} wrong passwords within a minute: wait a minute, then "
                    "try again."
                )
            wanted = os.environ.get(TEACHER_PASSWORD, "")
            # Of the same length, so that the time it takes to compare them says nothing.
            given, right = (hashlib.sha256(text.encode()).digest() for text in (password, wanted))
            if not wanted or not hmac.compare_digest(given, right):
                attempts.append(now)
                raise NotAllowedError("That is not the teacher's password: try again.")
            if visitor is None:
                raise NotAllowedError(
                    "Your browser keeps nothing for this page, so it cannot be recognised: allow "
                    "it to store data, and reload the page."
                )
            self._known.add(visitor)


class Rights:
    """What one visitor may do with runs. Each method raises NotAllowedError where this visitor may
    not, LimitError where it is more than one may have, UnknownRunError and StoreError as the store
    does; then nothing has changed."""

    def __init__(self, visitor: Visitor, store: RunStore, engine: Callable[[], Engine]) -> None:
        """Remembers who it is.

        Args:
            engine: Gives the engine, once it is needed.
        """
        self.visitor, self._store, self._engine = visitor, store, engine

    def start(
        self,
        hyperparameters: Hyperparameters,
        name: str | None = None,
        material: Material | None = None,
    ) -> str:
        """See Engine.start."""
        self._may_start([hyperparameters], material.trainings if material else 1)
        return self._engine().start(hyperparameters, name, self.visitor.id, material)

    def race(self, entrants: Iterable[Hyperparameters], name: str | None = None) -> list[str]:
        """See Engine.race."""
        entrants = list(entrants)
        self._may_start(entrants)
        return self._engine().race(entrants, name, self.visitor.id)

    def control(self, run_ids: Iterable[str], **wanted: Any) -> None:
        """See Engine.control; all of the runs, or none."""
        run_ids = list(run_ids)
        self._must_own(run_ids, "control")
        for run_id in run_ids:
            self._engine().control(run_id, **wanted)

    def stop_all(self) -> None:
        """Stops everybody's trainings; a teacher only."""
        must_be_teacher(self.visitor, "stop all trainings")
        for run in self._store.runs():
            if run.in_progress:
                self._engine().control(run.id, stop=True)

    def rename(self, run_id: str, name: str) -> None:
        """See RunStore.rename."""
        self._must_own([run_id], "rename")
        self._store.rename(run_id, name)

    def delete(self, run_ids: Iterable[str]) -> None:
        """See RunStore.delete."""
        run_ids = list(run_ids)
        self._must_own(run_ids, "delete")
        self._store.delete(run_ids)

    def deleted(self) -> list[Run]:
        """The runs that this visitor can bring back, see RunStore.deleted."""
        return [run for run in self._store.deleted() if self.visitor.may_change(run)]

    def restore(self, run_ids: Iterable[str]) -> None:
        """Brings back those of the runs that this visitor can, see RunStore.restore."""
        mine = {run.id for run in self.deleted()}
        self._store.restore(run_id for run_id in run_ids if run_id in mine)

    def may_feed_by_hand(self, run_id: str) -> None:
        """Asks for nothing, and raises if this visitor may not have the run fed otherwise."""
        self._must_own([run_id], "change")

    def may_import(self, content: bytes) -> None:
        """Asks for nothing, and raises if this visitor may not import one more file."""
        if self.visitor.is_teacher:
            return
        self._must_be_known()
        most = limits()
        if len(content) > most.upload_mb * 1e6:
            raise LimitError(
                f"The file has {len(content) / 1e6:,.0f} MB, and {most.upload_mb:,} MB are "
                "allowed: save the model without its optimizer, or a smaller one."
            )
        # What was trained here has a process that looked after it.
        kept = [run for run in self._store.runs() if self.visitor.owns(run) and not run.owner]
        if len(kept) >= most.models_imported:
            raise LimitError(
                f"You have imported {len(kept)} runs and models, and {most.models_imported} can be "
                "kept: delete one on the Compare page first."
            )

    def delete_checkpoints(self) -> None:
        """See RunStore.delete_checkpoints; a teacher only."""
        must_be_teacher(self.visitor, "delete the stored epochs of all runs")
        self._store.delete_checkpoints()

    def _may_start(self, entrants: list[Hyperparameters], trainings: int = 1) -> None:
        if self.visitor.is_teacher:
            return
        self._must_be_known()
        most = limits()
        for hyperparameters in entrants:
            images = trainings * planned_images(hyperparameters)
            if images != float("inf") and images > most.images_per_run:
                models = f" times {trainings} models" if trainings > 1 else ""
                raise LimitError(
                    f"This run would learn from {images:,.0f} images (epochs times training images"
                    f"{models}), and one run may learn from {most.images_per_run:,}, so that "
                    "others get their turn: choose fewer epochs or fewer training images."
                )
        waiting = self._engine().waiting(self.visitor.id)
        if waiting >= most.runs_waiting:
            raise LimitError(
                f"{waiting} of your runs are waiting already, and {most.runs_waiting} may: start "
                "this one when one of them has begun, or stop one."
            )

    def _must_own(self, run_ids: Iterable[str], what: str) -> None:
        for run_id in run_ids:
            run = self._store.run(run_id)
            # The store says itself that what comes with the app stays as it is.
            if not run.is_pretrained and not self.visitor.may_change(run):
                raise NotAllowedError(
                    f"{run.label} is somebody else's run: only who started it, or a teacher, can "
                    f"{what} it. You can look at it, predict with it and copy its settings."
                )

    def _must_be_known(self) -> None:
        """What nobody owns, nobody could stop or delete."""
        if not self.visitor.is_known:
            raise NotAllowedError(NOT_KNOWN)


def must_be_teacher(visitor: Visitor, what: str) -> None:
    """Raises NotAllowedError for anybody else.

    Args:
        what: A teacher alone can, such as "begin a collection".
    """
    if not visitor.is_teacher:
        raise NotAllowedError(f"Only a teacher can {what}.")
