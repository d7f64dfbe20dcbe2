"""Linear algebra that kernels call: one routine for each row of kind "library", and `factors`.

    routine(n, k, ..., many, x, a_many, a, [b_many, b,] work)

For each of `many` matrices x := routine(a, b), row-major ones that lie one after the other; of an
operand there are as many, or fewer, which are taken again and again in turn.  n: rows of A; k:
columns of x.  `work` is scratch memory of `WORK[routine](n)` elements.  `solve`, `inv`, `det` and
`logdet` are given A's factors, or those of A' where they are `transposed`.  Where there is no
answer (a singular system, a matrix that is not positive) the result is NaN, as it is in the
reference target: a kernel has no exceptions.
"""

from __future__ import annotations

import math
from typing import Any

import numba as nb

from symgrad.build.front_end import FrontEnd
from symgrad.build.lapack import gesvd, getrf, pivot, potrf, syev, trsm

# its own flags, else numba takes the kernel's: under those x - x is 0 also where x is infinite
library = nb.njit(
    fastmath=False,
    error_model="numpy",
    _nrt=False,
    pipeline_class=FrontEnd,
    no_cpython_wrapper=True,
    no_cfunc_wrapper=True,
)
NAN = math.nan


@library
def _copied(size: int, x: Any, start: int, a: Any, at: int) -> bool:
    """x[start:][:size] = a[at:][:size]; whether all of it is finite: LAPACK may not return else."""
    finite = True
    for i in range(size):
        x[start + i] = a[at + i]
        finite &= math.isfinite(a[at + i])
    return finite


@library
def _filled(size: int, x: Any, start: int, value: float) -> None:
    for i in range(size):
        x[start + i] = value


# ---- LU factors, (n + 2, n): the factors, in row n the pivots, in row n + 1 whether there are any


@library
def factors(n: int, k: int, many: int, x: Any, a_many: int, a: Any, work: Any) -> None:
    for i in range(many):
        start = i * (n + 2) * n
        info = -1  # not finite
        if _copied(n * n, x, start, a, i % a_many * n * n):
            info = getrf(n, x, start, x, start + n * n)
        if n:
            x[start + (n + 1) * n] = info


@library
def _info(n: int, f: Any, at: int) -> int:
    """LAPACK's info for the factors of a matrix; -1 where it is not finite."""
    return int(f[at + (n + 1) * n]) if n else 0


@library
def _exchanged(k: int, x: Any, row: int, other: int) -> None:
    if row == other:
        return
    for j in range(k):
        kept = x[row + j]
        x[row + j] = x[other + j]
        x[other + j] = kept


@library
def _substituted(n: int, k: int, transposed: int, f: Any, at: int, x: Any, start: int) -> None:
    """x := inv(op(A)) x"""
    if transposed:
        for i in range(n):
            _exchanged(k, x, start + i * k, start + (pivot(f, at + n * n, i) - 1) * k)
        trsm(1, 1, 1, n, k, f, at, x, start)
        trsm(0, 0, 1, n, k, f, at, x, start)
        return
    trsm(0, 0, 0, n, k, f, at, x, start)
    trsm(1, 1, 0, n, k, f, at, x, start)
    for i in range(n - 1, -1, -1):
        _exchanged(k, x, start + i * k, start + (pivot(f, at + n * n, i) - 1) * k)


@library
def solve(
    n: int, k: int, transposed: int, many: int, x: Any, f_many: int, f: Any, b_many: int, b: Any,
    work: Any,
) -> None:  # fmt: skip
    for i in range(many):
        at, start = i % f_many * (n + 2) * n, i * n * k
        if _info(n, f, at):
            _filled(n * k, x, start, NAN)
        else:
            _copied(n * k, x, start, b, i % b_many * n * k)
            _substituted(n, k, transposed, f, at, x, start)


@library
def inv(n: int, k: int, transposed: int, many: int, x: Any, f_many: int, f: Any, work: Any) -> None:
    for i in range(many):
        at, start = i % f_many * (n + 2) * n, i * n * n
        if _info(n, f, at):
            _filled(n * n, x, start, NAN)
        else:
            _filled(n * n, x, start, 0.0)
            for j in range(n):
                x[start + j * n + j] = 1.0
            _substituted(n, n, transposed, f, at, x, start)


@library
def _turned(n: int, work: Any, pivots: int) -> bool:
    """Whether the rows' exchanges have determinant -1."""
    odd = False
    for j in range(n):
        odd ^= pivot(work, pivots, j) != j + 1
    return odd


@library
def det(n: int, k: int, transposed: int, many: int, x: Any, f_many: int, f: Any, work: Any) -> None:
    for i in range(many):
        at = i % f_many * (n + 2) * n
        if _info(n, f, at) < 0:
            x[i] = NAN
            continue
        x[i] = -1.0 if _turned(n, f, at + n * n) else 1.0
        for j in range(n):
            x[i] = x[i] * f[at + j * n + j]


@library
def logdet(
    n: int, k: int, transposed: int, many: int, x: Any, f_many: int, f: Any, work: Any
) -> None:
    for i in range(many):
        at = i % f_many * (n + 2) * n
        if _info(n, f, at) < 0:
            x[i] = NAN
            continue
        negative = _turned(n, f, at + n * n)
        x[i] = 0.0
        for j in range(n):
            negative ^= f[at + j * n + j] < 0
            x[i] = x[i] + math.log(abs(f[at + j * n + j]))
        if negative and x[i] != -math.inf:
            x[i] = NAN


# ---- triangles


