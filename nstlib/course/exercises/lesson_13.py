"""Checks of the exercises of lesson 13, any style at once."""

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
    numbers,
    try_answer,
)
from nstlib.course.exercises._parts import covariance

#: Added to a variance before its root is taken.
EPSILON = 1e-5

choice(
    "how_many_numbers",
    "How many numbers describe a style to AdaIN, at a layer of 160 channels?",
    right="b",
    a="that would be the means alone. What else is exchanged?",
    b="A mean and a deviation for each channel; which channels go together is not asked.",
    c="those are means and covariances, as in lesson 03. AdaIN looks at each channel by itself.",
    d="the size of the picture went away when the mean over all places was taken.",
)

choice(
    "own_numbers",
    "What does the decoder paint if a photograph is given its own means and deviations?",
    right="c",
    a="the numbers that were taken away are the ones that are put back. What has changed then?",
    b="normalised features would look so. But the numbers are put back.",
    c="The features are the ones it came with, so the picture is what the decoder can keep of it.",
    d="the decoder starts from features at an eighth of the size. Can it know each pixel?",
)

choice(
    "wrong_channels",
    "The style's numbers are dealt to other channels. What comes out?",
    right="d",
    a="the same numbers are there, but each says something about one channel. Which one?",
    b="the photograph's own numbers are gone, as with any style.",
    c="the decoder turns any features into some picture. Look for an edge in it.",
    d="A channel's number means something only to that channel; places are still the photograph's.",
)

choice(
    "what_learns",
    "A new style arrives. What has to be trained for it?",
    right="a",
    a="Its vector is computed in one look; scales and shifts follow from the vector.",
    b="those depend on the vector, and the rule by which they do stays as it is.",
    c="it paints what the scales and shifts ask for, of whatever style these come from.",
    d="it has looked at thousands of pictures, and looks at one more.",
)

choice(
    "half_and_half",
    "Half of one style and half of another: in which picture are edges strongest?",
    right="c",
    a="where one painting has a stroke and the other one has none, some of its contrast is lost.",
    b="the network sees a style of faint edges, and paints it. Which way avoids that?",
    c="Each place is painted once, by one set of scales, so little is blended away.",
    d="compare the numbers of the three.",
)

choice(
    "why_searching_wins",
    "Why does the search come nearer to the style than one pass does?",
    right="b",
    a="a hundred times the work is what it costs. What is the work done for?",
    b="It looks at this one picture, sees what is still wrong, and mends it, again and again.",
    c="the search uses the same twin, and no other network.",
    d="look at the last column: which of them keeps more of the cat?",
)


def adain(content: Array, style: Array) -> Array:
    """Give features the mean and the deviation of a style's, channel by channel.

    `content` is (B, h, w, C) and `style` (B, H, W, C); picture i takes the numbers of style i.
    1e-5 is added to each variance before its root is taken.
    """
    mean, deviation = _statistics(content)
    wanted_mean, wanted_deviation = _statistics(style)
    return np.asarray((content - mean) / deviation * wanted_deviation + wanted_mean)


def _statistics(
    features: Array, axis: Any = (1, 2), epsilon: float = EPSILON
) -> tuple[Array, Array]:
    mean = features.mean(axis=axis, keepdims=True)
    variance = ((features - mean) ** 2).mean(axis=axis, keepdims=True)
    return mean, np.sqrt(variance + epsilon)


