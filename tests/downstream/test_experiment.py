"""One arm of any task: what is chosen, taken over, resumed and written."""

import json
from dataclasses import replace

import numpy as np
import pytest

from pipeline.data.image_set import ImageSet
from pipeline.downstream.arms import MORE_REAL, SAME_REAL, Arm, Recipe
from pipeline.downstream.experiment import Experiment, run_arms
from pipeline.downstream.records import read_results
from pipeline.downstream.registry import TASKS
from pipeline.settings import METHOD
from tests.downstream.cases import ALL, COUNTS, MADE, REAL, SPLIT, WITH, timeless, watched


class Killed(Exception):
    pass


def test_the_file_says_what_was_done(case):
    result = case.run(*case.sets(), ALL)
    known = ("task", "dataset", "arm", "real", "steps")
    assert [getattr(result, of) for of in known] == [case.task.name, "plates", "real+all", True, 3]
    assert result.version == METHOD[TASKS[case.task.name].stage]
    assert [(one.model, one.made) for one in result.synthetic] == [("x", "synthetic"), ("y", "synthetic")]
    assert result.settings == case.settings.model_dump()
    assert (result.n_real, result.n_test, len(result.groups)) == (COUNTS["train"], COUNTS["test"], COUNTS["test"])
    chosen = result.chosen
    assert result.n_synthetic == 2 * len(MADE) * chosen.keep
    fields = ("augmented", "balanced", "ratio", "filter", "keep")
    (tried,) = (c for c in chosen.candidates if all(getattr(c, f) == getattr(chosen, f) for f in fields))
    assert tried.validation == chosen.validation
    recipes = TASKS[case.task.name].recipes()
    assert [Recipe(c.augmented, c.balanced) for c in chosen.candidates[: len(recipes)]] == recipes
    assert [one.seed for one in result.repetitions] == [0, 1]
    first = case.task.scores[0]
    scores = [getattr(one, first) for one in result.repetitions]
    assert result.mean[first] == pytest.approx(sum(scores) / 2)
    assert result.spread[first] == pytest.approx(abs(scores[0] - scores[1]) / 2**0.5)


def test_baseline_arms_differ_in_what_their_names_say(case):
    real, _ = case.sets()
    for arm in TASKS[case.task.name].baseline_arms():
        result = case.run(real, arm=arm)
        chosen = result.chosen
        assert (chosen.augmented, chosen.balanced, chosen.ratio) == (
            "augmented" in arm.name,
            "balanced" in arm.name,
            None,
        )
        assert (result.n_synthetic, chosen.filter, chosen.keep) == (0, None, None)
        assert (chosen.candidates, len(chosen.validation)) == ([], case.settings.repetitions)
        assert [set(run) for run in chosen.validation] == [{name for name, _ in case.task.selection}] * 2


def test_controls_learn_from_real_images_as_if_they_were_synthetic(case):
    """More real ones of their own split, which nothing else sees, and those that train once more."""
    split = np.where(np.isin(np.arange(len(SPLIT)), [0, 1, 2, 3]), "control", SPLIT)
    real, _ = case.sets(split=split)
    for one, count in ((MORE_REAL, 4), (SAME_REAL, 8)):
        result = case.run(real, arm=Arm((one,)))
        assert (result.control, result.chosen.candidates != [], result.n_real) == (True, True, 8)
        assert result.n_synthetic == count * result.chosen.keep


def test_a_control_is_left_out_where_no_images_are_held_back_for_it(case, capfd):
    """As of more shots than there are images."""
    real, _ = case.sets()
    out = case.folder / "real+more_real.json"
    arms = [Arm((MORE_REAL,))]
    run_arms(case.task, case.settings, real, {}, arms, out, case.folder / "state", "plates")
    assert read_results([out], case.task.result) == []
    assert "plates, real+more_real: left out, for no real images are held back for it" in capfd.readouterr().err
    assert out.with_suffix(".png").is_file() == (case.task.name == "boxes")


