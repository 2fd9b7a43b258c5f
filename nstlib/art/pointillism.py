"""Dots of pure colour: a river in the sun."""

from __future__ import annotations

import cv2
import numpy as np

from nstlib.art._canvas import (
    SHIFT,
    Array,
    Canvas,
    blurred,
    from_oklab,
    lit,
    mixed,
    noise_field,
    palette_of,
    relief,
    rgb,
    ridge,
    sample,
    smoothstep,
    to_oklab,
)


def pointillism(c: Canvas) -> Array:
    """Paint a river afternoon in dots of pure colour, each region flecked with its complement."""
    rng = c.rng
    scene = _river(plan := c.plan(224))
    canvas = np.empty((c.height, c.width, 3), np.uint8)
    ground = cv2.resize(blurred(plan, scene, 0.01), (c.width, c.height))
    canvas[:] = np.clip(ground * 205 + 25, 0, 255)
    for radius, cover in ((0.0095, 1.6), (0.0072, 0.9), (0.0048, 0.75)):
        spots = c.spread(cover / (np.pi * radius**2), 0.01)
        lab = to_oklab(sample(plan, scene, spots))
        n = len(spots)
        lab[:, 0] += rng.normal(0, 0.026, n)
        # Chevreul's contrast: mostly neighbours on the colour circle, some straight across it.
        straight = rng.random(n) < 0.1
        turn = np.where(straight, np.pi, rng.normal(0, 0.36, n))
        chroma = np.hypot(lab[:, 1], lab[:, 2]) * np.where(straight, 0.8, 1.2) + 0.024
        hue = np.arctan2(lab[:, 2], lab[:, 1]) + turn
        lab[:, 1], lab[:, 2] = chroma * np.cos(hue), chroma * np.sin(hue)
        inks = np.clip(from_oklab(lab) * 255, 0, 255).tolist()
        sizes = np.maximum(radius * rng.uniform(0.7, 1.15, n) * c.unit, 0.5) * 2**SHIFT
        for spot, size, ink in zip(
            c.fixed(spots).tolist(), sizes.astype(int).tolist(), inks, strict=True
        ):
            cv2.circle(canvas, spot, size, ink, -1, cv2.LINE_AA, SHIFT)
    paint = canvas.astype(np.float32) / 255
    tone = blurred(c, paint.mean(axis=-1), 0.0007)
    diffuse, _ = relief(c, 0.0016 * tone + 0.0001 * noise_field(c, 140, 2, 0.8))
    return lit(paint, 1 + 0.35 * diffuse)


def _river(c: Canvas) -> Array:
    """Return the colours of a landscape: sky, far hills, water with reflections, trees, meadow."""
    scene = _Landscape(c)
    scene.far_shore()
    scene.water()
    scene.boats()
    side = c.rng.choice([-1, 1])  # of the tree: -1 for the left
    depth = scene.meadow(side)
    scene.tree(side, depth)
    return scene.colour.astype(np.float32)


