"""The cache of downloads, and the files that come with the library.

:func:`fetch` downloads a file once into a cache; where that is, :func:`cache_dir` says, and the
environment variable ``NSTLIB_CACHE`` decides.
"""

from __future__ import annotations

import difflib
import logging
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from urllib.parse import urlsplit

from nstlib._checks import check_choice, cut, shown
from nstlib.assets.registry import ASSETS, Asset
from nstlib.errors import ArgumentError, AssetError

#: Seconds to wait for a server that says nothing.
TIMEOUT = 30.0


def cache_dir(kind: str) -> Path:
    """Folder where downloads of a kind are kept. It is not made before something needs it.

    With ``NSTLIB_CACHE`` set, it is the folder ``images`` or ``models`` there. Otherwise, in a
    checkout of the project, ``data/cache`` or ``models/cache``; and for an installed package the
    operating system's own place for caches.

    Parameters
    ----------
    kind : {"image", "model"}
        What is to be kept.

    Returns
    -------
    pathlib.Path
        Absolute.

    Raises
    ------
    ArgumentError
        For another kind.

    Examples
    --------
    >>> import os
    >>> from unittest.mock import patch
    >>> with patch.dict(os.environ, NSTLIB_CACHE="/somewhere"):
    ...     cache_dir("image").as_posix()
    '/somewhere/images'
    """
    check_choice("kind", kind, ("image", "model"))
    chosen = os.environ.get("NSTLIB_CACHE")
    if chosen:
        return Path(chosen).expanduser().absolute() / f"{kind}s"
    root = checkout_root()
    if root is not None:
        return root / ("data" if kind == "image" else "models") / "cache"
    import pooch

    return Path(pooch.os_cache("nstlib")) / f"{kind}s"


def checkout_root() -> Path | None:
    """Top folder of the checkout that this package runs from; None if it is installed."""
    root = Path(__file__).resolve().parents[2]
    return root if (root / "pyproject.toml").is_file() else None


def embedded_model(filename: str) -> Path:
    """Path of a model that comes with the library: in ``models/``, or inside the wheel.

    Parameters
    ----------
    filename : str
        As ``mosaic.onnx``.

    Returns
    -------
    pathlib.Path
    """
    root = checkout_root()
    return (root / "models" if root else Path(__file__).resolve().parents[1] / "_models") / filename


def asset_path(name: str) -> Path:
    """Where the file of an asset is kept, or would be.

    Raises
    ------
    ArgumentError
        If nothing of that name is registered.
    """
    asset = _asset(name)
    return cache_dir(asset.kind) / PurePosixPath(asset.filename).name


def fetch(name: str, *, force: bool = False, progress: bool = True) -> Path:
    """Return the path of a registered file, downloading it if the cache does not hold it.

    A file whose hash is right is returned without a look at the network. A download arrives under
    another name and takes its place only when it is whole and its hash is right.

    Parameters
    ----------
    name : str
        One of :data:`ASSETS`.
    force : bool, default False
        Replace a file whose hash is wrong. Without it, such a file is left as it is: it may be
        somebody's work.
    progress : bool, default True
        Show a progress bar, in a terminal or a notebook.

    Returns
    -------
    pathlib.Path
        An existing file, whose hash is the registered one.

    Raises
    ------
    ArgumentError
        If nothing of that name is registered.
    AssetError
        If the file in the cache has the wrong hash, or cannot be downloaded whole or written.
    """
    asset, path = _asset(name), asset_path(name)
    state, found = _inspect(asset, path)
    if state == "ok":
        return path
    if state == "corrupt" and not force:
        raise AssetError(
            f"{path} is not the registered {name}: its sha256 is {found}, expected {asset.sha256}; "
            f"delete it, or replace it with: nst assets fetch {name} --force"
        )
    _download(asset, path, progress)
    return path


