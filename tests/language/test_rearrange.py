"""Rearrangements beside torch's: values and first derivatives."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

import symgrad as sg
from tests.language.against_torch import compare

REARRANGED = {
    "flatten": (sg.flatten, torch.flatten),
    "permute": (lambda x: sg.permute(x, (2, 0, 1)), lambda x: x.permute(2, 0, 1)),
    "unsqueeze": (lambda x: sg.unsqueeze(x, axis=1), lambda x: x.unsqueeze(1)),
    "unsqueeze at the end": (lambda x: sg.unsqueeze(x, axis=-1), lambda x: x.unsqueeze(-1)),
    "squeeze": (lambda x: sg.squeeze(x[:, :1]), lambda x: x[:, :1].squeeze()),
    "squeeze an axis": (lambda x: sg.squeeze(x[:1, :1], axis=1), lambda x: x[:1, :1].squeeze(1)),
    "stack": (lambda x: sg.stack([x, x**2, x]), lambda x: torch.stack([x, x**2, x])),
    "stack last": (
        lambda x: sg.stack([x, x**2], axis=-1),
        lambda x: torch.stack([x, x**2], -1),
    ),
    "split": (lambda x: sg.split(x, 3, axis=2)[1], lambda x: torch.split(x, 3, 2)[1]),
    "split in sizes": (
        lambda x: sg.split(x, [1, 3], axis=2)[1],
        lambda x: torch.split(x, [1, 3], 2)[1],
    ),
    "flip": (sg.flip, lambda x: torch.flip(x, (0, 1, 2))),
    "flip an axis": (lambda x: sg.flip(x, axis=1), lambda x: torch.flip(x, (1,))),
    "roll": (lambda x: sg.roll(x, 5), lambda x: torch.roll(x, 5)),
    "roll axes": (
        lambda x: sg.roll(x, (1, -2), axis=(0, 2)),
        lambda x: torch.roll(x, (1, -2), (0, 2)),
    ),
    "pad": (lambda x: sg.pad(x, [(0, 0), (1, 2), (3, 0)]), lambda x: F.pad(x, (3, 0, 1, 2))),
    "pad with a value": (
        lambda x: sg.pad(x, [(0, 0), (1, 2), (3, 0)], value=1.5),
        lambda x: F.pad(x, (3, 0, 1, 2), value=1.5),
    ),
    "pad by 1": (lambda x: sg.pad(x, 1), lambda x: F.pad(x, (1,) * 6)),
    "tile": (lambda x: sg.tile(x, (2, 1, 3)), lambda x: torch.tile(x, (2, 1, 3))),
    "tile with new axes": (lambda x: sg.tile(x, (2, 1, 1, 2)), lambda x: x.tile(2, 1, 1, 2)),
    **{
        f"pad {mode}": (
            lambda x, mode=mode: sg.pad(x, [(0, 0), (1, 0), (2, 3)], mode=mode),
            lambda x, mode=mode: F.pad(x, (2, 3, 1, 0), mode=mode),
        )
        for mode in ("reflect", "replicate", "circular")
    },
}  # fmt: skip


@pytest.mark.parametrize("name", REARRANGED)
def test_rearrangement_is_torchs(name, rng):
    compare(*REARRANGED[name], [rng.standard_normal((2, 3, 4))], order=1)


def test_stack_takes_numbers_and_scalars(rng):
    compare(
        lambda x, y: sg.stack([x, x * y, 1]),
        lambda x, y: torch.stack([x, x * y, torch.ones_like(x)]),
        [rng.standard_normal(()), rng.standard_normal(())],
    )


@pytest.mark.parametrize(
    "wrong",
    [
        lambda x: sg.split(x, [1, 1]),
        lambda x: sg.split(x, 0),
        lambda x: sg.stack([x, x[:2]]),
        lambda x: sg.stack([]),
        lambda x: sg.pad(x, 1, mode="mirror"),
        lambda x: sg.pad(x, -1),
        lambda x: sg.pad(x, 7, mode="reflect"),
        lambda x: sg.pad(x, 7, mode="circular"),
    ],
)
def test_what_does_not_fit_is_refused(wrong):
    with pytest.raises(ValueError):
        wrong(sg.data("x", shape=4))


def test_an_axis_that_does_not_exist_is_refused():
    with pytest.raises(IndexError, match="axis 2"):
        sg.unsqueeze(sg.data("x", shape=4), axis=2)
    assert np.prod(sg.unsqueeze(sg.data("x", shape=4), axis=-2).shape) == 4


def test_widths_and_places_that_do_not_fit_are_refused():
    z = sg.data("z", shape=(2, 3, 4))
    with pytest.raises(ValueError, match="pair for each of the 3 axes, not .1, 1, 2, 2."):
        sg.pad(z, (1, 1, 2, 2))
    with pytest.raises(TypeError, match="places is a whole number, not 1.5"):
        sg.roll(z, 1.5, axis=0)
