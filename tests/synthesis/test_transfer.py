"""Style transfer: what is kept, what is painted, and where; small pictures, a narrow network."""

from __future__ import annotations

import functools
import inspect
import math
import re
import shlex
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import Run
from narrow_vgg19 import narrow_vgg19
from numpy.typing import NDArray

from nstlib._tensorflow import tf
from nstlib.art.catalogue import DRAWN_STYLES
from nstlib.assets.registry import search
from nstlib.errors import ArgumentError, ImageError
from nstlib.features import CONTENT_LAYERS, STYLE_LAYERS
from nstlib.images.arrays import Image
from nstlib.images.resizing import resize
from nstlib.losses import total_variation_loss
from nstlib.optimize import OptimizationError, Step
from nstlib.sources import PHOTOS, load_image
from nstlib.synthesis.common import Synthesis
from nstlib.synthesis.estimate import Estimate, estimate_transfer
from nstlib.synthesis.texture import synthesize_texture
from nstlib.synthesis.tiles import compare_by_tiles
from nstlib.synthesis.transfer import transfer_style

sys.path.append(str(Path(__file__).resolve().parents[2] / "benchmarks"))
import figures

from nstlib.synthesis.transfer import _at_scale

#: Shallow, so that runs are short; deep enough for a style to have two layers.
LAYERS = ("block1_conv1", "block2_conv1")


@pytest.fixture(scope="module", autouse=True)
def narrow() -> Iterator[None]:
    """VGG19 with an eighth of its channels in place of the whole: as deep, and fast."""
    with narrow_vgg19("average"):
        yield


@pytest.fixture(scope="module")
def content() -> Image:
    return load_image("chelsea", size=(64, 80))


@pytest.fixture(scope="module")
def style() -> Image:
    return load_image("mosaic", size=64)


OPTIONS: dict[str, Any] = {
    "weights": "random",
    "style_layers": LAYERS,
    "content_layers": ("block2_conv2",),
    "iterations": 3,
    "progress": False,
}


def transfer(content: Any, style: Any, **options: Any) -> Synthesis:
    return transfer_style(content, style, **(OPTIONS | options))


def plain(*colour: float, size: tuple[int, int] = (64, 64)) -> Image:
    return np.full((*size, 3), colour, np.float32)


def distance(one: Image, other: Image) -> float:
    return float(np.abs(one - other).mean())


@pytest.fixture(scope="module")
def painted(content: Image, style: Image) -> Synthesis:
    return transfer(content, style)


# ---------------------------------------------------------------------------------- what comes out


def test_a_transfer(content: Image, painted: Synthesis) -> None:
    assert painted.image.shape == content.shape
    assert painted.image.dtype == np.float32
    assert 0 <= painted.image.min() <= painted.image.max() <= 1
    assert (painted.weights, painted.seed, painted.interrupted) == ("random", 0, False)
    assert painted.losses.keys() == {"content", "style"}
    # It begins with the content itself, so that only the style can improve.
    assert painted.losses["content"][0] == pytest.approx(0, abs=1e-6)
    assert painted.losses["content"][1] > 0
    start, end = painted.losses["style"]
    assert end < 0.8 * start
    for before, after in zip(painted.history, painted.history[1:], strict=False):
        assert (after.iteration, after.image) == (before.iteration + 1, None)
        assert after.evaluations > before.evaluations
        assert after.seconds >= before.seconds


def test_the_defaults(content: Image, style: Image) -> None:
    """All the layers take part, one pass for the content's and the style's."""
    result = transfer_style(content, style, iterations=1, progress=False)
    assert result.image.shape == content.shape
    assert result.losses["style"][1] < result.losses["style"][0]
    given = {k: v.default for k, v in inspect.signature(transfer_style).parameters.items()}
    assert (given["content_layers"], given["style_layers"]) == (CONTENT_LAYERS, STYLE_LAYERS)
    assert (given["method"], given["init"], given["preserve_colors"]) == ("lbfgs", "content", None)


@pytest.mark.parametrize(
    ("size", "expected"),
    [(None, (64, 80)), (48, (38, 48)), ((40, 70), (40, 70)), (90, (72, 90))],
)
def test_sizes(content: Image, style: Image, size: Any, expected: tuple[int, int]) -> None:
    result = transfer(content, style, size=size, iterations=1)
    assert result.size == result.image.shape[:2] == expected


