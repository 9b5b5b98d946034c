import numpy as np
import pytest
import torch
from torchvision.ops import box_iou, generalized_box_iou_loss

from pipeline.data.image_set import ImageSet
from pipeline.downstream.boxes.average_precision import MOST, average_precision
from pipeline.downstream.boxes.box_dataset import judging, training
from pipeline.downstream.boxes.detector import FLOOR, BoxTargets
from pipeline.downstream.boxes.fcos_lite import FCOSLite, overlaps
from pipeline.downstream.boxes.fit import STEEPEST, find, train
from pipeline.downstream.boxes.registry import DETECTORS
from pipeline.downstream.boxes.scoring import drawn, listed
from pipeline.downstream.boxes.targets import assign_targets, grid_centres
from pipeline.downstream.boxes.trunk import TRUNKS
from pipeline.downstream.classifier.scratch import TrainingMix
from pipeline.settings import DetectBoxes, ImageSpec
from tests.downstream.cases import scenes
from tests.uploads import META

CPU = torch.device("cpu")


def pools(boxed, images, marks, tests, **more):
    n = len(images)
    real = ImageSet.open(boxed("real", images, ["train"] * (n - tests) + ["test"] * tests, marks, **more))
    return real, training(real, [], "steel", CPU), judging(real, "steel", CPU)


@pytest.mark.parametrize(("backbone", "steps"), [("frozen", 60), ("scratch", 320)])
def test_the_small_detector_learns_discs_and_squares_on_noise(boxed, backbone, steps):
    real, pool, test = pools(boxed, *scenes(260, seed=1), tests=60, symmetry="dihedral")
    settings = DetectBoxes(backbone=backbone, steps=steps, batch=16, width=8, learning_rate=5e-3)
    found = find(train(settings, real.spec, 2, pool, 0), test, 16)
    assert all(len(one.scores) <= MOST and (one.scores >= FLOOR).all() for one in found)
    precision = average_precision(drawn(test), listed(found), len(test), 2)
    assert precision[:, 0].min() > 0.8, precision[:, 0]


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(boxed):
    real, pool, _ = pools(boxed, *scenes(12, seed=2), tests=4)
    settings = DetectBoxes(steps=3, batch=4, width=2)
    torch.manual_seed(99)
    first, again, other = (train(settings, real.spec, 2, pool, seed).state_dict() for seed in (0, 0, 1))
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["locate.1.weight"], other["locate.1.weight"])


def test_arms_of_one_seed_have_the_same_real_images_and_boxes_in_the_same_places_changed_alike(boxed, monkeypatch):
    real, _, _ = pools(boxed, *scenes(12, seed=2), tests=4, symmetry="both")
    images, marks = scenes(6, seed=3)
    pool = training(real, [ImageSet.open(boxed("made", images, ["train"] * 6, marks))], "steel", CPU)
    learnt, losses = [], FCOSLite.losses

    def noted(self, images, marks):
        learnt[-1].append((images.clone(), marks))
        return losses(self, images, marks)

    monkeypatch.setattr(FCOSLite, "losses", noted)
    settings = DetectBoxes(steps=4, batch=6, width=2)
    for extra in (np.arange(0), np.arange(8, 14), np.arange(8)):  # without a generator, with one, duplicates
        learnt.append([])
        train(settings, real.spec, 2, pool, 5, mix=TrainingMix(extra, 0.5, augmented=True))
    assert [len(arm) for arm in learnt] == [4] * 3
    for arm in learnt[1:]:
        for (images, marks), (others, known) in zip(learnt[0], arm, strict=True):
            assert torch.equal(images[:4], others[:4])
            assert not torch.equal(images[4:], others[4:])
            for one, other in zip(annotation_rows(marks)[:4], annotation_rows(known)[:4], strict=True):
                assert one == other


def annotation_rows(marks):
    """Of each image its boxes and their classes; how many empty places follow depends on the other images."""
    pairs = zip(marks.boxes, marks.classes, strict=True)
    return [(boxes[classes >= 0].tolist(), classes[classes >= 0].tolist()) for boxes, classes in pairs]


def small(backbone, size=32):
    of = ImageSpec(size, size, 1, ("all",))
    return FCOSLite(of, 3, TRUNKS[backbone](of, 2), 2)


