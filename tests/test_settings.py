"""What a right configuration becomes, and which of its parts must fit together."""

import json
import re
from pathlib import Path

import pytest
import yaml

from pipeline.settings import (
    FAMILY_SETTINGS,
    UNTRAINED,
    Dataset,
    Training,
    load,
    model_settings,
    placed,
    placeless,
    schema,
)
from pipeline.settings.listing import listing
from tests.refusals import refusal

ROOT = Path(__file__).resolve().parents[1]
CONFIGS = sorted(p for p in (ROOT / "config").glob("*.yaml") if p.name not in ("quick.yaml", "all-families.yaml"))


def config(**changes):
    base = {"datasets": {"steel": {"source": "photos", "size": 64}}, "models": {"cgan": {"family": "cgan"}}}
    return base | changes


def test_all_wrong_settings_are_named_at_once():
    said = refusal(config(evalute={}, seeds=[]))
    assert "evalute" in said
    assert "seeds" in said


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
        ({"boxed": WITH_BOXES}, {"b": {"family": "cgan", "boxes": True}}, "models.b.boxes: unknown setting"),
    ],
)
def test_boxes_asked_for_where_there_are_none(datasets, models, message):
    datasets = {name: {"source": "photos", "size": 64} | entry for name, entry in datasets.items()}
    assert message in refusal({"datasets": datasets, "models": models})


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
    tiny = load(merged)
    trained = [model for model in tiny.models.values() if isinstance(model, Training)]
    assert {model.total_images for model in trained} == {512}
    detectors = (tiny.detect, tiny.detect.boxes, tiny.detect.anomalies)
    assert {(of.repetitions, tuple(of.ratios), of.selection_runs) for of in detectors} == {(2, (1,), 1)}
    assert plain["results"] != load(raw).results


def test_all_families_are_there_over_the_default_experiment():
    raw, more = (yaml.safe_load((ROOT / f"config/{name}.yaml").read_text()) for name in ("config", "all-families"))
    models = load(raw | more | {"models": raw["models"] | more["models"]}).models
    assert {model.family for model in models.values()} == set(FAMILY_SETTINGS)


@pytest.mark.parametrize("family", FAMILY_SETTINGS)
def test_the_page_of_a_family_names_settings_that_it_has(family):
    page = (ROOT / "docs" / "families" / f"{family}.md").read_text(encoding="utf-8")
    (table,) = re.findall(r"^\| setting \|.*\n((?:\|.*\n)+)", page, re.M)
    named = {name for line in table.splitlines() for name in re.findall(r"`(\w+)`", line.split("|")[1])}
    assert named
    assert named <= set(FAMILY_SETTINGS[family].model_fields)


def test_the_schema_that_ships_is_the_one_of_the_settings():
    shipped = json.loads((ROOT / "config" / "schema.json").read_text(encoding="utf-8"))
    assert shipped == schema(), "run `make schema`"


def test_every_family_in_the_settings_is_in_the_registry_and_the_other_way_round():
    from pipeline import models

    assert set(models.FAMILIES) | set(models.UNTRAINED) == set(FAMILY_SETTINGS)
    assert set(models.UNTRAINED) == set(UNTRAINED)


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
    told = refusal(config(datasets={"d": {"source": "photos", "size": written}}))
    assert re.search(said, told)
    assert "\n" not in told


def test_pseudo_labels_are_for_models_of_data_sets_with_boxes():
    boxed = {"source": "photos", "size": 64, "boxes": {"format": "voc", "path": "boxes"}}
    models = {name: {"family": "cgan"} for name in ("a", "b")}
    detect = {"boxes": {"pseudo_labels": ["b"]}}
    assert load({"datasets": {"steel": boxed}, "models": models, "detect": detect}).detect.boxes.pseudo_labels == ["b"]
    plain = {"source": "photos", "size": 64}
    said = refusal(
        {"datasets": {"steel": boxed | {"models": ["a"]}, "cats": plain}, "models": models, "detect": detect}
    )
    assert said == "detect.boxes.pseudo_labels: `b` is trained on no data set with boxes"


def test_what_is_missed_is_drawn_by_models_of_data_sets_with_detectors():
    labelled = {"source": "photos", "size": 64, "labels": {"rule": "folder"}}
    boxed = {"source": "photos", "size": 64, "boxes": {"format": "voc", "path": "boxes"}}
    models = {"plain": {"family": "cgan"}, "painter": {"family": "ddpm", "boxes": True}}
    both = {"models": models, "detect": {"missed": ["plain", "painter"]}}
    assert load(both | {"datasets": {"steel": labelled | boxed}}).detect.missed == ["plain", "painter"]
    for of, name in ((boxed, "plain"), (labelled | boxed | {"models": ["plain"]}, "painter")):
        said = f"detect.missed: `{name}` is trained on no data set whose classes, or boxes, a detector could miss"
        assert said in refusal(both | {"datasets": {"steel": of}})


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


@pytest.mark.parametrize("family", ["projected_gan", "cgan", "ddpm"])
def test_coarse_pictures_of_a_distribution_are_said_only_where_they_are_asked_for(family):
    """So that models from before there were any stay what they are; nothing of a single image is then kept."""
    around = {"family": family} | ({} if family == "projected_gan" else {"coarse_pictures": True})
    images, drawn = (model_settings(around | more) for more in ({}, {"coarse_pictures_from": "distribution"}))
    assert "coarse_pictures_from" not in images.model_dump()
    assert drawn.model_dump()["coarse_pictures_from"] == "distribution"
    assert (bool(images.real_pixels), drawn.real_pixels) == (True, "")


def test_a_distribution_of_fewer_images_than_it_needs_is_refused():
    models = {"p": {"family": "projected_gan", "coarse_pictures_from": "distribution"}}
    for shots, refused in ((9, True), (10, False)):
        data = {"steel": {"source": "photos", "size": 64, "shots": shots}}
        said = refusal({"datasets": data, "models": models}) if refused else load({"datasets": data, "models": models})
        assert not refused or "needs 10 training images of each class, and datasets.steel.shots leaves 9" in said


def test_a_distribution_without_coarse_pictures_is_refused():
    with pytest.raises(ValueError, match="coarse_pictures_from: distribution needs coarse_pictures: true"):
        model_settings({"family": "cgan", "coarse_pictures_from": "distribution"})


def test_where_files_lie_is_apart_from_what_is_made_of_them():
    boxes = {"format": "voc", "path": "here/boxes", "missing": "background"}
    labels = {"rule": "csv", "csv": ["here/a.csv"], "class_column": "kind"}
    here = Dataset(source="here/images", size=64, labels=labels, boxes=boxes)
    there = Dataset(
        source="there", size=64, labels=labels | {"csv": ["there/a.csv"]}, boxes=boxes | {"path": ["there/boxes"]}
    )
    kept = placeless(here, {"voronoi"})
    assert kept == placeless(there, {"voronoi"})
    assert "here" not in str(kept)
    assert placed(kept, there) == there
    assert placeless(Dataset(source="voronoi"), set())["source"] == "voronoi"
    plain = Dataset(source="here")
    assert placed(placeless(plain, set()), plain) == plain
