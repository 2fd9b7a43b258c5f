"""Find the people in a picture."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from nstlib.errors import ModelError
from nstlib.images.arrays import Blob, Image, check_image
from nstlib.images.resizing import resize
from nstlib.inference.mattes import (
    MATTE_CONTRAST,
    MATTE_EPSILON,
    MATTE_RADIUS,
    MATTE_SIDE,
    enlarged,
    evaluate_fit,
    fit_locally,
)
from nstlib.inference.runtimes import input_of, load_model, size_in_words, start_network


class PersonSegmenter:
    """Find the people in a picture.

    Files of two contracts are known, told apart by the channels of their output. Both take one
    picture, float32 RGB of shape (1, 3, h, w), at a fixed size to which it is stretched:

    - two channels, the probabilities of background and person; in goes
      (x / 255 − 0.5) / 0.5. That is PP-HumanSeg, and the library's own network.
    - one channel, the probability of a person; in goes x / 255. That is MediaPipe's selfie
      segmentation, once it is converted (:func:`nstlib.onnx.tflite.from_tflite`).

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
        proto = load_model(model, ("person",))
        self._name = str(model)
        channels, size = input_of(proto)
        if channels != 3 or size is None:
            raise ModelError(
                f"{model} takes {channels} channels of {size_in_words(size)}; a person network "
                "takes 3 of one size"
            )
        self._size = size
        self._run = start_network(proto, backend, self._name)
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
        person = enlarged(self._probabilities(photo)[..., 1], small)
        radius = max(1, round(MATTE_RADIUS * max(small)))
        slopes, offset = fit_locally(guide, person, radius, MATTE_EPSILON)
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
