"""Random integers by counting, as instructions put in place: `language.counters` defines them.

Integer arithmetic wraps around modulo 2**64, and no fast-math flag touches it.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic

from symgrad.language.counters import FACTORS, GAMMA, LAST_SHIFT

WIDE = ir.IntType(128)


@intrinsic
def mixed(context: Any, state: Any, k: Any) -> Any:
    """Output k of the SplitMix64 generator that starts at `state`."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        state, k = arguments
        word = state.type
        z = builder.add(state, builder.mul(builder.add(k, word(1)), word(GAMMA)))
        for shift, factor in FACTORS:
            z = builder.mul(builder.xor(z, builder.lshr(z, word(shift))), word(factor))
        return builder.xor(z, builder.lshr(z, word(LAST_SHIFT)))

    return types.int64(types.int64, types.int64), code


@intrinsic(prefer_literal=True)
def below(context: Any, bits: Any, n: Any) -> Any:
    """floor(bits n / 2**64), of unsigned integers."""
    literal = isinstance(n, types.IntegerLiteral)

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits, number = arguments
        if not literal:
            return _product_above(builder, bits, number)
        return _below(builder, bits, n.literal_value)

    return types.int64(types.int64, n if literal else types.int64), code


def _below(builder: Any, bits: Any, n: int) -> Any:
    word, half = bits.type, bits.type(32)
    if n < 2**32:  # the same in two products of halves, which vectors have
        high = builder.mul(builder.lshr(bits, half), word(n))
        low = builder.mul(builder.and_(bits, word(2**32 - 1)), word(n))
        return builder.lshr(builder.add(high, builder.lshr(low, half)), half)
    return _product_above(builder, bits, word(n))


def _product_above(builder: Any, x: Any, y: Any) -> Any:
    """The upper half of the product of two words."""
    product = builder.mul(builder.zext(x, WIDE), builder.zext(y, WIDE))
    return builder.trunc(builder.lshr(product, WIDE(64)), x.type)


@intrinsic(prefer_literal=True)
def either(context: Any, bits: Any, n: Any, entry: Any) -> Any:
    """`below(bits, n)`, or the number in the entry's last digits: the alias method's choice."""
    if not isinstance(n, types.IntegerLiteral):
        return None
    count = n.literal_value

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits, _, entry = arguments
        word, last = bits.type, 2 ** (count - 1).bit_length() - 1
        rest = builder.lshr(builder.mul(bits, word(count)), word(1))
        own = builder.icmp_unsigned("<", rest, builder.and_(entry, word(~last)))
        return builder.select(own, _below(builder, bits, count), builder.and_(entry, word(last)))

    return types.int64(types.int64, n, types.int64), code


@intrinsic(prefer_literal=True)
def unit(context: Any, bits: Any, digits: Any) -> Any:
    """An odd multiple of 2**-digits between 0 and 1; digits is a literal, at most 53."""
    if not isinstance(digits, types.IntegerLiteral):
        return None

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        bits = arguments[0]
        shifted = builder.lshr(bits, bits.type(64 - digits.literal_value))
        odd = builder.or_(shifted, bits.type(1))
        double = ir.DoubleType()
        return builder.fmul(builder.sitofp(odd, double), double(2.0**-digits.literal_value))

    return types.float64(types.int64, digits), code
