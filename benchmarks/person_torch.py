"""Teach the network that finds people on a graphics card, in PyTorch.

    python benchmarks/person_torch.py pack PEOPLE OTHERS PACK.npz --selfie FILE
    python benchmarks/person_torch.py train PACK.npz WEIGHTS.npz [--start FILE] [options]
    python benchmarks/person_torch.py write WEIGHTS.npz person.onnx

``nst train person`` computes by TensorFlow, and makes its examples on the processor. Here all but
decoding is done on the card, by the same loss and after the same recipe. PEOPLE holds photographs
in images/ and their masks in masks/, OTHERS photographs without people, FILE is MediaPipe's selfie
segmentation. What trains needs PyTorch, NumPy, OpenCV, this file and person_examples.py; before and
after it, nstlib reads and writes. The weights are running means, saved whenever they are judged;
``--start`` goes on from such a file. Written as person.keras, the network can be trained further by
``nst train person --start person.keras``.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from collections import OrderedDict
from collections.abc import Callable, Container, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from person_examples import CANVAS, SIDE, Pack, Row, Sources, examples
from torch import Tensor, nn
from torch.nn import functional

#: How much faster than MediaPipe's layers those learn that were added to them.
FASTER = 3.0

#: The group of photographs whose masks networks have guessed.
GUESSED = "guessed"


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
    """``nstlib.training.person.person_loss``, from scores; the mean over the batch."""
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


def write_pack(options: argparse.Namespace) -> None:
    """Pack photographs, reduced, with MediaPipe's weights."""
    from nstlib.images.arrays import to_uint8
    from nstlib.inference.segmenter import PersonSegmenter
    from nstlib.sources import load_image
    from nstlib.training.people import group_of, pairs
    from nstlib.training.photos import image_files, keep_back
    from nstlib.training.selfie import selfie_weights

    rows: list[Row] = []
    files: list[NDArray[np.uint8]] = []

    def add(group: str, kept: bool, picture: NDArray[np.uint8], mask: Any = None) -> None:
        rows.append(Row(group, kept, len(files), -1 if mask is None else len(files) + 1))
        files.extend([picture] if mask is None else [picture, mask])

    def reduced(picture: NDArray[np.uint8], shorter: int, longer: int = CANVAS) -> Any:
        height, width = picture.shape[:2]
        scale = min(1.0, shorter / min(height, width), longer / max(height, width))
        size = round(width * scale), round(height * scale)
        return cv2.resize(picture, size, interpolation=cv2.INTER_AREA)

    def encoded(picture: NDArray[np.uint8], quality: int) -> NDArray[np.uint8]:
        return np.asarray(cv2.imencode(".webp", picture, [cv2.IMWRITE_WEBP_QUALITY, quality])[1])

    learned, judged = keep_back(pairs(options.people), options.kept_back)
    for photo, mask in learned:
        picture = reduced(cv2.imread(str(photo)), 272)
        people = cv2.imread(str(mask), cv2.IMREAD_GRAYSCALE)
        people = cv2.resize(people, picture.shape[1::-1], interpolation=cv2.INTER_AREA)
        hard = np.where(people > 127, 255, 0).astype(np.uint8)
        add(group_of(photo), False, encoded(picture, 72), cv2.imencode(".png", hard)[1])
    for photo, mask in judged:
        add(group_of(photo), True, np.fromfile(photo, np.uint8), np.fromfile(str(mask), np.uint8))
    teachers = [PersonSegmenter(name) for name in options.teacher or ["person"]]
    for photo in image_files(options.guessed or []):
        picture = load_image(photo)
        mirrored = np.ascontiguousarray(picture[:, ::-1])
        said = [x for t in teachers for x in (t(picture), t(mirrored)[:, ::-1])]
        small = reduced(to_uint8(picture)[..., ::-1], SIDE)
        soft = cv2.resize(np.mean(said, axis=0), small.shape[1::-1], interpolation=cv2.INTER_AREA)
        add(GUESSED, False, encoded(small, 74), cv2.imencode(".png", to_uint8(soft))[1])
    without, without_judged = keep_back(image_files([options.others]), options.kept_back)
    for kept, photos in ((False, without), (True, without_judged)):
        for photo in photos:
            add("", kept, encoded(reduced(cv2.imread(str(photo)), 224, 400), 57 + 23 * kept))
    weights = {
        f"{layer}.{kind}": array
        for layer, arrays in selfie_weights(options.selfie).items()
        for kind, array in zip(("weight", "bias"), arrays, strict=True)
    }
    Pack(rows, files, weights).save(options.pack)


def write_network(options: argparse.Namespace) -> None:
    """Write a network of trained weights, .onnx or .keras."""
    from nstlib.cli import _outputs
    from nstlib.networks.person import PersonNet
    from nstlib.training import selfie

    with np.load(options.weights) as arrays:
        names = {name.rsplit(".", 1)[0] for name in arrays}
        weights = {name: (arrays[f"{name}.weight"], arrays[f"{name}.bias"]) for name in names}
    network = PersonNet()
    selfie.set_weights(network, weights)
    _outputs.write_network(
        Path(options.output),
        network,
        dict(entry.split("=", 1) for entry in options.metadata),
        output_name="probabilities",
        value_range=(-1, 1),
        tolerance=1e-3,
    )


def share(text: str) -> tuple[str, float]:
    """Read GROUP=NUMBER."""
    group, _, number = text.partition("=")
    return group, float(number)


def main() -> None:
    """Pack, train or write."""
    parser = argparse.ArgumentParser(description="a network that finds people, on a graphics card")
    commands = parser.add_subparsers(required=True)
    command = commands.add_parser("pack", help="photographs and MediaPipe's weights into one file")
    command.add_argument("people", help="a folder with images/ and masks/")
    command.add_argument("others", help="a folder of photographs without people")
    command.add_argument("pack", help="where to write, .npz")
    command.add_argument("--selfie", required=True, help="MediaPipe's selfie segmentation")
    command.add_argument("--guessed", action="append", help="people without masks")
    command.add_argument("--teacher", action="append", help="a network that guesses these masks")
    command.add_argument("--kept-back", type=float, default=0.125, help="share to judge by")
    command.set_defaults(run=write_pack)
    command = commands.add_parser("train", help="from a pack to weights")
    command.add_argument("pack")
    command.add_argument("output", help="the weights, .npz")
    command.add_argument("--start", help="weights to go on from")
    command.add_argument("--share", type=share, action="append", default=[], help="GROUP=NUMBER")
    command.add_argument("--paste", type=share, action="append", default=[], help="GROUP=NUMBER")
    command.add_argument("--steps", type=int, default=7000)
    command.add_argument("--batch", type=int, default=16)
    command.add_argument("--learning-rate", type=float, default=2.1e-4)
    command.add_argument("--warm-up", type=int, default=60, help="steps")
    command.add_argument("--momentum", type=float, default=0.998, help="of the running means")
    command.add_argument("--every", type=int, default=400, help="steps from judging to judging")
    command.add_argument("--limit", type=int, default=0, help="pictures of a group, to try it")
    command.add_argument("--seed", type=int, default=0)
    command.add_argument("--threads", type=int, default=1)
    command.set_defaults(run=train)
    command = commands.add_parser("write", help="from weights to a network, .onnx or .keras")
    command.add_argument("weights")
    command.add_argument("output")
    command.add_argument("--metadata", action="append", default=[], help="KEY=VALUE, for ONNX")
    command.set_defaults(run=write_network)
    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
