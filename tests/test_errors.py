"""Errors and results as values: sent to other processes, copied, compared."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from nstlib.compose import Layers
from nstlib.errors import NstError
from nstlib.images.arrays import Picture
from nstlib.optimize import OptimizationError, Result, Step, UnfinishedError
from nstlib.synthesis.common import Synthesis

IMAGE = np.linspace(0, 1, 4 * 6 * 3, dtype=np.float32).reshape(4, 6, 3)

WAYS: tuple[Callable[[Any], Any], ...] = (
    lambda value: pickle.loads(pickle.dumps(value)),
    copy.copy,
    copy.deepcopy,
)


def kinds(base: type[NstError] = NstError) -> Iterator[type[NstError]]:
    yield base
    for kind in base.__subclasses__():
        yield from kinds(kind)


def make(kind: type[NstError]) -> NstError:
    if kind is OptimizationError:
        return OptimizationError("the loss is NaN", IMAGE, command="for the command line")
    if kind is UnfinishedError:
        return UnfinishedError((48, 64), IMAGE)
    return kind("what is wrong", command="for the command line")


@pytest.mark.parametrize("way", WAYS, ids=["pickle", "copy", "deepcopy"])
def test_every_error_can_be_sent_and_copied(way: Callable[[Any], Any]) -> None:
    """A pool of processes breaks down where the error of one cannot be read by the other."""
    assert {OptimizationError, UnfinishedError} < set(kinds())
    for kind in kinds():
        error = make(kind)
        again = way(error)
        assert str(again) == str(error) != ""
        assert again.command == error.command
        if isinstance(error, OptimizationError | UnfinishedError):
            assert (again.image == IMAGE).all()
        if isinstance(error, UnfinishedError):
            assert again.size == (48, 64)
        assert type(again) is kind


def results() -> tuple[object, ...]:
    step = Step(1, 2, 3.0, {"style": 1.0}, 0.1, IMAGE)
    return (
        Picture(IMAGE, IMAGE[..., 0]),
        Layers(IMAGE, IMAGE[..., 0], IMAGE, IMAGE),
        step,
        Result(IMAGE, 3.0, {"style": 3.0}, (step,)),
        Synthesis(IMAGE, {"style": (1.0, 0.5)}, (step,), "mini", 0),
    )


@pytest.mark.parametrize("number", range(len(results())))
def test_results_can_be_sent_looked_for_and_kept_in_sets(number: int) -> None:
    """Arrays have no single answer to "is it equal?"; so each result is equal to itself alone."""
    one, other = results()[number], results()[number]
    assert one == one
    assert one != other
    assert one in [other, one]
    assert len({one, other}) == 2
    for way in WAYS:
        assert type(way(one)) is type(one)
