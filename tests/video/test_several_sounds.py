"""Of a film's sounds the one that players choose is kept, in a layout the new film can have."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from film_files import RATE, convert, ffmpeg, moving_square, read, same, sound, write

from nstlib.video.reader import VideoReader
from nstlib.video.writer import VideoWriter


def pitch(film: Path) -> int:
    """The loudest pitch of a film's first second of sound, in hertz."""
    return int(np.abs(np.fft.rfft(sound(film)[:44100].astype(float))).argmax())


@pytest.fixture
def silent(tmp_path: Path) -> Path:
    return write(tmp_path / "silent.mp4", moving_square(10), rate=RATE)


@pytest.mark.parametrize(("marked", "pitch_of_it"), [(0, 440), (1, 880)])
@pytest.mark.parametrize("suffix", [".mkv", ".webm"])
def test_the_sound_is_the_one_that_players_choose(
    silent: Path, tmp_path: Path, marked: int, pitch_of_it: int, suffix: str
) -> None:
    tones = [("-f", "lavfi", "-i", f"sine={hertz}:d=1") for hertz in (440, 880)]
    dispositions = [(f"-disposition:a:{n}", "default" if n == marked else "0") for n in (0, 1)]
    maps = ("-map", "0:v", "-map", "1:a", "-map", "2:a", "-c:v", "copy", "-c:a", "aac")
    several = tmp_path / "several.mkv"
    given = [option for pair in (*tones, maps, *dispositions) for option in pair]
    ffmpeg("-i", silent, *given, several)
    assert VideoReader(several).sound_track == marked
    output = tmp_path / f"out{suffix}"
    assert convert(several, output, same).sound == "kept"
    assert abs(pitch(output) - pitch_of_it) <= 1


def test_a_film_without_marks_keeps_its_first_sound(silent: Path, tmp_path: Path) -> None:
    tone = ("-f", "lavfi", "-i", "sine=440:d=1")
    ffmpeg("-i", silent, *tone, "-c:v", "copy", "-disposition:a", "0", tmp_path / "in.mkv")
    assert VideoReader(tmp_path / "in.mkv").sound_track == 0
    convert(tmp_path / "in.mkv", tmp_path / "out.mkv", same)
    assert abs(pitch(tmp_path / "out.mkv") - 440) <= 1


@pytest.mark.parametrize("layout", ["mono", "stereo", "5.1(side)", "7.1"])
def test_surround_sound_is_kept_in_webm(silent: Path, tmp_path: Path, layout: str) -> None:
    tone = ("-f", "lavfi", "-i", f"sine=440:d=1,aformat=channel_layouts={layout}")
    ffmpeg("-i", silent, *tone, "-c:v", "copy", "-c:a", "pcm_s16le", tmp_path / "in.mkv")
    assert convert(tmp_path / "in.mkv", tmp_path / "out.webm", same).sound == "kept"
    assert VideoReader(tmp_path / "out.webm").sound == "opus"
    assert abs(pitch(tmp_path / "out.webm") - 440) <= 1


@pytest.mark.parametrize("rate", ["24000/1001", "25", "30000/1001", "60000/1001", "25/2"])
def test_rates_are_the_fractions_that_editing_programs_expect(tmp_path: Path, rate: str) -> None:
    film = tmp_path / "film.mp4"
    with VideoWriter(film, float(Fraction(rate))) as writer:
        for frame in moving_square(4):
            writer.write(frame)
        writer.finish()
    told = ffmpeg("-i", film, "-f", "framehash", "-")
    base = next(line for line in told.decode().splitlines() if line.startswith("#tb 0: "))
    assert Fraction(1, Fraction(rate)) == Fraction(base.removeprefix("#tb 0: "))
    assert len(read(film)) == 4
