"""Memory: what this process holds, what it may still take, and whether an error says it ran out."""

from __future__ import annotations

import errno
import re
import sys
from collections.abc import Iterator
from pathlib import Path

#: What runtimes say when they could not get memory: OpenCV and ONNX Runtime have no exception of
#: their own for that.
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


def room() -> float | None:
    """Megabytes that this process may still take; None where nothing tells (outside Linux).

    The least of what the machine has free, swap included, and of what is left of limits: the
    process's own, as ``ulimit -v`` sets them, and those of the container that it runs in.
    """
    return min(_rooms(), default=None)


def _rooms() -> Iterator[float]:
    free = numbers_in("/proc/meminfo")
    if "MemAvailable" in free:
        yield (free["MemAvailable"] + free.get("SwapFree", 0)) * 1024 / 1e6
    held = numbers_in("/proc/self/status").get("VmSize")
    if held is not None:
        import resource

        limit, _ = resource.getrlimit(resource.RLIMIT_AS)
        if limit != resource.RLIM_INFINITY:
            yield (limit - held * 1024) / 1e6
    for folder, most, used in CONTAINERS:
        try:
            limit = int(Path(folder, most).read_text())
            taken = int(Path(folder, used).read_text())
        except (OSError, ValueError):  # not there, or "max"
            continue
        # What it has read from files is given up as soon as the room is needed.
        files = numbers_in(f"{folder}/memory.stat")
        yield (limit - taken + files.get("active_file", 0) + files.get("inactive_file", 0)) / 1e6


#: Where a container finds its own limit: of the present kind of control groups, and of the former.
CONTAINERS = (
    ("/sys/fs/cgroup", "memory.max", "memory.current"),
    ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
)


def numbers_in(path: str) -> dict[str, int]:
    """Read a file of Linux's that has a name and a number on each line."""
    try:
        text = Path(path).read_text()
    except OSError:
        return {}
    return {
        name: int(number) for name, number in re.findall(r"^(\w+):?\s+(\d+)", text, re.MULTILINE)
    }
