"""What is kept of the digits that a class writes: the tables of the store."""

from datetime import datetime

from sqlalchemy import ForeignKey, LargeBinary
from sqlalchemy.orm import Mapped, mapped_column

from mnist_models.runs.tables import Base, UtcDateTime


class Writer(Base):
    """Somebody who gives digits.

    Attributes:
        id: That of the visitor, see rights.Visitor; of a writer of digits from paper or from a
            file, one of its own.
        nickname: As it is shown. It is the only name that is kept of anybody.
        folded: The nickname as it is compared: two that look alike to a class are the same.
    """

    __tablename__ = "writers"

    id: Mapped[str] = mapped_column(primary_key=True)
    nickname: Mapped[str]
    folded: Mapped[str] = mapped_column(unique=True)


class ClassCollection(Base):
    """A set of digits that a teacher has a class write.

    Attributes:
        is_open: Whether digits can be given.
        changes: How often its digits have changed: who shows them looks at this number.
        deleted_at: When a teacher deleted it; it can still be brought back.
    """

    __tablename__ = "collections"

    id: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str]
    is_open: Mapped[bool]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    changes: Mapped[int]
    deleted_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Written:
    """A digit that somebody wrote, in a table of its kind.

    Attributes:
        number: Later ones have higher numbers.
        token: Of the request that it answers: the same answer given twice is kept once.
        label: The digit that was asked for, or that it is meant to be.
        image: The 28×28 pixels, uint8, 0 is paper.
        strokes: See strokes.to_text; None for those from paper or from a file.
    """

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=True)
    token: Mapped[str] = mapped_column(unique=True)
    collection_id: Mapped[str] = mapped_column(ForeignKey("collections.id"), index=True)
    writer_id: Mapped[str] = mapped_column(ForeignKey("writers.id"), index=True)
    label: Mapped[int]
    image: Mapped[bytes] = mapped_column(LargeBinary)
    strokes: Mapped[str | None]
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class Drawing(Written, Base):
    """One that was given to a class. A teacher may have changed its label.

    Attributes:
        is_hidden: Whether a teacher has taken it from view; then nothing is computed with it.
    """

    __tablename__ = "drawings"

    is_hidden: Mapped[bool]


class Notice(Base):
    """What a teacher has put on everybody's home page.

    Attributes:
        place: Where; there is one.
        lesson: The name of a ready-made lesson.
    """

    __tablename__ = "notices"

    place: Mapped[str] = mapped_column(primary_key=True)
    lesson: Mapped[str]


class Attempt(Written, Base):
    """One by which one model is fooled and the other is not.

    Attributes:
        fooled: The kind of the model that misclassifies it, "dnn" or "cnn".
        read: What that model reads.
    """

    __tablename__ = "attempts"

    fooled: Mapped[str]
    read: Mapped[int]


class Vote(Base):
    """What another pupil sees in an attempt.

    Attributes:
        digit: None for no digit.
    """

    __tablename__ = "votes"

    attempt: Mapped[int] = mapped_column(ForeignKey("attempts.number"), primary_key=True)
    writer_id: Mapped[str] = mapped_column(ForeignKey("writers.id"), primary_key=True)
    digit: Mapped[int | None]


class Score(Base):
    """The best result of a writer against both models.

    Attributes:
        right, dnn, cnn: How many of the same ten digits each read right.
    """

    __tablename__ = "scores"

    collection_id: Mapped[str] = mapped_column(ForeignKey("collections.id"), primary_key=True)
    writer_id: Mapped[str] = mapped_column(ForeignKey("writers.id"), primary_key=True)
    right: Mapped[int]
    dnn: Mapped[int]
    cnn: Mapped[int]
