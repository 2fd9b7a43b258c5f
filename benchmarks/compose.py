"""How many frames a second? A film through `nst compose`, and through the tutorial's own code.

    python benchmarks/compose.py [--style starry_night|FILE.onnx] [--frames 90] [--size 640 360]
    python benchmarks/compose.py --webcam [the same]

The clip moves across a portrait. On the library's side it is read, segmented, painted by a network
of the lite kind, laid together, calmed and written with three threads, as ``nst compose`` does it.
On the tutorial's side stand its functions as it describes them: each loads its network anew for
every frame, the mask is hard, and the network is Johnson's, 1.68 million parameters. Its weights
are random here: a network's cost does not depend on them. The tutorial's functions are timed a
second time with the library's own network, to tell what the code costs from what the network does.

Then flicker: how much the result changes where the clip does not, steadied and frame by frame, and
how much the matte and the painting in it do. For that the clip stands still, with the noise of a
camera, but for a ball that is thrown across. Near the ball nothing is held, so what lies farther
away is told apart.

With ``--webcam``, the clip takes the camera's place in ``nst webcam``, 30 frames a second, and what
would be shown is counted: first at the size that was asked for, however slow that is, then at the
one that ``nst webcam`` chooses.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np
from numpy.typing import NDArray

import nstlib as nst
from nstlib.assets.cache import embedded_model
from nstlib.compose import Calm, Composer, Uncalmed
from nstlib.images.arrays import Image, from_uint8, to_uint8
from nstlib.inference.segmenter import PersonSegmenter
from nstlib.inference.stylizer import Stylizer
from nstlib.video.camera import webcam
from nstlib.video.carry import CarryPainting, CarryPeople
from nstlib.video.convert import convert_video
from nstlib.video.steady import Steady, flicker, half_the_cores, steady_painter
from nstlib.video.writer import VideoWriter

Frame = NDArray[np.uint8]

#: Frames of the clip that the tutorial's code is run on.
FEW = 4

#: Noise of a camera, in levels of 255; up to which change of 1 a pixel stands still; and how far
#: around what moves nothing is held, in pixels.
NOISE, STILL, REACH = 0.7, 0.02, 26


# The tutorial's functions, for a person network of 256 × 256 (its own took 192 × 192). Pixels are
# uint8 BGR, as OpenCV reads them.


def segmentation(model: str, image: Frame) -> Frame:
    """Load the network, and find the person: 255 where one is, shape (H, W, 1)."""
    height, width = image.shape[:2]
    network = cv2.dnn.readNetFromONNX(model)
    scaled = (image.astype(np.float32) / 255.0 - 0.5) / 0.5
    network.setInput(cv2.dnn.blobFromImage(scaled, 1.0, (256, 256), swapRB=True))
    output = network.forward(network.getUnconnectedOutLayersNames()[0])
    both = cv2.resize(output[0].transpose(1, 2, 0), (width, height))
    return (np.argmax(both, axis=2) * 255).astype(np.uint8)[..., np.newaxis]


def style_transfer(model: str, image: Frame) -> Frame:
    """Load the network, and paint."""
    height, width = image.shape[:2]
    network = cv2.dnn.readNetFromONNX(model)
    network.setInput(cv2.dnn.blobFromImage(image, swapRB=True))
    output = network.forward(network.getUnconnectedOutLayersNames()[0])
    painted = output[0].transpose(1, 2, 0).clip(0, 255).astype(np.uint8)
    painted = cv2.cvtColor(painted, cv2.COLOR_RGB2BGR)
    return np.asarray(cv2.resize(painted, (width, height)), np.uint8)


def image_transfer(image: Frame, mask: Frame, painted: Frame) -> Frame:
    """Keep the person; the rest is painted."""
    return np.where(mask == 255, image, painted)


def as_written(clip: Path, output: Path, person: str, style: str) -> float:
    """Run the tutorial's functions on the clip's first frames; return frames a second."""
    capture = cv2.VideoCapture(str(clip))
    writer = None
    began = time.perf_counter()
    for _ in range(FEW):
        good, read = capture.read()
        assert good
        frame = np.asarray(read, np.uint8)
        result = image_transfer(frame, segmentation(person, frame), style_transfer(style, frame))
        if writer is None:
            size = (frame.shape[1], frame.shape[0])
            writer = cv2.VideoWriter(str(output), cv2.VideoWriter.fourcc(*"mp4v"), 25, size)
        writer.write(result)
    seconds = time.perf_counter() - began
    capture.release()
    return FEW / seconds


# The clips


def moving(count: int, width: int, height: int) -> Iterator[Image]:
    """Move a window across a portrait, down and back."""
    side = max(width, height)
    photo = nst.load_image("astronaut", (side, side))
    for number in range(count):
        y = round((side - height) * (0.5 - 0.5 * np.cos(2 * np.pi * number / count)))
        yield photo[y : y + height, :width]


def standing(count: int, width: int, height: int, noise: float = 0.0) -> Iterator[Image]:
    """Stand before it, while a ball is thrown across, in three seconds; noise in levels of 255."""
    scene = next(moving(1, width, height))
    random = np.random.default_rng(0)
    for number in range(count):
        frame = scene.copy()
        x = round(width * number / 75)
        cv2.circle(frame, (x, height // 4), height // 10, (0.9, 0.8, 0.1), -1, cv2.LINE_AA)
        grain = random.normal(0, noise / 255, frame.shape)
        yield from_uint8(to_uint8(np.clip(frame + grain, 0, 1).astype(np.float32)))


class Recorder:
    """Calms as another does, and keeps what comes out."""

    def __init__(self, calm: Calm, films: dict[str, list[Image]]) -> None:
        self._calm, self._films = calm, films

    def __call__(self, name: str, array: NDArray[np.float32]) -> NDArray[np.float32]:
        """Calm an array, and keep it."""
        held = self._calm(name, array)
        image = held if held.ndim == 3 else np.asarray(cv2.merge([held] * 3), np.float32)
        self._films.setdefault(name, []).append(image)
        return held

    def seen(self, name: str, image: Image) -> Image:
        """Calm what a network sees."""
        return self._calm.seen(name, image)


def flicker_of_parts(
    frame_by_frame: Composer, steadied: Composer, source: list[Image]
) -> dict[str, tuple[float, ...]]:
    """Flicker of the clip, and of the matte, the painting and the film: levels of 255.

    Each frame by frame, steadied, and steadied where the ball is far away.
    """
    steady = Steady()
    alone: dict[str, list[Image]] = {"film": []}
    calmed: dict[str, list[Image]] = {"film": []}
    far = np.ones(source[0].shape[:2], bool)
    for before, frame in zip([source[0], *source], source, strict=False):
        for composer, films, calm in (
            (frame_by_frame, alone, Uncalmed()),
            (steadied, calmed, steady.see(frame)),
        ):
            films["film"].append(composer(frame, Recorder(calm, films)))
        moves = (np.abs(frame - before).max(axis=2) > STILL).astype(np.uint8)
        far &= cv2.dilate(cv2.medianBlur(moves, 5), np.ones((2 * REACH + 5,) * 2)) == 0
    apart = [frame * far[..., np.newaxis] for frame in source]
    rows = {"source": tuple(255 * flicker(x, x, STILL) for x in (source, source, apart))}
    for name, film in calmed.items():
        masked = [frame * far[..., np.newaxis] for frame in film]
        measured = ((source, alone[name]), (source, film), (apart, masked))
        rows[name] = tuple(255 * flicker(*pair, STILL) for pair in measured)
    # Where the ball comes near, all is 0: that is no still picture.
    return {name: (*row[:2], row[2] / far.mean()) for name, row in rows.items()}


class Film:
    """A film in place of a camera, over and over, 30 frames a second."""

    def __init__(self, frames: list[Frame]) -> None:
        self._frames, self._read = frames, 0
        self._began = time.perf_counter()

    def isOpened(self) -> bool:  # noqa: N802  (as OpenCV calls it)
        """Say that there is a camera."""
        return True

    def read(self) -> tuple[bool, Frame]:
        """Wait until a frame is due; what nobody asked for in time is lost, as with a camera."""
        due = max(self._read + 1, int(30 * (time.perf_counter() - self._began)))
        time.sleep(max(0.0, self._began + due / 30 - time.perf_counter()))
        self._read = due
        return True, self._frames[due % len(self._frames)]

    def release(self) -> None:
        """Do nothing."""


def shown_live(composer: Composer, clip: list[Frame], count: int, **options: Any) -> str:
    """Count what ``nst webcam`` shows, in a window that isn't there."""
    times: list[float] = []

    def show(_: str, pixels: Frame) -> None:
        times.append(time.perf_counter())
        sizes.append(pixels.shape)

    def key(_: int) -> int:
        return ord("q") if len(times) == count else 255

    sizes: list[tuple[int, ...]] = []
    window: dict[str, Any] = {
        "imshow": show,
        "waitKey": key,
        "getWindowProperty": lambda *_: 1.0,
        "setWindowTitle": lambda *_: None,
        "destroyAllWindows": lambda: None,
    }
    with mock.patch.multiple(cv2, **window), mock.patch.dict(os.environ, DISPLAY=":0"):
        webcam(steady_painter(composer), camera=Film(clip), **options)
    # The first 30 are for warming up, and for choosing a size.
    rate = (len(times) - 31) / (times[-1] - times[30])
    return f"{rate:.1f} frames a second, at last {sizes[-1][1]}×{sizes[-1][0]}"


