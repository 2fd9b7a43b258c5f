"""Teaching a network to find people: the loss, the training, and how it is judged."""

from __future__ import annotations

import math
import os
import re
import signal
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from drawn_people import figure, grey
from hypothesis import given, settings
from hypothesis import strategies as st
from keras_networks import person_net
from numpy.typing import NDArray
from onnx_files import picture, save

from nstlib._tensorflow import keras, tf
from nstlib.cli.main import main
from nstlib.errors import ArgumentError, ImageError
from nstlib.images.arrays import Image
from nstlib.images.encode import save_image
from nstlib.inference.segmenter import PersonSegmenter
from nstlib.networks.files import save_network
from nstlib.networks.person import PERSON_SIDE, PersonNet
from nstlib.onnx.translation import to_onnx
from nstlib.training import person
from nstlib.training.people import Sample, augmented, group_of, pairs
from nstlib.training.person import (
    evaluate_person,
    false_alarms,
    person_loss,
    segmenter_of,
    train_person,
)

ROOT = Path(__file__).resolve().parents[2]


# The loss


def by_hand(truth: NDArray[np.float64], found: NDArray[np.float64]) -> float:
    """Compute one picture's loss pixel by pixel."""
    height, width = truth.shape
    weighted = total = 0.0
    for y in range(height):
        for x in range(width):
            around = truth[max(0, y - 5) : y + 6, max(0, x - 5) : x + 6].mean()
            weight = 5.0 if 0.02 < around < 0.98 else 1.0
            t, q = truth[y, x], found[y, x]
            weighted -= weight * (t * math.log(q) + (1 - t) * math.log(1 - q))
            total += weight
    missing = 0.0
    for share, t, q in ((0.5, truth, found), (0.25, 1 - truth, 1 - found)):
        both, either = (t * q).sum(), (t + q - t * q).sum()
        missing += share * (1 - (both + 50) / (either + 50))
    return weighted / total + missing


@given(seed=st.integers(0, 1000))
@settings(max_examples=10)
def test_the_loss_is_the_formula(seed: int) -> None:
    random = np.random.default_rng(seed)
    truth = np.zeros((2, 24, 20))
    truth[0, 5:17, 3:12] = 1
    truth[1] = cv2.GaussianBlur(truth[0], (0, 0), 1)
    found = random.uniform(0.01, 0.99, truth.shape)
    losses = person_loss(
        tf.constant(truth[..., np.newaxis], tf.float32),
        tf.constant(np.stack([1 - found, found], axis=-1), tf.float32),
    )
    np.testing.assert_allclose(losses, list(map(by_hand, truth, found)), rtol=1e-4)


def test_the_best_and_the_worst_answer() -> None:
    truth = np.zeros((1, 32, 32, 1), np.float32)
    truth[:, 8:24, 8:24] = 1
    right = np.concatenate([1 - truth, truth], axis=-1)
    assert float(person_loss(truth, right)[0]) == pytest.approx(0, abs=1e-4)
    assert float(person_loss(truth, 1 - right)[0]) > 10  # finite, too
    half = np.full_like(right, 0.5)
    assert float(person_loss(truth, half)[0]) == pytest.approx(
        math.log(2)
        + 0.5 * (1 - (128 + 50) / (256 + 512 - 128 + 50))
        + 0.25 * (1 - (384 + 50) / (768 + 512 - 384 + 50)),
        rel=1e-4,
    )


# Training


def small_network() -> keras.Model:
    """Make a network that can tell white from black."""
    keras.utils.set_random_seed(0)
    image = keras.Input((PERSON_SIDE, PERSON_SIDE, 3))
    x = keras.layers.Conv2D(4, 3, padding="same", activation="relu")(image)
    return keras.Model(image, keras.layers.Conv2D(2, 1, activation="softmax")(x))


class Losses(keras.callbacks.Callback):
    """Collects what Keras reports, and can end the training by an error."""

    def __init__(self, error: BaseException | None = None) -> None:
        super().__init__()
        self.seen: list[tuple[int, float]] = []
        self.error = error

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.seen.append((epoch, float(logs["loss"])))
        if self.error:
            raise self.error


