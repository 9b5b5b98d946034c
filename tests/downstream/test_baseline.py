import pytest

from pipeline.downstream.baseline import strongest
from pipeline.settings import UserError


def plain(arm, f1=None, loss=1.0, test=0.5):
    scores = None if f1 is None else [{"macro_f1": f1 - 0.1, "loss": loss}, {"macro_f1": f1 + 0.1, "loss": loss}]
    return {"arm": arm, "validation": scores, "seeds": [{"macro_f1": test}]}


def test_the_best_on_validation_images_is_the_strongest_whatever_the_test_images_say():
    arms = [plain("real", 0.8, test=0.9), plain("augmented", 0.85, test=0.1), plain("duplicates", 0.7, test=0.99)]
    assert strongest(arms) == strongest(arms[::-1]) == "augmented"
    assert strongest([*arms, plain("real+cgan", 0.99)]) == "augmented"


def test_equal_scores_are_told_apart_by_the_loss_and_then_by_the_order_of_arms():
    assert strongest([plain("real", 0.9, loss=0.3), plain("balanced", 0.9, loss=0.2)]) == "balanced"
    assert strongest([plain("balanced", 0.9), plain("real", 0.9)]) == "real"


def test_without_validation_images_it_is_the_augmented_arm():
    assert strongest([plain("real"), plain("duplicates"), plain("augmented")]) == "augmented"
    assert strongest([plain("real")]) == "real"


def test_without_a_plain_arm_there_is_nothing_to_compare_with():
    with pytest.raises(UserError, match="no arm without a generator"):
        strongest([plain("real+cgan", 0.9)])
