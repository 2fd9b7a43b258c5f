"""A film in the place of a camera: what the window shows, how fast, and how late. No clock runs."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import pytest
from film_files import Frames, same, write
from numpy.typing import NDArray

from nstlib.errors import ArgumentError, VideoError
from nstlib.images.arrays import Image, rgb_to_bgr
from nstlib.video.camera import AHEAD, LEAST_SIZE, RECENT, SPAN, webcam
from nstlib.video.reader import VideoReader

HEIGHT, WIDTH, COUNT = 180, 320, 12
ALL = 10**6


def numbered() -> Frames:
    """Frames that are brighter and brighter: 20, 35, 50 and so on."""
    frames = np.zeros((COUNT, HEIGHT, WIDTH, 3), np.uint8)
    frames += (20 + 15 * np.arange(COUNT, dtype=np.uint8))[:, None, None, None]
    frames[:, :, : WIDTH // 2, 0] += 30  # the left half is redder
    return frames


def number_of(shown: NDArray[Any]) -> int:
    """Tell which frame of the film is shown, by its green."""
    return round((int(shown[HEIGHT // 4, WIDTH // 4, 1]) - 20) / 15)


class FilmCamera:
    """Gives a film's frames as cv2.VideoCapture gives a camera's, as many as it was allowed to."""

    def __init__(self, path: Path, allowed: int = ALL, again: bool = False) -> None:
        self._frames = [rgb_to_bgr(frame) for frame in VideoReader(path)]
        self._again = again
        self._turn = threading.Condition()
        self.allowed = allowed
        self.asked = 0
        self.released = 0

    def isOpened(self) -> bool:
        return bool(self._frames)

    def allow(self, count: int) -> None:
        """Let so many more frames come, and wait until all are taken: one more was asked for."""
        with self._turn:
            self.allowed += count
            self._turn.notify_all()
            self._turn.wait_for(lambda: self.asked > self.allowed or count == ALL)

    @property
    def _last(self) -> float:
        return float("inf") if self._again else len(self._frames)

    def read(self) -> tuple[bool, NDArray[Any] | None]:
        if self._again:
            time.sleep(0.001)  # as one does that waits for light; nothing depends on it
        with self._turn:
            self.asked += 1
            self._turn.notify_all()
            self._turn.wait_for(lambda: self.asked <= self.allowed or self.released)
            if self.asked > self._last or self.released:
                return False, None
            return True, self._frames[(self.asked - 1) % len(self._frames)]

    def release(self) -> None:
        self.released += 1


class Clock:
    """Shows the time that it was set to; the thread that reads the camera sees an even rate."""

    def __init__(self, rate: float = 30) -> None:
        self.now = 1000.0
        self._rate, self._frames = rate, 0

    def __call__(self) -> float:
        if threading.current_thread().name == "camera":
            self._frames += 1
            return self._frames / self._rate
        return self.now


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("camera") / "film.mkv", numbered(), "-qp", 0)


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """A screen that remembers what it shows, and presses a key once so many frames are shown."""
    state: dict[str, Any] = {"shown": [], "titles": [], "keys": {}}
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(cv2, "imshow", lambda _, pixels: state["shown"].append(pixels))
    monkeypatch.setattr(cv2, "setWindowTitle", lambda _, title: state["titles"].append(title))
    monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: 1.0)
    monkeypatch.setattr(cv2, "destroyAllWindows", lambda: None)
    monkeypatch.setattr(cv2, "waitKey", lambda _: state["keys"].get(len(state["shown"]), -1))
    before = {*threading.enumerate()}  # of which some may end, whoever started them
    yield state
    assert {*threading.enumerate()} <= before


def test_a_film_is_shown_as_a_camera(screen: dict[str, Any], film: Path) -> None:
    """Mirrored, in its order, until it ends; then the camera is said to have stopped."""
    camera = FilmCamera(film)
    with pytest.raises(VideoError, match="the camera stopped; connect it again"):
        webcam(same, camera=camera)
    numbers = [number_of(pixels) for pixels in screen["shown"]]
    assert numbers == sorted(set(numbers))
    assert numbers[-1] == COUNT - 1
    left, right = (int(screen["shown"][0][20, column, 2]) for column in (20, 300))
    assert right - left == pytest.approx(30, abs=3)  # red in BGR, and it was at the left
    assert camera.released == 1


def test_what_is_shown_is_never_late(screen: dict[str, Any], film: Path) -> None:
    """While one frame is painted four more come: only the last of them is painted next."""
    camera = FilmCamera(film, allowed=1, again=True)
    seen: list[int] = []

    def slow(image: Image) -> Image:
        seen.append(number_of(255 * image))
        camera.allow(4 if len(seen) < 3 else ALL)
        return image

    screen["keys"] = {3: ord("q")}
    assert webcam(slow, camera=camera) == 3
    assert seen[:3] == [0, 4, 8]
    assert [number_of(pixels) for pixels in screen["shown"]] == [0, 4, 8]


def paintings_in(seconds: float) -> int:
    """How many are looked at: two seconds of them, but nine or more."""
    return max(RECENT, round(SPAN / seconds))


MANY = paintings_in(1 / 30)  # as fast as the camera gives frames


@pytest.mark.parametrize(
    ("rate", "at_first", "later", "busy", "sizes"),
    [
        (30, 0.04, 0.04, 0, [640] * 80),
        (30, 0.06, 0.06, 0, [640] * paintings_in(0.06) + [320] * 70),
        (30, 0.9, 0.9, 0, [640] * RECENT + [320] * RECENT + [160] * 70),
        # In the dark a camera gives fewer frames, and a machine that paints them all is not slow.
        (15, 0.06, 0.06, 0, [640] * 60),
        (15, 0.07, 0.07, 0, [640] * paintings_in(0.07) + [320] * 50),
        # The size comes back when most of the last paintings say so, but not if it might go again.
        (30, 0.06, 0.02, paintings_in(0.06), [640] * paintings_in(0.06) + [320] * MANY + [640] * 9),
        (
            30,
            0.9,
            0.02,
            2 * RECENT,
            [640] * RECENT + [320] * RECENT + [160] * MANY + [320] * MANY + [640] * 9,
        ),
        (30, 0.06, 0.04, paintings_in(0.06), [640] * paintings_in(0.06) + [320] * 70),
        # One second of slow paintings does not make a slow machine.
        (30, 0.06, 0.04, paintings_in(0.06) // 2, [640] * 80),
    ],
)
def test_a_slow_machine_gets_half_the_size(
    screen: dict[str, Any],
    tmp_path: Path,
    rate: float,
    at_first: float,
    later: float,
    busy: int,
    sizes: list[int],
) -> None:
    """The clock goes on by what a painting costs: by its area. It stops at 160 pixels."""
    frames = np.full((2, 360, 640, 3), 90, np.uint8)
    film, clock = write(tmp_path / "large.mkv", frames), Clock(rate)
    painted: list[int] = []

    def paint(image: Image) -> Image:
        painted.append(image.shape[1])
        seconds = at_first if len(painted) <= busy else later
        clock.now += seconds * (image.shape[1] / 640) ** 2
        if len(painted) == 1:
            clock.now += 5  # the first takes long on every machine
        return image

    screen["keys"] = {len(sizes): 27}
    webcam(paint, camera=FilmCamera(film, again=True), clock=clock)
    assert painted[: len(sizes)] == sizes
    assert [pixels.shape[1] for pixels in screen["shown"]] == sizes
    assert LEAST_SIZE == 160


class ClockOfEachThread(Clock):
    """A clock that only the thread that looks at it moves."""

    def __init__(self) -> None:
        super().__init__()
        self._own = threading.local()

    def __call__(self) -> float:
        return super().__call__() + getattr(self._own, "seconds", 0.0)

    def spend(self, seconds: float) -> None:
        self._own.seconds = getattr(self._own, "seconds", 0.0) + seconds


@pytest.mark.parametrize(
    ("first", "second", "last"),
    [
        ((0.04,), (0.04,), 640),
        ((0.06,), (0.01,), 320),
        ((0.01,), (0.06,), 320),
        # Networks that work on every second frame: the mean of two frames counts.
        ((0.03,), (0.06, 0.02), 640),
        ((0.06, 0.02), (0.02, 0.06), 640),
        ((0.03,), (0.08, 0.02), 320),
        ((0.08, 0.02), (0.03,), 320),
    ],
)
def test_the_longer_half_of_a_painting_counts(
    screen: dict[str, Any],
    tmp_path: Path,
    first: tuple[float, ...],
    second: tuple[float, ...],
    last: int,
) -> None:
    """Two halves go on side by side, so a frame takes no longer than the longer one."""
    film = write(tmp_path / "large.mkv", np.full((2, 360, 640, 3), 90, np.uint8))
    clock, numbers = ClockOfEachThread(), itertools.count()

    class Halves:
        def __call__(self, image: Image) -> Image:
            raise AssertionError(f"it has halves for {image.shape}")

        def prepare(self, image: Image) -> Callable[[], Image]:
            area, number = (image.shape[1] / 640) ** 2, next(numbers)
            clock.spend(first[number % len(first)] * area)

            def finish() -> Image:
                clock.spend(second[number % len(second)] * area)
                return image

            return finish

    enough = paintings_in(0.04)
    screen["keys"] = {2 * enough: 27}
    webcam(Halves(), camera=FilmCamera(film, again=True), clock=clock)
    sizes = [pixels.shape[1] for pixels in screen["shown"]]
    assert sizes[:RECENT] == [640] * RECENT
    if last == 640:
        assert set(sizes) == {640}
        return
    # Not before two seconds have gone by; and up to two frames had been begun by then.
    assert paintings_in(0.06) <= sizes.index(last) <= enough + AHEAD
    assert set(sizes[sizes.index(last) :]) == {last}


def test_small_pictures_are_not_halved(screen: dict[str, Any], film: Path) -> None:
    clock = Clock()

    def paint(image: Image) -> Image:
        clock.now += 60
        return image

    screen["keys"] = {2 * RECENT + 2: 27}
    webcam(paint, camera=FilmCamera(film, again=True), size=120, clock=clock)
    assert {pixels.shape[1] for pixels in screen["shown"]} == {120}


def test_the_rate_is_that_of_the_last_frames(
    screen: dict[str, Any], film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A frame each quarter of a second; what was slow long ago is forgotten."""
    clock = Clock()

    def tick(_: int) -> int:
        clock.now += 10 if len(screen["shown"]) < 5 else 0.25
        return 27 if len(screen["shown"]) == 40 else -1

    monkeypatch.setattr(cv2, "waitKey", tick)
    webcam(same, camera=FilmCamera(film, again=True), clock=clock)
    assert screen["titles"][0].startswith("nst webcam: 0.0 frames a second")
    assert screen["titles"][-1] == "nst webcam: 4.0 frames a second, q to quit"


