"""How products and linear algebra find their operands: see `picks`."""

from __future__ import annotations

from typing import Any

from tests.fuzz.picks import TAME


def product(d: Any) -> Any:
    """Two values that `@` joins: vectors, matrices, stacks of matrices."""
    a = d.pick(rank=(1, 3))
    b = a and d.pick(rank=(1, 3), fits=lambda v: _multiply(a.shape, v.shape))
    return b and ([a, b], {})


def _multiply(a: tuple, b: tuple) -> bool:
    if a[-1] != b[-2 if len(b) > 1 else 0]:
        return False
    lead = a[:-2], b[:-2]
    return all(m == n or 1 in (m, n) for m, n in zip(lead[0][::-1], lead[1][::-1], strict=False))


def flat_product(d: Any) -> Any:
    a = d.pick(rank=(1, 2))
    b = a and d.pick(rank=(1, 2), fits=lambda v: _multiply(a.shape, v.shape))
    return b and ([a, b], {})


def vectors(d: Any) -> Any:
    a, b = d.pick(rank=(1, 1)), d.pick(rank=(1, 1))
    return a and b and ([a, b], {})


EINSUMS = [
    "ij->ji", "ij->i", "ij->", "i,i->i", "i,j->ij", "i,j->ji", "ij,j->i", "ij,i->j", "ij,ij->",
    "ij,jk", "ij,kj->ik", "ij,jk->ki", "ii->i", "ii", "ij,ij->ij", "ij,j->ij", "...j,j->...",
    "...ij->...ji", "i,ij,j->", "ij,jk,k->i", "ij,k->ijk", "ijk->ki", "ijk,k->ij", "ij,ik,il->jkl",
    "i->i", "ij,j,i->ij", "bij,bjk->bik",
]  # fmt: skip


def einsum(d: Any) -> Any:
    text = d.one(EINSUMS)
    operands: list = []
    for term in text.split("->")[0].split(","):
        rank = len(term.replace("...", ""))
        ranks = (rank, 3) if "..." in term else (rank, rank)
        v = d.pick(rank=ranks, fits=lambda v, t=term: _agrees(text, [*operands, v]))
        if v is None:
            return None
        operands.append(v)
    return operands, {"text": text}


def _agrees(text: str, operands: list) -> bool:
    sizes: dict[str, int] = {}
    for term, v in zip(text.split("->")[0].split(","), operands, strict=False):
        letters = term.replace("...", "")
        shape = v.shape[len(v.shape) - len(letters) :]
        if any(sizes.setdefault(c, s) != s for c, s in zip(letters, shape, strict=True)):
            return False
    return True


def tensordot(d: Any) -> Any:
    n = int(d.rng.integers(1, 3))
    a = d.pick(rank=(n, 3))
    b = a and d.pick(rank=(n, 3), fits=lambda v: v.shape[:n] == a.shape[len(a.shape) - n :])
    return b and ([a, b], {"axes": n})


def cross(d: Any) -> Any:
    a = d.pick(rank=(1, 2), fits=lambda v: 3 in v.shape)
    b = a and d.pick(fits=lambda v: v.shape == a.shape)
    return b and ([a, b], {"axis": a.shape.index(3)})


def square(d: Any, **more: list) -> Any:
    v = d.pick(rank=(2, 2), fits=lambda v: v.shape[0] == v.shape[1] and v.shape[0] > 0)
    return v and ([v], {k: d.one(x) for k, x in more.items()})


def spd(d: Any) -> Any:
    v = d.pick(rank=(2, 2), interval=TAME, fits=lambda v: v.shape[0] <= 4)
    return v and ([v], {"n": v.shape[0]})


def positive(d: Any) -> Any:
    """A symmetric positive matrix, made where there is none."""
    v = d.pick(rank=(2, 2), fits=lambda v: v.positive)
    if v is None:
        found = spd(d)
        v = found and d.apply("spd", *found)
    return v and ([v], {})


def system(d: Any, **more: list) -> Any:
    found = positive(d)
    a = found and found[0][0]
    b = a and d.pick(rank=(1, 2), fits=lambda v: v.shape[0] == a.shape[0])
    return b and ([a, b], {k: d.one(x) for k, x in more.items()})


def triangular(d: Any) -> Any:
    return system(d, lower=[True, False], transposed=[True, False])


def quadratic(d: Any) -> Any:
    a = d.pick(rank=(2, 2), fits=lambda v: v.shape[0] == v.shape[1])
    b = a and d.pick(rank=(1, 1), fits=lambda v: v.shape[0] == a.shape[0])
    return b and ([a, b], {})
