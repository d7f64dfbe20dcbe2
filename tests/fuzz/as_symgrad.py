"""A fuzzed program as symgrad's expressions: one line an operation."""

from __future__ import annotations

from typing import Any

import numpy as np
import sympy as sp

import symgrad as sg
from symgrad.language.tensor import describe
from tests.fuzz.programs import WHOLE, Input, Program, Shape, Step, weights

# fmt: off
TEXT: dict[str, str] = {
    # ---- arithmetic
    "add": "{a} + {b}", "sub": "{a} - {b}", "mul": "{a}*{b}", "div": "{a}/{b}", "neg": "-{a}",
    "scale": "{number}*{a}", "fraction": "sp.Rational({p}, {q})*{a}", "shift": "{a} + {number}",
    "from_number": "{number} - {a}", "over": "{number}/{a}", "times_pi": "sp.pi*{a}",
    "add3": "{a} + {b} + {c}", "mul3": "{a}*{b}*{c}", "mul7": "{a}*{b}*{c}*{d}*{e}*{f}*{g}",
    "square": "sg.square({a})", "power": "{a}**{b}", "positive_power": "{a}**{n}",
    "negative_power": "{a}**{n}", "rational_power": "{a}**sp.Rational({p}, {q})",
    "exponential": "sp.Pow({base}, {a})", "sqrt": "sp.sqrt({a})", "cbrt": "sg.cbrt({a})",
    "rsqrt": "sg.rsqrt({a})", "lerp": "sg.lerp({a}, {b}, {c})", "squash":
    "{low} + {width}*sg.sigmoid({a})",
    # ---- exponentials and logarithms
    "exp": "sp.exp({a})", "exp2": "sg.exp2({a})", "expm1": "sg.expm1({a})", "log": "sp.log({a})",
    "log1p": "sg.log1p({a})", "log2": "sg.log2({a})", "log10": "sg.log10({a})",
    "logit": "sg.logit({a})", "logaddexp": "sg.logaddexp({a}, {b})", "xlogy": "sg.xlogy({a}, {b})",
    "hypot": "sg.hypot({a}, {b})",
    # ---- trigonometry, hyperbolic functions
    "sin": "sp.sin({a})", "cos": "sp.cos({a})", "tan": "sp.tan({a})", "asin": "sp.asin({a})",
    "acos": "sp.acos({a})", "atan": "sp.atan({a})", "atan2": "sp.atan2({a}, {b})",
    "sinc": "sg.sinc({a})", "sympy_sinc": "sp.sinc({a})", "sinh": "sp.sinh({a})",
    "cosh": "sp.cosh({a})", "tanh": "sp.tanh({a})", "asinh": "sp.asinh({a})",
    "acosh": "sp.acosh({a})", "atanh": "sp.atanh({a})", "cot": "sp.cos({a})/sp.sin({a})",
    **{name: f"sp.{name}({{a}})" for name in (
        "sech", "csch", "coth", "acot", "asec", "acsc", "acoth", "asech", "acsch")},
    # ---- special functions
    "erf": "sp.erf({a})", "erfc": "sg.erfc({a})", "erfinv": "sp.erfinv({a})",
    "gamma": "sp.gamma({a})", "loggamma": "sp.loggamma({a})", "beta": "sp.beta({a}, {b})",
    "digamma": "sg.digamma({a})", "trigamma": "sg.trigamma({a})",
    "polygamma": "sg.polygamma({n}, {a})",
    # ---- kinks and steps
    "abs": "sp.Abs({a})", "sign": "sp.sign({a})", "floor": "sp.floor({a})",
    "ceiling": "sp.ceiling({a})", "round": "sg.round({a})", "round_decimals":
    "sg.round({a}, {n})", "trunc": "sg.trunc({a})", "heaviside": "sg.heaviside({a}, {number})",
    "sympy_heaviside": "sp.Heaviside({a})", "max": "sp.Max({a}, {b})", "min": "sp.Min({a}, {b})",
    "max3": "sp.Max({a}, {b}, {c})", "min_number": "sp.Min({a}, {number})",
    "mod": "sp.Mod({a}, {b})", "mod_number": "{a} % {number}", "fmod": "sg.fmod({a}, {b})",
    "remainder": "sg.remainder({a}, {b})", "floor_divide": "sg.floor_divide({a}, {b})",
    "clamp": "sg.clamp({a}, {low}, {high})", "clamp_below": "sg.clamp({a}, min={low})",
    "clamp_values": "sg.clamp({a}, {b}, {c})",
    # ---- conditions
    "lt": "{a} < {b}", "le": "{a} <= {b}", "gt": "{a} > {b}", "ge": "{a} >= {b}",
    "gt_number": "{a} > {number}", "eq": "sp.Eq({a}, {number})", "ne": "sp.Ne({a}, {b})",
    "and": "sp.And({a}, {b})", "or": "sp.Or({a}, {b})", "not": "sp.Not({a})",
    "indicator": "sg.indicator({a})", "where": "sg.where({a}, {b}, {c})",
    "where_number": "sg.where({a}, {b}, {number})",
    "piecewise": "sp.Piecewise(({a}, {c}), ({b}, {d}), ({e}, True))",
    "where_log": "sg.where({a} > 0, sp.log({a}), {a})",
    "where_sqrt": "sg.where({a} > 0, sp.sqrt({a}), {b})",
    "stop_gradient": "sg.stop_gradient({a})",
    # ---- activations
    "relu": "sg.relu({a})", "relu6": "sg.relu6({a})", "leaky_relu": "sg.leaky_relu({a})",
    "leaky_relu_slope": "sg.leaky_relu({a}, {b})", "prelu": "sg.prelu({a}, {b})",
    "elu": "sg.elu({a}, {alpha})", "selu": "sg.selu({a})", "celu": "sg.celu({a}, {alpha})",
    "gelu": "sg.gelu({a})", "gelu_tanh": "sg.gelu({a}, 'tanh')", "silu": "sg.silu({a})",
    "mish": "sg.mish({a})", "hardtanh": "sg.hardtanh({a})",
    "hardtanh_bounds": "sg.hardtanh({a}, {low}, {high})", "hardsigmoid": "sg.hardsigmoid({a})",
    "hardswish": "sg.hardswish({a})", "softplus": "sg.softplus({a})",
    "softsign": "sg.softsign({a})", "softshrink": "sg.softshrink({a})",
    "hardshrink": "sg.hardshrink({a})", "tanhshrink": "sg.tanhshrink({a})",
    "threshold": "sg.threshold({a}, {number}, {value})", "sigmoid": "sg.sigmoid({a})",
    "log_sigmoid": "sg.log_sigmoid({a})", "logistic": "sg.logistic({a})",
    "custom_tanh": "sg.custom(sp.tanh, lambda g, y, x: g*(1 - y**2))({a})",
    "straight_through": "sg.custom(sg.round, lambda g, y, x: g)({a})",
    # ---- as in a textbook: what the stable forms replace
    "log1p_exp": "sp.log(1 + sp.exp({a}))", "log_sum_exp_2": "sp.log(sp.exp({a}) + sp.exp({b}))",
    "log_cosh_exp": "sp.log(sp.exp({a}) + sp.exp(-{a}))",
    "log_sum_exp_3": "sp.log(sp.exp({a}) + sp.exp({b}) + sp.exp({c}))",
    "log_1_exp_exp": "sp.log(1 + sp.exp({a}) + sp.exp({b}))",
    "sigmoid_by_exp": "1/(1 + sp.exp(-{a}))", "sigmoid_ratio":
    "sp.exp({a})/(1 + sp.exp({a}))", "softmax_2": "sp.exp({a})/(sp.exp({a}) + sp.exp({b}))",
    "sigmoid_slope": "sg.logistic({a})*sg.logistic(-{a})", "log_of_sigmoid":
    "sp.log(sg.sigmoid({a}))", "log_1_sigmoid": "sp.log(1 - sg.sigmoid({a}))",
    "log_sech_2": "sp.log(1 - sp.tanh({a})**2)", "log_of_cosh": "sp.log(sp.cosh({a}))",
    "log_sum_exp": "sp.log(sg.sum(sp.exp({a}), axis={axis}, keepdims={keepdims}))",
    "softmax_by_exp": "sp.exp({a})/sg.sum(sp.exp({a}))",
    "softmax_by_exp_kept": "sp.exp({a})/sg.sum(sp.exp({a}), axis={axis}, keepdims=True)",
    "log_of_softmax": "sp.log(sg.softmax({a}, axis={axis}))",
    "log_of_softmax_at": "sp.log(sg.softmax({a})[{b}])",
    "log_of_softmax_slice": "sp.log(sg.take(sg.softmax({a}), {spec}))",
    "sin_over": "sp.sin({a})/{a}", "versine_over": "(1 - sp.cos({a}))/{a}**2",
    "root_sum": "sp.sqrt({a}**2 + {number})", "root_sum_of": "sp.sqrt({a}**2 + {b})",
    "root_slope": "{a}/sp.sqrt({a}**2 + {b})", "log_1_plus": "sp.log(1 + {a})",
    "exp_less_1": "sp.exp({a}) - 1", "log_of_exp": "sp.log(sp.exp({a}))",
    # ---- reductions
    **{name: f"sg.{name}({{a}}, axis={{axis}}, keepdims={{keepdims}})" for name in (
        "sum", "mean", "prod", "amax", "amin", "logsumexp", "any", "all")},
    "var": "sg.var({a}, axis={axis}, keepdims={keepdims}, correction={correction})",
    "std": "sg.std({a}, axis={axis}, keepdims={keepdims}, correction={correction})",
    "norm": "sg.norm({a}, {p}, axis={axis}, keepdims={keepdims})",
    "norm_max": "sg.norm({a}, sp.oo, axis={axis}, keepdims={keepdims})",
    "norm_min": "sg.norm({a}, -sp.oo, axis={axis}, keepdims={keepdims})",
    "softmax": "sg.softmax({a}, axis={axis})", "log_softmax": "sg.log_softmax({a}, axis={axis})",
    "cumsum": "sg.cumsum({a}, axis={axis}, reverse={reverse})",
    "argmax": "sg.argmax({a}, axis={axis})", "argmin": "sg.argmin({a}, axis={axis})",
    # ---- contractions
    "matmul": "{a} @ {b}", "matmul_function": "sg.matmul({a}, {b})", "dot": "sg.dot({a}, {b})",
    "outer": "sg.outer({a}, {b})", "einsum": "sg.einsum({text}, {all})",
    "tensordot": "sg.tensordot({a}, {b}, {axes})", "cross": "sg.cross({a}, {b}, axis={axis})",
    "trace": "sg.trace({a})", "spd": "sg.matmul({a}, sg.transpose({a})) + np.eye({n})",
    "quadratic": "sg.matmul(sg.matmul({b}, {a}), {b})",
    # ---- views
    "reshape": "sg.reshape({a}, {shape})", "flatten": "sg.flatten({a})",
    "transpose": "sg.transpose({a}, {axes})", "permute": "sg.permute({a}, {axes})",
    "transposed": "sg.let('t', {a}).T", "broadcast_to": "sg.broadcast_to({a}, {shape})",
    "squeeze": "sg.squeeze({a}, axis={axis})", "unsqueeze": "sg.unsqueeze({a}, axis={axis})",
    "concatenate": "sg.concatenate([{all}], axis={axis})",
    "stack": "sg.stack([{all}], axis={axis})", "split":
    "sg.split({a}, {sizes}, axis={axis})[{at}]", "flip": "sg.flip({a}, axis={axis})",
    "roll": "sg.roll({a}, {shift}, axis={axis})", "tril": "sg.tril({a}, {k})",
    "triu": "sg.triu({a}, {k})", "diag": "sg.diag({a}, {k})", "diagonal": "sg.diagonal({a}, {k})",
    "tile": "sg.tile({a}, {repeats})", "pad": "sg.pad({a}, {width}, value={value})",
    "pad_mode": "sg.pad({a}, {width}, mode={mode})",
    # ---- indexing
    "take": "sg.take({a}, {spec})", "take_array": "sg.take({a}, np.array({index}))",
    "take_at": "sg.take({a}, {b})", "take_at_two": "sg.take({a}, ({b}, {c}))",
    "take_column": "sg.take({a}, (slice(None), {b}))", "lookup": "sg.take({a}, {b})",
    "one_hot": "sg.one_hot({a}, {classes})",
    "gather": "sg.gather({a}, np.array({index}), axis={axis})", "as_float": "1.0*{a}",
    "scalar_at": "sg.let('s', {a})[{spec}]",
    # ---- linear algebra
    "det": "sg.det({a})", "logdet": "sg.logdet({a})", "inv": "sg.inv({a})",
    "solve": "sg.solve({a}, {b})", "cholesky": "sg.cholesky({a})",
    "triangular_solve": "sg.triangular_solve({a}, {b}, lower={lower}, transposed={transposed})",
    "eigvalsh": "sg.eigvalsh({a})",
    # ---- losses
    **{name: f"sg.{name}({{a}}, {{b}})" for name in (
        "mse", "l1", "huber", "smooth_l1", "log_cosh", "binary_cross_entropy", "kl_div",
        "binary_cross_entropy_with_logits", "poisson_nll", "hinge", "soft_margin")},
    "quantile": "sg.quantile({a}, {b}, {q})", "gaussian_nll": "sg.gaussian_nll({a}, {b}, {c})",
    "binary_cross_entropy_weighted":
    "sg.binary_cross_entropy_with_logits({a}, {b}, pos_weight={number})",
    "kl_div_log": "sg.kl_div({a}, {b}, log_target=True, reduction='batchmean')",
    "poisson_nll_full": "sg.poisson_nll({a}, {b}, log_input=False, full=True)",
    "cross_entropy": "sg.cross_entropy({a}, {b}, label_smoothing={smoothing})",
    "cross_entropy_of_probabilities": "sg.cross_entropy({a}, {b}, axis={axis})",
    "cross_entropy_weighted": "sg.cross_entropy({a}, {b}, weight=np.array({weight}))",
    "cross_entropy_ignoring": "sg.cross_entropy({a}, {b}, ignore_index={ignored})",
    "nll": "sg.nll({a}, {b})", "margin_ranking": "sg.margin_ranking({a}, {b}, {number}, {margin})",
    "hinge_embedding": "sg.hinge_embedding({a}, {number})",
    "cosine_similarity": "sg.cosine_similarity({a}, {b}, axis={axis})",
    "cosine_embedding": "sg.cosine_embedding({a}, {b}, {number}, {margin})",
    "triplet_margin": "sg.triplet_margin({a}, {b}, {c}, swap={swap})",
    # ---- the mini-batch
    "expectation": "sg.expectation({a})", "batch": "sg.batch({a})",
    "times_batch_size": "{a}*sg.batch_size/10", "over_batch_size": "{a}/sg.batch_size",
    "batch_sum": "sg.sum({a}, axis=0)", "batch_mean": "sg.mean({a}, axis=0)",
    "batch_max": "sg.max({a}, axis=0)", "batch_logsumexp": "sg.logsumexp({a}, axis=0)",
    "batch_total": "sg.mean({a})", "batch_scores": "sg.matmul({a}, {b})",
    "normalized": "({a} - sg.expectation({a}))/sp.sqrt(sg.expectation(({a} - "
    "sg.expectation({a}))**2) + 0.1)",
    # ---- random draws
    "noisy": "{a} + {b}/2",
    # ---- derivatives
    "gradient": "sg.gradient({a}, {b})", "hvp": "sg.hvp({a}, {b}, weights({shape}))",
    "hessian": "sg.hessian({a}, {b})", "jacobian": "sg.jacobian({a}, {b})",
    "jvp": "sg.jvp({a}, {b}, weights({shape}))", "vjp": "sg.vjp({a}, {b}, weights({shape}))",
}
# fmt: on


