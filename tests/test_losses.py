"""The losses: by hand, against NumPy in double precision, and by finite differences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import ArrayLike, NDArray

from nstlib._tensorflow import tf
from nstlib.errors import ArgumentError
from nstlib.losses import (
    Statistics,
    channel_statistics,
    content_loss,
    gram_matrix,
    style_loss,
    total_variation_loss,
)

feature_maps = arrays(
    np.float32,
    st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(1, 5)),
    elements=st.floats(-4, 4, width=16),
)


def random(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random(shape, np.float32)


def gram(features: ArrayLike) -> NDArray[np.float64]:
    """The definition, in double precision: a sum over positions of products of channels."""
    features = np.asarray(features, np.float64)
    height, width = features.shape[-3:-1]
    result: NDArray[np.float64] = np.einsum("...yxi,...yxj->...ij", features, features)
    return result / (height * width)


def statistics(features: ArrayLike, mask: NDArray[Any] | None = None) -> Statistics:
    """NumPy's mean and covariance of the positions of one image, in double precision."""
    features = np.asarray(features, np.float64)
    positions = features.reshape(-1, features.shape[-1])
    weights = None if mask is None else np.asarray(mask, np.float64).ravel()
    covariance = np.cov(positions, rowvar=False, bias=True, aweights=weights)
    return Statistics(np.average(positions, axis=0, weights=weights), np.atleast_2d(covariance))


def relative(features: Mapping[str, Any], targets: Mapping[str, Statistics]) -> float:
    """The style loss of one image, in double precision."""
    parts = []
    for name, target in targets.items():
        found = features[name]
        ours = found if isinstance(found, Statistics) else statistics(found)
        mean, covariance = (np.asarray(part, np.float64) for part in target)
        least = (mean**2).sum() / 1000
        size = max((covariance**2).sum(), least**2)
        spread = max(np.trace(covariance), least)
        parts.append(
            ((ours.covariance - covariance) ** 2).sum() / size
            + ((ours.mean - mean) ** 2).sum() / spread
        )
    return float(np.mean(parts))


def total_variation(image: NDArray[Any]) -> float:
    """The total variation, in double precision."""
    image = np.asarray(image, np.float64)
    return float(np.mean(np.diff(image, axis=-2) ** 2) + np.mean(np.diff(image, axis=-3) ** 2))


def assert_gradient(
    loss: Callable[[Any], Any], reference: Callable[[NDArray[Any]], float], at: NDArray[Any]
) -> None:
    """Compare the gradient with central differences of a reference in double precision."""
    x = tf.constant(at)
    with tf.GradientTape() as tape:
        tape.watch(x)
        value = loss(x)
    gradient = tape.gradient(value, x).numpy()
    at = at.astype(np.float64)
    step = 1e-5
    for index in np.random.default_rng(1).permutation(at.size)[:20]:
        shift = np.zeros(at.shape)
        shift.flat[index] = step
        slope = (reference(at + shift) - reference(at - shift)) / (2 * step)
        assert gradient.flat[index] == pytest.approx(slope, rel=1e-3, abs=1e-6)


# ------------------------------------------------------------------------------------ Gram matrix


def test_gram_by_hand() -> None:
    # Positions as rows: (1, 2), (3, 4), (5, 6), (7, 8).
    features = tf.constant([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]])
    # 1 + 9 + 25 + 49 = 84, 2 + 12 + 30 + 56 = 100, 4 + 16 + 36 + 64 = 120; over four positions.
    np.testing.assert_array_equal(gram_matrix(features), [[21, 25], [25, 30]])


def test_gram_of_one_position_is_the_outer_product() -> None:
    np.testing.assert_array_equal(gram_matrix(tf.constant([[[2.0, -3.0]]])), [[4, -6], [-6, 9]])


@given(feature_maps)
def test_gram_against_numpy(features: NDArray[np.float32]) -> None:
    result = gram_matrix(features)
    assert result.dtype == tf.float32
    np.testing.assert_allclose(result, gram(features), atol=1e-4)


@given(feature_maps)
def test_gram_is_symmetric_and_positive_semidefinite(features: NDArray[np.float32]) -> None:
    result = gram_matrix(features).numpy()
    np.testing.assert_array_equal(result, result.T)
    assert np.linalg.eigvalsh(result.astype(np.float64)).min() >= -1e-4
    # The diagonal holds each channel's mean square.
    np.testing.assert_allclose(np.diag(result), (features**2).mean(axis=(0, 1)), atol=1e-4)


@given(feature_maps, st.randoms(use_true_random=False))
def test_gram_forgets_where_things_are(features: NDArray[np.float32], order: Any) -> None:
    positions = features.reshape(-1, features.shape[2])
    shuffled = positions[order.sample(range(len(positions)), len(positions))]
    np.testing.assert_allclose(
        gram_matrix(shuffled.reshape(features.shape)), gram_matrix(features), atol=1e-4
    )


