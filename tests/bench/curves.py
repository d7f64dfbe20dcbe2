"""Times as curves, ours and everybody's: pictures and JSON in tests/bench/results.

python -m tests.bench.curves [CURVE ...] [--rounds N] [--cores N] [--peers PEER ...]
"""

import argparse
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
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

KEYS = "processor", "median", "fastest", "slowest"
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


Found = Mapping[str, Mapping[int, dict]]  # peer -> number -> what was measured


def measured(
    name: str, rounds: int, cores: int, peers: Sequence[str], console: Console
) -> Iterator[Found]:
    """What is known after each point; peers that cannot run are left out.

    peers: what their names begin with; none: all
    """
    found: dict[str, dict[int, dict]] = {}
    with console.status(name) as status:
        for number, workload in CURVES[name].points.items():
            workload = replace(workload, peers={
                k: p for k, p in workload.peers.items() if not peers or k.startswith(tuple(peers))
            })  # fmt: skip
            for peer in in_turn(f"{name}_{number}", workload, cores, rounds, status.update):
                if peer.absent:
                    console.print(f"{workload.title}: {peer.name} is absent, {peer.absent}")
                else:
                    found.setdefault(peer.name, {})[number] = row(peer)
            yield found


def table(name: str, found: Found) -> Table:
    """Processor time, which other people's load disturbs least."""
    workload = next(iter(CURVES[name].points.values()))
    scale, made = SCALES[workload.scale], Table(title=CURVES[name].title)
    made.add_column(f"processor, {workload.scale} a {workload.unit}")
    for number in CURVES[name].points:
        made.add_column(f"{number:,}", justify="right")
    for peer, points in found.items():
        known = {n: f"{p['processor'] * scale:.4g}" for n, p in points.items()}
        made.add_row(peer, *(known.get(n, "") for n in CURVES[name].points))
    return made


def picture(name: str, found: Found, cores: int) -> Path:
    """Medians: of processor time on one core, by the clock on several, with the spread as bars."""
    from matplotlib.figure import Figure

    curve = CURVES[name]
    workload = next(iter(curve.points.values()))
    scale = SCALES[workload.scale]
    axes = Figure(figsize=(6, 4), layout="constrained").subplots()
    for peer, points in found.items():
        of = {k: [p[k] * scale for p in points.values()] for k in KEYS}
        middle, spread = of["processor"], None
        if cores > 1:
            middle = of["median"]
            spread = np.abs(np.subtract((of["fastest"], of["slowest"]), middle))
        width = 2.5 if peer == "symgrad" else 1.2
        axes.errorbar(list(points), middle, spread, label=peer, marker=".", lw=width)
    axes.set(xscale="log", yscale="log", xlabel=curve.number)
    time = f"{workload.scale} a {workload.unit}" + (", processor time" if cores == 1 else "")
    axes.set(ylabel=time, title=f"{curve.title}, {cores} core(s)")
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
    parser.add_argument("--peers", nargs="+", default=(), help="what names begin with")
    options = parser.parse_args()
    unknown = set(options.chosen) - set(CURVES)
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(CURVES)}")
    RESULTS.mkdir(exist_ok=True)
    console = Console()
    for name in options.chosen or CURVES:
        found: Found = {}
        for found in measured(name, options.rounds, options.cores, options.peers, console):
            results = {"machine": machine(), "cores": options.cores, "peers": found}
            (RESULTS / f"{name}.json").write_text(json.dumps(results, indent=1) + "\n")
        console.print(table(name, found))
        console.print(f"written: {picture(name, found, options.cores)}")


if __name__ == "__main__":
    main()
