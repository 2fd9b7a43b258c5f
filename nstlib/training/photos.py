"""Photographs to train on: found, read, divided, cropped."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import cv2
import numpy as np
import tqdm.auto
from numpy.typing import NDArray

from nstlib._checks import check_path, counted, refusal, shown
from nstlib.errors import ArgumentError, ImageError, NstWarning
from nstlib.images.arrays import Image, from_uint8, to_uint8
from nstlib.images.decode import MEGAPIXELS, read_picture
from nstlib.images.folders import find_pictures
from nstlib.images.resizing import resize

T = TypeVar("T")


def image_files(folders: Sequence[str | Path]) -> list[Path]:
    """List the image files in some folders, and in the folders in those, by name.

    What else lies there, notes or films, is passed over, and so are hidden files:
    :func:`nstlib.images.folders.find_pictures` tells what it is.

    Raises
    ------
    ArgumentError
        If one is not a folder, or holds no image.
    """
    if isinstance(folders, str | Path) or not isinstance(folders, Iterable):
        raise refusal("folders", folders, "a list of folders")
    files: list[Path] = []
    for folder in (check_path("a folder", folder, "the path of a folder") for folder in folders):
        if not folder.is_dir():
            raise ArgumentError(f"{folder} is not a folder; give one that holds pictures")
        found = find_pictures(folder)
        if not found.pictures:
            raise ArgumentError(
                f"{folder} holds no image, but {found.left_out() or 'nothing at all'}; give a "
                "folder that holds pictures"
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
    """Read all photos of some folders, their shorter side at most `side` pixels, as uint8 RGB.

    Raises
    ------
    ArgumentError
        If one is not a folder, or holds no image.
    ImageError
        If none of the images can be read.

    Warns
    -----
    NstWarning
        For damaged images, which are left out.
    """
    files = image_files(folders)
    if not files:
        raise refusal("folders", folders, "a list of folders, one at least")
    photos, damaged = [], []
    for file in tqdm.auto.tqdm(files, desc="reading photos", disable=None):
        try:
            photos.append(load_photo(file, side))
        except ImageError as error:
            damaged.append(error)
    if not photos:
        raise damaged[0]
    if damaged:
        warn_of_damaged(counted(len(files), "photograph"), [error.command for error in damaged])
    return photos


def warn_of_damaged(photos: str, reasons: Sequence[str]) -> None:
    """Warn of photographs that could not be read. The warning names the caller's caller.

    Parameters
    ----------
    photos : str
        Of which photographs.
    reasons : sequence of str
        One for each damaged file; the first is shown.
    """
    warnings.warn(
        f"of {photos}, {len(reasons)} could not be read and "
        f"{'was' if len(reasons) == 1 else 'were'} left out: {reasons[0]}",
        NstWarning,
        stacklevel=3,
    )


def keep_back(samples: Sequence[T], share: float) -> tuple[list[T], list[T]]:
    """Divide samples into those to train on and those to judge by, taken at even distances.

    Parameters
    ----------
    samples : sequence
        Of anything.
    share : float
        How many to judge by, from 0 to 0.5 of them: every n-th.

    Raises
    ------
    ArgumentError
        If `share` is no such number.

    Examples
    --------
    >>> keep_back([1, 2, 3, 4, 5, 6], 1 / 3)
    ([2, 3, 5, 6], [1, 4])
    """
    if not isinstance(share, int | float | np.number) or not 0 <= share <= 0.5:
        raise ArgumentError(f"the share to keep back is {shown(share)}; it lies between 0 and 0.5")
    if share < 1e-9:
        return list(samples), []
    step = round(1 / share)
    return [s for i, s in enumerate(samples) if i % step], list(samples[::step])


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
