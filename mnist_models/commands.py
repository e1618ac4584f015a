"""What each command of the command line does. Each takes its options and returns the exit
status."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import itertools
import json
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from tqdm import tqdm

from mnist_models import reading, tensorflow_loader
from mnist_models.data import dataset
from mnist_models.data.pictures import PictureError, open_picture
from mnist_models.data.preprocessing import prepare_picture
from mnist_models.imports.refusal import RefusedError
from mnist_models.models.formats import FORMATS
from mnist_models.runs import pretrained
from mnist_models.runs.store import RunStore
from mnist_models.runs.tables import Run, RunState, StoreError
from mnist_models.settings import links, recipes
from mnist_models.settings.hyperparameters import (
    NETWORKS,
    Hyperparameters,
    HyperparametersError,
    Problem,
    number,
    validate,
)
from mnist_models.settings.notebook import notebook
from mnist_models.settings.script import script
from mnist_models.training.progress import (
    Control,
    Curve,
    EpochEnd,
    Event,
    Measuring,
    Progress,
    Trained,
    planned_steps,
)

# What `export` writes: all of a run, its notebook, or its model alone.
ZIP, NOTEBOOK = "zip", "notebook"
EXPORTS = (ZIP, NOTEBOOK, *FORMATS)
# Between these lines of a Markdown file stands the table of the recipes.
TABLE_MARKS = ("<!-- recipes -->", "<!-- end of recipes -->")


def _hyperparameters(options: argparse.Namespace) -> Hyperparameters:
    """Those of the recipe, with what was chosen on the command line in their place.

    Raises:
        HyperparametersError: Something in them is not allowed.
    """
    if not (options.network or options.recipe):
        raise _wrong(
            "network",
            f"Name the network to train ({' or '.join(NETWORKS)}), or a recipe: --recipe NAME.",
        )
    recipe = _recipe(options.recipe or "quick", options.network)
    network = recipe.hyperparameters.network
    if options.network not in (None, network):
        raise _wrong(
            "recipe",
            f"The recipe {recipe.name} is for a {recipe.hyperparameters.title}; leave "
            f"{options.network} out.",
        )
    every = itertools.chain.from_iterable(kind.choices() for kind in NETWORKS.values())
    chosen = {name: getattr(options, name) for name in every if hasattr(options, name)}
    return validate(recipe.hyperparameters.model_dump() | chosen)


def print_code(options: argparse.Namespace) -> int:
    if options.recipe is None:
        run = RunStore().run(options.run)
        code = script(run.hyperparameters, run.class_share, fine_tuned=run.is_fine_tuned)
    else:
        code = script(_recipe(options.recipe).hyperparameters)
    print(code, end="")
    return 0


def print_link(options: argparse.Namespace) -> int:
    if options.recipe is None:
        query = RunStore().run(options.run).query
    else:
        query = links.to_query(_recipe(options.recipe).hyperparameters)
    print(links.to_url(options.address, query))
    return 0


def export_run(options: argparse.Namespace) -> int:
    store = RunStore()
    run = store.run(options.run)
    runs = [run]
    if options.race and options.format != ZIP:
        print(f"--race writes a {ZIP}: leave --format out.", file=sys.stderr)
        return 1
    if options.race:
        runs = [other for other in store.runs() if run.race and other.race == run.race]
        if not runs:
            print(f"The run {run.id} is of no race: leave --race out.", file=sys.stderr)
            return 1
    content = _exported(store, [run.id for run in runs], options.format)
    try:
        options.file.write_bytes(content)
    except OSError as error:
        print(
            f"{options.file} cannot be written ({error.strerror}): choose another file.",
            file=sys.stderr,
        )
        return 1
    labels = " and ".join(run.label for run in runs)
    print(f"{labels}: {options.file}, {len(content) / 1e6:.1f} MB")
    return 0


def _exported(store: RunStore, run_ids: Sequence[str], form: str) -> bytes:
    if form == NOTEBOOK:
        run = store.run(run_ids[0])
        return notebook(run.hyperparameters, run.class_share, fine_tuned=run.is_fine_tuned).encode()
    tensorflow_loader.load()
    from mnist_models.runs import exports

    if form == ZIP:
        return exports.export(store, run_ids)
    return exports.model(store, run_ids[0], form)


def import_files(options: argparse.Namespace) -> int:
    """Runs are kept; other people's networks are opened, measured and described."""
    contents: dict[Path, bytes] = {}
    status = 0
    for file in options.files:
        try:
            contents[file] = file.read_bytes()
        except OSError as error:
            status = 1
            print(
                f"{file} cannot be read ({error.strerror}): choose another file.", file=sys.stderr
            )
    if not contents:
        return 1
    tensorflow_loader.load()
    from mnist_models.imports import reading
    from mnist_models.runs.exports import ExportError

    configs = [file for file, content in contents.items() if reading.is_config(content)]
    # The weights of a network and the description of its layers may be files of their own.
    config = contents.pop(configs[0]) if len(configs) == 1 and len(contents) > 1 else None
    for file, content in contents.items():
        try:
            if reading.is_run(content):
                _import_run(content, options)
            else:
                _diagnose(file, content, config, options)
        except (ExportError, RefusedError) as error:
            status = 1
            print(f"{file}: {error}", file=sys.stderr)
        except PictureError as error:
            status = 1
            print(f"{options.picture}: {error}", file=sys.stderr)
    return status


