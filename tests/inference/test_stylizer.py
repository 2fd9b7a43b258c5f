"""Style networks at work: the values that are computed by hand, and no surprises."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx_files import (
    BACKENDS,
    computed,
    painted,
    picture,
    rounding,
    save,
    style_network,
)

from nstlib.assets.cache import embedded_model
from nstlib.errors import ArgumentError, ImageError
from nstlib.images.colors import replace_luminance
from nstlib.inference.stylizer import STYLE_NETWORKS, Stylizer
from nstlib.sources import load_image


@pytest.fixture(scope="module")
def style_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(style_network(), tmp_path_factory.mktemp("style") / "style.onnx")


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("size", [(16, 16), (32, 48), (21, 38), (250, 333), (1, 1), (3, 40)])
def test_painting_is_what_the_file_computes(
    style_file: Path, backend: str, size: tuple[int, int]
) -> None:
    image = picture(*size)
    painting = Stylizer(style_file, backend=backend)(image)
    assert painting.shape == image.shape
    assert painting.dtype == np.float32
    atol = max(1e-4, rounding(backend) / 255)
    np.testing.assert_allclose(painting, painted(style_network(), image), atol=atol)
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


@pytest.mark.parametrize(
    ("image", "words"),
    [
        ([[1, 2], [3]], "image cannot become an array"),
        (None, "image is None"),
        ("coffee", "image is 'coffee'; .*load_image"),
        (3, "image is 3"),
    ],
)
def test_what_is_no_image(style_file: Path, image: Any, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        Stylizer(style_file)(image)


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
