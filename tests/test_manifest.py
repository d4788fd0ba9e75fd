"""A manifest beside the pictures that it names: what is taken, and the one sentence for everything else."""

import json
from pathlib import Path

import pytest

from container.contract.errors import DataError
from container.manifest import Manifest, read_manifest

ABC = "images/a.jpg", "images/b.jpg", "images/c.jpg"


@pytest.fixture
def folder(tmp_path: Path):
    """`folder("labels.csv", text, *files)` writes a manifest and empty files, by default three below images/."""

    def write(name: str, text: str | bytes, *files: str) -> Path:
        for file in files or ABC:
            (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / file).touch()
        (tmp_path / name).write_bytes(text.encode() if isinstance(text, str) else text)
        return tmp_path

    return write


def read(folder: Path) -> Manifest:
    found = read_manifest(folder).manifest
    assert found is not None
    return found


def classes(folder: Path) -> dict[str, list[str]]:
    return {
        name: [path.relative_to(folder).as_posix() for path in paths] for name, paths in read(folder).classes.items()
    }


EXPECTED = {"cat": ["images/b.jpg"], "dog": ["images/a.jpg", "images/c.jpg"]}


@pytest.mark.parametrize(
    "text",
    [
        "file,label\nimages/c.jpg,dog\nimages/b.jpg,cat\nimages/a.jpg,dog\n",
        b"\xef\xbb\xbffile,label\r\nimages\\a.jpg,dog\r\n\r\n.\\images\\b.jpg,cat\r\nimages\\c.jpg,dog",
        "id,breed\na,dog\nb,cat\nc,dog\n",
        ",id,breed\n0,a,dog\n1,b,cat\n2,c,dog\n",
        "Image Path;width;Class\nc.jpg;3;dog\nb.jpg;3; cat \na.jpg;3;dog;;\n;;\n",
        'label\tfilename\tid\n"dog"\timages/x/../a.jpg\t1\ncat\tb.jpg\t2\ndog\tc.jpg\t3\n',
    ],
    ids=["usual", "windows", "kaggle", "pandas", "semicolons", "tabs"],
)
def test_tables_as_people_have_them_are_taken(folder, text: str):
    assert classes(folder("labels.csv", text)) == EXPECTED


def ground_truth(key: str, number: int, name: str, **more: object) -> str:
    about = {"class-name": name, "type": "groundtruth/image-classification", "human-annotated": "yes"}
    return (
        json.dumps({"source-ref": f"s3://my-dogs/raw/{key}", "breed": number, "breed-metadata": about, **more}) + "\n"
    )


def test_ground_truths_output_is_taken_by_the_end_of_each_address(folder):
    boxes = {"boxes": {"annotations": []}, "boxes-metadata": {"type": "groundtruth/object-detection"}}
    lines = [ground_truth("images/a.jpg", 1, "dog", **boxes), ground_truth("images/b.jpg", 0, "cat")]
    manifest = folder("output.manifest", "".join(lines) + "\n" + ground_truth("images/c.jpg", 1, "dog"))
    assert classes(manifest) == EXPECTED


def test_an_augmented_manifest_may_have_relative_paths_and_numbers(folder):
    text = '{"source-ref": "images/a.jpg", "label": 10}\r\n{"source-ref": "b.jpg", "label": 2.0}\r\n'
    assert classes(folder("train.jsonl", text)) == {"10": ["images/a.jpg"], "2": ["images/b.jpg"]}


def test_an_absent_files_namesake_elsewhere_is_not_taken_for_it(folder):
    text = ground_truth("cats/a.jpg", 0, "cat") + ground_truth("dogs/b.jpg", 1, "dog")
    found = read(folder("x.jsonl", text, "dogs/a.jpg", "dogs/b.jpg"))
    assert [row.file for row in found.match.absent] == ["s3://my-dogs/raw/cats/a.jpg"]
    with pytest.raises(DataError, match=r"names 1 file of 2 that is not below its folder: s3://my-dogs/raw/cats/a.jpg"):
        found.require_files()


