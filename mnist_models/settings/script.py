"""A run as a script to read, change and run elsewhere, and the parts of it, of which a notebook is
made too: plain Keras 3, with nothing in it that this run does not use.

It says in Keras's own words what `models.networks` and `training.loop` do. Those two are not
imported here, or a page would have to wait for TensorFlow before it can show a script; the tests
compare the two. The script itself is the template beside this module, script.py.jinja.
"""

import functools
import re

from jinja2 import Environment, PackageLoader, StrictUndefined, Template

from mnist_models.settings.hyperparameters import ACTIVATIONS, Hyperparameters
from mnist_models.settings.links import to_text

KINDS = {"dnn": "fully connected network", "cnn": "convolutional network"}
PLACES = {"validation": "val_", "training": ""}
# The line of the template above each part.
PART = re.compile(r"^# %% (\w+)\n", re.MULTILINE)


def script(
    hyperparameters: Hyperparameters, class_share: float = 0.0, *, fine_tuned: bool = False
) -> str:
    """A Python script that builds and trains the network that the hyperparameters describe,
    measures it on the test set, and reads digits in pictures with it.

    It needs Keras 3 with TensorFlow, or with JAX or PyTorch unless it varies the images; and MNIST
    in a file beside it or the internet once. It leaves model.keras, history.json and, where there
    is matplotlib, curves.png.

    Args:
        class_share: How many of the images that it learns from are digits of a class, 0 to 1; these
            it reads from class.npz.
        fine_tuned: Whether it starts from the weights of start.keras.
    """
    return "".join(parts(hyperparameters, class_share, fine_tuned=fine_tuned).values())


def parts(
    hyperparameters: Hyperparameters,
    class_share: float = 0.0,
    *,
    fine_tuned: bool = False,
    is_notebook: bool = False,
) -> dict[str, str]:
    """The parts of that script, or of a notebook, in their order.

    Args:
        class_share, fine_tuned: See `script`.
        is_notebook: A notebook shows its curves and a confusion matrix, and reads a picture that it
            names; a script leaves files, and reads pictures that the command line names.

    Returns:
        The code of each, by name: "setup", "data", "model", "training", …
    """
    hp = hyperparameters
    # AdamW decays weights by itself; with the others, decay is an L2 penalty in the loss.
    penalised = hp.weight_decay > 0 and hp.optimizer != "adamw"
    # What Keras calls the plain cross-entropy: the loss, unless that is made of more.
    cross_entropy = "cross_entropy" if hp.label_smoothing or penalised else "loss"
    place, measure = hp.early_stopping_on.split("_")
    callbacks = {
        "Schedule()": hp.schedule != "constant",
        "early_stopping": hp.early_stopping,
        "ImageBudget()": hp.budget_images,
        "TimeBudget()": hp.budget_s,
    }
    text = _template().render(
        hp=hp,
        class_share=class_share,
        fine_tuned=fine_tuned,
        is_notebook=is_notebook,
        kind=KINDS[hp.network],
        text=to_text,
        augmented=hp.augmentation != "off",
        saturates=ACTIVATIONS[hp.activation].saturates,
        penalised=penalised,
        cross_entropy=cross_entropy,
        monitor=PLACES[place] + {"loss": cross_entropy, "accuracy": "accuracy"}[measure],
        callbacks=[name for name, is_used in callbacks.items() if is_used],
    )
    names_and_code = PART.split(text)[1:]
    return dict(zip(names_and_code[::2], names_and_code[1::2], strict=True))


@functools.cache
def _template() -> Template:
    environment = Environment(
        loader=PackageLoader("mnist_models.settings", ""),
        trim_blocks=True,
        keep_trailing_newline=True,
        undefined=StrictUndefined,
        autoescape=False,
    )
    return environment.get_template("script.py.jinja")
