"""What the micro-kernels know about the processor: vectors, registers, arithmetic, caches."""

from __future__ import annotations

import functools
import platform
import re
from dataclasses import dataclass, replace
from pathlib import Path

import llvmlite.binding as llvm

from symgrad.lower.processor import Processor

CACHES = Path("/sys/devices/system/cpu/cpu0/cache")
BYTES = {"K": 1024, "M": 1024**2, "": 1}


@dataclass(frozen=True)
class Machine:
    """One core.

    vector_bytes:  bytes of a vector register; registers: how many there are
    fused:         multiply-add is one instruction
    masked:        loads and stores of part of a vector are one instruction
    arithmetic:    bytes of operands that multiply-adds take a cycle; latency: cycles until done
    loads:         bytes from the first-level cache a cycle, at most loads_per_cycle loads
    caches:        bytes of the first, second and last level; ways: lines of a set of the first
    page:          cycles until a page is found that is not at hand
    waits:         how much of the time that lines of the second-level cache take sums wait for
    library:       bytes of the vectors of BLAS's kernels, 0 where it has not been asked
    gigahertz:     cycles a nanosecond when busy
    estimates:     1/x is estimated by an instruction, and its divider is slow
    """

    vector_bytes: int
    registers: int
    fused: bool
    masked: bool
    arithmetic: int
    latency: int = 4
    loads: int = 64
    loads_per_cycle: int = 2
    caches: tuple[int, int, int] = (32 * 1024, 1024**2, 16 * 1024**2)
    ways: int = 8
    page: float = 5.0
    waits: float = 0.0
    library: int = 0
    gigahertz: float = 3.0
    estimates: bool = False

    @property
    def processor(self) -> Processor:
        """What lowering is told of it."""
        return Processor(self.arithmetic, self.caches[1])

    def lanes(self, itemsize: int) -> int:
        return self.vector_bytes // itemsize

    def peak(self, itemsize: int) -> float:
        """Multiply-adds a cycle.

        >>> Machine(64, 32, True, True, 64).peak(4)
        16.0
        """
        return self.arithmetic / itemsize * (1.0 if self.fused else 0.5)


# (feature that must be there, vector bytes, registers, masked), widest first
VECTORS = (("avx512vl", 64, 32, True), ("avx2", 32, 16, True), ("avx", 32, 16, True))
HALF_WIDTH = ("znver4", "znver3", "znver2")  # 512-bit arithmetic at half the rate, or none
SERVERS = (
    "skylake-avx512", "cascadelake", "cooperlake", "icelake-server", "sapphirerapids",
    "emeraldrapids", "graniterapids",
)  # fmt: skip
PAGE_CYCLES = {"znver5": 1.0, **dict.fromkeys(SERVERS, 2.0)}  # where they are not the others'
WAITS = dict.fromkeys(SERVERS, 0.5)  # likewise
QUICK_DIVIDERS = "znver"  # processors whose divisions take less than an estimate would save
LIBRARY_BYTES = {"Prescott": 16, "Nehalem": 16, "Sandybridge": 32, "Haswell": 32, "Zen": 32}


@functools.cache
def host() -> Machine:
    """The processor that this process runs on.

    >>> host().vector_bytes >= 16 and host().caches[0] > 0
    True
    """
    features = {name for name, on in llvm.get_host_cpu_features().items() if on}
    arm = platform.machine().lower() in ("arm64", "aarch64")
    plain = ("", 16, 32 if arm else 16, False)
    _, width, registers, masked = next((v for v in VECTORS if v[0] in features), plain)
    cpu = llvm.get_host_cpu_name()
    narrow = width == 64 and cpu in HALF_WIDTH
    fused = arm or "fma" in features
    rate = width if narrow else 2 * width
    loads = 64 if narrow else 2 * width
    sizes, ways = caches()
    return Machine(
        width, registers, fused, masked, rate, loads=loads, caches=sizes, ways=ways,
        page=PAGE_CYCLES.get(cpu, Machine.page), waits=WAITS.get(cpu, Machine.waits),
        gigahertz=frequency(),
        estimates=width == 64 and not cpu.startswith(QUICK_DIVIDERS),
    )  # fmt: skip


def asked(machine: Machine) -> Machine:
    """The machine with what BLAS, which is loaded for it, says of its own kernels.

    An OpenBLAS that is older than the processor takes kernels for an earlier one.

    >>> asked(Machine(16, 32, True, False, 64)).library
    16
    """
    from symgrad.build.blas_threads import blas_kernels

    widest = machine.vector_bytes
    return replace(machine, library=min(widest, LIBRARY_BYTES.get(blas_kernels(), widest)))


def caches() -> tuple[tuple[int, int, int], int]:
    """Bytes of the data caches, first to last level, and lines of a set of the first.

    Common ones where the system does not tell.

    >>> sizes, ways = caches()
    >>> len(sizes), ways > 0
    (3, True)
    """
    found, ways = {}, {1: Machine.ways}
    for entry in sorted(CACHES.glob("index*")):
        try:
            kind = (entry / "type").read_text().strip()
            level = int((entry / "level").read_text())
            size = re.fullmatch(r"(\d+)([KM]?)", (entry / "size").read_text().strip())
            lines = int((entry / "ways_of_associativity").read_text())
        except (OSError, ValueError):
            continue
        if kind != "Instruction" and size:
            found[level] = int(size[1]) * BYTES[size[2]]
            ways[level] = lines or Machine.ways  # 0: there are no sets
    first, second, last = Machine.caches
    first, second = found.get(1, first), found.get(2, second)
    return (first, second, max(found.get(3, last), second)), ways[1]


def frequency() -> float:
    """Gigahertz of a busy core: the highest that the system names, else a guess.

    Only times that are printed depend on it; choices compare cycles.
    """
    try:
        path = "/sys/devices/system/cpu/cpu0/cpufreq/cpuinfo_max_freq"
        return int(Path(path).read_text()) / 1e6
    except (OSError, ValueError):
        pass
    try:
        told = re.findall(r"cpu MHz\s*:\s*([\d.]+)", Path("/proc/cpuinfo").read_text())
    except OSError:
        told = []
    return max(map(float, told), default=3000.0) / 1000
