"""The doctor: healthy here, and each illness found, named and given a remedy."""

from __future__ import annotations

import importlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import pytest

from nstlib.assets.cache import asset_path, embedded_model
from nstlib.assets.registry import ASSETS
from nstlib.doctor import (
    NEED_TENSORFLOW,
    Finding,
    check_cache,
    check_opencv,
    check_packages,
    check_processor,
    diagnose,
    project_requirements,
    report,
)
from nstlib.vgg19 import WEIGHTS, cached_vgg19


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("NSTLIB_WEIGHTS", raising=False)
    monkeypatch.delenv("TF_NUM_INTRAOP_THREADS", raising=False)
    monkeypatch.setenv("NSTLIB_CACHE", str(tmp_path / "cache"))


def finding(check: str) -> Finding:
    """What the doctor finds about `check`, which it looks at once."""
    [found] = [finding for finding in diagnose() if finding.check == check]
    return found


def test_nothing_is_wrong_here() -> None:
    findings = diagnose()
    assert [finding for finding in findings if finding.ok is False] == []
    assert {"Python", "numpy", "TensorFlow", "Keras backend", "oneDNN", "processor"} < {
        finding.check for finding in findings
    }
    assert {"OpenCV", "weights", "image cache", "model cache", "disk", "sample images"} < {
        finding.check for finding in findings
    }
    for finding in findings:
        assert finding.found
        assert "\n" not in finding.found + finding.advice
        assert bool(finding.advice) == (finding.ok is not True)


def test_nothing_is_made_or_changed(tmp_path: Path) -> None:
    before = dict(os.environ)
    diagnose()
    assert list(tmp_path.iterdir()) == []
    assert dict(os.environ) == before


# Packages


def test_versions_are_held_against_the_projects_own_list(monkeypatch: pytest.MonkeyPatch) -> None:
    needed = ["numpy>=1.26", "scipy>=999", "nstlib-no-such-package>=2"]
    monkeypatch.setattr("nstlib.doctor.project_requirements", lambda: (">=3.99", needed, []))
    found = {finding.check: finding for finding in check_packages()}
    assert list(found) == ["Python", "numpy", "scipy", "nstlib-no-such-package"]
    assert found["Python"].ok is False
    assert found["Python"].advice == "use a Python >=3.99"
    assert found["numpy"].ok is True
    assert found["scipy"].ok is False
    assert found["scipy"].advice == 'pip install "scipy>=999"'
    assert found["nstlib-no-such-package"].found == "not installed"
    assert found["nstlib-no-such-package"].advice == 'pip install "nstlib-no-such-package>=2"'


def test_headless_opencv_stands_in(monkeypatch: pytest.MonkeyPatch) -> None:
    versions = {"opencv-python-headless": "4.11.0"}
    monkeypatch.setattr("nstlib.doctor.installed_version", versions.get)
    monkeypatch.setattr(
        "nstlib.doctor.project_requirements", lambda: (">=3.11", ["opencv-python>=4.10"], [])
    )
    _, opencv = check_packages()
    assert opencv == Finding("opencv-python", True, "4.11.0 (opencv-python-headless)")


def test_installed_package_states_its_own_requirements(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "nstlib-7.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: nstlib\nVersion: 7\nRequires-Python: >=3.5\n"
        "Requires-Dist: numpy>=1\nRequires-Dist: torch>=2; extra == 'torch'\n"
        "Requires-Dist: scipy>=1; extra == 'learn'\n"
        "Requires-Dist: no-such-package>=1; extra == 'learn'\n"
        "Requires-Dist: tqdm>=1; python_version < '3'\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr("nstlib.assets.cache.checkout_root", lambda: None)
    *_, learning = findings = list(check_packages())
    assert [finding.check for finding in findings] == ["Python", "numpy", "scipy", "learning"]
    # Somebody who only paints lacks nothing.
    assert (learning.ok, learning.found) == (None, "not installed: no-such-package")
    assert learning.advice.endswith("pip install 'nstlib[learn]'")


def test_a_checkout_states_the_same_as_the_package_made_of_it() -> None:
    python, needed, learning = project_requirements()
    assert python == ">=3.11,<3.14"
    assert {"numpy", "opencv-python"} < {re.split("[<>=;]", text)[0] for text in needed}
    assert {"tensorflow", "jupyterlab"} < {re.split("[<>=;]", text)[0] for text in learning}
    assert not any("tensorflow" in text for text in needed)


# Imports


def hide(monkeypatch: pytest.MonkeyPatch, module: str) -> None:
    """Let imports of `module` fail as if it were not installed."""
    for name in list(sys.modules):
        if name.startswith(f"{module}.") or name == "nstlib._tensorflow":
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, module, None)


