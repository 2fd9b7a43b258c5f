"""Ctrl-C, and the other signals that ask a program to end, while a command runs.

A command that has nothing to keep yet is interrupted where it is. One that has calls :meth:`keep`,
asks :meth:`asked` whenever it could end, and finishes undisturbed: whoever presses Ctrl-C twice,
because the first time seems to have no effect, does not lose the result. That it has an effect is
said at once, by a thread, since Python itself hears of a signal only once TensorFlow's or OpenCV's
present computation is over.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from types import FrameType

#: Ctrl-C; what ``kill``, ``timeout`` and a machine that shuts down send; a terminal that is closed.
_NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


class Signals:
    """What came while a command ran, and whether there is something to keep.

    Attributes
    ----------
    first : int or None
        The number of the first signal.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()  # one signal may interrupt what handles another
        self.forget()

    def forget(self) -> None:
        """Begin anew, with another command."""
        self.first: int | None = None
        self._keeping = False
        self._said = False

    def keep(self) -> None:
        """From here on, signals no longer interrupt the command; it has to ask."""
        self._keeping = True

    def asked(self) -> bool:
        """Tell whether the command has been asked to end."""
        return self.first is not None

    @property
    def code(self) -> int:
        """The exit code of a command that was interrupted: 130 for Ctrl-C, 143 for SIGTERM."""
        return 128 + (self.first or signal.SIGINT)

    def say(self) -> None:
        """Say once that the command is going to end."""
        with self._lock:
            if not self._said:
                self._said = True
                # Not through sys.stderr: this may interrupt it in the middle of a line.
                begin = b"\n" if os.isatty(2) else b""
                with contextlib.suppress(OSError):
                    os.write(2, begin + b"nst: interrupted: ending ...\n")

    def _handle(self, number: int, frame: FrameType | None) -> None:
        self.first = self.first or number
        self.say()
        # Where a file is being written, its end is waited for. What waits there is known to this
        # process only once that module has been imported.
        files = sys.modules.get("nstlib._files")
        waits = files is not None and files.put_off(functools.partial(self._handle, number), frame)
        if not waits and not self._keeping:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def listening(self, *, ignore_at_the_end: bool) -> Iterator[None]:
        """Take the signals for as long as the block lasts.

        One that is ignored already, as ``nohup`` has it, stays so. With `ignore_at_the_end`, a
        process that was interrupted is not disturbed while Python ends it, either.
        """
        self.forget()
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        numbers = [getattr(signal, name) for name in _NAMES if hasattr(signal, name)]
        ignored = (signal.SIG_IGN, None)
        before = {n: signal.getsignal(n) for n in numbers if signal.getsignal(n) not in ignored}
        reader, writer = socket.socketpair()
        writer.setblocking(False)
        woken = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)

        def wait() -> None:
            while heard := reader.recv(16):
                if not before.keys().isdisjoint(heard):
                    self.say()

        teller = threading.Thread(target=wait, daemon=True)
        teller.start()
        try:
            for number in before:
                signal.signal(number, self._handle)
            yield
        finally:
            self._keeping = True
            signal.set_wakeup_fd(woken)
            writer.close()
            teller.join()
            reader.close()
            leave = ignore_at_the_end and self.first is not None
            for number, handler in before.items():
                signal.signal(number, signal.SIG_IGN if leave else handler)


#: Those of the command that runs now.
signals = Signals()
