"""HDF5: stacks of every layout, one data set an image, and files that lie."""

import h5py
import numpy as np
import pytest

from pipeline.data.preparing.prepare import _runs
from pipeline.data.reading import hdf5, readers
from pipeline.data.reading.frame import Rejected
from pipeline.settings import Dataset
from tests.data.reading import decoded


def read(path, **hdf5):
    """(sources, pixels) of all images of a file."""
    labels = hdf5.pop("rule", "none")
    settings = Dataset.model_validate({"source": "x", "hdf5": hdf5, "labels": {"rule": labels}})
    headers, pixels = decoded.read(path, settings, "f.h5")
    return [h.source for h in headers], pixels, [h.label for h in headers]


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


def test_images_along_the_last_axis(tmp_path, picture, monkeypatch):
    stack = picture(3, (7, 9, 20), "uint16")
    for chunks in (None, (3, 9, 4)):
        with h5py.File(tmp_path / "a", "w") as file:
            file.create_dataset("x", data=np.moveaxis(stack, 0, -1), chunks=chunks)
        for cache in (hdf5.TOGETHER, 9 * 20 * 2 * 2):  # all at once; two at a time
            monkeypatch.setattr(hdf5, "TOGETHER", cache)
            sources, pixels, _ = read(tmp_path / "a", layout="hwn")
            np.testing.assert_array_equal(np.stack(pixels), stack)
            assert sources == [f"f.h5[{i}]" for i in range(7)]


@pytest.mark.parametrize("shape", [(48, 48, 200), (48, 64, 200), (32, 32, 33), (48, 48, 48)])
def test_two_readings_of_a_stack_are_a_question(tmp_path, shape):
    path = write(tmp_path / "a", x=np.zeros(shape, np.uint8))
    a, b, c = shape
    one, other = rf"{a} images of {b} x {c} .*layout: nhw\)", rf"{c} images of {a} x {b} \(hdf5.layout: hwn\)"
    with pytest.raises(Rejected, match=f"{one} or {other}"):
        read(path)
    assert len(read(path, layout="nhw")[1]) == a


@pytest.mark.parametrize("shape", [(200, 48, 48), (200, 48, 64), (49, 48, 48), (5, 12, 200)])
def test_a_stack_of_one_reading_is_none(tmp_path, shape):
    assert len(read(write(tmp_path / "a", x=np.zeros(shape, np.uint8)))[1]) == shape[0]


def test_axes_that_other_programs_write(tmp_path, picture):
    stack = picture(3, (7, 9, 20, 3), "uint16")
    svhn = write(tmp_path / "a", X=np.moveaxis(stack, 0, -1))
    np.testing.assert_array_equal(read(svhn, images="X", layout="hwcn")[1], stack)
    with pytest.raises(Rejected, match=r"`/X` \(9, 20, 3, 7\): .*`hwcn`"):
        read(svhn)
    led = write(tmp_path / "b", data=stack[None, ..., 0])  # (1, N, H, W)
    np.testing.assert_array_equal(read(led)[1], stack[..., 0])
    planes = write(tmp_path / "c", data=np.moveaxis(stack, -1, 1).reshape(7, -1))
    np.testing.assert_array_equal(read(planes, images="data", layout="flat", shape=[3, 9, 20])[1], stack)


def matlab(path, **sets):
    with h5py.File(path, "w", userblock_size=512) as file:
        for name, data in sets.items():
            file[name] = data
    with open(path, "r+b") as file:
        file.write(b"MATLAB 7.3 MAT-file, Platform: GLNXA64")
    return path


def test_matlab_stores_axes_the_other_way_round(tmp_path, picture):
    stack = picture(4, (7, 9, 20), "uint16")
    path = matlab(tmp_path / "a.mat", IMG=stack.swapaxes(1, 2), labels=np.arange(7.0)[None])
    _, pixels, labels = read(path, rule="hdf5")
    np.testing.assert_array_equal(pixels, stack)
    assert labels == list("0123456")


def test_flat_columns_of_matlab_are_columns_of_the_image(tmp_path, picture):
    stack = picture(4, (7, 9, 20), "uint16")
    path = matlab(tmp_path / "a.mat", IMG=stack.swapaxes(1, 2).reshape(7, -1))
    np.testing.assert_array_equal(read(path, layout="flat", shape=[9, 20])[1], stack)