def test_gram_does_not_depend_on_the_size() -> None:
    features = random(6, 5, 4)
    np.testing.assert_allclose(
        gram_matrix(np.tile(features, (3, 2, 1))), gram_matrix(features), rtol=1e-5
    )


def test_gram_of_a_batch() -> None:
    features = random(3, 7, 5, 4)
    batched = gram_matrix(features)
    assert batched.shape == (3, 4, 4)
    np.testing.assert_allclose(batched, tf.stack([gram_matrix(f) for f in features]), rtol=1e-5)


@pytest.mark.parametrize("half", [tf.float16, tf.bfloat16])
def test_half_precision_is_summed_in_single(half: Any) -> None:
    """It ends at 65,504, less than the positions of a picture of 300 × 300 pixels."""
    features = tf.cast(4 * random(300, 300, 3), half)
    exact = features.numpy().astype(np.float64)
    found = gram_matrix(features)
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, gram(exact), rtol=1e-4)
    wanted = statistics(exact)
    for region in (None, tf.ones((300, 300), half)):
        mean, covariance = channel_statistics(features, region)
        np.testing.assert_allclose(mean, wanted.mean, rtol=1e-4)
        np.testing.assert_allclose(covariance, wanted.covariance, atol=1e-3)
    other = tf.cast(random(300, 300, 3, seed=1), half)
    targets = {"a": wanted_of(other)}
    style = style_loss({"a": features}, targets)
    content = content_loss({"a": features}, {"a": other})
    of_other = other.numpy().astype(np.float64)
    assert float(style) == pytest.approx(relative({"a": exact}, targets), rel=1e-3)
    assert float(content) == pytest.approx(
        ((exact - of_other) ** 2).sum() / (of_other**2).sum(), rel=1e-3
    )
    assert float(total_variation_loss(features)) == pytest.approx(total_variation(exact), rel=1e-3)
    assert {x.dtype for x in (style, content, total_variation_loss(features))} == {tf.float32}


def wanted_of(features: tf.Tensor) -> Statistics:
    return Statistics(*(tf.cast(part, tf.float32) for part in statistics(features.numpy())))


def test_gram_gradient() -> None:
    direction = random(4, 4, seed=3)
    assert_gradient(
        lambda x: tf.reduce_sum(gram_matrix(x) * direction),
        lambda x: float((gram(x) * direction).sum()),
        random(5, 6, 4),
    )


@pytest.mark.parametrize("shape", [(None, None, None), (None, 7, None, 4), (3, None, None, None)])
def test_gram_in_a_graph_of_unknown_size(shape: tuple[int | None, ...]) -> None:
    traced = tf.function(gram_matrix, input_signature=[tf.TensorSpec(shape)])
    features = random(*(3, 7, 5, 4)[-len(shape) :])
    np.testing.assert_allclose(traced(features), gram(features), rtol=1e-5)
    assert traced.get_concrete_function().structured_outputs.shape.rank == len(shape) - 1


@pytest.mark.parametrize("shape", [(), (3,), (3, 3), (1, 2, 3, 4, 5)])
def test_gram_of_what_is_no_feature_map(shape: tuple[int, ...]) -> None:
    with pytest.raises(ArgumentError, match=r"\(H, W, C\) or \(B, H, W, C\)"):
        gram_matrix(tf.zeros(shape))


def test_unknown_rank_is_refused() -> None:
    for function in (gram_matrix, channel_statistics, total_variation_loss):
        traced = tf.function(function, input_signature=[tf.TensorSpec(None)], autograph=False)
        with pytest.raises(ArgumentError, match="<unknown>"):
            traced(tf.zeros((3, 3, 2)))


# ----------------------------------------------------------------------------- channel statistics


def test_statistics_by_hand() -> None:
    # Positions as rows: (1, 2), (3, 2), (5, 8), (7, 8). Around the means, (4, 5): (-3, -3),
    # (-1, -3), (1, 3), (3, 3).
    mean, covariance = channel_statistics([[[1.0, 2.0], [3.0, 2.0]], [[5.0, 8.0], [7.0, 8.0]]])
    np.testing.assert_array_equal(mean, [4, 5])
    # 9 + 1 + 1 + 9 = 20, 9 + 3 + 3 + 9 = 24, four times 9; over four positions.
    np.testing.assert_array_equal(covariance, [[5, 6], [6, 9]])


@given(feature_maps)
def test_statistics_against_numpy(features: NDArray[np.float32]) -> None:
    result = channel_statistics(features)
    assert isinstance(result, Statistics)
    assert result.mean.dtype == result.covariance.dtype == tf.float32
    mean, covariance = statistics(features)
    np.testing.assert_allclose(result.mean, mean, atol=1e-5)
    np.testing.assert_allclose(result.covariance, covariance, atol=1e-4)


