"""CSV as people have it."""

import pytest

from pipeline.data.preparing import user_table
from pipeline.settings import UserError

COLUMNS = {"labels.file_column": "file", "labels.class_column": "class"}
ROWS = [("größe.png", "gut"), ("b c.png", "Riß")]


def cells(path):
    return [tuple(line.cells.values()) for line in user_table.read(str(path), COLUMNS)]


@pytest.mark.parametrize("mark", [",", ";", "\t", "|"])
@pytest.mark.parametrize(
    "encoding",
    ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le"],
    ids=["utf-8", "mark", "latin", "unicode text", "without a mark"],
)
@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_what_spreadsheets_of_any_country_write(tmp_path, mark, encoding, ends):
    lines = [("n", "File ", "class"), *((str(i), *row) for i, row in enumerate(ROWS)), ("", "", "")]
    (tmp_path / "t.csv").write_bytes("".join(mark.join(line) + ends for line in lines).encode(encoding))
    assert cells(tmp_path / "t.csv") == ROWS


def test_quotes_breaks_and_the_line_of_excel(tmp_path):
    (tmp_path / "t.csv").write_text('sep=;\nfile;class;note\n"a;1.png";x;"two\nlines, of text"\nb.png;y\n\n;;\n')
    lines = user_table.read(str(tmp_path / "t.csv"), COLUMNS)
    assert [tuple(line.cells.values()) for line in lines] == [("a;1.png", "x"), ("b.png", "y")]
    (tmp_path / "u.csv").write_text("class,file\nx,a;b.png\n")  # the header decides what divides cells
    assert cells(tmp_path / "u.csv") == [("a;b.png", "x")]


def test_two_columns_that_differ_in_case_are_kept_apart(tmp_path):
    (tmp_path / "t.csv").write_text("FILE,file,class\n1,2,3\n")
    assert cells(tmp_path / "t.csv") == [("2", "3")]
    (tmp_path / "t.csv").write_text("FILE,File,class\n1,2,3\n")
    with pytest.raises(UserError, match=r"labels\.file_column: .*no column `file`; it has FILE, File, class"):
        cells(tmp_path / "t.csv")


def test_of_two_columns_of_one_name_none_is_taken(tmp_path):
    (tmp_path / "t.csv").write_text("file,class,class\n1,2,3\n")
    with pytest.raises(UserError, match=r"class_column: .*several columns `class`; it has file, class, class"):
        cells(tmp_path / "t.csv")
    assert [line.cells for line in user_table.read(str(tmp_path / "t.csv"), {"x": "file"})] == [{"file": "1"}]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("file,class\na.png,трещина\n".encode("cp1251"), "its letters have several readings; save it as `CSV UTF-8`"),
        ("file,class\na.png,裂纹\n".encode("gbk"), "its letters have several readings; save it as `CSV UTF-8`"),
        (b"file,class\na.png,\x80\n", "several readings"),
        (b"PK\x03\x04\x14\0\6\0", "is a workbook, not a table; save it as `CSV UTF-8`"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is a workbook, not a table; save it as `CSV UTF-8`"),
        (b"SQLite format 3\0\x10\0\x01", "is a database, not a table; export the table in it as `CSV UTF-8`"),
        (b"", "no column `file`; it has nothing"),
        (b"name;kind\n1;2\n", "no column `file`; it has name, kind"),
        (b"images/a.png   0.5  mono\n", "a first line with the names of the columns is missing"),
        (b"a.png,x\nb.png,y\n", "it has a.png, x: a first line with the names of the columns is missing"),
    ],
)
def test_what_cannot_be_read_says_what_to_save_it_as(tmp_path, content, why):
    (tmp_path / "t.csv").write_bytes(content)
    with pytest.raises(UserError, match=why):
        cells(tmp_path / "t.csv")


def test_a_folder_is_no_table(tmp_path):
    with pytest.raises(UserError, match=r"labels\.csv: .* cannot be read \(Is a directory\)"):
        cells(tmp_path)


def test_a_quote_that_is_left_open_swallows_no_rows(tmp_path):
    (tmp_path / "t.csv").write_text('file,class\na.png,"x\nb.png,y\nc.png,z\n')
    with pytest.raises(UserError, match=r"labels\.csv: .*t\.csv is no table \(unexpected end of data\)"):
        cells(tmp_path / "t.csv")
