"""Find the people in a picture."""

from __future__ import annotations

import itertools
import math
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nstlib._checks import check_count, refusal
from nstlib.errors import ImageError, ModelError
from nstlib.images.arrays import Image, as_array, check_image, check_shares
from nstlib.images.resizing import resize, target_size
from nstlib.inference.foreign import (
    Scale,
    ValueRange,
    keep_one_output,
    known_range,
    last_operator,
    to_float32,
    trial_picture,
)
from nstlib.inference.mattes import (
    MATTE_CONTRAST,
    MATTE_EPSILON,
    MATTE_RADIUS,
    MATTE_SIDE,
    enlarged,
    evaluate_fit,
    fit_locally,
)
from nstlib.inference.memory import memory_for, shape_of
from nstlib.inference.runtimes import (
    check_computation,
    check_threads,
    load_model,
    start_network,
)
from nstlib.onnx.graphs import check_memory
from nstlib.onnx.reading import picture_input

#: Sides of what a network of any size is given are multiples of this.
STEP = 32

#: Into how many parts a side is divided at most; the network looks at all of them.
MOST_TILES = 16

#: How bright the brightest 2 % of what a network sees are at least, of 1, and how many times
#: brighter a picture is made for that at most.
BRIGHT, MOST = 0.6, 30.0

#: A picture whose brightest 2 % are darker, less than three levels of 255, is black. In black,
#: networks find people; in the middle grey that stands for it, nobody.
BLACK, GREY = 2.5 / 255, np.float32(0.5)

#: How far probabilities may lie outside [0, 1] by rounding.
_ROUNDING = 0.01


