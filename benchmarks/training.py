"""How fast networks learn here, beside plain `keras.Model.fit` on float32 arrays.

Each training runs in a process of its own, one after the other, and where there are two sides, by
turns. All that comes after the imports counts: reading the digits, building, compiling, learning,
validating after each epoch, measuring on the test set.
"""

import argparse
import dataclasses
import json
import math
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from benchmarks import apps, drawing, results
from benchmarks.browser import Page, launched, visitor
from benchmarks.results import Row
from mnist_models import tensorflow_loader
from mnist_models.data import dataset, npz
from mnist_models.data.preprocessing import prepare_drawing
from mnist_models.handwriting.collection import Collection
from mnist_models.handwriting.splits import hold_out
from mnist_models.runs.store import RunStore
from mnist_models.runs.tables import RunState
from mnist_models.settings import links
from mnist_models.settings.hyperparameters import Hyperparameters, validate
from mnist_models.settings.recipes import RECIPES
from mnist_models.settings.script import script
from mnist_models.training.material import Material, Start, to_fine_tune
from tests.browser.server import Server

SEEDS = (1, 2, 3)
# What TensorFlow tells of itself would hide what went wrong.
QUIET = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}


class Same(NamedTuple):
    """The same recipe on both sides. promised: the share of the plain one's time with units for
    bfloat16, and without."""

    hyperparameters: Hyperparameters
    promised: tuple[float, float]


class Headline(NamedTuple):
    """The share of test digits that an earlier project reported, and how many times faster our
    recipe is to get there."""

    recipe: str
    accuracy: float
    promised: int


SAME = (
    Same(
        RECIPES["simple-nn"].hyperparameters.model_copy(update={"batch_size": 128, "epochs": 10}),
        (0.6, 0.6),
    ),
    Same(RECIPES["simple-cnn"].hyperparameters.model_copy(update={"epochs": 3}), (0.5, 0.95)),
)
HEADLINES = (Headline("quick-dnn", 0.9768, 6), Headline("quick-cnn", 0.9928, 15))
# `fit` takes batches of 32 unless it is told otherwise.
HEADLINE_BATCH_SIZE = 32
# Of these an epoch is timed, with augmentation and without.
AUGMENTED = ("shipped-dnn", "shipped-cnn", "quick-dnn", "quick-cnn")
AUGMENTED_IMAGES, AUGMENTED_TIMES = 20_000, 3
# The largest convolutions of the earlier projects.
BUSIEST = "simple-cnn"
MATRIX = 4096
# The stand-alone script of these is to reach what the app reaches: of the two that the Train page
# opens with, and of one whose images are varied.
SCRIPTED = {
    "Quick DNN": RECIPES["quick-dnn"].hyperparameters,
    "Quick CNN": RECIPES["quick-cnn"].hyperparameters,
    "Quick DNN with full augmentation": RECIPES["quick-dnn"].hyperparameters.model_copy(
        update={"augmentation": "full"}
    ),
}
SCRIPT_SEEDS = (1, 2, 3, 4, 5)
WATCHED = RECIPES["quick-cnn"].hyperparameters.model_copy(update={"epochs": 6})
WATCHED_PAIRS = 6
PATIENCE_S = 300
# The pretrained models that learn from a class, and the seeds for each: the largest takes minutes
# from scratch.
FINE_TUNED = {"teaching-cnn": SEEDS, "shipped-cnn": SEEDS[:1]}
CLASS_DIGITS, CLASS_SHARE = 300, 0.25
OPTIONS = argparse.ArgumentParser(add_help=False)
OPTIONS.add_argument(
    "--strokes",
    type=Path,
    help="recordings for the part about a class, a JSON object a line with label, writer and "
    "strokes; it is left out without",
)
# The first argument of the process that measures one thing.
MEASURE = "measure"


