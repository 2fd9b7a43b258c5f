"""Trained networks at work in OpenCV or ONNX Runtime: one paints a picture, one finds people in it.

Neither needs TensorFlow. A network is an ONNX file: one that comes with the library, by its name,
or any other of the same contract, by its path.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import cv2
import numpy as np
import onnx
import onnxruntime
from numpy.typing import ArrayLike, NDArray

from nstlib import large
from nstlib.assets import ASSETS, embedded_model, fetch
from nstlib.colors import replace_luminance
from nstlib.errors import ArgumentError, ModelError
from nstlib.images import Image, check_image, resize
from nstlib.onnx_reading import load_onnx, picture_input

Blob: TypeAlias = NDArray[np.float32]

#: Styles whose networks come with the library.
STYLES = ("mosaic", "candy", "starry_night", "great_wave")

_BACKENDS = {"cv2": "OpenCV", "ort": "ONNX Runtime"}

#: How :meth:`PersonSegmenter.matte` refines what the network says: at which longest side in pixels,
#: in windows of which radius as a share of it, and above which variance of the colours; then by how
#: much the contrast is raised. Chosen on photographs of people with masks drawn by hand.
MATTE_SIDE, MATTE_RADIUS, MATTE_EPSILON, MATTE_CONTRAST = 512, 1 / 64, 3e-4, 2.0

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
        One of :data:`STYLES`, or the path of an ONNX file. A `Path` is always a file.
    backend : {"cv2", "ort"}, default "cv2"
        What computes: OpenCV's ``cv2.dnn``, or ONNX Runtime.
    whole_megapixels : float, default 2.1
        The largest picture to paint in one go, in millions of pixels: a film's frame of 1920×1080
        is one. Larger ones are painted tile by tile, see :mod:`nstlib.large`: the same picture, in
        less memory and more time.

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
        if not whole_megapixels > 0:
            raise ArgumentError(f"whole_megapixels is {whole_megapixels}; it is more than 0")
        self._proto = _load(model, STYLES)
        channels, size = _input(self._proto)
        if channels != 3 or size is not None:
            raise ModelError(
                f"{model} takes {channels} channels of {_words(size)}; a style network takes 3 of "
                "any size"
            )
        self._name = str(model)
        self._backend = backend
        self._whole = whole_megapixels * 1e6
        self._run = _start(self._proto, backend, self._name)
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
        if not 0 <= strength <= 1:
            raise ArgumentError(f"strength is {strength}; it lies in [0, 1]")
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
            output = large.paint(
                self._proto,
                self._blob,
                lambda proto: _start(proto, self._backend, self._name),
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


class PersonSegmenter:
    """Find the people in a picture.

    Files of two contracts are known, told apart by the channels of their output. Both take one
    picture, float32 RGB of shape (1, 3, h, w), at a fixed size to which it is stretched:

    - two channels, the probabilities of background and person; in goes
      (x / 255 − 0.5) / 0.5. That is PP-HumanSeg, and the library's own network.
    - one channel, the probability of a person; in goes x / 255. That is MediaPipe's selfie
      segmentation, once it is converted (:func:`nstlib.onnx_export.from_tflite`).

    Parameters
    ----------
    model : str or pathlib.Path, default "person"
        ``"person"`` comes with the library; ``"pp_humanseg"`` is downloaded on first use; any other
        is the path of an ONNX file. A `Path` is always a file.
    backend : {"cv2", "ort"}, default "cv2"
        What computes: OpenCV's ``cv2.dnn``, or ONNX Runtime.

    Raises
    ------
    ArgumentError
        If there is no such model or file, or no such backend.
    AssetError
        If a registered model is not here and cannot be downloaded.
    ModelError
        If the file is broken, or its contract another one.

    Notes
    -----
    An object serves one thread at a time.

    References
    ----------
    L. Chu et al., "PP-HumanSeg: connectivity-aware portrait segmentation with a large-scale
    teleconferencing video dataset", WACV 2022.
    """

    def __init__(self, model: str | Path = "person", *, backend: str = "cv2") -> None:
        proto = _load(model, ("person",))
        self._name = str(model)
        channels, size = _input(proto)
        if channels != 3 or size is None:
            raise ModelError(
                f"{model} takes {channels} channels of {_words(size)}; a person network takes 3 of "
                "one size"
            )
        self._size = size
        self._run = _start(proto, backend, self._name)
        self._channels = self._output(np.zeros((1, 3, *size), np.float32)).shape[0]

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
        """
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
        photo = check_image(image)
        height, width, _ = photo.shape
        # The fit is smooth, so that a smaller picture is enough to find it (He and Sun 2015).
        shrink = min(1.0, MATTE_SIDE / max(height, width))
        small = (max(1, round(width * shrink)), max(1, round(height * shrink)))
        guide = resize(photo, small[::-1])
        person = _resized(self._probabilities(photo)[..., 1], small)
        radius = max(1, round(MATTE_RADIUS * max(small)))
        slopes, offset = _local_fit(guide, person, radius, MATTE_EPSILON)
        if shrink < 1:
            *slopes, offset = (_resized(x, (width, height)) for x in (*slopes, offset))
        alpha = _evaluated(slopes, offset, photo)
        # The means of many windows are softer than the edge is.
        alpha = 0.5 + MATTE_CONTRAST * (alpha - 0.5)
        return np.clip(alpha, 0.0, 1.0, out=alpha)

    def _enlarged(self, photo: Image) -> NDArray[np.float32]:
        height, width, _ = photo.shape
        return _resized(self._probabilities(photo), (width, height))

    def _probabilities(self, photo: Image) -> NDArray[np.float32]:
        """Of background and person, (h, w, 2), at the network's own size."""
        if self._channels == 2:
            photo = (photo - np.float32(0.5)) / np.float32(0.5)
        blob = cv2.dnn.blobFromImage(photo, 1.0, self._size[::-1])
        output = self._output(np.asarray(blob, np.float32))
        if self._channels == 1:
            output = np.concatenate([1 - output, output])
        return np.clip(np.ascontiguousarray(output.transpose(1, 2, 0)), 0.0, 1.0)

    def _output(self, blob: Blob) -> NDArray[np.float32]:
        output = self._run(blob)
        if output.shape not in ((1, 1, *self._size), (1, 2, *self._size)):
            raise ModelError(
                f"{self._name} gives {output.shape} for {blob.shape}; a person network gives "
                "one or two channels of the same size"
            )
        if not np.isfinite(output.sum()):
            raise ModelError(f"{self._name} computes values that are no numbers; train it again")
        return output[0]


