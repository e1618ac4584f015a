"""The code of a run: a script that builds the same network and trains it as the app would, without
the app."""

import functools
import json
import math
import os
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image, ImageOps

from mnist_models.data import augmentation, dataset
from mnist_models.data.preprocessing import center_of_mass
from mnist_models.models import networks
from mnist_models.settings.hyperparameters import CnnHyperparameters, DnnHyperparameters
from mnist_models.settings.recipes import RECIPES
from mnist_models.settings.script import script
from mnist_models.training import batches, loop
from mnist_models.training.progress import planned_steps

# What of a layer's configuration makes it the same layer.
FACTS = (
    "units",
    "activation",
    "rate",
    "momentum",
    "epsilon",
    "filters",
    "kernel_size",
    "strides",
    "padding",
    "pool_size",
    "scale",
    "target_shape",
    "use_bias",
)
TRAIN, VALIDATION, COUNT = 100, 32, 150

# What is compiled although the tests ask for nothing to be.
pytestmark = pytest.mark.filterwarnings("ignore:Even though the `tf.config:UserWarning")

VARIANTS = {
    "constant": {"schedule": "constant"},
    "cosine": {"schedule": "cosine"},
    "sgd with weight decay": {"optimizer": "sgd", "weight_decay": 0.001},
    "rmsprop": {"optimizer": "rmsprop"},
    "adamw": {"optimizer": "adamw", "weight_decay": 0.1},
    "adamw without decay": {"optimizer": "adamw"},
    "adam with weight decay": {"weight_decay": 0.0005},
    "label smoothing": {"label_smoothing": 0.1},
    "label smoothing, weight decay": {
        "label_smoothing": 0.3,
        "weight_decay": 0.01,
        "early_stopping": 1,
    },
    "wrong labels": {"wrong_labels": 0.25, "seed": 7},
    "scrambled": {"scrambled": True},
    "scrambled and varied": {"scrambled": True, "augmentation": "shift", "validation_images": 0},
    "shift": {"augmentation": "shift"},
    "full": {"augmentation": "full", "label_smoothing": 0.1},
    "bfloat16": {"precision": "bfloat16", "augmentation": "shift", "weight_decay": 0.001},
    "no validation": {"validation_images": 0, "label_smoothing": 0.1},
    "images": {"budget_images": 164, "epochs": 3},
    "seconds": {"budget_s": 1, "epochs": 100},
    "all budgets": {
        "budget_s": 60,
        "budget_images": 150,
        "augmentation": "shift",
        "epochs": 4,
        "schedule": "cosine",
    },
    "tanh": {"activation": "tanh", "plain_layers": 1},
    "sigmoid": {"activation": "sigmoid", "batch_norm": False, "dropout": 0.0},
    **{
        f"early stopping on {measure}": {
            "early_stopping": 2,
            "early_stopping_on": measure,
            "epochs": 3,
        }
        for measure in (
            "validation_loss",
            "validation_accuracy",
            "training_loss",
            "training_accuracy",
        )
    },
}


