"""Symbols: names, identity, pickling, hostile names, values that cannot be changed."""

import copy
import pickle

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from symgrad.calculus.capture import capture
from symgrad.show.text import block_text
from tests.calculus.values import value

W = sg.parameter("W", shape=(4, 3), init=0)
v = sg.data("v", shape=3)
x, y = sg.data("x y")
h = sg.let("h", sp.tanh(W @ v))


# ---- names


def test_names_split_at_spaces():
    a, b, c = sg.data("a b  c")
    assert [s.name for s in (a, b, c)] == ["a", "b", "c"]
    w, u = sg.parameter("w u", shape=2)
    assert w.shape == u.shape == (2,) and w.name == "w"
    assert sg.let("a name with spaces", x).name == "a name with spaces"


@pytest.mark.parametrize("make", [sg.data, sg.parameter, lambda n: sg.hyper(n, 1.0)])
def test_names_are_strings_that_hold_something(make):
    for name in ("", "   "):
        with pytest.raises(ValueError, match="wants a name"):
            make(name)
    for name in (3, None, x):
        with pytest.raises(TypeError, match="wants a name as a string"):
            make(name)


# ---- identity


def test_data_of_equal_name_and_specification_are_equal():
    assert sg.data("x") == x and hash(sg.data("x")) == hash(x)
    assert sg.data("x", shape=3) != x and sg.data("x", dtype=int) != x and sg.data("z") != x
    assert sg.data("x", shape=3) == sg.data("x", shape=(3,))
    assert sg.data("x") - x == 0


def test_every_parameter_is_another_one():
    w, other = sg.parameter("w"), sg.parameter("w")
    assert w != other and w - other != 0 and w == w
    assert sg.let("h", w) != sg.let("h", other)
    assert sg.sum(W) != sg.sum(sg.parameter("W", shape=(4, 3), init=0))


@pytest.mark.parametrize(
    "make",
    [
        lambda: sg.parameter("a") * sg.parameter("a"),
        lambda: sg.data("a") * sg.sum(sg.data("a", shape=2)),
        lambda: sg.data("a") * sg.data("a", dtype=int),
        lambda: sg.hyper("a", 1) * sg.hyper("a", 2),
        lambda: sg.data("a") * sg.parameter("a"),
        lambda: sg.data("a") * sp.Symbol("a"),
        lambda: sp.Symbol("a", real=True) * sp.Symbol("a"),
        lambda: sg.parameter("a") * sg.let("h", sg.parameter("a") ** 2),
    ],
)
def test_two_different_symbols_of_one_name_are_an_error(make):
    with pytest.raises(ValueError, match="two different symbols are called 'a'"):
        capture({"loss": make()})


def test_the_error_says_what_the_two_are():
    with pytest.raises(ValueError, match=r"data of shape \(\), float, and data of shape \(2,\)"):
        capture({"loss": sg.data("a") * sg.sum(sg.data("a", shape=2))})


def test_a_parameter_may_be_called_like_our_own_symbols(rng):
    B, step = sg.parameter("B"), sg.parameter("step")
    e = B * sg.batch_size + step * x
    got = value(e, {B: 2.0, step: 3.0, x: np.array([1.0, 2.0])})
    np.testing.assert_array_equal(got, [7.0, 10.0])


# ---- copies


@pytest.mark.parametrize(
    "e",
    [
        W, v, h, W @ v + sp.sin(h), sg.softmax(h), sg.expectation(sg.sum(h)), sg.relu(x), 2 * x + y,
        sg.hyper("lam", [1.0, 2.0]), v * np.arange(3.0), W[sg.data("u", dtype=int)],
        sg.batch(v) @ v, sg.where(x > 0, x, 0), sg.batch_size * x, sg.step * x,
        sg.indicator(x > y), W.T @ h, v[::-1],
    ],
    ids=str,
)  # fmt: skip
def test_symbols_and_expressions_pickle_and_copy(e):
    for other in (pickle.loads(pickle.dumps(e)), copy.deepcopy(e), copy.copy(e)):
        assert other == e and hash(other) == hash(e) and type(other) is type(e)
        assert sg.shape(other) == sg.shape(e) and str(other) == str(e)


def test_a_copied_parameter_is_the_same_parameter():
    again = pickle.loads(pickle.dumps(W))
    assert capture({"loss": sg.sum(again * W)}).inputs.keys() == {W}


# ---- what a symbol is


def test_assumptions():
    u = sg.data("u", dtype=int)
    assert x.is_real and W.is_real and u.is_integer and (W @ v).is_real
    assert (W @ v).is_positive is None and sg.sum(v).is_zero is None
    assert sp.sqrt(x**2) == sp.Abs(x) and sp.conjugate(W @ v) == W @ v


def test_sympy_simplifies_around_operations():
    assert sp.simplify((W @ v) ** 2 / (W @ v)) == W @ v
    assert sp.factor(sg.sum(v) ** 2 + 2 * sg.sum(v) + 1) == (sg.sum(v) + 1) ** 2
    assert sp.simplify(sp.sin(h) ** 2 + sp.cos(h) ** 2) == 1
    assert sp.solve(sg.sum(v) * x - 2, x) == [2 / sg.sum(v)]


def test_a_tensor_is_no_array_and_no_truth_value():
    for convert in (np.asarray, np.array, float, int, bool):
        if convert is bool:
            with pytest.raises(TypeError):
                bool(x > 0)
            continue
        with pytest.raises(TypeError):
            convert(x)


