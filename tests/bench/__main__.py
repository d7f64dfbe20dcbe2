"""`make bench`: symgrad and its peers on the same work, in turn, as tables and JSON.

python -m tests.bench [waits] [WORKLOAD ...] [--rounds N] [--cores N ...]
"""

import argparse
from pathlib import Path

from rich.console import Console

from tests.bench import startup
from tests.bench.measure import measure
from tests.bench.report import machine, show, show_waits, write
from tests.bench.workloads import WORKLOADS

RESULTS = Path(__file__).parent / "results" / "latest.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    chosen = ["waits", *WORKLOADS]
    parser.add_argument("chosen", nargs="*", help=f"some of {', '.join(chosen)}; default: all")
    parser.add_argument("--rounds", type=int, default=7, help="runs of each peer, default 7")
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2], help="default: 1 2")
    parser.add_argument("--output", type=Path, default=RESULTS, help="the JSON file")
    options = parser.parse_args()
    unknown = set(options.chosen) - set(chosen)
    if unknown:
        parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(chosen)}")
    chosen = options.chosen or chosen

    console = Console()
    console.width = max(console.width, 120)  # as wide as the widest table
    results: dict = {"machine": machine(), "rounds": options.rounds, "workloads": {}}
    console.print(", ".join(f"{k} {v}" for k, v in results["machine"].items()))
    if "waits" in chosen:
        with console.status("start-up times"):
            results["waits"] = startup.summarised(startup.waits(options.rounds))
        show_waits(console, results["waits"])
        write(options.output, results)
    for key in chosen:
        if key not in WORKLOADS:
            continue
        with console.status(WORKLOADS[key].title) as status:
            cores = [n for n in WORKLOADS[key].cores if n in options.cores]
            rows = measure(key, WORKLOADS[key], cores, options.rounds, status.update)
        results["workloads"][key] = rows
        show(console, WORKLOADS[key], rows)
        write(options.output, results)  # what is measured is kept if it ends here
    console.print(f"written: {options.output}")


if __name__ == "__main__":
    main()
