"""Micro-kernels against NumPy: every way round, every edge, and never beyond an array."""

import itertools
import threading
from dataclasses import replace
from pathlib import Path

import numba as nb
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symgrad.generate import micro_kernels
from symgrad.generate.micro_choice import choose, plans
from symgrad.generate.micro_cost import blas_cycles
from symgrad.generate.micro_kernels import MODULES, matrix_product
from symgrad.generate.micro_machine import Machine, host
from symgrad.generate.micro_plan import Plan, Shape
from tests.generate.micro_native import compiled, fenced

WIDE = Machine(64, 32, True, True, 64)
NARROW = Machine(32, 16, True, True, 64)
PLAIN = Machine(16, 16, False, False, 32)
FAR = Machine(64, 32, True, True, 128, caches=(48 * 1024, 2 * 1024**2, 2**28), ways=12, waits=0.5)
TRANSPOSES = list(itertools.product((0, 1), (0, 1)))


def shaped(dtype, ta, tb, m, n, k, gap=0, **rest):
    """A shape whose rows lie `gap` elements further apart than they must."""
    lda, ldb = (m if ta else k) + gap, (k if tb else n) + gap
    return Shape(dtype, ta, tb, m, n, k, max(lda, 1), max(ldb, 1), max(n + gap, 1), **rest)


def matrix(rng, rows, columns, leading, dtype):
    """A flat array that ends with the last element of the matrix, and the matrix in it."""
    flat = fenced(rng.standard_normal(max((rows - 1) * leading + columns, 1)).astype(dtype))
    strides = (leading * flat.itemsize, flat.itemsize)
    if rows == 0 or columns == 0:
        return flat, np.zeros((rows, columns), dtype)
    return flat, np.lib.stride_tricks.as_strided(flat, (rows, columns), strides)


def check(shape, plan, rng, size=0, machine=None, alpha=0.75, beta=0.5):
    """The product by this plan against float64 arithmetic of NumPy."""
    compare(shape, compiled(shape, plan, machine), rng, size, alpha, beta, str(plan))


def compare(shape, product, rng, size=0, alpha=0.75, beta=0.5, message=""):
    """A compiled product against float64 arithmetic of NumPy."""
    m, n, k = (size if shape.sampled == s else getattr(shape, s) for s in "mnk")
    a_flat, a = matrix(rng, *((k, m) if shape.ta else (m, k)), shape.lda, shape.dtype)
    b_flat, b = matrix(rng, *((n, k) if shape.tb else (k, n)), shape.ldb, shape.dtype)
    c_flat, c = matrix(rng, m, n, shape.ldc, shape.dtype)
    beta = beta if shape.beta is None else shape.beta
    if beta == 0:
        c[...] = np.nan
    before = c_flat.copy()
    old = np.zeros((m, n)) if beta == 0 else c.astype(float)
    exact = (a.T if shape.ta else a).astype(float) @ (b.T if shape.tb else b).astype(float)
    expected = alpha * exact + beta * old
    product(size, alpha, a_flat, b_flat, beta, c_flat)
    tolerance = np.finfo(shape.dtype).eps * (8 + 4 * k)
    np.testing.assert_allclose(c, expected, rtol=0, atol=tolerance, err_msg=message)
    inside = np.zeros(c_flat.size, bool)
    rows, columns = np.indices((m, n))
    inside[(rows * shape.ldc + columns).ravel()] = True
    np.testing.assert_array_equal(c_flat[~inside], before[~inside])


