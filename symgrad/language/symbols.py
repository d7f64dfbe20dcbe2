"""Symbols with a shape: data, parameters, hypers, constants and lets."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np
import sympy as sp
from sympy.core.kind import UndefinedKind

from symgrad.language.arguments import array_of, switch
from symgrad.language.digest import digest, expression_digests
from symgrad.language.names import each_name, printable, split_names
from symgrad.language.tensor import Shaped, describe, sympify
from symgrad.language.walk import postorder

_created = itertools.count()
SPARSE = "sparse"  # the payload of sparse data


class Dim(sp.Symbol):
    """A size that is not known yet; see `sg.dim`."""

    role, shape, dtype = "dim", (), "int"

    def __new__(cls, name: str) -> Dim:
        return super().__new__(cls, name, integer=True, positive=True)

    def __getnewargs_ex__(self) -> tuple[tuple, dict]:
        return (self.name,), {}


class TensorSymbol(Shaped, sp.Symbol):
    """A SymPy symbol with a shape and a role in the model.

    `structure` digests name and specification, `identity` also which object is meant: two calls of
    `sg.parameter` make two parameters.  Equality and order rest on the name and these alone.
    """

    role: str
    structure: str
    identity: str
    payload: Any  # a parameter's init, a hyper's or constant's value, a let's definition, a Draw

    def __new__(
        cls, name: str, shape: tuple, dtype: str, role: str, structure: str, identity: str,
        payload: Any = None,
    ) -> TensorSymbol:  # fmt: skip
        assumptions = {"integer": True} if dtype == "int" else {"real": True}
        self = sp.Symbol.__xnew__(cls, name, **assumptions)  # not through SymPy's symbol cache
        self.shape, self.dtype, self.role = shape, dtype, role
        self.structure, self.identity, self.payload = structure, identity, payload
        return self

    def __getnewargs_ex__(self) -> tuple[tuple, dict]:
        content = (self.name, self.shape, self.dtype, self.role, self.structure, self.identity)
        return (*content, self.payload), {}

    def __getstate__(self) -> None:
        return None

    def __deepcopy__(self, memo: dict) -> TensorSymbol:
        return self

    def __copy__(self) -> TensorSymbol:
        return self

    def _hashable_content(self) -> tuple:
        return (self.name, self.structure, self.identity)

    def sort_key(self, order: Any = None) -> tuple:
        return self.class_key(), (3, (self.name, self.structure, self.identity)), 1, sp.S.One

    def _sympystr(self, printer: Any) -> str:
        return printable(self.name)

    @property
    def init(self) -> Any:
        """How a parameter starts."""
        return self.payload

    @property
    def value(self) -> Any:
        """A hyper's default or a constant's array."""
        return self.payload

    def __setattr__(self, key: str, value: Any) -> None:
        if key in ("value", "init"):
            raise AttributeError(f"{self.name} is a symbol: set values through the compiled model")
        super().__setattr__(key, value)


class Let(TensorSymbol):
    """A named intermediate value; anonymous where an operation names its composite operand."""

    kind = UndefinedKind  # else SymPy tries numbers in place of what is hidden in the definition

    @property
    def definition(self) -> sp.Expr:
        return self.payload

    @property
    def free_symbols(self) -> set:
        if "_free" not in self.__dict__:
            self._free = frozenset(x for x in through_lets(self) if isinstance(x, sp.Symbol))
        return set(self._free)

    def __reduce_ex__(self, protocol: Any) -> tuple:
        from symgrad.language.let_pickles import flattened, restored

        return restored, (flattened(self),)

    def _eval_derivative_n_times(self, s: sp.Symbol, n: Any) -> sp.Expr:
        if n == 0:
            return self
        first = sp.S.One if s == self else sp.diff(self.definition, s)
        return first if n == 1 else sp.diff(first, s, n - 1)

    def _eval_subs(self, old: sp.Basic, new: sp.Basic) -> sp.Basic | None:
        return self._xreplace({old: new})[0]

    def _xreplace(self, rule: Any) -> tuple[sp.Basic, bool]:
        from symgrad.language.substitution import replaced

        if self in rule:
            return rule[self], True
        if any(x in rule for x in self.free_symbols):  # SymPy's rules need not be dicts
            return replaced(self, rule), True
        return self, False

    def _sympystr(self, printer: Any) -> str:
        return printable(self.name) or f"({printer._print(self.definition)})"

    def _latex(self, printer: Any) -> str:
        if not self.name:
            return rf"\left({printer._print(self.definition)}\right)"
        from symgrad.show.latex import let_latex

        return let_latex(self.name, printer)


def through_lets(e: sp.Basic) -> Iterator[sp.Basic]:
    """Every node of an expression and of its lets' definitions, once, after what it is made of."""
    return postorder([e], lambda x: (x.definition,) if isinstance(x, Let) else x.args)


