"""A network from a file as it learns: rebuilt with how it is fed laid out in front, and kept as a
network from a file again."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import keras

from mnist_models.data.dataset import IMAGE_SIZE_PX
from mnist_models.imports import archive, bring, diagnosis, imported, reading, rebuild
from mnist_models.imports.chain import Scaled, fitted
from mnist_models.imports.description import Layer
from mnist_models.imports.diagnosis import SMALLEST, Quality
from mnist_models.imports.feeding import Feeding
from mnist_models.imports.reading import Foreign
from mnist_models.imports.refusal import RefusedError
from mnist_models.imports.sequence import OUTPUTS
from mnist_models.models import saving
from mnist_models.models.networks import SEEDS

COMPUTED_ONLY = (
    "A model in ONNX or TensorFlow Lite cannot be fine-tuned: its own runtime computes it, and "
    "cannot train. Bring the model as Keras saves it (.keras, .h5)."
)


class Kept(NamedTuple):
    """What is kept of such a network once it has learned.

    Attributes:
        file: See archive.packed; in it is a Keras file of the same layers.
        card: See imported.card_of.
        parameters: How many numbers it has learned.
        quality: How well it reads the 10,000 test images.
    """

    file: bytes
    card: dict[str, Any]
    parameters: int
    quality: Quality


class LearningNetwork:
    """Such a network.

    Attributes:
        network: uint8 (N, 28, 28) in; float32 (N, 10) logits out, whose softmax are the
            probabilities of the digits that the network from the file reads. Batch normalisation
            stays as it was learned: statistics of a few hundred digits would be worse.
    """

    def __init__(self, kept: bytes, card: Mapping[str, Any], seed: int) -> None:
        """Builds it.

        Args:
            kept: See archive.packed.
            card: See imported.card_of.
            seed: Of all chance in its layers.

        Raises:
            RefusedError: Only its own runtime can compute it, or it is damaged.
        """
        found = reading.read(*archive.unpacked(kept))
        if isinstance(found, Foreign):
            raise RefusedError(COMPUTED_ONLY)
        self._description = found.candidates[card["candidate"]]
        self._feeding, self._classes = Feeding.in_use(card), card["classes"]
        output, layers = card["output"], list(_seeded(self._description.layers, seed))
        place = [layer.name for layer in layers].index(self._description.output)
        if output in ("softmax", "log-softmax") and _is_softmax(layers[place]):
            # A probability that has become 0 would teach nothing.
            layers[place], output = _linear(layers[place]), "logits"
        self._inner = rebuild.build(replace(self._description, layers=tuple(layers)))
        for layer in self._inner.layers:
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.trainable = False
        image = keras.Input((IMAGE_SIZE_PX, IMAGE_SIZE_PX), dtype="uint8", name="image")
        outputs = self._inner(_Fed(self._feeding)(image))
        self.network = keras.Model(image, _Scores(output, self._classes)(outputs))

    def kept(self) -> Kept:
        """The network as it is now, measured as it is read back from its file."""
        whole = rebuild.build(self._description)
        for layer in whole.layers:
            if layer.trainable_weights:
                layer.set_weights(self._inner.get_layer(layer.name).get_weights())
        content = saving.saved(whole)
        brought = bring.open_file(content)
        found = diagnosis.as_trained(brought.network, self._feeding, self._classes)
        return Kept(
            archive.packed(content, None),
            imported.card_of(brought, found),
            brought.parameters,
            found,
        )


class _Fed(keras.layers.Layer):
    """Images, uint8 (N, 28, 28), as a network takes them."""

    def __init__(self, feeding: Feeding) -> None:
        super().__init__(name="fed")
        self._layout, self._scaled = feeding.layout, Scaled(feeding)

    def call(self, images: keras.KerasTensor) -> keras.KerasTensor:
        return self._scaled(fitted(self._layout, images))


class _Scores(keras.layers.Layer):
    """What a network gives, as logits of the digits, see diagnosis.probabilities."""

    def __init__(self, output: str, classes: Sequence[int]) -> None:
        super().__init__(name="scores")
        self._is_probability, self._classes = output in ("softmax", "sigmoid"), list(classes)

    def call(self, outputs: keras.KerasTensor) -> keras.KerasTensor:
        rows = keras.ops.reshape(outputs, (-1, math.prod(outputs.shape[1:])))
        chosen = keras.ops.take(rows, self._classes, axis=1)
        if self._is_probability:
            return keras.ops.log(keras.ops.maximum(chosen, SMALLEST))
        return chosen


def _seeded(layers: Sequence[Layer], seed: int) -> Iterator[Layer]:
    """Layers whose chance comes from a seed: those that have any are dropout."""
    for place, layer in enumerate(layers):
        more = {"seed": (seed * 1000 + place) % SEEDS} if layer.kind == "Dropout" else {}
        yield replace(layer, settings=layer.settings | more)


def _is_softmax(layer: Layer) -> bool:
    return layer.kind == "Softmax" or layer.settings.get("activation") in OUTPUTS


def _linear(layer: Layer) -> Layer:
    """A layer without its softmax."""
    if layer.kind == "Softmax":
        return replace(layer, kind="Activation", settings={"activation": "linear"})
    return replace(layer, settings=layer.settings | {"activation": "linear"})
