"""The playground's steps, one by one, beside those of the library."""

from __future__ import annotations

import base64
from typing import Any

import cv2
import numpy as np
import pytest
from playground_page import address as address
from playground_page import browser as browser
from playground_page import page as page
from style_colors import color_root

from nstlib.compose import estimate_layers
from nstlib.images.colors import replace_luminance
from nstlib.images.resizing import target_size
from nstlib.inference.any_style import at_size, recolored
from nstlib.inference.mattes import fit_locally
from nstlib.inference.parts import fill_pits, keep_people
from nstlib.inference.segmenter import (
    PersonSegmenter,
    brightened,
    brightening,
    resize_for_network,
)
from nstlib.sources import load_image

pytestmark = pytest.mark.site

#: Planes go to the page and come back as base64 of their bytes.
_CODE = """async ([module, call, values]) => {
  const { plane } = await import("./planes.js");
  const found = await import(module);
  const read = (value) => {
    if (Array.isArray(value)) return value.map(read);
    if (!value?.bytes) return value;
    const bytes = Uint8Array.from(atob(value.bytes), (letter) => letter.charCodeAt(0));
    return plane(value.width, value.height, new Float32Array(bytes.buffer));
  };
  const write = (value) => {
    if (Array.isArray(value)) return value.map(write);
    if (!value?.data) return value;
    let text = "";
    for (const byte of new Uint8Array(value.data.buffer)) text += String.fromCharCode(byte);
    return { width: value.width, height: value.height, bytes: btoa(text) };
  };
  const result = found[call](...values.map(read));
  return write(result.foreground ? [result.foreground, result.background] : result);
}"""


def sent(value: Any) -> Any:
    """Arrays (H, W) become planes, (H, W, 3) three planes."""
    if not isinstance(value, np.ndarray):
        return value
    if value.ndim == 3:
        return [sent(value[..., channel]) for channel in range(3)]
    content = base64.b64encode(np.ascontiguousarray(value, np.float32).tobytes()).decode()
    return {"width": value.shape[1], "height": value.shape[0], "bytes": content}


def received(value: Any) -> Any:
    """Planes become arrays (H, W); lists of them are stacked at the end."""
    if isinstance(value, list) and value and isinstance(value[0], list | dict):
        return np.stack([received(part) for part in value], axis=-1)
    if not isinstance(value, dict):
        return value
    numbers = np.frombuffer(base64.b64decode(value["bytes"]), np.float32)
    return numbers.reshape(value["height"], value["width"])


def called(page: Any, module: str, function: str, *values: Any) -> Any:
    return received(page.evaluate(_CODE, [f"./{module}.js", function, [sent(v) for v in values]]))


def near(found: Any, expected: Any, by: float = 2e-6) -> None:
    np.testing.assert_allclose(found, expected, rtol=0, atol=by)


SIZES = [((9, 13), (4, 5)), ((64, 48), (32, 24)), ((31, 1), (7, 1)), ((50, 40), (50, 13))]


@pytest.fixture
def random() -> np.random.Generator:
    return np.random.default_rng(17)


def test_sizes_change_as_in_opencv(page: Any, random: np.random.Generator) -> None:
    for large, small in SIZES:
        values = random.uniform(0, 1, large).astype(np.float32)
        expected = cv2.resize(values, small[::-1], interpolation=cv2.INTER_AREA)
        near(called(page, "resizing", "shrink", values, *small[::-1]), expected.reshape(small))
        values = random.uniform(0, 1, small).astype(np.float32)
        expected = cv2.resize(values, large[::-1], interpolation=cv2.INTER_LINEAR)
        near(called(page, "resizing", "enlarge", values, *large[::-1]), expected.reshape(large))


def test_borders_and_means_are_as_in_opencv(page: Any, random: np.random.Generator) -> None:
    for height, width in ((9, 13), (3, 2), (1, 6)):
        values = random.uniform(0, 1, (height, width)).astype(np.float32)
        for repeats, border in ((False, cv2.BORDER_REFLECT_101), (True, cv2.BORDER_REFLECT)):
            expected = cv2.blur(values, (5, 5), borderType=border)
            near(called(page, "resizing", "blur", values, 2, repeats), expected)
        expected = cv2.copyMakeBorder(values, 0, 16 - height, 0, 17 - width, cv2.BORDER_REFLECT_101)
        near(called(page, "resizing", "extend", values, 17, 16), expected)
        near(called(page, "resizing", "crop", expected, width, height), values)


def test_sides_are_rounded_as_in_python(page: Any) -> None:
    for width, height, longest in ((1024, 333, 512), (333, 1024, 512), (1000, 1, 384), (7, 5, 9)):
        expected = target_size((height, width), min(longest, max(width, height)))
        assert called(page, "resizing", "fitted", width, height, longest) == list(expected[::-1])


