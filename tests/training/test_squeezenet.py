"""SqueezeNet is read right from its ONNX file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from squeezenet import write_squeezenet

from nstlib.errors import ArgumentError
from nstlib.training.squeezenet import load_squeezenet

FIRE = {"fire3": (8, 12), "fire5": (8, 16), "fire7": (8, 20), "fire9": (8, 24)}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a small network of SqueezeNet's build, with random kernels, as an ONNX file."""
    path = tmp_path_factory.mktemp("squeezenet") / "squeezenet.onnx"
    outputs = ("conv1_2", "fire9/concat_1")
    return write_squeezenet(path, FIRE, ("fire3", "fire5", "fire7"), outputs, channels=8)


def test_it_sees_what_onnx_runtime_sees(file: Path) -> None:
    image = np.random.default_rng(1).random((1, 64, 64, 3), dtype=np.float32)
    mean = np.array([103.939, 116.779, 123.68], np.float32)
    preprocessed = (image[..., ::-1] * 255 - mean).transpose(0, 3, 1, 2)
    # Our reading pads the first stride-2 step by one row and column of zeros at the end.
    padded = np.pad(preprocessed, [(0, 0), (0, 0), (0, 1), (0, 1)])
    session = onnxruntime.InferenceSession(file, providers=["CPUExecutionProvider"])
    (expected,) = session.run(["conv1_2"], {"data": padded})
    ours = load_squeezenet(file, ["conv1_2"])(image)["conv1_2"].numpy()
    np.testing.assert_allclose(ours.transpose(0, 3, 1, 2), expected, rtol=1e-3, atol=1e-2)


def test_an_unknown_layer_is_named(file: Path) -> None:
    with pytest.raises(ArgumentError, match="has no layer 'fire8'"):
        load_squeezenet(file, ["fire8"])
