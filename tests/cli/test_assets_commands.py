"""The commands about assets: lists, downloads, and VGG19's packed weights."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from command_runs import refused
from conftest import Run
from numpy.typing import NDArray

from nstlib import vgg19
from nstlib._tensorflow import tf
from nstlib.assets.registry import ASSETS
from nstlib.features import STYLE_LAYERS
from nstlib.sources import load_image, sample_names

Layers = dict[str, tuple[NDArray[np.float32], NDArray[np.float32]]]


@pytest.fixture
def layers(monkeypatch: pytest.MonkeyPatch) -> Layers:
    """Kernels and biases of a VGG19 with an eighth of its channels, which takes the whole's place.

    Each kernel is about as it must be for features to keep their size.
    """
    channels = {name: count // 8 for name, count in vgg19.CHANNELS.items()}
    monkeypatch.setattr(vgg19, "CHANNELS", channels)
    random, inside, found = np.random.default_rng(0), 3, {}
    for name, outside in channels.items():
        kernel = random.normal(0, (2 / 9 / inside) ** 0.5, (3, 3, inside, outside))
        found[name] = kernel.astype(np.float32), random.normal(0, 3, outside).astype(np.float32)
        inside = outside
    return found


def write_as_keras(layers: Layers, path: Path) -> Path:
    """Write what keras.applications downloads, which is older than Keras's present formats."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with h5py.File(path, "w") as file:
        blocks = [f"block{block}_pool" for block in range(1, 6)]
        file.attrs["layer_names"] = [
            name.encode() for name in sorted([*layers, *blocks, "input_1"], key=in_order)
        ]
        for name in [*layers, *blocks, "input_1"]:
            group = file.create_group(name)
            names = (f"{name}_W_1:0", f"{name}_b_1:0")
            weights = dict(zip(names, layers[name], strict=True)) if name in layers else {}
            group.attrs["weight_names"] = [weight.encode() for weight in weights]
            for weight, values in weights.items():
                group[weight] = values
    return path


def in_order(name: str) -> str:
    return "" if name == "input_1" else name


def features(layers: Layers, photo: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Compute VGG19's features by TensorFlow's own functions."""
    maps = 255 * photo[np.newaxis, ..., ::-1] - np.array([103.939, 116.779, 123.68], np.float32)
    found = {}
    for name, (kernel, bias) in layers.items():
        if name.endswith("conv1") and name != "block1_conv1":
            maps = tf.nn.max_pool2d(maps, 2, 2, "VALID")
        maps = found[name] = tf.nn.relu(tf.nn.conv2d(maps, kernel, 1, "SAME") + bias)
    return {name: values.numpy() for name, values in found.items()}


def test_a_packed_copy(nst: Run, layers: Layers) -> None:
    source = write_as_keras(layers, Path("keras.h5"))
    code, out, err = nst("assets", "pack", "vgg19", "--from", source, "-o", "copy.npz")
    assert (code, err) == (0, [])
    assert out[0] == f"wrote copy.npz: {Path('copy.npz').stat().st_size / 1e6:.1f} MB"
    assert Path("copy.npz").stat().st_size < 0.35 * source.stat().st_size

    network = vgg19.load_vgg19("copy.npz")
    packed = {name: tuple(network.get_layer(name).get_weights()) for name in layers}
    for name, (kernel, bias) in layers.items():
        np.testing.assert_array_equal(packed[name][1], bias)
        assert len(np.unique(packed[name][0])) <= 256
        # 256 steps of one size, from the smallest to the largest value, would lose 0.009.
        assert np.abs(packed[name][0] - kernel).mean() < 0.006 * kernel.std()

    # What is said to be lost is what is lost, to the last digit that is said.
    photo = load_image("astronaut", 224)
    exact, copied = features(layers, photo), features(packed, photo)
    assert out[1] == "difference of the features of a photograph, in percent of their size:"
    said = dict(re.findall(r"(\w+) ([\d.]+)%", out[2]))
    assert tuple(said) == STYLE_LAYERS
    for name, percent in said.items():
        difference = np.mean((copied[name] - exact[name]) ** 2) / np.mean(exact[name] ** 2)
        assert float(percent) == pytest.approx(100 * difference**0.5, abs=0.006)
        # The first layer has 216 numbers here, which all find a place among 256.
        assert (float(percent) > 0) == (name != "block1_conv1")


def test_the_usual_places(nst: Run, layers: Layers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keras's file is packed into the cache, and serves in its place once it is gone."""
    monkeypatch.setenv("KERAS_HOME", str(Path("keras").absolute()))
    assert vgg19.imagenet_file() is None
    source = write_as_keras(layers, vgg19.keras_file())
    code, out, err = nst("assets", "pack", "vgg19")
    assert (code, err) == (0, [])
    assert vgg19.imagenet_file() == source
    source.unlink()
    found = vgg19.imagenet_file()
    assert found is not None
    assert out[0].startswith(f"wrote {found}: ")
    kernel, bias = vgg19.load_vgg19(found).get_layer("block3_conv2").get_weights()
    np.testing.assert_allclose(kernel, layers["block3_conv2"][0], atol=0.05)
    np.testing.assert_array_equal(bias, layers["block3_conv2"][1])


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("vgg16", "vgg16 cannot be packed; vgg19 can"),
        ("vgg19", f"{vgg19.IMAGENET_FILE}; give the file {vgg19.IMAGENET_FILE} by --from"),
        ("vgg19 --from absent.h5", "absent.h5: no such file; give a file of Keras"),
        (
            "vgg19 --from small.npz -o ./small.npz",
            "small.npz is a file that this command reads; choose another",
        ),
        ("vgg19 --from text.h5", "text.h5 does not hold VGG19's layers"),
        ("vgg19 --from text.h5 -o copy.h5", "copy.h5: cannot write '.h5'; use .npz"),
        ("vgg19 --from text.h5 -o no/copy.npz", "the folder no does not exist"),
    ],
)
@pytest.mark.usefixtures("layers")
def test_what_cannot_be_packed(
    nst: Run, monkeypatch: pytest.MonkeyPatch, arguments: str, words: str
) -> None:
    monkeypatch.setenv("KERAS_HOME", str(Path("keras").absolute()))
    Path("text.h5").write_text("no weights")
    vgg19.save_vgg19(vgg19.build_vgg19(), "small.npz")
    before = Path("small.npz").read_bytes()
    code, out, [line] = nst("assets", "pack", *arguments.split())
    assert (code, out) == (2, [])
    assert words in line
    assert Path("small.npz").read_bytes() == before


