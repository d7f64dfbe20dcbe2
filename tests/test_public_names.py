"""The public names: what trains is imported when it is first asked for."""

import subprocess
import sys

import symgrad as sg

LATER = """
import sys
import symgrad as sg
x, w = sg.data("x"), sg.parameter("w")
print(sg.gradient((w*x - 1)**2, w))
print(*(name in sys.modules for name in ("symgrad.train", "concurrent.futures", "numpy.random")))
print(sg.compile((w*x - 1)**2, sg.SGD(0.1), target="reference").step({"x": [1, 2]}))
print("symgrad.train" in sys.modules, "concurrent.futures" in sys.modules)
"""


def test_who_only_differentiates_does_not_wait_for_what_trains():
    run = subprocess.run(
        [sys.executable, "-c", LATER], capture_output=True, text=True, check=True, timeout=60
    )
    assert run.stdout.splitlines() == ["2*x*(w*x - 1)", "False False False", "1.0", "True False"]


def test_all_names_are_there_to_be_found():
    assert {"compile", "Model", "data", "gradient"} <= {*dir(sg)} & {*sg.__all__}
    assert all(hasattr(sg, name) for name in sg.__all__)
    everything = {}
    exec("from symgrad import *", everything)
    assert everything["compile"] is sg.compile and everything["init"] is sg.init
