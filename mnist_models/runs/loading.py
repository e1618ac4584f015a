"""From a run in the store to its model, ready to classify; and from somebody's file to a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mnist_models.data import dataset
from mnist_models.imports import archive
from mnist_models.models.folded import WeightsError
from mnist_models.models.predictions import CONFIDENCE_THRESHOLD
from mnist_models.models.reader import Reader
from mnist_models.models.swift import SwiftReader
from mnist_models.runs.store import RunStore
from mnist_models.runs.tables import Run, StoreError
from mnist_models.settings.hyperparameters import Hyperparameters
from mnist_models.training.material import Source
from mnist_models.training.progress import Measured

if TYPE_CHECKING:  # importing them imports TensorFlow
    from mnist_models.imports.bring import Brought
    from mnist_models.imports.diagnosis import Diagnosis
    from mnist_models.imports.findings import Findings
    from mnist_models.models.classifier import Classifier

# What a network from a file is nearest to: whether it is convolutional, to a key of NETWORKS.
NEAREST = {False: "dnn", True: "cnn"}


def load_reader(store: RunStore, run_id: str) -> Reader:
    """The model of a finished or stopped run, a pretrained one, or one from somebody's file.

    Raises:
        StoreError: When there is none.
        RefusedError: The file cannot be used any more.
    """
    run = store.run(run_id)
    weights = store.weights(run_id)
    if run.imported:
        from mnist_models.imports import imported

        return imported.reopened(weights, run.imported)
    with _fitting(run):
        return SwiftReader(run.hyperparameters, weights, run.measured.confidence_threshold)


def load_classifier(store: RunStore, run_id: str) -> Classifier:
    """The same as Keras has it; see load_weights.

    Raises:
        StoreError: When there is none.
        RefusedError: It came from a file, and cannot be told so.
    """
    from mnist_models.models.classifier import Classifier

    run = store.run(run_id)
    with _fitting(run):
        return Classifier.from_weights(*load_weights(store, run), run.measured.confidence_threshold)


def load_weights(store: RunStore, run: Run) -> tuple[Hyperparameters, bytes]:
    """The hyperparameters and the weights of a model, see classifier.pack_weights; of one from
    somebody's file, those of one that could have been trained here and reads the same.

    Raises:
        StoreError: When there are none.
        RefusedError: It came from a file, and cannot be told so.
    """
    weights = store.weights(run.id)
    if run.imported:
        from mnist_models.imports.as_ours import told_as_ours

        return told_as_ours(weights, run.imported)
    return run.hyperparameters, weights


@contextmanager
def _fitting(run: Run) -> Iterator[None]:
    try:
        yield
    except WeightsError as error:
        raise StoreError(f"{run.label} cannot be used: {error} Choose another run.") from error


def feed_by_hand(store: RunStore, run_id: str, place: int) -> None:
    """Has a network from somebody's file fed in another of the ways that were tried, and measures
    anew how well it reads.

    Args:
        run_id: Its run.
        place: The index of the way among those in the run's card.

    Raises:
        StoreError: There is no such run, or it cannot be kept.
        RefusedError: The file cannot be used any more.
    """
    from mnist_models.imports import imported
    from mnist_models.models.evaluation import evaluate

    run = store.run(run_id)
    assert run.imported
    card, quality = imported.fed_by_hand(store.weights(run_id), run.imported, place)
    evaluation = evaluate(quality.predictions, dataset.load().test.labels)
    measured = run.measured._replace(test_loss=evaluation.loss, test_accuracy=evaluation.accuracy)
    store.change_imported(run_id, card, measured, quality.predictions)


def keep_imported(
    store: RunStore,
    name: str,
    content: bytes,
    config: bytes | None = None,
    progress: Callable[[float], None] = lambda share: None,
    visitor: str | None = None,
    findings: Findings | None = None,
    source: Source | None = None,
) -> tuple[Run | None, Brought, Diagnosis]:
    """Examines a network from somebody's file and keeps it where it reads digits.

    Args:
        name: What to call it.
        content, config: See reading.read.
        progress: Is told how much is done, 0 to 1.
        visitor: Who brings it, see tables.Run.
        findings: See imported.examined.
        source: See RunStore.add_imported.

    Returns:
        The run, None where it reads no digits; and what it is.

    Raises:
        RefusedError: There is no network in the file, or none that can be used here.
        StoreError: It cannot be kept.
    """
    from mnist_models.imports import imported
    from mnist_models.models.evaluation import evaluate

    brought, found = imported.examined(content, config, progress, findings)
    if not found.usable:
        return None, brought, found
    evaluation = evaluate(found.predictions, dataset.load().test.labels)
    run = store.add_imported(
        NEAREST[brought.is_convolutional],
        name,
        imported.card_of(brought, found),
        archive.packed(content, config),
        Measured(
            parameters=brought.parameters,
            epochs=0,
            elapsed_s=0,
            temperature=1,
            confidence_threshold=CONFIDENCE_THRESHOLD,
            test_loss=evaluation.loss,
            test_accuracy=evaluation.accuracy,
        ),
        found.predictions,
        visitor,
        source,
    )
    if findings and findings.by_hand is not None:
        feed_by_hand(store, run.id, findings.by_hand)
        run = store.run(run.id)
    return run, brought, found
