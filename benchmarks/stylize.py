"""How long does a painting take? The library's style networks against the tutorial's.

    python benchmarks/stylize.py [--repeats 7] [--styles starry_night]

On one side stands the tutorial's network, Johnson's with 1.68 million parameters, as PyTorch runs
it (where PyTorch is installed) and, exported, as ONNX Runtime and OpenCV run it: from blob to blob,
nothing else. On the other side stands the library, from a picture to the painting: a style that
comes with it, and every size of network that it trains, by both backends. Weights are random where
they are not a style's: the cost does not depend on them.

All take turns, so that each has the same share of what else the machine does; the median counts.
"""

from __future__ import annotations

import argparse
import functools
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime

import nstlib as nst
from nstlib.images.arrays import Image, to_blob
from nstlib.networks.transformer import VARIANTS, TransformerNet
from nstlib.onnx.translation import to_onnx

#: (height, width).
SIZES = ((256, 256), (360, 640))

Run = Callable[[], object]


def pytorch_network() -> Any:
    """Build the tutorial's network in PyTorch."""
    import torch
    from torch import nn

    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.steps = nn.Sequential(*conv(128, 128, 3), nn.ReLU(), *conv(128, 128, 3))

        def forward(self, x: Any) -> Any:
            return x + self.steps(x)

    def conv(inside: int, outside: int, side: int, stride: int = 1) -> list[Any]:
        return [
            nn.ReflectionPad2d(side // 2),
            nn.Conv2d(inside, outside, side, stride),
            nn.InstanceNorm2d(outside, affine=True),
        ]

    steps = [*conv(3, 32, 9), nn.ReLU(), *conv(32, 64, 3, 2), nn.ReLU(), *conv(64, 128, 3, 2)]
    steps += [nn.ReLU(), *(Residual() for _ in range(5))]
    for inside, outside in ((128, 64), (64, 32)):
        steps += [nn.Upsample(scale_factor=2), *conv(inside, outside, 3), nn.ReLU()]
    steps += conv(32, 3, 9)[:2]  # nothing normalises the picture itself
    network = nn.Sequential(*steps).eval()
    weights = sum(weight.numel() for weight in network.parameters())
    assert weights == TransformerNet().count_params()
    torch.set_grad_enabled(False)
    return network


def tutorials(exported: Path, photo: Image) -> dict[str, Run]:
    """Run the tutorial's network from blob to blob, by each runtime."""
    blob = 255 * to_blob(photo)
    found: dict[str, Run] = {}
    try:
        import torch

        network, tensor = pytorch_network(), torch.from_numpy(blob)
        found["PyTorch"] = lambda: network(tensor)
    except ImportError:
        print("PyTorch is not installed: pip install torch")
    session = onnxruntime.InferenceSession(exported, providers=["CPUExecutionProvider"])
    found["ONNX Runtime"] = lambda: session.run(None, {"image": blob})
    net = cv2.dnn.readNetFromONNX(str(exported))

    def opencv() -> object:
        net.setInput(blob)
        return net.forward()

    return found | {"cv2.dnn": opencv}


def medians(runs: dict[str, Run], repeats: int) -> dict[str, float]:
    """Time functions in turns. Each is called twice in a row, and the second call counts.

    In a film, too, a network finds its own data in the processor's caches, and not another one's;
    and the threads of whatever ran before have ended their search for more work.
    """
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats):
        for name, run in runs.items():
            run()
            began = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - began)
    return {name: float(np.median(found)) for name, found in times.items()}


def main() -> None:
    """Print times and ratios at both sizes, and the frames a second of the lite network."""
    parser = argparse.ArgumentParser(description="style networks: the library's, the tutorial's")
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--styles", nargs="*", default=["starry_night"])
    options = parser.parse_args()

    with tempfile.TemporaryDirectory() as folder:
        files = {}
        for variant, arguments in VARIANTS.items():
            files[variant] = Path(folder, f"{variant}.onnx")
            onnx.save(to_onnx(TransformerNet(**arguments)), files[variant])
        stylizers = {
            f"{name}, {backend}": nst.Stylizer(model, backend=backend)
            for name, model in ({name: name for name in options.styles} | files).items()
            for backend in ("cv2", "ort")
        }
        for size in SIZES:
            photo = nst.load_image("coffee", size)
            theirs = tutorials(files["full"], photo)
            ours: dict[str, Run] = {
                name: functools.partial(stylizer, photo) for name, stylizer in stylizers.items()
            }
            found = medians(theirs | ours, options.repeats)
            best = min(theirs, key=found.__getitem__)
            print(f"{size[1]}x{size[0]} pixels")
            for name in theirs:
                print(f"  the tutorial's network, {name:13} {1e3 * found[name]:7.1f} ms")
            for name in ours:
                print(
                    f"  nst.Stylizer, {name:23} {1e3 * found[name]:7.1f} ms, "
                    f"{found[best] / found[name]:.1f} times as fast as {best}, "
                    f"{1 / found[name]:.1f} frames a second"
                )


if __name__ == "__main__":
    main()