@pytest.mark.parametrize("machine", [WIDE, NARROW, PLAIN], ids=["wide", "narrow", "plain"])
@pytest.mark.parametrize(("ta", "tb"), TRANSPOSES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_products_are_right_on_every_machine(dtype, ta, tb, machine, rng):
    shape = shaped(dtype, ta, tb, 21, 37, 19, gap=3, beta=0)
    check(shape, choose(shape, machine).plan, rng, machine=machine)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize(("ta", "tb"), TRANSPOSES)
def test_either_way_round_with_panels_and_general_beta(ta, tb, turned, rng):
    shape = shaped("float32", ta, tb, 18, 41, 33, gap=1)
    product = compiled(shape, Plan(turned, 6, 2, 16, 12, False))
    compare(shape, product, rng)
    compare(shape, product, rng, beta=0.0)


@pytest.mark.parametrize("sampled", ["m", "n", "k"])
@pytest.mark.parametrize(("ta", "tb"), TRANSPOSES)
def test_a_size_may_be_known_only_when_the_code_runs(ta, tb, sampled, rng):
    shape = shaped("float64", ta, tb, 40, 40, 40, sampled=sampled, beta=1)
    for turned in (False, True):
        product = compiled(shape, Plan(turned, 6, 2, 8, 16 if turned else 40, False))
        for size in (0, 1, 7, 16, 33, 40):
            compare(shape, product, rng, size)


@pytest.mark.parametrize("across", [False, True])
def test_rows_of_tiles_first_or_columns_of_tiles(across, rng):
    shape = shaped("float32", 1, 0, 50, 70, 8, beta=1)
    check(shape, Plan(False, 8, 2, 16, 8, across), rng)


@pytest.mark.parametrize("sampled", ["", "m", "n", "k"])
@pytest.mark.parametrize("turned", [False, True])
def test_strips_are_copied_into_panels(turned, sampled, rng):
    ta = int(turned)  # so that rows of what is read in vectors are contiguous
    shape = shaped("float32", ta, 0, 30, 41, 33, gap=2, sampled=sampled, beta=1)
    product = compiled(shape, Plan(turned, 6, 2, 16, 12, False, copied=True))
    for size in (7, 20, {"m": 30, "n": 41, "k": 33}.get(sampled, 0)) if sampled else (0,):
        compare(shape, product, rng, size)


@pytest.mark.parametrize("sampled", ["", "m", "n", "k"])
@pytest.mark.parametrize(("ta", "tb"), TRANSPOSES)
def test_strips_are_copied_several_at_a_time(ta, tb, sampled, rng):
    shape = shaped("float32", ta, tb, 30, 75, 33, gap=2, sampled=sampled, beta=1)
    for turned in (False, True):
        product = compiled(shape, Plan(turned, 6, 2, 8, 12, True, copied=True, block=32))
        for size in (7, 20, {"m": 30, "n": 75, "k": 33}.get(sampled, 0)) if sampled else (0,):
            compare(shape, product, rng, size)


@pytest.mark.parametrize(("ta", "tb"), TRANSPOSES)
def test_large_products_run_on_small_stacks(ta, tb, rng):
    """Threads may have 128 KB of it; several strips are more."""
    shape = shaped("float32", ta, tb, 512, 1024, 512, beta=0)
    plan = choose(shape, FAR).plan
    assert 4 * plan.block * plan.panel > 2**18
    product = compiled(shape, plan)
    x, y, z = (np.ones(n, "float32") for n in (512 * 512, 512 * 1024, 512 * 1024))
    before = threading.stack_size(2**17)
    try:
        thread = threading.Thread(target=product, args=(0, 1.0, x, y, 0.0, z))
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    assert (z == 512).all()


@pytest.mark.parametrize(("ta", "tb", "m", "k"), [(0, 0, 256, 1024), (1, 0, 1024, 256)])
def test_where_the_second_level_cache_is_waited_for_large_products_come_in_blocks(ta, tb, m, k):
    shape = shaped("float32", ta, tb, m, 1024, k, beta=ta)
    plan = choose(shape, FAR).plan
    assert plan.block > plan.width and f"by {plan.block}" in str(plan)
    assert 4 * plan.block * plan.panel <= FAR.caches[1] // 4
    assert not choose(shape, replace(FAR, waits=0.0)).plan.block
    assert not choose(shaped("float32", ta, tb, 16, 16, 16, beta=ta), FAR).plan.block


def test_along_rows_results_are_fetched_that_do_not_fall_into_the_same_sets(rng):
    shape = shaped("float32", 1, 0, 512, 784, 32, beta=1)
    plan = choose(shape, FAR).plan
    assert plan.across and plan.fetched
    assert not choose(shape, replace(FAR, waits=0.0)).plan.fetched
    assert not choose(shaped("float32", 1, 0, 512, 1024, 32, beta=1), FAR).plan.fetched
    assert not choose(shaped("float32", 1, 0, 128, 784, 32, beta=1), FAR).plan.fetched
    check(shaped("float32", 1, 0, 30, 41, 33, gap=2, beta=1), replace(plan, panel=12), rng)


def test_rows_of_whole_pages_that_are_waited_for_are_not_cut():
    shape = shaped("float32", 0, 1, 64, 1024, 1024, beta=0)
    plan = choose(shape, FAR).plan
    assert plan.turned and plan.panel == 1024
    assert choose(shape, replace(FAR, waits=0.0)).plan.panel < 512
    fewer = choose(replace(shape, n=512), FAR).plan  # as another thread's share would be
    assert fewer.panel == plan.panel


def test_tiles_leave_registers_for_what_they_multiply():
    shape = shaped("float32", 0, 0, 96, 96, 96, beta=0)
    assert all((p.rows + 1) * p.vectors < NARROW.registers for p in plans(shape, NARROW))


def test_large_results_are_fetched_while_sums_are_made(rng):
    shape = shaped("float32", 1, 0, 1024, 1024, 64, beta=1)
    plan = choose(shape, WIDE).plan
    assert plan.fetched and "c fetched" in str(plan)
    assert not choose(shaped("float32", 1, 0, 64, 64, 64, beta=1), WIDE).plan.fetched
    smaller = shaped("float32", 1, 0, 30, 41, 33, gap=2, beta=1)
    fetched = [Plan(False, 6, 2, 16, 12, False, copied, fetched=True) for copied in (False, True)]
    for plan in fetched:
        check(smaller, plan, rng)


@pytest.mark.parametrize("beta", [0, 1, None])
def test_nothing_to_add_leaves_beta_c(beta, rng):
    shape = shaped("float32", 0, 0, 5, 20, 0, beta=beta)
    check(shape, choose(shape).plan, rng)


def test_every_plan_that_may_be_chosen_is_right(rng):
    shape = shaped("float32", 0, 1, 10, 20, 9, beta=0)
    for plan in plans(shape, FAR):
        check(shape, plan, rng, machine=WIDE)


sizes = st.integers(0, 40)


@given(
    dtype=st.sampled_from(["float32", "float64"]), ta=st.integers(0, 1), tb=st.integers(0, 1),
    m=sizes, n=sizes, k=sizes, gap=st.integers(0, 3), beta=st.sampled_from([0, 1, None]),
    seed=st.integers(0, 1000), machine=st.sampled_from([WIDE, NARROW, PLAIN, FAR]),
)  # fmt: skip
@settings(max_examples=20)
def test_random_sizes(dtype, ta, tb, m, n, k, gap, beta, seed, machine):
    shape = shaped(dtype, ta, tb, m, n, k, gap, beta=beta)
    check(shape, choose(shape, machine).plan, np.random.default_rng(seed), machine=machine)


def test_generated_code_calls_products_with_offsets(rng):
    product = matrix_product("float32", 0, 1, 8, 5, 6, 6, 6, 5, sampled="m", beta=None)
    other = matrix_product("float32", 0, 1, 8, 5, 6, 6, 6, 5, beta=0)

    @nb.njit(fastmath={"contract", "reassoc", "nsz", "arcp", "afn"}, error_model="numpy")
    def run(n, a, b, c, d):
        product(n, 2.0, a, 6, b, 12, 1.0, c, 5)
        other(0, 1.0, a, 0, b, 12, 0.0, d, 0)

    a, b = (rng.standard_normal(s).astype("float32") for s in (60, 50))
    c, d = (rng.standard_normal(s).astype("float32") for s in (50, 40))
    x, y = a[6:48].reshape(7, 6), b[12:42].reshape(5, 6)
    expected = c.copy()
    expected[5:40] += (2 * x @ y.T).ravel()
    run(7, a, b, c, d)
    np.testing.assert_allclose(c, expected, atol=1e-5)
    np.testing.assert_allclose(d.reshape(8, 5), a[:48].reshape(8, 6) @ y.T, atol=1e-5)


def test_products_that_blas_does_better_go_there(rng, monkeypatch):
    shape = shaped("float64", 1, 0, 9, 7, 5, sampled="k", beta=1)
    choice = replace(choose(shape), library=True)
    monkeypatch.setattr("symgrad.generate.micro_kernels.choose", lambda *_: choice)
    product = matrix_product("float64", 1, 0, 9, 7, 5, 9, 7, 7, sampled="k", beta=1)

    @nb.njit
    def run(k, a, b, c):
        product(k, -1.0, a, 0, b, 0, 1.0, c, 0)

    a, b, c = rng.standard_normal((4, 9)), rng.standard_normal((4, 7)), np.ones((9, 7))
    run(4, a.ravel(), b.ravel(), c.reshape(-1))
    np.testing.assert_allclose(c, 1 - a.T @ b, atol=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"lda": 2}, "lda is 2, and a row has 3 elements"),
        ({"dtype": "float16"}, "float16"),
        ({"m": -1}, "sizes of at least 0"),
    ],
)
def test_errors_say_what_was_expected(change, message):
    names = ("dtype", "ta", "tb", "m", "n", "k", "lda", "ldb", "ldc")
    given = dict(zip(names, ("float32", 0, 0, 2, 2, 3, 3, 2, 2), strict=True)) | change
    with pytest.raises(ValueError, match=message):
        matrix_product(**given)


