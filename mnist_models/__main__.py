"""The command line: train a network, evaluate it, take it elsewhere, read digits in pictures."""

import argparse
import itertools
import os
import sys
from pathlib import Path

from mnist_models import commands
from mnist_models.data import dataset
from mnist_models.errors import UnavailableError
from mnist_models.runs import pretrained
from mnist_models.settings.hyperparameters import NETWORKS, HyperparametersError

# The Train page of an app on this machine that was started with `make run`.
TRAIN_PAGE = "http://localhost:8501/train"
PRETRAINED = " or ".join(pretrained.PREFIX + network for network in NETWORKS)
RUN_HELP = f"the id of a run, such as 1a2b3c4d, or {PRETRAINED}"


def main(arguments: list[str] | None = None) -> int:
    """Runs one command and returns its exit status: 0, or 1 after something that standard error
    explains."""
    if hasattr(
        sys.stdout, "reconfigure"
    ):  # a file's name may have letters that the terminal does not know
        sys.stdout.reconfigure(errors="backslashreplace" if os.name == "nt" else "surrogateescape")
    options = build_parser().parse_args(arguments)
    try:
        return options.command(options)
    except (HyperparametersError, UnavailableError, dataset.DatasetError) as error:
        print(error, file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # The reader, such as `head`, has seen enough; nothing must be flushed to it at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m mnist_models",
        description="Train networks that read handwritten digits, evaluate them, read pictures.",
    )
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")

    train = subparsers.add_parser(
        "train",
        help="train a network and keep it as a run",
        description="Train a model and keep it. Name its kind, or a recipe, which knows its own.",
    )
    train.set_defaults(command=commands.train_one)
    kinds = " or ".join(
        f"{network} ({str(kind.__doc__).splitlines()[0].rstrip('.')})"
        for network, kind in NETWORKS.items()
    )
    train.add_argument("network", choices=NETWORKS, nargs="?", metavar="NETWORK", help=kinds)
    train.add_argument(
        "--recipe",
        metavar="NAME",
        help="the hyperparameters to start from (default: the quick ones of this kind); "
        "the command `recipes` lists all",
    )
    train.add_argument("--name", help="what to call the run")
    train.add_argument("--json", action="store_true", help="print the result as one JSON object")
    train.add_argument(
        "--output",
        type=Path,
        metavar="FOLDER",
        help="also write NETWORK.npz (weights), NETWORK.readings.npz (predictions) and "
        "NETWORK.json (a card) there",
    )
    _add_hyperparameters(train)

    listing = subparsers.add_parser(
        "recipes",
        help="list the recipes",
        description="List the recipes: the project's own, and those of earlier projects with the "
        "test accuracy that these reported.",
    )
    listing.set_defaults(command=commands.list_recipes)
    listing.add_argument("--json", action="store_true", help="print one JSON object a line")
    listing.add_argument(
        "--train",
        type=Path,
        metavar="FILE",
        help="train all those of earlier projects, a quarter of an hour or more, and write a table "
        "of the test accuracy that they reach "
        f"into FILE, between the lines {commands.TABLE_MARKS[0]} and {commands.TABLE_MARKS[1]}",
    )

    code = subparsers.add_parser(
        "code",
        help="print a script that trains the same network without this project",
        description="Print a stand-alone Keras script that builds and trains the network of a run "
        "or recipe.",
    )
    code.set_defaults(command=commands.print_code)
    link = subparsers.add_parser(
        "link",
        help="print a link that opens the Train page with the same settings",
        description="Print a link that opens the Train page with the hyperparameters of a run or "
        "recipe.",
    )
    link.set_defaults(command=commands.print_link)
    link.add_argument(
        "--address", default=TRAIN_PAGE, help="that of the Train page (default: %(default)s)"
    )
    for command in (code, link):
        either = command.add_mutually_exclusive_group(required=True)
        either.add_argument("run", metavar="RUN", nargs="?", help=RUN_HELP)
        either.add_argument(
            "--recipe", metavar="NAME", help="a recipe; the command `recipes` lists all"
        )

    export = subparsers.add_parser(
        "export",
        help="write a run to a file",
        description="Write a trained run to a zip: its Keras model, its learning curve, its "
        "script and notebook; `import` reads it. Or write the notebook, or the model in the format "
        "of another program, alone.",
    )
    export.set_defaults(command=commands.export_run)
    export.add_argument("run", metavar="RUN", help=RUN_HELP)
    export.add_argument(
        "file", type=Path, metavar="FILE", help="the file to write; one that is there is replaced"
    )
    export.add_argument(
        "--format",
        choices=commands.EXPORTS,
        default=commands.ZIP,
        metavar="NAME",
        help=f"{' or '.join(commands.EXPORTS)} (default: %(default)s, all of the run)",
    )
    export.add_argument(
        "--race", action="store_true", help="write both runs of the race that the run is of"
    )

    bring = subparsers.add_parser(
        "import",
        help="keep a run from a file, or find out what somebody's saved network wants and can do",
        description="Keep what `export` or the app wrote to a file; its test accuracy is measured "
        "again. Any other saved MNIST network (.keras, .h5, .onnx, .tflite, .pt, a zip of a "
        "SavedModel or of TensorFlow.js) is measured: what it wants to be fed, its test "
        "accuracy, its calibration; then it is kept like a run. Nothing in a file is executed.",
    )
    bring.set_defaults(command=commands.import_files)
    bring.add_argument(
        "files",
        nargs="+",
        type=Path,
        metavar="FILE",
        help="the file to read; a network's weights and its JSON together, where these are two",
    )
    bring.add_argument("--name", help="what to call it (default: as in the file, or as the file)")
    bring.add_argument(
        "--json", action="store_true", help="print one JSON object a line for each network"
    )
    bring.add_argument(
        "--prepare",
        action="store_true",
        help="also print the lines of Python (NumPy and Pillow) that prepare a picture for it",
    )
    bring.add_argument(
        "--picture",
        type=Path,
        metavar="IMAGE",
        help="also read this picture of a digit, prepared rightly and in four usual wrong ways",
    )

    evaluate = subparsers.add_parser(
        "evaluate",
        help="measure a network on the 10,000 test digits",
        description="Measure a model on the 10,000 test images: loss, accuracy, precision and "
        "recall, confusion matrix.",
    )
    evaluate.set_defaults(command=commands.evaluate_run)
    evaluate.add_argument(
        "network", choices=NETWORKS, metavar="NETWORK", help=" or ".join(NETWORKS)
    )
    evaluate.add_argument(
        "--run", metavar="ID", help="a run of this kind (default: the pretrained model)"
    )
    evaluate.add_argument("--json", action="store_true", help="print the result as one JSON object")

    predict = subparsers.add_parser(
        "predict",
        help="read the digits in pictures",
        description="Classify the digit, or each of several, in each picture with both models. "
        "Report files that cannot be read.",
    )
    predict.set_defaults(command=commands.predict)
    predict.add_argument(
        "images",
        nargs="+",
        metavar="IMAGE",
        help="PNG, JPEG or other pictures of a digit or a number, of any size",
    )
    predict.add_argument(
        "--sheet",
        action="store_true",
        help="each picture is a page of digits: look closely, read them line by line",
    )
    predict.add_argument(
        "--boxes",
        type=Path,
        metavar="FILE",
        help="also write the picture there with a box around each digit and what both models read "
        "(? where one is not sure)",
    )
    predict.add_argument("--json", action="store_true", help="print one JSON object a line")
    for network in NETWORKS:
        predict.add_argument(
            f"--{network}",
            metavar="ID",
            help=f"the {network} run to classify with (default: the pretrained model)",
        )
    return parser


def _add_hyperparameters(train: argparse.ArgumentParser) -> None:
    """An option for every hyperparameter; those that only one network has say so."""
    groups: dict[str, argparse._ArgumentGroup] = {}
    for name in dict.fromkeys(
        itertools.chain.from_iterable(kind.choices() for kind in NETWORKS.values())
    ):
        kinds = [kind for kind in NETWORKS.values() if name in kind.choices()]
        choice = kinds[0].choices()[name]
        if choice.group not in groups:
            groups[choice.group] = train.add_argument_group(f"hyperparameters: {choice.group}")
        only = f"({kinds[0].title} only) " if len(kinds) == 1 else ""
        text = (
            f"{only}{choice.help} Allowed: {choice.allowed}. "
            f"Default: {_written(choice.default)}. {choice.reason}"
        )
        groups[choice.group].add_argument(
            "--" + name.replace("_", "-"),
            default=argparse.SUPPRESS,
            metavar="VALUE",
            help=text.replace("%", "%%"),
        )


def _written(value: object) -> str:
    """A hyperparameter as the command line takes it."""
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


if __name__ == "__main__":
    sys.exit(main())
