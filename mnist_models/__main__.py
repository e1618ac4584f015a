"""The command line: train a network, evaluate it, read digits in pictures."""

import argparse
import dataclasses
import itertools
import json
import os
import shlex
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

import mnist_models
from mnist_models import dataset, pretrained, recipes
from mnist_models.hyperparameters import NETWORKS, Hyperparameters, HyperparametersError, number, validate
from mnist_models.preprocessing import PictureError, open_picture, prepare_picture
from mnist_models.progress import Curve, EpochEnd, Event, Measuring, Progress, Trained
from mnist_models.runs import Run, RunState, RunStore, StoreError

# So many pictures are prepared before the networks read them in one call.
PICTURES_AT_ONCE = 200


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and returns its exit status: 0, or 1 after something that standard error explains."""
    if hasattr(sys.stdout, "reconfigure"):  # a file's name may have letters that the terminal does not know
        sys.stdout.reconfigure(errors="backslashreplace" if os.name == "nt" else "surrogateescape")
    options = _parser().parse_args(arguments)
    try:
        return options.command(options)
    except (HyperparametersError, StoreError, dataset.DatasetError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read the output, such as `head`, has seen enough; nothing must be flushed to it at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mnist_models", description="Train networks that read handwritten digits, evaluate them, read pictures."
    )
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    train = commands.add_parser(
        "train", help="train a network and keep it as a run", description="Train a network and keep it."
    )
    kinds = train.add_subparsers(required=True, metavar="NETWORK")
    for network, kind in NETWORKS.items():
        title = next(iter(kind.__doc__.splitlines()))
        this = kinds.add_parser(network, help=title, description=title)
        this.set_defaults(command=_train, network=network)
        this.add_argument(
            "--recipe",
            choices=recipes.RECIPES[network],
            default="quick",
            help="the hyperparameters to start from (default: quick)",
        )
        this.add_argument("--name", help="what to call the run")
        this.add_argument("--json", action="store_true", help="print the result as one JSON object")
        this.add_argument(
            "--output",
            type=Path,
            metavar="FOLDER",
            help=f"also write {network}.npz (weights) and {network}.json (a card) there",
        )
        groups: dict[str, argparse._ArgumentGroup] = {}
        for choice in kind.choices().values():
            if choice.group not in groups:
                groups[choice.group] = this.add_argument_group(f"hyperparameters: {choice.group}")
            groups[choice.group].add_argument(
                "--" + choice.name.replace("_", "-"),
                default=argparse.SUPPRESS,
                metavar="VALUE",
                help=f"{choice.help} Allowed: {choice.allowed}. Default: {_written(choice.default)}. {choice.reason}".replace(
                    "%", "%%"
                ),
            )

    evaluate = commands.add_parser(
        "evaluate",
        help="measure a network on the 10,000 test digits",
        description="Measure a network on the 10,000 test digits: loss, accuracy, precision and recall, confusion matrix.",
    )
    evaluate.set_defaults(command=_evaluate)
    evaluate.add_argument("network", choices=NETWORKS, metavar="NETWORK", help=" or ".join(NETWORKS))
    evaluate.add_argument("--run", metavar="ID", help="a run of this network (default: the one that ships)")
    evaluate.add_argument("--json", action="store_true", help="print the result as one JSON object")

    predict = commands.add_parser(
        "predict",
        help="read the digits in pictures",
        description="Read the digit in each picture with both networks. Report files that cannot be read.",
    )
    predict.set_defaults(command=_predict)
    predict.add_argument("images", nargs="+", metavar="IMAGE", help="PNG, JPEG or other pictures of one digit, of any size")
    predict.add_argument("--json", action="store_true", help="print one JSON object a line")
    for network in NETWORKS:
        predict.add_argument(f"--{network}", metavar="ID", help=f"the {network} run that reads (default: the one that ships)")
    return parser


def _written(value: object) -> str:
    """A hyperparameter as the command line takes it."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _train(options: argparse.Namespace) -> int:
    recipe = recipes.RECIPES[options.network][options.recipe].hyperparameters
    chosen = {name: getattr(options, name) for name in type(recipe).choices() if hasattr(options, name)}
    hyperparameters = validate(recipe.model_dump() | chosen)
    if options.output:
        try:
            options.output.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            print(f"Nothing can be written to {options.output} ({error.strerror}): choose another folder.", file=sys.stderr)
            return 1
    mnist_models.import_tensorflow()
    stop = threading.Event()
    signal.signal(signal.SIGINT, lambda *_: stop.set())
    store = RunStore()
    run = store.create(hyperparameters, options.name)
    trained = _train_with_bar(hyperparameters, store, run, stop.is_set)
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
            print(f"{options.output} could not be written ({error.strerror}); the run is kept.", file=sys.stderr)
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
    hyperparameters: Hyperparameters, store: RunStore, run: Run, should_stop: Callable[[], bool]
) -> Trained | None:
    """Trains here, with a progress bar on standard error; None when it failed."""
    from mnist_models.training import TrainingError, train

    curve = Curve.empty(hyperparameters)
    with tqdm(total=hyperparameters.epochs * curve.steps_per_epoch, unit="batch", leave=False) as bar:

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
                        else f", validation loss {event.validation_loss:.4f}, accuracy {event.validation_accuracy:.2%}"
                    )
                    bar.write(
                        f"epoch {event.epoch}: loss {event.loss:.4f}, accuracy {event.accuracy:.2%}{validation}",
                        file=sys.stderr,
                    )
                case Measuring():
                    bar.set_postfix_str("reading the test set")

        store.set_state(run.id, RunState.RUNNING)
        try:
            trained = train(hyperparameters, report, should_stop)
        except TrainingError as error:
            store.set_state(run.id, RunState.FAILED, str(error))
            store.save_curve(run.id, curve)
            print(error, file=sys.stderr)
            return None
    return trained


