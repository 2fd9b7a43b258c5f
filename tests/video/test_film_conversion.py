"""Films are painted: frames, sound, timing, transparency, pictures as films."""

from __future__ import annotations

import itertools
import re
import threading
from concurrent.futures import Future
from pathlib import Path
from typing import Any

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
    ffmpeg,
    invert,
    left_edge,
    moving_square,
    read,
    same,
    sound,
    write,
)

from nstlib.errors import (
    ArgumentError,
    ImageError,
    MemoryLimitError,
    OutputError,
    VideoError,
)
from nstlib.images.arrays import Image, Picture, from_uint8
from nstlib.video.convert import FramePainter, convert_video
from nstlib.video.reader import VideoReader
from nstlib.video.sequence import PictureReader, PictureWriter
from nstlib.video.writer import VideoWriter


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

    work, prepared = FramePainter(remember), Future[Any]()
    prepared.set_result(work.prepare(frame))
    np.testing.assert_array_equal(work(frame, prepared), frame)
    np.testing.assert_array_equal(seen[0], from_uint8(frame))


# Transparency, and pictures as films


def half_transparent(path: Path, count: int = 4) -> Path:
    """Write a film whose left half is opaque and whose right half is not there, as WebP."""
    pages = []
    for number in range(count):
        page = np.zeros((32, 64, 4), np.uint8)
        page[:, :32] = (200, 60, 20 + 10 * number, 255)
        pages.append(PIL.Image.fromarray(page))
    pages[0].save(path, save_all=True, append_images=pages[1:], duration=100, lossless=True)
    return path


@pytest.mark.parametrize("output", ["out.webm", "out.mov", "out/%02d.png"])
def test_transparency_is_kept(tmp_path: Path, output: str) -> None:
    film = half_transparent(tmp_path / "in.webp")
    seen: list[Image] = []

    def paint(image: Image) -> Image:
        seen.append(image)
        return 1 - image

    assert convert(film, tmp_path / output, paint).frames == 4
    # What is painted is the film on white, so that no hidden colour comes in.
    np.testing.assert_allclose(seen[0][16, 48], 1, atol=0.01)
    reader = (
        VideoReader(tmp_path / output) if "%" not in output else PictureReader(tmp_path / output)
    )
    assert reader.transparent()
    frame = next(reader.frames(alpha=True)).astype(int)
    assert frame[16, 48, 3] <= 3
    np.testing.assert_allclose(frame[16, 16], (55, 195, 235, 255), atol=6)


@pytest.mark.parametrize("output", ["out.mp4", "out.mkv", "out.gif", "out/%02d.jpg"])
def test_transparency_becomes_white(tmp_path: Path, output: str) -> None:
    convert(half_transparent(tmp_path / "in.webp"), tmp_path / output, same)
    reader = (
        VideoReader(tmp_path / output) if "%" not in output else PictureReader(tmp_path / output)
    )
    assert not reader.transparent()
    frame = next(iter(reader)).astype(int)
    np.testing.assert_allclose(frame[16, 48], 255, atol=3)
    np.testing.assert_allclose(frame[16, 16], (200, 60, 20), atol=8)


def test_transparency_can_be_left_out(tmp_path: Path) -> None:
    film = half_transparent(tmp_path / "in.webp")
    convert(film, tmp_path / "out.webm", same, keep_alpha=False)
    assert not VideoReader(tmp_path / "out.webm").transparent()


def test_what_paints_may_cut_out(tmp_path: Path) -> None:
    """Its own transparency, times the film's."""
    film = half_transparent(tmp_path / "in.webp")

    def cut(image: Image) -> Picture:
        alpha = np.ones(image.shape[:2], np.float32)
        alpha[:16] = 0.5
        return Picture(image, alpha)

    convert(film, tmp_path / "out.mov", cut)
    frame = next(VideoReader(tmp_path / "out.mov").frames(alpha=True)).astype(int)
    np.testing.assert_allclose(frame[[8, 24, 8], [16, 16, 48], 3], [128, 255, 0], atol=3)


