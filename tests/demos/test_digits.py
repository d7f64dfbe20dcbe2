"""Reading IDX files: what is right is read, what is not is refused in prose."""

import gzip
import struct
import sys

import numpy as np
import pytest

from tests.demos.running import DEMOS

sys.path.insert(0, str(DEMOS))
import digits


def idx(array: np.ndarray) -> bytes:
    header = bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape)
    return header + array.astype(np.uint8).tobytes()


@pytest.fixture
def directory(tmp_path, rng):
    """A tiny MNIST, its training files gzipped and its test files not."""
    for prefix, count, pack in (("train", 7, gzip.compress), ("t10k", 3, bytes)):
        end = ".gz" if prefix == "train" else ""
        image = idx(rng.integers(0, 256, (count, 4, 5)))
        label = idx(rng.integers(0, 10, count))
        (tmp_path / f"{prefix}-images-idx3-ubyte{end}").write_bytes(pack(image))
        (tmp_path / f"{prefix}-labels-idx1-ubyte{end}").write_bytes(pack(label))
    return tmp_path


def test_gzipped_and_plain_files_are_read(directory):
    name, train, test = digits.load(directory)
    assert name == "MNIST"
    assert train["image"].shape == (7, 20)
    assert test["label"].shape == (3,)
    raw = digits.read_idx(directory / "t10k-images-idx3-ubyte", rank=3)
    np.testing.assert_array_equal(np.rint(test["image"] * 255), raw.reshape(3, 20))


def test_missing_file(directory):
    (directory / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(FileNotFoundError, match="neither t10k-labels-idx1-ubyte nor"):
        digits.load(directory)


DAMAGE = {
    "wrong magic": (lambda c: b"\x89PNG" + c[4:], "begins with 89 50 4e 47, expected 00 00 08 03"),
    "wrong rank": (lambda c: c[:3] + b"\x01" + c[4:], "begins with 00 00 08 01"),
    "empty": (lambda c: b"", "begins with nothing"),
    "too short": (lambda c: c[:-1], "says it holds 3 x 4 x 5 bytes, .* 76 .* it is 75"),
    "too long": (lambda c: c + b"\0", "it is 77"),
    "huge sizes": (lambda c: c[:4] + b"\xff" * 12 + c[16:], "it is 76"),
}


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_file(directory, damage):
    change, message = DAMAGE[damage]
    path = directory / "t10k-images-idx3-ubyte"
    path.write_bytes(change(path.read_bytes()))
    with pytest.raises(ValueError, match=message):
        digits.load(directory)


def test_damaged_gzip(directory):
    path = directory / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match="is damaged"):
        digits.load(directory)


def test_images_and_labels_must_be_as_many(directory):
    (directory / "t10k-labels-idx1-ubyte").write_bytes(idx(np.zeros(2)))
    with pytest.raises(ValueError, match="3 images and 2 labels"):
        digits.load(directory)


def test_labels_are_digits(directory):
    (directory / "t10k-labels-idx1-ubyte").write_bytes(idx(np.array([1, 2, 10])))
    with pytest.raises(ValueError, match="not 0 to 9"):
        digits.load(directory)


def test_without_mnist_the_digits_of_scikit_learn(monkeypatch, tmp_path):
    monkeypatch.setattr(digits, "ROOT", tmp_path / "here")
    monkeypatch.delenv("SYMGRAD_DATA", raising=False)
    name, train, test = digits.load()
    assert name == "scikit-learn's digits"
    assert len(train["label"]) + len(test["label"]) == 1797
    assert train["image"].max() == 1


def test_mnist_is_found_where_the_environment_says(monkeypatch, tmp_path):
    (tmp_path / "mnist").mkdir()
    monkeypatch.setenv("SYMGRAD_DATA", str(tmp_path))
    assert digits.found_mnist() == tmp_path / "mnist"
