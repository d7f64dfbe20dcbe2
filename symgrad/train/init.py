"""How parameters start: torch.nn.init's distributions by their usual names.

    sg.parameter("W", shape=(10, 784), init="kaiming_uniform")
    sg.parameter("W", shape=(784, 10), init=sg.init.kaiming_uniform(fan_in=784))   # for x @ W

Of a shape (out, in, *kernel), fan_in is in * prod(kernel) and fan_out is out * prod(kernel).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from symgrad.language.aligned import aligned_copy, aligned_empty
from symgrad.language.arguments import array_of, real, whole
from symgrad.language.free_memory import check_free
from symgrad.train.names import unknown

Shape = tuple[int, ...]
Draw = Callable[["np.random.Generator", Shape], np.ndarray]
PIECE = 2**16  # elements that are drawn at a time, in float64


@dataclass(frozen=True, eq=False)
class Elementwise:
    """A draw whose elements are independent: the whole is its pieces, drawn one after the other.

    of: the shape of the whole -> the draw of its elements, in any shape

    >>> whole = normal()(np.random.default_rng(0), (2, 3))
    >>> bool((normal().filled(np.random.default_rng(0), np.empty((2, 3))) == whole).all())
    True
    """

    of: Callable[[Shape], Draw]

    def __call__(self, rng: np.random.Generator, shape: Shape) -> np.ndarray:
        return self.of(shape)(rng, shape)

    def filled(self, rng: np.random.Generator, array: np.ndarray) -> np.ndarray:
        """A new array, in memory order, with these values; they need little memory besides."""
        draw, flat = self.of(array.shape), array.reshape(-1)
        for start in range(0, array.size, PIECE):
            piece = flat[start : start + PIECE]
            piece[:] = draw(rng, piece.shape)
        return array


def initial(name: str, shape: Shape, init: Any, seed: int, dtype: Any = np.float64) -> np.ndarray:
    """The first value of a parameter, of the given shape and dtype; depends on these alone.

    init: number, array, name or callable(rng, shape); None is 0 for rank 0 and 1 and an error
    for higher ranks, where equal rows would stay equal for ever.
    """
    if init is None:
        if len(shape) > 1:
            raise ValueError(
                f"parameter {name!r} of shape {shape} needs an init: a name such as 'linear' or "
                "'kaiming_uniform', a number, an array, or callable(rng, shape)"
            )
        init = 0.0
    if isinstance(init, str):
        init = _named(name, init)
    if callable(init):
        rng = np.random.default_rng([seed, *name.encode("utf-8", "surrogatepass")])
        if isinstance(init, Elementwise):
            return init.filled(rng, aligned_empty(shape, dtype))
        init = init(rng, shape)
    return as_values(init, shape, f"the init of parameter {name!r}", dtype)


def as_values(value: Any, shape: Shape, what: str, dtype: Any = np.float64) -> np.ndarray:
    """Real numbers of exactly this shape, or one number for all, as a new array."""
    array = array_of(value, what)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{what} wants real numbers, not {value!r} of dtype {array.dtype}")
    if array.shape not in ((), shape):
        raise ValueError(f"{what} has shape {array.shape}; expected {shape}")
    check_free(math.prod(shape) * np.dtype(dtype).itemsize, f"{what}, of shape {shape},")
    return held_in(np.broadcast_to(array, shape), np.dtype(dtype), what)


def held_in(array: np.ndarray, dtype: np.dtype, what: str) -> np.ndarray:
    """A copy of this dtype; ValueError where it would make a number infinite."""
    try:
        with np.errstate(over="raise"):
            return aligned_copy(array, dtype)
    except FloatingPointError:
        largest = np.abs(array[np.isfinite(array)]).max()
        raise ValueError(
            f"{what} holds {largest}, which {dtype} cannot hold"
            + ("; compile with dtype='float64'" if dtype == np.float32 else "")
        ) from None


def _named(parameter: str, name: str) -> Draw:
    if name not in INITS:
        raise ValueError(f"parameter {parameter!r}: {unknown('init', name, INITS)}")
    return INITS[name]()


# --- distributions --------------------------------------------------------------------------------


def uniform(a: float = 0.0, b: float = 1.0) -> Elementwise:
    """U(a, b)."""
    a, b = real(a, "init 'uniform': a"), real(b, "init 'uniform': b")
    if not 0 <= b - a < math.inf:
        raise ValueError(f"init 'uniform' draws from a to b, which are {a:g} and {b:g}")
    return Elementwise(lambda whole: lambda rng, shape: rng.uniform(a, b, shape))


def normal(mean: float = 0.0, std: float = 1.0) -> Elementwise:
    """N(mean, std**2)."""
    mean, std = _normal("normal", mean, std)
    return Elementwise(lambda whole: lambda rng, shape: rng.normal(mean, std, shape))


def trunc_normal(mean: float = 0.0, std: float = 1.0, a: float = -2.0, b: float = 2.0) -> Draw:
    """N(mean, std**2) within [a, b], by the inverse of its distribution function."""

    mean, std = _normal("trunc_normal", mean, std)
    a, b = real(a, "init 'trunc_normal': a"), real(b, "init 'trunc_normal': b")
    if not (a < b and std):
        raise ValueError(
            f"init 'trunc_normal' draws between a and b, which are {a:g} and {b:g}, std {std:g}"
        )

    def draw(rng: np.random.Generator, shape: Shape) -> np.ndarray:
        from scipy.special import ndtr, ndtri

        low, high = ndtr((a - mean) / std), ndtr((b - mean) / std)
        return np.clip(mean + std * ndtri(rng.uniform(low, high, shape)), a, b)

    return Elementwise(lambda whole: draw)


def _normal(name: str, mean: Any, std: Any) -> tuple[float, float]:
    """The two numbers of a normal distribution, checked."""
    mean, std = real(mean, f"init {name!r}: mean"), real(std, f"init {name!r}: std")
    if not (math.isfinite(mean) and 0 <= std < math.inf):
        raise ValueError(f"init {name!r}: mean {mean:g} and std {std:g} are no distribution's")
    return mean, std


def zeros() -> Elementwise:
    """All 0."""
    return Elementwise(lambda whole: lambda rng, shape: np.zeros(shape))


def ones() -> Draw:
    """All 1."""
    return Elementwise(lambda whole: lambda rng, shape: np.ones(shape))


def eye() -> Draw:
    """1 on the diagonal of a matrix, 0 elsewhere."""

    def draw(rng: np.random.Generator, shape: Shape) -> np.ndarray:
        if len(shape) != 2:
            raise ValueError(f"init 'eye' wants a matrix, not the shape {shape}")
        return np.eye(*shape)

    return draw


def orthogonal(gain: float = 1.0) -> Draw:
    """Orthonormal rows or columns, whichever are fewer, of (shape[0], the rest), times gain.

    The Q of a normal matrix's QR with R's diagonal positive is uniformly distributed: F. Mezzadri,
    How to generate random matrices from the classical compact groups, 2007.
    """

    gain = _gain("orthogonal", gain)

    def draw(rng: np.random.Generator, shape: Shape) -> np.ndarray:
        if len(shape) < 2:
            raise ValueError(f"init 'orthogonal' wants rank 2 or more, not the shape {shape}")
        rows, columns = shape[0], math.prod(shape[1:])
        tall = rng.normal(size=(max(rows, columns), min(rows, columns)))
        q, r = np.linalg.qr(tall)
        q = q * np.where(np.diagonal(r) < 0, -1.0, 1.0)
        return gain * (q if rows >= columns else q.T).reshape(shape)

    return draw


# --- scaled by the number of connections ----------------------------------------------------------


def linear(fan_in: int | None = None) -> Draw:
    """U(-k, k) with k = 1/sqrt(fan_in), as torch.nn.Linear starts its weight and bias."""
    return _scaled("linear", lambda n, _: 1 / math.sqrt(3 * n), "uniform", fan_in, 1)


def xavier_uniform(
    gain: float = 1.0, fan_in: int | None = None, fan_out: int | None = None
) -> Draw:
    """U(-k, k) of variance gain**2 2/(fan_in + fan_out).  Glorot and Bengio 2010."""
    return _scaled("xavier_uniform", _xavier(gain), "uniform", fan_in, fan_out)


def xavier_normal(gain: float = 1.0, fan_in: int | None = None, fan_out: int | None = None) -> Draw:
    """Normal of variance gain**2 2/(fan_in + fan_out).  Glorot and Bengio 2010."""
    return _scaled("xavier_normal", _xavier(gain), "normal", fan_in, fan_out)


def kaiming_uniform(
    a: float = 0.0, mode: str = "fan_in", fan_in: int | None = None, fan_out: int | None = None
) -> Draw:
    """U(-k, k) of variance 2/(1 + a**2)/fan, for a leaky relu of slope a.  He et al. 2015."""
    return _scaled("kaiming_uniform", _kaiming(a, mode), "uniform", fan_in, fan_out)


def kaiming_normal(
    a: float = 0.0, mode: str = "fan_in", fan_in: int | None = None, fan_out: int | None = None
) -> Draw:
    """Normal of variance 2/(1 + a**2)/fan, for a leaky relu of slope a.  He et al. 2015."""
    return _scaled("kaiming_normal", _kaiming(a, mode), "normal", fan_in, fan_out)


def _gain(name: str, gain: Any) -> float:
    """What a draw is multiplied by, checked."""
    number = real(gain, f"init {name!r}: the gain")
    if not math.isfinite(number):
        raise ValueError(f"init {name!r}: the gain is {number:g}")
    return number


def _xavier(gain: float) -> Callable[[float, float], float]:
    gain = _gain("xavier", gain)
    return lambda n_in, n_out: gain * math.sqrt(2 / (n_in + n_out))


def _kaiming(a: float, mode: str) -> Callable[[float, float], float]:
    a = _gain("kaiming", a)
    if mode not in ("fan_in", "fan_out"):
        raise ValueError(f"kaiming: mode is 'fan_in' or 'fan_out', not {mode!r}")
    gain = math.sqrt(2 / (1 + a * a))
    return lambda n_in, n_out: gain / math.sqrt(n_in if mode == "fan_in" else n_out)


def _scaled(
    name: str, deviation: Callable[[float, float], float], kind: str,
    fan_in: int | None, fan_out: int | None,
) -> Draw:  # fmt: skip
    """A distribution around 0 with the standard deviation that follows from the fans."""
    for fan, given in (("fan_in", fan_in), ("fan_out", fan_out)):
        if given is not None and not 0 < whole(given, f"init {name!r}: {fan}") < 2**63:
            raise ValueError(f"init {name!r}: {fan} is {given}, and counts connections")

    def of(shape: Shape) -> Draw:
        if len(shape) < 2 and None in (fan_in, fan_out):
            raise ValueError(
                f"init {name!r} cannot tell fan_in and fan_out from the shape {shape}: give them, "
                f"as in sg.init.{name}(fan_in=784)"
            )
        if 0 in shape:  # no elements, and no connections
            return zeros().of(shape)
        kernel = math.prod(shape[2:])
        std = deviation(
            shape[1] * kernel if fan_in is None else fan_in,
            shape[0] * kernel if fan_out is None else fan_out,
        )
        k = std * math.sqrt(3)
        return (normal(0, std) if kind == "normal" else uniform(-k, k)).of(shape)

    return Elementwise(of)


INITS: dict[str, Callable[..., Draw]] = {
    f.__name__: f
    for f in (
        uniform, normal, trunc_normal, zeros, ones, eye, orthogonal, linear,
        xavier_uniform, xavier_normal, kaiming_uniform, kaiming_normal,
    )
}  # fmt: skip
