"""MatrixSymbol models made ready to train: the loss and its gradient are those of the matrices."""

import numpy as np
import pytest
import sympy as sp
import torch
from sympy import DiagMatrix, HadamardProduct, Identity, MatrixSymbol, OneMatrix, Trace, log, tanh

import symgrad as sg
from symgrad.calculus.capture import capture
from symgrad.calculus.derive import derive
from symgrad.calculus.reference import evaluate
from symgrad.language.matrix_samples import from_matrices
from tests.language.matrix_values import value
from tests.language.random_matrices import random_scalar
from tests.language.test_matrices import IDENTITIES, SHAPES, SIZES, Symbols, random_values, squares

N = sp.Symbol("n", integer=True, positive=True)
CONCRETE = {**SIZES, "n": N}
DATA = [name for name, letters in SHAPES.items() if "n" in letters]
ALL_PAIRS = ["kernel of all pairs"]
OF_ONE_SAMPLE = ["elements"]


def check(e, at):
    """Loss and gradients of the converted model against the matrices' own values."""
    used = {s for s in at if e.has(s) and s != N}
    trained = [s for s in used if N not in getattr(s, "shape", ())]
    model = from_matrices(e, N if e.has(N) else None, trained)
    block = capture({"loss": model.loss})
    root = block.outputs["loss"]
    assert not root.per_sample
    wrt = [block.inputs[model.symbols[s]] for s in trained]
    block, gradients = derive(block, root, wrt)
    arrays = {t: _samples_first(s, at[s]) for s, t in model.symbols.items()}
    values = evaluate(block, arrays)
    np.testing.assert_allclose(values[root], value(e, at).reshape(()), rtol=1e-10)
    for s, found in zip(trained, gradients, strict=True):
        found = values[found] if found in values else float(found)
        np.testing.assert_allclose(found, value(sg.gradient(e, s), at), rtol=1e-9, atol=1e-10)


def _samples_first(s, array):
    """The array for a symbol: data of shape (d, n) are given as (N, d)."""
    lying = isinstance(s, MatrixSymbol) and s.shape[1] == N
    return np.array(array.numpy().T if lying else array.numpy(), order="C")


@pytest.mark.parametrize("name", IDENTITIES)
def test_losses_and_gradients_are_the_matrices_own(name, rng):
    s = Symbols(CONCRETE)
    e, _ = IDENTITIES[name](s)
    at = {**random_values([], s, rng), N: torch.tensor(5.0)}
    if name in ALL_PAIRS + OF_ONE_SAMPLE:
        with pytest.raises(ValueError, match=r"every sample|whole model"):
            check(e, at)
    else:
        check(e, at)


@pytest.mark.parametrize("k", range(10))
def test_random_models_are_the_matrices_own(k, rng):
    s = Symbols(CONCRETE)
    e = random_scalar(s, rng)
    check(e, {**random_values([], s, rng), N: torch.tensor(5.0)})


