"""Losses with known minima, and runs that find them, for the tests of the loop."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nstlib._tensorflow import tf
from nstlib.images.resizing import resize
from nstlib.optimize import Loss, Result, Step, minimize_image
from nstlib.scales import coarse_to_fine

SHAPE = (4, 5, 3)
GREY = np.full(SHAPE, 0.5, np.float32)
TARGET = np.random.default_rng(0).uniform(0.05, 0.95, SHAPE).astype(np.float32)


def towards(target: NDArray[np.float32], scale: float = 1.0) -> Loss:
    return lambda x: scale * tf.reduce_mean((x - target) ** 2)


def valley(x: Any) -> Any:
    """A quadratic whose curvature differs a thousandfold between pixels."""
    stiffness = np.logspace(0, 3, TARGET.size, dtype=np.float32).reshape(SHAPE)
    return tf.reduce_mean(stiffness * (x - TARGET) ** 2)


def run(loss: Loss, image: Any = GREY, **options: Any) -> Result:
    options = {"iterations": 20, "progress": False} | options
    return minimize_image(loss, image, **options)


SIZES = [(3, 4), (6, 8), (12, 16)]
COUNTS = [1, 2, 1]  # with the start at each size: steps 0 1, 1 2 3, 3 4
GOAL = np.random.default_rng(2).uniform(0.1, 0.9, (12, 16, 3)).astype(np.float32)


class Ascent:
    """Runs towards one picture at several sizes, and remembers what was visited."""

    def __init__(self) -> None:
        self.sizes: list[tuple[int, int]] = []
        self.steps: list[Step] = []
        self.act: Callable[[Step], object] = lambda _: None

    def loss_at(self, size: tuple[int, int]) -> Loss:
        self.sizes.append(size)
        return towards(resize(GOAL, size))

    def callback(self, step: Step) -> object:
        self.steps.append(step)
        return self.act(step)

    def __call__(self, **options: Any) -> Result:
        defaults: dict[str, Any] = {
            "loss_at": self.loss_at,
            "start": np.full((12, 16, 3), 0.5, np.float32),
            "sizes": SIZES,
            "iterations": COUNTS,
            "method": "adam",
            "callback": self.callback,
            "progress": False,
        }
        return coarse_to_fine(**(defaults | options))

    def after(self, number: int, act: Callable[[], object]) -> Ascent:
        """Do something after so many steps, the start at each size included."""
        self.act = lambda _: act() if len(self.steps) == number else None
        return self


def interrupt() -> None:
    raise KeyboardInterrupt
