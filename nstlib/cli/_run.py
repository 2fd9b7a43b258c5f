"""Run a command: exit codes, and errors as one line on stderr."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import typer

from nstlib.errors import DependencyError, NstError


def run(application: typer.Typer, name: str, arguments: Sequence[str] | None = None) -> int:
    """Run one of an application's commands, as :func:`main` does."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    command = typer.main.get_command(application)
    try:
        code = command.main(given or ["--help"], prog_name=name, standalone_mode=False)
        sys.stdout.flush()
        return code or 0
    except BrokenPipeError:
        # Whoever read the output has seen enough. Python's flush at the end must not fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (NstError, OSError) as error:
        return fail(error.command if isinstance(error, NstError) else str(error), 2)
    except typer.Abort:
        return 130
    except Exception as error:
        # Usage errors are click's, or those of the copy of click that is part of newer Typers.
        if not hasattr(error, "format_message"):
            raise
        context = getattr(error, "ctx", None)
        where = context.command_path if context else name
        return fail(f"{error.format_message()} (see {where} --help)", 2)


def fail(message: str, code: int) -> int:
    print("nst:", " ".join(message.splitlines()), file=sys.stderr)
    return code


def fail_to_start(error: Exception) -> int:
    """Say what a missing or broken TensorFlow, or another Keras backend, raised."""
    if isinstance(error, DependencyError):
        return fail(error.command, 2)
    return fail(f"{type(error).__name__}: {error}; run nst doctor to learn what to do", 1)
