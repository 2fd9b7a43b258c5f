"""Gram matrices, means and covariances: by hand, against NumPy, by finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from loss_arithmetic import (
    assert_gradient,
    feature_maps,
    gram,
    random,
    relative,
    statistics,
    total_variation,
)
from numpy.typing import NDArray

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