def test_differences_between_names_and_files_are_counted_and_named(folder):
    text = "file,label\na.jpg,dog\nimages/a.jpg,dog\ngone.jpg,cat\nimages/B.JPG,cat\n"
    found = read(folder("labels.csv", text, *ABC, ".DS_Store", "notes.txt"))
    assert found.describe_absent() == (
        f"{found.path} names 2 files of 4 that are not below its folder: gone.jpg (line 4), images/B.JPG (line 5)"
    )
    assert found.notes() == [
        "labels.csv names 1 file without the folders, which were searched: a.jpg (line 2) is images/a.jpg",
        "labels.csv names 1 file again, with the same label: images/a.jpg (line 3)",
        "3 files left out, as labels.csv does not name them: images/b.jpg, images/c.jpg, notes.txt",
    ]
    (found.folder / "labels.csv").write_text("id,breed\na,dog\nIMAGES/b.jpg,cat\n")
    found = read(found.folder)
    assert found.describe_absent().endswith("IMAGES/b.jpg (line 3) (there is images/b.jpg)")
    assert found.notes()[0] == "labels.csv: the files are taken from 'id', the labels from 'breed'"


def test_folders_named_for_labels_do_not_count_and_differences_are_named(folder):
    text = "file,label\ncat/1.jpg,cat\ndog/1.jpg,cat\ndog/2.jpg,dog\nx.jpg,Dog\n"
    made = folder("labels.csv", text, "cat/1.jpg", "dog/1.jpg", "dog/2.jpg", "x.jpg")
    assert classes(made) == {"cat": ["cat/1.jpg", "dog/1.jpg"], "dog": ["dog/2.jpg"], "Dog": ["x.jpg"]}
    assert read(made).notes() == [
        "labels of labels.csv that differ in case or spaces are different classes: Dog and dog",
        "the classes are those of labels.csv, not the folders; in the folder of another class lie 1 picture: "
        "dog/1.jpg is cat (line 3)",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("file,label\n", "names no picture; it needs a line for each"),
        ("file,label\na.jpg,dog\nb.jpg,\nc.jpg, \n", "2 pictures without a label in 'label': b.jpg .line 3., c.jpg"),
        ("file,label\n,dog\n", "has 1 line without a file in 'file', the first line 2"),
        ("file,label\na.jpg,dog\nimages/a.jpg,cat\n", "two labels: dog .line 2. and cat .line 3.; keep one"),
        ("file,label\na, b.jpg,dog\n", "line 2 of .* has 3 cells, and the header has 2; put a name with a comma"),
        ('file,label\na.jpg,dog\n"b.jpg,cat\n', "line 3 of .* cannot be read as CSV: unexpected end of data"),
        ("file,label\na.jpg,caf\xe9\n".encode("latin-1"), "is not UTF-8: byte 0xe9 in line 2; save it as UTF-8"),
        ("file,label\na.jpg,dog\n".encode("utf-16"), "is not UTF-8: byte 0xff in line 1; save it as UTF-8"),
        ("file,label\n/data/a.jpg,dog\n", "names /data/a.jpg .line 2., which is an absolute path"),
        ("file,label\nC:\\data\\a.jpg,dog\n", "which is an absolute path and would fit one machine alone"),
        ("file,label\n../images/a.jpg,dog\n", r"names ../images/a.jpg .line 2., which leaves the manifest's folder"),
        ("file,label\nimages\\..\\..\\x.jpg,dog\n", "which leaves the manifest's folder"),
        ("file,label\nhttps://x.org/a.jpg,dog\n", "nothing is downloaded: name files below"),
        ("file,label\na.jpg,caf\u00e9\nb.jpg,cafe\u0301\n", "two labels that look alike: .* write them alike"),
        ('file,label\na.jpg,"a\nb"\n', r"a line end or an invisible character in line 2: 'a.jpg', 'a\\nb'"),
        ("image,filename,label\na,a.jpg,dog\n", "several columns that may be meant: image, filename; call the file's"),
        ("file,class,category\na.jpg,dog,b\n", "several columns that may be meant: class, category"),
        ("file,label,label\na.jpg,dog,b\n", "several columns that may be meant: label, label"),
    ],
)
def test_a_table_that_cannot_be_used_has_one_sentence(folder, text: str | bytes, message: str):
    with pytest.raises(DataError, match=f"(?i){message}") as raised:
        read(folder("labels.csv", text))
    assert "labels.csv" in str(raised.value)


