"""The two files of an any-style network: every runtime computes what Keras does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray

from nstlib._tensorflow import keras
from nstlib.networks.any_style import (
    LAYERS,
    VECTOR,
    AnyStyleNet,
    frozen_features,
    style_encoder,
    style_predictor,
)
from nstlib.onnx.translation import to_onnx
from nstlib.sources import load_image
from nstlib.vgg19 import build_vgg19

#: Multiples of 8, as the network wants them: square, wide, high, with odd eighths.
SIZES = ((256, 256), (320, 384), (248, 328), (264, 200))


@pytest.fixture(scope="module")
def encoder() -> keras.Model:
    keras.utils.set_random_seed(0)
    vgg = build_vgg19(1 / 8, "average")
    widths = [vgg.get_layer(layer).filters for layer in LAYERS]
    return style_encoder(frozen_features(vgg, LAYERS), style_predictor(widths, hidden=16))


@pytest.fixture(scope="module")
def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    return AnyStyleNet((4, 6, 8, 12), (1, 1), (5, 3))


def computed(
    proto: onnx.ModelProto, inputs: dict[str, NDArray[np.float32]], folder: Path
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """What each runtime makes of inputs (B, H, W, C)."""
    first = {name: np.ascontiguousarray(x.transpose(0, 3, 1, 2)) for name, x in inputs.items()}
    content = proto.SerializeToString()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    yield "ONNX Runtime", session.run(None, first)[0].transpose(0, 2, 3, 1)
    (folder / "network.onnx").write_bytes(content)
    for engine in ("ENGINE_NEW", "ENGINE_CLASSIC"):
        options = {"engine": getattr(cv2.dnn, engine)} if hasattr(cv2.dnn, engine) else {}
        net = cv2.dnn.readNetFromONNX(str(folder / "network.onnx"), **options)
        for name, x in first.items():
            net.setInput(x, name)
        output: NDArray[Any] = net.forward()
        yield engine, output.transpose(0, 2, 3, 1)


@pytest.mark.skipif(
    int(cv2.__version__.split(".")[0]) < 5,
    reason="OpenCV 4 finds that the means and the spreads, which are joined, have unlike shapes",
)
@pytest.mark.parametrize("size", SIZES)
def test_every_runtime_sees_the_style_that_keras_sees(
    encoder: keras.Model, size: tuple[int, int], tmp_path: Path
) -> None:
    style = load_image("coffee", size)[np.newaxis]
    vector = encoder(style).numpy()
    file = to_onnx(encoder, half=False, input_name="style", output_name="vector")
    for runtime, found in computed(file, {"style": style}, tmp_path):
        np.testing.assert_allclose(found, vector, atol=1e-3 * np.abs(vector).max(), err_msg=runtime)


@pytest.mark.parametrize("size", SIZES)
def test_every_runtime_paints_what_keras_paints(
    network: keras.Model, size: tuple[int, int], tmp_path: Path
) -> None:
    photo = load_image("astronaut", size)[np.newaxis]
    vector = np.random.default_rng(0).normal(size=(1, 1, 1, VECTOR)).astype(np.float32)
    painted = network([photo, vector]).numpy()
    file = to_onnx(network, half=False)
    for runtime, found in computed(file, {"image": photo, "vector": vector}, tmp_path):
        atol = 2e-4 * np.ptp(painted)
        np.testing.assert_allclose(found, painted, rtol=0, atol=atol, err_msg=runtime)


def test_the_vector_is_an_input_of_its_own(network: keras.Model) -> None:
    graph = to_onnx(network).graph
    shapes = {
        entry.name: [side.dim_value or side.dim_param for side in entry.type.tensor_type.shape.dim]
        for entry in graph.input
    }
    assert shapes == {
        "image": ["batch", 3, "height", "width"],
        "vector": ["batch", VECTOR, 1, 1],
    }


def test_a_batch_of_styles(network: keras.Model, tmp_path: Path) -> None:
    """Each picture of a batch has its own style."""
    random = np.random.default_rng(0)
    photos = random.random((2, 32, 40, 3), np.float32)
    vectors = random.random((2, 1, 1, VECTOR), np.float32)
    inputs = {"image": photos, "vector": vectors}
    runtime, found = next(computed(to_onnx(network, half=False), inputs, tmp_path))
    for number in range(2):
        alone = network([photos[number : number + 1], vectors[number : number + 1]])
        np.testing.assert_allclose(found[number : number + 1], alone, atol=1e-4, err_msg=runtime)
