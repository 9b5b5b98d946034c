"""Directions of the style space: found where they are known, and named by what they are known to change."""

import json

import numpy as np
import pytest
import torch

from pipeline import models
from pipeline.data.image_set import ImageSet
from pipeline.models.base import StyledModel, latents
from pipeline.models.layers import EqualisedLinear
from pipeline.sampling import directions
from pipeline.sampling.class_odds import ClassOdds
from pipeline.sampling.descriptors import MEANING, described, gray, threshold_of
from pipeline.sampling.directions import along, combined, find
from pipeline.sampling.draw import generate
from pipeline.settings import Generate, ImageSpec, UserError
from pipeline.training import model_files
from pipeline.training.loop import train
from tests import image_sets
from tests.models.tiny import spec, tiny_settings
from tests.sampling.fakes import Plain
from tests.tiny_family import Events, image_set

SIDE = 16


class Known(Plain, StyledModel):
    """Style 0 is the brightness, style 1 (nearly) the contrast of upright stripes, style 2 nothing that is seen."""

    weights = (3.0, 2.0, 1.0)  # of the styles in the network's first product
    spreads = (1.0, 2.0, 3.0)  # deviations of the styles
    turned = (1.0, -1.0, 1.0)  # the second does the opposite

    def __init__(self):
        super().__init__("stylegan2_ada", ImageSpec(SIDE, SIDE, 1, ("a", "b")))
        self.latent_length = 3

    def styles(self, labels, latents, truncation=1.0):
        own = latents * torch.tensor(self.spreads) + 40 * labels[:, None]  # classes far apart: no direction of a class
        return own[:, None].expand(-1, 4, -1)

    def render(self, styles, latents):
        own = styles[:, 0] - 40 * (styles[:, :1, 0] > 20)
        w = own * torch.tensor(self.turned)
        stripes = torch.where(torch.arange(SIDE) % 4 < 2, 1.0, -1.0)
        rows = 0.1 * w[:, :1] + (0.2 + 0.02 * w[:, 1:2]) * stripes
        return rows[:, None, None].expand(-1, 1, SIDE, -1)

    def style_matrix(self):
        return torch.diag(torch.tensor(self.weights))

    def generate(self, labels, latents):
        return self.render(self.styles(labels, latents), latents)


@pytest.fixture(scope="module")
def known():
    return find(Known())


def test_sefa_goes_by_the_weights_and_ganspace_by_the_spread_within_classes(known):
    order = {method: {} for method in ("SeFa", "GANSpace")}
    for direction in known:
        order[direction.method][direction.number] = int(direction.vector.abs().argmax())
    assert order == {"SeFa": {1: 0, 2: 1, 3: 2}, "GANSpace": {1: 2, 2: 1, 3: 0}}


def test_each_is_named_by_what_it_changes_and_points_to_more_of_it(known):
    named = {d.name: d for d in known}
    assert set(named) == {"brightness", "brightness_2", "contrast", "contrast_2", "unnamed", "unnamed_2"}
    assert [d.descriptor for d in known] == [name.split("_")[0] for name in named]
    for name, axis, sign in (("brightness", 0, 1), ("contrast", 1, -1)):
        vector = named[name].vector
        assert int(vector.abs().argmax()) == axis
        assert float(vector[axis]) * sign == pytest.approx(Known.spreads[axis], rel=0.05)  # one deviation
        assert named[name].correlations[name] == pytest.approx(1, abs=1e-3)
        assert abs(named[name].effects[name]) == pytest.approx(1, rel=0.35)  # of 48 images
    assert max(abs(r) for r in named["unnamed"].correlations.values()) < 0.5
    assert set(named["brightness"].effects) == set(MEANING)


def test_images_along_a_direction_change_by_it_alone(known):
    model = Known()
    brightness = next(d for d in known if d.name == "brightness")
    images = gray(along(model, brightness, 1, 5, [-1.0, 0.0, 2.0], batch=2))
    means = images.mean(axis=(1, 2))
    size = 0.1 / 2 * float(brightness.vector[0])
    np.testing.assert_allclose(means - means[1], [-size, 0, 2 * size], atol=1e-6)
    still = model.draw(torch.tensor([1]), latents(torch.tensor([5]), 3))
    np.testing.assert_allclose(images[1], gray(still)[0], atol=1e-6)


def test_a_direction_is_named_by_a_class_that_a_classifier_sees_more_of():
    """A classifier that goes by the stripes' contrast: what moves it, moves the odds as much, and is called by the
    class where these move more, seen from the class's side."""

    def odds(images):
        contrast = images.std((1, 2, 3)).numpy()
        return {"p(plain 2)": -(contrast**3), "p(flat)": 0 * contrast}

    found = find(Known(), odds=odds)
    named = {d.name: d for d in found}
    assert {"brightness", "p(plain 2)", "p(plain 2)_2"} <= set(named)
    assert named["p(plain 2)_2"].descriptor == "p(plain 2)"
    assert named["p(plain 2)"].effects["contrast"] < 0 < named["p(plain 2)"].effects["p(plain 2)"]
    assert named["p(plain 2)"].effects["p(flat)"] == 0
    assert combined(found, {"p(plain 2)": 2.0}, "generate.move")[1] > 0  # fewer stripes: the style is turned


