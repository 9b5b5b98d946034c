from pipeline.downstream.boxes.arms import PLAIN, Made, box_arms

THREE = ["real", "augmented", "duplicates"]


def test_every_set_has_an_arm_and_those_whose_boxes_were_asked_for_one_together():
    made = [Made("ddpm", "synthetic"), Made("sg2", "blended"), Made("cgan", "pseudo")]
    planned = box_arms(made)
    assert list(planned) == [*THREE, "real+ddpm", "real+sg2.blended", "real+cgan.pseudo", "real+all"]
    assert [arm.name for arm in planned.values()] == list(planned)
    assert planned["real+cgan.pseudo"].made == made[2:]
    assert planned["real+all"].made == made[:2]


def test_one_set_beside_pseudo_labels_has_no_arm_of_all():
    made = [Made("ddpm", "synthetic"), Made("sg2", "pseudo"), Made("cgan", "pseudo")]
    assert list(box_arms(made)) == [*THREE, "real+ddpm", "real+sg2.pseudo", "real+cgan.pseudo"]
    assert list(box_arms([])) == THREE == list(PLAIN)


def test_one_generator_with_and_without_blending_is_two_arms():
    made = [Made("ddpm", "synthetic"), Made("ddpm", "blended")]
    assert list(box_arms(made)) == [*THREE, "real+ddpm", "real+ddpm.blended", "real+all"]
