"""Is this machine ready for the course? If not: what is wrong, and what to do about it."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import shutil
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from nstlib._checks import counted

if TYPE_CHECKING:
    from packaging.requirements import Requirement

#: Other names under which the same package is published.
STAND_INS = {
    "opencv-python": (
        "opencv-python-headless",
        "opencv-contrib-python",
        "opencv-contrib-python-headless",
    ),
    "tensorflow": ("tensorflow-cpu",),
}
OLDEST_OPENCV = (4, 10)

#: Checks that mean nothing while TensorFlow or Keras does not work.
NEED_TENSORFLOW = ("Keras backend", "oneDNN", "processor", "weights")

NOT_INSTALLED = "not installed"

FOR_LEARNING = "for lessons, textures, transfers and training: pip install 'nstlib[learn]'"

#: Bytes. Trained weights need 80 MB and all downloads together 30 MB; pictures and films need more.
LEAST_FREE = 500_000_000


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Parameters
    ----------
    check : str
        What was looked at.
    ok : bool or None
        False is a fault. None is worth knowing, but nothing fails because of it.
    found : str
        What there is, in one line.
    advice : str
        What to do about it; empty if nothing needs to be done.
    """

    check: str
    ok: bool | None
    found: str
    advice: str = ""


def diagnose() -> list[Finding]:
    """Look at everything the course needs. Takes some seconds, because TensorFlow is imported.

    Returns
    -------
    list of Finding
        In an order in which faults are best mended.

    Examples
    --------
    >>> print(report(diagnose()))  # doctest: +SKIP
    ok     Python               3.11.7
    ok     imageio              2.37.0
    ...
    """
    checks: dict[str, Callable[[], Finding]] = {
        "TensorFlow": check_tensorflow,
        "Keras backend": check_keras_backend,
        "oneDNN": check_onednn,
        "processor": check_processor,
        "OpenCV": check_opencv,
        "weights": check_weights,
        "networks": check_networks,
        "image cache": lambda: check_cache("image"),
        "model cache": lambda: check_cache("model"),
        "downloads": check_downloads,
        "disk": check_disk,
        "sample images": check_sample_images,
    }
    findings = [*check_packages()]
    broken = ""
    for name, check in checks.items():
        if broken and name in NEED_TENSORFLOW:
            findings.append(Finding(name, None, "not tried", broken))
            continue
        try:
            findings.append(check())
        except Exception as error:  # the check must not fail when the thing it checks is broken
            findings.append(Finding(name, False, _line(error), _ADVICE.get(name, _REINSTALL)))
        if name in ("TensorFlow", "Keras backend"):
            if findings[-1].ok is False:
                broken = broken or "mend what is broken above first"
            elif findings[-1].found == NOT_INSTALLED:
                broken = FOR_LEARNING
    return findings


def report(findings: list[Finding]) -> str:
    """Write findings as an aligned table, each piece of advice below what it is about.

    Examples
    --------
    >>> print(report([Finding("tea", True, "hot"), Finding("cake", False, "none", "bake one")]))
    ok     tea   hot
    FAULT  cake  none
                 -> bake one
    1 fault
    """
    marks = {True: "ok", None: "note", False: "FAULT"}
    width = max((len(finding.check) for finding in findings), default=0)
    lines = []
    for finding in findings:
        lines.append(f"{marks[finding.ok]:5}  {finding.check:{width}}  {finding.found}")
        if finding.advice:
            lines.append(f"{'':5}  {'':{width}}  -> {finding.advice}")
    faults = sum(finding.ok is False for finding in findings)
    lines.append(counted(faults, "fault") if faults else "no faults")
    return "\n".join(lines)


_REINSTALL = "reinstall nstlib and what it needs: pip install --force-reinstall nstlib"

