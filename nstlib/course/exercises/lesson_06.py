"""Checks of the exercises of lesson 06, content and style."""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
from nstlib.course.exercises._parts import check_slope
from nstlib.course.exercises.lesson_03 import gram_matrix

choice(
    "which_depth",
    "From which layer's features does the photograph come back best?",
    right="a",
    a="Each of its features depends on a few pixels alone, and pins them down.",
    b="deep layers know what is there. Do they know where each hair is?",
    c="the middle gives back a good deal. But compare with the layers before it.",
    d="a window of 150 pixels is described by as few numbers as the network has channels. Can they "
    "hold all of it?",
)

choice(
    "zero_loss",
    "Which of these pictures could the tutorial's content loss not tell from the photograph?",
    right="d",
    a="that one for certain, but is it the only one?",
    b="moved features have the same mean. There are more such pictures.",
    c="features in any order have the same mean. There are more such pictures.",
    d="The loss compares one number, the mean of all features. Whatever keeps it costs nothing.",
)

choice(
    "left_over",
    "The tutorial's transfer shows its subject. Which two runs tell why?",
    right="c",
    a="a better loss may give a better picture. But it doesn't say why the old one gave any.",
    b="a longer run may change the picture more. But both have the same start and the same loss.",
    c="If the subject is left over from the start, it stays without the loss, and without the "
    "start it does not come.",
    d="other pictures would be shown by both, or by neither. What would you conclude?",
)

choice(
    "one_letter",
    "vgg.trainalble = False, one letter wrong. What happened in the tutorial?",
    right="b",
    a="a weight changes only if an optimiser is given its gradient. What was it given here?",
    b="It made a new attribute. VGG19 had been frozen before, and the loop changes only the image.",
    c="Python lets you set any attribute of such an object, so nothing complains.",
    d="its content came from somewhere else. You have seen from where.",
)

choice(
    "nine_pictures",
    "Three content weights by three style weights, each four times the one before. How many "
    "different pictures do they make?",
    right="b",
    a="multiply both weights by 4: where is the lowest point of the sum now?",
    b="Only the ratio counts, and there are five ratios: 1/16, 1/4, 1, 4 and 16 times the middle "
    "one.",
    c="that would be so if one of the two weights did nothing.",
    d="the two weights pull against each other. Compare the corners.",
)


def content_loss(features: Mapping[str, Any], targets: Mapping[str, Any]) -> Any:
    """Return the mean, over the layers, of Σ(F - P)² / Σ P².

    `features` and `targets` map layers to tensors (H, W, C): those of the picture, F, and those of
    the content, P. The layers of `targets` are the ones that count. The result is a scalar tensor,
    and TensorFlow can differentiate it.
    """
    from nstlib._tensorflow import tf

    differences = [
        tf.reduce_sum((features[layer] - target) ** 2) / tf.reduce_sum(target**2)
        for layer, target in targets.items()
    ]
    return tf.add_n(differences) / len(differences)


