"""Vector mathematics against mpmath: at most 4 units in the last place, for every number."""

import ctypes
import functools
import math
import platform
import re
import warnings
from typing import Any

import mpmath as mp
import numba as nb
import numpy as np
import pytest
import scipy.special

from symgrad.generate import vector_gamma_long as gamma_long
from symgrad.generate import vector_math
from symgrad.generate.ir_operations import CODE
from symgrad.language.row import TABLE

MOST_ULPS = 4.0
FASTMATH = {"afn", "arcp", "contract", "nsz", "reassoc"}  # as in every kernel
DTYPES = ("float32", "float64")


def _normal(x: mp.mpf) -> mp.mpf:
    """The normal distribution function."""
    return mp.erfc(-max(min(x, 99), -99) / mp.sqrt(2)) / 2


def _mish(x: mp.mpf) -> mp.mpf:
    return x * mp.tanh(mp.log1p(mp.exp(min(x, 999))))


def _logcosh(x: mp.mpf) -> mp.mpf:
    near = mp.log1p(2 * mp.sinh(min(abs(x), 1) / 2) ** 2)
    return near if abs(x) < 1 else abs(x) - mp.log(2) + mp.log1p(mp.exp(-2 * abs(x)))


# what each is, for mpmath and, where numbers end, for NumPy; and where it is defined
FUNCTIONS = {
    "exp": (mp.exp, np.exp, -math.inf, math.inf),
    "expm1": (mp.expm1, np.expm1, -math.inf, math.inf),
    "log": (mp.log, np.log, 0, math.inf),
    "log1p": (mp.log1p, np.log1p, -1, math.inf),
    "tanh": (mp.tanh, np.tanh, -math.inf, math.inf),
    "sigmoid": (lambda x: 1 / (1 + mp.exp(-x)), scipy.special.expit, -math.inf, math.inf),
    "softplus": (lambda x: mp.log1p(mp.exp(x)), lambda x: np.logaddexp(x, x.dtype.type(0)),
                 -math.inf, math.inf),
    "erf": (mp.erf, scipy.special.erf, -math.inf, math.inf),
    "erfc": (lambda x: mp.erfc(min(max(x, -99), 99)), scipy.special.erfc, -math.inf, math.inf),
    "erfinv": (lambda x: mp.erfinv(x), TABLE["erfinv"].numpy, -1, 1),
    "cbrt": (lambda x: mp.sign(x) * mp.cbrt(abs(x)), np.cbrt, -math.inf, math.inf),
    "gelu": (lambda x: x * _normal(x), TABLE["gelu"].numpy, -math.inf, math.inf),
    "mish": (_mish, TABLE["mish"].numpy, -math.inf, math.inf),
    "scaled_sigmoid": (lambda x: (2**64 if x < -1 else 1) / (1 + mp.exp(-x)),
                       TABLE["scaled_sigmoid"].numpy, -math.inf, math.inf),
    "logistic_slope": (lambda x: 1 / (2 + 2 * mp.cosh(x)), TABLE["logistic_slope"].numpy,
                       -math.inf, math.inf),
    "logcosh": (_logcosh, TABLE["logcosh"].numpy, -math.inf, math.inf),
    "logit": (lambda x: mp.log(x / (1 - x)), TABLE["logit"].numpy, 0, 1),
    "sin": (mp.sin, np.sin, -math.inf, math.inf),
    "cos": (mp.cos, np.cos, -math.inf, math.inf),
    "tan": (mp.tan, np.tan, -math.inf, math.inf),
    "asin": (mp.asin, np.arcsin, -1, 1),
    "acos": (mp.acos, np.arccos, -1, 1),
    "atan": (mp.atan, np.arctan, -math.inf, math.inf),
    "sinh": (mp.sinh, np.sinh, -math.inf, math.inf),
    "cosh": (mp.cosh, np.cosh, -math.inf, math.inf),
    "asinh": (mp.asinh, np.arcsinh, -math.inf, math.inf),
    "acosh": (mp.acosh, np.arccosh, 1, math.inf),
    "atanh": (mp.atanh, np.arctanh, -1, 1),
}  # fmt: skip


SLOPES = {"gelu_slope", "mish_slope"}  # differences: tested in units of their terms


@pytest.fixture(scope="module", params=FUNCTIONS)
def name(request) -> str:
    return request.param


def ulps(y: float, exact: mp.mpf, dtype: str) -> float:
    """How far y is from the exact value, in units of the last place of that value."""
    format = np.finfo(dtype)
    largest = mp.mpf(float(format.max))
    if not math.isfinite(y):
        return 0.0 if abs(exact) >= largest and y * mp.sign(exact) > 0 else math.inf
    exponent = mp.frexp(exact)[1] - 1 if exact else -math.inf
    unit = mp.mpf(2) ** (max(exponent, format.minexp) - format.nmant)
    return float(abs(mp.mpf(float(y)) - exact) / unit)


