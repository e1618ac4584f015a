"""How rightly both networks read what people draw, and whether they say so when something is no
digit.

Recorded pen strokes are drawn on the canvas in four ways and read as the app reads them, beside the
same networks fed by a plain resize to 28×28; then printed letters and scribbles, which should be
called "not sure"; and MNIST's own test set. Pictures of digits, if there are any, are read as the
command line reads them.
"""

import argparse
import json
import string
from collections import Counter, defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from benchmarks import drawing, results
from mnist_models import reading
from mnist_models.data import dataset
from mnist_models.data.pictures import PictureError, open_picture
from mnist_models.data.preprocessing import prepare_drawing, prepare_picture
from mnist_models.data.probabilities import is_confident
from mnist_models.models.calibration import expected_calibration_error, tempered
from mnist_models.reading import Reading, Unread
from mnist_models.runs import comparison, pretrained
from mnist_models.runs.comparison import Box
from mnist_models.runs.loading import load_reader
from mnist_models.runs.pretrained import PREFIX
from mnist_models.runs.store import RunStore
from mnist_models.runs.tables import Run
from mnist_models.settings.hyperparameters import NETWORKS

OUTLIERS = 1000
# Whoever reads a single printed O, l, S, Z, B or q as 0, 1, 5, 2, 8 or 9 makes no mistake.
LIKE_DIGITS = "BDIOQSZbgiloqsz"
# Those that are neither like Latin ones nor like digits: β is an 8, and Λ a 1 with a long upstroke.
GREEK = "αγδεζηλμξπρτφχψωΓΔΞΠΣΦΨΩ"
PREPARATIONS = {
    "prepared": lambda canvas: prepare_drawing(canvas).image,
    "plain resize": lambda canvas: 255 - np.asarray(Image.fromarray(canvas).resize((28, 28))),
}
PAIRS = {"teaching": "Pair of the same training", "shipped": "Pair at its best"}
MISREAD_COLUMNS, MISREAD_ROWS, TILE_PX = 10, 4, 84
# What is promised of the mean of the four ways, and on MNIST's test set.
STROKES_ASKED = {"dnn": 0.975, "cnn": 0.986}
TEST_ASKED = {"dnn": 0.994, "cnn": 0.9965}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--strokes", type=Path, help="recordings, a JSON object a line with label and strokes"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="where the drawings that stand anywhere stand"
    )
    parser.add_argument(
        "--misread",
        type=Path,
        default=results.KEPT / "misread.png",
        help="the picture of the worst misreadings",
    )
    parser.add_argument(
        "--pictures",
        type=Path,
        metavar="FOLDER",
        help="pictures of digits to read: in folders 0 to 9, or named with what is expected by a "
        "manifest.jsonl, a JSON object a line with file, expected (null: no single digit), kind",
    )
    parser.add_argument(
        "--misread-pictures",
        type=Path,
        metavar="FILE",
        default=results.KEPT / "misread-pictures.png",
        help="the picture of the pictures misread, each with what the model saw",
    )
    options = parser.parse_args()
    store = RunStore()
    networks = {network: load_reader(store, PREFIX + network) for network in NETWORKS}
    for part, measure in PARTS.items():
        if rows := measure(networks, options):
            results.keep("handwriting", part, rows)


def percent(share: float) -> str:
    return f"{share:.1%}"


def on_test_set(networks: dict, options: argparse.Namespace) -> list[results.Row]:
    """Accuracy, calibration and doubt on MNIST's 10,000 test images."""
    return [
        row
        for network, reader in networks.items()
        for row in _on_test_set(network, reader, RunStore().run(PREFIX + network))
    ]


