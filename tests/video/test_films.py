"""Films and cameras: what is read, what is written, what is heard, and how it fails."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import imageio.v3 as iio
import imageio_ffmpeg
import numpy as np
import PIL.Image
import PIL.ImageSequence
import pytest
from numpy.typing import NDArray

from nstlib.compose import Composer
from nstlib.errors import ArgumentError, ImageError, NstError, OutputError, VideoError
from nstlib.images.arrays import Image, from_uint8
from nstlib.video.camera import webcam
from nstlib.video.convert import _Work, convert_video
from nstlib.video.reader import VideoReader
from nstlib.video.steady import Paint, Steady, flicker, steadily
from nstlib.video.writer import VideoWriter

Frames = NDArray[np.uint8]

HEIGHT, WIDTH, RATE, COUNT = 48, 80, 10, 20
SIDE = 16  # of the square, which moves by 3 pixels a frame


def ffmpeg(*arguments: object) -> bytes:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-nostdin", "-y"]
    result = subprocess.run([*command, *map(str, arguments)], capture_output=True, check=False)
    assert result.returncode == 0, result.stderr.decode()
    return result.stdout


def moving_square(count: int = COUNT) -> Frames:
    frames = np.full((count, HEIGHT, WIDTH, 3), (30, 60, 120), np.uint8)
    for number, frame in enumerate(frames):
        frame[8 : 8 + SIDE, 3 * number : 3 * number + SIDE] = (220, 200, 40)
    return frames


def left_edge(frame: NDArray[Any]) -> int:
    """Column at which the yellow square begins."""
    bright = frame[8 + SIDE // 2, :, 0].astype(float) > 125
    return int(bright.argmax())


def write(path: Path, frames: Frames, *options: object, rate: float = RATE) -> Path:
    """Write a film by imageio-ffmpeg, from which nstlib's own writer is independent."""
    size = (frames.shape[2], frames.shape[1])
    writer = imageio_ffmpeg.write_frames(
        str(path), size, fps=rate, quality=9, macro_block_size=2, output_params=[*map(str, options)]
    )
    writer.send(None)
    for frame in frames:
        writer.send(frame.tobytes())
    writer.close()
    return path


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a silent film of a moving square, and the same with a tone of 2 seconds."""
    folder = tmp_path_factory.mktemp("films")
    silent = write(folder / "silent.mp4", moving_square(), "-g", 5, "-bf", 0)
    tone = ["-f", "lavfi", "-i", "sine=frequency=440:duration=2", "-c:v", "copy"]
    ffmpeg("-i", silent, *tone, "-c:a", "aac", "-movflags", "+faststart", folder / "loud.mp4")
    ffmpeg("-i", silent, *tone, "-c:a", "pcm_s16le", folder / "loud.mov")
    return folder


def read(path: Path) -> Frames:
    """Read a film by imageio."""
    return np.asarray(iio.imread(path, plugin="FFMPEG"))


def sound(path: Path) -> NDArray[np.int16]:
    raw = ffmpeg("-i", path, "-map", "0:a:0", "-f", "s16le", "-ac", 1, "-ar", 44100, "-")
    return np.frombuffer(raw, np.int16)


def invert(image: Image) -> Image:
    return 1 - image


def same(image: Image) -> Image:
    return image


def convert(source: Path, output: Path, paint: Paint = invert, **more: Any) -> Any:
    result = convert_video(source, output, paint, progress=False, **more)
    assert [p.name for p in output.parent.iterdir() if p.name.startswith(".")] == []
    return result


# Reading


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
    header = VideoReader(tmp_path / "out.mp4")._header()
    assert "rotation" not in header


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


# Painting a film


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


def test_colours_survive(tmp_path: Path) -> None:
    colours = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (128, 128, 128), (250, 240, 10), (0, 0, 0)]
    picture = np.zeros((32, 32 * len(colours), 3), np.uint8)
    for number, colour in enumerate(colours):
        picture[:, 32 * number : 32 * number + 32] = colour
    with VideoWriter(tmp_path / "out.mp4", 10) as writer:
        for _ in range(3):
            writer.write(picture)
        writer.finish()
    for shown in (read(tmp_path / "out.mp4")[1], next(iter(VideoReader(tmp_path / "out.mp4")))):
        for number, colour in enumerate(colours):
            middle = shown[16, 32 * number + 16].astype(int)
            assert np.abs(middle - colour).max() <= 6
    # Red's brightness is 0.2126 by BT.709, which the file names; by BT.601 it would be 0.299.
    planes = ffmpeg("-i", tmp_path / "out.mp4", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-")
    assert planes[16 * picture.shape[1] + 16] == pytest.approx(16 + 219 * 0.2126, abs=2)
    assert "(tv, bt709" in VideoReader(tmp_path / "out.mp4")._header()


def test_odd_sides(tmp_path: Path) -> None:
    greys = np.random.default_rng(0).integers(0, 256, (9, 15), np.uint8)
    frame = cv2.cvtColor(cv2.resize(greys, (45, 27)), cv2.COLOR_GRAY2RGB)
    with VideoWriter(tmp_path / "out.mp4", 10) as writer:
        writer.write(np.asarray(frame, np.uint8))
        writer.finish()
    shown = read(tmp_path / "out.mp4")[0]
    assert shown.shape == (28, 46, 3)
    assert np.abs(shown[:27, :45].astype(int) - frame).mean() < 4
    assert np.abs(shown[27, :45].astype(int) - frame[26]).mean() < 6
    assert np.abs(shown[:27, 45].astype(int) - frame[:, 44]).mean() < 6


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


# Ctrl-C


def test_ctrl_c_leaves_a_film(tmp_path: Path) -> None:
    frames = np.repeat(moving_square(), 3, axis=0)  # 6 seconds
    write(tmp_path / "long.mp4", frames)
    ffmpeg("-i", tmp_path / "long.mp4", "-f", "lavfi", "-i", "sine=duration=6", tmp_path / "in.mp4")
    calls = 0

    def paint(image: Image) -> Image:
        nonlocal calls
        calls += 1
        if calls == 8:
            signal.raise_signal(signal.SIGINT)
        return image + np.float32(calls / 1e6) * (1 - image)

    result = convert(tmp_path / "in.mp4", tmp_path / "out.mp4", paint)
    assert result.interrupted
    shown = read(tmp_path / "out.mp4")
    assert 1 <= len(shown) == result.frames < 60
    assert result.sound == "kept"
    assert len(sound(tmp_path / "out.mp4")) / 44100 == pytest.approx(result.frames / 10, abs=0.1)


def test_ctrl_c_before_the_first_frame(films: Path, tmp_path: Path) -> None:
    def paint(_: Image) -> Image:
        signal.raise_signal(signal.SIGINT)
        time.sleep(0.2)
        raise NstError("too late")

    with pytest.raises(KeyboardInterrupt):
        convert(films / "silent.mp4", tmp_path / "out.mp4", paint)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name == "nt", reason="process groups are those of Unix terminals")
def test_ctrl_c_at_a_terminal_reaches_every_program(films: Path, tmp_path: Path) -> None:
    """The whole group is interrupted, as a terminal does it; ffmpeg still finishes its file."""
    code = (
        "import sys, time; from nstlib.video import convert_video\n"
        "def paint(image):\n"
        "    print('painting', flush=True); time.sleep(0.1); return image\n"
        "print(convert_video(sys.argv[1], sys.argv[2], paint, progress=False).interrupted)"
    )
    output = tmp_path / "out.mp4"
    process = subprocess.Popen(
        [sys.executable, "-c", code, films / "loud.mp4", output],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert process.stdout is not None
    for _ in range(5):
        assert process.stdout.readline() == "painting\n"
    os.killpg(process.pid, signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (0, "")
    assert out.splitlines()[-1] == "True"
    assert 1 <= len(read(output)) < COUNT


# Where it cannot be written


def test_refused_outputs(films: Path, tmp_path: Path) -> None:
    source = films / "silent.mp4"
    (tmp_path / "folder.mp4").mkdir()
    for output, words in (
        (tmp_path / "out.avi", r"cannot write '\.avi'; use one of \.mp4, \.mov, \.mkv, \.gif"),
        (tmp_path / "out", "a name without a suffix"),
        (tmp_path / "folder.mp4", "is a folder"),
        (tmp_path / "absent" / "out.mp4", "does not exist; create it first"),
        (source, "is the input itself"),
    ):
        before = source.read_bytes()
        with pytest.raises(OutputError, match=words):
            convert_video(source, output, same, progress=False)
        assert source.read_bytes() == before


def test_an_encoder_that_fails(tmp_path: Path) -> None:
    (tmp_path / "out.mp4").write_text("an earlier film")
    with VideoWriter(tmp_path / "out.mp4", -1) as writer:

        def try_it() -> None:
            for frame in moving_square():
                writer.write(np.tile(frame, (8, 8, 1)))
            writer.finish()

        with pytest.raises(OutputError, match=r"out\.mp4: cannot be written \(.+\)") as caught:
            try_it()
    assert "\n" not in str(caught.value)
    assert (tmp_path / "out.mp4").read_text() == "an earlier film"
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_no_frames_and_other_frames(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "out.mp4", 10) as writer:
        with pytest.raises(OutputError, match="no frames"):
            writer.finish()
        writer.write(np.zeros((8, 8, 3), np.uint8))
        with pytest.raises(OutputError, match=r"after \(8, 8\) pixels comes a frame \(8, 10, 3\)"):
            writer.write(np.zeros((8, 10, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


# Steadiness


def test_steady_by_hand() -> None:
    steady = Steady(hold=0.8, tolerance=0.1, reach=0)
    source = np.full((9, 18, 3), 0.5, np.float32)
    moved = source.copy()
    moved[:, 9:] += np.float32(0.3)  # far above the tolerance: exp(-9)
    steady.see(source)
    first = steady("alpha", np.full((9, 18), 0.2, np.float32))
    np.testing.assert_array_equal(first, np.float32(0.2))
    steady.see(moved)
    second = steady("alpha", np.full((9, 18), 1.0, np.float32))
    np.testing.assert_allclose(second[:, :7], 0.8 * 0.2 + 0.2 * 1.0, atol=1e-6)
    np.testing.assert_allclose(second[:, 11:], 1.0, atol=1e-3)
    steady.see(moved)
    third = steady("alpha", np.full((9, 18), 1.0, np.float32))
    np.testing.assert_allclose(third[:, :7], 0.8 * 0.36 + 0.2 * 1.0, atol=1e-6)
    # Names are apart, and another size begins anew.
    np.testing.assert_array_equal(steady("person", moved), moved)
    steady.see(source[:4])
    np.testing.assert_array_equal(steady("alpha", second[:4]), second[:4])


def test_steady_halfway() -> None:
    """A change as large as the tolerance is held by 1/e of the hold."""
    steady = Steady(hold=0.5, tolerance=0.05)
    steady.see(np.zeros((7, 7, 3), np.float32))
    steady("x", np.zeros((7, 7), np.float32))
    steady.see(np.full((7, 7, 3), 0.05, np.float32))
    shown = steady("x", np.ones((7, 7), np.float32))
    np.testing.assert_allclose(shown, 1 - 0.5 * np.exp(-1), atol=1e-5)


def test_nothing_is_held_around_a_change() -> None:
    """One pixel changes: after the mean of 5×5 it reaches 2 pixels, and then `reach` further."""
    steady = Steady(hold=0.5, tolerance=0.001, reach=4)
    source = np.zeros((1, 31, 3), np.float32)
    steady.see(source)
    steady("x", np.zeros((1, 31), np.float32))
    source = source.copy()
    source[0, 15] = 1
    steady.see(source)
    shown = steady("x", np.ones((1, 31), np.float32))[0]
    assert [x for x in range(31) if shown[x] > 0.99] == list(range(15 - 6, 15 + 7))
    np.testing.assert_allclose(shown[:9], 0.5)


def test_no_ghosts_behind_what_moves() -> None:
    """What paints carries a glow around the square; where that has passed, none of it is left."""
    frames = [frame.astype(np.float32) / 255 for frame in moving_square()]

    def glow(frame: Image) -> Image:
        return np.asarray(cv2.blur(frame, (17, 17)), np.float32)  # 8 pixels far

    steady = Steady(reach=8)
    for frame in frames:
        steady.see(frame)
        shown = steady("background", glow(frame))
        behind = np.s_[:, : max(1, left_edge(frame * 255) - 8)]
        np.testing.assert_allclose(shown[behind], glow(frame)[behind], atol=0.02)
    assert left_edge(frames[-1] * 255) - 8 > 40  # there is something to see at the end


def noisy_film(count: int = 24) -> list[Image]:
    """A moving square before a still picture, with the noise of a camera."""
    random = np.random.default_rng(0)
    scene = np.kron(random.uniform(0.2, 0.8, (6, 10, 3)), np.ones((8, 8, 1)))
    frames = []
    for number in range(count):
        frame = scene.copy()
        frame[8:24, 3 * number % 60 : 3 * number % 60 + 16] = (0.9, 0.8, 0.2)
        frames.append(
            np.clip(frame + random.normal(0, 0.003, frame.shape), 0, 1).astype(np.float32)
        )
    return frames


class Unsteady:
    """Finds the yellow square, and trembles."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(1)

    def matte(self, image: Image) -> NDArray[np.float32]:
        yellow = (image[..., 0] > 0.85) & (image[..., 2] < 0.3)
        tremble = self._random.uniform(-0.15, 0.15, yellow.shape)
        return np.clip(0.15 + 0.7 * yellow + tremble, 0, 1).astype(np.float32)

    def mask(self, image: Image) -> NDArray[np.uint8]:
        return np.where(self.matte(image) > 0.5, 255, 0).astype(np.uint8)


