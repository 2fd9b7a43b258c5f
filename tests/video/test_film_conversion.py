"""Films are painted: frames, sound, timing, transparency, pictures as films."""

from __future__ import annotations

import itertools
import threading
from pathlib import Path

import cv2
import imageio.v3 as iio
import numpy as np
import PIL.Image
import PIL.ImageSequence
import pytest
from film_files import (
    COUNT,
    HEIGHT,
    WIDTH,
    convert,
    left_edge,
    make_films,
    moving_square,
    read,
    same,
    sound,
    write,
)

from nstlib.errors import ImageError
from nstlib.images.arrays import Image, from_uint8
from nstlib.video.convert import _Work, convert_video
from nstlib.video.reader import VideoReader
from nstlib.video.writer import VideoWriter


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_films(tmp_path_factory.mktemp("films"))


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv"])
def test_a_painted_film(films: Path, tmp_path: Path, suffix: str) -> None:
    output = tmp_path / f"out{suffix}"
    result = convert(films / "loud.mp4", output)
    assert (result.frames, result.rate, result.size) == (COUNT, 10, (HEIGHT, WIDTH))
    assert (result.broken, result.sound, result.interrupted) == (0, "kept", False)
    assert result.missing < 0.05
    assert result.seconds > 0
    shown = read(output)
    assert shown.shape == (COUNT, HEIGHT, WIDTH, 3)
    for frame, truth in zip(shown, moving_square(), strict=True):
        assert np.abs(frame.astype(int) - (255 - truth.astype(int))).mean() < 5
    # The sound is the source's own, packet by packet.
    np.testing.assert_array_equal(sound(output), sound(films / "loud.mp4"))


def test_sound_that_players_cannot_take_is_encoded(films: Path, tmp_path: Path) -> None:
    assert convert(films / "loud.mov", tmp_path / "out.mp4").sound == "kept"
    assert VideoReader(tmp_path / "out.mp4").sound == "aac"
    ours, theirs = sound(tmp_path / "out.mp4"), sound(films / "loud.mov")
    assert abs(len(ours) - len(theirs)) < 4410
    spectrum = np.abs(np.fft.rfft(ours[8820:52920].astype(float)))
    assert spectrum.argmax() == 440  # of one second, so in hertz


def test_no_sound(films: Path, tmp_path: Path) -> None:
    assert convert(films / "silent.mp4", tmp_path / "out.mp4").sound == "none"
    assert VideoReader(tmp_path / "out.mp4").sound is None


def test_lost_sound_does_not_lose_the_film(films: Path, tmp_path: Path) -> None:
    reader = VideoReader(films / "silent.mp4")
    reader.sound = "aac"  # as if it had been deleted in the meantime
    with VideoWriter(tmp_path / "out.mp4", 10, reader) as writer:
        for frame in reader:
            writer.write(frame)
        assert writer.finish() == "lost"
    assert len(read(tmp_path / "out.mp4")) == COUNT


def test_gifs(films: Path, tmp_path: Path) -> None:
    result = convert(films / "loud.mp4", tmp_path / "out.gif", same, size=60)
    assert (result.frames, result.size, result.sound) == (COUNT, (36, 60), "none")
    with PIL.Image.open(tmp_path / "out.gif") as gif:
        assert (gif.info["loop"], gif.size) == (0, (60, 36))
        durations = [page.info["duration"] for page in PIL.ImageSequence.Iterator(gif)]
        assert len(durations) == COUNT
        assert sum(durations) == 2000
        gif.seek(10)
        shown = np.asarray(gif.convert("RGB"))
    truth = cv2.resize(moving_square()[10], (60, 36), interpolation=cv2.INTER_AREA)
    assert np.abs(shown.astype(int) - truth).mean() < 8
    # And back.
    again = convert(tmp_path / "out.gif", tmp_path / "again.mp4", same)
    assert (again.frames, again.rate, again.size) == (COUNT, 10, (36, 60))


def test_gifs_have_fewer_frames(tmp_path: Path) -> None:
    write(tmp_path / "in.mp4", moving_square(), rate=50)
    assert convert(tmp_path / "in.mp4", tmp_path / "out.gif").rate == 25
    assert len(iio.imread(tmp_path / "out.gif", plugin="pillow")) == COUNT // 2


def test_frames_that_repeat_are_painted_once(tmp_path: Path) -> None:
    frames = np.repeat(moving_square(3), 10, axis=0)
    with VideoWriter(tmp_path / "in.mp4", 10) as writer:
        for frame in frames:
            writer.write(frame)
        writer.finish()
    source = list(VideoReader(tmp_path / "in.mp4"))
    different = 1 + sum(not np.array_equal(*pair) for pair in itertools.pairwise(source))
    calls = []

    def paint(image: Image) -> Image:
        calls.append(threading.current_thread().name)
        return 1 - image

    assert convert(tmp_path / "in.mp4", tmp_path / "out.mp4", paint).frames == 30
    assert len(calls) == different < 30
    assert len(set(calls)) == 1
    assert calls[0] != threading.current_thread().name


def test_a_frame_that_cannot_be_painted(films: Path, tmp_path: Path) -> None:
    calls = 0

    def paint(image: Image) -> Image:
        nonlocal calls
        calls += 1
        if calls in (5, 6):
            raise ImageError("NaN")
        if calls == 9:
            cv2.blur(image, (0, 0))  # an error of OpenCV's
        return image

    result = convert(films / "silent.mp4", tmp_path / "out.mp4", paint)
    assert (result.broken, result.frames) == (3, COUNT)
    edges = [left_edge(frame) for frame in read(tmp_path / "out.mp4")]
    assert edges[:10] == [0, 3, 6, 9, 9, 9, 18, 21, 21, 27]


@pytest.mark.parametrize("error", [ImageError, ZeroDivisionError])
def test_the_first_frame_cannot_be_painted(
    films: Path, tmp_path: Path, error: type[Exception]
) -> None:
    def paint(_: Image) -> Image:
        raise error("as always")

    (tmp_path / "out.mp4").write_text("an earlier film")
    with pytest.raises(error, match="as always"):
        convert(films / "silent.mp4", tmp_path / "out.mp4", paint)
    assert (tmp_path / "out.mp4").read_text() == "an earlier film"
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_progress(films: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    convert_video(films / "silent.mp4", tmp_path / "out.mp4", same)
    said = capfd.readouterr().err
    assert "out.mp4: 100%" in said
    assert "20/20" in said
    assert "frames/s" in said


def test_frames_are_images() -> None:
    """What is painted obeys the library's convention."""
    frame = np.full((4, 4, 3), 255, np.uint8)
    seen: list[Image] = []

    def remember(image: Image) -> Image:
        seen.append(image)
        return image

    np.testing.assert_array_equal(_Work(remember)(frame), frame)
    np.testing.assert_array_equal(seen[0], from_uint8(frame))
