"""Commands where memory, a disk or an output is lacking: one line, and what there is, is kept."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import pytest
from conftest import Run

from nstlib._tensorflow import tf
from nstlib.errors import NstWarning, OutputError
from nstlib.images.encode import save_image
from nstlib.optimize import UnfinishedError
from nstlib.sources import load_image
from nstlib.synthesis.texture import synthesize_texture
from nstlib.training.style import Progress

# Memory

SHORTAGES: list[Callable[[], Exception]] = [
    MemoryError,
    lambda: tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor"),
    lambda: cv2.error("alloc.cpp:73: error: (-4:Insufficient memory) Failed to allocate 9 bytes"),
    lambda: RuntimeError("std::bad_alloc"),
]


def failing(error: Callable[[], Exception]) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> None:
        raise error()

    return fail


@pytest.mark.parametrize("shortage", SHORTAGES)
@pytest.mark.parametrize(
    ("command", "remedy"),
    [
        ("texture coffee -o out.png", "give a smaller --size"),
        ("transfer coffee mosaic -o out.png", "give a smaller --size"),
        ("train style mosaic --photos folder -o out.onnx", "give a smaller --size or --batch"),
        ("assets list", "end other programs first"),
    ],
)
def test_memory_runs_out_before_there_is_anything(
    nst: Run,
    monkeypatch: pytest.MonkeyPatch,
    shortage: Callable[[], Exception],
    command: str,
    remedy: str,
) -> None:
    for place in ("load_image", "load_style", "sample_names"):
        monkeypatch.setattr(f"nstlib.sources.{place}", failing(shortage))
    code, out, err = nst(*command.split())
    assert (code, out) == (1, [])
    assert err == [f"nst: memory ran out: {remedy}"]


def test_memory_runs_out_at_a_later_size(nst: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The picture of the size before is written, and named."""
    picture = load_image("coffee", size=(40, 48))

    def fail(*_: object, **__: object) -> None:
        raise UnfinishedError((1414, 2000), picture)

    for recipe in ("texture.synthesize_texture", "transfer.transfer_style"):
        monkeypatch.setattr(f"nstlib.synthesis.{recipe}", fail)
    monkeypatch.setattr("nstlib.synthesis.estimate.estimate_transfer", fail)
    for command in ("texture coffee", "transfer coffee mosaic"):
        code, out, err = nst(*command.split(), "-o", "out.png")
        assert (code, out) == (1, [])
        assert err == [
            "nst: memory ran out at 2000×1414 pixels: give a smaller --size; the last good picture "
            "is in out.png"
        ]
        np.testing.assert_array_equal(
            np.asarray(PIL.Image.open("out.png")), np.rint(picture * 255).astype(np.uint8)
        )
        Path("out.png").unlink()


# Disks


