"""The networks for any style that come with the library."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import nstlib as nst
from nstlib._tensorflow import keras
from nstlib.assets.cache import embedded_model
from nstlib.cli.main import main
from nstlib.inference.any_style import (
    ENCODER,
    NETWORK_VECTOR,
    PAINTER,
    own_vector,
    painter_for,
)
from nstlib.onnx.reading import load_onnx
from nstlib.onnx.verification import verify
from nstlib.training.any_style.tuning import painter_network

#: Multiples of 8, as the painter wants them: square, wide, high, with odd eighths.
SIZES = ((256, 256), (320, 384), (248, 328), (264, 200))


def test_keras_and_every_runtime_paint_the_same() -> None:
    vector = nst.encode_style("watercolour")
    photo = keras.Input((None, None, 3))
    style = keras.ops.convert_to_tensor(vector[:NETWORK_VECTOR].reshape(1, 1, 1, -1))
    network = keras.Model(photo, painter_network()([photo, style]))
    content = painter_for(vector).SerializeToString()
    proof = verify(network, content, SIZES, value_range=(0.0, 1.0), tolerance=0.002)
    assert proof.ok, str(proof)
    assert proof.refused == ()
    assert {comparison.size for comparison in proof.comparisons} == {*SIZES}


def test_every_runtime_sees_the_same_style() -> None:
    proof = verify(None, embedded_model(ENCODER), SIZES, value_range=(0.0, 1.0), tolerance=0.01)
    assert proof.ok, str(proof)
    assert proof.refused == ()


def test_the_command_looks_at_the_scale_that_a_file_is_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """From 0 to 255 the encoder's numbers are so large that the runtimes differ."""
    assert main(["verify", str(embedded_model(ENCODER)), "--size", "256x256"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == "They agree (tolerance 0.01)."


def test_both_are_small() -> None:
    assert sum(embedded_model(name).stat().st_size for name in (ENCODER, PAINTER)) < 6e6


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee"])
def test_less_strength_is_nearer_to_the_photograph(name: str) -> None:
    photo = nst.load_image(name, 256)
    stylizer = nst.Stylizer("watercolour")
    off = [float(np.abs(stylizer(photo, s) - photo).mean()) for s in (1.0, 0.7, 0.4, 0.1)]
    assert off == sorted(off, reverse=True)
    assert off[-1] < 0.5 * off[0]
    own = nst.Stylizer(own_vector(photo))(photo)
    assert np.abs(own - photo).mean() < 0.6 * off[0]


def test_colours_are_the_styles() -> None:
    photo = nst.load_image("chelsea", 256)
    for name in ("watercolour", "marble", "hubble"):
        style = nst.load_image(name, 256)
        painting = nst.Stylizer(name)(photo)
        far = np.abs(photo.mean(axis=(0, 1)) - style.mean(axis=(0, 1))).max()
        near = np.abs(painting.mean(axis=(0, 1)) - style.mean(axis=(0, 1))).max()
        assert near < max(0.05, 0.3 * far), name


@pytest.mark.parametrize(
    "style",
    [
        np.zeros((1, 1, 3)),
        np.ones((40, 30, 3)),
        np.full((16, 16, 3), [1.0, 0.0, 0.0]),
        np.random.default_rng(0).random((5, 300, 3)),
        np.repeat(np.random.default_rng(0).random((30, 40, 1)), 3, axis=2),
    ],
    ids=["black", "white", "red", "a stripe", "noise without colour"],
)
def test_paintings_in_odd_styles_are_of_their_colours(style: NDArray[np.float64]) -> None:
    painting = nst.Stylizer(style)(nst.load_image("astronaut", 128))
    assert np.isfinite(painting).all()
    off = np.abs(painting.mean(axis=(0, 1)) - style.mean(axis=(0, 1)))
    assert off.max() < 0.15, off


def test_the_files_say_what_they_are() -> None:
    for name in (ENCODER, PAINTER):
        told = {entry.key: entry.value for entry in load_onnx(embedded_model(name)).metadata_props}
        assert told.keys() >= {"licence", "training_data", "library"}
        assert told["value_range"] == "0,1"
