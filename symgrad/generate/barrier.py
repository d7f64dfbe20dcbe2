"""A barrier for threads, in LLVM: the last one to come changes a number that the others watch.

Everyone who comes adds one to a count that never goes back, so that it tells the round, too: all
have come when it is the next multiple of the number of threads.  Few threads watch the count itself
(on two processors of a Xeon 100 ns from the last one's coming to the other's going on, 220 with a
number apart from it).  Where there are many, those who come would wait for those who watch: these
look at a number apart, which the last one sets.

They watch it for some microseconds, and then let others use the processor between two looks: where
more threads than cores work, the missing one may be waiting for a core.  If that goes on they sleep
between two looks: among other busy processes a thread gets its core back sooner so.
"""

from __future__ import annotations

import platform
from typing import Any

from llvmlite import ir

INT = ir.IntType(64)
FEW = 4  # threads that watch the count
APART = 8  # words from the count to the number that more threads watch: another line of memory
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
    watched = sync if threads <= FEW else builder.gep(sync, [INT(APART)])
    before = builder.atomic_rmw("add", sync, INT(1), "acq_rel")
    come = builder.add(before, INT(1))
    earlier = builder.urem(before, INT(threads))
    all_here = builder.sub(builder.add(before, INT(threads)), earlier)  # the count of this round
    builder.cbranch(builder.icmp_unsigned("==", come, all_here), last, watch)

    builder.position_at_end(last)
    if watched is not sync:
        builder.store_atomic(all_here, watched, "release", 8)
    builder.branch(done)

    builder.position_at_end(watch)
    looks = builder.phi(INT)
    looks.add_incoming(INT(0), entry)
    now = builder.load_atomic(watched, "acquire", 8)
    builder.cbranch(builder.icmp_unsigned(">=", now, all_here), done, look)

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
    builder.ret_void()


def _declared(module: Any, name: str, result: Any, *arguments: Any) -> Any:
    known = module.globals.get(name)
    return known or ir.Function(module, ir.FunctionType(result, arguments), name)
