"""The registry, and downloads from a server that behaves as badly as servers do."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import logging
import os
import re
import resource
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import MappingProxyType

import pooch
import pytest

from nstlib import assets
from nstlib.assets.cache import asset_path, cache_dir, fetch, verify_assets
from nstlib.assets.registry import ASSETS, Asset, search
from nstlib.errors import ArgumentError, AssetError, NstError
from nstlib.sources import sample_names

CONTENT = bytes(range(256)) * 1000  # 256 kB: several chunks
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Serve /good, /wrong, /cut, /stalled, /moved; anything else is 404."""

    def do_GET(self) -> None:
        self.server.requests.append(self.path)  # type: ignore[attr-defined]
        if self.path == "/moved":
            self.send_response(302)
            self.send_header("Location", "/good")
            self.end_headers()
            return
        if self.path not in ("/good", "/wrong", "/cut", "/stalled"):
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CONTENT)))
        self.end_headers()
        if self.path == "/good":
            self.wfile.write(CONTENT)
        elif self.path == "/wrong":
            self.wfile.write(CONTENT[::-1])
        else:
            self.wfile.write(CONTENT[:100_000])
            self.wfile.flush()
            if self.path == "/stalled":
                self.server.released.wait(10)  # type: ignore[attr-defined]

    def log_message(self, *args: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.requests = []  # type: ignore[attr-defined]
    server.released = threading.Event()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.released.set()  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("NSTLIB_CACHE", str(folder))
    return folder


def register(monkeypatch: pytest.MonkeyPatch, url: str, sha256: str = SHA256) -> Path:
    """Make `url` the address of the only asset, "thing"; return where it will be kept."""
    thing = Asset("thing", "image", "images/thing.jpg", url, sha256, len(CONTENT), "CC0", "made up")
    monkeypatch.setattr("nstlib.assets.cache.ASSETS", MappingProxyType({"thing": thing}))
    return asset_path("thing")


def address(server: ThreadingHTTPServer, path: str) -> str:
    return f"http://127.0.0.1:{server.server_port}{path}"


def files_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


def fails(match: str, *, force: bool = False) -> str:
    """Fetch "thing", expecting an AssetError; return its message, which must be one line."""
    with pytest.raises(AssetError, match=match) as caught:
        fetch("thing", force=force, progress=False)
    message = str(caught.value)
    assert "\n" not in message
    assert "thing" in message
    assert isinstance(caught.value, NstError)
    assert isinstance(caught.value, OSError)
    return message


# The registry


def test_every_asset_is_complete() -> None:
    for name, asset in ASSETS.items():
        assert asset.name == name
        assert re.fullmatch(r"[a-z0-9_]+", name)
        assert asset.filename.split("/")[0] == f"{asset.kind}s"
        assert asset.url.startswith("https://")
        assert asset.license
        assert asset.credit
        # Without a hash a download could not be checked, and so is never made.
        assert re.fullmatch(r"[0-9a-f]{64}", asset.sha256)
        assert asset.bytes > 0


def test_no_two_assets_share_a_file_or_an_address() -> None:
    assert len({asset.filename for asset in ASSETS.values()}) == len(ASSETS)
    assert len({asset.url for asset in ASSETS.values()}) == len(ASSETS)


def test_names_do_not_hide_samples_or_drawn_styles() -> None:
    assert not set(ASSETS) & set(sample_names())


def test_only_old_paintings_are_called_public_domain() -> None:
    free = {name for name, asset in ASSETS.items() if asset.license == "public domain"}
    assert free == {"starry_night", "great_wave", "the_scream", "water_lilies", "shipwreck"}
    assert ASSETS["rain_princess"].license == "copyrighted: test use only"
    assert ASSETS["chicago"].license.startswith("unknown")


def test_registry_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        ASSETS["mine"] = ASSETS["udnie"]  # type: ignore[index]
    with pytest.raises(dataclasses.FrozenInstanceError):
        ASSETS["udnie"].url = "https://example.org"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        ("mosaic", {"pytorch_mosaic", "johnson_mosaic"}),
        ("candy", {"pytorch_candy", "johnson_candy"}),
        ("rain_princess", {"rain_princess", "zoo_rain_princess"}),
        ("udnie", {"udnie", "johnson_udnie", "zoo_udnie"}),
    ],
)
def test_search_finds_all_there_is_for_a_style(style: str, expected: set[str]) -> None:
    assert {asset.name for asset in search(style)} == expected


def test_search_for_nothing_finds_all_and_for_nonsense_none() -> None:
    assert search() == tuple(ASSETS.values())
    assert search("no such thing") == ()


# Where files are kept


def test_cache_follows_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NSTLIB_CACHE", str(tmp_path / "here"))
    assert cache_dir("image") == tmp_path / "here" / "images"
    assert cache_dir("model") == tmp_path / "here" / "models"
    assert asset_path("selfie_segmentation") == tmp_path / "here/models/selfie_segmentation.tflite"
    assert not (tmp_path / "here").exists()


