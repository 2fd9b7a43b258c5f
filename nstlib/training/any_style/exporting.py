"""From a training to the two files that paint in any style."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx

from nstlib._files import atomic_write
from nstlib._tensorflow import keras
from nstlib.errors import ModelError
from nstlib.inference.any_style import (
    ENCODER,
    NETWORK_VECTOR,
    PAINTER,
    SIZES,
    VECTOR,
    painter_for,
)
from nstlib.networks.any_style import AnyStyleNet
from nstlib.onnx.translation import to_onnx
from nstlib.onnx.verification import Verification, verify
from nstlib.sources import load_image
from nstlib.training.any_style.teach import Teacher, averaged

#: The largest differences from Keras that are allowed, as shares: of white, and of the largest
#: number in a vector. Kernels in half precision make most of them.
TOLERANCE = 0.02


def export_any_style(
    teacher: Teacher, folder: str | Path, metadata: Mapping[str, str] | None = None
) -> tuple[Verification, Verification]:
    """Write the running means of a training's weights; see :func:`write_files`.

    Parameters
    ----------
    teacher : Teacher
        What :func:`nstlib.training.any_style.teach.train` returns. It is changed: its weights
        become the means.
    folder : str or pathlib.Path
        Where ``any_style_encoder.onnx`` and ``any_style_painter.onnx`` are written. It exists.
    metadata : mapping of str to str, optional
        What both files say of themselves.

    Returns
    -------
    tuple of Verification
        The proofs, of the encoder and of the painter.

    Raises
    ------
    ModelError
        If a runtime computes something else. Nothing is written then.
    OutputError
        If a file cannot be written. What stood there before stays then, both files of it.
    """
    for variable, mean in zip(teacher.trainable_variables, averaged(teacher), strict=True):
        variable.assign(mean)
    return write_files(teacher, folder, metadata)


def write_files(
    teacher: Teacher, folder: str | Path, metadata: Mapping[str, str] | None = None
) -> tuple[Verification, Verification]:
    """Write the encoder and the painter, once every runtime is seen to compute what Keras does.

    Their kernels are in half precision.

    Parameters
    ----------
    teacher : Teacher
        Has the networks, with their weights.
    folder, metadata
        See :func:`export_any_style`.

    Returns
    -------
    tuple of Verification
        The proofs, of the encoder and of the painter.

    Raises
    ------
    ModelError, OutputError
        As :func:`export_any_style`.
    """
    # The files compute in float32, whatever the training did.
    settings = teacher.settings
    network = AnyStyleNet(settings.channels, settings.blocks, settings.kernels)
    network.set_weights(teacher.network.get_weights())
    told = {"layout": "NCHW", "value_range": "0,1", **(metadata or {})}
    encoder = teacher.encoder()
    files = {
        ENCODER: to_onnx(encoder, metadata=told, input_name="style", output_name="vector"),
        PAINTER: to_onnx(network, metadata=told),
    }
    vector = np.asarray(encoder(load_image("coffee", SIZES[0])[np.newaxis]))
    largest = float(np.abs(vector).max())
    photo = keras.Input((None, None, 3))
    painter = keras.Model(photo, network([photo, keras.ops.convert_to_tensor(vector)]))
    # The painter does not ask for the rest.
    style = np.append(vector, np.zeros(VECTOR - NETWORK_VECTOR))
    proofs = (
        _proven(files[ENCODER], encoder, TOLERANCE * largest, ENCODER),
        _proven(painter_for(style, files[PAINTER]), painter, TOLERANCE, PAINTER),
    )
    with contextlib.ExitStack() as both:  # a new encoder beside an old painter serves nobody
        for name, proto in files.items():
            file = both.enter_context(atomic_write(Path(folder) / name))
            file.write(proto.SerializeToString(deterministic=True))
            file.flush()
    return proofs


def _proven(
    proto: onnx.ModelProto, model: keras.Model, tolerance: float, name: str
) -> Verification:
    proof = verify(
        model, proto.SerializeToString(), SIZES, value_range=(0.0, 1.0), tolerance=tolerance
    )
    if not proof.ok:
        raise ModelError(f"{name} is not written: the runtimes differ from Keras\n{proof}")
    return proof
