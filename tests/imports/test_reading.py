"""Every form of a saved network is rebuilt to the network that was saved."""

import json

import keras
import numpy as np
import pytest

from mnist_models.imports import bring, reading, rebuild, rebuilt, weights
from mnist_models.imports.refusal import RefusedError
from tests.imports import forms

# Two orders of adding the same numbers up differ in the last digits of a float32.
TOLERANCE = 1e-5


def rebuilt_from(content, config=None):
    return rebuilt.best(reading.read(content, config).candidates)


def same(network, model, pictures):
    given = pictures.reshape(-1, *network.input_shape)
    wanted = model(pictures.reshape(-1, *model.input_shape[1:]), training=False).numpy()
    np.testing.assert_allclose(network.outputs(given), wanted, atol=TOLERANCE)


@pytest.mark.parametrize("version", ["2.0.6", "2.2.4", "2.4.0", "3.0.0"])
def test_a_whole_hdf5_model_of_any_version_is_rebuilt(cnn, pictures, version):
    config = forms.config_of(cnn)
    if version == "2.0.6":  # a bare list of layers
        config["config"] = config["config"]["layers"]
    network = rebuilt_from(forms.h5(cnn, config, version))
    same(network, cnn, pictures)
    assert reading.read(forms.h5(cnn, config, version)).writer == f"Keras {version}"


def test_a_model_of_keras_1_with_theano_is_rebuilt(cnn, pictures):
    content, _ = forms.keras_1_theano(cnn)
    found = reading.read(content)
    # The file does not say which backend its kernels were for; how well they read does.
    assert len(found.candidates) == 2
    network = rebuilt.best(found.candidates)
    assert network.input_shape == (1, 28, 28)
    same(network, cnn, pictures)


def test_a_model_of_keras_0_and_the_description_beside_it_are_rebuilt(cnn, pictures):
    content, description = forms.keras_0_theano(cnn)
    assert reading.is_config(description)
    zipped = forms.zipped({"mnist.h5": content, "mnist.arch.json": description})
    for found in (reading.read(content, description), reading.read(zipped)):
        assert not found.guessed
        same(rebuilt.best(found.candidates), cnn, pictures)


def test_what_is_nested_too_deep_is_refused(cnn):
    content, _ = forms.keras_0_theano(cnn)
    said = {"name": "Dense"}
    for _ in range(60):
        said = {"name": "Sequential", "layers": [said]}
    with pytest.raises(RefusedError, match="nested more than 8 deep"):
        reading.read(content, json.dumps(said).encode())


def test_todays_keras_file_is_rebuilt(cnn, pictures, tmp_path):
    same(rebuilt_from(forms.keras_file(cnn, tmp_path)), cnn, pictures)


def test_a_keras_file_of_2_13_from_windows_is_rebuilt(cnn, pictures):
    found = reading.read(forms.keras_file_of_2_13(cnn))
    assert found.writer == "Keras 2.13.1"
    same(rebuilt.best(found.candidates), cnn, pictures)


def test_a_branched_model_with_nested_models_is_rebuilt(tmp_path, pictures):
    layers = keras.layers
    inner = keras.Sequential([keras.Input((13, 13, 4)), layers.Conv2D(3, 3), layers.ReLU()])
    image = keras.Input((28, 28, 1))
    x = layers.Conv2D(4, 3, activation="relu")(image)
    x = layers.BatchNormalization()(layers.MaxPooling2D()(x))
    both = layers.Concatenate()([inner(x), layers.Conv2D(2, 3)(x)])
    x = layers.Dense(6, activation=keras.layers.LeakyReLU(0.1))(layers.Flatten()(both))
    model = keras.Model(image, layers.Dense(10, activation="softmax")(x))
    chance = np.random.default_rng(1)
    model.set_weights([chance.random(array.shape) for array in model.get_weights()])
    same(rebuilt_from(forms.keras_file(model, tmp_path)), model, pictures)
    model.save(tmp_path / "model.h5")
    same(rebuilt_from((tmp_path / "model.h5").read_bytes()), model, pictures)


