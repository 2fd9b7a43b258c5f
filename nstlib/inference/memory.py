"""Memory that does not suffice becomes one line with a remedy."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import cv2

from nstlib.errors import MemoryLimitError, NstError

#: What the runtimes say when they get no memory, in small letters.
_WORDS = (
    "bad allocation",
    "bad_alloc",
    "failed to allocate memory",
    "insufficient memory",
    "not enough memory",
)


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error of Python, OpenCV or ONNX Runtime means that there is no memory."""
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, cv2.error) and getattr(error, "code", 0) == cv2.Error.StsNoMem:
        return True
    text = str(error).lower()
    return any(words in text for words in _WORDS)


@contextmanager
def memory_for(shape: Sequence[int]) -> Iterator[None]:
    """Say in one line that the memory does not suffice for a picture (H, W, …) of this shape."""
    try:
        yield
    except Exception as error:  # the runtimes' errors have no base but Exception
        if isinstance(error, NstError) or not is_out_of_memory(error):
            raise
        height, width = shape[:2]
        smaller = max(1, max(height, width) // 2)
        lacking = f"the memory of this machine does not suffice for {width}×{height} pixels"
        raise MemoryLimitError(
            f"{lacking}; give a smaller picture, for example nstlib.resize(image, {smaller})",
            command=f"{lacking}; give a smaller size, for example --size {smaller}",
        ) from error
