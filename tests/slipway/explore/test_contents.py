"""Near-duplicates, probable wrong labels, outliers and overlaps among pictures that are known to have them."""

from contextlib import contextmanager

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from container.contract.errors import DataError
from slipway.explore import examine, look_at, scan
from slipway.explore.clean import clean
from slipway.explore.neighbours import neighbours, unit
from slipway.explore.suspects import Suspect, list_suspects, read_suspects, write_suspects
from tests.slipway.explore.scenes import scene, scene_folder

CHANGES = {
    "recompressed.jpg": lambda picture: picture,
    "smaller.png": lambda picture: picture.resize((100, 75)),
    "cropped.png": lambda picture: picture.crop((16, 0, 160, 108)),
    "mirrored.png": ImageOps.mirror,
    "brighter.png": lambda picture: ImageEnhance.Brightness(picture).enhance(1.3),
}


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """Three classes of scenes; changed copies across and within splits, two wrong labels, and noise."""
    root = scene_folder(tmp_path_factory.mktemp("data") / "scenes", per_class=24)
    for number, (name, change) in enumerate(CHANGES.items()):
        original = Image.open(root / "train" / "red" / f"{number}.png")
        folder = root / ("test" if number < 3 else "train") / "red"
        change(original).save(folder / name, **({"quality": 40} if name.endswith(".jpg") else {}))
    for name in ("20.png", "21.png"):
        (root / "train" / "green" / name).rename(root / "train" / "blue" / f"wrong-{name}")
    noise = np.random.default_rng(0).integers(0, 256, (120, 160, 3), np.uint8)
    Image.fromarray(noise).save(root / "train" / "red" / "noise.png")
    return root


@pytest.fixture(scope="module")
def dataset(planted):
    return scan(planted)


@pytest.fixture(scope="module")
def contents(dataset):
    return look_at(dataset, embeddings=False)


def test_changed_copies_are_found_and_nothing_else(dataset, contents):
    found = {frozenset(map(dataset.relative, pair.pictures)) for pair in contents.pairs}
    assert found == {
        frozenset(("train/red/0.png", "test/red/recompressed.jpg")),
        frozenset(("train/red/1.png", "test/red/smaller.png")),
        frozenset(("train/red/2.png", "test/red/cropped.png")),
        frozenset(("train/red/3.png", "train/red/mirrored.png")),
        frozenset(("train/red/4.png", "train/red/brighter.png")),
    }
    assert [pair.leaks for pair in contents.pairs] == [True, True, True, False, False]
    assert {dataset.relative(pair.pictures[1]) for pair in contents.pairs if pair.mirrored} == {
        "train/red/mirrored.png"
    }


def test_wrong_labels_are_found_with_the_class_that_is_right(dataset, contents):
    found = {dataset.relative(wrong.picture): wrong.suggestion for wrong in contents.wrong_labels}
    assert {name: found.get(name) for name in ("train/blue/wrong-20.png", "train/blue/wrong-21.png")} == {
        "train/blue/wrong-20.png": "green",
        "train/blue/wrong-21.png": "green",
    }


def test_a_picture_of_noise_is_an_outlier(dataset, contents):
    assert dataset.relative(contents.outliers[0].picture) == "train/red/noise.png"


def test_without_embeddings_it_says_so(contents):
    assert any("pixels only: embeddings were not asked for" in remark.text for remark in contents.remarks())


def test_the_list_removes_copies_from_train_and_cleaning_obeys_it(planted, dataset, contents, tmp_path):
    before = {path: path.read_bytes() for path in planted.rglob("*.*")}
    listing = tmp_path / "suspects.csv"
    write_suspects(listing, list_suspects(dataset, examine(dataset), contents))
    suspects = read_suspects(listing)
    actions = {(suspect.suspect, suspect.kind): suspect.action for suspect in suspects}
    assert actions["train/red/0.png", "near-duplicate"] == "remove"
    assert actions["train/blue/wrong-20.png", "wrong-label"] == "relabel"
    assert actions["train/red/noise.png", "outlier"] == "keep"
    cleaned = tmp_path / "cleaned"
    done = clean(planted, suspects, cleaned)
    assert not (cleaned / "train" / "red" / "0.png").exists()
    assert (cleaned / "test" / "red" / "recompressed.jpg").exists()
    assert (cleaned / "train" / "green" / "wrong-20.png").read_bytes() == before[planted / "train/blue/wrong-20.png"]
    assert not (cleaned / "train" / "blue" / "wrong-20.png").exists()
    assert done.copied + done.removed == len(before)
    assert look_at(scan(cleaned), embeddings=False).pairs == ()
    assert {path: path.read_bytes() for path in planted.rglob("*.*")} == before


