"""Teaching a network a style: the loss falls, nothing is lost, and many machines agree with one."""

from __future__ import annotations

import functools
import json
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from nstlib._tensorflow import keras, tf
from nstlib.art.catalogue import DRAWN_STYLES, draw
from nstlib.assets.cache import embedded_model
from nstlib.cli.main import main
from nstlib.errors import ArgumentError, ImageError, ModelError, OutputError
from nstlib.features import PRECISIONS
from nstlib.images.arrays import Image
from nstlib.images.encode import save_image
from nstlib.images.resizing import resize
from nstlib.inference.stylizer import Stylizer
from nstlib.losses import total_variation_loss
from nstlib.networks.files import save_network
from nstlib.networks.transformer import TransformerNet
from nstlib.sources import load_image
from nstlib.training.photos import image_files, random_crop
from nstlib.training.pipeline import Pipeline
from nstlib.training.style import (
    Progress,
    StyleTrainer,
    crops_of,
    from_bytes,
    lattice,
    to_bytes,
    train_style,
)

STEPS = 12
OPTIONS: dict[str, Any] = {
    "size": 32,
    "steps": STEPS,
    "batch": 2,
    "every": 4,
    "learning_rate": 5e-3,
    "progress": False,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of made photographs, of several shapes, with other things among them."""
    folder = tmp_path_factory.mktemp("photos")
    (folder / "more").mkdir()
    for number, name in enumerate(DRAWN_STYLES):
        size = [(60, 80), (40, 40), (90, 50)][number % 3]
        place = folder / "more" if number % 2 else folder
        save_image(draw(name, size, seed=number), place / f"{name}.png")
    (folder / "notes.txt").write_text("the third one is the best")
    (folder / ".hidden.png").write_text("what some systems leave behind")
    return folder


@pytest.fixture(scope="module")
def photos(folder: Path) -> list[Path]:
    return image_files([folder])


@pytest.fixture(scope="module")
def style() -> Image:
    return draw("mosaic", 48)


def small(seed: int = 0) -> keras.Model:
    keras.utils.set_random_seed(seed)
    return TransformerNet((4, 8), blocks=1, kernel=3)


def weights(network: keras.Model) -> list[NDArray[np.float32]]:
    arrays: list[NDArray[np.float32]] = network.get_weights()
    return arrays


def assert_equal(one: keras.Model, other: keras.Model) -> None:
    """Compare weights.

    The biases before an instance normalization change nothing, so that their gradients are rounding
    errors, which Adam takes as seriously as any.
    """
    for a, b in zip(weights(one), weights(other), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3 if a.ndim == 1 else 1e-6, rtol=1e-4)


@pytest.fixture(scope="module")
def whole(style: Image, photos: list[Path]) -> tuple[keras.Model, list[Progress]]:
    """Return a training that nothing disturbed, and its reports."""
    reports: list[Progress] = []
    network = small()
    preview = resize(load_image("chelsea"), (24, 32))
    trained = train_style(
        style, photos, network=network, preview=preview, callback=reports.append, **OPTIONS
    )
    assert trained is network
    return network, reports


# Training


def test_the_loss_falls_and_is_reported(whole: tuple[keras.Model, list[Progress]]) -> None:
    network, reports = whole
    assert [report.step for report in reports] == [4, 8, 12]
    assert reports[-1].loss < 0.6 * reports[0].loss
    for report in reports:
        assert list(report.terms) == ["content", "style", "tv", "lattice"]
        # What the sum holds beside the terms is the price of values that no screen shows.
        weighted = np.dot(list(report.terms.values()), [0.2, 1, 3, 30])
        assert report.loss >= weighted - 1e-4
    seconds = [report.seconds for report in reports]
    assert seconds == sorted(seconds)
    assert reports[0].remaining == pytest.approx(2 * reports[0].seconds)
    assert reports[-1].remaining == 0

    last = reports[-1].preview
    assert last is not None
    assert last.shape == (24, 32, 3)
    assert last.dtype == np.float32
    # The network that came out is the one that painted it, on another scale.
    photo = resize(load_image("chelsea"), (24, 32))
    painted = network(255 * photo[np.newaxis])[0].numpy() / 255
    np.testing.assert_allclose(painted.clip(0, 1), last, atol=1e-4)


def test_killed_and_resumed(
    whole: tuple[keras.Model, list[Progress]], style: Image, photos: list[Path], tmp_path: Path
) -> None:
    class KilledError(Exception):
        pass

    def kill(report: Progress) -> None:
        if report.step == 8:
            raise KilledError

    state = tmp_path / "state.npz"
    options = OPTIONS | {"checkpoint": state}
    with pytest.raises(KilledError):
        train_style(style, photos, network=small(), callback=kill, **options)
    assert list(tmp_path.iterdir()) == [state]
    reports: list[Progress] = []
    again = train_style(style, photos, network=small(1), callback=reports.append, **options)
    assert [report.step for report in reports] == [12]
    assert_equal(again, whole[0])
    assert reports[-1].loss == pytest.approx(whole[1][-1].loss, rel=1e-4)
    # All steps are done: the same call gives the same network at once.
    reports.clear()
    once_more = train_style(style, photos, network=small(2), callback=reports.append, **options)
    assert reports == []
    assert_equal(once_more, whole[0])

    with pytest.raises(ArgumentError, match=r"other settings \(batch was 2, is 3\); delete it"):
        train_style(style, photos, network=small(), **options | {"batch": 3})
    with pytest.raises(ArgumentError, match=r"other settings \(style: others than now\)"):
        train_style(style[::-1], photos, network=small(), **options)
    with pytest.raises(ArgumentError, match=r"not a checkpoint|other settings"):
        train_style(style, photos, network=TransformerNet((4, 4), blocks=1, kernel=3), **options)


def test_interrupted_from_the_keyboard(style: Image, photos: list[Path], tmp_path: Path) -> None:
    reports: list[Progress] = []

    def interrupt(report: Progress) -> None:
        reports.append(report)
        raise KeyboardInterrupt

    state = tmp_path / "state.npz"
    network = small()
    before = weights(network)
    train_style(style, photos, network=network, callback=interrupt, checkpoint=state, **OPTIONS)
    assert [report.step for report in reports] == [4]
    assert any(np.abs(a - b).max() > 1e-3 for a, b in zip(weights(network), before, strict=True))
    with np.load(state) as arrays:
        assert int(arrays["v22"]) == 4  # the optimiser's count stands after the 22 weights


def test_interrupted_at_once(
    style: Image, photos: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(StyleTrainer, "step", interrupt)
    with pytest.raises(KeyboardInterrupt):
        train_style(style, photos, network=small(), **OPTIONS)


def test_ended_by_the_callback(style: Image, photos: list[Path]) -> None:
    reports: list[Progress] = []

    def enough(report: Progress) -> bool:
        reports.append(report)
        return True

    train_style(style, photos, network=small(), callback=enough, **OPTIONS | {"tv_weight": 2.0})
    assert [report.step for report in reports] == [4]
    assert sorted(reports[0].terms) == ["content", "lattice", "style", "tv"]


def test_a_loss_that_is_no_number(style: Image, photos: list[Path], tmp_path: Path) -> None:
    state = tmp_path / "state.npz"
    options = OPTIONS | {"learning_rate": 1e30, "checkpoint": state}
    with pytest.raises(ArgumentError, match="no longer a number; learning_rate is 1e\\+30"):
        train_style(style, photos, network=small(), **options)
    assert not state.exists()  # nothing that could not be gone on from


def test_what_cannot_be_trained_is_said_before_the_training(
    style: Image, photos: list[Path]
) -> None:
    image = keras.Input((None, None, 3))

    def network(*layers: keras.layers.Layer) -> keras.Model:
        x = image
        for layer in layers:
            x = layer(x)
        return keras.Model(image, x)

    class Own(keras.Model):
        def call(self, x: Any) -> Any:
            return x

    conv = functools.partial(keras.layers.Conv2D, kernel_size=3, padding="same")
    point, ends = functools.partial(keras.layers.Conv2D, kernel_size=1), keras.layers.Conv2D(3, 1)
    inner = [keras.Sequential([image, point(3, activation=kind)]) for kind in ("relu", "tanh")]
    for options, message in (
        ({"network": "candy.keras"}, "network is 'candy.keras'; it must be a keras.Model"),
        # `to_bytes` would spoil these, or fail at the end of the training.
        ({"network": network(conv(3, use_bias=False))}, "network must turn RGB into RGB"),
        ({"network": network(conv(3, activation="sigmoid"))}, "network must turn RGB into RGB"),
        ({"network": network(conv(3), keras.layers.ReLU())}, "network must turn RGB into RGB"),
        ({"network": network(conv(8), conv(2))}, "network must turn RGB into RGB"),
        ({"network": network(conv(8), conv(3))}, "with a bias and padding='valid'"),
        ({"network": network(keras.layers.Dropout(0.5))}, "network must turn RGB into RGB"),
        ({"network": network(inner[0], ends)}, "network must turn RGB into RGB"),
        ({"network": network(point(3), inner[1])}, "network must turn RGB into RGB"),
        ({"network": network(keras.layers.DepthwiseConv2D(1), ends)}, "from a convolution of"),
        ({"network": Own()}, "network must turn RGB into RGB"),
        ({"callback": 3}, "callback is 3; it must be a function that takes a Progress"),
        ({"stop": True}, "stop is True; it must be a function"),
        ({"style_size": "small"}, "style_size is 'small'"),
        ({"photos": 3}, "photos is 3; it must be a list of files of photographs"),
        ({"photos": str(photos[0])}, "photos is '.*'; it must be a list of files"),
        ({"photos": []}, r"photos is \[\]"),
        ({"photos": [None]}, "a photograph is None; it must be the path of a file"),
    ):
        given: dict[str, Any] = {"photos": photos, "network": small(), **OPTIONS, **options}
        with pytest.raises(ArgumentError, match=message):
            train_style(style, given.pop("photos"), **given)
    single = network(keras.layers.Conv2D(3, 1))
    assert train_style(style, iter(photos), network=single, **OPTIONS | {"steps": 1}) is single  # type: ignore[arg-type]


@pytest.mark.parametrize(("asked", "seen"), [(None, 48), (36, 36), (48, 48), (96, 48)])
def test_a_style_is_reduced_and_never_enlarged(
    style: Image, photos: list[Path], monkeypatch: pytest.MonkeyPatch, asked: int, seen: int
) -> None:
    def trainer(_: keras.Model, style: Image, *__: object) -> None:
        raise KeyboardInterrupt(style.shape)

    monkeypatch.setattr("nstlib.training.style.StyleTrainer", trainer)
    with pytest.raises(KeyboardInterrupt, match=rf"\({seen}, {seen}, 3\)"):
        train_style(style, photos, network=small(), **OPTIONS, style_size=asked)


def test_losses_by_their_parts(style: Image) -> None:
    """A network that returns its input: no content is lost, and nothing is out of range."""
    image = keras.Input((None, None, 3))
    same = keras.Model(image, keras.layers.Conv2D(3, 1, use_bias=False)(image))
    same.layers[1].set_weights([np.eye(3)[np.newaxis, np.newaxis]])
    factors = {"content": 1.0, "style": 2.0, "tv": 3.0, "lattice": 4.0}
    trainer = StyleTrainer(same, style, factors, keras.optimizers.Adam(), "mini")
    losses = {name: float(x) for name, x in trainer.losses(style[np.newaxis]).items()}
    assert losses["content"] == pytest.approx(0, abs=1e-6)
    assert losses["style"] == pytest.approx(0, abs=1e-4)  # the photo is the style itself
    assert losses["tv"] == pytest.approx(float(total_variation_loss(style)), rel=1e-4)
    assert losses["lattice"] == pytest.approx(folded(style[np.newaxis]), rel=1e-4)
    terms = 2 * losses["style"] + 3 * losses["tv"] + 4 * losses["lattice"]
    assert losses["loss"] == pytest.approx(terms, rel=1e-4)
    # Twice as far from grey: what is then beyond [0, 1] costs ten times its square.
    same.layers[1].set_weights([2 * np.eye(3)[np.newaxis, np.newaxis]])
    grey = np.full((1, 48, 48, 3), 0.9, np.float32)
    painted = trainer.losses(grey)
    terms = float(painted["content"] + 2 * painted["style"] + 3 * painted["tv"])
    assert float(painted["loss"]) - terms == pytest.approx(10 * 0.3**2, rel=1e-3)


def test_a_judge_of_16_bits(style: Image) -> None:
    factors = {"content": 1.0, "style": 1.0}
    photo = load_image("chelsea", (64, 96))[np.newaxis]
    whole, short = (
        StyleTrainer(small(), style, factors, keras.optimizers.Adam(), "mini", precision).losses(
            photo
        )
        for precision in PRECISIONS
    )
    for name in factors:
        assert float(short[name]) != float(whole[name])
        assert float(short[name]) == pytest.approx(float(whole[name]), rel=0.02)


def folded(pictures: NDArray[np.float32]) -> float:
    """What the lattice's measure should be, one window and one phase after the other."""
    squares = []
    for picture in pictures.astype(np.float64):
        height, width, channels = picture.shape
        detail = np.empty_like(picture)
        for y, x in np.ndindex(height, width):  # 8 × 8 pixels, of which those outside do not count
            rows, columns = slice(max(0, y - 3), y + 5), slice(max(0, x - 3), x + 5)
            detail[y, x] = picture[y, x] - picture[rows, columns].mean(axis=(0, 1))
        for y, x in np.ndindex(height // 32, width // 32):
            window = detail[32 * y : 32 * y + 32, 32 * x : 32 * x + 32]
            for dy, dx, c in np.ndindex(8, 8, channels):
                squares.append(window[dy::8, dx::8, c].mean() ** 2)
    return float(np.mean(squares))


@pytest.mark.parametrize("shape", [(1, 32, 32, 3), (2, 40, 70, 3), (1, 64, 33, 2)])
def test_lattice_is_what_stays_when_windows_are_folded(shape: tuple[int, ...]) -> None:
    pictures = np.random.default_rng(0).random(shape, dtype=np.float32)
    assert float(lattice(tf.constant(pictures))) == pytest.approx(folded(pictures), rel=1e-4)


def test_lattice_tells_rows_of_dots_from_strokes() -> None:
    y, x = np.indices((64, 64))
    dots = np.float32((x % 4 == 1) & (y % 4 == 1))
    strokes = np.random.default_rng(0).permuted(dots.ravel()).reshape(dots.shape)
    of_dots, of_strokes, of_nothing = (
        float(lattice(tf.constant(np.stack([picture] * 3, axis=-1)[np.newaxis])))
        for picture in (dots, strokes, np.full_like(dots, 0.4))
    )
    assert of_dots > 10 * of_strokes
    assert of_nothing == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("seed", range(3))
def test_the_change_of_scale_is_exact(seed: int) -> None:
    random = np.random.default_rng(seed)
    network = small(seed)
    network.set_weights([w + 0.1 * random.standard_normal(w.shape) for w in weights(network)])
    image = random.uniform(0, 255, (1, 28, 33, 3)).astype(np.float32)
    expected = 127.5 * (network(image / 127.5 - 1).numpy() + 1)
    to_bytes(network)
    np.testing.assert_allclose(network(image), expected, atol=0.01)
    from_bytes(network)
    again = 127.5 * (network(image / 127.5 - 1).numpy() + 1)
    np.testing.assert_allclose(again, expected, atol=0.01)


# Photographs


def test_what_counts_as_a_photograph(folder: Path, photos: list[Path], tmp_path: Path) -> None:
    assert {photo.stem for photo in photos} == set(DRAWN_STYLES)
    with pytest.raises(ArgumentError, match="absent is not a folder; give one"):
        image_files([folder / "absent"])
    (tmp_path / "notes.txt").write_text("no picture")
    with pytest.raises(ArgumentError, match="holds no image"):
        image_files([folder, tmp_path])


def test_a_crop_depends_on_its_number_and_the_seed_alone(photos: list[Path]) -> None:
    def batches(count: int, seed: int = 0, **options: Any) -> list[NDArray[np.float32]]:
        dataset = crops_of(photos, 32, 2, seed).dataset(**options)
        return [batch.numpy() for (batch,) in dataset.take(count)]

    first = batches(3)
    for batch in first:
        assert batch.shape == (2, 32, 32, 3)
        assert batch.dtype == np.float32
        assert 0 <= batch.min() < batch.max() <= 1
    assert np.abs(first[0] - first[1]).mean() > 0.01
    np.testing.assert_array_equal(batches(3), first)
    np.testing.assert_array_equal(batches(2, done=1), first[1:])
    np.testing.assert_array_equal(crops_of(photos, 32, 3, 0).example(4)[0], first[2][0])
    assert np.abs(batches(1, seed=1)[0] - first[0]).mean() > 0.01
    halves = [batches(3, context=tf.distribute.InputContext(2, machine, 2)) for machine in range(2)]
    np.testing.assert_array_equal(np.concatenate(halves, axis=1), first)


def test_a_reduced_crop_has_means_over_areas() -> None:
    """Every third pixel of a checkerboard is black or white; the means of nine are nearly grey."""
    board = np.indices((63, 63)).sum(axis=0) % 2
    photo = np.uint8(255) * board[..., np.newaxis].repeat(3, axis=2).astype(np.uint8)
    crop = random_crop(np.random.default_rng(0), photo, 21, 1.0)
    expected = board.reshape(21, 3, 21, 3).mean(axis=(1, 3))  # 4/9 and 5/9; mirrored, the same
    np.testing.assert_allclose(crop, expected[..., np.newaxis].repeat(3, axis=2), atol=1e-5)


def test_a_damaged_photo_is_left_out(photos: list[Path], tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.png"
    damaged.write_bytes(photos[0].read_bytes()[:900])
    left_out: dict[Path, str] = {}
    pipeline = crops_of([*photos, damaged], 32, 1, 0, left_out)
    _ = [pipeline.example(number) for number in range(40)]
    assert list(left_out) == [damaged]
    assert "damaged.png is damaged or cut off" in left_out[damaged]
    with pytest.raises(ImageError, match=r"damaged\.png is damaged"):
        crops_of([damaged], 32, 1, 0).example(0)


def test_no_thread_tunes_a_dataset(photos: list[Path]) -> None:
    """After a training of minutes, ending that thread took up to a minute, too."""
    assert crops_of(photos, 32, 2, 0).dataset().options().autotune.enabled is False


def test_an_examples_error_comes_through_as_it_is() -> None:
    def fail(random: np.random.Generator) -> tuple[NDArray[np.float32]]:
        raise ImageError(f"no picture today, {random.integers(1)}")

    pipeline = Pipeline(fail, [(2,)], 1, 0)
    with pytest.raises(ImageError, match=r"^no picture today, 0$"), pipeline.errors():
        next(iter(pipeline.dataset()))
    with pytest.raises(tf.errors.InvalidArgumentError), Pipeline(fail, [(2,)], 1, 0).errors():
        tf.reshape([1.0, 2.0], (3,))  # not the example's


# Bad input


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"photos": []}, r"photos is \[\]; it must be a list of files"),
        ({"photos": "photos"}, "photos is 'photos'; it must be a list"),
        ({"size": 30}, "size is 30; it must be a multiple of 4, 32 or more"),
        ({"size": 28}, "size is 28; it must be a multiple of 4"),
        ({"steps": 0}, "steps is 0; it must be a whole number, 1 or more"),
        ({"batch": 0}, "batch is 0; it must be a whole number, 1 or more"),
        ({"every": 0}, "every is 0; it must be a whole number, 1 or more"),
        ({"seed": -1}, "seed is -1; it must be a whole number"),
        ({"style_weight": -1.0}, "style_weight is -1.0; it must be a number, 0 or more"),
        ({"content_weight": float("nan")}, "content_weight is nan"),
        ({"content_weight": 0.0, "style_weight": 0.0}, "content_weight and style_weight are 0"),
        ({"learning_rate": 0.0}, "learning_rate is 0.0; it must be a number above 0"),
        ({"weights": "huge"}, "weights is 'huge'; it must be one of"),
        ({"precision": "half"}, "precision is 'half'; it must be one of"),
        ({"style_size": 16}, "style is 16×16 pixels; .* 32 or more: give a larger style size"),
    ],
)
def test_what_is_not_accepted(
    style: Image, photos: list[Path], change: dict[str, Any], message: str
) -> None:
    options = {"photos": photos, **OPTIONS} | change
    with pytest.raises(ArgumentError, match=message):
        train_style(style, options.pop("photos"), network=small(), **options)


