"""Teach the networks that paint in any style on a graphics card, in PyTorch.

    python benchmarks/any_style_torch.py train PACK.npz VGG19.npz TWIN.npz WEIGHTS.npz [options]
    python benchmarks/any_style_torch.py write WEIGHTS.npz FOLDER

``nst train any-style`` computes by TensorFlow. Here the same networks learn by the same loss, and a
card makes thousands of steps in minutes. PACK holds photographs and styles, as ``nst train
any-style`` packs them; VGG19.npz, the judge, and TWIN.npz, which looks at styles, are files that
``nst`` wrote. The weights are running means. ``--start WEIGHTS.npz`` goes on from such a file;
``write`` needs the whole library, and makes the two files that paint.
"""

from __future__ import annotations

import argparse
import contextlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from judge_torch import (
    CONTENT_LAYER,
    STYLE_LAYERS,
    VGG19,
    Clock,
    Pictures,
    Steps,
    background,
    beyond,
    content_losses,
    lattice,
    save,
    set_up,
    statistics,
    style_losses,
)
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from nstlib.training.any_style.pictures import Batches, Pack

#: As in :mod:`nstlib.networks.any_style`.
LAYERS = ("block1_conv1", "block2_conv1", "block3_conv1", "block4_conv1", "block4_conv4")
CHANNELS, BLOCKS, KERNELS, VECTOR, HIDDEN = (16, 32, 32, 112), (4, 1), (5, 3), 256, 192


def means_and_deviations(features: Tensor) -> tuple[Tensor, Tensor]:
    """Measure the channels of (B, C, H, W): (B, C, 1, 1) each."""
    variance, mean = torch.var_mean(features.float(), (2, 3), correction=0, keepdim=True)
    return mean, (variance + 1e-5).sqrt()


def measured(features: Sequence[Tensor]) -> Tensor:
    """Join the means and the deviations of several layers: (B, N, 1, 1)."""
    return torch.cat([x for layer in features for x in means_and_deviations(layer)], 1)


def mirrored(x: Tensor, pixels: int) -> Tensor:
    """Continue (B, C, H, W) beyond its borders by its mirror image."""
    for axis in (2, 3):
        first = x.narrow(axis, 1, pixels).flip(axis)
        last = x.narrow(axis, x.shape[axis] - 1 - pixels, pixels).flip(axis)
        x = torch.cat([first, x, last], axis)
    return x


class Norm(nn.Module):
    """Instance normalization with a scale and a shift of its own."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise a batch."""
        x = x.float()
        variance, mean = torch.var_mean(x, (2, 3), correction=0, keepdim=True)
        scale = self.gamma[:, None, None] * (variance + 1e-5).rsqrt()
        return x * scale + (self.beta[:, None, None] - mean * scale)


class Affine(nn.Module):
    """Scale and shift each channel as a style's vector says."""

    def __init__(self, channels: int, *, colors: bool = False) -> None:
        super().__init__()
        kernel = torch.zeros(VECTOR, 2 * channels)
        bias = torch.zeros(2 * channels)
        if colors:
            kernel[-channels:, :channels] = torch.eye(channels)
            kernel[-2 * channels : -channels, channels:] = torch.eye(channels)
        else:
            nn.init.trunc_normal_(kernel, std=math.sqrt(0.3 / VECTOR))
            bias[:channels] = 1
        self.kernel, self.bias = nn.Parameter(kernel), nn.Parameter(bias)

    def forward(self, x: Tensor, vector: Tensor) -> Tensor:
        """Scale and shift a batch."""
        scale, shift = (vector.flatten(1) @ self.kernel + self.bias)[:, :, None, None].chunk(2, 1)
        return x * scale + shift


