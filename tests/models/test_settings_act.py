"""Each setting of a family acts: with another value two updates and the images drawn after them differ."""

import typing

import pytest
import torch

from pipeline.models import FAMILIES, build
from pipeline.models.batch import Batch
from pipeline.settings import FAMILY_SETTINGS, Training
from tests.models.tiny import batch, spec, tiny_settings

ELSEWHERE = {
    "family",
    "texture",
    "boxes",
    "ada_target",
    "ada_images",
}  # tested elsewhere
SAME = {"checkpoint_activations"}  # saves memory and changes nothing
OTHER = {
    "attention": [16], "multipliers": [1, 4], "discriminator_channels": 24, "clip": 1e-3, "input_noise": 0.1,
    "discriminator_channel_base": 64, "discriminator_channel_max": 8, "discriminator_mapping_layers": 1,
    "noise_strength": 0.1, "noise_resolution": 8, "r1_gamma": 0.5, "ada_images": 4, "label_dropout": 0.9,
    "augment": True, "eta": 0.5, "beta1": 0.25, "guidance": 2.0, "class_weight": 1.0,
    "discriminator_class_width": 5,
}  # fmt: skip
BESIDE = {
    "eta": {"sampler": "ddim"},
    "noise_resolution": {"noise_strength": 0.1},
    "ada_target": {"ada_images": 4},
    "coarse_pictures_from": {"coarse_pictures": True},  # which projected_gan always has
}


def own(family):
    fields = FAMILY_SETTINGS[family].model_fields
    return {name: field for name, field in fields.items() if name not in {*Training.model_fields, *ELSEWHERE}}


def other(name, value, annotation):
    """Another value, neither of the two 0 where numbers can be had."""
    if name in OTHER:
        return OTHER[name]
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return next(one for one in typing.get_args(annotation) if one != value)
    return value * 2 if isinstance(value, int) else value / 2


def made(family, **changes):
    """All numbers of the model after two updates, and of what it draws."""
    torch.manual_seed(0)
    model = build(tiny_settings(family, **changes), spec(), None)
    images, labels = batch(spec())
    for seed in range(2):
        torch.manual_seed(seed)
        model.update(Batch(images, labels, seed))
    drawn = model.sample(torch.arange(3), torch.arange(3))
    return [*model.state().values(), drawn]


@pytest.mark.slow
@pytest.mark.parametrize("family", FAMILIES)
def test_each_setting_acts(family):
    idle, usual = set(), made(family)
    for name, field in own(family).items():
        beside = {k: v for k, v in BESIDE.get(name, {}).items() if k in FAMILY_SETTINGS[family].model_fields}
        before = made(family, **beside) if beside else usual
        value = getattr(tiny_settings(family, **beside), name)
        after = made(family, **beside | {name: other(name, value, field.annotation)})
        if len(before) == len(after) and all(map(torch.equal, before, after)):
            idle.add(name)
    assert idle == SAME & own(family).keys()
