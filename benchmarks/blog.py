"""A tutorial's three runs exactly as written, on VGG19, beside the library on the same network.

    python benchmarks/blog.py [--runs texture smooth transfer] [--folder build/blog]
        [--loops FILE] [--precision bfloat16]

The tutorial is HyunMin Kim's of 3 November 2020. Its runs: a texture, 5,000 steps of Adam at 224
pixels; the same with a price on roughness; a photograph painted, 2,000 steps at 512 pixels, which
runs VGG19 twice a step. Loss, weights, optimiser, steps and sizes are its own, also where they are
mistaken (``tutorial_content_loss``; one Adam for two images; a style squashed to a square). Its two
pictures are not ours to show: a painting and a photograph that the course has stand in for them.

Each run is followed by the library's on the same network: its loop on the same loss until it is
where the tutorial ended, then ``nst texture`` or ``nst transfer`` with their defaults. Hours of
work: a run that is stopped goes on where it was, and ``--report`` tells what there is so far. The
pictures of runs that are whole go to ``notebooks/figures/``. Times are processor time, summed
over the cores, and time on the clock, while whatever else ran.

On a machine with a graphics card and JAX, ``benchmarks/blog_jax.py`` makes the same three runs in a
minute. ``--loops`` takes their results from its file; here each is checked, and some steps are made
to say what one costs. ``--precision bfloat16`` makes the steps in half the time, on processors that
have such numbers; the loss that is told at the end, and the library's side, are of float32.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import classic
import cv2
import numpy as np
import vgg19

import nstlib as nst
from nstlib import tf
from nstlib._files import SavedState
from nstlib.features import PRECISIONS
from nstlib.images.arrays import Image
from nstlib.optimize import Step
from nstlib.scales import Checkpoint

STYLE, CONTENT = "great_wave", "chelsea"

#: Steps of each run.
STEPS = {"texture": 5000, "smooth": 5000, "transfer": 2000}

#: Steps made here of a run that was made elsewhere or in bfloat16, to say what one costs.
TIMED = 20

#: Steps between two lines of the tutorial's own display; here, between two saved states.
EPOCH = 100

#: What the tutorial printed of its own pictures: their total variation, and its clock.
PRINTED = {
    "texture": "0.103; 1,295 s",
    "smooth": "0.0295; 1,488 s",
    "transfer": "not printed; 2,435 s",
}
PRINTED_NOISE, PRINTED_STYLE = 0.332, 0.0364


@dataclass(frozen=True)
class Run:
    """What one of the three runs is made of; `loss` builds it for a size, (height, width)."""

    steps: int
    learning_rate: float
    start: Image
    loss: Callable[[tuple[int, ...]], Callable[[tf.Tensor], tf.Tensor]]
    coarse: int
    steps_before: int = 0


def squashed_style() -> Image:
    """Give the style as the tutorial reads it: a square, whatever its shape."""
    return np.asarray(cv2.resize(nst.load_image(STYLE), (224, 224)), np.float32)


def photograph() -> Image:
    """Give the content as the tutorial reads it: its longer side at 512 pixels."""
    content = nst.load_image(CONTENT)
    height, width = content.shape[:2]
    scale = 512 / max(height, width)
    small = cv2.resize(content, (int(width * scale), int(height * scale)))
    return np.asarray(small, np.float32)


def tutorial_content_loss(features: tf.Tensor, targets: tf.Tensor) -> tf.Tensor:
    """Square the mean of the differences, so that opposite ones cancel."""
    return tf.reduce_sum(tf.reduce_mean(features - targets) ** 2)


def runs(weights: str, precision: str = "float32") -> dict[str, Run]:
    """Build the tutorial's runs."""
    style, content = squashed_style(), photograph()
    of_style = nst.feature_extractor(nst.STYLE_LAYERS, weights, precision=precision)
    of_content = nst.feature_extractor([classic.CONTENT_LAYER], weights, precision=precision)

    def grams(size: tuple[int, ...]) -> Callable[[tf.Tensor], tf.Tensor]:
        return classic.gram_loss(of_style, nst.resize(style, (size[0], size[1])))

    def smooth(size: tuple[int, ...]) -> Callable[[tf.Tensor], tf.Tensor]:
        texture = grams(size)
        return lambda image: (
            1e-1 * texture(image) + classic.TV_WEIGHT * nst.total_variation_loss(image)
        )

    def transfer(size: tuple[int, ...]) -> Callable[[tf.Tensor], tf.Tensor]:
        side = round(224 * max(size) / max(content.shape))  # the style shrinks with the content
        texture = grams((side, side))
        small = nst.resize(content, (size[0], size[1]))
        target = of_content(small[np.newaxis])[classic.CONTENT_LAYER]

        def loss(image: tf.Tensor) -> tf.Tensor:
            features = of_content(image[tf.newaxis])[classic.CONTENT_LAYER]
            return (
                classic.STYLE_WEIGHT * texture(image)
                + classic.CONTENT_WEIGHT * tutorial_content_loss(features, target)
                + classic.TV_WEIGHT * nst.total_variation_loss(image)
            )

        return loss

    noises = [np.random.default_rng(seed).random(style.shape, np.float32) for seed in (0, 1)]
    return {
        "texture": Run(STEPS["texture"], 0.2, noises[0], grams, 50),
        "smooth": Run(STEPS["smooth"], 0.2, noises[1], smooth, 50, steps_before=STEPS["texture"]),
        "transfer": Run(STEPS["transfer"], 0.001, content, transfer, 20),
    }


