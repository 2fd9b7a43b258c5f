"""Films are written: colours, sizes, memory, and what is refused."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from film_files import ffmpeg, make_films, moving_square, read, same

from nstlib.errors import OutputError
from nstlib.video.convert import convert_video
from nstlib.video.reader import VideoReader
from nstlib.video.writer import VideoWriter


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_films(tmp_path_factory.mktemp("films"))


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
    assert "(tv, bt709" in VideoReader(tmp_path / "out.mp4")._info


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
