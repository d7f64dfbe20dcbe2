"""A chain of joints: points are turned and shifted by each and seen by a pinhole camera.

After every joint a point should be seen where it is given to be seen: the residuals of that are
the loss.  The formula is written once, for SymPy's, JAX's and NumPy's functions.
"""

from collections.abc import Callable, Sequence
from itertools import count
from typing import Any

import numpy as np

SAMPLES = 10_000
NAMES = "x", "y", "z", "u", "v"  # a point, and where it is seen
START = 0.02  # every angle and shift
FOCAL = 1.5
RATE = 1e-5
OTHER = {0: (1, 2), 1: (2, 0), 2: (0, 1)}  # axis -> the coordinates that a turn about it changes


def residual(
    parameters: Sequence[Any], sample: Sequence[Any], focal: float, sin: Callable, cos: Callable,
    let: Callable[[Any], Any] = lambda value: value,
) -> Any:  # fmt: skip
    """The loss of one sample; parameters: angle, shift, angle, shift ..."""
    *point, u, v = sample
    total = 0
    for j, (angle, shift) in enumerate(zip(parameters[::2], parameters[1::2], strict=True)):
        a, b = OTHER[j % 3]
        c, s = let(cos(angle)), let(sin(angle))
        point[a], point[b] = let(c * point[a] - s * point[b]), let(s * point[a] + c * point[b])
        point[j % 3] = let(point[j % 3] + shift)
        x, y, z = point
        scale = let(focal / z)
        total = total + (let(x * scale) - u) ** 2 + (let(y * scale) - v) ** 2
    return total


def loss(joints: int, focal: float = FOCAL) -> Any:
    """The loss of one sample in symgrad's words, its intermediate values with names."""
    import sympy as sp

    import symgrad as sg

    labels = (f"q{k}" for k in count())
    parameters = [sg.parameter(f"{p}{j}", init=START) for j in range(joints) for p in "at"]
    return residual(
        parameters, sg.data(" ".join(NAMES)), focal, sp.sin, sp.cos,
        lambda value: sg.let(next(labels), value),
    )  # fmt: skip


def model(joints: int, dtype: str, focal: float = FOCAL) -> Any:
    """The chain as a model of symgrad's."""
    import symgrad as sg

    return sg.compile(loss(joints, focal), optimizer=sg.SGD(lr=RATE), dtype=dtype)


def samples(dtype: str) -> dict[str, np.ndarray]:
    """Points some way before the camera."""
    rng = np.random.default_rng(0)
    columns = [rng.standard_normal(SAMPLES) + 8 * (name == "z") for name in NAMES]
    return {name: c.astype(dtype) for name, c in zip(NAMES, columns, strict=True)}


def jax_step(focal: float) -> Callable:
    """(parameters, samples) -> new parameters, loss: compiled when it is first called."""
    import jax
    import jax.numpy as jnp

    def loss(p, columns):
        one = jax.vmap(lambda *sample: residual(p, sample, focal, jnp.sin, jnp.cos))
        return jnp.mean(one(*columns))

    def step(p, columns):
        value, gradient = jax.value_and_grad(loss)(p, columns)
        return [x - RATE * g for x, g in zip(p, gradient, strict=True)], value

    return jax.jit(step)


def jax_inputs(joints: int, dtype: str) -> tuple[list, list]:
    """Parameters and samples, as JAX's arrays; parameters one by one compile fastest."""
    import jax
    import jax.numpy as jnp

    jax.config.update("jax_enable_x64", dtype == "float64")
    parameters = [jnp.asarray(START, dtype) for _ in range(2 * joints)]
    return parameters, [jnp.asarray(column) for column in samples(dtype).values()]


def check_step(joints: int, dtype: str, loss: float, first: float, focal: float = FOCAL) -> None:
    """Raise AssertionError unless a peer's first step was right: its loss, and what it made of the
    first parameter, by NumPy in float64 and a central difference."""
    columns = list(samples("float64").values())

    def mean(change: float) -> float:
        parameters = np.full(2 * joints, START)
        parameters[0] += change
        return residual(parameters, columns, focal, np.sin, np.cos).mean()

    tolerance = {"float64": 1e-6, "float32": 1e-3}[dtype]
    slope = (mean(1e-5) - mean(-1e-5)) / 2e-5
    np.testing.assert_allclose(loss, mean(0), rtol=tolerance)
    np.testing.assert_allclose((START - first) / RATE, slope, rtol=tolerance)