@given(feature_maps)
def test_covariance_is_symmetric_and_positive_semidefinite(features: NDArray[np.float32]) -> None:
    covariance = channel_statistics(features).covariance.numpy()
    np.testing.assert_array_equal(covariance, covariance.T)
    assert np.linalg.eigvalsh(covariance.astype(np.float64)).min() >= -1e-4
    np.testing.assert_allclose(np.diag(covariance), features.var(axis=(0, 1)), atol=1e-4)


@given(feature_maps)
def test_gram_is_covariance_and_product_of_means(features: NDArray[np.float32]) -> None:
    mean, covariance = (part.numpy() for part in channel_statistics(features))
    np.testing.assert_allclose(
        covariance + np.outer(mean, mean), gram_matrix(features), rtol=1e-4, atol=1e-4
    )


@given(feature_maps, st.randoms(use_true_random=False))
def test_statistics_forget_where_things_are(features: NDArray[np.float32], order: Any) -> None:
    positions = features.reshape(-1, features.shape[2])
    shuffled = positions[order.sample(range(len(positions)), len(positions))]
    ours, theirs = map(channel_statistics, (shuffled.reshape(features.shape), features))
    np.testing.assert_allclose(ours.mean, theirs.mean, atol=1e-5)
    np.testing.assert_allclose(ours.covariance, theirs.covariance, atol=1e-4)


def test_statistics_do_not_depend_on_the_size() -> None:
    features = random(6, 5, 4)
    ours, theirs = map(channel_statistics, (np.tile(features, (3, 2, 1)), features))
    np.testing.assert_allclose(ours.mean, theirs.mean, rtol=1e-5)
    np.testing.assert_allclose(ours.covariance, theirs.covariance, rtol=1e-4, atol=1e-6)


def test_a_large_mean_does_not_drown_the_covariance() -> None:
    """As it would in G - μμᵀ, where float32 cannot hold both."""
    features = random(8, 9, 3)
    ours, theirs = map(channel_statistics, (features + 1000, features))
    np.testing.assert_allclose(ours.covariance, theirs.covariance, atol=1e-4)


def test_statistics_of_a_batch() -> None:
    features = random(3, 7, 5, 4)
    mask = random(7, 5, seed=9)
    for weights in (None, mask):
        mean, covariance = channel_statistics(features, weights)
        assert mean.shape == (3, 4)
        assert covariance.shape == (3, 4, 4)
        for i, each in enumerate(features):
            one = statistics(each, weights)
            np.testing.assert_allclose(mean[i], one.mean, rtol=1e-5)
            np.testing.assert_allclose(covariance[i], one.covariance, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "mask", [None, np.array([[1, 0, 0.5, 0.25], [0, 1, 0, 0.1], [1, 1, 1, 1]], np.float32)]
)
def test_statistics_gradient(mask: NDArray[np.float32] | None) -> None:
    along, across = random(4, seed=3), random(4, 4, seed=4)

    def ours(x: Any) -> Any:
        mean, covariance = channel_statistics(x, mask)
        return tf.reduce_sum(mean * along) + tf.reduce_sum(covariance * across)

    def reference(x: NDArray[Any]) -> float:
        mean, covariance = statistics(x, mask)
        return float((mean * along).sum() + (covariance * across).sum())

    assert_gradient(ours, reference, random(3, 4, 4))


@pytest.mark.parametrize("shape", [(None, None, None), (None, 7, None, 4), (3, None, None, None)])
@pytest.mark.parametrize("masked", [False, True])
def test_statistics_in_a_graph_of_unknown_size(shape: tuple[int | None, ...], masked: bool) -> None:
    signature = [tf.TensorSpec(shape), tf.TensorSpec((None, None))][: 1 + masked]
    traced = tf.function(channel_statistics, input_signature=signature)
    features, mask = random(*(3, 7, 5, 4)[-len(shape) :]), random(7, 5)
    ours = traced(features, mask) if masked else traced(features)
    theirs = channel_statistics(features, mask if masked else None)
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-7)
    assert [part.shape.rank for part in traced.get_concrete_function().structured_outputs] == [
        len(shape) - 2,
        len(shape) - 1,
    ]


@pytest.mark.parametrize("shape", [(), (3,), (3, 3), (1, 2, 3, 4, 5)])
@pytest.mark.parametrize("mask", [None, np.ones((3, 3), np.float32)])
def test_statistics_of_what_is_no_feature_map(shape: tuple[int, ...], mask: Any) -> None:
    with pytest.raises(ArgumentError, match=r"\(H, W, C\) or \(B, H, W, C\)"):
        channel_statistics(tf.zeros(shape), mask)


# ------------------------------------------------------------------------------------------- masks


def test_mask_by_hand() -> None:
    # 2 counts three times as much as 6, and 50 not at all: mean (3 · 2 + 6) / 4 = 3, variance
    # (3 · 1² + 3²) / 4 = 3. The second channel: mean (3 · 0 + 4) / 4 = 1, variance (3 + 9) / 4 = 3.
    features = tf.constant([[[2.0, 0.0], [6.0, 4.0], [50.0, -70.0]]])
    mean, covariance = channel_statistics(features, tf.constant([[3.0, 1.0, 0.0]]))
    np.testing.assert_allclose(mean, [3, 1], rtol=1e-6)
    np.testing.assert_allclose(covariance, [[3, 3], [3, 3]], rtol=1e-6)


