"""Teach the network that finds people on a graphics card, in PyTorch.

    python benchmarks/person_pack.py pack PEOPLE OTHERS PACK.npz --selfie FILE
    python benchmarks/person_torch.py PACK.npz WEIGHTS.npz [--start FILE] [options]
    python benchmarks/person_pack.py write WEIGHTS.npz person.onnx

``nst train person`` computes by TensorFlow, and makes its examples on the processor. Here all but
decoding is done on the card, by the same loss and after the same recipe, and nothing is needed but
PyTorch, NumPy, OpenCV, this file, person_examples.py and person_pack.py. The weights are running
means, saved whenever they are judged; ``--start`` goes on from such a file.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Container, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from person_examples import Sources, examples
from person_pack import SIDE, Pack, Row
from torch import Tensor, nn
from torch.nn import functional

#: How much faster than MediaPipe's layers those learn that were added to them.
FASTER = 3.0


def enlarged(x: Tensor) -> Tensor:
    """Double the sides."""
    return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def silent(convolution: nn.Module) -> nn.Module:
    """Let a convolution give 0 until it is trained."""
    nn.init.zeros_(convolution.weight)
    nn.init.zeros_(convolution.bias)
    return convolution


class Gate(nn.Module):
    """Squeeze and excitation: the means of what is seen say how much each channel counts."""

    def __init__(self, channels: int, squeezed: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(channels, squeezed, 1)
        self.excite = nn.Conv2d(squeezed, channels, 1)

    def forward(self, seen: Tensor) -> Tensor:
        """Return a number from 0 to 1 for each channel."""
        squeezed = functional.relu(self.squeeze(seen.mean((2, 3), keepdim=True)))
        return torch.sigmoid(self.excite(squeezed))


class Block(nn.Module):
    """MobileNet's inverted residual; with `output`, a step to half the size, without the input."""

    def __init__(
        self,
        channels: int,
        between: int,
        side: int,
        squeezed: int = 0,
        *,
        output: int = 0,
        activation: Callable[[Tensor], Tensor] = functional.hardswish,
        new: bool = False,
    ) -> None:
        super().__init__()
        self.halves, self.activation = bool(output), activation
        self.margins = 2 * (side // 2 - 1, side // 2) if output else 4 * (side // 2,)
        self.expand = nn.Conv2d(channels, between, 1)
        self.depthwise = nn.Conv2d(between, between, side, 2 if output else 1, groups=between)
        self.gate = Gate(between, squeezed) if squeezed else None
        project = nn.Conv2d(between, output or channels, 1)
        self.project = silent(project) if new else project

    def forward(self, x: Tensor) -> Tensor:
        """Compute."""
        y = functional.pad(self.activation(self.expand(x)), self.margins)
        y = self.activation(self.depthwise(y))
        y = self.project(y if self.gate is None else y * self.gate(y))
        return y if self.halves else x + y


class Look(nn.Module):
    """Two 3 × 3 convolutions, the second of which gives 0 until it is trained."""

    def __init__(self, channels: int, between: int, output: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, between, 3, padding=1)
        self.second = silent(nn.Conv2d(between, output, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        """Compute."""
        return self.second(functional.relu(self.first(x)))


class Up(nn.Module):
    """A step to twice the size, joined with what the way down knew at that size."""

    def __init__(self, channels: int, known: int, between: int) -> None:
        super().__init__()
        self.gate = Gate(known, known)
        self.below = nn.Conv2d(channels, known, 1)
        self.join = nn.Conv2d(known, known, 1)
        self.depthwise = nn.Conv2d(known, known, 3, padding=1, groups=known)
        self.sharp = Look(known, between, known)

    def forward(self, x: Tensor, known: Tensor) -> Tensor:
        """Compute."""
        below = self.below(enlarged(x))
        x = functional.relu(self.join(known * self.gate(known + below) + below))
        x = x + functional.relu(self.depthwise(x))
        return x + self.sharp(x)


class Person(nn.Module):
    """``nstlib.PersonNet``: (B, 3, 256, 256) RGB in [-1, 1] → (B, 1, 256, 256), scores."""

    def __init__(self) -> None:
        super().__init__()
        relu = functional.relu
        self.conv1 = nn.Conv2d(3, 16, 3, 2)
        self.down4 = Block(16, 16, 3, 8, output=16, activation=relu)
        eighth = {
            "down8": Block(16, 72, 3, output=24, activation=relu),
            "block8": Block(24, 88, 3, activation=relu),
            **{f"more8_{n}": Block(24, 96, 3, new=True) for n in (1, 2)},
        }
        self.eighth = nn.Sequential(OrderedDict(eighth))
        sixteenth = {
            "down16": Block(24, 96, 5, 24, output=32),
            **{f"block16_{n}": Block(32, 128, 5, 32) for n in (1, 2)},
            **{f"block16_{n}": Block(32, 96, 5, 24) for n in (3, 4)},
            **{f"more16_{n}": Block(32, 192, 5, 48, new=True) for n in (1, 2, 3, 4)},
        }
        self.sixteenth = nn.Sequential(OrderedDict(sixteenth))
        deep = {
            "mean": nn.AvgPool2d(2),
            "down32": nn.Conv2d(32, 64, 1),
            "activation": nn.Hardswish(),
            **{f"more32_{n}": Block(64, 256, 5, 64, new=True) for n in (1, 2, 3, 4)},
            "up16": silent(nn.Conv2d(64, 32, 1)),
        }
        self.deep = nn.Sequential(OrderedDict(deep))
        self.bottom, self.whole = nn.Conv2d(32, 128, 1), nn.Conv2d(32, 128, 1)
        self.up8, self.up4, self.up2 = Up(128, 24, 64), Up(24, 16, 48), Up(16, 16, 8)
        self.scores = nn.ConvTranspose2d(16, 1, 2, 2)
        self.last = Look(1 + 3, 8, 1)

    def forward(self, image: Tensor) -> Tensor:
        """Compute the scores."""
        half = functional.hardswish(self.conv1(functional.pad(image, (0, 1, 0, 1))))
        quarter = self.down4(half)
        eighth = self.eighth(quarter)
        x = self.sixteenth(eighth)
        x = x + enlarged(self.deep(x))
        whole = torch.sigmoid(self.whole(x.mean((2, 3), keepdim=True)))
        x = functional.relu(self.bottom(x)) * whole
        x = self.up2(self.up4(self.up8(x, eighth), quarter), half)
        scores = self.scores(x)
        return scores + self.last(torch.cat([scores, image], 1))


def layer_name(path: str) -> str:
    """Say what ``nstlib.PersonNet`` calls a convolution of :class:`Person`.

    >>> layer_name("sixteenth.more16_1.gate.excite"), layer_name("up8.gate.excite")
    ('more16_1.excite', 'known8.excite')
    """
    stage, _, name = path.partition(".")
    if stage in ("eighth", "sixteenth", "deep"):
        path = name
    elif stage in ("up8", "up4", "up2"):
        size = stage[2:]
        own = {"below": f"up{size}", "join": f"join{size}", "depthwise": f"join{size}.depthwise"}
        renamed = name.replace("gate", f"known{size}").replace("sharp", f"sharp{size}")
        path = own.get(name, renamed)
    return path.replace(".gate.", ".")


def convolutions(network: Person) -> dict[str, Any]:
    """Return the convolutions by the names that ``nstlib.PersonNet`` gives them."""
    kinds = (nn.Conv2d, nn.ConvTranspose2d)
    modules = network.named_modules()
    return {layer_name(path): module for path, module in modules if isinstance(module, kinds)}


def set_weights(network: Person, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Give convolutions the arrays NAME.weight and NAME.bias, as far as they are there."""
    for name, module in convolutions(network).items():
        for kind, parameter in module.named_parameters():
            if f"{name}.{kind}" in arrays:
                values = arrays[f"{name}.{kind}"].astype(np.float32)
                parameter.data.copy_(torch.from_numpy(values))


def save_weights(network: Person, path: str) -> None:
    """Write such arrays."""
    arrays = {
        f"{name}.{kind}": parameter.detach().cpu().numpy()
        for name, module in convolutions(network).items()
        for kind, parameter in module.named_parameters()
    }
    np.savez(path, **arrays)


def person_loss(scores: Tensor, truth: Tensor) -> Tensor:
    """``nstlib.training.person.person_loss``, from scores; the mean over the batch.

    Here the outline is also where people are cut off by the picture's side.
    """
    entropy = functional.binary_cross_entropy_with_logits(scores, truth, reduction="none")
    around = functional.avg_pool2d(truth, 11, 1, 5)
    outline = 1 + 4 * ((around > 0.02) & (around < 0.98)).float()
    cross = (outline * entropy).sum((1, 2, 3)) / outline.sum((1, 2, 3))
    person = torch.sigmoid(scores)

    def overlap(one: Tensor, other: Tensor) -> Tensor:
        both = (one * other).sum((1, 2, 3))
        return (both + 50) / ((one + other).sum((1, 2, 3)) - both + 50)

    people, background = overlap(truth, person), overlap(1 - truth, 1 - person)
    return (cross + 0.5 * (1 - people) + 0.25 * (1 - background)).mean()


class Judge:
    """Says how well people are found: the mean IoU of pictures, and what is found of nobody."""

    def __init__(self, pack: Pack, rows: Sequence[Row]) -> None:
        self.groups = [row.group or "nobody" for row in rows]
        self.masks = [pack.mask(row) for row in rows]
        self.pictures = torch.stack([self.prepared(pack.picture(row)) for row in rows])

    @staticmethod
    def prepared(picture: NDArray[np.uint8]) -> Tensor:
        """Shrink by means over areas, as ``nstlib.PersonSegmenter`` does."""
        height, width = (min(side, SIDE) for side in picture.shape[:2])
        floats = picture.astype(np.float32) / 255
        small = cv2.resize(floats, (width, height), interpolation=cv2.INTER_AREA)
        square = cv2.resize(small, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
        return torch.from_numpy(2 * square - 1).permute(2, 0, 1).half()

    @torch.no_grad()
    def __call__(self, network: Person) -> str:
        """Judge a network."""
        device = torch.get_default_device()
        batches = [network(batch.to(device).float()) for batch in self.pictures.split(32)]
        found = torch.sigmoid(torch.cat(batches))[:, 0].cpu().numpy()
        marks: dict[str, list[float]] = {}
        for group, mask, person in zip(self.groups, self.masks, found, strict=True):
            if mask is None:
                mark = (person > 0.5).mean()
            else:
                said, truth = cv2.resize(person, mask.shape[::-1]) > 0.5, mask > 127
                pairs = ((said, truth), (~said, ~truth))
                mark = np.mean([(a & b).sum() / max(1, (a | b).sum()) for a, b in pairs])
            marks.setdefault(group, []).append(float(mark))
        return " ".join(f"{group} {np.mean(values):.4f}" for group, values in marks.items())


def learning(network: Person, known: Container[str], options: argparse.Namespace) -> Any:
    """Return an optimiser and its schedule: a short rise, then half a cosine down to 1 %."""
    parameters = [
        {
            "params": list(module.parameters()),
            "lr": options.learning_rate * (1.0 if f"{name}.weight" in known else FASTER),
        }
        for name, module in convolutions(network).items()
    ]

    def pace(step: int) -> float:
        falling = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / options.steps))
        return min(1.0, (step + 1) / options.warm_up) * falling

    optimizer = torch.optim.AdamW(parameters, weight_decay=1e-4, fused=torch.cuda.is_available())
    return optimizer, torch.optim.lr_scheduler.LambdaLR(optimizer, pace)


def train(options: argparse.Namespace) -> None:
    """Train, and save the running means of the weights."""
    torch.set_default_device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(1)
    torch.manual_seed(options.seed)
    pack = Pack.load(options.pack)
    network = Person().to(memory_format=torch.channels_last)
    set_weights(network, pack.weights)
    if options.start:
        with np.load(options.start) as arrays:
            set_weights(network, dict(arrays))
    mean = copy.deepcopy(network)
    optimizer, schedule = learning(network, pack.weights, options)
    sources = Sources.load(pack, options.limit, dict(options.share), dict(options.paste))
    judge = Judge(pack, [row for row in pack.rows if row.kept_back][: options.limit or None])
    print(f"at the start: {judge(network)}", flush=True)
    began, losses = time.perf_counter(), torch.zeros(())
    torch.manual_seed(options.seed)  # so that examples do not depend on what was drawn before
    for step in range(options.steps):
        with torch.no_grad():
            image, mask = examples(sources, options.batch)
            image = (2 * image - 1).contiguous(memory_format=torch.channels_last)
        loss = person_loss(network(image), mask)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        # A tenth of the steps so far, at most, counts in the mean.
        kept = min(options.momentum, 1 - 1 / max(10, 0.07 * step))
        with torch.no_grad():
            for old, new in zip(mean.parameters(), network.parameters(), strict=True):
                old.lerp_(new, 1 - kept)
        losses += loss.detach()
        done = step + 1
        if done % options.every == 0 or done == options.steps:
            told = float(losses) / ((done - 1) % options.every + 1)
            if not math.isfinite(told):
                raise SystemExit(f"at step {done} the loss is no number")
            seconds = time.perf_counter() - began
            print(f"{done} {seconds:.0f} s, loss {told:.6f}; {judge(mean)}", flush=True)
            losses.zero_()
            save_weights(mean, options.output)


def share(text: str) -> tuple[str, float]:
    """Read GROUP=NUMBER."""
    group, _, number = text.partition("=")
    return group, float(number)


def main() -> None:
    """Train."""
    parser = argparse.ArgumentParser(description="a network that finds people, on a graphics card")
    parser.add_argument("pack", help="of photographs, .npz")
    parser.add_argument("output", help="the weights, .npz")
    parser.add_argument("--start", help="weights to go on from")
    parser.add_argument(
        "--share",
        type=share,
        action="append",
        default=[],
        metavar="GROUP=NUMBER",
        help="how often people of a group are shown",
    )
    parser.add_argument(
        "--paste",
        type=share,
        action="append",
        default=[],
        metavar="GROUP=NUMBER",
        help="how often they are cut out and pasted",
    )
    parser.add_argument("--steps", type=int, default=7000)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=2.1e-4)
    parser.add_argument("--warm-up", type=int, default=60, help="steps")
    parser.add_argument("--momentum", type=float, default=0.998, help="of the running means")
    parser.add_argument("--every", type=int, default=400, help="steps from judging to judging")
    parser.add_argument("--limit", type=int, default=0, help="pictures of a group, to try it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="of the processor")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
