"""VGG19 as a network: its layers, and the files that hold their weights.

VGG19 learned to tell a thousand things apart (Simonyan and Zisserman 2015). Of it only the
convolutions are needed here. They come from Keras's file, from a compact copy of that, from the
small twin that the course trained, or from a random generator.
"""

from __future__ import annotations

import contextlib
import functools
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from nstlib._checks import check_choice, refusal
from nstlib._files import atomic_write, is_there, reading
from nstlib._keras import keras
from nstlib.assets.cache import cache_dir, embedded_model
from nstlib.errors import ArgumentError, WeightsError

#: Where the features' weights may come from, if not from a file.
WEIGHTS = ("mini", "random", "imagenet")

#: What a file of VGG19's layers may end in.
WEIGHTS_SUFFIXES = (".npz", ".h5")

#: The file that Keras downloads for ``weights="imagenet"``, and what :func:`save_vgg19` makes of it
#: in the cache of models.
IMAGENET_FILE = "vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5"
COMPACT_FILE = "vgg19_imagenet_q8.npz"


def default_weights() -> str:
    """Name of the weights used when none are named: ``NSTLIB_WEIGHTS``, or ``"mini"``."""
    weights = os.environ.get("NSTLIB_WEIGHTS") or "mini"
    if not _is_known(weights):
        raise ArgumentError(f"NSTLIB_WEIGHTS is {weights!r}; it must be {_ACCEPTED}")
    return weights


def check_weights(weights: str | Path | None) -> str:
    """Return the name or the path of the weights to use; None stands for the default.

    Raises
    ------
    ArgumentError
        If there are no weights of that name, and no file of that path.
    """
    if weights is None:
        return default_weights()
    name = str(weights) if isinstance(weights, Path) else weights
    if not _is_known(name):
        raise refusal("weights", weights, _ACCEPTED)
    return name


_ACCEPTED = f"one of {', '.join(WEIGHTS)}, or a file of VGG19's layers (.npz, .h5)"


def _is_known(weights: object) -> bool:
    return isinstance(weights, str) and (
        weights in WEIGHTS or (weights.endswith(WEIGHTS_SUFFIXES) and Path(weights).is_file())
    )


#: How many convolutions there are in each of VGG19's five blocks.
DEPTHS = (2, 2, 4, 4, 4)

#: The convolutions, and how many channels each has.
CHANNELS = {
    f"block{block}_conv{conv}": channels
    for block, (channels, depth) in enumerate(
        zip((64, 128, 256, 512, 512), DEPTHS, strict=True), start=1
    )
    for conv in range(1, depth + 1)
}

#: The convolutions' names, from the first to the last.
CONVOLUTIONS = tuple(CHANNELS)

_POOLING = {"max": keras.layers.MaxPooling2D, "average": keras.layers.AveragePooling2D}


def build_vgg19(width: float | Sequence[int] = 1.0, pooling: str = "max") -> keras.Model:
    """Build VGG19's convolutional part with He-normal weights, layer names as in Keras.

    Parameters
    ----------
    width : float or sequence of int, default 1.0
        Factor on the number of channels: 1 gives 64, 128, 256, 512, 512 in the five blocks. Or the
        channels of each of the sixteen convolutions.
    pooling : {"max", "average"}, default "max"
        How each block halves its feature maps. Gatys et al. found averages to give slightly more
        pleasing pictures.

    Returns
    -------
    keras.Model
        From a preprocessed batch (B, H, W, 3) to ``block5_pool``.
    """
    check_choice("pooling", pooling, _POOLING)
    if isinstance(width, float | int):
        width = [round(channels * width) for channels in CHANNELS.values()]
    x = image = keras.Input((None, None, 3), name="preprocessed")
    for name, channels, following in zip(
        CHANNELS, width, [*CHANNELS, "block6_conv1"][1:], strict=True
    ):
        x = keras.layers.Conv2D(
            channels,
            3,
            padding="same",
            data_format="channels_last",
            activation="relu",
            kernel_initializer="he_normal",
            name=name,
        )(x)
        if stride(following) > stride(name):
            x = _POOLING[pooling](2, data_format="channels_last", name=f"{name[:6]}_pool")(x)
    return keras.Model(image, x, name="vgg19")


