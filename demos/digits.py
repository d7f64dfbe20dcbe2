"""Handwritten digits for the demos: MNIST from its IDX files, or the set within scikit-learn."""

import gzip
import os
import struct
import zlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
UNSIGNED_BYTE = 8  # the only element type that MNIST's files use


class Digits(NamedTuple):
    name: str
    train: dict[str, np.ndarray]  # image: (samples, pixels) in [0, 1]; label: (samples,)
    test: dict[str, np.ndarray]


def load(directory: Path | None = None) -> Digits:
    """MNIST from `directory`, else from where it is usually found, else scikit-learn's digits."""
    directory = directory or found_mnist()
    return mnist(directory) if directory else small_digits()


def found_mnist() -> Path | None:
    """The folder `mnist` in $SYMGRAD_DATA; without that, in shared/data beside the repository."""
    place = Path(os.environ.get("SYMGRAD_DATA", ROOT.parent / "shared" / "data")) / "mnist"
    return place if place.is_dir() else None


def mnist(directory: Path) -> Digits:
    """The four files `train-images-idx3-ubyte`, ... in a directory, each gzipped or not."""
    return Digits("MNIST", idx_pair(directory, "train"), idx_pair(directory, "t10k"))


def small_digits() -> Digits:
    """1,797 digits of 8 x 8 pixels, every sixth kept for the test."""
    from sklearn.datasets import load_digits

    image, label = load_digits(return_X_y=True)
    tested = np.arange(len(label)) % 6 == 0
    image = (image / 16).astype(np.float32)
    train, test = ({"image": image[k], "label": label[k]} for k in (~tested, tested))
    return Digits("scikit-learn's digits", train, test)


def idx_pair(directory: Path, prefix: str) -> dict[str, np.ndarray]:
    """Images (samples, pixels) in [0, 1] and their labels 0 to 9."""
    image = read_idx(existing(directory, f"{prefix}-images-idx3-ubyte"), rank=3)
    label = read_idx(existing(directory, f"{prefix}-labels-idx1-ubyte"), rank=1)
    if len(image) != len(label):
        raise ValueError(f"{directory}: {prefix} has {len(image)} images and {len(label)} labels")
    if image.size == 0 or label.max() > 9:
        raise ValueError(f"{directory}: {prefix} has no images, or a label that is not 0 to 9")
    pixels = image.reshape(len(image), -1).astype(np.float32) / 255
    return {"image": pixels, "label": label.astype(np.int64)}


def existing(directory: Path, name: str) -> Path:
    for path in (directory / name, directory / f"{name}.gz"):
        if path.is_file():
            return path
    raise FileNotFoundError(f"{directory} holds neither {name} nor {name}.gz")


def read_idx(path: Path, rank: int) -> np.ndarray:
    """The array in an IDX file: two zeros, element type, rank, big-endian sizes, elements."""
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read()
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise ValueError(f"{path} is damaged: {error}") from None
    start = 4 + 4 * rank
    if len(content) < start or content[:4] != bytes((0, 0, UNSIGNED_BYTE, rank)):
        raise ValueError(
            f"{path} is not an IDX file of unsigned bytes and rank {rank}: it begins with "
            f"{content[:4].hex(' ') or 'nothing'}, expected 00 00 08 {rank:02x} and {rank} sizes"
        )
    sizes = struct.unpack_from(f">{rank}I", content, 4)
    expected = start + int(np.prod(sizes, dtype=object))
    if len(content) != expected:
        raise ValueError(
            f"{path} says it holds {' x '.join(map(str, sizes))} bytes, so it should be {expected} "
            f"bytes long; it is {len(content)}"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(sizes)
