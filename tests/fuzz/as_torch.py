"""A fuzzed program as torch's: one line an operation, float64, gradients by autograd.

Every value has the samples along its first axis, whether it depends on the sample or not.  The
texts are of one sample's values, but for those in WHOLE, which see all samples; pointwise ones are
applied to all samples at once.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from scipy import special

from tests.fuzz.programs import weights

_AXES = "dims(a, {axis})"

# fmt: off
TEXT: dict[str, str] = {
    # ---- arithmetic
    "add": "a + b", "sub": "a - b", "mul": "a*b", "div": "a/b", "neg": "-a",
    "scale": "{number}*a", "fraction": "({p}/{q})*a", "shift": "a + {number}",
    "from_number": "{number} - a", "over": "{number}/a", "times_pi": "math.pi*a",
    "add3": "a + b + c", "mul3": "a*b*c", "mul7": "a*b*c*d*e*f*g", "square": "a**2",
    "power": "torch.pow(a, b)", "positive_power": "a**{n}", "negative_power": "a**{n}",
    "rational_power": "a**({p}/{q})", "exponential": "torch.pow({base}, a)",
    "sqrt": "torch.sqrt(a)", "cbrt": "torch.sign(a)*torch.abs(a)**(1/3)",
    "rsqrt": "torch.rsqrt(a)", "lerp": "torch.lerp(a, b, c)",
    "squash": "{low} + {width}*torch.sigmoid(a)",
    # ---- exponentials and logarithms
    **{name: f"torch.{name}(a)" for name in (
        "exp", "exp2", "expm1", "log", "log1p", "log2", "log10", "logit")},
    **{name: f"torch.{name}(a, b)" for name in ("logaddexp", "xlogy", "hypot")},
    "atan2": "angle(a, b, rounded)",
    # ---- trigonometry, hyperbolic functions
    **{name: f"torch.{name}(a)" for name in (
        "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh",
        "atanh")},
    "sinc": "torch.sin(math.pi*a)/(math.pi*a)", "sympy_sinc": "torch.sin(a)/a",
    "cot": "torch.cos(a)/torch.sin(a)",
    **{name: f"1/torch.{of}(a)" for name, of in (
        ("sech", "cosh"), ("csch", "sinh"), ("coth", "tanh"))},
    **{f"a{name}": f"torch.a{of}(1/a)" for name, of in (
        ("cot", "tan"), ("sec", "cos"), ("csc", "sin"), ("coth", "tanh"), ("sech", "cosh"),
        ("csch", "sinh"))},
    # ---- special functions
    **{name: f"torch.{name}(a)" for name in ("erf", "erfc", "erfinv")},
    "gamma": "torch.exp(polygamma(-1, a))", "loggamma": "polygamma(-1, a)",
    "beta": "torch.exp(polygamma(-1, a) + polygamma(-1, b) - polygamma(-1, a + b))",
    "digamma": "polygamma(0, a)", "trigamma": "polygamma(1, a)", "polygamma": "polygamma({n}, a)",
    # ---- kinks and steps
    "abs": "torch.abs(a)", "sign": "torch.sign(a)", "floor": "torch.floor(a)",
    "ceiling": "torch.ceil(a)", "round": "torch.round(a)", "trunc": "torch.trunc(a)",
    "round_decimals": "torch.round(a*10**{n})/10**{n}",
    "heaviside": "torch.where(a < 0, 0*a, torch.where(a > 0, 0*a + 1, 0*a + {number}))",
    "sympy_heaviside": "(1 + torch.sign(a))/2", "max": "torch.maximum(a, b)",
    "min": "torch.minimum(a, b)", "max3": "torch.maximum(torch.maximum(a, b), c)",
    "min_number": "torch.clamp(a, max={number})", "mod": "torch.remainder(a, b)",
    "mod_number": "torch.remainder(a, {number})", "fmod": "a - b*torch.trunc(a/b).detach()",
    "remainder": "torch.remainder(a, b)", "floor_divide": "torch.floor(a/b)",
    "clamp": "torch.clamp(a, {low}, {high})", "clamp_below": "torch.clamp(a, min={low})",
    "clamp_values": "torch.minimum(torch.maximum(a, b), c)",
    # ---- conditions
    "lt": "a < b", "le": "a <= b", "gt": "a > b", "ge": "a >= b", "gt_number": "a > {number}",
    "eq": "a == {number}", "ne": "a != b", "and": "a & b", "or": "a | b", "not": "~a",
    "indicator": "a.double()", "where": "torch.where(a, b, c)",
    "where_number": "torch.where(a, b, {number})",
    "piecewise": "torch.where(c, a, torch.where(d, b, e))",
    "where_log": "torch.where(a > 0, torch.log(torch.where(a > 0, a, 1.0)), a)",
    "where_sqrt": "torch.where(a > 0, torch.sqrt(torch.where(a > 0, a, 1.0)), b)",
    "stop_gradient": "a.detach()",
    # ---- activations
    **{name: f"F.{name}(a)" for name in (
        "relu", "relu6", "leaky_relu", "selu", "gelu", "silu", "mish", "hardtanh",
        "softplus", "softsign", "softshrink", "hardshrink")},
    # torch's own derivatives of these two have a 1/6 of float32
    "hardsigmoid": "F.relu6(a + 3)/6", "hardswish": "a*F.relu6(a + 3)/6",
    "leaky_relu_slope": "torch.where(a > 0, a, b*a)", "prelu": "torch.where(a > 0, a, b*a)",
    "elu": "F.elu(a, {alpha})", "celu": "F.celu(a, {alpha})",
    "gelu_tanh": "F.gelu(a, approximate='tanh')", "hardtanh_bounds": "F.hardtanh(a, {low}, {high})",
    "tanhshrink": "a - rounded(torch.tanh(a))", "threshold": "F.threshold(a, {number}, {value})",
    "sigmoid": "torch.sigmoid(a)", "log_sigmoid": "F.logsigmoid(a)",
    "logistic": "torch.sigmoid(a)", "custom_tanh": "torch.tanh(a)",
    "straight_through": "a + (torch.round(a) - a).detach()",
    # ---- as in a textbook
    "log1p_exp": "torch.logaddexp(a, 0*a)", "log_sum_exp_2": "torch.logaddexp(a, b)",
    "log_cosh_exp": "torch.logaddexp(a, -a)",
    "log_sum_exp_3": "torch.logaddexp(torch.logaddexp(a, b), c)",
    "log_1_exp_exp": "torch.logaddexp(torch.logaddexp(a, 0*a), b)",
    "sigmoid_by_exp": "torch.sigmoid(a)", "sigmoid_ratio": "torch.sigmoid(a)",
    "softmax_2": "torch.sigmoid(a - b)", "sigmoid_slope": "torch.sigmoid(a)*torch.sigmoid(-a)",
    "log_of_sigmoid": "F.logsigmoid(a)", "log_1_sigmoid": "F.logsigmoid(-a)",
    "log_sech_2": "2*math.log(2) - 2*torch.logaddexp(a, -a)",
    "log_of_cosh": "torch.logaddexp(a, -a) - math.log(2)",
    "log_sum_exp": f"torch.logsumexp(a, {_AXES}, {{keepdims}})",
    "softmax_by_exp": "softmax(a, dims(a, None))",
    "softmax_by_exp_kept": f"softmax(a, {_AXES})",
    "log_of_softmax": "F.log_softmax(a, {axis})",
    "log_of_softmax_at": "F.log_softmax(a, -1)[b]",
    "log_of_softmax_slice": "picked(F.log_softmax(a, -1), {spec})",
    "sin_over": "torch.sin(a)/a", "versine_over": "2*torch.sin(a/2)**2/a**2",
    "root_sum": "torch.sqrt(a**2 + {number})", "root_sum_of": "torch.sqrt(a**2 + b)",
    "root_slope": "a/torch.sqrt(a**2 + b)", "log_1_plus": "torch.log1p(a)",
    "exp_less_1": "torch.expm1(a)", "log_of_exp": "a",
    # ---- reductions
    **{name: f"torch.{name}(a, {_AXES}, {{keepdims}})" for name in (
        "sum", "mean", "amax", "amin", "logsumexp")},
    "any": f"torch.any(a, {_AXES}, {{keepdims}})", "all": f"torch.all(a, {_AXES}, {{keepdims}})",
    "prod": f"product(a, {_AXES}, {{keepdims}})",
    "var": f"torch.var(a, {_AXES}, correction={{correction}}, keepdim={{keepdims}})",
    "std": f"torch.std(a, {_AXES}, correction={{correction}}, keepdim={{keepdims}})",
    "norm": f"torch.linalg.vector_norm(a, {{p}}, {_AXES}, {{keepdims}})",
    "norm_max": f"torch.linalg.vector_norm(a, math.inf, {_AXES}, {{keepdims}})",
    "norm_min": f"torch.linalg.vector_norm(a, -math.inf, {_AXES}, {{keepdims}})",
    "softmax": "F.softmax(a, {axis})", "log_softmax": "F.log_softmax(a, {axis})",
    "cumsum": "running(a, {axis}, {reverse})", "argmax": "torch.argmax(a, {axis})",
    "argmin": "torch.argmin(a, {axis})",
    # ---- contractions
    "matmul": "torch.matmul(a, b)", "matmul_function": "torch.matmul(a, b)",
    "dot": "torch.matmul(a, b)", "outer": "torch.outer(a, b)",
    "einsum": "torch.einsum({text}, {all})", "tensordot": "torch.tensordot(a, b, {axes})",
    "cross": "torch.linalg.cross(a, b, dim={axis})", "trace": "torch.trace(a)",
    "spd": "a @ a.T + torch.eye({n}, dtype=a.dtype)", "quadratic": "b @ a @ b",
    # ---- views
    "reshape": "a.reshape({shape})", "flatten": "a.reshape(-1)",
    "transpose": "a.permute({axes})", "permute": "a.permute({axes})",
    "transposed": "a.permute(*reversed(range(a.ndim)))", "broadcast_to": "a.broadcast_to({shape})",
    "squeeze": "a.squeeze(dims(a, {axis}))",
    "unsqueeze": "a.unsqueeze({axis})", "concatenate": "torch.cat([{all}], {axis})",
    "stack": "torch.stack([{all}], {axis})",
    "split": "torch.split(a, {sizes}, {axis})[{at}]",
    "flip": "torch.flip(a, {axis})", "roll": "torch.roll(a, {shift}, {axis})",
    "tril": "torch.tril(a, {k})", "triu": "torch.triu(a, {k})", "diag": "torch.diag(a, {k})",
    "diagonal": "torch.diagonal(a, {k})", "tile": "torch.tile(a, {repeats})",
    "pad": "F.pad(a, flat({width}), value={value})",
    "pad_mode": "F.pad(a[None, None], flat({width}), mode={mode})[0, 0]",
    # ---- indexing
    "take": "picked(a, {spec})", "take_array": "a[torch.tensor({index})]", "take_at": "a[b]",
    "lookup": "a[b]", "noisy": "a + b/2",
    "take_at_two": "a[b, c]", "take_column": "a[:, b]",
    "one_hot": "F.one_hot(a, {classes}).double()",
    "gather": "torch.gather(a, {axis}, torch.tensor({index}))", "as_float": "a.double()",
    "scalar_at": "picked(a, {spec})",
    # ---- linear algebra
    "det": "torch.linalg.det(a)", "logdet": "torch.logdet(a)", "inv": "torch.linalg.inv(a)",
    "solve": "torch.linalg.solve(a, b)", "cholesky": "torch.linalg.cholesky((a + a.T)/2)",
    "triangular_solve": "triangular(a, b, {lower}, {transposed})",
    "eigvalsh": "torch.linalg.eigvalsh((a + a.T)/2)",
    # ---- losses
    "mse": "F.mse_loss(a, b)", "l1": "F.l1_loss(a, b)", "huber": "F.huber_loss(a, b)",
    "smooth_l1": "F.smooth_l1_loss(a, b)",
    "log_cosh": "(torch.logaddexp(a - b, b - a) - math.log(2)).mean()",
    "binary_cross_entropy": "-(b*torch.log(a) + (1 - b)*torch.log(1 - a)).mean()",
    "binary_cross_entropy_with_logits": "(-b*F.logsigmoid(a) - (1 - b)*F.logsigmoid(-a)).mean()",
    "binary_cross_entropy_weighted":
    "(-{number}*b*F.logsigmoid(a) - (1 - b)*F.logsigmoid(-a)).mean()",
    "kl_div": "(torch.xlogy(b, b) - b*a).mean()", "kl_div_log": "(torch.exp(b)*(b - a)).sum()",
    "poisson_nll": "(torch.exp(a) - b*a).mean()",
    "poisson_nll_full": "(a - b*torch.log(a + 1e-8) + torch.where(b > 1, stirling(b), 0.0)).mean()",
    "hinge": "torch.relu(1 - a*b).mean()", "soft_margin": "torch.logaddexp(-a*b, 0*a).mean()",
    "quantile": "torch.maximum({q}*(b - a), ({q} - 1)*(b - a)).mean()",
    "gaussian_nll": "((torch.log(c) + (a - b)**2/c)/2).mean()",
    "cross_entropy": "F.cross_entropy(a, b, label_smoothing={smoothing})",
    "cross_entropy_of_probabilities": "-(b*F.log_softmax(a, {axis})).sum({axis}).mean()",
    "cross_entropy_weighted": "weighted(F.cross_entropy(a, b, reduction='none'), "
    "torch.tensor({weight}, dtype=a.dtype)[b])",
    "cross_entropy_ignoring": "weighted(F.cross_entropy(a, b, reduction='none'), "
    "(b != {ignored}).double())",
    "nll": "-a[b]", "margin_ranking": "torch.relu({margin} - {number}*(a - b)).mean()",
    "hinge_embedding": "(a if {number} == 1 else torch.relu(1 - a)).mean()",
    "cosine_similarity": "F.cosine_similarity(a, b, {axis})",
    "cosine_embedding": "cosine_embedding(a, b, {number}, {margin}, rounded)",
    "triplet_margin": "F.triplet_margin_loss(a, b, c, swap={swap})",
    # ---- the mini-batch
    "expectation": "a.mean(0, keepdim=True).expand_as(a)",
    "batch": "a.unsqueeze(0).expand(len(a), *a.shape)",
    "times_batch_size": "a*len(a)/10", "over_batch_size": "a/len(a)",
    "batch_sum": "a.sum(1)", "batch_mean": "a.mean(1)", "batch_max": "a.amax(1)",
    "batch_logsumexp": "a.logsumexp(1)", "batch_total": "a.flatten(1).mean(1)",
    "batch_scores": "torch.einsum('nbi,ni->nb', a, b)",
    "normalized": "normalized(a, rounded)",
}
# fmt: on

WHOLE = {
    "expectation", "batch", "times_batch_size", "over_batch_size", "batch_sum", "batch_mean",
    "batch_max", "batch_logsumexp", "batch_total", "batch_scores", "normalized",
    "cross_entropy_weighted", "cross_entropy_ignoring",
}  # fmt: skip


# ---- what the texts use


def dims(a: torch.Tensor, axis: Any) -> tuple[int, ...]:
    return tuple(range(a.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)


class Polygamma(torch.autograd.Function):
    """SciPy's: torch's trigamma has ten digits.  -1 is the logarithm of gamma."""

    @staticmethod
    def forward(ctx: Any, n: int, x: torch.Tensor) -> torch.Tensor:
        ctx.n = n
        ctx.save_for_backward(x)
        array = x.detach().numpy(force=True)
        return torch.from_numpy(np.asarray(
            special.gammaln(array) if n < 0 else special.psi(array) if n == 0
            else special.polygamma(n, array)))  # fmt: skip

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> tuple:
        return None, g * polygamma(ctx.n + 1, ctx.saved_tensors[0])


def polygamma(n: int, x: torch.Tensor) -> torch.Tensor:
    return Polygamma.apply(n, x)


def softmax(a: torch.Tensor, axes: tuple[int, ...]) -> torch.Tensor:
    return torch.exp(a - torch.logsumexp(a, axes, True))


def product(a: torch.Tensor, axes: tuple[int, ...], keepdims: bool) -> torch.Tensor:
    for k in sorted((k % a.ndim for k in axes), reverse=True):
        a = torch.prod(a, k, keepdim=keepdims)
    return a


def running(a: torch.Tensor, axis: Any, reverse: bool) -> torch.Tensor:
    a, axis = (a.reshape(-1), 0) if axis is None else (a, axis)
    return torch.cumsum(a.flip(axis), axis).flip(axis) if reverse else torch.cumsum(a, axis)


def picked(a: torch.Tensor, spec: Any) -> torch.Tensor:
    """NumPy's indexing, negative steps included."""
    places = np.arange(a.numel()).reshape(a.shape)[spec]
    return a.reshape(-1)[torch.from_numpy(np.array(places))]


