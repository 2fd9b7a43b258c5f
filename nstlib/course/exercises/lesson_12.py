"""Checks of the exercises of lesson 12, compositing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from nstlib.course.exercises._engine import Answer, Array, choice, compare, exercise, numbers


def composite(foreground: Array, background: Array, alpha: Array) -> Array:
    """Lay one image (H, W, 3) over another: α · foreground + (1 - α) · background.

    `alpha` (H, W), in [0, 1], says how much of each pixel is foreground.
    """
    a = alpha[..., np.newaxis]
    return np.asarray(a * foreground + (1 - a) * background)


def composite_bytes(foreground: Array, background: Array, mask: Array) -> Array:
    """Lay one image of bytes over another, as `composite` does, rounded to the nearest byte.

    The images (H, W, 3) and the mask (H, W) are uint8; 255 in the mask is all foreground. So is the
    result.
    """
    mixed = composite(foreground.astype(np.float64), background, mask.astype(np.float64) / 255)
    return np.asarray(np.rint(mixed).astype(np.uint8))


@exercise(composite_bytes)
def _check_composite_bytes(answer: Answer) -> str:
    random = np.random.default_rng(7)
    foreground, background = random.integers(0, 256, (2, 4, 6, 3)).astype(np.uint8)
    mask = random.integers(0, 256, (4, 6)).astype(np.uint8)
    mask[0, :3] = [0, 128, 255]
    foreground[0, 1], background[0, 1] = 255, 0

    def of(change: Callable[[Array, Array, Array], Array]) -> Answer:
        """`change` takes exact floats, and the mask as a share."""
        return lambda f, b, m: change(f * 1.0, b * 1.0, m[..., np.newaxis] / 255)

    def mixed(f: Array, b: Array, a: Array) -> Array:
        return a * f + (1 - a) * b

    def wrapped(f: Array, b: Array, m: Array) -> Array:
        share = m[..., np.newaxis]
        return np.asarray((share * f + (255 - share) * b) // 255)

    def wrapped_then_rounded(f: Array, b: Array, m: Array) -> Array:
        share = m[..., np.newaxis]
        return np.asarray(np.rint((share * f + (255 - share) * b) / 255))

    compare(
        answer,
        composite_bytes,
        [(foreground, background, mask)],
        [
            (
                "the products overflow: a byte keeps the remainder modulo 256. Turn to floats "
                "before you multiply.",
                wrapped,
            ),
            (
                "the products overflow: a byte keeps the remainder modulo 256, and rounding comes "
                "too late. Turn to floats before you multiply.",
                wrapped_then_rounded,
            ),
            (
                "the decimals are cut off, half a level on average; round: np.rint.",
                of(lambda f, b, a: np.floor(mixed(f, b, a))),
            ),
            (
                "the decimals are rounded up; np.rint goes to the nearest.",
                of(lambda f, b, a: np.ceil(mixed(f, b, a))),
            ),
            (
                "the mask is divided by 256; 255 stands for all, so divide by 255.",
                lambda f, b, m: np.rint(mixed(f * 1.0, b * 1.0, m[..., np.newaxis] / 256)),
            ),
            (
                "the roles are exchanged: where the mask is 255 the foreground shows.",
                of(lambda f, b, a: np.rint(mixed(b, f, a))),
            ),
            (
                "the mask is hard: it is compared with a threshold; take a share of each.",
                of(lambda f, b, a: np.where(a > 0.5, f, b)),
            ),
            (
                "the mask is hard: it is compared with a threshold; take a share of each.",
                of(lambda f, b, a: np.where(a == 1, f, b)),
            ),
            ("the values are right but not rounded; bytes have no decimals.", of(mixed)),
            (
                "the result lies in [0, 1]; bytes go from 0 to 255.",
                of(lambda f, b, a: mixed(f, b, a) / 255),
            ),
        ],
        dtype=lambda _: np.dtype(np.uint8),
    )
    return "Each byte is the nearest to the exact mixture, so nothing darkens on the way."


def clean_foreground(image: Array, background: Array, alpha: Array) -> Array:
    """Take a known background out of an image: the F with α F + (1 - α) B = image.

    `image` and `background` B are (H, W, 3), `alpha` is (H, W). Where alpha is 0 nothing of F
    shows; the image's own pixel is returned there. The result is clipped to [0, 1].
    """
    a = alpha[..., np.newaxis]
    solved = (image - (1 - a) * background) / np.where(a > 0, a, 1)
    return np.clip(np.where(a > 0, solved, image), 0, 1)


@exercise(clean_foreground)
def _check_clean_foreground(answer: Answer) -> str:
    foreground = numbers((3, 4, 3), 9, seed=3) / np.float32(8)
    background = numbers((3, 4, 3), 9, seed=4) / np.float32(8)
    alpha = numbers((3, 4), 5, seed=5) / np.float32(4)
    # A photograph never obeys the equation to the last digit, so some colours leave [0, 1].
    image = composite(foreground, background, alpha)
    image += (numbers((3, 4, 3), 3, seed=6) - 1) / np.float32(16)
    image[alpha == 0] = np.abs(background[alpha == 0] - np.float32(1 / 16))
    image = np.clip(image, 0, 1)

    def of(change: Callable[[Array, Array, Array], Array], *, clip: bool = True) -> Answer:
        def clean(x: Array, b: Array, alpha: Array) -> Array:
            a = np.where(alpha > 0, alpha, 1)[..., np.newaxis]
            result = np.where(alpha[..., np.newaxis] > 0, change(x, b, a), x)
            return np.clip(result, 0, 1) if clip else result

        return clean

    def solved(x: Array, b: Array, a: Array) -> Array:
        return np.asarray((x - (1 - a) * b) / a)

    def elsewhere(fill: Callable[[Array, Array], Any]) -> Answer:
        return lambda x, b, alpha: np.where(
            alpha[..., np.newaxis] > 0, clean_foreground(x, b, alpha), fill(x, b)
        )

    with np.errstate(divide="ignore", invalid="ignore"):
        compare(
            answer,
            clean_foreground,
            [(image, background, alpha)],
            [
                ("the image is unchanged.", lambda x, *_: x),
                (
                    "the colours are right, but not clipped to [0, 1].",
                    of(solved, clip=False),
                ),
                (
                    "where alpha is 0 it returns black; return the image's own pixel.",
                    elsewhere(lambda x, _: np.zeros_like(x)),
                ),
                (
                    "where alpha is 0 it returns the image less the background; return the image's "
                    "own pixel.",
                    elsewhere(lambda x, b: np.clip(x - b, 0, 1)),
                ),
                (
                    "where alpha is 0 it returns the background; return the image's own pixel.",
                    elsewhere(lambda _, b: b),
                ),
                (
                    "where alpha is 0 it divides by 0, or by next to nothing, and clips what comes "
                    "out; return the image's own pixel.",
                    elsewhere(lambda x, b: x > b),
                ),
                (
                    "the background is taken away, but what is left is not divided by alpha.",
                    of(lambda x, b, a: x - (1 - a) * b),
                ),
                (
                    "the image is divided by alpha before the background is taken away: subtract "
                    "(1 - alpha) · background first.",
                    of(lambda x, b, a: x / a - (1 - a) * b),
                ),
                ("the background is not taken away.", of(lambda x, _, a: x / a)),
                (
                    "all of the background is taken away; only 1 - alpha of it shows.",
                    of(lambda x, b, a: (x - b) / a),
                ),
                (
                    "alpha and 1 - alpha are exchanged.",
                    of(lambda x, b, a: (x - a * b) / np.where(a < 1, 1 - a, np.nan)),
                ),
                (
                    "alpha of the background is taken away; it is 1 - alpha that shows.",
                    of(lambda x, b, a: (x - a * b) / a),
                ),
                (
                    "this lays the image over the background once more; solve for the foreground.",
                    lambda x, b, alpha: composite(x, b, alpha),
                ),
            ],
        )
    return "Laid over the old background it gives the image again, and over a new one no halo."


def _still(source: Array) -> Array:
    """Tell which pixels (T - 1, H, W) are the same as in the frame before."""
    return np.asarray((source[1:] == source[:-1]).all(axis=-1))


def flicker(source: Array, result: Array) -> float:
    """Return the mean change of a film's pixels whose source did not change.

    `source` and `result` are (T, H, W, 3). A pixel counts, with its three channels, wherever its
    source is the same in all three as in the frame before. The change is absolute, from frame to
    frame.
    """
    return float(np.abs(np.diff(result, axis=0))[_still(source)].mean())


def _film(seed: int, frames: int) -> tuple[Array, Array]:
    """Return a source in which about half of the pixels stay from frame to frame, and a result."""
    random = np.random.default_rng(seed)
    source = numbers((frames, 3, 5, 3), 9, seed) / np.float32(8)
    for t in range(1, frames):
        still = random.random((3, 5)) < 0.5
        source[t, still] = source[t - 1, still]
        # And in some only the green stays.
        green = ~still & (random.random((3, 5)) < 0.5)
        source[t, green, 1] = source[t - 1, green, 1]
    return source, numbers((frames, 3, 5, 3), 9, seed + 1) / np.float32(8)


@exercise(flicker)
def _check_flicker(answer: Answer) -> str:
    def of(change: Callable[[Array, Array], Any]) -> Answer:
        return lambda source, result: change(np.diff(result, axis=0), _still(source))

    def by_channel(source: Array, result: Array) -> Any:
        return np.abs(np.diff(result, axis=0))[source[1:] == source[:-1]].mean()

    def by_any_channel(source: Array, result: Array) -> Any:
        still = (source[1:] == source[:-1]).any(axis=-1)
        return np.abs(np.diff(result, axis=0))[still].mean()

    def frame_by_frame(source: Array, result: Array) -> Any:
        changes = np.abs(np.diff(result, axis=0))
        return np.mean([d[s].mean() for d, s in zip(changes, _still(source), strict=True)])

    def since_the_first(source: Array, result: Array) -> Any:
        still = (source[1:] == source[0]).all(axis=-1)
        return np.abs(result[1:] - result[0])[still].mean() if still.any() else 0.0

    compare(
        answer,
        flicker,
        [_film(0, 3), _film(2, 5)],
        [
            (
                "all pixels are counted; leave out those whose source changed.",
                of(lambda d, _: np.abs(d).mean()),
            ),
            (
                "these are the pixels whose source changed; take those where it did not.",
                of(lambda d, still: np.abs(d)[~still].mean()),
            ),
            (
                "the changes are squared; take their absolute values.",
                of(lambda d, still: (d**2)[still].mean()),
            ),
            (
                "changes up and down cancel; take their absolute values.",
                of(lambda d, still: d[still].mean()),
            ),
            (
                "the changes are added up, so a longer film flickers more; take their mean.",
                of(lambda d, still: np.abs(d)[still].sum()),
            ),
            (
                "what moves counts as 0 and is still divided by; take the mean of the pixels that "
                "count.",
                of(lambda d, still: (np.abs(d) * still[..., np.newaxis]).mean()),
            ),
            (
                "each channel is looked at alone; a pixel counts if all three stay the same.",
                by_channel,
            ),
            (
                "one channel that stays the same is taken for a pixel that stands still; look at "
                "all three.",
                by_any_channel,
            ),
            (
                "this is a mean of the frames' means, in which a pixel of a frame that moves much "
                "counts more; take one mean over all that count.",
                frame_by_frame,
            ),
            (
                "frames are compared with the first; compare each with the one before.",
                since_the_first,
            ),
            (
                "the result is compared with its source; compare it with itself, a frame before.",
                lambda source, result: np.abs(result - source).mean(),
            ),
            (
                "this is the largest change; take the mean.",
                of(lambda d, still: np.abs(d)[still].max()),
            ),
            (
                "the three channels' changes are added; take their mean as well.",
                of(lambda d, still: 3 * np.abs(d)[still].mean()),
            ),
        ],
    )
    return "It is 0 for a film that stands still wherever its source does."


def steady_mattes(mattes: Array, source: Array, keep: float) -> Array:
    """Smooth a film's mattes (T, H, W) in time, wherever the source (T, H, W, 3) stands still.

    The first stays. Then, where all three channels of a pixel's source are as in the frame before,
    the result is keep · the result before + (1 - keep) · the matte; elsewhere it is the matte.
    """
    steady = np.array(mattes, copy=True)
    for t, still in enumerate(_still(source), start=1):
        smooth = keep * steady[t - 1] + (1 - keep) * mattes[t]
        steady[t] = np.where(still, smooth, mattes[t])
    return steady


@exercise(steady_mattes)
def _check_steady_mattes(answer: Answer) -> str:
    def case(seed: int, frames: int, keep: float) -> tuple[Array, Array, float]:
        source, result = _film(seed, frames)
        return result[..., 0], source, keep

    def by(
        rule: Callable[[Array, Array, Array, float], Array],
        first: Callable[[Array, float], Array] = lambda matte, _: matte,
        still_of: Callable[[Array], Array] = _still,
    ) -> Answer:
        """Apply `rule` (matte, previous result, where the source is still, keep) to each frame."""

        def steady(mattes: Array, source: Array, keep: float) -> Array:
            results = [first(mattes[0], keep)]
            for matte, still in zip(mattes[1:], still_of(source), strict=True):
                results.append(rule(matte, results[-1], still, keep))
            return np.stack(results)

        return steady

    def smooth(m: Array, before: Array, still: Array, keep: float) -> Array:
        return np.where(still, keep * before + (1 - keep) * m, m)

    def previous_matte(mattes: Array, source: Array, keep: float) -> Array:
        pairs = zip(mattes[1:], mattes[:-1], _still(source), strict=True)
        return np.stack([mattes[0], *(smooth(m, old, still, keep) for m, old, still in pairs)])

    compare(
        answer,
        steady_mattes,
        [case(4, 4, 0.75), case(6, 5, 0.5), case(8, 3, 0.25)],
        [
            ("the mattes are unchanged.", lambda m, *_: m),
            (
                "keep and 1 - keep are exchanged: keep is the share of the result before.",
                by(lambda m, before, still, keep: smooth(m, before, still, 1 - keep)),
            ),
            (
                "it smooths where the source moves, too; what has moved on leaves a ghost there.",
                by(lambda m, before, _, keep: keep * before + (1 - keep) * m),
            ),
            (
                "it smooths where the source moves; smooth where it stands still.",
                by(lambda m, before, still, keep: smooth(m, before, ~still, keep)),
            ),
            (
                "the matte before is mixed in; take the result before, which remembers all frames.",
                previous_matte,
            ),
            (
                "the first matte is mixed with zeros; it stays as it is.",
                by(smooth, first=lambda m, keep: (1 - keep) * m),
            ),
            (
                "the first matte is missing; there are as many results as mattes.",
                lambda *args: steady_mattes(*args)[1:],
            ),
            (
                "where the source stands still the result before is taken as it is; mix (1 - keep) "
                "of the matte in.",
                by(lambda m, before, still, _: np.where(still, before, m)),
            ),
            (
                "one channel that stays the same is taken for a pixel that stands still; look at "
                "all three.",
                by(smooth, still_of=lambda s: (s[1:] == s[:-1]).any(axis=-1)),
            ),
        ],
    )
    return "Where the picture stands still so does the matte, and what moves leaves no ghost."


choice(
    "half_light",
    "Half the light of white: which sRGB code value does a camera store?",
    right="b",
    a="0.5 is half the code value; light and code values are not proportional.",
    b="Half the light needs a code of 0.735, because sRGB spends most of its codes on the dark.",
    c="0.214 is the light of code 0.5: the same curve, read the other way.",
    d="black, grey and white follow one curve in all three channels.",
)

choice(
    "halo_where",
    "The halo is α (1 - α) (old background - foreground): where is it strongest, and how strong?",
    right="b",
    a="with α near 0 hardly anything is pasted at all.",
    b="α (1 - α) is largest in the middle, and ½ · ½ = ¼.",
    c="the place is right; multiply ½ by ½.",
    d="with α near 1 the pixel shows hardly any of the old background.",
)

choice(
    "why_flicker",
    "What makes a painted background flicker that stands still in the source?",
    right="d",
    a="try it: no two frames of the source are quite the same.",
    b="take the noise away, and look whether anything is left.",
    c="let her stand still, and look whether anything is left.",
    d="Each is enough: the network sees strokes in noise, and its means go over the whole picture.",
)
