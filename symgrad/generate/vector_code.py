"""Writing branch-free LLVM code as formulas.

A `Real` is a value of type float or double, or a vector of them, in a function under
construction: arithmetic on it emits instructions.  Nothing here branches, and no instruction may be
reordered: a multiplication followed by an addition may become one (contract), except where a
formula asks for `exact` sums.

numba adds the caller's fast-math flags to every instruction that has none, which would undo the
range reductions, so every instruction carries one: `contract`, or on exact sums and products
`arcp`, which means nothing there.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from llvmlite import ir

from symgrad.generate.vector_formats import DOUBLE, FLOAT, Format, has_fused, has_scaling

CONTRACT, EXACT = ("contract",), ("arcp",)
MANY_TERMS = 12  # of a polynomial; the turns of a loop overlap enough to hide the steps of fewer


@dataclass(frozen=True, slots=True, eq=False)
class Real:
    """A floating-point value; constants on either side of an operator are converted."""

    builder: Any
    format: Format
    value: Any

    def of(self, x: Any) -> Any:
        """x as a value of this one's format."""
        if isinstance(x, Real):
            return x
        return Real(self.builder, self.format, self.format.type(float(x)))

    def _do(self, operation: str, x: Any, y: Any, flags: tuple[str, ...] = CONTRACT) -> Real:
        emit = getattr(self.builder, operation)
        return Real(
            self.builder, self.format, emit(self.of(x).value, self.of(y).value, flags=flags)
        )

    def __add__(self, y: Any) -> Real:
        return self._do("fadd", self, y)

    def __radd__(self, y: Any) -> Real:
        return self._do("fadd", y, self)

    def __sub__(self, y: Any) -> Real:
        return self._do("fsub", self, y)

    def __rsub__(self, y: Any) -> Real:
        return self._do("fsub", y, self)

    def __mul__(self, y: Any) -> Real:
        return self._do("fmul", self, y)

    def __rmul__(self, y: Any) -> Real:
        return self._do("fmul", y, self)

    def __truediv__(self, y: Any) -> Real:
        return self._do("fdiv", self, y)

    def __rtruediv__(self, y: Any) -> Real:
        return self._do("fdiv", y, self)

    def plus(self, y: Any) -> Real:
        """The sum, rounded by itself."""
        return self._do("fadd", self, y, EXACT)

    def minus(self, y: Any) -> Real:
        return self._do("fsub", self, y, EXACT)

    def times(self, y: Any) -> Real:
        return self._do("fmul", self, y, EXACT)

    def times_plus(self, y: Any, z: Any) -> Real:
        """self * y + z in one instruction where the machine has one, even if self * y is there."""
        y, z = self.of(y), self.of(z)
        return self._call("llvm.fma", self, y, z) if has_fused() else self * y + z

    def fused(self, y: Any, z: Any) -> Real:
        """self * y + z, as good as rounded once where z is nearly the negative product."""
        y, z = self.of(y), self.of(z)
        if has_fused():
            return self._call("llvm.fma", self, y, z)
        p, (a, b), (c, d) = self.times(y), self._halves(), y._halves()
        lost = a.times(c).minus(p).plus(a.times(d)).plus(b.times(c)).plus(b.times(d))
        return p.plus(z).plus(lost)

    def _halves(self) -> tuple[Real, Real]:
        """Two numbers of half as many bits that add up to this one (Veltkamp)."""
        shifted = self.times(2.0 ** (self.format.mantissa // 2 + 1) + 1.0)
        high = shifted.minus(shifted.minus(self))
        return high, self.minus(high)

    def half_of_digits(self) -> Real:
        """This number less its lower digits: the square of what is left is exact."""
        return (self.bits & (-1 << (self.format.mantissa // 2 + 1))).real

    def square_root(self) -> Real:
        return self._call("llvm.sqrt", self)

    def rounded(self) -> Real:
        """The nearest whole number, of any size."""
        return self._call("llvm.rint", self)

    def truncated(self) -> Real:
        """The whole part."""
        return self._call("llvm.trunc", self)

    def _call(self, name: str, *operands: Real) -> Real:
        module = self.builder.module
        kind = self.format.type
        declared = _intrinsic(module, name, kind, [kind] * len(operands))
        called = self.builder.call(declared, [x.value for x in operands], fastmath=CONTRACT)
        return Real(self.builder, self.format, called)

    def to(self, format: Format) -> Real:
        """This value in another format."""
        format = format.across(self.format.lanes)
        wider = format.mantissa > self.format.mantissa
        convert = self.builder.fpext if wider else self.builder.fptrunc
        same = format.name == self.format.name
        return self if same else Real(self.builder, format, convert(self.value, format.type))

    # ---- comparisons: False where an operand is NaN

    def _compare(self, sign: str, y: Any) -> Any:
        return self.builder.fcmp_ordered(sign, self.value, self.of(y).value, flags=CONTRACT)

    def __lt__(self, y: Any) -> Any:
        return self._compare("<", y)

    def __le__(self, y: Any) -> Any:
        return self._compare("<=", y)

    def __gt__(self, y: Any) -> Any:
        return self._compare(">", y)

    def __ge__(self, y: Any) -> Any:
        return self._compare(">=", y)

    def reaches(self, y: Any) -> Any:
        """Whether it is at least y, or no number."""
        return self.builder.fcmp_unordered(">=", self.value, self.of(y).value, flags=CONTRACT)

    def equals(self, y: Any) -> Any:
        return self._compare("==", y)

    def where(self, condition: Any, other: Any) -> Real:
        """This value where the condition holds, else the other."""
        chosen = self.builder.select(condition, self.value, self.of(other).value)
        return Real(self.builder, self.format, chosen)

    def at_least(self, low: float) -> Real:
        return self.of(low).where(self < low, self)

    def at_most(self, high: float) -> Real:
        return self.of(high).where(self > high, self) if high < math.inf else self

    # ---- bits

    @property
    def bits(self) -> Bits:
        return Bits(self, self.builder.bitcast(self.value, self.format.integer))

    def __abs__(self) -> Real:
        return (self.bits & ~self.sign).real

    def with_sign_of(self, y: Real) -> Real:
        """|self| with y's sign bit; self must not be negative."""
        return (self.bits | (y.bits & self.sign)).real

    def __neg__(self) -> Real:
        return (self.bits ^ self.sign).real

    @property
    def sign(self) -> int:
        """The sign bit."""
        return -(1 << (self.format.width - 1))

    def nearest(self, most: float = math.inf) -> tuple[Real, Bits]:
        """The nearest integer, or `most`, as a number and as bits; |self| < 2**(mantissa - 2)."""
        if has_scaling() and self.format.name == FLOAT.name:  # one instruction each way
            short, real = self.format.integer, self.format.type
            whole = _intrinsic(self.builder.module, "llvm.lrint", short, [real], real)
            low = self.builder.call(whole, [self.at_most(most).value])
            number = self.builder.sitofp(low, real)
            return Real(self.builder, self.format, number), Bits(self, low)
        shifted = (self + self.format.shift).at_most(self.format.shift + most)
        low = shifted.bits - self.of(self.format.shift).bits
        return shifted.minus(self.format.shift), low

    def turns(self, turn: float) -> tuple[Real, Real]:
        """2**n, a normal number, and f: self * turn = n + f, |f| <= 1/2.

        n comes with the exponent's bias into the lowest bits, from where a shift takes it.
        """
        shift = self.format.shift + self.format.bias
        shifted = self.times_plus(turn, shift)
        f = self.times_plus(turn, -shifted.minus(shift))
        return (shifted.bits << self.format.mantissa).real, f

    def scaled(self, n: Bits) -> Real:
        """self * 2**n, rounded once, with infinities and denormals; |n| < 2 * bias."""
        if has_scaling():
            return self._scaled_at_once(n)
        half = ((n + 2 * self.format.bias) >> 1) - self.format.bias
        return self.times(half.power_of_two()).times((n - half).power_of_two())

    def in_units(self, n: Bits, denormal: Any) -> Real:
        """self * 2**n, self > 0; where that is denormal its bits are a number's that stands above
        2**mantissa: nothing is rounded to a denormal number."""
        f = self.format
        least = f.bias - 1 + f.mantissa  # 2**-least is the smallest number
        power = (n + least).where(denormal, n).power_of_two()
        base = self.of(2.0**f.mantissa).where(denormal, 0.0)
        return ((self * power + base).bits - base.bits).real

    def _scaled_at_once(self, n: Bits) -> Real:
        short = FLOAT.across(self.format.lanes).integer
        whole = n.value if n.value.type == short else self.builder.trunc(n.value, short)
        real = self.format.type
        declared = _intrinsic(self.builder.module, "llvm.ldexp", real, [real, short], short)
        return Real(self.builder, self.format, self.builder.call(declared, [self.value, whole]))


@dataclass(frozen=True, slots=True, eq=False)
class Bits:
    """An integer as wide as `like`."""

    like: Real
    value: Any

    def _do(self, operation: str, y: Any) -> Bits:
        other = y.value if isinstance(y, Bits) else self.value.type(y)
        return Bits(self.like, getattr(self.like.builder, operation)(self.value, other))

    def __add__(self, y: Any) -> Bits:
        return self._do("add", y)

    def __sub__(self, y: Any) -> Bits:
        return self._do("sub", y)

    def __mul__(self, y: Any) -> Bits:
        return self._do("mul", y)

    def __neg__(self) -> Bits:
        return (self ^ -1) + 1

    def __and__(self, y: Any) -> Bits:
        return self._do("and_", y)

    def __or__(self, y: Any) -> Bits:
        return self._do("or_", y)

    def __xor__(self, y: Any) -> Bits:
        return self._do("xor", y)

    def __lshift__(self, y: int) -> Bits:
        return self._do("shl", y)

    def __rshift__(self, y: int) -> Bits:
        """Zeros come in from the left: the machine has no other 64-bit shift before AVX-512."""
        return self._do("lshr", y)

    def to(self, like: Real) -> Bits:
        """The lowest bits, in the width of another format."""
        narrower = like.format.width < self.like.format.width
        convert = like.builder.trunc if narrower else like.builder.zext
        same = like.format.width == self.like.format.width
        return Bits(like, self.value if same else convert(self.value, like.format.integer))

    def looked_up(self, name: str, rows: Sequence[Sequence[float]]) -> list[Real]:
        """The row of that number in a table of doubles."""
        builder, width = self.like.builder, len(rows[0])
        double = DOUBLE.across(self.like.format.lanes)
        table = _table(builder.module, name, [x for row in rows for x in row])
        index = self.to(Real(builder, double, None)) * width
        places = ((index + column).value for column in range(width))
        return [Real(builder, double, _element(builder, table, at, double)) for at in places]

    def equals(self, y: int) -> Any:
        return self.like.builder.icmp_unsigned("==", self.value, self.value.type(y))

    def where(self, condition: Any, other: Bits) -> Bits:
        return Bits(self.like, self.like.builder.select(condition, self.value, other.value))

    @property
    def real(self) -> Real:
        """The number that has these bits."""
        like = self.like
        return Real(like.builder, like.format, like.builder.bitcast(self.value, like.format.type))

    def power_of_two(self) -> Real:
        """2**n for the exponent of a normal number."""
        return ((self + self.like.format.bias) << self.like.format.mantissa).real

    def exponent(self, less: float = 0.0, where: Any = None) -> tuple[Real, float]:
        """The number n of bits n << mantissa, or n less so much, in units of the second: machines
        make numbers of 32-bit integers, and with AVX-512 of 64-bit ones, as they are."""
        f = self.like.format
        if f.name == FLOAT.name or has_scaling():
            unit = 2.0**-f.mantissa
            n = Real(self.like.builder, f, self.like.builder.sitofp(self.value, f.type))
            return (n if where is None else n.minus(less / unit).where(where, n)), unit
        shift = self.like.of(f.shift)
        biased = (self + (f.bias << f.mantissa)) >> f.mantissa
        bias = self.like.of(f.shift + f.bias)
        bias = bias if where is None else bias.of(f.shift + f.bias + less).where(where, bias)
        return (biased | shift.bits).real.minus(bias), 1.0


def polynomial(x: Real, coefficients: Sequence[Any]) -> Real:
    """c[0] + c[1] x + c[2] x**2 + ...; of a long one odd powers beside the even ones, since each
    step waits for the one before."""
    if len(coefficients) > MANY_TERMS:
        square = x * x
        return polynomial(square, coefficients[::2]) + x * polynomial(square, coefficients[1::2])
    y = x.of(coefficients[-1])
    for c in reversed(coefficients[:-1]):
        y = y * x + c
    return y


def _element(builder: Any, table: Any, at: Any, double: Format) -> Any:
    """The doubles of a table at an index, or at one for each lane."""
    zero = ir.IntType(64)(0)
    if double.lanes == 1:
        return builder.load(builder.gep(table, [zero, at]))
    result = ir.Constant(double.type, ir.Undefined)
    for lane in map(ir.IntType(32), range(double.lanes)):
        place = builder.gep(table, [zero, builder.extract_element(at, lane)])
        result = builder.insert_element(result, builder.load(place), lane)
    return result


def _intrinsic(module: Any, name: str, result: Any, given: Sequence[Any], *kinds: Any) -> Any:
    """LLVM's own function of given types; kinds: others than the result's that its name holds."""
    for kind in (result, *kinds):
        lanes = f"v{kind.count}" if isinstance(kind, ir.VectorType) else ""
        name += f".{lanes}{getattr(kind, 'element', kind).intrinsic_name}"
    known = module.globals.get(name)
    return known or ir.Function(module, ir.FunctionType(result, given), name)


def _table(module: Any, name: str, numbers: Sequence[float]) -> Any:
    """A constant array of doubles, written as bytes: as text LLVM would take long to read it."""
    full_name = f"symgrad.{name}"
    if full_name not in module.globals:
        kind = ir.ArrayType(ir.IntType(8), 8 * len(numbers))
        table = ir.GlobalVariable(module, kind, full_name)
        table.initializer = ir.Constant(kind, bytearray(array("d", numbers).tobytes()))
        table.global_constant, table.linkage, table.align = True, "internal", 64
    array_of_doubles = ir.ArrayType(ir.DoubleType(), len(numbers))
    return module.globals[full_name].bitcast(array_of_doubles.as_pointer())