def save_vgg19(vgg: keras.Model, path: str | Path, *, codes: bool = False) -> None:
    """Store a network of :func:`build_vgg19`, its layers by name, in a NumPy archive.

    Parameters
    ----------
    vgg : keras.Model
        With VGG19's layers, of any width.
    path : str or pathlib.Path
        Ends in .npz.
    codes : bool, default False
        Store each kernel as 8-bit numbers of the entries in a table of 256 values
        (:func:`codebook`). Otherwise everything is stored in half precision.

    Notes
    -----
    The arrays are ``NAME/kernel``, or ``NAME/codes`` and ``NAME/table`` with kernel = table[codes],
    then ``NAME/bias``, and ``pooling``: ``"max"`` or ``"average"``.
    """
    arrays: dict[str, Any] = {}
    for layer in vgg.layers:
        if not layer.weights:
            continue
        kernel, bias = layer.get_weights()
        if codes:
            numbers, table = codebook(kernel)
            arrays |= {f"{layer.name}/codes": numbers, f"{layer.name}/table": table}
            arrays[f"{layer.name}/bias"] = bias
        else:
            arrays[f"{layer.name}/kernel"] = kernel.astype(np.float16)
            arrays[f"{layer.name}/bias"] = bias.astype(np.float16)
    with atomic_write(Path(path)) as file:
        np.savez_compressed(file, **arrays, pooling=np.array(pooling_of(vgg)))


def pooling_of(vgg: keras.Model) -> str:
    """Tell how a network of :func:`build_vgg19` halves its maps: by "max" or "average"."""
    return "average" if isinstance(vgg.get_layer("block1_pool"), _POOLING["average"]) else "max"


def load_vgg19(path: str | Path) -> keras.Model:
    """Build the network whose layers a file holds.

    Parameters
    ----------
    path : str or pathlib.Path
        What :func:`save_vgg19` wrote (.npz), or Keras's VGG19 without its classifier (.h5).

    Returns
    -------
    keras.Model
        As :func:`build_vgg19` builds it.

    Raises
    ------
    WeightsError
        If there is no such file, or it does not hold VGG19's layers.
    """
    accepted = "a file of Keras (.h5, without the classifier) or of 'nst assets pack' (.npz)"
    if isinstance(path, str | Path) and not is_there(path):
        raise WeightsError(f"{path}: no such file; give {accepted}")
    with reading(path, WeightsError, f"does not hold VGG19's layers; give {accepted}"):
        if str(path).endswith(".h5"):
            vgg = build_vgg19()
            vgg.load_weights(path)
            return vgg
        with np.load(path, allow_pickle=False) as arrays:
            layers = {name: _layer_of(arrays, name) for name in CHANNELS}
            channels = [bias.size for _, bias in layers.values()]
            full = channels == [*CHANNELS.values()]
            pooling = (
                str(arrays["pooling"]) if "pooling" in arrays else "max" if full else "average"
            )
        vgg = build_vgg19(channels, pooling)
        for name, weights in layers.items():
            vgg.get_layer(name).set_weights(weights)
    return vgg


