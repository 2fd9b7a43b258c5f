"""Which files are read as images, and what to say of others.

Only formats of pixels, and only those that Pillow decodes itself: for PostScript, for example, it
would start Ghostscript, which runs the program that such a file is.
"""

from __future__ import annotations

import importlib.util
import struct
from collections.abc import Callable
from pathlib import Path
from typing import IO, TYPE_CHECKING

from nstlib.errors import DependencyError, ImageError

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile

#: Pillow's names of the formats that are read. The last has no mark at its beginning.
FORMATS = (
    "PNG", "JPEG", "WEBP", "TIFF", "GIF", "BMP", "DIB", "AVIF", "JPEG2000", "PPM", "PSD", "QOI",
    "ICO", "ICNS", "DDS", "PCX", "SGI", "TGA",
)  # fmt: skip

#: Suffixes of phones' photographs, for which the package pillow_heif is needed.
HEIC_SUFFIXES = frozenset({".heic", ".heics", ".heif", ".heifs", ".hif"})

#: Suffixes of films (an animated GIF counts as a picture, of which the first frame is taken).
FILM_SUFFIXES = frozenset(
    {".3gp", ".avi", ".flv", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv",
     ".webm", ".wmv"}
)  # fmt: skip

#: Suffixes of pictures that cannot be read here: JPEG XL, drawings and pages, cameras' raw data.
OTHER_PICTURES = frozenset(
    {".jxl", ".ai", ".emf", ".eps", ".pdf", ".ps", ".svg", ".svgz", ".wmf", ".xcf", ".exr", ".hdr",
     ".arw", ".cr2", ".cr3", ".dng", ".nef", ".orf", ".raf", ".rw2"}
)  # fmt: skip

# What other files begin with, from which byte on.
_FOREIGN = (
    (0, b"%!PS", "PostScript"),
    (0, b"\xc5\xd0\xd3\xc6", "PostScript"),
    (0, b"%PDF", "a PDF"),
    (0, b"<svg", "an SVG drawing"),
    (0, b"<?xml", "an XML file"),
    (0, b"\xd7\xcd\xc6\x9a", "a WMF drawing"),
    (0, b"\xff\x0a", "JPEG XL"),
    (4, b"JXL ", "JPEG XL"),
    (8, b"AVI ", "a film"),
    (0, b"\x1a\x45\xdf\xa3", "a film"),
    (4, b"ftyp", "a film"),
)
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")


def reads_heic() -> bool:
    """Tell whether the package that decodes HEIC is installed."""
    return importlib.util.find_spec("pillow_heif") is not None


def readable_suffixes() -> frozenset[str]:
    """Return the suffixes of the pictures that can be read here, ``".png"`` and so on."""
    import PIL.Image

    registered = PIL.Image.registered_extensions().items()
    ours = {suffix for suffix, kind in registered if kind in (*FORMATS, "MPO")}
    return frozenset(ours | HEIC_SUFFIXES if reads_heic() else ours)


def open_image(stream: IO[bytes], path: Path) -> ImageFile:
    """Find out what a file holds and read its head, as ``PIL.Image.open`` does.

    That function also compares the size with a limit for the whole process. Here the caller checks
    the size, so that nothing of the process has to be changed.

    Raises
    ------
    ImageError
        If it is no image, or one of a format that is not read here.
    DependencyError
        If it is HEIC and the package pillow_heif is not installed.
    """
    import PIL.Image

    PIL.Image.init()
    start = stream.read(16)
    heic = start[4:8] == b"ftyp" and start[8:12] in _HEIC_BRANDS
    if heic:
        candidates: list[Callable[..., ImageFile]] = [_heic(path)]
    else:
        known = (PIL.Image.OPEN[kind] for kind in FORMATS if kind in PIL.Image.OPEN)
        # What `accepts` returns is True, False, or a reason for which Pillow cannot.
        candidates = [read for read, accepts in known if accepts is None or accepts(start) is True]
    for read in candidates:
        stream.seek(0)
        try:
            return read(stream, str(path))
        except (SyntaxError, IndexError, TypeError, struct.error):
            continue  # not of this format after all
    raise _no_image(path, start)


def _heic(path: Path) -> Callable[..., ImageFile]:
    if not reads_heic():
        raise DependencyError.of("pillow_heif", f"{path}: reading HEIC")
    from pillow_heif import HeifImageFile

    # Called directly: its function to register itself would change Pillow for the whole process.
    return HeifImageFile


def _no_image(path: Path, start: bytes) -> ImageError:
    for at, mark, kind in _FOREIGN:
        if start[at:].startswith(mark):
            if kind == "a film":
                return ImageError(
                    f"{path} is a film, not an image; convert_video reads films",
                    command=f"{path} is a film, not an image; only the INPUT of nst stylize, nst "
                    "compose and nst segment may be one",
                )
            return ImageError(
                f"{path} is {kind}, which is not an image that can be read here; save it as PNG or "
                "JPEG in the program that made it"
            )
    return ImageError(
        f"{path} is not an image that can be read here; PNG, JPEG, WebP, TIFF, AVIF, GIF and BMP "
        "are"
    )
