"""From files to an image set."""

import csv
import io
import os
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile
from PIL import Image
from scipy.ndimage import gaussian_filter

from pipeline.data.image_set import ImageSet
from pipeline.data.near_duplicates import report
from pipeline.data.preparing import prepare as module
from pipeline.data.preparing import scaling, scan
from pipeline.data.preparing.prepare import prepare
from pipeline.data.reading.sandbox import Failed
from pipeline.settings import UserError
from tests.data.conftest import Inline


def prepared(settings, out):
    prepare(settings, out)
    return ImageSet.open(out)


def rejected(out):
    with open(out / "rejected.csv", encoding="utf-8") as file:
        return {row["file"]: row["reason"] for row in csv.DictReader(file)}


def test_awkward_names_nested_folders_and_bad_files(tmp_path, inline, folder, picture, dataset, capsys):
    nan = np.full((20, 20), np.nan, np.float32)
    content = {f"good/deep er/a#{i} (1).png": picture(i, (20, 30)) for i in range(6)}
    content |= {f"schlecht ü/[{i}].tif": picture(10 + i, (40, 20)) for i in range(6)}
    content |= {
        "good/empty.png": b"", "good/text.jpg": b"just some words in a file of another name",
        "good/black.png": np.zeros((20, 20), np.uint8), "good/nan.tif": nan, "README.md": b"# about",
    }  # fmt: skip
    out = tmp_path / "out"
    images = prepared(dataset(folder(content), labels={"rule": "folder"}), out)
    assert images.meta["classes"] == ["good", "schlecht ü"]
    assert images.images.shape == (12, 16, 16, 1)
    assert images.metadata["source"][0] == "good/deep er/a#0 (1).png"
    reasons = rejected(out)
    assert sorted(reasons) == ["good/black.png", "good/empty.png", "good/nan.tif", "good/text.jpg"]
    assert reasons["good/nan.tif"] == "has 400 pixel value(s) that are not finite (NaN or infinity): `not_finite: fill`"
    assert "every pixel is 0" in reasons["good/black.png"]
    with Image.open(out / "preview.png") as preview:
        assert preview.size[0] > 900
    said = capsys.readouterr().err
    assert "12 images of 16 x 16" in said
    assert "mixed sizes: 20 x 30 (6), 40 x 20 (6)" in said
    assert "first of 4 rejected" in said


def test_the_end_of_a_line_within_a_name_ends_no_row(tmp_path, inline, folder, picture, dataset):
    content = {f"a\rb/{i}\r.png": picture(i, (16, 16)) for i in range(4)}
    content |= {f"c\nd/{i}\r\n.png": picture(4 + i, (16, 16)) for i in range(4)}
    prepare(dataset(folder(content | {"a\rb/\rtext.png": b"words"}), labels={"rule": "folder"}), tmp_path / "out")
    images = ImageSet.open(tmp_path / "out")
    assert set(images.metadata["source"]) == set(content)
    assert images.meta["classes"] == ["a\rb", "c\nd"]
    with open(tmp_path / "out" / "rejected.csv", encoding="utf-8", newline="") as file:
        assert [row["file"] for row in csv.DictReader(file)] == ["a\rb/\rtext.png"]


def test_pixels_arrive_unchanged_where_nothing_is_to_be_done(tmp_path, inline, folder, picture, dataset):
    pictures = [picture(i, (16, 16), "uint16") for i in range(5)]
    images = prepared(dataset(folder({f"{i}.tif": p for i, p in enumerate(pictures)})), tmp_path / "out")
    np.testing.assert_array_equal(images.images[..., 0], pictures)
    assert images.meta["dtype"] == "uint16"
    assert images.meta["scaling"] == {"rule": "dtype", "low": 0, "high": 65535}
    np.testing.assert_array_equal(scaling.restore(images.images[..., 0], images.meta), pictures)
    assert rejected(tmp_path / "out") == {}
    assert set(images.metadata["split"]) == {"train", "test"}


def test_mixed_depths_and_colours(tmp_path, inline, folder, dataset, capsys):
    gray = np.arange(256, dtype=np.uint8).reshape(16, 16)
    red = np.zeros((16, 16, 3), np.uint8)
    red[..., 0] = gray
    content = {"8.png": gray, "16.tif": gray.astype(np.uint16) * 257, "red.png": red}
    root = folder(content)
    images = prepared(dataset(root), tmp_path / "rgb")
    assert (images.images.dtype, images.images.shape[-1]) == (np.uint16, 3)
    eight, sixteen, coloured = images.images  # in natural order of names
    np.testing.assert_array_equal(eight, sixteen)  # full range stands for full range
    np.testing.assert_array_equal(coloured[..., 0], gray.astype(np.uint16) * 257)
    assert coloured[..., 1:].max() == 0
    said = capsys.readouterr().err
    assert "mixed depths: uint8 (2), uint16 (1)" in said
    assert "1 of 3 show colour (first: red.png)" in said
    luma = prepared(dataset(root, channels="gray"), tmp_path / "gray").images[2, ..., 0]
    np.testing.assert_allclose(luma, np.rint(0.299 * gray * 257.0), atol=1)


@pytest.mark.parametrize(("pages", "said"), [(0, "2 file(s) of several pages: 5 pages are not read"), ("all", None)])
def test_pages_that_are_not_read_are_counted(tmp_path, inline, dataset, picture, capsys, pages, said):
    for name, count in (("a", 3), ("b", 4), ("c", 1)):
        with tifffile.TiffWriter(tmp_path / f"{name}.tif") as tiff:
            for k in range(count):
                tiff.write(picture(ord(name) * 10 + k, (32, 32)), contiguous=False)
    settings = dataset(source=str(tmp_path), size=32, pages=pages, split={"test": 0.0, "val": 0.0})
    assert len(prepared(settings, tmp_path / "out")) == (3 if pages == 0 else 8)
    shown = capsys.readouterr().err
    assert (said in shown) if said else ("not read" not in shown)


