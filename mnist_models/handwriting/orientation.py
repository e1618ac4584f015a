"""Whether digits stand upright, or with rows and columns exchanged as in EMNIST's files."""

import numpy as np

from mnist_models.handwriting import means

# In MNIST's test set the correlation with a digit's mean is 0.3 higher than with it transposed,
# on average; for 0s alone by 0.04, which says nothing.
CLEAR = 0.1
# Of a mean, in its standard errors; of fewer digits nobody can tell.
STANDARD_ERRORS = 4
FEWEST = 10
# So many digits tell it.
LOOKED_AT = 2000


def is_transposed(images: np.ndarray, labels: np.ndarray, otherwise: bool) -> bool:
    """Whether the images look more like MNIST's once rows and columns are exchanged.

    Args:
        images: uint8 (N, 28, 28).
        labels: uint8 (N,), 0 to 9.
        otherwise: What to say where the images leave it open.
    """
    step = max(1, len(images) // LOOKED_AT)
    images, labels = images[::step], labels[::step]
    if len(images) < FEWEST:
        return otherwise
    expected = means.of_mnist()[labels]
    gain = _correlation(images, expected) - _correlation(images.transpose(0, 2, 1), expected)
    error = gain.std() / np.sqrt(len(gain))
    if abs(gain.mean()) < max(CLEAR, STANDARD_ERRORS * error):
        return otherwise
    return bool(gain.mean() < 0)


def _correlation(images: np.ndarray, others: np.ndarray) -> np.ndarray:
    """How alike each image is to the other of the same index, float (N,), -1 to 1; 0 for blank
    ones."""
    rows, other_rows = (
        centred / np.maximum(np.linalg.norm(centred, axis=1, keepdims=True), 1e-6)
        for one in (images, others)
        for flat in [one.reshape(len(one), -1).astype(np.float32)]
        for centred in [flat - flat.mean(axis=1, keepdims=True)]
    )
    return (rows * other_rows).sum(axis=1)
