"""Teach the network that finds people on a graphics card, in PyTorch.

    python benchmarks/person_pack.py pack PEOPLE OTHERS PACK.npz --selfie FILE
    python benchmarks/person_torch.py PACK.npz WEIGHTS.npz [--start FILE] [options]
    python benchmarks/person_pack.py write WEIGHTS.npz person.onnx

``nst train person`` computes by TensorFlow, and makes its examples on the processor. Here all but
decoding is done on the card, by the same loss and after the same recipe, and nothing is needed but
PyTorch, NumPy, OpenCV, this file, person_examples.py and person_pack.py. The weights are running
means, saved whenever they are judged; ``--start`` goes on from such a file. ``--minutes`` ends it
by the clock, with the rate near zero by then, however many steps there were time for.

A photograph without people is shown more often, the more of it was last taken for people.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from person_examples import Sources, examples
from person_pack import SIDE, Pack, Row
from torch import Tensor, nn
from torch.nn import functional

#: How much faster than those of the start such layers learn that had no weights then.
FASTER = 3.0

#: Channels of what is known of a picture at 8 × 8 places.
WIDE = 128

#: Batches that are made at once: a card makes many examples nearly as quickly as few.
AT_ONCE = 4


def enlarged(x: Tensor) -> Tensor:
    """Double the sides."""
    return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def mean(x: Tensor) -> Tensor:
    """Return the mean of each channel, (B, C, 1, 1)."""
    return x.mean((2, 3), keepdim=True)


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
        squeezed = functional.relu(self.squeeze(mean(seen)))
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
        }
        self.deep = nn.Sequential(OrderedDict(deep))
        side = {
            "side16": Block(24, 144, 5, output=96),
            **{f"side16_{n}": Block(96, 192, 5, 48, new=True) for n in (1, 2)},
            "mean": nn.AvgPool2d(2),
        }
        self.side = nn.Sequential(OrderedDict(side))
        self.wide32, self.wide_side = nn.Conv2d(64, WIDE, 1), nn.Conv2d(96, WIDE, 1)
        wide = {
            **{f"wide32_{n}": Block(WIDE, 384, 5, 96, new=True) for n in (1, 2, 3, 4)},
        }
        self.wide = nn.Sequential(OrderedDict(wide))
        self.back, self.up16 = silent(nn.Conv2d(WIDE, 64, 1)), silent(nn.Conv2d(64, 32, 1))
        self.bottom, self.whole = nn.Conv2d(32, 128, 1), nn.Conv2d(32, 128, 1)
        self.whole_wide = silent(nn.Conv2d(WIDE, 128, 1))
        self.up8, self.up4, self.up2 = Up(128, 24, 24), Up(24, 16, 24), Up(16, 16, 8)
        self.scores = nn.Conv2d(16, 1, 1)

    def seen(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Compute the scores, and what is known of the picture at 8 × 8 places."""
        half = functional.hardswish(self.conv1(functional.pad(image, (0, 1, 0, 1))))
        quarter = self.down4(half)
        eighth = self.eighth(quarter)
        x = self.sixteenth(eighth)
        deep = self.deep(x)
        both = self.wide32(deep) + self.wide_side(self.side(eighth))
        wide = self.wide(functional.hardswish(both))
        x = x + enlarged(self.up16(deep + self.back(wide)))
        whole = self.whole(mean(x)) + self.whole_wide(mean(wide))
        x = functional.relu(self.bottom(x)) * torch.sigmoid(whole)
        x = self.up2(self.up4(self.up8(x, eighth), quarter), half)
        return enlarged(self.scores(x).float()), wide

    def forward(self, image: Tensor) -> Tensor:
        """Compute the scores."""
        return self.seen(image)[0]


def layer_name(path: str) -> str:
    """Say what ``nstlib.PersonNet`` calls a convolution of :class:`Person`.

    >>> layer_name("sixteenth.more16_1.gate.excite"), layer_name("up8.gate.excite")
    ('more16_1.excite', 'known8.excite')
    """
    stage, _, name = path.partition(".")
    if stage in ("eighth", "sixteenth", "deep", "side", "wide"):
        path = name
    elif stage in ("up8", "up4", "up2"):
        size = stage[2:]
        own = {"below": f"up{size}", "join": f"join{size}", "depthwise": f"join{size}.depthwise"}
        renamed = name.replace("gate", f"known{size}").replace("sharp", f"sharp{size}")
        path = own.get(name, renamed)
    others = {"back": "wide32.back", "wide_side": "wide32.side", "whole_wide": "whole.wide"}
    return others.get(path, path).replace(".gate.", ".")


