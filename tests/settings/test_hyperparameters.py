"""Hyperparameters: every one described, bounded, readable from text, and refused in sentences that
help."""

import json
import math
import random

import pytest
from pydantic import ValidationError

from mnist_models.settings.hyperparameters import (
    NETWORKS,
    CnnHyperparameters,
    ConvLayer,
    DnnHyperparameters,
    HyperparametersError,
    number,
    validate,
    value_label,
)
from mnist_models.settings.recipes import RECIPES

EVERY = [
    (cls, choice) for cls in (*NETWORKS.values(), ConvLayer) for choice in cls.choices().values()
]
# Numbers between bounds; a list of units counts as one, with a single layer.
NUMBERS = [(cls, choice) for cls, choice in EVERY if choice.low is not None]
WHOLE_NUMBERS = [(cls, choice) for cls, choice in NUMBERS if isinstance(choice.step, int)]
OPTIONS = [(cls, choice) for cls, choice in EVERY if choice.options]
UNIT_LISTS = [(cls, choice) for cls, choice in NUMBERS if choice.max_count]


def identify(value):
    return value.__name__ if isinstance(value, type) else value.name


def values_with(cls, choice, value):
    """Complete values in which this one is set, and which nothing else makes impossible."""
    value = (value,) if choice.max_count else value
    if cls is ConvLayer:
        return {"network": "cnn", "conv_layers": [{choice.name: value}]}
    values = {"network": cls.model_fields["network"].default, choice.name: value}
    if choice.name == "validation_images":
        values["train_images"] = 1_000
    if choice.name == "train_images":
        values["validation_images"] = 0
    return values


def accepted(cls, choice, value):
    """What the value has become."""
    hyperparameters = validate(values_with(cls, choice, value))
    result = getattr(
        hyperparameters.conv_layers[0] if cls is ConvLayer else hyperparameters, choice.name
    )
    return result[0] if choice.max_count else result


def refused(values):
    with pytest.raises(HyperparametersError) as caught:
        validate(values)
    problems = {problem.field: problem.sentence for problem in caught.value.problems}
    assert str(caught.value) == " ".join(problems.values())
    for sentence in problems.values():
        assert not sentence[0].islower() and sentence.endswith(".")
    return problems


@pytest.mark.parametrize("cls", [*NETWORKS.values(), ConvLayer])
def test_every_field_but_the_network_is_described(cls):
    assert set(cls.model_fields) - set(cls.choices()) <= {"network"}


@pytest.mark.parametrize(("cls", "choice"), EVERY, ids=identify)
def test_every_description_is_complete(cls, choice):
    assert choice.label[0].isupper()
    for sentence in (choice.help, choice.reason):
        assert sentence[0].isupper() and sentence.rstrip(")").endswith(".")
    assert choice.group in ("network", "training", "data")
    assert (
        choice.options or choice.low is not None or (choice.min_count, choice.max_count) == (1, 4)
    )
    assert choice.allowed
    if choice.stops:
        assert list(choice.stops) == sorted(set(choice.stops))
        assert (choice.stops[0], choice.stops[-1]) == (choice.low, choice.high)


@pytest.mark.parametrize(("cls", "choice"), OPTIONS, ids=identify)
def test_every_option_is_accepted_and_written_for_people(cls, choice):
    for option in choice.options:
        assert accepted(cls, choice, option) == option
        assert not isinstance(option, str) or value_label(option)


@pytest.mark.parametrize(("cls", "choice"), OPTIONS, ids=identify)
def test_an_unknown_option_is_refused_with_the_options(cls, choice):
    ((field, sentence),) = refused(values_with(cls, choice, "unheard of")).items()
    assert field.split(".")[-1] == choice.name
    assert choice.label in sentence and "unheard of" in sentence
    assert all(str(option) in sentence for option in choice.options)


@pytest.mark.parametrize(("cls", "choice"), NUMBERS, ids=identify)
def test_a_default_lies_within_its_bounds(cls, choice):
    for value in choice.default if choice.max_count else (choice.default,):
        assert choice.low <= value <= choice.high
        assert accepted(cls, choice, value) == value


@pytest.mark.parametrize(("cls", "choice"), NUMBERS, ids=identify)
def test_both_bounds_and_every_stop_between_them_are_accepted(cls, choice):
    for value in (
        choice.low,
        *choice.stops,
        choice.low + choice.step,
        choice.high - choice.step,
        choice.high,
    ):
        assert accepted(cls, choice, value) == value


