"""The diagrams of lesson 13 show the networks as they are."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest
from svg_checks import assert_fit_for_a_notebook

from nstlib.course.figures.any_style import adain_road, predictor_road
from nstlib.course.figures.svg import Diagram


def words_of(drawing: Diagram) -> set[str]:
    nodes = ET.fromstring(drawing.svg).iter()
    return {node.text or "" for node in nodes if node.tag[-4:] == "text"}


@pytest.mark.parametrize("drawing", [adain_road(), predictor_road()], ids=["adain", "predictor"])
def test_a_notebook_gets_valid_svg_with_its_alternative_text(drawing: Diagram) -> None:
    assert_fit_for_a_notebook(drawing)


def test_the_numbers_are_those_of_the_networks() -> None:
    pytest.importorskip("tensorflow")
    from nstlib.networks.any_style import LAYERS, VECTOR
    from nstlib.networks.decoder import FeatureDecoder
    from nstlib.vgg19 import vgg19_with

    twin = vgg19_with("mini")
    channels = FeatureDecoder().input_shape[-1]
    assert twin.get_layer("block4_conv1").filters == channels
    assert {f"{channels} means", f"{channels} deviations"} <= words_of(adain_road())
    measured = 2 * sum(twin.get_layer(layer).filters for layer in LAYERS)
    assert len(LAYERS) == 5
    assert {f"{measured} numbers", f"{VECTOR} numbers"} <= words_of(predictor_road())
