"""What SymPy's own objects do after symgrad has been imported: the same as before."""

import subprocess
import sys

import numpy as np
import pytest
import sympy as sp

import symgrad as sg

v = sg.data("v", shape=3)
q, r = sp.symbols("q r")
M, K = sp.MatrixSymbol("M", 2, 3), sp.MatrixSymbol("K", 3, 2)

PLAIN = """
import {module} as anything
import numpy as np, sympy as sp
q, r = sp.symbols("q r")
M, K, S = sp.MatrixSymbol("M", 2, 3), sp.MatrixSymbol("K", 3, 2), sp.Matrix([[q, 1], [2, r]])
A, n = np.array([[1., 2., 3.], [4., 5., 6.]]), np.array([1, 2])
for e in '''q @ r; q @ S; S @ q; S @ S; M @ K; K @ M; M @ q; q @ M; 2 @ q; q @ 2; q @ A; A @ q
        n * q; q * n; n + q; np.float64(2) * q; q * np.float64(2); np.int64(3) ** q; np.sum(q)
        np.sum([q, r]); np.sin(q); np.sqrt(sp.Integer(4)); A * M; M * A; A @ K; np.eye(2) * S
        np.dot(np.array([q, r]), n); np.asarray(M); np.array([q, r]) * n; np.where(True, q, r)
        np.mean([q, r]); np.power(q, n); np.multiply.outer(n, q); np.abs(-q); np.array([q]) == q
        sp.lambdify(q, sp.sin(q) * sp.pi)(np.ones(2)); np.linspace(0, sp.pi, 3); np.full(2, q)
        sp.Matrix(np.array([[1, 2]])) * q; sp.sympify(np.float64(2)) * q; np.float64(2) - M
        np.maximum(sp.Integer(1), 2); np.float64(1) + sp.pi; q in [1, np.float64(2), q]
        np.logical_and(q > 1, r > 1); np.array([True]) & (q > 1); np.isclose(float(sp.pi), np.pi)
        np.array(q); np.cumsum([q, r]); q // r; 7 // q; q // 2.5; divmod(q, r); divmod(9, q)
        M // 2'''.replace(
            "\\n", ";").split(";"):
    try:
        result = eval(e)
        print(e.strip(), type(result).__name__, result)
    except Exception as error:
        print(e.strip(), type(error).__name__)
"""


def output(module):
    code = PLAIN.replace("{module}", module)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout


def test_plain_sympy_is_as_it_was():
    before = output("sympy")
    assert len(before.splitlines()) > 40
    assert output("symgrad") == before


@pytest.mark.parametrize("a", [q, q + r, sp.Integer(2), sp.sin(q)])
def test_matrix_products_of_plain_expressions_do_not_exist(a):
    with pytest.raises(TypeError, match="unsupported operand"):
        a @ r


def test_matrix_products_where_one_of_our_symbols_occurs():
    W = sg.parameter("W", shape=(2, 3), init=0)
    assert sg.shape((W + 1) @ (2 * v)) == (2,)
    assert sg.shape((q * W) @ v) == (2,)
    assert sg.shape((v + q) @ v) == ()
    assert sg.shape((v + 1) @ [1.0, 2.0, 3.0]) == ()
    assert sg.shape([[1.0, 2.0, 3.0]] @ (v + 1)) == (1,)
    assert sg.shape(np.ones((2, 3)) @ (v + 1)) == (2,)
    for other in ("v", None, {}):
        with pytest.raises(TypeError):
            (v + 1) @ other


@pytest.mark.parametrize("mix", [lambda: v @ M, lambda: sg.sum(v * M)])
def test_matrices_do_not_mix_with_tensors(mix):
    with pytest.raises(TypeError, match="cannot be mixed"):
        mix()


def test_expressions_have_a_transpose_where_they_hold_a_tensor():
    V = sg.parameter("V", shape=(4, 3))
    assert sg.transpose(2 * V**2) == (2 * V**2).T
    assert sg.shape(sg.relu(V).T) == (3, 4)
    x = sp.Symbol("x")
    assert not hasattr(x**2, "T")
    A = sp.MatrixSymbol("A", 2, 3)
    assert A.T.shape == (3, 2) and (A + A).T.shape == (3, 2)
