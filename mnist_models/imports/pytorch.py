"""PyTorch's files, by a static walk over the opcodes of their pickle: nothing is ever unpickled.

Unpickling runs whatever code the file names. Here the names stay names: a class or function is
noted, never looked up, and "calling" it only notes with what it was called.
"""

import io
import math
import pickletools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mnist_models.imports.refusal import DAMAGED, RefusedError

MOST_OPCODES = 500_000
MOST_PICKLE_BYTES = 10_000_000
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C
DTYPES = {
    "FloatStorage": "<f4", "DoubleStorage": "<f8", "HalfStorage": "<f2", "LongStorage": "<i8",
    "IntStorage": "<i4", "ShortStorage": "<i2", "CharStorage": "i1", "ByteStorage": "u1",
    "BoolStorage": "?",
}  # fmt: skip
STATES = ("state_dict", "model_state_dict", "model", "net", "model_state", "weights", "network")
NOT_A_NETWORK = (
    "It is a Python pickle without weights of PyTorch in it (scikit-learn and joblib write such). "
    "Opening it would run code, so it is not opened here: export the model to ONNX."
)


@dataclass
class Named:
    """A class or function that a pickle names."""

    name: str


@dataclass
class Made:
    """What a pickle makes by calling something.

    Attributes:
        by: The class or function.
        given: With what it is called.
        state: What is put into it afterwards.
        items: What is set in it as in a dict.
    """

    by: Any
    given: Any = ()
    state: Any = None
    items: dict = field(default_factory=dict)


class _Walk:
    """A pickle's stack, with notes instead of objects."""

    def __init__(self) -> None:
        self.stack: list[Any] = []
        self.marks: list[int] = []
        self.memo: dict[int, Any] = {}

    def run(self, stream: io.BytesIO) -> Any:
        """What one pickle, from where the stream is, makes.

        Raises:
            RefusedError: It is damaged, or without end.
        """
        try:
            for count, (opcode, value, _) in enumerate(pickletools.genops(stream)):
                if count > MOST_OPCODES:
                    raise RefusedError("It is far too long for a network's pickle.")
                if opcode.name == "STOP":
                    return self.stack.pop()
                self._do(opcode.name, value)
        except RefusedError:
            raise
        except Exception as error:  # damage leaves anything on the stack
            raise RefusedError(DAMAGED) from error
        raise RefusedError(DAMAGED)

    def _since_mark(self) -> list:
        start = self.marks.pop()
        items = self.stack[start:]
        del self.stack[start:]
        return items

    def _do(self, name: str, value: Any) -> None:
        stack = self.stack
        match name:
            case "PROTO" | "FRAME":
                pass
            case "MARK":
                self.marks.append(len(stack))
            case "NONE" | "NEWTRUE" | "NEWFALSE":
                stack.append({"NONE": None, "NEWTRUE": True, "NEWFALSE": False}[name])
            case "EMPTY_TUPLE" | "EMPTY_LIST" | "EMPTY_DICT" | "EMPTY_SET":
                stack.append({"EMPTY_TUPLE": (), "EMPTY_DICT": {}}.get(name, []))
                if name == "EMPTY_DICT":
                    stack[-1] = {}
            case "TUPLE" | "LIST":
                items = self._since_mark()
                stack.append(tuple(items) if name == "TUPLE" else items)
            case "DICT":
                items = self._since_mark()
                stack.append({_key(k): v for k, v in zip(items[::2], items[1::2], strict=True)})
            case "TUPLE1" | "TUPLE2" | "TUPLE3":
                count = int(name[-1])
                stack[-count:] = [tuple(stack[-count:])]
            case "APPEND":
                item = stack.pop()
                self._extend([item])
            case "APPENDS" | "ADDITEMS":
                self._extend(self._since_mark())
            case "SETITEM":
                item, key = stack.pop(), stack.pop()
                self._set([key, item])
            case "SETITEMS":
                self._set(self._since_mark())
            case "GLOBAL":
                stack.append(Named(value))
            case "STACK_GLOBAL":
                attribute, module = stack.pop(), stack.pop()
                stack.append(Named(f"{module} {attribute}"))
            case "REDUCE" | "NEWOBJ":
                given, by = stack.pop(), stack.pop()
                stack.append(Made(by, given))
            case "BUILD":
                state = stack.pop()
                if isinstance(stack[-1], Made):
                    stack[-1].state = state
            case "BINPERSID":
                stack.append(Made(Named("storage"), stack.pop()))
            case "MEMOIZE":
                self.memo[len(self.memo)] = stack[-1]
            case "PUT" | "BINPUT" | "LONG_BINPUT":
                self.memo[value] = stack[-1]
            case "GET" | "BINGET" | "LONG_BINGET":
                stack.append(self.memo[value])
            case "POP":
                stack.pop()
            case "POP_MARK":
                self._since_mark()
            case "DUP":
                stack.append(stack[-1])
            case _ if value is not None:  # numbers and texts
                stack.append(value)
            case _:
                raise RefusedError(DAMAGED)

    def _extend(self, items: list) -> None:
        if isinstance(self.stack[-1], list):
            self.stack[-1].extend(items)

    def _set(self, items: list) -> None:
        target = self.stack[-1]
        place = target.items if isinstance(target, Made) else target
        for key, item in zip(items[::2], items[1::2], strict=True):
            place[_key(key)] = item


def _key(key: Any) -> Any:
    """A key of a dict; what cannot be one is of no interest."""
    return key if isinstance(key, str | int | float | bool | None) else repr(type(key))


