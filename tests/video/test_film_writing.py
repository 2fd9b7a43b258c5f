"""Films are written: colours, sizes, memory, and what is refused."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import imageio_ffmpeg
import numpy as np
import PIL.Image
import pytest
from film_files import ffmpeg, left_edge, moving_square, read, same
from numpy.typing import NDArray

from nstlib.errors import ArgumentError, ImageError, OutputError
from nstlib.video.convert import convert_video
from nstlib.video.reader import VideoReader
from nstlib.video.writer import VideoWriter


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
            assert np.abs(middle - colour).max() <= 2
    # Red's brightness is 0.2126 by BT.709, which the file names; by BT.601 it would be 0.299.
    planes = ffmpeg("-i", tmp_path / "out.mp4", "-f", "rawvideo", "-pix_fmt", "yuv420p", "-")
    assert planes[16 * picture.shape[1] + 16] == pytest.approx(16 + 219 * 0.2126, abs=1)


def header(path: Path) -> str:
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-i", path]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


@pytest.mark.parametrize("suffix", [".mp4", ".mov", ".mkv", ".webm"])
@pytest.mark.parametrize("channels", [3, 4])
def test_the_colours_are_named(tmp_path: Path, suffix: str, channels: int) -> None:
    """Matrix, primaries, transfer and range; in H.264 itself, and in the file around it."""
    if channels == 4 and suffix not in (".mov", ".webm"):
        pytest.skip("not transparent")
    film = tmp_path / f"out{suffix}"
    with VideoWriter(film, 10) as writer:
        writer.write(np.full((32, 32, channels), 90, np.uint8))
        writer.finish()
    assert "(tv, bt709, progressive)" in header(film)  # one name stands for three that are equal
    if channels == 3 and suffix != ".webm":
        ffmpeg("-i", film, "-c", "copy", "-f", "h264", tmp_path / "bare.h264")
        assert "(tv, bt709, progressive)" in header(tmp_path / "bare.h264")


def moving_photo(count: int = 8) -> list[NDArray[np.uint8]]:
    """A window that moves across something as smooth and as rough as a photograph."""
    random = np.random.default_rng(5)
    layers = [
        cv2.resize(random.random((side, side, 3)), (320, 320), interpolation=cv2.INTER_CUBIC)
        * share
        for side, share in ((4, 0.5), (16, 0.25), (64, 0.15))
    ]
    scene = np.clip(0.05 + sum(layers), 0.02, 0.98)
    return [np.rint(255 * scene[3 * n : 3 * n + 180]).astype(np.uint8) for n in range(count)]


@pytest.mark.parametrize("suffix", [".mp4", ".webm"])
def test_films_do_not_darken(tmp_path: Path, suffix: str) -> None:
    """Three programs in a row leave a film's mean colour where it was, to a fifth of a level."""
    frames = moving_photo()
    truth = np.mean(frames, axis=(0, 1, 2))
    for generation in range(3):
        with VideoWriter(tmp_path / f"{generation}{suffix}", 25) as writer:
            for frame in frames:
                writer.write(frame)
            writer.finish()
        frames = list(VideoReader(tmp_path / f"{generation}{suffix}"))
    np.testing.assert_allclose(np.mean(frames, axis=(0, 1, 2)), truth, atol=0.2)


@pytest.mark.parametrize("suffix", [".webm", ".mov"])
def test_transparent_frames(tmp_path: Path, suffix: str) -> None:
    rgba = np.zeros((40, 64, 4), np.uint8)
    rgba[..., :3] = (200, 60, 20)
    rgba[..., 3] = np.repeat([0, 80, 160, 255], 16)
    with VideoWriter(tmp_path / f"out{suffix}", 10) as writer:
        for _ in range(3):
            writer.write(rgba)
        writer.finish()
    decoder = ("-c:v", "libvpx-vp9") if suffix == ".webm" else ()
    raw = ffmpeg(
        *decoder, "-i", tmp_path / f"out{suffix}", "-f", "rawvideo", "-pix_fmt", "rgba", "-"
    )
    shown = np.frombuffer(raw, np.uint8).reshape(3, 40, 64, 4).astype(int)
    for frame in shown:
        np.testing.assert_allclose(frame[20, 8::16, 3], [0, 80, 160, 255], atol=3)
        np.testing.assert_allclose(frame[20, 56, :3], (200, 60, 20), atol=4)