@exercise(content_loss)
def _check_content_loss(answer: Answer) -> str:
    from nstlib._tensorflow import tf

    shapes = {"shallow": (4, 3, 2), "deep": (2, 3, 4), "deepest": (1, 3, 5)}
    found = {layer: numbers(shape, 9, i) for i, (layer, shape) in enumerate(shapes.items())}
    wanted = {layer: numbers(shape, 4, 9 + i) for i, (layer, shape) in enumerate(shapes.items())}

    def each(distance: Callable[[Array, Array], Any]) -> Array:
        return np.array([distance(found[layer], wanted[layer]) for layer in wanted])

    cancels = (
        "the mean is taken before the square, so that opposite errors cancel: square first, then "
        "take the mean."
    )
    mixed = "a mean is divided by a sum, or a sum by a mean; take the same of both."
    right = each(lambda f, p: ((f - p) ** 2).sum() / (p**2).sum())
    by_layer = [
        (cancels, each(lambda f, p: (f - p).mean() ** 2)),
        (cancels, each(lambda f, p: (f - p).mean() ** 2 / (p**2).mean())),
        (cancels, each(lambda f, p: (f - p).mean() ** 2 / p.mean() ** 2)),
        (cancels, each(lambda f, p: (f - p).sum() ** 2 / (p**2).sum())),
        (
            "it is not divided by Σ P², so it is not relative.",
            each(lambda f, p: ((f - p) ** 2).sum()),
        ),
        ("it is not relative: divide by mean(P²).", each(lambda f, p: ((f - p) ** 2).mean())),
        (
            "this is half the sum of squares, as in Gatys et al. (2016); here it is relative: "
            "Σ(F - P)² / Σ P².",
            each(lambda f, p: ((f - p) ** 2).sum() / 2),
        ),
        (
            "it is divided by the size of the picture's own features; divide by the content's.",
            each(lambda f, p: ((f - p) ** 2).sum() / (f**2).sum()),
        ),
        (
            "it is divided by (Σ P)²; square the values first: Σ P².",
            each(lambda f, p: ((f - p) ** 2).sum() / p.sum() ** 2),
        ),
        (mixed, each(lambda f, p: ((f - p) ** 2).mean() / (p**2).sum())),
        (mixed, each(lambda f, p: ((f - p) ** 2).sum() / (p**2).mean())),
        (
            "these are absolute differences; square them, and the content's values, too.",
            each(lambda f, p: np.abs(f - p).sum() / np.abs(p).sum()),
        ),
        ("these are square roots; leave the ratios squared.", right**0.5),
        (
            "this divides by the picture's own features, and the mean is taken before the square.",
            each(lambda f, p: (f - p).mean() ** 2 / (f**2).mean()),
        ),
        (
            "this compares Gram matrices, which forget places; compare the features position by "
            "position.",
            each(
                lambda f, p: (
                    ((gram_matrix(f) - gram_matrix(p)) ** 2).sum() / (gram_matrix(p) ** 2).sum()
                )
            ),
        ),
    ]
    known = [
        ("this is the sum over the layers; take the mean.", right.sum()),
        ("this is one value for each layer; return their mean.", right),
        ("this is the first layer alone; take the mean over all of `targets`.", right[0]),
        ("this is the last layer alone; take the mean over all of `targets`.", right[-1]),
        *((hint, values.mean()) for hint, values in by_layer),
        *(
            (f"{hint} And take the mean over the layers.", values.sum())
            for hint, values in by_layer
        ),
    ]
    # A layer that only the style needs: it does not count.
    features = {layer: tf.constant(maps) for layer, maps in found.items()}
    features["for the style"] = tf.ones((2, 2, 1))
    targets = {layer: tf.constant(maps) for layer, maps in wanted.items()}
    compare(
        answer,
        content_loss,
        [(features, targets)],
        [(hint, lambda *_, v=v: v) for hint, v in known],
    )
    compared = {layer: features[layer] for layer in targets}
    check_slope(answer, compared, targets)
    return "Every position counts, relative to the content, and gradients flow to every layer."


def balance(content: Array, style: Array, content_weight: float, style_weight: float) -> Array:
    """Return the x at which content_weight · (x - content)² + style_weight · (x - style)² is least.

    `content` and `style` are arrays of one shape; so is x.
    """
    return (content_weight * content + style_weight * style) / (content_weight + style_weight)


@exercise(balance)
def _check_balance(answer: Answer) -> str:
    content, style = numbers((3, 2), 9) / np.float32(8), numbers((3, 2), 9, 1) / np.float32(8)

    def of(change: Callable[[float, float], tuple[float, float]]) -> Answer:
        def mixed(p: Array, a: Array, c: float, s: float) -> Array:
            of_content, of_style = change(c, s)
            return of_content * p + of_style * a

        return mixed

    compare(
        answer,
        balance,
        [(content, style, 1.0, 3.0), (content, style, 0.5, 0.25), (content, style, 4.0, 12.0)],
        [
            ("the weights changed places.", of(lambda c, s: (s / (c + s), c / (c + s)))),
            ("this is the middle, whatever the weights.", of(lambda *_: (0.5, 0.5))),
            (
                "it is not divided by the sum of the weights. What if both pictures were equal?",
                of(lambda c, s: (c, s)),
            ),
            (
                "it is divided by 2; divide by the sum of the weights.",
                of(lambda c, s: (c / 2, s / 2)),
            ),
            (
                "the weights are squared; only the distances are.",
                of(lambda c, s: (c**2 / (c**2 + s**2), s**2 / (c**2 + s**2))),
            ),
            (
                "the heavier one wins altogether; a squared distance costs little near its zero, "
                "so the lighter one always gets something.",
                of(lambda c, s: (float(c > s), float(c <= s))),
            ),
            (
                "the sign of one term is wrong: set the derivative, "
                "2c(x - content) + 2s(x - style), to zero.",
                of(lambda c, s: (c / (c + s), -s / (c + s))),
            ),
            (
                "this is the loss; return the x at which it is least.",
                lambda p, a, c, s: c * s * (p - a) ** 2 / (c + s),
            ),
        ],
    )
    return "And weights of 4 and 12 give what 1 and 3 give: only the ratio counts."


def impostor(maps: Array) -> Array:
    """Return features that the loss mean(F - P)² takes for `maps`, and that have nothing of them.

    `maps` (H, W, C) are P, the content's features, not negative, as after a ReLU. The result F is
    of their shape and not negative; its mean is theirs; and Σ(F - P)² / ΣP² is 1 or more.
    """
    features = np.zeros_like(maps)
    features.flat[maps.argmin()] = maps.sum()
    return features


