"""Checks of the exercises of lesson 01, the mathematics you need."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from nstlib.course.exercises._engine import (
    Answer,
    Array,
    Wrong,
    choice,
    compare,
    exercise,
    numbers,
    try_answer,
)

choice(
    "smaller_nudge",
    "A slope is measured in float32 with ever smaller nudges h. What happens to its error?",
    right="c",
    a="in exact arithmetic it would. But float32 keeps seven digits of each loss, and two losses "
    "that are almost equal leave few of them in their difference.",
    b="the loss is a curve, so a long nudge measures the slope of a chord, not of the curve.",
    c="First the curve matters less and less, then rounding takes over: at last the nudge is too "
    "small to change the pixel at all, and the slope comes out as 0.",
    d="a nudge of zero gives 0/0. But what comes before that?",
)

choice(
    "too_far",
    "The step of two pixels is 0.2 and should be 0.5. What do four steps downhill at rate 0.6 do?",
    right="d",
    a="that is what 0.25 does. Compute one step by hand: the slopes are +0.6 and -0.6.",
    b="a larger rate is faster only as long as it does not overshoot.",
    c="they stop where the slope is 0. Is it, after the first step?",
    d="Each step multiplies the error by 1 - 4 · 0.6 = -1.4: to the other side, and farther off.",
)

choice(
    "silent_feature",
    "The step is negative and a ReLU follows. What does the gradient do to the pixels?",
    right="b",
    a="the chain of slopes now has one more link: that of the ReLU, left of 0. What is it?",
    b="Left of 0 the ReLU is flat, its slope is 0, and a product with a zero in it is zero.",
    c="the other way would make the step even more negative. Multiply the slopes.",
    d="0 is a perfectly good slope; TensorFlow has nothing to complain about.",
)

choice(
    "edges_alone",
    "Only the steps between neighbours are compared. What becomes of plain grey in 40 steps?",
    right="b",
    a="nearly, after many more steps: no step between neighbours tells which colour the whole has. "
    "But a pixel hears of its neighbours alone, so news travels one pixel with each step.",
    b="The outlines come first; broad surfaces would have to wait until news has crossed them.",
    c="grey has no steps where the photograph has some, so its loss is not 0, and it moves.",
    d="the gradient has a reason for each pixel; nothing in it is random.",
)

choice(
    "no_correlation",
    "Two channels of a picture have the correlation 0. What do you know?",
    right="c",
    a="a channel could be the square of the other, on both sides of 0: then you can compute it, "
    "and the correlation is still 0.",
    b="it says nothing of their means or sizes.",
    c="No straight line predicts one from the other. A curve still might.",
    d="then there would be no variance to divide by, and no correlation.",
)

choice(
    "border_edge",
    "A plain white picture, and a kernel for vertical edges. Which padding finds an edge?",
    right="a",
    a="Beyond the border it sees black: the kernel finds an edge that nobody painted.",
    b="beyond the border it sees white again, and white beside white is no edge.",
    c="the mirror image of white is white.",
    d="one of them puts something there that the picture does not have.",
)

choice(
    "two_layers",
    "A kernel of 3, pooling by 2, and another kernel of 3. How many pixels in a row does one of "
    "the last numbers depend on?",
    right="c",
    a="that is without the pooling: two kernels of 3 see 3 + 2.",
    b="the second kernel looks at three numbers that are two pixels apart. How far is it from the "
    "first to the last?",
    c="1, then 3, then 4; the last kernel adds two more numbers, each two pixels farther on: "
    "4 + 2 · 2.",
    d="that would hold if each layer looked at separate pixels. Their windows overlap.",
)


def numerical_gradient(loss: Callable[[Array], float], image: Array) -> Array:
    """Return the slope of `loss` at each number of `image`, by central differences.

    (loss(x + h) - loss(x - h)) / 2h for one number at a time, the others left as they are, with
    h = 0.001. The result has the shape of `image`.
    """
    h, gradient = 1e-3, np.zeros(np.shape(image))
    for place in np.ndindex(gradient.shape):
        nudge = np.zeros(gradient.shape)
        nudge[place] = h
        gradient[place] = (loss(image + nudge) - loss(image - nudge)) / (2 * h)
    return gradient


def _bowl(x: Array) -> float:
    """Return a loss that is curved, unlike in each number, and not the same to both sides."""
    x = np.asarray(x, np.float64)
    weights = 1 + np.arange(x.size).reshape(x.shape)
    return float((weights * x**2).sum() + 40 * (x**3).sum() + x.ravel()[0] * x.ravel()[-1])


def _nudged(
    loss: Callable[[Array], float], image: Array, ahead: float, behind: float, divisor: float
) -> Array:
    slopes = np.zeros(image.shape)
    for place in np.ndindex(image.shape):
        nudge = np.zeros(image.shape)
        nudge[place] = 1e-3
        slopes[place] = (loss(image + ahead * nudge) - loss(image - behind * nudge)) / divisor
    return slopes


@exercise(numerical_gradient)
def _check_numerical_gradient(answer: Answer) -> str:
    image = numbers((2, 3)).astype(np.float64) / 4
    h = 1e-3

    def together(loss: Callable[[Array], float], x: Array) -> Array:
        return np.full(x.shape, (loss(x + h) - loss(x - h)) / (2 * h))

    def one_number(loss: Callable[[Array], float], x: Array) -> float:
        return float(together(loss, x).flat[0])

    def never_taken_back(loss: Callable[[Array], float], x: Array) -> Array:
        x, slopes = x.copy(), np.zeros(x.shape)
        for place in np.ndindex(x.shape):
            x[place] += h
            ahead = loss(x)
            x[place] -= 2 * h
            slopes[place] = (ahead - loss(x)) / (2 * h)
        return slopes

    compare(
        answer,
        numerical_gradient,
        [(_bowl, image), (_bowl, image[:1, :2] - 1)],
        [
            (
                "all numbers are nudged at once; nudge one, and leave the others as they are.",
                together,
            ),
            (
                "this is one number; return a slope for each number of the image, in its shape.",
                one_number,
            ),
            (
                "a number that has been nudged is not put back, so the next slope is that of "
                "another image; nudge a copy.",
                never_taken_back,
            ),
            (
                "the sign is wrong: the loss ahead minus the loss behind.",
                lambda loss, x: -numerical_gradient(loss, x),
            ),
            (
                "the two losses are 2h apart, so divide by 2h, not by h.",
                lambda loss, x: 2 * numerical_gradient(loss, x),
            ),
            (
                "the difference is not divided by 2h.",
                lambda loss, x: 2 * h * numerical_gradient(loss, x),
            ),
            (
                "this compares with the image itself, on one side only; take the loss behind as "
                "well, and divide by 2h.",
                lambda loss, x: _nudged(loss, x, 1, 0, h),
            ),
            (
                "this compares with the image itself, on one side only; take the loss ahead as "
                "well, and divide by 2h.",
                lambda loss, x: _nudged(loss, x, 0, 1, h),
            ),
            (
                "the numbers are right, but in one row; give them the image's shape.",
                lambda loss, x: numerical_gradient(loss, x).ravel(),
            ),
        ],
    )
    return "A curved loss of six numbers, no two with the same slope: all agree."


def one_step_rate(kernel: Array) -> float:
    """Return the rate at which one step downhill ends with a loss of 0.

    The loss is (kernel · x - wanted)², where kernel · x is the sum of the products, and one step
    is x ← x - rate · gradient.
    """
    kernel = np.asarray(kernel, np.float64)
    return float(1 / (2 * (kernel * kernel).sum()))


@exercise(one_step_rate)
def _check_one_step_rate(answer: Answer) -> str:
    compare(
        answer,
        one_step_rate,
        [
            (np.array([-1.0, 1.0]),),
            (np.array([3.0, 1.0, -2.0]),),
            (np.array([[0.5, -0.5], [1.0, 2.0]]),),
        ],
        [
            (
                "the 2 of the square's slope is missing: the slope of (d - a)² is 2 (d - a).",
                lambda k: 1 / (k * k).sum(),
            ),
            (
                "a rate twice as large as the right one throws the error to the other side, as "
                "large as before.",
                lambda k: 2 / (2 * (k * k).sum()),
            ),
            (
                "this is right for the step of two pixels alone, kernel (-1, 1); it must hold for "
                "every kernel.",
                lambda k: 0.25 + 0 * k.sum(),
            ),
            (
                "the kernel comes in twice, in the gradient and in what the step does to "
                "kernel · x: so it is the sum of squares that counts.",
                lambda k: 1 / (2 * np.abs(k).sum()),
            ),
            (
                "the sum of the kernel's numbers may be 0; it is the sum of their squares that "
                "counts.",
                lambda k: 1 / (2 * k.sum()) if k.sum() else 0.25,
            ),
            (
                "this is what the error is multiplied by, for a rate of 1, without its 1 and its "
                "sign; the rate makes it 0.",
                lambda k: 2 * (k * k).sum(),
            ),
            (
                "this is the length of the kernel; its square is what counts.",
                lambda k: 1 / (2 * np.sqrt((k * k).sum())),
            ),
        ],
    )
    return "Each step multiplies the error by 1 - 2 · rate · Σ kernel²; this rate makes that 0."


def channel_correlation(image: Array) -> Array:
    """Return the correlations (C, C) of an image's channels (H, W, C), with 1 on the diagonal.

    That is the covariance of each two channels, divided by both standard deviations.
    """
    F = np.asarray(image, np.float64).reshape(-1, np.shape(image)[-1])
    F = F - F.mean(axis=0)
    C = F.T @ F / len(F)
    spread = np.sqrt(np.diag(C))
    return np.asarray(C / np.outer(spread, spread))


@exercise(channel_correlation)
def _check_channel_correlation(answer: Answer) -> str:
    image = numbers((3, 4, 3), high=9) + np.array([0, 2, 5], np.float32)
    image[..., 1] += image[..., 0]
    image[..., 2] -= image[..., 0]

    def of(F: Array) -> Array:
        C = F.T @ F
        return np.asarray(C / np.sqrt(np.outer(np.diag(C), np.diag(C))))

    def rows(x: Array) -> Array:
        return np.asarray(x, np.float64).reshape(-1, x.shape[-1])

    def mixed(x: Array) -> Array:
        return np.asarray(x, np.float64).reshape(x.shape[-1], -1).T

    def centred(F: Array) -> Array:
        return F - F.mean(axis=0)

    def by_variances(x: Array) -> Array:
        F = centred(rows(x))
        C = F.T @ F / len(F)
        return np.asarray(C / np.diag(C))

    def buggy(x: Array) -> Array:
        F = mixed(x)
        C = (F - F.mean()).T @ (F - F.mean())
        return np.asarray(C / np.diag(C))

    compare(
        answer,
        channel_correlation,
        [(image,), (image[:2] * np.array([1, 10, 0.1], np.float32),)],
        [
            ("this is the colleague's function; its mistakes are all still there.", buggy),
            (
                "positions and channels are mixed up: the channels are the last axis, so "
                "reshape(-1, C) keeps a pixel's numbers in one row.",
                lambda x: of(centred(mixed(x))),
            ),
            (
                "the means are not taken off.",
                lambda x: of(rows(x)),
            ),
            (
                "one mean is taken off all channels; each has its own: mean(axis=0).",
                lambda x: of(rows(x) - rows(x).mean()),
            ),
            (
                "this is the covariance; divide by both standard deviations.",
                lambda x: np.cov(rows(x).T, bias=True),
            ),
            (
                "this is the covariance, divided by N - 1; divide by both standard deviations.",
                lambda x: np.cov(rows(x).T),
            ),
            (
                "each column is divided by a variance; divide by two standard deviations, that of "
                "the row and that of the column.",
                by_variances,
            ),
            (
                "these are correlations of positions; transpose the other factor, so that there is "
                "one for each two channels.",
                lambda x: of(centred(rows(x)).T),
            ),
            (
                "the signs are gone; a correlation may be negative.",
                lambda x: np.abs(channel_correlation(x)),
            ),
        ],
    )
    return "One channel made ten times as large changes nothing: that is what dividing is for."


def dot_kernel(side: int) -> Array:
    """Return a kernel (side, side), side odd, that finds dots and nothing else.

    At a single pixel of 1 in a black picture, right under its middle, it gives 1. In a plain
    picture it gives 0, and in any that gets brighter evenly, in whatever direction, as well.
    """
    kernel = np.full((side, side), -1 / (side * side - 1))
    kernel[side // 2, side // 2] = 1
    return kernel


@exercise(dot_kernel)
def _check_dot_kernel(answer: Answer) -> str:
    for side in (3, 5):
        kernel, _ = try_answer(answer, (side,))
        if kernel.shape != (side, side):
            raise Wrong(
                f"the result has shape {kernel.shape}; it should be of shape {(side, side)}."
            )
        y, x = np.indices((side, side)) - side // 2
        if not np.isclose(kernel[side // 2, side // 2], 1):
            raise Wrong("a single white pixel under its middle should give 1; look at its middle.")
        if not np.isclose(kernel.sum(), 0, atol=1e-5):
            raise Wrong(
                f"on a plain picture of ones it gives {kernel.sum():.2f}; its numbers should add "
                "up to 0."
            )
        for ramp, way in ((x, "from left to right"), (y, "from top to bottom")):
            if not np.isclose((kernel * ramp).sum(), 0, atol=1e-5):
                raise Wrong(
                    f"on a picture that gets brighter {way} it gives {(kernel * ramp).sum():.2f}, "
                    "not 0: what stands on one side must be balanced on the other."
                )
    return "Plain pictures and ramps give 0, a dot gives 1."
