"""Films are read: sizes, times, colours, damage, and what is no film."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from film_files import (
    COUNT,
    HEIGHT,
    WIDTH,
    convert,
    ffmpeg,
    left_edge,
    moving_square,
    read,
    same,
    sound,
    write,
)
from numpy.typing import NDArray

from nstlib.errors import ArgumentError, VideoError
from nstlib.video.reader import VideoReader


def test_reading(films: Path) -> None:
    reader = VideoReader(films / "silent.mp4")
    assert (reader.rate, reader.seconds, reader.sound, reader.expected) == (10, 2, None, COUNT)
    frames = list(reader)
    assert len(frames) == COUNT
    expected = moving_square()
    for frame, truth in zip(frames, expected, strict=True):
        assert frame.dtype == np.uint8
        assert np.abs(frame.astype(int) - truth).mean() < 4
    assert [left_edge(frame) for frame in frames] == [3 * number for number in range(COUNT)]
    assert reader.broken == 0
    assert VideoReader(films / "loud.mp4").sound == "aac"
    # A second time from the beginning, and not to the end.
    frames_again = iter(reader)
    np.testing.assert_array_equal(next(frames_again), frames[0])
    frames_again.close()  # type: ignore[attr-defined]


@pytest.mark.parametrize(("size", "shape"), [(40, (24, 40)), (120, (72, 120)), (79, (47, 79))])
def test_another_size(films: Path, size: int, shape: tuple[int, int]) -> None:
    frames = list(VideoReader(films / "silent.mp4", size=size))
    assert {frame.shape for frame in frames} == {(*shape, 3)}
    scale = size / moving_square()[0].shape[1]
    bright = frames[10][round(16 * scale), :, 0] > 125  # the row that left_edge looks at
    assert bright.any()
    assert abs(bright.argmax() - 30 * scale) <= 1


def test_films_of_an_hour_and_more(tmp_path: Path) -> None:
    ffmpeg("-f", "lavfi", "-i", "color=red:s=16x16:r=1:d=3723", tmp_path / "long.mkv")
    assert VideoReader(tmp_path / "long.mkv").seconds == 3600 + 2 * 60 + 3


def test_fewer_frames(films: Path) -> None:
    reader = VideoReader(films / "silent.mp4", max_rate=5)
    frames = list(reader)
    assert (reader.rate, len(frames)) == (5, 10)
    assert left_edge(frames[4]) in (3 * 7, 3 * 8, 3 * 9)


@pytest.mark.parametrize("turn", [90, -90, 180])
def test_phones_hold_cameras_sideways(films: Path, tmp_path: Path, turn: int) -> None:
    """The file says by how much its pictures are to be turned; the result needs no turning."""
    ffmpeg("-display_rotation", turn, "-i", films / "silent.mp4", "-c", "copy", tmp_path / "in.mp4")
    expected = [np.rot90(frame, turn // 90) for frame in moving_square()]
    result = convert(tmp_path / "in.mp4", tmp_path / "out.mp4", same)
    assert result.size == expected[0].shape[:2]
    for frame, truth in zip(read(tmp_path / "out.mp4"), expected, strict=True):
        assert np.abs(frame.astype(int) - truth).mean() < 6


def test_pixels_that_are_not_square(films: Path, tmp_path: Path) -> None:
    ffmpeg("-i", films / "silent.mp4", "-vf", "setsar=2", tmp_path / "wide.mp4")
    assert next(iter(VideoReader(tmp_path / "wide.mp4"))).shape == (HEIGHT, 2 * WIDTH, 3)


def boxes(data: bytes) -> Iterator[bytes]:
    """Cut the content of an MP4 file into its boxes; each begins with its length."""
    while data:
        length = int.from_bytes(data[:4], "big")
        yield data[:length]
        data = data[length:]


@pytest.mark.parametrize("first", [False, True])
def test_a_cover_is_not_the_film(films: Path, tmp_path: Path, first: bool) -> None:
    """Players show a cover in their lists; it may stand behind the film in the file, or before."""
    PIL.Image.new("RGB", (32, 24), (200, 0, 0)).save(tmp_path / "cover.png")
    film = tmp_path / "in.mp4"
    inputs = ("-i", tmp_path / "cover.png", "-i", films / "silent.mp4", "-map", 0, "-map", 1)
    ffmpeg(*inputs, "-c", "copy", "-disposition:v:0", "attached_pic", film)
    if first:
        parts = list(boxes(film.read_bytes()))
        place = next(number for number, part in enumerate(parts) if part[4:8] == b"moov")
        described = sorted(boxes(parts[place][8:]), key=lambda part: part[4:8] != b"udta")
        parts[place] = parts[place][:8] + b"".join(described)
        film.write_bytes(b"".join(parts))
    reader = VideoReader(film)
    assert (reader.size, reader.expected) == ((HEIGHT, WIDTH), COUNT)
    assert [left_edge(frame) for frame in reader] == [3 * number for number in range(COUNT)]


def test_frames_that_last_differently_long(tmp_path: Path) -> None:
    """A second of 25 frames, then two of 5 each: what happens when is as before."""
    frames = np.zeros((35, 32, 32, 3), np.uint8)
    frames[25:30] = 120  # from 1 s on
    frames[30:] = 240  # from 2 s on
    write(tmp_path / "constant.mp4", frames, rate=25)
    timing = "setpts='if(lt(N,25),N/25,1+(N-25)/5)/TB'"
    slow = ["-vf", timing, "-fps_mode", "vfr", "-enc_time_base", "1/1000"]
    ffmpeg("-i", tmp_path / "constant.mp4", *slow, tmp_path / "in.mp4")
    result = convert(tmp_path / "in.mp4", tmp_path / "out.mp4", same)
    shown = read(tmp_path / "out.mp4").mean(axis=(1, 2, 3))
    rate = result.rate
    assert 11 < rate <= 60
    assert len(shown) / rate == pytest.approx(3.0, abs=0.25)
    assert (shown > 60).argmax() / rate == pytest.approx(1.0, abs=1.5 / rate)
    assert (shown > 180).argmax() / rate == pytest.approx(2.0, abs=1.5 / rate)


def test_sound_that_begins_before_the_pictures(films: Path, tmp_path: Path) -> None:
    """The first picture stands until the second one's time, so that both stay together."""
    late = ["-itsoffset", 0.5, "-i", films / "silent.mp4"]
    ffmpeg(
        "-i",
        films / "loud.mp4",
        *late,
        "-map",
        "1:v",
        "-map",
        "0:a",
        "-c",
        "copy",
        tmp_path / "in.mp4",
    )
    frames = list(VideoReader(tmp_path / "in.mp4"))
    assert len(frames) == COUNT + 5
    assert [left_edge(frame) for frame in frames[4:8]] == [0, 0, 3, 6]


