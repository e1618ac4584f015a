"""What a readable run was measured to have, as numbers that are never None."""

from typing import NamedTuple

from mnist_models.runs.tables import Run


class Measured(NamedTuple):
    """The measured columns of a readable run, see tables.Run."""

    parameters: int
    epochs: float
    elapsed_s: float
    images_seen: int
    temperature: float
    confidence_threshold: float
    test_loss: float
    test_accuracy: float


def measured(run: Run) -> Measured:
    """The measurements of a run.

    Args:
        run: A readable run. The store measures all columns of a run at once, so none of them is
            None; those of a run that is not readable all are.
    """
    values = {name: getattr(run, name) for name in Measured._fields}
    assert None not in values.values(), f"{run.id} is not readable"
    return Measured(**values)
