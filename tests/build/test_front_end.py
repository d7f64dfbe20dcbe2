"""Python's byte code through the few passes of numba that kernels need."""

import pytest
from numba.core import types
from numba.core.compiler import Flags, compile_extra
from numba.core.registry import cpu_target

from symgrad.build.front_end import FrontEnd


def compiled(function):
    """A function of an array and a number, for calls from Python."""
    contexts = cpu_target.typing_context, cpu_target.target_context
    kinds = types.Array(types.float64, 1, "C"), types.int64
    return compile_extra(
        *contexts, function, kinds, types.float64, Flags(), {}, pipeline_class=FrontEnd
    ).entry_point


def branches(x, n):
    """What generated code has: variables that are set again in branches and loops."""
    at, left, total = 0, n, 0.0
    end = n if n < 3 else 3
    while left > 0:
        if left % 2 == 0:
            source = x
            scale = 2.0
        else:
            source = x
            scale = -x[0]
        for i in range(end):
            total += scale * source[i] if at < 4 else 0.5
        for i in range(end, n):
            total *= source[i] > 0
        at += 1
        left -= 1
    return total


@pytest.mark.parametrize("n", [0, 1, 2, 5, 8])
def test_it_means_what_python_means(n, rng):
    x = rng.standard_normal(8)
    assert compiled(branches)(x, n) == pytest.approx(branches(x, n), rel=1e-12)
