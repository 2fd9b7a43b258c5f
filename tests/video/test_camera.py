"""A camera that is painted in a window."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import pytest
from film_files import invert, same
from numpy.typing import NDArray
from waiting import wait_for

from nstlib.errors import ImageError, NstWarning, OutputError, VideoError
from nstlib.images.arrays import Image
from nstlib.video.camera import AHEAD, LEAST_SIZE, _Pace, webcam


class Camera:
    """Stands in for cv2.VideoCapture: gives frames of a known colour, each with its number."""

    frames: float = np.inf  # after which it stops
    opened: Any = None
    released = 0
    given = 0

    def __init__(self, number: int) -> None:
        type(self).opened = number

    def isOpened(self) -> bool:
        return Camera.opened == 0

    def read(self) -> tuple[bool, NDArray[np.uint8] | None]:
        time.sleep(0.001)  # as one does that waits for light; nothing depends on it
        if Camera.given == Camera.frames:
            return False, None
        frame = np.zeros((48, 64, 3), np.uint8)
        frame[:, :32] = (200, 100, 50)  # blue, green, red; at the left
        frame[-1, -1] = Camera.given // 256, Camera.given % 256, 0
        Camera.given += 1
        return True, frame

    def release(self) -> None:
        type(self).released += 1


@pytest.fixture
def screen(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """A camera, and a screen that remembers what was shown and presses keys."""
    state: dict[str, Any] = {"shown": [], "keys": {}, "closed": False, "titles": [], "visible": 1.0}
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(Camera, "released", 0)
    monkeypatch.setattr(Camera, "given", 0)
    monkeypatch.setattr(cv2, "VideoCapture", Camera)
    monkeypatch.setattr(cv2, "imshow", lambda _, frame: state["shown"].append(frame))
    monkeypatch.setattr(cv2, "setWindowTitle", lambda _, title: state["titles"].append(title))
    monkeypatch.setattr(cv2, "getWindowProperty", lambda *_: state["visible"])
    monkeypatch.setattr(cv2, "destroyAllWindows", lambda: state.update(closed=True))
    monkeypatch.setattr(cv2, "waitKey", lambda _: state["keys"].get(len(state["shown"]), -1))
    before = {*threading.enumerate()}  # of which some may end, whoever started them
    yield state
    assert {*threading.enumerate()} <= before
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
    before: list[int] = []

    def slow(image: Image) -> Image:
        before.append(Camera.given)
        wait_for(lambda: Camera.given >= before[-1] + 10)
        return image

    screen["keys"] = {4: 27}
    assert webcam(slow, size=None) == 4
    assert screen["shown"][0].shape == (48, 64, 3)
    corners = np.array([frame[-1, 0] for frame in screen["shown"]])
    numbers = corners.astype(int) @ [256, 1, 0]
    for number, earlier in zip(numbers[1:], before, strict=False):
        assert number >= earlier + 9  # the tenth may be on its way


class Halves:
    """Paints in two halves: blue turns to its opposite in the first, red in the second."""

    def __init__(self, screen: dict[str, Any]) -> None:
        self._screen = screen
        self.begun: list[int] = []  # the frames that the camera had given by then
        self.finished = 0

    def __call__(self, frame: Image) -> Image:
        raise AssertionError(f"it has halves for {frame.shape}")

    def prepare(self, frame: Image) -> Any:
        number = len(self.begun)
        self.begun.append(Camera.given)
        half = frame * (1, 1, -1) + (0, 0, 1)

        def finish() -> Image:
            # While this one is painted the next two are begun, and ten frames come.
            wait_for(lambda: len(self.begun) > number + 2 or self._screen["closed"])
            wait_for(lambda: Camera.given >= self.begun[number] + 10)
            self.finished += 1
            return np.asarray(half * (-1, 1, 1) + (1, 0, 0), np.float32)

        return finish


def test_two_halves_go_on_side_by_side(
    screen: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more than two frames are begun ahead: one half takes longer now, and now the other."""
    ahead: list[int] = []
    paint = Halves(screen)

    def imshow(_: str, frame: NDArray[np.uint8]) -> None:
        ahead.append(len(paint.begun) - paint.finished)
        screen["shown"].append(frame)

    monkeypatch.setattr(cv2, "imshow", imshow)
    screen["keys"] = {6: 27}
    assert webcam(paint, size=None) == 6
    assert max(ahead) == AHEAD == 2
    np.testing.assert_array_equal(screen["shown"][3][20, 60], (255 - 200, 100, 255 - 50))
    # A frame is begun when the third before it is finished, ten frames after that began.
    numbers = np.array([frame[-1, 0] for frame in screen["shown"]]).astype(int)
    seen = (255 - numbers[:, 0]) * 256 + numbers[:, 1]
    for number, begun in zip(seen[3:], paint.begun, strict=False):
        assert number >= begun + 8  # the last of the ten may be on its way


