"""`sg.random`: numbers that are drawn inside the kernel, as symbols like data.

A draw has a value for each sample, from four things alone: the model's seed, `sg.step` (updates
made so far), the sample's position and the draw's name.  The position counts the samples of one
update: 0, 1, ... in a mini-batch, on through the mini-batches whose gradients are accumulated; in
`loss`, `gradients` and `predict`, through the samples that were given.  So every step of every
epoch draws anew, nothing is carried from step to step, and a run, an interrupted and continued one
too, can be repeated: on every target, in every dtype (integers to the bit, others within rounding).
`model.gradients(batch)` sees what the next `model.step(batch)` will see.

Draws are constants to differentiation; they have derivatives with respect to them, as data have.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from symgrad.language import counters  # noqa: F401  (the rows of draws)
from symgrad.language.arguments import array_of
from symgrad.language.digest import digest
from symgrad.language.names import each_name
from symgrad.language.symbols import TensorSymbol, check_shape

DRAWN = {"integers": "int", "categorical": "int", "normal": "float", "uniform": "float"}


@dataclass(frozen=True, eq=False)
class Draw:
    """How a random symbol is distributed.

    parameter: the bound of integers, the weights of a categorical, else nothing
    """

    distribution: str
    parameter: np.ndarray

    def __post_init__(self) -> None:
        self.parameter.setflags(write=False)

    @property
    def outcomes(self) -> int:
        """How many values an integer draw may take: 0 ... outcomes - 1."""
        return int(self.parameter) if self.distribution == "integers" else self.parameter.size

    def __str__(self) -> str:
        return {
            "integers": f"U{{0, ..., {self.outcomes - 1}}}",
            "categorical": f"Categorical({self.outcomes} weights)",
            "normal": "N(0, 1)",
            "uniform": "U(0, 1)",
        }[self.distribution]

    @property
    def latex(self) -> str:
        return {
            "integers": rf"\mathcal{{U}}\{{0, \ldots, {self.outcomes - 1}\}}",
            "categorical": rf"\operatorname{{Categorical}}({self.outcomes}\text{{ weights}})",
            "normal": r"\mathcal{N}(0, 1)",
            "uniform": r"\mathcal{U}(0, 1)",
        }[self.distribution]


def integers(name: str, high: int, shape: Any = ()) -> Any:
    """Whole numbers 0 ... high - 1, each with the same probability.

    They may be used as indices: `Q[n]`.

    >>> import symgrad as sg
    >>> Q, n = sg.parameter("Q", shape=(100, 8), init=0), sg.random.integers("n", 100, shape=5)
    >>> sg.shape(Q[n])
    (5, 8)
    """
    return _symbols(name, "integers", high, shape)


def categorical(name: str, weights: Any, shape: Any = ()) -> Any:
    """Whole numbers 0 ... len(weights) - 1 with probabilities in proportion to the weights.

    By the alias method: its cost does not depend on how many there are.

    >>> import symgrad as sg
    >>> n = sg.random.categorical("n", [0.5, 0.25, 0.25])
    """
    return _symbols(name, "categorical", weights, shape)


def normal(name: str, shape: Any = ()) -> Any:
    """Standard normal numbers: mean 0, variance 1.

    By Box and Muller's formula, 1958, from two uniform numbers.

    >>> import symgrad as sg
    >>> mu, sigma = sg.parameter("mu sigma", init=1)
    >>> z = mu + sigma * sg.random.normal("eps")  # its gradients are the reparametrisation's
    """
    return _symbols(name, "normal", (), shape)


def uniform(name: str, shape: Any = ()) -> Any:
    """Numbers evenly between 0 and 1, which are never reached: log(u) is finite.

    Odd multiples of 2**-24 in float32, of 2**-53 in float64.

    >>> import symgrad as sg
    >>> u = sg.random.uniform("u")
    """
    return _symbols(name, "uniform", (), shape)


def _symbols(name: str, distribution: str, parameter: Any, shape: Any) -> Any:
    draw = checked(name, distribution, parameter)

    def make(n: str) -> TensorSymbol:
        sizes = check_shape(shape, f"random {n!r}")
        key = digest("random", distribution, n, sizes, draw.parameter.tobytes().hex())
        return TensorSymbol(n, sizes, DRAWN[distribution], "random", key, key, draw)

    return each_name(name, f"random.{distribution}", make)


def checked(name: str, distribution: str, parameter: Any) -> Draw:
    """The draws of a distribution; TypeError or ValueError where its parameter is impossible."""
    check = {"integers": _bound, "categorical": _weights}.get(distribution)
    what = f"sg.random.{distribution}({name!r})"
    return Draw(distribution, check(what, parameter) if check else np.empty(0))


def _bound(what: str, high: Any) -> np.ndarray:
    array = array_of(high, what)
    if array.ndim or array.dtype.kind not in "iuO" or not isinstance(array.item(), int):
        raise TypeError(f"{what}: high is a whole number, not {high!r}")
    if not 1 <= array.item() < 2**63:
        raise ValueError(
            f"{what}: high is {high}; the numbers are 0 ... high - 1, so it should be from 1 to "
            "2**63 - 1"
        )
    return np.array(high, np.int64)


def _weights(what: str, weights: Any) -> np.ndarray:
    try:
        array = array_of(weights, what).astype(np.float64)
    except (TypeError, ValueError, OverflowError):
        raise TypeError(f"{what}: the weights are an array of numbers, not {weights!r}") from None
    if array.ndim != 1 or not array.size:
        raise ValueError(
            f"{what}: the weights have shape {array.shape}; expected (n,), one for each outcome"
        )
    wrong = np.flatnonzero(~np.isfinite(array) | (array < 0))
    if wrong.size:
        raise ValueError(
            f"{what}: weight {wrong[0]} is {array[wrong[0]]}; weights are finite and not negative"
        )
    if not array.any():
        raise ValueError(f"{what}: all {array.size} weights are 0, so there is nothing to draw")
    return array
