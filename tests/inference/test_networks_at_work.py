"""Style and person networks at work: the values that are computed by hand, and no surprises."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from onnx import helper
from onnx_files import FLOAT, Graph, computed, save, style_network

from nstlib.assets.cache import asset_path, embedded_model
from nstlib.errors import ArgumentError, ImageError, ModelError
from nstlib.images.arrays import Image, from_uint8, to_uint8
from nstlib.images.colors import replace_luminance
from nstlib.images.resizing import resize
from nstlib.inference import tiles
from nstlib.inference.mattes import guided_filter
from nstlib.inference.runtimes import start_network
from nstlib.inference.segmenter import PersonSegmenter
from nstlib.inference.stylizer import STYLE_NETWORKS, Stylizer
from nstlib.inference.tiles import paint_large
from nstlib.sources import load_image

BACKENDS = ("cv2", "ort")


def picture(height: int, width: int, seed: int = 0) -> Image:
    return np.random.default_rng(seed).uniform(0, 1, (height, width, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def style_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(style_network(), tmp_path_factory.mktemp("style") / "style.onnx")


def painted(model: onnx.ModelProto, image: Image) -> NDArray[np.float32]:
    """Paint by the reference implementation: mirror to multiples of 4, compute, cut, clip."""
    height, width, _ = image.shape
    more = [(0, max(16, side + -side % 4) - side) for side in (height, width)]
    padded = np.pad(image, [*more, (0, 0)], mode="reflect")
    blob = computed(model, 255 * padded.transpose(2, 0, 1)[np.newaxis])
    return np.clip(blob[0].transpose(1, 2, 0)[:height, :width] / 255, 0, 1)


# The style network


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("size", [(16, 16), (32, 48), (21, 38), (250, 333), (1, 1), (3, 40)])
def test_painting_is_what_the_file_computes(
    style_file: Path, backend: str, size: tuple[int, int]
) -> None:
    image = picture(*size)
    painting = Stylizer(style_file, backend=backend)(image)
    assert painting.shape == image.shape
    assert painting.dtype == np.float32
    np.testing.assert_allclose(painting, painted(style_network(), image), atol=1e-4)
    if size > (16, 16):
        assert painting.std() > 0.05  # there is something to compare


def test_values_beyond_the_scale_are_clipped(style_file: Path) -> None:
    image = picture(64, 64)
    assert (computed(style_network(), 255 * image.transpose(2, 0, 1)[np.newaxis]) > 255).any()
    painting = Stylizer(style_file)(image)
    assert painting.min() >= 0
    assert painting.max() == 1


@settings(max_examples=15)
@given(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=2, max_size=4))
def test_one_object_paints_pictures_of_many_sizes(sizes: list[tuple[int, int]]) -> None:
    stylizer = ONE.setdefault("stylizer", Stylizer(ONE["file"]))
    images = [picture(*size, seed=i) for i, size in enumerate(sizes)]
    paintings = [stylizer(image) for image in images]
    for image, painting in zip(images, paintings, strict=True):
        assert painting.shape == image.shape
        # What was returned earlier is not painted over by the pictures after it.
        np.testing.assert_allclose(painting, painted(style_network(), image), atol=1e-4)


#: For the test above: hypothesis and fixtures of a function don't go together.
ONE: dict[str, Any] = {}


@pytest.fixture(scope="module", autouse=True)
def _one_file(style_file: Path) -> None:
    ONE["file"] = style_file


def test_picture_and_painting_are_not_the_same_memory(style_file: Path) -> None:
    image = picture(20, 24)
    before = image.copy()
    stylizer = Stylizer(style_file)
    for strength in (0.0, 0.5, 1.0):
        painting = stylizer(image, strength)
        painting[:] = 0
        np.testing.assert_array_equal(image, before)


def test_strength_mixes_photograph_and_painting(style_file: Path) -> None:
    image = picture(30, 40)
    stylizer = Stylizer(style_file)
    np.testing.assert_array_equal(stylizer(image, strength=0), image)
    whole = stylizer(image)
    for strength in (0.25, np.float64(0.8)):
        mixed = stylizer(image, strength=strength)
        assert mixed.dtype == np.float32
        np.testing.assert_allclose(mixed, (1 - strength) * image + strength * whole, atol=1e-6)


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan"), float("inf")])
def test_strength_outside_its_range(style_file: Path, strength: float) -> None:
    with pytest.raises(ArgumentError, match=r"strength is .*; it must be a number from 0 to 1"):
        Stylizer(style_file)(picture(16, 16), strength)


def test_colours_are_kept(style_file: Path) -> None:
    image = picture(32, 32)
    stylizer = Stylizer(style_file)
    kept = stylizer(image, preserve_colors=True)
    np.testing.assert_allclose(kept, replace_luminance(image, stylizer(image)), atol=1e-6)
    assert np.abs(kept - stylizer(image)).mean() > 0.02


def test_order_of_colours_is_the_files(tmp_path: Path) -> None:
    image = picture(32, 36)
    bgr = save(style_network(channel_order="BGR"), tmp_path / "bgr.onnx")
    expected = painted(style_network(), image[..., ::-1])[..., ::-1]
    np.testing.assert_allclose(Stylizer(bgr)(image), expected, atol=1e-4)
    assert np.abs(painted(style_network(), image) - expected).mean() > 0.02


@pytest.mark.parametrize("backend", BACKENDS)
def test_half_precision_kernels(tmp_path: Path, backend: str) -> None:
    model = style_network(half=True)
    stored = {tensor.data_type for tensor in model.graph.initializer}
    assert onnx.TensorProto.FLOAT16 in stored
    stylizer = Stylizer(save(model, tmp_path / "half.onnx"), backend=backend)
    image = picture(40, 44)
    np.testing.assert_allclose(stylizer(image), painted(model, image), atol=1e-4)


@pytest.mark.parametrize("name", STYLE_NETWORKS)
def test_styles_that_come_with_the_library(name: str) -> None:
    assert embedded_model(f"{name}.onnx").is_file()
    photo = load_image("coffee", size=160)
    by_opencv, by_onnx_runtime = (Stylizer(name, backend=backend)(photo) for backend in BACKENDS)
    np.testing.assert_allclose(by_opencv, by_onnx_runtime, atol=1e-3)
    assert np.abs(by_opencv - photo).mean() > 0.05  # it paints
    assert by_opencv.std() > 0.1


# Large pictures


def whole_and_in_tiles(
    model: onnx.ModelProto, image: Image, backend: str, tile: int
) -> tuple[Image, Image]:
    """Paint in one go, and by tiles of a given side."""
    path = Path(ONE["file"]).parent / "large.onnx"
    save(model, path)
    whole = Stylizer(path, backend=backend)(image)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tiles, "TILE", tile)
        return whole, Stylizer(path, backend=backend, whole_megapixels=1e-6)(image)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("size", "tile"), [((150, 211), 40), ((64, 300), 64), ((90, 90), 33), ((17, 400), 100)]
)
@pytest.mark.parametrize("half", [False, True])
def test_tiles_give_the_same_picture(
    backend: str, size: tuple[int, int], tile: int, half: bool
) -> None:
    image = load_image("chelsea", size=(300, 451))[: size[0], : size[1]]
    whole, tiled = whole_and_in_tiles(style_network(half=half), image, backend, tile)
    assert whole.std() > 0.05
    # In 8 bits the two are the same but for rounding.
    assert np.abs(whole - tiled).max() * 255 < 0.01


def test_tiles_would_differ_if_each_measured_itself() -> None:
    image = load_image("chelsea", size=(300, 451))[:152, :212]
    whole, _ = whole_and_in_tiles(style_network(), image, "cv2", 76)
    stylizer = Stylizer(ONE["file"])
    alone = stylizer(image[:76, :76])
    assert np.abs(alone[:40, :40] - whole[:40, :40]).max() * 255 > 10


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
    return found


@pytest.mark.parametrize("name", other_networks())
def test_tiles_of_other_networks(name: str) -> None:
    image = load_image("chelsea", size=(90, 132))
    whole, tiled = whole_and_in_tiles(other_networks()[name], image, "ort", 32)
    assert whole.std() > 0.01
    assert np.abs(whole - tiled).max() * 255 < 0.01


def test_memory_of_a_large_picture_is_that_of_a_tile() -> None:
    seen: list[int] = []

    def start(proto: onnx.ModelProto) -> Any:
        run = start_network(proto, "cv2", "test")

        def recorded(blob: NDArray[np.float32]) -> NDArray[np.float32]:
            output = run(blob)
            seen.extend([*blob.shape[2:], *output.shape[2:]])
            return output

        return recorded

    blob = 255 * picture(400, 404).transpose(2, 0, 1)[np.newaxis]
    paint_large(style_network(), blob, start, tile=80)
    # Two halvings, and four convolutions at a quarter of the size: 60 pixels away nothing is seen.
    assert 80 < max(seen) <= 80 + 2 * 60


def test_only_large_pictures_are_cut_into_tiles(
    style_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = []
    paint = paint_large

    def recorded(proto: onnx.ModelProto, blob: NDArray[np.float32], *others: Any) -> Any:
        sizes.append(blob.shape)
        return paint(proto, blob, *others)

    monkeypatch.setattr("nstlib.inference.stylizer.paint_large", recorded)
    stylizer = Stylizer(style_file, whole_megapixels=0.0064)
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
    with pytest.raises(ModelError, match="GlobalAveragePool, which this network holds, cannot"):
        Stylizer(path, whole_megapixels=1e-6)(image)


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


# The person network


def two_channels(size: int = 192) -> onnx.ModelProto:
    """Build a network of PP-HumanSeg's contract, with random weights."""
    graph = Graph(4)
    x = graph.node("Relu", graph.conv("image", 3, 6, 5))
    x = graph.node("Mul", graph.conv(x, 6, 2, 5), graph.constant(np.float32(4)))
    sides = (1, 3, size, size)
    return graph.model(graph.node("Softmax", x, axis=1), sides, (1, 2, size, size))


