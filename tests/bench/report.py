"""The results as tables for people and as JSON."""

import json
import os
import platform
from importlib.metadata import version
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench.workload import Workload

SCALES = {"ns": 1e9, "us": 1e6, "ms": 1e3, "s": 1.0}
TIMES = ("median", "fastest", "slowest", "processor")
PACKAGES = ("numpy", "numba", "llvmlite", "sympy", "torch", "jax")


def machine() -> dict[str, object]:
    """What was measured on: processor, cores, versions."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().split("\n\n")[0].splitlines() if cpuinfo.exists() else []
    told = dict(map(str.strip, line.partition(":")[::2]) for line in lines)
    return {
        "processor": told.get("model name", platform.processor()),
        **{key: told[key] for key in ("cpu family", "model") if key in told},
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
    }


def show(console: Console, workload: Workload, rows: list[dict]) -> None:
    """One workload's table.

    Times are by the clock, but for `processor`, which other people's load does not disturb;
    `times ours` is a peer's time over ours on as many cores.
    """
    unit = f"{workload.scale} / {workload.unit}"
    table = Table(title=workload.title, caption=f"aim: {workload.aim}" if workload.aim else None)
    table.add_column("peer")
    headings = "cores", unit, "fastest .. slowest", "processor", "times ours", "import + compile, s"
    for heading in headings:
        table.add_column(heading, justify="right")
    ours = {row["cores"]: row["median"] for row in rows if row["peer"] == "symgrad"}
    for row in rows:
        if "absent" in row:
            table.add_row(row["peer"], str(row["cores"]), "does not run here")
            continue
        scaled = {key: f"{row[key] * SCALES[workload.scale]:.4g}" for key in TIMES}
        table.add_row(
            row["peer"],
            str(row["cores"]),
            scaled["median"],
            f"{scaled['fastest']} .. {scaled['slowest']}",
            scaled["processor"],
            f"{row['median'] / ours[row['cores']]:.2f}",
            f"{row['preparation_s']:.2f}",
        )
    console.print(table)


def show_waits(console: Console, rows: list[dict]) -> None:
    table = Table(title="What one waits for, s")
    table.add_column("wait")
    for heading in ("median", "fastest .. slowest"):
        table.add_column(heading, justify="right")
    for row in rows:
        spread = f"{row['fastest']:.2f} .. {row['slowest']:.2f}"
        table.add_row(row["wait"], f"{row['median']:.2f}", spread)
    console.print(table)


def write(path: Path, results: dict) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(results, indent=1) + "\n")