def strokes(seed: int) -> Callable[..., Image]:
    """Paint in other strokes every time."""
    random = np.random.default_rng(seed)

    def paint(image: Image, *, strength: float, preserve_colors: bool) -> Image:  # noqa: ARG001
        painted = 0.2 + 0.6 * (1 - image) + random.uniform(-0.2, 0.2, image.shape)
        return np.clip(painted, 0, 1).astype(np.float32)

    return paint


def test_flicker_goes_down_and_movement_stays() -> None:
    source = noisy_film()
    composer = Composer(strokes(2), strokes(3), segmenter=Unsteady())
    alone = [composer(frame) for frame in source]
    painter = Composer(strokes(2), strokes(3), segmenter=Unsteady())
    steady_paint = steadily(painter, Steady(reach=3))
    together = [steady_paint(frame) for frame in source]
    before, after = flicker(source, alone, 0.02), flicker(source, together, 0.02)
    assert before > 0.08
    assert after < before / 4
    # What a held film is not: behind the times. Where the square is now, it is seen now.
    for number in range(1, 20):
        where = np.s_[10:22, 3 * number + 2 : 3 * number + 14]
        error = np.abs(together[number][where] - alone[number][where]).mean()
        assert error < 0.15
    # And where it was three frames ago there is no ghost of it: what is painted is dark or bright
    # as the still scene is.
    for number in range(12, 20):
        where = np.s_[10:22, 3 * (number - 8) : 3 * (number - 8) + 2]
        wanted = 0.2 + 0.6 * (1 - source[number][where].mean(axis=(0, 1)))
        np.testing.assert_allclose(together[number][where].mean(axis=(0, 1)), wanted, atol=0.12)