def test_pictures_that_are_none(style: Image, photos: list[Path], tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="style ranges from 0 to 255"):
        train_style(255.0 * (style > 0.5), photos, network=small(), **OPTIONS)
    with pytest.raises(ImageError, match="preview has shape"):
        train_style(style, photos, preview=style[..., 0], network=small(), **OPTIONS)
    with pytest.raises(ImageError, match=r"absent\.jpg: no such file"):
        train_style(style, [*photos, tmp_path / "absent.jpg"], network=small(), **OPTIONS)


# Many machines

WORKER = """
import sys
import numpy as np
from pathlib import Path
from nstlib import art
from nstlib._tensorflow import keras, tf
from nstlib.networks.files import save_network
from nstlib.networks.transformer import TransformerNet
from nstlib.training.photos import image_files
from nstlib.training.style import train_style

kind, photos, state, result = sys.argv[1:]
if kind == "workers":
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
else:
    (cpu,) = tf.config.list_physical_devices("CPU")
    tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
assert strategy.num_replicas_in_sync == 2
said = []
with strategy.scope():
    keras.utils.set_random_seed(0)
    network = TransformerNet((4, 8), blocks=1, kernel=3)
    train_style(
        art.draw("mosaic", 48), image_files([photos]), network=network, size=32, steps=4, batch=4,
        every=2, checkpoint=state, callback=said.append, progress=False,
    )
np.savez(result, *network.get_weights(), loss=said[-1].loss)
"""


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