def check_shape(shape: Any, what: str) -> tuple[Any, ...]:
    """A shape as a tuple of sizes; one size is the shape of a vector."""
    sizes = (shape,) if isinstance(shape, int | np.integer | sp.Expr) else shape
    try:
        sizes = tuple(sizes)
    except TypeError:
        sizes = (None,)
    if not all(map(_is_size, sizes)):
        raise ValueError(f"{what}: a shape is a tuple of sizes from 0, not {shape!r}")
    return tuple(s if isinstance(s, sp.Expr) and not s.is_Integer else int(s) for s in sizes)


def _is_size(s: Any) -> bool:
    """Whether it is a whole number from 0, or an expression of dims."""
    if isinstance(s, sp.Expr) and not s.is_Integer:
        return bool(s.is_integer) and all(isinstance(d, Dim) for d in s.free_symbols)
    return isinstance(s, int | np.integer | sp.Integer) and not isinstance(s, bool) and int(s) >= 0


def _kind(dtype: Any, what: str) -> str:
    try:
        kind = {"f": "float", "i": "int", "u": "int", "b": "int"}.get(np.dtype(dtype).kind)
    except Exception:  # whatever NumPy, or the `dtype` of what was given, says
        kind = None
    if kind is None:
        raise TypeError(f"{what}: dtype must be float or int, not {dtype!r}")
    return kind


def data(
    name: str, shape: Any = (), dtype: Any = float, sparse: bool = False, ragged: Any = False
) -> Any:
    """One sample's value of the data called `name`.

    shape:  one sample's, without the sample axis.  dtype: float, or int for labels and indices.
    sparse: a vector of which most elements are 0; it is given as a SciPy CSR matrix, and a step
            costs what its non-zeros cost
    ragged: a list whose length differs from sample to sample, in front of `shape`; it is given as
            (values, offsets), sample i holding values[offsets[i]:offsets[i + 1]], or as a list of
            lists.  Another ragged symbol in place of True: a list of the same length as that one's
    Names split at spaces.  Data of equal name and specification are equal.

    >>> import symgrad as sg
    >>> x, y = sg.data("x y")
    >>> label = sg.data("label", dtype=int)
    >>> sg.data("x") == x
    True
    >>> features = sg.data("features", shape=2**20, sparse=True)
    >>> bag = sg.data("bag", dtype=int, ragged=True)
    >>> bag.shape, sg.data("weight", ragged=bag).shape
    ((len(bag),), (len(bag),))
    """

    def make(n: str) -> TensorSymbol:
        sizes, kind = check_shape(shape, f"data {n!r}"), _kind(dtype, f"data {n!r}")
        if switch(sparse, f"data {n!r}: sparse"):
            _check_sparse(n, sizes, kind, ragged)
        if ragged is not False:
            sizes = (_length(n, ragged), *sizes)
        key = digest("data", n, sizes, kind, *([SPARSE] if sparse else []))
        return TensorSymbol(n, sizes, kind, "data", key, key, SPARSE if sparse else None)

    return each_name(name, "data", make)


def _check_sparse(name: str, shape: tuple, kind: str, ragged: Any) -> None:
    if len(shape) != 1 or kind != "float" or ragged is not False:
        raise ValueError(
            f"sparse data {name!r} is a vector of floats for each sample, shape=(columns,); given "
            f"were shape={shape}, dtype={kind}" + (", ragged" if ragged is not False else "")
        )


def _length(name: str, ragged: Any) -> TensorSymbol:
    """The size of a ragged axis: a new one, or that of other ragged data."""
    if ragged is True:
        key = digest("length", name)
        return TensorSymbol(f"len({name})", (), "int", "length", key, key)
    size = ragged.shape[0] if isinstance(ragged, TensorSymbol) and ragged.shape else None
    if not (isinstance(size, TensorSymbol) and size.role == "length"):
        raise TypeError(
            f"data {name!r}: ragged is True or other ragged data of the same lengths, not "
            f"{ragged!r}"
        )
    return size


