"""Held-out images choose the snapshot, and when to stop."""

import json

import numpy as np
import pytest
import safetensors.torch
import torch

import pipeline.models
from pipeline.data.image_set import ImageSet
from pipeline.settings import HeldOut
from pipeline.training import model_files
from pipeline.training.held_out import FID, SCORE
from pipeline.training.loop import train
from pipeline.training.validator import KID, LOSS, Validator
from tests.tiny_family import Events, Tiny, TinySettings, image_set, table

CPU = torch.device("cpu")
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit")  # as in the tests of Inception


@pytest.fixture(autouse=True)
def family(monkeypatch):
    monkeypatch.setitem(pipeline.models.FAMILIES, "tiny", Tiny)
    monkeypatch.setitem(model_files.FAMILY_SETTINGS, "tiny", TinySettings)


@pytest.fixture
def data(tmp_path):
    return image_set(tmp_path / "real", n=150, val=True)


def run(data, folder, journal=None, **settings):
    settings = TinySettings(**{"total_images": 400, "snapshots": 10} | settings)
    train(settings, data, folder / "out", folder / "state", 0, journal or Events(), 1e9, threads=1)


def spoil_after(monkeypatch, updates):
    """From then on the generator's weights drift away."""
    step = Tiny.train_step

    def drifting(self, batch):
        scalars = step(self, batch)
        if self.updates >= updates:
            self.ema.mean.data += 0.1
        return scalars

    monkeypatch.setattr(Tiny, "train_step", drifting)