def test_flicker_by_hand() -> None:
    still = np.full((1, 3, 3), 0.5, np.float32)
    moved = still.copy()
    moved[0, 2, 1] = 0.9  # one channel is enough
    shown = still.copy()
    shown[0, 0] = 0.8  # of the two pixels that stay, one changes by 0.3
    assert flicker([still, moved], [still, shown]) == pytest.approx(0.15)
    assert flicker([still, moved, moved], [still, shown, shown]) == pytest.approx(0.3 / 5)
    assert flicker([still, still], [still, still]) == 0


def test_flicker_of_what_cannot_be_compared() -> None:
    black, white = np.zeros((2, 2, 3)), np.ones((2, 2, 3))
    with pytest.raises(ArgumentError, match="different numbers of frames"):
        flicker([black, black], [black])
    with pytest.raises(ArgumentError, match="no pixel of the source stays"):
        flicker([black, white], [black, black])
    with pytest.raises(ArgumentError, match="no pixel"):
        flicker([black], [black])
    with pytest.raises(ImageError):
        flicker([black.astype(np.uint8)] * 2, [black] * 2)


@pytest.mark.parametrize(
    "options", [{"hold": 1.0}, {"hold": -0.1}, {"tolerance": 0.0}, {"reach": -1}]
)
def test_bad_steadiness(options: dict[str, Any]) -> None:
    with pytest.raises(ArgumentError, match=next(iter(options))):
        Steady(**options)


