"""What is laid behind a person, light that is mixed as light, and who counts as a person."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from nstlib.backdrops import Behind, blur_background
from nstlib.compose import Composer, composite, estimate_layers
from nstlib.errors import ArgumentError, ImageError
from nstlib.images.arrays import Image
from nstlib.images.colors import from_linear, to_linear
from nstlib.images.encode import save_image
from nstlib.sources import load_image

SIZE = (48, 64)
RED, BLUE = np.array([0.8, 0.1, 0.1], np.float32), np.array([0.1, 0.2, 0.7], np.float32)


def plain(colour: NDArray[np.float32], size: tuple[int, int] = SIZE) -> Image:
    return np.tile(colour, (*size, 1))


class Finder:
    """Finds the same person in every picture, with soft edges; and a speck beside them."""

    def __init__(self, speck: bool = False, softness: float = 1.5) -> None:
        body = np.zeros(SIZE, np.float32)
        body[12:, 20:44] = 1
        if speck:
            body[4:7, 56:59] = 1
        self.hard = np.where(body == 1, 255, 0).astype(np.uint8)
        self.alpha = np.asarray(cv2.GaussianBlur(body, (0, 0), softness), np.float32)

    def matte(self, image: Image) -> NDArray[np.float32]:
        assert image.shape[:2] == SIZE
        return self.alpha

    def mask(self, image: Image) -> NDArray[np.uint8]:
        assert image.shape[:2] == SIZE
        return self.hard


def invert(image: Image, *, strength: float, preserve_colors: bool) -> Image:  # noqa: ARG001
    return 1 - image


# Light


def test_half_black_and_half_white() -> None:
    """By hand: 1.055 · 0.5^(1/2.4) − 0.055 = 0.7354 in light; 0.5 in code values."""
    black, white = np.zeros((1, 1, 3), np.float32), np.ones((1, 1, 3), np.float32)
    assert composite(black, white, [[0.5]])[0, 0, 0] == 0.5
    assert composite(black, white, [[0.5]], linear=True)[0, 0, 0] == pytest.approx(
        0.735357, abs=1e-5
    )


def test_the_transfer_function_is_the_standards() -> None:
    """For all 256 codes, by the standard's text in double precision; and back."""
    codes = np.arange(256) / 255
    light = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in codes.tolist()]
    np.testing.assert_allclose(to_linear(codes.astype(np.float32)), light, rtol=2e-6)
    np.testing.assert_allclose(from_linear(np.array(light, np.float32)), codes, atol=2e-6)


shares = arrays(np.float32, (3, 4), elements=st.floats(0, 1, width=32))


@given(arrays(np.uint8, (3, 4, 3)), shares)
def test_light_taken_apart_makes_the_picture_again(
    pixels: NDArray[np.uint8], alpha: NDArray[np.float32]
) -> None:
    image = pixels.astype(np.float32) / 255
    front, back = estimate_layers(image, alpha, linear=True)
    again = composite(front, back, alpha, linear=True)
    np.testing.assert_allclose(again, image, atol=1e-4)


@pytest.mark.parametrize("linear", [False, True])
def test_a_composer_takes_apart_what_was_mixed_alike(linear: bool) -> None:
    finder = Finder()
    photo = composite(plain(RED), plain(BLUE), finder.alpha, linear=linear)
    green = np.array([0.1, 0.6, 0.2], np.float32)
    expected = composite(plain(RED), plain(green), finder.alpha, linear=linear)
    composer = Composer(backdrop=plain(green), segmenter=finder, linear=linear)
    np.testing.assert_allclose(composer(photo), expected, atol=0.02)


# Backdrops


@pytest.mark.parametrize(
    ("colour", "expected"),
    [("#1e90ff", (30, 144, 255)), ("navy", (0, 0, 128)), ("rgb(10, 20, 30)", (10, 20, 30))],
)
def test_colours(colour: str, expected: tuple[int, int, int]) -> None:
    finder = Finder()
    photo = composite(plain(RED), plain(BLUE), finder.alpha)
    result = Composer(backdrop=colour, segmenter=finder)(photo)
    wanted = composite(
        plain(RED), plain(np.array(expected, np.float32) / np.float32(255)), finder.alpha
    )
    np.testing.assert_allclose(result, wanted, atol=0.01)


