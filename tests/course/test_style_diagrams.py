"""The diagrams of lesson 09 show the network as it is."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import pytest
from svg_checks import assert_fit_for_a_notebook

from nstlib.course.figures.style_networks import style_network, style_training
from nstlib.course.figures.svg import Diagram


def words_of(drawing: Diagram) -> list[str]:
    return [
        node.text or "" for node in ET.fromstring(drawing.svg).iter() if node.tag[-4:] == "text"
    ]


@pytest.mark.parametrize("drawing", [style_network(), style_training()], ids=["net", "training"])
def test_a_notebook_gets_valid_svg_with_its_alternative_text(drawing: Diagram) -> None:
    assert_fit_for_a_notebook(drawing)


@pytest.mark.parametrize("variant", ["lite", "wide"])
def test_the_drawing_has_the_networks_shapes(variant: str) -> None:
    tf = pytest.importorskip("tensorflow")
    from nstlib.networks.transformer import VARIANTS, TransformerNet

    network = TransformerNet(**VARIANTS[variant])
    layers = [x for x in network.layers if isinstance(x, tf.keras.layers.Conv2D)]
    maps = tf.keras.Model(network.input, [x.output for x in layers])(tf.keras.Input((256, 256, 3)))
    blocks = [i for i, layer in enumerate(layers) if layer.name.startswith("res")]
    outside = [i for i in range(len(layers)) if i not in blocks[:-1]]  # the blocks count once
    shapes = [" × ".join(map(str, maps[i].shape[1:])) for i in outside]
    options = VARIANTS[variant]
    words = words_of(style_network(options["channels"], len(blocks) // 2, options["kernel"]))
    drawn = [word for word in words if re.fullmatch(r"\d+ × \d+ × \d+", word)]
    assert drawn == ["256 × 256 × 3", *shapes, "256 × 256 × 3"]
    kernels = [f"conv {layers[i].kernel.shape[0]} × {layers[i].kernel.shape[0]}" for i in outside]
    assert [w for w in words if w.startswith("conv")][: len(outside) - 1] == [
        kernel for i, kernel in zip(outside, kernels, strict=True) if i not in blocks
    ]
    assert words.count("/2") == words.count("× 2") == 2
    assert f"{len(blocks) // 2} residual blocks" in words


def test_the_training_names_every_term_and_what_is_frozen() -> None:
    words = words_of(style_training())
    assert {"content", "style", "range", "lattice", "frozen", "its weights θ learn"} <= set(words)
