"""HDF5: stacks of every layout, one data set an image, and files that lie."""

import h5py
import numpy as np
import pytest

from pipeline.data import readers
from pipeline.data.frame import Rejected
from pipeline.settings import Dataset


def read(path, **hdf5):
    """(sources, pixels) of all images of a file."""
    labels = hdf5.pop("rule", "none")
    settings = Dataset.model_validate({"source": "x", "hdf5": hdf5, "labels": {"rule": labels}})
    headers = readers.headers(str(path), "f.h5", settings)
    frames = list(readers.frames(headers, settings))
    for header, frame in zip(headers, frames, strict=True):
        assert header.shape == (*frame.pixels.shape, 1)[:3]
        assert header.dtype == frame.pixels.dtype.name
    return [h.source for h in headers], [f.pixels for f in frames], [h.label for h in headers]


@pytest.fixture
def stack(picture):
    return picture(1, (5, 12, 20, 3), "uint16")


def write(path, **sets):
    with h5py.File(path, "w") as file:
        for key, value in sets.items():
            file[key] = value
    return path


def test_layouts_are_told_by_their_shape(tmp_path, stack):
    nhwc = write(tmp_path / "a", x=stack, other=np.arange(5))
    nchw = write(tmp_path / "b", x=np.moveaxis(stack, -1, 1))
    nhw = write(tmp_path / "c", x=stack[..., 0])
    for path, expected in ((nhwc, stack), (nchw, stack), (nhw, stack[..., 0])):
        sources, pixels, _ = read(path)
        np.testing.assert_array_equal(np.stack(pixels), expected)
        assert sources == [f"f.h5[{i}]" for i in range(5)]


def test_a_stated_layout_is_believed(tmp_path, picture):
    pixels = picture(2, (3, 1, 9, 10))  # also a stack of three channel-last strips 1 x 9 with 10 channels
    _, found, _ = read(write(tmp_path / "a", x=pixels), images="x", layout="nchw")
    np.testing.assert_array_equal(np.stack(found), pixels[:, 0])
    with pytest.raises(Rejected, match="10 channels"):
        read(tmp_path / "a", images="x", layout="nhwc")


def test_flat_rows_need_their_shape(tmp_path, stack):
    path = write(tmp_path / "a", x=stack.reshape(5, -1))
    _, found, _ = read(path, images="x", layout="flat", shape=[12, 20, 3])
    np.testing.assert_array_equal(np.stack(found), stack)
    with pytest.raises(Rejected, match=r"hdf5\.shape"):
        read(path, images="x", layout="flat")
    with pytest.raises(Rejected, match="720 values"):
        read(path, images="x", layout="flat", shape=[12, 20])


def test_one_data_set_an_image_in_natural_order(tmp_path, picture):
    names = ["set 10", "set 9", "set 100"]
    with h5py.File(tmp_path / "a", "w") as file:
        for i, name in enumerate(names):
            file[f"deep group/of images/{name}"] = picture(i, (12, 14 + i))
        file["deep group/table"] = np.zeros((50, 3))
    sources, pixels, _ = read(tmp_path / "a")
    assert [s.rsplit("/")[-1] for s in sources] == ["set 9", "set 10", "set 100"]
    np.testing.assert_array_equal(pixels[1], picture(0, (12, 14)))
    assert read(tmp_path / "a", images="deep group/of images")[0] == sources


def test_labels_of_a_stack(tmp_path, stack):
    names = ["a", "b", "a", "a", "ü"]
    path = write(tmp_path / "a", images=stack, labels=np.array(names, dtype=h5py.string_dtype()))
    assert read(path, rule="hdf5")[2] == names
    path = write(tmp_path / "b", images=stack, number=[3, 1, 2, 3, 1])
    assert read(path, rule="hdf5", labels="number")[2] == ["3", "1", "2", "3", "1"]
    with pytest.raises(Rejected, match=r"hdf5\.labels"):
        read(path, rule="hdf5")


def test_ambiguity_is_not_guessed_at(tmp_path, stack):
    path = write(tmp_path / "a", one=stack, two=stack)
    with pytest.raises(Rejected, match=r"`/one`, `/two`.*hdf5\.images"):
        read(path)
    with pytest.raises(Rejected, match="holds no `three`"):
        read(path, images="three")
    assert len(read(path, images="two")[1]) == 5


def test_claims_are_judged_before_reading(tmp_path):
    with h5py.File(tmp_path / "huge", "w") as file:
        file.create_dataset("images", (10**6, 4096, 4096), "u2", chunks=(1, 64, 64), compression="gzip")
        file["images"][0, :64, :64] = 1
    with pytest.raises(Rejected, match="which cannot be"):
        read(tmp_path / "huge")
    with h5py.File(tmp_path / "empty", "w") as file:
        file.create_dataset("images", (3, 64, 64), "u1", chunks=(1, 64, 64))
    with pytest.raises(Rejected, match="never filled"):
        read(tmp_path / "empty")


def test_real_files(shared_data):
    root = shared_data("microstructure_h5")
    sources, pixels, _ = read(root / "polycrystal_64.h5")
    assert (len(sources), pixels[0].shape) == (72, (64, 64))
    sources, pixels, _ = read(root / "original" / "2d_micrograph_tiles.h5")
    assert (len(sources), sources[0], pixels[0].shape) == (85, "f.h5/dset2", (151, 151))
    slice_ = root / "original" / "Small_IN100_Slice1.dream3d"
    quality = "DataContainers/Small IN100 Slice 1/EBSD Scan Data/Image Quality"
    _, pixels, _ = read(slice_, images=quality)
    with h5py.File(slice_) as file:
        np.testing.assert_array_equal(pixels[0], file[quality][0, :, :, 0])
