"""Block -> nodes: composite operations expanded, means as totals, the sample axis written out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

import sympy as sp

from symgrad.calculus.block import Block, Equation, Name
from symgrad.calculus.builder import Builder
from symgrad.calculus.simplify import renamed
from symgrad.language.ragged import is_length
from symgrad.language.row import TABLE
from symgrad.language.symbols import batch_size
from symgrad.lower import calls, costs, totals
from symgrad.lower.common import without_common_numbers
from symgrad.lower.converse import converse, moved
from symgrad.lower.factors import factorised
from symgrad.lower.layout import Layout
from symgrad.lower.multiples import with_multiples
from symgrad.lower.nodes import SAMPLE, Extent, Node, Operand, Ragged, is_scalar, largest, node
from symgrad.lower.products import match
from symgrad.lower.regrouped import regrouped

OF_INVERSES = (-2, -3, *(sp.Rational(-k, 2) for k in (3, 5, 7)))
HALF = sp.Rational(1, 2)
INVARIANT_ROLES = ("constant", "hyper", "parameter", "seed", "state", "step")


def expanded(block: Block) -> Block:
    """The block in operations that targets know, by the rows' expansions."""
    given = set(block.inputs.values())
    while any(_expansion(e) for e in block.equations):
        builder, known = Builder(block.inputs), dict[Any, Any]()
        for e in block.equations:
            operands = [builder.value(known.get(x, x)) for x in e.operands]
            expand, attributes = _expansion(e), dict(e.attributes)
            value = builder.value(
                expand(*operands, **attributes)
                if expand
                else builder.apply(e.operation, *operands, **attributes)
            )
            if value.shape != e.name.shape:
                value = builder.apply("broadcast_to", value, shape=e.name.shape)
            known[e.name] = value.operand
            if isinstance(value.operand, Name) and value.operand not in given:
                value.operand.label = value.operand.label or e.name.label
        block = _renamed(builder, block, known)
    return block


def _renamed(builder: Builder, block: Block, known: Mapping[Any, Any]) -> Block:
    def named(name: Name) -> Name:
        found = known.get(name, name)
        if isinstance(found, Name):
            return found
        return builder.apply("broadcast_to", found, shape=name.shape).operand

    outputs = {k: named(v) for k, v in block.outputs.items()}
    writes = {k: named(v) for k, v in block.writes.items()}
    return builder.block(outputs, writes, {s: renamed(v, known) for s, v in block.rows.items()})


def _expansion(e: Equation) -> Callable[..., Any] | None:
    row = TABLE[e.operation]
    if row.kind == "library":
        return row.expand if getattr(e.operands[0], "shape", (0,))[-1] <= row.small else None
    if row.kind == "pointwise" and costs.is_primitive(e.operation):
        return None
    if row.kind in ("pointwise", "composite") and row.expand is None:
        raise ValueError(f"{e.operation} has no code in the compiled targets, and no expansion")
    return row.expand if row.kind in ("pointwise", "composite") else None


