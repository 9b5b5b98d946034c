"""Data sets of patches in a configuration."""

import pytest

from pipeline.settings import load
from tests.refusals import refusal

BOXED = {"source": "photos", "boxes": {"format": "voc", "path": "marks"}}


def config(**datasets):
    entries = {name: {"size": 64} | entry for name, entry in datasets.items()}
    return {"datasets": entries, "models": {"cgan": {"family": "cgan"}, "ddpm": {"family": "ddpm"}}}


def patched(steel=BOXED, **defects):
    return {"steel": steel, "defects": {"patches_of": "steel"} | defects}


def patches(settings):
    return {name: d.patches_of for name, d in settings.datasets.items() if d.patches_of}


def test_patches_have_settings_of_their_own_and_no_others():
    settings = load(
        config(defects={"patches_of": "steel", "patches": {"margin": 0.5}, "models": ["ddpm"]}, steel=BOXED)
    )
    assert settings.patch_sets() == {"steel": "defects"}
    assert settings.datasets["defects"].patches.margin == 0.5
    assert settings.models_of("defects") == ["ddpm"]
    assert load(settings.model_dump(mode="json")) == settings, "what a job is given loads as the same"


def test_a_list_of_shots_makes_patches_of_each_member():
    for names in (("steel", "defects"), ("defects", "steel")):
        both = {"steel": BOXED | {"shots": [10, None, 40]}, "defects": {"patches_of": "steel"}}
        settings = load(config(**{name: both[name] for name in names}))
        assert patches(settings) == {"defects_10": "steel_10", "defects": "steel", "defects_40": "steel_40"}
        assert {d.shots for name, d in settings.datasets.items() if name.startswith("defects")} == {None}
    one = load(config(steel=BOXED | {"shots": [10, 40]}, few={"patches_of": "steel_10"}))
    assert patches(one) == {"few": "steel_10"}


def test_overlays_are_laid_over_patches_as_far_as_they_are_theirs():
    over = config(steel=BOXED, defects={"patches_of": "steel"}) | {"all_datasets": {"shots": [5, 9], "size": 32}}
    settings = load(over)
    assert patches(settings) == {"defects_5": "steel_5", "defects_9": "steel_9"}
    assert {d.size for d in settings.datasets.values()} == {32}


@pytest.mark.parametrize(
    ("datasets", "message"),
    [
        ({"steel": {}}, "datasets.steel.source: must be given, or `patches_of`"),
        (patched(patches_of="steal"), "defects.patches_of: `steal` is no data set with boxes; those are steel"),
        (patched({"source": "photos"}), "`steel` is no data set with boxes; there is none, see `boxes`"),
        (patched() | {"more": {"patches_of": "defects"}}, "more.patches_of: `defects` is no data set with boxes"),
        (patched() | {"b": {"patches_of": "steel"}}, "b.patches_of: `steel` has its patches in `defects` already"),
        (
            patched(fit="tile"),
            "datasets.defects.fit: cannot be set beside `patches_of`, it is that of `steel`; only models, patches, ",
        ),
        (patched(source="x"), "datasets.defects.source: cannot be"),
        (patched(shots=[3]), "datasets.defects_3.shots: cannot be"),
        (patched(patches={"margin": 0}), "datasets.defects.patches.margin: Input should be greater than 0; it is 0"),
        (
            {"defects": {"patches_of": "steel"}, "steel": BOXED | {"shots": [5, 5]}},
            "datasets.steel.shots: [5, 5] names a number twice",
        ),
    ],
)
def test_impossible_patches_are_named(datasets, message):
    assert message in refusal(config(**datasets))
