"""Masks: what they say, in how many ways, and where they end in an image set."""

import json
import re

import numpy as np
import pytest
import tifffile
from PIL import Image

from pipeline.data import box_store
from pipeline.data.annotations import mask_files
from pipeline.data.annotations.attach import annotate
from pipeline.data.image_set import ImageSet
from pipeline.data.preparing import preview
from pipeline.data.preparing.prepare import prepare
from pipeline.data.reading.frame import Rejected
from pipeline.data.reading.source import FORMATS
from pipeline.settings import Dataset, UserError
from tests.data.annotated import coco, voc
from tests.data.annotations.test_attach import dark, remarks

SHAPE = (20, 30)


def drawn(*parts, shape=SHAPE, dtype=np.uint8):
    """A mask that is 0 but for rectangles (value, x0, y0, x1, y1)."""
    mask = np.zeros(shape, dtype)
    for value, x0, y0, x1, y1 in parts:
        mask[y0:y1, x0:x1] = value
    return mask


CRACK, PORE = (4, 2, 10, 17), (15, 5, 19, 9)
TWO = drawn((1, *CRACK), (2, *PORE))
COLOURS = np.array([[0, 0, 0], [255, 0, 0], [0, 0, 255]], np.uint8)


def settings(names=None):
    return Dataset(source="unused", boxes={"format": "mask", "path": "unused", "names": names})


@pytest.fixture
def boxes(tmp_path):
    """{(class, x0, y0, x1, y1)} of a mask, an array or an image, saved with a suffix."""

    def read(mask, names=None, suffix="png", **words):
        path = tmp_path / f"a.{suffix}"
        if suffix == "tif":
            tifffile.imwrite(path, mask, **words)
        else:
            (mask if isinstance(mask, Image.Image) else Image.fromarray(mask)).save(path, **words)
        return {tuple(region) for region in mask_files.read(str(path), path.name, settings(names)).records[0].regions}

    return read


def test_what_is_not_black_is_a_defect_however_it_is_stored(boxes):
    expected = {("defect", *CRACK), ("defect", *PORE)}
    assert boxes(TWO) == expected
    assert boxes(TWO > 0) == expected  # one bit
    assert boxes((TWO > 0) * np.uint8(255), suffix="bmp") == expected
    assert boxes(TWO.astype(np.uint16) * 300, suffix="tif") == expected
    assert boxes((TWO > 0).astype(np.float32), suffix="tif") == expected
    assert boxes(COLOURS[TWO]) == expected
    assert boxes(Image.fromarray(COLOURS[TWO]).quantize(3), suffix="gif") == expected
    painted = np.dstack([np.full((*SHAPE, 3), 200, np.uint8), (TWO > 0) * np.uint8(255)])  # on glass
    assert boxes(painted) == expected


def test_blurred_edges_end_where_half_is_reached(boxes):
    blurred = np.zeros((40, 60), np.uint8)
    blurred[10:30, 20:40] = 255
    assert boxes(blurred, suffix="jpg", quality=60) == {("defect", 20, 10, 40, 30)}
    soft = np.minimum.outer(np.full(200, 255), np.clip((np.arange(300) - 149.5) * 12, 0, 255)).astype(np.uint8)
    assert boxes(soft) == {("defect", 161, 0, 300, 200)}  # 12 * 11.5 = 138 is the first above 127.5


def test_numbers_of_many_parts_are_no_blurred_edges(boxes):
    parts = [(1 + i, 3 * i, 2, 3 * i + 2, 4) for i in range(40)]
    assert len(boxes(drawn(*parts, shape=(20, 130)))) == 40


@pytest.mark.parametrize("names", [{"1": "crack", "2": "pore"}, ["crack", "pore"]])
def test_values_have_names(boxes, names):
    expected = {("crack", *CRACK), ("pore", *PORE)}
    assert boxes(TWO, names) == expected
    flat = Image.fromarray(TWO, "L")
    flat = flat.convert("P")
    flat.putpalette(COLOURS.tobytes())
    assert boxes(flat, names) == expected
    assert boxes(TWO, {"1": "pit", "2": "pit"}) == {("pit", *CRACK), ("pit", *PORE)}
    assert boxes(TWO, {"1": "crack", "2": None}) == {("crack", *CRACK)}


