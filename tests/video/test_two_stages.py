"""The next frame is begun while one is painted, and the film is the same as one frame at a time."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from film_files import COUNT, convert, make_films, moving_square, read, write
from numpy.typing import NDArray

from nstlib.compose import Composer
from nstlib.errors import ImageError
from nstlib.images.arrays import Image, from_uint8
from nstlib.video.reader import VideoReader
from nstlib.video.steady import Steady, half_the_cores, sharing_cores, steady_painter


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_films(tmp_path_factory.mktemp("films"))


class Stages:
    """Notes what is done, and in which thread."""

    def __init__(self, films: Path) -> None:
        self.numbers = {
            frame.tobytes(): number
            for number, frame in enumerate(VideoReader(films / "silent.mp4"))
        }
        self.begun: list[int] = []
        self.painted: list[int] = []
        self.threads: set[str] = set()
        self.change = threading.Condition()

    def _number(self, image: Image) -> int:
        return self.numbers[np.rint(image * 255).astype(np.uint8).tobytes()]

    def __call__(self, image: Image) -> Image:
        raise AssertionError(f"it has two stages for {image.shape}")

    def prepare(self, image: Image) -> Callable[[], Image]:
        with self.change:
            self.begun.append(self._number(image))
            self.threads.add(threading.current_thread().name)
            self.change.notify_all()
        return lambda: self.paint(image)

    def paint(self, image: Image) -> Image:
        number = self._number(image)
        with self.change:
            # Painting a frame does not end before the next one is begun: if it could not be, this
            # would wait for ever.
            assert self.change.wait_for(lambda: len(self.begun) > min(number + 1, COUNT - 1), 60)
            self.painted.append(number)
            self.threads.add(threading.current_thread().name)
        return 1 - image


def test_the_next_frame_is_begun_meanwhile(films: Path, tmp_path: Path) -> None:
    stages = Stages(films)
    assert convert(films / "silent.mp4", tmp_path / "out.mkv", stages).frames == COUNT
    assert stages.begun == stages.painted == list(range(COUNT))
    assert len(stages.threads) == 2


def test_two_frames_are_begun_ahead(films: Path, tmp_path: Path) -> None:
    stages, ahead = Stages(films), []
    finish = stages.paint

    def paint(image: Image) -> Image:
        painted = finish(image)
        ahead.append(len(stages.begun) - len(stages.painted))
        return painted

    stages.paint = paint  # type: ignore[method-assign]
    convert(films / "silent.mp4", tmp_path / "out.mkv", stages)
    assert max(ahead) == 2


class Trembling:
    """Finds what is yellow, with another mistake in each frame."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(0)

    def matte(self, image: Image) -> NDArray[np.float32]:
        yellow = (image[..., 0] > 0.5).astype(np.float32)
        tremble = self._random.uniform(-0.1, 0.1, yellow.shape)
        return np.clip(0.2 + 0.6 * yellow + tremble, 0, 1).astype(np.float32)

    def mask(self, image: Image) -> NDArray[np.uint8]:
        return np.where(self.matte(image) > 0.5, 255, 0).astype(np.uint8)


def test_the_film_is_that_of_one_frame_at_a_time(films: Path, tmp_path: Path) -> None:
    """Mattes and strokes that tremble are calmed alike, each by its own frame's movement."""
    random: list[np.random.Generator] = []

    def strokes(image: Image, *, strength: float, preserve_colors: bool) -> Image:  # noqa: ARG001
        noise = random[-1].uniform(-0.2, 0.2, image.shape)
        return np.clip(0.2 + 0.6 * (1 - image) + noise, 0, 1).astype(np.float32)

    random.append(np.random.default_rng(1))
    paint = steady_painter(Composer(strokes, segmenter=Trembling()), Steady(reach=2))
    convert(films / "silent.mp4", tmp_path / "out.mkv", paint)
    random.append(np.random.default_rng(1))
    paint = steady_painter(Composer(strokes, segmenter=Trembling()), Steady(reach=2))
    alone = [paint(from_uint8(frame)) for frame in VideoReader(films / "silent.mp4")]
    expected = write(
        tmp_path / "expected.mkv", np.rint(255 * np.stack(alone)).astype(np.uint8), "-qp", 0
    )
    for found, wanted in zip(read(tmp_path / "out.mkv"), read(expected), strict=True):
        assert np.abs(found.astype(int) - wanted).mean() < 4  # what the codecs lose


