"""Colours: what a file's numbers mean decides, and what is written says what its numbers mean.

The profiles are put together here from published matrices and curves, and the expected values are
computed from these alone.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import PIL.features
import PIL.Image
import PIL.ImageCms
import pytest
from numpy.typing import NDArray
from PIL.PngImagePlugin import PngInfo

from nstlib.images.arrays import from_uint8, to_uint8
from nstlib.images.encode import save_image
from nstlib.sources import load_image, load_picture

Array: TypeAlias = NDArray[np.float64]

# Red, green and blue as XYZ, adapted to D50, as the profiles of these names have them.
COLORANTS = {
    "sRGB": [(0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410)],
    "Adobe RGB": [
        (0.60974, 0.31111, 0.01947),
        (0.20528, 0.62567, 0.06087),
        (0.14919, 0.06322, 0.74457),
    ],
    "Display P3": [
        (0.51512, 0.24120, -0.00105),
        (0.29198, 0.69225, 0.04189),
        (0.15710, 0.06657, 0.78407),
    ],
    "ProPhoto": [(0.79767, 0.28804, 0.0), (0.13519, 0.71188, 0.0), (0.03134, 0.00009, 0.82491)],
}
EXPONENTS = {"Adobe RGB": 563 / 256, "ProPhoto": 1.8}  # the others have sRGB's curve


def decode_srgb(values: Array) -> Array:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def encode_srgb(light: Array) -> Array:
    light = np.clip(light, 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def expected_srgb(pixels: NDArray[np.uint8], space: str) -> Array:
    """By hand: decode, to XYZ, to sRGB's primaries, encode."""
    values = pixels / 255
    light = values ** EXPONENTS[space] if space in EXPONENTS else decode_srgb(values)
    xyz = light @ np.array(COLORANTS[space])
    return encode_srgb(xyz @ np.linalg.inv(np.array(COLORANTS["sRGB"])))


def fixed(*numbers: float) -> bytes:
    return struct.pack(f">{len(numbers)}i", *(round(number * 65536) for number in numbers))


