"""Derivatives next to poles and far out, where sums written carelessly lose all digits.

At most 6 units: they are formulas of several functions.
"""

import mpmath as mp
import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from tests.generate.test_accuracy_of_rows import units
from tests.generate.test_vector_math import DTYPES

# of d: decimal digits, as a share of the dtype's
NEXT_TO_1, FAR, STEEP, TINY = (-1.0, -0.03), (0.0, 0.9), (-0.3, 0.25), (-4.0, 0.0)

# the function, its derivative, and where: 1 - 10**-d or 10**d
DERIVATIVES = {
    "asin": (sp.asin, lambda x: 1 / mp.sqrt(1 - x * x), NEXT_TO_1),
    "acos": (sp.acos, lambda x: -1 / mp.sqrt(1 - x * x), NEXT_TO_1),
    "atanh": (sp.atanh, lambda x: 1 / (1 - x * x), NEXT_TO_1),
    "asech": (sp.asech, lambda x: -1 / (x * mp.sqrt(1 - x * x)), NEXT_TO_1),
    "sech": (sp.sech, lambda x: -mp.sech(x) * mp.tanh(x), STEEP),
    "csch": (sp.csch, lambda x: -mp.csch(x) * mp.coth(x), STEEP),
    "coth": (sp.coth, lambda x: -(mp.csch(x) ** 2), STEEP),
    "acot": (sp.acot, lambda x: -1 / (1 + x * x), TINY),
    "acsch": (sp.acsch, lambda x: -1 / (abs(x) * mp.sqrt(1 + x * x)), TINY),
    "softsign": (sg.softsign, lambda x: 1 / (1 + abs(x)) ** 2, FAR),
}


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", DERIVATIVES)
def test_derivatives_keep_their_digits(name, dtype, rng):
    f, exact, where = DERIVATIVES[name]
    digits = rng.uniform(*where, 200) * -np.log10(np.finfo(dtype).eps)
    size = 1 - 10.0**digits if where is NEXT_TO_1 else 10.0**digits
    x = sg.data("x")
    points = (size * rng.choice([-1, 1], size.size)).astype(dtype)
    points = points[abs(points) < 1] if where is NEXT_TO_1 else points
    found = sg.function(sg.gradient(f(x), x), [x], dtype=dtype)(points)
    with mp.workprec(200):
        values = [exact(mp.mpf(float(v))) for v in points]
        errors = [units(y, e, e, dtype) for y, e in zip(found, values, strict=True)]
    worst = int(np.argmax(errors))
    assert errors[worst] <= 6, f"{name}'({points[worst]!r}) is off by {errors[worst]:.2f} units"
