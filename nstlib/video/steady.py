"""Calm what flickers in a film, and measure how much it does."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nstlib._checks import check_count, check_number, refusal
from nstlib.errors import ArgumentError, NstError
from nstlib.images.arrays import Image, check_image

if TYPE_CHECKING:
    from nstlib.compose import Calm, PaintParts

Paint: TypeAlias = Callable[[Image], Image]


@runtime_checkable
class Divides(Protocol):
    """What paints in two halves, as :class:`nstlib.Composer` does."""

    def divide(self, photo: Image, calm: Calm, /) -> Any:
        """Do the first half."""

    def paint(self, layers: Any, calm: Calm, /) -> Image:
        """Do the second half with what the first one made."""


class Steady:
    r"""Calm what flickers in a film where nothing moves: mattes, and painted strokes.

    A network that paints frame by frame turns the source's faintest noise into other strokes. Here
    each array is mixed with what was shown before, :math:`y_t = x_t + k\,(y_{t-1} - x_t)`, with
    :math:`k = h \exp(-(d / \tau)^2)` at each pixel, where :math:`d` is how much the source changed
    there: what stands is held, what moves is new at once.

    Parameters
    ----------
    hold : float, default 0.9
        :math:`h`: 0 holds nothing; 0.9 lets a lasting change come through within some ten frames.
    tolerance : float, default 0.04
        :math:`\tau`: the change of the source, of 1, above which hardly anything is held.
    reach : int, default 26
        How far around a change nothing is held either, in pixels.

    Raises
    ------
    ArgumentError
        If a number lies outside its range.

    Examples
    --------
    >>> steady = Steady(hold=0.5)
    >>> for painted in (0.2, 0.4):
    ...     calm = steady.see(np.zeros((1, 1, 3), np.float32))
    ...     shown = calm("background", np.full((1, 1, 3), painted, np.float32))
    >>> shown[0, 0].round(2)
    array([0.3, 0.3, 0.3], dtype=float32)
    """

    def __init__(self, hold: float = 0.9, tolerance: float = 0.04, reach: int = 26) -> None:
        if check_number("hold", hold, least=0) >= 1:
            raise refusal("hold", hold, "0 or more, and less than 1")
        check_number("tolerance", tolerance, above=0)
        check_count("reach", reach, 0)
        self._hold, self._tolerance = hold, tolerance
        self._around = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
        self._source: Image | None = None
        self._keep: NDArray[np.float32] = np.zeros((1, 1), np.float32)
        self._shown: dict[str, NDArray[np.float32]] = {}

    def see(self, source: Image) -> Calm:
        """Take in the source's next frame (H, W, 3), before any array of that frame is calmed.

        Returns
        -------
        callable
            Calms that frame's arrays, also when the next frame has been taken in already.
        """
        if self._source is None or self._source.shape != source.shape:
            self._keep = np.zeros(source.shape[:2], np.float32)
        else:
            changes = cv2.split(cv2.blur(cv2.absdiff(source, self._source), (5, 5)))
            changed = np.maximum.reduce(changes)  # much faster than a maximum along three channels
            changed = cv2.dilate(changed, self._around)
            self._keep = self._hold * np.exp(-np.square(changed / np.float32(self._tolerance)))
        self._source = source
        return functools.partial(self._calmed, self._keep)

    def __call__(self, name: str, array: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what to show in the place of an array (H, W) or (H, W, C) called `name`.

        The array belongs to the frame that was taken in last.
        """
        return self._calmed(self._keep, name, array)

    def _calmed(
        self, kept: NDArray[np.float32], name: str, array: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        before = self._shown.get(name)
        if before is not None and before.shape == array.shape:
            keep = kept if array.ndim == 2 else cv2.merge([kept] * array.shape[2])
            array = array + keep * (before - array)
        self._shown[name] = array
        return array


class SteadyPainter:
    """Paints a film's frames one after the other: what :func:`steady_painter` returns."""

    def __init__(self, composer: PaintParts, steady: Steady) -> None:
        self._composer = composer
        self._steady = steady

    def __call__(self, frame: Image) -> Image:
        """Return the next frame (H, W, 3), painted."""
        return self.prepare(frame)()

    def prepare(self, frame: Image) -> Callable[[], Image]:
        """Begin with the next frame; return what paints it.

        While that is at work, the frame after it can be prepared in another thread.
        """
        calm = self._steady.see(frame)
        if isinstance(self._composer, Divides):
            return functools.partial(self._composer.paint, self._composer.divide(frame, calm), calm)
        return functools.partial(self._composer, frame, calm)


def steady_painter(composer: PaintParts, steady: Steady | None = None) -> SteadyPainter:
    """Make what paints a film's frames one after the other by a composer, steadily.

    Parameters
    ----------
    composer : Composer
        Paints the parts of one frame; or anything that is called like one.
    steady : Steady, optional
        How much to calm. By default ``Steady()``.

    Returns
    -------
    SteadyPainter
        For :func:`convert_video` or :func:`webcam`. It paints one film only, because it remembers
        the last frame.
    """
    return SteadyPainter(composer, steady or Steady())


def flicker(
    source: Iterable[ArrayLike], result: Iterable[ArrayLike], tolerance: float = 0.01
) -> float:
    """Measure how much a film changes where its source does not.

    Parameters
    ----------
    source, result : iterable of array_like of float, shape (H, W, 3)
        The frames of both films, RGB in [0, 1].
    tolerance : float, default 0.01
        A pixel stays if none of its channels changes by more than this from a frame to the next.

    Returns
    -------
    float
        Mean absolute change of the result from a frame to the next, over the pixels that stay in
        the source; in [0, 1].

    Raises
    ------
    ArgumentError
        If one film is longer, or no pixel stays.

    Examples
    --------
    >>> grey, light = np.full((2, 2, 3), 0.5), np.full((2, 2, 3), 0.75)
    >>> flicker([grey, grey], [grey, light])
    0.25
    """
    total, count = 0.0, 0
    films = zip(source, result, strict=True)
    try:
        for (was, shown_was), (now, shown_now) in itertools.pairwise(films):
            change = np.abs(check_image(now) - check_image(was)).max(axis=2)
            stays = change <= tolerance
            total += float(np.abs(check_image(shown_now) - check_image(shown_was))[stays].sum())
            count += 3 * int(stays.sum())
    except ValueError as error:
        if isinstance(error, NstError):
            raise
        raise ArgumentError("source and result have different numbers of frames") from error
    if not count:
        raise ArgumentError("no pixel of the source stays as it is; there is nothing to measure")
    return total / count
