"""Teach style networks on a graphics card, in PyTorch, judged by VGG19 itself.

    python benchmarks/style_torch.py start START.npz [--picture NAME=FILE ...]
    python benchmarks/style_torch.py train START.npz PACK.npz VGG19.npz WEIGHTS.npz [--minutes M]
    python benchmarks/style_torch.py write WEIGHTS.npz FOLDER [--only NAME ...]

``nst train style`` computes by TensorFlow. This is its loss for a machine with PyTorch and a
graphics card, with two differences: zeros lie beyond the border of what VGG19 sees, as when it was
trained, and content is compared over a batch as a whole (:class:`Lesson` says why). All of
:data:`NETWORKS` learn in one process, taking turns. ``start`` collects what they begin with: the
weights of the shipped networks, and pictures of their styles. PACK holds photographs, as ``nst
train any-style`` packs them; VGG19.npz is the compact copy that ``nst assets pack vgg19`` writes.
``train`` needs PyTorch, NumPy, OpenCV, this file and judge_torch.py alone. What it writes, again
and again, are running means of the weights. ``write`` makes ONNX files of them.
"""

from __future__ import annotations

import argparse
import functools
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import judge_torch
import numpy as np
import torch
from judge_torch import CONTENT_LAYER, STYLE_LAYERS, VGG19, Clock, Pictures, Steps, statistics
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

#: Steps of a network till it is the next one's turn.
TURN = 25

#: Share of the crops that are out of focus, but for one place in most of them.
BLURRED = 0.25

Arrays = dict[str, NDArray[Any]]

#: A part of a picture: top, left, bottom, right, each from 0 to 1.
Part = tuple[float, float, float, float]


@dataclass(frozen=True)
class Settings:
    """What a network learns.

    Attributes
    ----------
    style
        The name of a shipped network, with whose weights this one begins.
    size
        Longest side at which the style is looked at, in pixels.
    content, tv, lattice
        Weights of the loss's terms. That of the style is 1.
    parts
        Of the style. Where there are several, the mean of their statistics is aimed at.
    channels
        Of :func:`nstlib.TransformerNet`.
    aim
        What the content term is to be; its weight then changes till it is.
    """

    style: str
    size: int
    content: float
    tv: float = 3.0
    lattice: float = 30.0
    parts: tuple[Part, ...] = ((0, 0, 1, 1),)
    channels: tuple[int, int] = (16, 48)
    aim: float | None = None


#: What is trained. Small styles have their figures, such as whirls and sweets, within the reach of
#: a network; a small weight of the content lets it draw them. Where ``nst transfer`` has been
#: measured in a style, its content is the aim: times the quotient of what the shipped network has
#: on crops and on the photographs of ``fast_styles.py``, and less a few hundredths.
NETWORKS = {
    "mosaic": Settings("mosaic", 512, 0.2, tv=1.0, lattice=5.0, aim=2.2),
    "candy": Settings("candy", 448, 0.13, aim=1.98),
    "shards": Settings("shards", 448, 0.15, tv=2.0),
    "starry_night": Settings("starry_night", 448, 0.23, aim=1.15),
    # Half of the print is empty sky. The waves alone count as much as all of it.
    "great_wave": Settings(
        "great_wave", 512, 0.26, parts=((0, 0, 1, 1), (0.08, 0, 1, 0.62)), aim=0.82
    ),
    "the_scream": Settings("the_scream", 512, 0.24),
    "water_lilies": Settings("water_lilies", 448, 0.35, aim=0.82),
    "composition_vii": Settings("composition_vii", 448, 0.15),
    "starry_night_wide": Settings("starry_night", 512, 0.2, channels=(32, 96), aim=1.15),
}

# --------------------------------------------------------------------------------------------------
# Networks


