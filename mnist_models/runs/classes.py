"""The store of what a class writes: collections, writers, digits. Every write is one transaction.

Who may do what stands here, and nowhere else: anybody may give digits to an open collection under a
nickname, and take their own back; all the rest is a teacher's.
"""

import secrets
import unicodedata
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import numpy as np
from sqlalchemy import ColumnElement, delete, func, select, union, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from mnist_models.data.dataset import CLASS_COUNT, IMAGE_SIZE_PX
from mnist_models.handwriting.collection import Collection
from mnist_models.limits import LimitError, limits
from mnist_models.runs.class_tables import (
    Attempt,
    ClassCollection,
    Drawing,
    Notice,
    Score,
    Vote,
    Writer,
)
from mnist_models.runs.database import Database
from mnist_models.runs.rights import NOT_KNOWN, NotAllowedError, Visitor, must_be_teacher
from mnist_models.runs.tables import NAME_CHARACTERS, StoreError, clean_name

# So long a deleted collection can be brought back.
UNDO_FOR = timedelta(days=1)
HOME = "home"


class Given(NamedTuple):
    """A digit that somebody wrote, and who.

    Attributes:
        drawing: The digit.
        nickname: The writer's.
    """

    drawing: Drawing
    nickname: str

    @property
    def image(self) -> np.ndarray:
        """uint8 (28, 28), 0 is paper."""
        return pixels(self.drawing.image)


def pixels(image: bytes) -> np.ndarray:
    """An image as it is kept, as an array, uint8 (28, 28), 0 is paper."""
    return np.frombuffer(image, np.uint8).reshape(IMAGE_SIZE_PX, IMAGE_SIZE_PX)