@pytest.mark.parametrize(
    ("module", "check", "error", "advice"),
    [
        ("tensorflow", "TensorFlow", "DependencyError", "--force-reinstall tensorflow"),
        ("cv2", "OpenCV", "ModuleNotFoundError", "opencv-python-headless"),
        ("skimage", "sample images", "ModuleNotFoundError", "--force-reinstall nstlib"),
    ],
)
def test_package_that_does_not_import(
    monkeypatch: pytest.MonkeyPatch, module: str, check: str, error: str, advice: str
) -> None:
    hide(monkeypatch, module)
    found = finding(check)
    assert found.ok is False
    assert error in found.found
    assert advice in found.advice


def test_keras_that_does_not_import(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "nstlib.doctor.check_tensorflow", lambda: Finding("TensorFlow", True, "fine")
    )
    hide(monkeypatch, "keras")
    found = finding("Keras backend")
    assert found.ok is False
    assert "--force-reinstall keras" in found.advice


def test_what_needs_tensorflow_is_not_tried_without_it(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "tensorflow")
    found = {finding.check: finding for finding in diagnose()}
    assert [check for check, finding in found.items() if finding.ok is False] == ["TensorFlow"]
    for check in NEED_TENSORFLOW:
        assert (found[check].ok, found[check].found) == (None, "not tried")