MULTI = '{"source-ref": "a.jpg", "m": [1], "m-metadata": {"type": "groundtruth/image-classification-multilabel"}}\n'
TWO = '{"source-ref": "a.jpg", "x": 1, "x-metadata": {}, "y": 1, "y-metadata": {}}\n'


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"source-ref": "a.jpg", "label": 1}\n{"source-ref"\n', "line 2 of .* is not JSON"),
        ('{"source-ref": "a.jpg", "label": 1}\n[1]\n', "line 2 of .* is not a JSON object"),
        (
            '{"source-ref": "a.jpg", "label": 1}\n{"source-ref": "b.jpg"}\n',
            "1 picture without a label in 'label': b.jpg",
        ),
        ('{"source-ref": "a.jpg", "label": [1, 2]}\n', r"line 1 of .* has 'label': \[1, 2\]; a picture has one label"),
        ('{"id": 7, "label": "\\ud800"}\n', r"an invisible character in line 1: '7', '\\ud800'; remove it"),
        (MULTI, r"no label attributes of image classification: m \(groundtruth/image-classification-multilabel\)"),
        (TWO, "has 2 label attributes of image classification: x, y; keep the one to train on"),
        (ground_truth("x/a.jpg", 1, "dog") + ground_truth("y/a.jpg", 1, "dog"), "both end like a.jpg, the only such"),
    ],
)
def test_json_lines_that_cannot_be_used_have_one_sentence(folder, text: str, message: str):
    with pytest.raises(DataError, match=message):
        read(folder("output.manifest", text, "a.jpg", "b.jpg"))


def test_a_name_that_fits_several_files_is_refused(folder):
    made = folder("labels.csv", "id,label\na,dog\n", "one/a.jpg", "two/a.png")
    with pytest.raises(DataError, match=r"names a .line 2., and several files fit: one/a.jpg, two/a.png; name the one"):
        read_manifest(made)
    (made / "labels.csv").write_text("file,label\na.png,dog\n")
    assert classes(made) == {"dog": ["two/a.png"]}


def test_several_manifests_are_refused_and_other_tables_are_not_taken(folder):
    folder("classes.csv", "id,name\n1,dog\n2,cat\n")
    folder("results.csv", "epoch,loss\n1,2\n")
    folder("sizes.csv", "image_name,image_path,width\na,images/a.jpg,3\n")
    folder("names.csv", "id,filename\n1,a.jpg\n")
    folder("list.manifest", '[{"prefix": "s3://b/"}, "a.jpg"]')
    made = folder("labels.csv", "file,label\na.jpg,dog\n")
    looked = read_manifest(made)
    assert looked.manifest is not None
    assert looked.manifest.path.name == "labels.csv"
    texts = " ".join(looked.others)
    assert "results.csv is not taken as a manifest: its first line is epoch,loss; a manifest's is the header" in texts
    assert 'list.manifest is not taken as a manifest: its first line is [{"prefix"' in texts
    assert all(f"{name}.csv is not taken as a manifest: " in texts for name in ("classes", "names", "sizes"))
    assert "names 2 files of 2 that are not below its folder: 1 (line 2), 2 (line 3)" in texts
    folder("train.jsonl", '{"file_name": "b.jpg", "label": "cat"}')
    with pytest.raises(DataError, match=r"has 2 manifests: labels.csv, train.jsonl; keep the one that names"):
        read_manifest(made)


def test_a_link_to_nothing_is_unreadable_and_not_absent(folder):
    made = folder("labels.csv", "file,label\na.jpg,dog\ngone.jpg,cat\n")
    (made / "gone.jpg").symlink_to(made / "nowhere")
    found = read(made)
    found.require_files()
    assert list(found.classes.values()) == [[], [made / "images" / "a.jpg"]]
    assert list(found.listing.unreadable) == [made / "gone.jpg"]
