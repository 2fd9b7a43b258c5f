"""Marbled paper: inks floating on water, combed."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from nstlib.art._canvas import SHIFT, Array, Canvas, lit, noise_field, printed, rgb, to_bytes


def marble(c: Canvas) -> Array:
    """Marble paper: drops of ink on a bath, drawn out by stylus and comb.

    Every drop is a polygon. A new drop pushes the older ones outwards without changing their area,
    and a tine drags them along its path; see A. Jaffer, "Mathematical Marbling", 2004.
    """
    drops, colours = _dropped(c)
    for pull in _pulls(c):
        drops = [pull(refine(drop, 0.0015)) for drop in drops]

    # Twice as fine as the sheet: the threads of ink are thinner than a pixel.
    fine = c.plan(2 * c.unit)
    canvas = np.empty((fine.height, fine.width, 3), np.uint8)
    canvas[:] = to_bytes(_INKS[6])
    for drop, colour in zip(drops, colours, strict=True):
        outline = fine.fixed(np.stack([drop.real, drop.imag], axis=-1))
        cv2.fillPoly(canvas, [outline], to_bytes(colour), cv2.LINE_8, SHIFT)
    image = printed(c, canvas)
    cloud, pigment, fibre = (
        noise_field(c, 4, 3),
        noise_field(c, 120, 3, 0.8),
        noise_field(c, (50, 170), 2, 0.8),
    )
    dark = 1 - image.mean(axis=-1)
    image = lit(image, 1 + dark * (0.09 * pigment + 0.06 * cloud) + 0.014 * fibre)
    return np.asarray(image + (0.02 * dark * np.maximum(pigment, 0))[..., None])


_INKS = rgb("#14213d #f2e3c6 #b3202c #1f6f78 #e9a23b #f7efe0 #0f3a5f #d9643a")
_WEIGHTS = np.array([4, 2.2, 3.2, 3.5, 2.4, 2.2, 3.5, 2])  # how often each of them is taken


def _dropped(c: Canvas) -> tuple[list[Array], list[Array]]:
    """Drop ink on the bath; return the outlines, as complex numbers x + iy, and the colours."""
    rng = c.rng
    circle = np.exp(2j * np.pi * np.arange(400) / 400)
    drops: list[Array] = []
    colours: list[Array] = []
    for _ in range(round(62 * c.h * c.w)):
        centre = complex(rng.uniform(-0.1, c.w + 0.1), rng.uniform(-0.1, c.h + 0.1))
        # Several inks into the same spot: rings.
        for ink in rng.choice(len(_INKS), rng.integers(2, 6), p=_WEIGHTS / _WEIGHTS.sum()):
            spot = centre + 0.008 * complex(*rng.normal(size=2))
            radius = rng.uniform(0.03, 0.08)
            for i, drop in enumerate(drops):
                away = drop - spot
                squared = np.maximum(away.real**2 + away.imag**2, 1e-12)
                drops[i] = spot + away * np.sqrt(1 + radius**2 / squared)
            drops.append(spot + radius * circle)
            colours.append(_INKS[ink])
    return drops, colours


def _pulls(c: Canvas) -> list[Callable[[Array], Array]]:
    """Return what is done to the ink, one after another: each moves points x + iy."""
    rng = c.rng
    start = rng.random(6)
    whirls = [
        (
            complex(rng.uniform(0, c.w), rng.uniform(0, c.h)),
            rng.uniform(0.09, 0.19),
            rng.choice([-1, 1]) * rng.uniform(1.6, 3.2),
        )
        for _ in range(round(3 + 2 * c.h * c.w))
    ]

    def comb(across: Array, gap: float, pull: float) -> Array:
        """Return how far a comb drags the ink: most at its tines, ``gap`` apart."""
        return np.asarray(pull * (1 - np.abs(np.sin(np.pi * across / gap))) ** 1.6)

    def rake(z: Array) -> Array:
        across = z.real + start[0]
        return np.asarray(z + 1j * (comb(across, 0.26, 0.24) - comb(across + 0.13, 0.26, 0.24)))

    def cross(z: Array) -> Array:
        across = z.imag + start[1] + 0.025 * np.sin(2 * np.pi * (z.real / 0.5 + start[2]))
        return np.asarray(z + comb(across, 0.17, 0.15) - comb(across + 0.085, 0.17, 0.15))

    def nonpareil(z: Array) -> Array:
        # The fine comb lies on a part of the bath only, and leaves the rest to the whirls.
        part = 0.5 + 0.5 * np.cos(2 * np.pi * (0.6 * z.real + 0.9 * z.imag + start[3]))
        return np.asarray(z + 1j * comb(z.real + start[4], 0.062, 0.085) * part)

    def whirl(z: Array) -> Array:
        for centre, size, turns in whirls:
            away = z - centre
            spin = turns * np.exp(-(away.real**2 + away.imag**2) / size**2)
            z = centre + away * np.exp(1j * spin)
        return z

    return [rake, cross, nonpareil, whirl]


def refine(outline: Array, step: float) -> Array:
    """Put points on a closed outline until no two neighbours are farther apart than ``step``."""
    ahead = np.roll(outline, -1) - outline
    pieces = np.ceil(np.abs(ahead) / step).astype(np.intp).clip(1, 200)
    first = np.repeat(np.cumsum(pieces) - pieces, pieces)
    fraction = (np.arange(pieces.sum()) - first) / np.repeat(pieces, pieces)
    return np.asarray(np.repeat(outline, pieces) + fraction * np.repeat(ahead, pieces))
