"""From a training of any-style networks to their two files, and the command that does it all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_runs import refused
from small_any_style import painted_by

import nstlib as nst
from nstlib._tensorflow import keras
from nstlib.art.catalogue import draw
from nstlib.cli.main import main
from nstlib.errors import ModelError, OutputError
from nstlib.images.encode import save_image
from nstlib.inference.any_style import (
    ENCODER,
    PAINTER,
    SIZES,
    encode_style,
    encoder_for,
    painter_for,
    trial_vector,
)
from nstlib.inference.stylizer import Stylizer
from nstlib.onnx.reading import load_onnx, metadata_of
from nstlib.onnx.translation import to_onnx
from nstlib.training.any_style import exporting, teach
from nstlib.training.any_style.pictures import Pack
from nstlib.vgg19 import build_vgg19, save_vgg19, vgg19_with

#: As the networks are trained where that is fast: not in the files' precision.
SMALL = teach.Settings((4, 4, 6, 8), (1, 1), (3, 3), steps=3, dtype="mixed_bfloat16")


pytestmark = pytest.mark.usefixtures("eager")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with styles, photographs, and a very narrow VGG19."""
    folder = tmp_path_factory.mktemp("any")
    for kind, count in (("styles", 3), ("photos", 2)):
        (folder / kind).mkdir()
        for number in range(count):
            picture = draw("waves", (48, 40 + 4 * number), seed=number)
            save_image(picture, folder / kind / f"{number:02}.png")
    keras.utils.set_random_seed(0)
    save_vgg19(build_vgg19(1 / 16, "average"), folder / "narrow.npz")
    return folder


@pytest.fixture(scope="module")
def teacher(folder: Path) -> teach.Teacher:
    """Return what a few steps have taught."""
    photos = [(255 * draw("waves", 48, seed=n)).astype(np.uint8) for n in range(3)]
    return teach.train(
        Pack(photos, photos[::-1], []),
        SMALL,
        folder / "taught.npz",
        size=32,
        batch=8,  # so that the usual styles are measured in few steps
        weights=str(folder / "narrow.npz"),
    )


