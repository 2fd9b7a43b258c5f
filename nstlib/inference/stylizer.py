"""Paint a picture by a trained network, in one pass."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import ArrayLike

from nstlib._checks import check_number
from nstlib.errors import ModelError
from nstlib.images.arrays import Blob, Image, check_image
from nstlib.images.colors import replace_luminance
from nstlib.inference.runtimes import input_of, load_model, size_in_words, start_network
from nstlib.inference.tiles import paint_large

#: Styles whose networks come with the library.
STYLE_NETWORKS = ("mosaic", "candy", "starry_night", "great_wave")

#: Sides that style networks are given: multiples of their layers' steps, and room for reflections.
_STEP, _SMALLEST = 4, 16


class Stylizer:
    """Paint pictures by a style network.

    The file's contract: an input of shape (B, 3, H, W) for any H and W, float32 RGB on the 0..255
    scale, and one output of the same kind, whose values may lie a little outside. A file whose
    metadata say ``channel_order: BGR`` has its colours in that order at both ends.

    Parameters
    ----------
    model : str or pathlib.Path
        One of :data:`STYLE_NETWORKS`, or the path of an ONNX file. A `Path` is always a file.
    backend : {"cv2", "ort"}, default "cv2"
        What computes: OpenCV's ``cv2.dnn``, or ONNX Runtime.
    whole_megapixels : float, default 2.1
        The largest picture to paint in one go, in millions of pixels: a film's frame of 1920×1080
        is one. Larger ones are painted tile by tile, see :mod:`nstlib.inference.tiles`: the same
        picture, in less memory and more time.

    Raises
    ------
    ArgumentError
        If there is no such style or file, or no such backend.
    ModelError
        If the file is broken, or its contract another one.

    Notes
    -----
    An object keeps its network's memory from call to call, which saves time from the second
    picture of a size on. It serves one thread at a time.

    References
    ----------
    J. Johnson, A. Alahi and L. Fei-Fei, "Perceptual losses for real-time style transfer and
    super-resolution", ECCV 2016.
    """

    def __init__(
        self, model: str | Path, *, backend: str = "cv2", whole_megapixels: float = 2.1
    ) -> None:
        check_number("whole_megapixels", whole_megapixels, above=0)
        self._proto = load_model(model, STYLE_NETWORKS)
        channels, size = input_of(self._proto)
        if channels != 3 or size is not None:
            raise ModelError(
                f"{model} takes {channels} channels of {size_in_words(size)}; a style network "
                "takes 3 of any size"
            )
        self._name = str(model)
        self._backend = backend
        self._whole = whole_megapixels * 1e6
        self._run = start_network(self._proto, backend, self._name)
        metadata = {entry.key: entry.value for entry in self._proto.metadata_props}
        self._order = [2, 1, 0] if metadata.get("channel_order") == "BGR" else [0, 1, 2]
        self._blob: Blob = np.empty((1, 3, 0, 0), np.float32)

    def __call__(
        self, image: ArrayLike, strength: float = 1.0, *, preserve_colors: bool = False
    ) -> Image:
        """Paint one picture.

        Parameters
        ----------
        image : array_like of float, shape (H, W, 3)
            RGB in [0, 1], of any size.
        strength : float, default 1.0
            From 0, the photograph itself, to 1, the painting; between them they are mixed.
        preserve_colors : bool, default False
            Take only the brightness from the painting, and the colours from `image`.

        Returns
        -------
        ndarray of float32, shape (H, W, 3)
            RGB in [0, 1].

        Raises
        ------
        ArgumentError
            If `strength` lies outside [0, 1].
        ImageError
            If `image` is not an image.
        ModelError
            If the network cannot be run on it, or computes values that are no numbers.
        """
        check_number("strength", strength, least=0, most=1)
        photo = check_image(image)
        if strength == 0:
            return photo
        painting = self._paint(photo)
        if preserve_colors:
            painting = replace_luminance(photo, painting)
        if strength < 1:
            mixed = photo + np.float32(strength) * (painting - photo)
            painting = np.clip(mixed, 0.0, 1.0, out=mixed)
        return painting

    def _paint(self, photo: Image) -> Image:
        height, width, _ = photo.shape
        sides = (_rounded_up(height), _rounded_up(width))
        if self._blob.shape[2:] != sides:
            self._blob = np.empty((1, 3, *sides), np.float32)
        # Mirrored, not repeated, borders, as the networks' own layers have them.
        below, beside = sides[0] - height, sides[1] - width
        padded = cv2.copyMakeBorder(photo, 0, below, 0, beside, cv2.BORDER_REFLECT_101)
        for plane, channel in zip(self._blob[0], self._order, strict=True):
            np.multiply(padded[..., channel], 255, out=plane)

        if sides[0] * sides[1] <= self._whole:
            output = self._run(self._blob)
        else:
            output = paint_large(
                self._proto,
                self._blob,
                lambda proto: start_network(proto, self._backend, self._name),
            )
        if output.ndim != 4 or output.shape[1] != 3 or output.shape[2:] != sides:
            raise ModelError(
                f"{self._name} gives {output.shape} for {self._blob.shape}; a style network gives "
                "back the shape that it was given"
            )
        if not np.isfinite(output.sum()):
            raise ModelError(f"{self._name} computes values that are no numbers; train it again")
        planes = [output[0, channel, :height, :width] for channel in self._order]
        painting = np.asarray(cv2.merge(planes), np.float32)
        painting /= 255
        return np.clip(painting, 0.0, 1.0, out=painting)


def _rounded_up(side: int) -> int:
    return max(_SMALLEST, -(-side // _STEP) * _STEP)
