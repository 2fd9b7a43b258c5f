"""Arrays of images: resized and converted, against arithmetic and other libraries."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import PIL.ImageFile
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from image_files import noise
from numpy.typing import NDArray

from nstlib._checks import check_choice, check_count, check_number
from nstlib.errors import ArgumentError, ImageError
from nstlib.images.arrays import (
    Image,
    Picture,
    bgr_to_rgb,
    check_image,
    from_blob,
    from_uint8,
    rgb_to_bgr,
    to_blob,
    to_uint8,
)
from nstlib.images.resizing import halved, resize, target_size
from nstlib.sources import load_image

shapes = st.tuples(st.integers(1, 9), st.integers(1, 9), st.just(3))
pictures = arrays(np.float32, shapes, elements=st.floats(0, 1, width=32))


# --------------------------------------------------------------------------------------- resizing


@pytest.mark.parametrize("factors", [(2, 2), (5, 5), (3, 3), (2, 5), (1, 3), (6, 1)])
def test_down_is_the_mean_over_areas(factors: tuple[int, int]) -> None:
    image = from_uint8(noise(30, 60))
    fy, fx = factors
    expected = image.reshape(30 // fy, fy, 60 // fx, fx, 3).mean(axis=(1, 3))
    result = resize(image, (30 // fy, 60 // fx))
    np.testing.assert_allclose(result, expected, atol=1e-5)


def test_down_by_a_broken_factor_weighs_the_parts() -> None:
    # Three pixels onto two: each takes one whole pixel and half of the middle one.
    row = np.array([0.0, 0.3, 0.9], np.float32)
    image = np.repeat(row[np.newaxis, :, np.newaxis], 3, axis=2)
    result = resize(image, (1, 2))[0, :, 0]
    np.testing.assert_allclose(result, [0.15 / 1.5, (0.15 + 0.9) / 1.5], atol=1e-3)


def test_up_is_cubic() -> None:
    """Against the cubic convolution of R. Keys (1981), a = -0.75 as in OpenCV, in the middle."""
    row = np.array([0.1, 0.2, 0.6, 0.5, 0.3, 0.7], np.float32)
    image = np.repeat(row[np.newaxis, :, np.newaxis], 3, axis=2)

    def kernel(t: float) -> float:
        t, a = abs(t), -0.75
        if t <= 1:
            return (a + 2) * t**3 - (a + 3) * t**2 + 1
        return a * t**3 - 5 * a * t**2 + 8 * a * t - 4 * a if t < 2 else 0.0

    doubled = resize(image, (1, 12))[0, :, 0]
    for x in range(4, 8):
        position = (x + 0.5) / 2 - 0.5
        expected = sum(kernel(position - i) * row[i] for i in range(6))
        assert doubled[x] == pytest.approx(expected, abs=1e-5)


def test_one_side_up_and_the_other_down() -> None:
    column = np.linspace(0, 1, 12, dtype=np.float32)
    image = np.repeat(np.repeat(column[:, np.newaxis, np.newaxis], 5, axis=1), 3, axis=2)
    expected = column.reshape(4, 3).mean(axis=1)  # the rows are constant: only they are averaged
    np.testing.assert_allclose(
        resize(image, (4, 10)), np.broadcast_to(expected[:, None, None], (4, 10, 3)), atol=1e-5
    )
    turned = resize(image.swapaxes(0, 1), (10, 4))
    np.testing.assert_allclose(turned, resize(image, (4, 10)).swapaxes(0, 1), atol=1e-6)


def test_overshoot_is_clipped() -> None:
    image = np.zeros((8, 8, 3), np.float32)
    image[:, 4:] = 1
    raw = cv2.resize(image, (32, 32), interpolation=cv2.INTER_CUBIC)
    assert raw.max() > 1.01
    assert raw.min() < -0.01
    result = resize(image, 32)
    assert (result.min(), result.max()) == (0, 1)


@given(pictures, st.tuples(st.integers(1, 20), st.integers(1, 20)))
def test_resize_keeps_range_shape_and_type(image: Image, size: tuple[int, int]) -> None:
    before = image.copy()
    result = resize(image, size)
    assert result.shape == (*size, 3)
    assert result.dtype == np.float32
    assert result.min() >= 0
    assert result.max() <= 1
    np.testing.assert_array_equal(image, before)  # the caller's array is left alone


@given(
    st.floats(0, 1, width=32),
    st.tuples(st.integers(1, 20), st.integers(1, 20)),
    st.tuples(st.integers(1, 20), st.integers(1, 20)),
)
def test_resize_keeps_a_plain_colour(
    value: float, before: tuple[int, int], after: tuple[int, int]
) -> None:
    result = resize(np.full((*before, 3), value, np.float32), after)
    np.testing.assert_allclose(result, value, atol=1e-5)


def test_half_of_odd_sides_is_rounded_up() -> None:
    assert halved(np.ones((5, 3, 3), np.float32)).shape == (3, 2, 3)
    assert halved(np.ones((1, 4), np.float32)).shape == (1, 2)


@given(st.integers(1, 3000), st.integers(1, 3000), st.integers(1, 500))
def test_longest_side(height: int, width: int, size: int) -> None:
    new = target_size((height, width), size)
    assert max(new) == size
    assert min(new) >= 1
    exact = min(height, width) * size / max(height, width)
    assert abs(min(new) - max(exact, 1)) <= 0.5


def test_sizes() -> None:
    image = from_uint8(noise(20, 30))
    assert resize(image, 15).shape == (10, 15, 3)
    assert resize(image, (7, 11)).shape == (7, 11, 3)
    assert resize(image, np.int64(60)).shape == (40, 60, 3)  # type: ignore[arg-type]
    np.testing.assert_array_equal(resize(image, (20, 30)), image)
    assert target_size((1, 1), 16384) == (16384, 16384)
    assert load_image("coffee", 300).shape == (200, 300, 3)
    assert load_image("coffee", (40, 50)).shape == (40, 50, 3)


@pytest.mark.parametrize(
    "size", [0, -3, 16385, True, 2.5, "64", (0, 4), (4,), (4, 4, 4), (), [4, 4]]
)
def test_bad_sizes(size: Any) -> None:
    with pytest.raises(ArgumentError, match="longest side or a tuple \\(height, width\\)"):
        resize(np.zeros((4, 4, 3)), size)


# ------------------------------------------------------------------------------------- conversion


@given(pictures)
def test_uint8_is_the_nearest_step(image: Image) -> None:
    pixels = to_uint8(image)
    assert pixels.dtype == np.uint8
    assert pixels.shape == image.shape
    assert np.abs(pixels - image.astype(np.float64) * 255).max() <= 0.5 + 1e-4


@given(arrays(np.uint8, shapes))
def test_uint8_round_trip(pixels: NDArray[np.uint8]) -> None:
    image = from_uint8(pixels)
    assert image.dtype == np.float32
    assert 0 <= image.min() <= image.max() <= 1
    np.testing.assert_array_equal(to_uint8(image), pixels)
    np.testing.assert_array_equal(from_uint8(to_uint8(image)), image)


@given(arrays(st.sampled_from([np.uint8, np.float32, np.int64]), shapes))
def test_bgr_is_an_involution(pixels: NDArray[Any]) -> None:
    turned = rgb_to_bgr(pixels)
    assert turned.dtype == pixels.dtype
    assert turned.flags["C_CONTIGUOUS"]
    np.testing.assert_array_equal(turned[..., 0], pixels[..., 2])
    np.testing.assert_array_equal(bgr_to_rgb(turned), pixels)


def test_bgr_is_opencvs(tmp_path: Path) -> None:
    pixels = noise(6, 5)
    PIL.Image.fromarray(pixels).save(tmp_path / "picture.png")
    np.testing.assert_array_equal(rgb_to_bgr(pixels), cv2.imread(str(tmp_path / "picture.png")))
    np.testing.assert_array_equal(rgb_to_bgr(pixels), cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR))


@given(pictures)
def test_blob_is_opencvs(image: Image) -> None:
    blob = to_blob(image)
    np.testing.assert_array_equal(blob, cv2.dnn.blobFromImage(image))
    assert blob.flags["C_CONTIGUOUS"]
    np.testing.assert_array_equal(from_blob(blob), image)


@given(array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=4), st.data())
def test_check_image_accepts_images_only(shape: tuple[int, ...], data: st.DataObject) -> None:
    array = data.draw(arrays(np.float64, shape, elements=st.floats(-1, 2) | st.just(np.nan)))
    good = array.ndim == 3 and shape[2] == 3 and array.size > 0
    if good and bool(((array >= 0) & (array <= 1)).all()):
        np.testing.assert_array_equal(check_image(array), array.astype(np.float32))
    elif not good or not ((array >= -1e-6) & (array <= 1 + 1e-6)).all():
        with pytest.raises(ImageError):
            check_image(array)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.zeros((4, 4)), "stack a grey one"),
        (np.zeros((4, 4, 4)), "RGB"),
        (np.zeros((0, 4, 3)), "shape"),
        (np.zeros((4, 4, 3), np.uint8), "from_uint8"),
        (np.full((2, 2, 3), 255.0), "divide"),
        (np.full((2, 2, 3), -0.01), "clip"),
        (np.full((2, 2, 3), np.nan), "NaN"),
        (np.full((2, 2, 3), np.inf), "infinite"),
    ],
)
def test_what_is_no_image(array: NDArray[Any], words: str) -> None:
    with pytest.raises(ImageError, match=words) as caught:
        check_image(array, "the thing")
    assert str(caught.value).startswith("the thing")


def test_check_image_forgives_rounding_and_copies() -> None:
    image = np.array([[[-1e-7, 0.5, 1 + 5e-7]]])
    checked = check_image(image)
    assert checked.dtype == np.float32
    assert checked.tolist() == [[[0.0, 0.5, 1.0]]]
    checked[:] = 0
    assert image[0, 0, 1] == 0.5


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (np.uint8, "uint8 values.*from_uint8"),
        (np.int64, r"int64.*astype\(np.float32\)"),
        (bool, "bool"),
    ],
)
def test_whole_numbers_are_told_the_way(kind: Any, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        check_image(np.ones((2, 2, 3), kind))


def test_a_value_just_outside_is_shown_as_it_is() -> None:
    with pytest.raises(ImageError, match=r"from 0 to 1\.0000\d+;"):
        check_image(np.linspace(0, 1.00005, 12, dtype=np.float32).reshape(2, 2, 3))


@pytest.mark.parametrize(
    "call",
    [
        lambda: from_uint8(np.zeros((2, 2, 3))),
        lambda: from_uint8(np.zeros((2, 2), np.uint8)),
        lambda: rgb_to_bgr(np.zeros((2, 2, 4))),
        lambda: rgb_to_bgr(np.zeros((3, 3))),
        lambda: from_blob(np.zeros((3, 2, 2))),
        lambda: from_blob(np.zeros((2, 3, 2, 2))),
        lambda: from_blob(np.full((1, 3, 2, 2), 7.0)),
    ],
)
def test_conversion_of_what_does_not_fit(call: Callable[[], object]) -> None:
    with pytest.raises(ImageError):
        call()


@pytest.mark.parametrize(
    "call",
    [check_image, to_uint8, from_uint8, to_blob, from_blob, rgb_to_bgr, lambda x: resize(x, 8)],
)
@pytest.mark.parametrize(
    ("value", "words"),
    [
        ([[1, 2], [3]], "cannot become an array"),
        (None, "is None; it must be an array of numbers"),
        (Picture(np.zeros((2, 2, 3), np.float32)), "is a Picture; give its .image, or its .alpha"),
        ({"a": 1}, "is {'a': 1}; it must be an array of numbers"),
        (np.zeros((2, 2, 3), object), "is an array of object; it must be an array of numbers"),
        (np.array(["a"]), "is an array of <U1; it must be an array of numbers"),
        (np.zeros((2, 2, 3), complex), "is an array of complex128; it must be an array of numbers"),
    ],
)
def test_what_cannot_be_an_array_of_numbers(
    call: Callable[[Any], object], value: Any, words: str
) -> None:
    with pytest.raises(ImageError, match=words):
        call(value)


@pytest.mark.parametrize(
    "value",
    [
        np.zeros((64, 64)),
        np.zeros((64, 64)).tolist(),
        "x" * 9999,
        b"\0" * 9999,
        {"a" * 99: 1, 2: 3},
    ],
    ids=["array", "list", "text", "bytes", "mapping"],
)
def test_a_refusal_is_one_short_line(value: Any) -> None:
    """Also where a whole picture was given in the place of a number."""
    image = np.zeros((2, 2, 3), np.float32)
    for call in (
        lambda: resize(image, value),
        lambda: check_count("size", value),
        lambda: check_number("strength", value),
        lambda: check_choice("method", value, ["lbfgs", "adam"]),
    ):
        with pytest.raises(ArgumentError) as caught:
            call()
        for text in (str(caught.value), caught.value.command):
            assert len(text) < 200
            assert "\n" not in text
