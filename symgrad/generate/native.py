"""What generated CPU code imports: access without Python's conventions, choices without branches.

All are LLVM instructions put in place: nothing here is compiled on its own.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic

from symgrad.generate import vector_powers
from symgrad.generate.barrier import barrier_function
from symgrad.generate.powers import by_squaring
from symgrad.generate.vector_code import CONTRACT
from symgrad.generate.vector_math import FORMULAS, typed


@intrinsic
def pointer(context: Any, array: Any) -> Any:
    """The array's memory: `p[i]` reads an element without the test for a negative index.

    That test keeps rows found by an index from being read as vectors (87 against 33 ns a sample in
    matrix factorisation).
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return context.make_array(signature.args[0])(context, builder, arguments[0]).data

    return types.CPointer(array.dtype)(array), code


def _in_table(kind: Any) -> Any:
    """Of a table of words, the memory of the array whose address is in one of them."""

    @intrinsic
    def memory(context: Any, table: Any, word: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            table, word = arguments
            words = builder.inttoptr(table, table.type.as_pointer())
            address = builder.load(builder.gep(words, [word]))
            return builder.inttoptr(address, context.get_value_type(signature.return_type))

        return types.CPointer(kind)(types.int64, types.int64), code

    return memory


float32_in = _in_table(types.float32)
float64_in = _in_table(types.float64)


def external(name: str, integers: int) -> Any:
    """A function of the module's assembly that takes integers and returns nothing."""
    return types.ExternalFunction(name, types.void(*[types.int64] * integers))


@intrinsic
def prefetch(context: Any, memory: Any, offset: Any) -> Any:
    """Ask for the cache line of memory[offset], which need not exist."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
        place = builder.bitcast(builder.gep(arguments[0], [arguments[1]]), byte)
        kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
        name = "llvm.prefetch.p0"
        request = cgutils.get_or_insert_function(builder.module, kind, name)
        builder.call(request, [place, number(0), number(3), number(1)])  # to read, to every level
        return context.get_dummy_value()

    return types.void(memory, types.int64), code


@intrinsic
def select(context: Any, condition: Any, a: Any, b: Any) -> Any:
    """a where the condition holds, else b; a and b have one type."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.select(*arguments)

    return (a(types.boolean, a, a), code) if a == b else None


@intrinsic
def maximum(context: Any, a: Any, b: Any) -> Any:
    """The larger one, NaN where one is NaN."""
    return (a(a, a), _extreme(">")) if a == b else None


@intrinsic
def minimum(context: Any, a: Any, b: Any) -> Any:
    """The smaller one, NaN where one is NaN."""
    return (a(a, a), _extreme("<")) if a == b else None


def _extreme(sign: str) -> Any:
    """LLVM's own, of which it makes vectors in loops that look for an extreme, too; where one of
    them cannot be NaN one instruction.  Which zero is larger is left open, as everywhere."""
    name = {">": "llvm.maximum", "<": "llvm.minimum"}[sign]

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        a, b = arguments
        if isinstance(a.type, ir.IntType):
            return builder.select(builder.icmp_signed(sign, a, b), a, b)
        kind = ir.FunctionType(a.type, [a.type, a.type])
        function = builder.module.declare_intrinsic(name, [a.type], kind)
        return builder.call(function, [a, b], fastmath=["nsz"])

    return code


@intrinsic
def sign(context: Any, x: Any) -> Any:
    """-1, 0 or 1; NaN for NaN."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (x,) = arguments
        if isinstance(x.type, ir.IntType):
            above, below = (builder.icmp_signed(s, x, x.type(0)) for s in "><")
        else:
            above, below = (builder.fcmp_ordered(s, x, x.type(0)) for s in "><")
        return builder.select(above, x.type(1), builder.select(below, x.type(-1), x))

    return x(x), code


@intrinsic
def clamp(context: Any, i: Any, size: Any, fault: Any) -> Any:
    """The index i within 0 ... size - 1; fault[0] becomes 1 where it was not."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        i, size, fault = arguments
        zero, one = i.type(0), i.type(1)
        outside = builder.icmp_unsigned(">=", i, size)
        with builder.if_then(outside, likely=False):
            builder.store(one, fault)
        last = builder.sub(size, one)
        inside = builder.select(builder.icmp_signed(">", i, last), last, i)
        return builder.select(builder.icmp_signed("<", inside, zero), zero, inside)

    return types.int64(types.int64, types.int64, types.CPointer(types.int64)), code


GOLDEN = 0x9E3779B97F4A7C15  # 2**64 divided by the golden ratio: spreads neighbouring rows


@intrinsic
def distinct(
    context: Any, row: Any, rows: Any, count: Any, table: Any, places: Any, bits: Any
) -> Any:
    """The number of a row among the count[0] distinct ones in `rows`; a new one is added.

    table: 2**bits places, in which rows' numbers stand by the rows' hashes; places: where each
    number stands.  Whatever else is in the table is ignored: it need never be cleared.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return number_of(builder, *arguments)

    integers = types.CPointer(types.int64)
    kinds = (types.int64, integers, integers, integers, integers, types.int64)
    return types.int64(*kinds), code


def number_of(
    builder: Any, row: Any, rows: Any, count: Any, table: Any, places: Any, bits: Any
) -> Any:
    """Look at one place after the other: is it taken, and by this row?"""
    kind = row.type
    blocks = [builder.append_basic_block(name) for name in ("look", "taken", "next", "new", "end")]
    look, taken, following, new, end = blocks
    at = lambda memory, i: builder.gep(memory, [i], inbounds=True)  # noqa: E731
    known = builder.load(count)
    first = builder.lshr(builder.mul(row, kind(GOLDEN)), builder.sub(kind(64), bits))
    last = builder.sub(builder.shl(kind(1), bits), kind(1))
    start = builder.block
    builder.branch(look)

    builder.position_at_end(look)
    place = builder.phi(kind)
    place.add_incoming(first, start)
    number = builder.load(at(table, place))
    builder.cbranch(builder.icmp_unsigned("<", number, known), taken, new)

    builder.position_at_end(taken)
    stands = builder.icmp_signed("==", builder.load(at(places, number)), place)
    same = builder.icmp_signed("==", builder.load(at(rows, number)), row)
    with builder.if_then(builder.not_(stands)):
        builder.branch(new)
    builder.cbranch(same, end, following)
    found_in = builder.block

    builder.position_at_end(following)
    other = builder.and_(builder.add(place, kind(1)), last)
    place.add_incoming(other, following)
    builder.branch(look)

    builder.position_at_end(new)
    for memory, i, value in ((rows, known, row), (places, known, place), (table, place, known)):
        builder.store(value, at(memory, i))
    builder.store(builder.add(known, kind(1)), count)
    builder.branch(end)

    builder.position_at_end(end)
    result = builder.phi(kind)
    result.add_incoming(number, found_in)
    result.add_incoming(known, new)
    return result


@intrinsic
def square(context: Any, x: Any) -> Any:
    """x * x"""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _multiplied(builder, arguments[0], 2)

    return x(x), code


@intrinsic(prefer_literal=True)
def power(context: Any, x: Any, k: Any) -> Any:
    """x to the literal whole power k; floats from -64 but for -1, integers from 1."""
    if not isinstance(k, types.IntegerLiteral):
        return None
    if not isinstance(x, types.Integer) and k.literal_value in vector_powers.WHOLE:
        return _by_formula(vector_powers.name(k.literal_value), x, k)

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _multiplied(builder, arguments[0], k.literal_value)

    return x(x, k), code


def _by_formula(name: str, x: Any, k: Any) -> Any:
    """A formula of x alone, where k is given too."""
    signature, code = typed(name, FORMULAS[name][0], x)

    def of_the_first(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return code(context, builder, signature, arguments[:1])

    return signature.return_type(x, k), of_the_first


def _multiplied(builder: Any, x: Any, k: int) -> Any:
    return by_squaring(x, k, builder.mul if isinstance(x.type, ir.IntType) else builder.fmul)


def _divided(builder: Any, a: Any, b: Any) -> tuple[Any, Any, Any]:
    """What a is divided by, what is left rounded towards 0, and whether rounded down it is another.

    The processor stops at a division by 0, and of the least number by -1.
    """
    zero, compare = a.type(0), builder.icmp_signed
    stops = builder.or_(compare("==", b, zero), compare("==", b, b.type(-1)))
    b = builder.select(stops, b.type(1), b)
    rest = builder.srem(a, b)
    turned = builder.xor(compare("<", rest, zero), compare("<", b, zero))
    return b, rest, builder.and_(turned, compare("!=", rest, zero))


@intrinsic
def whole_quotient(context: Any, a: Any, b: Any) -> Any:
    """floor(a / b) of whole numbers; 0 by 0, as in NumPy."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        a, b = arguments
        compare, zero = builder.icmp_signed, a.type(0)
        by, _, other = _divided(builder, a, b)
        lower = builder.sub(builder.sdiv(a, by), builder.zext(other, a.type))
        found = builder.select(compare("==", b, b.type(-1)), builder.sub(zero, a), lower)
        return builder.select(compare("==", b, zero), zero, found)

    return (a(a, b), code) if a == b and isinstance(a, types.Integer) else None


@intrinsic
def modulo(context: Any, a: Any, b: Any) -> Any:
    """a - b floor(a / b), with the sign of b; 0 for whole numbers by 0, as in NumPy."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        b, rest, other = _divided(builder, *arguments)
        return builder.select(other, builder.add(rest, b), rest)

    if a != b:
        return None
    whole = isinstance(a, types.Integer)
    return (a(a, b), code) if whole else typed("modulo", *FORMULAS["modulo"][:1], a, b)


# ---- products that nobody reorders


def _in_place(operation: str) -> Any:
    """A multiplication or division that is made where it stands, of a number that LLVM is not told:
    it would fold numbers even where the operations between them keep their order."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        x, number = arguments
        kind = ir.FunctionType(x.type, [x.type])
        name = f"llvm.arithmetic.fence.{x.type.intrinsic_name}"
        fence = cgutils.get_or_insert_function(builder.module, kind, name)
        hidden = builder.call(fence, [number])
        given = (x, hidden) if operation == "fmul" else (hidden, x)
        return getattr(builder, operation)(*given, flags=CONTRACT)

    return code


@intrinsic
def scaled(context: Any, x: Any, number: Any) -> Any:
    """x times a number of extreme size."""
    return (x(x, number), _in_place("fmul")) if x == number else None


@intrinsic
def divided(context: Any, x: Any, number: Any) -> Any:
    """A number of extreme size divided by x."""
    return (x(x, number), _in_place("fdiv")) if x == number else None


# ---- threads


@intrinsic
def shared(context: Any, array: Any) -> Any:
    """`pointer`, to memory that other threads change: what was read is read again after a barrier.

    LLVM believes that nobody else knows an array until its address has gone somewhere; here it goes
    into an empty piece of assembly.
    """

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        _known_elsewhere(builder, data)
        return data

    return types.CPointer(array.dtype)(array), code


def _known_elsewhere(builder: Any, *pointers: Any) -> None:
    """Tell LLVM that other threads may read and write all memory here, and know these pointers."""
    kind = ir.FunctionType(ir.VoidType(), [p.type for p in pointers])
    constraint = ",".join([*("r" for _ in pointers), "~{memory}"])
    builder.asm(kind, "", constraint, list(pointers), True)


@intrinsic(prefer_literal=True)
def barrier(context: Any, sync: Any, threads: Any) -> Any:
    """Wait until so many threads have come here; sync: two lines of memory, zeros at first."""
    if not isinstance(threads, types.IntegerLiteral):
        return None

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        _known_elsewhere(builder)
        builder.call(barrier_function(builder.module, threads.literal_value), [arguments[0]])
        _known_elsewhere(builder)
        return context.get_dummy_value()

    return types.void(sync, threads), code
