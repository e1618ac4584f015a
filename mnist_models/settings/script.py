"""A run as a script to read, change and run elsewhere: plain Keras 3, with nothing in it that this
run does not use.

It says in Keras's own words what `models.networks` and `training.loop` do. Those two are not
imported here, or a page would have to wait for TensorFlow before it can show a script; the tests
compare the two.
"""

import itertools
from collections.abc import Iterator

from mnist_models.data.dataset import CLASS_COUNT, IMAGE_SIZE_PX
from mnist_models.settings.hyperparameters import (
    ACTIVATIONS,
    CnnHyperparameters,
    DnnHyperparameters,
    Hyperparameters,
)
from mnist_models.settings.links import to_text

HEAD = '''\
"""A {kind} that reads handwritten digits, trained on MNIST with Keras.

It ends about as well as in the app that wrote this, not with the same numbers: chance falls
differently.
"""
'''

LOAD = """\
# Images are uint8 (N, 28, 28), 0 is paper and 255 is ink; labels are the digits, 0 to 9.
(images, labels), (test_images, test_labels) = keras.datasets.mnist.load_data()
train_images, train_labels = images[:{train}], labels[:{train}]
"""

HOLD_BACK = """\
# Held back, to watch the network on digits that it does not learn from.
validation_images, validation_labels = images[-{count}:], labels[-{count}:]
"""

WRONG_LABELS = """\
# A share of the labels becomes another digit: the network can only learn these by heart.
random = np.random.default_rng([{seed}, 2**32])
wrong = random.permutation(len(train_labels))[: round({share} * len(train_labels))]
train_labels = train_labels.copy()
train_labels[wrong] = (train_labels[wrong] + random.integers(1, 10, len(wrong))) % 10
"""

LABELS_FOR_SMOOTHING = """\
# Smoothing needs the share of each digit in place of the digit: (N,) becomes (N, 10).
"""

FILL = 'fill_mode="constant"'

VARY = """\
{comment}
vary = keras.Sequential(
    [
        keras.layers.Reshape((28, 28, 1)),
{layers}        keras.layers.Reshape((28, 28)),
    ]
)
"""

VARIED = '''\
def varied(images, labels):
    """The images of a batch, each varied anew every time it is learned from."""
    images = vary(keras.ops.cast(images, "float32"), training=True)
{scramble}    return keras.ops.cast(keras.ops.round(images), "uint8"), labels
'''

BATCHES = """\
batches = tf.data.Dataset.from_tensor_slices((train_images, train_labels))
batches = batches.shuffle(len(train_images)).batch(BATCH_SIZE).map(varied).prefetch(2)
"""

VARIATIONS = {
    "shift": ("# Up to 2 px in each direction.", ["RandomTranslation(2 / 28, 2 / 28, {fill})"]),
    "full": (
        "# Slanted, scaled by up to 10 %, turned by up to 10° and shifted by up to 1.5 px. The app "
        "does all\n"
        "# this in one step, which blurs less, slants about the middle instead of the top, and "
        "also draws\n"
        "# with a thicker or thinner pen and writes some 0s, 1s, 7s and 9s as elsewhere in the "
        "world.",
        [
            "RandomShear(0.15, 0, {fill})",
            "RandomZoom((-1 / 11, 0.1), (-1 / 11, 0.1), {fill})",
            "RandomRotation(10 / 360, {fill})",
            "RandomTranslation(1.5 / 28, 1.5 / 28, {fill})",
        ],
    ),
}

SCRAMBLE = """\
# Every image's pixels go to other places, the same ones for all (NumPy keeps RandomState as it is).
order = np.random.RandomState(0).permutation(784)
"""

SCRAMBLE_IMAGES = """\
{name} = {name}.reshape(-1, 784)[:, order].reshape(-1, 28, 28)
"""

