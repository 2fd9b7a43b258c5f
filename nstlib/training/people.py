"""Examples to teach a network what people are: photographs, and masks of the people in them."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from nstlib.backdrops import fill
from nstlib.errors import ArgumentError
from nstlib.images.arrays import Image, from_uint8, to_rgba, to_uint8
from nstlib.images.decode import MEGAPIXELS, read_picture
from nstlib.images.resizing import resize, resize_mask
from nstlib.networks.person import PERSON_SIDE
from nstlib.sources import load_image
from nstlib.training.photos import cached_photo, image_files

#: One photograph and its mask file; a photograph without people has none.
Sample: TypeAlias = tuple[Path, Path | None]

#: The share of a person in each pixel (H, W), from 0 to 1.
Mask: TypeAlias = NDArray[np.float32]

#: Pixels of a photograph's shorter side, at most, before it is cut.
_KEPT = 2 * PERSON_SIDE

#: How many of the examples show nobody, and how many show people before a scene from elsewhere.
_NOBODY, _PASTED = 0.19, 0.31

#: How often one more person, and then another one, stands before such a scene, or before people in
#: their own photograph.
_MORE_BEFORE_SCENE, _MORE_BEFORE_PEOPLE = (0.35, 0.15), (0.12, 0.02)

#: How often a thing is pasted before a scene, or before people in their own photograph.
_THING_BEFORE_SCENE, _THING_BEFORE_PEOPLE = 0.45, 0.06


def pairs(folder: str | Path) -> list[Sample]:
    """List the photographs in ``images`` and their masks of the same name in ``masks``.

    Raises
    ------
    ArgumentError
        If a folder or a mask is missing, or there are no photographs.
    """
    folder = Path(folder)
    found: list[Sample] = []
    for image in image_files([folder / "images"]):
        mask = folder / "masks" / f"{image.stem}.png"
        if not mask.is_file():
            raise ArgumentError(f"{image} has no mask: {mask} is not there")
        found.append((image, mask))
    return found


def group_of(photo: Path) -> str:
    """Name the group that a photograph belongs to: the letters at the beginning of its name.

    Examples
    --------
    >>> group_of(Path("people/images/ccp_0001.jpg"))
    'ccp'
    """
    return "".join(itertools.takewhile(str.isalpha, photo.name))


def read_mask(path: Path) -> Mask:
    """Read a mask (H, W): 1 where the file is white."""
    return load_image(path)[..., 0]


def read_thing(path: str | Path) -> tuple[Image, Mask]:
    """Read what is cut out in a picture with transparent parts.

    Returns
    -------
    ndarray of float32, shape (H, W, 3)
        Its colours, RGB in [0, 1]; where nothing is, those that lie nearest.
    ndarray of float32, shape (H, W)
        How much it covers.

    Raises
    ------
    ImageError
        If the file cannot be read.
    ArgumentError
        If nothing is cut out in it: it has no transparent parts, or no others.
    """
    pixels, covering = _cached_thing(Path(path))
    return from_uint8(pixels), covering.astype(np.float32) / np.float32(255)


@functools.lru_cache(maxsize=512)
def _cached_thing(path: Path) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    picture = read_picture(path, MEGAPIXELS, (_KEPT, _KEPT), adjustable=False)
    image, alpha = picture.image, picture.alpha
    if alpha is None or not alpha.any():
        raise ArgumentError(
            f"{path}: nothing is cut out in it; give pictures whose background is transparent"
        )
    if (scale := _KEPT / min(alpha.shape)) < 1:
        size = round(scale * max(alpha.shape))
        image, alpha = resize(image, size), resize_mask(alpha, size)
    rgba = to_rgba(image, alpha)
    # Neighbours are mixed when it is turned and resized: white would leave a rim.
    colors = fill(from_uint8(rgba[..., :3]), (rgba[..., 3] > 127).astype(np.float32))
    return to_uint8(colors), rgba[..., 3]


def augmented(
    random: np.random.Generator,
    people: Sequence[Sample],
    others: Sequence[str | Path],
    side: int = PERSON_SIDE,
    *,
    things: Sequence[str | Path] = (),
) -> tuple[Image, NDArray[np.float32]]:
    """Make one example: a photograph, and a mask of the people in it.

    Half of them are people in their own photograph: the whole of it, from head to knees or
    shoulders, a part of the body, or from farther away; now and then somebody else is pasted before
    them. The others show scenes: with nobody, or with one to three people who are cut out and
    pasted, from small figures to ones that fill the picture. Things are pasted likewise, mostly
    before scenes. Then all are mirrored or not, and get other light, colours, sharpness, grain and
    JPEG's blocks; some are dark.

    Parameters
    ----------
    random : numpy.random.Generator
        Makes all the random choices.
    people : sequence of (path, path or None)
        Photographs and their masks; see :func:`pairs`.
    others : sequence of str or pathlib.Path
        Photographs without people; may be empty.
    side : int
        Of the square, in pixels.
    things : sequence of str or pathlib.Path
        Pictures of what is no person, cut out; see :func:`read_thing`.

    Returns
    -------
    ndarray of float32, shape (side, side, 3)
        RGB in [0, 1].
    ndarray of float32, shape (side, side, 1)
        1 for a person, 0 for the background, between at the outline.

    Raises
    ------
    ImageError
        If a file cannot be read.
    ArgumentError
        If a mask has another shape than its photograph, or in a thing's picture nothing is cut out.
    """
    kind = random.random()
    nobody, scene = kind < _NOBODY, kind < _NOBODY + _PASTED
    if others and scene:
        behind = others[int(random.integers(len(others)))]
        photo = from_uint8(cached_photo(Path(behind), _KEPT))
        mask = np.zeros(photo.shape[:2], np.float32)
        chances: tuple[float, ...] = () if nobody else (1.0, *_MORE_BEFORE_SCENE)
        chance_of_thing = _THING_BEFORE_SCENE
    else:
        photo, mask = _read(people[int(random.integers(len(people)))])
        chances = _MORE_BEFORE_PEOPLE
        chance_of_thing = _THING_BEFORE_PEOPLE
    image, mask = _seen(photo, mask, _window(random, mask), side, mirrored=True)
    if things and random.random() < chance_of_thing:
        thing = read_thing(things[int(random.integers(len(things)))])
        image, covered = _pasted(random, image, *thing, whole=True)
        mask = mask * (1 - covered)
    for chance in chances:
        if random.random() < chance:
            somebody = _read(people[int(random.integers(len(people)))])
            image, covered = _pasted(random, image, *somebody)
            mask = covered + mask * (1 - covered)
    if random.random() < 0.5:
        image, mask = image[:, ::-1], mask[:, ::-1]
    image = _changed(random, np.ascontiguousarray(image))
    # Resizing rounds: a mean of ones may be a little more than 1.
    return image, np.clip(mask, 0, 1)[..., np.newaxis]


def _read(sample: Sample) -> tuple[Image, Mask]:
    photo, file = sample
    image = from_uint8(cached_photo(photo, _KEPT))
    if file is None:
        return image, np.zeros(image.shape[:2], np.float32)
    mask = from_uint8(cached_photo(file, _KEPT))[..., 0]
    if mask.shape != image.shape[:2]:
        raise ArgumentError(f"{file} has another shape than its photograph, {photo}")
    return image, mask


class _Window(NamedTuple):
    """What is seen of a photograph: a rectangle of its pixels, turned by an angle in radians."""

    y: float
    x: float
    height: float
    width: float
    angle: float


def _ends(mask: Mask) -> tuple[float, float, float, float] | None:
    """Top, bottom, left and right of the people in a mask; None if there are none."""
    rows, columns = (np.flatnonzero(mask.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return None
    return float(rows[0]), float(rows[-1] + 1), float(columns[0]), float(columns[-1] + 1)


def _angle(random: np.random.Generator) -> float:
    """Mostly upright, sometimes aslant, seldom on the side."""
    degrees = random.normal(0, 8)
    if random.random() < 0.15:
        degrees = random.uniform(-35, 35)
    if random.random() < 0.02:
        degrees += random.choice([-90, 90])
    return math.radians(degrees)


def _window(random: np.random.Generator, mask: Mask) -> _Window:
    """Choose what is seen of a photograph."""
    height, width = mask.shape
    tall, wide = height * random.uniform(0.6, 1.1), width * random.uniform(0.7, 1.1)
    y = height / 2 + tall * random.uniform(-0.15, 0.15)
    x = width / 2 + wide * random.uniform(-0.2, 0.2)
    angle = _angle(random)
    way, ends = random.random(), _ends(mask)
    if way < 0.15:  # as it is
        tall, wide = height * random.uniform(0.97, 1.03), width * random.uniform(0.97, 1.03)
        y, x, angle = height / 2, width / 2, math.radians(random.normal(0, 2))
    elif way > 0.92:  # from farther away
        tall, wide = height * random.uniform(1.1, 2.2), width * random.uniform(1.1, 2.2)
        y, x = height * random.uniform(0.2, 0.8), width * random.uniform(0.2, 0.8)
    elif ends is None:
        if way < 0.4:  # a scene from near
            tall, wide = height * random.uniform(0.3, 0.8), width * random.uniform(0.3, 0.8)
    elif way > 0.42:
        top, bottom, left, right = ends
        if way < 0.8:  # closer, from the head down
            tall = min(height, (bottom - top) * random.uniform(0.25, 0.85) * 1.15)
            wide = min(width * 1.1, tall * random.uniform(0.6, 1.8))
            y = top + (0.4 + random.uniform(-0.15, 0.15)) * tall
            x = (left + right) / 2 + wide * random.uniform(-0.3, 0.3)
        else:  # a part of the body
            tall = max(64.0, (bottom - top) * random.uniform(0.25, 0.8))
            wide = min(width, tall * random.uniform(0.6, 1.6))
            y, x = random.uniform(top, bottom), random.uniform(left, right)
    return _Window(y, x, max(tall, 8.0), max(wide, 8.0), angle)


def _seen(
    image: Image, mask: Mask, window: _Window, side: int, *, mirrored: bool
) -> tuple[Image, Mask]:
    """Bring a window of a photograph to a square; beyond the borders it is mirrored, or empty."""
    turn = np.array(
        [
            [math.cos(window.angle), -math.sin(window.angle)],
            [math.sin(window.angle), math.cos(window.angle)],
        ]
    )
    # From the square's pixels to the photograph's. Turned as a square, so that a photograph that
    # is stretched to one is turned as it is seen.
    matrix = np.diag([window.width / side, window.height / side]) @ turn
    inverse = np.column_stack([matrix, [window.x, window.y] - matrix @ [side / 2, side / 2]])
    shrink = max(window.width, window.height) / side
    # Without a blur first, fine patterns would turn into coarse ones.
    if shrink > 1.5:
        image, mask = (_blurred(x, 0.4 * shrink) for x in (image, mask))

    def warped(array: NDArray[Any], border: int) -> NDArray[Any]:
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        return cv2.warpAffine(array, inverse, (side, side), flags=flags, borderMode=border)

    if mirrored:
        return warped(image, cv2.BORDER_REFLECT_101), warped(mask, cv2.BORDER_REFLECT_101)
    return warped(image, cv2.BORDER_REPLICATE), warped(mask, cv2.BORDER_CONSTANT)


def _blurred(array: NDArray[Any], spread: float) -> NDArray[Any]:
    return np.asarray(cv2.GaussianBlur(array, (0, 0), spread))


def _pasted(
    random: np.random.Generator, image: Image, photo: Image, cut: Mask, *, whole: bool = False
) -> tuple[Image, Mask]:
    """Paste somebody or something from another photograph before what is there.

    What is `whole` is not cut off where its photograph ends. Returns the picture, and how much of
    it is covered now.
    """
    ends, side = _ends(cut), len(image)
    if ends is None:
        return image, np.zeros((side, side), np.float32)
    top, bottom, left, right = ends
    share = math.exp(random.uniform(math.log(0.22), math.log(1.9)))  # of the square's height
    tall = max(8.0, bottom - top) / share
    wide = tall * math.exp(random.normal(0, 0.22))
    if random.random() < 0.5:  # as if the whole photograph had been stretched to the square
        wide *= float(np.clip(cut.shape[1] / cut.shape[0], 0.5, 2))
    angle = _angle(random)
    if bottom >= len(cut) - 3 and not whole:  # who is cut off below stands at the lower side
        first = random.uniform(0, 0.3) if share > 1.25 else random.uniform(1.0, 1.3) - share
        angle = math.radians(random.normal(0, 3))
    elif share > 0.8:
        first = random.uniform(0, 0.35)
    else:
        first = random.uniform(0, 1.05 - share)
    window = _Window(
        top + (0.5 - first) * tall,
        (left + right) / 2 + (0.5 - random.uniform(0.05, 0.95)) * wide,
        tall,
        wide,
        angle,
    )
    seen, alpha = _seen(photo, cut, window, side, mirrored=False)
    alpha = _blurred(alpha, random.uniform(0.3, 1.1))
    # A little smaller, so that less of the old background comes along.
    thinner = random.uniform(0, 0.35)
    alpha = np.clip((alpha - thinner) / (1 - thinner), 0, 1)
    light = random.uniform(0.85, 1.15) * np.clip(seen, 0, 1) ** math.exp(random.normal(0, 0.15))
    light = light + (random.normal(0, 0.03) + random.normal(0, 0.025, 3)).astype(np.float32)
    if random.random() < 0.3:  # the scene lies out of focus
        image = _blurred(image, random.uniform(0.3, 1.5))
    joined: Image = image + alpha[..., np.newaxis] * (light - image)
    return joined.astype(np.float32), np.asarray(alpha, np.float32)


def _changed(random: np.random.Generator, image: Image) -> Image:
    """Change light, colours and sharpness."""
    dark = random.random() < 0.1
    gamma = random.uniform(0.4, 1.1) if dark else random.normal(0, 0.25)
    changed: NDArray[Any] = np.clip(image, 0, 1) ** math.exp(gamma)
    if dark:
        changed = changed * random.uniform(0.35, 0.9)
    else:
        contrast, brightness = random.uniform(0.65, 1.3), random.normal(0, 0.08)
        changed = (changed - 0.5) * contrast + (0.5 + brightness)
    changed = changed + random.normal(0, 0.05, 3).astype(np.float32)
    if random.random() < 0.08:  # grey
        changed = np.repeat(changed.mean(axis=2, keepdims=True), 3, axis=2)
    if random.random() < 0.08:  # from a small file
        side = len(changed)
        small = cv2.resize(
            changed, (round(side * random.uniform(0.2, 0.75)),) * 2, interpolation=cv2.INTER_AREA
        )
        changed = cv2.resize(small, (side, side))
    if random.random() < 0.25:
        changed = _blurred(changed, random.uniform(0.5, 2.2))
    if random.random() < 0.3:
        grain = random.standard_normal(changed.shape, np.float32)
        changed = changed + random.uniform(0.01, 0.07) * grain
    changed = np.clip(changed, 0, 1)
    if random.random() < 0.3:
        quality = int(random.integers(20, 85))
        _, code = cv2.imencode(".jpg", to_uint8(changed), [cv2.IMWRITE_JPEG_QUALITY, quality])
        # OpenCV takes red for blue both when it encodes and when it decodes, so nothing is swapped.
        changed = from_uint8(np.asarray(cv2.imdecode(code, cv2.IMREAD_COLOR)))
    return np.asarray(changed, np.float32)
