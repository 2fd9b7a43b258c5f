"""The classic loop and crowsonkb's method in PyTorch, for a machine with a graphics card.

    python benchmarks/loops_torch.py weights VGG19.npz FOLDER
    python benchmarks/loops_torch.py classic|crowsonkb CONTENT STYLE WEIGHTS OUTPUT [--device cuda]

They make the pictures that ``classic.py`` and ``crowson.py`` make, sooner: same pictures, steps and
settings, in float32. What they cost is measured with those two. Needs nothing of TensorFlow.
CONTENT and STYLE are the pictures that ``scoreboard.py`` has written to its folder.

VGG19.npz is the compact copy of VGG19 that ``nst assets pack vgg19`` writes. From it, and from all
pictures in FOLDER, the first command makes the two files of weights of ``scoreboard.py`` there. So
call it before there are pictures that were made.
What is printed last is one line of JSON: steps, seconds, the device.
"""

from __future__ import annotations

import argparse
import functools
import json
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch.nn import functional

import nstlib as nst
from nstlib.images.arrays import Image

CONVOLUTIONS = tuple(
    f"block{block}_conv{i}"
    for block, depth in enumerate((2, 2, 4, 4, 4), 1)
    for i in range(1, depth + 1)
)
STYLE_LAYERS = tuple(f"block{block}_conv1" for block in range(1, 6))
MEAN_BGR = (103.939, 116.779, 123.68)

Weights = dict[str, tuple[torch.Tensor, torch.Tensor]]
Loss = Callable[[torch.Tensor], torch.Tensor]


def read_weights(path: Path, device: str) -> Weights:
    """Read kernels and biases, in PyTorch's order."""
    with np.load(path) as arrays:
        return {
            name: (
                torch.from_numpy(arrays[f"{name}/kernel"].transpose(3, 2, 0, 1).copy()).to(device),
                torch.from_numpy(arrays[f"{name}/bias"]).to(device),
            )
            for name in CONVOLUTIONS
        }


def write_weights(packed: Path, folder: Path) -> None:
    """Write VGG19's weights as they are, and such that each layer's mean activation is 1."""
    with np.load(packed) as arrays:
        plain = {
            f"{name}/{part}": value
            for name in CONVOLUTIONS
            for part, value in (
                ("kernel", arrays[f"{name}/table"][arrays[f"{name}/codes"]]),
                ("bias", arrays[f"{name}/bias"]),
            )
        }
    np.savez(folder / "vgg19.npz", **plain)
    weights = read_weights(folder / "vgg19.npz", "cpu")
    pictures = [as_tensor(nst.load_image(file), "cpu") for file in sorted(folder.glob("*.png"))]
    means = np.mean(
        [[maps.mean() for maps in features(weights, x, CONVOLUTIONS).values()] for x in pictures],
        axis=0,
    )
    scaled, before = {}, 1.0
    for name, mean in zip(CONVOLUTIONS, means, strict=True):
        scaled[f"{name}/kernel"] = plain[f"{name}/kernel"] * np.float32(before / mean)
        scaled[f"{name}/bias"] = plain[f"{name}/bias"] / np.float32(mean)
        before = mean
    np.savez(folder / "vgg19_normalised.npz", **scaled)


def as_tensor(image: Image, device: str) -> torch.Tensor:
    """(H, W, 3) → (1, 3, H, W)."""
    return torch.from_numpy(image.transpose(2, 0, 1)[np.newaxis].copy()).to(device)


def as_image(tensor: torch.Tensor) -> Image:
    """(1, 3, H, W) → (H, W, 3)."""
    image: Image = tensor.detach().cpu().numpy()[0].transpose(1, 2, 0)
    return image


@functools.cache
def mean_bgr(device: torch.device) -> torch.Tensor:
    """Give ImageNet's mean colour; made once, since copies to the card can't be recorded."""
    return torch.tensor(MEAN_BGR, device=device).reshape(1, 3, 1, 1)


def features(
    weights: Weights, image: torch.Tensor, layers: Sequence[str], replicate: bool = False
) -> dict[str, torch.Tensor]:
    """Look at one picture, RGB in [0, 1], as far as the last of `layers`.

    With `replicate`, its border's pixels go on beyond it, in place of zeros.
    """
    x = 255 * image.flip(1) - mean_bgr(image.device)
    found = {}
    for name in CONVOLUTIONS:
        if name.endswith("conv1") and name != CONVOLUTIONS[0]:
            x = functional.max_pool2d(x, 2)
        if name == CONVOLUTIONS[0] and replicate:
            x = functional.conv2d(functional.pad(x, (1, 1, 1, 1), "replicate"), *weights[name])
        else:
            x = functional.conv2d(x, *weights[name], padding=1)
        x = functional.relu(x)
        if name in layers:
            found[name] = x
            if len(found) == len(layers):
                break
    return found


