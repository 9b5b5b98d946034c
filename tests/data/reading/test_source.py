"""Which files a source means."""

import os
import shutil
import subprocess
import sys

import h5py
import numpy as np
import pytest
from PIL import Image

from pipeline.base.results import mark_names
from pipeline.data.reading.inputs import fingerprint
from pipeline.data.reading.source import by_suffix, check_source, files, left_out, listing
from pipeline.settings import UserError

NAMES = ["good/a 10.png", "good/a 9.png", "bad/b#1 (2).png", "bad/deep/[x] ü.png"]


@pytest.fixture
def folder(tmp_path):
    root = tmp_path / "my data [v2]"
    for name in NAMES:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.zeros((4, 4), np.uint8)).save(root / name)
    (root / "README.md").write_text("about")
    (root / "good" / "._a 9.png").write_bytes(b"junk of another system")
    (root / "masks").mkdir()
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(root / "masks" / "nameless", format="PNG")
    return root


def test_a_folder_is_walked_in_natural_order_with_the_class_of_its_first_folder(folder):
    entries = listing(str(folder))
    names = ["bad/b#1 (2).png", "bad/deep/[x] ü.png", "good/a 9.png", "good/a 10.png", "masks/nameless"]
    assert [e.name for e in entries] == names
    assert [e.folder for e in entries] == ["bad", "bad", "good", "good", "masks"]


def test_a_list_leaves_folders_out_and_names_each_file_once(folder):
    entries = listing([str(folder / "good"), str(folder / "bad"), str(folder / "good" / "a 9.png")])
    assert [e.name for e in entries] == ["bad/b#1 (2).png", "bad/deep/[x] ü.png", "good/a 9.png", "good/a 10.png"]
    assert [e.folder for e in entries] == ["bad", "bad", "good", "good"]


