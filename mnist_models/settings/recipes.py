"""Named hyperparameters to start from: the project's own, and those of five earlier projects that
taught with MNIST."""

import re
from dataclasses import dataclass

from mnist_models.settings.hyperparameters import (
    CnnHyperparameters,
    ConvLayer,
    DnnHyperparameters,
    Hyperparameters,
)


@dataclass(frozen=True)
class Recipe:
    """Hyperparameters with a name.

    Attributes:
        title, origin: For people; what it is called and, in a sentence, where the hyperparameters
            come from.
        reported: The test accuracy, 0 to 1, that its project reported; None where it reported
            none.
        command_name: Its name for programs, where that is not the title's: it stays when a title
            gets better words.
    """

    title: str
    origin: str
    hyperparameters: Hyperparameters
    reported: float | None = None
    command_name: str | None = None

    @property
    def name(self) -> str:
        """As a command line or a link has it: "optimal-cnn-model-1"."""
        return self.command_name or slug(self.title)


def slug(title: str) -> str:
    """A title in lower case, a hyphen for all between its letters and digits."""
    return re.sub("[^a-z0-9]+", "-", title.lower()).strip("-")


OWN = (
    Recipe(
        "Quick DNN", "Small enough to watch from start to end in a lesson.", DnnHyperparameters()
    ),
    Recipe(
        "Quick CNN", "Small enough to watch from start to end in a lesson.", CnnHyperparameters()
    ),
    Recipe(
        "Pretrained DNN",
        "How the DNN that comes with the app was trained.",
        DnnHyperparameters(
            hidden_units=(512, 512, 256),
            dropout=0.2,
            epochs=80,
            learning_rate=0.004,
            batch_size=256,
            optimizer="adamw",
            weight_decay=0.02,
            augmentation="full",
            non_digits=0.5,
        ),
        command_name="shipped-dnn",
    ),
    Recipe(
        "Pretrained CNN",
        "How the CNN that comes with the app was trained.",
        CnnHyperparameters(
            conv_layers=(
                ConvLayer(filters=32, kernel=3),
                ConvLayer(filters=32, kernel=3, pool=2),
                ConvLayer(filters=64, kernel=3),
                ConvLayer(filters=64, kernel=3, pool=2),
            ),
            dense_units=(128,),
            dropout=0.3,
            epochs=20,
            learning_rate=0.004,
            optimizer="adamw",
            weight_decay=0.02,
            augmentation="full",
            non_digits=0.3,
        ),
        command_name="shipped-cnn",
    ),
    # One hidden layer, and two convolutions: as many parameters, and all else alike.
    Recipe(
        "Same training: DNN",
        "Trained as the CNN beside it, with as many parameters: a fair comparison.",
        DnnHyperparameters(hidden_units=(72,)),
        command_name="teaching-dnn",
    ),
    Recipe(
        "Same training: CNN",
        "Trained as the DNN beside it, with as many parameters: a fair comparison.",
        CnnHyperparameters(
            conv_layers=(
                ConvLayer(filters=16, kernel=5, pool=2),
                ConvLayer(filters=32, kernel=3, pool=2),
            )
        ),
        command_name="teaching-cnn",
    ),
    Recipe(
        "Shuffled DNN",
        "Trained on shuffled pixels, which hardly matter to a DNN.",
        DnnHyperparameters(scrambled=True),
        command_name="scrambled-dnn",
    ),
    Recipe(
        "Shuffled CNN",
        "Trained on shuffled pixels, which take from a CNN what makes it win.",
        CnnHyperparameters(scrambled=True),
        command_name="scrambled-cnn",
    ),
)

# What the notebooks and scripts of those projects have in common: plain layers, Keras's default
# learning rate, kept constant.
_PLAIN = {"batch_norm": False, "dropout": 0.0, "learning_rate": 0.001, "schedule": "constant"}
_HELD_BACK_20_PERCENT = {"train_images": 48_000, "validation_images": 12_000}

