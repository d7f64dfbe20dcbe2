"""A barrier for threads, in LLVM: the last one to come changes a number that the others watch.

They watch it for some microseconds, and then let others use the processor between two looks: where
more threads than cores work, the missing one may be waiting for a core.  If that goes on they sleep
between two looks: among other busy processes a thread gets its core back sooner so.
"""

from __future__ import annotations

import platform
from typing import Any

from llvmlite import ir

INT = ir.IntType(64)
LINE = 8  # words of a line of memory: the count and the watched number are apart
LOOKS = 256  # before others may use the processor
MANY_LOOKS = 4096  # before the thread sleeps
SLEEP = 50  # microseconds
PAUSES = {"x86_64": "llvm.x86.sse2.pause", "AMD64": "llvm.x86.sse2.pause"}


def barrier_function(module: Any, threads: int) -> Any:
    """The module's function `void barrier(int64 *sync)` for so many threads."""
    name = f"symgrad_barrier_{threads}"
    if name in module.globals:
        return module.globals[name]
    function = ir.Function(module, ir.FunctionType(ir.VoidType(), [INT.as_pointer()]), name)
    function.linkage = "internal"
    function.attributes.add("noinline")
    _write(function, threads)
    return function


def _write(function: Any, threads: int) -> None:
    (sync,) = function.args
    names = ("entry", "last", "watch", "look", "rest", "sleep", "done")
    entry, last, watch, look, rest, sleep, done = map(function.append_basic_block, names)
    builder = ir.IRBuilder(entry)
    turn = builder.gep(sync, [INT(LINE)])
    before = builder.load_atomic(turn, "acquire", 8)
    come = builder.atomic_rmw("add", sync, INT(1), "acq_rel")
    builder.cbranch(builder.icmp_unsigned("==", come, INT(threads - 1)), last, watch)

    builder.position_at_end(last)
    builder.store_atomic(INT(0), sync, "monotonic", 8)
    builder.store_atomic(builder.add(before, INT(1)), turn, "release", 8)
    builder.branch(done)

    builder.position_at_end(watch)
    looks = builder.phi(INT)
    looks.add_incoming(INT(0), entry)
    now = builder.load_atomic(turn, "acquire", 8)
    builder.cbranch(builder.icmp_unsigned("!=", now, before), done, look)

    builder.position_at_end(look)
    pause = PAUSES.get(platform.machine())
    if pause:
        builder.call(_declared(function.module, pause, ir.VoidType()), [])
    more = builder.add(looks, INT(1))
    looks.add_incoming(more, look)
    builder.cbranch(builder.icmp_unsigned("<", more, INT(LOOKS)), watch, rest)

    builder.position_at_end(rest)
    builder.call(_declared(function.module, "sched_yield", ir.IntType(32)), [])
    looks.add_incoming(more, rest)
    builder.cbranch(builder.icmp_unsigned("<", more, INT(MANY_LOOKS)), watch, sleep)

    builder.position_at_end(sleep)
    number = ir.IntType(32)
    builder.call(_declared(function.module, "usleep", number, number), [number(SLEEP)])
    looks.add_incoming(more, sleep)
    builder.branch(watch)

    builder.position_at_end(done)
    builder.fence("seq_cst")
    builder.ret_void()


def _declared(module: Any, name: str, result: Any, *arguments: Any) -> Any:
    known = module.globals.get(name)
    return known or ir.Function(module, ir.FunctionType(result, arguments), name)
