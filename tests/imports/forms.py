"""Saved networks in the forms that Keras, TensorFlow.js, PyTorch and ONNX wrote over ten years, all
made here: none is somebody's file."""

import io
import json
import pickle
import sys
import types
import zipfile
from collections import OrderedDict
from pathlib import Path

import h5py
import keras
import numpy as np
import tensorflow as tf

from mnist_models.data import dataset

LAYERS = keras.layers
# A sharper softmax than least squares gives by itself.
SHARPNESS = 8.0


def taught(features: keras.Sequential, scale, count: int = 3_000) -> keras.Sequential:
    """Random features with a last layer that was solved for, not trained: it reads digits after a
    second.

    Args:
        features: Whatever gives (N, values).
        scale: From uint8 (N, 28, 28) to what the features take.
    """
    train = dataset.load().train.part(0, count)
    known = np.concatenate(
        [features(scale(train.images)).numpy(), np.ones((count, 1), np.float32)], axis=1
    )
    wanted = np.eye(10, dtype=np.float32)[train.labels]
    strength = 1e-3 * np.trace(known.T @ known) / known.shape[1]
    solved = np.linalg.solve(known.T @ known + strength * np.eye(known.shape[1]), known.T @ wanted)
    last = LAYERS.Dense(10, activation="softmax", name="dense")
    model = keras.Sequential([*features.layers, last])
    model.build(features.input_shape)
    last.set_weights([SHARPNESS * solved[:-1], SHARPNESS * solved[-1]])
    return model


def convolutional(scale=lambda x: x[..., np.newaxis] / np.float32(255)) -> keras.Sequential:
    """A small CNN for (28, 28, 1) that reads nine digits of ten."""
    keras.utils.set_random_seed(3)
    features = keras.Sequential(
        [
            keras.Input((28, 28, 1)),
            LAYERS.Conv2D(12, 5, activation="relu", name="conv2d"),
            LAYERS.MaxPooling2D(2, name="max_pooling2d"),
            LAYERS.Conv2D(8, 3, activation="relu", name="conv2d_1"),
            LAYERS.MaxPooling2D(2, name="max_pooling2d_1"),
            LAYERS.Dropout(0.5, name="dropout"),
            LAYERS.Flatten(name="flatten"),
        ]
    )
    return taught(features, scale)


def fully_connected(scale=lambda x: x.reshape(-1, 784) / np.float32(255)) -> keras.Sequential:
    """A small DNN for 784 values that reads nine digits of ten."""
    keras.utils.set_random_seed(4)
    features = keras.Sequential(
        [keras.Input((784,)), LAYERS.Dense(300, activation="relu", name="hidden")]
    )
    return taught(features, scale)


def give_weights(model: keras.Model) -> None:
    """Gives a network weights that no layer has at first: statistics too, and of biases none is
    0."""
    chance = np.random.default_rng(0)
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.set_weights([chance.uniform(0.5, 2, one.shape) for one in layer.get_weights()])
        elif weights := layer.get_weights():
            layer.set_weights([chance.normal(0, 0.2, one.shape) for one in weights])


def config_of(model: keras.Sequential) -> dict:
    """A model's description with the few settings that all versions of Keras wrote."""
    layers = []
    for place, layer in enumerate(model.layers):
        config = {"name": layer.name, "trainable": True}
        kind = type(layer).__name__
        if kind == "Dense":
            config |= {"units": layer.units, "activation": layer.activation.__name__}
        elif kind == "Conv2D":
            config |= {
                "filters": layer.filters, "kernel_size": list(layer.kernel_size),
                "strides": [1, 1], "padding": "valid", "data_format": "channels_last",
                "activation": "relu", "use_bias": True,
                "kernel_initializer": {"class_name": "GlorotUniform", "config": {"dtype": "x"}},
            }  # fmt: skip
        elif kind == "MaxPooling2D":
            config |= {"pool_size": [2, 2], "padding": "valid", "strides": None}
        elif kind == "Dropout":
            config |= {"rate": 0.5}
        if place == 0:
            config["batch_input_shape"] = list(model.input_shape)
        layers.append({"class_name": kind, "config": config})
    return {"class_name": "Sequential", "config": {"name": "sequential", "layers": layers}}


def _legacy_group(root: h5py.Group, model: keras.Sequential, suffix: str = ":0") -> None:
    root.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
    for layer in model.layers:
        group = root.create_group(layer.name)
        names = [f"{layer.name}/{weight.name}{suffix}" for weight in layer.weights]
        if type(layer).__name__ == "Dropout":
            names = []
        group.attrs["weight_names"] = [name.encode() for name in names]
        for name, array in zip(names, layer.get_weights(), strict=False):
            group[name] = array