EARLIER = (
    Recipe(
        "Homework DNN",
        "A homework: several dense layers, trained with validation data; their sizes, not given, "
        "are ours.",
        DnnHyperparameters(**_PLAIN, hidden_units=(128, 64), batch_size=32, epochs=10),
        reported=0.9768,
    ),
    Recipe(
        "Homework CNN",
        "The same homework: convolutions, pooling, a dense layer; their sizes, not given, are "
        "ours.",
        CnnHyperparameters(
            **_PLAIN | {"dropout": 0.3},
            conv_layers=("32x5+pool2", "64x5+pool2"),
            dense_units=(256,),
            batch_size=128,
            epochs=12,
        ),
        reported=0.9928,
    ),
    Recipe(
        "ANN",
        "A notebook on artificial neural networks: two dense layers, a fifth of the images held "
        "back.",
        DnnHyperparameters(
            **_PLAIN, **_HELD_BACK_20_PERCENT, hidden_units=(512, 256), batch_size=32, epochs=10
        ),
        reported=0.978,
    ),
    Recipe(
        "CNN beside the ANN",
        "The same notebook's comparison: a convolution, pooling, one dense layer; their sizes were "
        "not given and are ours.",
        CnnHyperparameters(
            **_PLAIN,
            **_HELD_BACK_20_PERCENT,
            conv_layers=("32x3+pool2",),
            dense_units=(128,),
            batch_size=32,
            epochs=10,
        ),
    ),
    Recipe(
        "Optimal CNN, model 1",
        "A search for the best CNN: three convolutions with pooling each, a dense layer with "
        "dropout.",
        CnnHyperparameters(
            **_PLAIN | {"dropout": 0.3},
            conv_layers=("32x3+pool2", "64x3+pool2", "128x3+pool2"),
            dense_units=(128,),
            batch_size=32,
            epochs=20,
        ),
        reported=0.99,
    ),
    Recipe(
        "Optimal CNN, model 2",
        "The same search: three dense layers on top, ended when the training accuracy stands "
        "still.",
        CnnHyperparameters(
            **_PLAIN | {"dropout": 0.3},
            conv_layers=("32x3+pool2", "64x3+pool2", "128x3+pool2"),
            dense_units=(128, 64, 32),
            batch_size=32,
            epochs=20,
            early_stopping=3,
            early_stopping_on="training_accuracy",
        ),
        reported=0.9867,
    ),
    Recipe(
        "Simple NN",
        "A Keras script: two dense layers with batch normalisation and dropout, then a plain one; "
        "its dropout rate is ours.",
        DnnHyperparameters(
            **_PLAIN | {"batch_norm": True, "dropout": 0.2},
            hidden_units=(100, 80, 50),
            plain_layers=1,
            batch_size=32,
            epochs=10,
        ),
        reported=0.9696,
    ),
    Recipe(
        "Simple CNN",
        "The same author's CNN: two convolutions, one pooling, a dense layer with dropout, whose "
        "rate is ours.",
        CnnHyperparameters(
            **_PLAIN | {"dropout": 0.5},
            conv_layers=("32x3", "64x3+pool3"),
            dense_units=(128,),
            batch_size=128,
            epochs=12,
        ),
        reported=0.9922,
    ),
    Recipe(
        "Fully connected",
        "A PyTorch script: dense layers with dropout, SGD on the negative log-likelihood of a "
        "log-softmax, which is the "
        "cross-entropy; sizes and rates were not given and are ours.",
        DnnHyperparameters(
            **_PLAIN | {"dropout": 0.2, "learning_rate": 0.01},
            hidden_units=(512, 256, 128),
            optimizer="sgd",
            batch_size=64,
            epochs=15,
        ),
    ),
    Recipe(
        "CNN with linear head",
        "The same author's CNN: convolutions, then one linear layer, as PyTorch's tutorials have "
        "it; sizes were not given and "
        "are ours.",
        CnnHyperparameters(
            **_PLAIN,
            conv_layers=("16x5+pool2", "32x5+pool2"),
            dense_units=(),
            batch_size=100,
            epochs=10,
        ),
    ),
)

RECIPES = {recipe.name: recipe for recipe in (*OWN, *EARLIER)}


def of_network(network: str) -> dict[str, Recipe]:
    """The recipes for one network by name, the one to start with first."""
    return {
        name: recipe
        for name, recipe in RECIPES.items()
        if recipe.hyperparameters.network == network
    }


def find(name: str, network: str | None = None) -> Recipe | None:
    """The recipe of this name, however its words are joined: "Simple CNN", "simple-cnn". The
    network's name may be left out at its end where the network is known: "quick"."""
    return RECIPES.get(slug(name)) or RECIPES.get(f"{slug(name)}-{network}")