@pytest.mark.parametrize("kind", ["workers", "cards"])
def test_two_that_share_a_batch_give_what_one_gives(
    style: Image, photos: list[Path], folder: Path, tmp_path: Path, kind: str
) -> None:
    """Two processes, as of a cluster; and two devices in one process, as two graphics cards."""
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "-1"}
    environment.pop("TF_CONFIG", None)
    workers = [f"127.0.0.1:{port}" for port in free_ports(2)] if kind == "workers" else [""]
    processes = []
    for index in range(len(workers)):
        task = {"cluster": {"worker": workers}, "task": {"type": "worker", "index": index}}
        more = {"TF_CONFIG": json.dumps(task)} if kind == "workers" else {}
        files = [str(folder), str(tmp_path / "state.npz"), str(tmp_path / f"{index}.npz")]
        processes.append(
            subprocess.Popen(
                [sys.executable, "-c", WORKER, kind, *files],
                env=environment | more,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    said: list[Progress] = []
    options = OPTIONS | {"steps": 4, "batch": 4, "every": 2, "learning_rate": 2e-3}
    network = train_style(style, photos, network=small(), callback=said.append, **options)
    try:
        for process in processes:
            output, _ = process.communicate()
            assert process.returncode == 0, output
    finally:
        for process in processes:
            process.kill()
    assert (tmp_path / "state.npz").exists()
    for index in range(len(workers)):
        with np.load(tmp_path / f"{index}.npz") as arrays:
            assert float(arrays["loss"]) == pytest.approx(said[-1].loss, rel=1e-5)
            shared = small()
            shared.set_weights([arrays[f"arr_{i}"] for i in range(22)])
        assert_equal(shared, network)
        image = 255 * load_image("chelsea", (32, 32))[np.newaxis]
        np.testing.assert_allclose(shared(image), network(image), atol=0.01)


# The command


@pytest.fixture
def nst(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, list[str], list[str]]]:
    """Run ``nst train`` in an empty folder; give its exit code, and its lines on both outputs."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> tuple[int, list[str], list[str]]:
        capfd.readouterr()
        code = main(["train", "style", *map(str, arguments)])
        out, err = capfd.readouterr()
        return code, out.splitlines(), err.splitlines()

    return run


TINY = ["--variant", "lite", "--steps", 2, "--size", 32, "--batch", 1, "--style-size", 48]


def test_of_a_style_file_only_the_name_is_written(
    nst: Callable[..., tuple[int, list[str], list[str]]],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Who gets the network need not know the folders of who trained it."""
    style = folder.parent / "own style.png"
    save_image(draw("mosaic", 64), style)
    told: list[dict[str, str]] = []

    def write(_: Path, __: keras.Model, metadata: dict[str, str], **___: object) -> None:
        told.append(metadata)

    monkeypatch.setattr("nstlib.cli.training.write_network", write)
    assert nst(style, "--photos", folder, "-o", "m.onnx", *TINY)[0] == 0
    assert told == [{"style": "own style.png"}]


def test_the_command_trains_and_exports(
    nst: Callable[..., tuple[int, list[str], list[str]]], folder: Path
) -> None:
    code, out, err = nst(
        "mosaic", "--photos", folder, "-o", "m.onnx", *TINY, "--preview", "seen.png"
    )
    assert (code, len(out), len(err)) == (0, 1, 1), (out, err)
    assert out[0].startswith("wrote m.onnx: 2 steps, ")
    assert err[0].startswith("step 2 of 2: content ")
    assert load_image("seen.png").shape == (256, 384, 3)
    import onnxruntime

    session = onnxruntime.InferenceSession("m.onnx", providers=["CPUExecutionProvider"])
    assert session.get_modelmeta().custom_metadata_map["style"] == "mosaic"
    (painted,) = session.run(None, {"image": np.zeros((1, 3, 32, 40), np.float32)})
    assert painted.shape == (1, 3, 32, 40)


def test_a_complete_training_whose_network_was_not_written_is_no_interrupted_one(
    nst: Callable[..., tuple[int, list[str], list[str]]],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OutputError("m.onnx: cannot be written (the disk is full)")

    command = ["mosaic", "--photos", folder, "-o", "m.keras", "--checkpoint", "m.npz", *TINY]
    with monkeypatch.context() as patch:
        patch.setattr("nstlib.networks.files.save_network", refuse)
        assert nst(*command)[0] == 2
    assert Path("m.npz").exists()
    code, out, _ = nst(*command)
    assert (code, out[0].split(",")[0]) == (0, "wrote m.keras: 2 steps")
    assert not Path("m.npz").exists()


def fake(monkeypatch: pytest.MonkeyPatch, ends: int) -> list[dict[str, Any]]:
    """Put a training that ends after so many steps in the place of the real one."""
    calls = []

    def train(style: Image, photos: list[Path], **options: Any) -> keras.Model:
        calls.append({"style": style, "photos": photos, **options})
        if options["checkpoint"]:
            options["checkpoint"].write_bytes(b"PK: the state")  # as NumPy's archives begin
        options["callback"](Progress(ends, 1.0, {"content": 0.5, "style": 0.25}, 9.0, 60.0))
        return options["network"]

    monkeypatch.setattr("nstlib.training.style.train_style", train)
    return calls


def test_an_interrupted_command_keeps_the_network(
    nst: Callable[..., tuple[int, list[str], list[str]]],
    folder: Path,
    photos: list[Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = fake(monkeypatch, ends=500)
    arguments = ("candy", "--photos", folder, "-o", "c.keras", "--checkpoint", "c.state")
    code, out, err = nst(*arguments, "--variant", "lite", "--seed", 3, "--style-size", 100)
    assert code == 130
    assert out[0].startswith("wrote c.keras: 500 steps")
    assert err == [
        "step 500 of 2000: content 0.500, style 0.250; about 60 s left",
        "nst: interrupted; c.keras is the network so far; the same command goes on from c.state",
    ]
    assert Path("c.state").exists()
    assert (
        keras.models.load_model("c.keras").count_params()
        == TransformerNet((16, 48), kernel=5).count_params()
    )
    (call,) = calls
    assert call["photos"] == photos
    assert (call["style"].shape, call["seed"], call["steps"]) == ((100, 100, 3), 3, 2000)

    fake(monkeypatch, ends=2000)
    assert nst(*arguments)[0] == 0
    assert not Path("c.state").exists()  # the network is complete


def test_the_commands_options_reach_the_training(
    nst: Callable[..., tuple[int, list[str], list[str]]],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls = fake(monkeypatch, ends=2000)
    numbers = "--size 48 --batch 3 --content-weight 2 --style-weight 3 --tv-weight 4"
    more = "--lattice-weight 5 --learning-rate 0.01 --weights random --style-size 100"
    options = [*numbers.split(), *more.split(), "--variant", "lite"]
    assert nst("candy", "--photos", folder, "-o", "c.keras", *options)[0] == 0
    expected = {
        "size": 48,
        "batch": 3,
        "content_weight": 2.0,
        "style_weight": 3.0,
        "tv_weight": 4.0,
        "lattice_weight": 5.0,
        "learning_rate": 0.01,
        "weights": "random",
        "style_size": 100,
    }
    assert {name: calls[0][name] for name in expected} == expected


def test_a_network_is_trained_further(
    nst: Callable[..., tuple[int, list[str], list[str]]],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    first = small()
    save_network(first, "first.keras")
    call = fake(monkeypatch, ends=2000)
    code, _, err = nst("candy", "--photos", folder, "-o", "c.keras", "--start", "first.keras")
    assert (code, len(err)) == (0, 1)
    image = np.random.default_rng(0).uniform(0, 255, (1, 20, 24, 3)).astype(np.float32)
    painted = 127.5 * (call[0]["network"](image / 127.5 - 1).numpy() + 1)
    np.testing.assert_allclose(painted, first(image), atol=0.01)

    Path("notes.keras").write_text("no network")
    image = keras.Input((None, None, 3))
    save_network(keras.Model(image, keras.layers.Dropout(0.5)(image)), "odd.keras")
    for name, message in (
        ("odd.keras", "--start is a network that does not turn RGB into RGB as a style network"),
        ("notes.keras", "notes.keras cannot be read as a Keras network"),
        ("absent.keras", "absent.keras cannot be read"),
        ("c.keras", "c.keras is an input or another output already"),
        ("absent.onnx", "absent.onnx cannot be read"),
        ("mosaik", "--start is mosaik; give a file, .onnx or .keras, or one of mosaic, candy, "),
    ):
        code, _, err = nst("candy", "--photos", folder, "-o", "c.keras", "--start", name)
        assert (code, len(err)) == (2, 1)
        assert err[0].startswith(f"nst: {message}")


def test_a_shipped_network_is_trained_further(
    nst: Callable[..., tuple[int, list[str], list[str]]],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By its name, or from its file; what it paints before the first step is what it painted."""
    image = load_image("chelsea", (64, 96))
    painted = Stylizer("mosaic")(image)
    for start in ("mosaic", embedded_model("mosaic.onnx")):
        call = fake(monkeypatch, ends=2000)
        options = ("--start", start, "--precision", "bfloat16")
        code, _, err = nst("candy", "--photos", folder, "-o", "c.keras", *options)
        assert (code, len(err), call[0]["precision"]) == (0, 1, "bfloat16")
        given = 0.5 + 0.5 * call[0]["network"](2 * image[np.newaxis] - 1).numpy()[0]
        np.testing.assert_allclose(given.clip(0, 1), painted, atol=0.01 / 255)


def test_a_network_that_cannot_be_exported_is_kept(
    nst: Callable[..., tuple[int, list[str], list[str]]],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ModelError("the runtimes disagree")

    fake(monkeypatch, ends=2000)
    monkeypatch.setattr("nstlib.onnx.exporting.export", refuse)
    code, _, err = nst("candy", "--photos", folder, "-o", "c.onnx", "--variant", "lite")
    kept = "the network is kept in {}, for nst export, whose --tolerance allows larger differences"
    assert (code, err[-1]) == (2, f"nst: the runtimes disagree; {kept.format('c.keras')}")
    assert keras.models.load_model("c.keras").name == "transformer_net"

    def fail(*_: object, **__: object) -> None:
        raise ImportError("no module named onnx")  # which was there when the training began

    with monkeypatch.context() as patch:
        patch.setattr("nstlib.onnx.exporting.export", fail)
        code, _, err = nst("candy", "--photos", folder, "-o", "d.onnx", "--variant", "lite")
    assert err[-1] == f"nst: d.onnx: no module named onnx; {kept.format('d.keras')}"
    assert (code, Path("d.keras").exists()) == (2, True)

    # A file of this name may be what the training began with.
    before = Path("c.keras").read_bytes()
    code, _, err = nst("candy", "--photos", folder, "-o", "c.onnx", "--start", "c.keras")
    assert (code, err[-1]) == (2, f"nst: the runtimes disagree; {kept.format('c-1.keras')}")
    assert Path("c.keras").read_bytes() == before
    assert keras.models.load_model("c-1.keras").name == "transformer_net"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("mosaic --photos PHOTOS -o m.pb", "m.pb: cannot write '.pb'; use one of .onnx, .keras"),
        ("mosaic --photos PHOTOS -o absent/m.onnx", "absent/m.onnx: cannot be written; give a"),
        ("mosaic --photos absent -o m.onnx", "absent is not a folder"),
        ("absent.png --photos PHOTOS -o m.onnx", "absent.png: no such file"),
        ("mosaic --photos PHOTOS -o m.onnx --preview m.txt", "m.txt: cannot write '.txt'"),
        ("mosaic --photos PHOTOS -o m.onnx --checkpoint m.onnx", "m.onnx is an input or another"),
        (
            "mosaic --photos PHOTOS -o m.onnx --weights v.npz --checkpoint v.npz",
            "v.npz is an input or another output already; choose another checkpoint file",
        ),
        (
            "mosaic --photos PHOTOS -o m.onnx --variant lite --start mosaic",
            "--variant says what a new network is like, and --start goes on with another",
        ),
        (
            "mosaic --photos PHOTOS -o m.onnx --variant tiny",
            "--variant is tiny; it must be one of full",
        ),
        ("mosaic --photos PHOTOS -o m.onnx --seed -1", "--seed is -1"),
        ("mosaic -o m.onnx", "Missing option '--photos'."),
    ],
)
def test_what_the_command_refuses(
    nst: Callable[..., tuple[int, list[str], list[str]]],
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: str,
    message: str,
) -> None:
    calls = fake(monkeypatch, ends=2000)
    code, out, err = nst(*(str(folder) if a == "PHOTOS" else a for a in arguments.split()))
    assert (code, out, len(err), calls) == (2, [], 1, [])
    assert err[0].startswith(f"nst: {message}")


def test_a_style_that_is_made_too_small(
    nst: Callable[..., tuple[int, list[str], list[str]]], folder: Path
) -> None:
    code, out, err = nst("mosaic", "--photos", folder, "-o", "m.onnx", "--style-size", 16)
    assert (code, out, len(err)) == (2, [], 1)
    assert err[0].startswith("nst: STYLE is 16×16 pixels; ")
    assert err[0].endswith(": give a larger style size, or crop a narrow picture")


def test_a_preview_is_not_written_over_a_photograph(
    nst: Callable[..., tuple[int, list[str], list[str]]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor beside one, where the next run would learn from it."""
    calls = fake(monkeypatch, ends=2000)
    Path("d").mkdir()
    photo = save_image(draw("waves", 40), "d/a.png")
    Path("soft.png").symlink_to("d/a.png")
    Path("hard.png").hardlink_to("d/a.png")
    before = photo.read_bytes()
    for preview, message in (
        ("d/a.png", "d/a.png lies among the photographs of d; choose another folder for the"),
        ("./d/b.png", "d/b.png lies among the photographs of d; choose another folder for the"),
        ("soft.png", "soft.png lies among the photographs of d"),
        ("hard.png", "hard.png is an input or another output already; choose another preview"),
    ):
        code, out, err = nst("mosaic", "--photos", "d", "-o", "m.onnx", "--preview", preview)
        assert (code, out, len(err), calls) == (2, [], 1, [])
        assert err[0].startswith(f"nst: {message}")
    assert photo.read_bytes() == before