@exercise(impostor)
def _check_impostor(answer: Answer) -> str:
    one_spot = np.zeros((2, 3, 2), np.float32)
    one_spot[0, 0, 0] = 6
    cases = {
        "random": numbers((3, 4, 2), 9),
        "constant": np.full((2, 3, 2), 2, np.float32),
        "all in one place": one_spot,
    }
    # Whoever puts the sum into a fixed place gets the same maps back from these.
    cases["what you return for the constant ones"], _ = try_answer(answer, (cases["constant"],))
    for name, maps in cases.items():
        features, _ = try_answer(answer, (maps,))
        if features.shape != maps.shape:
            raise Wrong(
                f"the result has shape {features.shape}; it should be of shape {maps.shape}."
            )
        if not np.isfinite(features).all():
            raise Wrong("the result holds NaN or infinite values.")
        if features.min() < 0:
            raise Wrong("it holds negative numbers; behind a ReLU there are none.")
        if abs(features.mean() - maps.mean()) > 1e-4 * maps.mean():
            raise Wrong(
                f"its mean is {features.mean():.3g}, that of maps {maps.mean():.3g}; the "
                "tutorial's loss would tell the two apart."
            )
        if np.array_equal(features, maps):
            raise Wrong(
                f"of the maps called {name!r}, these are the same again; they should differ."
            )
        off = float(((features - maps) ** 2).sum() / (maps**2).sum())
        if off < 0.999:
            raise Wrong(
                f"of the maps called {name!r}, these are still too near, {off:.2f}: put the same "
                "sum into fewer places."
            )
    return "Its loss is zero, and position by position it is as far off as no features at all."


def mixed_covariance(
    mean_one: Array,
    covariance_one: Array,
    mean_other: Array,
    covariance_other: Array,
    share: float,
) -> Array:
    """Return the covariance (C, C) of features of which `share` come from one style.

    The rest come from another. Of each the means (C,) and the covariance (C, C) are known.
    """
    between = np.subtract(mean_one, mean_other)
    within = share * covariance_one + (1 - share) * covariance_other
    return np.asarray(within + share * (1 - share) * np.outer(between, between))


@exercise(mixed_covariance)
def _check_mixed_covariance(answer: Answer) -> str:
    def case(seed: int, share: float) -> tuple[Any, ...]:
        parts = [numbers((20, 3), 7, seed + i) + 3 * i for i in (0, 1)]
        known = [(part.mean(axis=0), np.cov(part.T, bias=True)) for part in parts]
        return (*known[0], *known[1], share)

    def of(change: Callable[[Array, Array, Array, Array, float], Any]) -> Answer:
        return lambda m, c, n, d, s: np.asarray(change(m, c, n, d, s))

    compare(
        answer,
        mixed_covariance,
        [case(0, 0.25), case(5, 0.5), case(9, 0.9)],
        [
            (
                "this is the spread within the styles; where the two means differ, there is spread "
                "between them as well.",
                of(lambda _, c, __, d, s: s * c + (1 - s) * d),
            ),
            (
                "the share went to the other style.",
                of(lambda m, c, n, d, s: mixed_covariance(m, c, n, d, 1 - s)),
            ),
            (
                "the spread between the means counts in full here; for a share of 0 or 1 it must "
                "vanish.",
                of(lambda m, c, n, d, s: s * c + (1 - s) * d + np.outer(m - n, m - n)),
            ),
            (
                "this is the Gram matrix of the mixture; take away the outer product of its mean.",
                of(lambda m, c, n, d, s: s * (c + np.outer(m, m)) + (1 - s) * (d + np.outer(n, n))),
            ),
            (
                "the difference of the means is multiplied channel by channel; every channel goes "
                "with every other: take the outer product.",
                of(lambda m, c, n, d, s: s * c + (1 - s) * d + s * (1 - s) * np.diag((m - n) ** 2)),
            ),
            (
                "the spread between the means is taken away; add it.",
                of(
                    lambda m, c, n, d, s: s * c + (1 - s) * d - s * (1 - s) * np.outer(m - n, m - n)
                ),
            ),
            (
                "the shares are squared, as for a sum of two signals; here each position has one "
                "of the two styles. And there is spread between the means as well.",
                of(lambda _m, c, _n, d, s: s**2 * c + (1 - s) ** 2 * d),
            ),
            (
                "the two covariances are averaged evenly; weigh them by their shares.",
                of(lambda m, c, n, d, s: (c + d) / 2 + s * (1 - s) * np.outer(m - n, m - n)),
            ),
        ],
    )
    return "It is the covariance of the two styles' features put together, in these shares."
