"""Constants whose product leaves the dtype's range, where what they multiply brings it back."""

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad.calculus.magnitude import MODERATE, apart, exponent, is_moderate
from tests.selection import mostly_full

# fmt: off
PAIRS = [("float32", 1e-27, 1e-25), ("float32", 1e30, 1e28), ("float32", 1e-20, 1e-22),
         ("float64", 1e-160, 1e-160), ("float64", 1e200, 1e180), ("float64", 1e-300, 1e-20)]
# fmt: on


def outputs(c, d, m, q, w):
    """Values that are about 1 for m = 1/c, q = 1/d and w = 1."""
    a, b = sg.let("a", c * m), sg.let("b", d * q)
    product, large = sg.let("product", a * b), sg.let("large", c / sg.let("inverse", 1 / m))
    W = sg.expectation(product * w**2)
    return {
        "in one product": c * m * d * q,
        "named": a * b,
        "with others": 2 * a * 3 * b * w / 6,
        "square": a**2,
        "square of a product": product**2,
        "quotient": large * b,
        "sum": a * b + a * w,
        "mean": sg.expectation(product),
        "mean of a sum": sg.expectation(a * b + c * m * w),
        "derivative": sg.gradient(W, w),
        "choice": sg.where(m > q, a * b, b * a),
    }


@pytest.mark.parametrize("batch", [1, 64])
@pytest.mark.parametrize(("dtype", "c", "d"), mostly_full(PAIRS, [PAIRS[0], PAIRS[4]]))
def test_products_stay_in_range(rng, dtype, c, d, batch, way):
    m, q, w = sg.data("m"), sg.data("q"), sg.parameter("w", init=1)
    x, y = rng.uniform(0.5, 2, (2, batch))
    given = [x / c, y / d, np.array(1.5)]
    labels, expressions = zip(*outputs(c, d, m, q, w).items(), strict=True)
    values = [sg.function([*expressions], [m, q, w], dtype=dtype, target=target)(*given)
              for target in ("cpu", "reference")]  # fmt: skip
    exact = [x * y, x * y, x * y * 1.5, x**2, (x * y) ** 2, x * y, x * y + 1.5 * x, (x * y).mean(),
             (x * y + 1.5 * x).mean(), (2 * x * y * 1.5).mean(), x * y]  # fmt: skip
    for label, found, reference, want in zip(labels, *values, exact, strict=True):
        for got in (found, reference):
            np.testing.assert_allclose(got, want, rtol=8 * np.finfo(dtype).eps, err_msg=label)


@pytest.mark.parametrize(("dtype", "c", "d"), mostly_full(PAIRS, [PAIRS[1], PAIRS[3]]))
def test_training_with_extreme_units(dtype, c, d, way):
    """The same steps as in units in which all numbers are about 1."""
    x = np.linspace(0.5, 2, 32)
    found = []
    for a, b in ((c, d), (1.0, 1.0)):
        m, y = sg.data("m y")
        w = sg.parameter("w", init=1)
        error = sg.let("scaled", a * m) * w - b * y
        model = sg.compile(error**2, sg.SGD(lr=0.1), dtype=dtype)
        model.fit({"m": x / a, "y": 3 * x / b}, epochs=3, batch_size=8, shuffle=False)
        found.append(float(model.parameters["w"]))
    np.testing.assert_allclose(*found, rtol=100 * np.finfo(dtype).eps)


def test_numbers_fold_while_they_are_moderate():
    assert apart([sp.Integer(3), sp.Rational(1, 2)]) == [sp.Rational(3, 2)]
    assert apart([sp.Integer(-1), sp.Float(1e-30)]) == [sp.Float(-1e-30)]
    assert apart([sp.Float(1e-27), sp.Float(1e-25)]) == [sp.Float(1e-27), sp.Float(1e-25)]
    assert apart([sp.Float(1e-27), sp.Float(1e25)]) == [sp.Float(1e-27) * sp.Float(1e25)]
    parts = apart([sp.Float("1e-400")])
    assert len(parts) == 14 and sp.Mul(*parts) == sp.Float("1e-400")


@pytest.mark.parametrize("number", [0, 1, -1, sp.pi, sp.Rational(1, 3), sp.oo, -sp.oo, sp.nan, sp.I,
                                    sp.zoo, 2.0**MODERATE / 2, sp.sqrt(2)])  # fmt: skip
def test_ordinary_numbers_and_those_without_a_size_are_moderate(number):
    assert is_moderate(number)


@pytest.mark.parametrize("k", [-400, -33, 33, 400])
def test_exponents(k):
    for number in (sp.Integer(2) ** k, sp.Float(2) ** k, sp.pi * sp.Integer(2) ** k):
        assert abs(exponent(number) - k) <= 2 and not is_moderate(number)


@pytest.mark.parametrize("target", ["cpu", "reference"])
def test_whole_numbers_that_64_bits_do_not_hold_are_floats(target):
    i, j = sg.data("i j", dtype=int)
    huge = [i + 2**70, i * 2**63, sg.where(i > 2**70, 1, j), sp.Max(i, -(2**80)), i - 2**63]
    n = [3, -5, 2**62]
    function = sg.function([*huge, i + 2**62], [i, j], target=target)
    *floats, whole = function(n, [1, 2, 3])
    x = np.array(n, float)
    expected = [x + 2.0**70, x * 2.0**63, [1, 2, 3], x, x - 2.0**63]
    for found, value in zip(floats, expected, strict=True):
        np.testing.assert_array_equal(found, value)
    assert whole.tolist() == [2**62 + 3, 2**62 - 5, -(2**63)]  # integers wrap


@pytest.mark.parametrize("target", ["cpu", "reference"])
def test_division_by_the_number_0(target):
    x, i = sg.data("x"), sg.data("i", dtype=int)
    function = sg.function([sg.floor_divide(x, 0), sg.floor_divide(i, 0)], [x, i], target=target)
    with np.errstate(all="ignore"):
        quotient, whole = function([2, -3, 0], [2, -3, 0])
    np.testing.assert_array_equal(quotient, [np.inf, -np.inf, np.nan])
    np.testing.assert_array_equal(whole, [0, 0, 0])
