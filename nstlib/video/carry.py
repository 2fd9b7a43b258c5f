"""Let the networks work on every second frame of a film, and carry along what they made."""

from __future__ import annotations

from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from nstlib.compose import Segmenter, StylePainter
from nstlib.images.arrays import Image

#: At which longest side, in pixels, it is found out what moved.
SIDE = 320

#: The shortest side at which it can be: OpenCV refuses narrower pictures, or crashes.
LEAST_SIDE = 32

#: A place is new if it is off by more than the first number from where it seems to come from, of 1;
#: in dark or pale scenes, by half the frame's standard deviation.
#: If more of a frame is new than the second one says, what was made of the frame before does not
#: serve: the film has cut to another scene, or much came out from behind something.
OFF, NEW = 0.1, 0.02

#: A place moves as the camera does if it is then off by no more than this.
AS_CAMERA = 0.012


class Looks(Segmenter, Protocol):
    """What finds people in two steps, as :class:`nstlib.PersonSegmenter` does."""

    def look(self, image: Image, /) -> NDArray[np.float32]:
        """Find people at a small size, (h, w)."""

    def refine(self, image: Image, person: NDArray[np.float32], /) -> NDArray[np.float32]:
        """Give what was found the edges of the picture, (H, W)."""


class CarryPeople:
    """Finds people in a film as a segmenter does, whose network looks at every second frame only.

    In the frames between, what it found is carried along by what moved since, and gets the edges of
    the frame itself. If that does not serve, the network looks again.

    Parameters
    ----------
    segmenter : PersonSegmenter
        Finds people; or anything that has its methods ``look``, ``refine`` and ``mask``.
    """

    def __init__(self, segmenter: Looks) -> None:
        self._segmenter = segmenter
        self._motion = _Motion()
        self._person: NDArray[np.float32] | None = None  # until it is carried along

    def mask(self, image: Image) -> NDArray[np.uint8]:
        """255 where a person is in the next frame, 0 elsewhere: the network looks at each."""
        return self._segmenter.mask(image)

    def matte(self, image: Image) -> NDArray[np.float32]:
        """Share of a person in each pixel of the next frame: (H, W, 3) → (H, W), in [0, 1]."""
        person, self._person = self._person, None
        carried = self._motion.carry(image, person)
        if carried is None:
            carried = self._person = self._segmenter.look(image)
        return self._segmenter.refine(image, carried)


class CarryPainting:
    """Paints a film's frames as another painter does, which paints every second frame only.

    In the frames between, the strokes are carried along by what moved since, and flicker less. If
    that does not serve, the frame is painted.

    Parameters
    ----------
    painter : Stylizer
        Paints; or anything that is called like one.
    """

    def __init__(self, painter: StylePainter) -> None:
        self._painter = painter
        self._motion = _Motion()
        self._strokes: NDArray[np.float32] | None = None  # until they are carried along
        self._begun = False

    def __call__(self, image: Image, *, strength: float, preserve_colors: bool) -> Image:
        """Return the next frame painted."""
        before, self._strokes = self._strokes, None
        # What of a painting is the photograph itself is not carried along, but taken anew.
        itself = np.float32(1 - strength) * image if strength < 1 else np.float32(0)
        carried = self._motion.carry(image, before)
        if carried is not None:
            carried += itself
            return np.clip(carried, 0.0, 1.0, out=carried)
        painting = self._painter(image, strength=strength, preserve_colors=preserve_colors)
        # The second frame is painted as well, so that those which are painted are not those in
        # which people are looked for.
        self._strokes, self._begun = painting - itself if self._begun else None, True
        return painting


class _Motion:
    """Finds out where in the frame before each place of a frame was.

    References
    ----------
    T. Kroeger, R. Timofte, D. Dai and L. Van Gool, "Fast optical flow using dense inverse search",
    ECCV 2016.
    """

    def __init__(self) -> None:
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._before: NDArray[np.uint8] | None = None
        self._size: tuple[int, ...] = ()

    def carry(self, image: Image, made: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
        """Take in the next frame; move along what was made of the one before, (h, w) or (h, w, 3).

        Returns None if there is nothing to move, or it does not serve.
        """
        before, now = self._before, _small(image)
        same_size = self._size == image.shape
        self._before, self._size = now, image.shape
        if made is None or before is None or not same_size or min(now.shape) < LEAST_SIDE:
            return None
        still = np.zeros((*now.shape, 2), np.float32)
        flow = np.array(self._flow.calc(now, before, still), np.float32)
        # What is beside something that moves seems to move along. But most places move as the
        # camera does, and where that explains what is seen, they do.
        camera = np.median(flow[::4, ::4], axis=(0, 1))
        everywhere = np.full_like(flow, camera)
        flow[_off(before, everywhere, now) <= 255 * AS_CAMERA] = camera
        most = max(255 * AS_CAMERA, min(255 * OFF, now.std() / 2))
        if np.count_nonzero(_off(before, flow, now) > most) > NEW * now.size:
            return None
        return _moved(made, flow)


def _off(
    before: NDArray[np.uint8], flow: NDArray[np.float32], now: NDArray[np.uint8]
) -> NDArray[np.uint8]:
    """How far places are off from where they seem to come from, in levels of 255."""
    return np.asarray(cv2.blur(cv2.absdiff(_moved(before, flow), now), (5, 5)), np.uint8)


def _moved(made: NDArray[Any], flow: NDArray[np.float32]) -> NDArray[Any]:
    """Move an array of any size by a flow (h, w, 2): to the right and down to where things were."""
    height, width = made.shape[:2]
    larger = width / flow.shape[1], height / flow.shape[0]
    right, down = (
        cv2.resize(share, (width, height)) * np.float32(scale)
        for share, scale in zip(cv2.split(flow), larger, strict=True)
    )
    right += np.arange(width, dtype=np.float32)
    down += np.arange(height, dtype=np.float32)[:, np.newaxis]
    # Linear interpolation would blur strokes. What comes into view is like what is beside it.
    way = cv2.INTER_CUBIC if made.ndim == 3 else cv2.INTER_LINEAR
    return cv2.remap(made, right, down, way, borderMode=cv2.BORDER_REFLECT_101)


def _small(image: Image) -> NDArray[np.uint8]:
    """Shrink a frame, and leave out its colours, (h, w)."""
    scale = min(1.0, SIDE / max(image.shape))
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.convertScaleAbs(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), alpha=255))