def shapes_seen(content: Image, style: Image, **options: Any) -> list[tuple[int, ...]]:
    """The shapes of the pictures that the callback is shown, without repetitions."""
    shapes: list[tuple[int, ...]] = []

    def look(step: Step) -> None:
        assert step.image is not None
        shapes.append(step.image.shape)

    transfer(content, style, iterations=1, callback=look, **options)
    return list(dict.fromkeys(shapes))


@pytest.mark.parametrize(
    ("size", "sides"),
    [(64, [64]), (128, [128]), (181, [128, 181]), (150, [150]), (200, [141, 200])],
)
def test_coarse_to_fine_from_128_pixels(style: Image, size: int, sides: list[int]) -> None:
    """By steps of √2, and the callback sees pictures of the very sizes."""
    square = load_image("coffee", size=(64, 64))
    options = {"style_layers": ["block1_conv1"], "content_layers": ["block1_conv2"]}
    shapes = shapes_seen(square, style, size=size, **options)
    assert shapes == [(side, side, 3) for side in sides]


def test_no_size_is_too_small_for_the_network(style: Image) -> None:
    strip = load_image("coffee", size=(40, 160))
    assert shapes_seen(strip, style) == [(40, 160, 3)]  # 28×113 would come before


def test_adam(content: Image, style: Image) -> None:
    result = transfer(content, style, method="adam", iterations=5)
    assert result.losses["style"][1] < result.losses["style"][0]
    assert result.evaluations == 6


def test_learning_rate(content: Image, style: Image) -> None:
    slow, quick = (
        transfer(content, style, method="adam", iterations=2, learning_rate=rate)
        for rate in (0.001, 0.05)
    )
    assert distance(slow.image, content) < 0.1 * distance(quick.image, content)


# -------------------------------------------------------------------------------------- the weights


def test_more_content_stays_closer(content: Image, style: Image, painted: Synthesis) -> None:
    faithful = transfer(content, style, content_weight=100.0)
    assert distance(faithful.image, content) < 0.7 * distance(painted.image, content)


def test_terms_are_weighted(content: Image, style: Image, painted: Synthesis) -> None:
    """At the start: the same picture, so the terms are those of weight 1, times the weights."""
    noisy: dict[str, Any] = {"init": "noise", "iterations": 1, "tv_weight": 1.0}
    plain_terms = transfer(content, style, content_weight=1.0, **noisy).losses
    weights = {"content_weight": 2.0, "style_weight": 3.0, "tv_weight": 4.0}
    weighted = transfer(content, style, **(noisy | weights)).losses
    for name in ("content", "style", "tv"):
        factor = weights[f"{name}_weight"]
        assert weighted[name][0] == pytest.approx(factor * plain_terms[name][0], rel=1e-4)
    assert "tv" not in painted.losses


def test_only_the_content(content: Image, style: Image) -> None:
    result = transfer(content, style, style_weight=0.0, init="noise", iterations=10)
    assert result.losses.keys() == {"content"}
    start, end = result.losses["content"]
    assert end < 0.5 * start


def test_only_the_style(content: Image) -> None:
    """Nothing of the content is asked for: the picture becomes as plain as the style."""
    red = plain(0.8, 0.2, 0.2)
    result = transfer(content, red, content_weight=0.0, iterations=20)
    assert result.losses.keys() == {"style"}
    assert distance(result.image, plain(0.8, 0.2, 0.2, size=(64, 80))) < 0.4 * distance(
        content, plain(0.8, 0.2, 0.2, size=(64, 80))
    )


def test_total_variation(content: Image, style: Image, painted: Synthesis) -> None:
    smooth = transfer(content, style, tv_weight=50.0)
    variation = float(total_variation_loss(smooth.image))
    assert variation < 0.8 * float(total_variation_loss(painted.image))


def test_layer_weights(content: Image, style: Image) -> None:
    """A layer of weight 0 counts as little as one that is not there."""
    left_out = transfer(content, style, style_layers=LAYERS[:1])
    ignored = transfer(content, style, layer_weights={LAYERS[1]: 0.0})
    assert ignored.losses["style"] == pytest.approx(left_out.losses["style"], rel=1e-3)


# ---------------------------------------------------------------------------------- where it starts


def first_image(content: Image, style: Image, **options: Any) -> Image:
    images: list[Image] = []

    def stop(step: Step) -> bool:
        assert step.image is not None
        images.append(step.image)
        return True

    transfer(content, style, callback=stop, **options)
    return images[0]


