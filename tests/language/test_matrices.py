"""Gradients of MatrixSymbol models: against torch and against differences, at random points."""

import pickle

import numpy as np
import pytest
import sympy as sp
import torch
from sympy import (
    Determinant,
    DiagMatrix,
    DotProduct,
    HadamardPower,
    HadamardProduct,
    Identity,
    Inverse,
    MatrixSymbol,
    OneMatrix,
    Trace,
    exp,
    log,
    sqrt,
    tanh,
)

import symgrad as sg
from tests.language.matrix_values import value
from tests.language.random_matrices import random_scalar

SIZES = {"n": 5, "d": 3, "k": 2, "h": 4}
SYMBOLIC = {name: sp.Symbol(name, integer=True, positive=True) for name in SIZES}
SHAPES = {
    "X": "nd", "W": "dk", "Y": "nk", "W1": "dh", "W2": "hk", "A": "dd", "B": "dd", "C": "nd",
    "x": "d1", "y": "d1", "r": "n1", "b": "k1", "q": "11",
}  # fmt: skip


class Symbols:
    """The models' symbols, with sizes that are symbols or numbers."""

    def __init__(self, sizes):
        self.__dict__.update(sizes)
        for name, letters in SHAPES.items():
            shape = [1 if c == "1" else sizes[c] for c in letters]
            setattr(self, name, MatrixSymbol(name, *shape))
        self.a, self.c = sp.symbols("a c", real=True)
        self.i, self.j = sp.symbols("i j", integer=True)
        self.E = self.X * self.W - self.Y


def squares(e):
    return Trace(e.T * e)


def network(s, f):
    return (s.X * s.W1).applyfunc(f) * s.W2 - s.Y


def total(e):
    return OneMatrix(1, e.rows) * e * OneMatrix(e.cols, 1)


