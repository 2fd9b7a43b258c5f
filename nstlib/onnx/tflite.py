"""TensorFlow Lite files become ONNX files."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
from onnx import helper, numpy_helper

from nstlib._checks import check_number, check_path
from nstlib._files import reason
from nstlib._tensorflow import quiet, tf
from nstlib.errors import DependencyError, ModelError
from nstlib.images.arrays import Blob
from nstlib.onnx.graphs import OPSET, check_graph, make_model, metadata_with, replace_nodes
from nstlib.onnx.reading import picture_input
from nstlib.onnx.sessions import start_session
from nstlib.onnx.verification import (
    TOLERANCE,
    Verification,
    check_place,
    largest_difference,
    photo_blob,
    write_proven,
)


def from_tflite(
    source: str | Path,
    path: str | Path,
    *,
    metadata: Mapping[str, str] | None = None,
    value_range: tuple[float, float] | None = None,
    tolerance: float = TOLERANCE,
) -> Verification:
    """Write a TensorFlow Lite file, for instance MediaPipe's selfie segmentation, as an ONNX file.

    tf2onnx translates it, and puts the channels first. It knows all operators but one that
    MediaPipe added to TensorFlow Lite, a transposed convolution with a bias; ONNX's own takes its
    place here.

    Parameters
    ----------
    source : str or pathlib.Path
        A file with one input and one output, (1, H, W, C), of float32.
    path : str or pathlib.Path
        Where to write: a name that ends in ``.onnx``. What is there is replaced.
    metadata : mapping of str to str, optional
        What to write into the file beside the network.
    value_range : (float, float), optional
        What black and white are to the network. It is written into the file. By default nothing is
        written, and runtimes are compared on 0..1.
    tolerance : float, default 0.01
        The largest difference that is allowed: between the runtimes, and from what TensorFlow Lite
        (or OpenCV, where MediaPipe's operator is) computes from the file as it is.

    Returns
    -------
    Verification
        The proof.

    Raises
    ------
    ArgumentError
        If an argument is of another kind than those above.
    DependencyError
        If tf2onnx is not installed.
    ModelError
        If the file is absent, is not one of TensorFlow Lite or holds what has no translation, or if
        two runtimes compute different values. Nothing is written then.
    OutputError
        If `path` ends otherwise, or the file cannot be written.
    """
    name = str(check_path("source", source, "the path of a TensorFlow Lite file"))
    path, told = check_place(path), metadata_with(metadata, value_range)
    tolerance = check_number("tolerance", tolerance, least=0)
    try:
        import tf2onnx
    except ImportError as error:
        raise DependencyError.of("tf2onnx", "converting files of TensorFlow Lite") from error
    log = logging.getLogger("tf2onnx")
    level = log.level
    log.setLevel(logging.CRITICAL)  # what it complains of is translated below
    try:
        with warnings.catch_warnings(), quiet():
            warnings.simplefilter("ignore")  # of a reader that TensorFlow will move elsewhere
            reader = tf.lite.Interpreter(name)
            inputs, outputs = (
                [entry["name"] for entry in details]
                for details in (reader.get_input_details(), reader.get_output_details())
            )
            proto, _ = tf2onnx.convert.from_tflite(
                name, opset=OPSET, inputs_as_nchw=inputs, outputs_as_nchw=outputs
            )
        replace_transpose_bias(proto.graph)
        proto = make_model(proto.graph, told)
        check_graph(proto)
        entry = picture_input(proto)
        ends = value_range or (0.0, 1.0)
        picture = photo_blob(entry.sides, entry.channels, ends)
        expected = _computed_by_tflite(name, reader, picture)
        run = start_session(proto.SerializeToString()).run
        apart = largest_difference(run(None, {entry.name: entry.prepared(picture)})[0], expected)
    except ModelError:
        raise
    except Exception as error:  # all three packages raise whatever they stumble over
        raise ModelError(f"{name} cannot be converted: {reason(error)}") from error
    finally:
        log.setLevel(level)
    if not apart <= tolerance:
        raise ModelError(f"{path} is not written: it is {apart:g} off from what {name} computes")
    return write_proven(path, proto, None, None, ends, tolerance)


def _computed_by_tflite(name: str, reader: Any, picture: Blob) -> Blob:
    """Compute a file as it is: by TensorFlow Lite, or with MediaPipe's operator by OpenCV."""
    try:
        reader.allocate_tensors()
    except RuntimeError:
        net = cv2.dnn.readNetFromTFLite(name)
        net.setInput(picture)
        return np.asarray(net.forward(), np.float32)
    reader.set_tensor(reader.get_input_details()[0]["index"], picture.transpose(0, 2, 3, 1))
    reader.invoke()
    output: Blob = reader.get_tensor(reader.get_output_details()[0]["index"])
    return output.transpose(0, 3, 1, 2)


def replace_transpose_bias(graph: onnx.GraphProto) -> None:
    """Put ONNX's transposed convolution in the place of MediaPipe's, whose channels come last."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    nodes: list[onnx.NodeProto] = []
    for node in graph.node:
        if node.op_type != "TFL_Convolution2DTransposeBias":
            nodes.append(node)
            continue
        x, kernel, bias = node.input
        output = node.output[0]
        weights = numpy_helper.to_array(constants[kernel]).transpose(3, 0, 1, 2)
        constants[kernel].CopyFrom(numpy_helper.from_array(np.ascontiguousarray(weights), kernel))
        # tf2onnx loses the stride. In MediaPipe's networks it is the kernel's side: each position
        # becomes a block of its own. OpenCV knows the stride, and its result is compared later.
        first, last = f"{output}.first", f"{output}.last"
        nodes += [
            helper.make_node("Transpose", [x], [first], perm=[0, 3, 1, 2]),
            helper.make_node(
                "ConvTranspose", [first, kernel, bias], [last], strides=weights.shape[2:]
            ),
            helper.make_node("Transpose", [last], [output], perm=[0, 2, 3, 1]),
        ]
    replace_nodes(graph, nodes)