def parameter(name: str, shape: Any = (), init: Any = None) -> Any:
    """A new parameter; every call makes another one, even under the same name.

    init: a number, an array, a name such as "linear" or "kaiming_uniform", or
    `callable(rng, shape)`; by default 0 for rank 0 and 1.

    >>> import symgrad as sg
    >>> w, b = sg.parameter("w b")
    >>> W = sg.parameter("W", shape=(10, 784), init="linear")
    >>> W.shape
    (10, 784)
    """

    def make(n: str) -> TensorSymbol:
        sizes = check_shape(shape, f"parameter {n!r}")
        key = digest("parameter", n, sizes)
        return TensorSymbol(n, sizes, "float", "parameter", key, digest(key, next(_created)), init)

    return each_name(name, "parameter", make)


def hyper(name: str, value: Any) -> Any:
    """A number or array that may change at run time without compiling again.

    >>> import symgrad as sg
    >>> lam = sg.hyper("lam", 1e-4)
    """
    array = _real_array(value, f"hyper {name!r}").astype(np.float64)
    array.setflags(write=False)

    def make(n: str) -> TensorSymbol:
        key = digest("hyper", n, array.shape)
        identity = digest(key, array.tobytes().hex())
        return TensorSymbol(n, array.shape, "float", "hyper", key, identity, array)

    return each_name(name, "hyper", make)


def constant(value: Any) -> sp.Expr:
    """A fixed array as a tensor.  NumPy arrays in expressions become this by themselves.

    >>> import symgrad as sg
    >>> sg.shape(sg.constant([[1.0, 2.0], [3.0, 4.0]]))
    (2, 2)
    """
    array = _real_array(value, "sg.constant")
    if array.ndim == 0:
        return sp.sympify(array.item())
    kind = _kind(array.dtype, "sg.constant")
    array = np.array(array, dtype=np.int64 if kind == "int" else np.float64)
    array.setflags(write=False)
    key = digest("constant", array.shape, kind, array.tobytes().hex())
    name = "const_" + "x".join(map(str, array.shape))
    return TensorSymbol(name, array.shape, kind, "constant", key, key, array)


def _real_array(value: Any, what: str) -> np.ndarray:
    array = array_of(value, what)
    if array.dtype.kind not in "fiub":
        raise TypeError(
            f"{what} wants real numbers; an array of dtype {array.dtype} was given"
            + (" (write tensors, not arrays of symbols)" if array.dtype.kind == "O" else "")
        )
    if array.dtype.kind == "u" and array.size and array.max() > np.iinfo(np.int64).max:
        raise ValueError(f"{what}: {array.max()} is beyond what an int64 holds")
    return array


def let(name: str, expr: Any) -> sp.Expr:
    """Name an intermediate value.

    It keeps printed gradients readable, and stops SymPy's own simplification and growth: in a
    Python loop, let the carried value.

    >>> import symgrad as sg, sympy as sp
    >>> x, w = sg.data("x"), sg.parameter("w")
    >>> h = sg.let("h", sp.tanh(w * x))
    >>> h**2
    h**2
    """
    split_names(name, "let")
    return _let(name, sympify(expr))


def _let(name: str, expr: sp.Expr) -> sp.Expr:
    shape, kind = describe(expr)
    structure, identity = expression_digests(expr)
    key = digest("let", name, shape, kind)
    return Let(name, shape, kind, "let", digest(key, structure), digest(key, identity), expr)


def anonymous(expr: sp.Expr) -> sp.Expr:
    """A composite operand under an anonymous name, so that expressions do not grow."""
    simple = isinstance(expr, TensorSymbol | sp.Symbol) or not expr.args
    return expr if simple else _let("", expr)


def _single(name: str, role: str) -> TensorSymbol:
    """The one symbol of its role."""
    key = digest(role)
    return TensorSymbol(name, (), "int", role, key, key)


batch_size = _single("B", "batch_size")
step = _single("step", "step")
seed = _single("seed", "seed")  # what random draws start from
position = _single("position", "position")  # a sample's place among those of its update