def convolutions(network: Person) -> dict[str, Any]:
    """Return the convolutions by the names that ``nstlib.PersonNet`` gives them."""
    modules = network.named_modules()
    return {layer_name(path): module for path, module in modules if isinstance(module, nn.Conv2d)}


def set_weights(network: Person, arrays: Mapping[str, NDArray[Any]]) -> None:
    """Give convolutions the arrays NAME.weight and NAME.bias, as far as they are there."""
    for name, module in convolutions(network).items():
        for kind, parameter in module.named_parameters():
            if f"{name}.{kind}" in arrays:
                values = arrays[f"{name}.{kind}"].astype(np.float32)
                parameter.data.copy_(torch.from_numpy(values))


def save_weights(network: Person, path: str | Path) -> None:
    """Write such arrays; the file appears as a whole, its folder too if it was not there."""
    arrays = {
        f"{name}.{kind}": parameter.detach().cpu().numpy()
        for name, module in convolutions(network).items()
        for kind, parameter in module.named_parameters()
    }
    part = Path(path).with_suffix(".part")
    part.parent.mkdir(parents=True, exist_ok=True)
    with part.open("wb") as file:
        np.savez(file, **arrays)
    part.replace(path)


def person_loss(scores: Tensor, truth: Tensor) -> Tensor:
    """``nstlib.training.person.person_loss``, from scores: a number for each picture.

    Here the outline is also where people are cut off by the picture's side.
    """
    entropy = functional.binary_cross_entropy_with_logits(scores, truth, reduction="none")
    around = functional.avg_pool2d(truth, (11, 1), 1, (5, 0))
    around = functional.avg_pool2d(around, (1, 11), 1, (0, 5))
    outline = 1 + 4 * ((around > 0.02) & (around < 0.98)).float()
    cross = (outline * entropy).sum((1, 2, 3)) / outline.sum((1, 2, 3))
    person = torch.sigmoid(scores)

    def overlap(one: Tensor, other: Tensor) -> Tensor:
        both = (one * other).sum((1, 2, 3))
        return (both + 50) / ((one + other).sum((1, 2, 3)) - both + 50)

    people, background = overlap(truth, person), overlap(1 - truth, 1 - person)
    return cross + 0.5 * (1 - people) + 0.25 * (1 - background)


class Teacher(nn.Module):
    """VGG19, of which the network shall know what it sees."""

    LAYERS = tuple(f"block{b}_conv{c}" for b in range(1, 6) for c in range(1, 3 + 2 * (b > 2)))

    def __init__(self, paths: Sequence[str], kind: torch.dtype) -> None:
        super().__init__()
        arrays: dict[str, NDArray[Any]] = {}
        for path in paths:
            with np.load(path) as some:
                arrays |= dict(some)
        for name in self.LAYERS:
            kernel = arrays[f"{name}/table"][arrays[f"{name}/codes"]].transpose(3, 2, 0, 1)
            for part, values in (("kernel", kernel), ("bias", arrays[f"{name}/bias"])):
                tensor = torch.from_numpy(np.ascontiguousarray(values)).to(kind)
                if part == "kernel":
                    tensor = tensor.contiguous(memory_format=torch.channels_last)
                self.register_buffer(f"{name}_{part}", tensor.to(torch.get_default_device()))
        means = [103.939, 116.779, 123.68]
        self.register_buffer("means", torch.tensor(means).view(1, 3, 1, 1))
        self.register_buffer("middle", torch.zeros(1, 512, 1, 1))
        self.register_buffer("spread", torch.ones(1, 512, 1, 1))

    @torch.no_grad()
    def forward(self, image: Tensor) -> Tensor:
        """Return roots of features, (B, 512, 8, 8), about 0 and 1 apart once it is settled."""
        with torch.autocast(image.device.type, enabled=False):
            bgr = (image.float() + 1) * 127.5
            x = (bgr.flip(1) - self.means).to(self.block1_conv1_kernel.dtype)
            x = x.contiguous(memory_format=torch.channels_last)
            for name in self.LAYERS:
                if name.endswith("conv1") and name != "block1_conv1":
                    x = functional.max_pool2d(x, 2)
                kernel, bias = getattr(self, f"{name}_kernel"), getattr(self, f"{name}_bias")
                x = functional.relu(functional.conv2d(x, kernel, bias, padding=1))
            roots = functional.avg_pool2d(x.float(), 2).sqrt()
        return (roots - self.middle) / self.spread

    def settle(self, images: Tensor) -> None:
        """Take the mean and the spread of each feature from some pictures."""
        roots = torch.cat([self(some) for some in images.split(16)])
        self.middle.copy_(roots.mean((0, 2, 3), keepdim=True))
        spread = roots.std((0, 2, 3), keepdim=True)
        if not spread.mean() > 0:
            raise SystemExit("VGG19 sees nothing: are all its weights there?")
        self.spread.copy_(torch.maximum(spread, 0.5 * spread.mean()))


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
    def __call__(self, network: Person) -> dict[str, float]:
        """Judge a network: a mark for each group."""
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
        return {group: float(np.mean(values)) for group, values in marks.items()}