def measured(kind: str, **what) -> dict:
    """What one of the functions in MEASURES measures, in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.training", MEASURE, json.dumps([kind, what])]
    done = subprocess.run(
        command, check=True, stdout=subprocess.PIPE, text=True, env=QUIET, cwd=results.ROOT
    )
    found = json.loads(done.stdout.splitlines()[-1])
    values = what.pop("values", {})
    said = (
        {**what, "network": values.get("network"), "seed": values.get("seed")} if values else what
    )
    print(kind, said, found, flush=True)
    return found


def train_here(values: dict) -> dict:
    """A training of this project, from the hyperparameters' values."""
    from mnist_models.training.loop import train

    hyperparameters = validate(values)
    started = time.perf_counter()
    trained = train(hyperparameters)
    seconds = time.perf_counter() - started
    found = {
        "seconds": seconds,
        "accuracy": trained.test_accuracy,
        "parameters": trained.parameters,
    }
    return found | best_precision(values)


def best_precision(values: dict) -> dict:
    """What such a network learns in on this machine, where that is left to it."""
    from mnist_models.models import networks, precision

    hyperparameters = validate(values)
    return {
        "precision": precision.resolve(hyperparameters, networks.build(hyperparameters, blank=True))
    }


def train_plainly(**what) -> dict:
    """The plain training."""
    from benchmarks.plain_training import train

    return train(**what)


def time_epoch(values: dict) -> dict:
    """The seconds of an epoch, the second one: without compiling, validating and measuring."""
    from mnist_models.training.loop import train
    from mnist_models.training.progress import EpochEnd

    ends = []
    hyperparameters = validate(values | {"epochs": 2, "validation_images": 0})
    train(
        hyperparameters,
        lambda event: ends.append(event.elapsed_s) if isinstance(event, EpochEnd) else None,
    )
    return {"seconds": ends[1] - ends[0]}


def count_operations(values: dict) -> dict:
    """The floating-point operations that learning from one image takes: forwards, then backwards to
    weights and to inputs, of which the first layer's are not needed. Only those of matrix
    multiplications and convolutions."""
    from mnist_models.models import networks, precision

    network = networks.build(validate(values), blank=True)
    first = next(layer for layer in network.layers if hasattr(layer, "kernel"))
    return {
        "operations": 2
        * (3 * precision.multiply_adds(network.layers) - precision.multiply_adds([first]))
    }


def multiply_matrices(dtype: str) -> dict:
    """What this machine's own multiplication of large matrices reaches, in floating-point
    operations a second."""
    import tensorflow as tf

    left, right = (tf.cast(tf.random.normal((MATRIX, MATRIX)), dtype) for _ in range(2))
    multiply = tf.function(
        lambda: tf.reduce_sum(tf.cast(tf.matmul(left, right)[:1, :1], tf.float32))
    )
    multiply()
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        multiply().numpy()
        seconds.append(time.perf_counter() - started)
    return {"per_second": 2 * MATRIX**3 / min(seconds)}


def learn_from_class(run_id: str, strokes: str, seed: int, fine_tuned: bool) -> dict:
    """A pretrained model's recipe with a class's digits mixed in: from random weights, or with the
    settings for fine-tuning from the model itself."""
    from mnist_models.training.loop import train

    store = RunStore()
    run = store.run(run_id)
    hyperparameters = run.hyperparameters.model_copy(update={"seed": seed})
    material = _a_class(Path(strokes), seed)
    if fine_tuned:
        hyperparameters = to_fine_tune(hyperparameters)
        start = Start(run_id=run.id, label=run.label, test_accuracy=run.test_accuracy)
        material = dataclasses.replace(material, start=start, weights=store.weights(run_id))
    started = time.perf_counter()
    trained = train(hyperparameters, material=material)
    found = {"seconds": time.perf_counter() - started, "accuracy": trained.test_accuracy}
    labels = material.tested.labels
    for name, read in trained.class_result._asdict().items():
        if read is not None:
            found[name] = float((read == labels).mean())
    return found


