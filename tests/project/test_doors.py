"""Files from elsewhere come in at one door each, where they are checked before they are opened."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import nstlib

ROOT = Path(nstlib.__file__).parent

#: What opens a file of a kind, as code writes it, and the only places that call it. The first
#: place of each is the door. The others open what the library itself has just written.
DOORS: dict[str, tuple[str, ...]] = {
    "onnx.load": ("onnx/reading.py", "inference/foreign.py"),
    "onnx.load_model": (),
    "onnx.load_from_string": ("onnx/reading.py",),
    "keras.models.load_model": ("networks/files.py",),
    "torch.load": ("onnx/pytorch.py",),
    "PIL.Image.open": ("course/figures/plot.py", "course/figures/animation.py"),
    "cv2.imread": (),
    "iio.imread": (),
    "skimage.io.imread": (),
    "cv2.VideoCapture": ("video/camera.py",),
    "pickle.load": (),
    "pickle.loads": (),
    "eval": (),
    "exec": (),
    "os.system": (),
    "subprocess.Popen": ("video/_ffmpeg.py",),
    "subprocess.run": (),
}

#: What switches off the execution of code in a file; NumPy's reader executes none unless asked.
SAFE = {"torch.load": "weights_only", "keras.models.load_model": "safe_mode"}


def calls(code: str) -> Iterator[ast.Call]:
    return (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call))


def faults(place: str, code: str) -> list[str]:
    found = []
    for call in calls(code):
        name = ast.unparse(call.func)
        options = {option.arg: ast.unparse(option.value) for option in call.keywords}
        if place not in DOORS.get(name, (place,)):
            found.append(f"{name} in {place}")
        if name in SAFE and options.get(SAFE[name]) != "True":
            found.append(f"{name} in {place} without {SAFE[name]}")
        if options.get("allow_pickle", "False") != "False":
            found.append(f"{name} in {place} with allow_pickle")
    return found


def test_every_file_comes_in_at_its_door() -> None:
    used: set[tuple[str, str]] = set()
    for path in sorted(ROOT.rglob("*.py")):
        place, code = path.relative_to(ROOT).as_posix(), path.read_text(encoding="utf-8")
        assert faults(place, code) == []
        used |= {(ast.unparse(call.func), place) for call in calls(code)}
    stated = {(name, place) for name, places in DOORS.items() for place in places}
    assert stated <= used, "a place that opens nothing any more"


@pytest.mark.parametrize(
    "code",
    [
        "onnx.load(path)",
        "PIL.Image.open(path)",
        "subprocess.run(['gs', path])",
        "torch.load(path, weights_only=False)",
        "keras.models.load_model(path)",
        "np.load(path, allow_pickle=True)",
    ],
)
def test_another_door_is_found(code: str) -> None:
    assert faults("training/selfie.py", code)
