"""digamma: polynomials, values above 0 next to its root, and below 0 in units of its terms."""

import mpmath as mp
import numpy as np
import pytest

import symgrad as sg
from symgrad.generate import vector_digamma as known
from tests.generate.test_vector_math import DTYPES, MOST_ULPS, code_of, over, ulps

with mp.workdps(40):
    ROOT = mp.findroot(mp.digamma, mp.mpf("1.4616321449683623"))


def asymptotic(w):
    x = 1 / mp.sqrt(w)
    return (mp.log(x) - 1 / (2 * x) - mp.digamma(x)) * x**2


# table, the function that it approximates, and the interval
POLYNOMIALS = {
    "AROUND": (lambda u: mp.digamma(u + 1.5) / (u + 1.5 - ROOT), -0.5, 0.5),
    "ABOVE": (lambda v: mp.digamma(v + 4) / (v + 4 - ROOT), -2, 2),
    "FAR": (asymptotic, 1e-9, known.HIGH**-2),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("table", POLYNOMIALS)
def test_coefficients(table, dtype):
    f, low, high = POLYNOMIALS[table]
    coefficients = [mp.mpf(c) for c in reversed(getattr(known, table)[dtype])]
    with mp.workdps(40):
        points = [low + (high - low) * mp.mpf(2 * k + 1) / 200 for k in range(100)]
        error = max(abs(mp.polyval(coefficients, x) - f(x)) for x in points)
    assert error < (4 if table == "FAR" else 1) * np.finfo(dtype).eps  # FAR is divided by x**2


@pytest.mark.parametrize("dtype", DTYPES)
def test_root_in_two_parts(dtype):
    high, low = known.ROOT[dtype]
    of = np.dtype(dtype).type
    assert high == float(of(float(ROOT))) and low == float(of(float(ROOT - mp.mpf(high))))


def exact_errors(x, dtype):
    with mp.workprec(200):
        exact = [mp.digamma(mp.mpf(float(v))) for v in x]
        return [ulps(y, e, dtype) for y, e in zip(over("digamma", x), exact, strict=True)]


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("low", "high"), [(-20, 0), (0, 2), (2, 6), (6, 50), (50, 120)])
def test_accuracy_above_0(rng, low, high, dtype, share):
    """From the smallest numbers to large ones."""
    n = share(1000)
    x = rng.uniform(low, high, n) if low >= 0 else 2.0 ** rng.uniform(-120, -1, n)
    errors = exact_errors(x.astype(dtype), dtype)
    assert max(errors) <= 4, (x[int(np.argmax(errors))], max(errors))


@pytest.mark.parametrize("dtype", DTYPES)
def test_accuracy_next_to_the_root(rng, dtype):
    steps = rng.choice([-1, 1], 500) * 2.0 ** rng.uniform(-np.finfo(dtype).nmant, -2, 500)
    errors = exact_errors((float(ROOT) + steps).astype(dtype), dtype)
    assert max(errors) <= 4, (steps[int(np.argmax(errors))], max(errors))


@pytest.mark.parametrize("dtype", DTYPES)
def test_accuracy_below_0(rng, dtype):
    """In units of the terms, which are at least 4 where they cancel; next to poles, too."""
    poles = -np.arange(1, 30, dtype=dtype)[:, None]
    near = (poles + rng.integers(1, 10**6, 20) * np.spacing(poles)).ravel()
    x = np.concatenate([-rng.uniform(0, 40, 500), near]).astype(dtype)
    with mp.workprec(200):
        exact = [mp.digamma(mp.mpf(float(v))) for v in x]
        scale = [abs(e) if abs(e) > 4 else mp.mpf(4) for e in exact]
        found = over("digamma", x)
        errors = [abs(mp.mpf(float(y)) - e) / 2 ** (mp.frexp(s)[1] - 1)
                  for y, e, s in zip(found, exact, scale, strict=True)]  # fmt: skip
    assert max(errors) <= 4 * np.finfo(dtype).eps


@pytest.mark.parametrize("dtype", DTYPES)
def test_ends(dtype):
    x = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, -1, -2, -1e10, 1], dtype)
    expected = np.array([-np.inf, np.inf, np.inf, *[np.nan] * 5, -np.euler_gamma])
    np.testing.assert_allclose(over("digamma", x), expected, rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("dtype", DTYPES)
def test_loops_with_digamma_are_vectorised(dtype):
    assert "fdiv contract <" in code_of("digamma", dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_what_is_left_over_by_vectors_is_computed_alike(dtype):
    """What is fused with a sum is said, where LLVM could choose."""
    x = np.linspace(0.05, 12, 4001).astype(dtype)
    alone = [over("digamma", x[i : i + 1])[0] for i in range(x.size)]
    np.testing.assert_array_equal(over("digamma", x), alone)


@pytest.mark.parametrize("dtype", DTYPES)
def test_trigamma_far_out(dtype, rng):
    """In float32 it was 5.9 units off: terms of its recurrence were rounded away."""
    x, at = sg.data("x"), (10.0 ** rng.uniform(0.9, 8, 500)).astype(dtype)
    (found,) = sg.function([sg.polygamma(1, x)], [x], dtype=dtype)(at)
    with mp.workprec(120):
        for v, y in zip(at, found, strict=True):
            assert ulps(y, mp.psi(1, mp.mpf(float(v))), dtype) <= MOST_ULPS, v