class Painter(nn.Module):
    """``nstlib.networks.any_style.AnyStyleNet``, its layers under the same names.

    PyTorch allows no dot in a name: ``res1.conv1`` is ``res1-conv1``.
    """

    def __init__(self) -> None:
        super().__init__()
        full, half, quarter, eighth = CHANNELS
        self.convolutions, self.norms, self.affines = (nn.ModuleDict() for _ in range(3))
        self.precision: Callable[[], Any] = contextlib.nullcontext

        def add(name: str, inputs: int, outputs: int, side: int = 3, *, styled: bool) -> None:
            self.convolutions[name] = convolution = nn.Conv2d(inputs, outputs, side)
            nn.init.xavier_uniform_(convolution.weight)
            nn.init.zeros_(convolution.bias)
            self.norms[name] = Norm(outputs)
            if styled:
                self.affines[name] = Affine(outputs, colors=name == "last")

        add("conv1", 3, full, KERNELS[0], styled=False)
        add("conv2", full, half, styled=False)
        add("conv3", half, quarter, styled=True)
        add("conv4", quarter, eighth, styled=True)
        for number in range(1, sum(BLOCKS) + 1):
            width = eighth if number <= BLOCKS[0] else quarter
            add(f"res{number}-conv1", width, width, styled=True)
            add(f"res{number}-conv2", width, width, styled=True)
        add("up1", eighth, quarter, styled=True)
        add("up2", quarter, half, styled=True)
        add("up3", half, full, styled=True)
        add("last", full, 3, KERNELS[1], styled=True)
        self.affines["by1"], self.affines["by2"] = Affine(quarter), Affine(full)

    def convolved(self, x: Tensor, name: str, stride: int = 1) -> Tensor:
        """Convolve, with mirrored borders."""
        layer = self.convolutions[name]
        with contextlib.nullcontext() if name == "last" else self.precision():
            return functional.conv2d(
                mirrored(x, layer.kernel_size[0] // 2), layer.weight, layer.bias, stride
            )

    def forward(self, photos: Tensor, vector: Tensor) -> Tensor:
        """Paint a batch, RGB in [0, 1], sides multiples of 8."""

        def styled(x: Tensor, name: str) -> Tensor:
            return self.affines[name](x, vector)

        def layer(x: Tensor, name: str, stride: int = 1) -> Tensor:
            x = self.norms[name](self.convolved(x, name, stride))
            return styled(x, name) if name in self.affines else x

        def enlarged(x: Tensor) -> Tensor:
            return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)

        def block(x: Tensor, number: int) -> Tensor:
            y = functional.relu(layer(x, f"res{number}-conv1"))
            return x + layer(y, f"res{number}-conv2")

        fine = layer(photos, "conv1")
        x = functional.relu(layer(functional.relu(fine), "conv2", 2))
        middle = self.norms["conv3"](self.convolved(x, "conv3", 2))
        x = functional.relu(layer(functional.relu(styled(middle, "conv3")), "conv4", 2))
        for number in range(1, BLOCKS[0] + 1):
            x = block(x, number)
        x = functional.relu(enlarged(layer(x, "up1")) + styled(middle, "by1"))
        for number in range(BLOCKS[0] + 1, sum(BLOCKS) + 1):
            x = block(x, number)
        x = functional.relu(layer(x, "up2"))
        x = functional.relu(enlarged(layer(enlarged(x), "up3")) + styled(fine, "by2"))
        return layer(x, "last")


class AnyStyle(nn.Module):
    """What is trained: the painter, and the layers that pick a style's vector."""

    def __init__(self, statistics: int) -> None:
        super().__init__()
        self.painter = Painter()
        self.dense1, self.dense2 = nn.Linear(statistics, HIDDEN), nn.Linear(HIDDEN, VECTOR - 6)
        for layer in (self.dense1, self.dense2):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def standardise(self, statistics: Tensor) -> None:
        """Make the first layer see numbers of the order of 1, from those of styles, (N, C)."""
        spread, mean = torch.std_mean(statistics, 0, correction=0)
        spread = torch.maximum(spread, 0.02 * spread.mean())
        with torch.no_grad():
            self.dense1.weight /= spread
            self.dense1.bias -= self.dense1.weight @ mean

    def vector(self, statistics: Tensor, styles: Tensor) -> Tensor:
        """Give the vectors (B, 256, 1, 1) of styles."""
        x = self.dense2(functional.relu6(self.dense1(statistics.flatten(1))))
        return torch.cat([x[:, :, None, None], measured([styles])], 1)

    def views(self) -> dict[str, Tensor]:
        """Give the weights under the names, and in the order of axes, that Keras has."""
        found: dict[str, Tensor] = {}
        for number, dense in enumerate((self.dense1, self.dense2), 1):
            found[f"predictor.dense{number}/kernel"] = dense.weight.T[None, None]
            found[f"predictor.dense{number}/bias"] = dense.bias
        for name, convolution in self.painter.convolutions.items():
            found[f"{name}/kernel"] = convolution.weight.permute(2, 3, 1, 0)
            found[f"{name}/bias"] = convolution.bias
        for name, norm in self.painter.norms.items():
            found[f"{name}.norm/gamma"], found[f"{name}.norm/beta"] = norm.gamma, norm.beta
        for name, affine in self.painter.affines.items():
            found[f"{name}.styled/kernel"] = affine.kernel
            found[f"{name}.styled/bias"] = affine.bias
        return {name.replace("-", "."): x.detach() for name, x in found.items()}

    def arrays(self) -> dict[str, NDArray[np.float32]]:
        """Give the weights as NumPy's arrays."""
        return {name: x.float().cpu().numpy().copy() for name, x in self.views().items()}

    def load(self, arrays: Mapping[str, NDArray[np.float32]]) -> None:
        """Take weights that :meth:`arrays` gave."""
        for name, view in self.views().items():
            view.copy_(torch.from_numpy(np.array(arrays[name], np.float32)))


