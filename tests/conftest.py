"""What every test may use: a seeded generator, and options for seeds and golden files."""

import gc
import os
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import hypothesis
import numpy as np
import pytest

ROOT = Path(__file__).parents[1]

os.environ.setdefault("MPLBACKEND", "Agg")
# Kernels are content-addressed, so runs may share them; `make clean` removes them.
os.environ.setdefault("SYMGRAD_CACHE_DIR", str(ROOT / ".pytest_cache" / "symgrad"))

EXAMPLES = {"ordinary": 25, "full": 500}
for profile, examples in EXAMPLES.items():
    hypothesis.settings.register_profile(
        profile, deadline=None, max_examples=examples, print_blob=True
    )
hypothesis.settings.load_profile("ordinary")


def pytest_addoption(parser):
    parser.addoption("--seed", type=int, help="seed of random tests; default: one for each test")
    parser.addoption("--update-golden", action="store_true", help="rewrite the golden files")


def pytest_collection_finish():
    """What was imported and collected stays: no need to look for garbage among it again.

    Tests run in as many processes as there are cores, where torch's threads would wait for each
    other at every operation of some size.
    """
    gc.collect()
    gc.freeze()
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture
def seed(request) -> int:
    """The test's seed: `--seed`, or a number that depends on the test's name alone."""
    given = request.config.getoption("--seed")
    value = zlib.crc32(request.node.nodeid.encode()) if given is None else given
    print(f"seed: {value}")
    return value


@pytest.fixture
def rng(seed) -> np.random.Generator:
    return np.random.default_rng(seed)


@pytest.fixture
def share() -> Callable[[int], int]:
    """How many of a sweep's random draws are made: a third of them, in `make test-full` all."""
    full = hypothesis.settings.default.max_examples >= EXAMPLES["full"]
    return lambda count: count if full else -(-count // 3)


@pytest.fixture
def update_golden(request) -> bool:
    return request.config.getoption("--update-golden")
