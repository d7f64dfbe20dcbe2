"""y = w x + b by SGD, one sample a step, float64, in order or shuffled."""

from dataclasses import replace
from functools import partial

import numpy as np

from tests.bench.workload import Run, Workload, of_size

RATE = 0.01


def samples(count: int) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).standard_normal(count)
    return x, 3 * x + 1


def symgrad_fit(shuffled: bool, cores: int) -> Run:
    import symgrad as sg

    x, y = sg.data("x y")
    w, b = sg.parameter("w b")
    model = sg.compile((w * x + b - y) ** 2, optimizer=sg.SGD(lr=RATE), dtype="float64")
    data = dict(zip("xy", samples(1_000_000), strict=True))

    def run() -> int:
        model.fit(data, epochs=1, batch_size=1, shuffle=shuffled, progress=False)
        return len(data["x"])

    return run


def numba_loop(fastmath: bool, shuffled: bool, cores: int) -> Run:
    """What a user would write by hand."""
    from numba import njit

    @njit(fastmath=fastmath)
    def descend(X, Y, w, b):
        for i in range(X.size):
            error = w * X[i] + b - Y[i]
            w -= RATE * 2 * error * X[i]
            b -= RATE * 2 * error
        return w, b

    @njit(fastmath=fastmath)
    def descend_in(order, X, Y, w, b):
        for i in order:
            error = w * X[i] + b - Y[i]
            w -= RATE * 2 * error * X[i]
            b -= RATE * 2 * error
        return w, b

    x, y = samples(1_000_000)
    rng = np.random.default_rng(0)

    def run() -> int:
        if shuffled:
            descend_in(rng.permutation(x.size), x, y, 0.0, 0.0)
        else:
            descend(x, y, 0.0, 0.0)
        return x.size

    return run


def jax_scan(shuffled: bool, cores: int) -> Run:
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", True)

    def loss(p, x, y):
        return (p[0] * x + p[1] - y) ** 2

    def step(p, sample):
        g = jax.grad(loss)(p, *sample)
        return (p[0] - RATE * g[0], p[1] - RATE * g[1]), None

    def epoch(key, x, y):
        if shuffled:
            order = jax.random.permutation(key, x.size)
            x, y = x[order], y[order]
        return jax.lax.scan(step, (0.0, 0.0), (x, y))[0]

    compiled, key = jax.jit(epoch), jax.random.key(0)
    x, y = map(jnp.asarray, samples(1_000_000))

    def run() -> int:
        jax.block_until_ready(compiled(key, x, y))
        return x.size

    return run


def torch_eager(cores: int) -> Run:
    import torch

    torch.set_num_threads(cores)
    x, y = map(torch.from_numpy, samples(1_000))
    w, b = (torch.zeros((), dtype=torch.float64, requires_grad=True) for _ in range(2))
    optimizer = torch.optim.SGD([w, b], lr=RATE)

    def run() -> int:
        for xi, yi in zip(x, y, strict=True):
            optimizer.zero_grad()
            ((w * xi + b - yi) ** 2).backward()
            optimizer.step()
        return x.numel()

    return run


PEERS = {
    "symgrad": symgrad_fit,
    "numba by hand": partial(numba_loop, False),
    "numba, fastmath": partial(numba_loop, True),
    "JAX scan": jax_scan,
}
ONE_SAMPLE = Workload(
    title="linear regression, one sample a step, float64",
    unit="sample",
    scale="ns",
    cores=(1,),
    aim="5 ns, then 3.5",
    peers=of_size(PEERS, False) | {"torch eager": torch_eager},
)
SHUFFLED = replace(
    ONE_SAMPLE,
    title="linear regression, one sample a step, float64, shuffled anew for each epoch",
    aim="",
    peers=of_size(PEERS, True),
)

ROWS = {"linear_regression": ONE_SAMPLE, "linear_regression_shuffled": SHUFFLED}