#: What to do when a check cannot even be carried out.
_ADVICE = {
    "TensorFlow": (
        "reinstall it: pip install --force-reinstall tensorflow; on Windows it also needs "
        "Microsoft's Visual C++ Redistributable"
    ),
    "Keras backend": "reinstall it: pip install --force-reinstall keras",
    "OpenCV": (
        "reinstall it: pip install --force-reinstall opencv-python; on a machine without a "
        "display, opencv-python-headless instead"
    ),
    "image cache": "set NSTLIB_CACHE to a folder that you can write to",
    "model cache": "set NSTLIB_CACHE to a folder that you can write to",
}


def _line(error: Exception) -> str:
    first_line = (str(error).strip() or "no message").splitlines()[0]
    return f"{type(error).__name__}: {first_line}"


def check_packages() -> Iterator[Finding]:
    """Look for Python and the packages that the project asks for, in the versions it asks for."""
    from packaging.requirements import Requirement
    from packaging.specifiers import SpecifierSet

    python, needed, learning = project_requirements()
    version = platform.python_version()
    fits = SpecifierSet(python).contains(version, prereleases=True)
    yield Finding("Python", fits, version, "" if fits else f"use a Python {python}")
    yield from (check_package(requirement) for requirement in map(Requirement, needed))
    # Whoever only paints does without the rest, and is told once what it is for.
    more = [check_package(requirement) for requirement in map(Requirement, learning)]
    yield from (finding for finding in more if finding.found != NOT_INSTALLED)
    missing = [finding.check for finding in more if finding.found == NOT_INSTALLED]
    if missing:
        yield Finding("learning", None, f"{NOT_INSTALLED}: {', '.join(missing)}", FOR_LEARNING)


def check_package(requirement: Requirement) -> Finding:
    """Look for a package, also under the other names it is published by."""
    names = (requirement.name, *STAND_INS.get(requirement.name, ()))
    versions = [(name, found) for name in names if (found := installed_version(name))]
    install = f'pip install "{requirement.name}{requirement.specifier}"'
    if not versions:
        return Finding(requirement.name, False, NOT_INSTALLED, install)
    name, version = versions[0]
    found = version if name == requirement.name else f"{version} ({name})"
    fits = requirement.specifier.contains(version, prereleases=True)
    return Finding(requirement.name, fits, found, "" if fits else install)


def project_requirements() -> tuple[str, list[str], list[str]]:
    """Versions of Python and packages that the project asks for, from where it states them.

    Returns
    -------
    str, list of str, list of str
        Of Python; of the packages that everything needs; of those that lessons and training need.
    """
    from packaging.requirements import Requirement

    from nstlib.assets.cache import checkout_root

    root = checkout_root()
    if root is not None:
        project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        learning = [
            f"{text}; extra == 'learn'" for text in project["optional-dependencies"]["learn"]
        ]
        python, stated = project["requires-python"], [*project["dependencies"], *learning]
    else:
        metadata = importlib.metadata.metadata("nstlib")
        python, stated = metadata["Requires-Python"], metadata.get_all("Requires-Dist") or []
    needed, learning = [], []
    for text in stated:
        marker = Requirement(text).marker
        if marker is None or marker.evaluate({"extra": ""}):
            needed.append(text)
        elif marker.evaluate({"extra": "learn"}):
            learning.append(text)
    return python, needed, learning