def test_pictures_become_a_film_and_a_film_pictures(films: Path, tmp_path: Path) -> None:
    result = convert(films / "silent.mp4", tmp_path / "frames" / "f%d.png", invert)
    assert (result.frames, result.sound, result.size) == (COUNT, "none", (HEIGHT, WIDTH))
    names = sorted(path.name for path in (tmp_path / "frames").iterdir())
    assert names == sorted(f"f{number}.png" for number in range(1, COUNT + 1))
    for number, truth in enumerate(moving_square(), 1):
        shown = np.asarray(PIL.Image.open(tmp_path / "frames" / f"f{number}.png"))
        assert np.abs(255 - shown.astype(int) - truth).mean() < 4
    # Back, in order of the numbers: 2 before 10. By a pattern, and by the folder's name.
    for source in ("frames/f%d.png", "frames"):
        film = tmp_path / f"{len(source)}.mp4"
        again = convert(tmp_path / source, film, invert, rate=5)
        assert (again.frames, again.rate) == (COUNT, 5)
        shown = read(film)
        assert [left_edge(frame) for frame in shown] == [3 * number for number in range(COUNT)]
    with pytest.raises(OutputError, match="such pictures already"):
        convert(films / "silent.mp4", tmp_path / "frames" / "f%d.png", same)