def random_weights(build: Callable[[], Any], path: Path, **options: Any) -> str:
    """Export a network as it is before its training, and return the file's name."""
    from nstlib.onnx.exporting import export

    export(build(), path, **options)
    return str(path)


def main() -> None:
    """Print frames a second of both, their ratio, and flicker."""
    parser = argparse.ArgumentParser(description="frames a second, the tutorial's code and ours")
    parser.add_argument("--style", default="starry_night")
    parser.add_argument("--frames", type=int, default=90)
    parser.add_argument("--size", type=int, nargs=2, default=(640, 360))
    parser.add_argument("--webcam", action="store_true", help="measure nst webcam instead")
    options = parser.parse_args()
    width, height = options.size

    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        from nstlib.networks.person import PersonNet
        from nstlib.networks.transformer import TransformerNet

        johnsons = random_weights(TransformerNet, folder / "johnson.onnx", half=False)
        person = embedded_model("person.onnx")
        if not person.exists():
            print("the person network is not there: random weights take its place")
            random_weights(PersonNet, folder / "person.onnx", value_range=(-1.0, 1.0))
            person = folder / "person.onnx"
        named = embedded_model(f"{options.style}.onnx")
        style = str(named if named.exists() else options.style)
        clip = folder / "clip.mp4"
        with VideoWriter(clip, 25) as writer:
            for frame in moving(options.frames, width, height):
                writer.write(to_uint8(frame))
            writer.finish()

        threads = half_the_cores()
        painter = Stylizer(style, backend="ort", eight_bits=True, threads=threads)
        finder = PersonSegmenter(person, backend="ort", threads=threads)
        composer = Composer(background=CarryPainting(painter), segmenter=CarryPeople(finder))
        if options.webcam:
            frames = [to_uint8(x)[..., ::-1] for x in moving(options.frames, width, height)]
            count = max(60, options.frames)
            for label, rule in (("at that size", {"least_rate": 1.0}), ("as it chooses", {})):
                seen = shown_live(composer, frames, count, size=max(width, height), **rule)
                print(f"nst webcam, {width}×{height}, {options.style}, {label}: {seen}")
            return
        spent = sum(os.times()[:4])
        ours = convert_video(clip, folder / "out.mp4", steady_painter(composer), progress=False)
        spent = sum(os.times()[:4]) - spent
        rate = ours.frames / ours.seconds
        theirs = as_written(clip, folder / "theirs.mp4", str(person), johnsons)
        mixed = as_written(clip, folder / "mixed.mp4", str(person), style)
        print(f"{width}×{height}, {ours.frames} frames, {options.style}")
        print(
            f"nst compose, end to end: {rate:.1f} frames a second, "
            f"{1000 * spent / ours.frames:.0f} ms of processor time a frame"
        )
        print(f"the tutorial's code and network: {theirs:.2f}; ratio {rate / theirs:.1f}")
        print(f"its code, our networks: {mixed:.2f}; ratio {rate / mixed:.1f}")

        source = list(standing(16, width, height, NOISE))
        print("flicker where nothing moves, in levels: frame by frame, steadied, far from the ball")
        parts = flicker_of_parts(
            Composer(background=painter, segmenter=finder),
            Composer(background=CarryPainting(painter), segmenter=CarryPeople(finder)),
            source,
        )
        for name, row in parts.items():
            print(f"{name}: " + ", ".join(f"{value:.2f}" for value in row))


if __name__ == "__main__":
    main()
