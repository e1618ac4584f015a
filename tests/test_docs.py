"""The documentation: links, paths and commands in it exist, its picture of the house is true."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from mnist_models import commands
from mnist_models.__main__ import build_parser
from tests.test_house import MODULES, siblings

ROOT = Path(__file__).parents[1]
DOCS = [
    *(ROOT / f"{name}.md" for name in ("README", "CONTRIBUTING", "CHANGELOG", "SECURITY")),
    *sorted((ROOT / "docs").glob("*.md")),
]
README_LINES = 150
# Made while the project is used, so they need not be there.
MADE = {"saved", ".venv"}
# In an example, such a name stands for one that the reader chooses.
PLACEHOLDER = re.compile(r"\b(NAME|FOLDER|FILE|NETWORK|PAIR)\b")
FILE_ENDINGS = {".py", ".md", ".txt", ".lock", ".toml", ".cff", ".yml"}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def prose(text: str) -> str:
    """A Markdown text without its blocks of code."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)


def code(text: str) -> Iterator[str]:
    """What a Markdown text shows as code: in its sentences, and each line of its blocks for a
    shell.

    Comments are left out.
    """
    yield from re.findall(r"`([^`\n]+)`", prose(text))
    for block in re.findall(r"^```sh\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL):
        yield from (line.partition(" #")[0].strip() for line in block.splitlines())


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives the headings of a Markdown text."""
    headings = re.findall(r"^#+ +(.+)$", prose(text), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def wrong_links(text: str, folder: Path) -> list[str]:
    """The links of a Markdown text in this folder that lead nowhere within the project."""
    return [
        target
        for target in re.findall(r"\]\(([^)\s]+)\)", prose(text))
        if "://" not in target and not _leads_somewhere(target, text, folder)
    ]


def _leads_somewhere(target: str, text: str, folder: Path) -> bool:
    path, _, anchor = target.partition("#")
    if path and not (folder / path).exists():
        return False
    there = (folder / path).read_text(encoding="utf-8") if path and anchor else text
    return not anchor or anchor in anchors(there)


def wrong_paths(text: str) -> list[str]:
    """What is written as a path of the project, or as a file at its top, and is none."""
    own = {entry.name for entry in ROOT.iterdir()} - MADE
    wrong = []
    for word in " ".join(code(text)).split():
        is_path = re.fullmatch(r"[\w.\-/]+", word) and not PLACEHOLDER.search(word)
        top, _, below = word.partition("/")
        if is_path and (top in own if below else Path(word).suffix in FILE_ENDINGS):
            wrong += [] if (ROOT / word).exists() else [word]
    return wrong


def wrong_commands(text: str) -> list[str]:
    """The commands that `make`, the command line or Python would not understand."""
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([\w-]+):", makefile, flags=re.MULTILINE))
    wrong = []
    for line in code(text):
        try:
            words = shlex.split(line)
        except ValueError:  # a part of a sentence with an apostrophe
            continue
        while words and re.match(r"[A-Z_]+=", words[0]):
            del words[0]
        match words:
            case ["make", *arguments]:
                is_right = all(word in targets or "=" in word for word in arguments)
            case [_, "-m", "mnist_models", *arguments] | ["mnist-models", *arguments]:
                is_right = _is_understood(arguments)
            case [_, "-m", module, *_] if module.startswith("benchmarks."):
                is_right = (ROOT / module.replace(".", "/")).with_suffix(".py").exists()
            case _:
                continue
        wrong += [] if is_right else [line]
    return wrong


def _is_understood(arguments: list[str]) -> bool:
    """Whether the command line takes these arguments; alone, its name is only a name."""
    if not arguments:
        return True
    try:
        options = build_parser().parse_args(arguments)
        if options.command is commands.train_one:
            commands._hyperparameters(options)
    except (SystemExit, ValueError):
        return False
    return True


@pytest.fixture(params=DOCS, ids=lambda file: str(file.relative_to(ROOT)))
def doc(request):
    return request.param


def test_links_lead_somewhere(doc):
    assert wrong_links(doc.read_text(encoding="utf-8"), doc.parent) == []


def test_paths_exist(doc):
    assert wrong_paths(doc.read_text(encoding="utf-8")) == []


def test_commands_are_understood(doc, capsys):
    assert wrong_commands(doc.read_text(encoding="utf-8")) == []


def test_a_wrong_link_path_or_command_would_be_found(capsys):
    text = """# A heading, with “marks”
[here](#a-heading-with-marks) [not here](#nowhere) [gone](docs/gone.md)
[no such part](README.md#gone) [out](https://example.org/x)
`app.py`, `gone.py`, `mnist_models/gone`, `docs/NAME.md`, `saved/gone`, `README.md`
`DATABASE_URL=x make run PORT=1`, `make gone`
`python -m mnist_models` `python -m benchmarks.gone` `python -m benchmarks.page --help`
```sh
python -m mnist_models train cnn --epochs 3   # fine
python -m mnist_models train cnn --epochs 0
python -m mnist_models explain cnn
.venv/bin/streamlit run gone.py
make run gone
```
"""
    assert wrong_links(text, ROOT) == ["#nowhere", "docs/gone.md", "README.md#gone"]
    assert wrong_paths(text) == ["gone.py", "mnist_models/gone", "gone.py"]
    assert wrong_commands(text) == [
        "make gone", "python -m benchmarks.gone", "python -m mnist_models train cnn --epochs 0",
        "python -m mnist_models explain cnn", "make run gone",
    ]  # fmt: skip


def test_the_readme_is_short_and_has_one_picture():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= README_LINES
    assert len(re.findall(r"!\[", text)) == 1


def test_every_picture_is_shown_somewhere():
    shown = {
        (doc.parent / target).resolve()
        for doc in DOCS
        for target in re.findall(r"!\[[^]]*\]\(([^)]+)\)", doc.read_text(encoding="utf-8"))
    }
    assert {file.resolve() for file in (ROOT / "docs").glob("*.png")} == shown


def test_tables_that_are_written_by_commands_have_their_marks():
    from benchmarks import results

    for file, marks in (
        ("docs/models.md", commands.TABLE_MARKS),
        ("docs/measured.md", results.MARKS),
    ):
        text = (ROOT / file).read_text(encoding="utf-8")
        assert [text.count(mark) for mark in marks] == [1, 1], file


# The picture of the house.


def pictured() -> list[str]:
    """The modules of mnist_models in the order of the picture in CONTRIBUTING.md: "data.npz"."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    picture = text[text.index("\nmnist_models/") : text.index("\nbenchmarks/")]
    names, wing = [], ""
    for indent, name, ending in re.findall(r"^( +)(\w+)(/|\.py) ", picture, flags=re.MULTILINE):
        if len(indent) == 2:
            wing = f"{name}." if ending == "/" else ""
        if len(indent) == 4 or not wing:
            names.append(wing + name)
    return names


def test_the_picture_of_the_house_names_each_module_once():
    assert sorted(pictured()) == sorted(MODULES)


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_those_above_it_in_the_picture(module):
    order = pictured()
    assert siblings(MODULES[module]) <= set(order[: order.index(module)])


# Versions.


def required(file: str) -> dict[str, Requirement]:
    """What a file of requirements names itself, by name and marker."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    requirements = [
        Requirement(line) for line in lines if line and not line.startswith(("#", "-r"))
    ]
    return {requirement.name: requirement for requirement in requirements}


def locked(file: str) -> dict[str, tuple[Requirement, str]]:
    """What a lock names: by name, the requirement, and its hashes with what requires it."""
    text = (ROOT / file).read_text(encoding="utf-8")
    parts = re.findall(r"^([a-z0-9].*?)(?: \\)?\n((?: .*\n)*)", text, flags=re.MULTILINE)
    return {(requirement := Requirement(line)).name: (requirement, below) for line, below in parts}


@pytest.mark.parametrize(
    ("lock", "sources"),
    [
        ("requirements.lock", ["requirements.txt"]),
        ("requirements-dev.lock", ["requirements.txt", "requirements-dev.txt"]),
    ],
)
def test_the_lock_is_in_line_with_the_requirements(lock, sources):
    """If this fails: `make lock`."""
    entries = locked(lock)
    direct = {
        name for name, (_, below) in entries.items() if re.search(r"-r requirements\S*\.txt", below)
    }
    wanted = {name: one for source in sources for name, one in required(source).items()}
    assert direct == set(wanted)
    assert {name: entries[name][0].specifier for name in wanted} == {
        name: one.specifier for name, one in wanted.items()
    }


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-dev.lock"])
def test_everything_in_the_lock_is_pinned_with_hashes_and_no_address(lock):
    text = (ROOT / lock).read_text(encoding="utf-8")
    assert len(locked(lock)) > 50 and "://" not in text
    for requirement, below in locked(lock).values():
        assert str(requirement.specifier).startswith("==") and "--hash=sha256:" in below, (
            requirement
        )


def test_the_tests_run_with_what_the_app_runs_with():
    app, tests = locked("requirements.lock"), locked("requirements-dev.lock")
    assert {name: one.specifier for name, (one, _) in app.items()} == {
        name: tests[name][0].specifier for name in app
    }


@pytest.mark.parametrize(
    "system",
    [("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "arm64"), ("win32", "AMD64")],
    ids="-".join,
)
def test_every_system_gets_tensorflow_once(system):
    environment = dict(zip(("sys_platform", "platform_machine"), system, strict=True))
    for entries in (
        required("requirements.txt"),
        {name: one for name, (one, _) in locked("requirements.lock").items()},
    ):
        found = [
            name
            for name in ("tensorflow", "tensorflow-cpu")
            if entries[name].marker.evaluate(environment)
        ]
        assert found == (["tensorflow-cpu"] if system == ("linux", "x86_64") else ["tensorflow"])


def test_the_version_is_the_same_wherever_it_is_written():
    assert f"\nversion: {PROJECT['version']}\n" in (ROOT / "CITATION.cff").read_text(
        encoding="utf-8"
    )
    newest = re.search(
        r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE
    )
    assert newest[1] == PROJECT["version"]


def test_containers_have_a_python_that_is_supported_and_what_the_package_is_built_from():
    from packaging.specifiers import SpecifierSet

    for file in ("Dockerfile", ".devcontainer/devcontainer.json"):
        (version,) = re.findall(r"\bpython:([\d.]+)", (ROOT / file).read_text(encoding="utf-8"))
        assert version in SpecifierSet(PROJECT["requires-python"]), file
    left_out = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert not {
        "app.py",
        "pages",
        "mnist_models",
        ".streamlit",
        "pyproject.toml",
        "requirements.txt",
        "README.md",
        "LICENSE",
    } & set(left_out)


def test_the_workflow_runs_what_ci_runs():
    assert "run: bash .ci/run\n" in (ROOT / ".github/workflows/check.yml").read_text(
        encoding="utf-8"
    )
