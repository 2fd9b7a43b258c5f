"""TensorFlow and Keras, without TensorFlow's start-up notes.

TensorFlow's C++ part writes notes on processor features and absent graphics cards straight to the
terminal when it is imported, and no setting of its own stops all of them. In a lesson they stand
in red above the first result. What is imported from here is the same as by name; if the import
fails, the notes are shown after all.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator

from nstlib.errors import ArgumentError, DependencyError

backend = os.environ.get("KERAS_BACKEND", "tensorflow")
if backend != "tensorflow":
    raise ArgumentError(
        f"KERAS_BACKEND is {backend!r}; nstlib works with 'tensorflow': unset it and start again"
    )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what TensorFlow's C++ part writes off the terminal, unless an error comes of it.

    It writes to file descriptor 2, below Python's ``sys.stderr``. Where that is closed, or there
    is no place for the notes, nothing is done: a missing stderr is no reason to fail.
    """
    with contextlib.ExitStack() as opened:
        try:
            stderr = os.dup(2)
            opened.callback(os.close, stderr)
            notes = opened.enter_context(tempfile.TemporaryFile())
        except OSError:
            yield
            return
        _flush()
        os.dup2(notes.fileno(), 2)
        try:
            yield
        except (ModuleNotFoundError, KeyboardInterrupt):
            raise
        except BaseException:
            notes.seek(0)
            with contextlib.suppress(OSError):  # opened for reading only, or its disk is full
                os.write(stderr, notes.read())
            raise
        finally:
            _flush()
            os.dup2(stderr, 2)


def _flush() -> None:
    # It is None where stderr was closed when Python started, and a program may have put anything
    # in its place.
    with contextlib.suppress(Exception):
        sys.stderr.flush()


try:
    with quiet():
        import tensorflow as tf

        # Loaded on first use otherwise, with a second set of notes.
        import keras  # isort: skip
except ModuleNotFoundError as error:
    if error.name not in ("keras", "tensorflow"):
        raise
    raise DependencyError.of(error.name, "optimising pictures and training networks") from error

__all__ = ["keras", "quiet", "tf"]
