"""Let the person network look at every second frame of a film."""

from __future__ import annotations

from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from nstlib.compose import Segmenter
from nstlib.images.arrays import Image

#: At which longest side, in pixels, it is found out what moved.
SIDE = 256

#: How far a picture may be off from the one before, once that has moved along, in levels of 255 on
#: average. Beyond that, as when a film cuts to another scene, the network looks again.
OFF = 8.0


class Looks(Segmenter, Protocol):
    """What finds people in two steps, as :class:`nstlib.PersonSegmenter` does."""

    def look(self, image: Image, /) -> NDArray[np.float32]:
        """Find people at a small size, (h, w)."""

    def refine(self, image: Image, person: NDArray[np.float32], /) -> NDArray[np.float32]:
        """Give what was found the edges of the picture, (H, W)."""


class Carry:
    """Finds people in a film as a segmenter does, whose network looks at every second frame only.

    In the frames between, what it found is carried along by what moved since, and gets the edges of
    the frame itself. If the scene changes there, the network looks again.

    Parameters
    ----------
    segmenter : PersonSegmenter
        Finds people; or anything that has its methods ``look``, ``refine`` and ``mask``.

    References
    ----------
    T. Kroeger, R. Timofte, D. Dai and L. Van Gool, "Fast optical flow using dense inverse search",
    ECCV 2016.
    """

    def __init__(self, segmenter: Looks) -> None:
        self._segmenter = segmenter
        self._flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST)
        self._before: NDArray[np.uint8] | None = None
        self._person: NDArray[np.float32] | None = None  # until it is carried along

    def mask(self, image: Image) -> NDArray[np.uint8]:
        """255 where a person is in the next frame, 0 elsewhere: the network looks at each."""
        return self._segmenter.mask(image)

    def matte(self, image: Image) -> NDArray[np.float32]:
        """Share of a person in each pixel of the next frame: (H, W, 3) → (H, W), in [0, 1]."""
        now, before, person = _small(image), self._before, self._person
        self._before, self._person = now, None
        carried = None
        if before is not None and person is not None and before.shape == now.shape:
            carried = self._carried(person, before, now)
        if carried is None:
            carried = self._person = self._segmenter.look(image)
        return self._segmenter.refine(image, carried)

    def _carried(
        self, person: NDArray[np.float32], before: NDArray[np.uint8], now: NDArray[np.uint8]
    ) -> NDArray[np.float32] | None:
        """Move what was found along; None if the picture is another one."""
        height, width = now.shape
        still = np.zeros((height, width, 2), np.float32)
        right, down = cv2.split(self._flow.calc(now, before, still))  # to where it was before
        right += np.arange(width, dtype=np.float32)
        down += np.arange(height, dtype=np.float32)[:, np.newaxis]

        def moved(array: NDArray[Any]) -> NDArray[Any]:
            return cv2.remap(array, right, down, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)

        if cv2.absdiff(moved(before), now).mean() > OFF:
            return None
        return moved(np.asarray(cv2.resize(person, (width, height)), np.float32))


def _small(image: Image) -> NDArray[np.uint8]:
    """Shrink a frame, and leave out its colours, (h, w)."""
    scale = SIDE / max(image.shape)
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.convertScaleAbs(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), alpha=255))