def _on_test_set(network: str, reader, run: Run) -> list[results.Row]:
    test = dataset.load().test
    probabilities = reader.probabilities(test.images)
    accuracy = (probabilities.argmax(axis=1) == test.labels).mean()
    before = expected_calibration_error(tempered(probabilities, 1 / run.temperature), test.labels)
    after = expected_calibration_error(probabilities, test.labels)
    unsure = (probabilities.max(axis=1) < reader.confidence_threshold).mean()
    title = NETWORKS[network].title
    print(f"{title} on MNIST's test set: accuracy {accuracy:.2%}, {unsure:.2%} not sure")
    print(
        f"  expected calibration error {before:.2%}, {after:.2%} with its temperature of "
        f"{run.temperature:.2f}\n"
    )
    return [
        results.Row(f"{title}: parameters", f"{run.parameters:,}", asked="below 1,000,000"),
        results.Row(
            f"{title}: test accuracy",
            f"{accuracy:.2%}",
            asked=f"at least {TEST_ASKED[network]:.2%}",
        ),
        results.Row(
            f"{title}: expected calibration error (before temperature scaling)",
            f"{after:.2%} ({before:.2%})",
            asked="at most 1%",
        ),
        results.Row(
            f"{title}: test digits rejected as not sure", f"{unsure:.2%}", asked="at most 0.5%"
        ),
    ]


def on_strokes(networks: dict, options: argparse.Namespace) -> list[results.Row]:
    """Accuracy per way, network and digit, prepared and plainly resized; draws the worst
    misreadings."""
    if not options.strokes:
        return []
    labels, canvases = drawn_in_four_ways(options)
    rows, worst = [], []
    for network, reader in networks.items():
        title = NETWORKS[network].title
        means, unsure = {}, []
        for preparation, prepare in PREPARATIONS.items():
            right = {}
            for way, drawn in canvases.items():
                images = np.stack([prepare(canvas) for canvas in drawn])
                probabilities = reader.probabilities(images)
                right[way] = probabilities.argmax(axis=1) == labels
                if preparation == "prepared":
                    unsure.append(probabilities.max(axis=1) < reader.confidence_threshold)
                    worst += [
                        (
                            float(probabilities[place].max()),
                            title,
                            labels[place],
                            probabilities[place].argmax(),
                            images[place],
                        )
                        for place in np.flatnonzero(~right[way])
                    ]
            shares = [hits.mean() for hits in right.values()]
            means[preparation] = np.mean(shares)
            if preparation == "prepared":
                worst_way = means[preparation] - min(shares)
            print_shares(f"{title}, {preparation}", right, labels)
        doubt = np.mean(unsure)
        print(f"{title} is not sure of {doubt:.2%} of the drawings\n")
        rows += [
            results.Row(
                f"{title}: accuracy on {len(labels):,} people's digits, drawn in four ways",
                percent(means["prepared"]),
                percent(means["plain resize"]),
                f"at least {STROKES_ASKED[network]:.1%}",
            ),
            results.Row(
                f"{title}: the worst of the four ways, below their mean",
                f"{100 * worst_way:.1f} points",
                asked="at most 1 point",
            ),
            results.Row(
                f"{title}: of those, rejected as not sure", percent(doubt), asked="at most 1.5%"
            ),
        ]
    draw_misread(worst, options.misread)
    return rows


def drawn_in_four_ways(
    options: argparse.Namespace,
) -> tuple[np.ndarray, dict[drawing.Way, list[np.ndarray]]]:
    """The labels of the recordings, and the canvases on which they are drawn."""
    recordings = drawing.read(options.strokes)
    random = np.random.default_rng(options.seed)
    canvases = {
        way: [drawing.draw(recording.strokes, way, random) for recording in recordings]
        for way in drawing.WAYS
    }
    return np.array([recording.label for recording in recordings]), canvases


def on_pairs(networks: dict, options: argparse.Namespace) -> list[results.Row]:
    """Of both pairs that the pages offer: which model alone is right, and sure, about drawings."""
    if not options.strokes:
        return []
    labels, canvases = drawn_in_four_ways(options)
    images = np.stack([prepare_drawing(one).image for drawn in canvases.values() for one in drawn])
    labels = np.tile(labels, len(canvases))
    rows = []
    for pair, title in PAIRS.items():
        right, wrong = [], []  # of each model: where it is, and is sure
        for run_id in pretrained.ids(pair).values():
            model = load_reader(RunStore(), run_id)
            read = model.predictions(images)
            sure = is_confident(read.confidences, model.confidence_threshold)
            right.append(sure & (read.digits == labels))
            wrong.append(sure & (read.digits != labels))
        counts = Counter(comparison.box(*one) for one in zip(*right, strict=True))
        rows.append(
            results.Row(
                f"{title}: right and sure about {len(labels):,} drawings",
                f"both {counts[Box.BOTH]:,}, only the CNN {counts[Box.SECOND]:,}, only the DNN "
                f"{counts[Box.FIRST]:,}, neither {counts[Box.NEITHER]:,}; wrong but sure: DNN "
                f"{wrong[0].sum():,}, CNN {wrong[1].sum():,}",
                asked="only the CNN 4 times as often" if pair == "teaching" else "",
            )
        )
        print(f"{rows[-1].what}: {rows[-1].ours}")
    return rows


