"""What a folder may hold beside files: each costs itself alone, and is named with its reason."""

import csv
import errno
import os
import socket

import pytest

from pipeline.data.image_set import ImageSet
from pipeline.data.preparing.prepare import prepare
from pipeline.data.reading import readers
from pipeline.data.reading.inputs import fingerprint, remember
from pipeline.data.reading.source import FORMATS, check_source, files, listing

ODD = {
    "annex.png": "is a link to ../.git/annex/objects/xx/yy/1.png, which is not there: was its content fetched?",
    "loop.png": "is a link that leads back to itself",
    "pipe.png": "is a pipe, not a file",
    "linked.png": "is a pipe, not a file",
    "socket.png": "is a socket, not a file",
    "device.png": "is a device, not a file",
    "secret.png": "cannot be read: Permission denied",
    "closed": "is a folder that cannot be listed",
    "lfs.png": f"is no {FORMATS} file, whatever its name says "
    "(it is a pointer of Git LFS, whose content was not fetched)",
}


@pytest.fixture
def odd(folder, picture, monkeypatch):
    """A folder with six images and all that is no image."""
    root = folder({f"{i}.png": picture(i) for i in range(6)} | {"closed/x.png": picture(7), "secret.png": picture(8)})
    os.symlink("../.git/annex/objects/xx/yy/1.png", f"{root}/annex.png")
    os.symlink("loop.png", f"{root}/loop.png")
    os.mkfifo(f"{root}/pipe.png")
    os.symlink("pipe.png", f"{root}/linked.png")
    os.symlink("/dev/zero", f"{root}/device.png")  # endless
    with open(f"{root}/lfs.png", "w") as file:
        file.write("version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n")
    monkeypatch.chdir(root)  # the path of a socket may have 107 bytes
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.png")
    lists, opens = os.scandir, open

    def denied(place, work, path, *words, **more):  # also for root, whom no mode keeps out
        if os.path.basename(path) == place:
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return work(path, *words, **more)

    monkeypatch.setattr(os, "scandir", lambda path=".": denied("closed", lists, path))
    monkeypatch.setattr(readers, "open", lambda *words: denied("secret.png", opens, *words), raising=False)
    return root


def test_each_is_named_with_its_reason_and_the_run_goes_on(tmp_path, inline, odd, dataset):
    prepare(dataset(odd), tmp_path / "out")
    assert len(ImageSet.open(tmp_path / "out")) == 6
    with open(tmp_path / "out" / "rejected.csv", encoding="utf-8") as file:
        assert {row["file"]: row["reason"] for row in csv.DictReader(file)} == ODD


def test_planning_goes_on_and_sees_each_change(tmp_path, odd, dataset):
    settings = dataset(odd)
    check_source(settings, "steel")
    before = fingerprint(files(settings), tmp_path / "noted")
    assert fingerprint(files(settings), tmp_path / "noted") == before
    remember(files(settings), tmp_path / "noted")
    assert fingerprint(files(settings), tmp_path / "noted") == before
    os.remove(f"{odd}/annex.png")
    os.symlink("../elsewhere/1.png", f"{odd}/annex.png")
    assert fingerprint(files(settings), tmp_path / "noted") != before


def test_a_file_named_in_a_list_may_be_a_link_to_nowhere(odd, dataset):
    names = [f"{odd}/0.png", f"{odd}/annex.png", f"{odd}/pipe.png"]
    check_source(dataset(names), "steel")
    assert [entry.name for entry in listing(names)] == ["0.png", "annex.png", "pipe.png"]
