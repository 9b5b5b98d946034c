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
    return {repr(path.name): path for path in sorted(root.iterdir())}


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
    for path in files.values():
        touched(path, 10**9)
    assert fingerprint(files, tmp_path / "noted") == before
    assert len(reads) == 8
    assert fingerprint(files, tmp_path / "noted") == before
    remember(files, tmp_path / "noted")
    assert len(reads) == 8


def test_another_content_of_the_same_size_is_a_change(tmp_path, files):
    before = fingerprint(files, tmp_path / "noted")
    remember(files, tmp_path / "noted")
    one = [*files.values()][1]
    was = one.read_bytes()
    one.write_bytes(b"PIXELS 1")
    touched(one, 10**9)
    changed = fingerprint(files, tmp_path / "noted")
    assert changed != before
    remember(files, tmp_path / "noted")
    assert fingerprint(files, tmp_path / "noted") == changed
    one.write_bytes(was)
    touched(one, 2 * 10**9)
    assert fingerprint(files, tmp_path / "noted") != changed


def test_a_file_more_or_less_is_a_change(tmp_path, files):
    remember(files, tmp_path / "noted")
    pairs = [*files.items()]
    found = {fingerprint(dict(some), tmp_path / "noted") for some in (pairs, pairs[1:], pairs[:3], pairs[::-1])}
    assert len(found) == 4


def test_what_was_not_noted_is_known_by_its_time(tmp_path, files, reads):
    before = fingerprint(files, tmp_path / "noted")
    touched(next(iter(files.values())), 10**9)
    assert fingerprint(files, tmp_path / "noted") != before
    assert reads == []


def test_a_damaged_record_is_no_record(tmp_path, files):
    before = fingerprint(files, tmp_path / "noted")
    remember(files, tmp_path / "noted")
    for text in ("", "{", "[1]", '{"a": 3}', '{"a": [1]}'):
        for record in (tmp_path / "noted").iterdir():
            record.write_text(text)
        assert fingerprint(files, tmp_path / "noted") == before


def test_files_that_were_moved_are_the_same(tmp_path, files):
    before = fingerprint(files, tmp_path / "noted")
    remember(files, tmp_path / "noted")
    moved = (tmp_path / "source").rename(tmp_path / "elsewhere")
    there = {name: moved / path.name for name, path in files.items()}
    assert fingerprint(there, tmp_path / "noted") == before
    (tmp_path / "link").symlink_to(moved)
    linked = {name: tmp_path / "link" / path.name for name, path in files.items()}
    assert fingerprint(linked, tmp_path / "noted") == before


def test_files_that_were_copied_elsewhere_are_the_same_and_changed_copies_are_not(tmp_path, files, reads):
    before = fingerprint(files, tmp_path / "noted")
    remember(files, tmp_path / "noted")
    there = {name: tmp_path / f"copy{i}" for i, name in enumerate(files)}
    for path, copy in zip(files.values(), there.values(), strict=True):
        copy.write_bytes(path.read_bytes())
        touched(copy, 10**9)
    assert fingerprint(there, tmp_path / "noted") == before
    assert len(reads) == 8
    assert fingerprint(there, tmp_path / "noted") == before
    assert len(reads) == 8
    copy.write_bytes(b"PIXELS 3")
    touched(copy, 10**9)
    assert fingerprint(there, tmp_path / "noted") != before
    assert fingerprint(files, tmp_path / "noted") == before
