"""Memory that does not suffice for a picture becomes one line with a remedy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
from numpy.typing import ArrayLike

from nstlib._memory import ran_out
from nstlib.errors import MemoryLimitError, NstError


def shape_of(image: ArrayLike) -> tuple[int, ...]:
    """Return the shape of what may be a picture; :func:`check_image` says why something is none.

    Examples
    --------
    >>> shape_of([[1, 2]]), shape_of([[1, 2], [3]])
    ((1, 2), ())
    """
    try:
        return np.shape(image)
    except (TypeError, ValueError):
        return ()


@contextmanager
def memory_for(shape: Sequence[int]) -> Iterator[None]:
    """Say in one line that the memory does not suffice for a picture (H, W, …) of this shape."""
    try:
        yield
    except Exception as error:  # the runtimes' errors have no base but Exception
        if isinstance(error, NstError) or not ran_out(error):
            raise
        height, width = shape[:2]
        smaller = max(1, max(height, width) // 2)
        lacking = f"the memory of this machine does not suffice for {width}×{height} pixels"
        raise MemoryLimitError(
            f"{lacking}; give a smaller picture, for example nstlib.resize(image, {smaller})",
            command=f"{lacking}; give a smaller size, for example --size {smaller}",
        ) from error
