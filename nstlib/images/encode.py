"""Arrays become image files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from numpy.typing import ArrayLike

from nstlib._checks import check_path
from nstlib._files import atomic_write, check_output, uninterrupted
from nstlib.errors import OutputError
from nstlib.images.arrays import to_rgba, to_uint8
from nstlib.images.profiles import srgb_profile

#: What :func:`save_image` writes: suffix → Pillow's format and its options.
IMAGE_FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"quality": 95}),
}

#: Those of them that can be transparent.
ALPHA_FORMATS = tuple(suffix for suffix, (kind, _) in IMAGE_FORMATS.items() if kind != "JPEG")


def save_image(image: ArrayLike, path: str | Path, *, alpha: ArrayLike | None = None) -> Path:
    r"""Write an image as 8-bit PNG, JPEG or WebP; the suffix of `path` decides.

    The file says that its colours are sRGB. It appears whole or not at all: it is written beside
    its place under another name and moved there, so a failed write leaves an earlier file as it
    was. Once writing has begun, Ctrl-C waits until it is complete.

    Parameters
    ----------
    image : array_like of float, shape (H, W, 3)
        RGB in [0, 1]; with `alpha`, what is seen where the picture lies on white.
    path : str or pathlib.Path
        Ends in .png, .jpg, .jpeg or .webp; its folder must exist.
    alpha : array_like, shape (H, W), optional
        1 where the picture is opaque, 0 where it is transparent: float in [0, 1], bool, or uint8 in
        0..255. The file gets the colours :math:`C = (I - (1 - \alpha)) / \alpha`, so that the
        picture laid on white is `image` again (where that needs no colour below 0). A JPEG cannot
        be transparent and gets `image`.

    Returns
    -------
    pathlib.Path
        `path`.

    Raises
    ------
    ImageError
        If `image` is not an image (see :func:`check_image`), or `alpha` not an alpha of its size.
    ArgumentError
        If `path` is neither text nor a path.
    OutputError
        If the suffix is not one of those above, or the file cannot be written.
    """
    import PIL.Image

    path = check_path("path", path)
    with uninterrupted():
        pixels = to_uint8(image) if alpha is None else to_rgba(image, alpha)
        if path.suffix.lower() not in ALPHA_FORMATS:
            pixels = to_uint8(image)
        kind, options = IMAGE_FORMATS[check_output(path, IMAGE_FORMATS).suffix.lower()]
        try:
            with atomic_write(path) as file:
                PIL.Image.fromarray(pixels).save(file, format=kind, **options, **_says_srgb(kind))
        except ValueError as error:  # what Pillow says of sides that the format has no room for
            raise OutputError(f"{path}: cannot be written as {kind} ({error})") from error
    return path


def _says_srgb(kind: str) -> dict[str, Any]:
    if kind != "PNG":
        return {"icc_profile": srgb_profile()}
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    info.add(b"sRGB", b"\1")  # PNG's own way to say it; 1: relative colorimetric
    return {"pnginfo": info}