# What it is: the scalar, and the symbols to differentiate by.  A is near the identity.
IDENTITIES = {
    "trace": lambda s: (Trace(s.A), "A"),
    "trace of a product": lambda s: (Trace(s.A * s.B), "A B"),
    "trace of a transpose": lambda s: (Trace(s.A.T * s.B), "A B"),
    "trace of A X B X^T": lambda s: (Trace(s.A * s.X.T * s.C * s.B.T), "A X B C"),
    "Frobenius norm squared": lambda s: (squares(s.X), "X"),
    "Frobenius norm": lambda s: (sqrt(squares(s.X)), "X"),
    "least squares": lambda s: (squares(s.E), "X W Y"),
    "mean of least squares": lambda s: (squares(s.E) / s.n, "W"),
    "least squares by E E^T": lambda s: (Trace(s.E * s.E.T), "W Y"),
    "ridge": lambda s: (squares(s.E) + s.a * squares(s.W), "W a"),
    "network with tanh": lambda s: (squares(network(s, tanh)), "W1 W2 X Y"),
    "network with relu": lambda s: (squares(network(s, sg.relu)), "W1 W2"),
    "network with sigmoid": lambda s: (squares(network(s, sg.sigmoid)), "W1 W2"),
    "network with a scale inside": lambda s: (squares(network(s, lambda t: tanh(s.a*t))), "W1 a"),
    "network with swish": lambda s: (squares(network(s, lambda t: t*sg.sigmoid(t))), "W1 W2"),
    "network with bias": lambda s: (squares(s.E + OneMatrix(s.n, 1)*s.b.T), "W b"),
    "quadratic form": lambda s: (s.x.T * s.A * s.x, "x A"),
    "bilinear form": lambda s: (s.x.T * s.A * s.y, "x y A"),
    "element of a quadratic form": lambda s: ((s.x.T * s.A * s.x)[0, 0], "x A"),
    "log of a quadratic form": lambda s: (log(s.x.T * s.A * s.x), "x A"),
    "exp of a norm": lambda s: (exp(-s.x.T * s.x / 2), "x"),
    "norm": lambda s: (sqrt(s.x.T * s.x), "x"),
    "power of a quadratic form": lambda s: ((s.x.T * s.A * s.x)**3, "x A"),
    "power with a symbol": lambda s: ((s.x.T * s.x)**s.a, "x a"),
    "Rayleigh quotient": lambda s: (Trace(s.x.T*s.A*s.x) / Trace(s.x.T*s.x), "x A"),
    "residual of a vector": lambda s: (squares(s.A*s.x - s.y), "A x y"),
    "determinant": lambda s: (Determinant(s.A), "A"),
    "log determinant": lambda s: (log(Determinant(s.A)), "A"),
    "log determinant of X^T X": lambda s: (log(Determinant(s.X.T * s.X + Identity(s.d))), "X"),
    "determinant of a product": lambda s: (Determinant(s.A * s.B * s.A.T), "A B"),
    "trace of an inverse": lambda s: (Trace(Inverse(s.A)), "A"),
    "trace of A X^-1 B": lambda s: (Trace(s.B * Inverse(s.A) * s.B.T), "A B"),
    "Mahalanobis": lambda s: ((s.x - s.y).T * Inverse(s.A) * (s.x - s.y), "x y A"),
    "Gaussian likelihood": lambda s: (
        log(Determinant(s.A)) / 2 + Trace((s.x - s.y).T * Inverse(s.A) * (s.x - s.y)) / 2, "y A"),
    "inverse of a sum": lambda s: (Trace(Inverse(s.X.T * s.X + s.a*Identity(s.d)) * s.B), "X a B"),
    "third power": lambda s: (Trace(s.A**3 * s.B), "A B"),
    "negative power": lambda s: (Trace(s.A**-2 * s.B), "A"),
    "square of a trace": lambda s: (Trace(s.A)**2 * Trace(s.B * s.A), "A B"),
    "products of scalars": lambda s: (exp(Trace(s.A)) * Determinant(s.B) / s.a, "A B a"),
    "scalar factor inside": lambda s: (squares(Trace(s.A) * s.X - s.C), "A X"),
    "Hadamard product": lambda s: (Trace(HadamardProduct(s.X, s.C).T * s.X), "X C"),
    "Hadamard cube": lambda s: (total(HadamardPower(s.X, 3)), "X"),
    "Hadamard with a symbol": lambda s: (total(HadamardPower(s.X.applyfunc(exp), s.a)), "X a"),
    "elements to elements": lambda s: (total(HadamardPower(s.X.applyfunc(exp), s.C)), "X C"),
    "number to elements": lambda s: (total(HadamardPower(3, s.X)), "X"),
    "sum of elements": lambda s: (total(s.X.applyfunc(exp)), "X"),
    "cross-entropy of logits": lambda s: (
        total(sp.MatAdd(s.E.applyfunc(sg.softplus), -HadamardProduct(s.Y, s.X*s.W))), "W"),
    "weighted least squares": lambda s: (Trace(s.E.T * DiagMatrix(s.r) * s.E), "W r"),
    "dot product": lambda s: (DotProduct(s.x, s.A*s.y)**2, "x y A"),
    "elements": lambda s: (s.X[0, 1]**2 * s.X[2, 0] + sp.sin(s.x[1, 0]), "X x"),
    "element of an inverse": lambda s: (Inverse(s.A)[0, 1], "A"),
    "sum over elements": lambda s: (
        sp.Sum(tanh(s.X[s.i, s.j]*s.a)**2, (s.i, 0, s.n-1), (s.j, 0, s.d-1)), "X a"),
    "sum of products of elements": lambda s: (
        sp.Sum(s.X[s.i, s.j]*s.C[s.i, s.j]*s.r[s.i, 0]*s.x[s.j, 0],
               (s.i, 0, s.n-1), (s.j, 0, s.d-1)), "X C r x"),
    "line through points": lambda s: (
        sp.Sum((s.a*s.X[s.i, 0] + s.c - s.r[s.i, 0])**2, (s.i, 0, s.n-1)) / s.n, "a c"),
    "sum over an inner sum": lambda s: (
        sp.Sum(s.E[s.i, s.j]**2, (s.i, 0, s.n-1), (s.j, 0, s.k-1)), "W"),
    "kernel of all pairs": lambda s: (Trace((s.X*s.X.T).applyfunc(tanh)), "X"),
    "matrix of one element": lambda s: (s.q**2 * s.x.T*s.x + s.q, "q x"),
    "orthogonality": lambda s: (squares(s.X.T*s.X - Identity(s.d)), "X"),
    "Stein's loss": lambda s: (Trace(s.A*s.B) - log(Determinant(s.A*s.B)), "A"),
    "kinks": lambda s: (
        total(HadamardProduct((s.X*s.W).applyfunc(lambda t: sp.Max(t, 0)),
                              s.Y.applyfunc(sp.Abs))), "X Y"),
    "branches": lambda s: (
        Trace(s.C.T * s.X.applyfunc(lambda t: sp.Piecewise((t**2, t > 0), (t, True)))), "X"),
    "leaky": lambda s: (squares(network(s, sg.leaky_relu)), "W1 W2"),
    "a column": lambda s: (s.X[:, 1].T * s.X[:, 0] * (s.x.T * s.x), "X x"),
    "branch of a scalar": lambda s: (
        sp.Piecewise((Trace(s.A)**2, Trace(s.A) > 0), (Trace(s.B), True)), "A B"),
    "mixed transposes": lambda s: (Trace((s.A + s.B.T).T * (s.A - s.A.T) * s.A.T), "A B"),
}  # fmt: skip