def test_the_window_says_what_the_keys_do(
    screen: dict[str, Any], film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the lower edge, until h is pressed; not in the picture that is saved."""
    monkeypatch.chdir(tmp_path)
    screen["keys"] = {2: ord("s"), 3: ord("h"), 4: ord("h"), 5: ord("q")}
    webcam(lambda image: np.full_like(image, 0.5), camera=FilmCamera(film, again=True))
    written = [pixels != 128 for pixels in screen["shown"]]
    assert [bool(w.any()) for w in written] == [True, True, True, False, True]
    rows, columns = np.nonzero(written[0].any(axis=2))
    assert rows.min() > HEIGHT - 30
    assert columns.max() < WIDTH
    assert columns.max() - columns.min() > WIDTH // 2
    [path] = tmp_path.iterdir()
    assert (np.asarray(PIL.Image.open(path)) == 128).all()


def test_no_room_for_the_keys(screen: dict[str, Any], film: Path) -> None:
    screen["keys"] = {1: 27}
    webcam(lambda image: np.full_like(image, 0.5), camera=FilmCamera(film), size=100)
    assert (screen["shown"][0] == 128).all()


@pytest.mark.parametrize(
    "options", [{"least_rate": 0}, {"least_rate": float("nan")}, {"size": 0}, {"size": 2.5}]
)
def test_bad_options(options: dict[str, Any], film: Path) -> None:
    with pytest.raises(ArgumentError, match=f"{next(iter(options))} is"):
        webcam(same, camera=FilmCamera(film), **options)
