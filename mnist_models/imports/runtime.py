"""What a process of its own does that computes somebody's ONNX or TensorFlow Lite network.

Their runtimes are written in C++ and are given bytes from anybody: they run where a crash, endless
work or too much memory harms nobody. The process has no other task, may write no file, and ends
with the pipe to it.

Both sides send messages of a length, 8 bytes, and so many bytes.
"""

import io
import json
import math
import os
import sys
from collections.abc import Callable
from typing import IO, Any

import numpy as np

LENGTH_BYTES = 8
MEMORY_BYTES = 6_000_000_000
# Of an error of a runtime, which may print a whole graph.
SHOWN_CHARACTERS = 200
# What the runtime puts in itself, in place of several operators.
DELEGATE = "DELEGATE"
# So many numbers are a shape rather than weights.
LONGEST_SHAPE = 6

Outputs = Callable[[np.ndarray], np.ndarray]


class UnfitError(Exception):
    """The runtime can compute it, but not from an image alone; the text is a sentence for users."""


def send(stream: IO[bytes], content: bytes) -> None:
    stream.write(len(content).to_bytes(LENGTH_BYTES, "little"))
    stream.write(content)
    stream.flush()


def receive(stream: IO[bytes]) -> bytes | None:
    """The next message; None where the other side has ended."""
    length = stream.read(LENGTH_BYTES)
    if len(length) < LENGTH_BYTES:
        return None
    content = stream.read(int.from_bytes(length, "little"))
    return content if len(content) == int.from_bytes(length, "little") else None


def packed(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.lib.format.write_array(stream, np.ascontiguousarray(array), allow_pickle=False)
    return stream.getvalue()


def unpacked(content: bytes) -> np.ndarray:
    return np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)


def main() -> None:
    """Opens the network that is sent, then computes what is sent until the pipe ends."""
    incoming = sys.stdin.buffer
    # Whatever a runtime prints must not come between the messages.
    outgoing = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    os.dup2(1, 2)
    _limit()
    header = json.loads(receive(incoming) or b"{}")
    content = receive(incoming) or b""
    beside = {name: receive(incoming) or b"" for name in header["beside"]}
    try:
        opened = (_onnx if header["form"] == "onnx" else _tflite)(content, beside, header)
    except UnfitError as error:
        send(outgoing, json.dumps({"unfit": str(error)}).encode())
        return
    except Exception as error:  # runtimes raise nearly everything
        send(outgoing, json.dumps({"problem": _shown(error)}).encode())
        return
    facts, outputs = opened
    send(outgoing, json.dumps(facts).encode())
    while (batch := receive(incoming)) is not None:
        try:
            send(outgoing, b"+" + packed(outputs(unpacked(batch)).astype(np.float32)))
        except Exception as error:
            send(outgoing, b"-" + _shown(error).encode())


def _limit() -> None:
    """Ends this process where it takes too much; Windows has no such limits."""
    try:
        import resource
    except ImportError:
        return
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))


def _shown(error: Exception) -> str:
    lines = " ".join(str(error).split())
    return (lines or type(error).__name__)[:SHOWN_CHARACTERS]


def _in_parts(part: Outputs, size: int) -> Outputs:
    """For networks that take so many images at a time, neither more nor fewer."""

    def outputs(batch: np.ndarray) -> np.ndarray:
        full = np.concatenate([batch, np.repeat(batch[-1:], -len(batch) % size, axis=0)])
        said = [part(full[start : start + size]) for start in range(0, len(full), size)]
        return np.concatenate(said)[: len(batch)]

    return outputs


def _only(inputs: list) -> Any:
    """The only one of a network's inputs."""
    if len(inputs) != 1:
        raise UnfitError(
            f"Its network takes {len(inputs)} inputs; one that reads digits takes the image alone. "
            "Export it without what only training needs, such as labels or a rate of dropout."
        )
    return inputs[0]


def _onnx(content: bytes, beside: dict[str, bytes], header: dict) -> tuple[dict, Outputs]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = 1
    if header["external"]:
        # Its own way to other files could lead to any file of this machine.
        names = list(beside)
        options.add_external_initializers_from_files_in_memory(
            names, [beside[name] for name in names], [len(beside[name]) for name in names]
        )
    session = onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
    given = _only(session.get_inputs())
    kinds = {
        "tensor(float)": np.float32, "tensor(double)": np.float64, "tensor(float16)": np.float16,
        "tensor(uint8)": np.uint8, "tensor(int8)": np.int8, "tensor(int32)": np.int32,
        "tensor(int64)": np.int64,
    }  # fmt: skip
    if given.type not in kinds:
        raise UnfitError(f"Its network takes a {given.type} instead of the numbers of an image.")
    dtype = np.dtype(kinds[given.type])

    def outputs(batch: np.ndarray) -> np.ndarray:
        return _widest(session.run(None, {given.name: _cast(batch, dtype)}), len(batch))

    batch, *shape = given.shape
    facts = {
        "shape": [side if isinstance(side, int) and side > 0 else None for side in shape],
        "is_whole": dtype.kind in "iu",
    }
    return facts, _in_parts(outputs, max(batch, 1)) if isinstance(batch, int) else outputs


def _tflite(content: bytes, beside: dict[str, bytes], header: dict) -> tuple[dict, Outputs]:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content, num_threads=1)
    given = _only(interpreter.get_input_details())
    interpreter.allocate_tensors()
    dtype, (scale, zero) = np.dtype(given["dtype"]), given["quantization"]

    def outputs(batch: np.ndarray) -> np.ndarray:
        values = batch / scale + zero if scale else batch
        interpreter.set_tensor(given["index"], _cast(values.reshape(given["shape"]), dtype))
        interpreter.invoke()
        said = []
        for one in interpreter.get_output_details():
            step, middle = one["quantization"]
            value = interpreter.get_tensor(one["index"])
            said.append((value.astype(np.float32) - middle) * step if step else value)
        return _widest(said, len(batch))

    facts = {
        "shape": [int(side) for side in given["shape"][1:]],
        "is_whole": dtype.kind in "iu" and not scale,
        "operators": [
            one["op_name"] for one in interpreter._get_ops_details() if one["op_name"] != DELEGATE
        ],
        "parameters": _parameters(content),
    }
    return facts, _in_parts(outputs, int(given["shape"][0]))


def _parameters(content: bytes) -> int:
    """How many numbers a TensorFlow Lite file keeps, but for shapes."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content)
    graph = model.Subgraphs(0)
    tensors = [graph.Tensors(place) for place in range(graph.TensorsLength())]
    sizes = [
        math.prod(one.ShapeAsNumpy().tolist())
        for one in tensors
        if one.ShapeLength() and model.Buffers(one.Buffer()).DataLength()
    ]
    return sum(size for size in sizes if size > LONGEST_SHAPE)


def _cast(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        values = np.clip(np.round(values), limits.min, limits.max)
    return np.ascontiguousarray(values, dtype)


def _widest(said: list[Any], count: int) -> np.ndarray:
    """Of several outputs, the first that has ten numbers or more for each image."""
    arrays = [one for one in said if isinstance(one, np.ndarray) and one.dtype.kind in "fiu"]
    wide = [one for one in arrays if one.size >= 10 * count]
    return (wide or arrays)[0].reshape(count, -1)


if __name__ == "__main__":
    main()
