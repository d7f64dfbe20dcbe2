"""Every function that SymPy exports, of symbols: its value and derivative, or an error in prose."""

import traceback

import numpy as np
import pytest
import sympy as sp
import sympy.functions

import symgrad as sg
from symgrad.calculus.gradient import gradient

x, y, z = sg.data("x y z")
k = sg.data("k", dtype=int)
AT = {x: sp.Float("0.7", 40), y: sp.Float("1.3", 40), z: sp.Float("0.4", 40), k: sp.Integer(2)}
CALLS = ((x,), (x, y), (k, x), (x, y, z), (k, x, y), (k, k, x), (k, k, x, y))
NOT_FUNCTIONS = {"polarify"}  # gives a tuple


def built(name, arguments):
    """What SymPy makes of the call; None where it takes no such arguments."""
    try:
        e = getattr(sympy.functions, name)(*arguments)
    except Exception:  # whatever SymPy raises for a wrong number or kind of arguments
        return None
    return e if isinstance(e, sp.Expr) else None


def exact(name, arguments, shift=0):
    """SymPy's own value to 30 digits; NaN where it is complex, infinite or unknown."""
    at = AT | {x: AT[x] + shift}
    try:
        value = sp.N(built(name, [at[a] for a in arguments]), 30)
        return float(value) if value.is_extended_real else np.nan
    except (TypeError, ValueError, AttributeError):
        return np.nan


def ours(e):
    f = sg.function([e, gradient(e, x)], [x, y, z, k], target="reference")
    return [float(v) for v in f(*(float(AT[s]) for s in (x, y, z)), 2)]


@pytest.mark.parametrize("name", sorted(set(sympy.functions.__all__) - NOT_FUNCTIONS))
def test_it_is_right_or_refused(name):
    for arguments in CALLS:
        e = built(name, arguments)
        if e is None:
            continue
        try:
            value, slope = ours(e)
        except (TypeError, ValueError) as error:
            raised = traceback.extract_tb(error.__traceback__)[-1].filename
            assert "symgrad" in raised, f"{e}: {error} comes from {raised}"
            assert len(str(error).split()) > 5, f"{e}: {error}"
            continue
        h = sp.Rational(1, 10**8)
        want = exact(name, arguments)
        wanted = (exact(name, arguments, h) - exact(name, arguments, -h)) / float(2 * h)
        np.testing.assert_allclose(value, want, rtol=1e-12, atol=1e-14, err_msg=str(e))
        if np.isfinite(wanted):
            np.testing.assert_allclose(slope, wanted, rtol=1e-5, atol=1e-6, err_msg=str(e))


def test_the_error_names_the_function_and_the_remedy():
    with pytest.raises(TypeError, match=r"no operation for besselj in besselj\(2, x\); rewrite"):
        sg.function(sp.besselj(2, x), [x])


@pytest.mark.parametrize("target", ["reference", "cpu"])
def test_polynomials_of_a_known_degree_and_rewritten_functions(target, rng):
    expressions = {
        "legendre": sp.legendre(3, x), "hermite": sp.hermite(4, x), "laguerre": sp.laguerre(2, x),
        "chebyshev": sp.chebyshevt(5, x), "remainder": sp.functions.Rem(x, y),
        "delta": sp.KroneckerDelta(k, 2), "beta": sp.beta(x, y),
        "harmonic": sp.harmonic(4), "binomial": sp.binomial(5, 2) * x,
    }  # fmt: skip
    points = rng.uniform(0.5, 2, (2, 6))
    found = sg.function([*expressions.values()], [x, y, k], target=target)(*points, np.arange(6))
    for (label, e), got in zip(expressions.items(), found, strict=True):
        want = [sp.N(e.subs({x: a, y: b, k: i}), 20) for i, (a, b) in enumerate(points.T)]
        np.testing.assert_allclose(got, np.array(want, float), rtol=1e-12, err_msg=label)
