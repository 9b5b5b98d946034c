"""Files are known by their content: a copy is the same, a change is none, and few files are read."""

import os
from pathlib import Path

import pytest

from pipeline.data.reading import inputs
from pipeline.data.reading.inputs import fingerprint, remember


@pytest.fixture
def files(tmp_path):
    root = tmp_path / "source"
    root.mkdir()
    for i in range(4):
        (root / f"ä{i}\udcff.png").write_bytes(b"pixels %d" % i)  # a name that is no UTF-8 either
    return sorted(root.iterdir())


@pytest.fixture
def reads(monkeypatch):
    """Names of the files whose content was looked at."""
    seen, digest = [], inputs._digest

    def noted(path):
        seen.append(path.name)
        return digest(path)

    monkeypatch.setattr(inputs, "_digest", noted)
    return seen


def touched(path: Path, later: int) -> None:
    facts = os.stat(path)
    os.utime(path, ns=(facts.st_atime_ns, facts.st_mtime_ns + later))


def test_a_copy_is_the_same_and_is_read_once(tmp_path, files, reads):
    before = fingerprint(files, tmp_path / "noted")
    assert reads == []
    remember(files, tmp_path / "noted")
    assert len(reads) == 4
    for path in files:
        touched(path, 10**9)
    assert fingerprint(files, tmp_path / "noted") == before
    assert len(reads) == 8
    assert fingerprint(files, tmp_path / "noted") == before
    remember(files, tmp_path / "noted")
    assert len(reads) == 8


def test_another_content_of_the_same_size_is_a_change(tmp_path, files):
    before = fingerprint(files, tmp_path / "noted")
    remember(files, tmp_path / "noted")
    was = files[1].read_bytes()
    files[1].write_bytes(b"PIXELS 1")
    touched(files[1], 10**9)
    changed = fingerprint(files, tmp_path / "noted")
    assert changed != before
    remember(files, tmp_path / "noted")
    assert fingerprint(files, tmp_path / "noted") == changed
    files[1].write_bytes(was)
    touched(files[1], 2 * 10**9)
    assert fingerprint(files, tmp_path / "noted") != changed


def test_a_file_more_or_less_is_a_change(tmp_path, files):
    remember(files, tmp_path / "noted")
    found = {fingerprint(some, tmp_path / "noted") for some in (files, files[1:], files[:3], files[::-1])}
    assert len(found) == 4


def test_what_was_not_noted_is_known_by_its_time(tmp_path, files, reads):
    before = fingerprint(files, tmp_path / "noted")
    touched(files[0], 10**9)
    assert fingerprint(files, tmp_path / "noted") != before
    assert reads == []


def test_a_damaged_record_is_no_record(tmp_path, files):
    before = fingerprint(files, tmp_path / "noted")
    remember(files, tmp_path / "noted")
    (record,) = (tmp_path / "noted").iterdir()
    for text in ("", "{", "[1]", '{"a": 3}', '{"a": [1]}'):
        record.write_text(text)
        assert fingerprint(files, tmp_path / "noted") == before
