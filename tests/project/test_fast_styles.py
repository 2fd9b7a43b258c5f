"""The judge of benchmarks/fast_styles.py, and the networks of others that it lets paint."""

from __future__ import annotations

import sys
from pathlib import Path

import fast_styles
import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

import nstlib as nst
from nstlib.assets.cache import asset_path
from nstlib.images.arrays import Image
from nstlib.images.resizing import resize
from nstlib.inference.stylizer import STYLE_NETWORKS


@pytest.fixture(scope="module")
def judge() -> fast_styles.Judge:
    return fast_styles.Judge("mini")


def test_the_distance_by_hand() -> None:
    style = {
        "a": (np.array([3.0, 4.0]), np.array([[2.0, 0.0], [0.0, 1.0]])),
        "b": (np.array([2.0]), np.array([[0.5]])),
    }
    look = {
        "a": (np.array([3.0, 3.0]), np.array([[1.0, 1.0], [1.0, 1.0]])),
        "b": (np.array([4.0]), np.array([[1.0]])),
    }
    of_a = (1 / 25 + (1 + 1 + 1 + 0) / 5) / 2
    of_b = (4 / 4 + 0.25 / 0.25) / 2
    assert fast_styles.style_distance(look, style) == pytest.approx(of_a + of_b)
    assert fast_styles.style_distance(style, style) == 0
    farther = {**style, "b": (np.array([0.5]), np.array([[0.5]]))}
    expected = fast_styles.style_distance(look, style)
    assert fast_styles.nearest(look, [farther, style]) == expected


def test_a_look_is_the_moments_of_the_features(judge: fast_styles.Judge) -> None:
    picture = nst.draw("candy", 48)
    seen = judge.see(picture)
    assert list(seen.look) == [f"block{block}_conv1" for block in range(1, 6)]
    for layer, (mean, covariance) in seen.look.items():
        features = judge.extractor(picture[np.newaxis])[layer].numpy()[0]
        flat = features.reshape(-1, features.shape[-1]).astype(np.float64)
        np.testing.assert_allclose(mean, flat.mean(axis=0), rtol=1e-4, atol=1e-5)
        expected = np.cov(flat.T, bias=True)
        np.testing.assert_allclose(covariance, expected, rtol=1e-3, atol=1e-3 * expected.max())


def test_the_nearest_scale_counts_and_a_style_is_not_enlarged(
    judge: fast_styles.Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast_styles, "SCALES", (40, 64, 96))
    style = nst.draw("mosaic", 64)
    scales = judge.scales(style)
    assert len(scales) == 2
    for size in (40, 64):
        look = judge.see(resize(style, size)).look
        assert fast_styles.nearest(look, scales) == pytest.approx(0, abs=1e-9)
    other = judge.see(nst.load_image("coffee", 64)).look
    assert fast_styles.nearest(other, scales) > 1


def save(
    path: Path,
    nodes: list[onnx.NodeProto],
    inputs: dict[str, list[int | str]],
    output: str,
    constants: dict[str, NDArray[np.float32] | NDArray[np.int64]],
) -> Path:
    graph = helper.make_graph(
        nodes,
        "network",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, s) for n, s in inputs.items()],
        [helper.make_tensor_value_info(output, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(value, name) for name, value in constants.items()],
    )
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), path)
    return path


def photo() -> Image:
    return resize(nst.load_image("coffee"), (45, 62))


def test_the_style_of_26_that_is_nearest(tmp_path: Path) -> None:
    """A network that adds to the photograph a colour of its own for each style."""
    colours = np.random.default_rng(0).uniform(-0.5, 0.5, (26, 3)).astype(np.float32)
    nodes = [
        helper.make_node("MatMul", ["style_weights", "colours"], ["colour"]),
        helper.make_node("Reshape", ["colour", "shape"], ["everywhere"]),
        helper.make_node("Add", ["image", "everywhere"], ["stylized"]),
    ]
    file = save(
        tmp_path / "many.onnx",
        nodes,
        {"image": [1, 3, "h", "w"], "style_weights": [26]},
        "stylized",
        {"colours": colours, "shape": np.array([1, 3, 1, 1])},
    )
    for number in (0, 17):
        expected = (photo() + colours[number]).clip(0, 1)
        paint = fast_styles.multistyle(file, expected, photo())
        painted = paint(photo())
        assert painted.shape == (45, 62, 3)
        np.testing.assert_allclose(painted, expected, atol=1e-6)


