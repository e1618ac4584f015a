"""Which test files need TensorFlow: read off their imports, without importing anything."""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
TENSORFLOW = {"tensorflow", "keras", "sklearn"}
OURS = {"mnist_models", "pages", "tests", "benchmarks"}


@functools.cache
def imports_tensorflow(file: Path) -> bool:
    """Whether importing a file of this project imports TensorFlow, Keras or scikit-learn, itself or
    by way of others. A test file comes with the conftest.py of its folders."""
    seen, waiting = set(), [file, *_conftests(file)]
    while waiting:
        if (one := waiting.pop()) in seen:
            continue
        seen.add(one)
        for name in _imported(ast.parse(one.read_text(encoding="utf-8")).body):
            if name.split(".")[0] in TENSORFLOW:
                return True
            waiting.extend(_files(name))
    return False


def _conftests(file: Path) -> Iterator[Path]:
    folders = [folder for folder in file.parents if folder.is_relative_to(ROOT / "tests")]
    return (folder / "conftest.py" for folder in folders if (folder / "conftest.py").exists())


def _imported(body: list[ast.stmt]) -> Iterator[str]:
    """What is imported while a file is: at its top, and in what is tried or chosen there, but for
    what only a type checker sees."""
    for node in body:
        match node:
            case ast.Import():
                yield from (alias.name for alias in node.names)
            case ast.ImportFrom():
                yield from (f"{node.module}.{alias.name}" for alias in node.names)
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                yield from _imported(node.orelse)
            case ast.If() | ast.Try() | ast.With() | ast.ClassDef():
                yield from _imported(
                    [
                        child
                        for child in ast.walk(node)
                        if isinstance(child, ast.Import | ast.ImportFrom)
                    ]
                )


def _files(name: str) -> Iterator[Path]:
    """The files of ours that an import of a module, or of something in it, imports."""
    parts = name.split(".")
    if parts[0] in OURS:
        for count in range(1, len(parts) + 1):
            place = ROOT.joinpath(*parts[:count])
            yield from filter(Path.is_file, (place / "__init__.py", place.with_suffix(".py")))
