"""Image files become arrays: pixels, colours, rotation and transparency."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nstlib._files import reason
from nstlib.errors import ImageError, NstError
from nstlib.images.arrays import Image, Picture, Size, check_image, from_uint8
from nstlib.images.formats import open_image
from nstlib.images.profiles import grey_curve, profile_of, to_srgb
from nstlib.images.resizing import target_size

if TYPE_CHECKING:
    import PIL.Image
    from PIL.ImageFile import ImageFile

#: The largest picture to decode unless another limit is given, in millions of pixels.
MEGAPIXELS = 64.0

#: A photo may be decoded at reduced size, but at this many times the sides that are asked for. On
#: sharp photographs the result then differs by less than one level of 255 on average; at twice, by
#: more than one at some sizes, and at once by three.
_SPARE = 3

#: A side that is decoded at reduced size keeps at least this many pixels, also of a sliver.
_SMALLEST = 64


def read_picture(
    path: Path, max_megapixels: float, size: Size | None = None, *, adjustable: bool = True
) -> Picture:
    """Read a file as :func:`nstlib.load_picture` does, but leave its size to the caller.

    Parameters
    ----------
    path : pathlib.Path
        The file.
    max_megapixels : float
        The largest picture to decode, in millions of pixels.
    size : int or (int, int), optional
        To what the caller will resize it, see :func:`nstlib.resize`. A large JPEG is then decoded
        at a half, a quarter or an eighth of its size, which takes a fraction of time and memory.
    adjustable : bool, default True
        Whether the user can raise the limit, and the error says so.

    Returns
    -------
    Picture
        At its own size, or at the reduced one.

    Raises
    ------
    ImageError
        If the file is absent, damaged, no picture, or larger than `max_megapixels`.
    DependencyError
        If it takes a package that is not installed: HEIC.
    """
    import PIL.Image

    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ImageError(f"{path}: no such file; give the path of an image") from error
    except (OSError, ValueError) as error:
        raise ImageError(f"{path}: cannot be read ({reason(error)})") from error
    if stat.S_ISDIR(found.st_mode):
        raise ImageError(f"{path} is a folder; give the path of an image file")
    if not stat.S_ISREG(found.st_mode):  # a pipe can be read only once, and says no size
        raise ImageError(f"{path} is no ordinary file; save the picture as a file, and give that")
    if found.st_size == 0:
        raise ImageError(f"{path} is empty (0 bytes); it may be an unfinished download")
    try:
        with path.open("rb") as stream:
            file = open_image(stream, path)
            whole = file.size
            if size is not None:
                _reduce(file, size)
            _check_megapixels(path, whole, file.size, max_megapixels, adjustable)
            file.load()
            return _decoded(file, path)
    except (NstError, MemoryError):
        raise
    except PIL.Image.DecompressionBombError as error:
        raise ImageError(
            f"{path} is larger than Pillow decodes in this format; shrink it ({reason(error)})"
        ) from error
    except Exception as error:  # a damaged file makes Pillow's decoders raise almost anything
        if isinstance(error, OSError) and error.strerror:
            raise ImageError(f"{path}: cannot be read ({error.strerror})") from error
        raise ImageError(f"{path} is damaged or cut off ({reason(error)}); get it again") from error


def _check_megapixels(
    path: Path, whole: tuple[int, int], decoded: tuple[int, int], limit: float, adjustable: bool
) -> None:
    width, height = decoded
    if width * height <= limit * 1e6:
        return
    reduced = "" if decoded == whole else f", from {whole[0]}×{whole[1]}"
    problem = (
        f"{path} has {_megapixels(width * height)} ({width}×{height}{reduced}); the limit "
        f"is {limit:g}; shrink it"
    )
    if not adjustable:
        raise ImageError(problem)
    problem += ", or raise"
    raise ImageError(f"{problem} max_megapixels", command=f"{problem} --max-megapixels")


def _megapixels(pixels: int) -> str:
    """Write a number of pixels so that a small one is not 0."""
    millions = pixels / 1e6
    return f"{millions:.1f} megapixels" if millions >= 0.1 else f"{millions:.2g} megapixels"


def _reduce(file: ImageFile, size: Size) -> None:
    """Let a JPEG be decoded at a fraction of its size, if that is enough for `size`."""
    if file.format not in ("JPEG", "MPO"):
        return
    width, height = file.size
    if isinstance(size, tuple) and _orientation(file) in _SIDEWAYS:
        size = size[::-1]
    wanted = target_size((height, width), size)
    least = max(_SMALLEST, _SPARE * wanted[1]), max(_SMALLEST, _SPARE * wanted[0])
    file.draft(None, least)


def _decoded(file: ImageFile, path: Path) -> Picture:
    profile = profile_of(file)
    picture = _upright(file)
    if picture.mode in ("I", "F") or picture.mode.startswith("I;16"):
        return Picture(_deep_grey(picture, file, profile, path))
    alpha = None
    if picture.has_transparency_data:
        # Also from palettes, and from colours that were multiplied by alpha.
        picture = picture.convert("LA" if picture.mode in ("L", "LA", "La") else "RGBA")
        shares = np.asarray(picture.getchannel("A"))
        picture = picture.convert(picture.mode.removesuffix("A"))
        alpha = None if shares.min() == 255 else shares.astype(np.float32) / np.float32(255)
    if picture.mode not in ("RGB", "L", "CMYK", "LAB"):
        picture = picture.convert("L" if picture.mode == "1" else "RGB")
    image = from_uint8(np.asarray(to_srgb(picture, profile)))
    if alpha is not None:
        share = alpha[..., np.newaxis]
        image = check_image(share * image + (1 - share))
    return Picture(image, alpha)


def _deep_grey(
    picture: PIL.Image.Image, file: ImageFile, profile: bytes | None, path: Path
) -> Image:
    """Grey of more than 8 bits, as three equal channels."""
    grey = np.asarray(picture).astype(np.float32)
    low, high = float(grey.min()), float(grey.max())
    if picture.mode == "F":
        if not (low >= -1e-6 and high <= 1 + 1e-6):  # also for NaN
            raise ImageError(
                f"{path} holds numbers from {low:.4g} to {high:.4g}; a picture of floating-point "
                "numbers is read if they lie from 0 to 1; divide them by the largest, or save it "
                "with 8 or 16 bits"
            )
        most = 1.0
    elif picture.mode == "I" and file.format == "TIFF":
        # 32 bits say nothing of which value is white; the values themselves do.
        most = 255.0 if high <= 255 else 65535.0
        if low < 0 or high > most:
            raise ImageError(
                f"{path} holds whole numbers from {low:.10g} to {high:.10g}; a picture of 32 bits "
                "is read if they lie from 0 to 255 or from 0 to 65535; save it with 8 or 16 bits"
            )
    else:
        most = 65535.0
    grey /= np.float32(most)
    if (curve := grey_curve(profile)) is not None:
        grey = np.interp(grey, np.linspace(0, 1, len(curve)), curve).astype(np.float32)
    return check_image(np.repeat(grey[..., np.newaxis], 3, axis=2), str(path))


#: Orientations in which the upright picture's sides are exchanged.
_SIDEWAYS = frozenset({5, 6, 7, 8})


def _orientation(file: ImageFile) -> int:
    import PIL.ExifTags

    try:
        found = file.getexif().get(PIL.ExifTags.Base.Orientation)
    except Exception:  # damaged notes do not concern the pixels
        return 1
    return found if isinstance(found, int) else 1


def _upright(picture: ImageFile) -> PIL.Image.Image:
    # Pillow's exif_transpose also writes the other notes anew, and fails on odd ones.
    from PIL.Image import Transpose

    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    # Asked once the pixels are there: Pillow turns TIFFs itself when it loads them.
    orientation = _orientation(picture)
    return picture.transpose(turns[orientation]) if orientation in turns else picture
