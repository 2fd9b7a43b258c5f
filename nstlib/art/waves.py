"""A woodblock print of the sea."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike

from nstlib.art._canvas import (
    SHIFT,
    Array,
    Canvas,
    Pixels,
    disc,
    lit,
    noise_field,
    palette_of,
    printed,
    rgb,
    to_bytes,
)

_PRUSSIAN = "#0b1f3f #143a66 #2a6294 #6c9fb8 #b9d0cc"


def waves(c: Canvas) -> Array:
    """Draw a woodblock sea: striped breakers with scalloped foam under a paper sky."""
    rng = c.rng
    fade = np.broadcast_to(c.y / c.h, (c.height, c.width)) + 0.012 * noise_field(c, (14, 2), 2)
    sky = palette_of(fade / 0.62, "#35608a #8fb0b6 #e6dcc0 #f3e2bf #f0cfa2 #e8b98f")
    # Cut twice as fine as the sheet: the stripes of the far waves are thinner than a pixel.
    fine = c.plan(2 * c.unit)
    canvas: Pixels = np.empty((fine.height, fine.width, 3), np.uint8)
    canvas[:] = cv2.resize(sky * 255, (fine.width, fine.height))
    sun = c.w * rng.uniform(0.25, 0.75), c.h * rng.uniform(0.2, 0.27)
    disc(fine, canvas, sun, 0.095, rgb("#c9432e")[0])
    rows = 8
    for k in range(rows):
        _breaker(fine, canvas, k / (rows - 1))
    image = printed(c, canvas)
    # Ink on paper: uneven pressure, the grain of the plank, and the fibres of the sheet.
    plank = noise_field(c, (90, 3), 3, 0.7)
    press = noise_field(c, 5, 3)
    fibre = noise_field(c, 110, 3, 0.9) + 0.5 * noise_field(c, 18, 2)
    dark = 1 - image.mean(axis=-1)
    pressed = (1 + dark * (0.05 * plank + 0.05 * press)) * (1 + 0.016 * fibre)
    return lit(image * rgb("#fffaf0")[0].astype(np.float32), pressed)


def _breaker(c: Canvas, canvas: Pixels, near: float) -> None:
    """Draw one row of waves: a stack of nested stripes, then foam along the crests."""
    rng = c.rng
    base = c.h * (0.46 + 0.6 * near**1.15)
    tall = 0.035 + 0.3 * near**1.3
    apart = 0.16 + 0.62 * near
    count = int(c.w / apart) + 4
    peaks = (np.arange(count) - 1.5 + rng.uniform(-0.25, 0.25, count) + rng.random()) * apart
    heights = tall * rng.uniform(0.55, 1.1, count)
    t = np.linspace(-0.3, c.w + 0.3, 900)
    s = (t[:, None] - peaks) / apart
    shape = np.where(s < 0, np.exp(-(np.abs(s / 0.42) ** 1.7)), np.exp(-(np.abs(s / 0.2) ** 1.5)))
    swell = (shape * heights).max(axis=1)
    crest = swell / tall

    def curve(rise: float, drop: float) -> Array:
        lean = 0.62 * tall * np.maximum(crest * rise, 0) ** 2.6
        hook = 0.22 * tall * np.maximum(crest * rise - 0.55, 0) ** 2 * 4
        return np.stack([t + lean, base + drop - swell * rise + hook * 0.5], axis=-1)

    def fill(points: Array, colour: ArrayLike) -> None:
        floor = np.array([[c.w + 0.5, c.h + 0.5], [-0.5, c.h + 0.5]])
        cv2.fillPoly(
            canvas, [c.fixed(np.concatenate([points, floor]))], to_bytes(colour), cv2.LINE_8, SHIFT
        )

    ramp = palette_of(np.linspace(0, 1, 100), _PRUSSIAN)
    dark, cream = rgb("#0b1c38")[0], rgb("#f4ead2")[0]
    line = 0.0018 + 0.0022 * near
    fill(curve(1, -line), dark)
    stripes = 5 + round(8 * near)
    for j in range(stripes):
        f = j / stripes
        tone = (0.72 - 0.55 * f if j % 2 == 0 else 0.25 - 0.2 * f) + 0.25 * (1 - near)
        fill(curve(1 - 0.8 * f, 0.12 * tall * f + (0.012 * f)), ramp[int(np.clip(tone, 0, 1) * 99)])

    # Foam: overlapping discs; all the outlines first, so that only the outer one stays.
    edge = curve(1, 0)
    lip = np.flatnonzero(crest > 0.5)
    if not len(lip):
        return
    picks = rng.choice(lip, max(4, int(len(lip) * 0.6)))
    inner = rng.random(len(picks)) ** 1.6 * 0.16 * tall
    spots = edge[picks] + np.stack([-0.3 * inner, inner], axis=-1)
    sizes = (0.012 + 0.05 * tall) * rng.uniform(0.35, 1.0, len(picks)) * (crest[picks] ** 1.5)
    # Claws: chains of shrinking discs that reach forward from the lip.
    chains = [(spots, sizes)]
    front = np.flatnonzero((crest > 0.72) & (np.gradient(swell) < 0))
    if len(front):
        root = edge[rng.choice(front, max(3, len(front) // 3))]
        bend = rng.uniform(0.1, 0.7, len(root))
        for step in range(1, 6):
            root = root + 0.034 * tall * np.stack([np.cos(bend), np.sin(bend)], axis=-1) * 1.2
            bend = bend + 0.28
            chains.append((root, np.full(len(root), 0.03 * tall * (1 - step / 7)) + 0.001))
    spray = edge[rng.choice(lip, 20 + int(60 * near))]
    spray = spray + np.abs(rng.normal(0, 0.22 * tall, spray.shape)) * [1.1, -0.8]
    chains.append((spray, 0.0012 + 0.0035 * near * rng.random(len(spray))))
    for grow, colour in ((line, dark), (0.0, cream)):
        for points, radii in chains:
            for point, radius in zip(points, radii, strict=True):
                disc(c, canvas, point, radius + grow, colour)
    shade, pen = to_bytes(rgb("#9dbcc4")[0]), c.pixels(0.5 * line)
    for point, radius, turn in zip(spots, sizes, rng.uniform(0, 90, len(spots)), strict=True):
        at, size = c.fixed(point).tolist(), int(max(0.62 * radius * c.unit, 1) * 2**SHIFT)
        cv2.ellipse(canvas, at, (size, size), turn, 0, 150, shade, pen, cv2.LINE_AA, SHIFT)
