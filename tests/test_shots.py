"""What a list of shots becomes, and which data sets make a curve."""

import pytest

from pipeline.settings import Family, FewShots, draws_of, families, load
from tests.refusals import refusal


def config(**datasets):
    base = {"source": "photos", "size": 64}
    entries = {name: entry if isinstance(entry, str) else base | entry for name, entry in datasets.items()}
    return {"datasets": entries, "models": {"cgan": {"family": "cgan"}}}


def shots(settings):
    return {name: dataset.shots for name, dataset in settings.datasets.items()}


def test_a_list_becomes_a_data_set_of_each_number_in_its_place():
    settings = load(config(coins={}, steel={"shots": [5, None, 20], "unit": "mm"}, wood={"shots": 7}))
    assert shots(settings) == {"coins": None, "steel_5": 5, "steel": None, "steel_20": 20, "wood": 7}
    assert {settings.datasets[name].unit for name in ("steel_5", "steel", "steel_20")} == {"mm"}
    assert load(settings.model_dump(mode="json")) == settings, "what a job is given loads as the same"


def test_a_member_is_what_it_would_be_without_the_list():
    """The slice of a job's settings: with a longer list, or the number alone, nothing is done again."""
    alone = load(config(steel={})).datasets["steel"]
    short, long = (load(config(steel={"shots": s})).datasets for s in ([5, None], [3, 5, 40, None]))
    by_hand = load(config(steel_5={"shots": 5})).datasets["steel_5"]
    assert short["steel_5"].model_dump() == long["steel_5"].model_dump() == by_hand.model_dump()
    assert short["steel"].model_dump() == long["steel"].model_dump() == alone.model_dump()


def test_lists_may_come_from_an_overlay_or_a_dotted_override():
    over = config(steel={}) | {"all_datasets": {"shots": [2, 4]}}
    assert shots(load(over)) == {"steel_2": 2, "steel_4": 4}
    assert shots(load(config(steel={}) | {"set": "datasets.steel.shots=[5,null]"})) == {"steel_5": 5, "steel": None}


@pytest.mark.parametrize(
    ("datasets", "message"),
    [
        ({"steel": {"shots": 0}}, "datasets.steel.shots: Input should be greater than or equal to 1; it is 0"),
        ({"steel": {"shots": [5, -1]}}, "datasets.steel.shots: Input should be greater than or equal to 1; it is -1"),
        ({"steel": {"shots": [5, 2.5]}}, "datasets.steel.shots: Input should be a valid integer"),
        ({"steel": {"shots": []}}, "datasets.steel.shots: List should have at least 1 item"),
        ({"steel": {"shots": [5, 10, 5]}}, "datasets.steel.shots: [5, 10, 5] names a number twice"),
        (
            {"steel": {"shots": [5, 10]}, "steel_10": {}},
            "datasets.steel and datasets.steel_10 would both be the data set",
        ),
        (
            {"steel_10": {}, "steel": {"shots": [5, 10]}},
            "datasets.steel_10 and datasets.steel would both be the data set",
        ),
        ({"steel": {"shots": [5], "sze": 3}}, "datasets.steel_5.sze: unknown setting; did you mean `size`?"),
        ({"steel": "photos"}, "datasets.steel: "),
        ({"steel": {"draws": 3}}, "draws: 3 draws of few-shot sets, and `shots` is not set"),
        ({"steel": {"shots": 5, "draws": 2, "draw": 3}}, "draw: 3 is beyond the last of 2 draws"),
        ({"steel": {"shots": 5, "draws": 0}}, "draws: Input should be greater than or equal to 1"),
    ],
)
def test_impossible_shots_draws_and_clashes_of_names_are_named(datasets, message):
    assert message in refusal(config(**datasets))


def test_a_family_is_what_differs_in_shots_alone():
    settings = load(
        config(
            steel={"shots": [20, 5, None, 100]},
            large={"size": 128, "shots": [5]},  # alone at its size
            other={"split": {"seed": 1}},  # other test images
            wood_3={"unit": "mm", "shots": 3},  # written down one by one
            wood_30={"unit": "mm", "shots": 30},
        )
    )
    found = families(settings.model_dump(mode="json")["datasets"])
    assert found == [
        Family("steel", {5: "steel_5", 20: "steel_20", 100: "steel_100", None: "steel"}),
        Family("wood", {3: "wood_3", 30: "wood_30"}),
    ]
    assert list(found[0].datasets) == [5, 20, 100, None]
    assert families({"alone": {"source": "x"}, "twin": {"source": "x"}}) == []


def test_draws_are_data_sets_of_their_own_and_the_first_is_the_one_of_the_family():
    settings = load(config(steel={"shots": [5, 20, None], "draws": 3}, wood={"shots": 7, "draws": 2, "unit": "mm"}))
    drawn = {name: (of.shots, of.draws, of.draw) for name, of in settings.datasets.items()}
    assert drawn == {
        "steel_5": (5, 3, 1), "steel_5_draw2": (5, 3, 2), "steel_5_draw3": (5, 3, 3),
        "steel_20": (20, 3, 1), "steel_20_draw2": (20, 3, 2), "steel_20_draw3": (20, 3, 3),
        "steel": (None, 1, 1), "wood": (7, 2, 1), "wood_draw2": (7, 2, 2),
    }  # fmt: skip
    assert load(settings.model_dump(mode="json")) == settings
    plain = settings.model_dump(mode="json")["datasets"]
    assert families(plain) == [Family("steel", {5: "steel_5", 20: "steel_20", None: "steel"})]
    assert draws_of(plain, "steel_20") == ["steel_20", "steel_20_draw2", "steel_20_draw3"]
    assert draws_of(plain, "steel_20_draw2") == draws_of(plain, "steel_20")
    assert draws_of(plain, "steel") == ["steel"]


def test_all_draws_of_a_family_leave_as_much_over():
    settings = load(config(steel={"shots": [5, 20], "draws": 2}) | {"generate": {"images_per_class": 9}})
    few = {name: settings.few_shots(name) for name in settings.datasets}
    assert few == {
        "steel_5": FewShots(5, 20, 9, 2, 1), "steel_5_draw2": FewShots(5, 20, 9, 2, 2),
        "steel_20": FewShots(20, 20, 9, 2, 1), "steel_20_draw2": FewShots(20, 20, 9, 2, 2),
    }  # fmt: skip


def test_patches_are_cut_of_each_draw():
    boxes = {"format": "voc", "path": "boxes"}
    raw = config(steel={"shots": 5, "draws": 2, "boxes": boxes})
    raw["datasets"]["cut"] = {"patches_of": "steel", "size": 32}
    found = load(raw).datasets
    assert {name: of.patches_of for name, of in found.items() if of.patches_of} == {
        "cut": "steel",
        "cut_draw2": "steel_draw2",
    }
