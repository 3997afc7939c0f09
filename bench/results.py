"""What has been measured, kept as data; the page and the plot are drawn from it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).resolve().parent
DATA, PAGE, PLOT = (HERE / n for n in ("results.json", "RESULTS.md", "results.svg"))

#: Characters in a line of a table that goes to a file.
WIDE = 240

#: A workload's entry: "title", "goal", "machine", and by library its figures' spreads
#: under "cold" and "warm".
Entry = dict[str, Any]


def load() -> dict[str, Any]:
    return json.loads(DATA.read_text()) if DATA.exists() else {}


def keep(section: str, name: str, entry: Any) -> None:
    """Put `entry` in its place in the data, and draw the page anew."""
    data = load()
    data.setdefault(section, {})[name] = entry
    DATA.write_text(json.dumps(data, indent=1) + "\n")
    PAGE.write_text(page(data), encoding="utf-8")


def seconds(value: float) -> str:
    for unit, scale in (("s", 1.0), ("ms", 1e3)):
        if value * scale >= 1:
            return f"{value * scale:.3g} {unit}"
    return f"{value * 1e6:.3g} us"


def size(value: float) -> str:
    return f"{value / 2**20:.3g} MiB"


class Sheet:
    """One table, for the terminal and as Markdown."""

    def __init__(self, title: str, *columns: str) -> None:
        self.title, self.columns = title, columns
        self.rows: list[Sequence[str]] = []

    def add(self, *cells: str) -> None:
        self.rows.append(cells)

    def show(self) -> None:
        table = Table(*self.columns, title=self.title, title_justify="left")
        for cells in self.rows:
            table.add_row(*cells)
        console = Console()
        if not console.is_terminal:  # a file is as wide as it need be
            console = Console(width=WIDE)
        console.print(table)

    def markdown(self) -> list[str]:
        rule = "|".join("---" if k == 0 else "---:" for k in range(len(self.columns)))
        lines = [f"| {' | '.join(self.columns)} |", f"|{rule}|"]
        return lines + [f"| {' | '.join(cells)} |" for cells in self.rows]


def publish(title: str, machine: str, *parts: Sheet | str) -> None:
    """Show the sheets; keep them, and the words between them, under `title`."""
    lines = [machine]
    for part in parts:
        if isinstance(part, str):
            lines += ["", *part.splitlines()]
            continue
        part.show()
        if part.title != title:
            lines += ["", f"### {part.title}"]
        lines += ["", *part.markdown()]
    keep("others", title, lines)


def median(entry: Entry, kind: str, library: str, figure: str) -> float | None:
    """The middle figure, None where it was not measured."""
    found = entry.get(kind, {}).get(library, {}).get(figure)
    return found[0] if found else None


def best_peer(entry: Entry) -> tuple[str, float] | None:
    """The library whose steps are fastest, symgraph aside."""
    times = {
        name: figures["step"][0]
        for name, figures in entry["cold"].items()
        if name != "symgraph" and "step" in figures
    }
    return min(times.items(), key=lambda item: item[1]) if times else None


def run_ratio(entry: Entry) -> float | None:
    """symgraph's time over the best peer's."""
    mine, peer = median(entry, "cold", "symgraph", "step"), best_peer(entry)
    return mine / peer[1] if mine and peer else None


def _quotient(a: float | None, b: float | None) -> str:
    return f"{a / b:.2f}" if a and b else ""


def over_best_peer(times: Mapping[str, float]) -> str:
    """symgraph's time over the least of the others', of one case."""
    others = [taken for library, taken in times.items() if library != "symgraph"]
    return _quotient(times.get("symgraph"), min(others, default=None))


def overview(workloads: dict[str, Entry]) -> Sheet:
    """One row a workload: symgraph beside the best peer, JAX and PyTensor."""
    sheet = Sheet(
        "symgraph over the best of its peers",
        "workload", "run", "best peer", "ratio", "goal",
        "cold process / JAX", "cold compile / JAX", "/ PyTensor", "from the cache",
        "peak memory / JAX",
    )  # fmt: skip
    for entry in workloads.values():
        peer = best_peer(entry)
        mine = median(entry, "cold", "symgraph", "step")
        ratio = run_ratio(entry)
        if peer is None or mine is None or ratio is None:
            continue

        def to(library: str, figure: str, entry: Entry = entry) -> str:
            return _quotient(
                median(entry, "cold", "symgraph", figure),
                median(entry, "cold", library, figure),
            )

        warm = median(entry, "warm", "symgraph", "first")
        sheet.add(
            entry["title"], seconds(mine), f"{peer[0]} {seconds(peer[1])}",
            f"{ratio:.2f}", f"{entry['goal']:.2f}", to("jax", "process"),
            to("jax", "first"), to("pytensor", "first"),
            seconds(warm) if warm else "", to("jax", "peak"),
        )  # fmt: skip
    return sheet


def detail(entry: Entry) -> Sheet:
    """One row a library."""
    sheet = Sheet(
        entry["title"],
        "", "run (least to most)", "cold process", "cold compile", "warm process",
        "warm compile", "peak memory",
    )  # fmt: skip
    for name, figures in entry["cold"].items():
        step = figures["step"]
        known = [
            median(entry, kind, name, figure)
            for kind in ("cold", "warm")
            for figure in ("process", "first")
        ]
        peak = median(entry, "cold", name, "peak")
        sheet.add(
            name,
            f"{seconds(step[0])} ({seconds(step[1])} to {seconds(step[2])})",
            *("" if t is None else seconds(t) for t in known),
            "" if peak is None else size(peak),
        )
    return sheet


def page(data: dict[str, Any]) -> str:
    """RESULTS.md."""
    lines = ["# Results", "", "Made by `make bench`; see the files beside this one."]
    workloads: dict[str, Entry] = data.get("workloads", {})
    if workloads:
        lines += ["", "## Beside other libraries", "", *_unique(workloads.values())]
        lines += ["", *overview(workloads).markdown(), "", WORDS, ""]
        lines += [f"![run time over the best peer's]({PLOT.name})"]
        for entry in workloads.values():
            lines += ["", f"### {entry['title']}", "", *detail(entry).markdown()]
    for section, entries in data.items():
        if section == "workloads":
            continue
        for title, entry in entries.items():
            lines += ["", f"## {title}", "", *entry]
    return "\n".join(lines) + "\n"


WORDS = """\
*Run*: the median over processes of the median step once all is compiled.  *Cold
process*: from starting Python to the first result, with an empty cache; *cold compile*:
the same without imports and the making of the inputs; *warm*: what an earlier process
compiled is in the cache.  *Peak memory*: at its highest until the first result, above
what it is after imports and inputs.  The first result of each process is compared with
NumPy's.  All have the same number of threads on the same cores."""