def _a_class(strokes: Path, seed: int) -> Material:
    """Digits drawn on the canvas in four ways, by turns, and prepared as every drawing is: so many
    to learn from, and all those of a third of the writers for the test."""
    random = np.random.default_rng(seed)
    recordings = drawing.read(strokes)
    images = [
        prepare_drawing(
            drawing.draw(one.strokes, drawing.WAYS[place % len(drawing.WAYS)], random)
        ).image
        for place, one in enumerate(recordings)
    ]
    _, writers = np.unique([one.writer for one in recordings], return_inverse=True)
    labels = np.array([one.label for one in recordings], np.uint8)
    digits = Collection(np.array(images), labels, writers.astype(np.int64))
    is_held_out = hold_out(digits.writers, 1 / 3, seed)
    learned = random.choice(np.flatnonzero(~is_held_out), CLASS_DIGITS, replace=False)
    places = np.sort(np.concatenate([learned, np.flatnonzero(is_held_out)]))
    return Material(digits.take(places), is_held_out[places], "the recordings", CLASS_SHARE)


MEASURES = (
    train_here,
    learn_from_class,
    best_precision,
    train_plainly,
    time_epoch,
    count_operations,
    multiply_matrices,
)


def same_recipe(folder: Path) -> Iterator[Row]:
    """The same network, batch size, images and epochs on both sides."""
    for hyperparameters, (with_units, without) in SAME:
        plain = {
            "batch_size": hyperparameters.batch_size,
            "epochs": hyperparameters.epochs,
            "until": None,
        }
        ours, plains = by_turns(hyperparameters, plain)
        share = _median_s(ours) / _median_s(plains)
        yield Row(
            f"{hyperparameters.title} of {ours[0]['parameters']:,} parameters, "
            f"{hyperparameters.epochs} epochs, batches of {hyperparameters.batch_size}, "
            f"{ours[0]['precision']}; test accuracy of {len(SEEDS)} seeds",
            f"{_median_s(ours):.1f} s, {share:.2f} of plain; {_accuracies(ours)}",
            f"{_median_s(plains):.1f} s; {_accuracies(plains)}",
            f"at most {with_units if ours[0]['precision'] == 'bfloat16' else without:g} of plain",
        )


def headline(folder: Path) -> Iterator[Row]:
    """How long it takes to reach the test accuracy that an earlier project reported."""
    for recipe, accuracy, promised in HEADLINES:
        hyperparameters = RECIPES[recipe].hyperparameters
        ours, plains = by_turns(
            hyperparameters, {"batch_size": HEADLINE_BATCH_SIZE, "epochs": None, "until": accuracy}
        )
        faster = _median_s(plains) / _median_s(ours)
        there = statistics.median(our["accuracy"] for our in ours) >= accuracy
        late = [plain for plain in plains if plain["accuracy"] < accuracy]
        epochs = ", ".join(str(plain["epochs"]) for plain in plains)
        yield Row(
            f"{hyperparameters.title} to {accuracy:.2%} test accuracy: the recipe "
            f"{RECIPES[recipe].title} ({ours[0]['parameters']:,} parameters, "
            f"{ours[0]['precision']}), and plain ({plains[0]['parameters']:,} parameters, batches "
            f"of {HEADLINE_BATCH_SIZE}) for as many epochs as needed; {len(SEEDS)} seeds",
            f"{_median_s(ours):.1f} s, {faster:.0f} times faster; {_accuracies(ours)}"
            + ("" if there else ": NOT THERE"),
            f"{_median_s(plains):.0f} s, {epochs} epochs; {_accuracies(plains)}"
            + (f"; {len(late)} not there" if late else ""),
            f"{promised} times faster",
        )


def by_turns(hyperparameters: Hyperparameters, plain: dict) -> tuple[list[dict], list[dict]]:
    """Ours and the plain training of the same network with each seed, now one of them first, now
    the other."""
    ours, plains = [], []
    for place, seed in enumerate(SEEDS):
        values = hyperparameters.model_copy(update={"seed": seed}).model_dump(mode="json")
        sides = [
            lambda values=values: ours.append(measured("train_here", values=values)),
            lambda seed=seed: plains.append(
                measured("train_plainly", network=hyperparameters.network, seed=seed, **plain)
            ),
        ]
        for side in reversed(sides) if place % 2 else sides:
            side()
    return ours, plains


