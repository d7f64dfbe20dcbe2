"""Generated code run by Python itself: no compiler, so that thousands of programs can be tried."""

import ctypes
import math
import threading
from types import SimpleNamespace

import llvmlite.binding as llvm
import numpy as np
import scipy.special as special

from symgrad.build.arrays import FOR_EVER
from symgrad.build.entry import leading, words_of
from symgrad.generate import micro_kernels
from symgrad.generate.cpu_operations import LIBRARY
from symgrad.generate.ir_library import with_definitions
from symgrad.generate.ir_products import product_definitions
from symgrad.generate.source import Source
from symgrad.language import counters
from symgrad.language.row import TABLE
from symgrad.lower.calls import FACTORED, FACTORS


def _gemm(ta, tb, m, n, k, alpha, a, at, lda, b, bt, ldb, beta, c, ct, ldc):
    rows, columns = (k, m) if ta else (m, k)
    x = _matrix(a, at, lda, rows, columns)
    y = _matrix(b, bt, ldb, *((n, k) if tb else (k, n)))
    z = _matrix(c, ct, ldc, m, n)
    product = alpha * ((x.T if ta else x) @ (y.T if tb else y))
    z[...] = product + beta * z if beta != 0 else product


def _matrix_product(dtype, ta, tb, m, n, k, lda, ldb, ldc, sampled="", beta=None):
    sizes = {"m": m, "n": n, "k": k}

    def product(size, alpha, a, at, b, bt, given, c, ct):
        s = sizes | ({sampled: size} if sampled else {})
        factor = given if beta is None else beta
        _gemm(ta, tb, s["m"], s["n"], s["k"], alpha, a, at, lda, b, bt, ldb, factor, c, ct, ldc)

    product.way = micro_kernels.matrix_product(
        dtype, ta, tb, m, n, k, lda, ldb, ldc, sampled=sampled, beta=beta
    ).way  # for what assembly calls
    return product


def _matrix(a, start, leading, rows, columns):
    step = a.itemsize
    return np.lib.stride_tricks.as_strided(
        a[start:], (rows, columns), (leading * step, step), writeable=True
    )


def _clamp(i, size, fault):
    if not 0 <= i < size:
        fault[0] = 1
    return min(max(i, 0), size - 1)


