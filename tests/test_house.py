"""How the project is built: no screen below the pages, imports one way, one place that tells
networks apart."""

import ast
import re
import subprocess
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "mnist_models"
# A wing imports only from itself and the wings before it, a module only from those before it.
WINGS = {
    "data": (
        "npz", "dataset", "probabilities", "segments", "pictures", "paper",
        "ink", "underlines", "marks", "preprocessing", "numbers", "shifts", "corruptions",
        "strokes", "augmentation", "pens", "skeletons", "styles", "outliers",
    ),
    "settings": ("hyperparameters", "links", "script", "notebook", "recipes"),
    "models": (
        "intervals", "predictions", "calibration", "reader", "folded", "portable",
        "networks", "classifier", "swift", "evaluation", "formats", "saving", "fast_layers",
        "precision",
    ),
    "imports": (
        "refusal", "containers", "protobuf", "description", "hdf5", "layers", "keras_config",
        "weights", "savedmodel", "tfjs", "pytorch", "guess", "reading", "archive", "feeding",
        "diagnosis", "rebuild", "rebuilt", "sequence", "chain", "onnx_file", "runtime", "foreign",
        "bring", "words", "findings", "imported", "learning", "as_ours", "mistakes", "recipe",
    ),
    "handwriting": (
        "collection", "splits", "idx", "matlab", "means", "orientation", "arrays", "files",
        "exports", "sheet", "light", "sheet_marks", "sheet_photo", "traits", "differences",
    ),
    "training": ("checkpoints", "material", "progress", "batches", "learner", "loop"),
    "runs": (
        "pretrained", "tables", "class_tables",
        "database", "store", "loading", "comparison", "race", "worker",
        "cluster", "engine", "rights", "classes", "games", "passing_on", "exports",
    ),
    "explain": (
        "slices", "robustness", "contrasts", "activations", "feature_maps", "explanations",
        "neighbours", "history",
    ),
}  # fmt: skip
ORDER = [
    "errors",
    "tensorflow_loader",
    "class_address",
    "limits",
    *(f"{wing}.{module}" for wing, modules in WINGS.items() for module in modules),
    "reading",
    "commands",
    "__main__",
]
# The wings' own __init__.py is empty: a wing has modules that need TensorFlow beside those that
# must be quick.
MODULES = {
    ".".join(
        part for part in file.relative_to(PACKAGE).with_suffix("").parts if part != "__init__"
    ): file
    for file in sorted(PACKAGE.rglob("*.py"))
    if file.name != "__init__.py" or file.read_text(encoding="utf-8")
}
MODULES.pop("", None)
# What imports TensorFlow, Keras or scikit-learn.
SLOW = {
    "data.augmentation", "models.networks", "models.classifier", "models.evaluation",
    "models.saving", "models.fast_layers", "models.precision", "imports.rebuild", "imports.rebuilt",
    "imports.chain", "imports.bring", "imports.words", "imports.findings", "imports.imported",
    "imports.learning", "imports.mistakes", "training.batches", "training.learner", "training.loop",
    "runs.loading", "runs.passing_on", "runs.exports", "explain.activations",
    "explain.feature_maps", "explain.history",
}  # fmt: skip
OURS = [*sorted(PACKAGE.rglob("*.py")), *sorted((ROOT / "pages").rglob("*.py")), ROOT / "app.py"]


def parsed(file):
    return ast.parse(file.read_text(encoding="utf-8"), str(file))


