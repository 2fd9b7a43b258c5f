"""Image files become arrays: pixels, rotation and transparency."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nstlib._files import reason
from nstlib.errors import ImageError
from nstlib.images.arrays import Image, check_image, from_uint8

if TYPE_CHECKING:
    import PIL.Image


def read_image(path: Path, max_megapixels: float) -> Image:
    """Read a file as :func:`nstlib.load_image` does."""
    import PIL.Image

    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ImageError(f"{path}: no such file; give the path of an image") from error
    except (OSError, ValueError) as error:
        raise ImageError(f"{path}: cannot be read ({reason(error)})") from error
    if path.is_dir():
        raise ImageError(f"{path} is a folder; give the path of an image file")
    if found.st_size == 0:
        raise ImageError(f"{path} is empty (0 bytes); it may be an unfinished download")
    try:
        with _without_pillow_limit(), PIL.Image.open(path) as file:
            width, height = file.size
            if width * height > max_megapixels * 1e6:
                raise ImageError(
                    f"{path} has {width * height / 1e6:.1f} megapixels ({width}×{height}); the "
                    f"limit is {max_megapixels:g}; shrink it, or raise max_megapixels"
                )
            return _to_rgb(file, str(path))
    except (ImageError, MemoryError):
        raise
    except PIL.UnidentifiedImageError as error:
        raise ImageError(f"{path} is not an image that Pillow can read") from error
    except Exception as error:  # a damaged file makes Pillow's decoders raise almost anything
        if isinstance(error, OSError) and error.strerror:
            raise ImageError(f"{path}: cannot be read ({error.strerror})") from error
        raise ImageError(f"{path} is damaged or cut off ({reason(error)}); get it again") from error


@contextmanager
def _without_pillow_limit() -> Iterator[None]:
    # Our own limit stands in for Pillow's, whose warning and error name neither file nor remedy.
    import PIL.Image

    limit = PIL.Image.MAX_IMAGE_PIXELS
    PIL.Image.MAX_IMAGE_PIXELS = None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # notes on odd metadata do not concern the pixels
            yield
    finally:
        PIL.Image.MAX_IMAGE_PIXELS = limit


def _to_rgb(file: PIL.Image.Image, name: str) -> Image:
    file.seek(0)
    picture = _upright(file)
    if picture.mode == "I" or picture.mode.startswith("I;16") or picture.mode == "F":
        grey = np.asarray(picture, dtype=np.float32)
        if picture.mode != "F":
            grey = grey / np.float32(65535)
        return check_image(np.repeat(grey[..., np.newaxis], 3, axis=2), name)
    if not picture.has_transparency_data:
        return from_uint8(np.asarray(picture.convert("RGB")))
    rgba = np.asarray(picture.convert("RGBA"), dtype=np.float32) / np.float32(255)
    alpha = rgba[..., 3:]
    return check_image(alpha * rgba[..., :3] + (1 - alpha))


def _upright(picture: PIL.Image.Image) -> PIL.Image.Image:
    # Pillow's exif_transpose also writes the other notes anew, and fails on odd ones.
    import PIL.ExifTags
    from PIL.Image import Transpose

    picture.load()
    try:
        orientation = picture.getexif().get(PIL.ExifTags.Base.Orientation)
    except Exception:  # damaged notes do not concern the pixels
        return picture
    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    return picture.transpose(turns[orientation]) if orientation in turns else picture
