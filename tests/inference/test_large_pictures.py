"""Large pictures, painted tile by tile, are those of one pass."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import numpy_helper
from onnx_files import (
    BACKENDS,
    Graph,
    computed,
    picture,
    rounding,
    save,
    style_network,
)

from nstlib.errors import ModelError
from nstlib.images.arrays import Blob, Image
from nstlib.inference.foreign import simplified
from nstlib.inference.runtimes import start_network
from nstlib.inference.stylizer import Stylizer
from nstlib.inference.tiles import paint_large
from nstlib.sources import load_image


def blob_of(image: Image) -> Blob:
    blob: Blob = 255 * image.transpose(2, 0, 1)[np.newaxis]
    return blob


def whole_and_in_tiles(
    model: onnx.ModelProto, image: Image, backend: str, tile: int
) -> tuple[Blob, Blob]:
    """Run a network in one go, and by tiles of a given side; on the 0..255 scale."""

    def start(proto: onnx.ModelProto) -> Any:
        return start_network(proto, backend, "test")

    blob = blob_of(image)
    return start(model)(blob), paint_large(simplified(model), blob, start, tile)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("size", "tile"), [((152, 212), 40), ((64, 300), 64), ((92, 92), 33), ((20, 400), 100)]
)
@pytest.mark.parametrize("half", [False, True])
def test_tiles_give_the_same_picture(
    backend: str, size: tuple[int, int], tile: int, half: bool
) -> None:
    image = load_image("chelsea", size=(300, 451))[: size[0], : size[1]]
    whole, tiled = whole_and_in_tiles(style_network(half=half), image, backend, tile)
    assert whole.std() > 10
    assert np.abs(whole - tiled).max() < rounding(backend)


def test_tiles_would_differ_if_each_measured_itself() -> None:
    image = load_image("chelsea", size=(300, 451))[:152, :212]
    whole, alone = (computed(style_network(), blob_of(x)) for x in (image, image[:76, :76]))
    assert np.abs(alone[..., :40, :40] - whole[..., :40, :40]).max() > 10


def other_networks() -> dict[str, onnx.ModelProto]:
    """Networks with layers that the course's own do not have."""
    found = {}

    graph = Graph(1)
    x = graph.node("LeakyRelu", graph.norm(graph.conv("image", 3, 4, 3, 2), 4))
    kernel = graph.constant(graph.random.normal(0, 0.3, (4, 3, 4, 4)).astype(np.float32))
    x = graph.node("ConvTranspose", x, kernel, strides=[2, 2], pads=[1, 1, 1, 1])
    scale = graph.constant(np.float32(100))
    found["transposed"] = graph.model(graph.node("Mul", graph.node("Sigmoid", x), scale))

    graph = Graph(2)
    kernel = graph.constant(graph.random.normal(0, 0.2, (4, 3, 3, 3)).astype(np.float32))
    x = graph.node("Conv", "image", kernel, pads=[3, 3, 3, 3], dilations=[3, 3])
    x = graph.node("Tanh", graph.norm(x, 4))
    found["dilated"] = graph.model(
        graph.node("Mul", graph.conv(x, 4, 3), graph.constant(np.float32(99)))
    )

    graph = Graph(3)
    statistics = [graph.constant(np.array([1, 2, 3], np.float32)) for _ in range(4)]
    x = graph.conv(graph.node("BatchNormalization", "image", *statistics), 3, 4, 3, 2)
    x = graph.node(
        "Resize",
        graph.node("Relu", x),
        "",
        graph.constant(np.array([1, 1, 2, 2], np.float32)),
        mode="linear",
        coordinate_transformation_mode="half_pixel",
    )
    found["no instance normalisation"] = graph.model(graph.conv(x, 4, 3))

    graph = Graph(4)
    x = graph.conv("image", 3, 4, 3)
    pooled = graph.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    mean = graph.node("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
    joined = graph.node("Concat", pooled, mean, axis=1)
    x = graph.node("Resize", joined, "", graph.doubling(), mode="cubic")
    x = graph.node("Concat", x, "image", axis=1)
    found["pools and connections that skip"] = graph.model(graph.conv(graph.norm(x, 11), 11, 3))

    # As exporters write it: scales made of constants, in nodes.
    graph = Graph(5)
    ones, fours, two = (
        graph.node("Constant", value=numpy_helper.from_array(np.array(x, np.float32)))
        for x in ([1, 1], [4, 4], [2])
    )
    scales = graph.node("Concat", ones, graph.node("Div", fours, two), axis=0)
    x, four = graph.norm(graph.conv("image", 3, 4, 3, 2), 4), graph.constant(np.float32(4))
    x = graph.node("Mul", graph.norm(graph.node("Resize", x, "", scales, mode="nearest"), 4), four)
    found["scales in nodes"] = graph.model(graph.conv(x, 4, 3))

    graph = Graph(6)
    x = graph.node(
        "Transpose", graph.node("Transpose", "image", perm=[0, 2, 3, 1]), perm=[0, 3, 1, 2]
    )
    found["transposed to and fro"] = graph.model(graph.norm(graph.conv(x, 3, 3, 3), 3))

    # Kernels that look farther to the right, and farther down, than to the left and up.
    for side, stride, pads in ((5, 2, [0, 0, 3, 3]), (4, 1, [1, 1, 2, 2])):
        graph = Graph(side)
        kernel = graph.constant(graph.random.normal(0, 0.2, (4, 3, side, side)).astype(np.float32))
        x = graph.node("Conv", "image", kernel, pads=pads, strides=[stride, stride])
        x = graph.node("Mul", graph.norm(x, 4), graph.constant(np.float32(50)))
        x = graph.conv(graph.enlarged(x) if stride == 2 else x, 4, 3, side=1)
        found[f"kernels of {side} that stand off centre"] = graph.model(x)
    return found


@pytest.mark.parametrize("name", other_networks())
def test_tiles_of_other_networks(name: str) -> None:
    image = load_image("chelsea", size=(92, 132))
    whole, tiled = whole_and_in_tiles(other_networks()[name], image, "ort", 32)
    assert whole.std() > 1
    assert np.abs(whole - tiled).max() < 0.01


def test_memory_of_a_large_picture_is_that_of_a_tile() -> None:
    seen: list[int] = []

    def start(proto: onnx.ModelProto) -> Any:
        run = start_network(proto, "cv2", "test")

        def recorded(blob: NDArray[np.float32]) -> NDArray[np.float32]:
            output = run(blob)
            seen.extend([*blob.shape[2:], *output.shape[2:]])
            return output

        return recorded

    paint_large(style_network(), blob_of(picture(400, 404)), start, tile=80)
    # Two halvings, and four convolutions at a quarter of the size: 60 pixels away nothing is seen.
    assert 80 < max(seen) <= 80 + 2 * 60


def test_only_large_pictures_are_cut_into_tiles(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    paint = paint_large

    def recorded(proto: onnx.ModelProto, blob: NDArray[np.float32], *others: Any) -> Any:
        sizes.append(blob.shape)
        return paint(proto, blob, *others)

    monkeypatch.setattr("nstlib.inference.stylizer.paint_large", recorded)
    path = save(style_network(), tmp_path / "style.onnx")
    stylizer = Stylizer(path, whole_megapixels=0.0064)
    stylizer(picture(80, 80))
    assert sizes == []
    stylizer(picture(80, 81))
    assert sizes == [(1, 3, 80, 84)]


def test_what_looks_at_all_of_a_picture_is_not_cut_into_tiles(tmp_path: Path) -> None:
    graph = Graph()
    mean = graph.node("GlobalAveragePool", "image")
    path = save(graph.model(graph.node("Sub", "image", mean)), tmp_path / "mean.onnx")
    image = picture(32, 32)
    assert Stylizer(path)(image).shape == image.shape
    with pytest.raises(ModelError, match="GlobalAveragePool, which this network holds") as error:
        Stylizer(path, whole_megapixels=1e-6)(image)
    assert str(error.value).endswith("make the picture smaller, or raise whole_megapixels")
    assert error.value.command.endswith("make the picture smaller: --size")


@pytest.mark.parametrize("factor", [2.0, 1.5])
def test_what_enlarges_a_picture_is_not_cut_into_tiles(factor: float) -> None:
    graph = Graph()
    scales = graph.constant(np.array([1, 1, factor, factor], np.float32))
    model = graph.model(graph.node("Resize", "image", "", scales, mode="nearest"))
    with pytest.raises(ModelError, match=f"Resize in this network enlarges it by {factor:g}"):
        whole_and_in_tiles(model, picture(32, 32), "ort", 16)


def test_channels_last_are_cut_into_tiles(tmp_path: Path) -> None:
    graph = Graph(7)
    x = graph.node("Transpose", "image", perm=[0, 3, 1, 2])
    x = graph.node("Transpose", graph.norm(graph.conv(x, 3, 3, 5), 3), perm=[0, 2, 3, 1])
    x = graph.node("Mul", x, graph.constant(np.float32(100)))
    sides = ("batch", "height", "width", 3)
    path = save(graph.model(x, sides, sides), tmp_path / "last.onnx")
    image = load_image("chelsea", size=(64, 600))
    whole, tiled = Stylizer(path)(image), Stylizer(path, whole_megapixels=1e-6)(image)
    assert whole.std() > 0.05
    assert np.abs(whole - tiled).max() * 255 < rounding("cv2")


def test_what_shrinks_a_picture_is_not_cut_into_tiles(tmp_path: Path) -> None:
    graph = Graph()
    around = graph.constant(np.array([0, 0, 1, 1, 0, 0, 1, 1]))
    kernel = graph.constant(np.ones((3, 3, 3, 3), np.float32))
    x = graph.norm(graph.node("Pad", "image", around), 3)
    path = save(graph.model(graph.node("Conv", x, kernel)), tmp_path / "valid.onnx")
    image = picture(32, 32)
    assert Stylizer(path)(image).shape == image.shape
    with pytest.raises(ModelError, match="change its size"):
        Stylizer(path, whole_megapixels=1e-6)(image)
