"""Calls that a newcomer gets wrong: one line says what was given, and what is accepted."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

import nstlib as nst
from nstlib import tf
from nstlib.networks import any_style, decoder
from nstlib.vgg19 import vgg19_with

IMAGE = np.random.default_rng(0).random((48, 40, 3), np.float32)
GREY = IMAGE[..., 0]
PIXELS = nst.to_uint8(IMAGE)
PILLOW = PIL.Image.fromarray(PIXELS)
#: Whose arguments have types, which these calls don't keep.
STYLES: Any = any_style
DECODERS: Any = decoder
RGBA = np.concatenate([IMAGE, GREY[..., None]], axis=2)


def mean(image: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(image)


def mean_at(_: tuple[int, int]) -> Callable[[tf.Tensor], tf.Tensor]:
    return mean


CALLS: dict[str, tuple[Callable[[Any], object], str]] = {
    # Paths and names
    "no file": (lambda n: n.load_image(None), "source is None; .* name or the path of an image"),
    "no name": (lambda n: n.load_image(""), "source is ''"),
    "an image to load": (lambda n: n.load_image(IMAGE), "source is an array of shape"),
    "Pillow's image to load": (lambda n: n.load_image(PILLOW), "source is <PIL.Image.Image"),
    "a list to load": (lambda n: n.load_image(["coffee"]), r"source is \['coffee'\]"),
    "a misspelt name": (lambda n: n.load_image("cofee"), "cofee: no such file.*coffee"),
    "an address": (lambda n: n.load_image("https://a.b/c.jpg"), "is an address; download"),
    "no place": (lambda n: n.save_image(IMAGE, None), "path is None; it must be the path"),
    "exchanged arguments": (lambda n: n.save_image("out.png", IMAGE), "path is an array"),
    "no film": (lambda n: n.convert_video(None, "a.mp4", np.copy), "source is None.*a film"),
    "no place for a film": (lambda n: n.convert_video("a.mp4", 3, np.copy), "output is 3"),
    "no painter": (lambda n: n.convert_video("a.mp4", "b.mp4", "mosaic"), "paint is 'mosaic'"),
    "no network": (lambda n: n.PersonSegmenter(None), "model is None.*ONNX"),
    "no place for a network": (lambda n: n.onnx.export(n.TransformerNet(), "a.h5"), "use .onnx"),
    "no network to read": (lambda n: n.onnx.from_onnx(None), "path is None.*an ONNX file"),
    "no checkpoint": (lambda n: n.onnx.from_pytorch(None), "path is None"),
    "no network to convert": (lambda n: n.onnx.from_tflite(3, "a.onnx"), "source is 3.*Lite"),
    "no network to renew": (lambda n: n.onnx.modernize(None, "a.onnx"), "source is None.*ONNX"),
    "no place for the new one": (lambda n: n.onnx.modernize("a", "a.txt"), "a.txt: .*use .onnx"),
    "nothing to verify": (lambda n: n.onnx.verify(None, None), "source is None.*as bytes"),
    "exchanged ends": (lambda n: n.onnx.verify("a.onnx", "a.onnx"), "model is 'a.onnx'"),
    "a path for a graph": (lambda n: n.onnx.picture_input("a.onnx"), "proto is 'a.onnx'"),
    "no network to write": (lambda n: n.onnx.export(None, "a.onnx"), "model is None.*keras.Model"),
    # Sizes
    "text for a number": (lambda n: n.load_image("coffee", "300"), "size is '300'.*whole pixels"),
    "half a pixel": (lambda n: n.resize(IMAGE, 30.5), "size is 30.5.*whole pixels"),
    "a list of sides": (lambda n: n.resize(IMAGE, [30, 20]), r"size is \[30, 20\].*a tuple"),
    "a negative size": (lambda n: n.resize(IMAGE, -30), "size is -30.*from 1 to"),
    "a truth for a size": (lambda n: n.resize(IMAGE, True), "size is True"),
    "no size": (lambda n: n.resize(IMAGE, None), "size is None"),
    # Images
    "no image": (lambda n: n.resize(None, 30), "image is None; it must be an array of numbers"),
    "a name for an image": (lambda n: n.resize("coffee", 30), "image is 'coffee'.*load_image"),
    "a path for an image": (lambda n: n.resize(Path("a.png"), 30), "a.png.*load_image"),
    "a number for an image": (lambda n: n.resize(3, 30), r"image is 3; .* \(H, W, 3\)"),
    "Pillow's image": (lambda n: n.resize(PILLOW, 30), "holds uint8 values.*from_uint8"),
    "a grey image": (lambda n: n.resize(GREY, 30), r"\(48, 40\).*stack a grey one"),
    "255 for white": (lambda n: n.resize(IMAGE * 255, 30), "divide 0..255 values by 255"),
    "channels first": (lambda n: n.resize(IMAGE.transpose(2, 0, 1), 30), r"transpose\(1, 2, 0\)"),
    "a batch": (lambda n: n.resize(IMAGE[None], 30), r"batch\[0\]"),
    "transparency": (lambda n: n.resize(RGBA, 30), r"image\[..., :3\]"),
    "nothing": (lambda n: n.resize([], 30), r"image has shape \(0,\)"),
    "a ragged list": (lambda n: n.resize([[1.0], [1.0, 2.0]], 30), "image cannot become an array"),
    "floats as pixels": (lambda n: n.from_uint8(IMAGE), "type float32; 8-bit RGB is uint8"),
    "a matte of 255s": (lambda n: n.composite(IMAGE, IMAGE, GREY * 255), "alpha ranges from"),
    # Losses and the loop
    "no features": (lambda n: n.gram_matrix(None), "features is None; it must be a tensor"),
    "whole numbers": (lambda n: n.gram_matrix(PIXELS), "holds uint8 values.*tf.cast"),
    "no positions": (lambda n: n.gram_matrix(IMAGE[:0]), r"features has shape \(0, 40, 3\)"),
    "a batch is missing": (lambda n: n.feature_extractor(["block1_conv1"])(IMAGE), "newaxis"),
    "nothing to look at": (
        lambda n: n.feature_extractor(["block1_conv1"])(None),
        "images are None",
    ),
    "bytes to look at": (
        lambda n: n.feature_extractor(["block1_conv1"])(PIXELS[None]),
        r"images hold uint8 values; .*float32 RGB in \[0, 1\]",
    ),
    "one layer, not in a list": (lambda n: n.feature_extractor("block1_conv1"), "give a list"),
    "no loss": (lambda n: n.minimize_image(None, IMAGE), "loss is None; it must be a function"),
    "no callback": (
        lambda n: n.minimize_image(mean, IMAGE, callback=3),
        "callback is 3; it must be a function that takes a Step, or None",
    ),
    "one size": (
        lambda n: n.coarse_to_fine(mean_at, IMAGE, 64, iterations=[1]),
        r"sizes is 64; it must be a list of \(height, width\)",
    ),
    # Figures
    "nothing to show": (lambda n: n.show_images(None, alt="a"), "images is None; .*a list of ima"),
    "one image to show": (lambda n: n.show_images(IMAGE, alt="a"), r"give a list: \[image\]"),
    "a list of nothing": (lambda n: n.show_images([None], alt="a"), r"images\[0\] is None"),
    "a list of names to show": (lambda n: n.show_images(["a"], alt="a"), r"images\[0\] is 'a'"),
    "half a column": (lambda n: n.show_images([IMAGE], alt="a", columns=0.5), "columns is 0.5"),
    "a number for titles": (lambda n: n.show_images([IMAGE], 3, alt="a"), "titles: 3 for 1 images"),
    "no curves": (lambda n: n.show_curves(None, alt="a"), "curves is None; it must be a dict"),
    "a curve of nothing": (lambda n: n.show_curves({"a": None}, alt="a"), r"curves\['a'\] is None"),
    "no groups": (lambda n: n.show_distributions([1], alt="a"), r"groups is \[1\]; .* a dict"),
    "ragged values": (
        lambda n: n.show_distributions({"a": [[1.0], [1.0, 2.0]]}, alt="a"),
        r"groups\['a'\] cannot become an array",
    ),
    "no feature maps": (lambda n: n.show_feature_maps(GREY, alt="a"), "features is an array of"),
    "maps of nothing": (lambda n: n.show_feature_maps({"a": None}, alt="a"), "'a'. is None; give"),
    "no matrices": (lambda n: n.show_grams(None, alt="a"), "grams is None; .* dict of matrices"),
    "no matrix": (lambda n: n.show_matrix(None, ["a"], alt="a"), "matrix is None; give real"),
    "nothing to animate": (lambda n: n.animate(None, alt="a"), "history is None; .*a list of im"),
    "no place for a figure": (
        lambda n: n.show_images([IMAGE], alt="a").save(None),
        "path is None; it must be the path of a file",
    ),
    "no place for an animation": (lambda n: n.animate([IMAGE], 3, alt="a"), "path is 3"),
    "an animation to nowhere": (lambda n: n.animate([IMAGE], alt="a").save(None), "path is None"),
    # Recipes and networks
    "no style": (lambda n: n.transfer_style(IMAGE, None), "style is None"),
    "a name for a style": (lambda n: n.transfer_style(IMAGE, "mosaic"), "'mosaic'.*load_image"),
    "Pillow's image for a style": (lambda n: n.transfer_style(IMAGE, PILLOW), "style holds uint8"),
    "styles of none": (lambda n: n.transfer_style(IMAGE, []), "style is empty"),
    "a list of names": (lambda n: n.Stylizer(["a.jpg", "b.jpg"]), "several by their shares"),
    "no names to mix": (lambda n: n.mix_styles({None: 1}), "key of shares is None"),
    "a tensor that is too small": (
        lambda n: n.transfer_style(IMAGE, IMAGE, tv_weight=tf.constant(-1.0)),
        "tv_weight is -1.0; it must be a number, 0 or more",
    ),
    "a tensor for a count": (
        lambda n: n.transfer_style(IMAGE, IMAGE, iterations=tf.constant(0)),
        "iterations is 0; it must be a whole number",
    ),
    "an array for a count": (
        lambda n: n.transfer_style(IMAGE, IMAGE, iterations=np.array(2.5)),
        "iterations is 2.5; it must be a whole number",
    ),
    "no style to load": (lambda n: n.Stylizer(None), "style is None"),
    "no channels": (lambda n: n.TransformerNet(3), "channels is 3"),
    "names for channels": (lambda n: n.TransformerNet(("a", "b")), r"channels is \('a', 'b'\)"),
    "halves of channels": (lambda n: n.TransformerNet((1.5, 2)), "two or three whole numbers"),
    "three groups of blocks": (
        lambda _: STYLES.AnyStyleNet(blocks=(1, 2, 3)),
        r"blocks is \(1, 2, 3\); it must be two whole numbers, 0 or more each",
    ),
    "one side of two": (
        lambda _: STYLES.AnyStyleNet(kernels=3),
        "kernels is 3; .* two odd numbers",
    ),
    "no channels for any style": (
        lambda _: STYLES.AnyStyleNet(None),
        "channels is None; .* four whole",
    ),
    "numbers that Keras lacks": (
        lambda _: STYLES.AnyStyleNet(dtype="half"),
        "dtype is 'half'; it must be one of float32, mixed_bfloat16, mixed_float16",
    ),
    "a decoder of such numbers": (
        lambda _: DECODERS.FeatureDecoder(dtype="half"),
        "dtype is 'half'",
    ),
    "one width": (lambda _: STYLES.style_predictor(16), "widths is 16; it must be 5 whole numbers"),
    "a layer that VGG19 lacks": (
        lambda _: STYLES.frozen_features(vgg19_with("random"), ["block9_conv1"]),
        "layer is 'block9_conv1'; it must be one of block1_conv1, block1_conv2",
    ),
    "no decoder": (
        lambda _: DECODERS.save_decoder(None, "block3_conv1", "a.npz"),
        "network is None",
    ),
    "a decoder's wrong suffix": (
        lambda _: DECODERS.save_decoder(DECODERS.FeatureDecoder(), "block4_conv1", "a.txt"),
        "cannot write '.txt'; use .npz",
    ),
    "no decoder to load": (lambda _: DECODERS.load_decoder(None), "path is None"),
    "no films": (lambda n: n.flicker(None, None), "source is None"),
    "films of one frame": (lambda n: n.flicker([IMAGE], [IMAGE]), "fewer than two frames"),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_wrong_call_is_answered_in_pythons_words(
    call: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    wrong, words = CALLS[call]
    with pytest.raises(nst.NstError) as caught:
        wrong(nst)
    message = str(caught.value)
    assert re.search(words, message), message
    assert "\n" not in message
    assert "--" not in message
    assert not list(tmp_path.iterdir())


def test_a_tensor_is_one_style() -> None:
    style = tf.constant(IMAGE)
    options: dict[str, Any] = {"iterations": 1, "progress": False}
    one = nst.transfer_style(IMAGE, style, **options)
    other = nst.transfer_style(IMAGE, IMAGE, **options)
    np.testing.assert_array_equal(one.image, other.image)
