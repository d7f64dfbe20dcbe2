"""What to write for a name that other packages have and symgrad has not."""

from __future__ import annotations

from collections.abc import Container

import sympy as sp

SYMPY = {
    "abs": "Abs", "arccos": "acos", "arccosh": "acosh", "arcsin": "asin", "arcsinh": "asinh",
    "arctan": "atan", "arctan2": "atan2", "arctanh": "atanh", "ceil": "ceiling",
    "lgamma": "loggamma", "logical_and": "And", "logical_not": "Not", "logical_or": "Or",
    "maximum": "Max", "minimum": "Min", "mod": "Mod", "pow": "Pow",
}  # fmt: skip
OURS = {
    "absolute": "sp.Abs(x)", "bmm": "a @ b", "cat": "sg.concatenate([a, b])",
    "clip": "sg.clamp(x, low, high)",
    "eigh": "sg.eigvalsh(A)", "hstack": "sg.concatenate([a, b], axis=-1)", "mm": "a @ b",
    "slice": "z[1:3]", "swapaxes": "sg.transpose(z, axes)", "vstack": "sg.concatenate([a, b])",
    "cond": "sg.where(condition, a, b)", "detach": "sg.stop_gradient(z)",
    "dropout": "sg.where(sg.random.uniform('u', shape) < p, 0, z)/(1 - p)",
    "embedding": "P[u] with integer data u", "grad": "sg.gradient(loss, w)",
    "jit": "sg.function(expression, inputs)",
    "layer_norm": "(z - sg.mean(z))/sympy.sqrt(sg.var(z, correction=0) + 1e-5)",
    "linear": "W @ x + b", "masked_fill": "sg.where(mask, value, z)",
    "scan": "a Python loop whose carried value sg.let names",
    "vmap": "one sample's expression: mini-batches are symgrad's affair",
}  # fmt: skip


def remedy(name: str, ours: Container[str]) -> str:
    """A sentence on what to write in place of `sg.name`, or nothing.

    >>> remedy("ceil", ())
    "; it is SymPy's: sympy.ceiling"
    """
    if name in OURS:
        return f"; write {OURS[name]}"
    if name.removesuffix("_loss") in ours:
        return f"; write sg.{name.removesuffix('_loss')}"
    theirs = SYMPY.get(name, name)
    if hasattr(sp, theirs) and not theirs.startswith("_"):
        return f"; it is SymPy's: sympy.{theirs}"
    return ""