def assert_accurate(name: str, x: np.ndarray, dtype: str, exact: Any, precision: int,
                    most: float = MOST_ULPS) -> None:  # fmt: skip
    """A function's values are at most so many units off, of exact ones with so many bits."""
    with mp.workprec(precision):
        errors = [
            ulps(y, exact(mp.mpf(float(v))), dtype) for v, y in zip(x, over(name, x), strict=True)
        ]
    worst = int(np.argmax(errors))
    assert errors[worst] <= most, f"{name}({x[worst]!r}) is off by {errors[worst]:.2f} ulp"


def numbers(rng, dtype: str, low: float, high: float, n: int = 120) -> np.ndarray:
    """Numbers of every size, and many where functions bend, between low and high."""
    format = np.finfo(dtype)
    signs = rng.choice([-1.0, 1.0], n)
    x = np.concatenate([
        signs * 2.0 ** rng.uniform(format.minexp - format.nmant, format.maxexp - 1e-6, n),
        signs * 2.0 ** rng.uniform(-format.nmant - 5, math.log2(-format.minexp), n),
        1 + signs * 2.0 ** rng.uniform(-format.nmant, 0, n),
        rng.uniform(-1, 1, n), rng.uniform(-20, 20, n), rng.uniform(-110, 90, n),
        rng.uniform(-1.05, 1, n) * format.maxexp * math.log(2),
        np.arange(-n, n) * math.pi / 4,
    ]).astype(dtype)  # fmt: skip
    return x[(x > low) & (x < high)]


@pytest.mark.parametrize("dtype", DTYPES)
def test_accuracy(name, rng, dtype, share):
    exact, _, low, high = FUNCTIONS[name]
    x = numbers(rng, dtype, low, high, share(120))
    precision = 1300 if name in ("sin", "cos", "tan") else 250
    assert_accurate(name, x, dtype, exact, precision)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["log", "logit", "atanh", "acosh", "asinh"])
def test_logarithms_next_to_1(rng, name, dtype):
    """The nearest numbers, and where powers of two begin to be taken off: errors are largest."""
    exact, _, low, high = FUNCTIONS[name]
    near = 1 + np.arange(-40, 40) * np.finfo(dtype).epsneg
    x = np.concatenate([near, rng.uniform(0.1, 2.0, 2000), -rng.uniform(0.1, 1, 500)]).astype(dtype)
    x = x[(x > low) & (x < high)]
    assert_accurate(name, x, dtype, exact, 150)


def test_asinh_where_log_2_cancels_half_of_the_rest():
    """There it was 4.02 units off: a + r - 2 has the error of r."""
    x = np.array([0.37623146, 0.36489615, 0.35714468], "float32")
    assert all(
        ulps(y, mp.asinh(float(v)), "float32") < 3 for v, y in zip(x, over("asinh", x), strict=True)
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["sinh", "cosh", "expm1"])
def test_exponentials_next_to_the_largest_number(rng, name, dtype):
    """Finite to the end, infinite beyond."""
    last = np.finfo(dtype).maxexp * math.log(2)
    x = rng.uniform(last - 2, last + 3, 500).astype(dtype)
    assert_accurate(name, x, dtype, FUNCTIONS[name][0], 150)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="flags have other numbers elsewhere")
@pytest.mark.parametrize("name", ["exp", "sigmoid", "softplus"])
@pytest.mark.parametrize("dtype", DTYPES)
def test_nothing_underflows_where_exponentials_are_0(name, dtype):
    """Rounding to 0 takes a processor a hundred cycles, and masks of attention are -1e9 or so."""
    x = -np.geomspace(1e3, 1e9, 60).astype(dtype)
    x = np.concatenate([x, np.array([-np.inf], dtype)])
    over(name, x)  # compiled
    libm, underflow = ctypes.CDLL("libm.so.6"), 0x10
    libm.feclearexcept(underflow)
    y = over(name, x)
    assert not libm.fetestexcept(underflow)
    assert not y.any()


