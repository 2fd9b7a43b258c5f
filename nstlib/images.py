"""Images as arrays: load, check, resize, convert, save.

Inside the library an image is float32 RGB in [0, 1], shape (H, W, 3). OpenCV's uint8 BGR pixels and
its NCHW blobs exist only in the functions here that name them.
"""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nstlib.errors import ArgumentError, ImageError, OutputError

if TYPE_CHECKING:
    import PIL.Image

Image: TypeAlias = NDArray[np.float32]
Size: TypeAlias = int | tuple[int, int]

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

#: What :func:`save_image` writes: suffix → Pillow's format and its options.
FORMATS: dict[str, tuple[str, dict[str, Any]]] = {
    ".png": ("PNG", {}),
    ".jpg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".jpeg": ("JPEG", {"quality": 95, "subsampling": 0}),
    ".webp": ("WEBP", {"quality": 95}),
}


def sample_names() -> tuple[str, ...]:
    """Names that :func:`load_image` knows offline: photos, then the drawn styles.

    Examples
    --------
    >>> "astronaut" in sample_names(), "mosaic" in sample_names()
    (True, True)
    """
    from nstlib.art import STYLES

    return (*PHOTOS, *STYLES)


def load_image(
    source: str | Path, size: Size | None = None, *, max_megapixels: float = 64.0
) -> Image:
    """Load a sample or an image file as float32 RGB in [0, 1].

    Grey, palette, CMYK and 16-bit files become RGB; transparent pixels are laid over white; a
    photo's EXIF rotation is applied; of an animation the first frame is taken.

    Parameters
    ----------
    source : str or pathlib.Path
        A sample photo (``"astronaut"``), a drawn style (``"mosaic"``), a registered picture to
        download once (``"starry_night"``), or the path of a file. A `Path` is always a file.
    size : int or (int, int), optional
        Longest side, or exact (height, width), in pixels. See :func:`resize`. By default the
        picture's own size (512 pixels square for a drawn style).
    max_megapixels : float, default 64
        The largest picture to decode, in millions of pixels.

    Returns
    -------
    ndarray of float32, shape (H, W, 3)
        RGB in [0, 1].

    Raises
    ------
    ImageError
        If the file is absent, empty, cut off, not an image, or larger than `max_megapixels`.
    AssetError
        If a registered picture is not in the cache and cannot be downloaded.

    Examples
    --------
    >>> image = load_image("astronaut", size=256)
    >>> image.shape, image.dtype, float(image.min()) >= 0.0, float(image.max()) <= 1.0
    ((256, 256, 3), dtype('float32'), True, True)
    """
    if isinstance(source, str):
        if source in PHOTOS:
            import skimage.data

            photo: Callable[[], NDArray[np.uint8]] = getattr(skimage.data, PHOTOS[source])
            return _resized(from_uint8(photo()), size)
        from nstlib import art, assets

        if source in art.STYLES:
            return art.draw(source, 512) if size is None else art.draw(source, size)
        if source in assets.ASSETS and assets.ASSETS[source].kind == "image":
            source = assets.fetch(source)
    return _resized(_read(Path(source), max_megapixels), size)