def test_a_checkpoint_on_a_full_disk(nst: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    monkeypatch.setattr("nstlib.cli.synthesis.print_estimate", lambda *_: None)
    monkeypatch.setattr("nstlib.synthesis.estimate.estimate_transfer", lambda *_, **__: None)
    options = ["--size", "64", "--iterations", "2", "--checkpoint", "run.npz"]
    code, out, err = nst("transfer", "coffee", "mosaic", "-o", "out.png", *options)
    assert (code, len(out)) == (0, 1)
    assert err == [
        "nst: run.npz: cannot be written (No space left on device); the run goes on without saving "
        "its state"
    ]
    assert PIL.Image.open("out.png").size == (64, 43)
    assert [path.name for path in Path().iterdir()] == ["out.png"]


def test_a_preview_that_cannot_be_written(nst: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    save_image(load_image("coffee", size=64), "one.png")
    Path("photos").mkdir()
    Path("one.png").rename("photos/one.png")
    picture = np.zeros((4, 4, 3), np.float32)

    def train(*_: object, network: Any, callback: Any, **__: object) -> Any:
        for step in (100, 200, 300):
            callback(Progress(step, 1.0, {"style": 1.0}, 9.0, 0.0, picture))
        return network

    def full(_: object, path: Path) -> None:
        raise OutputError(f"{path}: cannot be written (No space left on device)")

    monkeypatch.setattr("nstlib.training.style.train_style", train)
    monkeypatch.setattr("nstlib.images.encode.save_image", full)
    options = ["--steps", 300, "--variant", "lite", "--preview", "seen.png"]
    code, _, err = nst(
        "train", "style", "mosaic", "--photos", "photos", "-o", "out.keras", *options
    )
    assert code == 0
    assert [line for line in err if line.startswith("nst:")] == [
        "nst: seen.png: cannot be written (No space left on device); the training goes on without "
        "it"
    ]
    assert Path("out.keras").exists()


def test_no_report_replaces_a_photograph(nst: Run) -> None:
    save_image(load_image("coffee", size=64), "photo.png")
    before = Path("photo.png").read_bytes()
    code, out, err = nst("texture", "coffee", "-o", "out.png", "--report", "photo.png")
    assert (code, out, len(err)) == (2, [], 1)
    assert "photo.png is there already" in err[0]
    assert Path("photo.png").read_bytes() == before
    assert not Path("out.png").exists()


# What is said besides


def test_only_the_librarys_own_warnings_are_shown(
    nst: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def warn(*given: Any, **options: Any) -> Any:
        warnings.warn("of no use to anybody", RuntimeWarning, stacklevel=1)
        warnings.warn("of use", NstWarning, stacklevel=1)
        np.float32(1) / np.zeros(1)
        return synthesize_texture(*given, **options | {"iterations": 1})

    monkeypatch.setattr("nstlib.synthesis.texture.synthesize_texture", warn)
    code, _, err = nst("texture", "coffee", "-o", "out.png", "--size", "64")
    assert (code, err) == (0, ["nst: of use"])


def python(*arguments: str, shell: str = "", **environment: str) -> tuple[int, str, str]:
    """Run the command line in a process of its own, with redirections as a shell has them."""
    words = " ".join([sys.executable, "-m", "nstlib", *arguments, shell])
    result = subprocess.run(
        words, shell=True, env={**os.environ, **environment}, capture_output=True, check=False
    )
    return result.returncode, result.stdout.decode(errors="replace"), result.stderr.decode()


@pytest.mark.parametrize("encoding", ["cp1252", "ascii"])
def test_an_output_that_cannot_take_the_letters(encoding: str, tmp_path: Path) -> None:
    name = tmp_path / "写真.png"
    code, out, err = python(
        *("texture", "coffee", "-o", str(name), "--size", "64", "--iterations", "1"),
        PYTHONIOENCODING=encoding,
    )
    assert (code, err) == (0, "")
    assert "\\u5199\\u771f.png" in out
    assert name.exists()


posix = pytest.mark.skipif(os.name != "posix", reason="redirections of POSIX shells")


@posix
@pytest.mark.parametrize("shell", ["2>&-", "<&- >&- 2>&-", "2</dev/null"])
def test_streams_that_are_closed(shell: str, tmp_path: Path) -> None:
    """What is opened next gets their numbers, and must not get what is written to them."""
    out = tmp_path / "out.png"
    options = ["-o", str(out), "--size", "64", "--iterations", "1", "--report", f"{out}.json"]
    code, _, _ = python("texture", "coffee", *options, shell=shell)
    assert code == 0
    assert PIL.Image.open(out).size == (64, 64)


@posix
def test_an_error_without_stderr_does_not_get_into_the_output() -> None:
    assert python("texture", "absent.png", "-o", "x.png", shell="2>&-") == (2, "", "")


@posix
@pytest.mark.parametrize("shell", ["2>&-", "2</dev/null", "2>/dev/full"])
def test_tensorflow_is_imported_without_stderr(shell: str) -> None:
    code = "'import nstlib._tensorflow as t; print(t.tf.constant(3).numpy())'"
    result = subprocess.run(
        f"{sys.executable} -c {code} {shell}",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (result.returncode, result.stdout) == (0, "3\n")


@pytest.mark.parametrize("error", ["KeyboardInterrupt", "ImportError"])
def test_tensorflows_notes_are_shown_if_it_fails_and_not_if_it_is_interrupted(error: str) -> None:
    code = (
        "import os; from nstlib._tensorflow import quiet\n"
        f"try:\n with quiet():\n  os.write(2, b'a note'); raise {error}\nexcept {error}: pass"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert result.stderr == (b"" if error == "KeyboardInterrupt" else b"a note")