@library
def triangular_solve(
    n: int, k: int, lower: int, transposed: int, many: int, x: Any, a_many: int, a: Any,
    b_many: int, b: Any, work: Any,
) -> None:  # fmt: skip
    for i in range(many):
        at, start = i % a_many * n * n, i * n * k
        solvable = True
        for r in range(n):
            solvable &= a[at + r * n + r] != 0
            for c in range(r + 1) if lower else range(r, n):
                solvable &= math.isfinite(a[at + r * n + c])
        if not solvable:
            _filled(n * k, x, start, NAN)
        else:
            _copied(n * k, x, start, b, i % b_many * n * k)
            trsm(1 - lower, 0, transposed, n, k, a, at, x, start)


@library
def _symmetric(n: int, x: Any, start: int, a: Any, at: int) -> bool:
    """x[start:] = (A + A')/2; whether all of it is finite."""
    finite = True
    for i in range(n):
        for j in range(n):
            value = (a[at + i * n + j] + a[at + j * n + i]) / 2
            x[start + i * n + j] = value
            finite &= math.isfinite(value)
    return finite


@library
def cholesky(n: int, k: int, many: int, x: Any, a_many: int, a: Any, work: Any) -> None:
    for i in range(many):
        start = i * n * n
        if not _symmetric(n, x, start, a, i % a_many * n * n) or potrf(n, x, start):
            _filled(n * n, x, start, NAN)
            continue
        for j in range(n):
            _filled(n - 1 - j, x, start + j * n + j + 1, 0.0)


# ---- eigenvalues and singular values


@library
def eigvalsh(n: int, k: int, many: int, x: Any, a_many: int, a: Any, work: Any) -> None:
    for i in range(many):
        found = _symmetric(n, work, 0, a, i % a_many * n * n)
        if not found or syev(0, n, work, 0, x, i * n, work, n * n, 4 * n):
            _filled(n, x, i * n, NAN)


@library
def eigenvectors(n: int, k: int, many: int, x: Any, a_many: int, a: Any, work: Any) -> None:
    """In columns, each with its largest component positive."""
    rest = n * n + n
    for i in range(many):
        start = i * n * n
        found = _symmetric(n, work, 0, a, i % a_many * n * n)
        if not found or syev(1, n, work, 0, work, n * n, work, rest, 4 * n):
            _filled(n * n, x, start, NAN)
            continue
        for r in range(n):
            largest = work[r * n]
            for j in range(n):
                largest = work[r * n + j] if abs(work[r * n + j]) > abs(largest) else largest
            for j in range(n):
                x[start + j * n + r] = -work[r * n + j] if largest < 0 else work[r * n + j]


@library
def _singular(n: int, a: Any, at: int, work: Any) -> float:
    """A = v diag(s) u, in work: ..., v, u, s; the sign of det v det u, NaN where there is none."""
    v, u, s = n * n, 2 * n * n, 3 * n * n
    if not _copied(n * n, work, 0, a, at):
        return NAN
    if gesvd(n, work, 0, work, s, work, u, work, v, work, s + n, 6 * n):
        return NAN
    _multiplied(n, work, 0, work, v, 0, work, u, 0)
    getrf(n, work, 0, work, s + n)
    sign = -1.0 if _turned(n, work, s + n) else 1.0
    for j in range(n):
        sign = -sign if work[j * n + j] < 0 else sign
    return sign


@library
def _multiplied(n: int, x: Any, at: int, p: Any, p_at: int, p_turned: int,
                q: Any, q_at: int, q_turned: int) -> None:  # fmt: skip
    """X = op(P) op(Q), where `turned` means transposed."""
    p_row, p_step = (1, n) if p_turned else (n, 1)
    q_row, q_step = (1, n) if q_turned else (n, 1)
    for i in range(n):
        for j in range(n):
            total = x[at] * 0
            for m in range(n):
                total += p[p_at + i * p_row + m * p_step] * q[q_at + m * q_row + j * q_step]
            x[at + i * n + j] = total


@library
def _others(n: int, s: Any, at: int, i: int, j: int) -> float:
    """The product of the singular values but the i-th and the j-th."""
    product = 1.0
    for m in range(n):
        product = product * s[at + m] if m not in (i, j) else product
    return product


@library
def cofactor(n: int, k: int, many: int, x: Any, a_many: int, a: Any, work: Any) -> None:
    v, u, s = n * n, 2 * n * n, 3 * n * n
    for i in range(many):
        sign = _singular(n, a, i % a_many * n * n, work)
        for c in range(n):
            factor = sign * _others(n, work, s, c, c)
            for r in range(n):
                work[r * n + c] = factor * work[v + r * n + c]
        _multiplied(n, x, i * n * n, work, 0, 0, work, u, 0)


@library
def cofactor_along(
    n: int, k: int, many: int, x: Any, a_many: int, a: Any, b_many: int, b: Any, work: Any
) -> None:
    """Where A = v diag(s) u and H = v'Bu': v D u, D like cof(diag(s) + tH) to first order in t."""
    v, u, s, inner = n * n, 2 * n * n, 3 * n * n, 3 * n * n + 8 * n
    for i in range(many):
        start = i * n * n
        sign = _singular(n, a, i % a_many * n * n, work)
        _multiplied(n, work, 0, work, v, 1, b, i % b_many * n * n, 0)
        _multiplied(n, work, inner, work, 0, 0, work, u, 1)
        for r in range(n):
            work[r * n + r] = 0.0
            for c in range(n):
                if r != c:
                    others = sign * _others(n, work, s, r, c)
                    work[r * n + c] = -others * work[inner + c * n + r]
                    work[r * n + r] += others * work[inner + c * n + c]
        _multiplied(n, work, inner, work, v, 0, work, 0, 0)
        _multiplied(n, x, start, work, inner, 0, work, u, 0)