# Cameras


class Camera:
    """Stands in for cv2.VideoCapture: gives frames of a known colour, then stops."""

    frames = 200
    opened: Any = None
    released = 0

    def __init__(self, number: int) -> None:
        type(self).opened = number
        self._given = 0

    def isOpened(self) -> bool:
        return Camera.opened == 0

    def read(self) -> tuple[bool, NDArray[np.uint8] | None]:
        time.sleep(0.002)
        if self._given == Camera.frames:
            return False, None
        self._given += 1
        frame = np.zeros((48, 64, 3), np.uint8)
        frame[:, :32] = (200, 100, 50)  # blue, green, red; at the left
        return True, frame

    def release(self) -> None:
        type(self).released += 1


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """A camera, and a screen that remembers what was shown and presses keys."""
    state: dict[str, Any] = {"shown": [], "keys": {}, "closed": False, "titles": [], "visible": 1.0}
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(Camera, "frames", 200)
    monkeypatch.setattr(Camera, "released", 0)
    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    monkeypatch.setattr(cv2, "imshow", lambda _, frame: state["shown"].append(frame))
    monkeypatch.setattr(cv2, "setWindowTitle", lambda _, title: state["titles"].append(title))
    monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: state["visible"])
    monkeypatch.setattr(cv2, "destroyAllWindows", lambda: state.update(closed=True))
    monkeypatch.setattr(cv2, "waitKey", lambda _: state["keys"].get(len(state["shown"]), -1))
    before = threading.active_count()
    yield state
    assert threading.active_count() == before
    assert Camera.released == int(Camera.opened == 0)


