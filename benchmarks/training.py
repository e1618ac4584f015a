"""How fast networks learn here, beside plain `keras.Model.fit` on float32 arrays.

Each training runs in a process of its own, one after the other, ours and the plain one by turns. All that comes after the
imports counts: reading the digits, building, compiling, learning, validating after each epoch, and measuring on the test set.
"""

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import apps, results
from benchmarks.browser import Page, launched, visitor
from benchmarks.results import Row
from mnist_models import import_tensorflow, links
from mnist_models.hyperparameters import validate
from mnist_models.recipes import RECIPES
from mnist_models.runs import RunState
from mnist_models.store import RunStore
from tests.browser.server import Server

SEEDS = (1, 2, 3)
# The same recipe on both sides: ours, the plain one's network and batch size, the epochs of both, and the share of the plain
# one's time that is promised: with units for bfloat16, and without.
SAME = (
    (RECIPES["simple-nn"].hyperparameters.model_copy(update={"batch_size": 128, "epochs": 10}), (0.6, 0.6)),
    (RECIPES["simple-cnn"].hyperparameters.model_copy(update={"epochs": 3}), (0.5, 0.95)),
)
# To the accuracy that an earlier project reported: our recipe, and the plain network in batches of 32 until it gets there.
HEADLINES = (("quick-dnn", 0.9768, 6), ("quick-cnn", 0.9928, 15))
HEADLINE_BATCH_SIZE = 32
# Of these, an epoch is timed with augmentation and without.
AUGMENTED = ("shipped-dnn", "shipped-cnn", "quick-dnn", "quick-cnn")
# The large convolutions of the earlier projects: what the processor is busiest with.
BUSIEST = "simple-cnn"
MATRIX = 4096
WATCHED = RECIPES["quick-cnn"].hyperparameters.model_copy(update={"epochs": 3})
WATCHED_TIMES = 6
PATIENCE_S = 300


def measured(kind: str, **what) -> dict:
    """What one of the functions in MEASURES measures, in a process of its own."""
    command = [sys.executable, __file__, "--measure", json.dumps([kind, what])]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    found = json.loads(done.stdout.splitlines()[-1])
    values = what.pop("values", {})
    said = {**what, "network": values.get("network"), "seed": values.get("seed")} if values else what
    print(kind, said, found, flush=True)
    return found


def train_here(values: dict) -> dict:
    """A training of this project, from the hyperparameters' values."""
    from mnist_models import networks, precision
    from mnist_models.training import train

    hyperparameters = validate(values)
    started = time.perf_counter()
    trained = train(hyperparameters)
    seconds = time.perf_counter() - started
    return {
        "seconds": seconds,
        "accuracy": trained.test_accuracy,
        "parameters": trained.parameters,
        "precision": precision.resolve(hyperparameters, networks.build(hyperparameters, blank=True)),
    }


def train_plainly(**what) -> dict:
    """The plain training."""
    from benchmarks.plain_training import train

    return train(**what)


def time_epoch(values: dict) -> dict:
    """The seconds of an epoch, the second one: without compiling, validating and measuring."""
    from mnist_models.progress import EpochEnd
    from mnist_models.training import train

    ends = []
    hyperparameters = validate(values | {"epochs": 2, "validation_images": 0})
    train(hyperparameters, lambda event: ends.append(event.elapsed_s) if isinstance(event, EpochEnd) else None)
    return {"seconds": ends[1] - ends[0]}


def count_operations(values: dict) -> dict:
    """The floating-point operations that learning from one image takes: forwards, then backwards to weights and to inputs, of
    which the first layer's are not needed. Only those of matrix multiplications and convolutions."""
    from mnist_models import networks, precision

    network = networks.build(validate(values), blank=True)
    first = next(layer for layer in network.layers if hasattr(layer, "kernel"))
    return {"operations": 2 * (3 * precision.multiply_adds(network.layers) - precision.multiply_adds([first]))}


def multiply_matrices(dtype: str) -> dict:
    """What this machine's own multiplication of large matrices reaches, in floating-point operations a second."""
    import tensorflow as tf

    left, right = (tf.cast(tf.random.normal((MATRIX, MATRIX)), dtype) for _ in range(2))
    multiply = tf.function(lambda: tf.reduce_sum(tf.cast(tf.matmul(left, right)[:1, :1], tf.float32)))
    multiply()
    seconds = []
    for _ in range(5):
        started = time.perf_counter()
        multiply().numpy()
        seconds.append(time.perf_counter() - started)
    return {"per_second": 2 * MATRIX**3 / min(seconds)}


MEASURES = (train_here, train_plainly, time_epoch, count_operations, multiply_matrices)


def same_recipe(folder: Path) -> Iterator[Row]:
    """The same network, batch size, images and epochs on both sides."""
    for hyperparameters, promised in SAME:
        plain = {
            "network": hyperparameters.network, "batch_size": hyperparameters.batch_size, "epochs": hyperparameters.epochs,
            "until": None,
        }  # fmt: skip
        pairs = [
            (
                measured("train_here", values=hyperparameters.model_copy(update={"seed": seed}).model_dump(mode="json")),
                measured("train_plainly", seed=seed, **plain),
            )
            for seed in SEEDS
        ]
        ours, plains = zip(*pairs, strict=True)
        share = statistics.median(our["seconds"] / its["seconds"] for our, its in pairs)
        with_units, without = promised
        asked = with_units if ours[0]["precision"] == "bfloat16" else without
        yield Row(
            f"{hyperparameters.title} of {ours[0]['parameters']:,} parameters, {hyperparameters.epochs} epochs, batch size "
            f"{hyperparameters.batch_size}, {ours[0]['precision']}; test accuracy with {len(SEEDS)} seeds",
            f"{_seconds(ours)}, {share:.2f} of plain; {_accuracies(ours)}",
            f"{_seconds(plains)}; {_accuracies(plains)}",
            f"at most {asked:g} of plain",
        )


