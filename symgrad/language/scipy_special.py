"""scipy.special, imported when one of its functions is first called: it takes 0.1 s to load."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def special(name: str) -> Callable[..., Any]:
    """scipy.special's function of this name.

    >>> special("expit")(0.0).item()
    0.5
    """

    def call(*x: Any, **options: Any) -> Any:
        import scipy.special

        return getattr(scipy.special, name)(*x, **options)

    return call