def test_init(content: Image, style: Image) -> None:
    np.testing.assert_allclose(first_image(content, style), content, atol=1e-6)
    other = load_image("coffee", size=(50, 60))
    np.testing.assert_allclose(
        first_image(content, style, init=other), resize(other, (64, 80)), atol=1e-6
    )
    noise = first_image(content, style, init="noise")
    assert noise.shape == content.shape
    # Uniform: half of all values below one half, and no pixel knows its neighbour.
    assert noise.mean() == pytest.approx(0.5, abs=0.02)
    assert noise.std() == pytest.approx(12**-0.5, abs=0.02)
    steps = np.diff(noise, axis=1).ravel()
    assert np.mean(steps**2) == pytest.approx(1 / 6, abs=0.02)


def test_seeds(content: Image, style: Image, painted: Synthesis) -> None:
    noise = {"init": "noise", "iterations": 2}
    one, again, other = (transfer(content, style, seed=seed, **noise) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.image, again.image)
    assert (one.seed, other.seed) == (1, 2)
    assert distance(one.image, other.image) > 0.05
    # Without noise there is nothing to draw.
    np.testing.assert_array_equal(transfer(content, style, seed=5).image, painted.image)


# ---------------------------------------------------------------------- several styles, and regions

RED, BLUE = plain(0.9, 0.1, 0.1), plain(0.1, 0.1, 0.9)


def redness(image: Image) -> float:
    return float((image[..., 0] - image[..., 2]).mean())


@pytest.mark.parametrize("count", [1, 2])
def test_a_list_of_styles(content: Image, style: Image, painted: Synthesis, count: int) -> None:
    """The same style once, or twice, is that style."""
    result = transfer(content, [style] * count)
    assert distance(result.image, painted.image) < 1e-3


def test_shares(content: Image) -> None:
    options: dict[str, Any] = {"content_weight": 0.0, "iterations": 8}
    reds = [
        redness(transfer(content, [RED, BLUE], style_shares=shares, **options).image)
        for shares in ([1, 0], [3, 1], [1, 1], [1, 3], [0, 1])
    ]
    assert reds == sorted(reds, reverse=True)
    assert reds[0] - reds[-1] > 0.5
    assert redness(transfer(content, [RED, BLUE], **options).image) == pytest.approx(
        reds[2], abs=1e-3
    )


def test_shares_are_relative(content: Image, style: Image) -> None:
    one, other = (
        transfer(content, [style, RED], style_shares=shares).losses["style"]
        for shares in ([1, 3], [0.5, 1.5])
    )
    assert one == pytest.approx(other, rel=1e-4)


def test_each_style_paints_its_region(content: Image) -> None:
    left = np.zeros(content.shape[:2], np.float32)
    left[:, :40] = 1
    options: dict[str, Any] = {"content_weight": 0.0, "iterations": 20}
    image = transfer(content, [RED, BLUE], masks=[left, 1 - left], **options).image
    # Away from where they meet: a layer's features see some pixels to all sides.
    assert redness(image[:, :34]) > 0.4
    assert redness(image[:, 46:]) < -0.4
    swapped = transfer(content, [RED, BLUE], masks=[1 - left, left], **options).image
    assert redness(swapped[:, :34]) < -0.4
    assert redness(swapped[:, 46:]) > 0.4


def test_what_no_mask_covers_is_left_alone(content: Image) -> None:
    left = np.zeros(content.shape[:2], np.float32)
    left[:, :30] = 1
    image = transfer(content, RED, masks=[left], iterations=5).image
    assert distance(image[:, 48:], content[:, 48:]) < 0.01
    assert distance(image[:, :30], content[:, :30]) > 0.05


def test_masks_follow_the_size(content: Image) -> None:
    """A mask has the content's shape; the result may have another."""
    top = np.zeros(content.shape[:2], np.float32)
    top[:32] = 1
    image = transfer(
        content, [RED, BLUE], size=48, masks=[top, 1 - top], content_weight=0.0, iterations=20
    ).image
    assert redness(image[:13]) > 0.4
    assert redness(image[-13:]) < -0.4


# ------------------------------------------------------------------------------------------ colours


def test_luminance_is_transferred_alone(content: Image, style: Image) -> None:
    result = transfer(content, style, preserve_colors="luminance").image
    change = result - content
    # Where nothing is clipped, all three channels rise or fall by the same amount.
    inside = (result.min(axis=2) > 0) & (result.max(axis=2) < 1)
    assert inside.mean() > 0.5
    spread = change[inside].max(axis=1) - change[inside].min(axis=1)
    assert spread.max() < 1e-5
    assert np.abs(change[inside]).mean() > 0.003