def test_odds_of_the_classes_of_held_out_images(tmp_path):
    """Upright and lying stripes, learned from ten each; a class of few images is none that can be learned."""
    rng = np.random.default_rng(0)
    stripes = np.where(np.arange(32) % 8 < 4, 0.7, 0.3)
    counts = {"upright": 15, "lying": 15, "rare": 3}
    rows = [(name, "train" if i < 10 else "test") for name, n in counts.items() for i in range(n)]
    images = np.stack(
        [np.tile(stripes, (32, 1)).T if name == "lying" else np.tile(stripes, (32, 1)) for name, _ in rows]
    )
    images = (images + rng.normal(0, 0.1, images.shape)).clip(0, 1)[..., None]
    labels, split = ([row[k] for row in rows] for k in (0, 1))
    image_sets.write(tmp_path, np.rint(images * 65535).astype(np.uint16), labels, split)
    real = ImageSet.open(tmp_path)
    odds = ClassOdds.of(real)(torch.from_numpy(images[real.rows("test")] * 2 - 1).float().permute(0, 3, 1, 2))
    assert list(odds) == ["p(upright)", "p(lying)"]
    upright = real.metadata["label"].iloc[real.rows("test")] == "upright"
    np.testing.assert_array_equal(odds["p(upright)"] > 0, upright)
    np.testing.assert_allclose(odds["p(upright)"], -odds["p(lying)"], rtol=1e-5)
    assert ClassOdds.of(ImageSet.open(image_set(tmp_path / "few"))) is None


def test_moves_add_up_and_unknown_ones_are_named(known):
    named = {d.name: d.vector for d in known}
    move = combined(known, {"brightness": 0.5, "contrast": -1.0}, "generate.move")
    torch.testing.assert_close(move, 0.5 * named["brightness"] - named["contrast"])
    with pytest.raises(
        UserError, match=r"^generate.move: no direction of the model is `grain_size`; it has .*contrast"
    ):
        combined(known, {"grain_size": 1.0}, "generate.move")


def test_descriptors_of_hand_made_images():
    stripes = np.tile(np.where(np.arange(8) % 4 < 2, 0.8, 0.2), (8, 1))
    found = described(np.stack([stripes, stripes.T, np.full((8, 8), 0.4)]), 0.5)
    np.testing.assert_allclose(found["brightness"], [0.5, 0.5, 0.4])
    np.testing.assert_allclose(found["contrast"], [0.3, 0.3, 0], atol=1e-12)
    np.testing.assert_allclose(found["phase_fraction"], [0.5, 0.5, 0])
    np.testing.assert_allclose(found["orientation"], [1, -1, 0])
    assert found["grain_size"][0] == pytest.approx(2 * 2 * 64 / (3 * 8))
    assert threshold_of(np.stack([stripes])) == pytest.approx(0.5, abs=0.01)
    colour = np.stack([np.ones((4, 4)), -np.ones((4, 4)), -np.ones((4, 4))])[None]
    assert gray(colour)[0, 0, 0] == pytest.approx(0.299)


@pytest.mark.parametrize("modulation", ["weights", "adain"])
def test_the_style_matrix_is_all_that_styles_meet(modulation):
    """What a change of the styles changes in the affine layers, by these layers themselves."""
    torch.manual_seed(0)
    model = models.build(tiny_settings("stylegan2_ada", modulation=modulation), spec(32))
    seen = []
    for layer in model.ema.synthesis.modules():
        if isinstance(layer, EqualisedLinear):
            layer.register_forward_hook(lambda layer, inputs, output: seen.append(output[0, 0]))
    z, change = torch.randn(1, model.latent_length), torch.randn(8)
    styles = model.styles(torch.tensor([0]), z)
    model.render(styles, z)
    before = torch.cat(seen)
    seen.clear()
    model.render(styles + change, z)
    product = model.style_matrix() @ change
    torch.testing.assert_close((torch.cat(seen) - before).square().sum(), product.square().sum(), rtol=1e-4, atol=1e-4)


def test_a_set_is_drawn_along_them_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(directions, "LEAST", 0.0)
    monkeypatch.setattr(directions, "LEAST_EFFECT", 0.0)  # whatever a network of two updates does has a name
    data = image_set(tmp_path / "real", size=16)
    folder = tmp_path / "sg" / "seed-0"
    train(
        tiny_settings("stylegan2_ada", total_images=8, snapshots=1),
        data,
        folder,
        tmp_path / "s",
        0,
        Events(),
        threads=1,
    )
    name = find(model_files.load(folder))[0].name
    drawn = {}
    for steps in (0.0, 2.0):
        out = tmp_path / f"{steps}"
        generate(Generate(images_per_class=6, move={name: steps}), folder, data, out, Events(), threads=1)
        drawn[steps] = np.load(out / "images.npy").astype(float)
        assert json.loads((out / "meta.json").read_text())["move"] == {name: steps}
    generate(Generate(images_per_class=6), folder, data, tmp_path / "plain", Events(), threads=1)
    assert np.array_equal(drawn[0.0], np.load(tmp_path / "plain" / "images.npy"))
    assert "move" not in json.loads((tmp_path / "plain" / "meta.json").read_text())
    found = {s: described(drawn[s][..., 0] / 255, 0.5) for s in drawn}
    assert found[2.0][name].mean() > found[0.0][name].mean()
