"""Flowers in wet paint on paper."""

from __future__ import annotations

from typing import Any, TypeAlias

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
    sheet = _Sheet(c)
    _wet_in_wet(sheet)
    heads = _scattered(c)
    _stems(sheet, heads)  # the flowers lie over them
    for head in heads:
        _flower(sheet, head)
    for dot in c.rng.random((round(70 * c.w * c.h), 2)) * [c.w, c.h]:
        splash = sheet.dots(dot, 0.02, [dot], [0.0015 + 0.008 * c.rng.random() ** 4])
        sheet.wash(*splash, _REDS[c.rng.integers(len(_REDS))], 0.6)
    return sheet.dried()


#: A flower: where it is, x and y, and its size.
_Head: TypeAlias = tuple[float, float, float]

_GREENS = rgb("#4f8a3f #86a84a #2f7a68 #a8b53e #3f7f96")
_REDS = rgb("#ee4a40 #f77f3c #e23a72 #f7ab3a #a455c4 #ef6a86 #5f6fd0")


class _Sheet:
    """Paper, and the washes on it."""

    def __init__(self, c: Canvas) -> None:
        self.c = c
        self.paper = noise_field(c, 95, 3, 0.75)
        self.wobble = [0.006 * noise_field(c, 9, 5, 0.55) for _ in range(3)]
        self._pool = [noise_field(c, 7, 4, 0.6) for _ in range(2)]
        # Washes multiply, so they are summed as optical density: light = paper * exp(-density).
        self.density = np.zeros((c.height, c.width, 3), np.float32)

    def wash(self, window: Window, wet: NDArray[Any], ink: ArrayLike, load: float) -> None:
        """Lay a wash of an ink where the paper is wet; the pigment gathers at its rim."""
        # Before the way out, so that every size takes the same random numbers.
        current = self._pool[self.c.rng.integers(2)]
        if not wet.any():
            return
        dry = cv2.distanceTransform(np.pad(wet.astype(np.uint8), 1), cv2.DIST_L2, 5)
        inside = dry[1:-1, 1:-1] / self.c.unit
        rim = 0.75 * np.exp(-((inside / 0.0035) ** 2)) + 0.3 * np.exp(-inside / 0.012)
        flow = 0.6 + 0.25 * current[window] + rim
        grain = 1 - 0.15 * self.paper[window]
        thick = load * np.minimum(inside * self.c.unit / 2, 1) * flow * grain
        self.density[window] -= (
            np.log(np.asarray(ink, np.float32)) * np.maximum(thick, 0)[..., None]
        )

    def petal(
        self, root: tuple[float, float], turn: float, length: float, width: float, blunt: float
    ) -> tuple[Window, NDArray[Any]]:
        """Return the pixels of a petal or a leaf that grows from its root, (x, y)."""
        c, (x, y) = self.c, root
        cos, sin = np.cos(turn), np.sin(turn)
        reach = 0.75 * max(length, 2 * width)
        window = c.window(x + 0.5 * length * cos, y + 0.5 * length * sin, reach)
        dx, dy = c.x[:, window[1]] - x, c.y[window[0]] - y
        u, v = (dx * cos + dy * sin) / length, dy * cos - dx * sin
        profile = width * np.sin(np.pi * np.clip(u, 0, 1) ** blunt) ** 0.75
        ragged = np.minimum(self.wobble[c.rng.integers(3)][window], 0.4 * profile)
        return window, np.abs(v) < profile + ragged

    def dots(
        self, middle: ArrayLike, radius: float, dots: ArrayLike, sizes: ArrayLike
    ) -> tuple[Window, NDArray[Any]]:
        """Return the pixels of round dots within a radius of a point."""
        c, (x, y) = self.c, np.asarray(middle).tolist()
        window = c.window(x, y, radius)
        mask = np.zeros(self.paper[window].shape, np.uint8)
        if not mask.size:
            return window, mask
        origin = np.array([window[1].start, window[0].start]) / c.unit
        for dot, size in zip(
            c.fixed(np.asarray(dots) - origin).tolist(), np.asarray(sizes).tolist(), strict=True
        ):
            cv2.circle(mask, dot, max(int(size * c.unit * 2**SHIFT), 1), 1, -1, cv2.LINE_8, SHIFT)
        return window, mask

    def dried(self) -> Array:
        """Return the finished painting: what the washes leave of the paper's light."""
        diffuse, _ = relief(self.c, 0.0006 * self.paper)
        white = rgb("#fdf9ef")[0].astype(np.float32)
        return lit(white * np.exp(-self.density), 1 + 0.2 * diffuse)