def test_the_best_snapshot_becomes_the_model_and_the_last_is_kept_too(data, tmp_path, monkeypatch):
    spoil_after(monkeypatch, 50)
    journal = Events()
    run(data, tmp_path, journal)
    rows = [r for r in table(tmp_path) if r[KID]]
    assert [int(r["images"]) for r in rows] == list(range(40, 401, 40))
    kept = model_files.read_recipe(tmp_path / "out")["images_seen"]
    best = next(r for r in rows if int(r["images"]) == kept)
    lowest = min(rows, key=lambda r: float(r[KID]))
    assert int(lowest["images"]) <= kept <= 240 < 400
    recipe = model_files.read_recipe(tmp_path / "out")
    assert recipe["images_seen"] == int(best["images"])
    assert recipe["images_trained"] == 400
    assert recipe["held_out_kid"] == pytest.approx(float(best[KID]))
    (final,) = journal.of("final")
    assert final[0][f"best/{KID}_images"] == int(lowest["images"])
    logged = [values[KID] for values, _ in journal.of("metrics") if KID in values]
    assert logged == pytest.approx([float(r[KID]) for r in rows])
    kept, last = (safetensors.torch.load_file(tmp_path / "out" / f) for f in ("model.safetensors", "last.safetensors"))
    assert not torch.equal(kept["mean"], last["mean"])
    # Training up to the best snapshot alone gives the very same model.
    short = tmp_path / "short"
    run(data, short, total_images=int(best["images"]), snapshots=int(best["images"]) // 40)
    model = safetensors.torch.load_file(short / "out" / "model.safetensors")
    assert all(torch.equal(model[name], kept[name]) for name in kept)
    assert not (short / "out" / "last.safetensors").exists()


def test_a_moment_that_cannot_be_told_from_the_best_replaces_it_and_a_worse_one_does_not(data, monkeypatch):
    """Sets of features stand for what the model draws: as good as can be, as good but another draw, shifted, better."""
    images = ImageSet.open(data)
    validator = Validator(images, images.spec, CPU, TinySettings())
    rng = np.random.default_rng(0)
    validator.real = rng.standard_normal((len(validator.labels), 6))
    near, again = (rng.standard_normal(validator.real.shape) + 0.2 for _ in range(2))
    shown = iter([near, again, again + 1.0, validator.real + 0.01])
    monkeypatch.setattr(Validator, "_scalars", lambda *_: {})
    monkeypatch.setattr(Validator, "_vectors", lambda *_: next(shown) * validator.scale + validator.centre)
    monkeypatch.setattr("pipeline.training.validator.draw", lambda *_: None)
    monkeypatch.setattr("pipeline.training.validator.averaged_weights", lambda model: {"of": model})
    validator.centre, validator.scale = np.zeros(6), np.ones(6)
    kids, kept = [], []
    for moment in range(4):
        kids.append(validator.evaluate(moment, 100 * moment, 8)[KID])
        state, weights = validator.state(), validator.weights  # as a resumed training has them
        validator.load_state(json.loads(json.dumps(state)), weights)
        kept.append(validator.kept[1])
        assert validator.weights == {"of": validator.kept[1] // 100}
    assert kids[0] < kids[1] < kids[2]  # the second is a little worse than the first
    assert kept == [0, 100, 100, 300]


def test_keeping_the_last_is_a_setting(data, tmp_path, monkeypatch):
    spoil_after(monkeypatch, 50)
    run(data, tmp_path, keep="last")
    assert model_files.read_recipe(tmp_path / "out")["images_seen"] == 400
    assert not (tmp_path / "out" / "last.safetensors").exists()


def test_stops_when_nothing_gets_better(data, tmp_path, monkeypatch, capfd):
    spoil_after(monkeypatch, 50)
    run(data, tmp_path, patience=3)
    stopped = int(table(tmp_path)[-1]["images"])
    losses = {int(r["images"]): float(r[LOSS]) for r in table(tmp_path) if r[LOSS]}
    assert stopped == min(losses, key=losses.get) + 3 * 40 < 400
    said = capfd.readouterr().err
    assert f"stopped early after {stopped} of 400 images" in said
    assert "patience" in said
    run(data, tmp_path, patience=3)  # the same command again has nothing to do
    assert "complete already" in capfd.readouterr().err


def test_interrupted_between_the_best_and_the_end(data, tmp_path, monkeypatch):
    spoil_after(monkeypatch, 50)
    run(data, tmp_path / "whole")
    for images in (280, 400):
        run(data, tmp_path / "parts", total_images=images, snapshots=images // 40)
    for name in ("model.safetensors", "last.safetensors"):
        whole, parts = ((tmp_path / folder / "out" / name).read_bytes() for folder in ("whole", "parts"))
        assert whole == parts


def test_too_few_held_out_images_choose_nothing(tmp_path):
    run(image_set(tmp_path / "real", n=20, val=True), tmp_path)
    assert KID not in table(tmp_path)[0]
    assert model_files.read_recipe(tmp_path / "out")["images_seen"] == 400


def test_only_validation_images_choose(data):
    images = ImageSet.open(data)
    validator = Validator(images, images.spec, CPU, TinySettings())
    levels = (validator.images.permute(0, 2, 3, 1) + 1) / 2 * 255
    held_out = images.images[images.rows("val")].astype("float32")
    assert sorted(levels.sum((1, 2, 3)).tolist()) == pytest.approx(sorted(held_out.sum((1, 2, 3)).tolist()), rel=1e-5)


def test_kid_of_the_held_out_images_own_distribution_is_near_zero_and_that_of_noise_is_not(data):
    """Judged by what it measures: a `model` that draws training images against one that draws flat noise."""
    images = ImageSet.open(data)
    validator = Validator(images, images.spec, CPU, TinySettings())
    train_rows = images.rows("train")

    class Fixed(Tiny):
        def generate(self, labels, latents):
            of = [train_rows[images.labels[train_rows] == int(label)] for label in labels]
            rows = [some[int(40 * torch.special.ndtr(z[0]))] for some, z in zip(of, latents, strict=True)]
            return torch.from_numpy(images.images[rows]).permute(0, 3, 1, 2).float() / 127.5 - 1

    class Noise(Tiny):
        def generate(self, labels, latents):
            return torch.rand(len(labels), 1, 16, 16, generator=torch.Generator().manual_seed(0)) * 2 - 1

    real, noise = (validator.evaluate(kind(TinySettings(), images.spec), 1, 50)[KID] for kind in (Fixed, Noise))
    assert abs(real) < 0.2
    assert noise > 10 * abs(real) + 1


def judged(data, kind, **chosen):
    images = ImageSet.open(data)
    settings = TinySettings(held_out=HeldOut(**chosen))
    return Validator(images, images.spec, CPU, settings).evaluate(kind(settings, images.spec), 1, 50)


def drawing(images):
    class Fixed(Tiny):
        """Draws these, whatever it is asked for."""

        def generate(self, labels, latents):
            return images[np.linspace(0, len(images) - 1, len(labels)).round()]

    return Fixed


def real_and_noise(data):
    images = ImageSet.open(data)
    rows = images.rows("train")
    order = np.argsort(images.labels[rows], kind="stable")
    real = torch.from_numpy(images.images[rows[order]]).permute(0, 3, 1, 2).float() / 127.5 - 1
    return real, torch.rand(real.shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_in_the_features_of_photographs_noise_is_farther_than_real_images(data):
    real, noise = (judged(data, drawing(kind), features="imagenet")[KID] for kind in real_and_noise(data))
    assert noise > 10 * abs(real) + 1


def test_fid_and_inception_score_of_inceptions_features(data, stand_in):
    """A stand-in's features are 2 048 times an image's mean: Fréchet's distance of two normal distributions on a line
    is (m − n)² + (s − t)²."""
    real, noise = real_and_noise(data)
    found = judged(data, drawing(noise), features="inception", weights=str(stand_in))
    images = ImageSet.open(data)
    held_out = (images.images[images.rows("val")].mean((1, 2, 3)) - 128) / 128
    drawn = (noise[np.linspace(0, len(noise) - 1, 30).round()].mean((1, 2, 3)).numpy() * 127.5 - 0.5) / 128
    line = (held_out.mean() - drawn.mean()) ** 2 + (held_out.std(ddof=1) - drawn.std(ddof=1)) ** 2
    assert found[FID] == pytest.approx(2048 * line, rel=0.02)
    assert 1 <= found[SCORE] < 1.1  # all look alike
    closer = judged(data, drawing(real), features="inception", weights=str(stand_in))
    assert closer[FID] < found[FID] / 20
    assert closer[KID] < found[KID] / 20
    assert closer[SCORE] > found[SCORE]


@pytest.mark.parametrize(("measure", "values"), [(FID, [9.0, 5.0, 6.0, 7.0, 8.0]), (SCORE, [1.0, 2.0, 1.9, 1.8, 1.7])])
def test_patience_watches_what_it_is_told_to(data, stand_in, monkeypatch, measure, values):
    """Everything else gets better all the time."""
    images = ImageSet.open(data)
    chosen = HeldOut(features="inception", weights=str(stand_in), patience_by=measure.split("/")[1])
    validator = Validator(images, images.spec, CPU, TinySettings(patience=3, held_out=chosen))
    stopped = []
    for moment, value in enumerate(values):
        for name in (KID, LOSS, FID, SCORE):
            validator._note(name, value if name == measure else -moment if name != SCORE else moment, moment)
        stopped.append(validator.exhausted)
    assert stopped == [False, False, False, False, True]
    assert validator.best[measure] == (values[1], 1)


def test_a_training_in_other_features_has_their_curves_and_stops_by_them(data, tmp_path, monkeypatch, stand_in):
    spoil_after(monkeypatch, 20)
    chosen = HeldOut(features="inception", weights=str(stand_in), patience_by="fid")
    run(data, tmp_path, total_images=200, snapshots=5, patience=1, held_out=chosen)
    fids = [float(row[FID]) for row in table(tmp_path) if row[FID]]
    assert len(fids) < 5
    assert fids[-1] > min(fids) == fids[-2]
    assert all(row[SCORE] for row in table(tmp_path) if row[FID])


def test_fid_without_inceptions_features_is_refused():
    with pytest.raises(ValueError, match="patience_by: fid needs features: inception"):
        HeldOut(features="imagenet", patience_by="fid")