class Normalizer:
    """Translates one block's equations into nodes."""

    def __init__(
        self, block: Block, batch: int, written: Iterable[sp.Symbol],
        layout: Layout,
    ) -> None:  # fmt: skip
        self.block = with_multiples(without_common_numbers(regrouped(expanded(block)), batch))
        self.batch, self.layout = batch, layout
        self.written = set(written)
        self.known: dict[Name, Operand] = {}
        self.inputs: dict[sp.Symbol, Node] = {}
        self.per_sample: Node | None = None  # 1/n
        self.means: dict[Node, Node] = {}  # a mean over samples -> what is averaged
        self.inverses: dict[Node, Node] = {}  # x -> 1/x
        self.powers: dict[tuple[Node, sp.Expr], Node] = {}  # a sample's number, k -> x**k
        self.factors: dict[Node, Node] = {}  # of matrices
        self.uses = Counter(x for e in self.block.equations for x in e.operands)
        self.uses.update([*self.block.outputs.values(), *self.block.writes.values()])
        self.uses.update(self.block.row_names)
        for symbol, name in self.block.inputs.items():
            self.known[name] = self._as_written(symbol, self._input(symbol, name))
        for e in self.block.equations:
            operands = [self.known[x] if isinstance(x, Name) else x for x in e.operands]
            found = moved(self, e, operands)
            self.known[e.name] = self.translated(e, operands) if found is None else found

    def node_of(self, name: Name) -> Node:
        """The node of an output or a written value."""
        x = self.known[name]
        if isinstance(x, Node) and x.shape == self._shape(name):
            return x
        return self.make("broadcast_to", [x], self.extents(name), attributes={})

    def new_value(self, symbol: sp.Symbol, name: Name) -> Node:
        """The node of what an input becomes, as the input is held."""
        x = self.node_of(name)
        return self.turned(x, (1, 0)) if symbol in self.layout.turned else x

    def _as_written(self, symbol: sp.Symbol, x: Node) -> Node:
        """An input as the mathematics knows it."""
        return self.turned(x, (1, 0)) if symbol in self.layout.turned else x

    def turned(self, x: Node, axes: tuple[int, ...]) -> Node:
        """x with its axes in another order."""
        found = _transposed(self, x, axes)
        if found is not None:
            return found
        extents = x.extents[: x.lead] + tuple(x.body[a] for a in axes)
        return self.make("transpose", [x], extents, attributes={"axes": axes}, kind=x.kind)

    def make(self, operation: str, operands: Any, extents: tuple, **more: Any) -> Node:
        return node(operation, operands, extents, self.batch, **more)

    def extents(self, name: Name) -> tuple[Extent, ...]:
        body = tuple(s if isinstance(s, int) else self.extent(s) for s in name.shape)
        return (None, *body) if self.lead(name) else body

    def extent(self, size: sp.Symbol) -> Extent:
        """That of an axis of symbolic size."""
        if is_length(size):
            return Ragged(size, self.layout.entries(size))
        if size != batch_size:
            raise ValueError(
                f"an axis of {size} elements (the mini-batch's, flattened, joined or padded) has "
                'no place in a kernel: only target="reference" has it. Reduce each part first: the '
                "sum of a joined value is its parts' sums' sum, its logsumexp their sg.logaddexp"
            )
        return None if self.batch > 1 else 1

    def lead(self, name: Name) -> int:
        return int(name.per_sample and self.batch > 1)

    def _shape(self, name: Name) -> tuple[int, ...]:
        return tuple(largest(e, self.batch) for e in self.extents(name))

    def _input(self, symbol: sp.Symbol, name: Name) -> Node:
        if symbol in self.inputs:
            return self.inputs[symbol]
        role = role_of(symbol, name)
        extents = self.extents(name)
        extents = extents[::-1] if symbol in self.layout.turned else extents
        x = self.make("input", [], extents, lead=self.lead(name), kind=name.kind)
        x.symbol, x.label, x.attributes = symbol, name.label, {"role": role}
        x.wide = role in ("hyper", "step", "batch_size") or (role == "state" and name.kind == "int")
        x.constant = role in INVARIANT_ROLES and symbol not in self.written
        self.inputs[symbol] = x
        return x

    def translated(self, e: Equation, operands: list) -> Operand:
        rule = _call if TABLE[e.operation].kind == "library" else RULES.get(e.operation)
        if rule is not None:
            return rule(self, e, operands)
        return self.plain(e, operands, dict(e.attributes))

    def plain(self, e: Equation, operands: list, attributes: dict) -> Node:
        x = self.make(e.operation, operands, self.extents(e.name), attributes=attributes,
                      kind=e.name.kind, lead=self.lead(e.name), label=e.name.label)  # fmt: skip
        x.uses = self.uses[e.name]
        return x

    # ---- arithmetic on nodes

    def mul(self, *factors: Operand) -> Operand:
        """A product of numbers, scalars of the step and at most one value of any shape."""
        factors = tuple(f for f in factors if not (isinstance(f, sp.Expr) and f == 1))
        if len(factors) <= 1:
            return factors[0] if factors else sp.S.One
        shaped = [f for f in factors if isinstance(f, Node) and f.extents]
        extents = shaped[0].extents if shaped else ()
        x = self.make("mul", factors, extents)
        x.uses = 1
        return x

    def samples(self) -> Node:
        """n, the number of samples in the mini-batch."""
        name = Name("B", (), "int")
        return self._input(batch_size, name)

    def length(self, extent: Ragged) -> Node:
        """How many entries a sample has, 1 for none: what a mean over them divides by."""
        count = self._input(extent.size, Name(extent.size.name, (), "int", per_sample=True))
        return self.make("max", [count, sp.S.One], count.extents, kind="int")

    def inverse(self, extents: Iterable[Extent]) -> Operand:
        """1 / the product of extents."""
        result: Operand = sp.S.One
        for e in extents:
            one = sp.Rational(1, e) if e else sp.S.NaN
            if e is None:
                one = self.per_sample = self.per_sample or self.make(
                    "pow", [self.samples(), sp.Integer(-1)], ())  # fmt: skip
            result = one * result if isinstance(one, sp.Expr) and isinstance(
                result, sp.Expr) else self.mul(result, one)  # fmt: skip
        return result