def test_the_loss_falls_and_nothing_is_lost(
    people: list[Sample], others: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(person, "EPOCH", 8)
    options: dict[str, Any] = {"steps": 22, "batch": 2, "learning_rate": 0.1, "progress": False}
    losses = Losses()
    whole = train_person(people, others, network=small_network(), callback=losses, **options)
    assert [epoch for epoch, _ in losses.seen] == [0, 1, 2]
    assert losses.seen[-1][1] < 0.8 * losses.seen[0][1]

    # Interrupted after the first eight steps, and gone on from there: the same network.
    options["checkpoint"] = tmp_path / "state.npz"
    interrupted = Losses(KeyboardInterrupt())
    part = train_person(people, others, network=small_network(), callback=interrupted, **options)
    assert [loss for _, loss in interrupted.seen] == pytest.approx([losses.seen[0][1]], rel=1e-4)
    again = Losses()
    resumed = train_person(people, others, network=small_network(), callback=again, **options)
    assert [epoch for epoch, _ in again.seen] == [1, 2]
    for expected, found in zip(whole.get_weights(), resumed.get_weights(), strict=True):
        np.testing.assert_allclose(found, expected, atol=1e-5)
    assert np.abs(part.get_weights()[0] - whole.get_weights()[0]).max() > 1e-3
    # All steps are done.
    finished = Losses()
    once_more = train_person(people, others, network=small_network(), callback=finished, **options)
    assert finished.seen == []
    np.testing.assert_array_equal(once_more.get_weights()[0], resumed.get_weights()[0])
    with pytest.raises(ArgumentError, match=r"other settings \(people: others than now\)"):
        train_person(people[1:], others, network=small_network(), **options)
    save_image(np.ones((40, 40, 3)), tmp_path / "cat.png", alpha=figure(40, 40))
    with pytest.raises(ArgumentError, match=r"other settings \(things: others than now\)"):
        train_person(
            people, others, things=[tmp_path / "cat.png"], network=small_network(), **options
        )


def test_things_come_into_the_examples(
    people: list[Sample], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_image(np.ones((40, 40, 3)), tmp_path / "cat.png", alpha=figure(40, 40))
    asked = []

    def example(*arguments: Any, things: Any) -> Any:
        asked.append(things)
        return augmented(*arguments, things=things)

    monkeypatch.setattr(person, "augmented", example)
    options: dict[str, Any] = {"steps": 1, "batch": 2, "progress": False}
    things = [tmp_path / "cat.png"]
    train_person(people, [], things=things, network=small_network(), **options)
    assert asked
    assert all(given == things for given in asked)


class Spoiled(keras.callbacks.Callback):
    """Spoils a weight after the last loss was taken, as a step that is too large does."""

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        variable = self.model.trainable_variables[0]
        variable.assign(np.full(variable.shape, np.nan, np.float32))


def test_weights_that_are_no_numbers_are_not_saved(people: list[Sample], tmp_path: Path) -> None:
    options: dict[str, Any] = {"batch": 1, "progress": False, "checkpoint": tmp_path / "state.npz"}
    with pytest.raises(ArgumentError, match="a weight of the network is no longer a number"):
        train_person(people, [], network=small_network(), steps=1, callback=Spoiled(), **options)
    assert not list(tmp_path.iterdir())


class Weights(keras.callbacks.Callback):
    """Collects a layer's weights after each step."""

    def __init__(self, layer: Any) -> None:
        super().__init__()
        self.layer = layer
        self.seen: list[NDArray[np.float32]] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:  # noqa: ARG002
        self.seen.append(self.layer.get_weights()[0])


def test_a_training_gives_the_running_mean_of_its_weights(people: list[Sample]) -> None:
    network = small_network()
    layer = network.layers[-1]
    weights = Weights(layer)
    options: dict[str, Any] = {"batch": 1, "learning_rate": 0.1, "progress": False}
    train_person(people, [], network=network, steps=20, callback=weights, **options)
    assert len(weights.seen) == 20
    mean = weights.seen[0]
    for values in weights.seen[1:]:
        mean = 0.5 * mean + 0.5 * values  # 1 - 10/20 of it stays
    np.testing.assert_allclose(layer.get_weights()[0], mean, rtol=1e-4)
    assert np.abs(mean - weights.seen[-1]).max() > 1e-4 * np.abs(mean).max()


def test_a_photo_that_cannot_be_read(people: list[Sample], tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(people[0][0].read_bytes()[:100])
    with pytest.raises(ImageError, match=r"damaged\.png is damaged or cut off"):
        train_person([(damaged, None)], [], steps=1, batch=1, progress=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"people": []}, "people is empty; give some photographs"),
        ({"steps": 0}, "steps is 0; it must be a whole number, 1 or more"),
        ({"batch": 0}, "batch is 0; it must be a whole number, 1 or more"),
        ({"learning_rate": math.nan}, "learning_rate is nan; it must be a number above 0"),
        ({"seed": -1}, "seed is -1; it must be a whole number"),
        ({"things": [ROOT / "data/figures/astronaut.jpg"]}, "jpg: nothing is cut out in it"),
        ({"network": PersonNet, "selfie": "selfie.tflite"}, "leave out selfie or network"),
    ],
)
def test_what_is_not_accepted(people: list[Sample], change: dict[str, Any], message: str) -> None:
    options: dict[str, Any] = {"people": people, "others": [], "progress": False, **change}
    with pytest.raises(ArgumentError, match=message):
        train_person(**options)