def headline(folder: Path) -> Iterator[Row]:
    """How long it takes to read as many test digits rightly as an earlier project reported."""
    for name, accuracy, times in HEADLINES:
        hyperparameters = RECIPES[name].hyperparameters
        plain = {
            "network": hyperparameters.network, "batch_size": HEADLINE_BATCH_SIZE, "epochs": None, "until": accuracy,
        }  # fmt: skip
        ours, plains = [], []
        for seed in SEEDS:
            ours.append(measured("train_here", values=hyperparameters.model_dump(mode="json") | {"seed": seed}))
            plains.append(measured("train_plainly", seed=seed, **plain))
        faster = statistics.median(plain["seconds"] for plain in plains) / statistics.median(our["seconds"] for our in ours)
        epochs = ", ".join(str(plain["epochs"]) for plain in plains)
        yield Row(
            f"{hyperparameters.title} to {accuracy:.2%} of the test digits: the recipe {RECIPES[name].title}, and plain until "
            f"it is there",
            f"{_seconds(ours)}, {faster:.0f} times faster; {_accuracies(ours)}",
            f"{_seconds(plains)}, {epochs} epochs; {_accuracies(plains)}",
            f"{times} times faster",
        )


def _seconds(trainings: Sequence[dict]) -> str:
    return f"{statistics.median(one['seconds'] for one in trainings):.1f} s"


def _accuracies(trainings: Sequence[dict]) -> str:
    return ", ".join(f"{one['accuracy']:.2%}" for one in trainings)


def augmentation(folder: Path) -> Iterator[Row]:
    """What full augmentation adds to an epoch."""
    for name in AUGMENTED:
        values = RECIPES[name].hyperparameters.model_dump(mode="json")
        off, full = (
            statistics.median(measured("time_epoch", values=values | {"augmentation": kind})["seconds"] for _ in SEEDS)
            for kind in ("off", "full")
        )
        yield Row(
            f"{RECIPES[name].title}: share of an epoch that full augmentation takes",
            f"{1 - off / full:.0%} ({full:.2f} s instead of {off:.2f} s)",
            asked="at most 30%",
        )


def utilisation(folder: Path) -> Iterator[Row]:
    """How near learning comes to what the machine can."""
    hyperparameters = RECIPES[BUSIEST].hyperparameters
    for precision in ("float32", "bfloat16"):
        values = hyperparameters.model_dump(mode="json") | {"precision": precision}
        seconds = measured("time_epoch", values=values)["seconds"]
        operations = measured("count_operations", values=values)["operations"] * hyperparameters.train_images
        limit = measured("multiply_matrices", dtype=precision)["per_second"]
        yield Row(
            f"{RECIPES[BUSIEST].title} in {precision}: GFLOP/s while learning, of those that multiplying two "
            f"{MATRIX}×{MATRIX} matrices reaches",
            f"{operations / seconds / 1e9:,.0f} of {limit / 1e9:,.0f}",
        )


def watching(folder: Path) -> Iterator[Row]:
    """What it costs to have the page open, in a browser on the same machine, while its curves move."""
    server = apps.ours(folder)
    try:
        with launched() as browser, visitor(browser) as page:
            store = RunStore(server.env["DATABASE_URL"])
            shares = []
            _trained(page, server, store, watched=True)  # once, so that the next ones find all loaded
            for _ in range(WATCHED_TIMES):
                watched_s, unwatched_s = (_trained(page, server, store, watched) for watched in (True, False))
                shares.append(watched_s / unwatched_s)
                print("watching", watched_s, unwatched_s, flush=True)
    finally:
        server.stop()
    yield Row(
        f"Training with the page open and its curves moving, of the time without ({WATCHED_TIMES} pairs)",
        f"{statistics.median(shares):.3f}",
        asked="at most 1.03",
    )


def _trained(page: Page, server: Server, store: RunStore, watched: bool) -> float:
    """Trains once from the Train page, and stays there or leaves it; the seconds that the training took."""
    page.goto(links.to_url(f"{server.url}/train", links.to_query(WATCHED)))
    before = len(store.runs())
    page.locator(".st-key-train-start button").click()
    page.get_by_text("images a second").wait_for()
    if not watched:
        page.goto("about:blank")
    deadline = time.monotonic() + PATIENCE_S
    while (run := store.runs()[0]).state != RunState.FINISHED or len(store.runs()) == before:
        if time.monotonic() > deadline:
            raise TimeoutError(f"{run.id} is still {run.state}")
        time.sleep(0.5)
    return run.elapsed_s


PARTS: dict[str, results.Part] = {
    "same": same_recipe,
    "headline": headline,
    "watching": watching,
    "augmentation": augmentation,
    "utilisation": utilisation,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    results.let_choose(parser, PARTS)
    parser.add_argument("--measure", help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.measure:
        import_tensorflow()
        kind, what = json.loads(chosen.measure)
        (measure,) = (measure for measure in MEASURES if measure.__name__ == kind)
        print(json.dumps(measure(**what)))
    else:
        results.measure("training", PARTS, chosen.only)


if __name__ == "__main__":
    main()
