"""Keras models become ONNX files, once the runtimes agree on them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from nstlib._tensorflow import keras
from nstlib.onnx.graphs import Size, metadata_with
from nstlib.onnx.translation import to_onnx
from nstlib.onnx.verification import TOLERANCE, Verification, check_place, check_sizes, write_proven


def export(
    model: keras.Model,
    path: str | Path,
    *,
    metadata: Mapping[str, str] | None = None,
    half: bool = True,
    input_name: str = "image",
    output_name: str = "stylized",
    sizes: Sequence[Size] | None = None,
    value_range: tuple[float, float] | None = None,
    tolerance: float = TOLERANCE,
) -> Verification:
    """Write a Keras model as an ONNX file, once every runtime has been seen to compute the same.

    The graph is built here with ONNX's own helper, one node for each layer and one for the
    activation inside a layer, as one would draw it: 64 nodes for :func:`nstlib.TransformerNet`, as
    many as PyTorch's exporter makes of its own network, channels first, for any batch and size.
    Keras's ``Model.export(format="onnx")`` is a single call, but goes through tf2onnx, which sees
    TensorFlow's operations instead of layers: 301 nodes for the same network, thirteen for each
    instance normalization, channels last. Finding the layers in those again would take more code
    than the table in :mod:`nstlib.onnx.translation`.

    Parameters
    ----------
    model : keras.Model
        One input and one output, (B, H, W, C), made of layers that the table knows.
    path : str or pathlib.Path
        Where to write: a name that ends in ``.onnx``. What is there is replaced.
    metadata : mapping of str to str, optional
        What to write into the file beside the network: its style, licence, training data. The
        library's version is added as ``library``, and the order of the axes as ``layout``.
    half : bool, default True
        Store the kernels of convolutions as float16, each followed by a node that casts it back to
        float32. The file is half as large; runtimes cast once, when they load it, and are as fast.
    input_name, output_name : str
        Names in the file.
    value_range : (float, float), optional
        What black and white are to the network. It is written into the file, where
        :class:`nstlib.Stylizer` and :class:`nstlib.PersonSegmenter` look for it. By default
        nothing is written, and runtimes are compared on 0..255.
    sizes, tolerance
        As in :func:`verify`.

    Returns
    -------
    Verification
        The proof.

    Raises
    ------
    ArgumentError
        If an argument is of another kind than those above.
    ModelError
        If the model is no graph of layers, if a layer, or a setting of one, has no translation, if
        a weight is not a finite number (or too large for float16), or if a runtime computes
        something else than Keras. Nothing is written then.
    OutputError
        If `path` ends otherwise, or the file cannot be written.
    """
    path, sizes = check_place(path), check_sizes(sizes)
    told = {"layout": "NCHW", **metadata_with(metadata, value_range)}
    proto = to_onnx(model, metadata=told, half=half, input_name=input_name, output_name=output_name)
    return write_proven(path, proto, model, sizes, value_range or (0.0, 255.0), tolerance)