def test_the_one_hot_label_of_one_image_is_one_label(tmp_path, picture):
    path = write(tmp_path / "a", x=picture(1, (1, 12, 20)), labels=np.array([[0, 0, 1]]))
    assert read(path, rule="hdf5", layout="nhw")[2] == ["2"]


def test_a_label_beyond_all_numbers_is_its_text(tmp_path, picture):
    path = write(tmp_path / "a", x=picture(1, (2, 12, 20)), labels=np.array([1.0, np.inf]))
    assert read(path, rule="hdf5", layout="nhw")[2] == ["1.0", "inf"]


def test_colours_of_one_image_or_images_are_a_question(tmp_path, picture):
    path = write(tmp_path / "a", x=picture(5, (3, 12, 20)))
    with pytest.raises(Rejected, match=r"3 images of 12 x 20 .*nhw\) or one of 3 channels \(hdf5.layout: hw\)"):
        read(path)
    assert (len(read(path, layout="nhw")[1]), read(path, layout="hw")[1][0].shape) == (3, (12, 20, 3))


def test_what_is_there_is_said_where_nothing_looks_like_images(tmp_path):
    path = write(tmp_path / "a", x=np.zeros((20, 32, 32, 2), np.uint8), y=np.zeros((4, 5, 32, 32, 3)), z=np.arange(3))
    said = r"it holds `/y` \(4, 5, 32, 32, 3\), `/x` \(20, 32, 32, 2\): read are \(N, H, W\), and .* 1, 3 or 4 channels"
    with pytest.raises(Rejected, match=said):
        read(path)


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
    with pytest.raises(Rejected, match=r"`/one`, `/two`.*all of them, `hdf5\.images: /`, where `labels\.rule: folder`"):
        read(path)
    with pytest.raises(Rejected, match="holds no `three`"):
        read(path, images="three")
    assert len(read(path, images="two")[1]) == 5


def test_all_stacks_of_a_group_where_it_is_named(tmp_path, stack):
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["s/good"], file["s/bad"], file["s/table"] = stack, stack[:2, ::-1], np.arange(5)
        file["s/bad"].attrs["class"] = "pore"
    sources, pixels, labels = read(path, images="/s")
    assert sources[:3] == ["f.h5/s/bad[0]", "f.h5/s/bad[1]", "f.h5/s/good[0]"]
    assert labels == ["pore"] * 2 + [None] * len(stack)
    np.testing.assert_array_equal(pixels, [*stack[:2, ::-1], *stack])
    with h5py.File(path, "a") as file:
        file["s/one"] = stack[0]
    with pytest.raises(Rejected, match=r"holds 2 stack\(s\), as `/s/bad`, and 1 single image\(s\), as `/s/one`"):
        read(path, images="/s")


def test_claims_are_judged_before_reading(tmp_path):
    with h5py.File(tmp_path / "huge", "w") as file:
        file.create_dataset("images", (10**6, 4096, 4096), "u2", chunks=(1, 64, 64), compression="gzip")
        file["images"][0, :64, :64] = 1
    with pytest.raises(Rejected, match="which cannot be"):
        read(tmp_path / "huge")
    with h5py.File(tmp_path / "empty", "w") as file:
        file.create_dataset("images", (5, 64, 64), "u1", chunks=(1, 64, 64))
    with pytest.raises(Rejected, match="never filled"):
        read(tmp_path / "empty")


@pytest.fixture
def leaving(tmp_path, stack, picture):
    """A file that leads to others in every way that HDF5 knows, and to itself."""
    other = write(tmp_path / "other.h5", images=stack[..., 0], labels=[1, 2, 3, 4, 5])
    (tmp_path / "secret").write_bytes(bytes(range(32)) * 40)
    own = stack[..., 0]
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["own"] = own
        file["link"] = h5py.ExternalLink(str(other), "/images")
        file["whole"] = h5py.ExternalLink(str(other), "/")
        file["labels"] = h5py.ExternalLink(str(other), "/labels")
        file["soft to link"] = h5py.SoftLink("/link")
        file["soft to own"] = h5py.SoftLink("soft to soft")
        file["soft to soft"] = h5py.SoftLink("/own")
        file["loop"] = h5py.SoftLink("/loop")
        file["nowhere"] = h5py.SoftLink("/not there")
        file.create_dataset("storage", (5, 16, 16), "u1", external=[(str(tmp_path / "secret"), 0, 1280)])
        file["group/link"] = h5py.ExternalLink(str(other), "/images")
        for name, source in (
            ("view", h5py.VirtualSource(str(other), "images", own.shape)),
            ("own view", h5py.VirtualSource(file["own"])),
            ("view of storage", h5py.VirtualSource(file["storage"])),
            ("view of link", h5py.VirtualSource(".", "link", own.shape)),
        ):
            layout = h5py.VirtualLayout(source.shape, own.dtype)
            layout[:] = source
            file.create_virtual_dataset(name, layout)
        layout = h5py.VirtualLayout(own.shape, own.dtype)
        layout[:] = h5py.VirtualSource(file["own view"])
        file.create_virtual_dataset("view of view", layout)
    return tmp_path / "a.h5"


