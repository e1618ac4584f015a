"""What an ONNX file says of itself, read without its runtime: operators, parameters, other files.

The form: https://github.com/onnx/onnx/blob/main/onnx/onnx.proto
"""

import math
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from mnist_models.imports.description import MOST_PARAMETERS
from mnist_models.imports.protobuf import fields, messages, text, varint
from mnist_models.imports.refusal import DAMAGED, RefusedError

DEEPEST = 8
MOST_NODES = 5_000
# The numbers of fields: of a model, a graph, a node, an attribute, a tensor.
GRAPH, FUNCTIONS, PRODUCER, PRODUCER_VERSION = 7, 25, 2, 3
NODES, INITIALIZERS, SPARSE_INITIALIZERS = 1, 5, 15
OPERATOR, ATTRIBUTES = 4, 5
ATTRIBUTE_TENSOR, ATTRIBUTE_GRAPH, ATTRIBUTE_TENSORS, ATTRIBUTE_GRAPHS = 5, 6, 10, 11
DIMS, NAME, EXTERNAL = 1, 8, 13
FUNCTION_NODES = 7
# What a part of a graph is.
NODE, INITIALIZER, CONSTANT = "node", "initializer", "constant"


class Summary(NamedTuple):
    """What a file says of itself.

    Attributes:
        writer: The program that wrote it: "pytorch 2.1.0".
        operators: Those of its nodes, in order.
        parameters: How many numbers its weights have.
        external: The other files in which arrays are, each array's name with its file's, where in
            it the array begins, and how many bytes it has, 0 for all that follow.
    """

    writer: str
    operators: tuple[str, ...]
    parameters: int
    external: dict[str, tuple[str, int, int]]


def summary(content: bytes) -> Summary:
    """Raises:
    RefusedError: It is damaged, or too large for a network that reads digits.
    """
    operators: list[str] = []
    external: dict[str, tuple[str, int, int]] = {}
    parameters = 0
    graphs = messages(content, GRAPH)
    if not graphs:
        raise RefusedError(DAMAGED)
    # A message that comes twice is the two together.
    parts = [part for graph in graphs for part in _walk(graph, 0)]
    for function in messages(content, FUNCTIONS):
        for node in messages(function, FUNCTION_NODES):
            parts += _node(node, 1)
    for kind, part, depth in parts:
        if kind == NODE:
            operators.append(text(part, OPERATOR))
            continue
        parameters += math.prod(_dims(part))
        if messages(part, EXTERNAL):
            if depth or kind != INITIALIZER:
                raise RefusedError(
                    "Some of its constants are in another file, which is not opened here."
                )
            external[text(part, NAME)] = _place(part)
    if len(operators) > MOST_NODES:
        raise RefusedError(f"It has more than {MOST_NODES:,} operations.")
    if parameters > MOST_PARAMETERS:
        raise RefusedError(
            f"It has {parameters:,} parameters, and at most {MOST_PARAMETERS:,} are read here."
        )
    writer = f"{text(content, PRODUCER)} {text(content, PRODUCER_VERSION)}".strip()
    return Summary(writer, tuple(operators), parameters, external)


def check_external(found: Summary, beside: Mapping[str, bytes]) -> None:
    """Raises:
    RefusedError: Files in which its arrays are, are not among those beside it.
    """
    for name, size in ((place, start + count) for place, start, count in found.external.values()):
        if name not in beside:
            raise RefusedError(
                f"Its weights are in a second file, {name[:80]!r}: bring a zip of both (PyTorch "
                "writes both into one folder; `external_data=False` keeps all in one file)."
            )
        if size > len(beside[name]):
            raise RefusedError(f"Its second file {name[:80]!r} is too short. {DAMAGED}")


def _walk(graph: bytes, depth: int) -> Iterator[tuple[str, bytes, int]]:
    """The nodes and tensors of a graph and of those inside it: what each is, itself, and how deep
    it is."""
    if depth > DEEPEST:
        raise RefusedError(f"Its graphs are nested more than {DEEPEST} deep.")
    for number, value in fields(graph):
        if not isinstance(value, bytes):
            continue
        if number == INITIALIZERS:
            yield INITIALIZER, value, depth
        elif number == SPARSE_INITIALIZERS:
            for tensor in messages(value, 1) + messages(value, 2):
                yield CONSTANT, tensor, depth
        elif number == NODES:
            yield from _node(value, depth)


def _node(node: bytes, depth: int) -> Iterator[tuple[str, bytes, int]]:
    """A node, and all that is in its attributes."""
    yield NODE, node, depth
    for attribute in messages(node, ATTRIBUTES):
        for number in (ATTRIBUTE_TENSOR, ATTRIBUTE_TENSORS):
            for tensor in messages(attribute, number):
                yield CONSTANT, tensor, depth
        for number in (ATTRIBUTE_GRAPH, ATTRIBUTE_GRAPHS):
            for inner in messages(attribute, number):
                yield from _walk(inner, depth + 1)


def _dims(tensor: bytes) -> list[int]:
    dims: list[int] = []
    for number, value in fields(tensor):
        if number != DIMS:
            continue
        if isinstance(value, int):
            dims.append(value)
        else:  # packed
            place = 0
            while place < len(value):
                size, place = varint(value, place)
                dims.append(size)
    return dims


def _place(tensor: bytes) -> tuple[str, int, int]:
    said = {text(entry, 1): text(entry, 2) for entry in messages(tensor, EXTERNAL)}
    try:
        place = said["location"], int(said.get("offset") or 0), int(said.get("length") or 0)
    except (KeyError, ValueError) as error:
        raise RefusedError(DAMAGED) from error
    if min(place[1:]) < 0:
        raise RefusedError(DAMAGED)
    return place
