"""The three loops of ``benchmarks/blog.py`` in JAX, for a machine with a graphics card.

    python benchmarks/blog_jax.py VGG19.npz OUT.npz [--steps-divided-by N]

VGG19.npz is the compact copy of VGG19 that ``nst assets pack vgg19`` writes; ``nst assets list``
says where the style, ``great_wave``, comes from. Needs JAX and nothing of TensorFlow.
``blog.py --loops OUT.npz`` reads the results, compares a loss with its own, and goes on from there.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import cv2
import jax
import jax.numpy as jnp
import numpy as np

import nstlib as nst

#: Convolutions in each block of VGG19.
CONVOLUTIONS = (2, 2, 4, 4, 4)

STYLE_LAYERS = tuple(f"block{block}_conv1" for block in range(1, 6))
CONTENT_LAYER = "block5_conv2"
MEAN_BGR = (103.939, 116.779, 123.68)

#: Weights of the transfer's terms, and Adam's settings, as ``classic.py`` has them.
STYLE_WEIGHT, CONTENT_WEIGHT, TV_WEIGHT = 1e-2, 1e4, 1e9
BETA_1, BETA_2, EPSILON = 0.99, 0.999, 0.1

#: Steps between two entries in the list of losses.
EVERY = 100

Loss = Callable[[Any], Any]


class Run(NamedTuple):
    """What one of the three runs is made of."""

    loss: Loss
    start: Any
    learning_rate: float
    steps: int
    steps_before: int = 0


def load_weights(file: str) -> dict[str, tuple[Any, Any]]:
    """Read kernels (as Keras has them) and biases by layer."""
    with np.load(file) as arrays:
        names = [name.removesuffix("/codes") for name in arrays.files if name.endswith("/codes")]
        return {
            name: (arrays[f"{name}/table"][arrays[f"{name}/codes"]], arrays[f"{name}/bias"])
            for name in names
        }


def features(weights: dict[str, tuple[Any, Any]], image: Any, layers: Sequence[str]) -> Any:
    """Look at one picture, (H, W, 3), RGB in [0, 1]; return the features of each layer."""
    x = 255.0 * image[None, :, :, ::-1] - jnp.array(MEAN_BGR)
    found = {}
    for block, count in enumerate(CONVOLUTIONS, 1):
        for number in range(1, count + 1):
            name = f"block{block}_conv{number}"
            kernel, bias = weights[name]
            x = jax.lax.conv_general_dilated(
                x, kernel, (1, 1), "SAME", dimension_numbers=("NHWC", "HWIO", "NHWC")
            )
            x = jax.nn.relu(x + bias)
            if name in layers:
                found[name] = x[0]
                if len(found) == len(layers):
                    return found
        window = (1, 2, 2, 1)
        x = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, window, window, "VALID")
    raise ValueError(f"VGG19 has no {layers}")


def gram_matrix(layer: Any) -> Any:
    """Correlate channels over all positions."""
    flat = layer.reshape(-1, layer.shape[-1])
    return flat.T @ flat / len(flat)


def total_variation(image: Any) -> Any:
    """Mean squared step from a pixel to its right and its lower neighbour."""
    right, down = image[:, 1:] - image[:, :-1], image[1:] - image[:-1]
    return jnp.mean(right**2) + jnp.mean(down**2)


def runs(weights: dict[str, tuple[Any, Any]]) -> dict[str, Run]:
    """Build the tutorial's runs, on the two pictures of ``blog.py``."""
    style: Any = cv2.resize(nst.load_image("great_wave"), (224, 224))
    content: Any = nst.load_image("chelsea")
    scale = 512 / max(content.shape)
    content = cv2.resize(content, (int(content.shape[1] * scale), int(content.shape[0] * scale)))

    wanted = {n: gram_matrix(f) for n, f in features(weights, style, STYLE_LAYERS).items()}
    target = features(weights, content, [CONTENT_LAYER])[CONTENT_LAYER]

    def texture(image: Any) -> Any:
        found = features(weights, image, STYLE_LAYERS)
        return sum(jnp.mean((gram_matrix(found[n]) - wanted[n]) ** 2) for n in wanted)

    def smooth(image: Any) -> Any:
        return 0.1 * texture(image) + TV_WEIGHT * total_variation(image)

    def transfer(image: Any) -> Any:
        found = features(weights, image, [CONTENT_LAYER])[CONTENT_LAYER]
        of_content = jnp.mean(found - target) ** 2  # the square of the mean, as it stands there
        return (
            STYLE_WEIGHT * texture(image)
            + CONTENT_WEIGHT * of_content
            + TV_WEIGHT * total_variation(image)
        )

    noises = [np.random.default_rng(seed).random(style.shape, np.float32) for seed in (0, 1)]
    return {
        "texture": Run(texture, noises[0], 0.2, 5000),
        "smooth": Run(smooth, noises[1], 0.2, 5000, steps_before=5000),
        "transfer": Run(transfer, content, 0.001, 2000),
    }


def make(name: str, run: Run, steps: int) -> tuple[Any, dict[str, Any]]:
    """Make a run; return its image, and what there is to tell."""
    value_and_gradient = jax.value_and_grad(run.loss)
    every = min(EVERY, steps)

    def step(_: Any, state: Any) -> Any:
        image, mean, square, number, _ = state
        value, gradient = value_and_gradient(image)
        number = number + 1
        rate = run.learning_rate * jnp.sqrt(1 - BETA_2**number) / (1 - BETA_1**number)
        mean = mean + (gradient - mean) * (1 - BETA_1)
        square = square + (gradient**2 - square) * (1 - BETA_2)
        image = jnp.clip(image - rate * mean / (jnp.sqrt(square) + EPSILON), 0, 1)
        return image, mean, square, number, value

    some = jax.jit(lambda state: jax.lax.fori_loop(0, every, step, state))
    nothing = jnp.zeros(run.start.shape)
    number = jnp.float32(run.steps_before)
    state = (jnp.asarray(run.start), nothing, nothing, number, jnp.float32(0))
    some(state)[0].block_until_ready()  # compiled
    losses = []
    began = time.perf_counter()
    for done in range(every, steps + 1, every):
        state = some(state)
        losses.append([done, float(state[-1])])
    seconds = time.perf_counter() - began
    told = {
        "steps": losses[-1][0],
        "losses": losses,
        "loss": float(run.loss(state[0])),
        "seconds": seconds,
        "device": jax.devices()[0].device_kind,
    }
    variation = float(total_variation(state[0]))
    print(f"{name}: {told['steps']} steps, loss {told['loss']:.6g}, ", end="")
    print(f"total variation {variation:.4f}, {seconds:.1f} s on {told['device']}", flush=True)
    return np.asarray(state[0]), told


def main() -> None:
    """Make the runs, and write what came out."""
    parser = argparse.ArgumentParser(description="a tutorial's loops on a graphics card")
    parser.add_argument("weights", help="the compact copy of VGG19")
    parser.add_argument("output", help="for blog.py --loops")
    parser.add_argument("--steps-divided-by", type=int, default=1, metavar="N")
    options = parser.parse_args()
    jax.config.update("jax_default_matmul_precision", "highest")
    found: dict[str, Any] = {}
    for name, run in runs(load_weights(options.weights)).items():
        image, told = make(name, run, run.steps // options.steps_divided_by)
        found |= {f"{name}/image": image, f"{name}/told": np.array(json.dumps(told))}
        np.savez_compressed(options.output, **found)


if __name__ == "__main__":
    main()