def h5(model: keras.Sequential, config: dict | None, version: str = "2.4.0") -> bytes:
    """As Keras 2 wrote whole models, or, without a config, weights."""
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        root = file
        if config is not None:
            file.attrs["model_config"] = json.dumps(config)
            root = file.create_group("model_weights")
            file.create_group("optimizer_weights")["training/Adam/m:0"] = np.zeros(3)
        root.attrs["keras_version"] = version.encode()
        root.attrs["backend"] = b"tensorflow"
        _legacy_group(root, model)
    return stream.getvalue()


def h5_of_keras_0(model: keras.Sequential, *, is_theano: bool) -> bytes:
    """As Keras 0 wrote weights: numbered layers, and the kernels of Theano, turned around."""
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file.attrs["nb_layers"] = len(model.layers)
        for place, layer in enumerate(model.layers):
            group = file.create_group(f"layer_{place}")
            arrays = [] if type(layer).__name__ == "Dropout" else layer.get_weights()
            group.attrs["nb_params"] = len(arrays)
            for count, array in enumerate(arrays):
                if is_theano and array.ndim == 4:
                    array = array[::-1, ::-1].transpose(3, 2, 0, 1)
                group[f"param_{count}"] = array
    return stream.getvalue()


def keras_1_theano(model: keras.Sequential) -> tuple[bytes, dict]:
    """A whole model as Keras 1 wrote it with Theano: Convolution2D, channels first, kernels turned
    around, and the first dense layer for channels before rows."""
    config = config_of(model)["config"]["layers"]
    parts = []
    channels = rows = None
    for part, layer in zip(config, model.layers, strict=True):
        old = {"name": part["config"]["name"]}
        kind = part["class_name"]
        if kind == "Conv2D":
            kind = "Convolution2D"
            old |= {
                "nb_filter": layer.filters, "nb_row": layer.kernel_size[0],
                "nb_col": layer.kernel_size[1], "border_mode": "valid", "subsample": [1, 1],
                "dim_ordering": "th", "activation": "relu", "bias": True,
            }  # fmt: skip
        elif kind == "MaxPooling2D":
            old |= {
                "pool_size": [2, 2], "border_mode": "valid", "strides": [2, 2],
                "dim_ordering": "th",
            }  # fmt: skip
        elif kind == "Dropout":
            old |= {"p": 0.5}
        elif kind == "Dense":
            old |= {"output_dim": layer.units, "activation": "softmax", "bias": True}
        if not parts:
            old["batch_input_shape"] = [None, 1, 28, 28]
        if len(layer.output.shape) == 4:
            rows, channels = layer.output.shape[1], layer.output.shape[3]
        parts.append({"class_name": kind, "config": old})
    description = {"class_name": "Sequential", "config": parts}
    stream = io.BytesIO()
    with h5py.File(stream, "w") as file:
        file.attrs["model_config"] = json.dumps(description).encode()
        root = file.create_group("model_weights")
        root.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
        for layer in model.layers:
            arrays = [] if type(layer).__name__ == "Dropout" else layer.get_weights()
            if arrays and arrays[0].ndim == 4:
                arrays[0] = arrays[0][::-1, ::-1].transpose(3, 2, 0, 1)
            elif arrays:
                kernel = arrays[0].reshape(rows, rows, channels, -1)
                arrays[0] = kernel.transpose(2, 0, 1, 3).reshape(arrays[0].shape)
            names = [f"{layer.name}_{letter}" for letter in "Wb"][: len(arrays)]
            group = root.create_group(layer.name)
            group.attrs["weight_names"] = [name.encode() for name in names]
            for name, array in zip(names, arrays, strict=True):
                group[name] = array
    return stream.getvalue(), description


def keras_0_theano(model: keras.Sequential) -> tuple[bytes, bytes]:
    """The same as Keras 0 wrote it: the weights, by numbers, and a description in JSON, in which a
    layer's class is called its name."""
    whole, description = keras_1_theano(model)
    parts = [
        {**part["config"], "name": part["class_name"], "custom_name": part["class_name"].lower()}
        for part in description["config"]
    ]
    parts[0]["input_shape"] = parts[0].pop("batch_input_shape")[1:]
    optimizer = {"name": "Adadelta", "lr": 1.0}
    said = {"name": "Sequential", "layers": parts, "optimizer": optimizer, "class_mode": "binary"}
    stream = io.BytesIO()
    with h5py.File(io.BytesIO(whole)) as source, h5py.File(stream, "w") as file:
        file.attrs["nb_layers"] = len(parts)
        for place, layer in enumerate(model.layers):
            group = file.create_group(f"layer_{place}")
            for count, array in enumerate(source["model_weights"][layer.name].values()):
                group[f"param_{count}"] = array[()]
    return stream.getvalue(), json.dumps(said).encode()


