"""Layers and mattes: what is laid on what, what is painted, and that no old background is left."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray

import nstlib
from nstlib.compose import (
    Composer,
    composite,
    estimate_layers,
    feather_alpha,
    stylize_background,
    stylize_person,
)
from nstlib.errors import ArgumentError, ImageError
from nstlib.images.arrays import Image, from_uint8, to_uint8
from nstlib.images.colors import match_colors
from nstlib.sources import load_image

PHOTO = load_image("astronaut", (48, 64))


def plain(red: float, green: float, blue: float, size: tuple[int, int] = (48, 64)) -> Image:
    return np.full((*size, 3), (red, green, blue), np.float32)


class Ellipse:
    """Finds the same soft ellipse in every picture, and counts how often it is asked."""

    def __init__(self, softness: float = 2.0) -> None:
        self.softness = softness
        self.asked: list[str] = []

    def _draw(self, image: Image) -> NDArray[np.uint8]:
        height, width, _ = image.shape
        drawn = np.zeros((height, width), np.uint8)
        axes = (width // 4, height // 3)
        cv2.ellipse(drawn, (width // 2, height // 2), axes, 0, 0, 360, 255, -1)
        return drawn

    def mask(self, image: Image) -> NDArray[np.uint8]:
        self.asked.append("mask")
        return self._draw(image)

    def matte(self, image: Image) -> NDArray[np.float32]:
        self.asked.append("matte")
        hard = self._draw(image).astype(np.float32) / 255
        return np.clip(cv2.GaussianBlur(hard, (0, 0), self.softness), 0, 1).astype(np.float32)


class Nobody(Ellipse):
    def _draw(self, image: Image) -> NDArray[np.uint8]:
        return np.zeros(image.shape[:2], np.uint8)


def invert(image: Image, *, strength: float = 1.0, preserve_colors: bool = False) -> Image:  # noqa: ARG001
    return image + np.float32(strength) * (1 - 2 * image)


def crimson(image: Image, *, strength: float, preserve_colors: bool) -> Image:  # noqa: ARG001
    return plain(0.8, 0.1, 0.2, (image.shape[0], image.shape[1]))


# Laying one on another

pictures = arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 6), st.just(3)))


@given(st.data(), pictures)
def test_a_mask_is_numpys_where(data: st.DataObject, front: NDArray[np.uint8]) -> None:
    """The tutorials' two pictures, to the last bit, in 8 bits and in float32."""
    back = data.draw(arrays(np.uint8, front.shape))
    mask = data.draw(arrays(np.uint8, (*front.shape[:2], 1), elements=st.sampled_from([0, 255])))
    person_stays = np.where(mask == 255, front, back)
    world_stays = np.where(mask == 0, front, back)
    a, b = from_uint8(front), from_uint8(back)
    np.testing.assert_array_equal(to_uint8(composite(a, b, mask)), person_stays)
    np.testing.assert_array_equal(to_uint8(composite(b, a, mask)), world_stays)
    np.testing.assert_array_equal(composite(a, b, mask), np.where(mask == 255, a, b))
    np.testing.assert_array_equal(composite(a, b, mask == 255), np.where(mask == 255, a, b))


@given(st.data(), array_shapes(min_dims=2, max_dims=2, max_side=5))
def test_between_the_two(data: st.DataObject, shape: tuple[int, int]) -> None:
    unit: Any = st.floats(0, 1, width=32)
    a, b = (data.draw(arrays(np.float32, (*shape, 3), elements=unit)) for _ in range(2))
    alpha = data.draw(arrays(np.float32, shape, elements=unit))
    result = composite(a, b, alpha)
    expected = np.empty((*shape, 3))
    for y, x, c in np.ndindex(*expected.shape):
        share = float(alpha[y, x])
        expected[y, x, c] = share * float(a[y, x, c]) + (1 - share) * float(b[y, x, c])
    np.testing.assert_allclose(result, expected, atol=1e-6)
    assert result.dtype == np.float32
    assert result.min() >= 0
    assert result.max() <= 1


def test_a_mask_of_eight_bits() -> None:
    result = composite(plain(1, 1, 1), plain(0, 0, 0), np.full((48, 64), 51, np.uint8))
    np.testing.assert_allclose(result, 0.2, atol=1e-6)