def test_colours_have_names(boxes):
    names = {"#FF0000": "crack", "#0000ff": "pore"}
    expected = {("crack", *CRACK), ("pore", *PORE)}
    assert boxes(COLOURS[TWO], names) == expected
    assert boxes(Image.fromarray(COLOURS[TWO]).quantize(3), names) == expected
    white = COLOURS.copy()
    white[0] = 255
    assert boxes(white[TWO], names | {"#ffffff": None}) == expected
    with pytest.raises(Rejected, match=r"holds the value #ffffff \(82\.\d+% of it\), which boxes\.names does not name"):
        boxes(white[TWO], names)


def test_parts_that_touch_at_a_corner_are_one_and_classes_are_apart(boxes):
    assert boxes(drawn((9, 2, 2, 5, 5), (9, 5, 5, 8, 8))) == {("defect", 2, 2, 8, 8)}
    beside = drawn((1, 2, 2, 5, 5), (2, 5, 2, 8, 5))
    assert boxes(beside, ["a", "b"]) == {("a", 2, 2, 5, 5), ("b", 5, 2, 8, 5)}


def test_a_photograph_is_no_mask(boxes, picture):
    with pytest.raises(Rejected, match=r"is no mask: \d\d% of its pixels are neither black nor white"):
        boxes(picture(0, (40, 40)))
    with pytest.raises(Rejected, match="JPEG does not keep values"):
        boxes(picture(0, (40, 40)), {"7": "crack"}, suffix="jpg")


@pytest.mark.parametrize(
    ("names", "why"),
    [
        ({"red": "a"}, "`red` is no value of a mask"),
        ("classes.txt", "mapping"),
        (["c"] * 256, "255 that masks may"),
        ({"0": "background", "1": "a"}, "`background` would be a class .*leave 0 out"),
        ({"#000000": "BG"}, "`BG` would"),
        (["_background_", "a"], "`_background_` would be a class of defects.* a list names the values 1, 2"),
    ],
)
def test_names_that_no_mask_can_have(names, why):
    with pytest.raises(ValueError, match=why):
        settings(names)


# ---------------------------------------------------------------- in an image set


@pytest.fixture
def prepared(tmp_path, folder, dataset):
    """The set of {name: pixels} with masks among them, or in the folder `masks`."""

    def make(content, path="masks", boxes=(), **words):
        root = folder(content)
        source = f"{root}/images" if any(name.startswith("images/") for name in content) else root
        own = {"format": "mask", "path": f"{root}/{path}" if path else root, **dict(boxes)}
        given = dataset(source, boxes=own, split={"near_duplicates": "off"}, **words)
        prepare(given, tmp_path / "out")
        annotate(given, tmp_path / "out")
        return ImageSet.open(tmp_path / "out")

    return make