def _import_run(content: bytes, options: argparse.Namespace) -> None:
    """Keeps a run, or those of a race. Raises exports.ExportError, RefusedError, StoreError."""
    from mnist_models.runs import exports, passing_on

    if passing_on.is_passed_on(content):
        run = passing_on.import_run(RunStore(), content, options.name)
        print(
            f"{run.label} (run {run.id}): {NETWORKS[run.network].title}, trained elsewhere, test "
            f"accuracy {run.test_accuracy:.2%}"
        )
        return
    for run in exports.import_runs(RunStore(), content, options.name):
        print(
            f"{run.label} (run {run.id}): {run.hyperparameters.title}, test accuracy "
            f"{run.test_accuracy:.2%}"
        )


def _diagnose(
    file: Path, content: bytes, config: bytes | None, options: argparse.Namespace
) -> None:
    """Prints what a network is, what it wants to be fed, and how well it reads, and keeps it where
    it reads digits. Raises RefusedError, StoreError."""
    from mnist_models.imports import words
    from mnist_models.imports.recipe import recipe
    from mnist_models.runs.loading import keep_imported

    with tqdm(total=1.0, leave=False, bar_format="{l_bar}{bar}") as bar:

        def progress(share: float) -> None:
            bar.update(share - bar.n)

        run, brought, found = keep_imported(
            RunStore(), options.name or file.name, content, config, progress
        )
    if options.json:
        facts = {"file": str(file), "run": run and run.id}
        print(json.dumps(facts | words.as_json(brought, found)))
        return
    print(f"{file}: {words.what_it_is(brought)}")
    print(words.what_it_wants(brought, found))
    print(words.output(found))
    print(words.how_good(found))
    print("\nWhat was tried, with the share read right:")
    print("\n".join(words.table(found.trials, found.chosen)))
    if run:
        print(
            f"\nKept as {run.label}, a {NETWORKS[run.network].title}: `evaluate {run.network} "
            f"--run {run.id}` and `predict --{run.network} {run.id}` use it."
        )
    if run and options.picture:
        _read_five_ways(run, options.picture)
    if options.prepare:
        print(f"\n{recipe(found.chosen.feeding)}", end="")


def _read_five_ways(run: Run, path: Path) -> None:
    """Prints what an imported network reads in a picture that is prepared well, and badly. Raises
    PictureError."""
    from mnist_models.imports import imported, mistakes

    assert run.imported
    with contextlib.closing(imported.reopened(RunStore().weights(run.id), run.imported)) as reader:
        ways = mistakes.five_ways(reader, prepare_picture(open_picture(path)))
    print(f"\n{path}:")
    for way in ways:
        print(f"  {way.prediction.digit} ({way.prediction.probability:6.1%})  {way.title}")
    print(mistakes.explained(ways))


def _wrong(field: str, sentence: str) -> HyperparametersError:
    return HyperparametersError([Problem(field, sentence)])


def _recipe(name: str, network: str | None = None) -> recipes.Recipe:
    """See recipes.find.

    Raises:
        HyperparametersError: Something in them is not allowed.
    """
    recipe = recipes.find(name, network)
    if recipe is None:
        raise _wrong(
            "recipe", f"There is no recipe {name!r}; there are {', '.join(recipes.RECIPES)}."
        )
    return recipe