def resize_for_network(photo: Image, size: tuple[int, int]) -> Image:
    """Stretch a photograph to the size of a person network: (H, W, 3) → (height, width, 3).

    Shrinking takes means over areas, enlarging interpolates. ``cv2.dnn.blobFromImage`` picks pixels
    instead when it shrinks, so that the grain of a large photograph decides about the mask.
    :mod:`nstlib.training.person` judges networks by what they see here.
    """
    height, width = (min(sides) for sides in zip(photo.shape[:2], size, strict=True))
    # cv2.INTER_AREA takes means only when both sides shrink, so enlarging is done apart.
    small = cv2.resize(photo, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(small, size[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def brightening(picture: Image) -> float:
    """Say how many times brighter a picture (H, W, 3) must be for a network to see it well.

    Networks learn from photographs that are well lit. A picture whose brightest 2 % lie above 0.6
    of 1 stays as it is: a night scene with lamps is no dark picture in this sense.

    Examples
    --------
    >>> [round(brightening(np.full((8, 8, 3), light)), 2) for light in (0.0, 0.1, 0.7)]
    [30.0, 6.0, 1.0]
    """
    return min(MOST, max(1.0, BRIGHT / max(_brightest(picture), 1e-6)))


def brightened(picture: Image) -> Image:
    """Make of a dark picture what a network sees; of a black one, plain grey.

    Examples
    --------
    >>> lights = [0.0, 0.01, 0.02, 0.7]
    >>> [round(float(brightened(np.full((8, 8, 3), light)).max()), 2) for light in lights]
    [0.5, 0.3, 0.6, 0.7]
    """
    times = brightening(picture)
    if times == MOST and _brightest(picture) < BLACK:
        return np.full_like(picture, GREY)
    return picture if times == 1 else np.minimum(np.float32(times) * picture, 1)


def _brightest(picture: Image) -> float:
    # Every fourth row and column will do, and takes a tenth of the time.
    return float(np.quantile(picture[::4, ::4], 0.98))


class PersonSegmenter:
    """Find the people in a picture.

    A file takes one picture, RGB, and gives one or two channels; of several outputs the first of
    that kind is used.

    - Two channels are background and person. By default −1 to 1 goes in: that is PP-HumanSeg, and
      the library's own network.
    - One channel is the person. By default 0 to 1 goes in: that is MediaPipe's selfie segmentation,
      once it is converted (:func:`nstlib.onnx.tflite.from_tflite`).

    Probabilities may come out, or scores (logits), which a softmax or a sigmoid then turns into
    probabilities. How the network ends tells which, or what it gives for a trial picture.

    Parameters
    ----------
    model : str or pathlib.Path, default "person"
        ``"person"`` comes with the library; ``"pp_humanseg"`` is downloaded on first use; any other
        is the path of an ONNX file. A `Path` is always a file.
    backend : {"cv2", "ort"}, default "cv2"
        What computes: OpenCV's ``cv2.dnn``, or ONNX Runtime.
    value_range : (float, float) or str, optional
        What black and white are to the network, as in (-1, 1), which MODNet takes. Text as in
        ``"-1,1"`` will do; ``"imagenet"``, which U²-Net takes, stands for the mean and spread of
        ImageNet. By default what the file's metadata say as ``value_range``, or as above.
    size : int, default 320
        Longest side, in pixels, at which a network of any size sees a picture; the sides become
        multiples of 32. A network of one size sees the picture stretched to that.
    brighten : bool, default True
        Whether the network sees dark pictures brightened: it doesn't know darkness. A picture whose
        brightest 2 % lie above 0.6 of 1 stays as it is. In a black one nobody is found.
    tiles : int, default 1
        For crowds and small people: the network looks at the whole picture, and then at this many
        parts of it side by side and one above the other, which overlap by half. So 3 are ten looks.
        A person counts that is found in either; mistakes add up as well. 16 is the most.
    threads : int, optional
        How many threads ONNX Runtime computes with. By default as many as the processor has cores.
        Fewer do with less of the processor, where other work goes on beside.

    Attributes
    ----------
    any_size : bool
        Whether the network takes pictures of any size, so that `size` counts.

    Raises
    ------
    ArgumentError
        If there is no such model or file, no such backend, or a value is not one of the above.
    AssetError
        If a registered model is not here and cannot be downloaded.
    ModelError
        If the file is broken, or holds no network that gives one or two channels.

    Notes
    -----
    Several threads may share an object: OpenCV computes one picture at a time, ONNX Runtime
    several.

    References
    ----------
    L. Chu et al., "PP-HumanSeg: connectivity-aware portrait segmentation with a large-scale
    teleconferencing video dataset", WACV 2022.
    """

    def __init__(
        self,
        model: str | Path = "person",
        *,
        backend: str = "cv2",
        value_range: ValueRange | None = None,
        size: int = 320,
        brighten: bool = True,
        tiles: int = 1,
        threads: int | None = None,
    ) -> None:
        self._name = str(model)
        self._brighten, self._tiles = brighten, check_count("tiles", tiles)
        if tiles > MOST_TILES:
            raise refusal("tiles", tiles, f"a whole number from 1 to {MOST_TILES}")
        self._longest = check_count("size", size, STEP)
        self._proto = to_float32(
            keep_one_output(load_model(model, ("person",), ("pp_humanseg",)), (1, 2))
        )
        entry = picture_input(self._proto)
        if entry.channels != 3:
            raise ModelError(f"{model} takes {entry}; a person network takes 3 channels")
        self._size = entry.size
        self.any_size = entry.size is None
        known = known_range(value_range, self._proto, self._name)
        self._run = start_network(self._proto, backend, self._name, check_threads(threads))
        self._checked = 0
        trial = trial_picture(*(self._size or (size - size % STEP,) * 2))
        self._taken = known[0] if known else Scale.of(-1, 1)
        output = self._output(trial)
        if known is None and len(output) == 1:
            self._taken = Scale.of(0, 1)
            output = self._output(trial)
        if model != "person":
            blob = self._taken.blob(trial)
            check_computation(self._proto, backend, self._name, blob, self._run(blob))
        self._gives_scores = self._has_scores(output)

    def __call__(self, image: ArrayLike) -> NDArray[np.float32]:
        """Return for each pixel the probability that it belongs to a person.

        Parameters
        ----------
        image : array_like of float, shape (H, W, 3)
            RGB in [0, 1], of any size.

        Returns
        -------
        ndarray of float32, shape (H, W)
            In [0, 1], enlarged by linear interpolation from what the network gives.

        Raises
        ------
        ImageError
            If `image` is not an image.
        MemoryLimitError
            If the picture is too large for the memory of this machine.
        ModelError
            If the network cannot be run on it, or computes values that are no numbers.
        """
        with memory_for(shape_of(image)):
            photo = check_image(image)
            return self._enlarged(photo)[..., 1].copy()

    def mask(self, image: ArrayLike) -> NDArray[np.uint8]:
        """Return 255 where a person is more probable than background, and 0 elsewhere.

        Both probabilities are enlarged first and compared then.

        Parameters
        ----------
        image : array_like of float, shape (H, W, 3)
            RGB in [0, 1], of any size.

        Returns
        -------
        ndarray of uint8, shape (H, W)
            0 or 255.
        """
        with memory_for(shape_of(image)):
            photo = check_image(image)
            classes = self._enlarged(photo).argmax(axis=2)
            return np.where(classes == 1, 255, 0).astype(np.uint8)

    def matte(self, image: ArrayLike) -> NDArray[np.float32]:
        """Return the share of a person in each pixel, with the edges that the picture itself has.

        What the network says, at its small size, is refined by :func:`guided_filter`.

        Parameters
        ----------
        image : array_like of float, shape (H, W, 3)
            RGB in [0, 1], of any size.

        Returns
        -------
        ndarray of float32, shape (H, W)
            In [0, 1].
        """
        with memory_for(shape_of(image)):
            photo = check_image(image)
            return self._refined(photo, self._probabilities(photo)[..., 1])

    def look(self, image: ArrayLike) -> NDArray[np.float32]:
        """Do the first half of :meth:`matte`: return what the network says, at its own size.

        Parameters
        ----------
        image : array_like of float, shape (H, W, 3)
            RGB in [0, 1], of any size.

        Returns
        -------
        ndarray of float32, shape (h, w)
            For each place the probability of a person, in [0, 1].
        """
        with memory_for(shape_of(image)):
            return self._probabilities(check_image(image))[..., 1].copy()

    def refine(self, image: ArrayLike, person: NDArray[np.float32]) -> NDArray[np.float32]:
        """Do the second half of :meth:`matte`: give what :meth:`look` found the picture's edges.

        Parameters
        ----------
        image : array_like of float, shape (H, W, 3)
            RGB in [0, 1].
        person : ndarray of float32, shape (h, w)
            For each place the probability of a person, in [0, 1].

        Returns
        -------
        ndarray of float32, shape (H, W)
            In [0, 1].

        Raises
        ------
        ImageError
            If `image` is not an image, or `person` is not what :meth:`look` returns.
        """
        found = as_array(person, "person")
        if found.ndim != 2 or not found.size:
            raise ImageError(
                f"person has shape {found.shape}; it must be (h, w), as look returns it"
            )
        with memory_for(shape_of(image)):
            return self._refined(check_image(image), check_shares(found, "person"))

    def _refined(self, photo: Image, person: NDArray[np.float32]) -> NDArray[np.float32]:
        height, width, _ = photo.shape
        # The fit is smooth, so that a smaller picture is enough to find it (He and Sun 2015).
        shrink = min(1.0, MATTE_SIDE / max(height, width))
        small = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        guide = resize(photo, small[::-1])
        person = enlarged(person, small)
        radius = max(1, round(MATTE_RADIUS * max(small)))
        times = np.float32(brightening(guide) if self._brighten else 1)
        slopes, offset = fit_locally(times * guide, person, radius, MATTE_EPSILON)
        slopes = [times * slope for slope in slopes]  # the photograph itself stays dark
        if shrink < 1:
            *slopes, offset = (enlarged(x, (width, height)) for x in (*slopes, offset))
        alpha = evaluate_fit(slopes, offset, photo)
        # The means of many windows are softer than the edge is.
        alpha = 0.5 + MATTE_CONTRAST * (alpha - 0.5)
        return np.clip(alpha, 0.0, 1.0, out=alpha)

    def _enlarged(self, photo: Image) -> NDArray[np.float32]:
        height, width, _ = photo.shape
        return enlarged(self._probabilities(photo), (width, height))

    def _probabilities(self, photo: Image) -> NDArray[np.float32]:
        """Of background and person, (h, w, 2), at the network's own size, or larger by tiles."""
        whole = self._seen(photo)
        if self._tiles == 1:
            return whole
        height, width = (self._tiles * side for side in whole.shape[:2])
        found, weights = np.zeros((2, height, width), np.float32)
        for rows, columns in itertools.product(_overlapping(self._tiles), repeat=2):
            there = tuple(
                _cut(part, side)
                for part, side in zip((rows, columns), (height, width), strict=True)
            )
            part = photo[_cut(rows, photo.shape[0]), _cut(columns, photo.shape[1])]
            shape = found[there].shape
            # Who is cut off by a part's border is seen better in the next one.
            weight = np.outer(*(np.hanning(side + 2)[1:-1] for side in shape))
            person = self._seen(np.ascontiguousarray(part))[..., 1]
            found[there] += weight * enlarged(np.ascontiguousarray(person), shape[::-1])
            weights[there] += weight
        whole = enlarged(np.ascontiguousarray(whole[..., 1]), (width, height))
        # Rounding may lead a little beyond 1.
        person = np.minimum(np.maximum(whole, found / weights), 1)
        return np.stack([1 - person, person], axis=2)

    def _seen(self, photo: Image) -> NDArray[np.float32]:
        """Look once: return what is background and person, (h, w, 2), at the network's size."""
        picture = resize_for_network(photo, self._size_for(photo))
        output = self._output(brightened(picture) if self._brighten else picture)
        if self._gives_scores or _exceeds_probabilities(output):
            # A sigmoid is the softmax of a score and 0.
            scores = output if len(output) == 2 else np.concatenate([np.zeros_like(output), output])
            output = np.exp(scores - scores.max(axis=0))
            output /= output.sum(axis=0)
        elif len(output) == 1:
            output = np.concatenate([1 - output, output])
        return np.clip(np.ascontiguousarray(output.transpose(1, 2, 0)), 0.0, 1.0)

    def _size_for(self, photo: Image) -> tuple[int, int]:
        """Choose the size at which the network sees a photograph."""
        if self._size is not None:
            return self._size
        height, width = target_size(photo.shape, self._longest)
        return _round_to_steps(height), _round_to_steps(width)

    def _has_scores(self, output: NDArray[np.float32]) -> bool:
        """Tell scores from probabilities: by how the network ends, or by what it gives."""
        if last_operator(self._proto) in ("Softmax", "Sigmoid", "HardSigmoid"):
            return False
        if len(output) == 2 and np.abs(output.sum(axis=0) - 1).max() > _ROUNDING:
            return True
        return _exceeds_probabilities(output)

    def _output(self, picture: Image) -> NDArray[np.float32]:
        """Run the network on a picture (h, w, 3) of a size that suits it: (1 or 2, h', w')."""
        blob = self._taken.blob(picture)
        if blob.size > self._checked:
            check_memory(self._proto, blob.shape)
            self._checked = blob.size
        output = self._run(blob)
        maps = output[np.newaxis] if output.ndim == 3 else output
        if maps.ndim == 4 and len(maps) == 1:
            if maps.shape[1] in (1, 2):
                return maps[0]
            if maps.shape[3] in (1, 2):
                return np.ascontiguousarray(maps[0].transpose(2, 0, 1))
        raise ModelError(
            f"{self._name} gives {output.shape} for {blob.shape}; a person network gives one or "
            "two channels"
        )


def _overlapping(count: int) -> list[tuple[Fraction, Fraction]]:
    """Divide a side into parts that overlap by half: where each begins and ends, as shares.

    Examples
    --------
    >>> [(str(begin), str(end)) for begin, end in _overlapping(2)]
    [('0', '2/3'), ('1/3', '1')]
    """
    return [(Fraction(n, count + 1), Fraction(n + 2, count + 1)) for n in range(count)]


def _cut(part: tuple[Fraction, Fraction], side: int) -> slice:
    begin, end = (math.floor(share * side) for share in part)
    return slice(begin, max(end, begin + 1))


def _round_to_steps(side: int) -> int:
    return max(1, round(side / STEP)) * STEP


def _exceeds_probabilities(output: NDArray[np.float32]) -> bool:
    return bool(output.min() < -_ROUNDING or output.max() > 1 + _ROUNDING)
