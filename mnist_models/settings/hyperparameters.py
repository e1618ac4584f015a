"""Every hyperparameter of a model and its training, described once.

The sliders, the command line, the store and every error message read names, defaults, bounds, units
and help from here.
"""

import dataclasses
import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, get_args, get_origin

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError

from mnist_models.data.dataset import IMAGE_SIZE_PX, TRAIN_COUNT

Group = Literal["network", "training", "data"]


class Activation(NamedTuple):
    """An activation function, under the name that Keras gives it.

    Attributes:
        label: The name that people write.
        effect: What it does to a unit's weighted sum, in words.
        saturates: Whether it levels off on both sides, as tanh does. Layers before it are
            initialised as X. Glorot and Y. Bengio (2010) propose, the others as K. He et al. (2015)
            do.
    """

    label: str
    effect: str
    saturates: bool = False


# All that a new one needs, provided that Keras has it.
ACTIVATIONS = {
    "relu": Activation("ReLU", "negative values become zero"),
    "gelu": Activation("GELU", "negative values nearly vanish"),
    "silu": Activation("SiLU", "negative values nearly vanish"),
    "tanh": Activation("tanh", "squashed to lie between -1 and 1", saturates=True),
    "sigmoid": Activation("sigmoid", "squashed to lie between 0 and 1", saturates=True),
}

# How the values of a choice are written for people; one that is not listed is written as it is.
VALUE_LABELS = {
    "adam": "Adam",
    "adamw": "AdamW",
    "sgd": "SGD with momentum",
    "rmsprop": "RMSprop",
    "constant": "constant",
    "cosine": "cosine",
    "one_cycle": "one-cycle",
    "auto": "automatic",
    "float32": "float32",
    "bfloat16": "bfloat16",
    "off": "off",
    "shift": "shift",
    "full": "full",
    "validation_loss": "validation loss",
    "validation_accuracy": "validation accuracy",
    "training_loss": "training loss",
    "training_accuracy": "training accuracy",
}


def value_label(value: str) -> str:
    """How one of the options of a choice is written for people, such as "ReLU" for "relu"."""
    return ACTIVATIONS[value].label if value in ACTIVATIONS else VALUE_LABELS[value]


def number(value: float) -> str:
    """A number as people write it: 60,000 and 0.00001, never 6e4 or 1e-05."""
    return f"{value:,}" if isinstance(value, int) else f"{value:,.7f}".rstrip("0").rstrip(".")


@dataclasses.dataclass(frozen=True)
class Choice:
    """What a form, a command line or an error message needs to know about one hyperparameter.

    Attributes:
        low, high: The bounds of a number, or of each number in a list; both are allowed values.
        min_count, max_count: How long a list may be; 0 and 0 if it is not a list.
        added: The layer that is appended when a list gets longer.
        options: Every allowed value, if they are few; empty for a number between bounds.
        stops: Where a slider stops if even steps would not serve (a logarithmic scale); values
            between are allowed too.
        rare: Seldom changed, so a form may fold it away.
    """

    name: str
    label: str
    help: str
    reason: str
    group: Group
    default: Any
    unit: str = ""
    low: float | None = None
    high: float | None = None
    step: float = 1
    min_count: int = 0
    max_count: int = 0
    added: Any = None
    options: tuple = ()
    stops: tuple = ()
    percent: bool = False
    rare: bool = False

    @property
    def allowed(self) -> str:
        """What is allowed, to end a sentence with: "a whole number from 1 to 100"."""
        if self.options:
            return "one of " + ", ".join(str(option) for option in self.options)
        if self.max_count and self.low is None:
            return (
                f"{self.min_count} to {self.max_count} layers, each like 32x3, 32x5/2 or 32x3+pool2"
            )
        kind = "a whole number" if isinstance(self.step, int) else "a number"
        unit = f" {self.unit}" if self.unit else ""
        assert self.low is not None and self.high is not None
        bounds = f"from {number(self.low)} to {number(self.high)}{unit}"
        if self.max_count:
            return (
                f"{self.min_count} to {self.max_count} numbers separated by "
                f"commas, each {kind} {bounds}"
            )
        return f"{kind} {bounds}"


def choice(
    default: Any,
    label: str,
    *,
    help: str,
    reason: str,
    group: Group,
    low: Any = None,
    high: Any = None,
    **details: Any,
) -> Any:
    """A pydantic field that carries what a Choice says beyond its name, type and bounds. For single
    numbers and options."""
    return Field(
        default,
        ge=low,
        le=high,
        title=label,
        description=help,
        json_schema_extra={"reason": reason, "group": group, "low": low, "high": high, **details},
    )