def test_wide_strips_are_tiled_and_stay_together(tmp_path, inline, folder, dataset, picture):
    strips = {f"strip_{i}.tif": picture(i, (20, 120)) for i in range(5)}
    settings = dataset(folder(strips), fit="tile", pixel_size=0.5, tile_overlap=0.5)
    images = prepared(settings, tmp_path / "out")
    assert len(images) == 5 * 2 * 14
    row = images.metadata.iloc[-1]
    assert (row["source"], row["row"], row["col"]) == ("strip_4.tif", 4, 104)  # flush with the lower right corner
    np.testing.assert_array_equal(images.images[-1, ..., 0], strips["strip_4.tif"][4:, 104:])
    assert (images.metadata.groupby("source")["split"].nunique() == 1).all()
    assert images.meta["pixel_size"] == 0.5
    half = settings.model_copy(update={"tile_source": 20.0})
    assert prepared(half, tmp_path / "half").meta["pixel_size"] == 0.5 * 20 / 16


def test_tiles_of_one_value_and_images_smaller_than_a_tile_are_left_out(tmp_path, inline, folder, dataset, picture):
    half_black = picture(9, (16, 64))
    half_black[:, :32] = 0
    content = {"half.png": half_black, "small.png": picture(1, (15, 99))}
    content |= {f"{i}.png": picture(i, (16, 64)) for i in range(3)}
    assert len(prepared(dataset(folder(content), fit="tile", tile_overlap=0), tmp_path / "out")) == 3 * 4 + 2
    assert "15 x 99 pixels are smaller than a tile" in rejected(tmp_path / "out")["small.png"]
    assert "is constant" in rejected(tmp_path / "out")["half.png"]


def test_crop_and_its_errors(tmp_path, inline, folder, dataset, picture):
    marked = {f"{i}.png": picture(i, (20, 16)) // 2 for i in range(4)}
    for pixels in marked.values():
        pixels[16:] = 255
    root = folder(marked)
    images = prepared(dataset(root, crop_bottom=4), tmp_path / "out").images
    np.testing.assert_array_equal(images[1, ..., 0], marked["1.png"][:16])
    with pytest.raises(UserError, match=r"none of 4 file\(s\) can be used: 0\.png: .*crop_bottom \(20\) leaves none"):
        prepare(dataset(root, crop_bottom=20), tmp_path / "none")
    assert len(rejected(tmp_path / "none")) == 4


def test_scaling_rules(tmp_path, inline, folder, dataset, picture, capsys):
    content = {f"{i}.tif": (1000 + 500 * i + picture(i, (16, 16), "float32") * 100).astype("f4") for i in range(4)}
    root = folder(content)
    with pytest.raises(UserError, match="outside"):
        prepare(dataset(root), tmp_path / "a")
    prepare(dataset(root, scaling={"rule": "percentile", "low_percentile": 0, "high_percentile": 100}), tmp_path / "b")
    images = ImageSet.open(tmp_path / "b")
    train = images.rows("train")
    seen = np.stack(list(content.values()))[train]
    assert (images.meta["scaling"]["low"], images.meta["scaling"]["high"]) == (seen.min(), seen.max())
    np.testing.assert_allclose(scaling.restore(images.images[train, ..., 0], images.meta), seen, atol=0.02)
    each = prepared(dataset(root, scaling={"rule": "image_percentile"}), tmp_path / "c")
    assert np.ptp(each.images[..., 0].mean(axis=(1, 2))) < 0.1 * 65535
    np.testing.assert_allclose(np.diff(each.metadata["low"]), 500, atol=10)
    assert each.meta["scaling"]["low"] == pytest.approx(each.metadata["low"][each.rows("train")].median())
    prepare(dataset(root, scaling={"rule": "fixed", "low": 0, "high": 1e6}), tmp_path / "d")
    assert "the images use 0.2% of this range" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("hot", "span", "said"),
    [(6, 2000, True), (0, 2000, True), (6, 50000, False), (2000, 2000, False)],
    ids=["hot pixels", "none", "bright images", "half is bright"],
)
def test_a_few_hot_pixels_do_not_hide_that_images_are_dark(inline, folder, dataset, capsys, tmp_path, hot, span, said):
    rng = np.random.default_rng(0)
    content = {f"{i}.tif": rng.integers(400, 400 + span, (64, 64)).astype("u2") for i in range(4)}
    for picture in content.values():
        picture.flat[rng.choice(picture.size, hot, replace=False)] = 65535
    prepare(dataset(folder(content)), tmp_path / "out")
    who = "all but a few pixels, hot ones for example, use" if hot else "the images use"
    assert (f"{who} 3." in capsys.readouterr().err) == said
    assert any(who in fact for fact in ImageSet.open(tmp_path / "out").meta["noticed"]) == said


def test_images_of_black_and_white_pixels_alone(tmp_path, inline, folder, dataset, picture):
    root = folder({f"{i}.tif": picture(i, (16, 16)) > 99 for i in range(4)})
    pixels = prepared(dataset(root), tmp_path / "out").images
    assert set(np.unique(pixels)) == {0, 255}


def test_small_whole_numbers_in_wide_types_are_not_turned_black(tmp_path, inline, dataset, picture):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["images"] = picture(1, (6, 16, 16)).astype(np.int64)
    with pytest.raises(UserError, match="become one level"):
        prepare(dataset(str(tmp_path / "a.h5")), tmp_path / "out")


