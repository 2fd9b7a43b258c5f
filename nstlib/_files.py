"""Files that appear whole or not at all, places for results, and states to go on from.

Whatever the library writes goes through :func:`atomic_write`, and whatever runs long asks
:func:`check_output` first.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import stat
import threading
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import IO, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from nstlib._checks import check_path
from nstlib._memory import ran_out
from nstlib.errors import ArgumentError, NstError, NstWarning, OutputError


def check_suffix(path: str | Path, formats: Iterable[str]) -> Path:
    """Return `path` if it ends in one of the suffixes `formats`.

    Examples
    --------
    >>> check_suffix("out.avi", [".mp4", ".gif"])
    Traceback (most recent call last):
    nstlib.errors.OutputError: out.avi: cannot write '.avi'; use one of .mp4, .gif
    """
    path, suffixes = Path(path), list(formats)
    if path.suffix.lower() not in suffixes:
        given = repr(path.suffix) if path.suffix else "a name without a suffix"
        accepted = suffixes[0] if len(suffixes) == 1 else f"one of {', '.join(suffixes)}"
        raise OutputError(f"{path}: cannot write {given}; use {accepted}")
    return path


def check_output(path: str | Path, formats: Iterable[str]) -> Path:
    """Return `path` if a file can be written there, so that a long run need not fail at its end.

    `formats` are the suffixes to accept.

    Raises
    ------
    OutputError
        If the suffix is unknown, the folder is absent or not writable, or `path` is a folder, a
        device or a write-protected file.
    """
    path = check_suffix(path, formats)
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        found = None
    except (OSError, ValueError) as error:
        raise OutputError(f"{path}: cannot be written ({reason(error)})") from error
    if found is not None and stat.S_ISDIR(found.st_mode):
        raise OutputError(f"{path} is a folder; give the name of a file in it")
    folder = destination(path).parent
    if (file := file_in_the_way(folder)) is not None:
        raise OutputError(f"{path}: {file} is a file, not a folder; choose another folder")
    if not folder.is_dir():
        raise OutputError(f"{path}: the folder {folder} does not exist; create it first")
    if not os.access(folder, os.W_OK):
        raise OutputError(f"{path}: the folder {folder} is not writable; choose another")
    if found is not None and not stat.S_ISREG(found.st_mode):
        raise OutputError(f"{path} is no ordinary file; choose another name")
    if found is not None and not os.access(path, os.W_OK):
        raise OutputError(f"{path} is write-protected; choose another name")
    return path


def file_in_the_way(folder: Path) -> Path | None:
    """Return the file because of which there can be no such folder: itself or one above it."""
    there = next((place for place in (folder, *folder.parents) if place.exists()), None)
    return None if there is None or there.is_dir() else there


def destination(path: Path) -> Path:
    """Return the file that a symbolic link stands for, or `path` itself."""
    return Path(os.path.realpath(path)) if path.is_symlink() else path


@contextmanager
def uninterrupted() -> Iterator[list[FrameType | None]]:
    """Finish what has begun: Ctrl-C has its effect when the block is over.

    The block gets a list that is empty until Ctrl-C is pressed. If it empties the list again, it
    has done itself what there is to do, and nothing follows.

    The same goes for whatever else calls :func:`put_off`. Where Ctrl-C is ignored, as in programs
    that a shell runs in the background, it stays ignored.

    Only the main thread is ever interrupted by Ctrl-C. In other threads this does nothing.
    """
    caught: list[FrameType | None] = []
    if threading.current_thread() is not threading.main_thread():
        yield caught
        return
    before = signal.getsignal(signal.SIGINT)
    block = _Block(caught)
    _blocks.append(block)
    try:
        if callable(before):
            signal.signal(signal.SIGINT, lambda _, frame: caught.append(frame))
        yield caught
    finally:
        try:
            if callable(before):
                signal.signal(signal.SIGINT, before)
        finally:
            _blocks.remove(block)
        if caught and block.effect is not None:
            block.effect(caught[0])
        elif caught and callable(before):
            before(signal.SIGINT, caught[0])


@dataclass(eq=False)
class _Block:
    """A part of the program that is not to be interrupted, and what then has its effect."""

    caught: list[FrameType | None]
    effect: Callable[[FrameType | None], object] | None = None


#: Those that the main thread is in, the innermost last.
_blocks: list[_Block] = []


def put_off(effect: Callable[[FrameType | None], object], frame: FrameType | None) -> bool:
    """Let the effect of a signal wait for the end of :func:`uninterrupted`'s block, if in one.

    Returns
    -------
    bool
        Whether it waits. If not, it is to be had at once.
    """
    if not _blocks:
        return False
    _blocks[-1].caught.append(frame)
    _blocks[-1].effect = _blocks[-1].effect or effect
    return True


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Open a binary file that takes its place at `path` only once the block has succeeded.

    A file that stood at `path` is replaced and its permissions are kept. If `path` is a symbolic
    link, the file that it points to is replaced. Ctrl-C waits until the file is complete.

    Raises
    ------
    OutputError
        If the file cannot be written; what stood at `path` before stands there still.
    """
    with uninterrupted():
        try:
            place = destination(path)
            earlier = place.stat().st_mode if place.exists() else None
            if earlier is not None and not stat.S_ISREG(earlier):
                raise OutputError(f"{path} is no ordinary file; choose another name")
            # A short name, so that the longest names that a folder takes can be written as well.
            temporary = place.with_name(f".nst-{secrets.token_hex(6)}")
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
            # Without an earlier file, the system itself gives the permissions of an ordinary one.
            handle = os.open(temporary, flags, 0o666 if earlier is None else 0o600)
        except OutputError:
            raise
        except (OSError, RuntimeError) as error:
            raise OutputError(f"{path}: cannot write here ({reason(error)})") from error
        try:
            with os.fdopen(handle, "wb") as file:
                yield file
            if earlier is not None:
                temporary.chmod(stat.S_IMODE(earlier))
            temporary.replace(place)
        except OSError as error:
            raise OutputError(f"{path}: cannot be written ({reason(error)})") from error
        finally:
            temporary.unlink(missing_ok=True)