def _chosen(store: RunStore, network: str, run_id: str | None) -> Run:
    """The run of this network with this id, or the network that ships when None. Raises StoreError."""
    run = store.run(run_id or pretrained.PREFIX + network)
    if run.network != network:
        raise StoreError(f"The run {run.id} is a {run.hyperparameters.title}; choose one that is a {NETWORKS[network].title}.")
    return run


def _evaluate(options: argparse.Namespace) -> int:
    store = RunStore()
    run = _chosen(store, options.network, options.run)
    mnist_models.import_tensorflow()
    from mnist_models.classifier import Classifier
    from mnist_models.evaluation import evaluate

    result = evaluate(Classifier.of_run(store, run.id), dataset.load().test)
    if options.json:
        print(json.dumps(dataclasses.asdict(result) | {"run": run.id, "confusion": result.confusion.tolist()}))
        return 0
    print(f"{run.label} on the 10,000 test digits: loss {result.loss:.4f}, accuracy {result.accuracy:.2%}\n")
    print("digit  precision  recall      F1  support")
    for digit, report in enumerate(result.digits):
        print(f"{digit:5}  {report.precision:9.2%} {report.recall:7.2%} {report.f1:7.2%}  {report.support:7}")
    print("\nconfusion matrix: a row for each true digit, a column for each digit read")
    print("     " + "".join(f"{digit:6}" for digit in range(10)))
    for digit, row in enumerate(result.confusion):
        print(f"{digit:5}" + "".join(f"{count:6}" for count in row))
    return 0


class _Picture(NamedTuple):
    """A picture's path with its 28×28 image, or with why it cannot be read."""

    path: str
    image: np.ndarray | None
    problem: str | None


def _prepared(paths: Iterable[str]) -> Iterator[_Picture]:
    for path in paths:
        try:
            yield _Picture(path, prepare_picture(open_picture(path)).image, None)
        except PictureError as error:
            yield _Picture(path, None, str(error))


def _predict(options: argparse.Namespace) -> int:
    store = RunStore()
    chosen = {network: _chosen(store, network, getattr(options, network)) for network in NETWORKS}
    mnist_models.import_tensorflow()
    from mnist_models.classifier import Classifier

    classifiers = {network: Classifier.of_run(store, run.id) for network, run in chosen.items()}
    status = 0
    pictures = _prepared(options.images)
    while chunk := list(itertools.islice(pictures, PICTURES_AT_ONCE)):
        good = [picture for picture in chunk if picture.image is not None]
        images = np.stack([picture.image for picture in good]) if good else np.empty((0, 28, 28), np.uint8)
        rows = {network: iter(classifier.probabilities(images)) for network, classifier in classifiers.items()}
        for picture in chunk:
            if picture.image is None:
                status = 1
                print(f"{picture.path}: {picture.problem}", file=sys.stderr)
                continue
            readings = {network: next(row) for network, row in rows.items()}
            print(
                _reading_as_json(picture.path, readings) if options.json else _reading_as_text(picture.path, readings),
                flush=True,
            )
    return status


def _reading_as_json(path: str, readings: dict[str, np.ndarray]) -> str:
    return json.dumps(
        {"image": path}
        | {
            network: {"digit": int(row.argmax()), "probability": float(row.max()), "probabilities": row.tolist()}
            for network, row in readings.items()
        }
    )


def _reading_as_text(path: str, readings: dict[str, np.ndarray]) -> str:
    return f"{path}: " + ", ".join(
        f"{NETWORKS[network].title} reads {row.argmax()} ({row.max():.1%})" for network, row in readings.items()
    )


if __name__ == "__main__":
    sys.exit(main())
