"""Image sets in the layouts of other tools, read back by those that are here."""

import ctypes
import gc
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image
from pycocotools.coco import COCO

from pipeline.data import box_store
from pipeline.data.annotations import yolo
from pipeline.data.annotations.shapes import paint
from pipeline.data.image_set import ImageSet
from pipeline.sampling.datasets import run_lengths, write_dataset
from pipeline.sampling.draw import generate
from pipeline.settings import Generate, UserError
from pipeline.training.loop import train
from pyrite.__main__ import main
from tests.learning import plates
from tests.models.tiny import tiny_settings
from tests.tiny_family import Events
from tests.tiny_family import image_set as two_classes

HERE = Path(__file__).parents[2]
SPLITS = ("train", "val", "test")


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """A real set with boxes, those of its first image unknown, and the synthetic set of a model that draws boxes."""
    root = tmp_path_factory.mktemp("steel")
    real = plates.image_set(root / "real", 30, unknown=1, split=SPLITS)
    folder = root / "painter" / "seed-0"
    settings = tiny_settings("ddpm", boxes=True, sampling_steps=2, total_images=8, snapshots=1)
    train(settings, real, folder, root / "state", 0, Events(), threads=1)
    generate(Generate(images_per_class=4), folder, real, folder / "synthetic", Events(), threads=1)
    return [real, folder / "synthetic"]


def stored(sets, table, file):
    """The image of a file, and its boxes with their classes, as the sets hold them."""
    row = table[table["file"] == file].iloc[0]
    images = ImageSet.open(sets[pd.notna(row["seed"])])
    place = int(file.rsplit("_", 1)[1].split(".")[0])
    own = images.boxes[images.boxes["id"] == images.metadata["id"][place]]
    return images.images[place][..., 0], own


def pixels(path):
    with Image.open(path) as picture:
        return np.asarray(picture)


def synthetic(path):
    with Image.open(path) as picture:
        said = picture.getxmp()
    return said["xmpmeta"]["RDF"]["Description"]["DigitalSourceType"].rpartition("/")[2] if said else None


def test_coco_by_pycocotools(sets, tmp_path, capsys):
    table = write_dataset(sets, tmp_path / "out", "coco")
    assert len(table) == 29 + 12  # without the image whose boxes are not known
    seen = 0
    for split in SPLITS:
        read = COCO(str(tmp_path / "out" / "annotations" / f"instances_{split}.json"))
        assert [c["name"] for c in read.loadCats(read.getCatIds())] == plates.KINDS
        assert len(read.getImgIds()) == (table["split"] == split).sum()
        for image in read.loadImgs(read.getImgIds()):
            file = f"{split}/{image['file_name']}"
            array, boxes = stored(sets, table, file)
            assert np.array_equal(pixels(tmp_path / "out" / file), array)
            found = read.loadAnns(read.getAnnIds([image["id"]]))
            ends = boxes[["x0", "y0", "x1", "y1"]].to_numpy()
            expected = np.concatenate([ends[:, :2], ends[:, 2:] - ends[:, :2]], 1)
            np.testing.assert_allclose([a["bbox"] for a in found] or np.zeros((0, 4)), expected, atol=1e-6)
            names = [read.loadCats(a["category_id"])[0]["name"] for a in found]
            assert names == boxes["label"].tolist()
            assert all(a["area"] == pytest.approx(a["bbox"][2] * a["bbox"][3]) for a in found)
            seen += len(found)
    assert seen > 20
    capsys.readouterr()


def triangular(tmp_path):
    """A set with masks, of each defect the upper left triangle of its box; in one image nobody knows the shapes.

    Returns:
        The set opened, the masks, the triangles (image, class, pixels), and the image without a mask.
    """
    real = plates.image_set(tmp_path / "real", 12, unknown=0, split=("train",))
    images = ImageSet.open(real)
    masks = np.zeros(images.images.shape[:3], np.uint8)
    places = {name: i for i, name in enumerate(images.metadata["id"])}
    triangles = []
    for box in images.boxes.itertuples():
        y, x = np.mgrid[: masks.shape[1], : masks.shape[2]]
        inside = (
            (y >= box.y0) & (x >= box.x0) & ((y - box.y0) / (box.y1 - box.y0) + (x - box.x0) / (box.x1 - box.x0) < 1)
        )
        masks[places[box.id]][inside] = 1 + images.box_classes.index(box.label)
        triangles.append((box.id, box.label, inside))
    unmasked = triangles[0][0]
    np.save(real / box_store.MASKS, masks)
    box_store.write(real, images.meta["data_hash"], images.boxes, images.box_classes, [], unmasked=[unmasked])
    return ImageSet.open(real), masks, triangles, unmasked


