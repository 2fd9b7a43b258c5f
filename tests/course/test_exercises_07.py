"""Right and wrong answers to the exercises of lesson 07, faster."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from exercise_tests import ExerciseTests, Right, Wrong

pytest.importorskip("tensorflow")


def by_parts(seconds: Any, factors: Any) -> float:
    new = 0.0
    for second, factor in zip(seconds, factors, strict=True):
        new += second / factor
    return float(sum(seconds)) / new


def first_place(evaluations: Any, losses: Any, goal: Any) -> Any:
    """Look at one number of evaluations after another."""
    for place, count in enumerate(evaluations):
        if min(row[place] for row in losses) <= goal:
            return count
    return math.inf


def of_row(row: int) -> Any:
    return lambda evaluations, losses, goal: first_place(evaluations, losses[row][None], goal)


def adam(
    gradients: Any, rate: Any, b: float = 0.9, c: float = 0.999, first: int = 1, second: int = 1
) -> Any:
    """Adam without running sums: each mean from all gradients so far, weighted by their age."""
    x = 0.0
    for n in range(1, len(gradients) + 1):
        g, age = np.asarray(gradients[:n], float), np.arange(n)[::-1]
        m, v = (1 - b) * np.sum(b**age * g), (1 - c) * np.sum(c**age * g * g)
        m, v = m / (1 - b**n) ** first, v / (1 - c**n) ** second
        x = x - rate * m / (math.sqrt(v) + 1e-7)
    return x


def other_adam(gradients: Any, rate: Any, size: Any, keep: bool = False) -> Any:
    x = m = v = 0.0
    for n, g in enumerate(gradients, start=1):
        m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * size(g)
        mean, spread = m / (1 - 0.9**n), v / (1 - 0.999**n)
        m, v = (mean, spread) if keep else (m, v)
        x -= rate * mean / ((spread if size(2) == 4 and not keep else math.sqrt(spread)) + 1e-7)
    return x


def counted_from_0(gradients: Any, rate: Any) -> Any:
    with np.errstate(all="ignore"):
        x = m = v = np.float64(0)
        for n, g in enumerate(gradients):
            m, v = 0.9 * m + 0.1 * g, 0.999 * v + 0.001 * g * g
            x -= rate * m / (1 - 0.9**n) / (np.sqrt(v / (1 - 0.999**n)) + 1e-7)
    return x


RIGHT: Right = {
    "overall_speedup": [
        by_parts,
        lambda seconds, factors: 1 / np.sum(seconds / np.sum(seconds) / factors),
    ],
    "fewest_evaluations": [
        first_place,
        lambda evaluations, losses, goal: min(
            [e for e, low in zip(evaluations, losses.min(axis=0), strict=True) if low <= goal],
            default=np.inf,
        ),
    ],
    "adam_path": [adam, lambda gradients, rate: np.float32(adam(gradients, rate))],
}

# Each line: a wrong answer, and words of the hint that it must get.
WRONG: Wrong = {
    "overall_speedup": [
        (lambda seconds, factors: np.prod(factors), "factors are multiplied"),  # noqa: ARG005
        (lambda seconds, factors: np.mean(factors), "mean of the factors"),  # noqa: ARG005
        (lambda seconds, factors: np.average(factors, weights=seconds), "weighted by the old"),
        (
            lambda seconds, factors: 1 / np.mean(1 / factors),  # noqa: ARG005
            "each part counts alike",
        ),
        (lambda seconds, factors: max(factors), "largest factor"),  # noqa: ARG005
        (lambda seconds, factors: 1 / by_parts(seconds, factors), "upside down"),
        (lambda seconds, factors: sum(seconds) / by_parts(seconds, factors), "the new time"),
        (
            lambda seconds, factors: sum(seconds) - sum(seconds) / by_parts(seconds, factors),
            "seconds that are saved",
        ),
        (lambda seconds, factors: 1 - 1 / by_parts(seconds, factors), "share of the time"),
        (lambda seconds, factors: sum(seconds) / (seconds @ factors), "makes the run slower"),
        (lambda seconds, factors: seconds / (seconds / factors), "one value for each part"),
    ],
    "fewest_evaluations": [
        (
            lambda evaluations, losses, goal: (
                list(evaluations).index(found)
                if (found := first_place(evaluations, losses, goal)) < math.inf
                else found
            ),
            "a place in the table",
        ),
        (of_row(0), "only the first setting"),
        (of_row(-1), "only the last setting"),
        (
            lambda evaluations, losses, goal: of_row(int(np.argmin(losses[:, -1])))(
                evaluations, losses, goal
            ),
            "lowest loss at the end",
        ),
        (
            lambda evaluations, losses, goal: first_place(
                evaluations, losses.mean(axis=0, keepdims=True), goal
            ),
            "averaged before",
        ),
        (
            lambda evaluations, losses, goal: first_place(
                evaluations, losses.max(axis=0, keepdims=True), goal
            ),
            "all settings have arrived",
        ),
        (
            lambda evaluations, losses, goal: min(
                (
                    evaluations[np.flatnonzero(np.append(True, row > goal))[-1]]
                    for row in losses
                    if row[-1] <= goal
                ),
                default=math.inf,
            ),
            "stays below the goal",
        ),
        (
            lambda evaluations, losses, goal: first_place(
                evaluations, losses, np.nextafter(goal, 0)
            ),
            "use <=",
        ),
        (
            lambda evaluations, losses, goal: min(
                first_place(evaluations, losses, goal), evaluations[-1]
            ),
            "return np.inf",
        ),
        (
            lambda evaluations, losses, goal: evaluations[np.argmax((losses <= goal).any(axis=0))],
            "argmax of nothing but False",
        ),
    ],
    "adam_path": [
        (lambda gradients, rate: -adam(gradients, rate), "uphill"),
        (lambda gradients, rate: -rate * sum(gradients), "plain gradient descent"),
        (lambda gradients, rate: -rate * sum(np.sign(gradients)), "only the gradient's sign"),
        (
            lambda gradients, rate: adam(gradients, rate) - adam(gradients[:-1], rate),
            "last step alone",
        ),
        (
            lambda gradients, rate: adam(gradients, rate, first=0, second=0),
            "m and v are not divided",
        ),
        (counted_from_0, "n begins at 1"),
        (lambda gradients, rate: adam(gradients, rate, first=0), "m is not divided"),
        (lambda gradients, rate: adam(gradients, rate, second=0), "v is not divided"),
        (lambda gradients, rate: adam(gradients, rate, b=0.999, c=0.9), "are exchanged"),
        (lambda gradients, rate: other_adam(gradients, rate, lambda g: g * g), "root is missing"),
        (lambda gradients, rate: other_adam(gradients, rate, abs), "mean of sizes"),
        (
            lambda gradients, rate: other_adam(gradients, rate, lambda g: g * g, keep=True),
            "stored and used again",
        ),
    ],
}


class TestExercises(ExerciseTests):
    lesson = "07"
    right = RIGHT
    wrong = WRONG
