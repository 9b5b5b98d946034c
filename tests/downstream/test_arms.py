from dataclasses import asdict

from pipeline.downstream.arms import Arm, SyntheticSet, is_control, sole_model
from pipeline.downstream.registry import TASKS

PLAIN = ["real", "augmented", "balanced", "augmented+balanced"]
CONTROLS = ["real+more_real", "real+same_real"]
FIVE = [*PLAIN, CONTROLS[1]]
THREE = ["real", "augmented", CONTROLS[1]]
CGAN, SG2 = SyntheticSet("cgan", "synthetic"), SyntheticSet("sg2", "synthetic")
BLENDED, PSEUDO = SyntheticSet("sg2", "blended"), SyntheticSet("cgan", "pseudo")


def classifiers(*sets, more_real=False):
    return TASKS["classification"].arms(sets, more_real)


def boxes(*sets):
    return TASKS["boxes"].arms(sets, more_real=False)


def test_arms_of_two_models():
    planned = classifiers(CGAN, SG2)
    assert list(planned) == [*FIVE, "real+cgan", "real+sg2", "real+all", "cgan-only", "sg2-only"]
    assert [arm.name for arm in planned.values()] == list(planned)
    assert planned["real+all"].synthetic == (CGAN, SG2)
    assert [name for name, arm in planned.items() if not arm.real] == ["cgan-only", "sg2-only"]
    assert planned["augmented+balanced"] == Arm(augmented=True, balanced=True)


def test_one_model_has_no_arm_of_all():
    assert list(classifiers(CGAN)) == [*FIVE, "real+cgan", "cgan-only"]
    assert list(classifiers()) == FIVE
    assert [arm.name for arm in TASKS["classification"].baseline_arms()] == PLAIN


def test_images_held_back_make_a_positive_control_and_those_that_train_a_negative_one():
    planned = classifiers(CGAN, more_real=True)
    assert list(planned) == [*PLAIN, *CONTROLS, "real+cgan", "cgan-only"]
    assert {arm.kind for name, arm in planned.items() if name in CONTROLS} == {"control"}
    assert [name for name, arm in planned.items() if is_control(arm.synthetic)] == CONTROLS


def test_every_set_with_boxes_has_an_arm_and_those_whose_boxes_were_asked_for_one_together():
    planned = boxes(SG2, BLENDED, PSEUDO)
    assert list(planned) == [*THREE, "real+sg2", "real+sg2.blended", "real+cgan.pseudo", "real+all"]
    assert planned["real+cgan.pseudo"].synthetic == (PSEUDO,)
    assert planned["real+all"].synthetic == (SG2, BLENDED)
    assert list(boxes(SG2, PSEUDO)) == [*THREE, "real+sg2", "real+cgan.pseudo"]
    assert list(boxes()) == THREE


def test_an_arm_survives_as_plain_values():
    for arm in (*classifiers(CGAN, SG2).values(), *boxes(SG2, BLENDED).values()):
        assert Arm.of(asdict(arm)) == arm


def test_scores_of_real_images_with_those_of_one_generator_are_its_own():
    of = {name: sole_model(arm) for name, arm in (classifiers(CGAN, SG2) | boxes(SG2, BLENDED, PSEUDO)).items()}
    assert {name: model for name, model in of.items() if model} == {
        "real+cgan": "cgan",
        "real+sg2": "sg2",
        "real+cgan.pseudo": "cgan",
    }


def test_what_is_drawn_of_missed_things_is_added_to_the_rest_alone():
    missed = SyntheticSet("cgan", "missed")
    assert list(classifiers(CGAN, missed)) == [*FIVE, "real+cgan", "real+cgan.missed", "cgan-only"]
    assert classifiers(CGAN, SG2, missed)["real+all"].synthetic == (CGAN, SG2)
    arm = classifiers(CGAN, missed)["real+cgan.missed"]
    assert (arm.kind, sole_model(arm)) == ("missed", None)  # a run of its own beside the generator's
