"""Tiles against the whole: the same sums, the same gradient, and never more than a window held."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from nstlib import features
from nstlib._tensorflow import keras, tf
from nstlib.features import CONTENT_LAYERS, STYLE_LAYERS, build_vgg19, feature_extractor
from nstlib.images.arrays import Image
from nstlib.images.resizing import resize
from nstlib.losses import Statistics
from nstlib.sources import load_image
from nstlib.synthesis.tiles import MARGIN, STEP, Comparison, compare_by_tiles, compare_whole

TILE = 112
LAYERS = (*STYLE_LAYERS, *CONTENT_LAYERS)

#: Multiples of 16; 2×3 tiles, which meet within the picture that the frame holds.
FRAMED = (224, 272)
#: Neither is a multiple of 16, nor of the tile.
ODD = (150, 203)


@pytest.fixture(scope="module", autouse=True)
def narrow() -> Iterator[None]:
    """VGG19 with an eighth of its channels in place of the whole: as deep, and fast."""
    keras.utils.set_random_seed(0)
    network = build_vgg19(1 / 8, "average")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(features, "_vgg19", lambda _: network)
        yield


@pytest.fixture(scope="module")
def extractor(narrow: None) -> keras.Model:  # noqa: ARG001 - the network it takes
    return feature_extractor(LAYERS, "random", padding="replicate")


def framed(name: str) -> Image:
    """A picture in a wide grey frame: mirrored or repeated, its border goes on in the same way."""
    image = np.full((*FRAMED, 3), 0.4, np.float32)
    inside = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    image[inside] = load_image(name, size=(FRAMED[0] - 2 * MARGIN, FRAMED[1] - 2 * MARGIN))
    return image


def ramps(shape: tuple[int, int]) -> list[NDArray[np.float32]]:
    """Two regions that overlap, and leave a corner to neither."""
    y, x = np.meshgrid(
        *(np.linspace(0, 1, side, dtype=np.float32) for side in shape), indexing="ij"
    )
    return [np.clip(1.5 * x - 0.5, 0, 1), np.where(y > 0.5, np.float32(1), x * y)]


def both(
    extractor: keras.Model, content: Image, regions: Sequence[NDArray[np.float32]], **options: Any
) -> tuple[Comparison, Comparison]:
    given = {"content_layers": CONTENT_LAYERS, "style_layers": STYLE_LAYERS} | options
    arguments = (extractor, content, given["content_layers"], given["style_layers"], regions)
    return compare_whole(*arguments), compare_by_tiles(*arguments, tile=TILE)


def looked(compare: Comparison, image: Image) -> tuple[float, list[dict[str, Statistics]], Any]:
    """What a comparison finds, and the gradient of a sum in which everything takes part."""

    def run(x: tf.Tensor) -> tuple[Any, ...]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss, statistics = compare(x)
            parts = [loss]
            for number, found in enumerate(statistics, start=1):
                for mean, covariance in found.values():
                    # Divided by their own size, so that no layer drowns the others.
                    for part in (mean, covariance):
                        size = tf.stop_gradient(tf.reduce_mean(tf.abs(part)))
                        parts.append(number * tf.reduce_mean(part) / size)
            total = tf.add_n(parts)
        return loss, statistics, tf.convert_to_tensor(tape.gradient(total, x))

    loss, statistics, gradient = tf.function(run, autograph=False)(tf.constant(image))
    return float(loss), statistics, gradient.numpy()


def assert_close(ours: Any, theirs: Any, tolerance: float) -> None:
    """Compare relative to the largest value: small ones among large ones are no less sure."""
    ours, theirs = np.squeeze(ours), np.squeeze(theirs)  # without the batch's axis
    np.testing.assert_allclose(ours, theirs, atol=tolerance * np.abs(theirs).max(), rtol=0)


masked = pytest.mark.parametrize("regions_of", [lambda _: [], ramps], ids=["whole", "regions"])


@masked
def test_tiles_are_exact(extractor: keras.Model, regions_of: Callable[..., Any]) -> None:
    """Where the border goes on alike and sides are multiples of 16, nothing differs but rounding.

    That is: no position is counted twice or left out, and each sees all that it should see.
    """
    regions = regions_of(FRAMED)
    image = framed("coffee")
    whole, tiled = both(extractor, framed("chelsea"), regions)
    loss, statistics, gradient = looked(tiled, image)
    wanted_loss, wanted_statistics, wanted_gradient = looked(whole, image)
    assert loss == pytest.approx(wanted_loss, rel=1e-4)
    assert len(statistics) == len(wanted_statistics) == max(1, len(regions))
    for found, wanted in zip(statistics, wanted_statistics, strict=True):
        assert found.keys() == wanted.keys() == set(STYLE_LAYERS)
        for name in STYLE_LAYERS:
            assert_close(found[name].mean, wanted[name].mean, 1e-4)
            assert_close(found[name].covariance, wanted[name].covariance, 1e-3)
    # What the frame's pixels are repeated for differs, and its gradient; the picture's does not,
    # along with the rows and columns where tiles meet.
    inside = (slice(MARGIN, -MARGIN), slice(MARGIN, -MARGIN))
    assert np.abs(wanted_gradient[inside]).max() > 0
    assert_close(gradient[inside], wanted_gradient[inside], 1e-3)


@masked
def test_any_size(extractor: keras.Model, regions_of: Callable[..., Any]) -> None:
    """A photo up to its border, of sides that no layer divides: nearly the same."""
    regions = regions_of(ODD)
    content, image = load_image("chelsea", size=ODD), load_image("coffee", size=ODD)
    whole, tiled = both(extractor, content, regions)
    loss, statistics, gradient = looked(tiled, image)
    wanted_loss, wanted_statistics, wanted_gradient = looked(whole, image)
    assert loss == pytest.approx(wanted_loss, rel=0.15)
    for found, wanted in zip(statistics, wanted_statistics, strict=True):
        for name in STYLE_LAYERS:
            assert_close(found[name].mean, wanted[name].mean, 0.1)
            assert_close(found[name].covariance, wanted[name].covariance, 0.2)
        # At the first layer the mirror image is the border's own pixels again.
        first = STYLE_LAYERS[0]
        assert_close(found[first].mean, wanted[first].mean, 1e-4)
        assert_close(found[first].covariance, wanted[first].covariance, 1e-3)
    inside = (slice(32, -32), slice(32, -32))
    ours, theirs = (g[inside].ravel().astype(np.float64) for g in (gradient, wanted_gradient))
    assert ours @ theirs / np.linalg.norm(ours) / np.linalg.norm(theirs) > 0.95
    assert np.linalg.norm(ours) == pytest.approx(np.linalg.norm(theirs), rel=0.1)


def test_a_content_is_at_no_distance_from_itself(extractor: keras.Model) -> None:
    content = load_image("chelsea", size=ODD)
    _, tiled = both(extractor, content, [])
    assert looked(tiled, content)[0] == pytest.approx(0, abs=1e-9)


def test_several_content_layers_count_alike(extractor: keras.Model) -> None:
    content, image = framed("chelsea"), framed("coffee")
    names = ("block4_conv2", "block2_conv1")
    each = [
        float(both(extractor, content, [], content_layers=[name])[0](tf.constant(image))[0])
        for name in names
    ]
    for compare in both(extractor, content, [], content_layers=names):
        assert float(compare(tf.constant(image))[0]) == pytest.approx(np.mean(each), rel=1e-4)


def test_a_region_sees_nothing_else(extractor: keras.Model) -> None:
    """Its first layer's means are those of its own pixels' features."""
    image = load_image("coffee", size=ODD)
    left = np.zeros(ODD, np.float32)
    left[:, :70] = 1
    _, tiled = both(extractor, image, [left, 1 - left])
    _, statistics = tiled(tf.constant(image))
    maps = extractor(image[np.newaxis])["block1_conv1"].numpy()[0]
    for found, part in zip(statistics, (maps[:, :70], maps[:, 70:]), strict=True):
        assert_close(found["block1_conv1"].mean, part.mean(axis=(0, 1)), 1e-4)


# ------------------------------------------------------------------------------------------ memory


class Watched:
    """An extractor that notes what it was shown."""

    def __init__(self, extractor: keras.Model) -> None:
        self.extractor = extractor
        self.seen: list[tuple[int, ...]] = []

    def __call__(self, images: tf.Tensor) -> Any:
        self.seen.append(tuple(images.shape))
        return self.extractor(images)


@pytest.mark.parametrize("size", [(80, 96), (60, 300)])
def test_only_windows_are_looked_at(extractor: keras.Model, size: tuple[int, int]) -> None:
    """However large the picture: a tile, rounded up to 16 pixels, and its margins."""
    watched = Watched(extractor)
    content = load_image("chelsea", size=size)
    compare = compare_by_tiles(watched, content, CONTENT_LAYERS, STYLE_LAYERS, [], tile=TILE)
    tiles = math.ceil(size[0] / TILE) * math.ceil(size[1] / TILE)
    assert len(watched.seen) == tiles
    looked(compare, content)
    assert len(set(watched.seen)) == 1
    batch, height, width, _ = watched.seen[0]
    assert batch == 1
    for side, seen in zip(size, (height, width), strict=True):
        assert seen % STEP == 0
        assert min(side, TILE) / 2 + 2 * MARGIN < seen <= TILE + 2 * MARGIN


def test_features_are_forgotten_between_the_passes(extractor: keras.Model) -> None:
    """The graph keeps no feature map for the gradient: each tile is looked at again."""
    content = resize(load_image("chelsea", size=128), (128, 128))
    watched = Watched(extractor)
    compare = compare_by_tiles(watched, content, CONTENT_LAYERS, STYLE_LAYERS, [], tile=TILE)

    def forward(x: tf.Tensor) -> Any:
        return compare(x)[0]

    watched.seen.clear()
    tf.function(forward, autograph=False).get_concrete_function(tf.TensorSpec((128, 128, 3)))
    once = len(watched.seen)

    def backward(x: tf.Tensor) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = compare(x)[0]
        return tape.gradient(loss, x)

    watched.seen.clear()
    tf.function(backward, autograph=False).get_concrete_function(tf.TensorSpec((128, 128, 3)))
    assert len(watched.seen) > once
