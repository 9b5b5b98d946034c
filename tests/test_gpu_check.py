"""The check of a card is right on a healthy CPU, in every precision, and wrong where something is."""

import json
import subprocess
import sys

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.gpu_check import looks, plan, rates, rows, trainings, updates
from pipeline.gpu_check.__main__ import SECTIONS, main
from pipeline.gpu_check.rows import Case, Finding, LeftOut
from pipeline.gpu_check.subjects import built, narrow
from pipeline.models import FAMILIES, losses
from pipeline.models.base import GenerativeModel
from pipeline.training.checkpoint import Checkpoints

CPU = torch.device("cpu")


@pytest.mark.parametrize(
    ("family", "precision"),
    [
        ("dcgan", "fp32"),
        ("dcgan", "bf16"),
        ("dcgan", "fp16"),
        ("cgan", "bf16"),
        ("ddpm", "bf16"),
        ("wgan_gp", "fp16"),
        ("stylegan2_ada", "bf16"),
    ],
)
def test_a_healthy_machine_has_the_gradients_of_float32(family, precision):
    found = updates.check(family, 32, CPU, precision)
    assert found.right
    assert (found.found["error"] == 0) == (precision == "fp32")  # with itself


@pytest.mark.parametrize("precision", ["fp32", "bf16", "fp16"])
def test_a_wrong_gradient_is_found(monkeypatch, precision):
    """Of one layer out of five, its sign; the CPU's is right."""
    updates.reference.cache_clear()
    updates.reference("dcgan", 32)
    enlivened = updates.built

    def broken(*args):
        model = enlivened(*args)
        model.generator.ups[0].weight.register_hook(torch.neg)
        return model

    monkeypatch.setattr(updates, "built", broken)
    found = updates.check("dcgan", 32, CPU, precision)
    assert found.right is False
    assert 1 < found.found["error"] < 2


def test_the_error_of_a_gradient_worked_by_hand():
    expected = [[torch.tensor([3.0, 4.0]), torch.tensor([12.0]), None]]  # norms 5, 12 and 13 in all
    found = [[torch.tensor([3.0, 4.63]), torch.tensor([12.0]), None]]
    assert updates.apart(found, expected) == pytest.approx(0.63 / (5 + 1.3))
    assert updates.apart(expected, expected) == 0
    assert updates.apart(expected * 2, expected) == np.inf  # a step too many
    assert updates.apart([[None, *expected[0][1:]]], expected) == np.inf
    assert not updates.apart([[torch.tensor([np.nan, 0]), *expected[0][1:]]], expected) <= updates.LIMITS["bf16"]


def test_every_precision_can_say_no_of_a_gradient_that_is_twice_as_large():
    expected = [[torch.ones(4), torch.ones(400)]]
    for precision, limit in updates.LIMITS.items():
        assert updates.apart([[2 * torch.ones(4), 2 * torch.ones(400)]], expected) > limit, precision


def test_a_training_goes_on_where_a_signal_ended_it():
    """wgan_gp: its rate falls to 0 at the end of the budget, so a shorter budget is no part of a longer one."""
    found = trainings.check("wgan_gp", 32, CPU, "auto", 8)
    assert found.right, found
    assert (found.found["stopped_at"], found.found["next_row_at"], found.found["apart"]) == (16, 20, 0)
    assert trainings.check("dcgan", 32, CPU, "fp16", 16).right


def test_a_family_that_keeps_training_images_goes_on_too():
    """Its model has tensors whose shape the training images decide."""
    assert trainings.check("projected_gan", 32, CPU, "auto", 2).right


def test_a_training_that_begins_anew_is_found(monkeypatch):
    """It ends in the right weights all the same."""
    monkeypatch.setattr(Checkpoints, "newest", lambda *args: None)
    found = trainings.check("dcgan", 32, CPU, "auto", 16)
    assert found.right is False
    assert (found.found["stopped_at"], found.found["next_row_at"]) == (32, 4)
    assert found.found["apart"] == 0


def test_an_optimiser_that_forgets_is_found(monkeypatch):
    whole = GenerativeModel.load_state

    def without(model, flat):
        whole(model, {k: v * 0 if k.endswith("exp_avg_sq") else v for k, v in flat.items()})

    monkeypatch.setattr(GenerativeModel, "load_state", without)
    found = trainings.check("dcgan", 32, CPU, "fp32", 16)
    assert found.right is False
    assert found.found["state_kept"] is False
    assert found.found["apart"] > trainings.CHAOS


