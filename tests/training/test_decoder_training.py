"""Teaching a decoder: the exchange of statistics, the losses, and that it learns."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_runs import refused
from numpy.typing import NDArray

from nstlib._tensorflow import keras
from nstlib.art.catalogue import draw
from nstlib.cli.main import main
from nstlib.errors import ArgumentError
from nstlib.images.arrays import to_uint8
from nstlib.images.encode import save_image
from nstlib.networks.decoder import FeatureDecoder, load_decoder
from nstlib.training.any_style.pictures import Pack
from nstlib.training.decoder import Teacher, adain, train_decoder
from nstlib.vgg19 import vgg19_with

pytestmark = pytest.mark.usefixtures("eager")


@pytest.fixture(scope="module")
def pack() -> Pack:
    photos = [to_uint8(draw("waves", (48, 48), seed=seed)) for seed in range(3)]
    styles = [to_uint8(draw("shards", (48, 48), seed=seed)) for seed in range(3)]
    return Pack(photos, styles, [])


def random(*shape: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).random(shape, np.float32)


def test_statistics_change_hands_by_picture_and_channel() -> None:
    content, style = (
        5 * random(2, 4, 6, 3),
        random(2, 5, 3, 3, seed=1) * np.array([1, 2, 9], np.float32),
    )
    tensors = (keras.ops.convert_to_tensor(x) for x in (content, style))
    found = keras.ops.convert_to_numpy(adain(*tensors))
    np.testing.assert_allclose(found.mean(axis=(1, 2)), style.mean(axis=(1, 2)), rtol=1e-4)
    np.testing.assert_allclose(found.std(axis=(1, 2)), style.std(axis=(1, 2)), rtol=1e-3)
    for picture in range(2):  # places stay the content's
        for channel in range(3):
            pair = content[picture, ..., channel].ravel(), found[picture, ..., channel].ravel()
            assert np.corrcoef(*pair)[0, 1] == pytest.approx(1, abs=1e-5)


def test_what_is_painted_well_costs_little(narrow_file: str) -> None:
    """A decoder that knows the answer has almost no loss, and another one has each of the terms."""
    teacher = Teacher("block4_conv1", narrow_file, 2.0, 2.0, "float32")
    photo = to_uint8(draw("waves", (64, 64), seed=1))[np.newaxis]
    wanted = keras.ops.convert_to_tensor(np.concatenate([photo, photo]).astype(np.float32) / 255)
    honest = teacher.decoder
    teacher.decoder = lambda _: wanted
    terms = {name: float(value) for name, value in teacher((photo, photo)).items()}
    assert max(terms.values()) < 1e-3
    teacher.decoder = honest
    bad = {name: float(value) for name, value in teacher((photo, photo)).items()}
    assert min(bad.values()) > 0.05
    assert bad["loss"] > bad["content"] + 2 * bad["style"] + 2 * bad["pixels"] - 1e-3


#: The steps and the losses that were reported, and the weights that were learned.
Learned = tuple[list[tuple[int, float]], list[NDArray[np.float32]]]


def run(pack: Pack, weights: str, **options: Any) -> Learned:
    reports: list[tuple[int, float]] = []
    decoder = train_decoder(
        pack,
        "block3_conv1",
        steps=16,
        size=32,
        batch=2,
        every=4,
        weights=weights,
        learning_rate=5e-3,
        report=lambda step, means, _: reports.append((step, means["pixels"])),
        **options,
    )
    return reports, decoder.get_weights()


@pytest.fixture(scope="module")
def whole(pack: Pack, narrow_file: str) -> Learned:
    """Return what a training gives that ran through."""
    return run(pack, narrow_file)


def test_it_learns_and_repeats_itself(pack: Pack, narrow_file: str, whole: Learned) -> None:
    reports, weights = whole
    assert [step for step, _ in reports] == [4, 8, 12, 16]
    assert reports[-1][1] < 0.8 * reports[0][1]
    again, same = run(pack, narrow_file)
    assert again == reports
    for one, other in zip(weights, same, strict=True):
        np.testing.assert_array_equal(one, other)


def test_what_went_on_is_what_ran_through(
    pack: Pack, narrow_file: str, whole: Learned, tmp_path: Path
) -> None:
    steps = iter([*[False] * 5, True])  # it ends after six
    options: dict[str, Any] = {"checkpoint": tmp_path / "state.npz"}
    first, part = run(pack, narrow_file, **options, stop=lambda: next(steps))
    assert [step for step, _ in first] == [4, 6]
    assert np.abs(part[0] - whole[1][0]).max() > 1e-3
    second, resumed = run(pack, narrow_file, **options)
    assert [step for step, _ in second] == [10, 14, 16]
    for one, other in zip(whole[1], resumed, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
    with pytest.raises(ArgumentError, match=r"other settings \(seed was 0, is 1\)"):
        run(pack, narrow_file, **options, seed=1)


# The command


@pytest.fixture
def command(narrow_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Make the command decode a narrow network's features; return its options."""
    for kind in ("styles", "photos"):
        (tmp_path / kind).mkdir()
        for number in range(2):
            picture = draw("waves", (48, 40 + 4 * number), seed=number)
            save_image(picture, tmp_path / kind / f"{number:02}.png")
    monkeypatch.setattr("nstlib.training.any_style.pictures.DRAWN_STYLES", ())
    monkeypatch.setattr("nstlib.training.decoder.vgg19_with", lambda _: vgg19_with(narrow_file))
    monkeypatch.chdir(tmp_path)
    return {
        "--photos": "photos",
        "--styles": "styles",
        "-o": "decoder.npz",
        "--checkpoint": "state.npz",
        "--layer": "block3_conv1",
        "--steps": 2,
        "--size": 32,
        "--batch": 1,
    }