def _wet_in_wet(sheet: _Sheet) -> None:
    """Lay clouds of colour without an edge, and blooms where drops of water pushed them out."""
    c, rng = sheet.c, sheet.c.rng
    for ink in rgb("#9fd4dc #f9d3b0 #c4bdec #f7c9cf"):
        cloud = smoothstep(-0.3, 1.5, noise_field(c, 1.5, 4, 0.45)) * (1 - 0.12 * sheet.paper)
        sheet.density -= 0.62 * np.log(ink.astype(np.float32)) * cloud[..., None]
    for _ in range(round(5 * c.w * c.h)):
        px, py, size = rng.uniform(0, c.w), rng.uniform(0, c.h), rng.uniform(0.05, 0.11)
        r = np.hypot(c.x - px, c.y - py) / size + 9 * sheet.wobble[0] / size * 0.3
        bloom = 1 - 0.45 * (1 - smoothstep(0.6, 1.0, r)) + 0.5 * np.exp(-(((r - 1.03) / 0.05) ** 2))
        sheet.density *= bloom[..., None]


def _scattered(c: Canvas) -> list[_Head]:
    """Choose where flowers are, none of them on another."""
    heads: list[_Head] = []
    for _ in range(400):
        x, y = c.w * c.rng.uniform(0.04, 0.96), c.h * c.rng.uniform(0.07, 0.78)
        size = c.rng.uniform(0.065, 0.17)
        if all(np.hypot(x - a, y - b) > 0.85 * (size + s) for a, b, s in heads):
            heads.append((x, y, size))
        if len(heads) >= 11 * c.w * c.h:
            break
    return heads


def _stems(sheet: _Sheet, heads: list[_Head]) -> None:
    """Paint stems from the flowers to the ground, with leaves."""
    c, rng = sheet.c, sheet.c.rng
    t = np.linspace(0, 1, 640)
    for x, y, _ in heads:
        foot = x + rng.normal(0, 0.09)
        stem = np.stack([x + (foot - x) * t**2, y + (c.h * 1.05 - y) * t], axis=-1)
        middle, reach = stem[320], np.abs(stem[-1] - stem[0]).max() * 0.6
        sheet.wash(*sheet.dots(middle, reach, stem, 0.0028 + 0.0022 * t), _GREENS[0], 0.9)
        for k in rng.integers(120, 520, rng.integers(2, 5)):
            turn = -np.pi / 2 + rng.choice([-1, 1]) * rng.uniform(0.4, 1.2)
            length, width = rng.uniform(0.09, 0.19), rng.uniform(0.012, 0.028)
            leaf = sheet.petal((stem[k, 0], stem[k, 1]), turn, length, width, 0.9)
            sheet.wash(*leaf, _GREENS[rng.integers(5)], rng.uniform(0.55, 1.0))


def _flower(sheet: _Sheet, head: _Head) -> None:
    """Paint a flower: petals around a dark middle with stamens."""
    c, rng, (x, y, size) = sheet.c, sheet.c.rng, head
    ink = _REDS[rng.integers(len(_REDS))]
    number, start = rng.integers(5, 8), rng.uniform(0, 2 * np.pi)
    petals = []
    for k in range(number):
        turn = start + 2 * np.pi * k / number + rng.normal(0, 0.12)
        length, width = size * rng.uniform(0.85, 1.1), size * rng.uniform(0.36, 0.48)
        petals.append(sheet.petal((x, y), turn, length, width, 1.5))
    # A thirsty brush lifts what lies under the flower.
    lifted = np.zeros(sheet.paper.shape, bool)
    for window, wet in petals:
        lifted[window] |= wet
    around = c.window(x, y, 1.3 * size)
    sheet.density[around] *= 1 - 0.8 * lifted[around][..., None]
    for window, wet in petals:
        shade = np.clip(vary(ink, rng, 0.03, 0.16), 0.03, 0.99)
        sheet.wash(window, wet, shade, rng.uniform(0.5, 0.85))
    turns, far = rng.uniform(0, 2 * np.pi, 40), size * rng.uniform(0.2, 0.42, 40)
    stamens = np.stack([x + far * np.cos(turns), y + far * np.sin(turns)], axis=-1)
    sheet.wash(*sheet.dots((x, y), size, [[x, y]], [0.17 * size]), rgb("#4a5a3a")[0], 0.8)
    sizes = rng.uniform(0.008, 0.026, 40) * size
    sheet.wash(*sheet.dots((x, y), size, stamens, sizes), rgb("#2a2036")[0], 1.1)
