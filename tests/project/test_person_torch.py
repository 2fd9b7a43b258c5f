"""benchmarks/person_torch.py trains the network that the library runs, by the library's loss."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from drawn_people import figure, grey

from nstlib._tensorflow import tf
from nstlib.errors import ArgumentError
from nstlib.images.encode import save_image
from nstlib.networks.files import load_network
from nstlib.networks.person import PersonNet
from nstlib.training import selfie
from nstlib.training.person import person_loss

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch

import person_examples  # noqa: E402
import person_pack  # noqa: E402
import person_torch  # noqa: E402
from person_examples import Sources, examples, jpeg  # noqa: E402
from person_pack import Pack, Row, write_network, write_pack  # noqa: E402


@pytest.fixture(scope="module")
def pack() -> Any:
    """White people before black walls, and black walls."""
    mask = figure(300, 280)
    pictures = (grey(mask), mask, 0 * grey(mask))
    files = [cv2.imencode(".png", np.asarray(255 * x, np.uint8))[1] for x in pictures]
    rows = [Row("ccp", False, 0, 1), *3 * [Row("", False, 2, -1)]]
    rows += [Row("ccp", True, 0, 1), Row("", True, 2, -1)]
    return Pack(rows, [np.ravel(file) for file in files], {})


@pytest.fixture(scope="module")
def sources(pack: Any) -> Any:
    return Sources.load(pack, 0, {}, {})


def trained(folder: Path, pack: Any, *options: str) -> None:
    """Train in a folder, by the command."""
    pack.save(str(folder / "pack.npz"))
    files = [str(folder / name) for name in ("pack.npz", "person.npz")]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["person_torch.py", *files, "--batch", "2", *options])
        person_torch.main()


def test_keras_computes_what_pytorch_has_trained(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = person_torch.Person()
    for parameter in network.parameters():  # what begins as 0, too
        parameter.data = 2 * parameter.data + 0.06 * torch.randn_like(parameter)
    person_torch.save_weights(network, str(tmp_path / "w.npz"))
    keras_network = PersonNet()
    with np.load(tmp_path / "w.npz") as arrays:
        assert {name.rsplit(".", 1)[0] for name in arrays} == {
            layer.name for layer in keras_network.layers if layer.weights
        }
        again = person_torch.Person()
        person_torch.set_weights(again, dict(arrays))
    # Of weights that are a little larger and a little smaller the mean is written.
    with np.load(tmp_path / "w.npz") as arrays:
        for name, factor in (("larger", 1.25), ("smaller", 0.75)):
            np.savez(tmp_path / name, **{key: factor * array for key, array in arrays.items()})
    ends = [tmp_path / "larger.npz", tmp_path / "smaller.npz"]
    write_network(options(weights=ends, output=tmp_path / "person.keras"))
    picture = np.random.default_rng(0).uniform(-1, 1, (1, 256, 256, 3)).astype(np.float32)
    picture = 5 * cv2.GaussianBlur(picture[0], (0, 0), 8)[np.newaxis]
    found = load_network(tmp_path / "person.keras")(picture).numpy()[..., 1]
    with torch.no_grad():
        scores = again(torch.from_numpy(picture.transpose(0, 3, 1, 2)))
    expected = torch.sigmoid(scores)[:, 0].numpy()
    assert expected.std() > 0.01
    np.testing.assert_allclose(found, expected, atol=1e-4)


def options(**values: Any) -> argparse.Namespace:
    """Say what to write."""
    return argparse.Namespace(**{"share": None, "metadata": [], **values})


def test_weights_are_mixed_by_shares(tmp_path: Path) -> None:
    """A file from before some layers were added counts as a network in which they give nothing."""
    random = np.random.default_rng(0)
    layers = [layer for layer in PersonNet().layers if layer.weights]
    kernels = {f"{layer.name}.weight": layer.get_weights()[0] for layer in layers}
    torch_network = person_torch.Person()
    person_torch.save_weights(torch_network, tmp_path / "new" / "begins.npz")
    with np.load(tmp_path / "new" / "begins.npz") as arrays:
        after = {name: random.normal(0, 1, x.shape) for name, x in arrays.items()}
    before = {name: 2 * x for name, x in after.items() if not name.startswith(("side", "wide"))}
    np.savez(tmp_path / "after", **after)
    np.savez(tmp_path / "before", **before)
    ends = [tmp_path / "before.npz", tmp_path / "after.npz"]
    output = tmp_path / "person.keras"
    write_network(options(weights=ends, share=[0.25, 0.75], output=output))
    network = load_network(output)
    for name in before:
        layer, kind = name.rsplit(".", 1)
        found = network.get_layer(layer).get_weights()[kind == "bias"]
        assert np.abs(found).sum() == pytest.approx(1.25 * np.abs(after[name]).sum(), rel=1e-4)
    silent = {name for name in after if name not in before and not kernels[_kernel(name)].any()}
    assert {"wide32.back.weight", "wide32_1.project.bias"} < silent
    for name in after.keys() - before.keys():
        layer, kind = name.rsplit(".", 1)
        found = network.get_layer(layer).get_weights()[kind == "bias"]
        factor = 0.75 if name in silent else 1.0
        assert np.abs(found).sum() == pytest.approx(factor * np.abs(after[name]).sum(), rel=1e-4)
    for files, shares in ((ends[:1], None), (ends, [1.0, 0.0])):  # layers that no file knows
        write_network(options(weights=files, share=shares, output=output))
        network = load_network(output)
        found = network.get_layer("conv1").get_weights()[0]
        assert np.abs(found).sum() == pytest.approx(2 * np.abs(after["conv1.weight"]).sum())
        assert not network.get_layer("wide32.back").get_weights()[0].any()
    for shares in ([1.0], [0.25, 0.5]):
        with pytest.raises(SystemExit, match="give a --share for each"):
            write_network(options(weights=ends, share=shares, output=output))


def _kernel(name: str) -> str:
    return f"{name.rsplit('.', 1)[0]}.weight"


def test_it_learns_from_the_same_loss() -> None:
    random = np.random.default_rng(0)
    somebody = np.pad(figure(64, 64), 16)  # nowhere near the sides
    truth = np.stack([somebody, cv2.GaussianBlur(somebody, (0, 0), 2)])[..., np.newaxis]
    scores = random.normal(0, 3, truth.shape).astype(np.float32)
    person = 1 / (1 + np.exp(-scores))
    expected = person_loss(
        tf.constant(truth), tf.constant(np.concatenate([1 - person, person], axis=-1))
    )
    found = person_torch.person_loss(
        *(torch.from_numpy(x.transpose(0, 3, 1, 2)) for x in (scores, truth))
    )
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-4)


def test_examples_show_people_where_their_masks_are(sources: Any) -> None:
    torch.manual_seed(0)
    image, mask, which = (x.numpy() for x in examples(sources, 60))
    assert (image.shape, mask.shape) == ((60, 3, 256, 256), (60, 1, 256, 256))
    assert 0 <= image.min() <= image.max() <= 1
    assert 0 <= mask.min() <= mask.max() <= 1
    empty = ~mask.reshape(60, -1).any(axis=1)
    assert 8 < empty.sum() < 30  # 17 are expected
    assert empty[which >= 0].all()
    brighter = [
        colours[:, where > 0.9].mean() - colours[:, where < 0.1].mean() > 0.1
        for colours, (where,) in zip(image, mask, strict=True)
        if (where > 0.9).mean() > 0.02 and (where < 0.1).mean() > 0.02
    ]
    assert len(brighter) > 30
    assert np.mean(brighter) > 0.95


def test_things_that_are_cut_out_are_no_people(pack: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Green figures, pasted before everybody and before scenes."""
    monkeypatch.setattr(person_examples, "AMONG_PEOPLE", 1.0)
    green = grey(figure(300, 280)) * np.array([0, 1, 0], np.float32)
    file = np.ravel(cv2.imencode(".png", np.asarray(255 * green, np.uint8))[1])
    rows = [*pack.rows, Row("things", False, len(pack.files), 1)]
    sources = Sources.load(Pack(rows, [*pack.files, file], {}), 0, {}, {})
    assert sources.people.counts.tolist() == sources.pasted.counts.tolist() == [1]
    torch.manual_seed(0)
    image, mask, which = (x.numpy() for x in examples(sources, 60))
    covered = image[:, 1] - np.maximum(image[:, 0], image[:, 2]) > 0.3
    assert (covered.mean((1, 2)) > 0.02).mean() > 0.5
    assert (covered.mean((1, 2)) > 0.02)[which >= 0].mean() > 0.2
    assert mask[:, 0][covered].mean() < 0.03
    assert (mask > 0.9).any((1, 2, 3)).sum() > 20
    # Such examples are counted on from the photographs without people, of which there are three.
    with_thing = (covered.mean((1, 2)) > 0.02) & (which >= 0)
    assert set(which[with_thing]) == {3}
    assert set(which[which >= 0]) <= {0, 1, 2, 3}