@pytest.mark.parametrize(
    ("shape", "words", "square"),
    [
        ((40, 60), {"size": 20}, np.s_[:, 10:50]),  # of a wide picture the centred square, at half its size
        ((44, 60), {"size": 20, "crop_bottom": 4}, np.s_[:40, 10:50]),
        ((16, 40), {"fit": "tile", "tile_overlap": 0}, np.s_[:, :16]),
    ],
)
def test_a_mask_is_cut_and_resampled_as_its_image(inline, prepared, shape, words, square):
    where = (14, 6, 30, 13)
    content = {f"images/{i}.png": dark(i, *shape, where) for i in range(3)}
    content |= {f"masks/{i}.png": drawn((255, *where), shape=shape) for i in range(3)}
    found = prepared(content, **words)
    assert found.masks.shape == found.images.shape[:3]
    assert found.masks.dtype == np.uint8
    assert found.masked.all()
    expected = drawn((1, *where), shape=shape)[square]
    step = expected.shape[0] // found.masks.shape[1]
    np.testing.assert_array_equal(found.masks[0], expected[step // 2 :: step, step // 2 :: step])
    if step == 1:
        np.testing.assert_array_equal(found.masks[0] > 0, found.images[0, ..., 0] > 200)


def test_masks_that_are_thinner_than_a_pixel_are_told(inline, prepared, capsys):
    content = {f"images/{i}.png": dark(i, 80, 80, (10, 10, 60, 60)) for i in range(4)}
    thin, thick = (1, 10, 10, 60, 11), (1, 10, 10, 60, 60)  # of five rows and columns one is kept
    content |= {f"masks/{i}.png": drawn(thick if i else thin, shape=(80, 80)) for i in range(4)}
    found = prepared(content, size=16)
    assert found.boxes["id"].nunique() == 4
    assert found.masks.any(axis=(1, 2)).tolist() == [False, True, True, True]
    said = "the masks of 1 image(s) with boxes have no pixel left"
    assert said in capsys.readouterr().err
    assert [line for line in box_store.lost(found.path) if said in line]


def test_masks_under_a_rim_stretched_and_under_a_placed_cut(inline, prepared):
    where = (50, 6, 58, 14)
    content = {f"images/{i}.png": dark(i, 20, 60, where) for i in range(3)}
    content |= {f"masks/{i}.png": drawn((255, *where), shape=(20, 60)) for i in range(3)}
    mask = drawn((1, *where), shape=(20, 60))
    found = prepared(content, fit="pad", padding="edge", size=60)
    np.testing.assert_array_equal(found.masks[0], np.pad(mask, ((20, 20), (0, 0))))
    found = prepared(content, fit="stretch", size=60)
    np.testing.assert_array_equal(found.masks[0], np.repeat(mask, 3, axis=0))
    with pytest.raises(UserError, match="none of 3 annotation"):  # the centred square shows none of it
        prepared(content, size=20)
    found = prepared(content, boxes={"place_cut": True}, size=20)
    assert found.masks[0].sum() == 64
    np.testing.assert_array_equal(found.masks[0] > 0, found.images[0, ..., 0] > 200)


def test_values_of_masks_are_the_places_of_the_classes(inline, prepared):
    content = {f"images/{i}.png": dark(i, 20, 20) for i in range(4)}
    content |= {f"masks/{i}.png": drawn((7, 2, 2, 6, 6), (3, 10, 10, 14, 14), shape=(20, 20)) for i in range(3)}
    content["masks/3.png"] = drawn(shape=(20, 20))  # a good image
    names = {"names": {"7": "void", "3": "crack"}, "classes": ["void", "crack"]}
    found = prepared(content, boxes=names, size=32)
    assert found.box_classes == ["void", "crack"]
    assert found.masks[0, 6, 6] == 1
    assert found.masks[0, 19, 19] == 2
    assert not found.masks[3].any()
    assert found.masked.all()
    only = prepared(content, boxes=names | {"classes": ["crack"]}, size=32)
    assert only.masks[0, 6, 6] == 0
    assert only.masks[0, 19, 19] == 1


def test_several_masks_of_an_image_are_its_mask_together(inline, prepared, tmp_path):
    one, other = drawn((1, *CRACK)), drawn((2, *PORE), (1, 20, 12, 24, 18))
    content = {f"images/p_{i}.png": dark(i, *SHAPE) for i in range(4)}
    content |= {"masks/p_0_1.png": one, "masks/p_0_2.png": other, "masks/p_1_mask_a.png": one, "masks/p_2.png": one}
    content |= {
        "masks/p_1_mask.png": one,
        "masks/p_1_mask_2.png": other,
        "masks/p_3_1.png": one,
        "masks/p_3_2.png": one,
    }
    names = {"names": {"1": "crack", "2": "pore"}}
    found = prepared(content, boxes=names, size=[16, 32], fit="stretch")
    boxes = found.boxes.groupby("id")["label"].apply(lambda labels: sorted(labels)).tolist()
    assert boxes == [["crack", "crack", "pore"], ["crack", "crack", "pore"], ["crack"], ["crack"]]
    assert [np.unique(mask).tolist() for mask in found.masks] == [[0, 1, 2], [0, 1, 2], [0, 1], [0, 1]]
    assert {row[0] for row in remarks(tmp_path / "out")} == {"p_1_mask_a.png", "p_3.png"}


def test_masks_in_a_folder_that_is_called_as_their_image_are_of_it(inline, prepared):
    """As MVTec LOCO has them: `ground_truth/bent/001/000.png` is of `test/bent/001.png`, not of `000.png`."""
    content = {f"images/bent/{i:03d}.png": dark(i, *SHAPE) for i in range(3)} | {"images/1/007.png": dark(7, *SHAPE)}
    content |= {f"masks/bent/{i:03d}/{j:03d}.png": j + 1 == TWO for i in (1, 2) for j in range(i)}
    content |= {"masks/1/007.png": TWO}  # a class, whatever else is called 1
    found = prepared(content, size=[16, 32], fit="stretch")
    masked = dict(zip(found.metadata["source"], map(np.count_nonzero, found.masks), strict=True))
    assert found.annotated.tolist() == [True, False, True, True]
    assert 0 < masked["bent/001.png"] < masked["bent/002.png"] == masked["1/007.png"]


def test_masks_in_the_folder_of_their_image_need_no_name(inline, prepared):
    """As in `7/images/7.png`, `7/masks/a.png`, `7/masks/b.png`."""
    content = {f"images/p{i}/images/p{i}.png": dark(i, *SHAPE) for i in range(3)}
    content |= {f"images/p{i}/masks/{name}.png": 1 + (name == "b") == TWO for i in range(2) for name in "ab"}
    found = prepared(content, path="images", boxes={"missing": "background"})
    assert found.boxes.groupby("id").size().tolist() == [2, 2]


def test_masks_beside_the_folder_of_images_are_offered(tmp_path, inline, folder, dataset, capsys):
    content = {f"photos/bad/{i}.png": dark(i, *SHAPE) for i in range(3)}
    content |= {f"{name}/{i}.png": TWO for name in ("Ground truth", "others") for i in range(2)}
    root = folder(content)
    words = {"split": {"near_duplicates": "off"}}
    prepare(dataset(f"{root}/photos", **words), tmp_path / "out")
    (said,) = (line for line in capsys.readouterr().err.splitlines() if "holds masks" in line)
    assert "holds masks of 2 image(s) by their names" in said
    assert said.endswith(f"`boxes: {{format: mask, path: {root}/Ground truth}}` does")
    prepare(
        dataset(f"{root}/photos", boxes={"format": "mask", "path": f"{root}/Ground truth"}, **words), tmp_path / "out"
    )
    assert "holds masks" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (TWO, "hold the values 1, 2, which are all `defect`"),
        (COLOURS[TWO], "hold the values #0000ff, #ff0000, which are all `defect`"),
        (TWO > 0, None),
    ],
)
def test_values_that_may_be_classes_are_told(inline, prepared, capsys, mask, said):
    prepared({f"images/{i}.png": dark(i, *SHAPE) for i in range(3)} | {f"masks/{i}.png": mask for i in range(3)})
    shown = capsys.readouterr().err
    assert said in shown if said else "hold the values" not in shown