ONLY_CONCRETE = {
    "symbols in a matrix": lambda s: (
        Trace(sp.Matrix([[s.a, s.c * s.a], [0, 2]]) * s.W.T * s.W),
        "a c W",
    ),
    "explicit quadratic form": lambda s: ((s.x.T * s.A * s.x).as_explicit(), "x A"),
    "some rows": lambda s: (squares(s.X[1:4:2, :] * s.W), "X W"),
}


def random_values(names, s, rng, sizes=SIZES):
    """A value for every symbol; square matrices are well conditioned, with positive determinant."""
    at = {getattr(s, name): torch.tensor(float(size)) for name, size in sizes.items()}
    at = {k: v for k, v in at.items() if isinstance(k, sp.Symbol)}
    for name, letters in SHAPES.items():
        shape = [sizes.get(c, 1) for c in letters]
        array = rng.uniform(-1, 1, shape)
        if name in ("A", "B"):
            array = np.eye(*shape) * 1.5 + 0.3 * array
        at[getattr(s, name)] = torch.tensor(array)
    at.update({x: torch.tensor(rng.uniform(0.5, 1.5), dtype=torch.float64) for x in (s.a, s.c)})
    return at


@pytest.mark.parametrize("name", IDENTITIES)
def test_gradients_are_torchs(name, rng):
    compare_with_torch(IDENTITIES[name], SYMBOLIC, rng)


@pytest.mark.parametrize("name", [*IDENTITIES, *ONLY_CONCRETE])
def test_gradients_are_torchs_with_sizes_that_are_numbers(name, rng):
    compare_with_torch({**IDENTITIES, **ONLY_CONCRETE}[name], SIZES, rng)


def compare_with_torch(identity, sizes, rng):
    s = Symbols(sizes)
    e, names = identity(s)
    wrt = [getattr(s, x) for x in names.split()]
    at = random_values(names, s, rng)
    leaves = {v: at[v].clone().requires_grad_() for v in wrt}
    expected = torch.autograd.grad(
        value(e, {**at, **leaves}).sum(), list(leaves.values()), materialize_grads=True
    )
    for (v, found), wanted in zip(sg.gradient(e, wrt).items(), expected, strict=True):
        assert getattr(found, "shape", ()) == getattr(v, "shape", ())
        np.testing.assert_allclose(value(found, at), wanted, rtol=1e-9, atol=1e-11, err_msg=str(v))


@pytest.mark.parametrize("k", range(10))
def test_gradients_of_random_scalars_are_torchs(k, rng):
    def identity(s):
        e = random_scalar(s, rng)
        return e, " ".join(x for x in SHAPES if e.has(getattr(s, x)))

    compare_with_torch(identity, SYMBOLIC, rng)


@pytest.mark.parametrize("name", IDENTITIES)
def test_gradients_are_slopes(name, rng):
    """Along a random direction, by central differences: no autograd involved."""
    s = Symbols(SYMBOLIC)
    e, names = IDENTITIES[name](s)
    at = random_values(names, s, rng)
    for x in names.split():
        v, h = getattr(s, x), 1e-6
        direction = torch.tensor(rng.uniform(-1, 1, at[v].shape))
        ends = [value(e, {**at, v: at[v] + sign * h * direction}) for sign in (1, -1)]
        slope = float(((ends[0] - ends[1]) / (2 * h)).sum())
        found = float((value(sg.gradient(e, v), at) * direction).sum())
        assert found == pytest.approx(slope, rel=2e-6, abs=1e-7), (x, name)


