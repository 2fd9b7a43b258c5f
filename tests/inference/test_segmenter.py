"""Person networks at work: masks and probabilities."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from onnx_files import (
    BACKENDS,
    Graph,
    computed,
    one_channel,
    picture,
    save,
    two_channels,
)

from nstlib.assets.cache import asset_path, embedded_model
from nstlib.course.portraits import drawn_mask, load_portrait
from nstlib.errors import ArgumentError, ImageError, ModelError
from nstlib.images.arrays import Image, from_uint8, to_uint8
from nstlib.images.resizing import resize
from nstlib.inference.segmenter import PersonSegmenter, _round_to_steps, resize_for_network
from nstlib.sources import load_image


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


def test_mask_is_the_tutorials(person_file: Path) -> None:
    pixels = to_uint8(load_image("astronaut", (192, 192)))
    mask = PersonSegmenter(person_file).mask(from_uint8(pixels))
    expected = as_in_the_tutorial(person_file, np.ascontiguousarray(pixels[..., ::-1]))
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, expected)
    assert {0, 255} == set(np.unique(mask))  # there is something to compare


@pytest.mark.parametrize("size", [(40, 40), (120, 200), (400, 80)])
def test_the_network_sees_means_over_areas(tmp_path: Path, size: tuple[int, int]) -> None:
    """And so one grainy shot of a scene gets the mask that the next one gets."""
    model = two_channels(40)
    segmenter = PersonSegmenter(save(model, tmp_path / "person.onnx"))
    photo = picture(*size)
    rows, columns = size[0] // 40, size[1] // 40
    means = photo.reshape(40, rows, 40, columns, 3).mean(axis=(1, 3))
    output = computed(model, 2 * means.transpose(2, 0, 1)[np.newaxis] - 1)[0, 1]
    enlarged = cv2.resize(output, size[::-1])
    np.testing.assert_allclose(segmenter(photo), enlarged, atol=1e-4)


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


def test_person_network_that_comes_with_the_library() -> None:
    assert embedded_model("person.onnx").is_file()
    photo = load_image("astronaut")
    for backend in BACKENDS:
        mask = PersonSegmenter(backend=backend).mask(photo)
        assert (mask[60:180, 190:260] == 255).mean() > 0.95  # her face
        assert (mask[:150, :90] == 0).mean() > 0.95  # the flag
        assert (PersonSegmenter(backend=backend).mask(load_image("rocket")) == 0).mean() > 0.97


@pytest.mark.parametrize(
    ("dark", "bright", "times"),
    [(0.05, 0.1, 6), (0.4, 0.5, 1.2), (0.3, 0.61, 1), (0.006, 0.012, 30)],
    ids=["a lit corner", "dim", "bright enough", "next to nothing"],
)
def test_dark_pictures_are_brightened(
    tmp_path: Path, dark: float, bright: float, times: float
) -> None:
    """Until the brightest 2 % of them are at 0.6; thirty times at most."""
    file = save(one_channel(40), tmp_path / "person.onnx")
    photo = np.full((40, 40, 3), dark, np.float32)
    photo[:12, :12] = bright  # 9 % of the picture
    photo[20, 20] = 1  # a lamp: there is nothing above white
    expected = PersonSegmenter(file, brighten=False)(np.clip(times * photo, 0, 1))
    np.testing.assert_allclose(PersonSegmenter(file)(photo), expected, atol=1e-5)


@pytest.mark.parametrize("light", [0, 1, 2])
def test_in_black_there_is_nobody(light: int) -> None:
    """As where a film begins or ends in black, also with the noise of a camera or an encoder."""
    random = np.random.default_rng(0)
    plain = np.full((90, 160, 3), light / 255, np.float32)
    noisy = random.integers(0, light + 1, plain.shape).astype(np.float32) / 255
    for black in (plain, noisy):
        assert not PersonSegmenter().mask(black).any()
        assert PersonSegmenter().matte(black).max() == 0
    # This is not so by itself.
    assert (PersonSegmenter(brighten=False).mask(plain) > 0).mean() > 0.2


def test_people_are_found_in_the_dark() -> None:
    photo = load_image("astronaut", (256, 256))
    dark = np.round(255 * 0.04 * photo) / np.float32(255)  # eleven levels
    by_day = PersonSegmenter().mask(photo) == 255
    found, not_brightened = (
        PersonSegmenter(brighten=brighten).mask(dark) == 255 for brighten in (True, False)
    )
    assert (found & by_day).sum() > 0.95 * (found | by_day).sum()
    assert (not_brightened & by_day).sum() < 0.8 * (not_brightened | by_day).sum()


def test_a_matte_follows_edges_in_the_dark_as_by_day() -> None:
    photo = load_image("astronaut", (256, 256))
    segmenter = PersonSegmenter()
    person = segmenter.look(photo)
    by_day, in_the_dark = (segmenter.refine(x, person) for x in (photo, photo / 20))
    without = PersonSegmenter(brighten=False).refine(photo / 20, person)
    assert np.abs(in_the_dark - by_day).mean() < 0.25 * np.abs(without - by_day).mean()


def test_a_crowd_is_found_by_tiles() -> None:
    """Of 36 people in six rows next to nobody is found at one look."""
    collins, truth = load_portrait("collins"), drawn_mask("collins", held=True)
    alone = np.where(truth[..., np.newaxis], collins, collins[:40, -60:].mean((0, 1)))
    small = resize(alone.astype(np.float32), (85, 85))
    crowd, people = (
        np.tile(small, (6, 6, 1)),
        np.tile(cv2.resize(truth.astype(np.uint8), (85, 85)), (6, 6)),
    )
    at_once, by_tiles = (PersonSegmenter(tiles=n).mask(crowd) == 255 for n in (1, 3))
    assert (at_once & (people > 0)).mean() < 0.05
    found = (by_tiles & (people > 0)).sum() / (by_tiles | (people > 0)).sum()
    assert found > 0.7


@pytest.mark.parametrize("size", [(40, 60), (7, 5), (1, 300)])
def test_by_tiles_nothing_is_lost_or_moved(tmp_path: Path, size: tuple[int, int]) -> None:
    """A network that judges each pixel by itself says the same at any look."""
    file = save(one_channel(40), tmp_path / "person.onnx")
    photo = np.full((*size, 3), 0.7, np.float32)
    expected = PersonSegmenter(file)(photo)
    np.testing.assert_allclose(PersonSegmenter(file, tiles=3)(photo), expected, atol=1e-5)
    with pytest.raises(ArgumentError, match="tiles is 0; it must be a whole number, 1 or more"):
        PersonSegmenter(file, tiles=0)


def test_by_tiles_those_are_found_too_whom_only_the_whole_shows(
    person_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    segmenter = PersonSegmenter(person_file, tiles=2)
    looks = 0

    def seen(photo: Image) -> NDArray[np.float32]:  # noqa: ARG001
        nonlocal looks
        looks += 1
        person = np.float32(0.8 if looks == 1 else 0.1)
        return np.tile(np.array([1 - person, person], np.float32), (192, 192, 1))

    monkeypatch.setattr(segmenter, "_seen", seen)
    np.testing.assert_allclose(segmenter(picture(64, 48)), 0.8, atol=1e-5)
    assert looks > 1


def test_pp_humanseg() -> None:
    path = asset_path("pp_humanseg")
    if not path.is_file():
        pytest.skip(f"{path.name} is not in the cache")
    segmenter = PersonSegmenter("pp_humanseg")
    pixels = to_uint8(load_image("astronaut", (192, 192)))
    bgr = np.ascontiguousarray(pixels[..., ::-1])
    mask = segmenter.mask(from_uint8(pixels))
    np.testing.assert_array_equal(mask, as_in_the_tutorial(path, bgr))
    assert (segmenter.mask(load_image("astronaut"))[60:180, 190:260] == 255).mean() > 0.95


@pytest.mark.parametrize(
    ("shape", "result", "words"),
    [
        (
            (1, 1, 32, 32),
            (1, 2, 32, 32),
            r"takes float32 pictures \(1, 32, 32\); a person network takes 3 channels",
        ),
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
    assert "\n" not in str(error.value)


def test_small_photographs_are_enlarged_linearly_and_mixed_ones_by_both() -> None:
    ramp = np.array([[[0.0], [0.25], [0.5], [0.75]]], np.float32).repeat(3, axis=2)
    expected = [0, 0.0625, 0.1875, 0.3125, 0.4375, 0.5625, 0.6875, 0.75]
    np.testing.assert_allclose(resize_for_network(ramp, (1, 8))[0, :, 0], expected, atol=1e-6)
    # Sixteen grainy rows become the mean of all, while the columns are doubled.
    grain = np.random.default_rng(0).uniform(0, 1, (16, 4, 3)).astype(np.float32)
    seen = resize_for_network(grain, (1, 8))
    np.testing.assert_allclose(seen[0, 0], grain[:, 0].mean(axis=0), atol=1e-6)


@pytest.mark.parametrize("image", [[[1, 2], [3]], None, "coffee", 3])
@pytest.mark.parametrize("method", ["__call__", "mask", "matte", "look", "refine"])
def test_what_is_no_image(person_file: Path, method: str, image: Any) -> None:
    more = [np.zeros((4, 4), np.float32)] if method == "refine" else []
    with pytest.raises(ImageError, match=r"^image (cannot become an array|is )"):
        getattr(PersonSegmenter(person_file), method)(image, *more)


def test_networks_see_the_nearest_multiples_of_32() -> None:
    sides = {1: 32, 47: 32, 49: 64, 79: 64, 81: 96, 320: 320}
    assert {side: _round_to_steps(side) for side in sides} == sides


@pytest.mark.parametrize("tiles", [0, 17, 1000])
def test_a_picture_is_not_cut_into_crumbs(tiles: int) -> None:
    with pytest.raises(ArgumentError, match=f"tiles is {tiles}"):
        PersonSegmenter(tiles=tiles)
