"""Teaching a network any style: losses, batches, and a training that can be interrupted."""

from __future__ import annotations

import importlib.util
import itertools
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from nstlib._tensorflow import keras
from nstlib.art.catalogue import draw
from nstlib.errors import ArgumentError, OutputError
from nstlib.images.encode import save_image
from nstlib.losses import Statistics, channel_statistics, content_loss, style_loss
from nstlib.training.any_style import losses, teach
from nstlib.training.any_style.pictures import Batches, Pack, held_back, write_pack
from nstlib.training.style import lattice

SMALL = teach.Settings(
    channels=(4, 4, 6, 8),
    blocks=(1, 0),
    kernels=(3, 3),
    steps=8,
    dtype="float32",
    learning_rate=1e-3,
)

pytestmark = pytest.mark.usefixtures("eager")


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a pack made of eleven styles and four photographs."""
    folder = tmp_path_factory.mktemp("pictures")
    for kind, count in (("styles", 11), ("photos", 4)):
        (folder / kind).mkdir()
        for number in range(count):
            picture = draw("waves", (48, 40 + 4 * number), seed=number)
            save_image(picture, folder / kind / f"{number:02}.png")
    path = folder / "pack.npz"
    counts = write_pack(path, [folder / "photos"], [folder / "styles"], drawn=0)
    assert counts == {"paintings": 9, "drawn": 0, "photos": 4}  # 00.png and 10.png are kept back
    return path


def random(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random(shape, np.float32)


def test_losses_are_the_librarys() -> None:
    """Of batches of one: the library's give the mean of a batch."""
    found = {"a": random(1, 6, 7, 5), "b": random(1, 3, 4, 8, seed=1)}
    styles = {"a": random(1, 5, 5, 5, seed=2), "b": 0.01 * random(1, 9, 4, 8, seed=3) + 2}
    expected = [
        style_loss({name: found[name]}, {name: Statistics(*channel_statistics(styles[name]))})
        for name in found
    ]
    by_layer = losses.style_losses(
        {name: losses.statistics(keras.ops.convert_to_tensor(x)) for name, x in found.items()},
        {name: losses.statistics(keras.ops.convert_to_tensor(x)) for name, x in styles.items()},
    )
    np.testing.assert_allclose(by_layer, [expected], rtol=1e-4)
    content = content_loss({"a": found["a"]}, {"a": 2 * found["a"] ** 2})
    np.testing.assert_allclose(
        losses.content_losses(found["a"], 2 * found["a"] ** 2), [content], rtol=1e-5
    )


def test_lattice_is_the_librarys() -> None:
    pictures = np.tile(random(1, 8, 8, 3), (2, 9, 12, 1)) + 0.1 * random(2, 72, 96, 3, seed=1)
    tensor = keras.ops.convert_to_tensor(pictures)
    np.testing.assert_allclose(losses.lattice(tensor), lattice(tensor), rtol=1e-4)
    assert float(losses.lattice(tensor)) > 0.01


def test_a_tenth_of_the_styles_is_kept_back_whatever_their_order() -> None:
    files = [Path(f"a/{n:02}.jpg") for n in range(25)]
    learned, kept = held_back(files[::-1])
    assert [file.name for file in kept] == ["00.jpg", "10.jpg", "20.jpg"]
    assert sorted([*learned, *kept]) == files


def test_a_pack_keeps_to_its_size(pack: Path, tmp_path: Path) -> None:
    folder, small = pack.parent, tmp_path / "small.npz"
    whole = Pack.load(pack)
    assert [p.shape for p in whole.paintings[:2]] == [(48, 44, 3), (48, 48, 3)]
    assert len(whole.photos) == 4
    size = pack.stat().st_size
    one_photo = 4000
    counts = write_pack(
        small, [folder / "photos"], [folder / "styles"], drawn=0, megabytes=(size - one_photo) / 1e6
    )
    assert counts["paintings"] == 9
    assert 0 < counts["photos"] < 4
    assert small.stat().st_size < size
    (tmp_path / "broken.npz").write_bytes(pack.read_bytes()[:1000])
    with np.load(pack) as arrays:
        np.savez(tmp_path / "damaged.npz", **{**arrays, "photos": np.zeros_like(arrays["photos"])})
    with pytest.raises(ArgumentError, match=r"damaged\.npz is no pack .*pictures is damaged"):
        Pack.load(tmp_path / "damaged.npz")
    with pytest.raises(ArgumentError, match="no pack of pictures"):
        Pack.load(tmp_path / "broken.npz")


