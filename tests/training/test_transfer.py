"""A training that begins with the weights of another model: a run of every family, and a snapshot file."""

import json

import pytest
import torch

from pipeline.models import FAMILIES, build
from pipeline.settings import UserError
from pipeline.training import model_files
from pipeline.training.loop import train
from pipeline.training.transfer import Start
from tests.models import nvidia
from tests.models.tiny import spec, tiny_settings
from tests.tiny_family import Events, image_set

LIVE = {"ddpm": "network"}


def trained(folder, family, images=8, seed=0, data=None, **changes):
    """A run of a family in its place under results; returns its folder and what its journal was told."""
    data = data or image_set(folder / "real", size=16)
    out = folder / "results" / "steel" / family / f"seed-{seed}"
    state = folder / "results" / "state" / "steel" / family / f"seed-{seed}"
    journal = Events()
    settings = tiny_settings(family, total_images=images, snapshots=1, **changes)
    train(settings, data, out, state, seed, journal, threads=1)
    return out, journal


def fresh(family, of, seed=7, **changes):
    torch.manual_seed(seed)
    return build(tiny_settings(family, **changes), of)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_run_of_ours_gives_all_its_networks(tmp_path, family):
    folder, _ = trained(tmp_path, family)
    of = spec(16, classes=2)._replace(classes=("dark", "bright"))
    model = fresh(family, of)
    outcome = Start.of(folder).give(model)
    assert (outcome.taken, outcome.anew, outcome.classes, outcome.settings) == (outcome.count, (), (), ())
    average = model_files.load(folder).ema
    assert all(torch.equal(a, b) for a, b in zip(model.ema.parameters(), average.parameters(), strict=True))
    live = getattr(model, LIVE.get(family, "generator"))
    assert any(not torch.equal(a, b) for a, b in zip(live.parameters(), model.ema.parameters(), strict=True))
    assert model.updates == 0
    assert all(not optimizer.state for optimizer in model.optimizers.values())


def test_a_part_that_has_no_place_here_is_named_by_its_setting(tmp_path):
    folder, _ = trained(tmp_path, "cgan", coarse_pictures=True)
    outcome = Start.of(folder).give(fresh("cgan", spec(16, classes=2)._replace(classes=("dark", "bright"))))
    assert outcome.taken == outcome.count
    assert outcome.settings == ("coarse_pictures: True, here False",)


def test_classes_are_known_by_their_names(tmp_path):
    folder, _ = trained(tmp_path, "stylegan2_ada")
    model = fresh("stylegan2_ada", spec(16)._replace(classes=("crack", "bright", "dark")))
    new = model.generator.mapping.embedding.weight[0].clone()
    outcome = Start.of(folder).give(model)
    assert outcome.classes == ("crack",)
    assert "classes that start anew, for it does not know them: crack" in outcome.lines()
    theirs = model_files.load(folder).ema.mapping
    for table, other in (
        (model.ema.mapping.embedding.weight, theirs.embedding.weight),
        (model.ema.mapping.w_average, theirs.w_average),
    ):
        assert torch.equal(table[1:], other[[1, 0]])
    assert torch.equal(model.generator.mapping.embedding.weight[0], new)


def test_the_row_of_no_class_stays_the_last(tmp_path):
    folder, _ = trained(tmp_path, "ddpm")
    model = fresh("ddpm", spec(16)._replace(classes=("bright", "crack", "dark")))
    Start.of(folder).give(model)
    assert torch.equal(model.ema.classes.weight[[2, 0, 3]], model_files.load(folder).ema.classes.weight)


def test_without_its_checkpoint_a_run_gives_its_average_and_the_discriminator_starts_anew(tmp_path):
    folder, _ = trained(tmp_path, "stylegan2_ada")
    (tmp_path / "results" / "state").rename(tmp_path / "gone")
    model = fresh("stylegan2_ada", spec(16, classes=2)._replace(classes=("dark", "bright")))
    outcome = Start.of(folder).give(model)
    assert outcome.anew == ("discriminator",)
    assert torch.equal(model.generator.synthesis.constant, model_files.load(folder).ema.synthesis.constant)


def test_a_training_begins_with_it_and_says_so(tmp_path, capsys):
    data = image_set(tmp_path / "real", size=16)
    first, _ = trained(tmp_path, "dcgan", data=data)
    folder, journal = trained(tmp_path / "next", "dcgan", 4, data=data, init_from=str(first))
    told = {name: value for (values,) in journal.of("params") for name, value in values.items()}
    assert told["init_from/tensors"] == told["init_from/of"] > 10
    assert f"begins with {first}" in capsys.readouterr().err
    recipe = json.loads((folder / "model.json").read_text())
    assert recipe["started_from"] == {"path": str(first), "sha256": model_files.read_recipe(first)["sha256"]}
    plain, _ = trained(tmp_path / "plain", "dcgan", 4, data=data)
    assert "started_from" not in json.loads((plain / "model.json").read_text())
    assert (plain / "model.safetensors").read_bytes() != (folder / "model.safetensors").read_bytes()


def test_what_is_begun_with_is_part_of_the_training(tmp_path):
    """Another file of the same name: the old checkpoint is not gone on from."""
    data = image_set(tmp_path / "real", size=16)
    first, _ = trained(tmp_path, "dcgan", data=data)
    folder, _ = trained(tmp_path / "next", "dcgan", 4, data=data, init_from=str(first))
    before = (folder / "model.safetensors").read_bytes()
    trained(tmp_path / "next", "dcgan", 4, data=data, init_from=str(first))
    assert (folder / "model.safetensors").read_bytes() == before
    trained(tmp_path, "dcgan", 12, data=data)
    trained(tmp_path / "next", "dcgan", 4, data=data, init_from=str(first))
    assert (folder / "model.safetensors").read_bytes() != before


def test_a_training_begins_with_a_snapshot_and_says_its_licence(tmp_path, capsys):
    path = nvidia.write(tmp_path / "s.pkl", nvidia.networks(0, 3, 32))
    folder, _ = trained(tmp_path, "stylegan2_ada", 4, init_from=str(path))
    said = capsys.readouterr().err
    assert "non-commercial" in said
    assert "starts anew: discriminator.embedding, discriminator.image, discriminator.mapping" in said
    assert "non-commercial" in json.loads((folder / "model.json").read_text())["started_from"]["licence"]


def test_what_cannot_be_begun_with_is_named(tmp_path):
    folder, _ = trained(tmp_path, "dcgan")
    with pytest.raises(UserError, match="is a dcgan, this model is a cgan"):
        Start.of(folder).give(fresh("cgan", spec(16)))
    with pytest.raises(UserError, match=r"init_from: .*nowhere is neither a folder of a model nor a snapshot"):
        Start.of(tmp_path / "nowhere")
    path = tmp_path / "s.pkl"
    path.write_bytes(b"")
    with pytest.raises(UserError, match="which only `stylegan2_ada` begins with, not ddpm"):
        Start.of(path).give(fresh("ddpm", spec(16)))
