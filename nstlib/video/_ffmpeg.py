"""The ffmpeg program that comes with imageio-ffmpeg, through pipes.

Why a program and not the library PyAV, which gives data in place of text: measured, PyAV's wheels
are smaller (103 MiB installed against 165) and decode as fast with accurate colours (538 against
339 frames a second at 640×360, 44 against 34 at 1080p). But they lack the filter zscale, so the
tone mapping of HDR films would be our own (140 to 220 ms a frame at 1080p against 45). Python 3.11
to 3.13 needs two major versions of PyAV with different interfaces, and on 3.11 it reads no animated
WebP. And a decoder that hangs on a damaged file can be killed only if it is another process.
"""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import IO, Self, TypeAlias

import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from nstlib.errors import MemoryLimitError, NstError

Frame: TypeAlias = NDArray[np.uint8]

#: Frames a second, at most: of films, and of GIFs, whose frames last for hundredths of a second.
MAX_RATE, MAX_GIF_RATE = 60.0, 25.0

#: What films may be: containers of pictures, and no texts or playlists that name other files.
DEMUXERS = (
    "apng,asf,av1,avi,flv,gif,h264,hevc,ivf,m4v,matroska,mov,mp4,mpeg,mpegts,mpegvideo,mxf,nut,obu,"
    "ogg,rm,vob,webm,webp_anim,wtv,yuv4mpegpipe"
)

#: How swscale converts and resizes. Its fast way darkens a film by a level at every pass.
ACCURATE = "flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp"

#: A program that gives nothing for this many ticks, each of so many seconds, hangs.
STALLED, TICK = 120, 1.0

#: What the system says when a file cannot be written or memory runs out.
_REASONS = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EIO, errno.ENOMEM)


class FFmpeg:
    """One run of ffmpeg. It ends with the ``with`` block at the latest, or when Python ends.

    Ctrl-C at a terminal reaches every program of its process group. This one is in a group of its
    own, because it is to finish its file.

    Parameters
    ----------
    arguments : list of str
        What the command line says after the program's name.
    stdin, stdout : bool, default False
        Open a pipe there.
    """

    def __init__(self, arguments: list[str], *, stdin: bool = False, stdout: bool = False) -> None:
        command = [imageio_ffmpeg.get_ffmpeg_exe(), "-hide_banner", "-nostdin", *arguments]
        self._log = tempfile.TemporaryFile()  # noqa: SIM115
        self._guard: subprocess.Popen[bytes] | None = None
        self._killed = False
        try:
            with _ctrl_c_blocked():
                self.process = subprocess.Popen(
                    command,
                    stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
                    stdout=subprocess.PIPE if stdout else subprocess.DEVNULL,
                    stderr=self._log,
                    # Python ignores the signals of closed pipes and of files that grow too large,
                    # and so shall ffmpeg: it then says in words what is wrong.
                    restore_signals=False,
                    process_group=0,
                )
                self._guard = _guard(self.process)
        except BaseException:
            self._log.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def stdin(self) -> IO[bytes]:
        """What the program reads."""
        assert self.process.stdin is not None
        return self.process.stdin

    def frames(self, shape: tuple[int, int, int]) -> Iterator[Frame]:
        """Read raw frames of this shape from what the program writes, until it ends or hangs."""
        assert self.process.stdout is not None
        watch = _Watch(self.kill)
        try:
            while True:
                frame = np.empty(shape, np.uint8)
                rest = memoryview(frame.data).cast("B")
                watch.waiting = True
                while rest:
                    count = self.process.stdout.readinto(rest)  # type: ignore[attr-defined]
                    if not count:
                        return
                    rest = rest[count:]
                watch.waiting = False
                watch.given += 1
                yield frame
        finally:
            watch.stop()

    def kill(self) -> None:
        """End the program where it is."""
        if self.process.poll() is None:
            self._killed = True
            self.process.kill()

    def wait(self) -> int:
        """Close the program's input, let it end, and return its exit code."""
        if self.process.stdin is not None:
            with suppress(OSError):
                self.process.stdin.close()
        return self.process.wait()

    def log(self) -> str:
        """Return what the program has said so far."""
        self._log.seek(0)
        return self._log.read().decode(errors="replace")

    def close(self) -> None:
        """End the program if it still runs, and give back what it used."""
        self.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                with suppress(OSError):  # what could not be written
                    pipe.close()
        if self._guard is not None:
            assert self._guard.stdin is not None
            self._guard.kill()
            self._guard.wait()
            self._guard.stdin.close()
        self._log.close()

    def was_killed(self) -> bool:
        """Tell whether somebody else has killed the program. Systems do that to have memory."""
        return not self._killed and self.process.poll() == -getattr(signal, "SIGKILL", 0) != 0

    def fault(self, error: type[NstError], words: str) -> NstError:
        """Make the error for a program that failed: the words, and why."""
        self.wait()
        if self.was_killed():
            return MemoryLimitError(
                f"{words}: ffmpeg was killed, as systems do when memory runs out; a smaller size "
                "needs less"
            )
        return error(f"{words}{last_line(self.log())}")