@pytest.mark.parametrize(
    ("images", "reason"),
    [
        ("link", r"`link` is a link to another file \(.*other\.h5\), and only this file is read"),
        ("soft to link", r"`/link` is a link to another file"),
        ("whole/images", "is a link to another file"),
        ("whole", "is a link to another file"),
        ("storage", r"`/storage` has its pixels in another file \(.*secret\), and only this file is read"),
        ("view", r"`/view` is a view of another file \(.*other\.h5\), and only this file is read"),
        ("view of storage", "`/storage` has its pixels in another file"),
        ("view of link", "is a link to another file"),
        ("view of view", "which has no pixels of its own"),
        ("group", r"holds no images \(but 1 link\(s\) to other files, which are not read\)"),
        ("loop", "holds no `loop`"),
        ("nowhere", "holds no `nowhere`"),
        ("own/deeper", "holds no `own/deeper`"),
    ],
)
def test_nothing_outside_the_file_is_read(leaving, images, reason):
    with pytest.raises(Rejected, match=reason):
        read(leaving, images=images)


def test_what_stays_inside_the_file_is_read(leaving, stack):
    for name in ("own", "/own", "soft to own", "own view"):
        np.testing.assert_array_equal(np.stack(read(leaving, images=name)[1]), stack[..., 0])
    with pytest.raises(Rejected, match="is a link to another file"):
        read(leaving, images="own", rule="hdf5")
    with pytest.raises(Rejected, match="is a link to another file"):
        read(leaving, images="own", rule="hdf5", labels="whole/labels")


@pytest.mark.parametrize("how", ["storage", "view", "link"])
def test_unnamed_images_outside_the_file_are_not_read_either(tmp_path, leaving, how):
    with h5py.File(leaving) as source, h5py.File(tmp_path / "b.h5", "w") as file:
        if how == "link":
            file["images"] = h5py.ExternalLink(str(leaving), "own")
        else:
            source.copy(how, file, "images")
    with pytest.raises(Rejected, match=r"another file|other files"):
        read(tmp_path / "b.h5")


def test_a_file_that_is_changed_between_looking_and_reading_leads_nowhere_either(leaving):
    settings = Dataset.model_validate({"source": "x", "hdf5": {"images": "own"}})
    headers = readers.headers(str(leaving), "f.h5", settings)
    with h5py.File(leaving, "a") as file:
        del file["own"]
        file["own"] = h5py.ExternalLink(str(leaving.parent / "other.h5"), "/images")
    assert "is a link to another file" in str(next(readers.frames(headers, settings)))


def test_images_that_share_chunks_are_decoded_together_and_a_damaged_one_costs_its_own_alone(tmp_path, monkeypatch):
    stack = np.random.default_rng(3).integers(0, 255, (9, 16, 16), np.uint8)
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        chunk = file.create_dataset("images", data=stack, chunks=(3, 16, 16), compression="gzip").id.get_chunk_info(1)
    reads, read_it = [], h5py.Dataset.__getitem__
    monkeypatch.setattr(h5py.Dataset, "__getitem__", lambda self, rows: reads.append(rows) or read_it(self, rows))
    np.testing.assert_array_equal(np.stack(read(path)[1]), stack)
    assert len(reads) == 1
    whole = bytearray(path.read_bytes())
    whole[chunk.byte_offset + 20 : chunk.byte_offset + 60] = bytes(40)
    path.write_bytes(whole)
    settings = Dataset.model_validate({"source": "x"})
    found = list(readers.frames(readers.headers(str(path), "f.h5", settings), settings))
    assert [i for i, frame in enumerate(found) if isinstance(frame, Rejected)] == [3, 4, 5]
    np.testing.assert_array_equal([found[i].pixels for i in (0, 1, 2, 6, 7, 8)], stack[[0, 1, 2, 6, 7, 8]])


