"""From text to object code and into this process."""

import ctypes
import subprocess
import sys

import numba as nb
import numpy as np
import pytest

from symgrad.build.compiler import compile_kernel
from symgrad.build.linker import Loaded

TEXT = """
import numba as nb
import numpy as np

@nb.njit(error_model="numpy")
def run(x, n):
    {body}
    return n + 1
"""


def compiled(path, body: str, name: str) -> bytes:
    return compile_kernel(TEXT.format(body=body), path, "run", name, ("float64", "integer"))


def test_it_runs(tmp_path):
    loaded = Loaded(compiled(tmp_path / "kernel.py", "x[n] = x.size", "adds_one"), "adds_one")
    x = np.zeros(3)
    words = (ctypes.c_int64 * 3)(x.ctypes.data, x.size, 2)
    assert loaded.call(ctypes.addressof(words)) == 3
    np.testing.assert_array_equal(x, [0, 0, 3])


def test_numba_that_may_not_compile_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(nb.config, "DISABLE_JIT", 1)
    with pytest.raises(RuntimeError, match="NUMBA_DISABLE_JIT is set.*target='reference'"):
        compiled(tmp_path / "kernel.py", "x[n] = x.size", "not_compiled")


def test_a_step_that_allocates_is_refused(tmp_path):
    with pytest.raises(nb.errors.NumbaError):
        compiled(tmp_path / "kernel.py", "x[0] = np.ones(n).sum()", "allocates")


@pytest.mark.parametrize("code", [b"", b"no object code", b"\x7fELF" + b"\0" * 100])
def test_what_is_no_object_code_is_an_error(code):
    with pytest.raises(RuntimeError):
        Loaded(code, "nothing")


def test_a_name_that_is_not_there_is_an_error(tmp_path):
    code = compiled(tmp_path / "kernel.py", "x[n] = 1", "a_name")
    with pytest.raises(RuntimeError, match="another_name"):
        Loaded(code, "another_name")


INTERRUPTED = """
import os, signal, sys
import symgrad as sg

class Pressed:
    def find_spec(self, name, path, target=None):
        if name == "numba.core.ir_utils":
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Pressed())
w = sg.parameter("w", init=1)
model = sg.compile(w**2, sg.SGD(lr=0.25))
try:
    assert model.fit({}, epochs=1).interrupted
except KeyboardInterrupt:  # the fit had not begun
    pass
model.fit({}, epochs=2)
print(model.parameters["w"])
"""


def test_ctrl_c_while_numba_is_imported_leaves_it_usable(tmp_path, monkeypatch):
    monkeypatch.setenv("SYMGRAD_CACHE_DIR", str(tmp_path))
    child = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True)
    assert child.stdout == "0.25\n", child.stderr