def kept(e: Any, shape: Shape) -> Any:
    """The expression in its shape, where SymPy simplified the tensor away that had it."""
    wanted = tuple(sg.batch_size if s == "B" else s for s in shape)
    if sg.shape(e) == wanted:
        return e
    if describe(e)[1] == "bool":
        return sg.broadcast_to(sg.indicator(e), wanted) > 0
    return sg.broadcast_to(sp.Float(e) if e.is_Integer else e, wanted)


def joined(e: Any, shape: Shape) -> sp.Expr:
    """A scalar of a tensor's elements: what a value adds to the loss."""
    if shape[:1] == ("B",):
        return sg.mean(e)
    return sg.sum(e * weights(shape)) if shape else 0.7 * e


SPACE = {"sp": sp, "sg": sg, "np": np, "kept": kept, "joined": joined, "weights": weights}
MAKE = {
    "data": "sg.data({!r}, shape={})", "parameter": "sg.parameter({!r}, shape={}, init=0)",
    "hyper": "sg.hyper({!r}, np.zeros({}))", "normal": "sg.random.normal({!r}, shape={})",
    "uniform": "sg.random.uniform({!r}, shape={})",
}  # fmt: skip


def made(x: Input, prefix: str = "") -> str:
    """How an input is made.  A draw's numbers depend on its name, which has no prefix."""
    if x.role in WHOLE:
        odds = x.limit if x.role == "integers" else list(range(x.limit or 0))
        return f"sg.random.{x.role}({x.name!r}, {odds}, shape={x.shape})"
    text = MAKE[x.role].format(x.name if x.random else prefix + x.name, x.shape)
    return f"{text[:-1]}, dtype=int)" if x.limit else text


def symbol(x: Input) -> Any:
    return eval(made(x), dict(SPACE))


def lines(program: Program, prefix: str = "") -> list[str]:
    """The program's text: its last line makes `loss`.  prefix: of the symbols' names."""
    out = []
    for x in program.inputs:
        out.append(f"{x.name} = {made(x, prefix)}")
    for s in program.steps:
        out.append(f"{s.name} = {line(s)}")
    terms = [f"joined({s.name}, {s.shape})" for s in program.sinks if s.kind == "float"]
    return [*out, f"loss = {' + '.join(terms) or '0'}"]


def line(s: Step) -> str:
    text = s.text(TEXT[s.operation])
    if s.shape:
        text = f"kept({text}, {s.shape})"
    return f"sg.let({s.name!r}, {text})" if s.let else text


def expressions(program: Program, prefix: str = "") -> dict[str, Any]:
    """Every name of the program as a symbol or an expression, and the loss."""
    space = dict(SPACE)
    exec("\n".join(lines(program, prefix)), space)
    return {k: v for k, v in space.items() if isinstance(v, sp.Basic | int | float)}
