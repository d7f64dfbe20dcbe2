"""The kernel cache: what is damaged, foreign, shared, read-only or full never reaches a result."""

import errno
import hashlib
import json
import os
import stat
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from symgrad.build import cache
from symgrad.build.cache import CacheWarning, object_code

KEY, TEXT, CODE = "k" * 40, "print('never executed')\n", b"object code" * 100


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch) -> Path:
    """A cache of its own, in a process that has not warned yet."""
    monkeypatch.setenv("SYMGRAD_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "_warned", set())
    return tmp_path / "cache" / "kernels"


class Compiler:
    """Counts how often it is asked."""

    def __init__(self, code: bytes = CODE) -> None:
        self.code, self.calls = code, 0

    def __call__(self) -> bytes:
        self.calls += 1
        return self.code


def fetch(compiler: Compiler, key: str = KEY, text: str = TEXT) -> bytes:
    return object_code(key, text, compiler)


def test_the_second_time_nothing_is_compiled(home):
    first, second = Compiler(), Compiler()
    assert fetch(first) == fetch(second) == CODE
    assert (first.calls, second.calls) == (1, 0)
    assert (home / KEY / "kernel.py").read_text() == TEXT


def test_the_environment_moves_it(home, tmp_path, monkeypatch):
    fetch(Compiler())
    monkeypatch.setenv("SYMGRAD_CACHE_DIR", str(tmp_path / "elsewhere"))
    moved = Compiler()
    fetch(moved)
    assert moved.calls == 1
    assert (tmp_path / "elsewhere" / "kernels" / KEY).is_dir()


def test_without_the_variable_it_is_the_users_cache(monkeypatch, tmp_path):
    monkeypatch.delenv("SYMGRAD_CACHE_DIR")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.directory().parts[-2:] == ("symgrad", "kernels")


def test_files_are_private(home):
    fetch(Compiler())
    for path in (home, home / KEY):
        assert stat.S_IMODE(path.stat().st_mode) == 0o700


# ---- damage

NAMES = ("kernel.py", "kernel.o", "manifest.json")


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("part", [0.0, 0.3, 0.6, 0.99])
def test_a_flipped_bit_is_compiled_anew_with_a_warning(home, name, part):
    fetch(Compiler())
    path = home / KEY / name
    flip(path, int(part * path.stat().st_size))
    rebuilt, later = Compiler(b"new"), Compiler()
    with pytest.warns(CacheWarning, match="damaged or of foreign origin") as caught:
        assert fetch(rebuilt) == b"new"
    assert len(caught) == 1
    assert fetch(later) == b"new"
    assert (rebuilt.calls, later.calls) == (1, 0)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def make_directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("damage", [truncate, empty, Path.unlink, make_directory])
def test_a_damaged_file_is_compiled_anew_with_a_warning(home, name, damage):
    fetch(Compiler())
    damage(home / KEY / name)
    rebuilt, later = Compiler(), Compiler()
    with pytest.warns(CacheWarning):
        assert fetch(rebuilt) == CODE
    assert fetch(later) == CODE
    assert (rebuilt.calls, later.calls) == (1, 0)


def test_a_file_where_the_entry_should_be_is_replaced(home):
    home.mkdir(parents=True, mode=0o700)
    (home / KEY).write_text("not a directory")
    with pytest.warns(CacheWarning):
        assert fetch(Compiler()) == CODE
    assert (home / KEY).is_dir()


def test_one_warning_a_process(home):
    for key in ("a" * 40, "b" * 40):
        fetch(Compiler(), key)
        flip(home / key / "kernel.o", 3)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for key in ("a" * 40, "b" * 40):
            assert fetch(Compiler(), key) == CODE
    assert len(caught) == 1


# ---- what somebody else put there


def put(entry: Path, key: str, text: str, code: bytes) -> None:
    """An entry whose manifest fits its files."""
    files = {"kernel.o": code, "kernel.py": text.encode()}
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    manifest = json.dumps({"format": 1, "key": key, "sha256": hashes}, indent=1, sort_keys=True)
    entry.mkdir(parents=True, mode=0o700)
    for name, data in {**files, "manifest.json": manifest.encode() + b"\n"}.items():
        (entry / name).write_bytes(data)


def test_an_entry_made_by_hand_is_accepted_where_nobody_else_can_write(home):
    put(home / KEY, KEY, TEXT, b"by hand")
    assert fetch(Compiler()) == b"by hand"


@pytest.mark.parametrize(
    ("key", "text"), [(KEY, "import os; os.abort()\n"), ("f" * 40, TEXT)], ids=["text", "key"]
)
def test_an_entry_of_another_kernel_is_not_taken(home, key, text):
    put(home / KEY, key, text, b"poison")
    with pytest.warns(CacheWarning):
        assert fetch(Compiler()) == CODE


def test_a_directory_that_others_may_write_is_not_used(home):
    put(home / KEY, KEY, TEXT, b"poison")
    home.chmod(0o777)
    with pytest.warns(CacheWarning, match="other users may write"):
        assert fetch(Compiler()) == CODE
    assert (home / KEY / "kernel.o").read_bytes() == b"poison"


def test_a_directory_of_another_user_is_not_used(home, monkeypatch):
    put(home / KEY, KEY, TEXT, b"poison")
    monkeypatch.setattr(cache.os, "geteuid", lambda: home.stat().st_uid + 1)
    with pytest.warns(CacheWarning, match="belongs to another user"):
        assert fetch(Compiler()) == CODE


# ---- disks


def fail(code: int):
    def raises(*args, **kwargs):
        raise OSError(code, os.strerror(code))

    return raises


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
@pytest.mark.parametrize("step", ["write_bytes", "mkdtemp", "rename"])
def test_a_full_disk_costs_a_compilation_and_a_warning(home, monkeypatch, code, step):
    owner = {"write_bytes": Path, "mkdtemp": cache.tempfile, "rename": cache.os}[step]
    monkeypatch.setattr(owner, step, fail(code))
    compiler = Compiler()
    with pytest.warns(CacheWarning, match="SYMGRAD_CACHE_DIR") as caught:
        assert fetch(compiler) == CODE
    assert compiler.calls == len(caught) == 1
    monkeypatch.undo()
    assert [p.name for p in home.iterdir() if p.is_dir()] == []  # nothing half-written stays


def test_a_read_only_directory_is_still_read(home, monkeypatch):
    fetch(Compiler())
    for owner, step in ((cache.os, "mkdir"), (cache.os, "utime"), (cache.tempfile, "mkdtemp")):
        monkeypatch.setattr(owner, step, fail(errno.EROFS))
    known, unknown = Compiler(), Compiler(b"other")
    assert fetch(known) == CODE
    with pytest.warns(CacheWarning, match=os.strerror(errno.EROFS)):
        assert fetch(unknown, "u" * 40) == b"other"
    assert (known.calls, unknown.calls) == (0, 1)


def test_a_directory_that_cannot_be(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("SYMGRAD_CACHE_DIR", str(tmp_path / "file"))
    with pytest.warns(CacheWarning):
        assert fetch(Compiler()) == CODE


@pytest.mark.parametrize("given", [None, "~/kernels", "~nobody-of-that-name/kernels"])
def test_a_user_without_a_home(given, monkeypatch):
    """As services and containers have them: a number that no file knows, and no HOME."""
    for name in ("HOME", "XDG_CACHE_HOME", "SYMGRAD_CACHE_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 5)
    if given:
        monkeypatch.setenv("SYMGRAD_CACHE_DIR", given)
    compiler = Compiler()
    with pytest.warns(CacheWarning, match="SYMGRAD_CACHE_DIR names another directory"):
        assert fetch(compiler) == CODE
    assert compiler.calls == 1
    assert cache.text_path(KEY) == Path(KEY) / "kernel.py"


def test_a_relative_directory_in_one_that_is_gone(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    monkeypatch.setenv("SYMGRAD_CACHE_DIR", "kernels")
    with pytest.warns(CacheWarning, match="kernels cannot be kept"):
        assert fetch(Compiler()) == CODE


def test_a_disk_without_locks(home, monkeypatch):
    import filelock

    def unknown(*args, **kwargs):
        raise NotImplementedError("no locks here")

    monkeypatch.setattr(filelock, "FileLock", unknown)
    with pytest.warns(CacheWarning, match="no locks here"):
        assert fetch(Compiler()) == CODE


def test_an_error_of_the_compiler_is_not_hidden(home):
    def broken() -> bytes:
        raise OSError("the compiler's own")

    with pytest.raises(OSError, match="own"):
        object_code(KEY, TEXT, broken)
    assert fetch(Compiler()) == CODE


# ---- several processes

RACE = """
import sys, time
from symgrad.build.cache import object_code
def compile():
    with open(sys.argv[1], "a") as log:
        log.write("compiled\\n")
    time.sleep(0.3)
    return b"raced" * 1000
sys.stdout.write(object_code("r" * 40, "text", compile).hex())
"""


def test_processes_that_start_at_once_compile_once(tmp_path, home):
    log = tmp_path / "log"
    command = [sys.executable, "-c", RACE, str(log)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE) for _ in range(3)]
    results = {process.communicate()[0] for process in processes}
    assert results == {(b"raced" * 1000).hex().encode()}
    assert all(process.returncode == 0 for process in processes)
    assert log.read_text() == "compiled\n"
    assert [p.name for p in home.iterdir() if p.is_dir()] == ["r" * 40]


# ---- size


def test_what_was_not_used_for_longest_goes_first(home, monkeypatch):
    monkeypatch.setattr(cache, "MOST_ENTRIES", 4)
    monkeypatch.setattr(cache, "KEPT_ENTRIES", 2)
    keys = [c * 40 for c in "abcde"]
    for age, key in enumerate(keys[:4]):
        fetch(Compiler(), key)
        os.utime(home / key, (age, age))
    fetch(Compiler(), keys[0])  # used again: now the youngest
    fetch(Compiler(), keys[4])
    assert {p.name for p in home.iterdir() if p.is_dir()} == {keys[0], keys[4]}


def test_what_a_killed_process_left_is_removed(home):
    fetch(Compiler())
    left = home / f".{KEY}.abandoned"
    left.mkdir()
    os.utime(left, (0, 0))
    fetch(Compiler(), "n" * 40)
    assert not left.exists()


def test_two_processes_may_prune_the_same_entry(home, monkeypatch):
    """An entry that is moved away while it is read, or pruned, costs no warning."""
    fetch(Compiler())
    rename, read = os.rename, Path.read_bytes

    def vanish(path: Path) -> bytes:
        if path.name == "kernel.o" and (home / KEY).exists():
            rename(home / KEY, home / ".elsewhere")
        return read(path)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "read_bytes", vanish)
        again = Compiler()
        assert fetch(again) == CODE
        assert again.calls == 1
    listed = os.path.lexists
    monkeypatch.setattr(os.path, "lexists", lambda path: True)
    cache._remove(home / "gone")
    monkeypatch.setattr(os.path, "lexists", listed)
    assert not list(home.glob(".removed.*"))
