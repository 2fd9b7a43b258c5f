"""Files that appear whole or not at all, and places for results."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import threading
from pathlib import Path
from types import FrameType

import numpy as np
import pytest
from conftest import Run

from nstlib._files import (
    SavedState,
    atomic_write,
    check_output,
    check_places,
    check_suffix,
    put_off,
    reading,
    uninterrupted,
)
from nstlib.errors import ArgumentError, OutputError
from nstlib.images.encode import save_image

posix = pytest.mark.skipif(sys.platform == "win32", reason="links, modes and signals of POSIX")


def write(path: Path, content: bytes = b"new") -> None:
    with atomic_write(path) as file:
        file.write(content)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# Writing


@posix
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664, 0o755])
def test_permissions_of_an_earlier_file_are_kept(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")
    path.chmod(mode)
    seen = []
    with atomic_write(path) as file:
        file.write(b"new")
        seen = [stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir() if p != path]
    assert path.read_bytes() == b"new"
    assert stat.S_IMODE(path.stat().st_mode) == mode
    assert seen == [0o600]  # nobody else can read what is being written


@posix
@pytest.mark.parametrize("target", ["deep/target", "../beside/target"])
def test_a_link_stays_and_what_it_points_to_is_written(tmp_path: Path, target: str) -> None:
    here = tmp_path / "here"
    for folder in ("here/deep", "beside"):
        (tmp_path / folder).mkdir(parents=True)
    link, place = here / "link", here / target
    link.symlink_to(target)
    for content in (b"first", b"second"):  # first it points to nothing
        write(link, content)
        assert link.is_symlink()
        assert place.read_bytes() == content
        assert not place.is_symlink()
    assert names(here) == ["deep", "link"]
    assert names(place.parent) == ["target"]


def test_the_longest_names_can_be_written(tmp_path: Path) -> None:
    path = tmp_path / f"{'a' * 251}.png"
    assert check_output(path, [".png"]) == path
    write(path)
    assert path.read_bytes() == b"new"
    longer = tmp_path / f"{'a' * 252}.png"
    for attempt in (lambda: check_output(longer, [".png"]), lambda: write(longer)):
        with pytest.raises(OutputError, match="too long"):
            attempt()
    assert names(tmp_path) == [path.name]


@posix
def test_what_is_no_file_is_not_replaced(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe.png", tmp_path / "link.png"
    os.mkfifo(pipe)
    link.symlink_to(pipe)
    for path in (pipe, link):
        with pytest.raises(OutputError, match="no ordinary file"):
            write(path)
        with pytest.raises(OutputError, match="no ordinary file"):
            check_output(path, [".png"])
    assert names(tmp_path) == ["link.png", "pipe.png"]


@posix
def test_nothing_of_the_process_is_changed_by_writing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: object) -> int:
        raise AssertionError("another thread would make its files with the wrong permissions")

    monkeypatch.setattr(os, "umask", never)
    write(tmp_path / "file")
    before = signal.getsignal(signal.SIGINT)
    threads = [threading.Thread(target=write, args=(tmp_path / str(n),)) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert signal.getsignal(signal.SIGINT) is before
    assert len(names(tmp_path)) == 9


# Interruption


@posix
@pytest.mark.parametrize("presses", [1, 3])
def test_ctrl_c_in_the_middle_of_a_write_waits(tmp_path: Path, presses: int) -> None:
    path = tmp_path / "file"
    before = signal.getsignal(signal.SIGINT)
    after = []

    def interrupted() -> None:
        with atomic_write(path) as file:
            file.write(b"ne")
            for _ in range(presses):
                signal.raise_signal(signal.SIGINT)
            after.append("goes on")
            file.write(b"w")

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert after == ["goes on"]
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["file"]
    assert signal.getsignal(signal.SIGINT) is before


@posix
def test_ctrl_c_and_a_fault_leave_the_earlier_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    write(path, b"old")

    def interrupted() -> None:
        with atomic_write(path) as file:
            signal.raise_signal(signal.SIGINT)
            file.write(b"new")
            raise OSError(28, "No space left on device")

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["file"]


@posix
def test_ctrl_c_has_its_effect_once_all_is_written(tmp_path: Path) -> None:
    steps = []

    def interrupted() -> None:
        with uninterrupted():
            with atomic_write(tmp_path / "one"):
                signal.raise_signal(signal.SIGINT)
            steps.append("between")
            write(tmp_path / "two")

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert steps == ["between"]
    assert names(tmp_path) == ["one", "two"]


@posix
def test_a_picture_is_kept_when_the_process_is_interrupted_as_it_is_saved(tmp_path: Path) -> None:
    """A real process and a real signal, at the worst moment: half of the picture is written."""
    code = (
        "import os, signal, sys\n"
        "import numpy as np, PIL.Image\n"
        "from nstlib.images.encode import save_image\n"
        "save = PIL.Image.Image.save\n"
        "def slow(picture, file, **options):\n"
        "    file.write(b''); os.kill(os.getpid(), signal.SIGINT)\n"
        "    save(picture, file, **options)\n"
        "PIL.Image.Image.save = slow\n"
        "save_image(np.full((8, 8, 3), 0.5), sys.argv[1])\n"
    )
    path = tmp_path / "picture.png"
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=False
    )
    assert done.stderr.splitlines()[-1] == "KeyboardInterrupt"
    assert path.read_bytes() == save_image(np.full((8, 8, 3), 0.5), tmp_path / "b.png").read_bytes()
    assert names(tmp_path) == ["b.png", "picture.png"]


@posix
def test_handlers_of_others_are_called_and_kept(tmp_path: Path) -> None:
    calls: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: calls.append(number))
    try:
        with atomic_write(tmp_path / "file"):
            signal.raise_signal(signal.SIGINT)
            assert calls == []
        assert calls == [signal.SIGINT]
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # as under nohup
        with atomic_write(tmp_path / "file"):
            signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)


@posix
@pytest.mark.parametrize("ignored", [False, True])
def test_other_signals_wait_for_the_end_of_a_write(tmp_path: Path, ignored: bool) -> None:
    """Also where Ctrl-C is ignored, as in programs that a shell runs in the background."""
    effects: list[str] = []

    def end(frame: FrameType | None) -> None:
        if not put_off(end, frame):
            effects.append("ended")

    before = signal.getsignal(signal.SIGINT)
    if ignored:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with uninterrupted() as caught, atomic_write(tmp_path / "file") as file:
            file.write(b"ne")
            end(None)
            end(None)
            file.write(b"w")
            assert (effects, caught) == ([], [])
        assert effects == ["ended"]
        assert signal.getsignal(signal.SIGINT) == (signal.SIG_IGN if ignored else before)
        with uninterrupted() as caught:
            end(None)
            caught.clear()  # the block has done itself what there is to do
    finally:
        signal.signal(signal.SIGINT, before)
    assert effects == ["ended"]
    assert (tmp_path / "file").read_bytes() == b"new"
    end(None)
    assert effects == ["ended", "ended"]


# Places


def test_one_wording_for_all_suffixes(tmp_path: Path) -> None:
    cases = {
        ("a.avi", (".mp4", ".gif")): "a.avi: cannot write '.avi'; use one of .mp4, .gif",
        ("a", (".mp4",)): "a: cannot write a name without a suffix; use .mp4",
    }
    for (name, formats), message in cases.items():
        for check in (check_suffix, check_output):
            with pytest.raises(OutputError) as caught:
                check(name, formats)
            assert str(caught.value) == message
    assert check_suffix(tmp_path / "A.MP4", [".mp4"]) == tmp_path / "A.MP4"


def test_a_write_protected_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "picture.png"
    path.touch()
    # For root, as whom the tests may run, everything is writable.
    monkeypatch.setattr(os, "access", lambda place, _: Path(place) != path)
    with pytest.raises(OutputError, match="write-protected"):
        check_output(path, [".png"])


def test_files_of_another_kind_are_not_overwritten(tmp_path: Path) -> None:
    image = np.zeros((2, 2, 3))
    picture = save_image(image, tmp_path / "photo.png")
    named_json = tmp_path / "photo.json"
    named_json.write_bytes(picture.read_bytes())
    text = tmp_path / "notes.txt"
    text.write_text("{not JSON")
    report = tmp_path / "report.json"
    report.write_text(json.dumps({"seconds": 3}))
    state = tmp_path / "state"
    SavedState(state, {}).write(x=np.zeros(3))
    empty = tmp_path / "empty"
    empty.touch()
    good = {
        ("report", report), ("report", empty), ("report", tmp_path / "absent"),
        ("checkpoint", state), ("checkpoint", empty),
        ("preview", picture), ("animate", tmp_path / "absent.gif"),
    }  # fmt: skip
    renamed = tmp_path / "photo.gif"
    renamed.write_bytes(picture.read_bytes())
    bad = {
        ("report", picture), ("report", named_json), ("report", text), ("report", state),
        ("checkpoint", picture), ("checkpoint", report), ("checkpoint", text),
        ("animate", renamed), ("preview", tmp_path / "text.png"),
    }  # fmt: skip
    (tmp_path / "text.png").write_text("text")
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    for kind, path in good:
        check_places([], **{kind: path})
    for kind, path in bad:
        with pytest.raises(OutputError, match=f"is there already, and it is no {kind} that") as e:
            check_places([], **{kind: path})
        assert str(path) in str(e.value)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize("option", ["--report", "--checkpoint", "--animate"])
def test_commands_refuse_to_overwrite_a_photo(nst: Run, option: str) -> None:
    name = "photo.gif" if option == "--animate" else "photo.png"
    photo = save_image(np.zeros((40, 40, 3)), "photo.png").rename(name)
    before = photo.read_bytes()
    command = ("transfer", "coffee", "mosaic", "-o", "out.png", option, photo, "--size", 40)
    code, out, [line] = nst(*command, "--iterations", 1, "--weights", "random")
    assert (code, out) == (2, [])
    assert f"{name} is there already, and it is no {option[2:]}" in line
    assert photo.read_bytes() == before
    assert not Path("out.png").exists()


# Reading


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (ValueError("bad magic"), "x.npz is no such thing"),
        (OSError("file signature not found"), "x.npz is no such thing"),
        (PermissionError(13, "Permission denied"), r"x\.npz cannot be read \(Permission denied\)"),
        (OSError(5, "Input/output error"), r"x\.npz cannot be read \(Input/output error\)"),
        (OutputError("known"), "^known$"),
        (ArgumentError("another room's"), "x.npz is no such thing"),
    ],
)
def test_a_file_is_called_damaged_only_if_it_is(fault: Exception, words: str) -> None:
    with pytest.raises(OutputError, match=words), reading("x.npz", OutputError, "is no such thing"):
        raise fault


def test_the_readers_words_follow_where_they_help() -> None:
    with (
        pytest.raises(OutputError, match=r"^x\.npz is no such thing \(no array of that name\)$"),
        reading("x.npz", OutputError, "is no such thing", tell=True),
    ):
        raise ValueError("no array\nof that name")


def test_a_file_is_not_damaged_where_memory_runs_out() -> None:
    with pytest.raises(MemoryError), reading("x.npz", OutputError, "is no such thing"):
        raise MemoryError


def test_a_checkpoint_is_not_to_be_deleted_for_want_of_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = SavedState(tmp_path / "state.npz", {"seed": 1})
    state.write(image=np.ones(3))

    def load(*_: object, **__: object) -> object:
        raise MemoryError

    monkeypatch.setattr(np, "load", load)
    with pytest.raises(MemoryError):
        state.read(dict)