def _median_s(trainings: Sequence[dict]) -> float:
    return statistics.median(one["seconds"] for one in trainings)


def _accuracies(trainings: Sequence[dict]) -> str:
    return ", ".join(f"{one['accuracy']:.2%}" for one in trainings)


def scripts(folder: Path) -> Iterator[Row]:
    """The test accuracy of the stand-alone script beside the app's, with the same seeds."""
    (folder / "mnist.npz").write_bytes(npz.write(dataset.for_keras(), compressed=False))
    for title, hyperparameters in SCRIPTED.items():
        apps_share, scripts_share = [], []
        for seed in SCRIPT_SEEDS:
            seeded = hyperparameters.model_copy(update={"seed": seed})
            ours = measured("train_here", values=seeded.model_dump(mode="json"))
            apps_share.append(ours["accuracy"])
            scripts_share.append(_script_accuracy(seeded, folder))
            print("script", title, seed, scripts_share[-1], flush=True)
        error = math.hypot(*(statistics.stdev(some) for some in (apps_share, scripts_share)))
        error /= math.sqrt(len(SCRIPT_SEEDS))
        lead = statistics.mean(scripts_share) - statistics.mean(apps_share)
        yield Row(
            f"{title}: test accuracy of {len(SCRIPT_SEEDS)} seeds, in the app and (as plain) of "
            "the stand-alone script",
            _mean(apps_share),
            f"{_mean(scripts_share)}, {100 * lead:+.2f} ± {100 * error:.2f} points",
            "a difference of at most twice its standard error",
        )


def _script_accuracy(hyperparameters: Hyperparameters, folder: Path) -> float:
    """What the stand-alone script reaches, as a program of its own, with the digits beside it."""
    (folder / "train.py").write_text(script(hyperparameters), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "train.py"],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env=QUIET,
        cwd=folder,
    )
    return float(done.stdout.split()[-1].removesuffix("%")) / 100


def _mean(shares: Sequence[float]) -> str:
    return f"{statistics.mean(shares):.2%} ± {100 * statistics.stdev(shares):.2f}"


def augmentation(folder: Path) -> Iterator[Row]:
    """What full augmentation takes of an epoch. (Before the first, digits are also restyled once,
    which takes some seconds.)"""
    for recipe in AUGMENTED:
        values = RECIPES[recipe].hyperparameters.model_dump(mode="json") | {
            "train_images": AUGMENTED_IMAGES
        }
        seconds: dict[str, list[float]] = {"off": [], "full": []}
        for _ in range(AUGMENTED_TIMES):
            for kind, found in seconds.items():
                found.append(
                    measured("time_epoch", values=values | {"augmentation": kind})["seconds"]
                )
        off, full = (statistics.median(found) for found in seconds.values())
        yield Row(
            f"{RECIPES[recipe].title}: share of an epoch spent on full augmentation (and what it "
            "adds to an epoch without)",
            f"{1 - off / full:.0%} (+{full / off - 1:.0%})",
            asked="at most 30%",
        )


def utilisation(folder: Path) -> Iterator[Row]:
    """How near learning comes to what the machine can."""
    hyperparameters = RECIPES[BUSIEST].hyperparameters
    values = hyperparameters.model_dump(mode="json")
    for precision in sorted(
        {"float32", measured("best_precision", values=values)["precision"]}, reverse=True
    ):
        values |= {"precision": precision}
        seconds = min(measured("time_epoch", values=values)["seconds"] for _ in range(2))
        operations = (
            measured("count_operations", values=values)["operations"] * hyperparameters.train_images
        )
        limit = measured("multiply_matrices", dtype=precision)["per_second"]
        yield Row(
            f"{RECIPES[BUSIEST].title} in {precision}: GFLOP/s in training, out of those reached "
            f"by multiplying two {MATRIX}×{MATRIX} matrices",
            f"{operations / seconds / 1e9:,.0f} of {limit / 1e9:,.0f}",
        )