SCRAMBLE_VARIED = """\
    images = keras.ops.take(keras.ops.reshape(images, (-1, 784)), order, axis=1)
    images = keras.ops.reshape(images, (-1, 28, 28))
"""

NON_DIGITS = """\
# The app also showed it scribbles, {percent} more images, in which it was to find all digits equally
# probable, so that it is not sure of letters and doodles. That is left out here.
"""

STEPS = """\
STEPS = EPOCHS * math.ceil(len(train_images) / BATCH_SIZE)
"""

STEPS_IN_BUDGET = """\
EPOCHS_IN_BUDGET, REST = divmod(min(BUDGET_IMAGES, EPOCHS * len(train_images)), len(train_images))
STEPS = EPOCHS_IN_BUDGET * math.ceil(len(train_images) / BATCH_SIZE) + math.ceil(REST / BATCH_SIZE)
"""

RATES = {
    "cosine": (
        '''\
def learning_rate(done):
    """The learning rate when a share of the training is over, 0 to 1: down along a cosine."""
    return LEARNING_RATE * (1 + math.cos(math.pi * done)) / 2
''',
    ),
    "one_cycle": (
        '''\
def cosine(start, end, done):
    """From start to end along half a cosine, while done goes from 0 to 1."""
    return end + (start - end) * (1 + math.cos(math.pi * done)) / 2
''',
        '''\
def learning_rate(done):
    """The learning rate when a share of the training is over, 0 to 1: up, then down to nearly 0.

    One cycle (Smith and Topin 2018): high rates in the middle find broad valleys of the loss.
    """
    if done < 0.3:
        return cosine(LEARNING_RATE / 25, LEARNING_RATE, done / 0.3)
    return cosine(LEARNING_RATE, LEARNING_RATE / 10_000, (done - 0.3) / 0.7)
''',
    ),
}

MANY_EPOCHS = 1_000_000
KINDS = {"dnn": "dense network", "cnn": "convolutional network"}

SCHEDULE = '''\
class Schedule(keras.callbacks.Callback):
    """Sets the learning rate of each batch."""

    def on_train_begin(self, logs=None):
        self.step = 0

    def on_train_batch_begin(self, batch, logs=None):
        self.model.optimizer.learning_rate = learning_rate(self.step / STEPS)
        self.step += 1
'''

SCHEDULE_IN_TIME = '''\
class Schedule(keras.callbacks.Callback):
    """Sets the learning rate of each batch, so that its course ends with the time."""

    def on_train_begin(self, logs=None):
        self.started = time.perf_counter()

    def on_train_batch_begin(self, batch, logs=None):
        elapsed_s = time.perf_counter() - self.started
        self.model.optimizer.learning_rate = learning_rate(min(1, elapsed_s / BUDGET_S))
'''

BUDGET_IMAGES = '''\
class ImageBudget(keras.callbacks.Callback):
    """Ends training when so many images were learned from, after a whole batch."""

    def on_train_begin(self, logs=None):
        self.images = 0

    def on_train_batch_end(self, batch, logs=None):
        self.images += min(BATCH_SIZE, len(train_images) - batch * BATCH_SIZE)
        if self.images >= BUDGET_IMAGES:
            self.model.stop_training = True
'''

BUDGET_S = '''\
class TimeBudget(keras.callbacks.Callback):
    """Ends training when its time is up, after a whole batch. Preparing the first counts too."""

    def on_train_begin(self, logs=None):
        self.started = time.perf_counter()

    def on_train_batch_end(self, batch, logs=None):
        if time.perf_counter() - self.started >= BUDGET_S:
            self.model.stop_training = True
'''

PRECISION = """\
# Layers pass on bfloat16, half the bits of float32; weights stay float32, and so do the logits.
keras.config.set_dtype_policy("mixed_bfloat16")

"""

DECAY = """\
# Weight decay: the larger a kernel's weights, the larger the loss.
decay = keras.regularizers.L2({decay} / 2)

"""

