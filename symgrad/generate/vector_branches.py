"""Branches that are hardly ever taken, beside formulas that have none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from symgrad.generate.vector_code import Real
from symgrad.generate.vector_functions import function


def unless_sure(sure: Any, usual: Real, otherwise: Callable[[], Real]) -> Real:
    """The usual value where it is sure everywhere; else, for all lanes, what `otherwise` makes.

    sure: a condition, one for each lane
    """
    builder = usual.builder
    start, unsure, end = builder.block, *(builder.append_basic_block() for _ in range(2))
    builder.cbranch(_all(builder, sure, usual.format.lanes), end, unsure)
    builder.position_at_end(unsure)
    found = otherwise()
    builder.branch(end)
    builder.position_at_end(end)
    result = builder.phi(usual.format.type)
    result.add_incoming(usual.value, start)
    result.add_incoming(found.value, unsure)
    return Real(builder, usual.format, result)


def out_of_line(name: str, formula: Callable[[Real], Real], x: Real) -> Real:
    """formula(x), by a function of its own that is called: its code does not fill the caller's."""
    made = function(x.builder.module, name, x.format, formula, 1)
    made.attributes.discard("alwaysinline")
    made.attributes.update(("noinline", "nounwind", "readnone"))
    return Real(x.builder, x.format, x.builder.call(made, [x.value]))


def _all(builder: Any, condition: Any, lanes: int) -> Any:
    if lanes == 1:
        return condition
    every = ir.IntType(lanes)
    return builder.icmp_unsigned("==", builder.bitcast(condition, every), every(-1))
