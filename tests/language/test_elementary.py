"""Elementary functions beside torch's: values, first and second derivatives."""

import numpy as np
import pytest
import sympy as sp
import torch

import symgrad as sg
from tests.language.against_torch import compare

UNARY = {
    "square": (sg.square, torch.square, (-2, 2)),
    "rsqrt": (sg.rsqrt, torch.rsqrt, (0.1, 3)),
    "exp2": (sg.exp2, torch.exp2, (-3, 3)),
    "log2": (sg.log2, torch.log2, (0.1, 9)),
    "log10": (sg.log10, torch.log10, (0.1, 9)),
    "log1p": (sg.log1p, torch.log1p, (-0.9, 2)),
    "expm1": (sg.expm1, torch.expm1, (-2, 2)),
    "logit": (sg.logit, torch.logit, (0.05, 0.95)),
    "sinc": (sg.sinc, torch.sinc, (-3, 3)),
    "asin": (sp.asin, torch.asin, (-0.9, 0.9)),
    "acosh": (sp.acosh, torch.acosh, (1.1, 4)),
    "atanh": (sp.atanh, torch.atanh, (-0.9, 0.9)),
    "tan": (sp.tan, torch.tan, (-1.2, 1.2)),
}
BINARY = {
    "hypot": (sg.hypot, torch.hypot),
    "logaddexp": (sg.logaddexp, torch.logaddexp),
    "xlogy": (lambda x, y: sg.xlogy(x, y**2 + 0.1), lambda x, y: torch.xlogy(x, y**2 + 0.1)),
    "atan2": (sp.atan2, torch.atan2),
}


@pytest.mark.parametrize("name", UNARY)
def test_function_is_torchs(name, rng):
    ours, theirs, (low, high) = UNARY[name]
    compare(ours, theirs, [rng.uniform(low, high, (3, 4))], rtol=1e-9)


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("shapes", [((5,), (5,)), ((3, 4), (4,)), ((), (2, 1))])
def test_function_of_two_is_torchs(name, shapes, rng):
    compare(*BINARY[name], [rng.uniform(-2, 2, s) for s in shapes])


def test_lerp_is_torchs(rng):
    compare(sg.lerp, torch.lerp, [rng.standard_normal((2, 3)) for _ in range(3)])


def test_xlogy_is_0_where_x_is_0():
    x, y = np.array([0.0, 0.0, 1.0, 0.0]), np.array([2.0, 0.0, 3.0, -1.0])
    compare(sg.xlogy, torch.xlogy, [x, y], order=1)


@pytest.mark.parametrize("bounds", [(-0.5, 1), (None, 0.5), (0, None), (1, -1)])
def test_clamp_is_torchs_on_its_bounds_too(bounds):
    x = np.array([-2.0, -0.5, 0.0, 0.2, 0.5, 1.0, 3.0])
    compare(lambda x: sg.clamp(x, *bounds), lambda x: torch.clamp(x, *bounds), [x])


def test_clamp_between_tensors_is_torchs(rng):
    arrays = [rng.standard_normal((4, 3)) for _ in range(3)]
    compare(sg.clamp, torch.clamp, arrays)


def test_cube_root_of_negative_numbers(rng):
    x = rng.uniform(0.1, 8, 6) * np.array([1, -1, 1, -1, 1, -1])
    compare(sg.cbrt, lambda x: torch.sign(x) * torch.abs(x) ** (1 / 3), [x])


def test_sinc_near_0_has_all_its_derivatives():
    x = np.array([0.0, 1e-9, 1e-4, 1e-2, 0.3])

    def series(x):
        return 1 - x**2 / 6 + x**4 / 120 - x**6 / 5040 + x**8 / 362880 - x**10 / 39916800

    compare(sp.sinc, series, [x], rtol=1e-12, atol=1e-12)


def test_hypot_and_logaddexp_do_not_overflow():
    large = np.array([1e200, 3e300, 5.0])
    compare(sg.hypot, torch.hypot, [large, np.array([2e200, 4e300, 12.0])], order=1)
    compare(sg.logaddexp, torch.logaddexp, [large, np.array([2e200, 3e300, -800.0])], order=1)


def test_clamp_wants_a_bound():
    with pytest.raises(ValueError, match="bound"):
        sg.clamp(sg.data("x"))


@pytest.mark.parametrize("x", [2**63, -(2**63), sp.Rational(10**12, 3), 1e300])
def test_powers_of_2_that_sympy_would_write_out_are_refused(x):
    with pytest.raises(ValueError, match="beyond every dtype"):
        sg.exp2(x)
    assert sg.exp2(2**16) == 2 ** sp.Integer(2**16) and sg.exp2(sp.oo) == sp.oo
