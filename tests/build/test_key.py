"""Whatever object code depends on changes its key."""

from importlib import metadata

import pytest

from symgrad.build import key
from symgrad.build.key import kernel_key

ORDINARY = ("text", ("run", "float32"), ("symgrad.build.blas",))


def changed(monkeypatch, **replaced) -> str:
    """The key of the same kernel after these replacements, and those made before."""
    for name, value in replaced.items():
        monkeypatch.setattr(key, name, value)
    forget()
    try:
        return kernel_key(*ORDINARY)
    finally:
        monkeypatch.undo()
        forget()


def forget() -> None:
    for known in (key.machine, key.helpers, key.file_digest):
        known.cache_clear()


def test_it_is_the_same_for_the_same():
    assert kernel_key(*ORDINARY) == kernel_key(*ORDINARY)


@pytest.mark.parametrize(
    "other",
    [
        ("texts", ("run", "float32"), ("symgrad.build.blas",)),
        ("text", ("run", "float64"), ("symgrad.build.blas",)),
        ("textrun", ("float32",), ("symgrad.build.blas",)),
        ("text", ("run", "float32"), ()),
    ],
)
def test_text_arguments_and_modules_count(other):
    assert kernel_key(*other) != kernel_key(*ORDINARY)


def test_a_named_modules_file_counts(monkeypatch):
    different = changed(monkeypatch, file_digest=key.cache(lambda name: "another file"))
    assert different != kernel_key(*ORDINARY)


@pytest.mark.parametrize("name", ["build/blas.py", "build/entry.py", "generate/vector_math.py"])
def test_our_own_files_count(monkeypatch, name):
    ordinary, read = kernel_key(*ORDINARY), key.Path.read_bytes
    edited = lambda path: read(path) + b"#" * path.as_posix().endswith(name)  # noqa: E731
    monkeypatch.setattr(key.Path, "read_bytes", edited)
    assert changed(monkeypatch) != ordinary


def test_versions_count(monkeypatch):
    assert changed(monkeypatch, version=lambda name: "99") != kernel_key(*ORDINARY)


@pytest.mark.parametrize("package", key.COMPILERS)
def test_a_version_is_found_without_the_package(monkeypatch, package):
    read = key.Path.read_bytes
    ordinary = key.version(package)
    monkeypatch.setattr(key.Path, "read_bytes", lambda path: read(path) + b"#")
    assert key.version(package) != ordinary
    monkeypatch.setattr(key.Path, "exists", lambda path: False)
    assert key.version(package) == metadata.version(package)


def test_without_a_compiler_the_error_names_it():
    with pytest.raises(ModuleNotFoundError, match="symgrad_nowhere"):
        key.version("symgrad_nowhere")


@pytest.mark.parametrize("function", ["get_host_cpu_name", "get_process_triple"])
def test_the_processor_counts(monkeypatch, function):
    ordinary = kernel_key(*ORDINARY)
    monkeypatch.setattr(key.llvm, function, lambda: "another")
    assert changed(monkeypatch) != ordinary


def test_numbas_settings_count(monkeypatch):
    ordinary = kernel_key(*ORDINARY)
    monkeypatch.setenv("NUMBA_OPT", "1")
    assert changed(monkeypatch) != ordinary


def test_a_module_that_does_not_exist():
    with pytest.raises(ValueError, match="no such module"):
        kernel_key("text", (), ("symgrad_nowhere",))