def test_batches_do_not_depend_on_when_they_are_asked_for(pack: Path) -> None:
    batches = Batches(Pack.load(pack), 32, 3, seed=5)
    photos, styles = batches.make(4)
    assert photos.shape == styles.shape == (3, 32, 32, 3)
    assert photos.dtype == styles.dtype == np.uint8
    for workers in (1, 3):
        stream = batches.stream(2, workers)
        for number, (photo, style) in enumerate(itertools.islice(stream, 4), 2):
            expected = batches.make(number)
            np.testing.assert_array_equal(photo, expected[0])
            np.testing.assert_array_equal(style, expected[1])
        stream.close()  # type: ignore[attr-defined]
    pairs = [batches.example(number) for number in range(60)]
    own = sum(np.array_equal(photo, style) for photo, style in pairs)
    assert 0 < own < 20  # the photograph itself as its style, now and then


def test_an_error_in_the_background_is_raised(pack: Path) -> None:
    batches = Batches(Pack(Pack.load(pack).photos, [np.zeros((0, 0, 3), np.uint8)], []), 32, 9, 0)
    with pytest.raises(ValueError, match="high"):  # NumPy's, of no place to begin a crop at
        next(batches.stream())


def run(
    pack: Path, checkpoint: Path, narrow_file: str, **options: Any
) -> tuple[Any, list[dict[str, float]]]:
    reports: list[dict[str, float]] = []
    teacher = teach.train(
        Pack.load(pack),
        SMALL,
        checkpoint,
        size=32,
        batch=2,
        weights=narrow_file,
        every=4,
        report=lambda _, means, __: reports.append(means),
        **options,
    )
    return teacher, reports


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"pack": "a.npz"}, "pack is 'a.npz'; it must be a Pack"),
        ({"pack": Pack([], [], [])}, "pack has no photographs"),
        ({"settings": None}, "settings is None; it must be Settings"),
        ({"checkpoint": 3}, "checkpoint is 3; it must be the path of a file"),
        ({"size": 33}, "size is 33; it must be a multiple of 8, 32 or more"),
        ({"size": 16}, "size is 16; it must be"),  # block 5 of the judge would see nothing
        ({"batch": 0}, "batch is 0"),
        ({"seed": None}, "seed is None"),
        ({"every": 0}, "every is 0"),
        ({"workers": 0}, "workers is 0"),
        ({"report": 3}, "report is 3; it must be a function"),
        ({"stop": True}, "stop is True; it must be a function"),
    ],
    ids=str,
)
def test_a_training_that_cannot_be(
    changed: dict[str, Any], message: str, pack: Path, narrow_file: str, tmp_path: Path
) -> None:
    usual = {"pack": Pack.load(pack), "settings": SMALL, "checkpoint": tmp_path / "state.npz"}
    options: dict[str, Any] = usual | {"size": 32, "batch": 1, "weights": narrow_file} | changed
    given = [options.pop(name) for name in usual]
    with pytest.raises(ArgumentError, match=message):
        teach.train(*given, **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"steps": 0}, "steps is 0; it must be a whole number, 1 or more"),
        ({"learning_rate": 0}, "learning_rate is 0; it must be a number above 0"),
        ({"content_weight": "much"}, "content_weight is 'much'"),
        ({"lattice_weight": float("nan")}, "lattice_weight is nan"),
        ({"dtype": "half"}, "dtype is 'half'; it must be one of float32, mixed_bfloat16"),
    ],
)
def test_settings_that_cannot_be(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        teach.Settings(**wrong)


def test_a_loss_that_is_no_number_leaves_what_was_saved(
    pack: Path, narrow_file: str, tmp_path: Path
) -> None:
    state = tmp_path / "state.npz"
    saved: list[bytes] = []

    def spoil() -> bool:
        if state.exists() and not saved:
            saved.append(state.read_bytes())
            spoiled[0].assign(np.full(spoiled[0].shape, np.nan))
        return False

    spoiled: list[Any] = []
    make = teach.Teacher

    def caught(*arguments: Any) -> Any:
        teacher = make(*arguments)
        spoiled.append(teacher.network.trainable_variables[0])
        return teacher

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(teach, "Teacher", caught)
        with pytest.raises(
            ArgumentError, match=r"at step 8 .* the learning rate is 0\.001"
        ) as error:
            run(pack, state, narrow_file, stop=spoil)
    assert "another --seed and another --checkpoint" in error.value.command
    assert [state.read_bytes()] == saved


def test_a_state_of_other_settings_is_refused(pack: Path, narrow_file: str, tmp_path: Path) -> None:
    state = tmp_path / "state.npz"
    run(pack, state, narrow_file, stop=lambda: True)
    with pytest.raises(ArgumentError, match=r"other settings \(seed was 0, is 1\); delete it"):
        run(pack, state, narrow_file, seed=1)


def test_a_pack_without_room_for_photographs_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    save_image(draw("waves", 48), folder / "photo.png")
    path = tmp_path / "pack.npz"
    for options, message in (
        ({"megabytes": 1e-6}, "megabytes is 1e-06; the styles leave no room in it"),
        ({"megabytes": "many"}, "megabytes is 'many'"),
        ({"quality": 300}, "quality is 300; it must be a whole number from 1 to 100"),
    ):
        with pytest.raises(ArgumentError, match=message):
            write_pack(path, [folder], [folder], **{"drawn": 0} | options)
    with pytest.raises(OutputError, match=r"use \.npz"):
        write_pack(tmp_path / "pack.zip", [folder], [folder])
    with pytest.raises(ArgumentError, match=r"folders is .*a list of folders"):
        write_pack(path, str(folder), [folder])
    with pytest.raises(ArgumentError, match=r"photos is \[\]; .* a list of folders, one at least"):
        write_pack(path, [], [folder])
    assert not path.exists()
    with pytest.raises(ArgumentError, match="path is None"):
        Pack.load(None)  # type: ignore[arg-type]


def test_steps_make_the_loss_smaller(pack: Path, narrow_file: str) -> None:
    keras.utils.set_random_seed(0)
    teacher = teach.Teacher(SMALL, narrow_file)
    teacher.compile(optimizer=keras.optimizers.Adam(3e-4), run_eagerly=True)
    pair = Batches(Pack.load(pack), 32, 4, seed=9).make(0)
    before = float(teacher(pair)["loss"])
    for _ in range(10):
        teacher.train_on_batch(pair)
    assert float(teacher(pair)["loss"]) < 0.97 * before


def test_what_went_on_is_what_ran_through(pack: Path, narrow_file: str, tmp_path: Path) -> None:
    whole, reports = run(pack, tmp_path / "whole.npz", narrow_file)
    assert reports[0].keys() >= {"style", "content", "lattice", "style1", "style5"}
    steps = iter([False, False, False, True])
    run(pack, tmp_path / "parts.npz", narrow_file, stop=lambda: next(steps))
    parts, _ = run(pack, tmp_path / "parts.npz", narrow_file)
    for one, other in zip(whole.trainable_variables, parts.trainable_variables, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5, err_msg=one.path)
    for one, other in zip(teach.averaged(whole), teach.averaged(parts), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
    assert len(teach.averaged(whole)) == len(whole.trainable_variables)


def test_it_needs_no_tensorflow(pack: Path, narrow_file: str, tmp_path: Path) -> None:
    """On a machine with a graphics card there may be JAX alone."""
    if importlib.util.find_spec("jax") is None:
        pytest.skip("JAX is not installed")
    code = f"""
import sys
sys.modules["tensorflow"] = None
from pathlib import Path
from nstlib.training.any_style.pictures import Pack
from nstlib.training.any_style.teach import Settings, train
settings = Settings((4, 4, 6, 8), (1, 0), (3, 3), steps=2, dtype="float32")
train(
    Pack.load({str(pack)!r}), settings, Path("state.npz"), size=32, batch=2, every=1,
    weights={narrow_file!r}, report=lambda done, means, _: print(done, means["style"] > 0),
)
"""
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "KERAS_BACKEND": "jax"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["1", "True", "2", "True"]
