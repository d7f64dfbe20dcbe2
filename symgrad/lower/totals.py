"""Sums and means over the samples of a mini-batch, made where they cost least.

    E[c a] + E[c b]  ->  c E[a + b]     one sum over samples, of values without scalar factors
    E[x y']          ->  X'Y / n        the sum is one axis more of a contraction, or of a scatter

The functions here are given the `Normalizer`, whose nodes they make.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from symgrad.calculus.block import Equation
from symgrad.lower.nodes import SAMPLE, Node, Operand, is_scalar, is_steady

if TYPE_CHECKING:
    from symgrad.lower.normalize import Normalizer

DEEPEST = 50  # products and views that a sum moves through

# ---- the rules of `normalize`


def expectation(s: Normalizer, e: Equation, x: list) -> Operand:
    if s.batch == 1:
        return x[0] if isinstance(x[0], Node) else s.plain(e, x, {})
    if not isinstance(x[0], Node) or not x[0].lead:
        return x[0]
    return _mean(s, x[0])


def add(s: Normalizer, e: Equation, x: list) -> Operand:
    """E[a] + E[b] = E[a + b]: one sum over samples in place of two."""
    means = [_averaged(s, name, y) for name, y in zip(e.operands, x, strict=True)]
    inner = [z for z in means if z is not None]
    if len(inner) < 2 or any(z.extents != inner[0].extents for z in inner):
        return s.plain(e, x, dict(e.attributes))
    merged = _mean(s, _added(s, inner))
    rest = [y for y, z in zip(x, means, strict=True) if z is None]
    merged.label = "" if rest else e.name.label
    return s.plain(e, [*rest, merged], dict(e.attributes)) if rest else merged


# ---- sums


def _averaged(s: Normalizer, name: Any, y: Operand) -> Node | None:
    """What is averaged, where y is a plain mean over samples that only one equation uses."""
    if not (isinstance(y, Node) and y.operation == "mul" and s.uses[name] == 1):
        return None
    if y.operands[0] is not s.per_sample:
        return None
    z = s.means.get(y)
    return z if z is not None and y.extents == z.extents[1:] else None


def _added(s: Normalizer, terms: list[Node]) -> Node:
    """Their sum: c a + c b as c (a + b), which a sum over samples gives c up of."""
    scales, cores = zip(*(_unscaled(s, z) for z in terms), strict=True)
    if not scales[0] or any(scale != scales[0] for scale in scales):
        return _once(s, "add", terms, terms[0].extents)
    inner = _once(s, "add", cores, cores[0].extents)
    return _once(s, "mul", [*scales[0], inner], inner.extents)


def _mean(s: Normalizer, z: Node) -> Operand:
    """The mean over samples."""
    x = _total(s, z)
    y = s.mul(s.inverse([None]), x)
    while isinstance(x, Node) and x.operation == "mul":
        x = x.operands[-1]
    if isinstance(y, Node) and isinstance(x, Node) and x.operation == "total":
        s.means[y] = z
    return y


def _total(s: Normalizer, z: Operand, depth: int = 0) -> Operand:
    """The sum over samples, moved inwards to the contraction or scatter that it can join."""
    if not isinstance(z, Node) or not z.lead:
        return s.mul(s.samples(), z)
    scale, inner = _unscaled(s, z, depth)
    if scale and _is_free(inner, z):
        return s.mul(*scale, _total(s, inner, depth + 1))
    if z.uses == 1 and depth < DEEPEST and _core(z) in ("einsum", "scatter"):
        return _moved(s, z, depth)
    return _once(s, "total", [z], z.extents[1:], lead=0, kind="float", label=z.label)


def _moved(s: Normalizer, z: Node, depth: int) -> Node:
    attributes, operands = dict(z.attributes), list(z.operands)
    if z.operation == "einsum":
        attributes["out"] = tuple(c for c in attributes["out"] if c != SAMPLE)
    elif z.operation == "scatter":
        attributes["total"] = True
    else:
        operands = [_total(s, operands[0], depth + 1)]
    return _once(s, z.operation, operands, z.extents[1:], attributes=attributes, lead=0,
                 kind="float", label=z.label)  # fmt: skip


def _core(z: Node) -> str:
    """The operation under views and scalar factors that nothing else uses."""
    while z.uses == 1 and z.lead:
        if z.operation not in ("transpose", "reshape"):
            return z.operation
        z = z.operands[0]
    return ""


def _unscaled(s: Normalizer, z: Node, depth: int = 0) -> tuple[list, Node]:
    """The numbers and scalars of the step that z is a multiple of, and what is left of it.

    Those of a factor that others use too count where what is left of it is there already.
    """
    if z.operation != "mul" or not z.lead or depth > DEEPEST or not is_steady(z):
        return [], z
    scale = [x for x in z.operands if is_scalar(x)]
    rest = []
    for x in (x for x in z.operands if not is_scalar(x)):
        inner, core = _unscaled(s, x, depth + 1)
        free = _is_free(core, x)
        scale += inner if free else []
        rest.append(core if free else x)
    core = rest[0] if len(rest) == 1 else _once(s, "mul", rest, z.extents)
    return (scale, core) if scale and core.extents == z.extents else ([], z)


def _is_free(core: Node, z: Node) -> bool:
    """Whether nothing more is computed for what is left of z without its scalar factors."""
    return z.uses == 1 or any(core is x for x in z.operands)


def _once(s: Normalizer, operation: str, operands: Any, extents: tuple, **more: Any) -> Node:
    """A new value that is used once."""
    x = s.make(operation, operands, extents, **more)
    x.uses = 1
    return x