class Teacher:
    """From photographs and styles to losses; see :class:`nstlib.training.any_style.teach.Teacher`.

    Parameters
    ----------
    network
        What is trained.
    judge, twin
        Those that judge paintings, and that look at styles.
    content_weight, lattice_weight
        Of the terms beside the style's.
    """

    def __init__(
        self,
        network: AnyStyle,
        judge: VGG19,
        twin: VGG19,
        content_weight: float,
        lattice_weight: float,
    ) -> None:
        self.network, self.judge, self.twin = network, judge, twin
        self.content_weight, self.lattice_weight = content_weight, lattice_weight

    def looked(self, styles: Tensor) -> Tensor:
        """Measure styles as the networks see them: (B, N, 1, 1)."""
        found = self.twin(styles)
        return measured([found[layer] for layer in LAYERS])

    def __call__(self, photos: Tensor, styles: Tensor) -> dict[str, Tensor]:
        """Losses of a batch, (B, 3, H, W) each, uint8."""
        photos, styles = photos / 255.0, styles / 255.0
        with torch.no_grad():
            seen = self.judge(torch.cat([styles, photos]))
            count = len(styles)
            wanted = {layer: statistics(seen[layer][:count]) for layer in STYLE_LAYERS}
            content = seen[CONTENT_LAYER][count:]
            looked = self.looked(styles)
        painted = self.network.painter(photos, self.network.vector(looked, styles))
        found = self.judge(painted)
        by_layer = style_losses({name: statistics(found[name]) for name in STYLE_LAYERS}, wanted)
        contents = content_losses(found[CONTENT_LAYER], content)
        patterns = lattice(painted)
        # The logarithm keeps a style that is far from every photograph from deciding a step alone.
        loss = (
            torch.stack([x.log1p() for x in by_layer.values()]).mean()
            + self.content_weight * contents.log1p().mean()
            + self.lattice_weight * patterns
            + 10.0 * beyond(painted)
        )
        told = {f"style{block}": by_layer[f"block{block}_conv1"].mean() for block in range(1, 6)}
        return {"loss": loss, "content": contents.mean(), "lattice": patterns, **told}


def maker(pack: Pack, size: int, batch: int, seed: int) -> Callable[[int], list[Pictures]]:
    """Make batches as ``nst train any-style`` does; a third of the styles are turned."""
    batches = Batches(pack, size, batch, seed)

    def make(number: int) -> list[Pictures]:
        photos, styles = batches.make(number)
        turns = np.random.default_rng((seed, 1, number)).choice([0, 0, 0, 0, 1, 3], batch)
        # A photograph that is its own style stays as it is.
        turns[[np.array_equal(*pair) for pair in zip(photos, styles, strict=True)]] = 0
        turned = [np.rot90(x, turn) for x, turn in zip(styles, turns, strict=True)]
        return [photos, np.stack(turned)]

    return make