@given(st.data(), feature_maps)
def test_mask_against_numpy(data: st.DataObject, features: NDArray[np.float32]) -> None:
    mask = data.draw(
        arrays(np.float32, features.shape[:2], elements=st.floats(0, 1, width=16)).filter(
            lambda mask: mask.sum() > 0.01
        )
    )
    mean, covariance = channel_statistics(features, mask)
    expected = statistics(features, mask)
    np.testing.assert_allclose(mean, expected.mean, atol=1e-4)
    np.testing.assert_allclose(covariance, expected.covariance, atol=1e-3)


@given(st.data(), feature_maps)
def test_a_mask_of_zeros_and_ones_cuts_a_region_out(
    data: st.DataObject, features: NDArray[np.float32]
) -> None:
    inside = data.draw(arrays(np.bool_, features.shape[:2]).filter(np.any))
    ours = channel_statistics(features, inside.astype(np.float32))
    region = channel_statistics(features[inside][np.newaxis])
    np.testing.assert_allclose(ours.mean, region.mean, atol=1e-4)
    np.testing.assert_allclose(ours.covariance, region.covariance, atol=1e-3)


@given(feature_maps, st.sampled_from([0.01, 1.0, 255.0]))
def test_a_mask_of_one_value_is_none(features: NDArray[np.float32], value: float) -> None:
    """What counts is a position's share of the whole."""
    ours = channel_statistics(features, np.full(features.shape[:2], value, np.float32))
    theirs = channel_statistics(features)
    np.testing.assert_allclose(ours.mean, theirs.mean, atol=1e-5)
    np.testing.assert_allclose(ours.covariance, theirs.covariance, atol=1e-4)


def test_what_is_masked_out_gets_no_gradient() -> None:
    mask = np.array([[1, 0, 1], [0, 1, 1]], np.float32)
    x = tf.constant(random(2, 3, 2))
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.add_n([tf.reduce_sum(part**2) for part in channel_statistics(x, mask)])
    gradient = tape.gradient(loss, x).numpy()
    assert np.isfinite(gradient).all()
    np.testing.assert_array_equal((gradient != 0).any(axis=2), mask != 0)


@pytest.mark.parametrize("shape", [(), (3,), (3, 2), (2, 4), (2, 3, 1), (1, 2, 3)])
@pytest.mark.parametrize("batch", [(), (4,)])
def test_a_mask_of_another_shape(shape: tuple[int, ...], batch: tuple[int, ...]) -> None:
    with pytest.raises(ArgumentError, match=r"the features' positions are \(2, 3\)") as caught:
        channel_statistics(random(*batch, 2, 3, 2), np.ones(shape, np.float32))
    assert str(shape) in str(caught.value)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([0, 0, 0], "from 0 to 0"),
        ([1, -0.5, 1], "from -0.5 to 1"),
        ([1, np.nan, 1], "from nan to nan"),
        ([1, np.inf, 1], "from 1 to inf"),
    ],
)
def test_a_mask_of_no_use(values: list[float], words: str) -> None:
    with pytest.raises(ArgumentError, match="mask ranges") as caught:
        channel_statistics(random(1, 3, 2), np.array([values], np.float32))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


# ------------------------------------------------------------------------------------- style loss


def two_layers(seed: int, batch: tuple[int, ...] = ()) -> dict[str, NDArray[np.float32]]:
    return {
        "a": random(*batch, 8, 9, 3, seed=seed),
        "b": 100 * random(*batch, 4, 5, 6, seed=seed + 100),
    }


def targets_of(features: Mapping[str, Any]) -> dict[str, Statistics]:
    return {name: channel_statistics(f) for name, f in features.items()}


def one_channel(mean: float, variance: float) -> Statistics:
    return Statistics(tf.constant([mean]), tf.constant([[variance]]))


def test_style_loss_by_hand() -> None:
    # Positions (1, 0) and (3, 4): means (2, 2), around them ∓(1, 2): covariance [[1, 2], [2, 4]].
    features = {"a": tf.constant([[[1.0, 0.0], [3.0, 4.0]]])}
    style = {"a": Statistics(tf.constant([1.0, 4.0]), tf.constant([[1.0, 0.0], [0.0, 3.0]]))}
    # (0² + 2² + 2² + 1²) / (1² + 3²) + (1² + 2²) / (1 + 3) = 9 / 10 + 5 / 4
    assert float(style_loss(features, style)) == pytest.approx(0.9 + 1.25)


def test_style_loss_is_zero_at_the_target() -> None:
    features = two_layers(0)
    assert float(style_loss(features, targets_of(features))) == 0