def role_of(symbol: sp.Symbol, name: Name) -> str:
    return getattr(symbol, "role", "data" if name.per_sample else "parameter")


# ---- one rule for each operation that is not taken over as it stands


def _mean(s: Normalizer, e: Equation, x: list) -> Operand:
    attributes = dict(e.attributes)
    body = x[0].body if isinstance(x[0], Node) else ()
    total = s.plain(e, x, attributes)
    total.operation, total.uses = "sum", 1
    joined = [body[a] for a in attributes["axes"]]
    for extent in joined:
        if isinstance(extent, Ragged):
            one = s.make("pow", [s.length(extent), sp.S.NegativeOne], s.length(extent).extents)
            total = s.make("mul", [one, total], total.extents, label=total.label)
    return s.mul(s.inverse(e for e in joined if not isinstance(e, Ragged)), total)


def _einsum(s: Normalizer, e: Equation, x: list) -> Operand:
    left, out = dict(e.attributes)["subscripts"].split("->")
    leads = [SAMPLE if isinstance(v, Node) and v.lead else "" for v in x]
    terms = tuple(tuple(a + b) for a, b in zip(leads, left.split(","), strict=True))
    letters: dict[str, Extent] = {}
    for term, v in zip(terms, x, strict=True):
        letters.update(zip(term, v.extents if isinstance(v, Node) else (), strict=True))
    attributes = {"terms": terms, "letters": letters}
    result = s.plain(e, x, attributes)
    attributes["out"] = (SAMPLE,) * result.lead + tuple(out)
    return result


def _transpose(s: Normalizer, e: Equation, x: list) -> Operand:
    """Contractions and scatters give their axes in any order, and so do their sums."""
    found = _transposed(s, x[0], e.attribute("axes"))
    if found is None:
        return s.plain(e, x, dict(e.attributes))
    if x[0].operation != "transpose":  # else it was there before
        found.uses, found.label = s.uses[e.name], e.name.label
    return found


def _transposed(s: Normalizer, z: Operand, axes: tuple[int, ...]) -> Node | None:
    """z with its axes in another order, where something in it can be made in that order."""
    if isinstance(z, Node) and z.operation == "transpose":
        inner = z.attributes["axes"]
        if tuple(inner[a] for a in axes) == tuple(range(z.rank)):
            return z.operands[0]
    if not (isinstance(z, Node) and z.uses == 1):
        return None
    extents = z.extents[: z.lead] + tuple(z.body[a] for a in axes)
    attributes, operands = dict(z.attributes), list(z.operands)
    if z.operation == "einsum":
        out = attributes["out"]
        attributes["out"] = out[: z.lead] + tuple(out[z.lead + a] for a in axes)
    elif z.operation == "scatter":
        order = attributes.get("order", range(z.rank))
        attributes["order"] = tuple(order[a] for a in axes)
    elif z.operation in ("add", "mul"):
        shaped = [k for k, y in enumerate(operands) if not is_scalar(y)]
        fits = all(operands[k].extents == z.extents for k in shaped)
        if not fits or (z.operation == "mul" and len(shaped) > 1):
            return None
        parts = {k: _transposed(s, operands[k], axes) for k in shaped}
        if None in parts.values():
            return None
        operands = [parts.get(k, y) for k, y in enumerate(operands)]
    else:
        return None
    made = s.make(z.operation, operands, extents, attributes=attributes, kind=z.kind, lead=z.lead)
    return None if _takes_more_products(made, z, s.batch) else made