def test_luminance_works_in_grey(content: Image, style: Image) -> None:
    for image in (
        first_image(content, style, preserve_colors="luminance"),
        first_image(content, style, preserve_colors="luminance", size=48),
    ):
        np.testing.assert_allclose(image, image[..., :1].repeat(3, axis=2), atol=1e-6)


def test_covariance_keeps_the_palette(content: Image) -> None:
    """A blue style leaves a brown cat brown."""
    options: dict[str, Any] = {"content_weight": 0.0, "iterations": 15}
    blue = load_image("waves", size=64) * np.array([0.3, 0.4, 1.0], np.float32)
    free, kept = (
        transfer(content, blue, preserve_colors=mode, **options).image
        for mode in (None, "covariance")
    )
    mean = content.mean(axis=(0, 1))
    assert redness(content) > 0.1
    assert redness(free) < 0
    assert redness(kept) > 0.5 * redness(content)
    assert np.abs(kept.mean(axis=(0, 1)) - mean).max() < np.abs(free.mean(axis=(0, 1)) - mean).max()


# -------------------------------------------------------------------------------------------- scale


def styles_seen(
    monkeypatch: pytest.MonkeyPatch, content: Image, style: Image, **options: Any
) -> tuple[int, ...]:
    shapes = []

    def note(style: Image, size: tuple[int, int], scale: float) -> Image:
        shapes.append(at_scale(style, size, scale))
        return shapes[-1]

    at_scale = _at_scale
    monkeypatch.setattr("nstlib.synthesis.transfer._at_scale", note)
    transfer(content, style, iterations=1, **options)
    monkeypatch.setattr("nstlib.synthesis.transfer._at_scale", at_scale)
    return shapes[-1].shape


@pytest.mark.parametrize(
    ("scale", "expected"),
    [
        (1.0, (60, 80, 3)),  # the content is 64×80
        (0.75, (45, 60, 3)),
        (1.2, (72, 96, 3)),
        (9.0, (90, 120, 3)),  # never beyond its own pixels
        (0.01, (32, 43, 3)),  # nor below what the network can look at
    ],
)
def test_style_scale(
    monkeypatch: pytest.MonkeyPatch, content: Image, scale: float, expected: tuple[int, ...]
) -> None:
    style = load_image("waves", size=(90, 120))
    assert styles_seen(monkeypatch, content, style, style_scale=scale) == expected


def test_the_scale_matters(content: Image) -> None:
    style = load_image("mosaic", size=128)
    fine, coarse = (transfer(content, style, style_scale=scale).image for scale in (0.5, 1.5))
    assert distance(fine, coarse) > 0.01


# -------------------------------------------------------------------------------------------- tiles


def test_tiles(style: Image) -> None:
    """A picture longer than a tile is computed in parts, and comes out as from the whole."""
    content = load_image("chelsea", size=(112, 264))
    shallow: dict[str, Any] = {
        "style_layers": ["block1_conv1"],
        "content_layers": ["block1_conv2"],
        "iterations": 2,
    }
    compared = []
    with pytest.MonkeyPatch.context() as patch:

        def note(*arguments: Any, **options: Any) -> Any:
            compared.append((arguments[1].shape, options["tile"]))
            return compare_by_tiles(*arguments, **options)

        patch.setattr("nstlib.synthesis.transfer.compare_by_tiles", note)
        tiled = transfer(content, style, tile=256, **shallow)
        whole = transfer(content, style, **shallow)
    # At the last size, for the run and for the losses; not at the sizes before, nor without need.
    assert len(compared) == 2
    assert {tile for _, tile in compared} == {256}
    assert {shape[1] >= 264 for shape, _ in compared} == {True}
    assert tiled.image.shape == content.shape
    assert tiled.losses["style"] == pytest.approx(whole.losses["style"], rel=0.1)
    assert distance(tiled.image, whole.image) < 0.2 * distance(whole.image, content)


# --------------------------------------------------------------- interruptions, and what goes on


