"""Words for vectors and loops in LLVM IR."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeAlias

from llvmlite import ir

BIT, I32, I64 = ir.IntType(1), ir.IntType(32), ir.IntType(64)
FLOATS = {"float32": ir.FloatType(), "float64": ir.DoubleType()}
ITEM_BYTES = {"float32": 4, "float64": 8}
LETTER = {"float32": "f32", "float64": "f64"}
POINTER = ir.PointerType()
LINE = 64  # bytes of a line of cache

Count: TypeAlias = "int | ir.Value"  # known now, or an i64 when the code runs


def i64(n: Count) -> Any:
    return ir.Constant(I64, n) if isinstance(n, int) else n


def smaller(builder: Any, a: Count, b: Count) -> Count:
    if isinstance(a, int) and isinstance(b, int):
        return min(a, b)
    x, y = i64(a), i64(b)
    return builder.select(builder.icmp_signed("<", x, y), x, y)


def minus(builder: Any, a: Count, b: Count) -> Count:
    if isinstance(a, int) and isinstance(b, int):
        return a - b
    return builder.sub(i64(a), i64(b))


def divide(builder: Any, a: Count, b: int) -> tuple[Count, Count]:
    """Quotient and rest of a non-negative number."""
    if isinstance(a, int):
        return divmod(a, b)
    return builder.udiv(a, i64(b)), builder.urem(a, i64(b))


@contextmanager
def heap(builder: Any, size: int) -> Iterator[Any]:
    """So many bytes from the C library, the first at the beginning of a line of cache; what the
    builder writes meanwhile may use them."""
    module = builder.module
    take = _known(module, "malloc", ir.FunctionType(POINTER, [I64]))
    give_back = _known(module, "free", ir.FunctionType(ir.VoidType(), [POINTER]))
    memory = builder.call(take, [i64(size + LINE)])
    behind = builder.add(builder.ptrtoint(memory, I64), i64(LINE - 1))
    yield builder.inttoptr(builder.and_(behind, i64(-LINE)), POINTER)
    builder.call(give_back, [memory])


def _known(module: Any, name: str, kind: Any) -> Any:
    return module.globals.get(name) or ir.Function(module, kind, name)


def repeat(builder: Any, count: Count, body: Callable[[Any], None]) -> None:
    """body(i) for i = 0, ..., count - 1."""

    def without(i: Any) -> list:
        body(i)
        return []

    fold(builder, count, without, [])


def fold(
    builder: Any, count: Count, body: Callable[..., list], values: list, *,
    some: bool = False, short: bool = False,
) -> list:  # fmt: skip
    """values = body(i, *values) for i = 0, ..., count - 1; the last values.

    some: count is at least 1; short: LLVM may unroll the loop
    """
    if isinstance(count, int) and count <= 1:
        return body(i64(0), *values) if count == 1 else values
    some = some or isinstance(count, int)
    before, loop = builder.block, builder.append_basic_block("loop")
    after = builder.append_basic_block("after")
    enter = BIT(1) if some else builder.icmp_signed(">", count, i64(0))
    builder.cbranch(enter, loop, after)
    builder.position_at_end(loop)
    i = merged(builder, [(i64(0), before)])
    entering = [merged(builder, [(v, before)]) for v in values]
    leaving = body(i, *entering)
    following = builder.add(i, i64(1), flags=("nsw", "nuw"))
    latch = builder.block
    for phi, v in zip([i, *entering], [following, *leaving], strict=True):
        phi.add_incoming(v, latch)
    again = builder.cbranch(builder.icmp_signed("<", following, i64(count)), loop, after)
    if not short:
        again.set_metadata("llvm.loop", _as_it_stands(builder.module))
    builder.position_at_end(after)
    pairs = zip(leaving, values, strict=True)
    return [merged(builder, [(v, latch), (old, before)]) for v, old in pairs]


def _as_it_stands(module: Any) -> Any:
    """The mark of a loop that is not to be unrolled: its body is as long as it should be."""
    mark = module.add_metadata([module.add_metadata(["llvm.loop.unroll.disable"])])
    if mark.operands[0] is not mark:
        mark.operands = (mark, *mark.operands)  # a loop's mark names itself first
    return mark


def merged(builder: Any, sources: list[tuple[Any, Any]]) -> Any:
    phi = builder.phi(sources[0][0].type)
    for value, block in sources:
        phi.add_incoming(value, block)
    return phi


def when(builder: Any, condition: Any, values: list, change: Callable[[list], list]) -> list:
    """change(values) where the condition holds, else the values as they are."""
    before = builder.block
    then, after = builder.append_basic_block("then"), builder.append_basic_block("after")
    builder.cbranch(condition, then, after)
    builder.position_at_end(then)
    changed = change(values)
    end = builder.block
    builder.branch(after)
    builder.position_at_end(after)
    return [merged(builder, [(c, end), (v, before)]) for c, v in zip(changed, values, strict=True)]


@dataclass(frozen=True)
class Vectors:
    """Vectors of `lanes` elements of a dtype; a mask is a vector of bits, None stands for all."""

    builder: Any
    dtype: str
    lanes: int
    fused: bool = True

    @property
    def type(self) -> ir.VectorType:
        return ir.VectorType(FLOATS[self.dtype], self.lanes)

    def at(self, pointer: Any, *steps: tuple[Count, int | Any]) -> Any:
        """The address that lies the sum of index * stride elements on, for each (index, stride)."""
        known, total = 0, None
        for index, stride in steps:
            if isinstance(index, int) and isinstance(stride, int):
                known += index * stride
                continue
            one = isinstance(stride, int) and stride == 1
            step = index if one else self.builder.mul(i64(index), i64(stride))
            total = step if total is None else self.builder.add(total, step)
        for offset in (total, i64(known) if known else None):
            if offset is not None:
                pointer = self.builder.gep(pointer, [offset], source_etype=self.type.element)
        return pointer

    def room(self, elements: int) -> Any:
        """Memory on the stack; to be called in the function's first block."""
        place = self.builder.alloca(ir.ArrayType(self.type.element, elements))
        place.align, place.type = 64, POINTER  # llvmlite would remember what it points at
        return place

    def scalar(self, pointer: Any) -> Any:
        """One element, in all lanes."""
        return self.splat(self.builder.load(pointer, typ=self.type.element))

    @property
    def suffix(self) -> str:
        return f"v{self.lanes}{LETTER[self.dtype]}"

    def splat(self, x: ir.Value) -> ir.Value:
        single = self.builder.insert_element(
            ir.Constant(ir.VectorType(x.type, self.lanes), ir.Undefined), x, I32(0)
        )
        return self.shuffle(single, single, [0] * self.lanes)

    def shuffle(self, x: ir.Value, y: ir.Value, places: Sequence[int]) -> ir.Value:
        mask = ir.Constant(ir.VectorType(I32, len(places)), [I32(p) for p in places])
        return self.builder.shuffle_vector(x, y, mask)

    def number(self, x: float) -> ir.Constant:
        return ir.Constant(self.type, [ir.Constant(self.type.element, x)] * self.lanes)

    def first(self, count: Count) -> ir.Value | None:
        """The mask of the first `count` lanes."""
        if isinstance(count, int):
            if count >= self.lanes:
                return None
            bits = [BIT(int(i < count)) for i in range(self.lanes)]
            return ir.Constant(ir.VectorType(BIT, self.lanes), bits)
        numbers = ir.Constant(ir.VectorType(I32, self.lanes), [I32(i) for i in range(self.lanes)])
        return self.builder.icmp_signed("<", numbers, self.splat(self.builder.trunc(count, I32)))

    def fma(self, x: ir.Value, y: ir.Value, z: ir.Value) -> ir.Value:
        if not self.fused:
            return self.builder.fadd(self.builder.fmul(x, y), z)
        return self._call(f"llvm.fma.{self.suffix}", self.type, [x, y, z])

    def load(self, pointer: ir.Value, mask: ir.Value | None = None) -> ir.Value:
        if mask is None:
            return self.builder.load(pointer, align=ITEM_BYTES[self.dtype], typ=self.type)
        name = f"llvm.masked.load.{self.suffix}.p0"
        operands = [pointer, I32(ITEM_BYTES[self.dtype]), mask, self.number(0.0)]
        return self._call(name, self.type, operands)

    def store(self, value: ir.Value, pointer: ir.Value, mask: ir.Value | None = None) -> None:
        if mask is None:
            self.builder.store(value, pointer, align=ITEM_BYTES[self.dtype])
            return
        name = f"llvm.masked.store.{self.suffix}.p0"
        self._call(name, ir.VoidType(), [value, pointer, I32(ITEM_BYTES[self.dtype]), mask])

    def fetch(self, pointer: ir.Value) -> None:
        """Ask for the line of the cache there, which will be written."""
        self._call("llvm.prefetch.p0", ir.VoidType(), [pointer, I32(1), I32(3), I32(1)])

    def transposed(self, rows: Sequence[ir.Value]) -> list[ir.Value]:
        """The columns of a square, for vectors of 16 or 32 bytes.

        Rows are interleaved inside blocks of 16 bytes, then blocks change places: each step is one
        instruction on any machine.
        """
        block = 16 // ITEM_BYTES[self.dtype]
        groups = [self._blocks(rows[i : i + block]) for i in range(0, self.lanes, block)]
        if len(groups) == 1:
            return groups[0]
        pairs = [self._woven(x, y, block, self.lanes) for x, y in zip(*groups, strict=True)]
        return [column for half in zip(*pairs, strict=True) for column in half]

    def _blocks(self, rows: Sequence[ir.Value]) -> list[ir.Value]:
        """The columns of every block of 16 bytes of 2 or 4 rows."""
        if len(rows) == 2:
            return self._woven(rows[0], rows[1], 1, 2)
        upper, lower = self._woven(rows[0], rows[1], 1, 4), self._woven(rows[2], rows[3], 1, 4)
        return [c for u, w in zip(upper, lower, strict=True) for c in self._woven(u, w, 2, 4)]

    def _woven(self, x: ir.Value, y: ir.Value, size: int, block: int) -> list[ir.Value]:
        """Pieces of so many lanes from x and y in turn, from both halves of every block."""
        results = []
        for half in (0, block // 2):
            starts = [s + half + t for s in range(0, self.lanes, block)
                      for t in range(0, block // 2, size)]  # fmt: skip
            places = [p + i for s in starts for p in (s, s + self.lanes) for i in range(size)]
            results.append(self.shuffle(x, y, places))
        return results

    def _call(self, name: str, result: ir.Type, operands: list[ir.Value]) -> ir.Value:
        module = self.builder.module
        function = module.globals.get(name)
        if function is None:
            kind = ir.FunctionType(result, [x.type for x in operands])
            function = ir.Function(module, kind, name)
        return self.builder.call(function, operands)
