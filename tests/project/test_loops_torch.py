"""The scoreboard's pictures from a graphics card are those of its own loops and packages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import classic
import crowson
import numpy as np
import pytest
import scoreboard
import transfer

import nstlib as nst
from nstlib import features
from nstlib._tensorflow import keras
from nstlib.images.arrays import Image
from nstlib.vgg19 import build_vgg19

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

import loops_torch  # noqa: E402
import peers  # noqa: E402


def picture(seed: int, height: int, width: int) -> Image:
    coarse = np.random.default_rng(seed).random((6, 8, 3), np.float32)
    return nst.resize(coarse, (height, width))


def same(found: Image, wanted: Image, start: Image) -> bool:
    """Nearly; where pooling chooses between equals, single pixels may part."""
    return bool(np.mean(np.abs(found - wanted)) < 1e-3 * np.mean(np.abs(wanted - start)))


@pytest.fixture
def vgg(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """An eighth of VGG19's channels, in its place."""
    keras.utils.set_random_seed(0)
    network = build_vgg19(1 / 8)
    features.cached_extractor.cache_clear()
    monkeypatch.setattr(features, "vgg19_with", lambda _: network)
    yield network
    features.cached_extractor.cache_clear()  # for tests that come later


def test_the_classic_loop_makes_the_same_picture(vgg: Any, tmp_path: Path) -> None:
    content, style = picture(0, 48, 64), picture(1, 40, 48)
    scoreboard.write_weights(vgg, tmp_path / "weights.npz")
    weights = loops_torch.read_weights(tmp_path / "weights.npz", "cpu")
    found, steps = loops_torch.classic(weights, content, style, 5, "cpu", graph=False)
    loss = transfer.two_networks(content, style, "imagenet")
    wanted, _, _ = classic.adam_loop(loss, content, 5, scoreboard.CLASSIC_RATE)
    assert same(found, wanted, content)
    assert steps == 5


def test_crowsonkbs_method_makes_the_same_picture(vgg: Any, tmp_path: Path) -> None:
    """At two sizes: Adam's memory goes from one to the other."""
    content, style = picture(0, 120, 184), picture(1, 150, 100)
    scoreboard.write_weights(vgg, tmp_path / "weights.npz")
    weights = loops_torch.read_weights(tmp_path / "weights.npz", "cpu")
    found, steps = loops_torch.crowsonkb(weights, content, style, 4, "cpu", graph=False)
    seen: list[int] = []
    wanted = crowson.transfer(vgg, content, style, 184, 4, seen.append)
    assert same(found, wanted, content)
    assert steps == 8
    assert seen == [130] * 4 + [184] * 4


def test_weights_from_the_compact_copy(tmp_path: Path) -> None:
    vgg, random = build_vgg19(1 / 16), np.random.default_rng(0)
    packed = {}
    for layer in vgg.layers:
        if layer.weights:
            shape, channels = layer.kernel.shape, layer.filters
            packed[f"{layer.name}/codes"] = random.integers(0, 256, shape, np.uint8)
            packed[f"{layer.name}/table"] = random.normal(0, 0.2, 256).astype(np.float32)
            packed[f"{layer.name}/bias"] = random.random(channels, np.float32)
            kernel = packed[f"{layer.name}/table"][packed[f"{layer.name}/codes"]]
            layer.set_weights([kernel, packed[f"{layer.name}/bias"]])
    np.savez(tmp_path / "packed.npz", **packed)
    for seed in (0, 1):
        nst.save_image(picture(seed, 40, 48), tmp_path / f"{seed}.png")
    loops_torch.write_weights(tmp_path / "packed.npz", tmp_path)
    images = [nst.load_image(tmp_path / f"{seed}.png") for seed in (0, 1)]
    for file, wanted in (
        ("vgg19.npz", vgg),
        ("vgg19_normalised.npz", scoreboard.normalised(vgg, images)),
    ):
        with np.load(tmp_path / file) as arrays:
            for layer in wanted.layers:
                for part, value in zip(("kernel", "bias"), layer.get_weights(), strict=False):
                    np.testing.assert_allclose(arrays[f"{layer.name}/{part}"], value, rtol=1e-4)


def steep(x: Any) -> Any:
    return ((x - torch.arange(6.0)) ** 2 * torch.tensor([1.0, 9, 2, 40, 3, 5])).sum()


def test_counted_l_bfgs_is_pytorchs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers.CountedLBFGS, "evaluations", 0)
    monkeypatch.setattr(peers.CountedLBFGS, "marks", [])
    found = []
    for kind in (torch.optim.LBFGS, peers.CountedLBFGS):
        x = torch.zeros(6, requires_grad=True)
        optimizer = kind([x], max_iter=2, lr=0.5)

        def closure(x: Any = x, optimizer: Any = optimizer) -> Any:
            optimizer.zero_grad()
            loss = steep(x)
            loss.backward()
            return loss

        for _ in range(5):
            optimizer.step(closure)
        found.append(x.detach().numpy())
    np.testing.assert_array_equal(*found)
    assert np.any(found[0])
    assert peers.CountedLBFGS.evaluations == 10  # two a step
    assert [mark[0] for mark in peers.CountedLBFGS.marks] == [2, 4, 6, 8, 10]


def test_the_cost_of_evaluations_that_are_not_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of 1 s, once L-BFGS remembers much 3 s; of two evaluations each; 4 s beside them."""
    seconds = np.cumsum([1.0] * peers.FIRST_STEPS + [3.0] * peers.TIMED_STEPS)
    marks = [(2 * i, 1 + clock, 10 * clock) for i, clock in enumerate(seconds, 1)]
    monkeypatch.setattr(peers.CountedLBFGS, "marks", marks)
    last = marks[-1]
    told = peers.cost((0.0, 0.0), (last[1] + 3, last[2]), 2 * 500)
    assert told["seconds"] == pytest.approx(4 + peers.FIRST_STEPS + 3 * (500 - peers.FIRST_STEPS))
    assert told["processor"] == pytest.approx(10 * (told["seconds"] - 4))
    assert peers.cost((0.0, 1.0), (7.0, 9.0), None) == {"seconds": 7, "processor": 8}