def layers(
    default: tuple, label: str, *, help: str, reason: str, counts: tuple[int, int], **details: Any
) -> Any:
    """A pydantic field for a list of layers; `counts` bounds how many."""
    return Field(
        default,
        min_length=counts[0],
        max_length=counts[1],
        title=label,
        description=help,
        json_schema_extra={
            "reason": reason,
            "group": "network",
            "min_count": counts[0],
            "max_count": counts[1],
            **details,
        },
    )


class Described(BaseModel):
    """Values that cannot change once validated, each described by a Choice."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def choices(cls) -> dict[str, Choice]:
        """Every hyperparameter by name, in the order in which a form shows them."""
        return {
            name: _described(name, field) for name, field in cls.model_fields.items() if field.title
        }


def _described(name: str, field: FieldInfo) -> Choice:
    assert field.title and field.description and isinstance(field.json_schema_extra, dict)
    details: dict[str, Any] = dict(field.json_schema_extra)
    if get_origin(field.annotation) is Literal:
        details["options"] = get_args(field.annotation)
    elif field.annotation is bool:
        details["options"] = (False, True)
    elif "options" in details:  # a table with a row for each
        details["options"] = tuple(details["options"])
    return Choice(name, field.title, field.description, default=field.default, **details)


def _split(value: Any) -> Any:
    """ "512,256" as a command line or a link writes a list; "none" or nothing is the empty list."""
    if isinstance(value, str):
        return (
            tuple(part.strip() for part in value.split(","))
            if value.strip() not in ("", "none")
            else ()
        )
    return value


def _known_activation(name: str) -> str:
    if name not in ACTIVATIONS:
        raise PydanticCustomError("activation", "not an activation")
    return name


UNITS_LOW, UNITS_HIGH = 8, 1024
Units = Annotated[int, Field(ge=UNITS_LOW, le=UNITS_HIGH)]
UnitsList = Annotated[tuple[Units, ...], BeforeValidator(_split)]
UNITS_STOPS = (8, 16, 32, 50, 64, 80, 100, 128, 192, 256, 384, 512, 768, 1024)


class ConvLayer(Described):
    """One convolution with what follows it. As text: filters x kernel [/stride] [+pool size], such
    as 32x5/2+pool2."""

    TEXT: ClassVar = re.compile(r"(\d+)x(\d+)(?:/(\d+))?(?:\+pool(\d+))?")

    filters: int = choice(
        32,
        "Filters",
        low=4,
        high=128,
        group="network",
        stops=(4, 8, 12, 16, 24, 32, 48, 64, 96, 128),
        help="The number of patterns that this layer looks for.",
        reason="Enough patterns for strokes, ends and corners.",
    )
    kernel: Literal[3, 5, 7] = choice(
        3,
        "Kernel",
        unit="px",
        group="network",
        help="The side of the square patch that a filter covers.",
        reason="Two 3×3 layers cover as much as one of 5×5, with fewer weights.",
    )
    stride: int = choice(
        1,
        "Stride",
        low=1,
        high=3,
        unit="px",
        group="network",
        help="How far the filter moves at each step; 2 halves the size of the feature map.",
        reason="No position is skipped.",
    )
    pool: Literal[0, 2, 3] = choice(
        0,
        "Max-pooling",
        unit="px",
        group="network",
        help="Keeps the highest activation in each square of this side; 0 means no pooling.",
        reason="Add it where the feature map should shrink.",
    )

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if isinstance(value, str):
            match = cls.TEXT.fullmatch(value.strip())
            if not match:
                raise PydanticCustomError("conv_text", "not a convolution")
            filters, kernel, stride, pool = match.groups()
            return {
                "filters": int(filters),
                "kernel": int(kernel),
                "stride": int(stride or 1),
                "pool": int(pool or 0),
            }
        return value

    def __str__(self) -> str:
        stride = f"/{self.stride}" if self.stride > 1 else ""
        pool = f"+pool{self.pool}" if self.pool else ""
        return f"{self.filters}x{self.kernel}{stride}{pool}"


class Hyperparameters(Described):
    """What both kinds of model share: activation, regularisation, training and data. `network` says
    which kind it is."""

    network: str
    title: ClassVar[str]

    activation: Annotated[str, AfterValidator(_known_activation)] = choice(
        "relu",
        "Activation",
        options=ACTIVATIONS,
        group="network",
        help="The function applied to each unit's weighted sum. Without one, many layers can do no "
        "more than a single one.",
        reason="Cheap to compute, and most networks learn fastest with it.",
    )
    batch_norm: bool = choice(
        True,
        "Batch normalisation",
        group="network",
        help="Rescales the output of each layer to mean 0 and standard deviation 1 over the batch.",
        reason="Allows higher learning rates, so that a few epochs suffice.",
    )
    dropout: float = choice(
        0.2,
        "Dropout",
        low=0.0,
        high=0.8,
        step=0.05,
        group="network",
        help="The share of units switched off at random after each dense "
        "layer, during training only.",
        reason="A little keeps a model from memorising single images.",
    )
    plain_layers: int = choice(
        0,
        "Last layers without batch norm and dropout",
        low=0,
        high=8,
        unit="layers",
        group="network",
        rare=True,
        help="The number of hidden layers, counted from the output, that have neither batch "
        "normalisation nor dropout.",
        reason="All hidden layers are treated alike.",
    )

    epochs: int = choice(
        4,
        "Epochs",
        low=1,
        high=100,
        group="training",
        help="How many times the model sees each training image.",
        reason="Enough for a DNN to pass 98% test accuracy and a CNN 99%, within seconds.",
    )
    learning_rate: float = choice(
        0.006,
        "Learning rate",
        low=0.00001,
        high=1.0,
        step=0.00001,
        group="training",
        stops=(
            0.00001,
            0.00002,
            0.00005,
            0.0001,
            0.0002,
            0.0005,
            0.001,
            0.002,
            0.003,
            0.004,
            0.006,
            0.01,
            0.02,
            0.05,
            0.1,
            0.2,
            0.5,
            1.0,
        ),
        help="How far each step moves the weights; with a schedule, its highest value.",
        reason="About the highest at which Adam stays stable with batch normalisation.",
    )
    batch_size: int = choice(
        128,
        "Batch size",
        low=8,
        high=1024,
        unit="images",
        group="training",
        stops=(8, 16, 32, 64, 128, 256, 512, 1024),
        help="The number of images whose gradients are averaged for one step.",
        reason="Large enough to keep the processor busy, small enough for many steps.",
    )
    optimizer: Literal["adam", "adamw", "sgd", "rmsprop"] = choice(
        "adam",
        "Optimizer",
        group="training",
        help="The rule that turns gradients into steps (SGD: with Nesterov momentum 0.9).",
        reason="Works over a wide range of learning rates.",
    )
    schedule: Literal["constant", "cosine", "one_cycle"] = choice(
        "one_cycle",
        "Schedule",
        group="training",
        help="How the learning rate changes during training: not at all, down along a cosine, or "
        "up for the first 30% of the steps and then down.",
        reason="Reaches in 4 epochs what a constant rate reaches in 10 or more.",
    )
    weight_decay: float = choice(
        0.0,
        "Weight decay",
        low=0.0,
        high=0.1,
        step=0.00001,
        group="training",
        rare=True,
        stops=(0.0, 0.00001, 0.0001, 0.0005, 0.001, 0.005, 0.01, 0.02, 0.05, 0.1),
        help="Pulls weights towards zero: with AdamW separately from the gradient, "
        "otherwise as an L2 penalty.",
        reason="Dropout is usually enough here.",
    )
    label_smoothing: float = choice(
        0.0,
        "Label smoothing",
        low=0.0,
        high=0.3,
        step=0.01,
        group="training",
        rare=True,
        help="The share of the target probability taken from the correct digit and spread over all "
        "ten during training.",
        reason="Off, so that the loss is the ordinary cross-entropy.",
    )
    early_stopping: int = choice(
        0,
        "Early stopping",
        low=0,
        high=20,
        unit="epochs",
        group="training",
        rare=True,
        help="Stops after this many epochs without improvement and keeps the best epoch; 0 is off.",
        reason="Off, so that a schedule can finish.",
    )
    early_stopping_on: Literal[
        "validation_loss", "validation_accuracy", "training_loss", "training_accuracy"
    ] = choice(
        "validation_loss",
        "Early stopping monitors",
        group="training",
        rare=True,
        help="The quantity that has to improve for training to go on, if early stopping is on.",
        reason="The first to show that a model begins to overfit.",
    )
    budget_images: int = choice(
        0,
        "Image budget",
        low=0,
        high=100 * TRAIN_COUNT,
        unit="images",
        group="training",
        rare=True,
        help="Stops training after this many images, counting repetitions, even within an epoch; 0 "
        "means no limit.",
        reason="The number of epochs is the limit.",
    )
    budget_s: int = choice(
        0,
        "Time budget",
        low=0,
        high=3_600,
        unit="seconds",
        group="training",
        rare=True,
        help="Trains for this many seconds, however many epochs that makes; pauses and the final "
        "validation do not count. 0 trains for the chosen number of epochs.",
        reason="The number of epochs is the limit; how far a second goes depends on the machine.",
    )
    precision: Literal["auto", "float32", "bfloat16"] = choice(
        "auto",
        "Precision",
        group="training",
        rare=True,
        help="The number format of activations during training. bfloat16 has half the bits of "
        "float32: large networks train faster where the processor or graphics card supports it, "
        "slower elsewhere. Weights and predictions are float32.",
        reason="Uses bfloat16 where that is faster, otherwise float32; models "
        "learn equally well in both.",
    )
    seed: int = choice(
        1,
        "Seed",
        low=0,
        high=2**31 - 1,
        group="training",
        rare=True,
        help="The start of all random numbers: the same seed and "
        "hyperparameters give the same curves.",
        reason="Any number will do; change it to see how much of a result is chance.",
    )

    augmentation: Literal["off", "shift", "full"] = choice(
        "off",
        "Augmentation",
        group="data",
        help="Varies each image at random in every epoch. Shift: moved by up to 2 px. Full: also "
        "rotated, scaled, sheared, thickened, and some digits written as in other countries.",
        reason="Off shows what the architecture alone can do; full is more "
        "accurate on real drawings.",
    )
    non_digits: float = choice(
        0.0,
        "Non-digits",
        low=0.0,
        high=0.5,
        step=0.05,
        percent=True,
        group="data",
        rare=True,
        help="The number of scribbles and letters shown per training image, for which the model is "
        "to give all ten digits equal probability (outlier exposure).",
        reason="None, as usual; a few teach the model not to be sure of letters and doodles.",
    )
    train_images: int = choice(
        55_000,
        "Training images",
        low=100,
        high=TRAIN_COUNT,
        unit="images",
        group="data",
        stops=(100, 200, 500, 1_000, 2_000, 5_000, 10_000, 20_000, 40_000, 50_000, 55_000, 60_000),
        help="The number of MNIST's 60,000 training images used for training.",
        reason="All except those held back for validation.",
    )
    wrong_labels: float = choice(
        0.0,
        "Label noise",
        low=0.0,
        high=0.5,
        step=0.05,
        percent=True,
        group="data",
        help="The share of training images whose label is replaced by a wrong one, to show how a "
        "model memorises (overfits).",
        reason="None: every label is the published one.",
    )
    scrambled: bool = choice(
        False,
        "Shuffled pixels",
        group="data",
        help="Shuffles the 784 pixels of every image by one fixed permutation, the same for all "
        "images, before the model sees them.",
        reason="Off, so that neighbouring pixels stay together.",
    )
    validation_images: int = choice(
        5_000,
        "Validation images",
        low=0,
        high=20_000,
        step=100,
        unit="images",
        group="data",
        rare=True,
        help="The number of images, the last ones of the training set, held back to measure the "
        "model on digits that it has not seen.",
        reason="Enough to detect differences of half a percentage point.",
    )

    @model_validator(mode="after")
    def _images_must_suffice(self) -> "Hyperparameters":
        if self.train_images + self.validation_images > TRAIN_COUNT:
            raise PydanticCustomError(
                "too_many_images",
                f"{self.train_images:,} training images and {self.validation_images:,} validation "
                f"images together exceed the {TRAIN_COUNT:,} that MNIST has: choose at most "
                f"{TRAIN_COUNT - self.validation_images:,} training images.",
                {"field": "train_images"},
            )
        if (
            self.early_stopping
            and self.early_stopping_on.startswith("validation")
            and not self.validation_images
        ):
            raise PydanticCustomError(
                "no_validation",
                f"Early stopping on the {value_label(self.early_stopping_on)} needs validation "
                "images: hold some back, monitor the training loss or accuracy instead, or set "
                "early stopping to 0.",
                {"field": "early_stopping"},
            )
        return self


class DnnHyperparameters(Hyperparameters):
    """A fully connected network: every unit is connected to every unit of the layer before."""

    title = "DNN"

    network: Literal["dnn"] = "dnn"
    hidden_units: UnitsList = layers(
        (256, 128),
        "Hidden layers",
        counts=(1, 5),
        added=64,
        low=UNITS_LOW,
        high=UNITS_HIGH,
        unit="units",
        stops=UNITS_STOPS,
        help="The number of units in each hidden layer, from the image to the output.",
        reason="Two layers pass 98% test accuracy within seconds.",
    )


class CnnHyperparameters(Hyperparameters):
    """A convolutional network: small filters that look for the same pattern everywhere in the
    image."""

    title = "CNN"

    network: Literal["cnn"] = "cnn"
    conv_layers: Annotated[tuple[ConvLayer, ...], BeforeValidator(_split)] = layers(
        (
            ConvLayer(filters=32, kernel=5, stride=2),
            ConvLayer(filters=64, stride=2),
            ConvLayer(filters=64),
        ),
        "Convolutional layers",
        counts=(1, 4),
        added=ConvLayer(),
        help="Filters, kernel, stride and max-pooling of each layer, from the image on.",
        reason="Three layers, two of which halve the feature map by their stride, pass 99% test "
        "accuracy within seconds.",
    )
    dense_units: UnitsList = layers(
        (64,),
        "Dense layers after the convolutions",
        counts=(0, 3),
        added=64,
        low=UNITS_LOW,
        high=UNITS_HIGH,
        unit="units",
        stops=UNITS_STOPS,
        help="The number of units in each dense layer between the convolutions and the output.",
        reason="One layer is enough to combine what the filters have found.",
    )

    @model_validator(mode="after")
    def _image_must_suffice(self) -> "CnnHyperparameters":
        size_px = IMAGE_SIZE_PX
        for index, layer in enumerate(self.conv_layers):
            for field, needed_px, what in (
                ("kernel", layer.kernel, "kernel"),
                ("pool", layer.pool, "pooling square"),
            ):
                if size_px < needed_px:
                    raise PydanticCustomError(
                        "image_too_small",
                        f"Convolutional layer {index + 1}: its input is only {size_px}×{size_px} "
                        f"px, too small for a {needed_px}×{needed_px} {what}. Choose a smaller "
                        f"{what}, or less stride and pooling in the layers before it.",
                        {"field": f"conv_layers.{index}.{field}"},
                    )
                if field == "kernel":
                    size_px = (size_px - layer.kernel) // layer.stride + 1
                elif layer.pool:
                    size_px //= layer.pool
        return self


NETWORKS: dict[str, type[Hyperparameters]] = {"dnn": DnnHyperparameters, "cnn": CnnHyperparameters}


class Problem(NamedTuple):
    """What is wrong with one value.

    Attributes:
        field: Such as "epochs" or "conv_layers.1.kernel".
        sentence: What was wrong, what is allowed, what to do.
    """

    field: str
    sentence: str


class HyperparametersError(ValueError):
    """Hyperparameters that cannot be used. Its text is for users: one sentence a problem."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__(" ".join(problem.sentence for problem in problems))
        self.problems = problems


