"""How a whole class is served: visitors who draw a stroke every 2 s each, and how long both
readings take to come.

Each visitor has a session of their own over a WebSocket and sends what the page in a browser sends,
see visitor.py. The app runs in a process of its own, as users start it; this one only draws, and
tells how busy that keeps it. Who still waits for the readings of a stroke holds the pen until they
have come.
"""

import asyncio
import itertools
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import psutil

from benchmarks import apps, results
from benchmarks.results import Row
from benchmarks.visitor import VisitError, Visitor, drawings
from mnist_models.runs import rights
from mnist_models.runs.classes import Classes
from mnist_models.runs.store import RunStore
from mnist_models.settings import links
from tests.browser.server import Server

EVERY_S = 2.0
DRAWINGS = 240
# So many open the page at the same moment.
AT_THE_DOOR = 10
# A lost connection can be taken up again for so long, by Streamlit's default for two minutes; after
# that, its session is forgotten as soon as another one ends.
KEPT_S = 10
TRAININGS = 2
BEGUN_WITHIN_S = 60
CLASSES, LESSON_S, SHORT_LESSON_S = (30, 60), 60.0, 10.0
PROMISED = {30: "95 % within 150 ms, no error", 60: "95 % within 500 ms, no error"}
# Who writes digits for a class gives one so often.
WRITTEN_EVERY_S, WRITING_S = 4.0, 40.0
OPERATOR = rights.Visitor(is_teacher=True)
LARGER_CLASSES, LARGER_LESSON_S = (100, 150, 200), 30.0
TOO_LONG_S = 2.0


@dataclass
class Lesson:
    """What a class has met. readings_s: of each stroke, the seconds until both readings have come.
    errors: sentences. expected: how many strokes there are when nobody has to hold the pen.
    server_cores, own_cores: how many cores the server and this process kept busy. memory_mb: of the
    server before the class came, and at the end, while all are there."""

    visitors: int
    expected: int
    readings_s: list[float] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    server_cores: float = 0.0
    own_cores: float = 0.0
    memory_mb: tuple[float, float] = (0.0, 0.0)

    def percentile_s(self, percentile: float) -> float:
        return (
            float(np.percentile(self.readings_s, percentile)) if self.readings_s else float("inf")
        )

    @property
    def each_mb(self) -> float:
        return (self.memory_mb[1] - self.memory_mb[0]) / self.visitors

    @property
    def figures(self) -> str:
        """As the table has them."""
        errors = f"{len(self.errors) or 'no'} error{'s' * (len(self.errors) != 1)}"
        return (
            f"median {_duration(self.percentile_s(50))}, 95 % within "
            f"{_duration(self.percentile_s(95))}, {errors}"
        )

    def report(self, title: str) -> None:
        print(
            f"{title}: {self.figures}, longest {_duration(self.percentile_s(100))}; "
            f"{len(self.readings_s)} of {self.expected} strokes read; server "
            f"{self.server_cores:.2f} cores, this process {self.own_cores:.2f}; server "
            f"{self.memory_mb[0]:.0f} MB before, {self.each_mb:+.2f} MB a visitor"
        )
        for error, count in Counter(self.errors).most_common(3):
            print(f"  {count} × {error}")
        sys.stdout.flush()