def test_keys_change_what_paints_in_halves(screen: dict[str, Any]) -> None:
    class Plain(Halves):
        def prepare(self, frame: Image) -> Any:
            return lambda: frame

    screen["keys"] = {2: ord("n"), 5: ord("q")}
    assert webcam(Plain(screen), change=lambda _: Halves(screen), size=None) == 5
    blue = [int(frame[20, 60, 0]) for frame in screen["shown"]]
    assert (blue[:2], blue[-1]) == ([200, 200], 55)


def test_a_picture_is_kept(
    screen: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    screen["keys"] = {1: ord("s"), 2: ord("q")}
    webcam(same, size=None)
    [path] = tmp_path.iterdir()
    assert path.name.startswith("nst-")
    np.testing.assert_array_equal(np.asarray(PIL.Image.open(path))[20, 60], (50, 100, 200))


def test_a_picture_that_cannot_be_kept_does_not_end_the_show(
    screen: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OutputError("nst.png: cannot be written (No space left on device)")

    monkeypatch.setattr("nstlib.video.camera.save_image", full)
    screen["keys"] = {1: ord("s"), 3: ord("q")}
    with pytest.warns(NstWarning, match="No space left on device.*; the show goes on"):
        assert webcam(same, size=None) == 3


def test_keys_change_the_style(screen: dict[str, Any]) -> None:
    """The frame that is being painted when a key is pressed keeps the style before it."""
    steps: list[int] = []

    def change(step: int) -> Any:
        steps.append(step)
        return invert if sum(steps) % 2 else same

    screen["keys"] = {2: ord("n"), 4: ord("p"), 5: ord("p"), 9: ord("q")}
    assert webcam(same, change=change, size=None) == 9
    blue = [int(frame[20, 60, 0]) for frame in screen["shown"]]
    plain, painted = 200, 55
    assert blue[:2] == [plain, plain]
    assert blue[3] == painted
    assert steps[0] == 1
    assert sum(steps) == -1  # two presses while one frame is painted count together
    assert blue[-1] == painted


@pytest.mark.parametrize("styles", [False, True])
def test_the_window_says_what_the_keys_do(
    screen: dict[str, Any], monkeypatch: pytest.MonkeyPatch, styles: bool
) -> None:
    lines: list[str] = []
    monkeypatch.setattr(cv2, "putText", lambda _, text, *__: lines.append(text))
    monkeypatch.setattr("nstlib.video.camera._ROOM", 40)
    screen["keys"] = {1: ord("q")}
    webcam(same, change=(lambda _: same) if styles else None, size=None)
    keys = "q: quit   s: save   h: hide this line"
    assert set(lines) == {f"n, p: next, previous style   {keys}" if styles else keys}


def test_the_line_has_a_narrow_dark_outline(
    screen: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    grey = np.full((60, 400, 3), 128, np.uint8)
    monkeypatch.setattr(Camera, "read", lambda _: (True, grey))
    screen["keys"] = {1: ord("q")}
    webcam(same, size=None)
    shown = np.asarray(screen["shown"][0])[..., 0]
    white, black = (seen.astype(np.uint8) for seen in (shown > 160, shown < 64))
    assert white.any()
    assert black.any()
    near = cv2.dilate(white, np.ones((9, 9), np.uint8))
    assert not (black > near).any()


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


def test_a_slow_machine_paints_at_the_least_size_and_no_smaller() -> None:
    pace = _Pace(200, 24)
    frame = np.zeros((150, 200, 3), np.float32)
    sides = []
    for _ in range(200):
        sides.append(max(pace.fitted(frame).shape))
        pace.took(0.0, 0.2, 0.01)
    assert sides[0] == 200
    assert sides[-1] == min(sides) == LEAST_SIZE == 160


@pytest.mark.usefixtures("screen")
def test_opencvs_errors_in_what_paints_are_not_those_of_the_window() -> None:
    with pytest.raises(cv2.error, match="resize"):
        webcam(lambda frame: cv2.resize(frame, (0, 0)))  # type: ignore[arg-type,return-value]


def test_a_driver_that_raises_ends_it(
    screen: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    read = Camera.read

    def broken(self: Camera) -> Any:
        if Camera.given == 3:
            raise cv2.error("the device is gone")
        return read(self)

    monkeypatch.setattr(Camera, "read", broken)
    with pytest.raises(VideoError, match="camera 0 stopped; connect it again") as caught:
        webcam(same)
    assert "the device is gone" in str(caught.value.__cause__)
    assert screen["closed"]
