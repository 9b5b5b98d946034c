import pytest

from pipeline.detection.arms import arms
from pipeline.settings import UserError


def test_arms_of_two_models():
    assert arms(["cgan", "sg2"]) == {
        "real": [],
        "real+cgan": ["cgan"],
        "real+sg2": ["sg2"],
        "real+all": ["cgan", "sg2"],
    }


def test_one_model_has_no_arm_of_all():
    assert list(arms(["cgan"])) == ["real", "real+cgan"]
    assert arms([]) == {"real": []}


def test_a_model_may_not_take_the_name_of_the_union():
    with pytest.raises(UserError, match=r"models\.all"):
        arms(["all", "cgan"])
