"""The losses: by hand, against NumPy in double precision, and by finite differences."""

from __future__ import annotations

from collections.abc import Mapping
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


@pytest.mark.parametrize("shape", [(9, 8, 3), (1, 1, 3), (1, 8, 9, 3), (9, 3)])
def test_contents_of_another_shape(shape: tuple[int, ...]) -> None:
    """Also where TensorFlow would stretch one to the other."""
    features = {"a": tf.ones((8, 9, 3)), "b": tf.ones((1, 1, 1))}
    with pytest.raises(ArgumentError, match=r"at a, .* resize the image") as caught:
        content_loss(features, {"b": tf.ones((1, 1, 1)), "a": tf.ones(shape)})
    assert str(shape) in str(caught.value)
    assert "(8, 9, 3)" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("shape", [(), (3,), (8, 9), (0, 9, 3)])
def test_contents_that_are_no_feature_maps(shape: tuple[int, ...]) -> None:
    with pytest.raises(ArgumentError, match=r"features has shape .*\(H, W, C\)"):
        content_loss({"a": tf.ones(shape)}, {"a": tf.ones(shape)})


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
    with pytest.raises(ArgumentError, match=r"layer_weights is .*(0 or more|above 0)"):
        loss(features, targets, layer_weights=weights)


@pytest.mark.parametrize("maps", [None, np.ones((2, 2, 1), np.float32), ["a"]])
@pytest.mark.parametrize("loss", [style_loss, content_loss])
def test_maps_that_are_not_by_layer(loss: Any, maps: Any) -> None:
    good = two_layers(0)
    with pytest.raises(ArgumentError, match=r"^features is .*a mapping of layers"):
        loss(maps, good)
    with pytest.raises(ArgumentError, match=r"^targets is .*a mapping of layers"):
        loss(good, maps)


def test_features_in_the_place_of_a_styles_statistics() -> None:
    maps = two_layers(0)
    with pytest.raises(ArgumentError, match=r"^targets is an array.*what channel_statistics makes"):
        style_loss(maps, maps)  # type: ignore[arg-type]


@style_and_content
@pytest.mark.parametrize("channels", [(3, 5), (1, 5), (5, 1)])
@pytest.mark.parametrize("batch", [(), (1,)])
def test_features_of_another_network(
    loss: Any, target_of: Any, channels: tuple[int, int], batch: tuple[int, ...]
) -> None:
    """Also where TensorFlow would repeat one channel for all."""
    ours, theirs = (np.ones((*batch, 2, 2, count), np.float32) for count in channels)
    words = f"at a, features have {channels[0]} channels and targets {channels[1]}; .* same weights"
    with pytest.raises(ArgumentError, match=words):
        loss({"a": ours}, {"a": target_of(theirs)})
    if loss is style_loss:
        with pytest.raises(ArgumentError, match=words):
            loss({"a": channel_statistics(ours)}, {"a": target_of(theirs)})


def test_styles_that_are_not_as_many_as_the_pictures() -> None:
    maps = random(3, 2, 2, 3)
    two, three = channel_statistics(maps[:2]), channel_statistics(maps)
    with pytest.raises(ArgumentError, match="at a, features are of 2 pictures and targets of 3; "):
        style_loss({"a": two}, {"a": three})
    one = channel_statistics(random(1, 2, 2, 3))
    each = [float(style_loss({"a": channel_statistics(m[np.newaxis])}, {"a": one})) for m in maps]
    assert float(style_loss({"a": three}, {"a": one})) == pytest.approx(np.mean(each), rel=1e-5)


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