def icc(space: bytes, pcs: bytes, tags: dict[bytes, bytes]) -> bytes:
    """A version 2 profile with these tags."""
    described = b"desc\0\0\0\0" + struct.pack(">I", 5) + b"test\0" + bytes(4 + 4 + 2 + 1 + 67)
    tags = {
        b"desc": described,
        b"cprt": b"text\0\0\0\0none\0",
        b"wtpt": b"XYZ \0\0\0\0" + fixed(0.9642, 1, 0.8249),
        **tags,
    }
    table, body = b"", b""
    for tag, data in tags.items():
        table += tag + struct.pack(">II", 132 + 12 * len(tags) + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    kind = b"prtr" if space == b"CMYK" else b"mntr"
    head = struct.pack(">I4xI", 132 + len(table) + len(body), 0x02400000) + kind + space + pcs
    head += struct.pack(">6H", 2024, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + fixed(0.9642, 1, 0.8249)
    return head + bytes(128 - len(head)) + struct.pack(">I", len(tags)) + table + body


def curve(exponent: float | None, points: int = 1024) -> bytes:
    if exponent is not None:
        return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(exponent * 256))
    table = np.rint(decode_srgb(np.linspace(0, 1, points)) * 65535).astype(">u2")
    return b"curv\0\0\0\0" + struct.pack(">I", points) + table.tobytes()


def rgb_profile(space: str) -> bytes:
    tags = {}
    for letter, colorant in zip("rgb", COLORANTS[space], strict=True):
        tags[f"{letter}XYZ".encode()] = b"XYZ \0\0\0\0" + fixed(*colorant)
        tags[f"{letter}TRC".encode()] = curve(EXPONENTS.get(space))
    return icc(b"RGB ", b"XYZ ", tags)


def grey_profile(exponent: float) -> bytes:
    return icc(b"GRAY", b"XYZ ", {b"kTRC": curve(exponent)})


def cmyk_profile() -> bytes:
    """All inks are equally grey: each takes a quarter of the lightness."""
    ramp = bytes(range(256))
    corners = np.array([bin(corner).count("1") for corner in range(16)])
    lab = np.stack([np.rint(255 * (1 - corners / 4)), 0 * corners + 128, 0 * corners + 128], 1)
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
    return icc(
        b"CMYK",
        b"Lab ",
        {b"A2B0": table + ramp * 4 + lab.astype(np.uint8).tobytes() + ramp * 3},
    )


def colours() -> NDArray[np.uint8]:
    """Colours in squares of 16 pixels, so that lossy formats keep them."""
    levels = np.random.default_rng(3).integers(40, 216, (4, 6, 3), np.uint8)
    return levels.repeat(16, axis=0).repeat(16, axis=1)


KINDS: dict[str, dict[str, Any]] = {
    ".png": {},
    ".jpg": {"quality": 100, "subsampling": 0},
    ".webp": {"lossless": True},
    ".tif": {},
    ".avif": {"quality": 100, "subsampling": "4:4:4"},
    ".heic": {"quality": -1, "chroma": 444, "matrix_coefficients": 0},
}


def write(path: Path, picture: PIL.Image.Image, **options: Any) -> Path:
    if path.suffix == ".avif" and not PIL.features.check("avif"):
        pytest.skip("this Pillow has no AVIF")
    if path.suffix == ".heic":
        heif = pytest.importorskip("pillow_heif", reason="pillow_heif is not installed")
        heif.from_pillow(picture).save(path, **options)
    else:
        picture.save(path, **options)
    return path


def numbers_in(path: Path) -> NDArray[np.uint8]:
    """The pixels as the file has them, whatever they mean: lossy formats change them a little."""
    if path.suffix == ".heic":
        heif = pytest.importorskip("pillow_heif")
        return np.asarray(heif.open_heif(path).to_pillow())
    with PIL.Image.open(path) as file:
        return np.asarray(file)


@pytest.mark.parametrize("suffix", KINDS)
@pytest.mark.parametrize("space", ["Adobe RGB", "Display P3", "ProPhoto"])
def test_colours_of_other_spaces_become_srgb(tmp_path: Path, space: str, suffix: str) -> None:
    pixels = colours()
    path = tmp_path / f"picture{suffix}"
    write(path, PIL.Image.fromarray(pixels), icc_profile=rgb_profile(space), **KINDS[suffix])
    stored = numbers_in(path)
    assert np.abs(stored.astype(int) - pixels)[8::16, 8::16].max() < 8
    expected = expected_srgb(stored, space)
    inside = ((expected > 0.1) & (expected < 0.999)).all(axis=-1)  # where a level is a small step
    assert inside.mean() > 0.2
    np.testing.assert_allclose(load_image(path)[inside], expected[inside], atol=2 / 255)
    assert np.abs(stored / 255 - expected).max() > 10 / 255  # it had to be converted


def test_known_colours(tmp_path: Path) -> None:
    """Adobe RGB's green lies outside of sRGB; grey and white are the same in all spaces."""
    pixels = np.array([[[0, 255, 0], [107, 168, 71], [255] * 3, [0] * 3]], np.uint8)
    path = tmp_path / "picture.png"
    PIL.Image.fromarray(pixels).save(path, icc_profile=rgb_profile("Adobe RGB"))
    found = to_uint8(load_image(path))[0].astype(int)
    np.testing.assert_allclose(found, [[0, 255, 0], [60, 170, 60], [255] * 3, [0] * 3], atol=2)


@pytest.mark.parametrize("mode", ["RGBA", "P", "LA", "L", "I;16"])
def test_profiles_of_other_modes(tmp_path: Path, mode: str) -> None:
    """A linear grey of 55 is sRGB's middle grey; Adobe RGB under alpha and in palettes."""
    linear = encode_srgb(np.array(55 / 255))
    assert abs(linear - 128 / 255) < 0.003
    pixels = colours()
    if mode in ("L", "LA"):
        picture = PIL.Image.new(mode, (4, 4), 55 if mode == "L" else (55, 51))
        profile, seen = grey_profile(1), linear if mode == "L" else 0.8 + 0.2 * linear
    elif mode == "I;16":
        picture = PIL.Image.fromarray(np.full((4, 4), 55 * 257, np.uint16))
        profile, seen = grey_profile(1), linear
    else:
        picture = PIL.Image.fromarray(pixels)
        profile, seen = rgb_profile("Adobe RGB"), expected_srgb(pixels, "Adobe RGB")
        if mode == "RGBA":
            picture.putalpha(51)
            seen = 0.8 + 0.2 * seen
        else:
            picture = picture.quantize(24)
            seen = expected_srgb(np.asarray(picture.convert("RGB")), "Adobe RGB")
    path = tmp_path / "picture.png"
    picture.save(path, icc_profile=profile)
    found = load_image(path)
    expected = np.broadcast_to(
        np.reshape(seen, (*np.shape(seen), *[1] * (3 - np.ndim(seen)))), found.shape
    )
    good = expected > 0.15
    assert good.mean() > 0.5
    np.testing.assert_allclose(found[good], expected[good], atol=2.5 / 255)


@pytest.mark.parametrize("suffix", [".tif", ".jpg"])
def test_inks_are_what_the_profile_says(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"inks{suffix}"
    options = {} if suffix == ".tif" else {"quality": 100}
    picture = PIL.Image.new("CMYK", (16, 16), (0, 255, 255, 0))
    picture.save(path, icc_profile=cmyk_profile(), **options)  # type: ignore[arg-type]
    # Two of four inks: L* = 50, where Y is ((50 + 16) / 116)^3.
    expected = encode_srgb(np.array((66 / 116) ** 3))
    np.testing.assert_allclose(load_image(path)[8, 8], [expected] * 3, atol=3 / 255)


def test_lab_pictures(tmp_path: Path) -> None:
    path = tmp_path / "lab.tif"
    PIL.Image.merge("LAB", [PIL.Image.new("L", (2, 2), v) for v in (128, 128, 128)]).save(path)
    expected = encode_srgb(np.array(((100 * 128 / 255 + 16) / 116) ** 3))
    np.testing.assert_allclose(load_image(path)[0, 0], [expected] * 3, atol=2 / 255)


@pytest.mark.parametrize(
    "profile",
    [
        b"no profile",
        b"x" * 500,
        rgb_profile("Adobe RGB")[:300],
        grey_profile(1),
        cmyk_profile(),
        rgb_profile("Adobe RGB").replace(b"XYZ \0\0\0\0", b"nono\0\0\0\0"),
    ],
    ids=["text", "rubbish", "cut", "grey", "CMYK", "tags"],
)
def test_damaged_and_foreign_profiles_do_not_matter(tmp_path: Path, profile: bytes) -> None:
    path = tmp_path / "picture.png"
    PIL.Image.fromarray(colours()).save(path, icc_profile=profile)
    np.testing.assert_array_equal(load_image(path), from_uint8(colours()))


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize(
    "profile",
    [
        PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes(),
        rgb_profile("sRGB"),
        # A curve so coarse that LittleCMS would change many pixels by a level.
        rgb_profile("sRGB").replace(curve(None), curve(None, 16) + bytes(2016)),
    ],
    ids=["LittleCMS", "by hand", "coarse"],
)
def test_srgb_in_whatever_words_stays_exactly_as_it_is(
    tmp_path: Path, profile: bytes, suffix: str
) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (50, 50, 3), np.uint8)
    path = tmp_path / f"picture{suffix}"
    PIL.Image.fromarray(pixels).save(path, icc_profile=profile)
    np.testing.assert_array_equal(load_image(path), from_uint8(pixels))


def chunks(**data: bytes) -> PngInfo:
    info = PngInfo()
    for name, content in data.items():
        info.add(name.encode(), content)
    return info


ADOBE_CHROMATICITIES = (0.3127, 0.329, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)


def chrm(numbers: tuple[float, ...]) -> bytes:
    return struct.pack(">8I", *(round(number * 100000) for number in numbers))


@pytest.mark.parametrize(
    ("notes", "expected"),
    [
        # Numbers in proportion to light.
        ({"gAMA": struct.pack(">I", 100000)}, lambda pixels: encode_srgb(pixels / 255)),
        ({"gAMA": struct.pack(">I", 45455)}, lambda pixels: pixels / 255),
        ({"gAMA": struct.pack(">I", 100000), "sRGB": b"\0"}, lambda pixels: pixels / 255),
        (
            {"gAMA": struct.pack(">I", 45455), "cHRM": chrm(ADOBE_CHROMATICITIES)},
            lambda pixels: encode_srgb(
                decode_srgb(pixels / 255)
                @ np.array(COLORANTS["Adobe RGB"])
                @ np.linalg.inv(COLORANTS["sRGB"])
            ),
        ),
        ({"gAMA": bytes(4)}, lambda pixels: pixels / 255),
        ({"cHRM": bytes(32), "gAMA": struct.pack(">I", 100000)}, lambda pixels: pixels / 255),
    ],
    ids=["linear", "usual", "sRGB wins", "primaries", "gamma 0", "primaries 0"],
)
def test_png_without_profile_says_it_in_numbers(
    tmp_path: Path,
    notes: dict[str, bytes],
    expected: Callable[[NDArray[np.uint8]], Array],
) -> None:
    path = tmp_path / "picture.png"
    PIL.Image.fromarray(colours()).save(path, pnginfo=chunks(**notes))
    wanted = expected(colours())
    inside = (wanted > 0.1).all(axis=-1)
    np.testing.assert_allclose(load_image(path)[inside], wanted[inside], atol=2 / 255)


def test_cameras_say_adobe_rgb_without_a_profile(tmp_path: Path) -> None:
    exif = PIL.Image.Exif()
    exif[0x8769] = {0xA001: 65535, 0xA005: {1: "R03"}}
    path = tmp_path / "_DSC0001.jpg"
    PIL.Image.fromarray(colours()).save(path, exif=exif, quality=100, subsampling=0)
    wanted = expected_srgb(colours(), "Adobe RGB")[8::16, 8::16]
    inside = (wanted > 0.1).all(axis=-1)
    np.testing.assert_allclose(load_image(path)[8::16, 8::16][inside], wanted[inside], atol=0.01)


def test_phones_say_display_p3_in_numbers(tmp_path: Path) -> None:
    path = tmp_path / "photo.heic"
    numbers = {"color_primaries": 12, "transfer_characteristics": 13, "full_range_flag": 1}
    write(path, PIL.Image.fromarray(colours()), **KINDS[".heic"], **numbers)
    wanted = expected_srgb(numbers_in(path), "Display P3")
    inside = ((wanted > 0.1) & (wanted < 0.999)).all(axis=-1)
    assert np.abs(numbers_in(path) / 255 - wanted)[inside].max() > 10 / 255
    np.testing.assert_allclose(load_image(path)[inside], wanted[inside], atol=2 / 255)
    usual = numbers | {"color_primaries": 1}
    write(path, PIL.Image.fromarray(colours()), **KINDS[".heic"], **usual)
    np.testing.assert_array_equal(load_image(path), from_uint8(numbers_in(path)))


@pytest.mark.parametrize("curve", [16, 18])  # of BT.2100: PQ and HLG
def test_hdr_curves_are_not_taken_for_srgbs(tmp_path: Path, curve: int) -> None:
    numbers = {"color_primaries": 12, "transfer_characteristics": curve, "full_range_flag": 1}
    path = tmp_path / "photo.heic"
    write(path, PIL.Image.fromarray(colours()), **KINDS[".heic"], **numbers)
    np.testing.assert_array_equal(load_image(path), from_uint8(numbers_in(path)))


# Writing


def png_chunks(data: bytes) -> dict[bytes, bytes]:
    found, at = {}, 8
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        found[data[at + 4 : at + 8]] = data[at + 8 : at + 8 + length]
        at += 12 + length
    return found


@pytest.mark.parametrize("alpha", [None, 0.5])
@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
def test_what_is_written_says_that_it_is_srgb(
    tmp_path: Path, suffix: str, alpha: float | None
) -> None:
    image = from_uint8(colours())
    share = None if alpha is None else np.full(image.shape[:2], alpha)
    path = save_image(image, tmp_path / f"picture{suffix}", alpha=share)
    with PIL.Image.open(path) as file:
        profile = file.info.get("icc_profile")
    if suffix == ".png":
        assert profile is None
        found = png_chunks(path.read_bytes())
        assert found[b"sRGB"] == b"\1"
        assert not {b"iCCP", b"gAMA", b"cHRM"} & found.keys()
        return
    assert profile is not None
    # As another program reads it: the colorants, by hand; and LittleCMS to its own sRGB.
    assert len(profile) < 600
    (count,) = struct.unpack(">I", profile[128:132])
    for number in range(count):
        tag, at, _ = struct.unpack(">4sII", profile[132 + 12 * number : 144 + 12 * number])
        if tag in (b"rXYZ", b"gXYZ", b"bXYZ"):
            wanted = COLORANTS["sRGB"]["rgb".index(tag[:1].decode())]
            values = np.array(struct.unpack(">3i", profile[at + 8 : at + 20])) / 65536
            np.testing.assert_allclose(values, wanted, atol=2e-4)
    source = PIL.ImageCms.ImageCmsProfile(io.BytesIO(profile))
    assert source.profile.profile_description == "sRGB"
    picture = PIL.Image.fromarray(colours())
    seen = PIL.ImageCms.profileToProfile(picture, source, PIL.ImageCms.createProfile("sRGB"))
    assert seen is not None
    assert np.abs(np.asarray(seen).astype(int) - colours()).max() <= 1


def test_files_are_the_same_at_any_time(tmp_path: Path) -> None:
    image = from_uint8(colours())
    for suffix in (".png", ".jpg", ".webp"):
        one, two = (save_image(image, tmp_path / f"{n}{suffix}").read_bytes() for n in "ab")
        assert one == two
        assert zlib.crc32(one)


def test_round_trip_of_a_phones_picture(tmp_path: Path) -> None:
    """Read, written and read again it is the same: the second file isn't converted once more."""
    path = tmp_path / "phone.png"
    PIL.Image.fromarray(colours()).save(path, icc_profile=rgb_profile("Display P3"))
    image = load_image(path)
    for suffix, most in ((".png", 0.0), (".jpg", 2.0), (".webp", 4.0)):
        again = load_picture(save_image(image, tmp_path / f"again{suffix}"))
        assert again.alpha is None
        change = np.abs(to_uint8(again.image).astype(int) - to_uint8(image))
        assert change[8::16, 8::16].max() <= most