OPTIMIZERS = {
    "adam": "optimizer = keras.optimizers.Adam(LEARNING_RATE)\n",
    "adamw": "optimizer = keras.optimizers.AdamW(LEARNING_RATE, weight_decay={decay})\n",
    "sgd": "optimizer = keras.optimizers.SGD(LEARNING_RATE, momentum=0.9, nesterov=True)\n",
    "rmsprop": "optimizer = keras.optimizers.RMSprop(LEARNING_RATE)\n",
}

ONLY_KERNELS_DECAY = """\
# Only kernels are pulled towards zero: small biases do not make a network simpler.
optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
"""

CROSS_ENTROPY = """\
# The loss has more in it than the cross-entropy; this tells it alone.
cross_entropy = keras.metrics.{kind}(from_logits=True, name="cross_entropy")
"""

COMPILE = """\
model.compile(
    optimizer=optimizer,
    loss=keras.losses.{loss},
    metrics=[{metrics}],
)
"""

EARLY_STOPPING = """\
early_stopping = keras.callbacks.EarlyStopping(
    monitor="{name}",
    mode="{mode}",
    patience={patience},
    restore_best_weights=True,
)
"""

PLACES = {"validation": "val_", "training": ""}

EVALUATE = """\
results = model.evaluate(test_images, test_labels, return_dict=True, verbose=0)
print(f"test loss {{results['{loss}']:.4f}}, test accuracy {{results['accuracy']:.2%}}")
"""


def script(hyperparameters: Hyperparameters) -> str:
    """A Python script that builds and trains the network that the hyperparameters describe, and
    measures it on the test set.

    It needs Keras 3 with TensorFlow, and the internet once, for MNIST.
    """
    hp = hyperparameters
    parts = [
        HEAD.format(kind=KINDS[hp.network]),
        _imports(hp),
        _constants(hp),
        *_data(hp),
        _model(hp),
        _compiled(hp),
        *_callbacks(hp),
        _fit(hp),
        EVALUATE.format(loss=_cross_entropy(hp)),
    ]
    return parts[0] + "".join(
        ("\n\n" if _defines(before) or _defines(part) else "\n") + part
        for before, part in itertools.pairwise(parts)
    )


def _defines(part: str) -> bool:
    """Whether a part is a function or a class, which two empty lines set apart."""
    return part.startswith(("def ", "class "))


def _penalty(hp: Hyperparameters) -> float:
    """The factor of the L2 penalty. AdamW decays weights by itself."""
    return 0.0 if hp.optimizer == "adamw" else hp.weight_decay / 2


def _cross_entropy(hp: Hyperparameters) -> str:
    """What Keras calls the plain cross-entropy: the loss, unless that is made of more."""
    return "cross_entropy" if hp.label_smoothing or _penalty(hp) else "loss"


def _imports(hp: Hyperparameters) -> str:
    ours = {
        "math": hp.schedule != "constant",
        "time": hp.budget_s,
    }
    theirs = {
        "keras": True,
        "numpy as np": hp.wrong_labels or hp.scrambled,
        "tensorflow as tf": hp.augmentation != "off",
    }
    groups = [
        [f"import {name}\n" for name, used in modules.items() if used] for modules in (ours, theirs)
    ]
    return "\n".join("".join(group) for group in groups if group)


def _constants(hp: Hyperparameters) -> str:
    constants = {
        "EPOCHS": f"{MANY_EPOCHS:_}  # more than there is time for"
        if hp.budget_s
        else f"{hp.epochs}",
        "BATCH_SIZE": f"{hp.batch_size}",
        "LEARNING_RATE": f"{to_text(hp.learning_rate)}",
        "BUDGET_IMAGES": hp.budget_images and f"{hp.budget_images:_}",
        "BUDGET_S": hp.budget_s,
    }
    lines = [f"{name} = {value}\n" for name, value in constants.items() if value]
    return "".join(lines) + f"\nkeras.utils.set_random_seed({hp.seed})\n"