@pytest.mark.parametrize(
    ("front", "back", "alpha", "words"),
    [
        (plain(1, 1, 1), plain(0, 0, 0, (9, 9)), np.ones((48, 64)), "64×48 pixels, background 9×9"),
        (plain(1, 1, 1), plain(0, 0, 0), np.ones((9, 9)), r"alpha has shape \(9, 9\)"),
        (plain(1, 1, 1), plain(0, 0, 0), np.ones((48, 64, 3)), r"shape \(48, 64, 3\)"),
        (plain(1, 1, 1), plain(0, 0, 0), np.full((48, 64), 255.0), "ranges from 255 to 255"),
        (plain(1, 1, 1), plain(0, 0, 0), np.full((48, 64), np.nan), "ranges from nan"),
        (plain(1, 1, 1), plain(0, 0, 0), np.ones((48, 64), np.int64), "alpha holds int64"),
        (np.ones((48, 64)), plain(0, 0, 0), np.ones((48, 64)), r"foreground has shape \(48, 64\)"),
        (plain(1, 1, 1), np.zeros((48, 64, 3), np.uint8), np.ones((48, 64)), "background holds"),
    ],
)
def test_what_cannot_be_laid(front: Any, back: Any, alpha: Any, words: str) -> None:
    with pytest.raises(ImageError, match=words):
        composite(front, back, alpha)


# Taking apart


@pytest.mark.parametrize("size", [(48, 64), (47, 33), (1, 1), (1, 9), (200, 3)])
def test_layers_make_the_picture_again(size: tuple[int, int]) -> None:
    random = np.random.default_rng(0)
    image = random.random((*size, 3), np.float32)
    alpha = random.random(size, np.float32)
    alpha[alpha < 0.2], alpha[alpha > 0.8] = 0, 1
    front, back = estimate_layers(image, alpha)
    np.testing.assert_allclose(front[alpha == 1], image[alpha == 1], atol=1e-6)
    np.testing.assert_allclose(back[alpha == 0], image[alpha == 0], atol=1e-6)
    assert front.dtype == back.dtype == np.float32
    # Noise is no picture: some of its layers have to stop at 0 or 1.
    assert max(size) < 9 or np.isin((front, back), (0, 1))[:, (alpha > 0) & (alpha < 1)].any()
    np.testing.assert_allclose(composite(front, back, alpha), image, atol=1e-5)


def test_plain_layers_are_found_exactly() -> None:
    alpha = Ellipse().matte(PHOTO)
    front, back = estimate_layers(
        composite(plain(0.9, 0.2, 0.1), plain(0.1, 0.3, 0.8), alpha), alpha
    )
    seen = alpha > 0.01
    np.testing.assert_allclose(front[seen], plain(0.9, 0.2, 0.1)[seen], atol=0.02)
    np.testing.assert_allclose(
        back[~(alpha > 0.99)], plain(0.1, 0.3, 0.8)[~(alpha > 0.99)], atol=0.02
    )


def test_real_layers_are_found_better_than_by_fusion() -> None:
    """Against Forte's two windows of 90 and 6 pixels, and the picture itself."""
    front, back = load_image("astronaut", (180, 320)), load_image("coffee", (180, 320))
    alpha = Ellipse(3.0).matte(front)
    image = composite(front, back, alpha)

    def error(estimate: Image) -> float:
        return float((np.abs(estimate - front).mean(axis=2) * alpha)[alpha < 0.99].mean())

    a = alpha[..., None]
    f = b = image
    for window in (90, 6):
        of_a = cv2.blur(alpha, (window, window))[..., None]
        near_f = cv2.blur(f * a, (window, window)) / (of_a + 1e-5)
        near_b = cv2.blur(b * (1 - a), (window, window)) / (1 - of_a + 1e-5)
        f, b = np.clip(near_f + a * (image - a * near_f - (1 - a) * near_b), 0, 1), near_b
    ours = error(estimate_layers(image, alpha)[0])
    assert ours < 0.8 * error(f)
    assert ours < 0.6 * error(image)


