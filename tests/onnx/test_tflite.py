"""TensorFlow Lite files become ONNX files that compute the same."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper
from onnx_files import FLOAT, computed

from nstlib._tensorflow import keras, tf
from nstlib.assets.cache import asset_path
from nstlib.errors import DependencyError, ModelError
from nstlib.inference.segmenter import PersonSegmenter
from nstlib.onnx.tflite import from_tflite, replace_transpose_bias
from nstlib.sources import load_image


@pytest.fixture(scope="module")
def network() -> keras.Model:
    """A person network of MediaPipe's contract, of ordinary layers."""
    keras.utils.set_random_seed(0)
    image = keras.Input((32, 32, 3), batch_size=1, name="image")
    x = keras.layers.Conv2D(6, 3, strides=2, padding="same", activation="relu")(image)
    x = keras.layers.UpSampling2D(2, interpolation="bilinear")(x)
    return keras.Model(image, keras.layers.Conv2D(1, 3, padding="same", activation="sigmoid")(x))


@pytest.fixture(scope="module")
def file(network: keras.Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tflite") / "person.tflite"
    path.write_bytes(tf.lite.TFLiteConverter.from_keras_model(network).convert())
    return path


def test_converted_file_computes_what_the_model_does(
    network: keras.Model, file: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "person.onnx"
    capfd.readouterr()
    assert from_tflite(file, path, metadata={"licence": "mine"}).ok
    assert capfd.readouterr() == ("", "")  # not even from TensorFlow's C++ part
    metadata = {entry.key: entry.value for entry in onnx.load(path).metadata_props}
    assert metadata["licence"] == "mine"
    photo = load_image("astronaut", (32, 32))
    expected = network(photo[np.newaxis]).numpy()[0, ..., 0]
    assert expected.std() > 0.01
    for backend in ("cv2", "ort"):
        found = PersonSegmenter(path, backend=backend)(photo)
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_mediapipes_operator_is_a_transposed_convolution_with_a_bias() -> None:
    random = np.random.default_rng(0)
    x = random.normal(size=(1, 5, 7, 4)).astype(np.float32)
    kernel = random.normal(size=(3, 2, 2, 4)).astype(np.float32)  # out, rows, columns, in
    bias = random.normal(size=3).astype(np.float32)
    node = helper.make_node("TFL_Convolution2DTransposeBias", ["image", "kernel", "bias"], ["y"])
    graph = helper.make_graph(
        [node],
        "test",
        [helper.make_tensor_value_info("image", FLOAT, x.shape)],
        [helper.make_tensor_value_info("y", FLOAT, (1, 10, 14, 3))],
        [numpy_helper.from_array(kernel, "kernel"), numpy_helper.from_array(bias, "bias")],
    )
    replace_transpose_bias(graph)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)

    # Each position becomes a block of 2 x 2 pixels.
    blocks = np.einsum("byxi,orci->byrxco", x, kernel)
    expected = blocks.reshape(1, 10, 14, 3) + bias
    np.testing.assert_allclose(computed(model, x), expected, atol=1e-5)


def test_mediapipes_selfie_segmentation(tmp_path: Path) -> None:
    source = asset_path("selfie_segmentation")
    if not source.is_file():
        pytest.skip(f"{source.name} is not in the cache")
    path = tmp_path / "selfie.onnx"
    assert from_tflite(source, path).ok
    mask = PersonSegmenter(path).mask(load_image("astronaut"))
    assert (mask[60:180, 190:260] == 255).mean() > 0.95  # her face
    assert (mask[:150, :90] == 0).mean() > 0.95  # the flag


@pytest.mark.parametrize("content", [b"", b"no network", b"\x1c\x00\x00\x00TFL3" + bytes(40)])
def test_broken_files(tmp_path: Path, content: bytes) -> None:
    source, path = tmp_path / "broken.tflite", tmp_path / "out.onnx"
    source.write_bytes(content)
    with pytest.raises(ModelError, match=r"broken\.tflite cannot be converted") as error:
        from_tflite(source, path)
    assert "\n" not in str(error.value)
    assert not path.exists()


def test_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"none\.tflite cannot be converted"):
        from_tflite(tmp_path / "none.tflite", tmp_path / "out.onnx")


def test_nothing_is_written_if_it_computes_something_else(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nstlib.onnx.tflite.largest_difference", lambda *_: 0.5)
    with pytest.raises(ModelError, match=r"out\.onnx is not written: it is 0\.5 off from what"):
        from_tflite(file, tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()


def test_tf2onnx_is_not_installed(
    file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tf2onnx", None)
    with pytest.raises(DependencyError, match=r"pip install 'nstlib\[tflite\]'"):
        from_tflite(file, tmp_path / "out.onnx")
