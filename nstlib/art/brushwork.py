"""Thick strokes of paint: a night sky over water."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nstlib.art._canvas import (
    SHIFT,
    Array,
    Canvas,
    Pixels,
    blurred,
    lit,
    mixed,
    noise_field,
    palette_of,
    relief,
    ridge,
    sample,
    smoothstep,
    vary,
)


def brushwork(c: Canvas) -> Array:
    """Paint with thousands of loaded brush strokes: a turning night sky over wheat and poplars."""
    colour, angle = _night(plan := c.plan())
    # Red, green, blue, and the thickness of the paint.
    canvas = np.empty((c.height, c.width, 4), np.uint8)
    under = cv2.resize(colour, (c.width, c.height), interpolation=cv2.INTER_LINEAR)
    canvas[..., :3] = np.clip(under * 200, 0, 255)
    canvas[..., 3] = 90
    #        strokes a unit², length, width, bristles, variation
    for count, length, width, bristles, variety in (
        (700, 0.120, 0.034, 12, 0.030),
        (2100, 0.080, 0.016, 8, 0.040),
        (4200, 0.052, 0.0085, 5, 0.050),
    ):
        start, scene = c.spread(count, length), (plan, colour, angle)
        _strokes(c, canvas, start, scene, length, width, bristles, variety)

    paint = canvas[..., :3].astype(np.float32) / 255
    thick = canvas[..., 3].astype(np.float32) / 255
    weave = noise_field(c, (130, 130), 2, 0.7)
    height = 0.0042 * blurred(c, thick, 0.0007) + 0.004 * blurred(c, thick, 0.003) + 0.00008 * weave
    diffuse, glint = relief(c, height, 30)
    return lit(paint, 1 + 0.55 * diffuse) + (0.10 * (glint - 0.12))[..., None]


def _night(c: Canvas) -> tuple[Array, Array]:
    """Return the colours of the scene and the direction of its brush strokes."""
    horizon = c.h * c.rng.uniform(0.62, 0.68) + 0.035 * ridge(c, 1.6, 2)
    scene = _Scene(c, *_sky(c))
    _land(scene, horizon)
    return scene.colour.astype(np.float32), scene.angle.astype(np.float32)


class _Scene:
    """What is painted so far: colours, and the directions of the strokes."""

    def __init__(self, c: Canvas, colour: Array, angle: Array) -> None:
        self.c = c
        self.colour, self.angle = colour, angle

    def cover(self, inside: NDArray[np.bool_], level: Array, ramp: str, angle: ArrayLike) -> None:
        """Paint over a part of it."""
        self.colour = np.where(inside[..., None], palette_of(level, ramp), self.colour)
        self.angle = np.where(inside, angle, self.angle)


def _sky(c: Canvas) -> tuple[Array, Array]:
    """Let the sky flow along the contours of a stream function: wind, whirls, halos of stars."""
    rng = c.rng
    x, y = np.broadcast_arrays(c.x, c.y)
    stream = 0.55 * (y + 0.05 * noise_field(c, 1.6, 2))
    glow, turning = np.zeros_like(stream), np.zeros_like(stream)
    arms = np.zeros_like(stream)
    whirls = ((0.34, 0.33, 0.105), (0.62, 0.24, 0.075), (0.08, 0.2, 0.06), (0.9, 0.46, 0.07))
    for k, (px, py, size) in enumerate(whirls):
        u = x - c.w * (px + rng.uniform(-0.07, 0.07))
        v = y - c.h * (py + rng.uniform(-0.04, 0.04))
        r = np.hypot(u, v)
        near = np.exp(-((r / (1.35 * size)) ** 2))
        stream = stream + (-1) ** k * 2.4 * size * np.exp(-(r**2) / (2 * size**2))
        spiral = 0.5 + 0.5 * np.cos(2 * np.arctan2(v, u) - (-1) ** k * 9 * r / size)
        arms, turning = arms * (1 - near) + near * spiral, np.maximum(turning, near)
    for px, py, size in _lights(c):
        r = np.hypot(x - px, y - py)
        near = np.exp(-((r / (3.6 * size)) ** 4))
        stream = stream * (1 - near) + near * r
        turning = turning * (1 - near)
        ripple = 0.85 + 0.15 * np.cos(2 * np.pi * r / (1.1 * size))
        halo = np.where(r < size, 1.0, 0.85 * ripple * np.exp(-((r - size) / (1.7 * size))))
        glow = np.maximum(glow, halo)
    dy, dx = np.gradient(stream.astype(np.float32))
    bands = 0.5 + 0.5 * np.sin(2 * np.pi * (stream * 5.5 + 0.12 * noise_field(c, 3)))
    bands = bands * (1 - turning) + 1.15 * arms * turning
    level = 0.08 + 0.52 * bands + 0.25 * (y / c.h / 0.65) ** 2 + 0.08 * noise_field(c, 5, 2)
    colour = palette_of(level, "#0a1236 #142c78 #1d55b5 #3f8fd0 #8cc9d8 #dbe8c4")
    fire = palette_of(glow, "#2c7cc0 #7fc0a8 #e6d35c #ffc62e #ffdd66 #fff6c9")
    colour = mixed(colour, fire, smoothstep(0.08, 0.42, glow.astype(np.float32)))
    return colour, np.arctan2(-dx, dy)


def _lights(c: Canvas) -> list[tuple[float, float, float]]:
    """Choose where the moon and the stars are, (x, y, size), with room between them."""
    rng = c.rng
    lights = [(c.w * rng.uniform(0.76, 0.86), rng.uniform(0.13, 0.18), 0.05)]
    for px, py in rng.random((200, 2)) * [c.w, 0.42]:
        size = rng.uniform(0.009, 0.017)
        if len(lights) < 10 * c.w and all(
            np.hypot(px - a, py - b) > 4 * (size + s) for a, b, s in lights
        ):
            lights.append((px, py, size))
    return lights


def _land(scene: _Scene, horizon: Array) -> None:
    """Paint hills, then the wheat, whose strokes lean with the wind, and poplars."""
    c, rng = scene.c, scene.c.rng
    x, y = np.broadcast_arrays(c.x, c.y)
    slope = np.arctan(np.gradient(horizon[0]) * c.unit)
    far = horizon - 0.055 - 0.04 * np.abs(ridge(c, 2.5, 2))
    level = 0.45 + 0.3 * noise_field(c, 6, 2) - 2 * (y - far)
    far_slope = np.arctan(np.gradient(far[0]) * c.unit)
    scene.cover(y > far, level, "#0c1c4e #1c3f86 #3a6fae #6fa3bf", far_slope)
    level = 0.5 + 0.3 * noise_field(c, (9, 4), 2) - 2.5 * (y - horizon)
    scene.cover(y > horizon, level, "#0d2a2f #1b5148 #3f7d4a #9aa845", slope)
    field = horizon + 0.075 + 0.02 * ridge(c, 2.2, 2)
    # Furrows run towards a vanishing point on the edge of the field.
    away, side = np.maximum(y - field, -0.03) + 0.05, x - c.w * rng.uniform(0.3, 0.7)
    rows = 0.5 + 0.5 * np.sin(2 * np.pi * (0.8 * side / away + 0.2 * noise_field(c, 3, 2)))
    level = 0.1 + 0.62 * rows + 0.22 * np.exp(-away / 0.1) + 0.13 * noise_field(c, 7, 2)
    lean = np.arctan2(away, side + 0.25 * away) + np.pi + 0.35 * noise_field(c, 3, 2)
    scene.cover(y > field, level, "#1f4f5a #6b6a2a #b8771a #eeaa22 #ffd145 #fff0a8", lean)
    # Poplars: dark flames between land and sky.
    first = rng.uniform(0.08, 0.2)
    trees = ((0.0, 0.5), (0.085, 0.38), (0.15, 0.27), (0.6, 0.2), (0.65, 0.15))
    for px, top in ((first + offset, top) for offset, top in trees):
        foot = field[0, min(int(px * c.w * c.unit), c.width - 1)] + 0.02 + 0.1 * top
        t = (foot - y) / (top * rng.uniform(0.9, 1.1))
        half = 0.16 * top * np.sqrt(np.clip(t, 0, 1)) * np.clip(1.02 - t, 0, 1) ** 0.8
        sway = px * c.w + 0.012 * np.sin(9 * t + first) * t
        offset = (x - sway + 0.004 * noise_field(c, 14)) / np.maximum(half, 1e-4)
        inside = (np.abs(offset) < 1) & (t > 0) & (t < 1.02)
        level = 0.45 - 0.4 * offset + 0.25 * noise_field(c, 12, 2)
        flame = -np.pi / 2 + 0.5 * offset + 0.4 * noise_field(c, 7)
        scene.cover(inside, level, "#07141f #0f2f2c #23543a #6d7f35", flame)


def _strokes(
    c: Canvas,
    canvas: Pixels,
    start: Array,
    scene: tuple[Canvas, Array, Array],
    length: float,
    width: float,
    bristles: int,
    variety: float,
) -> None:
    """Paint strokes along a field of directions, bristle by bristle."""
    rng, (plan, colour, angle) = c.rng, scene
    count, steps = len(start), 7
    stride = length / steps * rng.uniform(0.7, 1.25, count)[:, None]
    path = [start]
    for _ in range(steps - 1):
        turn = sample(plan, angle, path[-1])
        path.append(path[-1] + stride * np.stack([np.cos(turn), np.sin(turn)], axis=-1))
    track = np.stack(path, axis=1)  # (count, steps, 2)
    ahead = np.gradient(track, axis=1)
    normal = np.stack([-ahead[..., 1], ahead[..., 0]], axis=-1)
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
    lane = np.linspace(-1, 1, bristles) + rng.normal(0, 0.5 / bristles, (count, bristles))
    taper = np.sin(np.linspace(0.2, np.pi - 0.25, steps)) ** 0.5
    reach = width / 2 * taper[:, None] * normal
    lines = c.fixed(track[:, None] + lane[..., None, None] * reach[:, None])

    middle = sample(plan, colour, track[:, steps // 3])
    base = vary(middle, rng, variety, 0.16, 1.06)
    # One stroke in five carries a second, unmixed pigment on one side of the brush.
    second = vary(middle, rng, 2.5 * variety, 0.5, 1.1)
    part = (lane > rng.uniform(-0.2, 0.9, (count, 1))) & (rng.random((count, 1)) < 0.22)
    shades = np.where(part[..., None], second[:, None], base[:, None])
    shades = shades + rng.normal(0, 0.028, (count, bristles, 1))
    # The brush pushes the paint to its sides, and every bristle leaves its own ridge.
    load = 0.42 + 0.2 * np.abs(lane) + rng.uniform(-0.2, 0.25, (count, bristles))
    ink = np.clip(np.concatenate([shades, load[..., None]], axis=-1) * 255, 0, 255)
    first = rng.integers(0, 2, (count, bristles)).tolist()
    last = (steps - rng.integers(0, 3, (count, bristles))).tolist()
    pen = c.pixels(1.5 * width / bristles)
    for stroke, inks, begins, ends in zip(lines, ink.tolist(), first, last, strict=True):
        for line, shade, i, j in zip(stroke, inks, begins, ends, strict=True):
            cv2.polylines(canvas, [line[i:j]], False, shade, pen, cv2.LINE_AA, SHIFT)