def _data(hp: Hyperparameters) -> Iterator[str]:
    yield LOAD.format(train=f"{hp.train_images:_}")
    if hp.validation_images:
        yield HOLD_BACK.format(count=f"{hp.validation_images:_}")
    if hp.scrambled:
        # What is varied is scrambled after that.
        names = {
            "train_images": hp.augmentation == "off",
            "validation_images": hp.validation_images,
            "test_images": True,
        }
        yield SCRAMBLE + "".join(
            SCRAMBLE_IMAGES.format(name=name) for name, is_there in names.items() if is_there
        )
    if hp.wrong_labels:
        yield WRONG_LABELS.format(seed=hp.seed, share=to_text(hp.wrong_labels))
    if hp.label_smoothing:
        names = (
            ("train_labels", "validation_labels", "test_labels")
            if hp.validation_images
            else ("train_labels", "test_labels")
        )
        yield LABELS_FOR_SMOOTHING + "".join(
            f"{name} = keras.utils.to_categorical({name}, 10)\n" for name in names
        )
    if hp.augmentation != "off":
        comment, layers = VARIATIONS[hp.augmentation]
        rows = "".join(f"        keras.layers.{layer.format(fill=FILL)},\n" for layer in layers)
        yield VARY.format(comment=comment, layers=rows)
        yield VARIED.format(scramble=SCRAMBLE_VARIED if hp.scrambled else "")
        yield BATCHES
    if hp.non_digits:
        yield NON_DIGITS.format(percent=f"{hp.non_digits:.0%}")


def _model(hp: Hyperparameters) -> str:
    layers = [
        f'Input(({IMAGE_SIZE_PX}, {IMAGE_SIZE_PX}), dtype="uint8")',
        "layers.Rescaling(1 / 255)",
        *LAYERS[hp.network](hp),
    ]
    rows = "".join(f"        keras.{layer},\n" for layer in layers)
    output = (
        "        # Logits: their softmax are probabilities.\n"
        f"        keras.{_weighted(hp, 'Dense', f'{CLASS_COUNT}', hidden=False)},\n"
    )
    precision = PRECISION if hp.precision == "bfloat16" else ""
    decay = DECAY.format(decay=to_text(hp.weight_decay)) if _penalty(hp) else ""
    return f"{precision}{decay}model = keras.Sequential(\n    [\n{rows}{output}    ]\n)\nmodel.summary()\n"


def _dnn_layers(hp: DnnHyperparameters) -> list[str]:
    return ["layers.Flatten()", *_dense_layers(hp, hp.hidden_units)]


def _cnn_layers(hp: CnnHyperparameters) -> list[str]:
    layers = [f"layers.Reshape(({IMAGE_SIZE_PX}, {IMAGE_SIZE_PX}, 1))"]
    for place, conv in enumerate(hp.conv_layers, start=1):
        to_output = len(hp.conv_layers) - place + len(hp.dense_units)
        size = f"{conv.filters}, {conv.kernel}" + (
            f", strides={conv.stride}" if conv.stride > 1 else ""
        )
        layers += [_weighted(hp, "Conv2D", size), *_batch_norm(hp, to_output), _activation(hp)]
        if conv.pool:
            layers.append(f"layers.MaxPooling2D({conv.pool})")
    layers.append("layers.Flatten()")
    if not hp.dense_units:
        layers += _dropout(hp, 0)
    return layers + _dense_layers(hp, hp.dense_units)


def _dense_layers(hp: Hyperparameters, units: tuple[int, ...]) -> list[str]:
    layers = []
    for place, count in enumerate(units, start=1):
        to_output = len(units) - place
        layers += [
            _weighted(hp, "Dense", f"{count}"),
            *_batch_norm(hp, to_output),
            _activation(hp),
            *_dropout(hp, to_output),
        ]
    return layers


