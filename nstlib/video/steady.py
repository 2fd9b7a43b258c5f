"""Calm what flickers in a film, and measure how much it does."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nstlib._checks import check_count, check_number, refusal
from nstlib.errors import ArgumentError
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


@runtime_checkable
class Prepares(Protocol):
    """What paints a film's frames in two halves: a :class:`nstlib.Composer`, steadily."""

    def prepare(self, frame: Image, /) -> Callable[[], Any]:
        """Do the first half of the next frame; return what does the other."""


def half_the_cores() -> int:
    """Count the threads for one of the two halves: both are at work at the same time."""
    # Unlike os.cpu_count, this heeds what a container or the system leaves to the process.
    return max(1, cv2.getNumberOfCPUs() // 2)


@contextmanager
def sharing_cores(paint: object) -> Iterator[None]:
    """Let OpenCV use half of the cores, where `paint` works in two halves.

    Its threads wait for their next share in a loop, which takes the other half's time.
    """
    before = cv2.getNumThreads()
    if isinstance(paint, Prepares):
        cv2.setNumThreads(half_the_cores())
    try:
        yield
    finally:
        cv2.setNumThreads(before)


class Steady:
    r"""Calm what flickers in a film where nothing moves: mattes, and painted strokes.

    A network that paints frame by frame turns the source's faintest noise into other strokes. So
    noise is taken from what networks see, and what they make is calmed as well. In both cases an
    array is mixed with the one before, :math:`y_t = x_t + k\,(y_{t-1} - x_t)`, with
    :math:`k = h \exp(-(d / \tau)^2)` at each pixel. For what is shown, :math:`d` is how much the
    source changed from the last frame to this one, there or near by; for what networks see, how far
    :math:`x_t` is from :math:`y_{t-1}`. So what stands is held, and what moves is new at once.

    Parameters
    ----------
    hold : float, default 0.9
        :math:`h`: 0 holds nothing; 0.9 lets a lasting change come through within some ten frames.
    tolerance : float, default 0.04
        :math:`\tau`: the change of the source, of 1, above which hardly anything is held. For what
        networks see it is a third of that, because the two delays add up.
    reach : int, default 20
        How far around a change nothing of what is shown is held either, in pixels: networks see
        farther than the pixel itself, so that strokes around what moves are new as well.

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

    def __init__(self, hold: float = 0.9, tolerance: float = 0.04, reach: int = 20) -> None:
        if check_number("hold", hold, least=0) >= 1:
            raise refusal("hold", hold, "0 or more, and less than 1")
        check_number("tolerance", tolerance, above=0)
        check_count("reach", reach, 0)
        self._hold, self._tolerance = hold, tolerance
        self._around = np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
        self._source: Image | None = None
        self._shown: dict[str, NDArray[np.float32]] = {}
        self._seen: dict[str, Image] = {}

    def see(self, source: Image) -> Calm:
        """Take in the source's next frame (H, W, 3), before any array of that frame is calmed.

        Returns
        -------
        Calm
            Calms that frame's arrays, also when the next frame has been taken in already.
        """
        if self._source is None or self._source.shape != source.shape:
            keep = np.zeros(source.shape[:2], np.float32)
        else:
            changed = cv2.dilate(_change(source, self._source), self._around)
            keep = self._keep(np.asarray(changed, np.float32), self._tolerance)
        self._source = source
        return _Calm(self, keep)

    def shown(
        self, keep: NDArray[np.float32], name: str, array: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Mix an array with what was shown under its name, `keep` (H, W) of that."""
        before = self._shown.get(name)
        if before is not None and before.shape == array.shape:
            array = _mixed(array, before, keep)
        self._shown[name] = array
        return array

    def seen(self, name: str, image: Image) -> Image:
        """Take the noise of a camera from an image: see :class:`nstlib.compose.Calm`."""
        before = self._seen.get(name)
        if before is not None and before.shape == image.shape:
            image = _mixed(image, before, self._keep(_change(image, before), self._tolerance / 3))
        self._seen[name] = image
        return image

    def _keep(self, changed: NDArray[np.float32], tolerance: float) -> NDArray[np.float32]:
        share = np.exp(-np.square(changed / np.float32(tolerance)))
        share *= np.float32(self._hold)
        return share


@dataclass(frozen=True)
class _Calm:
    """Calms the arrays of one frame."""

    _steady: Steady
    _keep: NDArray[np.float32]

    def __call__(self, name: str, array: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._steady.shown(self._keep, name, array)

    def seen(self, name: str, image: Image) -> Image:
        return self._steady.seen(name, image)


def _change(now: Image, before: Image) -> NDArray[np.float32]:
    """How much each pixel changed, and those beside it: the mean of 5×5, of the worst channel."""
    changes = cv2.split(cv2.blur(cv2.absdiff(now, before), (5, 5)))
    return np.maximum.reduce(changes)  # much faster than a maximum along three channels


def _mixed(
    now: NDArray[np.float32], before: NDArray[np.float32], keep: NDArray[np.float32]
) -> NDArray[np.float32]:
    share = keep if now.ndim == 2 else cv2.merge([keep] * now.shape[2])
    return now + share * (before - now)


class _SteadyPainter:
    """Paints a film's frames one after the other."""

    def __init__(self, composer: PaintParts, steady: Steady) -> None:
        self._composer = composer
        self._steady = steady

    def __call__(self, frame: Image) -> Image:
        """Return the next frame (H, W, 3), painted."""
        return self._composer(frame, self._steady.see(frame))


class _SteadyHalves:
    """The same by a composer whose work can be divided."""

    def __init__(self, composer: Divides, steady: Steady) -> None:
        self._composer = composer
        self._steady = steady

    def __call__(self, frame: Image) -> Image:
        return self.prepare(frame)()

    def prepare(self, frame: Image) -> Callable[[], Image]:
        """Begin with the next frame; return what paints it.

        While that is at work, the frames after it can be prepared in another thread.
        """
        calm = self._steady.see(frame)
        return functools.partial(self._composer.paint, self._composer.divide(frame, calm), calm)


def steady_painter(composer: PaintParts, steady: Steady | None = None) -> Paint:
    """Make what paints a film's frames one after the other by a composer, steadily.

    Parameters
    ----------
    composer : Composer
        Paints the parts of one frame; or anything that is called like one.
    steady : Steady, optional
        How much to calm. By default ``Steady()``.

    Returns
    -------
    callable
        For :func:`convert_video` or :func:`webcam`. It paints one film only, because it remembers
        the last frame.
    """
    if isinstance(composer, Divides):
        return _SteadyHalves(composer, steady or Steady())
    return _SteadyPainter(composer, steady or Steady())


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
        If there are fewer than two frames, one film is longer, frames differ in size, no pixel
        stays, or `tolerance` is negative.
    ImageError
        If a frame is not an image.

    Examples
    --------
    >>> grey, light = np.full((2, 2, 3), 0.5), np.full((2, 2, 3), 0.75)
    >>> flicker([grey, grey], [grey, light])
    0.25
    """
    check_number("tolerance", tolerance, least=0)
    for name, film in (("source", source), ("result", result)):
        if not isinstance(film, Iterable):
            raise refusal(name, film, "a film's frames, two or more")
    total, count, pairs = 0.0, 0, 0
    ended: Any = object()
    films = itertools.zip_longest(source, result, fillvalue=ended)
    for (was, shown_was), (now, shown_now) in itertools.pairwise(films):
        if now is ended or shown_now is ended:
            raise ArgumentError(
                "source and result have different numbers of frames; give as many of both"
            )
        pairs += 1
        was, now = (check_image(frame, "a frame of source") for frame in (was, now))
        shown_was, shown_now = (
            check_image(frame, "a frame of result") for frame in (shown_was, shown_now)
        )
        for frame in (now, shown_was, shown_now):
            if frame.shape != was.shape:
                sizes = (f"{x.shape[1]}×{x.shape[0]}" for x in (was, frame))
                raise ArgumentError(
                    f"there are frames of {' and of '.join(sizes)} pixels; all frames of both "
                    "films must have one size: resize them"
                )
        stays = np.abs(now - was).max(axis=2) <= tolerance
        total += float(np.abs(shown_now - shown_was)[stays].sum())
        count += 3 * int(stays.sum())
    if not pairs:
        raise ArgumentError("there are fewer than two frames, and so no change between them")
    if not count:
        raise ArgumentError("no pixel of the source stays as it is; there is nothing to measure")
    return total / count
