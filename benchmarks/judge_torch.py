"""What judges paintings on a graphics card, in PyTorch: VGG19, its losses, and the steps by them.

``style_torch.py`` and ``any_style_torch.py`` train with it. The losses are those of
:mod:`nstlib.training.any_style.losses`. On a card a whole step, the optimiser's part included, is
recorded once as a graph and then replayed: small networks would otherwise wait for the processor.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import queue
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

#: Where styles are compared, as in :mod:`nstlib.training.any_style.teach`.
STYLE_LAYERS = (
    *(f"block{block}_conv1" for block in range(1, 6)),
    "block1_conv2",
    "block2_conv2",
    "block3_conv3",
    "block4_conv3",
)

#: Where contents are compared.
CONTENT_LAYER = "block4_conv2"

DEPTHS = (2, 2, 4, 4, 4)
MEAN_BGR = (103.939, 116.779, 123.68)

#: A style's spread counts as no less than this share of its squared mean.
_FLOOR = 1e-3

#: How many steps may wait for the card. Were it more, a training would go on after its clock.
_AHEAD = 8

#: Pixels from a network's one coarsest feature to the next, and side of the windows of `lattice`.
_PERIOD, _WINDOW = 8, 32

Pictures = NDArray[np.uint8]


class VGG19(nn.Module):
    """A frozen VGG19, or its twin, from RGB in [0, 1], (B, 3, H, W), to features by layer.

    Parameters
    ----------
    path
        A file of :func:`nstlib.vgg19.save_vgg19`.
    layers
        Which features are wanted.
    dtype
        What all convolutions but the first compute with.
    """

    def __init__(self, path: str | Path, layers: Sequence[str], dtype: torch.dtype) -> None:
        super().__init__()
        self.wanted, self.dtype = set(layers), dtype
        self.names: list[str] = []
        with np.load(path) as arrays:
            for block, depth in enumerate(DEPTHS, 1):
                for conv in range(1, depth + 1):
                    name = f"block{block}_conv{conv}"
                    if self.wanted <= set(self.names) or f"{name}/bias" not in arrays:
                        continue
                    kernel = arrays[f"{name}/table"].astype(np.float32)[arrays[f"{name}/codes"]]
                    kernel = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
                    kind = torch.float32 if name == "block1_conv1" else dtype
                    for part, array in (("kernel", kernel), ("bias", arrays[f"{name}/bias"])):
                        tensor = torch.from_numpy(array.astype(np.float32)).to(kind)
                        if tensor.ndim == 4:
                            tensor = tensor.contiguous(memory_format=torch.channels_last)
                        self.register_buffer(f"{name}_{part}", tensor)
                    self.names.append(name)
            # The real one takes the largest of four, its twin their mean.
            full = arrays["block1_conv1/codes"].shape[-1] == 64
        self.pool = functional.max_pool2d if full else functional.avg_pool2d
        self.register_buffer("mean", torch.tensor(MEAN_BGR).reshape(1, 3, 1, 1))

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        """Look at a batch."""
        found = {}
        x = (255.0 * pictures.float().flip(1) - self.mean).contiguous(
            memory_format=torch.channels_last
        )
        for name in self.names:
            if name.endswith("conv1") and name != "block1_conv1":
                x = self.pool(x, 2)
            kernel, bias = getattr(self, f"{name}_kernel"), getattr(self, f"{name}_bias")
            x = functional.relu_(functional.conv2d(x, kernel, bias, padding=1).to(self.dtype))
            if name in self.wanted:
                found[name] = x
        return found


def statistics(features: Tensor) -> tuple[Tensor, Tensor]:
    """Take means (B, C) and covariances (B, C, C) of the channels of features (B, C, H, W)."""
    flat = features.permute(0, 2, 3, 1).flatten(1, 2).float()
    mean = flat.mean(dim=1, keepdim=True)
    centred = flat - mean
    return mean[:, 0], centred.transpose(1, 2) @ centred / flat.shape[1]


Statistics = Mapping[str, tuple[Tensor, Tensor]]


def style_losses(found: Statistics, wanted: Statistics) -> dict[str, Tensor]:
    """Compare statistics with a style's, by layer: (B,) each, relative."""
    losses = {}
    for layer, (target_mean, target) in wanted.items():
        mean, covariance = found[layer]
        floor = _FLOOR * target_mean.square().sum(-1)
        spread = torch.maximum(target.diagonal(dim1=1, dim2=2).sum(-1), floor)
        size = torch.maximum(target.square().sum((1, 2)), floor.square())
        of_means = (mean - target_mean).square().sum(-1)
        of_covariances = (covariance - target).square().sum((1, 2))
        losses[layer] = of_covariances / (size + 1e-12) + of_means / (spread + 1e-12)
    return losses


