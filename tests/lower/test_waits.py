"""In which order sums and products are worked off where one sample is a step."""

import pytest

from symgrad.lower import index as ix
from symgrad.lower.kernel import AT, Apply, Buffer, Load, Number, Store
from symgrad.lower.waits import known_first

W, LR = Buffer("parameter", "w", (), "float64"), Buffer("hyper", "lr", (), "float64")
X = Buffer("data", "x", (), "float64")


def load(buffer, *index):
    return Load(buffer, index, "float64")


def applied(operation, *operands):
    return Apply(operation, operands, "float64")


def rewritten(value):
    (s,) = known_first([Store(W, (), value)])
    return s.value


def test_what_is_known_comes_first():
    sample = load(X, ix.of(AT))
    value = applied("mul", load(W), applied("mul", sample, applied("mul", load(LR), load(LR))))
    first, second, last = rewritten(value).operands
    assert [o.buffer for o in first.operands] == [LR, LR]
    assert (second.buffer, last.buffer) == (X, W)


def test_a_term_that_occurs_twice_stays_twice():
    twice = applied("add", load(W), load(W))
    assert len(rewritten(twice).operands) == 2


@pytest.mark.parametrize("number", [1e-27, 1e30])
def test_numbers_of_extreme_size_stay_where_they_are(number):
    n = Number(number, "float64")
    value = applied("mul", n, applied("mul", load(W), Number(3.0, "float64")))
    assert rewritten(value).operands[0] is n


def test_what_two_need_is_made_once():
    shared = applied("mul", load(X, ix.of(AT)), load(W))
    both = applied("add", applied("mul", shared, load(W)), applied("mul", shared, load(LR)))
    left, right = rewritten(both).operands
    assert any(o is p for o in left.operands for p in right.operands)
