"""Journals on a full disk and by a clock set back; stores that were moved, or are of a newer MLflow."""

import contextlib
import re
import shutil
import sqlite3
from importlib.metadata import version

import pytest

from pipeline.tracking import journal as journals
from pipeline.tracking.journal import EVENTS, Journal, read_events
from tests.faults.small_disk import disk
from tests.forks import Child

pytestmark = pytest.mark.faults


def journal(results, stage="train", **options):
    names = {"key": "steel/cgan", "stage": stage, "name": "cgan-s0", "experiment": "steel"}
    return Journal(results / "journal" / "steel" / "cgan" / stage, **names, **options)


def sync(results, status=0):
    """By a process of its own: MLflow keeps what it knows of a database. What it said."""
    child = Child("pipeline.tracking.sync", "once", "", str(results), MLFLOW_TRACKING_URI=None)
    assert child.wait(170) == status, child.said
    return child.said


def values(results):
    """Of the runs that MLflow has."""
    sync(results)
    with contextlib.closing(sqlite3.connect(results / "mlflow/mlflow.db")) as database:
        return dict(database.execute("SELECT key, value FROM latest_metrics"))


def test_a_journal_on_a_full_disk_costs_a_line_and_no_training(tmp_path, full_disk, capsys):
    with journal(tmp_path) as run:
        run.metrics({"loss": 1}, 10)
        size = (tmp_path / "journal/steel/cgan/train" / EVENTS).stat().st_size
        with full_disk(size + 20):
            run.metrics({"loss": 2}, 20)
            run.metrics({"loss": 3}, 30)
        run.metrics({"loss": 4}, 40)
    assert capsys.readouterr().err.count("journal: an event was lost, the job goes on") == 1
    points = [
        event for _, event in read_events(tmp_path / "journal/steel/cgan/train" / EVENTS) if event["t"] == "metrics"
    ]
    assert [event["images"] for event in points] == [10, 40]


def test_a_clock_set_back_hides_no_later_stage(tmp_path, monkeypatch):
    with journal(tmp_path) as run:
        run.metrics({"loss": 1}, 10)
    now = journals._now()
    monkeypatch.setattr(journals, "_now", lambda: now - 3_600_000)
    with journal(tmp_path, "evaluate", attach=True) as run:
        run.final({"kid": 0.5})
    assert values(tmp_path) == {"loss": 1, "kid": 0.5}


def test_a_store_that_was_moved_says_what_to_delete_and_is_made_again(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    with journal(old) as run:
        run.metrics({"loss": 1}, 10)
        (old / "film.gif").write_bytes(b"GIF89a")
        run.artifact(old / "film.gif")
    assert values(old) == {"loss": 1}
    shutil.move(old, new)
    said = sync(new, status=1)
    assert f"delete {new}/mlflow, and all is sent again" in said
    assert not old.exists()
    shutil.rmtree(new / "mlflow")
    assert values(new) == {"loss": 1}
    assert [path.name for path in (new / "mlflow/artifacts").rglob("*.gif")] == ["film.gif"]


def test_a_database_of_a_newer_mlflow_is_left_alone(tmp_path):
    with journal(tmp_path) as run:
        run.metrics({"loss": 1}, 10)
    assert values(tmp_path) == {"loss": 1}
    with contextlib.closing(sqlite3.connect(tmp_path / "mlflow/mlflow.db")) as database:
        database.execute("UPDATE alembic_version SET version_num = 'of_next_year'")
        database.commit()
    with journal(tmp_path, "evaluate", attach=True) as run:
        run.final({"kid": 0.5})
    said = sync(tmp_path, status=1)
    assert said.count("\n") == 1
    assert "cannot be used now, nothing is lost" in said
    assert f"of another MLflow than this ({version('mlflow')})" in said
    assert f"or delete {tmp_path}/mlflow, and all is sent again" in said
    shutil.rmtree(tmp_path / "mlflow")
    assert values(tmp_path) == {"loss": 1, "kid": 0.5}


def test_a_disk_that_fills_up_with_the_database_costs_a_line_until_there_is_room(tmp_path):
    """As its tables are made, and as it is filled."""
    place = tmp_path / "disk"
    with disk(place, 400) as enlarge:
        with journal(place) as run:
            for images in range(1000):
                run.metrics({"loss": images, "kid": 2 * images}, images)
        for kilobytes in (1300, 100_000):
            said = sync(place, status=1)
            assert re.search(r"^tracking: .*nothing is lost.* database or disk is full\n$", said)
            enlarge(kilobytes)
        assert values(place) == {"loss": 999, "kid": 1998}
