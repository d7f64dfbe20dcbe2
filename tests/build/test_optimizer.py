"""What LLVM makes of loops."""

import re

import llvmlite.binding as llvm
import numba as nb
import pytest

from symgrad.build.compiler import kernel_library
from symgrad.generate.native import pointer
from symgrad.generate.vector_math import tanh


def optimised(run, name):
    """LLVM's code for a function of two arrays of float32 numbers and an integer."""
    run = nb.njit(error_model="numpy")(run)
    return kernel_library(run, name, ("float32", "float32", "integer")).get_llvm_str()


@pytest.mark.parametrize("length", [16, 32, 64])
def test_loops_that_call_vector_mathematics_are_vectorised(length):
    def run(x_array, y_array, n):
        x, y = pointer(x_array), pointer(y_array)
        for b in range(n):
            for j in range(length):
                y[b * length + j] = tanh(x[b * length + j])
        return n

    code = optimised(run, f"tanh_{length}")
    assert not re.search(r"fdiv [a-z ]*float", code), "an element at a time"
    widths = {int(w) for w in re.findall(r"fdiv [a-z ]*<(\d+) x float>", code)}
    lanes = 16 if "avx512vl" in _features() else 8 if "avx" in _features() else 4
    assert widths == {lanes}


@pytest.mark.parametrize("length", [4, 16, 32])
def test_rows_that_lie_together_are_not_gathered(length):
    def run(x_array, y_array, n):
        x, y = pointer(x_array), pointer(y_array)
        for b in range(n):
            for j in range(length):
                y[b * length + j] = x[b * length + j] * y[b * length + j]
        return n

    code = optimised(run, f"product_{length}")
    assert not re.search(r"masked\.(gather|scatter)", code)
    widths = {int(w) for w in re.findall(r"fmul [a-z ]*<(\d+) x float>", code)}
    assert widths and min(widths) >= 4, "an element at a time"


def _features() -> set[str]:
    return {name for name, on in llvm.get_host_cpu_features().items() if on}
