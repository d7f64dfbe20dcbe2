"""A scalar model of 2,000 equations: a chain of joints, 10,000 samples, loss, gradient, update.

The equations are those of the derived step, 54 for a joint.
"""

import shutil
from functools import partial

import numpy as np

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

JOINTS, STEPS = 37, 20


def symgrad_fit(joints: int, dtype: str, cores: int) -> Run:
    chain, data = model(joints, dtype), samples(dtype)
    fit = partial(chain.fit, data, batch_size=SAMPLES, shuffle=False, progress=False)
    (loss,) = fit(epochs=1).loss
    check_step(joints, dtype, loss, chain.parameters["a0"].item())

    def run() -> int:
        fit(epochs=STEPS)
        return STEPS

    return run


def jax_steps(joints: int, dtype: str, cores: int) -> Run:
    parameters, columns = jax_inputs(joints, dtype)
    step = jax_step(FOCAL)
    parameters, loss = step(parameters, columns)
    check_step(joints, dtype, loss.item(), parameters[0].item())

    def run() -> int:
        nonlocal parameters
        for _ in range(STEPS):
            parameters, loss = step(parameters, columns)
        loss.block_until_ready()
        return STEPS

    return run


def by_gcc(joints: int, dtype: str, cores: int) -> Run:
    """The equations that we derived, in C."""
    from tests.bench.workloads.block_in_c import compiled

    chain, data = model(joints, dtype), samples(dtype)
    block = chain.executables.program("step").step
    step = compiled(block, dtype)
    held = [symbol for symbol, name in block.inputs.items() if not name.per_sample]
    state = np.array([chain.arrays[symbol] for symbol in held], dtype)
    loss = step(data, state)
    first = [symbol.name for symbol in held].index("a0")
    check_step(joints, dtype, loss, state[first].item())

    def run() -> int:
        for _ in range(STEPS):
            step(data, state)
        return STEPS

    return run


PEERS = {"symgrad": symgrad_fit, "JAX vmap, jit": jax_steps}
if shutil.which("gcc"):
    PEERS["C, gcc -ffast-math"] = by_gcc


def workload(dtype: str) -> Workload:
    return Workload(
        title=f"{JOINTS} joints, 2,000 scalar equations, {SAMPLES:,} samples, {dtype}",
        unit="step",
        scale="ms",
        cores=(1,),
        aim="0.5x of JAX's time, and of gcc's",
        peers=of_size(PEERS, JOINTS, dtype),
    )


ROWS = {"scalar_model": workload("float64"), "scalar_model_float32": workload("float32")}