def test_a_packed_thing_has_nothing_of_what_was_around_it(tmp_path: Path) -> None:
    """A green disc on transparent magenta, larger than it is packed."""
    disc = np.asarray(255 * figure(300, 300), np.uint8)
    green, magenta = (np.array(bgra, np.uint8) for bgra in ([0, 255, 0, 255], [255, 0, 255, 0]))
    picture = np.where(disc[..., np.newaxis] > 127, green, magenta)
    (tmp_path / "animals").mkdir()
    cv2.imwrite(str(tmp_path / "animals" / "a.png"), picture)
    colours, alpha = person_pack.cut_out(tmp_path / "animals" / "a.png", 100)
    y, x = (np.flatnonzero((disc > 127).any(axis=axis)) for axis in (1, 0))
    tall, wide = y[-1] - y[0] + 1, x[-1] - x[0] + 1
    assert min(colours.shape[:2]) == 100
    assert colours.shape[0] / colours.shape[1] == pytest.approx(tall / wide, rel=0.02)
    np.testing.assert_allclose(colours[alpha > 0.05], [[0, 1, 0]] * (alpha > 0.05).sum(), atol=0.01)
    assert alpha.mean() == pytest.approx((disc > 127).sum() / (tall * wide), abs=0.01)
    cv2.imwrite(str(tmp_path / "b.png"), picture[..., :3])
    with pytest.raises(ArgumentError, match=r"b\.png: nothing is cut out in it"):
        person_pack.cut_out(tmp_path / "b.png", 100)