def told(marks: Mapping[str, float]) -> str:
    """Write marks in one line."""
    return " ".join(f"{group} {mark:.4f}" for group, mark in marks.items())


#: What is asked of the groups: at least so much of people, at most so much where nobody is.
ASKED = {"ccp": 0.955, "hs": 0.925, "nobody": 0.008}


def shortfall(marks: Mapping[str, float]) -> float:
    """Say how much is lacking of what is asked, 0 if nothing."""
    signs = {group: 1 if group == "nobody" else -1 for group in ASKED}
    return sum(
        max(0.0, signs[group] * (marks[group] - asked))
        for group, asked in ASKED.items()
        if group in marks
    )


class Made(NamedTuple):
    """Examples to learn from."""

    image: Tensor  # (B, 3, SIDE, SIDE), in [-1, 1]
    mask: Tensor  # (B, 1, SIDE, SIDE)
    which: Tensor  # (B,): which photograph without people it is; below 0 if it is none


class Making:
    """Makes batches; on a card some at once and ahead, while others are learned from."""

    def __init__(self, sources: Sources, batch: int) -> None:
        self.sources, self.batch = sources, batch
        self.card = torch.get_default_device().type == "cuda"
        self.stream = torch.cuda.Stream() if self.card else None

    @torch.no_grad()
    def made(self) -> list[Made]:
        """Make some batches."""
        parts = AT_ONCE if self.card else 1
        image, mask, which = examples(self.sources, parts * self.batch)
        image = 2 * image - 1
        return [Made(image[k::parts], mask[k::parts], which[k::parts]) for k in range(parts)]

    def __iter__(self) -> Iterator[Made]:
        """Give batches without end."""
        if self.stream is None:
            while True:
                yield from self.made()
        held: deque[tuple[torch.cuda.Event, list[Made]]] = deque()
        ready, some = self._ahead()
        while True:
            torch.cuda.current_stream().wait_event(ready)
            yield from some
            held.append((torch.cuda.current_stream().record_event(), some))
            # Never far ahead of the card: its clock counts, and what it reads must be held.
            if len(held) > 1:
                held.popleft()[0].synchronize()
            ready, some = self._ahead()

    def _ahead(self) -> tuple[torch.cuda.Event, list[Made]]:
        assert self.stream is not None
        with torch.cuda.stream(self.stream):
            some = self.made()
            return self.stream.record_event(), some


