"""Times as curves, ours and everybody's: pictures and JSON in tests/bench/results.

python -m tests.bench.curves [CURVE ...] [--rounds N] [--cores N]
"""

import argparse
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.measure import in_turn, row
from tests.bench.report import SCALES, machine
from tests.bench.workload import Workload
from tests.bench.workloads.curve_points import (
    ADAGRAD,
    BATCHES,
    DEPTHS,
    EQUATIONS,
    TABLES,
    WIDTHS,
)

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Curve:
    """Workloads by one number.

    title, number: for people; points: the number -> its workload
    """

    title: str
    number: str
    points: Mapping[int, Workload]


CURVES = {
    "batch": Curve("network 64-64-64-10, tanh, SGD, float32", "samples in a mini-batch", BATCHES),
    "width": Curve("network 64-n-n-10, batch 32, tanh, SGD, float32", "width n", WIDTHS),
    "depth": Curve("network of n layers of 32, batch 32, tanh, SGD, float32", "layers n", DEPTHS),
    "table": Curve("one-sample step on two rows of a table", "rows of the table", TABLES),
    "adagrad": Curve("the same with Adagrad", "rows of the table", ADAGRAD),
    "equations": Curve(
        "compilation and first step of a scalar model, float64", "equations", EQUATIONS
    ),
}


def measured(name: str, rounds: int, cores: int, console: Console) -> dict[str, dict[int, dict]]:
    """peer -> number -> what was measured."""
    found: dict[str, dict[int, dict]] = {}
    with console.status(name) as status:
        for number, workload in CURVES[name].points.items():
            for peer in in_turn(f"{name}_{number}", workload, cores, rounds, status.update):
                found.setdefault(peer.name, {})[number] = row(peer)
    return found


def table(name: str, found: Mapping[str, Mapping[int, dict]]) -> Table:
    """Processor time, which other people's load disturbs least."""
    workload = next(iter(CURVES[name].points.values()))
    scale, made = SCALES[workload.scale], Table(title=CURVES[name].title)
    made.add_column(f"processor, {workload.scale} a {workload.unit}")
    for number in CURVES[name].points:
        made.add_column(f"{number:,}", justify="right")
    for peer, points in found.items():
        made.add_row(peer, *(f"{p['processor'] * scale:.4g}" for p in points.values()))
    return made


def picture(name: str, found: Mapping[str, Mapping[int, dict]], cores: int) -> Path:
    """The medians, and the spread as bars."""
    from matplotlib.figure import Figure

    curve = CURVES[name]
    workload = next(iter(curve.points.values()))
    scale = SCALES[workload.scale]
    axes = Figure(figsize=(6, 4), layout="constrained").subplots()
    for peer, points in found.items():
        middle, low, high = (
            [p[key] * scale for p in points.values()] for key in ("median", "fastest", "slowest")
        )
        below = [m - x for m, x in zip(middle, low, strict=True)]
        above = [x - m for m, x in zip(middle, high, strict=True)]
        width = 2.5 if peer == "symgrad" else 1.2
        axes.errorbar(list(points), middle, (below, above), label=peer, marker=".", lw=width)
    axes.set(xscale="log", yscale="log", xlabel=curve.number)
    axes.set(ylabel=f"{workload.scale} a {workload.unit}", title=f"{curve.title}, {cores} core(s)")
    axes.legend(fontsize="small")
    axes.grid(alpha=0.3)
    file = RESULTS / f"{name}.png"
    axes.figure.savefig(file, dpi=80)
    return file


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("chosen", nargs="*", help=f"some of {', '.join(CURVES)}; default: all")
    parser.add_argument("--rounds", type=int, default=5, help="runs of each peer, default 5")
    parser.add_argument("--cores", type=int, default=1)
    options = parser.parse_args()
    unknown = set(options.chosen) - set(CURVES)
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(CURVES)}")
    RESULTS.mkdir(exist_ok=True)
    console = Console()
    for name in options.chosen or CURVES:
        found = measured(name, options.rounds, options.cores, console)
        results = {"machine": machine(), "cores": options.cores, "peers": found}
        (RESULTS / f"{name}.json").write_text(json.dumps(results, indent=1) + "\n")
        console.print(table(name, found))
        console.print(f"written: {picture(name, found, options.cores)}")


if __name__ == "__main__":
    main()
