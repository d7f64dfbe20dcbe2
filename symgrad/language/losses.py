"""Losses of one sample between a prediction and a target, in the language itself.

Each is torch's of the same name, in a stable form.  The mini-batch's mean is taken by `sg.compile`
(or `sg.expectation`); over one sample's axes a loss takes the mean too, so that a compiled loss
equals torch's with reduction="mean".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import sympy as sp

from symgrad.language.choice import where
from symgrad.language.elementary import logcosh, xlogy
from symgrad.language.pointwise import HALF, log_sigmoid, softplus, stop_gradient
from symgrad.language.reductions import mean
from symgrad.language.reductions import sum as sum_over
from symgrad.language.symbols import anonymous
from symgrad.language.tensor import describe, sympify
from symgrad.language.views import reshape


def pair(a: Any, b: Any, what: str) -> tuple[sp.Expr, sp.Expr]:
    """Two values of one shape; a number may stand for either."""
    a, b = sympify(a), sympify(b)
    shapes = describe(a)[0], describe(b)[0]
    if shapes[0] != shapes[1] and a.free_symbols and b.free_symbols:
        raise ValueError(
            f"sg.{what} wants equal shapes: {a} has shape {shapes[0]}, {b} has shape {shapes[1]}"
        )
    return a, b


def averaged(z: sp.Expr) -> sp.Expr:
    """The mean over all of one sample's axes."""
    return mean(z) if describe(z)[0] else z


def _error(prediction: Any, target: Any, what: str) -> sp.Expr:
    p, y = pair(prediction, target, what)
    return anonymous(p - y)


def number(value: Any, holds: Callable[[Any], Any], wanted: str) -> sp.Expr:
    """A loss's own number after a look at it; what is not a number yet passes."""
    value = sympify(value)
    if value.is_number and not (value.is_extended_real and holds(value)):
        raise ValueError(f"{wanted}, not {value}")
    return value


# ---- distances


def mse(prediction: Any, target: Any) -> sp.Expr:
    """The squared error, averaged over one sample's axes.

    >>> import symgrad as sg
    >>> sg.mse(sg.data("p"), sg.data("y"))
    (p - y)**2
    """
    p, y = pair(prediction, target, "mse")
    return averaged((p - y) ** 2)


def l1(prediction: Any, target: Any) -> sp.Expr:
    """The absolute error, averaged over one sample's axes.

    >>> import symgrad as sg
    >>> sg.l1(sg.data("p"), sg.data("y"))
    Abs(p - y)
    """
    p, y = pair(prediction, target, "l1")
    return averaged(sp.Abs(p - y))


def huber(prediction: Any, target: Any, delta: Any = 1) -> sp.Expr:
    """Half the squared error up to `delta`, linear beyond, as torch.nn.HuberLoss."""
    error = _error(prediction, target, "huber")
    delta = number(delta, lambda d: d > 0, "sg.huber wants a delta above 0")
    size = sp.Abs(error)
    return averaged(where(size <= delta, error**2 / 2, delta * (size - delta / 2)))


def smooth_l1(prediction: Any, target: Any, beta: Any = 1) -> sp.Expr:
    """The squared error over 2 beta up to `beta`, the absolute one less beta/2 beyond."""
    error = _error(prediction, target, "smooth_l1")
    beta = number(beta, lambda b: b >= 0, "sg.smooth_l1 wants a beta from 0")
    size = sp.Abs(error)
    if beta == 0:
        return averaged(size)
    return averaged(where(size < beta, error**2 / (2 * beta), size - beta / 2))


def log_cosh(prediction: Any, target: Any) -> sp.Expr:
    """log(cosh(error)): half the squared error near 0, the absolute one less log(2) far out."""
    p, y = pair(prediction, target, "log_cosh")
    return averaged(logcosh(p - y))


def quantile(prediction: Any, target: Any, q: Any = HALF) -> sp.Expr:
    """The pinball loss, least at the target's q-quantile: q e or (q - 1) e, e = y - p.

    >>> import symgrad as sg
    >>> sg.quantile(sg.data("p"), sg.data("y"), 0.25)
    Max(-0.25*(p - y), 0.75*(p - y))
    """
    error = -_error(prediction, target, "quantile")
    q = number(q, lambda q: 0 <= q <= 1, "sg.quantile wants a q from 0 to 1")
    return averaged(sp.Max(q * error, (q - 1) * error))