def verify_assets(names: Iterable[str] | None = None) -> dict[str, str]:
    """Compare the cached files with the hashes they should have.

    Parameters
    ----------
    names : iterable of str, optional
        Which assets to look at; by default all.

    Returns
    -------
    dict of str to str
        Name → ``"ok"``, ``"absent"``, or ``"corrupt"`` (the hash is wrong).

    Raises
    ------
    ArgumentError
        If nothing of a given name is registered.
    AssetError
        If a file cannot be read.
    """
    chosen = ASSETS if names is None else [names] if isinstance(names, str) else names
    return {name: _inspect(_asset(name), asset_path(name))[0] for name in chosen}


def _asset(name: str) -> Asset:
    if not isinstance(name, str):
        raise ArgumentError(f"name is {shown(name)}; it must be a name that nst assets list shows")
    if name not in ASSETS:
        near = difflib.get_close_matches(name, ASSETS, n=1)
        guess = f"did you mean {near[0]!r}? " if near else ""
        raise ArgumentError(
            f"no asset is called {cut(repr(name))}; {guess}nst assets list shows them all, after "
            "the pictures that need no download"
        )
    return ASSETS[name]


def _inspect(asset: Asset, path: Path) -> tuple[str, str | None]:
    """State of a file, as in :func:`verify_assets`, and its hash unless it is absent."""
    import pooch

    try:
        found = pooch.file_hash(path)
    except (FileNotFoundError, NotADirectoryError):
        return "absent", None
    except OSError as error:
        raise AssetError(f"{path} cannot be read ({error.strerror})") from error
    return "ok" if found == asset.sha256 else "corrupt", found


def _download(asset: Asset, path: Path, progress: bool) -> None:
    import pooch
    import requests
    from tqdm.auto import tqdm

    host = urlsplit(asset.url).hostname
    failed = f"could not download {asset.name} from {asset.url}"
    bar = tqdm(
        desc=asset.name,
        total=asset.bytes,
        unit="B",
        unit_scale=True,
        leave=False,
        # A log has no use for it; in a notebook it is a widget.
        disable=not (progress and (sys.stderr.isatty() or "ipykernel" in sys.modules)),
    )
    try:
        with bar, _quiet(pooch.get_logger()):
            pooch.retrieve(
                asset.url,
                known_hash=asset.sha256,
                path=path.parent,
                fname=path.name,
                downloader=pooch.HTTPDownloader(progressbar=bar, chunk_size=2**16, timeout=TIMEOUT),
            )
    except requests.HTTPError as error:
        response = error.response
        answer = error if response is None else f"{response.status_code} {response.reason}"
        raise AssetError(f"{failed}: the server answered {answer}") from error
    except requests.RequestException as error:
        kind = type(error).__name__
        # A server that falls silent halfway is no Timeout to requests, but a ConnectionError.
        if isinstance(error, requests.Timeout) or "timed out" in str(error):
            reason = f"no answer from {host} for {TIMEOUT:g} seconds"
        elif isinstance(error, requests.ConnectionError):
            reason = f"no connection to {host} ({kind})"
        else:
            reason = f"the connection to {host} broke off ({kind})"
        raise AssetError(
            f"{failed}: {reason}; check the network and try again, or save the file by hand as "
            f"{path}"
        ) from error
    except ValueError as error:  # what pooch raises for a wrong hash, naming both
        raise AssetError(f"{failed}: {error}") from error
    except OSError as error:
        raise AssetError(
            f"could not save {asset.name} as {path} ({error.strerror or error.__cause__}); free "
            "some space there, or set NSTLIB_CACHE to a folder that you can write to"
        ) from error


@contextmanager
def _quiet(logger: logging.Logger) -> Iterator[None]:
    # Pooch announces each download on stderr, which the progress bar already does. Its logger
    # stands outside logging's hierarchy, where a changed level may go unnoticed.
    disabled, logger.disabled = logger.disabled, True
    try:
        yield
    finally:
        logger.disabled = disabled
