"""Photographs to train on: found, read, cropped, augmented."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tqdm
from numpy.typing import NDArray

from nstlib.errors import ArgumentError
from nstlib.images.arrays import Image, from_uint8, to_uint8
from nstlib.images.decode import MEGAPIXELS, read_picture
from nstlib.images.folders import find_pictures
from nstlib.images.resizing import resize


def image_files(folders: Sequence[str | Path]) -> list[Path]:
    """List the image files in some folders, and in the folders in those, by name.

    What else lies there, notes or films, is passed over, and so are hidden files:
    :func:`nstlib.images.folders.find_pictures` tells what it is.

    Raises
    ------
    ArgumentError
        If one is not a folder, or holds no image.
    """
    files: list[Path] = []
    for folder in map(Path, folders):
        if not folder.is_dir():
            raise ArgumentError(f"{folder} is not a folder; give one that holds photographs")
        found = find_pictures(folder)
        if not found.pictures:
            raise ArgumentError(
                f"{folder} holds no image, but {found.left_out() or 'nothing at all'}; give a "
                "folder that holds photographs"
            )
        files += sorted(found.pictures)
    return files


def load_photo(file: str | Path, side: int) -> NDArray[np.uint8]:
    """Read a photo, its shorter side at most `side` pixels, as uint8 RGB."""
    image = read_picture(Path(file), MEGAPIXELS, (side, side), adjustable=False).image
    scale = side / min(image.shape[:2])
    return to_uint8(resize(image, round(max(image.shape[:2]) * scale)) if scale < 1 else image)


#: The same, kept: a camera's photo takes a quarter of a second to decode and is asked for again.
cached_photo = functools.lru_cache(maxsize=256)(load_photo)


def load_photos(folders: Sequence[str | Path], side: int = 256) -> list[NDArray[np.uint8]]:
    """Read all photos of some folders, their shorter side at most `side` pixels, as uint8 RGB."""
    return [
        load_photo(file, side) for file in tqdm.tqdm(image_files(folders), desc="reading photos")
    ]


def random_crop(
    random: np.random.Generator, photo: NDArray[np.uint8], side: int, least: float
) -> Image:
    """Cut a square out of a photo, at random, mirror it or not, and bring it to `side` pixels.

    The square's side is between `least`, 1 at most, and 1 times the photo's shorter side.
    """
    window = int(random.uniform(least, 1.0) * min(photo.shape[:2]))
    y, x = (random.integers(0, n - window + 1) for n in photo.shape[:2])
    crop: NDArray[Any] = from_uint8(photo[y : y + window, x : x + window])
    way = cv2.INTER_AREA if window > side else cv2.INTER_CUBIC
    crop = cv2.resize(crop, (side, side), interpolation=way)[:, :: random.choice([-1, 1])]
    return crop.clip(0, 1)


def crops(
    photos: Sequence[NDArray[np.uint8]], count: int, side: int, seed: int, noise: float = 0.25
) -> Iterator[NDArray[np.float32]]:
    """Batches of random square crops, augmented, without end.

    Crops are taken at random scale, flipped, changed in contrast and colour. A share `noise` gets
    noise of random grain and colour: textures start as noise, and the student must know it.
    """
    random = np.random.default_rng(seed)
    while True:
        batch = np.empty((count, side, side, 3), np.float32)
        for i in range(count):
            photo = photos[int(random.integers(len(photos)))]
            least = min(0.4, side / min(photo.shape[:2]))
            crop: NDArray[Any] = random_crop(random, photo, side, least)
            crop = (crop - 0.5) * random.uniform(0.6, 1.4) + 0.5 + random.normal(0, 0.05, 3)
            if random.random() < noise:
                grain: NDArray[Any] = random.standard_normal((side, side, 3)).astype(np.float32)
                grain = cv2.GaussianBlur(grain, (0, 0), random.uniform(0.1, 1.5))
                crop = crop + random.uniform(0, 0.3) * grain / grain.std()
            batch[i] = crop.clip(0, 1)
        yield batch
