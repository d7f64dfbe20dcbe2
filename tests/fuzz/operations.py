"""The operations that a program is drawn from: what their operands must be, and attributes.

POINTWISE: the interval in which each operand must lie ("bool" for a condition), and attributes as
lists to choose from.  STRUCTURED: a function of the drawing that picks operands and attributes, or
gives None where nothing fits.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

from tests.fuzz.pick_losses import (
    angles,
    batched,
    cosine,
    derivative,
    gaussian,
    gradient,
    labelled,
    pair,
    probabilities,
    sampled,
    scores,
    triplet,
)
from tests.fuzz.pick_matrices import (
    cross,
    einsum,
    flat_product,
    positive,
    product,
    quadratic,
    spd,
    square,
    system,
    tensordot,
    triangular,
    vectors,
)
from tests.fuzz.pick_views import (
    broadcast,
    concatenate,
    diagonal,
    flip,
    gather,
    lookup,
    one_hot,
    pad,
    pad_mode,
    permuted,
    reshape,
    scalar_at,
    sliced_vector,
    split,
    squeeze,
    stack,
    take,
    take_array,
    take_at,
    tile,
    unsqueeze,
    vector_or_square,
)
from tests.fuzz.picks import (
    ANY,
    POSITIVE,
    TAME,
    UNIT,
    along,
    any_rank,
    matrix,
    noisy,
    norm,
    one_operand,
    plain,
    reduced,
    spread,
)

NUMBERS = [2, -1, 3, 0.5, -0.3, 1.7, 0.1]

# fmt: off
POINTWISE: dict[str, tuple[tuple, dict[str, list]]] = {
    # ---- arithmetic
    "add": ((ANY, ANY), {}), "sub": ((ANY, ANY), {}), "mul": ((ANY, ANY), {}),
    "div": ((ANY, (0.2, 6)), {}), "neg": ((ANY,), {}), "scale": ((ANY,), {"number": NUMBERS}),
    "fraction": ((ANY,), {"p": [1, -2, 5], "q": [3, 7]}), "shift": ((ANY,), {"number": NUMBERS}),
    "from_number": ((ANY,), {"number": NUMBERS}), "over": ((POSITIVE,), {"number": NUMBERS}),
    "times_pi": ((ANY,), {}), "add3": ((ANY,)*3, {}), "mul3": ((TAME,)*3, {}),
    "mul7": (((-2, 2),)*7, {}), "square": (((-12, 12),), {}),
    "power": (((0.2, 3), (-2, 2)), {}), "positive_power": ((TAME,), {"n": [2, 3, 4]}),
    "negative_power": (((0.3, 3),), {"n": [-1, -2, -3]}),
    "rational_power": ((POSITIVE,), {"p": [1, 3, -1, -3], "q": [2, 3]}),
    "exponential": ((TAME,), {"base": [2, 0.5, 3]}), "sqrt": ((POSITIVE,), {}),
    "cbrt": ((POSITIVE,), {}), "rsqrt": ((POSITIVE,), {}), "lerp": ((ANY, ANY, ANY), {}),
    "squash": ((ANY,), {"low": [0.3, -0.9, 1.3], "width": [0.5, 1.5]}),
    # ---- exponentials and logarithms
    "exp": (((-5, 4),), {}), "exp2": ((TAME,), {}), "expm1": ((TAME,), {}),
    "log": ((POSITIVE,), {}), "log1p": (((-0.7, 6),), {}), "log2": ((POSITIVE,), {}),
    "log10": ((POSITIVE,), {}), "logit": ((UNIT,), {}), "logaddexp": ((ANY, ANY), {}),
    "xlogy": ((ANY, POSITIVE), {}), "hypot": ((ANY, ANY), {}),
    # ---- trigonometry, hyperbolic functions
    "sin": ((ANY,), {}), "cos": ((ANY,), {}), "tan": (((-1.2, 1.2),), {}),
    "asin": (((-0.9, 0.9),), {}), "acos": (((-0.9, 0.9),), {}), "atan": ((ANY,), {}),
    "atan2": ((ANY, ANY), {}), "sinc": (((0.3, 6),), {}), "sympy_sinc": (((0.3, 6),), {}),
    "sinh": ((TAME,), {}), "cosh": ((TAME,), {}), "tanh": ((ANY,), {}), "asinh": ((ANY,), {}),
    "acosh": (((1.2, 6),), {}), "atanh": (((-0.9, 0.9),), {}), "cot": (((0.3, 2.8),), {}),
    "sech": ((TAME,), {}), "csch": (((0.3, 4),), {}), "coth": (((0.3, 4),), {}),
    "acot": (((0.2, 6),), {}), "asec": (((1.2, 6),), {}), "acsc": (((1.2, 6),), {}),
    "acoth": (((1.2, 6),), {}), "asech": (((0.1, 0.9),), {}), "acsch": (((0.2, 6),), {}),
    # ---- special functions
    "erf": ((ANY,), {}), "erfc": ((TAME,), {}), "erfinv": (((-0.9, 0.9),), {}),
    "gamma": (((0.4, 5),), {}), "loggamma": (((0.3, 9),), {}),
    "beta": (((0.4, 4), (0.4, 4)), {}), "digamma": (((0.3, 9),), {}),
    "trigamma": (((0.5, 9),), {}), "polygamma": (((0.6, 6),), {"n": [0, 1, 2]}),
    # ---- kinks and steps
    "abs": ((ANY,), {}), "sign": ((ANY,), {}), "floor": ((ANY,), {}), "ceiling": ((ANY,), {}),
    "round": ((ANY,), {}), "round_decimals": ((ANY,), {"n": [1, 2]}), "trunc": ((ANY,), {}),
    "heaviside": ((ANY,), {"number": [0, 1, 0.5]}), "sympy_heaviside": ((ANY,), {}),
    "max": ((ANY, ANY), {}), "min": ((ANY, ANY), {}), "max3": ((ANY, ANY, ANY), {}),
    "min_number": ((ANY,), {"number": NUMBERS}), "mod": ((ANY, (0.5, 4)), {}),
    "mod_number": ((ANY,), {"number": [1, 2, 0.7]}), "fmod": ((ANY, (0.5, 4)), {}),
    "remainder": ((ANY, (0.5, 4)), {}), "floor_divide": ((ANY, (0.5, 4)), {}),
    "clamp": ((ANY,), {"low": [-1, 0, -0.3], "high": [1, 0.4, 6]}),
    "clamp_below": ((ANY,), {"low": [-1, 0, 0.2]}), "clamp_values": ((ANY, ANY, ANY), {}),
    # ---- conditions
    "lt": ((ANY, ANY), {}), "le": ((ANY, ANY), {}), "gt": ((ANY, ANY), {}), "ge": ((ANY, ANY), {}),
    "gt_number": ((ANY,), {"number": [0, 0.1, -1]}), "eq": (("int",), {"number": [0, 1, 2]}),
    "ne": (("int", "int"), {}), "and": (("bool", "bool"), {}), "or": (("bool", "bool"), {}),
    "not": (("bool",), {}), "indicator": (("bool",), {}), "where": (("bool", ANY, ANY), {}),
    "where_number": (("bool", ANY), {"number": NUMBERS}),
    "piecewise": ((ANY, ANY, "bool", "bool", ANY), {}), "where_log": ((ANY,), {}),
    "where_sqrt": ((ANY, ANY), {}), "stop_gradient": ((ANY,), {}),
    # ---- activations
    **{name: ((ANY,), {}) for name in (
        "relu", "relu6", "leaky_relu", "selu", "gelu", "gelu_tanh", "silu", "mish", "hardtanh",
        "hardsigmoid", "hardswish", "softplus", "softsign", "softshrink", "hardshrink",
        "tanhshrink", "sigmoid", "log_sigmoid", "logistic", "custom_tanh", "straight_through")},
    "leaky_relu_slope": ((ANY, ANY), {}), "prelu": ((ANY, "scalar"), {}),
    "elu": ((ANY,), {"alpha": [1, 0.5, 2]}), "celu": ((ANY,), {"alpha": [1, 0.5, 2]}),
    "hardtanh_bounds": ((ANY,), {"low": [-1, -0.5], "high": [0.5, 2]}),
    "threshold": ((ANY,), {"number": [0, 0.3], "value": [0, -1.5]}),
    # ---- as in a textbook
    **{name: (((-6, 6),), {}) for name in (
        "log1p_exp", "log_cosh_exp", "sigmoid_by_exp", "sigmoid_ratio", "sigmoid_slope",
        "log_of_sigmoid", "log_of_cosh", "log_of_exp")},
    **{name: (((-6, 6),)*2, {}) for name in ("log_sum_exp_2", "log_1_exp_exp", "softmax_2")},
    "log_sum_exp_3": (((-6, 6),)*3, {}), "log_1_sigmoid": ((TAME,), {}),
    "log_sech_2": (((-1.5, 1.5),), {}), "sin_over": (((0.3, 6),), {}),
    "versine_over": (((0.5, 3),), {}), "root_sum": ((ANY,), {"number": [1, 0.1, 3]}),
    "root_sum_of": ((ANY, POSITIVE), {}), "root_slope": ((ANY, POSITIVE), {}),
    "log_1_plus": (((-0.7, 6),), {}), "exp_less_1": ((TAME,), {}),
    "as_float": (("int",), {}),
}
# fmt: on

RESULTS = {
    **dict.fromkeys(("lt", "le", "gt", "ge", "gt_number", "eq", "ne", "and", "or", "not"), "bool"),
    "any": "bool", "all": "bool", "argmax": "int", "argmin": "int",
}  # fmt: skip


# fmt: off
STRUCTURED: dict[str, Callable[[Any], Any]] = {
    **dict.fromkeys(("sum", "mean", "amax", "amin", "logsumexp", "norm_max", "norm_min"), reduced),
    "prod": lambda d: reduced(d, interval=(-4, 4)), "any": lambda d: reduced(d, "bool"),
    "all": lambda d: reduced(d, "bool"), "var": spread, "std": spread, "norm": norm,
    "softmax": along, "log_softmax": along, "argmax": along, "argmin": along,
    "cumsum": lambda d: along(d, reverse=[True, False]),
    "log_sum_exp": lambda d: reduced(d, interval=(-6, 6)),
    "softmax_by_exp": any_rank, "softmax_by_exp_kept": along, "log_of_softmax": along,
    "log_of_softmax_at": lambda d: labelled(d),
    "log_of_softmax_slice": lambda d: sliced_vector(d),
    "matmul": product, "matmul_function": product, "dot": flat_product, "outer": vectors,
    "einsum": einsum, "tensordot": tensordot, "cross": cross, "trace": square, "spd": spd,
    "quadratic": quadratic, "reshape": reshape, "flatten": any_rank, "transpose": permuted,
    "permute": permuted, "transposed": any_rank, "broadcast_to": broadcast, "squeeze": squeeze,
    "unsqueeze": unsqueeze, "concatenate": concatenate, "stack": stack, "split": split,
    "flip": flip, "roll": lambda d: along(d, shift=[1, -1, 2, 5]),
    "tril": lambda d: matrix(d, k=[0, 1, -1]), "triu": lambda d: matrix(d, k=[0, 1, -1]),
    "diag": vector_or_square, "diagonal": diagonal, "tile": tile, "pad": pad,
    "pad_mode": pad_mode, "take": take, "take_array": take_array, "take_at": take_at,
    "lookup": lookup, "noisy": noisy,
    "take_at_two": lambda d: take_at(d, 2), "take_column": lambda d: take_at(d, column=True),
    "one_hot": one_hot, "gather": gather, "scalar_at": scalar_at,
    "det": square, "logdet": positive, "inv": positive, "solve": system, "cholesky": positive,
    "triangular_solve": triangular, "eigvalsh": positive,
    **dict.fromkeys(("mse", "l1", "huber", "smooth_l1", "log_cosh", "hinge", "soft_margin",
                     "binary_cross_entropy_with_logits"), pair),
    "binary_cross_entropy": lambda d: pair(d, UNIT, UNIT), "kl_div": lambda d: pair(d, ANY, UNIT),
    "binary_cross_entropy_weighted": lambda d: pair(d, number=[0.3, 2]),
    "kl_div_log": lambda d: pair(d, ANY, TAME), "poisson_nll": lambda d: pair(d, TAME, ANY),
    "poisson_nll_full": lambda d: pair(d, POSITIVE, POSITIVE),
    "quantile": lambda d: pair(d, q=[0.25, 0.9]), "gaussian_nll": gaussian,
    "cross_entropy": lambda d: labelled(d, smoothing=lambda d, n: d.one([0, 0.1])),
    "cross_entropy_of_probabilities": probabilities,
    "cross_entropy_weighted": lambda d: labelled(
        d, weight=lambda d, n: d.rng.uniform(0.2, 2, n).round(2).tolist()),
    "cross_entropy_ignoring": lambda d: labelled(
        d, ignored=lambda d, n: int(d.rng.integers(n))),
    "nll": labelled, "margin_ranking": lambda d: pair(d, number=[1, -1], margin=[0, 0.5]),
    "hinge_embedding": lambda d: one_operand(d, number=[1, -1]), "cosine_similarity": cosine,
    "cosine_embedding": lambda d: angles(d, number=[1, -1], margin=[0, 0.2]),
    "triplet_margin": triplet, "expectation": plain, "batch": sampled, "times_batch_size": plain,
    "over_batch_size": plain, "batch_sum": batched, "batch_mean": batched, "batch_max": batched,
    "batch_logsumexp": batched, "batch_total": batched, "batch_scores": scores,
    "normalized": sampled, "gradient": gradient,
    "hvp": lambda d: derivative(d, True, 6, "x"), "hessian": lambda d: derivative(d, True, 3, None),
    "jacobian": lambda d: derivative(d, False, 4, None),
    "jvp": lambda d: derivative(d, False, 6, "x"), "vjp": lambda d: derivative(d, False, 6, "v"),
}
# fmt: on

OPERATIONS = tuple(itertools.chain(POINTWISE, STRUCTURED))
