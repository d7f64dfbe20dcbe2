"""a exp(-b x) + tanh(c x) fitted to a million samples, float32: full-batch gradient and update."""

import ctypes

import numpy as np

from tests.bench.workload import Run, Workload
from tests.bench.workloads.gcc import library

SAMPLES, STEPS, RATE = 1_000_000, 20, 1e-3
START = (1.5, 0.5, 0.8)  # a, b, c

C_CODE = """
#include <math.h>
void descend(const float *x, const float *y, float *p, long n, long steps, float rate) {
  for (long s = 0; s < steps; s++) {
    float a = p[0], b = p[1], c = p[2], ga = 0, gb = 0, gc = 0;
    for (long i = 0; i < n; i++) {
      float e = expf(-b * x[i]), t = tanhf(c * x[i]), r = 2 * (a * e + t - y[i]);
      ga += r * e;
      gb -= r * a * e * x[i];
      gc += r * (1 - t * t) * x[i];
    }
    p[0] = a - rate * ga / n, p[1] = b - rate * gb / n, p[2] = c - rate * gc / n;
  }
}
"""


def samples() -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).uniform(0, 2, SAMPLES).astype(np.float32)
    return x, (2 * np.exp(-x) + np.tanh(x)).astype(np.float32)


def symgrad_fit(cores: int) -> Run:
    import sympy as sp

    import symgrad as sg

    x, y = sg.data("x y")
    a, b, c = (sg.parameter(name, init=v) for name, v in zip("abc", START, strict=True))
    loss = (a * sp.exp(-b * x) + sp.tanh(c * x) - y) ** 2
    model = sg.compile(loss, optimizer=sg.SGD(lr=RATE))
    data = dict(zip("xy", samples(), strict=True))

    def run() -> int:
        model.fit(data, epochs=STEPS, batch_size=SAMPLES, shuffle=False, progress=False)
        return STEPS * SAMPLES

    return run


def by_gcc(cores: int) -> Run:
    """What a user would write in C; libmvec's vector functions come with -ffast-math."""
    descend = library(C_CODE).descend
    arrays = (*samples(), np.array(START, np.float32))
    numbers = (ctypes.c_long(SAMPLES), ctypes.c_long(STEPS), ctypes.c_float(RATE))

    def run() -> int:
        descend(*(ctypes.c_void_p(v.ctypes.data) for v in arrays), *numbers)
        return STEPS * SAMPLES

    return run


def jax_steps(cores: int) -> Run:
    import jax
    import jax.numpy as jnp

    def loss(p, x, y):
        return jnp.mean((p[0] * jnp.exp(-p[1] * x) + jnp.tanh(p[2] * x) - y) ** 2)

    step = jax.jit(lambda p, x, y: p - RATE * jax.grad(loss)(p, x, y))
    x, y = map(jnp.asarray, samples())
    p = jnp.asarray(START)

    def run() -> int:
        nonlocal p
        for _ in range(STEPS):
            p = step(p, x, y)
        jax.block_until_ready(p)
        return STEPS * SAMPLES

    return run


def torch_eager(cores: int) -> Run:
    import torch

    torch.set_num_threads(cores)
    x, y = map(torch.from_numpy, samples())
    p = torch.tensor(START, requires_grad=True)
    optimizer = torch.optim.SGD([p], lr=RATE)

    def run() -> int:
        for _ in range(STEPS):
            optimizer.zero_grad()
            a, b, c = p
            ((a * torch.exp(-b * x) + torch.tanh(c * x) - y) ** 2).mean().backward()
            optimizer.step()
        return STEPS * SAMPLES

    return run


FULL_BATCH = Workload(
    title="a exp(-b x) + tanh(c x), a million samples, full batch, float32",
    unit="sample",
    scale="ns",
    aim="0.9x of gcc's time; 0.75 ns",
    peers={
        "symgrad": symgrad_fit,
        "C, gcc -ffast-math": by_gcc,
        "JAX per step": jax_steps,
        "torch eager": torch_eager,
    },
)

ROWS = {"curve_fit": FULL_BATCH}