def installed_version(package: str) -> str | None:
    """Return the version of an installed package; None if it is not installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def check_tensorflow() -> Finding:
    """Let TensorFlow compute something."""
    if _foreign_backend():  # TensorFlow stumbles over it too, but is not to blame
        return Finding("TensorFlow", None, "not tried", "mend the Keras backend first")
    if not installed_version("tensorflow") and not any(
        map(installed_version, STAND_INS["tensorflow"])
    ):
        return Finding("TensorFlow", None, NOT_INSTALLED, FOR_LEARNING)
    from nstlib._tensorflow import tf

    total = float(tf.reduce_sum(tf.ones((3, 5))))
    if total != 15:
        return Finding("TensorFlow", False, f"15 ones sum to {total}", _ADVICE["TensorFlow"])
    devices = sorted({device.device_type for device in tf.config.list_physical_devices()})
    return Finding("TensorFlow", True, f"imports and computes on {', '.join(devices)}")


def check_keras_backend() -> Finding:
    """Ask what Keras computes with."""
    foreign = _foreign_backend()
    if foreign:
        advice = "unset KERAS_BACKEND, or set it to tensorflow, and start Python anew"
        return Finding("Keras backend", False, f"KERAS_BACKEND is {foreign!r}", advice)
    from nstlib._tensorflow import keras

    backend = keras.backend.backend()
    if backend == "tensorflow":
        order = keras.config.image_data_format()
        if order == "channels_last":
            return Finding("Keras backend", True, backend)
        # This library's own networks say where their channels are.
        found = f"{backend}; image_data_format is {order}, so the lessons' own layers may fail"
        advice = 'set "image_data_format" to "channels_last" in ~/.keras/keras.json'
        return Finding("Keras backend", None, found, advice)
    advice = "start Python anew, and import nstlib before keras"
    return Finding("Keras backend", False, backend, advice)


def _foreign_backend() -> str | None:
    setting = os.environ.get("KERAS_BACKEND")
    return setting if setting not in (None, "", "tensorflow") else None


def check_onednn() -> Finding:
    """Ask TensorFlow whether it uses oneDNN, which speeds up its convolutions."""
    # TensorFlow reads the variable once. Only its own answer tells whether it was set in time, and
    # it has no public function for that.
    try:
        from tensorflow.python.util import _pywrap_util_port

        enabled = _pywrap_util_port.IsMklEnabled()
    except (ImportError, AttributeError):
        advice = "its notes do: TF_CPP_MIN_LOG_LEVEL=0 python -c 'import tensorflow'"
        return Finding("oneDNN", None, "unknown: TensorFlow does not say", advice)
    if enabled:
        return Finding("oneDNN", True, "on")
    setting = os.environ.get("TF_ENABLE_ONEDNN_OPTS")
    if setting == "1":
        return Finding(
            "oneDNN",
            None,
            "off, though TF_ENABLE_ONEDNN_OPTS is 1",
            "if TensorFlow was imported before nstlib, start Python anew and import nstlib first; "
            "TensorFlow for some processors comes without it",
        )
    return Finding(
        "oneDNN",
        None,
        f"off, because TF_ENABLE_ONEDNN_OPTS is {setting}",
        "unset the variable: without oneDNN, a step of an optimisation can take a third longer",
    )


def check_processor() -> Finding:
    """Count the processor's cores, and those that TensorFlow uses."""
    from nstlib._tensorflow import tf

    # The cores this process may use can be fewer than the machine has.
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    threads = (
        tf.config.threading.get_intra_op_parallelism_threads()
        or int(os.environ.get("TF_NUM_INTRAOP_THREADS") or 0)
        or cores  # TensorFlow's own choice
    )
    found = f"{counted(cores, 'core')}, of which TensorFlow uses {min(threads, cores)}"
    if threads >= cores:
        return Finding("processor", True, found)
    advice = "unset TF_NUM_INTRAOP_THREADS, and set no number of threads in tf.config.threading"
    return Finding("processor", None, found, advice)


def check_opencv() -> Finding:
    """Import OpenCV; ask for its version and the engines of its dnn module."""
    import cv2
    import numpy as np

    version = tuple(int(part) for part in cv2.__version__.split(".")[:2])
    if version < OLDEST_OPENCV:
        oldest = ".".join(map(str, OLDEST_OPENCV))
        advice = f'pip install "opencv-python>={oldest}"'
        return Finding("OpenCV", False, f"{cv2.__version__}, older than {oldest}", advice)
    cv2.dnn.blobFromImage(np.zeros((2, 2, 3), np.uint8))
    # OpenCV 4 has one engine and no names for it.
    engines = [
        name.lower() for name in ("CLASSIC", "NEW") if hasattr(cv2.dnn, f"ENGINE_{name}")
    ] or ["classic"]
    return Finding("OpenCV", True, f"{cv2.__version__} imports; dnn engines: {', '.join(engines)}")