def print_shares(title: str, right: dict[drawing.Way, np.ndarray], labels: np.ndarray) -> None:
    """A line a way: the share read right of all, then of each digit."""
    print(f"{title:34}   all" + "".join(f"{digit:7}" for digit in range(10)))
    for way, hits in {**right, "mean": np.mean(list(right.values()), axis=0)}.items():
        shares = [
            hits.mean(),
            *(
                hits[labels == digit].mean() if (labels == digit).any() else np.nan
                for digit in range(10)
            ),
        ]
        print(f"  {way!s:32}" + "".join(f"{share:7.1%}" for share in shares))
    print()


def draw_misread(worst: list[tuple], file: Path) -> None:
    """A picture of the misreadings in which the networks were surest, as (probability, network,
    label, digit read, image)."""
    picture = Image.new("L", (MISREAD_COLUMNS * TILE_PX, MISREAD_ROWS * (TILE_PX + 28)), 255)
    pen = ImageDraw.Draw(picture)
    chosen = sorted(worst, key=lambda one: -one[0])[: MISREAD_COLUMNS * MISREAD_ROWS]
    for place, (probability, title, label, digit, image) in enumerate(chosen):
        x, y = place % MISREAD_COLUMNS * TILE_PX, place // MISREAD_COLUMNS * (TILE_PX + 28)
        picture.paste(
            Image.fromarray(255 - image).resize((TILE_PX, TILE_PX), Image.Resampling.NEAREST),
            (x, y),
        )
        pen.text((x + 4, y + TILE_PX), f"{title}: {label} as {digit}\n{probability:.1%}", fill=0)
    file.parent.mkdir(parents=True, exist_ok=True)
    picture.save(file)
    print(f"The worst misreadings: {file}\n")


def on_non_digits(networks: dict, options: argparse.Namespace) -> list[results.Row]:
    """How many letters and scribbles are called "not sure"."""
    random = np.random.default_rng(options.seed)
    letters, greek = (
        [
            (letter, drawing.draw_letter(letter, font, drawing.WAYS[0]))
            for letter, font in drawing.letters(alphabet)
        ]
        for alphabet in (string.ascii_letters, GREEK)
    )
    ways = [drawing.WAYS[place % len(drawing.WAYS)] for place in range(OUTLIERS)]
    kinds = {
        "all printed letters": [canvas for _, canvas in letters],
        "letters unlike digits": [
            canvas for letter, canvas in letters if letter not in LIKE_DIGITS
        ],
        "Greek letters unlike digits": [canvas for _, canvas in greek],
        "scribbles": [drawing.draw(drawing.random_strokes(random), way, random) for way in ways],
    }
    prepared = {
        kind: np.stack([prepare_drawing(canvas).image for canvas in canvases])
        for kind, canvases in kinds.items()
    }
    rows = []
    for network, reader in networks.items():
        title = NETWORKS[network].title
        unsure = {
            kind: reader.probabilities(images).max(axis=1) < reader.confidence_threshold
            for kind, images in prepared.items()
        }
        for kind, called in unsure.items():
            print(f"{title} is not sure of {called.mean():.1%} of {len(called):,} {kind}")
        counted = np.concatenate(
            [called for kind, called in unsure.items() if kind != "all printed letters"]
        ).mean()
        parts = ", ".join(f"{kind} {called.mean():.0%}" for kind, called in unsure.items())
        rows.append(
            results.Row(
                f"{title}: non-digits rejected as not sure ({parts})",
                percent(counted),
                "",
                "at least 95%",
            )
        )
    print()
    return rows


class Labelled(NamedTuple):
    """A picture's file, the digit on it or None where there is no single one, and its kind."""

    file: Path
    expected: int | None
    kind: str