def test_a_layer_goes_on_under_the_other() -> None:
    """Far inside the person there is still a background, in the colours of its surroundings."""
    alpha = np.zeros((128, 128), np.float32)
    alpha[16:112, 16:112] = 1
    left_to_right = np.linspace(0, 1, 128, dtype=np.float32)
    world = np.broadcast_to(left_to_right[None, :, None], (128, 128, 3))
    _, back = estimate_layers(composite(plain(1, 0, 0, (128, 128)), world, alpha), alpha)
    np.testing.assert_allclose(back[alpha == 0], world[alpha == 0], atol=1e-6)
    middle = back[64].mean(axis=1)
    assert (np.diff(middle[16:112]) > -0.01).all()
    assert middle[20] < 0.35
    assert middle[107] > 0.65
    # Hardly a trace of red, which the picture is full of there.
    assert (back[..., 0] - back[..., 1]).max() < 0.1


# Feathering


def test_feathering_is_a_gaussian() -> None:
    edge = np.zeros((3, 41), np.float32)
    edge[:, 21:] = 1
    from math import erf

    expected = [0.5 * (1 + erf((x - 20.5) / 3.0 / 2**0.5)) for x in range(41)]
    np.testing.assert_allclose(feather_alpha(edge, 6.0)[1], expected, atol=0.01)
    np.testing.assert_array_equal(feather_alpha(edge, 0), edge)


def test_no_fading_at_the_frame() -> None:
    alpha = np.zeros((30, 20), np.float32)
    alpha[10:] = 1  # a person down to the picture's lower edge
    np.testing.assert_allclose(feather_alpha(alpha, 6)[-1], 1, atol=1e-3)


@pytest.mark.parametrize("pixels", [-1.0, np.nan, np.inf])
def test_bad_feather(pixels: float) -> None:
    with pytest.raises(ArgumentError, match="feather is"):
        feather_alpha([[1.0]], pixels)
    with pytest.raises(ArgumentError, match="feather is"):
        Composer(invert, segmenter=Ellipse(), feather=pixels)


# The recipes


def test_the_background_alone() -> None:
    finder = Ellipse(0.5)
    result = stylize_background(PHOTO, invert, segmenter=finder)
    alpha = finder.matte(PHOTO)
    np.testing.assert_allclose(result[alpha == 1], PHOTO[alpha == 1], atol=1e-6)
    np.testing.assert_allclose(result[alpha == 0], 1 - PHOTO[alpha == 0], atol=1e-6)
    assert (alpha == 1).sum() > 300
    assert (alpha == 0).sum() > 300


def test_the_person_alone() -> None:
    finder = Ellipse(0.5)
    result = stylize_person(PHOTO, invert, segmenter=finder)
    alpha = finder.matte(PHOTO)
    np.testing.assert_allclose(result[alpha == 1], 1 - PHOTO[alpha == 1], atol=1e-6)
    np.testing.assert_allclose(result[alpha == 0], PHOTO[alpha == 0], atol=1e-6)


def test_two_styles_at_once() -> None:
    finder = Ellipse(0.5)
    result = Composer(crimson, invert, segmenter=finder)(PHOTO)
    alpha = finder.matte(PHOTO)
    np.testing.assert_allclose(result[alpha == 1], 1 - PHOTO[alpha == 1], atol=1e-6)
    np.testing.assert_allclose(result[alpha == 0], plain(0.8, 0.1, 0.2)[alpha == 0], atol=1e-6)


def test_an_array_as_the_worlds_style_and_a_name_as_the_persons() -> None:
    style = np.random.default_rng(0).uniform(size=(96, 96, 3)).astype(np.float32)
    photo, finder = load_image("astronaut", 96), Ellipse(0.5)
    both = Composer(style, "mosaic", segmenter=finder)(photo)
    alone = Composer(style, segmenter=finder)(photo)
    alpha = finder.matte(photo)
    np.testing.assert_array_equal(both[alpha == 0], alone[alpha == 0])
    assert np.abs(both - alone)[alpha == 1].mean() > 0.05


