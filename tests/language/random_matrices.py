"""Random scalars written with MatrixSymbols, for tests of rules in each other's company."""

import sympy as sp
from sympy import HadamardPower, HadamardProduct, Identity, Inverse, OneMatrix, Trace

import symgrad as sg

FUNCTIONS = [sp.tanh, sp.sin, sg.sigmoid, lambda t: t**2 + t, lambda t: t * sp.exp(-(t**2))]


def random_scalar(s, rng, depth=4):
    """A scalar of the symbols in s, by operations drawn at random."""
    draw = _Draw(s, rng)
    m = draw.matrix("d", "k", depth)
    ends = [
        Trace(m.T * m), Trace(m.T * s.W) ** 2, sp.exp(-Trace(m.T * m) / 10),
        OneMatrix(1, m.rows) * m * s.b, Trace(m * s.W.T),
        sp.log(1 + Trace(m * m.T)) * s.a,
    ]  # fmt: skip
    return ends[rng.integers(len(ends))]


class _Draw:
    def __init__(self, s, rng):
        self.s, self.rng = s, rng
        self.leaves = {"nd": [s.X, s.C], "nk": [s.Y], "dk": [s.W], "dh": [s.W1], "hk": [s.W2],
                       "dd": [s.A, s.B], "d1": [s.x, s.y], "n1": [s.r], "k1": [s.b]}  # fmt: skip

    def pick(self, options):
        return options[self.rng.integers(len(options))]

    def matrix(self, rows, cols, depth):
        """A matrix whose sizes are the letters' ones; only leaves have the size n."""
        if depth == 0:
            return self.leaf(rows, cols)
        below = depth - 1
        ways = [
            lambda: self.matrix(rows, cols, below) + self.matrix(rows, cols, below),
            lambda: (
                self.pick([2, -1, sp.Rational(1, 3), self.s.a]) * self.matrix(rows, cols, below)
            ),
            lambda: self.matrix(cols, rows, below).T,
            lambda: self.through(rows, cols, below),
            lambda: HadamardProduct(self.matrix(rows, cols, below), self.matrix(rows, cols, below)),
            lambda: HadamardPower(self.matrix(rows, cols, below), 2),
            lambda: self.matrix(rows, cols, below).applyfunc(self.pick(FUNCTIONS)),
            lambda: Trace(self.matrix("d", "d", 1)) * self.matrix(rows, cols, below),
        ]
        if rows == cols == "d":
            ways.append(lambda: Inverse(4 * Identity(self.s.d) + self.matrix("d", "d", 0)))
        return self.pick(ways)()

    def through(self, rows, cols, depth):
        middle = self.pick("dkh1")
        return self.matrix(rows, middle, depth) * self.matrix(middle, cols, depth)

    def leaf(self, rows, cols):
        known = self.leaves.get(rows + cols, []) + [a.T for a in self.leaves.get(cols + rows, [])]
        if known:
            return self.pick(known)
        if "n" not in (rows, cols) and self.rng.random() < 0.7:  # contract the samples
            return self.leaf("n", rows).T * self.leaf("n", cols) / 5
        if "n" in (rows, cols):
            return self.leaf(rows, "1") * self.leaf("1", cols)
        return OneMatrix(*(1 if c == "1" else getattr(self.s, c) for c in (rows, cols)))