def test_steady_calms_by_the_frame_that_an_array_belongs_to() -> None:
    """What is painted of the first frame comes after the second frame has been seen."""
    steady = Steady(hold=0.5, reach=0)
    black, white = np.zeros((5, 5, 3), np.float32), np.ones((5, 5, 3), np.float32)
    calms = [steady.see(frame) for frame in (black, black, white)]
    shown = [calm("x", array) for calm, array in zip(calms, (white, black, black), strict=True)]
    np.testing.assert_allclose(shown[1], 0.5)  # nothing had moved: half of what was shown before
    np.testing.assert_allclose(shown[2], 0, atol=1e-6)  # everything had


@pytest.mark.parametrize("stage", ["prepare", "paint"])
def test_frames_that_fail_in_either_stage(tmp_path: Path, stage: str) -> None:
    """Frame 2 fails, and frame 3, which equals it, is not tried again; the one before stays."""
    frames = moving_square(6)
    frames[3] = frames[2]
    film = write(tmp_path / "film.mkv", frames, "-qp", 0)

    class Fails:
        tried = 0

        def __call__(self, image: Image) -> Image:
            return image

        def prepare(self, image: Image) -> Callable[[], Image]:
            self.tried += 1
            bad = self.tried == 3

            def paint() -> Image:
                if bad:
                    raise ImageError("no")
                return image

            if bad and stage == "prepare":
                raise ImageError("no")
            return paint

    result = convert(film, tmp_path / "out.mkv", Fails())
    assert (result.frames, result.broken) == (6, 2)
    shown = read(tmp_path / "out.mkv").astype(int)
    for number, wanted in enumerate([0, 1, 1, 1, 4, 5]):
        assert np.abs(shown[number] - frames[wanted]).mean() < 4


def test_both_stages_share_the_cores(films: Path, tmp_path: Path) -> None:
    """OpenCV uses half of the cores meanwhile; where there is one stage, it uses all."""
    before, used = cv2.getNumThreads(), []

    class Painter:
        def __call__(self, image: Image) -> Image:
            used.append(cv2.getNumThreads())
            return image

    class TwoStages(Painter):
        def prepare(self, image: Image) -> Callable[[], Image]:
            return functools.partial(self, image)

    cv2.setNumThreads(4)
    try:
        for painter, threads in ((TwoStages(), half_the_cores()), (Painter(), 4)):
            convert(films / "silent.mp4", tmp_path / "out.mkv", painter)
            assert used == [threads] * COUNT
            assert cv2.getNumThreads() == 4
            used.clear()
    finally:
        cv2.setNumThreads(before)


def test_what_is_painted_at_once_has_all_the_cores() -> None:
    """Also steadily: only a composer's work can be divided."""
    before = cv2.getNumThreads()
    with sharing_cores(steady_painter(lambda frame, calm=None: frame)):  # noqa: ARG005
        assert cv2.getNumThreads() == before
    with sharing_cores(steady_painter(Composer("mosaic", segmenter=Trembling()))):
        assert cv2.getNumThreads() == half_the_cores()
    assert cv2.getNumThreads() == before


def test_half_of_one_core_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for cores, half in ((8, 4), (5, 2), (2, 1), (1, 1)):
        monkeypatch.setattr("cv2.getNumberOfCPUs", lambda cores=cores: cores)
        assert half_the_cores() == half
