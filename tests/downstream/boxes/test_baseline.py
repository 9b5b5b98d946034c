from pipeline.downstream.boxes.baseline import strongest


def plain(arm, *scores, test=0.5):
    validation = [{"map50": a, "map50_95": b} for a, b in scores] or None
    return {"arm": arm, "validation": validation, "seeds": [{"map50": test, "map50_95": test}]}


def test_the_best_mean_on_validation_images_is_the_strongest_whatever_the_test_images_say():
    arms = [
        plain("real", (0.5, 0.2), (0.5, 0.2), test=0.9),
        plain("augmented", (0.9, 0.1), (0.3, 0.1), test=0.1),
        plain("duplicates", (0.55, 0.9), (0.55, 0.9), test=0.99),
    ]
    assert strongest(arms) == strongest(arms[::-1]) == "augmented"
    assert strongest([*arms, plain("real+sg2", (0.99, 0.9))]) == "augmented"


def test_equal_ones_are_told_apart_by_exact_boxes_and_then_by_the_order_of_arms():
    assert strongest([plain("real", (0.5, 0.2)), plain("duplicates", (0.5, 0.3))]) == "duplicates"
    assert strongest([plain("duplicates", (0.5, 0.2)), plain("real", (0.5, 0.2))]) == "real"


def test_without_validation_images_it_is_the_augmented_arm():
    assert strongest([plain("real"), plain("duplicates"), plain("augmented")]) == "augmented"