def test_curves_are_opencvs(page: Any, random: np.random.Generator) -> None:
    for small, large in (((5, 4), (13, 9)), ((1, 3), (2, 7))):
        values = random.uniform(0, 1, small).astype(np.float32)
        expected = cv2.resize(values, large[::-1], interpolation=cv2.INTER_CUBIC).clip(0, 1)
        near(called(page, "resizing", "enlargeSmoothly", values, *large[::-1]), expected)
    for shape, size in (((9, 60, 3), 5), ((50, 40, 3), 61), ((60, 9, 3), 9)):
        picture = random.uniform(0, 1, shape).astype(np.float32)
        near(called(page, "anystyle", "atSize", picture, size), at_size(picture, size))


def test_colours_are_pythons(page: Any, random: np.random.Generator) -> None:
    for mixture in (random.uniform(-0.5, 0.5, (3, 3)), np.full((3, 3), 0.2), np.zeros((3, 3))):
        first, other = (random.uniform(0, 1, (20, 30, 3)) @ mixture + 0.4 for _ in range(2))
        painting = (first * [1.0, 0.5, 0.3]).clip(0, 1).astype(np.float32)
        style = other.clip(0, 1).astype(np.float32)
        triangle = called(page, "colors", "colorRoot", style)
        near(triangle, color_root(style)[np.triu_indices(3)], 1e-5)
        vector = np.array([*style.mean(axis=(0, 1)), 0, 0, 0, *triangle], np.float32)
        found = called(page, "colors", "recolored", painting, vector.tolist())
        near(found, recolored(painting, vector))


def test_mattes_are_pythons(page: Any, random: np.random.Generator) -> None:
    guide = random.uniform(0, 1, (20, 30, 3)).astype(np.float32)
    mask = random.uniform(0, 1, (20, 30)).astype(np.float32)
    slopes, offset = fit_locally(guide, mask, 2, 3e-4)
    found = called(page, "matting", "fitLocally", guide, mask, 2, 3e-4)
    near(found, np.stack([*slopes, offset], axis=-1), 1e-3)  # slopes reach 10 in noise


def test_dark_photographs_are_brightened_as_in_python(
    page: Any, random: np.random.Generator
) -> None:
    for light in (1.0, 0.3, 0.05, 0.0):
        photo = (light * random.uniform(0, 1, (45, 62, 3))).astype(np.float32)
        found = called(page, "matting", "brightening", photo)
        assert found == pytest.approx(brightening(photo), rel=1e-5)
        seen = 2 * brightened(resize_for_network(photo, (32, 64))) - 1
        blob = called(page, "matting", "networkInput", photo, 64, 32)
        near(np.ravel(blob), seen.transpose(2, 0, 1).ravel(), 1e-4)
    photo = load_image("astronaut", (96, 96))
    person = PersonSegmenter().look(photo)
    for light in (1.0, 0.05):
        expected = PersonSegmenter().refine(light * photo, person)
        near(called(page, "matting", "refine", light * photo, person), expected, 0.01)


def test_people_are_pythons(page: Any, random: np.random.Generator) -> None:
    for smallest in (0.05, 0.3, 1.0):
        coarse = random.uniform(0, 1, (12, 16)).astype(np.float32)
        alpha = np.clip(cv2.resize(coarse, (80, 60)) * 1.6 - 0.4, 0, 1)
        expected = keep_people(alpha, smallest=smallest)
        assert not np.array_equal(expected, alpha), "nothing is left out here"
        near(called(page, "people", "keepPeople", alpha, smallest), expected, 0)
    unsure = np.clip(cv2.resize(random.uniform(0.6, 1.3, (12, 16)), (80, 60)), 0, 1)
    unsure[20:23, 30:33], unsure[40:43, 50:53], unsure[40:43, 20:23] = 0.3, 0.05, 0.15
    expected = fill_pits(unsure.astype(np.float32))
    assert expected[21, 31] == expected[41, 21] == 1
    assert expected[41, 51] == np.float32(0.05)
    near(called(page, "people", "fillPits", unsure), expected, 0)
    nobody = np.full((4, 5), 0.2, np.float32)
    near(called(page, "people", "keepPeople", nobody), nobody, 0)


def test_layers_are_pythons(page: Any, random: np.random.Generator) -> None:
    for height, width in ((37, 50), (1, 3)):
        picture = random.uniform(0, 1, (height, width, 3)).astype(np.float32)
        alpha = np.clip(random.uniform(-1, 2, (height, width)), 0, 1).astype(np.float32)
        found = called(page, "layers", "estimateLayers", picture, alpha)
        near(found, np.stack(estimate_layers(picture, alpha), axis=-1), 1e-5)


def test_colours_are_kept_as_in_python(page: Any, random: np.random.Generator) -> None:
    picture, painting = random.uniform(0, 1, (2, 9, 8, 3)).astype(np.float32)
    found = called(page, "painting", "replaceLuminance", picture, painting)
    near(found, replace_luminance(picture, painting), 1e-5)