@dataclass
class Clock:
    """Time on the clock and of the processor, summed over several starts of a program."""

    wall: float = 0.0
    cpu: float = 0.0
    load: float = 0.0

    def measure(self) -> None:
        """Begin."""
        self._began = time.perf_counter() - self.wall, time.process_time() - self.cpu

    def stop(self) -> dict[str, float]:
        """Return what has gone by, and how busy the machine is."""
        self.wall = time.perf_counter() - self._began[0]
        self.cpu = time.process_time() - self._began[1]
        self.load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
        return {"wall": self.wall, "cpu": self.cpu, "load": self.load}


def as_written(
    name: str, run: Run, steps: int, weights: str, folder: Path, precision: str = "float32"
) -> dict[str, Any]:
    """Go on with a run of the tutorial until it has made its steps; return how it went."""
    saved = SavedState(folder / f"{name}.npz", {"run": name, "weights": weights})
    size = run.start.shape[:2]
    loss = run.loss(size)
    stepped = loss if precision == "float32" else runs(weights, precision)[name].loss(size)
    loop = classic.Loop(stepped, run.start, run.learning_rate, run.steps_before)

    def understand(arrays: Any) -> dict[str, Any]:
        loop.restore(arrays)
        told: dict[str, Any] = json.loads(str(arrays["told"]))
        return told

    told = saved.read(understand) or {"steps": 0, "losses": [], "wall": 0.0, "cpu": 0.0}
    clock = Clock(told["wall"], told["cpu"])
    clock.measure()
    while told["steps"] < steps:
        here = min(EPOCH - told["steps"] % EPOCH, steps - told["steps"])
        values = [loop.step() for _ in range(here)]
        told |= {"steps": told["steps"] + here, **clock.stop()}
        if precision != "float32":
            told["precision"] = precision
        told["losses"].append([told["steps"], values[-1]])
        saved.write(told=np.array(json.dumps(told)), **loop.state())
        print(
            f"{name}: {told['steps']} of {steps} steps, loss {values[-1]:.4g}, "
            f"{told['wall']:.0f} s, processor {told['cpu']:.0f} s, load {told['load']:.1f}",
            flush=True,
        )
    if "precision" in told and not told.get("timed") and told["steps"] == steps:
        told |= {**time_of(run, steps), "timed": True}
        saved.write(told=np.array(json.dumps(told)), **loop.state())
    return {**told, "image": loop.image, "loss": float(loss(tf.constant(loop.image)))}


def time_of(run: Run, steps: int) -> dict[str, float]:
    """Say how long a run takes here, after a few steps of it."""
    loss = run.loss(run.start.shape[:2])
    loop = classic.Loop(loss, run.start, run.learning_rate, run.steps_before)
    loop.step()
    clock = Clock()
    clock.measure()
    for _ in range(TIMED):
        loop.step()
    return {key: value * steps / TIMED for key, value in clock.stop().items() if key != "load"}


