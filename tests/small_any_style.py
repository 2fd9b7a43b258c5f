"""Small networks for any style, with random weights, in Keras and as files, for the tests."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from nstlib._tensorflow import keras
from nstlib.inference.any_style import ENCODER, PAINTER
from nstlib.networks.any_style import (
    LAYERS,
    AnyStyleNet,
    frozen_features,
    style_encoder,
    style_predictor,
)
from nstlib.onnx.translation import to_onnx
from nstlib.training.any_style.teach import Teacher
from nstlib.vgg19 import build_vgg19


@dataclass(frozen=True)
class AnyStyle:
    """Encoder and painter in Keras, and the folder with their files in full precision."""

    encoder: keras.Model
    painter: keras.Model
    folder: Path

    def painted(
        self, photo: NDArray[np.float32], vector: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """What Keras makes of a photograph and a vector."""
        output = self.painter([photo[np.newaxis], vector.reshape(1, 1, 1, -1)])
        return np.clip(np.asarray(output[0], np.float32), 0.0, 1.0)


def make_networks(folder: Path) -> AnyStyle:
    """Build both, and write their files."""
    keras.utils.set_random_seed(0)
    vgg = build_vgg19(1 / 8, "average")
    widths = [vgg.get_layer(layer).filters for layer in LAYERS]
    encoder = style_encoder(frozen_features(vgg, LAYERS), style_predictor(widths, hidden=16))
    painter = AnyStyleNet((4, 6, 8, 12), (1, 1), (5, 3))
    told = {"value_range": "0,1"}
    for network, name, entry, end in (
        (encoder, ENCODER, "style", "vector"),
        (painter, PAINTER, "image", "stylized"),
    ):
        proto = to_onnx(network, half=False, input_name=entry, output_name=end, metadata=told)
        (folder / name).write_bytes(proto.SerializeToString())
    return AnyStyle(encoder, painter, folder)


def painted_by(
    teacher: Teacher, photo: NDArray[np.float32], style: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Return what a training's networks make of a photograph and a style picture."""
    photos, styles = (keras.ops.convert_to_tensor(x[np.newaxis]) for x in (photo, style))
    painted = teacher.network([photos, teacher.vectors(styles, teacher.features(styles))])
    return np.clip(keras.ops.convert_to_numpy(painted)[0], 0, 1)
