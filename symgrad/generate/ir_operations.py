"""How each operation of the loop IR reads in LLVM assembly: one row for each of cpu_operations.

A row has the instructions for floating-point numbers and for integers, where they differ.  {0},
{1}, ... are the operands, {T} their type, {S} its suffix in names of LLVM's own functions, {B} the
type of a condition, {R} that of the result, {F} the fast-math flags; {k[2]} is the constant 2.
Each instruction but the last has a name, by which later ones refer to it.
"""

from __future__ import annotations

from dataclasses import dataclass

from symgrad.language.counters import FACTORS, GAMMA, LAST_SHIFT

Instructions = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """Instructions for numbers; `whole` for integers where those are others.

    called:     a function of ir_library, in place of instructions for numbers
    condition:  the result is a condition, not of the operands' type
    """

    real: Instructions = ()
    whole: Instructions = ()
    called: str = ""
    condition: bool = False


def _compare(real: str, whole: str) -> Row:
    return Row(
        (f"fcmp {{F}} {real} {{T}} {{0}}, {{1}}",),
        (f"icmp {whole} {{T}} {{0}}, {{1}}",),
        condition=True,
    )


def _arithmetic(name: str) -> Row:
    return Row((f"f{name} {{F}} {{T}} {{0}}, {{1}}",), (f"{name} {{T}} {{0}}, {{1}}",))


def _in_order(name: str) -> Row:
    """Made in the order in which it is written: LLVM would make one long chain of many sums."""
    return Row((f"f{name} nsz contract {{T}} {{0}}, {{1}}",), (f"{name} {{T}} {{0}}, {{1}}",))


def _extreme(real: str, whole: str) -> Row:
    """LLVM's own, of which it makes vectors where a loop looks for an extreme; NaN where one is."""
    return Row(
        (f"call nsz {{T}} @llvm.{real}.{{S}}({{T}} {{0}}, {{T}} {{1}})",),
        (f"first = icmp {whole} {{T}} {{0}}, {{1}}", "select {B} {first}, {T} {0}, {T} {1}"),
    )


def _rounding(name: str) -> Row:
    return Row((f"call {{F}} {{T}} @llvm.{name}.{{S}}({{T}} {{0}})",))


def _in_place(code: str) -> Row:
    """Made where it stands, with a number that LLVM is not told: see native.scaled."""
    return Row(("hidden = call {T} @llvm.arithmetic.fence.{S}({T} {1})", code))


def _logical(name: str) -> Row:
    return Row(whole=(f"{name} {{T}} {{0}}, {{1}}",))


def _called(name: str) -> Row:
    return Row(called=name)


def _mixed() -> Instructions:
    """See language/counters.py, which defines the random integers."""
    lines = ["one = add {T} {1}, {k[1]}", f"step = mul {{T}} {{one}}, {{k[+{GAMMA}]}}",
             "z0 = add {T} {0}, {step}"]  # fmt: skip
    for i, (shift, factor) in enumerate(FACTORS):
        lines += [
            f"high{i} = lshr {{T}} {{z{i}}}, {{k[{shift}]}}",
            f"bits{i} = xor {{T}} {{z{i}}}, {{high{i}}}",
            f"z{i + 1} = mul {{T}} {{bits{i}}}, {{k[+{factor}]}}",
        ]
    last = f"z{len(FACTORS)}"
    return (*lines, f"high = lshr {{T}} {{{last}}}, {{k[{LAST_SHIFT}]}}",
            f"xor {{T}} {{{last}}}, {{high}}")  # fmt: skip


LOW = 2**32 - 1
BELOW = (
    "a = lshr {T} {0}, {k[32]}", f"b = and {{T}} {{0}}, {{k[{LOW}]}}",
    "c = lshr {T} {1}, {k[32]}", f"d = and {{T}} {{1}}, {{k[{LOW}]}}",
    "ad = mul {T} {a}, {d}", "bd = mul {T} {b}, {d}", "bd1 = lshr {T} {bd}, {k[32]}",
    "middle = add {T} {ad}, {bd1}", "bc = mul {T} {b}, {c}",
    f"middle0 = and {{T}} {{middle}}, {{k[{LOW}]}}", "low = add {T} {bc}, {middle0}",
    "ac = mul {T} {a}, {c}", "middle1 = lshr {T} {middle}, {k[32]}",
    "low1 = lshr {T} {low}, {k[32]}", "high = add {T} {ac}, {middle1}",
)  # fmt: skip
# What is left of {0} by {1} rounded towards 0, and whether that is not what is left rounded down.
DIVIDED = (
    "nil = icmp eq {T} {1}, {k[0]}", "minus = icmp eq {T} {1}, {k[-1]}",
    "stops = or {B} {nil}, {minus}", "by = select {B} {stops}, {T} {k[1]}, {T} {1}",
    "rest = srem {T} {0}, {by}", "below = icmp slt {T} {rest}, {k[0]}",
    "under = icmp slt {T} {1}, {k[0]}", "turned = xor {B} {below}, {under}",
    "some = icmp ne {T} {rest}, {k[0]}", "other = and {B} {turned}, {some}",
)  # fmt: skip
EITHER = (
    *BELOW, "found = add {T} {high}, {low1}", "product = mul {T} {0}, {1}",
    "rest = lshr {T} {product}, {k[1]}", "most = sub {T} {1}, {k[1]}",
    "free = call {T} @llvm.ctlz.{S}({T} {most}, i1 false)", "used = sub {T} {k[64]}, {free}",
    "power = shl {T} {k[1]}, {used}", "last = sub {T} {power}, {k[1]}",
    "upper = xor {T} {last}, {k[-1]}", "share = and {T} {2}, {upper}",
    "other = and {T} {2}, {last}", "own = icmp ult {T} {rest}, {share}",
    "select {B} {own}, {T} {found}, {T} {other}",
)  # fmt: skip
UNIT = (
    "rest = sub {T} {k[64]}, {1}", "high = lshr {T} {0}, {rest}", "odd = or {T} {high}, {k[1]}",
    "x = sitofp {T} {odd} to {R}", "exponent = sub {T} {k[1023]}, {1}",
    "bits = shl {T} {exponent}, {k[52]}", "scale = bitcast {T} {bits} to {R}",
    "fmul {R} {x}, {scale}",
)  # fmt: skip

