"""benchmarks/any_style_torch.py trains what the library runs, by the library's loss."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnxruntime
import pytest

from nstlib._tensorflow import keras, tf
from nstlib.inference.any_style import ENCODER, PAINTER
from nstlib.networks.any_style import LAYERS
from nstlib.training.any_style.pictures import Pack
from nstlib.training.any_style.teach import Settings, Teacher

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

import any_style_torch  # noqa: E402
import judge_torch  # noqa: E402

TWIN = Path(__file__).resolve().parents[2] / "models" / "vgg19_mini.npz"


@pytest.fixture(scope="module")
def network() -> Any:
    """Networks whose every weight differs from what it begins as."""
    torch.manual_seed(0)
    network = any_style_torch.AnyStyle(896)
    for parameter in network.parameters():
        parameter.data += 0.02 * torch.randn_like(parameter)
    return network


@pytest.fixture(scope="module")
def twin() -> Any:
    """The twin, which here looks at styles and judges."""
    layers = [*LAYERS, *judge_torch.STYLE_LAYERS, judge_torch.CONTENT_LAYER]
    return judge_torch.VGG19(TWIN, layers, torch.float32)


def pictures(*shape: int) -> Any:
    """Smooth coloured clouds, uint8."""
    random = np.random.default_rng(shape[1])
    clouds = [cv2.resize(random.random((6, 6, 3)), shape[2:0:-1]) for _ in range(shape[0])]
    return np.asarray(255 * np.stack(clouds), np.uint8)


def as_tensor(array: Any) -> Any:
    """Turn (B, H, W, 3) into PyTorch's order of axes."""
    return torch.from_numpy(np.ascontiguousarray(array)).permute(0, 3, 1, 2)


def test_the_files_compute_what_pytorch_has_trained(
    network: Any, twin: Any, tmp_path: Path
) -> None:
    judge_torch.save(tmp_path / "w.npz", network.arrays())
    any_style_torch.write(
        argparse.Namespace(
            weights=tmp_path / "w.npz", twin="mini", folder=tmp_path, metadata=["license=CC0"]
        )
    )
    photo, style = (as_tensor(pictures(1, *sides, 3)) / 255.0 for sides in ((64, 72), (48, 40)))
    with torch.no_grad():
        seen = twin(style)
        vector = network.vector(any_style_torch.measured([seen[x] for x in LAYERS]), style)
        painted = network.painter(photo, vector)
    encoder, painter = (
        onnxruntime.InferenceSession(tmp_path / name) for name in (ENCODER, PAINTER)
    )
    (found,) = encoder.run(None, {encoder.get_inputs()[0].name: style.numpy()})
    assert vector.std() > 0.1
    np.testing.assert_allclose(found, vector, atol=3e-3 * float(vector.abs().max()))
    (found,) = painter.run(None, {"image": photo.numpy(), "vector": vector.numpy()})
    assert painted.std() > 0.05
    np.testing.assert_allclose(found, painted, atol=5e-3 * float(painted.abs().max()))


def test_it_learns_from_the_same_loss(network: Any, twin: Any) -> None:
    keras.utils.set_random_seed(0)
    expected = Teacher(Settings(dtype="float32", content_weight=0.1), "mini")
    any_style_torch.fill(expected, network.arrays())
    photos, styles = pictures(2, 64, 64, 3), pictures(2, 64, 96, 3)[:, :, :64]
    wanted = expected((tf.constant(photos), tf.constant(styles)))
    teacher = any_style_torch.Teacher(network, twin, twin, 0.1, 30.0)
    found = teacher(as_tensor(photos), as_tensor(styles))
    for name, value in found.items():
        assert float(value.detach()) == pytest.approx(float(wanted[name]), rel=1e-3), name
    assert float(found["lattice"]) > 1e-6


def test_steps_lower_the_loss(twin: Any) -> None:
    torch.manual_seed(0)
    network = any_style_torch.AnyStyle(896)
    teacher = any_style_torch.Teacher(network, twin, twin, 0.1, 30.0)
    batch = [as_tensor(pictures(2, 32, side, 3)[:, :, :32]) for side in (32, 48)]
    steps = judge_torch.Steps(list(network.parameters()), teacher, batch, 2e-4, momentum=0.5)
    bias = network.dense2.bias
    mean = bias.detach().numpy().copy()
    losses = []
    for _ in range(12):
        steps(batch, 1.0)
        losses.append(steps.told()["loss"])
        mean = 0.5 * mean + 0.5 * bias.detach().numpy()
    assert losses[-1] < 0.8 * losses[0]
    last = bias.detach().numpy().copy()
    assert np.abs(mean - last).max() > 1e-5
    with steps.averaged():
        np.testing.assert_allclose(bias.detach().numpy(), mean, atol=1e-7)
    np.testing.assert_array_equal(bias.detach().numpy(), last)


def test_a_training_ends_and_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pack = Pack(
        list(pictures(3, 96, 80, 3)), list(pictures(2, 90, 96, 3)), list(pictures(1, 64, 64, 3))
    )
    monkeypatch.setattr(Pack, "load", lambda _: pack)
    monkeypatch.setattr(any_style_torch, "CHANNELS", (4, 4, 4, 8))
    weights = tmp_path / "new" / "w.npz"

    def run(*more: str) -> dict[str, Any]:
        arguments = f"any_style_torch.py train pack {TWIN} {TWIN} {weights} --size 32"
        arguments += " --batch 2 --every 4 --steps 8 --workers 1 --minutes 9 --device cpu"
        monkeypatch.setattr(sys, "argv", [*arguments.split(), *more])
        any_style_torch.main()
        return dict(np.load(weights))

    first = run()
    again = run("--start", str(weights), "--learning-rate", "0")
    for name, array in first.items():
        np.testing.assert_array_equal(again[name], array)
    broken = {name: np.full_like(array, np.nan) for name, array in first.items()}
    judge_torch.save(tmp_path / "broken.npz", broken)
    with pytest.raises(SystemExit, match="the loss is no number"):  # between two lines, too
        run("--start", str(tmp_path / "broken.npz"), "--steps", "2")
    np.testing.assert_array_equal(np.load(weights)["conv1/kernel"], first["conv1/kernel"])