def one_channel(size: int = 256) -> onnx.ModelProto:
    """Build a network of the contract of MediaPipe's selfie segmentation, with random weights."""
    graph = Graph(5)
    x = graph.conv(graph.node("Relu", graph.conv("image", 3, 6, 5)), 6, 1, 5)
    x = graph.node("Mul", x, graph.constant(np.float32(4)))
    sides = (1, 3, size, size)
    return graph.model(graph.node("Sigmoid", x), sides, (1, 1, size, size))


def as_in_the_tutorial(path: Path, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Segment a BGR image: normalise by hand, enlarge both probabilities, take the larger."""
    height, width, _ = image.shape
    model = cv2.dnn.readNetFromONNX(str(path))
    floats = image.astype(np.float32) / 255.0
    floats -= np.full_like(floats, 0.5)
    floats /= np.full_like(floats, 0.5)
    model.setInput(cv2.dnn.blobFromImage(floats, 1.0, (192, 192), swapRB=True))
    output = model.forward(model.getUnconnectedOutLayersNames()[0])
    maps = cv2.resize(output[0].transpose(1, 2, 0), (width, height))
    classes = np.argmax(maps.transpose(2, 0, 1)[np.newaxis], axis=1)[0]
    return (classes * 255).astype(np.uint8)


@pytest.fixture(scope="module")
def person_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(two_channels(), tmp_path_factory.mktemp("person") / "person.onnx")


@pytest.mark.parametrize("size", [(192, 192), (360, 640), (101, 57), (1, 1)])
def test_mask_is_the_tutorials(person_file: Path, size: tuple[int, int]) -> None:
    pixels = to_uint8(load_image("astronaut", size))
    mask = PersonSegmenter(person_file).mask(from_uint8(pixels))
    expected = as_in_the_tutorial(person_file, np.ascontiguousarray(pixels[..., ::-1]))
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, expected)
    if size > (1, 1):
        assert {0, 255} == set(np.unique(mask))  # there is something to compare


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", ["two channels", "one channel"])
def test_probabilities_are_what_the_file_computes(tmp_path: Path, backend: str, kind: str) -> None:
    model = two_channels(40) if kind == "two channels" else one_channel(40)
    photo = load_image("astronaut", (40, 40))
    segmenter = PersonSegmenter(save(model, tmp_path / "person.onnx"), backend=backend)
    blob = photo.transpose(2, 0, 1)[np.newaxis]
    output = computed(model, 2 * blob - 1 if kind == "two channels" else blob)
    found = segmenter(photo)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, output[0, -1], atol=1e-5)
    np.testing.assert_array_equal(segmenter.mask(photo), 255 * (found > 0.5))
    assert found.min() < 0.4
    assert found.max() > 0.6


def test_probabilities_are_enlarged_linearly(tmp_path: Path) -> None:
    model = one_channel(24)
    segmenter = PersonSegmenter(save(model, tmp_path / "person.onnx"))
    photo = load_image("astronaut", (24, 24))
    small, large_ = segmenter(photo), segmenter(np.repeat(np.repeat(photo, 2, 0), 2, 1))
    assert large_.shape == (48, 48)
    # At twice the size, positions lie a quarter of a pixel beside the old ones.
    expected = 0.75 * small[5, 7] + 0.25 * small[5, 8]
    expected_below = 0.75 * small[6, 7] + 0.25 * small[6, 8]
    assert large_[11, 15] == pytest.approx(0.75 * expected + 0.25 * expected_below, abs=2e-3)


@pytest.mark.parametrize("kind", ["two channels", "one channel"])
def test_order_of_colours(tmp_path: Path, kind: str) -> None:
    """A network that takes red for a person and blue for none."""
    graph = Graph()
    weights = np.array([[9, 0, -9]], np.float32).reshape(1, 3, 1, 1)
    if kind == "two channels":
        both = graph.constant(np.concatenate([-weights, weights]) / 4)
        output = graph.node("Softmax", graph.node("Conv", "image", both), axis=1)
    else:
        output = graph.node("Sigmoid", graph.node("Conv", "image", graph.constant(weights)))
    outside = (1, 2 if kind == "two channels" else 1, 32, 32)
    model = graph.model(output, (1, 3, 32, 32), outside)
    segmenter = PersonSegmenter(save(model, tmp_path / "red.onnx"))

    photo = np.full((32, 32, 3), 0.4, np.float32)
    photo[:, :12, 0], photo[:, :12, 2] = 0.9, 0.1
    photo[:, 20:, 0], photo[:, 20:, 2] = 0.1, 0.9
    found, swapped = segmenter(photo), segmenter(photo[..., ::-1])
    assert (found[:, :12] > 0.99).all()
    assert (found[:, 20:] < 0.01).all()
    # Red and blue change places; what has as much of one as of the other stays as it is.
    np.testing.assert_allclose(swapped[:, :12], 1 - found[:, :12], atol=1e-5)
    np.testing.assert_allclose(swapped[:, 20:], 1 - found[:, 20:], atol=1e-5)
    np.testing.assert_allclose(swapped[:, 12:20], found[:, 12:20], atol=1e-5)
    np.testing.assert_allclose(found[:, 12:20], 0.5, atol=1e-5)


@settings(max_examples=10)
@given(
    st.integers(1, 12), st.integers(1, 12), st.integers(1, 3), st.sampled_from([1e-4, 1e-2, 1.0])
)
def test_guided_filter_is_least_squares_in_windows(
    height: int, width: int, radius: int, epsilon: float
) -> None:
    random = np.random.default_rng(height * 100 + width)
    guide = random.uniform(0, 1, (height, width, 3))
    mask = random.uniform(0, 1, (height, width))

    def windows(values: NDArray[Any]) -> NDArray[Any]:
        around = [(radius, radius)] * 2 + [(0, 0)] * (values.ndim - 2)
        side = (2 * radius + 1, 2 * radius + 1)
        padded = np.pad(values, around, mode="symmetric")
        return np.lib.stride_tricks.sliding_window_view(padded, side, axis=(0, 1))

    fits = np.empty((height, width, 4))
    of_guide, of_mask = windows(guide), windows(mask)
    for y in range(height):
        for x in range(width):
            colors, wanted = of_guide[y, x].reshape(3, -1).T, of_mask[y, x].ravel()
            middle = colors.mean(axis=0)
            # Ridge regression as ordinary least squares with three rows more.
            count = len(wanted)
            rows = np.concatenate([colors - middle, np.sqrt(epsilon * count) * np.eye(3)])
            goal = np.concatenate([wanted - wanted.mean(), np.zeros(3)])
            slopes = np.linalg.lstsq(rows, goal, rcond=None)[0]
            fits[y, x] = *slopes, wanted.mean() - slopes @ middle
    means = windows(fits).mean(axis=(-1, -2))
    expected = (means[..., :3] * guide).sum(axis=2) + means[..., 3]
    np.testing.assert_allclose(guided_filter(guide, mask, radius, epsilon), expected, atol=2e-3)


@pytest.mark.parametrize(
    ("mask", "radius", "epsilon", "words"),
    [
        (np.zeros((8, 9)), 1, 1e-3, r"mask has shape \(8, 9\); guide has \(8, 8\)"),
        (np.zeros((8, 8)), 0, 1e-3, "radius is 0; it must be a whole number, 1 or more"),
        (np.zeros((8, 8)), 1, 0.0, r"epsilon is 0\.0; it must be a number above 0"),
        (np.zeros((8, 8)), 1, float("nan"), "epsilon is nan; it must be a number above 0"),
    ],
)
def test_guided_filter_refuses(mask: NDArray[Any], radius: int, epsilon: float, words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        guided_filter(np.zeros((8, 8, 3)), mask, radius, epsilon)


def disc(size: int) -> tuple[Image, NDArray[np.bool_]]:
    """Draw a person, a striped disc, before a grey wall; and where it is."""
    y, x = np.mgrid[:size, :size] / size
    person = np.hypot(x - 0.5, y - 0.55) < 0.3
    photo = np.where(person[..., np.newaxis], [0.8, 0.45, 0.3], [0.35, 0.4, 0.45])
    photo[..., 1] += 0.05 * np.sin(60 * x) * person
    return photo.astype(np.float32), person


class Coarse(PersonSegmenter):
    """Finds the disc too far to the right, at a small size."""

    def __init__(self) -> None:
        pass

    def _probabilities(self, photo: Image) -> NDArray[np.float32]:  # noqa: ARG002
        moved = np.roll(disc(96)[1], 1, axis=1).astype(np.float32)
        person = np.asarray(cv2.GaussianBlur(moved, (0, 0), 1), np.float32)
        return np.stack([1 - person, person], axis=2)


@pytest.mark.parametrize("size", [300, 1100])
def test_matte_has_the_edges_of_the_picture(size: int) -> None:
    photo, person = disc(size)
    segmenter = Coarse()
    before = np.abs(segmenter(photo) - person)
    after = np.abs(segmenter.matte(photo) - person)
    assert segmenter.matte(photo).dtype == np.float32
    assert segmenter.matte(photo).shape == person.shape
    assert after.mean() < 0.7 * before.mean()
    assert (after > 0.5).sum() < 0.7 * (before > 0.5).sum()


def test_matte_of_a_large_picture_is_that_of_a_small_one() -> None:
    photo, _ = disc(1024)
    segmenter = Coarse()
    matte, small = segmenter.matte(photo), segmenter.matte(resize(photo, 512))
    assert np.abs(cv2.resize(matte, (512, 512), interpolation=cv2.INTER_AREA) - small).mean() < 0.01


@pytest.mark.parametrize("size", [(1, 1), (1, 700), (700, 1), (513, 2)])
def test_matte_of_odd_shapes(person_file: Path, size: tuple[int, int]) -> None:
    matte = PersonSegmenter(person_file).matte(picture(*size))
    assert matte.shape == size
    assert ((matte >= 0) & (matte <= 1)).all()


def test_person_network_that_comes_with_the_library() -> None:
    assert embedded_model("person.onnx").is_file()
    photo = load_image("astronaut")
    for backend in BACKENDS:
        mask = PersonSegmenter(backend=backend).mask(photo)
        assert (mask[60:180, 190:260] == 255).mean() > 0.95  # her face
        assert (mask[:150, :90] == 0).mean() > 0.95  # the flag
        assert (PersonSegmenter(backend=backend).mask(load_image("rocket")) == 0).mean() > 0.97


def test_pp_humanseg() -> None:
    path = asset_path("pp_humanseg")
    if not path.is_file():
        pytest.skip(f"{path.name} is not in the cache")
    photo = load_image("astronaut")
    mask = PersonSegmenter("pp_humanseg").mask(photo)
    bgr = np.ascontiguousarray(to_uint8(photo)[..., ::-1])
    np.testing.assert_array_equal(mask, as_in_the_tutorial(path, bgr))
    assert (mask[60:180, 190:260] == 255).mean() > 0.95


@pytest.mark.parametrize(
    ("shape", "result", "words"),
    [
        (
            ("batch", 3, "height", "width"),
            ("batch", 2, "h", "w"),
            "3 channels of any size; a person",
        ),
        ((1, 1, 32, 32), (1, 2, 32, 32), "1 channels of 32×32; a person network takes 3 of one"),
        ((1, 3, 32, 32), (1, 3, 32, 32), r"gives \(1, 3, 32, 32\) for .*; a person network gives"),
    ],
)
def test_files_that_are_no_person_networks(
    tmp_path: Path, shape: tuple[Any, ...], result: tuple[Any, ...], words: str
) -> None:
    graph = Graph()
    path = save(graph.model(graph.node("Relu", "image"), shape, result), tmp_path / "other.onnx")
    with pytest.raises(ModelError, match=words) as error:
        PersonSegmenter(path)
    one_line(error)


# Bad input


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
    "grey": (relu(("batch", 1, "height", "width")), "a style network takes 3 of any size"),
    "one size": (relu((1, 3, 224, 224)), "takes 3 channels of 224×224; a style network"),
    "flat": (relu(("batch", 3)), "it must be float32 (batch, channels, height, width)"),
    "bytes": (relu(FREE, onnx.TensorProto.UINT8), "float32"),
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
        ModelError, match=r"cannot run .*unknown\.onnx .*Enchant.*; try the"
    ) as error:
        Stylizer(path, backend=backend)
    one_line(error)
    assert capfd.readouterr().err == ""  # the runtimes' own outcry is not shown besides


def test_output_of_another_size(tmp_path: Path) -> None:
    graph = Graph()
    path = save(graph.model(graph.enlarged("image")), tmp_path / "twice.onnx")
    with pytest.raises(ModelError, match=r"gives \(1, 3, 32, 32\) for \(1, 3, 16, 16\)") as error:
        Stylizer(path)(picture(16, 16))
    one_line(error)


def test_output_that_is_no_number(tmp_path: Path) -> None:
    graph = Graph()
    x = graph.node("Sqrt", graph.node("Sub", "image", graph.constant(np.float32(1000))))
    path = save(graph.model(x), tmp_path / "nan.onnx")
    with pytest.raises(ModelError, match="computes values that are no numbers"):
        Stylizer(path)(picture(16, 16))


@pytest.mark.parametrize("name", ["mosaik", "no/such/file.onnx", ".", Path("mosaic")])
def test_networks_that_are_not_there(
    name: str | Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ArgumentError, match="is no network: give one of mosaic, candy, ") as error:
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
