"""The twin's training: a tiny VGG19 teaches a tinier one."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from nstlib._tensorflow import keras
from nstlib.cli.main import main
from nstlib.errors import ArgumentError, ImageError, NstWarning
from nstlib.images.arrays import from_uint8
from nstlib.images.encode import save_image
from nstlib.sources import load_image
from nstlib.synthesis.texture import synthesize_texture
from nstlib.training.photos import load_photos
from nstlib.training.twin.pictures import Pools
from nstlib.training.twin.run import Report, Settings, Training, train_twin
from nstlib.vgg19 import COMPACT_FILE, CONVOLUTIONS, build_vgg19, load_vgg19, save_vgg19

WIDTHS = (3, 3, 5, 5, 8, 8, 8, 8, 12, 12, 12, 12, 16, 16, 16, 16)
SETTINGS = Settings(
    steps=40,
    size=64,
    batch=2,
    widths=WIDTHS,
    start=2,
    own_every=10,
    own_from=0.3,
    iterations=(2, 2, 2),
    dtype="float32",
)


@pytest.fixture(scope="module")
def vgg() -> keras.Model:
    """Return a teacher with a sixteenth of VGG19's channels."""
    keras.utils.set_random_seed(1)
    return build_vgg19(1 / 16)


@pytest.fixture(scope="module")
def pictures() -> list[NDArray[np.uint8]]:
    names = ("coffee", "chelsea", "astronaut", "rocket")
    return [np.rint(255 * load_image(name, 96)).astype(np.uint8) for name in names]


