"""What the benchmarks measured: printed, kept in `saved/benchmarks/`, and written into the README as one table.

python benchmarks/results.py README.md   puts the kept results between the table's marks.
"""

import json
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

ROOT = Path(__file__).parents[1]
KEPT = ROOT / "saved" / "benchmarks"
MARKS = ("<!-- benchmarks -->", "<!-- end of benchmarks -->")
# In the order of the table. Each is a script beside this one that takes `--help`.
BENCHMARKS = ("handwriting",)


@dataclass(frozen=True)
class Row:
    """One line of the table, as people read it. what: is measured. ours: the figure. plain: the same of what people would use
    instead, in the same run. asked: what we promise, such as "at most 240 ms"."""

    what: str
    ours: str
    plain: str = ""
    asked: str = ""


def keep(benchmark: str, rows: Sequence[Row]) -> None:
    """Prints the rows and keeps them for the README. benchmark: one of BENCHMARKS."""
    print("\n".join(table(rows)))
    KEPT.mkdir(parents=True, exist_ok=True)
    kept = {"measured": date.today().isoformat(), "machine": machine(), "rows": [asdict(row) for row in rows]}
    (KEPT / f"{benchmark}.json").write_text(json.dumps(kept, indent=1) + "\n", encoding="utf-8")


def table(rows: Sequence[Row]) -> list[str]:
    """The rows as lines of a Markdown table."""
    lines = ["| measured | ours | plain | promised |", "| --- " * 4 + "|"]
    return lines + [f"| {row.what} | {row.ours} | {row.plain} | {row.asked} |" for row in rows]


def machine() -> str:
    """The processor and the Python that measured."""
    name = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        name = next((line.split(":")[1].strip() for line in info.read_text().splitlines() if "model name" in line), name)
    return f"{name}, Python {platform.python_version()}"


def write_table(file: Path) -> str | None:
    """Puts the kept results of all benchmarks between the marks of a Markdown file; why it cannot, or None."""
    missing = [name for name in BENCHMARKS if not (KEPT / f"{name}.json").exists()]
    if missing:
        return f"Not measured yet: {', '.join(missing)}. Run benchmarks/NAME.py for each, or `make bench`."
    text = file.read_text(encoding="utf-8")
    if not all(mark in text for mark in MARKS):
        return f"{file} lacks the lines between which the table stands: {' and '.join(MARKS)}."
    kept = [json.loads((KEPT / f"{name}.json").read_text(encoding="utf-8")) for name in BENCHMARKS]
    machines = "; ".join(sorted({f"{one['machine']}, {one['measured']}" for one in kept}))
    lines = table([Row(**row) for one in kept for row in one["rows"]])
    head, tail = text[: text.index(MARKS[0])], text[text.index(MARKS[1]) :]
    file.write_text("\n".join([head + MARKS[0], f"Measured on: {machines}.", "", *lines, tail]), encoding="utf-8")
    return None


if __name__ == "__main__":
    sys.exit(write_table(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "README.md")))