@pytest.mark.parametrize("kind", ["Model", "Functional"])
def test_a_model_with_branches_is_rebuilt_from_the_description_of_keras_2(kind, pictures):
    layers = keras.layers
    image = keras.Input((28, 28, 1), name="input_1")
    sides = [layers.Conv2D(3, size, padding="same", name=f"c{size}") for size in (3, 5)]
    both = layers.Concatenate(name="both")([side(image) for side in sides])
    flat = layers.Flatten(name="flat")(both)
    model = keras.Model(image, layers.Dense(10, activation="softmax", name="out")(flat))
    dense = {"name": "out", "units": 10, "activation": "softmax_v2"}  # tf.nn.softmax
    parts = [
        ("InputLayer", {"name": "input_1", "batch_input_shape": [None, 28, 28, 1]}, []),
        # In another order than Keras gives them.
        ("Concatenate", {"name": "both", "axis": -1}, ["c3", "c5"]),
        *(
            ("Conv2D", {"name": f"c{n}", "filters": 3, "kernel_size": [n, n], "padding": "same"},
             ["input_1"])
            for n in (3, 5)
        ),
        ("Flatten", {"name": "flat"}, ["both"]),
        ("Dense", dense, ["flat"]),
    ]  # fmt: skip
    described = [
        {
            "class_name": part, "name": config["name"], "config": config,
            "inbound_nodes": [[[name, 0, 0, {}] for name in given]] if given else [],
        }
        for part, config, given in parts
    ]  # fmt: skip
    config = {
        "class_name": kind,
        "config": {
            "name": "model", "layers": described,
            "input_layers": [["input_1", 0, 0]], "output_layers": [["out", 0, 0]],
        },
    }  # fmt: skip
    same(rebuilt_from(forms.h5(model, config)), model, pictures)


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.LSTM(5), keras.layers.GRU(5), keras.layers.SimpleRNN(5),
        keras.layers.LayerNormalization(), keras.layers.Conv1D(6, 5, strides=2),
        keras.layers.MaxPooling1D(3), keras.layers.GlobalAveragePooling1D(),
    ],
    ids=lambda layer: type(layer).__name__,
)  # fmt: skip
def test_layers_for_rows_are_rebuilt(layer, tmp_path, pictures):
    model = keras.Sequential(
        [keras.Input((28, 28)), layer, keras.layers.Flatten(), keras.layers.Dense(10)]
    )
    same(rebuilt_from(forms.keras_file(model, tmp_path)), model, pictures)


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.DepthwiseConv2D(3, depth_multiplier=2), keras.layers.SeparableConv2D(4, 3),
        keras.layers.PReLU(shared_axes=(1, 2)), keras.layers.AveragePooling2D(3, strides=2),
        keras.layers.ZeroPadding2D(((1, 2), (0, 1))), keras.layers.GlobalAveragePooling2D(),
        keras.layers.Rescaling(2.0, -1.0), keras.layers.Conv2D(4, 3, dilation_rate=2),
        keras.layers.RandomRotation(0.1), keras.layers.Softmax(),
    ],
    ids=lambda layer: type(layer).__name__,
)  # fmt: skip
def test_layers_for_images_are_rebuilt(layer, tmp_path, pictures):
    model = keras.Sequential(
        [keras.Input((28, 28, 1)), layer, keras.layers.Flatten(), keras.layers.Dense(10)]
    )
    same(rebuilt_from(forms.keras_file(model, tmp_path)), model, pictures)


@pytest.mark.parametrize("is_told", [True, False])
def test_channels_first_is_rebuilt_for_machines_that_have_channels_last(pictures, is_told):
    layers = keras.layers
    image = keras.Input((28, 28, 1))
    x = layers.BatchNormalization(name="normal")(layers.Conv2D(3, 5, name="conv")(image))
    moved = layers.Permute((3, 1, 2))(layers.MaxPooling2D()(x))
    first = {"data_format": "channels_first"}
    # Since Keras 2.1.6 a Flatten may be told, and then flattens in another order.
    flatten = first if is_told else {}
    model = keras.Model(image, layers.Dense(10, name="dense")(layers.Flatten(**flatten)(moved)))
    parts = [
        ("Conv2D", {"name": "conv", "filters": 3, "kernel_size": [5, 5], **first}),
        ("BatchNormalization", {"name": "normal", "axis": [1], "epsilon": 0.001}),
        ("MaxPooling2D", {"name": "pool", "pool_size": [2, 2], **first}),
        ("Flatten", {"name": "flatten", **flatten}),
        ("Dense", {"name": "dense", "units": 10}),
    ]
    parts[0][1]["batch_input_shape"] = [None, 1, 28, 28]
    described = [{"class_name": kind, "config": config} for kind, config in parts]
    config = {"class_name": "Sequential", "config": {"layers": described}}
    named = keras.Sequential([model.get_layer(name) for name in ("conv", "normal", "dense")])
    network = rebuilt_from(forms.h5(named, config))
    assert network.input_shape == (1, 28, 28)
    same(network, model, pictures)


