"""Gradients of traces, determinants, inverses, quadratic forms and norms, as matrix calculus
knows them: each gradient is compared with its closed form at random points."""

from types import SimpleNamespace

import numpy as np
import pytest
import sympy as sp

import symgrad as sg
from tests.calculus.values import value

N = 3
NAMES = ("X", "A", "B", "C")
s = SimpleNamespace(
    **{k: sg.parameter(k, shape=(N, N), init=0) for k in NAMES},
    **{k: sg.parameter(k, shape=N) for k in ("x", "a", "b")},
)
X, A, B, C, x, a, b = s.X, s.A, s.B, s.C, s.x, s.a, s.b
tr, det, inv, logdet, outer = sg.trace, sg.det, sg.inv, sg.logdet, np.outer
I = np.eye(N)


def i(M):
    return np.linalg.inv(M)


def d(M):
    return np.linalg.det(M)


# fmt: off
OF_X = {  # f(X): its gradient, in numbers
    "tr X":              (tr(X),                    lambda n: I),
    "tr XA":             (tr(X @ A),                lambda n: n.A.T),
    "tr X'A":            (tr(X.T @ A),              lambda n: n.A),
    "tr AXB":            (tr(A @ X @ B),            lambda n: n.A.T @ n.B.T),
    "tr AX'B":           (tr(A @ X.T @ B),          lambda n: n.B @ n.A),
    "tr XX":             (tr(X @ X),                lambda n: 2 * n.X.T),
    "tr XX'":            (tr(X @ X.T),              lambda n: 2 * n.X),
    "tr X'BX":           (tr(X.T @ B @ X),          lambda n: (n.B + n.B.T) @ n.X),
    "tr XBX'":           (tr(X @ B @ X.T),          lambda n: n.X @ (n.B + n.B.T)),
    "tr XBX":            (tr(X @ B @ X),            lambda n: n.X.T @ n.B.T + n.B.T @ n.X.T),
    "tr AXBX":           (tr(A @ X @ B @ X),
                          lambda n: n.A.T @ n.X.T @ n.B.T + n.B.T @ n.X.T @ n.A.T),
    "tr AXBX'C":         (tr(A @ X @ B @ X.T @ C),
                          lambda n: n.A.T @ n.C.T @ n.X @ n.B.T + n.C @ n.A @ n.X @ n.B),
    "tr B'X'CXB":        (tr(B.T @ X.T @ C @ X @ B),
                          lambda n: n.C.T @ n.X @ n.B @ n.B.T + n.C @ n.X @ n.B @ n.B.T),
    "tr X^3":            (tr(X @ X @ X),            lambda n: 3 * (n.X @ n.X).T),
    "tr (AXB + C)(AXB + C)'": (
        sg.sum((A @ X @ B + C)**2),
        lambda n: 2 * n.A.T @ (n.A @ n.X @ n.B + n.C) @ n.B.T),
    "tr X**4":           (tr(X @ X @ X @ X),        lambda n: 4 * np.linalg.matrix_power(n.X, 3).T),
    "(tr X)**2":         (tr(X)**2,                 lambda n: 2 * np.trace(n.X) * I),
    "tr(X) tr(XA)":      (tr(X) * tr(X @ A),
                          lambda n: np.trace(n.X @ n.A) * I + np.trace(n.X) * n.A.T),
    "exp(tr XA)":        (sp.exp(tr(X @ A)),        lambda n: np.exp(np.trace(n.X @ n.A)) * n.A.T),
    # ---- determinants
    "det X":             (det(X),                   lambda n: d(n.X) * i(n.X).T),
    "det AXB":           (det(A @ X @ B),           lambda n: d(n.A @ n.X @ n.B) * i(n.X).T),
    "(det X)**3":        (det(X)**3,                lambda n: 3 * d(n.X)**3 * i(n.X).T),
    "det X'X":           (det(X.T @ X),             lambda n: 2 * d(n.X)**2 * i(n.X).T),
    "det XX'":           (det(X @ X.T),             lambda n: 2 * d(n.X)**2 * i(n.X).T),
    "det X'AX":          (det(X.T @ A @ X),         lambda n: 2 * d(n.X.T @ n.A @ n.X) * i(n.X).T),
    "det (X + A)":       (det(X + A),               lambda n: d(n.X + n.A) * i(n.X + n.A).T),
    "det (aX)":          (det(2 * X),               lambda n: 8 * d(n.X) * i(n.X).T),
    "1/det X":           (1 / det(X),               lambda n: -i(n.X).T / d(n.X)),
    "log det X'X":       (logdet(X.T @ X),          lambda n: 2 * i(n.X).T),
    "log det (XX' + I)": (logdet(X @ X.T + I),      lambda n: 2 * i(n.X @ n.X.T + I) @ n.X),
    "log det (I + X'AA'X)": (
        logdet(I + X.T @ A @ A.T @ X),
        lambda n: 2 * n.A @ n.A.T @ n.X @ i(I + n.X.T @ n.A @ n.A.T @ n.X)),
    "log |det X|":       (sp.log(sp.Abs(det(X))),   lambda n: i(n.X).T),
    # ---- inverses
    "tr inv(X)":         (tr(inv(X)),               lambda n: -(i(n.X) @ i(n.X)).T),
    "tr A inv(X) B":     (tr(A @ inv(X) @ B),       lambda n: -(i(n.X) @ n.B @ n.A @ i(n.X)).T),
    "a' inv(X) b":       (a @ inv(X) @ b,
                          lambda n: -i(n.X).T @ outer(n.a, n.b) @ i(n.X).T),
    "tr inv(X + A)":     (tr(inv(X + A)),           lambda n: -(i(n.X + n.A) @ i(n.X + n.A)).T),
    "det inv(X)":        (det(inv(X)),              lambda n: -i(n.X).T / d(n.X)),
    "tr inv(X'X) A":     (tr(inv(X.T @ X) @ A),
                          lambda n: -n.X @ i(n.X.T @ n.X) @ (n.A + n.A.T) @ i(n.X.T @ n.X)),
    "tr A inv(X) A inv(X)": (
        tr(A @ inv(X) @ A @ inv(X)),
        lambda n: -2 * (i(n.X) @ n.A @ i(n.X) @ n.A @ i(n.X)).T),
    "solve(X, a)'b":     (sg.solve(X, a) @ b,       lambda n: -outer(i(n.X).T @ n.b, i(n.X) @ n.a)),
    "tr X inv(X)":       (tr(X @ inv(X)),           lambda n: 0 * I),
    # ---- forms and norms
    "a'Xb":              (a @ X @ b,                lambda n: outer(n.a, n.b)),
    "a'X'b":             (a @ X.T @ b,              lambda n: outer(n.b, n.a)),
    "a'X'Xb":            (a @ X.T @ X @ b,
                          lambda n: n.X @ (outer(n.a, n.b) + outer(n.b, n.a))),
    "a'X'AXb":           (a @ X.T @ A @ X @ b,
                          lambda n: n.A.T @ n.X @ outer(n.a, n.b) + n.A @ n.X @ outer(n.b, n.a)),
    "(Xa + b)'A(Xa + b)": (
        (X @ a + b) @ A @ (X @ a + b),
        lambda n: outer((n.A + n.A.T) @ (n.X @ n.a + n.b), n.a)),
    "|X|**2":            (sg.norm(X)**2,            lambda n: 2 * n.X),
    "|X|":               (sg.norm(X),               lambda n: n.X / np.linalg.norm(n.X)),
    "|X - A|":           (sg.norm(X - A),
                          lambda n: (n.X - n.A) / np.linalg.norm(n.X - n.A)),
    "|a - Xb|":          (sg.norm(a - X @ b),
                          lambda n: outer(n.X @ n.b - n.a, n.b) / np.linalg.norm(n.a - n.X @ n.b)),
    "sum of eigenvalues squared": (
        sg.sum(sg.eigvalsh(X + X.T)**2),            lambda n: 4 * (n.X + n.X.T)),
    "a' tanh(X) b":      (a @ sp.tanh(X) @ b,
                          lambda n: outer(n.a, n.b) * (1 - np.tanh(n.X)**2)),
}
OF_VECTOR = {  # f(x): its gradient, in numbers
    "x'a":               (x @ a,                    lambda n: n.a),
    "x'Ax":              (x @ A @ x,                lambda n: (n.A + n.A.T) @ n.x),
    "(x - a)'A(x - a)":  ((x - a) @ A @ (x - a),    lambda n: (n.A + n.A.T) @ (n.x - n.a)),
    "(Ax - b)'(Ax - b)": (sg.sum((A @ x - b)**2),   lambda n: 2 * n.A.T @ (n.A @ n.x - n.b)),
    "|x|":               (sg.norm(x),               lambda n: n.x / np.linalg.norm(n.x)),
    "|x - a|":           (sg.norm(x - a),
                          lambda n: (n.x - n.a) / np.linalg.norm(n.x - n.a)),
    "x'Ax/x'x": (
        x @ A @ x / (x @ x),
        lambda n: ((n.A + n.A.T) @ n.x - 2 * (n.x @ n.A @ n.x) / (n.x @ n.x) * n.x) / (n.x @ n.x)),
    "exp(-x'Ax/2)": (
        sp.exp(-(x @ A @ x) / 2),
        lambda n: -np.exp(-(n.x @ n.A @ n.x) / 2) * (n.A + n.A.T) @ n.x / 2),
    "log(1 + exp(a'x))": (sp.log(1 + sp.exp(a @ x)), lambda n: n.a / (1 + np.exp(-n.a @ n.x))),
    "log(sum(exp(Ax)))": (
        sg.logsumexp(A @ x),
        lambda n: n.A.T @ (np.exp(n.A @ n.x) / np.exp(n.A @ n.x).sum())),
}
# fmt: on


def numbers(rng):
    arrays = {getattr(s, k): rng.standard_normal((N, N)) / 2 + I for k in NAMES}
    arrays |= {getattr(s, k): rng.standard_normal(N) for k in ("x", "a", "b")}
    return arrays, SimpleNamespace(**{v.name: array for v, array in arrays.items()})


@pytest.mark.parametrize("name", [*OF_X, *OF_VECTOR])
def test_gradient(name, rng):
    f, closed = (OF_X | OF_VECTOR)[name]
    g = sg.gradient(f, X if name in OF_X else x)
    for _ in range(3):
        arrays, n = numbers(rng)
        np.testing.assert_allclose(value(g, arrays), closed(n), rtol=1e-8, atol=1e-9)


def test_hessian_of_a_quadratic_form(rng):
    arrays, n = numbers(rng)
    np.testing.assert_allclose(value(sg.hessian(x @ A @ x, x), arrays), n.A + n.A.T, rtol=1e-12)