@pytest.mark.parametrize(("cls", "choice"), NUMBERS, ids=identify)
def test_a_step_beyond_a_bound_is_refused_with_the_bounds(cls, choice):
    for value in (
        choice.low - choice.step,
        choice.high + choice.step,
        -math.inf,
        math.inf,
        math.nan,
        "many",
        None,
    ):
        ((field, sentence),) = refused(values_with(cls, choice, value)).items()
        assert choice.name in field.split(".")
        assert choice.label in sentence
        assert number(choice.low) in sentence and number(choice.high) in sentence
        assert choice.unit in sentence


@pytest.mark.parametrize(("cls", "choice"), WHOLE_NUMBERS, ids=identify)
def test_half_a_step_is_refused_where_numbers_are_whole(cls, choice):
    ((_, sentence),) = refused(values_with(cls, choice, choice.low + 0.5)).items()
    assert "a whole number" in sentence


@pytest.mark.parametrize(
    ("cls", "choice"),
    [pair for pair in NUMBERS + OPTIONS if pair[0] is not ConvLayer],
    ids=identify,
)
def test_text_is_read_as_the_command_line_has_it(cls, choice):
    for value in choice.options or (choice.low, choice.high):
        text = str(value)
        values = {**values_with(cls, choice, value), choice.name: text}
        assert getattr(validate(values), choice.name) == ((value,) if choice.max_count else value)


@pytest.mark.parametrize(("cls", "choice"), UNIT_LISTS, ids=identify)
def test_a_list_has_as_many_layers_as_allowed_and_no_more(cls, choice):
    for count in range(choice.max_count + 3):
        values = {
            "network": cls.model_fields["network"].default,
            choice.name: ",".join(["64"] * count),
        }
        if choice.min_count <= count <= choice.max_count:
            assert getattr(validate(values), choice.name) == (64,) * count
        else:
            ((field, sentence),) = refused(values).items()
            assert (
                field == choice.name
                and f"{choice.min_count} to {choice.max_count} numbers" in sentence
            )


def test_one_wrong_layer_among_several_is_named_by_its_place():
    problems = refused({"network": "dnn", "hidden_units": "64, 7, many"})
    assert set(problems) == {"hidden_units.1", "hidden_units.2"}
    assert "'7'" in problems["hidden_units.1"] and "8 to 1,024 units" in problems["hidden_units.1"]


@pytest.mark.parametrize(
    ("text", "layer"),
    [
        ("32x3", ConvLayer(filters=32, kernel=3)),
        ("32x5/2", ConvLayer(filters=32, kernel=5, stride=2)),
        (" 8x7+pool3 ", ConvLayer(filters=8, kernel=7, pool=3)),
        ("128x3/3+pool2", ConvLayer(filters=128, kernel=3, stride=3, pool=2)),
    ],
)
def test_a_convolution_is_read_from_and_written_as_text(text, layer):
    assert validate({"network": "cnn", "conv_layers": text}).conv_layers == (layer,)
    assert str(layer) == text.strip()


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ("", "conv_layers"),
        ("32x3,32x3,32x3,32x3,32x3", "conv_layers"),
        ("32x3,32", "conv_layers.1"),
        ("32×3", "conv_layers.0"),
        ("32x3+pool", "conv_layers.0"),
        ("32x3, 32x4", "conv_layers.1.kernel"),
        ("2x3", "conv_layers.0.filters"),
        ("32x3/4", "conv_layers.0.stride"),
        ("32x3+pool4", "conv_layers.0.pool"),
    ],
)
def test_a_wrong_convolution_is_named_by_its_place(text, field):
    problems = refused({"network": "cnn", "conv_layers": text})
    assert list(problems) == [field]
    assert "allowed is" in problems[field]


def test_pooling_the_image_away_names_the_layer_and_the_field():
    problems = refused({"network": "cnn", "conv_layers": "32x7/3+pool3,32x3"})
    assert list(problems) == ["conv_layers.1.kernel"]
    assert (
        "Convolutional layer 2" in problems["conv_layers.1.kernel"]
        and "2×2 px" in problems["conv_layers.1.kernel"]
    )
    problems = refused({"network": "cnn", "conv_layers": "32x7/3+pool2,32x3/3+pool2"})
    assert list(problems) == ["conv_layers.1.pool"]
    assert (
        "only 1×1 px" in problems["conv_layers.1.pool"]
        and "2×2 pooling" in problems["conv_layers.1.pool"]
    )


