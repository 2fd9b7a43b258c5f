"""PersonNet, the network that finds people."""

from __future__ import annotations

from typing import Any

from nstlib._tensorflow import keras

#: Side of the square pictures that a person network sees.
PERSON_SIDE = 256

_LAST = "channels_last"

#: x · min(max(x + 3, 0), 6) / 6: nearly as smooth as x · sigmoid(x), and quick.
_HARD = "hard_silu"


def PersonNet(*, name: str = "person") -> keras.Model:  # noqa: N802
    """Build a network that says for each pixel whether it belongs to a person.

    It is MediaPipe's network for selfies, a small MobileNetV3 with a way up, made larger: more
    blocks at three sizes, a way down to 8 × 8 pixels and many channels, and 3 × 3 convolutions on
    the way up. What was added gives 0 at first, so that a network with MediaPipe's weights
    (:func:`nstlib.training.selfie.from_selfie`) begins as MediaPipe's, except that its scores are
    enlarged smoothly.

    Parameters
    ----------
    name : str
        The model's.

    Returns
    -------
    keras.Model
        (B, 256, 256, 3) → (B, 256, 256, 2). In: RGB in [-1, 1]. Out: probabilities of background
        and person, which add up to 1.

    References
    ----------
    - A. Howard et al., "Searching for MobileNetV3", ICCV 2019.
    - J. Hu, L. Shen and G. Sun, "Squeeze-and-excitation networks", CVPR 2018.
    - O. Ronneberger, P. Fischer and T. Brox, "U-Net: convolutional networks for biomedical image
      segmentation", MICCAI 2015.

    Examples
    --------
    >>> network = PersonNet()
    >>> network.output_shape
    (None, 256, 256, 2)
    >>> network.count_params() < 2_000_000
    True
    """
    image = keras.Input((PERSON_SIDE, PERSON_SIDE, 3), name="image")
    half = _conv(image, 16, 3, "conv1", _HARD, strides=2)
    x = _conv(half, 16, 1, "down4.expand", "relu")
    x = _depthwise(x, 3, "down4.depthwise", "relu", strides=2)
    quarter = _conv(_gated(x, x, 8, "down4"), 16, 1, "down4.project")
    x = _conv(quarter, 72, 1, "down8.expand", "relu")
    x = _depthwise(x, 3, "down8.depthwise", "relu", strides=2)
    x = _conv(x, 24, 1, "down8.project")
    x = _block(x, 88, 3, "block8", "relu", gate=False)
    for number in (1, 2):
        x = _block(x, 96, 3, f"more8_{number}", gate=False, zero=True)
    eighth = x
    x = _conv(eighth, 96, 1, "down16.expand", _HARD)
    x = _depthwise(x, 5, "down16.depthwise", _HARD, strides=2)
    x = _conv(_gated(x, x, 24, "down16"), 32, 1, "down16.project")
    for number, expanded in enumerate((128, 128, 96, 96), 1):
        x = _block(x, expanded, 5, f"block16_{number}")
    for number in range(1, 5):
        x = _block(x, 192, 5, f"more16_{number}", zero=True)
    deep = keras.layers.AveragePooling2D(2, data_format=_LAST, name="down32.mean")(x)
    deep = _conv(deep, 64, 1, "down32", _HARD)
    for number in range(1, 5):
        deep = _block(deep, 256, 5, f"more32_{number}", zero=True)
    # Where channels are cheap: what is in the picture at all, an animal for instance.
    side = _conv(eighth, 144, 1, "side16.expand", _HARD)
    side = _depthwise(side, 5, "side16.depthwise", _HARD, strides=2)
    side = _conv(side, 96, 1, "side16.project")
    for number in (1, 2):
        side = _block(side, 192, 5, f"side16_{number}", zero=True)
    side = keras.layers.AveragePooling2D(2, data_format=_LAST, name="wide32.mean")(side)
    wide = keras.layers.Add(name="wide32.both")(
        [_conv(deep, 128, 1, "wide32"), _conv(side, 128, 1, "wide32.side")]
    )
    wide = keras.layers.Activation(_HARD, name="wide32.activation")(wide)
    for number in range(1, 5):
        wide = _block(wide, 384, 5, f"wide32_{number}", zero=True)
    back = _conv(wide, 64, 1, "wide32.back", zero=True)
    deep = keras.layers.Add(name="wide32.added")([deep, back])
    deep = _enlarged(_conv(deep, 32, 1, "up16", zero=True), "up16.enlarged")
    x = keras.layers.Add(name="up16.added")([x, deep])

    whole = keras.layers.GlobalAveragePooling2D(_LAST, keepdims=True, name="whole.mean")(x)
    wide = keras.layers.GlobalAveragePooling2D(_LAST, keepdims=True, name="whole.wide.mean")(wide)
    whole = keras.layers.Add(name="whole.added")(
        [_conv(whole, 128, 1, "whole"), _conv(wide, 128, 1, "whole.wide", zero=True)]
    )
    whole = keras.layers.Activation("sigmoid", name="whole.sigmoid")(whole)
    x = keras.layers.Multiply(name="bottom.gated")([_conv(x, 128, 1, "bottom", "relu"), whole])
    for size, known, between in ((8, eighth, 24), (4, quarter, 24), (2, half, 8)):
        filters = known.shape[-1]
        below = _conv(_enlarged(x, f"up{size}.enlarged"), filters, 1, f"up{size}")
        both = keras.layers.Add(name=f"known{size}.both")([known, below])
        known = _gated(known, both, filters, f"known{size}")
        x = keras.layers.Add(name=f"up{size}.added")([known, below])
        x = _conv(x, filters, 1, f"join{size}", "relu")
        x = keras.layers.Add(name=f"join{size}.added")(
            [x, _depthwise(x, 3, f"join{size}.depthwise", "relu")]
        )
        sharp = _conv(x, between, 3, f"sharp{size}.first", "relu")
        sharp = _conv(sharp, filters, 3, f"sharp{size}.second", zero=True)
        x = keras.layers.Add(name=f"sharp{size}")([x, sharp])
    scores = _enlarged(_conv(x, 1, 1, "scores"), "scores.enlarged")
    # Quicker than a softmax of two scores.
    people = keras.layers.Activation("sigmoid", name="people")(scores)
    background = keras.layers.Rescaling(-1.0, 1.0, name="background")(people)
    both = keras.layers.Concatenate(name="probabilities")([background, people])
    return keras.Model(image, both, name=name)