def test_no_halo() -> None:
    """A dark person before a white wall is laid on crimson: nothing of the wall comes along."""
    finder = Ellipse(2.0)
    alpha = finder.matte(PHOTO)
    dark = plain(0.1, 0.15, 0.1)
    photo = composite(dark, plain(1, 1, 1), alpha)
    expected = composite(dark, plain(0.8, 0.1, 0.2), alpha)
    result = stylize_background(photo, crimson, segmenter=finder)
    naive = composite(photo, plain(0.8, 0.1, 0.2), alpha)
    np.testing.assert_allclose(result, expected, atol=0.02)
    assert np.abs(naive - expected).max() > 0.15  # what would be there without care


def test_no_halo_of_the_painted_background() -> None:
    """A person painted light before a wall painted dark leaves nothing of that on the wall."""
    finder = Ellipse(2.0)
    alpha = finder.matte(PHOTO)
    photo = composite(plain(0.1, 0.2, 0.2), plain(0.9, 0.8, 0.9), alpha)
    expected = composite(plain(0.9, 0.8, 0.8), plain(0.9, 0.8, 0.9), alpha)
    result = stylize_person(photo, invert, segmenter=finder)
    np.testing.assert_allclose(result, expected, atol=0.03)
    assert np.abs(composite(1 - photo, photo, alpha) - expected).max() > 0.15


def test_the_background_is_painted_without_the_person() -> None:
    """Nothing of a red person before a blue wall is given to what paints the wall.

    What paints the person is given both.
    """
    finder = Ellipse(2.0)
    alpha = finder.matte(PHOTO)
    photo = composite(plain(1, 0, 0), plain(0, 0, 1), alpha)
    given: list[Image] = []

    def remember(image: Image, *, strength: float, preserve_colors: bool) -> Image:  # noqa: ARG001
        given.append(image)
        return image

    result = Composer(remember, remember, segmenter=finder)(photo)
    person, world = given
    np.testing.assert_allclose(world, plain(0, 0, 1), atol=0.03)
    np.testing.assert_array_equal(person, photo)
    np.testing.assert_allclose(result, photo, atol=1e-5)


def test_hard_masks_are_the_tutorials() -> None:
    finder = Ellipse()
    mask = finder.mask(PHOTO)[..., None]
    result = Composer(crimson, segmenter=finder, hard=True)(PHOTO)
    np.testing.assert_array_equal(result, np.where(mask == 255, PHOTO, plain(0.8, 0.1, 0.2)))
    result = Composer(person=crimson, segmenter=finder, hard=True)(PHOTO)
    np.testing.assert_array_equal(result, np.where(mask == 0, PHOTO, plain(0.8, 0.1, 0.2)))
    assert set(finder.asked) == {"mask"}


class Faint:
    """Calms a film so much that less than half of a matte is left."""

    def __call__(self, name: str, array: NDArray[np.float32], /) -> NDArray[np.float32]:
        return np.float32(0.4) * array if name == "alpha" else array

    def seen(self, name: str, image: Image, /) -> Image:  # noqa: ARG002
        return image


def test_hard_masks_of_films_have_no_ghosts() -> None:
    composer = Composer(crimson, segmenter=Ellipse(), hard=True)
    assert composer.divide(PHOTO).alpha.max() == 1
    assert composer.divide(PHOTO, Faint()).alpha.max() == 0


def test_feathering_lets_the_world_in() -> None:
    finder = Ellipse(0.5)
    hard = composite(PHOTO, plain(0.8, 0.1, 0.2), finder.matte(PHOTO))
    soft = stylize_background(PHOTO, crimson, segmenter=finder, feather=8)
    alpha = feather_alpha(finder.matte(PHOTO), 8)
    front, _ = estimate_layers(PHOTO, finder.matte(PHOTO))
    np.testing.assert_allclose(soft, composite(front, plain(0.8, 0.1, 0.2), alpha), atol=1e-6)
    assert np.abs(soft - hard).max() > 0.1


def test_strength_and_colours_reach_the_painters() -> None:
    calls: list[tuple[float, bool]] = []

    def remember(image: Image, *, strength: float, preserve_colors: bool) -> Image:
        calls.append((strength, preserve_colors))
        return image

    Composer(remember, segmenter=Ellipse())(PHOTO)
    Composer(remember, remember, segmenter=Ellipse(), strength=0.3, preserve_colors=True)(PHOTO)
    assert calls == [(1.0, False), (0.3, True), (0.3, True)]


