"""Which sums are kept in local variables."""

from symgrad.lower import index as ix
from symgrad.lower.kernel import Axis, Buffer, Load, Loop, Number, Store, Update
from symgrad.lower.registers import in_registers

I, J = Axis(3, 3, 0), Axis(4, 4, 1)
Y = Buffer("scratch", "y", (3,), "float64")
A = Buffer("parameter", "A", (3, 4), "float64")
ZERO = Number(0, "float64")


def rows(start):
    """for i: y[i] = start; for j: y[i] += A[i, j]"""
    element = Load(A, (ix.of(I), ix.of(J)), "float64")
    inner = Loop(J, (Update(Y, (ix.of(I),), "add", element),))
    return [Loop(I, (Store(Y, (ix.of(I),), start), inner))]


def test_a_sum_over_the_inner_loop_is_local():
    (outer,) = in_registers(rows(ZERO))
    start, inner, end = outer.body
    assert start.buffer.is_local and start.value.value == 0
    assert inner.body[0].buffer is start.buffer
    assert isinstance(end, Store) and end.buffer is Y and end.value.buffer is start.buffer


def test_a_start_that_is_not_the_sums_own_stays():
    (outer,) = in_registers(rows(Number(5, "float64")))
    first, start, _, end = outer.body
    assert first.buffer is Y and first.value.value == 5
    assert start.buffer.is_local and isinstance(end, Update) and end.buffer is Y


def test_a_sum_that_moves_with_the_loop_stays_in_memory():
    element = Load(A, (ix.of(I), ix.of(J)), "float64")
    moving = Buffer("scratch", "z", (4,), "float64")
    body = [Loop(I, (Loop(J, (Update(moving, (ix.of(J),), "add", element),)),))]
    (outer,) = in_registers(body)
    assert outer.body[0].body[0].buffer is moving


def test_a_sum_that_the_loop_also_reads_stays_in_memory():
    element = Load(Y, (ix.of(J),), "float64")
    (outer,) = in_registers([Loop(I, (Loop(J, (Update(Y, (ix.of(I),), "add", element),)),))])
    assert outer.body[0].body[0].buffer is Y
