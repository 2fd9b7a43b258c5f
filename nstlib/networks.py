"""The networks that the course trains: one paints a picture in a single pass, one finds people.

Both are plain Keras models. :mod:`nstlib.training` fits them, :mod:`nstlib.onnx_export` takes them
out of Keras.
"""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nstlib.errors import ArgumentError, ModelError
from nstlib.images import atomic_write
from nstlib.onnx_reading import LARGEST_FILE
from nstlib.quietly import keras, tf

#: Arguments of :func:`TransformerNet` for the sizes that the course trains.
VARIANTS: dict[str, dict[str, Any]] = {
    "full": {},
    "lite": {"channels": (16, 48), "kernel": 5, "interpolation": "bilinear"},
}


@keras.saving.register_keras_serializable(package="nstlib")
class ReflectionPadding2D(keras.layers.Layer):
    """Continue feature maps by their mirror image, the border itself not repeated.

    Parameters
    ----------
    pixels : int
        How far, on each side.
    """

    def __init__(self, pixels: int, **options: Any) -> None:
        super().__init__(**options)
        self.pixels = pixels

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """(B, H, W, C) → (B, H + 2 pixels, W + 2 pixels, C)."""
        beyond = [self.pixels, self.pixels]
        return tf.pad(x, [[0, 0], beyond, beyond, [0, 0]], "REFLECT")

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Shape of the output for an input of `shape`."""
        height, width = (side and side + 2 * self.pixels for side in shape[1:3])
        return shape[0], height, width, shape[3]

    def get_config(self) -> dict[str, Any]:
        """Return what is needed to build the layer again."""
        return {**super().get_config(), "pixels": self.pixels}


@keras.saving.register_keras_serializable(package="nstlib")
class InstanceNormalization(keras.layers.Layer):
    r"""Give each channel of each picture the same mean and spread.

    .. math:: y = \gamma \frac{x - \mu}{\sqrt{\sigma^2 + \epsilon}} + \beta

    with mean :math:`\mu` and variance :math:`\sigma^2` taken over the positions of one channel of
    one picture, and :math:`\gamma, \beta` trained. A picture's contrast, which the style is to
    replace, is thereby forgotten.

    References
    ----------
    D. Ulyanov, A. Vedaldi and V. Lempitsky, "Improved texture networks", CVPR 2017.
    """

    #: As PyTorch's default.
    EPSILON = 1e-5

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make the two numbers of each channel."""
        self.gamma = self.add_weight(name="gamma", shape=(shape[-1],), initializer="ones")
        self.beta = self.add_weight(name="beta", shape=(shape[-1],), initializer="zeros")

    def call(self, x: tf.Tensor) -> tf.Tensor:
        """Normalise a batch (B, H, W, C)."""
        mean, variance = tf.nn.moments(x, axes=(1, 2), keepdims=True)
        return tf.nn.batch_normalization(
            x, mean, variance, self.beta.value, self.gamma.value, self.EPSILON
        )


