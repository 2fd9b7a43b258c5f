"""From coarse to fine: the one loop at several sizes in turn, and the file that a run goes on from.

:func:`coarse_to_fine` calls :func:`nstlib.minimize_image` at each size. Each size begins with the
enlarged result of the one before.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nstlib._checks import check_count, check_function, check_kind, check_number, refusal
from nstlib._files import SavedState
from nstlib._memory import ran_out
from nstlib.errors import ArgumentError, MemoryLimitError
from nstlib.images.arrays import Image, check_image
from nstlib.images.resizing import resize, target_size
from nstlib.optimize import (
    Loss,
    Result,
    Step,
    UnfinishedError,
    check_callback,
    is_true,
    minimize_image,
)


class Checkpoint(SavedState):
    """Where a run of :func:`coarse_to_fine` is, written every few seconds and at the end.

    Parameters
    ----------
    path, settings
        See :class:`SavedState`.
    every : float, default 5
        Seconds between two writes.
    """

    def __init__(
        self, path: str | Path, settings: Mapping[str, Any], *, every: float = 5.0
    ) -> None:
        super().__init__(path, settings)
        self.every = every
        self._written = time.monotonic()

    def load(self) -> tuple[int, int, Step] | None:
        """Return (index of the size, iterations done at it, last step); None without a file.

        Raises
        ------
        ArgumentError
            If the file is not a checkpoint, or belongs to another run.
        OutputError
            If there is no file, and none can be written there.
        """

        def understand(arrays: Mapping[str, NDArray[Any]]) -> tuple[int, int, Step]:
            state = json.loads(str(arrays["state"]))
            told = state["step"]
            step = Step(
                iteration=check_count("iteration", told["iteration"], 0),
                evaluations=check_count("evaluations", told["evaluations"], 0),
                loss=float(told["loss"]),
                terms={name: float(term) for name, term in told["terms"].items()},
                seconds=check_number("seconds", told["seconds"], least=0),
                image=check_image(arrays["image"]),
            )
            return (
                check_count("stage", state["stage"], 0),
                check_count("done", state["done"], 0),
                step,
            )

        return self.read(understand)

    def save(self, stage: int, done: int, step: Step, *, now: bool = False) -> None:
        """Write the state, if `every` seconds have gone by since the last time, or `now`."""
        if not now and time.monotonic() - self._written < self.every:
            return
        assert step.image is not None  # what the checkpoint is for
        values = asdict(replace(step, image=None))
        values.pop("image")
        state = {"stage": stage, "done": done, "step": values}
        self.write(state=np.array(json.dumps(state)), image=step.image)
        self._written = time.monotonic()


def coarse_to_fine(
    loss_at: Callable[[tuple[int, int]], Loss],
    start: ArrayLike,
    sizes: Sequence[tuple[int, int]],
    *,
    iterations: Sequence[int],
    resize: Callable[[Image, tuple[int, int]], Image] = resize,
    checkpoint: Checkpoint | None = None,
    callback: Callable[[Step], object] | None = None,
    **options: Any,
) -> Result:
    """Minimise at each of `sizes` in turn, each from the enlarged result of the one before.

    Parameters
    ----------
    loss_at : callable
        Gives the loss (see :func:`minimize_image`) for images of a (height, width).
    start : array_like of float, shape (H, W, 3)
        Where to start, RGB in [0, 1]; it is resized to the first size.
    sizes : sequence of (int, int)
        (height, width), the last being that of the result.
    iterations : sequence of int
        How many at each size.
    resize : callable, optional
        Resizes an image to a (height, width); by default :func:`nstlib.resize`.
    checkpoint : Checkpoint, optional
        Go on from its file if there is one, and keep it up to date.
    callback : callable, optional
        Called with a :class:`nstlib.Step` after every iteration, counts and seconds running on from
        size to size; if it returns True, the run ends.
    **options
        `method`, `learning_rate` and `progress` of :func:`minimize_image`.

    Returns
    -------
    Result
        At the last size, also when the run was stopped on the way; the loss is then that of the
        size it had reached.

    Raises
    ------
    ArgumentError
        For a `loss_at` or `callback` that cannot be called, no size at all, `iterations` that are
        not one for each, 1 or more, or a `checkpoint` that cannot be used; and as
        :func:`minimize_image`.
    ImageError
        If `start` is not an image.
    OptimizationError
        If the loss becomes NaN or infinite; the error carries the last good image.
    MemoryLimitError
        If memory runs out; once there is an image, it is an
        :class:`nstlib.optimize.UnfinishedError`, which carries the best.
    KeyboardInterrupt
        If the run is interrupted before there is any result.

    Warns
    -----
    NstWarning
        If the checkpoint's file cannot be written any more, as on a full disk. The run goes on.

    Examples
    --------
    >>> from nstlib import tf
    >>> def towards_white(size):
    ...     return lambda image: tf.reduce_mean((image - 1.0) ** 2)
    >>> result = coarse_to_fine(towards_white, np.zeros((8, 8, 3), np.float32), [(4, 4), (8, 8)],
    ...                         iterations=[5, 5], progress=False)
    >>> result.image.shape, result.loss < 1e-6
    ((8, 8, 3), True)
    """
    check_function("loss_at", loss_at, "a function that takes (height, width) and returns a loss")
    check_callback(callback)
    if not isinstance(sizes, Sequence) or not all(
        isinstance(size, Sequence) and len(size) == 2 for size in sizes
    ):
        raise refusal("sizes", sizes, "a list of (height, width)")
    if not isinstance(iterations, Sequence) or isinstance(iterations, str | bytes):
        raise refusal("iterations", iterations, "a list of whole numbers, one for each size")
    if not sizes or len(sizes) != len(iterations):
        raise ArgumentError(
            f"sizes has the length {len(sizes)} and iterations {len(iterations)}; give one size "
            "or more, and a count for each"
        )
    counts = [check_count("iterations", count) for count in iterations]
    check_function("resize", resize, "a function that takes an image and (height, width)")
    if checkpoint is not None:
        check_kind("checkpoint", checkpoint, Checkpoint, "an nstlib.scales.Checkpoint, or None")
    image = check_image(start, "start")
    sizes = [target_size(image.shape, (size[0], size[1])) for size in sizes]
    stages = _Stages(image, resize, checkpoint, callback, len(sizes))
    for stage, (size, count) in enumerate(zip(sizes, counts, strict=True)):
        left = stages.left(stage, count)
        if left and stages.minimize(loss_at, size, (stage, count - left, left), options):
            break
    result = stages.result
    assert result is not None  # there is one size or more, and a finished run left one
    if result.image.shape[:2] != sizes[-1]:
        # Stopped on the way: what there is, at the size that was asked for.
        result = replace(result, image=resize(result.image, sizes[-1]))
    return replace(result, history=tuple(stages.history))


class _Stages:
    """What the sizes of a run share: the best image so far, the history, the checkpoint."""

    def __init__(
        self,
        start: Image,
        resize: Callable[[Image, tuple[int, int]], Image],
        checkpoint: Checkpoint | None,
        callback: Callable[[Step], object] | None,
        count: int,
    ) -> None:
        self._start, self._count = start, count
        self._resize = resize
        self._checkpoint = checkpoint
        self._callback = callback
        self.history: list[Step] = []
        self.result: Result | None = None
        # The size at which the checkpoint's run was, and how many iterations it had done there.
        self._first, self._done = 0, 0
        found = checkpoint.load() if checkpoint else None
        if found:
            self._first, self._done, step = found
            assert step.image is not None  # a checkpoint holds one
            self.history = [replace(step, image=None)]
            self.result = Result(step.image, step.loss, step.terms, tuple(self.history))

    def left(self, stage: int, count: int) -> int:
        """Return how many of the iterations at a size are still to be done."""
        if stage < self._first:
            return 0
        return max(0, count - self._done) if stage == self._first else count

    def minimize(
        self,
        loss_at: Callable[[tuple[int, int]], Loss],
        size: tuple[int, int],
        place: tuple[int, int, int],
        options: Mapping[str, Any],
    ) -> bool:
        """Minimise at one size; tell whether the whole run ends there.

        `place` is the index of the size, the iterations done there before, and those left.
        """
        stage, done, left = place
        before = self.history[-1] if self.history else None
        stopped = False

        def report(step: Step) -> bool:
            nonlocal stopped
            step_in_all = _continued(step, before)
            self.history.append(replace(step_in_all, image=None))
            if self._checkpoint:
                self._checkpoint.save(stage, done + step.iteration, step_in_all)
            stopped = self._callback is not None and is_true(self._callback(step_in_all))
            return stopped

        try:
            self.result = result = minimize_image(
                loss_at(size),
                self._resize(self._start if self.result is None else self.result.image, size),
                iterations=left,
                callback=report,
                description=f"size {stage + 1} of {self._count}",
                **options,
            )
            ended = stopped or result.interrupted
            if self._checkpoint:
                best = replace(
                    self.history[-1], loss=result.loss, terms=result.terms, image=result.image
                )
                at = done + (result.iterations if ended else left)
                self._checkpoint.save(stage, at, best, now=True)
            return ended
        except KeyboardInterrupt:  # between the sizes
            if self.result is None:
                raise
            # The checkpoint holds it: it was written after the size before, or has just been read.
            self.result = replace(self.result, interrupted=True)
            return True
        except UnfinishedError:
            raise
        except Exception as error:
            if not ran_out(error):
                raise
        # Not where the error was caught, because only now the memory that the attempt held is free.
        if self.result is None:
            raise MemoryLimitError(
                "memory ran out before there was a picture; use a smaller size",
                command="memory ran out before there was a picture: give a smaller --size",
            )
        raise UnfinishedError(size, self.result.image)


def _continued(step: Step, before: Step | None) -> Step:
    """Count a step on from the last one of the size before."""
    if before is None:
        return step
    return replace(
        step,
        iteration=before.iteration + step.iteration,
        evaluations=before.evaluations + step.evaluations,
        seconds=before.seconds + step.seconds,
    )