def test_a_table_of_classes_and_splits(tmp_path, inline, folder, dataset, picture):
    root = folder({f"{i}.png": picture(i) for i in range(9)})
    table = tmp_path / "t.csv"
    rows = [f"{i}.png,{'ab'[i % 2]},{'val' if i < 2 else 'train'}" for i in range(8)]
    table.write_text("\n".join(["file,class,split", *rows, "lost.png,a,train"]))
    settings = dataset(
        root, labels={"rule": "csv", "csv": [str(table)]},
        split={"column": "split", "names": {"train": "train", "val": "test"}, "val": 0.34},
    )  # fmt: skip
    images = prepared(settings, tmp_path / "out")
    assert images.metadata["source"][images.rows("test")].tolist() == ["0.png", "1.png"]
    assert sorted(images.metadata["label"][images.rows("val")]) == ["a", "b"]
    assert rejected(tmp_path / "out") == {
        "8.png": "has no row in labels.csv",
        "lost.png": "t.csv has a row for it, but the source has no such image",
    }


def test_classes_and_limits(tmp_path, inline, folder, dataset, picture):
    root = folder({f"{c}_{i}.png": picture(100 * ord(c) + i) for c in "abc" for i in range(10)})
    by_name = {"rule": "filename"}
    images = prepared(dataset(root, labels=by_name | {"classes": ["c", "a"]}), tmp_path / "two")
    assert images.meta["classes"] == ["c", "a"]
    assert images.metadata["label"].value_counts().to_dict() == {"a": 10, "c": 10}
    assert rejected(tmp_path / "two")["b_3.png"] == "has the class `b`, which labels.classes does not name"
    prepare(dataset(root, labels=by_name, limit=4), tmp_path / "limit")
    assert ImageSet.open(tmp_path / "limit").metadata["label"].value_counts().to_dict() == {"a": 4, "b": 4, "c": 4}


def test_images_that_a_limit_drew_in_vain_are_replaced(tmp_path, inline, folder, dataset, picture):
    content = {f"{i}.png": b"broken" if i % 2 else picture(i) for i in range(20)}
    assert len(prepared(dataset(folder(content), limit=10), tmp_path / "out")) == 10


def test_a_class_of_one_image_stops(tmp_path, inline, folder, dataset, picture):
    root = folder({"a_1.png": picture(1), "a_2.png": picture(2), "lonely_1.png": picture(3)})
    with pytest.raises(UserError, match="class `lonely`: 1 image"):
        prepare(dataset(root, labels={"rule": "filename"}), tmp_path / "out")


def test_measurements_in_place_of_classes_are_said_so(tmp_path, inline, folder, dataset, picture):
    root = folder({f"{i}.png": picture(i, (16, 16)) for i in range(20)})
    rows = [f"{i}.png,{0.00271 * (i // 2 if i < 4 else i)}" for i in range(20)]
    (tmp_path / "t.csv").write_text("\n".join(["file,class", *rows]), encoding="utf-8")
    settings = dataset(root, labels={"rule": "csv", "csv": [str(tmp_path / "t.csv")]})
    with pytest.raises(UserError, match=r"20 images have 18 classes: .* measurement.*\(labels\.class_column\)"):
        prepare(settings, tmp_path / "out")


def test_folders_that_leave_a_class_nothing_to_train_are_said_so(tmp_path, inline, folder, dataset, picture):
    kinds = {"train/good": 4, "test/good": 2, "test/crack": 3}
    content = {f"{kind}/{i}.png": picture(len(kind) + i, (16, 16)) for kind, n in kinds.items() for i in range(n)}
    with pytest.raises(UserError, match=r"class `crack`: .* folders or a CSV give the split.* set `good` to the class"):
        prepare(dataset(folder(content), labels={"rule": "folder"}), tmp_path / "a")
    prepare(dataset(folder(content), labels={"rule": "folder"}, good="good"), tmp_path / "b")
    assert ImageSet.open(tmp_path / "b").metadata["split"].value_counts()["test"] == 5