def made_elsewhere(name: str, run: Run, steps: int, weights: str, folder: Path, file: Path) -> None:
    """Take a run's result from what ``blog_jax.py`` wrote, and save it as one made here.

    A loss is compared before it is believed: the one that ``blog_jax.py`` found for its last image
    must be the one found here. A few steps are made here, for the time that one takes.
    """
    saved = SavedState(folder / f"{name}.npz", {"run": name, "weights": weights})
    with np.load(file, allow_pickle=False) as arrays:
        told: dict[str, Any] = json.loads(str(arrays[f"{name}/told"]))
        image = arrays[f"{name}/image"]
    loss = run.loss(run.start.shape[:2])
    here = float(loss(tf.constant(image)))
    if told["steps"] != steps or not np.isclose(here, told["loss"], rtol=1e-2):
        raise SystemExit(f"{file}: {name} has {told}, but the loss of its image is {here:.6g}")
    loop = classic.Loop(loss, run.start, run.learning_rate, run.steps_before)
    device = {"device": told["device"], "seconds": told["seconds"]}
    told = {"steps": steps, "losses": told["losses"], **time_of(run, steps), **device}
    saved.write(told=np.array(json.dumps(told)), **{**loop.state(), "image": image})


def to_the_same_loss(
    name: str, run: Run, goal: float, steps: int, weights: str, folder: Path
) -> dict[str, Any]:
    """Let the library's loop look for the loss at which the tutorial ended."""
    file = folder / f"{name}_library_{steps}.json"
    if file.exists():
        found: dict[str, Any] = json.loads(file.read_text())
        return found
    state = file.with_suffix(".npz")
    times = file.with_suffix(".times")
    full = run.start.shape[:2]
    clock = Clock(*(json.loads(times.read_text()) if times.exists() and state.exists() else ()))
    clock.measure()

    def reached(step: Step) -> bool:
        assert step.image is not None
        clock.stop()
        times.write_text(json.dumps([clock.wall, clock.cpu]))
        return step.image.shape == run.start.shape and step.loss <= goal

    result = nst.coarse_to_fine(
        run.loss,
        run.start,
        [(full[0] // part, full[1] // part) for part in (4, 2, 1)],
        iterations=[run.coarse, run.coarse, 600],
        callback=reached,
        checkpoint=Checkpoint(state, {"run": name, "weights": weights, "steps": steps}),
        progress=False,
    )
    found = {
        **clock.stop(),
        "evaluations": result.evaluations,
        "loss": result.loss,
        "reached": result.loss <= goal,
    }
    file.write_text(json.dumps(found))
    times.unlink(missing_ok=True)
    state.unlink(missing_ok=True)
    return found


def by_default(name: str, weights: str, folder: Path) -> dict[str, Any]:
    """Make what ``nst texture`` or ``nst transfer`` make of the same two pictures."""
    file = folder / f"{name}_default.npz"
    if not file.exists():
        clock = Clock()
        clock.measure()
        if name == "transfer":
            style = nst.load_image(STYLE)
            made = nst.transfer_style(photograph(), style, weights=weights, progress=False)
        else:
            made = nst.synthesize_texture(squashed_style(), weights=weights, progress=False)
        told = {**clock.stop(), "evaluations": made.evaluations}
        np.savez(file, image=made.image, told=np.array(json.dumps(told)))
    with np.load(file) as arrays:
        return {**json.loads(str(arrays["told"])), "image": arrays["image"]}


def report(found: dict[str, dict[str, Any]], folder: Path, weights: str) -> None:
    """Print the table, and lay the pictures side by side."""

    def place(*names: str) -> Path:
        """Say where the picture of some runs goes: to the lessons' if they are whole."""
        made = [found.get(name, {}).get("made", {}).get("steps") == STEPS[name] for name in names]
        return vgg19.FIGURES if weights == "imagenet" and all(made) else folder

    of_noise = np.random.default_rng(2).random((224, 224, 3), np.float32)
    print(f"\n{platform.platform()}, {os.cpu_count()} cores")
    print(
        f"total variation: noise {variation(of_noise):.3f} (the tutorial's {PRINTED_NOISE}), "
        f"the style {variation(squashed_style()):.4f} (its own {PRINTED_STYLE})\n"
    )
    print("| run | steps | processor | clock | the library's, same loss | ratio | its defaults |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for name, parts in found.items():
        made, same, default = parts["made"], parts.get("same"), parts.get("default")
        cells = [
            name,
            f"{made['steps']:,}",
            f"{made['cpu']:,.0f} s ({made['cpu'] / made['steps']:.2f} s a step)",
            f"{made['wall']:,.0f} s"
            + (f" ({made['device']}: {made['seconds']:.0f} s)" if "device" in made else "")
            + (f" (made in {made['precision']})" if "precision" in made else ""),
            "not run yet",
            "",
            "",
        ]
        if same:
            words = "" if same["reached"] else f"ends at {same['loss']:.3g} after "
            cells[4] = f"{words}{same['evaluations']} evaluations, processor {same['cpu']:,.0f} s"
            if same["reached"]:
                cells[5] = f"{made['cpu'] / same['cpu']:.1f}"
        if default:
            cells[6] = f"{default['evaluations']} evaluations, processor {default['cpu']:,.0f} s"
        print("|", " | ".join(cells), "|")
    if any({"device", "precision"} & parts["made"].keys() for parts in found.values()):
        print(
            "\nTimes of runs made on a graphics card or in bfloat16: those of "
            f"{TIMED} steps here in float32, times as many."
        )
    print()
    for name, parts in found.items():
        made = parts["made"]
        print(
            f"{name}: loss {made['loss']:.4g}, total variation {variation(made['image']):.4f} "
            f"(the tutorial's own: {PRINTED[name]})"
        )
        if "default" in parts:
            print(f"  the library's defaults: {variation(parts['default']['image']):.4f}")

    pictures = [squashed_style()]
    titles = [f"the style: {variation(pictures[0]):.3f}"]
    for name, words in (("texture", "as written"), ("smooth", "with a price on roughness")):
        if name in found:
            made = found[name]["made"]
            pictures.append(made["image"])
            titles.append(f"{words}, {made['steps']:,} steps: {variation(made['image']):.3f}")
    if "default" in found.get("texture", {}):
        pictures.append(found["texture"]["default"]["image"])
        titles.append(f"nst texture: {variation(pictures[-1]):.3f}")
    if len(pictures) > 1:
        save(place("texture", "smooth"), "blog_texture", pictures, titles)
    if "transfer" in found:
        made = found["transfer"]["made"]
        pictures = [photograph(), made["image"]]
        titles = ["the photograph", f"as written, {made['steps']:,} steps"]
        if "default" in found["transfer"]:
            pictures.append(found["transfer"]["default"]["image"])
            titles.append("nst transfer")
        save(place("transfer"), "blog_transfer", pictures, titles)


def variation(image: Image) -> float:
    """Total variation, as the tutorial computes it."""
    return float(nst.total_variation_loss(image))


def save(folder: Path, name: str, pictures: Sequence[Image], titles: Sequence[str]) -> None:
    """Write pictures in a row."""
    alt = f"Pictures in a row: {', '.join(titles)}."
    row = nst.show_images(pictures, titles, columns=len(pictures), alt=alt)
    vgg19.write(row, name, folder)


def main() -> None:
    """Go on with the runs, and report."""
    parser = argparse.ArgumentParser(description="a tutorial's runs as written, on VGG19")
    parser.add_argument("--runs", nargs="+", choices=PRINTED, default=list(PRINTED))
    parser.add_argument("--folder", type=Path, default=Path("build/blog"), help="of all states")
    parser.add_argument("--weights", default="imagenet")
    parser.add_argument("--steps", type=int, help="of each run, instead of those as written")
    parser.add_argument("--precision", default="float32", choices=PRECISIONS)
    parser.add_argument("--loops", type=Path, help="what blog_jax.py wrote")
    parser.add_argument("--report", action="store_true", help="only tell what there is")
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)

    found: dict[str, dict[str, Any]] = {}
    for name, run in runs(options.weights).items():
        state = options.folder / f"{name}.npz"
        if name not in options.runs or (options.report and not state.exists()):
            continue
        steps = 0 if options.report else min(run.steps, options.steps or run.steps)
        if options.loops and not state.exists():
            made_elsewhere(name, run, steps, options.weights, options.folder, options.loops)
        made = as_written(name, run, steps, options.weights, options.folder, options.precision)
        found[name] = {"made": made}
        arguments = (name, run, made["loss"], made["steps"], options.weights, options.folder)
        if not options.report or (options.folder / f"{name}_library_{made['steps']}.json").exists():
            found[name]["same"] = to_the_same_loss(*arguments)
        recipe = "transfer" if name == "transfer" else "texture"
        if not options.report or (options.folder / f"{recipe}_default.npz").exists():
            found[name]["default"] = by_default(recipe, options.weights, options.folder)
    report(found, options.folder, options.weights)


if __name__ == "__main__":
    main()