def test_images_cover_the_photograph() -> None:
    """A wide strip is cut at both sides, a tall one above and below; proportions stay."""
    finder = Finder(softness=0.3)
    across = np.tile(np.linspace(0, 1, 384, dtype=np.float32)[None, :, None], (48, 1, 3))
    down = across.transpose(1, 0, 2)
    world = finder.alpha == 0
    result = Composer(backdrop=across, segmenter=finder)(plain(RED))
    np.testing.assert_allclose(result[world], across[:, 160:224][world], atol=1e-6)
    result = Composer(backdrop=down, segmenter=finder)(plain(RED))
    # 384 by 48 pixels are enlarged by 4/3: 36 of its rows are seen, those in the middle.
    wanted = np.interp((np.arange(48) + 0.5) * 0.75 - 0.5 + 174, np.arange(384), down[:, 0, 0])
    expected = np.tile(wanted.astype(np.float32)[:, None, None], (1, 64, 3))
    np.testing.assert_allclose(result[world], expected[world], atol=2e-3)


def test_a_photograph_may_be_longer_than_what_a_size_may_be_asked_for() -> None:
    behind = Behind(np.full((2, 2, 3), 0.25, np.float32), False)
    assert behind(np.zeros((2, 17000, 3), np.float32), np.zeros((2, 17000), np.float32)).shape == (
        (2, 17000, 3)
    )


def test_a_backdrop_covers_pictures_of_any_size_in_turn() -> None:
    behind = Behind(
        np.tile(np.linspace(0, 1, 64, dtype=np.float32)[:, None, None], (1, 64, 3)), False
    )
    for size in ((40, 60), (60, 40), (40, 60)):
        photo = plain(RED, size)
        assert behind(photo, np.zeros(size, np.float32)).shape == photo.shape


def test_images_by_name_and_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    finder = Finder(softness=0.3)
    save_image(plain(BLUE, (10, 10)), "red.png")
    Path("red.png").rename("red")
    world = finder.alpha == 0
    for backdrop, colour in (
        ("./red", BLUE),
        (Path("red"), BLUE),
        ("red", np.array([1, 0, 0], np.float32)),
    ):
        result = Composer(backdrop=backdrop, segmenter=finder)(plain(RED))
        np.testing.assert_allclose(result[world], plain(colour)[world], atol=2e-3)
    result = Composer(backdrop="coffee", segmenter=finder)(plain(RED))
    assert result[world].std() > 0.1


def test_a_backdrop_is_painted_and_matched() -> None:
    finder = Finder(softness=0.3)
    world, person = finder.alpha == 0, finder.alpha == 1
    result = Composer(invert, backdrop="white", segmenter=finder)(plain(RED))
    np.testing.assert_allclose(result[world], 0, atol=1e-6)
    np.testing.assert_allclose(result[person], plain(RED)[person], atol=1e-6)
    result = Composer(person=invert, backdrop="white", segmenter=finder)(plain(RED))
    np.testing.assert_allclose(result[world], 1, atol=1e-6)
    np.testing.assert_allclose(result[person], 1 - plain(RED)[person], atol=1e-6)
    striped = plain(BLUE)
    striped[:, ::2] *= 0.8
    result = Composer(backdrop=striped, match=1, segmenter=finder)(plain(RED))
    np.testing.assert_allclose(result[person], 0.9 * plain(BLUE)[person], atol=0.01)
    for backdrop in ("white", plain(BLUE)):  # people would vanish before it
        with pytest.raises(ArgumentError, match="this one has a single one"):
            Composer(backdrop=backdrop, match=0.5, segmenter=finder)
    assert Composer(invert, backdrop="white", match=0.5, segmenter=finder)(plain(RED)).any()


def test_hard_cuts_before_a_backdrop() -> None:
    finder = Finder()
    photo = load_image("coffee", SIZE)
    result = Composer(backdrop="white", hard=True, segmenter=finder)(photo)
    expected = np.where(finder.hard[..., None] == 255, photo, 1)
    np.testing.assert_allclose(result, expected, atol=1e-6)


# The person's own background, out of focus


@pytest.mark.parametrize("linear", [False, True])
@pytest.mark.parametrize("off", [0, 1])
def test_nothing_of_the_person_is_in_the_blur(linear: bool, off: int) -> None:
    """Not even if the matte is a pixel too small at the scale of 64: only the wall is there."""
    size = (96, 128)
    truth = np.zeros(size, np.float32)
    truth[24:, 40:88] = 1
    photo = composite(plain(RED, size), plain(BLUE, size), truth)
    found = cv2.erode(truth, np.ones((2 * off + 1,) * 2, np.uint8))
    blurred = blur_background(photo, found, linear=linear)
    np.testing.assert_allclose(blurred, plain(BLUE, size), atol=0.01)
    naive = cv2.GaussianBlur(photo, (0, 0), 128 / 50)
    assert np.abs(naive - BLUE)[truth == 0].max() > 0.2  # what a blur of the picture does