def variant(name):
    small = {
        "hidden_units": (16, 12),
        "train_images": TRAIN,
        "validation_images": VALIDATION,
        "batch_size": 64,
        "epochs": 2,
    }
    return DnnHyperparameters(**small | VARIANTS[name])


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Runs a script as its own program would, on few digits; what it has defined, by name. What it
    leaves lies in the folder HERE."""
    test = dataset.load().test.part(0, 50)

    @functools.cache  # what is run once is looked at by several tests
    def run(hyperparameters, *, eager=True, epochs=None, count=COUNT):
        text = script(hyperparameters)
        if epochs:
            text = re.sub(r"^EPOCHS = \d+$", f"EPOCHS = {epochs}", text, flags=re.MULTILINE)
        train = dataset.load().train.part(0, count)
        file = tmp_path_factory.mktemp("script") / "train.py"
        names = {"__name__": "__main__", "__file__": str(file)}
        tf.config.run_functions_eagerly(
            eager
        )  # compiling would take longer than these few steps do
        try:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(sys, "argv", [str(file)])
                patch.setattr(keras.datasets.mnist, "load_data", lambda: (train, test))
                exec(compile(text, "train.py", "exec"), names)
        finally:
            tf.config.run_functions_eagerly(False)
            keras.config.set_dtype_policy("float32")
        return names

    return run


def layers(network):
    return [
        (
            type(layer).__name__,
            {fact: layer.get_config()[fact] for fact in FACTS if fact in layer.get_config()},
            type(getattr(layer, "kernel_initializer", None)).__name__,
        )
        for layer in network.layers
    ]


# Every recipe
# ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("recipe", RECIPES.values(), ids=RECIPES)
def test_the_script_of_a_recipe_builds_its_network_and_trains_it(run, recipe, capsys):
    names = run(recipe.hyperparameters, epochs=1, count=70)
    model, ours = names["model"], networks.build(recipe.hyperparameters, blank=False)
    assert model.count_params() == ours.count_params()
    assert layers(model) == layers(ours)
    assert model.inputs[0].dtype == "uint8" and model.inputs[0].shape == (None, 28, 28)
    assert model.optimizer.iterations == math.ceil(70 / recipe.hyperparameters.batch_size)
    out = capsys.readouterr().out
    assert re.search(r"^test loss \d\.\d{4}, test accuracy \d+\.\d\d%$", out, re.MULTILINE)


@pytest.mark.parametrize("name", VARIANTS)
def test_the_script_of_a_variant_builds_its_network_and_trains_it(run, name, request):
    if name == "bfloat16":
        request.getfixturevalue("bfloat16")  # skips where it cannot be computed
    hyperparameters = variant(name)
    names = run(hyperparameters)
    model = names["model"]
    assert layers(model) == layers(networks.build(hyperparameters))
    assert model.optimizer.iterations > 0
    assert all(np.isfinite(weights).all() for weights in model.get_weights())


@pytest.mark.usefixtures("bfloat16")
def test_a_script_in_bfloat16_keeps_weights_and_logits_in_float32(run):
    model = run(variant("bfloat16"))["model"]
    assert {layer.compute_dtype for layer in model.layers[:-1]} == {"bfloat16"}
    assert model.layers[-1].compute_dtype == model.outputs[0].dtype == "float32"
    assert {weights.dtype for weights in model.weights} == {"float32"}


def test_a_script_trains_a_network_that_reads_digits_with_the_app_far_away(tmp_path):
    """As somebody else would run it: a process of its own in another folder, compiled, without this
    project and without a network; and then with pictures."""
    hyperparameters = CnnHyperparameters(
        conv_layers=("8x5/2+pool2",),
        dense_units=(32,),
        epochs=4,
        train_images=2_000,
        validation_images=200,
        optimizer="adamw",
        weight_decay=0.01,
        early_stopping=3,
        batch_size=64,
    )
    (tmp_path / "train.py").write_text(script(hyperparameters), encoding="utf-8")
    train, test = dataset.load().train, dataset.load().test
    np.savez(
        tmp_path / "mnist.npz",
        x_train=train.images[:3000],
        y_train=train.labels[:3000],
        x_test=test.images[:500],
        y_test=test.labels[:500],
    )
    for place in range(5):  # as people write: dark on light
        Image.fromarray(255 - test.images[place]).resize((280, 280)).save(tmp_path / f"{place}.png")
    code = """
import runpy, socket, sys
def refuse(*_): raise OSError("no network here")
socket.socket.connect = socket.getaddrinfo = refuse
def run(*arguments):
    sys.argv = ["train.py", *arguments]
    runpy.run_path(sys.path[0] + "/train.py", run_name="__main__")