def test_a_cut_off_film(films: Path, tmp_path: Path) -> None:
    content = (films / "loud.mp4").read_bytes()
    (tmp_path / "in.mp4").write_bytes(content[: len(content) * 2 // 3])
    result = convert(tmp_path / "in.mp4", tmp_path / "out.mp4", same)
    assert result.missing == pytest.approx(2 - result.frames / 10, abs=0.06)
    assert 3 <= result.frames < COUNT
    shown = read(tmp_path / "out.mp4")
    assert len(shown) == result.frames
    assert [left_edge(frame) for frame in shown[:3]] == [0, 3, 6]
    assert 0.5 < len(sound(tmp_path / "out.mp4")) / 44100 < 1.9


def test_broken_frames_are_left_out_and_counted(films: Path, tmp_path: Path) -> None:
    content = bytearray((films / "silent.mp4").read_bytes())
    # The sizes that stand before a frame's parts, in a stretch of the pictures' data.
    begin = content.index(b"mdat") + 4
    middle = begin + (len(content) - begin) // 3
    content[middle : middle + 400] = b"\xff" * 400
    (tmp_path / "in.mp4").write_bytes(content)
    result = convert(tmp_path / "in.mp4", tmp_path / "out.mp4", same)
    assert 1 <= result.broken < 10
    # The others keep their times.
    assert result.frames == COUNT
    shown = read(tmp_path / "out.mp4")
    assert [left_edge(frame) for frame in (*shown[:2], *shown[-2:])] == [0, 3, 54, 57]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        (
            "notes.mp4",
            b"no film at all\n" * 40,
            r"notes\.mp4 is not a film that ffmpeg can read \(.*",
        ),
        ("empty.mp4", b"", r"empty\.mp4 is empty \(0 bytes\)"),
        ("absent.mp4", None, r"absent\.mp4: no such film"),
        (
            "list.m3u8",
            b"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\nhttp://127.0.0.1:9/x.ts\n#EXT-X-ENDLIST\n",
            "is not a film",
        ),
    ],
)
def test_what_is_no_film(tmp_path: Path, name: str, content: bytes | None, words: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(VideoError, match=words) as caught:
        VideoReader(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert "0x" not in str(caught.value)
    with pytest.raises(VideoError):
        convert(tmp_path / name, tmp_path / "out.mp4")
    assert not (tmp_path / "out.mp4").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
def test_a_name_that_looks_like_an_address(films: Path, tmp_path: Path) -> None:
    path = tmp_path / "concat:clip.mp4"
    path.write_bytes((films / "silent.mp4").read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        assert len(list(VideoReader(path.name))) == COUNT


def test_a_folder_and_a_sound_are_no_films(tmp_path: Path, films: Path) -> None:
    with pytest.raises(VideoError, match="is a folder"):
        VideoReader(tmp_path)
    ffmpeg("-i", films / "loud.mp4", "-vn", tmp_path / "song.m4a")
    with pytest.raises(VideoError, match="holds sound, but no moving pictures"):
        VideoReader(tmp_path / "song.m4a")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")
def test_a_pipe_and_a_device_are_no_films(tmp_path: Path) -> None:
    """They have 0 bytes to the system, and are not empty."""
    os.mkfifo(tmp_path / "pipe.mp4")
    for path in (tmp_path / "pipe.mp4", Path("/dev/zero")):
        with pytest.raises(VideoError, match="is no ordinary file; save the film"):
            VideoReader(path)
    with pytest.raises(VideoError, match="cannot be read"):
        VideoReader("x" * 5000)


def test_a_film_without_frames(films: Path, tmp_path: Path) -> None:
    content = bytearray((films / "silent.mp4").read_bytes())
    begin, end = content.index(b"mdat") + 4, content.index(b"moov") - 4
    content[begin:end] = b"\xff" * (end - begin)
    (tmp_path / "in.mp4").write_bytes(content)
    with pytest.raises(VideoError, match=r"in\.mp4: no frame of it can be decoded"):
        convert(tmp_path / "in.mp4", tmp_path / "out.mp4")
    assert [path.name for path in tmp_path.iterdir()] == ["in.mp4"]


@pytest.mark.parametrize("size", [1, 0, -5, 20000])
def test_bad_sizes(films: Path, size: int) -> None:
    with pytest.raises(ArgumentError, match=f"size is {size}"):
        VideoReader(films / "silent.mp4", size=size)


# Colours


def flat_film(
    path: Path, levels: tuple[int, int, int], size: str, tags: str = "", pixels: str = "yuv420p"
) -> Path:
    """Write a film of one colour, given as Y, Cb and Cr, without loss; its tags only as given."""
    y, cb, cr = levels
    colour = f"geq=lum={y}:cb={cb}:cr={cr}"
    say = f",setparams={tags}" if tags else ""
    ffmpeg(
        *("-f", "lavfi", "-i", f"color=s={size}:r=5:d=0.6,format={pixels},{colour}{say}"),
        *("-c:v", "libx264", "-preset", "ultrafast", "-qp", 0, path),
    )
    return path


def rgb(
    levels: tuple[int, int, int], red: float, blue: float, *, full: bool
) -> NDArray[np.float64]:
    """Compute a colour by its matrix's shares of red and blue (ITU-R BT.601, BT.709)."""
    y, cb, cr = levels
    if full:
        light, b, r = y / 255, (cb - 128) / 255, (cr - 128) / 255
    else:
        light, b, r = (y - 16) / 219, (cb - 128) / 224, (cr - 128) / 224
    r, b = light + 2 * (1 - red) * r, light + 2 * (1 - blue) * b
    g = (light - red * r - blue * b) / (1 - red - blue)
    return 255 * np.clip([r, g, b], 0, 1)


BT601, BT709 = (0.299, 0.114), (0.2126, 0.0722)


@pytest.mark.parametrize(
    ("size", "tags", "matrix", "full"),
    [
        ("96x64", "", BT601, False),
        ("720x576", "", BT601, False),
        ("1280x536", "", BT709, False),
        ("960x720", "", BT709, False),
        ("720x1280", "", BT709, False),  # a phone that is held upright
        ("96x64", "colorspace=bt709", BT709, False),
        ("1280x720", "colorspace=smpte170m", BT601, False),
        ("96x64", "colorspace=bt709:range=pc", BT709, True),
        ("96x64", "range=pc", BT601, True),
        ("1280x720", "range=pc", BT709, True),
    ],
)
@pytest.mark.parametrize("pixels", ["yuv420p", "yuv420p10le"])
def test_colours_are_what_the_tags_say(
    tmp_path: Path, size: str, tags: str, matrix: tuple[float, float], full: bool, pixels: str
) -> None:
    levels = (80, 110, 190)
    deep = 4 if pixels.endswith("10le") else 1
    film = flat_film(tmp_path / "f.mkv", tuple(deep * x for x in levels), size, tags, pixels)  # type: ignore[arg-type]
    reader = VideoReader(film)
    frame = next(iter(reader))
    np.testing.assert_allclose(frame[20, 20], rgb(levels, *matrix, full=full), atol=1.2)
    assert not reader.tone_mapped


def to_screen(nits: float) -> float:
    """Map brightness to a screen's 0..255, by the formulas of BT.2408, mobius and BT.1886."""
    x, j, peak = nits / 203, 0.8, 1000 / 203
    if x > j:
        a = -j * j * (peak - 1) / (j * j - 2 * j + peak)
        b = (j * j - 2 * j * peak + peak) / (peak - 1)
        x = (b * b + 2 * b * j + j * j) / (b - a) * (x + a) / (x + b)
    return 255 * min(1.0, x) ** (1 / 2.4)


def hlg(signal: float) -> float:
    """Brightness of grey on a display of 1000 nits, by ITU-R BT.2100."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = signal * signal / 3 if signal <= 0.5 else (np.exp((signal - c) / a) + b) / 12
    return float(1000 * scene**1.2)


def pq(signal: float) -> float:
    """Brightness in nits, by SMPTE ST 2084."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    p = signal ** (1 / m2)
    return float(10000 * (max(p - c1, 0) / (c2 - c3 * p)) ** (1 / m1))


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
@pytest.mark.parametrize(
    ("transfer", "brightness", "level"),
    [
        ("arib-std-b67", hlg, 0.35),
        ("arib-std-b67", hlg, 0.75),
        ("smpte2084", pq, 0.4),
        ("smpte2084", pq, 0.58),
        ("smpte2084", pq, 0.7),
    ],
)
def test_hdr_is_tone_mapped(
    tmp_path: Path, suffix: str, transfer: str, brightness: Callable[[float], float], level: float
) -> None:
    """What counts is the transfer function, whatever the container and the other tags."""
    luma = round(64 + 876 * level)
    film = flat_film(
        tmp_path / f"f{suffix}", (luma, 512, 512), "96x64", f"color_trc={transfer}", "yuv420p10le"
    )
    reader = VideoReader(film)
    assert reader.tone_mapped
    expected = to_screen(brightness((luma - 64) / 876))
    np.testing.assert_allclose(next(iter(reader))[20, 20], expected, atol=2)
    # And the conversion says so; what it writes is an ordinary film.
    assert convert(film, tmp_path / "out.mp4", same).tone_mapped
    assert not VideoReader(tmp_path / "out.mp4").tone_mapped


@pytest.mark.parametrize(
    "tags",
    ["color_trc=arib-std-b67", "color_trc=smpte2084", "color_primaries=bt2020:color_trc=bt709"],
)
@pytest.mark.parametrize("size", [95, 50, 33])
def test_films_of_wide_colours_are_read_at_odd_sizes(tmp_path: Path, tags: str, size: int) -> None:
    """96 × 64 pixels become 95 × 63, 50 × 33 and 33 × 22; zscale took none of them in 4:2:0."""
    film = flat_film(tmp_path / "f.mkv", (500, 480, 560), "96x64", tags, "yuv420p10le")
    (expected, *_), (found, *_) = VideoReader(film), VideoReader(film, size=size)
    assert found.shape == (round(size * 64 / 96), size, 3)
    np.testing.assert_allclose(found.mean(axis=(0, 1)), expected.mean(axis=(0, 1)), atol=1)


def test_wide_colours_become_a_screens(tmp_path: Path) -> None:
    """The green of BT.709 stands at (0.2627.., 0.6780..) shares of BT.2020's primaries."""
    tags = "colorspace=bt2020nc:color_primaries=bt2020:color_trc=bt709"
    film = flat_film(tmp_path / "f.mp4", (120, 100, 110), "96x64", tags)
    plain = flat_film(tmp_path / "p.mp4", (120, 100, 110), "96x64", "colorspace=bt2020nc")
    wide, narrow = (next(iter(VideoReader(path)))[20, 20].astype(int) for path in (film, plain))
    # The same numbers mean a more saturated colour.
    assert np.ptp(wide) > np.ptp(narrow) + 10


def test_wide_colours_without_a_curve_have_the_usual_one(tmp_path: Path) -> None:
    tags = "colorspace=bt2020nc:color_primaries=bt2020"
    films = (
        flat_film(tmp_path / f"{number}.mp4", (120, 100, 110), "96x64", tags + curve)
        for number, curve in enumerate(("", ":color_trc=bt709"))
    )
    unsaid, said = (next(iter(VideoReader(path))) for path in films)
    np.testing.assert_array_equal(unsaid, said)


# Damage, lies, and what is no film

LIES = (
    "\n  Duration: 99:00:00.00, start: 0.000000, bitrate: 1 kb/s"
    "\n  Stream #0:0: Video: h264, yuv420p, 4x4, 50 fps, 50 tbr"
    "\n[Parsed_showinfo_0 @ 0x1] n:   0 pts: 0 fmt:rgb24 sar:1/1 s:4x4 i:P"
    "\n[Parsed_showinfo_0 @ 0x1] color_range:pc color_space:bt2020nc color_primaries:bt2020 "
    "color_trc:smpte2084\n  Stream #0:1: Audio: aac, 44100 Hz"
)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
@pytest.mark.parametrize("title", ["Duration: 99:00:00.0", LIES])
def test_titles_are_not_taken_for_facts(
    films: Path, tmp_path: Path, suffix: str, title: str
) -> None:
    film = tmp_path / f"in{suffix}"
    tags = ("-metadata", f"title={title}", "-metadata:s:v:0", f"title={title}")
    key = "K" * len(LIES)
    ffmpeg("-i", films / "silent.mp4", "-c", "copy", *tags, "-metadata", f"{key}=x", film)
    if suffix == ".mkv":  # which can have anything for a tag's name, too
        content = film.read_bytes()
        assert content.count(key.encode()) == 1
        film.write_bytes(content.replace(key.encode(), LIES.encode()))
    reader, truth = VideoReader(film), VideoReader(films / "silent.mp4")
    assert reader.seconds == pytest.approx(2, abs=0.05)
    assert (reader.rate, reader.sound, reader.size) == (truth.rate, None, truth.size)
    assert not reader.tone_mapped


@pytest.mark.parametrize(
    "text",
    [
        "ffconcat version 1.0\nfile silent.mp4\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nsilent.mp4\n#EXT-X-ENDLIST\n",
        ";FFMETADATA1\ntitle=x\n",
        "[Playlist]\nFile1=silent.mp4\n",
        "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=video 9 RTP/AVP 96\n",
    ],
)
@pytest.mark.parametrize("name", ["list.mp4", "list.m3u8", "list.ffconcat", "list.sdp"])
def test_texts_that_name_other_files(films: Path, tmp_path: Path, text: str, name: str) -> None:
    (tmp_path / "silent.mp4").write_bytes((films / "silent.mp4").read_bytes())
    (tmp_path / name).write_text(text)
    with pytest.raises(VideoError, match="is not a film"):
        VideoReader(tmp_path / name)


def test_pictures_are_no_films(tmp_path: Path) -> None:
    PIL.Image.new("RGB", (8, 8)).save(tmp_path / "1.png")
    (tmp_path / "%d.png").write_bytes((tmp_path / "1.png").read_bytes())
    for name in ("1.png", "%d.png"):
        with pytest.raises(VideoError, match="is not a film"):
            VideoReader(tmp_path / name)


@pytest.mark.parametrize(
    ("options", "share"),
    [
        (("-preset", "superfast", "-g", 250), 0.2),
        (("-preset", "ultrafast", "-g", 12, "-bf", 3), 0.4),
    ],
)
@pytest.mark.parametrize("length", [400, 2000])
def test_damaged_films_end(
    tmp_path: Path, options: tuple[object, ...], share: float, length: int
) -> None:
    """With a thread for each frame, ffmpeg gives the same error for ever at the end of these."""
    moving = ("-f", "lavfi", "-i", "testsrc2=s=160x96:r=25:d=4")
    ffmpeg(*moving, "-c:v", "libx264", *options, tmp_path / "whole.mp4")
    content = bytearray((tmp_path / "whole.mp4").read_bytes())
    begin, end = content.index(b"mdat") + 4, content.index(b"moov")
    place = begin + int((end - begin) * share)
    content[place : place + length] = b"\xff" * length
    (tmp_path / "in.mp4").write_bytes(content)
    reader = VideoReader(tmp_path / "in.mp4")
    assert 1 <= len(list(reader)) <= 101


def test_a_film_whose_last_frame_never_ends(tmp_path: Path) -> None:
    """Its second frame is at 200 seconds; it says that it lasts for one."""
    slow = ("-vf", "setpts=200*N/TB", "-fps_mode", "vfr", "-enc_time_base", "1/1000")
    ffmpeg("-f", "lavfi", "-i", "testsrc=s=64x48:r=1:d=2", *slow, tmp_path / "in.mkv")
    reader = VideoReader(tmp_path / "in.mkv", max_rate=1)
    assert len(list(reader)) >= 200
    reader.seconds = 1.0
    assert 61 <= len(list(reader)) <= 1 + 60 + 10 + 2


def test_iterators_that_are_left_end_ffmpeg(films: Path) -> None:
    code = (
        "import gc, sys; from nstlib.video.reader import VideoReader\n"
        "frames = iter(VideoReader(sys.argv[1])); next(frames); frames.close()\n"
        "frames = iter(VideoReader(sys.argv[1])); next(frames); del frames; gc.collect()\n"
        "import os\n"
        "try: os.waitpid(-1, os.WNOHANG); print('a child is left')\n"
        "except ChildProcessError: print('none')"
    )
    command = [sys.executable, "-X", "dev", "-W", "error", "-c", code, str(films / "silent.mp4")]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (result.stdout, result.stderr) == ("none\n", "")


def test_transparent_films_lie_on_white(tmp_path: Path) -> None:
    """Of every kind that has alpha: opaque at the left, invisible at the right, black underneath.

    The border lies between pixels of a reduced frame, so that one of them holds both.
    """
    rgba = np.zeros((4, 32, 64, 4), np.uint8)
    rgba[:, :, :33] = (200, 60, 20, 255)
    rgba[:, 0, 0, 2] = range(4)  # a WebP of equal frames is no film
    (tmp_path / "raw").write_bytes(rgba.tobytes())
    raw = ("-f", "rawvideo", "-pix_fmt", "rgba", "-s", "64x32", "-r", 10, "-i", tmp_path / "raw")
    pages = [PIL.Image.fromarray(frame) for frame in rgba]
    pages[0].save(
        tmp_path / "a.webp", save_all=True, append_images=pages[1:], duration=100, lossless=True
    )
    pages[0].save(tmp_path / "a.png", save_all=True, append_images=pages[1:], duration=100)
    gif = ("-lavfi", "split[a][b];[a]palettegen[p];[b][p]paletteuse")
    vp9 = (
        "-c:v",
        "libvpx-vp9",
        "-pix_fmt",
        "yuva420p",
        "-auto-alt-ref",
        0,
        "-metadata:s:v:0",
        "alpha_mode=1",
    )
    ffmpeg(*raw, *gif, tmp_path / "a.gif")
    ffmpeg(*raw, *vp9, tmp_path / "a.webm")
    ffmpeg(*raw, *vp9, tmp_path / "a.mkv")
    ffmpeg(
        *raw,
        "-c:v",
        "prores_ks",
        "-profile:v",
        4444,
        "-pix_fmt",
        "yuva444p10le",
        tmp_path / "a.mov",
    )
    ffmpeg(*raw, "-c:v", "png", tmp_path / "b.mov")
    ffmpeg(*raw, "-c:v", "qtrle", tmp_path / "c.mov")
    for name in ("a.webp", "a.png", "a.gif", "a.webm", "a.mkv", "a.mov", "b.mov", "c.mov"):
        for size in (None, 48):
            reader = VideoReader(tmp_path / name, size=size)
            assert reader.transparent(), name
            frame = next(iter(reader)).astype(int)
            middle, quarter = frame.shape[0] // 2, frame.shape[1] // 4
            np.testing.assert_allclose(frame[middle, 3 * quarter], 255, atol=2, err_msg=name)
            np.testing.assert_allclose(frame[middle, quarter], (200, 60, 20), atol=7, err_msg=name)
            if name not in ("a.webm", "a.mkv", "a.mov"):  # whose encoders lose something
                # No dark seam, where hidden black would have come into the colours.
                assert frame[middle, :, 0].min() > 190, name
    ffmpeg("-i", tmp_path / "a.mkv", "-pix_fmt", "yuv420p", tmp_path / "opaque.mp4")
    assert not VideoReader(tmp_path / "opaque.mp4").transparent()
