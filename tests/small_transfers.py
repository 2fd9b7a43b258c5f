"""Small transfers through a narrow network, and what their pictures look like."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nstlib.images.arrays import Image
from nstlib.optimize import Step
from nstlib.synthesis.common import Synthesis
from nstlib.synthesis.transfer import transfer_style

#: Shallow, so that runs are short; deep enough for a style to have two layers.
LAYERS = ("block1_conv1", "block2_conv1")


OPTIONS: dict[str, Any] = {
    "weights": "random",
    "style_layers": LAYERS,
    "content_layers": ("block2_conv2",),
    "iterations": 3,
    "progress": False,
}


def transfer(content: Any, style: Any, **options: Any) -> Synthesis:
    return transfer_style(content, style, **(OPTIONS | options))


def plain(*colour: float, size: tuple[int, int] = (64, 64)) -> Image:
    return np.full((*size, 3), colour, np.float32)


RED, BLUE = plain(0.9, 0.1, 0.1), plain(0.1, 0.1, 0.9)


def stopping(after: int, how: type[BaseException] | None = None) -> Callable[[Step], bool]:
    """A callback that ends the run at the call of that number."""
    calls: list[Step] = []

    def callback(step: Step) -> bool:
        calls.append(step)
        if len(calls) >= after and how:
            raise how
        return len(calls) >= after

    return callback