def guided_filter(
    guide: ArrayLike, mask: ArrayLike, radius: int, epsilon: float
) -> NDArray[np.float32]:
    r"""Give a mask the edges of a picture.

    In each window of :math:`(2r + 1)^2` pixels the mask is explained as a linear function of the
    picture's colours, :math:`p_i \approx a^\top I_i + b`, by least squares:

    .. math:: a = (\Sigma + \epsilon U)^{-1} \operatorname{cov}(I, p), \qquad
       b = \bar p - a^\top \bar I

    with :math:`\Sigma` the covariance of the colours in the window and :math:`U` the identity. A
    pixel takes the mean of the functions of all windows that it lies in.

    Parameters
    ----------
    guide : array_like of float, shape (H, W, 3)
        The picture, RGB in [0, 1].
    mask : array_like of float, shape (H, W)
        What to refine.
    radius : int
        Of the window, in pixels, 1 or more: about as far as the mask may be off.
    epsilon : float
        Variance below which the picture counts as flat, more than 0.

    Returns
    -------
    ndarray of float32, shape (H, W)
        Not clipped: it may leave the range of `mask` a little.

    Raises
    ------
    ArgumentError
        For a mask of another size, or for a `radius` or `epsilon` outside those above.

    References
    ----------
    K. He, J. Sun and X. Tang, "Guided image filtering", IEEE TPAMI 35, 2013, section 3.5.

    Examples
    --------
    A mask that begins a pixel too late is moved to the edge between black and white:

    >>> guide = np.zeros((9, 12, 3), np.float32)
    >>> guide[:, 6:] = 1
    >>> mask = np.zeros((9, 12), np.float32)
    >>> mask[:, 7:] = 1
    >>> (guided_filter(guide, mask, 4, 1e-4)[4] > 0.5).astype(int)
    array([0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1])
    """
    image = check_image(guide, "guide")
    values = np.asarray(mask, np.float32)
    if values.shape != image.shape[:2]:
        raise ArgumentError(f"mask has shape {values.shape}; guide has {image.shape[:2]}")
    if radius < 1:
        raise ArgumentError(f"radius is {radius}; it is 1 or more")
    if not epsilon > 0:
        raise ArgumentError(f"epsilon is {epsilon}; it is more than 0")
    return _evaluated(*_local_fit(image, values, radius, epsilon), image)