# ---- likelihoods


def binary_cross_entropy(probability: Any, target: Any) -> sp.Expr:
    """-(y log p + (1 - y) log(1 - p)) for probabilities p; logarithms from -100, as in torch."""
    p, y = pair(probability, target, "binary_cross_entropy")
    log_p, log_q = sp.Max(sp.log(p), -100), sp.Max(sp.log(1 - p), -100)
    return averaged(-(y * log_p + (1 - y) * log_q))


def binary_cross_entropy_with_logits(logit: Any, target: Any, pos_weight: Any = None) -> sp.Expr:
    """-(w y log s(z) + (1 - y) log s(-z)) for logits z; softplus(z) - y z where w is 1, stable.

    >>> import symgrad as sg
    >>> sg.binary_cross_entropy_with_logits(sg.data("z"), sg.data("y"))
    -y*z + softplus(z)
    """
    z, y = pair(logit, target, "binary_cross_entropy_with_logits")
    if pos_weight is None:
        return averaged(softplus(z) - y * z)
    z = anonymous(z)
    return averaged((1 - y) * z - (1 + (sympify(pos_weight) - 1) * y) * log_sigmoid(z))


def kl_div(log_probability: Any, target: Any, *, log_target: bool = False,
           reduction: str = "mean") -> sp.Expr:  # fmt: skip
    """Kullback and Leibler's y (log y - z) for log-probabilities z.

    reduction: "mean" over all elements, torch's default, or "batchmean", the divergence itself:
    the sum over one sample.  With `log_target` the target is log y.
    """
    z, y = pair(log_probability, target, "kl_div")
    y = anonymous(y)
    loss = sp.exp(y) * (y - z) if log_target else xlogy(y, y) - y * z
    if reduction not in ("mean", "batchmean"):
        raise ValueError(f"sg.kl_div: reduction is 'mean' or 'batchmean', not {reduction!r}")
    return averaged(loss) if reduction == "mean" or not describe(loss)[0] else sum_over(loss)


def poisson_nll(prediction: Any, target: Any, *, log_input: bool = True, full: bool = False,
                eps: Any = 1e-8) -> sp.Expr:  # fmt: skip
    """Poisson's negative log-likelihood: exp(z) - y z for z = log rate, else z - y log(z + eps).

    full: Stirling's approximation of log y! is added where y > 1.
    """
    z, y = pair(prediction, target, "poisson_nll")
    z, y = anonymous(z), anonymous(y)
    loss = sp.exp(z) - y * z if log_input else z - y * sp.log(z + eps)
    if full:
        loss += where(y > 1, y * sp.log(y) - y + sp.log(2 * sp.pi * y) / 2, 0)
    return averaged(loss)


def gaussian_nll(prediction: Any, target: Any, var: Any, *, full: bool = False,
                 eps: Any = 1e-6) -> sp.Expr:  # fmt: skip
    """The normal distribution's negative log-likelihood: (log v + (p - y)**2/v)/2.

    The variance v is at least eps; its derivative does not see that, as in torch.
    full: log(2 pi)/2 is added.  A variance without the prediction's last axis counts for all of it.
    """
    p, y = pair(prediction, target, "gaussian_nll")
    var = anonymous(sympify(var))
    own, whole = describe(var)[0], max(describe(p)[0], describe(y)[0], key=len)
    if own not in ((), whole, whole[:-1], (*whole[:-1], 1)):
        raise ValueError(
            f"sg.gaussian_nll wants a variance of shape {whole} or {whole[:-1]}, the prediction's "
            f"or that without its last axis; this one has shape {own}"
        )
    if own == whole[:-1] != ():
        var = reshape(var, (*own, 1))
    v = anonymous(var + stop_gradient(sp.Max(var, sympify(eps)) - var))
    loss = (sp.log(v) + (p - y) ** 2 / v) / 2
    return averaged(loss + sp.log(2 * sp.pi) / 2 if full else loss)