def test_cache_may_be_relative_or_in_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("NSTLIB_CACHE", "here")
    assert cache_dir("image") == tmp_path / "here" / "images"
    monkeypatch.setenv("NSTLIB_CACHE", "~/here")
    assert cache_dir("image") == tmp_path / "home" / "here" / "images"


@pytest.mark.parametrize("value", [None, ""])
def test_cache_of_an_installed_package_is_the_systems(
    value: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nstlib.assets.cache.checkout_root", lambda: None)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    if value is None:
        monkeypatch.delenv("NSTLIB_CACHE", raising=False)
    else:
        monkeypatch.setenv("NSTLIB_CACHE", value)
    assert cache_dir("image") == Path(pooch.os_cache("nstlib")) / "images"
    assert cache_dir("model") == Path(pooch.os_cache("nstlib")) / "models"


def test_checkout_keeps_its_files_and_an_installed_package_does_not(tmp_path: Path) -> None:
    package = Path(assets.__file__).parents[1]
    shutil.copytree(package, tmp_path / "nstlib", ignore=shutil.ignore_patterns("__pycache__"))
    environment = {key: value for key, value in os.environ.items() if key != "NSTLIB_CACHE"}
    environment["PYTHONPATH"] = str(tmp_path)
    code = (
        "from nstlib.assets.cache import cache_dir; print(cache_dir('image'), cache_dir('model'))"
    )

    def folders() -> list[Path]:
        command = [sys.executable, "-c", code]
        result = subprocess.run(
            command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
        )
        return [Path(folder) for folder in result.stdout.split()]

    system = Path(pooch.os_cache("nstlib"))
    assert folders() == [system / "images", system / "models"]
    (tmp_path / "pyproject.toml").touch()
    assert folders() == [tmp_path / "data" / "cache", tmp_path / "models" / "cache"]


def test_unknown_kind_and_name_are_refused() -> None:
    with pytest.raises(ArgumentError, match="one of image, model"):
        cache_dir("images")
    with pytest.raises(ArgumentError, match="did you mean 'starry_night'"):
        fetch("starry_nigth")
    with pytest.raises(ArgumentError, match="no asset is called 'x'; nst assets list"):
        verify_assets(["x"])
    with pytest.raises(ArgumentError, match="name is None; it must be a name that nst assets list"):
        fetch(None)  # type: ignore[arg-type]


# Downloads


@pytest.mark.parametrize("path", ["/good", "/moved"])
def test_download_then_no_more_network(
    server: ThreadingHTTPServer, cache: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    expected = register(monkeypatch, address(server, path))
    assert verify_assets() == {"thing": "absent"}
    assert fetch("thing", progress=False) == expected == cache / "images" / "thing.jpg"
    assert expected.read_bytes() == CONTENT
    assert files_below(cache) == [expected]
    assert verify_assets() == {"thing": "ok"}

    asked = list(server.requests)  # type: ignore[attr-defined]
    assert fetch("thing") == fetch("thing", force=True) == expected
    assert server.requests == asked  # type: ignore[attr-defined]


@pytest.mark.usefixtures("cache")
def test_progress_bar_is_shown_on_request_to_somebody_only(
    server: ThreadingHTTPServer,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = register(monkeypatch, address(server, "/good"))
    fetch("thing", progress=False)
    assert capsys.readouterr() == ("", "")
    path.unlink()
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    fetch("thing")  # into a file
    assert capsys.readouterr() == ("", "")
    path.unlink()
    with monkeypatch.context() as patch:
        patch.setattr(sys.stderr, "isatty", lambda: True)
        fetch("thing")
    assert "thing" in capsys.readouterr().err
    path.unlink()
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "ipykernel", None)  # a notebook
        fetch("thing")
    assert "thing" in capsys.readouterr().err


@pytest.mark.usefixtures("cache")
def test_pooch_is_silent_meanwhile(
    server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoken: list[logging.LogRecord] = []
    handler = logging.Handler()
    monkeypatch.setattr(handler, "emit", spoken.append)
    logger = pooch.get_logger()
    monkeypatch.setattr(logger, "handlers", [handler])
    path = register(monkeypatch, address(server, "/wrong"))
    fails("hash")
    register(monkeypatch, address(server, "/good"))
    fetch("thing", progress=False)
    assert spoken == []

    path.unlink()
    pooch.retrieve(address(server, "/good"), SHA256, path.name, path.parent)
    assert len(spoken) == 1  # but not for others


def test_wrong_content_is_not_kept(
    server: ThreadingHTTPServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, address(server, "/wrong"))
    message = fails("does not match")
    assert SHA256 in message
    assert hashlib.sha256(CONTENT[::-1]).hexdigest() in message
    assert files_below(cache) == []


def test_cut_download_is_not_kept(
    server: ThreadingHTTPServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, address(server, "/cut"))
    fails("the connection to 127.0.0.1 broke off")
    assert files_below(cache) == []


def test_server_that_falls_silent(
    server: ThreadingHTTPServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, address(server, "/stalled"))
    monkeypatch.setattr("nstlib.assets.cache.TIMEOUT", 0.2)
    fails("no answer from 127.0.0.1 for 0.2 seconds")
    assert files_below(cache) == []


def test_absent_file_on_the_server(
    server: ThreadingHTTPServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, address(server, "/elsewhere"))
    fails("/elsewhere: the server answered 404 Not Found")
    assert files_below(cache) == []


def test_refused_connection(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as held:  # bound but not listening: nobody else can take the port
        held.bind(("127.0.0.1", 0))
        path = register(monkeypatch, f"http://127.0.0.1:{held.getsockname()[1]}/good")
        message = fails("no connection to 127.0.0.1")
    assert str(path) in message  # where to put a file that came another way
    assert files_below(cache) == []


def test_host_that_does_not_exist(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, "https://nstlib.invalid/thing.jpg")  # .invalid never resolves (RFC 2606)
    fails("no connection to nstlib.invalid")
    assert files_below(cache) == []


def test_interrupted_download_leaves_nothing(
    server: ThreadingHTTPServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, address(server, "/good"))

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("pooch.core.hash_matches", interrupt)  # called once all bytes are there
    with pytest.raises(KeyboardInterrupt):
        fetch("thing", progress=False)
    assert server.requests == ["/good"]  # type: ignore[attr-defined]
    assert files_below(cache) == []


# A file that is there already


@pytest.mark.usefixtures("cache")
def test_wrong_file_is_named_and_left_alone(
    server: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = register(monkeypatch, address(server, "/good"))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"my own picture")
    assert verify_assets() == {"thing": "corrupt"}
    message = fails("nst assets fetch thing --force")
    assert str(path) in message
    assert SHA256 in message
    assert hashlib.sha256(b"my own picture").hexdigest() in message
    assert path.read_bytes() == b"my own picture"
    assert server.requests == []  # type: ignore[attr-defined]

    assert fetch("thing", force=True, progress=False) == path
    assert path.read_bytes() == CONTENT


def test_failed_replacement_keeps_the_earlier_file(
    server: ThreadingHTTPServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = register(monkeypatch, address(server, "/cut"))
    path.parent.mkdir(parents=True)
    path.write_bytes(b"my own picture")
    fails("broke off", force=True)
    assert path.read_bytes() == b"my own picture"
    assert files_below(cache) == [path]


@pytest.mark.usefixtures("cache")
def test_folder_in_the_files_place(monkeypatch: pytest.MonkeyPatch) -> None:
    register(monkeypatch, "http://127.0.0.1:1/").mkdir(parents=True)
    fails("cannot be read")


# A disk that does not take it


def test_cache_that_is_a_file(
    server: ThreadingHTTPServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    register(monkeypatch, address(server, "/good"))
    cache.write_text("in the way")
    fails(r"Not a directory.*NSTLIB_CACHE")
    assert cache.read_text() == "in the way"


def test_read_only_cache(
    server: ThreadingHTTPServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = register(monkeypatch, address(server, "/good"))
    path.parent.mkdir(parents=True)
    path.parent.chmod(0o555)
    if os.access(path.parent, os.W_OK):
        pytest.skip("this user may write everywhere")
    fails(r"Permission denied.*NSTLIB_CACHE")
    path.parent.chmod(0o755)
    assert files_below(cache) == []


@pytest.mark.parametrize("code", [errno.EROFS, errno.EACCES])
def test_refusal_to_make_a_file(
    server: ThreadingHTTPServer, cache: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    register(monkeypatch, address(server, "/good")).parent.mkdir(parents=True)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr("tempfile.NamedTemporaryFile", refuse)
    fails(rf"{os.strerror(code)}.*NSTLIB_CACHE")
    assert files_below(cache) == []


def test_disk_that_is_full(
    server: ThreadingHTTPServer, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A limit on file sizes stops the write halfway, as a full disk does.
    register(monkeypatch, address(server, "/good"))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        fails(r"File too large.*free some space")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert files_below(cache) == []


# The real files


def test_real_files_are_what_they_should_be() -> None:
    if not os.environ.get("NSTLIB_CACHE"):
        pytest.skip("NSTLIB_CACHE is not set, so no real files are at hand")
    states = {name: state for name, state in verify_assets().items() if state != "absent"}
    if not states:
        pytest.skip("NSTLIB_CACHE holds none of the registered files")
    assert set(states.values()) == {"ok"}
    for name in states:
        path, size = fetch(name), ASSETS[name].bytes
        assert path == asset_path(name)
        assert size == path.stat().st_size
