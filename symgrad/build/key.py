"""The key of a kernel: everything that its object code depends on."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import llvmlite.binding as llvm

COMPILERS = ("numba", "llvmlite")
PACKAGES = ("build", "generate")  # of symgrad: what their files say becomes part of kernels


def kernel_key(text: str, arguments: Iterable[str], modules: Iterable[str]) -> str:
    """A name for the object code of this text, on this machine, by these compilers.

    arguments: the kinds of its arguments; modules: other modules whose code the text takes in
    (numba itself would not see a change in them).
    """
    digest = hashlib.sha256()
    for part in (text, *arguments, "/", *map(file_digest, modules), *helpers(), *machine()):
        data = part.encode()
        digest.update(b"%d:%s" % (len(data), data))  # lengths, so that parts cannot run together
    return digest.hexdigest()[:40]


@cache
def file_digest(module: str) -> str:
    """The hash of a module's file, which is found and not imported."""
    spec = find_spec(module)
    if spec is None or spec.origin is None:
        raise ValueError(f"generated code imports {module}, and there is no such module")
    return hashlib.sha256(Path(spec.origin).read_bytes()).hexdigest()


@cache
def helpers() -> tuple[str, ...]:
    """The hashes of our own files that kernels take code from, directly or not."""
    folders = (Path(__file__).parents[1] / name for name in PACKAGES)
    files = sorted(path for folder in folders for path in folder.glob("*.py"))
    return tuple(hashlib.sha256(path.read_bytes()).hexdigest() for path in files)


def version(package: str) -> str:
    """What tells one version of a package from another: the hash of the file that says it.

    importlib.metadata takes longer to import than all that a kernel in the cache still needs.
    """
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError(f"kernels are compiled by {package}, which is not installed")
    file = Path(spec.origin).with_name("_version.py")
    if file.exists():
        return hashlib.sha256(file.read_bytes()).hexdigest()
    from importlib import metadata

    return metadata.version(package)


@cache
def machine() -> tuple[str, ...]:
    """Compilers, interpreter, processor, and numba's settings from the environment."""
    settings = sorted(f"{k}={v}" for k, v in os.environ.items() if k.startswith("NUMBA_"))
    return (
        *(f"{name} {version(name)}" for name in COMPILERS),
        sys.implementation.cache_tag or sys.version,
        llvm.get_process_triple(),
        llvm.get_host_cpu_name(),
        llvm.get_host_cpu_features().flatten(),
        *settings,
    )
