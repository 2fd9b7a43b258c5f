"""Teach a network one style on a graphics card, judged by VGG19 itself.

    KERAS_BACKEND=jax python benchmarks/style_jax.py PICTURE PACK OUT.keras
        [--judge VGG19.npz] [--minutes M] [--start FILE.npz] [options]

``nst train style`` computes by TensorFlow. This is the same loss for any other backend of Keras: a
machine with JAX and a graphics card makes thousands of steps in minutes, also with VGG19 in place
of its small twin. PACK holds photographs, as ``nst train any-style`` packs them; VGG19.npz is the
compact copy that ``nst assets pack vgg19`` writes. ``nst train style --start OUT.keras`` goes on
from the network or, with ``--steps 1``, writes it as ONNX. The weights are running means, which
paint more evenly than the last step's.
"""

from __future__ import annotations

import argparse
import itertools
import queue
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

import cv2
import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

import nstlib as nst
from nstlib.images.arrays import Image
from nstlib.networks.any_style import frozen_features
from nstlib.networks.transformer import VARIANTS, TransformerNet
from nstlib.training.any_style import losses
from nstlib.training.any_style.pictures import Pack
from nstlib.training.any_style.teach import CONTENT_LAYER, STYLE_LAYERS
from nstlib.training.loop import LossModel
from nstlib.vgg19 import vgg19_with

#: Momentum of the weights' running means; steps between two lines of the log.
MOMENTUM, EVERY = 0.998, 100


class Teacher(LossModel):
    """A network, and what it is told about its paintings: from photographs to losses."""

    def __init__(
        self, judge: keras.Model, network: keras.Model, style: Image, weights: Sequence[float]
    ) -> None:
        super().__init__()
        self.judge, self.network, self.loss_weights = judge, network, weights
        seen = judge(style[np.newaxis])
        self.wanted = {layer: losses.statistics(seen[layer]) for layer in STYLE_LAYERS}
        names = ("style", "content", "tv", "lattice")
        self.trackers = {name: keras.metrics.Mean(name=name) for name in names}

    def call(self, photos: Any) -> dict[str, Any]:
        """Losses of a batch of photographs, uint8, (B, H, W, 3)."""
        photos = ops.cast(photos, "float32") / 255.0
        painted = 0.5 + 0.5 * self.network(2.0 * photos - 1.0)
        content = ops.stop_gradient(self.judge(photos)[CONTENT_LAYER])
        found = self.judge(painted)
        have = {layer: losses.statistics(found[layer]) for layer in STYLE_LAYERS}
        right = painted[:, :, 1:] - painted[:, :, :-1]
        down = painted[:, 1:] - painted[:, :-1]
        terms = {
            "style": ops.mean(losses.style_losses(have, self.wanted)),
            "content": ops.mean(losses.content_losses(found[CONTENT_LAYER], content)),
            "tv": ops.mean(ops.square(right)) + ops.mean(ops.square(down)),
            "lattice": losses.lattice(painted),
        }
        loss = 10.0 * losses.beyond(painted)
        for weight, term in zip(self.loss_weights, terms.values(), strict=True):
            loss = loss + weight * term
        return {"loss": loss, **terms}


def crops(photos: list[NDArray[np.uint8]], side: int, batch: int, workers: int) -> Iterator[Any]:
    """Give batches of crops at random scale, mirrored or not, made in the background, in order."""
    queues: list[queue.Queue[Any]] = [queue.Queue(6) for _ in range(workers)]

    def crop(random: np.random.Generator) -> NDArray[np.uint8]:
        photo = photos[random.integers(len(photos))]
        window = int(np.exp(random.uniform(np.log(0.55), 0.0)) * min(photo.shape[:2]))
        y, x = (int(random.integers(0, n - window + 1)) for n in photo.shape[:2])
        way = cv2.INTER_AREA if window > side else cv2.INTER_CUBIC
        cut = cv2.resize(photo[y : y + window, x : x + window], (side, side), interpolation=way)
        return np.asarray(cut[:, :: int(random.choice([-1, 1]))], np.uint8)

    def work(first: int) -> None:
        for number in itertools.count(first, workers):
            random = np.random.default_rng((0, number))
            queues[first].put(np.stack([crop(random) for _ in range(batch)]))

    for first in range(workers):
        threading.Thread(target=work, args=(first,), daemon=True).start()
    for first in itertools.cycle(range(workers)):
        yield queues[first].get(), None


