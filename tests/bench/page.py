"""Results of `make bench` as a page in Markdown, a line for each work.

python -m tests.bench.page RESULTS.json ... > PAGE.md
"""

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from pathlib import Path

from tests.bench.measure import OURS
from tests.bench.report import SCALES
from tests.bench.workload import Workload
from tests.bench.workloads import WORKLOADS

HEAD = "| work | cores | symgrad | of the best peer | aim | peers |\n|---|---|---|---|---|---|\n"
WAITS = "| what one waits for, s | median | fastest .. slowest |\n|---|---|---|\n"


def page(results: Sequence[Mapping]) -> str:
    """What was measured on one machine, in one or several runs of the benchmarks."""
    return "\n".join(section(found) for found in results)


def section(found: Mapping) -> str:
    machine = ", ".join(f"{key} {value}" for key, value in found["machine"].items())
    parts = [f"{machine}; medians of {found['rounds']} rounds (fastest .. slowest).\n"]
    if "waits" in found:
        parts.append(WAITS + "".join(map(wait, found["waits"])))
    if found["workloads"]:
        works = (lines(key, rows) for key, rows in found["workloads"].items())
        parts.append(HEAD + "".join(line for work in works for line in work))
    return "\n".join(parts)


def wait(row: Mapping) -> str:
    spread = f"{row['fastest']:.2f} .. {row['slowest']:.2f}"
    return f"| {row['wait']} | {row['median']:.2f} | {spread} |\n"


def lines(key: str, rows: Sequence[Mapping]) -> Iterator[str]:
    """A workload's lines, one for each number of cores."""
    workload = WORKLOADS[key]
    for cores, peers in groupby(rows, key=lambda row: row["cores"]):
        present = sorted(
            (row for row in peers if "absent" not in row), key=lambda row: row["median"]
        )
        others = [row for row in present if row["peer"] != OURS]
        ours = next(row for row in present if row["peer"] == OURS)
        against = f"{ours['median'] / others[0]['median']:.2f}x" if others else ""
        named = "; ".join(f"{row['peer']} {time(workload, row)}" for row in others)
        title, mine = f"{workload.title} (`{key}`)", time(workload, ours)
        yield f"| {title} | {cores} | {mine} | {against} | {workload.aim} | {named} |\n"


def time(workload: Workload, row: Mapping) -> str:
    scale = SCALES[workload.scale]
    median, *spread = (digits(row[which] * scale) for which in ("median", "fastest", "slowest"))
    return f"{median} {workload.scale} ({' .. '.join(spread)})"


def digits(x: float) -> str:
    """Three of them, more of a number above 1,000."""
    return f"{x:,.0f}" if x >= 1000 else f"{x:.3g}"


if __name__ == "__main__":
    print(page([json.loads(Path(name).read_text()) for name in sys.argv[1:]]))
