"""What the commands share that train networks."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from nstlib._checks import counted
from nstlib.cli._outputs import duration
from nstlib.cli._run import fail_interrupted, shown
from nstlib.cli._signals import signals

Photos = Annotated[
    list[Path],
    typer.Option(
        metavar="DIR",
        help="A folder of photographs; give --photos again for another.",
        show_default=False,
    ),
]
Seed = Annotated[int, typer.Option(help="Of the weights and of what is seen.")]


def time_left(seconds: float) -> str:
    """Say how much longer a training will take; nothing at its end."""
    return f"; about {duration(seconds)} left" if seconds > 0 else ""


def asked_to_stop() -> bool:
    """Say whether to end; asked after every step: from the first on, there is a network to keep."""
    signals.keep()
    return signals.asked()


def say_written(output: Path, steps: int, began: float) -> None:
    """Say what a training wrote, after how many steps; it began at this time of `perf_counter`."""
    seconds = time.perf_counter() - began
    print(f"wrote {shown(output)}: {counted(steps, 'step')}, {duration(seconds)}")


def say_interrupted(output: Path, checkpoint: Path | None) -> int:
    """Say that a training was ended early; return the exit code."""
    return fail_interrupted(f"{output} is the network so far", checkpoint)
