"""A model's arrays, and how a user reads and assigns them by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import numpy as np
import sympy as sp

from symgrad.language.aligned import aligned_copy, aligned_zeros
from symgrad.language.symbols import TensorSymbol
from symgrad.train.init import as_values, held_in, initial
from symgrad.train.names import lookup


def _nothing() -> None:
    """What is called before arrays are read that are always up to date."""


def _anything(name: str, values: np.ndarray) -> None:
    """What checks values that may be anything."""


class Arrays(MutableMapping):
    """Arrays by name.  Reading gives the model's own array; assigning copies into it.

    what: the kind of thing they are, for messages.  fixed: name -> (value, why it stays) for names
    that may be read and not assigned.  before: called before anything is read or assigned.  turn:
    entered to assign, so that no kernel runs meanwhile.  check: raises what is wrong with a value
    """

    def __init__(
        self, arrays: Mapping[str, np.ndarray], what: str,
        fixed: Mapping[str, tuple[Any, str]] | None = None,
        before: Callable[[], None] = _nothing,
        turn: Callable[[], AbstractContextManager[None]] = nullcontext,
        check: Callable[[str, np.ndarray], None] = _anything,
    ) -> None:  # fmt: skip
        self._before, self._turn, self._check = before, turn, check
        self._arrays, self._what, self._fixed = dict(arrays), what, dict(fixed or {})

    def __getitem__(self, name: Any) -> Any:
        if isinstance(name, str) and name in self._fixed:
            return self._fixed[name][0]
        self._before()
        return lookup(self._arrays, name, self._what)

    def __setitem__(self, name: Any, value: Any) -> None:
        if isinstance(name, str) and name in self._fixed:
            kept, why = self._fixed[name]
            if isinstance(kept, int | float) and np.array_equal(value, kept):
                return
            raise ValueError(f"{self._what} {name!r} {why}")
        array = lookup(self._arrays, name, self._what)
        with self._turn():
            self._before()
            values = as_values(value, array.shape, f"{self._what} {name!r}", array.dtype)
            self._check(name, values)
            array[...] = values

    def __delitem__(self, name: str) -> None:
        raise TypeError(f"a model keeps its {self._what}s: {name!r} cannot be deleted")

    def __iter__(self) -> Iterator[str]:
        return iter([*self._arrays, *self._fixed])

    def __len__(self) -> int:
        return len(self._arrays) + len(self._fixed)

    def __getstate__(self) -> dict[str, Any]:
        """Pickled or copied without their model, arrays are as training has left them so far."""
        self._before()
        alone = {"_before": _nothing, "_turn": nullcontext, "_check": _anything}
        return {**self.__dict__, **alone}

    def __repr__(self) -> str:
        rows = [
            f"{name}: {np.array2string(np.asarray(a), threshold=20)}" for name, a in self.items()
        ]
        return "\n".join(rows) or f"no {self._what}s"


def starting_values(
    parameters: Iterable[sp.Symbol], inits: Mapping[sp.Symbol, Any], dtype: np.dtype, seed: int
) -> dict[sp.Symbol, np.ndarray]:
    """A new array for each parameter, by its own init or the one given here."""
    values = {}
    for p in parameters:
        init = inits[p] if p in inits else getattr(p, "init", None)
        values[p] = initial(p.name, getattr(p, "shape", ()), init, seed, dtype)
    return values


def filled(state: TensorSymbol, value: float, dtype: np.dtype, turned: bool = False) -> np.ndarray:
    """A state's array with its first value; of zeros the system gives memory when it is touched.

    turned: held column by column
    """
    kind = np.int64 if state.dtype == "int" else dtype
    shape = state.shape[::-1] if turned else state.shape
    array = aligned_zeros(shape, kind)
    if value:
        array.fill(value)
    return array.T if turned else array


def by_columns(arrays: dict[sp.Symbol, np.ndarray], tables: Iterable[sp.Symbol], rule: Any) -> None:
    """Hold tables, and what the optimiser keeps of them, column by column.

    Arrays know how they lie in memory: users see no difference.
    """
    for p in tables:
        kept = [*rule.states.get(p, {}).values(), *_dense_sums(rule, [p])] if rule else []
        for s in (p, *kept):
            if s in arrays:
                arrays[s] = aligned_copy(arrays[s].T, arrays[s].dtype).T


def held_by_columns(arrays: Mapping[sp.Symbol, np.ndarray], rule: Any) -> frozenset[sp.Symbol]:
    """The matrices that are; those shared with another model as that one holds them.

    So are the sums of their gradients, which only some fits have.
    """
    flags = {s: a.flags for s, a in arrays.items() if a.ndim == 2}
    held = {s for s, f in flags.items() if f.f_contiguous and not f.c_contiguous}
    return frozenset(held | set(_dense_sums(rule, held) if rule else ()))


def _dense_sums(rule: Any, parameters: Iterable[sp.Symbol]) -> list[TensorSymbol]:
    """The sums of gradients that are held as their parameters are."""
    sums = rule.accumulators
    return [sums[p] for p in parameters if p in sums and p not in rule.groups]


def constants(symbols: Iterable[sp.Symbol], dtype: np.dtype) -> dict[sp.Symbol, np.ndarray]:
    """The constants' arrays as kernels read them: of the model's dtype, or int64."""
    kinds = {"int": np.dtype(np.int64), "float": dtype}
    return {s: held_in(s.value, kinds[s.dtype], f"the constant {s.name!r}") for s in symbols}


def hypers(symbols: Iterable[sp.Symbol]) -> dict[sp.Symbol, np.ndarray]:
    """A float64 array for each hyper, with its first value."""
    return {s: np.array(s.value, np.float64) for s in symbols}


def by_name(symbols: Iterable[sp.Symbol], what: str) -> dict[str, sp.Symbol]:
    """Symbols by name; two of one name would be confused."""
    named: dict[str, sp.Symbol] = {}
    for s in symbols:
        if named.setdefault(s.name, s) != s:
            raise ValueError(
                f"two different {what}s are called {s.name!r}: sharing is sharing the Python "
                "variable; give different ones different names"
            )
    return named
