"""Classes from folders, names and tables."""

import pytest

from pipeline.data.preparing import labels
from pipeline.data.reading.frame import Rejected
from pipeline.settings import UserError


@pytest.fixture
def table(tmp_path):
    def write(text, name="t.csv"):
        (tmp_path / name).write_text(text, encoding="utf-8-sig")
        return str(tmp_path / name)

    return write


def test_rules(dataset):
    def label(source, folder="f", from_file=None, **rule):
        return labels.label_of(dataset(labels=rule), source, folder, from_file, None)

    assert label("x/y.png") == "all"
    assert label("x/y.png", rule="folder") == "f"
    assert label("d/rolled-in_scale_291.jpg", rule="filename") == "rolled-in_scale"
    assert label("crack 07.tif[3]", rule="filename") == "crack"
    assert label("s12_bad.png", rule="filename", pattern=r"_(\w+)$") == "bad"
    assert label("x.h5[0]", from_file="3", rule="hdf5") == "3"
    with pytest.raises(Rejected, match=r"`nothing` does not match labels\.pattern \(`_\(\\d\)`\)"):
        label("nothing.png", rule="filename", pattern=r"_(\d)")
    assert label("D/CD/7001-1.jpg", rule="filename", pattern=r"/([CU])[DPW]/") == "C"  # on the path, for its `/`
    assert label("kos01/Part 3.tif[2]", rule="filename", pattern=r"/(.+)$") == "Part 3"
    with pytest.raises(Rejected, match=r"its path `d/a` does not match labels\.pattern \(`/b/\(x\)`\)"):
        label("d/a.png", rule="filename", pattern=r"/b/(x)")
    with pytest.raises(Rejected, match=r"`f`, which labels\.classes does not name$"):
        labels.check_named(dataset(labels={"rule": "folder", "classes": ["a", "b"]}), "f")


def test_a_table_finds_full_names_and_unique_last_parts(dataset, table):
    path = table("file,class\n./good/1.png,a\n2.png,b\ngood\\3.png,c\n9.png,d\n")
    rows = labels.read_table(dataset(labels={"rule": "csv", "csv": [path]}))
    assert rows.find("good/1.png", set()).label == "a"
    assert rows.find("bad/2.png", set()).label == "b"
    assert rows.find("good/3.png", set()).label == "c"
    shared = labels.shared_names(["bad/2.png", "good/2.png"])
    assert rows.find("bad/2.png", shared) is None  # two images have this name: which one is meant?
    assert [row.file for row in rows.unused()] == ["9.png"]


def test_a_name_that_is_shared_in_another_writing_alone_is_found_as_it_is_written(dataset, table):
    path = table("file,class\na.png,low\nA.png,high\nb.png,other\n")
    rows = labels.read_table(dataset(labels={"rule": "csv", "csv": [path]}))
    shared = labels.shared_names(["x/a.png", "y/A.png", "x/b.png", "y/b.png"])
    assert [rows.find(name, shared).label for name in ("x/a.png", "y/A.png")] == ["low", "high"]
    assert rows.find("x/b.png", shared) is None


def test_groups_and_splits_of_a_table(dataset, table):
    path = table("file,class,item,part\n1.png,a,k1,val\n2.png,a,,train\n")
    settings = dataset(
        labels={"rule": "csv", "csv": [path]},
        split={"column": "part", "group_column": "item", "names": {"train": "train", "val": "test"}},
    )
    rows = labels.read_table(settings)
    first, second = rows.find("1.png", set()), rows.find("2.png", set())
    assert (first.split, second.split) == ("test", "train")
    assert labels.group_of(settings, "1.png", "1.png", first) == "k1"
    assert labels.group_of(settings, "2.png", "2.png", second) == "2.png"


