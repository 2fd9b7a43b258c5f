"""VGG19 as an instrument: images in, feature maps out.

A network that learned to tell a thousand things apart has, on the way, learned to see: edges and
colours in its first block, patterns in its middle, parts of things in its last (Simonyan and
Zisserman 2015). Style transfer reads those intermediate feature maps and never asks for the answer.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from nstlib._checks import check_choice
from nstlib._tensorflow import keras, tf
from nstlib.errors import ArgumentError
from nstlib.images.arrays import check_image
from nstlib.vgg19 import check_weights, stamp_of, vgg19_with

#: The layers that describe a style (Gatys et al. 2016): the first of each block.
STYLE_LAYERS = tuple(f"block{block}_conv1" for block in range(1, 6))

#: The layer that describes a content (Gatys et al. 2016).
CONTENT_LAYERS = ("block4_conv2",)

#: How a convolution continues the image beyond its border.
PADDINGS = ("zeros", "replicate", "wrap")

#: In which numbers the features are computed.
PRECISIONS = ("float32", "bfloat16")

#: The mean colour of ImageNet in BGR on the 0..255 scale, as VGG19's training subtracted it.
IMAGENET_MEAN_BGR = (103.939, 116.779, 123.68)

#: The shortest side of an image, in pixels: VGG19 halves it five times.
SMALLEST_SIDE = 32


def check_layers(layers: Iterable[str]) -> tuple[str, ...]:
    """Return `layers` as a tuple.

    Raises
    ------
    ArgumentError
        If it is a string, which is an iterable of letters, or holds anything but strings.
    """
    if isinstance(layers, str):
        raise ArgumentError(f"layers is the string {layers!r}; give a list: [{layers!r}]")
    if not isinstance(layers, Iterable) or getattr(layers, "shape", None) == ():
        raise ArgumentError(f"layers is {layers!r}; give a list of the names of layers")
    names = tuple(layers)
    if not all(isinstance(name, str) for name in names):
        raise ArgumentError(f"layers is {names!r}; give a list of the names of layers")
    return names


def check_sides(
    name: str, size: tuple[int, ...], remedy: str | None = None, *, command: str | None = None
) -> None:
    """Refuse a picture whose height and width are too small for VGG19.

    `command` is its name at the command line, if that is another one.

    Examples
    --------
    >>> check_sides("size", (20, 64), "give a larger size")
    Traceback (most recent call last):
    nstlib.errors.ArgumentError: size is 64×20 pixels; ... must be 32 or more: give a larger size
    """
    height, width = size
    if min(size) < SMALLEST_SIDE:
        fault = (
            f"is {width}×{height} pixels; VGG19 halves it five times, so each side must be "
            f"{SMALLEST_SIDE} or more"
        )
        raise ArgumentError(
            f"{name} {fault}: {remedy or 'enlarge it with nstlib.resize, or give another picture'}",
            command=f"{command or name} {fault}: "
            f"{remedy or 'give a larger picture, or crop a narrow one'}",
        )


def feature_extractor(
    layers: Iterable[str],
    weights: str | None = None,
    *,
    padding: str = "zeros",
    precision: str = "float32",
) -> keras.Model:
    """Build a frozen network that returns the feature maps of VGG19 at `layers`.

    One forward pass serves all the layers, and nothing is computed beyond the deepest of them.

    Parameters
    ----------
    layers : iterable of str
        Keras's names, ``"block1_conv1"`` to ``"block5_conv4"`` and ``"block1_pool"`` to
        ``"block5_pool"``. A convolution's features are taken after its ReLU.
    weights : {"mini", "random", "imagenet"} or path of a file, optional
        ``"mini"``: the small twin that comes with the library, the same layers with fewer channels,
        taught by VGG19 to see what it sees (its card is in ``models/``).
        ``"random"``: VGG19 with seeded He-normal values, no file needed (Ustyuzhaninov et al. 2016
        showed that such networks make textures). ``"imagenet"``: Keras's trained VGG19: the file
        that Keras keeps (80 MB), else a compact copy of it in the cache of models
        (``nst assets pack`` makes one, 18 MB), else Keras downloads its file. Or a file of VGG19's
        layers, see :func:`load_vgg19`. By default the environment variable ``NSTLIB_WEIGHTS``,
        else ``"mini"``.
    padding : {"zeros", "replicate", "wrap"}, default "zeros"
        What a convolution sees beyond the border: zeros (as VGG19 was trained; to its first layer
        they are ImageNet's mean colour, a grey), the border's own pixels again, or the opposite
        side (the image tiles the plane; its sides must then be
        multiples of the deepest layer's stride for the tiling to be exact).
    precision : {"float32", "bfloat16"}, default "float32"
        ``"bfloat16"`` computes all but the first layer in numbers of 16 bits. Features are then off
        by about half a percent, and gradients by a few percent, which does a training no harm. On
        processors with instructions for such numbers (AVX512_BF16 or AMX) and on graphics cards it
        takes about half the time, on others longer.

    Returns
    -------
    keras.Model
        Takes a batch (B, H, W, 3), float32 RGB in [0, 1], sides of 32 or more; returns a dict
        layer name → features (B, h, w, C), float32, not negative. The change to the 0..255 BGR
        values, minus their mean, that VGG19 expects is part of the model. All who ask for the same
        get the same model: to change its weights, load a VGG19 of your own.

    Raises
    ------
    ArgumentError
        For an unknown layer, weights, padding or precision, or no layer at all; when called, for an
        image that is not float (B, H, W, 3) or is too small.
    WeightsError
        If the ImageNet weights are not on this machine and cannot be downloaded.

    References
    ----------
    - K. Simonyan and A. Zisserman, "Very deep convolutional networks for large-scale image
      recognition", ICLR 2015.
    - L. Gatys, A. Ecker and M. Bethge, "Image style transfer using convolutional neural networks",
      CVPR 2016: which layers, and why.
    - I. Ustyuzhaninov, W. Brendel, L. Gatys and M. Bethge, "Texture synthesis using shallow
      convolutional networks with random filters", 2016.

    Examples
    --------
    >>> extractor = feature_extractor(["block1_conv1", "block2_conv1"])
    >>> features = extractor(np.zeros((1, 64, 48, 3), np.float32))
    >>> {name: tuple(f.shape) for name, f in features.items()}
    {'block1_conv1': (1, 64, 48, 16), 'block2_conv1': (1, 32, 24, 48)}
    """
    layers = check_layers(layers)
    check_choice("padding", padding, PADDINGS)
    check_choice("precision", precision, PRECISIONS)
    name = check_weights(weights)
    extractor = cached_extractor(layers, name, padding, precision, stamp_of(name))
    extractor.trainable = False  # also if somebody who has it made it so
    return extractor


def extractor_of(
    vgg: keras.Model,
    wanted: tuple[str, ...],
    padding: str = "zeros",
    precision: str = "float32",
) -> keras.Model:
    """Like :func:`feature_extractor`, for a network of one's own with VGG19's layers."""
    names = [layer.name for layer in vgg.layers[1:]]
    unknown = [name for name in wanted if name not in names]
    if unknown or not wanted:
        given = f"layers has {unknown[0]!r}" if unknown else "layers is empty"
        raise ArgumentError(f"{given}; VGG19's layers are {', '.join(names)}")

    image = keras.Input((None, None, 3), name="image")
    x = CaffePreprocessing(name="preprocessing")(image)
    outputs = {}
    for number, layer in enumerate(vgg.layers[1 : max(map(names.index, wanted)) + 2]):
        if precision != "float32" and number:  # colours need more digits
            layer = _copy(layer, dtype=f"mixed_{precision}")
        x = layer(x) if padding == "zeros" or "pool" in layer.name else _padded(layer, padding)(x)
        outputs[layer.name] = x
    found = {name: outputs[name] for name in wanted}
    if precision != "float32":
        found = {name: keras.ops.cast(x, "float32") for name, x in found.items()}
    return FeatureExtractor(image, found, name="features")


def feature_differences(
    one: keras.Model, other: keras.Model, layers: Iterable[str], image: ArrayLike
) -> dict[str, float]:
    """Compare what two networks with VGG19's layers find in an image.

    Parameters
    ----------
    one, other : keras.Model
        See :func:`nstlib.vgg19.build_vgg19`; of the same width.
    layers : iterable of str
        Where to compare them.
    image : array_like of float, shape (H, W, 3)
        RGB in [0, 1].

    Returns
    -------
    dict of str to float
        Layer → root mean square of the difference, divided by that of the features of `one`.
    """
    names, batch = check_layers(layers), check_image(image)[np.newaxis]
    first, second = (extractor_of(vgg, names)(batch) for vgg in (one, other))
    return {
        name: float(
            tf.sqrt(
                tf.reduce_mean((first[name] - second[name]) ** 2) / tf.reduce_mean(first[name] ** 2)
            )
        )
        for name in names
    }


@keras.saving.register_keras_serializable(package="nstlib")
class FeatureExtractor(keras.Model):
    """A network from image to features that says plainly which images it cannot take."""

    def __call__(self, images: tf.Tensor, *args: Any, **options: Any) -> dict[str, tf.Tensor]:
        """Compute the features of a batch (B, H, W, 3)."""
        # Here and not in a layer's `call`, whose errors Keras buries among its own lines.
        dtype = tf.as_dtype(getattr(images, "dtype", "float32"))
        if images is None or not dtype.is_floating:
            given = "are None" if images is None else f"hold {dtype.name} values"
            raise ArgumentError(
                f"images {given}; the network takes a batch (B, H, W, 3), float32 RGB in [0, 1], "
                "as load_image(...)[np.newaxis] gives it"
            )
        shape = tf.TensorShape(getattr(images, "shape", None))
        if not shape.is_compatible_with((None, None, None, 3)):
            raise ArgumentError(
                f"images have shape {shape}; the network takes a batch (B, H, W, 3), RGB in "
                "[0, 1]; image[np.newaxis] makes a batch of one image"
            )
        if any(side is not None and side < SMALLEST_SIDE for side in shape.with_rank(4)[1:3]):
            raise ArgumentError(
                f"images are {shape[2]}×{shape[1]} pixels; VGG19 halves them five times, so each "
                f"side must be {SMALLEST_SIDE} or more: enlarge them, or give others"
            )
        return super().__call__(images, *args, **options)


@keras.saving.register_keras_serializable(package="nstlib")
class CaffePreprocessing(keras.layers.Layer):
    """RGB in [0, 1] → BGR in 0..255 minus ImageNet's mean colour: what VGG19 was trained on."""

    def call(self, image: tf.Tensor) -> tf.Tensor:
        """Convert a batch (B, H, W, 3)."""
        # A 1×1 convolution reverses and scales the channels at once. With the gradient that is
        # several times faster than image[..., ::-1].
        kernel = tf.constant(255 * np.eye(3)[::-1].reshape(1, 1, 3, 3), image.dtype)
        bgr = tf.nn.conv2d(image, kernel, strides=1, padding="VALID")
        return bgr - tf.constant(IMAGENET_MEAN_BGR, image.dtype)


@keras.saving.register_keras_serializable(package="nstlib")
class BorderPadding(keras.layers.Layer):
    """Continue a batch by one pixel on each side, with its border's values or its opposite side's.

    Parameters
    ----------
    mode : {"replicate", "wrap"}
        Which of the two.
    """

    def __init__(self, mode: str, **options: Any) -> None:
        super().__init__(**options)
        self.mode = mode

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """(B, H, W, C) → (B, H + 2, W + 2, C)."""
        if self.mode == "replicate":  # mirrored by one pixel is the border's own pixel again
            return tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC")
        x = tf.concat([x[:, -1:], x, x[:, :1]], axis=1)
        return tf.concat([x[:, :, -1:], x, x[:, :, :1]], axis=2)

    def get_config(self) -> dict[str, Any]:
        """Return what is needed to build the layer again."""
        return {**super().get_config(), "mode": self.mode}


@functools.lru_cache(maxsize=8)
def cached_extractor(
    layers: tuple[str, ...],
    weights: str,
    padding: str,
    precision: str,
    _: tuple[int, int] | None,
) -> keras.Model:
    """Make the frozen network that :func:`feature_extractor` returns, or give it again."""
    extractor = extractor_of(vgg19_with(weights), layers, padding, precision)
    extractor.trainable = False
    return extractor


def _padded(layer: keras.layers.Conv2D, mode: str) -> keras.Sequential:
    # A copy of the layer without padding of its own, behind a layer that continues the border.
    valid = _copy(layer, padding="valid")
    border = BorderPadding(mode, dtype=layer.dtype_policy)
    return keras.Sequential([border, valid], name=layer.name)


def _copy(layer: keras.layers.Layer, **changes: Any) -> keras.layers.Layer:
    copy = type(layer).from_config({**layer.get_config(), **changes})
    if layer.weights:
        copy.build((None, None, None, layer.kernel.shape[2]))
        copy.set_weights(layer.get_weights())
    return copy