MORE = {
    "data that lie": lambda s: squares(s.W.T * s.Xt - s.Yt),
    "data that lie, other trace": lambda s: Trace((s.W.T * s.Xt - s.Yt) * (s.W.T * s.Xt - s.Yt).T),
    "standing and lying": lambda s: Trace(s.Xt * s.Y * s.W.T) / s.n,
    "bias": lambda s: squares(s.E + OneMatrix(s.n, 1) * s.b.T) / s.n,
    "network with biases": lambda s: squares(
        (s.X * s.W1 + OneMatrix(s.n, 1) * s.h1.T).applyfunc(tanh) * s.W2 - s.Y) / s.n,
    "covariance": lambda s: squares(s.X.T * s.X / s.n - Identity(3) + s.A),
    "chain over the samples twice": lambda s: Trace(s.X * s.X.T * s.Y * s.Yt * s.q[0, 0]),
    "power of all pairs": lambda s: Trace((s.X * s.W * s.W.T * s.X.T) ** 2),
    "rows first": lambda s: Trace(s.X * s.W * (s.W.T * s.X.T * s.Y) * s.Yt),
    "weights": lambda s: Trace(DiagMatrix(s.r) * s.E * s.E.T) / s.n,
    "weights twice": lambda s: Trace(s.E.T * DiagMatrix(s.r) * DiagMatrix(s.r) * s.E),
    "scaled columns": lambda s: squares(s.X * DiagMatrix(s.x) * s.W - s.Y),
    "scaled matrix": lambda s: Trace(s.A * DiagMatrix(s.x) * DiagMatrix(s.y)),
    "diagonal matrices": lambda s: Trace(DiagMatrix(s.x) * DiagMatrix(s.y)),
    "mean": lambda s: (OneMatrix(1, s.n) * s.X * s.x)[0, 0] / s.n,
    "square of the mean": lambda s: (OneMatrix(1, s.n) * s.X * s.x / s.n) ** 2,
    "centred": lambda s: squares(s.X * s.W - OneMatrix(s.n, s.n) * s.Y / s.n),
    "sizes as numbers": lambda s: squares(s.E) / (s.n * s.k) + s.d * squares(s.W) + s.n**2,
    "symbols in a matrix": lambda s: squares(s.X * sp.Matrix([s.a, 1, s.a * s.c])) / s.n,
    "numbers in a matrix": lambda s: squares(s.X * sp.Matrix(3, 2, range(6)) * s.b),
    "log of a mean": lambda s: log(squares(s.E) / s.n),
    "some rows of a parameter": lambda s: squares(s.X * s.A[:, 0:2] - s.Y) / s.n,
    "a column of the data": lambda s: s.X[:, 1].T * s.Y[:, 0] / s.n,
    "outer structure": lambda s: Trace(HadamardProduct(s.X.T * s.X, s.A) * s.A),
    "diagonal": lambda s: squares(sp.DiagonalOf(s.A * s.B) - s.x),
    "difference that vanishes": lambda s: squares(s.E) + Trace((s.X - s.X).T * s.X) * 2,
    "mean of logistic losses": lambda s: sp.Sum(
        log(1 + sp.exp(-s.r[s.i, 0] * (s.X * s.x)[s.i, 0])), (s.i, 0, s.n - 1)) / s.n,
    "trace of an identity": lambda s: Trace(Identity(s.n)) * s.a + squares(s.X * s.W),
}  # fmt: skip


@pytest.mark.parametrize("name", MORE)
def test_samples_are_contracted_wherever_they_stand(name, rng):
    s = Symbols(CONCRETE)
    s.Xt, s.Yt = MatrixSymbol("Xt", 3, N), MatrixSymbol("Yt", 2, N)
    s.h1 = MatrixSymbol("h1", 4, 1)
    at = {**random_values([], s, rng), N: torch.tensor(5.0)}
    for m in (s.Xt, s.Yt, s.h1):
        shape = [5 if x == N else int(x) for x in m.shape]
        at[m] = torch.tensor(rng.uniform(-1, 1, shape))
    check(MORE[name](s), at)


def test_what_counts_samples_is_data_and_the_rest_parameters():
    s = Symbols(CONCRETE)
    model = from_matrices(squares(s.E) * s.a, N, {s.W: "linear", s.a: 2.0})
    found = {str(k): (t.name, t.role, t.shape, t.init) for k, t in model.symbols.items()}
    assert found == {
        "X": ("X", "data", (3,), None), "Y": ("Y", "data", (2,), None),
        "W": ("W", "parameter", (3, 2), "linear"), "a": ("a", "parameter", (), 2.0),
    }  # fmt: skip


def test_sizes_come_from_the_inits():
    s = Symbols({name: sp.Symbol(name) for name in SIZES})
    model = from_matrices(squares(s.E), s.n, {s.W: np.zeros((7, 3))})
    assert {t.name: t.shape for t in model.symbols.values()} == {"X": (7,), "W": (7, 3), "Y": (3,)}


def test_outputs_are_per_sample():
    s = Symbols(CONCRETE)
    outputs = {"p": s.X * s.W, "lying": s.W.T * s.X.T, "norm": squares(s.W), "W2": 2 * s.W}
    model = from_matrices(squares(s.E), N, s.W, outputs)
    assert [sg.shape(e) for e in model.outputs.values()] == [(2,), (2,), (), (3, 2)]
    block = capture({"loss": model.loss, **model.outputs})
    sampled = [name.per_sample for name in block.outputs.values()]
    assert sampled == [False, True, True, False, False]


def test_converted_models_read_well():
    s = Symbols(CONCRETE)
    e = squares((s.X * s.W1).applyfunc(sg.relu) * s.W2 - s.Y) / s.n
    assert str(from_matrices(e, N, [s.W1, s.W2]).loss) == "E[sum((-Y + relu((X @ W1)) @ W2)**2)]"