def list_recipes(options: argparse.Namespace) -> int:
    tensorflow_loader.load()
    if options.train:
        return _train_earlier_projects(options.train)
    from mnist_models.models import networks

    for recipe in recipes.RECIPES.values():
        facts = {
            "name": recipe.name,
            "network": recipe.hyperparameters.network,
            "parameters": networks.build(recipe.hyperparameters, blank=True).count_params(),
            "reported": recipe.reported,
        }
        if options.json:
            print(json.dumps(facts))
        else:
            reported = "" if recipe.reported is None else f", reported {recipe.reported:.2%}"
            print(
                f"{recipe.name}: {recipe.hyperparameters.title}, {facts['parameters']:,} "
                f"parameters{reported}"
            )
            print(f"    {recipe.origin}")
    return 0


def _train_earlier_projects(file: Path) -> int:
    """Trains every recipe of the earlier projects and writes the table of what they reported and
    what they reach here."""
    try:
        text = file.read_text(encoding="utf-8")
        head, tail = text[: text.index(TABLE_MARKS[0])], text[text.index(TABLE_MARKS[1]) :]
    except (OSError, ValueError) as error:
        reason = (
            getattr(error, "strerror", None) or "it lacks the lines between which the table stands"
        )
        print(
            f"{file} cannot be used ({reason}); it needs {' and '.join(TABLE_MARKS)}.",
            file=sys.stderr,
        )
        return 1
    store = RunStore()
    rows = [
        "| recipe | network | parameters | reported | reached here | epochs | seconds |",
        "| --- " * 7 + "|",
    ]
    for recipe in recipes.EARLIER:
        print(f"{recipe.name}:", file=sys.stderr)
        run = store.create(recipe.hyperparameters, recipe.title)
        trained = _train_with_bar(recipe.hyperparameters, store, run, Control)
        if trained is None:
            return 1
        store.finish(run.id, trained)
        reported = "" if recipe.reported is None else f"{recipe.reported:.2%}"
        rows.append(
            f"| {recipe.title} | {recipe.hyperparameters.title} | {trained.parameters:,} | "
            f"{reported} | "
            f"{trained.test_accuracy:.2%} | {number(round(trained.epochs, 2))} | "
            f"{trained.elapsed_s:.0f} |"
        )
        print(rows[-1])
    file.write_text("\n".join([head + TABLE_MARKS[0], *rows, tail]), encoding="utf-8")
    return 0


def train_one(options: argparse.Namespace) -> int:
    hyperparameters = _hyperparameters(options)
    if options.output:
        try:
            options.output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            print(
                f"Nothing can be written to {options.output} ({error.strerror}): choose another "
                "folder.",
                file=sys.stderr,
            )
            return 1
    tensorflow_loader.load()
    stop = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    store = RunStore()
    run = store.create(hyperparameters, options.name)
    trained = _train_with_bar(hyperparameters, store, run, lambda: Control(stop=stop.is_set()))
    if trained is None:
        return 1
    status = 0
    if options.output and trained.stopped:
        print(f"It was stopped early, so {options.output} was left as it is.", file=sys.stderr)
    elif options.output:  # before the store, so that it is there even if the store fails
        try:
            command = shlex.join(["python", "-m", "mnist_models", *sys.argv[1:]])
            pretrained.write(options.output, hyperparameters, trained, command)
        except OSError as error:
            status = 1
            print(
                f"{options.output} could not be written ({error.strerror}); the run is kept.",
                file=sys.stderr,
            )
    store.finish(run.id, trained)
    facts = {
        "run": run.id,
        "name": run.name,
        "network": run.network,
        "state": store.run(run.id).state,
        **trained.measures,
        "hyperparameters": hyperparameters.model_dump(mode="json"),
    }
    if options.json:
        print(json.dumps(facts))
    else:
        print(
            f"{run.label} (run {run.id}): {trained.parameters:,} parameters, "
            f"{number(round(trained.epochs, 2))} epochs in {trained.elapsed_s:.1f} s"
        )
        print(f"test loss {trained.test_loss:.4f}, test accuracy {trained.test_accuracy:.2%}")
    return status


