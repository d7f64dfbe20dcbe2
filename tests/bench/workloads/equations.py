"""From a formula to the first step's numbers, against the number of equations."""

from collections.abc import Callable
from itertools import count

from tests.bench.workload import Run, Workload, of_size
from tests.bench.workloads.rigid_chain import (
    FOCAL,
    SAMPLES,
    check_step,
    jax_inputs,
    jax_step,
    model,
    samples,
)

JOINTS = {100: 2, 300: 6, 1_000: 19, 3_000: 56}  # equations of the derived step -> joints


def anew(joints: int, compile_and_step: Callable[[float], tuple[float, float]]) -> Run:
    """Every run compiles another constant, which no cache knows, and takes one step.

    The first, which is not in the median, is checked."""
    changes = count(1)
    check_step(joints, "float64", *compile_and_step(FOCAL))

    def run() -> int:
        compile_and_step(FOCAL + 1e-3 * next(changes))
        return 1

    return run


def symgrad_compiles(joints: int, cores: int) -> Run:
    data = samples("float64")

    def compile_and_step(focal: float) -> tuple[float, float]:
        chain = model(joints, "float64", focal)
        history = chain.fit(data, epochs=1, batch_size=SAMPLES, shuffle=False, progress=False)
        return history.loss[0], chain.parameters["a0"].item()

    return anew(joints, compile_and_step)


def jax_compiles(joints: int, cores: int) -> Run:
    parameters, columns = jax_inputs(joints, "float64")

    def compile_and_step(focal: float) -> tuple[float, float]:
        new, loss = jax_step(focal)(parameters, columns)
        return loss.item(), new[0].item()

    return anew(joints, compile_and_step)


PEERS = {"symgrad": symgrad_compiles, "JAX vmap, jit": jax_compiles}


def workload(equations: int) -> Workload:
    return Workload(
        title=f"compilation of {equations:,} scalar equations, float64",
        unit="compile",
        scale="s",
        cores=(1,),
        aim="0.2 s for a thousand equations",
        peers=of_size(PEERS, JOINTS[equations]),
    )


EQUATIONS = {n: workload(n) for n in JOINTS}