class Learner:
    """A network, the running mean of its weights, and a step that a card repeats as one graph."""

    def __init__(
        self, start: Mapping[str, NDArray[Any]], sources: Sources, options: argparse.Namespace
    ) -> None:
        self.options, self.sources = options, sources
        self.card = torch.get_default_device().type == "cuda"
        self.start = start
        self.teacher: Teacher | None = None
        if options.teacher:
            kind = torch.bfloat16 if self.card else torch.float32
            self.teacher = Teacher(options.teacher, kind)
        self.graph: torch.cuda.CUDAGraph | None = None
        size = (options.batch, 3, SIDE, SIDE)
        # A processor takes three fifths of the time if the channels of a place lie side by side.
        layout = torch.contiguous_format if self.card else torch.channels_last
        image = torch.zeros(size).contiguous(memory_format=layout)
        self.made = Made(
            image, torch.zeros(options.batch, 1, *size[2:]), torch.zeros(size[0]).long()
        )
        self.kept, self.losses = torch.zeros(()), torch.zeros(3)
        self.begin()

    def begin(self) -> None:
        """Make the network anew, from the start's weights."""
        torch.manual_seed(self.options.seed)
        self.network = Person()
        if not self.card:
            self.network = self.network.to(memory_format=torch.channels_last)
        set_weights(self.network, self.start)
        self.mean = copy.deepcopy(self.network)
        # What only training needs: is somebody there, and what does VGG19 see?
        self.heads = nn.ModuleList([nn.Linear(WIDE, 1), nn.Conv2d(WIDE, 512, 1)])
        groups: dict[float, list[nn.Parameter]] = {1.0: [], FASTER: list(self.heads.parameters())}
        for name, module in convolutions(self.network).items():
            groups[1.0 if f"{name}.weight" in self.start else FASTER].extend(module.parameters())
        self.speeds = [speed for speed, parameters in groups.items() if parameters]
        self.learned = [*self.network.parameters(), *self.heads.parameters()]
        self.optimizer = torch.optim.AdamW(
            [{"params": groups[speed]} for speed in self.speeds],
            lr=torch.zeros(()) if self.card else 0.0,
            weight_decay=self.options.weight_decay,
            fused=self.card,
            capturable=self.card,
        )
        # One number for each group, that a graph reads.
        for group in self.optimizer.param_groups:
            group["lr"] = torch.zeros(()) if self.card else 0.0

    def pace(self, rate: float, kept: float) -> None:
        """Set the rate, and how much stays of the running mean."""
        for speed, group in zip(self.speeds, self.optimizer.param_groups, strict=True):
            if self.card:
                group["lr"].fill_(rate * speed)
            else:
                group["lr"] = rate * speed
        self.kept.fill_(kept)

    def compute(self) -> None:
        """Make one step, from the examples in `made`."""
        image, mask, which = self.made
        options, nobody = self.options, (which >= 0).float()
        for parameter in self.learned:
            parameter.grad = None
        with torch.autocast("cpu", torch.bfloat16, enabled=options.bfloat16):
            scores, wide = self.network.seen(image)
        wide = wide.float()
        presence, sees = self.heads
        there = presence(mean(wide).flatten(1))[:, 0]
        seen = sees(wide[: options.taught]) if self.teacher else None
        each = person_loss(scores, mask)
        alarm = torch.sigmoid(scores).mean((1, 2, 3))
        somebody = (mask.mean((1, 2, 3)) > 0.004).float()
        loss = ((1 + 0.5 * nobody) * each + options.alarm * nobody * alarm).mean()
        presence_loss = functional.binary_cross_entropy_with_logits(there, somebody)
        total = loss + 0.1 * presence_loss
        taught = torch.zeros(())
        if seen is not None and self.teacher is not None:
            taught = functional.mse_loss(seen, self.teacher(image[: options.taught]))
            total = total + 0.1 * taught
        total.backward()
        nn.utils.clip_grad_norm_(self.learned, 1.0, foreach=True)
        self.optimizer.step()
        with torch.no_grad():
            weights = list(self.network.parameters())
            means = list(self.mean.parameters())
            torch._foreach_mul_(means, self.kept)
            torch._foreach_add_(means, torch._foreach_mul(weights, 1 - self.kept))
            self.losses += torch.stack([loss.detach(), presence_loss.detach(), taught.detach()])
            self.sources.note(which, alarm.detach())

    def step(self, made: Made) -> None:
        """Learn from some examples."""
        for mine, given in zip(self.made, made, strict=True):
            mine.copy_(given)
        if self.graph is None:
            self.compute()
        else:
            self.graph.replay()

    def captured(self) -> torch.cuda.CUDAGraph:
        """Let the card remember a step as one graph."""
        self.pace(0.0, 1.0)
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            for _ in range(3):
                self.compute()
        torch.cuda.current_stream().wait_stream(side)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            self.compute()
        return graph

    def settle(self, made: Made) -> None:
        """On a card, find the quickest way to compute a step, and forget what was computed."""
        for mine, given in zip(self.made, made, strict=True):
            mine.copy_(given)
        if self.teacher is not None:
            self.teacher.settle(made.image)
        if not self.card:
            return
        # By plain layouts and in float32: cuDNN's search among its ways to compute these small
        # layers in bfloat16 ended in an illegal access to memory.
        try:
            if not self.options.eager:
                print(f"a step: {1000 * self.tried():.1f} ms", flush=True)
        except RuntimeError as error:
            print(f"without a graph: {error}", flush=True)
            self.graph = None
            self.begin()
        for state in self.optimizer.state.values():
            for moment in state.values():
                moment.zero_()
        self.losses.zero_()
        self.sources.forget()

    def tried(self) -> float:
        """Let the card remember a step, and return how many seconds it takes."""
        graph = self.captured()
        torch.cuda.synchronize()
        began = time.perf_counter()
        for _ in range(5):
            graph.replay()
        torch.cuda.synchronize()
        self.graph = graph
        return (time.perf_counter() - began) / 5


