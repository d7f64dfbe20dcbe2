"""torch's operations in our language, called as torch calls them on its own sample inputs.

An entry takes our symbols in the tensors' places and torch's other arguments as they are; it
returns NotImplemented for a use that has no counterpart.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import sympy as sp

import symgrad as sg


def axes(dim: Any) -> Any:
    """torch's `dim` as an axis; an empty list means all."""
    return None if dim is None or dim in ((), []) else tuple(dim) if isinstance(dim, list) else dim


def reduction(f: Callable[..., Any]) -> Callable[..., Any]:
    def call(x: Any, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
        if not sg.shape(x):
            return NotImplemented
        return f(x, axis=axes(dim), keepdims=keepdim)

    return call


def spread(f: Callable[..., Any]) -> Callable[..., Any]:
    def call(x: Any, dim: Any = None, unbiased: bool | None = None, keepdim: bool = False,
             correction: Any = None) -> Any:  # fmt: skip
        if isinstance(dim, bool):
            dim, unbiased = None, dim
        if not sg.shape(x) or not isinstance(correction, int | None):
            return NotImplemented
        given = (1 if unbiased in (None, True) else 0) if correction is None else correction
        shape = sg.shape(x)
        over = range(len(shape)) if axes(dim) is None else np.atleast_1d(axes(dim))
        if np.prod([shape[a] for a in over]) <= given:
            return NotImplemented
        return f(x, axis=axes(dim), keepdims=keepdim, correction=given)

    return call


def along(f: Callable[..., Any]) -> Callable[..., Any]:
    def call(x: Any, dim: int, dtype: Any = None) -> Any:
        return f(x, axis=dim) if sg.shape(x) else NotImplemented

    return call


def relation(f: Callable[..., Any]) -> Callable[..., Any]:
    return lambda a, b: sg.indicator(f(a, b)) if is_float(a) and is_float(b) else NotImplemented


def is_float(x: Any) -> bool:
    return isinstance(x, sp.Basic | float | int) and not isinstance(x, bool)


def mean_loss(f: Callable[..., Any]) -> Callable[..., Any]:
    """A loss with torch's reductions: ours is the mean."""

    def call(*x: Any, reduction: str = "mean", size_average: Any = None, **options: Any) -> Any:
        if reduction != "mean" or options.pop("weight", None) is not None:
            return NotImplemented
        return f(*x, **options)

    return call


def gaussian_nll(prediction: Any, target: Any, var: Any, **options: Any) -> Any:
    if sg.shape(prediction) != sg.shape(target):
        return NotImplemented  # a loss of ours wants equal shapes
    return mean_loss(sg.gaussian_nll)(prediction, target, var, **options)


def norm(x: Any, ord: Any = 2, dim: Any = None, keepdim: bool = False, dtype: Any = None) -> Any:
    if not sg.shape(x) or ord < 0:
        return NotImplemented
    return sg.norm(x, ord, axis=axes(dim), keepdims=keepdim)


def division(a: Any, b: Any, rounding_mode: str | None = None) -> Any:
    rounded = {None: lambda q: q, "floor": sp.floor, "trunc": sg.trunc}[rounding_mode]
    return rounded(a / b)


def squeeze(x: Any, dim: Any = None) -> Any:
    return sg.squeeze(x, axis=dim) if sg.shape(x) and dim != () else NotImplemented


def pad(x: Any, pad: Any, mode: str = "constant", value: Any = None) -> Any:
    if any(n < 0 for n in pad):
        return NotImplemented
    rank = len(sg.shape(x))
    pairs = [(0, 0)] * (rank - len(pad) // 2)
    pairs += [(pad[k], pad[k + 1]) for k in range(len(pad) - 2, -1, -2)]
    return sg.pad(x, pairs, mode=mode, value=0 if value is None else value)


def roll(x: Any, shifts: Any, dims: Any = None) -> Any:
    if not sg.shape(x):
        return NotImplemented
    if dims in (None, ()):
        return sg.roll(x, shifts if isinstance(shifts, int) else shifts[0])
    return sg.roll(x, shifts, axis=dims)


def gelu(x: Any, approximate: str = "none") -> Any:
    return sg.gelu(x, approximate=approximate)


def indexed(x: Any, index: Any) -> Any:
    parts = index if isinstance(index, tuple) else (index,)
    whole = all(i is None or i is Ellipsis or isinstance(i, int | slice | sp.Basic) for i in parts)
    fits = whole and not any(isinstance(i, bool) or i == sp.true for i in parts)
    return x[index] if fits and sg.shape(x) else NotImplemented


def cosine_similarity(a: Any, b: Any, dim: int = 1, eps: float = 1e-8) -> Any:
    fits = sg.shape(a) and sg.shape(a) == sg.shape(b)
    return sg.cosine_similarity(a, b, axis=dim, eps=eps) if fits else NotImplemented


def tensordot(a: Any, b: Any, dims: Any = 2) -> Any:
    shapes = sg.shape(a), sg.shape(b)
    pairs = () if isinstance(dims, int) else zip(*dims, strict=True)
    fits = all(shapes[0][i] == shapes[1][j] for i, j in pairs)  # torch repeats sizes of 1
    return sg.tensordot(a, b, dims) if fits else NotImplemented


def scaled_sum(f: Callable[..., Any]) -> Callable[..., Any]:
    """beta x + alpha f(a, b); SymPy drops a term, and its shape, where its factor is 0."""

    def call(x: Any, a: Any, b: Any, beta: float = 1, alpha: float = 1) -> Any:
        return beta * x + alpha * f(a, b) if beta and alpha else NotImplemented

    return call


def solve(a: Any, b: Any, left: bool = True) -> Any:
    """torch takes vectors stacked as A's matrices are; ours are single, as NumPy's."""
    stacked = len(sg.shape(b)) == len(sg.shape(a)) - 1 > 1
    return sg.solve(a, b) if left and not stacked else NotImplemented


def extreme(whole: Callable[..., Any], pointwise: Callable[..., Any]) -> Callable[..., Any]:
    """torch.max and min: of two values, or of one; along an axis they give indices, too."""

    def call(x: Any, *other: Any, **options: Any) -> Any:
        if options or any(isinstance(y, int) for y in other) or not (other or sg.shape(x)):
            return NotImplemented
        return pointwise(x, *other) if other else whole(x)

    return call


def holds(f: Callable[..., Any]) -> Callable[..., Any]:
    """any and all: where numbers are not 0."""
    return reduction(lambda x, **options: sg.indicator(f(sp.Ne(x, 0), **options)))


def classified(f: Callable[..., Any]) -> Callable[..., Any]:
    """A loss of class scores along axis 1, axis 0 where there is no batch."""

    def call(x: Any, y: Any, reduction: str = "mean", size_average: Any = None,
             ignore_index: int = -100, **options: Any) -> Any:  # fmt: skip
        labels = getattr(y, "dtype", "float") == "int"
        if reduction != "mean" or not sg.shape(y) or ignore_index != -100:
            return NotImplemented
        if not labels and len(sg.shape(x)) > 1 and options.get("weight") is not None:
            return NotImplemented  # torch divides by the samples alone
        return f(x, y, axis=min(len(sg.shape(x)) - 1, 1), **options)

    return call


def prelu(x: Any, weight: Any) -> Any:
    """torch's weights are those of axis 1."""
    (n,), rank = sg.shape(weight) or (1,), len(sg.shape(x))
    if n > 1 and rank < 2:
        return NotImplemented
    return sg.prelu(x, sg.reshape(weight, (1, n, *(1,) * (rank - 2))) if n > 1 else weight)


def triangular(
    a: Any, b: Any, *, upper: bool, left: bool = True, unitriangular: bool = False
) -> Any:
    fits = left and not unitriangular and sg.shape(a)[:-2] == sg.shape(b)[:-2]
    return sg.triangular_solve(a, b, lower=not upper) if fits else NotImplemented


def swapped(x: Any, first: int, second: int) -> Any:
    axes = list(range(len(sg.shape(x))))
    if not axes:
        return NotImplemented
    axes[first], axes[second] = axes[second], axes[first]
    return sg.permute(x, tuple(axes))


def selected(x: Any, dim: int, index: Any) -> Any:
    return sg.take(x, (slice(None),) * (dim % len(sg.shape(x))) + (index,)) if sg.shape(
        x) else NotImplemented  # fmt: skip


def shaped(f: Callable[..., Any]) -> Callable[..., Any]:
    """A size list may be given as one argument or as several."""
    return lambda x, *n: f(x, tuple(n[0]) if n and isinstance(n[0], list | tuple) else n)


ELEMENTWISE: dict[str, Callable[..., Any]] = {
    "abs": sp.Abs, "acos": sp.acos, "acosh": sp.acosh, "asin": sp.asin, "asinh": sp.asinh,
    "atan": sp.atan, "atanh": sp.atanh, "ceil": sp.ceiling, "cos": sp.cos, "cosh": sp.cosh,
    "digamma": sg.digamma, "erf": sp.erf, "erfc": sg.erfc, "erfinv": sp.erfinv, "exp": sp.exp,
    "exp2": sg.exp2, "expm1": sg.expm1, "floor": sp.floor, "frac": lambda x: x - sg.trunc(x),
    "lgamma": sp.loggamma, "log": sp.log, "log10": sg.log10, "log1p": sg.log1p, "log2": sg.log2,
    "neg": lambda x: -x, "positive": lambda x: x, "reciprocal": lambda x: 1 / x,
    "round": lambda x, decimals=0: sg.round(x, decimals), "rsqrt": sg.rsqrt, "sgn": sp.sign,
    "sigmoid": sg.sigmoid, "sign": sp.sign, "sin": sp.sin, "sinc": sg.sinc, "sinh": sp.sinh,
    "sqrt": sp.sqrt, "square": sg.square, "tan": sp.tan, "tanh": sp.tanh, "trunc": sg.trunc,
    "add": lambda a, b, alpha=1: a + b * alpha, "sub": lambda a, b, alpha=1: a - b * alpha,
    "mul": lambda a, b: a * b, "div": division, "true_divide": division, "pow": lambda a, b: a**b,
    "__radd__": lambda a, b: b + a, "__rsub__": lambda a, b: b - a, "__rmul__": lambda a, b: b * a,
    "__rdiv__": lambda a, b: b / a, "__rpow__": lambda a, b: b**a, "float_power": lambda a, b: a**b,
    "atan2": sp.atan2, "hypot": sg.hypot, "logaddexp": sg.logaddexp, "maximum": sp.Max,
    "minimum": sp.Min, "remainder": sg.remainder, "fmod": sg.fmod, "xlogy": sg.xlogy,
    "floor_divide": sg.floor_divide, "heaviside": sg.heaviside, "lerp": sg.lerp, "clamp": sg.clamp,
    "clamp_min": lambda x, m: sg.clamp(x, min=m), "clamp_max": lambda x, m: sg.clamp(x, max=m),
    "addcmul": lambda x, a, b, value=1: x + a * b * value,
    "addcdiv": lambda x, a, b, value=1: x + a / b * value,
    "eq": relation(sp.Eq), "ne": relation(sp.Ne), "logit": lambda x, eps=None: (
        sg.logit(x) if eps is None else NotImplemented),
    "lt": relation(sp.Lt), "le": relation(sp.Le), "gt": relation(sp.Gt), "ge": relation(sp.Ge),
}  # fmt: skip

REDUCED: dict[str, Callable[..., Any]] = {
    "sum": reduction(sg.sum), "mean": reduction(sg.mean), "prod": reduction(sg.prod),
    "amax": reduction(sg.max), "amin": reduction(sg.min), "logsumexp": reduction(sg.logsumexp),
    "argmax": reduction(sg.argmax), "argmin": reduction(sg.argmin), "var": spread(sg.var),
    "std": spread(sg.std), "softmax": along(sg.softmax), "log_softmax": along(sg.log_softmax),
    "cumsum": along(sg.cumsum), "linalg.vector_norm": norm, "any": holds(sg.any),
    "all": holds(sg.all), "max": extreme(sg.max, sp.Max), "min": extreme(sg.min, sp.Min),
}  # fmt: skip

CONTRACTED: dict[str, Callable[..., Any]] = {
    "matmul": sg.matmul, "mm": sg.matmul, "mv": sg.matmul, "bmm": sg.matmul, "dot": sg.dot,
    "__rmatmul__": lambda a, b: sg.matmul(b, a), "outer": sg.outer, "trace": sg.trace,
    "einsum": lambda x, text: sg.einsum(text, *(x if isinstance(x, list | tuple) else [x])),
    "tensordot": tensordot,
    "cross": lambda a, b, dim=None: NotImplemented if dim is None else sg.cross(a, b, axis=dim),
    "linalg.cross": lambda a, b, dim=-1: sg.cross(a, b, axis=dim),
    "addmm": scaled_sum(sg.matmul), "addmv": scaled_sum(sg.matmul),
    "addr": scaled_sum(sg.outer),
}  # fmt: skip

REARRANGED: dict[str, Callable[..., Any]] = {
    "reshape": shaped(sg.reshape), "view": shaped(sg.reshape), "permute": shaped(sg.permute),
    "ravel": sg.flatten, "broadcast_to": shaped(sg.broadcast_to), "T": sg.transpose,
    "unsqueeze": lambda x, dim: sg.unsqueeze(x, axis=dim), "squeeze": squeeze,
    "cat": lambda x, dim=0: sg.concatenate(x, axis=dim) if all(
        len(sg.shape(v)) == len(sg.shape(x[0])) for v in x) else NotImplemented,
    "stack": lambda x, dim=0: sg.stack(x, axis=dim),
    "flip": lambda x, dims: sg.flip(x, axis=tuple(dims)), "roll": roll, "tril": sg.tril,
    "triu": sg.triu, "diag": sg.diag, "tile": shaped(sg.tile), "nn.functional.pad": pad,
    "diagonal": lambda x, offset=0, dim1=0, dim2=1: (
        sg.diagonal(x, offset) if len(sg.shape(x)) == 2 and (dim1, dim2) == (0, 1)
        else NotImplemented),
    "gather": lambda x, dim, index: sg.gather(x, index, axis=dim) if sg.shape(x) and
        sg.shape(index) else NotImplemented,
    "__getitem__": indexed, "transpose": swapped, "select": selected, "index_select": selected,
    "flatten": lambda x, *dims, **more: NotImplemented if dims or more else sg.flatten(x),
    "fliplr": lambda x: sg.flip(x, axis=1), "flipud": lambda x: sg.flip(x, axis=0),
    "narrow": lambda x, dim, start, length: (
        selected(x, dim, slice(start, start + length)) if isinstance(start, int) and start >= 0
        else NotImplemented),
}  # fmt: skip

ALGEBRA: dict[str, Callable[..., Any]] = {
    "linalg.det": sg.det, "linalg.inv": sg.inv, "logdet": sg.logdet,
    "linalg.cholesky": lambda x, upper=False: NotImplemented if upper else sg.cholesky(x),
    "linalg.solve": solve, "linalg.solve_triangular": triangular,
}  # fmt: skip

FUNCTIONAL: dict[str, Callable[..., Any]] = {
    "celu": sg.celu, "elu": sg.elu, "gelu": gelu, "hardshrink": sg.hardshrink,
    "hardswish": sg.hardswish,
    "hardtanh": lambda x, min_val=-1, max_val=1: sg.hardtanh(x, min_val, max_val),
    "leaky_relu": lambda x, negative_slope=0.01: sg.leaky_relu(x, negative_slope),
    "logsigmoid": sg.log_sigmoid, "mish": sg.mish, "relu": sg.relu, "relu6": sg.relu6,
    "selu": sg.selu, "silu": sg.silu, "softsign": sg.softsign,
    "softshrink": lambda x, lambd=0.5: sg.softshrink(x, lambd), "tanhshrink": sg.tanhshrink,
    "threshold": sg.threshold, "mse_loss": mean_loss(sg.mse), "l1_loss": mean_loss(sg.l1),
    "huber_loss": mean_loss(sg.huber), "smooth_l1_loss": mean_loss(sg.smooth_l1),
    "poisson_nll_loss": mean_loss(sg.poisson_nll),
    "binary_cross_entropy": mean_loss(sg.binary_cross_entropy),
    "margin_ranking_loss": mean_loss(sg.margin_ranking),
    "cosine_similarity": cosine_similarity,
    "triplet_margin_loss": mean_loss(sg.triplet_margin), "prelu": prelu,
    "cross_entropy": classified(sg.cross_entropy),
    "nll_loss": lambda x, y, weight=None, **more: (
        classified(sg.nll)(x, y, **more) if weight is None else NotImplemented),
    "binary_cross_entropy_with_logits": mean_loss(sg.binary_cross_entropy_with_logits),
    "gaussian_nll_loss": gaussian_nll,
    "cosine_embedding_loss": mean_loss(sg.cosine_embedding),
}  # fmt: skip

OPERATIONS = {
    **ELEMENTWISE, **REDUCED, **CONTRACTED, **REARRANGED, **ALGEBRA,
    **{f"nn.functional.{name}": f for name, f in FUNCTIONAL.items()},
}  # fmt: skip
