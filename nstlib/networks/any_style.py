"""Networks that paint in the style of any picture, in one pass (Ghiasi et al. 2017).

There are two. One looks at a style, once, and says what it saw in a vector of 256 numbers. (Six
more, which :mod:`nstlib.inference.any_style` adds, no network gets.) The other paints photographs;
what its feature maps are scaled and shifted by, it reads from the vector. Between the two lies what
:mod:`nstlib.losses` teaches: what remains of a picture when places are forgotten is its style. So
the first network is a VGG19 of which only the means and the deviations of channels are kept, and
two small layers that pick what matters from them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nstlib._checks import check_choice, check_count, check_counts, refusal
from nstlib._keras import keras
from nstlib.networks.layers import InstanceNormalization, ReflectionPadding2D

#: Where the style is looked at: between them lie grain and figures.
LAYERS = ("block1_conv1", "block2_conv1", "block3_conv1", "block4_conv1", "block4_conv4")

#: How many numbers of a style the networks share.
VECTOR = 256

#: How many of them, the last ones, are the means and the deviations of the style's colours.
COLORS = 6

#: What the networks compute with.
DTYPES = ("float32", "mixed_bfloat16", "mixed_float16")

#: The mean colour of ImageNet in BGR, 0..255, as in :mod:`nstlib.features`.
_MEAN_BGR = np.array([103.939, 116.779, 123.68], np.float32)


#: Added to a variance before its root is taken: where a channel does not vary, it has no slope.
EPSILON = 1e-5


def means_and_deviations(features: Any) -> tuple[Any, Any]:
    """Measure the means and the deviations of channels.

    Parameters
    ----------
    features : tensor of float, shape (B, H, W, C)

    Returns
    -------
    means, deviations : tensor of float, shapes (B, 1, 1, C)
    """
    mean = keras.ops.mean(features, axis=(1, 2), keepdims=True)
    variance = keras.ops.mean(keras.ops.square(features - mean), axis=(1, 2), keepdims=True)
    return mean, keras.ops.sqrt(variance + EPSILON)


@keras.saving.register_keras_serializable(package="nstlib")
class ChannelStatistics(keras.layers.Layer):
    """Forget places: keep each channel's mean, and the deviation from it.

    (B, H, W, C) → (B, 1, 1, 2 C): the C means, then the C deviations.
    """

    def call(self, x: Any) -> Any:
        """Measure a batch (B, H, W, C)."""
        return keras.ops.concatenate(means_and_deviations(x), axis=-1)

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """Shape of the output for an input of `shape`."""
        return shape[0], 1, 1, 2 * shape[3] if shape[3] else None


@keras.saving.register_keras_serializable(package="nstlib")
class StyleAffine(keras.layers.Layer):
    """Scale and shift each channel as a style's vector says.

    Features (B, H, W, C) and a vector (B, 1, 1, N) → (B, H, W, C). Scales and shifts are linear in
    the vector, so that half of one style and half of another lies between them.

    Parameters
    ----------
    colors : bool, default False
        Begin with the last six numbers of the vector, as they are: three means for shifts, three
        deviations for scales. Otherwise scales begin around 1 and shifts around 0.
    """

    def __init__(self, *, colors: bool = False, **options: Any) -> None:
        super().__init__(**options)
        self.colors = colors

    def build(self, shapes: Sequence[Sequence[Any]]) -> None:
        """Make the linear map."""
        channels, numbers = shapes[0][-1], shapes[1][-1]
        # A step of the optimiser should show: smaller slopes leave the style unheard for long.
        initial: Any = keras.initializers.VarianceScaling(0.3, mode="fan_in")
        bias: NDArray[Any] = np.repeat([1.0, 0.0], channels)
        if self.colors:
            kernel = np.zeros((numbers, 2 * channels), np.float32)
            kernel[-channels:, :channels] = kernel[-2 * channels : -channels, channels:] = np.eye(
                channels
            )
            initial, bias = keras.initializers.Constant(kernel), 0 * bias
        self.kernel = self.add_weight(
            name="kernel", shape=(numbers, 2 * channels), initializer=initial
        )
        self.bias = self.add_weight(
            name="bias", shape=(2 * channels,), initializer=keras.initializers.Constant(bias)
        )

    def call(self, inputs: Sequence[Any]) -> Any:
        """Scale and shift a batch."""
        x, vector = inputs
        scale, shift = keras.ops.split(
            keras.ops.matmul(vector, self.kernel) + self.bias, 2, axis=-1
        )
        return x * scale + shift

    def compute_output_shape(
        self, shapes: Sequence[tuple[int | None, ...]]
    ) -> tuple[int | None, ...]:
        """Shape of the output for inputs of `shapes`."""
        return tuple(shapes[0])

    def get_config(self) -> dict[str, Any]:
        """Return what is needed to build the layer again."""
        return {**super().get_config(), "colors": self.colors}


def frozen_features(vgg: keras.Model, layers: Iterable[str], dtype: str = "float32") -> keras.Model:
    """Build a frozen network from pictures to the features of a VGG19, of any Keras backend.

    Parameters
    ----------
    vgg : keras.Model
        Of :func:`nstlib.vgg19.build_vgg19`, of any width.
    layers : iterable of str
        Whose features are wanted.
    dtype : {"float32", "mixed_bfloat16", "mixed_float16"}
        What it computes with; by default float32.

    Returns
    -------
    keras.Model
        (B, H, W, 3), RGB in [0, 1] → dict of layer to features. Nothing lies beyond the border.

    Raises
    ------
    ArgumentError
        For a layer that `vgg` lacks, or another `dtype`.
    """
    wanted = tuple(layers)
    known = [layer.name for layer in vgg.layers[1:]]
    for layer in wanted:
        check_choice("layer", layer, known)
    check_choice("dtype", dtype, DTYPES)
    image = keras.Input((None, None, 3), name="style")
    # As VGG19 was trained: BGR, from 0 to 255, less the mean colour.
    prepared = keras.layers.Conv2D(
        3, 1, data_format="channels_last", name="preprocessing", dtype="float32"
    )
    x = prepared(image)
    prepared.set_weights([255.0 * np.eye(3)[::-1].reshape(1, 1, 3, 3), -_MEAN_BGR])
    found: dict[str, Any] = {}
    for layer in vgg.layers[1:]:
        if len(found) == len(set(wanted)):
            break
        copy = type(layer).from_config({**layer.get_config(), "dtype": dtype})
        x = copy(x)
        copy.set_weights(layer.get_weights())
        if layer.name in wanted:
            found[layer.name] = x
    network = keras.Model(image, {name: found[name] for name in wanted}, name="frozen_features")
    network.trainable = False
    return network


def style_predictor(
    widths: Sequence[int], hidden: int = 192, name: str = "style_predictor"
) -> keras.Model:
    """Build the layers that pick a style's vector from its statistics.

    Parameters
    ----------
    widths : sequence of int
        Channels of each of :data:`LAYERS`.
    hidden : int, default 192
        Width of the layer between.
    name : str
        The model's.

    Returns
    -------
    keras.Model
        Two inputs, (B, 1, 1, 2 · sum(widths)) and (B, 1, 1, 6), statistics of the features and of
        the colours, as :class:`ChannelStatistics` measures them, to (B, 1, 1, 256).
        :func:`standardise` must tell it what is usual before it is trained.

    Raises
    ------
    ArgumentError
        For values outside those above.
    """
    check_count("hidden", hidden)
    check_counts("widths", widths, (len(LAYERS),), f"{len(LAYERS)} whole numbers, 1 or more each")
    statistics = keras.Input((1, 1, 2 * sum(widths)), name="statistics")
    colors = keras.Input((1, 1, COLORS), name="colors")

    def dense(x: Any, width: int, name: str, activation: str | None = None) -> Any:
        return keras.layers.Conv2D(
            width, 1, activation=activation, data_format="channels_last", name=f"predictor.{name}"
        )(x)

    # Bounded, so that a picture unlike all that it learned from gives no absurd vector.
    x = dense(dense(statistics, hidden, "dense1", "relu6"), VECTOR - COLORS, "dense2")
    vector = keras.layers.Concatenate(name="predictor.vector")([x, colors])
    return keras.Model([statistics, colors], vector, name=name)


def standardise(predictor: keras.Model, statistics: Any) -> None:
    """Make the first layer of a new predictor see numbers around 0, of the order of 1.

    Parameters
    ----------
    predictor : keras.Model
        Of :func:`style_predictor`, changed in place.
    statistics : ndarray of float, shape (N, C)
        Those of some styles.
    """
    mean, spread = statistics.mean(axis=0), statistics.std(axis=0)
    spread = np.maximum(spread, 0.02 * spread.mean())
    layer = predictor.get_layer("predictor.dense1")
    kernel, bias = layer.get_weights()
    kernel = kernel / spread[:, np.newaxis]
    layer.set_weights([kernel, bias - mean @ kernel[0, 0]])


def style_encoder(features: keras.Model, predictor: keras.Model) -> keras.Model:
    """Join what is needed from a style picture to its vector.

    Parameters
    ----------
    features : keras.Model
        Of :func:`frozen_features`, with :data:`LAYERS` at least.
    predictor : keras.Model
        Of :func:`style_predictor`.

    Returns
    -------
    keras.Model
        (B, H, W, 3), RGB in [0, 1], sides of 16 or more → (B, 1, 1, 256).
    """
    image = features.inputs[0]
    measured = [
        ChannelStatistics(name=f"{layer}.statistics", dtype="float32")(features.output[layer])
        for layer in LAYERS
    ]
    joined = keras.layers.Concatenate(name="statistics")(measured)
    colors = ChannelStatistics(name="colors.statistics")(image)
    x = joined
    for name in ("predictor.dense1", "predictor.dense2"):
        layer = predictor.get_layer(name)
        copy = type(layer).from_config(layer.get_config())
        x = copy(x)
        copy.set_weights(layer.get_weights())
    vector = keras.layers.Concatenate(name="predictor.vector")([x, colors])
    return keras.Model(image, vector, name="style_encoder")


def AnyStyleNet(  # noqa: N802  (a network's name, as TransformerNet)
    channels: Sequence[int] = (16, 32, 32, 112),
    blocks: tuple[int, int] = (4, 1),
    kernels: tuple[int, int] = (5, 3),
    *,
    one_style: bool = False,
    dtype: str = "float32",
    name: str = "any_style_net",
) -> keras.Model:
    """Build a network that paints a photograph in the style that a vector describes.

    A TransformerNet whose residual blocks work at an eighth of the picture's size, where strokes
    are and where they cost least. What the photograph shows at a quarter of the size, and at full
    size, goes by them and is added on the way back: lines stay where they are and sharp. At full
    and at half size the photograph is read alike for all styles. From there on each instance
    normalization is followed by a scale and a shift of each channel, linear in the style's vector;
    the last one gives the colours, which begin as the style's own means and deviations.

    Parameters
    ----------
    channels : sequence of four int, default (16, 32, 32, 112)
        At full, half, a quarter, and an eighth of the picture's size. The last two differ, since a
        file tells its blocks apart by them.
    blocks : (int, int), default (4, 1)
        Residual blocks at an eighth, and after them at a quarter.
    kernels : (int, int), default (5, 3)
        Sides of the first and the last convolution's kernels, odd.
    one_style : bool, default False
        Take no vector: the instance normalizations' own scales and shifts are the style.
    dtype : {"float32", "mixed_bfloat16", "mixed_float16"}
        What the convolutions compute with; by default float32. For training where that is faster.
    name : str
        The model's.

    Returns
    -------
    keras.Model
        Two inputs, (B, H, W, 3), RGB in [0, 1], H and W multiples of 8, and (B, 1, 1, 256), to
        (B, H, W, 3), RGB. Nothing clips the output: values may lie a little outside [0, 1]. With
        `one_style` the first input alone.

    Raises
    ------
    ArgumentError
        For values outside those above.

    References
    ----------
    - G. Ghiasi, H. Lee, M. Kudlur, V. Dumoulin and J. Shlens, "Exploring the structure of a
      real-time, arbitrary neural artistic stylization network", BMVC 2017.
    - V. Dumoulin, J. Shlens and M. Kudlur, "A learned representation for artistic style", ICLR
      2017.
    """
    accepted = "four whole numbers, 1 or more each"
    full, half, quarter, eighth = check_counts("channels", channels, (4,), accepted)
    if quarter == eighth:
        raise refusal("channels", channels, f"{accepted}, the last two different ones")
    check_counts("blocks", blocks, (2,), "two whole numbers, 0 or more each", 0)
    if not all(side % 2 for side in check_counts("kernels", kernels, (2,), "two odd numbers")):
        raise refusal("kernels", kernels, "two odd numbers")
    check_choice("dtype", dtype, DTYPES)
    photo = keras.Input((None, None, 3), name="image")
    vector = keras.Input((1, 1, VECTOR), name="vector")

    def conv(x: Any, filters: int, side: int, name: str, stride: int = 1) -> Any:
        if side > 1:
            x = ReflectionPadding2D(side // 2, name=f"{name}.pad", dtype="float32")(x)
        return keras.layers.Conv2D(
            filters, side, strides=stride, data_format="channels_last", name=name, dtype=dtype
        )(x)

    def enlarge(x: Any, name: str) -> Any:
        return keras.layers.UpSampling2D(
            2,
            data_format="channels_last",
            interpolation="bilinear",
            name=f"{name}.enlarge",
            dtype="float32",
        )(x)

    def norm(x: Any, name: str) -> Any:
        return InstanceNormalization(name=f"{name}.norm", dtype="float32")(x)

    def relu(x: Any, name: str) -> Any:
        return keras.layers.ReLU(name=f"{name}.relu", dtype="float32")(x)

    def add(x: Any, y: Any, name: str) -> Any:
        return keras.layers.Add(name=name, dtype="float32")([x, y])

    def styled(x: Any, name: str, normed: Any = None, *, colors: bool = False) -> Any:
        if one_style:
            return InstanceNormalization(name=f"{name}.styled", dtype="float32")(x)
        normed = norm(x, name) if normed is None else normed
        return StyleAffine(colors=colors, name=f"{name}.styled", dtype="float32")([normed, vector])

    def block(x: Any, filters: int, name: str) -> Any:
        y = conv(x, filters, 3, f"{name}.conv1")
        y = relu(styled(y, f"{name}.conv1"), f"{name}.conv1")
        y = conv(y, filters, 3, f"{name}.conv2")
        return add(x, styled(y, f"{name}.conv2"), f"{name}.add")

    first = conv(photo, full, kernels[0], "conv1")
    fine = norm(first, "conv1")
    x = relu(fine, "conv1")
    x = relu(norm(conv(x, half, 3, "conv2", 2), "conv2"), "conv2")
    third = conv(x, quarter, 3, "conv3", 2)
    middle = norm(third, "conv3")
    x = relu(styled(third, "conv3", middle), "conv3")
    x = relu(styled(conv(x, eighth, 3, "conv4", 2), "conv4"), "conv4")
    for number in range(1, blocks[0] + 1):
        x = block(x, eighth, f"res{number}")
    x = styled(conv(x, quarter, 3, "up1"), "up1")
    # With the enlarged maps first, OpenCV 4 cannot read what a network of one style is exported to.
    large = enlarge(x, "up1")
    x = relu(add(styled(third, "by1", middle), large, "join1"), "join1")
    for number in range(blocks[0] + 1, sum(blocks) + 1):
        x = block(x, quarter, f"res{number}")
    x = relu(styled(conv(x, half, 3, "up2"), "up2"), "up2")
    x = styled(conv(enlarge(x, "up2"), full, 3, "up3"), "up3")
    large = enlarge(x, "up3")
    x = relu(add(styled(first, "by2", fine), large, "join2"), "join2")
    x = styled(conv(x, 3, kernels[1], "last"), "last", colors=True)
    return keras.Model(photo if one_style else [photo, vector], x, name=name)


def any_style_shape(weights: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """Read off its weights how :func:`AnyStyleNet` has built a network.

    Parameters
    ----------
    weights : mapping
        Of names to arrays, kernels (filters, channels, side, side), as an exported file has them.

    Returns
    -------
    dict
        Arguments `channels`, `blocks` and `kernels`.

    Raises
    ------
    KeyError
        If a weight that says so is not there.
    """
    channels = tuple(len(weights[f"conv{number}.weight"]) for number in (1, 2, 3, 4))
    found = [re.fullmatch(r"res(\d+)\.conv1\.weight", name) for name in weights]
    widths = [len(weights[match.string]) for match in found if match]
    coarse = sum(width == channels[3] for width in widths)
    kernels = tuple(weights[f"{name}.weight"].shape[-1] for name in ("conv1", "last"))
    return {"channels": channels, "blocks": (coarse, len(widths) - coarse), "kernels": kernels}


def is_one_style_network(network: keras.Model) -> bool:
    """Tell whether a network is one of :func:`AnyStyleNet` for one style."""
    return network.layers[-1].name == "last.styled" and len(network.inputs) == 1
