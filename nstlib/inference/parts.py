"""Which parts of a matte are people: the largest, those beside it, or the one at a point."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nstlib._checks import check_number, refusal
from nstlib.errors import ArgumentError

#: A part of less than this share of the largest part's area is taken for a mistake. On 378
#: photographs of people, that removed 40,600 pixels that an earlier person network had taken for
#: people by mistake, and 5,000 of people; the smallest second person there had 11 % of the first
#: one's area.
SMALLEST = 0.05

#: A pit in a matte is filled if all of it is above the first number, and it covers no more than the
#: second one as a share of the people's area. It reaches up to the third number. On 142 photographs
#: of people, which the network had not been trained on, 7,300 of the pixels that this changed were
#: people's, and 2,000 were not.
UNSURE, LARGEST_PIT, SURE = 0.1, 0.03, 0.9

#: A place in a picture: shares of its width from the left, and of its height from the top.
Point = tuple[float, float]


def keep_people(
    alpha: ArrayLike, *, smallest: float = SMALLEST, person_at: Point | str | None = None
) -> NDArray[np.float32]:
    """Leave out the parts of a matte that are no people, or not the person who is meant.

    A network sometimes takes a lamp or a piece of a flag for a person. Such mistakes are small, and
    apart from the people. So the pixels that are surely a person's, with a share above one half,
    are divided into connected parts. Parts that are small beside the largest one go, with the soft
    pixels that are nearest to them. And sometimes it is not sure of a spot in the middle of a
    person, where the background would shine through: such pits are filled (:func:`fill_pits`).
    Everything else stays as it is.

    Parameters
    ----------
    alpha : array_like of float, shape (H, W)
        Share of people in each pixel, in [0, 1].
    smallest : float, default 0.05
        The smallest part that stays, as a share of the largest one's area. 0 keeps all parts.
    person_at : (float, float) or str, optional
        Keep only the part that holds this point, or is nearest to it: shares of the width from the
        left and of the height from the top, so that (0.5, 0.5) is the middle. Text as in
        ``"0.5,0.5"`` will do. People who touch each other are one part.

    Returns
    -------
    ndarray of float32, shape (H, W)
        In [0, 1].

    Raises
    ------
    ArgumentError
        If `alpha` has another shape, or a number lies outside [0, 1].

    Examples
    --------
    >>> keep_people([[1.0, 0.9, 0.8, 0.2, 0.0, 0.3, 0.7]], smallest=0.5)
    array([[1. , 0.9, 0.8, 0.2, 0. , 0. , 0. ]], dtype=float32)
    >>> keep_people([[1.0, 0.9, 0.8, 0.2, 0.0, 0.3, 0.7]], person_at=(0.9, 0.5))
    array([[0. , 0. , 0. , 0. , 0. , 0.3, 0.7]], dtype=float32)
    """
    share = np.asarray(alpha, np.float32)
    if share.ndim != 2:
        raise ArgumentError(f"alpha has shape {share.shape}; a matte is (H, W)")
    check_number("smallest", smallest, least=0, most=1)
    point = None if person_at is None else check_point(person_at)
    parts = Parts(fill_pits(share))
    return parts.keep(parts.large(smallest) if point is None else parts.at(point))


def fill_pits(alpha: NDArray[np.float32]) -> NDArray[np.float32]:
    """Fill the spots inside of people of which a network was not sure.

    A gap through which the background is seen, as below a bent arm, has a share near 0 somewhere,
    or the picture's border beside it; and it is larger.

    Parameters
    ----------
    alpha : ndarray of float32, shape (H, W)
        Share of people in each pixel, in [0, 1].

    Returns
    -------
    ndarray of float32, shape (H, W)

    Examples
    --------
    >>> alpha = np.ones((20, 20), np.float32)
    >>> alpha[4:6, 4:6], alpha[12:14, 12:14] = 0.4, 0.05
    >>> fill_pits(alpha)[[4, 12], [4, 12]]
    array([1.  , 0.05], dtype=float32)
    """
    labels, areas = _components((alpha < SURE).astype(np.uint8))
    pits = areas <= LARGEST_PIT * np.count_nonzero(alpha > 0.5)
    pits[0] = False  # what is sure
    for border in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
        pits[border] = False
    if pits.any():
        pits[labels[alpha < UNSURE]] = False
    return np.where(pits[labels], np.float32(1), alpha) if pits.any() else alpha


def _components(mask: NDArray[np.uint8]) -> tuple[NDArray[np.intc], NDArray[np.intp]]:
    """Give the connected parts of a mask numbers from 1 on, and count the pixels of each number."""
    # OpenCV's function that counts them finds their centres as well, and takes three times as long.
    count, labels = cv2.connectedComponents(mask)
    return np.asarray(labels, np.intc), np.bincount(labels.ravel(), minlength=count)


def check_point(point: Point | str, name: str = "person_at") -> Point:
    """Return a place in a picture as two numbers from 0 to 1; text as in ``"0.5,0.3"`` will do."""
    try:
        x, y = map(float, point.split(",")) if isinstance(point, str) else point
        return check_number(name, x, least=0, most=1), check_number(name, y, least=0, most=1)
    except (ArgumentError, TypeError, ValueError) as error:
        accepted = (
            "two numbers from 0 to 1, shares of the width from the left and of the height from the "
            "top"
        )
        raise refusal(name, point, accepted) from error


class Parts:
    """The connected parts of a matte.

    Parameters
    ----------
    alpha : ndarray of float32, shape (H, W)
        Share of people in each pixel, in [0, 1].

    Attributes
    ----------
    areas : ndarray of int, shape (N,)
        How many pixels of each part are surely a person's.
    """

    def __init__(self, alpha: NDArray[np.float32]) -> None:
        self._alpha = alpha
        self._sure = (alpha > 0.5).astype(np.uint8)
        self._labels, areas = _components(self._sure)
        self.areas = areas[1:]

    def large(self, smallest: float) -> NDArray[np.bool_]:
        """Tell which parts have at least this share of the largest one's area."""
        return self.areas >= smallest * self.areas.max(initial=0)

    def at(self, point: Point) -> NDArray[np.bool_]:
        """Tell which part holds this point, or is nearest to it: one True, if there is a part."""
        chosen = np.zeros(len(self.areas), bool)
        if len(chosen):
            height, width = self._sure.shape
            x, y = point[0] * (width - 1), point[1] * (height - 1)
            rows, columns = np.nonzero(self._sure)
            nearest = np.argmin((columns - x) ** 2 + (rows - y) ** 2)
            chosen[self._labels[rows[nearest], columns[nearest]] - 1] = True
        return chosen

    def shared(self, mask: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Count the pixels that each part shares with a mask (H, W)."""
        return np.bincount(self._labels[mask], minlength=len(self.areas) + 1)[1:]

    def sure(self, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Tell which pixels (H, W) surely belong to the chosen parts."""
        return np.append(False, chosen)[self._labels]

    def keep(self, chosen: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return the matte of the chosen parts, and of the soft pixels nearest to them."""
        if chosen.all():
            return self._alpha
        # Of each pixel, the part that is nearest, under another number.
        _, nearest = cv2.distanceTransformWithLabels(
            1 - self._sure, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_CCOMP
        )
        stays = np.zeros(int(nearest.max()) + 1, bool)
        stays[nearest[self.sure(chosen)]] = True
        return np.where(stays[nearest], self._alpha, np.float32(0))