def content_losses(found: Tensor, wanted: Tensor) -> Tensor:
    """Compare features with a content's, place by place: (B,), relative."""
    found, wanted = found.float(), wanted.float()
    difference = (found - wanted).square().sum((1, 2, 3))
    return difference / (wanted.square().sum((1, 2, 3)) + 1e-12)


def lattice(pictures: Tensor) -> Tensor:
    """Measure what repeats itself every eight pixels: :func:`nstlib.training.style.lattice`."""
    batch, channels, height, width = pictures.shape
    rows, columns, repeats = height // _WINDOW, width // _WINDOW, _WINDOW // _PERIOD
    before, after = (_PERIOD - 1) // 2, _PERIOD // 2
    inside = functional.pad(torch.ones_like(pictures[:1, :1]), (before, after, before, after))
    padded = functional.pad(pictures, (before, after, before, after))
    share = functional.avg_pool2d(inside, _PERIOD, 1)  # borders count what lies in the picture
    mean = functional.avg_pool2d(padded, _PERIOD, 1) / share
    detail = (pictures - mean)[:, :, : rows * _WINDOW, : columns * _WINDOW]
    parts = (batch, channels, rows, repeats, _PERIOD, columns, repeats, _PERIOD)
    return detail.reshape(parts).mean(dim=(3, 6)).square().mean()


def beyond(pictures: Tensor) -> Tensor:
    """Measure what a screen would cut off: the mean square of the distance from [0, 1]."""
    return functional.relu((pictures - 0.5).abs() - 0.5).square().mean()


class Steps:
    """The steps of a training: Adam with clipped gradients, and running means of the weights.

    Parameters
    ----------
    parameters
        What is trained.
    losses
        From the inputs of a step to its terms, "loss" among them.
    examples
        Inputs of a step, of the shapes and kinds that all steps have.
    rate
        Adam's, at its highest.
    momentum
        Of the running means.
    graph
        Record a step as a graph of the card; by default where there is one.
    pool
        The graph's memory, of :func:`torch.cuda.graph_pool_handle`, which those of other networks
        that take turns with this one may share.
    """

    def __init__(
        self,
        parameters: Sequence[nn.Parameter],
        losses: Callable[..., dict[str, Tensor]],
        examples: Sequence[Tensor],
        rate: float,
        *,
        momentum: float = 0.999,
        graph: bool | None = None,
        pool: Any = None,
    ) -> None:
        device = examples[0].device
        card = device.type == "cuda" if graph is None else graph
        self.parameters, self.losses, self.momentum = list(parameters), losses, momentum
        self.highest = rate
        self.rate = torch.tensor(rate, device=device)
        self.optimizer = torch.optim.Adam(
            self.parameters, lr=self.rate if card else rate, betas=(0.9, 0.99), capturable=card
        )
        self.means = [p.detach().clone() for p in self.parameters]
        self.inputs = [x.clone() for x in examples]
        self.totals: dict[str, Tensor] = {}
        self.count = self.done = 0
        self.graph: torch.cuda.CUDAGraph | None = None
        self.waiting: collections.deque[torch.cuda.Event] = collections.deque()
        if card:
            self._record(pool)

    def _step(self) -> None:
        self.optimizer.zero_grad(set_to_none=False)
        terms = self.losses(*self.inputs)
        terms["loss"].backward()
        nn.utils.clip_grad_norm_(self.parameters, 1.0)
        self.optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(self.means, self.parameters, 1 - self.momentum)
            for name, term in terms.items():
                if name in self.totals:
                    self.totals[name] += term.detach()
                else:
                    self.totals[name] = term.detach().clone()

    def _record(self, pool: Any) -> None:
        start = [p.detach().clone() for p in self.parameters]
        self.rate.zero_()
        aside = torch.cuda.Stream()
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(3):
                self._step()
        torch.cuda.current_stream().wait_stream(aside)
        self.graph = torch.cuda.CUDAGraph()
        # Threads that make batches may use the card meanwhile.
        with torch.cuda.graph(self.graph, pool, capture_error_mode="thread_local"):
            self._step()
        with torch.no_grad():  # as if nothing had happened
            for parameter, mean, value in zip(self.parameters, self.means, start, strict=True):
                parameter.copy_(value)
                mean.copy_(value)
            for state in self.optimizer.state.values():
                for value in state.values():
                    value.zero_()
            for total in self.totals.values():
                total.zero_()

    def __call__(self, inputs: Sequence[Tensor], share: float) -> None:
        """Make a step; `share` of the highest rate is this step's."""
        for own, given in zip(self.inputs, inputs, strict=True):
            own.copy_(given, non_blocking=True)
        if self.graph is None:
            self.optimizer.param_groups[0]["lr"] = self.highest * share
            self._step()
        else:
            self.rate.fill_(self.highest * share)
            self.graph.replay()
            event = torch.cuda.Event(blocking=True)
            event.record()
            self.waiting.append(event)
            if len(self.waiting) > _AHEAD:
                self.waiting.popleft().synchronize()
        self.count += 1
        self.done += 1

    def told(self) -> dict[str, float]:
        """Give the terms' means since this was asked last."""
        means = {name: float(total) / max(1, self.count) for name, total in self.totals.items()}
        for total in self.totals.values():
            total.zero_()
        self.count = 0
        return means

    @contextlib.contextmanager
    def averaged(self) -> Iterator[None]:
        """Let the parameters be their running means for a while."""
        own = [p.detach().clone() for p in self.parameters]
        with torch.no_grad():
            for parameter, mean in zip(self.parameters, self.means, strict=True):
                parameter.copy_(mean)
            yield
            for parameter, value in zip(self.parameters, own, strict=True):
                parameter.copy_(value)


