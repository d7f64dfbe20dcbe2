"""Which cases of a test the ordinary suite runs; `make test-full` runs all of them."""

from collections.abc import Iterable
from typing import Any

import pytest


def mostly_full(cases: Iterable[Any], ordinary: Iterable[Any]) -> list[Any]:
    """The cases for `parametrize`; those that are not among the ordinary ones are marked `full`."""
    cases, ordinary = list(cases), list(ordinary)
    assert all(case in cases for case in ordinary)
    return [
        pytest.param(*_as_tuple(case), marks=() if case in ordinary else pytest.mark.full)
        for case in cases
    ]


def _as_tuple(case: Any) -> tuple:
    return case if isinstance(case, tuple) else (case,)
