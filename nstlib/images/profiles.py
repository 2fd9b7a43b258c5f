"""Colours in other spaces become sRGB: ICC profiles, and what files say without one.

The same pixel values mean other colours in Adobe RGB or in Display P3. Inside the library all
pixels are sRGB.
"""

from __future__ import annotations

import functools
import io
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import PIL.Image
    from PIL.ImageCms import ImageCmsTransform

#: CIE xy of white, red, green and blue.
SRGB = (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
ADOBE_RGB = (0.3127, 0.3290, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)

#: IEC 61966-2-1: exponent, then the numbers a, b, c, d of ((a x + b)^g above d, c x below it).
_SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)

#: The white of all ICC profiles' inner space, and Bradford's matrix that adapts other whites to it.
_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array(
    [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
)

# A PNG's gamma this near to sRGB's, as a factor, is meant to be sRGB's (libpng decides likewise).
_NEAR = 1.05

#: A profile's colour space → the mode of Pillow's pictures that it is for.
_MODES = {"RGB ": "RGB", "GRAY": "L", "CMYK": "CMYK", "Lab ": "LAB"}


def to_srgb(picture: PIL.Image.Image, profile: bytes | None) -> PIL.Image.Image:
    """Return 8-bit pixels as sRGB, mode RGB.

    Parameters
    ----------
    picture : PIL.Image.Image
        Mode RGB, L, CMYK or LAB for its profile to count; any that Pillow converts without one.
    profile : bytes or None
        The ICC profile. One that is damaged, or made for pixels of another kind, is passed over.
    """
    import PIL.ImageCms

    if profile is None and picture.mode == "LAB":
        profile = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("LAB")).tobytes()
    transform = _transform(picture.mode, profile) if profile else None
    if transform is not None:
        return transform.apply(picture)
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def grey_curve(profile: bytes | None) -> NDArray[np.float32] | None:
    """Return what a grey profile makes of 256 levels from 0 to 1; None for sRGB's own levels."""
    transform = _transform("L", profile) if profile else None
    if transform is None:
        return None
    levels = np.asarray(transform.apply(_ramp()), np.float32)[0, :, 1]
    return levels / np.float32(255)


def profile_of(picture: PIL.Image.Image) -> bytes | None:
    """Return the ICC profile of an open file, or one that says what other notes in it say."""
    found = picture.info.get("icc_profile")
    if isinstance(found, bytes) and found:
        return found
    try:
        if picture.format == "PNG":
            return _from_png(picture.info)
        if picture.format == "HEIF":
            found = _from_heic(picture.info.get("nclx_profile") or {})
            if found is not None:
                return found
        # A camera's way to say Adobe RGB without a profile (Exif's rule DCF 2.0).
        if picture.getexif().get_ifd(0xA005).get(1) == "R03":
            return matrix_profile("Adobe RGB", ADOBE_RGB, (563 / 256,))
    except Exception:  # damaged notes do not concern the pixels
        return None
    return None


def _from_png(info: dict[Any, Any]) -> bytes | None:
    gamma, primaries = info.get("gamma"), info.get("chromaticity")
    if not gamma or "srgb" in info:
        return None
    exponent, primaries = 1 / gamma, primaries or SRGB
    usual = 1 / _NEAR < exponent / 2.2 < _NEAR
    if usual and np.allclose(primaries, SRGB, atol=0.002):
        return None
    return matrix_profile("PNG", primaries, _SRGB_CURVE if usual else (exponent,))


def _from_heic(numbers: dict[str, int | float]) -> bytes | None:
    wide = numbers.get("color_primaries") in (9, 12)  # of BT.2020 and Display P3
    # sRGB's (13), and those of video, which are seen on the same screens. 16 and 18 are HDR's.
    usual = numbers.get("transfer_characteristics") in (1, 6, 13, 14, 15)
    if not wide or not usual:
        return None
    colours = ("white", "red", "green", "blue")
    primaries = tuple(
        numbers[f"color_primary_{colour}_{axis}"] for colour in colours for axis in "xy"
    )
    return matrix_profile("HEIC", primaries, _SRGB_CURVE)