def test_blocks_are_jpegs() -> None:
    """At this quality the tables hold whole numbers by themselves; else OpenCV rounds them."""
    quality = 20
    drawn = 0.2 + 0.5 * cv2.GaussianBlur(cv2.resize(figure(64, 64), (256, 256)), (0, 0), 1.5)
    levels = np.rint(255 * drawn).astype(np.uint8)
    _, code = cv2.imencode(".jpg", levels, [cv2.IMWRITE_JPEG_QUALITY, quality])
    expected = np.asarray(cv2.imdecode(code, cv2.IMREAD_GRAYSCALE)) / 255
    picture = torch.from_numpy(grey(drawn).transpose(2, 0, 1)[np.newaxis].copy())
    found = jpeg(picture, torch.tensor([float(quality)]))[0].mean(0).numpy()
    assert np.abs(drawn - expected).mean() > 1.5 / 255
    assert np.abs(found - expected).mean() < 0.2 / 255


def test_photographs_with_false_alarms_come_more_often(sources: Any) -> None:
    torch.manual_seed(0)
    sources.forget()
    before = torch.bincount(sources.without_people(900), minlength=3)
    assert before.min() > 200
    for _ in range(20):
        sources.note(torch.tensor([1, -1, 2]), torch.tensor([0.9, 0.9, 0.0]))
    after = torch.bincount(sources.without_people(900), minlength=3)
    # By 0.1 and what was found, at most one half: 0.2, 0.6 and 0.1.
    np.testing.assert_allclose(after / 900, [2 / 9, 6 / 9, 1 / 9], atol=0.06)
    sources.forget()


def test_so_do_things_that_were_taken_for_people(sources: Any) -> None:
    torch.manual_seed(0)
    two = sources._replace(things=(4, 2), found=torch.zeros(sources.others[1] + 3))
    two.forget()
    photographs = two.others[1]
    for _ in range(20):
        two.note(torch.tensor([photographs, photographs + 1, -1]), torch.tensor([0.9, 0.0, 0.9]))
    drawn = torch.bincount(two.cut_out_things(700), minlength=2)
    # 0.6 and 0.1
    np.testing.assert_allclose(drawn / 700, [6 / 7, 1 / 7], atol=0.06)
    drawn = torch.bincount(two.without_people(900), minlength=photographs)
    np.testing.assert_allclose(drawn / 900, 1 / photographs, atol=0.06)


def test_it_trains_saves_and_goes_on(tmp_path: Path, pack: Any, capsys: Any) -> None:
    trained(tmp_path, pack, "--steps", "3", "--every", "1", "--best", "2", "--alarm", "1")
    names = {path.name for path in tmp_path.iterdir()}
    assert len([name for name in names if name.startswith("person-")]) == 2
    assert not any(name.endswith(".part") for name in names)
    said = capsys.readouterr().out
    assert said.count("ccp") == 4
    network = person_torch.Person()
    with np.load(tmp_path / "person.npz") as arrays:
        person_torch.set_weights(network, dict(arrays))
    judged = person_torch.Judge(pack, pack.rows[-2:])(network)
    assert person_torch.told(judged) in said.splitlines()[-1]
    trained(tmp_path, pack, "--steps", "1", "--start", str(tmp_path / "person.npz"))
    first = capsys.readouterr().out.splitlines()[0]
    assert first == f"at the start: {person_torch.told(judged)}"


