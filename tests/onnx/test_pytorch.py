"""Checkpoints of PyTorch become networks of Keras."""

from __future__ import annotations

import pickle
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from keras_networks import Bomb
from onnx_files import run_onnx_runtime, run_opencv

from nstlib.errors import DependencyError, ModelError
from nstlib.onnx.exporting import export
from nstlib.onnx.pytorch import from_pytorch
from nstlib.onnx.translation import to_onnx
from nstlib.onnx.verification import (
    SIZES,
    photo_blob,
    verify,
)


def test_without_pytorch_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    (tmp_path / "net.pth").write_bytes(b"not looked at")
    with pytest.raises(DependencyError, match=r"pip install 'nstlib\[torch\]'"):
        from_pytorch(tmp_path / "net.pth")


def torch_net() -> Any:
    """Build the example's network in PyTorch, from its description, with random weights."""
    torch = pytest.importorskip("torch")
    nn = torch.nn

    class Conv(nn.Module):  # type: ignore[name-defined]
        def __init__(
            self, inputs: int, outputs: int, kernel: int, stride: int = 1, up: int = 1
        ) -> None:
            super().__init__()
            self.up = up
            self.reflection_pad = nn.ReflectionPad2d(kernel // 2)
            self.conv2d = nn.Conv2d(inputs, outputs, kernel, stride)

        def forward(self, x: Any) -> Any:
            if self.up > 1:
                x = nn.functional.interpolate(x, scale_factor=self.up, mode="nearest")
            return self.conv2d(self.reflection_pad(x))

    class Residual(nn.Module):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.in1 = Conv(128, 128, 3), nn.InstanceNorm2d(128, affine=True)
            self.conv2, self.in2 = Conv(128, 128, 3), nn.InstanceNorm2d(128, affine=True)

        def forward(self, x: Any) -> Any:
            return x + self.in2(self.conv2(torch.relu(self.in1(self.conv1(x)))))

    class Net(nn.Module):  # type: ignore[name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.conv1, self.conv2 = Conv(3, 32, 9), Conv(32, 64, 3, 2)
            self.conv3 = Conv(64, 128, 3, 2)
            for number in range(1, 6):
                setattr(self, f"res{number}", Residual())
            self.deconv1, self.deconv2 = Conv(128, 64, 3, up=2), Conv(64, 32, 3, up=2)
            self.deconv3 = Conv(32, 3, 9)
            for number, channels in enumerate((32, 64, 128, 64, 32), 1):
                setattr(self, f"in{number}", nn.InstanceNorm2d(channels, affine=True))

        def forward(self, x: Any) -> Any:
            for name, norm in (("conv1", "in1"), ("conv2", "in2"), ("conv3", "in3")):
                x = torch.relu(getattr(self, norm)(getattr(self, name)(x)))
            for number in range(1, 6):
                x = getattr(self, f"res{number}")(x)
            for name, norm in (("deconv1", "in4"), ("deconv2", "in5")):
                x = torch.relu(getattr(self, norm)(getattr(self, name)(x)))
            return self.deconv3(x)

    torch.manual_seed(0)
    net = Net().eval()
    with torch.no_grad():
        for name, weights in net.named_parameters():
            if weights.ndim == 1:  # gammas, betas and biases, which begin as ones and zeros
                weights.add_(0.2 * torch.randn_like(weights))
            if name.startswith("deconv3"):  # up to the scale of pictures
                weights.mul_(15.0)
    return net


def old_state(net: Any) -> dict[str, Any]:
    """Its state as the published checkpoints have it: with statistics that nothing uses."""
    torch = pytest.importorskip("torch")
    state = dict(net.state_dict())
    for name in [name for name in state if ".in" in f".{name}" and name.endswith(".weight")]:
        stem = name.removesuffix(".weight")
        state[f"{stem}.running_mean"] = torch.randn(state[name].shape)
        state[f"{stem}.running_var"] = torch.rand(state[name].shape)
    return state


@pytest.mark.torch
def test_a_checkpoint_paints_the_same_picture_everywhere(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    net = torch_net()
    state = old_state(net)
    assert sum(name.endswith(("running_mean", "running_var")) for name in state) == 30
    torch.save(state, tmp_path / "net.pth")
    model = from_pytorch(tmp_path / "net.pth")
    result = export(model, tmp_path / "net.onnx", half=False)
    assert not result.refused
    for size in SIZES:
        picture = photo_blob(size, 3, (0, 255))
        with torch.no_grad():
            expected = net(torch.from_numpy(picture)).numpy()
        assert np.ptp(expected) > 50
        by_keras = model(picture.transpose(0, 2, 3, 1)).numpy().transpose(0, 3, 1, 2)
        np.testing.assert_allclose(by_keras, expected, rtol=0, atol=0.01)
        content = (tmp_path / "net.onnx").read_bytes()
        np.testing.assert_allclose(run_onnx_runtime(content, picture), expected, rtol=0, atol=0.01)
        np.testing.assert_allclose(
            run_opencv(tmp_path / "net.onnx", picture), expected, rtol=0, atol=0.01
        )


def nested(state: dict[str, Any], *keys: str) -> dict[str, Any]:
    for key in reversed(keys):
        state = {key: state, "epoch": 3, "name": "candy"}
    return state


@pytest.mark.torch
@pytest.mark.parametrize(
    ("keys", "prefix"),
    [
        ((), "module."),
        ((), "_orig_mod."),
        (("state_dict",), ""),
        (("state_dict",), "model."),
        (("checkpoint", "model_state_dict"), "module._orig_mod.net."),
    ],
)
def test_what_wrappers_add_to_names_is_taken_off(
    tmp_path: Path, keys: tuple[str, ...], prefix: str
) -> None:
    torch = pytest.importorskip("torch")
    state = TORCH_NET.setdefault("state", torch_net().state_dict())
    wrapped = {f"{prefix}{name}": x for name, x in state.items()}
    if prefix:  # what stands beside the network is none of its tensors
        wrapped["n_averaged"] = torch.tensor(7)
    content = nested(wrapped, *keys)
    if keys:
        content["optimizer"] = {"state": {0: {"exp_avg": torch.zeros(3)}}}
    torch.save(content, tmp_path / "net.model")
    model = from_pytorch(tmp_path / "net.model")
    kernel = state["conv2.conv2d.weight"].numpy().transpose(2, 3, 1, 0)
    np.testing.assert_array_equal(model.get_layer("conv2.conv2d").get_weights()[0], kernel)


@pytest.mark.torch
def test_the_first_complete_network_of_a_checkpoint_counts(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    state = TORCH_NET.setdefault("state", torch_net().state_dict())
    part = {name: x for name, x in state.items() if name.startswith("deconv3")}
    average = {f"module.{name}": x + 1 for name, x in state.items()}
    torch.save({"part": part, "ema": average, "model": state}, tmp_path / "net.pth")
    bias = from_pytorch(tmp_path / "net.pth").get_layer("deconv3.conv2d").get_weights()[1]
    np.testing.assert_array_equal(bias, state["deconv3.conv2d.bias"].numpy() + 1)


#: For the tests above, which need it often.
TORCH_NET: dict[str, Any] = {}


@pytest.mark.torch
def test_pytorchs_own_export_is_the_same_network(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("onnxscript")
    net = torch_net()
    torch.save(net.state_dict(), tmp_path / "net.pth")
    path = tmp_path / "theirs.onnx"
    torch.onnx.export(
        net,
        (torch.zeros(1, 3, 64, 64),),
        dynamo=True,
        dynamic_shapes=({0: "batch", 2: "height", 3: "width"},),
        input_names=["image"],
        output_names=["stylized"],
        verbose=False,
    ).save(path)
    model = from_pytorch(tmp_path / "net.pth")
    result = verify(model, path)
    assert result.ok
    assert not result.refused
    kinds = [
        Counter(x.op_type for x in graph.node)
        for graph in (onnx.load(path).graph, to_onnx(model, half=False).graph)
    ]
    assert kinds[0] == kinds[1]


@pytest.mark.torch
def test_a_checkpoint_of_something_else_is_told_by_name(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    path = tmp_path / "net.pth"

    def told(state: Any) -> str:
        torch.save(state, path)
        with pytest.raises(ModelError) as caught:
            from_pytorch(path)
        return str(caught.value)

    state = torch_net().state_dict()
    changed = {
        name: x for name, x in state.items() if name not in ("conv1.conv2d.bias", "in3.weight")
    }
    changed["extra.weight"] = torch.zeros(2)
    changed["res2.in1.bias"] = torch.zeros(64)
    message = told(changed)
    assert "lacks conv1.conv2d.bias, in3.weight" in message
    assert "has besides extra.weight" in message
    assert "has res2.in1.bias in the shape (64,), not (128,)" in message
    many = {"deconv3.conv2d.weight": state["deconv3.conv2d.weight"]}
    message = told(many)
    assert "lacks conv1.conv2d.bias, conv1.conv2d.weight, conv2.conv2d.bias and 58 more" in message
    assert len(message) < 400
    assert "holds a list without tensors, not a state dict" in told([1, 2])
    assert "not a state dict" in told({"epoch": 3})


@pytest.mark.torch
def test_a_checkpoint_cannot_execute_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    torch.save({"conv1.conv2d.weight": Bomb()}, "zip.pth")
    torch.save({"conv1.conv2d.weight": Bomb()}, "old.pth", _use_new_zipfile_serialization=False)
    Path("plain.pth").write_bytes(pickle.dumps(Bomb()))
    torch.save(torch_net().state_dict(), "whole.pth")
    content = Path("whole.pth").read_bytes()
    Path("cut.pth").write_bytes(content[: len(content) // 2])
    Path("empty.pth").write_bytes(b"")
    for name in ("zip.pth", "old.pth", "plain.pth", "cut.pth", "empty.pth"):
        with pytest.raises(ModelError, match=name):
            from_pytorch(name)
    assert not Path("executed").exists()
    torch.load("zip.pth", weights_only=False)
    assert Path("executed").exists(), "it would have been"