def _conv(
    x: Any,
    filters: int,
    side: int,
    name: str,
    activation: str | None = None,
    *,
    strides: int = 1,
    zero: bool = False,
) -> Any:
    """Convolve; with `zero`, to 0 until it is trained."""
    return keras.layers.Conv2D(
        filters,
        side,
        strides,
        padding="valid" if strides > 1 else "same",
        data_format=_LAST,
        activation=activation,
        kernel_initializer="zeros" if zero else "he_normal",
        name=name,
    )(_padded(x, side, name) if strides > 1 else x)


def _depthwise(x: Any, side: int, name: str, activation: str, *, strides: int = 1) -> Any:
    return keras.layers.DepthwiseConv2D(
        side,
        strides,
        padding="valid" if strides > 1 else "same",
        data_format=_LAST,
        activation=activation,
        depthwise_initializer="he_normal",
        name=name,
    )(_padded(x, side, name) if strides > 1 else x)


def _padded(x: Any, side: int, name: str) -> Any:
    """Pad for a window that moves by 2, so that an even side becomes exactly half as long."""
    margins = (side // 2 - 1, side // 2)
    return keras.layers.ZeroPadding2D((margins, margins), _LAST, name=f"{name}.pad")(x)


def _gated(x: Any, seen: Any, squeezed: int, name: str) -> Any:
    """Squeeze and excitation: the means of `seen` say how much each channel of `x` counts."""
    gate = keras.layers.GlobalAveragePooling2D(_LAST, keepdims=True, name=f"{name}.mean")(seen)
    gate = _conv(gate, squeezed, 1, f"{name}.squeeze", "relu")
    gate = _conv(gate, x.shape[-1], 1, f"{name}.excite", "sigmoid")
    return keras.layers.Multiply(name=f"{name}.gated")([x, gate])


def _block(
    x: Any,
    expanded: int,
    side: int,
    name: str,
    activation: str = _HARD,
    *,
    gate: bool = True,
    zero: bool = False,
) -> Any:
    """MobileNet's inverted residual: many channels between, a window for each, the input added."""
    y = _conv(x, expanded, 1, f"{name}.expand", activation)
    y = _depthwise(y, side, f"{name}.depthwise", activation)
    if gate:
        y = _gated(y, y, expanded // 4, name)
    y = _conv(y, x.shape[-1], 1, f"{name}.project", zero=zero)
    return keras.layers.Add(name=name)([x, y])


def _enlarged(x: Any, name: str) -> Any:
    return keras.layers.UpSampling2D(2, _LAST, interpolation="bilinear", name=name)(x)
