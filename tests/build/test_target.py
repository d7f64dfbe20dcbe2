"""What numba loads for a kernel, and that it does not get in the way of other functions."""

import subprocess
import sys

import numpy as np

PROGRAM = """
import sys
import numpy as np, sympy as sp, symgrad as sg

def step(power):
    x, w = sg.data("x", shape=(3,)), sg.parameter("w", shape=(3,))
    model = sg.compile(sg.sum(sp.tanh(w * x)) ** power, sg.SGD(lr=0.1))
    model.step({"x": np.ones((4, 3))})

step(2)
print(*(name in sys.modules for name in ("numba", "scipy.linalg", "numba.np.random.legacy",
                                     "numba.cpython.listobj", "numba.core.typing.cffi_utils")))
"""
BESIDE = """
import numba as nb

@nb.njit
def drawn():
    np.random.seed(3)
    return np.random.random()

def test():
    assert drawn() == np.random.RandomState(3).random()
"""


def printed(program, directory, monkeypatch):
    monkeypatch.setenv("SYMGRAD_CACHE_DIR", str(directory))
    child = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert child.returncode == 0, child.stderr
    return child.stdout


def test_kernels_load_neither_linear_algebra_nor_random_numbers_nor_lists(tmp_path, monkeypatch):
    """A later process does without numba, too."""
    assert printed(PROGRAM, tmp_path, monkeypatch) == "True" + 4 * " False" + "\n"
    assert printed(PROGRAM, tmp_path, monkeypatch) == "False" + 4 * " False" + "\n"


def test_other_functions_before_and_after_a_kernel(tmp_path, monkeypatch):
    before = BESIDE + "test()\n" + PROGRAM + "test()\nstep(3)\n"
    printed("import numpy as np\n" + before, tmp_path / "before", monkeypatch)
    after = PROGRAM + BESIDE + "test()\nstep(3)\n"
    printed(after, tmp_path / "after", monkeypatch)


def test_a_kernel_that_calls_compiled_functions(tmp_path, monkeypatch):
    """Beside one that does not, before and after."""
    more = """
A = sg.parameter("A", shape=(2, 2), init=np.array([[2.0, 1.0], [1.0, 3.0]]))
model = sg.compile(sg.logdet(A) ** 2, sg.SGD(lr=0.1), dtype="float64")
print(round(float(model.step({})), 9))
step(3)
"""
    lines = printed(PROGRAM + more, tmp_path, monkeypatch).splitlines()
    assert float(lines[1]) == round(np.log(5.0) ** 2, 9)