@pytest.mark.tensorflow
def test_geometry_is_refused_exactly_where_keras_has_no_image_left():
    """The oracle: Keras's own convolution and pooling layers, asked for the shape of what they pass
    on."""
    import keras

    def keras_has_an_image_left(layers):
        shape = (None, 28, 28, 1)
        try:
            for layer in layers:
                shape = keras.layers.Conv2D(
                    layer["filters"], layer["kernel"], layer["stride"]
                ).compute_output_shape(shape)
                if layer["pool"]:
                    shape = keras.layers.MaxPooling2D(layer["pool"]).compute_output_shape(shape)
        except ValueError:
            return False
        return min(shape[1:]) > 0

    chance = random.Random(7)
    outcomes = {True: 0, False: 0}
    for _ in range(400):
        layers = [
            {
                "filters": 4,
                "kernel": chance.choice((3, 5, 7)),
                "stride": chance.choice((1, 1, 2, 3)),
                "pool": chance.choice((0, 0, 2, 3)),
            }
            for _ in range(chance.randint(1, 4))
        ]
        try:
            validate({"network": "cnn", "conv_layers": layers})
            allowed = True
        except HyperparametersError:
            allowed = False
        assert allowed == keras_has_an_image_left(layers), layers
        outcomes[allowed] += 1
    assert min(outcomes.values()) > 50


def test_more_images_than_there_are_names_how_many_are_allowed():
    problems = refused({"network": "dnn", "train_images": 55_001, "validation_images": 5_000})
    assert list(problems) == ["train_images"] and "at most 55,000" in problems["train_images"]
    assert (
        validate(
            {"network": "dnn", "train_images": 55_000, "validation_images": 5_000}
        ).train_images
        == 55_000
    )


def test_early_stopping_needs_validation_images():
    problems = refused({"network": "cnn", "early_stopping": 2, "validation_images": 0})
    assert list(problems) == ["early_stopping"] and "validation" in problems["early_stopping"]


def test_early_stopping_by_the_training_needs_no_validation_images():
    for measure in ("training_loss", "training_accuracy"):
        values = {
            "network": "dnn",
            "early_stopping": 2,
            "early_stopping_on": measure,
            "validation_images": 0,
        }
        assert validate(values).early_stopping_on == measure
    problems = refused(values | {"early_stopping_on": "validation_accuracy"})
    assert "the validation accuracy needs validation images" in problems["early_stopping"]
    assert (
        validate(
            values | {"early_stopping_on": "validation_accuracy", "early_stopping": 0}
        ).early_stopping
        == 0
    )


def test_what_an_older_version_kept_is_read_with_todays_defaults():
    added = {"plain_layers", "early_stopping_on", "budget_images", "budget_s", "precision"}
    kept = {
        name: value
        for name, value in CnnHyperparameters().model_dump(mode="json").items()
        if name not in added
    }
    assert len(kept) == len(CnnHyperparameters.model_fields) - len(added)
    assert validate(kept) == CnnHyperparameters()


def test_everything_that_is_wrong_is_named_at_once():
    problems = refused(
        {
            "network": "cnn",
            "epochs": 0,
            "dropout": "x",
            "conv_layers": "1x3",
            "activation": "step",
            "units": 3,
        }
    )
    assert set(problems) == {"epochs", "dropout", "conv_layers.0.filters", "activation", "units"}


@pytest.mark.parametrize(
    ("network", "foreign"),
    [("dnn", "conv_layers"), ("cnn", "hidden_units"), ("dnn", "learning rate")],
)
def test_an_unknown_name_is_refused_with_the_known_ones(network, foreign):
    problems = refused({"network": network, foreign: "64"})
    assert list(problems) == [foreign]
    assert repr(foreign) in problems[foreign]
    assert all(name in problems[foreign] for name in NETWORKS[network].choices())


@pytest.mark.parametrize("network", ["mlp", "", None, 3])
def test_an_unknown_network_is_refused_with_the_known_ones(network):
    assert "dnn or cnn" in refused({"network": network})["network"]
    assert "dnn or cnn" in refused({})["network"]


@pytest.mark.parametrize("hyperparameters", [recipe.hyperparameters for recipe in RECIPES.values()])
def test_json_and_back_changes_nothing(hyperparameters):
    assert (
        validate(json.loads(json.dumps(hyperparameters.model_dump(mode="json")))) == hyperparameters
    )


def test_validated_values_cannot_change():
    hyperparameters = DnnHyperparameters()
    with pytest.raises(ValidationError, match="frozen"):
        hyperparameters.epochs = 2
    with pytest.raises(ValidationError, match="frozen"):
        CnnHyperparameters().conv_layers[0].kernel = 7


def test_numbers_are_written_as_people_write_them():
    assert [number(value) for value in (60_000, 0.00001, 0.003, 1.0, 0, 0.0)] == [
        "60,000",
        "0.00001",
        "0.003",
        "1",
        "0",
        "0",
    ]