@pytest.mark.parametrize("key", [ord("q"), 27])
def test_a_camera(screen: dict[str, Any], key: int) -> None:
    screen["keys"] = {3: key}
    assert webcam(invert, size=32) == 3
    assert screen["closed"]
    assert len(screen["shown"]) == 3
    frame = screen["shown"][0]
    assert (frame.shape, frame.dtype) == ((24, 32, 3), np.uint8)
    # Mirrored: what was at the left is at the right. Still BGR, and painted.
    np.testing.assert_array_equal(frame[12, 4], (255, 255, 255))
    np.testing.assert_array_equal(frame[12, 28], (55, 155, 205))
    assert "frames a second" in screen["titles"][0]


def test_only_the_newest_frame_is_painted(screen: dict[str, Any]) -> None:
    """Painting takes as long as ten frames of the camera: most of them are left out."""

    def slow(image: Image) -> Image:
        time.sleep(0.03)
        return image

    screen["keys"] = {4: 27}
    assert webcam(slow, size=None) == 4
    assert screen["shown"][0].shape == (48, 64, 3)


def test_a_picture_is_kept(
    screen: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    screen["keys"] = {1: ord("s"), 2: ord("q")}
    webcam(same, size=None)
    [path] = tmp_path.iterdir()
    assert path.name.startswith("nst-")
    np.testing.assert_array_equal(np.asarray(PIL.Image.open(path))[20, 60], (50, 100, 200))


def test_a_closed_window_ends_it(screen: dict[str, Any]) -> None:
    screen["visible"] = 0.0
    assert webcam(same) == 1


def test_ctrl_c_ends_it(screen: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: int) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cv2, "waitKey", interrupt)
    assert webcam(same) == 1
    assert screen["closed"]


def test_a_camera_that_stops(screen: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Camera, "frames", 3)
    with pytest.raises(VideoError, match="camera 0 stopped"):
        webcam(same)
    assert screen["closed"]


def test_no_such_camera(screen: dict[str, Any]) -> None:
    with pytest.raises(VideoError, match="there is no camera 7, or another program uses it"):
        webcam(same, camera=7)
    assert screen["shown"] == []


def test_opencv_says_nothing_of_a_missing_camera(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DISPLAY", ":0")
    with pytest.raises(VideoError, match="there is no camera 99"):
        webcam(same, camera=99)
    assert capfd.readouterr() == ("", "")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="other systems have no DISPLAY")
@pytest.mark.usefixtures("screen")
def test_no_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DISPLAY")
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    Camera.opened = None
    with pytest.raises(VideoError, match="there is no screen here"):
        webcam(same)
    assert Camera.opened is None


def test_an_opencv_without_windows(screen: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise cv2.error("The function is\nnot implemented")

    monkeypatch.setattr(cv2, "imshow", refuse)
    with pytest.raises(VideoError, match="OpenCV cannot show a window here") as caught:
        webcam(same)
    assert "\n" not in str(caught.value)
    assert screen["closed"]


def test_what_cannot_be_painted_ends_it(screen: dict[str, Any]) -> None:
    def paint(_: Image) -> Image:
        raise ImageError("no")

    with pytest.raises(ImageError, match="no"):
        webcam(paint)
    assert screen["closed"]


def test_frames_are_images() -> None:
    """What is painted obeys the library's convention."""
    frame = np.full((4, 4, 3), 255, np.uint8)
    seen: list[Image] = []

    def remember(image: Image) -> Image:
        seen.append(image)
        return image

    np.testing.assert_array_equal(_Work(remember)(frame), frame)
    np.testing.assert_array_equal(seen[0], from_uint8(frame))