class Classes:
    """All that classes write. Safe to use from several threads; several processes may share one
    database.

    Every method raises StoreError when the database does not do its part, and those that change
    something NotAllowedError where the visitor may not; then nothing has changed.
    """

    def __init__(self, database: Database) -> None:
        self._transaction = database.transaction

    def collections(self) -> list[ClassCollection]:
        """All collections, the newest first."""
        query = (
            select(ClassCollection)
            .where(ClassCollection.deleted_at.is_(None))
            .order_by(ClassCollection.created_at.desc())
        )
        with self._transaction() as session:
            return list(session.scalars(query))

    def with_digits(self) -> list[ClassCollection]:
        """The collections that have digits to show, the newest first."""
        query = (
            select(ClassCollection)
            .where(
                ClassCollection.deleted_at.is_(None),
                select(Drawing.number)
                .where(Drawing.collection_id == ClassCollection.id, Drawing.is_hidden.is_(False))
                .exists(),
            )
            .order_by(ClassCollection.created_at.desc())
        )
        with self._transaction() as session:
            return list(session.scalars(query))

    def create(self, name: str, by: Visitor) -> ClassCollection:
        """A new collection, open for digits.

        Raises:
            StoreError: The name is empty.
        """
        must_be_teacher(by, "begin a collection")
        collection = ClassCollection(
            id=secrets.token_hex(4),
            name=_named(name),
            is_open=True,
            created_at=datetime.now(UTC),
            changes=0,
        )
        with self._transaction() as session:
            session.add(collection)
        return collection

    def rename(self, collection_id: str, name: str, by: Visitor) -> None:
        """Gives a collection another name. Raises StoreError where that is empty."""
        must_be_teacher(by, "rename a collection")
        self._change(collection_id, name=_named(name))

    def set_open(self, collection_id: str, by: Visitor, *, is_open: bool) -> None:
        """Opens a collection for digits, or closes it."""
        must_be_teacher(by, "open or close a collection")
        self._change(collection_id, is_open=is_open)

    def delete(self, collection_id: str, by: Visitor) -> None:
        """Deletes a collection with all its digits; `restore` brings it back within a day."""
        must_be_teacher(by, "delete a collection")
        self._change(collection_id, deleted_at=datetime.now(UTC))

    def deleted(self) -> list[ClassCollection]:
        """The collections that were deleted and can be brought back, the last one first."""
        query = (
            select(ClassCollection)
            .where(ClassCollection.deleted_at >= datetime.now(UTC) - UNDO_FOR)
            .order_by(ClassCollection.deleted_at.desc())
        )
        with self._transaction() as session:
            return list(session.scalars(query))

    def restore(self, collection_id: str, by: Visitor) -> None:
        """Brings a deleted collection back, if it is still kept."""
        must_be_teacher(by, "restore a collection")
        self._change(collection_id, deleted_at=None)

    def purge(self) -> None:
        """Forgets collections that were deleted more than a day ago, their digits, and writers who
        took part in no other."""
        with self._transaction() as session:
            gone = list(
                session.scalars(
                    select(ClassCollection.id).where(
                        ClassCollection.deleted_at < datetime.now(UTC) - UNDO_FOR
                    )
                )
            )
            if not gone:
                return
            attempts = select(Attempt.number).where(Attempt.collection_id.in_(gone))
            took_part = union(
                select(Drawing.writer_id).where(Drawing.collection_id.in_(gone)),
                select(Attempt.writer_id).where(Attempt.collection_id.in_(gone)),
                select(Vote.writer_id).where(Vote.attempt.in_(attempts)),
                select(Score.writer_id).where(Score.collection_id.in_(gone)),
            )
            writers = list(session.scalars(took_part))
            _forget(session, Drawing.collection_id.in_(gone), Attempt.collection_id.in_(gone))
            session.execute(delete(Score).where(Score.collection_id.in_(gone)))
            session.execute(delete(ClassCollection).where(ClassCollection.id.in_(gone)))
            left = union(*(select(table.writer_id) for table in (Drawing, Attempt, Vote, Score)))
            session.execute(delete(Writer).where(Writer.id.in_(writers), Writer.id.not_in(left)))

    def writer(self, by: Visitor) -> Writer | None:
        """The visitor as a writer; None as long as they have no nickname."""
        if by.id is None:
            return None
        with self._transaction() as session:
            return session.get(Writer, by.id)

    def join(self, nickname: str, by: Visitor) -> Writer:
        """Gives a visitor a nickname, which goes with their device from now on.

        Raises:
            StoreError: It is empty, or somebody else's.
            NotAllowedError: They have one already, or the device has not told who it is.
        """
        if by.id is None:
            raise NotAllowedError(NOT_KNOWN)
        if writer := self.writer(by):
            raise NotAllowedError(
                f"This device belongs to {writer.nickname}: only a teacher can change that."
            )
        writer = Writer(id=by.id, nickname=_named(nickname), folded=folded(nickname))
        try:
            with self._transaction() as session:
                session.add(writer)
        except StoreError as error:
            if isinstance(error.__cause__, IntegrityError):
                raise _taken(writer.nickname) from error
            raise
        return writer

    def rename_writer(self, writer_id: str, nickname: str, by: Visitor) -> None:
        """Changes a nickname. Raises StoreError where it is empty, or somebody else's."""
        must_be_teacher(by, "change a nickname")
        name = _named(nickname)
        try:
            with self._transaction() as session:
                session.execute(
                    update(Writer)
                    .where(Writer.id == writer_id)
                    .values(nickname=name, folded=folded(name))
                )
                self._touch_collections_of(session, writer_id)
        except StoreError as error:
            if isinstance(error.__cause__, IntegrityError):
                raise _taken(name) from error
            raise

    def remove_writer(self, writer_id: str, by: Visitor) -> None:
        """Forgets a writer and every digit they gave, at once and for good."""
        must_be_teacher(by, "remove a writer")
        with self._transaction() as session:
            self._touch_collections_of(session, writer_id)
            _forget(session, Drawing.writer_id == writer_id, Attempt.writer_id == writer_id)
            session.execute(delete(Vote).where(Vote.writer_id == writer_id))
            session.execute(delete(Score).where(Score.writer_id == writer_id))
            session.execute(delete(Writer).where(Writer.id == writer_id))

    def writers(self, collection_id: str) -> list[tuple[Writer, int]]:
        """Those who gave digits to a collection, by nickname, and how many each."""
        query = (
            select(Writer, func.count())
            .join(Drawing, Drawing.writer_id == Writer.id)
            .where(Drawing.collection_id == collection_id)
            .group_by(Writer.id)
            .order_by(Writer.folded)
        )
        with self._transaction() as session:
            return [(writer, count) for writer, count in session.execute(query)]

    def give(
        self,
        collection_id: str,
        token: str,
        label: int,
        image: np.ndarray,
        strokes: str,
        by: Visitor,
    ) -> None:
        """Keeps a digit; one whose token is known already was kept before, and is not kept twice.

        Args:
            token: Of the request that it answers.
            label: The digit that was asked for, 0 to 9.
            image: uint8 (28, 28), 0 is paper.
            strokes: See strokes.to_text.

        Raises:
            NotAllowedError: The visitor has no nickname, or the collection is closed.
            LimitError: They gave as many as one may.
        """
        writer, most = self.writer(by), limits()
        if writer is None:
            raise NotAllowedError("Take a nickname first: then you can give digits.")
        with self._transaction() as session:
            if session.scalar(select(Drawing.number).where(Drawing.token == token)):
                return
            self._must_be_open(session, collection_id)
            given = session.scalar(
                select(func.count())
                .select_from(Drawing)
                .where(Drawing.collection_id == collection_id, Drawing.writer_id == writer.id)
            )
            if given and given >= most.drawings and not by.is_teacher:
                raise LimitError(
                    f"You have given {given} digits, and {most.drawings} are the most for one "
                    "writer: thank you! Take one back to give another."
                )
            session.add(_drawing(collection_id, writer.id, token, label, image, strokes))

    def add(
        self, collection_id: str, digits: Collection, nicknames: Sequence[str], by: Visitor
    ) -> int:
        """Keeps digits from paper or from a file, all or none.

        Args:
            digits: Their writers are numbers below the number of nicknames.
            nicknames: What to call each of the writers; one that is taken gets a number.

        Returns:
            How many were kept.
        """
        must_be_teacher(by, "add digits from paper or from a file")
        with self._transaction() as session:
            self._must_be_open(session, collection_id)
            taken = set(session.scalars(select(Writer.folded)))
            writers = []
            for nickname in nicknames:
                name = _free(_named(nickname), taken)
                taken.add(folded(name))
                writers.append(Writer(id=secrets.token_hex(16), nickname=name, folded=folded(name)))
            session.add_all(writers)
            session.flush()  # the rows that refer to them come after
            for image, label, writer in zip(
                digits.images, digits.labels, digits.writers, strict=True
            ):
                session.add(
                    _drawing(
                        collection_id,
                        writers[writer].id,
                        secrets.token_hex(8),
                        int(label),
                        image,
                        None,
                    )
                )
        return len(digits)

    def take_back(self, number: int, by: Visitor) -> None:
        """Forgets a digit that the visitor gave."""
        with self._transaction() as session:
            drawing = session.get(Drawing, number)
            if drawing is None:  # it was taken back already
                return
            if drawing.writer_id != by.id and not by.is_teacher:
                raise NotAllowedError("Only who gave a digit, or a teacher, can take it back.")
            session.delete(drawing)
            self._touch(session, drawing.collection_id)

    def set_hidden(self, number: int, by: Visitor, *, is_hidden: bool) -> None:
        """Takes a digit from view and from all that is computed, or brings it back."""
        must_be_teacher(by, "hide a digit")
        self._change_drawing(number, is_hidden=is_hidden)

    def relabel(self, number: int, label: int, by: Visitor) -> None:
        """Says that a digit is another one than was asked for."""
        must_be_teacher(by, "relabel a digit")
        if not 0 <= label < CLASS_COUNT:
            raise StoreError("A label is a digit from 0 to 9. Nothing was changed.")
        self._change_drawing(number, label=label)

    def own(self, collection_id: str, by: Visitor) -> list[Drawing]:
        """The digits that the visitor gave to a collection, the last one first."""
        query = (
            select(Drawing)
            .where(Drawing.collection_id == collection_id, Drawing.writer_id == by.id)
            .order_by(Drawing.number.desc())
        )
        with self._transaction() as session:
            return list(session.scalars(query))

    def changes(self, collection_id: str) -> int:
        """How often the digits of a collection have changed.

        Raises:
            StoreError: There is no such collection.
        """
        with self._transaction() as session:
            return self._get(session, collection_id).changes

    def given(self, collection_id: str, *, hidden: bool = False) -> list[Given]:
        """The digits of a collection and who wrote them, in the order in which they came.

        Args:
            hidden: Whether those that were taken from view are among them.
        """
        return self._given(collection_id, *(() if hidden else (Drawing.is_hidden.is_(False),)))

    def hidden(self, collection_id: str) -> list[Given]:
        """Those that were taken from view."""
        return self._given(collection_id, Drawing.is_hidden.is_(True))

    def _given(self, collection_id: str, *conditions: ColumnElement[bool]) -> list[Given]:
        query = (
            select(Drawing, Writer.nickname)
            .join(Writer, Writer.id == Drawing.writer_id)
            .where(Drawing.collection_id == collection_id, *conditions)
            .order_by(Drawing.number)
        )
        with self._transaction() as session:
            return [Given(drawing, nickname) for drawing, nickname in session.execute(query)]

    def announce(self, lesson: str | None, by: Visitor) -> None:
        """Puts a ready-made lesson on everybody's home page, in place of another; None takes it
        away."""
        must_be_teacher(by, "put a lesson on everybody's home page")
        with self._transaction() as session:
            session.execute(delete(Notice).where(Notice.place == HOME))
            if lesson:
                session.add(Notice(place=HOME, lesson=lesson))

    def announced(self) -> str | None:
        """The lesson on everybody's home page."""
        with self._transaction() as session:
            return session.scalar(select(Notice.lesson).where(Notice.place == HOME))

    def _change(self, collection_id: str, **values: Any) -> None:
        with self._transaction() as session:
            found = session.execute(
                update(ClassCollection).where(ClassCollection.id == collection_id).values(values)
            )
            if not found.rowcount:  # type: ignore[attr-defined]  # an update has one
                raise _unknown(collection_id)

    def _change_drawing(self, number: int, **values: Any) -> None:
        with self._transaction() as session:
            drawing = session.get(Drawing, number)
            if drawing is None:
                raise StoreError("This digit was taken back in the meantime; nothing was changed.")
            for name, value in values.items():
                setattr(drawing, name, value)
            self._touch(session, drawing.collection_id)

    def _must_be_open(self, session: Session, collection_id: str) -> None:
        """Notes that digits come, which also keeps others from closing the collection meanwhile."""
        open_one = (
            ClassCollection.id == collection_id,
            ClassCollection.is_open.is_(True),
            ClassCollection.deleted_at.is_(None),
        )
        if not session.execute(
            update(ClassCollection).where(*open_one).values(changes=ClassCollection.changes + 1)
        ).rowcount:  # type: ignore[attr-defined]  # an update has one
            self._get(session, collection_id)
            raise NotAllowedError("This collection is closed: your teacher can open it again.")

    def _touch(self, session: Session, *collection_ids: str) -> None:
        session.execute(
            update(ClassCollection)
            .where(ClassCollection.id.in_(collection_ids))
            .values(changes=ClassCollection.changes + 1)
        )

    def _touch_collections_of(self, session: Session, writer_id: str) -> None:
        query = select(Drawing.collection_id).where(Drawing.writer_id == writer_id).distinct()
        self._touch(session, *session.scalars(query))

    def _get(self, session: Session, collection_id: str) -> ClassCollection:
        found = session.get(ClassCollection, collection_id)
        if found is None or found.deleted_at:
            raise _unknown(collection_id)
        return found