def gram_matrix(maps: torch.Tensor) -> torch.Tensor:
    """Correlate channels over all positions."""
    flat = maps[0].flatten(1)
    return flat @ flat.T / flat.shape[1]


def steps_of(image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Give the squared steps from each pixel to its right and its lower neighbour."""
    right, down = image[..., 1:] - image[..., :-1], image[..., 1:, :] - image[..., :-1, :]
    return right**2, down**2


class Loop:
    """Adam, with ε where TensorFlow has it, and clipping; a step waits for nothing.

    `mean` is the moving average of the iterates, where each older one counts `decay` times less.
    """

    def __init__(
        self,
        loss: Loss,
        image: torch.Tensor,
        rate: float,
        betas: tuple[float, float],
        epsilon: float,
        memory: tuple[int, torch.Tensor, torch.Tensor] | None = None,
        decay: float = 0.0,
    ) -> None:
        self._loss, self._rate, self._betas, self._epsilon = loss, rate, betas, epsilon
        self.image = image.clone().requires_grad_()
        number, first, second = memory or (0, torch.zeros_like(image), torch.zeros_like(image))
        self.first, self.second = first.clone(), second.clone()
        self._number = torch.tensor(float(number), dtype=torch.float64, device=image.device)
        self._decay, self._averaged = decay, 1
        self._sum = (1 - decay) * image

    def _step(self) -> None:
        (gradient,) = torch.autograd.grad(self._loss(self.image), self.image)
        with torch.no_grad():
            self._number += 1
            left = [1 - torch.exp(self._number * math.log(beta)) for beta in self._betas]
            rate = (self._rate * torch.sqrt(left[1]) / left[0]).float()
            self.first += (gradient - self.first) * (1 - self._betas[0])
            self.second += (gradient**2 - self.second) * (1 - self._betas[1])
            self.image -= rate * self.first / (torch.sqrt(self.second) + self._epsilon)
            self.image.clamp_(0, 1)
            self._sum.mul_(self._decay).add_(self.image, alpha=1 - self._decay)

    def run(self, count: int, graph: bool) -> None:
        """Make steps, on a graphics card by replaying one that was recorded if `graph` is true."""
        again = self._step
        if graph:
            state = (self.image, self.first, self.second, self._number, self._sum)
            kept = [value.detach().clone() for value in state]
            beside = torch.cuda.Stream()
            beside.wait_stream(torch.cuda.current_stream())
            with torch.cuda.stream(beside):
                for _ in range(3):  # libraries set themselves up, which can't be recorded
                    self._step()
            torch.cuda.current_stream().wait_stream(beside)
            recorded = torch.cuda.CUDAGraph()
            with torch.cuda.graph(recorded):
                self._step()
            with torch.no_grad():
                for value, before in zip(state, kept, strict=True):
                    value.copy_(before)
            again = recorded.replay
        for _ in range(count):
            again()
        self._averaged += count

    @property
    def mean(self) -> torch.Tensor:
        """The moving average."""
        return self._sum / (1 - self._decay**self._averaged)


def classic(
    weights: Weights, content: Image, style: Image, iterations: int | None, device: str, graph: bool
) -> tuple[Image, int]:
    """Make what ``classic.py`` makes, by one pass for both terms; return it and its steps."""
    start = as_tensor(content, device)
    layer = "block5_conv2"
    target = features(weights, start, [layer])[layer]
    look = features(weights, as_tensor(style, device), STYLE_LAYERS)
    grams = {name: gram_matrix(maps) for name, maps in look.items()}

    def loss(image: torch.Tensor) -> torch.Tensor:
        found = features(weights, image, [*STYLE_LAYERS, layer])
        of_style = sum(((gram_matrix(found[n]) - g) ** 2).mean() for n, g in grams.items())
        right, down = steps_of(image)
        roughness = right.mean() + down.mean()
        return 1e-2 * of_style + 1e4 * ((found[layer] - target) ** 2).mean() + 1e9 * roughness

    loop = Loop(loss, start, 0.001, (0.99, 0.999), 0.1)
    steps = iterations or 2000
    loop.run(steps, graph)
    return as_image(loop.image), steps


def scaled_difference(found: torch.Tensor, wanted: torch.Tensor) -> torch.Tensor:
    """Sum of squares over sum of absolute values."""
    difference = found - wanted
    return (difference**2).sum() / (difference.abs().sum() + 1e-8)


def scales(largest: int, smallest: int = 128) -> list[int]:
    """List the longer sides, from about `smallest` pixels up to `largest`."""
    found = [largest]
    while (smaller := round(largest / 2 ** (len(found) / 2))) >= min(smallest, largest):
        found.insert(0, smaller)
    return found


def enlarged(mean: torch.Tensor, size: tuple[int, ...], device: str) -> torch.Tensor:
    """Resize what need not lie in [0, 1]."""
    larger = cv2.resize(as_image(mean), (size[1], size[0]), interpolation=cv2.INTER_LINEAR)
    return as_tensor(np.asarray(larger, np.float32), device)


def crowsonkb(
    weights: Weights, content: Image, style: Image, iterations: int | None, device: str, graph: bool
) -> tuple[Image, int]:
    """Make what ``crowson.py`` makes; return it and its steps."""
    layer = "block4_conv2"
    layer_weights = {n: w / 341 for n, w in zip(STYLE_LAYERS, (256, 64, 16, 4, 1), strict=True)}
    image: Image | None = None
    memory: tuple[int, torch.Tensor, torch.Tensor] | None = None
    steps = 0
    for stage, side in enumerate(scales(max(content.shape[:2]))):
        small = nst.resize(content, side)
        size = small.shape[:2]
        start = small if image is None else nst.resize(image, size)
        look = as_tensor(nst.resize(style, min(side, max(style.shape[:2]))), device)
        target = features(weights, as_tensor(small, device), [layer], replicate=True)[layer]
        grams = {
            name: gram_matrix(maps)
            for name, maps in features(weights, look, STYLE_LAYERS, replicate=True).items()
        }

        def loss(
            image: torch.Tensor,
            target: torch.Tensor = target,
            grams: dict[str, torch.Tensor] = grams,
        ) -> torch.Tensor:
            found = features(weights, image, [*STYLE_LAYERS, layer], replicate=True)
            of_style = sum(
                weight * scaled_difference(gram_matrix(found[name]), grams[name])
                for name, weight in layer_weights.items()
            )
            roughness = sum(step.sum() for step in steps_of(image)) / image.numel()
            return of_style + 0.015 * scaled_difference(found[layer], target) + 2 * roughness

        if memory:  # Adam's two means go on, at the new size; the second is never negative
            first, second = (enlarged(mean, size, device) for mean in memory[1:])
            memory = steps, first, second.clamp(min=0)
        loop = Loop(loss, as_tensor(start, device), 0.02, (0.9, 0.999), 1e-7, memory, decay=0.99)
        count = iterations or (500 if stage else 1000)
        loop.run(count, graph)
        steps += count
        memory = steps, loop.first, loop.second
        image = as_image(loop.mean)
    assert image is not None
    return np.clip(image, 0, 1), steps


METHODS: dict[str, Callable[..., tuple[Image, int]]] = {
    "classic": classic,
    "crowsonkb": crowsonkb,
}


def main() -> None:
    """Write weights, or make one picture and tell what there is to tell."""
    parser = argparse.ArgumentParser(description="two loops on a graphics card")
    commands = parser.add_subparsers(dest="command", required=True)
    files = commands.add_parser("weights", help="make the two files of VGG19's weights")
    files.add_argument("packed", type=Path, help="the compact copy of VGG19")
    files.add_argument("folder", type=Path, help="where the pictures are")
    for method in METHODS:
        transfer = commands.add_parser(method)
        for name in ("content", "style", "weights", "output"):
            transfer.add_argument(name, type=Path)
        transfer.add_argument("--iterations", type=int, help="at each size, for a trial")
        transfer.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
        transfer.add_argument("--no-graph", action="store_true", help="record nothing")
    options = parser.parse_args()
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    if options.command == "weights":
        write_weights(options.packed, options.folder)
        return
    content, style = nst.load_image(options.content), nst.load_image(options.style)
    weights = read_weights(options.weights, options.device)
    began = time.perf_counter()
    graph = options.device == "cuda" and not options.no_graph
    made, steps = METHODS[options.command](
        weights, content, style, options.iterations, options.device, graph
    )
    told: dict[str, Any] = {
        "seconds": time.perf_counter() - began,
        "evaluations": steps,
        "device": torch.cuda.get_device_name() if options.device == "cuda" else "processor",
    }
    nst.save_image(made, options.output)
    print(json.dumps(told))


if __name__ == "__main__":
    main()