def stopping(after: int, how: type[BaseException] | None = None) -> Callable[[Step], bool]:
    """A callback that ends the run at the call of that number."""
    calls: list[Step] = []

    def callback(step: Step) -> bool:
        calls.append(step)
        if len(calls) >= after and how:
            raise how
        return len(calls) >= after

    return callback


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
    with pytest.raises(ArgumentError, match=r"run\.npz belongs to a run with other settings"):
        transfer(**(pictures | {"checkpoint": file} | changed))


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
        ({"size": 16}, "size is 13×16 pixels.*32 or more"),
        ({"size": 0}, "size is 0"),
        ({"size": (64, 20)}, "size is 64×20"),
        ({"size": 64.0}, "size is 64.0"),
        ({"init": "photo"}, "init is 'photo'; it must be content, noise or an image"),
        (
            {"preserve_colors": "hue"},
            "preserve_colors is 'hue'; it must be one of luminance, covariance",
        ),
        ({"weights": "magic"}, "weights is 'magic'"),
        ({"method": "sgd"}, "method is 'sgd'"),
        ({"iterations": 0}, "iterations is 0"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
        ({"style_layers": []}, "layers"),
        ({"style_layers": "block1_conv1"}, r"give a list: \['block1_conv1'\]"),
        ({"content_layers": "block4_conv2"}, r"give a list: \['block4_conv2'\]"),
        ({"content_layers": ["block9_conv1"]}, "block9_conv1"),
        ({"layer_weights": {"block5_conv1": 1.0}}, "the layers do not match"),
        ({"style_shares": [1, 1]}, "style_shares is .*; it must be 1 numbers"),
        ({"style_shares": [0]}, "at least one above 0"),
        ({"style_shares": [-1]}, "not negative"),
        ({"style_shares": [math.nan]}, "style_shares is"),
        ({"masks": []}, "there are 0 masks and 1 styles"),
        ({"masks": [HALF, HALF]}, "there are 2 masks and 1 styles"),
        ({"masks": [HALF[:60]]}, r"a mask has shape \(60, 80\), the content 64×80 pixels"),
        ({"masks": [0 * HALF]}, "a mask ranges from 0 to 0.*above 0 somewhere"),
        ({"masks": [3 * HALF]}, "a mask ranges from 1.5 to 1.5"),
        ({"masks": [-HALF]}, "a mask ranges from -0.5"),
        ({"masks": [HALF * np.nan]}, "a mask ranges from nan"),
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
    with pytest.raises(ArgumentError, match=r"style is 31×64 pixels.*32 or more"):
        transfer(content, plain(0.5, 0.5, 0.5, size=(31, 64)))


@pytest.mark.parametrize("which", ["content", "style", "init", "styles"])
def test_what_is_no_image(content: Image, style: Image, which: str) -> None:
    given: dict[str, Any] = {"content": content, "style": style, "init": "content"}
    wrong: NDArray[Any] = np.zeros((64, 64, 3), np.uint8)
    if which == "styles":
        given["style"] = [style, wrong]
    else:
        given[which] = wrong
    with pytest.raises(ImageError, match=f"{which.rstrip('s')} holds uint8"):
        transfer(**given)


def test_plain_pictures(content: Image) -> None:
    """Nothing to see, nothing to paint with: nothing breaks."""
    grey = plain(0.5, 0.5, 0.5)
    for colours in (None, "luminance", "covariance"):
        for first, second in ((grey, grey), (content, grey)):
            result = transfer(first, second, preserve_colors=colours, iterations=1)
            assert np.isfinite(result.image).all()


# ------------------------------------------------------------------------------------- the estimate


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
        ({"size": 16}, "size is 13×16 pixels"),
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


# ------------------------------------------------------------------------------------- the gallery


def test_the_gallery(nst: Run) -> None:
    table = (figures.DATA / "gallery.md").read_text()
    rows = re.findall(r"^\| [^|]+ \| `nst transfer ([^|]+)` \| \d+ \|$", table, re.MULTILINE)
    commands = figures.gallery_commands()
    assert [shlex.split(f"transfer {row}") for row in rows] == commands
    assert len(commands) >= 8
    for _, photo, painting, option, *_ in commands:
        assert photo in PHOTOS
        assert option == "-o"
        if painting not in DRAWN_STYLES:  # a picture that is shown must be free to be shown
            (asset,) = (asset for asset in search(painting) if asset.name == painting)
            assert asset.license == "public domain"
    # One command for each combination of options; in small, and without a download.
    for command in {tuple(command[5:]): command for command in commands}.values():
        _, photo, _, _, output, *options = command
        code, _, _ = nst(
            "transfer", photo, "mosaic", "-o", output, *options, "--size", 64, "--iterations", 1
        )
        assert code == 0
        assert load_image(Path(output)).shape[1] == 64
