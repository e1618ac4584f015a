"""A network from a file as a model like any other: kept with how it wants to be fed, and reading
digits."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from mnist_models.data import dataset
from mnist_models.imports import archive, bring, chain, diagnosis, words
from mnist_models.imports.bring import Brought
from mnist_models.imports.diagnosis import Diagnosis, Quality
from mnist_models.imports.feeding import BY_HAND, SCALES, Feeding
from mnist_models.imports.findings import Findings
from mnist_models.imports.foreign import ForeignNetwork
from mnist_models.imports.refusal import RefusedError
from mnist_models.models.reader import Reader

BATCH = 500
# How much of the work is done once the file is open.
OPENED = 0.2


class ImportedReader(Reader):
    """See reader.Reader.

    Attributes:
        feeding: How images are laid out and scaled for it.
    """

    def __init__(
        self, brought: Brought, feeding: Feeding, output: str, classes: Sequence[int]
    ) -> None:
        """Args:
        brought: What computes it.
        feeding: How images are laid out and scaled for it.
        output: What its last layer gives, see diagnosis.output_kind.
        classes: Which of its classes are the digits 0 to 9.
        """
        self._brought, self.feeding = brought, feeding
        self._output, self._classes = output, classes
        self.pixels = f"the image as it is fed, {SCALES[feeding.scale].title}"

    @property
    def scale(self) -> str:
        """How the values of pixels are scaled for it, a key of feeding.SCALES."""
        return self.feeding.scale

    def fed(self, scale: str) -> "ImportedReader":
        """The same model, fed with another scale."""
        return ImportedReader(
            self._brought, replace(self.feeding, scale=scale), self._output, self._classes
        )

    def close(self) -> None:
        """Ends the process that computes it, where there is one."""
        self._brought.close()

    def chain(self) -> keras.Sequential:
        network = self._brought.network
        if isinstance(network, ForeignNetwork):
            raise RefusedError(
                f"{self._brought.form} is computed by its own runtime, which does not tell what "
                "is between the layers: bring the model as Keras saves it (.keras, .h5)."
            )
        return chain.build(network.description, self.feeding, self._output, self._classes)

    def given(self, images: np.ndarray) -> np.ndarray:
        return self.feeding.layout.fitted(images)

    def seen(self, images: tf.Tensor) -> tf.Tensor:
        return chain.fitted(self.feeding.layout, images)

    def batches(self, images: np.ndarray) -> Iterator[np.ndarray]:
        for start in range(0, len(images), BATCH):
            batch = images[start : start + BATCH]
            said = self._brought.network.outputs(self.feeding(batch))
            yield diagnosis.probabilities(
                diagnosis.rows(said, len(batch)), self._output, self._classes
            )


def card_of(brought: Brought, found: Diagnosis) -> dict[str, Any]:
    """What is kept of a network beside its file, as JSON."""
    layout = found.chosen.feeding.layout
    return {
        "candidate": brought.candidate,
        "layout": {
            "shape": list(layout.shape),
            "side_px": layout.side_px,
            "channels": layout.channels,
            "channels_first": layout.channels_first,
            "fit": layout.fit,
            "transposed": layout.transposed,
        },
        "scale": found.chosen.feeding.scale,
        "output": found.output,
        "classes": list(found.chosen.classes),
        "said": [
            words.what_it_is(brought),
            words.what_it_wants(brought, found),
            words.output(found),
            words.how_good(found),  # the last, for it changes where a feeding is chosen by hand
        ],
        "tried": words.as_json(brought, found)["tried"],
    }


def fed_by_hand(kept: bytes, card: dict[str, Any], place: int) -> tuple[dict, Quality]:
    """A network that is to be fed otherwise than as it was measured to want.

    Args:
        kept: See archive.packed.
        card: See `card_of`.
        place: Which of the ways that were tried it is fed in from now on, its index.

    Returns:
        Its new card, and how well it reads now.

    Raises:
        RefusedError: It is damaged, or cannot be computed any more.
    """
    card = card | {BY_HAND: place}
    with closing(reopened(kept, card)) as reader:
        quality = Quality.of(reader.probabilities(dataset.load().test.images))
    *before, _ = card["said"]
    return card | {"said": [*before, words.how_good(quality)]}, quality


def reopened(kept: bytes, card: dict[str, Any]) -> ImportedReader:
    """The model of such an archive.

    Raises:
        RefusedError: It is damaged, or cannot be computed any more.
    """
    brought = bring.open_file(*archive.unpacked(kept), candidate=card["candidate"])
    return ImportedReader(brought, Feeding.in_use(card), card["output"], card["classes"])


def examined(
    content: bytes,
    config: bytes | None = None,
    progress: Callable[[float], None] = lambda share: None,
    findings: Findings | None = None,
) -> tuple[Brought, Diagnosis]:
    """The network of a file, and what was measured of it; it is closed already.

    Args:
        findings: What was found where it was brought first; None for a file that is new.

    Raises:
        RefusedError: There is none in it, or none that can be used here.
    """
    brought = bring.open_file(
        content,
        config,
        lambda share: progress(OPENED * share),
        findings.candidate if findings else None,
    )
    try:

        def measuring(share: float) -> None:
            progress(OPENED + (1 - OPENED) * share)

        if findings:
            return brought, findings.measured(brought, measuring)
        return brought, diagnosis.diagnose(brought.network, measuring)
    finally:
        brought.close()