def _takes_more_products(made: Node, z: Node, batch: int) -> bool:
    """Whether a contraction is made of more products, or of none, than in its old order: tokens of
    all samples follow each other only where they come next to the samples."""
    known = match(z)
    if known is None:
        return False
    found = match(made)
    return found is None or found.products(batch) > known.products(batch)


def _pow(s: Normalizer, e: Equation, x: list) -> Operand:
    """x**-n = (x**-1)**n, which is a number where x**n is none, for so few factors as to be good:
    there 1/x has the error of the result, n times."""
    base, exponent = x
    if not isinstance(base, Node) or isinstance(exponent, Node):
        return s.plain(e, x, {})
    found = _from_another(s, e, base, exponent) if e.name.shape == () else None
    if found is None and exponent in OF_INVERSES:
        found = s.plain(e, [_inverse(s, base), -exponent], {})
    elif found is None:
        found = s.plain(e, x, {})
    if exponent == -1:
        s.inverses[base] = found
    s.powers.setdefault((base, exponent), found)
    return found


def _from_another(s: Normalizer, e: Equation, base: Node, exponent: sp.Expr) -> Node | None:
    """The power by one that is there: x**(-1/2) = 1/sqrt(x), x**(-3/2) = (x**(-1/2))**3,
    x**(-5/2) = x**(-3/2)/x, which are what differentiates."""
    if exponent in (-HALF, -3 * HALF):
        known = s.powers.get((base, -exponent if exponent == -HALF else -HALF))
        if known is not None:
            known.uses += 1
            return s.plain(e, [known, sp.Integer(-1 if exponent == -HALF else 3)], {})
    elif (exponent + HALF).is_Integer and exponent < -2:
        known = s.powers.get((base, exponent + 1))
        if known is not None:
            known.uses += 1
            return s.plain(replace(e, operation="mul"), [known, _inverse(s, base)], {})
    return None


def _inverse(s: Normalizer, base: Node) -> Node:
    """1/x for one more use."""
    if base not in s.inverses:
        s.inverses[base] = s.make("pow", [base, sp.S.NegativeOne], base.extents)
        s.inverses[base].uses = 0
    s.inverses[base].uses += 1
    return s.inverses[base]


def _batch(s: Normalizer, e: Equation, x: list) -> Operand:
    return s.plain(e, x, {}) if isinstance(x[0], Node) and (x[0].lead or s.batch == 1) else x[0]


def _call(s: Normalizer, e: Equation, x: list) -> Operand:
    """A library's routine reads whole arrays of the kernel's dtype."""
    attributes = dict(e.attributes)
    if e.operation in calls.FACTORED:
        x, attributes["transposed"] = factorised(s, x)
    operands = [calls.readable(s, y) for y in x]
    result = s.plain(e, operands, attributes)
    result.wide = False
    if result.extents:
        return result
    result.extents = result.shape = (1,)  # a routine writes into memory, not into a variable
    return s.make("reshape", [result], (), attributes={"shape": ()})


RULES: dict[str, Callable[..., Operand]] = {
    "add": totals.add, "expectation": totals.expectation, "mean": _mean, "einsum": _einsum,
    "transpose": _transpose, "batch": _batch, "converse": converse, "pow": _pow,
}  # fmt: skip
