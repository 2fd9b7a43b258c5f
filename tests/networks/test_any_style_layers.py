"""Any style at once: what its layers compute, and what a new network begins with."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from nstlib._tensorflow import keras
from nstlib.errors import ArgumentError
from nstlib.features import extractor_of
from nstlib.networks.any_style import (
    LAYERS,
    VECTOR,
    AnyStyleNet,
    ChannelStatistics,
    StyleAffine,
    any_style_shape,
    frozen_features,
    standardise,
    style_encoder,
    style_predictor,
)
from nstlib.vgg19 import build_vgg19


@pytest.fixture(scope="module")
def vgg() -> keras.Model:
    keras.utils.set_random_seed(0)
    return build_vgg19(1 / 8, "average")


def random(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random(shape, np.float32)


def test_blocks_are_told_apart_by_their_widths() -> None:
    """In a file's weights, where their names don't tell."""
    channels = (4, 4, 6, 8)
    network = AnyStyleNet(channels, (2, 1), (3, 3))
    weights = {
        f"{layer.name}.weight": layer.get_weights()[0].transpose(3, 2, 0, 1)
        for layer in network.layers
        if layer.weights and layer.get_weights()[0].ndim == 4
    }
    assert any_style_shape(weights) == {"channels": channels, "blocks": (2, 1), "kernels": (3, 3)}
    with pytest.raises(ArgumentError, match=r"channels is \(4, 4, 8, 8\); .* different ones"):
        AnyStyleNet((4, 4, 8, 8))


def test_statistics_forget_places() -> None:
    x = random(2, 5, 7, 3)
    measured = ChannelStatistics()(x).numpy()
    for picture in range(2):
        flat = x[picture].reshape(-1, 3)
        expected = [*flat.mean(axis=0), *np.sqrt(flat.var(axis=0) + 1e-5)]
        np.testing.assert_allclose(measured[picture, 0, 0], expected, rtol=1e-5)
    shuffled = np.random.default_rng(1).permutation(x.reshape(2, 35, 3), axis=1)
    np.testing.assert_allclose(ChannelStatistics()(shuffled.reshape(x.shape)), measured, rtol=1e-5)
    assert ChannelStatistics().compute_output_shape((None, None, 9, 3)) == (None, 1, 1, 6)


def test_a_mixture_of_vectors_lies_between() -> None:
    layer, x = StyleAffine(), random(1, 4, 6, 5)
    one, other = random(1, 1, 1, 8, seed=1), random(1, 1, 1, 8, seed=2)
    halves = layer([x, 0.25 * one + 0.75 * other]).numpy()
    np.testing.assert_allclose(
        halves, 0.25 * layer([x, one]) + 0.75 * layer([x, other]), rtol=1e-5, atol=1e-6
    )
    # Without a style it changes nothing.
    np.testing.assert_allclose(layer([x, 0 * one]), x)


def test_a_new_network_has_the_colours_of_the_style() -> None:
    """From the first step on, whatever its other layers make of the photograph."""
    network = AnyStyleNet((4, 4, 6, 8), (1, 1), (3, 3))
    vector = random(1, 1, 1, VECTOR)
    vector[..., -6:] = 0.2, 0.5, 0.7, 0.05, 0.1, 0.2
    painted = network([random(1, 32, 48, 3), vector]).numpy()[0]
    assert painted.shape == (32, 48, 3)
    np.testing.assert_allclose(painted.mean(axis=(0, 1)), [0.2, 0.5, 0.7], atol=1e-4)
    np.testing.assert_allclose(painted.std(axis=(0, 1)), [0.05, 0.1, 0.2], rtol=0.02)


def test_features_are_those_of_the_extractor(vgg: keras.Model) -> None:
    picture = random(1, 48, 64, 3)
    expected = extractor_of(vgg, LAYERS)(picture)
    found = frozen_features(vgg, LAYERS)
    assert not found.trainable_variables
    for layer, values in found(picture).items():
        np.testing.assert_allclose(values, expected[layer], rtol=1e-3, atol=1e-2)


def test_a_new_predictor_sees_what_is_usual_as_0(vgg: keras.Model) -> None:
    widths = [vgg.get_layer(layer).filters for layer in LAYERS]
    predictor = style_predictor(widths, hidden=7)
    usual = random(50, 2 * sum(widths)) * 100 + 40
    dense = predictor.get_layer("predictor.dense1")
    kernel, _ = dense.get_weights()
    standardise(predictor, usual)
    scores = (usual - usual.mean(axis=0)) / usual.std(axis=0)
    np.testing.assert_allclose(
        dense(usual[:, None, None])[:, 0, 0], np.clip(scores @ kernel[0, 0], 0, 6), atol=1e-3
    )


def test_the_encoder_joins_features_and_predictor(vgg: keras.Model) -> None:
    """A vector of 1 kB, which ends in the colours' means and deviations."""
    frozen = frozen_features(vgg, LAYERS)
    predictor = style_predictor([vgg.get_layer(layer).filters for layer in LAYERS], hidden=7)
    style = random(1, 40, 56, 3)
    vector = style_encoder(frozen, predictor)(style).numpy()
    assert (vector.shape, vector.dtype, vector.nbytes) == ((1, 1, 1, 256), np.float32, 1024)
    np.testing.assert_allclose(vector[0, 0, 0, -6:-3], style.mean(axis=(0, 1, 2)), atol=1e-5)
    np.testing.assert_allclose(vector[0, 0, 0, -3:], style.std(axis=(0, 1, 2)), atol=1e-4)
    parts = [extractor_of(vgg, LAYERS)(style)[layer].numpy()[0] for layer in LAYERS]
    measured = np.concatenate(
        [[*x.mean(axis=(0, 1)), *np.sqrt(x.var(axis=(0, 1)) + 1e-5)] for x in parts]
    )
    dense = [predictor.get_layer(f"predictor.dense{n}").get_weights() for n in (1, 2)]
    hidden = np.clip(measured @ dense[0][0][0, 0] + dense[0][1], 0, 6)
    expected = hidden @ dense[1][0][0, 0] + dense[1][1]
    scale = np.abs(expected).max()
    np.testing.assert_allclose(vector[0, 0, 0, :-6], expected, atol=2e-3 * scale)


def test_a_picture_like_no_other_gives_no_absurd_vector(vgg: keras.Model) -> None:
    widths = [vgg.get_layer(layer).filters for layer in LAYERS]
    predictor = style_predictor(widths, hidden=7)
    standardise(predictor, random(50, 2 * sum(widths)))
    slopes, constants = predictor.get_layer("predictor.dense2").get_weights()
    vector = predictor([np.full((1, 1, 1, 2 * sum(widths)), 1e4), np.zeros((1, 1, 1, 6))])
    assert (np.abs(vector[0, 0, 0, :-6]) <= 6 * np.abs(slopes).sum(axis=(0, 1, 2)) + 1e-5).all()
    assert not constants.any()


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"channels": (8, 8, 8)}, "channels"),
        ({"channels": (8, 8, 8, 0)}, "channels"),
        ({"blocks": (1, -1)}, "blocks"),
        ({"kernels": (4, 3)}, "kernels"),
    ],
)
def test_impossible_networks_are_refused(arguments: dict[str, object], named: str) -> None:
    with pytest.raises(ArgumentError, match=named):
        AnyStyleNet(**arguments)  # type: ignore[arg-type]