@pytest.mark.parametrize("backbone", TRUNKS)
def test_losses_are_those_of_the_places_that_answer_for_a_box(backbone):
    """torchvision's generalised overlap of these alone; the second image holds no box."""
    torch.manual_seed(0)
    network = small(backbone)
    images = torch.randn(2, 1, 32, 32)
    there = torch.tensor([[[2.0, 3, 19, 15], [20, 20, 31, 30]], [[0, 0, 0, 0], [0, 0, 0, 0]]])
    marks = BoxTargets(there, torch.tensor([[2, 0], [-1, -1]]))
    found = network.losses(images, marks)
    logits, boxes = network._said(images)
    answer = assign_targets(marks.boxes, marks.classes >= 0, grid_centres(32, 32))
    image, place = torch.nonzero(answer >= 0, as_tuple=True)
    said, true = boxes[image, place], there[image, answer[image, place]]
    assert set(answer[image, place].tolist()) == {0, 1}
    expected = 2 * generalized_box_iou_loss(said, true, reduction="sum") / len(place)
    assert found["box"].item() == pytest.approx(expected.item(), rel=1e-5)
    wanted = torch.zeros_like(logits)
    wanted[image, place, marks.classes[image, answer[image, place]]] = box_iou(said, true).diagonal().detach()
    surprise = torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    expected = ((wanted - logits.sigmoid()) ** 2 * surprise).sum() / len(place)
    assert found["score"].item() == pytest.approx(expected.item(), rel=1e-5)
    nothing = network.losses(images, BoxTargets(torch.zeros(2, 0, 4), torch.zeros(2, 0, dtype=torch.int64)))
    assert nothing["box"] == 0
    assert nothing["score"] > 0
    sum(found.values()).backward()
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters())


def test_overlaps_of_pairs_worked_by_hand():
    boxes = torch.tensor([[0.0, 0, 4, 4], [0, 0, 2, 2], [0, 0, 2, 2]])
    others = torch.tensor([[2.0, 0, 6, 4], [4, 0, 6, 2], [0, 0, 2, 2]])
    overlap, generalised = overlaps(boxes, others)
    assert overlap.tolist() == pytest.approx([8 / 24, 0, 1])
    assert generalised.tolist() == pytest.approx([8 / 24, -4 / 12, 1])


@pytest.mark.parametrize("backbone", TRUNKS)
def test_a_step_waits_for_nothing(backbone):
    """On a device that never answers; neither the loss nor its gradient asks."""
    network = small(backbone).to(META)
    marks = BoxTargets(torch.zeros(2, 3, 4, device=META), torch.zeros(2, 3, dtype=torch.int64, device=META))
    sum(network.losses(torch.zeros(2, 1, 32, 32, device=META), marks).values()).backward()
    torch.nn.utils.clip_grad_norm_(network.parameters(), STEEPEST)


def test_background_alone_in_a_batch_and_a_single_class_are_learnt_from(boxed):
    images, _ = scenes(12, seed=3)
    marks = [(0, "disc", 2, 2, 9, 9), (11, "disc", 2, 2, 9, 9)]  # most batches hold no box
    real, pool, test = pools(boxed, images, marks, tests=4, classes=("disc",))
    network = train(DetectBoxes(steps=6, batch=2, width=2), real.spec, 1, pool, 0)
    assert len(find(network, test, 3)) == 4


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_a_loss_that_is_not_finite_stops_the_training(boxed):
    real, pool, _ = pools(boxed, *scenes(12, seed=2), tests=4)
    settings = DetectBoxes(steps=20, batch=4, width=2, learning_rate=1e30)
    with pytest.raises(FloatingPointError, match=r"the loss was not finite at step 20"):
        train(settings, real.spec, 2, pool, 0)


@pytest.mark.parametrize("size", [16, 50, 64, 100])
def test_any_size_of_image_has_its_boxes_inside(size):
    settings = DetectBoxes(width=2)
    spec = ImageSpec(size, size, 1, ("all",))
    network = DETECTORS["small"](spec, 3, settings).eval()
    with torch.inference_mode():
        network.classify[-1].bias.zero_()  # all places say something
        found = network.detect(torch.zeros(2, 1, size, size))
    assert len(found) == 2
    for one in found:
        assert (one.boxes >= 0).all()
        assert (one.boxes <= size).all()
        assert (one.boxes[:, 2:] > one.boxes[:, :2]).all()
        assert set(one.classes.tolist()) <= {0, 1, 2}