def test_copies_stay_on_one_side(tmp_path, inline, folder, dataset, picture):
    content = {f"{i}.png": picture(i // 2) for i in range(20)}  # each twice
    sides = prepared(dataset(folder(content)), tmp_path / "out").metadata["split"].to_numpy()
    assert (sides[::2] == sides[1::2]).all()
    assert set(sides) == {"train", "val", "test"}


def near_duplicates(out):
    with open(out / "near_duplicates.csv", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_exact_copies_too_small_to_compare_are_in_the_table(tmp_path, inline, folder, dataset, picture, capsys):
    content = {f"{i:02d}.png": picture(i % 14, (32, 32)) for i in range(20)}
    prepared(dataset(folder(content), size=32), tmp_path / "out")
    assert "(6 pairs, in near_duplicates.csv)" in capsys.readouterr().err
    rows = near_duplicates(tmp_path / "out")
    assert [(row["file"], row["other"]) for row in rows] == [(f"{i:02d}.png", f"{14 + i}.png") for i in range(6)]
    assert [rows[0][name] for name in ("rows", "cols", "turn", "zoom", "mirrored")] == [
        "0.0",
        "0.0",
        "0.0",
        "1.000",
        "no",
    ]
    assert rows[0]["windows"] == rows[0]["height"] == ""
    assert all(row["split"] == row["other_split"] for row in rows)


@pytest.mark.parametrize(
    ("good", "said"), [("Gut", "; `Gut` and `gut` differ in case"), ("gutt", "the nearest is `gut`"), ("x", "$")]
)
def test_good_is_a_class_of_the_images(tmp_path, inline, folder, dataset, picture, good, said):
    source = folder({f"{kind}/{i}.png": picture(10 * n + i) for n, kind in enumerate(("gut", "00")) for i in range(6)})
    with pytest.raises(UserError, match=f"good: `{good}` is the class of no image; .* found are 00, gut.*{said}"):
        prepare(dataset(source, labels={"rule": "folder"}, good=good), tmp_path / "out")


@pytest.mark.parametrize(("masks", "warned"), [(0, False), (4, True), (12, False)])
def test_images_of_two_values_among_others_are_named(tmp_path, inline, folder, dataset, picture, capsys, masks, warned):
    marked = {f"{i:02d}_Maske.png": np.uint8(255) * (picture(i) > 200) for i in range(masks)}
    photographs = {f"{i:02d}.png": picture(50 + i) for i in range(12 - masks)}
    images = prepared(dataset(folder(photographs | marked)), tmp_path / "out")
    text = "4 of 12 images are of two values, and look like masks, yet are taken for photographs (00_Maske.png"
    assert (f"WARNING: {text}" in capsys.readouterr().err) == warned
    assert any(text in line for line in images.meta["noticed"]) == warned


def test_images_of_smooth_edges_between_black_and_white_are_named_too(
    tmp_path, inline, folder, dataset, picture, capsys
):
    white = np.zeros((32, 32), np.uint8)
    white[8:14, 8:20] = 255
    soft = ((3 * white.astype(int) + np.roll(white, 1, 0)) // 4).astype(np.uint8)
    soft[0, ::3] = 3
    bad = {f"{i}_bw.png": np.roll(soft, i, 1) for i in range(3)}
    dark = {f"{i}.png": np.minimum(picture(i, (32, 32)), 20) for i in range(6)}  # a photograph, however dark
    bright = {f"b{i}.png": picture(20 + i, (32, 32)) for i in range(6)}
    prepare(dataset(folder(bad | dark | bright)), tmp_path / "out")
    assert "WARNING: 3 of 15 images are of two values" in capsys.readouterr().err


@pytest.mark.parametrize("area", [0.02, 0.5, 0.9])
@pytest.mark.parametrize("quality", [30, 95])
def test_masks_in_jpegs_look_like_masks_and_a_photograph_of_two_phases_does_not(area, quality):
    rng = np.random.default_rng(0)
    smooth = gaussian_filter(rng.normal(size=(200, 256)), 8)
    defect = smooth > np.quantile(smooth, 1 - area)
    for pixels, mask in ((255 * defect, True), (np.where(defect, 215, 40) + rng.normal(0, 8, defect.shape), False)):
        file = io.BytesIO()
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=quality)
        read = np.asarray(Image.open(file))
        assert scan.two_values(read, read.min(), read.max()) == mask


def test_a_picture_beside_the_folders_of_the_classes_is_of_none(tmp_path, inline, folder, dataset, picture):
    content = {f"{c}/Imgs/{i}.png": picture(10 * n + i) for n, c in enumerate(("good", "bad")) for i in range(6)}
    root = folder(content | {"dataset.png": picture(99)})
    images = prepared(dataset(root, labels={"rule": "folder"}), tmp_path / "out")
    assert images.meta["classes"] == ["bad", "good"]
    assert "beside the folders of the classes, in none of them" in rejected(tmp_path / "out")["dataset.png"]
    name = os.path.basename(root)
    named = dataset(root, labels={"rule": "folder", "classes": ["good", "bad", name]}, split={"test": 0, "val": 0})
    assert prepared(named, tmp_path / "named").meta["classes"] == ["good", "bad", name]


def test_what_lies_beside_one_folder_is_a_class_of_its_own(tmp_path, inline, folder, dataset, picture):
    content = {f"{i}.png": picture(i) for i in range(6)} | {f"bad/{i}.png": picture(20 + i) for i in range(6)}
    root = folder(content)
    images = prepared(dataset(root, labels={"rule": "folder"}), tmp_path / "out")
    assert images.meta["classes"] == sorted(["bad", os.path.basename(root)])


def test_channels_of_one_scene_are_not_offered_as_images(tmp_path, inline, dataset, capsys):
    root = tmp_path / "images"
    root.mkdir()
    for i in range(6):
        pixels = np.random.default_rng(i).integers(0, 255, (3, 32, 32), dtype=np.uint8)
        tifffile.imwrite(root / f"{i}.tif", pixels, imagej=True, metadata={"axes": "CYX"})
    prepare(dataset(str(root)), tmp_path / "out")
    said = capsys.readouterr().err
    assert "6 file(s) of several channels (3): one page of each is read, now number 0" in said
    assert "pages are not read" not in said


def test_overlapping_crops_stay_on_one_side(tmp_path, inline, crops, dataset, capsys):
    images = prepared(dataset(crops()), tmp_path / "out")
    scene = images.metadata["source"].str.split("_").str[0]
    assert (images.metadata.groupby(scene)["split"].nunique() == 1).all()
    assert images.metadata["group"].nunique() == 16
    rows = near_duplicates(tmp_path / "out")
    assert len(rows) == 16 * 3
    assert [rows[0][name] for name in ("file", "other", "rows", "cols")] == ["0_a.png", "0_b.png", "20.0", "8.0"]
    facts = images.meta["near_duplicates"]
    assert (facts["images"], facts["of"], facts["pairs"], facts["crossing"], facts["leak"]) == (48, 48, 48, 0, 0)
    assert 0.7 < facts["leak_at_random"] < 1  # two partners of each, of which about seven in ten train
    assert "48 of 48 images overlap another (48 pairs" in capsys.readouterr().err


def test_one_large_micrograph_is_split_by_region(tmp_path, inline, folder, dataset, picture, capsys):
    root = folder({"large.png": picture(0, (400, 60)), "other.png": picture(1, (60, 420))})
    settings = dataset(root, fit="tile", size=20, tile_overlap=0, split={"by": "region", "near_duplicates": "off"})
    table = prepared(settings, tmp_path / "out").metadata
    assert table.groupby("source")["split"].nunique().tolist() == [3, 3]
    assert table["group"].nunique() == 6
    spans = table[table["source"] == "large.png"].groupby("split")["row"].agg(["min", "max"]).sort_values("min")
    assert (spans["min"].to_numpy()[1:] - spans["max"].to_numpy()[:-1] >= 40).all()  # a tile of 20 and a gap of one
    assert "6 independent pieces (2 to train, 2 to choose, 2 to judge); " in capsys.readouterr().err


def test_a_stack_is_split_by_ranges_of_its_slices(tmp_path, inline, folder, dataset, picture, capsys):
    stacks = {f"{i}.tif": [picture(100 * i + k, (20, 24)) for k in range(40)] for i in range(2)}
    root = folder({name: slices[0] for name, slices in stacks.items()})
    for name, slices in stacks.items():
        tifffile.imwrite(Path(root) / name, np.stack(slices), photometric="minisblack")
    split = {"by": "slices", "gap": 3}
    images = prepared(dataset(root, pages="all", split=split), tmp_path / "out")
    table = images.metadata.assign(slice=images.metadata["source"].str.extract(r"\[(\d+)\]")[0].astype(int))
    table["stack"] = table["source"].str.split("[").str[0]
    for _, own in table.groupby("stack"):
        spans = own.groupby("split")["slice"].agg(["min", "max", "size"]).sort_values("min")
        assert list(spans.index) in (["train", "val", "test"], ["test", "val", "train"])
        assert (spans["min"].to_numpy()[1:] - spans["max"].to_numpy()[:-1] == 4).all()  # 3 slices between
        assert (spans["max"] - spans["min"] + 1 == spans["size"]).all()
    assert table["group"].nunique() == 6
    said = capsys.readouterr().err
    assert "split by slices: 6 independent pieces (2 to train, 2 to choose, 2 to judge); 12 of 80 images" in said
    with pytest.raises(UserError, match="a stack of 40 slices is too short for 3 sides with gaps of 19, it needs 44"):
        prepare(dataset(root, pages="all", split=split | {"gap": 19}), tmp_path / "out")


def test_one_file_is_told_what_divides_it(tmp_path, inline, folder, dataset, picture):
    one = folder({"a.png": picture(0)})
    with pytest.raises(UserError, match=r"there is one picture: `fit: tile` with `split.by: region` divides it"):
        prepare(dataset(one), tmp_path / "out")
    with pytest.raises(UserError, match=r"`slices` divides stacks, but a.png is one picture; `split.by: source`"):
        prepare(dataset(one, split={"by": "slices"}), tmp_path / "out")
    path = Path(one) / "stack.tif"
    tifffile.imwrite(path, np.stack([picture(k) for k in range(5)]), photometric="minisblack")
    with pytest.raises(UserError, match=r"4 more pages are not read: `pages: all`, with `split.by: slices`"):
        prepare(dataset(str(path)), tmp_path / "out")
    with pytest.raises(
        UserError, match=r"all images are of one group; `split.by: slices` divides a stack by ranges of its slices"
    ):
        prepare(dataset(str(path), pages="all"), tmp_path / "out")


def test_stacks_of_one_hdf5_file_are_classes(tmp_path, inline, dataset, picture):
    with h5py.File(tmp_path / "all.h5", "w") as file:
        for seed, (name, count) in enumerate({"good": 5, "bad": 4}.items()):
            file[name] = picture(seed, (count, 24, 32))
    path = str(tmp_path / "all.h5")
    with pytest.raises(UserError, match=r"`/bad`, `/good`.*`hdf5.images: /`, where `labels.rule: folder`"):
        prepare(dataset(path, labels={"rule": "folder"}), tmp_path / "out")
    with pytest.raises(UserError, match=r"`/bad` .* can be 4 images of 24 x 32 .*hdf5.layout: nhw"):
        prepare(dataset(path, labels={"rule": "folder"}, hdf5={"images": "/"}), tmp_path / "out")
    images = prepared(dataset(path, labels={"rule": "folder"}, hdf5={"images": "/", "layout": "nhw"}), tmp_path / "out")
    assert images.metadata["label"].value_counts().to_dict() == {"good": 5, "bad": 4}
    assert images.metadata["source"][0] == "all.h5/bad[0]"


def test_groups_of_one_hdf5_file_are_classes(tmp_path, inline, dataset, picture):
    with h5py.File(tmp_path / "all.h5", "w") as file:
        for seed, name in enumerate(["all/bad/1", "all/bad/2", "all/bad/3", "all/good/1", "all/good/2", "all/good/3"]):
            file[name] = picture(seed, (24, 32))
    settings = dataset(str(tmp_path / "all.h5"), labels={"rule": "folder"}, hdf5={"images": "all"})
    images = prepared(settings, tmp_path / "out")
    assert images.metadata["label"].value_counts().to_dict() == {"good": 3, "bad": 3}


@pytest.mark.parametrize("names", [["good/images", "bad/images"], ["set/good/x/images", "set/bad/x/images"]])
@pytest.mark.parametrize("stacks", [True, False])
def test_groups_of_one_hdf5_file_whose_images_are_called_alike_are_classes(
    tmp_path, inline, dataset, picture, names, stacks
):
    with h5py.File(tmp_path / "all.h5", "w") as file:
        for seed, name in enumerate(names):
            pictures = picture(seed, (4, 24, 24))
            for path, some in [(name, pictures)] if stacks else [(f"{name}/{i}", p) for i, p in enumerate(pictures)]:
                file[path] = some
    rule = {"labels": {"rule": "folder"}, "hdf5": {"images": "/", "layout": "nhw" if stacks else "auto"}}
    images = prepared(dataset(str(tmp_path / "all.h5"), **rule), tmp_path / "out")
    assert images.metadata["label"].value_counts().to_dict() == {"good": 4, "bad": 4}


def test_classes_of_the_files_are_told_before_any_is_decoded(tmp_path, inline, folder, dataset, picture):
    root = folder({f"{c}/{i}.png": picture(i, (16, 16)) for c in ("ok", "scratch", "bad ") for i in range(4)})
    rule = {"rule": "folder", "classes": ["ok", "scratches"]}
    with pytest.raises(UserError, match=r"of `scratches`; .* are bad , ok, scratch; the nearest is `scratch`; all 8"):
        prepare(dataset(root, labels=rule), tmp_path / "out")
    assert set(rejected(tmp_path / "out")) == {f"{c}/{i}.png" for c in ("bad ", "scratch") for i in range(4)}


def test_the_picture_that_is_too_short_for_regions_is_named(tmp_path, inline, folder, dataset, picture):
    root = folder({"long.png": picture(0, (40, 160)), "short.png": picture(1, (40, 41)), "z.png": picture(2, (40, 44))})
    settings = dataset(root, fit="tile", tile_overlap=0, split={"by": "region"})
    with pytest.raises(UserError, match=r"^short.png \(2 of 3 cannot be divided\): split.by: a picture of 41 pixels"):
        prepare(settings, tmp_path / "out")


def test_pictures_of_one_scene_have_no_regions(tmp_path, inline, crops, dataset):
    settings = dataset(crops(), fit="tile", size=16, split={"by": "region"})
    with pytest.raises(UserError, match="cannot keep 48 pair"):
        prepare(settings, tmp_path / "out")


def test_a_class_of_one_scene_is_refused_with_the_reason(tmp_path, inline, crops, dataset):
    labels = {"rule": "filename", "pattern": r"^(\d+)_"}  # the three crops of a scene are a class
    with pytest.raises(UserError, match=r"class `0`: 3 image\(s\) of 1 group.* 48 groups became 16 because 48 pairs"):
        prepare(dataset(crops(), labels=labels), tmp_path / "out")


def test_copies_are_not_told_apart_by_a_setting_that_is_set(tmp_path, inline, folder, dataset, picture):
    root = folder({f"{label}/{i}.png": picture(seed) for seed, label in enumerate("ab") for i in range(4)})
    settings = dataset(root, labels="folder", split={"near_duplicates": "off"})
    with pytest.raises(UserError, match="8 groups became 2 because 6 pairs of images are copies of one another, which"):
        prepare(settings, tmp_path / "out")


def test_a_given_split_across_overlapping_crops_is_left_and_said(tmp_path, inline, crops, dataset, capsys):
    table = tmp_path / "t.csv"
    lines = [f"{i}_{n}.png,{'val' if (i, n) in [(3, 'b'), (5, 'a')] else 'train'}" for i in range(16) for n in "abc"]
    table.write_text("\n".join(["file,split", *lines]))
    split = {"column": "split", "names": {"train": "train", "val": "test"}, "val": 0}
    settings = dataset(crops(), labels={"csv": [str(table)]}, split=split)
    images = prepared(settings, tmp_path / "out")
    assert images.metadata["source"][images.rows("test")].tolist() == ["3_b.png", "5_a.png"]
    facts = images.meta["near_duplicates"]
    assert (facts["crossing"], facts["leak"]) == (4, 1)
    assert "4 overlapping pair(s) across its sides" in (said := capsys.readouterr().err)
    assert "3_a.png and 3_b.png; 3_b.png and 3_c.png; 5_a.png and 5_b.png; ..." in said


def test_a_given_split_that_divides_groups_is_left_and_said(tmp_path, inline, folder, dataset, picture, capsys):
    table = tmp_path / "t.csv"
    sides = ["train", "test", "test", "test", "val", "train", "train", "train"]  # of groups g0, g0, g1, g1, ...
    table.write_text("\n".join(["file,group,split", *(f"{i}.png,g{i // 2},{side}" for i, side in enumerate(sides))]))
    root, labels = folder({f"{i}.png": picture(i) for i in range(8)}), {"csv": [str(table)]}
    split = {"group_column": "group", "near_duplicates": "off"}
    prepare(dataset(root, labels=labels, split=split | {"column": "split"}), tmp_path / "given")
    assert ImageSet.open(tmp_path / "given").metadata["split"].tolist() == sides
    assert "WARNING: the given split divides 2 group(s)" in (said := capsys.readouterr().err)
    assert "images of `g0` are on test and train" in said
    prepare(dataset(root, labels=labels, split=split), tmp_path / "drawn")
    assert "the given split divides" not in capsys.readouterr().err


def test_near_duplicates_are_not_looked_for_where_it_is_off_or_would_take_long(
    tmp_path, inline, crops, dataset, capsys, monkeypatch
):
    root = crops()
    assert prepared(dataset(root, split={"near_duplicates": "off"}), tmp_path / "off").meta["near_duplicates"] is None
    assert near_duplicates(tmp_path / "off") == []
    assert "not looked for (split.near_duplicates: off)" in capsys.readouterr().err
    monkeypatch.setattr(report, "LARGEST", 47)
    prepare(dataset(root), tmp_path / "many")
    assert "NOT looked for among 48 images" in capsys.readouterr().err
    prepare(dataset(root, limit=47), tmp_path / "limited")
    prepare(dataset(root, split={"near_duplicates": "on"}), tmp_path / "on")
    assert ImageSet.open(tmp_path / "limited").meta["near_duplicates"]["of"] == 47
    assert ImageSet.open(tmp_path / "on").meta["near_duplicates"]["pairs"] == 48


def test_procedural_images_come_back_through_the_reader(tmp_path, inline, dataset):
    settings = dataset("voronoi", size=32, voronoi={"images_per_class": 5, "classes": ["scratch", "intact"]})
    images = prepared(settings, tmp_path / "out")
    with h5py.File(tmp_path / "out" / "voronoi.h5") as file:
        np.testing.assert_array_equal(images.images[..., 0], file["images"])
    assert images.metadata["label"].value_counts().to_dict() == {"scratch": 5, "intact": 5}
    assert images.metadata["group"].nunique() == 10


def test_the_same_set_in_several_processes_and_in_this_one(tmp_path, folder, dataset, picture, monkeypatch):
    content = {f"{i}.tif": picture(i, (30, 70), "uint16") for i in range(12)}
    content["broken.tif"] = b"II*\0" + b"\xff" * 60
    settings = dataset(folder(content), fit="tile", scaling={"rule": "percentile"})
    prepare(settings, tmp_path / "many", workers=3)
    monkeypatch.setattr(module, "TASK_IMAGES", 1)
    prepare(settings, tmp_path / "one", workers=1)
    for name in ("images.npy", "metadata.csv", "meta.json", "rejected.csv", "near_duplicates.csv"):
        assert (tmp_path / "many" / name).read_bytes() == (tmp_path / "one" / name).read_bytes(), name


NEU = {"rule": "filename", "csv": ["splits/train.csv", "splits/val.csv"]}


def failing(monkeypatch, *bad):
    """The second pass fails for images of these names, as where a process is ended."""

    class SandboxPool(Inline):
        def map(self, function, tasks, divide=None):
            for task in tasks:
                for part in divide(task) if function is module.crop else [task]:
                    if function is module.crop and part.images[0].header.source in bad:
                        yield part, Failed("took more than 120 s of processor time to decode")
                    else:
                        yield from super().map(function, [part])

    monkeypatch.setattr(module, "SandboxPool", SandboxPool)


def test_an_image_that_fails_in_the_second_pass_is_rejected_and_the_rest_is_what_it_would_be_without_it(
    tmp_path, folder, picture, dataset, monkeypatch
):
    content = {f"{i}.png": picture(i) for i in range(9)}
    scaling = {"rule": "percentile"}
    failing(monkeypatch, "3.png", "7.png")
    prepare(dataset(folder(content), scaling=scaling), tmp_path / "out")
    assert rejected(tmp_path / "out") == dict.fromkeys(
        ("3.png", "7.png"),
        "could be read at first, but not again: took more than 120 s of processor time to decode",
    )
    for name in ("3.png", "7.png"):
        (Path(folder({})) / name).unlink()
    prepare(dataset(folder({}), scaling=scaling), tmp_path / "without")
    for name in ("images.npy", "metadata.csv", "meta.json", "near_duplicates.csv"):
        assert (tmp_path / "out" / name).read_bytes() == (tmp_path / "without" / name).read_bytes()


def test_a_source_that_fails_whole_stops_with_the_reasons_and_leaves_the_list(
    tmp_path, folder, picture, dataset, monkeypatch, capsys
):
    content = {f"{i}.png": picture(i) for i in range(5)} | {f"{i}.jpg": b"" for i in range(4)}
    failing(monkeypatch, *content)
    kept = tmp_path / "logs"
    with pytest.raises(UserError, match=rf"none of 9 file\(s\) can be used.* all 9 lines are in {kept}/rejected\.csv"):
        prepare(dataset(folder(content)), tmp_path / "out", kept=kept)
    assert len(rejected(kept)) == 9
    said = capsys.readouterr().err
    assert "4 rejected: is empty (zero bytes) (0.jpg, 1.jpg, 2.jpg, ...)" in said
    assert "5 rejected: could be read at first" in said
    assert not list((tmp_path / "out").iterdir())
    monkeypatch.setattr(module, "SandboxPool", Inline)
    prepare(dataset(folder(content)), tmp_path / "out", kept=kept)
    assert not (kept / "rejected.csv").exists()  # of a failure that is past


def test_steel(tmp_path, inline, shared_data, dataset):
    root = shared_data("neu_det")
    labels = NEU | {"csv": [str(root / path) for path in NEU["csv"]]}
    split = {"column": "split", "names": {"train": "train", "val": "test"}, "group_column": "group"}
    settings = dataset(str(root / "IMAGES"), size=64, labels=labels, split=split, limit=16)
    images = prepared(settings, tmp_path / "out")
    assert images.images.shape == (96, 64, 64, 1)
    assert len(images.meta["classes"]) == 6
    counts = images.metadata.groupby(["label", "split"]).size().unstack()
    assert (counts["test"] >= 2).all()
    sides = images.metadata.groupby("group")["split"].nunique()
    assert (sides > 1).any() == (images.meta["near_duplicates"]["crossing"] > 0)  # the given groups are not all


def test_coating_strips(tmp_path, inline, shared_data, dataset):
    strips = str(shared_data("coating_sem_tiff") / "wide_6to1")
    images = prepared(dataset(strips, size=128, fit="tile", split={"group_pattern": r"^(.+)_y\d+$"}), tmp_path / "out")
    assert len(images) == 45 * 22
    assert images.metadata["group"].nunique() == 15
    assert images.images[:].std() > 20


def test_scratches(tmp_path, inline, shared_data, dataset):
    root = shared_data("kolektor_good_bad")
    settings = dataset(
        [str(root / "good"), str(root / "bad")], size=32, limit=20,
        labels={"rule": "folder", "csv": [str(root / "index.csv")]}, split={"group_column": "item"},
    )  # fmt: skip
    images = prepared(settings, tmp_path / "out")
    assert images.metadata["label"].value_counts().to_dict() == {"bad": 20, "good": 20}
    assert (images.metadata.groupby("group")["split"].nunique() == 1).all()


def test_every_odd_tiff_in_one_folder(tmp_path, shared_data, dataset):
    prepare(dataset(str(shared_data("tiff_cases"))), tmp_path / "out", workers=2)
    reasons = rejected(tmp_path / "out")
    assert sum(name.startswith("broken/") for name in reasons) == 15
    sources = set(ImageSet.open(tmp_path / "out").metadata["source"])
    assert len(sources | set(reasons)) == 68
    assert len(sources) == 47


def test_a_bar_is_reported_with_the_crop_that_removes_it(tmp_path, inline, shared_data, dataset, capsys):
    source = [str(p) for p in (shared_data("sem_infobar_tiff") / "images").glob("[UW]*.tif")]
    prepare(dataset(source), tmp_path / "out")
    said = "3 of 3 seem to have an information bar at the bottom: set `crop_bottom: 91`"
    assert said in capsys.readouterr().err
    assert said in ImageSet.open(tmp_path / "out").meta["noticed"]
    prepare(dataset(source, crop_bottom=91), tmp_path / "cropped")
    assert "information bar" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("places", "told"),
    [
        (["D/CD", "D/UD", "P/CP", "P/UP"], "(`CD`, `UD`, `CP`, `UP`)"),
        (["a/x/good", "a/x/bad", "b/y/good", "b/y/bad"], "(`bad`, `good`)"),
        (["a/x", "a/y", "b"], None),  # pictures of one class lie in several folders, as they may
        (["a/train", "a/test", "b/train", "b/test"], None),
    ],
)
def test_folders_below_those_of_all_classes_are_told(tmp_path, inline, folder, picture, dataset, capsys, places, told):
    root = folder({f"{place}/{i}.png": picture(9 * j + i) for j, place in enumerate(places) for i in range(2)})
    prepare(dataset(root, labels="folder", split={"near_duplicates": "off"}), tmp_path / "out")
    said = capsys.readouterr().err
    assert ("the folders of the classes hold several folders each" in said) == (told is not None)
    assert told is None or told in said


@pytest.mark.parametrize("search", ["auto", "off"])
def test_copies_in_another_class_are_told(tmp_path, inline, folder, picture, dataset, capsys, search):
    content = {f"{label}/{label}{i}.png": picture(i + 9 * (label == "b")) for label in "ab" for i in range(4)}
    root = folder(content | {"b/x.png": content["a/a1.png"], "a/y.png": content["a/a2.png"]})
    prepare(dataset(root, labels="folder", split={"near_duplicates": search}), tmp_path / "out")
    said = capsys.readouterr().err
    assert "2 image(s) are exact copies of others" in said
    assert "WARNING: 1 of these are of another class than what they are copies of (first: b/x.png of a/a1.png)" in said


def test_classes_that_are_odd_are_told(tmp_path, inline, folder, picture, dataset, capsys):
    content = {f"{label}/{label}{i}.png": picture(i + 9 * (label < "a")) for label in ("Bad", "bad") for i in range(3)}
    root = folder(content)
    prepare(dataset(root, labels="folder"), tmp_path / "out")
    assert (
        "WARNING: the classes `Bad` (3) and `bad` (3) differ in case, accents or blanks alone"
        in capsys.readouterr().err
    )
    prepare(dataset(f"{root}/bad", labels="folder"), tmp_path / "one")
    said = capsys.readouterr().err
    assert "WARNING: `labels.rule: folder` finds one class, `bad`" in said
    assert "`labels.rule: filename` or `csv`; where there are none, `none`" in said
    sides = folder({f"{name}/{i}.png": picture(20 + i) for name in ("x_train", "x_test") for i in range(3)})
    prepare(dataset(sides, labels="folder"), tmp_path / "sides")
    assert "WARNING: the classes `x_test`, `x_train` are called as sides of a split" in capsys.readouterr().err
    prepare(dataset(f"{root}/bad"), tmp_path / "none")
    assert "labels" not in capsys.readouterr().err


def test_one_class_by_names_is_warned_of_unless_it_was_asked_for(tmp_path, inline, folder, dataset, picture, capsys):
    root = folder({f"plate_{i}.png": picture(i, (20, 20)) for i in range(6)})
    said = "`labels.rule: filename` finds one class, `plate`: nothing can be told apart. Another `labels.pattern`"
    for classes, expected in ((None, True), (["plate"], False)):
        prepare(dataset(root, labels={"rule": "filename", "classes": classes}), tmp_path / "out")
        assert (said in capsys.readouterr().err) == expected


def test_files_of_kinds_that_are_not_read_are_named(tmp_path, inline, folder, picture, dataset, capsys, monkeypatch):
    content = {f"{i}.png": picture(i) for i in range(4)} | {
        "5.lif": b"\0\0\0\3x",
        "6.nd2": b"x",
        "7.LIF": b"x",
        "8.dm3": b"\0\0\0\3\0\0\0\0\0\0\0\1\1\0",
    }
    monkeypatch.setitem(sys.modules, "ncempy", None)
    prepare(dataset(folder(content)), tmp_path / "out")
    assert "3 file(s) look like images and are of kinds that are not read: 2 *.lif, 1 *.nd2" in capsys.readouterr().err
    found = rejected(tmp_path / "out")
    assert "pip install 'pyrite[microscopy]'" in found.pop("8.dm3")
    reason = "is of a kind that is not read; export it as TIFF (Fiji with Bio-Formats opens most)"
    assert found == dict.fromkeys(["5.lif", "6.nd2", "7.LIF"], reason)


def test_a_border_without_values_is_filled_where_that_is_asked_for(tmp_path, inline, folder, picture, dataset):
    whole = [picture(i, (20, 20), "float32") for i in range(4)]
    torn = [pixels.copy() for pixels in whole]
    for pixels in torn:
        pixels[:3], pixels[:, 17:] = np.nan, np.inf
    root = folder({f"{i}.tif": pixels for i, pixels in enumerate(torn)} | {"4.tif": np.full((20, 20), np.nan, "f4")})
    prepare(dataset(root, size=20 + 12, not_finite="fill"), tmp_path / "out")
    expected = [np.pad(pixels[3:, :17], ((3, 0), (0, 3)), mode="edge") for pixels in whole]
    again = folder({f"{i}.tif": pixels for i, pixels in enumerate(expected)})
    Path(again, "4.tif").unlink()
    prepare(dataset(again, size=20 + 12), tmp_path / "expected")
    np.testing.assert_array_equal(ImageSet.open(tmp_path / "out").images, ImageSet.open(tmp_path / "expected").images)
    assert rejected(tmp_path / "out") == {
        "4.tif": "100% of its pixels are not finite (NaN or infinity), more than can be filled"}  # fmt: skip