def check_weights() -> Finding:
    """Name the weights that are used unless others are asked for, and load them."""
    from nstlib.errors import ArgumentError, NstError
    from nstlib.vgg19 import WEIGHTS, default_weights, imagenet_file, vgg19_with

    try:
        name = default_weights()
    except ArgumentError:
        found = f"NSTLIB_WEIGHTS is {os.environ['NSTLIB_WEIGHTS']!r}"
        advice = f"unset it, or set it to one of {', '.join(WEIGHTS)}"
        return Finding("weights", False, found, advice)
    chosen = "NSTLIB_WEIGHTS" if os.environ.get("NSTLIB_WEIGHTS") else "the default"
    if name == "imagenet" and imagenet_file() is None:
        chosen += "; they are downloaded, 80 MB, when they are first used"
    elif name == "mini":
        vgg19_with(name)  # says what is wrong
    else:
        try:
            vgg19_with(name)
        except NstError as error:
            advice = "unset NSTLIB_WEIGHTS, or give a whole file of VGG19's layers"
            return Finding("weights", False, str(error), advice)
    return Finding("weights", True, f"{name} ({chosen})")


def check_networks() -> Finding:
    """See whether the networks that come with the library are there, and whole."""
    from nstlib.assets.cache import embedded_model
    from nstlib.inference.any_style import ENCODER, PAINTER
    from nstlib.inference.stylizer import STYLE_NETWORKS
    from nstlib.onnx.reading import load_onnx

    names = [*(f"{name}.onnx" for name in (*STYLE_NETWORKS, "person")), ENCODER, PAINTER]
    for name in names:
        load_onnx(embedded_model(name))  # says what is wrong
    size = sum(embedded_model(name).stat().st_size for name in names)
    return Finding("networks", True, f"{counted(len(names), 'file')}, {size / 1e6:.1f} MB")


def check_cache(kind: str) -> Finding:
    """See whether files can be kept in a cache, and how many are there."""
    from nstlib.assets.cache import cache_dir

    check, folder = f"{kind} cache", cache_dir(kind)
    if folder.is_dir():
        sizes = [path.stat().st_size for path in folder.rglob("*") if path.is_file()]
    else:
        sizes = []
    found = f"{folder}: {counted(len(sizes), 'file')}, {sum(sizes) / 1e6:.1f} MB"
    above = _nearest(folder)
    if above.is_dir() and os.access(above, os.W_OK | os.X_OK):
        return Finding(check, True, found)
    # A read-only folder that somebody filled is of use as it is.
    return Finding(check, None if sizes else False, f"{found}, not writable", _ADVICE[check])


def check_downloads() -> Finding:
    """Compare what was downloaded with its hashes."""
    from nstlib.assets.cache import asset_path, verify_assets

    states = verify_assets()
    corrupt = [name for name, state in states.items() if state == "corrupt"]
    if corrupt:
        return Finding(
            "downloads",
            False,
            f"not what they should be: {', '.join(str(asset_path(name)) for name in corrupt)}",
            f"get them again: nst assets fetch --force {' '.join(corrupt)}",
        )
    here = sum(state != "absent" for state in states.values())
    return Finding("downloads", True, f"{here} of {len(states)} here (nst assets list)")


def check_disk() -> Finding:
    """See whether the disk has room."""
    from nstlib.assets.cache import cache_dir

    folder = _nearest(cache_dir("image"))
    free = shutil.disk_usage(folder).free
    found = f"{free / 1e9:.1f} GB free at {folder}"
    if free >= LEAST_FREE:
        return Finding("disk", True, found)
    return Finding("disk", False, found, f"free {LEAST_FREE / 1e9:g} GB, or set NSTLIB_CACHE")


def check_sample_images() -> Finding:
    """Load the samples."""
    from nstlib.sources import load_image, sample_names

    image = load_image("astronaut", size=64)
    if image.shape != (64, 64, 3):
        return Finding("sample images", False, f"astronaut has shape {image.shape}", _REINSTALL)
    return Finding("sample images", True, f"astronaut loads, one of {len(sample_names())}")


def _nearest(path: Path) -> Path:
    """`path`, or the closest of the folders above it that exists."""
    return next(place for place in (path, *path.parents) if place.exists())
