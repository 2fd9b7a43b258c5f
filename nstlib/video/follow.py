"""Find one of the people in a film, wherever they go."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from nstlib.compose import Segmenter
from nstlib.images.arrays import Image
from nstlib.inference.parts import Parts, Point, check_point

#: How far a person gets from one frame to the next, at most, as a share of the longest side.
STEP = 0.05


class Follow:
    """Finds the person who is at a point of a film's first frame, and follows them.

    In each frame it is the part of the matte that covers most of where the person just was. People
    who touch each other are one part. If the person is not found near that place, the frame shows
    nobody, until somebody is there again.

    Parameters
    ----------
    segmenter : Segmenter
        Finds people.
    person_at : (float, float) or str
        A point on the person, or near them, in the first frame that shows people: see
        :func:`nstlib.inference.parts.keep_people`.

    Raises
    ------
    ArgumentError
        If `person_at` is no point.

    Examples
    --------
    >>> class Bright:
    ...     def matte(self, image):
    ...         return image[..., 0]
    >>> film = np.zeros((2, 1, 40, 3), np.float32)
    >>> film[0, 0, [3, 30]] = film[1, 0, [4, 29]] = 1  # two people come nearer to each other
    >>> follow = Follow(Bright(), person_at=(0.1, 0.5))
    >>> [int(follow.matte(frame).argmax()) for frame in film]
    [3, 4]
    """

    def __init__(self, segmenter: Segmenter, person_at: Point | str) -> None:
        self._segmenter = segmenter
        self._point = check_point(person_at)
        self._near: NDArray[np.bool_] | None = None

    def matte(self, image: Image) -> NDArray[np.float32]:
        """Share of the person in each pixel of the next frame: (H, W, 3) → (H, W), in [0, 1]."""
        return self._followed(self._segmenter.matte(image))

    def mask(self, image: Image) -> NDArray[np.uint8]:
        """255 where the person is in the next frame, 0 elsewhere: (H, W, 3) → (H, W)."""
        found = self._segmenter.mask(image) == 255
        return np.where(self._followed(found.astype(np.float32)) > 0, 255, 0).astype(np.uint8)

    def _followed(self, alpha: NDArray[np.float32]) -> NDArray[np.float32]:
        parts = Parts(alpha)
        if self._near is None or self._near.shape != alpha.shape:
            chosen = parts.at(self._point)
        else:
            shared = parts.shared(self._near)
            chosen = np.zeros(len(shared), bool)
            if shared.any():
                chosen[shared.argmax()] = True
        if not chosen.any():
            return np.zeros_like(alpha)
        side = 2 * round(STEP * max(alpha.shape)) + 1
        around = np.ones((side, side), np.uint8)
        self._near = cv2.dilate(parts.sure(chosen).astype(np.uint8), around) > 0
        return parts.keep(chosen)