@pytest.mark.parametrize("name", ["quadratic form", "log determinant", "network with tanh",
                                  "Frobenius norm", "third power", "Mahalanobis"])  # fmt: skip
def test_gradients_can_be_differentiated_again(name, rng):
    s = Symbols(SYMBOLIC)
    e, names = IDENTITIES[name](s)
    v = getattr(s, names.split()[0])
    again = sg.gradient(squares(sg.gradient(e, v)), v)
    at = random_values(names, s, rng)
    leaf = at[v].clone().requires_grad_()
    (first,) = torch.autograd.grad(value(e, {**at, v: leaf}).sum(), leaf, create_graph=True)
    (wanted,) = torch.autograd.grad((first**2).sum(), leaf)
    np.testing.assert_allclose(value(again, at), wanted, rtol=1e-8, atol=1e-10)


READ = {
    "least squares": "W: 2*X.T*(X*W - Y)",
    "quadratic form": "x: A*x + A.T*x",
    "log determinant": "A: A.T**(-1)",
    "third power": "A: (A**2*B + A*B*A + B*A**2).T",
    "trace of an inverse": "A: -A.T**(-2)",
    "network with tanh": "W2: 2*tanh.(X*W1).T*(tanh.(X*W1)*W2 - Y)\n"
    "W1: 2*X.T*((t -> 1 - tanh(t)**2).(X*W1) .* ((tanh.(X*W1)*W2 - Y)*W2.T))",
    "Frobenius norm": "X: 1/sqrt(Trace(X.T*X))*X",
    "square of a trace": "B: Trace(A)**2*A.T",
    "Hadamard cube": "X: 3*X.**2",
    "ridge": "W: (2*a)*W + 2*X.T*(X*W - Y)\na: Trace(W.T*W)",
}


@pytest.mark.parametrize("name", READ)
def test_gradients_read_like_a_paper(name):
    s = Symbols(SYMBOLIC)
    e, _ = IDENTITIES[name](s)
    names = [line.split(":")[0] for line in READ[name].splitlines()]
    assert str(sg.gradient(e, [getattr(s, x) for x in names])) == READ[name]


def test_long_parts_that_repeat_are_named():
    s = Symbols(SYMBOLIC)
    T1 = MatrixSymbol("T1", s.k, s.k)
    e = (s.X * s.W).applyfunc(tanh)
    e = squares((e * T1).applyfunc(tanh) * T1 - s.Y)
    assert str(sg.gradient(e, [T1, s.W])) == (
        "T2 = tanh.(tanh.(X*W)*T1)*T1 - Y\n"
        "T3 = (t -> 1 - tanh(t)**2).(tanh.(X*W)*T1) .* (T2*T1.T)\n"
        "T1: 2*(tanh.(tanh.(X*W)*T1).T*T2 + tanh.(X*W).T*T3)\n"
        "W: 2*X.T*((t -> 1 - tanh(t)**2).(X*W) .* (T3*T1.T))"
    )
    assert r"T_{2} &= " in sg.gradient(e, [T1, s.W])._repr_latex_()


def test_the_loss_is_shown_as_it_reads_best():
    s = Symbols(SYMBOLIC)
    g = sg.gradient(squares(network(s, tanh)), [s.W2])
    assert str(g.of) == "Trace((tanh.(X*W1)*W2 - Y).T*(tanh.(X*W1)*W2 - Y))"


def test_gradients_are_sympy_expressions_that_can_be_used(rng):
    s = Symbols(SYMBOLIC)
    e = squares(network(s, tanh)) + Trace(total(HadamardPower(s.W1, 4)))
    g = sg.gradient(e, s.W1)
    at = random_values([], s, rng)
    symbols = [s.X, s.W1, s.W2, s.Y]
    arrays = [at[x].numpy() for x in symbols]
    found = sp.lambdify(symbols, g)(*arrays)
    np.testing.assert_allclose(found, value(g, at), rtol=1e-12)
    assert pickle.loads(pickle.dumps(g)) == g
    assert g.subs(s.n, 7).shape == g.shape
    entry = sg.gradient(squares(s.E), s.W).subs({SYMBOLIC[k]: v for k, v in SIZES.items()})[0, 0]
    assert entry.free_symbols