@pytest.mark.parametrize(
    ("names", "warning"),
    [
        ({"0": "fine", "1": "crack", "2": "pore"}, r"78% of the pixels of the masks are of the class `fine`; .* null"),
        ({"0": "crack", "1": None, "2": None}, "of the class `crack`"),
        (["fine", "crack", "pore"], r"no mask holds the value 3, `pore`.* counts from 0, write \{1: crack, \.\.\.\}"),
        (["crack", "pore"], None),
        (["crack", "pore", "dent", "scratch"], None),  # of which two do not occur
        ({"1": "crack", "2": "pore", "3": "dent"}, None),
    ],
)
def test_names_that_may_be_of_other_values_are_warned_of(inline, prepared, capsys, names, warning):
    content = {f"images/{i}.png": dark(i, *SHAPE) for i in range(3)} | {f"masks/{i}.png": TWO for i in range(3)}
    prepared(content, boxes={"names": names})
    said = capsys.readouterr().err
    assert re.search(warning, said) if warning else "WARNING: the test images" in said and said.count("WARNING") == 1


def test_what_is_wrong_with_a_mask_costs_its_image_alone(inline, prepared, tmp_path, capsys):
    content = {f"images/{i}.png": dark(i, 20, 30) for i in range(5)}
    content |= {f"masks/{i}.png": drawn((255, *CRACK)) for i in range(2)}
    content |= {"masks/2.png": drawn((255, *CRACK), shape=(30, 20)), "masks/3.png": b"no picture"}
    found = prepared(content | {"masks/9.png": drawn((255, *CRACK))})
    assert found.masked.tolist() == found.annotated.tolist() == [True, True, False, False, False]
    assert not found.masks[2:].any()
    assert {(file, reason) for file, _, _, reason in remarks(tmp_path / "out")} == {
        ("2.png", "its mask has 30 x 20 pixels, but the upright picture has 20 x 30"),
        ("3.png", f"is no {FORMATS} file, whatever its name says (it looks like text)"),
        ("4.png", "has no annotation"), ("9.png", "no image of the source is called so"),
    }  # fmt: skip
    assert "say so by `boxes.missing: background`" in capsys.readouterr().err
    assert prepared(content, boxes={"missing": "background"}).masked.tolist() == [True, True, False, False, True]


