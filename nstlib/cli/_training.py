"""What the commands share that train networks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from nstlib.cli._outputs import duration
from nstlib.cli._run import fail_interrupted
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


def say_interrupted(output: Path, checkpoint: Path | None) -> int:
    """Say that a training was ended early; return the exit code."""
    return fail_interrupted(f"{output} is the network so far", checkpoint)
