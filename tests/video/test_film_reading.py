"""Films are read: sizes, times, colours, damage, and what is no film."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from film_files import (
    COUNT,
    HEIGHT,
    WIDTH,
    convert,
    ffmpeg,
    left_edge,
    make_films,
    moving_square,
    read,
    same,
    sound,
    write,
)

from nstlib.errors import ArgumentError, VideoError
from nstlib.video.reader import VideoReader


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_films(tmp_path_factory.mktemp("films"))


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
    frame = next(iter(VideoReader(films / "silent.mp4", size=size)))
    assert frame.shape == (*shape, 3)
    assert abs(left_edge(next(iter(VideoReader(films / "silent.mp4", size=size)))) - 0) <= 1


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
    with pytest.raises(VideoError, match="is not a film"):
        VideoReader(tmp_path / "song.m4a")


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