# How well


def test_intersection_over_union_by_hand(tmp_path: Path) -> None:
    """Pictures of 4 × 4 pixels: the mask's upper two rows, and what is said of them."""
    for name in ("images", "masks"):
        (tmp_path / name).mkdir()
    mask = np.zeros((4, 4), np.float32)
    mask[:2] = 1
    for name in ("ccp_1", "ccp_2", "hs_1"):
        save_image(grey(np.full((4, 4), 0.5)), tmp_path / "images" / f"{name}.png")
        save_image(grey(mask), tmp_path / "masks" / f"{name}.png")
    said = []
    upper, left = np.zeros((4, 4)), np.zeros((4, 4))
    upper[0] = left[:, :2] = 1
    answers = iter([upper, left, mask.astype(float)])

    def segmenter(image: Image) -> NDArray[np.float64]:
        said.append(image.shape)
        return next(answers)

    scores = evaluate_person(segmenter, pairs(tmp_path))
    # Person: 4 of 8 pixels, then 4 of 12. Background: 8 of 12, then 4 of 12.
    expected = ((4 + 4) / (8 + 12) + (8 + 4) / (12 + 12)) / 2
    assert scores == pytest.approx({"ccp": expected, "hs": 1.0})
    assert said == [(4, 4, 3)] * 3