@pytest.mark.filterwarnings("ignore:__array__")  # of pycocotools and numpy 2
def test_masks_are_in_coco_as_pycocotools_reads_them(tmp_path, capsys):
    images, masks, triangles, unmasked = triangular(tmp_path)
    places = {name: i for i, name in enumerate(images.metadata["id"])}
    write_dataset([images.path], tmp_path / "out", "coco")
    read = COCO(str(tmp_path / "out" / "annotations" / "instances_train.json"))
    found = {}
    for a in read.loadAnns(read.getAnnIds()):
        name = images.metadata["id"][int(read.loadImgs(a["image_id"])[0]["file_name"].rsplit("_", 1)[1].split(".")[0])]
        found.setdefault(name, []).append(a)
    for name, label, inside in triangles:
        a = found[name].pop(0)
        if name == unmasked:
            assert a["segmentation"] == []
            continue
        assert read.loadCats(a["category_id"])[0]["name"] == label
        shown = masks[places[name]] == 1 + images.box_classes.index(label)
        assert np.array_equal(read.annToMask(a).astype(bool) & inside, inside)
        assert (read.annToMask(a) <= shown).all()
        assert a["area"] == read.annToMask(a).sum() > 3
    capsys.readouterr()


@pytest.mark.parametrize(
    ("mask", "runs"),
    [([[0, 1], [0, 1], [1, 0]], [2, 3, 1]), ([[1, 1], [0, 0]], [0, 1, 1, 1, 1]), ([[0, 0]], [2]), ([[1, 1]], [0, 2])],
)
def test_run_lengths_go_column_by_column(mask, runs):
    assert run_lengths(np.array(mask, bool)) == runs


def test_yolo_by_our_reader_of_it(sets, tmp_path):
    table = write_dataset(sets, tmp_path / "out", "yolo")
    body = yaml.safe_load((tmp_path / "out" / "data.yaml").read_text())
    assert body == {
        "train": "images/train",
        "val": "images/val",
        "test": "images/test",
        "names": {0: "solid", 1: "striped"},
    }
    for file in table["file"]:
        label = (tmp_path / "out" / file.replace("images/", "labels/", 1)).with_suffix(".txt")
        (record,) = yolo.read(str(label), label.name, list(body["names"].values())).records
        array, boxes = stored(sets, table, file)
        assert np.array_equal(pixels(tmp_path / "out" / file), array)
        assert record.faults == []
        assert [region.label for region in record.regions] == boxes["label"].tolist()
        found = [[region.x0, region.y0, region.x1, region.y1] for region in record.regions]
        np.testing.assert_allclose(np.reshape(found, (-1, 4)) * 16, boxes[["x0", "y0", "x1", "y1"]], atol=1e-6)
    assert len(list((tmp_path / "out" / "labels").rglob("*.txt"))) == len(table)