@exercise(adain)
def _check_adain(answer: Answer) -> str:
    content = numbers((2, 3, 4, 3), 9, seed=1)
    style = 2 * numbers((2, 4, 2, 3), 7, seed=2) + np.array([0, 5, 40], np.float32)
    flat = content.copy()
    flat[..., 2] = 3

    def of(change: Callable[[Array, Array, Array, Array, Array], Array], **options: Any) -> Answer:
        return lambda c, s: change(c, *_statistics(c, **options), *_statistics(s, **options))

    def exchanged(c: Array, m: Array, d: Array, n: Array, e: Array) -> Array:
        return (c - m) / d * e + n

    def check(content: Array) -> None:
        compare(
            answer,
            adain,
            [(content, style), (content[:1], style[1:])],
            [
                ("the content is unchanged.", lambda c, _: c),
                (
                    "this gives the style's features the content's numbers; the picture should "
                    "stay the content's.",
                    lambda c, s: adain(s, c),
                ),
                (
                    "it divides and multiplies by variances; take deviations, their roots. With a "
                    "picture's own numbers both cancel, so that test can't tell.",
                    of(lambda c, m, d, n, e: (c - m) / d**2 * e**2 + n),
                ),
                (
                    "this is the colleague's: it takes variances for deviations, and takes them "
                    "over the whole batch.",
                    of(lambda c, m, d, n, e: (c - m) / d**2 * e**2 + n, axis=(0, 1, 2), epsilon=0),
                ),
                (
                    "it divides by the deviation, but multiplies by the variance.",
                    of(lambda c, m, d, n, e: (c - m) / d * e**2 + n),
                ),
                (
                    "it divides by the variance; divide by its root.",
                    of(lambda c, m, d, n, e: (c - m) / d**2 * e + n),
                ),
                (
                    "means and deviations are taken over all pictures of the batch together; "
                    "leave axis 0 out.",
                    of(exchanged, axis=(0, 1, 2)),
                ),
                (
                    "means and deviations are taken over the channels, too; each channel has its "
                    "own.",
                    of(exchanged, axis=(1, 2, 3)),
                ),
                (
                    "means and deviations are taken over the channels at each place.",
                    of(lambda c, m, d, n, e: (c - m) / d * e.mean() + n.mean(), axis=3),
                ),
                (
                    "the style's mean is not added.",
                    of(lambda c, m, d, n, e: (c - m) / d * e),  # noqa: ARG005
                ),
                (
                    "the style's deviation is missing; multiply by it before its mean is added.",
                    of(lambda c, m, d, n, e: (c - m) / d + n),  # noqa: ARG005
                ),
                (
                    "the content's mean is not taken away.",
                    of(lambda c, m, d, n, e: c / d * e + n),  # noqa: ARG005
                ),
                (
                    "the content's mean stays; the style's has to take its place.",
                    of(lambda c, m, d, n, e: (c - m) / d * e + m),  # noqa: ARG005
                ),
                (
                    "it is multiplied by the sum of deviation and mean: multiply first, then add.",
                    of(lambda c, m, d, n, e: (c - m) / d * (e + n)),
                ),
                (
                    "1e-5 is added to the root; it belongs under it, to the variance.",
                    of(
                        lambda c, m, d, n, e: (c - m) / (d + EPSILON) * (e + EPSILON) + n,
                        epsilon=0.0,
                    ),
                ),
            ],
        )

    check(content)
    with np.errstate(divide="ignore", invalid="ignore"):
        if np.isnan(try_answer(answer, (flat, style))[0]).any():
            raise Wrong(
                "a channel that is the same everywhere gives 0 / 0; add 1e-5 to the variance."
            )
    check(flat)
    check(content / np.float32(1000))  # so faint that it matters where 1e-5 is added
    return (
        "Each picture of a batch takes its own style's numbers, and a flat channel breaks nothing."
    )


def strength(
    mean: Array, deviation: Array, style_mean: Array, style_deviation: Array, share: float
) -> Array:
    """Return the means and deviations, (2, C), of share · AdaIN(F, S) + (1 - share) · F.

    Of the content's features F and of the style's S, they are known, (C,) each; `share` lies
    between 0 and 1.
    """
    return np.stack(
        [
            share * style_mean + (1 - share) * mean,
            share * style_deviation + (1 - share) * deviation,
        ]
    )


@exercise(strength)
def _check_strength(answer: Answer) -> str:
    def case(seed: int, share: float) -> tuple[Any, ...]:
        return (*(numbers((4,), 8, seed + i) + 1 for i in range(4)), share)

    def of(change: Callable[[Array, Array, Array, Array, float], tuple[Array, Array]]) -> Answer:
        return lambda m, d, n, e, a: np.stack(change(m, d, n, e, a))

    def between(x: Array, y: Array, a: float) -> Array:
        return a * y + (1 - a) * x

    compare(
        answer,
        strength,
        [case(0, 0.25), case(5, 0.75), case(9, 0.5)],
        [
            (
                "the share went to the content.",
                of(lambda m, d, n, e, a: (between(n, m, a), between(e, d, a))),
            ),
            (
                "variances are mixed, as for unrelated features; here one is the other one, "
                "stretched: their deviations add up.",
                of(
                    lambda m, d, n, e, a: (
                        between(m, n, a),
                        np.sqrt(a**2 * e**2 + (1 - a) ** 2 * d**2),
                    )
                ),
            ),
            (
                "this is the mean of the variances; the two features rise and fall together.",
                of(lambda m, d, n, e, a: (between(m, n, a), np.sqrt(between(d**2, e**2, a)))),
            ),
            (
                "this is the spread of positions of which some are the style's; but each position "
                "is a mixture.",
                of(
                    lambda m, d, n, e, a: (
                        between(m, n, a),
                        np.sqrt(between(d**2, e**2, a) + a * (1 - a) * (m - n) ** 2),
                    )
                ),
            ),
            (
                "these are variances; return deviations.",
                of(lambda m, d, n, e, a: (between(m, n, a), between(d, e, a) ** 2)),
            ),
            (
                "these are the style's numbers, as if the share were 1.",
                of(lambda m, d, n, e, a: (n, e)),  # noqa: ARG005
            ),
            (
                "the means are right; the deviations are still the style's.",
                of(lambda m, d, n, e, a: (between(m, n, a), e)),  # noqa: ARG005
            ),
            (
                "deviations and means changed places.",
                of(lambda m, d, n, e, a: (between(d, e, a), between(m, n, a))),
            ),
        ],
    )
    return "Deviations are mixed as means are, since one map is the other one, stretched and moved."


