"""The store of what was trained: hyperparameters, curves, accuracy and weights of every run, and the shipped networks.

SQLite in the folder `saved/` unless DATABASE_URL names another database (any that SQLAlchemy knows). Every write is one
transaction.
"""

import enum
import functools
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from sqlalchemy import JSON, DateTime, ForeignKey, LargeBinary, TypeDecorator, create_engine, event, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

from mnist_models import hyperparameters, pretrained
from mnist_models.hyperparameters import Hyperparameters
from mnist_models.progress import Curve, Trained

DEFAULT_FILE = Path(__file__).parents[1] / "saved" / "runs.sqlite3"


class StoreError(Exception):
    """The store cannot be read or written. Its text is a sentence for users."""


class UnknownRunError(StoreError):
    """There is no run with this id."""


class RunState(enum.StrEnum):
    """Where a run stands. The first three are in progress (measuring, reading the test set, is known to the engine only);
    finished and stopped runs have weights."""

    QUEUED = "queued"
    RUNNING = "running"
    MEASURING = "measuring"
    FINISHED = "finished"
    STOPPED = "stopped"
    FAILED = "failed"
    INTERRUPTED = "interrupted"


IN_PROGRESS = (RunState.QUEUED, RunState.RUNNING, RunState.MEASURING)
# The time at which a process was started is told by a clock that may be set while it runs.
CLOCK_STEP_S = 60
READABLE = (RunState.FINISHED, RunState.STOPPED)


class Base(DeclarativeBase):
    """The tables of the store."""