def test_masks_of_what_crop_bottom_leaves_are_as_good_as_those_of_all(inline, prepared):
    """Their pixels are where they would be in a mask of all, and a mask of any other size is still none."""
    content = {f"images/{i}.png": dark(i, 20, 30) for i in range(4)}
    content |= {"masks/0.png": drawn((255, *PORE)), "masks/1.png": drawn((255, *PORE), shape=(16, 30))}
    content |= {"masks/2.png": drawn((255, *PORE), shape=(17, 30))}
    found = prepared(content, crop_bottom=4, boxes={"missing": "background"})
    assert found.annotated.tolist() == [True, True, False, True]
    whole, part = found.masks[:2]
    assert whole.any()
    assert np.array_equal(whole, part)
    boxes = found.boxes.set_index("id")
    assert boxes.loc[found.metadata["id"][0]].equals(boxes.loc[found.metadata["id"][1]])


def test_polygons_become_masks_where_they_are_asked_for(inline, folder, dataset, tmp_path):
    root = folder({f"images/{i}.png": dark(i, 32, 32) for i in range(4)})
    content = json.loads(coco([(f"{i}.png", 32, 32) for i in range(3)], [(i, "a", 4, 2, 12, 20) for i in range(2)]))
    content["annotations"][0]["segmentation"] = [[4, 2, 16, 2, 16, 22, 10, 22, 10, 12, 4, 12]]
    (tmp_path / "all.json").write_text(json.dumps(content))
    own = {"format": "coco", "path": str(tmp_path / "all.json"), "outlines": True}
    given = dataset(f"{root}/images", boxes=own, split={"near_duplicates": "off"}, size=32)
    prepare(given, tmp_path / "out")
    annotate(given, tmp_path / "out")
    found = ImageSet.open(tmp_path / "out")
    assert found.annotated.tolist() == [True, True, True, False]
    assert found.masked.tolist() == [True, False, True, False]  # of the second there is but a box
    np.testing.assert_array_equal(found.masks[0], drawn((1, 4, 2, 16, 12), (1, 10, 12, 16, 22), shape=(32, 32)))
    assert not found.masks[1:].any()
    with pytest.raises(ValueError, match="Pascal VOC XML has boxes alone"):
        dataset("x", boxes={"format": "voc", "path": "x", "outlines": True})


MASK = drawn((255, *CRACK))


@pytest.mark.parametrize("mask", ["{}.png", "{}_mask.png", "{}-GT.bmp", "label_{}.png", "../masks/{}.png"])
@pytest.mark.parametrize("named", [True, False])
def test_masks_among_the_images_are_never_trained_on(inline, prepared, folder, dataset, tmp_path, capsys, mask, named):
    kind = "jpg" if mask == "{}.png" else "png"
    content = {f"x/{i}.{kind}": dark(i, *SHAPE) for i in range(3)}
    content |= {f"x/{mask.format(i)}".replace("x/../", ""): MASK for i in range(3)}
    if named:
        found = prepared(content, path="")
        assert found.masked.all()
        assert len(found.boxes) == 3
    else:
        root = folder(content)
        prepare(dataset(root, split={"near_duplicates": "off"}), tmp_path / "out")
        found = ImageSet.open(tmp_path / "out")
        said = capsys.readouterr().err
        assert "3 file(s) are masks by name and content" in said
        assert "boxes: {format: mask, path: " in said
        assert (tmp_path / "out" / "rejected.csv").read_text().count("is a mask of x/") == 3
    assert found.metadata["source"].tolist() == [f"x/{i}.{kind}" for i in range(3)]


def test_masks_of_any_name_beside_their_images_are_refused_as_the_only_pictures(inline, dataset, folder, tmp_path):
    root = folder({f"{kind}/{i}.png": dark(i, *SHAPE) for i in range(3) for kind in ("photos", "drawings")})
    with pytest.raises(UserError, match=r"source: all 6 pictures in `.*` are among the masks of `boxes\.path`"):
        prepare(dataset(root, boxes={"format": "mask", "path": root}), tmp_path / "out")


