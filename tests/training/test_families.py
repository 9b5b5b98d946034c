"""Every registered family through the loop: interrupted and resumed, it ends in the same bits."""

import json
import signal

import pytest

from pipeline.models import FAMILIES, ema
from pipeline.sampling.draw import generate
from pipeline.settings import Generate
from pipeline.training.loop import train
from tests.models.tiny import quick_settings
from tests.tiny_family import Events, forked, image_set, terminated

SMALL = {"batch": 4, "sampling_steps": 2, "r1_every": 8}


@pytest.mark.parametrize(
    ("family", "changes"),
    [
        *((family, {}) for family in FAMILIES),
        *((family, {"coarse_pictures": True}) for family in ("wgan_gp", "ddpm")),
        ("projected_gan", {"coarse_pictures_from": "distribution"}),
    ],
)
def test_interrupted_training_ends_in_the_same_bits(family, changes, tmp_path, monkeypatch, capfd):
    """A break in the middle of the updates between two lazy penalties, and one at a snapshot."""
    monkeypatch.setattr(ema, "MEASURED", 8)  # equal bits tell as much of statistics of a few images
    data = image_set(tmp_path / "real", n=120, size=32, symmetry="dihedral", val=True)
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    settings = quick_settings(family, total_images=40, **SMALL, **changes)
    train(settings, data, whole / "out", whole / "state", 0, Events(), threads=1)
    for update in (3, 5):
        with terminated(monkeypatch, FAMILIES[family], update):
            train(settings, data, parts / "out", parts / "state", 0, Events(), threads=1)
    train(settings, data, parts / "out", parts / "state", 0, Events(), threads=1)
    for name in ("model.safetensors", "last.safetensors"):
        files = [folder / "out" / name for folder in (whole, parts)]
        assert files[0].exists() == files[1].exists()
        assert not files[0].exists() or files[0].read_bytes() == files[1].read_bytes()
    generate(Generate(images_per_class=2), whole / "out", data, tmp_path / "synthetic", Events(), threads=1)
    assert (tmp_path / "synthetic" / "meta.json").is_file()
    warned = "WARNING: size: coarse pictures of 32 x 32 pixels" in capfd.readouterr().err
    keeps = "coarse_pictures" in changes or (family == "projected_gan" and not changes)
    assert warned == keeps
    assert ("real_pixels" in json.loads((whole / "out" / "model.json").read_text())) == keeps


@pytest.mark.slow
def test_kill_9_at_several_points_ends_in_the_same_bits(tmp_path):
    """Of the family with the most to keep; all of them are interrupted above, and killed at any moment in test_loop."""
    data = image_set(tmp_path / "real", size=32, symmetry="dihedral")
    settings = quick_settings("stylegan2_ada", total_images=60, **SMALL)
    train(settings, data, tmp_path / "whole" / "out", tmp_path / "whole" / "state", 0, Events(), threads=1)
    killed = tmp_path / "killed"
    for moment in ("in the payload", "before the name", "after the name"):  # each six checkpoints after the last
        process = forked(data, killed, settings, moment)
        process.join()
        assert process.exitcode in (-signal.SIGKILL, 0)
    process = forked(data, killed, settings)
    process.join()
    assert process.exitcode == 0
    name = "out/model.safetensors"
    assert (tmp_path / "whole" / name).read_bytes() == (killed / name).read_bytes()
