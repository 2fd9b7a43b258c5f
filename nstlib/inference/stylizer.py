"""Paint a picture by a trained network, in one pass."""

from __future__ import annotations

import functools
from pathlib import Path

import cv2
import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray

from nstlib._checks import check_number
from nstlib.errors import ModelError
from nstlib.images.arrays import Blob, Image, check_image
from nstlib.images.colors import replace_luminance
from nstlib.images.resizing import resize
from nstlib.inference.foreign import (
    Scale,
    ValueRange,
    channels_first,
    guess_output,
    keep_one_output,
    metadata_of,
    simplified,
    style_range,
    to_float32,
    trial_picture,
)
from nstlib.inference.memory import memory_for
from nstlib.inference.runtimes import check_computation, load_model, start_network
from nstlib.inference.tiles import paint_large
from nstlib.onnx.graphs import check_memory
from nstlib.onnx.reading import picture_input

#: Styles whose networks come with the library.
STYLE_NETWORKS = ("mosaic", "candy", "starry_night", "great_wave")

#: Of what the sides of pictures have to be multiples: the first number that suits the network.
_STEPS = (4, 8, 16, 32)


class Stylizer:
    """Paint pictures by a style network.

    Networks of this course take and give float32 RGB of shape (B, 3, H, W) on the 0..255 scale, for
    any H and W. Others are adapted to, as far as that is possible:

    - The file says whether its input is float32, float16 or uint8, and whether channels come first
      or last. Of several outputs the first that is a picture is used.
    - What black and white are is read from the file's metadata, ``value_range: 0,255``, which
      :func:`nstlib.onnx.export` writes; else it is found out by a trial, or said by `value_range`.
    - Sides are padded to what the network needs: multiples of 4, 8, 16 or 32.
    - For a network of one fixed size the picture is shrunk, and the painting enlarged.
    - A file whose metadata say ``channel_order: BGR`` has its colours in that order at both ends.

    Parameters
    ----------
    model : str or pathlib.Path
        One of :data:`STYLE_NETWORKS`, or the path of an ONNX file. A `Path` is always a file.
    backend : {"cv2", "ort"}, default "cv2"
        What computes: OpenCV's ``cv2.dnn``, or ONNX Runtime.
    value_range : (float, float), (float, float, float, float) or str, optional
        What black and white are to the network, as in (0, 1) or (-1, 1). Two more numbers if it
        gives others than it takes, as in (0, 255, 0, 1). Text as in ``"-1,1"`` will do;
        ``"imagenet"`` stands for the mean and spread of ImageNet. By default found out as above.
    whole_megapixels : float, default 2.1
        The largest picture to paint in one go, in millions of pixels: a film's frame of 1920×1080
        is one. Larger ones are painted tile by tile, see :mod:`nstlib.inference.tiles`: the same
        picture, in less memory and more time.

    Attributes
    ----------
    size : (int, int) or None
        Height and width at which the network paints; None if it paints at any.

    Raises
    ------
    ArgumentError
        If there is no such style or file, or no such backend, or `value_range` is not one.
    ModelError
        If the file is broken, or holds no network that turns a picture into a picture.

    Notes
    -----
    An object keeps its network's memory from call to call, which saves time from the second
    picture of a size on. Several threads may share it: OpenCV computes one picture at a time, ONNX
    Runtime several.

    References
    ----------
    J. Johnson, A. Alahi and L. Fei-Fei, "Perceptual losses for real-time style transfer and
    super-resolution", ECCV 2016.
    """

    def __init__(
        self,
        model: str | Path,
        *,
        backend: str = "cv2",
        value_range: ValueRange | None = None,
        whole_megapixels: float = 2.1,
    ) -> None:
        check_number("whole_megapixels", whole_megapixels, above=0)
        self._name = str(model)
        self._backend = backend
        self._whole = whole_megapixels * 1e6
        self._proto = to_float32(keep_one_output(load_model(model, STYLE_NETWORKS), (3,)))
        entry = picture_input(self._proto)
        if entry.channels != 3:
            raise ModelError(f"{model} takes {entry}; a style network takes 3 channels")
        self.size = entry.size
        bgr = metadata_of(self._proto).get("channel_order") == "BGR"
        self._order = (2, 1, 0) if bgr else (0, 1, 2)
        self._taken, given = style_range(value_range, self._proto, self._name)
        self._checked = 0
        self._run = start_network(self._proto, backend, self._name)
        if isinstance(model, str) and model in STYLE_NETWORKS:
            self._step, output = _STEPS[0], None
        else:
            self._step, output = self._find_step()
        self._given = given or (Scale.of(0, 255) if output is None else guess_output(output))

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
        MemoryLimitError
            If the picture is too large for the memory of this machine.
        ModelError
            If the network cannot be run on it, or computes values that are no numbers.
        """
        check_number("strength", strength, least=0, most=1)
        with memory_for(np.shape(image)):
            photo = check_image(image)
            if strength == 0:
                return photo
            painting = self._paint(photo) if self.size is None else self._paint_at(self.size, photo)
            if preserve_colors:
                painting = replace_luminance(photo, painting)
            if strength < 1:
                mixed = photo + np.float32(strength) * (painting - photo)
                painting = np.clip(mixed, 0.0, 1.0, out=mixed)
            return painting

    def _find_step(self) -> tuple[int, Blob]:
        """Find of what sides have to be multiples; and what the network makes of the trial picture.

        A network that keeps fewer multiples than it needs gives another size back, or fails.
        """
        faults = []
        for step in _STEPS if self.size is None else (1,):
            height, width = self.size or (64 + step, 96 + step)
            try:
                return step, self._compute(trial_picture(height, width), whole=True, check=True)
            except ModelError as fault:
                faults.append(fault)
        raise faults[0]

    def _compute(self, photo: Image, *, whole: bool, check: bool = False) -> Blob:
        """Run the network on a picture whose sides suit it, at once or by tiles: (3, H, W)."""
        sides = photo.shape[:2]
        blob = self._taken.blob(photo, self._order)
        if whole:
            if blob.size > self._checked:
                check_memory(self._proto, blob.shape)
                self._checked = blob.size
            output = self._run(blob)
            if check:
                check_computation(self._proto, self._backend, self._name, blob, output)
        else:
            output = paint_large(
                self._for_tiles, blob, lambda part: start_network(part, self._backend, self._name)
            )
        if output.shape == (1, *sides, 3):
            output = output.transpose(0, 3, 1, 2)
        if output.shape != (1, 3, *sides):
            raise ModelError(
                f"{self._name} gives {output.shape} for {blob.shape}; a style network gives back "
                "the size that it was given, in 3 channels"
            )
        return output[0]

    @functools.cached_property
    def _for_tiles(self) -> onnx.ModelProto:
        return simplified(channels_first(self._proto))

    def _paint(self, photo: Image) -> Image:
        """Paint at the picture's own size."""
        height, width, _ = photo.shape
        # Mirrored, not repeated, borders, as the networks' own layers have them.
        below, beside = (_round_up(side, self._step) - side for side in (height, width))
        padded = np.asarray(
            cv2.copyMakeBorder(photo, 0, below, 0, beside, cv2.BORDER_REFLECT_101), np.float32
        )
        whole = padded.shape[0] * padded.shape[1] <= self._whole
        return self._picture(self._compute(padded, whole=whole), height, width)

    def _paint_at(self, size: tuple[int, int], photo: Image) -> Image:
        """Paint by a network of one size. The picture keeps its proportions: it is mirrored."""
        height, width, _ = photo.shape
        scale = max(height / size[0], width / size[1])
        sides = [
            max(side, round(scale * wanted))
            for side, wanted in zip(photo.shape, size, strict=False)
        ]
        padded = cv2.copyMakeBorder(
            photo, 0, sides[0] - height, 0, sides[1] - width, cv2.BORDER_REFLECT_101
        )
        painted = self._picture(self._compute(resize(padded, size), whole=True), *size)
        return resize(painted, (sides[0], sides[1]))[:height, :width].copy()

    def _picture(self, planes: NDArray[np.float32], height: int, width: int) -> Image:
        """Turn what the network gives into RGB in [0, 1]."""
        cut = [planes[channel, :height, :width] for channel in self._order]
        painting = np.asarray(cv2.merge(cut), np.float32)
        if self._given.shifts[0]:
            painting -= self._given.shifts[0]
        painting /= self._given.factors[0]
        return np.clip(painting, 0.0, 1.0, out=painting)


def size_of(model: str | Path) -> tuple[int, int] | None:
    """Height and width at which a style network paints; None if it paints at any."""
    return picture_input(load_model(model, STYLE_NETWORKS)).size


def _round_up(side: int, step: int) -> int:
    """Round up to a multiple of the step, with room for reflections."""
    return max(4 * step, -(-side // step) * step)
