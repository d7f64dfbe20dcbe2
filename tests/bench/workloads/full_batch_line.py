"""y = w x + b by full-batch gradient descent, float32: as fast as memory can be read."""

import numpy as np

from tests.bench.workload import Run, Workload, of_size

RATE = 0.01


def samples(count: int) -> tuple[np.ndarray, np.ndarray]:
    x = np.random.default_rng(0).standard_normal(count, dtype=np.float32)
    return x, 3 * x + 1


def steps(count: int) -> int:
    """Of one run: about as long for any number of samples."""
    return 40_000_000 // count


def symgrad_fit(count: int, cores: int) -> Run:
    import symgrad as sg

    x, y = sg.data("x y")
    w, b = sg.parameter("w b")
    model = sg.compile((w * x + b - y) ** 2, optimizer=sg.SGD(lr=RATE))
    data = dict(zip("xy", samples(count), strict=True))

    def run() -> int:
        model.fit(data, epochs=steps(count), batch_size=count, shuffle=False, progress=False)
        return steps(count) * count

    return run


def dot(count: int, cores: int) -> Run:
    """The limit: BLAS reads both arrays once a step and does nothing else."""
    x, y = samples(count)

    def run() -> int:
        for _ in range(steps(count)):
            x @ y
        return steps(count) * count

    return run


def numba_loop(count: int, cores: int) -> Run:
    from numba import njit

    @njit(fastmath=True)
    def descend(X, Y, w, b, times):
        for _ in range(times):
            gw = gb = np.float32(0)
            for i in range(X.size):
                error = w * X[i] + b - Y[i]
                gw += error * X[i]
                gb += error
            w -= np.float32(2 * RATE / X.size) * gw
            b -= np.float32(2 * RATE / X.size) * gb
        return w, b

    x, y = samples(count)

    def run() -> int:
        descend(x, y, np.float32(0), np.float32(0), steps(count))
        return steps(count) * count

    return run


def jax_scan(count: int, cores: int) -> Run:
    import jax
    import jax.numpy as jnp

    def step(p, _):
        loss = lambda p: jnp.mean((p[0] * x + p[1] - y) ** 2)  # noqa: E731
        g = jax.grad(loss)(p)
        return (p[0] - RATE * g[0], p[1] - RATE * g[1]), None

    x, y = map(jnp.asarray, samples(count))
    fit = jax.jit(lambda p: jax.lax.scan(step, p, None, length=steps(count))[0])

    def run() -> int:
        jax.block_until_ready(fit((0.0, 0.0)))
        return steps(count) * count

    return run


def torch_eager(count: int, cores: int) -> Run:
    import torch

    torch.set_num_threads(cores)
    x, y = map(torch.from_numpy, samples(count))
    w, b = (torch.zeros((), requires_grad=True) for _ in range(2))
    optimizer = torch.optim.SGD([w, b], lr=RATE)

    def run() -> int:
        times = max(steps(count) // 10, 1)
        for _ in range(times):
            optimizer.zero_grad()
            ((w * x + b - y) ** 2).mean().backward()
            optimizer.step()
        return times * count

    return run


PEERS = {
    "symgrad": symgrad_fit, "BLAS dot, the limit": dot, "numba, fastmath": numba_loop,
    "JAX scan": jax_scan, "torch eager": torch_eager,
}  # fmt: skip


def workload(count: int) -> Workload:
    return Workload(
        title=f"linear regression, {count:,} samples, full batch, float32",
        unit="sample",
        scale="ns",
        aim="1.3x of the time to read the data",
        peers=of_size(PEERS, count),
    )


ROWS = {f"line_{name}": workload(count) for name, count in {"1e4": 10_000, "1e6": 10**6}.items()}
