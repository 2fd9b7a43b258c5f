"""Networks in Keras's own files, and care with files of others."""

from __future__ import annotations

import os
import tempfile
import zipfile
from pathlib import Path

from nstlib._files import LARGEST_FILE, atomic_write
from nstlib._tensorflow import keras
from nstlib.errors import ModelError


def save_network(network: keras.Model, path: str | Path) -> None:
    """Write a network in Keras's own format; the file appears whole or not at all.

    :func:`load_network` reads it.

    Parameters
    ----------
    network : keras.Model
        Any.
    path : str or pathlib.Path
        What is there is replaced.

    Raises
    ------
    OutputError
        If the file cannot be written.
    """
    with tempfile.TemporaryDirectory() as folder:
        whole = Path(folder) / "network.keras"
        network.save(whole)
        with atomic_write(Path(path)) as file:
            file.write(whole.read_bytes())


def load_network(path: str | Path) -> keras.Model:
    """Read a network that :func:`save_network` wrote.

    Raises
    ------
    ModelError
        If the file is absent, damaged, not a Keras network, or would unpack to absurd sizes; or if
        it holds code, which is not executed.
    """
    check_archive(path)
    try:
        return keras.models.load_model(path, compile=False, safe_mode=True)
    except Exception as error:  # Keras's reader raises almost anything
        raise ModelError(
            f"{path} cannot be read as a Keras network (.keras); it may be damaged, or hold code"
        ) from error


def check_archive(path: str | Path) -> None:
    """Refuse a file that cannot be read, and an archive that would unpack to absurd sizes.

    Networks of Keras and of PyTorch are zip files.

    Raises
    ------
    ModelError
        Naming the file.
    """
    try:
        with Path(path).open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            if zipfile.is_zipfile(file):
                with zipfile.ZipFile(file) as archive:
                    size = sum(entry.file_size for entry in archive.infolist())
    except (OSError, zipfile.BadZipFile) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise ModelError(f"{path} cannot be read ({reason})") from error
    if size > LARGEST_FILE:
        raise ModelError(
            f"{path} holds {size / 2**30:.1f} GB; no network of this course comes near"
        )