def averaged(teacher: Teacher) -> list[NDArray[np.float32]]:
    """Return the running means of the network's weights, in Keras's order."""
    means = [v for v in teacher.optimizer.variables if v.path.endswith("_average")]
    places = {id(v): i for i, v in enumerate(teacher.trainable_variables)}
    return [ops.convert_to_numpy(means[places[id(v)]]) for v in teacher.network.weights]


def to_bytes(network: keras.Model) -> None:
    """Change a network for [-1, 1] into one for the 0..255 scale (``nstlib.training.style``)."""
    convolutions = [x for x in network.layers if isinstance(x, keras.layers.Conv2D)]
    kernel, bias = convolutions[0].get_weights()
    convolutions[0].set_weights([kernel / 127.5, bias - kernel.sum(axis=(0, 1, 2))])
    kernel, bias = convolutions[-1].get_weights()
    convolutions[-1].set_weights([kernel * 127.5, 127.5 * (bias + 1.0)])


def main() -> None:
    """Train, and write the network."""
    parser = argparse.ArgumentParser(description="one style, on a graphics card")
    parser.add_argument("style", help="a picture or a style that the library draws")
    parser.add_argument("pack", help="of photographs")
    parser.add_argument("output", help="the network, .keras")
    parser.add_argument("--judge", default="mini", help="weights of the VGG19 that judges")
    parser.add_argument("--variant", choices=VARIANTS, default="lite")
    parser.add_argument("--start", help="weights in Keras's order, .npz, for pictures in [-1, 1]")
    parser.add_argument("--minutes", type=float, default=5.0)
    parser.add_argument("--style-size", type=int, default=640, help="its longest side")
    parser.add_argument("--content-weight", type=float, default=0.2)
    parser.add_argument("--tv-weight", type=float, default=3.0)
    parser.add_argument("--lattice-weight", type=float, default=30.0)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--size", type=int, default=256, help="of the crops")
    parser.add_argument("--batch", type=int, default=6)
    parser.add_argument("--workers", type=int, default=3, help="threads that cut crops")
    options = parser.parse_args()

    keras.utils.set_random_seed(0)
    judged = dict.fromkeys([*STYLE_LAYERS, CONTENT_LAYER])
    judge = frozen_features(vgg19_with(options.judge), judged, "mixed_bfloat16")
    network = TransformerNet(**VARIANTS[options.variant])
    if options.start:
        with np.load(options.start) as arrays:
            network.set_weights(list(arrays.values()))
    weights = (1.0, options.content_weight, options.tv_weight, options.lattice_weight)
    style = nst.load_image(options.style, options.style_size)
    teacher = Teacher(judge, network, style, weights)
    optimizer = keras.optimizers.Adam(
        options.learning_rate,
        global_clipnorm=1.0,
        use_ema=True,
        ema_momentum=MOMENTUM,
        ema_overwrite_frequency=None,
    )
    teacher.compile(optimizer=optimizer, jit_compile=keras.backend.backend() == "jax")
    optimizer.build(teacher.trainable_variables)
    began = time.perf_counter()

    class Watch(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:  # noqa: ARG002
            part = min(1.0, (time.perf_counter() - began) / (60 * options.minutes))
            falling = 0.02 + 0.98 * 0.5 * (1 + np.cos(np.pi * part))
            optimizer.learning_rate.assign(
                options.learning_rate * min(1.0, (epoch + 1) / 3) * falling
            )

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            seconds = time.perf_counter() - began
            means = {name: float(value) for name, value in (logs or {}).items()}
            if not np.isfinite(list(means.values())).all():
                raise SystemExit(f"at step {EVERY * (epoch + 1)} the loss is no number: {means}")
            told = " ".join(f"{name} {value:.4f}" for name, value in means.items())
            print(f"{EVERY * (epoch + 1)} {seconds:.0f} s {told}", flush=True)
            if seconds > 60 * options.minutes:
                teacher.stop_training = True

    teacher.fit(
        crops(Pack.load(options.pack).photos, options.size, options.batch, options.workers),
        steps_per_epoch=EVERY,
        epochs=10**6,
        verbose=0,
        callbacks=[Watch()],
    )
    network.set_weights(averaged(teacher))
    to_bytes(network)
    network.save(options.output)


if __name__ == "__main__":
    main()