def TransformerNet(  # noqa: N802  (the name that the field knows it by)
    channels: Sequence[int] = (32, 64, 128),
    blocks: int = 5,
    kernel: int = 9,
    *,
    interpolation: str = "nearest",
    name: str = "transformer_net",
) -> keras.Model:
    """Build a network that turns a photograph into a painting in one pass.

    Convolutions take the picture down to a quarter of its size, residual blocks work there, and two
    enlargements with a convolution after each bring it back: a transposed convolution instead would
    leave a checkerboard. The architecture is Johnson's, with the changes
    of PyTorch's well-known example: instance for batch normalisation, reflected borders, and
    enlarging before convolving.

    Parameters
    ----------
    channels : sequence of int, default (32, 64, 128)
        At full, half and a quarter of the picture's size. Two numbers leave out the layers at full
        size, which cost the most: the first convolution then halves the picture already.
    blocks : int, default 5
        How many residual blocks.
    kernel : int, default 9
        Side of the first and the last convolution's kernels, odd.
    interpolation : {"nearest", "bilinear"}, default "nearest"
        How feature maps are enlarged. ``"bilinear"`` leaves no steps between copied values: without
        layers at full size nothing else would even them out, and a fine grid would show.
    name : str
        The model's.

    Returns
    -------
    keras.Model
        (B, H, W, 3) → (B, H', W', 3), RGB on the 0..255 scale, float32, sides of 16 or more. H' and
        W' are H and W rounded up to multiples of 4. Nothing clips the output: values may lie a
        little outside. With the defaults 1,679,235 parameters, layers named as in PyTorch's
        example.

    Raises
    ------
    ArgumentError
        For values outside those above.

    References
    ----------
    J. Johnson, A. Alahi and L. Fei-Fei, "Perceptual losses for real-time style transfer and
    super-resolution", ECCV 2016.
    A. Odena, V. Dumoulin and C. Olah, "Deconvolution and checkerboard artifacts", Distill, 2016.

    Examples
    --------
    >>> TransformerNet().count_params()
    1679235
    >>> TransformerNet((16, 48), kernel=5).count_params() < 1679235 / 6
    True
    """
    if len(channels) not in (2, 3) or min(channels) < 1:
        raise ArgumentError(f"channels is {channels}; it is two or three numbers, 1 or more each")
    if blocks < 1:
        raise ArgumentError(f"blocks is {blocks}; it is 1 or more")
    if kernel < 3 or kernel % 2 == 0:
        raise ArgumentError(f"kernel is {kernel}; it is odd, 3 or more")
    if interpolation not in ("nearest", "bilinear"):
        raise ArgumentError(f"interpolation is {interpolation!r}; it is one of nearest, bilinear")

    def conv(x: Any, filters: int, side: int, stride: int, name: str) -> Any:
        x = ReflectionPadding2D(side // 2, name=f"{name}.reflection_pad")(x)
        return keras.layers.Conv2D(filters, side, strides=stride, name=f"{name}.conv2d")(x)

    def enlarge(x: Any, name: str) -> Any:
        return keras.layers.UpSampling2D(2, interpolation=interpolation, name=f"{name}.upsample")(x)

    def norm(x: Any, name: str, *, relu: bool = True) -> Any:
        x = InstanceNormalization(name=name)(x)
        return keras.layers.ReLU(name=f"{name}.relu")(x) if relu else x

    x = image = keras.Input((None, None, 3), name="image")
    first = 4 - len(channels)  # the step at which the picture's own layers begin
    for number, filters in enumerate(channels, first):
        side = kernel if number == first else 3
        stride = 1 if number == 1 else 2
        x = norm(conv(x, filters, side, stride, f"conv{number}"), f"in{number}")
    for number in range(1, blocks + 1):
        y = norm(conv(x, channels[-1], 3, 1, f"res{number}.conv1"), f"res{number}.in1")
        y = norm(conv(y, channels[-1], 3, 1, f"res{number}.conv2"), f"res{number}.in2", relu=False)
        x = keras.layers.Add(name=f"res{number}.add")([x, y])
    for number, filters in enumerate(reversed(channels[:-1]), 1):
        x = norm(
            conv(enlarge(x, f"deconv{number}"), filters, 3, 1, f"deconv{number}"), f"in{3 + number}"
        )
    if len(channels) == 2:
        x = enlarge(x, "deconv3")
    x = conv(x, 3, kernel, 1, "deconv3")
    return keras.Model(image, x, name=name)


#: Side of the square pictures that a person network sees.
PERSON_SIDE = 192


def PersonNet(*, name: str = "person") -> keras.Model:  # noqa: N802
    """Build a network that says for each pixel whether it belongs to a person.

    The way down is SqueezeNet 1.1's, without its classifier, so that it can begin with weights that
    know ImageNet. The way up is a narrow U-Net's: at each size what comes from below is enlarged
    and joined with what the way down knew at that size. The whole picture's mean features join at
    the bottom: whether there is anybody at all is a question to all of it.

    Parameters
    ----------
    name : str
        The model's.

    Returns
    -------
    keras.Model
        (B, 192, 192, 3) → (B, 192, 192, 2). In: RGB in [-1, 1]. Out: probabilities of background
        and person, which add up to 1.

    References
    ----------
    F. Iandola et al., "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters and < 0.5 MB
    model size", 2016.
    O. Ronneberger, P. Fischer and T. Brox, "U-Net: convolutional networks for biomedical image
    segmentation", MICCAI 2015.

    Examples
    --------
    >>> network = PersonNet()
    >>> network.output_shape
    (None, 192, 192, 2)
    >>> network.count_params() < 1_000_000
    True
    """

    def conv(x: Any, filters: int, side: int, name: str) -> Any:
        return keras.layers.Conv2D(
            filters,
            side,
            padding="same",
            activation="relu",
            kernel_initializer="he_normal",
            name=name,
        )(x)

    def halve(x: Any, name: str) -> Any:
        # On one side only: 192, 96, 48, 24, 12.
        x = keras.layers.ZeroPadding2D(((0, 1), (0, 1)), name=f"{name}.pad")(x)
        return keras.layers.MaxPooling2D(3, strides=2, name=name)(x)

    def fire(x: Any, squeezed: int, expanded: int, name: str) -> Any:
        x = conv(x, squeezed, 1, f"{name}.squeeze")
        sides = [conv(x, expanded, side, f"{name}.expand{side}") for side in (1, 3)]
        return keras.layers.Concatenate(name=name)(sides)

    image = keras.Input((PERSON_SIDE, PERSON_SIDE, 3), name="image")
    x = keras.layers.ZeroPadding2D(((0, 1), (0, 1)), name="conv1.pad")(image)
    half = keras.layers.Conv2D(64, 3, strides=2, activation="relu", name="conv1")(x)
    x = fire(halve(half, "pool1"), 16, 64, "fire2")
    quarter = fire(x, 16, 64, "fire3")
    x = fire(halve(quarter, "pool3"), 32, 128, "fire4")
    eighth = fire(x, 32, 128, "fire5")
    x = fire(halve(eighth, "pool5"), 48, 192, "fire6")
    x = fire(x, 48, 192, "fire7")
    x = fire(x, 64, 256, "fire8")
    x = fire(x, 64, 256, "fire9")

    whole = keras.layers.GlobalAveragePooling2D(keepdims=True, name="whole.mean")(x)
    x = keras.layers.Add(name="whole.add")([conv(x, 64, 1, "bottom"), conv(whole, 64, 1, "whole")])
    for size, known, filters in ((8, eighth, 48), (4, quarter, 32), (2, half, 24)):
        x = keras.layers.UpSampling2D(2, interpolation="bilinear", name=f"up{size}")(x)
        joined = [x, conv(known, 32, 1, f"known{size}")]
        x = conv(keras.layers.Concatenate(name=f"join{size}")(joined), filters, 3, f"out{size}")
    x = keras.layers.UpSampling2D(2, interpolation="bilinear", name="up1")(x)
    x = keras.layers.Concatenate(name="join1")([x, image])
    x = keras.layers.Conv2D(2, 3, padding="same", name="out1")(x)
    return keras.Model(image, keras.layers.Softmax(name="probabilities")(x), name=name)


def save_network(path: str | Path, network: keras.Model) -> None:
    """Write a network in Keras's own format; the file appears whole or not at all.

    :func:`load_network` reads it.

    Parameters
    ----------
    path : str or pathlib.Path
        What is there is replaced.
    network : keras.Model
        Any.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "network.keras"
        network.save(whole)
        with atomic_write(Path(path)) as file:
            file.write(whole.read_bytes())


def load_network(path: str | Path) -> keras.Model:
    """Read a network that :func:`save_network` wrote.

    Raises
    ------
    ModelError
        If the file is absent, damaged, not a Keras network, or would unpack to absurd sizes; or if
        it holds code, which is not executed.
    """
    check_archive(path)
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras's reader raises almost anything
        raise ModelError(
            f"{path} cannot be read as a Keras network (.keras); it may be damaged, or hold code"
        ) from error


def check_archive(path: str | Path) -> None:
    """Refuse a file that cannot be read, and an archive that would unpack to absurd sizes.

    Networks of Keras and of PyTorch are zip files.

    Raises
    ------
    ModelError
        Naming the file.
    """
    try:
        with Path(path).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            if zipfile.is_zipfile(file):
                with zipfile.ZipFile(file) as archive:
                    size = sum(entry.file_size for entry in archive.infolist())
    except (OSError, zipfile.BadZipFile) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ModelError(f"{path} cannot be read ({reason})") from error
    if size > LARGEST_FILE:
        raise ModelError(
            f"{path} holds {size / 2**30:.1f} GB; no network of this course comes near"
        )