def imported_modules(file):
    """The full names of all that a file imports, wherever in it."""
    for node in ast.walk(parsed(file)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def siblings(file):
    """The modules of the package that a file imports."""
    names = (name.removeprefix("mnist_models.") for name in imported_modules(file))
    return {name for name in names if name in MODULES}


def test_every_module_has_its_place_in_the_order():
    assert set(ORDER) == set(MODULES)


@pytest.mark.parametrize("module", ORDER)
def test_imports_point_one_way(module):
    assert siblings(MODULES[module]) <= set(ORDER[: ORDER.index(module)])


def test_the_order_is_told_by_imports_that_are_there():
    """So that the test above can fail: these it must find, at the top of a module and inside a
    function."""
    assert "settings.hyperparameters" in siblings(MODULES["models.networks"])
    assert "training.loop" in siblings(MODULES["runs.worker"])
    assert "models.evaluation" in siblings(MODULES["training.loop"])


def test_the_package_itself_imports_none_of_its_modules():
    assert siblings(PACKAGE / "__init__.py") == set()


def printed_by(code: str) -> list[str]:
    """The lines that Python code prints in a process of its own."""
    command = [sys.executable, "-c", code]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout.splitlines()


@pytest.mark.tensorflow
def test_training_knows_nothing_of_the_store_and_no_module_of_streamlit():
    """A worker that only trains needs neither; one process shows both, since importing TensorFlow
    takes seconds."""
    code = f"""
import importlib, sys
sys.modules["streamlit"] = None  # an import of it raises ImportError
try:
    import streamlit
except ImportError:
    print("no streamlit")
import mnist_models.training.loop
print("keras" in sys.modules, "sqlalchemy" in sys.modules)
for module in {ORDER}:
    importlib.import_module(f"mnist_models.{{module}}")
print("all imported")
"""
    assert printed_by(code) == ["no streamlit", "True False", "all imported"]


def test_pages_can_be_shown_before_tensorflow_is_there():
    """Importing it takes seconds: what every page needs must not."""
    quick = [name for name in ORDER if name not in SLOW]
    code = f"""
import importlib, sys
for module in {quick}:
    importlib.import_module(f"mnist_models.{{module}}")
print(sorted({{"tensorflow", "keras", "sklearn"}} & set(sys.modules)))
"""
    assert printed_by(code) == ["[]"]


@pytest.mark.parametrize("file", OURS, ids=lambda file: str(file.relative_to(ROOT)))
def test_networks_are_told_apart_in_one_place(file):
    """Everywhere else a table with a row for each network serves, so that a third one needs no
    search."""
    compared = [
        node.lineno
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.Compare)
        for side in (node.left, *node.comparators)
        if isinstance(side, ast.Constant) and side.value in ("dnn", "cnn")
    ]
    assert not compared or file == PACKAGE / "models" / "networks.py"


@pytest.mark.parametrize("file", OURS, ids=lambda file: str(file.relative_to(ROOT)))
def test_every_chart_can_be_in_large_type(file):
    """There is one function that draws them."""
    drawn = [
        node
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.Attribute) and node.attr.endswith("_chart")
    ]
    assert not drawn or file == ROOT / "pages" / "parts" / "large_type.py"


def test_what_is_required_is_what_is_imported():
    """No dependency that is not used, and none that is only there because another one brings it."""
    lines = (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    required = {line.split("==")[0] for line in lines if line and not line.startswith("#")}
    required.discard("tensorflow-cpu")  # TensorFlow's other distribution, on some machines
    imported = {name.split(".")[0] for file in OURS for name in imported_modules(file)}
    own = {"mnist_models", "pages", *sys.stdlib_module_names}
    # Of pydantic, a part in a package of its own, whose version it fixes.
    outside = imported - own - {"pydantic_core"}
    distributions = packages_distributions()
    assert required == {
        re.sub("[_.]", "-", distributions[name][0].lower()).removesuffix("-cpu") for name in outside
    }


@pytest.mark.parametrize("file", OURS, ids=lambda file: str(file.relative_to(ROOT)))
def test_one_module_knows_where_the_selected_model_is_kept(file):
    """Others ask it, so that the session's keys can change in one place."""
    keys = [
        node.value
        for node in ast.walk(parsed(file))
        if isinstance(node, ast.Constant)
        and isinstance(node.value, str)
        and re.match(r"(reads|selected)-(next)?$", node.value)
    ]
    assert bool(keys) == (file == ROOT / "pages" / "parts" / "selection.py")
