"""What a user reads when a configuration is wrong, and what a right one becomes."""

import json
from pathlib import Path

import pytest
import yaml

from pipeline.settings import FAMILY_SETTINGS, UNTRAINED, Training, UserError, load, schema
from pipeline.settings.listing import listing

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = sorted(p for p in (ROOT / "config").glob("*.yaml") if p.name not in ("quick.yaml", "all-families.yaml"))


def config(**changes):
    base = {"datasets": {"steel": {"source": "photos", "size": 64}}, "models": {"cgan": {"family": "cgan"}}}
    return base | changes


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"evalute": {}}, "evalute: unknown setting; did you mean `evaluate`?"),
        ({"models": {"cgan": {"family": "cgan", "total_image": 1}}}, "models.cgan.total_image: unknown setting; did"),
        ({"models": {"a": {"family": "cgn"}}}, "models.a.family: `cgn` is not one of dcgan, cgan"),
        ({"models": {"a": {}}}, "models.a.family: must be given, one of dcgan, cgan"),
        ({"models": {"a-b": {"family": "cgan"}}}, "models.a-b: "),
        ({"models": {"real": {"family": "cgan"}}}, "`real` is the name of a folder"),
        (
            {"models": {"cgan": {"family": "cgan", "batch": "many"}}},
            "models.cgan.batch: Input should be a valid",
        ),
        ({"models": {"cgan": {"family": "cgan", "batch": 1}}}, "greater than or equal to 2; it is 1"),
        ({"datasets": {"steel": {"size": 64}}}, "datasets.steel.source: must be given, or `patches_of`"),
        ({"datasets": {"steel": {"source": "x", "size": 48}}}, "datasets.steel.size: 48 cannot be made by any family"),
        ({"datasets": {"steel": {"source": "x", "labels": {"rul": 1}}}}, "datasets.steel.labels.rul: unknown setting"),
        ({"datasets": {"steel": {"source": "x", "scaling": {"low": 2}}}}, "low (2.0) must be below high (1.0)"),
        (
            {"datasets": {"steel": {"source": "x", "models": ["cgn"]}}},
            "datasets.steel.models: `cgn` is no model; did you mean `cgan`?",
        ),
        (
            {"detect": {"boxes": {"pseudo_labels": ["cgn"]}}},
            "detect.boxes.pseudo_labels: `cgn` is no model; did you mean `cgan`?",
        ),
        (
            {"detect": {"boxes": {"pseudo_labels": ["cgan"]}}},
            "detect.boxes.pseudo_labels: `cgan` is trained on no data set with boxes",
        ),
        ({"detect": {"missed": ["cgn"]}}, "detect.missed: `cgn` is no model; did you mean `cgan`?"),
        (
            {"detect": {"missed": ["cgan"]}},
            "detect.missed: `cgan` is trained on no data set whose classes, or boxes, a detector could miss",
        ),
        (
            {"models": {"cgan": {"family": "cgan", "init_from": "results/steel/cgan/seed-0/"}}},
            "models.cgan.init_from: results/steel/cgan/seed-0 is what this model becomes itself",
        ),
        ({"generate": {"move": {"grain_size": 1}}}, "generate.move: grain_size cannot be had, no model has styles"),
        ({"seeds": [1, 1]}, "seeds: [1, 1] names 1 twice"),
        ({"all_models": {"total_imges": 5}}, "all_models.total_imges: unknown setting; did you mean `total_images`?"),
        ({"all_models": {"rate_decay": "none"}}, "all_models.rate_decay: is called `lr_schedule` now"),
        (
            {"models": {"m": {"family": "ddpm", "schedule": "linear"}}},
            "models.m.schedule: is called `noise_schedule` now",
        ),
        ({"evaluate": {"domain": 3}}, "evaluate.domain: is called `class_feature_steps` now"),
        ({"set": "models.cgan.batch"}, "set: `models.cgan.batch` is not of the form key.key=value"),
        ({"set": {"models.cgan={batch": "3}"}}, "Snakemake reads `a: b` as a mapping"),
        ({"set": "models.cgan.family.x=3"}, "set: `models.cgan.family` is a value, not a section"),
    ],
)
def test_a_wrong_setting_is_named_with_its_value_and_limit(changes, message):
    with pytest.raises(UserError) as caught:
        load(config(**changes))
    assert message in str(caught.value)


def test_all_wrong_settings_are_named_at_once():
    with pytest.raises(UserError) as caught:
        load(config(evalute={}, seeds=[]))
    assert "evalute" in str(caught.value)
    assert "seeds" in str(caught.value)


def test_dotted_overrides_are_typed_and_win_over_everything():
    raw = config(all_models={"total_images": 5}, set="models.cgan.precision=fp32 seeds=[0,1] datasets.steel.size=32")
    settings = load(raw)
    assert settings.models["cgan"].precision == "fp32"
    assert settings.models["cgan"].total_images == 5
    assert settings.seeds == [0, 1]
    assert settings.datasets["steel"].size == 32
    assert "set" in raw, "the caller's configuration is left as it was"
    one = load(config(all_models={"total_images": 5}, set="models.cgan.total_images=7 all_models.batch=4"))
    assert (one.models["cgan"].total_images, one.models["cgan"].batch) == (7, 4)