def test_hostile_names_are_only_labels():
    W = MatrixSymbol('__import__("os")\n', 2, 2)
    assert str(sg.gradient(Trace(W), [W])) == r'__import__("os")\n: I'


def test_one_symbol_gives_an_expression_and_what_does_not_occur_zero():
    s = Symbols(SYMBOLIC)
    assert sg.gradient(squares(s.X), s.X) == 2 * s.X
    assert sg.gradient(squares(s.X), s.W) == sp.ZeroMatrix(s.d, s.k)
    assert sg.gradient(squares(s.X), s.a) == 0


def test_latex_of_gradients_is_mathematics():
    s = Symbols(SYMBOLIC)
    g = sg.gradient(squares(network(s, tanh)), s.W2)
    assert r"\mapsto" not in sp.latex(g) and r"\tanh" in sp.latex(g)


def test_twelve_layers_are_differentiated(rng):
    d = 3
    weights = [MatrixSymbol(f"W{k}", d, d) for k in range(12)]
    h = x = MatrixSymbol("x", d, 1)
    for W in weights:
        h = (W * h).applyfunc(tanh)
    g = sg.gradient(h.T * h, weights)
    at = {W: torch.tensor(rng.uniform(-1, 1, (d, d)), requires_grad=True) for W in weights}
    at[x] = torch.tensor(rng.uniform(-1, 1, (d, 1)))
    wanted = torch.autograd.grad(value(h.T * h, at).sum(), [at[W] for W in weights])
    with torch.no_grad():
        for W, grad in zip(weights[-2:], wanted[-2:], strict=True):
            np.testing.assert_allclose(value(g[W], at), grad, atol=1e-12)


REFUSED = {
    "a matrix": (lambda s: (s.X, s.X), ValueError, "matrix of shape"),
    "a matrix function": (lambda s: (Trace(s.A) + exp(s.A), s.A), TypeError, "applyfunc"),
    "an unknown matrix": (
        lambda s: (Trace(sp.KroneckerProduct(s.A, s.A)), s.A), TypeError, "KroneckerProduct"),
    "an unknown scalar": (lambda s: (sp.Permanent(s.A), s.A), TypeError, "Permanent"),
    "a symbolic power": (lambda s: (Trace(s.A**s.n), s.A), TypeError, "exponent is an integer"),
    "our tensors": (lambda s: (Trace(s.A) + sg.data("z"), s.A), TypeError, "symgrad tensor"),
    "a tensor of ours": (lambda s: (Trace(s.A), sg.parameter("p")), TypeError, "symgrad tensor"),
    "our lets": (
        lambda s: (Trace(s.A) * sg.let("l", sg.parameter("p") * 2), s.A), TypeError, "tensor"),
    "a size": (lambda s: (squares(s.X), s.n), ValueError, "size of a matrix"),
    "an element": (lambda s: (squares(s.X), s.X[0, 0]), TypeError, "neither"),
    "a sum that is no product": (
        lambda s: (sp.Sum(s.X[s.i, 0]*s.X[s.j, 1]*sp.exp(s.X[s.i, s.j] + s.X[s.j, s.i]**2*s.x[0, 0]
                                                         + s.X[s.i, 0]),
                          (s.i, 0, s.n-1), (s.j, 0, s.d-1)), s.X), TypeError, "product of matr"),
    "a sum over a part": (
        lambda s: (sp.Sum(s.X[s.i, 0], (s.i, 0, s.n-2)), s.X), TypeError, "runs over"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_differentiated_is_refused_in_prose(name):
    make, error, text = REFUSED[name]
    e, v = make(Symbols(SYMBOLIC))
    with pytest.raises(error, match=text):
        sg.gradient(e, v)


def test_scalar_hypers_of_ours_are_welcome():
    s, lam = Symbols(SYMBOLIC), sg.hyper("lam", 0.1)
    assert str(sg.gradient(lam * squares(s.W), s.W)) == "(2*lam)*W"
