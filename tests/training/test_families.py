"""Every registered family through the loop: interrupted and resumed, it ends in the same bits."""

from pathlib import Path

import pytest
import yaml

from pipeline.models import FAMILIES
from pipeline.sampling.draw import generate
from pipeline.settings import Generate, load
from pipeline.training.loop import train
from tests.tiny_family import Events, image_set

QUICK = Path(__file__).resolve().parents[2] / "config" / "quick.yaml"


def small(family, images):
    """The family's settings under the overlay of tiny budgets."""
    overlay = yaml.safe_load(QUICK.read_text())["all_models"] | {"total_images": images, "batch": 4}
    config = {"datasets": {"d": {"source": "voronoi"}}, "models": {"m": {"family": family}}, "all_models": overlay}
    return load(config).models["m"]


@pytest.mark.parametrize("family", FAMILIES)
def test_resumed_training_ends_in_the_same_bits(family, tmp_path):
    data = image_set(tmp_path / "real", size=32, symmetry="dihedral")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(small(family, 80), data, whole / "out", whole / "state", 0, Events(), threads=1)
    for images in (28, 68, 80):  # breaks between the penalties that are due every few updates
        train(small(family, images), data, parts / "out", parts / "state", 0, Events(), threads=1)
    name = "out/model.safetensors"
    assert (whole / name).read_bytes() == (parts / name).read_bytes()
    generate(Generate(images_per_class=2), whole / "out", data, tmp_path / "synthetic", Events(), threads=1)
    assert (tmp_path / "synthetic" / "meta.json").is_file()
