"""Results of a version with other names are refused, and not touched; those of the future are brought to now."""

import os
import time

import pytest

from pipeline.base.results import MARK, bring_to_present, check_names, mark_names, of_the_future
from pipeline.settings import UserError


def finished(results):
    meta = results / "steel" / "real" / "meta.json"
    meta.parent.mkdir(parents=True)
    meta.write_text("{}")


def test_results_without_a_mark_are_refused(tmp_path):
    finished(tmp_path)
    with pytest.raises(
        UserError, match=r"^results: `.*` was made by a version .* other names .* \(names 1, these are 3\)"
    ):
        check_names(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["steel"]


def test_results_of_later_names_are_refused(tmp_path):
    (tmp_path / MARK).write_text('{"names": 4}')
    with pytest.raises(UserError, match=r"\(names 4, these are 3\)"):
        check_names(tmp_path)


def test_a_new_folder_and_ones_own_results_are_taken(tmp_path):
    check_names(tmp_path / "new")
    mark_names(tmp_path)
    finished(tmp_path)
    check_names(tmp_path)


def test_a_damaged_mark_is_named(tmp_path):
    (tmp_path / MARK).write_text("{")
    with pytest.raises(UserError, match=MARK):
        check_names(tmp_path)


def test_files_of_the_future_get_one_time_and_others_keep_theirs(tmp_path):
    (tmp_path / "logs" / "steel").mkdir(parents=True)
    now = time.time()
    times = {"logs/steel/train.log": 3600, "model.json": 60, ".snakemake_timestamp": 7, "old": -9}
    times = {name: now + seconds for name, seconds in times.items()}
    for name, at in times.items():
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (at, at))
    assert of_the_future(tmp_path)
    bring_to_present(tmp_path)
    assert not of_the_future(tmp_path)
    later = {name: (tmp_path / name).stat().st_mtime for name in times}
    assert later["old"] == pytest.approx(times["old"])
    assert len(set(later.values())) == 2
    assert max(later.values()) == pytest.approx(now, abs=6)