@pytest.mark.parametrize(
    "frame",
    [
        np.zeros((8, 8, 3)),
        np.zeros((8, 8, 3), np.float32),
        np.zeros((8, 8, 3), np.int64),
        np.zeros((8, 8), np.uint8),
        np.zeros((8, 8, 1), np.uint8),
        np.zeros((8, 8, 4), np.uint8),
        np.zeros((0, 8, 3), np.uint8),
        np.zeros((1, 8, 8, 3), np.uint8),
    ],
)
def test_what_is_no_frame(tmp_path: Path, frame: NDArray[Any]) -> None:
    with VideoWriter(tmp_path / "out.mp4", 10) as writer:
        with pytest.raises(ImageError, match=rf"{frame.dtype} values of shape .*uint8.*to_uint8"):
            writer.write(frame)
        writer.write(np.zeros((8, 8, 3), np.uint8))
        writer.finish()
    assert len(read(tmp_path / "out.mp4")) == 1


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such names")
@pytest.mark.parametrize("suffix", [".mp4", ".gif", ".webm"])
def test_names_that_look_like_addresses(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("http:").mkdir()
    Path("100%d").mkdir()
    for name in (
        f"http:/clip{suffix}",
        f"100%d/clip{suffix}",
        f"12:30{suffix}",
        f"http:{suffix}",
        f"-i{suffix}",
        "x" * (255 - len(suffix)) + suffix,
    ):
        with VideoWriter(name, 10) as writer:
            writer.write(np.zeros((8, 8, 3), np.uint8))
            writer.finish()
        assert len(list(VideoReader(name))) == 1


def test_the_last_frame_can_be_held(tmp_path: Path) -> None:
    frames = moving_square(3)
    with VideoWriter(tmp_path / "out.mp4", 10) as writer:
        for frame in frames:
            writer.write(frame)
            frame[:] = 0  # a writer's caller may use its array again
        writer.finish(hold=0.5)
    shown = read(tmp_path / "out.mp4")
    assert [left_edge(frame) for frame in shown] == [0, 3, 6, 6, 6, 6, 6]


def test_no_frame_is_held_after_a_failure(tmp_path: Path) -> None:
    """What was written before it becomes a film all the same."""
    noise = np.random.default_rng(0).integers(0, 256, (50, 96, 96, 3), np.uint8)
    with VideoWriter(tmp_path / "out.mkv", 25) as writer:

        def write(frames: int) -> None:
            for number in range(frames):
                writer.write(noise[number % 50])

        write(300)
        assert writer._run is not None
        writer._run.kill()
        with pytest.raises(OutputError):
            write(1700)
        with pytest.raises(ArgumentError, match="hold is nan; it must be a number, 0 or more"):
            writer.finish(hold=float("nan"))
        writer.finish(hold=1.0)
    assert len(list(VideoReader(tmp_path / "out.mkv"))) > 20


def test_links_and_permissions_stay(tmp_path: Path) -> None:
    place = tmp_path / "real" / "film.mp4"
    place.parent.mkdir()
    place.write_bytes(b"earlier")
    place.chmod(0o600)
    (tmp_path / "link.mp4").symlink_to(place)
    with VideoWriter(tmp_path / "link.mp4", 10) as writer:
        writer.write(np.zeros((8, 8, 3), np.uint8))
        writer.finish()
    assert (tmp_path / "link.mp4").is_symlink()
    assert place.stat().st_mode & 0o777 == 0o600
    assert len(read(place)) == 1


MEASURED = """\
#!{python} -S
import resource, subprocess, sys
code = subprocess.call([{ffmpeg!r}, *sys.argv[1:]])
with open({log!r}, "a") as file:
    print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss, file=file)
sys.exit(code)
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="counts kilobytes as Linux does")
def test_memory_does_not_grow_with_a_gif(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """400 frames more are 92 MB more, if they wait for their colours."""
    program, log = tmp_path / "ffmpeg", tmp_path / "log"
    found = imageio_ffmpeg.get_ffmpeg_exe()
    program.write_text(MEASURED.format(python=sys.executable, ffmpeg=found, log=str(log)))
    program.chmod(0o755)
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", str(program))
    photo = np.concatenate(moving_photo(2)[:1] * 2, axis=1)[:, :320]
    peaks = []
    for count in (40, 440):
        log.unlink(missing_ok=True)
        with VideoWriter(tmp_path / "out.gif", 25) as writer:
            for number in range(count):
                writer.write(np.roll(photo, number, axis=1))
            writer.finish()
        peaks.append(max(map(int, log.read_text().split())) / 1000)
    assert peaks[1] < peaks[0] + 25


def test_odd_sides(tmp_path: Path) -> None:
    greys = np.random.default_rng(0).integers(0, 256, (9, 15), np.uint8)
    frame = cv2.cvtColor(cv2.resize(greys, (45, 27)), cv2.COLOR_GRAY2RGB)
    with VideoWriter(tmp_path / "out.mp4", 10) as writer:
        writer.write(np.asarray(frame, np.uint8))
        writer.finish()
    shown = read(tmp_path / "out.mp4")[0]
    assert shown.shape == (*writer.size, 3) == (28, 46, 3)
    assert np.abs(shown[:27, :45].astype(int) - frame).mean() < 4
    assert np.abs(shown[27, :45].astype(int) - frame[26]).mean() < 6
    assert np.abs(shown[:27, 45].astype(int) - frame[:, 44]).mean() < 6


def test_refused_outputs(films: Path, tmp_path: Path) -> None:
    source = films / "silent.mp4"
    (tmp_path / "folder.mp4").mkdir()
    for output, words in (
        (
            tmp_path / "out.avi",
            r"cannot write '\.avi'; use one of \.mp4, \.mov, \.mkv, \.webm, \.gif",
        ),
        (tmp_path / "out", "a name without a suffix"),
        (tmp_path / "folder.mp4", "is a folder"),
        (tmp_path / "absent" / "out.mp4", "does not exist; create it first"),
        (source, "is the input itself"),
    ):
        before = source.read_bytes()
        with pytest.raises(OutputError, match=words):
            convert_video(source, output, same, progress=False)
        assert source.read_bytes() == before


def test_a_film_is_not_written_over_one_of_its_pictures(tmp_path: Path) -> None:
    for number in (1, 2):
        PIL.Image.new("RGB", (16, 16)).save(tmp_path / f"{number}.gif")
    before = (tmp_path / "2.gif").read_bytes()
    for source in (tmp_path, tmp_path / "%d.gif"):
        with pytest.raises(OutputError, match=r"2\.gif is the input itself"):
            convert_video(source, tmp_path / "2.gif", same, progress=False)
    assert (tmp_path / "2.gif").read_bytes() == before


def test_an_encoder_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "out.mp4").write_text("an earlier film")
    monkeypatch.setattr("nstlib.video.writer.H264", ("-preset", "none"))
    with VideoWriter(tmp_path / "out.mp4", 10) as writer:

        def try_it() -> None:
            for frame in moving_square():
                writer.write(np.tile(frame, (8, 8, 1)))
            writer.finish()

        with pytest.raises(OutputError, match=r"out\.mp4: cannot be written \(.+\)") as caught:
            try_it()
    assert "\n" not in str(caught.value)
    assert (tmp_path / "out.mp4").read_text() == "an earlier film"
    assert [path.name for path in tmp_path.iterdir()] == ["out.mp4"]


def test_a_writer_that_is_left_ends_ffmpeg(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "out.mp4", 10) as writer:
        writer.write(np.zeros((16, 16, 3), np.uint8))
        run = writer._run
        assert run is not None
        assert run.process.poll() is None
    assert run.process.poll() is not None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_films_begin_to_play_before_they_are_loaded(tmp_path: Path, suffix: str) -> None:
    """The list of the frames (moov) stands before the frames (mdat)."""
    path = tmp_path / f"out{suffix}"
    with VideoWriter(path, 10) as writer:
        writer.write(np.zeros((16, 16, 3), np.uint8))
        writer.finish()
    data = path.read_bytes()
    assert 0 < data.find(b"moov") < data.find(b"mdat")


def test_a_full_disk_is_no_reason_to_leave_the_sound_out(
    films: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs: list[list[str]] = []

    def full(arguments: list[str]) -> tuple[int, str]:
        runs.append(arguments)
        return 1, "out.mp4: No space left on device"

    monkeypatch.setattr("nstlib.video.writer.run_ffmpeg", full)
    sound = VideoReader(films / "loud.mp4")
    with VideoWriter(tmp_path / "out.mp4", 10, sound) as writer:
        writer.write(np.zeros((16, 16, 3), np.uint8))
        with pytest.raises(OutputError, match="cannot be written"):
            writer.finish()
    assert len(runs) == 1
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf")])
def test_bad_rates(tmp_path: Path, rate: float) -> None:
    with pytest.raises(ArgumentError, match="rate is"):
        VideoWriter(tmp_path / "out.mp4", rate)
    assert list(tmp_path.iterdir()) == []


def test_no_frames_and_other_frames(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "out.mp4", 10) as writer:
        with pytest.raises(OutputError, match="no frames"):
            writer.finish()
        writer.write(np.zeros((8, 8, 3), np.uint8))
        with pytest.raises(OutputError, match=r"of shape \(8, 8, 3\) comes one of \(8, 10, 3\)"):
            writer.write(np.zeros((8, 10, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []
