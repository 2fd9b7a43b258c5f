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

from nstlib.errors import ArgumentError
from nstlib.losses import gram_matrix, style_loss, total_variation_loss
from nstlib.quietly import tf

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


def relative(features: Mapping[str, Any], targets: Mapping[str, Any]) -> float:
    """The style loss, in double precision."""
    parts = [
        ((gram(features[name]) - np.asarray(a, np.float64)) ** 2).sum() / (np.asarray(a) ** 2).sum()
        for name, a in targets.items()
    ]
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
    for function in (gram_matrix, total_variation_loss):
        traced = tf.function(function, input_signature=[tf.TensorSpec(None)], autograph=False)
        with pytest.raises(ArgumentError, match="<unknown>"):
            traced(tf.zeros((3, 3, 2)))


# ------------------------------------------------------------------------------------- style loss


def two_layers(seed: int, batch: tuple[int, ...] = ()) -> dict[str, NDArray[np.float32]]:
    return {
        "a": random(*batch, 8, 9, 3, seed=seed),
        "b": 100 * random(*batch, 4, 5, 6, seed=seed + 100),
    }


def targets_of(features: Mapping[str, Any]) -> dict[str, Any]:
    return {name: gram_matrix(f) for name, f in features.items()}


def test_style_loss_by_hand() -> None:
    features = {"a": tf.constant([[[1.0, 0.0]], [[0.0, 1.0]]])}  # Gram matrix [[.5, 0], [0, .5]]
    targets = {"a": tf.constant([[1.0, 0.0], [0.0, 2.0]])}
    # (0.5² + 1.5²) / (1² + 2²) = 2.5 / 5
    assert float(style_loss(features, targets)) == pytest.approx(0.5)


def test_style_loss_is_zero_at_the_target() -> None:
    features = two_layers(0)
    assert float(style_loss(features, targets_of(features))) == 0


def test_style_loss_against_numpy() -> None:
    features, targets = two_layers(0), targets_of(two_layers(1))
    loss = style_loss(features, targets)
    assert loss.shape == ()
    assert float(loss) == pytest.approx(relative(features, targets), rel=1e-4)


@pytest.mark.parametrize("factor", [0.0, 0.5, 0.9, 1.1, 2.0])
@pytest.mark.parametrize("size", [1e-5, 1.0, 1e5])
def test_style_loss_of_scaled_features(factor: float, size: float) -> None:
    """Features times s have a Gram matrix times s²: the loss is (s² - 1)², whatever their size."""
    style = {name: size * f for name, f in two_layers(0).items()}
    features = {name: factor * f for name, f in style.items()}
    loss = float(style_loss(features, targets_of(style)))
    assert loss == pytest.approx((factor**2 - 1) ** 2, rel=1e-3)


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
    expected = np.mean([float(style_loss(f, one)) for f in each])
    assert float(style_loss(features, one)) == pytest.approx(expected, rel=1e-5)
    # and one for each, far apart in size.
    style["a"] *= np.array([1, 10, 0.1], np.float32)[:, None, None, None]
    own = targets_of(style)
    expected = np.mean(
        [float(style_loss(f, {name: a[i] for name, a in own.items()})) for i, f in enumerate(each)]
    )
    assert float(style_loss(features, own)) == pytest.approx(expected, rel=1e-5)


def test_a_dark_layer_is_measured_as_it_is() -> None:
    features = {"a": tf.fill([2, 2, 1], 3.0)}
    assert float(style_loss(features, {"a": tf.zeros([1, 1])})) == 81
    assert float(style_loss({"a": tf.zeros([2, 2, 1])}, {"a": tf.zeros([1, 1])})) == 0


def test_style_loss_gradient() -> None:
    targets = targets_of(two_layers(1))
    other = two_layers(0)["b"]
    assert_gradient(
        lambda x: style_loss({"a": x, "b": other}, targets),
        lambda x: relative({"a": x, "b": other}, targets),
        two_layers(0)["a"],
    )


def test_style_loss_in_a_graph_of_unknown_size() -> None:
    targets = targets_of(two_layers(1))
    spec = {"a": tf.TensorSpec((None, None, 3)), "b": tf.TensorSpec((None, None, None))}
    traced = tf.function(lambda f: style_loss(f, targets), input_signature=[spec])
    features = two_layers(0)
    assert float(traced(features)) == pytest.approx(relative(features, targets), rel=1e-4)


def test_only_the_targets_layers_are_compared() -> None:
    features = two_layers(0)
    targets = targets_of(two_layers(1))
    del targets["b"]
    assert float(style_loss(features, targets)) == pytest.approx(
        float(style_loss({"a": features["a"]}, targets))
    )


@pytest.mark.parametrize(
    ("features", "targets", "weights"),
    [("a", "ab", {}), ("ab", "ac", {}), ("ab", "", {}), ("ab", "ab", {"c": 1.0}), ("", "a", {})],
)
def test_layers_that_do_not_match(features: str, targets: str, weights: dict[str, float]) -> None:
    with pytest.raises(ArgumentError, match="the layers do not match") as caught:
        style_loss(
            {name: tf.ones((2, 2, 1)) for name in features},
            {name: tf.ones((1, 1)) for name in targets},
            layer_weights=weights,
        )
    assert str(sorted(features)) in str(caught.value)
    assert str(sorted(targets)) in str(caught.value)


@pytest.mark.parametrize(
    "weights",
    [{"a": -1.0}, {"a": 0.0, "b": 0.0}, {"a": np.nan}, {"a": np.inf}, {"a": -1.0, "b": 5.0}],
)
def test_weights_of_no_use(weights: dict[str, float]) -> None:
    features = two_layers(0)
    with pytest.raises(ArgumentError, match="finite, not negative"):
        style_loss(features, targets_of(features), layer_weights=weights)


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