def test_a_filter_that_is_not_installed_is_named_and_not_taken_for_damage(tmp_path, stack, monkeypatch):
    with h5py.File(tmp_path / "a", "w") as file:
        file.create_dataset("images", data=stack, compression="gzip", shuffle=True)
    monkeypatch.setattr(hdf5, "filter_avail", lambda code: code != h5py.h5z.FILTER_DEFLATE)
    with pytest.raises(Rejected, match=r"is compressed with deflate \(1\), .*pip install hdf5plugin"):
        read(tmp_path / "a")


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


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (np.array([b"good", b"bad", b"good", b"bad", b"good"]), ["good", "bad", "good", "bad", "good"]),  # fixed length
        (np.array([b"good", b"bad"] * 2 + [b"\xfc"]).reshape(5, 1), ["good", "bad", "good", "bad", "ü"]),
        (np.array([[3], [1], [2], [2], [1]]), ["3", "1", "2", "2", "1"]),
        (np.array([1.0, 2.0, 1.0, 2.0, 3.0]), ["1", "2", "1", "2", "3"]),
        (np.eye(5, 3, dtype="u1")[[0, 2, 1, 1, 0]], ["0", "2", "1", "1", "0"]),
        (np.eye(2)[[0, 1, 1, 1, 0]], ["0", "1", "1", "1", "0"]),
        (np.array([b"good ", b"good", b"bad  ", b"bad", b" "]), ["good", "good", "bad", "bad", ""]),  # filled up
        (np.array([[1.0, 2.0, np.nan, 2.0, 1.0]]), ["1", "2", None, "2", "1"]),  # (1, N)
        (np.array([True, False, False, True, True]), ["True", "False", "False", "True", "True"]),
    ],
)
def test_labels_in_every_dress(tmp_path, stack, labels, expected):
    assert read(write(tmp_path / "a", images=stack, labels=labels), rule="hdf5")[2] == expected


def test_labels_of_named_numbers_and_tables_that_are_no_labels(tmp_path, stack):
    with h5py.File(tmp_path / "a", "w") as file:
        file["images"] = stack
        words = h5py.enum_dtype({"good": 0, "bad": 1}, basetype="u1")
        file.create_dataset("labels", data=np.array([0, 1, 1, 0, 0], "u1"), dtype=words)
        file["scores"] = np.full((5, 3), 0.5)
    assert read(tmp_path / "a", rule="hdf5")[2] == ["good", "bad", "bad", "good", "good"]
    with pytest.raises(Rejected, match=r"`/scores` \(hdf5\.labels\) of shape \(5, 3\) has rows that are not one 1"):
        read(tmp_path / "a", rule="hdf5", labels="scores")


def test_labels_that_are_neither_numbers_nor_texts_are_refused(tmp_path, stack):
    pairs = np.zeros(5, [("grain", "i4"), ("phase", "f4")])
    with pytest.raises(Rejected, match=r"`/labels` \(.*\) holds neither numbers nor texts, but grain, phase in one"):
        read(write(tmp_path / "a", images=stack, labels=pairs), rule="hdf5")
    with h5py.File(tmp_path / "b", "w") as file:
        file["images"] = stack
        file.create_dataset("labels", data=[file["images"].ref] * 5, dtype=h5py.ref_dtype)
    with pytest.raises(Rejected, match="holds neither numbers nor texts"):
        read(tmp_path / "b", rule="hdf5")


