"""What callbacks, painters and segmenters are given is theirs, and what they say is heard."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from nstlib._tensorflow import tf
from nstlib.compose import Composer, stylize_background, stylize_person
from nstlib.errors import ArgumentError
from nstlib.images.arrays import Image, bgr_to_rgb
from nstlib.optimize import Step, minimize_image
from nstlib.scales import coarse_to_fine

GREY = np.full((8, 8, 3), 0.5, np.float32)


def towards_white(image: Any) -> Any:
    return tf.reduce_mean((image - 1.0) ** 2)


def run(callback: Any, **options: Any) -> Any:
    return minimize_image(
        towards_white, GREY, iterations=4, callback=callback, progress=False, **options
    )


@pytest.mark.parametrize("stop", [True, np.True_])
def test_true_stops_a_run(stop: Any) -> None:
    assert run(lambda _: stop).iterations == 0
    result = coarse_to_fine(
        lambda _: towards_white,
        GREY,
        [(4, 4), (8, 8)],
        iterations=[3, 3],
        callback=lambda _: stop,
        progress=False,
    )
    assert result.iterations == 0


@pytest.mark.parametrize("answer", [None, 1, "stop", np.False_, np.ones(2)])
def test_nothing_else_does(answer: Any) -> None:
    assert run(lambda _: answer).iterations > 0


@pytest.mark.parametrize("method", ["lbfgs", "adam"])
def test_what_a_callback_draws_is_not_in_the_result(method: str) -> None:
    def scribble(step: Step) -> None:
        assert step.image is not None
        step.image[:] = 255

    result = run(scribble, method=method)
    assert result.image.max() <= 1
    np.testing.assert_array_equal(result.image, run(None, method=method).image)


class Left:
    """Finds a person in the left half, and blackens what it was given."""

    def mask(self, image: Image) -> Any:
        share = np.zeros(image.shape[:2], np.uint8)
        share[:, : image.shape[1] // 2] = 255
        image[:] = 0
        return share

    def matte(self, image: Image) -> Any:
        return np.float32(self.mask(image)) / 255


def in_place(image: Image, *, strength: float, preserve_colors: bool) -> Image:
    del strength, preserve_colors
    image[:] = 1 - image
    return image


@pytest.mark.parametrize("hard", [False, True])
@pytest.mark.parametrize("part", ["background", "person"])
def test_painters_and_segmenters_may_work_in_place(hard: bool, part: str) -> None:
    photo = np.random.default_rng(0).uniform(0, 1, (6, 8, 3)).astype(np.float32)
    before = photo.copy()
    painters: dict[str, Any] = {part: in_place}
    found = Composer(**painters, segmenter=Left(), hard=hard)(photo)
    expected = before.copy()
    half = np.s_[:, :4] if part == "person" else np.s_[:, 4:]
    expected[half] = 1 - expected[half]
    np.testing.assert_allclose(found, expected, atol=1e-5)
    np.testing.assert_array_equal(photo, before)


@pytest.mark.parametrize("paint", [stylize_background, stylize_person])
@pytest.mark.parametrize("other", ["background", "person"])
def test_one_part_is_painted_and_the_other_is_not_named(paint: Any, other: str) -> None:
    with pytest.raises(ArgumentError, match=rf"{other} is for nstlib\.Composer"):
        paint(GREY, in_place, segmenter=Left(), **{other: in_place})


def test_reversed_channels_are_a_copy_whatever_was_given() -> None:
    rgb = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    for given in (rgb, rgb[..., ::-1], np.asfortranarray(rgb)):
        found = bgr_to_rgb(given)
        assert not np.shares_memory(found, given)
        assert found.flags.c_contiguous
        np.testing.assert_array_equal(found, given[..., ::-1])


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"checkpoint": "x.npz"}, "checkpoint is 'x.npz'"),
        ({"resize": None}, "resize is None"),
        ({"sizes": [(4, 4), ("8", 8)]}, "size is"),
    ],
)
def test_all_is_checked_before_the_first_size(options: dict[str, Any], words: str) -> None:
    called = []

    def loss_at(size: Any) -> Any:
        called.append(size)
        return towards_white

    given = {"sizes": [(4, 4), (8, 8)], "iterations": [2, 2], "progress": False, **options}
    with pytest.raises(ArgumentError, match=words):
        coarse_to_fine(loss_at, GREY, **given)
    assert called == []
