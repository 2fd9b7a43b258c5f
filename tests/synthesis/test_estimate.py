"""What a transfer is said to take: time, memory, sizes."""

from __future__ import annotations

import functools
import inspect
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_transfers import OPTIONS, RED, stopping

from nstlib.errors import ArgumentError
from nstlib.images.arrays import Image
from nstlib.optimize import Step
from nstlib.synthesis.common import Synthesis
from nstlib.synthesis.estimate import Estimate, estimate_transfer
from nstlib.synthesis.texture import synthesize_texture
from nstlib.synthesis.transfer import transfer_style

pytestmark = pytest.mark.usefixtures("narrow")


def estimate(content: Image, style: Image, **options: Any) -> Estimate:
    return estimate_transfer(content, style, **(OPTIONS | options))


def test_an_estimate(content: Image, style: Image, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nstlib.synthesis.estimate.memory", lambda: 1000.0)
    found = estimate(content, style)
    assert found.sizes == ((64, 80),)
    assert found.seconds > 0
    # What the process holds already, what stays for one size, and the small picture's features.
    assert 1015 < found.megabytes < 1030


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """Replace the trial: 2 seconds for its first evaluation, and a tenth for each at its last size.

    What passes at its first sizes does not count.
    """
    calls: list[dict[str, Any]] = []
    coarse = [Step(0, 1, 1.0, {}, 2.0), Step(5, 6, 1.0, {}, 7.0)]
    fine = [Step(6, 8, 0.5, {}, 9.0), Step(10, 18, 0.5, {}, 10.0)]

    @functools.wraps(transfer_style)
    def trial(**options: Any) -> Synthesis:
        calls.append(options)
        for steps, size in ((coarse, (45, 64)), (fine, options["size"])):
            for step in steps:
                options["callback"](replace(step, image=np.zeros((*size, 3), np.float32)))
        return Synthesis(RED, {}, (*coarse, *fine), "random", 0)

    monkeypatch.setattr("nstlib.synthesis.estimate.transfer_style", trial)
    return calls


def test_time_is_scaled(timed: list[dict[str, Any]], content: Image, style: Image) -> None:
    for size, iterations in ((256, 20), (256, 40), (724, 20)):
        found = estimate(content, style, size=size, iterations=iterations)
        pixels = [(height + 32) * (width + 32) for height, width in found.sizes]  # and the frame
        each = 0.1 * sum(pixels) / pixels[2]  # the trial is made at the third size
        expected = 2.0 * len(pixels) + iterations * each
        assert expected < found.seconds < 1.3 * expected + 2 * each
    assert [call["size"] for call in timed] == [(205, 256)] * 3
    assert [call["iterations"] for call in timed] == [5] * 3
    # At which sizes it works changes the time, and not what is timed.
    found = estimate(content, style, size=724, iterations=20, coarsest=724)
    assert found.sizes == ((579, 724),)
    each = 0.1 * (579 + 32) * (724 + 32) / ((205 + 32) * (256 + 32))
    assert 2 + 20 * each < found.seconds < 1.3 * (2 + 20 * each) + 2 * each
    assert (timed[-1]["size"], timed[-1]["coarsest"]) == ((205, 256), 128)
    # Without a frame, what grows is the picture's own pixels.
    found = estimate(content, style, size=724, iterations=20, coarsest=724, frame=False)
    each = 0.1 * 579 * 724 / (205 * 256)
    assert 2 + 20 * each < found.seconds < 1.3 * (2 + 20 * each) + 2 * each
    assert not timed[-1]["frame"]
    assert estimate(content, style, iterations=1).seconds > 2
    assert (timed[-1]["size"], timed[-1]["iterations"]) == ((64, 80), 1)


@pytest.mark.usefixtures("timed")
def test_memory_of_the_optimiser(
    content: Image, style: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "nstlib.synthesis.estimate.memory", lambda: 1000.0
    )  # else the process's own, which varies
    lbfgs, frugal = (
        estimate(content, style, size=1024, iterations=50, method=method).megabytes
        for method in ("lbfgs", "adam")
    )
    # Two images for each of six steps, and a few more, in double precision.
    assert lbfgs - frugal > 16 * 819 * 1024 * 3 * 8 / 1e6
    few = estimate(content, style, size=1024, iterations=2).megabytes
    # Two iterations keep two steps, so eight images fewer; they are as large as the framed picture.
    assert lbfgs - few == pytest.approx(8 * 851 * 1056 * 3 * 8 / 1e6)
    bare, few = (
        estimate(content, style, size=1024, iterations=count, frame=False).megabytes
        for count in (50, 2)
    )
    assert bare - few == pytest.approx(8 * 819 * 1024 * 3 * 8 / 1e6)


@pytest.mark.usefixtures("timed")
def test_tiles_bound_the_memory(
    content: Image, style: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nstlib.synthesis.estimate.memory", lambda: 1000.0)
    options: dict[str, Any] = {"size": 4096, "method": "adam"}
    tiled, whole = (estimate(content, style, tile=tile, **options) for tile in (512, 4096))
    assert tiled.megabytes - 1000 < 0.1 * (whole.megabytes - 1000)
    # Its margins, and a second look at each tile.
    assert 1.5 * whole.seconds < tiled.seconds < 4 * whole.seconds


def test_the_estimate_leaves_the_run_alone(content: Image, style: Image, tmp_path: Path) -> None:
    def never(_: Step) -> None:
        pytest.fail("the callback is the run's")

    file = tmp_path / "run.npz"
    estimate(content, style, checkpoint=file, callback=never)
    assert not file.exists()


def test_an_interrupted_estimate(
    monkeypatch: pytest.MonkeyPatch, content: Image, style: Image
) -> None:
    @functools.wraps(transfer_style)
    def interrupted(*arguments: Any, **options: Any) -> Any:
        given = options | {"callback": stopping(2, KeyboardInterrupt)}
        return transfer_style(*arguments, **given)

    monkeypatch.setattr("nstlib.synthesis.estimate.transfer_style", interrupted)
    with pytest.raises(KeyboardInterrupt):
        estimate(content, style)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"iterations": 0}, "iterations is 0"),
        ({"coarsest": 31}, "coarsest is 31"),
        ({"size": 16}, "size is 16×13 pixels"),
        ({"size": 1.5}, "size is 1.5"),
        ({"style_scale": -1.0}, "style_scale is -1.0"),
    ],
)
def test_an_estimate_of_bad_arguments(
    content: Image, style: Image, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(ArgumentError, match=words):
        estimate(content, style, **options)
    with pytest.raises(TypeError, match="magic"):
        estimate(content, style, magic=1)


def test_both_recipes_mean_the_same_by_the_same_names() -> None:
    ours = inspect.signature(transfer_style).parameters
    theirs = inspect.signature(synthesize_texture).parameters
    for name in ("weights", "layer_weights", "tv_weight", "method", "seed", "callback", "progress"):
        assert ours[name].default == theirs[name].default
