"""Transfers that end early, go on, or cannot be."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from small_transfers import LAYERS, RED, plain, stopping, transfer

from nstlib._tensorflow import tf
from nstlib.errors import ArgumentError, ImageError
from nstlib.images.arrays import Image
from nstlib.optimize import OptimizationError, Step

pytestmark = pytest.mark.usefixtures("narrow")


TWO_SIZES: dict[str, Any] = {
    "size": 181,
    "style_layers": ["block1_conv1"],
    "content_layers": ["block1_conv2"],
    "iterations": 2,
}


@pytest.mark.parametrize("after", [1, 2, 5])  # three calls at each size: its start, and two steps
@pytest.mark.parametrize("how", [None, KeyboardInterrupt])
def test_stopped_on_the_way(content: Image, style: Image, after: int, how: Any) -> None:
    """A whole picture, of the size that was asked for, with its own losses."""
    result = transfer(content, style, callback=stopping(after, how), **TWO_SIZES)
    assert result.interrupted == (how is KeyboardInterrupt)
    assert result.image.shape == (145, 181, 3)
    assert len(result.history) == after
    assert all(math.isfinite(value) for pair in result.losses.values() for value in pair)
    assert 0 <= result.image.min() <= result.image.max() <= 1


def test_a_killed_run_goes_on(content: Image, style: Image, tmp_path: Path) -> None:
    whole = transfer(content, style, **TWO_SIZES)
    file = tmp_path / "run.npz"
    for after, before in ((2, 0), (3, 1)):
        stopped = transfer(
            content,
            style,
            checkpoint=file,
            callback=stopping(after, KeyboardInterrupt),
            **TWO_SIZES,
        )
        assert stopped.interrupted
        assert file.exists()
        assert stopped.history[0].iteration == before
    steps: list[Step] = []
    result = transfer(content, style, checkpoint=file, callback=steps.append, **TWO_SIZES)
    assert not result.interrupted
    assert result.image.shape == whole.image.shape
    # It did not begin anew, made all that was left, and came as far.
    assert steps[0].iteration > 0
    assert result.iterations == whole.iterations == 4
    start, end = result.losses["style"]
    assert end < start
    assert end == pytest.approx(whole.losses["style"][1], rel=0.5)
    # A finished one is there at once.
    again = transfer(content, style, checkpoint=file, callback=stopping(1), **TWO_SIZES)
    np.testing.assert_array_equal(again.image, result.image)


@pytest.mark.parametrize(
    "changed",
    [
        {"content_weight": 0.31},
        {"style_weight": 2.0},
        {"tv_weight": 0.1},
        {"style_scale": 0.5},
        {"size": 72},
        {"iterations": 4},
        {"method": "adam"},
        {"init": "noise"},
        {"preserve_colors": "covariance"},
        {"masks": [np.ones((64, 80), np.float32)]},
        {"layer_weights": {LAYERS[0]: 2.0}},
        {"content": plain(0.5, 0.5, 0.5, size=(64, 80))},
        {"style": RED},
    ],
    ids=lambda changed: next(iter(changed)),
)
def test_a_checkpoint_of_another_run(
    content: Image, style: Image, tmp_path: Path, changed: dict[str, Any]
) -> None:
    file = tmp_path / "run.npz"
    file.write_bytes(_checkpoint(content, style, tmp_path / "first.npz"))
    pictures = {"content": content, "style": style}
    with pytest.raises(ArgumentError, match=r"run\.npz belongs to a run with other settings") as e:
        transfer(**(pictures | {"checkpoint": file} | changed))
    assert not re.search(r"\d{6}", str(e.value))  # checksums tell nobody anything


_saved: list[bytes] = []


def _checkpoint(content: Image, style: Image, file: Path) -> bytes:
    """What a short run leaves; made once for all the tests."""
    if not _saved:
        transfer(content, style, checkpoint=file, callback=stopping(2, KeyboardInterrupt))
        _saved.append(file.read_bytes())
    return _saved[0]


def test_a_file_that_is_no_checkpoint(content: Image, style: Image, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("not a checkpoint")
    with pytest.raises(ArgumentError, match=r"notes\.txt is not a checkpoint"):
        transfer(content, style, checkpoint=file)
    assert file.read_text() == "not a checkpoint"


def test_nan_keeps_the_last_good_image(
    monkeypatch: pytest.MonkeyPatch, content: Image, style: Image
) -> None:
    monkeypatch.setattr(
        "nstlib.synthesis.transfer.total_variation_loss", lambda x: tf.reduce_mean(x) * math.nan
    )
    with pytest.raises(OptimizationError) as caught:
        transfer(content, style, tv_weight=1.0)
    np.testing.assert_allclose(caught.value.image, content, atol=1e-6)


# ------------------------------------------------------------------------------------------- errors

HALF = np.full((64, 80), 0.5, np.float32)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"content_weight": -1.0}, r"content_weight is -1\.0; it must be a number, 0 or more"),
        ({"style_weight": math.nan}, "style_weight is nan"),
        ({"tv_weight": math.inf}, "tv_weight is inf"),
        ({"content_weight": 0, "style_weight": 0.0}, "content_weight and style_weight are both 0"),
        ({"style_scale": 0.0}, r"style_scale is 0\.0; it must be a number above 0"),
        ({"style_scale": math.nan}, "style_scale is nan"),
        ({"style_scale": math.inf}, "style_scale is inf"),
        ({"seed": -1}, "seed is -1"),
        ({"tile": 255}, "tile is 255; it must be a whole number, 256 or more"),
        ({"size": 16}, "size is 16×13 pixels.*32 or more: give a larger size"),
        ({"size": 0}, "size is 0"),
        ({"size": (64, 20)}, "size is 20×64 pixels"),
        ({"size": 64.0}, "size is 64.0"),
        ({"init": "photo"}, "init is 'photo'; it must be content, noise or an image"),
        (
            {"preserve_colors": "hue"},
            "preserve_colors is 'hue'; it must be one of luminance, covariance",
        ),
        ({"weights": "magic"}, "weights is 'magic'"),
        ({"method": "sgd"}, "method is 'sgd'"),
        ({"iterations": 0}, "iterations is 0"),
        ({"coarsest": 31}, "coarsest is 31"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"style_layers": []}, "layers"),
        ({"style_layers": "block1_conv1"}, r"give a list: \['block1_conv1'\]"),
        ({"content_layers": "block4_conv2"}, r"give a list: \['block4_conv2'\]"),
        ({"content_layers": ["block9_conv1"]}, "block9_conv1"),
        ({"layer_weights": {"block5_conv1": 1.0}}, "the layers do not match"),
        ({"style_shares": [1, 1]}, "style_shares is .*; it must be 1 number, one for"),
        ({"style_shares": [0]}, "at least one above 0"),
        ({"style_shares": [-1]}, "not negative"),
        ({"style_shares": [math.nan]}, "style_shares is"),
        ({"masks": []}, "0 masks and 1 style are given; each style has one"),
        ({"masks": [HALF, HALF]}, "2 masks and 1 style are given; each style has one"),
        ({"masks": HALF}, "masks is an array of shape .*; it must be a list of arrays"),
        ({"callback": "print"}, "callback is 'print'; it must be a function"),
        ({"checkpoint": 3}, "checkpoint is 3; it must be the path of a file"),
        ({"masks": [HALF[:60]]}, r"masks\[0\] has shape \(60, 80\); .* width, \(64, 80\)"),
        ({"masks": [0 * HALF]}, r"masks\[0\] ranges from 0 to 0.*above 0 somewhere"),
        ({"masks": [3 * HALF]}, r"masks\[0\] ranges from 1.5 to 1.5"),
        ({"masks": [-HALF]}, r"masks\[0\] ranges from -0.5"),
        ({"masks": [HALF * np.nan]}, r"masks\[0\] ranges from nan"),
    ],
)
def test_bad_arguments(content: Image, style: Image, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError, match=words) as caught:
        transfer(content, style, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("style", [[], ()])
def test_no_style(content: Image, style: Sequence[Any]) -> None:
    with pytest.raises(ArgumentError, match="style is empty"):
        transfer(content, style)


def test_a_style_too_small(content: Image) -> None:
    small = plain(0.5, 0.5, 0.5, size=(31, 64))
    words = "64×31 pixels; .* each side must be 32 or more"
    with pytest.raises(ArgumentError, match=f"^style is {words}: .* nstlib.resize") as caught:
        transfer(content, small)
    assert re.match(f"STYLE is {words}: .* crop", caught.value.command)
    with pytest.raises(ArgumentError, match=rf"^style\[1\] is {words}") as caught:
        transfer(content, [content, small])
    assert re.match(f"STYLE number 2 is {words}", caught.value.command)


def test_a_content_too_small(style: Image) -> None:
    with pytest.raises(ArgumentError, match=r"^content is 64×31 pixels.*: enlarge it"):
        transfer(plain(0.5, 0.5, 0.5, size=(31, 64)), style)


def test_a_wrong_mask_among_others(content: Image, style: Image) -> None:
    with pytest.raises(ArgumentError, match=r"^masks\[1\] has shape"):
        transfer(content, [style, style], masks=[HALF, HALF[:60]])


@pytest.mark.parametrize("which", ["content", "style", "init", "styles"])
def test_what_is_no_image(content: Image, style: Image, which: str) -> None:
    given: dict[str, Any] = {"content": content, "style": style, "init": "content"}
    wrong: NDArray[Any] = np.zeros((64, 64, 3), np.uint8)
    if which == "styles":
        given["style"] = [style, wrong]
    else:
        given[which] = wrong
    name = r"style\[1\]" if which == "styles" else which
    with pytest.raises(ImageError, match=f"^{name} holds uint8"):
        transfer(**given)


def test_plain_pictures(content: Image) -> None:
    """Nothing to see, nothing to paint with: nothing breaks."""
    grey = plain(0.5, 0.5, 0.5)
    for colours in (None, "luminance", "covariance"):
        for first, second in ((grey, grey), (content, grey)):
            result = transfer(first, second, preserve_colors=colours, iterations=1)
            assert np.isfinite(result.image).all()
