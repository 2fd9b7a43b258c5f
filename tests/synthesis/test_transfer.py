"""Style transfer: what is kept, what is painted, and where; small pictures, a narrow network."""

from __future__ import annotations

import inspect
import re
import shlex
from pathlib import Path
from typing import Any

import figures
import numpy as np
import pytest
from conftest import Run
from small_transfers import BLUE, LAYERS, RED, plain, transfer

from nstlib.art.catalogue import DRAWN_STYLES
from nstlib.assets.registry import search
from nstlib.features import CONTENT_LAYERS, STYLE_LAYERS, feature_extractor
from nstlib.images.arrays import Image
from nstlib.images.resizing import resize
from nstlib.losses import (
    channel_statistics,
    content_loss,
    style_loss,
    total_variation_loss,
)
from nstlib.optimize import Step
from nstlib.sources import PHOTOS, load_image
from nstlib.synthesis.common import Synthesis
from nstlib.synthesis.tiles import compare_by_tiles
from nstlib.synthesis.transfer import style_at_scale, transfer_style

pytestmark = pytest.mark.usefixtures("narrow")


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
    ("size", "coarsest", "sides"),
    [
        (64, {}, [64]),
        (128, {}, [128]),
        (181, {}, [128, 181]),
        (150, {}, [150]),
        (200, {}, [141, 200]),
        (200, {"coarsest": 200}, [200]),
        (200, {"coarsest": 1000}, [200]),
        (200, {"coarsest": 100}, [100, 141, 200]),
        (90, {"coarsest": 32}, [32, 45, 64, 90]),
    ],
)
def test_coarse_to_fine(
    style: Image, size: int, coarsest: dict[str, int], sides: list[int]
) -> None:
    """From 128 pixels on by steps of √2, and the callback sees pictures of the very sizes."""
    square = load_image("coffee", size=(64, 64))
    options = {"style_layers": ["block1_conv1"], "content_layers": ["block1_conv2"], **coarsest}
    shapes = shapes_seen(square, style, size=size, **options)
    assert shapes == [(side, side, 3) for side in sides]


def test_no_size_is_too_small_for_the_network(style: Image) -> None:
    strip = load_image("coffee", size=(40, 160))
    assert shapes_seen(strip, style) == [(40, 160, 3)]  # 28×113 would come before


def measured(image: Image, content: Image, style: Image) -> dict[str, float]:
    """The losses of a picture, as anybody measures them who has only the picture."""
    extractor = feature_extractor([*LAYERS, "block2_conv2"], "random")
    found, of_content, of_style = (
        {name: maps[0] for name, maps in extractor(picture[np.newaxis]).items()}
        for picture in (image, content, style_at_scale(style, content.shape[:2], 1.0))
    )
    targets = {name: channel_statistics(of_style[name]) for name in LAYERS}
    wanted = {"block2_conv2": of_content["block2_conv2"]}
    terms = 0.3 * content_loss(found, wanted), style_loss(found, targets)
    return dict(zip(("content", "style"), map(float, terms), strict=True))


def test_without_a_frame_the_losses_are_those_of_the_picture(content: Image, style: Image) -> None:
    """With one they are those of a larger picture, from which the result is cut."""
    bare = transfer(content, style, frame=False)
    framed = transfer(content, style)
    assert bare.size == framed.size == content.shape[:2]
    for name, value in measured(bare.image, content, style).items():
        assert value == pytest.approx(bare.losses[name][1], rel=1e-4)
    style_of_framed = measured(framed.image, content, style)["style"]
    assert framed.losses["style"][1] != pytest.approx(style_of_framed, rel=0.01)


def test_the_frame_is_never_seen(content: Image, style: Image) -> None:
    for frame in (True, False):
        assert shapes_seen(content, style, frame=frame) == [content.shape]


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

    at_scale = style_at_scale
    monkeypatch.setattr("nstlib.synthesis.transfer.style_at_scale", note)
    transfer(content, style, iterations=1, **options)
    monkeypatch.setattr("nstlib.synthesis.transfer.style_at_scale", at_scale)
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
