"""Object code on disk: verified before it is used, written whole or not at all.

    <directory>/kernels/<key>/   kernel.py      the text, to read and to debug; never executed
                                 kernel.o       its object code
                                 manifest.json  the format, the key and the SHA-256 of both

A reader takes the bytes into memory, compares them with the manifest and uses those very bytes.
An entry is made in a directory of its own and renamed into place, so no reader sees half of one.
Whatever goes wrong with the disk costs a compilation and one warning, never a result.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from filelock import BaseFileLock

FORMAT = 1
TEXT, CODE, MANIFEST = "kernel.py", "kernel.o", "manifest.json"
LOCK_SECONDS = 600.0
MOST_ENTRIES = 1000
KEPT_ENTRIES = 750  # what pruning leaves, so that it is rare
ABANDONED_SECONDS = 86400.0  # an unfinished entry this old belongs to a process that died

_warned: set[str] = set()


class CacheWarning(UserWarning):
    """Kernels could not be kept, or what was kept could not be trusted; results are right."""


class Untrusted(ValueError):
    """Something is on disk, and it is not what was written there."""


def directory() -> Path:
    """Where kernels are kept: in `SYMGRAD_CACHE_DIR`, else in the user's cache directory; OSError
    where that is nowhere."""
    try:
        return _place().absolute() / "kernels"
    except RuntimeError as error:  # nobody knows where this user is at home
        raise FileNotFoundError(f"{error}") from error


def _place() -> Path:
    given = os.environ.get("SYMGRAD_CACHE_DIR")
    if given:
        return Path(given).expanduser()
    from platformdirs import user_cache_path

    return user_cache_path("symgrad")


def text_path(key: str) -> Path:
    """Where the text of a kernel is or would be, for tracebacks and debuggers."""
    with suppress(OSError):
        return directory() / key / TEXT
    return Path(key) / TEXT


def object_code(key: str, text: str, compile: Callable[[], bytes]) -> bytes:
    """The object code of that key: from disk where a verified copy is, else compiled and kept."""
    try:
        entry = directory() / key
    except OSError as error:
        _warn_unusable("files", error)
        return compile()
    with suppress(OSError, Untrusted):
        code = _read(entry, text)
        if code is not None:
            return code
    with ExitStack() as stack:
        try:
            stack.enter_context(_alone(entry))
            code = _read(entry, text)  # another process may have made it while this one waited
        except Untrusted as error:
            code = None
            _warn_once("damaged", f"{error}; it is compiled anew")
        except (OSError, NotImplementedError) as error:  # the latter where disks know no locks
            _warn_unusable(entry.parent, error)
            return compile()
        return _compiled_and_kept(entry, text, compile) if code is None else code


def _compiled_and_kept(entry: Path, text: str, compile: Callable[[], bytes]) -> bytes:
    code = compile()
    try:
        _write(entry, {TEXT: text.encode(), CODE: code})
        _prune(entry.parent)
    except OSError as error:
        _warn_unusable(entry.parent, error)
    return code


def _alone(entry: Path) -> BaseFileLock:
    """A lock that lets one process at a time make this entry; OSError where there can be none."""
    from filelock import FileLock

    entry.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    _check_private(entry.parent)
    return FileLock(f"{entry}.lock", timeout=LOCK_SECONDS, mode=0o600)


def _check_private(path: Path) -> None:
    """Raise PermissionError where somebody else could have written: hashes prove no origin."""
    if not hasattr(os, "geteuid"):
        return
    status = path.stat()
    if status.st_uid != os.geteuid():
        raise PermissionError(f"{path} belongs to another user")
    if status.st_mode & 0o022:
        raise PermissionError(f"other users may write in {path}")


def _manifest(key: str, files: dict[str, bytes]) -> bytes:
    """The one text that a manifest of these files has: it is compared, never interpreted."""
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in sorted(files.items())}
    content = {"format": FORMAT, "key": key, "sha256": hashes}
    return (json.dumps(content, indent=1, sort_keys=True) + "\n").encode()


def _read(entry: Path, text: str) -> bytes | None:
    """The object code in an entry, None where there is no entry; raises Untrusted."""
    if not os.path.lexists(entry):
        return None
    _check_private(entry.parent)
    try:
        files = {name: (entry / name).read_bytes() for name in (TEXT, CODE)}
        manifest = (entry / MANIFEST).read_bytes()
    except OSError as error:
        if not os.path.lexists(entry):  # another process pruned it meanwhile
            return None
        raise Untrusted(f"the kernel kept in {entry} cannot be read ({error})") from error
    if files[TEXT] != text.encode() or manifest != _manifest(entry.name, files):
        raise Untrusted(f"the kernel kept in {entry} is damaged or of foreign origin")
    with suppress(OSError):
        os.utime(entry)  # pruning removes what has not been used for longest
    return files[CODE]


def _write(entry: Path, files: dict[str, bytes]) -> None:
    """Put an entry in place in one step, instead of whatever is there; raises OSError."""
    made = Path(tempfile.mkdtemp(prefix=f".{entry.name}.", dir=entry.parent))
    try:
        for name, data in {**files, MANIFEST: _manifest(entry.name, files)}.items():
            (made / name).write_bytes(data)
        _remove(entry)
        os.rename(made, entry)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _remove(path: Path) -> None:
    """Move it out of the readers' sight in one step, then delete it at leisure."""
    if os.path.lexists(path):
        grave = tempfile.mkdtemp(prefix=".removed.", dir=path.parent)
        with suppress(FileNotFoundError):  # another process removed it meanwhile
            os.rename(path, os.path.join(grave, path.name))
        shutil.rmtree(grave, ignore_errors=True)


def _prune(parent: Path) -> None:
    """Remove the entries that nobody has used for longest, where there are too many."""
    with os.scandir(parent) as found:
        ages = {Path(item.path): _last_used(item) for item in found if item.is_dir()}
    entries = sorted((p for p in ages if not p.name.startswith(".")), key=ages.__getitem__)
    surplus = len(entries) - KEPT_ENTRIES if len(entries) > MOST_ENTRIES else 0
    abandoned = time.time() - ABANDONED_SECONDS
    for path in entries[:surplus]:
        _remove(path)
        Path(f"{path}.lock").unlink(missing_ok=True)
    for path in (p for p, age in ages.items() if p.name.startswith(".") and age < abandoned):
        shutil.rmtree(path, ignore_errors=True)


def _last_used(item: os.DirEntry) -> float:
    """When an entry was last used; now, where another process has just removed it."""
    with suppress(FileNotFoundError):
        return item.stat().st_mtime
    return time.time()


def _warn_unusable(place: Path | str, error: Exception) -> None:
    _warn_once(
        "unusable",
        f"kernels cannot be kept in {place} ({error}), so each process compiles its own; "
        "the environment variable SYMGRAD_CACHE_DIR names another directory",
    )


def _warn_once(kind: str, message: str) -> None:
    if kind not in _warned:
        _warned.add(kind)
        warnings.warn(message, CacheWarning, stacklevel=2)