def test_a_data_set_has_the_generators_it_names_or_all_in_the_order_of_the_models():
    steel = {"source": "photos", "size": 64}
    models = {"a": {"family": "cgan"}, "b": {"family": "ddpm"}, "c": {"family": "dcgan"}}
    settings = load({"datasets": {"all": steel, "some": steel | {"models": ["c", "a"]}}, "models": models})
    assert settings.models_of("all") == ["a", "b", "c"]
    assert settings.models_of("some") == ["a", "c"]


BOXED = {"a": {"family": "cgan"}, "asked": {"family": "ddpm", "boxes": True}}
WITH_BOXES = {"source": "photos", "size": 64, "boxes": {"format": "voc", "path": "boxes"}}


def test_models_that_draw_boxes_are_for_data_sets_with_boxes():
    plain = {"source": "photos", "size": 64}
    settings = load({"datasets": {"plain": plain, "boxed": WITH_BOXES}, "models": BOXED})
    assert settings.models_of("plain") == ["a"]
    assert settings.models_of("boxed") == ["a", "asked"]
    assert [model.draws_boxes for model in settings.models.values()] == [False, True]


@pytest.mark.parametrize(
    ("datasets", "models", "message"),
    [
        ({"plain": {}}, BOXED, "models.asked.boxes: true needs a data set with `boxes`, and no data set has any"),
        (
            {"boxed": WITH_BOXES, "plain": {"models": ["a", "asked"]}},
            BOXED,
            "datasets.plain.models: asked would draw images with boxes (boxes: true), but the data set has no `boxes`",
        ),
        (
            {"boxed": WITH_BOXES, "plain": {}},
            {"asked": BOXED["asked"]},
            "datasets.plain: no model is left for it, all draw images with boxes",
        ),
        (
            {"boxed": WITH_BOXES},
            {"b": {"family": "cgan", "boxes": True}},
            "models.b.boxes: unknown setting",
        ),
    ],
)
def test_boxes_asked_for_where_there_are_none(datasets, models, message):
    datasets = {name: {"source": "photos", "size": 64} | entry for name, entry in datasets.items()}
    with pytest.raises(UserError) as caught:
        load({"datasets": datasets, "models": models})
    assert message in str(caught.value)


def test_a_model_without_boxes_is_described_as_before_there_were_any():
    models = load({"datasets": {"boxed": WITH_BOXES}, "models": BOXED | {"plain": {"family": "ddpm"}}}).models
    assert "boxes" not in models["plain"].model_dump()
    assert models["asked"].model_dump()["boxes"] is True


def test_a_model_that_begins_anew_is_described_as_before_it_could_do_otherwise():
    """So that what is trained is not trained again."""
    model = load(config()).models["cgan"]
    assert "init_from" not in model.model_dump()
    assert model.model_copy(update={"init_from": "x"}).model_dump()["init_from"] == "x"


def test_an_overlay_reaches_only_the_families_that_have_the_key():
    settings = load(
        config(
            models={"a": {"family": "cgan"}, "b": {"family": "stylegan2_ada", "channel_base": 4096}},
            all_models={"channel_base": 512, "batch": 8},
        )
    )
    assert settings.models["b"].channel_base == 512
    assert [m.batch for m in settings.models.values()] == [8, 8]


@pytest.mark.parametrize("path", CONFIGS, ids=lambda p: p.stem)
def test_the_configurations_that_ship_are_valid_alone_and_under_the_quick_overlay(path):
    raw, quick = (yaml.safe_load(p.read_text(encoding="utf-8")) for p in (path, ROOT / "config" / "quick.yaml"))
    load(raw)
    plain = {key: quick.pop(key) for key in ("results", "quick")}
    merged = raw | {key: (raw.get(key) or {}) | value for key, value in quick.items()} | plain
    trained = [model for model in load(merged).models.values() if isinstance(model, Training)]
    assert {model.total_images for model in trained} == {512}
    assert plain["results"] != load(raw).results


def test_all_families_are_there_over_the_default_experiment():
    raw, more = (yaml.safe_load((ROOT / f"config/{name}.yaml").read_text()) for name in ("config", "all-families"))
    models = load(raw | more | {"models": raw["models"] | more["models"]}).models
    assert {model.family for model in models.values()} == set(FAMILY_SETTINGS)


def test_the_schema_that_ships_is_the_one_of_the_settings():
    shipped = json.loads((ROOT / "config" / "schema.json").read_text(encoding="utf-8"))
    assert shipped == schema(), "run `make schema`"


