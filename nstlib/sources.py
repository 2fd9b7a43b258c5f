"""A name or a path becomes an image: a sample photo, a drawn style, a download or a file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nstlib._checks import check_number, check_path
from nstlib._files import is_there
from nstlib.art.catalogue import DRAWN_STYLES, draw
from nstlib.assets.cache import asset_path, fetch
from nstlib.assets.registry import ASSETS
from nstlib.errors import ImageError
from nstlib.images.arrays import Image, Picture, Size, from_uint8
from nstlib.images.decode import MEGAPIXELS, read_picture
from nstlib.images.resizing import resize, resize_mask, target_size

#: Photos that the scikit-image wheel carries: name → the function of ``skimage.data`` for it.
PHOTOS = {
    "astronaut": "astronaut",
    "chelsea": "chelsea",
    "coffee": "coffee",
    "hubble": "hubble_deep_field",
    "immunohistochemistry": "immunohistochemistry",
    "retina": "retina",
    "rocket": "rocket",
}


def sample_names() -> tuple[str, ...]:
    """Names that :func:`load_image` knows offline: photos, then the drawn styles.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> "astronaut" in sample_names(), "mosaic" in sample_names()
    (True, True)
    """
    return (*PHOTOS, *DRAWN_STYLES)


def load_image(
    source: str | Path,
    size: Size | None = None,
    *,
    enlarge: bool = True,
    max_megapixels: float = MEGAPIXELS,
) -> Image:
    """Load a sample or an image file as float32 RGB in [0, 1].

    Grey, palette, CMYK and 16-bit files become RGB; colours in other spaces (an ICC profile, as
    Adobe RGB or Display P3) become sRGB; transparent pixels are laid over white; a photo's EXIF
    rotation is applied; of an animation the first frame is taken.

    Parameters
    ----------
    source : str or pathlib.Path
        A sample photo (``"astronaut"``), a drawn style (``"mosaic"``), a registered picture to
        download once (``"starry_night"``), or the path of a file. A `Path` is always a file.
    size : int or (int, int), optional
        Longest side, or exact (height, width), in pixels. See :func:`resize`. By default the
        picture's own size (512 pixels square for a drawn style).
    enlarge : bool, default True
        False leaves a file or photo at its own size if its longest side is less than `size`.
    max_megapixels : float, default 64
        The largest picture to decode, in millions of pixels. With `size`, large JPEGs are decoded
        at a fraction of their size, and that counts.

    Returns
    -------
    ndarray of float32, shape (H, W, 3)
        RGB in [0, 1].

    Raises
    ------
    ArgumentError
        If `source` is neither text nor a path, or a number lies outside its range.
    ImageError
        If the file is absent, empty, cut off, not an image, or larger than `max_megapixels`.
    AssetError
        If a registered picture is not in the cache and cannot be downloaded.
    DependencyError
        If the file is HEIC and the package pillow_heif is not installed.

    Examples
    --------
    >>> image = load_image("astronaut", size=256)
    >>> image.shape, image.dtype, float(image.min()) >= 0.0, float(image.max()) <= 1.0
    ((256, 256, 3), dtype('float32'), True, True)
    """
    return load_picture(source, size, enlarge=enlarge, max_megapixels=max_megapixels).image


def load_picture(
    source: str | Path,
    size: Size | None = None,
    *,
    enlarge: bool = True,
    max_megapixels: float = MEGAPIXELS,
) -> Picture:
    """Load a picture as :func:`load_image` does, and keep its transparency.

    Parameters, results and errors are those of :func:`load_image`.

    Returns
    -------
    Picture
        The image that :func:`load_image` returns, and its alpha.

    Examples
    --------
    >>> load_picture("coffee", size=60).alpha is None
    True
    """
    if isinstance(source, str) and source in DRAWN_STYLES:
        return Picture(draw(source, 512) if size is None else draw(source, size))
    return _sized(_read(source, size, max_megapixels), size, enlarge)


def _read(
    source: str | Path, size: Size | None, max_megapixels: float, *, adjustable: bool = True
) -> Picture:
    """Read a photo or a file, at its own size or at one that is large enough for `size`."""
    check_number("max_megapixels", max_megapixels, above=0)
    check_path("source", source, "a sample's name or the path of an image file")
    if isinstance(source, str):
        if source in PHOTOS:
            import skimage.data

            photo: Callable[[], NDArray[np.uint8]] = getattr(skimage.data, PHOTOS[source])
            return Picture(from_uint8(photo()))
        if source in ASSETS and ASSETS[source].kind == "image":
            source = fetch(source)
        elif not is_there(source):
            if "://" in source:
                raise ImageError(f"{source} is an address; download the picture, and give its file")
            pictures = (name for name, asset in ASSETS.items() if asset.kind == "image")
            raise ImageError(
                f"{source}: no such file; give the path of an image, one of the samples "
                f"{', '.join(sample_names())}, or a picture to download: {', '.join(pictures)}"
            )
    return read_picture(Path(source), max_megapixels, size, adjustable=adjustable)


def _sized(picture: Picture, size: Size | None, enlarge: bool) -> Picture:
    """Resize a picture. Laid on white, colours count by their alpha, as they should."""
    image, alpha = picture.image, picture.alpha
    if size is None:
        return picture
    target_size(image.shape, size)  # refuses what is no size
    if not enlarge and max(image.shape[:2]) <= max(size if isinstance(size, tuple) else (size,)):
        return picture
    resized = resize(image, size)
    if alpha is None:
        return Picture(resized)
    return Picture(resized, resize_mask(alpha, size))


def source_path(source: str) -> Path | None:
    """Return the file that a name stands for; None for one that needs no file."""
    if source in sample_names():
        return None
    return asset_path(source) if source in ASSETS else Path(source)


def load_style(
    name: str | Path,
    longest: float,
    *,
    max_megapixels: float = MEGAPIXELS,
    adjustable: bool = True,
) -> Image:
    """Load a style at its own size, or at less if that is enough for this longest side.

    One that the library draws has any size that is needed. `adjustable` says whether the user can
    raise `max_megapixels`, which an error then proposes.
    """
    side = max(1, round(min(longest, 4096)))
    if name in DRAWN_STYLES:
        return load_image(name, side if longest > 512 else None)
    return _read(name, side, max_megapixels, adjustable=adjustable).image
