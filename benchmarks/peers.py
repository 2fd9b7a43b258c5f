"""Transfers by other packages, each by its own code and as its own documentation shows.

    build/peers/bin/python benchmarks/peers.py pystiche|pastiche CONTENT STYLE WEIGHTS OUTPUT
        [--device cuda] [--cost-of EVALUATIONS]

``scoreboard.py`` calls it with the Python of the environment that these packages are in; nothing of
this library is imported here. WEIGHTS is a file of NumPy's: kernels (3, 3, in, out) and biases of
VGG19's convolutions. The clock runs once the network is in memory. What is printed last is one line
of JSON: seconds, seconds of the processor, bytes of memory at most, evaluations of the loss.

``--device cuda`` makes the picture with the network on a graphics card, in the same float32
arithmetic. L-BFGS stays on the processor: it waits for hundreds of numbers a step, each of which
would wait for the card. What that costs says nothing about the processor, so ``--cost-of`` tells
here what a run of so many evaluations costs: its first steps are made, until L-BFGS remembers as
many as it may, and from the pace of some more follows the rest. That writes no picture.

pystiche 1.0.1 looks for addresses in torchvision that torchvision has no longer had since 0.15, and
cannot be imported. Here it gets an empty list of them: with weights from a file it needs none.
"""

from __future__ import annotations

import argparse
import importlib
import json
import resource
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image

DEPTHS = (2, 2, 4, 4, 4)
CONVOLUTIONS = [(block, i) for block, depth in enumerate(DEPTHS, 1) for i in range(1, depth + 1)]

#: Steps until L-BFGS remembers as many as it may (PyTorch's default), and steps at that pace.
FIRST_STEPS, TIMED_STEPS = 100, 20

Weights = Mapping[str, tuple[torch.Tensor, torch.Tensor]]


class CountedLBFGS(torch.optim.LBFGS):
    """PyTorch's L-BFGS, which counts evaluations and keeps what it remembers on the processor."""

    #: After each step of this process: evaluations so far, the clock, the processor's clock.
    marks: ClassVar[list[tuple[int, float, float]]] = []
    evaluations: ClassVar[int] = 0

    def __init__(self, parameters: Iterable[torch.Tensor], **settings: Any) -> None:
        (self._picture,) = parameters
        self._copy = self._picture.detach().to("cpu", copy=True).requires_grad_()
        super().__init__([self._copy], **settings)

    def zero_grad(self, set_to_none: bool = True) -> None:  # noqa: ARG002
        """Forget the gradient of the picture."""
        self._picture.grad = None

    def step(self, closure: Callable[[], Any]) -> Any:
        """Make a step with the closure's loss of the picture."""

        def evaluate() -> Any:
            CountedLBFGS.evaluations += 1
            self._show()
            loss = closure()
            assert self._picture.grad is not None
            self._copy.grad = self._picture.grad.cpu()
            return loss

        loss = super().step(evaluate)
        self._show()
        self.marks.append((self.evaluations, time.perf_counter(), time.process_time()))
        return loss

    def _show(self) -> None:
        with torch.no_grad():
            self._picture.copy_(self._copy)


def read_weights(path: Path) -> Weights:
    """Read the file, in PyTorch's order: (out, in, 3, 3)."""
    found = {}
    with np.load(path) as arrays:
        for block, i in CONVOLUTIONS:
            name = f"block{block}_conv{i}"
            kernel = torch.from_numpy(arrays[f"{name}/kernel"].transpose(3, 2, 0, 1).copy())
            found[name] = kernel, torch.from_numpy(arrays[f"{name}/bias"])
    return found