def read_zip(files: Mapping[str, bytes]) -> dict[str, np.ndarray]:
    """The arrays of a file that PyTorch 1.6 or later wrote, by name, in order. See `arrays`."""
    content = files["data.pkl"]
    if len(content) > MOST_PICKLE_BYTES:
        raise RefusedError("It is far too long for a network's pickle.")
    if files.get("byteorder", b"little") != b"little":
        raise RefusedError("It was written on a machine with another order of bytes.")
    root = _Walk().run(io.BytesIO(content))

    def storage(key: str) -> bytes:
        if f"data/{key}" not in files:
            raise RefusedError(DAMAGED)
        return files[f"data/{key}"]

    return arrays(root, storage)


def read_legacy(content: bytes) -> dict[str, np.ndarray]:
    """The arrays of a file that an earlier PyTorch wrote: five pickles, then bare numbers."""
    stream = io.BytesIO(content)
    try:
        magic = _Walk().run(stream)
    except RefusedError as error:
        raise RefusedError(NOT_A_NETWORK) from error
    if magic != LEGACY_MAGIC:
        raise RefusedError(NOT_A_NETWORK)
    _Walk().run(stream), _Walk().run(stream)
    root = _Walk().run(stream)
    keys = _Walk().run(stream)
    sizes = _storages(root)
    stored = {}
    place = stream.tell()
    for key in keys if isinstance(keys, list) else []:
        count = int.from_bytes(content[place : place + 8], "little")
        size = count * sizes.get(str(key), 4)
        place += 8
        stored[str(key)] = content[place : place + size]
        place += size

    def storage(key: str) -> bytes:
        if key not in stored:
            raise RefusedError(DAMAGED)
        return stored[key]

    return arrays(root, storage)


def _storages(root: Any) -> dict[str, int]:
    """How many bytes a number has in each storage that is named anywhere below."""
    sizes: dict[str, int] = {}
    seen: set[int] = set()
    waiting = [root]
    while waiting:
        one = waiting.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        if isinstance(one, Made):
            if isinstance(one.by, Named) and one.by.name == "storage":
                sizes[str(one.given[2])] = np.dtype(_dtype(one.given)).itemsize
            waiting += [one.given, one.state, one.items]
        elif isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, list | tuple):
            waiting += one
    return sizes


def _dtype(given: tuple) -> str:
    kind = given[1].name.split()[-1] if isinstance(given[1], Named) else ""
    if kind not in DTYPES:
        raise RefusedError(
            f"Its weights are of the type {kind[:40]!r}: save them as ordinary floats "
            "(`model.float()`)."
        )
    return DTYPES[kind]


def arrays(root: Any, storage: Callable[[str], bytes]) -> dict[str, np.ndarray]:
    """The arrays of a state dict, or of a whole module, by name and in order.

    Args:
        root: What a walk found.
        storage: The bytes that belong to a key.

    Raises:
        RefusedError: There are none, or they reach beyond what is in the file.
    """
    try:
        tensors = _tensors(root, "", set())
        if not tensors:
            raise RefusedError(NOT_A_NETWORK)
        return {name: _array(tensor, storage) for name, tensor in tensors.items()}
    except RefusedError:
        raise
    except Exception as error:
        raise RefusedError(DAMAGED) from error


def _tensors(root: Any, prefix: str, seen: set[int]) -> dict[str, Made]:
    """The notes of tensors below a state dict, checkpoint or module, by name.

    Args:
        seen: What was looked into already: a pickle may hold itself.
    """
    if id(root) in seen:
        return {}
    seen.add(id(root))
    found: dict[str, Made] = {}
    if isinstance(root, Made):
        if (tensor := _tensor(root)) is not None:
            return {prefix or "array": tensor}
        if isinstance(root.state, dict) and "_modules" in root.state:  # a module
            state = root.state
            for part in ("_parameters", "_buffers"):
                for name, one in _dict(state.get(part)).items():
                    if isinstance(one, Made) and (tensor := _tensor(one)) is not None:
                        found[f"{prefix}{name}"] = tensor
            for name, one in _dict(state.get("_modules")).items():
                found |= _tensors(one, f"{prefix}{name}.", seen)
            return found
    items = _dict(root)
    for name, one in items.items():
        if isinstance(one, Made) and (tensor := _tensor(one)) is not None:
            found[f"{prefix}{name}"] = tensor
    if not found:
        for name in (*STATES, *items):
            if name in items and (inner := _tensors(items[name], "", seen)):
                return inner
    return found


def _dict(value: Any) -> dict:
    return value.items if isinstance(value, Made) else value if isinstance(value, dict) else {}


def _tensor(made: Made) -> Made | None:
    """The note of a tensor, out of a parameter where it is in one."""
    name = made.by.name.split()[-1] if isinstance(made.by, Named) else ""
    if name == "_rebuild_parameter" and isinstance(made.given[0], Made):
        return _tensor(made.given[0])
    return made if name == "_rebuild_tensor_v2" else None


def _array(tensor: Made, storage: Callable[[str], bytes]) -> np.ndarray:
    place, offset, shape, stride = tensor.given[:4]
    dtype = np.dtype(_dtype(place.given))
    if len(shape) != len(stride) or len(shape) > 6 or min((*shape, *stride, offset), default=0) < 0:
        raise RefusedError(DAMAGED)
    content = storage(str(place.given[2]))
    reach = offset + sum((side - 1) * step for side, step in zip(shape, stride, strict=True)) + 1
    whole = len(content) // dtype.itemsize
    if math.prod(shape) > whole or (math.prod(shape) and reach > whole):
        raise RefusedError(DAMAGED)
    flat = np.frombuffer(content, dtype, whole)
    strides = tuple(step * dtype.itemsize for step in stride)
    view = np.lib.stride_tricks.as_strided(flat[offset:], shape, strides, writeable=False)
    return view.astype(np.float32)
