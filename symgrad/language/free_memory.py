"""How much memory there is: Linux grants more, and ends the process that touches it.

Asked before arrays are made that will be filled, so that what does not fit is refused in words.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

MEMORY, GROUPS, MOUNTED = Path("/proc/meminfo"), Path("/proc/self/cgroup"), Path("/sys/fs/cgroup")
LARGE = 2**26  # bytes from which one asks: it takes 50 microseconds
# Of a group of processes, a container's for example: files that hold its limit, and what it uses.
FILES = {"": ("memory.max", "memory.current"),
         "memory": ("memory.limit_in_bytes", "memory.usage_in_bytes")}  # fmt: skip
NO_LIMIT = 2**60
CACHED = ("active_file", "inactive_file")  # files' pages, which make room where it is wanted


def check_free(nbytes: int, what: str) -> None:
    """Raise MemoryError where so many bytes are more than there are."""
    if nbytes >= LARGE and nbytes > (free := free_bytes()):
        raise MemoryError(f"{what} takes {nbytes:,} bytes, and {free:,.0f} are free")


def free_bytes() -> float:
    """What this process may still take: infinite where nobody says."""
    return min([_of_the_machine(), *_of_groups()])


def _of_the_machine() -> float:
    with suppress(OSError, ValueError, KeyError):
        lines = (line.split() for line in MEMORY.read_text().splitlines())
        named = {line[0]: int(line[1]) for line in lines if len(line) > 1}
        return 1024 * (named["MemAvailable:"] + named.get("SwapFree:", 0))
    return float("inf")


def _of_groups() -> list[float]:
    """What the groups leave that this process is in, each of them with those around it."""
    found = []
    with suppress(OSError, ValueError):
        for line in GROUPS.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            for kind in FILES.keys() & set(controllers.split(",")):
                top = MOUNTED / kind
                own = top / path.lstrip("/")
                around = [group for group in own.parents if group.is_relative_to(top)]
                found += [_left(group, *FILES[kind]) for group in (own, *around)]
    return found


def _left(group: Path, limit: str, used: str) -> float:
    with suppress(OSError, ValueError):
        whole = int((group / limit).read_text())
        if whole < NO_LIMIT:  # else nobody asks what takes milliseconds to tell
            return whole - int((group / used).read_text()) + _cached(group)
    return float("inf")  # no such file, or "max" in it


def _cached(group: Path) -> int:
    with suppress(OSError, ValueError):
        lines = [line.split() for line in (group / "memory.stat").read_text().splitlines()]
        known = {name: int(value) for name, value in lines}
        return sum(known.get(f"total_{name}", known.get(name, 0)) for name in CACHED)
    return 0
