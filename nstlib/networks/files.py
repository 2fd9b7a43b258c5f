"""Networks in Keras's own files, and care with files of others."""

from __future__ import annotations

import json
import os
import tempfile
import zipfile
from pathlib import Path

from nstlib._checks import check_kind, check_path
from nstlib._files import LARGEST_FILE, atomic_write, check_suffix, reading, reason
from nstlib._tensorflow import keras
from nstlib.errors import ModelError, OutputError

# The layers become known to Keras by being imported.
from nstlib.networks import any_style as _any_style  # noqa: F401
from nstlib.networks import layers as _layers  # noqa: F401


def save_network(network: keras.Model, path: str | Path) -> None:
    """Write a network in Keras's own format; the file appears whole or not at all.

    :func:`load_network` reads it.

    Parameters
    ----------
    network : keras.Model
        Any.
    path : str or pathlib.Path
        A name that ends in ``.keras``. What is there is replaced.

    Raises
    ------
    ArgumentError
        If `network` is no Keras model, or `path` no path.
    OutputError
        If `path` ends otherwise, or the file cannot be written.
    """
    check_kind("network", network, keras.Model, "a keras.Model")
    path = check_suffix(check_path("path", path), [".keras"])
    if path.suffix != ".keras":
        raise OutputError(f"{path}: load_network reads .keras in small letters only; use them")
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "network.keras"
        network.save(whole)
        with atomic_write(path) as file:
            file.write(whole.read_bytes())


def load_network(path: str | Path) -> keras.Model:
    """Read a network that :func:`save_network` wrote.

    Parameters
    ----------
    path : str or pathlib.Path
        A file whose name ends in ``.keras``.

    Returns
    -------
    keras.Model
        Not compiled.

    Raises
    ------
    ArgumentError
        If `path` is no path.
    ModelError
        If the file is absent, damaged, not a Keras network (.keras), or would unpack to absurd
        sizes; or if it holds code, which is not executed.
    """
    path = check_path("path", path, "the path of a Keras network, .keras")
    if path.suffix != ".keras":  # by the suffix Keras decides how to read it
        raise ModelError(f"{path}: only .keras files are read as networks of Keras")
    check_archive(path)
    _check_layers(path)
    damage = "cannot be read as a Keras network (.keras); it may be damaged, or hold code"
    with reading(path, ModelError, damage):
        return keras.models.load_model(path, compile=False, safe_mode=True)


def _check_layers(path: str | Path) -> None:
    """Refuse what is no .keras file, and files whose description asks for code.

    Keras's ``safe_mode`` counts for .keras files alone, not for .h5, and has been got around in
    several of its versions. So whatever is not one of Keras's or this library's own objects is
    refused before Keras sees the file, and those that load code or other files are.
    """
    damage = (
        "cannot be read as a Keras network (.keras); it may be damaged, or an old .h5 file, which "
        "can hold code: load that with Keras if you trust it, and save it as .keras"
    )
    with reading(path, ModelError, damage), zipfile.ZipFile(path) as archive:
        described = json.loads(archive.read("config.json"))
    waiting = [described]
    while waiting:
        entry = waiting.pop()
        if isinstance(entry, dict):
            module, kind = entry.get("module"), entry.get("class_name")
            home = str(module or "keras").split(".")[0]
            code = not isinstance(kind, str | None) or kind in _CODE
            if code or (kind is not None and home not in ("keras", "nstlib")):
                name = kind if module is None else f"{module}.{kind}"
                raise ModelError(f"{path} holds code, which is not executed: {name}")
            waiting.extend(entry.values())
        elif isinstance(entry, list):
            waiting.extend(entry)


#: Keras's objects that run code of the file's author, or load other files.
_CODE = {
    "FlaxLayer",
    "JaxLayer",
    "Lambda",
    "TFSMLayer",
    "TorchModuleWrapper",
    "__lambda__",
    "function",
}


def check_archive(path: str | Path) -> None:
    """Refuse a file that cannot be read, and an archive that would unpack to absurd sizes.

    Networks of Keras and of PyTorch are zip files.

    Raises
    ------
    ArgumentError
        If `path` is no path.
    ModelError
        Naming the file.
    """
    path = check_path("path", path, "the path of a network's file")
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            if zipfile.is_zipfile(file):
                with zipfile.ZipFile(file) as archive:
                    size = sum(entry.file_size for entry in archive.infolist())
    except (OSError, ValueError, zipfile.BadZipFile) as error:  # a null character in its name
        raise ModelError(f"{path} cannot be read ({reason(error)})") from error
    if size > LARGEST_FILE:
        raise ModelError(
            f"{path} holds {size / 2**30:.1f} GB; no network of this course comes near"
        )
