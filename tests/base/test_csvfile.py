"""A table is read as it was written, whatever its texts hold."""

import csv

import numpy as np
import pandas as pd
import pytest

from pipeline.base import csvfile
from pipeline.data.image_set import ImageSet
from pipeline.data.preparing import preview
from pipeline.settings import UserError
from tests.boxed import write

HOSTILE = ["a\rb.png", "\r", "a\nb", "a\r\nb", 'a"b', "a,b", "", "NA", "plain"]


def test_pandas_and_the_standard_library_read_the_same_rows(tmp_path):
    table = pd.DataFrame({"file": HOSTILE, "n": range(len(HOSTILE)), "x": 0.1})
    csvfile.write(table, tmp_path / "t.csv")
    assert pd.read_csv(tmp_path / "t.csv", keep_default_na=False).equals(table)
    with open(tmp_path / "t.csv", encoding="utf-8", newline="") as file:
        assert [row["file"] for row in csv.DictReader(file)] == HOSTILE


def test_a_table_of_plain_names_has_no_quotes(tmp_path):
    csvfile.write(pd.DataFrame({"file": ["a.png"], "x": [1.5]}), tmp_path / "t.csv")
    assert (tmp_path / "t.csv").read_text() == "file,x\na.png,1.5\n"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "damaged (No columns to parse from file)"),
        (b"s,n\n1", "damaged, the column `max_rss` is missing"),
        (b"s,max_rss\n1,2\n1,2,3,4", "damaged (Error tokenizing data."),
        (b"s,max_rss\n\xff,1\n", "damaged ('utf-8' codec"),
        (None, "cannot be read (No such file or directory)"),
    ],
)
def test_a_damaged_table_is_named(tmp_path, content, said):
    path = tmp_path / "t.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError) as error:
        csvfile.read(path, "s", "max_rss")
    assert str(error.value).startswith(f"{path}: {said}")


@pytest.mark.parametrize("name", ["a\\rb", "a\\nb", "$\\\\frac{a$", "NA"])
def test_an_image_set_and_its_boxes_are_what_they_were(tmp_path, name):
    marks = [(0, name, 1, 2, 5.5, 6), (1, name, 0, 0, 4, 4)]
    images = np.zeros((2, 16, 16, 1), np.uint8)
    write(tmp_path, images, ["train", "test"], labels=[name, name], marks=marks, classes=[name])
    found = ImageSet.open(tmp_path)
    assert found.metadata["label"].tolist() == [name, name]
    assert found.boxes["label"].tolist() == [name, name]
    assert found.boxes["x1"].tolist() == [5.5, 4]
    preview.write(found, ["a note"], tmp_path / "boxes.png", boxes=True)
    assert (tmp_path / "boxes.png").is_file()