def _transform(mode: str, profile: bytes) -> ImageCmsTransform | None:
    """Return what takes pixels of this mode to sRGB; None if they are to stay as they are."""
    import PIL.ImageCms

    cms = PIL.ImageCms

    try:
        source = cms.ImageCmsProfile(io.BytesIO(profile))
        if _MODES.get(source.profile.xcolor_space) != mode:
            return None
        target = cms.ImageCmsProfile(io.BytesIO(srgb_profile()))
        transform = cms.ImageCmsTransform(
            source,
            target,
            mode,
            "RGB",
            cms.Intent.RELATIVE_COLORIMETRIC,
            flags=cms.Flags.BLACKPOINTCOMPENSATION,
        )
        # sRGB is written in many ways. Pixels that hardly change are left exactly as they are.
        if mode in ("RGB", "L"):
            sample = _grid() if mode == "RGB" else _ramp()
            after = np.asarray(transform.apply(sample), np.int16)
            if np.abs(after - np.asarray(sample.convert("RGB"), np.int16)).max() <= 1:
                return None
    except Exception:  # LittleCMS raises errors of several kinds on a damaged profile
        return None
    return transform


def _ramp() -> PIL.Image.Image:
    import PIL.Image

    return PIL.Image.fromarray(np.arange(256, dtype=np.uint8)[np.newaxis])


def _grid() -> PIL.Image.Image:
    import PIL.Image

    steps = np.linspace(0, 255, 16).astype(np.uint8)
    colours = np.stack(np.meshgrid(steps, steps, steps), axis=-1)
    return PIL.Image.fromarray(colours.reshape(64, 64, 3))


@functools.cache
def srgb_profile() -> bytes:
    """Return a small ICC profile that says sRGB; always the same bytes."""
    return matrix_profile("sRGB", SRGB, _SRGB_CURVE)


def matrix_profile(name: str, primaries: tuple[float, ...], curve: tuple[float, ...]) -> bytes:
    """Write an ICC profile of three primaries and a curve.

    Parameters
    ----------
    name : str
        What programs show.
    primaries : tuple of 8 floats
        CIE xy of white, red, green and blue.
    curve : tuple of 1 or 5 floats
        An exponent; or an exponent and the numbers a, b, c, d of IEC 61966-2-1's form.

    References
    ----------
    International Color Consortium, specification ICC.1:2010 (profile version 4.3).
    """
    x, y = np.array(primaries).reshape(4, 2).T
    white, *_ = columns = np.stack([x / y, np.ones(4), (1 - x - y) / y], axis=1)
    # How much of each primary makes white.
    shares = np.linalg.solve(columns[1:].T, white)
    cones = _BRADFORD @ _D50 / (_BRADFORD @ white)
    adapt = np.linalg.inv(_BRADFORD) @ np.diag(cones) @ _BRADFORD
    red, green, blue = (
        (adapt @ column) * share for column, share in zip(columns[1:], shares, strict=True)
    )

    def fixed(*numbers: float) -> bytes:
        return b"".join(struct.pack(">i", round(float(number) * 65536)) for number in numbers)

    def xyz(values: NDArray[np.float64]) -> bytes:
        return b"XYZ \0\0\0\0" + fixed(*values)

    def text(words: str) -> bytes:
        encoded = words.encode("utf-16-be")
        return (
            b"mluc\0\0\0\0"
            + struct.pack(">II", 1, 12)
            + b"enUS"
            + struct.pack(">II", len(encoded), 28)
            + encoded
        )

    curves = b"para\0\0\0\0" + struct.pack(">HH", 3 if len(curve) == 5 else 0, 0) + fixed(*curve)
    tags = {
        b"desc": text(name),
        b"cprt": text("No copyright"),
        b"wtpt": xyz(_D50),
        b"chad": b"sf32\0\0\0\0" + fixed(*adapt.ravel()),
        b"rXYZ": xyz(red),
        b"gXYZ": xyz(green),
        b"bXYZ": xyz(blue),
        b"rTRC": curves,
        b"gTRC": curves,
        b"bTRC": curves,
    }
    table, body, places = b"", b"", dict[bytes, int]()
    start = 128 + 4 + 12 * len(tags)
    for tag, data in tags.items():
        if data not in places:
            places[data] = start + len(body)
            body += data + bytes(-len(data) % 4)
        table += tag + struct.pack(">II", places[data], len(data))
    header = struct.pack(
        ">I4xI4s4s4s12s4s28x12s48x",
        start + len(body),
        0x04300000,
        b"mntr",
        b"RGB ",
        b"XYZ ",
        struct.pack(">6H", 2020, 1, 1, 0, 0, 0),  # no clock: the same bytes every time
        b"acsp",
        fixed(*_D50),
    )
    return header + struct.pack(">I", len(tags)) + table + body