def keras_file(model: keras.Model, folder: Path) -> bytes:
    """As today's Keras writes it."""
    model.save(folder / "model.keras")
    return (folder / "model.keras").read_bytes()


def keras_file_of_2_13(model: keras.Sequential) -> bytes:
    """As Keras 2.13.1 wrote it on Windows: groups whose names have back-slashes, every second
    number."""
    stream = io.BytesIO()
    counts: dict[str, int] = {}
    with h5py.File(stream, "w") as file:
        for layer in model.layers:
            kind = {"Conv2D": "conv2d", "Dense": "dense"}.get(type(layer).__name__)
            if kind is None:
                continue
            number = counts.get(kind, 0)
            counts[kind] = number + 2
            name = f"_layer_checkpoint_dependencies\\{kind}{f'_{number}' if number else ''}\\vars"
            group = file.create_group(name)
            for count, array in enumerate(layer.get_weights()):
                group[str(count)] = array
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("metadata.json", json.dumps({"keras_version": "2.13.1"}))
        archive.writestr("config.json", json.dumps(config_of(model)))
        archive.writestr("model.weights.h5", stream.getvalue())
    return packed.getvalue()


def weights_file(model: keras.Model, folder: Path) -> bytes:
    """As today's Keras writes weights alone."""
    model.save_weights(folder / "model.weights.h5")
    return (folder / "model.weights.h5").read_bytes()


def zipped(files: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return stream.getvalue()


# Protocol buffers, enough of them to write small files.
def field(number: int, value: int | bytes | str) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    content = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(content)) + content


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    return bytes([*out, value])


def saved_model(
    model: keras.Sequential, folder: Path, *, described: bool = True, nested: bool = False
) -> dict[str, bytes]:
    """The files of a SavedModel as Keras 2.12 wrote it, by name; the graph is left out, since it is
    never read. With `nested`, the model is the first layer of another, and a softmax the second."""
    modules = {
        f"layer_with_weights-{count}": layer
        for count, layer in enumerate(one for one in model.layers if one.get_weights())
    }
    root = tf.Module()
    for name, layer in modules.items():
        inner = tf.Module()
        for variable in layer.weights:
            if "seed" not in variable.name:
                setattr(inner, variable.name, tf.Variable(variable.numpy()))
        setattr(root, name, inner)
    parts = {name: getattr(root, name) for name in modules}
    if nested:
        parts = {"variables": [tf.Variable(array) for array in model.get_weights()]}
    tf.train.Checkpoint(**parts).write(str(folder / "variables"))
    files = {
        f"variables/{file.name}": file.read_bytes() for file in folder.iterdir() if file.is_file()
    }
    config = config_of(model)
    if nested:
        softmax = {"class_name": "Softmax", "config": {"name": "softmax"}}
        outer = {"name": "outer", "layers": [config, softmax]}
        config = {"class_name": "Sequential", "config": outer}
    metadata = json.dumps(
        {"class_name": "Sequential", "keras_version": "2.12.0", "model_config": config}
    )
    if described:
        node = field(3, "root") + field(4, "_tf_keras_sequential") + field(5, metadata)
        files["keras_metadata.pb"] = field(1, node)
    return files | {"saved_model.pb": field(1, 1)}


def tfjs(model: keras.Sequential) -> dict[str, bytes]:
    """The files of a TensorFlow.js layers model, by name."""
    arrays = {
        f"{layer.name}/{weight.name}": weight.numpy()
        for layer in model.layers
        for weight in layer.weights
        if "seed" not in weight.name
    }
    manifest = {
        "paths": ["group1-shard1of1.bin"],
        "weights": [
            {"name": name, "shape": list(array.shape), "dtype": "float32"}
            for name, array in arrays.items()
        ],
    }
    topology = {"keras_version": "2.4.0", "backend": "tensorflow", "model_config": config_of(model)}
    return {
        "model.json": json.dumps(
            {"format": "layers-model", "modelTopology": topology, "weightsManifest": [manifest]}
        ).encode(),
        "group1-shard1of1.bin": b"".join(
            array.astype("<f4").tobytes() for array in arrays.values()
        ),
    }


def state_dict(model: keras.Sequential) -> "OrderedDict[str, np.ndarray]":
    """The arrays of a Keras model in PyTorch's shapes and order of values."""
    arrays: OrderedDict[str, np.ndarray] = OrderedDict()
    shape: tuple = ()
    for layer in model.layers:
        if len(layer.output.shape) == 4:
            shape = layer.output.shape[1:]
        weights = [] if type(layer).__name__ == "Dropout" else layer.get_weights()
        if not weights:
            continue
        kernel, bias = weights
        if kernel.ndim == 4:
            kernel = kernel.transpose(3, 2, 0, 1)
        else:
            if shape and kernel.shape[0] == np.prod(shape):
                kernel = kernel.reshape(*shape, -1).transpose(2, 0, 1, 3).reshape(kernel.shape)
            kernel = kernel.T
        arrays[f"{layer.name}.weight"] = kernel
        arrays[f"{layer.name}.bias"] = bias
    return arrays