def contrast_of_mean(one: float, other: float, share: float) -> float:
    """Return the deviation of share · X + (1 - share) · Y, as a part of what mixing AdaIN gives.

    X and Y are unrelated, with the deviations `one` and `other`; mixing their numbers gives the
    deviation share · one + (1 - share) · other.
    """
    blended = np.hypot(share * one, (1 - share) * other)
    return float(blended / (share * one + (1 - share) * other))


@exercise(contrast_of_mean)
def _check_contrast_of_mean(answer: Answer) -> str:
    def of(change: Callable[[float, float], float]) -> Answer:
        return lambda x, y, a: change(a * x, (1 - a) * y)

    compare(
        answer,
        contrast_of_mean,
        [(1.0, 1.0, 0.5), (3.0, 4.0, 0.5), (2.0, 1.0, 0.75), (5.0, 2.0, 1.0)],
        [
            (
                "this is the deviation of the mean; divide by share · one + (1 - share) · other.",
                of(np.hypot),
            ),
            ("this is the square; take the root.", of(lambda x, y: (x**2 + y**2) / (x + y) ** 2)),
            (
                "the variance is divided by a deviation; take its root first.",
                of(lambda x, y: (x**2 + y**2) / (x + y)),
            ),
            (
                "nothing is lost here, as if X and Y rose and fell together; but they are "
                "unrelated.",
                of(lambda x, y: 1.0),  # noqa: ARG005
            ),
            (
                "the shares are not squared; the variance of share · X is share² times that of X.",
                lambda x, y, a: np.sqrt(a * x**2 + (1 - a) * y**2) / (a * x + (1 - a) * y),
            ),
            (
                "this is turned upside down; the mean has less contrast.",
                of(lambda x, y: (x + y) / np.hypot(x, y)),
            ),
            (
                "the share belongs to the first of the two.",
                lambda x, y, a: contrast_of_mean(x, y, 1 - a),
            ),
            (
                "half of both is taken, whatever the share.",
                lambda x, y, _: contrast_of_mean(x, y, 0.5),
            ),
        ],
    )
    return "Half of two equal styles keeps 71 % of the contrast: that is how pale the mean looks."


def blind_spot(features: Array) -> Array:
    """Return features that AdaIN can't tell from `features`, and a Gram matrix can.

    `features` is (H, W, C) with C of 2 or more. In each channel the result has the same mean and
    deviation; but some covariance of two channels differs by half of the product of their
    deviations, or more.
    """
    mean, deviation = features.mean(axis=(0, 1)), features.std(axis=(0, 1))
    pattern = (features[..., 0] - mean[0]) / deviation[0]
    turn = -1 if covariance(features)[0, 1] > 0 else 1
    changed = np.array(features, copy=True)
    changed[..., 1] = mean[1] + turn * deviation[1] * pattern
    return changed


@exercise(blind_spot)
def _check_blind_spot(answer: Answer) -> str:
    together = numbers((4, 5, 1), 9, seed=1) * np.array([1, 2, 0.5], np.float32) + np.array(
        [0, 3, 9], np.float32
    )
    apart = numbers((4, 6, 2), 9, seed=2)
    apart[..., 1] = np.repeat(np.array([[1, 4], [4, 1]], np.float32), 2, axis=0).repeat(3, axis=1)
    apart[..., 0] = np.tile(np.array([2, 8, 2], np.float32), (4, 2))
    for name, maps in {
        "channels that rise together": together,
        "unrelated channels": apart,
    }.items():
        found, _ = try_answer(answer, (maps,))
        if found.shape != maps.shape:
            raise Wrong(f"the result has shape {found.shape}; it should be of shape {maps.shape}.")
        if not np.isfinite(found).all():
            raise Wrong("the result holds NaN or infinite values.")
        deviation = maps.std(axis=(0, 1))
        off = np.abs(found.mean(axis=(0, 1)) - maps.mean(axis=(0, 1))) / deviation
        if off.max() > 1e-3:
            raise Wrong(f"of {name}, a mean has changed; AdaIN would tell the two apart.")
        if (np.abs(found.std(axis=(0, 1)) - deviation) / deviation).max() > 1e-3:
            raise Wrong(f"of {name}, a deviation has changed; AdaIN would tell the two apart.")
        change = np.abs(covariance(found) - covariance(maps)) / np.outer(deviation, deviation)
        if change.max() < 1e-3:
            raise Wrong(
                f"of {name}, no covariance has changed, so a Gram matrix can't tell either. "
                "Moving whole positions keeps all pairs: move one channel alone."
            )
        if change.max() < 0.499:
            raise Wrong(
                f"of {name}, the largest change of a covariance is {change.max():.2f} of the "
                "product of the deviations; make it 0.5 or more."
            )
    return "AdaIN sees each channel by itself, so what channels do together escapes it."
