"""Checks of the exercises of lesson 07, faster."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nstlib.course.exercises._engine import (
    Answer,
    Array,
    Wrong,
    choice,
    compare,
    exercise,
    try_answer,
)

choice(
    "costliest_block",
    "Convolutions of 64 to 64 channels in block 1, 128 to 128 in block 2, 256 to 256 in block 3 "
    "and 512 to 512 in block 4, each block at half the height and width: which one costs most?",
    right="c",
    a="there are 64 times as many positions as in block 4; now count the numbers in the kernels.",
    b="its kernel has 64 times as many numbers as that of block 1; now count the positions.",
    c="Four times the numbers in the kernel, a quarter of the positions: 36,864 multiplications a "
    "pixel in all four.",
    d="going down one block changes both numbers, each by the same factor. Which way does each go?",
)

choice(
    "one_network",
    "A transfer runs two networks, one for the style and one for the content. What does one "
    "network with all outputs change?",
    right="b",
    a="two Keras models are two graphs, even where they share weights; TensorFlow runs both.",
    b="The content's network is the style's with one layer more, so nearly everything was computed "
    "twice. The outputs are the same numbers.",
    c="the same layers with the same weights give the same features, whoever asks for them.",
    d="an output costs nothing by itself; its way from the picture does. What do both networks "
    "compute?",
)

choice(
    "farthest_pixel",
    "With Adam at a learning rate of 0.001, how far has the farthest pixel come after 120 steps?",
    right="b",
    a="that is a single step.",
    b="A step is about as long as the learning rate, so 120 of them come to about 0.12.",
    c="plain gradient descent is like that. By what does Adam divide the gradient?",
    d="from black to white are 1,000 steps of this length.",
)

choice(
    "whole_run",
    "How many steps of the classic recipe do as many multiplications as a whole run of 20 "
    "iterations at each of four sizes through the twin?",
    right="a",
    a="Some eighty evaluations, of which those at small sizes count little, through a network "
    "with a tenth of the multiplications, once instead of twice.",
    b="that would be too few even for a recipe that looked once through the twin, as the run does. "
    "How many times as much does a step of the recipe cost?",
    c="that is more than the whole run has evaluations, and each costs the recipe more.",
    d="then the recipe would cost no more than the run. How much larger are its two networks?",
)


def overall_speedup(seconds: Array, factors: Array) -> float:
    """Return how many times faster a run becomes when its parts do (Amdahl 1967).

    `seconds` (N,) is what each part of the run took, `factors` (N,) how many times faster each has
    become; 1 where nothing has changed.
    """
    return float(np.sum(seconds) / np.sum(seconds / factors))


@exercise(overall_speedup)
def _check_overall_speedup(answer: Answer) -> str:
    saved = "these are the seconds that are saved; divide the old time by the new."
    compare(
        answer,
        overall_speedup,
        [
            (np.array([80.0, 20.0]), np.array([10.0, 1.0])),
            (np.array([6.0, 3.0, 1.0]), np.array([2.0, 4.0, 1.0])),
        ],
        [
            (
                "the factors are multiplied; that is right only where each speeds up the whole "
                "run. Add up the parts' new times.",
                lambda _, f: f.prod(),
            ),
            (
                "this is the mean of the factors; a part counts by its time: add up the new times.",
                lambda _, f: f.mean(),
            ),
            (
                "the factors are averaged, weighted by the old times; add up the new times, "
                "seconds / factors, instead.",
                lambda s, f: (s * f).sum() / s.sum(),
            ),
            (
                "each part counts alike; weight it by its seconds.",
                lambda _, f: f.size / (1 / f).sum(),
            ),
            ("the factors are added; add up the parts' new times.", lambda _, f: f.sum()),
            (
                "this is the largest factor; the parts that stayed slow hold up the run.",
                lambda _, f: f.max(),
            ),
            (
                "the ratio is upside down: the old time stands above the line.",
                lambda s, f: (s / f).sum() / s.sum(),
            ),
            (
                "this is the new time; divide the old time by it.",
                lambda s, f: (s / f).sum(),
            ),
            (saved, lambda s, f: (s - s / f).sum()),
            (
                "this is the share of the time that is saved; divide the old time by the new.",
                lambda s, f: 1 - (s / f).sum() / s.sum(),
            ),
            (
                "the seconds are multiplied by the factors, which makes the run slower; divide.",
                lambda s, f: s.sum() / (s * f).sum(),
            ),
            (
                "this is one value for each part; add up the times first.",
                lambda s, f: s / (s / f),
            ),
            (
                "this is one value for each part; add up the times first.",
                lambda s, f: s / f,
            ),
        ],
    )
    return "If 80 % of the whole shrink to a tenth, 28 % of it are left: 3.57 times less."


def fewest_evaluations(evaluations: Array, losses: Array, goal: float) -> float:
    """Return after how many evaluations the best of a method's settings has reached a goal.

    `losses` (R, N) are those of R settings after `evaluations` (N,). Infinity if none comes down to
    `goal`; a loss equal to it counts.
    """
    arrived = np.asarray(evaluations)[(np.asarray(losses) <= goal).any(axis=0)]
    return float(arrived.min()) if arrived.size else float("inf")


@exercise(fewest_evaluations)
def _check_fewest_evaluations(answer: Answer) -> str:
    evaluations = np.array([2, 5, 9, 14, 20])
    losses = np.array(
        [
            [9.0, 8.0, 6.5, 5.0, 1.0],  # the lowest in the end
            [9.0, 5.0, 2.0, 4.0, 3.0],  # the first to arrive, and it rises again
            [9.0, 8.5, 8.0, 7.0, 6.0],
        ]
    )

    def first(arrived: Any, e: Array) -> float:
        return float(e[arrived].min()) if arrived.any() else float("inf")

    def of_one(choose: Callable[[Array], int]) -> Answer:
        return lambda e, x, g: first(x[choose(x)] <= g, e)

    def stays(e: Array, x: Array, g: float) -> float:
        below = np.flip(np.logical_and.accumulate(np.flip(x <= g, axis=1), axis=1), axis=1)
        return first(below.any(axis=0), e)

    compare(
        answer,
        fewest_evaluations,
        [
            (evaluations, losses, 2.0),
            (evaluations, losses, 0.5),
            (evaluations, losses[::-1], 5.5),
            (evaluations, losses[[2, 0]], 6.25),
            (evaluations, losses[[1]], 2.5),
        ],
        [
            (
                "this is a place in the table; return what `evaluations` holds there.",
                lambda _, x, g: (
                    float(np.flatnonzero((x <= g).any(axis=0))[0])
                    if (x <= g).any()
                    else float("inf")
                ),
            ),
            (
                "only the first setting is looked at; the method is as good as its best one.",
                of_one(lambda _: 0),
            ),
            (
                "only the last setting is looked at; the method is as good as its best one.",
                of_one(lambda _: -1),
            ),
            (
                "this is the setting with the lowest loss at the end; another one may have "
                "reached the goal before.",
                of_one(lambda x: int(x[:, -1].argmin())),
            ),
            (
                "the settings are averaged before the goal is looked for; a poor setting then "
                "spoils the best one.",
                lambda e, x, g: first(x.mean(axis=0) <= g, e),
            ),
            (
                "this waits until all settings have arrived; one is enough.",
                lambda e, x, g: first((x <= g).all(axis=0), e),
            ),
            (
                "this waits until the loss stays below the goal; it has been reached before.",
                stays,
            ),
            (
                "a loss equal to the goal has reached it: use <=.",
                lambda e, x, g: first((x < g).any(axis=0), e),
            ),
            (
                "where no setting arrives this gives the last number of evaluations, as if it had "
                "been reached then; return np.inf.",
                lambda e, x, g: float(e[-1]) if (x > g).all() else fewest_evaluations(e, x, g),
            ),
            (
                "where no setting arrives this gives the first number of evaluations: argmax of "
                "nothing but False is 0. Return np.inf.",
                lambda e, x, g: float(e[(x <= g).any(axis=0).argmax()]),
            ),
        ],
    )
    return "The best setting counts, the goal is the same for all, and never means infinity."


def adam_path(gradients: Array, rate: float) -> float:
    """Return where Adam (Kingma and Ba 2015) takes a number that begins at 0.

    `gradients` (N,) are what it meets, one a step; β₁ is 0.9, β₂ is 0.999 and ε is 10⁻⁷.
    """
    return _adam(gradients, rate)


def _adam(
    gradients: Array,
    rate: float,
    *,
    betas: tuple[float, float] = (0.9, 0.999),
    corrected: tuple[bool, bool] = (True, True),
    stored: bool = False,
    root: bool = True,
    squared: bool = True,
) -> float:
    x = m = v = 0.0
    for n, g in enumerate(np.asarray(gradients, np.float64), start=1):
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * (g * g if squared else abs(g))
        mean = m / (1 - betas[0] ** n) if corrected[0] else m
        size = v / (1 - betas[1] ** n) if corrected[1] else v
        if stored:
            m, v = mean, size
        x -= rate * mean / ((size**0.5 if root else size) + 1e-7)
    return float(x)


@exercise(adam_path)
def _check_adam_path(answer: Answer) -> str:
    mixed = np.array([0.5, 2.0, -1.0, 0.25, 3.0, -0.5])
    burst = np.append(np.full(20, 0.125), np.full(5, 4.0))

    def plain(gradients: Array, rate: float) -> float:
        return float(-rate * np.sum(gradients))

    def signs(gradients: Array, rate: float) -> float:
        return float(-rate * np.sum(np.sign(gradients)))

    def last(gradients: Array, rate: float) -> float:
        return adam_path(gradients, rate) - adam_path(gradients[:-1], rate)

    result, _ = try_answer(answer, (mixed, 0.5))
    if result.shape == () and np.isnan(result):
        raise Wrong("the first step divides by 0: n begins at 1, since 1 - 0.9⁰ is 0.")
    compare(
        answer,
        adam_path,
        [(mixed, 0.5), (burst, 0.01)],
        [
            (
                "it goes uphill: a step is taken against the gradient.",
                lambda g, r: -adam_path(g, r),
            ),
            ("this is plain gradient descent; divide by the gradient's usual size.", plain),
            ("only the gradient's sign is used; m and v remember sizes as well.", signs),
            ("this is the last step alone; add them all up.", last),
            (
                "m and v are not divided by 1 - 0.9ⁿ and 1 - 0.999ⁿ: they begin at 0, and are too "
                "small at first.",
                lambda g, r: _adam(g, r, corrected=(False, False)),
            ),
            (
                "m is not divided by 1 - 0.9ⁿ: it begins at 0, and is too small at first.",
                lambda g, r: _adam(g, r, corrected=(False, True)),
            ),
            (
                "v is not divided by 1 - 0.999ⁿ: it begins at 0, and is too small at first.",
                lambda g, r: _adam(g, r, corrected=(True, False)),
            ),
            (
                "the corrected m and v are stored and used again at the next step; keep both.",
                lambda g, r: _adam(g, r, stored=True),
            ),
            (
                "the root is missing: v is a mean of squares.",
                lambda g, r: _adam(g, r, root=False),
            ),
            (
                "v is a mean of sizes here; it should be one of squares.",
                lambda g, r: _adam(g, r, squared=False),
            ),
            (
                "0.9 and 0.999 are exchanged: m forgets sooner than v.",
                lambda g, r: _adam(g, r, betas=(0.999, 0.9)),
            ),
        ],
    )
    return "As many learning rates as steps, where gradients agree; hardly any, where they don't."