def test_a_library_that_knows_only_narrower_vectors_takes_longer():
    shape = shaped("float32", 1, 0, 1024, 1024, 256, beta=1)
    twice = Machine(64, 32, True, True, 128)
    wide, narrow = (blas_cycles(shape, replace(twice, library=n)) for n in (64, 32))
    assert 1.8 < narrow / wide < 2
    assert blas_cycles(shape, twice) == wide
    assert not choose(shape, replace(twice, library=32)).library


def test_the_library_is_asked_only_where_it_may_be_chosen(monkeypatch):
    def unexpected():
        raise AssertionError("BLAS is loaded")

    monkeypatch.setattr("symgrad.build.blas_threads.blas_kernels", unexpected)
    choose.cache_clear()
    small = shaped("float32", 0, 0, 32, 32, 32, beta=0)
    assert not choose(small).library
    monkeypatch.setattr("symgrad.generate.micro_choice.blas_cycles", lambda *_: 1.0)
    choose.cache_clear()
    with pytest.raises(AssertionError, match="BLAS is loaded"):
        choose(small)
    choose.cache_clear()


def test_choices_can_be_read():
    text = str(choose(shaped("float32", 0, 0, 32, 512, 784, beta=0), WIDE))
    assert text.startswith("32x784 @ 784x512 float32: tiles of")
    assert "BLAS" in text


def test_the_host_is_described():
    machine = host()
    assert machine.vector_bytes in (16, 32, 64)
    assert machine.caches[0] <= machine.caches[1] <= machine.caches[2]


def test_the_modules_of_a_kernel_are_all_there():
    folder = Path(micro_kernels.__file__).parent
    assert sorted(MODULES) == sorted(
        f"symgrad.generate.{p.stem}" for p in folder.glob("micro_*.py")
    )
