"""The data that charts send to the browser."""

import math

from mnist_models.models import networks
from mnist_models.runs import pretrained
from mnist_models.settings.hyperparameters import CnnHyperparameters, DnnHyperparameters
from mnist_models.training.progress import Curve, EpochEnd, Progress
from pages.parts.charts import architecture, learning_curves, model_comparison

VALUES = (0.0, 0.0, 0.7, 0.0, 0.0, 0.3, 0.0, 0.0, 0.0, 0.0)


def test_a_drawing_of_a_network_has_each_layer_with_all_of_its_parameters():
    cnn = CnnHyperparameters(conv_layers=("8x3+pool2", "16x3"), dense_units=(32, 32))
    network = networks.build(cnn, blank=True)
    blocks = architecture.blocks(networks.summary(network))
    assert [(block.title, block.shape) for block in blocks] == [
        ("Image", (28, 28)),
        ("Convolution 1", (26, 26, 8)),
        ("Max pooling 1", (13, 13, 8)),
        ("Convolution 2", (11, 11, 16)),
        ("Dense layer 1", (32,)),
        ("Dense layer 2", (32,)),
        ("Logits", (10,)),
    ]
    assert sum(block.parameters for block in blocks) == network.count_params()
    most = max(blocks, key=lambda block: block.parameters)
    assert architecture.finding(networks.summary(network)).startswith(f"{most.title} has ")


def test_in_the_drawing_what_is_larger_or_deeper_is_drawn_so():
    def rows(name, **values):
        layers = networks.summary(networks.build(CnnHyperparameters(**values), blank=True))
        return architecture.drawing("cnn", layers)["datasets"][name].to_pylist()

    few, many = (rows("maps", conv_layers=(f"{count}x3",)) for count in (4, 64))
    assert len(few) < len(many)
    small, large = (rows("maps", conv_layers=(f"8x3/{stride}",))[-1] for stride in (3, 1))
    assert small["size"] < large["size"]
    narrow, wide = (rows("units", dense_units=(count,))[0] for count in (16, 512))
    assert narrow["x2"] - narrow["x"] < wide["x2"] - wide["x"]


def test_a_line_joins_what_two_networks_reach_for_each_digit():
    data = model_comparison.by_digit(
        [VALUES, VALUES[::-1]], ("DNN", "CNN"), ("dnn", "cnn"), "recall"
    )["datasets"]
    assert data["lines"].to_pylist()[2] == {"digit": "2", "low": 0.0, "high": 0.7}
    assert {
        (row["network"], row["value"]) for row in data["dots"].to_pylist() if row["digit"] == "2"
    } == {
        ("DNN", 0.7),
        ("CNN", 0.0),
    }


def test_a_curve_that_grows_hardly_ever_changes_its_chart():
    """For where the chart is another one, and not only its data, a browser makes it anew."""
    whole = pretrained.curve("quick-cnn")
    charts_of = {"loss": [], "accuracy": []}
    for count in range(2, len(whole.points) + 1):
        last = whole.points[count - 1].epoch
        so_far = Curve(
            steps_per_epoch=whole.steps_per_epoch,
            points=whole.points[:count],
            seconds=whole.seconds[:count],
            epochs=[end for end in whole.epochs if end.epoch <= last],
        )
        for quantity, specs in charts_of.items():
            spec = learning_curves.curves(
                [learning_curves.Drawn("CNN", "cnn", so_far, 50_000)], quantity, end=4.0, live=True
            )
            assert spec["datasets"]["training"].num_rows == count
            if (
                bare := {name: part for name, part in spec.items() if name != "datasets"}
            ) not in specs:
                specs.append(bare)
    assert {quantity: len(specs) for quantity, specs in charts_of.items()} == {
        "loss": 2,
        "accuracy": 4,
    }


def test_of_epochs_whose_losses_are_the_same_but_for_a_last_bit_the_last_is_the_best():
    curve = Curve.empty(DnnHyperparameters(epochs=2))
    told = {"losses": (1.0,), "accuracies": (0.5,), "images_per_s": 1e4, "remaining_s": 1}
    curve.add(Progress(step=1, epoch=1, learning_rate=0.001, elapsed_s=0.1, **told))
    for epoch, loss in enumerate((0.3, math.nextafter(0.3, 1)), start=1):
        values = {"loss": 1.0, "accuracy": 0.5, "validation_accuracy": 0.9, "elapsed_s": 0.1}
        curve.add(EpochEnd(epoch=epoch, validation_loss=loss, **values))
    assert "lowest" not in learning_curves.finding(curve, is_over=True)
