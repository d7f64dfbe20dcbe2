"""Products compiled by LLVM alone, on arrays that end where their page of memory does."""

import ctypes
import mmap
import sys

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir

from symgrad.generate.micro_machine import host
from symgrad.generate.micro_product import product_function

llvm.initialize_native_target()
llvm.initialize_native_asmprinter()
_kept = []  # compiled code and pages stay as long as the process


def compiled(shape, plan, machine=None):
    """f(size, alpha, a, b, beta, c) on flat arrays."""
    module = ir.Module("products")
    module.triple = llvm.get_process_triple()
    function = product_function(module, shape, plan, machine or host())
    function.linkage = "external"
    target = llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=3
    )
    parsed = llvm.parse_assembly(str(module))
    parsed.verify()
    builder = llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options(3))
    builder.getModulePassManager().run(parsed, builder)
    engine = llvm.create_mcjit_compiler(parsed, target)
    engine.finalize_object()
    _kept.append(engine)
    x = ctypes.c_float if shape.dtype == "float32" else ctypes.c_double
    p = ctypes.c_void_p
    call = ctypes.CFUNCTYPE(None, ctypes.c_int64, x, p, p, x, p)(
        engine.get_function_address(function.name)
    )
    turned = plan.turned

    def run(size, alpha, a, b, beta, c):
        a, b, c = (p(v.ctypes.data) for v in (a, b, c))
        call(size, alpha, b if turned else a, a if turned else b, beta, c)

    return run


def fenced(values):
    """A copy of an array after which nothing may be read."""
    values = np.ascontiguousarray(values)
    page = mmap.PAGESIZE
    room = -(-values.nbytes // page) * page
    memory = mmap.mmap(-1, room + page)
    _kept.append(memory)
    whole = np.frombuffer(memory, np.uint8)
    if sys.platform != "win32":
        libc = ctypes.CDLL(None, use_errno=True)
        fence = ctypes.c_void_p(whole.ctypes.data + room)
        assert libc.mprotect(fence, ctypes.c_size_t(page), 0) == 0
    inside = whole[room - values.nbytes : room]
    result = inside.view(values.dtype).reshape(values.shape)
    result[...] = values
    return result