@pytest.mark.parametrize("dtype", DTYPES)
def test_ends(name, dtype):
    """Infinities, NaN, zeros of both signs, denormals, the largest numbers, poles."""
    format = np.finfo(dtype)
    ends = [0.0, math.inf, math.nan, format.smallest_subnormal, format.tiny, format.max, 1, 2]
    x = np.array([s * v for v in ends for s in (1, -1)], dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        expected = FUNCTIONS[name][1](x)
    y = over(name, x)
    between = format.smallest_subnormal if name == "gelu" else 0  # half of it is between two
    np.testing.assert_allclose(y, expected, rtol=4 * format.eps, atol=between)
    if name not in ("softplus", "erfinv"):  # is never 0 and positive; SciPy's has no -0
        np.testing.assert_array_equal(
            np.signbit(y[~np.isnan(y)]), np.signbit(expected[~np.isnan(y)])
        )


@pytest.mark.parametrize(("dtype", "type"), [("float32", "float"), ("float64", "double")])
def test_loops_are_vectorised(name, dtype, type):
    code = code_of(name, dtype)
    assert re.search(rf"fmul contract <\d+ x {type}>", code)
    branches = f"_ZGV_LLVM_N4v_symgrad.{name}." in code  # then the loop calls it, for vectors
    assert not branches or re.search(rf"%.* call .*<\d+ x {type}> @symgrad\.{name}\.f", code)


def test_every_function_is_tested():
    public = {n for n, f in vars(vector_math).items() if type(f).__name__ == "_Intrinsic"}
    called = {row.called for row in CODE.values()} - {""}
    assert (
        called == public == {*FUNCTIONS, *PAIRS, *GAMMAS, *SLOPES, "digamma", "modulo", "unscaled"}
    )


def test_integers_are_taken_as_doubles():
    called = vector_math.exp
    assert nb.njit(lambda i: called(i))(1) == pytest.approx(math.e, rel=1e-15)


# ---- the gamma function: next to its poles and its logarithm's zeros, too, 4 units of the result

GAMMAS = {"gamma": (mp.gamma, scipy.special.gamma),
          "lgamma": (lambda x: mp.log(abs(mp.gamma(x))), math.lgamma)}  # fmt: skip


def assert_gamma_is_accurate(name, x, dtype):
    x = x[((x > 0) & (x < 1e6)) | ((x > -1e5) & (x != np.floor(x)))].astype(dtype)
    assert_accurate(name, x, dtype, GAMMAS[name][0], 400)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", GAMMAS)
def test_accuracy_of_gamma(rng, name, dtype):
    x = np.concatenate([numbers(rng, dtype, -math.inf, math.inf), rng.uniform(-40, 40, 1000),
                        rng.uniform(-185, 172, 1000), [1, 2, 3, 24, 171.5]])  # fmt: skip
    assert_gamma_is_accurate(name, x.astype(dtype), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", GAMMAS)
def test_accuracy_of_gamma_next_to_poles(rng, name, dtype):
    poles = -np.arange(1, 40, dtype=dtype)[:, None]
    steps = np.concatenate([[1, 2, 3, 5, -1, -2], rng.integers(-(10**6), 10**6, 20)])
    assert_gamma_is_accurate(name, (poles + steps * np.spacing(poles)).ravel(), dtype)


@pytest.mark.parametrize("dtype", DTYPES)
def test_accuracy_of_lgamma_next_to_its_zeros(rng, dtype):
    """The nearest numbers, and others in every distance."""
    zeros = np.array([row[0] for row in gamma_long.zeros()], dtype)[:, None]
    near = rng.integers(-10, 10, 10)
    far = rng.choice([-1, 1], 40) * 2.0 ** rng.uniform(3, np.finfo(dtype).nmant - 4, 40)
    steps = np.concatenate([[0, 1, -1], near, np.round(far)]).astype(dtype)
    assert_gamma_is_accurate("lgamma", (zeros + steps * np.spacing(zeros)).ravel(), dtype)


def test_zeros_of_lgamma():
    """log |Gamma| changes its sign there, and the series is the function's."""
    with mp.workdps(60):
        f = GAMMAS["lgamma"][0]
        for high, low, *c in gamma_long.zeros():
            zero, step = mp.mpf(high) + low, mp.mpf(low) / 2**50 + mp.mpf(2) ** -110
            assert f(zero - step) * f(zero + step) < 0 or abs(f(zero) / c[0]) < abs(step)
            d = mp.mpf(gamma_long.NEAR) / c[0]
            assert mp.polyval([*reversed(c), 0], d) == pytest.approx(f(zero + d), rel=1e-16)


@pytest.mark.parametrize("dtype", DTYPES)
def test_ends_of_gamma(dtype):
    x = np.array([0.0, -0.0, math.inf, -math.inf, math.nan, -1, -2, -1e10, 1e30, 0.5, 5], dtype)
    nan, inf = math.nan, math.inf
    half = math.sqrt(math.pi)
    expected = np.array([inf, -inf, inf, nan, nan, nan, nan, nan, inf, half, 24], dtype)
    np.testing.assert_allclose(over("gamma", x), expected, rtol=4 * np.finfo(dtype).eps)
    big = np.float64(x[8]) * (math.log(np.float64(x[8])) - 1)
    expected = np.array([inf, inf, inf, inf, nan, inf, inf, inf, big, math.log(half), math.log(24)])
    np.testing.assert_allclose(over("lgamma", x), expected, rtol=4 * np.finfo(dtype).eps)


def test_lgamma_overflows_where_it_must():
    last = gamma_long.OVERFLOW
    x = np.array([last / 2, last, np.nextafter(last, math.inf), 1e306, np.finfo(np.float64).max])
    with mp.workprec(200):
        finite = [float(v * (mp.log(v) - 1)) for v in map(mp.mpf, x[:2])]
    expected = [*finite, math.inf, math.inf, math.inf]
    np.testing.assert_allclose(over("lgamma", x), expected, rtol=4 * np.finfo(np.float64).eps)


@pytest.mark.parametrize("dtype", DTYPES)
def test_loops_with_gamma_are_vectorised(dtype):
    for name in GAMMAS:
        assert "fdiv contract <" in code_of(name, dtype)


@functools.cache
def loop(name: str):
    called = getattr(vector_math, name)

    @nb.njit(fastmath=FASTMATH, error_model="numpy")
    def fill(x, y):
        for i in range(x.size):
            y[i] = called(x[i])

    return fill


def over(name: str, x: np.ndarray) -> np.ndarray:
    y = np.empty_like(x)
    loop(name)(x, y)
    return y


def code_of(name: str, dtype: str) -> str:
    """What LLVM makes of the loop for this dtype, whatever else it was made for."""
    over(name, np.ones(1, dtype))
    return next(code for kinds, code in loop(name).inspect_llvm().items() if dtype in str(kinds))


# ---- functions of two arguments

PAIRS = {"atan2": (mp.atan2, np.arctan2), "raised": (mp.power, np.power),
         "exp_product": (lambda x, y: mp.exp(x * y), TABLE["exp_product"].numpy)}  # fmt: skip


@functools.cache
def loop_of_pairs(name: str):
    called = getattr(vector_math, name)

    @nb.njit(fastmath=FASTMATH, error_model="numpy")
    def fill(x, y, z):
        for i in range(x.size):
            z[i] = called(x[i], y[i])

    return fill


def over_pairs(name: str, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    z = np.empty_like(x)
    loop_of_pairs(name)(x, y, z)
    return z


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", PAIRS)
def test_accuracy_of_pairs(rng, name, dtype):
    x = numbers(rng, dtype, 0, math.inf)
    y = rng.permutation(numbers(rng, dtype, -math.inf, math.inf)[: x.size])
    if name == "raised":  # results of every size
        largest = np.finfo(dtype).maxexp * math.log(2)
        scale = np.log(x.astype("float64"), where=x != 1, out=np.ones(x.size))
        y = (rng.uniform(-1.05, 1, x.size) * largest / scale).astype(dtype)
        x, y = x[np.isfinite(y)], y[np.isfinite(y)]
    if name == "exp_product":
        largest = np.finfo(dtype).maxexp * math.log(2)
        with np.errstate(over="ignore"):
            y = (rng.uniform(-1.05, 1, x.size) * largest / x).astype(dtype)
        x, y = x[np.isfinite(y)], y[np.isfinite(y)]
    with mp.workprec(250):
        exact = [PAIRS[name][0](*map(mp.mpf, map(float, pair))) for pair in zip(x, y, strict=True)]
        errors = [ulps(z, e, dtype) for z, e in zip(over_pairs(name, x, y), exact, strict=True)]
    worst = int(np.argmax(errors))
    assert errors[worst] <= MOST_ULPS, f"{name}({x[worst]!r}, {y[worst]!r}): {errors[worst]:.2f}"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", PAIRS)
def test_ends_of_pairs(name, dtype):
    """Zeros, infinities, NaN, and for powers whole, odd, half and huge exponents, as C has them."""
    format = np.finfo(dtype)
    odd = 2.0**format.nmant + 1
    sizes = [0, 1, 2, 3, 0.5, 1.5, odd, 2 * odd, format.max, format.tiny,
             format.smallest_subnormal, math.inf, math.nan]  # fmt: skip
    values = np.array([s * v for v in sizes for s in (1.0, -1.0)], dtype)
    x, y = (a.ravel() for a in np.meshgrid(values, values))
    z = over_pairs(name, x, y)
    with np.errstate(all="ignore"):
        expected = PAIRS[name][1](x, y)
    np.testing.assert_allclose(z, expected, rtol=4 * format.eps, atol=format.smallest_subnormal)
    np.testing.assert_array_equal(np.signbit(z[z == z]), np.signbit(expected[z == z]))
