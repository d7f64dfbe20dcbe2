"""Matrix expressions evaluated with torch: an oracle that shares nothing with symgrad's rules."""

import sympy as sp
import torch
from sympy.matrices.expressions.applyfunc import ElementwiseApplyFunction
from sympy.matrices.expressions.matexpr import MatrixElement

from symgrad.language.choice import Piecewise
from symgrad.language.matrix_nodes import MatrixUnit

FUNCTIONS = {
    "exp": torch.exp, "log": torch.log, "tanh": torch.tanh, "sin": torch.sin, "cos": torch.cos,
    "relu": torch.relu, "sigmoid": torch.sigmoid, "logistic": torch.sigmoid, "Abs": torch.abs,
    "sign": torch.sign,
    "indicator": lambda c: c.double(), "softplus": torch.nn.functional.softplus,
    "sqrt": torch.sqrt, "Max": torch.maximum, "Heaviside": lambda x, _: torch.heaviside(x, x*0),
    "StrictGreaterThan": torch.gt, "StrictLessThan": torch.lt, "cosh": torch.cosh,
    "leaky_relu": lambda x, slope: torch.where(x > 0, x, slope * x),
}  # fmt: skip


def value(e, at):
    """e's value at {symbol: tensor or number}: 2-d for matrices, 0-d for scalars."""
    for cls, rule in RULES.items():
        if isinstance(e, cls):
            return rule(e, lambda x: value(x, at))
    if e.is_number:
        return torch.tensor(float(e), dtype=torch.float64)
    if isinstance(e, sp.Symbol | sp.MatrixSymbol):
        return at[e]
    return FUNCTIONS[type(e).__name__](*(_scalar(value(a, at)) for a in e.args))


def _scalar(x):
    return x.reshape(()) if x.shape == (1, 1) else x


def _size(e, of):
    return [int(of(s)) for s in e.shape]


def _fold(operation):
    def rule(e, of):
        total = of(e.args[0])
        for a in e.args[1:]:
            total = operation(total, of(a))
        return total

    return rule


def _product(a, b):
    return a * b if a.ndim == 0 or b.ndim == 0 else a @ b


def _elementwise(e, of):
    (variable,), body = e.function.args[0], e.function.expr
    inside = of(e.expr)
    symbols = body.free_symbols - {variable}
    return value(body, {variable: inside, **{s: of(s) for s in symbols}}) + 0 * inside


def _power(e, of):
    base, exponent = of(e.base), of(e.exp)
    if base.shape == (1, 1):
        return base**exponent
    return torch.linalg.matrix_power(base, int(exponent))


def _unit(e, of):
    out = torch.zeros(_size(e, of), dtype=torch.float64)
    out[int(of(e.args[2])), int(of(e.args[3]))] = 1
    return out


def _sum(e, of):
    index, low, high = e.limits[-1]
    inner = e.function if len(e.limits) == 1 else e.func(e.function, *e.limits[:-1])
    terms = range(int(of(low)), int(of(high)) + 1)
    return sum(of(inner.xreplace({index: sp.Integer(k)})) for k in terms)


def _diagonal_matrix(e, of):
    return torch.diag(of(e.args[0]).reshape(-1))


def _slice(e, of):
    rows, cols = (slice(*(int(of(x)) for x in limits)) for limits in (e.rowslice, e.colslice))
    return of(e.parent)[rows, cols]


def _piecewise(e, of):
    found = torch.tensor(torch.nan, dtype=torch.float64)
    for branch, condition in reversed(e.args):
        holds = torch.tensor(True) if condition == sp.true else of(condition)
        found = torch.where(holds, of(branch), found)
    return found


RULES = {
    sp.MatrixSlice: _slice,
    sp.Piecewise: _piecewise,
    Piecewise: _piecewise,
    sp.Transpose: lambda e, of: of(e.arg).T,
    sp.Trace: lambda e, of: torch.trace(of(e.arg)),
    sp.Determinant: lambda e, of: torch.det(of(e.arg)),
    sp.Inverse: lambda e, of: torch.linalg.inv(of(e.arg)),
    sp.MatPow: _power,
    sp.HadamardProduct: _fold(torch.mul),
    sp.HadamardPower: lambda e, of: of(e.base) ** of(e.exp),
    ElementwiseApplyFunction: _elementwise,
    sp.MatAdd: _fold(torch.add),
    sp.MatMul: _fold(_product),
    sp.Identity: lambda e, of: torch.eye(*_size(e, of), dtype=torch.float64),
    sp.ZeroMatrix: lambda e, of: torch.zeros(_size(e, of), dtype=torch.float64),
    sp.OneMatrix: lambda e, of: torch.ones(_size(e, of), dtype=torch.float64),
    MatrixUnit: _unit,
    sp.DiagMatrix: _diagonal_matrix,
    sp.DiagonalOf: lambda e, of: torch.diagonal(of(e.arg)).reshape(-1, 1),
    sp.DiagonalMatrix: lambda e, of: torch.diag(torch.diagonal(of(e.arg))),
    sp.MatrixBase: lambda e, of: torch.stack([of(x) for x in e]).reshape(e.shape),
    MatrixElement: lambda e, of: of(e.args[0])[int(of(e.args[1])), int(of(e.args[2]))],
    sp.DotProduct: lambda e, of: torch.sum(of(e.args[0]).flatten() * of(e.args[1]).flatten()),
    sp.Sum: _sum,
    sp.Add: _fold(torch.add),
    sp.Mul: _fold(torch.mul),
    sp.Pow: lambda e, of: _scalar(of(e.base)) ** of(e.exp),
}