def save_image(path: str | Path, image: ArrayLike) -> Path:
    """Write an image as 8-bit PNG, JPEG or WebP; the suffix of `path` decides.

    The file appears whole or not at all: it is written beside its place under another name and
    moved there, so an interrupted or failed write leaves an earlier file as it was.

    Parameters
    ----------
    path : str or pathlib.Path
        Ends in .png, .jpg, .jpeg or .webp; its folder must exist.
    image : array_like of float, shape (H, W, 3)
        RGB in [0, 1].

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
    kind, options = FORMATS[check_output(path).suffix.lower()]
    try:
        with atomic_write(path) as file:
            PIL.Image.fromarray(pixels).save(file, format=kind, **options)
    except ValueError as error:  # what Pillow says of sides that the format has no room for
        raise OutputError(f"{path}: cannot be written as {kind} ({error})") from error
    return path


def check_output(path: str | Path, formats: Iterable[str] = tuple(FORMATS)) -> Path:
    """Return `path` if an image can be written there, so that a long run need not fail at its end.

    `formats` are the suffixes to accept, by default an image's.

    Raises
    ------
    OutputError
        If the suffix is unknown, the folder is absent or not writable, or `path` is a folder.
    """
    path = Path(path)
    if path.suffix.lower() not in formats:
        raise OutputError(
            f"{path}: cannot write {path.suffix or 'a name without a suffix'!r}; "
            f"use one of {', '.join(formats)}"
        )
    try:
        is_folder = path.is_dir()
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({_reason(error)})") from error
    if is_folder:
        raise OutputError(f"{path} is a folder; give the name of a file in it")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: the folder {path.parent} does not exist; create it first")
    if not os.access(path.parent, os.W_OK):
        raise OutputError(f"{path}: the folder {path.parent} is not writable; choose another")
    return path


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Open a binary file that takes its place at `path` only once the block has succeeded.

    Raises
    ------
    OutputError
        If the file cannot be written; what stood at `path` before stands there still.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise OutputError(f"{path}: cannot write here ({error.strerror})") from error
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        # mkstemp makes private files; give the result the permissions of an ordinary one.
        umask = os.umask(0)
        os.umask(umask)
        Path(name).chmod(0o666 & ~umask)
        Path(name).replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        Path(name).unlink(missing_ok=True)


def check_image(image: ArrayLike, name: str = "image") -> Image:
    """Return `image` as float32 if it is RGB in [0, 1] of shape (H, W, 3); else say what it is.

    Parameters
    ----------
    image : array_like
        What a caller gave.
    name : str
        How the error calls it.

    Raises
    ------
    ImageError
        For another shape, integers, NaN or infinite values, or values outside [0, 1].

    Examples
    --------
    >>> check_image(np.full((2, 2, 3), 255.0))
    Traceback (most recent call last):
    nstlib.errors.ImageError: image ranges from 255 to 255; an image lies in [0, 1]; divide ...
    """
    array = np.asarray(image)
    if array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        hint = "stack a grey one three times" if array.ndim == 2 else "use load_image to read files"
        raise ImageError(f"{name} has shape {array.shape}; an image is (H, W, 3), RGB; {hint}")
    if not np.issubdtype(array.dtype, np.floating):
        raise ImageError(
            f"{name} holds {array.dtype} values; an image is float32 in [0, 1]; "
            "use from_uint8 to convert 8-bit pixels"
        )
    if not np.isfinite(array).all():
        raise ImageError(f"{name} holds NaN or infinite values; an image is float32 in [0, 1]")
    low, high = float(array.min()), float(array.max())
    if low < -1e-6 or high > 1 + 1e-6:
        raise ImageError(
            f"{name} ranges from {low:.3g} to {high:.3g}; an image lies in [0, 1]; "
            "divide 0..255 values by 255, or clip"
        )
    return np.clip(array, 0.0, 1.0, dtype=np.float32)


def resize(image: ArrayLike, size: Size) -> Image:
    """Resize by area averaging down and by cubic interpolation up.

    Parameters
    ----------
    image : array_like of float, shape (H, W, 3)
        RGB in [0, 1].
    size : int or (int, int)
        An int is the longest side and keeps the aspect ratio (to the nearest pixel); a pair is the
        exact (height, width). In pixels, from 1 to 16,384.

    Returns
    -------
    ndarray of float32, shape (height, width, 3)
        RGB in [0, 1]: cubic interpolation overshoots at edges, and is clipped.

    Examples
    --------
    >>> checkerboard = np.indices((4, 8)).sum(axis=0) % 2
    >>> image = np.repeat(checkerboard[..., np.newaxis], 3, axis=2).astype("float32")
    >>> small = resize(image, 4)
    >>> small.shape, float(small.min()), float(small.max())
    ((2, 4, 3), 0.5, 0.5)
    """
    image = check_image(image)
    height, width = target_size(image.shape[:2], size)
    if (height, width) == image.shape[:2]:
        return image
    # cv2.INTER_AREA averages only when both sides shrink; enlarging one side as well is done apart.
    shrunk = (min(height, image.shape[0]), min(width, image.shape[1]))
    image = cv2.resize(image, shrunk[::-1], interpolation=cv2.INTER_AREA)
    image = cv2.resize(image, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(image, 0.0, 1.0, dtype=np.float32)


def target_size(shape: tuple[int, ...], size: Size) -> tuple[int, int]:
    """Height and width that `size` means for an image of `shape`.

    Examples
    --------
    >>> target_size((400, 600), 300), target_size((400, 600), (10, 20))
    ((200, 300), (10, 20))
    """
    accepted = "size is the longest side or (height, width), in pixels from 1 to 16384"
    sides = size if isinstance(size, tuple) else (size, size)
    if len(sides) != 2 or not all(
        isinstance(side, int | np.integer) and 1 <= side <= 16384 for side in sides
    ):
        raise ArgumentError(f"size is {size!r}; {accepted}")
    if isinstance(size, tuple):
        return int(size[0]), int(size[1])
    scale = size / max(shape[:2])
    return max(1, round(shape[0] * scale)), max(1, round(shape[1] * scale))


def to_uint8(image: ArrayLike) -> NDArray[np.uint8]:
    """Float RGB in [0, 1] → uint8 RGB in 0..255, rounded.

    Examples
    --------
    >>> to_uint8(np.full((1, 1, 3), 0.5, np.float32))
    array([[[128, 128, 128]]], dtype=uint8)
    """
    return np.rint(check_image(image) * 255.0).astype(np.uint8)


def from_uint8(pixels: ArrayLike) -> Image:
    """Uint8 RGB in 0..255 → float32 RGB in [0, 1].

    Raises
    ------
    ImageError
        If `pixels` is not a uint8 array of shape (H, W, 3).

    Examples
    --------
    >>> from_uint8(np.array([[[0, 51, 255]]], np.uint8)).round(3)
    array([[[0. , 0.2, 1. ]]], dtype=float32)
    """
    array = np.asarray(pixels)
    if array.dtype != np.uint8 or array.ndim != 3 or array.shape[2] != 3 or 0 in array.shape:
        raise ImageError(
            f"pixels have shape {array.shape} and type {array.dtype}; "
            "8-bit RGB is uint8 of shape (H, W, 3)"
        )
    return array.astype(np.float32) / np.float32(255)


def rgb_to_bgr(image: NDArray[Any]) -> NDArray[Any]:
    """Reverse the channel order of an (H, W, 3) array, any dtype: what OpenCV's functions expect.

    Examples
    --------
    >>> rgb_to_bgr(np.array([[[1, 2, 3]]], np.uint8))
    array([[[3, 2, 1]]], dtype=uint8)
    """
    array = np.asarray(image)
    if array.ndim != 3 or array.shape[2] != 3:
        raise ImageError(f"image has shape {array.shape}; channels are reversed in (H, W, 3)")
    # OpenCV refuses arrays with negative strides, which a bare [..., ::-1] would be.
    return np.ascontiguousarray(array[..., ::-1])


#: Reversing twice gives the original, so one function serves both ways.
bgr_to_rgb = rgb_to_bgr


def to_blob(image: ArrayLike) -> NDArray[np.float32]:
    """Image (H, W, 3) → blob (1, 3, H, W): float32 RGB in [0, 1], the layout of ``cv2.dnn``.

    Examples
    --------
    >>> to_blob(np.zeros((4, 6, 3), np.float32)).shape
    (1, 3, 4, 6)
    """
    return np.ascontiguousarray(check_image(image).transpose(2, 0, 1)[np.newaxis])


def from_blob(blob: ArrayLike) -> Image:
    """Blob (1, 3, H, W) → image (H, W, 3): the inverse of :func:`to_blob`."""
    array = np.asarray(blob)
    if array.ndim != 4 or array.shape[:2] != (1, 3):
        raise ImageError(f"blob has shape {array.shape}; one RGB image is (1, 3, H, W)")
    return check_image(array[0].transpose(1, 2, 0), "blob")


def _resized(image: Image, size: Size | None) -> Image:
    return image if size is None else resize(image, size)


def _read(path: Path, max_megapixels: float) -> Image:
    import PIL.Image

    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError) as error:
        from nstlib.assets import ASSETS

        pictures = (name for name, asset in ASSETS.items() if asset.kind == "image")
        raise ImageError(
            f"{path}: no such file; give the path of an image, one of the samples "
            f"{', '.join(sample_names())}, or a picture to download: {', '.join(pictures)}"
        ) from error
    except (OSError, ValueError) as error:
        raise ImageError(f"{path}: cannot be read ({_reason(error)})") from error
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
        raise ImageError(
            f"{path} is damaged or cut off ({_reason(error)}); get it again"
        ) from error


def _reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())


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