def test_a_step_in_half_precision_is_nearly_the_same(
    tmp_path: Path, pack: Any, capsys: Any
) -> None:
    losses, ends = [], []
    for more in ([], ["--bfloat16"]):
        trained(tmp_path, pack, "--steps", "1", "--warm-up", "1", *more)
        losses.append(float(capsys.readouterr().out.splitlines()[-1].split()[4]))
        with np.load(tmp_path / "person.npz") as arrays:
            ends.append(arrays["conv1.weight"])
    assert losses[1] == pytest.approx(losses[0], rel=0.02)
    assert 0 < np.abs(ends[1] - ends[0]).max() < 1e-3  # a step goes 2e-4 at most


def test_the_clock_ends_it(tmp_path: Path, pack: Any) -> None:
    """Here it has passed before anything was learned; then nothing is saved in a file's place."""
    trained(tmp_path, pack, "--minutes", "1e-9", "--steps", "1")
    assert not (tmp_path / "person.npz").exists()


def test_what_vgg19_sees_is_learned_too(tmp_path: Path, pack: Any, capsys: Any) -> None:
    random = np.random.default_rng(0)
    arrays: dict[str, Any] = {}
    inputs = 3
    for name in person_torch.Teacher.LAYERS:
        outputs = min(512, 32 * 2 ** int(name[5]))
        shape = (3, 3, inputs, outputs)
        arrays[f"{name}/codes"] = random.integers(0, 256, shape).astype(np.uint8)
        table = np.linspace(-1, 1, 256) * np.sqrt(1 / inputs)
        arrays[f"{name}/table"] = table.astype(np.float32)
        arrays[f"{name}/bias"] = np.zeros(outputs, np.float32)
        inputs = outputs
    np.savez(tmp_path / "vgg.npz", **arrays)
    options = ("--teacher", str(tmp_path / "vgg.npz"), "--taught", "1", "--steps", "1")
    trained(tmp_path, pack, *options)
    *_, taught = capsys.readouterr().out.splitlines()[-1].split(";")[0].split()
    assert 0.1 < float(taught) < 10  # features are of about 1


def test_what_is_best_is_least_short_of_what_is_asked() -> None:
    marks = {"ccp": 0.965, "hs": 0.915, "guessed": 0.5, "nobody": 0.018}
    assert person_torch.shortfall(marks) == pytest.approx(0.01 + 0.01)
    assert person_torch.shortfall({"ccp": 0.955}) == 0


def test_nothing_but_what_they_show_tells_pictures_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same photographs, as ones with people and as ones without: the same files in the pack."""
    monkeypatch.setattr(selfie, "selfie_weights", lambda path: {})  # noqa: ARG005
    random = np.random.default_rng(0)
    for folder in ("people/images", "people/masks", "others", "things"):
        (tmp_path / folder).mkdir(parents=True)
    for name in ("a_1", "a_2", "a_3"):
        photo = cv2.GaussianBlur(random.uniform(0, 1, (300, 520, 3)).astype(np.float32), (0, 0), 1)
        save_image(photo, tmp_path / "people" / "images" / f"{name}.png")
        save_image(photo, tmp_path / "others" / f"{name}.png")
        save_image(grey(figure(300, 520)), tmp_path / "people" / "masks" / f"{name}.png")
    save_image(np.ones((300, 280, 3)), tmp_path / "things" / "cat.png", alpha=figure(300, 280))
    write_pack(
        argparse.Namespace(
            people=tmp_path / "people",
            others=tmp_path / "others",
            pack=str(tmp_path / "pack.npz"),
            selfie="selfie.onnx",
            guessed=[tmp_path / "others"],
            teacher=None,
            things=[tmp_path / "things"],
            kept_back=1 / 3,
            side=120,
            quality=50,
        )
    )
    pack = Pack.load(str(tmp_path / "pack.npz"))
    (thing,) = (row for row in pack.rows if row.group == "things")
    assert not thing.kept_back
    covering = pack.mask(thing)
    assert covering is not None
    assert covering.shape == pack.picture(thing).shape[:2]
    assert min(pack.picture(thing).shape[:2]) == 120
    assert set(np.unique(covering)) <= {0, 64, 128, 191, 255}
    pack.rows.remove(thing)
    assert {pack.picture(row).shape for row in pack.rows if not row.kept_back} == {(120, 208, 3)}
    learned: dict[str, list[bytes]] = {}
    for row in pack.rows:
        if not row.kept_back:
            learned.setdefault(row.group, []).append(pack.files[row.picture].tobytes())
    assert set(learned) == {"a", "guessed", ""}
    assert len(learned["a"]) == 2
    assert learned["a"] == learned["guessed"] == learned[""]
