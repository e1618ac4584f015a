"""What a diagnosis means, in sentences, and as JSON."""

from collections.abc import Sequence
from typing import Any

from mnist_models.imports.bring import Brought
from mnist_models.imports.diagnosis import ABOUT_AS_WELL, Diagnosis, Quality, Trial
from mnist_models.imports.feeding import SCALES

# A difference between how sure a network is and how often it is right that is worth a word.
FAIR = 0.01
SHOWN_LAYERS = 12
USUAL_CAUSES = (
    "Usual causes: it learned from other pictures than MNIST's (printed or your own digits), its "
    "last layer ends in a ReLU, its weights were never trained, or they were loaded into another "
    "order of layers."
)

PERHAPS_GUESSED = (
    "The layers between its weights were guessed, perhaps wrongly: bring a file that describes "
    "them (a whole Keras model, or ONNX)."
)


def what_it_is(brought: Brought) -> str:
    """Form, writer, layers and parameters."""
    shown = ", ".join(brought.layers[:SHOWN_LAYERS])
    more = len(brought.layers) - SHOWN_LAYERS
    layers = f"{shown} and {more} more" if more > 0 else shown
    writer = f", written by {brought.writer}" if brought.writer else ""
    guessed = f" The file does not describe them: {brought.guessed}." if brought.guessed else ""
    return f"{brought.form}{writer}. {brought.parameters:,} parameters: {layers}.{guessed}"


def what_it_wants(brought: Brought, diagnosis: Diagnosis) -> str:
    """How to feed it, and what happens to those who feed it otherwise."""
    chosen = diagnosis.chosen
    if not diagnosis.usable:
        return (
            f"Nothing fits: of {len(diagnosis.trials)} ways to feed it, the best "
            f"({chosen.feeding.title}) reads {diagnosis.test_accuracy:.1%} of the test images "
            f"right. {PERHAPS_GUESSED if brought.guessed else USUAL_CAUSES}"
        )
    near = [
        trial for trial in diagnosis.trials
        if trial is not chosen
        and trial.accuracy >= chosen.accuracy - ABOUT_AS_WELL
        and trial.loss > chosen.loss
    ]  # fmt: skip
    text = f"It wants {chosen.feeding.title}."
    if not near:
        return text
    others = " or ".join(SCALES[trial.feeding.scale].title for trial in near[:2])
    losses = " and ".join(f"{trial.loss:.3f}" for trial in near[:2])
    return (
        f"{text} Fed {others}, it reads about as well, but its probabilities are worse (a loss of "
        f"{losses} instead of {chosen.loss:.3f})."
    )


def output(diagnosis: Diagnosis) -> str:
    """What its last layer gives, and which of its classes are digits."""
    kinds = {
        "softmax": "probabilities (softmax)",
        "logits": "scores without a softmax (logits)",
        "log-softmax": "logarithms of probabilities (log-softmax)",
        "sigmoid": "one number from 0 to 1 for each class (sigmoid)",
    }
    text = f"It gives {kinds[diagnosis.output]} for {diagnosis.class_count} classes"
    classes = diagnosis.chosen.classes
    if classes != tuple(range(10)):
        return f"{text}; the digits 0 to 9 are its classes {', '.join(map(str, classes))}."
    if diagnosis.class_count > 10:
        return f"{text}; only the first ten, the digits, are allowed here."
    return f"{text}."


def how_good(quality: Quality) -> str:
    """Test accuracy, and how well it is calibrated."""
    confidence = float(quality.predictions.confidences.astype(float).mean())
    right = quality.test_accuracy
    text = (
        f"Test accuracy {right:.2%} of MNIST's 10,000 test images. On average it gives its answer "
        f"a probability of {confidence:.1%}"
    )
    if abs(confidence - right) < FAIR:
        return f"{text}, about as often as it is right."
    return (
        f"{text} and is right in {right:.1%}: it is "
        f"{'overconfident' if confidence > right else 'underconfident'} "
        f"(temperature {quality.temperature:.2f}, expected calibration error "
        f"{quality.calibration_error:.1%})."
    )


def table(trials: Sequence[Trial], chosen: Trial) -> list[str]:
    """A row for each way that was tried."""
    rows = ["   train    test   loss  median probability  fed"]
    rows += [
        f"{'*' if trial is chosen else ' '} {trial.train_accuracy:6.1%}  {trial.test_accuracy:6.1%}"
        f"  {trial.loss:5.3f}  {trial.confidence:18.3f}  {trial.feeding.title} "
        f"({trial.images:,} images)"
        for trial in trials
    ]
    return rows


def as_json(brought: Brought, diagnosis: Diagnosis) -> dict[str, Any]:
    """The same for programs."""
    layout = diagnosis.chosen.feeding.layout
    return {
        "form": brought.form,
        "writer": brought.writer,
        "guessed": bool(brought.guessed),
        "layers": list(brought.layers),
        "parameters": brought.parameters,
        "usable": diagnosis.usable,
        "fed": {
            "shape": list(layout.shape),
            "fit": layout.fit,
            "transposed": layout.transposed,
            "scale": diagnosis.chosen.feeding.scale,
        },
        "output": diagnosis.output,
        "class_count": diagnosis.class_count,
        "classes": list(diagnosis.chosen.classes),
        "test_accuracy": diagnosis.test_accuracy,
        "mean_probability": float(diagnosis.predictions.confidences.astype(float).mean()),
        "temperature": diagnosis.temperature,
        "calibration_error": diagnosis.calibration_error,
        "elapsed_s": diagnosis.elapsed_s,
        "tried": [
            {
                "title": trial.feeding.title,
                "shape": list(trial.feeding.layout.shape),
                "fit": trial.feeding.layout.fit,
                "transposed": trial.feeding.layout.transposed,
                "scale": trial.feeding.scale,
                "train_accuracy": trial.train_accuracy,
                "test_accuracy": trial.test_accuracy,
                "loss": trial.loss,
                "median_probability": trial.confidence,
                "images": trial.images,
            }
            for trial in diagnosis.trials
        ],
    }
