"""Textures: sizes, seams, seeds, interruptions; small pictures and a narrow network."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from narrow_vgg19 import narrow_vgg19
from numpy.typing import NDArray

from nstlib._tensorflow import tf
from nstlib.errors import ArgumentError, ImageError
from nstlib.features import feature_extractor
from nstlib.images.arrays import Image
from nstlib.images.resizing import resize
from nstlib.losses import channel_statistics, style_loss, total_variation_loss
from nstlib.optimize import OptimizationError, Step, minimize_image
from nstlib.sources import load_image
from nstlib.synthesis.common import Synthesis
from nstlib.synthesis.texture import resize_tile, synthesize_texture

LAYERS = ("block1_conv1", "block2_conv1")


@pytest.fixture(scope="module", autouse=True)
def narrow() -> Iterator[None]:
    """VGG19 with an eighth of its channels in place of the whole: as deep, and fast."""
    with narrow_vgg19("max"):
        yield


@pytest.fixture(scope="module")
def source() -> Image:
    return load_image("immunohistochemistry", size=64)


def synthesize(source: Any, size: Any = None, **options: Any) -> Synthesis:
    defaults: dict[str, Any] = {
        "weights": "random",
        "layers": LAYERS,
        "iterations": 3,
        "progress": False,
    }
    return synthesize_texture(source, size, **(defaults | options))


@pytest.fixture(scope="module")
def plain(source: Image) -> Synthesis:
    return synthesize(source)


def style_distance(image: Image, source: Image) -> float:
    """The style loss, from its definition in NumPy; no layer here varies too little for it."""
    extractor = feature_extractor(LAYERS, "random", padding="replicate")
    parts = []
    for ours, targets in zip(
        extractor(image[np.newaxis]).values(), extractor(source[np.newaxis]).values(), strict=True
    ):
        positions, wanted = (
            f.numpy().astype(np.float64).reshape(-1, f.shape[3]) for f in (ours, targets)
        )
        c, a = (np.cov(p, rowvar=False, bias=True) for p in (positions, wanted))
        of_means = ((positions.mean(axis=0) - wanted.mean(axis=0)) ** 2).sum() / np.trace(a)
        parts.append(((c - a) ** 2).sum() / (a**2).sum() + of_means)
    return float(np.mean(parts))


def noise_of(source: Image, size: tuple[int, int], seed: int = 0) -> Image:
    pixels = source.reshape(-1, 3)
    chosen = np.random.default_rng(seed).integers(len(pixels), size=size)
    return pixels[chosen]


# ---------------------------------------------------------------------------------- what comes out


@pytest.mark.parametrize(
    ("size", "expected"),
    [(None, (64, 64)), (40, (40, 40)), ((48, 70), (48, 70)), (np.int64(33), (33, 33))],
)
def test_sizes(source: Image, size: Any, expected: tuple[int, int]) -> None:
    result = synthesize(source, size, iterations=1)
    assert result.size == expected
    assert result.image.shape == (*expected, 3)
    assert result.image.dtype == np.float32
    assert 0 <= result.image.min() <= result.image.max() <= 1


def test_size_of_an_oblong_source() -> None:
    result = synthesize(load_image("coffee", (40, 72)), iterations=1)
    assert result.size == (40, 72)


def test_larger_than_the_source(source: Image) -> None:
    small = resize(source, 32)
    result = synthesize(small, (80, 96), iterations=5)
    assert result.size == (80, 96)
    start, end = result.losses["style"]
    assert end < 0.5 * start


def test_losses_are_those_of_the_pictures(source: Image, plain: Synthesis) -> None:
    start, end = plain.losses["style"]
    assert end < 0.5 * start
    assert plain.losses.keys() == {"style"}
    assert end == pytest.approx(style_distance(plain.image, source), rel=1e-3)
    assert start == pytest.approx(style_distance(noise_of(source, (64, 64)), source), rel=1e-3)


def test_bookkeeping(plain: Synthesis) -> None:
    assert (plain.weights, plain.seed, plain.interrupted) == ("random", 0, False)
    assert plain.iterations == plain.history[-1].iteration
    assert 0 < plain.iterations <= 2 * 3  # at 32 and at 64 pixels
    assert plain.evaluations == plain.history[-1].evaluations > plain.iterations
    assert plain.seconds == plain.history[-1].seconds > 0
    for before, after in zip(plain.history, plain.history[1:], strict=False):
        assert after.iteration >= before.iteration
        assert after.evaluations > before.evaluations
        assert after.seconds >= before.seconds
        assert after.image is None


def test_total_variation_only_on_request(source: Image, plain: Synthesis) -> None:
    smooth = synthesize(source, tv_weight=100.0)
    assert smooth.losses.keys() == {"style", "tv"}
    assert all(step.terms.keys() == {"style", "tv"} for step in smooth.history)
    variation = float(total_variation_loss(smooth.image))
    assert smooth.losses["tv"][1] == pytest.approx(100 * variation, rel=1e-3)
    assert variation < 0.5 * float(total_variation_loss(plain.image))


def test_adam(source: Image) -> None:
    start, end = synthesize(source, method="adam", iterations=10, scales=1).losses["style"]
    assert end < start


def test_layer_weights(source: Image) -> None:
    """A layer of weight 0 does not count."""
    extractor = feature_extractor(LAYERS, "random", padding="replicate")
    targets = {name: channel_statistics(f) for name, f in extractor(source[np.newaxis]).items()}
    for ignored, wanted in (LAYERS, LAYERS[::-1]):
        result = synthesize(source, layer_weights={ignored: 0.0}, iterations=1, scales=1)
        loss = style_loss(extractor(result.image[np.newaxis]), {wanted: targets[wanted]})
        assert result.losses["style"][1] == pytest.approx(float(loss), rel=1e-3)


def test_deep_layers_count_less() -> None:
    source = load_image("immunohistochemistry", size=64)
    layers = [f"block{block}_conv1" for block in range(1, 6)]
    result = synthesize(source, layers=layers, iterations=1, scales=1)
    extractor = feature_extractor(layers, "random", padding="replicate")
    found, wanted = (extractor(image[np.newaxis]) for image in (result.image, source))
    targets = {name: channel_statistics(maps) for name, maps in wanted.items()}
    alone = [float(style_loss(found, {name: targets[name]})) for name in layers]
    expected = np.average(alone, weights=[1, 1, 1, 0.5, 0.25])
    assert result.losses["style"][1] == pytest.approx(expected, rel=1e-3)
    assert result.losses["style"][1] != pytest.approx(np.mean(alone), rel=1e-2)


# ---------------------------------------------------------------------------------- coarse to fine


def sizes_of(monkeypatch: pytest.MonkeyPatch, *arguments: Any, **options: Any) -> list[Any]:
    """The sizes at which a synthesis works, in order."""
    sizes = []

    def note(loss: Any, image: Image, **others: Any) -> Any:
        sizes.append(image.shape[:2])
        return minimize_image(loss, image, **others)

    monkeypatch.setattr("nstlib.scales.minimize_image", note)
    synthesize(*arguments, iterations=1, **options)
    return sizes


@pytest.mark.parametrize(
    ("size", "options", "expected"),
    [
        (128, {}, [(32, 32), (64, 64), (128, 128)]),
        (128, {"scales": 2}, [(64, 64), (128, 128)]),
        (128, {"scales": 1}, [(128, 128)]),
        (128, {"scales": 9}, [(32, 32), (64, 64), (128, 128)]),
        ((96, 64), {}, [(48, 32), (96, 64)]),
        ((63, 90), {}, [(63, 90)]),
        ((66, 130), {"tileable": True}, [(32, 64), (66, 130)]),
    ],
)
def test_scales(
    monkeypatch: pytest.MonkeyPatch, size: Any, options: dict[str, Any], expected: list[Any]
) -> None:
    source = load_image("immunohistochemistry", size=128)
    assert sizes_of(monkeypatch, source, size, **options) == expected


def test_source_is_never_shrunk_too_far(monkeypatch: pytest.MonkeyPatch, source: Image) -> None:
    """Sizes that are multiples of 16 may shrink by more than one half."""
    sizes = sizes_of(monkeypatch, source, 80, tileable=True, layers=["block5_conv1"])
    assert sizes == [(32, 32), (80, 80)]


def test_each_size_starts_from_the_one_before(source: Image) -> None:
    steps: list[Step] = []
    synthesize(source, callback=steps.append, iterations=2)
    coarse, fine = [
        [step for step in steps if step.image is not None and step.image.shape[0] == side]
        for side in (32, 64)
    ]
    assert len(coarse) + len(fine) == len(steps)
    best = min(coarse, key=lambda step: step.loss).image
    assert best is not None
    np.testing.assert_array_equal(fine[0].image, resize(best, 64))


# ------------------------------------------------------------------------------------------- seams


def seam_contrast(image: Image) -> float:
    """The step across the edge where copies meet, relative to the steps between other rows.

    Every other one of them: doubling a picture leaves the steps within a former pixel small.
    """
    ratios = []
    for axis in (0, 1):
        steps = np.abs(np.roll(image, -1, axis=axis) - image).mean(axis=(1 - axis, 2))
        ratios.append(steps[-1] / steps[1:-1:2].mean())
    return float(np.mean(ratios))


@pytest.mark.parametrize(("scales", "tv_weight"), [(1, 1.0), (2, 0.0), (2, 1.0)])
def test_tileable(source: Image, scales: int, tv_weight: float) -> None:
    """No seam: not from the network, nor from smoothing, nor from the enlargement between sizes."""
    options: dict[str, Any] = {"iterations": 10, "scales": scales, "tv_weight": tv_weight}
    tile, plain = (synthesize(source, tileable=tileable, **options) for tileable in (True, False))
    assert 0.7 < seam_contrast(tile.image) < 1.4
    assert seam_contrast(plain.image) > 1.7
    assert seam_contrast(noise_of(source, (512, 512))) == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("size", [(64, 64), (80, 48), (33, 31), (16, 24), (32, 48)])
def test_a_resized_tile_is_still_one(size: tuple[int, int]) -> None:
    """It can be cut out of a larger picture of nine copies, resized."""
    tile = np.random.default_rng(0).random((32, 48, 3), np.float32)
    nine = resize(np.tile(tile, (3, 3, 1)), (3 * size[0], 3 * size[1]))
    expected = nine[size[0] : 2 * size[0], size[1] : 2 * size[1]]
    np.testing.assert_allclose(resize_tile(tile, size), expected, atol=1e-4)


@pytest.mark.parametrize(
    ("size", "layers", "words"),
    [
        (72, ["block5_conv1"], "multiples of 16.*use 64, 80"),
        ((64, 70), ["block1_conv1", "block4_conv2"], "70×64 pixels.*multiples of 8.*72"),
        (65, LAYERS, "multiples of 2"),
        (80, ["block5_pool"], "multiples of 32.*64, 96"),
    ],
)
def test_sides_that_do_not_tile(source: Image, size: Any, layers: list[str], words: str) -> None:
    with pytest.raises(ArgumentError, match=words) as caught:
        synthesize(source, size, layers=layers, tileable=True)
    assert "\n" not in str(caught.value)


def test_any_size_tiles_at_the_first_layer(source: Image) -> None:
    assert synthesize(
        source, (41, 37), layers=["block1_conv2"], tileable=True, iterations=1
    ).size == (41, 37)


# ------------------------------------------------------------------------------------------- seeds


def test_seed(source: Image, plain: Synthesis) -> None:
    again = synthesize(source)
    np.testing.assert_array_equal(again.image, plain.image)
    assert again.losses == plain.losses
    other = synthesize(source, seed=1)
    assert other.seed == 1
    assert np.abs(other.image - plain.image).mean() > 0.02


def test_global_random_state_is_left_alone(source: Image) -> None:
    np.random.seed(5)  # noqa: NPY002 - the state that must not change
    expected = np.random.RandomState(5).random(3)
    synthesize(source, 32, iterations=1)
    np.testing.assert_array_equal(np.random.random(3), expected)  # noqa: NPY002


# ----------------------------------------------------------------------------------- interruptions


@pytest.mark.parametrize("when", [0, 2, 5])
@pytest.mark.parametrize("how", ["interrupt", "stop"])
def test_stopped_on_the_way(source: Image, when: int, how: str) -> None:
    """Whatever the scale it was at: a whole picture, with its own losses."""
    calls = []

    def callback(step: Step) -> bool:
        assert step.image is not None
        calls.append(step.image.shape[0])
        if len(calls) > when and how == "interrupt":
            raise KeyboardInterrupt
        return len(calls) > when

    result = synthesize(source, (64, 64), callback=callback)
    assert len(calls) == when + 1
    assert calls[-1] == (64 if when == 5 else 32)
    assert result.size == (64, 64)
    assert result.interrupted == (how == "interrupt")
    start, end = result.losses["style"]
    assert start == pytest.approx(style_distance(noise_of(source, (64, 64)), source), rel=1e-3)
    assert end == pytest.approx(style_distance(result.image, source), rel=1e-3)
    assert len(result.history) == when + 1


def test_interrupted_between_the_sizes(monkeypatch: pytest.MonkeyPatch, source: Image) -> None:
    """While the network is traced for the next size, which takes seconds."""
    calls = []

    def interrupted(loss: Any, image: Image, **others: Any) -> Any:
        calls.append(image.shape)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return minimize_image(loss, image, **others)

    monkeypatch.setattr("nstlib.scales.minimize_image", interrupted)
    result = synthesize(source)
    assert calls == [(32, 32, 3), (64, 64, 3)]
    assert result.interrupted
    assert result.size == (64, 64)


def test_interrupted_before_there_is_anything(
    monkeypatch: pytest.MonkeyPatch, source: Image
) -> None:
    def interrupted(*_: Any, **__: Any) -> Any:
        raise KeyboardInterrupt

    monkeypatch.setattr("nstlib.scales.minimize_image", interrupted)
    with pytest.raises(KeyboardInterrupt):
        synthesize(source)


def test_nan_keeps_the_last_good_image(monkeypatch: pytest.MonkeyPatch, source: Image) -> None:
    monkeypatch.setattr(
        "nstlib.synthesis.texture.style_loss", lambda *_, **__: tf.constant(math.nan)
    )
    monkeypatch.setattr(
        "nstlib.synthesis.texture.total_variation_loss",
        lambda x: tf.reduce_mean(x),  # depends on the image
    )
    with pytest.raises(OptimizationError) as caught:
        synthesize(source, tv_weight=1.0, scales=1)
    np.testing.assert_array_equal(caught.value.image, noise_of(source, (64, 64)))


# ------------------------------------------------------------------------------------------ errors


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"scales": 0}, "scales is 0; it must be a whole number, 1 or more"),
        ({"tv_weight": -1.0}, "tv_weight is -1.0"),
        ({"tv_weight": math.nan}, "tv_weight is nan"),
        ({"tv_weight": math.inf}, "tv_weight is inf"),
        ({"seed": -1}, "seed is -1"),
        ({"size": 31}, "size is 31×31 pixels.*32 or more: give a larger size"),
        ({"size": (64, 20)}, "size is 20×64 pixels"),
        ({"size": 0}, "size is 0"),
        ({"size": 64.0}, "size is 64.0"),
        ({"layers": []}, "layers is empty"),
        ({"layers": "block1_conv1"}, r"give a list: \['block1_conv1'\]"),
        ({"layers": ["block1_conv7"]}, "block1_conv7"),
        ({"layer_weights": {"block5_conv1": 1.0}}, "the layers do not match"),
        ({"layer_weights": {"block1_conv1": -1.0}}, "it must be a number, 0 or more"),
        ({"weights": "magic"}, "weights is 'magic'"),
        ({"method": "sgd"}, "method is 'sgd'"),
        ({"iterations": 0}, "iterations is 0"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0"),
    ],
)
def test_bad_arguments(source: Image, options: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError, match=words) as caught:
        synthesize(source, **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (np.full((64, 64, 3), np.nan), "source holds NaN"),
        (np.zeros((64, 64, 3), np.uint8), "source holds uint8"),
        (np.zeros((64, 64)), "source has shape"),
        (np.full((64, 64, 3), 200.0), "source ranges"),
    ],
)
def test_a_source_that_is_no_image(source: NDArray[Any], words: str) -> None:
    with pytest.raises(ImageError, match=words):
        synthesize(source)


def test_a_source_too_small() -> None:
    with pytest.raises(ArgumentError, match=r"source is 64×31 pixels.*32 or more: enlarge it"):
        synthesize(np.zeros((31, 64, 3), np.float32), 64)


def test_a_plain_source_gives_a_plain_texture() -> None:
    """All the pixels to draw from are the same: it is found at the start, and nothing breaks."""
    plain = np.full((32, 32, 3), 0.25, np.float32)
    result = synthesize(plain, 32)
    np.testing.assert_allclose(result.image, 0.25, atol=1e-5)
    assert result.losses["style"] == pytest.approx((0, 0), abs=1e-6)