def test_tensorflow_that_computes_nonsense(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tensorflow.reduce_sum", lambda _: 14.0)
    assert finding("TensorFlow").ok is False


def test_another_keras_backend(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keras.backend.backend", lambda: "jax")
    found = finding("Keras backend")
    assert (found.ok, found.found) == (False, "jax")
    assert "import nstlib before keras" in found.advice

    monkeypatch.setenv("KERAS_BACKEND", "torch")
    found = finding("Keras backend")
    assert (found.ok, found.found) == (False, "KERAS_BACKEND is 'torch'")
    assert "unset KERAS_BACKEND" in found.advice
    # Nobody is told to reinstall TensorFlow because of that.
    assert finding("TensorFlow").advice == "mend the Keras backend first"


def test_keras_that_puts_channels_first_is_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("keras.config.image_data_format", lambda: "channels_first")
    found = finding("Keras backend")
    assert found.ok is None
    assert "image_data_format is channels_first" in found.found
    assert "keras.json" in found.advice


@pytest.mark.parametrize(
    ("version", "ok"), [("4.9.0", False), ("4.10.0", True), ("4.11.0-dev", True), ("5.0.0", True)]
)
def test_version_of_opencv(monkeypatch: pytest.MonkeyPatch, version: str, ok: bool) -> None:
    monkeypatch.setattr(cv2, "__version__", version)
    found = check_opencv()
    assert found.ok is ok
    assert version in found.found
    assert ("opencv-python>=4.10" in found.advice) is not ok


@pytest.mark.parametrize(
    ("engines", "expected"),
    [({}, "classic"), ({"ENGINE_CLASSIC": 1, "ENGINE_NEW": 2}, "classic, new")],
)
def test_engines_of_opencv(
    monkeypatch: pytest.MonkeyPatch, engines: dict[str, int], expected: str
) -> None:
    dnn = SimpleNamespace(blobFromImage=lambda _: None, **engines)
    monkeypatch.setattr(cv2, "dnn", dnn)
    assert check_opencv().found.endswith(f"dnn engines: {expected}")


def test_opencv_without_dnn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(cv2, "dnn")
    found = finding("OpenCV")
    assert found.ok is False
    assert "reinstall" in found.advice


# Speed


@pytest.mark.parametrize(
    ("effective", "setting", "ok", "advice"),
    [
        (True, "1", True, ""),
        (False, "1", None, "import nstlib first"),
        (False, "0", None, "unset the variable"),
    ],
)
def test_onednn(
    monkeypatch: pytest.MonkeyPatch, effective: bool, setting: str, ok: bool | None, advice: str
) -> None:
    port = importlib.import_module("tensorflow.python.util._pywrap_util_port")
    monkeypatch.setattr(port, "IsMklEnabled", lambda: effective)
    monkeypatch.setenv("TF_ENABLE_ONEDNN_OPTS", setting)
    found = finding("oneDNN")
    assert found.ok is ok
    assert advice in found.advice


def test_onednn_of_a_tensorflow_that_does_not_say(monkeypatch: pytest.MonkeyPatch) -> None:
    port = importlib.import_module("tensorflow.python.util._pywrap_util_port")
    monkeypatch.delattr(port, "IsMklEnabled")
    assert finding("oneDNN").ok is None


@pytest.mark.parametrize("setting", ["0", "1"])
def test_onednn_is_what_tensorflow_really_uses(setting: str) -> None:
    code = "from nstlib import doctor; print(doctor.check_onednn().found)"
    result = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TF_ENABLE_ONEDNN_OPTS": setting},
        capture_output=True,
        text=True,
        check=True,
    )
    if setting == "0":
        assert result.stdout == "off, because TF_ENABLE_ONEDNN_OPTS is 0\n"
    else:
        assert result.stdout in ("on\n", "off, though TF_ENABLE_ONEDNN_OPTS is 1\n")


def test_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 5}, raising=False)
    assert check_processor().ok is True
    assert check_processor().found == "4 cores, of which TensorFlow uses 4"
    monkeypatch.setenv("TF_NUM_INTRAOP_THREADS", "3")
    found = check_processor()
    assert found.ok is None
    assert found.found == "4 cores, of which TensorFlow uses 3"
    assert "unset TF_NUM_INTRAOP_THREADS" in found.advice
    monkeypatch.delattr(os, "sched_getaffinity")  # macOS and Windows have none
    monkeypatch.setattr(os, "cpu_count", lambda: 3)
    assert check_processor().ok is True


# Settings, caches, disk


def test_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert finding("weights").found.endswith("(the default)")
    monkeypatch.setenv("NSTLIB_WEIGHTS", "imagenet")
    copy = tmp_path / "vgg19.npz"
    shutil.copy(embedded_model("vgg19_mini.npz"), copy)
    monkeypatch.setattr("nstlib.vgg19.imagenet_file", lambda: copy)
    cached_vgg19.cache_clear()
    assert finding("weights") == Finding("weights", True, "imagenet (NSTLIB_WEIGHTS)")
    copy.write_bytes(copy.read_bytes()[:99])
    cached_vgg19.cache_clear()
    assert not finding("weights").ok
    assert str(copy) in finding("weights").found
    monkeypatch.setattr("nstlib.vgg19.imagenet_file", lambda: None)
    assert "downloaded, 80 MB, when they are first used" in finding("weights").found
    monkeypatch.setenv("NSTLIB_WEIGHTS", "imaginet")
    found = finding("weights")
    assert (found.ok, found.found) == (False, "NSTLIB_WEIGHTS is 'imaginet'")
    assert found.advice.endswith(", ".join(WEIGHTS))