def _weighted(hp: Hyperparameters, kind: str, size: str, *, hidden: bool = True) -> str:
    """A layer with a kernel. Where none is named, Keras starts it as Glorot and Bengio did."""
    starts = hidden and not ACTIVATIONS[hp.activation].saturates
    details = [
        size,
        *(['kernel_initializer="he_normal"'] if starts else []),
        *(["kernel_regularizer=decay"] if _penalty(hp) else []),
        *(['dtype="float32"'] if hp.precision == "bfloat16" and not hidden else []),
    ]
    return f"layers.{kind}({', '.join(details)})"


def _activation(hp: Hyperparameters) -> str:
    return f'layers.Activation("{hp.activation}")'


def _batch_norm(hp: Hyperparameters, to_output: int) -> list[str]:
    """to_output: how many hidden layers come after this one."""
    return (
        ["layers.BatchNormalization(momentum=0.9)"]
        if hp.batch_norm and to_output >= hp.plain_layers
        else []
    )


def _dropout(hp: Hyperparameters, to_output: int) -> list[str]:
    return (
        [f"layers.Dropout({to_text(hp.dropout)})"]
        if hp.dropout and to_output >= hp.plain_layers
        else []
    )


LAYERS = {"dnn": _dnn_layers, "cnn": _cnn_layers}


def _compiled(hp: Hyperparameters) -> str:
    text = OPTIMIZERS[hp.optimizer].format(decay=to_text(hp.weight_decay))
    if hp.optimizer == "adamw" and hp.weight_decay:
        text += ONLY_KERNELS_DECAY
    kind = "CategoricalCrossentropy" if hp.label_smoothing else "SparseCategoricalCrossentropy"
    smoothing = f", label_smoothing={to_text(hp.label_smoothing)}" if hp.label_smoothing else ""
    metrics = '"accuracy"'
    if _cross_entropy(hp) != "loss":
        text += CROSS_ENTROPY.format(kind=kind)
        metrics += ", cross_entropy"
    return text + COMPILE.format(loss=f"{kind}(from_logits=True{smoothing})", metrics=metrics)


def _callbacks(hp: Hyperparameters) -> Iterator[str]:
    if hp.schedule != "constant":
        if not hp.budget_s:
            yield STEPS_IN_BUDGET if hp.budget_images else STEPS
        yield from RATES[hp.schedule]
        yield SCHEDULE_IN_TIME if hp.budget_s else SCHEDULE
    if hp.early_stopping:
        yield _early_stopping(hp)
    if hp.budget_images:
        yield BUDGET_IMAGES
    if hp.budget_s:
        yield BUDGET_S


def _fit(hp: Hyperparameters) -> str:
    data = (
        ["train_images", "train_labels", "batch_size=BATCH_SIZE"]
        if hp.augmentation == "off"
        else ["batches", "shuffle=False"]
    )
    validation = (
        ["validation_data=(validation_images, validation_labels)"] if hp.validation_images else []
    )
    callbacks = {
        "Schedule()": hp.schedule != "constant",
        "early_stopping": hp.early_stopping,
        "ImageBudget()": hp.budget_images,
        "TimeBudget()": hp.budget_s,
    }
    used = [name for name, is_used in callbacks.items() if is_used]
    listed = [f"callbacks=[{', '.join(used)}]"] if used else []
    rows = [*data, "epochs=EPOCHS", *validation, *listed]
    return "model.fit(\n" + "".join(f"    {row},\n" for row in rows) + ")\n"


def _early_stopping(hp: Hyperparameters) -> str:
    place, measure = hp.early_stopping_on.split("_")
    name, mode = {"loss": (_cross_entropy(hp), "min"), "accuracy": ("accuracy", "max")}[measure]
    return EARLY_STOPPING.format(name=PLACES[place] + name, mode=mode, patience=hp.early_stopping)
