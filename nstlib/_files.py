"""Files that appear whole or not at all, places for results, and states to go on from.

Whatever the library writes goes through :func:`atomic_write`, and whatever runs long asks
:func:`check_output` first.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from nstlib.errors import ArgumentError, OutputError


def check_output(path: str | Path, formats: Iterable[str]) -> Path:
    """Return `path` if a file can be written there, so that a long run need not fail at its end.

    `formats` are the suffixes to accept.

    Raises
    ------
    OutputError
        If the suffix is unknown, the folder is absent or not writable, or `path` is a folder.
    """
    path = Path(path)
    if path.suffix.lower() not in formats:
        raise OutputError(
            f"{path}: cannot write {path.suffix or 'a name without a suffix'!r}; "
            f"use one of {', '.join(formats)}"
        )
    try:
        is_folder = path.is_dir()
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({reason(error)})") from error
    if is_folder:
        raise OutputError(f"{path} is a folder; give the name of a file in it")
    if not path.parent.is_dir():
        raise OutputError(f"{path}: the folder {path.parent} does not exist; create it first")
    if not os.access(path.parent, os.W_OK):
        raise OutputError(f"{path}: the folder {path.parent} is not writable; choose another")
    return path


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Open a binary file that takes its place at `path` only once the block has succeeded.

    Raises
    ------
    OutputError
        If the file cannot be written; what stood at `path` before stands there still.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise OutputError(f"{path}: cannot write here ({error.strerror})") from error
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
        # mkstemp makes private files; give the result the permissions of an ordinary one.
        umask = os.umask(0)
        os.umask(umask)
        Path(name).chmod(0o666 & ~umask)
        Path(name).replace(path)
    except OSError as error:
        raise OutputError(f"{path}: cannot be written ({error.strerror or error})") from error
    finally:
        Path(name).unlink(missing_ok=True)


def reason(error: Exception) -> str:
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())


T = TypeVar("T")


class SavedState:
    """A file that a run can go on from when it was killed, written atomically.

    Parameters
    ----------
    path : str or pathlib.Path
        The file; if it is there, the run goes on from it.
    settings : mapping of str to (JSON values)
        What the run was asked for. A file with other settings is refused.
    """

    def __init__(self, path: str | Path, settings: Mapping[str, Any]) -> None:
        self.path = Path(path)
        self.settings = json.loads(json.dumps(dict(settings)))

    def read(self, understand: Callable[[Mapping[str, NDArray[Any]]], T]) -> T | None:
        """Return what `understand` makes of the file's arrays; None without a file.

        Raises
        ------
        ArgumentError
            If the file is not a saved state, or belongs to another run.
        """
        if not self.path.exists():
            return None
        try:
            with np.load(self.path, allow_pickle=False) as arrays:
                found = json.loads(str(arrays["settings"]))
                state = understand(arrays)
        except Exception as error:  # NumPy's reader raises almost anything on a damaged file
            raise ArgumentError(
                f"{self.path} is not a checkpoint, or is damaged; delete it to begin anew, or "
                "give another file"
            ) from error
        changed = sorted(
            name for name in {*found, *self.settings} if found.get(name) != self.settings.get(name)
        )
        if changed:
            name = changed[0]
            raise ArgumentError(
                f"{self.path} belongs to a run with other settings ({name} was "
                f"{found.get(name)!r}, is {self.settings.get(name)!r}); delete it to begin anew, "
                "or give another file"
            )
        return state

    def write(self, **arrays: Any) -> None:
        """Replace the file."""
        with atomic_write(self.path) as file:
            np.savez(file, settings=np.array(json.dumps(self.settings)), **arrays)


def check_places(taken: Iterable[Path], **others: Path | None) -> None:
    """Refuse a file that is among those taken, or stands where nothing can be written."""
    taken = list(taken)
    for kind, path in others.items():
        if path is None:
            continue
        if any(same_file(path, other) for other in taken):
            raise OutputError(
                f"{path} is an input or another output already; choose another {kind} file"
            )
        if path.is_dir() or not os.access(path.parent, os.W_OK):
            raise OutputError(
                f"{path}: cannot be written; give a file in an existing folder of yours"
            )
        taken.append(path)


def same_file(one: Path, other: Path) -> bool:
    if one.exists() and other.exists():
        return one.samefile(other)
    return one.resolve() == other.resolve()


#: A file of a network that asks for more bytes is not read.
LARGEST_FILE = 2**30
