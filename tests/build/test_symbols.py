"""Addresses of BLAS and LAPACK routines: those that code mentions, and those that SciPy exports."""

import subprocess
import sys

import pytest
from numba.extending import get_cython_function_address

from symgrad.build.symbols import PREFIX, ROUTINES, addresses, blas_address


@pytest.mark.parametrize("routine", ROUTINES)
def test_they_are_scipys(routine):
    module = f"scipy.linalg.{ROUTINES[routine]}"
    assert blas_address(routine) == get_cython_function_address(module, routine)


def test_only_what_the_code_mentions():
    code = b"\0" + (PREFIX + "dgemm").encode() + b"\0"
    assert addresses(code) == {PREFIX + "dgemm": blas_address("dgemm")}


PROGRAM = """
import sys
from symgrad.build.symbols import blas_address
address = blas_address("sgemm")
blas_address("dpotrf")
print("scipy.linalg" in sys.modules)
import scipy.linalg
from scipy.linalg import cython_blas
print(scipy.linalg.det([[2.0]]), blas_address("sgemm") == address)
"""


def test_scipy_is_as_usual_afterwards():
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "2.0", "True"]
