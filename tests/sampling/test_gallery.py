"""The gallery of a model: which files, of which classes, drawn from which seeds."""

import json

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from pipeline import models
from pipeline.sampling.gallery import draw_gallery, images_drawn
from pipeline.settings import STYLED, Gallery, Interpolation, Mixing, Strips, Sweep, UserError, gallery_of
from pipeline.training import model_files
from tests.models.tiny import spec, tiny_settings
from tests.sampling.fakes import QUICK
from tests.tiny_family import Events, image_set

META = {"dtype": "uint16", "scaling": {"rule": "dtype", "low": 0, "high": 65535}, "pixel_size": None, "unit": "µm"}
SMALL = {
    "sweep": Sweep(truncations=[0, 1], count=1),
    "interpolation": Interpolation(frames=3, count=2),
    "mixing": Mixing(rows=1, columns=2),
    "strips": Strips(width=48, count=2),
}


def trained(tmp_path, family, of=None):
    folder = tmp_path / "seed-0"
    folder.mkdir()
    torch.manual_seed(0)
    model = models.build(tiny_settings(family, **QUICK.get(family, {})), of or spec())
    model_files.save(model, folder, 0, META, 1.0, model_files.averaged_weights(model), None)
    return folder


def test_the_images_of_a_gallery_are_counted_before_it_is_drawn():
    """Of each class 2 truncations, 2 films of 3, 1 x 2 mixed beside those that are mixed, 2 strips of 3 squares."""
    of, each = spec(16), 2 + 2 * 3 + 2 * 3 + 2 * 3
    assert images_drawn(Gallery(**SMALL, directions=False), of) == len(of.classes) * each
    assert images_drawn(Gallery(**SMALL, directions=False, classes=["a"]), of) == each
    along = images_drawn(Gallery(**SMALL), of) - len(of.classes) * each
    assert along == 48 + 8 * (8 * 4 + 7)  # unmoved; each of eight directions with 8 images at 4 steps, and as shown


@pytest.mark.parametrize("family", models.FAMILIES)
def test_every_family_has_one(tmp_path, family):
    settings, journal = gallery_of(Gallery(**SMALL), family), Events()
    out = tmp_path / "gallery"
    draw_gallery(settings, trained(tmp_path, family), image_set(tmp_path / "real"), out, journal, threads=1)
    facts = json.loads((out / "gallery.json").read_text(encoding="utf-8"))
    assert facts["classes"] == ["a", "b", "c"]
    parts = [name for name in ("truncation", "interpolation", "mixing", "directions", "strips") if name in facts]
    assert len(parts) == 1 + 3 * (family in STYLED) + (settings.strips is not None)
    assert all((out / facts[name]["file"]).is_file() for name in parts)
    assert sorted(p.name for p in (out / "frames").iterdir()) == ["0000.png", "0001.png", "0002.png"]
    with Image.open(out / "interpolation.gif") as film:
        assert film.n_frames == 4  # there and back
    sent = {event[0].name for event in journal.of("artifact")}
    assert sent == {facts[name]["file"] for name in parts} | {"interpolation.mp4"}


@pytest.mark.parametrize("family", [f for f in models.FAMILIES if gallery_of(Gallery(), f).strips])
def test_strips_of_each_class_in_the_type_of_the_source(tmp_path, family):
    out, journal = tmp_path / "gallery", Events()
    settings = gallery_of(Gallery(**SMALL, classes=["c", "a", "elsewhere"]), family)
    draw_gallery(settings, trained(tmp_path, family), image_set(tmp_path / "real"), out, journal, threads=1)
    names = {f"{label}_{i:06d}.tif" for label in "ac" for i in (0, 1)}
    assert {p.name for p in (out / "strips").glob("*.tif")} == names
    strips = {name: tifffile.imread(out / "strips" / name) for name in names}
    assert {(s.shape, s.dtype.name) for s in strips.values()} == {((16, 48), "uint16")}
    assert not np.array_equal(strips["a_000000.tif"], strips["a_000001.tif"])
    facts = json.loads((out / "gallery.json").read_text(encoding="utf-8"))["strips"]
    ratios = [s["seam_ratio"] for s in facts["strips"].values()]
    assert len(ratios) == 4
    assert journal.of("final") == [({"strips/seam_ratio": pytest.approx(np.mean(ratios))},)]


def test_the_images_are_the_first_of_the_synthetic_set(tmp_path):
    """Pair 0 goes from image 0 to image 1 of the class: the ends of its film."""
    from pipeline.base.seeds import derive
    from pipeline.training import grids

    folder = trained(tmp_path, "cgan", spec(size=64, classes=1))
    pairs = Gallery(
        sweep=None, mixing=None, directions=False, strips=None, seed=5, interpolation=Interpolation(count=2)
    )
    draw_gallery(pairs, folder, tmp_path / "real", tmp_path / "out", Events(), threads=1)
    seeds = torch.tensor([derive(5, 0, i) for i in range(4)])
    images = model_files.load(folder).sample(torch.zeros(4, dtype=torch.int64), seeds).cpu().permute(0, 2, 3, 1).numpy()
    for file, ends in (("0000.png", images[[0, 2]]), ("0007.png", images[[1, 3]])):
        with Image.open(tmp_path / "out" / "frames" / file) as frame:
            shown, expected = (np.asarray(p.convert("L"), float) for p in (frame, grids.sheet({"a": ends}, columns=2)))
        assert np.abs(shown - expected).max() <= 1


def test_what_the_family_cannot_and_classes_it_does_not_know_are_refused(tmp_path):
    folder = trained(tmp_path, "cgan")
    with pytest.raises(UserError, match=r"gallery.sweep: `cgan` has no styles"):
        draw_gallery(Gallery(), folder, tmp_path / "real", tmp_path / "out", Events(), threads=1)
    with pytest.raises(UserError, match=r"gallery.classes: the model knows none of \['rust'\], but a, b, c"):
        draw_gallery(Gallery(classes=["rust"]), folder, tmp_path / "real", tmp_path / "out", Events(), threads=1)