@pytest.mark.parametrize("described", [True, False], ids=["with Keras's notes", "bare"])
def test_a_saved_model_is_rebuilt_without_its_graph(cnn, pictures, tmp_path, described):
    found = reading.read(forms.zipped(forms.saved_model(cnn, tmp_path, described=described)))
    assert bool(found.guessed) != described
    read = rebuilt.best(found.candidates).outputs(pictures)
    assert (read.argmax(axis=1) == cnn(pictures).numpy().argmax(axis=1)).all()
    if described:
        np.testing.assert_allclose(read, cnn(pictures).numpy(), atol=TOLERANCE)


def test_a_saved_model_of_a_model_in_a_model_is_rebuilt(cnn, pictures, tmp_path):
    """TensorFlow's tutorial for beginners puts a softmax behind a model like this."""
    files = forms.saved_model(cnn, tmp_path, nested=True)
    outer = keras.Sequential([keras.Input((28, 28, 1)), *cnn.layers, keras.layers.Softmax()])
    same(rebuilt_from(forms.zipped(files)), outer, pictures)


def test_a_zip_may_hold_the_folder_and_not_only_what_is_in_it(cnn, pictures, tmp_path):
    files = {f"digits/{name}": one for name, one in forms.saved_model(cnn, tmp_path).items()}
    same(rebuilt_from(forms.zipped(files)), cnn, pictures)


@pytest.mark.parametrize("ending", [".bin", ""], ids=["today", "before 1.0"])
@pytest.mark.parametrize("folder", ["", "digits/"])
def test_tensorflow_js_is_rebuilt(cnn, pictures, ending, folder):
    files = {
        folder + name.replace(".bin", ending): content.replace(b".bin", ending.encode())
        for name, content in forms.tfjs(cnn).items()
    }
    # Another file, so that the folder is not the zip's own.
    same(rebuilt_from(forms.zipped(files | {"index.html": b"<p>"})), cnn, pictures)


@pytest.mark.parametrize("form", ["zip", "two files"])
def test_weights_with_their_json_are_rebuilt(cnn, pictures, form):
    weights, config = forms.h5(cnn, None), json.dumps(forms.config_of(cnn)).encode()
    if form == "zip":
        same(rebuilt_from(forms.zipped({"w.h5": weights, "model.json": config})), cnn, pictures)
    else:
        assert reading.is_config(config) and not reading.is_config(weights)
        same(rebuilt_from(weights, config), cnn, pictures)


def test_weights_alone_are_guessed_and_said_to_be(cnn, dnn, pictures, tmp_path):
    """Which network they belong to is decided by how well each reads digits."""
    for model, content in (
        (cnn, forms.h5(cnn, None)),
        (dnn, forms.h5(dnn, None)),
        (cnn, forms.weights_file(cnn, tmp_path)),
        (cnn, forms.h5_of_keras_0(cnn, is_theano=False)),
        (cnn, forms.pytorch(forms.state_dict(cnn))),
        (dnn, forms.pytorch(forms.state_dict(dnn))),
    ):
        found = reading.read(content)
        assert found.guessed and len(found.candidates) > 1
        network = rebuilt.best(found.candidates)
        given = pictures.reshape(-1, *network.input_shape)
        scores = network.outputs(given)
        wanted = model(pictures.reshape(-1, *model.input_shape[1:])).numpy()
        # A guess gives scores: it cannot know of the softmax, which changes no order.
        np.testing.assert_allclose(keras.ops.softmax(scores), wanted, atol=1e-4)


def test_the_weights_of_a_first_lenet_are_guessed(pictures):
    keras.utils.set_random_seed(0)
    layers = keras.layers
    features = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            layers.Conv2D(6, 5, activation="tanh", name="conv2d"),
            layers.AveragePooling2D(2),
            layers.Conv2D(16, 5, activation="tanh", name="conv2d_1"),
            layers.AveragePooling2D(2),
            layers.Flatten(),
        ]
    )
    lenet = forms.taught(features, lambda x: x[..., np.newaxis] / np.float32(255))
    network = rebuilt.best(reading.read(forms.pytorch(forms.state_dict(lenet))).candidates)
    read = network.outputs(pictures.reshape(-1, 1, 28, 28))
    np.testing.assert_allclose(keras.ops.softmax(read), lenet(pictures).numpy(), atol=1e-4)


