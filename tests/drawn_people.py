"""People drawn in white before black walls, as photographs and as their masks, for the tests."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from nstlib.images.arrays import Image
from nstlib.images.encode import save_image


def figure(height: int, width: int) -> NDArray[np.float32]:
    """Draw somebody: a head on a body, nowhere near the picture's sides but the lower one."""
    mask = np.zeros((height, width), np.uint8)
    centre = width // 2 - 4
    cv2.circle(mask, (centre, height // 3), height // 9, 255, -1)
    cv2.ellipse(mask, (centre, height), (width // 4, height // 2), 0, 180, 360, 255, -1)
    return mask.astype(np.float32) / np.float32(255)


def grey(mask: NDArray[np.float32]) -> Image:
    return np.repeat(mask[..., np.newaxis], 3, axis=2)


def draw_people(folder: Path) -> Path:
    """Save photographs of four people of group a and of four of b, their masks, and of nobody."""
    for name in ("images", "masks", "others"):
        (folder / name).mkdir()
    for number in range(8):
        mask = figure(150 + 10 * number, 140)
        name = f"{'ab'[number % 2]}_{number}"
        save_image(grey(mask), folder / "images" / f"{name}.png")
        save_image(grey(mask), folder / "masks" / f"{name}.png")
    for number in range(4):
        save_image(np.zeros((100 + number, 120, 3)), folder / "others" / f"{number}.png")
    return folder
