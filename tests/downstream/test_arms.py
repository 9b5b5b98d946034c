from pipeline.downstream.arms import PLAIN, arms

FIVE = ["real", "augmented", "balanced", "augmented+balanced", "duplicates"]


def test_arms_of_two_models():
    planned = arms(["cgan", "sg2"])
    assert list(planned) == [*FIVE, "real+cgan", "real+sg2", "real+all", "cgan-only", "sg2-only"]
    assert [arm.name for arm in planned.values()] == list(planned)
    assert {name: arm.models for name, arm in planned.items() if arm.models} == {
        "real+cgan": ["cgan"],
        "real+sg2": ["sg2"],
        "real+all": ["cgan", "sg2"],
        "cgan-only": ["cgan"],
        "sg2-only": ["sg2"],
    }
    assert [name for name, arm in planned.items() if not arm.real] == ["cgan-only", "sg2-only"]


def test_one_model_has_no_arm_of_all():
    assert list(arms(["cgan"])) == [*FIVE, "real+cgan", "cgan-only"]
    assert list(arms([])) == FIVE == list(PLAIN)