def test_probabilities_of_another_size_are_enlarged(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    (tmp_path / "masks").mkdir()
    mask = np.zeros((60, 40), np.float32)
    mask[:, :20] = 1
    save_image(grey(mask), tmp_path / "images" / "a.png")
    save_image(grey(mask), tmp_path / "masks" / "a.png")
    scores = evaluate_person(lambda image: np.array([[0.9, 0.1]] * 3), pairs(tmp_path))  # noqa: ARG005
    assert scores == {"a": 1.0}


def test_nobody_and_nobody_found(others: list[Path]) -> None:
    nobody: list[Sample] = [(photo, None) for photo in others]
    assert evaluate_person(lambda image: np.zeros(image.shape[:2]), nobody) == {"": 1.0}
    quarter = np.zeros((8, 8))
    quarter[:4, :4] = 0.8
    assert false_alarms(lambda image: quarter, others) == 0.25  # noqa: ARG005


def test_the_served_network_is_the_judged_one(tmp_path: Path) -> None:
    """A Keras network in evaluation and its ONNX file at work say the same of large photographs."""
    network = person_net()
    path = save(to_onnx(network, half=False), tmp_path / "person.onnx")
    served, judged = PersonSegmenter(path), segmenter_of(network)
    for size in ((700, 900), (100, 500), (64, 64)):
        photo = picture(*size)
        enlarged = cv2.resize(np.asarray(judged(photo)), size[::-1])
        np.testing.assert_allclose(served(photo), enlarged, atol=1e-3)
    assert enlarged.std() > 0.005


def test_a_network_is_judged_as_it_was_trained(people: list[Sample]) -> None:
    """A network that says of white that it is a person finds them all."""
    image = keras.Input((PERSON_SIDE, PERSON_SIDE, 3))
    white = keras.layers.Conv2D(2, 1, activation="softmax")
    network = keras.Model(image, white(image))
    white.set_weights([np.array([[[[0, 50.0]] * 3]]), np.zeros(2)])
    for score in evaluate_person(network, people).values():
        assert score > 0.97
    assert false_alarms(network, [photo for photo, _ in people]) > 0.1


# The command


def test_the_command_trains_measures_and_exports(
    people_folder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    output, start = tmp_path / "person.onnx", tmp_path / "start.keras"
    save_network(PersonNet(), start)
    (tmp_path / "animals").mkdir()
    save_image(np.ones((40, 40, 3)), tmp_path / "animals" / "cat.png", alpha=figure(40, 40))
    options = {
        "--people": people_folder,
        "--others": people_folder / "others",
        "--things": tmp_path / "animals",
        "--start": start,
        "--repeat": "a=2",
        "--kept-back": 0.25,
        "--steps": 2,
        "--batch": 2,
        "--checkpoint": tmp_path / "state.npz",
        "-o": output,
    }
    assert (
        main(["train", "person", *(str(word) for option in options.items() for word in option)])
        == 0
    )
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 4
    # Before it is measured, which takes a while.
    assert lines[0].startswith(f"wrote {output}: 2 steps, ")
    assert not (tmp_path / "state.npz").exists()  # or the same command would do nothing
    for line, group in zip(lines[1:3], "ab", strict=True):  # the first and the fifth of eight
        assert re.fullmatch(rf"mIoU 0\.\d{{3}} on kept-back images {group}", line)
    assert re.fullmatch(r"\d+\.\d\d% of images without people taken for one", lines[3])
    found = cv2.dnn.readNetFromONNX(str(output))
    found.setInput(np.zeros((1, 3, PERSON_SIDE, PERSON_SIDE), np.float32))
    np.testing.assert_allclose(found.forward().sum(axis=1), 1, atol=1e-5)


def test_the_commands_options_reach_the_training(
    people_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of four photographs of a and four of b, the first of each is kept back."""
    given: dict[str, Any] = {}
    measured: list[Sample] = []

    def train(people: list[Sample], *_: Any, **options: Any) -> keras.Model:
        given.update(options, people=people)
        return person_net()

    def evaluate(_: keras.Model, people: list[Sample]) -> dict[str, float]:
        measured.extend(people)
        return {}

    monkeypatch.setattr(person, "train_person", train)
    monkeypatch.setattr(person, "evaluate_person", evaluate)
    places = ["--people", str(people_folder), "-o", str(tmp_path / "person.keras")]
    options = "--repeat a=2 --batch 3 --learning-rate 0.01 --seed 5 --kept-back 0.25 --steps 7"
    assert main(["train", "person", *places, *options.split()]) == 0
    found = {name: given[name] for name in ("batch", "learning_rate", "seed", "steps")}
    assert found == {"batch": 3, "learning_rate": 0.01, "seed": 5, "steps": 7}
    learned = [photo for photo, _ in given["people"]]
    assert Counter(map(group_of, learned)) == {"a": 3 * 2, "b": 3}
    kept = [photo for photo, _ in measured]
    assert [group_of(photo) for photo in kept] == ["a", "b"]
    assert not {*kept} & {*learned}


@pytest.mark.parametrize(("interrupted", "code"), [(2, 130), (3, 0)])
def test_who_interrupts_the_last_step_has_a_complete_training(
    interrupted: int,
    code: int,
    people_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Three steps; from the first on there is a network to keep."""

    def train(*_: Any, stop: Callable[[], bool], **__: Any) -> keras.Model:
        for step in (1, 2, 3):
            if step == interrupted:
                os.kill(os.getpid(), signal.SIGINT)
            if step < 3 and stop():
                break
        return person_net()

    monkeypatch.setattr("nstlib.training.person.train_person", train)
    output, state = tmp_path / "person.onnx", tmp_path / "state.npz"
    state.touch()
    options = ["--people", str(people_folder), "-o", str(output), "--checkpoint", str(state)]
    assert main(["train", "person", *options, "--steps", "3"]) == code
    assert output.is_file()
    assert state.exists() == (code == 130)
    assert ("mIoU" in capsys.readouterr().out) == (code == 0)


def test_the_command_names_what_is_wrong(
    people_folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, output = str(people_folder), str(tmp_path / "person.onnx")
    assert main(["train", "person", "--people", str(tmp_path), "-o", output]) == 2
    assert "images is not a folder" in capsys.readouterr().err
    assert main(["train", "person", "--people", folder, "-o", str(tmp_path / "p.pth")]) == 2
    assert "use one of .onnx, .keras" in capsys.readouterr().err
    assert main(["train", "person", "--people", folder, "-o", output, "--repeat", "a"]) == 2
    assert "--repeat is a; it must be a group and a whole number" in capsys.readouterr().err
    assert main(["train", "person", "--people", folder, "-o", output, "--kept-back", "0.9"]) == 2
    assert "it lies between 0 and 0.5" in capsys.readouterr().err
    own = ROOT / "models" / "person.onnx"
    begin = ["train", "person", "--people", folder, "-o", output, "--selfie", str(own)]
    assert main(begin) == 2
    assert "person.onnx is not MediaPipe's selfie segmentation" in capsys.readouterr().err
    start = tmp_path / "start.keras"
    save_network(keras.Sequential([keras.Input((8, 8, 3)), keras.layers.ReLU()]), start)
    assert main([*begin, "--start", str(start)]) == 2
    assert "leave out --selfie or --start" in capsys.readouterr().err
    before = start.read_bytes()
    for options, kind in (
        (["-o", str(start)], "model"),
        (["-o", output, "--checkpoint", str(start)], "checkpoint"),
    ):
        command = ["train", "person", "--people", folder, "--start", str(start), *options]
        assert main([*command, "--steps", "1"]) == 2
        words = f"{start} is an input or another output already; choose another {kind} file"
        assert words in capsys.readouterr().err
    assert start.read_bytes() == before
