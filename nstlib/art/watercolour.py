"""Flowers in wet paint on paper."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nstlib.art._canvas import (
    SHIFT,
    Array,
    Canvas,
    Window,
    lit,
    noise_field,
    relief,
    rgb,
    smoothstep,
    vary,
)


def watercolour(c: Canvas) -> Array:
    """Lay transparent washes on rough paper: poppies, leaves, and blooms where water ran back."""
    rng = c.rng
    paper = noise_field(c, 95, 3, 0.75)
    wobble = [0.006 * noise_field(c, 9, 5, 0.55) for _ in range(3)]
    pool = [noise_field(c, 7, 4, 0.6) for _ in range(2)]
    # Washes multiply, so they are summed as optical density: light = paper * exp(-density).
    density = np.zeros((c.height, c.width, 3), np.float32)

    def wash(window: Window, wet: NDArray[Any], ink: ArrayLike, load: float) -> None:
        """Lay a wash of an ink where the paper is wet; the pigment gathers at its rim."""
        current = pool[rng.integers(2)]  # before the way out: the same numbers at every size
        if not wet.any():
            return
        dry = cv2.distanceTransform(np.pad(wet.astype(np.uint8), 1), cv2.DIST_L2, 5)
        inside = dry[1:-1, 1:-1] / c.unit
        rim = 0.75 * np.exp(-((inside / 0.0035) ** 2)) + 0.3 * np.exp(-inside / 0.012)
        flow = 0.6 + 0.25 * current[window] + rim
        thick = load * np.minimum(inside * c.unit / 2, 1) * flow * (1 - 0.15 * paper[window])
        density[window] -= np.log(np.asarray(ink, np.float32)) * np.maximum(thick, 0)[..., None]

    def petal(
        x: float, y: float, turn: float, length: float, width: float, blunt: float
    ) -> tuple[Window, NDArray[Any]]:
        """Return a petal or a leaf that grows from (x, y)."""
        cos, sin = np.cos(turn), np.sin(turn)
        reach = 0.75 * max(length, 2 * width)
        window = c.window(x + 0.5 * length * cos, y + 0.5 * length * sin, reach)
        dx, dy = c.x[:, window[1]] - x, c.y[window[0]] - y
        u, v = (dx * cos + dy * sin) / length, dy * cos - dx * sin
        profile = width * np.sin(np.pi * np.clip(u, 0, 1) ** blunt) ** 0.75
        ragged = np.minimum(wobble[rng.integers(3)][window], 0.4 * profile)
        return window, np.abs(v) < profile + ragged

    def drawn(
        middle: ArrayLike, radius: float, dots: ArrayLike, sizes: ArrayLike
    ) -> tuple[Window, NDArray[Any]]:
        """Return round dots within a radius of a point."""
        x, y = np.asarray(middle).tolist()
        window = c.window(x, y, radius)
        mask = np.zeros(paper[window].shape, np.uint8)
        if not mask.size:
            return window, mask
        origin = np.array([window[1].start, window[0].start]) / c.unit
        for dot, size in zip(
            c.fixed(np.asarray(dots) - origin).tolist(), np.asarray(sizes).tolist(), strict=True
        ):
            cv2.circle(mask, dot, max(int(size * c.unit * 2**SHIFT), 1), 1, -1, cv2.LINE_8, SHIFT)
        return window, mask

    # Wet in wet: clouds of colour without an edge, and blooms where drops of water pushed them out.
    for ink in rgb("#9fd4dc #f9d3b0 #c4bdec #f7c9cf"):
        cloud = smoothstep(-0.3, 1.5, noise_field(c, 1.5, 4, 0.45))
        density -= 0.62 * np.log(ink.astype(np.float32)) * (cloud * (1 - 0.12 * paper))[..., None]
    for _ in range(round(5 * c.w * c.h)):
        px, py, size = rng.uniform(0, c.w), rng.uniform(0, c.h), rng.uniform(0.05, 0.11)
        r = np.hypot(c.x - px, c.y - py) / size + 9 * wobble[0] / size * 0.3
        bloom = 1 - 0.45 * (1 - smoothstep(0.6, 1.0, r)) + 0.5 * np.exp(-(((r - 1.03) / 0.05) ** 2))
        density *= bloom[..., None]

    heads: list[tuple[float, float, float]] = []
    for _ in range(400):
        x, y = c.w * rng.uniform(0.04, 0.96), c.h * rng.uniform(0.07, 0.78)
        size = rng.uniform(0.065, 0.17)
        if all(np.hypot(x - a, y - b) > 0.85 * (size + s) for a, b, s in heads):
            heads.append((x, y, size))
        if len(heads) >= 11 * c.w * c.h:
            break
    greens = rgb("#4f8a3f #86a84a #2f7a68 #a8b53e #3f7f96")
    t = np.linspace(0, 1, 640)
    for x, y, _ in heads:  # stems and leaves first: the flowers lie over them
        foot = x + rng.normal(0, 0.09)
        stem = np.stack([x + (foot - x) * t**2, y + (c.h * 1.05 - y) * t], axis=-1)
        middle, reach = stem[320], np.abs(stem[-1] - stem[0]).max() * 0.6
        wash(*drawn(middle, reach, stem, 0.0028 + 0.0022 * t), greens[0], 0.9)
        for k in rng.integers(120, 520, rng.integers(2, 5)):
            turn = -np.pi / 2 + rng.choice([-1, 1]) * rng.uniform(0.4, 1.2)
            leaf = petal(
                stem[k, 0],
                stem[k, 1],
                turn,
                rng.uniform(0.09, 0.19),
                rng.uniform(0.012, 0.028),
                0.9,
            )
            wash(*leaf, greens[rng.integers(5)], rng.uniform(0.55, 1.0))
    lifted = np.zeros(paper.shape, bool)
    reds = rgb("#ee4a40 #f77f3c #e23a72 #f7ab3a #a455c4 #ef6a86 #5f6fd0")
    for x, y, size in heads:
        ink = reds[rng.integers(len(reds))]
        number, start = rng.integers(5, 8), rng.uniform(0, 2 * np.pi)
        petals = [
            petal(
                x,
                y,
                start + 2 * np.pi * k / number + rng.normal(0, 0.12),
                size * rng.uniform(0.85, 1.1),
                size * rng.uniform(0.36, 0.48),
                1.5,
            )
            for k in range(number)
        ]
        for window, wet in petals:
            lifted[window] |= wet
        around = c.window(x, y, 1.3 * size)
        # A thirsty brush lifts what lies under the flower.
        density[around] *= 1 - 0.8 * lifted[around][..., None]
        lifted[around] = False
        for window, wet in petals:
            shade = np.clip(vary(ink, rng, 0.03, 0.16), 0.03, 0.99)
            wash(window, wet, shade, rng.uniform(0.5, 0.85))
        turn, far = rng.uniform(0, 2 * np.pi, 40), size * rng.uniform(0.2, 0.42, 40)
        dots = np.stack([x + far * np.cos(turn), y + far * np.sin(turn)], axis=-1)
        wash(*drawn((x, y), size, [[x, y]], [0.17 * size]), rgb("#4a5a3a")[0], 0.8)
        wash(
            *drawn((x, y), size, dots, rng.uniform(0.008, 0.026, 40) * size),
            rgb("#2a2036")[0],
            1.1,
        )
    count = round(70 * c.w * c.h)
    for dot in rng.random((count, 2)) * [c.w, c.h]:
        splash = drawn(dot, 0.02, [dot], [0.0015 + 0.008 * rng.random() ** 4])
        wash(*splash, reds[rng.integers(len(reds))], 0.6)

    diffuse, _ = relief(c, 0.0006 * paper)
    sheet = rgb("#fdf9ef")[0].astype(np.float32)
    return lit(sheet * np.exp(-density), 1 + 0.2 * diffuse)