def train(options: argparse.Namespace) -> None:
    """Train until the time is over."""
    began = time.perf_counter()
    device = set_up(options.device)
    card = device.type == "cuda"
    half = torch.bfloat16 if card else torch.float32
    judge = VGG19(options.judge, [*STYLE_LAYERS, CONTENT_LAYER], half).to(device)
    twin = VGG19(options.twin, LAYERS, torch.float32).to(device)
    make = maker(Pack.load(options.pack), options.size, options.batch, options.seed)

    def tensors(number: int) -> list[Tensor]:
        return [torch.from_numpy(x).to(device).permute(0, 3, 1, 2) for x in make(number)]

    width = measured([twin(tensors(0)[1] / 255.0)[layer] for layer in LAYERS]).shape[1]
    network = AnyStyle(width).to(device)
    if card:
        network.painter = network.painter.to(memory_format=torch.channels_last)
        network.painter.precision = lambda: torch.autocast(
            "cuda", torch.bfloat16, cache_enabled=False
        )
    teacher = Teacher(network, judge, twin, options.content_weight, options.lattice_weight)
    if options.start:
        with np.load(options.start) as arrays:
            network.load(arrays)
    else:
        styles = (tensors(10**6 + number)[1] / 255.0 for number in range(240 // options.batch + 1))
        network.standardise(torch.cat([teacher.looked(x).flatten(1) for x in styles]))
    steps = Steps(list(network.parameters()), teacher, tensors(0), options.learning_rate)
    batches = background(make, options.workers, device)
    clock = Clock(options.minutes)
    saved = waited = 0.0

    def checked(told: dict[str, float]) -> dict[str, float]:
        if not all(map(math.isfinite, told.values())):
            raise SystemExit(f"the loss is no number; {options.weights} stays as it was")
        return told

    print(f"begins after {clock.began - began:.0f} s", flush=True)
    while clock.gone() < 1 and steps.done != options.steps:
        asked = time.perf_counter()
        batch = next(batches)
        waited += time.perf_counter() - asked
        steps(batch, clock.share())
        if steps.done % options.every == 0:
            told = steps.told()  # waits for the card
            seconds = clock.gone() * clock.seconds
            terms = " ".join(f"{name} {value:.4f}" for name, value in told.items())
            print(f"{steps.done} {seconds:.0f} s, {waited:.0f} for examples {terms}", flush=True)
            checked(told)
            if seconds > saved + 45:
                saved = seconds
                with steps.averaged():
                    save(options.weights, network.arrays())
    checked(steps.told())
    with steps.averaged():
        save(options.weights, network.arrays())
    print(f"{steps.done} steps of {options.batch}", flush=True)


def fill(teacher: Any, arrays: Mapping[str, NDArray[np.float32]]) -> None:
    """Give the library's networks the weights that were trained here."""
    for model in (teacher.predictor, teacher.network):
        for layer in model.layers:
            names = [f"{layer.name}/{weight.name}" for weight in layer.weights]
            layer.set_weights([arrays[name] for name in names])


def write(options: argparse.Namespace) -> None:
    """Write the encoder and the painter."""
    from nstlib.training.any_style import exporting, teach

    teacher = teach.Teacher(teach.Settings(dtype="float32"), options.twin)
    with np.load(options.weights) as arrays:
        fill(teacher, arrays)
    told = dict(entry.split("=", 1) for entry in options.metadata)
    proofs = exporting.write_files(teacher, options.folder, told)
    print(*proofs, sep="\n")


def main() -> None:
    """Train or write."""
    parser = argparse.ArgumentParser(description="any style, on a graphics card")
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("train", help="until the time is over")
    command.add_argument("pack", help="photographs and styles, .npz")
    command.add_argument("judge", help="VGG19, .npz")
    command.add_argument("twin", help="the VGG19 that looks at styles, .npz")
    command.add_argument("weights", help="where to write, .npz")
    command.add_argument("--start", help="weights to go on from, .npz")
    command.add_argument("--minutes", type=float, default=9.0)
    command.add_argument("--steps", type=int, help="at most")
    command.add_argument("--content-weight", type=float, default=0.16)
    command.add_argument("--lattice-weight", type=float, default=30.0)
    command.add_argument("--learning-rate", type=float, default=1e-3)
    command.add_argument("--size", type=int, default=256, help="of the crops")
    command.add_argument("--batch", type=int, default=8)
    command.add_argument("--seed", type=int, default=0, help="of the examples")
    command.add_argument("--every", type=int, default=100, help="steps between two lines")
    command.add_argument("--workers", type=int, default=5, help="threads that cut crops")
    command.add_argument("--device", help="cuda or cpu")
    command.set_defaults(run=train)
    command = commands.add_parser("write", help="the two files that paint")
    command.add_argument("weights", help="what train has written, .npz")
    command.add_argument("folder")
    command.add_argument("--twin", default="mini", help="weights of the VGG19 that looks at styles")
    command.add_argument("--metadata", action="append", default=[], help="KEY=VALUE, for both")
    command.set_defaults(run=write)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
