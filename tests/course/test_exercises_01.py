"""Right and wrong answers to the exercises of lesson 01, the mathematics you need."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from exercise_tests import Answer, ExerciseTests, Right, Wrong

tf = pytest.importorskip("tensorflow")


def differences(ahead: float, behind: float, divisor: float) -> Answer:
    """Return slopes from the loss at `ahead` and at `behind` nudges."""

    def answer(loss: Any, image: Any) -> Any:
        slopes = []
        for i in range(image.size):
            nudge = np.zeros(image.size)
            nudge[i] = 1e-3
            nudge = nudge.reshape(image.shape)
            slopes.append((loss(image + ahead * nudge) - loss(image - behind * nudge)) / divisor)
        return np.reshape(slopes, image.shape)

    return answer


def in_place(loss: Any, image: Any) -> Any:
    slopes = on_a_copy(loss, image)
    image += 1e-3
    return slopes


def on_a_copy(loss: Any, image: Any) -> Any:
    slopes = np.zeros(image.shape)
    for place in np.ndindex(image.shape):
        ahead, behind = image.copy(), image.copy()
        ahead[place] += 1e-3
        behind[place] -= 1e-3
        slopes[place] = (loss(ahead) - loss(behind)) / 2e-3
    return slopes


def centred(image: Any) -> Any:
    F = image.reshape(-1, image.shape[-1])
    return F - F.mean(axis=0)


def correlation_of(F: Any) -> Any:
    C = F.T @ F
    return C / np.sqrt(np.diag(C)[:, None] * np.diag(C))


def with_three_bugs(image: Any) -> Any:
    F = image.reshape(image.shape[-1], -1).T
    F = F - F.mean()
    C = F.T @ F
    return C / np.diag(C)


def laplacian(side: int) -> Any:
    kernel = np.zeros((side, side))
    middle = side // 2
    for y, x in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        kernel[middle + y, middle + x] = -0.25
    kernel[middle, middle] = 1
    return kernel


def not_put_back(loss: Any, image: Any) -> Any:
    slopes = np.zeros(image.shape)
    for place in np.ndindex(image.shape):
        image[place] += 1e-3
        ahead = loss(image)
        image[place] -= 2e-3
        slopes[place] = (ahead - loss(image)) / 2e-3
    return slopes


def lopsided(side: int) -> Any:
    kernel = np.zeros((side, side))
    kernel[side // 2, side // 2], kernel[side // 2, 0] = 1, -1
    return kernel


RIGHT: Right = {
    "numerical_gradient": [
        on_a_copy,
        differences(1, 1, 2e-3),
        lambda loss, image: tf.constant(on_a_copy(loss, image)),
    ],
    "one_step_rate": [
        lambda kernel: 0.5 / np.linalg.norm(kernel) ** 2,
        lambda kernel: 1 / (2 * tf.reduce_sum(kernel**2)),
        lambda kernel: 1 / np.vdot(kernel, 2 * kernel),
    ],
    "channel_correlation": [
        lambda image: np.corrcoef(image.reshape(-1, image.shape[-1]), rowvar=False),
        lambda image: correlation_of(centred(image)),
        lambda image: tf.constant(correlation_of(centred(image) * 7)),
    ],
    "dot_kernel": [
        laplacian,
        lambda side: np.pad(laplacian(3), (side - 3) // 2),
        lambda side: tf.constant(laplacian(side)),
    ],
}

# Each line: a wrong answer, and words of the hint that it must get.
WRONG: Wrong = {
    "numerical_gradient": [
        (differences(1, 0, 1e-3), "one side only; take the loss behind"),
        (differences(0, 1, 1e-3), "one side only; take the loss ahead"),
        (differences(1, 1, 1e-3), "divide by 2h"),
        (differences(1, 1, 1), "not divided"),
        (differences(-1, -1, 2e-3), "the sign is wrong"),
        (not_put_back, "is not put back"),
        (differences(10, 10, 2e-2), "nearly the right value"),
        (lambda loss, x: on_a_copy(loss, x).ravel(), "in one row"),
        (
            lambda loss, x: np.full(x.shape, (loss(x + 1e-3) - loss(x - 1e-3)) / 2e-3),
            "all numbers are nudged at once",
        ),
        (lambda loss, x: (loss(x + 1e-3) - loss(x - 1e-3)) / 2e-3, "this is one number"),
        (in_place, "changes the array it was given"),
    ],
    "one_step_rate": [
        (lambda kernel: 1 / np.sum(kernel**2), "the 2 of the square's slope"),
        (lambda kernel: 1 / (2 * np.abs(kernel).sum()), "twice"),
        (lambda kernel: 0.25, "for the step of two pixels alone"),  # noqa: ARG005
        (lambda kernel: 0.5 / np.linalg.norm(kernel), "the length of the kernel"),
        (lambda kernel: 2 * np.sum(kernel**2), "what the error is multiplied by"),
        (lambda kernel: 1 / (2 * kernel.sum()) if kernel.sum() else 0.25, "may be 0"),
        (lambda kernel: 1 / (2 * kernel**2), "should be one number"),
    ],
    "channel_correlation": [
        (with_three_bugs, "mistakes are all still there"),
        (lambda image: np.cov(image.reshape(-1, 3).T), "divided by N - 1"),
        (
            lambda image: correlation_of(
                (f := image.reshape(image.shape[-1], -1).T) - f.mean(axis=0)
            ),
            "positions and channels are mixed up",
        ),
        (lambda image: correlation_of(image.reshape(-1, 3)), "means are not taken off"),
        (lambda image: correlation_of(image.reshape(-1, 3) - image.mean()), "one mean is taken"),
        (lambda image: np.cov(image.reshape(-1, 3).T, bias=True), "this is the covariance"),
        (
            lambda image: (c := np.cov(image.reshape(-1, 3).T)) / np.diag(c),
            "each column is divided by a variance",
        ),
        (lambda image: correlation_of(centred(image).T), "correlations of positions"),
        (lambda image: abs(correlation_of(centred(image))), "the signs are gone"),
    ],
    "dot_kernel": [
        (lambda side: np.pad([[1.0]], side // 2), "add up to 0"),
        (lambda side: -laplacian(side), "under its middle should give 1"),
        (lopsided, "from left to right"),
        (lambda side: lopsided(side).T, "from top to bottom"),
        (lambda side: laplacian(side)[0], "should be of shape (3, 3)"),
        (lambda side: laplacian(3), "should be of shape (5, 5)"),  # noqa: ARG005
    ],
}


class TestExercises(ExerciseTests):
    lesson = "01"
    right = RIGHT
    wrong = WRONG
