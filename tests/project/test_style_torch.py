"""benchmarks/style_torch.py trains the networks that the library runs, by the library's loss."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import pytest

import nstlib as nst
from nstlib._tensorflow import keras
from nstlib.assets.cache import embedded_model
from nstlib.images.arrays import to_uint8
from nstlib.losses import content_loss, style_loss, total_variation_loss
from nstlib.networks.any_style import frozen_features
from nstlib.networks.transformer import VARIANTS
from nstlib.networks.transformer import TransformerNet as KerasNet
from nstlib.onnx.pytorch import weights_by_name
from nstlib.training.any_style import losses as keras_losses
from nstlib.training.any_style.pictures import Pack, write_pack
from nstlib.training.style import JUDGING_LAYERS
from nstlib.training.style import lattice as keras_lattice
from nstlib.vgg19 import build_vgg19, save_vgg19, vgg19_with

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

import judge_torch  # noqa: E402
import style_torch  # noqa: E402
from judge_torch import CONTENT_LAYER, STYLE_LAYERS, VGG19  # noqa: E402

MINI = embedded_model("vgg19_mini.npz")
LAYERS = [*STYLE_LAYERS, CONTENT_LAYER]


def tensor(batch: Any) -> Any:
    """(B, H, W, C), of NumPy or TensorFlow → (B, C, H, W), of PyTorch."""
    return torch.from_numpy(np.array(batch).transpose(0, 3, 1, 2))


def array(batch: Any) -> Any:
    """(B, C, H, W), of PyTorch → (B, H, W, C), of NumPy."""
    return batch.detach().numpy().transpose(0, 2, 3, 1)


@pytest.fixture(scope="module")
def photos() -> Any:
    """Two pieces of a photograph, uint8."""
    photo = to_uint8(nst.load_image("chelsea", 300))
    return np.stack([photo[20:116, 40:168], photo[90:186, 100:228]])


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a pack with four photographs."""
    folder = tmp_path_factory.mktemp("pack")
    for kind in ("photos", "styles"):
        (folder / kind).mkdir()
    for name in ("chelsea", "coffee", "rocket", "astronaut"):
        nst.save_image(nst.load_image(name, 320), folder / "photos" / f"{name}.jpg")
    for number in range(2):
        nst.save_image(nst.load_image("waves", 96), folder / "styles" / f"{number}.jpg")
    path = folder / "pack.npz"
    write_pack(path, [folder / "photos"], [folder / "styles"], drawn=1)
    return path