@given(feature_maps, feature_maps)
def test_style_loss_is_zero_only_where_statistics_agree(
    features: NDArray[np.float32], style: NDArray[np.float32]
) -> None:
    channels = min(features.shape[2], style.shape[2])
    features, style = features[..., :channels], style[..., :channels]
    loss = float(style_loss({"a": features}, {"a": channel_statistics(style)}))
    ours, theirs = statistics(features), statistics(style)
    apart = max(np.abs(one - other).max() for one, other in zip(ours, theirs, strict=True))
    assert loss >= 0
    if apart > 1e-2:
        assert loss > 1e-9  # no layer here is larger than 16 · 5, squared
    elif apart == 0:
        assert loss < 1e-6


def test_equal_gram_matrices_are_not_enough() -> None:
    """Always 1, and now 1, now -1, have the same mean square."""
    steady, lively = tf.ones([1, 2, 1]), tf.constant([[[1.0], [-1.0]]])
    np.testing.assert_array_equal(gram_matrix(steady), gram_matrix(lively))
    # Variance 0 for 1, mean 1 for 0.
    assert float(style_loss({"a": steady}, {"a": channel_statistics(lively)})) == 1 + 1


def test_style_loss_against_numpy() -> None:
    features, targets = two_layers(0), targets_of(two_layers(1))
    loss = style_loss(features, targets)
    assert loss.shape == ()
    assert float(loss) == pytest.approx(relative(features, targets), rel=1e-4)


@pytest.mark.parametrize("factor", [0.0, 0.5, 0.9, 1.1, 2.0])
@pytest.mark.parametrize("size", [1e-5, 1.0, 1e5])
def test_style_loss_of_scaled_features(factor: float, size: float) -> None:
    """The loss does not depend on the features' unit.

    Features times s have a covariance times s² and a mean times s: (s² - 1)² for the one, and
    (s - 1)² times the squared means' share of the variances for the other.
    """
    style = {name: size * f for name, f in two_layers(0).items()}
    features = {name: factor * f for name, f in style.items()}
    shares = []
    for values in style.values():
        mean, covariance = statistics(values)
        shares.append((mean**2).sum() / np.trace(covariance))
    expected = (factor**2 - 1) ** 2 + (factor - 1) ** 2 * np.mean(shares)
    assert float(style_loss(features, targets_of(style))) == pytest.approx(expected, rel=1e-3)


def test_a_constant_moves_the_means_alone() -> None:
    style = random(8, 9, 3)
    shift = np.array([0.1, -0.2, 0.0], np.float32)
    expected = (0.1**2 + 0.2**2) / style.astype(np.float64).var(axis=(0, 1)).sum()
    loss = float(style_loss({"a": style + shift}, {"a": channel_statistics(style)}))
    assert loss == pytest.approx(expected, rel=1e-4)


def test_a_steady_channel_does_not_drown_the_pattern() -> None:
    """What the loss is for: Gram matrices hardly see the pattern beside a channel always on."""
    pattern, other = random(8, 9, 2), random(8, 9, 2, seed=1)
    other[..., 0] = other[..., 1]  # channels that vary together, and did not
    steady = np.full((8, 9, 1), 3, np.float32)
    style, picture = (np.concatenate([x, steady], axis=2) for x in (pattern, other))
    g, a = gram(picture), gram(style)
    assert ((g - a) ** 2).sum() / (a**2).sum() < 0.01
    assert float(style_loss({"a": picture}, {"a": channel_statistics(style)})) > 0.3


def test_statistics_in_place_of_features() -> None:
    features, targets = two_layers(0), targets_of(two_layers(1))
    expected = float(style_loss(features, targets))
    assert float(style_loss(targets_of(features), targets)) == expected
    mixed = {"a": features["a"], "b": channel_statistics(features["b"])}
    assert float(style_loss(mixed, targets)) == expected
    mask = random(8, 9, seed=7)
    masked = {"a": channel_statistics(features["a"], mask), "b": features["b"]}
    theirs = {"a": statistics(features["a"], mask), "b": statistics(features["b"])}
    assert float(style_loss(masked, targets)) == pytest.approx(relative(theirs, targets), rel=1e-4)


def test_layers_count_by_their_weights() -> None:
    features, targets = two_layers(0), targets_of(two_layers(1))
    a, b = (float(style_loss(features, {name: targets[name]})) for name in "ab")

    def weighted(**weights: float) -> float:
        return float(style_loss(features, targets, layer_weights=weights))

    assert a != pytest.approx(b, rel=0.01)
    assert float(style_loss(features, targets)) == pytest.approx((a + b) / 2)
    assert weighted(a=1, b=1) == pytest.approx((a + b) / 2)
    assert weighted(a=3) == pytest.approx((3 * a + b) / 4)
    assert weighted(a=3, b=2) == pytest.approx((3 * a + 2 * b) / 5)
    assert weighted(a=0) == pytest.approx(b)
    assert weighted(a=30, b=20) == pytest.approx(weighted(a=3, b=2))