def codebook(
    values: NDArray[Any], size: int = 256
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Replace numbers by the nearest of a few, chosen by k-means (Lloyd's algorithm).

    Parameters
    ----------
    values : ndarray of float
        Of any shape.
    size : int, default 256
        How many values to choose, 256 at most.

    Returns
    -------
    codes : ndarray of uint8, shape of `values`
        Which entry of the table stands for each number.
    table : ndarray of float32, shape (size,)
        In rising order.

    Examples
    --------
    >>> codes, table = codebook(np.array([0.0, 0.1, 5.0, 5.2]), size=2)
    >>> codes, table.round(2)
    (array([0, 0, 1, 1], dtype=uint8), array([0.05, 5.1 ], dtype=float32))
    """
    few = np.unique(np.asarray(values, np.float32))
    if few.size <= size:  # nothing needs to be lost
        table = np.pad(few, (0, size - few.size), mode="edge")
        return np.searchsorted(few, np.asarray(values, np.float32)).astype(np.uint8), table
    ordered = np.sort(np.asarray(values, np.float64), axis=None)
    sums = np.concatenate([[0.0], np.cumsum(ordered)])
    # The best density of entries is the cube root of the numbers' own (Panter and Dite 1951).
    # Lloyd's steps, which move each entry to the mean of what it stands for, only refine that.
    counts, edges = np.histogram(ordered, bins=4096)
    spread = np.concatenate([[0.0], np.cumsum(np.cbrt(counts))])
    table = np.interp((np.arange(size) + 0.5) / size * spread[-1], spread, edges)
    for _ in range(60):
        borders = np.searchsorted(ordered, (table[1:] + table[:-1]) / 2)
        ends = np.concatenate([[0], borders, [ordered.size]])
        counts = np.diff(ends)
        means = (sums[ends[1:]] - sums[ends[:-1]]) / np.maximum(counts, 1)
        table = np.where(counts > 0, means, table)
    table = table.astype(np.float32)
    codes = np.searchsorted((table[1:] + table[:-1]) / 2, np.asarray(values, np.float32))
    return codes.astype(np.uint8), table


def stride(layer: str) -> int:
    """How many pixels apart two neighbouring features of `layer` look.

    Examples
    --------
    >>> stride("block1_conv1"), stride("block5_conv1"), stride("block5_pool")
    (1, 16, 32)
    """
    block, part = int(layer[5]), layer[7:]
    return int(2 ** (block - (part != "pool")))


def reach(layer: str) -> int:
    """How many pixels beyond its own square of :func:`stride` pixels a feature of `layer` sees.

    Examples
    --------
    >>> reach("block1_conv1"), reach("block1_pool"), reach("block2_conv1"), reach("block5_conv1")
    (1, 2, 4, 70)
    """
    block, part = int(layer[5]), layer[7:]
    # Each convolution before it sees one of its own positions further; pooling sees no further.
    here = DEPTHS[block - 1] if part == "pool" else int(part.removeprefix("conv"))
    return sum(depth * 2**above for above, depth in enumerate((*DEPTHS[: block - 1], here)))


def keras_file() -> Path:
    """Return where Keras keeps the ImageNet weights that it downloaded."""
    return Path(os.environ.get("KERAS_HOME") or Path.home() / ".keras") / "models" / IMAGENET_FILE


def imagenet_file() -> Path | None:
    """Return the file on this machine that holds ImageNet's weights, Keras's rather than a copy."""
    files = keras_file(), cache_dir("model") / COMPACT_FILE
    return next((file for file in files if file.is_file()), None)


def vgg19_with(weights: str) -> keras.Model:
    """Return VGG19 with the weights of a name or of a file, see :func:`check_weights`.

    The network is kept, and given again until the file changes.
    """
    return cached_vgg19(weights, stamp_of(weights))


def stamp_of(weights: str) -> tuple[int, int] | None:
    """Return what changes when a file of weights does: when it was written, and its size."""
    if weights in WEIGHTS or not Path(weights).is_file():
        return None
    found = Path(weights).stat()
    return found.st_mtime_ns, found.st_size


@functools.lru_cache(maxsize=2)
def cached_vgg19(weights: str, _: tuple[int, int] | None) -> keras.Model:
    """Make the network that :func:`vgg19_with` returns, or give it again."""
    if weights == "mini":
        return load_vgg19(embedded_model("vgg19_mini.npz"))
    if weights == "imagenet":
        return _imagenet()
    if weights != "random":
        return load_vgg19(weights)
    vgg = build_vgg19()
    for layer in vgg.layers:
        if not layer.weights:
            continue
        # A seed for each layer, so that a layer's values do not depend on those before it.
        random = np.random.default_rng(zlib.crc32(layer.name.encode()))
        kernel, bias = layer.get_weights()
        fan_in = np.prod(kernel.shape[:3])
        he_normal = random.standard_normal(kernel.shape, np.float32) * np.sqrt(2.0 / fan_in)
        layer.set_weights([he_normal, np.zeros_like(bias)])
    return vgg


@contextlib.contextmanager
def _channels_last() -> Iterator[None]:
    """Let ``keras.applications``, which has no argument for it, build with the channels last."""
    chosen = keras.config.image_data_format()
    keras.config.set_image_data_format("channels_last")
    try:
        yield
    finally:
        keras.config.set_image_data_format(chosen)


def _imagenet() -> keras.Model:
    """Load Keras's file if it is here, else the compact copy, else let Keras download its file."""
    file = imagenet_file()
    if file is not None:
        return load_vgg19(file)
    try:
        with _channels_last():
            return keras.applications.VGG19(include_top=False, weights="imagenet")
    except Exception as error:  # Keras raises a bare Exception when a download fails
        absent = (
            f"the ImageNet weights are not at {keras_file()} and could not be downloaded: put the "
            f"file {IMAGENET_FILE} there, or its compact copy at "
            f"{cache_dir('model') / COMPACT_FILE}, or use"
        )
        raise WeightsError(
            f"{absent} weights='mini' or weights='random', which need none",
            command=f"{absent} --weights mini or --weights random, which need none",
        ) from error


def _layer_of(arrays: Mapping[str, NDArray[Any]], name: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """Kernel and bias of a layer."""
    if f"{name}/codes" in arrays:
        kernel = arrays[f"{name}/table"][arrays[f"{name}/codes"]]
    else:
        kernel = arrays[f"{name}/kernel"]
    return kernel.astype(np.float32), arrays[f"{name}/bias"].astype(np.float32)