sys.path[0] = sys.argv[1]
run()
print("mnist_models" in sys.modules)
run(*(f"{sys.path[0]}/{place}.png" for place in range(5)))
"""
    (tmp_path / "elsewhere").mkdir()
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, str(tmp_path)],
        cwd=tmp_path / "elsewhere",
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    *_, result, imported = done.stdout.splitlines()[:-5]
    assert float(re.fullmatch(r"test loss [\d.]+, test accuracy ([\d.]+)%", result)[1]) > 75
    assert imported == "False"
    read = [
        re.fullmatch(rf".*/{place}\.png: (\d), probability [\d.]+%", line)[1]
        for place, line in enumerate(done.stdout.splitlines()[-5:])
    ]
    right = sum(int(digit) == label for digit, label in zip(read, test.labels, strict=False))
    assert right >= 3
    history = json.loads((tmp_path / "history.json").read_text())
    assert len(history["val_accuracy"]) == len(history["loss"]) > 0
    with Image.open(tmp_path / "curves.png") as curves:
        assert min(curves.size) > 500
    model = keras.models.load_model(tmp_path / "model.keras")
    assert model.count_params() == networks.build(hyperparameters, blank=True).count_params()


# How it is written
# ------------------------------------------------------------------------------------------


EVERY = {name: recipe.hyperparameters for name, recipe in RECIPES.items()} | {
    name: variant(name) for name in VARIANTS
}


@pytest.fixture(scope="module")
def texts():
    return {name: script(hyperparameters) for name, hyperparameters in EVERY.items()}


def assert_formatted(folder, rules):
    """The files in a folder are written as the formatter would, and break none of the rules."""
    options = ["--isolated", "--line-length", "100", "--target-version", "py311", str(folder)]
    for arguments in (["format", "--diff"], ["check", "--select", rules]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *arguments, *options],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stdout


def test_scripts_are_written_as_the_formatter_would(tmp_path, texts):
    for place, text in enumerate(texts.values()):
        (tmp_path / f"{place}.py").write_text(text, encoding="utf-8")
    assert_formatted(tmp_path, "E,F,W,I,UP,B,C4,SIM,PT,N")


def test_all_that_is_defined_in_a_script_is_used_in_it(texts):
    for name, text in texts.items():
        for defined in re.findall(r"^(?:def |class )?([A-Za-z_]+)(?: = |\()", text, re.MULTILINE):
            if defined not in ("print", "results"):
                assert len(re.findall(rf"\b{defined}\b", text)) >= 2, (name, defined)


def test_a_script_says_nothing_of_what_is_off(texts):
    words = {
        "EarlyStopping": "early_stopping",
        "varied": "augmentation",
        "tensorflow": "augmentation",
        "smoothing": "label_smoothing",
        "order": "scrambled",
        "ImageBudget": "budget_images",
        "TimeBudget": "budget_s",
        "time": "budget_s",
        "validation": "validation_images",
        "decay": "weight_decay",
        "Dropout": "dropout",
        "BatchNormalization": "batch_norm",
        "bfloat16": "precision",
    }
    off = (0, False, "off", "auto")
    seen = set()
    for name, text in texts.items():
        text = text.replace("weight_decay=0)", "")  # AdamW has another default
        text = re.sub(r'""".*?"""', "", text, flags=re.DOTALL)
        for word, hyperparameter in words.items():
            is_on = getattr(EVERY[name], hyperparameter) not in off
            assert (word in text) == is_on, (name, word)
            seen.add((word, is_on))
    assert len(seen) == 2 * len(words)


def test_the_same_hyperparameters_give_the_same_script():
    assert script(DnnHyperparameters()) == script(DnnHyperparameters())
    assert script(DnnHyperparameters(seed=2)) != script(DnnHyperparameters())
    assert len(script(DnnHyperparameters(schedule="constant")).splitlines()) < 140


# What it does
# ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["cosine", "rmsprop", "images", "all budgets", "seconds"])
def test_the_learning_rate_changes_as_in_the_app(run, name):
    hyperparameters = variant(name)
    names = run(hyperparameters)
    done = np.linspace(0, 1, 21)
    expected = loop.learning_rates(hyperparameters.schedule, hyperparameters.learning_rate, done)
    assert [names["learning_rate"](share) for share in done] == pytest.approx(
        expected, rel=1e-5, abs=1e-10
    )
    if hyperparameters.budget_s:
        assert "STEPS" not in names  # time alone says how far it is
        return
    assert names["STEPS"] == planned_steps(hyperparameters)
    schedule, model = names["Schedule"](), names["model"]
    schedule.set_model(model)
    schedule.on_train_begin()
    steps, learned = np.arange(names["STEPS"]), int(model.optimizer.iterations)
    expected = loop.learning_rates(
        hyperparameters.schedule, hyperparameters.learning_rate, steps / names["STEPS"]
    )
    for step, rate in zip(steps, expected, strict=True):
        # As many batches as were learned from, whatever Keras counts in this call.
        model.optimizer.iterations.assign(step)
        schedule.on_train_batch_begin(0)
        assert float(model.optimizer.learning_rate) == pytest.approx(float(rate), rel=1e-4)
    model.optimizer.iterations.assign(learned)  # other tests look at it too


@pytest.mark.parametrize(
    "name",
    [
        "constant",
        "sgd with weight decay",
        "rmsprop",
        "adamw",
        "adamw without decay",
        "adam with weight decay",
    ],
)
def test_the_optimizer_is_that_of_the_app(run, name):
    hyperparameters = variant(name)
    model, ours = run(hyperparameters)["model"], loop._optimizer(hyperparameters)
    theirs = model.optimizer
    assert type(theirs) is type(ours)
    assert theirs.get_config() | {"learning_rate": 0, "name": ""} == ours.get_config() | {
        "learning_rate": 0,
        "name": "",
    }
    kernels = [variable for variable in model.trainable_variables if variable.name == "kernel"]
    if hyperparameters.optimizer == "adamw":
        assert model.losses == []
    else:
        penalty = (
            hyperparameters.weight_decay
            / 2
            * sum(float(np.square(kernel.numpy()).sum()) for kernel in kernels)
        )
        assert sum(map(float, model.losses)) == pytest.approx(penalty, rel=1e-4)


def test_adamw_leaves_all_but_kernels_alone(run):
    model = run(variant("adamw"))["model"]
    pulled = {
        variable.name
        for variable in model.trainable_variables
        if model.optimizer._use_weight_decay(variable)
    }
    assert pulled == {"kernel"}


@pytest.mark.parametrize(
    "name", ["label smoothing", "label smoothing, weight decay", "no validation"]
)
def test_label_smoothing_is_that_of_the_app(run, name):
    hyperparameters = variant(name)
    names = run(hyperparameters)
    logits = np.random.default_rng(1).normal(size=(50, 10)).astype(np.float32)
    labels = np.arange(50) % 10
    log_probabilities = tf.nn.log_softmax(logits).numpy()
    cross_entropy = -log_probabilities[np.arange(50), labels].mean()
    share = hyperparameters.label_smoothing
    expected = cross_entropy + share * (-log_probabilities.mean() - cross_entropy)
    assert float(
        names["model"].loss(keras.utils.to_categorical(labels, 10), logits)
    ) == pytest.approx(expected, rel=1e-5)
    history = names["model"].history.history
    assert history["cross_entropy"][-1] < history["loss"][-1]
    assert ("val_cross_entropy" in history) == bool(hyperparameters.validation_images)


def test_the_same_labels_are_wrong(run):
    hyperparameters = variant("wrong labels")
    labels = dataset.load().train.labels
    names = run(hyperparameters)
    np.testing.assert_array_equal(
        names["train_labels"], batches.wrong_labels(labels[:TRAIN], hyperparameters)
    )
    np.testing.assert_array_equal(names["validation_labels"], labels[COUNT - VALIDATION : COUNT])


def test_the_same_pixels_are_scrambled(run):
    mnist = dataset.load()
    names = run(variant("scrambled"))
    expected = {"train_images": (0, TRAIN), "validation_images": (COUNT - VALIDATION, COUNT)}
    for name, (start, stop) in expected.items():
        np.testing.assert_array_equal(
            names[name], dataset.scrambled(mnist.train.images[start:stop])
        )
    np.testing.assert_array_equal(
        names["test_images"], dataset.scrambled(mnist.test.images[: len(names["test_images"])])
    )


def test_images_are_varied_before_they_are_scrambled(run):
    names = run(variant("scrambled and varied"))
    images = mnist_images = dataset.load().train.images[:TRAIN]
    np.testing.assert_array_equal(names["train_images"], mnist_images)
    once = names["varied"](tf.constant(images), 0)[0].numpy()
    restored = np.empty_like(once)
    restored.reshape(-1, 784)[:, dataset.SCRAMBLE] = once.reshape(-1, 784)
    # A shift keeps most of the ink beside ink; scrambled, nothing would.
    assert np.corrcoef(restored[:, :, 1:].ravel(), restored[:, :, :-1].ravel())[0, 1] > 0.5
    assert np.corrcoef(once[:, :, 1:].ravel(), once[:, :, :-1].ravel())[0, 1] < 0.5


@pytest.mark.parametrize("name", ["shift", "full"])
def test_images_are_varied_as_in_the_app(run, name, monkeypatch):
    """With the same random numbers; the app rewrites some digits in another style first."""
    names = run(variant(name))
    images = tf.constant(dataset.load().train.images[:200])
    chance = np.random.default_rng(1)

    def uniform(shape, *arguments):
        low, high = arguments[-2:]
        return tf.constant(chance.uniform(low, high, shape), tf.float32)

    monkeypatch.setattr(tf.random, "uniform", uniform)
    ours = names["varied"](images, 0)[0].numpy()
    chance = np.random.default_rng(1)
    monkeypatch.setattr(tf.random, "stateless_uniform", uniform)
    theirs = augmentation.AUGMENTATIONS[name](images, tf.constant([1, 1])).numpy()
    assert ours.dtype == theirs.dtype == np.uint8 and (ours != images.numpy()).any()
    # The two may round a pixel differently: the last bits of their sums differ.
    assert np.abs(ours.astype(int) - theirs).max() <= 1
    assert (ours != theirs).mean() < 0.001


@pytest.mark.parametrize("name", ["shift", "full"])
def test_images_are_varied_anew_each_time(run, name):
    varied, images = run(variant(name))["varied"], dataset.load().train.images[:50]
    once, again = (varied(tf.constant(images), 0)[0].numpy() for _ in range(2))
    assert (once != again).any()


def test_an_image_budget_ends_training_at_its_batch(run):
    hyperparameters = variant("images")
    names = run(hyperparameters)
    assert names["model"].optimizer.iterations == planned_steps(hyperparameters) == 3
    assert len(names["model"].history.history["loss"]) == 2


def test_a_time_budget_ends_training(run):
    names = run(variant("seconds"))
    assert names["model"].optimizer.iterations >= 1
    assert len(names["model"].history.history["loss"]) < names["EPOCHS"]


def test_a_time_budget_ends_the_schedule_with_it(run):
    names = run(variant("seconds"))
    clock = iter([10.0, 10.0, 10.25, 10.5, 10.75, 11.5])
    schedule, model = names["Schedule"](), names["model"]
    schedule.set_model(model)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(names["time"], "perf_counter", lambda: next(clock))
        schedule.on_train_begin()
        rates = []
        for batch in range(5):
            schedule.on_train_batch_begin(batch)
            rates.append(float(model.optimizer.learning_rate))
    expected = loop.learning_rates("one_cycle", 0.006, np.array([0, 0.25, 0.5, 0.75, 1]))
    assert rates == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize(
    ("measure", "monitor"),
    [
        ("validation_loss", "val_loss"),
        ("validation_accuracy", "val_accuracy"),
        ("training_loss", "loss"),
        ("training_accuracy", "accuracy"),
    ],
)
def test_early_stopping_judges_by_the_measure(run, measure, monitor):
    names = run(variant(f"early stopping on {measure}"))
    history, callback = names["model"].history.history, names["early_stopping"]
    best = max if "accuracy" in measure else min
    assert callback.monitor == monitor and callback.patience == 2
    assert callback.best == best(history[monitor])
    for kept, weights in zip(callback.best_weights, names["model"].get_weights(), strict=True):
        np.testing.assert_array_equal(kept, weights)


def test_early_stopping_ends_a_training_that_learns_by_heart(run):
    by_heart = variant("wrong labels").model_copy(
        update={
            "early_stopping": 1,
            "epochs": 60,
            "learning_rate": 0.02,
            "schedule": "constant",
            "wrong_labels": 0.5,
        }
    )
    names = run(by_heart, eager=False)
    assert len(names["model"].history.history["loss"]) < 60


def test_early_stopping_judges_by_the_plain_cross_entropy(run):
    names = run(variant("label smoothing, weight decay"))
    assert names["early_stopping"].monitor == "val_cross_entropy"
    assert names["early_stopping"].best == min(names["model"].history.history["val_cross_entropy"])


# Pictures, and what it leaves
# ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("paper", ["light", "dark", "transparent"])
def test_a_picture_is_prepared_as_mnist_was(run, paper, tmp_path):
    prepared = run(variant("constant"))["prepared"]
    for image in dataset.load().test.images[:10]:
        ink = Image.fromarray(image).resize((112, 112), Image.Resampling.BICUBIC)
        sheet = Image.new("L", (300, 200))
        sheet.paste(ink, (150, 20))  # anywhere
        if paper == "transparent":
            black = Image.new("L", sheet.size)
            picture = Image.merge("LA", (black, sheet))
        else:
            picture = ImageOps.invert(sheet) if paper == "light" else sheet
        picture.save(tmp_path / "digit.png")
        found = prepared(tmp_path / "digit.png")
        assert found.dtype == np.uint8 and found.shape == (28, 28)
        # Scaled up and down again, at most a pixel aside.
        assert np.corrcoef(found.ravel(), image.ravel())[0, 1] > 0.75
        assert center_of_mass(found) == pytest.approx((14, 14), abs=0.6)


def test_what_cannot_be_read_is_a_sentence(run, tmp_path, monkeypatch):
    names = run(variant("constant"))
    Image.new("RGB", (50, 40), "white").save(tmp_path / "blank.png")
    with pytest.raises(SystemExit, match=r"Nothing stands out in .*blank\.png"):
        names["prepared"](tmp_path / "blank.png")
    text = script(variant("constant"))
    for there, words in ((False, "There is no model.keras yet"), (True, "choose PNG or JPEG")):
        if there:
            (names["HERE"] / "model.keras").rename(tmp_path / "model.keras")
        monkeypatch.setattr(sys, "argv", ["train.py", str(tmp_path / "missing.png")])
        with pytest.raises(SystemExit, match=words):
            exec(text, {"__name__": "__main__", "__file__": str(tmp_path / "train.py")})


def test_without_internet_a_script_says_where_the_digits_are(tmp_path, monkeypatch):
    def refuse():
        raise Exception("URL fetch failure")  # as Keras does

    monkeypatch.setattr(keras.datasets.mnist, "load_data", refuse)
    monkeypatch.setattr(sys, "argv", ["train.py"])
    with pytest.raises(SystemExit, match=r"URL fetch failure\sPut mnist\.npz, .* beside"):
        exec(
            script(variant("constant")),
            {"__name__": "__main__", "__file__": str(tmp_path / "train.py")},
        )


def test_without_matplotlib_only_the_curves_are_left_out(run, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)  # an import raises ImportError
    names = run(variant("no validation"), epochs=1)
    assert "pip install matplotlib" in capsys.readouterr().out
    assert {file.name for file in names["HERE"].iterdir()} == {"model.keras", "history.json"}