def test_style_loss_of_a_batch_is_the_mean() -> None:
    features, style = two_layers(0, (3,)), two_layers(5, (3,))
    one = targets_of(two_layers(5))
    each = [{name: f[i] for name, f in features.items()} for i in range(3)]
    # A target for all,
    expected = np.mean([relative(f, one) for f in each])
    assert float(style_loss(features, one)) == pytest.approx(expected, rel=1e-4)
    # and one for each, far apart in size.
    style["a"] *= np.array([1, 10, 0.1], np.float32)[:, None, None, None]
    own = [targets_of({name: f[i] for name, f in style.items()}) for i in range(3)]
    expected = np.mean([relative(f, targets) for f, targets in zip(each, own, strict=True)])
    assert float(style_loss(features, targets_of(style))) == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("layer", ["a", "b"])
def test_style_loss_gradient(layer: str) -> None:
    targets = targets_of(two_layers(1))
    # The first layer's style hardly varies: its floors count.
    targets["a"] = Statistics(targets["a"].mean, 1e-3 * targets["a"].covariance)
    features = two_layers(0)
    assert_gradient(
        lambda x: style_loss(features | {layer: x}, targets),
        lambda x: relative(features | {layer: x}, targets),
        features[layer],
    )


def test_style_loss_in_a_graph_of_unknown_size() -> None:
    targets = targets_of(two_layers(1))
    spec = {"a": tf.TensorSpec((None, None, 3)), "b": tf.TensorSpec((None, None, None))}
    traced = tf.function(lambda f: style_loss(f, targets), input_signature=[spec])
    features = two_layers(0)
    assert float(traced(features)) == pytest.approx(relative(features, targets), rel=1e-4)


# --------------------------------------------------------------------- a style that hardly varies


def test_floor_by_hand() -> None:
    # The squared mean is 4: its thousandth, 0.004, is the least that a variance counts for.
    picture = {"a": one_channel(2.1, 0.012)}
    # (0.012 / 0.004)² + 0.1² / 0.004
    assert float(style_loss(picture, {"a": one_channel(2.0, 0.0)})) == pytest.approx(9 + 2.5)
    # ((0.012 - 0.002) / 0.004)² + 0.1² / 0.004
    assert float(style_loss(picture, {"a": one_channel(2.0, 0.002)})) == pytest.approx(6.25 + 2.5)
    # Above the floor, the variance itself: ((0.012 - 0.01) / 0.01)² + 0.1² / 0.01
    loss = float(style_loss(picture, {"a": one_channel(2.0, 0.01)}))
    assert loss == pytest.approx(0.04 + 1, rel=1e-5)


@pytest.mark.parametrize("size", [1e-4, 1.0, 1e4])
def test_a_flat_style(size: float) -> None:
    """One colour: rounding alone is no difference, and 1 % brighter is a moderate one."""
    flat = np.full((8, 9, 3), size, np.float32) * np.array([0.3, 0.7, 1.1], np.float32)
    style = {"a": channel_statistics(flat)}
    assert float(style_loss({"a": flat}, style)) < 1e-9
    rounded = np.nextafter(flat, np.float32(np.inf), dtype=np.float32)
    rounded[::2] = flat[::2]
    assert float(style_loss({"a": rounded}, style)) < 1e-9
    # 0.01² over a thousandth
    assert float(style_loss({"a": 1.01 * flat}, style)) == pytest.approx(0.1, rel=1e-3)
    # A picture that varies by a third of its mean is far off, and still a number to work with.
    lively = flat * np.random.default_rng(0).uniform(0.5, 1.5, flat.shape).astype(np.float32)
    assert 100 < float(style_loss({"a": lively}, style)) < 1e4
    x = tf.constant(lively)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = style_loss({"a": x}, style)
    assert np.isfinite(tape.gradient(loss, x)).all()


def test_a_dark_layer_is_measured_as_it_is() -> None:
    """There is nothing to be relative to."""
    dark = {"a": channel_statistics(tf.zeros([2, 2, 1]))}
    assert float(style_loss({"a": tf.fill([2, 2, 1], 3.0)}, dark)) == 3**2
    # Mean 2 and variance 1.
    assert float(style_loss({"a": tf.constant([[[1.0], [3.0]]])}, dark)) == 1**2 + 2**2
    assert float(style_loss({"a": tf.zeros([2, 2, 1])}, dark)) == 0


# ----------------------------------------------------------------------------------- content loss


def content_distance(features: Mapping[str, Any], targets: Mapping[str, Any]) -> float:
    """The content loss, in double precision."""
    parts = []
    for name, target in targets.items():
        ours, theirs = (np.asarray(x, np.float64) for x in (features[name], target))
        squares, sizes = (
            np.sum(np.reshape(x, (-1, *x.shape[-3:])) ** 2, axis=(1, 2, 3))
            for x in (ours - theirs, theirs)
        )
        parts.append(np.mean(squares / sizes))  # each picture of a batch counts alike
    return float(np.mean(parts))


