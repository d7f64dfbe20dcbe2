"""What tests of generated code have in common."""

import pytest

from symgrad.generate import blocks, ir_lanes


@pytest.fixture(params=["source", "blocks", "lanes"])
def way(request, monkeypatch):
    """Kernels as numba source, as assembly, and with samples in lanes."""
    if request.param != "source":
        monkeypatch.setattr(blocks, "LARGEST", -1)
    if request.param == "lanes":
        monkeypatch.setattr(ir_lanes, "SHORTEST", 0)
