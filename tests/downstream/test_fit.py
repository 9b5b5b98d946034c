import numpy as np
import pytest
import torch
from torch import nn

from pipeline.downstream.fit import CHECK, diverged, fit, rate
from pipeline.settings import Detect


def test_the_rate_rises_over_a_tenth_and_falls_to_zero():
    rates = np.array([rate(step, 100, 0.1) for step in range(101)])
    assert rates[0] == pytest.approx(0.1)
    assert rates.argmax() == 9
    assert rates[50] == pytest.approx(0.5)
    assert rates[100] == 0
    assert rate(0, 1, 0.1) == 1


def test_a_rate_without_warmth_is_half_a_cosine():
    weights = nn.Parameter(torch.zeros(1))
    theirs = torch.optim.lr_scheduler.CosineAnnealingLR(torch.optim.SGD([weights], 1.0), 20)
    for step in range(20):
        assert rate(step, 20, 0.0) == pytest.approx(theirs.get_last_lr()[0], abs=1e-9)
        theirs.optimizer.step()
        theirs.step()


def test_it_takes_a_step_a_batch_tells_of_them_and_ends_in_evaluation_mode():
    """AdamW without decay goes by its rate, whatever the slope: the sum of the rates of all steps."""
    network, told, shown = nn.Linear(1, 1, bias=False), [], []
    nn.init.constant_(network.weight, 50.0)
    steps = CHECK + 3

    def loss(rows, orientations):
        shown.append((rows.tolist(), orientations.tolist()))
        return network.weight.sum()

    batches = [(np.array([i]), np.array([i % 2])) for i in range(steps)]
    fit(network, Detect(steps=steps, learning_rate=0.1, weight_decay=0), batches, loss, told.append)
    assert shown == [([i], [i % 2]) for i in range(steps)]
    assert told == [CHECK, 3]
    assert not network.training
    went = 0.1 * sum(rate(step, steps, 0.0) for step in range(steps))
    assert network.weight.item() == pytest.approx(50 - went, abs=1e-3)


def test_a_loss_that_is_not_finite_names_the_step_and_the_setting():
    network = nn.Linear(1, 1)
    batches = [(np.zeros(1), np.zeros(1))] * 3
    with pytest.raises(FloatingPointError, match="at step 3") as found:
        fit(network, Detect(steps=3), batches, lambda *_: network.weight.sum() * float("nan"), lambda steps: None)
    assert str(diverged("detect.boxes", 1e30, found.value)) == (
        "detect.boxes.learning_rate: 1e+30, the loss was not finite at step 3; lower it"
    )