def call(options: dict[str, Any]) -> int:
    return main(["train", "decoder", *(str(word) for option in options.items() for word in option)])


def test_the_command(
    command: dict[str, Any], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr("nstlib.cli.any_style.asked_to_stop", lambda: True)
        assert call(command) == 130
    out, err = capsys.readouterr()
    packed, step, ended = err.splitlines()
    assert (out, packed) == ("", "nst: packed 1 paintings, 0 drawn, 2 photos")
    assert step.startswith("nst: step 1 of 2: content ")
    assert ended == (
        "nst: interrupted; decoder.npz is the network so far; the same command goes on from "
        "state.npz"
    )
    assert load_decoder("decoder.npz").input_shape[-1] == 16  # 256 channels, a sixteenth

    assert call({**command, "--photos": "gone", "--styles": "gone"}) == 0  # the pack is there
    out, err = capsys.readouterr()
    assert out.startswith("wrote decoder.npz: 2 steps, ")
    assert [line.split(":")[1] for line in err.splitlines()] == [" step 2 of 2"]
    assert not Path("state.npz").exists()
    photo = np.zeros((1, 8, 8, 16), np.float32)
    assert load_decoder("decoder.npz")(photo).shape == (1, 32, 32, 3)


def test_the_commands_options_reach_the_training(
    command: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {}

    def train(_: Pack, layer: str, **options: Any) -> keras.Model:
        given.update(options, layer=layer)
        return FeatureDecoder(layer)

    monkeypatch.setattr("nstlib.training.decoder.train_decoder", train)
    expected = {"layer": "block3_conv1", "steps": 5, "size": 40, "batch": 3, "seed": 7}
    assert call({**command, **{f"--{name}": value for name, value in expected.items()}}) == 0
    assert {name: given[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"-o": "decoder.onnx"}, "nst: decoder.onnx: cannot write '.onnx'; use .npz"),
        ({"-o": "state.npz"}, "nst: state.npz is an input or another output already"),
        ({"--layer": "block1_conv1"}, "nst: --layer is block1_conv1; it must be one of block3_co"),
        ({"--size": 36}, "nst: --size is 36; it must be a multiple of 8, 32 or more"),
        ({"--steps": 0}, "nst: --steps is 0"),
        ({"--megabytes": 0}, "nst: --megabytes is 0.0"),
        ({"--photos": "gone"}, "nst: gone is not a folder"),
    ],
)
def test_what_is_wrong_is_said_before_the_training(
    command: dict[str, Any],
    changes: dict[str, Any],
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = call({**command, **changes})
    out, err = capsys.readouterr()
    refused((code, out.splitlines(), err.splitlines()), words)
    assert sorted(path.name for path in Path().iterdir()) == ["photos", "styles"]