class _Landscape:
    """A landscape that is painted from its far end to the near one."""

    def __init__(self, c: Canvas) -> None:
        self.c = c
        self.x, self.y = np.broadcast_arrays(c.x, c.y)
        self.horizon = c.h * c.rng.uniform(0.4, 0.46)
        self.sun = c.w * c.rng.uniform(0.25, 0.75), self.horizon - 0.1
        self.colour = self._sky()
        self._ragged, self._speckle = 0.004 * noise_field(c, 30, 2), noise_field(c, 24)

    def _sky(self) -> Array:
        level = self.y / self.horizon
        sky = palette_of(level, "#2f6cc0 #4f93d6 #8cc4e6 #d5e0cf #ffd79a #ffb079")
        cloud = 0.85 * smoothstep(0.2, 1.0, noise_field(self.c, (8, 2.4), 4, 0.55) - 0.35)
        sky = mixed(sky, palette_of(level, "#fbf3ea #ffe6d8 #ffc0a6"), cloud)
        glow = np.hypot(self.x - self.sun[0], self.y - self.sun[1])
        sky = mixed(sky, rgb("#ffe9a8")[0], 0.85 * np.exp(-((glow / 0.16) ** 2)))
        return mixed(sky, rgb("#fff7d6")[0], 1 - smoothstep(0.036, 0.042, glow))

    def _cover(self, mask: Array, level: Array, ramp: str) -> None:
        self.colour = mixed(self.colour, palette_of(level, ramp), mask)

    def far_shore(self) -> None:
        """Paint hills, and bushes along the water."""
        c, x, y, rng, horizon = self.c, self.x, self.y, self.c.rng, self.horizon
        grove = noise_field(c, 3, 2)
        hills = horizon - 0.03 - 0.035 * np.abs(ridge(c, 2.2, 3))
        level = 0.5 + 6 * (y - hills) + 0.2 * noise_field(c, 9, 2)
        self._cover(smoothstep(0, 0.004, y - hills), level, "#4a5ea8 #7f86c4 #b9a8cf")
        for px in rng.permutation(np.linspace(-0.02, c.w, int(44 * c.w) + 2)):
            size = rng.uniform(0.008, 0.03) * (
                1.3 if sample(c, grove, np.array([px, 0.0])) > 0.3 else 0.6
            )
            lump = np.hypot((x - px) / 1.15, y - horizon + 0.6 * size) + self._ragged
            level = 0.5 - 0.3 * (x - px + y - horizon + size) / size + 0.15 * self._speckle
            self._cover(smoothstep(0, 0.004, size - lump), level, "#1c3f5e #2a6f5e #6da24a #d9d56a")

    def water(self) -> None:
        """Repeat the sky upside down, broken by ripples."""
        c, x, y, horizon = self.c, self.x, self.y, self.horizon
        below = np.clip(y - horizon, 0, None)
        wobble = 0.02 * noise_field(c, (38, 5), 2) * (0.3 + 3 * below)
        row = np.clip((horizon - below * 0.95 + wobble) * c.unit, 0, c.height - 1).astype(np.intp)
        column = np.clip((x + 2 * wobble) * c.unit, 0, c.width - 1).astype(np.intp)
        deep = palette_of(below / (c.h - horizon), "#8fb4dc #4f93d2 #2b6fbd #2457a6")
        depth = (0.6 + 0.4 * below / c.h).astype(np.float32)
        mirror = mixed(self.colour[row, column], deep, depth)
        warm = np.exp(-(((x - self.sun[0]) / (0.05 + 0.35 * below)) ** 2))
        warm = warm * (1 - below / (c.h - horizon))
        ripples = smoothstep(-0.5, 0.8, noise_field(c, (52, 6), 2))
        mirror = mixed(mirror, rgb("#ffd98f")[0], 0.75 * warm * ripples)
        glint = smoothstep(0.6, 1.8, noise_field(c, (46, 7), 2))
        mirror = mixed(mirror, rgb("#fff3cf")[0], 0.6 * glint)
        self.colour = np.where((y > horizon)[..., None], mirror, self.colour)

    def boats(self) -> None:
        """Set four sails on the water, each with its reflection."""
        c, x, y, rng, colour = self.c, self.x, self.y, self.c.rng, self.colour
        for px in rng.uniform(0.1, 0.9, 4) * c.w:
            size, foot = rng.uniform(0.035, 0.075), self.horizon + rng.uniform(0.015, 0.07)
            up = (foot - y) / size
            sail = (up > 0) & (up < 1) & (x - px < 0.34 * size * (1 - up)) & (x - px > -0.04 * size)
            echo = (up < 0) & (up > -0.9) & (np.abs(x - px - 0.1 * size) < 0.16 * size * (1 + up))
            hull = (np.abs(up + 0.06) < 0.07) & (np.abs(x - px - 0.1 * size) < 0.36 * size)
            colour[echo] = 0.5 * colour[echo] + 0.5 * rgb("#f7ead0")[0]
            colour[sail] = rgb("#fff4e0")[0]
            colour[hull] = rgb("#8c2f39")[0]

    def meadow(self, side: int) -> Array:
        """Paint the near bank in stripes of light and shade, with flowers; return its depth."""
        c, x, y = self.c, self.x, self.y
        across = x / c.w if side > 0 else 1 - x / c.w
        depth = y - (c.h * (0.98 - 0.36 * across**1.6) + 0.02 * ridge(c, 2.5, 3))
        stripes = np.sin(2 * np.pi * (depth * 6 + 0.3 * noise_field(c, 2, 2)))
        level = 0.62 + 0.3 * stripes + 0.14 * noise_field(c, 14, 2)
        ramp = "#123f5e #17655a #3b8f45 #86b544 #e3d557"
        self._cover(smoothstep(0, 0.005, depth), level, ramp)
        bed = smoothstep(-0.6, 0.3, noise_field(c, 3)) * (depth > 0.03)
        self.colour[noise_field(c, 70) * bed > 1.5] = rgb("#f0465f")[0]
        self.colour[noise_field(c, 70) * bed > 1.6] = rgb("#fff2d8")[0]
        return depth

    def tree(self, side: int, depth: Array) -> None:
        """Paint one large tree on the near bank: its shadow, trunk, branches and leaves."""
        c, x, y, rng = self.c, self.x, self.y, self.c.rng
        trunk = c.w * (0.5 + side * rng.uniform(0.3, 0.36))
        foot = c.h * rng.uniform(0.74, 0.8)
        shadow = np.hypot((x - trunk + side * 0.1) / 0.3, (y - foot - 0.02) / 0.035)
        shadow = shadow + 0.1 * noise_field(c, 12, 2)
        dark = 0.8 * (1 - smoothstep(0.75, 1.0, shadow)) * (depth > 0)
        self._cover(dark, 0.3 + 0.2 * noise_field(c, 18), "#1a2f6b #2c5a86 #3f8a6a")
        bark_ramp = "#2a1b4a #6a3f5a #c9824f"
        bend = trunk + 0.018 * np.sin(5 * (foot - y) + 1)
        wide = 0.014 + 0.03 * np.exp(-(foot - y) / 0.04)
        bark = smoothstep(0, 0.004, wide - np.abs(x - bend)) * (y < foot) * (y > 0.2 * c.h)
        self._cover(bark.astype(np.float32), 0.5 + 0.5 * side * -(x - bend) / 0.02, bark_ramp)
        for branch in (-0.11, -0.05, 0.06, 0.12):
            up = np.clip((0.44 * c.h - y) / (0.16 * c.h), 0, 1)
            twig = smoothstep(0, 0.004, 0.011 - 0.006 * up - np.abs(x - bend - branch * up**1.4))
            twig = twig * ((y < 0.44 * c.h) & (y > 0.28 * c.h))
            self._cover(twig.astype(np.float32), 0.4 + 0 * x, bark_ramp)
        crown = rng.normal(0, 1, (70, 2)).clip(-1.7, 1.7) * [0.1, 0.072] + [trunk, 0.23 * c.h]
        leaves = "#12324f #155a58 #2f8a48 #86b544 #f2dc62"
        for px, py in crown[np.argsort(-crown[:, 1])]:
            size = rng.uniform(0.022, 0.055)
            lump = np.hypot(x - px, (y - py) * 1.25) + 2.2 * self._ragged
            level = 0.46 + ((x - px) * side * 0.5 - (y - py)) / size * 0.4 + 0.16 * self._speckle
            self._cover(smoothstep(0, 0.004, size - lump), level, leaves)
