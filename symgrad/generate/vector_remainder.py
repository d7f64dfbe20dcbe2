"""The remainder of a division, exact for every two numbers.

r = a - q b with q = trunc(a / b) is a number of the format.  While q is one, too, a fused
multiplication and addition gives it; a / b may have been rounded up to the next whole number, and r
be b too small.  For larger quotients, which hardly ever come, the processor takes one number at a
time, beside a branch that is not taken else.
"""

from __future__ import annotations

from llvmlite import ir

from symgrad.generate.vector_branches import unless_sure
from symgrad.generate.vector_code import CONTRACT, Real


def modulo(x: Real, y: Real) -> Real:
    """x - y floor(x / y), with y's sign: Python's and NumPy's."""
    r = fmod(x, y)
    turned = x.builder.xor(x < 0.0, y < 0.0)
    nothing = x.of(0.0).with_sign_of(y)
    return nothing.where(r.equals(0.0), (r + y).where(turned, r))


def fmod(x: Real, y: Real) -> Real:
    """x - y trunc(x / y), with x's sign: C's."""
    a, b = abs(x), abs(y)
    q = (a / b).truncated()
    r = q.fused(-b, a)
    r = (r + b).where(r < 0.0, r)
    r = a.where(a < b, r)  # also where b is infinite
    sure = x.builder.and_(q < 2.0**x.format.mantissa, r < b)
    return unless_sure(sure, r, lambda: _by_processor(a, b)).with_sign_of(x)


def _by_processor(a: Real, b: Real) -> Real:
    """LLVM's own remainder, which is a call of the C library, lane by lane."""
    if a.format.lanes == 1:
        return Real(a.builder, a.format, a.builder.frem(a.value, b.value, flags=CONTRACT))
    result = ir.Constant(a.format.type, ir.Undefined)
    for at in map(ir.IntType(32), range(a.format.lanes)):
        one, other = (a.builder.extract_element(x.value, at) for x in (a, b))
        result = a.builder.insert_element(result, a.builder.frem(one, other, flags=CONTRACT), at)
    return Real(a.builder, a.format, result)