def test_groups_from_names(dataset):
    settings = dataset(split={"group_pattern": r"^(.+)_y\d+$"})
    assert labels.group_of(settings, "d/040617#2_S127(2)0015_y0382.tif", "whole", None) == "040617#2_S127(2)0015"
    with pytest.raises(Rejected, match=r"split\.group_pattern"):
        labels.group_of(settings, "other.tif", "whole", None)
    by_folder = dataset(split={"group_pattern": r"^(kos\d+)/"})
    assert labels.group_of(by_folder, "kos01/Part0.jpg", "whole", None) == "kos01"


def test_contradictions_and_missing_columns_are_named(dataset, table):
    path = table("file,class,part\n1.png,a,train\n1.png,b,train\n2.png,a,holdout\n")
    with pytest.raises(Rejected, match="2 rows for it that differ"):
        labels.read_table(dataset(labels={"rule": "csv", "csv": [path]})).find("1.png", set())
    with pytest.raises(UserError, match=r"labels\.class_column: .*no column `kind`; it has file, class, part"):
        labels.read_table(dataset(labels={"rule": "csv", "csv": [path], "class_column": "kind"}))
    with pytest.raises(UserError, match=r"line 4 has the split `holdout`, which is not one of train, val, test"):
        labels.read_table(dataset(labels={"csv": [path]}, split={"column": "part"}))
    with pytest.raises(UserError, match=r"labels\.csv: no file"):
        labels.read_table(dataset(labels={"rule": "csv"}))


def test_asked_classes_must_occur_and_keep_their_order(dataset):
    asked = dataset(labels={"rule": "folder", "classes": ["b", "a"]})
    assert labels.classes(asked, {"a", "b"}) == ["b", "a"]
    assert labels.classes(dataset(), {"b", "a"}) == ["a", "b"]
    with pytest.raises(UserError, match="no usable image of `b`; the classes with usable images are a"):
        labels.classes(asked, {"a"})


@pytest.mark.parametrize(
    ("classes", "occurring", "said"),
    [
        (
            ["ok", "scratches"],
            {"ok", "scratch", "pore"},
            r"of `scratches`; .* ok, pore, scratch; the nearest is `scratch`",
        ),
        (["x"], {f"c{i:03d}" for i in range(99)}, r"are c000, c001, .*, c019, \.\.\.$"),
        ([8, 9], {"010", "011"}, r"of `8`, `9`; .*; YAML reads 010 as 8: write it in quotes \('010'\)"),
        ([1], {"01"}, r"YAML reads 01 as 1: "),
        ([90], {"1:30"}, r"YAML reads 1:30 as 90: "),
        (["bad"], {"bad ", "good"}, r"`bad` and `bad ` differ in case, accents or blanks alone"),
        (["b\u00e4d"], {"Ba\u0308d ", "good"}, "differ in case, accents or blanks alone"),
        (["bad"], {"Bad", "good"}, r"`bad` and `Bad` differ in case, accents or blanks alone"),
        (["dent"], {"pore"}, r"are pore$"),
    ],
)
def test_a_class_that_no_image_has_is_told_the_nearest_of_all_that_occur(dataset, classes, occurring, said):
    with pytest.raises(UserError, match=said):
        labels.check_asked(dataset(labels={"rule": "folder", "classes": classes}), occurring)


def test_tiles_without_a_defect_have_a_class_that_no_picture_has(dataset):
    words = {"labels": {"rule": "folder", "classes": ["crack", "background"]}, "fit": "tile"}
    labels.check_asked(dataset(**words, boxes={"format": "mask", "path": "masks"}), {"crack"})
    with pytest.raises(UserError, match="no usable image of `background`"):
        labels.check_asked(dataset(**words), {"crack"})


@pytest.mark.parametrize("where", [{"classes": ["gepr\u00fcft"]}, {}])
def test_one_name_in_two_forms_of_its_accents_is_one_class(dataset, where):
    settings = dataset(labels={"rule": "folder"} | where, good="gepr\u00fcft")
    assert labels.label_of(settings, "x.png", "gepru\u0308ft", None, None) == "gepr\u00fcft"
    assert labels.label_of(dataset(labels="folder"), "x.png", "u\u0308", None, None) == "u\u0308"  # nobody named it


