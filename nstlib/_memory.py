"""Memory: how much this process holds, and whether an error says that it ran out."""

from __future__ import annotations

import errno
import re
import sys
from pathlib import Path

#: What runtimes say where they could not have memory: OpenCV and ONNX Runtime have no exception of
#: its own for that.
_WORDS = re.compile(
    r"bad[_ ]?alloc|insufficient memory|out of memory|failed to allocate|cannot allocate memory",
    re.IGNORECASE,
)


def ran_out(error: BaseException | None) -> bool:
    """Tell whether an error, or one that it came from, says that memory ran out.

    Examples
    --------
    >>> ran_out(MemoryError()), ran_out(RuntimeError("std::bad_alloc")), ran_out(ValueError("no"))
    (True, True, False)
    """
    while error is not None:
        if (
            isinstance(error, MemoryError)
            or getattr(error, "errno", None) == errno.ENOMEM
            # TensorFlow's, which is not imported for this.
            or type(error).__name__ == "ResourceExhaustedError"
            or _WORDS.search(str(error))
        ):
            return True
        error = error.__cause__ or error.__context__
    return False


def memory(*, peak: bool = False) -> float | None:
    """Megabytes that this process holds now, or has held at most; None where nothing tells.

    Where the present use cannot be had (outside Linux) the peak stands in for it.
    """
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        status = ""
    found = re.search(rf"^{'VmHWM' if peak else 'VmRSS'}:\s*(\d+) kB", status, re.MULTILINE)
    if found:
        return int(found[1]) * 1024 / 1e6
    try:
        import resource
    except ImportError:  # Windows
        return None
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / 1e6 if sys.platform == "darwin" else most * 1024 / 1e6
