"""How long a transfer will take, and how much memory."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import ArrayLike, NDArray

from nstlib._checks import check_count
from nstlib._memory import memory
from nstlib.features import SMALLEST_SIDE, feature_extractor
from nstlib.images.arrays import check_image
from nstlib.images.resizing import target_size
from nstlib.optimize import Step
from nstlib.synthesis.common import COARSEST, FRAME, Frame, stage_sizes
from nstlib.synthesis.needs import TRACE, needed_megabytes, pixels_of
from nstlib.synthesis.tiles import step_and_margin
from nstlib.synthesis.transfer import transfer_style


@dataclass(frozen=True)
class Estimate:
    """What a transfer will take, roughly.

    Attributes
    ----------
    seconds : float
        From its start to its picture.
    megabytes : float
        The most that the process will hold at any one time.
    sizes : tuple of (int, int)
        (height, width) of the pictures that it works at, the result's last.
    """

    seconds: float
    megabytes: float
    sizes: tuple[tuple[int, int], ...]


def estimate_transfer(
    content: ArrayLike, style: NDArray[Any] | Sequence[ArrayLike], **options: Any
) -> Estimate:
    """Say beforehand how long :func:`transfer_style` will take, and how much memory.

    A few iterations of the same transfer are timed at about 256 pixels. The time is then scaled by
    the pixels and the iterations at all sizes. Memory is what the process holds now, plus what the
    network's layers and the optimiser will need at the largest size.

    Parameters
    ----------
    content, style, **options
        As for :func:`transfer_style`. A `checkpoint` is neither read nor written: the estimate is
        that of the whole run.

    Returns
    -------
    Estimate

    Raises
    ------
    ArgumentError, ImageError, OptimizationError
        As :func:`transfer_style`.
    KeyboardInterrupt
        If it is interrupted from the keyboard.

    Examples
    --------
    >>> from nstlib import load_image
    >>> cat, glass = load_image("chelsea", size=64), load_image("mosaic", size=64)
    >>> estimate = estimate_transfer(cat, glass, iterations=10)
    >>> estimate.seconds > 0, estimate.megabytes > 0, estimate.sizes
    (True, True, ((43, 64),))
    """
    bound = inspect.signature(transfer_style).bind(content, style, **options)
    bound.apply_defaults()
    given = bound.arguments
    given["iterations"] = check_count("iterations", given["iterations"])
    given["tile"] = check_count("tile", given["tile"], 256)
    shape = check_image(content, "content").shape[:2]
    full = shape if given["size"] is None else target_size(shape, given["size"])
    given["coarsest"] = check_count("coarsest", given["coarsest"], SMALLEST_SIDE)
    sizes = stage_sizes(full, given["coarsest"])
    frame = Frame(FRAME if given["frame"] else 0)

    # At 128 pixels, fixed costs would be half of the time, and at the largest size nothing. So the
    # trial's size does not depend on the first one.
    usual = stage_sizes(full)
    trial_size = usual[min(2, len(usual) - 1)]
    timed: list[Step] = []  # at the trial's last size, after whatever is done once a size

    def note(step: Step) -> None:
        assert step.image is not None
        if step.image.shape[:2] == trial_size:
            timed.append(step)

    trial = transfer_style(
        **given
        | {
            "size": trial_size,
            "coarsest": COARSEST,
            "iterations": min(5, given["iterations"]),
            "checkpoint": None,
            "callback": note,
            "progress": False,
        }
    )
    if trial.interrupted:
        raise KeyboardInterrupt
    first, last = timed[0], timed[-1]
    each = (last.seconds - first.seconds) / max(1, last.evaluations - first.evaluations)
    layers = dict.fromkeys((*given["style_layers"], *given["content_layers"]))
    _, margin = step_and_margin(layers)
    # L-BFGS's line search needs one more evaluation now and then, and its arithmetic grows with the
    # steps that it keeps; the 2 stand for the targets and the final losses.
    count = (1.25 if given["method"] == "lbfgs" else 1.0) * given["iterations"] + 2
    _, work_of_trial = pixels_of(trial_size, frame, given["tile"], margin)
    work = sum(pixels_of(size, frame, given["tile"], margin)[1] for size in sizes)
    # The first evaluation of all, which includes the tracing, comes once a size.
    seconds = len(sizes) * trial.history[0].seconds + count * each * work / work_of_trial

    extractor = feature_extractor(layers, given["weights"])
    at_once, _ = pixels_of(full, frame, given["tile"], margin)
    needed = needed_megabytes(
        extractor,
        frame.around(full),
        at_once,
        method=given["method"],
        iterations=given["iterations"],
    )
    now = memory() or 700.0  # where nothing tells: about what TensorFlow takes before it begins
    return Estimate(seconds, now + TRACE * (len(sizes) - 1) + needed, tuple(sizes))