def test_content_loss_by_hand() -> None:
    features = {"a": tf.constant([[[1.0, 2.0], [3.0, 4.0]]])}
    content = {"a": tf.constant([[[1.0, 0.0], [5.0, 2.0]]])}
    # (0 + 4 + 4 + 4) / (1 + 0 + 25 + 4)
    assert float(content_loss(features, content)) == pytest.approx(12 / 30)


def test_opposite_errors_do_not_cancel() -> None:
    content = {"a": tf.fill([2, 2, 1], 2.0)}
    errors = tf.constant([[[1.0], [-1.0]], [[-1.0], [1.0]]])
    assert float(content_loss({"a": content["a"] + errors}, content)) == pytest.approx(4 / 16)


def test_a_content_is_a_matter_of_place() -> None:
    """The same values elsewhere: another content, in the same style."""
    features = random(6, 7, 3)
    moved = features[::-1]
    assert float(content_loss({"a": moved}, {"a": features})) > 0.1
    assert float(style_loss({"a": moved}, {"a": channel_statistics(features)})) < 1e-9


@pytest.mark.parametrize("batch", [(), (3,)])
def test_content_loss_against_numpy(batch: tuple[int, ...]) -> None:
    features, content = two_layers(0, batch), two_layers(1, batch)
    loss = content_loss(features, content)
    assert loss.shape == ()
    assert float(loss) == pytest.approx(content_distance(features, content), rel=1e-5)


@given(st.data(), feature_maps)
def test_content_loss_is_zero_only_at_the_content(
    data: st.DataObject, content: NDArray[np.float32]
) -> None:
    features = data.draw(
        arrays(np.float32, content.shape, elements=st.sampled_from([-2, -0.5, 0, 1]))
    )
    assert float(content_loss({"a": content}, {"a": content})) == 0
    difference = ((features.astype(np.float64) - content) ** 2).sum()
    size = (content.astype(np.float64) ** 2).sum()
    loss = float(content_loss({"a": features}, {"a": content}))
    # A content that is zero everywhere has no size: the difference as it is.
    assert loss == pytest.approx(difference / (size or 1), rel=1e-4)
    assert (loss == 0) == np.array_equal(features, content)


@pytest.mark.parametrize("factor", [0.0, 0.9, 2.0])
@pytest.mark.parametrize("size", [1e-5, 1.0, 1e5])
def test_content_loss_of_scaled_features(factor: float, size: float) -> None:
    content = {name: size * f for name, f in two_layers(0).items()}
    features = {name: factor * f for name, f in content.items()}
    assert float(content_loss(features, content)) == pytest.approx((factor - 1) ** 2, rel=1e-3)


def test_content_layers_count_by_their_weights() -> None:
    features, content = two_layers(0), two_layers(1)
    features["b"] /= 2
    a, b = (float(content_loss(features, {name: content[name]})) for name in "ab")

    def weighted(**weights: float) -> float:
        return float(content_loss(features, content, layer_weights=weights))

    assert a != pytest.approx(b, rel=0.01)
    assert weighted() == pytest.approx((a + b) / 2)
    assert weighted(a=3) == pytest.approx((3 * a + b) / 4)
    assert weighted(a=3, b=2) == pytest.approx((3 * a + 2 * b) / 5)
    assert weighted(a=0) == pytest.approx(b)


@pytest.mark.parametrize("layer", ["a", "b"])
def test_content_loss_gradient(layer: str) -> None:
    features, content = two_layers(0), two_layers(1)
    assert_gradient(
        lambda x: content_loss(features | {layer: x}, content),
        lambda x: content_distance(features | {layer: x}, content),
        features[layer],
    )


def test_content_loss_in_a_graph_of_unknown_size() -> None:
    content = two_layers(1)
    spec = {"a": tf.TensorSpec((None, None, 3)), "b": tf.TensorSpec((None, None, None))}
    traced = tf.function(lambda f: content_loss(f, content), input_signature=[spec])
    features = two_layers(0)
    assert float(traced(features)) == pytest.approx(content_distance(features, content), rel=1e-5)


@pytest.mark.parametrize("shape", [(9, 8, 3), (8, 9, 1), (1, 1, 3), (1, 8, 9, 3), (8, 9)])
def test_contents_of_another_shape(shape: tuple[int, ...]) -> None:
    """Also where TensorFlow would stretch one to the other."""
    features = {"a": tf.ones((8, 9, 3)), "b": tf.ones((1, 1, 1))}
    with pytest.raises(ArgumentError, match=r"at a, .* resize the image") as caught:
        content_loss(features, {"b": tf.ones((1, 1, 1)), "a": tf.ones(shape)})
    assert str(shape) in str(caught.value)
    assert "(8, 9, 3)" in str(caught.value)
    assert "\n" not in str(caught.value)


# ------------------------------------------------------------------------------ layers and weights

