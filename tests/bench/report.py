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
PACKAGES = ("numpy", "numba", "llvmlite", "sympy", "torch", "jax")


def machine() -> dict[str, object]:
    """What was measured on: processor, cores, versions."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return {
        "processor": models[0] if models else platform.processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
    }


def show(console: Console, workload: Workload, rows: list[dict]) -> None:
    """One workload's table; `times ours` is a peer's time over ours on as many cores."""
    unit = f"{workload.scale} / {workload.unit}"
    table = Table(title=workload.title, caption=f"aim: {workload.aim}" if workload.aim else None)
    table.add_column("peer")
    for heading in ("cores", unit, "fastest .. slowest", "times ours", "import + compile, s"):
        table.add_column(heading, justify="right")
    ours = {row["cores"]: row["median"] for row in rows if row["peer"] == "symgrad"}
    for row in rows:
        median, low, high = (
            row[key] * SCALES[workload.scale] for key in ("median", "fastest", "slowest")
        )
        table.add_row(
            row["peer"], str(row["cores"]), f"{median:.4g}", f"{low:.4g} .. {high:.4g}",
            f"{row['median'] / ours[row['cores']]:.2f}", f"{row['preparation_s']:.2f}",
        )  # fmt: skip
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
