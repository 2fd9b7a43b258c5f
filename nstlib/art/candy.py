"""Swirled sweets, heaped."""

from __future__ import annotations

import numpy as np

from nstlib.art._canvas import Array, Canvas, blurred, mixed, noise_field, relief, rgb, smoothstep


def candy(c: Canvas) -> Array:
    """Scatter glossy sweets, lollipops and peppermints on flowing ribbons of sugar."""
    rng = c.rng
    sweet = rgb("#ff2e74 #ff7a1a #ffd51f #18c7b5 #2b6cf0 #8a35d6 #f43b3b #59c836 #ff8fc4")
    warp = noise_field(c, 1.3, 2), noise_field(c, 1.3, 2)
    along = rng.uniform(0, np.pi)
    phase = 6.5 * (np.cos(along) * (c.x + 0.11 * warp[0]) + np.sin(along) * (c.y + 0.11 * warp[1]))
    stripe = np.floor(phase).astype(np.intp)
    order = np.concatenate([rng.permutation(len(sweet)) for _ in range(12)])
    fraction = (phase - stripe).astype(np.float32)
    colour = sweet[order[stripe % len(order)]].astype(np.float32)
    thread = np.abs((fraction * 3 + 0.12 * noise_field(c, 6)) % 1 - 0.5)
    colour = mixed(colour, colour * 0.35 + 0.65, 0.6 * smoothstep(0.33, 0.39, thread))
    height = 0.042 * np.sqrt(np.clip(1 - (2 * fraction - 1) ** 2, 0, 1)) + 0.0016 * noise_field(
        c, 9, 2
    )
    shade, gloss = np.ones_like(height), np.zeros_like(height)

    radii = np.r_[
        rng.uniform(0.15, 0.22, 5),
        rng.uniform(0.07, 0.11, 16),
        rng.uniform(0.03, 0.05, 60),
        rng.uniform(0.012, 0.018, 160),
    ]
    placed = np.zeros((0, 3))
    for radius in np.repeat(radii, max(1, round(c.h * c.w))):
        for _ in range(12):
            x, y = rng.uniform(-0.05, c.w + 0.05), rng.uniform(-0.05, c.h + 0.05)
            gap = np.hypot(placed[:, 0] - x, placed[:, 1] - y) - placed[:, 2] - radius
            if not (gap < 0.006).any():
                placed = np.vstack([placed, (x, y, radius)])
                break
    for x, y, radius in placed:
        _sweet(c, (x, y, radius), sweet, (colour, height, shade, gloss))

    diffuse, glint = relief(c, blurred(c, height, 0.0012), 60)
    grain = noise_field(c, 150, 3, 0.8)
    light = np.clip(shade * (1 + 0.55 * diffuse), 0.02, None) * (1 + 0.012 * grain)
    # Shadows keep more blue than red, or white sugar would look grey.
    lit = colour * np.stack([light**0.92, light, light**0.62], axis=-1)
    return mixed(lit, np.ones(3), np.clip(0.75 * glint + gloss, 0, 0.95))


def _sweet(
    c: Canvas,
    disc: tuple[float, float, float],
    sweet: Array,
    layers: tuple[Array, Array, Array, Array],
) -> None:
    """Put one sweet on the canvas: its colours, its rounded body, the shadow under it."""
    rng, (colour, height, shade, gloss) = c.rng, layers
    x, y, radius = disc
    a, b, d = sweet[rng.permutation(len(sweet))[:3]]
    kind, arms, turns = rng.integers(4), rng.integers(4, 9), rng.uniform(2.5, 5.0)
    spin, start = rng.uniform(1.2, 3.0) * rng.choice([-1, 1]), rng.uniform(0, 2 * np.pi)
    window = c.window(x, y, 1.5 * radius)
    u, v = (c.x[:, window[1]] - x) / radius, (c.y[window[0]] - y) / radius
    if not u.size or not v.size:
        return
    soft = 1.5 / (radius * c.unit)
    fall = np.hypot(u - 0.13, v - 0.17)
    shade[window] *= 1 - 0.62 * (1 - smoothstep(0.75, 1.3, fall))
    r = np.hypot(u, v)
    body = 1 - smoothstep(1 - soft, 1, r)
    angle = np.arctan2(v, u) + start
    dome = np.sqrt(np.clip(1 - np.clip(r, 0, 1) ** 2.6, 0, 1)) * 0.55 * radius
    white = np.array([1, 0.98, 0.95])
    groove = np.zeros_like(r)
    if radius < 0.025 or (radius < 0.06 and kind == 0):  # a gum ball
        paint = np.broadcast_to(a, (*r.shape, 3))
    elif kind <= 1:  # a rolled lollipop: a rope wound up, two colours and white
        rope = r * turns - np.sign(spin) * angle / np.pi  # two ropes, so that the colours meet
        winding = rope % 1
        groove = 0.16 * np.sqrt(np.clip(1 - (2 * winding - 1) ** 2, 0, 1)) / turns
        twist = (angle * arms * 1.5 / np.pi + winding * 0.9) % 1
        paint = mixed(a, white, smoothstep(0.46, 0.54, np.abs(twist * 2 - 1)))
        paint = mixed(paint, b, (np.floor(rope) % 2 * 0.85).astype(np.float32))
    elif kind == 2:  # a peppermint: curved arms
        wheel = np.abs((angle * arms / (2 * np.pi) + spin * r**1.3) % 1 * 2 - 1)
        edge = soft * arms / (2 * np.maximum(r, 0.05)) + 0.04
        paint = mixed(white, a, smoothstep(0, 0.5, (wheel - 0.5) / edge + 0.25))
        paint = mixed(paint, d, 1 - smoothstep(0.16, 0.16 + soft, r))
    else:  # a jelly flower: petals within petals
        wave = 0.5 + 0.5 * np.cos(angle * arms)
        paint = np.broadcast_to(a, (*r.shape, 3))
        for tint, reach in ((white, 0.98), (b, 0.9), (d, 0.62), (white, 0.4), (a, 0.33)):
            petal = (0.62 + 0.38 * wave) * reach - r
            paint = mixed(paint, tint, smoothstep(-soft, soft, petal))
        groove = 0.06 * wave * np.exp(-(((r - 0.55) / 0.3) ** 2))
    colour[window] = mixed(colour[window], paint, body.astype(np.float32))
    height[window] = np.where(r < 1, 0.02 + dome + groove * radius, height[window])
    shade[window] = shade[window] * (1 - body) + body * (1 - 0.3 * smoothstep(0.65, 1.0, r))
    # Two reflections make it shine: a window at the upper left, the table at the lower right.
    far, side = (u + v) / np.sqrt(2), (u - v) / np.sqrt(2)
    pane = np.exp(-(((far + 0.62) / 0.1) ** 4) - ((side / 0.36) ** 4))
    rim = np.exp(-(((r - 0.88) / 0.05) ** 2)) * np.clip(far, 0, 1) ** 2
    gloss[window] = gloss[window] * (1 - body) + body * (0.7 * pane + 0.35 * rim)
