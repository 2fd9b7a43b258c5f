"""TransformerNet, the network that learns to paint one style (Johnson et al. 2016)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from nstlib._checks import check_choice, check_count, check_counts, refusal
from nstlib._keras import keras
from nstlib.networks.layers import InstanceNormalization, ReflectionPadding2D

#: Arguments of :func:`TransformerNet` for the sizes that the course trains.
VARIANTS: dict[str, dict[str, Any]] = {
    "full": {},
    "lite": {"channels": (16, 48), "kernel": 5, "interpolation": "bilinear"},
    # For stills: twice as wide as lite, for less than four times its multiplications.
    "wide": {"channels": (32, 96), "kernel": 5, "interpolation": "bilinear"},
}


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
    leave a checkerboard. The architecture is Johnson's, with the changes of PyTorch's well-known
    example: instance for batch normalization, reflected borders, and enlarging before convolving.

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
    - J. Johnson, A. Alahi and L. Fei-Fei, "Perceptual losses for real-time style transfer and
      super-resolution", ECCV 2016.
    - A. Odena, V. Dumoulin and C. Olah, "Deconvolution and checkerboard artifacts", Distill, 2016.

    Examples
    --------
    >>> TransformerNet().count_params()
    1679235
    >>> TransformerNet((16, 48), kernel=5).count_params() < 1679235 / 6
    True
    """
    accepted = "two or three whole numbers, 1 or more each"
    channels = check_counts("channels", channels, (2, 3), accepted)
    check_count("blocks", blocks)
    if check_count("kernel", kernel, 3) % 2 == 0:
        raise refusal("kernel", kernel, "odd, 3 or more")
    check_choice("interpolation", interpolation, ("nearest", "bilinear"))

    def conv(x: Any, filters: int, side: int, stride: int, name: str) -> Any:
        x = ReflectionPadding2D(side // 2, name=f"{name}.reflection_pad")(x)
        return keras.layers.Conv2D(
            filters, side, strides=stride, data_format="channels_last", name=f"{name}.conv2d"
        )(x)

    def enlarge(x: Any, name: str) -> Any:
        return keras.layers.UpSampling2D(
            2, data_format="channels_last", interpolation=interpolation, name=f"{name}.upsample"
        )(x)

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
