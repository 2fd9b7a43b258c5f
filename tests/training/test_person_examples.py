"""Examples of people to learn from: files that belong together, and what is made of them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from drawn_people import figure, grey
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nstlib.errors import ArgumentError
from nstlib.images.encode import save_image
from nstlib.networks.person import PERSON_SIDE
from nstlib.training import people as examples
from nstlib.training.people import Sample, augmented, pairs, read_thing
from nstlib.training.photos import keep_back

# Samples


def test_pairs_belong_together(people: list[Sample]) -> None:
    assert len(people) == 8
    for photo, mask in people:
        assert mask is not None
        assert (photo.parent.name, mask.parent.name) == ("images", "masks")
        assert photo.stem == mask.stem


def test_pairs_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(ArgumentError, match="images is not a folder; give one"):
        pairs(tmp_path)
    (tmp_path / "images").mkdir()
    with pytest.raises(ArgumentError, match="images holds no image"):
        pairs(tmp_path)
    save_image(grey(figure(40, 40)), tmp_path / "images" / "a.jpg")
    with pytest.raises(ArgumentError, match=r"a\.jpg has no mask: .*a\.png is not there"):
        pairs(tmp_path)
    (tmp_path / "masks").mkdir()
    save_image(grey(figure(40, 44)), tmp_path / "masks" / "a.png")
    with pytest.raises(ArgumentError, match=r"a\.png has another shape than its photograph"):
        augmented(np.random.default_rng(0), pairs(tmp_path), [])


@given(count=st.integers(0, 50), share=st.floats(0.02, 0.5))
def test_what_is_kept_back_is_not_trained_on(count: int, share: float) -> None:
    learned, judged = keep_back(range(count), share)
    assert sorted(learned + judged) == list(range(count))
    assert len(judged) == math.ceil(count / round(1 / share))


def test_shares_to_keep_back() -> None:
    assert keep_back([1, 2, 3], 0) == ([1, 2, 3], [])
    numpys: list[Any] = [np.float32(0.5), np.int64(0)]
    assert keep_back([1, 2, 3], numpys[0]) == ([2], [1, 3])
    assert keep_back([1, 2, 3], numpys[1]) == ([1, 2, 3], [])
    for share in (-0.1, 0.6, 1.0):
        with pytest.raises(ArgumentError, match=r"it lies between 0 and 0\.5"):
            keep_back([1, 2, 3], share)


# Examples


@given(seed=st.integers(0, 10_000), side=st.sampled_from([64, PERSON_SIDE]))
@example(seed=3815, side=64)  # a mean of ones that is more than 1
@settings(max_examples=15)
def test_examples_are_images_and_masks(
    people: list[Sample], others: list[Path], seed: int, side: int
) -> None:
    image, mask = augmented(np.random.default_rng(seed), people, others, side)
    assert (image.shape, mask.shape) == ((side, side, 3), (side, side, 1))
    assert image.dtype == mask.dtype == np.float32
    assert 0 <= image.min() <= image.max() <= 1
    assert 0 <= mask.min() <= mask.max() <= 1
    again = augmented(np.random.default_rng(seed), people, others, side)
    np.testing.assert_array_equal(image, again[0])
    np.testing.assert_array_equal(mask, again[1])


@given(seed=st.integers(0, 10_000))
@settings(max_examples=40)
def test_the_mask_goes_where_the_person_goes(people: list[Sample], seed: int) -> None:
    """Each photograph is its own mask, so that the two must stay the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(examples, "_changed", lambda random, image: image)  # noqa: ARG005
        patch.setattr(examples, "_MORE_BEFORE_PEOPLE", ())
        image, mask = augmented(np.random.default_rng(seed), people, [])
    np.testing.assert_allclose(image, mask.repeat(3, axis=2), atol=1e-5)


@given(seed=st.integers(0, 10_000))
@settings(max_examples=40)
def test_light_and_grain_leave_the_person_in_its_place(
    people: list[Sample], others: list[Path], seed: int
) -> None:
    """White people before black walls, also after pasting: brighter where the mask is."""
    image, mask = augmented(np.random.default_rng(seed), people, others)
    inside, outside = mask[..., 0] > 0.9, mask[..., 0] < 0.1
    if inside.mean() > 0.02 and outside.any():
        threshold = (image[inside].mean() + image[outside].mean()) / 2
        assert image[inside].mean() > image[outside].mean() + 0.1
        assert (image[inside].mean(axis=-1) > threshold).mean() > 0.9
        assert (image[outside].mean(axis=-1) < threshold).mean() > 0.9


def test_one_in_five_shows_nobody(people: list[Sample], others: list[Path]) -> None:
    count = 400
    empty = [
        not augmented(np.random.default_rng((1, i)), people, others, 32)[1].any()
        for i in range(count)
    ]
    # 76 are expected, give or take eight; a window seldom misses the person.
    assert 50 < sum(empty) < 110
    without = [augmented(np.random.default_rng((1, i)), people, [], 32)[1].any() for i in range(50)]
    assert sum(without) > 45