class Clock:
    """The share of a training's time that has gone, and of its rate that is left for a step.

    The rate rises over the first fiftieth, stays, and falls to zero over the second half.
    """

    def __init__(self, minutes: float) -> None:
        self.seconds = 60 * minutes
        self.began = time.perf_counter()

    def gone(self) -> float:
        """Share of the time, 1 or more at the end."""
        return (time.perf_counter() - self.began) / self.seconds

    def share(self) -> float:
        """Share of the rate."""
        gone = self.gone()
        return max(0.0, min(1.0, 50 * gone + 0.01, 2 * (1 - gone)))


def decoded(data: NDArray[np.uint8]) -> Pictures:
    """Decode a picture, RGB."""
    picture: Any = cv2.imdecode(data, cv2.IMREAD_COLOR)
    return np.ascontiguousarray(picture[..., ::-1])


def packed(path: str | Path, kind: str) -> list[Pictures]:
    """Read the pictures of a kind, "photos", "paintings" or "drawn", as ``Pack.load`` does."""
    with np.load(path) as arrays:
        parts = np.split(arrays[kind], arrays[f"{kind}/ends"][:-1])
    return [decoded(part) for part in parts]


def background(
    make: Callable[[int], Sequence[Pictures]], workers: int, device: torch.device
) -> Iterator[list[Tensor]]:
    """Give batch after batch, made by threads, as tensors (B, 3, H, W) of the device, uint8."""
    # The thread that feeds the card must never wait long for one of these.
    sys.setswitchinterval(2e-4)
    queues: list[queue.Queue[Any]] = [queue.Queue(4) for _ in range(workers)]
    card = device.type == "cuda"

    def work(first: int) -> None:
        for number in itertools.count(first, workers):
            made: Any
            try:
                made = [torch.from_numpy(np.ascontiguousarray(x)) for x in make(number)]
                made = [x.pin_memory() for x in made] if card else made
            except BaseException as error:  # raised where the batch is asked for
                made = error
            queues[first].put(made)

    for first in range(workers):
        threading.Thread(target=work, args=(first,), daemon=True).start()
    for first in itertools.cycle(range(workers)):
        made = queues[first].get()
        if isinstance(made, BaseException):
            raise made
        yield [x.to(device, non_blocking=True).permute(0, 3, 1, 2) for x in made]


def save(path: str | Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays to a file, whole or not at all; its folder is made if it is not there."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.part.npz")
    np.savez(beside, **arrays)
    beside.replace(path)


def set_up(device: str | None) -> torch.device:
    """Choose the card if there is one, and let it compute in its fast float32."""
    torch.manual_seed(0)
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = True
    torch.backends.cudnn.benchmark = True
    return torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
