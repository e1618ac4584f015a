"""A file that somebody brought, as a network that computes."""

from collections.abc import Callable
from dataclasses import dataclass

from mnist_models.imports import reading
from mnist_models.imports.foreign import ForeignNetwork
from mnist_models.imports.reading import Foreign
from mnist_models.imports.rebuilt import RebuiltNetwork, best


@dataclass(frozen=True)
class Brought:
    """A network from a file, ready to read.

    Attributes:
        form, writer, guessed: See description.Found.
        network: What computes it.
        layers: The kinds of its layers or operators, in order.
        candidate: Which of the networks that it can be it is, counted from 0.
        parameters: How many numbers it has learned.
    """

    form: str
    writer: str
    guessed: str
    network: RebuiltNetwork | ForeignNetwork
    layers: tuple[str, ...]
    parameters: int
    candidate: int = 0

    @property
    def is_convolutional(self) -> bool:
        """Whether any of its layers is a convolution."""
        return any("conv" in kind.lower() for kind in self.layers)

    def close(self) -> None:
        """Ends the process that computes it, where there is one."""
        if isinstance(self.network, ForeignNetwork):
            self.network.close()


def open_file(
    content: bytes,
    config: bytes | None = None,
    progress: Callable[[float], None] = lambda share: None,
    candidate: int | None = None,
) -> Brought:
    """The network in a file, see reading.read.

    Args:
        candidate: Which of the networks that it can be it is, where that is known already.

    Raises:
        RefusedError: There is none in it, or none that can be used here.
    """
    found = reading.read(content, config)
    if isinstance(found, Foreign):
        network = ForeignNetwork(found)
        return Brought(
            found.form, network.writer, "", network, network.operators, network.parameters
        )
    known = found.candidates if candidate is None else found.candidates[candidate : candidate + 1]
    rebuilt = best(known, progress)
    return Brought(
        found.form,
        found.writer,
        found.guessed,
        rebuilt,
        tuple(layer.kind for layer in rebuilt.description.layers),
        rebuilt.description.parameters,
        next(place for place, one in enumerate(found.candidates) if one is rebuilt.description),
    )