@pytest.mark.parametrize("kind", ["classes", "boxes"])
def test_detectors_of_one_seed_are_equal(kind):
    assert looks.detector(kind, 32, CPU, 2, 4).right


def test_a_detector_that_differs_in_one_bit_is_found():
    networks = [nn.Linear(3, 3) for _ in range(2)]
    networks[1].load_state_dict(networks[0].state_dict())
    with torch.no_grad():
        networks[1].weight[1, 2] = torch.nextafter(networks[0].weight[1, 2], torch.tensor(9.0))
    turns = iter([*networks, networks[0], networks[0]])
    assert looks.twice(lambda: next(turns), 1).right is False
    assert looks.twice(lambda: next(turns), 1).right is True


def test_features_of_a_device_that_is_off_by_a_thousandth_are_found():
    assert looks.features(64, CPU).right
    assert looks.features(64, CPU, amplified=1.001).right is False


def test_drawing_tells_the_right_image_from_another():
    finding = looks.drawing(narrow("stylegan2_ada"), 32, CPU, None, 6)
    assert finding.right
    images = torch.rand(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    assert looks.unlike(images, images.flip(0))[0] > looks.IMAGE
    assert looks.unlike(images, images + 1 / 127.5)[1] == pytest.approx(1, rel=1e-3)


def test_a_rate_names_every_phase(monkeypatch):
    finding = rates.rate(narrow("stylegan2_ada", r1_every=1, path_length_every=1), 16, CPU, None, 1)
    assert finding.right is None
    phases = {name for name in finding.found if name.startswith("ms_") and name.endswith("_loss")}
    assert phases == {"ms_discriminator_loss", "ms_r1_loss", "ms_generator_loss", "ms_path_loss"}
    monkeypatch.setattr(losses, "logistic_generator", lambda logits: logits.mean() * torch.nan)
    assert rates.rate(narrow("dcgan"), 16, CPU, None, 1).right is False


def test_every_family_has_phases():
    for family in FAMILIES:
        found = rates.rate(narrow(family), 32, CPU, None, 1).found
        assert any(name.startswith("ms_") and name.endswith("loss") for name in found), family


def test_rows_go_to_the_file_at_once_and_a_failure_costs_no_other(tmp_path, capsys):
    def fails():
        raise ValueError("broken")

    def means_nothing():
        raise LeftOut("one card")

    works = [
        lambda: Finding({"a": 1.0}),
        fails,
        means_nothing,
        lambda: Finding({}, False, "a ≤ 1"),
        lambda: Finding({}, True),
    ]
    out = tmp_path / "rows.jsonl"
    found = rows.run([Case("s", str(i), work) for i, work in enumerate(works)], 60, out)
    assert [row["result"] for row in found] == ["measured", "FAILED", "left out", "WRONG", "ok"]
    assert [json.loads(line) for line in out.read_text().splitlines()] == found
    assert "ValueError: broken" in rows.table(found)
    assert "ValueError" in capsys.readouterr().err
    assert [rows.wrong([row]) for row in found] == [False, True, False, True, False]
    late = rows.run([Case("s", "late", fails)], 0)
    assert late[0]["result"] == "left out"


def test_the_command_ends_with_the_status_of_its_rows(monkeypatch, capsys):
    assert main(["--sections", "facts", "features"]) == 0
    assert "features | 64 px | ok" in " ".join(capsys.readouterr().out.split())
    monkeypatch.setattr(looks, "FEATURES", -1.0)
    assert main(["--sections", "features"]) == 1


@pytest.mark.parametrize("device", ["cpu", "cuda", "mps"])
def test_every_section_and_family_is_planned_on_every_device(device):
    planned = list(plan.cases(torch.device(device), list(FAMILIES)))
    assert {case.section for case in planned} == set(SECTIONS)
    assert len({(case.section, case.what) for case in planned}) == len(planned)
    for section in ("update", "training", "drawing", "rate"):
        assert {case.what.split()[0] for case in planned if case.section == section} == set(FAMILIES)


def test_every_layer_is_alive():
    """A network as it begins hides errors: behind a last layer of zeros no gradient goes on."""
    for family in FAMILIES:
        settings = narrow(family)
        model = built(settings, 32, CPU, None)
        assert all(parameter.any() for parameter in model.parameters()), family


@pytest.mark.slow
def test_it_needs_neither_snakemake_nor_mlflow():
    code = "import sys, pipeline.gpu_check.__main__; sys.exit('snakemake' in sys.modules or 'mlflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