def _duration(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 10 else f"{seconds:.1f} s"


async def hold(server: Server, visitors: int, seconds: float, seed: int = 0) -> Lesson:
    """A lesson: a class comes, draws, and leaves."""
    chance, told = random.Random(seed), drawings(DRAWINGS)
    processes = psutil.Process(server.process.pid), psutil.Process()
    lesson = Lesson(visitors, expected=visitors * round(seconds / EVERY_S))
    before_mb = apps.memory_mb(apps.family(server)[:1])
    people = [Visitor(server.url, apps.PATIENCE_S) for _ in range(visitors)]
    door = asyncio.Semaphore(AT_THE_DOOR)
    await asyncio.gather(*(come(person, door, lesson) for person in people))
    begin, cpu_s = time.monotonic(), [apps.cpu_s([process]) for process in processes]
    drawing = []
    for person in people:
        first, start = chance.randrange(DRAWINGS), begin + chance.uniform(0, EVERY_S)
        drawing.append(
            attend(
                person, itertools.cycle(told[first:] + told[:first]), start, start + seconds, lesson
            )
        )
    await asyncio.gather(*drawing)
    lasted_s = time.monotonic() - begin
    lesson.server_cores, lesson.own_cores = (
        (apps.cpu_s([process]) - was) / lasted_s
        for process, was in zip(processes, cpu_s, strict=True)
    )
    lesson.memory_mb = before_mb, apps.memory_mb(apps.family(server)[:1])
    await asyncio.gather(*(person.leave() for person in people))
    return lesson


async def come(person: Visitor, door: asyncio.Semaphore, lesson: Lesson) -> None:
    async with door:
        with noting(lesson.errors):
            await person.open()


async def attend(
    person: Visitor, told: Iterator[str], start: float, end: float, lesson: Lesson
) -> None:
    """One visitor draws from start to end (time.monotonic). told: what the canvas tells, see
    visitor.drawings."""
    drawn = start
    with noting(lesson.errors):
        while drawn < end:
            await asyncio.sleep(drawn - time.monotonic())
            waited_s = await person.draw(next(told), drawn)
            lesson.readings_s.append(waited_s)
            drawn += max(EVERY_S, waited_s)


@contextmanager
def noting(errors: list[str]) -> Iterator[None]:
    """What a visitor meets ends what they do, and is noted."""
    try:
        yield
    except VisitError as error:
        errors.append(str(error))


def measure_classes(folder: Path) -> Iterator[Row]:
    """Classes of several sizes; the first in the plain app too, and with the memory that it
    takes."""
    apps.export_networks(folder)
    with apps.ready(apps.plain(folder)) as server:
        plain = asyncio.run(hold(server, CLASSES[0], LESSON_S))
        plain.report(f"the plain app, {CLASSES[0]} visitors")
    with apps.ready(apps.ours(folder, ["--server.disconnectedSessionTTL", str(KEPT_S)])) as server:
        lesson = asyncio.run(hold(server, CLASSES[0], LESSON_S))
        lesson.report(f"{CLASSES[0]} visitors")
        left_mb = [forgotten_mb(server)]
        for again in (1, 2):
            asyncio.run(hold(server, CLASSES[0], SHORT_LESSON_S, seed=again))
            left_mb.append(forgotten_mb(server))
        print(
            f"server: {', '.join(f'{mb:.0f} MB' for mb in left_mb)} after each of three such "
            "classes has left"
        )
        yield Row(_title(CLASSES[0]), lesson.figures, plain.figures, PROMISED[CLASSES[0]])
        yield Row(
            f"{CLASSES[0]} visitors: memory each",
            f"{lesson.each_mb:.2f} MB",
            f"{plain.each_mb:.2f} MB",
            "at most 3 MB",
        )
        yield Row(
            f"{CLASSES[0]} visitors: memory still in use after they have left (and Streamlit has "
            f"dropped their sessions: after {KEPT_S} s here, usually after two minutes)",
            f"{left_mb[0] - lesson.memory_mb[0]:.0f} MB, after two more such classes "
            f"{left_mb[2] - left_mb[0]:+.0f} MB",
            asked="it is released",
        )
        for size in CLASSES[1:]:
            lesson = asyncio.run(hold(server, size, LESSON_S))
            lesson.report(f"{size} visitors")
            yield Row(_title(size), lesson.figures, asked=PROMISED[size])


def forgotten_mb(server: Server) -> float:
    """The memory of the server once it has forgotten all who have left."""

    async def visit() -> None:
        visitor = Visitor(server.url, apps.PATIENCE_S)
        await visitor.open()
        await visitor.leave()

    time.sleep(KEPT_S + 1)
    asyncio.run(visit())
    time.sleep(1)
    return apps.memory_mb(apps.family(server)[:1])


def measure_training(folder: Path) -> Iterator[Row]:
    """A class that draws while two networks are trained, and somebody watches."""
    with apps.ready(apps.ours(folder)) as server:
        lesson = asyncio.run(hold_while_training(server, CLASSES[0], LESSON_S))
        if (left := apps.running(server)) < TRAININGS:
            lesson.errors.append(f"only {left} trainings were left at the end")
        lesson.report(f"{CLASSES[0]} visitors, {TRAININGS} trainings")
    yield Row(
        f"{_title(CLASSES[0])}, while two models are being trained",
        lesson.figures,
        asked="95 % within 500 ms, no error",
    )


async def hold_while_training(server: Server, size: int, seconds: float) -> Lesson:
    trainer = Visitor(server.url, apps.PATIENCE_S)
    await trainer.open("train", urlencode(links.to_query(apps.TRAINED)))
    for _ in range(TRAININGS):
        await trainer.press(f"Train this {apps.TRAINED.title}")
    async with asyncio.timeout(BEGUN_WITHIN_S):
        while apps.running(server) < TRAININGS:
            await asyncio.sleep(0.5)
    watching = asyncio.create_task(trainer.watch())
    lesson = await hold(server, size, seconds)
    watching.cancel()
    with suppress(asyncio.CancelledError), noting(lesson.errors):
        await watching
    await trainer.leave()
    return lesson


def measure_limit(folder: Path) -> Iterator[Row]:
    """Larger and larger classes, until they wait too long."""
    found = f"holds with {LARGER_CLASSES[-1]}"
    with apps.ready(apps.ours(folder)) as server:
        for size in LARGER_CLASSES:
            lesson = asyncio.run(hold(server, size, LARGER_LESSON_S))
            lesson.report(f"{size} visitors")
            if lesson.errors or lesson.percentile_s(95) > TOO_LONG_S:
                busy = (
                    f"server {lesson.server_cores:.2f} cores, the visitors' process "
                    f"{lesson.own_cores:.2f}"
                )
                found = f"with {size} visitors: {lesson.figures}; {busy}"
                break
    yield Row(
        f"{', '.join(map(str, LARGER_CLASSES))} visitors: where one in "
        "twenty waits longer than 2 s",
        found,
    )


def measure_writing(folder: Path) -> Iterator[Row]:
    """Classes that write digits for a collection, without and with the wall on a projector."""
    with apps.ready(apps.ours(folder)) as server:
        classes = Classes(RunStore(server.env["DATABASE_URL"]).database)
        for size in CLASSES:
            cores = {}
            for has_wall in (False, True):
                collection = classes.create(f"{size}", OPERATOR).id
                lesson = asyncio.run(collect(server, classes, collection, size, has_wall=has_wall))
                kept = len(classes.given(collection))
                if kept != len(lesson.readings_s):
                    lesson.errors.append(f"{len(lesson.readings_s)} given, {kept} kept")
                lesson.report(f"{size} writers{' and the wall' * has_wall}")
                cores[has_wall] = lesson.server_cores
            yield Row(
                f"{size} writers, a digit every {WRITTEN_EVERY_S:.0f} s each, with the wall on a "
                "projector: from Done to the next digit, when this one is kept",
                f"{lesson.figures}; {kept:,} kept, none lost or doubled",
                asked="95 % within 150 ms",
            )
            if size == CLASSES[0]:
                yield Row(
                    f"{size} writers: what the wall costs the server",
                    f"{cores[True] - cores[False]:.0%} of a core (without it {cores[False]:.2f})",
                    asked="less than 10 %",
                )


async def collect(
    server: Server, classes: Classes, collection: str, size: int, *, has_wall: bool
) -> Lesson:
    """A class writes digits for a collection."""
    chance, told = random.Random(size), drawings(DRAWINGS)
    process = psutil.Process(server.process.pid)
    lesson = Lesson(size, expected=size * round(WRITING_S / WRITTEN_EVERY_S))
    people = [Visitor(server.url, apps.PATIENCE_S) for _ in range(size)]
    door = asyncio.Semaphore(AT_THE_DOOR)

    async def sit_down(person: Visitor, number: int) -> None:
        secret = f"{collection}{number:056x}"
        classes.join(f"{collection} {number}", rights.Visitor(rights.visitor_id(secret)))
        async with door:
            await person.open("class", urlencode({"collection": collection}))
            await person.introduce(secret)

    await asyncio.gather(*(sit_down(person, number) for number, person in enumerate(people)))
    projector = Visitor(server.url, apps.PATIENCE_S)
    watching = None
    if has_wall:
        await projector.open("wall", urlencode({"collection": collection}))
        watching = asyncio.create_task(projector.watch())
    begin, cpu_s = time.monotonic(), apps.cpu_s([process])

    async def write(person: Visitor) -> None:
        at = begin + chance.uniform(0, WRITTEN_EVERY_S)
        first = chance.randrange(DRAWINGS)  # the canvas never tells the same twice in a row
        digits = itertools.cycle(told[first:] + told[:first])
        with noting(lesson.errors):
            while at < begin + WRITING_S:
                await asyncio.sleep(at - time.monotonic())
                lesson.readings_s.append(await person.write(next(digits)))
                at += WRITTEN_EVERY_S

    await asyncio.gather(*map(write, people))
    lesson.server_cores = (apps.cpu_s([process]) - cpu_s) / (time.monotonic() - begin)
    if watching:
        watching.cancel()
        with suppress(asyncio.CancelledError), noting(lesson.errors):
            await watching
        await projector.leave()
    await asyncio.gather(*(person.leave() for person in people))
    return lesson


def _title(size: int) -> str:
    return f"{size} visitors, a stroke every 2 s each, until both predictions are there"


PARTS: dict[str, results.Part] = {
    "classes": measure_classes,
    "training": measure_training,
    "limit": measure_limit,
    "writing": measure_writing,
}

if __name__ == "__main__":
    results.main("classroom", __doc__, PARTS)