class _Storage(tuple):
    """What a persistent id stands for."""


def pytorch(arrays: "OrderedDict[str, np.ndarray]", wrap=lambda state: state) -> bytes:
    """A zip as torch.save writes it since 1.6, made without PyTorch."""
    utils, torch = types.ModuleType("torch._utils"), types.ModuleType("torch")

    def _rebuild_tensor_v2(*arguments):
        raise AssertionError("a pickle was executed")

    class FloatStorage:
        pass

    _rebuild_tensor_v2.__module__ = "torch._utils"
    _rebuild_tensor_v2.__qualname__ = "_rebuild_tensor_v2"
    FloatStorage.__module__, FloatStorage.__qualname__ = "torch", "FloatStorage"
    utils._rebuild_tensor_v2, torch.FloatStorage = _rebuild_tensor_v2, FloatStorage

    class Tensor:
        def __init__(self, key, array):
            self.key, self.array = key, array

        def __reduce__(self):
            steps, step = [], 1
            for side in reversed(self.array.shape):
                steps.insert(0, step)
                step *= side
            storage = _Storage(("storage", FloatStorage, self.key, "cpu", self.array.size))
            return _rebuild_tensor_v2, (
                storage, 0, self.array.shape, tuple(steps), False, OrderedDict(),
            )  # fmt: skip

    class Pickler(pickle.Pickler):
        def persistent_id(self, thing):
            return tuple(thing) if isinstance(thing, _Storage) else None

    stream = io.BytesIO()
    kept = {name: sys.modules.get(name) for name in ("torch", "torch._utils")}
    sys.modules |= {"torch": torch, "torch._utils": utils}
    try:
        state = OrderedDict(
            (name, Tensor(str(place), array)) for place, (name, array) in enumerate(arrays.items())
        )
        Pickler(stream, 2).dump(wrap(state))
    finally:
        for name, module in kept.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module
    files = {"archive/data.pkl": stream.getvalue(), "archive/version": b"3\n"}
    for place, array in enumerate(arrays.values()):
        files[f"archive/data/{place}"] = np.ascontiguousarray(array, "<f4").tobytes()
    return zipped(files)


def onnx(model: keras.Sequential, *, external: str | None = None, batch: int | str = "n") -> bytes:
    """A chain of dense layers as an ONNX file; with `external`, its kernels are in another file of
    that name."""
    nodes, initializers, given, place = b"", b"", "x", 0
    for count, layer in enumerate(model.layers):
        for name, array in zip(("w", "b"), layer.get_weights(), strict=True):
            content = array.astype("<f4").tobytes()
            tensor = b"".join(field(1, side) for side in array.shape) + field(2, 1)
            tensor += field(8, f"{name}{count}")
            if external and name == "w":
                said = {"location": external, "offset": str(place), "length": str(len(content))}
                tensor += b"".join(field(13, field(1, k) + field(2, v)) for k, v in said.items())
                tensor += field(14, 1)
                place += len(content)
            else:
                tensor += field(9, content)
            initializers += field(5, tensor)
        last = count == len(model.layers) - 1
        nodes += field(1, b"".join((field(1, given), field(1, f"w{count}"), field(1, f"b{count}"),
                                    field(2, f"g{count}"), field(4, "Gemm"))))  # fmt: skip
        given = "y" if last else f"r{count}"
        operator = "Softmax" if last else "Relu"
        nodes += field(1, field(1, f"g{count}") + field(2, given) + field(4, operator))

    def value(name: str, width: int) -> bytes:
        first = field(1, batch) if isinstance(batch, int) else field(2, batch)
        shape = field(1, first) + field(1, field(1, width))
        return field(1, name) + field(2, field(1, field(1, 1) + field(2, shape)))

    graph = nodes + field(2, "main") + initializers
    graph += field(11, value("x", model.input_shape[1])) + field(12, value("y", 10))
    return field(1, 8) + field(2, "tests") + field(7, graph) + field(8, field(2, 13))


def kernels(model: keras.Sequential) -> bytes:
    """The file that belongs to an ONNX file with `external`."""
    return b"".join(layer.get_weights()[0].astype("<f4").tobytes() for layer in model.layers)


def tflite(model: keras.Model, batch: int | None = None) -> bytes:
    """With `batch`, it takes so many images at a time, neither more nor fewer."""
    given = keras.Input(model.input_shape[1:], batch)
    return tf.lite.TFLiteConverter.from_keras_model(keras.Model(given, model(given))).convert()
