"""Runs of texture and transfer that go on from a checkpoint or end early."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest
from command_runs import (
    Calls,
    estimate_at_once,
    pixels,
    replace_synthesis,
    transfer_at_once,
)
from conftest import Run

from nstlib.errors import OutputError
from nstlib.images.encode import save_image
from nstlib.images.resizing import resize
from nstlib.optimize import OptimizationError, Step, UnfinishedError
from nstlib.sources import load_image
from nstlib.synthesis.common import Synthesis
from nstlib.synthesis.texture import synthesize_texture
from nstlib.synthesis.transfer import transfer_style


@pytest.fixture
def estimated(monkeypatch: pytest.MonkeyPatch) -> Calls:
    return estimate_at_once(monkeypatch)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch, estimated: Calls) -> Calls:  # noqa: ARG001
    return transfer_at_once(monkeypatch)


# Going on from a checkpoint


def test_interrupted_transfer_goes_on(
    nst: Run, monkeypatch: pytest.MonkeyPatch, estimated: Calls
) -> None:
    assert estimated == []
    seen: list[Step] = []

    def interrupted(*arguments: Any, **options: Any) -> Synthesis:
        def callback(step: Step) -> None:
            seen.append(step)
            if len(seen) == 3:
                signal.raise_signal(signal.SIGINT)  # what Ctrl-C does

        return transfer_style(*arguments, **options | {"callback": callback})

    results = replace_synthesis(
        monkeypatch, interrupted, "nstlib.synthesis.transfer.transfer_style"
    )
    arguments = ["transfer", "coffee", "mosaic", "-o", "o.png", "--size", 64]
    arguments += ["--iterations", 4, "--checkpoint", "run.npz"]
    code, out, err = nst(*arguments)
    [result] = results
    assert result.interrupted
    assert (code, len(out)) == (130, 1)
    assert err == [
        "about 40 s and 1.2 GB for 64x43 pixels, in 2 sizes",
        "nst: interrupted: ending ...",
        "nst: interrupted; o.png is the best picture so far; the same command goes on from run.npz",
    ]
    np.testing.assert_array_equal(pixels("o.png"), np.rint(result.image * 255))
    assert Path("run.npz").exists()

    code, out, err = nst(*arguments)
    assert (code, len(out)) == (0, 1)
    assert err == [
        "going on from run.npz; in all:",
        "about 40 s and 1.2 GB for 64x43 pixels, in 2 sizes",
    ]
    assert not results[1].interrupted
    assert results[1].history[0].iteration > 0  # not anew
    assert results[1].iterations == 4
    np.testing.assert_array_equal(pixels("o.png"), np.rint(results[1].image * 255))
    assert sorted(map(str, Path().iterdir())) == ["o.png"]


def test_checkpoint_outlives_a_failed_write(
    nst: Run, monkeypatch: pytest.MonkeyPatch, calls: Calls
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OutputError("out.png: cannot be written (no space left on device)")

    Path("run.npz").write_bytes(b"PK the state")
    monkeypatch.setattr("nstlib.images.encode.save_image", full)
    code, _, err = nst("transfer", "coffee", "mosaic", "-o", "out.png", "--checkpoint", "run.npz")
    assert (code, len(calls)) == (2, 1)
    assert err[-1] == "nst: out.png: cannot be written (no space left on device)"
    assert Path("run.npz").exists()


# Runs that end early


def test_interrupted_run_keeps_the_best_picture(nst: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*arguments: Any, **options: Any) -> Synthesis:
        steps = []

        def callback(step: object) -> None:
            steps.append(step)
            if len(steps) == 3:
                signal.raise_signal(signal.SIGINT)  # what Ctrl-C does

        return synthesize_texture(*arguments, **options | {"callback": callback})

    results = replace_synthesis(monkeypatch, interrupted)
    code, out, err = nst(
        "texture", "coffee", "-o", "o.png", "--size", 64, "--iterations", 50, "--report", "r.json"
    )
    [result] = results
    assert result.interrupted
    assert code == 130
    assert err == [
        "nst: interrupted: ending ...",
        "nst: interrupted; o.png is the best picture so far",
    ]
    assert len(out) == 1
    np.testing.assert_array_equal(
        np.asarray(PIL.Image.open("o.png")), np.rint(result.image * 255).astype(np.uint8)
    )
    assert json.loads(Path("r.json").read_text())["iterations"] == result.iterations < 50


def test_interrupt_outside_the_optimisation(nst: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nstlib.sources.load_image", interrupt)
    assert nst("texture", "coffee", "-o", "out.png") == (130, [], [])


def test_diverging_run_keeps_the_last_good_picture(
    nst: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = load_image("coffee", size=(40, 48))

    def diverge(*_: object, **__: object) -> Synthesis:
        raise OptimizationError("the loss became NaN after 3 evaluations", image)

    replace_synthesis(monkeypatch, diverge)
    code, out, err = nst("texture", "coffee", "-o", "out.png", "--report", "run.json")
    assert (code, out) == (1, [])
    assert err == [
        "nst: the loss became NaN after 3 evaluations; the last good picture is in out.png"
    ]
    np.testing.assert_array_equal(
        np.asarray(PIL.Image.open("out.png")), np.rint(image * 255).astype(np.uint8)
    )
    assert not Path("run.json").exists()


@pytest.mark.usefixtures("estimated")
def test_diverging_transfer_keeps_the_last_good_picture(
    nst: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def diverge(content: Any, *_: object, **__: object) -> Synthesis:
        grey = resize(content, (20, 30)).mean(axis=2, keepdims=True).repeat(3, axis=2)
        raise OptimizationError("the loss became NaN after 3 evaluations", grey)

    replace_synthesis(monkeypatch, diverge, "nstlib.synthesis.transfer.transfer_style")
    code, out, err = nst(
        "transfer",
        "coffee",
        "mosaic",
        "-o",
        "o.png",
        "--size",
        60,
        "--preserve-colors",
        "luminance",
    )
    assert (code, out) == (1, [])
    assert err[1:] == [
        "nst: the loss became NaN after 3 evaluations; the last good picture is in o.png"
    ]
    picture = pixels("o.png").astype(int)
    assert picture.shape == (20, 30, 3)
    assert np.ptp(picture, axis=2).mean() > 10  # with the content's colours again


@pytest.mark.usefixtures("estimated")
def test_what_is_transparent_stays_so_in_the_last_good_picture(
    nst: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_out(content: Any, *_: object, **__: object) -> Synthesis:
        raise UnfinishedError((90, 120), resize(content, (45, 60)))

    replace_synthesis(monkeypatch, run_out, "nstlib.synthesis.transfer.transfer_style")
    alpha = np.zeros((60, 80), np.float32)
    alpha[:, :40] = 1
    save_image(load_image("coffee", (60, 80)), "cut.png", alpha=alpha)
    code, out, err = nst("transfer", "cut.png", "candy", "-o", "out.png", "--size", 80)
    assert (code, out) == (1, [])
    assert err[-1].endswith("; the last good picture is in out.png")
    found = pixels("out.png")
    assert found.shape == (45, 60, 4)
    assert (found[:, :27, 3] == 255).all()
    assert (found[:, 33:, 3] == 0).all()


def test_interrupted_estimate(nst: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nstlib.synthesis.estimate.estimate_transfer", interrupt)
    result = nst("transfer", "coffee", "mosaic", "-o", "out.png", "--size", 64)
    assert result == (130, [], [])
    assert list(Path().iterdir()) == []
