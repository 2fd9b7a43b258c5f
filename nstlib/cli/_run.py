"""Run a command: exit codes, errors and warnings as one line on stderr, streams that can be closed.

Nothing that a library warns of is shown, except what nstlib itself wants to be known.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TextIO

import typer

from nstlib._checks import cut
from nstlib.cli._signals import signals
from nstlib.errors import DependencyError, MemoryLimitError, NstError, NstWarning


def run(application: typer.Typer, name: str, arguments: Sequence[str] | None = None) -> int:
    """Run one of an application's commands, as :func:`main` does."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    command = typer.main.get_command(application)
    _prepare_streams()
    if (empty := _empty(given)) is not None:
        return fail(empty, 2)
    try:
        with (
            signals.listening(ignore_at_the_end=arguments is None),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")
            warnings.simplefilter("always", NstWarning)
            warnings.showwarning = _show
            code = _invoke(command, given, name)
    except KeyboardInterrupt:
        code = 130
    return signals.code if code == 130 else code


def _invoke(command: Any, given: list[str], name: str) -> int:
    try:
        code = command.main(given or ["--help"], prog_name=name, standalone_mode=False)
        sys.stdout.flush()
        return code or 0
    except BrokenPipeError:
        # Whoever read the output has seen enough. Python's flush at the end must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except MemoryLimitError as error:
        return fail(error.command, 1)
    except NstError as error:
        return fail(error.command, 2)
    except typer.Abort:
        return 130
    except Exception as error:
        from nstlib._memory import ran_out

        if ran_out(error):
            return fail(f"memory ran out: {_relief(command, given)}", 1)
        if isinstance(error, OSError):
            from nstlib._files import reason

            where = f"{error.filename}: " if error.filename else ""
            return fail(f"{where}{reason(error)}", 2)
        # Usage errors are click's, or those of the copy of click that is part of newer Typers.
        if not hasattr(error, "format_message"):
            raise
        context = getattr(error, "ctx", None)
        where = context.command_path if context else _called(command, given, name)[1]
        return fail(f"{_not_a_number(error) or error.format_message()} (see {where} --help)", 2)


def _empty(given: Sequence[str]) -> str | None:
    """Say which argument is empty. To Python, a path of no letters is the present folder."""
    for before, word in zip(["", *given], given, strict=False):
        option = re.fullmatch(r"(--[\w-]+)=", word)
        if option or not word:
            name = option[1] if option else before if before.startswith("-") else "an argument"
            return f"{name} is empty; give it a value (is a variable of the shell not set?)"
    return None


def _not_a_number(error: Any) -> str | None:
    """Say what an option was given that is no number; newer Typers leave that out."""
    faults: list[dict[str, Any]] = getattr(error.__cause__, "errors", list)()
    accepted = {"int": "a whole number", "float": "a number"}
    kind = faults[0]["type"].partition("_")[0] if len(faults) == 1 else None
    if kind not in accepted:
        return None
    return f"{error.param.opts[0]} is {cut(str(faults[0]['input']))}; it must be {accepted[kind]}"


def _called(command: Any, given: Sequence[str], name: str) -> tuple[Any, str]:
    """Return the command that is called, and its name with those of its groups."""
    for word in given:
        inner = getattr(command, "commands", {})
        if word not in inner:
            break
        command, name = inner[word], f"{name} {word}"
    return command, name


def _relief(command: Any, given: Sequence[str]) -> str:
    """Say what needs less memory, in options that the command has."""
    command, _ = _called(command, given, "")
    options = {option for parameter in command.params for option in parameter.opts}
    helpful = [option for option in ("--size", "--batch", "--jobs") if option in options]
    return f"give a smaller {' or '.join(helpful)}" if helpful else "end other programs first"


def _show(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    del category, filename, lineno, file, line
    say(str(message))


def _prepare_streams() -> None:
    """Let prints never fail: not on a stream that is closed, nor on letters that it cannot take."""
    # The next file that is opened would get a closed stream's number, and what TensorFlow writes
    # to stderr would get into it.
    with contextlib.suppress(OSError):
        while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
            pass
        os.close(number)
    for stream in ("stdout", "stderr"):
        if getattr(sys, stream) is None:
            setattr(sys, stream, open(os.devnull, "w"))  # noqa: PTH123, SIM115 - until the end
        with contextlib.suppress(Exception):  # whatever a program has put in its place
            getattr(sys, stream).reconfigure(errors="backslashreplace")


def printable(text: str) -> str:
    """Put "?" for what a terminal would obey: names of files can hold it."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


def shown(file: str | Path) -> str:
    """Write a file's name so that any terminal can show it."""
    return printable(typer.format_filename(file))


def say(message: str) -> None:
    """Write one line to stderr."""
    line = printable(" ".join(message.splitlines()))
    with contextlib.suppress(OSError):  # nobody reads it, or its disk is full
        print("nst:", line, file=sys.stderr, flush=True)


def fail(message: str, code: int) -> int:
    """Say what went wrong; return the exit code."""
    say(message)
    return code


def fail_interrupted(kept: str, checkpoint: Path | None) -> int:
    """Say that a run was ended early, what is kept of it, and what it can go on from."""
    there = checkpoint is not None and checkpoint.exists()
    again = f"; the same command goes on from {checkpoint}" if there else ""
    return fail(f"interrupted; {kept}{again}", 130)


def fail_to_start(error: Exception) -> int:
    """Say what a missing or broken TensorFlow, or another Keras backend, raised."""
    if isinstance(error, DependencyError):
        return fail(error.command, 2)
    return fail(f"{type(error).__name__}: {error}; run nst doctor to learn what to do", 1)
