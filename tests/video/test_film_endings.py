"""How a film ends early: Ctrl-C, no memory, no space, ffmpeg that hangs or is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from film_files import COUNT, convert, ffmpeg, make_films, moving_square, read, sound, write

from nstlib.errors import NstError
from nstlib.images.arrays import Image


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_films(tmp_path_factory.mktemp("films"))


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
        "import sys, time; from nstlib.video.convert import convert_video\n"
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
