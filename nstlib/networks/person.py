"""PersonNet, the network that finds people."""

from __future__ import annotations

from typing import Any

from nstlib._tensorflow import keras

#: Side of the square pictures that a person network sees.
PERSON_SIDE = 192


def PersonNet(*, name: str = "person") -> keras.Model:  # noqa: N802
    """Build a network that says for each pixel whether it belongs to a person.

    The way down is SqueezeNet 1.1's, without its classifier, so that it can begin with weights that
    know ImageNet. The way up is that of a narrow U-Net: at each size, what comes from below is
    enlarged and joined with the features that the way down had at that size. The mean features of
    the whole picture join at the bottom: only the whole picture tells whether anybody is there.

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
    last = "channels_last"

    def conv(x: Any, filters: int, side: int, name: str) -> Any:
        return keras.layers.Conv2D(
            filters,
            side,
            padding="same",
            data_format=last,
            activation="relu",
            kernel_initializer="he_normal",
            name=name,
        )(x)

    def halve(x: Any, name: str) -> Any:
        # On one side only: 192, 96, 48, 24, 12.
        x = keras.layers.ZeroPadding2D(((0, 1), (0, 1)), last, name=f"{name}.pad")(x)
        return keras.layers.MaxPooling2D(3, strides=2, data_format=last, name=name)(x)

    def fire(x: Any, squeezed: int, expanded: int, name: str) -> Any:
        x = conv(x, squeezed, 1, f"{name}.squeeze")
        sides = [conv(x, expanded, side, f"{name}.expand{side}") for side in (1, 3)]
        return keras.layers.Concatenate(name=name)(sides)

    image = keras.Input((PERSON_SIDE, PERSON_SIDE, 3), name="image")
    x = keras.layers.ZeroPadding2D(((0, 1), (0, 1)), last, name="conv1.pad")(image)
    half = keras.layers.Conv2D(64, 3, strides=2, data_format=last, activation="relu", name="conv1")(
        x
    )
    x = fire(halve(half, "pool1"), 16, 64, "fire2")
    quarter = fire(x, 16, 64, "fire3")
    x = fire(halve(quarter, "pool3"), 32, 128, "fire4")
    eighth = fire(x, 32, 128, "fire5")
    x = fire(halve(eighth, "pool5"), 48, 192, "fire6")
    x = fire(x, 48, 192, "fire7")
    x = fire(x, 64, 256, "fire8")
    x = fire(x, 64, 256, "fire9")

    whole = keras.layers.GlobalAveragePooling2D(last, keepdims=True, name="whole.mean")(x)
    x = keras.layers.Add(name="whole.add")([conv(x, 64, 1, "bottom"), conv(whole, 64, 1, "whole")])
    for size, known, filters in ((8, eighth, 48), (4, quarter, 32), (2, half, 24)):
        x = keras.layers.UpSampling2D(2, last, interpolation="bilinear", name=f"up{size}")(x)
        joined = [x, conv(known, 32, 1, f"known{size}")]
        x = conv(keras.layers.Concatenate(name=f"join{size}")(joined), filters, 3, f"out{size}")
    x = keras.layers.UpSampling2D(2, last, interpolation="bilinear", name="up1")(x)
    x = keras.layers.Concatenate(name="join1")([x, image])
    x = keras.layers.Conv2D(2, 3, padding="same", data_format=last, name="out1")(x)
    return keras.Model(image, keras.layers.Softmax(name="probabilities")(x), name=name)