def test_what_is_cut_out_is_told_from_what_is_around_it(tmp_path: Path) -> None:
    shape = figure(60, 50)
    color = np.array([0.2, 0.9, 0.4], np.float32)
    save_image(grey(shape) * color + (1 - grey(shape)), tmp_path / "cat.png", alpha=shape)
    colors, covering = read_thing(tmp_path / "cat.png")
    np.testing.assert_allclose(covering, shape, atol=0.5 / 255)
    inside = shape > 0.5
    # Around it as well: where neighbours are mixed, nothing else may come in.
    np.testing.assert_allclose(colors, np.broadcast_to(color, colors.shape), atol=3 / 255)
    assert inside.mean() < 0.7
    large = np.kron(shape, np.ones((12, 12), np.float32))
    save_image(np.ones((*large.shape, 3)), tmp_path / "large.png", alpha=large)
    assert read_thing(tmp_path / "large.png")[1].shape == (614, 512)
    for name, alpha in (("wall.png", None), ("nothing.png", np.zeros((60, 50)))):
        save_image(grey(shape), tmp_path / name, alpha=alpha)
        with pytest.raises(ArgumentError, match=rf"{name}: nothing is cut out in it; give pict"):
            read_thing(tmp_path / name)


def test_things_are_pasted_and_are_nobody(
    people: list[Sample], others: list[Path], tmp_path: Path
) -> None:
    """A green figure before black walls, and before people, of whom it covers a part."""
    shape = figure(60, 50)
    save_image(grey(shape) * [0, 1, 0] + (1 - grey(shape)), tmp_path / "frog.png", alpha=shape)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(examples, "_changed", lambda random, image: image)  # noqa: ARG005
        patch.setattr(examples, "_THING_BEFORE_PEOPLE", 0.5)
        made = [
            augmented(np.random.default_rng((3, i)), people, others, things=[tmp_path / "frog.png"])
            for i in range(80)
        ]
    green = [image[..., 1] - image[..., [0, 2]].max(axis=2) > 0.5 for image, _ in made]
    seen = [where.mean() > 0.02 for where in green]
    assert 20 < sum(seen) < 50  # about half, less those that stand behind somebody
    covered = np.concatenate([m[..., 0][g] for (_, m), g in zip(made, green, strict=True)])
    assert np.quantile(covered, 0.99) < 0.2
    with_people = [m.max() > 0.9 for (_, m), s in zip(made, seen, strict=True) if s]
    assert 0.3 < np.mean(with_people) < 0.95


def test_a_thing_is_seen_whole_and_without_a_rim(people: list[Sample], tmp_path: Path) -> None:
    """A green square that fills its file: nothing of it is cut off, as people who stand are."""
    square = np.zeros((44, 44), np.float32)
    square[2:-1, 2:-2] = 1
    save_image(grey(square) * [0, 1, 0] + (1 - grey(square)), tmp_path / "a.png", alpha=square)
    blue = tmp_path / "blue.png"
    save_image(np.broadcast_to([0, 0, 1.0], (90, 90, 3)), blue)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(examples, "_changed", lambda random, image: image)  # noqa: ARG005
        patch.setattr(examples, "_NOBODY", 1.0)
        patch.setattr(examples, "_THING_BEFORE_SCENE", 1.0)
        made = [
            augmented(np.random.default_rng((4, i)), people, [blue], things=[tmp_path / "a.png"])
            for i in range(60)
        ]
    green = [image[..., 1] > 0.4 for image, _ in made]
    inside = [not g[[0, -1]].any() and not g[:, [0, -1]].any() for g in green if g.mean() > 0.02]
    assert np.mean(inside) > 0.2
    assert max(image[..., 0].max() for image, _ in made) < 0.35  # but for a change of the light


def test_others_stand_behind_the_pasted(people: list[Sample], tmp_path: Path) -> None:
    """Three in ten examples show people before a red wall, and still whole."""
    red = tmp_path / "red.png"
    save_image(np.broadcast_to([1.0, 0.0, 0.0], (90, 130, 3)), red)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(examples, "_changed", lambda random, image: image)  # noqa: ARG005
        made = [augmented(np.random.default_rng((2, i)), people, [red]) for i in range(120)]
    pasted = 0
    for image, mask in made:
        inside, outside = mask[..., 0] > 0.99, mask[..., 0] < 0.01
        if inside.any() and image[outside, 0].mean() > 0.5:
            pasted += 1
            np.testing.assert_allclose(image[outside, 1:].mean(), 0, atol=0.05)
            assert image[inside].mean() > 0.7
    assert 25 < pasted < 60