def test_a_manifest_is_written_anew(tmp_path):
    root = tmp_path / "data"
    (root / "images").mkdir(parents=True)
    for number in range(4):
        scene(number, "red").save(root / "images" / f"{number}.png")
    (root / "labels.csv").write_text("file,label\n" + "".join(f"images/{n}.png,a/b {n % 2}\n" for n in range(4)))
    suspects = [_row("images/0.png", "relabel", "a/b 1"), _row("images/1.png", "remove")]
    clean(root, suspects, tmp_path / "clean")
    text = (tmp_path / "clean" / "labels.csv").read_text()
    assert sorted(text.splitlines()) == ["file,label", "images/0.png,a/b 1", "images/2.png,a/b 0", "images/3.png,a/b 1"]
    assert scan(tmp_path / "clean").classes == {"all": ("a/b 0", "a/b 1")}


def _row(file: str, action: str, suggested: str = "") -> Suspect:
    return Suspect(file, "wrong-label", "", suggested, "", "", action)


def test_a_relabelled_picture_never_takes_the_place_of_another(tmp_path):
    for label, seed in (("blue", 0), ("green", 1)):
        (tmp_path / "data" / label).mkdir(parents=True)
        scene(seed, label).save(tmp_path / "data" / label / "1.png")
    clean(tmp_path / "data", [_row("blue/1.png", "relabel", "green")], tmp_path / "clean")
    assert sorted(path.name for path in (tmp_path / "clean" / "green").iterdir()) == ["1-2.png", "1.png"]
    original = (tmp_path / "data" / "green" / "1.png").read_bytes()
    assert (tmp_path / "clean" / "green" / "1.png").read_bytes() == original


@pytest.mark.parametrize(
    ("suspects", "output", "message"),
    [
        ([_row("train/red/none.png", "remove")], "clean", "there is no picture train/red/none.png in"),
        ([], "scenes/clean", "lies in"),
        ([], "scenes", "is not empty"),
        (
            [_row("train/red/0.png", "relabel", "a"), _row("train/red/0.png", "relabel", "b")],
            "clean",
            "gives train/red/0.png two classes: a and b",
        ),
        ([_row("train/red/0.png", "relabel", "../out")], "clean", "cannot be the name of a folder"),
    ],
)
def test_cleaning_refuses_what_makes_no_sense(planted, tmp_path, suspects, output, message):
    target = planted.parent / output if output.startswith("scenes") else tmp_path / output
    with pytest.raises(DataError, match=message):
        clean(planted, suspects, target)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n", "has no column suspect"),
        ("suspect,action\n1.png,delete\n", "line 2: the action is 'delete'; it is one of remove, relabel, keep"),
        ("suspect,action\n1.png,relabel\n", "line 2: the action is relabel, but the column suggested is empty"),
    ],
)
def test_a_damaged_list_is_refused(tmp_path, text, message):
    (tmp_path / "list.csv").write_text(text)
    with pytest.raises(DataError, match=message):
        read_suspects(tmp_path / "list.csv")


@pytest.mark.parametrize("count", [3, 50, 1_500])
def test_neighbours_are_those_of_the_whole_table(count):
    vectors = unit(np.random.default_rng(0).standard_normal((count, 8)).astype(np.float32))
    similarities = vectors @ vectors.T
    np.fill_diagonal(similarities, -2)
    wanted = np.argsort(-similarities, axis=1, kind="stable")[:, : min(3, count - 1)]
    for rows, found, near in neighbours(vectors, vectors, 3):
        assert found.tolist() == wanted[rows].tolist()
        assert np.allclose(near, np.take_along_axis(similarities[rows], wanted[rows], axis=1))


def test_comparing_tells_how_far_it_has_come(dataset):
    told = []

    @contextmanager
    def bar(description):
        yield lambda done, total: told.append((description, done, total))

    look_at(dataset, embeddings=False, bar=bar)
    count = len(dataset.pictures)
    assert {(description, total) for description, _, total in told} == {("comparing pictures", count)}
    done = [done for _, done, _ in told]
    assert done == sorted(done)
    assert done[0] < count // 2 < done[-1] <= count