def _forget(session: Session, drawings: ColumnElement[bool], attempts: ColumnElement[bool]) -> None:
    """Deletes digits and attempts, and what was seen in these."""
    numbers = select(Attempt.number).where(attempts)
    session.execute(delete(Vote).where(Vote.attempt.in_(numbers)))
    session.execute(delete(Attempt).where(attempts))
    session.execute(delete(Drawing).where(drawings))


def gathered(given: Sequence[Given]) -> Collection:
    """Digits as arrays; their writers are numbered in the order in which they first appear."""
    numbers: dict[str, int] = {}
    return Collection(
        images=np.array([one.image for one in given], np.uint8).reshape(
            -1, IMAGE_SIZE_PX, IMAGE_SIZE_PX
        ),
        labels=np.array([one.drawing.label for one in given], np.uint8),
        writers=np.array(
            [numbers.setdefault(one.drawing.writer_id, len(numbers)) for one in given], np.int64
        ),
    )


def folded(nickname: str) -> str:
    """A nickname as it is compared: neither case, accents' encoding nor spaces make another one."""
    return unicodedata.normalize("NFKC", "".join(clean_name(nickname).split())).casefold()


def _free(name: str, taken: set[str]) -> str:
    number, free = 1, name
    while folded(free) in taken:
        number += 1
        ending = f" {number}"
        # What is longer than a name may be is cut off: then no number would make another name.
        free = name[: NAME_CHARACTERS - len(ending)] + ending
    return free


def _drawing(
    collection_id: str,
    writer_id: str,
    token: str,
    label: int,
    image: np.ndarray,
    strokes: str | None,
) -> Drawing:
    return Drawing(
        token=token,
        collection_id=collection_id,
        writer_id=writer_id,
        label=label,
        image=image.astype(np.uint8).tobytes(),
        strokes=strokes,
        created_at=datetime.now(UTC),
        is_hidden=False,
    )


def _named(name: str) -> str:
    if not (cleaned := clean_name(name)):
        raise StoreError("A name needs at least one letter or digit: write one.")
    return cleaned


def _taken(nickname: str) -> StoreError:
    return StoreError(f"Somebody is called {nickname} already: choose another nickname.")


def _unknown(collection_id: str) -> StoreError:
    return StoreError(
        f"There is no collection {collection_id[:16]!r}. It may have been deleted; ask your "
        "teacher for the link."
    )