def test_every_family_in_the_settings_is_in_the_registry_and_the_other_way_round():
    from pipeline import models

    assert set(models.FAMILIES) | set(models.UNTRAINED) == set(FAMILY_SETTINGS)
    assert set(models.UNTRAINED) == set(UNTRAINED)


def test_a_model_may_not_take_the_name_of_the_arm_of_all_models():
    with pytest.raises(UserError, match=r"models\.all: `all` is the name of the detection arm"):
        load(config(models={"all": {"family": "dcgan"}}))


@pytest.mark.parametrize(("written", "read"), [("on", "on"), ("off", "off"), ("auto", "auto"), ('"off"', "off")])
def test_a_switch_may_be_written_without_quotes(written, read):
    """YAML 1.1 takes a bare on and off for booleans."""
    assert load(config(evaluate=yaml.safe_load(f"inception: {written}"))).evaluate.inception == read


@pytest.mark.parametrize(("written", "wanted"), [("on", True), ("off", False), ('"off"', False), ("{steps: 9}", True)])
def test_detectors_are_left_out_by_a_word(written, wanted):
    assert load(config(detect=yaml.safe_load(written))).detect.enabled is wanted


@pytest.mark.parametrize(("written", "sides"), [(64, (64, 64)), ([64, 64], (64, 64)), ([64, 128], (64, 128))])
def test_a_size_is_one_side_or_two(written, sides):
    assert load(config(datasets={"d": {"source": "photos", "size": written}})).datasets["d"].shape == sides


@pytest.mark.parametrize(("written", "said"), [
    ([64], r"must be a whole number from 16 to 1024, or two as in `\[64, 128\]` \(height, width\); it is \[64\]"),
    ("64x128", "must be a whole number"), ([64, 2048], "must be a whole number"), (64.5, "must be a whole number"),
    ([64, 100], r"size: \[64, 100\] cannot be made by any family"), (48, "size: 48 cannot be made by any family"),
])  # fmt: skip
def test_a_size_that_nothing_can_be_made_of(written, said):
    with pytest.raises(UserError, match=said) as error:
        load(config(datasets={"d": {"source": "photos", "size": written}}))
    assert "\n" not in str(error.value)


def test_one_stands_for_a_list_of_it():
    d = {"source": "photos", "models": "a", "labels": {"rule": "csv", "csv": "l.csv", "classes": 7}}
    settings = load({"datasets": {"d": d}, "models": {"a": {"family": "cgan"}}, "seeds": 3, "detect": {"ratios": 2}})
    assert (settings.datasets["d"].models, settings.seeds, settings.detect.ratios) == (["a"], [3], [2.0])
    assert (settings.datasets["d"].labels.csv, settings.datasets["d"].labels.classes) == (["l.csv"], ["7"])
    assert settings.datasets["d"].source == "photos"  # which may be a list, and need not


def test_pseudo_labels_are_for_models_of_data_sets_with_boxes():
    boxed = {"source": "photos", "size": 64, "boxes": {"format": "voc", "path": "boxes"}}
    models = {name: {"family": "cgan"} for name in ("a", "b")}
    detect = {"boxes": {"pseudo_labels": ["b"]}}
    assert load({"datasets": {"steel": boxed}, "models": models, "detect": detect}).detect.boxes.pseudo_labels == ["b"]
    plain = {"source": "photos", "size": 64}
    with pytest.raises(UserError, match="`b` is trained on no data set with boxes"):
        load({"datasets": {"steel": boxed | {"models": ["a"]}, "cats": plain}, "models": models, "detect": detect})


def test_what_is_missed_is_drawn_by_models_of_data_sets_with_detectors():
    labelled = {"source": "photos", "size": 64, "labels": {"rule": "folder"}}
    boxed = {"source": "photos", "size": 64, "boxes": {"format": "voc", "path": "boxes"}}
    models = {"plain": {"family": "cgan"}, "painter": {"family": "ddpm", "boxes": True}}
    both = {"models": models, "detect": {"missed": ["plain", "painter"]}}
    assert load(both | {"datasets": {"steel": labelled | boxed}}).detect.missed == ["plain", "painter"]
    for of, name in ((boxed, "plain"), (labelled | boxed | {"models": ["plain"]}, "painter")):
        with pytest.raises(UserError, match=f"detect.missed: `{name}` is trained on no data set whose"):
            load(both | {"datasets": {"steel": of}})


def test_the_listing_that_ships_is_the_one_of_the_settings():
    shipped = (ROOT / "config" / "all-settings.yaml").read_text(encoding="utf-8")
    assert shipped.rstrip() == listing().rstrip(), "run `make schema`"


def test_the_listing_loads_to_the_defaults_and_names_every_setting():
    text = listing()
    settings = load(yaml.safe_load(text))
    assert settings == load(
        {"datasets": {"steel": {"source": "voronoi"}}, "models": {name: {"family": name} for name in FAMILY_SETTINGS}}
    )
    known = set().union(*(section["properties"] for section in schema()["$defs"].values() if "properties" in section))
    assert {name for name in known if f"{name}:" not in text} == set()