def by_ultralytics(folder, task):
    """What its loader makes of `data.yaml`, without a network, and with its settings and fonts beside the data."""
    try:
        ctypes.CDLL("libGL.so.1")
    except OSError:
        pytest.skip("OpenCV, by which Ultralytics reads, needs libGL.so.1 (Debian: libgl1)")
    font = folder.parent / "config" / "Ultralytics" / "Arial.ttf"
    font.parent.mkdir(parents=True)
    font.touch()  # or it would be downloaded
    surroundings = os.environ | {"YOLO_CONFIG_DIR": str(font.parent.parent), "YOLO_OFFLINE": "true"}
    command = [sys.executable, "-W", "error", "-m", "tests.sampling.ultralytics_reader", folder / "data.yaml", task]
    found = folder.parent / "found.json"
    run = subprocess.run([*command, found], env=surroundings, cwd=HERE, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr
    return json.loads(found.read_text())


def test_yolo_by_ultralytics(sets, tmp_path):
    table = write_dataset(sets, tmp_path / "out", "yolo")
    read = by_ultralytics(tmp_path / "out", "detect")
    assert read["names"] == plates.KINDS
    for split in SPLITS:
        assert {item["file"] for item in read["images"][split]} == set(table["file"][table["split"] == split])
        for item in read["images"][split]:
            array, boxes = stored(sets, table, item["file"])
            assert np.array_equal(item["levels"], array)
            found = np.reshape(item["boxes"], (-1, 4))
            np.testing.assert_allclose(found, boxes[["x0", "y0", "x1", "y1"]], atol=1e-4)
            assert item["classes"] == boxes["label"].tolist()


def by_hugging_face(folder):
    """By `load_dataset`."""
    import datasets

    read = datasets.load_dataset("imagefolder", data_dir=str(folder), cache_dir=str(folder.parent / "cache"))
    gc.collect()  # files that it leaves open, while the test may still overlook it
    return read


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_image_folders_by_hugging_faces_datasets(sets, tmp_path):
    table = write_dataset(sets, tmp_path / "out", "huggingface")
    read = by_hugging_face(tmp_path / "out")
    for split, name in (("train", "train"), ("val", "validation"), ("test", "test")):
        rows = table[table["split"] == split].set_index("file")
        assert len(read[name]) == len(rows)
        for row in read[name]:
            file = f"{split}/{Path(row['image'].filename).name}"
            array, boxes = stored(sets, table, file)
            assert np.array_equal(np.asarray(row["image"]), array)
            made = "digitalCapture" if pd.isna(rows["seed"][file]) else "trainedAlgorithmicMedia"
            assert (row["label"], row["digital_source_type"]) == (rows["label"][file], made)
            objects = json.loads(row["objects"])
            assert objects["category"] == boxes["label"].tolist()
            found = np.reshape(objects["bbox"], (-1, 4))
            np.testing.assert_allclose(found[:, :2] + found[:, 2:], boxes[["x1", "y1"]])


def test_polygons_by_our_reader_of_them(tmp_path):
    """Exactly the pixels of the masks, defect by defect; the image without a mask is left out."""
    images, masks, triangles, unmasked = triangular(tmp_path)
    table = write_dataset([images.path], tmp_path / "out", "yolo-seg")
    assert len(table) == len(images) - 1
    known = dict(zip(table["file"], images.metadata["id"][images.masked], strict=True))
    for file, name in known.items():
        label = (tmp_path / "out" / file.replace("images/", "labels/", 1)).with_suffix(".txt")
        (record,) = yolo.read(str(label), label.name, images.box_classes).records
        mask = masks[images.metadata["id"].tolist().index(name)]
        own = [(kind, inside) for of, kind, inside in triangles if of == name]
        assert name != unmasked
        assert [shape.label for shape in record.shapes] == [kind for kind, _ in own]
        for shape, (kind, inside) in zip(record.shapes, own, strict=True):
            paint(canvas := np.zeros(mask.shape, np.uint8), 1, shape, record.fractions)
            assert inside.any()
            assert (canvas.astype(bool) & inside == inside).all()
            assert (mask[canvas == 1] == 1 + images.box_classes.index(kind)).all()


def test_polygons_by_ultralytics(tmp_path):
    """Its boxes are those of the masks; it takes the corners for pixels, and so masks have a row and a column more."""
    images, _, triangles, _ = triangular(tmp_path)
    table = write_dataset([images.path], tmp_path / "out", "yolo-seg")
    known = dict(zip(table["file"], images.metadata["id"][images.masked], strict=True))
    read = by_ultralytics(tmp_path / "out", "segment")["images"]["train"]
    assert {item["file"] for item in read} == set(table["file"])
    seen = 0
    for item in read:
        own = [(kind, inside) for name, kind, inside in triangles if name == known[item["file"]]]
        assert item["classes"] == [kind for kind, _ in own]
        for box, shown, (_, inside) in zip(item["boxes"], np.array(item["masks"]), own, strict=True):
            rows, columns = np.nonzero(inside)
            ends = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
            np.testing.assert_allclose(box, ends, atol=1e-4)
            true = np.pad(inside, ((1, 0), (1, 0)))
            assert (shown >= true[1:, 1:]).all()
            assert (shown <= (true[1:, 1:] | true[:-1, 1:] | true[1:, :-1] | true[:-1, :-1])).all()
            seen += 1
    assert seen > 8


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_masks_by_hugging_faces_datasets(tmp_path):
    images, masks, _, unmasked = triangular(tmp_path)
    write_dataset([images.path], tmp_path / "out", "huggingface")
    read = by_hugging_face(tmp_path / "out")
    assert {split: len(part) for split, part in read.items()} == {"train": len(images)}
    names = pd.read_csv(tmp_path / "out" / "classes.csv")
    assert names.to_numpy().tolist() == [[1, "solid"], [2, "striped"]]
    for row in read["train"]:
        place = int(Path(row["image"].filename).stem.rsplit("_", 1)[1])
        assert np.array_equal(np.asarray(row["image"]), images.images[place][..., 0])
        if images.metadata["id"][place] == unmasked:
            assert row["mask"] is None
        else:
            assert np.array_equal(np.asarray(row["mask"]), masks[place])


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")
def test_where_a_split_has_no_mask_hugging_face_gets_none(tmp_path):
    real = plates.image_set(tmp_path / "real", 6, unknown=0, split=("train", "test"))
    images = ImageSet.open(real)
    np.save(real / box_store.MASKS, np.zeros(images.images.shape[:3], np.uint8))
    unmasked = images.metadata["id"][images.rows("test")].tolist()
    box_store.write(real, images.meta["data_hash"], images.boxes, images.box_classes, [], unmasked=unmasked)
    write_dataset([real], tmp_path / "out", "huggingface")
    read = by_hugging_face(tmp_path / "out")
    assert sum(map(len, read.values())) == len(images)
    assert all("mask" not in part.features and "objects" in part.features for part in read.values())


def test_without_images_to_choose_by_yolo_gets_those_of_the_training(sets, tmp_path):
    write_dataset(sets[1:], tmp_path / "out", "yolo")
    body = yaml.safe_load((tmp_path / "out" / "data.yaml").read_text())
    assert (body["train"], body["val"]) == ("images/train", "images/train")


def test_image_folder_a_split_and_a_class(sets, tmp_path):
    table = write_dataset(sets, tmp_path / "out", "imagefolder", "tiff")
    assert len(table) == 42
    for row in table.itertuples():
        split, name, file = row.file.split("/")
        assert (split, name) == (row.split, row.label)
        assert file.startswith("painter_synthetic_" if pd.notna(row.seed) else "real_")
        assert np.array_equal(pixels(tmp_path / "out" / row.file), stored(sets, table, row.file)[0])
    kept = pd.read_csv(tmp_path / "out" / "metadata.csv", dtype={"seed": "Int64"})
    pd.testing.assert_frame_equal(kept, table, check_dtype=False)


@pytest.mark.parametrize("kind", ["yolo", "coco", "imagefolder", "huggingface"])
def test_synthetic_files_say_so_and_real_ones_do_not(sets, tmp_path, kind):
    table = write_dataset(sets, tmp_path / "out", kind)
    for row in table.itertuples():
        expected = "trainedAlgorithmicMedia" if pd.notna(row.seed) else None
        assert synthetic(tmp_path / "out" / row.file) == expected


def test_blended_images_are_composites(sets, tmp_path):
    blended = sets[1].parent / "blended"
    blended.symlink_to(sets[1].name)
    try:
        with pytest.raises(UserError, match="names one set twice"):
            write_dataset([sets[1], blended], tmp_path / "out", "coco")
    finally:
        blended.unlink()
    (sets[1]).rename(blended)
    try:
        table = write_dataset([blended], tmp_path / "out", "coco")
    finally:
        blended.rename(sets[1])
    assert set(table["digital_source_type"]) == {"compositeWithTrainedAlgorithmicMedia"}


def test_what_cannot_be_written_is_named(sets, tmp_path):
    plain = two_classes(tmp_path / "plain")
    with pytest.raises(UserError, match="plain: without boxes, which `yolo` is made of"):
        write_dataset([sets[0], plain], tmp_path / "out", "yolo")
    with pytest.raises(UserError, match="real: without masks, which `yolo-seg` is made of"):
        write_dataset(sets[:1], tmp_path / "out", "yolo-seg")
    with pytest.raises(UserError, match="`voc` is not one of yolo, yolo-seg, coco, imagefolder, huggingface"):
        write_dataset(sets, tmp_path / "out", "voc")
    with pytest.raises(UserError, match="there is something in it"):
        write_dataset(sets, plain, "coco")
    assert not (tmp_path / "out").exists()
    lost = sets[1].rename(tmp_path / "lost")
    try:
        with pytest.raises(UserError, match="its model is not beside it"):
            write_dataset([lost], tmp_path / "out", "coco")
    finally:
        lost.rename(sets[1])


def test_from_the_command_line(sets, tmp_path, capsys):
    main(["export", "coco", str(tmp_path / "out"), *map(str, sets)])
    assert capsys.readouterr().out == f"{tmp_path / 'out'}: 41 images as coco\n"
    with pytest.raises(SystemExit, match=r"ERROR: .*there is something in it"):
        main(["export", "coco", str(tmp_path / "out"), *map(str, sets)])