style_and_content = pytest.mark.parametrize(
    ("loss", "target_of"), [(style_loss, channel_statistics), (content_loss, np.copy)]
)


@style_and_content
def test_only_the_targets_layers_are_compared(loss: Any, target_of: Any) -> None:
    features = two_layers(0)
    targets = {"a": target_of(two_layers(1)["a"])}
    alone = float(loss({"a": features["a"]}, targets))
    assert alone > 0
    assert float(loss(features, targets)) == pytest.approx(alone)


@style_and_content
@pytest.mark.parametrize(
    ("features", "targets", "weights"),
    [("a", "ab", {}), ("ab", "ac", {}), ("ab", "", {}), ("ab", "ab", {"c": 1.0}), ("", "a", {})],
)
def test_layers_that_do_not_match(
    loss: Any, target_of: Any, features: str, targets: str, weights: dict[str, float]
) -> None:
    maps = np.ones((2, 2, 1), np.float32)
    with pytest.raises(ArgumentError, match="the layers do not match") as caught:
        loss(
            dict.fromkeys(features, maps),
            dict.fromkeys(targets, target_of(maps)),
            layer_weights=weights,
        )
    assert str(sorted(features)) in str(caught.value)
    assert str(sorted(targets)) in str(caught.value)


@style_and_content
@pytest.mark.parametrize(
    "weights",
    [{"a": -1.0}, {"a": 0.0, "b": 0.0}, {"a": np.nan}, {"a": np.inf}, {"a": -1.0, "b": 5.0}],
)
def test_weights_of_no_use(loss: Any, target_of: Any, weights: dict[str, float]) -> None:
    features = two_layers(0)
    targets = {name: target_of(f) for name, f in features.items()}
    with pytest.raises(ArgumentError, match="finite, not negative"):
        loss(features, targets, layer_weights=weights)


# ------------------------------------------------------------------------------- total variation


def test_checkerboard() -> None:
    board = (np.indices((6, 8)).sum(axis=0) % 2)[..., np.newaxis].repeat(3, axis=2)
    assert float(total_variation_loss(board.astype(np.float32))) == 2


def test_ramp_by_hand() -> None:
    # Steps of 0.1 to the right and of 0.2 downwards, everywhere.
    y, x = np.mgrid[0:4, 0:5]
    ramp = (0.1 * x + 0.2 * y)[..., np.newaxis].astype(np.float32)
    assert float(total_variation_loss(ramp)) == pytest.approx(0.1**2 + 0.2**2)


def test_noise() -> None:
    # Two independent uniform values differ by 2 · 1/12 in the mean square; twice that.
    assert float(total_variation_loss(random(200, 200, 3))) == pytest.approx(1 / 3, rel=0.02)


@given(st.floats(0, 1, width=32), st.integers(2, 5), st.integers(2, 5))
def test_plain_colour(value: float, height: int, width: int) -> None:
    assert float(total_variation_loss(tf.fill([height, width, 3], value))) == 0


@given(
    arrays(
        np.float32,
        st.tuples(st.integers(2, 6), st.integers(2, 6), st.integers(1, 3)),
        elements=st.floats(0, 1, width=32),
    )
)
def test_total_variation_against_numpy(image: NDArray[np.float32]) -> None:
    expected = total_variation(image)
    assert float(total_variation_loss(image)) == pytest.approx(expected, rel=1e-4, abs=1e-7)
    # The same upside down and turned.
    for turned in (image[::-1], image[:, ::-1], image.swapaxes(0, 1)):
        loss = float(total_variation_loss(np.ascontiguousarray(turned)))
        assert loss == pytest.approx(expected, rel=1e-4, abs=1e-7)


def test_total_variation_of_a_batch_is_the_mean() -> None:
    images = random(3, 6, 7, 3) * np.array([1, 0.5, 0.1], np.float32)[:, None, None, None]
    expected = np.mean([total_variation(image) for image in images])
    assert float(total_variation_loss(images)) == pytest.approx(expected, rel=1e-5)


def test_total_variation_gradient() -> None:
    assert_gradient(total_variation_loss, total_variation, random(5, 6, 3))


@pytest.mark.parametrize("shape", [(None, None, 3), (None, None, None, None)])
def test_total_variation_in_a_graph_of_unknown_size(shape: tuple[int | None, ...]) -> None:
    traced = tf.function(total_variation_loss, input_signature=[tf.TensorSpec(shape)])
    image = random(*(2, 6, 7, 3)[-len(shape) :])
    assert float(traced(image)) == pytest.approx(total_variation(image), rel=1e-5)


@pytest.mark.parametrize("shape", [(4, 4), (1, 4, 3), (4, 1, 3), (2, 4, 1, 3), (1, 1, 4, 4, 3)])
def test_total_variation_of_what_is_no_image(shape: tuple[int, ...]) -> None:
    with pytest.raises(ArgumentError, match="two pixels or more"):
        total_variation_loss(tf.zeros(shape))