def watching(folder: Path) -> Iterator[Row]:
    """What it costs to have the page open, in a browser on the same machine, while its curves
    move."""
    server = apps.ours(folder)
    try:
        with launched() as browser, visitor(browser) as page:
            _trained_s(page, server, watched=True)  # once, so that the next ones find all loaded
            shares = []
            for place in range(WATCHED_PAIRS):
                seconds = {
                    watched: _trained_s(page, server, watched)
                    for watched in ((True, False), (False, True))[place % 2]
                }
                shares.append(seconds[True] / seconds[False])
                print("watched, not watched:", seconds, flush=True)
    finally:
        apps.end(server)
    yield Row(
        "Training with the page open and its curves moving, as a multiple of the time without: "
        f"median of {WATCHED_PAIRS} pairs (and all)",
        f"{statistics.median(shares):.3f} "
        f"({', '.join(f'{share:.2f}' for share in sorted(shares))})",
        asked="at most 1.03",
    )


def _trained_s(page: Page, server: Server, watched: bool) -> float:
    """Trains once from the Train page, and stays there or leaves it; the seconds that the training
    took."""
    store = RunStore(server.env["DATABASE_URL"])
    page.goto(links.to_url(f"{server.url}/train", links.to_query(WATCHED)))
    before = len(store.runs())
    page.locator(".st-key-train-start button").click()
    deadline = time.monotonic() + PATIENCE_S
    while len(runs := store.runs()) == before or runs[0].in_progress:
        if len(runs) > before and not watched:
            page.goto("about:blank")
        if time.monotonic() > deadline:
            raise TimeoutError("The training on the Train page does not begin, or does not end.")
        page.wait_for_timeout(
            300
        )  # not time.sleep: the browser's messages are to be taken meanwhile
    if runs[0].state != RunState.FINISHED:
        raise RuntimeError(f"The training on the Train page is {runs[0].state}: {runs[0].error}")
    return runs[0].elapsed_s


def fine_tuning(folder: Path) -> Iterator[Row]:
    """What a class's digits bring and cost, and how soon: from the pretrained model, and (as plain)
    with the same recipe from scratch."""
    strokes = OPTIONS.parse_known_args()[0].strokes
    if not strokes:
        return
    for run_id, seeds in FINE_TUNED.items():
        ours, plains = [], []
        for seed in seeds:
            what = {"run_id": run_id, "strokes": str(strokes.resolve()), "seed": seed}
            ours.append(measured("learn_from_class", **what, fine_tuned=True))
            plains.append(measured("learn_from_class", **what, fine_tuned=False))
        run = RunStore().run(run_id)
        share = _median_s(ours) / _median_s(plains)
        before = statistics.mean(one["before"] for one in ours)
        yield Row(
            f"{run.label}, {CLASS_DIGITS} digits of a class mixed with MNIST: fine-tuned, and (as "
            f"plain) trained with them from scratch; accuracy on writers held out, and on MNIST's "
            f"test set (seeds: {len(seeds)})",
            f"{_median_s(ours):.1f} s, {share:.2f} of plain; writers {before:.1%} before, "
            f"{_mean_of(ours, 'after')} after; MNIST {run.test_accuracy:.2%} before, "
            f"{_mean_of(ours, 'accuracy')} after",
            f"{_median_s(plains):.0f} s; writers {_mean_of(plains, 'after')}; MNIST "
            f"{_mean_of(plains, 'accuracy')}",
            "at most 0.25 of plain",
        )


def _mean_of(trainings: Sequence[dict], name: str) -> str:
    return f"{statistics.mean(one[name] for one in trainings):.2%}"


PARTS: dict[str, results.Part] = {
    "same": same_recipe,
    "headline": headline,
    "script": scripts,
    "watching": watching,
    "augmentation": augmentation,
    "utilisation": utilisation,
    "class": fine_tuning,
}


def main() -> None:
    if sys.argv[1:2] == [MEASURE]:
        tensorflow_loader.load()
        kind, what = json.loads(sys.argv[2])
        (measure,) = (measure for measure in MEASURES if measure.__name__ == kind)
        print(json.dumps(measure(**what)))
    else:
        results.main("training", __doc__, PARTS, [OPTIONS])


if __name__ == "__main__":
    main()
