"""Arrays become image files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from nstlib._files import atomic_write, check_output
from nstlib.errors import OutputError
from nstlib.images.arrays import to_uint8

#: What :func:`save_image` writes: suffix → Pillow's format and its options.
IMAGE_FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"quality": 95}),
}


def save_image(image: ArrayLike, path: str | Path) -> Path:
    """Write an image as 8-bit PNG, JPEG or WebP; the suffix of `path` decides.

    The file appears whole or not at all: it is written beside its place under another name and
    moved there, so an interrupted or failed write leaves an earlier file as it was.

    Parameters
    ----------
    image : array_like of float, shape (H, W, 3)
        RGB in [0, 1].
    path : str or pathlib.Path
        Ends in .png, .jpg, .jpeg or .webp; its folder must exist.

    Returns
    -------
    pathlib.Path
        `path`.

    Raises
    ------
    ImageError
        If `image` is not an image (see :func:`check_image`).
    OutputError
        If the suffix is not one of those above, or the file cannot be written.
    """
    import PIL.Image

    path = Path(path)
    pixels = to_uint8(image)
    kind, options = IMAGE_FORMATS[check_output(path, IMAGE_FORMATS).suffix.lower()]
    try:
        with atomic_write(path) as file:
            PIL.Image.fromarray(pixels).save(file, format=kind, **options)
    except ValueError as error:  # what Pillow says of sides that the format has no room for
        raise OutputError(f"{path}: cannot be written as {kind} ({error})") from error
    return path
