"""What the twin learns from: crops of photographs, paintings and drawn styles, much changed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from nstlib.art.catalogue import DRAWN_STYLES, draw
from nstlib.images.arrays import to_uint8
from nstlib.training.photos import random_crop

#: By name the share of crops, and the pictures, RGB, uint8.
Pools: TypeAlias = Mapping[str, tuple[float, list[NDArray[np.uint8]]]]


class Pictures:
    """Random crops of photographs, paintings, drawn styles and the twin's own pictures.

    Parameters
    ----------
    pools : mapping of str to (float, list of ndarray)
        By name the share of crops, and the pictures (H, W, 3), RGB, uint8. Pools named ``"style"``
        and ``"drawn"`` are turned more often; in ``"own"`` nothing else is changed.
    seed : int
        Of what is chosen and changed.
    """

    def __init__(self, pools: Pools, seed: int) -> None:
        self.pools = dict(pools)
        self.random = np.random.default_rng(seed)

    def picture(self) -> tuple[str, NDArray[np.uint8]]:
        """Draw a pool by its share, and a picture of it."""
        full = {name: share for name, (share, images) in self.pools.items() if images and share > 0}
        share = np.array(list(full.values()))
        name = str(self.random.choice(list(full), p=share / share.sum()))
        images = self.pools[name][1]
        return name, images[int(self.random.integers(len(images)))]

    def crop(self, side: int) -> NDArray[np.float32]:
        """Cut, turn, resize and change a crop of `side` pixels, RGB in [0, 1]."""
        random = self.random
        name, picture = self.picture()
        short = min(picture.shape[:2])
        if name == "own":  # as they are: the grain is what matters
            window = min(side, short)
        else:
            least = min(0.6 * side, short)
            window = int(math.exp(random.uniform(math.log(least), math.log(short))))
        y, x = (int(random.integers(0, n - window + 1)) for n in picture.shape[:2])
        crop: NDArray[Any] = picture[y : y + window, x : x + window].astype(np.float32) / 255
        if window != side:
            way = cv2.INTER_AREA if window > side else cv2.INTER_CUBIC
            crop = cv2.resize(crop, (side, side), interpolation=way)
        crop = crop[:, :: int(random.choice([-1, 1]))]
        if random.random() < (0.5 if name in ("style", "drawn") else 0.1):
            crop = np.rot90(crop, int(random.integers(4)))
        if name == "own":
            return np.clip(crop, 0, 1)
        if random.random() < 0.5:
            crop = self._recoloured(crop)
        chance = random.random()
        if chance < 0.2:
            crop = crop + random.uniform(0, 0.3) * self._grain(side)
        elif chance < 0.33:  # on the way from noise to a picture
            crop = self._from_noise(crop)
        return np.clip(crop, 0, 1).astype(np.float32)

    def batch(self, count: int, side: int) -> NDArray[np.uint8]:
        """Draw `count` crops, in bytes as pictures have them: (count, side, side, 3)."""
        return np.stack([to_uint8(self.crop(side)) for _ in range(count)])

    def plain(self, side: int) -> NDArray[np.float32]:
        """Cut a crop of a picture that is not the twin's own, at its own size or smaller."""
        name = "own"
        while name == "own":
            name, picture = self.picture()
        return random_crop(self.random, picture, side, min(1.0, side / min(picture.shape[:2])))

    def _recoloured(self, crop: NDArray[Any]) -> NDArray[Any]:
        random = self.random
        mean = crop.mean(axis=(0, 1))
        mix = np.eye(3) + random.normal(0, 0.15, (3, 3))
        if random.random() < 0.1:
            mix = np.full((3, 3), 1 / 3)
        crop = (crop - mean) @ mix.astype(np.float32) * random.uniform(0.5, 1.6)
        return crop + (mean + random.normal(0, 0.1, 3)).astype(np.float32)

    def _grain(self, side: int) -> NDArray[Any]:
        grain: NDArray[Any] = self.random.standard_normal((side, side, 3)).astype(np.float32)
        sigma = self.random.uniform(0.0, 1.5)
        if sigma > 0.3:
            grain = cv2.GaussianBlur(grain, (0, 0), sigma)
        if self.random.random() < 0.3:
            grain = np.repeat(grain.mean(axis=2, keepdims=True), 3, axis=2)
        return grain / grain.std()

    def _from_noise(self, crop: NDArray[Any]) -> NDArray[Any]:
        """Blend the crop with its own pixels in disorder, as a texture's start has them."""
        side = len(crop)
        noise = self.random.permutation(crop.reshape(-1, 3)).reshape(crop.shape)
        coarse = int(self.random.choice([1, 1, 2, 4]))
        if coarse > 1:
            part = noise[: side // coarse, : side // coarse]
            noise = cv2.resize(part, (side, side), interpolation=cv2.INTER_CUBIC)
        much = self.random.uniform(0.1, 1.0)
        return (1 - much) * crop + much * noise


def drawn_styles(count: int, seed: int) -> list[NDArray[np.uint8]]:
    """Draw the course's own styles with random seeds."""
    random = np.random.default_rng(seed)
    return [
        to_uint8(
            draw(DRAWN_STYLES[i % len(DRAWN_STYLES)], 320, seed=1 + int(random.integers(10**6)))
        )
        for i in range(count)
    ]