def test_strength_zero_is_the_photograph() -> None:
    finder = Ellipse()
    alpha = finder.matte(PHOTO)
    photo = composite(0.2 + 0.6 * PHOTO, 0.8 - 0.6 * PHOTO[::-1], alpha)
    result = Composer(invert, invert, segmenter=finder, strength=0)(photo)
    np.testing.assert_allclose(result, photo, atol=1e-5)


@pytest.mark.parametrize("linear", [False, True])
def test_a_painter_that_changes_nothing_leaves_the_photograph(linear: bool) -> None:
    """Soft edges are taken apart and laid together in the same light."""

    def same(image: Image, *, strength: float, preserve_colors: bool) -> Image:  # noqa: ARG001
        return image

    result = Composer(person=same, segmenter=Ellipse(3.0), linear=linear)(PHOTO)
    np.testing.assert_allclose(result, PHOTO, atol=1e-4)


# Colours of one part for the other


def weighted_statistics(pixels: Image, weights: NDArray[Any]) -> tuple[Any, Any]:
    flat, share = pixels.reshape(-1, 3).astype(float), weights.ravel() / weights.sum()
    mean = (share[:, None] * flat).sum(axis=0)
    centred = flat - mean
    return mean, (share[:, None, None] * centred[:, :, None] * centred[:, None, :]).sum(axis=0)


def test_matching_weighted_parts() -> None:
    random = np.random.default_rng(1)
    image = random.uniform(0, 1, (20, 30, 3)).astype(np.float32)
    other = random.uniform(0.4, 0.6, (25, 15, 3)).astype(np.float32)
    weights, others = random.random((20, 30)), random.random((25, 15))
    matched = match_colors(image, other, weights=weights, reference_weights=others)
    for found, expected in zip(
        weighted_statistics(matched, weights), weighted_statistics(other, others), strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=1e-5)
    ones = match_colors(
        image, other, weights=np.ones((20, 30)), reference_weights=np.ones((25, 15))
    )
    np.testing.assert_allclose(ones, match_colors(image, other), atol=1e-6)


class LeftHalf(Ellipse):
    def matte(self, image: Image) -> NDArray[np.float32]:
        alpha = np.zeros(image.shape[:2], np.float32)
        alpha[:, : image.shape[1] // 2] = 1
        return alpha


@pytest.mark.parametrize("part", ["background", "person"])
def test_the_part_that_stays_takes_the_others_colours(part: str) -> None:
    """Only the colours that are seen count, not those of what a layer is under the other."""
    finder = LeftHalf()
    greys = np.repeat(np.array([0.4, 0.7, 0.2, 0.8], np.float32), 16)  # the inner two go on
    noise = np.random.default_rng(0).uniform(-0.02, 0.02, PHOTO.shape).astype(np.float32)
    photo = greys[:, np.newaxis] + noise
    alpha = finder.matte(photo)
    stays = alpha == 1 if part == "background" else alpha == 0

    def pastel(image: Image, *, strength: float, preserve_colors: bool) -> Image:  # noqa: ARG001
        return np.array([0.5, 0.3, 0.4], np.float32) + np.float32(0.2) * (image - np.float32(0.5))

    means = []
    for match in (0.0, 0.5, 1.0):
        composer = Composer(**{part: pastel}, segmenter=finder, match=match)  # type: ignore[arg-type]
        result = composer(photo)
        if match == 0:
            np.testing.assert_allclose(result[stays], photo[stays], atol=1e-6)
        means.append(result[stays].mean(axis=0))
    painted = result[alpha == 0 if part == "background" else alpha == 1]
    np.testing.assert_allclose(means[2], painted.mean(axis=0), atol=0.005)
    np.testing.assert_allclose(result[stays].std(axis=0), painted.std(axis=0), atol=0.005)
    np.testing.assert_allclose(means[1], (means[0] + means[2]) / 2, atol=0.01)


# Nobody, and bad input


@pytest.mark.parametrize("options", [{}, {"hard": True}, {"match": 0.5}, {"feather": 5.0}])
def test_a_photo_of_nobody(options: dict[str, Any]) -> None:
    result = Composer(invert, crimson, segmenter=Nobody(), **options)(PHOTO)
    np.testing.assert_allclose(result, 1 - PHOTO, atol=1e-6)


@pytest.mark.parametrize(
    ("styles", "options", "words"),
    [
        ((), {}, "there is no style"),
        ((invert,), {"strength": 1.5}, r"strength is 1\.5"),
        ((invert,), {"strength": np.nan}, "strength is nan"),
        ((invert,), {"match": -0.1}, r"match is -0\.1"),
        ((invert,), {"hard": True, "feather": 3}, "neither feather nor match"),
        ((invert,), {"hard": True, "match": 0.5}, "neither feather nor match"),
        ((), {"backdrop": "white", "strength": 0.5}, "there is none; give one"),
        ((), {"backdrop": "blur", "preserve_colors": True}, "there is none; give one"),
        ((invert,), {"hard": True, "linear": True}, "hard leaves none to mix"),
        ((), {"backdrop": PHOTO, "hard": True, "linear": True}, "hard leaves none to mix"),
        (("no_such_style",), {}, "no_such_style"),
        ((Path("absent.onnx"),), {}, "absent.onnx"),
    ],
)
def test_bad_arguments(styles: tuple[Any, ...], options: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError, match=words) as caught:
        Composer(*styles, segmenter=Ellipse(), **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "photo",
    [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4)), [[[np.nan] * 3]], [[[0.0] * 3], [0.0]]],
)
def test_what_is_no_photo(photo: Any) -> None:
    with pytest.raises(ImageError, match="photo"):
        Composer(invert, segmenter=Ellipse())(photo)