def test_masks_of_no_image_in_a_folder_of_masks_train_nothing(inline, dataset, folder, tmp_path, capsys):
    content = {f"{i}/images/{i}.png": dark(i, *SHAPE) for i in range(3)}
    root = folder(content | {f"{i}/masks/nucleus.png": MASK for i in range(3)})
    prepare(dataset(root, split={"near_duplicates": "off"}), tmp_path / "out")
    assert len(ImageSet.open(tmp_path / "out")) == 3
    assert (tmp_path / "out" / "rejected.csv").read_text().count("is a mask by its folder and content") == 3
    assert "3 file(s) are masks by name and content (first: 0/masks/nucleus.png)" in capsys.readouterr().err


@pytest.mark.parametrize("labels", [{"rule": "none"}, {"rule": "folder"}])
def test_a_folder_of_masks_of_any_name_is_told_by_content(inline, dataset, folder, tmp_path, capsys, labels):
    content = {f"{kind}/{i}.png": dark(10 * j + i, *SHAPE) for j, kind in enumerate(("good", "bad")) for i in range(3)}
    root = folder(content | {f"Schäden/{i}.png": MASK for i in range(2)} | {"Schäden/legend.png": dark(99, *SHAPE)})
    plain = {"split": {"near_duplicates": "off", "test": 0.0, "val": 0.0}, "labels": labels}
    prepare(dataset(root, **plain), tmp_path / "out")
    assert not any(name.startswith("Schäden/") and "legend" not in name for name in _sources(tmp_path / "out"))
    assert len(_sources(tmp_path / "out")) == 7  # a picture that shows no mask stays
    said = capsys.readouterr().err
    assert "2 file(s) are called as images in other folders and hold few values" in said
    assert "(first: Schäden/0.png of bad/0.png or good/0.png)" in said
    assert "once their names tell which image each is of" in said
    assert f"`boxes: {{format: mask, path: {root}/Schäden}}`" in said
    assert ("name all classes in `labels.classes`" in said) == (labels["rule"] == "folder")
    named = dataset(root, **plain, boxes={"format": "voc", "path": str(tmp_path / "voc")})
    (tmp_path / "voc" / "bad").mkdir(parents=True)
    (tmp_path / "voc" / "bad" / "0.xml").write_text(voc(("a", 3, 3, 10, 10)))
    annotate(named, tmp_path / "out")  # a mask is no image that a box could be of
    assert ImageSet.open(tmp_path / "out").annotated.sum() == 1


def _sources(folder):
    return ImageSet.open(folder).metadata["source"].tolist()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ((dark(1, *SHAPE), dark(2, *SHAPE)), {}),  # numbered photographs of two classes
        ((MASK, TWO), {}),  # phases in black and white
        ((dark(1, *SHAPE), MASK), {"classes": ["a", "b"]}),  # a class of drawings, which the user names
    ],
)
def test_numbered_images_of_classes_are_no_masks(inline, dataset, folder, tmp_path, content, words):
    root = folder({f"{kind}/{i}.png": np.roll(pixels, i, 0) for kind, pixels in zip("ab", content, strict=True)
                   for i in range(3)})  # fmt: skip
    given = dataset(root, labels={"rule": "folder", **words}, split={"near_duplicates": "off"})
    prepare(given, tmp_path / "out")
    assert len(_sources(tmp_path / "out")) == 6


@pytest.mark.parametrize("rows", [6, 3])
def test_an_image_of_a_table_is_no_mask(inline, dataset, folder, tmp_path, rows):
    """Where a table names the images of `b`, they are images, black and white as they may be."""
    root = folder({f"{kind}/{i}.png": np.roll(pixels, i, 0) for kind, pixels in (("a", dark(1, *SHAPE)), ("b", MASK))
                   for i in range(3)})  # fmt: skip
    named = [f"{kind}/{i}.png,{kind}" for kind in "ab" for i in range(3)][:rows]
    (tmp_path / "table.csv").write_text("\n".join(["file,class", *named]))
    labels = {"rule": "csv", "csv": [str(tmp_path / "table.csv")]}
    prepare(dataset(root, labels=labels, split={"near_duplicates": "off"}), tmp_path / "out")
    assert len(_sources(tmp_path / "out")) == rows


