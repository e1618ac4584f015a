"""What the benchmarks measure: in parts, each printed, kept in `saved/benchmarks/`, and written as
one table.

python -m benchmarks.results docs/measured.md   puts the kept results between the table's marks.
"""

import argparse
import json
import platform
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "saved" / "benchmarks"
MARKS = ("<!-- benchmarks -->", "<!-- end of benchmarks -->")
# The parts of each benchmark in the order of the table. Each benchmark is a module beside this one,
# started from the project's folder: `python -m benchmarks.page --help`.
BENCHMARKS = {
    "handwriting": ("test set", "strokes", "pairs", "non-digits", "pictures"),
    "training": ("same", "headline", "script", "watching", "augmentation", "utilisation", "class"),
    "page": ("strokes", "earlier", "live", "pages", "starts"),
    "classroom": ("classes", "training", "limit", "writing"),
    "lessons": ("claims", "speed"),
    "install": ("install", "memory"),
}


@dataclass(frozen=True)
class Row:
    """One line of the table, as people read it. what: is measured. ours: the figure. plain: the
    same of what people would use instead, in the same run. asked: what we promise, such as "at most
    240 ms"."""

    what: str
    ours: str
    plain: str = ""
    asked: str = ""


# What measures one part of a benchmark. It gets a folder of its own, which is gone afterwards.
Part = Callable[[Path], Iterator[Row]]


def main(
    benchmark: str,
    description: str,
    parts: Mapping[str, Part],
    options: Sequence[argparse.ArgumentParser] = (),
) -> None:
    """The command line of a benchmark: measures and keeps each of its parts, or those that are
    asked for; of a part that has no rows, what is kept stays. options: further ones, which parts
    read themselves."""
    parser = argparse.ArgumentParser(description=description, parents=options)
    parser.add_argument(
        "--only",
        nargs="+",
        choices=parts,
        help="measure these parts; of the others, what is kept stays",
    )
    for part in parser.parse_args().only or parts:
        with tempfile.TemporaryDirectory() as folder:
            if rows := list(parts[part](Path(folder))):
                keep(benchmark, part, rows)


def keep(benchmark: str, part: str, rows: Sequence[Row]) -> None:
    """Prints the rows and keeps them for the table. part: of those in BENCHMARKS."""
    print("\n".join(table(rows)), flush=True)
    file = _file(benchmark, part)
    file.parent.mkdir(parents=True, exist_ok=True)
    kept = {
        "measured": date.today().isoformat(),
        "machine": machine(),
        "rows": [asdict(row) for row in rows],
    }
    file.write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def _file(benchmark: str, part: str) -> Path:
    return KEPT / f"{benchmark}, {part}.json"


def table(rows: Sequence[Row]) -> list[str]:
    """The rows as lines of a Markdown table."""
    lines = ["| measured | ours | plain | promised |", "| --- " * 4 + "|"]
    return lines + [f"| {row.what} | {row.ours} | {row.plain} | {row.asked} |" for row in rows]


def machine() -> str:
    """The processor and the Python that measured."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        name = next(
            (
                line.split(":")[1].strip()
                for line in info.read_text().splitlines()
                if "model name" in line
            ),
            name,
        )
    return f"{name}, Python {platform.python_version()}"


def write_table(file: Path) -> str | None:
    """Puts what is kept of all benchmarks between the marks of a Markdown file; what is missing, or
    None."""
    text = file.read_text(encoding="utf-8")
    if not all(mark in text for mark in MARKS):
        return f"{file} lacks the lines between which the table stands: {' and '.join(MARKS)}."
    every = [(name, part) for name, parts in BENCHMARKS.items() for part in parts]
    missing = [f"{name} ({part})" for name, part in every if not _file(name, part).exists()]
    files = [_file(*one) for one in every if _file(*one).exists()]
    kept = [json.loads(one.read_text(encoding="utf-8")) for one in files]
    machines = "; ".join(sorted({f"{one['machine']}, {one['measured']}" for one in kept}))
    lines = table([Row(**row) for one in kept for row in one["rows"]])
    head, tail = text[: text.index(MARKS[0])], text[text.index(MARKS[1]) :]
    file.write_text(
        "\n".join([head + MARKS[0], f"Measured on: {machines}.", "", *lines, tail]),
        encoding="utf-8",
    )
    if missing:
        how = "Run `python -m benchmarks.NAME` for each, or `make bench`."
        return f"Not measured yet, so not in the table: {', '.join(missing)}. {how}"
    return None


if __name__ == "__main__":
    sys.exit(write_table(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "docs" / "measured.md")))
