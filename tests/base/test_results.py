"""Results of a version with other names are refused, and not touched."""

import pytest

from pipeline.base.results import MARK, check_names, mark_names
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
