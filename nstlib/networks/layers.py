"""Layers that Keras lacks: reflection padding and instance normalization."""

from __future__ import annotations

from typing import Any

from nstlib._keras import keras


@keras.saving.register_keras_serializable(package="nstlib")
class ReflectionPadding2D(keras.layers.Layer):
    """Pad feature maps with their mirror image, without repeating the border itself.

    Parameters
    ----------
    pixels : int
        How far, on each side.
    """

    def __init__(self, pixels: int, **options: Any) -> None:
        super().__init__(**options)
        self.pixels = pixels

    def call(self, x: Any) -> Any:
        """(B, H, W, C) → (B, H + 2 pixels, W + 2 pixels, C)."""
        beyond = [self.pixels, self.pixels]
        return keras.ops.pad(x, [[0, 0], beyond, beyond, [0, 0]], mode="reflect")

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
    one picture, and :math:`\gamma, \beta` trained. That removes the picture's own contrast, which
    the style replaces.

    References
    ----------
    D. Ulyanov, A. Vedaldi and V. Lempitsky, "Improved texture networks", CVPR 2017.
    """

    #: As PyTorch's default.
    EPSILON = 1e-5

    def build(self, shape: tuple[int | None, ...]) -> None:
        """Make each channel's gamma and beta."""
        self.gamma = self.add_weight(name="gamma", shape=(shape[-1],), initializer="ones")
        self.beta = self.add_weight(name="beta", shape=(shape[-1],), initializer="zeros")

    def call(self, x: Any) -> Any:
        """Normalise a batch (B, H, W, C)."""
        mean, variance = keras.ops.moments(x, axes=(1, 2), keepdims=True)
        scale = self.gamma * keras.ops.rsqrt(variance + self.EPSILON)
        return x * scale + (self.beta - mean * scale)
