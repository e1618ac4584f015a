"""The store of what a class plays: digits that fool one model, what others see in them, and who
beats the models. Every write is one transaction."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import NamedTuple

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from mnist_models.data.dataset import CLASS_COUNT
from mnist_models.limits import LimitError, limits
from mnist_models.runs.class_tables import Attempt, ClassCollection, Score, Vote, Writer
from mnist_models.runs.database import Database
from mnist_models.runs.rights import NotAllowedError, Visitor

# So many others decide whether an attempt is the digit that it is meant to be.
JURY = 2


class Standing(NamedTuple):
    """How far a writer has come.

    Attributes:
        nickname: Theirs.
        points: Attempts in which the jury saw the digit that was meant.
        waiting: Attempts that the jury has not decided on yet.
    """

    nickname: str
    points: int
    waiting: int


class Judged(NamedTuple):
    """An attempt and what others saw in it.

    Attributes:
        attempt: The digit.
        nickname: The writer's.
        votes: Of the jury, in the order in which they came; None for no digit.
    """

    attempt: Attempt
    nickname: str
    votes: list[int | None]

    @property
    def is_decided(self) -> bool:
        return len(self.votes) >= JURY

    @property
    def is_accepted(self) -> bool:
        """Whether the whole jury saw the digit that was meant."""
        return self.is_decided and all(vote == self.attempt.label for vote in self.votes)


class Games:
    """What classes play. Safe to use from several threads; several processes may share one
    database. Every method raises StoreError when the database does not do its part; those that keep
    something raise NotAllowedError for who has no nickname, and then keep nothing."""

    def __init__(self, database: Database) -> None:
        self._transaction = database.transaction

    def hand_in(
        self,
        collection_id: str,
        token: str,
        label: int,
        read: Mapping[str, int],
        image: np.ndarray,
        strokes: str,
        by: Visitor,
    ) -> None:
        """Gives an attempt to the jury; one whose token is known was given before.

        Args:
            label: The digit that it is meant to be, 0 to 9.
            read: By kind of model, what it reads; one reads the label and one does not.
            image: uint8 (28, 28), 0 is paper.
            strokes: See strokes.to_text.

        Raises:
            NotAllowedError: It fools both models, or none; or the collection is closed.
            LimitError: The jury still has too many of this writer.
        """
        fooled = [network for network, digit in read.items() if digit != label]
        if len(fooled) != 1:
            raise NotAllowedError("One model has to be fooled, and the other one not: change it.")
        with self._transaction() as session:
            writer = self._writer(session, by)
            collection = session.get(ClassCollection, collection_id)
            if collection is None or collection.deleted_at or not collection.is_open:
                raise NotAllowedError("This collection is closed: your teacher can open it again.")
            if session.scalar(select(Attempt.number).where(Attempt.token == token)):
                return
            count = session.scalar(
                select(func.count())
                .select_from(Attempt)
                .where(Attempt.collection_id == collection_id, Attempt.writer_id == writer.id)
            )
            if count and count >= limits().drawings:
                raise LimitError(f"You have handed in {count} digits, and no more are taken.")
            session.add(
                Attempt(
                    token=token,
                    collection_id=collection_id,
                    writer_id=writer.id,
                    label=label,
                    fooled=fooled[0],
                    read=read[fooled[0]],
                    image=image.astype(np.uint8).tobytes(),
                    strokes=strokes,
                    created_at=datetime.now(UTC),
                )
            )

    def for_jury(self, collection_id: str, by: Visitor) -> Attempt | None:
        """The oldest attempt of somebody else on which this visitor has not voted and which is not
        decided; None if there is none."""
        voted_on = select(Vote.attempt).where(Vote.writer_id == by.id)
        with self._transaction() as session:
            has_voted_on = set(session.scalars(voted_on))
        others = (
            judged.attempt
            for judged in self.judged(collection_id)
            if not judged.is_decided and judged.attempt.writer_id != by.id
        )
        return next((one for one in others if one.number not in has_voted_on), None)

    def vote(self, number: int, digit: int | None, by: Visitor) -> None:
        """Says which digit an attempt is, None for no digit. A second vote, one on an attempt of
        one's own, or one that comes after the decision changes nothing."""
        assert digit is None or 0 <= digit < CLASS_COUNT
        with self._transaction() as session:
            writer = self._writer(session, by)
            attempt = session.get(Attempt, number)
            votes = session.scalars(select(Vote).where(Vote.attempt == number)).all()
            has_voted = any(vote.writer_id == writer.id for vote in votes)
            if attempt and attempt.writer_id != writer.id and len(votes) < JURY and not has_voted:
                session.add(Vote(attempt=number, writer_id=writer.id, digit=digit))

    def judged(self, collection_id: str) -> list[Judged]:
        """All attempts and what was seen in them, the oldest first."""
        attempts = (
            select(Attempt, Writer.nickname)
            .join(Writer, Writer.id == Attempt.writer_id)
            .where(Attempt.collection_id == collection_id)
            .order_by(Attempt.number)
        )
        votes = (
            select(Vote.attempt, Vote.digit)
            .join(Attempt, Attempt.number == Vote.attempt)
            .where(Attempt.collection_id == collection_id)
        )
        with self._transaction() as session:
            seen: dict[int, list[int | None]] = {}
            for number, digit in session.execute(votes):
                seen.setdefault(number, []).append(digit)
            return [
                Judged(attempt, nickname, seen.get(attempt.number, []))
                for attempt, nickname in session.execute(attempts)
            ]

    def keep_score(self, collection_id: str, right: Mapping[str, int], by: Visitor) -> None:
        """Keeps how a writer did against the models, if it is their best.

        Args:
            right: How many of the same digits were read right by "you", "dnn" and "cnn".
        """
        with self._transaction() as session:
            writer = self._writer(session, by)
            kept = session.get(Score, (collection_id, writer.id))
            if kept is None or kept.right < right["you"]:
                session.merge(
                    Score(
                        collection_id=collection_id,
                        writer_id=writer.id,
                        right=right["you"],
                        dnn=right["dnn"],
                        cnn=right["cnn"],
                    )
                )

    def scores(self, collection_id: str) -> list[tuple[str, Score]]:
        """The best result of each writer against the models, the best first."""
        query = (
            select(Writer.nickname, Score)
            .join(Writer, Writer.id == Score.writer_id)
            .where(Score.collection_id == collection_id)
            .order_by(Score.right.desc(), Writer.folded)
        )
        with self._transaction() as session:
            return [(nickname, score) for nickname, score in session.execute(query)]

    def _writer(self, session: Session, by: Visitor) -> Writer:
        writer = session.get(Writer, by.id) if by.id else None
        if writer is None:
            raise NotAllowedError("Take a nickname first, on the Class page: then you can play.")
        return writer


def standings(judged: list[Judged]) -> list[Standing]:
    """How far each writer has come, the best first."""
    found: dict[str, Standing] = {}
    for one in judged:
        before = found.get(one.attempt.writer_id, Standing(one.nickname, 0, 0))
        found[one.attempt.writer_id] = before._replace(
            points=before.points + one.is_accepted, waiting=before.waiting + (not one.is_decided)
        )
    return sorted(found.values(), key=lambda one: (-one.points, one.nickname.casefold()))
