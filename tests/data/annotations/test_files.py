"""Which files are read."""

import subprocess
import sys

import pytest

from pipeline.data.annotations.files import all_annotations, files, names_files
from pipeline.data.annotations.yolo import agreed_names, read_names
from pipeline.settings import Boxes, Dataset, UserError


@pytest.fixture
def tree(tmp_path):
    for name in ("labels/train/b10.txt", "labels/train/b2.txt", "labels/val/a.txt", "labels/classes.txt",
                 "labels/.a.txt", "labels/a.TXT", "other/a.xml", "data.yaml"):  # fmt: skip
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("")
    return tmp_path


def boxes(path, kind="yolo", **more):
    return Boxes(format=kind, path=path, **more)


def test_folders_globs_and_lists_each_file_once(tree):
    def found(path):
        return [annotation.name for annotation in all_annotations(boxes(path))]

    everything = ["a.TXT", "train/b2.txt", "train/b10.txt", "val/a.txt"]
    assert found(f"{tree}/labels") == everything
    assert found([f"{tree}/labels", f"{tree}/labels/val/*.txt"]) == everything
    assert found(f"{tree}/labels/*/b*.txt") == ["train/b2.txt", "train/b10.txt"]
    assert found(f"{tree}/labels/val/a.txt") == ["a.txt"]
    with pytest.raises(UserError, match=r"datasets\.x\.boxes\.path: `.*/nothing` does not exist"):
        all_annotations(boxes(f"{tree}/nothing"), "datasets.x.boxes")
    with pytest.raises(UserError, match=r"boxes\.path: `.*/other` holds no \*\.json file, as `format: coco`"):
        all_annotations(boxes(f"{tree}/other", "coco"))


def test_the_form_of_a_competition_tells_of_no_image(tmp_path):
    for name in ("train.csv", "sample_submission.csv"):
        (tmp_path / name).write_text("ImageId,ClassId,EncodedPixels\n")
    assert [annotation.name for annotation in all_annotations(boxes(str(tmp_path), "csv"))] == ["train.csv"]


def test_the_names_of_yolo_classes_are_looked_for_upwards(tree):
    nearest = f"{tree}/labels/classes.txt"
    both = [nearest, f"{tree}/data.yaml"]
    assert names_files(boxes(f"{tree}/labels")) == names_files(boxes(f"{tree}/labels/val")) == both
    assert [str(path) for path in files(boxes(f"{tree}/labels")).values()][
        -2:
    ] == both  # so that a change of them is seen
    (tree / "labels" / "classes.txt").unlink()
    assert names_files(boxes(f"{tree}/labels/val/a.txt")) == [f"{tree}/data.yaml"]
    assert names_files(boxes(f"{tree}/labels", names=["a"])) == names_files(boxes(f"{tree}/other", "voc")) == []
    (tree / "data.yaml").unlink()
    with pytest.raises(UserError, match="list the names here"):
        names_files(boxes(f"{tree}/labels"))
    with pytest.raises(UserError, match=r"boxes\.names: `/no/such` does not exist"):
        names_files(boxes(f"{tree}/labels", names="/no/such"))


def test_two_files_that_name_a_class_differently_are_a_question(tmp_path):
    near, far, other = (str(tmp_path / name) for name in ("classes.txt", "data.yaml", "dataset.yaml"))
    (tmp_path / "classes.txt").write_text("pore\ncrack\n")
    (tmp_path / "dataset.yaml").write_text("stages: {}")
    for text in ("names: [pore, crack]", "names: [pore, crack, scratch]", "names: [pore]"):
        (tmp_path / "data.yaml").write_text(text)
        assert agreed_names([near, other, far]) == ["pore", "crack"]
    (tmp_path / "data.yaml").write_text("names: [crack, pore]")
    with pytest.raises(UserError, match=r"class 0 is `pore` in .*classes.txt and `crack` in .*data.yaml; say which"):
        agreed_names([near, other, far])
    assert agreed_names([far]) == ["crack", "pore"]
    assert agreed_names([]) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("data.yaml", "path: x\nnames: [b c, a]\n"),
        ("data.yaml", "nc: 2\nnames:\n  1: a\n  0: b c\n"),
        ("classes.txt", "b c\na\n\n"),
        ("obj.names", "\ufeffb c \r\na"),
    ],
)
def test_names_in_every_dress(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_names(str(tmp_path / name)) == ["b c", "a"]


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("names: [no, yes]", ["no", "yes"]),
        ("names: {0: 1, 1: 2}", ["1", "2"]),
        ("names: {0: off, '1': On}", ["off", "On"]),
        ("names: [010, 1.50, 1e3]", ["010", "1.50", "1e3"]),
        ("names:\n- 2026-12-01\n- 12:30", ["2026-12-01", "12:30"]),
        ("base: &base {names: [a, b]}\n<<: *base", ["a", "b"]),
    ],
)
def test_names_are_what_the_file_writes(tmp_path, text, names):
    (tmp_path / "data.yaml").write_text(text)
    assert read_names(str(tmp_path / "data.yaml")) == names


BOMB = "a: &a " + "x" * 100_000 + "\nnames: [" + "*a, " * 10_000 + "*a]"  # a gigabyte, were it spelled out


NAMELESS = ["", "names: 3", "names: {1: a}", "names: [", "names: [a, [b]]", "!!python/object/apply:os.getcwd []"]
NAMELESS += [
    "names: [" * 10_000,
    BOMB,
    "names: [a, ]]",
    "names: [a, '']",
    "names: [!!timestamp x]",
    f"names: [{'9' * 5000}]",
]


@pytest.mark.parametrize("text", NAMELESS, ids=range(len(NAMELESS)))
def test_a_file_without_names_is_refused(tmp_path, text):
    (tmp_path / "data.yaml").write_text(text)
    with pytest.raises(UserError, match=r"boxes\.names: .*data\.yaml gives no names"):
        read_names(str(tmp_path / "data.yaml"))


def test_drawn_images_have_no_boxes():
    with pytest.raises(ValueError, match="have no annotations"):
        Dataset(source="voronoi", boxes=boxes("x"))


def test_planning_imports_neither_torch_nor_pandas():
    code = (
        "import pipeline.data.annotations.files, sys; sys.exit(bool({'torch', 'pandas', 'numpy'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