def test_without_validation_images_nothing_is_chosen_and_that_is_said(case, capfd):
    real, made = case.sets(split=np.where(SPLIT == "val", "train", SPLIT))
    plain = case.run(real)
    assert (plain.chosen.validation, plain.chosen.notes) == (None, [])
    result = case.run(real, made, WITH)
    chosen = result.chosen
    assert (chosen.augmented, chosen.balanced) == (True, False)
    assert (chosen.ratio, chosen.filter, chosen.keep) == (0.5, None, 1.0)
    assert (chosen.validation, chosen.candidates) == (None, [])
    assert (
        f"plates, real+x: no validation {case.task.examples} to choose by: augmented, the first"
        in capfd.readouterr().err
    )


def test_a_job_killed_again_and_again_writes_what_it_would_have_written(case, monkeypatch):
    real, made = case.sets()
    seeds = []
    with monkeypatch.context() as patch:
        watched(patch, case.task, lambda mix, seed: seeds.append(seed))
        whole = case.run(real, made, WITH)
    trained, again = [], case.folder / "again"

    def kill(until):
        def watch(mix, seed):
            if len(trained) == until:
                raise Killed
            trained.append(seed)

        return watch

    for until in (1, len(seeds) - 3, len(seeds) - 1):
        with monkeypatch.context() as patch:
            watched(patch, case.task, kill(until))
            with pytest.raises(Killed):
                case.run(real, made, WITH, folder=again)
        assert not (again / "real+x.json").exists()
    watched(monkeypatch, case.task, kill(None))
    assert timeless(case.run(real, made, WITH, folder=again)) == timeless(whole)
    assert trained == seeds
    assert seeds[-2:] == [0, 1]
    assert min(seeds[:-2]) >= 1000


def test_other_data_or_settings_are_another_job(case):
    real, made = case.sets()
    sets = [ImageSet.open(path) for path in (real, made, case.sets("other", altered=[0])[0])]
    one = Experiment(case.task, case.settings, WITH, sets[0], [sets[1]], "plates")
    faster = case.settings.model_copy(update={"learning_rate": 0.5})
    changed = [one, replace(one, real=sets[2]), replace(one, added=[]), replace(one, settings=faster)]
    recipes = [json.dumps(of.recipe()) for of in changed]
    assert len(set(recipes)) == len(recipes)
    more = case.settings.model_copy(update={"repetitions": 9})
    assert replace(one, settings=more).recipe() == one.recipe(), "repetitions are added"


class Journal:
    watches = True

    def __init__(self):
        self.files, self.looks = [], 0

    def system(self, values):
        self.looks += 1

    def dataset(self, name, digest, path, splits):
        self.seen = {name: splits}

    def final(self, values):
        self.values = values

    def artifact(self, path, dest=""):
        self.files.append(path.name)


def test_the_journal_gets_the_means_and_the_files(case):
    journal = Journal()
    result = case.run(case.sets()[0], journal=journal)
    stage = TASKS[case.task.name].stage
    assert journal.values == {f"{stage}/{score}": value for score, value in result.mean.items()}
    assert journal.seen == {"plates": ImageSet.open(case.sets()[0]).split_sizes()}
    assert journal.files == ["real.json", *(["real.png"] if case.task.name == "boxes" else [])]
    assert journal.looks > 0  # at what the training took of the machine


def test_what_is_done_outlives_a_job_that_fails_after_its_last_training(case, monkeypatch):
    class Full(Journal):
        def final(self, values):
            raise OSError(28, "No space left on device")

    real, _ = case.sets()
    with pytest.raises(OSError, match="No space"):
        case.run(real, journal=Full())
    monkeypatch.setattr(type(case.task), "train", None)  # nothing is trained again
    assert len(case.run(real).repetitions) == 2


def test_synthetic_images_are_learnt_from_and_not_judged_by(case):
    real, made = case.sets()
    alone, helped = case.run(real, arm=REAL), case.run(real, made, WITH)
    assert (helped.n_real, helped.n_test) == (COUNTS["train"], COUNTS["test"])
    assert helped.truth == alone.truth
    assert helped.repetitions[0] != alone.repetitions[0]