class _Moment(TypeDecorator):
    """A datetime with its time zone, kept as UTC: SQLite knows no time zones."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime, dialect: Any) -> datetime:
        return value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: datetime, dialect: Any) -> datetime:
        return value.replace(tzinfo=UTC)


class Run(Base):
    """One training, or a network that ships with the app. Read-only outside this module.

    epochs: passes over the training images, such as 2.4. elapsed_s: from the first batch to the last validation.
    test_loss, test_accuracy: on the 10,000 test images, None until they were read. error: a sentence, for failed runs.
    owner: the process that looks after it while it is in progress.
    """

    __tablename__ = "runs"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    network: Mapped[str] = mapped_column(index=True)
    values: Mapped[dict] = mapped_column("hyperparameters", JSON)
    state: Mapped[str] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(_Moment)
    owner: Mapped[str | None]
    error: Mapped[str | None]
    parameters: Mapped[int | None]
    epochs: Mapped[float | None]
    elapsed_s: Mapped[float | None]
    test_loss: Mapped[float | None]
    test_accuracy: Mapped[float | None]

    @property
    def hyperparameters(self) -> Hyperparameters:
        """What was trained, validated again. Raises StoreError when that is not possible any more."""
        try:
            return hyperparameters.validate(self.values)
        except hyperparameters.HyperparametersError as error:
            raise StoreError(f"{self.label} was trained by another version of this project: {error}") from error

    @property
    def label(self) -> str:
        """What a list calls it: the name, and something that tells it from others of the same name."""
        return self.name if self.id.startswith(pretrained.PREFIX) else f"{self.name} {self.id[:4]}"

    @property
    def in_progress(self) -> bool:
        return self.state in IN_PROGRESS

    @property
    def readable(self) -> bool:
        """Whether it has weights to read digits with."""
        return self.state in READABLE


class _CurveRow(Base):
    __tablename__ = "curves"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    curve: Mapped[dict] = mapped_column(JSON)


class _WeightsRow(Base):
    __tablename__ = "weights"

    run_id: Mapped[str] = mapped_column(ForeignKey("runs.id"), primary_key=True)
    weights: Mapped[bytes] = mapped_column(LargeBinary)


def _this_process() -> str:
    process = psutil.Process()
    return f"{socket.gethostname()} {process.pid} {process.create_time()}"


def _is_gone(owner: str, one_machine: bool) -> bool:
    """Whether the process that looked after a run has ended. One on another machine gets the benefit of the doubt, unless the
    store is of one machine, which then had another name at that time."""
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
        """url: of the database; DATABASE_URL or the SQLite file in `saved/` when None. It is opened when first needed, so
        that the shipped networks can be had without one."""
        self._url = url or os.environ.get("DATABASE_URL") or f"sqlite:///{DEFAULT_FILE}"
        self._shipped = {run_id: Run(state=RunState.FINISHED, **facts) for run_id, facts in pretrained.facts().items()}

    @property
    def _is_sqlite(self) -> bool:
        return self._url.startswith("sqlite")

    @functools.cached_property
    def _sessions(self) -> sessionmaker[Session]:
        url = make_url(self._url)
        if self._is_sqlite and url.database:
            Path(url.database).parent.mkdir(parents=True, exist_ok=True)
        engine = create_engine(url, pool_pre_ping=True)  # a database server may have closed what was idle
        if self._is_sqlite:
            event.listen(engine, "connect", _prepare_sqlite)
        with engine.begin() as connection:
            if self._is_sqlite:  # else two processes that come first would both find no tables and both create them
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            Base.metadata.create_all(connection)
        return sessionmaker(engine, expire_on_commit=False)

    def create(self, hyperparameters: Hyperparameters, name: str | None = None) -> Run:
        """A new run of this process, waiting to be trained. name: that of its network when None."""
        run_id = secrets.token_hex(4)
        with self._session() as session:
            run = Run(
                id=run_id,
                name=name or hyperparameters.title,
                network=hyperparameters.network,
                values=hyperparameters.model_dump(mode="json"),
                state=RunState.QUEUED,
                created_at=datetime.now(UTC),
                owner=_this_process(),
            )
            session.add(run)
        return run

    def set_state(self, run_id: str, state: RunState, error: str | None = None) -> None:
        """Where the run stands now; error: why it failed, a sentence."""
        with self._session() as session:
            run = self._get(session, run_id)
            run.state, run.error = state, error

    def save_curve(self, run_id: str, curve: Curve) -> None:
        """The curve so far."""
        with self._session() as session:
            session.merge(_CurveRow(run_id=run_id, curve=curve.model_dump(mode="json")))

    def finish(self, run_id: str, trained: Trained) -> None:
        """Keeps all that a finished or stopped run leaves behind."""
        with self._session() as session:
            run = self._get(session, run_id)
            run.state = RunState.STOPPED if trained.stopped else RunState.FINISHED
            for name, value in trained.measures.items():
                setattr(run, name, value)
            session.merge(_CurveRow(run_id=run_id, curve=trained.curve.model_dump(mode="json")))
            session.merge(_WeightsRow(run_id=run_id, weights=trained.weights))

    def interrupt_orphans(self) -> None:
        """Marks runs as interrupted whose process has ended before they did."""
        with self._session() as session:
            for run in session.scalars(select(Run).where(Run.state.in_(IN_PROGRESS))):
                if _is_gone(run.owner, self._is_sqlite):
                    run.state = RunState.INTERRUPTED

    def run(self, run_id: str) -> Run:
        """The run, trained or shipped, with this id. Raises UnknownRunError."""
        if run_id in self._shipped:
            return self._shipped[run_id]
        with self._session() as session:
            return self._get(session, run_id)

    def runs(self) -> list[Run]:
        """Every run, the newest first; without the shipped networks."""
        with self._session() as session:
            return list(session.scalars(select(Run).order_by(Run.created_at.desc())))

    def readable(self, network: str) -> list[Run]:
        """The networks that can read digits: the one that ships, then finished and stopped runs, the newest first."""
        shipped = [run for run in self._shipped.values() if run.network == network]
        query = select(Run).where(Run.network == network, Run.state.in_(READABLE)).order_by(Run.created_at.desc())
        with self._session() as session:
            return shipped + list(session.scalars(query))

    def curve(self, run_id: str) -> Curve:
        """How the run's training went so far. Raises UnknownRunError."""
        run = self.run(run_id)
        if run_id in self._shipped:
            return pretrained.curve(run_id)
        with self._session() as session:
            row = session.get(_CurveRow, run_id)
            return Curve.model_validate(row.curve) if row else Curve.empty(run.hyperparameters)

    def weights(self, run_id: str) -> bytes:
        """The weights of a readable run, see classifier.pack_weights. Raises UnknownRunError, StoreError."""
        run = self.run(run_id)
        if run_id in self._shipped:
            return pretrained.weights(run_id)
        with self._session() as session:
            row = session.get(_WeightsRow, run_id)
        if row is None:
            raise StoreError(f"The run {run.label} is {run.state} and has no weights; choose one that is finished or stopped.")
        return row.weights

    def _get(self, session: Session, run_id: str) -> Run:
        run = session.get(Run, run_id)
        if run is None:
            raise UnknownRunError(f"There is no run {run_id!r}. It may have been deleted; choose another one.")
        return run

    @contextmanager
    def _session(self) -> Iterator[Session]:
        """One transaction, written at its end. Raises StoreError when the database does not do its part."""
        try:
            with self._sessions.begin() as session:
                yield session
        except (SQLAlchemyError, OSError, ImportError) as error:  # ImportError: its driver is not installed
            reason = str(getattr(error, "orig", None) or error).splitlines()[0]
            raise StoreError(
                f"The store of runs at {_without_password(self._url)} cannot be used ({reason}). Make it readable and "
                "writable, free some space, or set DATABASE_URL to another database."
            ) from error


def _without_password(url: str) -> str:
    try:
        return make_url(url).render_as_string(hide_password=True)
    except ArgumentError:
        return "DATABASE_URL"


def _prepare_sqlite(connection, _record) -> None:
    """Readers do not wait for the writer, and a second writer waits instead of failing."""
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA busy_timeout=10000")
    connection.execute("PRAGMA foreign_keys=ON")
