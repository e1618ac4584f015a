"""The store of all runs: hyperparameters, learning curves, test accuracy, weights, predictions and
robustness curves; and the pretrained models.

Every write is one transaction of the database, see database.
"""

import secrets
import socket
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import psutil
from sqlalchemy import (
    delete,
    func,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from mnist_models.handwriting.collection import Collection
from mnist_models.handwriting.exports import from_npz, to_npz
from mnist_models.models.predictions import Predictions, PredictionsError
from mnist_models.runs import pretrained
from mnist_models.runs.database import Database
from mnist_models.runs.tables import (
    IMPORTED,
    IN_PROGRESS,
    READABLE,
    CheckpointRow,
    ClassDigitsRow,
    CurveRow,
    PredictionsRow,
    RobustnessCurveRow,
    Run,
    RunState,
    StoreError,
    UnknownRunError,
    WeightsRow,
    clean_name,
)
from mnist_models.settings.hyperparameters import NETWORKS, Hyperparameters
from mnist_models.training.checkpoints import MOST_BYTES_OF_ALL, Checkpoint
from mnist_models.training.material import Material, Result, Source, tested_on
from mnist_models.training.progress import Curve, Measured, Trained

# The time at which a process was started is taken from a clock that may be set while it runs.
CLOCK_STEP_S = 60
# So long a deleted run can be brought back.
UNDO_FOR = timedelta(days=1)


def _new_run(hyperparameters: Hyperparameters, name: str, state: RunState, **more: Any) -> Run:
    return Run(
        id=secrets.token_hex(4),
        name=clean_name(name) or hyperparameters.title,
        network=hyperparameters.network,
        values=hyperparameters.model_dump(mode="json"),
        state=state,
        created_at=datetime.now(UTC),
        **more,
    )


def _this_process() -> str:
    process = psutil.Process()
    return f"{socket.gethostname()} {process.pid} {process.create_time()}"


def _is_gone(owner: str, one_machine: bool) -> bool:
    """Whether the process that looked after a run has ended. One on another machine gets the
    benefit of the doubt, unless the store is of one machine, which then had another name at that
    time."""
    host, pid, created = owner.rsplit(" ", 2)
    if host != socket.gethostname():
        return one_machine
    try:
        return abs(psutil.Process(int(pid)).create_time() - float(created)) > CLOCK_STEP_S
    except psutil.NoSuchProcess:
        return True


class RunStore:
    """All runs. Safe to use from several threads; several processes may share one database."""

    def __init__(self, url: str | None = None) -> None:
        """Remembers where the store is.

        Args:
            url: See Database. It is opened when first needed, so that the pretrained models can be
                had without one.
        """
        self.database = Database(url)
        self._session = self.database.transaction
        self._pretrained = {
            run_id: Run(state=RunState.FINISHED, **facts)
            for run_id, facts in pretrained.facts().items()
        }

    def create(
        self,
        hyperparameters: Hyperparameters,
        name: str | None = None,
        visitor: str | None = None,
        material: Material | None = None,
    ) -> Run:
        """A new run of this process, waiting to be trained.

        Args:
            name: That of its network when None.
            visitor: Who wants it, see tables.Run.
            material: The digits of a class that it is to learn from, which are kept with it.
        """
        (run,) = self._create([hyperparameters], name, visitor, None, material)
        return run

    def create_race(
        self,
        entrants: Iterable[Hyperparameters],
        name: str | None = None,
        visitor: str | None = None,
    ) -> list[Run]:
        """New runs of this process that are to race each other; all or none. See `create`."""
        return self._create(entrants, name, visitor, secrets.token_hex(4))

    def _create(
        self,
        entrants: Iterable[Hyperparameters],
        name: str | None,
        visitor: str | None,
        race: str | None,
        material: Material | None = None,
    ) -> list[Run]:
        runs = [
            _new_run(
                hyperparameters,
                name or "",
                RunState.QUEUED,
                owner=_this_process(),
                visitor=visitor,
                race=race,
                learned_from=material.source.model_dump() if material else None,
            )
            for hyperparameters in entrants
        ]
        if material and material.start and material.card:
            (run,) = runs
            run.values = run.values | {IMPORTED: material.card}
            # Hyperparameters do not tell them, and they stay as they are.
            run.parameters = self.run(material.start.run_id).parameters
        with self._session() as session:
            session.add_all(runs)
            if material:
                session.flush()  # the rows that refer to it come after
                digits = to_npz(material.digits, material.is_held_out)
                session.add_all(ClassDigitsRow(run_id=run.id, digits=digits) for run in runs)
        return runs

    def add(
        self,
        hyperparameters: Hyperparameters,
        name: str,
        trained: Trained,
        visitor: str | None = None,
        source: Source | None = None,
    ) -> Run:
        """A run that was trained elsewhere, with all that it left behind, or nothing of it.

        Args:
            source: Which class's digits it learned from there; they themselves are not here.
        """
        learned_from = source.model_dump() if source else None
        (run,) = self._add([(hyperparameters, name, trained)], visitor, None, learned_from)
        return run

    def add_imported(
        self,
        network: str,
        name: str,
        card: dict[str, Any],
        file: bytes,
        measured: Measured,
        predictions: Predictions,
        visitor: str | None = None,
        source: Source | None = None,
    ) -> Run:
        """A network that was trained elsewhere, or nothing of it.

        Args:
            network: Which kind it is nearest to, a key of NETWORKS.
            card, file: See imported.card_of and archive.packed.
            predictions: What it reads in the 10,000 test images.
            source: Which class's digits it learned from there.
        """
        run = Run(
            id=secrets.token_hex(4),
            name=clean_name(name) or NETWORKS[network].title,
            network=network,
            values={IMPORTED: card},
            state=RunState.FINISHED,
            created_at=datetime.now(UTC),
            visitor=visitor,
            learned_from=source.model_dump() if source else None,
            **measured._asdict(),
        )
        with self._session() as session:
            session.add(run)
            session.flush()  # the rows that refer to it come after
            session.merge(WeightsRow(run_id=run.id, weights=file))
            session.merge(PredictionsRow(run_id=run.id, predictions=predictions.pack()))
        return run

    def change_imported(
        self, run_id: str, card: dict[str, Any], measured: Measured, predictions: Predictions
    ) -> None:
        """Keeps that such a network is fed otherwise, with what it reads then; see `add_imported`.

        Raises:
            UnknownRunError: There is no such run.
        """
        with self._session() as session:
            run = self._get(session, run_id)
            run.values = run.values | {IMPORTED: card}
            for name, value in measured._asdict().items():
                setattr(run, name, value)
            session.merge(PredictionsRow(run_id=run_id, predictions=predictions.pack()))

    def add_race(
        self, trainings: Iterable[tuple[Hyperparameters, str, Trained]], visitor: str | None = None
    ) -> list[Run]:
        """The runs of a race that was held elsewhere, each with its hyperparameters, its name and
        all that it left behind; or nothing of them."""
        return self._add(trainings, visitor, secrets.token_hex(4))

    def _add(
        self,
        trainings: Iterable[tuple[Hyperparameters, str, Trained]],
        visitor: str | None,
        race: str | None,
        learned_from: dict[str, Any] | None = None,
    ) -> list[Run]:
        runs = []
        with self._session() as session:
            for hyperparameters, name, trained in trainings:
                run = _new_run(
                    hyperparameters,
                    name,
                    RunState.FINISHED,
                    visitor=visitor,
                    race=race,
                    learned_from=learned_from,
                )
                session.add(run)
                session.flush()  # the rows that refer to it come after
                self._keep(session, run, trained)
                runs.append(run)
        return runs

    def set_state(self, run_id: str, state: RunState, error: str | None = None) -> None:
        """Where the run stands now;

        Args:
            error: Why it failed, a sentence.
        """
        with self._session() as session:
            run = self._get(session, run_id)
            run.state, run.error = state, error

    def save_curve(self, run_id: str, curve: Curve) -> None:
        """The curve so far."""
        with self._session() as session:
            session.merge(CurveRow(run_id=run_id, curve=curve.model_dump(mode="json")))

    def finish(self, run_id: str, trained: Trained) -> None:
        """Keeps all that a finished or stopped run leaves behind."""
        with self._session() as session:
            self._keep(session, self._get(session, run_id), trained)

    def _keep(self, session: Session, run: Run, trained: Trained) -> None:
        run.state = RunState.STOPPED if trained.stopped else RunState.FINISHED
        for name, value in trained.measures.items():
            setattr(run, name, value)
        if trained.card:
            run.values = run.values | {IMPORTED: trained.card}
        session.merge(CurveRow(run_id=run.id, curve=trained.curve.model_dump(mode="json")))
        session.merge(WeightsRow(run_id=run.id, weights=trained.weights))
        session.merge(PredictionsRow(run_id=run.id, predictions=trained.predictions.pack()))
        if trained.class_result:
            before, after = trained.class_result
            session.execute(
                update(ClassDigitsRow)
                .where(ClassDigitsRow.run_id == run.id)
                .values(
                    before=before if before is None else before.tobytes(), after=after.tobytes()
                )
            )
        for epoch, weights in trained.checkpoints:
            session.merge(
                CheckpointRow(run_id=run.id, epoch=epoch, byte_count=len(weights), weights=weights)
            )
        session.flush()
        self._make_room(session)

    def _make_room(self, session: Session) -> None:
        """Deletes the checkpoints of the oldest runs while those of all take more of the disk than
        they may."""
        sizes = (
            select(Run.id, func.sum(CheckpointRow.byte_count))
            .join(CheckpointRow)
            .group_by(Run.id)
            .order_by(Run.created_at.desc())
        )
        taken = 0
        for run_id, size in session.execute(sizes).all():
            taken += size
            if taken > MOST_BYTES_OF_ALL:
                session.execute(delete(CheckpointRow).where(CheckpointRow.run_id == run_id))

    def checkpoints(self, run_id: str) -> list[Checkpoint]:
        """A run's network after earlier epochs, in their order; none where they were not kept.

        Raises:
            UnknownRunError: There is no such run.
        """
        self.run(run_id)
        if run_id in self._pretrained:
            return pretrained.checkpoints(run_id)
        with self._session() as session:
            rows = session.scalars(
                select(CheckpointRow)
                .where(CheckpointRow.run_id == run_id)
                .order_by(CheckpointRow.epoch)
            )
            return [Checkpoint(row.epoch, row.weights) for row in rows]

    def checkpoint_bytes(self) -> int:
        """How much of the disk the checkpoints of all runs take."""
        with self._session() as session:
            total = select(func.coalesce(func.sum(CheckpointRow.byte_count), 0))
            return session.scalars(total).one()

    def delete_checkpoints(self) -> None:
        """Deletes the checkpoints of all runs, for good; the runs stay as they are."""
        with self._session() as session:
            session.execute(delete(CheckpointRow))

    def rename(self, run_id: str, name: str) -> None:
        """Gives a run another name. Raises UnknownRunError, StoreError for a pretrained model and
        a name without letters."""
        self._must_be_ours(run_id)
        if not (cleaned := clean_name(name)):
            raise StoreError(
                "A run needs a name: write one, or leave the one it has. Nothing was renamed."
            )
        with self._session() as session:
            self._get(session, run_id).name = cleaned

    def delete(self, run_ids: Iterable[str]) -> None:
        """Deletes runs, all or none; `restore` brings them back within a day. Raises
        UnknownRunError, and StoreError for runs in progress and the networks that ship."""
        with self._session() as session:
            for run_id in dict.fromkeys(run_ids):
                self._must_be_ours(run_id)
                run = self._get(session, run_id)
                if run.in_progress:
                    raise StoreError(
                        f"{run.label} is still being trained: stop it first, then delete it."
                    )
                run.deleted_at = datetime.now(UTC)

    def restore(self, run_ids: Iterable[str]) -> None:
        """Brings deleted runs back, those that are still kept."""
        with self._session() as session:
            session.execute(update(Run).where(Run.id.in_(list(run_ids))).values(deleted_at=None))

    def deleted(self) -> list[Run]:
        """The runs that were deleted and can be brought back, the last one first."""
        query = (
            select(Run)
            .where(Run.deleted_at >= datetime.now(UTC) - UNDO_FOR)
            .order_by(Run.deleted_at.desc())
        )
        with self._session() as session:
            return list(session.scalars(query))

    def purge(self) -> None:
        """Forgets runs that were deleted more than a day ago."""
        with self._session() as session:
            gone = list(
                session.scalars(select(Run.id).where(Run.deleted_at < datetime.now(UTC) - UNDO_FOR))
            )
            for table in (
                CurveRow,
                WeightsRow,
                PredictionsRow,
                CheckpointRow,
                ClassDigitsRow,
                RobustnessCurveRow,
            ):
                session.execute(delete(table).where(table.run_id.in_(gone)))
            session.execute(delete(Run).where(Run.id.in_(gone)))

    def _must_be_ours(self, run_id: str) -> None:
        if run_id in self._pretrained:
            raise StoreError(
                f"{self._pretrained[run_id].label} comes with the app and stays as it is; choose a "
                "run of yours."
            )

    def interrupt_orphans(self) -> None:
        """Marks runs as interrupted whose process has ended before they did."""
        with self._session() as session:
            for run in session.scalars(select(Run).where(Run.state.in_(IN_PROGRESS))):
                if not run.owner or _is_gone(run.owner, self.database.is_sqlite):
                    run.state = RunState.INTERRUPTED

    def run(self, run_id: str) -> Run:
        """The run, trained here or pretrained, with this id.

        Raises:
            UnknownRunError: There is no such run.
        """
        if run_id in self._pretrained:
            return self._pretrained[run_id]
        with self._session() as session:
            return self._get(session, run_id)

    def runs(self) -> list[Run]:
        """Every run, the newest first; without the pretrained models."""
        with self._session() as session:
            return list(
                session.scalars(
                    select(Run).where(Run.deleted_at.is_(None)).order_by(Run.created_at.desc())
                )
            )

    def pretrained_runs(self) -> list[Run]:
        """The networks that come with the app."""
        return list(self._pretrained.values())

    def readable(self, network: str) -> list[Run]:
        """The networks that can read digits: the pretrained ones, then finished and stopped
        runs, the newest first."""
        found = [run for run in self._pretrained.values() if run.network == network]
        query = (
            select(Run)
            .where(Run.network == network, Run.state.in_(READABLE), Run.deleted_at.is_(None))
            .order_by(Run.created_at.desc())
        )
        with self._session() as session:
            return found + list(session.scalars(query))

    def curve(self, run_id: str) -> Curve:
        """How the run's training went so far.

        Raises:
            UnknownRunError: There is no such run.
        """
        run = self.run(run_id)
        if run_id in self._pretrained:
            return pretrained.curve(run_id)
        with self._session() as session:
            row = session.get(CurveRow, run_id)
            return Curve.model_validate(row.curve) if row else Curve.empty(run.training)

    def weights(self, run_id: str) -> bytes:
        """The weights of a readable run, see classifier.pack_weights. Raises UnknownRunError,
        StoreError."""
        run = self.run(run_id)
        if run_id in self._pretrained:
            return pretrained.weights(run_id)
        with self._session() as session:
            row = session.get(WeightsRow, run_id)
        if row is None:
            raise StoreError(
                f"The run {run.label} is {run.state} and has no weights; choose one that is "
                "finished or stopped."
            )
        return row.weights

    def predictions(self, run_id: str) -> Predictions | None:
        """What a readable run reads in the 10,000 test images; None where that was not kept, as in
        older versions, or is damaged.

        Raises:
            UnknownRunError: There is no such run.
        """
        self.run(run_id)
        if run_id in self._pretrained:
            return pretrained.predictions(run_id)
        with self._session() as session:
            row = session.get(PredictionsRow, run_id)
        try:
            return Predictions.unpack(row.predictions) if row else None
        except PredictionsError:
            return None

    def save_predictions(self, run_id: str, predictions: Predictions) -> None:
        """Keeps what a run of an older version reads in the 10,000 test images."""
        with self._session() as session:
            session.merge(PredictionsRow(run_id=run_id, predictions=predictions.pack()))

    def class_digits(self, run_id: str) -> bytes | None:
        """The digits of a class that a run learned from and was tested on, see
        handwriting.exports.to_npz; None where it learned from none, or elsewhere."""
        with self._session() as session:
            row = session.get(ClassDigitsRow, run_id)
            return row.digits if row else None

    def class_result(self, run_id: str) -> tuple[Collection, Result] | None:
        """The digits of a class that a run was tested on, and what it read in them; None where
        there are none, or it was not tested."""
        with self._session() as session:
            row = session.get(ClassDigitsRow, run_id)
        if row is None or row.after is None:
            return None
        digits, is_held_out = from_npz(row.digits)
        before = None if row.before is None else np.frombuffer(row.before, np.uint8)
        result = Result(before, np.frombuffer(row.after, np.uint8))
        return tested_on(digits, is_held_out), result

    def robustness_curve(
        self, run_id: str, corruption: str, digits: int, origin: str
    ) -> list[float] | None:
        """The share of the first test images that a run classifies correctly along a distortion,
        see robustness.robustness_curve; None where that was not kept, or is of another origin, see
        robustness.origin."""
        with self._session() as session:
            row = session.get(RobustnessCurveRow, (run_id, corruption, digits))
            return row.accuracies if row and row.origin == origin else None

    def save_robustness_curve(
        self, run_id: str, corruption: str, digits: int, origin: str, accuracies: list[float]
    ) -> None:
        """Keeps the same, in place of one of another origin.

        Raises:
            UnknownRunError: There is no such run.
        """
        with self._session() as session:
            if run_id not in self._pretrained:
                self._get(session, run_id)  # no foreign key asks for it
            row = RobustnessCurveRow(
                run_id=run_id,
                corruption=corruption,
                digits=digits,
                origin=origin,
                accuracies=accuracies,
            )
            try:
                session.merge(row)
                session.flush()
            except (
                IntegrityError
            ):  # somebody else has worked it out too, and kept it at this moment
                session.rollback()

    def _get(self, session: Session, run_id: str) -> Run:
        run = session.get(Run, run_id)
        if run is None or run.deleted_at:
            raise UnknownRunError(
                f"There is no run {run_id!r}. It may have been deleted; choose another one."
            )
        return run
