"""Files are whole or not there, and damaged ones are named in one line."""

import h5py
import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from pipeline.base.files import Unwritable, read_json, whole, write_json, write_whole, writing
from pipeline.settings import UserError


def with_bytes(part):
    part.write_bytes(bytes(10**6))


def with_hdf5(part):
    with h5py.File(part, "w") as file:
        file["x"] = np.zeros(10**6, np.uint8)


def with_picture(part):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (400, 400), np.uint8)).save(part, format="PNG")


def with_figure(part):
    figure = Figure()
    figure.subplots().imshow(np.random.default_rng(0).random((400, 400)))
    figure.savefig(part, format="png")


def with_table(part):
    np.savetxt(part, np.zeros(20_000))


@pytest.mark.parametrize("fill", [with_bytes, with_hdf5, with_picture, with_figure, with_table])
def test_a_full_disk_names_the_file_and_leaves_what_was_there(tmp_path, full_disk, fill):
    path = tmp_path / "folder" / "result"
    write_whole(path, b"what was there")
    with pytest.raises(UserError, match=rf"^{path}: cannot be written \(.*File too large"), full_disk(2**14):  # noqa: SIM117
        with whole(path) as part:
            fill(part)
    assert path.read_bytes() == b"what was there"
    assert [p.name for p in path.parent.iterdir()] == ["result"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(Unwritable, match=r"file/x\.json: cannot be written \(Not a directory\)") as caught:
        write_json(tmp_path / "file" / "x.json", {})
    assert caught.value.strerror == "Not a directory"  # for those who say more themselves


def test_what_goes_wrong_in_between_is_no_matter_of_the_disk(tmp_path):
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(tmp_path / "x.json", {"x": float("nan")})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"{", b'{"a": 1', b"\xff", b"[1]", b"null", b"\0" * 40, b"[" * 10**5, b"{}"])
def test_a_damaged_file_is_named(tmp_path, content):
    path = tmp_path / "evaluation.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=rf"^{path}: damaged"):
        read_json(path, "a")


def test_a_whole_file_is_read(tmp_path):
    write_json(tmp_path / "x.json", {"ä": [1, None]})
    assert read_json(tmp_path / "x.json", "ä") == {"ä": [1, None]}
    with pytest.raises(UserError, match=r"y\.json: cannot be read \(No such file or directory\)"):
        read_json(tmp_path / "y.json")


def test_what_hdf5_says_of_a_full_disk_as_it_closes_is_said_as_of_any_file(tmp_path):
    with (
        pytest.raises(Unwritable, match=r"out\.h5: cannot be written \(No space left on device\)"),
        writing(tmp_path / "out.h5"),
    ):
        raise RuntimeError(
            "Can't decrement id ref count (file write failed: time = now, errno = 28, error message = '…')"
        )
    with pytest.raises(RuntimeError, match="of another kind"), writing(tmp_path / "out.h5"):
        raise RuntimeError("of another kind")
