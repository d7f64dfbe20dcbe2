"""Models and functions whose sizes are not known before they meet arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import sympy as sp

from symgrad.calculus.capture import role_of
from symgrad.calculus.gradient import Gradient, gradient
from symgrad.language.dims import Sizes, Sizing, dims_of, learn, learn_from_inits, numbers
from symgrad.language.levels import expectation
from symgrad.language.ragged import entries_of
from symgrad.language.symbols import TensorSymbol
from symgrad.show.model import model_text
from symgrad.train.cast import choose
from symgrad.train.entries import is_scipy_sparse
from symgrad.train.intake import real_array
from symgrad.train.model import Model
from symgrad.train.names import UnknownName, unknown
from symgrad.train.sources import begun
from symgrad.train.written import Written


class UnsizedFunction:
    """An `sg.function` of symbols with symbolic sizes: one function for each set of sizes."""

    def __init__(
        self, expressions: list[sp.Expr], inputs: list[sp.Symbol],
        make: Callable[[list[sp.Expr], list[sp.Symbol]], Any],
    ) -> None:  # fmt: skip
        self.expressions, self.inputs, self._make = expressions, inputs, make
        self.dims = dims_of([*expressions, *inputs])
        self._made: dict[tuple, Any] = {}

    def __call__(self, *values: Any) -> Any:
        """The values of the expressions; see `sg.function`."""
        shaped = [(s, np.shape(v)) for s, v in zip(self.inputs, values, strict=False)]
        data = [(s, f) for s, f in shaped if role_of(s, {}) == "data"]
        one = all(len(found) == len(s.shape) for s, found in data)
        sizes: dict[sp.Symbol, tuple[int, str]] = {}
        for s, found in shaped:
            sampled = (s, found) in data and not one
            learn(sizes, getattr(s, "shape", ()), found[sampled:], f"{s.name!r}")
        known = numbers(sizes, self.dims)
        key = tuple(known[d] for d in self.dims)
        if key not in self._made:
            sized = Sizing(known)
            self._made[key] = self._make(
                [sized(e) for e in self.expressions], [sized(s) for s in self.inputs]
            )
        return self._made[key](*values)


SHOWN = ("parameters", "hyper", "source", "steps", "epoch")  # what users know by these names


class Unsized(Model):
    """A model whose sizes are not known yet; with the first data it becomes a `Model`.

    Until then it can be printed, and has no arrays.
    """

    def __init__(
        self, written: Written, dims: Iterable[sp.Symbol], sizes: dict,
        make: Callable[[Sizes], Model],
    ) -> None:  # fmt: skip
        self._written = self._model = written
        self.dims = list(dims)
        self._sizes, self._make = sizes, make

    def _become(self, data: Any) -> None:
        """Find the sizes in the data, and be the model with those sizes from now on."""
        sizes = dict(self._sizes)
        if isinstance(data, Mapping):
            data = {k.name if isinstance(k, sp.Symbol) else k: v for k, v in data.items()}
        for s in symbols_of(self._model):
            if role_of(s, {}) == "data" and _holds(data, s.name) and entries_of(s) is None:
                given = data[s.name]
                sparse = is_scipy_sparse(given)
                found = given.shape if sparse else np.shape(real_array(given, s.name))
                learn(sizes, (None, *getattr(s, "shape", ())), found, f"data {s.name!r}")
        try:
            known = numbers(sizes, self.dims)
        except ValueError:
            self._refuse_strangers(data)
            raise
        model = self._make(known)
        self.__dict__.clear()
        self.__dict__.update(model.__dict__)
        self.__class__ = type(model)  # type: ignore[assignment]

    def _refuse_strangers(self, data: Any) -> None:
        """Raise UnknownName for a name that is none of the model's: that may be why."""
        roots = [self._model.loss, *self._model.outputs.values()]
        found = {s for e in roots for s in e.free_symbols if role_of(s, {}) == "data"}
        names = sorted({s.name for s in found})
        for stranger in (k for k in data if k not in names) if isinstance(data, Mapping) else ():
            raise UnknownName(unknown("data of this model", stranger, names))

    def __getattr__(self, name: str) -> Any:
        unknown = ", ".join(d.name for d in self.dims)
        asked = name if name in SHOWN else "arrays"
        raise AttributeError(
            f"this model has no {asked} yet: the size {unknown} becomes known with the first data "
            "that it is given, or with a parameter's init that is an array"
        )

    @property
    def _shown(self) -> tuple[sp.Expr, Gradient]:
        objective = expectation(self._model.loss)
        chosen = choose(self._model.parameters).chosen
        found = symbols_of(self._model, outputs=False)
        trained = [s for s in found if s.role == "parameter"] if chosen is None else chosen
        result = gradient(objective, trained)
        return result.of, result

    def __str__(self) -> str:
        return model_text(*self._shown)


def _meeting_data(name: str) -> Callable[..., Any]:
    """The model's method, once the sizes are known."""

    def method(self: Unsized, data: Any, *arguments: Any, **options: Any) -> Any:
        first, data = begun(data)
        self._become(first)
        return getattr(self, name)(data, *arguments, **options)

    method.__name__, method.__doc__ = name, getattr(Model, name).__doc__
    return method


for _name in ("step", "fit", "partial_fit", "loss", "gradients", "predict"):
    setattr(Unsized, _name, _meeting_data(_name))


def symbols_of(written: Written, outputs: bool = True) -> list[Any]:
    """The shaped symbols that a model reads."""
    roots = [written.loss, *(written.outputs.values() if outputs else ())]
    found = {s for e in roots for s in e.free_symbols if isinstance(s, TensorSymbol)}
    return sorted(found, key=lambda s: s.sort_key())


def unsized(written: Written, make: Callable[..., Model]) -> Model | None:
    """The model of a loss with symbolic sizes, with those that are known from inits; else None.

    make: (loss, outputs, parameters) -> model
    """
    dims = dims_of([written.loss, *written.outputs.values()])
    if not dims:
        return None
    sizes: dict[sp.Symbol, tuple[int, str]] = {}
    inits = choose(written.parameters).inits
    learn_from_inits(sizes, symbols_of(written), inits)

    def with_sizes(known: Sizes) -> Model:
        sized = Sizing(known)
        outputs = {label: sized(e) for label, e in written.outputs.items()}
        return make(sized(written.loss), outputs, _sized_parameters(written.parameters, sized))

    if all(d in sizes for d in dims):
        return with_sizes(numbers(sizes, dims))
    return Unsized(written, dims, sizes, with_sizes)


def _sized_parameters(parameters: Any, sized: Sizing) -> Any:
    if parameters is None or isinstance(parameters, sp.Basic):
        return parameters if parameters is None else sized(parameters)
    if isinstance(parameters, Mapping):
        return {sized(p): init for p, init in parameters.items()}
    return [sized(p) for p in parameters]


def _holds(data: Any, name: str) -> bool:
    try:
        return name in data
    except TypeError:
        return False