def _library(name):
    """A routine on stacks of matrices, as NumPy does it; a matrix's factors are itself."""

    def call(n, k, *given):
        flags = given[:-1]
        options = dict(zip(FLAGS.get(name, ()), flags, strict=False))
        count, x, *operands = flags[len(options) :]
        first = (n + 2, n) if name in FACTORED else (n, n)
        stacks = []
        for many, y, shape in zip(operands[::2], operands[1::2], (first, (n, k)), strict=False):
            y = y.array[: many * math.prod(shape)].reshape(many, *shape)[:, :n]
            stacks.append(np.tile(y, (count // many, 1, 1)))
        if name in FACTORED and options.pop("transposed"):
            stacks[0] = stacks[0].swapaxes(-1, -2)
        if name == FACTORS:
            x.array[: count * (n + 2) * n].reshape(count, n + 2, n)[:, :n] = stacks[0]
            return
        value = TABLE[name].numpy(0, *stacks, **options)
        x.array[: value.size] = value.reshape(-1)

    return call


FLAGS = {"triangular_solve": ("lower", "transposed"), **dict.fromkeys(FACTORED, ("transposed",))}


class Team:
    """Threads of which one runs at a time, from barrier to barrier, in an order drawn for each
    phase: what they give must not depend on it."""

    def __init__(self, threads, seed=0):
        self.rng, self.threads = np.random.default_rng(seed), threads
        self.turns = [threading.Semaphore(0) for _ in range(threads)]
        self.order = []
        self.me = threading.local()
        self.failed = []

    def run(self, work):
        """work(thread) of every thread; the first one's result."""
        results = [None] * self.threads

        def one(k):
            self.me.number = k
            self.turns[k].acquire()
            try:
                if not self.failed:
                    results[k] = work(k)
            except BaseException as error:
                self.failed.append(error)
            self._next(ended=True)

        team = [threading.Thread(target=one, args=(k,), daemon=True) for k in range(self.threads)]
        for t in team:
            t.start()
        self.present = list(range(self.threads))
        self._next()
        for t in team:
            t.join()
        if self.failed:
            raise self.failed[0]
        return results[0]

    def barrier(self, sync, threads):
        assert threads == self.threads
        self._next()
        self.turns[self.me.number].acquire()
        if self.failed:
            raise RuntimeError("another thread has failed")

    def _next(self, ended=False):
        """Let the next one of this phase go on; at its end begin another phase."""
        if ended:
            self.present.remove(self.me.number)
        if not self.order:
            self.order = self.rng.permutation(self.present).tolist()
        if self.order:
            self.turns[self.order.pop()].release()


def _distinct(row, rows, count, table, places, bits):
    """By a search through all of them: no table, but its memory is given."""
    for number in range(count[0]):
        if rows[number] == row:
            return number
    number = count[0]
    rows[number], places[number], table[number] = row, number, number
    count[0] = number + 1
    return number


def _joined(row, rows, count, table, places):
    return _distinct(row, rows, count, table, places, count[1])


def _in_table(dtype):
    """The array whose address and size are two words of a table."""

    def memory(table, word):
        address, size = (ctypes.c_int64 * 2).from_address(table + 8 * word)
        bytes = (ctypes.c_char * (size * np.dtype(dtype).itemsize)).from_address(address)
        return np.frombuffer(bytes, dtype)

    return memory


class _Pointer:
    """An array without Python's conventions: a negative index is an error."""

    def __init__(self, array):
        self.array = array

    def __getitem__(self, i):
        assert 0 <= i < len(self.array), f"read at {i} of {len(self.array)}"
        return self.array[i]

    def __setitem__(self, i, value):
        assert 0 <= i < len(self.array), f"write at {i} of {len(self.array)}"
        self.array[i] = value


MODULES = {
    "numba": SimpleNamespace(njit=lambda **_: lambda f: f),
    "numpy": np,
    "math": SimpleNamespace(sqrt=np.sqrt),
    "symgrad.build.blas": SimpleNamespace(gemm=_gemm),
    "symgrad.generate.library": SimpleNamespace(**{name: _library(name) for name in LIBRARY}),
    "symgrad.generate.micro_kernels": SimpleNamespace(matrix_product=_matrix_product),
    "symgrad.generate.native": SimpleNamespace(
        pointer=_Pointer, select=lambda c, a, b: a if c else b, maximum=np.maximum,
        minimum=np.minimum, sign=np.sign, clamp=_clamp, distinct=_distinct, square=np.square,
        modulo=np.mod, whole_quotient=np.floor_divide, power=lambda x, k: x**k,
        scaled=lambda x, c: x * c, divided=lambda x, c: c / x,
        prefetch=lambda memory, i: None, float32_in=_in_table("float32"),
        float64_in=_in_table("float64"),
    ),
    "symgrad.generate.notes": SimpleNamespace(
        **dict.fromkeys(("apart", "one_by_one", "rolled"), lambda: None)
    ),
    "symgrad.generate.random_bits": counters,
    "symgrad.generate.row_groups": SimpleNamespace(joined=_joined),
    "symgrad.generate.vector_math": SimpleNamespace(
        exp=np.exp, expm1=np.expm1, log=np.log, log1p=np.log1p, tanh=np.tanh,
        sigmoid=special.expit, softplus=lambda x: np.logaddexp(0, x), sin=np.sin, cos=np.cos,
        tan=np.tan, erf=special.erf, sinh=np.sinh, cosh=np.cosh, atan=np.arctan, atan2=np.arctan2,
        asin=np.arcsin, acos=np.arccos, asinh=np.arcsinh, acosh=np.arccosh, atanh=np.arctanh,
        raised=np.power, erfc=special.erfc, erfinv=special.erfinv, cbrt=np.cbrt,
        gamma=special.gamma, digamma=special.psi, lgamma=special.gammaln,
        **{name: TABLE[name].numpy for name in (
            "exp_product", "gelu", "gelu_slope", "logcosh", "logistic_slope", "logit", "mish",
            "mish_slope", "scaled_sigmoid", "unscaled")},
    ),
}  # fmt: skip


class Assembly:
    """The functions of assembly text, compiled as it stands: nothing is optimised."""

    def __init__(self, text: str, space: dict) -> None:
        target = f'target triple = "{llvm.get_process_triple()}"\n'
        module = llvm.parse_assembly(target + with_definitions(text))
        module.link_in(llvm.parse_assembly(target + product_definitions(text, space)))
        module.verify()
        self._engine = llvm.create_mcjit_compiler(module, _machine())
        self._engine.finalize_object()

    def external(self, name, integers):
        kind = ctypes.CFUNCTYPE(None, *[ctypes.c_int64] * integers)
        return kind(self._engine.get_function_address(name))


def _machine():
    """A target; the compiler that is made for it owns it."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple().create_target_machine(
        cpu=llvm.get_host_cpu_name(), features=llvm.get_host_cpu_features().flatten(), opt=0
    )


MODULES["symgrad.generate.native"].shared = _Pointer


class Interpreted:
    """The Executable that runs a source in Python, and its assembly as machine code."""

    def __init__(self, source: Source) -> None:
        self._team = Team(source.threads) if source.threads > 1 else None
        builtins = {"__import__": self._import, "range": range, "min": min, "abs": abs,
                    "float": float}  # fmt: skip
        space = {"__builtins__": builtins}
        self._space = space
        exec(source.text, space)
        self._run, self._source = space[source.entry], source
        self._scratch = {
            b: np.full(int(np.prod(b.shape)), _garbage(b.dtype), b.dtype)
            for b in source.buffers
            if b.role == "scratch"
        }

    def _import(self, name, *_):
        found = MODULES[name]
        if name == "symgrad.generate.native":
            barrier = self._team and self._team.barrier
            return SimpleNamespace(**vars(found), external=self._external, barrier=barrier)
        return found

    def _external(self, name, integers):
        """A function of the assembly, which stands behind this line of the text."""

        def call(*given):
            if not hasattr(self, "_assembly"):
                self._assembly = Assembly(self._space["ASSEMBLY"], self._space)
            self._assembly.external(name, integers)(*map(int, given))

        return call

    def run(self, arrays, order, first, last, every=1, pending=0, outputs=None, epoch=None):
        source = self._source
        given = [self._array(b, arrays, outputs or {}) for b in self._source.buffers]
        chosen = np.zeros(1, np.int64) if order is None else order
        epoch = epoch or FOR_EVER
        numbers = [order is not None, bool(outputs), first, last, epoch, every, pending]

        every = [
            [a.copy() if thread and b in source.own else a
             for b, a in zip(source.buffers, given, strict=True)]
            for thread in range(source.threads)
        ]  # fmt: skip

        def work(thread):
            passed = [a for b, a in zip(source.buffers, every[thread], strict=True)
                      if b not in source.in_table]  # fmt: skip
            which = [thread] if self._team else []
            table = self._table(chosen, [*numbers, *which], every[thread])
            passed += [table.ctypes.data] if source.by_table else []
            with np.errstate(all="ignore"):
                return self._run(chosen, *numbers, *which, *passed)

        result = self._team.run(work) if self._team else work(0)
        if result < 0:
            raise IndexError("a computed index is out of range")
        return result

    def _table(self, order, numbers, arrays):
        first = leading(self._source.threads)
        *places, length = words_of((*first, *self._source.kinds))
        table = np.zeros(length, np.int64)
        table[places[1] : places[1] + len(numbers)] = numbers
        table[places[0]] = order.ctypes.data
        for place, array in zip(places[len(first) :], arrays, strict=False):
            table[place : place + 2] = array.ctypes.data, array.size
        return table

    def _array(self, buffer, arrays, outputs):
        if buffer.role == "scratch":
            return self._scratch[buffer]
        if buffer.role == "output":
            return outputs[buffer.label].reshape(-1)
        payload = getattr(buffer.symbol, "value", None)
        array = arrays.get(buffer.symbol, payload)
        return np.asarray(array, buffer.dtype).reshape(-1)


def _garbage(dtype):
    """What scratch memory holds at first: nothing may depend on it."""
    return np.nan if dtype.startswith("float") else 99