class Convolution(nn.Module):
    """A convolution that sees its input mirrored beyond the border."""

    def __init__(self, channels: int, filters: int, side: int, stride: int = 1) -> None:
        super().__init__()
        self.conv2d = nn.Conv2d(channels, filters, side, stride)

    def forward(self, x: Tensor) -> Tensor:
        """Compute."""
        margins = 4 * (self.conv2d.kernel_size[0] // 2,)
        return self.conv2d(functional.pad(x, margins, mode="reflect"))


class InstanceNormalization(nn.Module):
    """Give each channel of each picture a mean and a spread."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Compute."""
        variance, mean = torch.var_mean(x, (2, 3), correction=0, keepdim=True)
        scale = self.weight[:, None, None] * torch.rsqrt(variance + 1e-5)
        return x * scale + (self.bias[:, None, None] - mean * scale)


class Residual(nn.Module):
    """Two convolutions, whose result is added to their input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1, self.in1 = Convolution(channels, channels, 3), InstanceNormalization(channels)
        self.conv2, self.in2 = Convolution(channels, channels, 3), InstanceNormalization(channels)

    def forward(self, x: Tensor) -> Tensor:
        """Compute."""
        return x + self.in2(self.conv2(functional.relu(self.in1(self.conv1(x)))))


def enlarged(x: Tensor) -> Tensor:
    """Double the sides."""
    return functional.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class TransformerNet(nn.Module):
    """``nstlib.TransformerNet`` with two numbers of channels, as *lite* and *wide* have.

    From (B, 3, H, W) to the same, sides multiples of 4. Its parameters have the names that
    :func:`nstlib.onnx.pytorch.set_weights` knows.
    """

    def __init__(self, channels: Sequence[int], blocks: int = 5, kernel: int = 5) -> None:
        super().__init__()
        half, quarter = channels
        self.conv2, self.in2 = Convolution(3, half, kernel, 2), InstanceNormalization(half)
        self.conv3, self.in3 = Convolution(half, quarter, 3, 2), InstanceNormalization(quarter)
        self.blocks = blocks
        for number in range(1, blocks + 1):
            self.add_module(f"res{number}", Residual(quarter))
        self.deconv1, self.in4 = Convolution(quarter, half, 3), InstanceNormalization(half)
        self.deconv3 = Convolution(half, 3, kernel)

    def forward(self, x: Tensor) -> Tensor:
        """Paint."""
        x = functional.relu(self.in2(self.conv2(x)))
        x = functional.relu(self.in3(self.conv3(x)))
        for number in range(1, self.blocks + 1):
            x = self.get_submodule(f"res{number}")(x)
        x = functional.relu(self.in4(self.deconv1(enlarged(x))))
        return self.deconv3(enlarged(x))


def widened(narrow: Mapping[str, Tensor], wide: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give a wide network the weights of a narrow one, so that it computes the same.

    Each channel is there several times, and what follows takes a part from each of them. Parts
    differ at random, so twins learn different things (Chen, Goodfellow and Shlens, "Net2Net:
    accelerating learning via knowledge transfer", ICLR 2016).
    """
    random = torch.Generator().manual_seed(0)
    found = {}
    for name, wanted in wide.items():
        have = narrow[name].float()
        have = have.repeat(len(wanted) // len(have), *[1] * (have.ndim - 1))
        if have.ndim == 4 and (times := wanted.shape[1] // have.shape[1]) > 1:
            parts = torch.rand((times, *have.shape), generator=random) + 0.25
            have = torch.cat([*(have * parts / parts.sum(0))], 1)
        found[name] = have
    return found


def of(name: str, arrays: Mapping[str, NDArray[Any]]) -> dict[str, Tensor]:
    """Pick the weights of a network out of a file of several."""
    begin = f"{name}/"
    return {
        key.removeprefix(begin): torch.from_numpy(np.asarray(array, np.float32))
        for key, array in arrays.items()
        if key.startswith(begin) and key.endswith((".weight", ".bias"))
    }


def network_of(name: str, settings: Settings, arrays: Mapping[str, NDArray[Any]]) -> TransformerNet:
    """Build a network with the weights that a file has for it, else with its style's."""
    network = TransformerNet(settings.channels)
    weights = of(name, arrays) or of(settings.style, arrays)
    network.load_state_dict(widened(weights, network.state_dict()))
    return network.to(memory_format=torch.channels_last)


# --------------------------------------------------------------------------------------------------
# What they learn from


def crop(photos: Sequence[Pictures], side: int, random: np.random.Generator) -> Pictures:
    """Cut a square out of a photograph, at random scale, mirrored or not, in focus or not.

    Networks tend to fill flat parts with a weave. Few photographs have many; out of focus, all do.
    """
    photo = photos[int(random.integers(len(photos)))]
    window = int(np.exp(random.uniform(np.log(0.55), 0.0)) * min(photo.shape[:2]))
    y, x = (int(random.integers(0, n - window + 1)) for n in photo.shape[:2])
    way = cv2.INTER_AREA if window > side else cv2.INTER_CUBIC
    cut: Any = cv2.resize(photo[y : y + window, x : x + window], (side, side), interpolation=way)
    if random.random() < BLURRED:
        small = side // 4  # a quarter of the size is enough for what has no details
        flat = cv2.resize(cut, (small, small), interpolation=cv2.INTER_AREA).astype(np.float32)
        flat = cv2.GaussianBlur(flat, (0, 0), small * random.uniform(0.02, 0.1))
        focus: Any = np.zeros((small, small), np.float32)
        centre, axes = random.uniform(0.2, 0.8, 2) * small, random.uniform(0.0, 0.4, 2) * small
        box = (*centre.tolist(),), (*(2 * axes).tolist(),), random.uniform(0, 180)
        cv2.ellipse(focus, box, 1.0, -1)
        focus = cv2.GaussianBlur(focus, (0, 0), 0.02 * small)
        flat, mask = (
            cv2.resize(x, (side, side), interpolation=cv2.INTER_CUBIC) for x in (flat, focus)
        )
        # Noise as that of a camera; without it there would be steps of one level.
        flat += random.integers(-2, 3, (side, side, 1), np.int8)
        cut = np.rint(flat + mask[..., np.newaxis] * (cut - flat)).clip(0, 255)
    return np.asarray(cut[:, :: int(random.choice([-1, 1]))], np.uint8)


def batch_of(photos: Sequence[Pictures], side: int, batch: int, number: int) -> list[Pictures]:
    """Make a batch; its number says which."""
    random = np.random.default_rng((0, number))
    return [np.stack([crop(photos, side, random) for _ in range(batch)])]


def whole(features: Tensor) -> Tensor:
    """Lay the features of a batch beside each other, (1, C, H, B * W)."""
    return torch.cat([*features.float()], -1)[None]


class Lesson:
    """Says how good the paintings of a network are.

    A crop that is out of focus has small features, and each stroke in it is large beside them. So
    contents are compared relative to the features of the whole batch: else flat parts would say
    most, and stay empty.

    Parameters
    ----------
    network
        Paints.
    settings
        What counts.
    styles
        Parts of the style, RGB, uint8.
    judge
        Sees :data:`STYLE_LAYERS` and :data:`CONTENT_LAYER`.
    content
        Sees :data:`CONTENT_LAYER`.
    """

    def __init__(
        self,
        network: nn.Module,
        settings: Settings,
        styles: Sequence[Pictures],
        judge: VGG19,
        content: VGG19,
    ) -> None:
        self.network, self.settings, self.judge, self.content = network, settings, judge, content
        self.weight = torch.tensor(settings.content, device=judge.mean.device)
        looks = []
        for style in styles:
            picture = torch.from_numpy(style).to(judge.mean.device).permute(2, 0, 1)[None] / 255
            with torch.no_grad():
                seen = judge(picture)
            looks.append({layer: statistics(seen[layer]) for layer in STYLE_LAYERS})
        self.wanted = {
            layer: (
                torch.stack([look[layer][0] for look in looks]).mean(0),
                torch.stack([look[layer][1] for look in looks]).mean(0),
            )
            for layer in STYLE_LAYERS
        }

    def __call__(self, photos: Tensor) -> dict[str, Tensor]:
        """Compare paintings of photographs, uint8, with these and with the style."""
        photos = photos.float() / 255
        painted = 0.5 + 0.5 * self.network(2 * photos - 1)
        with torch.no_grad():
            content = self.content(photos)[CONTENT_LAYER]
        found = self.judge(painted)
        have = {layer: statistics(found[layer]) for layer in STYLE_LAYERS}
        by_layer = judge_torch.style_losses(have, self.wanted)
        right = painted[:, :, :, 1:] - painted[:, :, :, :-1]
        down = painted[:, :, 1:] - painted[:, :, :-1]
        terms = {
            "style": torch.stack([loss.mean() for loss in by_layer.values()]).mean(),
            "content": judge_torch.content_losses(whole(found[CONTENT_LAYER]), whole(content))[0],
            "tv": right.square().mean() + down.square().mean(),
            "lattice": judge_torch.lattice(painted),
        }
        weights = (1.0, self.weight, self.settings.tv, self.settings.lattice)
        loss = 10 * judge_torch.beyond(painted)
        for weight, term in zip(weights, terms.values(), strict=True):
            loss = loss + weight * term
        return {"loss": loss, **terms}

    def steer(self, content: float) -> None:
        """Change the weight of the content term, given its mean since this was called last."""
        if self.settings.aim is not None:
            change = math.sqrt(content / self.settings.aim)
            self.weight *= min(max(change, 0.8), 1.25)


# --------------------------------------------------------------------------------------------------
# The commands


def train(options: argparse.Namespace) -> None:
    """Teach, and write the running means every now and then."""
    device = judge_torch.set_up(options.device)
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(1)
    began = time.perf_counter()
    with np.load(options.start) as file:
        start = dict(file)
    photos = judge_torch.packed(options.pack, "photos")
    dtype = torch.bfloat16 if device.type == "cuda" else torch.float32
    judge = VGG19(options.judge, [*STYLE_LAYERS, CONTENT_LAYER], dtype).to(device)
    content = VGG19(options.judge, [CONTENT_LAYER], dtype).to(device)
    shape = (options.batch, options.size, options.size, 3)
    example = torch.randint(256, shape, dtype=torch.uint8, device=device).permute(0, 3, 1, 2)
    recorded = device.type == "cuda" and not options.eager
    pool = torch.cuda.graph_pool_handle() if recorded else None
    learning: dict[str, Steps] = {}
    lessons: dict[str, Lesson] = {}
    for name in options.only or NETWORKS:
        settings = NETWORKS[name]
        network = network_of(name, settings, start).to(device)
        styles = [
            judge_torch.decoded(start[f"{name}/style{part}"]) for part in range(len(settings.parts))
        ]
        lesson = lessons[name] = Lesson(network, settings, styles, judge, content)
        learning[name] = Steps(
            list(network.parameters()),
            lesson,
            [example],
            options.learning_rate,
            momentum=0.998,
            graph=recorded,
            pool=pool,
        )
    ready = time.perf_counter() - began
    print(f"{len(photos)} photographs; ready after {ready:.0f} s", flush=True)
    if device.type == "cuda":
        print(f"{torch.cuda.max_memory_reserved() / 2**30:.1f} GiB", flush=True)
    clock = Clock(max(options.minutes - ready / 60, 1e-3))
    # Only now, for threads that use the card would disturb its recording.
    batches = judge_torch.background(
        functools.partial(batch_of, photos, options.size, options.batch), options.workers, device
    )
    written: Arrays = {}

    def report() -> None:
        for name, steps in list(learning.items()):
            new, means = steps.count, steps.told()
            if not all(map(math.isfinite, means.values())):
                print(f"{name} ends: its loss is no number", flush=True)
                del learning[name]  # what was written of it stays
                continue
            if new:
                told = " ".join(f"{term} {value:.4f}" for term, value in means.items())
                weight = f"content's weight {float(lessons[name].weight):.3f}"
                seconds = time.perf_counter() - began
                print(f"{name} {steps.done} {seconds:.0f} s {told} {weight}", flush=True)
            if new and steps.done > options.turn:  # the first ones are few, at a rate that rises
                lessons[name].steer(means["content"])
            names = [key for key, _ in lessons[name].network.named_parameters()]
            for key, mean in zip(names, steps.means, strict=True):
                written[f"{name}/{key}"] = mean.cpu().numpy()
        judge_torch.save(options.output, written)

    last = time.perf_counter()
    for _ in range(options.rounds):
        if not learning or clock.gone() >= 1:
            break
        for steps in learning.values():
            for _ in range(options.turn):
                steps(next(batches), clock.share())
            if clock.gone() >= 1:
                break
        if time.perf_counter() - last > options.every:
            report()
            last = time.perf_counter()
    if not written or any(steps.count for steps in learning.values()):
        report()


def start(options: argparse.Namespace) -> None:
    """Write the weights of the shipped networks, for pictures in [-1, 1], and the styles."""
    import nstlib as nst
    from nstlib.assets.cache import embedded_model
    from nstlib.images.arrays import to_uint8
    from nstlib.images.resizing import resize
    from nstlib.onnx.pytorch import weights_by_name
    from nstlib.onnx.restoring import from_onnx
    from nstlib.training.style import from_bytes

    files = dict(picture.split("=", 1) for picture in options.picture)
    arrays: Arrays = {}
    for name, settings in NETWORKS.items():
        if name == settings.style:
            network = from_onnx(embedded_model(f"{name}.onnx"))
            from_bytes(network)
            for key, variable in weights_by_name(network).items():
                array = variable.numpy().astype(np.float16)
                arrays[f"{name}/{key}"] = array.transpose(3, 2, 0, 1) if array.ndim == 4 else array
        whole = resize(nst.load_image(files.get(settings.style, settings.style)), settings.size)
        height, width = whole.shape[:2]
        for number, (top, left, bottom, right) in enumerate(settings.parts):
            rows = slice(round(top * height), round(bottom * height))
            part = whole[rows, round(left * width) : round(right * width)]
            bgr = np.ascontiguousarray(to_uint8(part)[..., ::-1])
            # Above 100 it is without loss.
            code: Any = cv2.imencode(".webp", bgr, [cv2.IMWRITE_WEBP_QUALITY, 101])[1]
            arrays[f"{name}/style{number}"] = code.ravel()
    judge_torch.save(options.output, arrays)


def write(options: argparse.Namespace) -> None:
    """Make ONNX files, for the 0..255 scale, once all runtimes agree."""
    from nstlib.assets.cache import embedded_model
    from nstlib.networks import transformer
    from nstlib.onnx.exporting import export
    from nstlib.onnx.pytorch import set_weights
    from nstlib.onnx.reading import load_onnx, metadata_of
    from nstlib.training.style import to_bytes

    with np.load(options.weights) as file:
        arrays = dict(file)
    names = {key.split("/")[0] for key in arrays}
    Path(options.folder).mkdir(parents=True, exist_ok=True)
    for name in options.only or sorted(names):
        settings = NETWORKS[name]
        variants = transformer.VARIANTS.items()
        variant = next(key for key, x in variants if x.get("channels") == settings.channels)
        network = transformer.TransformerNet(**transformer.VARIANTS[variant])
        set_weights(network, {key: x.numpy() for key, x in of(name, arrays).items()})
        to_bytes(network)
        metadata = metadata_of(load_onnx(embedded_model(f"{settings.style}.onnx")))
        for key in ("layout", "value_range", "library"):  # the exporter writes these itself
            metadata.pop(key, None)
        metadata |= {"variant": variant, **dict(x.split("=", 1) for x in options.metadata)}
        path = Path(options.folder, f"{name}.onnx")
        print(path, export(network, path, metadata=metadata, value_range=(0, 255)), sep="\n")


def main() -> None:
    """Run a command."""
    parser = argparse.ArgumentParser(description="style networks, on a graphics card")
    commands = parser.add_subparsers(required=True)

    command = commands.add_parser("start", help="collect what they begin with")
    command.add_argument("output", help="weights and styles, .npz")
    command.add_argument("--picture", action="append", default=[], metavar="NAME=FILE")
    command.set_defaults(run=start)

    command = commands.add_parser("train", help="teach them")
    command.add_argument("start", help="weights and styles, .npz")
    command.add_argument("pack", help="of photographs, .npz")
    command.add_argument("judge", help="VGG19's weights, .npz")
    command.add_argument("output", help="the weights, .npz")
    command.add_argument("--only", nargs="+", choices=NETWORKS, metavar="NAME")
    command.add_argument("--minutes", type=float, default=9.5)
    command.add_argument("--rounds", type=int, default=10**9, help="turns of each, at most")
    command.add_argument("--learning-rate", type=float, default=1.5e-3)
    command.add_argument("--size", type=int, default=256, help="of the crops")
    command.add_argument("--batch", type=int, default=8)
    command.add_argument("--turn", type=int, default=TURN, help="steps of each in turn")
    command.add_argument("--every", type=float, default=45.0, help="seconds between two reports")
    command.add_argument("--workers", type=int, default=4, help="threads that cut crops")
    command.add_argument("--threads", type=int, default=1, help="of PyTorch, on the processor")
    command.add_argument("--eager", action="store_true", help="don't record steps as graphs")
    command.add_argument("--device", help="by default the card, if there is one")
    command.set_defaults(run=train)

    command = commands.add_parser("write", help="make ONNX files of them")
    command.add_argument("weights", help="what train wrote, .npz")
    command.add_argument("folder", help="for NAME.onnx")
    command.add_argument("--only", nargs="+", choices=NETWORKS, metavar="NAME")
    command.add_argument("--metadata", action="append", default=[], metavar="KEY=VALUE")
    command.set_defaults(run=write)

    options = parser.parse_args()
    options.run(options)


if __name__ == "__main__":
    main()
