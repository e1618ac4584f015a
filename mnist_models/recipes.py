"""Named hyperparameters to start from: each network's defaults, and those that the shipped networks were trained with."""

from dataclasses import dataclass

from mnist_models.hyperparameters import NETWORKS, CnnHyperparameters, ConvLayer, DnnHyperparameters, Hyperparameters


@dataclass(frozen=True)
class Recipe:
    """name: as a command line has it. title, origin: for people; where the hyperparameters come from, one sentence."""

    name: str
    title: str
    origin: str
    hyperparameters: Hyperparameters


RECIPES = {
    network: {
        recipe.name: recipe
        for recipe in (
            Recipe("quick", "Quick start", "Small enough to watch from start to end in a lesson.", NETWORKS[network]()),
            Recipe("shipped", "As shipped", "What the network that comes with the app was trained with.", shipped),
        )
    }
    for network, shipped in {
        "dnn": DnnHyperparameters(
            hidden_units=(512, 512, 256), dropout=0.2, epochs=60, learning_rate=0.004, batch_size=256,
            optimizer="adamw", weight_decay=0.02, augmentation="full",
        ),
        "cnn": CnnHyperparameters(
            conv_layers=(
                ConvLayer(filters=32, kernel=3), ConvLayer(filters=32, kernel=3, pool=2),
                ConvLayer(filters=64, kernel=3), ConvLayer(filters=64, kernel=3, pool=2),
            ),
            dense_units=(128,), dropout=0.3, epochs=15, learning_rate=0.004,
            optimizer="adamw", weight_decay=0.02, augmentation="full",
        ),
    }.items()
}  # fmt: skip