def test_words_of_a_split_that_yaml_reads_as_others_and_no_word(dataset, table):
    def read(text, names):
        labels.read_table(dataset(labels={"csv": [table(text)]}, split={"column": "part", "names": names}))

    with pytest.raises(UserError, match=r"`no`, which is not one of True, False; YAML reads no as False: .*\('no'\)"):
        read("file,part\na,no\n", {"True": "test", "False": "train"})
    read("file,part\na,True\nb,False\n", {"True": "test", "False": "train"})
    with pytest.raises(UserError, match=r"split\.column: .*, line 3 has nothing in the column `part`; .*split\.names"):
        read("file,part\na,in\nb,\n", {"in": "train"})
    read("file,part\na,in\nb,\n", {"in": "train", "": "test"})


def test_rows_that_differ_in_case_accents_or_suffix_find_their_image(dataset, table):
    path = table("file,class\nA 1.PNG,a\nb\u0061\u0308r.png,b\n3,c\n")
    rows = labels.read_table(dataset(labels={"rule": "csv", "csv": [path]}))
    sources = ["x/a 1.png", "x/b\u00e4r.png", "x/3.tif", "x/4.tif", "y/4.png"]
    shared = labels.shared_names(sources)
    assert {name for _, name in shared} == {"4"}
    found = [rows.find(source, shared) for source in sources]
    assert [row and row.label for row in found] == ["a", "b", "c", None, None]
    assert rows.unused() == []


def test_a_class_that_differs_in_case_alone_is_said_so(dataset):
    rule = {"rule": "folder", "classes": ["bad"]}
    with pytest.raises(
        Rejected, match=r"has the class `Bad`, .*; `bad` and `Bad` differ in case, accents or blanks alone"
    ):
        labels.check_named(dataset(labels=rule), "Bad")


def test_rows_with_more_of_the_path_than_the_source_has(dataset, table):
    rows = [r"C:\steel\photos\a.png,windows", "/home/me/steel/photos/b.png,unix", "photos/c.tif,suffix"]
    rows += ["/set/train/d.png,train", "/set/test/d.png,test", "other/e.png,other"]
    found = labels.read_table(dataset(labels={"rule": "csv", "csv": [table("file,class\n" + "\n".join(rows))]}))

    def label(source, folder):
        row = found.find(source, set(), folder)
        return row and row.label

    assert [label(f"{name}.png", "data/photos") for name in "abc"] == ["windows", "unix", "suffix"]
    assert (label("d.png", "data/test"), label("d.png", "data/train")) == ("test", "train")
    assert label("good/e.png", "data") is None  # another folder than the row's
    with pytest.raises(Rejected, match="2 rows for it that differ"):
        label("d.png", "data")


def test_words_of_a_split_are_understood_in_any_case(dataset, table):
    settings = dataset(labels={"csv": [table("file,part\na,Train\nb,TEST\nc,Validation\n")]}, split={"column": "part"})
    assert [row.split for row in labels.read_table(settings).rows] == ["train", "test", "val"]


def test_a_column_of_sides_that_is_not_used_is_said(dataset, table, capsys):
    def said(text, **split):
        path = table(text)
        labels.read_table(dataset(labels={"rule": "csv", "csv": [path]}, split=split))
        return capsys.readouterr().err

    sides = "file,class,Set\na,x,Train\nb,y,test\n"
    assert "the column `set` of " in said(sides)
    assert "`split: {column: set}` takes that of the table" in said(sides)
    assert said(sides, column="Set") == ""
    assert said("file,class,set\na,x,training\nb,y,7\n") == ""  # no sides
    assert said("file,class,set\na,x,train\nb,y,train\n") == ""  # one alone divides nothing
