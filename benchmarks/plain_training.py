"""The training that most people would write: float32 arrays, `keras.Model.fit`, Keras's defaults.

The trainings here are measured against it. It has two of their networks (their weights start as
Keras starts them, not as ours do), the same images, and the same number of them in a batch.
"""

import time

import keras
import numpy as np
from keras import layers

from mnist_models.data import dataset

TRAIN_IMAGES, VALIDATION_IMAGES = 55_000, 5_000
MOST_EPOCHS = 25


def dnn() -> keras.Model:
    """Three dense layers, 91,860 parameters."""
    return keras.Sequential(
        [
            keras.Input((28, 28)),
            layers.Flatten(),
            layers.Dense(100),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
            layers.Dropout(0.2),
            layers.Dense(80),
            layers.BatchNormalization(momentum=0.9),
            layers.ReLU(),
            layers.Dropout(0.2),
            layers.Dense(50, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )


def cnn() -> keras.Model:
    """Two convolutions, one pooling, one dense layer, 544,522 parameters."""
    return keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(3),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.5),
            layers.Dense(10, activation="softmax"),
        ]
    )


class UntilAccurate(keras.callbacks.Callback):
    """Ends a training after the epoch in which the accuracy on the test set, 0 to 1, is reached.

    checking_s: the seconds that it took to look, which are not the training's.
    """

    def __init__(self, accuracy: float, test: tuple[np.ndarray, np.ndarray]) -> None:
        super().__init__()
        self.accuracy, self.test, self.checking_s = accuracy, test, 0.0

    def on_epoch_end(self, epoch, logs=None):
        started = time.perf_counter()
        _, accuracy = self.model.evaluate(*self.test, batch_size=1000, verbose=0)
        self.model.stop_training = accuracy >= self.accuracy
        self.checking_s += time.perf_counter() - started


def train(
    network: str, batch_size: int, seed: int, epochs: int | None, until: float | None
) -> dict:
    """Trains for so many epochs, or until so much of the test set is read right, 0 to 1, at most
    MOST_EPOCHS; the seconds, the accuracy on the test set, and the epochs that it took."""
    keras.utils.set_random_seed(seed)
    started = time.perf_counter()
    training, validation = dataset.split(TRAIN_IMAGES, VALIDATION_IMAGES)
    test = dataset.load().test
    (x, y), validation, test = (
        (digits.images.astype("float32") / 255, digits.labels)
        for digits in (training, validation, test)
    )
    model = {"dnn": dnn, "cnn": cnn}[network]()
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    until_accurate = [UntilAccurate(until, test)] if until else []
    history = model.fit(
        x,
        y,
        batch_size=batch_size,
        epochs=epochs or MOST_EPOCHS,
        validation_data=validation,
        callbacks=until_accurate,
        verbose=0,
    )
    _, accuracy = model.evaluate(*test, verbose=0)
    seconds = (
        time.perf_counter() - started - sum(callback.checking_s for callback in until_accurate)
    )
    return {
        "seconds": seconds,
        "accuracy": accuracy,
        "epochs": len(history.epoch),
        "parameters": model.count_params(),
    }