def test_what_lies_between_numbered_pictures(tmp_path: Path) -> None:
    """Gaps, other names, one of another size, and one that is damaged."""
    for number, width in ((7, 16), (8, 16), (11, 32)):
        red = PIL.Image.new("RGB", (width, width // 2), (number, 0, 0))
        red.save(tmp_path / f"{number:03d}.png")
    (tmp_path / "009.png").write_bytes(b"damaged")
    PIL.Image.new("RGB", (9, 9)).save(tmp_path / "12.png")  # two digits only
    PIL.Image.new("RGB", (9, 9)).save(tmp_path / "a013.png")
    reader = PictureReader(tmp_path / "%03d.png", rate=2)
    assert (reader.expected, reader.seconds) == (4, 2)
    frames = list(reader)
    assert [int(frame[0, 0, 0]) for frame in frames] == [7, 8, 8, 11]
    assert {frame.shape for frame in frames} == {(8, 16, 3)}
    assert reader.broken == 1


def test_numbers_may_be_longer_than_a_pattern_says(tmp_path: Path) -> None:
    for number in (99, 100):
        PIL.Image.new("RGB", (8, 8), (number, 0, 0)).save(tmp_path / f"{number}.png")
    frames = PictureReader(tmp_path / "%02d.png")
    assert [int(frame[0, 0, 0]) for frame in frames] == [99, 100]


def test_numbered_pictures_keep_half_transparent_colours(tmp_path: Path) -> None:
    pixels = np.full((4, 4, 4), (200, 100, 50, 128), np.uint8)
    PictureWriter(tmp_path / "%d.png").write(pixels)
    with PIL.Image.open(tmp_path / "1.png") as file:
        np.testing.assert_allclose(np.asarray(file, int), pixels, atol=2)


def test_numbered_pictures_of_another_size_are_reduced_by_means(tmp_path: Path) -> None:
    """One pixel of nine is white, or opaque: afterwards all have a ninth of it."""
    PIL.Image.new("RGBA", (4, 4)).save(tmp_path / "1.png")
    pixels = np.zeros((12, 12, 4), np.uint8)
    pixels[..., 3] = 255
    pixels[1::3, 1::3, :3] = 255
    PIL.Image.fromarray(pixels).save(tmp_path / "2.png")
    pixels[:] = 0
    pixels[1::3, 1::3] = (200, 100, 50, 255)
    PIL.Image.fromarray(pixels).save(tmp_path / "3.png")
    _, white, spots = PictureReader(tmp_path / "%d.png").frames(alpha=True)
    np.testing.assert_allclose(white, np.broadcast_to((28, 28, 28, 255), (4, 4, 4)), atol=1)
    np.testing.assert_allclose(spots[..., 3], np.full((4, 4), 28), atol=1)
    np.testing.assert_allclose(spots[..., :3], np.broadcast_to((200, 100, 50), (4, 4, 3)), atol=9)


def test_pictures_of_another_shape_are_not_distorted(tmp_path: Path) -> None:
    """What is painted before one is kept. Sides may be off by what reducing them rounds."""
    frames = tmp_path / "frames"
    frames.mkdir()
    for number, size in enumerate([(48, 32), (25, 17), (72, 48), (96, 64), (32, 48), (48, 32)]):
        PIL.Image.new("RGB", size, (40 * number, 0, 0)).save(frames / f"{number}.png")
    done = convert(frames, tmp_path / "out.mp4", same)
    assert isinstance(done.fault, VideoError)
    assert re.search(r"4\.png has another shape, 32x48 pixels, than .*, 48x32; ", str(done.fault))
    reds = [frame[..., 0].mean() for frame in read(tmp_path / "out.mp4")]
    np.testing.assert_allclose(reds, [0, 40, 80, 120], atol=3)

    (frames / "0.png").replace(frames / "4.png")
    for number in (1, 2, 3):
        (frames / f"{number}.png").unlink()
    assert convert(frames, tmp_path / "whole.mp4", same).frames == 2


def test_nothing_is_written_of_pictures_whose_second_has_another_shape(tmp_path: Path) -> None:
    for number, size in enumerate([(48, 32), (32, 48)]):
        PIL.Image.new("RGB", size).save(tmp_path / f"{number}.png")
    with pytest.raises(VideoError, match=r"1\.png has another shape"):
        list(PictureReader(tmp_path))


@pytest.mark.parametrize("name", ["absent folder", "a.py", "%d_%d.png"])
def test_what_is_no_pattern(tmp_path: Path, name: str) -> None:
    with pytest.raises(VideoError, match=r"neither a folder nor a pattern like %04d\.png"):
        PictureReader(tmp_path / name)
    with pytest.raises(OutputError, match="is no pattern; give one such as painted"):
        PictureWriter(tmp_path / "out.png")


def test_refused_pictures(films: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for source in ("empty", "empty/%d.png", "absent/%d.png"):
        with pytest.raises(VideoError, match=r"%04d\.png|cannot be read"):
            convert(tmp_path / source, tmp_path / "out.mp4")
    with pytest.raises(ArgumentError, match="a film has its own") as caught:
        convert(films / "silent.mp4", tmp_path / "out.mp4", rate=5)
    assert "--rate is for pictures" in caught.value.command
    with pytest.raises(OutputError, match=r"cannot write '\.tif'"):
        convert(films / "silent.mp4", tmp_path / "%d.tif")
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


@pytest.mark.parametrize("codec", ["aac", "libopus", "pcm_s16le"])
def test_sound_in_webm(films: Path, tmp_path: Path, codec: str) -> None:
    ffmpeg("-i", films / "loud.mp4", "-c:v", "copy", "-c:a", codec, tmp_path / "in.mkv")
    assert convert(tmp_path / "in.mkv", tmp_path / "out.webm", same).sound == "kept"
    assert VideoReader(tmp_path / "out.webm").sound == "opus"
    heard = sound(tmp_path / "out.webm")
    assert np.abs(np.fft.rfft(heard[8820:52920].astype(float))).argmax() == 440


def test_what_is_painted_is_kept_also_if_two_things_go_wrong(tmp_path: Path) -> None:
    """Memory runs out at the fourth picture, while the sixth, of another shape, is being read."""
    frames = tmp_path / "frames"
    frames.mkdir()
    for number, size in enumerate([(48, 32)] * 5 + [(32, 48)]):
        PIL.Image.new("RGB", size, (40 * number, 0, 0)).save(frames / f"{number}.png")

    def paint(image: Image) -> Image:
        if image[0, 0, 0] > 110 / 255:
            raise MemoryError
        return image

    done = convert(frames, tmp_path / "out.mp4", paint)
    assert isinstance(done.fault, MemoryLimitError)
    assert done.frames == len(read(tmp_path / "out.mp4")) == 3


def test_no_frame_follows_one_that_cannot_be_written(films: Path, tmp_path: Path) -> None:
    calls = itertools.count()

    def paint(image: Image) -> Image:
        return image[:8, :8] if next(calls) == 2 else image

    done = convert(films / "silent.mp4", tmp_path / "out.mp4", paint)
    assert isinstance(done.fault, OutputError)
    assert [left_edge(frame) for frame in read(tmp_path / "out.mp4")] == [0, 3]