# Lists and downloads


def test_list_shows_what_is_here_and_what_is_not(nst: Run, tmp_path: Path) -> None:
    path = tmp_path / "cache" / "images" / "udnie.jpg"
    path.parent.mkdir(parents=True)
    path.touch()
    code, out, err = nst("assets", "list")
    assert (code, err) == (0, [])
    rows = {line.split()[0]: line.split() for line in out}
    assert set(rows) == {"NAME", *sample_names(), *ASSETS}
    assert rows["astronaut"][1:4] == ["photo", "-", "yes"]
    assert rows["mosaic"][1:4] == ["drawing", "-", "yes"]
    assert rows["udnie"][1:4] == ["image", "0.1", "yes"]
    assert rows["starry_night"][1:4] == ["image", "0.2", "no"]
    assert rows["zoo_udnie"][1:4] == ["model", "6.7", "no"]
    assert "public domain" in next(line for line in out if line.startswith("starry_night"))


def test_list_can_be_narrowed_and_give_addresses(nst: Run) -> None:
    code, out, _ = nst("assets", "list", "Mosaic", "--urls")
    assert code == 0
    names = [line.split()[0] for line in out if not line.startswith(" ")]
    assert names[1:] == ["mosaic", "pytorch_mosaic", "johnson_mosaic"]
    addresses = [line.strip() for line in out if line.startswith("    ")]
    assert addresses == [ASSETS[name].url for name in names[2:]]


def test_list_says_that_there_is_nothing(nst: Run) -> None:
    code, out, err = nst("assets", "list", "nosuch")
    assert (code, out) == (2, [])
    assert err == ["nst: nothing here mentions 'nosuch'; nst assets list shows all"]


def test_fetch_prints_paths(nst: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []

    def fetch(name: str, *, force: bool, progress: bool) -> Path:
        calls.append((name, force, progress))
        return Path("somewhere") / name

    monkeypatch.setattr("nstlib.assets.cache.fetch", fetch)
    assert nst("assets", "fetch", "udnie", "amber") == (
        0,
        ["somewhere/udnie", "somewhere/amber"],
        [],
    )
    assert nst("assets", "fetch", "--force", "udnie")[0] == 0
    assert calls == [("udnie", False, False), ("amber", False, False), ("udnie", True, False)]


def test_failed_fetch_is_one_line(nst: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")  # nobody listens: no network
    monkeypatch.setenv("no_proxy", "")
    refused(nst("assets", "fetch", "udnie"), "udnie", "no connection")


def test_verify(nst: Run, tmp_path: Path) -> None:
    code, out, err = nst("assets", "verify")
    assert (code, err) == (0, [])
    assert [line.split() for line in out] == [[name, "absent"] for name in ASSETS]
    path = tmp_path / "cache" / "images" / "udnie.jpg"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"half a file")
    assert nst("assets", "verify", "udnie", "amber") == (1, ["udnie  corrupt", "amber  absent"], [])
    refused(nst("assets", "fetch", "udnie"), "nst assets fetch udnie --force")
    assert path.read_bytes() == b"half a file"


@pytest.mark.parametrize("unbuffered", ["", "1"])  # the output fails at the end, or at once
def test_output_may_be_cut_short_by_its_reader(unbuffered: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    result = subprocess.run(
        [sys.executable, "-m", "nstlib", "assets", "verify"],
        env={**os.environ, "PYTHONUNBUFFERED": unbuffered},
        stdout=writer,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    os.close(writer)
    assert (result.returncode, result.stderr) == (1, "")