def test_rows_of_square_images_are_a_question(tmp_path, picture):
    rows = picture(4, (40, 256))
    path = write(tmp_path / "a", data=rows)
    with pytest.raises(Rejected, match=r"40 images of 16 x 16 .*hdf5\.shape: \[16, 16\]\) or one image of 40 x 256"):
        read(path)
    assert read(path, layout="flat", shape=[16, 16])[1][3].tolist() == rows[3].reshape(16, 16).tolist()
    np.testing.assert_array_equal(read(path, layout="hw")[1], [rows])
    with pytest.raises(Rejected, match=r"rows of 256 pixels need hdf5\.shape.*: \[16, 16\] would be square"):
        read(path, layout="flat")
    assert len(read(write(tmp_path / "b", data=picture(5, (200, 256))))[1]) == 1  # a picture as pictures are
    with pytest.raises(Rejected, match=r"40 images of 16 x 16 pixels, a column each .*\(40, 256\)"):
        read(write(tmp_path / "c", data=rows.T))
    with pytest.raises(Rejected, match=r"shape: \[32, 32, 3\], or \[3, 32, 32\] where planes"):
        read(write(tmp_path / "d", data=picture(6, (24, 3072))))


def test_velox_keeps_frames_along_the_last_axis(tmp_path, picture):
    frames = picture(6, (20, 24, 24), "uint16")
    path = tmp_path / "a.emd"
    with h5py.File(path, "w") as file:
        file["Data/Image/0a1b/Data"] = np.moveaxis(frames, 0, -1)
        file["Data/Image/0a1b/Metadata"] = np.zeros((500, 20), "u1")
        file["Version"] = np.array([b'{"format": "Velox", "version": "1.0"}'])
    np.testing.assert_array_equal(read(path)[1], frames)
    with h5py.File(path, "a") as file:  # its pictures are of the class of the file
        file["Data/Image/2c3d/Data"] = file["Data/Image/0a1b/Data"][..., :1]
        del file["Data/Image/0a1b"]
        file["Data/Image/4e5f/Data"] = file["Data/Image/2c3d/Data"][()]
    headers = readers.headers(str(path), "good/a.emd", Dataset.model_validate({"source": "x", "labels": "folder"}))
    assert [header.folder for header in headers] == ["", ""]


def test_nexus_says_what_to_look_at(tmp_path, picture):
    frames = picture(7, (6, 20, 24), "uint16")
    with h5py.File(tmp_path / "a.nxs", "w") as file:
        file["entry/data/data"] = frames
        file["entry/instrument/flat_field"] = picture(8, (6, 20, 24))
        file.attrs["default"] = "entry"
        file["entry"].attrs["default"] = "data"
        file["entry/data"].attrs["signal"] = "data"
    np.testing.assert_array_equal(read(tmp_path / "a.nxs")[1], frames)
    with h5py.File(tmp_path / "a.nxs", "a") as file:
        del file.attrs["default"]
    with pytest.raises(Rejected, match="several data sets look like images"):
        read(tmp_path / "a.nxs")


def test_images_that_share_chunks_go_to_one_task(tmp_path):
    with h5py.File(tmp_path / "a", "w") as file:
        file.create_dataset("images", data=np.ones((700, 16, 16), "u1"), chunks=(300, 4, 4))
    settings = Dataset.model_validate({"source": "x"})
    headers = readers.headers(str(tmp_path / "a"), "f.h5", settings)
    assert [len(run) for run in _runs(list(range(700)), headers)] == [300, 300, 100]
    alone = [header._replace(block=None) for header in headers]
    assert [len(run) for run in _runs(list(range(700)), alone)] == [128] * 5 + [60]


@pytest.mark.parametrize("channels", ["auto", "rgb", "gray"])
@pytest.mark.parametrize("layout", ["nhwc", "nchw", "auto", "flat", "one"])
def test_a_fourth_channel_is_asked_about(tmp_path, picture, layout, channels):
    stack = picture(9, (5, 12, 20, 4))
    stored = {"nchw": np.moveaxis(stack, -1, 1), "flat": stack.reshape(5, -1), "one": stack[0]}.get(layout, stack)
    write(tmp_path / "a", x=stored)
    options = {"layout": "flat", "shape": [12, 20, 4]} if layout == "flat" else {"images": "x"}
    settings = Dataset.model_validate({"source": "x", "channels": channels, "hdf5": options})
    if channels == "auto":
        with pytest.raises(Rejected, match=r"has 4 channels, .*: if it is, `channels: rgb`"):
            readers.headers(str(tmp_path / "a"), "f.h5", settings)
    else:
        headers = readers.headers(str(tmp_path / "a"), "f.h5", settings)
        np.testing.assert_array_equal(next(readers.frames(headers, settings)).pixels, stack[0, ..., :3])
