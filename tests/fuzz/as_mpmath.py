"""A scalar fuzzed program in numbers of 50 digits: one line an operation, derivatives by
differences."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from mpmath import mp, mpf

from tests.fuzz.programs import LETTERS, Program

# fmt: off
TEXT: dict[str, str] = {
    # ---- arithmetic
    "add": "a + b", "sub": "a - b", "mul": "a*b", "div": "a/b", "neg": "-a",
    "scale": "f({number})*a", "fraction": "f({p})/{q}*a", "shift": "a + f({number})",
    "from_number": "f({number}) - a", "over": "f({number})/a", "times_pi": "mp.pi*a",
    "add3": "a + b + c", "mul3": "a*b*c", "mul7": "a*b*c*d*e*f_*g", "square": "a*a",
    "power": "a**b", "positive_power": "a**{n}", "negative_power": "a**{n}",
    "rational_power": "a**(f({p})/{q})", "exponential": "f({base})**a", "sqrt": "mp.sqrt(a)",
    "cbrt": "mp.cbrt(a)", "rsqrt": "1/mp.sqrt(a)", "lerp": "a + c*(b - a)",
    "squash": "f({low}) + f({width})/(1 + mp.exp(-a))",
    # ---- exponentials and logarithms
    "exp": "mp.exp(a)", "exp2": "f(2)**a", "expm1": "mp.expm1(a)", "log": "mp.log(a)",
    "log1p": "mp.log1p(a)", "log2": "mp.log(a, 2)", "log10": "mp.log10(a)",
    "logit": "mp.log(a/(1 - a))", "logaddexp": "mp.log(mp.exp(a) + mp.exp(b))",
    "xlogy": "a*mp.log(b)", "hypot": "mp.hypot(a, b)",
    # ---- trigonometry, hyperbolic functions
    **{name: f"mp.{name}(a)" for name in (
        "sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "asinh", "acosh",
        "atanh", "cot", "sech", "csch", "coth", "acot", "asec", "acsc", "acoth", "asech", "acsch",
        "erf", "erfc", "erfinv", "gamma", "loggamma", "digamma")},
    "atan2": "mp.atan2(a, b)", "sinc": "mp.sincpi(a)", "sympy_sinc": "mp.sinc(a)",
    "beta": "mp.beta(a, b)", "trigamma": "mp.polygamma(1, a)", "polygamma": "mp.polygamma({n}, a)",
    # ---- kinks and steps
    "abs": "abs(a)", "sign": "mp.sign(a)", "floor": "mp.floor(a)", "ceiling": "mp.ceil(a)",
    "round": "mp.nint(a)", "round_decimals": "mp.nint(a*10**{n})/10**{n}",
    "trunc": "mp.sign(a)*mp.floor(abs(a))",
    "heaviside": "f(0) if a < 0 else f(1) if a > 0 else f({number})",
    "sympy_heaviside": "(1 + mp.sign(a))/2", "max": "max(a, b)", "min": "min(a, b)",
    "max3": "max(a, b, c)", "min_number": "min(a, f({number}))", "mod": "a - b*mp.floor(a/b)",
    "mod_number": "a - f({number})*mp.floor(a/f({number}))",
    "fmod": "a - b*mp.sign(a/b)*mp.floor(abs(a/b))", "remainder": "a - b*mp.floor(a/b)",
    "floor_divide": "mp.floor(a/b)", "clamp": "min(max(a, f({low})), f({high}))",
    "clamp_below": "max(a, f({low}))", "clamp_values": "min(max(a, b), c)",
    # ---- conditions
    "lt": "a < b", "le": "a <= b", "gt": "a > b", "ge": "a >= b", "gt_number": "a > f({number})",
    "and": "a and b", "or": "a or b", "not": "not a", "indicator": "f(a)",
    "where": "b if a else c", "where_number": "b if a else f({number})",
    "piecewise": "a if c else b if d else e", "where_log": "mp.log(a) if a > 0 else a",
    "where_sqrt": "mp.sqrt(a) if a > 0 else b",
    # ---- activations
    "relu": "max(a, 0)", "relu6": "min(max(a, 0), 6)", "leaky_relu": "a if a > 0 else f(0.01)*a",
    "leaky_relu_slope": "a if a > 0 else a*b", "prelu": "a if a > 0 else a*b",
    "elu": "a if a > 0 else f({alpha})*mp.expm1(a)",
    "selu": "selu*a if a > 0 else selu*selu_alpha*mp.expm1(a)",
    "celu": "a if a > 0 else f({alpha})*mp.expm1(a/f({alpha}))", "gelu": "a*mp.ncdf(a)",
    "gelu_tanh": "a/2*(1 + mp.tanh(mp.sqrt(2/mp.pi)*(a + mpf('0.044715')*a**3)))",
    "silu": "a/(1 + mp.exp(-a))", "mish": "a*mp.tanh(mp.log1p(mp.exp(a)))",
    "hardtanh": "min(max(a, -1), 1)", "hardtanh_bounds": "min(max(a, f({low})), f({high}))",
    "hardsigmoid": "min(max(a + 3, 0), 6)/6", "hardswish": "a*min(max(a + 3, 0), 6)/6",
    "softplus": "mp.log1p(mp.exp(a))", "softsign": "a/(1 + abs(a))",
    "softshrink": "mp.sign(a)*max(abs(a) - f(0.5), 0)", "hardshrink": "a if abs(a) > 0.5 else f(0)",
    "tanhshrink": "a - mp.tanh(a)", "threshold": "a if a > f({number}) else f({value})",
    "sigmoid": "1/(1 + mp.exp(-a))", "log_sigmoid": "-mp.log1p(mp.exp(-a))",
    "logistic": "1/(1 + mp.exp(-a))", "custom_tanh": "mp.tanh(a)",
    # ---- as in a textbook
    "log1p_exp": "mp.log1p(mp.exp(a))", "log_sum_exp_2": "mp.log(mp.exp(a) + mp.exp(b))",
    "log_cosh_exp": "mp.log(mp.exp(a) + mp.exp(-a))",
    "log_sum_exp_3": "mp.log(mp.exp(a) + mp.exp(b) + mp.exp(c))",
    "log_1_exp_exp": "mp.log(1 + mp.exp(a) + mp.exp(b))", "sigmoid_by_exp": "1/(1 + mp.exp(-a))",
    "sigmoid_ratio": "mp.exp(a)/(1 + mp.exp(a))", "softmax_2": "1/(1 + mp.exp(b - a))",
    "sigmoid_slope": "mp.exp(a)/(1 + mp.exp(a))**2",
    "log_of_sigmoid": "-mp.log1p(mp.exp(-a))", "log_1_sigmoid": "-mp.log1p(mp.exp(a))",
    "log_sech_2": "-2*mp.log(mp.cosh(a))", "log_of_cosh": "mp.log(mp.cosh(a))",
    "sin_over": "mp.sin(a)/a", "versine_over": "(1 - mp.cos(a))/a**2",
    "root_sum": "mp.sqrt(a*a + f({number}))", "root_sum_of": "mp.sqrt(a*a + b)",
    "root_slope": "a/mp.sqrt(a*a + b)", "log_1_plus": "mp.log1p(a)", "exp_less_1": "mp.expm1(a)",
    "log_of_exp": "a",
    # ---- losses
    "mse": "(a - b)**2", "l1": "abs(a - b)", "log_cosh": "mp.log(mp.cosh(a - b))",
    "huber": "(a - b)**2/2 if abs(a - b) <= 1 else abs(a - b) - f(0.5)",
    "smooth_l1": "(a - b)**2/2 if abs(a - b) <= 1 else abs(a - b) - f(0.5)",
    "hinge": "max(1 - a*b, 0)", "soft_margin": "mp.log1p(mp.exp(-a*b))",
    "binary_cross_entropy": "-b*mp.log(a) - (1 - b)*mp.log(1 - a)",
    "binary_cross_entropy_with_logits": "mp.log1p(mp.exp(a)) - a*b",
    "binary_cross_entropy_weighted":
    "f({number})*b*mp.log1p(mp.exp(-a)) + (1 - b)*mp.log1p(mp.exp(a))",
    "kl_div": "b*mp.log(b) - b*a", "kl_div_log": "mp.exp(b)*(b - a)",
    "poisson_nll": "mp.exp(a) - a*b", "quantile": "max(f({q})*(b - a), (f({q}) - 1)*(b - a))",
    "gaussian_nll": "(mp.log(c) + (a - b)**2/c)/2",
    "margin_ranking": "max(f({margin}) - {number}*(a - b), 0)",
    # ---- the mini-batch: lists of all samples' values
    "expectation": "mean(a)", "times_batch_size": "[x*len(a)/10 for x in a]",
    "over_batch_size": "[x/len(a) for x in a]", "normalized": "normalized(a)",
}
# fmt: on

WHOLE = ("expectation", "times_batch_size", "over_batch_size", "normalized")
STEP = mpf(10) ** -17


def mean(a: list) -> list:
    return [mp.fsum(a) / len(a)] * len(a)


def normalized(a: list) -> list:
    rest = [x - m for x, m in zip(a, mean(a), strict=True)]
    size = mp.sqrt(mean([x * x for x in rest])[0] + mpf("0.1"))
    return [x / size for x in rest]


SPACE: dict[str, Any] = {
    "mp": mp, "mpf": mpf, "f": mpf, "mean": mean, "normalized": normalized, "max": max, "min": min,
    "selu": mpf("1.0507009873554804934193349852946"),
    "selu_alpha": mpf("1.6732632423543772848170429916717"),
}  # fmt: skip


@functools.lru_cache(100_000)
def compiled(text: str, count: int) -> Callable[..., Any]:
    letters = ", ".join(LETTERS[:count]).replace("f", "f_")
    return eval(f"lambda {letters}: {text}", SPACE)


def knows(program: Program) -> bool:
    """Whether it is scalar, and every step has a line here: derivatives are not held back."""
    return program.scalar and all(s.operation in TEXT for s in program.steps)


def loss(program: Program, values: dict[str, list]) -> Any:
    """The mean loss, from the inputs' values in lists of samples; adds the steps' values."""
    for s in program.steps:
        given = [values[x] for x in s.operands]
        f = compiled(s.text(TEXT[s.operation], tuple(LETTERS[: len(given)])), len(given))
        if s.operation in WHOLE:
            values[s.name] = f(*given)
        else:
            values[s.name] = [f(*sample) for sample in zip(*given, strict=True)]
    terms = [mean(values[s.name])[0] for s in program.sinks if s.kind == "float"]
    return mpf(0.7) * mp.fsum(terms)


def run(program: Program) -> tuple[dict[str, list], Any, dict[str, Any]]:
    """Values, the loss, and its derivatives by differences, with 50 digits."""
    with mp.workdps(50):
        start = {
            x.name: [mpf(float(a)) for a in program.values[x.name]] if x.sampled
            else [mpf(float(program.values[x.name]))] * program.samples
            for x in program.inputs
        }  # fmt: skip
        values = dict(start)
        total = loss(program, values)
        slopes = {}
        for x in program.trained:
            moved = [{**start, x.name: [a + h for a in start[x.name]]} for h in (STEP, -STEP)]
            slopes[x.name] = (loss(program, moved[0]) - loss(program, moved[1])) / (2 * STEP)
        return values, total, slopes