def by_pystiche(
    content: Path,
    style: Path,
    weights: Weights,
    output: Path,
    iterations: int | None,
    device: str,
) -> Callable[[], None]:
    """Follow the package's example for beginners: 500 steps of L-BFGS from the photograph."""
    for name, network in (("vgg", "vgg19"), ("alexnet", "alexnet")):
        module: Any = importlib.import_module(f"torchvision.models.{name}")
        module.model_urls = {network: ""}
    from pystiche import enc, loss, optim  # type: ignore[import-not-found]
    from pystiche.image import read_image, write_image  # type: ignore[import-not-found]

    encoder = enc.vgg19_multi_layer_encoder(pretrained=False, framework="caffe")
    encoder.load_state_dict(
        {
            f"conv{block}_{i}.{part}": weights[f"block{block}_conv{i}"][at]
            for block, i in CONVOLUTIONS
            for at, part in enumerate(("weight", "bias"))
        },
        map_names=False,
        framework="caffe",
    )
    encoder.requires_grad_(False).to(device)

    def work() -> None:
        of_content = loss.FeatureReconstructionLoss(
            encoder.extract_encoder("relu4_2"), score_weight=1e0
        )
        of_style = loss.MultiLayerEncodingLoss(
            encoder,
            [f"relu{block}_1" for block in range(1, 6)],
            lambda part, weight: loss.GramLoss(part, score_weight=weight),
            score_weight=1e3,
        )
        criterion = loss.PerceptualLoss(of_content, of_style)
        picture = read_image(str(content)).to(device)
        criterion.set_content_image(picture)
        criterion.set_style_image(read_image(str(style)).to(device))
        made = optim.image_optimization(
            picture.clone(), criterion, num_steps=iterations or 500, quiet=True
        )
        write_image(made.clamp(0, 1).cpu(), str(output))

    return work


def by_pastiche(
    content: Path,
    style: Path,
    weights: Weights,
    output: Path,
    iterations: int | None,
    device: str,
) -> Callable[[], None]:
    """Run what the package's command runs: 1,000 steps of L-BFGS from the photograph."""
    from pastiche import pastiche, vgg19  # type: ignore[import-not-found]

    network = vgg19.VGG19(vgg19.VGG19.Weights(**weights))
    # Its own file holds the same network, with other tables of 256 values a layer.
    vgg19.VGG19.from_quantized_bin = staticmethod(lambda *_, **__: network)
    with Image.open(content) as picture:
        size = max(picture.size)
    command = ["pastiche", "--seed", "0", "--no-verbose", "--size", str(size), "--device", device]
    command += ["--num-steps", str(iterations)] if iterations else []
    command += ["--content", str(content), "--styles", str(style), "--output", str(output)]
    return lambda: pastiche.main(command)


METHODS: dict[str, Callable[..., Callable[[], None]]] = {
    "pystiche": by_pystiche,
    "pastiche": by_pastiche,
}


def cost(
    began: tuple[float, float], ended: tuple[float, float], evaluations: int | None
) -> dict[str, float]:
    """Return seconds and the processor's seconds: of what ran, or of so many evaluations."""
    told = {}
    names = ("seconds", "processor")
    for name, at, start, end in zip(names, (1, 2), began, ended, strict=True):
        told[name] = end - start
        if evaluations:
            first, last = CountedLBFGS.marks[FIRST_STEPS - 1], CountedLBFGS.marks[-1]
            pace = (last[at] - first[at]) / (last[0] - first[0])
            told[name] += pace * (evaluations - last[0])
    return told


def main() -> None:
    """Run one transfer, and tell its cost."""
    parser = argparse.ArgumentParser(description="a transfer by another package")
    parser.add_argument("method", choices=METHODS)
    for name in ("content", "style", "weights", "output"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--iterations", type=int)
    parser.add_argument("--device", default="cpu", choices=("cpu", "cuda"))
    parser.add_argument("--cost-of", type=int, metavar="EVALUATIONS")
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # of old packages with a new PyTorch
    torch.optim.LBFGS = CountedLBFGS
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    with tempfile.TemporaryDirectory() as nowhere:
        work = METHODS[options.method](
            options.content,
            options.style,
            read_weights(options.weights),
            Path(nowhere) / "picture.png" if options.cost_of else options.output,
            FIRST_STEPS + TIMED_STEPS if options.cost_of else options.iterations,
            options.device,
        )
        began = time.perf_counter(), time.process_time()
        work()
        ended = time.perf_counter(), time.process_time()
    told: dict[str, Any] = {
        **cost(began, ended, options.cost_of),
        "memory": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
        "evaluations": options.cost_of or CountedLBFGS.evaluations,
        "device": torch.cuda.get_device_name() if options.device == "cuda" else "processor",
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