def test_the_files_paint_what_was_learned(
    teacher: teach.Teacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    means = teach.averaged(teacher)
    proofs = exporting.export_any_style(teacher, tmp_path, {"licence": "none"})
    assert all(proof.ok for proof in proofs)
    assert {comparison.size for comparison in proofs[1].comparisons} == {*SIZES}
    assert len(proofs[1].comparisons) >= 2 * len(SIZES)
    for variable, mean in zip(teacher.trainable_variables, means, strict=True):
        np.testing.assert_array_equal(variable, mean)
    for name in (ENCODER, PAINTER):
        told = metadata_of(load_onnx(tmp_path / name))
        assert told.items() >= {"licence": "none", "value_range": "0,1", "layout": "NCHW"}.items()

    monkeypatch.setattr("nstlib.inference.any_style.embedded_model", lambda name: tmp_path / name)
    # The network alone: the last step, which is no part of it, may double differences.
    monkeypatch.setattr("nstlib.inference.stylizer.recolored", lambda painting, _: painting)
    style, photo = nst.load_image("coffee", (320, 336)), nst.load_image("astronaut", (64, 96))
    encoder_for.cache_clear()
    try:
        painting = Stylizer(encode_style(style))(photo)
    finally:
        encoder_for.cache_clear()
    # The training painted with fewer digits.
    expected = painted_by(teacher, photo, style)
    np.testing.assert_allclose(painting, expected, atol=0.1)
    assert np.abs(painting - expected).mean() < 0.01


@pytest.mark.parametrize("network", [ENCODER, PAINTER])
def test_nothing_is_written_that_a_runtime_reads_differently(
    teacher: teach.Teacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, network: str
) -> None:
    def spoilt(*arguments: Any, **options: Any) -> Any:
        proto = to_onnx(*arguments, **options)
        if ("encoder" if network == ENCODER else "net") in arguments[0].name:
            bias = next(x for x in proto.graph.initializer if x.name == name_of[network])
            values = np.frombuffer(bias.raw_data, np.float32).copy()
            values += 0.5
            bias.raw_data = values.tobytes()
        return proto

    name_of = {ENCODER: "predictor.dense2.bias", PAINTER: "last.styled.bias"}
    monkeypatch.setattr(exporting, "to_onnx", spoilt)
    with pytest.raises(ModelError, match=f"{network} is not written: the runtimes differ"):
        exporting.export_any_style(teacher, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_two_files_or_none(teacher: teach.Teacher, tmp_path: Path) -> None:
    """An encoder is of use to its own painter alone."""
    (tmp_path / ENCODER).write_bytes(b"the earlier one")
    (tmp_path / PAINTER).mkdir()
    with pytest.raises(OutputError, match=PAINTER):
        exporting.export_any_style(teacher, tmp_path)
    assert (tmp_path / ENCODER).read_bytes() == b"the earlier one"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted((ENCODER, PAINTER))


@dataclass(frozen=True)
class Small(teach.Settings):
    """Settings whose defaults are small."""

    channels: tuple[int, ...] = (4, 4, 6, 8)
    blocks: tuple[int, int] = (1, 1)
    kernels: tuple[int, int] = (3, 3)
    dtype: str = "float32"


@pytest.fixture
def command(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Make the command train small networks; return its options."""
    monkeypatch.setattr(teach, "Settings", Small)
    monkeypatch.setattr("nstlib.training.any_style.pictures.DRAWN_STYLES", ("waves",))
    twin = str(folder / "narrow.npz")
    monkeypatch.setattr(
        teach, "vgg19_with", lambda name: vgg19_with(twin if name == "mini" else name)
    )
    monkeypatch.chdir(tmp_path)
    return {
        "--photos": folder / "photos",
        "--styles": folder / "styles",
        "-o": tmp_path,
        "--checkpoint": "state.npz",
        "--judge": folder / "narrow.npz",
        "--steps": 2,
        "--size": 32,
        "--batch": 8,
    }


def run(options: dict[str, Any]) -> int:
    words = [str(word) for option in options.items() for word in option]
    return main(["train", "any-style", *words])


def test_the_command(command: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command) == 0
    out, err = capsys.readouterr()
    first, *steps = err.splitlines()
    assert first == "nst: packed 2 paintings, 6 drawn, 2 photos"
    assert [line.split(": ")[1] for line in steps] == ["step 2 of 2"]
    assert out.splitlines()[-1].startswith(f"wrote {command['-o']}: 2 steps, ")
    files = {name: Path(name).read_bytes() for name in (ENCODER, PAINTER)}
    assert painter_for(trial_vector(), load_onnx(PAINTER)).graph.node
    # Given again when all is done, it writes the same from the state, without the folders.
    assert run({**command, "--photos": "gone", "--styles": "gone"}) == 0
    again = capsys.readouterr().out.splitlines()[-1]
    assert again.startswith(f"wrote {command['-o']}: 2 steps, ")
    assert files == {name: Path(name).read_bytes() for name in files}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"-o": "nowhere"}, "nowhere is no folder; make it first"),
        ({"-o": "locked"}, "any_style_encoder.onnx is a folder; give the name of a file"),
        ({"--size": 36}, "nst: --size is 36; it must be a multiple of 8, 32 or more"),
        ({"--steps": 0}, "nst: --steps is 0"),
        ({"--batch": 0}, "nst: --batch is 0"),
        ({"--megabytes": 0}, "nst: --megabytes is 0.0"),
        ({"--content-weight": -1}, "nst: --content-weight is -1.0"),
        ({"--checkpoint": "state.keras"}, "cannot write '.keras'"),
        ({"--judge": "state.npz"}, "nst: state.npz is an input or another output already"),
        ({"--photos": "gone"}, "nst: gone is not a folder"),
        ({"--pack": "bad.npz"}, "bad.npz is no pack of pictures"),
    ],
)
def test_what_is_wrong_is_said_before_the_training(
    command: dict[str, Any],
    changes: dict[str, Any],
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    Path("bad.npz").write_bytes(b"")
    Path("locked", ENCODER).mkdir(parents=True)
    code = run({**command, **changes})
    out, err = capsys.readouterr()
    refused((code, out.splitlines(), err.splitlines()), words)
    assert sorted(path.name for path in Path().iterdir()) == ["bad.npz", "locked"]


def test_a_state_of_something_else(
    command: dict[str, Any], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(command | {"--steps": 1}) == 0
    capsys.readouterr()
    assert run(command) == 2
    words = "state.npz belongs to a run with other settings (steps was 1, is 2); delete it"
    assert words in capsys.readouterr().err
    for content in (b"PK broken", b""):
        Path("state.npz").write_bytes(content)
        assert run(command) == 2
        assert "state.npz is not a checkpoint, or is damaged" in capsys.readouterr().err