def test_far_from_people_it_is_a_blur() -> None:
    photo = load_image("coffee", (200, 300))
    alpha = np.zeros((200, 300), np.float32)
    alpha[150:, :40] = 1
    blurred = blur_background(photo, alpha)
    expected = cv2.GaussianBlur(photo, (0, 0), 300 / 50, borderType=cv2.BORDER_REPLICATE)
    np.testing.assert_allclose(blurred[:, 100:], expected[:, 100:], atol=0.02)


def test_large_pictures_are_blurred_as_small_ones() -> None:
    small = cv2.GaussianBlur(load_image("coffee", (320, 480)), (0, 0), 2)
    alpha = np.zeros((320, 480), np.float32)
    alpha[200:, 200:280] = 1
    large = cv2.resize(small, (1440, 960), interpolation=cv2.INTER_CUBIC).clip(0, 1)
    blurred = blur_background(large, cv2.resize(alpha, (1440, 960)))
    again = cv2.resize(blurred, (480, 320), interpolation=cv2.INTER_AREA)
    expected = blur_background(small, alpha)
    # Under the person there are only guesses. At three standard deviations none of them is left.
    away = cv2.dilate(alpha, np.ones((61, 61))) == 0
    np.testing.assert_allclose(again[away], expected[away], atol=0.01)
    assert np.abs(again - expected).max() < 0.1


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (7, 2)])
def test_tiny_pictures(size: tuple[int, int]) -> None:
    photo = plain(BLUE, size)
    np.testing.assert_allclose(blur_background(photo, np.zeros(size)), photo, atol=1e-5)
    assert blur_background(photo, np.ones(size)).shape == photo.shape


def test_a_composer_blurs() -> None:
    finder = Finder()
    photo = load_image("coffee", SIZE)
    result = Composer(backdrop="blur", segmenter=finder)(photo)
    front, _ = estimate_layers(photo, finder.alpha)
    expected = composite(front, blur_background(photo, finder.alpha), finder.alpha)
    np.testing.assert_allclose(result, expected, atol=1e-6)


def test_a_composer_blurs_light() -> None:
    """Of columns that are black and white in turn, half the light is left: see above."""
    finder = Finder()
    finder.alpha = np.zeros(SIZE, np.float32)
    photo = np.zeros((*SIZE, 3), np.float32)
    photo[:, ::2] = 1
    result = Composer(backdrop="blur", segmenter=finder, linear=True)(photo)
    np.testing.assert_allclose(result[16:-16, 16:-16], 0.7354, atol=0.01)


# Who counts as a person


@pytest.mark.parametrize("hard", [False, True])
def test_a_speck_is_no_person(hard: bool) -> None:
    both, alone = Finder(speck=True, softness=0.5), Finder(softness=0.5)
    photo = load_image("coffee", SIZE)

    def made(finder: Finder, **options: Any) -> Image:
        return Composer(backdrop="white", hard=hard, segmenter=finder, **options)(photo)

    np.testing.assert_allclose(made(both), made(alone), atol=1e-6)
    assert np.abs(made(both, smallest=0) - made(alone))[5, 57].max() > 0.1
    assert np.abs(made(both, person_at=(0.9, 0.1)) - 1)[30, 30].max() < 1e-6


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"backdrop": "navyy"}, "backdrop is 'navyy'; it must be 'blur', an opaque colour"),
        ({"backdrop": "#00ff0080"}, "backdrop is '#00ff0080'"),
        ({"backdrop": "rgb(300, 0, 0)"}, r"backdrop is 'rgb\(300, 0, 0\)'"),
        (
            {"backdrop": "blur", "segmenter": None},
            "segmenter is None; it must be a name, the path of an ONNX file, or",
        ),
        ({"backdrop": "blur", "smallest": 3}, "smallest is 3"),
        ({"backdrop": "blur", "person_at": (9, 9)}, "person_at is"),
        ({}, "there is no style; give one for the background, the person or both, or a backdrop"),
    ],
)
def test_bad_arguments(options: dict[str, Any], words: str) -> None:
    with pytest.raises(ArgumentError, match=words):
        Composer(**{"segmenter": Finder(), **options})


def test_what_is_no_backdrop(tmp_path: Path) -> None:
    (tmp_path / "text.png").write_text("no image")
    for backdrop in (str(tmp_path / "text.png"), tmp_path / "absent.png", np.zeros((3, 3))):
        with pytest.raises(ImageError):
            Composer(backdrop=backdrop, segmenter=Finder())