def test_weights_that_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mine.npz"
    file.write_bytes(b"no weights")
    monkeypatch.setenv("NSTLIB_WEIGHTS", str(file))
    assert not finding("weights").ok
    assert finding("weights").advice.startswith("unset NSTLIB_WEIGHTS")
    monkeypatch.delenv("NSTLIB_WEIGHTS")
    monkeypatch.setattr("nstlib.vgg19.embedded_model", lambda name: tmp_path / name)
    cached_vgg19.cache_clear()
    found = finding("weights")
    assert not found.ok
    assert "vgg19_mini.npz" in found.found


def test_networks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = embedded_model("person.onnx").parent
    shipped = len([*models.glob("*.onnx")])
    assert finding("networks").found.startswith(f"{shipped} files, ")
    for file in models.glob("*.onnx"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    monkeypatch.setattr("nstlib.assets.cache.embedded_model", tmp_path.joinpath)
    assert finding("networks").ok
    whole = (tmp_path / "any_style_painter.onnx").read_bytes()
    (tmp_path / "any_style_painter.onnx").write_bytes(whole[:-100])
    found = finding("networks")
    assert found.ok is False
    assert "any_style_painter.onnx is not an ONNX file, or is cut off" in found.found
    (tmp_path / "candy.onnx").unlink()
    assert "candy.onnx cannot be read" in finding("networks").found


def test_cache_is_measured(tmp_path: Path) -> None:
    images = tmp_path / "cache" / "images"
    assert check_cache("image") == Finding("image cache", True, f"{images}: 0 files, 0.0 MB")
    images.mkdir(parents=True)
    (images / "one.jpg").write_bytes(bytes(1_250_000))
    assert check_cache("image").found == f"{images}: 1 file, 1.2 MB"
    (images / "two.jpg").write_bytes(bytes(1_000_000))
    assert check_cache("image").found == f"{images}: 2 files, 2.2 MB"
    assert check_cache("model").found.endswith("models: 0 files, 0.0 MB")


def test_cache_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def writable(_: Path, mode: int) -> bool:
        assert mode & os.W_OK
        return False

    monkeypatch.setattr(os, "access", writable)
    found = check_cache("image")
    assert found.ok is False
    assert found.found.endswith("not writable")
    assert "NSTLIB_CACHE" in found.advice

    # A filled read-only cache is good enough to work with.
    images = tmp_path / "cache" / "images"
    images.mkdir(parents=True)
    (images / "one.jpg").touch()
    assert check_cache("image").ok is None


def test_cache_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "cache").touch()
    assert finding("image cache").ok is False


def test_downloads_are_verified() -> None:
    assert finding("downloads") == Finding(
        "downloads", True, f"0 of {len(ASSETS)} here (nst assets list)"
    )
    path = asset_path("udnie")
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half a file")
    found = finding("downloads")
    assert found.ok is False
    assert str(path) in found.found
    assert found.advice.endswith("nst assets fetch --force udnie")


def test_full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    usage: Any = SimpleNamespace(free=100_000_000)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    found = finding("disk")
    assert found.ok is False
    assert found.found.startswith("0.1 GB free")
    assert "0.5 GB" in found.advice


def test_sample_of_the_wrong_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = SimpleNamespace(shape=(64, 64))
    monkeypatch.setattr("nstlib.sources.load_image", lambda *_, **__: wrong)
    assert finding("sample images").ok is False


# The report


def test_report_is_aligned_and_counts_faults() -> None:
    findings = [
        Finding("tea", True, "hot"),
        Finding("milk", None, "little", "buy some"),
        Finding("biscuits", False, "none", "bake them"),
        Finding("cups", False, "broken", "glue them"),
    ]
    assert report(findings).splitlines() == [
        "ok     tea       hot",
        "note   milk      little",
        "                 -> buy some",
        "FAULT  biscuits  none",
        "                 -> bake them",
        "FAULT  cups      broken",
        "                 -> glue them",
        "2 faults",
    ]
    assert report(findings[:2]).endswith("no faults")
    assert report([]) == "no faults"
