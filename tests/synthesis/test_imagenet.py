"""Textures and transfers through ImageNet's VGG19, where its file is; nothing is downloaded."""

from __future__ import annotations

import numpy as np
import pytest

from nstlib.features import CONTENT_LAYERS, STYLE_LAYERS, feature_extractor
from nstlib.images.arrays import Image
from nstlib.losses import channel_statistics, content_loss, style_loss
from nstlib.sources import load_image
from nstlib.synthesis.texture import synthesize_texture
from nstlib.synthesis.transfer import transfer_style
from nstlib.vgg19 import imagenet_file

pytestmark = pytest.mark.skipif(
    imagenet_file() is None,
    reason="ImageNet's weights are neither in Keras's folder nor in the cache of models",
)


def losses(image: Image, style: Image, content: Image | None = None) -> tuple[float, float]:
    """VGG19's relative style loss, and its content loss, over plain borders."""
    extractor = feature_extractor((*STYLE_LAYERS, *CONTENT_LAYERS), "imagenet")
    found, wanted = (extractor(picture[np.newaxis]) for picture in (image, style))
    of_style = style_loss(
        {layer: found[layer][0] for layer in STYLE_LAYERS},
        {layer: channel_statistics(wanted[layer][0]) for layer in STYLE_LAYERS},
    )
    if content is None:
        return float(of_style), 0.0
    targets = extractor(content[np.newaxis])
    return float(of_style), float(
        content_loss(found, {layer: targets[layer] for layer in CONTENT_LAYERS})
    )


def test_a_texture_comes_nearer_than_its_pixels_in_disorder() -> None:
    source = load_image("immunohistochemistry", size=64)
    disorder = np.random.default_rng(0).permutation(source.reshape(-1, 3)).reshape(source.shape)
    made = synthesize_texture(
        source, weights="imagenet", scales=1, iterations=12, progress=False
    ).image
    assert losses(source, source)[0] == pytest.approx(0, abs=1e-6)
    # In VGG19's place, random weights leave two thirds of it. VGG19 leaves less than one.
    assert losses(made, source)[0] < 0.5 * losses(disorder, source)[0]


def test_a_transfer_gains_style_and_keeps_content() -> None:
    photograph, style = load_image("chelsea", size=96), load_image("brushwork", size=96)
    made = transfer_style(
        photograph, style, weights="imagenet", iterations=10, progress=False
    ).image
    before, after = losses(photograph, style, photograph), losses(made, style, photograph)
    upside_down = losses(np.ascontiguousarray(photograph[::-1]), style, photograph)
    assert after[0] < 0.65 * before[0]
    assert after[1] < 0.7 * upside_down[1]