def reason(error: Exception) -> str:
    """Write in one line why something failed: the system's words, or else the error's own."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return " ".join(text.split())


@contextmanager
def reading(
    path: str | Path, error: type[NstError], damage: str, *, tell: bool = False
) -> Iterator[None]:
    """Raise an `error` that the file at `path` "is damaged", or what `damage` says of it.

    Readers raise almost anything on damaged files; with `tell`, their words follow. If memory runs
    out, or the system cannot read the file, that is not the file's fault.
    """
    try:
        yield
    except error:
        raise
    except Exception as caught:
        if ran_out(caught):
            raise
        if isinstance(caught, OSError) and caught.errno is not None:
            raise error(f"{path} cannot be read ({reason(caught)})") from caught
        raise error(f"{path} {damage}{f' ({reason(caught)})' if tell else ''}") from caught


T = TypeVar("T")


class Checksum(int):
    """A number that tells pictures or files from others. To people it says nothing."""


def checksum(arrays: Iterable[NDArray[Any]]) -> Checksum:
    """Tell some arrays from others, among the settings of a run."""
    found = 0
    for array in arrays:
        found = zlib.crc32(array.tobytes(), found)
    return Checksum(found)


def checksum_of_names(files: Iterable[str | Path]) -> Checksum:
    """Tell some files from others by their names, wherever their folders are."""
    return Checksum(zlib.crc32("\n".join(Path(file).name for file in files).encode()))


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
        self.path = check_path("checkpoint", path)
        self.settings = json.loads(json.dumps(dict(settings), default=_plain))
        self._checksums = {name for name, x in settings.items() if isinstance(x, Checksum)}
        self._told = False

    def read(self, understand: Callable[[Mapping[str, NDArray[Any]]], T]) -> T | None:
        """Return what `understand` makes of the file's arrays; None without a file.

        Raises
        ------
        ArgumentError
            If the file is not a saved state, cannot be read, or belongs to another run.
        OutputError
            If there is no file, and none can be written there.
        """
        if not self.path.exists():
            check_places([], checkpoint=self.path)
            return None
        damage = "is not a checkpoint, or is damaged; delete it to begin anew, or give another file"
        with (
            reading(self.path, ArgumentError, damage),
            np.load(self.path, allow_pickle=False) as arrays,
        ):
            found = dict(json.loads(str(arrays["settings"])).items())
            state = understand(arrays)
        changed = sorted(
            name for name in {*found, *self.settings} if found.get(name) != self.settings.get(name)
        )
        if changed:
            name = changed[0]
            was, now = found.get(name), self.settings.get(name)
            fault = f"{name} was {was!r}, is {now!r}"
            if name in self._checksums:
                fault = f"{name}: others than now"
            raise ArgumentError(
                f"{self.path} belongs to a run with other settings ({fault}); delete it to begin "
                "anew, or give another file"
            )
        return state

    def write(self, **arrays: Any) -> None:
        """Replace the file. Where that fails, warn once: a full disk must not end a long run."""
        try:
            with atomic_write(self.path) as file:
                np.savez(file, settings=np.array(json.dumps(self.settings)), **arrays)
        except OutputError as error:
            if not self._told:
                self._told = True
                warnings.warn(
                    f"{error}; the run goes on without saving its state", NstWarning, stacklevel=2
                )


def _plain(value: Any) -> Any:
    """Turn NumPy's numbers and arrays, which JSON's writer does not know, into plain ones."""
    if isinstance(value, np.generic | np.ndarray):
        return value.tolist()
    raise TypeError(f"{value!r} cannot be saved as a setting")


#: How a file of each kind begins, by suffix; a checkpoint is an archive of NumPy's.
_BEGINNINGS = {
    ".gif": (0, b"GIF8"),
    ".jpeg": (0, b"\xff\xd8\xff"),
    ".jpg": (0, b"\xff\xd8\xff"),
    ".keras": (0, b"PK"),
    ".mp4": (4, b"ftyp"),
    ".png": (0, b"\x89PNG"),
    ".webp": (8, b"WEBP"),
}


def check_places(taken: Iterable[Path], **others: Path | None) -> None:
    """Refuse places for further files of a run, each named by its kind.

    A place is refused if it is taken, if nothing can be written there, or if a file of another kind
    is there already: a report is no reason to overwrite a photograph.

    Parameters
    ----------
    taken : iterable of pathlib.Path
        The run's inputs and its other outputs.
    **others : pathlib.Path or None
        By kind, as ``report`` or ``checkpoint``, where each is to be written; None for none.

    Raises
    ------
    OutputError
        Naming the place and its kind.
    """
    taken = list(taken)
    for kind, path in others.items():
        if path is None:
            continue
        if any(same_file(path, other) for other in taken):
            raise OutputError(
                f"{path} is an input or another output already; choose another {kind} file"
            )
        folder = destination(path).parent
        if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
            raise OutputError(
                f"{path}: cannot be written; give a file in an existing folder of yours"
            )
        if path.exists() and not _is_of_kind(path, kind):
            raise OutputError(
                f"{path} is there already, and it is no {kind} that could be replaced; choose "
                "another name, or delete it"
            )
        taken.append(path)


def _is_of_kind(path: Path, kind: str) -> bool:
    """Tell whether a file is of the kind that is to be written in its place. An empty one is."""
    try:
        with path.open("rb") as file:
            if not path.is_file() or (kind == "report" and path.stat().st_size > LARGEST_REPORT):
                return False
            start = file.read(16)
            if not start:
                return True
            if kind == "report":
                json.loads(start + file.read())
                return True
    except (OSError, ValueError):
        return False
    at, beginning = (
        (0, b"PK") if kind == "checkpoint" else _BEGINNINGS.get(path.suffix.lower(), (0, b""))
    )
    return start[at:].startswith(beginning)


def is_there(path: str | Path, *, folders: bool = True) -> bool:
    """Tell whether a path leads to something, also to what we are not allowed to look at.

    Whoever opens it then says why it cannot be read.
    """
    try:
        mode = Path(path).stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):  # no path at all: a null character
        return False
    except OSError:
        return True
    return folders or not stat.S_ISDIR(mode)


def same_file(one: Path, other: Path) -> bool:
    """Tell whether two paths lead to the same file, which need not be there yet."""
    there = one.exists(), other.exists()
    if all(there):
        return one.samefile(other)
    # Not Path.resolve, which fails at a link that leads to itself.
    return not any(there) and os.path.realpath(one) == os.path.realpath(other)


#: What may be a report is smaller than this, in bytes.
LARGEST_REPORT = 2**24

#: A file of a network that asks for more bytes is not read.
LARGEST_FILE = 2**30