def flat(width: Any) -> list[int]:
    """NumPy's pairs as torch wants them: from the last axis on."""
    return [n for pair in reversed(width) for n in pair]


def triangular(a: Any, b: Any, lower: bool, transposed: bool) -> torch.Tensor:
    t = torch.tril(a) if lower else torch.triu(a)
    return torch.linalg.solve(t.T if transposed else t, b)


def stirling(b: torch.Tensor) -> torch.Tensor:
    return b * torch.log(b) - b + torch.log(2 * math.pi * b) / 2


def weighted(loss: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    return w * loss / w.mean()


def normalized(a: torch.Tensor, rounded: Callable) -> torch.Tensor:
    rest = a - rounded(a.mean(0))
    return rest / torch.sqrt((rest**2).mean(0) + 0.1)


def angle(a: torch.Tensor, b: torch.Tensor, rounded: Callable) -> torch.Tensor:
    """atan2; with noise NaN where the sign of a zero decides, which nobody promises to keep."""
    y = torch.atan2(a, b)
    noisy = bool(rounded(torch.ones((), dtype=torch.float64)) != 1)
    return torch.where((a == 0) & (b <= 0), torch.nan, y) if noisy else y


def cosine_embedding(a: Any, b: Any, y: int, margin: float, rounded: Callable) -> torch.Tensor:
    squares = [(x * x).sum(-1) + 1e-12 for x in (a, b)]
    cosine = rounded((a * b).sum(-1) / torch.sqrt(squares[0] * squares[1]))
    return (1 - cosine if y == 1 else torch.relu(cosine - margin)).mean()


SPACE = {
    "torch": torch, "F": F, "math": math, "np": np, "weights": weights,
    **{f.__name__: f for f in (dims, polygamma, softmax, product, running, picked, flat,
                               triangular, stirling, weighted, angle, cosine_embedding,
                               normalized)},
}  # fmt: skip