@pytest.mark.parametrize("target", ["reference", "cpu"])
def test_training_is_torchs(target, rng):
    s = Symbols(CONCRETE)
    at = random_values([], s, rng)
    bias = OneMatrix(N, 1) * s.b.T
    predicted = (s.X * s.W1).applyfunc(tanh) * s.W2 + bias
    model = sg.compile(
        squares(predicted - s.Y) / s.n + squares(s.W1) / 10, sg.SGD(lr=0.05, momentum=0.9),
        samples=N, parameters={p: at[p].numpy() for p in (s.W1, s.W2, s.b)},
        outputs={"predicted": predicted}, dtype="float64", target=target,
    )  # fmt: skip
    X, Y = at[s.X], at[s.Y]
    W1, W2, b = parameters = [at[p].clone().requires_grad_() for p in (s.W1, s.W2, s.b)]
    optimizer = torch.optim.SGD(parameters, lr=0.05, momentum=0.9)
    for _ in range(30):
        optimizer.zero_grad()
        out = torch.tanh(X @ W1) @ W2 + b.T
        loss = ((out - Y) ** 2).sum() / len(X) + (W1**2).sum() / 10
        loss.backward()
        optimizer.step()
        found = model.step({"X": X.numpy(), "Y": Y.numpy()})
        assert found == pytest.approx(loss.item(), rel=1e-12)
    for name, p in zip(("W1", "W2", "b"), parameters, strict=True):
        np.testing.assert_allclose(model.parameters[name], p.detach(), rtol=1e-10, atol=1e-12)
    with torch.no_grad():
        wanted = torch.tanh(X @ W1) @ W2 + b.T
    found = model.predict({"X": X.numpy()}, "predicted")
    np.testing.assert_allclose(found, wanted, rtol=1e-10)


def test_equal_models_have_equal_symbols():
    s = Symbols(CONCRETE)
    first, second = (from_matrices(squares(s.E), N, {s.W: init}) for init in (1.0, "linear"))
    assert first.loss == second.loss


REFUSED = {
    "all pairs of samples": (
        lambda s: Trace((s.X * s.X.T).applyfunc(tanh)), [], "every sample beside every other"),
    "a matrix of all pairs": (
        lambda s: Trace(MatrixSymbol("K", N, N)), [], "every sample beside every other"),
    "neither data nor parameter": (lambda s: squares(s.E), [], "neither data nor parameter"),
    "a scalar that is neither": (lambda s: squares(s.X) * s.a, [], "a is neither data nor"),
    "data as parameter": (lambda s: squares(s.E), "W X", "X has the size n, which counts samples"),
    "an unused parameter": (lambda s: squares(s.E), "W b", "does not use the parameter b"),
    "an element of data": (lambda s: s.X[0, 0], [], "not a number of the whole model"),
    "an unknown size": (lambda s: squares(s.X * MatrixSymbol("V", 3, sp.Symbol("m"))), "V",
                        "size m is unknown"),
    "a matrix as loss": (lambda s: s.E, "W", "matrix of shape"),
    "a mixture": (lambda s: squares(s.E) + sg.data("z"), "W", "symgrad tensor"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_trained_is_refused_in_prose(name):
    make, parameters, text = REFUSED[name]
    s = Symbols(CONCRETE)
    s.V = MatrixSymbol("V", 3, sp.Symbol("m"))
    names = parameters.split() if parameters else []
    with pytest.raises((ValueError, TypeError)) as error:
        from_matrices(make(s), N, [getattr(s, x) for x in names])
    assert text in str(error.value)


def test_samples_may_be_counted_by_a_number():
    s = Symbols({**SIZES, "n": 64})
    loss = from_matrices(squares(s.E), 64, s.W).loss
    assert str(loss) == "B*E[sum((-Y + X @ W)**2)]"


def test_samples_must_be_a_size_that_occurs():
    s = Symbols(CONCRETE)
    with pytest.raises(TypeError, match="a symbol such as"):
        from_matrices(squares(s.E), 5.0, s.W)
    with pytest.raises(ValueError, match=r"no MatrixSymbol has this size; .* other assumptions"):
        from_matrices(squares(s.E), sp.Symbol("n"), s.W)


def test_parameters_must_be_symbols_and_their_inits_agree():
    s = Symbols({name: sp.Symbol(name) for name in SIZES})
    with pytest.raises(TypeError, match="neither"):
        from_matrices(squares(s.E), s.n, [s.W.T])
    inits = {s.W1: np.zeros((3, 4)), s.W2: np.zeros((5, 2))}
    with pytest.raises(ValueError, match="disagree on the size h: 4, and 5 in W2"):
        from_matrices(squares((s.X * s.W1).applyfunc(tanh) * s.W2 - s.Y), s.n, inits)