def test_a_matte_of_another_size() -> None:
    class Wrong(Ellipse):
        def matte(self, image: Image) -> NDArray[np.float32]:  # noqa: ARG002
            return np.ones((3, 3), np.float32)

    with pytest.raises(ImageError, match="alpha has shape"):
        Composer(invert, segmenter=Wrong())(PHOTO)


# Networks


def test_models_are_loaded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[Any] = []
    backends: set[str] = set()

    def stylizer(model: Any, *, backend: str, **_: Any) -> Any:
        loaded.append(model)
        backends.add(backend)
        return invert

    def segmenter(model: Any, *, backend: str, **_: Any) -> Any:
        loaded.append(model)
        backends.add(backend)
        return Ellipse()

    monkeypatch.setattr("nstlib.inference.stylizer.Stylizer", stylizer)
    monkeypatch.setattr("nstlib.inference.segmenter.PersonSegmenter", segmenter)
    composer = Composer("candy", Path("mine.onnx"), segmenter="pp_humanseg", backend="ort")
    assert backends == {"ort"}
    composer(PHOTO)
    composer(PHOTO)
    assert sorted(map(str, loaded)) == ["candy", "mine.onnx", "pp_humanseg"]
    loaded.clear()
    again = "".join(["can", "dy"])  # equal, and another object
    Composer("candy", again)(PHOTO)
    assert sorted(loaded) == ["candy", "person"]


def test_how_to_compute_reaches_the_stylizer(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[tuple[Any, dict[str, Any]]] = []

    def stylizer(model: Any, **options: Any) -> Any:
        loaded.append((model, options))
        return invert

    monkeypatch.setattr("nstlib.inference.stylizer.Stylizer", stylizer)
    Composer("candy", segmenter=Nobody(), backend="ort", eight_bits=True, threads=2)
    assert loaded == [("candy", {"backend": "ort", "eight_bits": True, "threads": 2})]


def test_no_tensorflow() -> None:
    code = (
        "import sys, nstlib.compose, nstlib.video, nstlib.inference; "
        "print({'tensorflow', 'keras'} & set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "set()"


def test_public_names() -> None:
    assert nstlib.composite is composite
    assert nstlib.Composer is Composer
    assert nstlib.stylize_background is stylize_background
    assert nstlib.stylize_person is stylize_person
    assert nstlib.estimate_layers is estimate_layers