def _unique(entries: Iterable[Entry]) -> list[str]:
    return list(dict.fromkeys(entry["machine"] for entry in entries))


def plot(data: dict[str, Any]) -> None:
    """Bars: each library's time over symgraph's, by workload."""
    import matplotlib

    matplotlib.use("svg")
    import matplotlib.pyplot as plt

    workloads: dict[str, Entry] = data["workloads"]
    names = [n for e in workloads.values() for n in e["cold"] if n != "symgraph"]
    libraries = list(dict.fromkeys(names))
    figure, axes = plt.subplots(figsize=(9, 1.1 + 0.75 * len(workloads)))
    height = 0.8 / max(1, len(libraries))
    for k, library in enumerate(libraries):
        places, ratios = [], []
        for row, entry in enumerate(workloads.values()):
            theirs = median(entry, "cold", library, "step")
            mine = median(entry, "cold", "symgraph", "step")
            if theirs and mine:
                places.append(row + (k - len(libraries) / 2 + 0.5) * height)
                ratios.append(theirs / mine)
        axes.barh(places, ratios, height, label=library)
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xscale("log")
    axes.set_yticks(range(len(workloads)), [e["title"] for e in workloads.values()])
    axes.invert_yaxis()
    axes.set_xlabel("run time over symgraph's (right of the line: symgraph is faster)")
    axes.legend(fontsize="small")
    figure.tight_layout()
    plt.rcParams["svg.hashsalt"] = "symgraph"
    figure.savefig(PLOT, metadata={"Date": None})