@pytest.fixture(scope="module")
def start(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write what all networks begin with, the drawn mosaic in place of each style."""
    path = tmp_path_factory.mktemp("start") / "start.npz"
    names = {settings.style for settings in style_torch.NETWORKS.values()}
    pictures = [f"{name}=mosaic" for name in sorted(names)]
    style_torch.start(argparse.Namespace(output=path, picture=pictures))
    return path


@pytest.mark.parametrize("full", [False, True])
def test_the_judge_sees_what_vgg19_sees(full: bool, photos: Any, tmp_path: Path) -> None:
    if full:  # with the channels of VGG19 and its pooling
        keras.utils.set_random_seed(0)
        path = tmp_path / "vgg19.npz"
        save_vgg19(build_vgg19(), path, codes=True)
    else:
        path = MINI
    pictures = photos / np.float32(255)
    expected = frozen_features(vgg19_with(str(path)), LAYERS)(pictures)
    found = VGG19(path, LAYERS, torch.float32)(tensor(pictures))
    assert set(found) == set(LAYERS)
    for layer in LAYERS:
        wanted = expected[layer].numpy()
        difference = np.sqrt(np.mean((array(found[layer]) - wanted) ** 2))
        assert difference < 1e-4 * np.sqrt(np.mean(wanted**2)), layer
    few = VGG19(path, [CONTENT_LAYER], torch.float32)
    assert few.names[-1] == CONTENT_LAYER


def test_it_learns_from_the_losses_of_the_library(photos: Any, start: Path) -> None:
    assert set(STYLE_LAYERS) == set(JUDGING_LAYERS)
    with np.load(start) as arrays:
        network = style_torch.network_of("mosaic", style_torch.NETWORKS["mosaic"], arrays)
    settings = style_torch.Settings("mosaic", 128, 0.3, tv=2.0, lattice=20.0)
    styles = [to_uint8(nst.load_image("candy", 128)), to_uint8(nst.load_image("waves", 96))]
    judge = VGG19(MINI, LAYERS, torch.float32)
    content = VGG19(MINI, [CONTENT_LAYER], torch.float32)

    see = frozen_features(vgg19_with("mini"), LAYERS)
    pictures = photos / np.float32(255)
    painted = 0.5 + 0.5 * array(network(tensor(2 * pictures - 1)))
    seen, real = see(painted), see(pictures)
    for number in (1, 2):
        lesson = style_torch.Lesson(network, settings, styles[:number], judge, content)
        found = {name: term.item() for name, term in lesson(tensor(photos)).items()}
        looks = [see(style[np.newaxis] / np.float32(255)) for style in styles[:number]]
        wanted = {}
        for layer in STYLE_LAYERS:
            both = [keras_losses.statistics(look[layer]) for look in looks]
            means, covariances = (np.mean([x[n] for x in both], axis=0) for n in (0, 1))
            wanted[layer] = nst.losses.Statistics(means, covariances)
        beside = [np.concatenate([*x[CONTENT_LAYER].numpy()], 1)[np.newaxis] for x in (seen, real)]
        expected = {
            "style": style_loss({layer: seen[layer] for layer in STYLE_LAYERS}, wanted),
            "content": content_loss({"a": beside[0]}, {"a": beside[1]}),
            "tv": total_variation_loss(painted),
            "lattice": keras_lattice(painted),
        }
        for name, term in expected.items():
            assert found[name] == pytest.approx(float(term), rel=1e-3), name
        weights = {"style": 1, "content": 0.3, "tv": 2, "lattice": 20}
        weighed = sum(weight * found[name] for name, weight in weights.items())
        beyond = float(keras_losses.beyond(painted))
        assert beyond > 0
        assert found["loss"] == pytest.approx(weighed + 10 * beyond, rel=1e-5)
    lesson.steer(9.0)  # nothing is aimed at
    assert float(lesson.weight) == pytest.approx(0.3)


def test_the_contents_weight_is_steered() -> None:
    settings = style_torch.Settings("mosaic", 64, 0.3, aim=0.5)
    judge = VGG19(MINI, LAYERS, torch.float32)
    styles = [to_uint8(nst.load_image("candy", 64))]
    lesson = style_torch.Lesson(torch.nn.Identity(), settings, styles, judge, judge)
    for content, expected in ((0.5, 0.3), (0.5 * 1.21, 0.33), (0.5 / 1.21, 0.3), (9.0, 0.375)):
        lesson.steer(content)
        assert float(lesson.weight) == pytest.approx(expected, rel=1e-5)
    photo = torch.zeros(1, 3, 64, 64, dtype=torch.uint8)
    lesson.weight.fill_(1e6)  # the loss reads it anew
    assert lesson(photo + 200)["content"] == 0
    lesson.network = torch.nn.AvgPool2d(5, 1, 2)
    terms = lesson(torch.from_numpy(np.random.default_rng(0).integers(0, 256, (1, 3, 64, 64))))
    assert float(terms["loss"]) > 1e5 * float(terms["content"]) > 0


def test_the_losses_of_the_judge() -> None:
    random = np.random.default_rng(0)
    one, other, style = (random.uniform(-0.2, 1.2, (2, 70, 80, 3)).astype("f") for _ in range(3))
    found = judge_torch.style_losses(
        {"a": judge_torch.statistics(tensor(one))}, {"a": judge_torch.statistics(tensor(style))}
    )
    expected = keras_losses.style_losses(
        {"a": keras_losses.statistics(one)}, {"a": keras_losses.statistics(style)}
    )
    np.testing.assert_allclose(found["a"], expected.numpy()[:, 0], rtol=1e-3)
    np.testing.assert_allclose(
        judge_torch.content_losses(tensor(one), tensor(other)),
        keras_losses.content_losses(one, other).numpy(),
        rtol=1e-4,
    )
    for name in ("lattice", "beyond"):
        assert float(getattr(judge_torch, name)(tensor(one))) == pytest.approx(
            float(getattr(keras_losses, name)(one)), rel=1e-4
        )


@pytest.mark.parametrize("variant", ["lite", "wide"])
def test_keras_computes_what_pytorch_has_trained(variant: str, photos: Any, start: Path) -> None:
    """Also that a wide network begins as the narrow one that it is made from."""
    name = {"lite": "starry_night", "wide": "starry_night_wide"}[variant]
    settings = style_torch.NETWORKS[name]
    assert settings.channels == VARIANTS[variant]["channels"]
    with np.load(start) as arrays:
        network = style_torch.network_of(name, settings, arrays)
        narrow = style_torch.of("starry_night", arrays)
    kernel = network.res1.conv1.conv2d.weight
    assert kernel.shape[0] == settings.channels[1]
    if variant == "wide":  # twins are not alike
        assert not torch.allclose(kernel[:, :48], kernel[:, 48:], rtol=0.1)
    keras_network = KerasNet(**VARIANTS["lite"])
    for key, variable in weights_by_name(keras_network).items():
        weights = narrow[key].numpy()
        variable.assign(weights.transpose(2, 3, 1, 0) if weights.ndim == 4 else weights)
    pictures = 2 * (photos / np.float32(255)) - 1
    expected = keras_network(pictures).numpy()
    assert expected.std() > 0.1
    np.testing.assert_allclose(array(network(tensor(pictures))), expected, atol=1e-4)


def test_crops_differ_and_some_are_out_of_focus(pack: Path, monkeypatch: Any) -> None:
    photos = judge_torch.packed(pack, "photos")
    for found, expected in zip(photos, Pack.load(pack).photos, strict=True):
        np.testing.assert_array_equal(found, expected)

    def detail(share: float) -> Any:
        monkeypatch.setattr(style_torch, "BLURRED", share)
        (crops,) = style_torch.batch_of(photos, 64, 12, 3)
        assert crops.shape == (12, 64, 64, 3)
        assert crops.dtype == np.uint8
        return np.array([cv2.Laplacian(x, cv2.CV_32F).std() for x in crops])

    (again,) = style_torch.batch_of(photos, 64, 12, 3)
    (other,) = style_torch.batch_of(photos, 64, 12, 4)
    assert not np.array_equal(again, other)
    assert np.median(detail(1.0)) < 0.7 * np.median(detail(0.0))


def trained(start: Path, pack: Path, output: Path, **more: Any) -> dict[str, Any]:
    """Train for a moment; return what was written."""
    usual = {
        "start": start,
        "pack": pack,
        "judge": MINI,
        "output": output,
        "only": ["mosaic", "starry_night_wide"],
        "minutes": 60.0,
        "rounds": 2,
        "learning_rate": 1e-3,
        "size": 64,
        "batch": 2,
        "turn": 1,
        "every": 0.0,
        "workers": 1,
        "threads": 1,
        "device": "cpu",
        "eager": False,
    }
    style_torch.train(argparse.Namespace(**(usual | more)))
    with np.load(output) as arrays:
        return dict(arrays)


def test_without_steps_the_shipped_network_comes_back(
    start: Path, pack: Path, tmp_path: Path
) -> None:
    weights = tmp_path / "new folder" / "weights.npz"
    trained(start, pack, weights, learning_rate=0.0)
    style_torch.write(
        argparse.Namespace(
            weights=weights, folder=tmp_path / "made", only=["mosaic"], metadata=["a=b"]
        )
    )
    picture = 255 * nst.load_image("coffee", (64, 96))
    blob = picture.transpose(2, 0, 1)[np.newaxis]
    written, shipped = (
        onnxruntime.InferenceSession(path)
        for path in (tmp_path / "made" / "mosaic.onnx", embedded_model("mosaic.onnx"))
    )
    found, expected = (
        session.run(None, {session.get_inputs()[0].name: blob})[0] for session in (written, shipped)
    )
    assert np.abs(found - expected).mean() < 0.2  # of 255
    told, tells = (x.get_modelmeta().custom_metadata_map for x in (written, shipped))
    assert told.pop("a") == "b"
    assert told == tells


def test_networks_learn_in_turns(
    start: Path, pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    after = trained(start, pack, tmp_path / "weights.npz")
    with np.load(start) as arrays:
        before = style_torch.of("mosaic", arrays)
    assert {key.split("/")[0] for key in after} == {"mosaic", "starry_night_wide"}
    changed = [key for key, x in before.items() if not np.array_equal(x, after[f"mosaic/{key}"])]
    assert len(changed) > len(before) / 2
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:2] for line in lines if " style " in line] == [
        ["mosaic", "1"],
        ["starry_night_wide", "1"],
        ["mosaic", "2"],
        ["starry_night_wide", "2"],
    ]


def test_a_network_that_breaks_ends_alone(
    start: Path, pack: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with np.load(start) as arrays:
        broken = dict(arrays)
    broken["starry_night/in2.weight"] = np.full_like(broken["starry_night/in2.weight"], np.nan)
    np.savez(tmp_path / "broken.npz", **broken)
    after = trained(tmp_path / "broken.npz", pack, tmp_path / "weights.npz")
    assert {key.split("/")[0] for key in after} == {"mosaic"}
    assert "starry_night_wide ends: its loss is no number" in capsys.readouterr().out
