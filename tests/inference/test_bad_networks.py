"""What is no network for this, and what is no picture, is refused in one line."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper
from onnx_files import (
    BACKENDS,
    FLOAT,
    Graph,
    save,
    style_network,
    two_channels,
)

from nstlib.errors import ArgumentError, ImageError, ModelError
from nstlib.inference.stylizer import Stylizer


@pytest.fixture(scope="module")
def style_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(style_network(), tmp_path_factory.mktemp("style") / "style.onnx")


@pytest.fixture(scope="module")
def person_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(two_channels(), tmp_path_factory.mktemp("person") / "person.onnx")


def one_line(error: pytest.ExceptionInfo[BaseException]) -> str:
    text = str(error.value)
    assert "\n" not in text
    assert len(text) < 600
    return text


def relu(
    shape: tuple[Any, ...], type_: int = FLOAT, more: tuple[onnx.ValueInfoProto, ...] = ()
) -> bytes:
    graph = Graph()
    model = graph.model(graph.node("Relu", "image"), shape, shape)
    model.graph.input[0].type.tensor_type.elem_type = type_
    model.graph.input.extend(more)
    return model.SerializeToString()


def with_weights_elsewhere() -> bytes:
    graph = Graph()
    model = graph.model(graph.node("Add", "image", graph.constant(np.array([1], np.float32))))
    (tensor,) = model.graph.initializer
    tensor.ClearField("raw_data")
    tensor.data_location = onnx.TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", "../secret.bin"
    return model.SerializeToString()


FREE = ("batch", 3, "height", "width")
BAD = {
    "empty": (b"", "is not an ONNX file, or is cut off"),
    "text": (b"not a network", "is not an ONNX file"),
    "picture": (b"\x89PNG\r\n\x1a\n" + bytes(100), "is not an ONNX file"),
    "cut off": (style_network().SerializeToString()[:2000], "is not an ONNX file, or is cut off"),
    "grey": (
        relu(("batch", 1, "height", "width")),
        "takes float32 pictures (1, any, any); a style network takes 3 channels",
    ),
    "flat": (
        relu(("batch", 3)),
        "is float32, shape (any, 3); it must be float32, float16 or uint8",
    ),
    "double": (
        relu(FREE, onnx.TensorProto.DOUBLE),
        "is float64, shape (any, 3, any, any); it must",
    ),
    "unknown channels": (relu(("batch", "c", "h", "w")), "the number of channels known"),
    "two inputs": (
        relu(FREE, more=(helper.make_tensor_value_info("more", FLOAT, ["n"]),)),
        "has the inputs ['image', 'more']",
    ),
    "weights elsewhere": (with_weights_elsewhere(), "asks for data that it may not have"),
}


@pytest.mark.parametrize("name", BAD)
def test_files_that_are_no_style_networks(name: str, tmp_path: Path) -> None:
    content, words = BAD[name]
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError) as error:
        Stylizer(path)
    assert words in one_line(error)


@pytest.mark.parametrize("backend", BACKENDS)
def test_operators_that_a_runtime_does_not_know(
    backend: str, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    model = style_network()
    model.graph.node[1].op_type = "Enchant"
    path = save(model, tmp_path / "unknown.onnx")
    with pytest.raises(
        ModelError, match=r"cannot run .*unknown\.onnx .*Enchant.*, and .* cannot either"
    ) as error:
        Stylizer(path, backend=backend)
    one_line(error)
    assert capfd.readouterr().err == ""  # the runtimes' own outcry is not shown besides


def test_output_of_another_size(tmp_path: Path) -> None:
    graph = Graph()
    path = save(graph.model(graph.enlarged("image")), tmp_path / "twice.onnx")
    words = r"gives \(1, 3, 136, 200\) for \(1, 3, 68, 100\); a style network gives back the size"
    with pytest.raises(ModelError, match=words) as error:
        Stylizer(path)
    one_line(error)


def test_output_that_is_no_number(tmp_path: Path) -> None:
    graph = Graph()
    x = graph.node("Sqrt", graph.node("Sub", "image", graph.constant(np.float32(1000))))
    path = save(graph.model(x), tmp_path / "nan.onnx")
    words = r"nan\.onnx computes values that are no numbers, in OpenCV and in ONNX Runtime"
    with pytest.raises(ModelError, match=words):
        Stylizer(path)


@pytest.mark.parametrize("name", ["mosaik", "no/such/file.onnx", Path("mosaic")])
def test_networks_that_are_not_there(
    name: str | Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArgumentError, match="is no style: give one of mosaic, candy, ") as error:
        Stylizer(name)
    assert repr(str(name)) in one_line(error)


def test_tflite_has_to_be_converted(tmp_path: Path) -> None:
    path = tmp_path / "selfie.tflite"
    path.write_bytes(b"TFL3")
    with pytest.raises(ModelError, match=r"convert it first: nstlib\.onnx\.tflite\.from_tflite"):
        Stylizer(path)


def test_unknown_backend(style_file: Path) -> None:
    with pytest.raises(ArgumentError, match="backend is 'torch'; it must be one of cv2, ort"):
        Stylizer(style_file, backend="torch")


@pytest.mark.parametrize("megapixels", [0, -1, float("nan")])
def test_whole_megapixels_outside_their_range(style_file: Path, megapixels: float) -> None:
    with pytest.raises(ArgumentError, match=r"whole_megapixels is .*; it must be a number above 0"):
        Stylizer(style_file, whole_megapixels=megapixels)


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((16, 16), np.float32),
        np.zeros((16, 16, 4), np.float32),
        np.zeros((0, 16, 3), np.float32),
        np.zeros((16, 16, 3), np.uint8),
        np.full((16, 16, 3), 255.0),
        np.full((16, 16, 3), np.nan),
    ],
)
def test_arrays_that_are_no_images(style_file: Path, image: NDArray[Any]) -> None:
    with pytest.raises(ImageError, match="image"):
        Stylizer(style_file)(image)


def test_tensorflow_is_not_needed(style_file: Path, person_file: Path) -> None:
    code = f"""
import sys
import nstlib as nst
photo = nst.load_image("coffee", 64)
for backend in ("cv2", "ort"):
    stylizer = nst.Stylizer({str(style_file)!r}, backend=backend)
    print(stylizer(photo, 0.7, preserve_colors=True).shape)
    segmenter = nst.PersonSegmenter({str(person_file)!r}, backend=backend)
    print(segmenter.matte(photo).shape)
print(sorted({{"tensorflow", "keras"}} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [*2 * ["(43, 64, 3)", "(43, 64)"], "[]"]