def test_globs(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert [(e.name, e.folder) for e in listing("[gb]*/*.png")] == [
        ("bad/b#1 (2).png", "bad"), ("good/a 9.png", "good"), ("good/a 10.png", "good"),
    ]  # fmt: skip
    assert [e.name for e in listing("**/*[0-9].png")] == ["good/a 9.png", "good/a 10.png"]


def test_a_file_alone_even_with_the_characters_of_a_glob(folder, dataset):
    path = folder / "bad" / "deep" / "[x] ü.png"
    (entry,) = listing(str(path))
    assert (entry.name, entry.folder) == ("[x] ü.png", "deep")
    assert [*files(dataset(str(path))).values()] == [path]


def test_tables_of_labels_are_among_the_files_that_a_set_depends_on(tmp_path, dataset):
    root = tmp_path / "images"
    root.mkdir()
    for i in range(2):
        (root / f"{i}.png").touch()
    (tmp_path / "labels.csv").write_text("file,class\n0.png,a\n1.png,b\n")
    settings = dataset(str(root), labels={"rule": "csv", "csv": [str(tmp_path / "labels.csv")]})
    assert [path.name for path in files(settings).values()] == ["0.png", "1.png", "labels.csv"]
    before = fingerprint(files(settings), tmp_path / "noted")
    (tmp_path / "labels.csv").write_text("file,class\n0.png,b\n1.png,b\n")  # as many bytes: a class was corrected
    assert fingerprint(files(settings), tmp_path / "noted") != before


def test_links_are_followed_once(folder):
    os.symlink(folder, folder / "good" / "loop")
    assert len(listing(str(folder))) == 5


def test_results_are_no_part_of_a_source_but_where_a_folder_of_theirs_is_named(folder, dataset, monkeypatch):
    monkeypatch.chdir(folder)
    before = listing("."), listing("**/*.png"), listing("*")
    made = folder / "out" / "results of may"
    (made / "steel" / "real").mkdir(parents=True)
    shutil.copy(folder / "good" / "a 9.png", made / "steel" / "real" / "preview.png")
    (folder / "good" / "names.json").write_text('{"names": ["scratch", "pore"]}')  # of classes: no mark of results
    assert len(listing(".")) == len(before[0]) + 1
    assert left_out(".")[1] == []
    mark_names(made)
    assert (listing("."), listing("**/*.png"), listing("*")) == before
    assert left_out(".")[1] == ["out/results of may"]
    assert left_out(["**/*.png", "good"])[1] == ["out/results of may"]
    assert [e.name for e in listing("out/results of may/steel")] == ["real/preview.png"]
    for none in ("out", "out/results of may"):
        with pytest.raises(UserError, match=r"of may` holds results of Pyrite.*give `results:` a folder"):
            check_source(dataset(none), "steel")


@pytest.mark.parametrize("missing", ["nowhere", "nowhere/*.png", "empty"])
def test_what_is_missing_or_empty_is_named(tmp_path, dataset, missing):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty" / "notes.txt").write_text("nothing here")
    with pytest.raises(UserError, match=r"datasets\.steel\.source: `.*(nowhere|empty)"):
        check_source(dataset(str(tmp_path / missing)), "steel")


def test_a_missing_csv_and_a_broken_pattern_are_named(folder, dataset):
    check_source(dataset(str(folder)), "steel")
    check_source(dataset("voronoi"), "grains")
    with pytest.raises(UserError, match=r"datasets\.steel\.labels\.csv: `no\.csv` does not exist"):
        check_source(dataset(str(folder), labels={"rule": "csv", "csv": ["no.csv"]}), "steel")
    with pytest.raises(UserError, match=r"datasets\.steel\.labels\.pattern: `\(` is no regular expression"):
        check_source(dataset(str(folder), labels={"rule": "filename", "pattern": "("}), "steel")
    with pytest.raises(UserError, match=r"split\.group_pattern: `x` has no group"):
        check_source(dataset(str(folder), split={"group_pattern": "x"}), "steel")


def test_planning_imports_nothing_heavy():
    code = (
        "import sys, pipeline.data.reading.source; print([m for m in ('numpy', 'torch', 'pandas') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_pipe_is_no_image_and_keeps_nobody_waiting(folder):
    os.mkfifo(folder / "good" / "notes.xml")
    assert len(listing(str(folder))) == len(NAMES) + 1


def test_raised_and_foreign_digits_are_letters_among_the_numbers(folder, monkeypatch):
    monkeypatch.chdir(folder)
    for name in ("a10²3.png", "a9²3.png", "1²2.png", "1²10.png", "x٣.png"):
        (folder / name).write_bytes(b"\x89PNG\r\n\x1a\n")
    names = [e.name for e in listing("*.png")]
    assert names == ["1²2.png", "1²10.png", "a9²3.png", "a10²3.png", "x٣.png"]


def test_images_of_kinds_that_are_not_read_are_counted(folder, dataset, monkeypatch):
    for name in ("good/x.lif", "good/y.LIF", "bad/z.nd2", "bad/.w.nd2", "bad/notes.docx"):
        (folder / name).write_bytes(b"of another program")
    with h5py.File(folder / "good" / "velox.emd", "w") as file:
        file["images"] = [[1, 2], [3, 4]]
    others, _ = left_out(str(folder))
    assert others == ["bad/z.nd2", "good/x.lif", "good/y.LIF"]
    assert by_suffix(others) == "2 *.lif, 1 *.nd2"
    for name in ("good/tem.dm3", "good/tem.DM4", "good/tem_1.ser", "bad/light.czi", "bad/tem.emi"):
        (folder / name).touch()
    found = {entry.name for entry in listing(str(folder))}
    assert found >= {"good/velox.emd", "good/tem.dm3", "good/tem.DM4", "good/tem_1.ser", "bad/light.czi"}
    assert left_out(str(folder))[0] == others
    monkeypatch.chdir(folder)
    (folder / "only").mkdir()
    (folder / "good" / "x.lif").rename(folder / "only" / "x.lif")
    with pytest.raises(UserError, match=r"holds no images .*; it holds 1 \*\.lif, which are not read: export it"):
        listing("only")
    with pytest.raises(UserError, match=r"it holds 1 \*\.lif"):
        check_source(dataset("only"), "steel")


def test_a_folder_of_archives_is_told_to_be_unpacked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "packed").mkdir()
    (tmp_path / "packed" / "steel.ZIP").touch()
    with pytest.raises(UserError, match=r"`packed` holds no images .*; it holds 1 \*\.zip: unpack these"):
        listing("packed")
    (tmp_path / "packed" / "map.nd2").touch()
    with pytest.raises(UserError, match=r"it holds 1 \*\.nd2, which are not read: .*; it holds 1 \*\.zip: unpack"):
        listing("packed")