@contextmanager
def _ctrl_c_blocked() -> Iterator[None]:
    """Block Ctrl-C for the programs that this thread starts, for as long as they run.

    They leave Python's group, which Ctrl-C interrupts, but only a moment after they have begun.
    """
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _guard(process: subprocess.Popen[bytes]) -> subprocess.Popen[bytes] | None:
    """Start what kills a program when Python is gone: its input ends then, for whatever reason.

    The guard belongs to the group that it kills. While it lives, no other group can have the same
    number. Windows has no such groups; there a program ends at its next frame, because nobody reads
    or writes its pipe.
    """
    if os.name == "nt":
        return None
    try:
        return subprocess.Popen(
            ["/bin/sh", "-c", "read _; kill -KILL 0"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            process_group=process.pid,
        )
    except OSError:  # no shell, or no room for another process: only the guard is missing
        return None


class _Watch:
    """Kills a program that lets its reader wait for too long.

    It counts ticks, not time: a computer that slept is not a program that hangs.
    """

    def __init__(self, kill: Callable[[], None]) -> None:
        self.waiting = False
        self.given = 0
        self._kill = kill
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="watch", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        ticks = given = 0
        while not self._stopped.wait(TICK):
            ticks = ticks + 1 if self.waiting and self.given == given else 0
            given = self.given
            if ticks > STALLED:
                self._kill()
                return


def run_ffmpeg(arguments: list[str]) -> tuple[int, str]:
    """Run ffmpeg to its end; return its exit code and what it said."""
    with FFmpeg(arguments) as run:
        return run.wait(), run.log()


def source(path: os.PathLike[str] | str, *, trusted: bool = False) -> list[str]:
    """Write the arguments that make a file ffmpeg's input, and nothing but a local film.

    Files that the library wrote itself are `trusted`.
    """
    # Without the prefix, a name with a colon would be taken for an address.
    guards = [] if trusted else ["-protocol_whitelist", "file", "-format_whitelist", DEMUXERS]
    return [*guards, "-i", f"file:{os.fspath(path)}"]


def system_reason(log: str) -> str | None:
    """Find what the system said about a disk or memory in what ffmpeg said.

    Examples
    --------
    >>> system_reason("[mp4 @ 0x1] Error writing trailer: No space left on device")
    'No space left on device'
    """
    return next((text for text in map(os.strerror, _REASONS) if text in log), None)


def last_line(log: str) -> str:
    """Write why ffmpeg failed, in brackets: the system's reason, or its last line.

    What tells ffmpeg's parts apart, and its conclusion, are left out.
    """
    if found := system_reason(log):
        return f" ({found})"
    lines = [re.sub(r"^(\[.* @ 0x[0-9a-f]+\] ?)+", "", line).strip() for line in log.splitlines()]
    empty = ("", "Conversion failed!", "At least one output file must be specified")
    lines = [line for line in lines if line not in empty]
    return f" ({lines[-1]})" if lines else ""