class Keeper:
    """Saves the running means, and apart from them the best so far."""

    def __init__(self, path: str, best: int) -> None:
        self.path, self.best = Path(path), best
        self.kept: list[tuple[float, int, Path]] = []

    def __call__(self, network: Person, step: int, marks: Mapping[str, float]) -> None:
        """Save them, as they are after a step."""
        save_weights(network, self.path)
        if not self.best:
            return
        path = self.path.with_name(f"{self.path.stem}-{step}.npz")
        save_weights(network, path)
        self.kept = sorted([*self.kept, (shortfall(marks), -step, path)])
        for *_, worse in self.kept[self.best :]:
            worse.unlink()
        self.kept = self.kept[: self.best]


def train(options: argparse.Namespace) -> None:
    """Train, and save the running means of the weights."""
    entered = time.perf_counter()
    torch.set_default_device("cuda" if torch.cuda.is_available() else "cpu")
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(1)
    pack = Pack.load(options.pack)
    start = dict(pack.weights)
    if options.start:
        with np.load(options.start) as arrays:
            start |= dict(arrays)
    sources = Sources.load(pack, options.limit, dict(options.share), dict(options.paste))
    judge = Judge(pack, [row for row in pack.rows if row.kept_back][: options.limit or None])
    learner, making = Learner(start, sources, options), Making(sources, options.batch)
    keeper = Keeper(options.output, options.best)
    print(f"at the start: {told(judge(learner.network))}", flush=True)
    torch.manual_seed(options.seed)  # so that examples don't depend on what was drawn before
    learner.settle(making.made()[0])
    began = judged = time.perf_counter()
    minutes = options.minutes or math.inf
    ends = max(entered + 60 * minutes, began + 6 * minutes)  # a tenth to learn, at least

    def progress(step: int) -> float:
        if options.minutes:
            return (time.perf_counter() - began) / max(1e-9, ends - began)
        return step / options.steps

    step = told_at = 0
    for made in making:
        part = progress(step)
        if part < 1:
            # A short rise, then half a cosine down.
            falling = 0.005 + 0.995 * 0.5 * (1 + math.cos(math.pi * part))
            rate = options.learning_rate * min(1.0, (step + 1) / options.warm_up) * falling
            # About 7 % of the steps so far count in the mean, but at least 10 steps.
            learner.pace(rate, min(options.momentum, 1 - 1 / max(10, 0.07 * step)))
            learner.step(made)
            step += 1
        waited = time.perf_counter() - judged >= options.pause
        done = part >= 1 or progress(step) >= 1
        if step > told_at and (done or (waited and step % options.every == 0)):
            losses = [float(loss) / (step - told_at) for loss in learner.losses]
            if not math.isfinite(sum(losses)):
                raise SystemExit(f"at step {step} the loss is no number")
            marks = judge(learner.mean)
            keeper(learner.mean, step, marks)
            seconds = time.perf_counter() - began
            parts = " ".join(f"{loss:.4f}" for loss in losses)
            print(f"{step} {seconds:.0f} s, losses {parts}; {told(marks)}", flush=True)
            learner.losses.zero_()
            told_at, judged = step, time.perf_counter()
        if done:
            break


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
    parser.add_argument("--minutes", type=float, help="end by the clock, not after --steps")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--learning-rate", type=float, default=2.1e-4)
    parser.add_argument("--weight-decay", type=float, default=1e-4)
    parser.add_argument("--warm-up", type=int, default=60, help="steps")
    parser.add_argument("--momentum", type=float, default=0.998, help="of the running means")
    parser.add_argument("--every", type=int, default=400, help="steps from judging to judging")
    parser.add_argument("--pause", type=float, default=0, help="seconds between, at least")
    parser.add_argument("--best", type=int, default=0, help="how many of the best to keep")
    parser.add_argument("--alarm", type=float, default=0, help="weight of people where nobody is")
    parser.add_argument(
        "--teacher",
        action="append",
        default=[],
        help="VGG19's weights, .npz, in one file or in some, to learn what it sees as well",
    )
    parser.add_argument("--eager", action="store_true", help="record no step as a graph")
    parser.add_argument("--taught", type=int, default=24, help="pictures of a batch it looks at")
    parser.add_argument("--limit", type=int, default=0, help="pictures of a group, to try it")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1, help="of the processor")
    parser.add_argument("--bfloat16", action="store_true", help="compute so on the processor")
    train(parser.parse_args())


if __name__ == "__main__":
    main()