def test_values_are_set_through_the_model():
    lam = sg.hyper("lam", [1.0, 2.0])
    with pytest.raises(AttributeError, match="set values through the compiled model"):
        lam.value = 3
    with pytest.raises(ValueError, match="read-only"):
        lam.value[0] = 3
    array = np.zeros(2)
    c = sg.constant(array)
    array[0] = 9
    assert c.value[0] == 0
    with pytest.raises(ValueError, match="read-only"):
        c.value[0] = 3


# ---- specifications


@pytest.mark.parametrize("shape", [-1, 2.5, "3", True, None, (2, -1), (2, 1.0), [[2]]])
def test_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="a shape is a tuple of sizes from 0"):
        sg.data("x", shape=shape)


def test_shapes():
    assert sg.data("a", shape=3).shape == (3,) and sg.data("a", shape=[2, 3]).shape == (2, 3)
    assert sg.data("a", shape=(0, np.int64(3))).shape == (0, 3) and x.shape == () and x.ndim == 0


@pytest.mark.parametrize("dtype", [str, "junk", complex, object, "datetime64[s]"])
def test_dtypes_are_refused(dtype):
    with pytest.raises(TypeError, match="dtype must be float or int"):
        sg.data("x", dtype=dtype)


def test_dtypes():
    kinds = {
        d: sg.data("a", dtype=d).dtype for d in (float, int, bool, np.int8, "float32", "uint8")
    }
    assert kinds == {float: "float", int: "int", bool: "int", np.int8: "int", "float32": "float",
                     "uint8": "int"}  # fmt: skip


@pytest.mark.parametrize("bad", ["a", 1j, x, None, [1, "a"], [[1], [1, 2]], [x, y]])
@pytest.mark.parametrize("make", [sg.constant, lambda a: sg.hyper("h", a)])
def test_constants_and_hypers_are_real_numbers(make, bad):
    with pytest.raises(TypeError):
        make(bad)


def test_constants():
    assert sg.constant(2) == 2 and sg.constant(np.float64(0.5)) == 0.5
    assert sg.constant([1, 2]).dtype == "int" and sg.constant([1.0]).dtype == "float"
    assert sg.constant([True, False]).dtype == "int"
    assert sg.constant([1.0, 2.0]) == sg.constant(np.array([1.0, 2.0], np.float32))
    assert sg.constant([1.0, 2.0]) != sg.constant([1.0, 3.0])
    with pytest.raises(ValueError, match="beyond what an int64 holds"):
        sg.constant(np.array([2**64 - 1], dtype=np.uint64))


@pytest.mark.parametrize(
    "make", [sg.constant, lambda v: sg.hyper("h", v), lambda v: sg.data("x", shape=2) @ v]
)
def test_what_lies_beneath_a_mask_is_no_value(make):
    with pytest.raises(ValueError, match="masked array with masked values: fill or drop them"):
        make(np.ma.array([1.0, 2.0], mask=[False, True]))


# ---- hostile names

HOSTILE = [
    "exp", '__import__("os")', "a'b", 'a"b', "x\n", "x\r\ny", "lambda", "ｘ", "None", "E", "I",
    "oo", "_", "0", "-1", "{0}", "{all}", "{x!r}", "%s", "$", "\0", "\u202e", "\\", "é", "x;y",
    "a" * 500, "open('/tmp/hacked','w')", "self", "1/0", "x=1", "#", "'''", "*", "x,y(", "\t",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_hostile_names_are_only_labels(name):
    data, weight = sg.data(name), sg.parameter(name + "p", shape=3, init=0)
    e = sg.sum(weight * data + sg.softmax(weight * 2)) + sg.let(name, data**2) * sg.let(name, data)
    assert data.name == name
    g = sg.gradient(e, [weight, data])
    block = capture({name: e}).check()
    for text in (str(g), str(e), block_text(block), repr(g), str(g[weight]), sp.latex(e)):
        assert text
    assert all(line.isprintable() for line in f"{g}\n{block_text(block)}\n{e}".split("\n"))
    assert pickle.loads(pickle.dumps(e)) == e
    got = value(e, {data: np.array([2.0]), weight: np.zeros(3)})
    np.testing.assert_allclose(got, [1 + 8.0])


def test_full_width_letters_are_other_letters():
    wide, narrow = sg.data("ｘ"), sg.data("x")
    assert wide != narrow
    got = value(wide - narrow, {wide: np.array([3.0]), narrow: np.array([1.0])})
    np.testing.assert_array_equal(got, [2.0])


# ---- depth


def test_a_thousand_nested_lets(rng):
    w = sg.parameter("w")
    z = w
    for k in range(1200):
        z = sg.let(f"z{k % 7}", sp.sin(z) + x)
    e = z**2
    assert w in e.free_symbols and x in e.free_symbols
    assert str(e) == "z2**2" and e == pickle.loads(pickle.dumps(e))
    g = sg.gradient(e, w)
    assert sg.shape(g) == () and isinstance(hash(g), int)
    arrays = {w: 0.3, x: np.array([0.5])}
    t = 0.3
    for _ in range(1200):
        t = np.sin(t) + 0.5
    np.testing.assert_allclose(value(e, arrays), [t**2], rtol=1e-13)
    other = sg.substitute(e, {x: y})
    np.testing.assert_allclose(value(other, {w: 0.3, y: np.array([0.5])}), [t**2], rtol=1e-13)


def test_nested_lets_of_parameters_pickle_flat():
    v3 = sg.data("v3", shape=3)
    z = v3
    for k in range(250):
        z = sg.let(f"z{k}", sp.tanh(sg.parameter(f"W{k}", shape=(3, 3), init=0) @ z) + 2 * (z + 1))
    again = pickle.loads(pickle.dumps(sg.sum(z)))
    assert again == sg.sum(z)
    assert len(capture({"loss": again + sg.sum(z)}).inputs) == 251
