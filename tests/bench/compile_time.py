"""How long it takes until a model runs, by stages: a deep network, and a long scalar formula.

python -m tests.bench.compile_time [--rounds N] [--threads N] [--layers N] [--joints N]

Medians of processor time, in seconds.  Each round has another constant, so that no cache knows its
kernel; what Python imports for its first model is not counted.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import sympy as sp
from rich.console import Console
from rich.table import Table

import symgrad as sg
from symgrad.build import build
from symgrad.generate.cpu import generate
from symgrad.language.garbage import rare_collections
from symgrad.lower.driver import lower
from symgrad.lower.parallel import parallel
from symgrad.lower.reuse import reused
from symgrad.train.threads import get_threads
from tests.bench.workloads import rigid_chain

WIDTH, BATCH = 32, 16
EQUATIONS = 54  # of the derived step, for a joint


@dataclass(frozen=True)
class Formula:
    """A loss, and a mini-batch of data in the dtype of the model."""

    loss: sp.Expr
    data: dict[str, np.ndarray]

    @property
    def dtype(self) -> str:
        return next(iter(self.data.values())).dtype.name


def new_constant() -> float:
    """One that nobody has compiled before."""
    return 1.5 + time.time_ns() % 10**9 / 1e9


def layers(count: int) -> Formula:
    """A network of so many layers, 32 wide."""
    x, y = sg.data("x", shape=(WIDTH,)), sg.data("y", shape=(WIDTH,))
    h = x
    for k in range(count):
        W = sg.parameter(f"W{k}", shape=(WIDTH, WIDTH), init="linear")
        h = sg.let(f"h{k}", sg.relu(W @ h + sg.parameter(f"b{k}", shape=(WIDTH,))))
    rng = np.random.default_rng(0)
    data = {name: rng.standard_normal((BATCH, WIDTH)).astype("float32") for name in "xy"}
    return Formula(sg.sum((h - y) ** 2) * new_constant(), data)


def joints(count: int) -> Formula:
    """A rigid chain of so many joints, in scalars."""
    return Formula(rigid_chain.loss(count, new_constant()), rigid_chain.samples("float64"))


def stages(make: Callable[[], Formula], rule: Any) -> dict[str, float]:
    """Seconds of each stage from the formula to the end of the first step."""
    seconds: dict[str, float] = {}

    def timed(stage: str, work: Callable[..., Any], *given: Any, **more: Any) -> Any:
        begin = time.process_time()
        with rare_collections():  # as in `Executables`
            result = work(*given, **more)
        seconds[stage] = time.process_time() - begin
        return result

    formula = timed("formula", make)
    dtype, size = formula.dtype, len(next(iter(formula.data.values())))
    model = timed("capture, differentiate", sg.compile, formula.loss, rule, dtype=dtype)
    program = timed("update, simplify", model.executables.program, "step")
    kernel = timed("lower", lower, program, dtype, size)
    threads = get_threads()
    kernel = timed("threads, memory", lambda: reused(parallel(kernel, threads)))
    source = timed("generate", generate, kernel)
    model.executables.made["step", size, threads] = timed("compile", build, source)
    timed("first step", model.step, formula.data)
    return seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--layers", type=int, nargs="*", default=[50, 200])
    parser.add_argument("--joints", type=int, nargs="*", default=[19, 93])
    parser.add_argument("--threads", type=int, help="of a kernel, default: as many as cores")
    options = parser.parse_args()
    sg.set_threads(options.threads)
    formulas = {f"{n} layers of {WIDTH}": partial(layers, n) for n in options.layers}
    formulas |= {f"{n * EQUATIONS:,} scalar equations": partial(joints, n) for n in options.joints}
    table = Table(
        title=f"From a formula to its first step, {get_threads()} threads, s of processor time"
    )
    table.add_column("stage")
    columns: list[list[float]] = []
    for small in (partial(layers, 2), partial(joints, 2)):  # imports
        stages(small, sg.SGD(1e-4))
    for title, make in formulas.items():
        rounds = [stages(make, sg.SGD(1e-4)) for _ in range(options.rounds)]
        table.add_column(title, justify="right")
        medians = {stage: statistics.median(r[stage] for r in rounds) for stage in rounds[0]}
        medians["all"] = statistics.median(sum(r.values()) for r in rounds)
        columns.append(list(medians.values()))
    for stage, *row in zip(medians, *columns, strict=True):
        table.add_row(stage, *(f"{x:.2f}" for x in row))
    Console().print(table)


if __name__ == "__main__":
    main()