def labelled_pictures(folder: Path) -> list[Labelled]:
    """The pictures of a manifest, or of folders named by digits, whose kind is the digit."""
    manifest = folder / "manifest.jsonl"
    if manifest.is_file():
        rows = map(json.loads, manifest.read_text(encoding="utf-8").splitlines())
        return [Labelled(folder / row["file"], row["expected"], row["kind"]) for row in rows]
    return [
        Labelled(file, int(file.parent.name), file.parent.name)
        for file in sorted(folder.glob("[0-9]/*"))
    ]


def on_pictures(networks: dict, options: argparse.Namespace) -> list[results.Row]:
    """Of pictures of digits, by kind: how many are right, not sure, and sure but wrong."""
    if not options.pictures:
        return []
    pictures = labelled_pictures(options.pictures)
    read = reading.read_all([str(picture.file) for picture in pictures], networks)
    counts: dict[str, dict[str, Counter]] = {network: defaultdict(Counter) for network in networks}
    misread = []
    for picture, one in zip(pictures, read, strict=True):
        for network in networks:
            verdict, said = _verdict(picture.expected, one, network)
            counts[network][picture.kind][verdict] += 1
            if verdict != "right":
                misread.append((picture, f"{NETWORKS[network].title}: {said}"))
    rows = []
    for network, kinds in counts.items():
        title = NETWORKS[network].title
        print(
            f"{title + ', pictures':28}{'right':>9}{'not sure':>10}{'sure and wrong':>16}{'of':>7}"
        )
        total = sum(kinds.values(), Counter())
        for kind, count in {**kinds, "all": total}.items():
            print(
                f"  {kind:26}{count['right']:9,}{count['not sure']:10,}"
                f"{count['sure and wrong']:16,}{count.total():7,}"
            )
        print()
        rows.append(
            results.Row(
                f"{title}: of {total.total():,} pictures of digits, right and sure",
                f"{total['right']:,}, {total['not sure']:,} not sure, "
                f"{total['sure and wrong']:,} sure and wrong",
            )
        )
    draw_misread_pictures(misread, options.misread_pictures)
    return rows


def _verdict(expected: int | None, one: Reading | Unread, network: str) -> tuple[str, str]:
    """What has become of a picture, and what the model says of it. Where there is no single digit,
    not being sure of one is right."""
    if isinstance(one, Unread):
        return "not sure", "cannot be read"
    read = one.whole[network]
    sure = read.is_confident and len(one.digits) == 1
    said = str(read.digit) if sure else f"not sure, {len(one.digits)} found"
    if not sure:
        return "right" if expected is None else "not sure", said
    return "right" if read.digit == expected else "sure and wrong", said


def draw_misread_pictures(misread: list[tuple[Labelled, str]], file: Path) -> None:
    """A picture of the pictures misread: each beside what the models saw of it."""
    if not misread:
        print("No picture is misread.\n")
        return
    columns, width_px, height_px = 5, 2 * TILE_PX + 12, TILE_PX + 30
    lines = -(-len(misread) // columns)
    sheet = Image.new("RGB", (columns * width_px, lines * height_px), "white")
    pen = ImageDraw.Draw(sheet)
    for place, (picture, said) in enumerate(misread):
        x, y = place % columns * width_px, place // columns * height_px
        pen.text((x, y + TILE_PX + 2), f"{picture.file.name}\n{picture.expected}; {said}", fill=0)
        try:
            opened = open_picture(picture.file)
            seen = prepare_picture(opened).image
        except PictureError:
            continue
        sheet.paste(ImageOps.contain(opened.convert("RGB"), (TILE_PX, TILE_PX)), (x, y))
        sheet.paste(
            Image.fromarray(255 - seen).resize((TILE_PX, TILE_PX), Image.Resampling.NEAREST),
            (x + TILE_PX + 4, y),
        )
    file.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(file)
    print(f"The pictures misread: {file}\n")


PARTS = {
    "test set": on_test_set,
    "strokes": on_strokes,
    "pairs": on_pairs,
    "non-digits": on_non_digits,
    "pictures": on_pictures,
}

if __name__ == "__main__":
    main()