def _local_fit(
    guide: Image, mask: NDArray[np.float32], radius: int, epsilon: float
) -> tuple[list[NDArray[np.float32]], NDArray[np.float32]]:
    """Three slopes (H, W) and the offset (H, W) of the function that each pixel takes."""

    def mean(values: NDArray[Any]) -> NDArray[Any]:
        side = 2 * radius + 1
        return np.asarray(cv2.blur(values, (side, side), borderType=cv2.BORDER_REFLECT))

    colors = cv2.split(guide)
    means, level = [mean(color) for color in colors], mean(mask)
    # The determinant is a small difference of large products: float32 has too few digits for it.
    (rr, rg, rb), (_, gg, gb), (_, _, bb) = (
        [
            (mean(x * y) - of_x * of_y).astype(np.float64) + epsilon * (x is y)
            for y, of_y in zip(colors, means, strict=True)
        ]
        for x, of_x in zip(colors, means, strict=True)
    )
    r, g, b = (mean(x * mask) - of_x * level for x, of_x in zip(colors, means, strict=True))
    first = (gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb)
    determinant = first[0] * rr + first[1] * rg + first[2] * rb
    slopes = [
        (first[0] * r + first[1] * g + first[2] * b) / determinant,
        (first[1] * r + (rr * bb - rb * rb) * g + (rb * rg - rr * gb) * b) / determinant,
        (first[2] * r + (rb * rg - rr * gb) * g + (rr * gg - rg * rg) * b) / determinant,
    ]
    offset = level - sum(slope * of_x for slope, of_x in zip(slopes, means, strict=True))
    return [mean(slope.astype(np.float32)) for slope in slopes], mean(offset.astype(np.float32))


def _resized(maps: NDArray[np.float32], size: tuple[int, int]) -> NDArray[np.float32]:
    """Resize by linear interpolation to (width, height)."""
    return np.asarray(cv2.resize(maps, size), np.float32)


def _evaluated(
    slopes: list[NDArray[np.float32]], offset: NDArray[np.float32], image: Image
) -> NDArray[np.float32]:
    products = (slope * color for slope, color in zip(slopes, cv2.split(image), strict=True))
    return sum(products, start=offset)


def _words(size: tuple[int, int] | None) -> str:
    return "any size" if size is None else f"{size[0]}×{size[1]}"


def _rounded_up(side: int) -> int:
    return max(_SMALLEST, -(-side // _STEP) * _STEP)


def _load(model: str | Path, shipped: tuple[str, ...]) -> onnx.ModelProto:
    """Read the ONNX file that a name or a path stands for."""
    path = Path(model)
    registered = {name for name, asset in ASSETS.items() if asset.kind == "model"}
    if isinstance(model, str) and model in shipped:
        path = embedded_model(f"{model}.onnx")
    elif isinstance(model, str) and model in registered:
        path = fetch(model)
    elif not path.is_file():
        raise ArgumentError(
            f"{str(model)!r} is no network: give one of {', '.join(shipped)}, or the path of an "
            "ONNX file"
        )
    if path.suffix.lower() == ".tflite":
        raise ModelError(
            f"{path} is a TensorFlow Lite file; convert it first: "
            f"nstlib.onnx_export.from_tflite({path.name!r}, {path.stem + '.onnx'!r})"
        )
    # The content goes to the runtimes, not the path, so that no file makes them open others.
    return load_onnx(path)


def _input(proto: onnx.ModelProto) -> tuple[int, tuple[int, int] | None]:
    """Channels and size of a network's one input; the size is None if any will do."""
    _, (_, channels, height, width) = picture_input(proto)
    return channels, (height, width) if height and width else None


def _start(proto: onnx.ModelProto, backend: str, name: str) -> Callable[[Blob], Blob]:
    """Give a network to a runtime; the result takes a blob and returns one."""
    if backend not in _BACKENDS:
        raise ArgumentError(f"backend is {backend!r}; it is one of {', '.join(_BACKENDS)}")
    content = proto.SerializeToString()
    start = {"cv2": _start_opencv, "ort": _start_onnx_runtime}[backend]
    run = _plainly(lambda: start(content), backend, name)
    return lambda blob: _plainly(lambda: run(blob), backend, name)


#: The level of OpenCV's log is one for all threads.
_loading = threading.Lock()


def _start_opencv(content: bytes) -> Callable[[Blob], Blob]:
    # What it raises it would also write to the terminal.
    with _loading:
        level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
        try:
            net = cv2.dnn.readNetFromONNX(np.frombuffer(content, np.uint8))
        finally:
            cv2.utils.logging.setLogLevel(level)
    if net.empty():
        raise ValueError("it does not understand the graph")

    def run(blob: Blob) -> Blob:
        net.setInput(blob)
        return np.asarray(net.forward(), np.float32)

    return run


def _start_onnx_runtime(content: bytes) -> Callable[[Blob], Blob]:
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4  # what fails is raised as well
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    return lambda blob: np.asarray(session.run(None, {name: blob})[0], np.float32)


def _plainly(work: Callable[[], Any], backend: str, name: str) -> Any:
    """Do what may fail in a runtime, and if it does say so in one line."""
    try:
        return work()
    except Exception as error:  # neither runtime has a base for its errors, but Exception
        (other,) = _BACKENDS.keys() - {backend}
        raise ModelError(
            f"{_BACKENDS[backend]} cannot run {name} ({' '.join(str(error).split())[:300]}); try "
            f"the backend {other!r}"
        ) from error