def validate(values: Mapping[str, Any]) -> Hyperparameters:
    """Hyperparameters from names and values, as in a form, a command line, a file or a link.

    Args:
        values: By name; may be text. "network" is required, for the rest there are defaults.

    Raises:
        HyperparametersError: It names everything that is wrong.
    """
    network = values.get("network")
    if network not in NETWORKS:
        raise HyperparametersError(
            [
                Problem(
                    "network", f"There is no network {network!r}; choose {' or '.join(NETWORKS)}."
                )
            ]
        )
    cls = NETWORKS[network]
    try:
        return cls.model_validate(dict(values))
    except ValidationError as error:
        # A list with a wrong item also fails as a list that is too short: the item's own sentence
        # is enough.
        problems = {
            problem.field: problem
            for details in error.errors()
            for problem in [_problem(cls, details)]
        }
        lists = {field.split(".")[0] for field in problems if "." in field}
        raise HyperparametersError(
            [problem for field, problem in problems.items() if field not in lists]
        ) from None


def _problem(cls: type[Hyperparameters], details: Any) -> Problem:
    """A sentence for one of pydantic's errors, from the description of the field that it is
    about."""
    if field := details.get("ctx", {}).get("field"):
        return Problem(field, details["msg"])
    name, *inside = details["loc"]
    choices = cls.choices()
    if name not in choices:
        return Problem(str(name), f"A {cls.title} has no {name!r}; it has {', '.join(choices)}.")
    chosen, place = choices[name], ""
    if len(inside) == 2:
        chosen, place = (
            ConvLayer.choices().get(inside[1], chosen),
            f" of convolutional layer {inside[0] + 1}",
        )
    value = details["input"]
    written = repr(value) if isinstance(value, str) else str(value)
    return Problem(
        ".".join(str(part) for part in details["loc"]),
        f"{chosen.label}{place} cannot be {written[:60]}; allowed is {chosen.allowed}.",
    )