def _train_with_bar(
    hyperparameters: Hyperparameters, store: RunStore, run: Run, control: Callable[[], Control]
) -> Trained | None:
    """Trains here, with a progress bar on standard error; None when it failed."""
    from mnist_models.training.loop import TrainingError, train

    curve = Curve.empty(hyperparameters)
    with tqdm(total=planned_steps(hyperparameters), unit="batch", leave=False) as bar:

        def report(event: Event) -> None:
            curve.add(event)
            match event:
                case Progress():
                    bar.update(event.step - bar.n)
                    bar.set_postfix_str(f"batch loss {event.losses[-1]:.3f}")
                case EpochEnd():
                    with suppress(StoreError):  # the whole curve is kept at the end
                        store.save_curve(run.id, curve)
                    validation = (
                        ""
                        if event.validation_loss is None
                        else f", validation loss {event.validation_loss:.4f}, "
                        f"accuracy {event.validation_accuracy:.2%}"
                    )
                    bar.write(
                        f"epoch {number(round(event.epoch, 2))}: loss {event.loss:.4f}, "
                        f"accuracy {event.accuracy:.2%}{validation}",
                        file=sys.stderr,
                    )
                case Measuring():
                    bar.set_postfix_str("classifying the test set")

        store.set_state(run.id, RunState.RUNNING)
        try:
            trained = train(hyperparameters, report, control)
        except TrainingError as error:
            store.set_state(run.id, RunState.FAILED, str(error))
            store.save_curve(run.id, curve)
            print(error, file=sys.stderr)
            return None
    return trained


def _chosen(store: RunStore, network: str, run_id: str | None) -> Run:
    """The run of this network with this id, or the pretrained model when None.

    Raises:
        StoreError: The store cannot be read or written.
    """
    run = store.run(run_id or pretrained.PREFIX + network)
    if run.network != network:
        raise StoreError(
            f"The run {run.id} is a {NETWORKS[run.network].title}; choose one that is a "
            f"{NETWORKS[network].title}."
        )
    return run


def _load_what_reads(*runs: Run) -> None:
    """Imports TensorFlow, where one of these models came from a file; others read without it."""
    if any(run.imported for run in runs):
        tensorflow_loader.load()


def evaluate_run(options: argparse.Namespace) -> int:
    store = RunStore()
    run = _chosen(store, options.network, options.run)
    _load_what_reads(run)
    from mnist_models.models.evaluation import evaluate
    from mnist_models.runs.loading import load_reader

    test = dataset.load().test
    result = evaluate(
        load_reader(store, run.id).predictions(test.images),
        test.labels,
        run.measured.temperature,
    )
    if options.json:
        print(
            json.dumps(
                dataclasses.asdict(result) | {"run": run.id, "confusion": result.confusion.tolist()}
            )
        )
        return 0
    print(
        f"{run.label} on the 10,000 test digits: loss {result.loss:.4f}, accuracy "
        f"{result.accuracy:.2%}"
    )
    print(
        f"expected calibration error {result.calibration_error:.2%}, "
        f"{result.untempered_calibration_error:.2%} before temperature scaling "
        f"(T = {run.temperature:.2f})\n"
    )
    print("digit  precision  recall      F1  support")
    for digit, report in enumerate(result.digits):
        print(
            f"{digit:5}  {report.precision:9.2%} {report.recall:7.2%} {report.f1:7.2%}  "
            f"{report.support:7}"
        )
    print("\nconfusion matrix: a row for each actual digit, a column for each predicted one")
    print("     " + "".join(f"{digit:6}" for digit in range(10)))
    for digit, row in enumerate(result.confusion):
        print(f"{digit:5}" + "".join(f"{count:6}" for count in row))
    return 0


def predict(options: argparse.Namespace) -> int:
    if options.boxes and len(options.images) > 1:
        print("--boxes takes one picture: name only that.", file=sys.stderr)
        return 1
    store = RunStore()
    chosen = {network: _chosen(store, network, getattr(options, network)) for network in NETWORKS}
    _load_what_reads(*chosen.values())
    from mnist_models.runs.loading import load_reader

    classifiers = {network: load_reader(store, run.id) for network, run in chosen.items()}
    status = 0
    for read in reading.read_all(options.images, classifiers, is_page=options.sheet):
        if isinstance(read, reading.Unread):
            status = 1
            print(f"{read.path}: {read.problem}", file=sys.stderr)
            continue
        print(json.dumps(read.as_json()) if options.json else read.as_text(), flush=True)
        if options.boxes:
            try:
                read.with_boxes().save(options.boxes)
            except (OSError, ValueError) as error:
                print(
                    f"The boxes cannot be written to “{options.boxes}” ({error}): choose a name "
                    "that ends in .png, in a folder that is there.",
                    file=sys.stderr,
                )
                return 1
    return status