def test_good_images_need_no_mask(inline, prepared, tmp_path):
    content = {f"images/bad/{i}.png": dark(i, *SHAPE, CRACK) for i in range(4)}
    content |= {f"images/good/{i}.png": dark(10 + i, *SHAPE) for i in range(4)}
    content |= {f"masks/bad/{i}_mask.png": MASK for i in range(3)}
    found = prepared(content, labels={"rule": "folder"}, good="good")
    assert found.metadata["label"][~found.annotated].tolist() == ["bad"]  # its fourth image may have a defect anywhere
    assert found.masked.sum() == 7
    with Image.open(tmp_path / "out" / "boxes.png") as sheet:
        last = np.asarray(sheet.convert("L"))[-preview.THUMB :, : preview.MARGIN + preview.THUMB]
    assert (last < 128).mean() > 0.5  # the row of the good ones is not blank


def test_photographs_with_the_names_of_masks_are_images(inline, dataset, folder, tmp_path):
    root = folder({f"{name}.png": dark(i, *SHAPE) for i, name in enumerate(["a", "a_label", "b", "b_label"])})
    prepare(dataset(root, split={"near_duplicates": "off"}), tmp_path / "out")
    assert len(ImageSet.open(tmp_path / "out")) == 4


def grains(shape=(120, 200)):
    """A number each, up to that of white."""
    numbers = np.random.default_rng(0).permutation(60).reshape(6, 10)
    return (1000 * np.kron(numbers, np.ones((shape[0] // 6, shape[1] // 10)))).astype(np.uint16)


@pytest.mark.parametrize("kind", ["labels", "segments of grains"])
def test_numbered_grains_are_never_trained_on(inline, dataset, folder, tmp_path, kind):
    content = {f"images/g{i}.tif": dark(i, 120, 200) for i in range(3)} | {
        f"{kind}/g{i}.tif": grains() for i in range(3)
    }
    prepare(dataset(folder(content), split={"near_duplicates": "off"}), tmp_path / "out")
    assert _sources(tmp_path / "out") == [f"images/g{i}.tif" for i in range(3)]


def test_a_mask_is_told_from_a_photograph_by_content(tmp_path, picture):
    def shows(pixels, suffix="png", **words):
        path = tmp_path / f"a.{suffix}"
        Image.fromarray(pixels).save(path, **words)
        return mask_files.shows_mask(str(path), path.name, settings())

    smooth = np.clip(20 * np.linspace(-40, 60, 100)[None] * np.ones((80, 1)), 0, 255).astype(np.uint8)
    numbers = drawn(*((i, 4 * i, 2, 4 * i + 3, 6) for i in range(1, 30)), shape=(60, 130))
    assert shows(TWO)
    assert shows(smooth)
    assert shows(smooth, "jpg", quality=60)
    assert shows(numbers)
    assert shows(COLOURS[TWO])
    assert shows(grains())
    rows, columns = np.indices((160, 160))
    particles = (np.hypot(rows % 20 - 10, columns % 20 - 10) < 6) * (1 + rows // 20 + 8 * (columns // 20))
    assert shows(particles.astype(np.uint8))  # numbered, on a background
    spots = np.exp(-((rows % 80 - 40) ** 2 + (columns % 80 - 40) ** 2) / 50)
    assert not shows((100 + 80 * spots).astype(np.uint8))  # a photograph of spots on an even background
    assert not shows(picture(0))
    assert not shows(picture(0) // 10)  # dark
    assert not shows(picture(0, dtype="uint16") // 16)  # 12 bits in 16
    assert not shows(np.where(picture(0) > 128, picture(1) // 16, 255 - picture(2) // 16))  # of two phases


def test_altered_masks_are_refused(inline, prepared, tmp_path):
    content = {f"images/{i}.png": dark(i, *SHAPE) for i in range(3)} | {f"masks/{i}.png": MASK for i in range(3)}
    prepared(content)
    path = tmp_path / "out" / "masks.npy"
    path.write_bytes(path.read_bytes()[:-1] + b"\7")
    with pytest.raises(UserError, match=r"masks\.npy: is missing or was altered"):
        _ = ImageSet.open(tmp_path / "out").masks
