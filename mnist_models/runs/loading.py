"""From a run in the store to its model, ready to classify."""

from mnist_models.models.classifier import Classifier, WeightsError
from mnist_models.runs.store import RunStore
from mnist_models.runs.tables import StoreError


def load_classifier(store: RunStore, run_id: str) -> Classifier:
    """The model of a finished or stopped run, or a pretrained one.

    Raises:
        StoreError: When there is none.
    """
    run = store.run(run_id)
    try:
        return Classifier.from_weights(
            run.hyperparameters, store.weights(run_id), run.measured.confidence_threshold
        )
    except WeightsError as error:
        raise StoreError(f"{run.label} cannot be used: {error} Choose another run.") from error
