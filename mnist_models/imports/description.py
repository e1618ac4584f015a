"""A network as its file describes it, whichever program wrote it: layers, settings, arrays."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mnist_models.imports.refusal import RefusedError

MOST_LAYERS = 500
MOST_PARAMETERS = 25_000_000


@dataclass(frozen=True)
class Layer:
    """One layer.

    Attributes:
        kind: Its class in Keras 3, such as "Conv2D"; always one of `layers.KINDS`.
        name: Unique in its network.
        settings: What shapes its computation, by the names of Keras 3; nothing else.
        inputs: The names of the layers that it is given.
        arrays: Its weights in the order in which Keras 3 has them.
        is_channels_first: Its images are (channels, rows, columns), those of Keras here are not.
    """

    kind: str
    name: str
    settings: dict[str, Any] = field(default_factory=dict)
    inputs: tuple[str, ...] = ()
    arrays: tuple[np.ndarray, ...] = ()
    is_channels_first: bool = False


@dataclass(frozen=True)
class Description:
    """A network with one input and one output.

    Attributes:
        input_shape: Of one image, without the batch; None where any size will do.
        layers: In an order in which each comes after those that it is given; the input, named
            `INPUT`, is none of them.
        output: The name of the layer whose output is that of the network.
    """

    input_shape: tuple[int | None, ...]
    layers: tuple[Layer, ...]
    output: str

    @property
    def parameters(self) -> int:
        """How many numbers it has learned or measured."""
        return sum(array.size for layer in self.layers for array in layer.arrays)


INPUT = "input"


@dataclass(frozen=True)
class Found:
    """What a file holds.

    Attributes:
        form: What kind of file it is, for people: "Keras HDF5 (.h5)".
        writer: Which program wrote it, where the file says so: "Keras 2.4.0".
        candidates: The networks that it can be; several where it does not say everything, and how
            well they read digits has to decide.
        guessed: What had to be guessed, a phrase; empty where the file says everything.
    """

    form: str
    writer: str
    candidates: tuple[Description, ...]
    guessed: str = ""


def check_arrays(arrays: dict[str, np.ndarray]) -> None:
    """Refuses weights that no network can work with.

    Raises:
        RefusedError: There are too many, or some are no numbers.
    """
    if (count := sum(array.size for array in arrays.values())) > MOST_PARAMETERS:
        raise RefusedError(
            f"It has {count:,} parameters, and at most {MOST_PARAMETERS:,} are read here: digits "
            "can be read with a hundredth of them."
        )
    for name, array in arrays.items():
        if not np.isfinite(array).all():
            raise RefusedError(
                f"Its array {name[:80]!r} holds values that are no numbers (NaN or infinite): its "
                "training broke down, so train again with a smaller learning rate; or the file is "
                "damaged."
            )
