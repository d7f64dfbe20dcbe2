"""How often this process and those before it were forked off: locks, threads and half-made calls of
an older one may be in any state."""

from __future__ import annotations

import os


class Forks:
    """The number grows with every generation of processes."""

    def __init__(self) -> None:
        self.number = 0

    def count(self) -> None:
        self.number += 1


forks = Forks()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=forks.count)
