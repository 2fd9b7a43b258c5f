"""A decoder: from features to a picture, kept in a small file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from nstlib._tensorflow import keras
from nstlib.errors import ArgumentError, ModelError
from nstlib.networks.decoder import FeatureDecoder, load_decoder, save_decoder
from nstlib.vgg19 import stride


def random(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random(shape, np.float32)


@pytest.mark.parametrize("layer", ["block3_conv1", "block4_conv1"])
def test_it_paints_at_the_size_that_the_layer_saw(layer: str) -> None:
    decoder = FeatureDecoder(layer, 6)
    pixels = stride(layer)
    assert decoder(random(2, 5, 7, 6)).shape == (2, 5 * pixels, 7 * pixels, 3)
    # Nothing may take means and deviations away: they are the style.
    assert not [part for part in decoder.layers if "norm" in type(part).__name__.lower()]
    doubled = decoder(3 * random(1, 4, 4, 6)).numpy()
    assert np.abs(doubled - decoder(random(1, 4, 4, 6)).numpy()).max() > 1e-3


def test_without_features_it_paints_grey() -> None:
    np.testing.assert_allclose(FeatureDecoder()(np.zeros((1, 3, 3, 160), "f4")), 0.5, atol=1e-6)


def test_a_file_holds_it_in_half_precision(tmp_path: Path) -> None:
    keras.utils.set_random_seed(0)
    decoder = FeatureDecoder("block3_conv1", 5)
    path = tmp_path / "decoder.npz"
    save_decoder(decoder, "block3_conv1", path)
    assert path.stat().st_size < 2.2 * decoder.count_params() + 8000
    loaded = load_decoder(path)
    assert loaded.input_shape == decoder.input_shape
    for found, given in zip(loaded.get_weights(), decoder.get_weights(), strict=True):
        np.testing.assert_array_equal(found, given.astype(np.float16))
    features = random(1, 6, 5, 5)
    np.testing.assert_allclose(loaded(features), decoder(features), atol=0.01)


def test_what_is_no_decoder_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "decoder.npz"
    with pytest.raises(ModelError, match="cannot be read"):
        load_decoder(path)
    save_decoder(FeatureDecoder("block3_conv1", 5), "block3_conv1", path)
    with np.load(path) as file:
        arrays = dict(file)
    for name in ("layer", "last/bias", "size0.conv1/kernel"):
        np.savez(path, **{key: value for key, value in arrays.items() if key != name})
        with pytest.raises(ModelError, match=f"is no decoder, or is damaged.*{name}"):
            load_decoder(path)
    with pytest.raises(ArgumentError, match="block3_conv1, block4_conv1"):
        FeatureDecoder("block5_conv1")