@pytest.fixture(scope="module")
def folder(pictures: list[NDArray[np.uint8]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder of pictures, one of which is damaged."""
    folder = tmp_path_factory.mktemp("pictures")
    for i, picture in enumerate(pictures):
        save_image(from_uint8(picture), folder / f"{i}.png")
    whole = (folder / "0.png").read_bytes()
    (folder / "damaged.png").write_bytes(whole[: len(whole) // 2])
    return folder


def start(
    vgg: keras.Model, pictures: list[NDArray[np.uint8]], checkpoint: Path, **changed: Any
) -> Training:
    pools = {"photo": (0.6, pictures[:2]), "style": (0.4, pictures[2:3])}
    given: dict[str, Any] = {"scaling": pictures[:1], "held": pictures[3:], "settings": SETTINGS}
    return Training(vgg, pools, checkpoint=checkpoint, **given | changed)


@pytest.mark.parametrize("stopped", [25, 30])  # at 30 own pictures are made
def test_the_twin_learns_and_an_interruption_changes_nothing(
    vgg: keras.Model, pictures: list[NDArray[np.uint8]], tmp_path: Path, stopped: int
) -> None:
    """Gone on with from the file of that step, it ends with the very same weights."""
    checkpoint, early = tmp_path / "state.npz", tmp_path / "early.npz"
    reports: list[Report] = []
    whole = start(vgg, pictures, checkpoint)
    before = whole.report(0, 0)
    whole.run(stop=lambda: whole.step == stopped, callback=reports.append, progress=False)
    part = whole.twin().get_weights()
    shutil.copy(checkpoint, early)
    whole.run(callback=reports.append, progress=False)
    middle, end = reports
    assert (middle.step, end.step, end.remaining) == (stopped, 40, 0)
    # Its own pictures, made at steps 20 and 30, were looked at, and its crops.
    assert middle.own.keys() == end.own.keys() == end.learned.keys() == set(CONVOLUTIONS)
    # On the picture that was kept back.
    assert sum(end.held.values()) < 0.95 * sum(before.held.values())

    resumed = start(vgg, pictures, early)
    assert resumed.step == stopped
    resumed.run(callback=reports.append, progress=False)
    assert reports[-1].held == end.held
    for one, other, once in zip(
        whole.twin().get_weights(), resumed.twin().get_weights(), part, strict=True
    ):
        np.testing.assert_array_equal(one, other)
        assert not np.array_equal(one, once)

    with pytest.raises(ArgumentError, match="other settings"):
        start(vgg, pictures, early, scaling=pictures[1:])
    checkpoint.write_bytes(checkpoint.read_bytes()[:5000])
    with pytest.raises(ArgumentError, match="is damaged"):
        start(vgg, pictures, checkpoint)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"size": 62}, "size is 62; it must be a multiple of 4, 64 or more"),
        ({"steps": 0}, "steps is 0; it must be a whole number, 1 or more"),
        ({"batch": 0}, "batch is 0; it must be a whole number, 1 or more"),
        ({"seed": -1}, "seed is -1; it must be a whole number, 0 or more"),
        ({"widths": (16, 16)}, "widths is .*; it must be 16 whole numbers, 1 or more each"),
        ({"rate": 0.0}, "rate is 0.0; it must be a number above 0"),
        ({"start": 0}, "start is 0"),
        ({"uses": 0.5}, "uses is 0.5"),
        ({"own_share": 1}, "own_share is 1; it must be a number, 0 or more and less than 1"),
        ({"pair_share": -0.1}, "pair_share is -0.1; it must be a number from 0 to 1"),
        ({"own_every": 0}, "own_every is 0"),
        ({"iterations": (30, 60)}, r"iterations is \(30, 60\); it must be three whole numbers"),
        ({"dtype": "half"}, "dtype is 'half'; it must be one of bfloat16, float32"),
    ],
    ids=str,
)
def test_settings_that_cannot_be(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        Settings(**wrong)


def test_what_is_no_number_is_never_saved(
    vgg: keras.Model, pictures: list[NDArray[np.uint8]], tmp_path: Path
) -> None:
    checkpoint = tmp_path / "state.npz"
    training = start(vgg, pictures, checkpoint)
    training.run(stop=lambda: training.step == 2, progress=False)
    before = checkpoint.read_bytes()
    bias = training.distiller.variables["block5_conv4/bias"]
    # Which shows in no loss: a ReLU makes 0 of it.
    bias.assign(bias * np.nan)
    words = r"at step 2 a weight of .* no longer a number; the rate in settings is 0\.003: use"
    with pytest.raises(ArgumentError, match=words) as error:
        training.save()
    assert "another --seed" in error.value.command
    assert checkpoint.read_bytes() == before


def test_pictures_that_the_twin_cannot_learn_from(vgg: keras.Model) -> None:
    tiny = [np.zeros((15, 40, 3), np.uint8)]
    given: list[Pools] = [{}, {"photo": (1.0, [])}, {"photo": (1.0, tiny)}]
    for pools in given:
        with pytest.raises(ArgumentError, match="no picture of 16 pixels or more"):
            train_twin(vgg, pools, settings=SETTINGS, progress=False)


def test_a_damaged_photo_is_left_out(folder: Path, tmp_path: Path) -> None:
    with pytest.warns(NstWarning, match=r"of 5 photographs, 1 could not .*damaged\.png"):
        photos = load_photos([folder], 64)
    assert [min(photo.shape[:2]) for photo in photos] == [64, 64, 64, 64]
    (tmp_path / "bad.jpg").write_bytes(b"no picture")
    with pytest.raises(ImageError, match=r"bad\.jpg"):
        load_photos([tmp_path])


@pytest.mark.filterwarnings("ignore:of 5 photographs")
def test_the_command_from_nothing_to_a_file_that_serves(
    vgg: keras.Model, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: Any
) -> None:
    save_vgg19(vgg, tmp_path / "vgg19.npz")
    monkeypatch.chdir(tmp_path)
    grey = np.full((96, 96, 3), 0.5, np.float32)  # drawing takes long
    monkeypatch.setattr("nstlib.training.twin.pictures.draw", lambda *_, **__: grey)
    given = f"--photos {folder} --styles {folder} --teacher vgg19.npz --size 64 --batch 2"
    command = ["train", "twin", *given.split(), "-o", "twin.npz", "--checkpoint", "state.npz"]
    assert main([*command, "--steps", "3"]) == 0
    out, err = capfd.readouterr()
    assert out.startswith("wrote twin.npz: 3 steps, ")
    assert "step 3 of 3: unexplained of blocks 1 to 5 0." in err
    assert not Path("state.npz").exists()
    twin = load_vgg19("twin.npz")
    # As wide as it should be, but no wider than its teacher.
    assert [twin.get_layer(f"block{b}_conv1").filters for b in range(1, 6)] == [4, 8, 16, 32, 32]
    with np.load("twin.npz") as arrays:
        assert arrays["block5_conv4/codes"].dtype == np.uint8
    made = synthesize_texture(
        load_image("coffee", (64, 64)), weights="twin.npz", iterations=2, progress=False
    )
    assert made.losses["style"][1] < made.losses["style"][0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--photos nowhere --styles {here}", "nowhere is not a folder"),
        ("--photos {here} --styles {here} --teacher no.npz", "no.npz: no such file; give a file"),
        (
            "--photos {here} --styles {here} --teacher vgg19.npz --checkpoint vgg19.npz",
            "vgg19.npz is an input or another output already; choose another checkpoint file",
        ),
        ("--photos {here} --styles {here} --size 30", "--size is 30; it must be"),
    ],
)
def test_the_command_says_what_is_wrong(
    nst: Any, words: str, message: str, vgg: keras.Model, folder: Path
) -> None:
    save_vgg19(vgg, "vgg19.npz")
    teacher = [] if "--teacher" in words else ["--teacher", "vgg19.npz"]
    code, _, err = nst(
        "train", "twin", *words.format(here=folder).split(), *teacher, "-o", "twin.npz"
    )
    assert code == 2
    assert message in err[-1]
    assert not Path("twin.npz").exists()


@pytest.mark.parametrize("name", ["own.npz", "imagenet"])
def test_the_teacher_is_not_overwritten(
    nst: Any, monkeypatch: pytest.MonkeyPatch, name: str, vgg: keras.Model, folder: Path
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(Path("keras").absolute()))
    file = Path("cache/models") / COMPACT_FILE if name == "imagenet" else Path(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    save_vgg19(vgg, file)
    before = file.read_bytes()
    folders = ("--photos", folder, "--styles", folder)
    code, _, err = nst("train", "twin", *folders, "--teacher", name, "--steps", 1, "-o", file)
    words = f"nst: {file} is a file that this command reads; choose another name for the twin"
    assert (code, err) == (2, [words])
    assert file.read_bytes() == before