# fmt: off
CODE = {
    # ---- arithmetic
    "add": _arithmetic("add"), "sub": _arithmetic("sub"), "mul": _arithmetic("mul"),
    "plus": _in_order("add"), "minus": _in_order("sub"),
    "div": Row(("fdiv {F} {T} {0}, {1}",)),
    "neg": Row(("fneg {F} {T} {0}",), ("sub {T} {k[0]}, {0}",)),
    "square": Row(("fmul {F} {T} {0}, {0}",), ("mul {T} {0}, {0}",)),
    "sqrt": _rounding("sqrt"),
    "scaled": _in_place("fmul contract {T} {0}, {hidden}"),
    "divided": _in_place("fdiv contract {T} {hidden}, {0}"),
    # ---- conditions
    "lt": _compare("olt", "slt"), "le": _compare("ole", "sle"),
    "gt": _compare("ogt", "sgt"), "ge": _compare("oge", "sge"),
    "eq": _compare("oeq", "eq"), "ne": _compare("une", "ne"),
    "not": Row(whole=("xor {T} {0}, {k[1]}",)),
    "and": _logical("and"), "or": _logical("or"),
    # ---- kinks and steps
    "abs": Row(("call {F} {T} @llvm.fabs.{S}({T} {0})",),
               ("call {T} @llvm.abs.{S}({T} {0}, i1 false)",)),
    "sign": Row(
        ("above = fcmp ogt {T} {0}, {k[0]}", "below = fcmp olt {T} {0}, {k[0]}",
         "low = select {B} {below}, {T} {k[-1]}, {T} {0}",
         "select {B} {above}, {T} {k[1]}, {T} {low}"),
        ("above = icmp sgt {T} {0}, {k[0]}", "below = icmp slt {T} {0}, {k[0]}",
         "low = select {B} {below}, {T} {k[-1]}, {T} {0}",
         "select {B} {above}, {T} {k[1]}, {T} {low}")),
    "max": _extreme("maximum", "sgt"), "min": _extreme("minimum", "slt"),
    "floor": _rounding("floor"), "ceiling": _rounding("ceil"),
    "mod": Row(
        called="modulo",
        # the processor stops at a remainder by 0, and of the least number by -1
        whole=(
            *DIVIDED, "moved = add {T} {rest}, {1}",
            "select {B} {other}, {T} {moved}, {T} {rest}")),
    "whole_quotient": Row(whole=(
        *DIVIDED, "rounded = sdiv {T} {0}, {by}", "one = zext {B} {other} to {T}",
        "lower = sub {T} {rounded}, {one}", "opposite = sub {T} {k[0]}, {0}",
        "found = select {B} {minus}, {T} {opposite}, {T} {lower}",
        "select {B} {nil}, {T} {k[0]}, {T} {found}")),
    # ---- random draws
    "mixed": Row(whole=_mixed()), "below": Row(whole=(*BELOW, "add {T} {high}, {low1}")),
    "either": Row(whole=EITHER), "unit": Row(whole=UNIT),
    # ---- functions: vector mathematics, the C library
    **{name: _called(name) for name in (
        "exp", "expm1", "log", "log1p", "sigmoid", "softplus", "raised", "sin", "cos", "tan",
        "asin", "acos", "atan", "atan2", "sinh", "cosh", "tanh", "asinh", "acosh", "atanh", "erf",
        "erfc", "erfinv", "digamma", "exp_product", "gamma", "gelu", "gelu_slope", "lgamma",
        "logcosh", "logistic_slope", "logit", "mish", "mish_slope",
        "scaled_sigmoid", "unscaled", "cbrt",
    )},
}
# fmt: on
# what is written by rules of its own in ir_expressions and ir_memory
BY_RULE = frozenset({"select", "position", "clamp", "pow", "relu", "cast"})