def test_weights_that_were_moved_from_keras_to_pytorch_are_guessed(cnn, pictures):
    arrays = forms.state_dict(cnn)
    # The kernel as Keras has it, for values that were flattened with the channels last.
    arrays["dense.weight"] = cnn.get_layer("dense").get_weights()[0].T
    network = rebuilt.best(reading.read(forms.pytorch(arrays)).candidates)
    read = network.outputs(pictures.reshape(-1, 1, 28, 28))
    np.testing.assert_allclose(keras.ops.softmax(read), cnn(pictures).numpy(), atol=1e-4)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda state: {"epoch": 3, "model_state_dict": state, "loss": 0.1},
        lambda state: {"state_dict": {f"module.{name}": one for name, one in state.items()}},
    ],
    ids=["checkpoint", "lightning"],
)
def test_a_state_dict_is_found_inside_a_checkpoint(cnn, pictures, wrap):
    found = reading.read(forms.pytorch(forms.state_dict(cnn), wrap))
    assert found.candidates[0].parameters == cnn.count_params()


def test_onnx_and_tflite_are_computed_in_a_process_of_their_own(dnn, pictures):
    for content, form in (
        (forms.onnx(dnn), "ONNX"),
        (forms.onnx(dnn, batch=1), "ONNX"),
        (forms.onnx(dnn, batch=7), "ONNX"),
        (
            forms.zipped(
                {"m.onnx": forms.onnx(dnn, external="m.data"), "m.data": forms.kernels(dnn)}
            ),
            "ONNX",
        ),
        (forms.tflite(dnn), "TensorFlow Lite (.tflite)"),
        (forms.tflite(dnn, batch=7), "TensorFlow Lite (.tflite)"),
    ):
        brought = bring.open_file(content)
        try:
            assert brought.form == form and brought.layers
            # TensorFlow Lite leaves a bias out that is zero.
            assert dnn.count_params() - brought.parameters in (0, 300)
            given = pictures.reshape(-1, 784)
            np.testing.assert_allclose(
                brought.network.outputs(given), dnn(given).numpy(), atol=TOLERANCE
            )
        finally:
            brought.close()


def test_what_the_network_does_not_need_is_not_even_looked_at(cnn, pictures):
    """Initializers, regularizers and optimizers of a file may name anything."""
    config = forms.config_of(cnn)
    for layer in config["config"]["layers"]:
        layer["config"] |= {
            "kernel_regularizer": {"class_name": "Own", "module": "os", "config": {"x": "y"}},
            "unheard_of": {"module": "os", "class_name": "system", "config": "true"},
        }
    same(rebuilt_from(forms.h5(cnn, config)), cnn, pictures)


@pytest.mark.parametrize(
    ("part", "words"),
    [
        ({"class_name": "Lambda", "config": {"name": "mine", "function": "x"}}, "which is code"),
        ({"class_name": "Mine", "config": {"name": "mine"}}, "is a Mine"),
        ({"class_name": "Embedding", "config": {"name": "words"}}, "is an Embedding"),
        (
            {"class_name": "Activation", "config": {"name": "mine", "activation": "os.system"}},
            "'os.system'",
        ),
        (
            {"class_name": "MaxPooling2D", "config": {"name": "mine", "pool_size": [0, 2]}},
            "pool_size = [0, 2]",
        ),
    ],
    ids=["Lambda", "custom layer", "layer for words", "custom activation", "impossible setting"],
)
def test_a_layer_that_is_not_known_is_named(cnn, part, words):
    config = forms.config_of(cnn)
    config["config"]["layers"].insert(2, part)
    with pytest.raises(RefusedError) as caught:
        reading.read(forms.h5(cnn, config))
    assert words in str(caught.value)


def test_weights_of_another_network_are_named(cnn, dnn):
    with pytest.raises(RefusedError, match="do not belong together"):
        reading.read(forms.h5(dnn, forms.config_of(cnn)))
    other = forms.config_of(cnn)
    other["config"]["layers"][0]["config"]["filters"] = 13
    with pytest.raises(RefusedError, match="found 5×5×1×12"):
        rebuild.build(reading.read(forms.h5(cnn, other)).candidates[0])


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("dense_1/kernel:0", "kernel"),
        ("dense_1_W", "kernel"),
        ("convolution2d_2/convolution2d_2_b:0", "bias"),
        ("lstm/lstm_cell/recurrent_kernel:0", "recurrent_kernel"),
        ("batchnormalization_1_running_std", "moving_variance"),
        ("separable_conv2d/depthwise_kernel", "depthwise_kernel"),
        ("param_0", "param_0"),
    ],
)
def test_arrays_are_known_under_all_their_names(name, short):
    assert weights.short(name) == short
