"""Checks of arguments: one place and one wording for each.

Each check returns the value, as a plain number where it is one, or raises an
:class:`~nstlib.errors.ArgumentError` that names the argument as Python and as the command line
know it.
"""

from __future__ import annotations

import math
import numbers
import operator
import os
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import SupportsFloat, TypeVar

from nstlib.errors import ArgumentError

T = TypeVar("T")

#: The largest count or seed: a larger one fits neither Keras's seeds nor a progress bar.
MOST = 2**32 - 1


def check_count(name: str, value: object, least: int = 1) -> int:
    """Return a whole number that is `least` or more, and 2³² − 1 at most.

    Examples
    --------
    >>> check_count("iterations", 3)
    3
    >>> check_count("iterations", 2.5)
    Traceback (most recent call last):
    nstlib.errors.ArgumentError: iterations is 2.5; it must be a whole number, 1 or more
    """
    try:
        # True and False count as whole numbers to Python, but not to a reader.
        number = operator.index(value) if not isinstance(value, bool) else least - 1  # type: ignore[arg-type]
    except TypeError:
        number = least - 1
    if number < least:
        raise refusal(name, value, f"a whole number, {least} or more")
    if number > MOST:
        raise refusal(name, value, f"a whole number from {least} to {MOST}")
    return number


def check_number(
    name: str,
    value: object,
    *,
    least: float | None = None,
    above: float | None = None,
    most: float | None = None,
) -> float:
    """Return a finite number within the limits that are given.

    Examples
    --------
    >>> check_number("strength", 0.5, least=0, most=1)
    0.5
    >>> check_number("learning_rate", float("nan"), above=0)
    Traceback (most recent call last):
    nstlib.errors.ArgumentError: learning_rate is nan; it must be a number above 0
    """
    good = isinstance(value, numbers.Real) or getattr(value, "shape", None) == ()
    try:
        number = float(value) if good and isinstance(value, SupportsFloat) else math.nan
    except (OverflowError, TypeError, ValueError):  # too large, or an array of something else
        number = math.nan
    if (
        not math.isfinite(number)
        or (least is not None and number < least)
        or (above is not None and number <= above)
        or (most is not None and number > most)
    ):
        if least is not None and most is not None:
            accepted = f"a number from {least:g} to {most:g}"
        elif least is not None:
            accepted = f"a number, {least:g} or more"
        elif above is not None and most is not None:
            accepted = f"a number above {above:g}, {most:g} at most"
        elif above is not None:
            accepted = f"a number above {above:g}"
        else:
            accepted = "a number"
        raise refusal(name, value, accepted)
    return number


def check_choice(name: str, value: T, choices: Collection[T]) -> T:
    """Return a value that is among `choices`.

    Examples
    --------
    >>> check_choice("method", "sgd", ["lbfgs", "adam"])
    Traceback (most recent call last):
    nstlib.errors.ArgumentError: method is 'sgd'; it must be one of lbfgs, adam
    """
    # Neither hashed nor compared unless it is of the same type: an array could do neither.
    if not any(isinstance(value, type(choice)) and value == choice for choice in choices):
        raise refusal(name, value, f"one of {', '.join(map(str, choices))}")
    return value


def check_counts(
    name: str, value: object, lengths: Collection[int], accepted: str, least: int = 1
) -> tuple[int, ...]:
    """Return several whole numbers, `least` or more each, as many as `lengths` allow.

    Examples
    --------
    >>> check_counts("channels", [16, 48], (2, 3), "two or three whole numbers")
    (16, 48)
    >>> check_counts("channels", 16, (2, 3), "two or three whole numbers")
    Traceback (most recent call last):
    nstlib.errors.ArgumentError: channels is 16; it must be two or three whole numbers
    """
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) not in lengths:
        raise refusal(name, value, accepted)
    try:
        return tuple(check_count(name, number, least) for number in value)
    except ArgumentError as error:
        raise refusal(name, value, accepted) from error


def check_kind(name: str, value: T, kinds: type | tuple[type, ...], accepted: str) -> T:
    """Return a value of one of these types.

    Examples
    --------
    >>> check_kind("features", None, dict, "a dict of feature maps by layer")
    Traceback (most recent call last):
    nstlib.errors.ArgumentError: features is None; it must be a dict of feature maps by layer
    """
    if not isinstance(value, kinds):
        raise refusal(name, value, accepted)
    return value


def check_path(name: str, value: object, accepted: str = "the path of a file") -> Path:
    """Return a path that is given as text or as a :class:`~pathlib.Path`.

    Examples
    --------
    >>> check_path("path", "out.png").suffix
    '.png'
    >>> check_path("path", None)
    Traceback (most recent call last):
    nstlib.errors.ArgumentError: path is None; it must be the path of a file
    """
    path = os.fspath(value) if isinstance(value, os.PathLike) else value
    if not isinstance(path, str) or not path:
        # The command line calls a path by what it is for, not by the argument's name.
        raise ArgumentError(f"{name} is {shown(value)}; it must be {accepted}")
    return Path(path)


def check_function(name: str, value: T, accepted: str) -> T:
    """Return what can be called.

    Examples
    --------
    >>> check_function("callback", 3, "a function that takes a Step")
    Traceback (most recent call last):
    nstlib.errors.ArgumentError: callback is 3; it must be a function that takes a Step
    """
    if not callable(value):
        raise refusal(name, value, accepted)
    return value


def refusal(
    name: str, value: object, accepted: str, *, command: str | None = None
) -> ArgumentError:
    """Make the error for an argument of this name that must be something else.

    `command` says what the command line accepts, if that is not the same.
    """
    plain = value
    if getattr(value, "shape", None) == ():  # a number of NumPy's or TensorFlow's
        plain = getattr(value, "numpy", lambda: value)()
        plain = getattr(plain, "item", lambda: value)()
    return ArgumentError(
        f"{name} is {shown(plain)}; it must be {accepted}",
        command=f"--{name.replace('_', '-')} is {cut(str(plain))}; it must be "
        f"{accepted if command is None else command}",
    )


def shown(value: object) -> str:
    """Write a value of any kind in one short line, for messages.

    Examples
    --------
    >>> import numpy as np
    >>> shown(2.5), shown(np.zeros((4, 6), np.float32))
    ('2.5', 'an array of shape (4, 6)')
    """
    try:
        # Tensors have shapes of other types.
        if shape := tuple(getattr(value, "shape", ())):
            return f"an array of shape {shape}"
        return cut(repr(value))
    except Exception:  # an object of somebody else's class
        return f"a {type(value).__name__}"


def counted(count: int, what: str) -> str:
    """Write how many there are of something whose plural ends in s.

    Examples
    --------
    >>> counted(0, "frame"), counted(1, "frame"), counted(2, "frame")
    ('0 frames', '1 frame', '2 frames')
    """
    return f"{count} {what}{'' if count == 1 else 's'}"


def cut(text: str, most: int = 80) -> str:
    """Put a text into one line, and leave out the end of a long one."""
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[:most]}…"