def test_magentas_pair_paints_at_its_size(tmp_path: Path) -> None:
    """A predictor that means the style's colour, and a painter that adds it."""
    nodes = [helper.make_node("ReduceMean", ["style_image"], ["vector"], axes=[1, 2], keepdims=1)]
    predict = save(tmp_path / "p.onnx", nodes, {"style_image": [1, 256, 256, 3]}, "vector", {})
    nodes = [helper.make_node("Add", ["content_image", "vector"], ["painted"])]
    inputs: dict[str, list[int | str]] = {
        "content_image": [1, 384, 384, 3],
        "vector": [1, 1, 1, 3],
    }
    transform = save(tmp_path / "t.onnx", nodes, inputs, "painted", {})
    style = np.full((20, 30, 3), (0.1, -0.0, 0.3), np.float32)
    painted = fast_styles.magenta(predict, transform, style)(photo())
    assert painted.shape == (45, 62, 3)
    expected = (photo() + style[0, 0]).clip(0, 1)
    np.testing.assert_allclose(painted.mean(axis=(0, 1)), expected.mean(axis=(0, 1)), atol=5e-3)


def test_the_table_and_the_sheet(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(fast_styles, "SIZE", 64)
    monkeypatch.setattr(fast_styles, "SCALES", (48, 64))
    own = Path(nst.__file__).parents[1] / "models/mosaic.onnx"
    sheet = tmp_path / "sheet.png"
    options = ["--styles", "mosaic", "--weights", "mini", "--output", str(sheet)]
    chosen = ["--methods", "the photo itself", "nst stylize", "--network", f"mosaic={own}"]
    monkeypatch.setattr(sys, "argv", ["fast_styles.py", *options, *chosen])
    fast_styles.main()
    judged_by, _, first, second, third, *_ = capsys.readouterr().out.splitlines()
    assert judged_by.endswith("mini")
    assert first.split()[:4] == ["mosaic", "the", "photo", "itself"]
    assert first.split()[-1] == "0.00"
    # The shipped network by its name, and by its file.
    assert second.split()[-2:] == third.split()[-2:]
    assert float(second.split()[-2]) < float(first.split()[-2])
    assert sheet.stat().st_size > 1000


@pytest.mark.parametrize("cached", [False, True])
def test_the_styles_by_default_are_those_whose_pictures_are_here(
    cached: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("NSTLIB_CACHE", str(tmp_path))
    if cached:
        painting = asset_path("great_wave")
        painting.parent.mkdir(parents=True)
        nst.save_image(photo(), painting)
    known = (*STYLE_NETWORKS, *fast_styles.OF_2018)
    found = [name for name in known if fast_styles.here(name)]
    # These three draw themselves; a painting has to be downloaded first, if it can be at all.
    assert found == ["mosaic", "candy", "shards", *(["great_wave"] if cached else [])]


def test_a_file_named_like_a_style_network_is_painted_by_that_network(tmp_path: Path) -> None:
    file = tmp_path / "composition_vii.png"
    nst.save_image(photo(), file)
    for name, painted in ((str(file), True), (str(file.with_name("other.png")), False)):
        found = fast_styles.painters(name, photo(), photo(), {}, tmp_path)
        assert ("nst stylize" in found) == painted
        assert "starry_night_bold" not in found
    night = tmp_path / "starry_night.png"
    nst.save_image(photo(), night)
    found = fast_styles.painters(str(night), photo(), photo(), {}, tmp_path)
    assert {"nst stylize", "starry_night_bold"} <= found.keys()
