"""Tiles against the whole: the same sums, the same gradient, and never more than a window held."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from nstlib._tensorflow import keras, tf
from nstlib.features import CONTENT_LAYERS, SMALLEST_SIDE, STYLE_LAYERS, feature_extractor
from nstlib.images.arrays import Image
from nstlib.losses import Statistics
from nstlib.sources import load_image
from nstlib.synthesis.tiles import (
    Comparison,
    compare_by_tiles,
    compare_whole,
    spans_of,
    step_and_margin,
)
from nstlib.vgg19 import DEPTHS, reach, stride

TILE = 112
LAYERS = (*STYLE_LAYERS, *CONTENT_LAYERS)

#: Neither is a multiple of 16, nor of the tile.
ODD = (150, 203)


pytestmark = pytest.mark.usefixtures("narrow")


@pytest.fixture(scope="module")
def extractor(narrow: None) -> keras.Model:  # noqa: ARG001 - the network it takes
    return feature_extractor(LAYERS, "random", padding="replicate")


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


def looked(
    compare: Comparison, image: Image, *, traced: bool = False
) -> tuple[float, list[dict[str, Statistics]], Any]:
    """What a comparison finds, and the gradient of a sum in which everything takes part.

    It is `traced` at work. That takes most of the time, and changes no number.
    """
    kept: list[Any] = []

    def judge(loss: Any, statistics: list[dict[str, Statistics]]) -> dict[str, Any]:
        kept[:] = [loss, statistics]
        parts = []
        for number, found in enumerate(statistics, start=1):
            for mean, covariance in found.values():
                # Divided by their own size, so that no layer drowns the others.
                for part in (mean, covariance):
                    size = tf.stop_gradient(tf.reduce_mean(tf.abs(part)))
                    parts.append(number * tf.reduce_mean(part) / size)
        return {"content": loss, "style": tf.add_n(parts)}

    def run(x: tf.Tensor) -> tuple[Any, ...]:
        with tf.GradientTape() as tape:
            tape.watch(x)
            terms = compare(x, judge)
            total = tf.add_n(list(terms.values()))
        return *kept, tf.convert_to_tensor(tape.gradient(total, x))

    function = tf.function(run, autograph=False) if traced else run
    loss, statistics, gradient = function(tf.constant(image))
    return float(loss), statistics, gradient.numpy()


def content_of(compare: Comparison, image: Image) -> float:
    return float(compare(tf.constant(image), lambda loss, _: {"content": loss})["content"])


def assert_close(ours: Any, theirs: Any, tolerance: float) -> None:
    """Compare relative to the largest value: small ones among large ones are no less sure."""
    ours, theirs = np.squeeze(ours), np.squeeze(theirs)  # without the batch's axis
    np.testing.assert_allclose(ours, theirs, atol=tolerance * np.abs(theirs).max(), rtol=0)


def assert_alike(
    whole: Comparison, tiled: Comparison, image: Image, tolerance: float, *, traced: bool = False
) -> None:
    """Nothing differs but rounding: no position counts twice or not at all, and each sees all."""
    loss, statistics, gradient = looked(tiled, image, traced=traced)
    wanted_loss, wanted_statistics, wanted_gradient = looked(whole, image)
    assert loss == pytest.approx(wanted_loss, rel=tolerance)
    for found, wanted in zip(statistics, wanted_statistics, strict=True):
        assert found.keys() == wanted.keys()
        for name in found:
            assert_close(found[name].mean, wanted[name].mean, tolerance)
            assert_close(found[name].covariance, wanted[name].covariance, tolerance)
    assert np.abs(wanted_gradient).max() > 0
    assert_close(gradient, wanted_gradient, 10 * tolerance)


@pytest.mark.parametrize(
    ("padding", "regions_of", "traced"),
    [
        ("zeros", lambda _: [], False),
        ("zeros", ramps, False),
        ("replicate", lambda _: [], False),
        ("replicate", ramps, True),
    ],
    ids=["zeros", "zeros-regions", "replicate", "replicate-regions"],
)
def test_tiles_are_exact(padding: str, regions_of: Callable[..., Any], traced: bool) -> None:
    """Up to the border, whatever lies beyond it, and with sides that no layer divides."""
    extractor = feature_extractor(LAYERS, "random", padding=padding)
    content, image = load_image("chelsea", size=ODD), load_image("coffee", size=ODD)
    whole, tiled = both(extractor, content, regions_of(ODD))
    assert_alike(whole, tiled, image, 1e-5, traced=traced)


EVERY_LAYER = [
    f"block{block}_{part}"
    for block, depth in enumerate(DEPTHS, start=1)
    for part in (*(f"conv{number}" for number in range(1, depth + 1)), "pool")
]


@pytest.mark.parametrize("layer", EVERY_LAYER)
def test_tiles_are_exact_at_every_layer(layer: str) -> None:
    """Each is the deepest once: the margins follow from what it sees."""
    extractor = feature_extractor([layer], "random")
    size = (96, 331)
    content, image = load_image("chelsea", size=size), load_image("coffee", size=size)
    whole, tiled = both(extractor, content, [], content_layers=[layer], style_layers=[layer])
    assert_alike(whole, tiled, image, 1e-5)


@settings(max_examples=200)
@given(
    st.integers(32, 3000), st.integers(32, 1500), st.lists(st.sampled_from(EVERY_LAYER), min_size=1)
)
def test_spans_cover_a_side_once(side: int, tile: int, layers: list[str]) -> None:
    spans = spans_of(side, tile, tuple(layers))
    step, margin = step_and_margin(layers)
    assert [span.first for span in spans[1:]] == [span.end for span in spans[:-1]]
    assert (spans[0].first, spans[-1].end) == (0, side)
    for span in spans:
        assert 0 < span.end - span.first <= tile
        assert span.window.start % step == 0
        assert span.window.start == max(0, span.first - margin)
        assert span.window.stop == min(side, span.end + margin)
        assert span.window.stop - span.window.start >= SMALLEST_SIDE
    for layer in layers:  # of each layer's positions, every one has its tile
        owned = [i for span in spans for i in range(*span.own(layer, False).indices(10**6))]
        assert owned == list(range(side // stride(layer)))


def test_what_a_feature_sees_is_what_moves_it() -> None:
    """Of each layer, by the gradient: its own square of pixels and so many around it."""
    extractor = feature_extractor(EVERY_LAYER, "random")
    x = tf.constant(load_image("coffee", size=(32, 704)))
    for layer in EVERY_LAYER:
        with tf.GradientTape() as tape:
            tape.watch(x)
            maps = extractor(x[tf.newaxis])[layer]
            column = 352 // stride(layer)
            value = tf.reduce_sum(maps[:, :, column])
        (seen,) = np.nonzero(np.abs(tape.gradient(value, x).numpy()).sum(axis=(0, 2)))
        first, around = column * stride(layer), reach(layer)
        assert seen.min() == first - around, layer
        assert seen.max() == first + stride(layer) - 1 + around, layer


def test_a_content_is_at_no_distance_from_itself(extractor: keras.Model) -> None:
    content = load_image("chelsea", size=ODD)
    _, tiled = both(extractor, content, [])
    assert looked(tiled, content)[0] == pytest.approx(0, abs=1e-9)


def test_several_content_layers_count_alike(extractor: keras.Model) -> None:
    content, image = load_image("chelsea", size=ODD), load_image("coffee", size=ODD)
    names = ("block4_conv2", "block2_conv1")
    each = [
        content_of(both(extractor, content, [], content_layers=[name])[0], image) for name in names
    ]
    for compare in both(extractor, content, [], content_layers=names):
        assert content_of(compare, image) == pytest.approx(np.mean(each), rel=1e-4)


def test_a_region_sees_nothing_else(extractor: keras.Model) -> None:
    """Its first layer's means are those of its own pixels' features."""
    image = load_image("coffee", size=ODD)
    left = np.zeros(ODD, np.float32)
    left[:, :70] = 1
    _, tiled = both(extractor, image, [left, 1 - left])
    _, statistics, _ = looked(tiled, image)
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
    """However large the picture: a tile and its margins."""
    watched = Watched(extractor)
    content = load_image("chelsea", size=size)
    compare = compare_by_tiles(watched, content, CONTENT_LAYERS, STYLE_LAYERS, [], tile=TILE)
    assert len(watched.seen) == math.ceil(size[0] / TILE) * math.ceil(size[1] / TILE)
    looked(compare, content)
    _, margin = step_and_margin(LAYERS)
    for batch, *sides, _ in watched.seen:
        assert batch == 1
        for side, seen in zip(size, sides, strict=True):
            assert seen <= min(side, TILE + 2 * margin)


def test_features_are_forgotten_between_the_passes(extractor: keras.Model) -> None:
    """The graph keeps no feature map for the gradient: each tile is looked at again.

    And those looks don't share their work: TensorFlow would merge them if nothing kept the later
    ones waiting.
    """
    content = load_image("chelsea", size=(80, 300))
    watched = Watched(extractor)
    compare = compare_by_tiles(watched, content, CONTENT_LAYERS, STYLE_LAYERS, [], tile=TILE)
    tiles = len(watched.seen)
    assert tiles == 3

    def backward(x: tf.Tensor) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = compare(x, lambda loss, _: {"content": loss})["content"]
        return tape.gradient(loss, x)

    watched.seen.clear()
    traced = tf.function(backward, autograph=False)
    spec = tf.TensorSpec(content.shape)
    graph = traced.get_concrete_function(spec).graph
    assert len(watched.seen) == 2 * tiles
    waiting = [op for op in graph.get_operations() if op.type == "Identity" and op.control_inputs]
    assert len(waiting) >= 2 * tiles - 1
